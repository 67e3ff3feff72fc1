"""What every schedule is, from the documentation alone: nothing here is Etude's.

A ``Curve`` is a length, the value at a time, and the last value before a time; time is an exact fraction of
steps since the curve's own start, and values are Python's floats. ``World(sizes, base).curve(term)`` is the
curve of an expression for a group with that base rate.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from typing import Any, TypeAlias

from tests.soak.terms import BASE, Rate, Sizes, Term, amounts

__all__ = ["FACTORS", "Curve", "PastEndError", "Plateau", "RefusedError", "World", "multiplies"]

Value: TypeAlias = Callable[[Fraction], float]
ONE, ZERO = Rate(0.0, 1.0), Rate(0.0, 0.0)


class RefusedError(Exception):
    """There is no such schedule."""


class PastEndError(Exception):
    """The schedule has no value there, and says so (``after="raise"``)."""


@dataclass(frozen=True)
class Curve:
    """A function of time.

    Args:
        length: in steps; None where it never ends or is timeless.
        at: the value at a time ≥ 0.
        before: the last value before a time > 0: the limit from the left.
        timeless: whether it takes the length of what is beside it.
        relative: whether it follows the base rate.
        says_after: whether it says what comes after its end, so that nothing else may follow.
        fills: whether it lasts until the run ends wherever it begins, so that nothing can follow.
        momentary: whether it lasts no time on any horizon: the one that may follow what fills the run.
    """

    length: Fraction | None
    at: Value
    before: Value
    timeless: bool = False
    relative: bool = False
    says_after: bool = False
    fills: bool = False
    momentary: bool = False

    @property
    def endless(self) -> bool:
        """Whether it never ends."""
        return self.length is None and not self.timeless


# Eases: the share of the way that is gone after the share p of the time.

EASES: dict[str, Callable[[float], float]] = {
    "linear": lambda p: p,
    "cosine": lambda p: (1 - math.cos(math.pi * p)) / 2,
    "one_minus_sqrt": math.sqrt,
    "one_minus_square": lambda p: p * p,
    "mirror_cosine": lambda p: 2 * p - (1 - math.cos(math.pi * p)) / 2,
    "quarter_cosine": lambda p: 1 - math.cos(math.pi / 2 * p),
    "quarter_sine": lambda p: math.sin(math.pi / 2 * p),
    "rex": lambda p: 0.5 * p / (1 - 0.5 * p),
}


def blend(start: float, stop: float, done: float) -> float:
    """What lies that share of the way from one value to another."""
    return start * (1 - done) + stop * done


def in_log_rate(start: float, stop: float, done: float) -> float:
    """The same in log rate."""
    return start ** (1 - done) * stop**done


# Building curves.


def smooth(length: Fraction | None, value: Value) -> Curve:
    """A function without jumps; where it has a length, what it comes to there is held."""

    def at(t: Fraction) -> float:
        return value(t if length is None else min(t, length))

    return Curve(length, at, at)


def way(length: Fraction, value: Value, then: float) -> Curve:
    """A function as far as ``length``, and then a number."""
    return Curve(
        length,
        lambda t: value(t) if t < length else then,
        lambda t: value(t) if t <= length else then,
    )


def constant(value: float, length: Fraction | None = None) -> Curve:
    """One value; timeless where it has no length."""
    return Curve(length, lambda t: value, lambda t: value, timeless=length is None)


def joined(parts: Sequence[Curve]) -> Curve:
    """One after another: each covers [its start, the next one's start)."""
    for i, part in enumerate(parts[:-1]):
        followed = not all(other.momentary for other in parts[i + 1 :])
        if part.length is None or part.says_after or (part.fills and followed):
            raise RefusedError("nothing can follow")
    starts = [Fraction(0)]
    for part in parts[:-1]:
        starts.append(starts[-1] + (part.length or 0))
    last = parts[-1]

    def at(t: Fraction) -> float:
        index = bisect_right(starts, t) - 1
        return parts[index].at(t - starts[index])

    def before(t: Fraction) -> float:
        index = bisect_left(starts, t) - 1
        return parts[index].before(t - starts[index])

    length = None if last.length is None else starts[-1] + last.length
    lasting = next((part for part in reversed(parts) if not part.momentary), last)
    return Curve(length, at, before, says_after=last.says_after, fills=lasting.fills)


def together(parts: Sequence[Curve], join: Callable[[Sequence[float]], float]) -> Curve:
    """Values at the same time, joined; it lasts as long as the longest."""
    lengths = [part.length for part in parts if part.length is not None]
    endless = any(part.endless for part in parts)
    return Curve(
        None if endless else max(lengths, default=None),
        lambda t: join([part.at(t) for part in parts]),
        lambda t: join([part.before(t) for part in parts]),
        timeless=all(part.timeless for part in parts),
        says_after=any(part.says_after for part in parts),
        fills=any(part.fills for part in parts),
    )


def held(curve: Curve, length: Fraction) -> Curve:
    """A curve as far as ``length``, and then its last value before that."""

    def last() -> float:
        return curve.before(length) if length else curve.at(length)

    return Curve(
        length,
        lambda t: curve.at(t) if t < length else last(),
        lambda t: curve.before(t) if t <= length else last(),
    )


@dataclass
class Cycles:
    """A curve over and over, each cycle ``stretch`` times as long and ``gain`` times as high as the last."""

    curve: Curve
    period: Fraction
    times: int | None
    stretch: Fraction
    gain: float
    starts: list[Fraction] = field(default_factory=lambda: [Fraction(0)])

    def begins(self, cycle: int) -> bool:
        """Whether there is such a cycle: of endless ones that shrink, none shorter than a step is begun."""
        if self.times is not None:
            return cycle < self.times
        return self.stretch >= 1 or self.period * self.stretch**cycle >= 1

    def value(self, t: Fraction, *, before: bool) -> float:
        """The value at a time, or before it."""
        cycle, start = self._even(t, before) if self.stretch == 1 else self._growing(t, before)
        own = (t - start) / self.stretch**cycle
        value = self.curve.before(own) if before else self.curve.at(own)
        return value * self.gain**cycle if self.gain != 1 else value

    def _even(self, t: Fraction, before: bool) -> tuple[int, Fraction]:
        cycle = math.ceil(t / self.period) - 1 if before else math.floor(t / self.period)
        if self.times is not None:
            cycle = min(cycle, self.times - 1)
        return cycle, cycle * self.period

    def _growing(self, t: Fraction, before: bool) -> tuple[int, Fraction]:
        while self.starts[-1] <= t and self.begins(len(self.starts)):
            self.starts.append(self.starts[-1] + self.period * self.stretch ** (len(self.starts) - 1))
        cycle = (bisect_left if before else bisect_right)(self.starts, t) - 1
        return cycle, self.starts[cycle]


def repeated(curve: Curve, times: int | None, stretch: Fraction, gain: float) -> Curve:
    """A curve over and over; after the last cycle, its last value is held."""
    if curve.length is None or curve.says_after:
        raise RefusedError("it cannot be repeated")
    if not curve.length:
        raise RefusedError("a cycle has no length")
    cycles = Cycles(curve, curve.length, times, stretch, gain)
    length = None if times is None else sum((curve.length * stretch**n for n in range(times)), Fraction(0))
    return Curve(
        length,
        lambda t: cycles.value(t, before=False),
        lambda t: cycles.value(t, before=True),
    )


def cooled(
    curve: Curve, at: Fraction, over: Fraction, stop: float, ease: Callable[[float, float, float], float]
) -> Curve:
    """A curve left at a time, to decay from the value it has there."""

    def decay(t: Fraction) -> float:
        left = curve.at(at)  # where there is no value to decay from, there is none afterwards
        return ease(left, stop, float((t - at) / over)) if t < at + over else stop

    return Curve(
        at + over,
        lambda t: curve.at(t) if t < at else decay(t),
        lambda t: curve.before(t) if t <= at else decay(t),
    )


@dataclass
class Plateau:
    """What a Plateau has seen, and its factor."""

    metric: str
    factor: float = 0.1
    patience: int = 10
    mode: str = "min"
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    minimum: float = 0.0
    counting: str = "torch"
    nan: str = "bad"
    start_after: int = 0
    average: int = 1
    now: float = 1.0
    best: float | None = None
    bad: int = 0
    rests: int = 0
    seen: int = 0
    waiting: list[float] = field(default_factory=list)

    def observe(self, metric: float) -> None:
        """Take in one observation."""
        if not math.isfinite(metric) and self.nan == "ignore":
            return
        self.seen += 1
        if self.seen <= self.start_after:
            return
        self.waiting.append(metric)
        if len(self.waiting) == self.average:
            mean = sum(self.waiting) / self.average
            self.waiting = []
            self._judge(mean)

    def _judge(self, mean: float) -> None:
        if self.counting == "keras" and self.rests:
            self.rests -= 1
        if self._better(mean):
            self.best, self.bad = mean, 0
        else:
            self.bad = 0 if self.rests else self.bad + 1
        if self.counting != "keras" and self.rests:
            self.rests -= 1
        if self.bad and self.bad >= self.patience + (self.counting == "torch"):
            self.now = max(self.now * self.factor, self.minimum)
            self.bad, self.rests = 0, self.cooldown

    def _better(self, mean: float) -> bool:
        if not math.isfinite(mean):
            return False
        if self.best is None:
            return True
        margin = self.threshold * (abs(self.best) if self.threshold_mode == "rel" else 1)
        return mean < self.best - margin if self.mode == "min" else mean > self.best + margin


Definition: TypeAlias = Callable[..., Curve]
DEFINITIONS: dict[str, Definition] = {}


def defines(*names: str) -> Callable[[Definition], Definition]:
    """Enter a definition under the names of what it defines."""

    def enter(definition: Definition) -> Definition:
        DEFINITIONS.update(dict.fromkeys(names, definition))
        return definition

    return enter


# Durations that count the rest of the run.

Amounts: TypeAlias = dict[str, Fraction]


def fills(length: Amounts) -> bool:
    """Whether a length reaches the end of the run wherever it begins, on any horizon."""
    return length.get("rest", 0) >= 1 and all(amount >= 0 for amount in length.values())


def less(whole: Amounts, *parts: Amounts) -> Amounts:
    """What is left of a whole beside its parts, counted where the whole begins."""
    units = dict.fromkeys(unit for length in (whole, *parts) for unit in length)
    return {unit: whole.get(unit, Fraction(0)) - sum(part.get(unit, 0) for part in parts) for unit in units}


def times(length: Amounts, share: Fraction) -> Amounts:
    """A share of a length."""
    return {unit: amount * share for unit, amount in length.items()}


def after(length: Amounts, passed: Amounts) -> Amounts:
    """The same length as it is counted where another has passed.

    Of R steps at first, r = R - passed are left there, where passed = c R + d: so R is (r + d) / (1 - c).
    """
    share, counted = length.get("rest", Fraction(0)), passed.get("rest", Fraction(0))
    if not share:
        return length
    if counted == 1:
        raise RefusedError("nothing is left")
    own = {unit: amount for unit, amount in length.items() if unit != "rest"}
    beside = {unit: amount for unit, amount in passed.items() if unit != "rest"}
    rests = times({"rest": Fraction(1), **beside}, share / (1 - counted))
    return less(own, times(rests, Fraction(-1)))


@dataclass
class World:
    """Where an expression is looked at: the horizon, the group's base rate, and what Plateaus have seen.

    ``origin`` is the place on the run's axis where the expression begins, and ``slow`` how many steps of the
    run one of its own is: the rest of the run is what is left there.
    """

    sizes: Sizes
    base: float = 1.0
    plateaus: dict[Term, Plateau] = field(default_factory=dict)
    relative: bool = False
    origin: Fraction = Fraction(0)
    slow: Fraction = Fraction(1)
    repeats: bool = False

    def curve(self, expression: Any, at: Fraction = Fraction(0), slow: Fraction = Fraction(1)) -> Curve:
        """What an expression is; a level is a constant.

        Args:
            expression: it.
            at: its beginning, in own steps of what it is a part of.
            slow: how many of those each step of its own is.
        """
        if not isinstance(expression, Term):
            return replace(constant(self.level(expression)), relative=_is_relative(expression))
        check_kinds(expression)
        outer, self.relative = self.relative, False
        definition = DEFINITIONS[expression.name]
        with self.begun(at, slow):
            if expression.name == "Plateau":
                found = definition(self, expression, *expression.args, **dict(expression.options))
            else:
                found = definition(self, *expression.args, **dict(expression.options))
        found = replace(found, relative=self.relative)
        self.relative |= outer
        return found

    @contextmanager
    def begun(self, at: Fraction, slow: Fraction = Fraction(1), *, repeats: bool = False) -> Iterator[None]:
        """Look from where a part begins; in what repeats there is no rest of the run."""
        outer = self.origin, self.slow, self.repeats
        self.origin, self.slow = self.origin + at * self.slow, self.slow * slow
        self.repeats |= repeats
        try:
            yield
        finally:
            self.origin, self.slow, self.repeats = outer

    def level(self, level: Any) -> float:
        """The value of a level here."""
        self.relative |= _is_relative(level)
        return level.at(self.base) if isinstance(level, Rate) else float(level)

    def signed(self, duration: Any) -> Fraction:
        """A duration in steps, which may be negative."""
        if self.repeats and amounts(duration).get("rest"):
            raise RefusedError("the rest of the run is less in each cycle")
        if not isinstance(duration, str | dict) and 0 < abs(duration) < 1:
            raise RefusedError("a number below 1 is no length, but a share or a rate")
        rest = max((self.sizes.steps(self.sizes.total) - self.origin) / self.slow, Fraction(0))
        return self.sizes.steps(duration, rest)

    def length(self, duration: Any) -> Fraction:
        """A duration in steps, which must not be negative."""
        steps = self.signed(duration)
        if steps < 0:
            raise RefusedError("less than no time")
        return steps

    def positive(self, duration: Any) -> Fraction:
        """A duration in steps, more than none."""
        steps = self.length(duration)
        if not steps:
            raise RefusedError("no time")
        return steps


def share(part: Any, whole: Any) -> Amounts:
    """A part of a recipe: a length, or a number in (0, 1) for that share of the whole."""
    if not isinstance(part, str) and 0 < part < 1:
        return times(amounts(whole), Fraction(str(part)))
    return amounts(part)


def part_of(world: World, part: Any, whole: Any) -> Fraction:
    """The same in steps."""
    if not isinstance(part, str) and 0 < part < 1:
        return world.length(whole) * Fraction(str(part))
    return world.length(part)


FACTORS = (
    "ExponentialWarmup",
    "Noise",
    "Plateau",
    "RAdamWarmup",
    "untuned_warmup",
    "warmup",
)
"""What can only multiply."""


def multiplies(expression: Any) -> bool:
    """Whether an expression is made of factors alone."""
    if not isinstance(expression, Term):
        return False
    if expression.name in FACTORS:
        return True
    parts = expression.args if expression.name in JOINS else expression.args[:1]
    joins = expression.name in JOINS or expression.name[0] == "."
    return joins and all(map(multiplies, parts))


JOINS = (">>", "*", "+", "minimum", "maximum")
FOR_RATES = (".clip", ".cooldown", ".under")


def check_kinds(expression: Term) -> None:
    """Refuse factors among rates where they do not multiply."""
    if expression.name in FOR_RATES and multiplies(expression.args[0]):
        raise RefusedError("a factor is no rate")
    if expression.name in JOINS and expression.name != "*" and len(set(map(multiplies, expression.args))) > 1:
        raise RefusedError("a factor and a rate")


def _is_relative(level: Any) -> bool:
    return isinstance(level, Rate) and bool(level.factor)


# Combinators.


@defines(">>")
def _(world: World, *parts: Any) -> Curve:
    curves, start = [], Fraction(0)
    for part in parts:
        try:
            curve = world.curve(part, start)
        except RefusedError as why:
            # What is cut at once is not laid out: only what no horizon makes right is refused.
            if part is parts[-1] or "each cycle" in str(why) or not _is_cut_at_once(world, part, start):
                raise
            continue
        start += curve.length or 0
        curves.append(replace(curve, momentary=_is_momentary(part)))
    return joined(curves)


def _is_cut_at_once(world: World, part: Any, start: Fraction) -> bool:
    """Whether it lasts until a time which there is none."""
    with world.begun(start):
        return isinstance(part, Term) and part.name == ".until" and world.length(part.args[1]) == 0


def _is_momentary(part: Any) -> bool:
    """Whether its own length is none, on any horizon."""
    over = dict(part.options).get("over") if isinstance(part, Term) and part.name != ".cooldown" else None
    return over is not None and not any(amounts(over).values())


@defines("*")
def _(world: World, *parts: Any) -> Curve:
    curves = [world.curve(part) for part in parts]
    if sum(curve.relative for curve in curves) > 1:
        raise RefusedError("a rate squared")
    return together(curves, math.prod)


@defines("+")
def _(world: World, *parts: Any) -> Curve:
    return together([world.curve(part) for part in parts], sum)


@defines("minimum")
def _(world: World, *parts: Any) -> Curve:
    return together([world.curve(part) for part in parts], min)


@defines("maximum")
def _(world: World, *parts: Any) -> Curve:
    return together([world.curve(part) for part in parts], max)


@defines(".clip")
def _(world: World, part: Any, low: Any = 0.0, high: Any = math.inf) -> Curve:
    curve, least, most = world.curve(part), world.level(low), world.level(high)
    return together([curve], lambda values: min(max(values[0], least), most))


@defines(".under")
def _(world: World, part: Any, level: Any) -> Curve:
    curve, high = world.curve(part), world.level(level)
    return together([curve], lambda values: high - values[0])


@defines(".repeat")
def _(world: World, part: Any, times: int | None = None, *, stretch: Any = 1, gain: float = 1.0) -> Curve:
    with world.begun(Fraction(0), repeats=True):
        return repeated(world.curve(part), times, Fraction(str(stretch)), gain)


@defines(".shift")
def _(world: World, part: Any, by: Any) -> Curve:
    late = world.signed(by)
    return shifted(world.curve(part, late), late)


def shifted(curve: Curve, late: Fraction) -> Curve:
    """A curve so much later, its first value held until then."""
    return replace(
        curve,
        length=None if curve.length is None else max(curve.length + late, Fraction(0)),
        at=lambda t: curve.at(max(t - late, Fraction(0))),
        before=lambda t: curve.before(t - late) if t > late else curve.at(Fraction(0)),
    )


@defines(".stretch")
def _(world: World, part: Any, factor: Any) -> Curve:
    slow = Fraction(str(factor))
    curve = world.curve(part, slow=slow)
    return replace(
        curve,
        length=None if curve.length is None else curve.length * slow,
        at=lambda t: curve.at(t / slow),
        before=lambda t: curve.before(t / slow),
    )


@defines(".until")
def _(world: World, part: Any, at: Any) -> Curve:
    return replace(held(world.curve(part), world.length(at)), fills=fills(amounts(at)))


@defines(".cooldown")
def _(
    world: World, part: Any, at: Any, *, over: Any = "rest", stop: Any = ZERO, ease: str = "linear"
) -> Curve:
    def eased(start: float, stop: float, p: float) -> float:
        return in_log_rate(start, stop, p) if ease == "geometric" else blend(start, stop, EASES[ease](p))

    curve, left = world.curve(part), world.length(at)
    with world.begun(left):
        length = world.length(over)
    found = cooled(curve, left, length, world.level(stop), eased)
    own = amounts(over)
    ends = fills(own) or (not own.get("rest") and fills(less(amounts(at), times(own, Fraction(-1)))))
    return replace(found, fills=ends)


# Shapes: from start to stop over a duration, along an ease.


def shape(
    world: World,
    ease: Callable[[float], float],
    start: Any,
    stop: Any,
    over: Any = "rest",
    inclusive: bool = False,
    after: str = "hold",
    between: Callable[[float, float, float], float] = blend,
) -> Curve:
    """``stop`` comes at ``over``, or inclusive at the shape's own last step, ``over - 1``."""
    first, last, length = world.level(start), world.level(stop), world.length(over)
    reached = length - 1 if inclusive else length

    def value(t: Fraction) -> float:
        return between(first, last, ease(float(t / reached) if t < reached else 1.0))

    if after == "repeat":
        if amounts(over).get("rest"):
            raise RefusedError("the rest of the run is less in each cycle")
        return replace(repeated(way(length, value, value(length)), None, Fraction(1), 1.0), says_after=True)
    curve = replace(way(length, value, value(length)), fills=fills(amounts(over)))
    if after == "hold":
        return curve

    def checked(value: Value) -> Value:
        def at(t: Fraction) -> float:
            if t > length:
                raise PastEndError
            return value(t)

        return at

    return replace(curve, at=checked(curve.at), before=checked(curve.before), says_after=True)


def _simple_shape(ease: str) -> Definition:
    def definition(world: World, start: Any = BASE, stop: Any = ZERO, **options: Any) -> Curve:
        return shape(world, EASES[ease], start, stop, **options)

    return definition


DEFINITIONS["Linear"] = _simple_shape("linear")


@defines("Ramp")
def _(world: World, start: Any = BASE, stop: Any = ZERO, *, ease: str, **options: Any) -> Curve:
    return shape(world, EASES[ease], start, stop, **options)


@defines("Cosine")
def _(
    world: World, start: Any = BASE, stop: Any = ZERO, *, power: float = 1, k: float = 1, **options: Any
) -> Curve:
    return shape(world, lambda p: 1 - ((1 + math.cos(math.pi * p**k)) / 2) ** power, start, stop, **options)


@defines("Polynomial")
def _(
    world: World, start: Any = BASE, stop: Any = ZERO, *, power: float = 1, k: float = 1, **options: Any
) -> Curve:
    return shape(world, lambda p: 1 - (1 - p**k) ** power, start, stop, **options)


@defines("Rex")
def _(world: World, start: Any = BASE, stop: Any = ZERO, *, beta: float = 0.5, **options: Any) -> Curve:
    return shape(world, lambda p: (1 - beta) * p / (1 - beta * p), start, stop, **options)


@defines("Tanh")
def _(
    world: World,
    start: Any = BASE,
    stop: Any = ZERO,
    *,
    lower: float = -6.0,
    upper: float = 3.0,
    **options: Any,
) -> Curve:
    def f(p: float) -> float:
        return math.tanh(lower * (1 - p) + upper * p)

    return shape(world, lambda p: (f(p) - f(0)) / (f(1) - f(0)), start, stop, **options)


@defines("Geometric")
def _(world: World, start: Any = BASE, stop: Any = ZERO, **options: Any) -> Curve:
    return shape(world, lambda p: p, start, stop, between=in_log_rate, **options)


def hyperbola(world: World, over: Any, upper: Any) -> Callable[[float], float]:
    """The ease of the hyperbolas."""
    length, longest = world.length(over), world.length(upper)
    if longest < length:
        raise RefusedError("upper is at least over")
    if not length:
        return lambda p: 1.0
    r = float(length / longest)

    def f(p: float) -> float:
        return math.sqrt(r * (1 - p) * (2 - r * (1 + p)))

    return lambda p: f(0) - f(p)


@defines("Hyperbolic")
def _(
    world: World,
    start: Any = BASE,
    stop: Any = ZERO,
    *,
    over: Any = "rest",
    upper: Any,
    geometric: bool = False,
    **options: Any,
) -> Curve:
    if options.get("after") == "repeat" and amounts(upper).get("rest"):
        raise RefusedError("the rest of the run is less in each cycle")
    ease, between = hyperbola(world, over, upper), in_log_rate if geometric else blend
    return shape(world, ease, start, stop, over, between=between, **options)


@defines("Points")
def _(world: World, points: list[tuple[Any, Any]], *, ease: str = "linear") -> Curve:
    times = [world.length(when) for when, _ in points]
    levels = [world.level(level) for _, level in points]
    if times != sorted(times):
        raise RefusedError("rising times")

    def value(t: Fraction, search: Callable[[list[Fraction], Fraction], int]) -> float:
        index = search(times, t)  # the points that have passed
        if index in (0, len(times)):
            return levels[max(index - 1, 0)]
        since, until = times[index - 1], times[index]
        return blend(levels[index - 1], levels[index], EASES[ease](float((t - since) / (until - since))))

    curve = Curve(times[-1], lambda t: value(t, bisect_right), lambda t: value(t, bisect_left))
    return replace(curve, fills=fills(amounts(points[-1][0])))


@defines("Constant")
def _(world: World, level: Any = BASE, *, over: Any = None) -> Curve:
    if over is None:
        return constant(world.level(level))
    return replace(constant(world.level(level), world.length(over)), fills=fills(amounts(over)))


# Laws: start · f(t), endless, or held after ``over``.


def law(world: World, f: Value, start: Any, over: Any) -> Curve:
    """A law without jumps."""
    first = world.level(start)
    if over is None:
        return smooth(None, lambda t: first * f(t))
    return replace(smooth(world.length(over), lambda t: first * f(t)), fills=fills(amounts(over)))


def lasting(world: World, curve: Curve, over: Any) -> Curve:
    """The same of a law that jumps."""
    if over is None:
        return curve
    return replace(held(curve, world.length(over)), fills=fills(amounts(over)))


@defines("Exponential")
def _(world: World, gamma: float, *, per: Any = 1, start: Any = BASE, over: Any = None) -> Curve:
    unit = world.positive(per)
    return law(world, lambda t: gamma ** float(t / unit), start, over)


@defines("InverseTime")
def _(world: World, decay_rate: float, *, per: Any = 1, start: Any = BASE, over: Any = None) -> Curve:
    unit = world.positive(per)
    return law(world, lambda t: 1 / (1 + decay_rate * float(t / unit)), start, over)


@defines("PowerLaw")
def _(world: World, exponent: float, *, timescale: Any, start: Any = BASE, over: Any = None) -> Curve:
    unit = world.positive(timescale)
    return law(world, lambda t: (1 + float(t / unit)) ** -exponent, start, over)


@defines("InverseSqrt")
def _(world: World, timescale: Any, *, start: Any = BASE, over: Any = None) -> Curve:
    unit = world.positive(timescale)
    return law(world, lambda t: 1 / math.sqrt(1 + t / unit), start, over)


def exp(x: float) -> float:
    """e^x, infinite where it is too large for a float."""
    return math.exp(x) if x < 709 else math.inf


@defines("Sigmoid")
def _(
    world: World, steepness: float, *, middle: Any, per: Any = 1, start: Any = BASE, over: Any = None
) -> Curve:
    unit = world.positive(per)
    m = float(world.length(middle) / unit)
    return law(
        world,
        lambda t: (1 + math.exp(-steepness * m)) / (1 + exp(steepness * (float(t / unit) - m))),
        start,
        over,
    )


@defines("PolynomialCycles")
def _(world: World, period: Any, *, power: float = 1.0, start: Any = BASE, over: Any = None) -> Curve:
    length = world.positive(period)

    def f(t: Fraction) -> float:
        return float(1 - t / (math.ceil(t / length) * length)) ** power if t else 1.0

    first = world.level(start)

    def at(t: Fraction) -> float:
        return first * f(t)

    # A multiple of the period is the end of a cycle: the jump is after it.
    curve = Curve(None, at, at)
    return lasting(world, curve, over)


@defines("Steps")
def _(
    world: World,
    every: Any = None,
    gamma: float = 0.1,
    *,
    at: Any = None,
    start: Any = BASE,
    over: Any = None,
) -> Curve:
    first = world.level(start)
    if every is not None and not isinstance(every, str) and 0 < every < 1:
        raise RefusedError("a number below 1 is no length, but a factor")
    if every is not None:
        stair = world.positive(every)
        curve = Curve(
            None,
            lambda t: first * gamma ** math.floor(t / stair),
            lambda t: first * gamma ** (math.ceil(t / stair) - 1),
        )
    else:
        times = [world.length(when) for when in at]
        curve = Curve(
            None,
            lambda t: first * gamma ** sum(when <= t for when in times),
            lambda t: first * gamma ** sum(when < t for when in times),
        )
    return lasting(world, curve, over)


@defines("Custom")
def _(world: World, function: str, *, start: Any = BASE, over: Any = None) -> Curve:
    called = {"math:sqrt": math.sqrt, "math:cosh": lambda t: math.cosh(min(t, 700))}[function]
    return law(world, lambda t: called(float(t)), start, over)


# Factors.


@defines("ExponentialWarmup")
def _(world: World, timescale: Any, *, over: Any = None) -> Curve:
    unit = world.positive(timescale)
    return law(world, lambda t: -math.expm1(-float((t + 1) / unit)), ONE, over)


@defines("RAdamWarmup")
def _(world: World, beta2: float, *, over: Any = None) -> Curve:
    limit = 2 / (1 - beta2) - 1

    def rho(k: float) -> float:
        return limit - 2 * k * beta2**k / (1 - beta2**k)

    offset = next(k for k in count(1) if rho(k) > 4)

    def f(t: Fraction) -> float:
        r = rho(float(t) + offset)
        return math.sqrt((r - 4) * (r - 2) * limit / ((limit - 4) * (limit - 2) * r))

    return law(world, f, ONE, over)


def drawn(seed: int, number: int, stream: int) -> float:
    """The upper 53 bits of splitmix64's finalizer (Steele, Lea and Flood, 2014), in [0, 1).

    Of the draw's number, as the bits of its float, mixed twice: with the key of seed and stream between.
    """
    bits = int.from_bytes(struct.pack(">d", float(number)), "big")
    key = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64

    def mix(word: int) -> int:
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        return word ^ (word >> 31)

    return (mix(mix((bits + 1) % 2**64) ^ key) >> 11) / 2**53


@defines("Noise")
def _(
    world: World,
    seed: int,
    amount: float,
    *,
    distribution: str = "uniform",
    std: float | None = None,
    every: Any = 1,
    over: Any = None,
) -> Curve:
    turn = world.positive(every)
    deviation = amount / 2 if std is None else std

    def draw(number: int) -> float:
        if distribution == "uniform":
            return 1 + amount * (2 * drawn(seed, number, 0) - 1)
        reach = min(amount, 8.5 * deviation)
        for attempt in count():
            found = reach * (2 * drawn(seed, number, 2 * attempt) - 1)
            if drawn(seed, number, 2 * attempt + 1) < math.exp(-((found / deviation) ** 2) / 2):
                return 1 + found
        raise AssertionError

    curve = Curve(None, lambda t: draw(math.floor(t / turn)), lambda t: draw(math.ceil(t / turn) - 1))
    return lasting(world, curve, over)


@defines("Plateau")
def _(world: World, itself: Term, metric: str, **options: Any) -> Curve:
    plateau = world.plateaus.setdefault(itself, Plateau(metric, **options))
    return Curve(None, lambda t: plateau.now, lambda t: plateau.now, timeless=True)


# Recipes.


def rise(peak: float, warm: Fraction, ease: str = "linear") -> Curve:
    """A warmup on which no update has the rate 0: e((t + 1) / (W + 1)) of the peak."""
    return way(warm, lambda t: peak * EASES[ease](float((t + 1) / (warm + 1))), peak)


def warmed(peak: float, warm: Fraction, curve: Curve) -> Curve:
    """A curve after such a warmup."""
    return joined([rise(peak, warm), curve])


def fall(start: float, stop: float, length: Fraction, ease: Callable[[float], float]) -> Curve:
    """From one value to another along an ease."""
    return way(length, lambda t: blend(start, stop, ease(float(t / length)) if length else 1.0), stop)


def left(world: World, counted: Amounts, at: Fraction) -> Fraction:
    """A length as it is counted at a place, where it begins."""
    with world.begun(at):
        return world.length(counted)


def at_least(world: World, curve: Curve, floor: Any) -> Curve:
    """A curve that comes no lower than a level."""
    low = world.level(floor)
    return together([curve, constant(low)], max)


def warming(world: World, warmup: Any) -> Fraction:
    """The length of a warmup that something endless follows."""
    if fills(amounts(warmup)):
        raise RefusedError("nothing can follow")
    return world.length(warmup)


def going(world: World, warm: Fraction, curve: Callable[[], Curve]) -> Curve:
    """What begins after a warmup, looked at from there."""
    with world.begun(warm):
        return curve()


@defines("piecewise_constant")
def _(world: World, at: list[Any], *, rates: list[Any]) -> Curve:
    moments, levels = [world.length(when) for when in at], [world.level(rate) for rate in rates]
    if moments != sorted(moments) or any(fills(amounts(when)) for when in at):
        raise RefusedError("rising times, and time after the last")
    return Curve(
        None,
        lambda t: levels[sum(when <= t for when in moments)],
        lambda t: levels[sum(when < t for when in moments)],
    )


@defines("time_decay")
def _(
    world: World, decay_rate: float, *, per: Any = 1, warmup: Any = 0, floor: Any = ZERO, peak: Any = BASE
) -> Curve:
    warm = warming(world, warmup)
    law = going(world, warm, lambda: DEFINITIONS["InverseTime"](world, decay_rate, per=per, start=peak))
    return warmed(world.level(peak), warm, at_least(world, law, floor))


@defines("exponential")
def _(
    world: World, gamma: float, *, per: Any = 1, warmup: Any = 0, floor: Any = ZERO, peak: Any = BASE
) -> Curve:
    warm = warming(world, warmup)
    law = going(world, warm, lambda: DEFINITIONS["Exponential"](world, gamma, per=per, start=peak))
    return warmed(world.level(peak), warm, at_least(world, law, floor))


def stairs(world: World, steps: Curve, warmup: Any, floor: Any, peak: Any) -> Curve:
    """Stairs whose times are counted from the beginning: the warmup takes a part of the first."""
    warm = warming(world, warmup)
    if amounts(warmup).get("rest") == 1:
        raise RefusedError("when it has passed, what was left is not known")
    return warmed(world.level(peak), warm, at_least(world, shifted(steps, -warm), floor))


@defines("step")
def _(
    world: World, every: Any, gamma: float = 0.1, *, warmup: Any = 0, floor: Any = ZERO, peak: Any = BASE
) -> Curve:
    return stairs(world, DEFINITIONS["Steps"](world, every, gamma, start=peak), warmup, floor, peak)


@defines("multistep")
def _(
    world: World, at: list[Any], gamma: float = 0.1, *, warmup: Any = 0, floor: Any = ZERO, peak: Any = BASE
) -> Curve:
    steps = DEFINITIONS["Steps"](world, gamma=gamma, at=at, start=peak)
    return stairs(world, steps, warmup, floor, peak)


def decaying(
    world: World,
    over: Any,
    warmup: Any,
    floor: Any,
    peak: Any,
    ease: Callable[[float], float],
    cycles: int = 1,
) -> Curve:
    """A warmup, and then a decay in equal cycles of what is left of ``over``; the last value is held."""
    top, low, warm = world.level(peak), world.level(floor), part_of(world, warmup, over)
    world.length(over)
    begins = share(warmup, over)
    rests = after(less(amounts(over), begins), begins)  # counted where the decay begins
    one, at = times(rests, Fraction(1, cycles)), warm
    if cycles > 1 and not rests.get("rest"):
        down = repeated(fall(top, low, left(world, one, at), ease), cycles, Fraction(1), 1.0)
        return warmed(top, warm, down)
    falls = []
    for cycle in range(cycles):  # each is counted where it begins
        counted = after(one, times(one, Fraction(cycle)))
        length = left(world, counted, at)
        falls.append(replace(fall(top, low, length, ease), fills=fills(counted)))
        at += length
    return warmed(top, warm, joined(falls))


@defines("cosine")
def _(
    world: World,
    over: Any = "rest",
    *,
    warmup: Any = 0,
    floor: Any = ZERO,
    cycles: int = 1,
    peak: Any = BASE,
) -> Curve:
    return decaying(world, over, warmup, floor, peak, EASES["cosine"], cycles)


@defines("linear")
def _(world: World, over: Any = "rest", *, warmup: Any = 0, floor: Any = ZERO, peak: Any = BASE) -> Curve:
    return decaying(world, over, warmup, floor, peak, EASES["linear"])


@defines("polynomial")
def _(
    world: World,
    over: Any = "rest",
    *,
    power: float = 1.0,
    k: float = 1.0,
    warmup: Any = 0,
    floor: Any = ZERO,
    peak: Any = BASE,
) -> Curve:
    return decaying(world, over, warmup, floor, peak, lambda p: 1 - (1 - p**k) ** power)


@defines("inverse_sqrt")
def _(
    world: World, timescale: Any = None, *, warmup: Any = None, floor: Any = ZERO, peak: Any = BASE
) -> Curve:
    first, scale = (
        one if one is not None else other for one, other in ((warmup, timescale), (timescale, warmup))
    )
    top, warm = world.level(peak), warming(world, first)
    if amounts(first).get("rest") == 1 and amounts(scale).get("rest"):
        raise RefusedError("when it has passed, what was left is not known")
    world.length(scale)
    with world.begun(warm):
        unit = world.positive(after(amounts(scale), amounts(first)))
    law = smooth(None, lambda t: top / math.sqrt(1 + t / unit))
    return warmed(top, warm, at_least(world, law, floor))


@defines("noam")
def _(world: World, *, d_model: int, warmup: int, scale: float = 1.0) -> Curve:
    def value(t: Fraction) -> float:
        step = float(t + 1)
        return scale * d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)

    return smooth(None, value)


