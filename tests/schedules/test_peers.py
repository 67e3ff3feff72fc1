"""The same numbers as PyTorch's schedulers and as the formulas others use, for any parameters.

Relative 1e-12, and where a peer's own rounding decides the last digits, absolute 1e-14 of a highest rate of
about 1: several of torch's are recursions, whose roundings add up, and near 0 the terms cancel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch.optim import lr_scheduler as peers

from etude import (
    BASE,
    Cosine,
    Exponential,
    Horizon,
    Linear,
    Polynomial,
    Schedule,
    cosine,
    cyclic,
    cyclic_cosine_decay,
    cyclic_momentum,
    exponential,
    linear_to_zero,
    multistep,
    one_cycle,
    one_cycle_momentum,
    sgdr,
    step,
    time_decay,
    wsd,
    yolo,
)

rates = st.floats(0.01, 2)
shares = st.floats(0.01, 1)
lengths = st.integers(1, 40)
STEPS = 60


def torch_values(
    build: Callable[[torch.optim.Optimizer], Any], steps: int, *, base: float = 1.0, key: str = "lr"
) -> np.ndarray:
    """What a torch scheduler makes each update use."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base, momentum=0.5)
    scheduler = build(optimizer)
    values = []
    for _ in range(steps):
        values.append(float(optimizer.param_groups[0][key]))
        optimizer.step()
        scheduler.step()
    return np.array(values)


def assert_same(
    schedule: Schedule,
    build: Callable[[torch.optim.Optimizer], Any],
    steps: int = STEPS,
    *,
    base: float = 1.0,
    key: str = "lr",
    total: int | None = None,
) -> None:
    ours = schedule.on(Horizon(total=total or steps))(range(steps), base=base)
    assert ours == pytest.approx(torch_values(build, steps, base=base, key=key), rel=1e-12, abs=1e-14)


@given(lengths, shares, rates)
def test_step_lr(every: int, gamma: float, base: float) -> None:
    assert_same(step(every, gamma), lambda o: peers.StepLR(o, every, gamma), base=base)


@given(st.lists(lengths, min_size=1, max_size=5), shares, rates)
def test_multi_step_lr(at: list[int], gamma: float, base: float) -> None:
    # One milestone given twice counts twice, in both.
    assert_same(multistep(at, gamma), lambda o: peers.MultiStepLR(o, at, gamma), base=base)


@given(st.floats(0.5, 1), rates)
def test_exponential_lr(gamma: float, base: float) -> None:
    assert_same(exponential(gamma), lambda o: peers.ExponentialLR(o, gamma), base=base)


@given(st.floats(0, 2), rates)
def test_lambda_lr_of_time_decay(rate: float, base: float) -> None:
    assert_same(time_decay(rate), lambda o: peers.LambdaLR(o, lambda t: 1 / (1 + rate * t)), base=base)


@given(st.integers(2, 100), st.floats(0, 0.5), rates)
def test_cosine_annealing_lr_up_to_its_end(length: int, floor: float, base: float) -> None:
    # Past T_max torch's rises again; ours holds.
    assert_same(
        cosine(length, floor), lambda o: peers.CosineAnnealingLR(o, length, floor), length + 1, base=base
    )
    assert cosine(length, floor).on(Horizon())([length, 10 * length], base=base).tolist() == [floor, floor]


@given(lengths, st.sampled_from([1, 2, 3]), st.floats(0, 0.5), rates)
@example(5, 2, 0.0, 1.0)
def test_cosine_annealing_warm_restarts(period: int, stretch: int, floor: float, base: float) -> None:
    assert_same(
        sgdr(period, stretch, floor=floor),
        lambda o: peers.CosineAnnealingWarmRestarts(o, period, stretch, floor),
        3 * period + STEPS,
        base=base,
    )


@given(shares, shares, lengths, rates)
def test_linear_lr(start: float, stop: float, length: int, base: float) -> None:
    assert_same(
        Linear(start * BASE, stop * BASE, over=length),
        lambda o: peers.LinearLR(o, start, stop, length),
        base=base,
    )


@given(lengths, st.floats(0.2, 4), rates)
def test_polynomial_lr(length: int, power: float, base: float) -> None:
    assert_same(
        Polynomial(over=length, power=power), lambda o: peers.PolynomialLR(o, length, power), base=base
    )


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@given(
    low=st.floats(0.001, 1),
    rise=st.floats(0, 1),
    up=lengths,
    down=st.one_of(st.none(), lengths),
    gamma=st.floats(0.9, 1),
)
def test_cyclic_lr(mode: Any, low: float, rise: float, up: int, down: int | None, gamma: float) -> None:
    decaying = gamma if mode == "exp_range" else 1.0
    assert_same(
        cyclic(low, low + rise, up, down, mode, gamma=decaying),
        lambda o: peers.CyclicLR(o, low, low + rise, up, down, mode, decaying, cycle_momentum=False),
        200,
    )


