"""The checks at the door: what they return, and the field, the bound and the value in what they say."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from etude.durations import to_duration
from etude.errors import ScheduleError
from etude.schedules import bounds


@pytest.mark.parametrize("value", [3, 3.0, np.int32(3), np.float32(3), Fraction(3)])
def test_number_returns_a_plain_float(value: Any) -> None:
    assert bounds.number(value, "gamma") == 3.0
    assert type(bounds.number(value, "gamma")) is float


@pytest.mark.parametrize(
    ("value", "bound", "message"),
    [
        (0, {"above": 0}, r"^gamma must be a finite number, more than 0; got 0$"),
        (-1, {"least": 0}, r"^gamma must be a finite number, at least 0; got -1$"),
        ("1", {}, r"^gamma must be a finite number; got '1'$"),
        (None, {}, r"^gamma must be a finite number; got None$"),
        (True, {}, r"^gamma must be a finite number; got True$"),
        (np.array([1.0]), {}, r"^gamma must be a finite number; got array\(\[1.\]\)$"),
        (math.nan, {"least": 0}, r"^gamma must be finite; got nan$"),
        (-math.inf, {}, r"^gamma must be finite; got -inf$"),
        (10**400, {}, r"^gamma must be finite; got a whole number too large for a float$"),
    ],
)
def test_number_refuses(value: Any, bound: dict[str, float], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        bounds.number(value, "gamma", **bound)


@pytest.mark.parametrize(
    ("value", "exact"),
    [(1.1, Fraction(11, 10)), ("1.1", Fraction(11, 10)), ("3/2", Fraction(3, 2)), (2, Fraction(2))],
)
def test_ratio_is_exact_as_written(value: Any, exact: Fraction) -> None:
    assert bounds.ratio(value, "stretch") == exact


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, r"stretch must be more than 0; got 0"),
        (-2, r"stretch must be more than 0; got -2"),
        ("0", r"stretch must be more than 0; got '0'"),
        ("3/0", r"stretch divides by 0; got '3/0'"),
        ("fast", r"stretch must be a number, or text such as '3/2'; got 'fast'"),
        ("1e999999999", r"stretch must be 0, or in size between 1e-30 and 1e\+30; got '1e999999999'"),
        (math.inf, r"stretch must be finite; got inf"),
        (True, r"stretch must be a number; got True"),
        (None, r"stretch must be a number; got None"),
    ],
)
def test_ratio_refuses(value: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        bounds.ratio(value, "stretch")


def test_whole() -> None:
    assert bounds.whole(np.int64(3), "times", least=1) == 3
    for value in (0, 2.0, True, "2", None):
        message = rf"times must be a whole number, at least 1; got {value!r}"
        with pytest.raises(ScheduleError, match=message):
            bounds.whole(value, "times", least=1)
    with pytest.raises(ScheduleError, match=r"times must be at most 2\*\*53; got more"):
        bounds.whole(10**5000, "times", least=1)


def test_flag() -> None:
    assert bounds.flag(False, "inclusive") is False
    with pytest.raises(ScheduleError, match=r"inclusive must be True or False; got 0"):
        bounds.flag(0, "inclusive")


def test_choice() -> None:
    assert bounds.choice("hold", "after", ["hold", "raise"]) == "hold"
    with pytest.raises(
        ScheduleError, match=r"after must be one of 'hold', 'raise'; got 'hol'; did you mean 'hold'"
    ):
        bounds.choice("hol", "after", ["hold", "raise"])
    with pytest.raises(ScheduleError, match=r"after must be one of 'hold', 'raise'; got \['hold'\]"):
        bounds.choice(["hold"], "after", ["hold", "raise"])


def test_length() -> None:
    assert bounds.length("5ep", "over") == to_duration("5ep")
    assert bounds.length("5ep - 9st", "over") == to_duration("5ep - 9st")  # the horizon decides
    with pytest.raises(ScheduleError, match=r"over must be at least 0; got '-5ep'"):
        bounds.length("-5ep", "over")
    with pytest.raises(ScheduleError, match=r"over must be more than 0; got 0"):
        bounds.length(0, "over", positive=True)
