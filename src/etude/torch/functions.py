"""Schedules that only torch's classes need: a callable that has no name, and its running product.

They are no part of the catalogue: text and JSON hold names and numbers, and a callable object is neither.
"""

from __future__ import annotations

import functools
import importlib
import math
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np

from etude.eases import Array
from etude.errors import ScheduleError, SpecError
from etude.schedules import Custom, Rate, bounds
from etude.schedules.laws import Endless, Function
from etude.timeline import Clock

__all__ = ["Called", "Lambda", "Multiplied", "called", "is_called", "named"]

Lambda: TypeAlias = Callable[[int], Any]
"""A user's function of the step."""


def named(function: object) -> str | None:
    """Return ``"module:function"`` where that name, imported anywhere, leads to this function; else None."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(function, types.FunctionType | types.BuiltinFunctionType):
        return None
    if not module or module == "__main__" or not name or "<" in name:
        return None
    try:
        target: Any = importlib.import_module(module)
        for attribute in name.split("."):
            target = getattr(target, attribute)
    except Exception:  # importing runs code, which may fail in any way
        return None
    return f"{module}:{name}" if target is function else None


def called(function: Lambda, owner: str) -> Rate:
    """Return BASE times the function of the step: as text where the function can be named."""
    name = named(function)
    return Called(function, owner) if name is None else Custom(name)


def is_called(schedule: Rate) -> bool:
    """Whether a user's function decides some of the schedule's values."""
    return any(isinstance(part, Custom | Called) for part in schedule.walk())


@dataclass(frozen=True, repr=False, eq=False)
class Called(Function["Rate"], Endless):
    """A callable that is there, but has no name that text could hold.

    f(t) = function(t), called with one step at a time: an int where t is whole, else a float

    Args:
        function: the callable.
        owner: whose it is, for messages.
    """

    _jumps: ClassVar[bool] = True

    function: Lambda
    owner: str

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Called) or type(other) is not type(self):
            return NotImplemented
        return self.function is other.function and self.start == other.start

    # By identity: callable objects need not have a hash.
    def __hash__(self) -> int:
        return hash((id(self.function), self.start))

    def __repr__(self) -> str:
        return f"<{self.owner}'s {self._name}>"

    def to_json(self) -> NoReturn:
        raise SpecError(
            f"{self!r} cannot be written down, for it has no name that could be imported; define it at the "
            f"top of a module and use Custom('module:function')"
        )

    @property
    def _name(self) -> str:
        function = self.function.func if isinstance(self.function, functools.partial) else self.function
        return str(getattr(function, "__qualname__", type(function).__name__))

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        return lambda t: _each(self.at, t)

    def at(self, step: float) -> float:
        """The factor at one step, an int where it is whole."""
        try:
            value = self.function(step)  # type: ignore[arg-type] # a fraction only where one was asked for
        except Exception as error:  # it is the user's, and may fail in any way
            raise ScheduleError(
                f"{self!r} failed at the step {step:.16g}: {type(error).__name__}: {error}"
            ) from error
        if (
            type(value) is float and 0 <= value < math.inf
        ):  # as nearly always; what follows says what is wrong
            return value
        if not hasattr(value, "__float__"):
            raise ScheduleError(f"the value of {self!r} at {step:.16g} must be a number; got {value!r}")
        return bounds.number(float(value), f"the value of {self!r} at {step:.16g}", least=0)

    @property
    def decay_power(self) -> float:
        return math.nan


@dataclass(frozen=True, repr=False, eq=False)
class Multiplied(Called):
    """The running product of a callable.

    f(t) = function(1) · function(2) · … · function(⌊t⌋), each called once
    """

    _products: list[float] = field(default_factory=lambda: [1.0], init=False)

    def at(self, step: float) -> float:
        products = self._products
        while len(products) <= step:
            products.append(products[-1] * super().at(len(products)))
        return products[math.floor(step)]


def _each(function: Callable[[float], float], t: Array) -> Array:
    steps = [int(step) if step.is_integer() else step for step in t.ravel().tolist()]
    return np.array(list(map(function, steps)), dtype=np.float64).reshape(t.shape)
