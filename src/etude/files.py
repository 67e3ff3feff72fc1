"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etude.errors import StoreError

__all__ = ["check_writable", "write_whole"]


def write_whole(path: Path, content: bytes) -> Path:
    """Write beside the path, then move over it: a reader sees the old file or the whole new one.

    Args:
        path: the file; its folder must be there.
        content: all of it.

    Returns:
        the path.

    Raises:
        StoreError: where it cannot be written; nothing is left behind.
    """
    with _beside(path) as temporary:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    return path


def check_writable(path: Path) -> None:
    """Refuse a path that ``write_whole`` could not write to, before there is anything to write.

    Raises:
        StoreError: as ``write_whole`` would.
    """
    with _beside(path) as temporary:
        temporary.touch(exist_ok=False)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give the name of another file in the same folder, which is gone in the end."""
    if not path.parent.is_dir():
        raise StoreError(f"cannot save {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
    except OSError as error:
        raise StoreError(f"cannot save {str(path)!r}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
