from __future__ import annotations

import copy
import inspect
import io
import math
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LRScheduler

import etude as et
import etude.torch
from etude import BASE, Horizon, Plateau, Schedule
from etude.errors import EtudeError, HorizonError, ResumeError, ScheduleError, ScheduleWarning
from etude.schedules import PlateauState
from etude.torch import Scheduler, mean_over_ranks
from etude.torch.groups import Place, read
from etude.torch.lr_scheduler import ReduceLROnPlateau
from etude.torch.scalars import shown
from tests.torch.loops import Number, advance, rates, sgd, weight

WARMUP_COSINE = et.Linear(0.1 * BASE, BASE, over=20) >> et.Cosine(over=80)


def refuses(act: Callable[[], object], message: str, scheduler: Scheduler) -> None:
    """Check that an act is refused and leaves optimizer and scheduler as they were."""
    optimizer = copy.deepcopy(scheduler.optimizer.state_dict())
    before, count, last = scheduler.state_dict(), scheduler._step_count, scheduler.get_last_lr()
    with pytest.raises(ScheduleError, match=message):
        act()
    assert scheduler.optimizer.state_dict() == optimizer
    assert (scheduler.state_dict(), scheduler._step_count, scheduler.get_last_lr()) == (before, count, last)


# What a trainer relies on.


def test_the_package_offers_the_scheduler_and_the_drop_ins() -> None:
    assert etude.torch.__all__ == [
        "Adopted",
        "Scheduler",
        "adopt",
        "lr_scheduler",
        "mean_over_ranks",
        "param_groups",
        "range_test",
        "range_test_grid",
        "redecay",
        "tensorize",
    ]


def test_it_is_one_of_torchs_schedulers() -> None:
    scheduler = Scheduler(sgd(0.1), et.Cosine(over=10))
    assert isinstance(scheduler, LRScheduler)
    first, *others = inspect.signature(scheduler.step).parameters.values()
    assert (first.name, first.default) == ("epoch", None)
    assert all(other.kind is other.KEYWORD_ONLY and other.default is None for other in others)


def test_optimizer_step_is_never_wrapped() -> None:
    optimizer = sgd(0.1)
    before = dict(vars(optimizer))
    scheduler = Scheduler(optimizer, et.Cosine(over=10) * Plateau("loss"))
    advance(scheduler, 3)
    scheduler.observe(loss=1.0)
    scheduler.load_state_dict(scheduler.state_dict())
    assert optimizer.step.__func__ is SGD.step
    assert vars(optimizer).keys() == before.keys()
    assert all(vars(optimizer)[name] is before[name] for name in before if name != "state")


def test_no_attribute_is_called_total_steps() -> None:
    """Accelerate takes whatever has one for a OneCycleLR, and stops stepping it there."""
    assert not hasattr(Scheduler(sgd(0.1), et.one_cycle(over=10), Horizon(total=10)), "total_steps")


def test_steps_are_counted_as_in_torch() -> None:
    ours, theirs = Scheduler(sgd(0.1), et.Cosine(over=9)), torch.optim.lr_scheduler.StepLR(sgd(0.1), 3)
    for _ in range(4):
        assert (ours.last_epoch, ours._step_count) == (theirs.last_epoch, theirs._step_count)
        for scheduler in (ours, theirs):
            scheduler.optimizer.step()
            scheduler.step()
    assert ours._step_count == 5


def test_torchs_warnings_do_not_apply() -> None:
    """Warnings are errors in these tests: stepping early, to a step, and reading at any time are all fine."""
    scheduler = Scheduler(sgd(0.1), et.Cosine(over=10))
    scheduler.step()
    scheduler.step(5)
    scheduler.step(epoch=4)
    assert scheduler.get_lr() == scheduler.get_last_lr() == rates(scheduler.optimizer)
    assert scheduler._step_count == 4


def test_get_lr_is_a_function_of_last_epoch() -> None:
    """Ignite bumps last_epoch and calls get_lr itself, and writes what it gets."""
    optimizer = sgd(1.0, 0.5)
    scheduler = Scheduler(optimizer, WARMUP_COSINE)
    table = WARMUP_COSINE.on(Horizon())
    for k in [*range(300), 17, 5000, 0, 99]:
        scheduler.last_epoch = k
        before = rates(optimizer)
        assert scheduler.get_lr() == scheduler.get_lr() == [table(k), table(k, 0.5)]
        assert rates(optimizer) == before


def test_get_lr_alone_knows_the_base_of_groups_that_join() -> None:
    optimizer = sgd(1.0)
    scheduler = Scheduler(optimizer, et.Linear(BASE, 0.0, over=10))
    for k, expected in ((1, [0.9, 1.8]), (2, [0.8, 1.6, 2.4]), (3, [0.7, 1.4, 2.1, 2.8])):
        optimizer.add_param_group({"params": [weight()], "lr": k + 1.0})
        scheduler.last_epoch += 1
        for group, rate in zip(optimizer.param_groups, scheduler.get_lr(), strict=True):
            group["lr"] = rate
        assert rates(optimizer) == pytest.approx(expected)


def test_the_rates_it_tells_are_floats() -> None:
    scheduler = Scheduler(sgd(1, 0.5, torch.tensor(0.25)), WARMUP_COSINE)
    scheduler.step()
    for told in (scheduler.get_last_lr(), scheduler.get_lr(), scheduler.base_lrs):
        assert [type(rate) for rate in told] == [float] * 3
    assert scheduler.base_lrs == [1.0, 0.5, 0.25]


def test_building_a_schedule_beside_a_live_optimizer_changes_nothing(tmp_path: Path) -> None:
    optimizer = sgd(1.0, momentum=0.9)
    before = copy.deepcopy(optimizer.state_dict())
    plan = et.sgdr(3)
    table = plan.on(Horizon(total=9))
    assert table(range(4)) == pytest.approx([1, 0.75, 0.25, 1])
    table.facts()
    table.check()
    table.plot(tmp_path / "plan.svg")
    assert optimizer.state_dict() == before
    assert optimizer.step.__func__ is SGD.step


# The values.


