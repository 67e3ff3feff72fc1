"""Random training programs, all their values against the oracle: clocks, groups, feedback, checkpoints.

A program is a list of acts. Each is a few lines of Python, which are run, and what they mean for the Truth.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random
from typing import Any, TypeAlias

import torch

from etude.errors import ScheduleWarning
from tests.soak.compositions import NEAR, evaluate, shrunk
from tests.soak.drawing import Draw
from tests.soak.oracle import EASES, Curve, Plateau, RefusedError, World, blend, cooled, multiplies
from tests.soak.tally import Fault, Found, Tally
from tests.soak.terms import BASE, Sizes, Term, smaller, term

__all__ = ["run"]

SETUP = """\
import copy, io, json, pickle
import torch
import etude as et
from etude import BASE
from etude.errors import EtudeError
from etude.torch import Scheduler, redecay

scaler, closure, window = None, False, 1

def group(base, kind, decay):
    lr = base if kind == "float" else torch.tensor(base, dtype=getattr(torch, kind))
    return {"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr, "weight_decay": decay}

def update(overflow=False):
    slope = float("inf") if overflow else 0.25

    def backward():
        loss = sum((weight * slope).sum() for each in optimizer.param_groups for weight in each["params"])
        (loss if scaler is None else scaler.scale(loss)).backward()
        return loss

    optimizer.zero_grad()
    if closure:
        return optimizer.step(backward)
    for _ in range(window):
        backward()
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()

def kept(way, state):
    if way == "torch":
        file = io.BytesIO()
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)
    if way == "json":
        return {**copy.deepcopy(state), "scheduler": json.loads(json.dumps(state["scheduler"]))}
    return pickle.loads(pickle.dumps(state)) if way == "pickle" else copy.deepcopy(state)
