"""Programs at random: any schedule in any loop, stopped anywhere, at its closed form at every update."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer

import etude as et
from etude import BASE, Plateau, PlateauState, Schedule
from etude.errors import ScheduleWarning
from etude.torch import Scheduler
from tests.strategies import HORIZON, STEPS, schedules

Kind = Literal["float", "float32", "float64"]

UPDATES = 24
EPOCH = 7
"""Micro-batches in an epoch: no multiple of most accumulations, so that windows are cut short."""

PLATEAU = Plateau("loss", patience=1, factor=0.5)
WARMUP = et.Linear(0.1 * BASE, BASE, over="1ep")

# What is trained with besides anything at all; it may be asked for a base of 0.
RUNS: list[Schedule] = [
    WARMUP >> et.Cosine(over="100% - 1ep"),
    et.wsd("2ep", "20%"),
    et.one_cycle(over="100%"),
    et.sgdr(9, "3/2", floor=0.01 * BASE),
    et.Constant(0.0, over=12) >> et.Linear(0.0, BASE, over=9) >> et.Exponential(0.9),
    (WARMUP >> et.Exponential(0.97)) * PLATEAU,
    et.minimum(et.cyclic(0.01 * BASE, BASE, up=5) * PLATEAU, 0.25 * BASE + 0.01),
    et.Cosine(3e-4, 1e-5, over="100%"),
]
# What is counted in samples or tokens: 4 and 64 in a step.
COUNTED: list[Schedule] = [
    et.Linear(BASE, 0.0, over="72smp"),
    et.Cosine(BASE, 0.1 * BASE, over="100smp") * PLATEAU,
    et.sgdr("28smp"),
]
IN_TOKENS: list[Schedule] = [
    et.Linear(0.1 * BASE, BASE, over="256tok") >> et.Cosine(over="1024tok"),
    et.Exponential(0.5, per="320tok"),
]


@dataclass(frozen=True)
class Event:
    """What happens between two updates."""

    what: str
    number: float = 0.0
    order: tuple[str, ...] = ()
    late: bool = False
    kind: Kind = "float"


@dataclass(frozen=True)
class Program:
    """A run: what is scheduled, for which groups, in which loop, and what befalls it."""

    schedule: Schedule
    head: Schedule | None
    """Another one for the first group."""
    bases: tuple[tuple[float, Kind], ...]
    optimizer: str
    loop: str
    window: int
    overflows: tuple[bool, ...]
    count: Literal["updates", "attempts"]
    added: Literal["join", "own"]
    start: int
    told: str | None
    """Whether step() is told ``samples`` or ``tokens``."""
    amounts: tuple[int, ...]
    events: dict[int, list[Event]]


bases = st.tuples(st.floats(1e-3, 2.0), st.sampled_from(["float", "float", "float32", "float64"]))
frozen = st.tuples(st.just(0.0), st.sampled_from(["float", "float32"]))
STATES = ["load the optimizer", "load the scheduler"]
orders = st.permutations(["build", *STATES]).filter(
    lambda order: order.index("build") < order.index("load the scheduler")
)


@st.composite
def events(draw: st.DrawFn, *, more_groups: bool, seeks: bool) -> dict[int, list[Event]]:
    kinds = ["crash", "crash", "crash", "observe", "observe", "copy"]
    kinds += ["add a group"] * more_groups * 2 + ["seek"] * seeks
    found: dict[int, list[Event]] = {}
    for _ in range(draw(st.integers(1, 8))):
        event = Event(
            draw(st.sampled_from(kinds)),
            draw(st.floats(0.1, 2.0)),
            tuple(draw(orders)),
            draw(st.booleans()),
            draw(st.sampled_from(["float", "float32", "float64"])),
        )
        found.setdefault(draw(st.integers(0, UPDATES - 1)), []).append(event)
    return found


@st.composite
def programs(draw: st.DrawFn) -> Program:
    told = draw(st.sampled_from([None, None, None, "samples", "tokens"]))
    anything = told is None and draw(st.booleans())
    known = {None: RUNS, "samples": COUNTED, "tokens": IN_TOKENS}[told]
    schedule = draw(schedules if anything else st.sampled_from(known))
    groups = draw(st.lists(bases if anything else st.one_of(bases, bases, frozen), min_size=1, max_size=4))
    loop = draw(st.sampled_from(["plain", "accumulation", "closure", "scaler", "scaler and accumulation"]))
    fused = all(kind == "float" for _, kind in groups)
    optimizers = ["SGD", "AdamW", *["fused SGD", "fused AdamW"] * fused]
    return Program(
        schedule,
        draw(st.sampled_from([None, None, *RUNS])) if told is None and not anything else None,
        tuple(groups),
        draw(st.sampled_from(optimizers)),
        loop,
        draw(st.integers(2, 5)) if "accumulation" in loop else 1,
        tuple(draw(st.lists(st.booleans(), min_size=UPDATES, max_size=UPDATES))),
        draw(st.sampled_from(["updates", "updates", "attempts"])) if "scaler" in loop else "updates",
        "join" if told else draw(st.sampled_from(["join", "own"])),
        0 if told else draw(st.one_of(st.just(0), st.integers(0, STEPS))),
        told,
        tuple(draw(st.lists(st.integers(1, 160), min_size=UPDATES, max_size=UPDATES))),
        draw(events(more_groups=True, seeks=told is None)),
    )


def number(base: float, kind: Kind) -> float | Tensor:
    return base if kind == "float" else torch.tensor(base, dtype=getattr(torch, kind))


class Weights:
    """A parameter for each group, of which the gradient is the same wherever it stands."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []

    def group(self, base: float, kind: Kind, index: int) -> dict[str, Any]:
        if index == len(self.parameters):
            self.parameters.append(Parameter(torch.zeros(3)))
        return {"params": [self.parameters[index]], "lr": number(base, kind)}

    def loss(self, slope: float) -> Tensor:
        return torch.stack([(parameter * slope).sum() for parameter in self.parameters]).sum()


