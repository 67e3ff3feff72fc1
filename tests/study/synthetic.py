"""Comparisons whose runs are made up, so that the answers are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import etude as et
from etude import BASE
from etude.record import RunKey, RunRecord
from etude.record.process import this_process
from etude.study import Arm, Task
from etude.study.plan import Plan
from etude.study.rank import Ranking, rank

from .training import quick

FIXED = Arm("fixed", et.Constant())
COSINE = Arm("cosine", et.cosine())
LINEAR = Arm("linear", et.linear())
REX = Arm("rex", et.Rex(BASE, 0.0, over="100%"))
STEP = Arm("step", et.step("30%"))
ABSOLUTE = Arm("absolute", et.Cosine(0.1, 0.0, over="100%"))

Scores = Callable[[str, int, float | None, int], tuple[float, float]]
"""From label, budget, peak and seed to validation and test scores."""


def plan_of(
    *arms: Arm,
    budgets: tuple[int, ...] = (100, 400),
    peaks: tuple[float, ...] = (0.1, 0.2, 0.3),
    seeds: int = 4,
    tuning_seeds: int = 2,
    percent: bool = True,
) -> Plan:
    task = Task(
        "made up",
        quick.train,
        updates=budgets[-1],
        peaks=peaks,
        seeds=seeds,
        tuning_seeds=tuning_seeds,
        percent=percent,
    )
    return Plan(task, arms, "made up@0", budgets, peaks, seeds, tuning_seeds)


def records_of(plan: Plan, scores: Scores) -> dict[RunKey, RunRecord]:
    """A finished run for every schedule, budget, peak and seed."""
    records: dict[RunKey, RunRecord] = {}
    for cell in plan.cells():
        for peak in plan.candidates(cell):
            for seed in range(plan.seeds):
                key = plan.key(cell, peak, seed)
                validation, test = scores(cell.arm.label, cell.budget, peak, seed)
                records[key] = RunRecord(
                    id=len(records) + 1,
                    key=key,
                    label=cell.arm.label,
                    fingerprint=cell.arm.schedule.fingerprint,
                    versions={"etude": "0.1.0"},
                    status="finished",
                    process=this_process(),
                    started="",
                    ended="",
                    results={"validation": validation, "test": test},
                    error=None,
                )
    return records


def rank_tests(plan: Plan, tests: Mapping[str, Mapping[int, list[float]]]) -> Ranking:
    """Rank by test scores given as label → budget → one for each seed; the lowest peak is the best."""

    def scores(label: str, budget: int, peak: float | None, seed: int) -> tuple[float, float]:
        return -(peak or 0.0), tests[label][budget][seed]

    ranking = rank(plan, records_of(plan, scores), {})
    assert ranking is not None
    return ranking
