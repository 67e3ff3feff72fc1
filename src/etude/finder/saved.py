"""Results of range tests as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from etude.errors import EtudeError, ScheduleError
from etude.finder.curve import Curve
from etude.json_text import read_json, shortened

__all__ = ["curve_values", "from_json", "to_json"]

VERSION = 1
Result = TypeVar("Result")


def curve_values(curve: Curve) -> dict[str, Any]:
    """A curve as plain values, which ``Curve(**values)`` takes; what is not finite is None."""
    return {
        "rates": curve.rates.tolist(),
        "losses": [_finite(row) for row in curve.losses.tolist()],
        "metrics": {name: [_finite(row) for row in rows.tolist()] for name, rows in curve.metrics.items()},
        "base": curve.base,
        "ended": list(curve.ended),
        "of": curve.of,
        "alike": curve.alike,
    }


def _finite(row: list[float]) -> list[float | None]:
    return [value if abs(value) < float("inf") else None for value in row]


def to_json(kind: str, values: Mapping[str, Any]) -> str:
    """Write a result; ``kind`` is its key beside the format's number."""
    return json.dumps({"etude": VERSION, kind: values}, allow_nan=False)


def from_json(kind: str, text: str, build: Callable[[Any], Result]) -> Result:
    """Read what ``to_json`` has written, and build the result of its values.

    Raises:
        ScheduleError: for a text that is none of that kind.
    """
    if not isinstance(text, str):
        raise ScheduleError(f"text must be the JSON of a {kind}; got {shortened(text)}")
    document = read_json(text, lambda why: ScheduleError(f"this is no JSON of a {kind}: {why}"), "it")
    if not isinstance(document, dict) or document.get("etude") != VERSION or kind not in document:
        raise ScheduleError(
            f'this is no JSON of a {kind}: there must be {{"etude": {VERSION}, "{kind}": ...}}'
        )
    try:
        return build(document[kind])
    except EtudeError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ScheduleError(f"this JSON of a {kind} is not whole: {error}") from None
