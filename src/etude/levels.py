"""Levels: the values a schedule goes between, affine in the parameter group's own base rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from etude.errors import ScheduleError

__all__ = ["BASE", "Level", "LevelLike", "finite", "is_number", "to_level"]


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a real number of Python's or NumPy's; True and False are not."""
    # The plain types first: to ask for a protocol takes ten times as long.
    return type(value) in (float, int) or (isinstance(value, Real) and not isinstance(value, bool))


def finite(value: Any, field: str) -> float:
    """Return a number as a float; raises ScheduleError for what is infinite, NaN or too large for one."""
    try:
        number = float(value)
    except OverflowError:
        raise ScheduleError(f"{field} must be finite; got a whole number too large for a float") from None
    if not math.isfinite(number):
        raise ScheduleError(f"{field} must be finite; got {value!r}")
    return number + 0.0  # so that -0.0 is written, and fingerprinted, like the 0.0 it equals


@dataclass(frozen=True, slots=True, repr=False)
class Level:
    """A value ``factor · base + offset``, where base is the group's own rate.

    A bare number is absolute; ``BASE`` and ``0.1 * BASE`` are relative to each group.

    Args:
        factor: multiples of the base rate; finite.
        offset: an absolute amount, in the unit of the rate; finite.

    >>> 0.1 * BASE
    0.1 * BASE
    >>> (0.1 * BASE + 0.5).at(np.array([1.0, 2.0]))
    array([0.6, 0.7])
    """

    factor: float
    offset: float

    def __post_init__(self) -> None:
        for name in ("factor", "offset"):
            value = getattr(self, name)
            if not is_number(value):
                raise ScheduleError(f"Level({name}=) must be a number; got {value!r}")
            object.__setattr__(self, name, finite(value, f"Level({name}=)"))

    def at(self, base: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value for each base rate; raises ScheduleError where it would be negative."""
        values = self.factor * base + self.offset if self.factor else np.full_like(base, self.offset)
        if values.min() < 0:
            worst = base[int(values.argmin())]
            raise ScheduleError(
                f"the level {self!r} is {values.min():g} at the base rate {worst:g}, and a rate cannot be "
                f"negative; write a multiple of BASE, such as 0.1 * BASE, or take less away"
            )
        return values

    @property
    def is_relative(self) -> bool:
        """Whether the value depends on the base rate."""
        return self.factor != 0

    def __add__(self, other: LevelLike) -> Level:
        if not (isinstance(other, Level) or is_number(other)):
            return NotImplemented
        other = _signed(other, "the level added")
        return Level(self.factor + other.factor, self.offset + other.offset)

    def __sub__(self, other: LevelLike) -> Level:
        if not (isinstance(other, Level) or is_number(other)):
            return NotImplemented
        return self + _signed(other, "the level subtracted") * -1

    def __rsub__(self, other: float) -> Level:
        if not is_number(other):  # a schedule, which nothing can be taken from
            return NotImplemented
        return self * -1 + other

    def __mul__(self, number: float) -> Level:
        if not is_number(number):
            return NotImplemented
        number = finite(number, "the multiplier of a level")
        return Level(self.factor * number, self.offset * number)

    def __truediv__(self, number: float) -> Level:
        if not is_number(number):
            return NotImplemented
        number = finite(number, "the divisor of a level")
        if number == 0:
            raise ScheduleError(f"cannot divide the level {self!r} by 0")
        return Level(self.factor / number, self.offset / number)

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        if not self.factor:
            return repr(self.offset)
        relative = "BASE" if self.factor == 1 else f"{self.factor!r} * BASE"
        if not self.offset:
            return relative
        return f"{relative} {'-' if self.offset < 0 else '+'} {abs(self.offset)!r}"


LevelLike: TypeAlias = Level | float

BASE = Level(1.0, 0.0)
"""The parameter group's own base rate: the rate its optimizer was built with."""


def _signed(value: LevelLike, field: str) -> Level:
    """A part of a sum, of either sign: only the whole need be a rate."""
    return value if isinstance(value, Level) else Level(0.0, finite(value, field))


def to_level(value: LevelLike, field: str) -> Level:
    """Return ``value`` as a Level, refusing what can never be a rate.

    Args:
        value: a Level, or a finite number ≥ 0 that is then absolute.
        field: how the caller names the value, for the error.

    Raises:
        ScheduleError: naming the field, the bound and the value given.

    >>> to_level(0.3, "stop")
    0.3
    """
    if not (isinstance(value, Level) or is_number(value)):
        raise ScheduleError(
            f"{field} must be a number (absolute) or a multiple of BASE such as 0.1 * BASE; got {value!r}"
        )
    level = _signed(value, field)
    if level.factor <= 0 and level.offset <= 0 and (level.factor < 0 or level.offset < 0):
        raise ScheduleError(f"{field} must be at least 0; got {value!r}")
    return level
