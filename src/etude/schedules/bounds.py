"""Checks at the door: each returns the value it was given in the form the schedules keep."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Integral
from typing import Any

from etude.durations import LARGEST_STEP, Duration, DurationLike, read_fraction, to_duration, to_fraction
from etude.errors import ScheduleError
from etude.levels import finite, is_number
from etude.names import choice

__all__ = ["choice", "flag", "length", "number", "ratio", "refuse_share", "share", "whole"]


def number(value: Any, field: str, *, above: float | None = None, least: float = -math.inf) -> float:
    """Return a finite float that is ≥ ``least`` and > ``above``."""
    bound = f"more than {above:g}" if above is not None else f"at least {least:g}"
    what = "a finite number" if above is None and least == -math.inf else f"a finite number, {bound}"
    if not is_number(value):
        raise ScheduleError(f"{field} must be {what}; got {value!r}")
    result = finite(value, field)
    if result < least or (above is not None and result <= above):
        raise ScheduleError(f"{field} must be {what}; got {value!r}")
    return result


def share(value: Any, field: str) -> float:
    """Return a float in [0, 1]."""
    result = number(value, field, least=0)
    if result > 1:
        raise ScheduleError(f"{field} must be at most 1, the whole; got {value!r}")
    to_fraction(result, field)  # which refuses what no duration can be multiplied by
    return result


def ratio(value: Any, field: str) -> Fraction:
    """Return an exact fraction > 0, of a number as written (1.1 is 11/10) or of text such as ``"3/2"``."""
    exact = read_fraction(value, field) if isinstance(value, str) else to_fraction(value, field)
    if exact <= 0:
        raise ScheduleError(f"{field} must be more than 0; got {value!r}")
    return exact


def whole(value: Any, field: str, *, least: int) -> int:
    """Return an int ≥ ``least``, and at most 2⁵³, the most that steps can count."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ScheduleError(f"{field} must be a whole number, at least {least}; got {value!r}")
    if int(value) > LARGEST_STEP:
        raise ScheduleError(f"{field} must be at most 2**53; got more")
    return int(value)


def flag(value: Any, field: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise ScheduleError(f"{field} must be True or False; got {value!r}")
    return value


def refuse_share(value: object, field: str) -> None:
    """Refuse a bare number below 1 where a length is meant: nobody counts parts of a step."""
    if isinstance(value, float) and 0 < abs(value) < 1:
        raise ScheduleError(
            f"{field} must be a length, such as '5ep', '30%' or 100 (steps); got {value!r}: the share of the "
            f"run is '{value * 100:g}%', the part of a step '{value:g}st'"
        )


def length(value: DurationLike, field: str, *, positive: bool = False) -> Duration:
    """Return a Duration that is not negative whatever the horizon, and more than 0 if ``positive``."""
    refuse_share(value, field)
    duration = to_duration(value, field)
    if duration.terms and all(amount < 0 for _, amount in duration.terms):
        raise ScheduleError(f"{field} must be at least 0; got {value!r}")
    if positive and duration.is_zero:
        raise ScheduleError(f"{field} must be more than 0; got {value!r}")
    return duration
