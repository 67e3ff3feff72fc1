"""Runs whose plan is kept with them: nothing has to be read off the rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD

import etude as et
from etude.errors import StoreError
from etude.record import Recorder, open_store
from etude.replay import Recorded, explain, rates, recall, write_page
from etude.torch import Scheduler

HORIZON = et.Horizon(steps_per_epoch=10, total="10ep", samples_per_step=64)


def groups(**bases: float) -> list[dict[str, Any]]:
    return [{"params": [Parameter(torch.zeros(1))], "lr": base, "name": name} for name, base in bases.items()]


def trained(
    folder: Path,
    scheduler: Scheduler,
    updates: int,
    meanwhile: Callable[[int], Any] = lambda step: None,
) -> Recorded:
    """Train and record, and read it back."""
    with Recorder(scheduler, to=folder / "runs.sqlite", name="mine") as recorder:
        for step in range(updates):
            meanwhile(step)
            scheduler.optimizer.step()
            scheduler.step()
            recorder.log(loss=1.0)
    with open_store(folder / "runs.sqlite") as store:
        assert recorder.run_id is not None
        return recall(store, recorder.run_id)


def is_as_used(run: Recorded) -> bool:
    """Whether what is planned is what was recorded, for each group and update."""
    explanations = [explain(run, reading.step, group) for reading in run.readings for group in reading.rates]
    return all(made.planned == made.rate for made in explanations)


def test_horizon_and_bases_are_the_schedulers_own_where_rates_do_not_tell_them(tmp_path: Path) -> None:
    # A level that does not depend on the base, in an update before any epoch is done.
    run = trained(tmp_path, Scheduler(SGD(groups(body=0.1)), et.Constant(0.05), HORIZON), 1)

    assert (run.name, run.horizon) == ("run 1: mine, seed 0", HORIZON)
    assert run.bases == {"body": 0.1}


def test_each_group_is_told_by_its_own_schedule(tmp_path: Path) -> None:
    optimizer = SGD(groups(body=0.1, head=0.2, extra=0.3))
    plans = {"body": et.cosine(), "*": et.Linear(et.BASE, 0.0, over="100%")}
    run = trained(tmp_path, Scheduler(optimizer, groups=plans, horizon=HORIZON), 100)

    assert is_as_used(run)
    assert explain(run, 50, "body").schedule == repr(et.cosine())
    assert explain(run, 50, "extra").schedule == repr(plans["*"])
    assert explain(run, 25, "head").base == 0.2


def test_a_groups_own_factor_is_in_the_plan(tmp_path: Path) -> None:
    scaled = groups(body=0.1, head=0.2)
    scaled[0]["lr_scale"] = 0.5
    run = trained(tmp_path, Scheduler(SGD(scaled), et.cosine(), HORIZON), 100)

    assert is_as_used(run)
    made = explain(run, 50, "body")
    assert (made.base, made.rate) == (0.1, pytest.approx(0.025))
    assert "the learning rate 0.025 for the group 'body' = base 0.1 × 0.25," in made.sentence
    # Where all is as planned, and the run has ended, the plan is not drawn.
    assert [series.label for series in rates(run).series] == ["used by body", "used by head"]


def test_a_rate_in_proportion_to_another_hyperparameter_is_told_by_that(tmp_path: Path) -> None:
    optimizer = SGD(groups(body=0.1), weight_decay=0.01)
    plans = {"weight_decay": et.Linear(et.BASE, 0.001, over="100%"), "lr": "weight_decay"}
    run = trained(tmp_path, Scheduler(optimizer, plans, HORIZON), 100)

    made = explain(run, 50)
    assert made.planned == pytest.approx(made.rate, rel=1e-12)
    assert run.record.plan is not None
    assert [one.coupled for one in run.record.plan.schedules] == [None, "weight_decay"]


def test_an_override_is_told_to_those_whom_it_concerns(tmp_path: Path) -> None:
    optimizer = SGD(groups(body=0.1, head=0.2))
    plans = {"body": et.cosine(), "head": et.Linear(et.BASE, 0.0, over="100%")}
    scheduler = Scheduler(optimizer, groups=plans, horizon=HORIZON)

    def cool(step: int) -> None:
        if step == 40:
            scheduler.cooldown("2ep")

    run = trained(tmp_path, scheduler, 60, cool)

    assert is_as_used(run)
    assert explain(run, 39, "head").override == ""
    for group, plan in plans.items():
        assert explain(run, 50, group).override == f"{plan!r}.cooldown(40, over='2ep')"


def test_a_group_that_is_added_follows_the_only_schedule_from_the_base_that_its_rates_tell(
    tmp_path: Path,
) -> None:
    optimizer = SGD(groups(body=0.1))

    def add(step: int) -> None:
        if step == 20:
            optimizer.add_param_group(groups(head=0.25)[0])

    run = trained(tmp_path, Scheduler(optimizer, et.cosine(), HORIZON), 60, add)

    assert run.bases == {"body": 0.1, "head": 0.25}
    made = explain(run, 50, "head")
    assert (made.rate, made.base, made.schedule) == (made.planned, 0.25, repr(et.cosine()))


def test_a_run_that_goes_on_from_a_checkpoint_has_no_earlier_updates(tmp_path: Path) -> None:
    def built() -> Scheduler:
        return Scheduler(SGD(groups(body=0.1)), et.cosine(), HORIZON, on_change="hold")

    first = built()
    trained(tmp_path, first, 30)
    again = built()
    again.load_state_dict(first.state_dict())

    run = trained(tmp_path, again, 20)

    assert (run.record.id, run.begun, run.done) == (2, 30, 50)
    assert is_as_used(run)
    with pytest.raises(StoreError, match=r"run 2 \(finished\) has the updates 30 to 49; got step 29"):
        explain(run, 29)


def test_a_run_that_has_finished_early_has_no_later_updates(tmp_path: Path) -> None:
    run = trained(tmp_path, Scheduler(SGD(groups(body=0.1)), et.cosine(), HORIZON), 20)

    assert (run.record.status, run.done) == ("finished", 20)
    with pytest.raises(StoreError, match=r"has the updates 0 to 19; got step 20"):
        explain(run, 20)


def test_the_page_tells_the_plan_of_everything(tmp_path: Path) -> None:
    optimizer = SGD(groups(body=0.1, head=0.2), weight_decay=0.01)
    plans = {"lr": et.cosine(), "weight_decay": et.Constant(0.02)}
    run = trained(tmp_path, Scheduler(optimizer, plans, HORIZON), 20)

    page = write_page(run, tmp_path / "run.html").read_text(encoding="utf-8")

    assert "<tr><th>lr of body, head</th><td>Cosine(BASE, 0.0)</td></tr>" in page
    assert "<tr><th>weight_decay of body, head</th><td>Constant(0.02)</td></tr>" in page
    assert "<tr><th>base rates</th><td>body: 0.1, head: 0.2</td></tr>" in page
    assert "<th>task</th>" not in page
