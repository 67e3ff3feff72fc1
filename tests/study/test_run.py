"""Runs: what a training function may do with one, and what is refused."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from etude.errors import ScheduleWarning, StoreError, TaskError
from etude.readings import Reading
from etude.record import RunKey, SqliteStore, open_store
from etude.study.run import Run

Begin = Callable[..., Run]
DECAY = "Linear(BASE, 0.0, over='100%')"
PLATEAU = "Constant(BASE) * Plateau('validation_loss', factor=0.5, patience=0)"
SCORES = {"validation": 0.5, "test": 0.5}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "runs.sqlite") as store:
        yield store


@pytest.fixture
def begin(store: SqliteStore) -> Begin:
    def begin(
        schedule: str = DECAY, peak: float | None = 0.4, budget: int = 4, per_epoch: int | None = None
    ) -> Run:
        key = RunKey("mine@0", schedule, peak, budget, 7)
        run_id = store.start(key, label="mine", fingerprint="", versions={})
        return Run(key, store, run_id, updates_per_epoch=per_epoch)

    return begin


def sgd(*rates: Any) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def rates(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def train(run: Run, optimizer: Optimizer, steps: int) -> list[float]:
    """Train for so many updates; return the rates of the first group that they used."""
    scheduler, used = run.bind(optimizer), []
    for _ in range(steps):
        used.append(rates(optimizer)[0])
        optimizer.step()
        scheduler.step()
    return used


def readings(store: SqliteStore) -> list[Reading]:
    return store.readings(store.runs()[-1].id)


def test_a_run_says_what_to_do(begin: Begin) -> None:
    run = begin(budget=12, peak=0.3)

    assert (run.updates, run.peak, run.seed, run.device) == (12, 0.3, 7, "cpu")


# Binding


def test_the_schedule_is_laid_over_the_runs_own_updates(begin: Begin) -> None:
    assert train(begin(budget=4), sgd(1.0), 4) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert train(begin(budget=2), sgd(1.0), 2) == pytest.approx([0.4, 0.2])


def test_epochs_are_those_of_the_task(begin: Begin) -> None:
    run = begin("Linear(BASE, 0.24, over='2ep')", budget=8, per_epoch=2)

    assert train(run, sgd(1.0), 6) == pytest.approx([0.4, 0.36, 0.32, 0.28, 0.24, 0.24])


@pytest.mark.parametrize(
    ("built", "bound"),
    [
        ((0.1,), [0.4]),
        ((0.1, 0.01), [0.4, 0.04]),
        ((0.1, 0.01, 0.2), [0.4, 0.04, 0.8]),
        ((0.0, 0.1), [0.4, 0.4]),
    ],
    ids=["one group", "two", "three", "no ratio to nothing"],
)
def test_the_first_groups_rate_becomes_the_peak_and_the_others_keep_their_ratio(
    begin: Begin, built: tuple[float, ...], bound: list[float]
) -> None:
    optimizer = sgd(*built)

    begin().bind(optimizer)

    assert rates(optimizer) == pytest.approx(bound)


def test_a_tensor_rate_is_filled_in_place(begin: Begin) -> None:
    first, second = torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.01, dtype=torch.float64)
    optimizer = Adam(
        [{"params": [Parameter(torch.zeros(1))], "lr": rate} for rate in (first, second)], capturable=False
    )

    begin().bind(optimizer)

    assert optimizer.param_groups[0]["lr"] is first
    assert [first.item(), second.item()] == pytest.approx([0.4, 0.04])


def test_groups_that_share_a_tensor_get_the_same_peak(begin: Begin) -> None:
    shared = torch.tensor(0.1, dtype=torch.float64)
    optimizer = Adam([{"params": [Parameter(torch.zeros(1))]} for _ in range(3)], lr=shared)

    begin().bind(optimizer)

    assert rates(optimizer) == pytest.approx([0.4, 0.4, 0.4])


def test_the_base_rate_that_another_scheduler_left_does_not_count(begin: Begin) -> None:
    optimizer = sgd(0.1)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.5)

    assert train(begin(), optimizer, 4) == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_without_a_peak_the_rates_are_the_schedules_alone(begin: Begin) -> None:
    optimizer = sgd(0.3, 0.2)

    assert train(begin("Linear(0.05, 0.0, over='100%')", peak=None), optimizer, 2) == pytest.approx(
        [0.05, 0.0375]
    )
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.3, 0.2]


def test_a_run_binds_once(begin: Begin) -> None:
    run = begin()
    run.bind(sgd(0.1))

    with pytest.raises(TaskError, match=r"binds its schedule to one optimizer; run\.bind was called twice"):
        run.bind(sgd(0.1))


# Reporting


def test_what_the_plan_has_told_is_not_told_again(begin: Begin) -> None:
    optimizer = sgd(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler = begin("sgdr(3)").bind(optimizer)
    optimizer.param_groups[0]["lr"] = 7.0
    with pytest.warns(ScheduleWarning, match=r"\[rate-changed\]"):  # which the plan cannot know
        scheduler.step()


@pytest.mark.parametrize("before_step", [True, False], ids=["before the scheduler's step", "after it"])
def test_a_report_holds_the_rates_that_the_update_used(
    begin: Begin, store: SqliteStore, before_step: bool
) -> None:
    run, optimizer = begin("one_cycle()", budget=10), sgd(0.1, 0.02)
    scheduler = run.bind(optimizer)
    used = []
    for step in range(10):
        used.append(dict(zip("01", rates(optimizer), strict=True)))
        optimizer.step()
        if before_step:
            run.report(step, loss=float(step))
        scheduler.step()
        if not before_step:
            run.report(step, loss=float(step))

    assert [reading.rates for reading in readings(store)] == used
    assert [reading.step for reading in readings(store)] == list(range(10))
    assert [reading.metrics for reading in readings(store)] == [{"loss": float(step)} for step in range(10)]
    assert [reading.phase for reading in readings(store)] == ["cosine"] * 9 + ["hold"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (torch.tensor(0.25), 0.25),
        (torch.tensor([2.0], requires_grad=True).detach(), 2.0),
        (math.inf, math.inf),
    ],
    ids=["int", "numpy", "tensor", "tensor of one", "infinite"],
)
def test_a_metric_is_anything_that_is_one_number(
    begin: Begin, store: SqliteStore, value: Any, kept: float
) -> None:
    run = begin()
    train(run, sgd(0.1), 1)

    run.report(np.int64(0), loss=value)  # type: ignore[arg-type]

    assert readings(store)[0].metrics == {"loss": kept}


@pytest.mark.parametrize(
    "value",
    ["0.5", "high", None, [0.5], torch.zeros(2), np.zeros(2), 1j],
    ids=lambda value: type(value).__name__,
)
def test_a_metric_that_is_no_number_is_refused(begin: Begin, store: SqliteStore, value: Any) -> None:
    run = begin()
    train(run, sgd(0.1), 1)

    with pytest.raises(TaskError, match=r"run\.report: loss must be a number; got "):
        run.report(0, validation=0.5, loss=value)

    assert readings(store) == []


@pytest.mark.parametrize(
    ("done", "step"),
    [(0, 1), (2, 3), (4, 4), (2, -1), (2, 0.5), (2, None)],
    ids=["not begun", "ahead", "past the end", "negative", "half", "none"],
)
def test_a_report_of_an_update_that_was_not_made_is_refused(
    begin: Begin, store: SqliteStore, done: int, step: Any
) -> None:
    run = begin(budget=4)
    train(run, sgd(0.1), done)

    with pytest.raises(
        TaskError, match=rf"step is the update just made, counted from 0; got {step} .* stands at {done} of 4"
    ):
        run.report(step, loss=0.5)

    assert readings(store) == []


def test_a_report_before_bind_is_refused(begin: Begin) -> None:
    with pytest.raises(TaskError, match=r"no optimizer yet; call run\.bind\(optimizer\) before training"):
        begin().report(0, loss=0.5)


def test_a_report_that_cannot_be_kept_is_the_stores_error(begin: Begin, store: SqliteStore) -> None:
    run = begin()
    train(run, sgd(0.1), 1)
    store.finish(store.runs()[-1].id, SCORES)

    with pytest.raises(StoreError, match="already finished"):
        run.report(0, loss=0.5)


# Feedback


def test_a_plateau_observes_the_metric_it_follows_and_no_other(begin: Begin, store: SqliteStore) -> None:
    run, optimizer = begin(PLATEAU, budget=6), sgd(0.1)
    scheduler, used = run.bind(optimizer), []
    for step, loss in enumerate([3.0, 2.0, 2.0, 1.0, 1.0, 1.0]):
        used.append(rates(optimizer)[0])
        optimizer.step()
        scheduler.step()
        run.report(step, loss=9.0, validation_loss=loss)

    assert used == [0.4, 0.4, 0.4, 0.2, 0.2, 0.1]
    assert [reading.rates["0"] for reading in readings(store)] == used
    assert run.ended(SCORES) == SCORES


def test_a_metric_that_the_schedule_follows_must_be_reported(begin: Begin) -> None:
    run = begin(PLATEAU)
    train(run, sgd(0.1), 4)
    run.report(3, validation=0.5)

    with pytest.raises(
        TaskError, match=r"follows validation_loss, .* call run\.report\(step, validation_loss=\.\.\.\)"
    ):
        run.ended(SCORES)


# Ending


def test_a_run_ends_with_its_scores_as_floats(begin: Begin) -> None:
    run = begin()
    train(run, sgd(0.1), 4)

    assert run.ended({"test": torch.tensor(0.5), "validation": np.float64(0.25)}) == {  # type: ignore[dict-item]
        "test": 0.5,
        "validation": 0.25,
    }


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_run_that_diverged_ranks_below_every_number(begin: Begin, score: float) -> None:
    run = begin()
    train(run, sgd(0.1), 4)

    assert run.ended({"validation": score, "test": 0.5}) == {"validation": -math.inf, "test": 0.5}


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (None, r"returns \{'validation': score, 'test': score\}; got None"),
        (0.5, "got 0.5"),
        ({"validation": 0.5}, r"got \{'validation': 0.5\}"),
        ({**SCORES, "loss": 1.0}, "got {.*'loss': 1.0}"),
        ({**SCORES, "test": None}, "the test score must be a number; got None"),
        ({**SCORES, "validation": "0.5"}, "the validation score must be a number; got '0.5'"),
        ({**SCORES, "test": torch.zeros(2)}, "the test score must be a number; got tensor"),
    ],
    ids=["nothing", "one number", "one score", "three", "none", "text", "two numbers"],
)
def test_other_results_are_refused(begin: Begin, results: Any, message: str) -> None:
    run = begin()
    train(run, sgd(0.1), 4)

    with pytest.raises(TaskError, match=message):
        run.ended(results)


@pytest.mark.filterwarnings("ignore:The horizon planned 4 updates")  # it is told of at once, too
@pytest.mark.parametrize("steps", [0, 3, 5])
def test_another_number_of_updates_is_refused(begin: Begin, steps: int) -> None:
    run = begin(budget=4)
    train(run, sgd(0.1), steps)

    with pytest.raises(
        TaskError, match=rf"given 4 updates and its scheduler was stepped {steps} times; call scheduler\.step"
    ):
        run.ended(SCORES)


def test_a_function_that_never_bound_is_refused(begin: Begin) -> None:
    with pytest.raises(TaskError, match="no optimizer yet"):
        begin().ended(SCORES)


def test_the_store_has_the_rates_of_all_groups_by_name(begin: Begin, store: SqliteStore) -> None:
    body, head = Parameter(torch.zeros(1)), Parameter(torch.zeros(1))
    optimizer = SGD(
        [{"params": [body], "lr": 0.1, "name": "body"}, {"params": [head], "lr": Tensor([0.2])[0]}]
    )
    run = begin()
    train(run, optimizer, 1)

    run.report(0)

    [reading] = readings(store)
    assert reading.rates == pytest.approx({"body": 0.4, "1": 0.8})
