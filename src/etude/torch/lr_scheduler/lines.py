"""The schedules of all groups, worked out a block of steps ahead, and the step at which they stand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from etude.durations import Horizon
from etude.errors import ScheduleError
from etude.levels import BASE
from etude.schedules import Constant, Rate
from etude.tables import Table
from etude.torch.functions import Called, is_called
from etude.torch.stack import Part

__all__ = ["CalledLines", "Lines", "Row"]

# At first few, for whoever seeks from step to step; the next ones more, for whoever walks.
FIRST_AHEAD, MOST_AHEAD = 16, 1024

Row: TypeAlias = tuple[list[float], ...]
"""The values at one step, by hyperparameter, the rate first: one for each group, NaN where it has none."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One hyperparameter of the groups that share a schedule."""

    column: int
    table: Table
    relative: bool
    indices: list[int]
    bases: list[float]


class Lines:
    """The schedules of all groups.

    ``rows`` are those that are known, by step. A user's function is called at the step where its value is
    needed, once, and not before: of it only the present row is known.
    """

    __slots__ = ("_bases", "_lines", "_of", "called", "names", "rows", "step")

    def __init__(self, plans: Sequence[Mapping[str, Rate]], bases: Sequence[float]) -> None:
        shared: dict[tuple[str, Rate], list[int]] = {}
        for index, plan in enumerate(plans):
            for name, schedule in plan.items():
                shared.setdefault((name, schedule), []).append(index)
        self.names = tuple(dict.fromkeys(name for name, _ in shared))
        self._bases = bases
        self._lines = [
            _Line(
                self.names.index(name),
                schedule.on(Horizon()),
                schedule.depends_on_base,
                indices,
                [bases[index] for index in indices],
            )
            for (name, schedule), indices in shared.items()
        ]
        self._of = {(self.names[line.column], index): line for line in self._lines for index in line.indices}
        self.called = any(is_called(schedule) for _, schedule in shared)
        self.rows: dict[float, Row] = {}
        self.step: float = 0

    @property
    def is_complete(self) -> bool:
        """Whether every group has every hyperparameter."""
        return len(self._of) == len(self.names) * len(self._bases)

    @property
    def is_writer(self) -> bool:
        """Whether it names learning rates of its own, not shares of the base."""
        return any(self.names[line.column] == "lr" and not line.relative for line in self._lines)

    def part(self, name: str, index: int) -> Part | None:
        """The value of a group at the present step, and its share of the base; None where it has none."""
        line = self._of.get((name, index))
        if line is None:
            return None
        value = self.at(self.step)[line.column][index]
        if not line.relative:
            return value, None
        base = self._bases[index]
        return value, value / base if base else line.table(self.step, 1.0)

    def at(self, step: float) -> Row:
        """The values at a step."""
        row = self.rows.get(step)
        if row is None:
            self.rows = self._work_out(step)
            row = self.rows[step]
        return row

    def _work_out(self, step: float) -> dict[float, Row]:
        """The values at a step and, unless a user's function is asked, the next ones."""
        steps = [step]
        if not self.called and step == int(step):
            ahead = min(4 * len(self.rows), MOST_AHEAD) if step - 1 in self.rows else FIRST_AHEAD
            steps = list(range(int(step), int(step) + ahead))
        try:
            columns = self._columns(steps)
        except ScheduleError:
            # Only what is asked for may fail: what lies ahead may never be reached.
            steps = [step]
            columns = self._columns(steps)
        return dict(zip(steps, zip(*columns, strict=True), strict=True))

    def _columns(self, steps: list[float]) -> list[list[list[float]]]:
        columns = np.full((len(self.names), len(steps), len(self._bases)), math.nan)
        for line in self._lines:
            columns[line.column][:, line.indices] = line.table(steps, line.bases)
        values: list[list[list[float]]] = columns.tolist()
        return values


class CalledLines(Lines):
    """The same where all there is are users' functions of the step, one for each group.

    Without the way through arrays, which costs more than the functions do.
    """

    __slots__ = ("_functions", "_pairs")

    def __init__(self, plans: Sequence[dict[str, Called]], bases: Sequence[float]) -> None:
        super().__init__(plans, bases)
        functions = list(dict.fromkeys(plan["lr"] for plan in plans))
        self._functions = [function.at for function in functions]
        Constant(BASE).on(Horizon())(0, bases)  # which refuses bases that are no rates
        self._pairs = [(base, functions.index(plan["lr"])) for base, plan in zip(bases, plans, strict=True)]

    def _work_out(self, step: float) -> dict[float, Row]:
        factors = [function(step) for function in self._functions]
        rates = [base * factors[i] for base, i in self._pairs]
        if not sum(rates) < math.inf:
            self._columns([step])  # which refuses what is too large
        return {step: (rates,)}
