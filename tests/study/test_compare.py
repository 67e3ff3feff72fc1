"""The driver: what is in the store is not run again, and the answer depends on the plan alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import etude as et
from etude.errors import StoreError, TaskError
from etude.record import RunKey, SqliteStore
from etude.study import Arm, choose_arms, find_task
from etude.study.compare import Comparison, Progress
from etude.study.engine import Job, LocalEngine, Outcome
from etude.study.plan import Cell, Plan
from etude.study.rank import Ranking, Row

from .here import Here

FIXED, COSINE = choose_arms(["cosine"])
# Two schedules, two budgets, two peaks with one seed; then the chosen peak with two more.
TUNING, SIZE = 8, 16


class StopError(Exception):
    pass


@pytest.fixture
def comparison(tasks: Path, store: SqliteStore) -> Callable[..., Comparison]:
    def comparison(name: str = "quick", *arms: Arm, into: SqliteStore = store) -> Comparison:
        reference = f"{tasks}:{name}"
        return Comparison(Plan.of(find_task(reference), arms or (FIXED, COSINE)), into, reference)

    return comparison


NewComparison = Callable[..., Comparison]


def answer(comparison: Comparison) -> Ranking:
    """The ranking, but for where in the store its runs are."""
    ranking = comparison.ranking()
    assert ranking is not None

    def anywhere(row: Row) -> Row:
        return replace(row, budgets=tuple(replace(summary, runs={}) for summary in row.budgets))

    return replace(ranking, rows=tuple(map(anywhere, ranking.rows)))


def stop_after(runs: int) -> Callable[[Progress], None]:
    """Interrupt a comparison as soon as so many of its runs are done."""

    def on_progress(progress: Progress) -> None:
        if progress.outcome is not None and progress.done == runs:
            raise StopError

    return on_progress


# What is run


def test_b2_a_store_that_is_taken_away_stops_the_comparison(
    comparison: NewComparison, store: SqliteStore, engine: LocalEngine
) -> None:
    def take_away(progress: Progress) -> None:
        if progress.outcome is not None:
            store.path.unlink(missing_ok=True)

    # Which of the processes finds it first, and so in which words, is left to chance.
    with pytest.raises(StoreError, match=r"runs\.sqlite"):
        comparison().run(engine, take_away)


def test_a_comparison_runs_its_plan_and_ranks_it(comparison: NewComparison, store: SqliteStore) -> None:
    asked, engine = comparison(), Here()

    asked.run(engine)

    assert len(store.runs(status="finished")) == len(store.runs()) == asked.plan.size == SIZE
    keys = [job.key for job in engine.jobs]
    assert keys[:TUNING] == [key for _, key in asked.plan.tuning()]
    assert {key.seed for key in keys[TUNING:]} == {1, 2}
    assert {(job.label, job.fingerprint) for job in engine.jobs} == {
        (arm.label, arm.schedule.fingerprint) for arm in (FIXED, COSINE)
    }
    ranking = answer(asked)
    assert sorted(row.label for row in ranking.rows) == ["cosine", "fixed"]
    assert [summary.budget for summary in ranking.fixed.budgets] == [10, 20]
    assert ranking.missing == 0
    assert asked.failures == []


def test_the_same_comparison_again_runs_nothing(comparison: NewComparison) -> None:
    comparison().run(Here())
    before, engine = answer(comparison()), Here()

    comparison().run(engine)

    assert engine.jobs == []
    assert answer(comparison()) == before


@pytest.mark.parametrize("runs", [1, TUNING - 1, TUNING, TUNING + 1, SIZE - 1])
def test_an_interrupted_comparison_goes_on_where_it_was(
    comparison: NewComparison, store: SqliteStore, runs: int
) -> None:
    with pytest.raises(StopError):
        comparison().run(Here(), stop_after(runs))
    kept = store.runs(status="finished")
    engine = Here()

    comparison().run(engine)

    assert len(kept) == runs
    assert len(engine.jobs) == SIZE - runs
    assert not {job.key for job in engine.jobs} & {record.key for record in kept}
    assert store.runs()[:runs] == kept


def test_a_wider_comparison_runs_only_what_is_new(comparison: NewComparison, store: SqliteStore) -> None:
    comparison("quick", FIXED).run(Here())
    assert len(store.runs()) == SIZE / 2
    engine = Here()

    comparison("quick", FIXED, COSINE).run(engine)

    assert {job.label for job in engine.jobs} == {"cosine"}


def test_a_run_that_was_broken_off_or_failed_is_run_again(
    comparison: NewComparison, store: SqliteStore
) -> None:
    asked = comparison()
    [first, second, *_] = [key for _, key in asked.plan.tuning()]
    store.start(first, label="fixed", fingerprint="", versions={})
    store.fail(store.start(second, label="fixed", fingerprint="", versions={}), "no luck")
    engine = Here()

    asked.run(engine)

    assert [job.key for job in engine.jobs[:2]] == [first, second]
    assert answer(asked).missing == 0


def test_of_several_attempts_the_first_counts(comparison: NewComparison, store: SqliteStore) -> None:
    asked = comparison()
    [key, *_] = [key for _, key in asked.plan.tuning()]
    for score in (0.25, 0.75):
        run_id = store.start(key, label="fixed", fingerprint="", versions={})
        store.finish(run_id, {"validation": score, "test": score})

    assert asked.records()[key].results["test"] == 0.25


def test_an_edited_file_is_another_task(comparison: NewComparison, tasks: Path) -> None:
    asked = comparison()
    asked.run(Here())

    tasks.write_text(tasks.read_text() + "# edited\n")

    assert len(asked.finished()) == SIZE
    assert comparison().finished() == []
    assert comparison().ranking() is None


# The answer


def test_the_answer_depends_on_neither_engine_nor_order_nor_interruption(
    comparison: NewComparison, engine: LocalEngine, tmp_path: Path
) -> None:
    answers = []
    for place, other in enumerate([Here(), Here(lambda jobs: jobs[::-1]), engine]):
        with SqliteStore(tmp_path / f"{place}.sqlite") as store:
            asked = comparison(into=store)
            if place == 1:
                with pytest.raises(StopError):
                    asked.run(other, stop_after(5))
            asked.run(other)
            answers.append(answer(asked))

    assert answers[0] == answers[1] == answers[2]


def test_there_is_no_answer_before_the_fixed_rate_has_finished(comparison: NewComparison) -> None:
    assert comparison().ranking() is None
    with pytest.raises(StopError):
        comparison().run(Here(), stop_after(TUNING))
    assert comparison().ranking() is None


def test_the_area_is_the_sum_of_the_rates_that_were_used(comparison: NewComparison) -> None:
    plateau = Arm("plateau", et.cosine() * et.Plateau("validation_loss", factor=0.5, patience=1))
    constant = Arm("constant", et.Constant(0.01))
    asked = comparison("spending", FIXED, COSINE, plateau, constant)

    asked.run(Here())

    rows = {row.label: row for row in answer(asked).rows}
    # The task gives as its test score what its updates have used.
    for row in rows.values():
        assert row.area == pytest.approx(row.final.mean)
    assert rows["fixed"].area == pytest.approx(20 * 0.03)
    assert rows["constant"].area == pytest.approx(20 * 0.01)
    assert rows["plateau"].area < rows["cosine"].area


# Progress


def test_progress_counts_all_runs_and_names_the_leader(comparison: NewComparison) -> None:
    seen: list[Progress] = []

    comparison().run(Here(), seen.append)

    assert [progress.done for progress in seen] == list(range(SIZE + 1))
    assert {progress.total for progress in seen} == {SIZE}
    assert (seen[0].leader, seen[0].outcome) == (None, None)
    # The longest are run first: there is a leader from the first run on.
    assert all(re.fullmatch(r"(fixed|cosine) \d+\.\d\d %", progress.leader or "") for progress in seen[1:])


def test_progress_starts_at_what_the_plan_has_already(comparison: NewComparison) -> None:
    wide = comparison("quick", FIXED, COSINE)
    wide.run(Here())
    seen: list[Progress] = []

    comparison("quick", FIXED).run(Here(), seen.append)

    # What else is in the store leads nothing here.
    assert [(progress.done, progress.total) for progress in seen] == [(SIZE // 2, SIZE // 2)]
    assert (seen[0].leader or "").startswith("fixed ")


def test_a_long_expression_leads_by_its_beginning(comparison: NewComparison) -> None:
    own = et.Constant(0.03) * et.Rex(1.0, 0.5, over="100%")
    asked = comparison("quick", FIXED, Arm(repr(own), own))
    seen: list[Progress] = []
    for cell, key in asked.plan.tuning():
        score = float(cell.arm.label != "fixed")
        asked.store.finish(
            asked.store.start(key, label=cell.arm.label, fingerprint="", versions={}),
            {"validation": score, "test": score},
        )

    def see(progress: Progress) -> None:
        seen.append(progress)
        raise StopError

    with pytest.raises(StopError):
        asked.run(Here(), see)

    assert seen[0].leader == "Constant(0.03) * Rex(1.… 100.00 %"


# Failures


def test_a_task_whose_first_runs_all_fail_is_given_up(comparison: NewComparison, store: SqliteStore) -> None:
    engine = Here()

    with pytest.raises(
        TaskError,
        match=r"no run of 'raising' succeeds: 3 failed, the last one, of cosine, with ValueError: no luck "
        r"with the seed 0\. The store has the tracebacks: etude runs --failed",
    ):
        comparison("raising").run(engine)

    assert len(engine.jobs) == 3
    assert [record.status for record in store.runs()] == ["failed"] * 3


def test_a_task_whose_only_run_fails_is_given_up(comparison: NewComparison, tasks: Path) -> None:
    asked = comparison("raising")
    alone = Comparison(
        Plan.of(asked.plan.task, (FIXED,), budgets=(1.0,), peaks=(0.1,)), asked.store, asked.reference
    )

    with pytest.raises(TaskError, match="no run of 'raising' succeeds: 1 failed, the last one, of fixed"):
        alone.run(Here())


def test_runs_that_leave_no_trace_are_not_looked_for_in_the_store(comparison: NewComparison) -> None:
    class Lost(Here):
        def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
            yield from (Outcome(job, None, "its worker process died, 3 times") for job in jobs)

    with pytest.raises(TaskError, match=r"with its worker process died, 3 times$"):
        comparison().run(Lost())


def test_failures_are_kept_and_what_hangs_on_them_is_left_out(
    comparison: NewComparison, store: SqliteStore
) -> None:
    asked = comparison("unlucky")
    seen: list[Progress] = []

    asked.run(Here(), seen.append)

    # Both schedules lack a tuning run at the whole length, and so have no peak there.
    assert [(outcome.job.label, outcome.error) for outcome in asked.failures] == [
        ("fixed", "ValueError: no luck"),
        ("cosine", "ValueError: no luck"),
    ]
    assert seen[-1].done == len(store.runs(status="finished")) == SIZE - 2 - 4
    assert asked.ranking() is None
    # The next time they are tried again, and no other.
    engine = Here()
    asked.run(engine)
    assert {job.key for job in engine.jobs} == {outcome.job.key for outcome in asked.failures}
    assert len(asked.failures) == 2


def test_a_schedule_that_fails_leaves_the_others_their_answer(comparison: NewComparison) -> None:
    # The metric is one that the task never reports.
    plateau = Arm("plateau", et.Constant() * et.Plateau("perplexity"))
    asked = comparison("quick", FIXED, COSINE, plateau)

    asked.run(Here())

    ranking = answer(asked)
    assert sorted(row.label for row in ranking.rows) == ["cosine", "fixed"]
    assert ranking.missing == 2
    assert {outcome.job.label for outcome in asked.failures} == {"plateau"}
    assert "follows perplexity, which the run did not report" in (asked.failures[0].error or "")


def test_a_diverged_run_is_a_result(comparison: NewComparison, store: SqliteStore) -> None:
    asked = comparison()
    for cell, key in [*asked.plan.tuning(), *asked.plan.final(dict.fromkeys(asked.plan.cells(), 0.03))]:
        score = -math.inf if cell == Cell(COSINE, 20) else 0.5
        store.finish(
            store.start(key, label=cell.arm.label, fingerprint="", versions={}),
            {"validation": score, "test": score},
        )
    engine = Here()

    asked.run(engine)

    assert engine.jobs == []
    assert [row.label for row in answer(asked).diverged()] == ["cosine"]


def test_runs_of_another_task_do_not_count(comparison: NewComparison, store: SqliteStore) -> None:
    asked = comparison()
    key = next(key for _, key in asked.plan.tuning())
    other = RunKey("other@12345678", key.schedule, key.peak, key.budget, key.seed)
    store.finish(store.start(other, label="fixed", fingerprint="", versions={}), {"validation": 1, "test": 1})

    assert asked.records() == {}