"""
OPTIMIZERS = ("SGD", "SGD", "AdamW", "Adam", "SGD fused", "AdamW fused")
KINDS = ("float", "float", "float", "float32", "float64")
WAYS = ("torch", "json", "pickle", "deepcopy")
ORDERS = [
    order
    for order in itertools.permutations(("build", "optimizer", "scheduler"))
    if order.index("build") < order.index("scheduler")
]
MOMENTUM = 0.9


@dataclass(frozen=True)
class Group:
    """A parameter group: its rate, what holds it, and its weight decay."""

    base: float
    kind: str
    decay: float

    @property
    def code(self) -> str:
        """The call that makes it."""
        return f"group({self.base!r}, {self.kind!r}, {self.decay!r})"

    @property
    def exact(self) -> float:
        """The rate as it is held."""
        if self.kind == "float":
            return self.base
        return float(torch.tensor(self.base, dtype=getattr(torch, self.kind)))


@dataclass(frozen=True)
class SetUp:
    """What a run is built with.

    Args:
        plan: of the learning rate.
        sizes: the horizon.
        head: of the first group, where it has another.
        decay: of the weight decay, ``"lr"`` for in proportion; None for none.
        momentum: of the momentum.
        optimizer: its class.
        added: ``"join"`` or ``"own"``.
        count: ``"updates"`` or ``"attempts"``.
        scaler: whether there is one.
        closure: whether the optimizer calls for the gradients.
        window: how many batches add up to the gradients of an update.
    """

    plan: Term
    sizes: Sizes
    head: Term | None = None
    decay: Term | str | None = None
    momentum: Term | None = None
    optimizer: str = "SGD"
    added: str = "join"
    count: str = "updates"
    scaler: bool = False
    closure: bool = False
    window: int = 1

    @property
    def build(self) -> str:
        """The line that builds the Scheduler."""
        plans: Any = {"lr": self.plan, "weight_decay": self.decay, "momentum": self.momentum}
        plans = {name: plan for name, plan in plans.items() if plan is not None}
        first = f"{plans!r}"
        if self.head is not None:
            first = f"groups={ {0: {**plans, 'lr': self.head}, '*': plans}!r}"
        options = f"horizon={self.sizes!r}, added={self.added!r}, count={self.count!r}, scaler=scaler"
        return f"scheduler = Scheduler(optimizer, {first}, {options})"

    def make(self, groups: list[Group]) -> str:
        """The line that makes the optimizer."""
        kind, _, fused = self.optimizer.partition(" ")
        momentum = f"momentum={MOMENTUM}" if kind == "SGD" else f"betas=({MOMENTUM}, 0.999)"
        made = ", ".join(each.code for each in groups)
        return f"optimizer = torch.optim.{kind}([{made}], lr=0.1, {momentum}{', fused=True' * bool(fused)})"


Change: TypeAlias = Callable[[Curve, World], Curve]


@dataclass
class Followed:
    """What a group follows.

    Args:
        group: it.
        plan: its schedule of the learning rate.
        sizes: the horizon of that.
        began: where its own clock began; None for the common one.
        place: where its clock stands.
        changes: what was decided since, such as a cooldown.
        counted: what a cooldown counts, from when it was decided on.
    """

    group: Group
    plan: Term
    sizes: Sizes
    began: Fraction | None
    place: Fraction
    changes: list[Change] = field(default_factory=list)
    counted: str | None = None


class Truth:
    """What every value has to be, from the schedules and the acts alone."""

    def __init__(self, setup: SetUp, groups: list[Group]) -> None:
        self.setup = setup
        self.step = Fraction(0)
        self.built = len(groups)
        self.plateaus: dict[Term, Plateau] = {}
        self.changes: list[Change] = []
        self.counted: str | None = None
        self.followed: list[Followed] = []
        for group in groups:
            self.add(group)
        self.values()  # which finds the Plateaus

    @property
    def place(self) -> Fraction:
        """Where the run stands."""
        return max((followed.place for followed in self.followed), default=Fraction(0))

    def add(self, group: Group, began: Fraction | None = None) -> None:
        """Let another group follow its plan, on the common clock or from its own start on."""
        setup = self.setup
        plan = setup.head if setup.head is not None and not self.followed else setup.plan
        changes, counted = list(self.changes), self.counted
        if began is not None:  # what began at the same place follows the same
            like = [one for one in self.followed if (one.began, one.plan) == (began, plan)]
            changes, counted = (list(like[0].changes), like[0].counted) if like else ([], None)
        self.followed.append(Followed(group, plan, setup.sizes, began, self.place, changes, counted))

    def decide(self, change: Change) -> None:
        """Change what all groups follow from here on."""
        self.changes.append(change)
        for followed in self.followed:
            followed.changes.append(change)

    def cool(self, over: Any, stop: Any, ease: str) -> None:
        """The same of a cooldown, from where each clock stands: it goes by what its own length counts."""
        self.changes.append(_decay(self.place, self.length(over, self.place), stop, ease))
        self.counted = self._unit(repr(over))
        for followed in self.followed:
            at = followed.place
            followed.changes.append(_decay(at, self.length(over, at), stop, ease))
            followed.counted = self.counted

    def _world(self, sizes: Sizes, base: float) -> World:
        return World(sizes, base, self.plateaus)

    def rate(self, followed: Followed) -> float:
        """The learning rate of a group."""
        world = self._world(followed.sizes, followed.group.exact)
        curve = _from(world, followed.plan, followed.began)
        for change in followed.changes:
            curve = change(curve, world)
        return curve.at(followed.place)

    def values(self) -> list[dict[str, float]]:
        """All that is scheduled, for each group."""
        setup, rows = self.setup, []
        for followed in self.followed:
            row = {"lr": self.rate(followed)}
            for name, plan, base in (
                ("weight_decay", setup.decay, followed.group.decay),
                ("momentum", setup.momentum, MOMENTUM),
            ):
                if plan == "lr":
                    row[name] = base * row["lr"] / followed.group.exact
                elif isinstance(plan, Term):
                    curve = _from(self._world(setup.sizes, base), plan, followed.began)
                    row[name] = curve.at(followed.place)
            rows.append(row)
        return rows

    def has_room(self, at: Fraction) -> bool:
        """Whether all that is planned can begin at a place of the run."""
        plans = (self.setup.plan, self.setup.decay, self.setup.momentum)
        try:
            for plan in plans:
                if isinstance(plan, Term):
                    self._world(self.setup.sizes, 1.0).curve(plan, at)
        except RefusedError:
            return False
        return True

    def length(self, over: Any, at: Fraction) -> Fraction:
        """A duration from a place on; below 0 where the run is over."""
        sizes = self.setup.sizes
        return sizes.steps(over, sizes.steps(sizes.total) - at)

    def advance(self, seen: dict[str, int]) -> None:
        """One update that has seen so much; a part of ``a >> b`` goes by what its own lengths count."""
        self.step += 1
        for followed in self.followed:
            self._advance(followed, seen)

    def _advance(self, followed: Followed, seen: dict[str, int]) -> None:
        left = Fraction(1)
        for stop, unit in self._parts(followed) if seen else [(None, "")]:
            size = getattr(self.setup.sizes, f"{unit}_per_step") if unit else 1
            speed = Fraction(seen[unit], size) if unit else Fraction(1)
            if stop is None or followed.place + left * speed < stop:
                followed.place += left * speed
                return
            if stop > followed.place:
                left -= (stop - followed.place) / speed
                followed.place = stop

    def _parts(self, followed: Followed) -> Iterator[tuple[Fraction | None, str]]:
        """Where each part of what is followed ends, the last one never, and what it counts."""
        stop, sizes, plan = followed.began or Fraction(0), self.setup.sizes, followed.plan
        options = dict(plan.options)
        if followed.counted is not None:
            yield None, followed.counted
            return
        if "warmup" in options:  # a part of its own, and the rest of the run
            yield stop + sizes.steps(options["warmup"]), self._unit(options["warmup"])
            yield None, self._unit("rest")
            return
        parts = plan.args if plan.name == ">>" else (plan,)
        for part in parts:
            stop += World(sizes).curve(part, stop).length or 0
            yield (None if part is parts[-1] else stop), self._unit(repr(part))

    def _unit(self, text: str) -> str:
        """What the durations in a text count; the rest of the run, and what says no length, as its total."""
        if any(word in text for word in ("rest", "%", "et.Cosine()", "et.cosine()")):
            text += repr(self.setup.sizes.total)
        return "samples" if "smp" in text else "tokens" if "tok" in text else ""


def _from(world: World, plan: Term, began: Fraction | None) -> Curve:
    """The curve of a plan on the run's axis, from the start of a group's own clock on."""
    if began is None:
        return world.curve(plan)
    whole = world.curve(plan, began)
    return replace(whole, at=lambda t: whole.at(max(t - began, Fraction(0))))


# What may happen. Each act says what is run, and what that means.


@dataclass(frozen=True)
class Update:
    """An update, perhaps one that overflows."""

    overflow: bool = False
    seen: tuple[tuple[str, int], ...] = ()

    def code(self, truth: Truth) -> str:
        amounts = ", ".join(f"{unit}={amount}" for unit, amount in self.seen)
        return f"update({'True' if self._lost(truth) else ''})\nscheduler.step({amounts})"

    def _lost(self, truth: Truth) -> bool:
        return self.overflow and truth.setup.scaler

    def meaning(self, truth: Truth) -> None:
        if not self._lost(truth) or truth.setup.count == "attempts":
            truth.advance(dict(self.seen))


@dataclass(frozen=True)
class Observe:
    """A metric, so often."""

    value: float
    times: int

    def code(self, truth: Truth) -> str:
        metrics = dict.fromkeys(sorted({one.metric for one in truth.plateaus.values()}), self.value)
        return "\n".join([f"scheduler.observe(**{metrics!r})"] * self.times)

    def meaning(self, truth: Truth) -> None:
        for _ in range(self.times):
            for plateau in truth.plateaus.values():
                plateau.observe(self.value)


@dataclass(frozen=True)
class Seek:
    """To another step; not before a group's own clock has begun."""

    step: float

    def _to(self, truth: Truth) -> float:
        return max(self.step, *(math.ceil(followed.began or 0) for followed in truth.followed))

    def code(self, truth: Truth) -> str:
        return f"scheduler.seek({self._to(truth)!r})"

    def meaning(self, truth: Truth) -> None:
        if self._to(truth) == truth.step:
            return  # it stands there, wherever samples and tokens have led
        truth.step = Fraction(self._to(truth))
        for followed in truth.followed:
            followed.place = truth.step


