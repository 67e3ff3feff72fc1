"""Readings as rows of a CSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence

from etude.errors import StoreError
from etude.files import given_path, write_whole
from etude.loggers.appending import append_whole
from etude.loggers.series import AXIS, TEXTS, numbers, texts
from etude.readings import Reading

__all__ = ["CsvObserver"]

# What every file of readings begins with.
_START = f"{','.join([AXIS, *TEXTS])},".encode()
_LONGEST_ROW = 2**24


class CsvObserver:
    """Writes one row for each update, and one column for each name; what a reading lacks is left empty.

    A file that is there is gone on with, as after a resume: where updates are repeated both rows stay, and
    the later one is what the run went on from. A column that comes up later is added at the right, and the
    file written anew beside the old one. Numbers are written so that they read back equal.

    Args:
        path: the file, one for each run; its folder must be there.

    Raises:
        StoreError: where it cannot be written, or is not a file of readings.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     observer = CsvObserver(f"{folder}/run.csv")
    ...     observer.observe([Reading(0, {"0": 0.1}, "warmup", {"loss": 2.5})])
    ...     observer.observe([Reading(1, {"0": 0.2}, "cosine", {"loss": 2.0, "accuracy": 0.5})])
    ...     print(observer.path.read_text(), end="")
    step,phase,override,lr/0,loss,accuracy
    0,warmup,,0.1,2.5,
    1,cosine,,0.2,2.0,0.5
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = given_path(path, "a CSV file")
        try:
            with self.path.open("ab+") as file:
                self._columns = _resume(file)
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot log to {str(self.path)!r}: {_why(error)}") from error

    def __repr__(self) -> str:
        return f"CsvObserver({str(self.path)!r})"

    def observe(self, readings: Sequence[Reading]) -> None:
        """Append the rows of all these readings, or none of them.

        Raises:
            StoreError: where they cannot be written.
        """
        if not readings:
            return
        rows = [_row(reading) for reading in readings]
        columns = list(dict.fromkeys([*self._columns, *(name for row in rows for name in row)]))
        block = _text([row.get(name, "") for name in columns] for row in rows)
        try:
            if len(columns) > len(self._columns):
                write_whole(self.path, _text([columns]) + self._widened(len(columns)) + block)
                self._columns = columns
            else:
                append_whole(self.path, block, start=_text([columns]))
        except OSError as error:
            raise StoreError(f"cannot log to {str(self.path)!r}: {_why(error)}") from error

    def _widened(self, columns: int) -> bytes:
        """The rows that are there, with an empty field for each new column."""
        with self.path.open("ab+") as file:
            file.seek(0)
            file.readline()
            rows = file.read().replace(b"\r\n", b"\n")
        return rows.replace(b"\n", b"," * (columns - len(self._columns)) + b"\n")


def _resume(file: io.BufferedRandom) -> list[str]:
    """The columns of a file that is there, whose last row is cut off if it was not written to its end."""
    file.seek(0)
    header = file.readline()
    if not (header.startswith(_START) or _START.startswith(header)):
        raise ValueError("there is something else in it; give another path")
    if not header.endswith(b"\n"):
        file.truncate(0)
        return []
    start = max(file.seek(0, os.SEEK_END) - _LONGEST_ROW, 0)
    file.seek(start)
    file.truncate(start + file.read().rindex(b"\n") + 1)
    return next(csv.reader([header.decode()]))


def _row(reading: Reading) -> dict[str, object]:
    row = {AXIS: reading.step, **texts(reading), **numbers(reading)}
    # One line each, so that a row that is cut off can be told from a whole one.
    return {_line(name): _line(value) if isinstance(value, str) else value for name, value in row.items()}


def _line(text: str) -> str:
    return " ".join(text.splitlines())


def _text(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
