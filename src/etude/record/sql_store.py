"""What stores in SQL databases have in common: all but how they are opened."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, get_args

from etude.errors import StoreError
from etude.names import choice
from etude.planned import RunPlan
from etude.readings import Reading
from etude.record.columns import (
    READING,
    numbers_column,
    numbers_of,
    plan_column,
    plan_of,
    reading_columns,
    reading_of,
    texts_column,
    texts_of,
)
from etude.record.process import Process, is_gone, this_process
from etude.record.store import NotThereError, RunKey, RunRecord, Status, Store

__all__ = ["Rows", "SqlConnection", "SqlStore", "readings_of"]

_READING = ", ".join(READING)


class Rows(Protocol):
    """What a statement has found, each row by the names of its columns."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Sequence[Any]:
        """All of them."""


class SqlConnection(Protocol):
    """A connection to a database; values are given in the places of question marks."""

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Rows:
        """Run a statement."""

    def executemany(self, sql: str, rows: Sequence[Sequence[object]], /) -> object:
        """Run a statement for each row of values."""


class SqlStore(Store):
    """A store in the tables ``run`` and ``reading`` of an SQL database.

    Threads may share it. What it does is the same on each database, but for two words of their dialects.
    """

    same: str
    """Is the same as, also of NULL and NULL."""
    for_update: str
    """What ends a query of rows that are about to change."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it is, for messages."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where a file is left with what it did not take."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[SqlConnection]:
        """The connection, to this thread alone."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[SqlConnection]:
        """The connection, in a transaction: all of the block is recorded, or nothing."""

    def start(
        self,
        key: RunKey,
        *,
        label: str,
        fingerprint: str,
        versions: Mapping[str, str],
        plan: RunPlan | None = None,
    ) -> int:
        return self._start(key, label, fingerprint, versions, plan, this_process(), _now())

    def restart(self, record: RunRecord) -> int:
        """Record an attempt that was in a store which is gone; return its id in this one."""
        plan, process = record.plan, record.process
        return self._start(
            record.key, record.label, record.fingerprint, record.versions, plan, process, record.started
        )

    def remains(self, run_id: int) -> list[Reading]:
        """Return what can still be read of a run whose store is gone."""
        return []

    def _start(
        self,
        key: RunKey,
        label: str,
        fingerprint: str,
        versions: Mapping[str, str],
        plan: RunPlan | None,
        process: Process,
        started: str,
    ) -> int:
        for name, text in (("label", label), ("fingerprint", fingerprint)):
            if not isinstance(text, str):
                raise StoreError(f"{name} must be a text; got {text!r}")
        with self._writing() as connection:
            added: int = connection.execute(
                "INSERT INTO run (task, schedule, peak, budget, seed, label, fingerprint, versions, status,"
                " host, pid, born, started, plan)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)"
                " RETURNING id",
                (
                    *_key_columns(key),
                    label,
                    fingerprint,
                    texts_column("versions", versions),
                    process.host,
                    process.pid,
                    process.born,
                    started,
                    plan_column(plan),
                ),
            ).fetchone()["id"]
        return added

    def append(self, run_id: int, readings: Iterable[Reading]) -> None:
        rows = [(run_id, *reading_columns(reading)) for reading in readings]
        with self._writing() as connection:
            self._refuse_ended(connection, run_id)
            connection.executemany(
                f"INSERT INTO reading (run, {_READING}) VALUES (?{', ?' * len(READING)})", rows
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
            running = _records(connection, f"WHERE status = 'running' ORDER BY id{self.for_update}")
            gone = [(_now(), record.id) for record in running if is_gone(record.process)]
            if gone:
                connection.executemany("UPDATE run SET status = 'interrupted', ended = ? WHERE id = ?", gone)
        return [self.run(run_id) for _, run_id in gone]

    def runs(self, task: str | None = None, status: Status | None = None) -> list[RunRecord]:
        if status is not None:
            choice(status, "status", get_args(Status), StoreError)
        with self._reading() as connection:
            return _records(
                connection,
                "WHERE task = coalesce(?, task) AND status = coalesce(?, status) ORDER BY id",
                task,
                status,
            )

    def run(self, run_id: int) -> RunRecord:
        with self._reading() as connection:
            found = _records(connection, "WHERE id = ?", run_id)
        if not found:
            raise self._unknown(run_id)
        return found[0]

    def finished(self, key: RunKey) -> RunRecord | None:
        # By end and not by id, so that the answer stays the same when an older attempt finishes later.
        with self._reading() as connection:
            found = _records(
                connection,
                f"WHERE task = ? AND schedule = ? AND peak {self.same} ? AND budget = ? AND seed = ?"
                " AND status = 'finished' ORDER BY ended, id LIMIT 1",
                *_key_columns(key),
            )
        return found[0] if found else None

    def readings(self, run_id: int, start: int = 0) -> list[Reading]:
        self.run(run_id)
        with self._reading() as connection:
            return readings_of(connection, run_id, start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _end(self, run_id: int, status: Status, *, results: str = "{}", error: str | None = None) -> None:
        with self._writing() as connection:
            self._refuse_ended(connection, run_id)
            connection.execute(
                "UPDATE run SET status = ?, ended = ?, results = ?, error = ? WHERE id = ?",
                (status, _now(), results, error, run_id),
            )

    def _refuse_ended(self, connection: SqlConnection, run_id: int) -> None:
        row = connection.execute(
            f"SELECT status FROM run WHERE id = ?{self.for_update}", (run_id,)
        ).fetchone()
        if row is None:
            raise self._unknown(run_id)
        if row["status"] in ("finished", "failed"):
            raise StoreError(
                f"run {run_id} in {self.place} has already {row['status']}, and what is recorded does not "
                "change; start() another attempt"
            )

    def _unknown(self, run_id: int) -> NotThereError:
        return NotThereError(
            f"there is no run {run_id!r} in {self.place}; store.runs(), or `etude runs --all`, lists those "
            f"there are"
        )


def readings_of(connection: SqlConnection, run_id: int, start: int = 0) -> list[Reading]:
    """Read a run's readings, in the order in which they were appended, without the first ``start``."""
    rows = connection.execute(
        f"SELECT {_READING} FROM reading WHERE run = ? ORDER BY id LIMIT {2**62} OFFSET ?", (run_id, start)
    ).fetchall()
    return [reading_of(**dict(row)) for row in rows]


def _now() -> str:
    # Always with microseconds: texts of one width sort as times do.
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _key_columns(key: RunKey) -> tuple[str, str, float | None, int, int]:
    return key.task, key.schedule, key.peak, key.budget, key.seed


def _records(connection: SqlConnection, where: str, *values: object) -> list[RunRecord]:
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
            plan=plan_of(row["plan"]),
        )
        for row in rows
    ]
