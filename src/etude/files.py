"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from etude.errors import StoreError

__all__ = ["write_whole"]


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
    if not path.parent.is_dir():
        raise StoreError(f"cannot save {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"cannot save {str(path)!r}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
