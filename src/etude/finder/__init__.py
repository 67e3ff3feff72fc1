"""The range test without a framework: its ramp, its curve, and what the curve suggests.

``etude.torch.range_test`` trains along the ramp and hands the curve to what is here.
"""

from __future__ import annotations

from etude.finder.answers import NoAnswer, Suggestion
from etude.finder.curve import Curve
from etude.finder.divergence import Divergence
from etude.finder.grid import RangeTestGrid
from etude.finder.ramp import ramp
from etude.finder.result import RangeTest
from etude.finder.smoothing import smooth
from etude.finder.suggestions import suggest

__all__ = [
    "Curve",
    "Divergence",
    "NoAnswer",
    "RangeTest",
    "RangeTestGrid",
    "Suggestion",
    "ramp",
    "smooth",
    "suggest",
]