@dataclass(frozen=True)
class Add:
    """Another group, which the Scheduler sees at once or at the next update."""

    group: Group
    at_once: bool

    def _can(self, truth: Truth) -> bool:
        """Whether there is time for what it would follow."""
        return truth.setup.added == "join" or truth.has_room(truth.place + (not self.at_once))

    def code(self, truth: Truth) -> str:
        if not self._can(truth):
            return ""
        line = f"optimizer.add_param_group({self.group.code})\n"
        return line + ("scheduler.observe()" if self.at_once else "update()\nscheduler.step()")

    def meaning(self, truth: Truth) -> None:
        if not self._can(truth):
            return
        if not self.at_once:
            truth.advance({})
        truth.add(self.group, truth.place if truth.setup.added == "own" else None)


@dataclass(frozen=True)
class Cool:
    """A cooldown on demand."""

    over: Any
    stop: Any
    ease: str

    def code(self, truth: Truth) -> str:
        line = f"scheduler.cooldown({self.over!r}, stop={self.stop!r}, ease={self.ease!r})"
        return line if truth.length(self.over, truth.place) >= 0 else _refused(line)

    def meaning(self, truth: Truth) -> None:
        if truth.length(self.over, truth.place) >= 0:
            truth.cool(self.over, self.stop, self.ease)


