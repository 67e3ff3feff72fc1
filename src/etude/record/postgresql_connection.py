"""Connecting to a PostgreSQL server: the tables and their newest format, and its errors in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row
from psycopg.types.string import StrDumperUnknown, TextLoader

from etude.errors import StoreError
from etude.record.migrations import scripts_of
from etude.record.store import NotThereError

__all__ = ["PostgresqlConnection", "connect", "explained", "is_lost", "shown"]

SCHEMA = "etude"
# Which of all programs' locks ours is.
LOCK = int.from_bytes(b"Etud")
LEAST_CONNECT_SECONDS, MOST_CONNECT_SECONDS = 2, 10

# By the code of the error, or the class that it begins with. Each says what is wrong and what to do.
_MEANINGS = {
    "22": "cannot hold what was given; give Unicode texts and numbers of 64 bits",
    "25006": "is read-only; give the address of the primary server",
    "42501": "does not permit it; the user must own the schema 'etude', or be permitted to create it",
    "42804": "cannot hold what was given; give Unicode texts and numbers of 64 bits",
    "42": "is not as Etude left it; restore a copy, or give another database",
    "53100": (
        "cannot grow: the server's disk is full; what was recorded before is kept, and nothing of this call "
        "was recorded; free some space and try again"
    ),
    "53": "has no room for another connection, or no memory; try again",
    "55P03": (
        "is locked: another process kept it locked for as long as this one waits; let that process finish, "
        "or end it, and try again"
    ),
}
# That there is no such database or user is told by the server's own words alone.
_UNREACHED = (
    "cannot be reached; check that the server runs, lets this user in and has this database (createdb NAME), "
    "and try again"
)
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
_UNFORESEEN = "could not be read or written; nothing of this call was recorded"


def shown(url: str) -> str:
    """Return a URL without its password.

    >>> shown("postgresql://ada:secret@host/runs?password=secret")
    'postgresql://ada@host/runs'
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}"


class PostgresqlConnection:
    """A connection, in whose statements question marks are the places of values."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[object] = (), /) -> psycopg.Cursor[dict[str, Any]]:
        """Run a statement."""
        return self._connection.execute(_placed(sql), values or None)

    def executemany(self, sql: str, rows: Sequence[Sequence[object]], /) -> None:
        """Run a statement for each row of values."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_placed(sql), rows)

    def transaction(self) -> AbstractContextManager[object]:
        """Do everything in the block, or nothing of it."""
        return self._connection.transaction()

    @property
    def is_lost(self) -> bool:
        """Whether the server is gone, or has ended it."""
        return self._connection.closed

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()


def is_lost(connection: PostgresqlConnection) -> bool:
    """Whether the server is gone, or has ended the connection."""
    return connection.is_lost


def _placed(sql: str) -> Any:
    return sql.replace("?", "%s")


def connect(url: str, busy_seconds: float) -> PostgresqlConnection:
    """Connect to a database, and make the store's tables where there are none.

    Args:
        url: the database.
        busy_seconds: how long to wait for the server, and for other processes' locks.

    Raises:
        StoreError: the database holds a store of a newer format, or texts that are not Unicode.
        psycopg.Error: it cannot be reached, read or written.
    """
    patience = min(max(round(busy_seconds), LEAST_CONNECT_SECONDS), MOST_CONNECT_SECONDS)
    try:
        raw = psycopg.connect(
            url,
            autocommit=True,  # transactions begin and end where this package says
            row_factory=dict_row,
            client_encoding="UTF8",
            connect_timeout=patience,
            # A server that says nothing any more must not hold up the others for ever.
            keepalives_idle=patience,
            keepalives_interval=patience,
            keepalives_count=2,
            tcp_user_timeout=1000 * patience,
        )
    except psycopg.ProgrammingError as error:  # before any server was asked
        raise StoreError(f"{shown(url)} is no URL that PostgreSQL takes ({_words(error)})") from error
    try:
        encoding = raw.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"{shown(url)} keeps its texts as {encoding}; give a database in UTF8: createdb -T template0 "
                f"-E UTF8 NAME"
            )
        raw.adapters.register_dumper(str, _Text)
        raw.adapters.register_loader("text", _WrittenText)
        raw.adapters.register_loader("json", TextLoader)
        connection = PostgresqlConnection(raw)
        connection.execute(f"SET search_path = {SCHEMA}")
        connection.execute(f"SET lock_timeout = {max(round(1000 * busy_seconds), 1)}")
        _migrate(connection, url)
    except BaseException:
        raw.close()
        raise
    return connection


