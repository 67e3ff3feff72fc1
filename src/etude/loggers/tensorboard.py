"""Readings in TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etude.errors import MissingError, StoreError
from etude.loggers.series import numbers, texts
from etude.readings import Reading

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]

__all__ = ["TensorBoardObserver"]


class TensorBoardObserver:
    """Writes the numbers of each update as scalars, and the phase as text where it changes.

    A folder that is there is gone on with, as after a resume: what it holds from the first update on that
    comes now is no longer shown. TensorBoard keeps 32 bits of a number.

    Args:
        folder: TensorBoard's folder of this run; it is made where it is not there.

    Raises:
        StoreError: where it cannot be written.
        MissingError: where tensorboard is not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     observer = TensorBoardObserver(folder)
    ...     observer.observe([Reading(0, {"0": 0.1}, "warmup", {"loss": 2.5})])
    ...     observer.close()
    ...     [path.name[:20] for path in observer.folder.iterdir()]
    ['events.out.tfevents.']
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.plugins.text.summary_v2 import (  # type: ignore[import-untyped]
                text_pb,
            )
            from tensorboard.summary.writer.event_file_writer import (  # type: ignore[import-untyped]
                EventFileWriter,
            )
        except ImportError as error:
            raise MissingError(
                "logging to TensorBoard needs tensorboard, which is not installed; run: pip install tensorboard"
            ) from error
        self.folder = Path(folder)
