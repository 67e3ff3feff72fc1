"""Colours and dashes, in the order in which the curves of a chart take them."""

from __future__ import annotations

__all__ = ["DASHES", "MIDTONES", "MIDTONE_INK", "OKABE_ITO", "OKABE_ITO_ON_DARK"]

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800")
"""The colour-blind-safe eight of Okabe and Ito (2008) for white paper; its yellow darkened to be seen."""

OKABE_ITO_ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#FFFFFF", "#F0E442")
"""The same eight for a dark page: white for black, and the light ones first."""

MIDTONES = ("#0072B2", "#D55E00", "#009E73", "#C96FA0", "#C27E00", "#2E96D2", "#777777", "#9A8E00")
"""The same hues at a brightness that reads on white and on black alike: contrast at least 3 on each.

A notebook shows an SVG on its own background without saying which, so it cannot choose.
"""

MIDTONE_INK = "#777777"
"""Text on either background: contrast above 4 on each, the most that one grey can have."""

DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 1.8), (1.2, 1.4), (6.0, 1.8, 1.2, 1.8))
"""On and off lengths, in line widths: solid, dashed, dotted, dash-dotted; the next one each time the colours
run out, so that 32 curves differ."""
