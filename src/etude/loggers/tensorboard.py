"""Readings in TensorBoard."""

from __future__ import annotations

import io
import logging
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from etude.errors import StoreError
from etude.files import given_path
from etude.loggers.appending import append_whole
from etude.loggers.claim import Claim
from etude.loggers.series import numbers, texts
from etude.readings import Reading

__all__ = ["TensorBoardObserver"]

_LOG = logging.getLogger("etude")


class TensorBoardObserver:
    """Writes the numbers of each update as scalars, and the phase as text where it changes.

    A folder that is there is gone on with, as after a resume: what it holds from the first update on that
    comes now is no longer shown. TensorBoard keeps 32 bits of a number.

    A folder has one writer: while an observer has it, another is refused, in other processes too. Where its
    file is taken away meanwhile, that is told, and another begun; what it has not taken by the end is left in
    a folder among temporary ones.

    Args:
        folder: TensorBoard's folder of this run; it is made where it is not there.

    Raises:
        StoreError: where it cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     observer = TensorBoardObserver(folder)
    ...     observer.observe([Reading(0, {"0": 0.1}, "warmup", {"loss": 2.5})])
    ...     [path.name[:20] for path in observer.folder.iterdir()]
    ['events.out.tfevents.']
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = given_path(folder, "TensorBoard's folder")
        # TensorBoard reads the files of a folder in the order of their names: two of one second, too.
        seconds, rest = divmod(time.time_ns(), 10**9)
        name = f"events.out.tfevents.{seconds:010d}.{rest:09d}.{socket.gethostname()}.{os.getpid()}"
        self._path = self.folder / name
        self._texts: dict[str, str] = {}
        self._claim = Claim(
            f"cannot log to TensorBoard's folder {str(self.folder)!r}",
            "give each a folder of its own, such as TensorBoardObserver('runs/2')",
            self.folder,
        )
        self._make()

    def __repr__(self) -> str:
        return f"TensorBoardObserver({str(self.folder)!r})"

    def open(self) -> None:
        """Have the folder for this observer alone, until ``close``; a Recorder does it when it is built.

        Raises:
            StoreError: where another writes to it, or it cannot be written.
        """
        self._claim.open()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self._claim.take()
        # Where the folder is not there, writing tells of it: it may come back.
        if not self._path.exists() and self.folder.is_dir():
            self._make()
            self._texts = {}
            _LOG.warning("%r: its file was removed while it was written to, and another is begun", self)

    def observe(self, readings: Sequence[Reading]) -> None:
        """Write all these readings to the disk, or none of them.

        Raises:
            StoreError: where another writes to the folder, or they cannot be written.
        """
        if not readings:
            return
        self._prepare()
        now, last = time.time(), dict(self._texts)
        # What earlier files have from here on is hidden by the start of a session.
        start = [
            Event(wall_time=now, file_version="brain.Event:2"),
            Event(wall_time=now, step=readings[0].step, session_log=SessionLog(status=SessionLog.START)),
        ]
        try:
            append_whole(self._path, _records(_events(readings, now, last)), start=_records(start))
        except OSError as error:
            raise self._error(error) from error
        self._texts = last

    def leave(self, readings: Sequence[Reading]) -> str:
        """Write what the folder has not taken by the end into another, among temporary ones; say where.

        Raises:
            StoreError: where it cannot be written there either.
        """
        other = TensorBoardObserver(Path(tempfile.gettempdir()) / f"etude-{secrets.token_hex(4)}")
        other.observe(readings)
        other.close()
        return f"what it lacks is in {other.folder}"

    def close(self) -> None:
        """Let others have the folder."""
        self._claim.release()

    def _make(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            append_whole(self._path, b"")
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> StoreError:
        return StoreError(f"cannot log to TensorBoard's folder {str(self.folder)!r}: {error.strerror}")


def _events(readings: Sequence[Reading], now: float, last: dict[str, str]) -> Iterator[Event]:
    """One event for each reading; ``last`` are the texts that were written last."""
    for reading in readings:
        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers(reading).items()]
        summary = Summary(value=values)
        for name, text in texts(reading).items():
            if text != last.get(name, ""):
                summary.MergeFrom(text_pb(name, text))
                last[name] = text
        yield Event(wall_time=now, step=reading.step, summary=summary)


def _records(events: Iterable[Event]) -> bytes:
    block = io.BytesIO()
    writer = RecordWriter(block)
    for event in events:
        writer.write(event.SerializeToString())
    return block.getvalue()
