"""The arguments of a recipe, checked under the names that its caller wrote."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

from etude.durations import Duration
from etude.eases import EASES
from etude.errors import ScheduleError
from etude.levels import Level, LevelLike, is_number, to_level
from etude.schedules import bounds
from etude.schedules.algebra import GEOMETRIC, Rate
from etude.schedules.shapes import Cosine, Geometric, Linear, Ramp, Rex

__all__ = ["ZERO", "Arguments", "Way", "along"]

ZERO = Level(0.0, 0.0)


class Way(Protocol):
    """From one level to another in a time."""

    def __call__(self, start: LevelLike, stop: LevelLike, *, over: Duration) -> Rate: ...


def along(ease: str) -> Way:
    """The way along an ease, or in log rate, by its name."""
    own: dict[str, Way] = {"linear": Linear, "cosine": Cosine, "rex": Rex, GEOMETRIC: Geometric}
    return own.get(ease) or (lambda start, stop, *, over: Ramp(start, stop, over=over, ease=ease))


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
        """A Duration; a number below 1 is no count of steps, but a rate that stands in its place."""
        if isinstance(value, Level) or (is_number(value) and 0 < value < 1):
            raise ScheduleError(
                f"{self.named(name)} must be a length, such as '5ep', '30%' or 100 (steps); got {value!r}: a "
                f"rate, and whatever else is no length, has a name, such as peak={value!r}"
            )
        return bounds.length(value, self.named(name), positive=positive)

    def part(self, name: str, value: Any, whole: Duration) -> Duration:
        """A Duration; a number in (0, 1) is a share of the whole."""
        if is_number(value) and 0 < value < 1:
            return whole * bounds.share(value, self.named(name))
        if isinstance(value, float) and value == 1:
            raise ScheduleError(
                f"{self.named(name)} must be a share in (0, 1), or a length such as '5ep' or 1 (a step); got "
                f"{value!r}"
            )
        return self.length(name, value)

    def left(self, name: str, whole: Duration, *parts: Duration) -> Duration:
        """What is left of a whole beside its parts."""
        for part in parts:
            whole = whole - part
        return bounds.length(whole, f"{self.named(name)} less the lengths of its parts")

    def number(self, name: str, value: Any, **bound: float) -> float:
        """A number, ``above=`` or at ``least=`` a bound."""
        return bounds.number(value, self.named(name), **bound)

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

    def way(self, name: str, value: Any) -> Way:
        """A way along an ease."""
        return along(bounds.choice(value, self.named(name), EASES))

    def decay(self, name: str, value: Any, floor: Level) -> Way:
        """A way along an ease; or ``"geometric"``, to a floor above 0."""
        if bounds.choice(value, self.named(name), [*EASES, GEOMETRIC]) == GEOMETRIC and floor == ZERO:
            raise ScheduleError(
                f"{self.named('floor')} must be more than 0 with {name}='geometric', for no factor leads to "
                f"0; write floor=0.001 * BASE, or another {name}"
            )
        return along(value)
