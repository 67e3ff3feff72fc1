"""When a range test ends before its last rate."""

from __future__ import annotations

import math

from etude.levels import is_number
from etude.schedules import bounds

__all__ = ["Divergence"]

SMOOTHING = 0.9
# Before so many losses, nothing is known of their size and noise.
FIRST_LOSSES = 5
# A single one may be an update that a GradScaler skips.
IN_A_ROW = 3


class Divergence:
    """Whether a loss has diverged, told loss by loss.

    It has after three losses in a row that are not finite, and once

        s > s_min + (limit - 1) · max(|s_min|, s_0 - s_min, v)

    where s is the loss smoothed so far (the mean with weights 0.9^age), s_min the lowest of these, s_0 the
    first loss, and v the mean distance of the losses from s. For a loss above 0 that is ``limit`` times the
    lowest, or later; a loss may also be 0 or negative.

    Args:
        limit: > 1; infinite ends at losses that are not finite only.

    >>> from etude.finder import Divergence
    >>> diverged = Divergence(4.0)
    >>> [diverged(loss) is not None for loss in (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 50.0)]
    [False, False, False, False, False, False, True]
    """

    def __init__(self, limit: float) -> None:
        endless = is_number(limit) and limit == math.inf
        self.limit = math.inf if endless else bounds.number(limit, "diverge", above=1)
        self._sum = self._weight = self._spread = 0.0
        self._seen = self._wrong = 0
        self._first = self._lowest = math.nan

    def __call__(self, loss: float) -> str | None:
        """Take the next loss; return why the test ends here, or None where it goes on."""
        if not math.isfinite(loss):
            self._wrong += 1
            return f"{IN_A_ROW} losses in a row were not finite" if self._wrong == IN_A_ROW else None
        self._wrong = 0
        self._seen += 1
        self._sum = SMOOTHING * self._sum + loss
        self._weight = SMOOTHING * self._weight + 1.0
        smooth = self._sum / self._weight
        if self._seen == 1:
            self._first = self._lowest = smooth
        size = max(abs(self._lowest), self._first - self._lowest, self._spread / self._seen)
        limit = self._lowest + (self.limit - 1) * size
        if self._seen > FIRST_LOSSES and smooth > limit:
            lowest = f"its lowest was {self._lowest:.3g}"
            return f"the smoothed loss rose to {smooth:.3g}, beyond {limit:.3g}; {lowest}"
        self._lowest = min(self._lowest, smooth)
        self._spread += abs(loss - smooth)
        return None
