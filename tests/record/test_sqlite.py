"""The SQLite store: the contract, and all that can be wrong with a file."""

from __future__ import annotations

import multiprocessing
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from etude.errors import StoreError
from etude.readings import Reading
from etude.record import RunKey, SqliteStore, Store, open_store, sqlite_file
from tests.forked import FORKED

from . import workers
from .contract import PLAN, StoreContract, start

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
NOBODY = 65534


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask a file as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def refused(path: Path, message: str, busy_seconds: float = 30) -> None:
    """See that opening is refused in one sentence, which begins with the path."""
    with pytest.raises(StoreError, match=message) as caught:
        open_store(path, busy_seconds=busy_seconds)
    assert str(caught.value).startswith(str(path))


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Let permissions count: the superuser has them all."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        with open_store(path) as store:
            yield store


class TestOpening:
    def test_folders_and_file_are_made(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "runs.db"

        with open_store(str(path)) as store:
            assert store.runs() == []

        assert query(path, "PRAGMA application_id") == [(int.from_bytes(b"Etud"),)]
        assert query(path, "PRAGMA user_version") == [(len(sqlite_file.migrations()),)]
        assert query(path, "PRAGMA journal_mode") == [("wal",)]
        tables = query(path, "SELECT name, strict FROM pragma_table_list WHERE name NOT LIKE 'sqlite%'")
        assert sorted(tables) == [("reading", 1), ("run", 1)]

    def test_every_connection_keeps_what_the_file_does_not(self, path: Path) -> None:
        with open_store(path) as store, store._connection.held() as connection:
            assert tuple(connection.execute("PRAGMA foreign_keys").fetchone()) == (1,)
            assert tuple(connection.execute("PRAGMA synchronous").fetchone()) == (1,)

    def test_nothing_is_made_before_the_first_call(self, path: Path) -> None:
        store = SqliteStore(path)

        assert repr(store) == f"SqliteStore({str(path)!r})"
        assert not path.exists()

    def test_a_file_that_is_there_is_opened_as_it_is(self, path: Path) -> None:
        with open_store(path) as store:
            run_id = start(store)
            before = store.runs()

        with open_store(path) as store:
            assert store.runs() == before
            assert start(store) > run_id

    def test_an_empty_file_becomes_a_store(self, path: Path) -> None:
        path.touch()

        with open_store(path) as store:
            start(store)

    def test_a_relative_path_stays_the_same_file_in_another_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with open_store("runs.db") as store:
            monkeypatch.chdir(tmp_path.parent)
            assert store.path == tmp_path / "runs.db"
            store.close()
            start(store)

        assert len(query(tmp_path / "runs.db", "SELECT id FROM run")) == 1

    def test_processes_that_open_one_new_file_at_once_all_succeed(self, tmp_path: Path) -> None:
        barrier = FORKED.Barrier(4)

        workers.run_all(workers.open_new_files, [(tmp_path, 100, barrier, seed) for seed in range(4)])

        for number in range(100):
            with open_store(tmp_path / str(number) / "runs.db") as store:
                assert sorted(record.key.seed for record in store.runs()) == [0, 1, 2, 3]

    @posix
    def test_a_forked_process_does_not_inherit_the_connection(self, path: Path) -> None:
        # With an inherited one, the parent would take itself for the file's last user when it closes, and
        # remove the log that the child goes on writing to.
        here, there = multiprocessing.Pipe()
        with open_store(path) as store, here:
            run_id = start(store)
            child = multiprocessing.get_context("fork").Process(
                target=workers.append_twice, args=(store, run_id, there)
            )
            child.start()
            there.close()
            assert workers.receive(here) == "appended"

            store.close()
            store.append(run_id, workers.batch(1))
            here.send("go on")
            child.join(workers.PATIENCE_SECONDS)

            assert child.exitcode == 0
            assert store.readings(run_id) == workers.batches(3)
        assert query(path, "PRAGMA integrity_check") == [("ok",)]


class TestFilesThatAreNoStore:
    @pytest.mark.parametrize(
        "content",
        [b"x\n", b"task,seed\n" * 1000, b"SQLite format 3\0" + b"\xff" * 2000],
        ids=["two bytes", "text", "magic and noise"],
    )
    def test_another_format_is_refused_and_left_as_it_is(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)

        refused(path, "is not an SQLite file, and was left as it is; give the path of a store")

        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize(
        "mark",
        [
            "CREATE TABLE run (id INTEGER PRIMARY KEY)",
            "PRAGMA application_id = 252006675",
            "PRAGMA user_version = 1",
        ],
        ids=["tables", "application_id", "user_version"],
    )
    @pytest.mark.parametrize("journal_mode", ["delete", "wal"])
    def test_another_programs_file_is_refused_and_left_as_it_is(
        self, path: Path, mark: str, journal_mode: str
    ) -> None:
        query(path, f"PRAGMA journal_mode = {journal_mode}")
        query(path, mark)
        before = path.read_bytes()

        refused(path, "is another program's SQLite file .* and was left as it is; give the path of a store")

        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_a_folder_is_refused(self, tmp_path: Path) -> None:
        refused(tmp_path, f"is a folder; give the path of a file, such as {re.escape(str(tmp_path))}/runs.db")

    @posix
    def test_a_pipe_is_refused(self, path: Path) -> None:
        os.mkfifo(path)

        refused(path, "is not an ordinary file; give the path of a file")

    def test_a_folder_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("mine")

        with pytest.raises(StoreError, match=r"notes cannot be the folder of a store: .*; choose a path"):
            open_store(tmp_path / "notes" / "runs.db")

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("ru\0ns.db", r"^a store has a path without NUL characters; got 'ru\\x00ns\.db'$"),
            ("ru\0ns/runs.db", r"^a store has a path without NUL characters; got 'ru\\x00ns/runs\.db'$"),
            ("x" * 300, r"x is too long to be the path of a store; choose a shorter one$"),
            ("x" * 250, r"x is too long to be the path of a store"),  # with what SQLite has beside it
            ("/".join(["x" * 100] * 60), r"x is too long to be the path of a store"),
            ("/".join(["x" * 100] * 6), r"x is too long to be the path of a store"),  # for SQLite
            (7, r"^a store has a path, such as 'folder/name'; got 7$"),
            (None, r"^a store has a path, such as 'folder/name'; got None$"),
            (b"runs.db", r"^a store has a path, such as 'folder/name'; got b'runs\.db'$"),
        ],
        ids=[
            "nul",
            "folder with nul",
            "name",
            "name with journal",
            "path",
            "path for sqlite",
            "7",
            "None",
            "bytes",
        ],
    )
    def test_d7_what_is_no_path_is_refused_in_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Any, message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)

        with pytest.raises(StoreError, match=message):
            open_store(given)

    def test_a_newer_format_is_refused(self, path: Path) -> None:
        open_store(path).close()
        query(path, "PRAGMA user_version = 99")

        refused(path, "written by a newer Etude: its format is 99, and this one reads .* to 3; upgrade Etude")

    def test_an_older_sqlite_is_refused(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite_file, "OLDEST_SQLITE", (99, 0, 0))

        with pytest.raises(StoreError, match=r"needs SQLite 99\.0\.0 or newer; this Python has 3\."):
            open_store(path)

        assert not path.exists()


