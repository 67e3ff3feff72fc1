"""Timelines: a schedule laid over a horizon, evaluated at any step at once.

A schedule resolves into a small tree of the nodes below. Each node is a function of one *time axis*,
whose unit is a step, or a whole fraction of one inside a cycle. Boundaries are kept as exact fractions
and compared in a way that is right for every whole step below 2⁵³:

- a boundary b is stored as the smallest float that is not below b, so ``x >= stored`` is ``x >= b``;
- inside a cycle the axis is rescaled until every boundary of the cycle is a whole number.

No logarithm decides which cycle a step is in.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from etude.durations import LARGEST_STEP, DurationLike, Horizon, to_duration
from etude.eases import Array, Ease
from etude.errors import ScheduleError
from etude.levels import Level

__all__ = [
    "HOLD",
    "Chain",
    "Clock",
    "Combined",
    "Context",
    "Cooled",
    "Cut",
    "Cycles",
    "Delayed",
    "Fed",
    "Growing",
    "Law",
    "Node",
    "Numbered",
    "Phase",
    "Ramp",
    "Scaled",
    "ceil_float",
    "just_before",
    "power",
]

HOLD = "hold"
CONSTANT = "constant"
# Cycles whose boundaries have a larger common denominator than this are compared as plain floats: whole
# steps times the denominator must stay below 2⁵³ to be exact.
MAX_DENOMINATOR = 2**20
# Endless cycles that shrink have infinitely many restarts before their limit; one shorter than this many of
# the schedule's own steps is no longer begun.
SHORTEST_CYCLE = 1
# Growing cycles' boundaries with a larger denominator than this are kept to that part of a step. So far
# down the cycles no boundary is a whole step any more, unless it is one within 2⁻¹⁰⁰⁰.
FINEST = 2**1000


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a schedule starts on the time axis, and how long one of its own steps is there."""

    horizon: Horizon
    origin: Fraction = Fraction(0)
    scale: Fraction = Fraction(1)

    @property
    def left(self) -> Fraction | None:
        """The own steps that are left of the run, none where it is over; None where its length is unknown."""
        total = self.horizon.total_steps
        return None if total is None else max((total - self.origin) / self.scale, Fraction(0))

    def steps(self, duration: DurationLike, name: str) -> Fraction:
        """The duration in the schedule's own steps, ≥ 0."""
        return self.horizon.steps(duration, name, self._left_for(duration))

    def signed_steps(self, duration: DurationLike, name: str) -> Fraction:
        """The duration in the schedule's own steps, which may be negative."""
        return self.horizon.signed_steps(duration, name, self._left_for(duration))

    def _left_for(self, duration: DurationLike) -> Fraction | None:
        return self.left if to_duration(duration).rests else None

    def at(self, t: Fraction) -> Fraction:
        """The place on the axis of the schedule's own step ``t``."""
        return self.origin + self.scale * t

    def started(self, t: Fraction) -> Clock:
        """The clock of a part that starts at the own step ``t``."""
        return replace(self, origin=self.at(t))

    def slowed(self, factor: Fraction) -> Clock:
        """The clock of a part whose steps are ``factor`` as long."""
        return replace(self, scale=self.scale * factor)


