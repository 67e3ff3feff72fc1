"""Keras: the six schedules and ``ReduceLROnPlateau``; in float64, and once in its own float32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"  # read where keras is first imported

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.optimizers import schedules as peers

from etude import (
    BASE,
    Constant,
    Cosine,
    Exponential,
    Horizon,
    InverseTime,
    Linear,
    Plateau,
    Polynomial,
    PolynomialCycles,
    Schedule,
    Steps,
    piecewise_constant,
    sgdr,
)
from tests.peers.compare import STEPS, assert_same, floors, lengths, rates, shares


@pytest.fixture(autouse=True, scope="module")
def _in_float64() -> Iterator[None]:
    usual = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(usual)


def run(theirs: peers.LearningRateSchedule, steps: int = STEPS) -> list[float]:
    return [float(theirs(step)) for step in range(steps)]


def assert_follows(ours: Schedule, theirs: peers.LearningRateSchedule, steps: int = STEPS) -> None:
    assert_same(ours, run(theirs, steps))


@given(rates, lengths, st.floats(0.1, 1.5))
def test_exponential_decay(rate: float, length: int, decay: float) -> None:
    ours = Exponential(decay, start=rate, per=length)
    assert_follows(ours, peers.ExponentialDecay(rate, length, decay))


@given(rates, lengths, st.floats(0.1, 1.5))
def test_exponential_decay_by_stairs(rate: float, length: int, decay: float) -> None:
    ours = Steps(length, decay, start=rate)
    assert_follows(ours, peers.ExponentialDecay(rate, length, decay, staircase=True))


@given(st.sets(st.integers(0, 50), min_size=1, max_size=4), st.data())
def test_piecewise_constant_decay_changes_one_step_late(at: set[int], data: st.DataObject) -> None:
    values = data.draw(st.lists(rates, min_size=len(at) + 1, max_size=len(at) + 1))
    theirs = peers.PiecewiseConstantDecay(sorted(at), values)
    assert_follows(piecewise_constant([when + 1 for when in sorted(at)], rates=values), theirs)


@given(rates, floors, lengths, st.floats(0.2, 4))
def test_polynomial_decay(rate: float, floor: float, length: int, power: float) -> None:
    ours = Polynomial(rate, floor, over=length, power=power)
    assert_follows(ours, peers.PolynomialDecay(rate, length, floor, power))


@given(rates, floors, lengths, st.floats(0.2, 4))
def test_polynomial_decay_in_cycles(rate: float, floor: float, length: int, power: float) -> None:
    ours = PolynomialCycles(length, power=power, start=rate - floor) + floor
    assert_follows(ours, peers.PolynomialDecay(rate, length, floor, power, cycle=True))


@given(rates, lengths, st.floats(0, 2))
def test_inverse_time_decay(rate: float, length: int, decay: float) -> None:
    ours = InverseTime(decay, start=rate, per=length)
    assert_follows(ours, peers.InverseTimeDecay(rate, length, decay))


@given(rates, st.integers(4, 40), st.floats(0, 2))
def test_inverse_time_decay_by_stairs(rate: float, length: int, decay: float) -> None:
    stairs = range(STEPS // length + 1)
    ours = piecewise_constant(
        [length * stair for stair in stairs[1:]], rates=[rate / (1 + decay * stair) for stair in stairs]
    )
    assert_follows(ours, peers.InverseTimeDecay(rate, length, decay, staircase=True))


@given(rates, lengths, st.floats(0, 1))
def test_cosine_decay(rate: float, length: int, alpha: float) -> None:
    assert_follows(Cosine(rate, alpha * rate, over=length), peers.CosineDecay(rate, length, alpha))


@given(floors, rates, st.integers(1, 20), lengths, st.floats(0, 1))
def test_cosine_decay_after_a_warmup(
    start: float, rate: float, warmup: int, decay: int, alpha: float
) -> None:
    # Their decay_steps come after the warmup's: optax's are the whole.
    theirs = peers.CosineDecay(start, decay, alpha, warmup_target=rate, warmup_steps=warmup)
    ours = Linear(start, rate, over=warmup) >> Cosine(rate, alpha * rate, over=decay)
    assert_follows(ours, theirs)


@given(rates, lengths, st.sampled_from([1.0, 1.5, 2.0]), st.floats(0.2, 1), st.floats(0, 1))
def test_cosine_decay_restarts(rate: float, first: int, stretch: float, gain: float, alpha: float) -> None:
    # The floor is alpha of the first peak for ever, and the height above it is what shrinks.
    theirs = peers.CosineDecayRestarts(rate, first, stretch, gain, alpha)
    falling = Cosine((1 - alpha) * rate, 0.0, over=first).repeat(stretch=stretch, gain=gain)
    assert_follows(falling + Constant(alpha * rate), theirs, 2 * STEPS)
    if gain == 1 or alpha == 0:
        ours = sgdr(first, stretch=stretch, floor=alpha * rate, peak=rate, gain=gain)
        assert_follows(ours, theirs, 2 * STEPS)


def test_their_restart_that_a_logarithm_misses() -> None:
    # In their own float32 the default t_mul=2 fails where the log₂ of a power of two is a little below it.
    starts = [2**n - 1 for n in range(1, 20)]
    keras.config.set_floatx("float32")
    theirs = peers.CosineDecayRestarts(1.0, 1)
    missed = [start for start in starts if float(theirs(start)) < 1]
    keras.config.set_floatx("float64")
    assert missed == [8_191, 32_767]
    assert sgdr(1, stretch=2).on(Horizon())(starts, base=1.0).tolist() == [1.0] * len(starts)


@given(rates, lengths, shares)
@settings(max_examples=10)
def test_in_float32_they_agree_to_its_roundings(rate: float, length: int, alpha: float) -> None:
    keras.config.set_floatx("float32")
    close: dict[str, Any] = {"relative": 1e-6, "of_the_peak": 2e-7}
    try:
        cases: list[tuple[Schedule, peers.LearningRateSchedule]] = [
            (Exponential(alpha, start=rate, per=length), peers.ExponentialDecay(rate, length, alpha)),
            (Polynomial(rate, over=length, power=2), peers.PolynomialDecay(rate, length, 0.0, 2.0)),
            (InverseTime(alpha, start=rate, per=length), peers.InverseTimeDecay(rate, length, alpha)),
            (Cosine(rate, alpha * rate, over=length), peers.CosineDecay(rate, length, alpha)),
        ]
        for ours, theirs in cases:
            # The exponent itself is rounded: its error grows with the number of decades passed.
            decades = STEPS / length * -np.log10(alpha) if theirs is cases[0][1] else 0.0
            assert_same(ours, run(theirs), **close | {"relative": 1e-6 * (1 + decades)})
    finally:
        keras.config.set_floatx("float64")


@given(
    st.lists(st.integers(1, 40).map(lambda eighths: eighths / 8), min_size=1, max_size=30),
    st.sampled_from([0.5, 0.25]),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from([0.0, 0.25]),
    st.sampled_from(["min", "max"]),
    st.sampled_from([0.0, 2.0**-5]),
)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of its torch backend
def test_reduce_lr_on_plateau(
    metrics: list[float],
    factor: float,
    patience: int,
    cooldown: int,
    margin: float,
    mode: Any,
    least: float,
) -> None:
    # Powers of two, which are the same in the float32 that the optimizer or the callback may use.
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(
        "score", factor, patience, mode=mode, min_delta=margin, cooldown=cooldown, min_lr=least
    )
    callback.set_model(model)
    callback.on_train_begin()
    seen = []
    for epoch, metric in enumerate(metrics):
        seen.append(float(model.optimizer.learning_rate))
        callback.on_epoch_end(epoch, {"score": metric})
    plan = Constant(BASE) * Plateau(
        "score",
        factor=factor,
        patience=patience,
        mode=mode,
        threshold=margin,
        threshold_mode="abs",
        cooldown=cooldown,
        minimum=least,
        counting="keras",
    )
    assert plan.on(Horizon()).replay(metrics).tolist() == seen


def test_all_of_it_is_here() -> None:
    schedules = {name for name in dir(peers) if isinstance(getattr(peers, name), type)}
    assert schedules - {"LearningRateSchedule"} == {
        "CosineDecay",
        "CosineDecayRestarts",
        "ExponentialDecay",
        "InverseTimeDecay",
        "PiecewiseConstantDecay",
        "PolynomialDecay",
    }
