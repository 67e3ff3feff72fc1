"""Blocks at the end of a file: whole, or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["append_whole"]


def append_whole(path: Path, block: bytes, *, start: bytes = b"") -> None:
    """Append a block; where there is no room for all of it, the file stays as it was.

    Args:
        path: the file; it is made where it is not there.
        block: what to append.
        start: what comes before it in an empty file.

    Raises:
        OSError: where it cannot be written.
    """
    # Not buffered: what a full disk has refused must not be written later, after it came again.
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(block if size else start + block)
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise
