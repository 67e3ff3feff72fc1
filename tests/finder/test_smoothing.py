from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.eases import Array
from etude.finder import smooth
from etude.finder.smoothing import error_of, reach_of

PLACES = np.arange(200.0)


@given(st.floats(-1e6, 1e6), st.integers(10, 300))
def test_a_constant_stays_a_constant(value: float, count: int) -> None:
    assert smooth(np.full(count, value)) == pytest.approx(np.full(count, value), rel=1e-12, abs=1e-300)


@given(st.floats(-10, 10), st.floats(-1e3, 1e3), st.integers(30, 300))
def test_a_straight_line_stays_a_straight_line_but_for_its_ends(
    slope: float, start: float, count: int
) -> None:
    line = start + slope * np.arange(count)
    inside = slice(2 * reach_of(count), -2 * reach_of(count))
    assert smooth(line)[inside] == pytest.approx(line[inside], rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=100).map(np.array))
def test_it_does_not_go_beyond_the_values(values: Array) -> None:
    curve, slack = smooth(values), 1e-9 * np.abs(values).max()
    assert values.min() - slack <= curve.min() <= curve.max() <= values.max() + slack


def test_it_does_not_lag() -> None:
    step = np.where(PLACES < 100, 1.0, 0.0) + 0.0
    noise = np.random.default_rng(0).normal(0, 0.02, 200)
    fit = smooth(step + noise)
    assert np.flatnonzero(fit < 0.5)[0] in range(99, 102)


@pytest.mark.parametrize("place", [0, 3, 50, 199])
def test_a_spike_leaves_no_trace(place: int) -> None:
    values = 2.0 + np.random.default_rng(1).normal(0, 0.01, 200)
    spiked = values.copy()
    spiked[place : place + 3] = 50.0
    assert np.abs(smooth(spiked) - 2.0).max() < 0.03


def test_points_that_turn_ragged_are_no_outliers() -> None:
    fit = smooth(np.concatenate([np.full(140, 0.5), np.tile([3.0, 0.5, 3.0], 20)]))
    assert fit[160:].min() > 2.5


def test_noise_is_smaller_after_it() -> None:
    wave = np.sin(PLACES / 40)
    values = wave + np.random.default_rng(2).normal(0, 0.1, 200)
    assert np.abs(smooth(values) - wave).mean() < 0.04


@pytest.mark.parametrize("count", [20, 60, 200, 800])
def test_its_error_is_told(count: int) -> None:
    drawn = np.random.default_rng(4).normal(0, 2.0, (300, count))
    middles = [smooth(values)[count // 2] for values in drawn]
    assert np.std(middles) == pytest.approx(error_of(drawn[0], 2.0), rel=0.25)
