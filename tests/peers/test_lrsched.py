"""lrsched: every schedule and combinator of its ``__all__``."""

from __future__ import annotations

from functools import partial
from typing import Any

import lrsched
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    Constant,
    Cosine,
    Exponential,
    Horizon,
    InverseSqrt,
    Linear,
    Polynomial,
    Ramp,
    Schedule,
    cosine,
    cyclic,
    exponential,
    multistep,
    sgdr,
    step,
)
from etude.torch import Scheduler
from tests.peers.compare import STEPS, assert_same, floors, lengths, rates, sgd, shares


def assert_as_sampled(ours: Schedule, theirs: Any, steps: int = STEPS) -> None:
    assert_same(ours, lrsched.sample(theirs, num_steps=steps))


@given(rates)
def test_constant(rate: float) -> None:
    assert_as_sampled(Constant(rate), lrsched.constant(lr=rate))


@given(rates, shares, lengths)
def test_step_decay(rate: float, drop: float, size: int) -> None:
    assert_as_sampled(
        step(size, drop, peak=rate), lrsched.step_decay(base_lr=rate, drop=drop, step_size=size)
    )


@given(rates, st.lists(lengths, min_size=1, max_size=5), shares)
def test_multi_step(rate: float, at: list[int], gamma: float) -> None:
    theirs = lrsched.multi_step(base_lr=rate, milestones=at, gamma=gamma)
    assert_as_sampled(multistep(at, gamma, peak=rate), theirs)


@given(rates, st.floats(0.5, 1.05))
def test_exponential(rate: float, gamma: float) -> None:
    assert_as_sampled(exponential(gamma, peak=rate), lrsched.exponential(base_lr=rate, gamma=gamma))


@given(rates, st.floats(0.01, 0.99), lengths)
def test_exponential_decay(rate: float, decay: float, length: int) -> None:
    theirs = lrsched.exponential_decay(base_lr=rate, decay_rate=decay, decay_steps=length)
    assert_as_sampled(exponential(decay, per=length, peak=rate), theirs)


@given(rates, floors, lengths, st.floats(0.2, 4))
def test_polynomial_under_both_names(rate: float, floor: float, length: int, power: float) -> None:
    ours = Polynomial(rate, floor, over=length, power=power)
    same: Any = {"end_lr": floor, "total_steps": length, "power": power}
    assert_as_sampled(ours, lrsched.polynomial(base_lr=rate, **same))
    assert_as_sampled(ours, lrsched.polynomial_decay(start_lr=rate, **same))


@given(rates, rates, lengths)
def test_linear(start: float, stop: float, length: int) -> None:
    theirs = lrsched.linear(base_lr=start, end_lr=stop, total_steps=length)
    assert_as_sampled(Linear(start, stop, over=length), theirs)


@given(rates, floors, lengths)
def test_cosine(rate: float, floor: float, length: int) -> None:
    theirs = lrsched.cosine(base_lr=rate, min_lr=floor, total_steps=length)
    assert_as_sampled(cosine(length, floor=floor, peak=rate), theirs)


@given(rates, floors, lengths, st.integers(1, 4))
def test_cosine_restarts(rate: float, floor: float, period: int, stretch: int) -> None:
    theirs = lrsched.cosine_restarts(base_lr=rate, min_lr=floor, period=period, t_mult=stretch)
    assert_as_sampled(sgdr(period, stretch=stretch, floor=floor, peak=rate), theirs, 3 * STEPS)


@given(rates, lengths)
def test_inverse_sqrt(rate: float, warmup: int) -> None:
    ours = Linear(0.0, rate, over=warmup) >> InverseSqrt(warmup, start=rate)
    assert_as_sampled(ours, lrsched.inverse_sqrt(base_lr=rate, warmup_steps=warmup))


@given(rates, st.integers(2, 80), st.floats(0.05, 0.95), st.floats(1, 50), st.floats(1, 1e5))
def test_one_cycle_peaks_a_step_later_and_ends_on_total_steps(
    rate: float, total: int, up: float, div: float, final_div: float
) -> None:
    theirs = lrsched.one_cycle(
        max_lr=rate, total_steps=total, pct_start=up, initial_div=div, final_div=final_div
    )
    rise = min(max(1, round(up * total)), total - 1)
    # The end is a share of the peak here, and not of the start as in torch and in etude.one_cycle.
    ours = Cosine(rate / div, rate, over=rise) >> Cosine(rate, rate / final_div, over=total - rise)
    assert_as_sampled(ours, theirs, total + 5)


