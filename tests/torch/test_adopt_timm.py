"""``adopt`` on timm's schedulers, run on beside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

from etude.errors import ScheduleError
from etude.torch.adopt import adopt
from tests.peers.timm_schedulers import timm

BASES = (0.1, 0.03)


def sgd(**more: Any) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base, **more} for base in BASES])


def assert_goes_on(scheduler: Any, done: int, more: int = 60) -> str:
    """The adopted schedule gives what timm's writes, but where its floating logarithm misses a restart."""
    optimizer = scheduler.optimizer
    write = scheduler.step if scheduler.t_in_epochs else scheduler.step_update
    write(done)
    before = [dict(group, params=None) for group in optimizer.param_groups]
    adopted = adopt(scheduler, clock=done)
    assert [dict(group, params=None) for group in optimizer.param_groups] == before
    assert (adopted.clock, adopted.unit) == (done, "epoch" if scheduler.t_in_epochs else "step")
    each: Any = adopted.schedule
    tables = [
        plan.on(adopted.horizon) for plan in (each.values() if adopted.by_group else [each] * len(BASES))
    ]
    for step in range(done, done + more):
        write(step)
        for group, table in zip(optimizer.param_groups, tables, strict=True):
            if getattr(scheduler, "cycle_mul", 1) != 1 and step == table.phase(step).start:
                continue
            assert table(step, group["initial_lr"]) == pytest.approx(group["lr"], rel=1e-11, abs=1e-15)
    return repr(each)


cycles = st.fixed_dictionaries(
    {
        "t_initial": st.integers(2, 30),
        "lr_min": st.sampled_from([0.0, 0.001]),
        "cycle_mul": st.sampled_from([1.0, 2.0, 1.5]),
        "cycle_decay": st.sampled_from([1.0, 0.5]),
        "cycle_limit": st.integers(1, 3),
    }
)
warmups = st.fixed_dictionaries(
    {
        "warmup_t": st.integers(0, 10),
        "warmup_lr_init": st.floats(0, 0.01),
        "warmup_prefix": st.booleans(),
        "t_in_epochs": st.booleans(),
    }
)
k_decays = st.fixed_dictionaries({"k_decay": st.sampled_from([1.0, 1.5, 3.0])})
rates = st.floats(0.1, 1)
KEYWORDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "CosineLRScheduler": st.builds(lambda own, k: own | k, cycles, k_decays),
    "PolyLRScheduler": st.builds(lambda own, power: own | {"power": power}, cycles, st.floats(0.5, 2)),
    "TanhLRScheduler": cycles,
    "StepLRScheduler": st.fixed_dictionaries({"decay_t": st.integers(1, 20), "decay_rate": rates}),
    "MultiStepLRScheduler": st.fixed_dictionaries(
        {"decay_t": st.lists(st.integers(1, 40), min_size=1, max_size=3).map(sorted), "decay_rate": rates}
    ),
}


@pytest.mark.parametrize("name", KEYWORDS)
@given(data=st.data(), warmup=warmups, done=st.integers(0, 30))
def test_timms_go_on_as_adopted(name: str, data: st.DataObject, warmup: Any, done: int) -> None:
    keywords = data.draw(KEYWORDS[name]) | warmup
    if name == "TanhLRScheduler":
        # Without it, the warmup leads to a rate that is no multiple of the base rate.
        keywords["warmup_prefix"] = True
    assert_goes_on(getattr(timm, name)(sgd(), **keywords), done)


def test_a_warmup_to_where_the_tangent_will_be_is_refused() -> None:
    with pytest.raises(ScheduleError, match="warms up to where the curve will be, which is no multiple"):
        adopt(timm.TanhLRScheduler(sgd(), 20, warmup_t=3), clock=0)


def test_a_scale_in_the_group_is_a_factor() -> None:
    text = assert_goes_on(timm.CosineLRScheduler(sgd(lr_scale=0.5), 20), 3)

    assert text == "0.5 * Cosine(BASE, 0.0, over=20)" or text == "Constant(0.5) * Cosine(BASE, 0.0, over=20)"


@pytest.mark.filterwarnings("ignore:PlateauLRScheduler is deprecated")
def test_a_plateau_is_a_factor_of_the_warmup() -> None:
    scheduler = timm.PlateauLRScheduler(sgd(), decay_rate=0.5, patience_t=3, warmup_t=5, warmup_lr_init=0.001)

    text = repr(adopt(scheduler, clock=2).schedule)

    assert text.startswith(
        "Linear(0.001, BASE, over=5) * Plateau('metric', factor=0.5, patience=3, mode='max'"
    )


@pytest.mark.parametrize(
    ("keywords", "clock", "message"),
    [
        (
            {},
            None,
            "CosineLRScheduler of timm keeps no clock: say the epoch (or the update, with t_in_epochs=False",
        ),
        ({}, -1, "adopt(clock=) must be a finite number, at least 0; got -1"),
        (
            {"noise_range_t": 5},
            3,
            "CosineLRScheduler(noise_range_t=) adds torch's random numbers, which no express",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(keywords: Any, clock: Any, message: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        adopt(timm.CosineLRScheduler(sgd(), 20, **keywords), clock=clock)
    assert message in str(refusal.value)
