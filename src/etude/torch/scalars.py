"""One number out of whatever holds one, and a short name for what holds none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from torch import Tensor

from etude.durations import LARGEST_STEP
from etude.errors import ScheduleError
from etude.timeline import ceil_float

__all__ = ["metric", "scalar", "shown", "to_step"]

# More of a value is not shown in an error.
MOST = 60


def scalar(value: Any) -> float | None:
    """A real number as a float, also that of a tensor or array of one element; None for all else.

    >>> scalar(np.array([2])), scalar(np.zeros(2)), scalar(10**400), scalar(True)
    (2.0, None, None, None)
    """
    try:
        if isinstance(value, Tensor | np.ndarray | np.generic):
            value = value.item()  # which there is of one element alone
        if isinstance(value, bool | str | bytes | complex) or not hasattr(value, "__float__"):
            return None
        return float(value)
    # RuntimeError is torch's, of what cannot be read.
    except (OverflowError, TypeError, ValueError, RuntimeError):
        return None


def metric(name: str, value: Any) -> float:
    """A metric as a float; NaN and infinite ones are numbers, too.

    Raises:
        ScheduleError: for what is no number.
    """
    number = scalar(value)
    if number is None:
        raise ScheduleError(f"the metric {name!r} must be a number; got {shown(value)}")
    return number


def to_step(value: Any) -> float:
    """A step as a plain number, whatever it was: the clock goes into a checkpoint.

    Raises:
        ScheduleError: for what is no number, negative, or beyond what steps can count.
    """
    exact = value if isinstance(value, Fraction) else None
    number = scalar(value) if exact is None else ceil_float(exact)
    # A whole number is compared itself, for its float may be a smaller one.
    if number is None or not 0 <= (value if isinstance(value, int) else number) <= LARGEST_STEP:
        raise ScheduleError(f"a step must be a number ≥ 0, at most 2**53; got {shown(value)}")
    return int(number) if number.is_integer() else number


def shown(value: Any) -> str:
    """What was given, for an error: its text where that is short."""
    if isinstance(value, int) and value.bit_length() > 8 * MOST:  # Python may refuse to write it
        return "a whole number of very many digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= MOST else f"{text[: MOST - 3]}..."
