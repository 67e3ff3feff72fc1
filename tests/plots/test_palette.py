"""Colours that can be read where they are used."""

from __future__ import annotations

import pytest

from etude.plots import palette

WHITE, NEAR_BLACK = "#FFFFFF", "#111111"


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2: 1 for equal colours, 21 for black on white."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", [WHITE, NEAR_BLACK])
def test_midtones_read_on_light_and_dark(background: str) -> None:
    assert min(contrast(colour, background) for colour in palette.MIDTONES) >= 3
    assert contrast(palette.MIDTONE_INK, background) >= 4


def test_no_colour_vanishes_on_its_own_page() -> None:
    assert min(contrast(colour, WHITE) for colour in palette.OKABE_ITO) >= 2
    assert min(contrast(colour, NEAR_BLACK) for colour in palette.OKABE_ITO_ON_DARK) >= 3


@pytest.mark.parametrize("colours", [palette.OKABE_ITO, palette.OKABE_ITO_ON_DARK, palette.MIDTONES])
def test_colours_and_dashes_differ(colours: tuple[str, ...]) -> None:
    assert len(set(colours)) == 8
    assert len(set(palette.DASHES)) == len(palette.DASHES) == 4
