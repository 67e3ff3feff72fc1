"""What range tests at several values of another hyperparameter hand back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from etude import plots
from etude.errors import ScheduleError
from etude.finder.answers import Answer, NoAnswer, Suggestion
from etude.finder.curve import Curve
from etude.finder.result import RangeTest
from etude.finder.saved import from_json, to_json
from etude.finder.suggestions import suggest
from etude.finder.views import View, look
from etude.schedules import bounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RangeTestGrid"]

KIND = "grid of range tests"
SOURCE = "Smith, 2018, arXiv 1803.09820"
# Two lowest losses are told apart from so many standard errors on.
APART = 2.0


@dataclass(frozen=True)
class _Low:
    """How low the smooth loss of a test gets: the level, its standard error, and at which rate."""

    loss: float
    error: float
    rate: float
    open: bool


class RangeTestGrid:
    """One range test for each value of another hyperparameter, and which value they speak for.

    Args:
        across: the hyperparameter.
        tests: the test of each value; two or more, all of one ramp.

    Raises:
        ScheduleError: for fewer, or tests of different hyperparameters.

    >>> from etude.finder import Curve, RangeTest, RangeTestGrid
    >>> rates = np.geomspace(1e-4, 10.0, 101)
    >>> def test(low):
    ...     loss = 2.0 - (2.0 - low) / (1 + (0.01 / rates) ** 2) + (rates / 3) ** 2
    ...     return RangeTest(Curve(rates, loss))
    >>> grid = RangeTestGrid("weight_decay", {0.0: test(0.5), 1e-4: test(0.4), 1e-2: test(1.5)})
    >>> grid.suggestions["lowest"].value, grid.suggestions["lowest"].reason
    (0.0001, 'the loss gets to 0.41 there, at lr 0.2')

    Source: Smith, 2018 (arXiv 1803.09820), section 4.4.
    """

    def __init__(self, across: str, tests: Mapping[float, RangeTest]) -> None:
        if not isinstance(across, str):
            raise ScheduleError(f"across must be the name of a hyperparameter; got {across!r}")
        if not isinstance(tests, Mapping):
            raise ScheduleError(f"tests must be a RangeTest for each value of {across}; got {tests!r}")
        for value, test in tests.items():
            bounds.number(value, f"values of {across}", least=0)
            if not isinstance(test, RangeTest):
                raise ScheduleError(f"tests must be RangeTests; got {test!r} for {across} {value!r}")
        if len(tests) < 2:
            raise ScheduleError(f"a grid must have two or more values of {across}; got {list(tests)}")
        swept = {test.curve.of for test in tests.values()}
        if len(swept) > 1:
            raise ScheduleError(f"the tests of a grid must be of one hyperparameter; got {sorted(swept)}")
        self.across = across
        self.tests = {value: tests[value] for value in sorted(tests)}
        [self.of] = swept

    @cached_property
    def suggestions(self) -> Mapping[str, Answer]:
        """Which value is worth training with, by two rules, with those that are as good but for the noise.

        ======= ==================================================================
        lowest  the value with which the smooth loss gets lowest
        stable  the value that keeps the loss below its first level up to the largest rate
        ======= ==================================================================
        """
        return {"lowest": self._lowest(), "stable": self._stable()}

    @cached_property
    def _lows(self) -> dict[float, _Low | str]:
        return {value: _low(test.curve) for value, test in self.tests.items()}

    @cached_property
    def _edges(self) -> dict[float, Answer]:
        """The rate up to which each value is stable."""
        return {value: suggest(test.curve, edge_over=1)["edge/1"] for value, test in self.tests.items()}

    def _lowest(self) -> Answer:
        lows = {value: low for value, low in self._lows.items() if isinstance(low, _Low)}
        if not lows:
            [why, *_] = [low for low in self._lows.values() if isinstance(low, str)]
            return NoAnswer("lowest", why, SOURCE)
        best = min(lows, key=lambda value: lows[value].loss)
        low = lows[best]
        if low.open:
            why = f"with {self.across} {best:g} the loss still falls at the last {self.of}; raise stop"
            return NoAnswer("lowest", why, SOURCE)
        alike = [
            value
            for value, other in lows.items()
            if other.loss - low.loss <= APART * (other.error**2 + low.error**2) ** 0.5
        ]
        reason = f"the loss gets to {low.loss:.3g} there, at {self.of} {low.rate:.3g}"
        return Suggestion("lowest", best, min(alike), max(alike), reason, SOURCE)

    def _stable(self) -> Answer:
        edges = {value: edge for value, edge in self._edges.items() if isinstance(edge, Suggestion)}
        if len(edges) < len(self._edges):
            value, none = next((value, edge) for value, edge in self._edges.items() if value not in edges)
            return NoAnswer("stable", f"with {self.across} {value:g} {none.reason}", SOURCE)
        # Of those that are as stable, the largest value, as in the paper.
        best = max(edges, key=lambda value: (edges[value].value, value))
        edge = edges[best]
        alike = [value for value, other in edges.items() if other.high >= edge.low]
        reason = f"the loss is back where it began only from {self.of} {edge.value:.3g} on"
        return Suggestion("stable", best, min(alike), max(alike), reason, SOURCE)

    def __str__(self) -> str:
        lines = [f"range tests of {self.of} at {len(self.tests)} values of {self.across}"]
        for value in self.tests:
            low, edge = self._lows[value], self._edges[value]
            lowest = low if isinstance(low, str) else f"loss {low.loss:.3g} at {low.rate:.3g}"
            stable = f"stable below {edge.value:.3g}" if isinstance(edge, Suggestion) else edge.reason
            lines.append(f"  {value:g}: {lowest}; {stable}")
        return "\n".join(lines + [f"  {answer}" for answer in self.suggestions.values()])

    # JSON.

    def to_json(self) -> str:
        """Write the curves of all tests."""
        tests = [{"value": value, "test": test.values()} for value, test in self.tests.items()]
        return to_json(KIND, {"across": self.across, "tests": tests})

    @classmethod
    def from_json(cls, text: str) -> RangeTestGrid:
        """Read what ``to_json`` has written.

        Raises:
            ScheduleError: for what it has not written.
        """

        def build(values: Any) -> RangeTestGrid:
            tests = {entry["value"]: RangeTest.of_values(entry["test"]) for entry in values["tests"]}
            return cls(values["across"], tests)

        return from_json(KIND, text, build)

    # Pictures.

    def chart(self, metric: str | None = None) -> plots.Chart:
        """Return the numbers of the picture: the smooth curve of each value.

        Args:
            metric: the metric to show, instead of the loss.
        """
        charts = {value: test.chart(metric) for value, test in self.tests.items()}
        first = next(iter(charts.values()))
        name = self.across.replace("_", " ")
        # The last of a test's series is the smooth one; where there are too few points for that, these.
        ends = {value: chart.series[-1] for value, chart in charts.items()}
        return plots.Chart(
            title=f"{first.title} at several values of {name}",
            x_label=first.x_label,
            y_label=first.y_label,
            series=[
                plots.Series(f"{name} {value:g}", series.x, series.y, style=series.style)
                for value, series in ends.items()
            ],
            x_scale=first.x_scale,
        )

    def plot(self, path: str | Path | None = None, *, metric: str | None = None) -> Figure:
        """Draw the tests with matplotlib, and save them where a path (.png, .svg, .pdf) is given."""
        chart = self.chart(metric)
        if path is not None:
            plots.save(chart, path)
        return plots.draw(chart)

    def _repr_svg_(self) -> str:
        return plots.to_svg(self.chart())


def _low(curve: Curve) -> _Low | str:
    view = _view(curve)
    if isinstance(view, str):
        return view
    each = [_view(curve.repeat(index)) for index in range(curve.repeats)]
    levels = [float(one.fit[one.lowest]) for one in each if isinstance(one, View)]
    # The noise around one curve says nothing of how another repeat would go.
    spread = float(np.std(levels, ddof=1)) / len(levels) ** 0.5 if len(levels) >= 3 else 0.0
    return _Low(
        float(view.fit[view.lowest]),
        max(view.error, spread),
        float(view.rates[view.lowest]),
        view.open and not view.flat,
    )


def _view(curve: Curve) -> View | str:
    return look(curve.rates, curve.loss, any(curve.ended))
