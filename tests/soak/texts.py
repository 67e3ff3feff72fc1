"""Mutated texts for all that reads text: an EtudeError or a value, at once, and nothing of theirs is run."""

from __future__ import annotations

import json
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from random import Random
from types import CodeType
from typing import Any

import etude as et
from etude.errors import EtudeError
from etude.finder import Curve, RangeTest
from etude.readings import Reading
from etude.record.leftovers import Leftovers
from etude.spec import to_yaml
from etude.spec.examples import EXAMPLES, FIELD
from tests.soak.compositions import shrunk
from tests.soak.mutation import mutated, mutated_json
from tests.soak.tally import Fault, Found, Tally

__all__ = ["run"]

SLOW = 1.0
"""Seconds of the processor that no text may take."""
HANGS = 30
"""Seconds after which a text is given up."""
MOST = 300 * 1024
"""KiB that reading may add to what the process had before."""
WATCHED = ("import", "exec", "open", "os.", "subprocess.", "socket.", "ctypes.", "shutil.")
"""Events of Python's that no reader of text may raise."""

SETUP = """\
import json
from pathlib import Path
import torch
import etude as et
import etude.torch.lr_scheduler as L
from etude import BASE
from etude.finder import RangeTest
from etude.record.leftovers import Leftovers
from etude.spec import from_yaml
from etude.torch import Scheduler
path = Path("leftovers.jsonl")
horizon = et.Horizon(7, "30ep", samples_per_step=4, tokens_per_step=64)
"""
OPTIMIZER = """\
groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.2)]
optimizer = torch.optim.SGD(groups, momentum=0.9)
"""
PLANS = (
    "et.cosine()",
    "et.Linear(0, BASE, over='1ep') >> et.Cosine(over='29ep')",
    "et.wsd(warmup='2ep', cooldown='20%') * et.Plateau('loss', patience=1)",
    "et.Cosine(BASE, 0.1 * BASE, over='100smp')",
    "et.Constant(over='0.5rest') >> et.linear('rest - 1ep', warmup='0.1rest')",
)
DROPINS = (
    "StepLR(optimizer, 3)",
    "MultiStepLR(optimizer, [2, 5])",
    "CosineAnnealingLR(optimizer, 20)",
    "OneCycleLR(optimizer, 1.0, total_steps=20)",
    "CosineAnnealingWarmRestarts(optimizer, 4, 2)",
    "ReduceLROnPlateau(optimizer, patience=1)",
    "PolynomialLR(optimizer, 9)",
)


@dataclass
class Reader:
    """Something that reads text.

    Args:
        name: as the faults call it.
        texts: right ones, to be made wrong.
        read: what reads ``text``.
        prepare: what comes before, anew after each text that was taken.
        mutate: how its texts are made wrong.
    """

    name: str
    texts: Sequence[str]
    read: str
    prepare: str = ""
    mutate: Callable[[Random, Sequence[str]], str] = mutated
    names: dict[str, Any] = field(default_factory=dict)

    def script(self, text: str) -> str:
        """What reads that text."""
        return f"{SETUP}{self.prepare}text = {text!r}\n{self.read}"

    @cached_property
    def _code(self) -> CodeType:
        return compile(self.read, self.name, "exec")

    def fault(self, text: str) -> str | None:
        """What is wrong with reading a text, in a word or two; None for nothing."""
        if not self.names:
            exec(SETUP, self.names)
            self.names["path"] = _folder() / "leftovers.jsonl"
            exec(self.prepare, self.names)
            for right in self.texts[:3]:  # what is imported when it is first needed, is now
                self._read(right)
        began, memory = time.process_time(), max(_memory(), _start() + MOST)
        fault = self._read(text)
        if time.process_time() - began > SLOW:
            return f"{self.name}: slow"
        if _memory() > memory:
            return f"{self.name}: memory"
        return fault and f"{self.name}: {fault}"

    def _read(self, text: str) -> str | None:
        self.names["text"] = text
        if "path" in self.read:
            self.names["path"].write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            with _watched(self.names["path"]) as seen, warnings.catch_warnings():
                warnings.simplefilter("error", SyntaxWarning)
                warnings.simplefilter("ignore", UserWarning)
                exec(self._code, self.names)
        except EtudeError:
            return seen[0] if seen else None
        except Exception as error:
            return seen[0] if seen else type(error).__name__
        if self.prepare:
            exec(self.prepare, self.names)
        return seen[0] if seen else None


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="etude-soak-"))


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@cache
def _start() -> int:
    """The memory that reading begins with: all that is read with is imported and built by then."""
    readers()
    return _memory()


_EVENTS: list[list[str]] = []
_ALLOWED: list[str] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _EVENTS and event.startswith(WATCHED):
        what = str(arguments[0]) if arguments else ""
        if event == "exec" or (event == "open" and what in _ALLOWED):
            return
        _EVENTS[-1].append(f"{event} {what}"[:60])


@contextmanager
def _watched(path: Path) -> Iterator[list[str]]:
    """What is imported, opened or run meanwhile, but for the path."""
    _install()
    seen: list[str] = []
    _ALLOWED[:] = [str(path)]
    _EVENTS.append(seen)
    try:
        yield seen
    finally:
        _EVENTS.pop()


