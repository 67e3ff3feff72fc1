"""Groups that come later, on the common clock or on their own, and frozen ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import BaseFinetuning
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer

import etude as et
from etude import BASE, Horizon, Plateau, Schedule
from etude.errors import ScheduleError
from etude.torch import Scheduler
from tests.torch.loops import rates, save

Added = Literal["join", "own"]
RUN = Horizon(total=40)


def group(base: float | Tensor = 1.0, name: str | None = None) -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    return {"params": [Parameter(torch.ones(2))], "lr": base, **named}


def sgd(*groups: dict[str, Any], **options: Any) -> Optimizer:
    return SGD(list(groups) or [group()], lr=0.1, **options)


def advance(scheduler: Scheduler, steps: int) -> list[list[float]]:
    """The rates that so many updates use, of which the reader tells the same."""
    used = []
    for _ in range(steps):
        used.append(rates(scheduler.optimizer))
        assert scheduler.get_last_lr() == used[-1]
        scheduler.optimizer.step()
        scheduler.step()
    return used


PLANS: list[Schedule] = [
    et.Linear(0.1 * BASE, BASE, over=10),
    et.Cosine(over=10),
    et.sgdr(4),
    et.Exponential(0.5),
    et.Constant(0.3 * BASE, over=3) >> et.Constant(BASE),
    et.Steps(2),
    et.one_cycle(over=20),
    et.Polynomial(power=2.0, over=10),
    et.cyclic(4, low=0.1 * BASE),
    et.Linear(0.1 * BASE, BASE, over=3) >> et.Cosine(over=7),
]
plans = st.sampled_from(PLANS)
clocks: Any = st.sampled_from(["join", "own"])


# The clock of a group that comes later.


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_t40_a_group_that_joins_has_its_base_times_the_factor_of_the_step(plan: Schedule) -> None:
    """Torch's own raise a ValueError or a KeyError in five of ten, and a linear one goes to 5.263."""
    scheduler = Scheduler(sgd(group(0.5)), plan)
    advance(scheduler, 1)
    scheduler.optimizer.add_param_group(group(1.0))
    scheduler.step()
    table = plan.on(Horizon())
    assert advance(scheduler, 20) == [[table(k, 0.5), table(k, 1.0)] for k in range(2, 22)]
    assert scheduler.base_lrs == [0.5, 1.0]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_group_with_a_clock_of_its_own_begins_where_the_schedule_begins(plan: Schedule) -> None:
    scheduler = Scheduler(sgd(group(0.5)), plan, added="own")
    advance(scheduler, 5)
    scheduler.optimizer.add_param_group(group(1.0))
    scheduler.seek(scheduler.last_epoch)
    table = plan.on(Horizon())
    assert advance(scheduler, 20) == [[table(k, 0.5), table(k - 5, 1.0)] for k in range(5, 25)]


@given(plans, clocks, st.lists(st.tuples(st.integers(0, 9), st.floats(1e-3, 2)), max_size=4), st.booleans())
def test_each_group_keeps_its_clock_and_its_base(
    plan: Schedule, added: Added, comers: list[tuple[int, float]], tensors: bool
) -> None:
    def rate(base: float) -> float | Tensor:
        return torch.tensor(base, dtype=torch.float64) if tensors else base

    scheduler = Scheduler(sgd(group(rate(0.5))), plan, added=added)
    known, table = [(0, 0.5)], plan.on(Horizon())
    for steps, base in comers:
        advance(scheduler, steps)
        scheduler.optimizer.add_param_group(group(rate(base)))
        known.append((int(scheduler.last_epoch) if added == "own" else 0, base))
        scheduler.seek(scheduler.last_epoch)
        now = scheduler.last_epoch
        assert rates(scheduler.optimizer) == [table(now - began, base) for began, base in known]
    now = scheduler.last_epoch
    assert advance(scheduler, 9) == [
        [table(k - began, base) for began, base in known] for k in range(int(now), int(now) + 9)
    ]


