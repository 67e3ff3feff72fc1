"""The one connection of a process to a store."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

__all__ = ["ProcessConnection"]


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of it."""


Connection = TypeVar("Connection", bound=Closable)


class ProcessConnection(Generic[Connection]):
    """A connection that is opened when first used, shared by threads, and never by processes.

    It pickles as what opens it. It closes before a fork, and opens again in each process that goes on using
    it: the two would share what the connection has in hand, and not know it of each other.

    Args:
        opened: opens one; it has to pickle.
        explained: the context in which it is opened and used, which turns its errors into StoreErrors.
        is_lost: whether a connection is of no use any more, and another is to be opened.
    """

    def __init__(
        self,
        opened: Callable[[], Connection],
        explained: Callable[[], AbstractContextManager[None]],
        is_lost: Callable[[Connection], bool],
    ) -> None:
        self._given = opened, explained, is_lost
        # Re-entrant, so that a signal handler that records gets an error and not a deadlock.
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        _EVERY.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return ProcessConnection, self._given

    @contextmanager
    def held(self) -> Iterator[Connection]:
        """Yield the connection, to this thread alone.

        Raises:
            StoreError: for whatever goes wrong with it, there or in the block.
        """
        opened, explained, is_lost = self._given
        with self._lock, explained():
            if self._connection is not None and is_lost(self._connection):
                self.close()
            if self._connection is None:
                self._connection = opened()
            yield self._connection

    def open(self) -> None:
        """Open the connection now.

        Raises:
            StoreError: it cannot be opened.
        """
        with self.held():
            pass

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


_EVERY: WeakSet[ProcessConnection[Any]] = WeakSet()
_FORKING: list[ProcessConnection[Any]] = []


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
