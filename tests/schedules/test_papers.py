"""Formulas as the papers print them, written down again, beside what is built here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    Cosine,
    Horizon,
    Hyperbolic,
    Polynomial,
    Ramp,
    Rex,
    Schedule,
    Sigmoid,
    Tanh,
    adafactor,
    chebyshev,
    cosine,
    infinite,
    inverse_sqrt,
    noam,
    power_scheduler,
    sgdr,
    slanted_triangular,
    wsd,
)

rates = st.floats(0.01, 10)
floors = st.floats(0, 0.01)
lengths = st.integers(1, 60)


def assert_follows(schedule: Schedule, formula: Callable[[int], float], steps: int, **horizon: Any) -> None:
    values = schedule.on(Horizon(**horizon))(range(steps))
    expected = np.array([formula(t) for t in range(steps)])
    assert values == pytest.approx(expected, rel=1e-11, abs=1e-13 * expected.max())


def half(p: float) -> float:
    return (1 + math.cos(math.pi * p)) / 2


@given(rates, floors, lengths, st.floats(0.3, 4), st.floats(0.3, 4))
def test_k_decay(peak: float, floor: float, over: int, power: float, k: float) -> None:
    def polynomial(t: int) -> float:
        return (peak - floor) * (1 - min(t, over) ** k / over**k) ** power + floor

    def cosine(t: int) -> float:
        share = min(t, over) ** k / over**k
        return (peak - floor) * half(share) ** power + floor

    assert_follows(Polynomial(peak, floor, over=over, power=power, k=k), polynomial, over + 3)
    assert_follows(Cosine(peak, floor, over=over, power=power, k=k), cosine, over + 3)


@given(rates, lengths)
def test_rex_of_the_paper_and_of_its_ports(peak: float, over: int) -> None:
    def paper(t: int) -> float:
        z = 1 - min(t / over, 1)
        return peak * z / (1 / 2 + z / 2)

    def port(t: int) -> float:
        z = 1 - min(t / over, 1)
        return peak * z / (0.1 + 0.9 * z)

    assert_follows(Rex(peak, over=over), paper, over + 3)
    assert_follows(Rex(peak, over=over, beta=0.9), port, over + 3)


@given(rates, floors, st.integers(1, 60), st.integers(0, 60))
def test_hyperbolic_lr(peak: float, floor: float, over: int, longer: int) -> None:
    upper = over + longer

    def f(t: int) -> float:
        x = min(t, over)
        return math.sqrt((over - x) / upper * (2 - (over + x) / upper))

    def hyperbolic(t: int) -> float:
        return peak + (peak - floor) * (f(t) - f(0))

    def exponential(t: int) -> float:
        return peak * (peak / (floor + 1e-6)) ** (f(t) - f(0))

    assert_follows(Hyperbolic(peak, floor, over=over, upper=upper), hyperbolic, over + 3)
    assert_follows(
        Hyperbolic(peak, floor + 1e-6, over=over, upper=upper, geometric=True), exponential, over + 3
    )


@given(rates, lengths, st.floats(-8, -0.5), st.floats(0.5, 8))
def test_tanh_is_the_papers_between_the_levels_that_it_comes_to(
    peak: float, over: int, lower: float, upper: float
) -> None:
    def paper(t: int) -> float:
        p = min(t / over, 1)
        return peak / 2 * (1 - math.tanh(lower + (upper - lower) * p))

    ours = Tanh(paper(0), paper(over), over=over, lower=lower, upper=upper)
    assert_follows(ours, paper, over + 3)


@given(rates, st.floats(0.01, 3), st.integers(0, 60), st.integers(1, 9))
def test_sigmoid(peak: float, rate: float, middle: int, per: int) -> None:
    def sigmoid(t: int) -> float:
        return 1 / (1 + math.exp(rate * (t - middle) / per))

    ours = Sigmoid(rate, middle=middle, per=per, start=peak)
    assert_follows(ours, lambda t: peak * sigmoid(t) / sigmoid(0), 100)


def test_a_steep_sigmoid_overflows_nowhere() -> None:
    assert Sigmoid(1e3, middle=1_000).on(Horizon())([0, 999, 1_001, 10**9]).tolist() == [1.0, 1.0, 0.0, 0.0]


@given(rates, lengths)
def test_quarter_cosine_and_mirrored_cosine(peak: float, over: int) -> None:
    def quarter(t: int) -> float:
        return peak * math.cos(math.pi / 2 * min(t / over, 1))

    def mirrored(t: int) -> float:
        q = min(t / over, 1)
        return peak * (2 * (1 - q) - half(q))

    assert_follows(Ramp(peak, over=over, ease="quarter_cosine"), quarter, over)
    assert_follows(Ramp(peak, over=over, ease="mirror_cosine"), mirrored, over + 3)


@given(st.integers(1, 4096), st.integers(1, 60), st.floats(0.1, 4))
def test_noam(d_model: int, warmup: int, scale: float) -> None:
    def attention_is_all_you_need(t: int) -> float:
        number = t + 1  # their steps are counted from 1
        return scale * d_model**-0.5 * min(number**-0.5, number * warmup**-1.5)

    assert_follows(noam(d_model=d_model, warmup=warmup, scale=scale), attention_is_all_you_need, 200)


@given(rates, st.integers(0, 60), st.integers(1, 60))
def test_inverse_sqrt(peak: float, warmup: int, timescale: int) -> None:
    def formula(t: int) -> float:
        if t < warmup:
            return peak * (t + 1) / (warmup + 1)
        return peak / math.sqrt((t + timescale - warmup) / timescale)

    assert_follows(inverse_sqrt(timescale, warmup=warmup, peak=peak), formula, 200)
    if warmup:
        last = inverse_sqrt(warmup, peak=peak).on(Horizon())(4 * warmup)
        assert last == pytest.approx(peak / 2)


@given(st.floats(0.001, 0.1), st.floats(0.5, 20), st.floats(0.3, 1), st.sampled_from([16, 1000]))
def test_power_scheduler(peak: float, a: float, b: float, tokens: int) -> None:
    def formula(t: int) -> float:
        seen = t * tokens
        return min(peak, a * seen**-b) if seen else peak

    assert_follows(power_scheduler(peak=peak, a=a, b=b), formula, 200, tokens_per_step=tokens)


def test_adafactor() -> None:
    steps = [0, 1, 99, 9_998, 9_999, 10_000, 10**6]
    flat = [min(1e-2, 1 / math.sqrt(t + 1)) for t in steps]
    rising = [min(1e-6 * (t + 1), 1 / math.sqrt(t + 1)) for t in steps]
    assert adafactor().on(Horizon())(steps) == pytest.approx(flat, rel=1e-12)
    assert adafactor(warmup_init=True).on(Horizon())(steps) == pytest.approx(rising, rel=1e-12)


@pytest.mark.parametrize("count", [2, 4, 8, 128])
@pytest.mark.parametrize("small", [0.05, 0.5])
def test_the_fractal_order_of_chebyshev_steps(count: int, small: float) -> None:
    order = np.array([0])
    while len(order) < count:  # as in the paper's appendix
        order = np.vstack([order, 2 * len(order) - 1 - order]).T.flatten()
    angles = (np.arange(count) + 0.5) / count * np.pi
    sizes = 1 / ((1 + small) / 2 - (1 - small) / 2 * np.cos(angles))

    values = chebyshev(steps=count, small=small, peak=1.0).on(Horizon())(range(2 * count))

    assert values == pytest.approx(np.tile(sizes[order], 2), rel=1e-12)
    assert 1 < values.min() < values.max() < 1 / small


@given(rates, st.integers(10, 100), st.sampled_from([0.1, 0.2, 0.5]), st.floats(1, 64))
def test_slanted_triangular(peak: float, over: int, cut_share: float, ratio: float) -> None:
    cut = over * cut_share

    def ulmfit(t: int) -> float:
        p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_share - 1))
        return peak * (1 + max(p, 0) * (ratio - 1)) / ratio

    assert_follows(slanted_triangular(over, up=cut_share, ratio=ratio, peak=peak), ulmfit, over + 3)


@given(rates, floors, st.integers(0, 9), st.integers(1, 20), st.integers(0, 20), st.floats(0.5, 1))
def test_restarts_with_a_warmup_each(
    peak: float, floor: float, warmup: int, falling: int, more: int, gain: float
) -> None:
    period = warmup + falling

    def formula(t: int) -> float:
        cycle, place = divmod(t, period)
        high = peak * gain**cycle
        if place < warmup:
            return floor + (high - floor) * place / warmup
        return floor + (high - floor) * half((place - warmup) / falling)

    assert_follows(sgdr(period, floor=floor, peak=peak, gain=gain, up=warmup), formula, 100 + more)


@given(rates, st.integers(1, 5), st.integers(0, 10), st.integers(1, 60))
def test_hard_restarts_of_a_fixed_count(peak: float, cycles: int, warmup: int, falling: int) -> None:
    over = warmup + falling

    def formula(t: int) -> float:
        if t < warmup:
            return peak * (t + 1) / (warmup + 1)
        # In whole numbers, where theirs rounds: (cycles · p) mod 1 of a p that is no exact float.
        share = cycles * (t - warmup) % falling / falling
        return peak * half(share) if t < over else 0.0

    plan = cosine(over, cycles=cycles, warmup=warmup, peak=peak)
    assert_follows(plan, formula, over + 3)


@given(rates, floors, st.integers(0, 10), st.integers(0, 30), st.integers(1, 30))
def test_warmup_stable_decay(peak: float, floor: float, warmup: int, hold: int, falling: int) -> None:
    over = warmup + hold + falling

    def after(left: Callable[[float], float]) -> Callable[[int], float]:
        def formula(t: int) -> float:
            if t < warmup:
                return peak * (t + 1) / (warmup + 1)
            return floor + (peak - floor) * left(min(max(t - warmup - hold, 0) / falling, 1))

        return formula

    # Explore, then exploit: what is left of the run, whatever it is.
    plan = wsd(over, warmup=warmup, cooldown=over - warmup - hold, floor=floor, peak=peak)
    assert_follows(plan, after(lambda q: 1 - q), over + 3)
    eases: dict[str, Callable[[float], float]] = {
        "linear": lambda q: 1 - q,
        "cosine": half,
        "one_minus_sqrt": lambda q: 1 - math.sqrt(q),
        "one_minus_square": lambda q: 1 - q**2,
        "mirror_cosine": lambda q: 2 * (1 - q) - half(q),
        "rex": lambda q: (1 - q) / (1 - q / 2),
    }
    for ease, left in eases.items():
        plan = wsd(over, warmup=warmup, cooldown=falling, floor=floor, peak=peak, ease=ease)
        assert_follows(plan, after(left), over + 3)
    low = floor + 1e-6
    geometric = wsd(over, warmup=warmup, cooldown=falling, floor=low, peak=peak, ease="geometric")
    values = geometric.on(Horizon())(range(warmup + hold, over + 3))
    shares = np.minimum(np.arange(falling + 3) / falling, 1)
    assert values == pytest.approx(peak ** (1 - shares) * low**shares, rel=1e-11)


@given(rates, floors, st.integers(0, 10), st.integers(1, 60))
def test_infinite_goes_on_at_its_level(peak: float, level: float, warmup: int, falling: int) -> None:
    def formula(t: int) -> float:
        if t < warmup:
            return peak * (t + 1) / (warmup + 1)
        return level + (peak - level) * half(min((t - warmup) / falling, 1))

    assert_follows(infinite(falling, warmup=warmup, level=level, peak=peak), formula, 200)


@given(rates, floors, st.integers(0, 60), st.integers(1, 60))
def test_flat_then_cosine(peak: float, floor: float, flat: int, falling: int) -> None:
    over = flat + falling
    plan = wsd(over, cooldown=falling / over if flat else over, floor=floor, peak=peak, ease="cosine")

    def formula(t: int) -> float:
        return floor + (peak - floor) * half(min(max(t - flat, 0) / falling, 1))

    values = plan.on(Horizon())(range(over + 3))
    # The share that says where it turns is a rounded one.
    assert values == pytest.approx(np.array([formula(t) for t in range(over + 3)]), rel=1e-9, abs=1e-12)
