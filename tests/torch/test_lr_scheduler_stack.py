"""Several schedulers on one optimizer: any order of building and stepping gives the same."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import re
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from etude.errors import ScheduleError, ScheduleWarning
from etude.torch import lr_scheduler as ours
from tests.torch.beside import (
    ARGUMENTS,
    COMPARED,
    Setup,
    assert_same,
    build,
    plain,
    rates,
    settings,
    setups,
    step,
    theirs,
)

# Runs longer than T_max are asked for here; that the climb is told has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")

CHAINABLE = ["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "MultiplicativeLR"]


def sgd(*bases: float, **more: Any) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases or (1.0,)], **more)


@given(data=st.data(), setup=setups(), names=st.lists(st.sampled_from(CHAINABLE), min_size=2, max_size=3))
def test_chainable_ones_compose_as_torchs(data: st.DataObject, setup: Setup, names: list[str]) -> None:
    arguments = [data.draw(ARGUMENTS[name]) for name in names]
    one, other = setup.optimizer(), setup.optimizer()
    mine = [build(ours, name, one, each) for name, each in zip(names, arguments, strict=True)]
    peers = [build(theirs, name, other, each) for name, each in zip(names, arguments, strict=True)]
    for _ in range(30):
        assert_same(settings(one), settings(other), scale=max(setup.bases))
        step(mine)
        step(peers)
    COMPARED["composed"] += 1


COMPOSED: list[Callable[[Optimizer], Any]] = [
    lambda o: ours.CosineAnnealingLR(o, 9, 0.01),
    lambda o: ours.MultiStepLR(o, [2, 4], 0.5),
    lambda o: ours.LinearLR(o, 0.1, total_iters=4),
    lambda o: ours.OneCycleLR(o, 0.5, 20),
]


def test_every_order_of_building_and_stepping_gives_the_same() -> None:
    seen = []
    for build_order in itertools.permutations(range(4)):
        for step_order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)):
            optimizer = sgd(0.3, 0.7, momentum=0.9)
            built = {i: COMPOSED[i](optimizer) for i in build_order}
            walk = []
            for _ in range(8):
                walk.append(settings(optimizer))
                step([built[i] for i in step_order])
            seen.append(walk)
    assert all(walk == seen[0] for walk in seen)


@pytest.mark.parametrize("first", [0, 1])
def test_an_exponential_times_a_constant(first: int) -> None:
    """T27."""
    optimizer = sgd(1.0)
    make = [
        lambda: ours.ExponentialLR(optimizer, 0.9),
        lambda: ours.ConstantLR(optimizer, 0.5, total_iters=100),
    ]
    schedulers = [make[first](), make[1 - first]()]
    used = []
    for _ in range(5):
        used += rates(optimizer)
        step(schedulers)
    assert used == pytest.approx([0.5, 0.45, 0.405, 0.3645, 0.32805], rel=1e-15)


@pytest.mark.parametrize("first", [0, 1])
def test_restarts_times_milestones(first: int) -> None:
    """T28."""
    optimizer = sgd(1.0)
    make = [
        lambda: ours.CosineAnnealingWarmRestarts(optimizer, 500),
        lambda: ours.MultiStepLR(optimizer, [1, 2, 3]),
    ]
    schedulers = [make[first](), make[1 - first]()]
    used = []
    for _ in range(5):
        used += rates(optimizer)
        step(schedulers)
    assert used == pytest.approx([1, 0.1, 0.01, 0.001, 0.001], rel=1e-3)


def test_a_rate_of_its_own_is_multiplied_by_the_others() -> None:
    optimizer, alone = sgd(0.1), sgd(0.1)
    cycle, single = (ours.CyclicLR(o, 0.2, 0.6, 4, cycle_momentum=False) for o in (optimizer, alone))
    halving = ours.StepLR(optimizer, 2, 0.5)
    for k in range(8):
        assert rates(optimizer) == [pytest.approx(rates(alone)[0] * 0.5 ** (k // 2), rel=1e-15)]
        step([halving, cycle])
        step([single])


def test_two_rates_of_their_own_are_told_and_the_last_stepped_counts() -> None:
    optimizer = sgd(0.1)
    one = ours.CyclicLR(optimizer, 0.2, 0.6, 4, cycle_momentum=False)
    other = ours.OneCycleLR(optimizer, 0.9, 10, cycle_momentum=False)
    step([one])
    assert rates(optimizer) == one.get_last_lr() == pytest.approx([0.3])
    with pytest.warns(UserWarning, match="CyclicLR and OneCycleLR both write rates of their own"):
        step([other])
    assert rates(optimizer) == other.get_last_lr()
    step([other])
    assert rates(optimizer)[0] > 0.3


def test_a_writer_that_only_comes_after_another_is_no_clash() -> None:
    optimizer = sgd(0.1)
    first = ours.CyclicLR(optimizer, 0.2, 0.6, 4, cycle_momentum=False)
    step([first])
    second = ours.OneCycleLR(optimizer, 0.9, 10, cycle_momentum=False)
    step([second])
    assert rates(optimizer) == second.get_last_lr()


def test_what_is_deleted_leaves_at_once() -> None:
    optimizer = sgd(1.0)
    decay = ours.ExponentialLR(optimizer, 0.9)
    half = ours.ConstantLR(optimizer, 0.5, total_iters=100)
    step([decay, half])
    assert rates(optimizer) == [0.45]
    del half
    assert rates(optimizer) == [0.9]
    assert decay.get_last_lr() == [0.9]


def test_a_cell_that_is_run_again_starts_anew() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.StepLR(optimizer, 1, 0.1)
    step([scheduler])
    assert rates(optimizer) == [0.1]
    scheduler = ours.StepLR(optimizer, 1, 0.5)
    assert rates(optimizer) == [1.0]
    step([scheduler])
    assert rates(optimizer) == [0.5]


def test_the_last_one_leaves_the_rate_as_it_is() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.StepLR(optimizer, 1, 0.1)
    step([scheduler])
    del scheduler
    assert rates(optimizer) == [0.1]


def test_nothing_keeps_an_optimizer_or_a_scheduler_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        optimizer = sgd(1.0)
        schedulers = [
            ours.LambdaLR(optimizer, lambda _: 1.0),
            ours.SequentialLR(optimizer, [ours.LinearLR(optimizer), ours.StepLR(optimizer, 2)], [3]),
            ours.ChainedScheduler([ours.StepLR(optimizer, 2), ours.ExponentialLR(optimizer, 0.9)]),
            ours.CyclicLR(optimizer, 0.1, 0.2, cycle_momentum=False),
            ours.SWALR(optimizer, 0.1),
        ]
        step(schedulers)
        refs = [weakref.ref(scheduler) for scheduler in schedulers]
        del schedulers
        assert [ref() for ref in refs] == [None] * 5
        assert gc.get_referrers(optimizer) == []
        gone = weakref.ref(optimizer)
        del optimizer
        assert gone() is None
    finally:
        gc.enable()


def test_a_group_added_later_gets_the_schedule_from_its_own_base() -> None:
    optimizer = sgd(1.0)
    schedulers = [ours.ExponentialLR(optimizer, 0.5), ours.ConstantLR(optimizer, 0.5, total_iters=9)]
    step(schedulers)
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 8.0})
    step(schedulers)
    assert rates(optimizer) == [0.125, 1.0]
    assert schedulers[0].base_lrs == [1.0, 8.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda o: ours.OneCycleLR(o, [0.5], 20),
        lambda o: ours.SWALR(o, [0.5]),
        lambda o: ours.CyclicLR(o, [0.1], [0.5]),
        lambda o: ours.LambdaLR(o, [lambda k: 0.5**k]),
        lambda o: ours.ReduceLROnPlateau(o, patience=0),
    ],
)
def test_a_group_added_later_gets_what_all_others_have(make: Callable[[Optimizer], Any]) -> None:
    optimizer = sgd(1.0, momentum=0.9)
    scheduler = make(optimizer)
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0})
    for metric in (1.0, 2.0, 3.0):
        step([scheduler], *([metric] if isinstance(scheduler, ours.ReduceLROnPlateau) else []))
    own, added = rates(optimizer)
    # OneCycleLR starts from what the group had, where that has no first rate of its own.
    assert added == pytest.approx(own, rel=1e-12) or isinstance(scheduler, ours.OneCycleLR)


def test_a_group_added_to_unequal_ones_is_asked_for() -> None:
    optimizer = sgd(1.0, 1.0)
    scheduler = ours.LambdaLR(optimizer, [lambda k: 0.5**k, lambda k: 0.9**k])
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0})
    with pytest.raises(ScheduleError, match=r"lr_lambdas has 2 values and the optimizer a parameter group 2"):
        step([scheduler])


def test_an_attribute_that_is_changed_is_followed_at_the_next_step() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.CosineAnnealingLR(optimizer, T_max=10)
    step([scheduler])
    scheduler.T_max = 4
    step([scheduler])
    assert rates(optimizer) == pytest.approx([0.5])
    scheduler.base_lrs[0] = 2.0
    step([scheduler])
    assert rates(optimizer) == pytest.approx([2 * 0.1464466094067262])
    assert optimizer.param_groups[0]["initial_lr"] == 2.0


def test_an_attribute_that_is_wrong_is_refused_at_the_next_step_and_changes_nothing() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.StepLR(optimizer, 1, 0.5)
    step([scheduler])
    scheduler.step_size = 0
    with pytest.raises(
        ScheduleError, match=r"StepLR\(step_size=\) must be a whole number, at least 1; got 0"
    ):
        scheduler.step()
    assert (scheduler.last_epoch, rates(optimizer)) == (1, [0.5])


def test_stepping_before_the_optimizer_is_told_once() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match="how-to-adjust-learning-rate"):
        scheduler.step()
    optimizer.step()
    scheduler.step()


def test_the_optimizers_step_is_not_wrapped_and_keeps_no_hook() -> None:
    optimizer = sgd(1.0)
    before = optimizer.step.__func__
    scheduler = ours.StepLR(optimizer, 3)
    assert optimizer.step.__func__ is before
    step([scheduler])
    assert not optimizer._optimizer_step_post_hooks


def test_an_overridden_step_of_the_optimizer_is_no_reason_to_warn() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.StepLR(optimizer, 3)
    inner = optimizer.step
    optimizer.step = lambda *_: inner()  # type: ignore[method-assign]
    step([scheduler])


def test_step_with_an_epoch_says_that_it_is_deprecated_once_for_each_call() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        scheduler.step(3)
    assert [str(warning.message) for warning in told] == [ours.EPOCH_DEPRECATION_WARNING]
    assert told[0].filename == __file__
    assert rates(optimizer) == [0.125]
    scheduler.seek(1)
    assert rates(optimizer) == [0.5]


@pytest.mark.parametrize("wrong", [-1, float("nan"), "3", True, None, 2**54])
def test_a_step_that_is_none_is_refused(wrong: Any) -> None:
    scheduler = ours.StepLR(sgd(1.0), 3)
    if wrong is not None:
        with pytest.raises(ScheduleError, match="a step must be a number ≥ 0"):
            scheduler.seek(wrong)
    assert scheduler.last_epoch == 0


def test_tensor_rates_keep_their_identity_and_are_not_shared() -> None:
    rate = torch.tensor(0.5)
    groups = [{"params": [Parameter(torch.zeros(1))]}, {"params": [Parameter(torch.zeros(1))]}]
    optimizer = Adam(groups, lr=rate)
    scheduler = ours.LambdaLR(optimizer, [lambda k: 0.5**k, lambda k: 0.25**k])
    first = optimizer.param_groups[0]["lr"]
    step([scheduler])
    assert optimizer.param_groups[0]["lr"] is first
    assert rates(optimizer) == [0.25, 0.125]
    last = scheduler.get_last_lr()
    assert all(isinstance(value, torch.Tensor) for value in last)
    last[0].fill_(7.0)
    assert rates(optimizer) == [0.25, 0.125]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_has_an_optimizer_and_a_stack_of_its_own(copied: Callable[[Any], Any]) -> None:
    optimizer = sgd(0.8, 0.4, momentum=0.9)
    schedulers = [
        ours.OneCycleLR(optimizer, 0.5, 20),
        ours.StepLR(optimizer, 2, 0.5),
        ours.SequentialLR(
            optimizer, [ours.LinearLR(optimizer), ours.CosineAnnealingWarmRestarts(optimizer, 3)], [2]
        ),
        ours.SWALR(optimizer, 0.05, 4),
    ]
    for _ in range(3):
        step(schedulers)
    twins = copied(schedulers)
    other = twins[0].optimizer
    assert other is not optimizer
    for _ in range(5):
        step(schedulers)
        assert settings(other) != settings(optimizer)
        step(twins)
        assert settings(other) == settings(optimizer)


def kept(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The groups without their parameters and rates."""
    return [
        {key: plain(value) for key, value in group.items() if key not in ("params", "lr")}
        for group in optimizer.param_groups
    ]


