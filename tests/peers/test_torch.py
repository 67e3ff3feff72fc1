"""PyTorch's own schedulers, beside our recipes; the drop-ins of the same names have their own tests."""

from __future__ import annotations

from collections.abc import Callable
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
    exponential,
    multistep,
    one_cycle,
    one_cycle_momentum,
    sgdr,
    step,
    time_decay,
)
from tests.peers.compare import STEPS, assert_same, lengths, rates, shares, updates


def assert_updates(
    schedule: Schedule,
    build: Callable[[torch.optim.Optimizer], Any],
    steps: int = STEPS,
    *,
    base: float = 1.0,
    key: str = "lr",
) -> None:
    assert_same(schedule, updates(build, steps, base=base, key=key), base=base)


@given(lengths, shares, rates)
def test_step_lr(every: int, gamma: float, base: float) -> None:
    assert_updates(step(every, gamma), lambda o: peers.StepLR(o, every, gamma), base=base)


@given(st.lists(lengths, min_size=1, max_size=5), shares, rates)
def test_multi_step_lr(at: list[int], gamma: float, base: float) -> None:
    # One milestone given twice counts twice, in both.
    assert_updates(multistep(at, gamma), lambda o: peers.MultiStepLR(o, at, gamma), base=base)


@given(st.floats(0.5, 1), rates)
def test_exponential_lr(gamma: float, base: float) -> None:
    assert_updates(exponential(gamma), lambda o: peers.ExponentialLR(o, gamma), base=base)


@given(st.floats(0, 2), rates)
def test_lambda_lr_of_time_decay(rate: float, base: float) -> None:
    assert_updates(time_decay(rate), lambda o: peers.LambdaLR(o, lambda t: 1 / (1 + rate * t)), base=base)


@given(st.integers(2, 100), st.floats(0, 0.5), rates)
def test_cosine_annealing_lr_up_to_its_end(length: int, floor: float, base: float) -> None:
    # Past T_max torch's rises again; ours holds.
    assert_updates(
        cosine(length, floor=floor),
        lambda o: peers.CosineAnnealingLR(o, length, floor),
        length + 1,
        base=base,
    )
    assert cosine(length, floor=floor).on(Horizon())([length, 10 * length], base=base).tolist() == [
        floor,
        floor,
    ]


@given(lengths, st.sampled_from([1, 2, 3]), st.floats(0, 0.5), rates)
@example(5, 2, 0.0, 1.0)
def test_cosine_annealing_warm_restarts(period: int, stretch: int, floor: float, base: float) -> None:
    assert_updates(
        sgdr(period, stretch=stretch, floor=floor),
        lambda o: peers.CosineAnnealingWarmRestarts(o, period, stretch, floor),
        3 * period + STEPS,
        base=base,
    )


@given(shares, shares, lengths, rates)
def test_linear_lr(start: float, stop: float, length: int, base: float) -> None:
    assert_updates(
        Linear(start * BASE, stop * BASE, over=length),
        lambda o: peers.LinearLR(o, start, stop, length),
        base=base,
    )


@given(lengths, st.floats(0.2, 4), rates)
def test_polynomial_lr(length: int, power: float, base: float) -> None:
    assert_updates(
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
    assert_updates(
        cyclic(up, low=low, high=low + rise, down=down, mode=mode, gamma=decaying),
        lambda o: peers.CyclicLR(o, low, low + rise, up, down, mode, decaying, cycle_momentum=False),
        200,
    )


@given(st.floats(0.5, 0.9), st.floats(0, 0.09), lengths, st.one_of(st.none(), lengths))
def test_cyclic_lr_momentum(low: float, rise: float, up: int, down: int | None) -> None:
    assert_updates(
        cyclic(up, low=0.0, high=rise, down=down).under(low + rise),
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
    rate = one_cycle(peak=1.0, div=div, final_div=final_div, **shape).on(horizon)  # type: ignore[arg-type]
    momentum = one_cycle_momentum(low=0.85, high=0.95, **shape).on(horizon)  # type: ignore[arg-type]
    assert rate(range(total)) == pytest.approx(np.array(seen["lr"]), rel=1e-12, abs=1e-14)
    assert momentum(range(total)) == pytest.approx(np.array(seen["momentum"]), rel=1e-12)


def test_restarts_do_not_fade_under_another_schedule() -> None:
    # Cosine restarts times milestones, in either order: both factors act, and nothing is multiplied twice.
    restarts = Cosine(1.0, 0.0, over=500).repeat()
    milestones = multistep([1, 2, 3], 0.1)
    for plan in (restarts * milestones, milestones * restarts):
        values = plan.on(Horizon())([0, 1, 2, 3, 4], base=1.0)
        assert values == pytest.approx(np.array([1, 0.1, 0.01, 0.001, 0.001]), rel=1e-3)
    faded = Exponential(0.9) * 0.5
    assert faded.on(Horizon())(range(5)) == pytest.approx(np.array([0.5, 0.45, 0.405, 0.3645, 0.32805]))
