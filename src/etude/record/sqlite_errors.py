"""What SQLite's errors mean to the person whose store it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etude.errors import StoreError

__all__ = ["explained"]

# By SQLite's primary result code. Each says what is wrong and what to do.
_MEANINGS = {
    sqlite3.SQLITE_BUSY: (
        "is locked: another process kept it locked for as long as this one waits; let that process finish, "
        "or end it, and try again"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened: SQLite must be able to read and write the file and the folder it is in; "
        "give the permission, or choose a path where you have it"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged; restore a copy, or keep it aside and save what can be read with "
        "'sqlite3 damaged.db .recover | sqlite3 saved.db'"
    ),
    sqlite3.SQLITE_FULL: (
        "cannot grow: the disk is full; what was recorded before is kept, and nothing of this call was "
        "recorded; free some space and try again"
    ),
    sqlite3.SQLITE_IOERR: (
        "could not be read or written: the system refused it; nothing of this call was recorded; check the "
        "disk's free space, your quota and the disk's health, and try again"
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not an SQLite file, and was left as it is; give the path of a store, or of a file that does not "
        "exist yet"
    ),
    sqlite3.SQLITE_READONLY: (
        "is read-only, or its folder is; give the permission to write, or copy it to a place where you "
        "have it"
    ),
}
_UNFORESEEN = "is not as Etude left it; restore a copy, or choose another path"
_PRIMARY = 0xFF


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell what goes wrong with the file at ``path`` as a StoreError, with SQLite's own words at its end."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError, UnicodeEncodeError) as error:
        raise StoreError(
            f"{path} cannot hold what was given; give Unicode texts and numbers of 64 bits ({error})"
        ) from error
    except (sqlite3.Error, ValueError) as error:
        # Texts that are no UTF-8 and JSON that is none are found by Python: no code, but damage all the same.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        meaning = _MEANINGS.get(code & _PRIMARY, _UNFORESEEN)
        raise StoreError(f"{path} {meaning} ({name}: {error})") from error
