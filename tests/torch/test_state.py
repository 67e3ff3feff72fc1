from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer

import etude as et
from etude import BASE, Horizon, Plateau, Schedule
from etude.errors import ResumeError
from etude.schedules import PlateauState
from etude.torch import Scheduler, state
from tests.torch.loops import Number, advance, rates, save, sgd


def half(step: float) -> float:
    return 0.5**step


def anneal(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2


def one_cycle(k: int) -> float:
    """torch's OneCycleLR over 20 updates."""
    return anneal(0.04, 1, k / 5) if k < 5 else anneal(1, 4e-6, min((k - 5) / 14, 1))


def warmup_then(rest: Callable[[int], float]) -> Callable[[int], float]:
    return lambda k: 0.1 + 0.3 * k if k < 3 else rest(k - 3)


# Each schedule with its formula, for the base 1.
SCHEDULES: dict[str, tuple[Schedule, Callable[[int], float]]] = {
    "cosine": (et.Cosine(over=10), lambda k: anneal(1, 0, min(k / 10, 1))),
    "warm restarts": (et.sgdr(10), lambda k: anneal(1, 0, k % 10 / 10)),
    "exponential": (et.Exponential(0.5), lambda k: 0.5**k),
    "a user's function": (et.Custom(f"{__name__}:half"), lambda k: 0.5**k),
    "linear": (et.Linear(0.1 * BASE, BASE, over=10), lambda k: 0.1 + 0.09 * min(k, 10)),
    "constant": (et.Constant(0.3 * BASE, over=8) >> et.Constant(BASE), lambda k: 0.3 if k < 8 else 1),
    "one-cycle": (et.one_cycle(over=20), one_cycle),
    "cyclic": (et.cyclic(4, low=0.1 * BASE), lambda k: 1 - 0.9 * abs(k % 8 - 4) / 4),
    "warmup, cosine": (
        et.Linear(0.1 * BASE, BASE, over=3) >> et.Cosine(over=10),
        warmup_then(lambda k: anneal(1, 0, min(k / 10, 1))),
    ),
    "warmup, decay": (
        et.Linear(0.1 * BASE, BASE, over=3) >> et.Exponential(0.9),
        warmup_then(lambda k: 0.9**k),
    ),
}
BASES = (1.0, 0.1, 0.025)
# What a resumed run does before it goes on; the scheduler's state needs a scheduler.
ORDERS = [
    order
    for order in permutations(["build", "load the optimizer", "load the scheduler"])
    if order.index("build") < order.index("load the scheduler")
]


@pytest.fixture(params=SCHEDULES)
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param][0]


def resume(
    plan: Schedule,
    optimizer: Optimizer,
    saved: dict[str, Any],
    order: tuple[str, ...],
    policy: str | None = None,
) -> Scheduler:
    """A scheduler on a fresh optimizer that has taken up what was saved, in an order."""
    scheduler = None
    for act in order:
        if act == "build":
            scheduler = Scheduler(optimizer, plan, on_change=policy)
        elif act == "load the optimizer":
            optimizer.load_state_dict(saved["optimizer"])
        else:
            assert scheduler is not None
            scheduler.load_state_dict(saved["scheduler"])
    assert scheduler is not None
    return scheduler


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_every_order_of_resuming_goes_on_as_if_never_stopped(name: str, order: tuple[str, ...]) -> None:
    plan, formula = SCHEDULES[name]
    whole = Scheduler(sgd(*BASES), plan)
    advance(whole, 5)
    scheduler = resume(plan, sgd(*BASES), save(whole), order)
    assert scheduler.get_last_lr() == rates(scheduler.optimizer)
    used = advance(scheduler, 20)
    assert used == advance(whole, 20)
    assert scheduler.get_last_lr() == rates(scheduler.optimizer)
    for k, row in enumerate(used, start=5):
        assert row == pytest.approx([base * formula(k) for base in BASES], abs=1e-14)


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_a_warmup_is_not_played_again(order: tuple[str, ...]) -> None:
    """Where torch's own goes on from a tenth of the rate: pytorch/pytorch#119168."""
    plan = et.Linear(0.1 * BASE, BASE, over=20) >> et.Cosine(over=80)
    whole = Scheduler(sgd(1.0), plan)
    advance(whole, 30)
    scheduler = resume(plan, sgd(1.0), save(whole), order)
    used = [rate for (rate,) in advance(scheduler, 3)]
    assert used == pytest.approx([0.961940, 0.954072, 0.945503], abs=1e-6)


