"""What the finished runs say: pure functions from records to numbers.

Peaks are chosen on validation scores over the seeds that every peak was run with, never on test scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
from scipy import stats

from etude.record import RunKey, RunRecord
from etude.study.arms import FIXED
from etude.study.plan import Cell, Plan

__all__ = ["Ranking", "Row", "Summary", "choose_peaks", "rank", "share_needed"]

CONFIDENCE = 0.95
# What differs by less, as a share of the scores, differs by the rounding of a subtraction.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Summary:
    """One schedule at one budget with its chosen peak.

    Args:
        budget: updates.
        peak: the chosen one; None for a schedule in absolute rates.
        at_edge: whether that is the lowest or highest of the grid, where a better one may lie beyond.
        scores: test scores by seed.
        runs: the ids of these runs in the store, by seed.
    """

    budget: int
    peak: float | None
    at_edge: bool
    scores: Mapping[int, float]
    runs: Mapping[int, int]

    @property
    def mean(self) -> float:
        """The mean test score; -inf where a run diverged."""
        return _mean(self.scores.values())

    @property
    def standard_error(self) -> float:
        """The standard error of that mean over the seeds; NaN for one seed, and where a run diverged."""
        values = list(self.scores.values())
        if len(values) == 1 or not math.isfinite(self.mean):
            return math.nan
        return float(np.std(values, ddof=1)) / math.sqrt(len(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One schedule in the answer.

    Args:
        label: its name.
        budgets: its summary at each budget, rising.
        difference: final score less the fixed rate's, paired by seed; None for the fixed rate itself, ±inf
            where one of the two diverged and NaN where both did.
        interval: of that difference, at 95 %; None where the seeds tell of no spread.
        p_value: of no difference, adjusted for comparing so many schedules (Holm); None where there is none.
        share: the updates it needs to reach the fixed rate's best score, as a share of the updates that
            the fixed rate needed; None where it does not reach it, or there is none.
        share_is_bound: whether already its smallest budget reaches it, so that the share is at most that.
        area: Σ lr over the longest run, at its peak.
    """

    label: str
    budgets: tuple[Summary, ...]
    difference: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    share: float | None
    share_is_bound: bool
    area: float

    @property
    def final(self) -> Summary:
        """Its summary at the whole length."""
        return self.budgets[-1]


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference to the fixed rate by seed; its interval and p value are None where there is none."""

    mean: float
    interval: tuple[float, float] | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer.

    Args:
        rows: the schedules, the best first.
        target: the fixed rate's best mean test score, at any budget.
        target_budget: the updates after which it had it.
        missing: how many pairs of a schedule and a budget have not finished.
        together: the mean of all schedules that did not diverge, against the fixed rate; None without any.
    """

    rows: tuple[Row, ...]
    target: float
    target_budget: int
    missing: int
    together: Difference | None = None

    @property
    def fixed(self) -> Row:
        """The fixed rate's row."""
        return next(row for row in self.rows if row.label == FIXED)

    def ahead(self) -> list[Row]:
        """The schedules that end better than the fixed rate, with 95 % confidence over all of them."""
        return [row for row in self.rows if _is_sure(row) and (row.difference or 0) > 0]

    def behind(self) -> list[Row]:
        """The schedules that end worse, with 95 % confidence over all of them."""
        return [row for row in self.rows if _is_sure(row) and (row.difference or 0) < 0]

    def ahead_together(self) -> bool:
        """Whether the schedules as a whole end better than the fixed rate, with 95 % confidence.

        One question instead of many: few seeds can answer it where they cannot tell the schedules apart.
        """
        all_of_them = self.together
        if all_of_them is None or all_of_them.p_value is None:
            return False
        return all_of_them.mean > 0 and all_of_them.p_value < 1 - CONFIDENCE

    def diverged(self) -> list[Row]:
        """The schedules with a run that diverged at their chosen peak, at the whole length."""
        return [row for row in self.rows if not math.isfinite(row.final.mean)]


def _is_sure(row: Row) -> bool:
    return row.p_value is not None and row.p_value < 1 - CONFIDENCE


def choose_peaks(plan: Plan, records: Mapping[RunKey, RunRecord]) -> dict[Cell, float | None]:
    """Choose each schedule's peak at each budget, where all of its tuning runs are finished.

    The best mean validation score wins; of equal ones, the lowest peak.
    """
    chosen = {}
    for cell in plan.cells():
        scores = {}
        for peak in plan.candidates(cell):
            keys = [plan.key(cell, peak, seed) for seed in range(plan.tuning_seeds)]
            if all(key in records for key in keys):
                scores[peak] = _mean(records[key].results["validation"] for key in keys)
        if len(scores) == len(plan.candidates(cell)):
            chosen[cell] = max(scores, key=lambda peak: scores[peak])
    return chosen