@dataclass
class Truth:
    """What the rates should be, from the schedules alone."""

    program: Program
    step: float
    bases: list[float]
    began: list[float]
    plateaus: dict[Plateau, PlateauState] = field(default_factory=dict)
    seen: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        plans = [self.program.schedule, self.program.head or self.program.schedule]
        self.plateaus = {
            part: part.fresh() for plan in plans for part in plan.walk() if isinstance(part, Plateau)
        }

    def rates(self) -> list[float]:
        size = {"samples": 4, "tokens": 64, None: 1}[self.program.told]
        step = float(self.seen / size) if self.program.told else self.step
        factors = {plateau: past.factor for plateau, past in self.plateaus.items()}
        found = []
        for index, (base, began) in enumerate(zip(self.bases, self.began, strict=True)):
            plan = self.program.head if index == 0 and self.program.head else self.program.schedule
            if began:
                # Exactly as written, and to a rounding at boundaries that are no whole steps.
                own = plan.shift(began).on(HORIZON)(step, base, factors=factors)
                assert own == pytest.approx(plan.on(HORIZON)(step - began, base, factors=factors), abs=1e-9)
                found.append(own)
            else:
                found.append(plan.on(HORIZON)(step, base, factors=factors))
        return found

    def observe(self, **metrics: float) -> None:
        self.plateaus = {
            plateau: plateau.observe(past, metrics[plateau.metric]) for plateau, past in self.plateaus.items()
        }


