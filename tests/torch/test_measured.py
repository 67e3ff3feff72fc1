"""Runs whose clock is moved by the samples and tokens of real batches, through the Scheduler."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

import etude as et
from etude import BASE, Horizon, Schedule
from etude.durations import to_duration
from etude.errors import ScheduleError, ScheduleWarning
from etude.torch import Scheduler, redecay

HORIZON = Horizon(tokens_per_step=100, total="10000tok")
SHORT = Horizon(tokens_per_step=100, total="1000tok")
PLAN = et.Linear(0.1 * BASE, BASE, over="5st") >> et.Constant(BASE, over="9500tok")


def sgd(lr: float = 1.0) -> Optimizer:
    return SGD([Parameter(torch.zeros(1))], lr=lr)


def run(scheduler: Scheduler, updates: int, **amounts: Any) -> list[float]:
    """The rate of each update."""
    used = []
    for _ in range(updates):
        used.append(float(scheduler.optimizer.param_groups[0]["lr"]))
        scheduler.optimizer.step()
        scheduler.step(**amounts)
    return used


def test_a_decay_ends_with_its_tokens_whatever_the_batches_are() -> None:
    plan = et.Linear(BASE, 0.0, over="10000tok")
    scheduler = Scheduler(sgd(), plan, HORIZON)
    assert run(scheduler, 4, tokens=50) == pytest.approx([1, 0.995, 0.99, 0.985])
    assert run(scheduler, 4, tokens=200) == pytest.approx([0.98, 0.96, 0.94, 0.92])
    run(scheduler, 45, tokens=200)
    assert scheduler.get_last_lr() == [0.0]
    assert scheduler.last_epoch == 53


def test_what_is_ahead_of_the_run_is_told_by_the_clock_not_by_the_updates(
    recwarn: pytest.WarningsRecorder,
) -> None:
    scheduler = Scheduler(sgd(), PLAN, HORIZON)
    run(scheduler, 190, tokens=50)  # more updates than 100 nominal ones, and not yet the end
    assert not recwarn.list
    assert scheduler.progress == pytest.approx(97.5)
    run(scheduler, 10, tokens=50)
    assert [str(warning.message)[-13:] for warning in recwarn.list] == ["[run-goes-on]"]


def test_a_cooldown_counts_from_where_the_tokens_are() -> None:
    scheduler = Scheduler(sgd(), PLAN, HORIZON)
    run(scheduler, 30, tokens=50)
    scheduler.cooldown(over="1000tok")
    assert run(scheduler, 21, tokens=50) == pytest.approx([1 - k / 20 for k in range(21)])


def test_a_run_goes_on_where_its_tokens_stood() -> None:
    whole, first = (Scheduler(sgd(), PLAN, HORIZON) for _ in range(2))
    run(whole, 12, tokens=64)
    run(first, 12, tokens=64)
    second = Scheduler(sgd(), PLAN, HORIZON)
    second.load_state_dict(first.state_dict())
    assert run(second, 20, tokens=80) == run(whole, 20, tokens=80)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("keep", [0.5, 0.45, 0.4]),
        ("hold", [0.5, 0.5, 0.5]),
        (redecay("5%", stop=0.0), [0.5, 0.45, 0.4]),
        ("stretch", [0.25, 0.25, 0.25]),
    ],
    ids=str,
)
def test_a_policy_takes_up_the_rate_where_the_tokens_are(policy: Any, expected: list[float]) -> None:
    first = Scheduler(sgd(), PLAN, HORIZON)
    run(first, 30, tokens=50)
    first.cooldown(over="1000tok")
    run(first, 10, tokens=50)
    second = Scheduler(sgd(), PLAN * 0.25, HORIZON, on_change=policy)
    second.load_state_dict(first.state_dict())
    assert run(second, 3, tokens=50) == pytest.approx(expected)


def test_a_group_with_its_own_clock_begins_where_the_tokens_are() -> None:
    plan: Schedule = et.Linear(BASE, 0.0, over="1000tok")
    scheduler = Scheduler(sgd(), plan, SHORT, added="own")
    run(scheduler, 8, tokens=50)
    scheduler.optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 2.0})
    found = []
    for _ in range(4):
        scheduler.optimizer.step()
        scheduler.step(tokens=100)
        found.append(scheduler.get_last_lr())
    assert found == [pytest.approx(row) for row in ([0.5, 2.0], [0.4, 1.8], [0.3, 1.6], [0.2, 1.4])]


def test_another_thread_takes_over_where_the_tokens_are() -> None:
    scheduler = Scheduler(sgd(), et.Linear(BASE, 0.0, over="1000tok"), SHORT)
    run(scheduler, 4, tokens=50)
    failed: list[str] = []

    def take_over() -> None:
        try:
            scheduler.step(tokens=50)
        except ScheduleError as error:
            failed.append(str(error))
        scheduler.seek(scheduler.last_epoch)
        scheduler.step(tokens=50)

    thread = threading.Thread(target=take_over, name="second")
    thread.start()
    thread.join()
    assert len(failed) == 1
    assert "is stepped by the thread 'MainThread', and now by 'second'" in failed[0]
    assert scheduler.get_last_lr() == [0.75]


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({"tokens": 0}, r"step\(tokens=\) must be more than 0; got 0"),
        ({"tokens": -5}, r"step\(tokens=\) must be more than 0; got -5"),
        ({"tokens": True}, r"step\(tokens=\) must be a number; got True"),
        ({"tokens": "50"}, r"step\(tokens=\) must be a number; got '50'"),
        ({"tokens": float("nan")}, r"step\(tokens=\) must be finite; got nan"),
        ({"samples": 8}, r"Constant\(over='9500tok'\) counts tokens, but step\(\) was given only samples"),
    ],
    ids=str,
)
def test_amounts_that_cannot_be_are_refused_and_nothing_moves(amounts: Any, message: str) -> None:
    scheduler = Scheduler(sgd(), PLAN, HORIZON)
    run(scheduler, 7, tokens=50)
    before = scheduler.state_dict(), scheduler.get_last_lr(), scheduler.optimizer.param_groups[0]["lr"]
    with pytest.raises(ScheduleError, match=message):
        scheduler.step(**amounts)
    after = scheduler.state_dict(), scheduler.get_last_lr(), scheduler.optimizer.param_groups[0]["lr"]
    assert after == before


@pytest.mark.parametrize("epoch", [0.31, True, "3", torch.tensor(0.5)], ids=str)
def test_a_metric_is_no_step(epoch: Any) -> None:
    scheduler = Scheduler(sgd(), et.Cosine(over=10))
    with pytest.raises(ScheduleError, match=r"a metric is for scheduler.observe\(val_loss=...\)"):
        scheduler.step(epoch)
    assert scheduler.last_epoch == 0


# What starts, starts exactly where it starts.

SPAN = et.Constant(1.0, over="14tok") >> et.Constant(0.5)
SEVENS = Horizon(tokens_per_step=7)


def later(optimizer: Optimizer) -> dict[str, Any]:
    """A group that comes later."""
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0})
    return optimizer.param_groups[-1]


@pytest.mark.parametrize("saved", [None, 0, 1, 2])
def test_a3_a_groups_own_clock_starts_exactly(saved: int | None) -> None:
    scheduler = Scheduler(sgd(), SPAN, SEVENS, added="own")
    group, found = later(scheduler.optimizer), []
    scheduler.step(tokens=17)
    for update in range(4):
        if update == saved:  # 37/17 of a step is no float, and is not rounded in a checkpoint
            state, optimizer = scheduler.state_dict(), sgd()
            group = later(optimizer)
            scheduler = Scheduler(optimizer, SPAN, SEVENS, added="own")
            scheduler.load_state_dict(state)
            assert scheduler.state_dict() == state
        found.append(group["lr"])
        scheduler.step(tokens=7)
    assert found == [1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("order", ["add, load", "load, add"])
def test_a3_a_group_that_a_checkpoint_does_not_know_starts_there_in_any_order(order: str) -> None:
    scheduler = Scheduler(sgd(), SPAN, SEVENS, added="own")
    scheduler.step(tokens=17)
    state = scheduler.state_dict()
    scheduler = Scheduler(sgd(), SPAN, SEVENS, added="own")
    for action in order.split(", "):
        if action == "add":
            group = later(scheduler.optimizer)
        else:
            scheduler.load_state_dict(state)
    found = []
    for _ in range(4):
        scheduler.step(tokens=7)
        found.append(group["lr"])
    # Added after loading it joins at the next step, which begins its clock; else it stands there already.
    assert found == ([1.0, 0.5, 0.5, 0.5] if order == "add, load" else [1.0, 1.0, 0.5, 0.5])


def test_a3_a_cooldown_of_what_has_just_joined_starts_where_the_run_is() -> None:
    scheduler = Scheduler(
        sgd(), et.Constant(BASE, over="70tok") >> et.Constant(0.5 * BASE), SEVENS, added="own"
    )
    group = later(scheduler.optimizer)
    scheduler.step(tokens=17)
    scheduler.cooldown(over="14tok")
    assert [course.schedule.at for course in scheduler._moment.laid.courses] == [
        to_duration(Fraction(17, 7))
    ] * 2  # type: ignore[attr-defined]
    found = []
    for _ in range(3):
        scheduler.step(tokens=7)
        found.append(group["lr"])
    assert found == pytest.approx([0.5, 0.0, 0.0])


@pytest.mark.parametrize("policy", ["hold", "keep"])
def test_a3_a_seam_of_what_has_just_joined_is_where_the_run_is(policy: str) -> None:
    plan = et.Linear(BASE, 0.0, over="70tok")
    scheduler = Scheduler(sgd(), plan, SEVENS)
    later(scheduler.optimizer)
    scheduler.step(tokens=17)
    state, optimizer = scheduler.state_dict(), sgd()
    later(optimizer)
    resumed = Scheduler(optimizer, plan, Horizon(tokens_per_step=14))
    resumed.load_state_dict(state, on_change=policy)
    assert resumed.get_last_lr() == scheduler.get_last_lr()


# The last batch is seldom full.


@pytest.mark.parametrize(
    ("amount", "size"), [(64, 64), (48, 64), (40, 64), (33, 64), (7, 64), (100, 64)], ids=str
)
@pytest.mark.parametrize("unit", ["smp", "tok", "ep"])
def test_e6_a_last_batch_that_goes_past_the_end_is_no_running_on(unit: str, amount: int, size: int) -> None:
    horizons = {
        "smp": Horizon(samples_per_step=size, total="6400smp"),
        "tok": Horizon(tokens_per_step=size, total="6400tok"),
        "ep": Horizon(12.5, "8ep", samples_per_step=size),
    }
    told = {"tokens" if unit == "tok" else "samples": amount}
    scheduler = Scheduler(sgd(), et.cosine(), horizons[unit])
    run(scheduler, -(-6400 // amount), **told)
    assert scheduler.get_last_lr() == [0.0]
    with pytest.warns(ScheduleWarning, match=r"planned 100 updates and the run goes on.*\[run-goes-on\]"):
        run(scheduler, 1, **told)


@pytest.mark.parametrize("over", ["100%", "6400smp"])
def test_e6_a_schedule_that_raises_past_its_end_lets_the_last_batch_end_there(over: str) -> None:
    plan = et.Cosine(over=over, after="raise")
    scheduler = Scheduler(sgd(), plan, Horizon(samples_per_step=64, total="6400smp"))
    run(scheduler, 134, samples=48)  # of which the last ends 32 samples after the run
    assert scheduler.get_last_lr() == [0.0]
    resumed = Scheduler(sgd(), plan, scheduler.horizon)
    resumed.load_state_dict(scheduler.state_dict())
    for one in (scheduler, resumed):
        with pytest.raises(ScheduleError, match="is past the end of cosine at 100"):
            one.step(samples=48)
