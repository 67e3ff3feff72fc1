"""Suggestions: what the curve of a range test says about the rates to train with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from etude.eases import Array
from etude.errors import ScheduleError
from etude.finder.answers import Answer, NoAnswer, Suggestion
from etude.finder.curve import Curve
from etude.finder.smoothing import reach_of
from etude.finder.views import View, look, redrawn
from etude.schedules import bounds

__all__ = ["EDGE_OVER", "Answer", "NoAnswer", "Suggestion", "accuracy_in", "suggest"]

EDGE_OVER = 4.0
# The shares of a fall (or rise) by which it is said to have begun, and to be over.
BEGUN, OVER = 0.05, 0.95
# A rate has to take training as far as half of the fall, and to be borne. The best fixed one is this share of
# the geometric mean of the two rates that say so, and a one-cycle's best peak so many times that: chosen on
# real tasks, and about the same without any one of them (benchmarks/finder_quality.py).
HALF, SHARE, PEAK_OVER = 0.5, 0.16, 2.5
# In 9 of 10 sweeps, the best rate lies within the noise's interval widened by this factor (as above).
OFF = 4.0
# The paper's "starts to rise" and "slows": a tenth of the rise, and a fifth of the steepest slope.
RISES, SLOWS = 0.1, 0.2
# Ragged is noise of so many times the size before, along so many points.
RAGGED, ALONG = 3.0, 9
# Less than this share of the whole rise is no noise to speak of.
LEAST_RAGGED = 0.02
# No answer is given where so large a share of the repeats or redrawn curves has none, or where the interval's
# ends are so many times apart.
MOST_UNANSWERED, MOST_APART = 0.25, 30.0

CLR = "Smith, 2017, arXiv 1506.01186"
MEASURED = "measured, benchmarks/finder_quality.py"


@dataclass(frozen=True)
class Found:
    """A value that a rule finds in one view, and why."""

    value: float
    reason: str


Rule = Callable[[View], Found | str]
"""A rule: the value that it finds in a view, or why there is none."""


def suggest(curve: Curve, *, metric: str | None = None, edge_over: float = EDGE_OVER) -> dict[str, Answer]:
    """Return what each rule suggests, by its name.

    =============== ==========================================================================================
    steepest        where the smooth loss falls fastest against the logarithm of the rate
    valley          the middle, in that logarithm, of the fall from the first level to the lowest
    fixed           0.16 · √(Σ · η), at most 0.4 · η: to be kept. Σ is the sum of the rates of all steps up to
                    where half of the fall is done, η the last rate at which 9/10 of it are
    peak            2.5 times that: the top of a cycle, which is only passed
    minimum/10      a tenth of the rate at which the smooth loss is lowest
    edge/4          a quarter of the rate from which on the smooth loss is above its first level, or ended
    base            where the metric starts to rise: by a tenth of all that it rises
    max             where the metric slows to a fifth of its steepest rise, turns ragged, or falls
    max/3, max/4    the paper's other lower bounds
    =============== ==========================================================================================

    Args:
        curve: what was measured.
        metric: the name of a metric that is better the higher it is, for the paper's bounds; not given, the
            first with "acc" in its name.
        edge_over: what the edge is divided by, ≥ 1.

    Raises:
        ScheduleError: for a metric that was not measured, and what is no curve.

    >>> from etude.finder import Curve, suggest
    >>> rates = np.geomspace(1e-5, 1.0, 101)
    >>> loss = 2.0 - 1.5 / (1 + (0.001 / rates) ** 2) + (rates / 0.1) ** 2
    >>> print(suggest(Curve(rates, loss))["steepest"])
    steepest: 0.001 (0.000891 to 0.00112), the loss falls fastest there [Smith, 2017; fastai, 2020]

    Source: Smith, 2017 (arXiv 1506.01186), section 3.3; Howard and Gugger, 2020 (fastai).
    """
    if not isinstance(curve, Curve):
        raise ScheduleError(f"curve must be a Curve; got {curve!r}")
    over = bounds.number(edge_over, "edge_over", least=1)
    by_loss: dict[str, tuple[Rule, str]] = {
        "steepest": (_steepest, "Smith, 2017; fastai, 2020"),
        "valley": (_valley, "fastai, 2021"),
        "fixed": (_fixed, MEASURED),
        "peak": (_peak, MEASURED),
        "minimum/10": (_tenth_of_lowest, "fastai, 2018"),
        f"edge/{over:g}": (lambda view: _below_edge(view, over), "a margin below what diverges"),
    }
    losses = _Evidence(curve, curve.losses)
    answers = {name: losses.answer(name, rule, source) for name, (rule, source) in by_loss.items()}
    for name in ("fixed", "peak"):
        answers[name] = _of_the_best(answers[name], curve.of)
    measured = accuracy_in(curve) if metric is None else metric
    if measured is None:
        why = "no accuracy was measured; have train_step() return (loss, {'accuracy': ...})"
        return answers | {name: NoAnswer(name, why, source) for name, (_, source) in _BY_METRIC.items()}
    curve.metric(measured)  # which tells of a name that is not known
    # A rise is a fall upside down.
    metrics = _Evidence(curve, -curve.metrics[measured])
    return answers | {name: metrics.answer(name, rule, source) for name, (rule, source) in _BY_METRIC.items()}


def accuracy_in(curve: Curve) -> str | None:
    """The first metric that is called an accuracy."""
    return next((name for name in curve.metrics if "acc" in name.lower()), None)


def _of_the_best(answer: Answer, of: str) -> Answer:
    """With an interval that is to hold the best rate, not only what the rule would find again."""
    if of != "lr":
        # A sum of anything else is no distance.
        return NoAnswer(answer.name, f"it is a rule for 'lr', and this test was of {of!r}", MEASURED)
    if isinstance(answer, NoAnswer):
        return answer
    return replace(answer, low=answer.low / OFF, high=answer.high * OFF)


class _Evidence:
    """The view of the repeats' mean, and other views that chance might have shown instead."""

    def __init__(self, curve: Curve, rows: Array) -> None:
        self.view = look(curve.rates, rows.mean(axis=0), any(curve.ended))
        self.others: list[View | str] = []
        self.kind, self.lower, self.upper = "curves redrawn from the noise", 0.05, 0.95
        if len(rows) >= 3:
            self.kind, self.lower, self.upper = "repeats", 0.0, 1.0
            ends = zip(rows, curve.ended, strict=True)
            self.others = [look(curve.rates, row, why is not None) for row, why in ends]
        elif isinstance(self.view, View):
            self.others = list(redrawn(self.view))

    def answer(self, name: str, rule: Rule, source: str) -> Answer:
        """What a rule finds, with the interval of what it finds in the other views."""
        found = self.view if isinstance(self.view, str) else rule(self.view)
        if isinstance(found, str):
            return NoAnswer(name, found, source)
        others = [other if isinstance(other, str) else rule(other) for other in self.others]
        values = [other.value for other in others if isinstance(other, Found)]
        silent = Counter(other for other in others if isinstance(other, str))
        if silent.total() > MOST_UNANSWERED * len(others):
            [(why, _)] = silent.most_common(1)
            return NoAnswer(name, f"{silent.total()} of {len(others)} {self.kind} have none: {why}", source)
        low, high = np.quantile(values, [self.lower, self.upper], method="nearest").tolist()
        low, high = min(low, found.value), max(high, found.value)
        if high > MOST_APART * low:
            return NoAnswer(name, f"it could be anything from {low:.2g} to {high:.2g} for the noise", source)
        return Suggestion(name, found.value, low, high, found.reason, source)


