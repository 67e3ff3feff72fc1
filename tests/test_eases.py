"""Eases: exact at both ends, rising, within [0, 1], and the formulas they are named after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.eases import EASES

FORMULAS = {
    "linear": lambda p: p,
    "cosine": lambda p: (1 - np.cos(np.pi * p)) / 2,
    "one_minus_sqrt": np.sqrt,
    "one_minus_square": lambda p: p**2,
    "mirror_cosine": lambda p: 1 - (2 * (1 - p) - (1 + np.cos(np.pi * p)) / 2),
    "quarter_cosine": lambda p: 1 - np.cos(np.pi * p / 2),
    "quarter_sine": lambda p: np.sin(np.pi * p / 2),
    "rex": lambda p: 1 - (1 - p) / (1 - p / 2),
}
progress = st.lists(st.floats(0, 1), min_size=1).map(np.array)


@pytest.mark.parametrize("name", EASES)
@given(p=progress)
def test_formula(name: str, p: np.ndarray) -> None:
    assert EASES[name](p) == pytest.approx(FORMULAS[name](p), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", EASES)
def test_ends_are_exact(name: str) -> None:
    assert EASES[name](np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", EASES)
@given(p=progress)
def test_rises_within_0_and_1(name: str, p: np.ndarray) -> None:
    shares = EASES[name](np.sort(p))
    assert (np.diff(shares) >= 0).all()
    assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize("name", EASES)
@given(p=progress)
def test_does_not_write_into_its_argument(name: str, p: np.ndarray) -> None:
    before = p.copy()
    EASES[name](p)
    assert (p == before).all()