@given(plans, clocks, st.integers(0, 9), st.integers(0, 9), st.sampled_from(["early", "between", "late"]))
def test_a_group_that_came_later_is_resumed_in_any_order(
    plan: Schedule, added: Added, alone: int, together: int, when: str
) -> None:
    """Built with it, or added between the states, or after both: the optimizer's needs all groups."""
    run = Scheduler(sgd(group(0.5)), plan, added=added)
    advance(run, alone)
    run.optimizer.add_param_group(group(2.0))
    run.seek(run.last_epoch)
    advance(run, together)
    saved = save(run)
    own = [group(0.5), group(2.0)] if when == "early" else [group(0.5)]
    scheduler = Scheduler(sgd(*own), plan, added=added)
    if when == "early":
        scheduler.optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    if when != "early":
        scheduler.optimizer.add_param_group(group(2.0))
    if when == "between":
        scheduler.optimizer.load_state_dict(saved["optimizer"])
    elif when == "late":
        scheduler.seek(scheduler.last_epoch)
    began = alone if added == "own" else 0
    table, now = plan.on(Horizon()), alone + together
    used = advance(scheduler, 9)
    assert used == [[table(k, 0.5), table(k - began, 2.0)] for k in range(now, now + 9)]
    assert advance(run, 9) == used


TROUBLE = {"now": False}


def now_and_then(step: float) -> float:
    if TROUBLE["now"]:
        raise RuntimeError("not now")
    return 0.5**step


@pytest.mark.parametrize("number", [float, torch.tensor], ids=["float", "tensor"])
def test_a_step_that_fails_as_a_group_joins_changes_nothing(
    number: Callable[[float], float | Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(sgd(group(number(0.5))), et.Custom(f"{__name__}:now_and_then"), added="own")
    advance(scheduler, 3)
    scheduler.optimizer.add_param_group(group(number(2.0)))
    before = scheduler.state_dict(), rates(scheduler.optimizer)
    monkeypatch.setitem(TROUBLE, "now", True)
    with pytest.raises(ScheduleError, match="now_and_then failed at the step 4: RuntimeError: not now"):
        scheduler.step()
    assert (scheduler.state_dict(), rates(scheduler.optimizer)) == before
    monkeypatch.setitem(TROUBLE, "now", False)
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5 / 16, 2.0]
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5 / 32, 1.0]


def test_a_plateau_that_no_group_follows_yet_sees_what_is_observed() -> None:
    falling = et.Constant(BASE) * Plateau("loss", patience=0, factor=0.5)
    scheduler = Scheduler(sgd(group(1.0, "a")), groups={"a": et.Constant(BASE), "*": falling})
    for _ in range(2):
        scheduler.observe(loss=1.0)
    assert scheduler.reading(0).factors == {}
    scheduler.optimizer.add_param_group(group(1.0, "b"))
    scheduler.seek(0)
    assert rates(scheduler.optimizer) == [1.0, 0.5]
    assert list(scheduler.reading(0).factors.values()) == [0.5]


def test_a_plateau_is_shared_by_groups_of_all_clocks() -> None:
    plan = et.Linear(BASE, 0.0, over=10) * Plateau("loss", patience=0, factor=0.5)
    scheduler = Scheduler(sgd(), plan, added="own")
    scheduler.observe(loss=1.0)
    scheduler.seek(5)
    scheduler.optimizer.add_param_group(group(1.0))
    scheduler.seek(5)
    scheduler.observe(loss=1.0)
    assert rates(scheduler.optimizer) == [0.25, 0.5]
    again = Scheduler(sgd(group(), group()), plan, added="own")
    again.load_state_dict(scheduler.state_dict())
    for one in (scheduler, again):
        one.observe(loss=1.0)
        expected = [[0.125 - k / 40, 0.25 - k / 40] for k in range(5)] + [[0.0, 0.125]]
        assert advance(one, 6) == [pytest.approx(row) for row in expected]


def test_what_groups_added_later_do_is_one_of_two_words() -> None:
    optimizer = sgd()
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ScheduleError, match=r"Scheduler\(added=\).*'join'.*'own'.*'joined'"):
        Scheduler(optimizer, et.cosine(), RUN, added="joined")  # type: ignore[arg-type]
    assert optimizer.state_dict() == before


