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
    """The half cosine, (1 - cos πp) / 2.

    Written as sin²(πp/2) up to the middle and as one minus its mirror image after it: near the end
    1 + cos πp loses half of its digits, and with them the last rates of a long decay to 0.
    """
    late = p > 0.5
    near = np.where(late, 1 - p, p)
    square = np.square(np.sin((np.pi / 2) * near))
    return np.where(late, 1 - square, square)


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
