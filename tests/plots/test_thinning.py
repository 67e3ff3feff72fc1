"""Thinning: few points, the same picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from etude.plots.thinning import thin

NAN = math.nan


def pieces(x: list[float], y: list[float], joined: bool = True) -> list[list[int]]:
    return [piece.tolist() for piece in thin(np.array(x), np.array(y), joined=joined)]


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([], []),
        ([NAN, NAN], []),
        ([1.0], [[0]]),
        ([1.0, 2.0, 3.0], [[0, 1, 2]]),
        ([NAN, 1.0, 2.0, NAN], [[1, 2]]),
        ([1.0, NAN, 2.0, NAN, NAN, 3.0, 4.0], [[0], [2], [5, 6]]),
    ],
)
def test_a_short_series_is_kept_whole_and_broken_at_every_gap(
    y: list[float], expected: list[list[int]]
) -> None:
    assert pieces([float(index) for index in range(len(y))], y) == expected


def test_a_gap_in_x_is_a_gap() -> None:
    assert pieces([0.0, NAN, 2.0], [1.0, 1.0, 1.0]) == [[0], [2]]


def test_a_jump_at_one_x_keeps_both_ends() -> None:
    assert pieces([0.0, 1.0, 1.0, 2.0], [1.0, 1.0, 0.1, 0.1]) == [[0, 1, 2, 3]]


def test_each_column_keeps_its_first_last_lowest_and_highest() -> None:
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 99.999, 50_000), rng.normal(size=50_000)
    (kept,) = thin(x, y)
    assert kept.size <= 4 * 100
    assert np.all(np.diff(kept) > 0)
    for column in range(100):
        (inside,) = np.nonzero(np.floor(x) == column)
        extremes = {inside[0], inside[-1], inside[y[inside].argmin()], inside[y[inside].argmax()]}
        assert extremes <= set(kept.tolist())


def test_a_smooth_curve_keeps_two_points_a_column() -> None:
    x = np.linspace(0, 99.999, 50_000)
    (kept,) = thin(x, np.exp(-x / 30))
    assert kept.size == 200


def test_a_jump_between_two_columns_stays_within_a_pixel() -> None:
    x = np.linspace(0, 100, 100_001)
    # A rise within the column before the jump, so that neither end is lowest or highest of its column.
    y = np.where(x < 50, np.sin(3 * x), 10 + np.sin(3 * x))
    (kept,) = thin(x, y)
    before = kept[x[kept] < 50][-1]
    after = kept[x[kept] >= 50][0]
    assert (y[before] < 2, y[after] > 8) == (True, True)
    assert x[after] - x[before] < 0.01


def test_both_edges_of_a_band_keep_their_extremes() -> None:
    x = np.linspace(0, 9.99, 1000)
    low, high = np.zeros(1000), np.ones(1000)
    low[123], high[456] = -5, 7
    (kept,) = thin(x, low, high)
    assert {123, 456} <= set(kept.tolist())
    assert kept.size < 50


def test_in_a_dense_series_only_a_gap_that_can_be_seen_is_kept() -> None:
    x = np.linspace(0, 100, 100_001)
    y = np.where(np.arange(x.size) % 3 == 1, NAN, 1.0)
    assert len(thin(x, y)) == 1
    y[50_000:53_000] = NAN
    before, after = thin(x, y)
    assert (x[before[-1]], x[after[0]]) == pytest.approx((50, 53), abs=0.01)


def test_points_without_a_line_need_no_order() -> None:
    rng = np.random.default_rng(0)
    order = rng.permutation(10_000)
    x, y = np.linspace(0, 9.99, 10_000)[order], rng.normal(size=10_000)
    (kept,) = thin(x, y, joined=False)
    assert kept.size <= 40
    assert {y.argmin(), y.argmax()} <= set(kept.tolist())
    assert pieces([2.0, 1.0, 0.0], [5.0, NAN, 6.0], joined=False) == [[2, 0]]


def test_a_line_that_goes_back_keeps_its_order() -> None:
    assert pieces([0.0, 5.0, 2.0, 7.0], [0.0, 1.0, 2.0, 3.0]) == [[0, 1, 2, 3]]
