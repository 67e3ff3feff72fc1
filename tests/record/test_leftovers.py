"""What a store has not taken by the end of a run: left in a file, and taken up later."""

from __future__ import annotations

import json
import os
import sys
import tempfile
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
from tests.postgres import StartedServer

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
    receiver, sender = workers.TRAINING.Pipe(duplex=False)
    with receiver:
        writer = workers.TRAINING.Process(
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
