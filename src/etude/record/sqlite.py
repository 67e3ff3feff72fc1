"""The store in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from etude.files import given_path
from etude.readings import Reading
from etude.record.process_connection import ProcessConnection
from etude.record.sql_store import SqlStore, readings_of
from etude.record.sqlite_errors import explained
from etude.record.sqlite_file import FileConnection, open_file, transaction

__all__ = ["SqliteStore"]


class SqliteStore(SqlStore):
    """The store in one SQLite file, which is opened when first used; ``open_store`` opens it at once.

    Threads may share it. Only its path is pickled, made absolute, so that a worker with another current
    folder opens the same file.

    Args:
        path: its file; made, with its folders, where there is none.
        busy_seconds: how long a call waits while other processes write.
    """

    same = "IS"
    for_update = ""  # whoever writes has the whole file

    def __init__(self, path: str | Path, *, busy_seconds: float = 30.0) -> None:
        self.path = given_path(path, "a store").absolute()
        self._connection: ProcessConnection[FileConnection] = ProcessConnection(
            partial(open_file, self.path, busy_seconds), partial(explained, self.path), _never
        )

    def __repr__(self) -> str:
        return f"SqliteStore({str(self.path)!r})"

    @property
    def place(self) -> str:
        return str(self.path)

    @property
    def folder(self) -> Path:
        return self.path.parent

    def open(self) -> None:
        with self._reading():
            pass

    def close(self) -> None:
        self._connection.close()

    def remains(self, run_id: int) -> list[Reading]:
        # Of a file that is gone there is all that this connection holds.
        with self._connection.held() as connection:
            return readings_of(connection.remaining(), run_id)

    @contextmanager
    def _reading(self) -> Iterator[FileConnection]:
        with self._connection.held() as connection:
            connection.check()
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[FileConnection]:
        with self._reading() as connection, transaction(connection, "IMMEDIATE"):
            yield connection


def _never(_: FileConnection) -> bool:
    return False
