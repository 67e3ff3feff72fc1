"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etude.errors import StoreError

__all__ = ["check_writable", "given_path", "write_whole"]


def given_path(path: object, what: str) -> Path:
    """Return a path that a user gave.

    Args:
        path: what was given.
        what: what it is the path of, for the message.

    Raises:
        StoreError: for what is no path, and for one with a NUL, which no system takes.

    >>> given_path("run\\0.csv", "a log")
    Traceback (most recent call last):
    etude.errors.StoreError: a log has a path without NUL characters; got 'run\\x00.csv'
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(text := os.fspath(path), str):
        raise StoreError(f"{what} has a path, such as 'folder/name'; got {path!r}")
    if "\0" in text:
        raise StoreError(f"{what} has a path without NUL characters; got {text!r}")
    return Path(text)


def write_whole(path: Path, content: bytes, *, before: Callable[[Path], None] | None = None) -> Path:
    """Write beside the path, then move over it: a reader sees the old file or the whole new one.

    Args:
        path: the file; its folder must be there.
        content: all of it.
        before: called with the other path, before that is moved.

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
        if before is not None:
            before(temporary)
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
    # A name of its own, so that the path's may be as long as the system takes.
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        if not path.parent.is_dir():
            raise StoreError(
                f"cannot save {str(path)!r}: there is no folder {str(path.parent)!r}; make it first"
            )
        with suppress(FileNotFoundError):
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                # To move a file over a pipe or a device would take it away from everybody.
                raise StoreError(f"cannot save {str(path)!r}: it is not an ordinary file; give another path")
        yield temporary
    except StoreError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL
        raise StoreError(f"cannot save {str(path)!r}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
