"""A smooth curve through noisy values, that outliers do not pull and that does not go beyond them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from etude.eases import Array
from etude.errors import ScheduleError

__all__ = ["error_of", "noise_of", "reach_of", "smooth"]

# The share of the points on either side that a point is averaged with. On 200 steps over eight decades it is
# half a decade; a running mean of what is before, as elsewhere, would lag behind the loss by as much.
REACH = 0.06
LEAST_REACH = 4
LEAST_VALUES = 5


def smooth(values: Array) -> Array:
    """Draw a smooth curve through equally spaced values.

    First each value becomes the median of those around it, half the reach to either side; then the mean of
    those medians, with weights (1 - |distance / reach|³)³. It does not lag, it never leaves the range of
    the values, also not at its ends, and a spike that is shorter than the reach leaves no trace.

    Where a loss turns ragged, half of the points being high is enough for the curve to be high. Fits that
    weigh down what is far from them (LOWESS) take such points for outliers, and follow the low ones.

    Args:
        values: finite numbers, 5 or more.

    Raises:
        ScheduleError: for others.

    >>> from etude.finder import smooth
    >>> smooth(np.array([2.3, 2.3, 2.3, 9.0, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3])).round(1)
    array([2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3, 2.3])

    Source: Tukey, 1977 (running medians, then running means); Cleveland, 1979 (the weights).
    """
    values = np.asarray(values)
    if values.ndim != 1 or len(values) < LEAST_VALUES or values.dtype.kind not in "fiu":
        raise ScheduleError(f"values must be {LEAST_VALUES} numbers or more, in one row; got {values!r}")
    if not np.isfinite(values).all():
        raise ScheduleError("values must be finite; leave out those that are not")
    half = reach_of(len(values)) // 2
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, "reflect"), 2 * half + 1)
    curve: Array = _weights(len(values)) @ np.median(around, axis=1)
    return curve


def reach_of(count: int) -> int:
    """How many points to either side a point of the curve is drawn from."""
    return max(LEAST_REACH, round(REACH * count))


def error_of(values: Array, noise: float) -> float:
    """The standard error in the middle of the curve through values with so much noise: of the mean alone.

    On normal noise the medians, which overlap, add less than a sixth.
    """
    middle = _weights(len(values))[len(values) // 2]
    return noise * float(np.sqrt(np.square(middle).sum()))


def noise_of(values: Array) -> float:
    """The standard deviation of the noise, from the differences between neighbours, whatever the trend."""
    # Second differences do not see a straight slope; √6 is their deviation for noise of deviation 1.
    second = np.diff(values, 2)
    return 1.4826 * float(np.median(np.abs(second))) / 6**0.5


# The curves that are redrawn from the noise are all of one length.
@lru_cache(maxsize=1)
def _weights(count: int) -> Array:
    """The share of each point (column) in the mean of each point (row)."""
    places = np.arange(count)
    distance = np.minimum(np.abs(places[:, None] - places) / (reach_of(count) + 1), 1.0)
    weights = (1 - distance**3) ** 3
    shares: Array = weights / weights.sum(axis=1, keepdims=True)
    return shares
