"""Readings in TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from etude.errors import StoreError
from etude.loggers.series import numbers, texts
from etude.readings import Reading

__all__ = ["TensorBoardObserver"]


class TensorBoardObserver:
    """Writes the numbers of each update as scalars, and the phase as text where it changes.

    A folder that is there is gone on with, as after a resume: what it holds from the first update on that
    comes now is no longer shown. TensorBoard keeps 32 bits of a number.

    Args:
        folder: TensorBoard's folder of this run; it is made where it is not there.

    Raises:
        StoreError: where it cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     observer = TensorBoardObserver(folder)
    ...     observer.observe([Reading(0, {"0": 0.1}, "warmup", {"loss": 2.5})])
    ...     observer.close()
    ...     [path.name[:20] for path in observer.folder.iterdir()]
    ['events.out.tfevents.']
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._texts: dict[str, str] = {}
        self._writer: EventFileWriter | None = self._open()

    def observe(self, readings: Sequence[Reading]) -> None:
        """Write all these readings to the disk.

        Raises:
            StoreError: where they cannot be written; given again, they begin a new file.
        """
        if not readings:
            return
        if self._writer is None:
            self._writer = self._open()
        try:
            for event in self._events(readings):
                self._writer.add_event(event)
            self._writer.flush()
        except Exception as error:  # whatever came up in the writer's own thread or file system
            with suppress(Exception):
                self._writer.close()
            self._writer = None
            raise self._error(error) from error

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _open(self) -> EventFileWriter:
        self._begun = False
        try:
            return EventFileWriter(str(self.folder), max_queue_size=1000)
        except Exception as error:  # TensorFlow's own, where that is installed
            raise self._error(error) from error

    def _events(self, readings: Sequence[Reading]) -> Iterator[Event]:
        now = time.time()
        if not self._begun:
            # What earlier files have from here on is hidden by it.
            start = SessionLog(status=SessionLog.START)
            yield Event(wall_time=now, step=readings[0].step, session_log=start)
            self._begun, self._texts = True, {}
        for reading in readings:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers(reading).items()]
            summary = Summary(value=values)
            for name, text in texts(reading).items():
                if text != self._texts.get(name, ""):
                    summary.MergeFrom(text_pb(name, text))
                    self._texts[name] = text
            yield Event(wall_time=now, step=reading.step, summary=summary)

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"cannot log to TensorBoard's folder {str(self.folder)!r}: {error}")
