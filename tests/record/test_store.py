"""The key of a run."""

from __future__ import annotations

from typing import Any

import pytest

from etude.errors import StoreError
from etude.record import RunKey

GOOD: dict[str, Any] = {"task": "digits", "schedule": "Constant()", "peak": 0.1, "budget": 1, "seed": 0}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("task", None, "task must be a text; got None"),
        ("schedule", 0.1, r"schedule must be a text; got 0\.1"),
        ("peak", float("nan"), "peak must be a finite float or None; got nan"),
        ("peak", float("inf"), "peak must be a finite float or None; got inf"),
        ("peak", "0.1", r"peak must be a finite float or None; got '0\.1'"),
        ("peak", True, "peak must be a finite float or None; got True"),
        ("budget", 0, "budget must be an int from 1 to .*; got 0"),
        ("budget", 1.0, r"budget must be an int from 1 to .*; got 1\.0"),
        ("budget", 2**63, rf"budget must be an int from 1 to .*; got {2**63}"),
        ("seed", None, "seed must be an int from .*; got None"),
        ("seed", False, "seed must be an int from .*; got False"),
        ("seed", 2**63, rf"seed must be an int from .*; got {2**63}"),
        ("seed", -(2**63) - 1, rf"seed must be an int from .*; got -{2**63 + 1}"),
    ],
)
def test_a_value_out_of_bounds_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        RunKey(**GOOD | {field: value})


def test_the_bounds_are_accepted() -> None:
    RunKey("digits", "Constant()", None, 2**63 - 1, -(2**63))
    RunKey("digits", "Constant()", 1, 1, 2**63 - 1)


def test_a_key_finds_its_equal() -> None:
    assert {RunKey(**GOOD): "found"}[RunKey(**GOOD)] == "found"
