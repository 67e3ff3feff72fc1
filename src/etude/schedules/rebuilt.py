"""A schedule rebuilt with other durations: where each piece lies on the run is what they are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from etude.durations import Duration, Horizon
from etude.schedules.algebra import Schedule
from etude.timeline import Clock

__all__ = ["in_steps", "rebuilt", "settled"]

Kind = TypeVar("Kind", bound=Schedule)


def rebuilt(schedule: Kind, clock: Clock, change: Callable[[Duration, Clock], Duration]) -> Kind:
    """Return the same schedule with every duration changed.

    Args:
        schedule: any.
        clock: where it begins.
        change: from a duration, and the clock that it is counted on, to another.
    """
    clocks = {id(part): own for part, own in schedule.clocked_parts(clock)}

    def changed(value: Any, field: str) -> Any:
        if isinstance(value, Duration):
            return change(value, schedule.clock_of(field, clock))
        if isinstance(value, Schedule):
            return rebuilt(value, clocks[id(value)], change)
        return tuple(changed(item, field) for item in value) if isinstance(value, tuple) else value

    old = {field.name: getattr(schedule, field.name) for field in dataclasses.fields(schedule)}
    new = {name: changed(value, name) for name, value in old.items()}
    return schedule if new == old else dataclasses.replace(schedule, **new)


def in_steps(schedule: Kind, horizon: Horizon) -> Kind:
    """Return the same schedule with every duration in steps.

    >>> in_steps(Cosine(over="30%"), Horizon(total=200))
    Cosine(BASE, 0.0, over=60)
    """

    def steps(duration: Duration, clock: Clock) -> Duration:
        return Duration.of({"st": clock.signed_steps(duration, "the duration")})

    return rebuilt(schedule, Clock(horizon), steps)


def settled(schedule: Kind, clock: Clock) -> Kind:
    """Return the same schedule with the rest of the run as the length that it has there, in the run's unit.

    >>> from fractions import Fraction
    >>> from etude.timeline import Clock
    >>> settled(Cosine(), Clock(Horizon(391, "90ep"), origin=Fraction(391)))
    Cosine(BASE, 0.0, over='89ep')
    """

    def known(duration: Duration, own: Clock) -> Duration:
        total, whole = own.horizon.total, own.horizon.total_steps
        if not duration.rests or own.left is None or total is None or whole is None:
            return duration
        return duration.with_rest(total * (own.left / whole))

    return rebuilt(schedule, clock, known)