class Run:
    """The program with a real optimizer, beside the truth."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.groups = list(program.bases)
        self.weights = Weights()
        self.optimizer = self.fresh(self.groups)
        self.scaler = GradScaler("cpu", init_scale=2.0) if "scaler" in program.loop else None
        self.scheduler = self.build(self.optimizer)
        bases = [float(number(*group)) for group in self.groups]
        self.truth = Truth(program, 0, bases, [0] * len(bases))
        if program.start:
            self.seek(program.start)

    def fresh(self, groups: list[tuple[float, Kind]]) -> Optimizer:
        made = [self.weights.group(*group, index) for index, group in enumerate(groups)]
        kind = AdamW if "AdamW" in self.program.optimizer else SGD
        fused = {"fused": True} if "fused" in self.program.optimizer else {}
        return kind(made, lr=0.1, **fused)

    def build(self, optimizer: Optimizer) -> Scheduler:
        program = self.program
        plans: dict[str, Any] = {"schedules": program.schedule}
        if program.head is not None:
            plans = {"groups": {0: program.head, "*": program.schedule}}
        return Scheduler(
            optimizer, horizon=HORIZON, added=program.added, count=program.count, scaler=self.scaler, **plans
        )

    def check(self) -> None:
        expected = self.truth.rates()
        assert self.scheduler.get_last_lr() == expected
        for group, rate in zip(self.optimizer.param_groups, expected, strict=True):
            held = group["lr"]
            # A tensor holds it to one rounding of its own.
            rounded = torch.tensor(rate, dtype=held.dtype) if isinstance(held, Tensor) else rate
            assert float(held) == float(rounded)

    # An update.

    def update(self, index: int) -> None:
        program, optimizer, scaler = self.program, self.optimizer, self.scaler
        overflows = scaler is not None and program.overflows[index]
        micro = min(program.window, EPOCH - index * program.window % EPOCH)
        optimizer.zero_grad()
        for batch in range(micro):
            loss = self.weights.loss(math.inf if overflows and batch == 0 else 0.25)
            (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is not None:
            scaler.step(optimizer)
            scaler.update()
        elif program.loop == "closure":
            optimizer.step(lambda: self.weights.loss(0.25))  # type: ignore[arg-type, return-value]
        else:
            optimizer.step()
        amount = {program.told: program.amounts[index]} if program.told else {}
        self.scheduler.step(**amount)
        if not overflows or program.count == "attempts":
            self.truth.step += 1
            self.truth.seen += program.amounts[index]

    # What befalls it.

    def befalls(self, event: Event) -> None:
        if event.what == "observe":
            metrics = dict.fromkeys(("loss", "accuracy"), event.number)
            known = {plateau.metric for plateau in self.truth.plateaus}
            for _ in range(4):  # the last of them are no improvement
                self.scheduler.observe(**{name: metrics[name] for name in known})
                self.truth.observe(**metrics)
        elif event.what == "add a group":
            kind = "float" if "fused" in self.program.optimizer else event.kind
            self.groups.append((event.number, kind))
            self.optimizer.add_param_group(self.weights.group(*self.groups[-1], len(self.groups) - 1))
            self.truth.bases.append(float(number(*self.groups[-1])))
            self.truth.began.append(self.truth.step if self.program.added == "own" else 0)
            if self.program.told:  # a step that is sought is one of updates of the horizon's size
                self.scheduler.observe()
            else:
                self.scheduler.seek(self.scheduler.last_epoch)
        elif event.what == "seek":
            self.seek(round(event.number * 100))
        elif event.what == "copy":
            before = self.scheduler.state_dict()
            self.scheduler.load_state_dict(before)
            assert self.scheduler.state_dict() == before
        else:
            self.crash(event)

    def seek(self, step: int) -> None:
        # A group with a clock of its own has no place before it began.
        self.truth.step = max(step, *self.truth.began)
        self.scheduler.seek(self.truth.step)

    def crash(self, event: Event) -> None:
        file = io.BytesIO()
        state = {"optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict()}
        if self.scaler is not None:
            state["scaler"] = self.scaler.state_dict()
        torch.save(state, file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        if self.scaler is not None:
            self.scaler = GradScaler("cpu")
            self.scaler.load_state_dict(saved["scaler"])
        own = len(self.program.bases) if event.late else len(self.groups)
        optimizer = self.fresh(self.groups[:own])
        order = ["build", "load the scheduler", "load the optimizer"] if event.late else event.order
        for act in order:
            if act == "build":
                self.scheduler = self.build(optimizer)
            elif act == "load the scheduler":
                self.scheduler.load_state_dict(saved["scheduler"])
            else:
                for index, group in enumerate(self.groups[own:], own):
                    optimizer.add_param_group(self.weights.group(*group, index))
                optimizer.load_state_dict(saved["optimizer"])
        self.optimizer = optimizer
        assert self.scheduler.seam is None


def told(caught: list[warnings.WarningMessage]) -> Iterator[str]:
    """The warnings that say that someone else writes the rates."""
    for warning in caught:
        text = str(warning.message)
        if not issubclass(warning.category, ScheduleWarning) or "changed" in text or "writer" in text:
            yield text


@given(programs())
@settings(max_examples=200)
def test_a_random_program_uses_the_closed_form_at_every_update(program: Program) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = Run(program)
        for index in range(UPDATES):
            run.check()
            run.update(index)
            for event in program.events.get(index, ()):
                run.befalls(event)
                run.check()
    assert list(told(caught)) == []
