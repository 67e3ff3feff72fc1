"""timm: every scheduler of ``timm.scheduler``, where ``step(t)`` is called before the update t.

timm's own trainer leaves ``step(0)`` out, so that its first update has what the constructor set: the base
rate, or the warmup's start. That is another rate than the schedule's own for tanh, and for a milestone at 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from etude import (
    BASE,
    Constant,
    Cosine,
    Horizon,
    InverseSqrt,
    Linear,
    Noise,
    Plateau,
    Polynomial,
    PowerLaw,
    Ramp,
    Schedule,
    Tanh,
    cosine,
    maximum,
    multistep,
    sgdr,
    step,
    warmup,
)
from tests.peers.compare import STEPS, assert_same, floors, lengths, rates, sgd, shares
from tests.peers.timm_schedulers import timm

warm_lengths = st.integers(1, 15)


def run(kind: Any, *, base: float = 1.0, steps: int = STEPS, **arguments: Any) -> NDArray[np.float64]:
    optimizer = sgd(base)
    scheduler = kind(optimizer, **arguments)
    values = []
    for t in range(steps):
        scheduler.step(t)
        values.append(optimizer.param_groups[0]["lr"])
    return np.array(values)


@given(rates, floors, lengths)
def test_cosine(base: float, floor: float, length: int) -> None:
    theirs = run(timm.CosineLRScheduler, base=base, t_initial=length, lr_min=floor)
    assert_same(cosine(length, floor=floor), theirs, base=base)


@given(rates, floors, lengths, floors, warm_lengths)
def test_a_warmup_as_a_prefix(base: float, floor: float, length: int, start: float, warmup: int) -> None:
    theirs = run(
        timm.CosineLRScheduler,
        base=base,
        t_initial=length,
        lr_min=floor,
        warmup_t=warmup,
        warmup_lr_init=start,
        warmup_prefix=True,
    )
    assert_same(Linear(start, BASE, over=warmup) >> cosine(length, floor=floor), theirs, base=base)


@given(rates, lengths, warm_lengths)
def test_a_warmup_that_is_no_prefix_jumps_where_it_ends(base: float, length: int, warmup: int) -> None:
    # The default of cosine, poly and tanh: the cosine has run on under the warmup, and is entered late.
    theirs = run(timm.CosineLRScheduler, base=base, t_initial=length, warmup_t=warmup)
    assert_same(Linear(0.0, BASE, over=warmup) >> cosine(length).shift(-warmup), theirs, base=base)


def test_with_that_warmup_the_rate_never_gets_to_the_peak() -> None:
    theirs = run(timm.CosineLRScheduler, steps=9, t_initial=8, warmup_t=3)
    assert theirs.max() == pytest.approx(0.6913, abs=1e-4)
    ours = (Linear(0.0, BASE, over=3) >> cosine(5)).on(Horizon())(range(9))
    assert ours[3] == ours.max() == 1.0


@given(rates, floors, st.integers(1, 20), st.sampled_from([1.0, 2.0, 1.5]), shares, st.integers(1, 4))
def test_cosine_cycles(
    base: float, floor: float, length: int, stretch: float, gain: float, cycles: int
) -> None:
    theirs = run(
        timm.CosineLRScheduler,
        base=base,
        steps=3 * STEPS,
        t_initial=length,
        lr_min=floor * gain**4,
        cycle_mul=stretch,
        cycle_decay=gain,
        cycle_limit=cycles,
    )
    ours = sgdr(length, stretch=stretch, floor=floor * gain**4, gain=gain, cycles=cycles)
    assert_same(ours, theirs, base=base)


def test_their_restart_that_a_logarithm_misses() -> None:
    # The fifth cycle of a multiplier of 3 starts at 40 first cycles, the sixth at 121: log₃ 243 < 5.
    theirs = run(timm.CosineLRScheduler, steps=130, t_initial=1, cycle_mul=3.0, cycle_limit=9)
    ours = sgdr(1, stretch=3, cycles=9).on(Horizon())(range(130))
    differing = np.flatnonzero(~np.isclose(theirs, ours, rtol=1e-9, atol=1e-12))
    assert differing.tolist() == [121]
    assert (theirs[121], ours[121]) == (0.0, 1.0)


@given(rates, floors, lengths, st.floats(0.3, 3))
def test_k_decay(base: float, floor: float, length: int, k: float) -> None:
    theirs = run(timm.CosineLRScheduler, base=base, t_initial=length, lr_min=floor, k_decay=k)
    assert_same(Cosine(BASE, floor, over=length, k=k), theirs, base=base)
    theirs = run(timm.PolyLRScheduler, base=base, t_initial=length, lr_min=floor, k_decay=k)
    assert_same(Polynomial(BASE, floor, over=length, power=0.5, k=k), theirs, base=base)


@given(rates, floors, lengths, st.floats(0.3, 3))
def test_poly(base: float, floor: float, length: int, power: float) -> None:
    theirs = run(timm.PolyLRScheduler, base=base, t_initial=length, lr_min=floor, power=power)
    assert_same(Polynomial(BASE, floor, over=length, power=power), theirs, base=base)


@given(rates, st.integers(1, 20), shares, st.integers(1, 4))
def test_poly_cycles(base: float, length: int, gain: float, cycles: int) -> None:
    theirs = run(
        timm.PolyLRScheduler, base=base, t_initial=length, cycle_decay=gain, cycle_limit=cycles, power=1.0
    )
    assert_same(Linear(over=length).repeat(cycles, gain=gain), theirs, base=base)


def timms_tanh(length: int, floor: float, lower: float, upper: float) -> Schedule:
    first, last = ((1 - np.tanh(bound)) / 2 for bound in (lower, upper))
    start, stop = (share * BASE + floor * (1 - share) for share in (first, last))
    return Tanh(start, stop, over=length, lower=lower, upper=upper) >> floor


@given(rates, floors, lengths, st.floats(-8, -0.5), st.floats(0.5, 8))
def test_tanh(base: float, floor: float, length: int, lower: float, upper: float) -> None:
    # Theirs is the same curve between the levels that tanh gives it, and drops to the floor at its end.
    theirs = run(timm.TanhLRScheduler, base=base, t_initial=length, lr_min=floor, lb=lower, ub=upper)
    assert_same(timms_tanh(length, floor, lower, upper), theirs, base=base)


def test_their_tanh_neither_starts_at_the_rate_nor_ends_at_the_floor() -> None:
    theirs = run(timm.TanhLRScheduler, steps=11, t_initial=10, lb=-2.0)
    assert theirs[[0, 9, 10]] == pytest.approx([0.9820, 0.0067, 0.0], abs=1e-4)
    ours = Tanh(1.0, over=10, lower=-2.0, upper=3.0).on(Horizon())
    assert ours([0, 10]).tolist() == [1.0, 0.0]


@given(rates, st.integers(1, 80).map(lambda quarters: quarters / 4), shares)
def test_step(base: float, every: float, gamma: float) -> None:
    theirs = run(timm.StepLRScheduler, base=base, decay_t=every, decay_rate=gamma)
    assert_same(step(f"{every}st", gamma), theirs, base=base)


@given(rates, lengths, shares, floors, warm_lengths)
def test_step_after_a_warmup(base: float, every: int, gamma: float, start: float, warmup: int) -> None:
    theirs = run(
        timm.StepLRScheduler,
        base=base,
        decay_t=every,
        decay_rate=gamma,
        warmup_t=warmup,
        warmup_lr_init=start,
    )
    assert_same(Linear(start, BASE, over=warmup) >> step(every, gamma), theirs, base=base)


@given(rates, st.lists(st.integers(1, 50), min_size=1, max_size=5), shares)
def test_multi_step_drops_one_step_early(base: float, at: list[int], gamma: float) -> None:
    theirs = run(timm.MultiStepLRScheduler, base=base, decay_t=sorted(at), decay_rate=gamma)
    assert_same(multistep([when - 1 for when in at], gamma), theirs, base=base)


STABLE: dict[str, Any] = {
    "constant": lambda timescale: Constant(BASE),
    "rsqrt": InverseSqrt,
    "power": lambda timescale: PowerLaw(0.7, timescale=timescale),
}
FALLS: dict[str, Any] = {
    "linear": Linear,
    "1-sqrt": partial(Ramp, ease="one_minus_sqrt"),
    "cosine": Cosine,
    "power": lambda first, last, over: Polynomial(first, last, over=over, k=1.7),
}


@pytest.mark.parametrize("stable", STABLE)
@pytest.mark.parametrize("fall", FALLS)
@given(base=rates, floor=floors, warmup=warm_lengths, hold=st.integers(0, 20), decay=lengths)
def test_wsd(stable: str, fall: str, base: float, floor: float, warmup: int, hold: int, decay: int) -> None:
    theirs = run(
        timm.WSDLRScheduler,
        base=base,
        t_initial=hold + decay,
        decay_t=decay,
        lr_min=floor,
        stable_fn=stable,
        stable_power=0.7,
        decay_fn=fall,
        decay_power=1.7,
        warmup_t=warmup,
    )
    # What decays is the stable law itself, which goes on, and what is lost to it comes from the floor.
    law = maximum(STABLE[stable](warmup), floor)
    falling = Constant(1.0, over=hold) >> FALLS[fall](1.0, 0.0, over=decay)
    rising = Constant(0.0, over=hold) >> FALLS[fall](0.0, floor, over=decay)
    assert_same(Linear(0.0, BASE, over=warmup) >> law * falling + rising, theirs, base=base)


@given(
    st.lists(st.integers(1, 40).map(lambda eighths: eighths / 8), min_size=1, max_size=40),
    st.sampled_from([0.5, 0.1]),
    st.integers(0, 4),
    st.integers(0, 3),
    st.integers(0, 5),
    rates,
)
@pytest.mark.filterwarnings("ignore:PlateauLRScheduler is deprecated:FutureWarning")
def test_plateau(
    scores: list[float], factor: float, patience: int, cooldown: int, warmup: int, base: float
) -> None:
    optimizer = sgd(base)
    theirs = timm.PlateauLRScheduler(
        optimizer, decay_rate=factor, patience_t=patience, cooldown_t=cooldown, warmup_t=warmup
    )
    seen = []
    for epoch, score in enumerate(scores):
        seen.append(optimizer.param_groups[0]["lr"])
        theirs.step(epoch + 1, score)
    plateau = Plateau(
        "top1",
        factor=factor,
        patience=patience,
        cooldown=cooldown,
        mode="max",
        start_after=warmup,  # the scores of the warmup are not looked at
        minimum=1e-9,  # torch's eps, which theirs cannot change, makes no reduction below it
    )
    plan = Linear(0.0, BASE, over=warmup) * plateau if warmup else Constant(BASE) * plateau
    ours = plan.on(Horizon()).replay(scores, base=base)
    still = np.array(seen) > 1e-7 * base
    assert ours[still] == pytest.approx(np.array(seen)[still], rel=1e-12)


def test_their_noise_is_another_of_the_same_law() -> None:
    # Both are functions of the seed and the step alone; theirs comes of torch's generator, ours of none.
    noisy: dict[str, Any] = {"decay_t": 100, "noise_range_t": 10, "noise_pct": 0.3, "noise_std": 0.2}
    theirs = run(timm.StepLRScheduler, **noisy)
    assert theirs.tolist() == run(timm.StepLRScheduler, **noisy).tolist()
    ours = warmup(10, start=1.0) >> Noise(42, 0.3, distribution="normal", std=0.2)
    values = ours.on(Horizon())(range(STEPS))
    for noise in (theirs, values):
        assert set(noise[:10]) == {1.0}
        assert 0.7 < noise[10:].min() < 1.0 < noise[10:].max() < 1.3
    assert not np.allclose(theirs, values)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("cosine", Linear(0.0, BASE, over=4) >> cosine(20)),
        ("tanh", Linear(0.0, BASE, over=4) >> timms_tanh(20, 0.0, -7.0, 3.0)),
        ("step", Linear(0.0, BASE, over=4) >> step(5, 0.1)),
        ("constant", Linear(0.0, BASE, over=4) >> BASE),
        ("multistep", Linear(0.0, BASE, over=4) >> multistep([9, 14], 0.1)),
        ("poly", Linear(0.0, BASE, over=4) >> Polynomial(over=20, power=0.1)),
        ("wsd", Linear(0.0, BASE, over=4) >> Constant(BASE, over=16) >> Ramp(over=4, ease="one_minus_sqrt")),
        (
            "rsqrt",
            Linear(0.0, BASE, over=4)
            >> InverseSqrt(4) * (Constant(1.0, over=16) >> Linear(1.0, 0.0, over=4)),
        ),
    ],
)
def test_the_names_of_create_scheduler(name: str, ours: Schedule) -> None:
    optimizer = sgd(1.0)
    scheduler, epochs = timm.create_scheduler_v2(
        optimizer,
        name,
        20,
        decay_epochs=4 if name in ("wsd", "rsqrt") else 5,
        decay_milestones=[10, 15],
        warmup_lr=0.0,
        warmup_epochs=4,
        warmup_prefix=True,
    )
    assert epochs == 24
    theirs = [scheduler._get_lr(epoch)[0] for epoch in range(epochs)]
    assert_same(ours, theirs)


def test_all_of_it_is_here() -> None:
    assert {name for name in dir(timm) if name.endswith("LRScheduler")} == {
        "CosineLRScheduler",
        "MultiStepLRScheduler",
        "PlateauLRScheduler",
        "PolyLRScheduler",
        "StepLRScheduler",
        "TanhLRScheduler",
        "WSDLRScheduler",
    }