def test_the_clock_alone_resumes_too(schedule: Schedule) -> None:
    """Without any state of the optimizer's: pytorch/pytorch#160626."""
    whole = Scheduler(sgd(*BASES), schedule)
    advance(whole, 7)
    fresh = Scheduler(sgd(*BASES), schedule)
    fresh.seek(7)
    assert advance(fresh, 10) == advance(whole, 10)


def test_seeking_a_fresh_optimizer_needs_nothing_in_it() -> None:
    scheduler = Scheduler(sgd(1.0), et.Exponential(0.9))
    scheduler.seek(4)
    assert rates(scheduler.optimizer) == [pytest.approx(0.6561)]


@pytest.mark.parametrize("ticked", [False, True], ids=["before the tick", "after the tick"])
def test_it_does_not_matter_on_which_side_of_the_tick_one_saves(ticked: bool) -> None:
    plan = et.Cosine(over=100)
    whole = advance(Scheduler(sgd(1.0), plan), 100)
    first = Scheduler(sgd(1.0), plan)
    advance(first, 63)
    first.optimizer.step()
    if ticked:
        first.step()
    second = resume(plan, sgd(1.0), save(first), ("build", "load the optimizer", "load the scheduler"))
    if not ticked:
        second.step()
    assert advance(second, 36) == whole[64:]


def test_a_state_may_be_loaded_twice(schedule: Schedule) -> None:
    first = Scheduler(sgd(1.0), schedule)
    first.seek(6)
    saved = first.state_dict()
    second = Scheduler(sgd(1.0), schedule)
    second.load_state_dict(saved)
    advance(second, 3)
    second.load_state_dict(saved)
    assert advance(second, 9) == advance(first, 9)


def test_a_state_is_one_small_string_of_json(schedule: Schedule) -> None:
    """One field, since distributed checkpoints store a state field by field and miss any later one."""
    scheduler = Scheduler(sgd(1.0), schedule)
    advance(scheduler, 3)
    saved = scheduler.state_dict()
    assert list(saved) == ["etude"]
    assert json.loads(json.dumps(saved)) == saved
    content = json.loads(saved["etude"])
    assert (content["version"], content["step"], content["count"]) == (2, 3, 4)
    assert len(saved["etude"]) < 1000


def test_loading_leaves_the_state_as_it_was() -> None:
    plan = et.Cosine(over=10) * Plateau("loss")
    first = Scheduler(sgd(1.0), plan)
    first.observe(loss=1.0)
    saved = first.state_dict()
    before = copy.deepcopy(saved)
    second = Scheduler(sgd(1.0), plan)
    second.load_state_dict(saved)
    second.observe(loss=2.0)
    advance(second, 3)
    assert saved == before


def test_saving_changes_nothing(schedule: Schedule) -> None:
    scheduler = Scheduler(sgd(1.0), schedule)
    scheduler.optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 0.5})
    before = copy.deepcopy(scheduler.optimizer.state_dict())
    scheduler.state_dict()
    assert scheduler.optimizer.state_dict() == before


@pytest.mark.parametrize("step", [0, 7, 7.5, 2**53])
def test_the_step_and_the_count_come_back(step: float) -> None:
    first = Scheduler(sgd(1.0), et.Cosine(over=10))
    advance(first, 3)
    first.seek(step)
    second = Scheduler(sgd(1.0), et.Cosine(over=10))
    second.load_state_dict(first.state_dict())
    assert (second.last_epoch, second._step_count) == (step, 4)