# Which schedule a group that comes later takes.


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("block.*", [False, True, True, False]),
        ("*.1", [False, False, True, False]),
        ("block.[01]", [False, True, True, False]),
        ("block.1", [False, False, True, False]),
        (2, [False, False, True, False]),
        ("3", [False, False, False, True]),
        (lambda group: group["lr"] > 1 or group.get("initial_lr", 0) > 1, [False, False, False, True]),
        (lambda group: group["name"].startswith("block"), [False, True, True, False]),
    ],
)
@pytest.mark.parametrize("later", [False, True], ids=["from the start", "later"])
def test_a_group_is_chosen_by_pattern_function_name_or_index(
    key: Any, taken: list[bool], later: bool
) -> None:
    groups = [group(1.0, "stem"), group(1.0, "block.0"), group(1.0, "block.1"), group(2.0, "head")]
    choice = {key: et.Constant(0.5 * BASE), "*": et.Constant(BASE)}
    if later and isinstance(key, int | str):  # it must name a group that there is
        optimizer = sgd(*groups[: 1 + taken.index(True)])
    else:
        optimizer = sgd(*groups[: 1 if later else 4])
    scheduler = Scheduler(optimizer, groups=choice)
    for one in groups[len(optimizer.param_groups) :]:
        optimizer.add_param_group(one)
    scheduler.step()
    assert [rate / base for rate, base in zip(rates(optimizer), (1, 1, 1, 2), strict=True)] == [
        0.5 if chosen else 1.0 for chosen in taken
    ]


def test_a_name_goes_before_an_index_and_that_before_patterns_in_their_order() -> None:
    optimizer = sgd(group(1.0, "block.0"), group(1.0, "block.1"), group(1.0, "block.2"), group(1.0, "head"))
    scheduler = Scheduler(
        optimizer,
        groups={
            "*": et.Constant(0.9),
            "block.*": et.Constant(0.5),
            lambda group: "name" in group: et.Constant(0.4),
            1: et.Constant(0.3),
            "block.0": et.Constant(0.2),
        },
    )
    assert rates(optimizer) == [0.2, 0.3, 0.5, 0.4] == scheduler.get_last_lr()


def test_a_pattern_without_a_group_is_refused_with_the_names() -> None:
    optimizer = sgd(group(1.0, "stem"), group(1.0, "head"))
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(
        ScheduleError, match=r"no parameter group is called 'block\.\*'; there are 'stem', 'head'"
    ):
        Scheduler(optimizer, groups={"block.*": et.cosine(), "*": et.cosine()}, horizon=RUN)
    assert optimizer.state_dict() == before


# Frozen.


@pytest.mark.parametrize("build", [SGD, AdamW], ids=["SGD", "AdamW"])
@pytest.mark.parametrize("kind", [float, torch.tensor], ids=["float", "tensor"])
@pytest.mark.parametrize("how", ["a base of 0", "a schedule of 0", "a factor of 0"])
def test_frozen_is_exactly_0_and_the_weights_stay_as_they_are(build: Any, kind: Any, how: str) -> None:
    frozen, free = Parameter(torch.randn(3)), Parameter(torch.randn(3))
    options = {"momentum": 0.9} if build is SGD else {}
    base = 0.0 if how == "a base of 0" else 1.0
    optimizer = build(
        [{"params": [frozen], "lr": kind(base)}, {"params": [free], "lr": kind(1.0)}],
        lr=0.1,
        weight_decay=0.1,
        **options,
    )
    plan = (et.Linear(0.1 * BASE, BASE, over=5) >> et.Cosine(over=20)) * Plateau("loss", patience=0)
    plans = {0: plan, "*": plan}
    if how == "a schedule of 0":
        plans[0] = et.Constant(0.0)
    elif how == "a factor of 0":
        plans[0] = plan * 0.0
    scheduler = Scheduler(optimizer, groups=plans)
    before, moved = frozen.detach().clone(), free.detach().clone()
    for _ in range(20):
        for parameter in (frozen, free):
            parameter.grad = torch.randn(3)
        optimizer.step()
        scheduler.step()
        scheduler.observe(loss=1.0)
        assert rates(optimizer)[0] == 0.0 < rates(optimizer)[1]
        assert torch.equal(frozen.detach(), before)
    assert not torch.equal(free.detach(), moved)


def test_a_group_is_let_go_at_its_step_and_resumed_before_it() -> None:
    plans = {"body": et.Constant(0.0, over=10) >> et.Linear(0.0, BASE, over=5), "*": et.cosine()}

    def build() -> Scheduler:
        return Scheduler(sgd(group(0.5, "body"), group(1.0, "head")), groups=plans, horizon=RUN)

    scheduler = build()
    assert [body for body, _ in advance(scheduler, 8)] == [0.0] * 8
    again = build()
    again.load_state_dict(scheduler.state_dict())
    bodies = [body for body, _ in advance(again, 12)]
    assert bodies == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4, *[0.5] * 5])


