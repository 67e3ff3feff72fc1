"""What a store has not taken by the end of a run: left in a file, and taken up later."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etude.errors import StoreError
from etude.readings import Reading
from etude.record import Recorder, Status, open_store, take_up
from etude.record.leftovers import Leftovers
from etude.record.sql_store import SqlStore
from tests.forked import FORKED
from tests.postgres import Server, StartedServer

from . import training, workers
from .contract import any_readings, exactly, numbers, start
from .training import Run

LEFT = Leftovers("runs.sqlite", 1, "2026", "finished", {"loss": float("nan")}, None, workers.batch(0))


def left_of(store: SqlStore, status: Status, readings: list[Reading]) -> Leftovers:
    """What the first run of a store has left."""
    return Leftovers(store.place, 1, store.run(1).started, status, {}, None, readings)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings=st.lists(any_readings, max_size=4), results=numbers, error=st.none() | st.text())
def test_a_file_has_it_all(
    tmp_path: Path, readings: list[Reading], results: dict[str, float], error: str | None
) -> None:
    left = Leftovers("runs.sqlite", 7, "2026", "failed", results, error, readings)
    path = left.save(tmp_path)

    assert repr(Leftovers.load(path)) == repr(left)
    assert len(path.read_bytes().splitlines()) == 1 + len(readings)


def test_every_line_is_json_that_others_read(tmp_path: Path) -> None:
    path = LEFT.save(tmp_path)

    head, *lines = (json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines())
    assert (head["run"], head["status"], head["results"]) == (1, "finished", {"loss": "nan"})
    assert [line["step"] for line in lines] == [reading.step for reading in LEFT.readings]


@pytest.mark.timeout(120)
def test_a_server_that_stays_away_gets_its_readings_and_the_end_later(
    own_server: StartedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    address = own_server.create("runs")
    with Recorder(run.scheduler, to=address, patience_seconds=0.3) as recorder:
        run.train(recorder, 100)
        own_server.stop()
        run.train(recorder, 50)
    [path] = tmp_path.glob("etude-run-1-*.jsonl")
    assert "readings could not be written (postgresql://etude@" in caplog.text
    assert f"what it lacks is in {path}; `etude add {path}` adds it" in caplog.text

    own_server.start()
    first, again = take_up(path), take_up(path)

    assert 50 <= first[1] <= 150
    assert again == (1, 0)
    with open_store(address) as store:
        record = store.run(1)
        run.check(store.readings(1))
    assert (record.status, record.results) == ("finished", {"loss": 1 / 150})


@pytest.mark.timeout(120)
def test_a_disk_that_stays_full_gets_its_readings_and_the_end_later(tmp_path: Path) -> None:
    receiver, sender = FORKED.Pipe(duplex=False)
    with receiver:
        writer = FORKED.Process(
            target=training.record_onto_a_full_disk, args=("runs.sqlite", 200_000, sender)
        )
        writer.start()
        sender.close()
        [updates] = workers.receive_rest(receiver)
        writer.join(workers.PATIENCE_SECONDS)

    assert writer.exitcode == 0
    # Beside the store: what waits is little, and there may be room for that.
    [path] = tmp_path.glob("etude-run-1-*.jsonl")
    with open_store("runs.sqlite") as store:
        before = len(store.readings(1))

        assert take_up(path) == (1, updates - before)
        assert 0 < before < updates
        assert [reading.step for reading in store.readings(1)] == list(range(updates))
        assert store.run(1).status == "finished"


def test_where_there_is_no_room_it_is_left_among_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    path = LEFT.save(tmp_path / "gone")

    assert path.parent == tmp_path
    assert repr(Leftovers.load(path)) == repr(LEFT)


def test_only_what_the_store_lacks_is_added(tmp_path: Path) -> None:
    with open_store("runs.sqlite") as store:
        run_id = start(store)
        # Recorded, but the run never learned of it: and the first of three that are alike.
        twice = [Reading(5, {"0": 0.1}, "", {"loss": float("nan")})] * 3
        store.append(run_id, [*workers.batch(0), twice[0]])
        left = left_of(store, "interrupted", [*workers.batch(0), *twice])

        assert take_up(left.save(tmp_path)) == (run_id, 2)
        assert exactly(store.readings(run_id)) == exactly([*workers.batch(0), *twice])
        assert store.run(run_id).status == "interrupted"


def test_a_failure_is_told_with_its_error(tmp_path: Path) -> None:
    with open_store("runs.sqlite") as store:
        run_id = start(store)
        take_up(replace(left_of(store, "failed", []), error="no luck").save(tmp_path))

        assert (store.run(run_id).status, store.run(run_id).error) == ("failed", "no luck")


def test_a_store_that_was_moved_is_given(tmp_path: Path) -> None:
    with open_store("runs.sqlite") as store:
        run_id = start(store)
        path = left_of(store, "finished", workers.batch(0)).save(tmp_path)
    Path("runs.sqlite").rename("moved.sqlite")

    with pytest.raises(StoreError, match=r"there is no store at .*runs\.sqlite; give the one that run 1"):
        take_up(path)
    assert take_up(path, "moved.sqlite") == (run_id, 3)


def test_the_run_of_another_store_is_refused(tmp_path: Path) -> None:
    with open_store("runs.sqlite") as store:
        start(store)
        message = r"run 1 in .*runs\.sqlite was started .*, and .* one that was started 2026; give the store"

        with pytest.raises(StoreError, match=message):
            take_up(LEFT.save(tmp_path))

        assert store.readings(1) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no file that a run has left; these are called etude-run-"),
        (b"step,lr\n0,0.1\n", "is no file that a run has left"),
        (b"\xff\xfe", "is no file that a run has left"),
        (b'{"run": 7}\n', "is no file that a run has left"),
        (b'{"etude": 1, "run": 7}\n[]\n', "is no file that a run has left"),
        (
            b'{"etude": 2, "store": "", "run": 7, "started": "", "status": "", "results": {}, "error": ""}\n',
            "was written by another version of Etude",
        ),
    ],
    ids=["empty", "csv", "bytes", "another", "no reading", "another version"],
)
def test_another_file_is_refused(content: bytes, message: str) -> None:
    Path("file").write_bytes(content)

    with pytest.raises(StoreError, match=f"^file {message}"):
        take_up("file")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_d7_a_pipe_is_refused_and_not_waited_for() -> None:
    os.mkfifo("pipe")
    with pytest.raises(StoreError, match=r"^pipe is no file that a run has left"):
        take_up("pipe")


def test_d7_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(StoreError, match="a file that a run has left has a path without NUL characters"):
        take_up("le\0ft")


def test_a_file_that_cannot_be_read_is_told() -> None:
    with pytest.raises(StoreError, match="cannot read nothing: No such file or directory"):
        take_up("nothing")


def test_what_can_be_left_nowhere_is_told_as_lost(
    own_server: StartedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Run()
    with Recorder(run.scheduler, to=own_server.create("runs"), patience_seconds=0.3) as recorder:
        own_server.stop()
        run.train(recorder, 7)
        (tmp_path / "there").mkdir()
        monkeypatch.chdir(tmp_path / "there")
        (tmp_path / "there").rmdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    own_server.start()

    assert "7 readings could not be written" in caplog.text
    assert "they are lost (StoreError: cannot save " in caplog.text


# The store is taken away while a run is recorded into it.

TAKEN = ["removed", "renamed", "replaced", "by another store", "emptied", "with its folder"]


def take_away(address: Path, how: str) -> None:
    """Do to a store's file what people and their scripts do."""
    if how == "removed":
        address.unlink()
    elif how == "renamed":
        address.rename(address.parent / "moved.sqlite")
    elif how == "replaced":
        (address.parent / "notes").write_text("mine")
        (address.parent / "notes").replace(address)
    elif how == "by another store":
        with open_store(address.parent / "other.sqlite") as other:
            start(other)
        (address.parent / "other.sqlite").replace(address)
    elif how == "with its folder":
        shutil.rmtree(address.parent)
    else:
        os.truncate(address, 0)