def test_what_a_plateau_remembers_comes_back() -> None:
    plan = et.Constant(BASE) * Plateau("loss", patience=2, cooldown=1)
    losses = [1.0, 0.5, 0.6, 0.6, math.nan, 0.6, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5]
    whole = Scheduler(sgd(1.0), plan)
    reference = []
    for loss in losses:
        whole.observe(loss=loss)
        reference.append(rates(whole.optimizer))
    for stop in range(len(losses)):
        first = Scheduler(sgd(1.0), plan)
        for loss in losses[:stop]:
            first.observe(loss=loss)
        second = Scheduler(sgd(1.0), plan)
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        for loss, expected in zip(losses[stop:], reference[stop:], strict=True):
            second.observe(loss=loss)
            assert rates(second.optimizer) == expected
    assert reference[4] == [pytest.approx(0.1)]


def test_schedules_of_other_hyperparameters_come_back() -> None:
    plans = {
        "lr": et.Constant(BASE),
        "weight_decay": et.Cosine(0.04, 0.4, over=40),
        "momentum": et.Linear(0.95, 0.85, over=40),
    }

    def adamw() -> Optimizer:
        return AdamW([Parameter(torch.zeros(1))], lr=0.1)

    def used(scheduler: Scheduler) -> tuple[float, float, float]:
        (group,) = scheduler.optimizer.param_groups
        return group["weight_decay"], *group["betas"]

    first = Scheduler(adamw(), plans)
    first.seek(20)
    second = Scheduler(adamw(), plans)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert used(second) == used(first) == (pytest.approx(0.22), pytest.approx(0.9), 0.999)
    for scheduler in (first, second):
        scheduler.step()
    assert used(second) == used(first)


@pytest.mark.parametrize(
    ("saved", "loaded"),
    [(0.1, torch.tensor(0.1)), (torch.tensor(0.1), 0.1), (torch.tensor(0.1), torch.tensor([0.1]).double())],
    ids=["number, tensor", "tensor, number", "float32, float64"],
)
def test_a_number_and_a_tensor_take_up_each_others_checkpoints(saved: Number, loaded: Number) -> None:
    first = Scheduler(sgd(saved), et.Cosine(over=10))
    first.seek(5)
    second = Scheduler(sgd(loaded), et.Cosine(over=10))
    second.load_state_dict(first.state_dict())
    assert rates(second.optimizer) == [pytest.approx(0.05)]


def test_a_group_that_joined_during_the_run_may_join_before_or_after_loading() -> None:
    plan = et.Linear(0.1 * BASE, BASE, over=10)

    def extra() -> dict[str, Any]:
        return {"params": [Parameter(torch.zeros(1))], "lr": 0.5}

    first = Scheduler(sgd(1.0), plan)
    advance(first, 3)
    first.optimizer.add_param_group(extra())
    advance(first, 1)
    saved = save(first)
    early = Scheduler(sgd(1.0, 0.5), plan)
    early.load_state_dict(saved["scheduler"])
    late = Scheduler(sgd(1.0), plan)
    late.load_state_dict(saved["scheduler"])
    late.optimizer.add_param_group(extra())
    late.optimizer.load_state_dict(saved["optimizer"])
    assert advance(early, 9) == advance(late, 9) == advance(first, 9)


def test_the_bases_of_an_optimizer_that_was_loaded_before_count() -> None:
    first = Scheduler(sgd(1.0), et.Exponential(0.5))
    first.seek(2)
    order = ("load the optimizer", "build", "load the scheduler")
    second = resume(et.Exponential(0.5), sgd(7.0), save(first), order)
    assert (second.base_lrs, rates(second.optimizer)) == ([1.0], [0.25])


def test_other_bases_that_an_optimizer_brings_later_are_told_and_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = Scheduler(sgd(1.0), et.Exponential(0.5))
    first.seek(2)
    saved = save(first)
    second = Scheduler(sgd(7.0), et.Exponential(0.5))
    second.optimizer.load_state_dict(saved["optimizer"])
    assert (second.base_lrs, rates(second.optimizer)) == ([7.0], [7.0])
    assert caplog.messages == [
        "the optimizer's checkpoint has the base rates 1; this run's count: 7",
    ]
    refuses(second, saved["scheduler"], "base lr of group '0': 1 in the checkpoint, 7 now")


