"""Arrays of another framework, spoken to in NumPy.

Eases, laws and timelines are written for NumPy. An array of JAX or Keras that is wrapped in a ``Foreign``
goes through the same lines: NumPy hands each operation over, and the framework computes, or traces, it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

__all__ = ["Foreign", "Namespace", "taken"]

OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "negative": operator.neg,
    "equal": operator.eq,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "bitwise_and": operator.and_,
    "bitwise_xor": operator.xor,
    "right_shift": operator.rshift,
}
"""What every framework's arrays do with Python's signs; a plain number then takes the array's precision."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A framework's functions under NumPy's names.

    Args:
        functions: the module that has them.
        array: its array of a NumPy array, of the same type.
        view: the bits of its float64 array as int64.
        cast: its array in the type of that name.
    """

    functions: Any
    array: Callable[[NDArray[Any]], Any]
    view: Callable[[Any], Any]
    cast: Callable[[Any, str], Any]


class Foreign(NDArrayOperatorsMixin):
    """An array of a framework that NumPy's functions take."""

    def __init__(self, value: Any, namespace: Namespace) -> None:
        self.value = value
        self._namespace = namespace

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return self._call(function.__name__, inputs, options)

    def __array_function__(
        self, function: Any, types: Any, inputs: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        return self._call(function.__name__, inputs, options)

    def _call(self, name: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Foreign:
        # Nothing is written into a traced array: ``out`` is how NumPy saves memory, and the result is new.
        options = {key: option for key, option in options.items() if key != "out"}
        if name in OPERATORS:
            value = OPERATORS[name](*map(self._operand, inputs))
        else:
            value = getattr(self._namespace.functions, name)(*map(self._argument, inputs), **options)
        return Foreign(value, self._namespace)

    def _operand(self, value: Any) -> Any:
        """What stands beside a sign: a plain number as it is."""
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
            return value.item()
        return value if isinstance(value, int | float) else self._argument(value)

    def _argument(self, value: Any) -> Any:
        """What a function takes: arrays only, for a plain number would become one in single precision."""
        if isinstance(value, Foreign):
            return value.value
        if isinstance(value, float):
            value = np.array(value, dtype=np.float64)
        return self._namespace.array(value) if isinstance(value, np.ndarray) else value

    def view(self, dtype: type[np.int64]) -> Foreign:
        """The bits of a float64 array."""
        return Foreign(self._namespace.view(self.value), self._namespace)

    def astype(self, dtype: type[np.generic]) -> Foreign:
        """The array in another type."""
        return Foreign(self._namespace.cast(self.value, np.dtype(dtype).name), self._namespace)

    def index(self, rows: NDArray[Any]) -> Foreign:
        """The row that each number of this array means."""
        take = self._namespace.functions.take
        return Foreign(take(self._argument(rows), self.value, axis=0), self._namespace)


def taken(rows: NDArray[Any], at: NDArray[np.intp] | Foreign) -> Any:
    """The rows with these numbers; NumPy does not hand ``take`` over for the numbers' sake."""
    return at.index(rows) if isinstance(at, Foreign) else rows[at]
