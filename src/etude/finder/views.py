"""A curve as the rules see it: made smooth, and redrawn from its noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from etude.eases import Array
from etude.finder.smoothing import error_of, noise_of, smooth

__all__ = ["LEAST_POINTS", "View", "look", "redrawn"]

LEAST_POINTS = 10
# More points than this are averaged in runs: a rate is not told any better from them.
MOST_POINTS = 800
REDRAWN = 200
# Beyond so many times its standard error, a fall is no accident of the noise.
BEYOND_NOISE = 4.0


@dataclass(frozen=True, eq=False)
class View:
    """Smoothed values against the rates, with a rise turned into a fall.

    Args:
        rates: > 0, rising.
        values: what was measured, but for what is far above the start.
        fit: the smooth curve.
        sums: the sums of all rates up to each.
        ended: whether the test ended before its last rate.
    """

    rates: Array
    values: Array
    fit: Array
    sums: Array
    ended: bool

    @property
    def first(self) -> int:
        """How many points tell the level at which it begins: a tenth."""
        return max(3, len(self.fit) // 10)

    @cached_property
    def start(self) -> float:
        """The level at which it begins: the mean of the first points."""
        return float(self.fit[: self.first].mean())

    @cached_property
    def lowest(self) -> int:
        """Where it is lowest."""
        return int(self.fit.argmin())

    @cached_property
    def fall(self) -> float:
        """How far it falls below its start."""
        return self.start - float(self.fit[self.lowest])

    @cached_property
    def error(self) -> float:
        """The standard error of the smooth curve."""
        before = self.values[: self.lowest + 1] if self.lowest > LEAST_POINTS else self.values
        return error_of(self.values, noise_of(before))

    @cached_property
    def slope(self) -> Array:
        """The slope against the logarithm of the rate."""
        return np.gradient(self.fit, np.log(self.rates))

    @property
    def flat(self) -> str | None:
        """Why nothing can be told from the fall, where it is none."""
        if self.fall > max(BEYOND_NOISE * self.error, 1e-9 * abs(self.start)):
            return None
        return f"it is flat: a fall of {max(self.fall, 0):.2g} is within its noise"

    @property
    def open(self) -> bool:
        """Whether it still falls at the last rate."""
        return self.lowest >= len(self.fit) - 2 and not self.ended


def look(rates: Array, values: Array, ended: bool) -> View | str:
    """Return the view of a curve; or why there is none.

    Values that are not finite are left out, wherever they are.
    """
    known = np.isfinite(values) & (rates > 0)
    if int(known.sum()) < LEAST_POINTS:
        return f"{int(known.sum())} finite values are too few; {LEAST_POINTS} are needed"
    ended = ended or not known[-1]
    sums = np.exp(_thinned(np.log(np.cumsum(rates)[known])))
    rates, values = np.exp(_thinned(np.log(rates[known]))), _thinned(values[known])
    values = np.minimum(values, _ceiling(values))
    return View(rates, values, smooth(values), sums, ended)


def redrawn(view: View) -> Iterator[View]:
    """The curves that chance might have shown instead: each residual, times a normal number, on the curve.

    Source: Wu, 1986 (the wild bootstrap), which keeps noise that grows along the curve where it is.
    """
    chance = np.random.default_rng(0).standard_normal((REDRAWN, len(view.fit)))
    for row in view.fit + chance * (view.values - view.fit):
        yield replace(view, values=row, fit=smooth(row))


def _ceiling(values: Array) -> float:
    """How high a value may be: as far above the start as the lowest is below, for all beyond is as bad."""
    start = float(np.median(values[: max(5, len(values) // 10)]))
    windows = np.lib.stride_tricks.sliding_window_view(values, 5)
    low = float(np.median(windows, axis=1).min())
    return start + max(start - low, BEYOND_NOISE * noise_of(values))


def _thinned(values: Array) -> Array:
    """The means of equal runs, so many that few enough are left."""
    run = -(-len(values) // MOST_POINTS)
    whole = len(values) // run * run
    means: Array = values[:whole].reshape(-1, run).mean(axis=1)
    return means