@pytest.mark.parametrize("order", [order for order in ORDERS if order[0] == "build"], ids=", ".join)
@pytest.mark.parametrize(("policy", "base"), [("stretch", 7.0), ("keep", 1.0)])
def test_under_a_policy_the_bases_are_the_same_in_every_order(
    order: tuple[str, ...], policy: str, base: float
) -> None:
    first = Scheduler(sgd(1.0), et.Exponential(0.5))
    first.seek(2)
    second = resume(et.Exponential(0.5), sgd(7.0), save(first), order, policy)
    assert (second.base_lrs, rates(second.optimizer)) == ([base], [base / 4])


# What is refused.


def refuses(scheduler: Scheduler, saved: Any, message: str) -> str:
    """Check that the state is refused, that nothing has changed, and return the whole message."""
    optimizer = copy.deepcopy(scheduler.optimizer.state_dict())
    before, count = scheduler.state_dict(), scheduler._step_count
    with pytest.raises(ResumeError, match=message) as caught:
        scheduler.load_state_dict(saved)
    assert scheduler.optimizer.state_dict() == optimizer
    assert (scheduler.state_dict(), scheduler._step_count) == (before, count)
    expected = rates(scheduler.optimizer)
    scheduler.seek(scheduler.last_epoch)
    assert rates(scheduler.optimizer) == expected
    return str(caught.value)


def test_the_state_of_another_horizon_is_refused_in_words() -> None:
    plan = et.Cosine(over="100%")
    first = Scheduler(sgd(1.0), plan, Horizon(total=8))
    first.seek(8)
    message = refuses(Scheduler(sgd(1.0), plan, Horizon(total=16)), first.state_dict(), "another set-up")
    assert message.splitlines()[:3] == [
        "this checkpoint belongs to another set-up:",
        "  lr of group '0': Horizon(total=): 8 in the checkpoint, 16 now",
        "  lr of group '0': the value at step 8, at base rate 1: 0 in the checkpoint, 0.5 now",
    ]
    assert "on_change='stretch'" in message


def test_the_state_of_another_schedule_is_refused_in_words() -> None:
    saved = Scheduler(sgd(1.0), et.Cosine(over=8)).state_dict()
    message = refuses(Scheduler(sgd(1.0), et.Cosine(over=16)), saved, "another set-up")
    assert "lr of group '0': Cosine(over=): 8 in the checkpoint, 16 now" in message


def test_the_state_of_another_kind_of_schedule_is_refused_with_both() -> None:
    three = et.Linear(0.1 * BASE, BASE, over=2) >> et.Constant(BASE, over=2) >> et.Cosine(over=4)
    two = et.Linear(0.1 * BASE, BASE, over=2) >> et.Cosine(over=4)
    message = refuses(Scheduler(sgd(1.0), two), Scheduler(sgd(1.0), three).state_dict(), "another set-up")
    assert f": {three} in the checkpoint, {two} now" in message


def test_the_state_of_other_base_rates_is_refused_with_those_that_differ() -> None:
    plan = et.Cosine(over=8)
    saved = Scheduler(sgd(1.0, 0.5, 0.25), plan).state_dict()
    message = refuses(Scheduler(sgd(1.0, 0.4, 0.2), plan), saved, "base lr of group '1'")
    assert "base lr of group '1': 0.5 in the checkpoint, 0.4 now" in message
    assert "base lr of group '2': 0.25 in the checkpoint, 0.2 now" in message
    assert "group '0'" not in message


