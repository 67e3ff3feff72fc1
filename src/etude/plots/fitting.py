"""Fitting words into the room there is for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["apart", "in_a_row", "in_rows", "plain", "shorten"]


def plain(text: str) -> str:
    """The text with a blank for whatever cannot be printed, such as a line break.

    >>> plain("two\\nlines")
    'two lines'
    """
    return "".join(character if character.isprintable() else " " for character in text)


def shorten(text: str, room: float) -> str:
    """The plain text, cut with an ellipsis to at most `room` characters; empty where fewer than 3 would fit.

    >>> shorten("cosine", 10), shorten("cosine", 4), shorten("cosine", 2), shorten("up", 2)
    ('cosine', 'cos…', '', 'up')
    """
    if len(text) <= room:
        return plain(text)
    return plain(text[: int(room) - 1]) + "…" if room >= 3 else ""


def apart(positions: Sequence[float], gap: float) -> list[float]:
    """The positions, in the given order, moved as little as it takes to be the gap apart.

    >>> [round(position, 6) for position in apart([5.0, 1.5, 1.0], gap=1.0)]
    [5.0, 1.75, 0.75]
    """
    moved = list(positions)
    order = sorted(range(len(moved)), key=lambda index: moved[index])
    # Each pass shares out what is missing between neighbours; a few lines settle long before the last.
    for _ in range(100):
        for lower, upper in pairwise(order):
            missing = max(gap - (moved[upper] - moved[lower]), 0.0)
            moved[lower] -= missing / 2
            moved[upper] += missing / 2
    return moved


def in_a_row(
    places: Sequence[tuple[float, float]], widths: Sequence[float], start: float, stop: float
) -> list[float | None]:
    """Where the middle of each name goes when they are written in one row.

    A name is centred on its place, or slid aside to stay in the row and clear of the name before. One that
    would then no longer touch its place is left out.

    Args:
        places: from where to where each named thing reaches, from left to right.
        widths: of each name, with the blank after it.
        start, stop: the ends of the row.

    >>> in_a_row([(0, 2), (2, 3), (3, 90)], widths=[6, 6, 10], start=0, stop=90)
    [3.0, None, 46.5]
    """
    middles: list[float | None] = []
    for (left, right), width in zip(places, widths, strict=True):
        edge = min(max((left + right - width) / 2, start), stop - width)
        fits = edge >= start and edge <= right and edge + width >= left
        middles.append(edge + width / 2 if fits else None)
        if fits:
            start = edge + width
    return middles


def in_rows(
    places: Sequence[tuple[float, float]], widths: Sequence[float], start: float, stop: float, most: int
) -> list[tuple[int, float] | None]:
    """Where each name goes when those that the first row has no room for go into further ones.

    Args:
        places, widths, start, stop: as of ``in_a_row``.
        most: how many rows there may be; what does not fit into these is left out.

    Returns:
        for each name its row, counted from 0, and the middle of it there; or None.

    >>> in_rows([(0, 2), (2, 3), (3, 90)], widths=[6, 6, 10], start=0, stop=90, most=2)
    [(0, 3.0), (1, 3.0), (0, 46.5)]
    """
    found: list[tuple[int, float] | None] = [None] * len(places)
    for row in range(most):
        left = [index for index, place in enumerate(found) if place is None]
        middles = in_a_row([places[index] for index in left], [widths[index] for index in left], start, stop)
        for index, middle in zip(left, middles, strict=True):
            found[index] = None if middle is None else (row, middle)
    return found
