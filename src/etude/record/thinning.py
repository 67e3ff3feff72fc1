"""Fewer readings of a long run, without losing what happened in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from etude.eases import Array
from etude.errors import ScheduleError
from etude.readings import Reading

__all__ = ["Thinning", "thinned"]

# The first stretches behind the dense beginning; shorter ones would be kept whole.
FIRST_WIDTH = 8
# A change is a jump where it is so many times as large as the changes beside it, and more than rounding.
SUDDEN, ROUNDING = 4.0, 1e-9


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
        self._before: Sequence[Reading] = ()

    @property
    def width(self) -> int:
        """How many of the next readings make a stretch."""
        if self._dense is None or self._seen < self._dense:
            return 1
        return FIRST_WIDTH << (self._seen // self._dense).bit_length() - 1

    def take(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return those of the next readings that are kept."""
        kept = thinned(readings, self.width, self._before)
        self._seen += len(readings)
        self._before = [*self._before, *readings][-2:]
        return kept


def thinned(readings: Sequence[Reading], width: int, before: Sequence[Reading] = ()) -> list[Reading]:
    """Return the readings that tell what happened, in order.

    They are the first and the last; of each stretch of ``width`` the first, the least and the greatest of
    each metric, and the first that is no number; and both sides of each edge: where phase, feedback, override
    or the names of groups change, and where a value jumps.

    Args:
        readings: in order.
        width: 1 keeps all.
        before: the two readings before them, from which they may jump.

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
    line = [*before, *readings]
    for edge in _edges(line):
        kept.update(place for place in (edge - 1 - len(before), edge - len(before)) if place >= 0)
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


def _edges(line: Sequence[Reading]) -> Iterator[int]:
    """The places that something sets apart from the one before."""
    start = 0
    for place in range(1, len(line) + 1):
        if place == len(line) or not _alike(line[place - 1], line[place]):
            yield from (start + jump for jump in _jumps(_values(line[start:place])))
            if place < len(line):
                yield place
            start = place


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
    """All values, readings × numbers; the names are the same in all of them, but for their order."""
    names = list(line[0].rates)
    others = [(name, list(by_group)) for name, by_group in line[0].others.items()]
    return np.array(
        [
            [reading.rates[name] for name in names]
            + [reading.others[name][group] for name, groups in others for group in groups]
            for reading in line
        ]
    )


def _jumps(values: Array) -> list[int]:
    """The rows that a value comes to by a jump from the one before."""
    if len(values) < 3:
        return []
    changes = np.abs(np.diff(values, axis=0))
    # A change at either end is judged by the only one beside it.
    beside = np.full_like(changes, 0.0)
    beside[1:] = changes[:-1]
    beside[:-1] = np.maximum(beside[:-1], changes[1:])
    least = SUDDEN * beside + ROUNDING * np.abs(values).max(axis=0)
    return [int(row) + 1 for row in np.flatnonzero((changes > least).any(axis=1))]