def written(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The rates and momenta."""
    return [
        {key: plain(group[key]) for key in ("lr", "momentum", "betas") if key in group}
        for group in optimizer.param_groups
    ]


LEAVING: dict[str, Callable[[Optimizer], Any]] = {
    "LambdaLR": lambda o: ours.LambdaLR(o, lambda k: 0.9**k),
    "MultiplicativeLR": lambda o: ours.MultiplicativeLR(o, lambda k: 0.9),
    "StepLR": lambda o: ours.StepLR(o, 2),
    "MultiStepLR": lambda o: ours.MultiStepLR(o, [2]),
    "ConstantLR": ours.ConstantLR,
    "LinearLR": ours.LinearLR,
    "ExponentialLR": lambda o: ours.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: ours.PolynomialLR(o, 20),
    "CosineAnnealingLR": lambda o: ours.CosineAnnealingLR(o, 20),
    "CosineAnnealingWarmRestarts": lambda o: ours.CosineAnnealingWarmRestarts(o, 7),
    "CyclicLR": lambda o: ours.CyclicLR(o, 0.01, 0.2, 3),
    "OneCycleLR": lambda o: ours.OneCycleLR(o, [1.0, 0.3], 20),
    "CyclicCosineDecayLR": lambda o: ours.CyclicCosineDecayLR(o, 5, 0.001),
    "SequentialLR": lambda o: ours.SequentialLR(o, [ours.OneCycleLR(o, 1.0, 20), ours.StepLR(o, 3)], [2]),
    "ChainedScheduler": lambda o: ours.ChainedScheduler([ours.CyclicLR(o, 0.1, 1.0, 3), ours.StepLR(o, 3)]),
}
"""All classes but the two that start from the rate that is there, ReduceLROnPlateau and SWALR."""


@pytest.mark.parametrize("adam", [False, True], ids=["momentum", "betas"])
@pytest.mark.parametrize("make", LEAVING.values(), ids=LEAVING.keys())
def test_a8_what_comes_after_a_deleted_one_starts_from_what_the_groups_were_built_with(
    make: Callable[[Optimizer], Any], adam: bool
) -> None:
    def fresh() -> Optimizer:
        groups = [{"params": [Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.5)]
        return Adam(groups, betas=(0.9, 0.99)) if adam else SGD(groups, momentum=0.9)

    untouched = fresh()
    expected = ours.CosineAnnealingLR(untouched, 20)
    for replaced in (False, True):  # deleted first, or by the name that it had, as in a notebook
        optimizer = fresh()
        scheduler = make(optimizer)
        for _ in range(3):
            step([scheduler])
        if not replaced:
            del scheduler
        scheduler = ours.CosineAnnealingLR(optimizer, 20)
        assert scheduler.base_lrs == expected.base_lrs == [1.0, 0.5]
        assert (kept(optimizer), rates(optimizer)) == (kept(untouched), [1.0, 0.5])
        step([scheduler])
        again = make(optimizer)
        del scheduler
        other = fresh()
        alone = make(other)
        assert written(optimizer) == written(other)
        del alone, again


def test_a8_one_cycle_then_cosine_in_numbers() -> None:
    optimizer = sgd(1.0, momentum=0.9)
    scheduler = ours.OneCycleLR(optimizer, 1.0, total_steps=20)
    for _ in range(3):
        step([scheduler])
    del scheduler
    scheduler = ours.CosineAnnealingLR(optimizer, 20)
    assert (scheduler.base_lrs, optimizer.param_groups[0]["momentum"]) == ([1.0], 0.9)


def test_a8_of_two_that_write_there_the_last_that_is_deleted_puts_back() -> None:
    optimizer = sgd(1.0, momentum=0.9)
    one = ours.OneCycleLR(optimizer, 1.0, total_steps=20)
    other = ours.CyclicLR(optimizer, 0.01, 0.2, 5)
    del one
    assert optimizer.param_groups[0]["momentum"] == 0.9  # the highest of the other's
    step([other])
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.88)
    del other
    assert kept(optimizer) == kept(ours.StepLR(sgd(1.0, momentum=0.9), 1).optimizer)


def test_a8_a_base_rate_of_the_users_stays() -> None:
    optimizer = sgd(1.0, momentum=0.9)
    scheduler = ours.OneCycleLR(optimizer, 1.0, total_steps=20)
    scheduler.base_lrs[0] = 0.25
    step([scheduler])
    del scheduler
    assert ours.StepLR(optimizer, 1).base_lrs == [0.25]


def test_a8_one_that_goes_on_where_a_deleted_one_stood() -> None:
    optimizer = sgd(1.0, momentum=0.9)
    scheduler = ours.OneCycleLR(optimizer, 1.0, total_steps=20)
    for _ in range(3):
        step([scheduler])
    before = settings(optimizer)
    del scheduler
    again = ours.OneCycleLR(optimizer, 1.0, total_steps=20, last_epoch=2)
    assert settings(again.optimizer) == before


@pytest.mark.parametrize(
    "refused",
    [
        lambda o: ours.OneCycleLR(o, 1.0, 20, base_momentum=-1),
        lambda o: ours.OneCycleLR(o, 1.0, 20, last_epoch=-2),
        lambda o: ours.CyclicLR(o, 0.1, 0.2, 3, last_epoch=-2),
        lambda o: ours.SWALR(o, 0.1, last_epoch=1),
        lambda o: ours.LambdaLR(o, lambda k: -1.0),
        lambda o: ours.StepLR(o, 0),
    ],
)
@pytest.mark.parametrize("tensor", [False, True], ids=["floats", "a shared tensor"])
def test_what_is_refused_leaves_the_groups_as_they_were(
    refused: Callable[[Optimizer], Any], tensor: bool
) -> None:
    rate = torch.tensor(0.5) if tensor else 0.5
    optimizer = SGD([{"params": [Parameter(torch.zeros(1))]} for _ in range(2)], lr=rate, momentum=0.9)
    before = kept(optimizer)
    with pytest.raises((ScheduleError, KeyError)):
        refused(optimizer)
    assert kept(optimizer) == before
    assert all(group["lr"] is rate for group in optimizer.param_groups)
    assert float(rate) == 0.5


BESIDE: dict[str, Callable[[Optimizer], Any]] = {
    **LEAVING,
    "SWALR": lambda o: ours.SWALR(o, 0.05, 5),
    "ReduceLROnPlateau": lambda o: ours.ReduceLROnPlateau(o, patience=50),
}
OTHERS: dict[str, tuple[Callable[[Optimizer], Any], str]] = {
    "a plateau": (
        lambda o: theirs.ReduceLROnPlateau(o, factor=0.1, patience=1),
        r"ReduceLROnPlateau of torch has been built on .*\[two-writers\]",
    ),
    "an exponential": (
        lambda o: theirs.ExponentialLR(o, 0.8),
        r"ExponentialLR of torch has been built on .*\[two-writers\]",
    ),
    "a hand": (
        lambda o: None,
        r"has left the rate of the parameter group 1 at .* and is overwritten now\..*\[rate-changed\]",
    ),
}


@pytest.mark.parametrize(
    ("name", "other", "tensor"),
    [
        *((name, "a plateau", False) for name in BESIDE),
        *(
            (name, other, tensor)
            for name in ("OneCycleLR", "SequentialLR")
            for other in OTHERS
            for tensor in (0, 1)
        ),
    ],
)
def test_a5_another_writer_is_told_once_by_its_name(name: str, other: str, tensor: int) -> None:
    optimizer = SGD(
        [
            {"params": [Parameter(torch.zeros(1))], "lr": torch.tensor(lr) if tensor else lr}
            for lr in (1.0, 0.5)
        ],
        momentum=0.9,
    )
    build_other, message = OTHERS[other]
    scheduler, writer = BESIDE[name](optimizer), build_other(optimizer)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for k in range(8):
            optimizer.step()
            scheduler.step(*((1.0,) if name == "ReduceLROnPlateau" else ()))
            if other == "a hand" and k == 4:
                optimizer.param_groups[1]["lr"] *= 0.7
            elif other == "a plateau":
                writer.step(1.0)
            elif writer is not None:
                writer.step()
    # The two classes that wrap or watch have words of their own about order and ticks.
    about = [warning for warning in told if issubclass(warning.category, ScheduleWarning)]
    assert [re.search(message, str(warning.message)) is not None for warning in about] == [True]
    assert about[0].filename == __file__


def test_a5_nothing_is_told_where_the_optimizer_was_loaded_or_a_group_added() -> None:
    optimizer, other = sgd(1.0), sgd(1.0)
    scheduler, ahead = ours.ExponentialLR(optimizer, 0.9), ours.ExponentialLR(other, 0.9)
    for _ in range(3):
        step([scheduler])
    for _ in range(7):
        step([ahead])
    optimizer.load_state_dict(other.state_dict())
    step([scheduler])
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 8.0})
    step([scheduler])
    assert rates(optimizer) == pytest.approx([0.9**5, 8 * 0.9**5])


def test_a5_a_plateau_of_torchs_undoes_nothing_unheard() -> None:
    optimizer = sgd(1.0)
    warmup = ours.LinearLR(optimizer, 0.5, total_iters=2)
    plateau = theirs.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
    message = (
        r"LinearLR of etude.torch.lr_scheduler has left the rate of the parameter group 0 at 1, and 0.1 is "
        r"found there: ReduceLROnPlateau of torch has been built on this optimizer too, and each writes over "
        r"what the other has written"
    )
    for _ in range(3):
        step([warmup])
        plateau.step(1.0)
    optimizer.step()
    with pytest.warns(ScheduleWarning, match=message):
        warmup.step()


@pytest.mark.parametrize(
    ("make", "fix", "message"),
    [
        (
            lambda o: ours.OneCycleLR(o, [0.3, 0.5], 20),
            {"max_lr": 0.4},
            r"OneCycleLR was given a max_lr for each of 2 parameter groups, and the group 2 that was added "
            r"has none; give it one: optimizer\.param_groups\[2\]\['max_lr'\] = \.\.\.",
        ),
        (
            lambda o: ours.OneCycleLR(o, 0.3, 20, max_momentum=[0.9, 0.95]),
            {"max_momentum": 0.92},
            r"OneCycleLR was given a max_momentum for each of 2 .*param_groups\[2\]\['max_momentum'\]",
        ),
        (
            lambda o: ours.SWALR(o, [0.3, 0.5]),
            {"swa_lr": 0.1},
            r"SWALR was given a swa_lr for each of 2 .*param_groups\[2\]\['swa_lr'\]",
        ),
    ],
)
def test_d10_a_group_added_to_unequal_ones_is_asked_for_what_it_lacks(
    make: Callable[[Optimizer], Any], fix: dict[str, float], message: str
) -> None:
    """At each step until it has it; and with it the schedule goes on."""
    optimizer = sgd(1.0, 1.0, momentum=0.9)
    scheduler = make(optimizer)
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0})
    for _ in range(2):
        optimizer.step()
        with pytest.raises(ScheduleError, match=message):
            scheduler.step()
    optimizer.param_groups[2].update(fix)
    step([scheduler])
    assert scheduler.last_epoch == 1


def test_d10_a_highest_rate_is_all_that_an_added_group_needs() -> None:
    optimizer, alone = sgd(1.0, 1.0, momentum=0.9), sgd(1.0, momentum=0.9)
    scheduler, single = ours.OneCycleLR(optimizer, [0.3, 0.5], 20), ours.OneCycleLR(alone, 0.4, 20)
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0, "max_lr": 0.4})
    for _ in range(12):
        step([scheduler])
        step([single])
        assert settings(optimizer)[2] == pytest.approx(settings(alone)[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda o: ours.CyclicLR(o, [0.1, 0.2], 0.5, 3, cycle_momentum=False),
            r"CyclicLR's base_lrs has 2 values and .* group 2; append one for it: scheduler\.base_lrs\.a",
        ),
        (
            lambda o: ours.CyclicLR(o, 0.1, 0.5, 3, max_momentum=[0.9, 0.95]),
            r"CyclicLR's max_momentums has 2 values .*: scheduler\.max_momentums\.append",
        ),
        (
            lambda o: ours.LambdaLR(o, [lambda k: 1.0, lambda k: 0.5]),
            r"LambdaLR's lr_lambdas has 2 values .*: scheduler\.lr_lambdas\.append",
        ),
        (
            lambda o: ours.CyclicCosineDecayLR(o, 4, [0.1, 0.2]),
            r"CyclicCosineDecayLR's min_decay_lr has 2 values .*: scheduler\.min_decay_lr\.append",
        ),
    ],
)
def test_d10_a_list_of_the_schedulers_is_asked_to_be_longer(
    make: Callable[[Optimizer], Any], message: str
) -> None:
    optimizer = sgd(1.0, 1.0, momentum=0.9)
    scheduler = make(optimizer)
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0})
    optimizer.step()
    for _ in range(2):
        with pytest.raises(ScheduleError, match=message):
            scheduler.step()