@pytest.mark.parametrize("bases", [(1.0,), (0.3, 1.0), (0.025, 3.0, 0.1)], ids=len)
@pytest.mark.parametrize(
    "plan",
    [
        WARMUP_COSINE,
        et.Exponential(0.97),
        et.sgdr(7, stretch=1.5, floor=0.01, gain=0.7),
        et.one_cycle(over=300),
        et.cyclic(7, low=0.01, high=0.5 * BASE + 0.01, mode="exp_range", gamma=0.99),
        et.Geometric(BASE, 1e-3, over=200) * et.Linear(1.0, 0.5, over=100),
        et.Constant(BASE).cooldown(100, over=50, ease="one_minus_sqrt"),
    ],
    ids=str,
)
def test_each_update_uses_the_tables_value(plan: Schedule, bases: tuple[float, ...]) -> None:
    table = plan.on(Horizon())
    for k, used in enumerate(advance(Scheduler(sgd(*bases), plan), 600)):
        assert used == [table(k, base) for base in bases]


def test_an_update_moves_the_weights_by_the_rate_it_was_told() -> None:
    parameter = Parameter(torch.zeros(1, dtype=torch.float64))
    scheduler = Scheduler(SGD([parameter], lr=0.5), et.Cosine(over=100))
    place = 0.0
    for _ in range(150):
        (told,) = scheduler.get_last_lr()
        parameter.grad = torch.ones_like(parameter)
        scheduler.optimizer.step()
        scheduler.step()
        place -= told
        assert parameter.item() == place


def test_what_someone_else_wrote_is_not_multiplied_into() -> None:
    optimizer = sgd(1.0)
    scheduler = Scheduler(optimizer, et.Exponential(0.5))
    optimizer.param_groups[0]["lr"] = 77.0
    with pytest.warns(ScheduleWarning, match="rate-changed"):
        scheduler.step()
    assert rates(optimizer) == [0.5]


def test_a_frozen_group_stays_at_zero() -> None:
    scheduler = Scheduler(sgd(1.0, 0.0), WARMUP_COSINE * Plateau("loss", patience=0))
    for _ in range(120):
        scheduler.step()
        scheduler.observe(loss=1.0)
        assert rates(scheduler.optimizer)[1] == 0.0


def test_a_fraction_of_a_step_may_be_sought() -> None:
    scheduler = Scheduler(sgd(1.0), et.Linear(BASE, 0.0, over=10))
    scheduler.seek(2.5)
    assert rates(scheduler.optimizer) == [0.75]
    scheduler.step()
    assert (scheduler.last_epoch, rates(scheduler.optimizer)) == (3.5, [0.65])


@pytest.mark.parametrize(
    "step", [3, 3.0, np.int64(3), np.float32(3), torch.tensor(3), torch.tensor(3.0)], ids=repr
)
def test_any_kind_of_number_is_a_step(step: Any) -> None:
    scheduler = Scheduler(sgd(1.0), et.Linear(BASE, 0.0, over=10))
    scheduler.seek(step)
    assert (scheduler.last_epoch, type(scheduler.last_epoch)) == (3, int)
    assert rates(scheduler.optimizer) == [0.7]
    scheduler.load_state_dict(scheduler.state_dict())


NO_NUMBERS: list[Any] = [
    *(10**400, 10**5000, True, "3", None, [3], 3j, {}),
    *(np.array([3, 4]), np.array([]), np.bool_(True), np.complex64(3)),
    *(torch.zeros(2), torch.tensor(3j), torch.tensor(True), torch.empty((), device="meta")),
]
"""Nor are they too long to be shown."""


def test_d7_a_step_that_is_a_fraction_is_never_before_it() -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(BASE, over="1/3") >> et.Constant(0.5 * BASE))
    scheduler.seek(Fraction(1, 3))
    assert rates(scheduler.optimizer) == [0.5]


@pytest.mark.parametrize("step", [-1, -0.5, math.nan, math.inf, 2**53 + 2, *NO_NUMBERS], ids=shown)
def test_d7_what_is_no_step_is_refused(step: Any) -> None:
    scheduler = Scheduler(sgd(1.0), WARMUP_COSINE * Plateau("loss"))
    scheduler.seek(7)
    refuses(lambda: scheduler.seek(step), "a step must be a number ≥ 0", scheduler)


def test_the_end_of_a_schedule_may_raise_and_not_a_step_before() -> None:
    scheduler = Scheduler(sgd(1.0), et.Linear(BASE, 0.5, over=10, after="raise"))
    assert advance(scheduler, 10)[-1] == [pytest.approx(0.55)]
    assert rates(scheduler.optimizer) == [0.5]
    refuses(scheduler.step, "step 11 is past the end of linear at 10", scheduler)
    assert scheduler.last_epoch == 10
    scheduler.seek(9.5)
    assert rates(scheduler.optimizer) == [pytest.approx(0.525)]


def test_a_rate_that_is_not_finite_is_never_written() -> None:
    plans = {0: et.Constant(0.5 * BASE), 1: et.Exponential(10.0)}
    scheduler = Scheduler(sgd(1.0, 1.0), groups=plans)
    scheduler.seek(307)
    assert rates(scheduler.optimizer) == [0.5, pytest.approx(1e307)]
    scheduler.step()
    refuses(scheduler.step, "the value at step 309 is too large for a float", scheduler)


# User functions.

TABLE = [0.0, 0.5, 1.0, 0.75]


def look_up(step: int) -> float:
    return TABLE[step]


def grow(step: float) -> float:
    return math.exp(step)


def test_a_users_function_is_only_needed_as_far_as_it_is_asked() -> None:
    with pytest.warns(ScheduleWarning, match="first-update-at-zero"):
        scheduler = Scheduler(sgd(2.0), et.Custom(f"{__name__}:look_up"), Horizon(total=4))
    assert [rate for (rate,) in advance(scheduler, 3)] == [0.0, 1.0, 2.0]
    assert rates(scheduler.optimizer) == [1.5]
    with pytest.raises(
        ScheduleError, match="look_up failed at the step 4: IndexError: list index out of range"
    ):
        scheduler.step()
    assert (scheduler.last_epoch, rates(scheduler.optimizer)) == (3, [1.5])


def test_a_users_function_may_overflow_later_on() -> None:
    scheduler = Scheduler(sgd(1.0), et.Custom(f"{__name__}:grow"))
    scheduler.seek(700)
    assert rates(scheduler.optimizer) == [math.exp(700)]


# Hyperparameters.


def adamw(**options: Any) -> Optimizer:
    return AdamW([weight()], **options)


