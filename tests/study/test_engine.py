"""Engines: every job gives one outcome, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import etude as et
from etude.errors import StoreError, TaskError
from etude.record import RunKey, RunRecord, SqliteStore, open_store
from etude.record.process import Process, is_gone
from etude.study import find_task
from etude.study.engine import Job, LocalEngine, Outcome, execute
from tests.forked import FORKED

from .training import PATIENCE_SECONDS, wait_for

COSINE = et.cosine()
NewJob = Callable[..., Job]


@pytest.fixture
def job(tasks: Path, store: SqliteStore) -> NewJob:
    def job(name: str, seed: int = 0, peak: float = 0.3, budget: int = 20) -> Job:
        reference = f"{tasks}:{name}"
        key = RunKey(find_task(reference).identity(), repr(COSINE), peak, budget, seed)
        return Job(reference, key, "cosine", COSINE.fingerprint, store)

    return job


def by_key(outcomes: list[Outcome]) -> dict[RunKey, Outcome]:
    """The outcomes by key, of which no two are of one job."""
    found = {outcome.job.key: outcome for outcome in outcomes}
    assert len(found) == len(outcomes)
    return found


def wait_until_gone(processes: list[Process]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(map(is_gone, processes)):
        assert time.monotonic() < deadline, f"{processes} still live after {PATIENCE_SECONDS} s"
        time.sleep(0.01)


def waiting_run(tasks: Path, store: SqliteStore) -> RunRecord:
    """The run that waits at the gate."""
    wait_for(tasks.parent / "waiting")
    pid = int((tasks.parent / "waiting").read_text())
    [record] = [record for record in store.runs(status="running") if record.process.pid == pid]
    return record


# One run


def test_a_run_is_recorded_with_its_readings_and_scores(job: NewJob, store: SqliteStore) -> None:
    outcome = execute(job("quick"))

    [record] = store.runs()
    assert outcome == Outcome(job("quick"), record.id)
    assert (record.status, record.label, record.fingerprint) == ("finished", "cosine", COSINE.fingerprint)
    assert set(record.results) == {"validation", "test"}
    assert set(record.versions) == {"etude", "numpy", "python", "torch"}
    readings = store.readings(record.id)
    assert [reading.step for reading in readings] == [4, 9, 14, 19]
    assert [reading.rates["0"] for reading in readings] == pytest.approx(
        [0.3 * COSINE.on(et.Horizon(total=20))(step) for step in (4, 9, 14, 19)]
    )


def test_a_run_depends_on_its_key_alone(job: NewJob, store: SqliteStore) -> None:
    def results(name: str, seed: int) -> object:
        run_id = execute(job(name, seed)).run_id
        assert run_id is not None
        return store.run(run_id).results, store.readings(run_id)

    for name in ("quick", "drawing"):
        first = results(name, 3)
        assert results(name, 4) != first
        assert results(name, 3) == first


@pytest.mark.parametrize(
    ("name", "error"),
    [("raising", "ValueError: no luck with the seed 0"), ("leaving", "SystemExit: had enough")],
)
def test_a_task_that_fails_leaves_its_traceback_in_the_store(
    job: NewJob, store: SqliteStore, name: str, error: str
) -> None:
    outcome = execute(job(name))

    [record] = store.runs()
    assert (outcome.run_id, outcome.error) == (record.id, error)
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.startswith("Traceback")
    assert f", in {name}" in record.error
    assert record.error.strip().endswith(error)


def test_b4_a_task_that_breaks_off_is_broken_off_in_the_store_and_told(
    engine: LocalEngine, job: NewJob, store: SqliteStore
) -> None:
    broken = job("giving_up")
    with pytest.raises(KeyboardInterrupt):
        execute(broken)
    [outcome, other] = sorted(engine.run([broken, job("quick")]), key=lambda one: one.error is None)

    assert (outcome.error, other.error) == ("KeyboardInterrupt: ", None)
    assert [record.status for record in store.runs(broken.key.task)] == ["interrupted"] * 2


def test_a_file_that_is_not_the_one_meant_is_not_run(job: NewJob, store: SqliteStore, tasks: Path) -> None:
    tasks.write_text(tasks.read_text() + "# edited\n")
    late = job("quick")
    tasks.write_text(tasks.read_text() + "# edited again\n")

    with pytest.raises(
        TaskError, match=r"the file of the task .*tasks\.py:quick' was changed while it was compared"
    ):
        execute(late)

    assert store.runs() == []


def test_a_file_that_is_edited_later_does_not_stop_a_process_that_has_read_it(
    job: NewJob, store: SqliteStore, tasks: Path
) -> None:
    begun = job("quick")
    execute(begun)

    tasks.write_text("1 / 0")

    assert execute(begun).error is None


# Workers


def test_every_job_gives_one_outcome_whatever_its_end(
    engine: LocalEngine, job: NewJob, store: SqliteStore
) -> None:
    good = [job("quick", seed) for seed in range(5)]
    bad = [job("raising", 7), job("leaving", 8)]

    outcomes = by_key(list(engine.run([*good, *bad])))

    assert set(outcomes) == {job.key for job in [*good, *bad]}
    assert [outcomes[job.key].error for job in good] == [None] * 5
    assert [outcomes[job.key].error for job in bad] == [
        "ValueError: no luck with the seed 7",
        "SystemExit: had enough",
    ]
    assert sorted(record.status for record in store.runs()) == ["failed"] * 2 + ["finished"] * 5
    for outcome in outcomes.values():
        assert outcome.run_id is not None
        assert store.run(outcome.run_id).key == outcome.job.key


def test_workers_stay_from_run_to_run(engine: LocalEngine, job: NewJob, store: SqliteStore) -> None:
    for seed in range(4):
        list(engine.run([job("quick", seed)]))

    assert len({record.process for record in store.runs()}) <= 2
    assert os.getpid() not in {record.process.pid for record in store.runs()}


def test_workers_give_what_this_process_gives(engine: LocalEngine, job: NewJob, store: SqliteStore) -> None:
    here = execute(job("quick"))
    [there] = engine.run([job("quick")])

    assert here.run_id is not None
    assert there.run_id is not None
    assert store.run(there.run_id).results == store.run(here.run_id).results
    assert store.readings(there.run_id) == store.readings(here.run_id)


def test_no_jobs_start_no_workers() -> None:
    assert list(LocalEngine(1).run([])) == []


def test_a_job_that_no_worker_can_read_is_an_outcome(engine: LocalEngine, job: NewJob, tasks: Path) -> None:
    good, lost = job("quick"), job("quick", 1)
    lost = Job(f"{tasks.parent}/none.py:quick", lost.key, lost.label, lost.fingerprint, lost.store)

    outcomes = by_key(list(engine.run([lost, good])))

    assert outcomes[good.key].error is None
    assert outcomes[lost.key].run_id is None
    assert "TaskError: the task" in (outcomes[lost.key].error or "")
    assert "there is no file" in (outcomes[lost.key].error or "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to read signals in")
def test_workers_are_born_deaf_to_ctrl_c_and_the_driver_is_not(
    engine: LocalEngine, job: NewJob, store: SqliteStore
) -> None:
    list(engine.run([job("quick")]))

    def hides(pid: int, field: str) -> bool:
        [mask] = [
            line.split()[1]
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith(field)
        ]
        return bool(int(mask, 16) >> (signal.SIGINT - 1) & 1)

    [record] = store.runs()
    assert hides(record.process.pid, "SigBlk")
    assert hides(record.process.pid, "SigIgn")
    assert not hides(os.getpid(), "SigBlk")


def test_a_worker_that_is_killed_loses_no_job(
    engine: LocalEngine, job: NewJob, store: SqliteStore, tasks: Path
) -> None:
    jobs = [job("gated", seed) for seed in range(6)]
    outcomes: list[Outcome] = []

    for outcome in engine.run(jobs):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            killed = waiting_run(tasks, store)
            # It does not hear this, and cannot but hear that.
            os.kill(killed.process.pid, signal.SIGINT)
            assert not is_gone(killed.process)
            os.kill(killed.process.pid, signal.SIGKILL)
            (tasks.parent / "go").touch()

    assert set(by_key(outcomes)) == {job.key for job in jobs}
    assert [outcome.error for outcome in outcomes] == [None] * 6
    assert killed.key == jobs[0].key
    assert store.run(killed.id).status == "running"
    finished = store.finished(killed.key)
    assert finished is not None
    assert finished.id != killed.id
    assert killed.id in {record.id for record in store.mark_interrupted()}


def test_a_job_that_kills_its_workers_is_given_up_and_takes_no_other_with_it(
    job: NewJob, store: SqliteStore
) -> None:
    deadly = job("dying")
    good = [job("quick", seed) for seed in range(1, 4)]
    engine = LocalEngine(1)
    engine._context = FORKED  # five workers are started

    try:
        outcomes = by_key(list(engine.run([good[0], deadly, *good[1:]])))
    finally:
        engine.close()

    assert outcomes[deadly.key] == Outcome(deadly, None, "its worker process died, 3 times")
    assert [outcomes[job.key].error for job in good] == [None] * 3
    assert len([record for record in store.runs() if record.key == deadly.key]) in (3, 4)


def test_a_worker_that_dies_at_rest_is_replaced(engine: LocalEngine, job: NewJob, store: SqliteStore) -> None:
    list(engine.run([job("quick")]))
    [record] = store.runs()
    os.kill(record.process.pid, signal.SIGKILL)
    wait_until_gone([record.process])

    [outcome] = engine.run([job("quick", 1)])

    assert outcome.error is None


def test_closing_the_outcomes_stops_the_workers(job: NewJob, store: SqliteStore, tasks: Path) -> None:
    engine = LocalEngine(2)
    outcomes = engine.run([job("gated", seed) for seed in range(4)])
    assert isinstance(outcomes, Iterator)
    next(outcomes)
    at_work = waiting_run(tasks, store)

    outcomes.close()  # type: ignore[attr-defined]

    wait_until_gone([record.process for record in store.runs()])
    assert store.mark_interrupted()[0].key == at_work.key
    engine.close()


def test_a_store_that_cannot_be_written_ends_the_run(
    engine: LocalEngine, job: NewJob, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("Dear diary, " * 100)
    lost = job("quick")
    lost = Job(lost.task, lost.key, lost.label, lost.fingerprint, SqliteStore(tmp_path / "letter.txt"))

    with pytest.raises(StoreError, match=r"letter\.txt is not an SQLite file, and was left as it is"):
        list(engine.run([lost]))


@pytest.mark.parametrize("workers", [0, -1])
def test_an_engine_has_a_worker(workers: int) -> None:
    with pytest.raises(TaskError, match=f"an engine needs at least 1 worker; got {workers}"):
        LocalEngine(workers)


def test_an_engine_uses_the_cores_it_may_use() -> None:
    assert LocalEngine().workers == len(os.sched_getaffinity(0))


DRIVER = """
import sys
from pathlib import Path
import etude as et
from etude.record import RunKey, open_store
from etude.study import find_task
from etude.study.engine import Job, LocalEngine

if __name__ == "__main__":
    reference, path = sys.argv[1:]
    key = RunKey(find_task(reference).identity(), repr(et.cosine()), 0.3, 20, 0)
    for outcome in LocalEngine(1).run([Job(reference, key, "cosine", "", open_store(path))]):
        print(outcome)
"""


def test_workers_are_gone_when_their_parent_was_killed(tmp_path: Path, tasks: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen([sys.executable, script, f"{tasks}:gated", tmp_path / "runs.sqlite"])
    wait_for(tasks.parent / "waiting")
    with open_store(tmp_path / "runs.sqlite") as store:
        at_work = waiting_run(tasks, store)
        assert not is_gone(at_work.process)

        driver.kill()
        driver.wait()

        wait_until_gone([at_work.process])
        assert [record.id for record in store.mark_interrupted()] == [at_work.id]
