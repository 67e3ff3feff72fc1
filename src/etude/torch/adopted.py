"""What reading a scheduler comes to: its schedule, and the step at which it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from etude.durations import Horizon
from etude.schedules import Plateau, PlateauState
from etude.torch.plans import Plan

__all__ = ["NO_HORIZON", "Adopted", "Unit"]

Unit: TypeAlias = Literal["epoch", "step", "tick"]
NO_HORIZON = Horizon()


@dataclass(frozen=True)
class Adopted:
    """What a scheduler was: ``schedule, clock = adopt(scheduler)``.

    Args:
        schedule: the schedule of the learning rate; a dict by hyperparameter where it writes others too; or,
            with ``by_group``, a dict by parameter group of either.
        clock: the step at which it stands: the next update uses ``schedule`` there.
        by_group: whether the groups have schedules that differ.
        horizon: what its durations are counted on, where it has any that are not steps.
        unit: what one step of it is, where that is known: ``"epoch"`` or ``"step"``; else ``"tick"``, one
            call of ``scheduler.step()``.
        every: how many of these units one step of it is.
        feedback: what its Plateaus remember; among the arguments.
        notes: what a reader should know, in sentences.
    """

    schedule: Plan | Mapping[str, Plan]
    clock: float
    by_group: bool = False
    horizon: Horizon = NO_HORIZON
    unit: Unit = "tick"
    every: int = 1
    feedback: Mapping[Plateau, PlateauState] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.schedule, self.clock))

    @property
    def arguments(self) -> dict[str, Any]:
        """What to give to ``Scheduler(optimizer, **adopted.arguments)``, which then seeks ``clock``."""
        plan = {"groups" if self.by_group else "schedules": self.schedule, "horizon": self.horizon}
        return {**plan, "feedback": self.feedback} if self.feedback else plan
