"""The course of a run: what the rules of the checker read, worked out once from a table.

Rules look at a bounded number of values and phases, so that a run of a billion updates is checked as fast as
one of a thousand. Where something is found and the run is not that long, all of its values are looked at, so
that the numbers that are told are exact; else they are called estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice, pairwise
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etude.check.words import length_text, number, ratio, share_text
from etude.durations import LARGEST_STEP, Horizon, fraction_text
from etude.errors import ScheduleError

__all__ = ["NEARLY", "Course", "Cycle", "LateJump", "Piece", "Subject", "Zeros"]

Array: TypeAlias = NDArray[np.float64]
Direction: TypeAlias = Literal["up", "down", "flat", "mixed"]

# Runs up to this many updates are looked at one by one, longer ones at SAMPLES of them; runs up to MOST_STEPS
# are where there is something to tell.
EXACT_STEPS = 1 << 14
MOST_STEPS = 1 << 20
SAMPLES = 1 << 12
# Phases listed from the start of the run; a cycle of more parts than CYCLE_PARTS is not looked into.
MAX_PIECES = 200
CYCLE_PARTS = 64
# What follows the run's end is looked at for so many phases.
MAX_REST = 16
# Values within one piece, to see which way it goes.
WITHIN = 9
# A change below this share of the value is rounding.
ROUNDING = 1e-9
# A jump at the run's end below this share of the peak does not matter.
JUMP = 0.1
# A peak that falls between two updates is missed by a little, which does not matter.
NEARLY = 0.95
# What comes to this share of its rise in the first half of it goes on for ever, and counts as up from there.
UP = 0.95
# A rate below this share of the peak trains nothing any more.
TINY = 1e-3
# A way up that takes less than this share of its cycle is a warmup before a restart.
WAY_UP = 0.25
# Places at which a rise is looked at.
RISE = 257
# Fewer updates at 0 than this share of the run are no matter.
FEW_ZEROS = 0.01
# Updates at 0 in phases that are not listed are taken to be like so many of them.
LOOKED_UP = 16
HOLD = "hold"
GEOMETRIC = "geometric"
COOLDOWN = "cooldown"
CONSTANT = "constant"


class Stretch(Protocol):
    """A phase, as a table tells it."""

    @property
    def name(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def stop(self) -> float: ...
    @property
    def cycle(self) -> int | None: ...


class Subject(Protocol):
    """What the checker reads of a table."""

    @property
    def steps(self) -> int: ...
    @property
    def horizon(self) -> Horizon: ...
    @property
    def moves_with_the_run(self) -> bool: ...
    @property
    def length(self) -> float | None: ...
    @property
    def text(self) -> str: ...
    @property
    def depends_on_base(self) -> bool: ...
    @property
    def multiplied(self) -> Sequence[Subject]: ...
    def __call__(self, k: Array, base: float, /) -> Array: ...
    def before(self, k: ArrayLike, base: float, /) -> Array: ...
    def phase(self, k: float, /) -> Stretch: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch ``[start, stop)`` with one formula, also where the run ends before it does.

    ``first`` is the value it begins with and ``last`` the one just before it stops (an endless one: at the
    run's end).
    """

    name: str
    start: float
    stop: float
    cycle: int | None
    first: float
    last: float
    direction: Direction


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle: a ``wave`` rises and falls within it, a ``restart`` jumps up (or warms up) at its start."""

    kind: Literal["wave", "restart"]
    index: int
    start: float
    stop: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Climb:
    """A cosine down, and the one on which the rate climbs back."""

    down: Piece
    up: Piece


@dataclass(frozen=True, slots=True)
class Zeros:
    """How many updates are at 0 which were not written to be, and where."""

    start: int
    between: int
    end: int

    @property
    def updates(self) -> int:
        return self.start + self.between + self.end


@dataclass(frozen=True, slots=True)
class LateJump:
    """A jump that only the last update sees."""

    step: float
    before: float
    after: float


class Course:
    """What a run under a schedule looks like.

    Args:
        table: the schedule on its horizon.
        base: the optimizer's own rate, None where it is not known; then levels are shares of it.
        noun: what the values are called.
        whole: whether all values are looked at where that is bearable, not a sample of them.
    """

    def __init__(
        self, table: Subject, base: float | None = None, noun: str = "rate", *, whole: bool = False
    ) -> None:
        self.table = table
        self.base = base
        self.noun = noun
        self.steps = table.steps
        per_epoch = table.horizon.steps_per_epoch
        self.per_epoch = None if per_epoch is None else float(per_epoch)
        self.exact = self.steps <= (MOST_STEPS if whole else EXACT_STEPS)
        places = np.arange(self.steps) if self.exact else np.linspace(0, self.steps - 1, SAMPLES).round()
        self._places = places.astype(np.float64)
        self.values = self._at(self._places)
        self.pieces = tuple(self._pieces(list(islice(self._phases(0.0), MAX_PIECES))))

    def _at(self, places: Array) -> Array:
        return self.table(places, 1.0 if self.base is None else self.base)

    def _before(self, places: Array) -> Array:
        return self.table.before(places, 1.0 if self.base is None else self.base)

    # The pieces.

    def _phases(self, k: float, stop: float | None = None) -> Iterator[Stretch]:
        """The phases from the one that covers ``k`` on, as long as they begin before ``stop``."""
        stop = self.steps if stop is None else stop
        while k < stop:
            phase = self.table.phase(k)
            yield phase
            # A phase too short for a float would be found again.
            k = max(phase.stop, math.nextafter(k, math.inf))

    def _pieces(self, phases: list[Stretch]) -> list[Piece]:
        if not phases:
            return []
        starts = np.array([min(phase.start, LARGEST_STEP) for phase in phases], dtype=np.float64)
        ends = np.array([min(phase.stop, LARGEST_STEP) for phase in phases], dtype=np.float64)
        endless = np.array([math.isinf(phase.stop) for phase in phases])
        ends = np.where(endless, np.maximum(self.steps, starts + 1), ends)
        values = self._within(starts, ends)
        return [
            Piece(
                phase.name,
                phase.start,
                phase.stop,
                phase.cycle,
                float(row[0]),
                float(row[-1]),
                _direction(row),
            )
            for phase, row in zip(phases, values, strict=True)
        ]

    def _within(self, starts: Array, ends: Array) -> Array:
        """Values at even places of each stretch, the last just before its end."""
        grid = starts[:, np.newaxis] + (ends - starts)[:, np.newaxis] * np.linspace(0, 1, WITHIN)[:-1]
        try:
            inner = self._at(grid.ravel()).reshape(grid.shape)
            return np.column_stack([inner, self._before(ends)])
        except ScheduleError:
            # A user's function may know whole steps of the run only, and a law outgrow a float after it.
            whole = np.column_stack([np.minimum(np.ceil(grid), self.steps - 1), self._last_steps(ends)])
            return self._at(whole.ravel()).reshape(whole.shape)

    def _last_steps(self, ends: Array) -> Array:
        """The last update before each end."""
        last: Array = np.clip(np.ceil(ends) - 1, 0, self.steps - 1)
        return last

    # Where it starts and ends.

    @cached_property
    def final(self) -> Piece:
        """The piece of the last update."""
        return self._pieces([self.table.phase(self.steps - 1)])[0]

    @cached_property
    def first(self) -> float:
        """The value of the first update."""
        return float(self.values[0])

    @cached_property
    def last(self) -> float:
        """The value of the last update."""
        return float(self.values[-1])

    @cached_property
    def finish(self) -> float:
        """What the value comes to as the last update ends, which it would be at the end of a longer ramp."""
        try:
            return float(self._before(np.array([float(self.steps)]))[0])
        except ScheduleError:
            return self.last

    @cached_property
    def peak(self) -> float:
        """The highest value that an update uses."""
        edges = np.array([[piece.start, piece.stop] for piece in self.pieces])
        near = np.column_stack([np.ceil(edges[:, 0]), self._last_steps(edges[:, 1])])
        used = self._at(np.clip(near.ravel(), 0, self.steps - 1))
        return float(max(self.values.max(), used.max()))

    def highest_before(self, step: float) -> float:
        """The highest of the values looked at that updates before a step use."""
        before = self.values[: np.searchsorted(self._places, step)]
        return float(before.max()) if before.size else 0.0

    @cached_property
    def aim(self) -> tuple[float, float]:
        """The highest level that the schedule comes to in the run, and where."""
        levels = [(piece.first, -piece.start) for piece in self.pieces]
        # What an endless piece comes to, it comes to at the run's end.
        levels += [
            (piece.last, -(piece.stop if piece.stop < math.inf else max(self.steps, piece.start)))
            for piece in self.pieces
            if piece.cycle is None or piece.stop <= self.steps
        ]
        level, before = max(levels)  # the first place with that level
        return level, -before

    @cached_property
    def lower_start(self) -> float | None:
        """Where what follows the first rise begins, if that is below the peak that the rise ended at."""
        aim, where = self.aim
        if self.peak >= aim * (1 - ROUNDING) or where != self.rise:
            return None
        following = [piece for piece in self.pieces if piece.start == where and piece.cycle is None]
        return next((piece.first for piece in following if piece.first < 0.98 * aim), None)

    @cached_property
    def zeros(self) -> Zeros | None:
        """The updates at 0 that were not written to be; None where there are few, or all values are 0."""
        zero, places = self.values == 0, self._places
        if zero.all() or not zero.any():
            return None
        # Up to the first value above 0, and from the last one on.
        above = np.flatnonzero(~zero)
        wasted = zero & ~self._written_zeros(zero)
        start, between, end = (int(part.sum()) for part in np.split(wasted, [above[0], above[-1]]))
        zeros = start + between + end
        if zeros <= 1 or zeros < FEW_ZEROS * len(zero):
            return None
        if not self.exact:
            start, between, end = (round(count * (self.steps / len(zero))) for count in (start, between, end))
            # Where they end and begin again can be found, whatever their number.
            if start:
                start = int(
                    self._first_place(places[above[0] - 1], places[above[0]], lambda value: value > 0)
                )
            if end:
                end = self.steps - int(
                    self._first_place(places[above[-1]], places[above[-1] + 1], lambda value: value == 0)
                )
        return Zeros(start, between, end)

    def _written_zeros(self, zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the values lie in a piece that is 0 because it was written so, such as Constant(0.0)."""
        written = np.zeros_like(zero)
        for piece in self.pieces:
            if _is_written_zero(piece):
                written |= (self._places >= piece.start) & (self._places < piece.stop)
        # What lies behind the last piece that is listed is judged by some of it.
        listed = self.pieces[-1].stop
        rest = np.flatnonzero(zero & (self._places >= listed))
        if rest.size:
            some = self._places[rest[np.linspace(0, rest.size - 1, LOOKED_UP).astype(int)]]
            pieces = self._pieces([self.table.phase(place) for place in some.tolist()])
            if 2 * sum(map(_is_written_zero, pieces)) > len(pieces):
                written[rest] = True
        return written

    @property
    def rests_at_zero(self) -> bool:
        """Whether anything is held at 0 before another part begins."""
        return any(piece.name == HOLD and piece.first == 0 for piece in self.pieces[:-1])

    @cached_property
    def begins_at_zero(self) -> bool:
        """Whether the first update is at 0, and not because that was written for its whole piece."""
        return self.first == 0 and not _is_written_zero(self.pieces[0])

    @cached_property
    def rise(self) -> float | None:
        """Where the first rise ends, also past the run's end; None where the rate does not rise at first.

        What is held before it counts. One that comes ever nearer to its limit ends where it is nearly there.
        """
        end: float | None = None
        last = 0.0
        for piece in self.pieces:
            if end is None and piece.name == HOLD:
                continue
            if piece.direction != "up" or piece.first < last * 0.99:
                break
            end, last = piece.stop, piece.last
        return None if end is None else self._nearly_up(end, last)

    def _nearly_up(self, end: float, last: float) -> float:
        """Where a rise to the value ``last`` is nearly up, if in the first half of it; else its ``end``."""
        places = np.linspace(0, min(end, self.steps) - 1, RISE).round().clip(0)
        values = self._at(places)
        top = last if end <= self.steps else values[-1]
        least = values[0] + UP * (top - values[0])
        up = np.flatnonzero(values >= least)
        if not up.size or up[0] >= RISE // 2:
            return end
        return self._first_place(places[max(up[0] - 1, 0)], places[up[0]], lambda value: value >= least)

    def _first_place(self, before: float, at: float, holds: Callable[[float], bool]) -> float:
        """The first step at which something holds, from one where it does not and one where it does."""
        low, high = before, at
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(float(self._at(np.array([middle]))[0])) else (middle, high)
        return float(high)

    @cached_property
    def warmup(self) -> float | None:
        """Where the warmup ends: the first rise, or that of a factor which then stays up."""
        return self.warmed[0] if self.warmed is not None else self.rise

    @cached_property
    def warmed(self) -> tuple[float, float] | None:
        """For a warmup times a decay, where the warmup ends and the product of both highest levels."""
        factors = [
            Course(table, self.base if table.depends_on_base else None, self.noun)
            for table in self.table.multiplied
        ]
        rises = [course.rise for course in factors if course.stays_up and course.rise is not None]
        if not rises or not all(course.stays_up or course.only_falls for course in factors):
            return None
        return max(rises), math.prod(course.peak for course in factors)

    @cached_property
    def stays_up(self) -> bool:
        """Whether the value rises at first, in a slope, and never falls."""
        return self.rise is not None and not (np.diff(self.values) < -ROUNDING * self.peak).any()

    @cached_property
    def only_falls(self) -> bool:
        """Whether the value never rises."""
        return not (np.diff(self.values) > ROUNDING * self.peak).any()

    @cached_property
    def is_rising_at_the_end(self) -> bool:
        """Whether the first rise takes the whole run."""
        return self.rise is not None and self.rise >= self.steps - 1

    @cached_property
    def is_range_test(self) -> bool:
        """Whether the run is one rise by equal factors, which nothing but a range test is."""
        return self.is_rising_at_the_end and [piece.name for piece in self.pieces] == [GEOMETRIC]

    @cached_property
    def jumps_up(self) -> tuple[tuple[Piece, Piece], ...]:
        """The pairs of pieces between which the value jumps up."""
        return tuple(
            (before, after)
            for before, after in pairwise(self.pieces)
            if after.first > before.last * 1.01 and after.first > before.last + ROUNDING * self.peak
        )

    @cached_property
    def falls(self) -> bool:
        """Whether the value falls anywhere, in a slope or a jump."""
        slopes = any(piece.direction == "down" for piece in (*self.pieces, self.final))
        return slopes or any(after.first < before.last * 0.99 for before, after in pairwise(self.pieces))

    @cached_property
    def late_jump(self) -> LateJump | None:
        """The jump between the last update but one and the last, if there is one."""
        start = self.final.start
        if not 1 <= self.steps - 2 < start <= self.steps - 1:
            return None
        before, after = self._at(np.array([self.steps - 2.0, self.steps - 1.0])).tolist()
        continuous = abs(self._before(np.array([start]))[0] - self.final.first) <= JUMP * self.peak
        if continuous or abs(after - before) <= JUMP * self.peak:
            return None
        return LateJump(start, before, after)

    @cached_property
    def missed_restart(self) -> tuple[float, float, float] | None:
        """The first restart that falls between two updates: its step, its peak, and the rate used instead."""
        for _, after in self.jumps_up:
            step = math.ceil(after.start)
            if after.start < step < self.steps:
                used = float(self._at(np.array([float(step)]))[0])
                if used < NEARLY * after.first:
                    return after.start, after.first, used
        return None

    @cached_property
    def held(self) -> Literal["slope", "stair"] | None:
        """Whether the run ends in what is held after a slope down, or after a stair."""
        if self.final.name != HOLD or len(self.pieces) < 2 or self.pieces[-1] != self.final:
            return None
        before = self.pieces[-2]
        if before.direction == "down":
            return "slope"
        return "stair" if before.direction == "flat" and before.last > self.final.first else None

    @cached_property
    def ends_as_written(self) -> bool:
        """Whether the last level was written for it: as a constant, or as where a cooldown stops."""
        names = [piece.name for piece in (*self.pieces, self.final) if piece.name != HOLD]
        return bool(names) and names[-1] in (COOLDOWN, CONSTANT)

    @cached_property
    def held_on_purpose(self) -> bool:
        """Whether what is held at the end is where a first rise has come to, or a cooldown above 0."""
        own = [piece for piece in self.pieces if piece.name != HOLD]
        if self.final.name != HOLD or not own:
            return False
        return own[-1].direction == "up" or (own[-1].name == COOLDOWN and self.last > 0)

    @property
    def rounding(self) -> float:
        """How many steps two lengths may differ by because one of them is rounded to whole updates.

        One update is also how much longer a run is than a decay whose last value its last update has; but
        not where updates are epochs, and the run is counted in them.
        """
        total = self.table.horizon.total
        by_epochs = self.per_epoch == 1 and total is not None and all(unit == "ep" for unit, _ in total.terms)
        return 1 - ROUNDING if by_epochs else 1 + ROUNDING

    @cached_property
    def tiny_from(self) -> float | None:
        """The step from which on the rate is a tiny part of its peak; None where it is not so at the end."""
        above = np.flatnonzero(self.values > TINY * self.peak)
        if not above.size or above[-1] == len(self.values) - 1:
            return None
        before, at = self._places[above[-1]], self._places[above[-1] + 1]
        return self._first_place(before, at, lambda value: value <= TINY * self.peak)

    @property
    def destination(self) -> float | None:
        """Where the schedule would come to rest if the run were longer; None where it never does."""
        return None if self._rest is None else self._rest[0]

    @property
    def arrival(self) -> float | None:
        """The step at which it would come to rest there; None where no run is that long."""
        return None if self._rest is None or self._rest[1] >= LARGEST_STEP else self._rest[1]

    @cached_property
    def _rest(self) -> tuple[float, float] | None:
        """The level that the schedule would come to rest at, and where."""
        if self.is_one_descent:
            return self.final.last, self.final.stop
        phases = list(islice(self._phases(self.steps - 1, LARGEST_STEP), MAX_REST))
        if any(phase.cycle is not None for phase in phases) or not math.isinf(phases[-1].stop):
            return None
        rest = self._pieces(phases[-1:])[0]
        return (rest.first, rest.start) if rest.direction == "flat" else None

    # Cycles.

    @cached_property
    def is_one_descent(self) -> bool:
        """Whether the run sees no more of a wave than its first way down, and one update after it."""
        cycle = self._last_cycle
        if cycle is None or cycle.kind != "wave" or cycle.index > 0:
            return False
        inside = [piece for piece in self.pieces if piece.cycle is not None and piece.start < self.steps - 1]
        return len(inside) == 1 and inside[0].direction == "down"

    @cached_property
    def cycle(self) -> Cycle | None:
        """The cycle that the run ends in, or the last one it has seen; None where nothing comes round."""
        return None if self.is_one_descent else self._last_cycle

    @cached_property
    def _last_cycle(self) -> Cycle | None:
        inside = [piece for piece in self.pieces if piece.cycle is not None]
        piece = self.final if self.final.cycle is not None or not inside else inside[-1]
        if piece.cycle is None:
            return None
        phases = [*self._earlier(piece), *self._later(piece)]
        if len(phases) >= CYCLE_PARTS or math.isinf(phases[-1].stop) or phases[-1].stop >= LARGEST_STEP:
            return None
        pieces = self._pieces(phases)
        start, stop = pieces[0].start, pieces[-1].stop
        values = [value for part in pieces for value in (part.first, part.last)]
        low, high = min(values), max(values)
        if high - low <= ROUNDING * high:  # a stair
            return None
        rising = sum(part.stop - part.start for part in pieces if part.direction == "up")
        if not rising and not self._jumps_up_at(stop):
            return None
        kind: Literal["wave", "restart"] = "wave" if rising >= WAY_UP * (stop - start) else "restart"
        return Cycle(kind, piece.cycle, start, stop, low, high)

    def _earlier(self, piece: Piece) -> list[Stretch]:
        """The phases of the piece's cycle before it."""
        found: list[Stretch] = []
        start = piece.start
        while start > 0 and len(found) < CYCLE_PARTS:
            phase = self.table.phase(math.nextafter(start, 0))
            if phase.cycle != piece.cycle:
                break
            found.insert(0, phase)
            start = min(phase.start, math.nextafter(start, 0))
        return found

    def _later(self, piece: Piece) -> list[Stretch]:
        """The phases of the piece's cycle from it on."""
        found = []
        for phase in islice(self._phases(piece.start, LARGEST_STEP), CYCLE_PARTS):
            if phase.cycle != piece.cycle:
                break
            found.append(phase)
        return found

    def _jumps_up_at(self, step: float) -> bool:
        place = np.array([step])
        try:
            return bool(self._at(place)[0] > self._before(place)[0] * 1.01)
        except ScheduleError:
            return False

    @cached_property
    def stepsize(self) -> float | None:
        """How long one way up takes in a cyclical schedule: the longest among the cycles listed."""
        if self.cycle is None or self.cycle.kind != "wave":
            return None
        ways: dict[int, float] = {}
        for piece in self.pieces:
            if piece.cycle is not None and piece.direction == "up":
                ways[piece.cycle] = ways.get(piece.cycle, 0.0) + piece.stop - piece.start
        return next(iter(ways.values()), None)

    @cached_property
    def climb(self) -> Climb | None:
        """The cosine on which the rate climbs back as it came, after its first descent along one."""
        for i, (down, up) in enumerate(pairwise(self.pieces)):
            if "cosine" not in down.name or down.direction != "down":
                continue
            before = self.pieces[i - 1] if i else None
            if before is not None and before.direction == "up" and before.cycle == down.cycle is not None:
                return None  # up and down by turns, the way up first
            joined = abs(up.first - down.last) <= 0.01 * self.peak and up.cycle == down.cycle
            climbs = "cosine" in up.name and up.direction == "up" and up.start < self.steps - 1
            # Halves of one period: a wave of another form is meant.
            even = math.isclose(up.stop - up.start, down.stop - down.start, rel_tol=0.01)
            return Climb(down, up) if joined and climbs and even else None
        return None

    # In words.

    def about(self, text: str) -> str:
        """What was found by looking at all of the values; an estimate where not all were looked at."""
        return text if self.exact or text.startswith("about") else f"about {text}"

    def lasts(self, length: float) -> str:
        """A length as a person says it: in epochs where they are known."""
        return length_text(length, "step") if self.per_epoch is None else self._epochs(length)

    def _epochs(self, length: float) -> str:
        return length_text(length / (self.per_epoch or 1.0), "epoch")

    def at(self, step: float) -> str:
        """A place as a person says it."""
        epochs = "" if self.per_epoch is None else f" ({self._epochs(step)})"
        return f"step {number(step)}{epochs}"

    def both_in_epochs(self, length: float, other: float) -> str:
        """Two lengths in epochs, in parentheses, where epochs are known."""
        if self.per_epoch is None:
            return ""
        return f" ({number(length / self.per_epoch)} and {self._epochs(other)})"

    def from_on(self, step: float) -> str:
        """How many updates there are from a step on."""
        return f"{self.steps - math.ceil(step):,} of {self.steps:,}"

    def of_peak(self, value: float) -> str:
        """A value as a part of the highest that is used."""
        return f"{self.about(share_text(value, self.peak))} of the peak"

    def level(self, value: float) -> str:
        """A value as it is written in a schedule, where it may have been a multiple of BASE."""
        if not self.table.depends_on_base or self.base == 0 or value == 0:
            return f"{value!r}" if value == 0 else f"{value:g}"
        return f"{ratio(value, self.base or 1.0):g} * BASE"

    def hold(self, step: float, value: float) -> str:
        """What to add, to hold a value from a step on."""
        until = "" if self.table.length is not None else f".until({self.written(step)}) "
        return f"{until}>> Constant({self.level(value)})"

    def duration(self, length: float) -> str:
        """A length in a unit: in epochs where they fit, else in whole updates."""
        updates = math.ceil(length)
        per_epoch = self.table.horizon.steps_per_epoch
        if per_epoch is not None:
            for steps in (Fraction(length), Fraction(updates)):
                epochs = fraction_text(steps / per_epoch)
                if "/" not in epochs:
                    return f"{epochs}ep"
        return f"{updates}st"

    def written(self, length: float) -> str:
        """The same as it is written as an argument."""
        text = self.duration(length)
        return f"{int(text[:-2]):_}" if text.endswith("st") else repr(text)


def _is_written_zero(piece: Piece) -> bool:
    """Whether a piece is 0 throughout by what was written: not as what is held after something's end.

    What is held from the start of the run on, before a rise that begins later, was asked for as well.
    """
    is_zero = piece.first == 0 and piece.last == 0 and piece.direction == "flat"
    return is_zero and (piece.name != HOLD or piece.start == 0)


def _direction(values: Array) -> Direction:
    changes = np.diff(values)
    least = ROUNDING * np.abs(values).max()
    rises, falls = bool((changes > least).any()), bool((changes < -least).any())
    if rises and falls:
        return "mixed"
    # Slower than a rounding at each place, yet not in all.
    whole = values[-1] - values[0]
    if whole > least:
        return "up"
    return "down" if whole < -least else "flat"