@posix
class TestReadOnlyPlaces:
    def test_a_folder_that_cannot_be_made(self, shared_folder: Path) -> None:
        shared_folder.chmod(0o555)

        with (
            ordinary_user(),
            pytest.raises(
                StoreError, match=r"/new cannot be the folder of a store: Permission denied; choose"
            ),
        ):
            open_store(shared_folder / "new" / "runs.db")

    def test_a_new_file_in_a_read_only_folder(self, shared_folder: Path) -> None:
        shared_folder.chmod(0o555)

        with ordinary_user():
            refused(shared_folder / "runs.db", "cannot be opened: .* read and write the file and the folder")

    def test_a_store_in_a_read_only_folder(self, shared_folder: Path) -> None:
        path = shared_folder / "runs.db"
        open_store(path).close()
        path.chmod(0o444)
        shared_folder.chmod(0o555)

        with ordinary_user():
            refused(path, "is read-only, or its folder is; give the permission to write, or copy it")

    def test_a_read_only_store_is_read_and_refuses_to_be_written(self, shared_folder: Path) -> None:
        path = shared_folder / "runs.db"
        with open_store(path) as store:
            run_id = start(store)
        path.chmod(0o444)

        with ordinary_user(), open_store(path) as store:
            assert [record.id for record in store.runs()] == [run_id]
            with pytest.raises(StoreError, match="is read-only, or its folder is; give the permission"):
                store.append(run_id, workers.batch(0))


