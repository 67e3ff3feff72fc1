"""Fitting words into the room there is for them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from etude.plots.fitting import apart, in_a_row, plain, shorten


@pytest.mark.parametrize(
    ("text", "room", "short"),
    [
        ("cosine", 6, "cosine"),
        ("cosine", 5.9, "cosi…"),
        ("cosine", 3, "co…"),
        ("cosine", 2.9, ""),
        ("cosine", -4, ""),
        ("", 0, ""),
        ("a\nb\x00\ud800", 10, "a b  "),
    ],
)
def test_shorten(text: str, room: float, short: str) -> None:
    assert shorten(text, room) == short


def test_plain_keeps_the_letters_of_the_field() -> None:
    assert plain("η = 2.5×10⁻⁶, γ₁\t…") == "η = 2.5×10⁻⁶, γ₁ …"


def test_apart_moves_as_little_as_it_takes() -> None:
    assert apart([], 1.0) == []
    assert apart([3.0, 1.0], 1.0) == [3.0, 1.0]
    assert apart([1.0, 1.0], 1.0) == pytest.approx([0.5, 1.5])
    moved = apart([5.0, 5.1, 5.2, 5.3, 5.4, 9.0], 1.0)
    assert min(upper - lower for lower, upper in pairwise(moved)) == pytest.approx(1.0, abs=1e-3)
    assert sum(moved[:5]) / 5 == pytest.approx(5.2, abs=0.1)


@pytest.mark.parametrize(
    ("places", "widths", "middles"),
    [
        ([(0, 40), (40, 100)], [10, 10], [20, 70]),
        # A name wider than its place may reach over the next one's, where that is free.
        ([(0, 4), (4, 100)], [10, 10], [5, 52]),
        # At the right edge it slides back into the row.
        ([(96, 100)], [10], [95]),
        # One that would no longer touch its place is left out.
        ([(0, 1), (1, 2), (2, 100)], [20, 20, 20], [10, None, 51]),
        ([(50, 50), (51, 51), (70, 70)], [10, 10, 10], [50, None, 70]),
        ([(0, 100)], [101], [None]),
    ],
)
def test_names_in_a_row(
    places: list[tuple[float, float]], widths: list[float], middles: list[float | None]
) -> None:
    assert in_a_row(places, widths, 0, 100) == middles
