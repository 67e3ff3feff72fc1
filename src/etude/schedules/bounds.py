"""Checks at the door: each returns the value it was given in the form the schedules keep."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from etude.durations import Duration, DurationLike, to_duration, to_fraction
from etude.errors import ScheduleError

__all__ = ["choice", "flag", "length", "number", "ratio", "whole"]


def number(value: Any, field: str, *, above: float | None = None, least: float = -math.inf) -> float:
    """Return a finite float that is ≥ ``least`` and > ``above``."""
    bound = f"more than {above:g}" if above is not None else f"at least {least:g}"
    what = "a finite number" if above is None and least == -math.inf else f"a finite number, {bound}"
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise ScheduleError(f"{field} must be {what}; got {value!r}")
    result = float(value)
    if not math.isfinite(result) or result < least or (above is not None and result <= above):
        raise ScheduleError(f"{field} must be {what}; got {value!r}")
    return result


def ratio(value: Any, field: str) -> Fraction:
    """Return an exact fraction > 0, of a number as written (1.1 is 11/10) or of text such as ``"3/2"``."""
    if isinstance(value, str):
        try:
            exact = Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ScheduleError(f"{field} must be a number, or text such as '3/2'; got {value!r}") from None
    else:
        exact = value if isinstance(value, Fraction) else to_fraction(number(value, field, above=0))
    if exact <= 0:
        raise ScheduleError(f"{field} must be more than 0; got {value!r}")
    return exact


def whole(value: Any, field: str, *, least: int) -> int:
    """Return an int ≥ ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise ScheduleError(f"{field} must be a whole number, at least {least}; got {value!r}")
    return int(value)


def flag(value: Any, field: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise ScheduleError(f"{field} must be True or False; got {value!r}")
    return value


def choice(value: Any, field: str, choices: Iterable[str]) -> str:
    """Return one of the choices."""
    choices = list(choices)
    if value not in choices:
        near = get_close_matches(str(value), choices, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ScheduleError(f"{field} must be one of {', '.join(map(repr, choices))}; got {value!r}{hint}")
    return str(value)


def length(value: DurationLike, field: str, *, positive: bool = False) -> Duration:
    """Return a Duration that is not negative whatever the horizon, and more than 0 if ``positive``."""
    duration = to_duration(value, field)
    if duration.terms and all(amount < 0 for _, amount in duration.terms):
        raise ScheduleError(f"{field} must be at least 0; got {value!r}")
    if positive and duration.is_zero:
        raise ScheduleError(f"{field} must be more than 0; got {value!r}")
    return duration
