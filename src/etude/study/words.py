"""What a ranking says, in words: the cells of the table, and the sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from etude.study.arms import FIXED
from etude.study.plan import Plan
from etude.study.rank import Ranking, Row
from etude.study.task import Task

__all__ = ["Line", "caveats", "columns", "lines", "score_text", "verdict"]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table as it is shown, and whether it is surely ahead (1), behind (-1) or neither."""

    cells: tuple[str, ...]
    standing: int


def score_text(score: float, task: Task) -> str:
    """A score as it is shown: in percent where the task's scores are shares."""
    if not math.isfinite(score):
        return "diverged"
    return f"{100 * score:.2f} %" if task.percent else f"{score:.5g}"


def columns(task: Task) -> tuple[str, ...]:
    """The heads of the table."""
    score = "test % ± se" if task.percent else "test ± se"
    return ("schedule", "peak", score, "vs fixed [95 %]", "updates", "Σ lr")


def lines(ranking: Ranking, plan: Plan) -> list[Line]:
    """The rows of the table, the best schedule first."""
    ahead = {row.label for row in ranking.ahead()}
    behind = {row.label for row in ranking.behind()}
    return [
        Line(_cells(row, plan), 1 if row.label in ahead else -1 if row.label in behind else 0)
        for row in ranking.rows
    ]


def _cells(row: Row, plan: Plan) -> tuple[str, ...]:
    task, final = plan.task, row.final
    # At the edge of the grid a better peak may lie beyond: then the one shown is a bound.
    edge = "" if not final.at_edge else "≤" if final.peak == plan.peaks[0] else "≥"
    peak = "its own" if final.peak is None else f"{edge}{final.peak:g}"
    score = "diverged"
    if math.isfinite(final.mean):
        score = f"{100 * final.mean:.2f}" if task.percent else f"{final.mean:.5g}"
    if math.isfinite(final.standard_error):
        error = final.standard_error
        score += f" ± {100 * error:.2f}" if task.percent else f" ± {error:.2g}"
    return (row.label, peak, score, _against(row, task), _needed(row), f"{row.area:.4g}")


def _signed(number: float, task: Task) -> str:
    return f"{100 * number:+.2f}" if task.percent else f"{number:+.4g}"


def _against(row: Row, task: Task) -> str:
    if row.difference is None:
        return "—"
    if not math.isfinite(row.difference):
        return "diverged"
    if row.interval is None:
        return _signed(row.difference, task)
    low, high = row.interval
    return f"{_signed(row.difference, task)} [{_signed(low, task)}, {_signed(high, task)}]"


def _needed(row: Row) -> str:
    if row.label == FIXED:
        return "100 %" if row.share is not None else "—"
    if row.share is None:
        return "never"
    return f"{'≤ ' if row.share_is_bound else ''}{100 * row.share:.0f} %"


def verdict(ranking: Ranking, plan: Plan) -> str:
    """What the data supports, in a sentence or two."""
    task, fixed = plan.task, ranking.fixed.final
    others = [row for row in ranking.rows if row.label != FIXED]
    scope = f"on {task.name}, over {_count(len(fixed.scores), 'seed')} of {_count(fixed.budget, 'update')}"
    if not others:
        return f"Only the fixed rate has been run {scope}."
    if not math.isfinite(fixed.mean):
        return (
            f"The fixed rate itself diverged {scope}, so there is nothing to compare with: let it choose "
            f"among lower peaks."
        )
    ahead, behind, diverged = ranking.ahead(), ranking.behind(), ranking.diverged()
    sentences = []
    if ahead:
        named = _listed([f"{row.label} ({_gap(row, task)})" for row in ahead])
        sentences.append(f"{named} {_end(ahead)} ahead of the tuned fixed rate {scope}.")
        sentences.append(_shares(ahead, ranking, task))
    elif ranking.ahead_together():
        sentences.append(_ahead_together(ranking, others, scope, task))
    else:
        best = max(others, key=lambda row: row.final.mean)
        sentences.append(_none_ahead(best, scope, plan, surely_worse=best in behind))
    if behind:
        sentences.append(f"{_listed([row.label for row in behind])} {_end(behind)} behind it.")
    if diverged:
        sentences.append(f"{_listed([row.label for row in diverged])} diverged.")
    undecided = len(others) - len(ahead) - len(behind) - len(diverged)
    if undecided and ahead:
        sentences.append(
            f"Of the other {undecided}, the data cannot tell."
            if undecided > 1
            else "The data cannot tell of the other."
        )
    return " ".join(sentence for sentence in sentences if sentence)