@pytest.mark.parametrize("checkpointed", [False, True], ids=["in the journal", "in the file"])
@pytest.mark.parametrize("how", TAKEN)
def test_b2_a_store_that_is_taken_away_is_told_and_its_run_is_left_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    how: str,
    checkpointed: bool,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = Run()
    address = tmp_path / "store" / "runs.sqlite"
    with Recorder(run.scheduler, to=address, patience_seconds=0.3, name="mine", task="t") as recorder:
        assert recorder.run_id == 1
        run.train(recorder, 50)
        until_recorded(address, 50)
        if checkpointed:
            with closing(sqlite3.connect(address)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        take_away(address, how)
        run.train(recorder, 50)

    kept = [record.getMessage() for record in caplog.records]
    assert "takes no readings: NotThereError: " in kept[0]
    assert re.search(rf"{re.escape(str(address))} was (removed|replaced|cut short)", kept[0])
    [left] = tmp_path.rglob("etude-run-1-*.jsonl")
    assert f"`etude add {left} --store STORE` puts them into a store, be it a new one" in kept[-1]
    # Nobody's file was written to.
    if how == "replaced":
        assert address.read_text() == "mine"
    elif how == "by another store":
        with open_store(address) as other:
            assert [len(other.readings(record.id)) for record in other.runs()] == [0]
    elif how in ("removed", "renamed", "with its folder"):
        assert not address.exists()

    assert take_up(left, tmp_path / "new.sqlite") == (1, len(Leftovers.load(left).readings))
    assert take_up(left, tmp_path / "new.sqlite") == (1, 0)
    with open_store(tmp_path / "new.sqlite") as store:
        [record] = store.runs()
        readings = store.readings(1)
    assert (record.label, record.key.task, record.status, record.results) == (
        "mine", "t", "finished", {"loss": 1 / 100},
    )  # fmt: skip
    assert record.plan is not None
    if checkpointed and how == "emptied":
        # What was in the file is gone with it.
        assert [reading.step for reading in readings][-50:] == list(range(50, 100))
    else:
        run.check(readings)


def until_recorded(address: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    with closing(sqlite3.connect(address)) as connection:
        while connection.execute("SELECT count(*) FROM reading").fetchone()[0] < count:
            assert time.monotonic() < deadline, "it is not recorded"
            time.sleep(0.01)


def test_b2_a_store_that_is_cut_short_is_told_and_one_that_is_packed_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_store("runs.sqlite") as store:
        start(store)
        store.append(1, workers.batches(1000))
        store.interrupt(1)
    run = Run()
    with Recorder(run.scheduler, to="runs.sqlite", patience_seconds=0.3) as recorder:
        with closing(sqlite3.connect("runs.sqlite")) as connection:
            size = Path("runs.sqlite").stat().st_size
            connection.execute("DELETE FROM reading WHERE run = 1 AND id > 10")
            connection.commit()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert Path("runs.sqlite").stat().st_size < size
        run.train(recorder, 5)
        until_recorded(tmp_path / "runs.sqlite", 15)
        assert not caplog.records
        os.truncate("runs.sqlite", 4096)
        run.train(recorder, 5)

    assert "runs.sqlite was cut short while it was in use" in caplog.text
    [left] = tmp_path.glob("etude-run-2-*.jsonl")
    assert [reading.step for reading in Leftovers.load(left).readings][-5:] == list(range(5, 10))


def test_b2_a_store_that_is_moved_has_all_that_was_recorded(tmp_path: Path) -> None:
    run = Run()
    with Recorder(run.scheduler, to="runs.sqlite", patience_seconds=0.3) as recorder:
        run.train(recorder, 50)
        until_recorded(tmp_path / "runs.sqlite", 50)
        Path("runs.sqlite").rename("moved.sqlite")
        run.train(recorder, 10)
    [left] = tmp_path.glob("etude-run-1-*.jsonl")

    assert take_up(left, "moved.sqlite") == (1, 10)
    with open_store("moved.sqlite") as store:
        assert store.run(1).status == "finished"
        run.check(store.readings(1))


def test_b2_a_store_that_is_put_back_takes_what_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    with Recorder(run.scheduler, to="runs.sqlite") as recorder:
        run.train(recorder, 5)
        Path("runs.sqlite").rename("moved.sqlite")
        run.train(recorder, 5)
        while "takes no readings" not in caplog.text:
            time.sleep(0.01)
        Path("moved.sqlite").rename("runs.sqlite")

    assert list(tmp_path.glob("etude-run-*")) == []
    with open_store("runs.sqlite") as store:
        assert store.run(1).status == "finished"
        run.check(store.readings(1))


def test_b2_a_store_that_is_taken_away_before_the_end_alone_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    with Recorder(run.scheduler, to="runs.sqlite") as recorder:
        run.train(recorder, 5)
        until_recorded(tmp_path / "runs.sqlite", 5)
        Path("runs.sqlite").unlink()

    [left] = tmp_path.glob("etude-run-1-*.jsonl")
    assert "could not be closed" in caplog.text
    assert take_up(left, "new.sqlite") == (1, 5)


def test_b2_a_fork_after_it_was_found_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fork closes the connection, which is all that knew the file: workers of a DataLoader are forked."""
    run = Run()
    with Recorder(run.scheduler, to="runs.sqlite", patience_seconds=0.3) as recorder:
        run.train(recorder, 50)
        until_recorded(tmp_path / "runs.sqlite", 50)
        Path("runs.sqlite").unlink()
        run.train(recorder, 10)
        while "takes no readings" not in caplog.text:
            time.sleep(0.01)
        child = multiprocessing.get_context("fork").Process(target=int)
        child.start()
        child.join()
        run.train(recorder, 10)

    [left] = tmp_path.glob("etude-run-1-*.jsonl")
    assert take_up(left, "new.sqlite") == (1, 70)


@pytest.mark.parametrize("anew", [False, True], ids=["gone", "made anew"])
def test_b2_tables_that_vanish_are_told_and_the_rest_is_left(
    server: Server, database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, anew: bool
) -> None:
    run = Run()
    with Recorder(run.scheduler, to=database, patience_seconds=0.3, name="mine") as recorder:
        run.train(recorder, 5)
        with open_store(database) as store:
            while len(store.readings(1)) < 5:
                time.sleep(0.01)
        server.psql(database, "DROP SCHEMA etude CASCADE")
        if anew:
            with open_store(database) as store:
                assert start(store) == 1  # the same number, and another run
        run.train(recorder, 5)
    [left] = tmp_path.glob("etude-run-1-*.jsonl")
    assert "takes no readings: NotThereError: postgresql://" in caplog.text

    number, added = take_up(left)

    assert (number, added) == (2 if anew else 1, 5)
    with open_store(database) as store:
        assert [reading.step for reading in store.readings(number)] == list(range(5, 10))
        assert (store.run(number).label, store.run(number).status) == ("mine", "finished")
        if anew:
            assert store.readings(1) == []


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": ' * 20_000, "9" * 5_000, '{"etude": 1, "run": 1}', '{"etude": 1} ' + "[" * 300],
)
def test_b6_a_file_that_is_broken_off_is_refused_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "etude-run-1.jsonl"
    path.write_text(text)
    with pytest.raises(StoreError, match="is no file that a run has left"):
        Leftovers.load(path)