@pytest.mark.parametrize(
    ("optimizer", "name", "place"),
    [
        (sgd(0.1, momentum=0.8), "momentum", ("momentum", None)),
        (RMSprop([weight()], momentum=0.8), "momentum", ("momentum", None)),
        (adamw(betas=(0.8, 0.99)), "momentum", ("betas", 0)),
        (adamw(betas=(0.8, 0.99)), "betas[0]", ("betas", 0)),
        (adamw(betas=(0.9, 0.8)), "betas[1]", ("betas", 1)),
        (adamw(weight_decay=0.8), "weight_decay", ("weight_decay", None)),
        (adamw(eps=0.8), "eps", ("eps", None)),
    ],
)
def test_any_hyperparameter_can_be_scheduled(optimizer: Optimizer, name: str, place: Place) -> None:
    (group,) = optimizer.param_groups
    before = dict(group)
    scheduler = Scheduler(optimizer, {name: et.Linear(BASE, 0.5 * BASE, over=4)})
    used = []
    for _ in range(5):
        used.append(read(group, place))
        scheduler.step()
    assert used == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4])
    assert [key for key in before if group[key] is not before[key]] == [place[0]]


def test_the_other_beta_is_left_alone() -> None:
    optimizer = adamw(betas=(0.9, 0.99))
    Scheduler(optimizer, {"momentum": et.Constant(0.5), "betas[1]": et.Constant(0.75)}).step()
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.75)


def test_a_rate_that_no_schedule_names_is_told_as_it_is() -> None:
    optimizer = adamw(lr=0.25)
    scheduler = Scheduler(optimizer, {"weight_decay": et.Cosine(over=4)})
    optimizer.param_groups[0]["lr"] = 0.125
    scheduler.step()
    assert scheduler.get_lr() == scheduler.get_last_lr() == rates(optimizer) == [0.125]


@pytest.mark.parametrize(
    ("optimizer", "schedules", "message"),
    [
        (Adagrad([weight()]), {"momentum": et.Constant(0.9)}, "neither momentum nor betas"),
        (sgd(0.1), {"wd": et.Constant(0.9)}, "no number called 'wd'; they have dampening, lr, momentum"),
        (
            Adam([weight()]),
            {"momentum": et.Constant(0.9), "betas[0]": et.Constant(0.8)},
            r"'momentum' and 'betas\[0\]' are the same number in the parameter group '0'; leave out",
        ),
    ],
)
def test_what_the_optimizer_lacks_or_has_once_is_refused(
    optimizer: Optimizer, schedules: dict[str, Schedule], message: str
) -> None:
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ScheduleError, match=message):
        Scheduler(optimizer, {"lr": et.Constant(0.5), **schedules})
    assert optimizer.state_dict() == before


# Groups.


def named(**bases: float) -> Optimizer:
    return SGD([{"params": [weight()], "lr": base, "name": name} for name, base in bases.items()])


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ({"*": 1.0}, [1, 2, 4]),
        ({"body": 0.5, "*": 1.0}, [1, 1, 4]),
        ({"stem": 0.5, "body": 0.25, "head": 1.0}, [0.5, 0.5, 4]),
        ({0: 0.5, 2: 0.25, "*": 1.0}, [0.5, 2, 1]),
        ({"0": 0.5, "*": 1.0}, [0.5, 2, 4]),
        ({"stem": 0.5, 0: 0.25, "*": 1.0}, [0.5, 2, 4]),
    ],
    ids=str,
)
def test_groups_have_their_schedules_by_name_or_index(
    plans: dict[str | int, float], expected: list[float]
) -> None:
    optimizer = named(stem=1.0, body=2.0, head=4.0)
    scheduler = Scheduler(
        optimizer, groups={key: et.Constant(factor * BASE) for key, factor in plans.items()}
    )
    assert rates(optimizer) == expected
    assert scheduler.base_lrs == [1.0, 2.0, 4.0]


def test_groups_may_differ_in_what_is_scheduled() -> None:
    optimizer = SGD(
        [{"params": [weight()], "name": "body"}, {"params": [weight()], "name": "head"}],
        lr=1.0,
        weight_decay=0.1,
        momentum=0.5,
    )
    Scheduler(
        optimizer,
        groups={
            "body": {"weight_decay": et.Constant(0.2), "momentum": et.Constant(0.25)},
            "*": et.Constant(0.5),
        },
    )
    values = [[group[key] for key in ("lr", "weight_decay", "momentum")] for group in optimizer.param_groups]
    assert values == [[1.0, 0.2, 0.25], [0.5, 0.1, 0.5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either a schedule for all groups or groups=.*; got neither"),
        ({"schedules": et.Cosine(over=1), "groups": {"*": et.Cosine(over=1)}}, "got both"),
        ({"groups": {}}, "groups must be a dict of schedules by group name or index"),
        ({"groups": et.Cosine(over=1)}, "groups must be a dict of schedules"),
        ({"schedules": {}}, "must be a schedule, or a dict of them by hyperparameter"),
        ({"schedules": 0.1}, "must be a schedule, or a dict of them by hyperparameter; got 0.1"),
        ({"schedules": {"lr": 0.1}}, "the schedule of 'lr' must be a schedule; got 0.1"),
        ({"schedules": {"lr": "Cosine(over=1)"}}, r"read text with etude.parse\(\.\.\.\)"),
        ({"schedules": et.Cosine(over=1), "horizon": 100}, r"must be a Horizon, such as Horizon\(total=100"),
        ({"groups": {"stem": et.Cosine(over=1)}}, "the parameter group 'body' has no schedule"),
        ({"groups": {"steam": et.Cosine(over=1), "*": et.Cosine(over=1)}}, "did you mean 'stem'"),
        ({"groups": {2: et.Cosine(over=1), "*": et.Cosine(over=1)}}, "no parameter group is called 2"),
        ({"groups": {"stem": et.Cosine(over=1), "body": {"mom": et.Cosine(over=1)}}}, "called 'mom'"),
        ({"schedules": et.Constant(BASE - 1.5)}, "is -0.5 at the base rate 1"),
        ({"schedules": et.Constant(1e200 * BASE) * 1e200}, "the value at step 0 is too large for a float"),
        ({"schedules": et.Custom("no.such.module:f")}, "cannot be imported"),
    ],
    ids=str,
)
def test_a_set_up_that_does_not_fit_is_refused_before_anything_is_written(
    arguments: dict[str, Any], message: str
) -> None:
    optimizer = named(stem=1.0, body=2.0)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ScheduleError, match=message):
        Scheduler(optimizer, **arguments)
    assert optimizer.state_dict() == before


def test_a_horizon_that_does_not_say_enough_is_refused() -> None:
    optimizer = sgd(1.0)
    with pytest.raises(HorizonError, match="the horizon has no total"):
        Scheduler(optimizer, et.Cosine(over="100%"))
    assert "initial_lr" not in optimizer.param_groups[0]