@dataclass(frozen=True, slots=True)
class Context:
    """What a value depends on besides time: the groups' base rates and what feedback has decided."""

    base: Array
    factors: Mapping[Hashable, float]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the axis with one formula: ``[start, stop)``, endless where ``stop`` is None."""

    name: str
    start: Fraction
    stop: Fraction | None
    cycle: int | None = None


def ceil_float(exact: Fraction) -> float:
    """Return the smallest float that is not below the exact number."""
    try:
        nearest = exact.numerator / exact.denominator
    except OverflowError:
        return math.inf
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)


def just_before(boundary: Array) -> Array:
    """Return places before the boundaries, so near that the value there is the last one before.

    A few roundings away, not one: inside a cycle a place is rounded once more before it is compared.
    """
    near: Array = boundary - 4 * np.spacing(boundary)
    return near


def power(gain: float, exponent: int) -> float:
    """Return gain^exponent, infinite where it is too large for a float."""
    try:
        return gain**exponent
    except OverflowError:
        return math.inf


def _share(x: Array, start: Fraction, stop: Fraction) -> Array:
    """The share of the way from ``start`` to ``stop`` that is gone at places, in [0, 1]."""
    length = float(stop - start)
    if length <= 0:
        return np.ones_like(x)
    share = x - float(start)
    share /= length
    np.clip(share, 0.0, 1.0, out=share)
    # Of a start that is no whole step the float is rounded, and an ease that is steep at an end would make
    # much of the little that is missing there. Elsewhere a whole step that is an end is so exactly.
    if start.denominator > 1:
        share[x <= ceil_float(start)] = 0.0
        share[x >= ceil_float(stop)] = 1.0
    return share


def _place(x: Fraction) -> Array:
    """A place as the nodes take places."""
    return np.array([[float(x)]])


def _before(start: Fraction) -> Phase:
    """The phase of what has not begun: its first value, held."""
    return Phase(HOLD, Fraction(0), start)


class Node(ABC):
    """A schedule on an axis: values at places ``x`` (n × 1) for base rates (groups)."""

    @abstractmethod
    def __call__(self, x: Array, context: Context) -> Array:
        """The values, of a shape that broadcasts to n × groups."""

    def before(self, x: Fraction, context: Context) -> Array:
        """The values just before a place, 1 × groups: the limit from the left, which sees no jump at ``x``.

        This is that of a node that has no jump.
        """
        return self(_place(x), context)

    def at(self, x: Fraction, context: Context) -> Array:
        """The values at a place as it is exactly, 1 × groups: also at a jump between two floats.

        This is that of a node that has no jump.
        """
        return self(_place(x), context)

    @abstractmethod
    def phase_at(self, x: Fraction) -> Phase:
        """The phase that covers ``x``, for an x ≥ 0."""

    @abstractmethod
    def denominator(self, stop: Fraction) -> int:
        """The least number of parts of the axis' unit in which its boundaries before ``stop`` are whole.

        Boundaries are the places where one formula gives way to another.
        """

    @property
    @abstractmethod
    def decay_power(self) -> float:
        """The power p of the continuation's decay, like k^-p.

        0 for one that stays above zero, inf for one that is zero in the end or decays exponentially,
        -inf for one that grows exponentially, NaN where it is unknown.
        """


@dataclass(frozen=True, slots=True)
class Ramp(Node):
    """From one level to another along an ease, then the last level for ever."""

    name: str
    start: Fraction
    stop: Fraction
    first: Level
    last: Level
    ease: Ease
    geometric: bool = False
    # The last value's own step, where the ramp is to end on it: one step of its clock before the stop.
    last_step: Fraction = Fraction(0)
    raises: bool = False

    def __call__(self, x: Array, context: Context) -> Array:
        if self.raises and x.max() > ceil_float(self.stop):
            raise ScheduleError(
                f"step {x.max():.16g} is past the end of {self.name} at {float(self.stop):.16g}, and it was "
                f"written with after='raise'"
            )
        first, last = self.first.at(context.base), self.last.at(context.base)
        if self.first == self.last:
            return first[np.newaxis]
        done = self.ease(_share(x, self.start, self.stop - self.last_step))
        if self.geometric:
            return _between(first, last, done)
        # Weighing both ends, not start + share · difference, gives each end exactly.
        if first.size > 1:
            return first * (1 - done) + last * done
        # The same for one group, without making new arrays: this is what a million steps spend their time on.
        if not last[0]:
            left = np.subtract(1.0, done, out=done)
            left *= first[0]
            return left
        left = 1 - done
        left *= first[0]
        done *= last[0]
        left += done
        return left

    def phase_at(self, x: Fraction) -> Phase:
        if x >= self.stop:
            return Phase(HOLD, self.stop, None)
        return Phase(self.name, self.start, self.stop) if x >= self.start else _before(self.start)

    def denominator(self, stop: Fraction) -> int:
        return 1  # it is one formula, and held at both ends

    @property
    def decay_power(self) -> float:
        return math.inf if self.last == Level(0.0, 0.0) else 0.0


def _between(first: Array, last: Array, done: Array) -> Array:
    """What lies that share of the way from one value to the other in log rate; each end is exact.

    The ratio of the two, of which one power would do, need not be a float where both are.
    """
    # NumPy's own ** is a root where all exponents are 0.5: other last bits for one step than for many.
    way: Array = np.float_power(first, 1 - done) * np.float_power(last, done)
    return way


@dataclass(frozen=True, slots=True)
class Law(Node):
    """A level times a function of the steps since the start; held from ``stop`` on, where there is one."""

    name: str
    start: Fraction
    stop: Fraction | None
    scale: Fraction
    level: Level
    function: Callable[[Array], Array] | None  # None is a constant
    endless_power: float
    jumps: bool = False  # whether the function may jump, anywhere

    def __call__(self, x: Array, context: Context) -> Array:
        if self.function is None:
            return self.level.at(context.base)[np.newaxis]
        end = np.inf if self.stop is None else float((self.stop - self.start) / self.scale)
        t = np.clip((x - float(self.start)) / float(self.scale), 0.0, end)
        if self.start.denominator > 1:  # where it starts it has just begun, however the start was rounded
            t[x <= ceil_float(self.start)] = 0.0
        return self.level.at(context.base) * self.function(t)

    def before(self, x: Fraction, context: Context) -> Array:
        place = just_before(np.array([[ceil_float(x)]])) if self.jumps else _place(x)
        return self(place, context)

    def phase_at(self, x: Fraction) -> Phase:
        if self.stop is not None and x >= self.stop:
            return Phase(HOLD, self.stop, None)
        return Phase(self.name, self.start, self.stop) if x >= self.start else _before(self.start)

    def denominator(self, stop: Fraction) -> int:
        return 1  # it is one formula, and held at both ends

    @property
    def decay_power(self) -> float:
        if self.level == Level(0.0, 0.0):
            return math.inf
        return self.endless_power if self.stop is None or math.isnan(self.endless_power) else 0.0


class Chain(Node):
    """One node after another: each covers from its own start to the next one's."""

    def __init__(self, starts: Sequence[Fraction], nodes: Sequence[Node]) -> None:
        self.starts = tuple(starts)
        self.nodes = tuple(nodes)
        # The first node also answers for what is before it, so its threshold is never compared.
        self._thresholds = np.array([ceil_float(start) for start in self.starts[1:]])

    def __call__(self, x: Array, context: Context) -> Array:
        places = x[:, 0]
        lowest, highest = self._thresholds.searchsorted((places.min(), places.max()), side="right")
        if lowest == highest:
            return self.nodes[int(lowest)](x, context)
        index = self._thresholds.searchsorted(places, side="right")
        values = np.empty((len(x), len(context.base)))
        for i, rows in _rows_by(index):
            values[rows] = self.nodes[i](x[rows], context)
        return values

    def before(self, x: Fraction, context: Context) -> Array:
        return self.nodes[max(bisect_left(self.starts, x) - 1, 0)].before(x, context)

    def at(self, x: Fraction, context: Context) -> Array:
        return self.nodes[max(bisect_right(self.starts, x) - 1, 0)].at(x, context)

    def phase_at(self, x: Fraction) -> Phase:
        i = max(bisect_right(self.starts, x) - 1, 0)
        phase = self.nodes[i].phase_at(x)
        start = phase.start if i == 0 else max(phase.start, self.starts[i])
        stop = phase.stop
        if i + 1 < len(self.starts):
            stop = self.starts[i + 1] if stop is None else min(stop, self.starts[i + 1])
        return replace(phase, start=start, stop=stop)

    def denominator(self, stop: Fraction) -> int:
        parts = 1
        for i, (start, node) in enumerate(zip(self.starts, self.nodes, strict=True)):
            if i and start >= stop:
                break
            end = min(self.starts[i + 1], stop) if i + 1 < len(self.starts) else stop
            parts = math.lcm(parts, start.denominator if i else 1, node.denominator(end))
        return parts

    @property
    def decay_power(self) -> float:
        return self.nodes[-1].decay_power


