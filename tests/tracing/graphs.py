"""What a formula does to an array, counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude import Horizon, Schedule
from etude.tracing import Foreign, Namespace, formula


class Counting:
    """NumPy's functions, counted as they are called."""

    def __init__(self) -> None:
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        self.calls += 1
        return getattr(np, name)


def operations(plan: Schedule) -> int:
    """How many functions the formula of a schedule calls; signs are not counted."""
    counting = Counting()
    numpy = Namespace(
        counting,
        array=lambda array: array,
        view=lambda value: value.view(np.int64),
        cast=lambda value, dtype: value.astype(dtype),
    )
    formula(plan, Horizon(), 1.0, "operations")(Foreign(np.arange(3.0), numpy))
    return counting.calls
