"""Warnings that point at who called, whatever lies in between."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

import etude
from etude.errors import ScheduleWarning

__all__ = ["tell"]

# torch calls hooks from places of its own, and other ones once a step was compiled.
_BETWEEN = tuple(str(Path(str(package.__file__)).parent) for package in (etude, torch))


def tell(text: str, category: type[Warning] = ScheduleWarning) -> None:
    """Warn as from the first caller outside of Etude and torch."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
