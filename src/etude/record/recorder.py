"""Recording what every update used and saw, beside the training and not in its way."""

from __future__ import annotations

import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

from etude.errors import ScheduleError
from etude.planned import RunPlan
from etude.readings import Observer, Reading
from etude.record.outlet import Outlet
from etude.record.stored_run import StoredRun
from etude.record.thinning import Thinning

__all__ = ["Recorder"]

_LOG = logging.getLogger("etude")

# Twice in the second that may be lost, so that the observer has the other half to write.
BATCH_SECONDS = 0.5
# So many updates are worked out in a row.
MOST_AT_ONCE = 1024
# So many updates wait to be worked out, which they do only where nothing gets the processor but training.
MOST_WAITING = 500_000


class Update(Protocol):
    """An update that is over."""

    @property
    def number(self) -> int:
        """The how manieth it is in this process."""

    @property
    def step(self) -> float:
        """Its step."""


class Source(Protocol):
    """What is recorded: an ``etude.torch.Scheduler``."""

    @property
    def rank(self) -> int:
        """The number of this process among those that train together."""

    @property
    def plan(self) -> RunPlan:
        """What the run is to follow from here on."""

    def last_update(self) -> Any:
        """The last update, with all that its values depend on; nothing in it is changed later."""

    @property
    def readings(self) -> Any:
        """The function of updates and metrics that works out their readings; it needs no Source."""


Seen: TypeAlias = "tuple[Update, Mapping[str, float]]"


class Recorder:
    """Records every update of a run: ``recorder.log(loss=...)`` after each ``scheduler.step()``.

    It keeps them in a store, tells observers of them, or both. ``log`` only takes note; readings are worked
    out and written in the background, at least every second. So a process that is killed loses no more than
    its last second; one that ends in any other way, nothing. Use it as a context, or ``close`` it; the end of
    the program does it too.

    In the store the run counts as finished with the last value of each metric when it is closed, as failed
    where an exception ends the context, and otherwise as broken off.

    A store or observer that fails stops nothing: what it has not taken waits in memory, at most 50,000
    readings, and then thinned, until it is back.

    Args:
        scheduler: the ``etude.torch.Scheduler`` of the run.
        observers: who is told, each in a thread of its own, such as those of ``etude.loggers``.
        to: the store that the run is kept in: the path of an SQLite file, or the URL of a PostgreSQL
            database, as ``open_store`` takes them. The horizon or the schedules must have a length then.
        name: what to call the run; in the store, the text of its schedule where it is not given.
        task: what is trained, in the store: runs of one task are listed together.
        seed: what everything random in the run derives from, in the store.
        dense: so many updates at the beginning are kept as they are. Those after them are thinned, the later
            the more: see ``Thinning``. None keeps all.
        every_rank: record on all processes of a distributed run; else those of another rank than 0 do
            nothing.
        patience_seconds: how long observers that fail are tried again when the run has ended.

    Raises:
        ScheduleError: for something else than a Scheduler or observers, or neither observers nor a store.
        StoreError: where the store cannot be opened or written, or the run's length is not known; where
            another recorder writes to the file, folder or run of an observer.

    >>> from etude.torch import Scheduler
    >>> import torch
    >>> class Printer:
    ...     def observe(self, readings):
    ...         for reading in readings:
    ...             print(reading.step, reading.rates, reading.metrics)
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> scheduler = Scheduler(optimizer, Cosine(), Horizon(total=2))
    >>> with Recorder(scheduler, Printer()) as recorder:
    ...     for loss in [0.5, 0.25]:
    ...         optimizer.step()
    ...         scheduler.step()
    ...         recorder.log(loss=loss)
    0 {'0': 0.1} {'loss': 0.5}
    1 {'0': 0.05} {'loss': 0.25}
    """

    def __init__(
        self,
        scheduler: Source,
        *observers: Observer,
        to: str | Path | None = None,
        name: str | None = None,
        task: str = "",
        seed: int = 0,
        dense: int | None = 10_000,
        every_rank: bool = False,
        patience_seconds: float = 10.0,
    ) -> None:
        if not hasattr(scheduler, "last_update"):
            raise ScheduleError(
                f"a Recorder records an etude.torch.Scheduler; got {type(scheduler).__name__}"
            )
        strange = [observer for observer in observers if not callable(getattr(observer, "observe", None))]
        if strange:
            raise ScheduleError(
                f"an observer has a method observe(readings); got {strange[0]!r}; a store is given with to="
            )
        if to is None and not observers:
            raise ScheduleError("a Recorder needs a store, to='runs.sqlite', or observers; got neither")
        thinning = Thinning(dense)
        self._scheduler = scheduler
        self._number: int = scheduler.last_update().number
        self._logged = False
        self._background: _Background | None = None
        self._stored: StoredRun | None = None
        if every_rank or scheduler.rank == 0:
            with _opened(observers):
                if to is not None:
                    self._stored = StoredRun.start(to, scheduler.plan, name, task, seed)
                    observers = (self._stored, *observers)
            whose = "Recorder" if name is None else f"Recorder of {name}"
            outlets = [Outlet(observer, whose, patience_seconds) for observer in observers]
            self._background = _Background(scheduler.readings, thinning, outlets)
            # At the end of the program, too, and when nobody has the Recorder any more.
            self._finish = weakref.finalize(self, self._background.close)

    def log(self, **metrics: float) -> None:
        """Take note of the last update, and of what was measured in it.

        Call it once after each ``scheduler.step()``, with metrics or without: asking a GPU for its loss waits
        for it. An update that a scaler has left out is recorded too, at the step that was tried.

        Args:
            metrics: numbers, or what has ``item()`` or ``float()``.

        Raises:
            ScheduleError: where there was no update since the last call, in a forked process, after
                ``close``, at a fraction of a step, and for a metric that is no number.
        """
        background = self._background
        if background is None:
            return
        update = self._scheduler.last_update()
        if update.number == self._number or background.refusal is not None or update.step % 1:
            self._refuse(background, update)
        values = {
            name: value if type(value) is float else _number(name, value) for name, value in metrics.items()
        }
        self._number, self._logged = update.number, True
        background.note(update, values)

    @property
    def run_id(self) -> int | None:
        """The run's number in the store; None where it is kept in none."""
        return None if self._stored is None else self._stored.run_id

    def close(self, error: BaseException | None = None) -> None:
        """Write all that was logged, end the run, and let the observers go; it cannot log any more then.

        Args:
            error: what has ended the run early.
        """
        if self._background is not None and self._finish.alive:
            if self._stored is not None and error is None:
                self._stored.finish()
            elif self._stored is not None and error is not None:
                self._stored.fail(error)
            self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def _refuse(self, background: _Background, update: Update) -> None:
        if background.refusal is not None:
            raise ScheduleError(background.refusal)
        if update.number == self._number:
            since = "since the last log()" if self._logged else "since this Recorder was built"
            raise ScheduleError(
                f"log() tells of an update that is over, and there was none {since}; call it once after each "
                f"scheduler.step()"
            )
        raise ScheduleError(f"readings are of whole steps; the last update was at {update.step!r}")