@pytest.mark.parametrize("added", ["join", "own"])
@pytest.mark.parametrize("lr", [None, 0.4])
def test_what_lightning_unfreezes_is_a_group_from_its_own_base(added: Added, lr: float | None) -> None:
    """Without a rate of its own, Lightning gives it a tenth of the first group's of the moment."""
    body, head = nn.Linear(2, 2), nn.Linear(2, 2)
    BaseFinetuning.freeze(body)
    optimizer = SGD(head.parameters(), lr=1.0)
    plan = et.Linear(BASE, 0.0, over=10)
    scheduler = Scheduler(optimizer, plan, added=added)
    advance(scheduler, 4)
    BaseFinetuning.unfreeze_and_add_param_group(body, optimizer, lr=lr)
    assert all(parameter.requires_grad for parameter in body.parameters())
    base = 0.06 if lr is None else lr
    scheduler.seek(scheduler.last_epoch)
    began = 4 if added == "own" else 0
    expected = [[1 - k / 10, base * (1 - (k - began) / 10)] for k in range(4, 10)]
    assert advance(scheduler, 6) == [pytest.approx(row) for row in expected]
    assert scheduler.base_lrs == [1.0, pytest.approx(base)]


# Groups that change under the scheduler.


@pytest.mark.parametrize(
    "change", ["replaced", "replaced by a copy", "gone", "in another order", "another list"]
)
def test_the_groups_that_there_are_are_written(change: str) -> None:
    optimizer = sgd(group(1.0), group(2.0), group(4.0))
    scheduler = Scheduler(optimizer, et.Linear(BASE, 0.0, over=10))
    advance(scheduler, 3)
    groups = optimizer.param_groups
    bases = [1.0, 2.0, 4.0]
    if change == "replaced":
        groups[1], bases[1] = {**groups[1], **group(8.0), "initial_lr": 8.0}, 8.0
    elif change == "replaced by a copy":
        groups[1] = dict(groups[1])
    elif change == "gone":
        del groups[1], bases[1]
    elif change == "in another order":
        groups.reverse()
        bases.reverse()
    else:
        optimizer.param_groups = [dict(one) for one in groups]
    # The groups are looked over at the latest where the clock is set.
    scheduler.seek(scheduler.last_epoch)
    assert advance(scheduler, 5) == [
        pytest.approx([base * (1 - k / 10) for base in bases]) for k in range(3, 8)
    ]
    assert scheduler.base_lrs == bases


@pytest.mark.parametrize("copied", [dict, copy.deepcopy], ids=["copy", "deep copy"])
@pytest.mark.parametrize("kind", [float, torch.tensor], ids=["floats", "tensors"])
def test_a_group_replaced_in_the_list_is_written_at_the_next_step(
    kind: Callable[..., Any], copied: Callable[..., Any]
) -> None:
    """Unasked: the list is as long as it was, and another dict stands in it."""
    optimizer = sgd(group(kind(1.0)), group(kind(2.0)))
    scheduler = Scheduler(optimizer, et.Linear(BASE, 0.0, over=10))
    for _ in range(3):
        scheduler.step()
    optimizer.param_groups[1] = copied(optimizer.param_groups[1])
    for k in range(4, 9):
        scheduler.step()
        assert rates(optimizer) == pytest.approx([1 - k / 10, 2 - k / 5])


@pytest.mark.parametrize("cooled", [False, True])
def test_groups_with_clocks_of_their_own_may_come_after_the_state_is_loaded(cooled: bool) -> None:
    plan = et.Linear(0.1 * BASE, BASE, over="30smp") >> et.Cosine(over="700tok")
    horizon = et.Horizon(samples_per_step=1, tokens_per_step=64)

    def begun(count: int) -> tuple[Optimizer, Scheduler]:
        optimizer = SGD([{"params": [Parameter(torch.zeros(1))], "lr": 0.5} for _ in range(count)])
        return optimizer, Scheduler(optimizer, plan, horizon, added="own")

    def add(optimizer: Optimizer) -> None:
        optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 0.2})

    def on(optimizer: Optimizer, scheduler: Scheduler) -> list[float]:
        optimizer.step()
        scheduler.step(samples=25, tokens=94)
        return scheduler.get_last_lr()

    optimizer, scheduler = begun(1)
    on(optimizer, scheduler)
    add(optimizer)
    on(optimizer, scheduler)
    if cooled:
        scheduler.cooldown("20smp")
    on(optimizer, scheduler)
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    again, resumed = begun(1)
    resumed.load_state_dict(states[1])
    add(again)
    again.load_state_dict(states[0])
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    assert on(again, resumed) == on(optimizer, scheduler)
