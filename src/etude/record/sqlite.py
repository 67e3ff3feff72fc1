"""The store in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from etude.files import given_path
from etude.record.process_connection import ProcessConnection
from etude.record.sql_store import SqlStore
from etude.record.sqlite_errors import explained
from etude.record.sqlite_file import open_file, transaction

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
        self._connection: ProcessConnection[sqlite3.Connection] = ProcessConnection(
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
        self._connection.open()

    def close(self) -> None:
        self._connection.close()

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._connection.held()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connection.held() as connection, transaction(connection, "IMMEDIATE"):
            yield connection


def _never(_: sqlite3.Connection) -> bool:
    return False