@defines("power_scheduler")
def _(
    world: World, *, peak: float, a: float = 4.0, b: float = 0.51, warmup: Any = 0, unit: str = "tok"
) -> Curve:
    warm, one = warming(world, warmup), world.length(f"1{unit}")
    if amounts(warmup).get("rest") == 1:
        raise RefusedError("when it has passed, what was left is not known")

    def value(t: Fraction) -> float:
        if t < warm:
            return float(peak * (t + 1) / (warm + 1))
        seen = float(t / one)
        return min(peak, a * seen**-b) if t else peak

    if Fraction((a / peak) ** (1 / b)) * one < warm:
        raise RefusedError("the warmup ends below the law")
    return Curve(None, value, lambda t: value(t) if t != warm else float(peak))


@defines("adafactor")
def _(world: World, *, warmup_init: bool = False) -> Curve:
    low = (lambda t: 1e-6 * float(t + 1)) if warmup_init else (lambda t: 0.01)
    return smooth(None, lambda t: min(low(t), 1 / math.sqrt(t + 1)))


@defines("chebyshev")
def _(world: World, *, steps: int, small: float = 0.05, per: Any = 1, peak: Any = BASE) -> Curve:
    order = [0]
    while len(order) < steps:
        order = [j for first in order for j in (first, 2 * len(order) - 1 - first)]
    with world.begun(Fraction(0), repeats=True):
        top, each = world.level(peak), world.positive(per)

    def rate(turn: int) -> float:
        angle = (order[turn % steps] + 0.5) * math.pi / steps
        return top / ((1 + small) / 2 - (1 - small) / 2 * math.cos(angle))

    return Curve(None, lambda t: rate(math.floor(t / each)), lambda t: rate(math.ceil(t / each) - 1))


