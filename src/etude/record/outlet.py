"""The way of readings to one observer, which may be slow, or gone for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from etude.readings import Observer, Reading
from etude.record.thinning import FIRST_WIDTH, thinned
from etude.texts import shown

__all__ = ["Outlet"]

_LOG = logging.getLogger("etude")

RETRY_SECONDS = 1.0
# When the run has ended, somebody waits.
LAST_RETRY_SECONDS = 0.2
# So many readings wait for an observer that fails, before they are thinned.
MOST_WAITING = 50_000
# An observer that is in one call for longer than this when the run ends is not waited for.
MOST_SILENT_SECONDS = 60.0


class Outlet:
    """Hands batches to an observer in a thread of its own, and again where it failed.

    Args:
        observer: who is told.
        whose: the recorder, for messages.
        patience_seconds: how long it is tried again when the run has ended.
    """

    def __init__(self, observer: Observer, whose: str, patience_seconds: float) -> None:
        self._observer = observer
        self._name = shown(f"{whose}: {observer!r}")
        self._patience_seconds = patience_seconds
        self._waiting: deque[Sequence[Reading]] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._failing = self._crowded = False
        self._progressed = time.monotonic()
        self.thread = threading.Thread(target=self._run, name=f"etude {self._name}", daemon=True)
        self.thread.start()

    def give(self, readings: Sequence[Reading]) -> None:
        """Hand on the next readings."""
        with self._changed:
            self._waiting.append(readings)
            # The first batch may be on its way.
            if sum(map(len, self._waiting)) - len(self._waiting[0]) > MOST_WAITING:
                self._thin()
            self._changed.notify()

    def end(self) -> None:
        """Take no more; write what waits."""
        with self._changed:
            self._progressed = time.monotonic()
            self._deadline = time.monotonic() + self._patience_seconds
            self._changed.notify()

    def join(self) -> None:
        """Wait until all is written, or given up."""
        while self.thread.is_alive():
            self.thread.join(0.1)
            if time.monotonic() - self._progressed > self._patience_seconds + MOST_SILENT_SECONDS:
                self._give_up("it does not return")
                return

    def _run(self) -> None:
        error: BaseException | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._deadline is not None)
            error = self._write()
            with self._changed:
                if self._deadline is not None and (not self._waiting or time.monotonic() >= self._deadline):
                    break
                if error is not None and self._deadline is None:
                    self._changed.wait_for(lambda: self._deadline is not None, RETRY_SECONDS)
                elif error is not None:
                    self._changed.wait(LAST_RETRY_SECONDS)
        if self._waiting:
            self._give_up(shown(str(error)))
        try:
            getattr(self._observer, "close", _nothing)()
        except BaseException as last:
            _LOG.error("%s could not be closed: %s", self._name, _words(last))

    def _write(self) -> BaseException | None:
        """Write what waits, until something goes wrong; return it."""
        while self._waiting:
            try:
                # It stays where it is meanwhile, and is given again as it is: whatever an observer does to
                # what it is handed, nobody else sees it.
                self._observer.observe([reading.copy() for reading in self._waiting[0]])
            except BaseException as error:  # in this thread, SystemExit too ends nothing but the observer
                if not self._failing:
                    self._failing = True
                    _LOG.warning(
                        "%s takes no readings: %s; training goes on, they are kept in memory (at most %s, "
                        "then thinned), and it is tried again every %g s",
                        self._name, _words(error), f"{MOST_WAITING:,}", RETRY_SECONDS,
                    )  # fmt: skip
                return error
            with self._changed:
                self._waiting.popleft()
                self._progressed = time.monotonic()
        if self._failing:
            _LOG.warning("%s takes readings again, and has taken those that waited", self._name)
            self._failing = self._crowded = False
        return None

    def _thin(self) -> None:
        """Make room: half of what waits goes, and what happened stays."""
        first, *rest = self._waiting
        waiting = [reading for readings in rest for reading in readings]
        if not self._crowded:
            self._crowded = True
            _LOG.warning(
                "%s: more than %s readings wait; they are thinned, but for their jumps and extremes",
                self._name, f"{MOST_WAITING:,}",
            )  # fmt: skip
        width, most = FIRST_WIDTH, MOST_WAITING // 2
        while len(waiting) > most and width <= MOST_WAITING:
            waiting = thinned(waiting, width)
            width *= 2
        # All of it is edges: then every second.
        while len(waiting) > most:
            waiting = waiting[::2]
        self._waiting = deque([first, waiting])

    def _give_up(self, why: str) -> None:
        """Tell what becomes of those that wait: an observer may have somewhere to leave them."""
        waiting = [reading for readings in list(self._waiting) for reading in readings]
        try:
            become: str = getattr(self._observer, "leave", _lost)([reading.copy() for reading in waiting])
        except BaseException as error:
            become = f"{_lost(waiting)} ({_words(error)})"
        _LOG.error(
            "%s: the run has ended, and %s readings could not be written (%s); %s",
            self._name, f"{len(waiting):,}", why, shown(become),
        )  # fmt: skip


def _nothing() -> None:
    pass


def _lost(_: Sequence[Reading]) -> str:
    return "they are lost"


def _words(error: BaseException) -> str:
    return shown(f"{type(error).__name__}: {error}")
