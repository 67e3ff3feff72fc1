"""Schedules in JAX: compiled, traced once, and as near to the table as float32 can be."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, reject, settings

import etude as et
from etude import BASE, Constant, Cosine, Custom, Horizon, Linear, Plateau, Schedule
from etude.errors import ScheduleError
from etude.jax import to_optax
from tests.strategies import HORIZON, STEPS, schedules

RUN = Horizon(total=100)
PLAN = Linear(0.1 * BASE, BASE, over=10) >> Cosine(BASE, 0.0, over=90)
COUNTS = np.array([*range(2 * STEPS), 2**24 + 1, 2**31 - 1], dtype=np.int32)


def compilable(schedule: Schedule) -> bool:
    return not any(isinstance(part, Custom | Plateau) for part in schedule.walk())


@given(schedules.filter(compilable))
@settings(max_examples=20)
def test_every_schedule_is_within_one_rounding_of_its_table(plan: Schedule) -> None:
    try:
        expected = plan.on(HORIZON)(COUNTS, 0.3)
    except ScheduleError:  # a value is too large for a float
        reject()
    values = np.array(to_optax(plan, HORIZON, 0.3)(jnp.array(COUNTS)))
    fits = expected < np.finfo(np.float32).max
    spacing = np.maximum(np.spacing(expected[fits].astype(np.float32)), 1e-15 * expected.max())
    # Compilers take what is below the normal range of float32 for 0.
    assert (np.abs(values[fits] - expected[fits]) <= np.maximum(spacing, np.finfo(np.float32).tiny)).all()


@pytest.mark.parametrize("plan", [PLAN, et.sgdr(3, stretch="3/2"), et.Noise(1, 0.5) * 1.0], ids=repr)
def test_jit_vmap_scan_and_a_plain_call_give_the_same(plan: Schedule) -> None:
    schedule = to_optax(plan, RUN, 0.1)
    plain = [float(schedule(step)) for step in range(100)]

    def next_rate(count: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        return count + 1, schedule(count)

    _, scanned = jax.lax.scan(next_rate, jnp.int32(0), None, length=100)
    assert scanned.tolist() == plain
    assert jax.vmap(schedule)(jnp.arange(100)).tolist() == plain
    assert jax.jit(schedule)(jnp.arange(100).reshape(4, 25)).ravel().tolist() == plain


@pytest.mark.parametrize(
    "count", [7, np.int64(7), np.uint8(7), jnp.int32(7), jnp.uint32(7), jnp.float32(7.0), 7.0], ids=repr
)
def test_any_number_may_count(count: Any) -> None:
    assert float(to_optax(PLAN, RUN, 0.1)(count)) == np.float32(PLAN.on(RUN)(7, 0.1))


def test_a_count_below_0_has_the_value_of_step_0() -> None:
    # optax.join_schedules asks its later schedules for such counts, and leaves the values.
    schedule = to_optax(PLAN, RUN, 0.1)
    assert schedule(jnp.array([-5, -1, 0])).tolist() == [np.float32(0.01)] * 3
    joined = optax.join_schedules([optax.constant_schedule(0.5), schedule], [20])
    assert joined(jnp.array([19, 20, 30])).tolist() == [0.5, np.float32(0.01), np.float32(0.1)]


def test_float64_is_used_within_and_left_as_it_was_outside() -> None:
    schedule = to_optax(PLAN, RUN, 0.1)
    assert schedule(3).dtype == jnp.ones(()).dtype == jnp.float32
    with jax.enable_x64(True):
        assert schedule(3).dtype == jnp.float64
        assert float(schedule(3)) == pytest.approx(PLAN.on(RUN)(3, 0.1), rel=1e-15)
    assert schedule(3).dtype == jnp.ones(()).dtype == jnp.float32


def test_a_train_step_is_traced_once_and_uses_each_rate() -> None:
    traces = []
    optimizer = optax.sgd(to_optax(PLAN, RUN, 0.1))

    @jax.jit
    def step(weight: jax.Array, state: optax.OptState) -> tuple[jax.Array, optax.OptState]:
        traces.append(1)
        updates, state = optimizer.update(jnp.ones(()), state)
        return optax.apply_updates(weight, updates), state

    weight, used = jnp.zeros(()), []
    state = optimizer.init(weight)
    for _ in range(100):
        weight, state = step(jnp.zeros(()), state)
        used.append(-float(weight))
    assert len(traces) == 1
    assert used == PLAN.on(RUN)(range(100), 0.1).astype(np.float32).tolist()


def test_the_rate_that_inject_hyperparams_logs_is_the_one_used() -> None:
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=to_optax(PLAN, RUN, 0.1))
    state = optimizer.init(jnp.zeros(()))
    for step in range(30):
        _, state = optimizer.update(jnp.ones(()), state)
        assert float(state.hyperparams["learning_rate"]) == np.float32(PLAN.on(RUN)(step, 0.1))


def test_it_trains_as_the_same_schedule_of_optax_does() -> None:
    theirs = optax.warmup_cosine_decay_schedule(0.01, 0.1, 10, 100)

    def losses(schedule: Any) -> list[float]:
        optimizer = optax.adam(schedule)
        weights = jnp.array([1.0, -2.0])
        state, seen = optimizer.init(weights), []

        @jax.jit
        def step(weights: jax.Array, state: optax.OptState) -> tuple[jax.Array, optax.OptState, jax.Array]:
            loss, gradient = jax.value_and_grad(lambda w: jnp.sum((w - 3.0) ** 2))(weights)
            updates, state = optimizer.update(gradient, state)
            return optax.apply_updates(weights, updates), state, loss

        for _ in range(100):
            weights, state, loss = step(weights, state)
            seen.append(float(loss))
        return seen

    assert losses(to_optax(PLAN, RUN, 0.1)) == pytest.approx(losses(theirs), rel=1e-4)


def test_no_part_makes_a_nan_where_another_one_is_meant() -> None:
    plan = et.Geometric(BASE, 0.1 * BASE, over=5) >> et.Rex(over=20) >> et.RAdamWarmup(0.99) * 1.0
    with jax.debug_nans(True):
        values = to_optax(plan, RUN, 0.0)(jnp.array([0, 4, 5, 24, 2**31 - 1]))
    assert values.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_refusals_name_the_function() -> None:
    with pytest.raises(ScheduleError, match=r"^to_optax cannot follow a metric .*reduce_on_plateau"):
        to_optax(Constant(BASE) * Plateau("loss"), RUN)
    with pytest.raises(ScheduleError, match=r"^to_optax\(plan=\) must be a schedule"):
        to_optax("cosine()", RUN)  # type: ignore[arg-type]