@defines("one_cycle")
def _(
    world: World,
    over: Any = "rest",
    *,
    div: float = 25.0,
    final_div: float = 1e4,
    peak: Any = BASE,
    **options: Any,
) -> Curve:
    top = world.level(peak)
    return one_cycle(world, over, top / div, top, top / div / final_div, top / div, **options)


@defines("one_cycle_momentum")
def _(world: World, over: Any = "rest", *, low: Any = 0.85, high: Any = 0.95, **options: Any) -> Curve:
    least, most = world.level(low), world.level(high)
    return one_cycle(world, over, most, least, most, most, **options)


def one_cycle(
    world: World,
    over: Any,
    start: float,
    middle: float,
    stop: float,
    back: float,
    *,
    up: Any = 0.3,
    three_phase: bool = False,
    ease: str = "cosine",
) -> Curve:
    """The turn at the last step of the way up, the end at over - 1; with three phases, back as fast first."""
    world.positive(over)
    e = EASES[ease]
    one = {"st": Fraction(1)}
    rises = less(share(up, over), one)
    rising = world.length(rises)
    if three_phase and rises.get("rest") == 1:
        raise RefusedError("when it has passed, what was left is not known")
    risen = times(rises, Fraction(2 if three_phase else 1))
    falls = after(less(amounts(over), one, risen), risen)
    falling = left(world, falls, rising * (2 if three_phase else 1))
    ends = fills(falls)
    ways = [fall(start, middle, rising, e), fall(middle, stop, falling, e)]
    if three_phase:
        ways[1:] = [fall(middle, back, rising, e), fall(back, stop, falling, e)]
    return replace(joined(ways), fills=ends)