def _refused(line: str) -> str:
    """What runs a line that there is no time for, and leaves all as it is."""
    return f"try:\n    {line}\nexcept EtudeError:\n    pass\nelse:\n    raise AssertionError('not refused')"


def _decay(at: Fraction, over: Fraction, stop: Any, ease: str) -> Change:
    def eased(first: float, last: float, p: float) -> float:
        return blend(first, last, EASES[ease](p))

    return lambda curve, world: cooled(curve, at, over, world.level(stop), eased)


@dataclass(frozen=True)
class Crash:
    """The end of a process, and another that goes on from its checkpoint.

    Args:
        way: how the states are kept.
        order: in which the next one is built and loaded.
        late: groups that were added are there only after the Scheduler's state was loaded.
    """

    way: str
    order: tuple[str, ...]
    late: bool = False

    def code(self, truth: Truth) -> str:
        return "\n".join([*self._saving(truth), *self._loading(truth, truth.setup, "")])

    def _saving(self, truth: Truth) -> list[str]:
        state = '"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()'
        lines = [f"saved = kept({self.way!r}, {{{state}}})"]
        if truth.setup.scaler:
            lines += ["scales = scaler.state_dict()", 'scaler = torch.amp.GradScaler("cpu")']
            lines += ["scaler.load_state_dict(scales)"]
        return lines

    def _loading(self, truth: Truth, setup: SetUp, policy: str) -> list[str]:
        groups = [followed.group for followed in truth.followed]
        late = groups[truth.built :] if self.late else []
        order = ("build", "scheduler", "optimizer") if late else self.order
        lines = [setup.make(groups[: len(groups) - len(late)])]
        for act in order:
            if act == "build":
                lines.append(setup.build)
            elif act == "scheduler":
                lines.append(f'scheduler.load_state_dict(saved["scheduler"]{policy})')
            else:
                lines += [f"optimizer.add_param_group({group.code})" for group in late]
                lines.append('optimizer.load_state_dict(saved["optimizer"])')
        return lines

    def meaning(self, truth: Truth) -> None:
        pass


