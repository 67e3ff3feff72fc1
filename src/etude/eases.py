"""Eases: maps of progress in [0, 1] to the share of the way gone from one level to the next.

Every ease is 0 at 0 and 1 at 1, exactly, and rises in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EASES",
    "Array",
    "Ease",
    "cosine",
    "linear",
    "mirror_cosine",
    "one_minus_sqrt",
    "one_minus_square",
    "quarter_cosine",
    "quarter_sine",
    "rex",
]

Array: TypeAlias = NDArray[np.float64]
Ease: TypeAlias = Callable[[Array], Array]


def linear(p: Array) -> Array:
    """p, the straight line."""
    return p


def cosine(p: Array) -> Array:
    """(1 - cos πp) / 2, the half cosine."""
    return (1 - np.cos(np.pi * p)) / 2


def one_minus_sqrt(p: Array) -> Array:
    """√p: a decay along it keeps the share 1 - √p of the way (Hägele et al., 2024)."""
    return np.sqrt(p)


def one_minus_square(p: Array) -> Array:
    """p²: a decay along it keeps the share 1 - p² of the way."""
    return p * p


def mirror_cosine(p: Array) -> Array:
    """2p - (1 - cos πp) / 2: the half cosine, mirrored on the straight line."""
    return 2 * p - cosine(p)


def quarter_cosine(p: Array) -> Array:
    """1 - cos(πp / 2): a decay along it keeps the share cos(πp / 2) of the way."""
    return np.where(p == 1, 1.0, 1 - np.cos(np.pi / 2 * p))


def quarter_sine(p: Array) -> Array:
    """sin(πp / 2): steep at first, flat at the end."""
    return np.sin(np.pi / 2 * p)


def rex(p: Array, beta: float = 0.5) -> Array:
    """(1 - β) p / (1 - β p): a decay along it keeps (1 - p) / (1 - β p) of the way (Chen et al., 2021)."""
    return (1 - beta) * p / (1 - beta * p)


EASES: dict[str, Ease] = {
    "linear": linear,
    "cosine": cosine,
    "one_minus_sqrt": one_minus_sqrt,
    "one_minus_square": one_minus_square,
    "mirror_cosine": mirror_cosine,
    "quarter_cosine": quarter_cosine,
    "quarter_sine": quarter_sine,
    "rex": rex,
}
"""The eases that take no parameter, by the name used in expressions."""
