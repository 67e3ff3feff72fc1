"""Recording the run of a trainer: a reading for each update, with all that is measured there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etude.errors import ScheduleError
from etude.record import Recorder
from etude.torch import Scheduler

__all__ = ["Recording"]


class Recording:
    """A Recorder that logs an update when the next one is about to begin: until then it may be validated.

    Args:
        scheduler: the one whose run is recorded.
        observers: as those of a ``Recorder``.
        options: likewise.

    Raises:
        ScheduleError: for what is no Scheduler.
    """

    def __init__(self, scheduler: object, observers: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        if not isinstance(scheduler, Scheduler):
            raise ScheduleError(
                "Record records an etude.torch.Scheduler, and the trainer's optimizer has "
                f"{'none' if scheduler is None else type(scheduler).__name__}"
            )
        self._scheduler = scheduler
        self.recorder = Recorder(scheduler, *observers, **options)
        self._number = self._scheduler.last_update().number
        self._measured: dict[str, Any] = {}

    @property
    def has_news(self) -> bool:
        """Whether there was an update that was not logged yet."""
        return self._scheduler.last_update().number != self._number

    def measured(self, metrics: Mapping[str, Any]) -> None:
        """Take note of what was measured in the last update, or after it."""
        self._measured.update(metrics)

    def log(self) -> None:
        """Log the last update, if there was one since; what was measured before the first is of none."""
        if self.has_news:
            self._number = self._scheduler.last_update().number
            self.recorder.log(**self._measured)
        self._measured = {}

    def broken_off(self) -> None:
        """Let go of a run that has not been ended, as after Ctrl-C; nothing where it has."""
        self.recorder.close(KeyboardInterrupt())

    def close(self, error: BaseException | None = None) -> None:
        """Log the last update, and end the run."""
        self.log()
        self.recorder.close(error)
