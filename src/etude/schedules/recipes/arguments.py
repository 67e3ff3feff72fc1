"""The arguments of a recipe, checked under the names that its caller wrote."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from etude.durations import Duration
from etude.errors import ScheduleError
from etude.levels import Level, to_level
from etude.schedules import bounds
from etude.schedules.algebra import GEOMETRIC
from etude.schedules.shapes import (
    Cosine,
    Geometric,
    Linear,
    MirrorCosine,
    OneMinusSqrt,
    OneMinusSquare,
    QuarterCosine,
    QuarterSine,
    Rex,
    Shape,
)

__all__ = ["SHAPES", "Arguments"]

SHAPES: dict[str, type[Shape]] = {
    "linear": Linear,
    "cosine": Cosine,
    "one_minus_sqrt": OneMinusSqrt,
    "one_minus_square": OneMinusSquare,
    "mirror_cosine": MirrorCosine,
    "quarter_cosine": QuarterCosine,
    "quarter_sine": QuarterSine,
    "rex": Rex,
}
"""The shapes that take no parameter, by the names of their eases."""


class Arguments:
    """Checks at a recipe's door: each returns the value in the form the schedules keep."""

    def __init__(self, recipe: str) -> None:
        self._recipe = recipe

    def named(self, name: str) -> str:
        """The argument as errors call it."""
        return f"{self._recipe}({name}=)"

    def level(self, name: str, value: Any) -> Level:
        """A level, ≥ 0."""
        return to_level(value, self.named(name))

    def length(self, name: str, value: Any, *, positive: bool = False) -> Duration:
        """A Duration."""
        return bounds.length(value, self.named(name), positive=positive)

    def rest(self, name: str, whole: Duration, *parts: Duration) -> Duration:
        """What is left of a whole after its parts."""
        for part in parts:
            whole = whole - part
        return bounds.length(whole, f"{self.named(name)} less the lengths of its parts")

    def number(self, name: str, value: Any, **bound: float) -> float:
        """A number, ``above=`` or at ``least=`` a bound."""
        return bounds.number(value, self.named(name), **bound)

    def share(self, name: str, value: Any) -> float:
        """A number in [0, 1]."""
        return bounds.share(value, self.named(name))

    def ratio(self, name: str, value: Any) -> Fraction:
        """An exact ratio, > 0."""
        return bounds.ratio(value, self.named(name))

    def whole(self, name: str, value: Any, *, least: int) -> int:
        """A whole number."""
        return bounds.whole(value, self.named(name), least=least)

    def count(self, name: str, value: Any) -> int | None:
        """How many cycles; None for ever."""
        return None if value is None else self.whole(name, value, least=1)

    def flag(self, name: str, value: Any) -> bool:
        """True or False."""
        return bounds.flag(value, self.named(name))

    def shape(self, name: str, value: Any) -> type[Shape]:
        """A shape by the name of its ease."""
        return SHAPES[bounds.choice(value, self.named(name), SHAPES)]

    def decay(self, name: str, value: Any, floor: Level) -> type[Shape]:
        """A shape by the name of its ease; or ``"geometric"``, to a floor above 0."""
        shapes: dict[str, type[Shape]] = {**SHAPES, GEOMETRIC: Geometric}
        shape = shapes[bounds.choice(value, self.named(name), shapes)]
        if shape is Geometric and floor == Level(0.0, 0.0):
            raise ScheduleError(
                f"{self.named('floor')} must be more than 0 with {name}='geometric', for no factor leads to "
                f"0; write floor=0.001 * BASE, or another {name}"
            )
        return shape
