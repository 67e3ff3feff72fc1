"""The store in a database of a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from etude.record.postgresql_connection import PostgresqlConnection, connect, explained, is_lost, shown
from etude.record.process_connection import ProcessConnection
from etude.record.sql_store import SqlStore

__all__ = ["PostgresqlStore"]


class PostgresqlStore(SqlStore):
    """The store in the schema ``etude`` of a PostgreSQL database; ``open_store`` opens it at once.

    Threads may share it. Its URL is what is pickled. Where the server is gone, a call raises StoreError, and
    a later one connects again.

    Args:
        url: the database: ``postgresql://user:password@host:port/database``; the password may also be in
            ``~/.pgpass`` or ``PGPASSWORD``.
        busy_seconds: how long a call waits while other processes write, or for the server.
    """

    same = "IS NOT DISTINCT FROM"
    for_update = " FOR UPDATE"

    def __init__(self, url: str, *, busy_seconds: float = 30.0) -> None:
        self.url = url
        self._connection: ProcessConnection[PostgresqlConnection] = ProcessConnection(
            partial(connect, url, busy_seconds), partial(explained, url), is_lost
        )

    def __repr__(self) -> str:
        return f"PostgresqlStore({shown(self.url)!r})"

    @property
    def place(self) -> str:
        return shown(self.url)

    @property
    def folder(self) -> Path:
        return Path()

    def open(self) -> None:
        self._connection.open()

    def close(self) -> None:
        self._connection.close()

    def _reading(self) -> AbstractContextManager[PostgresqlConnection]:
        return self._connection.held()

    @contextmanager
    def _writing(self) -> Iterator[PostgresqlConnection]:
        with self._connection.held() as connection, connection.transaction():
            yield connection