@pytest.mark.parametrize(
    ("saved", "present", "message"),
    [
        (
            {"lr": et.Constant(BASE)},
            {"lr": et.Constant(BASE), "momentum": et.Constant(0.9)},
            "momentum of group '0': none in the checkpoint",
        ),
        (
            {"lr": et.Constant(BASE), "momentum": et.Constant(0.9)},
            {"lr": et.Constant(BASE)},
            "momentum of group '0': .* none now",
        ),
        (et.Constant(BASE) * Plateau("a"), et.Constant(BASE) * Plateau("b"), r"Plateau\(metric=\): 'a'"),
        (
            et.Constant(BASE) * Plateau("a"),
            et.Constant(BASE) * Plateau("a", patience=3),
            r"Plateau\(patience=\): 10 in the checkpoint, 3 now",
        ),
        (
            {"lr": et.Constant(BASE), "weight_decay": "lr"},
            {"lr": et.Constant(BASE), "weight_decay": et.Constant(BASE)},
            "weight_decay of group '0'",
        ),
    ],
    ids=["one more", "one less", "another metric", "another patience", "no longer in proportion"],
)
def test_any_other_set_of_schedules_is_refused(saved: Any, present: Any, message: str) -> None:
    refuses(Scheduler(sgd(1.0), present), Scheduler(sgd(1.0), saved).state_dict(), message)


def test_the_state_of_groups_with_other_schedules_is_refused() -> None:
    plan = et.Constant(BASE)
    saved = Scheduler(sgd(1.0, 2.0), groups={0: plan, 1: plan * 0.5}).state_dict()
    refuses(Scheduler(sgd(1.0, 2.0), groups={0: plan, "*": plan * 0.25}), saved, "lr of group '1'")
    same = Scheduler(sgd(1.0, 2.0), groups={0: plan, "*": plan * 0.5})
    same.load_state_dict(saved)
    assert rates(same.optimizer) == [1.0, 1.0]


def test_the_state_of_one_of_torchs_schedulers_is_refused() -> None:
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(sgd(1.0), 10).state_dict()
    message = refuses(Scheduler(sgd(1.0), et.Cosine(over=10)), theirs, "not the state of an Etude scheduler")
    assert "has the field 'etude'; it has: T_max, eta_min" in message


def content(**changes: Any) -> dict[str, Any]:
    """The state of the scheduler below at step 5, with some of its fields changed."""
    scheduler = Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss"))
    scheduler.seek(5)
    return {**json.loads(scheduler.state_dict()["etude"]), **changes}


COURSE = content()["courses"][0]
PLATEAU = repr(Plateau("loss"))
REMEMBERED: dict[str, Any] = {
    "factor": 0.1,
    "best": 1.0,
    "bad": 0,
    "resting": 0,
    "seen": 3,
    "total": 0.0,
}