def _rows_by(index: NDArray[np.intp]) -> Iterator[tuple[int, slice | NDArray[np.intp]]]:
    """Group rows by their index: slices where the rows are in order, else lists of rows."""
    in_order = bool((index[1:] >= index[:-1]).all())
    order = None if in_order else np.argsort(index, kind="stable")
    ordered = index if order is None else index[order]
    edges = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(ordered)]
    for low, high in pairwise(edges):
        yield int(ordered[low]), slice(low, high) if order is None else order[low:high]


@dataclass(frozen=True, slots=True)
class Scaled(Node):
    """A node times a plain number."""

    node: Node
    factor: float

    def __call__(self, x: Array, context: Context) -> Array:
        return self.node(x, context) * self.factor

    def before(self, x: Fraction, context: Context) -> Array:
        return self.node.before(x, context) * self.factor

    def at(self, x: Fraction, context: Context) -> Array:
        return self.node.at(x, context) * self.factor

    def phase_at(self, x: Fraction) -> Phase:
        return self.node.phase_at(x)

    def denominator(self, stop: Fraction) -> int:
        return self.node.denominator(stop)

    @property
    def decay_power(self) -> float:
        return math.inf if self.factor == 0 else self.node.decay_power


class _Turns:
    """Turns of one length: which of them a place is in and where in it, in whole parts of the axis' unit."""

    def __init__(self, start: Fraction, period: Fraction, parts: int) -> None:
        """``parts`` is the least number of parts of the unit in which the turns' boundaries are whole."""
        self._start = start
        self._period = period
        denominator = math.lcm(start.denominator, parts)
        self.denominator = denominator if denominator <= MAX_DENOMINATOR else 1
        self.length = float(period * self.denominator)

    def split(self, x: Array) -> tuple[Array, Array]:
        """The number of the turn, from 0, and the place in it; before the start, the first one's start."""
        x, skipped = self._near(x)
        places = np.maximum(x * self.denominator - float(self._start * self.denominator), 0.0)
        turn = np.floor(places / self.length)
        places -= turn * self.length
        if places.min() < 0:  # a place within one rounding before a boundary
            early = places < 0
            turn[early] -= 1
            places[early] += self.length
        turn += skipped
        return turn, places

    def _near(self, x: Array) -> tuple[Array, Array | float]:
        """Places early enough to be counted exactly in parts of a step, and the turns left out for it."""
        if self.denominator == 1 or x.max() * self.denominator <= LARGEST_STEP:
            return x, 0.0
        # As many turns as the period has parts end on a whole step together.
        span, turns = self._period.numerator, self._period.denominator
        spans = np.floor(np.maximum(x - math.ceil(self._start), 0.0) / span)
        return x - spans * span, spans * turns


