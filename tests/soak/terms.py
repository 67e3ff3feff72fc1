"""Expressions as trees of plain data: what Python evaluates with Etude, and what the oracle reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

__all__ = ["BASE", "Rate", "Sizes", "Term", "amounts", "smaller", "term"]


@dataclass(frozen=True)
class Rate:
    """A level: ``factor`` times the group's base rate, plus ``offset``."""

    factor: float
    offset: float = 0.0

    def __repr__(self) -> str:
        parts = [f"{self.factor!r} * BASE"] * bool(self.factor)
        return " + ".join(parts + [repr(self.offset)] * (not parts or bool(self.offset)))

    def at(self, base: float) -> float:
        """The value for a group."""
        return self.factor * base + self.offset if self.factor else self.offset

    def __mul__(self, number: float) -> Rate:
        return Rate(self.factor * number, self.offset * number)


BASE = Rate(1.0)
Options: TypeAlias = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Term:
    """A call, ``Linear(...)``; an operation, ``a >> b``; or a method, ``a.repeat(...)``."""

    name: str
    args: tuple[Any, ...] = ()
    options: Options = ()

    def __repr__(self) -> str:
        if not self.name[0].isalpha() and self.name[0] != ".":
            return f" {self.name} ".join(f"({part!r})" for part in self.args)
        args = list(map(repr, self.args)) + [f"{name}={value!r}" for name, value in self.options]
        if self.name[0] == ".":
            return f"({args[0]}){self.name}({', '.join(args[1:])})"
        return f"et.{self.name}({', '.join(args)})"

    def walk(self) -> Iterator[Term]:
        """This and every expression in it."""
        yield self
        for part in self.args:
            if isinstance(part, Term):
                yield from part.walk()


def term(name: str, *args: Any, **options: Any) -> Term:
    """Build a Term as its call is written."""
    return Term(name, args, tuple(options.items()))


def smaller(whole: Term) -> Iterator[Term]:
    """Expressions that are a little less than this one, the least first."""
    yield from (part for part in whole.args if isinstance(part, Term))
    for index, part in enumerate(whole.args):
        if isinstance(part, Term):
            for less in smaller(part):
                yield replace(whole, args=(*whole.args[:index], less, *whole.args[index + 1 :]))
    for index in range(len(whole.options)):
        yield replace(whole, options=whole.options[:index] + whole.options[index + 1 :])


@dataclass(frozen=True)
class Sizes:
    """A horizon: how many updates an epoch has, how long the run is, what an update sees."""

    steps_per_epoch: int | None = None
    total: int | str | None = None
    samples_per_step: int | None = None
    tokens_per_step: int | None = None

    def __repr__(self) -> str:
        given = {name: value for name, value in vars(self).items() if value is not None}
        return f"et.Horizon({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def steps(self, duration: Any, left: Fraction | None = None) -> Fraction:
        """A duration in steps.

        Args:
            duration: a number of steps, or a sum of amounts with units.
            left: the steps that are left of the run where it begins; not given, all of them.
        """
        terms = amounts(duration).items()
        return sum((amount * self._one(unit, left) for unit, amount in terms), Fraction(0))

    def _one(self, unit: str, left: Fraction | None) -> Fraction:
        """How many steps one of a unit is."""
        return {
            "st": lambda: Fraction(1),
            "ep": lambda: Fraction(self.steps_per_epoch),
            "%": lambda: self.steps(self.total) / 100,
            "smp": lambda: 1 / Fraction(self.samples_per_step),
            "tok": lambda: 1 / Fraction(self.tokens_per_step),
            "rest": lambda: self.steps(self.total) if left is None else left,
        }[unit]()


def amounts(duration: Any) -> dict[str, Fraction]:
    """A duration as amounts by unit: a number of steps, text such as ``"rest - 10ep"``, or such amounts."""
    if isinstance(duration, dict):
        return duration
    if not isinstance(duration, str):
        return {"st": Fraction(str(duration))}
    sign, found = 1, {}
    for word in duration.split():
        if word in "+-":
            sign = 1 if word == "+" else -1
            continue
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz%")
        unit = word[len(number) :] or "st"
        found[unit] = found.get(unit, Fraction(0)) + sign * Fraction(number or 1)
    return found
