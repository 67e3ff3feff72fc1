from __future__ import annotations

import json
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from etude import BASE, cyclic_cosine_decay
from etude.errors import ResumeError, ScheduleError
from etude.torch import adopt, lr_scheduler
from etude.torch.lr_scheduler import CyclicCosineDecayLR

TUTORIAL: dict[str, Any] = {
    "init_decay_epochs": 15,
    "min_decay_lr": 2.5e-6,
    "restart_interval": 10,
    "restart_lr": 12.5e-5,
    "warmup_epochs": 10,
    "warmup_start_lr": 2.5e-6,
}


def sgd(*bases: float) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases])


def rates(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def run(scheduler: CyclicCosineDecayLR, steps: int) -> Iterator[list[float]]:
    """The rates that so many updates use."""
    for _ in range(steps):
        yield rates(scheduler.optimizer)
        scheduler.optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (0, 2.5e-6),
        (5, 6.375e-5),
        (10, 12.5e-5),
        (17.5, 6.375e-5),
        (25, 12.5e-5),
        (30, 6.375e-5),
        (35, 12.5e-5),
        (45, 12.5e-5),
        (1_000_005, 12.5e-5),
    ],
)
def test_the_tutorials_example(epoch: float, rate: float) -> None:
    optimizer = Adam([Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = CyclicCosineDecayLR(optimizer, **TUTORIAL)
    scheduler.seek(epoch)
    assert rates(optimizer) == [pytest.approx(rate, rel=1e-15)]


def test_the_tutorials_peaks_are_exact() -> None:
    optimizer = sgd(1e-3)
    used = [rate for (rate,) in run(CyclicCosineDecayLR(optimizer, **TUTORIAL), 200)]
    peaks = [epoch for epoch, rate in enumerate(used) if rate == 12.5e-5]
    assert peaks == [10, *range(25, 200, 10)]
    assert used[0] == 2.5e-6
    assert min(used[10:]) > 2.5e-6


def half_cosine(elapsed: float, length: float, start: float, stop: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * elapsed / length)) / 2


def original(
    epoch: int,
    base: float,
    *,
    init_decay_epochs: int,
    min_decay_lr: float,
    restart_interval: int | None = None,
    restart_interval_multiplier: float | None = None,
    restart_lr: float | None = None,
    warmup_epochs: int = 0,
    warmup_start_lr: float = 0.0,
) -> float:
    """The formula of the original, its cycles counted one by one."""
    if epoch < warmup_epochs:
        return half_cosine(epoch, warmup_epochs, warmup_start_lr, base)
    since = Fraction(epoch - warmup_epochs)
    if since < init_decay_epochs:
        return half_cosine(float(since), init_decay_epochs, base, min_decay_lr)
    if restart_interval is None:
        return min_decay_lr
    since -= init_decay_epochs
    length = Fraction(restart_interval)
    while since >= length:
        since -= length
        length *= Fraction(str(restart_interval_multiplier or 1))
    peak = base if restart_lr is None else restart_lr
    return half_cosine(float(since), float(length), peak, min_decay_lr)


WITH_WARMUP = {"warmup_epochs": 4, "warmup_start_lr": 0.001}
CYCLES = {"init_decay_epochs": 7, "min_decay_lr": 0.01, "restart_interval": 3}


@pytest.mark.parametrize(
    "arguments",
    [
        {"init_decay_epochs": 7, "min_decay_lr": 0.01},
        {"init_decay_epochs": 7, "min_decay_lr": 0.01, **WITH_WARMUP},
        CYCLES,
        {**CYCLES, **WITH_WARMUP},
        *({**CYCLES, **WITH_WARMUP, "restart_interval_multiplier": by} for by in (1, 1.5, 2, 2.5, 3, 4, 10)),
    ],
    ids=str,
)
def test_it_follows_the_originals_formula(arguments: dict[str, Any]) -> None:
    """With a half cosine for the warmup, and the optimizer's rate as the peak of all."""
    bases = (0.5, 0.1)
    scheduler = CyclicCosineDecayLR(sgd(*bases), **arguments, warmup_shape="cosine")
    for epoch, used in enumerate(run(scheduler, 200)):
        assert used == pytest.approx([original(epoch, base, **arguments) for base in bases], abs=1e-12)


@pytest.mark.parametrize(
    ("multiplier", "elapsed"),
    [(3, 121), (3, 29_524), (10, 111), (10, 1_111_111), (2, 2**40 - 1), (1, 1_000_000)],
)
def test_a_restart_is_exactly_where_its_cycle_starts(multiplier: int, elapsed: int) -> None:
    """Where a logarithm would be one rounding short, and would give the floor."""
    scheduler = CyclicCosineDecayLR(sgd(1.0), 5, 0.0, 2, multiplier)
    scheduler.seek(5 + 2 * elapsed)
    assert scheduler.get_last_lr() == [1.0]
    scheduler.seek(5 + 2 * elapsed - 1)
    assert scheduler.get_last_lr()[0] < 1.0


def test_the_original_holds_its_peak_only_at_whole_epochs() -> None:
    """With the multiplier 1.5 the cycles last 3, 4.5, 6.75, ...: a restart may fall between two epochs."""
    used = [rate for (rate,) in run(CyclicCosineDecayLR(sgd(1.0), 7, 0.0, 3, 1.5), 16)]
    assert [used[epoch] for epoch in (7, 10)] == [1.0, 1.0]
    assert used[14] == pytest.approx(0.0301537, abs=1e-7)
    assert used[15] == pytest.approx(half_cosine(0.5, 6.75, 1.0, 0.0))


def test_cycles_that_shrink_hold_the_floor_after_the_shortest() -> None:
    scheduler = CyclicCosineDecayLR(sgd(1.0), 4, 0.25, 8, 0.5)
    used = [rate for (rate,) in run(scheduler, 60)]
    assert [epoch for epoch, rate in enumerate(used) if rate == 1.0] == [0, 4, 12, 16, 18]
    assert used[19:] == [0.25] * 41


def test_without_an_interval_the_floor_is_held() -> None:
    used = [rate for (rate,) in run(CyclicCosineDecayLR(sgd(1.0), 2, 0.25), 6)]
    assert used == [1.0, pytest.approx(0.625), 0.25, 0.25, 0.25, 0.25]


def test_the_warmup_is_a_straight_line_by_default() -> None:
    scheduler = CyclicCosineDecayLR(sgd(1.0), 2, 0.0, warmup_epochs=4, warmup_start_lr=0.2)
    used = [rate for (rate,) in run(scheduler, 5)]
    assert used == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(
    ("arguments", "first", "later"),
    [
        ({}, 0.5, 0.5),
        ({"restart_lr": 0.3}, 0.3, 0.3),
        ({"init_lr": 0.7}, 0.7, 0.7),
        ({"init_lr": 0.7, "restart_lr": 0.3}, 0.7, 0.3),
        ({"init_lr": BASE, "restart_lr": 0.3}, 0.5, 0.3),
    ],
)
def test_which_peak_stands_where_one_is_left_out(
    arguments: dict[str, Any], first: float, later: float
) -> None:
    scheduler = CyclicCosineDecayLR(sgd(0.5), 4, 0.0, 4, warmup_epochs=2, warmup_start_lr=0.01, **arguments)
    used = [rate for (rate,) in run(scheduler, 11)]
    assert [used[2], used[6], used[10]] == [first, later, later]


def test_one_value_for_each_group() -> None:
    scheduler = CyclicCosineDecayLR(
        sgd(1.0, 2.0, 3.0),
        4,
        min_decay_lr=[0.1, 0.2, 0],
        restart_interval=4,
        restart_lr=(rate for rate in (0.5, 1, 0.25 * BASE)),
        warmup_epochs=2,
        warmup_start_lr=(0.01, 0.02, 0.03),
        init_lr=[BASE, BASE, 6],
    )
    used = list(run(scheduler, 9))
    assert used[0] == [0.01, 0.02, 0.03]
    assert used[2] == [1.0, 2.0, 6.0]
    assert used[4] == pytest.approx([0.55, 1.1, 3.0])
    assert used[6] == [0.5, 1.0, 0.75]
    assert used[8] == pytest.approx([0.3, 0.6, 0.375])


def test_numbers_and_arrays_of_numpys_are_as_good_as_floats() -> None:
    optimizer = sgd(1.0, 2.0)
    scheduler = CyclicCosineDecayLR(
        optimizer, 2, np.float32(0.25), warmup_epochs=2, warmup_start_lr=np.array([0.5, 0.75])
    )
    assert rates(optimizer) == [0.5, 0.75]
    scheduler.seek(4)
    assert rates(optimizer) == [0.25, 0.25]


def test_whole_numbers_are_as_good_as_floats() -> None:
    scheduler = CyclicCosineDecayLR(sgd(3), 2, 0, 2, 1, restart_lr=1)
    assert list(run(scheduler, 5)) == [[1.0], [pytest.approx(0.5)], [1.0], [pytest.approx(0.5)], [1.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"restart_interval_multiplier": 2}, "restart_interval_multiplier with a restart_interval only"),
        ({"restart_interval": 2, "restart_interval_multiplier": 0}, "must be more than 0; got 0"),
        ({"restart_interval": 2, "restart_interval_multiplier": -1}, "more than 0; got -1"),
        ({"restart_interval": -2}, "at least 0; got -2"),
        ({"init_decay_epochs": -1}, "at least 0; got -1"),
        ({"min_decay_lr": -0.1}, "at least 0; got -0.1"),
        ({"min_decay_lr": math.nan}, "must be finite; got nan"),
        ({"min_decay_lr": [0.1]}, r"min_decay_lr must be a rate, or one for each of the optimizer's 2"),
        ({"min_decay_lr": "0.1"}, "min_decay_lr must be a rate"),
        ({"min_decay_lr": None}, "min_decay_lr must be a rate"),
        ({"min_decay_lr": torch.tensor(0.1)}, "min_decay_lr must be a rate"),
        ({"min_decay_lr": True}, "must be a number"),
        ({"restart_lr": [0.1, 0.2, 0.3]}, "restart_lr must be a rate, or one for each"),
        ({"init_lr": ["0.1", "0.2"]}, "must be a number"),
        ({"warmup_epochs": 3}, "warmup_epochs and warmup_start_lr together; got warmup_epochs=3"),
        ({"warmup_start_lr": 0.1}, "warmup_epochs and warmup_start_lr together"),
        ({"warmup_shape": "cosin"}, "must be one of 'linear', 'cosine'.*did you mean 'cosine'"),
        ({"last_epoch": -2}, r"last_epoch=\) must be a whole number, at least -1; got -2"),
        ({"last_epoch": 1.5}, r"last_epoch=\) must be a whole number"),
        ({"last_epoch": True}, r"last_epoch=\) must be a whole number"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_and_the_optimizer_left_alone(
    arguments: dict[str, Any], message: str
) -> None:
    optimizer = sgd(0.5, 0.1)
    with pytest.raises(ScheduleError, match=message):
        CyclicCosineDecayLR(optimizer, **{"init_decay_epochs": 5, "min_decay_lr": 0.01, **arguments})
    assert rates(optimizer) == [0.5, 0.1]
    assert not any("initial_lr" in group for group in optimizer.param_groups)


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="verbose"):
        CyclicCosineDecayLR(sgd(1.0), 5, 0.1, verbose=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("last_epoch", [-1, 0, 4, 33])
def test_last_epoch_counts_as_in_torch(last_epoch: int) -> None:
    schedulers = []
    for build in (
        lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9, last_epoch=last_epoch),
        lambda optimizer: CyclicCosineDecayLR(optimizer, **TUTORIAL, last_epoch=last_epoch),
    ):
        optimizer = sgd(1.0)
        optimizer.param_groups[0]["initial_lr"] = 1.0
        schedulers.append(build(optimizer))
    theirs, ours = schedulers
    assert ours.last_epoch == theirs.last_epoch == last_epoch + 1


def test_last_epoch_without_the_bases_is_refused_as_in_torch() -> None:
    with pytest.raises(KeyError, match=r"'initial_lr' is not specified in param_groups\[0\]"):
        CyclicCosineDecayLR(sgd(1.0), **TUTORIAL, last_epoch=4)


def test_last_epoch_goes_on_where_the_run_stopped() -> None:
    whole = list(run(CyclicCosineDecayLR(sgd(1e-3), **TUTORIAL), 60))
    optimizer = sgd(1e-3)
    optimizer.param_groups[0]["initial_lr"] = 1e-3
    resumed = CyclicCosineDecayLR(optimizer, **TUTORIAL, last_epoch=36)
    assert list(run(resumed, 23)) == whole[37:]


def test_a_checkpoint_goes_on_exactly() -> None:
    arguments = {**TUTORIAL, "restart_interval_multiplier": 1.5, "min_decay_lr": [1e-6, 2e-6]}
    first = CyclicCosineDecayLR(sgd(1.0, 2.0), **arguments)
    whole = list(run(first, 90))
    first.seek(41)
    second = CyclicCosineDecayLR(sgd(1.0, 2.0), **arguments)
    second.load_state_dict(first.state_dict())
    assert list(run(second, 49)) == whole[41:]


def test_the_arguments_of_a_checkpoint_are_in_force_and_it_is_said() -> None:
    first = CyclicCosineDecayLR(sgd(1.0), **TUTORIAL)
    second = CyclicCosineDecayLR(sgd(1.0), **{**TUTORIAL, "restart_interval": 20})
    message = "built with restart_interval=20; the checkpoint's restart_interval=10 is in force"
    with pytest.warns(UserWarning, match=message):
        second.load_state_dict(first.state_dict())
    assert list(run(second, 60)) == list(run(first, 60))


def test_the_state_of_another_class_is_refused() -> None:
    other = lr_scheduler.StepLR(sgd(1.0), 3)
    with pytest.raises(ResumeError, match="this is the state of StepLR, not of CyclicCosineDecayLR"):
        CyclicCosineDecayLR(sgd(1.0), **TUTORIAL).load_state_dict(other.state_dict())


def test_its_state_is_plain_values() -> None:
    scheduler = CyclicCosineDecayLR(sgd(1.0, 2.0), 4, 0.1 * BASE, 4, 1.5, init_lr=[BASE, 3])
    state = json.loads(json.dumps(scheduler.state_dict()))
    assert (state["min_decay_lr"], state["init_lr"]) == (["0.1 * BASE"] * 2, ["BASE", 3.0])
    again = CyclicCosineDecayLR(sgd(1.0, 2.0), 4, 0.1 * BASE, 4, 1.5, init_lr=[BASE, 3])
    scheduler.seek(7)
    again.load_state_dict(scheduler.state_dict())
    assert rates(again.optimizer) == rates(scheduler.optimizer)


def test_it_composes_with_the_others() -> None:
    optimizer = sgd(1.0)
    cycles = CyclicCosineDecayLR(optimizer, 4, 0.0, 4)
    warmup = lr_scheduler.LinearLR(optimizer, 0.25, total_iters=2)
    used = [rate for (rate,) in run(lr_scheduler.ChainedScheduler([warmup, cycles]), 5)]
    alone = [rate for (rate,) in run(CyclicCosineDecayLR(sgd(1.0), 4, 0.0, 4), 5)]
    assert used == pytest.approx([0.25 * alone[0], 0.625 * alone[1], *alone[2:]])


def test_it_can_follow_another() -> None:
    optimizer = sgd(1.0)
    parts = [lr_scheduler.LinearLR(optimizer, 0.25, total_iters=3), CyclicCosineDecayLR(optimizer, 2, 0.0, 2)]
    used = [rate for (rate,) in run(lr_scheduler.SequentialLR(optimizer, parts, [3]), 8)]
    assert used == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.5, 1.0, 0.5, 1.0])


def test_it_is_adopted_as_its_recipe() -> None:
    adopted = adopt(CyclicCosineDecayLR(sgd(1e-3), **TUTORIAL))
    assert adopted.schedule == cyclic_cosine_decay(**TUTORIAL)


@pytest.mark.parametrize("floor", [0.25, [0.25, 0.25]], ids=["a number", "equal numbers"])
def test_an_added_group_follows_where_all_groups_agree(floor: float | list[float]) -> None:
    optimizer = sgd(1.0, 2.0)
    scheduler = CyclicCosineDecayLR(optimizer, 4, floor)
    optimizer.step()
    scheduler.step()
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 4.0})
    scheduler.step()
    assert rates(optimizer) == pytest.approx([0.625, 1.125, 2.125])


def test_an_added_group_is_refused_where_the_groups_differ() -> None:
    optimizer = sgd(1.0, 2.0)
    scheduler = CyclicCosineDecayLR(optimizer, 4, [0.25, 0.5])
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 4.0})
    optimizer.step()
    with pytest.raises(ScheduleError, match=r"min_decay_lr has 2 values and .* group 2; append one for it"):
        scheduler.step()
    assert scheduler.last_epoch == 0
    assert rates(optimizer) == [1.0, 2.0, 4.0]
