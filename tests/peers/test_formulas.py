"""Formulas of papers and of programs that are no packages, written down beside our recipes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etude import BASE, Horizon, cyclic, cyclic_cosine_decay, linear, wsd, yolo
from tests.peers.compare import STEPS, lengths, rates


def abhuse(
    epoch: float,
    base: float,
    init_decay: int,
    floor: float,
    interval: Fraction | None,
    multiplier: Fraction | None,
    restart: float | None,
    warmup: int,
    warmup_start: float,
) -> float:
    """CyclicCosineDecayLR as its author wrote it, but for the cycle, which is found in exact fractions."""

    def between(first: float, last: float, share: float) -> float:
        return last + (first - last) * (1 + math.cos(math.pi * share)) / 2

    if epoch < warmup:
        return between(warmup_start, base, epoch / warmup)
    if epoch < warmup + init_decay:
        return between(base, floor, (epoch - warmup) / init_decay)
    if interval is None:
        return floor
    into, length = Fraction(epoch) - warmup - init_decay, interval
    while into >= length:
        into -= length
        length *= multiplier or 1
    return between(base if restart is None else restart, floor, float(into / length))


@given(
    base=rates,
    init_decay=lengths,
    floor=st.floats(0, 0.01),
    interval=st.one_of(st.none(), st.fractions(1, 20, max_denominator=4)),
    multiplier=st.sampled_from(
        [None, Fraction(1), Fraction(2), Fraction(3), Fraction(3, 2), Fraction(11, 10)]
    ),
    restart=st.one_of(st.none(), rates),
    warmup=st.integers(1, 10),
    warmup_start=st.floats(0, 0.1),
)
@example(1.0, 10, 0.0, Fraction(1), Fraction(3), None, 1, 0.0)
def test_cyclic_cosine_decay_lr(
    base: float,
    init_decay: int,
    floor: float,
    interval: Fraction | None,
    multiplier: Fraction | None,
    restart: float | None,
    warmup: int,
    warmup_start: float,
) -> None:
    plan = cyclic_cosine_decay(
        init_decay,
        floor,
        None if interval is None else f"{interval}st",
        None if interval is None else multiplier,
        restart,
        warmup,
        warmup_start,
        init_lr=BASE,
        warmup_shape="cosine",
    )
    # 121 restart intervals after the start of the cycles is where a logarithm to the base 3 goes wrong.
    steps = [*range(150), warmup + init_decay + 121, warmup + init_decay + 29_524]
    expected = [
        abhuse(epoch, base, init_decay, floor, interval, multiplier, restart, warmup, warmup_start)
        for epoch in steps
    ]
    assert plan.on(Horizon())(steps, base=base) == pytest.approx(expected, rel=1e-12, abs=1e-14)


def test_cyclic_cosine_decay_as_in_its_tutorial() -> None:
    plan = cyclic_cosine_decay(
        init_decay_epochs=15,
        min_decay_lr=2.5e-6,
        restart_interval=10,
        restart_lr=12.5e-5,
        warmup_epochs=10,
        warmup_start_lr=2.5e-6,
    )
    table = plan.on(Horizon(total=60))
    peaks = [10, 25, 35, 45, 55]
    assert table(0) == 2.5e-6
    assert table(peaks).tolist() == [12.5e-5] * len(peaks)
    assert table(5) == pytest.approx((2.5e-6 + 12.5e-5) / 2)  # half-way up
    assert table(17.5) == pytest.approx((2.5e-6 + 12.5e-5) / 2)  # half-way down
    assert table([24, 34, 44]).max() < 6e-6  # the last step of each decay is near the floor


@given(rates, st.floats(0, 0.01), st.integers(1, 20), st.integers(21, 100))
def test_nano_gpt(peak: float, floor: float, warmup: int, decay_until: int) -> None:
    def get_lr(it: int) -> float:
        if it < warmup:
            return peak * (it + 1) / (warmup + 1)
        if it > decay_until:
            return floor
        share = (it - warmup) / (decay_until - warmup)
        return floor + 0.5 * (1 + math.cos(math.pi * share)) * (peak - floor)

    plan = wsd(
        decay_until, warmup=warmup, cooldown=decay_until - warmup, floor=floor, peak=peak, ease="cosine"
    )
    steps = range(decay_until + 20)
    expected = [get_lr(it) for it in steps]
    assert plan.on(Horizon())(steps) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(rates, st.floats(0, 1), st.integers(5, 100), st.integers(1, 5))
def test_yolo(lr0: float, lrf: float, epochs: int, warmup: int) -> None:
    def one_cycle_of_yolo(epoch: float) -> float:
        return ((1 - math.cos(epoch * math.pi / epochs)) / 2) * (lrf - 1) + 1

    table = yolo("100%", lr0=lr0, lrf=lrf, warmup=f"{warmup}ep").on(
        Horizon(steps_per_epoch=10, total=f"{epochs}ep")
    )
    for k in range(0, 10 * epochs, 7):
        expected = lr0 * one_cycle_of_yolo(k / 10) * min(k / (10 * warmup), 1)
        assert table(k) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(
    ("ease", "left"),
    [
        ("linear", lambda q: 1 - q),
        ("cosine", lambda q: (1 + math.cos(math.pi * q)) / 2),
        ("one_minus_sqrt", lambda q: 1 - math.sqrt(q)),
    ],
)
@given(peak=rates, floor=st.floats(0, 0.01), warmup=st.integers(0, 20), stable=lengths, decay=lengths)
def test_warmup_stable_decay(
    ease: str, left: Any, peak: float, floor: float, warmup: int, stable: int, decay: int
) -> None:
    total = warmup + stable + decay
    table = wsd(warmup=warmup, cooldown=decay, floor=floor, peak=peak, ease=ease).on(Horizon(total=total))
    for k in range(total + 5):
        if k < warmup:
            expected = peak * (k + 1) / (warmup + 1)
        elif k < warmup + stable:
            expected = peak
        else:
            expected = floor + (peak - floor) * left(min((k - warmup - stable) / decay, 1))
        assert table(k) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(rates, st.integers(1, 20), st.integers(21, 100))
def test_linear_to_zero(peak: float, warmup: int, total: int) -> None:
    table = linear(warmup=warmup, peak=peak).on(Horizon(total=total))
    expected = [
        peak * (k + 1) / (warmup + 1) if k < warmup else peak * (total - k) / (total - warmup)
        for k in range(total)
    ]
    assert table(range(total)) == pytest.approx(expected, rel=1e-12)
    assert table(range(total)).min() > 0  # no update is wasted


@given(st.floats(0.001, 0.5), st.floats(0.5, 1), lengths, st.floats(0.9, 1))
def test_exp_range_of_the_paper_lets_both_bounds_fall(low: float, high: float, up: int, gamma: float) -> None:
    plan = cyclic(up, low=low, high=high, mode="exp_range_both", gamma=gamma)
    k = np.arange(STEPS)
    wave = 1 - np.abs((k / up) % 2 - 1)
    assert plan.on(Horizon())(k) == pytest.approx((low + (high - low) * wave) * gamma**k, rel=1e-12)