@contextmanager
def _opened(observers: Sequence[Observer]) -> Iterator[None]:
    """Open the observers that want it; where one cannot be, or the block fails, they let go again."""
    with ExitStack() as stack:
        for observer in observers:
            if callable(opens := getattr(observer, "open", None)):
                opens()
                stack.callback(getattr(observer, "close", _nothing))
        yield
        stack.pop_all()


def _nothing() -> None:
    pass


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        # A tensor's item() is a number; its float() warns where it has a gradient.
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise ScheduleError(f"the metric {name!r} must be a number; got {value!r}") from None


class _Background:
    """What works readings out of what was noted, and hands them on."""

    def __init__(self, readings: Any, thinning: Thinning, outlets: Sequence[Outlet]) -> None:
        self.refusal: str | None = None
        self._readings = readings
        self._thinning = thinning
        self._outlets = outlets
        self._noted: deque[Seen] = deque()
        self._dropped = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="etude Recorder", daemon=True)
        self._thread.start()
        _EVERY.add(self)

    def note(self, update: Update, metrics: Mapping[str, float]) -> None:
        """Take note of an update."""
        if len(self._noted) < MOST_WAITING:
            self._noted.append((update, metrics))
        else:
            self._dropped += 1

    def close(self) -> None:
        """Hand on all that was noted, and wait until it is written."""
        if self.refusal is None:
            self.refusal = "this Recorder is closed; build another to go on"
            self._ending.set()
            # Python may find in any thread that nobody has the Recorder any more, in these too.
            threads = {self._thread, *(outlet.thread for outlet in self._outlets)}
            if threading.current_thread() not in threads:
                self._thread.join()
                for outlet in self._outlets:
                    outlet.join()

    def forget(self) -> None:
        """Leave everything to the process that this one was forked from."""
        self.refusal = "this Recorder belongs to the process that built it; build one in the forked process"
        self._noted = deque()

    def _run(self) -> None:
        ending = False
        while not ending:
            ending = self._ending.wait(BATCH_SECONDS)
            readings: list[Reading] = []
            left = len(self._noted)  # more are noted meanwhile
            while left:
                few = min(left, MOST_AT_ONCE)
                readings += self._worked_out([self._noted.popleft() for _ in range(few)])
                left -= few
            if kept := self._thinning.take(readings):
                for outlet in self._outlets:
                    outlet.give(kept)
            if self._dropped:
                _LOG.error("Recorder: %s updates are lost, for too many waited to be recorded", self._dropped)
                self._dropped = 0
        for outlet in self._outlets:
            outlet.end()

    def _worked_out(self, seen: list[Seen]) -> list[Reading]:
        try:
            readings: list[Reading] = self._readings(seen)
        except BaseException:  # a user's function that is a schedule may do anything, such as sys.exit()
            if len(seen) > 1:
                return [reading for one in seen for reading in self._worked_out([one])]
            _LOG.exception("Recorder: what update %s used cannot be worked out", seen[0][0].step)
            return []
        return readings


_EVERY: weakref.WeakSet[_Background] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for background in list(_EVERY):
        background.forget()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