@defines("slanted_triangular")
def _(world: World, over: Any = "rest", *, up: Any = 0.1, ratio: float = 32.0, peak: Any = BASE) -> Curve:
    top, turn = world.level(peak), part_of(world, up, over)
    rises = share(up, over)
    falls = after(less(amounts(over), rises), rises)
    falling = left(world, falls, turn)

    def value(p: Fraction) -> float:
        return top * float(1 + p * Fraction(ratio - 1)) / ratio

    way_up = way(turn, lambda t: value(t / turn), top)
    way_up = replace(way_up, fills=fills(rises))
    down = fall(top, top / ratio, falling, EASES["linear"])
    return joined([way_up, replace(down, fills=fills(falls), momentary=not any(falls.values()))])


@defines("infinite")
def _(world: World, decay: Any, *, warmup: Any = 0, level: Any = BASE * 0.1, peak: Any = BASE) -> Curve:
    top, low, warm = world.level(peak), world.level(level), warming(world, warmup)
    with world.begun(warm):
        down = replace(fall(top, low, world.length(decay), EASES["cosine"]), fills=fills(amounts(decay)))
    return warmed(top, warm, joined([down, constant(low)]))


@defines("yolo")
def _(world: World, epochs: Any = "rest", *, lr0: Any = BASE, lrf: float = 0.2, warmup: Any = "3ep") -> Curve:
    top, whole, warm = world.level(lr0), world.length(epochs), world.length(warmup)
    down = fall(top, top * lrf, whole, EASES["cosine"])
    both = together([fall(0.0, 1.0, warm, EASES["linear"]), down], math.prod)
    return replace(both, fills=fills(amounts(epochs)) or fills(amounts(warmup)))


