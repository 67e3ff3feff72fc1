"""What a range test hands back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etude import plots
from etude.durations import DurationLike, to_duration
from etude.errors import ScheduleError
from etude.finder.answers import Answer, Suggestion
from etude.finder.curve import Curve
from etude.finder.saved import curve_values, from_json, to_json
from etude.finder.suggestions import suggest
from etude.finder.views import look
from etude.names import choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RangeTest"]

# What is shown in a picture; the others are shares of these.
BY_LOSS = ("steepest", "fixed", "peak")
BY_METRIC = ("base", "max")
_LABELS = {"lr": "learning rate", "weight_decay": "weight decay"}


class RangeTest:
    """The curve of a range test, what it suggests, and the schedules that follow from it.

    Args:
        curve: what was measured.
        metric: the metric of the paper's bounds; see ``suggest``.

    Raises:
        ScheduleError: for what is no curve, and a metric that was not measured.

    >>> from etude.finder import Curve, RangeTest
    >>> rates = np.geomspace(1e-5, 1.0, 101)
    >>> found = RangeTest(Curve(rates, 2.0 - 1.5 / (1 + (0.001 / rates) ** 2) + (rates / 0.1) ** 2))
    >>> found.plans()["one_cycle"]
    'one_cycle(peak=0.00719)'
    """

    def __init__(self, curve: Curve, metric: str | None = None) -> None:
        if not isinstance(curve, Curve):
            raise ScheduleError(f"curve must be a Curve; got {curve!r}")
        if metric is not None:
            curve.metric(metric)  # which tells of a name that is not known
        self.curve = curve
        self._metric = metric

    @cached_property
    def suggestions(self) -> Mapping[str, Answer]:
        """What each rule suggests, or why it has no answer."""
        return suggest(self.curve, metric=self._metric)

    def plans(self, *, by: str | None = None, stepsize: DurationLike = "4ep") -> dict[str, str]:
        """Return the texts of the next schedules: ``cyclic`` and ``one_cycle``.

        Rates are multiples of BASE where the groups have several, so that their ratios are kept.

        Args:
            by: the rule whose value is the upper bound of both; not given, the first that has an answer of
                ``max``, ``peak``, the edge and ``steepest`` for ``cyclic``, and of the same from ``peak``
                on for ``one_cycle``. The lower bound is ``base`` with ``max``, else a quarter of the upper.
            stepsize: half a cycle; the paper's is 2 to 10 epochs.

        Raises:
            ScheduleError: where no rule has an answer, or the test was not of the rate.
        """
        if self.curve.of != "lr":
            raise ScheduleError(f"plans are of the learning rate; this test was of {self.curve.of!r}")
        if by is not None:
            choice(by, "by", self.suggestions)
        edge = next(name for name in self.suggestions if name.startswith("edge/"))
        rules = ["peak", edge, "steepest"] if by is None else [by]
        peak = self._first(rules)
        top = peak if by is not None else self._first(["max", *rules])
        base = self.suggestions["base"]
        from_base = top.name == "max" and isinstance(base, Suggestion) and base.value < top.value
        low = base.value if from_base and isinstance(base, Suggestion) else top.value / 4
        up = to_duration(stepsize, "stepsize")
        return {
            "cyclic": f"cyclic({up!r}, low={self._level(low)}, high={self._level(top.value)})",
            "one_cycle": f"one_cycle(peak={self._level(peak.value)})",
        }

    def _first(self, rules: list[str]) -> Suggestion:
        answers = [self.suggestions[name] for name in rules]
        for answer in answers:
            if isinstance(answer, Suggestion):
                return answer
        raise ScheduleError(f"no schedule can be written from this test: {'; '.join(map(str, answers))}")

    def _level(self, rate: float) -> str:
        if self.curve.alike:
            return repr(float(f"{rate:.3g}"))
        return f"{float(f'{rate / self.curve.base:.3g}')!r} * BASE"

    def values(self) -> dict[str, Any]:
        """What the JSON holds; ``RangeTest.of_values`` takes it."""
        return {"curve": curve_values(self.curve), "metric": self._metric}

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> RangeTest:
        """Build it of its ``values()``."""
        return cls(Curve(**values["curve"]), values["metric"])

    def to_json(self) -> str:
        """Write the curve; what is suggested follows from it."""
        return to_json("range test", self.values())

    @classmethod
    def from_json(cls, text: str) -> RangeTest:
        """Read what ``to_json`` has written.

        Raises:
            ScheduleError: for what it has not written.
        """
        return from_json("range test", text, cls.of_values)

    def __str__(self) -> str:
        lines = [
            f"range test of {self.curve.of}, {len(self.curve.rates)} steps, {self.curve.repeats} repeat(s)"
        ]
        lines += [f"  ended early: {why}" for why in dict.fromkeys(filter(None, self.curve.ended))]
        return "\n".join(lines + [f"  {answer}" for answer in self.suggestions.values()])

    # Pictures.

    def chart(self, metric: str | None = None) -> plots.Chart:
        """Return the numbers of the picture: each repeat, the smooth curve, and what is suggested.

        Args:
            metric: the metric to show, instead of the loss.
        """
        curve = self.curve
        what = "loss" if metric is None else metric
        if metric is not None:
            curve.metric(metric)  # which tells of a name that is not known
        rows = curve.losses if metric is None else curve.metrics[metric]
        # In the middle, a straight ramp is half way up, and a geometric one far below.
        middle = curve.rates[len(curve.rates) // 2]
        geometric = curve.rates[0] > 0 and middle < curve.rates[-1] / 4
        sign = 1 if metric is None else -1
        view = look(curve.rates, sign * rows.mean(axis=0), any(curve.ended))
        smooth = []
        if not isinstance(view, str):
            # A loss that explodes would leave no room for the others.
            ceiling = float(view.values.max())
            beyond, fit = sign * rows > ceiling, view.fit
            if beyond.any():
                exploded = view.values >= ceiling
                # From there on, though a smooth loss may seem to come back.
                after = exploded & (np.arange(len(fit)) > fit.argmin())
                exploded |= np.logical_or.accumulate(after)
                rows, fit = np.where(beyond, np.nan, rows), np.where(exploded, np.nan, fit)
            smooth = [plots.Series("smooth", view.rates, sign * fit)]
        names = [what] if len(rows) == 1 else [f"{what}, repeat {index + 1}" for index in range(len(rows))]
        named = zip(names, rows, strict=True)
        points = [plots.Series(name, curve.rates, row, style="points") for name, row in named]
        shown = BY_METRIC if metric is not None else BY_LOSS
        answers = [self.suggestions[name] for name in shown]
        found = [answer for answer in answers if isinstance(answer, Suggestion)]
        label = _LABELS.get(curve.of, curve.of)
        return plots.Chart(
            title=f"Range test of the {label}",
            x_label=label if curve.alike else f"{label} of the first group",
            y_label=what,
            series=[*points, *smooth],
            shades=[plots.Shade(answer.low, answer.high, "") for answer in found],
            marks=[plots.Mark(answer.value, answer.name, answer.low, answer.high) for answer in found],
            x_scale="log" if geometric else "linear",
        )

    def plot(self, path: str | Path | None = None, *, metric: str | None = None) -> Figure:
        """Draw the test with matplotlib, and save it where a path (.png, .svg, .pdf) is given."""
        chart = self.chart(metric)
        if path is not None:
            plots.save(chart, path)
        return plots.draw(chart)

    def _repr_svg_(self) -> str:
        return plots.to_svg(self.chart())
