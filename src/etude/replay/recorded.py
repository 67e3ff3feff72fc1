"""A run as its store has it, and the plan that it followed."""

from __future__ import annotations

import ast
import bisect
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from etude.durations import Horizon
from etude.eases import Array
from etude.errors import EtudeError, SpecError, StoreError
from etude.readings import Reading
from etude.record import RunRecord, Store
from etude.schedules import Plateau
from etude.spec import parse
from etude.tables import Table

__all__ = ["Recorded", "recall"]

# Rates may have been kept as float32.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run and its readings.

    Args:
        record: the run.
        readings: in the order of their steps, one for each; of a step that was recorded several times the
            last, with all that was measured there.
    """

    record: RunRecord
    readings: Sequence[Reading]

    @property
    def name(self) -> str:
        """What the run is called in titles."""
        key = self.record.key
        task = key.task.partition("@")[0]
        return f"run {self.record.id}: {self.record.label} on {task}, seed {key.seed}"

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """The updates that have a reading."""
        return np.array([reading.step for reading in self.readings], dtype=np.int64)

    @property
    def groups(self) -> tuple[str, ...]:
        """The parameter groups, in the order of the optimizer; also those that were added later."""
        return tuple(dict.fromkeys(name for reading in self.readings for name in reading.rates))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all that was measured."""
        return tuple(dict.fromkeys(name for reading in self.readings for name in reading.metrics))

    @property
    def done(self) -> int:
        """How many updates are known to have been made."""
        last = int(self.steps[-1]) + 1 if len(self.readings) else 0
        return max(last, self.record.key.budget) if self.record.status == "finished" else last

    def rates(self, group: str) -> tuple[NDArray[np.int64], Array]:
        """The updates at which a group's rate was recorded, and the rates."""
        found = [(reading.step, reading.rates[group]) for reading in self.readings if group in reading.rates]
        return _columns(found)

    def metric(self, name: str) -> tuple[NDArray[np.int64], Array]:
        """The updates at which a metric was measured, and its values.

        Raises:
            StoreError: for a metric that was not.
        """
        if name not in self.metrics:
            known = ", ".join(map(repr, self.metrics)) or "none"
            raise StoreError(f"run {self.record.id} has no metric {name!r}; there are {known}")
        found = [
            (reading.step, reading.metrics[name]) for reading in self.readings if name in reading.metrics
        ]
        return _columns(found)

    def at(self, step: int) -> Reading | None:
        """The reading of a step, or None where that was not recorded."""
        before = self.before(step)
        return before if before is not None and before.step == step else None

    def before(self, step: int) -> Reading | None:
        """The last reading up to a step."""
        index = bisect.bisect_right(self.steps, step)
        return self.readings[index - 1] if index else None

    # The plan.

    @cached_property
    def horizon(self) -> Horizon:
        """The run's length, and that of an epoch where the readings tell it."""
        last = next((reading for reading in reversed(self.readings) if reading.epoch), None)
        per_epoch = None if last is None or not last.epoch else _simple(last.step / last.epoch)
        return Horizon(per_epoch, self.record.key.budget)

    @cached_property
    def table(self) -> Table | None:
        """The schedule on the horizon; None where what is stored does not tell it."""
        return self.table_of(self.record.key.schedule)

    def table_of(self, schedule: str) -> Table | None:
        """A schedule on the run's horizon, or on one after its text; None where it cannot be read back."""
        text, _, elsewhere = schedule.partition(" on Horizon(")
        try:
            table = parse(text).on(_horizon(f"Horizon({elsewhere}") if elsewhere else self.horizon)
            table(0)
        except EtudeError:
            return None
        return table

    def followed(self, reading: Reading) -> Table | None:
        """What the learning rate followed at a reading: the schedule, or what has replaced it since."""
        text = overriding(reading)
        return self.table_of(text) if text else self.table

    @cached_property
    def bases(self) -> Mapping[str, float]:
        """The base rate of each group, as the rates tell it; without those that they do not tell."""
        found: dict[str, float] = {}
        for group in self.groups:
            for reading in self.readings:
                base = self._base(reading, group)
                if base is not None:
                    found[group] = base
                    break
        return found

    def _base(self, reading: Reading, group: str) -> float | None:
        """The base rate that makes the plan's value the one that was used; rates are affine in it."""
        table = self.followed(reading)
        if table is None or group not in reading.rates:
            return None
        rate = reading.rates[group]
        factors = factors_of(table, reading.factors)
        at_0, at_1 = (table(reading.step, base, factors=factors) for base in (0.0, 1.0))
        if not math.isfinite(rate) or at_1 - at_0 <= _ROUNDING:
            return None
        peak = self.record.key.peak
        if peak is not None and same(table(reading.step, peak, factors=factors), rate):
            return peak
        base = float(f"{(rate - at_0) / (at_1 - at_0):.6g}")
        return base if base >= 0 and same(table(reading.step, base, factors=factors), rate) else None


def recall(store: Store, run: int) -> Recorded:
    """Read a run back.

    Raises:
        StoreError: for a run that the store does not hold.
    """
    return Recorded(store.run(run), in_order(store.readings(run)))


def in_order(readings: Sequence[Reading]) -> list[Reading]:
    """One reading for each step, rising: of several the last, with the metrics of all."""
    by_step: dict[int, Reading] = {}
    for reading in readings:
        earlier = by_step.get(reading.step)
        known = {} if earlier is None else earlier.metrics
        by_step[reading.step] = replace(reading, metrics={**known, **reading.metrics}) if known else reading
    return [by_step[step] for step in sorted(by_step)]


def overriding(reading: Reading) -> str:
    """The text of what the learning rate followed instead of the plan; empty where it followed that."""
    parts = (part.partition(": ") for part in reading.override.split(" | "))
    return next((text for name, _, text in parts if name == "lr"), "")


def factors_of(table: Table, factors: Mapping[str, float]) -> dict[Hashable, float]:
    """What feedback had decided, by the Plateaus of the table's schedule instead of by their texts."""
    plateaus = {part for part in table.schedule.walk() if isinstance(part, Plateau)}
    return {plateau: factors[repr(plateau)] for plateau in plateaus if repr(plateau) in factors}


def same(first: float, second: float) -> bool:
    """Whether two rates are equal but for rounding."""
    return math.isclose(first, second, rel_tol=_ROUNDING, abs_tol=1e-30)


def _horizon(text: str) -> Horizon:
    """Read back ``repr(horizon)``, without evaluating it."""
    try:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        given = [ast.literal_eval(argument) for argument in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        return Horizon(*given, **named)
    except (AssertionError, SyntaxError, TypeError, ValueError):
        raise SpecError(f"{text} is no horizon") from None


def _columns(found: Sequence[tuple[int, float]]) -> tuple[NDArray[np.int64], Array]:
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)


def _simple(number: float) -> Fraction:
    """The simple fraction that a rounded number stands for: epochs have whole steps, or nearly."""
    return Fraction(number).limit_denominator(1_000)
