"""The store in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, get_args

from etude.errors import StoreError
from etude.readings import Reading
from etude.record.columns import (
    numbers_column,
    numbers_of,
    reading_columns,
    reading_of,
    texts_column,
    texts_of,
)
from etude.record.process import Process, is_gone, this_process
from etude.record.sqlite_connection import ProcessConnection
from etude.record.sqlite_file import transaction
from etude.record.store import RunKey, RunRecord, Status, Store

__all__ = ["SqliteStore", "open_store"]


def open_store(path: str | Path, *, busy_seconds: float = 30.0) -> SqliteStore:
    """Open a store, and say at once when it cannot be.

    Args:
        path: its file; made, with its folders, where there is none. It must be on a local disk: network
            file systems do not lock as SQLite needs.
        busy_seconds: how long a call waits while other processes write.

    Raises:
        StoreError: the file cannot be opened, or is no store that this version can read.
    """
    store = SqliteStore(path, busy_seconds=busy_seconds)
    with store._connection.held():
        return store


class SqliteStore(Store):
    """The store in one SQLite file, which is opened when first used; ``open_store`` opens it at once.

    Threads may share it. Only its path is pickled, made absolute, so that a worker with another current
    folder opens the same file.

    Args:
        path: its file; made, with its folders, where there is none.
        busy_seconds: how long a call waits while other processes write.
    """

    def __init__(self, path: str | Path, *, busy_seconds: float = 30.0) -> None:
        self.path = Path(path).absolute()
        self._connection = ProcessConnection(self.path, busy_seconds)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    def start(self, key: RunKey, *, label: str, fingerprint: str, versions: Mapping[str, str]) -> int:
        process = this_process()
        with self._writing() as connection:
            added = connection.execute(
                "INSERT INTO run (task, schedule, peak, budget, seed, label, fingerprint, versions, status,"
                " host, pid, born, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?)",
                (
                    *_key_columns(key),
                    label,
                    fingerprint,
                    texts_column("versions", versions),
                    process.host,
                    process.pid,
                    process.born,
                    _now(),
                ),
            )
            run_id = added.lastrowid
        assert run_id is not None
        return run_id

    def append(self, run_id: int, readings: Iterable[Reading]) -> None:
        rows = [(run_id, *reading_columns(reading)) for reading in readings]
        with self._writing() as connection:
            self._refuse_ended(connection, run_id)
            connection.executemany(
                "INSERT INTO reading (run, step, phase, rates, metrics) VALUES (?, ?, ?, ?, ?)", rows
            )

    def finish(self, run_id: int, results: Mapping[str, float]) -> None:
        self._end(run_id, "finished", results=numbers_column("results", results))

    def fail(self, run_id: int, error: str) -> None:
        # An error's own words may hold anything, such as a file name that is no Unicode: kept all the same.
        self._end(run_id, "failed", error=error.encode(errors="backslashreplace").decode())

    def interrupt(self, run_id: int) -> None:
        self._end(run_id, "interrupted")

    def mark_interrupted(self) -> list[RunRecord]:
        # One transaction: of several processes that ask at once, one is told of each run.
        with self._writing() as connection:
            running = _records(connection, "WHERE status = 'running' ORDER BY id")
            gone = [(_now(), record.id) for record in running if is_gone(record.process)]
            connection.executemany("UPDATE run SET status = 'interrupted', ended = ? WHERE id = ?", gone)
        return [self.run(run_id) for _, run_id in gone]

    def runs(self, task: str | None = None, status: Status | None = None) -> list[RunRecord]:
        if status is not None and status not in get_args(Status):
            raise StoreError(f"status must be one of {', '.join(get_args(Status))}; got {status!r}")
        with self._connection.held() as connection:
            return _records(
                connection,
                "WHERE task = coalesce(?, task) AND status = coalesce(?, status) ORDER BY id",
                task,
                status,
            )

    def run(self, run_id: int) -> RunRecord:
        with self._connection.held() as connection:
            found = _records(connection, "WHERE id = ?", run_id)
        if not found:
            raise self._unknown(run_id)
        return found[0]

    def finished(self, key: RunKey) -> RunRecord | None:
        # By end and not by id, so that the answer stays the same when an older attempt finishes later.
        with self._connection.held() as connection:
            found = _records(
                connection,
                "WHERE task = ? AND schedule = ? AND peak IS ? AND budget = ? AND seed = ?"
                " AND status = 'finished' ORDER BY ended, id LIMIT 1",
                *_key_columns(key),
            )
        return found[0] if found else None

    def readings(self, run_id: int) -> list[Reading]:
        self.run(run_id)
        with self._connection.held() as connection:
            rows = connection.execute(
                "SELECT step, phase, rates, metrics FROM reading WHERE run = ? ORDER BY id", (run_id,)
            ).fetchall()
            return [reading_of(*row) for row in rows]

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connection.held() as connection, transaction(connection, "IMMEDIATE"):
            yield connection

    def _end(self, run_id: int, status: Status, *, results: str = "{}", error: str | None = None) -> None:
        with self._writing() as connection:
            self._refuse_ended(connection, run_id)
            connection.execute(
                "UPDATE run SET status = ?, ended = ?, results = ?, error = ? WHERE id = ?",
                (status, _now(), results, error, run_id),
            )

    def _refuse_ended(self, connection: sqlite3.Connection, run_id: int) -> None:
        row = connection.execute("SELECT status FROM run WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise self._unknown(run_id)
        if row["status"] in ("finished", "failed"):
            raise StoreError(
                f"run {run_id} in {self.path} has already {row['status']}, and what is recorded does not "
                "change; start() another attempt"
            )

    def _unknown(self, run_id: int) -> StoreError:
        return StoreError(f"there is no run {run_id!r} in {self.path}; runs() lists those there are")


def _now() -> str:
    # Always with microseconds: texts of one width sort as times do.
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _key_columns(key: RunKey) -> tuple[str, str, float | None, int, int]:
    return key.task, key.schedule, key.peak, key.budget, key.seed


def _records(connection: sqlite3.Connection, where: str, *values: object) -> list[RunRecord]:
    rows = connection.execute(f"SELECT * FROM run {where}", values).fetchall()
    return [
        RunRecord(
            id=row["id"],
            key=RunKey(row["task"], row["schedule"], row["peak"], row["budget"], row["seed"]),
            label=row["label"],
            fingerprint=row["fingerprint"],
            versions=texts_of(row["versions"]),
            status=row["status"],
            process=Process(row["host"], row["pid"], row["born"]),
            started=row["started"],
            ended=row["ended"],
            results=numbers_of(row["results"]),
            error=row["error"],
        )
        for row in rows
    ]
