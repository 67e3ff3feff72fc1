"""What a range test has measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from etude.eases import Array
from etude.errors import ScheduleError
from etude.schedules import bounds

__all__ = ["Curve"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Losses and metrics against the values that the updates used, one row for each repeat.

    Args:
        rates: the value that each step used, of the first group; > 0 (the first may be 0), rising.
        losses: repeats × steps; NaN where a repeat had ended, or its loss was not finite.
        metrics: whatever else was measured, by name, of the same shape.
        base: the first group's own value; the others are ``rates / base`` times theirs.
        ended: for each repeat why it ended before the last rate, or None.
        of: the hyperparameter.
        alike: whether all groups have one value.

    Raises:
        ScheduleError: for arrays that do not fit.

    >>> from etude.finder import Curve
    >>> curve = Curve([0.1, 0.2, 0.4], [[2.0, 1.5, float("nan")]], base=0.1)
    >>> curve.multiplier, curve.loss
    (array([1., 2., 4.]), array([2. , 1.5, nan]))
    """

    rates: Array
    losses: Array
    metrics: Mapping[str, Array]
    base: float
    ended: tuple[str | None, ...]
    of: str
    alike: bool
    steps: Array = field(init=False)

    def __init__(
        self,
        rates: ArrayLike,
        losses: ArrayLike,
        metrics: Mapping[str, ArrayLike] | None = None,
        *,
        base: float = 1.0,
        ended: Sequence[str | None] | None = None,
        of: str = "lr",
        alike: bool = True,
    ) -> None:
        values, rows = _array(rates, "rates"), np.atleast_2d(_array(losses, "losses"))
        if values.ndim != 1 or values.size < 2 or not (np.isfinite(values).all() and values[0] >= 0):
            raise ScheduleError(f"rates must be two or more finite numbers, at least 0; got {rates!r}")
        if not (np.diff(values) > 0).all():
            raise ScheduleError("rates must rise from each step to the next")
        if not isinstance(metrics, Mapping | None) or not all(
            isinstance(name, str) for name in metrics or {}
        ):
            raise ScheduleError(f"metrics must be rows of numbers by name; got {metrics!r}")
        named = {name: np.atleast_2d(_array(of_name, name)) for name, of_name in (metrics or {}).items()}
        for name, array in {"losses": rows, **named}.items():
            if array.shape != (len(rows), len(values)):
                raise ScheduleError(
                    f"{name} must be one row for each repeat, of one number for each rate: "
                    f"{(len(rows), len(values))}; got the shape {array.shape}"
                )
        listed = [None] * len(rows) if ended is None else ended
        reasons = tuple(listed) if isinstance(listed, list | tuple) else ()
        if len(reasons) != len(rows) or not all(isinstance(why, str | None) for why in reasons):
            raise ScheduleError(
                f"ended must have one reason or None for each of {len(rows)} repeats; got {ended!r}"
            )
        if not isinstance(of, str):
            raise ScheduleError(f"of must be the name of a hyperparameter; got {of!r}")
        own = bounds.number(base, "base", above=0)
        fields = {"rates": values, "losses": rows, "metrics": named, "base": own, "ended": reasons, "of": of}
        flag = bounds.flag(alike, "alike")
        for name, value in {**fields, "alike": flag, "steps": np.arange(len(values))}.items():
            object.__setattr__(self, name, value)

    @property
    def multiplier(self) -> Array:
        """What each group's own value was multiplied by."""
        return self.rates / self.base

    @property
    def repeats(self) -> int:
        """How often the ramp was gone through."""
        return len(self.losses)

    @property
    def loss(self) -> Array:
        """The mean loss of the repeats; NaN where one of them has none."""
        mean: Array = self.losses.mean(axis=0)
        return mean

    def metric(self, name: str) -> Array:
        """The mean of a metric over the repeats; NaN where one of them has none.

        Raises:
            ScheduleError: for a metric that was not measured.
        """
        if name not in list(self.metrics):
            known = ", ".join(map(repr, self.metrics)) or "none"
            raise ScheduleError(f"no metric called {name!r} was measured; there are {known}")
        mean: Array = self.metrics[name].mean(axis=0)
        return mean

    def repeat(self, index: int) -> Curve:
        """One repeat as a curve of its own.

        Raises:
            ScheduleError: for a repeat that there is not.
        """
        if bounds.whole(index, "repeat", least=0) >= self.repeats:
            raise ScheduleError(f"repeat must be less than {self.repeats}, which there are; got {index!r}")
        return Curve(
            self.rates,
            self.losses[index],
            {name: rows[index] for name, rows in self.metrics.items()},
            base=self.base,
            ended=[self.ended[index]],
            of=self.of,
            alike=self.alike,
        )


def _array(values: ArrayLike, field: str) -> Array:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ScheduleError(f"{field} must be numbers; got {values!r}") from None
    array.setflags(write=False)
    return array
