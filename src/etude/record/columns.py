"""What SQL has no type for: numbers by name and texts by name, each as one column of JSON.

One column, rather than a table with a row per number: the names are the user's own, a reading is always
read whole and in the order given, and it stays one insert. SQL can still look inside (``json_extract``).

JSON has no NaN and no infinity, SQLite turns NaN into NULL, and a diverged run must be told as it was. They
are written as the strings "nan", "inf" and "-inf": still JSON for every reader, and ``float`` reads them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import SupportsFloat, SupportsIndex

from etude.errors import SpecError, StoreError
from etude.json_text import read_json
from etude.planned import RunPlan
from etude.readings import Reading

__all__ = [
    "READING",
    "numbers_column",
    "numbers_of",
    "plan_column",
    "plan_of",
    "reading_columns",
    "reading_of",
    "texts_column",
    "texts_of",
]

READING = ("step", "phase", "rates", "metrics", "others", "epoch", "samples", "factors", "override")
"""The columns of a reading, in the order in which they are written and read."""


def numbers_column(what: str, numbers: Mapping[str, float]) -> str:
    """Write numbers by name; anything that ``float`` takes for a number is one, a string is not.

    Raises:
        StoreError: a name that is not a string, or a value that is not a number; ``what`` names the whole.

    >>> numbers_column("metrics", {"loss": 2.5, "accuracy": float("nan")})
    '{"loss": 2.5, "accuracy": "nan"}'
    """
    # Here and below the plain types come first: to ask a protocol takes longer than all the rest.
    if not isinstance(numbers, (dict, Mapping)):
        raise StoreError(f"{what} must be numbers by name; got {numbers!r}")
    written: dict[str, float | str] = {}
    for name, value in numbers.items():
        if type(value) is float and type(name) is str:
            written[name] = value if math.isfinite(value) else repr(value)
            continue
        try:
            if not isinstance(name, str) or not isinstance(value, (SupportsFloat, SupportsIndex)):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise StoreError(f"{what} must be numbers by name; got {name!r}: {value!r}") from None
        written[name] = number if math.isfinite(number) else repr(number)
    return json.dumps(written) if written else "{}"


def numbers_of(column: str) -> dict[str, float]:
    """Read what ``numbers_column`` wrote.

    >>> numbers_of('{"loss": 2.5, "accuracy": "nan"}')
    {'loss': 2.5, 'accuracy': nan}
    """
    with _reading("the numbers"):
        return _numbers(read_json(column, SpecError, "it"))


def _numbers(written: Mapping[str, float | str]) -> dict[str, float]:
    return {name: float(value) for name, value in written.items()}


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Tell whatever a column that Etude did not write leads to as one ValueError."""
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{what} of a run cannot be read back: {error}") from None


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
    with _reading("the texts"):
        return dict(read_json(column, SpecError, "it"))


def plan_column(plan: RunPlan | None) -> str | None:
    """Write what a run is to follow.

    Raises:
        StoreError: for what is no plan, or has numbers that are not finite.
    """
    if plan is None:
        return None
    if not isinstance(plan, RunPlan):
        raise StoreError(f"plan must be a RunPlan, as scheduler.plan returns it; got {plan!r}")
    try:
        return json.dumps(plan.to_dict(), allow_nan=False)
    except ValueError:
        raise StoreError(f"plan must have finite numbers; got {plan!r}") from None


def plan_of(column: str | None) -> RunPlan | None:
    """Read what ``plan_column`` wrote.

    Raises:
        ValueError: for what it did not write.
    """
    with _reading("the plan"):
        return None if column is None else RunPlan.from_dict(read_json(column, SpecError, "it"))


def reading_columns(reading: Reading) -> tuple[object, ...]:
    """Write a reading as the values of ``READING``.

    Raises:
        StoreError: a step that is not a whole number from 0, a phase or override that is not a text, an epoch
            or samples that are not finite, and rates or metrics that are not numbers by name.
    """
    step = reading.step
    if not isinstance(step, (int, SupportsIndex)) or not 0 <= step.__index__() < 2**63:
        raise StoreError(f"a reading's step must be a whole number from 0 to 2**63 - 1; got {step!r}")
    for what, text in (("phase", reading.phase), ("override", reading.override)):
        if not isinstance(text, str):
            raise StoreError(f"a reading's {what} must be a text; got {text!r}")
    if not isinstance(reading.others, (dict, Mapping)):
        raise StoreError(f"a reading's others must be numbers by name and group; got {reading.others!r}")
    others = [
        f"{json.dumps(name)}: {numbers_column(f'others[{name!r}]', by_group)}"
        for name, by_group in reading.others.items()
    ]
    return (
        step.__index__(),
        reading.phase,
        numbers_column("a reading's rates", reading.rates),
        numbers_column("a reading's metrics", reading.metrics),
        f"{{{', '.join(others)}}}",
        _progress("epoch", reading.epoch),
        _progress("samples", reading.samples),
        numbers_column("a reading's factors", reading.factors),
        reading.override,
    )


def _progress(what: str, value: float | None) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (float, SupportsFloat)) or not 0 <= float(value) < math.inf:
        raise StoreError(f"a reading's {what} must be a finite number ≥ 0 or None; got {value!r}")
    return float(value)


def reading_of(
    step: int,
    phase: str,
    rates: str,
    metrics: str,
    others: str,
    epoch: float | None,
    samples: float | None,
    factors: str,
    override: str,
) -> Reading:
    """Read what ``reading_columns`` wrote."""
    with _reading("the readings"):
        written = read_json(others, SpecError, "it")
        by_name = {name: _numbers(by_group) for name, by_group in written.items()}
    return Reading(
        step,
        numbers_of(rates),
        phase,
        numbers_of(metrics),
        by_name,
        epoch,
        samples,
        numbers_of(factors),
        override,
    )