class Cycles(Node):
    """One node over and over, every cycle as long as the first, its values times ``gain`` each time."""

    def __init__(
        self,
        resolve: Callable[[Clock], Node],
        clock: Clock,
        period: Fraction,
        times: int | None,
        gain: float,
        counted: int = 1,
    ) -> None:
        """``resolve`` lays the repeated part over a clock; ``period`` is in that part's own steps.

        So many as ``counted`` are told as one.
        """
        self._counted = counted
        self.start = clock.origin
        self.period = clock.scale * period
        self.times = times
        self.gain = gain
        local = replace(clock, origin=Fraction(0))
        self.node = resolve(local)
        self._parts = math.lcm(self.period.denominator, self.node.denominator(self.period))
        self.turns = _Turns(self.start, self.period, self._parts)
        if self.turns.denominator > 1:
            self.node = resolve(local.slowed(Fraction(self.turns.denominator)))

    def __call__(self, x: Array, context: Context) -> Array:
        cycle, places = self.turns.split(x)
        if self.times is not None and cycle.max() >= self.times:
            beyond = np.maximum(cycle - (self.times - 1), 0.0)
            cycle -= beyond
            places += beyond * self.turns.length
        values = self.node(places, context)
        return values if self.gain == 1 else values * self.gain**cycle

    def before(self, x: Fraction, context: Context) -> Array:
        cycle = max(math.ceil((x - self.start) / self.period) - 1, 0)
        if self.times is not None:
            cycle = min(cycle, self.times - 1)
        place = (x - self.start - cycle * self.period) * self.turns.denominator
        return self.node.before(place, context) * power(self.gain, cycle)

    def at(self, x: Fraction, context: Context) -> Array:
        cycle = max((x - self.start) // self.period, 0)
        if self.times is not None:
            cycle = min(cycle, self.times - 1)
        place = max(x - self.start - cycle * self.period, Fraction(0)) * self.turns.denominator
        return self.node.at(place, context) * power(self.gain, cycle)

    def phase_at(self, x: Fraction) -> Phase:
        if x < self.start:
            return _before(self.start)
        cycle = (x - self.start) // self.period
        if self.times is not None and cycle >= self.times:
            return Phase(HOLD, self.start + self.times * self.period, None)
        start = self.start + cycle * self.period
        parts = self.turns.denominator
        phase = self.node.phase_at((x - start) * parts)
        stop = end = start + self.period
        if phase.stop is not None:
            stop = min(start + phase.stop / parts, end)
        return Phase(phase.name, max(start, start + phase.start / parts), stop, cycle // self._counted)

    def denominator(self, stop: Fraction) -> int:
        return math.lcm(self.start.denominator, self._parts)

    @property
    def decay_power(self) -> float:
        own = self.node.decay_power
        if math.isnan(own) or self.times is not None:
            return math.inf if self.gain == 0 and self.times != 1 else own
        return 0.0 if self.gain == 1 else math.copysign(math.inf, 1 - self.gain)


class Numbered(Node):
    """A level times a function of the turn's number and of the share of it that is gone.

    Every turn has the same length, and its number is exact.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        period: Fraction,
        level: Level,
        function: Callable[[Array, Array], Array],
        endless_power: float,
        stop: Fraction | None = None,
    ) -> None:
        """``period`` is in the schedule's own steps; from ``stop`` on, the value there is held."""
        self._name = name
        self.start = clock.origin
        self.stop = stop
        self.period = clock.scale * period
        self.level = level
        self.function = function
        self.turns = _Turns(self.start, self.period, self.period.denominator)
        self._endless_power = endless_power

    def __call__(self, x: Array, context: Context) -> Array:
        turn, places = self.turns.split(x)
        share = places / self.turns.length
        if self.stop is not None:
            # As exact fractions, for the stop may be the very end of a turn, and no float.
            last, gone = divmod(self.stop - self.start, self.period)
            held = x >= ceil_float(self.stop)
            turn[held], share[held] = float(last), float(gone / self.period)
        return self.level.at(context.base) * self.function(turn, share)

    def before(self, x: Fraction, context: Context) -> Array:
        if x <= self.start or (self.stop is not None and x > self.stop):
            return self(_place(x), context)
        turns = (x - self.start) / self.period
        return self._in_turn(math.ceil(turns) - 1, turns, context)

    def at(self, x: Fraction, context: Context) -> Array:
        x = max(x, self.start) if self.stop is None else min(max(x, self.start), self.stop)
        turns = (x - self.start) / self.period
        return self._in_turn(math.floor(turns), turns, context)

    def _in_turn(self, turn: int, turns: Fraction, context: Context) -> Array:
        share = np.array([[float(turns - turn)]])
        return self.level.at(context.base) * self.function(np.array([[float(turn)]]), share)

    def phase_at(self, x: Fraction) -> Phase:
        if self.stop is not None and x >= self.stop:
            return Phase(HOLD, self.stop, None)
        return Phase(self._name, self.start, self.stop) if x >= self.start else _before(self.start)

    def denominator(self, stop: Fraction) -> int:
        return math.lcm(self.start.denominator, self.period.denominator)

    @property
    def decay_power(self) -> float:
        if self.level == Level(0.0, 0.0):
            return math.inf
        return self._endless_power if self.stop is None else 0.0


@dataclass(frozen=True, slots=True)
class _Reached:
    """The growing cycles worked out so far: where the next would start, and its length in first cycles."""

    chain: Chain
    end: Fraction
    scale: Fraction


class Growing(Node):
    """One node over and over, each cycle ``stretch`` times as long and ``gain`` times as high as the last.

    Cycle n starts at period · (stretchⁿ - 1) / (stretch - 1), exactly; the boundaries are worked out as
    far as they are asked for.
    """

    def __init__(
        self,
        resolve: Callable[[Clock], Node],
        clock: Clock,
        period: Fraction,
        times: int | None,
        stretch: Fraction,
        gain: float,
    ) -> None:
        """``resolve`` lays the repeated part over a clock; ``period`` is in that part's own steps."""
        self._resolve = resolve
        self._clock = clock
        self.period = period
        self.times = times
        self._stretch = stretch
        self.gain = gain
        self._reached = _Reached(Chain([clock.origin], [resolve(clock)]), clock.at(period), stretch)

    def __call__(self, x: Array, context: Context) -> Array:
        return self.reach(Fraction(float(x.max()))).chain(x, context)

    def before(self, x: Fraction, context: Context) -> Array:
        return self.reach(x).chain.before(x, context)

    def at(self, x: Fraction, context: Context) -> Array:
        return self.reach(x).chain.at(x, context)

    def reach(self, x: Fraction) -> _Reached:
        """Work out the cycles up to ``x``, and a quarter farther, for who walks there step by step."""
        reached = self._reached
        if x < reached.end or not self._begins(len(reached.chain.nodes), reached.scale):
            return reached
        starts, nodes = list(reached.chain.starts), list(reached.chain.nodes)
        end, scale = reached.end, reached.scale
        while end <= x + abs(x) / 4 and self._begins(len(nodes), scale):
            cycle = self._resolve(replace(self._clock, origin=end).slowed(scale))
            starts.append(end)
            nodes.append(Scaled(cycle, power(self.gain, len(nodes))))
            end = _kept(end + self._clock.scale * self.period * scale)
            scale = _kept(scale * self._stretch)
        # Assigned whole, so that another thread sees either what was there before or all of it.
        self._reached = reached = _Reached(Chain(starts, nodes), end, scale)
        return reached

    def _begins(self, cycle: int, scale: Fraction) -> bool:
        if self.times is not None:
            return cycle < self.times
        return self._stretch > 1 or self.period * scale >= SHORTEST_CYCLE

    def phase_at(self, x: Fraction) -> Phase:
        if x < self._clock.origin:
            return _before(self._clock.origin)
        reached = self.reach(x)
        if x >= reached.end:
            return Phase(HOLD, reached.end, None)
        starts = reached.chain.starts
        cycle = bisect_right(starts, x) - 1
        phase = reached.chain.phase_at(x)
        end = starts[cycle + 1] if cycle + 1 < len(starts) else reached.end
        return replace(phase, stop=end if phase.stop is None else min(phase.stop, end), cycle=cycle)

    def denominator(self, stop: Fraction) -> int:
        return self.reach(stop).chain.denominator(stop)

    @property
    def decay_power(self) -> float:
        own = self._reached.chain.nodes[0].decay_power
        if self.gain == 0 and self.times != 1:
            return math.inf
        if math.isnan(own) or self.times is not None or self._stretch < 1:
            return own
        # The value falls by gain while the steps grow by stretch.
        return -math.log(self.gain) / math.log(self._stretch)


def _kept(exact: Fraction) -> Fraction:
    """The number, rounded up to the finest part of a step that is kept."""
    if exact.denominator <= FINEST:
        return exact
    return Fraction(-(-exact.numerator * FINEST // exact.denominator), FINEST)


@dataclass(frozen=True, slots=True)
class Combined(Node):
    """Several nodes at the same time, joined by a commutative operation."""

    operation: np.ufunc
    nodes: tuple[Node, ...]
    join_powers: Callable[[list[float]], float]

    def __call__(self, x: Array, context: Context) -> Array:
        values = self.nodes[0](x, context)
        for node in self.nodes[1:]:
            values = self.operation(values, node(x, context))
        return values

    def before(self, x: Fraction, context: Context) -> Array:
        values = self.nodes[0].before(x, context)
        for node in self.nodes[1:]:
            values = self.operation(values, node.before(x, context))
        return values

    def at(self, x: Fraction, context: Context) -> Array:
        values = self.nodes[0].at(x, context)
        for node in self.nodes[1:]:
            values = self.operation(values, node.at(x, context))
        return values

    def phase_at(self, x: Fraction) -> Phase:
        phases = [node.phase_at(x) for node in self.nodes]
        moving = [phase for phase in phases if phase.name not in (HOLD, CONSTANT)]
        names = dict.fromkeys(phase.name for phase in moving)
        stops = [phase.stop for phase in phases if phase.stop is not None]
        name = " & ".join(names) or (HOLD if any(phase.name == HOLD for phase in phases) else CONSTANT)
        cycles = [phase.cycle for phase in moving if phase.cycle is not None]
        return Phase(
            name,
            max(phase.start for phase in phases),
            min(stops) if stops else None,
            cycles[0] if cycles else None,
        )

    def denominator(self, stop: Fraction) -> int:
        return math.lcm(*(node.denominator(stop) for node in self.nodes))

    @property
    def decay_power(self) -> float:
        powers = [node.decay_power for node in self.nodes]
        return math.nan if any(map(math.isnan, powers)) else self.join_powers(powers)


@dataclass(frozen=True, slots=True)
class Cooled(Node):
    """A node until ``start``; from there, down (or up) from the value it had there to a last level."""

    node: Node
    start: Fraction
    stop: Fraction
    last: Level
    ease: Ease
    geometric: bool = False
    threshold: float = field(init=False)
    kept: list[tuple[Context, Array]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", ceil_float(self.start))

    def __call__(self, x: Array, context: Context) -> Array:
        # The node is only asked about the time in which it still decides.
        before = x[:, 0] < self.threshold
        if before.all():
            return self.node(x, context)
        cooled = self._left(x[~before], context)
        if not before.any():
            return cooled
        values = np.empty((len(x), len(context.base)))
        values[before] = self.node(x[before], context)
        values[~before] = cooled
        return values

    def _held(self, context: Context) -> Array:
        """What it is left at, which may lie at a jump; kept, for one evaluation may ask more than once."""
        kept = self.kept[:1]
        if kept and kept[0][0] is context:
            return kept[0][1]
        held = self.node.at(self.start, context)
        self.kept[:] = [(context, held)]
        return held

    def _left(self, x: Array, context: Context) -> Array:
        """The values at places from the start on."""
        held, last = self._held(context), self.last.at(context.base)
        done = self.ease(_share(x, self.start, self.stop))
        return _between(held, last, done) if self.geometric else held * (1 - done) + last * done

    def before(self, x: Fraction, context: Context) -> Array:
        return self.node.before(x, context) if x <= self.start else self._left(_place(x), context)

    def at(self, x: Fraction, context: Context) -> Array:
        return self.node.at(x, context) if x < self.start else self._left(_place(x), context)

    def phase_at(self, x: Fraction) -> Phase:
        if x >= self.stop:
            return Phase(HOLD, self.stop, None)
        if x >= self.start:
            return Phase("cooldown", self.start, self.stop)
        phase = self.node.phase_at(x)
        return replace(phase, stop=self.start if phase.stop is None else min(phase.stop, self.start))

    def denominator(self, stop: Fraction) -> int:
        own = self.start.denominator if self.start < stop else 1
        return math.lcm(own, self.node.denominator(min(self.start, stop)))

    @property
    def decay_power(self) -> float:
        return math.inf if self.last == Level(0.0, 0.0) else 0.0


@dataclass(frozen=True, slots=True)
class Cut(Node):
    """A node until ``stop``; from there, its last value before it."""

    node: Node
    stop: Fraction
    threshold: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", ceil_float(self.stop))

    def __call__(self, x: Array, context: Context) -> Array:
        before = x < self.threshold
        if before.all():
            return self.node(x, context)
        held = self.node.before(self.stop, context)
        if not before.any():
            return held
        # Behind the stop it is asked about a place before it: there may be nothing else it knows.
        return np.where(before, self.node(np.where(before, x, x.min()), context), held)

    def before(self, x: Fraction, context: Context) -> Array:
        return self.node.before(min(x, self.stop), context)

    def at(self, x: Fraction, context: Context) -> Array:
        return self.node.at(x, context) if x < self.stop else self.node.before(self.stop, context)

    def phase_at(self, x: Fraction) -> Phase:
        if x >= self.stop:
            return Phase(HOLD, self.stop, None)
        phase = self.node.phase_at(x)
        return replace(phase, stop=self.stop if phase.stop is None else min(phase.stop, self.stop))

    def denominator(self, stop: Fraction) -> int:
        return math.lcm(self.stop.denominator, self.node.denominator(min(self.stop, stop)))

    @property
    def decay_power(self) -> float:
        ended = self.node.phase_at(self.stop).name == HOLD
        return self.node.decay_power if ended else 0.0


@dataclass(frozen=True, slots=True)
class Delayed(Node):
    """A node from ``start`` on; before it, its value there."""

    node: Node
    start: Fraction

    def __call__(self, x: Array, context: Context) -> Array:
        return self.node(np.maximum(x, ceil_float(self.start)), context)

    def before(self, x: Fraction, context: Context) -> Array:
        return self.node.before(x, context) if x > self.start else self(_place(x), context)

    def at(self, x: Fraction, context: Context) -> Array:
        return self.node.at(max(x, self.start), context)

    def phase_at(self, x: Fraction) -> Phase:
        if x < self.start:
            return _before(self.start)
        phase = self.node.phase_at(x)
        return replace(phase, start=max(phase.start, self.start))

    def denominator(self, stop: Fraction) -> int:
        return math.lcm(self.start.denominator, self.node.denominator(stop))

    @property
    def decay_power(self) -> float:
        return self.node.decay_power


@dataclass(frozen=True, slots=True)
class Fed(Node):
    """The factor that feedback has decided on, 1 until it has."""

    key: Hashable
    start: Fraction

    def __call__(self, x: Array, context: Context) -> Array:
        return np.array([[context.factors.get(self.key, 1.0)]])

    def phase_at(self, x: Fraction) -> Phase:
        return Phase(CONSTANT, self.start, None) if x >= self.start else _before(self.start)

    def denominator(self, stop: Fraction) -> int:
        return 1

    @property
    def decay_power(self) -> float:
        return math.nan
