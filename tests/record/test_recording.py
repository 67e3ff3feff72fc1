"""Recorder and store together, on SQLite and on PostgreSQL: ten at once, a server that goes, a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etude.errors import StoreError
from etude.readings import Reading
from etude.record import Recorder, Store, StoreObserver, open_store

from . import training, workers
from .contract import start
from .postgres import Server, running_server
from .test_recorder import until
from .training import Run


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.sqlite")
    database: str = request.getfixturevalue("database")
    return database


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that the test may stop."""
    with running_server() as server:
        yield server


def test_a_recorded_run_is_in_the_store(address: str) -> None:
    run = Run()
    with open_store(address) as store:
        run_id = start(store)
        with Recorder(run.scheduler, StoreObserver(store, run_id)) as recorder:
            run.train(recorder, 300)
        store.finish(run_id, {"validation": 0.5})

        run.check(store.readings(run_id))
        assert [reading.epoch for reading in store.readings(run_id)[:2]] == [0.0, 0.1]


def test_ten_processes_record_at_once(address: str) -> None:
    open_store(address).close()

    workers.run_all(training.record_many, [(address, seed, 500) for seed in range(10)], workers.TRAINING)

    with open_store(address) as store:
        assert sorted(record.results["seed"] for record in store.runs(status="finished")) == list(range(10))


def test_a_server_that_goes_away_and_comes_back_has_all_readings(
    own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(total=5000)
    address = own_server.create("runs")
    with open_store(address) as store, open_store(address) as reader:
        run_id = start(store)
        with Recorder(run.scheduler, StoreObserver(store, run_id)) as recorder:
            run.train(recorder, 100)
            until(lambda: len(reader.readings(run_id)) == 100)
            own_server.stop()
            run.train(recorder, 1000)
            until(lambda: "takes no readings" in caplog.text)
            run.train(recorder, 1000)
            own_server.start()
            until(lambda: "takes readings again" in caplog.text)
            run.train(recorder, 100)

        run.check(store.readings(run_id))
    assert caplog.text.count("takes no readings") == 1


def test_a_server_that_is_back_only_at_the_end_has_all_readings(own_server: Server) -> None:
    run = Run(total=5000)
    with open_store(own_server.create("runs")) as store:
        run_id = start(store)
        recorder = Recorder(run.scheduler, StoreObserver(store, run_id))
        run.train(recorder, 100)
        own_server.stop()
        run.train(recorder, 1000)
        own_server.start()
        recorder.close()

        run.check(store.readings(run_id))


def test_a_full_disk_stops_nothing_and_when_there_is_room_all_readings_are_there(tmp_path: Path) -> None:
    receiver, sender = workers.TRAINING.Pipe(duplex=False)
    with receiver:
        writer = workers.TRAINING.Process(
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

    def __init__(self, store: Store, *, recorded: bool) -> None:
        self._store = store
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
        observer = StoreObserver(Uncertain(store, recorded=recorded), run_id)  # type: ignore[arg-type]
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
        StoreObserver(store, 404)