@pytest.mark.parametrize(
    ("shape", "ours"), [("linear", Linear), ("1-sqrt", partial(Ramp, ease="one_minus_sqrt"))]
)
@given(
    rate=rates,
    start=floors,
    floor=floors,
    warmup=st.integers(0, 15),
    stable=lengths,
    decay=st.integers(0, 40),
)
def test_warmup_stable_decay(
    shape: str, ours: Any, rate: float, start: float, floor: float, warmup: int, stable: int, decay: int
) -> None:
    theirs = lrsched.warmup_stable_decay(
        base_lr=rate,
        warmup_steps=warmup,
        decay_steps=decay,
        total_steps=warmup + stable + decay,
        final_lr=floor,
        warmup_start=start,
        decay_shape=shape,
    )
    plan = Linear(start, rate, over=warmup) >> Constant(rate, over=stable)
    # Without a decay there is nothing to end: past the total, theirs stays at the stable rate.
    assert_as_sampled(plan >> ours(rate, floor, over=decay) if decay else plan, theirs, STEPS * 2)


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@given(low=floors, rise=rates, size=lengths, gamma=st.floats(0.9, 1))
def test_cyclical_rates(mode: str, low: float, rise: float, size: int, gamma: float) -> None:
    decaying = {"gamma": gamma} if mode == "exp_range" else {}
    theirs = getattr(lrsched, mode)(min_lr=low, max_lr=low + rise, step_size=size, **decaying)
    assert_as_sampled(cyclic(size, low=low, high=low + rise, mode=mode, **decaying), theirs, 200)


@given(rates, lengths, floors, lengths)
def test_with_warmup(rate: float, length: int, start: float, warmup: int) -> None:
    theirs = lrsched.with_warmup(
        lrsched.cosine(base_lr=rate, min_lr=0.0, total_steps=length), warmup_steps=warmup, start_lr=start
    )
    assert_as_sampled(Linear(start, rate, over=warmup) >> cosine(length, peak=rate), theirs)


@given(rates, st.floats(0.8, 1), lengths, lengths)
def test_sequential(rate: float, gamma: float, first: int, second: int) -> None:
    theirs = lrsched.sequential(
        [
            (first, lrsched.exponential(base_lr=rate, gamma=gamma)),
            (second, lrsched.linear(base_lr=rate, end_lr=0.0, total_steps=second)),
        ]
    )
    ours = Exponential(gamma, start=rate).until(first) >> Linear(rate, 0.0, over=second)
    assert_as_sampled(ours, theirs, first + second)


def test_sequential_never_gives_the_end_of_its_last_phase() -> None:
    # Past the end theirs holds the last step's value, ours the value that the line was drawn to.
    theirs = lrsched.sequential([(4, lrsched.linear(base_lr=1.0, end_lr=0.0, total_steps=4))])
    assert lrsched.sample(theirs, num_steps=6) == [1.0, 0.75, 0.5, 0.25, 0.25, 0.25]
    assert Linear(1.0, 0.0, over=4).on(Horizon())(range(6)).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


@given(rates, st.floats(0.1, 10), st.floats(0.8, 1))
def test_scale_by_group(rate: float, head: float, gamma: float) -> None:
    theirs = lrsched.scale_by_group(
        lrsched.exponential(base_lr=rate, gamma=gamma), multipliers={"body": 1.0, "head": head}
    )
    optimizer = sgd(rate, rate * head)
    scheduler = Scheduler(optimizer, exponential(gamma), Horizon())
    for update in range(5):
        ours = [group["lr"] for group in optimizer.param_groups]
        assert ours == pytest.approx(list(theirs(update).values()), rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_all_of_it_is_here() -> None:
    tested = set(lrsched.__all__) - {"GroupSchedule", "Schedule", "sample"}
    assert tested == {
        "constant",
        "cosine",
        "cosine_restarts",
        "exp_range",
        "exponential",
        "exponential_decay",
        "inverse_sqrt",
        "linear",
        "multi_step",
        "one_cycle",
        "polynomial",
        "polynomial_decay",
        "scale_by_group",
        "sequential",
        "step_decay",
        "triangular",
        "triangular2",
        "warmup_stable_decay",
        "with_warmup",
    }