@given(st.floats(0.5, 0.9), st.floats(0, 0.09), lengths, st.one_of(st.none(), lengths))
def test_cyclic_lr_momentum(low: float, rise: float, up: int, down: int | None) -> None:
    assert_same(
        cyclic_momentum(low, low + rise, up, down),
        lambda o: peers.CyclicLR(o, 0.1, 1.0, up, down, base_momentum=low, max_momentum=low + rise),
        200,
        key="momentum",
    )


@given(
    total=st.integers(4, 120),
    up=st.floats(0.05, 0.5),
    ease=st.sampled_from(["cosine", "linear"]),
    three_phase=st.booleans(),
    div=st.floats(1, 50),
    final_div=st.floats(1, 1e5),
)
@example(12, 0.3, "cosine", False, 25.0, 1e4)
def test_one_cycle_lr(
    total: int, up: float, ease: str, three_phase: bool, div: float, final_div: float
) -> None:
    assume(up * total > 1)  # else torch divides by 0, and ours refuses
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    peer = peers.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=total,
        pct_start=up,
        anneal_strategy="cos" if ease == "cosine" else "linear",  # type: ignore[arg-type]
        div_factor=div,
        final_div_factor=final_div,
        three_phase=three_phase,
    )
    seen: dict[str, list[float]] = {"lr": [], "momentum": []}
    for update in range(total):
        for key, values in seen.items():
            values.append(optimizer.param_groups[0][key])
        optimizer.step()
        if update < total - 1:
            peer.step()
    horizon, shape = Horizon(total=total), {"up": up, "three_phase": three_phase, "ease": ease}
    rate = one_cycle(1.0, div=div, final_div=final_div, **shape).on(horizon)  # type: ignore[arg-type]
    momentum = one_cycle_momentum(0.85, 0.95, **shape).on(horizon)  # type: ignore[arg-type]
    assert rate(range(total)) == pytest.approx(np.array(seen["lr"]), rel=1e-12, abs=1e-14)
    assert momentum(range(total)) == pytest.approx(np.array(seen["momentum"]), rel=1e-12)


# Formulas that are no torch scheduler.


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

    plan = wsd(warmup, decay_until - warmup, over=decay_until, floor=floor, peak=peak, ease="cosine")
    steps = range(decay_until + 20)
    expected = [get_lr(it) for it in steps]
    assert plan.on(Horizon())(steps) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@given(rates, st.floats(0, 1), st.integers(5, 100), st.integers(1, 5))
def test_yolo(lr0: float, lrf: float, epochs: int, warmup: int) -> None:
    def one_cycle_of_yolo(epoch: float) -> float:
        return ((1 - math.cos(epoch * math.pi / epochs)) / 2) * (lrf - 1) + 1

    table = yolo(lr0, lrf, "100%", f"{warmup}ep").on(Horizon(steps_per_epoch=10, total=f"{epochs}ep"))
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
    table = wsd(warmup, decay, floor=floor, peak=peak, ease=ease).on(Horizon(total=total))
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
    table = linear_to_zero(warmup=warmup, peak=peak).on(Horizon(total=total))
    expected = [
        peak * (k + 1) / (warmup + 1) if k < warmup else peak * (total - k) / (total - warmup)
        for k in range(total)
    ]
    assert table(range(total)) == pytest.approx(expected, rel=1e-12)
    assert table(range(total)).min() > 0  # no update is wasted


@given(st.floats(0.001, 0.5), st.floats(0.5, 1), lengths, st.floats(0.9, 1))
def test_exp_range_of_the_paper_lets_both_bounds_fall(low: float, high: float, up: int, gamma: float) -> None:
    plan = cyclic(low, high, up, mode="exp_range_both", gamma=gamma)
    k = np.arange(STEPS)
    wave = 1 - np.abs((k / up) % 2 - 1)
    assert plan.on(Horizon())(k) == pytest.approx((low + (high - low) * wave) * gamma**k, rel=1e-12)


def test_restarts_do_not_fade_under_another_schedule() -> None:
    # Cosine restarts times milestones, in either order: both factors act, and nothing is multiplied twice.
    restarts = Cosine(1.0, 0.0, over=500).repeat()
    milestones = multistep([1, 2, 3], 0.1)
    for plan in (restarts * milestones, milestones * restarts):
        values = plan.on(Horizon())([0, 1, 2, 3, 4], base=1.0)
        assert values == pytest.approx(np.array([1, 0.1, 0.01, 0.001, 0.001]), rel=1e-3)
    faded = Exponential(0.9) * 0.5
    assert faded.on(Horizon())(range(5)) == pytest.approx(np.array([0.5, 0.45, 0.405, 0.3645, 0.32805]))
