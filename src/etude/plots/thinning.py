"""Thinning: from a series to the points that are worth drawing, in unbroken pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etude.plots.chart import FloatArray

__all__ = ["thin"]


def thin(x: FloatArray, *values: FloatArray, joined: bool = True) -> list[NDArray[np.intp]]:
    """Which points to draw so that the picture looks the same as with all of them.

    Of each pixel column this keeps the first and last point and the lowest and highest of each of the
    values: for a smooth curve two points, for a noisy one four. Keeping only the lowest and highest is the
    common alternative; it slants a jump that falls between two columns, and the first and last do not.
    A series of two points or fewer to the column is kept whole.

    Args:
        x: where the points lie, in pixels; NaN for one with no place.
        values: their heights (a line), or the heights of both edges (a band); NaN for one with no place.
        joined: whether a line joins the points. Without one, neither their order nor a gap means anything.

    Returns:
        For each piece of the curve between two gaps, indices into x in the order to draw them. Where points
        were dropped, a gap narrower than a pixel is bridged.

    >>> x = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 1.5, 2.5, 3.5])
    >>> thin(x, np.array([3.0, 2.0, 9.0, 1.0, 4.0, 4.0, np.nan, 5.0]))
    [array([0, 2, 3, 4, 5]), array([7])]
    """
    placed = np.flatnonzero(~np.isnan(np.stack([x, *values])).any(axis=0))
    if not placed.size:
        return []
    if not joined:
        placed = placed[np.argsort(x[placed], kind="stable")]
    x = x[placed]
    starts = np.flatnonzero(np.diff(np.floor(x), prepend=np.nan) != 0)
    dense = placed.size > 2 * starts.size
    kept = _extremes(starts, [value[placed] for value in values]) if dense else np.arange(placed.size)
    if not joined:
        return [placed[kept]]
    # Both sides of a gap of a pixel or more lie in different columns, so neither has been dropped.
    gaps = (np.diff(placed) > 1) & ((np.abs(np.diff(x)) >= 1) | (not dense))
    piece = np.concatenate([[0], np.cumsum(gaps)])[kept]
    return np.split(placed[kept], np.flatnonzero(np.diff(piece)) + 1)


def _extremes(starts: NDArray[np.intp], values: list[FloatArray]) -> NDArray[np.intp]:
    """The first, last, lowest and highest point of each run of points that begins at one of the starts."""
    size = values[0].size
    lasts = np.append(starts[1:], size) - 1
    run = np.repeat(np.arange(starts.size), lasts - starts + 1)
    kept = [starts, lasts]
    for value in values:
        order = np.lexsort((value, run))
        kept += [order[starts], order[lasts]]
    return np.unique(np.concatenate(kept))
