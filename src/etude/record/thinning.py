"""Fewer readings of a long run, without losing what happened in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from etude.eases import Array
from etude.errors import ScheduleError
from etude.readings import Reading

__all__ = ["Thinning", "thinned"]

# The first stretches behind the dense beginning; shorter ones would be kept whole.
FIRST_WIDTH = 8
# Between readings that are kept, a straight line is off by no more than this share of the value.
TOLERANCE = 0.01


class Thinning:
    """What decides, batch by batch, which readings of a run are kept.

    Of the n-th reading on, with d the length of the dense beginning,

    - n < d: every one;
    - d ≤ n < 2d: those that ``thinned`` keeps with a width of 8;
    - 2d ≤ n < 4d: with a width of 16; and so on, twice the width each time that twice as many are seen.

    So a run of n updates keeps some d · log2(n / d) stretches, however long it is.

    Args:
        dense: d, at least 1; None keeps every reading.

    Raises:
        ScheduleError: for a beginning of less than one reading.
    """

    def __init__(self, dense: int | None) -> None:
        if dense is not None and (isinstance(dense, bool) or not isinstance(dense, int) or dense < 1):
            raise ScheduleError(
                "Recorder(dense=) must be a whole number of updates, at least 1, or None for all; got "
                f"{dense!r}"
            )
        self._dense = dense
        self._seen = 0

    @property
    def width(self) -> int:
        """How many of the next readings make a stretch."""
        if self._dense is None or self._seen < self._dense:
            return 1
        return FIRST_WIDTH << (self._seen // self._dense).bit_length() - 1

    def take(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return those of the next readings that are kept."""
        if self._dense is None:
            return list(readings)
        kept: list[Reading] = []
        while readings:
            # As far as the width stays the same.
            left = (self._dense << (self._seen // self._dense).bit_length()) - self._seen
            now, readings = readings[:left], readings[left:]
            kept += thinned(now, self.width)
            self._seen += len(now)
        return kept


def thinned(readings: Sequence[Reading], width: int) -> list[Reading]:
    """Return the readings that tell what happened, in order.

    They are

    - the first and the last;
    - of each stretch of ``width`` the first, the least and the greatest of each metric, and the first that is
      no number;
    - both sides of each edge, where phase, feedback, override or the names of groups change;
    - as many as it takes for a straight line between those that are kept to be nowhere off by more than a
      hundredth of the greatest value between them, of each rate and each other hyperparameter. So both sides
      of a jump are among them, and every corner.

    Args:
        readings: in order.
        width: 1 keeps all.

    >>> losses = [0.9, 0.8, 5.0, 0.7, 0.6, 0.5, 0.6]
    >>> readings = [Reading(step, {"0": 0.1}, "hold", {"loss": loss}) for step, loss in enumerate(losses)]
    >>> [reading.step for reading in thinned(readings, width=7)]
    [0, 2, 5, 6]
    """
    if width <= 1 or len(readings) <= 2:
        return list(readings)
    kept = {0, len(readings) - 1}
    for low in range(0, len(readings), width):
        kept.update(_extremes(readings, low, min(low + width, len(readings))))
    edges = [0, *_edges(readings), len(readings)]
    for low, high in pairwise(edges):
        kept.update((low, high - 1))
        within = sorted(place for place in kept if low <= place < high)
        kept.update(
            low + corner for corner in _corners(_values(readings[low:high]), [p - low for p in within])
        )
    return [readings[place] for place in sorted(kept)]


def _extremes(readings: Sequence[Reading], low: int, high: int) -> Iterator[int]:
    """The first of a stretch, and where each metric is least, greatest, and no number."""
    yield low
    least: dict[str, tuple[float, int]] = {}
    greatest: dict[str, tuple[float, int]] = {}
    strange: dict[str, int] = {}
    for place in range(low, high):
        for name, value in readings[place].metrics.items():
            if not math.isfinite(value):
                strange.setdefault(name, place)
                continue
            if name not in least or value < least[name][0]:
                least[name] = value, place
            if name not in greatest or value > greatest[name][0]:
                greatest[name] = value, place
    yield from (place for _, place in [*least.values(), *greatest.values()])
    yield from strange.values()


def _edges(readings: Sequence[Reading]) -> list[int]:
    """The places that something sets apart from the one before."""
    return [place + 1 for place, (one, other) in enumerate(pairwise(readings)) if not _alike(one, other)]


def _alike(one: Reading, other: Reading) -> bool:
    return (
        one.phase == other.phase
        and one.override == other.override
        and one.factors == other.factors
        and one.rates.keys() == other.rates.keys()
        and one.others.keys() == other.others.keys()
        and all(by_group.keys() == other.others[name].keys() for name, by_group in one.others.items())
    )


def _values(line: Sequence[Reading]) -> Array:
    """All values, readings × numbers; the names in them are the same, but for their order."""
    names = list(line[0].rates)
    others = [(name, list(by_group)) for name, by_group in line[0].others.items()]
    return np.array(
        [
            [reading.rates[name] for name in names]
            + [reading.others[name][group] for name, groups in others for group in groups]
            for reading in line
        ]
    )


def _corners(values: Array, kept: Sequence[int]) -> Iterator[int]:
    """The rows without which a straight line between those that are kept would be off."""
    spans = list(pairwise(kept))
    while spans:
        low, high = spans.pop()
        if high - low < 2:
            continue
        inside = values[low : high + 1]
        share = np.linspace(0, 1, len(inside))[:, np.newaxis]
        off = np.abs(inside - (inside[0] * (1 - share) + inside[-1] * share))
        worst = int(np.max(off - TOLERANCE * np.abs(inside).max(axis=0), axis=1).argmax())
        if (off[worst] > TOLERANCE * np.abs(inside).max(axis=0)).any():
            yield low + worst
            spans += [(low, low + worst), (low + worst, high)]