@defines("wsd")
def _(
    world: World,
    over: Any = "rest",
    *,
    warmup: Any = 0,
    cooldown: Any = "20%",
    floor: Any = ZERO,
    ease: str = "linear",
    power: float = 1.0,
    peak: Any = BASE,
) -> Curve:
    """Before over - D the peak; of the decay, as the ease, or the share (1 - q)^power is left."""
    top, low = world.level(peak), world.level(floor)
    warm, decay = part_of(world, warmup, over), part_of(world, cooldown, over)
    begins, ends = share(warmup, over), share(cooldown, over)
    between = after(less(amounts(over), begins, ends), begins)
    stable = left(world, between, warm)
    if ease == "geometric":
        down = way(decay, lambda t: in_log_rate(top, low, float(t / decay)), low)
    else:
        down = fall(top, low, decay, EASES[ease] if power == 1 else lambda q: 1 - (1 - q) ** power)
    none = not any(ends.values())
    down = replace(down, fills=fills(after(ends, less(amounts(over), ends))), momentary=none)
    flat = replace(constant(top, stable), fills=fills(between))
    return joined([rise(top, warm), flat, down])


@defines("warmup")
def _(world: World, over: Any, *, start: float | None = None, ease: str = "linear") -> Curve:
    warm = world.length(over)
    curve = rise(1.0, warm, ease) if start is None else fall(start, 1.0, warm, EASES[ease])
    return replace(curve, fills=fills(amounts(over)))