BASE_RATE = term("Constant")


@dataclass(frozen=True)
class Resume(Crash):
    """The same under another plan, with a policy."""

    plan: Term = BASE_RATE
    total: int = 100
    policy: str = "stretch"
    over: Any = 5
    stop: Any = 0.0

    def _next(self, truth: Truth) -> SetUp:
        return replace(truth.setup, plan=self.plan, sizes=replace(truth.setup.sizes, total=self.total))

    def _over(self, truth: Truth) -> Any:
        """How long the decay takes; a few steps where the next run would be over."""
        total = self._next(truth).sizes.total
        return 5 if self.over == "rest" and total < truth.place else self.over

    def code(self, truth: Truth) -> str:
        policy = repr(self.policy)
        if self.policy == "redecay":
            policy = f"redecay({self._over(truth)!r}, stop={self.stop!r})"
        lines = [*self._saving(truth), *self._loading(truth, self._next(truth), f", on_change={policy}")]
        return "\n".join(lines)

    def meaning(self, truth: Truth) -> None:
        setup, at = self._next(truth), truth.place
        if setup == truth.setup:  # nothing is another, so no policy is asked for
            return
        over = setup.sizes.steps(self._over(truth), self.total - at)
        truth.setup = setup
        if self.policy == "stretch":
            truth.changes = []
            truth.followed = [
                replace(one, plan=setup.plan, sizes=setup.sizes, changes=[]) for one in truth.followed
            ]
            return
        # What the groups of now follow is what those that join will, too.
        first = truth.followed[0]
        if self.policy == "hold":
            change = _hold(at)
        elif self.policy == "redecay":
            change = _redecay(at, over, self.stop)
        else:
            change = lambda curve, world: curve  # noqa: E731
        truth.decide(change)
        plan, sizes = first.plan, first.sizes
        truth.changes = [lambda curve, world: truth._world(sizes, world.base).curve(plan), *truth.changes]


def _hold(at: Fraction) -> Change:
    return lambda curve, world: replace(curve, at=lambda t: curve.at(min(t, at)))


def _redecay(at: Fraction, over: Fraction, stop: Any) -> Change:
    def change(curve: Curve, world: World) -> Curve:
        last = world.level(stop)

        def value(t: Fraction) -> float:
            if t < at or curve.at(at) <= last:
                return curve.at(min(t, at))
            return blend(curve.at(at), last, float((t - at) / over)) if t < at + over else last

        return replace(curve, at=value)

    return change


@dataclass(frozen=True)
class Copy:
    """A copy of all there is, which goes on instead."""

    way: str

    def code(self, truth: Truth) -> str:
        if truth.setup.scaler:  # which holds what cannot be copied
            return "scheduler.load_state_dict(scheduler.state_dict())"
        both = "(optimizer, scheduler)"
        if self.way == "pickle":
            return f"optimizer, scheduler = pickle.loads(pickle.dumps({both}))"
        return f"optimizer, scheduler = copy.deepcopy({both})"

    def meaning(self, truth: Truth) -> None:
        pass


Act: TypeAlias = Update | Observe | Seek | Add | Cool | Crash | Resume | Copy


