"""Schedules in JAX: functions of the step count that Optax takes and ``jit`` compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from etude.durations import Horizon
from etude.schedules import Rate
from etude.tracing import Foreign, Formula, Namespace, formula

__all__ = ["compiled", "to_optax"]

JNP = Namespace(
    jnp,
    array=jnp.asarray,
    view=lambda value: jax.lax.bitcast_convert_type(value, jnp.int64),
    cast=lambda value, dtype: value.astype(dtype),
)


def to_optax(plan: Rate, horizon: Horizon, base: float = 1.0) -> Callable[[Any], jax.Array]:
    """Return the schedule as a function of the step count, an Optax ``Schedule``.

    It is compiled, and goes into ``jit``, ``vmap``, ``scan`` and ``optax.inject_hyperparams``. The values are
    worked out in float64, whatever JAX is set to, and rounded once: to float32, or not at all under
    ``jax_enable_x64``. So counts beyond 2²⁴, where float32 can no longer count, are right too.

    Args:
        plan: the schedule.
        horizon: turns its lengths into steps.
        base: the base rate, what ``BASE`` stands for.

    Returns:
        a function of a count, or an array of them, below 2³¹; one below 0 has the value of step 0.

    Raises:
        ScheduleError: for a base rate that is none, and for what only Python can do: follow a metric
            (``Plateau``), call a function (``Custom``), raise an error at a step (``after="raise"``).
        HorizonError: where a duration needs what the horizon does not say.

    >>> rate = to_optax(Cosine(), Horizon(total=1000), base=0.1)
    >>> print(rate(0), rate(500), rate(1000))
    0.1 0.05 0.0
    """
    return compiled(formula(plan, horizon, base, "to_optax"))


def compiled(values: Formula) -> Callable[[Any], jax.Array]:
    """Return a formula as a compiled function of the count."""

    def schedule(count: Any) -> jax.Array:
        dtype = jnp.zeros(()).dtype  # the precision that JAX is set to
        with jax.enable_x64(True):
            steps = jnp.maximum(jnp.asarray(count).astype(jnp.float64), 0.0)
            rates: jax.Array = values(Foreign(steps, JNP)).value.astype(dtype)
        return rates

    return jax.jit(schedule)