# By the loss.


def _steepest(view: View) -> Found | str:
    if view.flat:
        return view.flat
    place = int(view.slope[: view.lowest + 1].argmin())
    if place <= reach_of(len(view.fit)):
        return "the loss falls fastest at the first rates; begin with a lower start"
    return Found(float(view.rates[place]), "the loss falls fastest there")


def _valley(view: View) -> Found | str:
    if view.flat:
        return view.flat
    if view.open:
        return "the loss still falls at the last rate; raise stop"
    way = view.start - view.fit[: view.lowest + 1]
    begin = int(np.flatnonzero(way <= BEGUN * view.fall)[-1]) if (way <= BEGUN * view.fall).any() else 0
    end = int(np.flatnonzero(way >= OVER * view.fall)[0])
    first, last = view.rates[[begin, end]].tolist()
    return Found((first * last) ** 0.5, f"the middle of the fall from {first:.2g} to {last:.2g}")


def _fixed(view: View) -> Found | str:
    if view.flat:
        return view.flat
    if view.open:
        return "the loss still falls at the last rate; raise stop"
    way = view.start - view.fit
    # Counted, not the first or the last crossing: an early dip or a late bump moves it by its own width only.
    half = int((way[: view.lowest + 1] < HALF * view.fall).sum())
    if view.fit[0] - view.fit[view.first : view.lowest + 1].max(initial=-np.inf) > HALF * view.fall:
        return "the loss falls from the first rates on; begin with a lower start"
    far = float(view.sums[min(half, view.lowest)])
    most = float(view.rates[np.flatnonzero(way >= (1 - RISES) * view.fall)[-1]])
    value = min(SHARE * (far * most) ** 0.5, most / PEAK_OVER)
    return Found(value, f"half of the fall takes rates that sum to {far:.2g}, and it holds up to {most:.2g}")