@dataclass(frozen=True)
class Program:
    """A run: how it is built, its groups, and what happens."""

    setup: SetUp
    groups: tuple[Group, ...]
    acts: tuple[Act, ...]

    def beginning(self) -> list[str]:
        """The lines before the first act."""
        loop = [f"closure, window = {self.setup.closure}, {self.setup.window}"]
        loop += ['scaler = torch.amp.GradScaler("cpu", init_scale=2.0)'] * self.setup.scaler
        return [*loop, self.setup.make(list(self.groups)), self.setup.build]

    def fault(self) -> tuple[str, list[str]] | None:
        """What is wrong, in words, and the lines that lead there."""
        truth, names, lines = Truth(self.setup, list(self.groups)), {}, self.beginning()
        exec(SETUP, names)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for act in [None, *self.acts]:
                code = "\n".join(self.beginning()) if act is None else act.code(truth)
                lines += [] if act is None else [code]
                try:
                    exec(code, names)
                except Exception as error:
                    return f"{type(error).__name__}: {error}", lines
                if act is not None:
                    act.meaning(truth)
                wrong = _compared(truth, names) or _told(caught)
                if wrong is not None:
                    return wrong, [*lines, f"# should be {truth.values()}", *SHOW]
        return None

    def script(self) -> str:
        """What shows the fault."""
        wrong, lines = self.fault() or ("", [])
        return f"# {wrong[:200]}\n{SETUP}\n" + "\n".join(lines)


SHOW = [
    "for each in optimizer.param_groups:",
    '    print({name: each[name] for name in each if name != "params"})',
]


def _compared(truth: Truth, names: dict[str, Any]) -> str | None:
    """What is another number than it has to be, in words."""
    groups, rates = names["optimizer"].param_groups, names["scheduler"].get_last_lr()
    for index, (group, wanted) in enumerate(zip(groups, truth.values(), strict=True)):
        for name, value in wanted.items():
            held = group["betas"][0] if name == "momentum" and "betas" in group else group[name]
            size = max(abs(value), _size(truth, index) if name == "lr" else 1.0)
            near = 1e-6 if isinstance(held, torch.Tensor) and held.dtype is torch.float32 else NEAR
            if not math.isfinite(float(held)) or abs(float(held) - value) > near * size:
                return f"a wrong {name} of group {index}: {float(held)!r}, not {value!r}"
            if name == "lr" and not _same(held, rates[index]):
                return f"group {index} does not hold what is told: {float(held)!r}, not {rates[index]!r}"
    return _like_the_table(truth, rates)


def _same(held: Any, told: float) -> bool:
    rounded = torch.tensor(told, dtype=held.dtype) if isinstance(held, torch.Tensor) else told
    return float(held) == float(rounded)


def _size(truth: Truth, index: int) -> float:
    return max(1.0, truth.followed[index].group.exact)


def _like_the_table(truth: Truth, rates: list[float]) -> str | None:
    """Whether a Scheduler and a Table say the same to the last bit, where nothing has come in between."""
    for followed, rate in zip(truth.followed, rates, strict=True):
        if followed.changes or followed.began or truth.plateaus or followed.place != truth.step:
            continue
        table = evaluate(followed.plan).on(evaluate(followed.sizes))
        told = table(float(truth.step), followed.group.exact)
        if told != rate:
            return f"other bits than the table: {rate!r}, not {told!r}"
    return None


def _told(caught: list[warnings.WarningMessage]) -> str | None:
    """A warning that there is no reason for: all write their rates alone here."""
    for warning in caught:
        text = str(warning.message)
        if not issubclass(warning.category, ScheduleWarning) or "changed" in text or "writer" in text:
            return f"warned: {text}"
    return None


# Programs at random.

