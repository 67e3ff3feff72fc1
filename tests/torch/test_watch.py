"""What a scheduler tells at run time: each finding where it is so, and silence where it is not."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn import Parameter
from torch.optim import LBFGS, SGD, Adagrad, Adam, Optimizer
from torch.optim import lr_scheduler as peers

import etude as et
from etude import BASE, Horizon, Plateau
from etude.errors import ScheduleError, ScheduleWarning
from etude.torch import Scheduler
from etude.torch.lr_scheduler import LinearLR, OneCycleLR
from etude.torch.watch import tell_tick_length


def sgd(*bases: float | Tensor) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases or (0.1,)])


@contextmanager
def told() -> Iterator[list[str]]:
    """The codes of what is told inside, and nothing else is."""
    codes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield codes
    for warning in caught:
        assert warning.category is ScheduleWarning, warning
        assert warning.filename == __file__, "it points at who called"
        codes.append(str(warning.message).rsplit("[")[-1].rstrip("]"))


def run(scheduler: Scheduler, epochs: int, batches: int, per: str) -> None:
    """A loop over batches that steps the scheduler after each ``"update"`` or ``"epoch"``."""
    for _ in range(epochs):
        for _ in range(batches):
            scheduler.optimizer.step()
            if per == "update":
                scheduler.step()
        if per == "epoch":
            scheduler.step()


# At the start.


@pytest.mark.parametrize(
    ("plan", "codes"),
    [
        (et.cosine(), []),
        (et.yolo(), ["first-update-at-zero"]),  # and a note, which is not told
        (et.sgdr("3ep"), ["run-ends-inside-cycle"]),
        (et.Linear(0.0, BASE, over=200), ["warmup-longer-than-run", "first-update-at-zero"]),
    ],
)
def test_errors_and_warnings_of_the_checker_are_told_once(plan: et.Schedule, codes: list[str]) -> None:
    with told() as heard:
        scheduler = Scheduler(sgd(0.1, 0.2), plan, Horizon(10, "10ep"))
        run(scheduler, 10, 10, "update")
    assert heard == codes


def test_the_rates_in_it_are_those_of_the_group() -> None:
    with pytest.warns(ScheduleWarning, match=r"where the rate is 0\.05, 50 % of the peak.*\[run-ends-inside"):
        Scheduler(sgd(0.1), et.sgdr(40), Horizon(total=100))


def test_other_hyperparameters_may_begin_at_zero() -> None:
    plans = {"lr": et.cosine(), "weight_decay": et.Linear(0.0, 0.1, over="100%")}
    with told() as heard:
        Scheduler(sgd(), plans, Horizon(total=100))
    assert heard == []


def test_of_other_hyperparameters_it_is_said_which_is_meant() -> None:
    plans = {"lr": et.cosine(), "weight_decay": et.Linear(0.0, 0.1, over=200)}
    with pytest.warns(ScheduleWarning, match=r"^weight_decay: The schedule still warms up .*\[warmup-longer"):
        Scheduler(sgd(), plans, Horizon(total=100))


def test_one_update_of_many_at_zero_is_not_told() -> None:
    plan = et.Linear(0.0, BASE, over=200) >> et.Cosine(over=1_800)
    with told() as heard:
        Scheduler(sgd(), plan, Horizon(total=2_000))
    assert heard == []


def test_without_a_length_of_the_run_nothing_is_checked() -> None:
    with told() as heard:
        run(Scheduler(sgd(), et.Linear(0.0, BASE, over=200)), 1, 100, "update")
    assert heard == []


# The clock beside the updates.


def test_a_clock_that_goes_by_epochs_is_told_after_the_first() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(391, "90ep"))
    run(scheduler, 1, 391, "epoch")
    with pytest.warns(ScheduleWarning) as caught:
        scheduler.optimizer.step()
    assert [str(warning.message) for warning in caught] == [
        "The horizon plans 391 steps in an epoch, one for each update; in the first 391 updates step() was "
        "called once. Call scheduler.step() after each optimizer.step(), or count in epochs: "
        "Horizon(steps_per_epoch=1, ...). [ticks-per-epoch]"
    ]
    with told() as heard:
        run(scheduler, 2, 391, "epoch")
    assert heard == []


def test_a_clock_that_goes_faster_than_the_updates_is_told() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(100, "10ep"))
    with told() as heard:
        for batch in range(400):
            if batch % 4 == 3:
                scheduler.optimizer.step()
            scheduler.step()
    assert heard == ["ticks-per-epoch"]


@pytest.mark.parametrize(
    ("horizon", "batches", "per"),
    [
        (Horizon(50, "3ep"), 50, "update"),
        (Horizon(50, "3ep"), 40, "update"),  # the last batches are not as many
        (Horizon(1, "3ep"), 50, "epoch"),  # counted in epochs on purpose
        (Horizon(total=3), 50, "epoch"),
        (Horizon(2.5, "60ep"), 50, "update"),
    ],
)
def test_a_clock_that_is_right_is_not_told(horizon: Horizon, batches: int, per: str) -> None:
    with told() as heard:
        run(Scheduler(sgd(), et.cosine(), horizon), 3, batches, per)
    assert heard == []


def test_skipped_updates_are_not_told() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(50, "4ep"))
    (weight,) = scheduler.optimizer.param_groups[0]["params"]
    with told() as heard:
        for batch in range(200):
            weight.grad = torch.tensor([1.0 if batch % 5 else math.inf])
            if batch % 5:  # an overflow now and then
                scheduler.optimizer.step()
            scheduler.step()
    assert heard == []


def test_where_no_update_is_seen_nothing_is_claimed() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(10, "10ep"))
    with told() as heard:
        for _ in range(100):
            scheduler.step()
    assert heard == []


def test_a_clock_that_is_set_by_seek_is_not_told() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(10, "10ep"))
    with told() as heard:
        for k in range(100):
            scheduler.seek(k)
            scheduler.optimizer.step()
    assert heard == []


def test_a_run_that_is_resumed_counts_from_there() -> None:
    before = Scheduler(sgd(), et.cosine(), Horizon(10, "10ep"))
    run(before, 5, 10, "update")
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(10, "10ep"))
    scheduler.load_state_dict(before.state_dict())
    with told() as heard:
        run(scheduler, 5, 10, "update")
    assert heard == []


def hooks(optimizer: Optimizer) -> int:
    return len(optimizer._optimizer_step_post_hooks)


def test_the_hook_is_gone_after_the_first_epoch() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(10, "10ep"))
    assert hooks(scheduler.optimizer) == 1
    run(scheduler, 2, 10, "update")
    assert hooks(scheduler.optimizer) == 0


def test_the_hook_goes_with_the_scheduler_and_holds_nothing() -> None:
    optimizer = sgd()
    scheduler = Scheduler(optimizer, et.cosine(), Horizon(10, "10ep"))
    gc.disable()
    try:
        del scheduler
        assert hooks(optimizer) == 0
        assert [kept for kept in gc.get_referrers(optimizer) if isinstance(kept, dict | Scheduler)] == []
    finally:
        gc.enable()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))])
def test_a_copy_goes_on_in_silence(copied: Callable[[Scheduler], Scheduler]) -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(10, "10ep"))
    run(scheduler, 1, 5, "update")
    with told() as heard:
        run(copied(scheduler), 9, 10, "update")
    assert heard == []


def test_the_optimizers_step_is_not_wrapped() -> None:
    optimizer = sgd()
    scheduler = Scheduler(optimizer, et.cosine(), Horizon(10, "10ep"))
    assert "step" not in vars(optimizer)
    assert scheduler.optimizer is optimizer


# Drop-ins without a horizon.


def ticks(optimizer: Optimizer, updates: int, **lengths: float) -> list[str]:
    """What is told of a scheduler of torch's that is stepped once in so many updates."""
    scheduler = peers.CyclicLR(optimizer, 0.1, 0.2, cycle_momentum=False)
    tell_tick_length(scheduler, lengths)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            for _ in range(updates):
                optimizer.step()
            scheduler.step()
        optimizer.step()
    return [str(warning.message) for warning in caught if warning.category is ScheduleWarning]


