"""Feedback: factors that follow a measured metric, as explicit state machines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from etude.durations import Horizon
from etude.errors import ScheduleError
from etude.schedules import bounds
from etude.schedules.algebra import Extent, Schedule
from etude.timeline import Clock, Fed, Node

__all__ = ["Plateau", "PlateauState"]

Mode: TypeAlias = Literal["min", "max"]
ThresholdMode: TypeAlias = Literal["rel", "abs"]


@dataclass(frozen=True, slots=True)
class PlateauState:
    """What a Plateau remembers.

    Args:
        factor: the factor in force.
        best: the best metric so far; None before the first.
        bad: observations in a row that were no better.
        resting: observations still to come in which bad ones do not count.
    """

    factor: float = 1.0
    best: float | None = None
    bad: int = 0
    resting: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlateauState:
        """Read what ``to_dict`` wrote; raises ScheduleError for anything else."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise ScheduleError(f"the state of a Plateau has the fields {sorted(names)}; got {values!r}")
        best = values["best"]
        return cls(
            factor=bounds.number(values["factor"], "the Plateau's factor", least=0),
            best=None if best is None else bounds.number(best, "the Plateau's best"),
            bad=bounds.whole(values["bad"], "the Plateau's bad", least=0),
            resting=bounds.whole(values["resting"], "the Plateau's resting", least=0),
        )


@dataclass(frozen=True, repr=False)
class Plateau(Schedule):
    """A factor that falls when a metric stops getting better: ``plan * Plateau("val_loss")``.

    It starts at 1. Each observation is better than the best so far, or bad; after more than
    ``patience`` bad ones in a row the factor is multiplied by ``factor``, not below ``minimum``, and the
    next ``cooldown`` observations do not count as bad. Better is by more than the margin
    ``threshold · abs(best)`` (``"rel"``) or ``threshold`` (``"abs"``). NaN and infinite metrics are bad.

    Args:
        metric: its name in ``scheduler.observe(name=value)``.
        factor: in [0, 1).
        patience: bad observations that are borne, ≥ 0.
        mode: whether a lower metric is better, ``"min"``, or a higher one, ``"max"``.
        threshold: ≥ 0.
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: observations, ≥ 0.
        minimum: of the factor, in [0, 1].

    >>> plateau, state = Plateau("val_loss", patience=1), PlateauState()
    >>> for loss in [1.0, 0.5, 0.5, 0.5]:
    ...     state = plateau.observe(state, loss)
    >>> state
    PlateauState(factor=0.1, best=0.5, bad=0, resting=0)

    Source: torch's ``ReduceLROnPlateau``, whose relative margin never triggers on negative metrics; here
    the margin is on the metric's size.
    """

    metric: str
    _: KW_ONLY
    factor: float = 0.1
    patience: int = 10
    mode: Mode = "min"
    threshold: float = 1e-4
    threshold_mode: ThresholdMode = "rel"
    # The name that everyone knows it by hides the method, which a factor alone has no use for.
    cooldown: int = 0  # type: ignore[assignment]
    minimum: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric.isidentifier():
            raise ScheduleError(
                f"{self._named('metric')} must be a name such as 'val_loss'; got {self.metric!r}"
            )
        factor = bounds.number(self.factor, self._named("factor"), least=0)
        minimum = bounds.number(self.minimum, self._named("minimum"), least=0)
        if factor >= 1:
            raise ScheduleError(
                f"{self._named('factor')} must be less than 1, to reduce; got {self.factor!r}"
            )
        if minimum > 1:
            raise ScheduleError(
                f"{self._named('minimum')} must be at most 1, the start; got {self.minimum!r}"
            )
        self._set(
            factor=factor,
            patience=bounds.whole(self.patience, self._named("patience"), least=0),
            mode=bounds.choice(self.mode, self._named("mode"), ("min", "max")),
            threshold=bounds.number(self.threshold, self._named("threshold"), least=0),
            threshold_mode=bounds.choice(self.threshold_mode, self._named("threshold_mode"), ("rel", "abs")),
            cooldown=bounds.whole(self.cooldown, self._named("cooldown"), least=0),
            minimum=minimum,
        )

    def observe(self, state: PlateauState, value: float) -> PlateauState:
        """Return the state after one observation of the metric."""
        if self._is_better(value, state.best):
            return replace(state, best=float(value), bad=0, resting=max(state.resting - 1, 0))
        if state.resting:
            return replace(state, bad=0, resting=state.resting - 1)
        bad = state.bad + 1
        if bad <= self.patience:
            return replace(state, bad=bad)
        factor = max(state.factor * self.factor, self.minimum)
        return replace(state, factor=factor, bad=0, resting=self.cooldown)

    def _is_better(self, value: float, best: float | None) -> bool:
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        margin = self.threshold * (abs(best) if self.threshold_mode == "rel" else 1.0)
        return value < best - margin if self.mode == "min" else value > best + margin

    @property
    def extent(self) -> Extent:
        return "timeless"

    def length(self, horizon: Horizon) -> Fraction | None:
        return None

    def resolve(self, clock: Clock) -> Node:
        return Fed(self, clock.origin)
