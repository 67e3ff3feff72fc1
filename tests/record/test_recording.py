"""Recorder and store together, on SQLite and on PostgreSQL: ten at once, a server that goes, a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD

import etude as et
from etude.errors import StoreError
from etude.planned import Planned, RunPlan
from etude.readings import Reading
from etude.record import Recorder, RunKey, open_store
from etude.record.sql_store import SqlStore
from etude.record.stored_run import StoredRun
from etude.schedules import Schedule
from etude.torch import Scheduler
from tests.forked import FORKED
from tests.postgres import StartedServer

from . import training, workers
from .contract import start
from .test_recorder import until
from .training import PLAN, Kept, Run


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.sqlite")
    database: str = request.getfixturevalue("database")
    return database


def test_a_recorded_run_is_in_the_store(address: str) -> None:
    run = Run()
    with Recorder(run.scheduler, to=address, name="halved", task="digits", seed=7) as recorder:
        run.train(recorder, 300)

    with open_store(address) as store:
        [record] = store.runs()
        assert record.id == recorder.run_id
        assert record.key == RunKey("digits", repr(PLAN), None, 1000, 7)
        assert (record.label, record.fingerprint) == ("halved", PLAN.fingerprint)
        assert (record.status, record.results) == ("finished", {"loss": 1 / 300})
        assert record.versions.keys() == {"etude", "torch", "numpy", "python"}
        assert record.plan == RunPlan(
            0, run.scheduler.horizon, (Planned("lr", repr(PLAN), PLAN.fingerprint, {"0": 0.1}),)
        )
        run.check(store.readings(record.id))
        assert [reading.epoch for reading in store.readings(record.id)[:2]] == [0.0, 0.1]


def test_it_has_the_text_of_its_schedules_for_a_name(address: str) -> None:
    heads = [{"params": [Parameter(torch.zeros(1))], "lr": 0.1, "name": name} for name in "ab"]
    optimizer = SGD(heads)
    plans = {"a": et.cosine(), "b": {"lr": et.Constant(), "weight_decay": et.Constant()}}
    scheduler = Scheduler(optimizer, groups=plans, horizon=et.Horizon(total="12.5st"))

    with Recorder(scheduler, to=address):
        pass

    with open_store(address) as store:
        [record] = store.runs()
    assert record.label == record.key.schedule == f"{et.cosine()!r} | {et.Constant()!r}"
    assert (record.key.task, record.key.budget, record.key.seed) == ("", 13, 0)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (RuntimeError("out of memory"), "failed", "RuntimeError: out of memory\n"),
        (KeyboardInterrupt(), "interrupted", ""),
    ],
    ids=["error", "ctrl-c"],
)
def test_a_run_ends_in_the_store_as_its_block_does(
    address: str, error: BaseException, status: str, words: str
) -> None:
    run = Run()

    def end() -> None:
        with Recorder(run.scheduler, to=address) as recorder:
            run.train(recorder, 3)
            raise error

    with pytest.raises(type(error)):
        end()

    with open_store(address) as store:
        [record] = store.runs()
        run.check(store.readings(record.id))
    assert (record.status, record.results) == (status, {})
    assert (record.error or "").endswith(words)


def test_a_recorder_that_is_closed_has_finished_whatever_follows(address: str) -> None:
    run = Run()
    recorder = Recorder(run.scheduler, to=address)
    run.train(recorder, 3)
    recorder.close()
    recorder.close(RuntimeError("afterwards"))

    with open_store(address) as store:
        assert [record.status for record in store.runs()] == ["finished"]


def test_a_store_and_observers_are_told_the_same(address: str) -> None:
    run, kept = Run(), Kept()
    with Recorder(run.scheduler, kept, to=address) as recorder:
        run.train(recorder, 50)

    with open_store(address) as store:
        assert recorder.run_id is not None
        assert store.readings(recorder.run_id) == kept.readings


@pytest.mark.parametrize(
    ("plan", "budget"),
    [
        (et.Cosine(over=100), 100),
        (et.Linear(0, over=10) >> et.Cosine(over="100.5st"), 111),
        ({"lr": et.Cosine(over=100), "weight_decay": et.Cosine(over=120)}, 120),
    ],
)
def test_a_horizon_without_a_length_has_that_of_the_schedules(
    plan: Schedule | dict[str, Schedule], budget: int, tmp_path: Path
) -> None:
    scheduler = Scheduler(SGD([Parameter(torch.zeros(1))], lr=0.1, weight_decay=0.1), plan)
    with Recorder(scheduler, to=tmp_path / "runs.sqlite") as recorder:
        assert recorder.run_id is not None
    with open_store(tmp_path / "runs.sqlite") as store:
        assert store.run(recorder.run_id).key.budget == budget


@pytest.mark.parametrize(
    "plan", [et.Constant(), {"lr": et.Cosine(over=100), "weight_decay": et.Exponential(0.9)}]
)
def test_a_run_without_a_length_is_refused_and_leaves_none(
    plan: Schedule | dict[str, Schedule], address: str
) -> None:
    scheduler = Scheduler(SGD([Parameter(torch.zeros(1))], lr=0.1), plan)

    with pytest.raises(StoreError, match=r"has a length; .* Horizon\(total=10_000\); got Horizon\(\)"):
        Recorder(scheduler, to=address)

    with open_store(address) as store:
        assert store.runs() == []


def test_a_store_that_cannot_be_opened_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder; give the path of a file"):
        Recorder(Run().scheduler, to=tmp_path)


def test_ten_processes_record_at_once(address: str) -> None:
    open_store(address).close()

    workers.run_all(training.record_many, [(address, seed, 500) for seed in range(10)])

    with open_store(address) as store:
        assert sorted(record.key.seed for record in store.runs(status="finished")) == list(range(10))


def test_a_server_that_goes_away_and_comes_back_has_all_readings(
    own_server: StartedServer, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(total=5000)
    address = own_server.create("runs")
    with open_store(address) as store, Recorder(run.scheduler, to=address) as recorder:
        run.train(recorder, 100)
        run_id: int = recorder.run_id  # type: ignore[assignment]  # it is kept in a store
        until(lambda: len(store.readings(run_id)) == 100)
        own_server.stop()
        run.train(recorder, 1000)
        until(lambda: "takes no readings" in caplog.text)
        run.train(recorder, 1000)
        own_server.start()
        until(lambda: "takes readings again" in caplog.text)
        run.train(recorder, 100)

    with open_store(address) as store:
        run.check(store.readings(run_id))
    assert caplog.text.count("takes no readings") == 1


def test_a_server_that_is_back_only_at_the_end_has_all_readings(own_server: StartedServer) -> None:
    run = Run(total=5000)
    address = own_server.create("runs")
    recorder = Recorder(run.scheduler, to=address)
    run.train(recorder, 100)
    own_server.stop()
    run.train(recorder, 1000)
    own_server.start()
    recorder.close()

    with open_store(address) as store:
        [record] = store.runs(status="finished")
        run.check(store.readings(record.id))


def test_a_full_disk_stops_nothing_and_when_there_is_room_all_readings_are_there(tmp_path: Path) -> None:
    receiver, sender = FORKED.Pipe(duplex=False)
    with receiver:
        writer = FORKED.Process(
            target=training.record_until_the_disk_is_full,
            args=(str(tmp_path / "runs.sqlite"), 200_000, sender),
        )
        writer.start()
        sender.close()
        meanwhile, at_last = workers.receive_rest(receiver)
        writer.join(workers.PATIENCE_SECONDS)

    assert writer.exitcode == 0
    assert meanwhile < at_last == 5000


class Uncertain:
    """A store whose server is lost while it commits: before, or after."""

    def __init__(self, store: SqlStore, *, recorded: bool) -> None:
        self._store = store
        self.place = store.place
        self.run = store.run
        self._recorded = recorded
        self._lost = False

    def readings(self, run_id: int, start: int = 0) -> list[Reading]:
        return self._store.readings(run_id, start)

    def append(self, run_id: int, readings: list[Reading]) -> None:
        lost, self._lost = self._lost, True
        if lost or self._recorded:
            self._store.append(run_id, readings)
        if not lost:
            raise StoreError("the server closed the connection")


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "not recorded"])
@pytest.mark.parametrize("others", [[], workers.batch(9)], ids=["alone", "among others"])
def test_readings_whose_fate_is_unknown_are_recorded_once(
    address: str, recorded: bool, others: list[Reading]
) -> None:
    nan = Reading(6, {"0": 0.1}, "cosine", {"loss": float("nan")})
    with open_store(address) as store:
        run_id = start(store)
        store.append(run_id, workers.batch(0))
        observer = StoredRun(Uncertain(store, recorded=recorded), run_id)  # type: ignore[arg-type]
        batch = [*workers.batch(1), nan]

        with pytest.raises(StoreError, match="closed the connection"):
            observer.observe(batch)
        store.append(run_id, others)
        observer.observe(batch)
        observer.observe(workers.batch(3))

        readings = [*batch, *others] if recorded else [*others, *batch]
        assert repr(store.readings(run_id)) == repr([*workers.batch(0), *readings, *workers.batch(3)])


def test_a_run_that_is_not_there_is_refused_at_once(address: str) -> None:
    with open_store(address) as store, pytest.raises(StoreError, match="there is no run 404"):
        StoredRun(store, 404)