def test_what_is_no_optimizer_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a torch optimizer; got list"):
        Scheduler([weight()], et.Cosine(over=1))  # type: ignore[arg-type]


def anneal(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2


@pytest.mark.parametrize(
    ("plan", "formula"),
    [
        (et.Linear(0.1 * BASE, BASE, over=10), lambda k: 0.1 + 0.09 * min(k, 10)),
        (et.Cosine(over=10), lambda k: anneal(1, 0, min(k / 10, 1))),
        (et.sgdr(4), lambda k: anneal(1, 0, k % 4 / 4)),
        (et.Exponential(0.5), lambda k: 0.5**k),
        (et.Constant(0.3 * BASE, over=3) >> et.Constant(BASE), lambda k: 0.3 if k < 3 else 1),
        (et.Steps(2), lambda k: 0.1 ** (k // 2)),
        (et.multistep([1, 3]), lambda k: 0.1 ** (k >= 1) * 0.1 ** (k >= 3)),
        (et.Polynomial(power=2.0, over=10), lambda k: (1 - min(k, 10) / 10) ** 2),
        (et.cyclic(4, low=0.1 * BASE), lambda k: 1 - 0.9 * abs(k % 8 - 4) / 4),
        (et.linear(10), lambda k: 1 - min(k, 10) / 10),
    ],
    ids=lambda value: str(value) if isinstance(value, Schedule) else "formula",
)
def test_a_group_that_joins_follows_from_its_own_base(
    plan: Schedule, formula: Callable[[int], float]
) -> None:
    optimizer = sgd(0.5)
    scheduler = Scheduler(optimizer, plan)
    scheduler.step()
    optimizer.add_param_group({"params": [weight()], "lr": 2.0})
    for k in range(2, 13):
        scheduler.step()
        expected = [0.5 * formula(k), 2.0 * formula(k)]
        assert rates(optimizer) == scheduler.get_last_lr() == pytest.approx(expected, abs=1e-15)
    assert scheduler.base_lrs == [0.5, 2.0]


def test_a_group_that_joins_can_be_taken_in_before_the_next_step() -> None:
    optimizer = sgd(1.0)
    scheduler = Scheduler(optimizer, et.Linear(0.1 * BASE, BASE, over=10))
    scheduler.seek(5)
    optimizer.add_param_group({"params": [weight()], "lr": 2.0})
    scheduler.seek(scheduler.last_epoch)
    assert rates(optimizer) == pytest.approx([0.55, 1.1])


def test_a_group_that_joins_takes_its_place_by_name() -> None:
    optimizer = named(body=1.0, head=1.0)
    scheduler = Scheduler(optimizer, groups={"head": et.Constant(BASE), "*": et.Linear(BASE, 0.0, over=10)})
    optimizer.add_param_group({"params": [weight()], "lr": 3.0, "name": "head"})
    optimizer.add_param_group({"params": [weight()], "lr": 4.0, "name": "neck"})
    scheduler.seek(5)
    assert rates(optimizer) == [0.5, 1.0, 3.0, 2.0]


def test_a_group_that_joins_without_a_schedule_is_refused_at_the_next_step() -> None:
    optimizer = named(body=1.0)
    scheduler = Scheduler(optimizer, groups={"body": et.Linear(BASE, 0.0, over=10)})
    scheduler.step()
    optimizer.add_param_group({"params": [weight()], "lr": 3.0, "name": "head"})
    refuses(scheduler.step, "the parameter group 'head' has no schedule", scheduler)
    refuses(scheduler.get_lr, "the parameter group 'head' has no schedule", scheduler)


def test_a_group_in_the_place_of_another_has_its_own_base() -> None:
    optimizer = sgd(1.0, 2.0)
    scheduler = Scheduler(optimizer, et.Linear(BASE, 0.0, over=10))
    scheduler.seek(5)
    del optimizer.param_groups[1]
    optimizer.add_param_group({"params": [weight()], "lr": 8.0})
    scheduler.seek(5)
    assert rates(optimizer) == [0.5, 4.0]


def test_a_base_that_travels_with_the_optimizer_is_found_again() -> None:
    first = sgd(1.0)
    Scheduler(first, et.Exponential(0.5)).seek(3)
    second = sgd(7.0)
    second.load_state_dict(first.state_dict())
    assert rates(second) == [0.125]
    assert Scheduler(second, et.Exponential(0.5)).base_lrs == [1.0]
    assert rates(second) == [1.0]


# Tensor rates.

TENSORS = [
    torch.tensor(0.1, dtype=torch.float32),
    torch.tensor([0.1], dtype=torch.float32),
    torch.tensor(0.1, dtype=torch.float64),
    torch.tensor([0.1], dtype=torch.float64),
]


@pytest.fixture(params=TENSORS, ids=lambda rate: f"{rate.dtype}, {rate.dim()}-d")
def tensor(request: pytest.FixtureRequest) -> Tensor:
    return request.param.clone()


@pytest.mark.parametrize(
    "plan",
    [
        et.Linear(0.1 * BASE, BASE, over=2_000) >> et.Cosine(BASE, 0.01 * BASE, over=98_000),
        et.Exponential(0.9999),
        et.Geometric(BASE, 1e-3 * BASE, over=100_000),
        et.sgdr(999, stretch="3/2", floor=1e-3),
        et.one_cycle(over=100_001),
        et.time_decay(1e-3),
    ],
    ids=str,
)
def test_a_tensor_rate_does_not_drift(tensor: Tensor, plan: Schedule) -> None:
    """Multiplying it update by update would be off by a thousandth after 100,000: pytorch/pytorch#126854."""
    dtype, shape = tensor.dtype, tensor.shape
    scheduler = Scheduler(sgd(tensor, 0.1), plan)
    assert scheduler.optimizer.param_groups[0]["lr"] is tensor
    for first in (*range(0, 100_000, 1_024), 99_999):
        scheduler.seek(first)
        for _ in range(20):
            filled, number = rates(scheduler.optimizer)
            assert filled == pytest.approx(number, rel=1e-6, abs=0)
            scheduler.step()
    assert scheduler.optimizer.param_groups[0]["lr"] is tensor
    assert (tensor.dtype, tensor.shape) == (dtype, shape)


def test_a_double_tensor_rate_is_exact() -> None:
    scheduler = Scheduler(sgd(torch.tensor(0.1, dtype=torch.float64), 0.1), WARMUP_COSINE)
    for tensor_rate, number in advance(scheduler, 120):
        assert tensor_rate == number


def test_groups_that_torch_gave_one_tensor_have_rates_of_their_own() -> None:
    optimizer = SGD([{"params": [weight()]}, {"params": [weight()]}], lr=torch.tensor(1.0))
    scheduler = Scheduler(optimizer, groups={0: et.Constant(BASE), "*": et.Linear(BASE, 0.0, over=4)})
    scheduler.seek(2)
    assert rates(optimizer) == [1.0, 0.5]
    optimizer.add_param_group({"params": [weight()]})
    scheduler.step()
    assert rates(optimizer) == [1.0, 0.25, 0.25]
    optimizer.add_param_group({"params": [weight()]})
    scheduler.seek(1)
    assert rates(optimizer) == [1.0, 0.75, 0.75, 0.75]
    assert scheduler.base_lrs == [1.0] * 4


def test_tensors_train_as_numbers_do() -> None:
    def train(rate: Number) -> Tensor:
        parameter = Parameter(torch.ones(3))
        scheduler = Scheduler(Adam([parameter], lr=rate), WARMUP_COSINE)
        for k in range(60):
            parameter.grad = parameter.detach() * (k % 3)
            scheduler.optimizer.step()
            scheduler.step()
        return parameter.detach()

    torch.testing.assert_close(train(torch.tensor(0.01)), train(0.01), rtol=1e-5, atol=0)


# Feedback.


def test_warmup_and_plateau_go_together() -> None:
    warmup = et.Linear(BASE * (1 / 3), BASE, over=2)
    scheduler = Scheduler(sgd(1.0), warmup * Plateau("loss", factor=0.1, patience=2))
    used = []
    for _ in range(12):
        used.append(*rates(scheduler.optimizer))
        scheduler.observe(loss=1.0)
        scheduler.step()
    assert used == pytest.approx([1 / 3, 2 / 3, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001])


@pytest.mark.parametrize(
    ("plateau", "metrics", "expected"),
    [
        (Plateau("m", patience=0, threshold=0.1), [-1, -0.95], [1, 0.1]),
        (Plateau("m", patience=2), [-1] * 8, [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        (Plateau("m", patience=2), [1] * 8, [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        (Plateau("m", patience=0, mode="max"), [0.5, 0.6, 0.6, 0.7, 0.1], [1, 1, 0.1, 0.1, 0.01]),
        (Plateau("m", patience=1), [1, math.nan, math.inf, 0.5], [1, 1, 0.1, 0.1]),
        (Plateau("m", patience=0, minimum=0.05), [1] * 4, [1, 0.1, 0.05, 0.05]),
        (Plateau("m", patience=0, cooldown=2), [1] * 6, [1, 0.1, 0.1, 0.1, 0.01, 0.01]),
    ],
    ids=str,
)
def test_an_observation_holds_from_now_on(
    plateau: Plateau, metrics: list[float], expected: list[float]
) -> None:
    scheduler = Scheduler(sgd(2.0), et.Constant(BASE) * plateau)
    used = []
    for metric in metrics:
        scheduler.observe(m=metric)
        used.append(*rates(scheduler.optimizer))
        assert scheduler.get_last_lr() == rates(scheduler.optimizer)
    assert used == pytest.approx([2 * factor for factor in expected])


def test_each_plateau_follows_its_own_metric() -> None:
    scheduler = Scheduler(
        sgd(1.0, 1.0),
        groups={
            0: et.Constant(BASE) * Plateau("loss", patience=0),
            1: et.Constant(BASE) * Plateau("error", patience=0, factor=0.5) * Plateau("loss", patience=0),
        },
    )
    scheduler.observe(loss=1.0, error=1.0)
    scheduler.observe(error=1.0)
    assert rates(scheduler.optimizer) == [1.0, 0.5]
    scheduler.observe(loss=torch.tensor(1.0), error=np.float32(0.5))
    assert rates(scheduler.optimizer) == pytest.approx([0.1, 0.05])
    scheduler.observe()
    assert rates(scheduler.optimizer) == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"loss": 1.0, "los": 1.0}, "no schedule follows the metric 'los'; they follow error, loss"),
        ({"loss": 1.0, "error": "0.5"}, "the metric 'error' must be a number; got '0.5'"),
        ({"loss": 1.0, "error": None}, "the metric 'error' must be a number; got None"),
        ({"loss": 1.0, "error": True}, "the metric 'error' must be a number; got True"),
    ],
)
def test_a_wrong_observation_is_refused_as_a_whole(metrics: dict[str, Any], message: str) -> None:
    plan = et.Constant(BASE) * Plateau("loss", patience=0) * Plateau("error", patience=0)
    scheduler = Scheduler(sgd(1.0), plan)
    scheduler.observe(loss=1.0, error=1.0)
    refuses(lambda: scheduler.observe(**metrics), message, scheduler)


@pytest.mark.parametrize("metric", NO_NUMBERS, ids=shown)
def test_d7_what_is_no_metric_is_refused(metric: Any) -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss", patience=0))
    scheduler.observe(loss=1.0)
    refuses(lambda: scheduler.observe(loss=metric), "the metric 'loss' must be a number; got ", scheduler)
    with pytest.raises(ScheduleError, match="the metric 'value' must be a number; got "):
        mean_over_ranks(metric)
    plateau = ReduceLROnPlateau(sgd(1.0))
    with pytest.raises(ScheduleError, match="the metric 'metrics' must be a number; got "):
        plateau.step(metric)
    assert plateau.last_epoch == 0


@pytest.mark.parametrize("metric", [math.nan, torch.tensor(math.nan), np.float32("nan"), np.array([np.nan])])
def test_d7_a_metric_that_is_nan_is_what_the_plateau_says_of_it(metric: Any) -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss", patience=0, nan="raise"))
    refuses(lambda: scheduler.observe(loss=metric), "the metric 'loss' is nan", scheduler)


@pytest.mark.parametrize("amount", [value for value in NO_NUMBERS if value is not None], ids=shown)
def test_d7_what_is_no_amount_is_refused(amount: Any) -> None:
    plan = et.Linear(BASE, 0.0, over="80smp")
    scheduler = Scheduler(sgd(1.0), plan, Horizon(samples_per_step=8, tokens_per_step=8))
    refuses(lambda: scheduler.step(samples=amount), r"step\(samples=\) must be ", scheduler)
    refuses(lambda: scheduler.step(tokens=amount), r"step\(tokens=\) must be ", scheduler)


def test_an_observation_that_nobody_follows_is_refused() -> None:
    scheduler = Scheduler(sgd(1.0), et.Cosine(over=4))
    refuses(lambda: scheduler.observe(loss=1.0), "'loss'; none of them has a Plateau", scheduler)


# Readings.


def test_a_reading_says_what_an_update_used() -> None:
    optimizer = SGD([{"params": [weight()], "lr": 1.0, "name": "body"}, {"params": [weight()], "lr": 0.5}])
    scheduler = Scheduler(optimizer, WARMUP_COSINE)
    used = advance(scheduler, 30)
    for k in (0, 7, 19, 20, 29):
        reading = scheduler.reading(k, {"loss": 0.25})
        assert (reading.step, reading.metrics) == (k, {"loss": 0.25})
        assert reading.rates == dict(zip(["body", "1"], used[k], strict=True))
        assert reading.phase == ("linear" if k < 20 else "cosine")


def test_a_reading_has_a_rate_for_each_of_two_groups_of_one_name() -> None:
    optimizer = SGD([{"params": [weight()], "lr": base, "name": "head"} for base in (1.0, 2.0)])
    scheduler = Scheduler(optimizer, et.Constant(0.5 * BASE))
    assert scheduler.reading(0).rates == {"head[0]": 0.5, "head[1]": 1.0}
    optimizer.add_param_group({"params": [weight()], "lr": 3.0, "name": "neck"})
    assert scheduler.reading(0).rates == {"head[0]": 0.5, "head[1]": 1.0, "neck": 1.5}


def test_a_reading_names_every_phase_once() -> None:
    scheduler = Scheduler(
        sgd(1.0, 1.0, 1.0), groups={0: et.Cosine(over=4), 1: et.Linear(over=8), "*": et.Cosine(0.5, over=4)}
    )
    assert scheduler.reading(2).phase == "cosine | linear"
    assert scheduler.reading(5).phase == "hold | linear"


# Warnings.


def test_a_warmup_that_is_longer_than_the_run_is_warned_of() -> None:
    plan = et.Linear(0.1 * BASE, BASE, over=200) >> et.Cosine(over=100)
    with pytest.warns(ScheduleWarning, match=r"takes 200 steps and the run has 100\. Shorten the") as told:
        Scheduler(sgd(1.0), plan, Horizon(total=100))
    assert [warning.filename for warning in told] == [__file__]


def test_a_schedule_that_cannot_be_checked_is_run() -> None:
    """The checker asks for the value at a base rate of 1, which need not be in its bounds."""
    scheduler = Scheduler(sgd(0.25), et.Constant(0.5 - BASE), Horizon(total=10))
    assert rates(scheduler.optimizer) == [0.25]


# Copies.


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))], ids=["copy", "pickle"]
)
def test_a_copy_goes_on_by_itself(copied: Callable[[Scheduler], Scheduler]) -> None:
    plan = WARMUP_COSINE * Plateau("loss", patience=0)
    first = Scheduler(sgd(1.0, torch.tensor(0.5)), plan)
    first.observe(loss=1.0)
    advance(first, 15)
    second = copied(first)
    assert second.optimizer is not first.optimizer
    expected = advance(first, 5)
    assert advance(second, 5) == expected
    first.observe(loss=2.0)
    after = advance(first, 5)
    assert advance(second, 5) != after
    second.seek(20)
    second.observe(loss=2.0)
    assert advance(second, 5) == after