def _ahead_together(ranking: Ranking, others: Sequence[Row], scope: str, task: Task) -> str:
    """What to say where only all of them together stand out."""
    mean = 0.0 if ranking.together is None else ranking.together.mean
    unit = " points" if task.percent else ""
    finite = [row for row in others if math.isfinite(row.final.mean)]
    largest = sorted(finite, key=lambda row: -row.final.mean)[:3]
    return (
        f"Taken together the schedules end ahead of the tuned fixed rate {scope}, by "
        f"{_signed(mean, task)}{unit} on average; which of them do, so few seeds cannot tell. The largest "
        f"leads are of {_listed([f'{row.label} ({_gap(row, task)})' for row in largest])}."
    )


def _none_ahead(best: Row, scope: str, plan: Plan, *, surely_worse: bool) -> str:
    if not math.isfinite(best.final.mean):
        return f"No schedule helps {scope}."
    differs = f"the best of them, {best.label}, differs from the tuned fixed rate by {_gap(best, plan.task)}"
    if plan.seeds == 1:
        return f"One seed cannot tell a schedule from chance: {scope}, {differs}."
    if surely_worse:
        return f"No schedule helps {scope}: even {differs}."
    return f"No schedule helps measurably {scope}: {differs}, which chance can explain."


def _gap(row: Row, task: Task) -> str:
    return f"{_signed(row.difference or 0, task)}{' points' if task.percent else ''}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _end(rows: Sequence[Row]) -> str:
    return "ends" if len(rows) == 1 else "end"


def _shares(ahead: Sequence[Row], ranking: Ranking, task: Task) -> str:
    shares = sorted(100 * row.share for row in ahead if row.share is not None)
    if not shares:
        return ""
    bound = any(row.share_is_bound for row in ahead)
    low, high = f"{shares[0]:.0f}", f"{shares[-1]:.0f}"
    span = f"{low} %" if low == high else f"{low} to {high} %"
    what = "It needs" if len(ahead) == 1 else "They need"
    return (
        f"{what} {'at most ' if bound else ''}{span} of its updates to reach its best score, "
        f"{score_text(ranking.target, task)} after {ranking.target_budget:,}."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def caveats(ranking: Ranking, plan: Plan) -> list[str]:
    """What a reader must know to trust the table as far as it can be trusted."""
    notes = [
        f"Each schedule's peak was chosen among {', '.join(f'{peak:g}' for peak in plan.peaks)} by the mean "
        f"validation score of {_count(plan.tuning_seeds, 'seed')}, at each budget anew; test data played no "
        "part.",
        "Every run was ended: the schedule is laid over that run's own number of updates. Updates: how many "
        "it needs for the fixed rate's best score, as a share of those the fixed rate needed; interpolated "
        f"in log budget between runs of {', '.join(f'{budget:,}' for budget in plan.budgets)} updates.",
        "Ahead and behind mean a paired difference by seed that stands at 95 % for all schedules together "
        "(Holm); the intervals in the table are of each schedule alone, and of the seeds, not of other test "
        "data.",
    ]
    if ranking.ahead_together() and not ranking.ahead():
        notes.append(
            "What is said of the schedules taken together is a test of its own, at 95 %, of their mean "
            "difference to the fixed rate by seed."
        )
    edge = [row.label for row in ranking.rows if row.final.at_edge]
    if edge:
        notes.append(
            f"The peak of {_listed(edge)} is at the edge of the grid (≤ or ≥): a better one may lie beyond."
        )
    if ranking.missing:
        notes.append(
            f"{ranking.missing} of the {len(plan.arms) * len(plan.budgets)} pairs of a schedule and a length "
            f"have not finished; their schedules are left out."
        )
    return notes