def test_lengths_in_updates_that_are_stepped_once_an_epoch_are_told() -> None:
    assert ticks(sgd(), 391, step_size_up=500) == [
        "CyclicLR(step_size_up=500) counts calls of step(), and step() comes once in 391 updates; in updates "
        "that is step_size_up 195,500. If it is called once in each epoch, these are epochs. Call "
        "scheduler.step() after each optimizer.step(), or write the lengths in what is stepped. "
        "[ticks-per-epoch]"
    ]


def test_lengths_in_updates_that_are_stepped_so_are_not_told() -> None:
    assert ticks(sgd(), 1, step_size_up=500) == []


# The end.


def test_a_run_that_goes_on_is_told_once() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(total=300))
    with told() as heard:
        run(scheduler, 1, 300, "update")
    assert heard == []
    with pytest.warns(ScheduleWarning, match=r"planned 300 updates and the run goes on.*\[run-goes-on\]"):
        run(scheduler, 1, 1, "update")
    with told() as heard:
        run(scheduler, 1, 600, "update")
    assert heard == []


def test_looking_past_the_end_is_no_running_on() -> None:
    scheduler = Scheduler(sgd(), et.cosine(), Horizon(total=10))
    with told() as heard:
        scheduler.seek(20)
        scheduler.reading(30)
    assert heard == []


