"""The draws of ``Noise`` without a loop, in signed whole numbers of 64 bits, which every framework has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from etude.schedules import Noise
from etude.schedules.factors import FARTHEST

__all__ = ["drawn"]

# So seldom are more attempts needed than are made.
MISSED = 1e-20


def drawn(noise: Noise) -> Callable[[Any, Any], Any]:
    """Return the factor as a function of the number of the draw; ``Noise`` has the formula."""
    amount, std = noise.amount, noise.std or noise.amount / 2

    def uniform(draw: Any, share: Any) -> Any:
        return 1 + amount * (2 * _unit_interval(noise.seed, draw, 0) - 1)

    reach = min(amount, FARTHEST * std)
    # The share of attempts that is kept: the mean of the density over the reach.
    kept_share = math.sqrt(math.pi / 2) * std / reach * math.erf(reach / std / math.sqrt(2))
    attempts = math.ceil(math.log(MISSED) / math.log1p(-min(kept_share, 0.999)))
    streams = range(2 * attempts)
    order = np.arange(float(attempts))

    def normal(draw: Any, share: Any) -> Any:
        draw = np.expand_dims(draw, -1)
        tried = reach * (2 * _unit_interval(noise.seed, draw, *streams[::2]) - 1)
        kept = _unit_interval(noise.seed, draw, *streams[1::2]) < np.exp(-((tried / std) ** 2.0) / 2)
        # The first that is kept: its number is the least.
        number = np.where(kept, order, float(attempts))
        first = number == np.expand_dims(np.min(number, axis=-1), -1)
        return 1 + np.sum(np.where(first, tried, 0.0), axis=-1)

    return uniform if noise.distribution == "uniform" else normal


def _unit_interval(seed: int, index: Any, *streams: int) -> Any:
    """Numbers in [0, 1), one for each stream: the 53 upper bits of a hash of all three."""
    keys = [(seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64 for stream in streams]
    key = np.array(keys, dtype=np.uint64).view(np.int64)
    mixed = _mix(_mix(index.view(np.int64) + 1) ^ (key if len(streams) > 1 else key[0]))
    return _shifted(mixed, 11).astype(np.float64) * 2.0**-53


def _mix(bits: Any) -> Any:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014); its constants as numbers with a sign."""
    bits = (bits ^ _shifted(bits, 30)) * (0xBF58476D1CE4E5B9 - 2**64)
    bits = (bits ^ _shifted(bits, 27)) * (0x94D049BB133111EB - 2**64)
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Any, by: int) -> Any:
    """The bits moved down, with zeros after them: a shift repeats the sign, which is then masked."""
    return (bits >> by) & (2 ** (64 - by) - 1)
