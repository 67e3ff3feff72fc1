"""The driver of a comparison: what is not yet in the store is run, and everything lands there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from etude.errors import TaskError
from etude.record import RunKey, RunRecord, Store
from etude.schedules import Plateau, PlateauState
from etude.study.engine import Engine, Job, Outcome
from etude.study.plan import Cell, Plan
from etude.study.rank import Ranking, choose_peaks, rank
from etude.study.words import score_text
from etude.tables import Table

__all__ = ["Comparison", "Progress"]

# So many failures before the first success are taken for a broken task.
HOPELESS = 3
MOST_LABEL = 24


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a comparison stands after a run has ended."""

    done: int
    total: int
    leader: str | None
    outcome: Outcome | None = None


@dataclass
class Comparison:
    """A plan and the store that its runs are in.

    The store decides what is still to run, so that the same plan goes on where it was left.

    Args:
        plan: what to run.
        store: where the runs are recorded.
        reference: how workers find the task.
        device: where to train.
    """

    plan: Plan
    store: Store
    reference: str
    device: str = "cpu"
    failures: list[Outcome] = field(default_factory=list)

    def records(self) -> dict[RunKey, RunRecord]:
        """The finished runs of the task, by key; of several attempts the first."""
        records: dict[RunKey, RunRecord] = {}
        for record in self.store.runs(self.plan.identity, "finished"):
            records.setdefault(record.key, record)
        return records

    def finished(self) -> list[RunRecord]:
        """The finished runs that the plan asks for."""
        records = self.records()
        asked = [*self.plan.tuning(), *self.plan.final(choose_peaks(self.plan, records))]
        return [records[key] for _, key in asked if key in records]

    def run(self, engine: Engine, on_progress: Callable[[Progress], None] = lambda progress: None) -> None:
        """Run what is missing.

        Args:
            engine: what runs the jobs.
            on_progress: called at the start and after every run.

        Raises:
            TaskError: where the first runs all fail; the store keeps why. Later failures are kept in
                ``failures``, and what depends on them is left out of the answer.
        """
        self.failures.clear()
        standing = _Standing(self.plan, self.finished())
        on_progress(standing.progress())
        self._run(engine, self.plan.tuning(), standing, on_progress)
        self._run(engine, self.plan.final(choose_peaks(self.plan, self.records())), standing, on_progress)

    def _run(
        self,
        engine: Engine,
        wanted: list[tuple[Cell, RunKey]],
        standing: _Standing,
        on_progress: Callable[[Progress], None],
    ) -> None:
        records = self.records()
        jobs = [
            Job(self.reference, key, cell.arm.label, cell.arm.schedule.fingerprint, self.store, self.device)
            for cell, key in wanted
            if key not in records
        ]
        for outcome in engine.run(jobs):
            if outcome.error is None and outcome.run_id is not None:
                standing.add(self.store.run(outcome.run_id))
            else:
                self.failures.append(outcome)
                if standing.done == 0 and len(self.failures) >= min(HOPELESS, len(jobs)):
                    where = ". The store has the tracebacks: etude runs --failed"
                    raise TaskError(
                        f"no run of {self.plan.task.name!r} succeeds: {len(self.failures)} failed, the last "
                        f"one, of {outcome.job.label}, with {outcome.error}"
                        f"{'' if outcome.run_id is None else where}"
                    )
            on_progress(standing.progress(outcome))

    def ranking(self) -> Ranking | None:
        """Rank what has finished; None before the fixed rate has."""
        records = self.records()
        areas = {
            cell: self._area(cell, peak, records)
            for cell, peak in choose_peaks(self.plan, records).items()
            if cell.budget == self.plan.budgets[-1]
        }
        return rank(self.plan, records, areas)

    def _area(self, cell: Cell, peak: float | None, records: dict[RunKey, RunRecord]) -> float:
        """Σ lr of a run at the whole length; what feedback decided is replayed from the first seed's run."""
        table = cell.arm.schedule.on(self.plan.horizon(cell.budget))
        base = 1.0 if peak is None else peak
        states = {part: part.fresh() for part in cell.arm.schedule.walk() if isinstance(part, Plateau)}
        if not states:
            return table.facts(base).area
        area, done = 0.0, 0
        for reading in self.store.readings(records[self.plan.key(cell, peak, 0)].id):
            area += _sum(table, base, states, done, reading.step + 1)
            done = max(done, reading.step + 1)
            for plateau, state in states.items():
                if plateau.metric in reading.metrics:
                    states[plateau] = plateau.observe(state, reading.metrics[plateau.metric])
        return area + _sum(table, base, states, done, cell.budget)


def _sum(table: Table, base: float, states: Mapping[Plateau, PlateauState], start: int, stop: int) -> float:
    """Σ lr over the updates from ``start`` up to ``stop``, with the factors that are in force."""
    factors: dict[Hashable, float] = {plateau: state.factor for plateau, state in states.items()}
    return float(np.sum(table(range(start, max(stop, start)), base, factors=factors)))


class _Standing:
    """How many runs are done, and which schedule leads: by its mean validation score at the whole length."""

    def __init__(self, plan: Plan, records: Iterable[RunRecord]) -> None:
        self.done = 0
        self._plan = plan
        self._scores: dict[tuple[str, float | None], list[float]] = {}
        for record in records:
            self.add(record)

    def add(self, record: RunRecord) -> None:
        """Count one more finished run."""
        self.done += 1
        if record.key.budget == self._plan.budgets[-1]:
            scores = self._scores.setdefault((record.label, record.key.peak), [])
            scores.append(record.results["validation"])

    def progress(self, outcome: Outcome | None = None) -> Progress:
        """The present standing."""
        means = {which: sum(scores) / len(scores) for which, scores in self._scores.items()}
        best = max(means, key=lambda which: means[which], default=None)
        leader = None
        if best is not None:
            # An expression of the user's own may be longer than a line.
            label = best[0] if len(best[0]) <= MOST_LABEL else f"{best[0][: MOST_LABEL - 1]}…"
            leader = f"{label} {score_text(means[best], self._plan.task)}"
        return Progress(self.done, self._plan.size, leader, outcome)