class TestLocks:
    def test_a_new_file_that_another_process_keeps_locked(self, path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")

            refused(
                path, "is locked: another process .*; let that process finish, or end it", busy_seconds=0.01
            )

    def test_a_new_file_that_another_process_is_reading(self, path: Path) -> None:
        path.touch()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM sqlite_master").fetchall()

            refused(path, "is locked: another process", busy_seconds=0.01)

    def test_a_store_that_another_process_keeps_locked_is_still_read(self, path: Path) -> None:
        with (
            open_store(path, busy_seconds=0.01) as store,
            closing(sqlite3.connect(path, isolation_level=None)) as other,
        ):
            run_id = start(store)
            other.execute("BEGIN IMMEDIATE")

            with pytest.raises(StoreError, match=r"is locked: another process .*; let that process finish"):
                store.append(run_id, workers.batch(0))
            assert store.readings(run_id) == []

            other.execute("ROLLBACK")
            store.append(run_id, workers.batch(0))
            assert store.readings(run_id) == workers.batch(0)


class TestFullDisks:
    def test_a_full_disk_takes_nothing_away(self, path: Path) -> None:
        with open_store(path) as store:
            run_id = start(store)
            store.append(run_id, workers.batches(10))
            with store._connection.held() as connection:
                [pages] = connection.execute("PRAGMA page_count").fetchone()
                connection.execute(f"PRAGMA max_page_count = {pages + 1}")

            with pytest.raises(StoreError, match=r"the disk is full; what was .* is kept.*free some space"):
                store.append(run_id, workers.batches(1000))
            assert store.readings(run_id) == workers.batches(10)

            with store._connection.held() as connection:
                connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
            store.append(run_id, workers.batches(1000))
            assert store.readings(run_id) == workers.batches(10) + workers.batches(1000)

    @posix
    def test_a_quota_takes_nothing_away(self, path: Path) -> None:
        receiver, sender = FORKED.Pipe(duplex=False)
        with open_store(path) as store, receiver:
            writer = FORKED.Process(
                target=workers.record_until_the_file_may_not_grow, args=(store, 200_000, sender)
            )
            writer.start()
            sender.close()
            run_id, *reported, error = workers.receive_rest(receiver)
            writer.join(workers.PATIENCE_SECONDS)

            assert writer.exitcode == 0
            assert re.search(
                "could not be read or written: .*; check the disk's free space, your quota", error
            )
            assert len(reported) > 10
            assert store.readings(run_id) == workers.batches(len(reported))
            store.append(run_id, workers.batch(0))


class TestDamage:
    def test_pages_of_noise(self, path: Path) -> None:
        with open_store(path) as store:
            run_id = start(store)
            store.append(run_id, workers.batches(200))
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))

        with (
            open_store(path) as store,
            pytest.raises(StoreError, match=r"runs\.db is damaged; restore a copy, or .*\.recover"),
        ):
            store.readings(run_id)

    def test_a_file_cut_short(self, path: Path) -> None:
        with open_store(path) as store:
            run_id = start(store)
            store.append(run_id, workers.batches(200))
        os.truncate(path, path.stat().st_size // 2)

        refused(path, "is damaged; restore a copy")

    @pytest.mark.parametrize("noise", [b"\xff\xfe", b"\x5d\x5d"], ids=["no UTF-8", "no JSON"])
    def test_noise_within_a_value(self, path: Path, noise: bytes) -> None:
        with open_store(path) as store:
            run_id = start(store)
            store.append(run_id, workers.batch(0))
        path.write_bytes(path.read_bytes().replace(b'{"body"', noise + b'body"', 1))

        with (
            open_store(path) as store,
            pytest.raises(StoreError, match=r"runs\.db is damaged; restore a copy"),
        ):
            store.readings(run_id)

    def test_missing_tables(self, path: Path) -> None:
        open_store(path).close()
        query(path, "DROP TABLE reading")

        with (
            open_store(path) as store,
            pytest.raises(StoreError, match=r"runs\.db is not as Etude left it; .*no such table: reading"),
        ):
            store.append(start(store), workers.batch(0))


class TestMigrations:
    @pytest.fixture
    def connection(self, path: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            yield connection

    def test_the_files_are_numbered_by_the_format_they_lead_to(self) -> None:
        folder = Path(sqlite_file.__file__).parent / "migrations" / "sqlite"
        numbers = [int(file.name[:4]) for file in sorted(folder.glob("*.sql"))]

        assert numbers == list(range(1, len(sqlite_file.migrations()) + 1))

    def test_an_older_file_gets_what_it_lacks(self, path: Path, connection: sqlite3.Connection) -> None:
        first, second = "CREATE TABLE a (x);", "CREATE TABLE b (x);\nINSERT INTO b VALUES (';\n');\n"
        sqlite_file.migrate(connection, path, [first])
        connection.execute("INSERT INTO a VALUES (1)")

        sqlite_file.migrate(connection, path, [first, second])
        sqlite_file.migrate(connection, path, [first, second])

        assert connection.execute("SELECT a.x, b.x FROM a, b").fetchall() == [(1, ";\n")]
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)

    def test_a_store_of_the_first_format_keeps_its_readings_and_gets_new_ones(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        sqlite_file.migrate(connection, path, sqlite_file.migrations()[:1])
        connection.execute(
            "INSERT INTO run (task, schedule, budget, seed, label, fingerprint, versions, status, host, pid,"
            " started) VALUES ('digits', 'Constant()', 1, 0, 'one', '5f3a', '{}', 'running', 'h', 1, 't')"
        )
        connection.execute(
            """INSERT INTO reading (run, step, phase, rates, metrics)
            VALUES (1, 7, 'cosine', '{"0": 0.1}', '{"loss": "nan"}')"""
        )
        new = Reading(8, {"0": 0.1}, "", {}, {"momentum": {"0": 0.9}}, 0.5, 64.0, {"Plateau()": 0.1}, "lr: 0")

        with open_store(path) as store:
            store.append(1, [new])
            old, *rest = store.readings(1)

        assert repr(old) == repr(Reading(7, {"0": 0.1}, "cosine", {"loss": float("nan")}))
        assert rest == [new]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)

    def test_a_run_of_the_second_format_has_no_plan_and_new_ones_have(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        sqlite_file.migrate(connection, path, sqlite_file.migrations()[:2])
        connection.execute(
            "INSERT INTO run (task, schedule, budget, seed, label, fingerprint, versions, status, host, pid,"
            " started) VALUES ('digits', 'Constant()', 1, 0, 'one', '5f3a', '{}', 'running', 'h', 1, 't')"
        )

        with open_store(path) as store:
            new = start(store, plan=PLAN)

            assert (store.run(1).plan, store.run(1).label) == (None, "one")
            assert store.run(new).plan == PLAN

    def test_a_migration_that_fails_leaves_the_file_as_it_was(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        first = "CREATE TABLE a (x);"
        sqlite_file.migrate(connection, path, [first])

        with pytest.raises(sqlite3.OperationalError, match="no such table: c"):
            sqlite_file.migrate(connection, path, [first, "CREATE TABLE b (x);\nINSERT INTO c VALUES (1);"])

        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


class TestValues:
    @pytest.fixture
    def store(self, path: Path) -> Iterator[SqliteStore]:
        with open_store(path) as store:
            yield store

    def test_a_run_id_beyond_64_bits(self, store: SqliteStore) -> None:
        with pytest.raises(StoreError, match=r"cannot hold what was given; give .* numbers of 64 bits"):
            store.run(2**64)

    def test_a_task_that_is_no_unicode(self, store: SqliteStore) -> None:
        with pytest.raises(StoreError, match="cannot hold what was given; give Unicode texts"):
            start(store, RunKey("caf\udce9", "Constant()", None, 1, 0))
