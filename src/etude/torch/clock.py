"""Where training stands on a schedule's axis, when updates are not all of one size.

A table's argument is a number of nominal steps: updates of the size that the horizon names. Updates of
another size go farther or less far on that axis, by what the schedule's durations count there:

    ====== =============================================================================
    unit   an update advances it by
    ====== =============================================================================
    st     1
    tok    tokens / tokens_per_step
    smp    samples / samples_per_step
    ep     samples / samples_per_step; 1 where the update's samples are not told
    ``%``  as the unit of the horizon's total
    rest   as the unit of the horizon's total
    ====== =============================================================================

In a sum the lengths that are taken away count nothing: ``"rest - 10ep"`` goes as the rest does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Literal, TypeAlias

from etude.durations import STEP, Duration, Horizon, fraction_text, read_fraction, to_fraction
from etude.errors import HorizonError, ScheduleError
from etude.schedules import Schedule
from etude.schedules.algebra import Cooldown, Joined, Sequence, Shift, Until, durations_of
from etude.timeline import Clock

__all__ = ["Meter"]

Counted: TypeAlias = Literal["updates", "samples", "tokens"]

# Where a schedule is left or entered: given in steps it is a place on the axis, whatever is counted there.
PLACES = ("at", "by")
SIZES: Mapping[str, str] = {"samples": "samples_per_step", "tokens": "tokens_per_step"}


@dataclass(frozen=True, slots=True)
class Part:
    """What the durations of a part count, and how the error calls the first that does."""

    counted: Mapping[Counted, str]
    counted_with_samples: Mapping[Counted, str]  # where the update's samples are told


class Meter:
    """A place on a schedule's axis, in nominal steps, exact.

    The parts of ``a >> b >> c`` advance each in the unit of its own durations; an update that crosses
    from one to the next is divided there. Within a part, and where schedules are multiplied, repeated,
    shifted or cut, all durations have to count the same.

    Args:
        schedule: what is run.
        horizon: how many samples and tokens a nominal step has.

    Raises:
        HorizonError: where the horizon lacks what a duration needs.

    >>> plan = Linear(0, 1, over="2st") >> Cosine(1, 0, over="640tok")
    >>> meter = Meter(plan, Horizon(tokens_per_step=64))
    >>> [str(meter.advance(tokens=32)) for _ in range(4)]
    ['1', '2', '5/2', '3']
    """

    def __init__(self, schedule: Schedule, horizon: Horizon) -> None:
        self._horizon = horizon
        stretches = list(_stretches(schedule, Clock(horizon)))
        self._parts = [
            Part(*(_counts(durations, horizon, told) for told in (False, True))) for _, durations in stretches
        ]
        # Where each part gives way to the next; the last one also measures what comes after the end.
        self._stops = list(accumulate(length or Fraction(0) for length, _ in stretches[:-1]))
        # A batch that goes past the end of what raises there is the run's last one, and ends with it.
        lengths = [length for length, _ in stretches]
        raises = any(getattr(part, "after", None) == "raise" for part in schedule.walk())
        self._end = sum(filter(None, lengths), Fraction(0)) if raises and lengths[-1] is not None else None
        self._position = Fraction(0)

    @property
    def position(self) -> Fraction:
        """Where it stands, in nominal steps; a table is asked at ``ceil_float`` of it."""
        return self._position

    @property
    def text(self) -> str:
        """The position, for a checkpoint; ``seek`` reads it."""
        return fraction_text(self._position)

    def seek(self, position: float | Fraction | str) -> None:
        """Go to a position: a number of nominal steps, or the text of one.

        Raises:
            ScheduleError: for what is no number ≥ 0.
        """
        exact = (
            read_fraction(position, "the position")
            if isinstance(position, str)
            else to_fraction(position, "the position")
        )
        if exact < 0:
            raise ScheduleError(f"the position must be at least 0; got {position!r}")
        self._position = exact

    def advance(self, samples: float | None = None, tokens: float | None = None) -> Fraction:
        """Move on by one update, and return the new position.

        Args:
            samples: in this update, over all processes, > 0.
            tokens: likewise. With neither, the update is a nominal one: the position moves by 1.

        Raises:
            ScheduleError: for an amount that is no number > 0; where this part or a later one counts what
                is not given; where one counts two things at once. The position stays as it was.
            HorizonError: where a part counts samples and the horizon has no ``samples_per_step``.
        """
        given = {
            name: _amount(name, amount)
            for name, amount in (("samples", samples), ("tokens", tokens))
            if amount is not None
        }
        if not given:
            self._position += 1
            return self._position
        first = bisect_right(self._stops, self._position)
        # All that is still to come, so that what is wrong is told at the first update and not at the last.
        speeds = [self._speed(part, given) for part in self._parts[first:]]
        position, left = self._position, Fraction(1)
        for stop, speed in zip([*self._stops[first:], None], speeds, strict=True):
            if stop is None or position + left * speed < stop:
                position += left * speed
                break
            left -= (stop - position) / speed
            position = stop
        if self._end is not None and self._position < self._end:
            position = min(position, self._end)
        self._position = position
        return position

    def _speed(self, part: Part, given: Mapping[str, Fraction]) -> Fraction:
        """How far this update as a whole would go in a part."""
        counted = part.counted_with_samples if "samples" in given else part.counted
        if len(counted) > 1:
            (one, here), (other, there), *_ = counted.items()
            raise ScheduleError(
                f"{here} counts {one} and {there} counts {other}, and both are in one part of the schedule, "
                f"which can follow only one of them; write them in the same unit, or as parts of their own: "
                f"a >> b"
            )
        for count, where in counted.items():
            if count == "updates":
                break
            if count not in given:
                raise ScheduleError(
                    f"{where} counts {count}, but step() was given only {', '.join(given)}; write "
                    f"step({', '.join(f'{name}=...' for name in (*given, count))})"
                )
            size = SIZES[count]
            nominal: Fraction | None = getattr(self._horizon, size)
            if nominal is None:
                raise HorizonError(
                    f"{where} counts {count} where step({count}=) is given, but the horizon has no {size}; "
                    f"write Horizon({size}=..., ...), or leave out {count}="
                )
            return given[count] / nominal
        return Fraction(1)


def _amount(name: str, amount: float) -> Fraction:
    exact = to_fraction(amount, f"step({name}=)")
    if exact <= 0:
        raise ScheduleError(f"step({name}=) must be more than 0; got {amount!r}")
    return exact


def _counts(
    durations: tuple[tuple[str, str], ...], horizon: Horizon, with_samples: bool
) -> Mapping[Counted, str]:
    """What durations count, each with the first that does."""
    counts: dict[Counted, str] = {}
    for unit, where in durations:
        for count in _counted(unit, horizon, with_samples):
            counts.setdefault(count, where)
    return counts


def _counted(unit: str, horizon: Horizon, with_samples: bool) -> Iterator[Counted]:
    """What a unit counts."""
    if unit in ("%", "rest") and horizon.total is not None:
        for own in _units(horizon.total):
            yield from _counted(own, horizon, with_samples)
    elif unit == "tok":
        yield "tokens"
    elif unit == "smp" or (unit == "ep" and with_samples):
        yield "samples"
    else:
        yield "updates"


def _units(duration: Duration) -> list[str]:
    """The units of a duration; a step beside another unit is an offset to the update next to it."""
    units = [unit for unit, amount in duration.terms if amount > (1 if unit == "st" else 0)]
    return units or [unit for unit, _ in duration.terms]


def _stretches(
    schedule: Schedule, clock: Clock
) -> Iterator[tuple[Fraction | None, tuple[tuple[str, str], ...]]]:
    """The lengths of the parts that may each count something else, and their durations."""
    if isinstance(schedule, Sequence):
        for part, own, _ in schedule.pieces(clock):
            yield from _stretches(part, own)
        return
    if isinstance(schedule, Until):
        yield from _as_far_as(schedule, schedule.length(clock), clock)
        return
    if isinstance(schedule, Cooldown):
        at, over = schedule.times(clock)
        yield from _as_far_as(schedule, at, clock)
        yield over, tuple(_named(schedule, "over"))
        return
    if isinstance(schedule, Shift):
        by = schedule.steps_by(clock)
        (length, durations), *after = _stretches(schedule.schedule, clock.started(by))
        if by < 0:
            while after and length is not None and length <= -by:
                by += length
                (length, durations), *after = after
            length = None if length is None else max(length + by, Fraction(0))
        here = (*durations, *_named(schedule, "by"))
        if by > 0:
            yield by, here
        yield length, durations if by > 0 else here
        yield from after
        return
    measured = [part for part in schedule.parts if any(_durations(part))]
    if isinstance(schedule, Joined) and len(measured) == 1:
        # Beside a plain number or a Plateau it goes as it would alone.
        yield from _stretches(measured[0], clock)
        return
    yield schedule.length(clock), tuple(_durations(schedule))


def _as_far_as(
    schedule: Cooldown | Until, at: Fraction, clock: Clock
) -> Iterator[tuple[Fraction | None, tuple[tuple[str, str], ...]]]:
    """The parts of a trunk up to where it is left."""
    done = Fraction(0)
    for length, durations in _stretches(schedule.schedule, clock):
        if length is None or done + length >= at:
            yield at - done, (*durations, *_named(schedule, "at"))
            return
        yield length, durations
        done += length
    yield at - done, tuple(_named(schedule, "at"))


def _durations(schedule: Schedule) -> Iterator[tuple[str, str]]:
    """The units in a schedule and all its parts, each with the name of the place."""
    for part in schedule.walk():
        own = list(_named(part))
        yield from own
        if not own and not part.parts and part.extent == "endless":
            yield "st", repr(part)  # a function of the steps


def _named(schedule: Schedule, *fields: str) -> Iterator[tuple[str, str]]:
    """The units in a schedule's own fields, or in some of them, each with the name of the place."""
    for field, duration in durations_of(schedule):
        place = field in PLACES and isinstance(schedule, Cooldown | Shift | Until)
        # A shift by a step is such an offset, too.
        offset = isinstance(schedule, Shift) and duration in (STEP, STEP * -1)
        if (fields and field not in fields) or (place and _units(duration) == ["st"]) or offset:
            continue
        for unit in _units(duration):
            yield unit, f"{type(schedule).__name__}({field}={duration!r})"
