"""Readings as rows of a CSV file."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from etude.errors import StoreError
from etude.files import given_path, write_whole
from etude.loggers.appending import append_whole
from etude.loggers.claim import Claim
from etude.loggers.series import AXIS, TEXTS, numbers, texts
from etude.readings import Reading
from etude.texts import shown

__all__ = ["CsvObserver"]

# What every file of readings begins with.
_START = f"{','.join([AXIS, *TEXTS])},".encode()
_LONGEST_ROW = 2**24
# Quotes before it are counted in, so that each name is written in another way.
_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠]")
_LOG = logging.getLogger("etude")


class CsvObserver:
    """Writes one row for each update, and one column for each name; what a reading lacks is left empty.

    A file that is there is gone on with, as after a resume: where updates are repeated both rows stay, and
    the later one is what the run went on from. A column that comes up later is added at the right, and the
    file written anew beside the old one. Numbers are written so that they read back equal. A name or text
    that begins with ``=``, ``+``, ``-`` or ``@`` has a ``'`` before it, so that no spreadsheet runs it.

    A file has one writer: while an observer has it, another is refused, in other processes too. Where it is
    taken away meanwhile, that is told, and another begun; what it has not taken by the end is left in a file
    among temporary ones.

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
        self._columns: list[str] = []
        self._seen: os.stat_result | None = None
        self._claim = Claim(
            f"cannot log to {str(self.path)!r}",
            "give each a file of its own, such as CsvObserver('run-2.csv')",
            self.path,
        )
        try:
            with self.path.open("ab+") as file:
                _header(file)
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot log to {str(self.path)!r}: {_why(error)}") from error

    def __repr__(self) -> str:
        return f"CsvObserver({str(self.path)!r})"

    def open(self) -> None:
        """Have the file for this observer alone, until ``close``; a Recorder does it when it is built.

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
        if self._seen is not None and _is_there(self.path, self._seen):
            return
        try:
            with self.path.open("ab+") as file:
                self._claim.take()
                self._columns = _resume(file)
            seen, self._seen = self._seen, self.path.stat()
        except StoreError:
            raise
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot log to {str(self.path)!r}: {_why(error)}") from error
        if seen is not None:
            _LOG.warning(
                "%r was removed, replaced or cut short while it was written to; what was in it before is not "
                "in the one that is gone on with",
                self,
            )

    def observe(self, readings: Sequence[Reading]) -> None:
        """Append the rows of all these readings, or none of them.

        Raises:
            StoreError: where another writes to the file, or they cannot be written.
        """
        if not readings:
            return
        self._prepare()
        rows = [_row(reading) for reading in readings]
        columns = list(dict.fromkeys([*self._columns, *(name for row in rows for name in row)]))
        block = _text([row.get(name, "") for name in columns] for row in rows)
        try:
            if len(columns) > len(self._columns):
                content = _text([columns]) + self._widened(len(columns)) + block
                write_whole(self.path, content, before=self._claim.move)
                self._columns = columns
            else:
                append_whole(self.path, block, start=_text([columns]))
            self._seen = self.path.stat()
        except OSError as error:
            raise StoreError(f"cannot log to {str(self.path)!r}: {_why(error)}") from error

    def leave(self, readings: Sequence[Reading]) -> str:
        """Write what the file has not taken by the end into another, among temporary files; say where it is.

        Raises:
            StoreError: where it cannot be written there either.
        """
        other = CsvObserver(Path(tempfile.gettempdir()) / f"etude-{secrets.token_hex(4)}.csv")
        other.observe(readings)
        other.close()
        return f"what it lacks is in {other.path}"

    def close(self) -> None:
        """Let others have the file."""
        self._claim.release()
        self._seen = None

    def _widened(self, columns: int) -> bytes:
        """The rows that are there, with an empty field for each new column."""
        with self.path.open("ab+") as file:
            file.seek(0)
            file.readline()
            rows = file.read().replace(b"\r\n", b"\n")
        return rows.replace(b"\n", b"," * (columns - len(self._columns)) + b"\n")


def _header(file: io.BufferedRandom) -> bytes:
    """The first line of a file of readings, which may be cut off."""
    file.seek(0)
    header = file.readline()
    if not (header.startswith(_START) or _START.startswith(header)):
        raise ValueError("there is something else in it; give another path")
    return header


def _resume(file: io.BufferedRandom) -> list[str]:
    """The columns of a file that is there, whose last row is cut off if it was not written to its end."""
    header = _header(file)
    if not header.endswith(b"\n"):
        file.truncate(0)
        return []
    start = max(file.seek(0, os.SEEK_END) - _LONGEST_ROW, 0)
    file.seek(start)
    file.truncate(start + file.read().rindex(b"\n") + 1)
    return [_read(name) for name in next(csv.reader([header.decode()]))]


def _is_there(path: Path, seen: os.stat_result) -> bool:
    """Whether a file is the one that was seen, with all that was in it."""
    try:
        now = path.stat()
    except OSError:
        return False
    return os.path.samestat(now, seen) and now.st_size >= seen.st_size


def _row(reading: Reading) -> dict[str, object]:
    row = {AXIS: reading.step, **texts(reading), **numbers(reading)}
    # One line each, so that a row that is cut off can be told from a whole one.
    return {_line(name): _line(value) if isinstance(value, str) else value for name, value in row.items()}


def _line(text: str) -> str:
    return shown(" ".join(text.splitlines()))


def _text(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    cells = ([_written(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(cells)
    return text.getvalue().encode()


def _written(text: str) -> str:
    """The text, with a quote before what a spreadsheet would take for a formula, and run."""
    return f"'{text}" if _FORMULA.match(text) else text


def _read(cell: str) -> str:
    """What ``_written`` wrote."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