def test_the_content_that_is_spoilt_below_is_good() -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss"))
    scheduler.load_state_dict({"etude": json.dumps(content(plateaus={PLATEAU: REMEMBERED}))})
    assert (scheduler.last_epoch, rates(scheduler.optimizer)) == (5, [0.1])


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (None, "not the state of an Etude scheduler.*it has: None"),
        ("etude", "not the state of an Etude scheduler"),
        ({}, "not the state of an Etude scheduler"),
        ({"etude": None}, "damaged: it is not JSON"),
        ({"etude": {"step": 5}}, "damaged: it is not JSON"),
        ({"etude": ""}, "damaged: it is not JSON"),
        ({"etude": json.dumps(content())[:-20]}, "damaged: it is not JSON"),
        ({"etude": "[]"}, r"damaged: it has no version, \[\]"),
        ({"etude": "5"}, "damaged: it has no version, 5"),
        ({"etude": "{}"}, r"damaged: it has no version, \{\}"),
    ],
    ids=str,
)
def test_what_is_no_state_is_refused(saved: Any, message: str) -> None:
    refuses(Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss")), saved, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "is of version 3 and this Etude reads version 2; install the Etude that wrote it"),
        ({"version": 1}, "is of version 1"),
        ({"version": 0}, "is of version 0"),
        ({"version": "1"}, "has no version"),
        ({"version": True}, "has no version"),
        ({"extra": 1}, "damaged: the fields extra do not fit"),
        ({"step": -1}, "step must be a number ≥ 0; got -1"),
        ({"step": "5"}, "step must be a number ≥ 0; got '5'"),
        ({"step": True}, "step must be a number ≥ 0; got True"),
        ({"step": None}, "step must be a number ≥ 0; got None"),
        ({"step": math.nan}, "step must be a number ≥ 0; got nan"),
        ({"step": math.inf}, "step must be a number ≥ 0; got inf"),
        ({"step": 10**400}, "step must be a number ≥ 0; got 1000"),
        ({"count": 1.5}, "count must be a whole number ≥ 0; got 1.5"),
        ({"count": True}, "count must be a whole number ≥ 0; got True"),
        ({"plateaus": []}, r"plateaus must be an object of objects; got \[\]"),
        ({"plateaus": {}}, r"damaged: it does not hold what Plateau\('loss'\) has seen"),
        ({"plateaus": {PLATEAU: 0.1}}, "plateaus must be an object of objects"),
        ({"plateaus": {PLATEAU: {}}}, "the state of a Plateau has the fields"),
        ({"plateaus": {PLATEAU: {**REMEMBERED, "bad": -1}}}, "the Plateau's bad must be a whole number"),
        ({"plateaus": {PLATEAU: {**REMEMBERED, "factor": "x"}}}, "the Plateau's factor must be"),
        ({"plateaus": {PLATEAU: {**REMEMBERED, "best": math.nan}}}, "the Plateau's best must be"),
        ({"plateaus": {PLATEAU: {**REMEMBERED, "seen": 0.5}}}, "the Plateau's seen must be a whole number"),
        ({"plateaus": {PLATEAU: {**REMEMBERED, "total": "x"}}}, "the Plateau's total must be"),
        ({"skipped": -1}, "skipped must be a whole number ≥ 0; got -1"),
        ({"groups": None}, "groups must be a whole number ≥ 0; got None"),
        ({"joined": {"0": -1}}, "joined must be steps by group index"),
        ({"joined": {"x": 1}}, "joined must be steps by group index"),
        ({"horizon": None}, r"horizon must be what Horizon.to_dict\(\) returns; got None"),
        ({"horizon": {}}, r"horizon must be what Horizon.to_dict\(\) returns; got \{\}"),
        ({"courses": {}}, r"courses must be a list of objects; got \{\}"),
        ({"courses": ["lr"]}, "courses must be a list of objects"),
        ({"courses": [{}]}, "the fields bases, fingerprint, of, schedule do not fit"),
        ({"courses": [{**COURSE, "extra": 1}]}, "the fields extra do not fit"),
        ({"courses": [{**COURSE, "of": 1}]}, "courses.of must be a string; got 1"),
        ({"courses": [{**COURSE, "bases": []}]}, r"courses.bases must be a list of finite numbers; got \[\]"),
        ({"courses": [{**COURSE, "bases": [10**400]}]}, "courses.bases must be a list of finite numbers"),
        ({"courses": [{**COURSE, "bases": ["1.0"]}]}, "courses.bases must be a list of finite numbers"),
        ({"courses": [{**COURSE, "bases": [math.nan]}]}, "courses.bases must be a list of finite numbers"),
        ({"courses": [{**COURSE, "groups": [-1]}]}, "courses.groups must be a list of indices"),
        ({"courses": [{**COURSE, "position": "x"}]}, "courses.position must be a number ≥ 0 as text"),
        ({"courses": [{**COURSE, "schedule": "Constant(2 * BASE)"}]}, "schedule of lr has been edited"),
        ({"courses": [{**COURSE, "schedule": "Constant("}]}, "schedule of lr cannot be read"),
        ({"courses": [{**COURSE, "fingerprint": "0"}]}, "another set-up|edited"),
        ({"courses": [{**COURSE, "now": "Cosin(over=5)"}]}, "schedule of lr cannot be read: .*Cosine"),
    ],
    ids=str,
)
def test_a_state_edited_by_hand_is_refused(changes: dict[str, Any], message: str) -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss"))
    refuses(scheduler, {"etude": json.dumps(content(**changes))}, message)


