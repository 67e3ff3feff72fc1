"""Runs whose clock is moved by the samples and tokens of real batches, through the Scheduler."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

import etude as et
from etude import BASE, Horizon, Schedule
from etude.errors import ScheduleError
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
