"""transformers: every name of ``get_scheduler``."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import SchedulerType, get_scheduler

from etude import BASE, Constant, Cosine, Horizon, InverseSqrt, Linear, Plateau, Polynomial, Ramp, Schedule
from tests.peers.compare import STEPS, assert_same, floors, lengths, rates, sgd, shares, updates, warmups

SHAPES: dict[str, Callable[..., Linear | Cosine | Ramp]] = {
    "linear": Linear,
    "cosine": Cosine,
    "1-sqrt": partial(Ramp, ease="one_minus_sqrt"),
}


def run(
    name: str,
    warmup: int | None = None,
    total: int | None = None,
    *,
    base: float = 1.0,
    steps: int = STEPS,
    **specific: Any,
) -> NDArray[np.float64]:
    return updates(lambda o: get_scheduler(name, o, warmup, total, specific), steps, base=base)


def warmed(warmup: int) -> Schedule:
    """The warmup of all of theirs, whose first update has the rate 0."""
    return Linear(0.0, BASE, over=warmup)


@given(rates)
def test_constant(base: float) -> None:
    assert_same(Constant(BASE), run("constant", base=base), base=base)


@given(warmups, rates)
def test_constant_with_warmup(warmup: int, base: float) -> None:
    assert_same(warmed(warmup) >> BASE, run("constant_with_warmup", warmup, base=base), base=base)


@given(warmups, lengths, rates)
def test_linear(warmup: int, decay: int, base: float) -> None:
    theirs = run("linear", warmup, warmup + decay, base=base)
    assert_same(warmed(warmup) >> Linear(over=decay), theirs, base=base)


@given(warmups, lengths, rates)
def test_cosine_up_to_its_end(warmup: int, decay: int, base: float) -> None:
    theirs = run("cosine", warmup, warmup + decay, base=base, steps=warmup + decay + 1)
    assert_same(warmed(warmup) >> Cosine(over=decay), theirs, base=base)


@given(st.sampled_from(["cosine", "cosine_with_min_lr"]), warmups, st.integers(2, 40), rates)
def test_their_cosine_climbs_back_past_its_end_and_ours_holds(
    name: str, warmup: int, decay: int, base: float
) -> None:
    end, floor = warmup + decay, {} if name == "cosine" else {"min_lr_rate": 0.1}
    theirs = run(name, warmup, end, base=base, steps=end + decay + 1, **floor)
    assert theirs[end:] == pytest.approx(theirs[warmup : end + 1][::-1], rel=1e-12, abs=1e-14)
    low = floor.get("min_lr_rate", 0.0)
    ours = (warmed(warmup) >> Cosine(BASE, low * BASE, over=decay)).on(Horizon())
    assert ours(range(end, end + decay), base=base).tolist() == pytest.approx([low * base] * decay)
    waves = (Cosine(BASE, low * BASE, over=decay) >> Cosine(low * BASE, BASE, over=decay)).repeat()
    assert_same(warmed(warmup) >> waves, theirs, base=base)


@given(warmups, st.integers(2, 40), st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.5]), st.floats(0, 1), rates)
def test_cosine_waves(warmup: int, decay: int, waves: float, floor: float, base: float) -> None:
    # num_cycles counts waves down and up again: each half of one is a half cosine.
    low, end = floor * BASE, warmup + decay
    half = Fraction(decay) / Fraction(2 * waves)
    wave = Cosine(BASE, low, over=half) >> Cosine(low, BASE, over=half)
    ours = warmed(warmup) >> wave.repeat()
    theirs = run("cosine_with_min_lr", warmup, end, base=base, num_cycles=waves, min_lr_rate=floor)
    assert_same(ours, theirs, base=base)


@given(warmups, lengths, floors, rates)
def test_cosine_with_min_lr(warmup: int, decay: int, floor: float, base: float) -> None:
    end = warmup + decay
    theirs = run("cosine_with_min_lr", warmup, end, base=base, steps=end + 1, min_lr=floor)
    assert_same(warmed(warmup) >> Cosine(BASE, floor, over=decay), theirs, base=base)


@given(warmups, lengths, shares, rates)
def test_cosine_warmup_with_min_lr_is_one_step_ahead(
    warmup: int, decay: int, floor: float, base: float
) -> None:
    end = warmup + decay
    theirs = run("cosine_warmup_with_min_lr", warmup, end, base=base, steps=end, min_lr_rate=floor)
    ours = (warmed(warmup) >> Cosine(BASE, floor * BASE, over=decay)).shift(-1)
    assert_same(ours, theirs, base=base)


@given(st.integers(2, 15), lengths, shares, shares, rates)
def test_cosine_warmup_with_min_lr_from_a_share(
    warmup: int, decay: int, start: float, floor: float, base: float
) -> None:
    theirs = run(
        "cosine_warmup_with_min_lr",
        warmup,
        warmup + decay,
        base=base,
        steps=warmup + decay,
        min_lr_rate=floor,
        warmup_lr_rate=start,
    )
    ours = Linear(start * BASE, BASE, over=warmup - 1) >> Cosine(BASE, floor * BASE, over=decay)
    assert_same(ours, theirs, base=base)


@given(warmups, st.integers(1, 8), st.integers(1, 12), rates)
def test_cosine_with_restarts(warmup: int, cycles: int, length: int, base: float) -> None:
    theirs = run("cosine_with_restarts", warmup, warmup + cycles * length, base=base, num_cycles=cycles)
    ours = warmed(warmup) >> Cosine(over=length).repeat(cycles)
    assert_same(ours, theirs, base=base)


def test_their_restart_that_a_rounding_skips() -> None:
    # Of 22 restarts, the one at 15 / 22 has the floor and not the peak: 22 · (15 / 22) is less than 15.
    theirs = run("cosine_with_restarts", 0, 220, num_cycles=22, steps=220)
    ours = Cosine(over=10).repeat(22).on(Horizon())(range(220))
    assert [step for step in range(0, 220, 10) if theirs[step] != 1] == [150]
    assert theirs[150] < 1e-30
    assert ours[150] == 1.0
    others = np.arange(220) != 150
    assert theirs[others] == pytest.approx(ours[others], rel=1e-12, abs=1e-14)


@given(warmups, lengths, floors, st.floats(0.2, 4), rates)
def test_polynomial(warmup: int, decay: int, floor: float, power: float, base: float) -> None:
    theirs = run("polynomial", warmup, warmup + decay, base=base, lr_end=floor, power=power)
    assert_same(warmed(warmup) >> Polynomial(BASE, floor, over=decay, power=power), theirs, base=base)


def test_their_polynomial_ends_too_high_in_a_group_with_a_higher_rate() -> None:
    # lr_end is turned into a share of the optimizer's default rate, and not of the group's.
    optimizer = sgd(0.1, 1.0)
    scheduler = get_scheduler("polynomial", optimizer, 0, 4, {"lr_end": 0.01})
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.1])
    assert Polynomial(BASE, 0.01, over=4).on(Horizon())(4, base=[0.1, 1.0]).tolist() == [0.01, 0.01]


@given(warmups, st.one_of(st.none(), lengths), rates)
def test_inverse_sqrt(warmup: int, timescale: int | None, base: float) -> None:
    specific = {} if timescale is None else {"timescale": timescale}
    theirs = run("inverse_sqrt", warmup, base=base, **specific)
    assert_same(warmed(warmup) >> InverseSqrt(timescale or warmup or 10_000), theirs, base=base)


@pytest.mark.parametrize("rise", SHAPES)
@pytest.mark.parametrize("fall", SHAPES)
@given(warmup=st.integers(1, 15), stable=st.integers(0, 20), decay=lengths, floor=st.floats(0, 1), base=rates)
def test_warmup_stable_decay(
    rise: str, fall: str, warmup: int, stable: int, decay: int, floor: float, base: float
) -> None:
    # The warmup starts at the floor. Its 1-sqrt is 1 - √(1 - q), flat at first: a polynomial's mirror.
    low, high = floor * BASE, BASE
    up: dict[str, Schedule] = {
        "linear": Linear(low, high, over=warmup),
        "cosine": Cosine(low, high, over=warmup),
        "1-sqrt": Polynomial(low, high, over=warmup, power=0.5),
    }
    ours = up[rise] >> Constant(BASE, over=stable) >> SHAPES[fall](high, low, over=decay)
    theirs = run(
        "warmup_stable_decay",
        warmup,
        warmup + stable + decay,
        base=base,
        steps=100,
        num_decay_steps=decay,
        warmup_type=rise,
        decay_type=fall,
        min_lr_ratio=floor,
    )
    assert_same(ours, theirs, base=base)


@given(
    st.lists(st.integers(1, 40).map(lambda eighths: eighths / 8), min_size=1, max_size=40),
    st.sampled_from([0.5, 0.1]),
    st.integers(0, 4),
    st.integers(0, 3),
    st.sampled_from(["min", "max"]),
    rates,
)
def test_reduce_lr_on_plateau(
    metrics: list[float], factor: float, patience: int, cooldown: int, mode: Any, base: float
) -> None:
    # It is torch's, whose reductions smaller than eps = 1e-8 are not made: none is, in these.
    asked: dict[str, Any] = {"factor": factor, "patience": patience, "cooldown": cooldown, "mode": mode}
    optimizer = sgd(base)
    theirs = get_scheduler("reduce_lr_on_plateau", optimizer, None, None, asked | {"eps": 0.0})
    seen = []
    for metric in metrics:
        seen.append(optimizer.param_groups[0]["lr"])
        theirs.step(metric)
    plan = Constant(BASE) * Plateau("metric", **asked)
    assert plan.on(Horizon()).replay(metrics, base=base) == pytest.approx(seen, rel=1e-12)


def test_greedy_is_no_function_of_time() -> None:
    # It raises the rate while the loss falls: the same steps under other losses have other rates.
    ends = []
    for loss in (0.5, 1.0):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        greedy = get_scheduler("greedy", optimizer, None, None, {"patience": 1})
        for step in range(6):
            greedy.step(loss**step)
        ends.append(optimizer.param_groups[0]["lr"])
    assert ends[0] > 0.1 > ends[1]


def test_all_of_it_is_here() -> None:
    assert {kind.value for kind in SchedulerType} == {
        "constant",
        "constant_with_warmup",
        "cosine",
        "cosine_warmup_with_min_lr",
        "cosine_with_min_lr",
        "cosine_with_restarts",
        "greedy",
        "inverse_sqrt",
        "linear",
        "polynomial",
        "reduce_lr_on_plateau",
        "warmup_stable_decay",
    }
