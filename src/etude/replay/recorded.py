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
from etude.planned import Planned, RunPlan
from etude.readings import Reading
from etude.record import RunRecord, Store
from etude.schedules import Plateau, Rate
from etude.schedules.names import not_imported
from etude.spec import parse
from etude.spec.document import Functions, check_functions
from etude.tables import Table

__all__ = ["Recorded", "recall"]

# Rates may have been kept as float32.
_ROUNDING = 1e-6
_ELSEWHERE = " on Horizon("


@dataclass(frozen=True, eq=False)
class Recorded:
    """A run and its readings.

    Args:
        record: the run.
        readings: in the order of their steps, one for each; of a step that was recorded several times the
            last, with all that was measured there.
        custom: what becomes of the functions that its schedules name, as for ``etude.from_json``.
    """

    record: RunRecord
    readings: Sequence[Reading]
    custom: Functions = "name"

    @property
    def name(self) -> str:
        """What the run is called in titles."""
        key = self.record.key
        task = key.task.partition("@")[0]
        return f"run {self.record.id}: {self.record.label}{' on ' if task else ''}{task}, seed {key.seed}"

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """The updates that have a reading."""
        return np.array([reading.step for reading in self.readings], dtype=np.int64)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The parameter groups, in the order of the optimizer; also those that were added later."""
        return tuple(dict.fromkeys(name for reading in self.readings for name in reading.rates))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """The names of all that was measured."""
        return tuple(dict.fromkeys(name for reading in self.readings for name in reading.metrics))

    @property
    def done(self) -> int:
        """How many updates are known to have been made."""
        last = int(self.steps[-1]) + 1 if len(self.readings) else self.begun
        # A run whose plan was kept has told of its last update; one that was reported now and then need not.
        reported = self.record.status == "finished" and self.record.plan is None
        return max(last, self.record.key.budget) if reported else last

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

    @property
    def begun(self) -> int:
        """The update that it began with; a run that goes on from a checkpoint begins later than at 0."""
        return 0 if self.record.plan is None else math.ceil(self.record.plan.begun)

    @cached_property
    def horizon(self) -> Horizon:
        """The run's horizon; where it was not kept, its length, and that of an epoch if the readings tell."""
        if self.record.plan is not None:
            return self.record.plan.horizon
        last = next((reading for reading in reversed(self.readings) if reading.epoch), None)
        per_epoch = None if last is None or not last.epoch else _simple(last.step / last.epoch)
        return Horizon(per_epoch, self.record.key.budget)

    def planned(self, group: str) -> Planned | None:
        """What the rate of a group was to follow; None where that was not kept.

        A group that was added later follows the only schedule there is.
        """
        plan: RunPlan | None = self.record.plan
        if plan is None:
            return None
        rates = [one for one in plan.schedules if one.of == "lr"]
        return plan.of("lr", group) or (rates[0] if len(rates) == 1 else None)

    def schedule(self, group: str) -> str:
        """The text of the schedule that the rate of a group was to follow."""
        planned = self.planned(group)
        return self.record.key.schedule if planned is None else planned.schedule

    def scale(self, group: str) -> float:
        """What the values of its schedule are multiplied by in a group."""
        planned = self.planned(group)
        return 1.0 if planned is None else planned.scales.get(group, 1.0)

    @property
    def first(self) -> str:
        """The first group, whose plan is drawn and checked; empty where nothing is known of any."""
        return self.groups[0] if self.groups else ""

    def table(self, group: str) -> Table | None:
        """The schedule of a group's rate on the horizon; None where what is stored does not tell it."""
        return self.table_of(self.schedule(group))

    def table_of(self, schedule: str) -> Table | None:
        """A schedule on the run's horizon, or on one after its text; None where it cannot be read back."""
        if schedule not in self._tables:
            self._tables[schedule] = self._read(schedule)
        return self._tables[schedule]

    @property
    def unread(self) -> str:
        """Why its plan is shown and not evaluated: the functions or words in it; empty where it is."""
        last = overriding(self.readings[-1]) if self.readings else []
        texts = dict.fromkeys([*map(self.schedule, self.groups or [""]), *last, *self._tables])
        return next(filter(None, map(self._unread, texts)), "")

    def _unread(self, schedule: str) -> str:
        try:
            return not_imported(self._parsed(schedule)) if schedule else ""
        except EtudeError as error:
            return f"the plan is in words that are not known here: {str(error).splitlines()[0]}"

    def _parsed(self, schedule: str) -> Rate:
        return parse(schedule.partition(_ELSEWHERE)[0], custom=self.custom)

    @cached_property
    def _tables(self) -> dict[str, Table | None]:
        """The tables of the schedules that were asked for, by their texts."""
        return {}

    def _read(self, schedule: str) -> Table | None:
        elsewhere = schedule.partition(_ELSEWHERE)[2]
        try:
            table = self._parsed(schedule).on(_horizon(f"Horizon({elsewhere}") if elsewhere else self.horizon)
            table(0)
        except EtudeError:
            return None
        return table

    def followed(self, reading: Reading, group: str) -> tuple[Table | None, str]:
        """What the rate of a group followed at a reading, and its text if it was not the schedule.

        Where groups follow several, the first that makes the rate that was used.
        """
        planned, texts = self.planned(group), overriding(reading)
        tables = [(self.table_of(text), text) for text in texts]
        if planned is None or not texts:
            return tables[0] if tables else (self.table(group), "")
        for table, text in [*tables, (self.table(group), "")]:
            if table is not None and group in reading.rates:
                base, factors = planned.bases.get(group), factors_of(table, reading.factors)
                if base is not None and same(
                    self.scale(group) * table(reading.step, base, factors=factors), reading.rates[group]
                ):
                    return table, text
        return tables[0]

    @cached_property
    def bases(self) -> Mapping[str, float]:
        """The base rate of each group; where it was not kept, as the rates tell it, or not at all."""
        found: dict[str, float] = {}
        for group in self.groups:
            planned = self.planned(group)
            if planned is not None and group in planned.bases:
                found[group] = planned.bases[group]
                continue
            for reading in self.readings:
                base = self._base(reading, group)
                if base is not None:
                    found[group] = base
                    break
        return found

    def _base(self, reading: Reading, group: str) -> float | None:
        """The base rate that makes the plan's value the one that was used; rates are affine in it."""
        table, _ = self.followed(reading, group)
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


