"""optax: every function of ``optax.schedules``, and ``contrib.reduce_on_plateau``; in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Cosine,
    Exponential,
    Horizon,
    Linear,
    Plateau,
    Points,
    Polynomial,
    Schedule,
    Steps,
    piecewise_constant,
)
from tests.peers.compare import STEPS, assert_same, floors, lengths, rates, warmups

begins = st.integers(0, 20)


@pytest.fixture(autouse=True, scope="module")
def _in_float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def assert_follows(ours: Schedule, theirs: Callable[[Any], Any], steps: int = STEPS) -> None:
    # One array of steps at a time: jax compiles nothing anew from example to example.
    assert_same(ours, np.asarray(jax.vmap(theirs)(jnp.arange(steps))))


@given(rates)
def test_constant_schedule(rate: float) -> None:
    assert optax.constant_schedule(rate)(7) == Constant(rate).on(Horizon())(7)


@given(rates, floors, st.floats(0.2, 4), lengths, begins)
def test_polynomial_schedule(rate: float, floor: float, power: float, length: int, begin: int) -> None:
    ours = Polynomial(rate, floor, over=length, power=power).shift(begin)
    assert_follows(ours, optax.polynomial_schedule(rate, floor, power, length, begin))


@given(rates, rates, lengths, begins)
def test_linear_schedule(start: float, stop: float, length: int, begin: int) -> None:
    ours = Linear(start, stop, over=length).shift(begin)
    assert_follows(ours, optax.linear_schedule(start, stop, length, begin))


def test_without_length_theirs_never_starts_and_ours_is_at_its_end() -> None:
    assert optax.linear_schedule(0.0, 1.0, 0)(5) == 0.0
    assert Linear(0.0, 1.0, over=0).on(Horizon())(5) == 1.0


@given(rates, lengths, st.floats(0.1, 1.5), begins)
def test_exponential_decay(rate: float, length: int, decay: float, begin: int) -> None:
    ours = Exponential(decay, start=rate, per=length).shift(begin)
    assert_follows(ours, optax.exponential_decay(rate, length, decay, begin))


@given(rates, lengths, st.floats(0.1, 1.5), begins)
def test_exponential_decay_by_stairs(rate: float, length: int, decay: float, begin: int) -> None:
    ours = Steps(length, decay, start=rate).shift(begin)
    assert_follows(ours, optax.exponential_decay(rate, length, decay, begin, staircase=True))


@given(rates, lengths, st.floats(0.1, 1.5), floors)
def test_exponential_decay_to_an_end_value(rate: float, length: int, decay: float, end: float) -> None:
    law = Exponential(decay, start=rate, per=length)
    bound = end if decay < 1 else rate + end
    ours = law.clip(bound) if decay < 1 else law.clip(high=bound)
    assert_follows(ours, optax.exponential_decay(rate, length, decay, end_value=bound))


@given(rates, lengths, st.floats(0, 1), st.floats(0.2, 4))
def test_cosine_decay_schedule(rate: float, length: int, alpha: float, exponent: float) -> None:
    ours = Cosine(rate, alpha * rate, over=length, power=exponent)
    assert_follows(ours, optax.cosine_decay_schedule(rate, length, alpha, exponent))


scales = st.dictionaries(st.integers(1, 50), st.floats(0, 2), min_size=1, max_size=4)


def scaled(rate: float, boundaries: dict[int, float]) -> list[tuple[int, float]]:
    """The running product at each boundary, which is what both of the piecewise schedules hold there."""
    steps = sorted(boundaries)
    values = rate * np.cumprod([boundaries[step] for step in steps])
    return [(0, rate), *zip(steps, values.tolist(), strict=True)]


@given(rates, scales)
def test_piecewise_constant_schedule(rate: float, boundaries: dict[int, float]) -> None:
    points = scaled(rate, boundaries)
    ours = piecewise_constant([step for step, _ in points[1:]], rates=[value for _, value in points])
    assert_follows(ours, optax.piecewise_constant_schedule(rate, boundaries))


@pytest.mark.parametrize("ease", ["linear", "cosine"])
@given(rate=rates, boundaries=scales)
def test_piecewise_interpolate_schedule(ease: Any, rate: float, boundaries: dict[int, float]) -> None:
    ours = Points(scaled(rate, boundaries), ease=ease)
    assert_follows(ours, optax.piecewise_interpolate_schedule(ease, rate, boundaries))


@given(rates, floors, st.floats(0.5, 1), st.integers(1, 20), st.integers(1, 20))
def test_join_schedules(rate: float, floor: float, gamma: float, first: int, second: int) -> None:
    theirs = optax.join_schedules(
        [
            optax.linear_schedule(0.0, rate, 2 * first),
            optax.exponential_decay(rate, 1, gamma),
            optax.cosine_decay_schedule(rate, 10, floor),
        ],
        [first, first + second],
    )
    ours = (
        Linear(0.0, rate, over=2 * first).until(first)
        >> Exponential(gamma, start=rate).until(second)
        >> Cosine(rate, floor * rate, over=10)
    )
    assert_follows(ours, theirs)


@given(floors, rates, st.integers(1, 30))
def test_warmup_constant_schedule(start: float, rate: float, warmup: int) -> None:
    ours = Linear(start, rate, over=warmup) >> rate
    assert_follows(ours, optax.warmup_constant_schedule(start, rate, warmup))


@given(floors, rates, warmups, lengths, floors, st.floats(0.2, 4))
def test_warmup_cosine_decay_schedule(
    start: float, rate: float, warmup: int, decay: int, floor: float, exponent: float
) -> None:
    # Their decay_steps is the whole length, warmup included.
    theirs = optax.warmup_cosine_decay_schedule(start, rate, warmup, warmup + decay, floor, exponent)
    ours = Linear(start, rate, over=warmup) >> Cosine(rate, floor, over=decay, power=exponent)
    assert_follows(ours, theirs)


@given(floors, rates, warmups, lengths, st.floats(0.1, 0.99), begins, st.booleans())
def test_warmup_exponential_decay_schedule(
    start: float, rate: float, warmup: int, length: int, decay: float, begin: int, staircase: bool
) -> None:
    theirs = optax.warmup_exponential_decay_schedule(
        start, rate, warmup, length, decay, begin, staircase, rate / 10
    )
    law = Steps(length, decay, start=rate) if staircase else Exponential(decay, start=rate, per=length)
    ours = Linear(start, rate, over=warmup) >> law.shift(begin).clip(rate / 10)
    assert_follows(ours, theirs)


@given(rates, st.integers(1, 55), st.floats(0.02, 0.98), st.floats(1, 50), st.floats(1, 1e5))
def test_cosine_onecycle_schedule(peak: float, total: int, up: float, div: float, final_div: float) -> None:
    theirs = optax.cosine_onecycle_schedule(total, peak, up, div, final_div)
    rise = int(up * total)
    start = peak / div
    ours = Cosine(start, peak, over=rise) >> Cosine(peak, start / final_div, over=total - rise)
    assert_follows(ours, theirs)


@given(rates, st.integers(4, 55), st.floats(0.05, 0.45), st.floats(0.5, 0.95), st.floats(1, 50))
def test_linear_onecycle_schedule(peak: float, total: int, up: float, back: float, div: float) -> None:
    assume(int(up * total) < int(back * total) < total)
    theirs = optax.linear_onecycle_schedule(total, peak, up, back, div)
    rise, fall = int(up * total), int(back * total)
    start = peak / div
    # Down to the start, and on to a share of the start: not of the peak, as its docstring has it.
    ours = (
        Linear(start, peak, over=rise)
        >> Linear(peak, start, over=fall - rise)
        >> Linear(start, start / 1e4, over=total - fall)
    )
    assert_follows(ours, theirs)


def test_their_linear_onecycle_of_one_step_loses_its_peak_and_starts_below_its_start() -> None:
    # Two of its boundaries are the step 0 there, and the later one replaces the earlier one's scale.
    theirs = optax.linear_onecycle_schedule(1, 1.0)
    assert [float(theirs(step)) for step in (0, 1)] == pytest.approx([1 / 25**2, 1e-4 / 25**2])
    line = Linear(1 / 25, 1e-4 / 25, over=1).on(Horizon())
    assert line([0, 1]).tolist() == [1 / 25, 1e-4 / 25]


@given(st.lists(st.tuples(floors, rates, st.integers(0, 5), st.integers(6, 12)), min_size=1, max_size=4))
def test_sgdr_schedule(cycles: list[tuple[float, float, int, int]]) -> None:
    theirs = optax.sgdr_schedule(
        [
            {"init_value": start, "peak_value": peak, "warmup_steps": warmup, "decay_steps": length}
            for start, peak, warmup, length in cycles
        ]
    )
    first, *others = (
        Linear(start, peak, over=warmup) >> Cosine(peak, 0.0, over=length - warmup)
        for start, peak, warmup, length in cycles
    )
    ours: Schedule = first
    for cycle in others:
        ours = ours >> cycle
    assert_follows(ours, theirs)


# All metrics, means and margins are exact: theirs compares with a product, ours with a difference.
metrics = st.lists(st.integers(1, 40).map(lambda eighths: eighths / 8), min_size=1, max_size=40)


@given(
    metrics,
    st.sampled_from([0.5, 0.1]),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from([1, 2]),
    st.sampled_from([0.0, 0.03]),
)
@settings(max_examples=12)  # jax compiles each anew
def test_reduce_on_plateau(
    losses: list[float],
    factor: float,
    patience: int,
    cooldown: int,
    atol: float,
    average: int,
    least: float,
) -> None:
    rtol = 0.0 if atol else 0.25
    theirs = optax.contrib.reduce_on_plateau(
        factor, patience, rtol, atol, cooldown, accumulation_size=average, min_scale=least
    )
    update = jax.jit(theirs.update)
    state = theirs.init(jnp.zeros(()))
    scales = [1.0]
    for loss in losses:
        _, state = update(jnp.ones(()), state, value=loss)
        scales.append(float(state.scale))
    plan = Constant(BASE) * Plateau(
        "loss",
        factor=factor,
        patience=patience,
        threshold=atol or rtol,
        threshold_mode="abs" if atol else "rel",
        cooldown=cooldown,
        minimum=least,
        counting="optax",
        average=average,
    )
    assert plan.on(Horizon()).replay(losses) == pytest.approx(scales[:-1], rel=1e-12)


def test_their_plateau_is_blind_to_a_negative_metric() -> None:
    # A metric that stands still at -1 is better than -1 · (1 - 0.0001) = -0.9999, for ever.
    theirs = optax.contrib.reduce_on_plateau(0.1, 2)
    update = jax.jit(theirs.update)
    state = theirs.init(jnp.zeros(()))
    for _ in range(9):
        _, state = update(jnp.ones(()), state, value=-1.0)
    assert float(state.scale) == 1.0
    plan = Constant(1.0) * Plateau("loss", patience=2, counting="optax")
    assert plan.on(Horizon()).replay([-1.0] * 4)[-1] == 0.1


@given(rates, st.floats(0.5, 1))
def test_a_schedule_of_ours_is_one_of_theirs(rate: float, gamma: float) -> None:
    # Optax takes any function of the step: a table is one, outside of jit.
    table = Exponential(gamma, start=rate).on(Horizon())
    joined = optax.join_schedules([table, table], [5])
    assert float(joined(7)) == pytest.approx(rate * gamma**2, rel=1e-12)


def test_all_of_it_is_here() -> None:
    assert {name for name in dir(optax.schedules) if name.islower() and name[0] != "_"} == {
        "constant_schedule",
        "cosine_decay_schedule",
        "cosine_onecycle_schedule",
        "exponential_decay",
        "inject_hyperparams",
        "inject_stateful_hyperparams",
        "join_schedules",
        "linear_onecycle_schedule",
        "linear_schedule",
        "piecewise_constant_schedule",
        "piecewise_interpolate_schedule",
        "polynomial_schedule",
        "sgdr_schedule",
        "warmup_constant_schedule",
        "warmup_cosine_decay_schedule",
        "warmup_exponential_decay_schedule",
    }
