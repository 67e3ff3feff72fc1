from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.finder import smooth

PLACES = np.arange(200.0)


@given(st.floats(-1e6, 1e6), st.integers(10, 300))
def test_a_constant_stays_a_constant(value: float, count: int) -> None:
    assert smooth(np.full(count, value)).fit == pytest.approx(np.full(count, value), rel=1e-12, abs=1e-300)


@given(st.floats(-10, 10), st.floats(-1e3, 1e3), st.integers(10, 300))
def test_a_straight_line_stays_a_straight_line(slope: float, start: float, count: int) -> None:
    line = start + slope * np.arange(count)
    assert smooth(line).fit == pytest.approx(line, rel=1e-9, abs=1e-9)


def test_it_does_not_lag() -> None:
    step = np.where(PLACES < 100, 1.0, 0.0) + 0.0
    noise = np.random.default_rng(0).normal(0, 0.02, 200)
    fit = smooth(step + noise).fit
    assert np.flatnonzero(fit < 0.5)[0] in range(99, 102)


@pytest.mark.parametrize("place", [0, 3, 50, 199])
def test_a_spike_leaves_no_trace(place: int) -> None:
    values = 2.0 + np.random.default_rng(1).normal(0, 0.01, 200)
    spiked = values.copy()
    spiked[place : place + 3] = 50.0
    assert np.abs(smooth(spiked).fit - 2.0).max() < 0.03


def test_noise_is_smaller_after_it() -> None:
    wave = np.sin(PLACES / 40)
    values = wave + np.random.default_rng(2).normal(0, 0.1, 200)
    smoothed = smooth(values)
    assert np.abs(smoothed.fit - wave).mean() < 0.04
    assert smoothed.matrix @ values == pytest.approx(smoothed.fit)