def _migrate(connection: PostgresqlConnection, url: str) -> None:
    """Run the scripts that a database still lacks, all or none.

    Safe in any number of processes at once: each looks again, under a lock, at what is left to do.
    """
    scripts = scripts_of("postgresql")
    if _format(connection, url, newest=len(scripts)) == len(scripts):
        return
    with connection.transaction():
        connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        known = _format(connection, url, newest=len(scripts))
        if known == 0:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.execute("CREATE TABLE format (version INTEGER NOT NULL)")
            connection.execute("INSERT INTO format (version) VALUES (0)")
        for script in scripts[known:]:
            connection.execute(script)
        connection.execute("UPDATE format SET version = ?", (len(scripts),))


def _format(connection: PostgresqlConnection, url: str, newest: int) -> int:
    """Return a database's format: 0 where there is no store."""
    # Not to_regclass, which may still know of no table that was made while this one waited for the lock.
    there = "SELECT 1 AS there FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = 'format'"
    if connection.execute(there, (SCHEMA,)).fetchone() is None:
        return 0
    [row] = connection.execute("SELECT version FROM format").fetchall()
    version: int = row["version"]
    if version > newest:
        raise StoreError(
            f"{shown(url)} was written by a newer Etude: its format is {version}, and this one reads formats "
            f"up to {newest}; upgrade Etude, or give another database"
        )
    return version


# PostgreSQL's texts hold all of Unicode but NUL. It is written as the character SUBSTITUTE and a 0, and that
# character, which nobody uses, twice.
_SUBSTITUTE = "\x1a"
_READ = {f"{_SUBSTITUTE}0": "\0", _SUBSTITUTE * 2: _SUBSTITUTE}


class _Text(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        if _SUBSTITUTE in obj or "\0" in obj:
            obj = obj.replace(_SUBSTITUTE, _SUBSTITUTE * 2).replace("\0", f"{_SUBSTITUTE}0")
        return super().dump(obj)


class _WrittenText(TextLoader):
    def load(self, data: Any) -> Any:
        text = super().load(data)
        if isinstance(text, str) and _SUBSTITUTE in text:
            return re.sub(f"{_SUBSTITUTE}.", lambda found: _READ[found[0]], text)
        return text


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Tell what goes wrong with a database as a StoreError, with the server's own words at its end."""
    try:
        yield
    except _GONE as error:
        raise NotThereError(f"{shown(url)} {_MEANINGS['42']} ({_words(error)})") from error
    except (UnicodeEncodeError, psycopg.DataError, psycopg.ProgrammingError) as error:
        meaning = _meaning(getattr(error, "sqlstate", None) or "22", _MEANINGS)
        raise StoreError(f"{shown(url)} {meaning} ({_words(error)})") from error
    except psycopg.OperationalError as error:
        raise StoreError(
            f"{shown(url)} {_meaning(error.sqlstate or '', _MEANINGS) or _UNREACHED} ({_words(error)})"
        ) from error
    except psycopg.Error as error:
        raise StoreError(
            f"{shown(url)} {_meaning(error.sqlstate or '', _MEANINGS) or _UNFORESEEN} ({_words(error)})"
        ) from error
    except ValueError as error:  # JSON that is none
        raise StoreError(f"{shown(url)} {_MEANINGS['42']} ({_words(error)})") from error


def _meaning(code: str, meanings: Mapping[str, str]) -> str:
    return meanings.get(code) or meanings.get(code[:2], "")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
