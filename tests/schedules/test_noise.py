"""Noise: what it draws, again in any order and on any clock; and polynomial cycles, counted as exactly."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import BASE, Constant, Factor, Horizon, Noise, PolynomialCycles, from_json, parse, warmup
from etude.errors import ScheduleError

RUN = Horizon()
MANY = 100_000
UNIFORM = [1.0758937057660236, 0.9048500043572856, 0.9298078734303377, 1.0732176193344016]
NORMAL = [0.9564621876426225, 1.0323591412828586, 1.0614243394857659, 1.0732176193344016]
growths = st.sampled_from(["11/10", "7/3", "9/7", "1/3", "2", "5/2"])


def split_mix(bits: int) -> int:
    """The finalizer of splitmix64, in whole numbers without an upper bound."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB % 2**64
    return bits ^ (bits >> 31)


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_a_draw_is_a_hash_of_the_seed_and_the_step(seed: int, step: int) -> None:
    bits = int(np.float64(step).view(np.uint64))
    key = seed * 0x9E3779B97F4A7C15 % 2**64
    share = (split_mix(split_mix((bits + 1) % 2**64) ^ key) >> 11) / 2**53
    assert Noise(seed, 0.25).on(RUN)(step) == 1 + 0.25 * (2 * share - 1)


def test_it_stays_as_it_is_from_version_to_version() -> None:
    assert Noise(7, 0.1).on(RUN)(range(4)).tolist() == UNIFORM
    assert Noise(7, 0.1, distribution="normal").on(RUN)(range(4)).tolist() == NORMAL


@pytest.mark.parametrize(
    ("noise", "deviation", "most"),
    [
        (Noise(1, 0.5), 0.5 / math.sqrt(3), 0.5),
        (Noise(1, 1.0, distribution="normal", std=0.1), 0.1, 0.5),  # five deviations, and more
        (Noise(1, 0.5, distribution="normal", std=100.0), 0.5 / math.sqrt(3), 0.5),  # hardly normal any more
        # Cut off at one deviation, a normal law keeps √(1 - 2φ(1) / (2Φ(1) - 1)) of its own.
        (Noise(1, 0.5, distribution="normal", std=0.5), 0.5 * 0.5396, 0.5),
        (Noise(1, 0.5, distribution="normal"), 0.25 * 0.8796, 0.5),
    ],
)
def test_its_law(noise: Noise, deviation: float, most: float) -> None:
    drawn = noise.on(RUN)(range(MANY)) - 1
    assert drawn.mean() == pytest.approx(0, abs=5 * deviation / math.sqrt(MANY))
    assert drawn.std() == pytest.approx(deviation, rel=0.01)
    assert np.abs(drawn).max() <= most
    assert len(np.unique(drawn)) == MANY


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_steps_and_seeds_have_nothing_to_do_with_each_other(distribution: Any) -> None:
    rows = np.array([Noise(seed, 0.5, distribution=distribution).on(RUN)(range(2_000)) for seed in range(30)])
    between_seeds = np.corrcoef(rows) - np.eye(30)
    assert np.abs(between_seeds).max() < 5 / math.sqrt(2_000)
    for lag in (1, 2, 16):
        assert abs(np.corrcoef(rows[:, lag:].ravel(), rows[:, :-lag].ravel())[0, 1]) < 5 / math.sqrt(
            rows.size
        )


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=50), st.sampled_from(["uniform", "normal"]))
def test_it_is_the_same_in_any_order(steps: list[int], distribution: Any) -> None:
    table = Noise(3, 0.5, distribution=distribution).on(RUN)
    assert table(steps).tolist() == [table(step) for step in steps]


@given(growths, st.fractions(1, 20, max_denominator=9), st.integers(0, 30), st.integers(0, 2_000))
def test_a_draw_begins_exactly_where_it_should(growth: str, every: Fraction, start: int, step: int) -> None:
    slow = warmup(start, start=1.0) >> Noise(3, 0.5, every=f"{every}st").stretch(growth)
    draw = max(step - start, 0) / Fraction(growth) / every
    expected = Noise(3, 0.5).on(RUN)(math.floor(draw)) if step >= start else 1.0
    assert slow.on(RUN)(step) == expected


@given(growths, st.fractions(1, 20, max_denominator=9))
def test_polynomial_cycles_end_exactly_where_they_should(growth: str, period: Fraction) -> None:
    table = PolynomialCycles(f"{period}st").stretch(growth).on(RUN)
    whole = period * Fraction(growth)
    for step in range(200):
        left = 1 - step / (max(math.ceil(step / whole), 1) * whole)
        assert (table(step) == 0) == (left == 0)
        assert table(step) == pytest.approx(float(left), rel=1e-9)


def test_what_ends_holds_its_last_draw() -> None:
    endless = Noise(7, 0.1).on(RUN)
    for ending in (Noise(7, 0.1, over=3), Noise(7, 0.1).until(3)):
        assert ending.on(RUN)(range(6)).tolist() == endless([0, 1, 2, 2, 2, 2]).tolist()
    assert PolynomialCycles(4, over=4).on(RUN)([2, 4, 9]).tolist() == [0.5, 0.0, 0.0]
    assert PolynomialCycles(4, over=6).on(RUN)([6, 9]).tolist() == [0.25, 0.25]
    for later in range(9):  # its end is no float, wherever it lies
        ended = PolynomialCycles("10/3st", over="10/3st").shift(later).on(RUN)
        assert ended([later + 4, later + 99]).tolist() == [0.0, 0.0]


def test_it_multiplies() -> None:
    factor = Noise(7, 0.1)
    rates = (Constant(BASE) * factor).on(RUN)(range(5), base=0.2)
    assert rates.tolist() == (0.2 * factor.on(RUN)(range(5))).tolist()
    assert parse(repr(factor), Factor) == from_json(factor.to_json(), Factor) == factor


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Noise(-1, 0.1), r"Noise\(seed=\) must be a whole number, at least 0; got -1"),
        (lambda: Noise(1.5, 0.1), r"Noise\(seed=\) must be a whole number, at least 0; got 1.5"),
        (lambda: Noise(1, 0), r"Noise\(amount=\) must be a finite number, more than 0; got 0"),
        (lambda: Noise(1, 1.1), r"Noise\(amount=\) must be at most 1; got 1.1"),
        (lambda: Noise(1, 0.1, distribution="norm"), r"Noise\(distribution=\) must be one of .* 'normal'"),
        (lambda: Noise(1, 0.1, std=0.1), r"Noise\(std=\) belongs to distribution='normal'; got std=0.1"),
        (lambda: Noise(1, 0.1, distribution="normal", std=0), r"Noise\(std=\) must be .* more than 0; got 0"),
        (lambda: Noise(1, 0.1, every=0), r"Noise\(every=\) must be more than 0; got 0"),
    ],
)
def test_what_is_refused(build: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        build()
