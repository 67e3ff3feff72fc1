"""Suggestions: what the curve of a range test says about the rates to train with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from etude.finder.answers import Answer, NoAnswer, Suggestion
from etude.finder.curve import Curve
from etude.finder.views import View, look, redrawn
from etude.schedules import bounds

__all__ = ["EDGE_OVER", "Answer", "NoAnswer", "Suggestion", "accuracy_in", "suggest"]

EDGE_OVER = 4.0
# The shares of a fall (or rise) by which it is said to have begun, and to be over.
BEGUN, OVER = 0.05, 0.95
# The paper's "starts to rise" and "slows": a tenth of the rise, and a fifth of the steepest slope.
RISES, SLOWS = 0.1, 0.2
# Ragged is what lies so many times as far from the smooth curve as before.
RAGGED = 3.0
# No answer is given where so large a share of the repeats or redrawn curves has none, or where the interval's
# ends are so many times apart.
MOST_UNANSWERED, MOST_APART = 0.25, 30.0

CLR = "Smith, 2017, arXiv 1506.01186"


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

    >>> from etude.finder import Curve, suggest
    >>> rates = np.geomspace(1e-5, 1.0, 101)
    >>> loss = 2.0 - 1.5 / (1 + (0.001 / rates) ** 2) + (rates / 0.1) ** 2
    >>> print(suggest(Curve(rates, loss))["steepest"])
    steepest: 0.001 (0.000891 to 0.00112), the loss falls fastest there [Smith, 2017; fastai, 2020]

    Source: Smith, 2017 (arXiv 1506.01186), section 3.3; Howard and Gugger, 2020 (fastai).
    """
    over = bounds.number(edge_over, "edge_over", least=1)
    by_loss: dict[str, tuple[Rule, str]] = {
        "steepest": (_steepest, "Smith, 2017; fastai, 2020"),
        "valley": (_valley, "fastai, 2021"),
        "minimum/10": (_tenth_of_lowest, "fastai, 2018"),
        f"edge/{over:g}": (lambda view: _below_edge(view, over), "a margin below what diverges"),
    }
    answers: dict[str, Answer] = {
        name: _answer(name, rule, source, curve, curve.losses) for name, (rule, source) in by_loss.items()
    }
    measured = accuracy_in(curve) if metric is None else metric
    if measured is None:
        why = "no accuracy was measured; have train_step() return (loss, {'accuracy': ...})"
        return answers | {name: NoAnswer(name, why, source) for name, (_, source) in _BY_METRIC.items()}
    curve.metric(measured)  # which tells of a name that is not known
    # A rise is a fall upside down.
    rows = -curve.metrics[measured]
    return answers | {
        name: _answer(name, rule, source, curve, rows) for name, (rule, source) in _BY_METRIC.items()
    }


def accuracy_in(curve: Curve) -> str | None:
    """The first metric that is called an accuracy."""
    return next((name for name in curve.metrics if "acc" in name.lower()), None)


def _answer(name: str, rule: Rule, source: str, curve: Curve, rows: np.ndarray) -> Answer:
    """Apply a rule to the mean of the repeats, with an interval from these or from redrawn curves."""
    ended = any(curve.ended)
    view = look(curve.rates, rows.mean(axis=0), ended)
    found = view if isinstance(view, str) else rule(view)
    if isinstance(found, str):
        return NoAnswer(name, found, source)
    assert isinstance(view, View)
    if len(rows) >= 3:
        views = [look(curve.rates, row, bool(why)) for row, why in zip(rows, curve.ended, strict=True)]
        others = [other if isinstance(other, str) else rule(other) for other in views]
        kind, lower, upper = "repeats", 0.0, 1.0
    else:
        others = [rule(other) for other in redrawn(view)]
        kind, lower, upper = "curves redrawn from the noise", 0.05, 0.95
    values = [other.value for other in others if isinstance(other, Found)]
    silent = len(others) - len(values)
    if silent > MOST_UNANSWERED * len(others):
        return NoAnswer(name, f"{silent} of {len(others)} {kind} have none", source)
    low, high = np.quantile(values, [lower, upper], method="nearest").tolist()
    low, high = min(low, found.value), max(high, found.value)
    if high > MOST_APART * low:
        return NoAnswer(name, f"it could be anything from {low:.2g} to {high:.2g} for the noise", source)
    return Suggestion(name, found.value, low, high, found.reason, source)


# By the loss.


def _steepest(view: View) -> Found | str:
    if view.flat:
        return view.flat
    place = int(view.slope[: view.lowest + 1].argmin())
    if place <= 1:
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


def _tenth_of_lowest(view: View) -> Found | str:
    if view.flat:
        return view.flat
    if view.open:
        return "the loss still falls at the last rate; raise stop"
    rate = float(view.rates[view.lowest])
    return Found(rate / 10, f"the loss is lowest at {rate:.2g}")


def _below_edge(view: View, over: float) -> Found | str:
    level = view.start + max(2 * view.error, RISES * view.fall)
    low = np.flatnonzero(view.fit < level)
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
    off = np.abs(view.values - view.fit)
    usual = max(float(np.median(off[: steepest + 1])), view.error)
    if len(off) - steepest >= 5:
        around = np.median(np.lib.stride_tricks.sliding_window_view(off[steepest:], 5), axis=1)
        ragged = np.flatnonzero(around > RAGGED * usual)
        if len(ragged):
            ends[steepest + int(ragged[0])] = "turns ragged"
    place = min(ends)
    return Found(float(view.rates[place]), f"the metric {ends[place]}")


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
