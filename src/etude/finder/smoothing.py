"""A smooth curve through noisy values: local straight lines that outliers do not pull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etude.eases import Array

__all__ = ["Smoothed", "noise_of", "smooth"]

# The share of the points on either side that a point's line is drawn through. On 200 steps over eight decades
# it is half a decade; a running mean, as elsewhere, would lag behind the loss by as much.
REACH = 0.06
LEAST_REACH = 4
ROUNDS = 3
# Points farther off than so many times the usual distance are left out.
OUTLIERS = 6.0
# But for this, so that a line can always be drawn.
LEAST_WEIGHT = 1e-6
# Nor are points that are off by less than this share of the whole range.
BENT = 0.1


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Values, and the smooth curve through them.

    Args:
        values: the noisy values.
        matrix: what makes the smooth curve of them, and of other values with the same outliers.
        fit: ``matrix @ values``.
    """

    values: Array
    matrix: Array
    fit: Array

    @property
    def error(self) -> Array:
        """The standard error of each point of the curve, from the noise from point to point."""
        error: Array = noise_of(self.values) * np.sqrt(np.square(self.matrix).sum(axis=1))
        return error


def smooth(values: Array) -> Smoothed:
    """Draw a smooth curve through equally spaced values.

    Each point is that of a straight line through its neighbours, with weights (1 - |distance / reach|³)³
    that are lowered for outliers: first for what is far from the running median, then from the curve, three
    times. It does not lag, straight lines (and so constants) stay as they are, and a spike of a few points
    leaves no trace.

    Args:
        values: finite numbers, 5 or more.

    >>> from etude.finder import smooth
    >>> smooth(np.array([2.3, 2.3, 2.3, 9.0, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3])).fit.round(1)
    array([2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3])

    Source: Cleveland, 1979 (LOWESS).
    """
    near = _nearness(len(values))
    off = np.abs(values - _running_median(values))
    for _ in range(ROUNDS):
        matrix = _lines(near * _trust(off, values))
        off = np.abs(values - matrix @ values)
    matrix = _lines(near * _trust(off, values))
    return Smoothed(values, matrix, matrix @ values)


def noise_of(values: Array) -> float:
    """The standard deviation of the noise, from the differences between neighbours, whatever the trend."""
    # Second differences do not see a straight slope; √6 is their deviation for noise of deviation 1.
    second = np.diff(values, 2)
    return 1.4826 * float(np.median(np.abs(second))) / 6**0.5


def _running_median(values: Array) -> Array:
    """The median of each point and its neighbours, those at the ends mirrored."""
    reach = min(_reach(len(values)), len(values) - 1)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, "reflect"), 2 * reach + 1)
    medians: Array = np.median(windows, axis=1)
    return medians


def _trust(off: Array, values: Array) -> Array:
    """The weights of values that are so far off."""
    # A curve with little noise is bent, not outlying.
    least = BENT * float(np.ptp(values)) or 1.0
    limit = max(OUTLIERS * float(np.median(off)), least)
    weights: Array = np.maximum(np.square(1 - np.square(np.minimum(off / limit, 1.0))), LEAST_WEIGHT)
    return weights


def _reach(count: int) -> int:
    return max(LEAST_REACH, round(REACH * count))


def _nearness(count: int) -> Array:
    """The weight of each point (column) in the line of each point (row)."""
    places = np.arange(count)
    reach = _reach(count) + 1
    distance = np.minimum(np.abs(places[:, None] - places) / reach, 1.0)
    weights: Array = (1 - distance**3) ** 3
    return weights


def _lines(weights: Array) -> Array:
    """The matrix that gives each point's value on the weighted least-squares line through its neighbours."""
    places = np.arange(len(weights))
    apart = places - places[:, None]
    zeroth = weights.sum(axis=1, keepdims=True)
    first = (weights * apart).sum(axis=1, keepdims=True)
    second = (weights * apart * apart).sum(axis=1, keepdims=True)
    matrix: Array = weights * (second - apart * first) / (zeroth * second - first * first)
    return matrix
