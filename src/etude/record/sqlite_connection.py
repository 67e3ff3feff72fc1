"""The one connection of a process to a store's file."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakSet

from etude.record.sqlite_errors import explained
from etude.record.sqlite_file import open_file

__all__ = ["ProcessConnection"]


class ProcessConnection:
    """A connection that is opened when first used, shared by threads, and never by processes.

    It pickles as its path. It closes before a fork, and opens again in each process that goes on using it:
    the two would share SQLite's memory of which locks are held, but not the locks.

    Args:
        path: the store's file.
        busy_seconds: how long to wait for other processes' locks.
    """

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self.path = path
        self.busy_seconds = busy_seconds
        # Re-entrant, so that a signal handler that records gets an error and not a deadlock.
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        _EVERY.add(self)

    def __reduce__(self) -> tuple[type[ProcessConnection], tuple[Path, float]]:
        return ProcessConnection, (self.path, self.busy_seconds)

    @contextmanager
    def held(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection, to this thread alone.

        Raises:
            StoreError: for whatever SQLite says, there or in the block.
        """
        with self._lock, explained(self.path):
            if self._connection is None:
                self._connection = open_file(self.path, self.busy_seconds)
            yield self._connection

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _before_fork(self) -> None:
        self._lock.acquire()
        self.close()

    def _after_fork_in_parent(self) -> None:
        self._lock.release()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()


_EVERY: WeakSet[ProcessConnection] = WeakSet()
_FORKING: list[ProcessConnection] = []


def _before_fork() -> None:
    _FORKING.extend(_EVERY)
    for connection in _FORKING:
        connection._before_fork()


def _after_fork_in_parent() -> None:
    while _FORKING:
        _FORKING.pop()._after_fork_in_parent()


def _after_fork_in_child() -> None:
    while _FORKING:
        _FORKING.pop()._after_fork_in_child()


if sys.platform != "win32":
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
