"""Opening a store by its address."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from etude.errors import MissingError, StoreError
from etude.record.sql_store import SqlStore
from etude.record.sqlite import SqliteStore

__all__ = ["open_store"]

_POSTGRESQL = ("postgresql://", "postgres://")


def open_store(address: str | Path, *, busy_seconds: float = 30.0) -> SqlStore:
    """Open a store, and say at once when it cannot be.

    Args:
        address: the path of an SQLite file, which is made, with its folders, where there is none; it must be
            on a local disk, for network file systems do not lock as SQLite needs. Or the URL of a database
            of a PostgreSQL server: ``"postgresql://user@host/database"``.
        busy_seconds: how long a call waits while other processes write, or for the server.

    Raises:
        StoreError: the store cannot be opened, or is none that this version can read.
        MissingError: for PostgreSQL without psycopg.
    """
    if isinstance(address, str) and address.startswith(_POSTGRESQL):
        _refuse_misspelt(address)
        if find_spec("psycopg") is None:
            raise MissingError(
                "a store on PostgreSQL needs psycopg, which is not installed; run: pip install "
                "'etude[postgresql]'"
            )
        from etude.record.postgresql import PostgresqlStore

        store: SqlStore = PostgresqlStore(address, busy_seconds=busy_seconds)
    elif isinstance(address, str) and "://" in address:
        raise StoreError(
            f"a store is an SQLite file or a PostgreSQL database; write a path, such as 'runs.sqlite', or "
            f"'postgresql://user@host/database'; got {address!r}"
        )
    else:
        store = SqliteStore(address, busy_seconds=busy_seconds)
    store.open()
    return store


def _refuse_misspelt(url: str) -> None:
    with suppress(ValueError):
        urlsplit(url)
        if "\0" not in url:
            return
    # Without the URL itself: a password may be anywhere in it.
    raise StoreError(
        "the URL of a PostgreSQL database is written 'postgresql://user@host:5432/database', with %5B for [ "
        "in a password and so on; what was given cannot be read as one"
    )