# Others who write.


def test_a_rate_that_someone_else_changed_is_told_with_what_made_it() -> None:
    optimizer = sgd(0.1, 0.2)
    optimizer.param_groups[0]["name"] = "head"
    scheduler = Scheduler(optimizer, et.cosine(), Horizon(total=4))
    run(scheduler, 1, 3, "update")
    optimizer.param_groups[0]["lr"] = 0.5
    with pytest.warns(ScheduleWarning) as caught:
        scheduler.step()
    assert [str(warning.message) for warning in caught] == [
        "lr 0.0146447 of group 'head' at step 3 = base 0.1 × 0.146447: phase 'cosine' [0, 4), 75 % through; "
        "but 0.5 is found there, and is overwritten now. Let the schedule alone write it: change the "
        "schedule, or give the group its own with groups={...}. [rate-changed]"
    ]
    optimizer.param_groups[0]["lr"] = 0.5
    with told() as heard:
        scheduler.seek(0)
        optimizer.param_groups[0]["lr"] = 0.5
        scheduler.step()
    assert heard == []


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_other_groups_and_tensors_are_compared_now_and_then(kind: Callable[[float], float | Tensor]) -> None:
    optimizer = sgd(kind(0.1), kind(0.2))
    scheduler = Scheduler(optimizer, et.Constant(), Horizon(total=1_000))
    with told() as heard:
        for _ in range(300):
            rate = optimizer.param_groups[1]["lr"]
            if isinstance(rate, Tensor):
                rate.fill_(0.7)
            else:
                optimizer.param_groups[1]["lr"] = 0.7
            scheduler.step()
    assert heard == ["rate-changed"]


def test_two_schedulers_of_one_rate_are_told() -> None:
    optimizer = sgd()
    first = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    second = Scheduler(optimizer, et.linear(), Horizon(total=100))
    with told() as heard:
        for _ in range(100):
            optimizer.step()
            first.step()
            second.step()
    assert set(heard) == {"two-writers"}


def test_a_scheduler_of_torchs_beside_ours_is_told() -> None:
    optimizer = sgd()
    warmup = peers.LinearLR(optimizer, 0.1, total_iters=10)
    scheduler = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    optimizer.step()
    scheduler.step()
    warmup.step()
    with pytest.warns(ScheduleWarning, match=r"LinearLR of torch has been built on .*\[two-writers\]"):
        scheduler.step()


