"""Schedules in Keras: a ``LearningRateSchedule`` that optimizers take, and that is saved with the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from etude import parse
from etude.durations import Horizon
from etude.errors import HorizonError, ScheduleError, SpecError
from etude.schedules import Rate
from etude.tracing import Foreign, Formula, Namespace, formula

__all__ = ["EtudeSchedule"]


class Functions:
    """Keras's functions, but those that give float32 even of float64 written with others."""

    cos, sin, tanh = keras.ops.cos, keras.ops.sin, keras.ops.tanh
    exp, expm1, sqrt = keras.ops.exp, keras.ops.expm1, keras.ops.sqrt
    where, zeros_like = keras.ops.where, keras.ops.zeros_like
    take, searchsorted, expand_dims = keras.ops.take, keras.ops.searchsorted, keras.ops.expand_dims
    min, sum = keras.ops.min, keras.ops.sum

    @staticmethod
    def maximum(a: Any, b: Any) -> Any:
        return keras.ops.where(a > b, a, b)

    @staticmethod
    def minimum(a: Any, b: Any) -> Any:
        return keras.ops.where(a < b, a, b)

    @staticmethod
    def floor(x: Any) -> Any:
        return x // 1.0


OPS = Namespace(
    Functions,
    array=lambda array: keras.ops.convert_to_tensor(array, dtype=array.dtype.name),
    view=lambda value: keras.ops.view(value, "int64"),
    cast=keras.ops.cast,
)


# Keras ships no types, so its classes are of any kind to the type checker.
@keras.saving.register_keras_serializable(package="etude")
class EtudeSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule for a Keras optimizer: ``keras.optimizers.Adam(EtudeSchedule(plan, horizon, base=1e-3))``.

    The rate follows the optimizer's own count of updates, ``optimizer.iterations``, which Keras saves: a
    model that is loaded goes on where it was. The values are worked out in float64 and rounded once, to
    Keras's float type, so that counts beyond 2²⁴ are right too.

    Args:
        plan: the schedule, or its text.
        horizon: turns its lengths into steps.
        base: the base rate, what ``BASE`` stands for.

    Raises:
        SpecError: for text that is no schedule.
        ScheduleError: for a base rate that is none; for what only Python can do: follow a metric
            (``Plateau``), call a function (``Custom``), raise an error at a step (``after="raise"``); and
            on another backend of Keras than torch and JAX, which have no float64 there.
        HorizonError: where a duration needs what the horizon does not say.

    >>> schedule = EtudeSchedule("Cosine()", Horizon(total=1000), base=0.1)
    >>> print([f"{float(schedule(step)):.3f}" for step in (0, 500, 1000)])
    ['0.100', '0.050', '0.000']
    """

    def __init__(self, plan: Rate | str, horizon: Horizon, base: float = 1.0) -> None:
        super().__init__()
        self.plan = parse(plan) if isinstance(plan, str) else plan
        self.horizon = horizon
        self._rates = _on_this_backend(formula(self.plan, horizon, base, "EtudeSchedule"))
        self.base = float(base)

    def __call__(self, step: Any) -> Any:
        """Return the rates at the counts ``step``, below 2³¹."""
        # A rate of half precision would be a poor one: Keras casts it where it is used.
        dtype = "float64" if keras.config.floatx() == "float64" else "float32"
        return keras.ops.cast(self._rates(step), dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what JSON holds of it: the plan's text, the horizon's sizes as text, and the base rate."""
        return {"plan": repr(self.plan), "horizon": self.horizon.to_dict(), "base": self.base}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> EtudeSchedule:
        """Read what ``get_config`` wrote; raises SpecError for anything else."""
        try:
            plan, horizon, base = config["plan"], Horizon.from_dict(config["horizon"]), config["base"]
        except (HorizonError, KeyError, TypeError) as error:
            raise SpecError(
                f"the config of an EtudeSchedule has plan, horizon and base; got {config!r}"
            ) from error
        return cls(plan, horizon, base)


def _on_this_backend(values: Formula) -> Callable[[Any], Any]:
    """The formula as a function of Keras's arrays; raises ScheduleError where these have no float64."""
    if keras.backend.backend() == "jax":
        from etude.jax import compiled  # for there keras.ops cuts float64 down

        rates = compiled(values)
        return lambda step: rates(keras.ops.convert_to_tensor(step))

    one = keras.ops.convert_to_tensor(1.0, dtype="float64")
    kept = keras.ops.where(one > 0, keras.ops.cos(one), one)
    if keras.backend.standardize_dtype(kept.dtype) != "float64":
        raise ScheduleError(
            f"EtudeSchedule needs float64, and keras.ops rounds it to {keras.config.floatx()} on the backend "
            f"{keras.backend.backend()!r}; set KERAS_BACKEND to torch or jax"
        )

    def in_float64(step: Any) -> Any:
        count = keras.ops.convert_to_tensor(step, dtype="float64")
        return values(Foreign(Functions.maximum(count, 0.0 * count), OPS)).value

    return in_float64