SAFE: tuple[Term, ...] = (
    term("cosine"),
    term(">>", term("Linear", BASE * 0.1, BASE, over="1ep"), term("Cosine", BASE, 0.0, over="60%")),
    term("wsd", warmup="5%", cooldown="20%"),
    term("one_cycle", over="100%"),
    term("linear", warmup=0.1, floor=BASE * 0.05),
    term("multistep", ["20%", "50%"]),
    term("sgdr", 9, stretch="3/2", floor=BASE * 0.01),
    term(">>", term("Linear", BASE * 0.1, BASE, over="5%"), term("Exponential", 0.97)),
    term("Cosine", 3e-4, 1e-5),
    term(".until", term("Steps", 4, 0.5), "50%"),
    term("cyclic", 5, low=BASE * 0.01, high=BASE),
    term("cosine", warmup="0.1rest", cycles=2),
    term(">>", term("Constant", BASE, over="0.3rest"), term("Polynomial", BASE, 0.0, power=2.0)),
    term(".cooldown", term("Constant", BASE), "0.6rest", stop=BASE * 0.01),
)
NEXT = SAFE[:6] + SAFE[11:]
FED: tuple[Term, ...] = tuple(
    term("*", plan, term("Plateau", "loss", factor=0.5, patience=1)) for plan in (SAFE[0], SAFE[2], SAFE[7])
)
SAMPLES: tuple[Term, ...] = (
    term("Linear", BASE, 0.0, over="72smp"),
    term("*", term("Cosine", BASE, BASE * 0.1, over="100smp"), term("Plateau", "loss", patience=0)),
    term("sgdr", "28smp"),
)
TOKENS: tuple[Term, ...] = (
    term(">>", term("Linear", BASE * 0.1, BASE, over="256tok"), term("Cosine", over="1024tok")),
    term("Exponential", 0.5, per="320tok"),
    term(">>", term("Constant", 1.0, over="14tok"), term("Constant", 0.5, over="999tok")),
)
BOTH: tuple[Term, ...] = (
    term(">>", term("Linear", 0.0, BASE, over="30smp"), term("Cosine", over="700tok")),
    term(
        ">>",
        term("Constant", BASE, over="90tok"),
        term("Linear", BASE, 0.0, over="5st"),
        term("Cosine", 1.0, 0.5, over="40smp"),
    ),
)
MOMENTA = term(".under", term("cyclic", 5, low=0.0, high=0.1), 0.9)
MEASURED: tuple[Term, ...] = (
    term("cosine"),
    term("linear", warmup="5st"),
    term("cosine", warmup="5st", floor=BASE * 0.1),
    term(">>", term("Linear", 0.0, BASE, over="6st"), term("Cosine")),
)
"""What goes by whatever the total of the run counts."""