@cache
def _install() -> None:
    sys.addaudithook(_hook)  # for ever, which is why it looks at nothing most of the time


@cache
def readers() -> list[Reader]:
    """All of them, each as often as it is to be tried among the others."""
    texts = (*EXAMPLES.values(), *FIELD.values())
    plans = [et.parse(text, et.Schedule) for text in texts]
    documents = [plan.to_json() for plan in plans]
    once = [
        *(Reader("Scheduler.load_state_dict", *_of_scheduler(plan), mutate=mutated_json) for plan in PLANS),
        *(
            Reader(f"{call.split('(')[0]}.load_state_dict", *_of_dropin(call), mutate=_state)
            for call in DROPINS
        ),
        Reader("RangeTest.from_json", [_range_test()], "RangeTest.from_json(text)", mutate=mutated_json),
        Reader("Leftovers.load", [_leftovers()], "Leftovers.load(path)"),
        Reader("from_yaml", documents, "from_yaml(text)", mutate=mutated_json),
    ]
    often = [
        Reader("parse", texts, "repr(et.parse(text))"),
        Reader("from_json", documents, "repr(et.from_json(text))", mutate=mutated_json),
        Reader("from_yaml", [to_yaml(plan) for plan in plans], "repr(from_yaml(text))"),
    ]
    return once + often[:2] * 8 + often[2:] * 3


def _of_scheduler(plan: str) -> tuple[list[str], str, str]:
    """Saved states of a Scheduler, what reads them, and what comes before that."""
    names: dict[str, Any] = {}
    prepare = f"{OPTIMIZER}scheduler = Scheduler(optimizer, {plan}, horizon)\n"
    exec(f"{SETUP}{prepare}", names)
    scheduler, states = names["scheduler"], []
    for step in range(4):
        states.append(scheduler.state_dict()["etude"])
        names["optimizer"].step()
        scheduler.step(samples=3) if "smp" in plan else scheduler.step()
        for metric in scheduler.metrics:
            scheduler.observe(**{metric: 1.0})
        if step == 2:
            scheduler.cooldown("10%")
    return states, "scheduler.load_state_dict({'etude': text})", prepare


def _of_dropin(call: str) -> tuple[list[str], str, str]:
    """The same of a drop-in, in the state of torch's own class."""
    names: dict[str, Any] = {}
    prepare = f"{OPTIMIZER}scheduler = L.{call}\n"
    exec(f"{SETUP}{prepare}own = torch.optim.lr_scheduler.{call}", names)
    texts = []
    for _ in range(2):
        state = names["own"].state_dict()
        texts.append(json.dumps({key: value for key, value in state.items() if _is_plain(value)}))
        names["optimizer"].step()
        names["own"].step(*([1.0] if "Plateau" in call else []))
    return texts, "scheduler.load_state_dict(json.loads(text))", prepare


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float | str | list | dict | tuple | None) and not isinstance(
        value, Counter
    )


def _state(random: Random, texts: Sequence[str]) -> str:
    """JSON in any case: the readers take what JSON has made of it."""
    while True:
        text = mutated_json(random, texts)
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            continue
        return text


def _range_test() -> str:
    return RangeTest(Curve([1e-4, 1e-3, 1e-2, 1e-1], [[2.0, 1.5, 1.0, 9.0]], ended=[None])).to_json()


def _leftovers() -> str:
    readings = [Reading(step, {"0": 0.1}, "cosine", {"loss": 2.5}) for step in range(2)]
    left = Leftovers("runs.sqlite", 3, "2026-01-01T00:00:00+00:00", "finished", {"loss": 1.0}, None, readings)
    return left.save(_folder()).read_text(encoding="utf-8")


def check(seed: int, number: int) -> Found:
    """Try the text of a number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the plans that are built to read into
        return _check(seed, number)


def _check(seed: int, number: int) -> Found:
    random = Random(f"texts {seed} {number}")
    reader = random.choice(readers())
    text = reader.mutate(random, reader.texts)
    kind = reader.fault(text)
    found = Found(most={"MiB more than before": (_memory() - _start()) / 1024})
    if kind is not None:
        least = shrunk(text, _shorter, lambda less: reader.fault(less) == kind)
        found.faults.append(Fault(kind, f"# text {number} of seed {seed}: {kind}\n{reader.script(least)}"))
    return found


def _shorter(text: str) -> Iterator[str]:
    size = len(text) // 2
    while size:
        for start in range(0, len(text), size):
            yield text[:start] + text[start + size :]
        size //= 2


def _in_time(seed: int, number: int) -> Found:
    """The same, given up where it hangs."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(HANGS)
    try:
        return check(seed, number)
    finally:
        signal.alarm(0)


def _give_up(signum: int, frame: object) -> None:
    raise TimeoutError(f"not read in {HANGS} s")


def run(tally: Tally, count: int, seed: int) -> None:
    """Try so many texts."""
    tally.spread(_in_time if count > 100_000 else check, count, seed)
