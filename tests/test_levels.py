"""Levels: arithmetic, what they are at a base rate, how they are written, what is refused."""

from __future__ import annotations

import copy
import math
import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import BASE, Level, parse
from etude.errors import ScheduleError
from etude.levels import to_level

BASES = np.array([0.0, 0.5, 2.0])
sizes = st.floats(-1e6, 1e6, allow_subnormal=False)
anything = st.builds(Level, sizes, sizes)


@pytest.mark.parametrize(
    ("level", "written", "values"),
    [
        (BASE, "BASE", [0.0, 0.5, 2.0]),
        (0.1 * BASE, "0.1 * BASE", [0.0, 0.05, 0.2]),
        (BASE * 3, "3.0 * BASE", [0.0, 1.5, 6.0]),
        (BASE / 4, "0.25 * BASE", [0.0, 0.125, 0.5]),
        (BASE + 1, "BASE + 1.0", [1.0, 1.5, 3.0]),
        (1 + BASE, "BASE + 1.0", [1.0, 1.5, 3.0]),
        (1 - 0.5 * BASE, "-0.5 * BASE + 1.0", [1.0, 0.75, 0.0]),
        (2 * (BASE + 1) - BASE, "BASE + 2.0", [2.0, 2.5, 4.0]),
        (BASE + -0.5 * BASE + 1 - 0.5, "0.5 * BASE + 0.5", [0.5, 0.75, 1.5]),
        (BASE - BASE, "0.0", [0.0, 0.0, 0.0]),
        (to_level(0.3, "stop"), "0.3", [0.3, 0.3, 0.3]),
        (to_level(1e-5, "stop"), "1e-05", [1e-5, 1e-5, 1e-5]),
    ],
)
def test_what_a_level_is_and_how_it_is_written(level: Level, written: str, values: list[float]) -> None:
    assert repr(level) == written
    assert level.at(BASES).tolist() == values


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5), np.int64(2), Fraction(1, 2), 2])
def test_numbers_of_every_kind_become_plain_floats(number: Any) -> None:
    for level in (number * BASE, BASE * number, BASE + number, Level(number, 0), to_level(number, "start")):
        assert type(level) is Level
        assert type(level.factor) is type(level.offset) is float
    assert repr(number * BASE) == f"{float(number)!r} * BASE"


@given(anything, anything)
def test_sums_commute(a: Level, b: Level) -> None:
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)


@given(anything, sizes)
def test_factors_may_stand_on_either_side(level: Level, number: float) -> None:
    assert level * number == number * level


@given(st.builds(Level, st.floats(0, 1e6), st.floats(0, 1e6)))
def test_what_is_written_reads_back(level: Level) -> None:
    assert parse(repr(level)).level == level  # type: ignore[attr-defined]


@given(anything)
def test_copies_are_equal(level: Level) -> None:
    assert pickle.loads(pickle.dumps(level)) == copy.deepcopy(level) == level


def test_zero_has_one_form() -> None:
    for zero in (Level(-0.0, -0.0), to_level(-0.0, "stop"), BASE * -0.0):
        assert repr(zero) == "0.0"
        assert math.copysign(1, zero.offset) == math.copysign(1, zero.factor) == 1


def test_a_level_below_zero_names_the_base_rate_where_it_is() -> None:
    with pytest.raises(
        ScheduleError, match=r"the level BASE - 1.0 is -0.5 at the base rate 0.5.*write a multiple"
    ):
        (BASE - 1).at(np.array([2.0, 0.5]))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, r"stop must be at least 0; got -0.1"),
        (-1 * BASE, r"stop must be at least 0; got -1.0 \* BASE"),
        (-1 * BASE - 1, r"stop must be at least 0; got -1.0 \* BASE - 1.0"),
        (math.nan, r"stop must be finite; got nan"),
        (math.inf, r"stop must be finite; got inf"),
        (np.float32("inf"), r"stop must be finite; got "),
        (10**400, r"stop must be finite; got a whole number too large for a float"),
        (True, r"stop must be a number \(absolute\) or a multiple of BASE such as 0.1 \* BASE; got True"),
        (np.True_, r"stop must be a number .*; got "),
        ("0.1", r"stop must be a number .*; got '0.1'"),
        (None, r"stop must be a number .*; got None"),
        (1j, r"stop must be a number .*; got 1j"),
        (Decimal("0.1"), r"stop must be a number .*; got Decimal"),
        ([0.1], r"stop must be a number .*; got \[0.1\]"),
        (np.array([0.1]), r"stop must be a number .*; got array"),
    ],
)
def test_what_can_never_be_a_rate(value: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        to_level(value, "stop")


def test_a_level_that_is_positive_for_some_bases_is_allowed() -> None:
    assert to_level(BASE - 0.5, "stop") == BASE - 0.5


@pytest.mark.parametrize(
    ("calculate", "message"),
    [
        (lambda: BASE / 0, r"cannot divide the level BASE by 0"),
        (lambda: BASE * math.inf, r"the multiplier of a level must be finite; got inf"),
        (lambda: BASE * 1e308 * 10, r"Level\(factor=\) must be finite; got inf"),
        (lambda: BASE + math.nan, r"the level added must be finite; got nan"),
        (lambda: BASE - math.nan, r"the level subtracted must be finite; got nan"),
        (lambda: math.inf - BASE, r"the level added must be finite; got inf"),
        (lambda: Level("a", 0), r"Level\(factor=\) must be a number; got 'a'"),  # type: ignore[arg-type]
        (lambda: Level(1, True), r"Level\(offset=\) must be a number; got True"),
    ],
)
def test_arithmetic_that_is_refused(calculate: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        calculate()


@pytest.mark.parametrize("other", [True, "2", None, BASE])
def test_a_level_is_multiplied_by_numbers_only(other: Any) -> None:
    with pytest.raises(TypeError):
        BASE * other
    with pytest.raises(TypeError):
        BASE / other
