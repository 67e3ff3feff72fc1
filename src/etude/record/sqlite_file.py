"""Opening a store's file: making it, recognising it, bringing it to the newest format, refusing all else."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from etude.errors import StoreError
from etude.record.migrations import scripts_of
from etude.record.store import NotThereError

__all__ = ["APPLICATION_ID", "FileConnection", "migrate", "migrations", "open_file", "transaction"]

# What marks a file as ours, at the place in SQLite's header that is meant for it.
APPLICATION_ID = int.from_bytes(b"Etud")
# The first with STRICT tables.
OLDEST_SQLITE = (3, 37, 0)
_RETRY_SECONDS = 0.01
# What the longest name of the files ends with that SQLite has beside a store's, and its longest path.
_BESIDE = "-journal"
_LONGEST_PATH = 511


class FileConnection(sqlite3.Connection):
    """A connection that knows its file: SQLite itself goes on with one that nobody finds any more."""

    _seen: tuple[Path, os.stat_result] | None = None

    def remember(self, path: Path) -> None:
        """Take note of which file it is of."""
        self._seen = path, path.stat()

    def check(self) -> None:
        """See that the file is where it was, with what was in it.

        Raises:
            NotThereError: where it was removed, renamed, replaced, emptied or cut short.
        """
        assert self._seen is not None
        path, seen = self._seen
        try:
            now = path.stat()
        except OSError:
            became = "removed or renamed"
        else:
            if not os.path.samestat(now, seen):
                became = "replaced"
            elif now.st_size < seen.st_size and not self._is_whole(now):
                became = "cut short"
            else:
                self._seen = path, now
                return
        raise NotThereError(
            f"{path} was {became} while it was in use, and takes nothing more; put it back, or open the "
            "store where it is now"
        )

    def remaining(self) -> sqlite3.Connection:
        """Return the connection, which still reads a file that is gone; what was moved is made complete."""
        assert self._seen is not None
        path, seen = self._seen
        if not (path.exists() and os.path.samestat(path.stat(), seen)):
            with suppress(sqlite3.Error):
                self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self

    def _is_whole(self, now: os.stat_result) -> bool:
        """Whether a file that has shrunk is in order, as after a VACUUM."""
        # Of an empty one another connection would throw the journal away, which may have it all.
        try:
            self.execute("PRAGMA shrink_memory")  # in which pages may be that the file has lost
            return now.st_size > 0 and self.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            return False


def open_file(path: Path, busy_seconds: float) -> FileConnection:
    """Open a store's file for reading and writing; make it, and its folders, where there is none.

    Nothing is written before the file is known to be a store, or empty.

    Args:
        path: the file.
        busy_seconds: how long to wait for other processes' locks, here and in later statements.

    Raises:
        StoreError: the place is not a file, the file is not a store, or is one of a newer format.
        sqlite3.Error: SQLite cannot open, read or write it.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"a store needs SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer; this Python has "
            f"{sqlite3.sqlite_version}: use another build of Python"
        )
    _prepare_place(path)
    # isolation_level=None: transactions begin and end where this package says. The lock of the
    # connection's owner is what lets several threads use it.
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, factory=FileConnection
    )
    try:
        connection.row_factory = sqlite3.Row
        scripts = migrations()
        with transaction(connection, "DEFERRED"):
            version = _version(connection, path, newest=len(scripts))
        _enter_wal(connection, path, busy_seconds)
        # In WAL mode, NORMAL syncs the disk at checkpoints only, not at each commit. A commit has then
        # been handed to the operating system: it survives the death of the process, at any moment. A loss
        # of power can take back the last commits; it cannot damage the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        if version < len(scripts):
            migrate(connection, path, scripts)
        connection.remember(path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Do everything in the block, or nothing of it.

    Args:
        kind: "DEFERRED" to read; "IMMEDIATE" to write, which waits for its turn at once: a reader that
            turned writer could not.
    """
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # after a full disk SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise


def migrations() -> list[str]:
    """Return the scripts that lead to the newest format: the first makes format 1 of an empty file."""
    return scripts_of("sqlite")


def migrate(connection: sqlite3.Connection, path: Path, scripts: Sequence[str]) -> None:
    """Run the scripts that a file still lacks, each in a transaction of its own.

    Safe in any number of processes at once: each looks again, under the lock, at what is left to do.
    """
    version = -1
    while version < len(scripts):
        with transaction(connection, "IMMEDIATE"):
            version = _version(connection, path, newest=len(scripts))
            if version < len(scripts):
                for statement in _statements(scripts[version]):
                    connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {version}")


def _prepare_place(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _too_long(path) from error
        raise StoreError(
            f"{path.parent} cannot be the folder of a store: {error.strerror}; choose a path in a folder "
            "that you can write to"
        ) from error
    try:
        # SQLite has two more files beside its own, and a longest path.
        path.with_name(f"{path.name}{_BESIDE}").exists()
        is_other = path.exists() and not path.is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _too_long(path) from error
        raise StoreError(
            f"{path} cannot be looked for: {error.strerror}; choose a path in a folder that you can write to"
        ) from error
    if len(os.fsencode(f"{path}{_BESIDE}")) > _LONGEST_PATH:
        raise _too_long(path)
    if is_other:
        what, folder = ("a folder", path) if path.is_dir() else ("not an ordinary file", path.parent)
        raise StoreError(f"{path} is {what}; give the path of a file, such as {folder / 'runs.db'}")


def _too_long(path: Path) -> StoreError:
    return StoreError(f"{path} is too long to be the path of a store; choose a shorter one")


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """Return a file's format: 0 of an empty file. Call it in a transaction, to see one moment of the file."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(
            f"{path} is another program's SQLite file (application_id {application}, tables and indexes: "
            f"{tables}), and was left as it is; give the path of a store, or of a file that does not exist "
            "yet"
        )
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer Etude: its format is {version}, and this one reads formats up to "
            f"{newest}; upgrade Etude, or give another path"
        )
    return version


def _enter_wal(connection: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    """Let one process write while others read. The mode is kept in the file."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself here: two processes that make one new file would fail.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
    if mode != "wal":
        raise StoreError(
            f"{path} is on a file system that several processes cannot share (no memory mapping); "
            "choose a path on a local disk"
        )


def _statements(script: str) -> Iterator[str]:
    """Split a script: sqlite3's executescript would commit the transaction it is in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