def recall(store: Store, run: int, *, custom: Functions = "name") -> Recorded:
    """Read a run back; nothing that its store names is imported, unless ``custom="import"`` asks for it.

    Raises:
        StoreError: for a run that the store does not hold.
    """
    check_functions(custom, "recall")
    return Recorded(store.run(run), in_order(store.readings(run)), custom)


def in_order(readings: Sequence[Reading]) -> list[Reading]:
    """One reading for each step, rising: of several the last, with the metrics of all."""
    ordered: list[Reading] = []
    put_in_order(ordered, readings)
    return ordered


def put_in_order(ordered: list[Reading], news: Sequence[Reading]) -> None:
    """Add readings to others, which are as ``in_order`` returns them and stay so."""
    for reading in news:
        if not ordered or reading.step > ordered[-1].step:  # as nearly all are
            ordered.append(reading)
            continue
        place = bisect.bisect_left(ordered, reading.step, key=_step)
        there = ordered[place]
        if there.step == reading.step:
            ordered[place] = replace(reading, metrics={**there.metrics, **reading.metrics})
        else:
            ordered.insert(place, reading)


def _step(reading: Reading) -> int:
    return reading.step


def overriding(reading: Reading) -> list[str]:
    """The texts of what the learning rate followed instead of the plan, in some groups or in all."""
    parts = (part.partition(": ") for part in reading.override.split(" | "))
    return [text for name, _, text in parts if name == "lr"]


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
