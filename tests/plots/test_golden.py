"""Figures look as they did when a person last looked at them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from etude import plots
from etude.plots import Series

from .golden.pictures import DPI, FOLDER, PICTURES, SIZES, drawn

LOOKS = [("column", False), ("slide", True)]
BLOCK = 6
MOST = 0.12
"""How far the mean brightness of a block of 6 by 6 pixels may be off, of 1: other versions of matplotlib and
FreeType move edges by a fraction of a pixel; a name or a curve that is elsewhere moves more."""


@pytest.mark.parametrize(("size", "dark"), LOOKS, ids=["column", "slide-dark"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_looks_as_the_kept_one(name: str, size: str, dark: bool) -> None:
    kept = (FOLDER / f"{name}-{size}{'-dark' * dark}.png").read_bytes()

    assert off(kept, drawn(name, size, dark)) <= MOST


def test_every_kept_file_is_of_a_picture() -> None:
    names = {f"{name}-{size}{'-dark' * dark}.png" for name in PICTURES for size, dark in LOOKS}

    assert {path.name for path in FOLDER.glob("*.png")} == names


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "SGDF, now"},
        {"marks": ()},
        {"above": None},
        {"shades": ()},
        {"series": [Series("learning rate", [0, 27_370], [0.0, 0.1])]},
    ],
    ids=["title", "marks", "epochs", "phases", "curve"],
)
def test_another_picture_would_be_told(changes: dict[str, Any]) -> None:
    kept = (FOLDER / "restarts-column.png").read_bytes()
    other = plots.to_png(replace(PICTURES["restarts"](), **changes), **SIZES["column"], dpi=DPI["column"])

    assert off(kept, other) > MOST


def test_a_dark_picture_is_not_a_light_one() -> None:
    assert off((FOLDER / "constant-column.png").read_bytes(), drawn("constant", "column", dark=True)) > MOST


def off(first: bytes, second: bytes) -> float:
    """The largest difference between the mean colours of two pictures' blocks."""
    blocks = [_blocks(png) for png in (first, second)]
    assert blocks[0].shape == blocks[1].shape
    return float(np.abs(blocks[0] - blocks[1]).max())


def _blocks(png: bytes) -> Any:
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]
    high, wide = (size // BLOCK for size in pixels.shape[:2])
    whole = pixels[: high * BLOCK, : wide * BLOCK]
    return whole.reshape(high, BLOCK, wide, BLOCK, 3).mean(axis=(1, 3))