def _peak(view: View) -> Found | str:
    fixed = _fixed(view)
    if isinstance(fixed, str):
        return fixed
    return Found(PEAK_OVER * fixed.value, f"{PEAK_OVER:g} × fixed, {fixed.value:.2g}")


def _tenth_of_lowest(view: View) -> Found | str:
    if view.flat:
        return view.flat
    if view.open:
        return "the loss still falls at the last rate; raise stop"
    rate = float(view.rates[view.lowest])
    return Found(rate / 10, f"the loss is lowest at {rate:.2g}")


def _below_edge(view: View, over: float) -> Found | str:
    level = view.start + max(2 * view.error, RISES * view.fall, 1e-9 * abs(view.start))
    low = np.flatnonzero(view.fit <= level)
    last = len(view.fit) - 1
    edge = int(low[-1]) + 1 if len(low) else 0
    if edge > last and not view.ended:
        return "the loss does not come back to where it began; raise stop"
    rate = float(view.rates[min(edge, last)])
    return Found(rate / over, f"the loss is back where it began from {rate:.2g} on")


# By a metric, upside down.


def _rise(view: View) -> int | str:
    """Where the metric starts to rise: after the last place at which it was no higher than at first."""
    if view.flat:
        return f"the metric does not rise; {view.flat}"
    way = view.start - view.fit[: view.lowest + 1]
    below = np.flatnonzero(way < max(RISES * view.fall, 2 * view.error))
    return int(below[-1]) + 1 if len(below) else 0


def _base(view: View) -> Found | str:
    rise = _rise(view)
    if isinstance(rise, str):
        return rise
    if rise == 0:
        return "the metric rises from the first rate on; begin with a lower start"
    return Found(float(view.rates[rise]), "the metric starts to rise")


def _max(view: View) -> Found | str:
    rise = _rise(view)
    if isinstance(rise, str):
        return rise
    if view.open:
        return "the metric still rises at the last rate; raise stop"
    slope = view.slope[rise : view.lowest + 1]
    steepest = rise + int(slope.argmin())
    slow = np.flatnonzero(view.slope[steepest:] > SLOWS * view.slope[steepest])
    ends = {view.lowest: "falls"}
    if len(slow):
        ends[steepest + int(slow[0])] = "slows"
    ragged = _ragged(view, rise)
    if ragged is not None:
        ends[ragged] = "turns ragged"
    place = min(ends)
    return Found(float(view.rates[place]), f"the metric {ends[place]}")


def _ragged(view: View, since: int) -> int | None:
    """Where the noise from point to point becomes three times what it was before ``since``."""
    jumps = np.abs(np.diff(view.values, 2))
    before = jumps[: max(since, ALONG)]
    if len(jumps) - since < ALONG:
        return None
    around = np.median(np.lib.stride_tricks.sliding_window_view(jumps[since:], ALONG), axis=1)
    found = np.flatnonzero(around > RAGGED * max(float(np.median(before)), LEAST_RAGGED * view.fall))
    return since + int(found[0]) if len(found) else None


def _share_of_max(share: int) -> Rule:
    def rule(view: View) -> Found | str:
        top = _max(view)
        if isinstance(top, str):
            return top
        return Found(top.value / share, f"{top.reason} at {top.value:.2g}")

    return rule


_BY_METRIC: Mapping[str, tuple[Rule, str]] = {
    "base": (_base, CLR),
    "max": (_max, CLR),
    "max/3": (_share_of_max(3), CLR),
    "max/4": (_share_of_max(4), CLR),
}
