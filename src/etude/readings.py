"""What one update used and saw, and who is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Observer", "Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One update: the values it used, where they come from, and what was measured there.

    Args:
        step: the update, counted from 0.
        rates: the learning rate of each parameter group that the update used, by the group's name.
        phase: the name of the schedule's phase at that step.
        metrics: whatever was measured, by name (``loss``, ``accuracy``, ...).
        others: the values of other hyperparameters that are scheduled, by name and then by group (a target by
            its own name).
        epoch: how many epochs were done when the update began, with their fraction; None where the horizon
            does not know the length of one.
        samples: how many samples were seen when it began, over all processes; None where the horizon does
            not know how many an update has.
        factors: what feedback had multiplied the values by, by the text of the Plateau.
        override: what was followed instead of the plan, after a cooldown or a change of plan:
            ``"lr: <schedule>"``; empty where the plan was followed.
    """

    step: int
    rates: Mapping[str, float]
    phase: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    epoch: float | None = None
    samples: float | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    override: str = ""

    def copy(self) -> Reading:
        """Return a reading that shares no mapping with this one.

        >>> reading = Reading(0, {"0": 0.1}, "cosine", {"loss": 2.5})
        >>> reading.copy().metrics.clear()
        >>> reading.metrics
        {'loss': 2.5}
        """
        return Reading(
            self.step,
            dict(self.rates),
            self.phase,
            dict(self.metrics),
            {name: dict(by_group) for name, by_group in self.others.items()},
            self.epoch,
            self.samples,
            dict(self.factors),
            self.override,
        )


class Observer(Protocol):
    """Who is told of readings: a store, a logger, a picture.

    ``observe`` is called off the training thread, by one thread at a time, and gets every reading once and
    in order, in a list that is its own. What it raises, be it ``SystemExit``, is told, stops nothing, and
    has the same readings come again. Where there is an ``open``, it is called when a Recorder is built, which
    is refused by what it raises; where there is a ``close``, at the end; both without arguments.
    Where there is a ``leave``, it is called before, with the readings that could not be observed by the end,
    and returns in words what has become of them.
    """

    def observe(self, readings: Sequence[Reading]) -> None:
        """Take up the next readings, all of them or none."""