def test_a_model_an_optimizer_and_a_scheduler_are_copied_together() -> None:
    optimizer = sgd(1.0)
    scheduler = Scheduler(optimizer, WARMUP_COSINE)
    their_optimizer, theirs = copy.deepcopy((optimizer, scheduler))
    assert theirs.optimizer is their_optimizer
    theirs.seek(50)
    assert rates(optimizer) == [0.1]
    assert rates(their_optimizer) != [0.1]


def test_it_shows_where_it_is() -> None:
    scheduler = Scheduler(sgd(1.0), et.Cosine(over=4))
    scheduler.seek(3)
    assert repr(scheduler) == "<Scheduler at step 3 of lr: Cosine(BASE, 0.0, over=4)>"


# Real training.

FEATURES, CLASSES, EXAMPLES, BATCH, UPDATES = 8, 3, 96, 16, 240


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """So small a network is slowed down by any more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, CLASSES))


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(EXAMPLES, FEATURES, generator=generator)
    return inputs, inputs[:, :CLASSES].argmax(1)


def train(model: nn.Module, scheduler: Scheduler, updates: range) -> float:
    inputs, targets = data()
    for update in updates:
        rows = torch.arange(update * BATCH, (update + 1) * BATCH) % EXAMPLES
        loss = nn.functional.cross_entropy(model(inputs[rows]), targets[rows])
        scheduler.optimizer.zero_grad()
        loss.backward()
        scheduler.optimizer.step()
        scheduler.step()
        if update % 20 == 19 and scheduler.metrics:
            scheduler.observe(loss=loss.item())
    return loss.item()


def momentum_sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), lr=0.2, momentum=0.9)


def two_groups(model: nn.Module) -> Optimizer:
    body, head = list(model.parameters())[:2], list(model.parameters())[2:]
    return AdamW([{"params": body, "lr": 0.01, "name": "body"}, {"params": head, "lr": 0.03}])


def tensor_adam(model: nn.Module) -> Optimizer:
    return Adam(model.parameters(), lr=torch.tensor(0.02))


PLANS: dict[str, Any] = {
    "warmup, cosine": {"schedules": et.Linear(0.1 * BASE, BASE, over="10%") >> et.Cosine(over="90%")},
    "one-cycle with momentum": {
        "schedules": {"lr": et.one_cycle(), "momentum": et.one_cycle_momentum(low=0.8, high=0.9)}
    },
    "restarts and a plateau": {"schedules": et.sgdr("100/31%", stretch=2) * Plateau("loss", patience=1)},
    "by group": {
        "groups": {
            0: {"lr": et.cosine(), "weight_decay": et.Linear(0.1, 0.2, over="100%")},
            "*": et.wsd(warmup="5%", cooldown="20%"),
        }
    },
}


@pytest.mark.parametrize("build", [momentum_sgd, two_groups, tensor_adam], ids=lambda build: build.__name__)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.usefixtures("_one_thread")
def test_an_interrupted_run_ends_with_the_same_weights(
    build: Callable[[nn.Module], Optimizer], plan: str
) -> None:
    horizon = Horizon(EXAMPLES // BATCH, UPDATES)

    def start(seed: int) -> tuple[nn.Module, Scheduler]:
        model = network(seed)
        return model, Scheduler(build(model), horizon=horizon, **PLANS[plan])

    whole, scheduler = start(seed=1)
    last_loss = train(whole, scheduler, range(UPDATES))
    assert last_loss < 0.75

    first, scheduler = start(seed=1)
    train(first, scheduler, range(101))
    file = io.BytesIO()
    parts = (first, scheduler.optimizer, scheduler)
    torch.save([part.state_dict() for part in parts], file)
    file.seek(0)

    second, scheduler = start(seed=2)
    saved = torch.load(file, weights_only=True)
    scheduler.load_state_dict(saved[2])
    scheduler.optimizer.load_state_dict(saved[1])
    second.load_state_dict(saved[0])
    assert train(second, scheduler, range(101, UPDATES)) == last_loss
    for name, weights in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], weights)


# Anything, in any order.

PLATEAU = Plateau("loss", patience=1, cooldown=1)
ANYTHING: list[Schedule] = [
    WARMUP_COSINE,
    et.Linear(0.2 * BASE, BASE, over=2.5) >> et.sgdr(7, stretch="3/2", floor=1e-3, gain=0.9),
    et.cyclic(3, low=0.01, high=0.1 * BASE + 0.01, down=5, mode="exp_range", gamma=0.99),
    et.Exponential(0.98) * PLATEAU,
    (et.Linear(BASE, 0.5 * BASE, over=11) >> et.Constant(0.25 * BASE)) * PLATEAU,
    et.one_cycle(over="100%", three_phase=True),
    et.Constant(BASE).cooldown(60, over="20%"),
]
HORIZON = Horizon(total=150)
BASE_RATES = st.floats(0, 10, allow_subnormal=False)
KINDS: list[Callable[[float], Number]] = [
    float,
    torch.tensor,
    lambda base: torch.tensor([base], dtype=torch.float64),
]


class Training(RuleBasedStateMachine):
    """Whatever is done, the rates are the table's value at the clock, for each group's own base."""

    @initialize(
        plan=st.sampled_from(ANYTHING), bases=st.lists(BASE_RATES, min_size=1, max_size=3), data=st.data()
    )
    def build(self, plan: Schedule, bases: list[float], data: st.DataObject) -> None:
        self.plan = plan
        self.table = plan.on(HORIZON)
        self.rates = [data.draw(st.sampled_from(KINDS))(base) for base in bases]
        self.bases = [float(rate) for rate in self.rates]
        self.scheduler = self.scheduled(self.optimizer())
        self.clock: float = 0
        self.past = PlateauState()
        # Groups that joined after the last write, and have the rate they came with.
        self.waiting = 0

    def optimizer(self) -> Optimizer:
        """A fresh one, as a new process builds it."""
        return sgd(*(rate.clone() if isinstance(rate, Tensor) else rate for rate in self.rates))

    def scheduled(self, optimizer: Optimizer) -> Scheduler:
        with warnings.catch_warnings():  # of how the plan fits the horizon
            warnings.simplefilter("ignore", ScheduleWarning)
            return Scheduler(optimizer, self.plan, HORIZON)

    @rule(times=st.integers(1, 40))
    def step(self, times: int) -> None:
        for _ in range(times):
            self.scheduler.step()
        self.clock += times
        self.waiting = 0

    @rule(clock=st.one_of(st.integers(0, 1_000), st.integers(0, 4_000).map(lambda n: n / 8)))
    def seek(self, clock: float) -> None:
        self.scheduler.seek(clock)
        self.clock = clock
        self.waiting = 0

    @rule(clock=st.sampled_from([-1, -0.1, math.nan, math.inf, True, "5"]))
    def fail_to_seek(self, clock: Any) -> None:
        with pytest.raises(ScheduleError, match="a step must be a number"):
            self.scheduler.seek(clock)

    @precondition(lambda self: PLATEAU in self.plan.walk())
    @rule(loss=st.floats(allow_infinity=True, allow_nan=True, width=16))
    def observe(self, loss: float) -> None:
        self.scheduler.observe(loss=loss)
        self.past = PLATEAU.observe(self.past, loss)
        self.waiting = 0

    @precondition(lambda self: len(self.rates) < 6)
    @rule(base=BASE_RATES, kind=st.sampled_from(KINDS))
    def add_a_group(self, base: float, kind: Callable[[float], Number]) -> None:
        self.rates.append(kind(base))
        self.bases.append(float(self.rates[-1]))
        rate = self.rates[-1]
        self.scheduler.optimizer.add_param_group(
            {"params": [weight()], "lr": rate.clone() if isinstance(rate, Tensor) else rate}
        )
        self.waiting += 1

    @rule(order=st.permutations(["build", "load the optimizer", "load the scheduler"]))
    def resume(self, order: list[str]) -> None:
        """In a new process; the scheduler's state waits for the scheduler."""
        old = self.scheduler
        optimizer_state, state = copy.deepcopy(old.optimizer.state_dict()), old.state_dict()
        optimizer = self.optimizer()
        waits = False
        for act in order:
            if act == "build":
                self.scheduler = self.scheduled(optimizer)
                if waits:
                    self.scheduler.load_state_dict(state)
            elif act == "load the optimizer":
                optimizer.load_state_dict(optimizer_state)
            elif self.scheduler is old:
                waits = True
            else:
                self.scheduler.load_state_dict(state)
        self.scheduler.seek(self.clock)
        self.waiting = 0

    @rule()
    def copy(self) -> None:
        self.scheduler = copy.deepcopy(self.scheduler)

    @invariant()
    def the_rates_are_the_tables(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        assert self.scheduler.last_epoch == self.clock
        factors = {PLATEAU: self.past.factor}
        expected = [self.table(self.clock, base, factors=factors) for base in self.bases]
        following = len(self.rates) - self.waiting
        expected[following:] = self.bases[following:]
        for group, rate in zip(self.scheduler.optimizer.param_groups, expected, strict=True):
            held = group["lr"]
            assert float(held) == (
                torch.tensor(rate, dtype=held.dtype).item() if isinstance(held, Tensor) else rate
            )
        told = self.scheduler.get_last_lr()
        assert told == expected[: len(told)]


# It goes far past the horizon; that anyone else had written a rate would be told, and fail it.
TestTraining = pytest.mark.filterwarnings("ignore:The horizon planned")(Training.TestCase)
TestTraining.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)