@pytest.mark.parametrize(
    "field", ["step", "count", "skipped", "groups", "horizon", "courses", "plateaus", "joined"]
)
def test_a_state_without_one_of_its_fields_is_refused(field: str) -> None:
    left = content()
    del left[field]
    refuses(
        Scheduler(sgd(1.0), et.Constant(BASE) * Plateau("loss")),
        {"etude": json.dumps(left)},
        f"damaged: the fields {field} do not fit",
    )


def test_a_state_whose_step_cannot_be_evaluated_changes_nothing() -> None:
    plan = et.Linear(over=10, after="raise") * Plateau("loss", patience=0)
    scheduler = Scheduler(sgd(1.0), plan)
    advance(scheduler, 1)
    saved = scheduler.state_dict()
    spoilt = json.loads(saved["etude"])
    spoilt["step"] = 11
    spoilt["plateaus"][repr(Plateau("loss", patience=0))]["factor"] = 0.5
    with pytest.raises(et.EtudeError, match="past the end of linear"):
        scheduler.load_state_dict({"etude": json.dumps(spoilt)})
    assert scheduler.state_dict() == saved
    assert advance(scheduler, 2) == [[0.9], [0.8]]


def test_a_snapshot_comes_back_as_it_was() -> None:
    course = state.SavedCourse(
        of="lr",
        schedule="Constant(BASE)",
        fingerprint=et.Constant(BASE).fingerprint,
        bases=[0.1, 0.2],
        groups=[0, 2],
        built=[0.3],
        coupled="momentum",
        now="Constant(0.5 * BASE)",
        horizon=Horizon(total=5).to_dict(),
        position="5/2",
    )
    snapshot = state.Snapshot(
        step=2.5,
        count=4,
        skipped=1,
        groups=3,
        horizon=Horizon(total=10).to_dict(),
        courses=[course],
        plateaus={"Plateau('x')": PlateauState(0.5, None, 1, 2)},
        joined={"2": 1.5},
    )
    assert state.load({"etude": state.dump(snapshot)}) == snapshot


def edited(**changes: Any) -> dict[str, str]:
    """A state of a run of one group, with some of its fields changed."""
    values = json.loads(Scheduler(sgd(1.0), et.cosine(), Horizon(total=8)).state_dict()["etude"])
    return {"etude": json.dumps({**values, **changes})}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"etude": "[" * 100_000}, "it is nested too deeply to read: more than 350 deep, at character 351"),
        ({"etude": '{"version": 2, "courses": ' + "[" * 100_000}, "it is nested too deeply to read"),
        ({"etude": '{"version": 2, "groups": ' + "9" * 5_000}, "it is not JSON: a number has 5,000 digits"),
        ({"etude": None}, "it is not JSON: it must be a text; got None"),
        ({"etude": b"{}"}, "it is not JSON: it must be a text; got b'{}'"),
        (edited(step=10**300), "its step must be a number"),
        (edited(count=10**30), "its count must be a whole number"),
        (edited(joined={"9" * 5_000: 1}), "its joined must be steps by group index"),
        (edited(**{f"k{i}": 1 for i in range(5_000)}), "the fields k0, k1, k10, k100, .* do not fit$"),
    ],
)
def test_b6_a_state_that_is_broken_off_or_without_bounds_is_refused_at_once(
    state: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResumeError, match=f"^the scheduler's state is damaged: {message}"):
        Scheduler(sgd(1.0), et.cosine(), Horizon(total=8)).load_state_dict(state)


def test_b6_how_many_groups_a_state_says_that_it_had_is_a_mere_number() -> None:
    scheduler = Scheduler(sgd(1.0), et.cosine(), Horizon(total=8))
    state = edited(groups=999_999_999_999)
    values = json.loads(state["etude"])
    values["courses"].append({**values["courses"][0], "of": "momentum"})
    with pytest.raises(ResumeError, match=r"momentum of group '0': .* in the checkpoint, none now"):
        scheduler.load_state_dict({"etude": json.dumps(values)})
