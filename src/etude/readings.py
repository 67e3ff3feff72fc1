"""What one update used and saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One reported update: the rates it used, the phase it was in, and what was measured there.

    Args:
        step: the update, counted from 0.
        rates: the learning rate of each parameter group that the update used, by the group's name.
        phase: the name of the schedule's phase at that step.
        metrics: whatever was measured, by name (``loss``, ``accuracy``, ...).
        others: the values of other hyperparameters that are scheduled, by name and then by group (a target by
            its own name).
    """

    step: int
    rates: Mapping[str, float]
    phase: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