def draw(seed: int, number: int) -> Program:
    """The program of a number."""
    random = Random(f"programs {seed} {number}")
    one_of = random.choice
    sizes = Sizes(random.randint(3, 9), random.randint(30, 60), one_of([1, 4]), one_of([7, 64]))
    drawn = Draw(random, sizes)
    told = one_of([(), (), (), ("samples",), ("tokens",), ("samples", "tokens")])
    plans = {(): SAFE + FED, ("samples",): SAMPLES, ("tokens",): TOKENS}.get(told, BOTH)
    anything = not told and random.random() < 0.4
    plan = _anything(drawn) if anything else one_of(plans)
    if told and random.random() < 0.4:
        plan, unit = one_of(MEASURED), one_of(told)
        size = sizes.samples_per_step if unit == "samples" else sizes.tokens_per_step
        sizes = replace(sizes, total=f"{sizes.total * size}{'smp' if unit == 'samples' else 'tok'}")
    kind = one_of(OPTIMIZERS)
    kinds = ("float",) if "fused" in kind else KINDS

    def group() -> Group:
        base = 0.0 if not anything and random.random() < 0.05 else drawn.number(1e-3, 2.0)
        return Group(base, one_of(kinds), drawn.number(0.001, 0.1))

    groups = tuple(group() for _ in range(random.randint(1, 3)))
    decay: Term | str | None = (
        one_of([None, None, "lr", term("Linear", BASE, 0.0, over=20)]) if not told else None
    )
    if decay == "lr" and not all(each.base for each in groups):
        decay = None
    scaler = random.random() < 0.3
    setup = SetUp(
        plan,
        sizes,
        one_of(SAFE) if not told and random.random() < 0.2 else None,
        decay,
        one_of([None, None, MOMENTA]) if not told else None,
        kind,
        one_of(["join", "own"]),
        one_of(["updates", "updates", "attempts"]) if scaler else "updates",
        scaler,
    )
    # A cooldown goes by what its own length counts.
    lengths = {(): [5, 0, "10%", "2ep", "rest", "0.5rest"], ("samples",): ["24smp"]}.get(told, ["150tok"])
    if plan in MEASURED:
        lengths = ["rest"]
    acts: list[Act] = []
    can_change = not told and plan in SAFE and setup.head is None and decay != "lr" and setup.momentum is None
    if decay is not None:
        can_change = False
    for _ in range(random.randint(6, 24)):
        what = random.random()
        seen = tuple((unit, random.randint(1, 160)) for unit in told)
        if what < 0.6:
            acts.append(Update(random.random() < 0.3, seen))
        elif what < 0.67:
            acts.append(Observe(drawn.number(0.1, 2.0), random.randint(1, 4)))
        elif what < 0.72 and not (told and any(isinstance(act, Cool) for act in acts)):
            far = 2 * int(sizes.steps(sizes.total))
            acts.append(Seek(one_of([random.randint(0, far), random.randint(0, 8 * far) / 8])))
        elif what < 0.79:
            added = group()
            added = replace(added, base=added.base or 0.5)
            acts.append(Add(added, bool(told) or random.random() < 0.5))
        elif what < 0.83 and plan not in BOTH:
            acts.append(Cool(one_of(lengths), one_of([0.0, BASE * 0.01]), drawn.ease()))
        elif what < 0.87 and can_change and setup.added == "join":
            acts.append(
                Resume(
                    one_of(WAYS), one_of(ORDERS), plan=one_of(NEXT), total=random.randint(30, 120),
                    policy=one_of(["stretch", "keep", "hold", "redecay"]), over=one_of([5, "10%", 0, "rest"]),
                    stop=one_of([0.0, BASE * 0.01]),
                )
            )  # fmt: skip
        elif what < 0.9:
            acts.append(Copy(one_of(["pickle", "deepcopy"])))
        else:
            acts.append(Crash(one_of(WAYS), one_of(ORDERS), random.random() < 0.3))
    if random.random() < 0.2 and not scaler:
        setup = replace(setup, closure=True)
    elif random.random() < 0.3:
        setup = replace(setup, window=random.randint(2, 5))
    return Program(setup, groups, tuple(acts))


def _anything(drawn: Draw) -> Term:
    """Any expression that is a rate."""
    while True:
        plan = drawn.expression(drawn.random.randint(1, 4))
        if any(dict(part.options).get("after") == "raise" for part in plan.walk()):
            continue
        try:
            if World(drawn.sizes).curve(plan).relative and not multiplies(plan):
                return plan
        except RefusedError:
            pass


def _smaller(program: Program) -> Iterator[Program]:
    acts, groups = program.acts, program.groups
    for size in (8, 4, 2, 1):
        for start in range(0, len(acts), size):
            yield replace(program, acts=acts[:start] + acts[start + size :])
    for index in range(1, len(groups)):
        yield replace(program, groups=groups[:index] + groups[index + 1 :])
    setup = program.setup
    for name, value in SetUp(setup.plan, setup.sizes).__dict__.items():
        if getattr(setup, name) != value:
            yield replace(program, setup=replace(setup, **{name: value}))
    counted = any(isinstance(act, Update) and act.seen for act in acts)
    for less in smaller(setup.plan) if not counted else ():
        yield replace(program, setup=replace(setup, plan=less))


def _kind(program: Program) -> str | None:
    """The fault in a word or two."""
    found = program.fault()
    return None if found is None else " ".join(found[0].split(":")[0].split(" of group")[0].split()[:6])


def check(seed: int, number: int) -> Found:
    """Run the program of a number."""
    program = draw(seed, number)
    kind = _kind(program)
    if kind is None:
        return Found(counted=Counter({"acts": len(program.acts)}))
    least = shrunk(program, _smaller, lambda less: _kind(less) == kind)
    return Found([Fault(kind, f"# program {number} of seed {seed}\n{least.script()}")])


def run(tally: Tally, count: int, seed: int) -> None:
    """Run so many programs."""
    tally.spread(check, count, seed)
