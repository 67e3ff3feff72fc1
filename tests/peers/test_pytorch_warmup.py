"""pytorch-warmup: each warmup dampens a scheduler of torch's, beside our product with the same warmup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pytorch_warmup
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ExponentialLR

from etude import (
    BASE,
    Constant,
    Exponential,
    ExponentialWarmup,
    Horizon,
    RAdamWarmup,
    Schedule,
    untuned_warmup,
    warmup,
)
from tests.peers.compare import RELATIVE, STEPS, assert_same, lengths, rates

GAMMA = 0.97
betas = st.sampled_from([0.7, 0.9, 0.95, 0.98, 0.99, 0.995])


def dampened(build: Callable[[Any], Any], base: float, beta2: float, steps: int) -> np.ndarray:
    """What updates use where the warmup dampens ``ExponentialLR``."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=base, betas=(0.9, beta2))
    decay = ExponentialLR(optimizer, GAMMA)
    dampener = build(optimizer)
    values = []
    for _ in range(steps):
        values.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        with dampener.dampening():
            decay.step()
    return np.array(values)


def assert_dampens(
    factor: Schedule,
    build: Callable[[Any], Any],
    base: float,
    beta2: float = 0.999,
    *,
    relative: float = RELATIVE,
) -> None:
    theirs = dampened(build, base, beta2, STEPS)
    assert_same(Exponential(GAMMA) * factor, theirs, base=base, relative=relative)


@given(rates, lengths)
def test_linear_warmup(base: float, period: int) -> None:
    # Its first update already has 1 / period of the rate.
    assert_dampens(warmup(period - 1), lambda o: pytorch_warmup.LinearWarmup(o, period), base)


@given(rates, lengths)
def test_exponential_warmup(base: float, period: int) -> None:
    theirs = pytorch_warmup.ExponentialWarmup
    assert_dampens(ExponentialWarmup(period), lambda o: theirs(o, period), base)


@given(rates, betas)
def test_radam_warmup(base: float, beta2: float) -> None:
    assert_dampens(RAdamWarmup(beta2), pytorch_warmup.RAdamWarmup, base, beta2)


@pytest.mark.parametrize(("beta2", "rounding"), [(0.999, 1e-11), (0.9999, 1e-9)])
def test_near_1_the_difference_in_radams_formula_costs_digits(beta2: float, rounding: float) -> None:
    # ρ(t) is the small difference of two numbers of 1 / (1 - beta2) each.
    assert_dampens(RAdamWarmup(beta2), pytorch_warmup.RAdamWarmup, 0.1, beta2, relative=rounding)


@pytest.mark.parametrize(("beta2", "linear", "exponential"), [(0.75, 8, 4), (0.9, 20, 10), (0.92, 25, 12)])
def test_untuned_warmups(beta2: float, linear: int, exponential: int) -> None:
    assert periods(beta2) == (linear, exponential)
    assert_dampens(untuned_warmup(beta2), pytorch_warmup.UntunedLinearWarmup, 0.1, beta2)
    ours = ExponentialWarmup(exponential)  # theirs cuts 12.5 down, ours does not
    assert_dampens(ours, pytorch_warmup.UntunedExponentialWarmup, 0.1, beta2)
    same = untuned_warmup(beta2, ease="exponential").on(Horizon())(range(STEPS))
    expected = 1 - np.exp(-(1 - beta2) * np.arange(1, STEPS + 1))
    assert same == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("beta2", "linear", "exponential"), [(0.95, 39, 19), (0.98, 99, 49), (0.99, 199, 99), (0.999, 1999, 999)]
)
def test_where_a_rounding_shortens_their_untuned_warmup_by_a_step(
    beta2: float, linear: int, exponential: int
) -> None:
    assert periods(beta2) == (linear, exponential)  # int(2 / (1 - 0.999)) is int(1999.9999999999982)
    theirs = pytorch_warmup.UntunedLinearWarmup
    assert_dampens(warmup(linear - 1), theirs, 0.1, beta2)
    ours = untuned_warmup(beta2).on(Horizon())([0, linear - 1, linear])
    assert ours == pytest.approx([1 / (linear + 1), linear / (linear + 1), 1.0], rel=1e-12)


def periods(beta2: float) -> tuple[int, int]:
    """The warmup periods that theirs takes from beta2."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.1, betas=(0.9, beta2))
    linear = pytorch_warmup.UntunedLinearWarmup(optimizer).warmup_params[0]["warmup_period"]
    exponential = pytorch_warmup.UntunedExponentialWarmup(optimizer).warmup_params[0]["warmup_period"]
    return linear, exponential


def test_a_tensor_rate_is_dampened_again_and_again_by_theirs() -> None:
    # It remembers the tensor itself, which it then multiplies in place: 1/4, 2/16, 3/64 of the rate.
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=torch.tensor(1.0))
    dampener = pytorch_warmup.LinearWarmup(optimizer, 4)
    seen = []
    for _ in range(4):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        with dampener.dampening():
            pass
    assert seen == [0.25, 0.125, 0.09375, 0.09375]
    assert_same(Constant(BASE) * warmup(3), [0.25, 0.5, 0.75, 1.0])