def rank(plan: Plan, records: Mapping[RunKey, RunRecord], areas: Mapping[Cell, float]) -> Ranking | None:
    """Rank the schedules of a plan by the finished runs.

    Args:
        plan: the comparison.
        records: the finished runs by key.
        areas: Σ lr of each schedule at its chosen peak.

    Returns:
        the answer for the schedules that have finished at every budget; None before the fixed rate has.
    """
    summaries: dict[str, list[Summary]] = {}
    missing = 0
    chosen = choose_peaks(plan, records)
    for cell in plan.cells():
        if cell not in chosen:
            missing += 1
            continue
        peak = chosen[cell]
        keys = {seed: plan.key(cell, peak, seed) for seed in range(plan.seeds)}
        done = {seed: records[key] for seed, key in keys.items() if key in records}
        if len(done) < plan.seeds:
            missing += 1
            continue
        summary = Summary(
            budget=cell.budget,
            peak=peak,
            at_edge=peak is not None and len(plan.peaks) > 1 and peak in (plan.peaks[0], plan.peaks[-1]),
            scores={seed: record.results["test"] for seed, record in done.items()},
            runs={seed: record.id for seed, record in done.items()},
        )
        summaries.setdefault(cell.arm.label, []).append(summary)
    whole = {
        label: sorted(found, key=lambda summary: summary.budget)
        for label, found in summaries.items()
        if len(found) == len(plan.budgets)
    }
    if FIXED not in whole:
        return None
    fixed = whole[FIXED]
    target = max(summary.mean for summary in fixed)
    target_budget = next(summary.budget for summary in fixed if summary.mean == target)
    others = {label: found[-1] for label, found in whole.items() if label != FIXED}
    tests = {label: _paired(final.scores, fixed[-1].scores) for label, final in others.items()}
    adjusted = _holm({label: test.p_value for label, test in tests.items() if test.p_value is not None})
    final_areas = {cell.arm.label: area for cell, area in areas.items() if cell.budget == plan.budgets[-1]}
    rows = []
    for label, found in whole.items():
        needed, bound = share_needed(
            [summary.budget for summary in found], [summary.mean for summary in found], target, target_budget
        )
        test = tests.get(label)
        rows.append(
            Row(
                label,
                tuple(found),
                None if test is None else test.mean,
                None if test is None else test.interval,
                adjusted.get(label),
                needed,
                bound,
                final_areas.get(label, math.nan),
            )
        )
    rows.sort(key=lambda row: -row.final.mean)
    together = _together(list(others.values()), fixed[-1])
    return Ranking(tuple(rows), target, target_budget, missing, together)


def share_needed(
    budgets: Sequence[int], means: Sequence[float], target: float, target_budget: int
) -> tuple[float | None, bool]:
    """Return the share of ``target_budget`` at which the scores reach the target.

    Args:
        budgets: updates, rising.
        means: the score at each of them, each run ended.
        target: the score to reach.
        target_budget: the updates that count as the whole.

    Returns:
        the share, between two budgets interpolated in log budget, or None where it is not reached, or is not
        finite; and whether already the smallest budget reaches it.

    >>> share_needed([100, 400], [0.8, 0.9], 0.85, 400)
    (0.5, False)
    """
    if not math.isfinite(target):
        return None, False
    if means[0] >= target:
        return budgets[0] / target_budget, True
    for (low, below), (high, above) in pairwise(zip(budgets, means, strict=True)):
        if above >= target:
            # A diverged run below has no score to interpolate from: then the whole step is needed.
            way = (target - below) / (above - below) if math.isfinite(below) else 1.0
            return round(math.exp(math.log(low) + way * math.log(high / low)) / target_budget, 12), False
    return None, False


def _mean(scores: Iterable[float]) -> float:
    # Summed exactly, so that scores in another order do not break a tie.
    return fmean(scores)


def _together(others: Sequence[Summary], fixed: Summary) -> Difference | None:
    """The mean of the schedules that did not diverge, against the fixed rate."""
    sound = [summary.scores for summary in others if math.isfinite(summary.mean)]
    if not sound:
        return None
    means = {seed: fmean(scores[seed] for scores in sound) for seed in fixed.scores}
    return _paired(means, fixed.scores)


def _paired(ours: Mapping[int, float], fixed: Mapping[int, float]) -> Difference:
    """The mean difference by seed, its t interval, and the p value of no difference."""
    if not all(map(math.isfinite, (*ours.values(), *fixed.values()))):
        return Difference(fmean(ours.values()) - fmean(fixed.values()), None, None)
    differences = [ours[seed] - fixed[seed] for seed in ours]
    mean, count = fmean(differences), len(differences)
    if count == 1:
        return Difference(mean, None, None)
    error = float(np.std(differences, ddof=1)) / math.sqrt(count)
    rounding = ROUNDING * max(map(abs, (*ours.values(), *fixed.values())))
    if error <= rounding:
        # Equal differences say nothing of their spread: only their sign counts, as so many tosses of a coin.
        return Difference(mean, None, 1.0 if abs(mean) <= rounding else 2.0 ** (1 - count))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    p_value = 2 * float(stats.t.sf(abs(mean) / error, count - 1))
    return Difference(mean, (mean - reach, mean + reach), p_value)


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjustment: the chance of one false finding or more among all of these stays at 5 %."""
    adjusted, worst = {}, 0.0
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    for place, (label, p_value) in enumerate(ordered):
        worst = max(worst, min(p_value * (len(ordered) - place), 1.0))
        adjusted[label] = worst
    return adjusted
