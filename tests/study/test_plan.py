"""Plans: which runs a comparison has, and what is refused before any of them."""

from __future__ import annotations

from typing import Any

import pytest

import etude as et
from etude import BASE
from etude.errors import HorizonError, ScheduleError, TaskError
from etude.record import RunKey
from etude.study import TUTORIALS, Arm, Task, choose_arms
from etude.study.plan import Cell, Plan

from .training import quick

TASK = Task(
    "mine",
    quick.train,
    updates=400,
    updates_per_epoch=40,
    peaks=(0.1, 0.2),
    budgets=(0.25, 1),
    seeds=3,
    tuning_seeds=2,
)
FIXED, COSINE = choose_arms(["cosine"])
OWN = Arm("absolute", et.Constant(0.05))


def test_what_is_not_given_is_the_tasks_own() -> None:
    plan = Plan.of(TASK, [FIXED, COSINE])

    assert (plan.budgets, plan.peaks, plan.seeds, plan.tuning_seeds) == ((100, 400), (0.1, 0.2), 3, 2)
    assert plan.identity == TASK.identity()


def test_what_is_given_replaces_it() -> None:
    plan = Plan.of(TASK, [FIXED], budgets=[0.1, 0.5, 1], peaks=[1], seeds=1, device="cuda")

    assert (plan.budgets, plan.peaks, plan.seeds, plan.tuning_seeds) == ((40, 200, 400), (1.0,), 1, 1)
    assert plan.identity == f"{TASK.identity()} on cuda"
    assert (plan.task.seeds, plan.task.peaks) == (1, [1])


def test_budgets_of_the_same_length_are_one() -> None:
    assert Plan.of(TASK, [FIXED], budgets=[0.001, 0.002, 1]).budgets == (1, 400)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "seeds must be a whole number ≥ 1; got 0"),
        ({"seeds": "3"}, "seeds must be a whole number ≥ 1; got '3'"),
        ({"peaks": []}, r"peaks must be rising numbers above 0; got \[\]"),
        ({"peaks": [0.2, 0.1]}, "peaks must be rising numbers above 0"),
        ({"budgets": [0.5]}, "the last of budgets must be 1.0; got 0.5"),
        ({"budgets": [0.5, 2.0]}, "budgets must be rising numbers above 0 and at most 1"),
    ],
)
def test_a_grid_out_of_bounds_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        Plan.of(TASK, [FIXED], **given)


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ([COSINE], "a comparison needs the fixed rate"),
        ([], "a comparison needs the fixed rate"),
        ([FIXED, COSINE, Arm("cosine", et.sgdr("50%"))], "two schedules are labelled 'cosine'; give each"),
        ([FIXED, FIXED], "two schedules are labelled 'fixed'"),
        ([FIXED, COSINE, Arm("mine", et.cosine())], "'cosine' and 'mine' are the same schedule, Cosine"),
    ],
)
def test_schedules_that_cannot_be_compared_are_refused(arms: list[Arm], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        Plan.of(TASK, arms)


# Schedules that do not fit


def test_a_warmup_longer_than_the_run_is_refused() -> None:
    long = Arm("long", et.Linear(0.01 * BASE, BASE, over="3ep") >> et.Cosine(over="7ep"))

    with pytest.raises(
        HorizonError,
        match=r"long at 100 updates: The schedule still warms up .* 120 steps and the run has 100",
    ):
        Plan.of(TASK, [FIXED, long])
    assert Plan.of(TASK, [FIXED, long], budgets=[0.5, 1]).budgets == (200, 400)


@pytest.mark.parametrize(
    ("schedule", "error", "message"),
    [
        (et.Cosine(over="1e6tok"), HorizonError, "own at 400 updates: .* the horizon has no tokens_per_step"),
        (et.wsd(warmup=250, cooldown=100), HorizonError, "own at 100 updates: .* less than none"),
        (et.Custom("no_such_module:curve"), ScheduleError, "own at 400 updates: .*no_such_module"),
        (et.Custom("math:cos"), ScheduleError, "own at 400 updates: the value of math:cos at .* at least 0"),
    ],
    ids=["tokens", "negative length", "no function", "negative rate"],
)
def test_a_schedule_that_cannot_be_laid_over_a_run_is_refused(
    schedule: et.Schedule, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Plan.of(TASK, [FIXED, Arm("own", schedule)])


def test_what_the_checker_warns_of_is_told_once_for_each_schedule() -> None:
    restarts = Arm("restarts", et.sgdr("30%"))
    plan = Plan.of(TASK, [FIXED, COSINE, restarts])

    assert len(plan.budgets) > 1
    (told,) = plan.warnings()
    assert told.startswith("restarts at 400 updates: The run ends inside cycle 3 (counted from 0), where ")
    assert told.endswith(" [run-ends-inside-cycle]")


def test_nothing_is_warned_of_the_tutorials() -> None:
    assert Plan.of(TASK, TUTORIALS).warnings() == []


def test_the_tutorials_need_a_few_updates() -> None:
    with pytest.raises(HorizonError, match="one-cycle at 2 updates: "):
        Plan.of(TASK, TUTORIALS, budgets=[0.005, 1])
    Plan.of(TASK, TUTORIALS, budgets=[0.025, 1])


# Its runs


def test_every_peak_is_run_with_the_tuning_seeds_the_longest_first() -> None:
    plan = Plan.of(TASK, [FIXED, COSINE])

    keys = [key for _, key in plan.tuning()]

    assert keys[:4] == [
        RunKey(plan.identity, "Constant(BASE)", 0.1, 400, 0),
        RunKey(plan.identity, "Constant(BASE)", 0.2, 400, 0),
        RunKey(plan.identity, "Cosine(BASE, 0.0)", 0.1, 400, 0),
        RunKey(plan.identity, "Cosine(BASE, 0.0)", 0.2, 400, 0),
    ]
    assert len(set(keys)) == len(keys) == 2 * 2 * 2 * 2
    assert [key.seed for key in keys] == [0] * 8 + [1] * 8
    assert {key.budget for key in keys} == {100, 400}


def test_the_chosen_peaks_are_run_with_the_other_seeds() -> None:
    plan = Plan.of(TASK, [FIXED, COSINE])

    keys = [key for _, key in plan.final({Cell(FIXED, 400): 0.2, Cell(COSINE, 100): 0.1})]

    assert keys == [
        RunKey(plan.identity, "Constant(BASE)", 0.2, 400, 2),
        RunKey(plan.identity, "Cosine(BASE, 0.0)", 0.1, 100, 2),
    ]


def test_a_schedule_in_absolute_rates_has_no_peak_to_choose() -> None:
    plan = Plan.of(TASK, [FIXED, OWN])

    assert plan.candidates(Cell(OWN, 400)) == (None,)
    assert [key.peak for cell, key in plan.tuning() if cell.arm == OWN] == [None] * 4


@pytest.mark.parametrize("arms", [[FIXED], [FIXED, COSINE], [FIXED, COSINE, OWN]])
def test_its_size_is_the_number_of_its_runs(arms: list[Arm]) -> None:
    plan = Plan.of(TASK, arms)
    chosen = {cell: plan.candidates(cell)[0] for cell in plan.cells()}

    assert plan.size == len(plan.tuning()) + len(plan.final(chosen))