@defines("untuned_warmup")
def _(world: World, beta2: float, *, ease: str = "linear") -> Curve:
    forgotten = 1 - Fraction(str(beta2))
    if ease == "exponential":
        return smooth(None, lambda t: -math.expm1(-float((t + 1) * forgotten)))
    length = max(2 / forgotten - 1, Fraction(0))
    return way(length, lambda t: float((t + 1) * forgotten / 2), 1.0)


@defines("sgdr")
def _(
    world: World,
    period: Any,
    *,
    stretch: Any = 1,
    up: Any = 0,
    floor: Any = ZERO,
    peak: Any = BASE,
    gain: float = 1.0,
    cycles: int | None = None,
) -> Curve:
    with world.begun(Fraction(0), repeats=True):
        whole, rising = world.positive(period), part_of(world, up, period)
        falling = whole - rising
        if falling < 0:
            raise RefusedError("less than no time")
    wave = joined([fall(0.0, 1.0, rising, EASES["linear"]), fall(1.0, 0.0, falling, EASES["cosine"])])
    assert wave.length == whole
    return over_and_over(wave, world.level(floor), world.level(peak), cycles, stretch, gain)


def over_and_over(
    wave: Curve, floor: float, peak: float, cycles: int | None, stretch: Any, gain: float
) -> Curve:
    """In cycle i, floor + (peak · gainⁱ - floor) · wave."""
    ratio = Fraction(str(stretch))
    falling = repeated(wave, cycles, ratio, gain)
    staying = repeated(wave, cycles, ratio, 1.0)
    return together([falling, staying], lambda parts: peak * parts[0] + floor * (1 - parts[1]))


