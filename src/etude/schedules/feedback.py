"""Feedback: factors that follow a measured metric, as explicit state machines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from etude.errors import ScheduleError
from etude.schedules import bounds
from etude.schedules.algebra import Extent, Factor
from etude.timeline import Clock, Fed, Node

__all__ = ["Plateau", "PlateauState"]

Mode: TypeAlias = Literal["min", "max"]
ThresholdMode: TypeAlias = Literal["rel", "abs"]
Counting: TypeAlias = Literal["torch", "keras", "optax"]
OnNan: TypeAlias = Literal["bad", "ignore", "raise"]


@dataclass(frozen=True, slots=True)
class PlateauState:
    """What a Plateau remembers.

    Args:
        factor: the factor in force.
        best: the best metric so far; None before the first.
        bad: observations in a row that were no better.
        resting: observations still to come in which bad ones do not count.
        seen: observations in all.
        total: the sum of those that wait for their mean; None where one of them was no number.
    """

    factor: float = 1.0
    best: float | None = None
    bad: int = 0
    resting: int = 0
    seen: int = 0
    total: float | None = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlateauState:
        """Read what ``to_dict`` wrote; raises ScheduleError for anything else."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, Mapping) or set(values) != names:
            raise ScheduleError(f"the state of a Plateau has the fields {sorted(names)}; got {values!r}")
        best, total = values["best"], values["total"]
        return cls(
            factor=bounds.number(values["factor"], "the Plateau's factor", least=0),
            best=None if best is None else bounds.number(best, "the Plateau's best"),
            bad=bounds.whole(values["bad"], "the Plateau's bad", least=0),
            resting=bounds.whole(values["resting"], "the Plateau's resting", least=0),
            seen=bounds.whole(values["seen"], "the Plateau's seen", least=0),
            total=None if total is None else bounds.number(total, "the Plateau's total"),
        )


@dataclass(frozen=True, repr=False)
class Plateau(Factor):
    """A factor that falls when a metric stops getting better: ``plan * Plateau("val_loss")``.

    It starts at 1. Each observation is better than the best so far, or bad. After more than ``patience``
    bad ones in a row the factor is multiplied by ``factor``, not below ``minimum``, and bad ones do not
    count in the next ``cooldown`` observations. Better is by more than the margin ``threshold · abs(best)``
    (``"rel"``) or ``threshold`` (``"abs"``).

    - ``counting="torch"``: as above.
    - ``counting="keras"``: after ``patience`` bad ones, one earlier; and the last observation of the
      cooldown counts again, so that it rests for ``cooldown - 1``.
    - ``counting="optax"``: after ``patience`` bad ones; the cooldown as in torch.

    Args:
        metric: its name in ``scheduler.observe(name=value)``.
        factor: in [0, 1).
        patience: bad observations that are borne, ≥ 0; with the counting of Keras and optax ≥ 1.
        mode: whether a lower metric is better, ``"min"``, or a higher one, ``"max"``.
        threshold: ≥ 0.
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: observations, ≥ 0.
        minimum: of the factor, in [0, 1].
        counting: ``"torch"``, ``"keras"`` or ``"optax"``.
        nan: what a NaN or infinite metric is: ``"bad"``, as all peers have it; ``"ignore"``, as if it had
            not been observed; or ``"raise"``, a ScheduleError.
        start_after: observations that are ignored at first, such as those of the warmup, ≥ 0.
        average: judge the mean of so many observations, not each of them, ≥ 1.

    Elsewhere: torch ``ReduceLROnPlateau``, whose relative margin never triggers on negative metrics (here
    the margin is on the metric's size); Keras ``ReduceLROnPlateau`` (``min_delta`` is an absolute
    threshold); optax ``contrib.reduce_on_plateau`` (``accumulation_size`` is ``average``).

    >>> plateau, state = Plateau("val_loss", patience=1), PlateauState()
    >>> for loss in [1.0, 0.5, 0.5, 0.5]:
    ...     state = plateau.observe(state, loss)
    >>> state
    PlateauState(factor=0.1, best=0.5, bad=0, resting=0, seen=4, total=0.0)

    Source: torch's ``ReduceLROnPlateau``.
    """

    metric: str
    _: KW_ONLY
    factor: float = 0.1
    patience: int = 10
    mode: Mode = "min"
    threshold: float = 1e-4
    threshold_mode: ThresholdMode = "rel"
    cooldown: int = 0
    minimum: float = 0.0
    counting: Counting = "torch"
    nan: OnNan = "bad"
    start_after: int = 0
    average: int = 1

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
        counting = bounds.choice(self.counting, self._named("counting"), ("torch", "keras", "optax"))
        self._set(
            factor=factor,
            patience=bounds.whole(
                self.patience, self._named("patience"), least=0 if counting == "torch" else 1
            ),
            mode=bounds.choice(self.mode, self._named("mode"), ("min", "max")),
            threshold=bounds.number(self.threshold, self._named("threshold"), least=0),
            threshold_mode=bounds.choice(self.threshold_mode, self._named("threshold_mode"), ("rel", "abs")),
            cooldown=bounds.whole(self.cooldown, self._named("cooldown"), least=0),
            minimum=minimum,
            counting=counting,
            nan=bounds.choice(self.nan, self._named("nan"), ("bad", "ignore", "raise")),
            start_after=bounds.whole(self.start_after, self._named("start_after"), least=0),
            average=bounds.whole(self.average, self._named("average"), least=1),
        )

    def fresh(self) -> PlateauState:
        """Return the state before the first observation."""
        return PlateauState()

    def observe(self, state: PlateauState, value: float) -> PlateauState:
        """Return the state after one observation of the metric.

        Raises:
            ScheduleError: for a NaN or infinite value, with ``nan="raise"``.
        """
        if not math.isfinite(value):
            if self.nan == "raise":
                raise ScheduleError(
                    f"the metric {self.metric!r} is {value!r}; Plateau(nan='bad') would count it as bad, and "
                    f"nan='ignore' leave it out"
                )
            if self.nan == "ignore":
                return state
        seen = state.seen + 1
        if seen <= self.start_after:
            return replace(state, seen=seen)
        total = state.total + value if state.total is not None and math.isfinite(value) else None
        if (seen - self.start_after) % self.average:
            return replace(state, seen=seen, total=total)
        mean = None if total is None else total / self.average
        return self._judge(replace(state, seen=seen, total=0.0), mean)

    def _judge(self, state: PlateauState, value: float | None) -> PlateauState:
        """The state after one value that counts; None for one that is no number."""
        resting = state.resting
        if self.counting == "keras":  # which counts down first, and then looks whether it still rests
            resting = max(resting - 1, 0)
        if value is not None and self._is_better(value, state.best):
            state, bad = replace(state, best=float(value)), 0
        else:
            bad = 0 if resting else state.bad + 1
        if self.counting != "keras":
            resting = max(resting - 1, 0)
        if bad and bad >= self.patience + (self.counting == "torch"):
            factor = max(state.factor * self.factor, self.minimum)
            return replace(state, factor=factor, bad=0, resting=self.cooldown)
        return replace(state, bad=bad, resting=resting)

    def _is_better(self, value: float, best: float | None) -> bool:
        if best is None:
            return True
        margin = self.threshold * (abs(best) if self.threshold_mode == "rel" else 1.0)
        return value < best - margin if self.mode == "min" else value > best + margin

    @property
    def extent(self) -> Extent:
        return "timeless"

    def length(self, clock: Clock) -> Fraction | None:
        return None

    def resolve(self, clock: Clock) -> Node:
        return Fed(self, clock.origin)
