"""What SQL has no type for: numbers by name and texts by name, each as one column of JSON.

One column, rather than a table with a row per number: the names are the user's own, a reading is always
read whole and in the order given, and it stays one insert. SQL can still look inside (``json_extract``).

JSON has no NaN and no infinity, SQLite turns NaN into NULL, and a diverged run must be told as it was. They
are written as the strings "nan", "inf" and "-inf": still JSON for every reader, and ``float`` reads them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import SupportsFloat, SupportsIndex

from etude.errors import StoreError
from etude.readings import Reading

__all__ = ["numbers_column", "numbers_of", "reading_columns", "reading_of", "texts_column", "texts_of"]


def numbers_column(what: str, numbers: Mapping[str, float]) -> str:
    """Write numbers by name; anything that ``float`` takes for a number is one, a string is not.

    Raises:
        StoreError: a name that is not a string, or a value that is not a number; ``what`` names the whole.

    >>> numbers_column("metrics", {"loss": 2.5, "accuracy": float("nan")})
    '{"loss": 2.5, "accuracy": "nan"}'
    """
    if not isinstance(numbers, Mapping):
        raise StoreError(f"{what} must be numbers by name; got {numbers!r}")
    written: dict[str, float | str] = {}
    for name, value in numbers.items():
        try:
            if not isinstance(name, str) or not isinstance(value, (SupportsFloat, SupportsIndex)):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise StoreError(f"{what} must be numbers by name; got {name!r}: {value!r}") from None
        written[name] = number if math.isfinite(number) else repr(number)
    return json.dumps(written)


def numbers_of(column: str) -> dict[str, float]:
    """Read what ``numbers_column`` wrote.

    >>> numbers_of('{"loss": 2.5, "accuracy": "nan"}')
    {'loss': 2.5, 'accuracy': nan}
    """
    return {name: float(value) for name, value in json.loads(column).items()}


def texts_column(what: str, texts: Mapping[str, str]) -> str:
    """Write texts by name.

    Raises:
        StoreError: a name or a value that is not a string; ``what`` names the whole.
    """
    for name, value in texts.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise StoreError(f"{what} must be texts by name; got {name!r}: {value!r}")
    return json.dumps(dict(texts))


def texts_of(column: str) -> dict[str, str]:
    """Read what ``texts_column`` wrote."""
    return dict(json.loads(column))


def reading_columns(reading: Reading) -> tuple[int, str, str, str]:
    """Write a reading as step, phase, rates and metrics.

    Raises:
        StoreError: a step that is not a whole number from 0, a phase that is not a text, and rates or metrics
            that are not numbers by name.
    """
    step, phase = reading.step, reading.phase
    if not isinstance(step, SupportsIndex) or not 0 <= step.__index__() < 2**63:
        raise StoreError(f"a reading's step must be a whole number from 0 to 2**63 - 1; got {step!r}")
    if not isinstance(phase, str):
        raise StoreError(f"a reading's phase must be a text; got {phase!r}")
    rates = numbers_column("a reading's rates", reading.rates)
    return step.__index__(), phase, rates, numbers_column("a reading's metrics", reading.metrics)


def reading_of(step: int, phase: str, rates: str, metrics: str) -> Reading:
    """Read what ``reading_columns`` wrote."""
    return Reading(step, numbers_of(rates), phase, numbers_of(metrics))