# What is refused leaves the optimizer as it was.


def held(optimizer: Optimizer) -> Any:
    """What an optimizer holds: its groups' keys, the very objects in them, tensors' values, its hooks."""
    groups = [dict(group) for group in optimizer.param_groups]
    tensors = [
        (id(value), value.data_ptr(), value.tolist())
        for group in groups
        for value in group.values()
        if isinstance(value, torch.Tensor)
    ]
    hooks = [len(getattr(optimizer, f"_optimizer_step_{when}_hooks")) for when in ("pre", "post")]
    loading = len(optimizer._optimizer_load_state_dict_post_hooks)
    return [{key: id(value) for key, value in group.items()} for group in groups], tensors, hooks, loading


def sharing(kind: Any = SGD) -> Optimizer:
    """Two groups that share one tensor rate, as torch gives the default to all."""
    optimizer: Optimizer = kind([{"params": [weight()]}, {"params": [weight()]}], lr=torch.tensor(0.1))
    assert optimizer.param_groups[0]["lr"] is optimizer.param_groups[1]["lr"]
    return optimizer


class Fixed:
    """A target that cannot be set."""

    @property
    def norm(self) -> float:
        return 1.0


REFUSED: list[Callable[[Optimizer], object]] = [
    lambda optimizer: Scheduler(optimizer, groups={"0": et.cosine()}, horizon=Horizon(total=10)),
    lambda optimizer: Scheduler(optimizer, {"lr": et.cosine(), "beta": et.cosine()}, Horizon(total=10)),
    lambda optimizer: Scheduler(
        optimizer, {"lr": et.cosine(), "weight_decay": "lr", "x": "lr"}, Horizon(total=9)
    ),
    lambda optimizer: Scheduler(
        optimizer, {"weight_decay": et.cosine(), "lr": "weight_decay"}, Horizon(total=9)
    ),
    lambda optimizer: Scheduler(optimizer, et.cosine()),
    lambda optimizer: Scheduler(optimizer, et.Constant(1e39), Horizon(total=10)),
    lambda optimizer: Scheduler(optimizer, et.Linear(0.0, 1e39, over="100%"), Horizon(total=10)),
    lambda optimizer: Scheduler(optimizer, et.Custom("math:sqrt") * 1e308 * 1e10, Horizon(total=10)),
    lambda optimizer: Scheduler(optimizer, et.cosine(), Horizon(total=10), count="all"),  # type: ignore[arg-type]
    lambda optimizer: Scheduler(optimizer, et.cosine(), Horizon(total=10), on_change="melt"),
    lambda optimizer: Scheduler(optimizer, et.cosine(), Horizon(total=10), scaler=object()),  # type: ignore[arg-type]
    lambda optimizer: Scheduler(
        optimizer,
        {"lr": et.cosine(), "clip": et.cosine()},
        Horizon(total=10),
        targets={"clip": (Fixed(), "norm")},
    ),
    lambda optimizer: Scheduler(optimizer, et.Linear(0.0, BASE, over=200), Horizon(total=100)),  # a warning
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("act", REFUSED)
def test_a12_what_is_refused_leaves_the_optimizer_as_it_was(act: Callable[[Optimizer], object]) -> None:
    optimizer = sharing()
    before = held(optimizer)
    with pytest.raises((EtudeError, TypeError, ScheduleWarning)):
        act(optimizer)
    assert held(optimizer) == before


def test_a12_a_state_that_is_refused_touches_no_group_that_came_since() -> None:
    scheduler = Scheduler(sharing(), et.cosine(), Horizon(total=10))
    state = Scheduler(sharing(), et.linear(), Horizon(total=10)).state_dict()
    scheduler.optimizer.add_param_group({"params": [weight()]})
    before = held(scheduler.optimizer)
    with pytest.raises(ResumeError):
        scheduler.load_state_dict(state)
    assert held(scheduler.optimizer) == before


def test_a12_an_amount_that_is_refused_takes_no_update_from_the_scaler() -> None:
    optimizer, scaler = sgd(1.0), torch.amp.GradScaler("cpu", enabled=False)
    plan, horizon = et.Linear(BASE, 0.0, over="80smp"), Horizon(samples_per_step=8)
    scheduler = Scheduler(optimizer, plan, horizon, scaler=scaler)
    optimizer.step()
    with pytest.raises(ScheduleError, match=r"step\(samples=\) must be more than 0"):
        scheduler.step(samples=-8)
    scheduler.step(samples=8)
    assert (scheduler.last_epoch, scheduler.skipped) == (1, 0)


@pytest.mark.parametrize(
    ("dtype", "level", "most"),
    [
        (torch.float32, 1e39, "3.40282e+38"),
        (torch.float16, 1e5, "65504"),
        (torch.bfloat16, 1e39, "3.38953e+38"),
    ],
)
def test_a13_a_rate_that_its_tensor_cannot_hold_is_refused(
    dtype: torch.dtype, level: float, most: str
) -> None:
    message = rf"lr of group '0' is .* its tensor of {dtype} holds at most {re.escape(most)}"
    for plan in (et.Constant(level), et.Linear(0.0, level, over="100%", inclusive=True)):
        with pytest.raises(ScheduleError, match=message):
            Scheduler(sgd(torch.tensor(0.1, dtype=dtype)), plan, Horizon(total=300))
    late = Scheduler(sgd(torch.tensor(0.5, dtype=dtype)), et.Constant(0.5, over=40) >> et.Constant(level))
    late.seek(39)
    refuses(lambda: late.seek(40), message, late)


def test_a13_a_rate_that_a_tensor_cannot_hold_is_not_made_one() -> None:
    optimizer = SGD([{"params": [weight()], "lr": 0.1}, {"params": [weight()], "lr": 1e39}], lr=0.1)
    with pytest.raises(
        ScheduleError, match=r"the rate of the parameter group '1' must be what a tensor .* 1e\+39"
    ):
        etude.torch.tensorize(optimizer)
    assert rates(optimizer) == [0.1, 1e39]


@pytest.mark.parametrize("base", [math.nan, math.inf, torch.tensor(math.nan), 10**400], ids=shown)
def test_d7_a_base_that_is_no_rate_is_refused_with_its_group(base: Any) -> None:
    optimizer = SGD([{"params": [weight()], "name": "head"}], lr=0.1)
    optimizer.param_groups[0]["lr"] = base
    with pytest.raises(
        ScheduleError, match="the base lr of the parameter group 'head' must be finite and at least 0"
    ):
        Scheduler(optimizer, et.cosine(), Horizon(total=10))


def test_d7_a_complex_rate_is_refused() -> None:
    optimizer = sgd(0.1)
    optimizer.param_groups[0]["lr"] = torch.tensor(1 + 0j)
    with pytest.raises(ScheduleError, match="lr must be a number or a floating tensor of one element"):
        Scheduler(optimizer, et.cosine(), Horizon(total=10))