@pytest.mark.parametrize(
    "build",
    [
        lambda optimizer: LinearLR(optimizer, 0.1, total_iters=10),
        lambda optimizer: OneCycleLR(optimizer, 1, 100),
    ],
)
def test_a_drop_in_beside_a_scheduler_is_told(build: Callable[[Optimizer], peers.LRScheduler]) -> None:
    optimizer = SGD([Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    drop_in = build(optimizer)
    scheduler = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    optimizer.step()
    scheduler.step()
    drop_in.step()
    name = type(drop_in).__name__
    with pytest.warns(ScheduleWarning, match=rf"{name} of etude\.torch\.lr_scheduler .*\[two-writers\]"):
        scheduler.step()


def test_only_who_writes_the_same_number_is_another_writer() -> None:
    optimizer = sgd()
    rate = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    decay = Scheduler(optimizer, {"weight_decay": et.Linear(0.0, 0.1, over="100%")}, Horizon(total=100))
    optimizer.param_groups[0]["lr"] = 0.5
    with pytest.warns(ScheduleWarning, match=r"0\.5 is found there, .*\[rate-changed\]"):
        rate.step()
    optimizer.param_groups[0]["weight_decay"] = 0.5
    with pytest.warns(ScheduleWarning, match=r"^weight_decay 0 of group '0' .*\[rate-changed\]"):
        decay.step()


def test_another_scheduler_of_a_momentum_is_told_by_its_name() -> None:
    optimizer = Adam([Parameter(torch.zeros(1))])
    first = Scheduler(optimizer, {"momentum": et.one_cycle_momentum()}, Horizon(total=100))
    second = Scheduler(optimizer, {"betas[0]": et.Constant(0.5)}, Horizon(total=100))
    with pytest.warns(ScheduleWarning, match=r"and both write momentum\..*\[two-writers\]"):
        first.step()
    first.seek(50)
    with pytest.warns(ScheduleWarning, match=r"and both write betas\[0\]\..*\[two-writers\]"):
        second.step()


def test_two_schedulers_of_different_numbers_get_on() -> None:
    optimizer = sgd()
    rate = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    decay = Scheduler(optimizer, {"weight_decay": et.Linear(0.0, 0.1, over="100%")}, Horizon(total=100))
    with told() as heard:
        for _ in range(100):
            optimizer.step()
            rate.step()
            decay.step()
    assert heard == []


def test_a_scheduler_that_takes_anothers_place_is_not_told() -> None:
    optimizer = sgd()
    old = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    run(old, 1, 10, "update")
    new = Scheduler(optimizer, et.linear(), Horizon(total=100))
    with told() as heard:
        run(new, 1, 100, "update")
    assert heard == []


def test_what_the_scheduler_is_for_is_not_told() -> None:
    optimizer = Adam([Parameter(torch.zeros(1))], lr=torch.tensor(0.1))
    plan = {"lr": et.sgdr(50) * Plateau("loss", patience=0), "momentum": et.one_cycle_momentum()}
    scheduler = Scheduler(optimizer, plan, Horizon(total=100))
    with told() as heard:
        for k in range(100):
            optimizer.step()
            scheduler.step()
            scheduler.observe(loss=1.0)
            if k == 20:
                optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 0.3})
            if k == 40:
                optimizer.load_state_dict(optimizer.state_dict())
            if k == 60:
                scheduler.load_state_dict(scheduler.state_dict())
            if k == 80:  # as trainers do that keep the clock themselves
                scheduler.last_epoch += 1
                for group, rate in zip(optimizer.param_groups, scheduler.get_lr(), strict=True):
                    group["lr"] = rate
                scheduler.last_epoch -= 1
                scheduler.seek(scheduler.last_epoch)
    assert heard == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("base", [0.3, 1e-7, 1e-45])
def test_what_a_tensor_rounds_away_is_not_told(dtype: torch.dtype, base: float) -> None:
    scheduler = Scheduler(sgd(0.1, torch.tensor(base, dtype=dtype)), et.cosine(), Horizon(total=300))
    with told() as heard:
        run(scheduler, 1, 300, "update")
    assert heard == []


# Provenance.


def test_a_rate_is_explained() -> None:
    optimizer = sgd(0.1, 0.2)
    optimizer.param_groups[1]["name"] = "head"
    plan = et.cosine() * Plateau("loss", patience=0)
    scheduler = Scheduler(optimizer, plan, Horizon(total=4))
    for _ in range(2):
        scheduler.observe(loss=1.0)
    scheduler.seek(2)
    assert scheduler.explain() == (
        "lr 0.005 of group '0' at step 2 = base 0.1 × 0.05: phase 'cosine' [0, 4), 50 % through; loss "
        "plateau factor 0.1"
    )
    assert scheduler.explain("head").startswith("lr 0.01 of group 'head' at step 2 = base 0.2 × 0.05: ")
    assert scheduler.explain(1) == scheduler.explain("head")


