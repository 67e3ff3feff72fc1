"""What a comparison is going to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from etude.durations import Horizon
from etude.errors import HorizonError, ScheduleError, TaskError
from etude.record import RunKey
from etude.schedules import Rate
from etude.study.arms import FIXED, TUTORIALS, Arm
from etude.study.task import Task

__all__ = ["Cell", "Plan"]

MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One schedule at one budget: what a peak rate is chosen for."""

    arm: Arm
    budget: int


@dataclass(frozen=True)
class Plan:
    """A comparison: a task, the schedules, and the grid of budgets, peaks and seeds.

    Every peak is run with the tuning seeds; the peak with the best mean validation score over them is run
    with the other seeds too. A schedule in absolute rates has no peak to choose.

    Args:
        task: what is trained.
        arms: the schedules, the fixed rate among them.
        identity: how the store knows the task.
        budgets: in updates, rising; the last is the task's whole length.
        peaks: rising.
        seeds: numbered from 0.
        tuning_seeds: how many of them choose the peak.
    """

    task: Task
    arms: tuple[Arm, ...]
    identity: str
    budgets: tuple[int, ...]
    peaks: tuple[float, ...]
    seeds: int
    tuning_seeds: int

    @classmethod
    def of(
        cls,
        task: Task,
        arms: Sequence[Arm],
        *,
        budgets: Sequence[float] | None = None,
        peaks: Sequence[float] | None = None,
        seeds: int | None = None,
        device: str = "cpu",
    ) -> Plan:
        """Lay a comparison out; what is not given is the task's own.

        Raises:
            TaskError: for a grid out of its bounds, and for schedules that are not all different or lack
                the fixed rate.
            HorizonError: for a schedule that cannot be laid over one of the budgets, or that still warms
                up when a run ends.
        """
        changed = replace(
            task,
            peaks=task.peaks if peaks is None else peaks,
            budgets=task.budgets if budgets is None else budgets,
            seeds=task.seeds if seeds is None else seeds,
            tuning_seeds=1,
        )
        changed = replace(changed, tuning_seeds=min(task.tuning_seeds, changed.seeds))
        _refuse_indistinct(arms)
        plan = cls(
            changed,
            tuple(arms),
            changed.identity(device),
            tuple(dict.fromkeys(changed.length(budget) for budget in changed.budgets)),
            tuple(map(float, changed.peaks)),
            changed.seeds,
            changed.tuning_seeds,
        )
        for cell in plan.cells():
            plan.refuse_unfit(cell)
        return plan

    def refuse_unfit(self, cell: Cell) -> None:
        """Refuse a schedule that cannot be run at a budget, before anything runs."""
        try:
            table = cell.arm.schedule.on(self.horizon(cell.budget))
            # A user's own function may fail anywhere.
            table(np.unique(np.linspace(0, cell.budget - 1, MOST_STEPS).round()))
        except (HorizonError, ScheduleError) as error:
            raise type(error)(f"{cell.arm.label} at {cell.budget} updates: {error}") from None
        for finding in table.check():
            if finding.severity == "error":
                raise HorizonError(
                    f"{cell.arm.label} at {cell.budget} updates: {finding.message} {finding.fix}"
                )

    def warnings(self) -> list[str]:
        """What the checker warns of in the user's own schedules, once each: at the longest budget."""
        told: dict[tuple[str, str], str] = {}
        for cell in self.cells():
            if cell.arm in TUTORIALS:
                continue
            for finding in cell.arm.schedule.on(self.horizon(cell.budget)).check():
                if finding.severity == "warning":
                    text = f"{cell.arm.label} at {cell.budget} updates: {finding.message} {finding.fix}"
                    told.setdefault((cell.arm.label, finding.code), f"{text} [{finding.code}]")
        return list(told.values())

    def horizon(self, budget: int) -> Horizon:
        """The horizon of a run of that many updates."""
        return Horizon(self.task.updates_per_epoch, budget)

    def cells(self) -> Iterator[Cell]:
        """Every schedule at every budget."""
        for budget, arm in product(self.budgets[::-1], self.arms):
            yield Cell(arm, budget)

    def candidates(self, cell: Cell) -> tuple[float | None, ...]:
        """The peaks to choose from."""
        return self.peaks if cell.arm.schedule.depends_on_base else (None,)

    def key(self, cell: Cell, peak: float | None, seed: int) -> RunKey:
        """The key of one run."""
        return RunKey(self.identity, repr(cell.arm.schedule), peak, cell.budget, seed)

    def tuning(self) -> list[tuple[Cell, RunKey]]:
        """The runs that choose the peaks."""
        return [
            (cell, self.key(cell, peak, seed))
            for seed in range(self.tuning_seeds)
            for cell in self.cells()
            for peak in self.candidates(cell)
        ]

    def final(self, chosen: Mapping[Cell, float | None]) -> list[tuple[Cell, RunKey]]:
        """The runs of the chosen peaks with the other seeds."""
        return [
            (cell, self.key(cell, chosen[cell], seed))
            for seed in range(self.tuning_seeds, self.seeds)
            for cell in self.cells()
            if cell in chosen
        ]

    @property
    def size(self) -> int:
        """How many runs there are in all."""
        cells = list(self.cells())
        tuning = sum(len(self.candidates(cell)) for cell in cells) * self.tuning_seeds
        return tuning + len(cells) * (self.seeds - self.tuning_seeds)


def _refuse_indistinct(arms: Sequence[Arm]) -> None:
    """Refuse schedules that an answer could not tell apart, or not compare."""
    labels: set[str] = set()
    schedules: dict[Rate, str] = {}
    for arm in arms:
        if arm.label in labels:
            raise TaskError(f"two schedules are labelled {arm.label!r}; give each a label of its own")
        if arm.schedule in schedules:
            raise TaskError(
                f"{schedules[arm.schedule]!r} and {arm.label!r} are the same schedule, {arm.schedule!r}; "
                f"leave one of them out"
            )
        labels.add(arm.label)
        schedules[arm.schedule] = arm.label
    if FIXED not in labels:
        raise TaskError("a comparison needs the fixed rate, which the others are compared with")
