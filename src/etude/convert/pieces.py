"""A schedule laid out on a horizon: its lengths in steps, and its parts end to end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from etude.durations import Duration, DurationLike, Horizon, to_duration
from etude.levels import Level, LevelLike, to_level
from etude.schedules.algebra import Constant, Product, Repeat, Schedule, Sequence, Shift, Stretch, Until
from etude.schedules.laws import Exponential, InverseSqrt, InverseTime, PowerLaw, Steps
from etude.schedules.rebuilt import in_steps, rebuilt
from etude.schedules.recipes.warmups import warmup
from etude.schedules.shapes import Linear, Points, Shape
from etude.timeline import Clock, power

__all__ = [
    "Piece",
    "Unwritable",
    "absolute",
    "follows_base",
    "multiple",
    "pieces",
    "steps_of",
    "whole",
]

MOST_PIECES = 1_000


class Unwritable(Exception):  # noqa: N818 - no error: the writer then takes its next best form
    """Why a part of a schedule has no equivalent."""


@dataclass(frozen=True)
class Piece:
    """A part that covers the steps ``[start, stop)`` of the run, with its own zero at ``start``."""

    start: int
    stop: int
    schedule: Schedule

    @property
    def length(self) -> int:
        return self.stop - self.start


def pieces(
    schedule: Schedule, horizon: Horizon, steps: int, keep: Callable[[Schedule], bool] = lambda part: False
) -> list[Piece]:
    """The parts of the first ``steps`` steps, end to end; one that is no sequence is one piece.

    What is to ``keep`` whole is not taken apart.

    Raises:
        Unwritable: where a part does not begin at a whole step, or there are too many.
    """
    found: list[Piece] = []
    cutter = _Cutter(Clock(horizon), keep)
    for start, part in cutter.parts(in_steps(schedule, horizon), Fraction(0), Fraction(steps)):
        if found and start >= steps:
            break
        if start.denominator != 1:
            raise Unwritable(f"{part!r} begins between two steps, at {float(start):.16g}")
        if len(found) == MOST_PIECES:
            raise Unwritable(f"the run has more than {MOST_PIECES:,} pieces")
        if found:
            found[-1] = dataclasses.replace(found[-1], stop=int(start))
        found.append(Piece(int(start), steps, part))
    return found


@dataclass(frozen=True)
class _Cutter:
    """Cuts what is in steps, and so has the same lengths wherever it begins."""

    clock: Clock
    keep: Callable[[Schedule], bool]

    def parts(
        self, schedule: Schedule, start: Fraction, end: Fraction
    ) -> Iterator[tuple[Fraction, Schedule]]:
        """(start, part) for each part that begins before ``end``."""
        if self.keep(schedule):
            yield start, schedule
            return
        match schedule:
            case Sequence(sequence=parts):
                for i, part in enumerate(parts):
                    length, last = part.length(self.clock) or Fraction(0), i == len(parts) - 1
                    if start < end and (length or last):
                        # Whatever is last goes on to the end.
                        yield from self.parts(part, start, end if last else min(start + length, end))
                    start += length
            case Repeat():
                yield from self.cycles(schedule, start, end)
            case Stretch(schedule=part, factor=factor):
                slowed = _slowed(part, Fraction(factor))
                if isinstance(slowed, Stretch):
                    raise Unwritable(f"{slowed!r} has another clock")
                yield from self.parts(slowed, start, end)
            case Shift(schedule=Linear() as line, by=by) if not line.inclusive and line.after == "hold":
                yield from _shifted(line, steps_of(by), start)
            case warmup():
                yield from self.parts(schedule.as_rate(), start, end)
            case Points(points=points) if schedule == Points(points):
                yield from _between(points, start)
            case Until(schedule=part):
                if start + schedule.length(self.clock) < end:
                    raise Unwritable(f"{schedule!r} is held at its last value")
                yield from self.parts(part, start, end)
            case _:
                yield start, schedule

    def cycles(self, repeat: Repeat, start: Fraction, end: Fraction) -> Iterator[tuple[Fraction, Schedule]]:
        period, stretch = repeat.schedule.length(self.clock) or Fraction(0), Fraction(repeat.growth)
        if stretch < 1:
            raise Unwritable(f"{repeat!r} has cycles that shrink")
        cycle = 0
        while start < end and (repeat.times is None or cycle < repeat.times):
            last = repeat.times is not None and cycle == repeat.times - 1
            gain = power(repeat.gain, cycle)
            if math.isinf(gain):
                raise Unwritable(f"{repeat!r} grows too large for a float")
            part = _scaled(_slowed(repeat.schedule, stretch**cycle), gain)
            stop = start + period * stretch**cycle
            yield from self.parts(part, start, end if last else min(stop, end))
            start, cycle = stop, cycle + 1


def _shifted(line: Linear, by: Fraction, start: Fraction) -> Iterator[tuple[Fraction, Schedule]]:
    """A line that begins later, or is entered in its middle, which makes it a shorter line."""
    length = steps_of(line.over)
    if by > 0:
        yield start, Constant(line.start)
        yield start + by, line
    elif length + by > 0:
        gone = -by / length
        first = _share(line.start, 1 - gone) + _share(line.stop, gone)
        yield start, Linear(first, line.stop, over=_duration(length + by))
    else:
        yield start, Constant(line.stop)


def _between(
    points: Iterable[tuple[DurationLike, LevelLike]], start: Fraction
) -> Iterator[tuple[Fraction, Schedule]]:
    """The straight lines between points, and what is held outside them."""
    placed = [(start + steps_of(when), level) for when, level in points]
    if placed[0][0] > start:
        yield start, Constant(placed[0][1])
    for (when, level), (then, next_level) in pairwise(placed):
        if then > when:
            yield when, Linear(level, next_level, over=_duration(then - when))
    yield placed[-1][0], Constant(placed[-1][1])


def _share(level: LevelLike, share: Fraction) -> Level:
    return to_level(level, "level") * float(share)


def _duration(steps: Fraction) -> Duration:
    return Duration.of({"st": steps})


def steps_of(duration: DurationLike | None) -> Fraction:
    """A duration that is in steps."""
    return dict(to_duration(duration or 0).terms).get("st", Fraction(0))


def _slowed(part: Schedule, factor: Fraction) -> Schedule:
    """The part, its own steps ``factor`` as long."""
    if factor == 1:
        return part
    if isinstance(part, Sequence):
        return Sequence(tuple(_slowed(each, factor) for each in part.sequence))
    if isinstance(part, Repeat):
        return dataclasses.replace(part, schedule=_slowed(part.schedule, factor))
    known = Constant | Shape | Exponential | InverseTime | PowerLaw | InverseSqrt | Steps
    if not isinstance(part, known) or getattr(part, "inclusive", False):
        return Stretch(part, factor)
    return rebuilt(part, Clock(Horizon()), lambda duration, _: duration * factor)


def _scaled(part: Schedule, gain: float) -> Schedule:
    """The part, its values times ``gain``."""
    if gain == 1:
        return part
    if isinstance(part, Sequence):
        return Sequence(tuple(_scaled(each, gain) for each in part.sequence))
    if isinstance(part, Repeat):
        return dataclasses.replace(part, schedule=_scaled(part.schedule, gain))
    if isinstance(part, Constant):
        return dataclasses.replace(part, level=part.level * gain)
    if isinstance(part, Shape) and gain > 0:
        return dataclasses.replace(part, start=part.start * gain, stop=part.stop * gain)
    return Product.of(part, gain)


def follows_base(schedule: Schedule) -> bool:
    """Whether every value is a plain multiple of the base rate."""
    if isinstance(schedule, Product):
        relative = [part for part in schedule.together if part.depends_on_base]
        return len(relative) == 1 and follows_base(relative[0])
    levels = _levels([vars(schedule)[field.name] for field in dataclasses.fields(schedule)])
    return all(not level.offset for level in levels) and all(map(follows_base, schedule.parts))


def _levels(values: Iterable[object]) -> Iterator[Level]:
    for value in values:
        if isinstance(value, Level):
            yield value
        elif isinstance(value, tuple):
            yield from _levels(value)


def multiple(level: LevelLike, what: str) -> float:
    """The multiple of BASE that a level is."""
    level = to_level(level, what)
    if level.offset or level.factor < 0:
        raise Unwritable(f"{what} is {level!r}, no multiple of BASE")
    return level.factor


def absolute(level: LevelLike, what: str) -> float:
    """The rate that a level is, whatever the base rate."""
    level = to_level(level, what)
    if level.is_relative:
        raise Unwritable(f"{what} is {level!r}, which differs with the base rate")
    return level.offset


def whole(duration: DurationLike | None, what: str) -> int:
    """A duration in steps as an int, more than 0."""
    steps = steps_of(duration)
    if steps.denominator != 1 or steps < 1:
        raise Unwritable(f"{what} is {float(steps):g} steps, no whole number from 1 on")
    return int(steps)
