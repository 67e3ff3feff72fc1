"""Eases: maps of progress in [0, 1] to the share of the way gone from one level to the next.

Every ease is 0 at 0 and 1 at 1, exactly, and rises in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["EASES", "Array", "Ease", "cosine", "linear", "one_minus_sqrt", "rex"]

Array: TypeAlias = NDArray[np.float64]
Ease: TypeAlias = Callable[[Array], Array]


def linear(p: Array) -> Array:
    """The straight line, p."""
    return p


def cosine(p: Array) -> Array:
    """The half cosine, (1 - cos πp) / 2."""
    return (1 - np.cos(np.pi * p)) / 2


def one_minus_sqrt(p: Array) -> Array:
    """√p: a decay along it keeps the share 1 - √p of the way (Hägele et al., 2024)."""
    return np.sqrt(p)


def rex(p: Array) -> Array:
    """p / (2 - p): a decay along it keeps (1 - p) / (1 - p/2) of the way (Chen et al., REX, 2021)."""
    return p / (2 - p)


EASES: dict[str, Ease] = {
    "linear": linear,
    "cosine": cosine,
    "one_minus_sqrt": one_minus_sqrt,
    "rex": rex,
}
"""The eases that take no parameter, by the name used in expressions."""
