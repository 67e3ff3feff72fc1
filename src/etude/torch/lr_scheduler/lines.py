"""The schedules of all groups, evaluated at one step: a block of steps ahead at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from etude.durations import Horizon
from etude.eases import Array
from etude.errors import ScheduleError
from etude.schedules import Schedule
from etude.tables import Table
from etude.torch.functions import is_called
from etude.torch.stack import Part

__all__ = ["Lines"]

AHEAD = 256


@dataclass(slots=True)
class _Line:
    """One hyperparameter of the groups that share a schedule."""

    name: str
    table: Table
    relative: bool
    # A user's function is called at the step where its value is needed, once, and not before.
    ahead: int
    indices: list[int]
    bases: Array
    first: float = -1
    rows: list[list[Part]] = field(default_factory=list)

    def at(self, step: float) -> list[Part]:
        place = step - self.first
        if not (0 <= place < len(self.rows) and place == int(place)):
            self._work_out(step)
            place = 0
        return self.rows[int(place)]

    def _work_out(self, step: float) -> None:
        steps = np.arange(step, step + self.ahead) if step == int(step) else np.array([step])
        try:
            values = self._values(steps)
        except ScheduleError:
            # Only what is asked for may fail: what lies ahead may never be reached.
            values = self._values(steps[:1])
        self.first, self.rows = step, values

    def _values(self, steps: Array) -> list[list[Part]]:
        values = self.table(steps, self.bases)
        if not self.relative:
            return [[(value, None) for value in row] for row in values.tolist()]
        bases = np.where(self.bases == 0, 1.0, self.bases)
        shares = (values if (bases == self.bases).all() else self.table(steps, bases)) / bases
        return [
            list(zip(row, share, strict=True))
            for row, share in zip(values.tolist(), shares.tolist(), strict=True)
        ]


class Lines:
    """The schedules of all groups."""

    def __init__(self, plans: Sequence[dict[str, Schedule]], bases: Sequence[float]) -> None:
        self.size = len(plans)
        shared: list[tuple[str, Schedule, list[int]]] = []
        for index, plan in enumerate(plans):
            for name, schedule in plan.items():
                for other, same, indices in shared:
                    if other == name and same == schedule:
                        indices.append(index)
                        break
                else:
                    shared.append((name, schedule, [index]))
        self._lines = [
            _Line(
                name,
                schedule.on(Horizon()),
                schedule.depends_on_base,
                1 if is_called(schedule) else AHEAD,
                indices,
                np.array([bases[index] for index in indices], dtype=np.float64),
            )
            for name, schedule, indices in shared
        ]
        self.names = tuple(dict.fromkeys(line.name for line in self._lines))

    def at(self, step: float) -> dict[str, list[Part | None]]:
        """The values at a step: for each hyperparameter, one for each group that has it."""
        values: dict[str, list[Part | None]] = {name: [None] * self.size for name in self.names}
        for line in self._lines:
            row = values[line.name]
            for index, part in zip(line.indices, line.at(step), strict=True):
                row[index] = part
        return values