@defines("cyclic_cosine_decay")
def _(
    world: World,
    init_decay_epochs: Any,
    min_decay_lr: Any,
    restart_interval: Any = None,
    restart_interval_multiplier: Any = 1,
    restart_lr: Any = None,
    warmup_epochs: Any = None,
    warmup_start_lr: Any = None,
    *,
    init_lr: Any = None,
    warmup_shape: str = "linear",
) -> Curve:
    low = world.level(min_decay_lr)
    peak = world.level(next((rate for rate in (init_lr, restart_lr) if rate is not None), BASE))
    parts: list[Curve] = []

    def part(start: float, stop: float, duration: Any, ease: str) -> None:
        with world.begun(sum((part.length or Fraction(0) for part in parts), Fraction(0))):
            curve = fall(start, stop, world.length(duration), EASES[ease])
        parts.append(replace(curve, fills=fills(amounts(duration))))

    if warmup_epochs is not None:
        part(world.level(warmup_start_lr), peak, warmup_epochs, warmup_shape)
    part(peak, low, init_decay_epochs, "cosine")
    if restart_interval is not None:
        again = peak if restart_lr is None else world.level(restart_lr)
        with world.begun(Fraction(0), repeats=True):
            cycle = fall(again, low, world.positive(restart_interval), EASES["cosine"])
        parts.append(repeated(cycle, None, Fraction(str(restart_interval_multiplier)), 1.0))
    return joined(parts)