@pytest.mark.parametrize(
    ("group", "name", "message"),
    [
        ("tail", "lr", r"no parameter group is called 'tail'; there are 0"),
        (1, "lr", r"no parameter group is called 1; there are 0"),
        (0, "momentum", r"'momentum' of the parameter group '0' is not scheduled"),
    ],
)
def test_what_cannot_be_explained_is_refused(group: str | int, name: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Scheduler(sgd(), et.cosine(), Horizon(total=4)).explain(group, name)


def test_momentum_for_an_optimizer_without_it_is_refused_with_the_fix() -> None:
    optimizer = Adagrad([Parameter(torch.zeros(1))], lr=0.1)
    plan = {"lr": et.one_cycle(), "momentum": et.one_cycle_momentum()}
    with pytest.raises(
        ScheduleError, match="has neither momentum nor betas: leave the momentum's schedule out"
    ):
        Scheduler(optimizer, plan, Horizon(total=100))


# A clock that was left behind.

HUNDRED = Horizon(total=100)
FRESH: list[tuple[Any, dict[str, Any]]] = [
    (SGD, {}),
    (SGD, {"momentum": 0.9}),
    (Adam, {}),
    (Adagrad, {}),  # which has a state from the beginning
]


def fresh(kind: Any, options: dict[str, Any]) -> Optimizer:
    optimizer: Optimizer = kind([Parameter(torch.ones(2))], lr=0.1, **options)
    return optimizer


def train(scheduler: Scheduler, updates: int) -> None:
    """Updates with gradients, so that the optimizer's state is that of a run."""
    optimizer = scheduler.optimizer
    for _ in range(updates):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = torch.ones_like(weight)
        optimizer.step()
        scheduler.step()


def checkpoint(kind: Any, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run of 60 updates has saved."""
    scheduler = Scheduler(fresh(kind, options), et.cosine(), HUNDRED)
    train(scheduler, 60)
    return copy.deepcopy(scheduler.optimizer.state_dict()), scheduler.state_dict()


def resume(order: str, kind: Any, options: dict[str, Any]) -> list[str]:
    """What is told of a run that is resumed: (o)ptimizer loaded, scheduler (b)uilt, its (s)tate loaded."""
    saved, state = checkpoint(kind, options)
    optimizer = fresh(kind, options)
    for action in order:
        if action == "o":
            optimizer.load_state_dict(copy.deepcopy(saved))
        elif action == "b":
            scheduler = Scheduler(optimizer, et.cosine(), HUNDRED)
        elif action == "s":
            scheduler.load_state_dict(state)
        else:
            scheduler.seek(60 if action == "k" else 0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(scheduler, 5)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(("kind", "options"), FRESH)
@pytest.mark.parametrize("order", ["ob", "bo"])
def test_a9_a_schedulers_state_that_was_forgotten_is_told_once(
    order: str, kind: Any, options: dict[str, Any]
) -> None:
    (told,) = resume(order, kind, options)
    assert "came with 0.0345492 as lr of group '0', where the plan begins with 0.1" in told
    assert "call scheduler.seek(60), where the run goes on" in told
    assert told.endswith("[clock-left-behind]")


@pytest.mark.parametrize(("kind", "options"), FRESH)
@pytest.mark.parametrize(
    "order", ["b", "obs", "bos", "bso", "bsos", "obk", "bok", "bko", "ob0", "bo0", "b0o"]
)
def test_a9_what_is_right_or_meant_is_not_told(order: str, kind: Any, options: dict[str, Any]) -> None:
    assert resume(order, kind, options) == []


@pytest.mark.parametrize(("kind", "options"), FRESH[1:])
def test_a9_rates_of_another_program_are_told_where_the_state_says_so(
    kind: Any, options: dict[str, Any]
) -> None:
    saved, _ = checkpoint(kind, options)
    del saved["param_groups"][0]["initial_lr"]
    optimizer = fresh(kind, options)
    optimizer.load_state_dict(saved)
    scheduler = Scheduler(optimizer, et.cosine(), HUNDRED)
    with pytest.warns(ScheduleWarning, match=r"no initial_lr in its groups, so that BASE is .* 0\.0345492; "):
        train(scheduler, 1)
    with told() as heard:
        train(scheduler, 5)
    assert heard == []


def test_a9_the_step_is_told_where_only_one_has_the_rate() -> None:
    optimizer = sgd(0.1)
    optimizer.param_groups[0] |= {"lr": 0.05, "initial_lr": 0.1}
    scheduler = Scheduler(optimizer, et.cosine("100%").repeat(2), Horizon(total=50))
    with pytest.warns(ScheduleWarning, match=r"call scheduler\.seek\(25\)"):
        scheduler.step()  # also where no update is seen
    optimizer = sgd(0.1)
    optimizer.param_groups[0] |= {"lr": 0.05, "initial_lr": 0.1}
    scheduler = Scheduler(optimizer, et.sgdr(50), HUNDRED)
    with pytest.warns(ScheduleWarning, match=r"call scheduler\.seek\(step\)"):
        scheduler.step()


# The order of updates and steps.


def backwards(scheduler: Scheduler, updates: int) -> None:
    for _ in range(updates):
        scheduler.step()
        scheduler.optimizer.step()


@pytest.mark.parametrize("horizon", [HUNDRED, Horizon(10, "10ep"), Horizon(1, "100ep"), None], ids=str)
def test_a11_steps_before_updates_are_told_once(horizon: Horizon | None) -> None:
    with told() as heard:
        backwards(Scheduler(sgd(), et.Cosine(over=100), horizon), 100)
    assert heard == ["step-before-update"]


def test_a11_closures_and_several_optimizers_are_no_matter() -> None:
    one, other = LBFGS([Parameter(torch.ones(1))]), sgd()
    schedulers = [Scheduler(optimizer, et.cosine(), HUNDRED) for optimizer in (one, other)]
    with told() as heard:
        for _ in range(20):
            one.step(lambda: 0.0)
            other.step()
            for scheduler in schedulers:
                scheduler.step()
    assert heard == []
    scheduler = Scheduler(LBFGS([Parameter(torch.ones(1))]), et.cosine(), HUNDRED)
    with told() as heard:
        for _ in range(20):
            scheduler.step()
            scheduler.optimizer.step(lambda: 0.0)
    assert heard == ["step-before-update"]


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("skipped", [[0], [0, 1, 2], [0, 5]])
def test_a11_an_update_that_a_scaler_leaves_out_is_none_before_its_time(
    skipped: list[int], given: bool
) -> None:
    weight = Parameter(torch.ones(1))
    optimizer, scaler = SGD([weight], lr=0.1), GradScaler("cpu", init_scale=4.0)
    scheduler = Scheduler(optimizer, et.cosine(), HUNDRED, scaler=scaler if given else None)
    with told() as heard:
        for update in range(10):
            optimizer.zero_grad()
            scaler.scale(weight.sum() * (math.inf if update in skipped else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
            scheduler.step()
    assert heard == []


@pytest.mark.parametrize("before", [0, 2, 30])
def test_a11_a_clock_that_was_moved_on_by_hand_is_not_told(before: int) -> None:
    scheduler = Scheduler(sgd(), et.cosine(), HUNDRED)
    with told() as heard:
        for _ in range(before):
            scheduler.step()
        run(scheduler, 1, 50, "update")
    assert heard == []


def test_a11_a_checkpoint_from_before_its_step_is_gone_on_with_in_silence() -> None:
    first = Scheduler(sgd(), et.cosine(), HUNDRED)
    run(first, 1, 10, "update")
    scheduler = Scheduler(sgd(), et.cosine(), HUNDRED)
    scheduler.load_state_dict(first.state_dict())
    with told() as heard:
        backwards(scheduler, 10)
    assert heard == []
