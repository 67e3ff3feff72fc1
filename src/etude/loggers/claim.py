"""One writer to one place."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from etude.errors import StoreError

if sys.platform != "win32":
    import fcntl

__all__ = ["Claim"]


class Claim:
    """That one observer, and no other, writes to a place, until it lets go of it.

    Others of this process are always seen. Those of other processes are where the place is a file or a
    folder, by a lock on it that ends with the process, however that ends; not so on Windows, or on a file
    system without locks.

    Args:
        place: the place in words, as messages begin with.
        instead: what a second one does instead.
        path: the file or folder, where it is one.
    """

    def __init__(self, place: str, instead: str, path: Path | None = None) -> None:
        self._given = place, instead, path
        self._key = place if path is None else os.path.realpath(path)
        self._descriptor: int | None = None
        self._is_open = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Claim, self._given

    def __del__(self) -> None:
        self._let_go()

    def open(self) -> None:
        """Take the place for one recorder: two may share an observer as little as a place.

        Raises:
            StoreError: where it is another's.
        """
        if self._is_open:
            raise self._refusal("recorder")
        self.take()
        self._is_open = True

    def take(self) -> None:
        """See that the place is this one's, as it is there now: it may have been put there anew.

        Raises:
            StoreError: where it is another's.
        """
        _, _, path = self._given
        with _LOCK:
            holder = _HELD.get(self._key)
            if holder is not None and holder is not self:
                raise self._refusal("recorder")
            if path is not None and not _is_at(self._descriptor, path):
                self._lock(path)
            _HELD[self._key] = self

    def move(self, path: Path) -> None:
        """Hold another file, which is about to be moved to the place."""
        self._lock(path)

    def release(self) -> None:
        """Let go of it, for others."""
        self._is_open = False
        with _LOCK:
            if _HELD.get(self._key) is self:
                del _HELD[self._key]
            self._let_go()

    def _lock(self, path: Path) -> None:
        if sys.platform == "win32":
            return
        while True:
            try:
                descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
            except OSError:
                return  # whoever writes there is told why it cannot
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise self._refusal("process") from None
            except OSError:  # a file system without locks
                os.close(descriptor)
                return
            if _is_at(descriptor, path):
                self._let_go()
                self._descriptor = descriptor
                return
            os.close(descriptor)  # another was put there meanwhile

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _refusal(self, whose: str) -> StoreError:
        place, instead, _ = self._given
        return StoreError(f"{place}: another {whose} writes to it; {instead}, or close that one first")

    def _after_fork_in_child(self) -> None:
        self._is_open = False
        # The parent's lock stays; it would outlive the parent if this copy stayed, too.
        self._let_go()


def _is_at(descriptor: int | None, path: Path) -> bool:
    try:
        return descriptor is not None and os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


_HELD: WeakValueDictionary[str, Claim] = WeakValueDictionary()
_LOCK = threading.Lock()


def _after_fork_in_child() -> None:
    global _LOCK  # noqa: PLW0603 another thread may have held it
    _LOCK = threading.Lock()
    for claim in list(_HELD.values()):
        claim._after_fork_in_child()
    _HELD.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