WAVES = {
    "linear": (EASES["linear"], EASES["linear"]),
    "cosine": (EASES["cosine"], EASES["cosine"]),
    "sine": (EASES["quarter_sine"], EASES["quarter_cosine"]),
}


@defines("cyclic")
def _(
    world: World,
    up: Any,
    *,
    low: Any,
    high: Any = BASE,
    down: Any = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    per: Any = 1,
    gain: float | None = None,
    cycles: int | None = None,
    shape: str = "linear",
) -> Curve:
    least, height, unit = world.level(low), world.level(high) - world.level(low), world.positive(per)
    if gain is None:
        gain = 0.5 if mode == "triangular2" else 1.0
    rising, falling = WAVES[shape]
    with world.begun(Fraction(0), repeats=True):
        lengths = world.length(up), world.length(up if down is None else down)
    wave = joined([fall(0.0, 1.0, lengths[0], rising), fall(1.0, 0.0, lengths[1], falling)])
    waves = repeated(wave, cycles, Fraction(1), gain)
    fade = smooth(None, lambda t: gamma ** float(t / unit))
    if mode == "exp_range":
        return together([waves, fade], lambda parts: least + height * parts[0] * parts[1])
    if mode == "exp_range_both":
        return together([waves, fade], lambda parts: (least + height * parts[0]) * parts[1])
    return together([waves], lambda parts: least + height * parts[0])
