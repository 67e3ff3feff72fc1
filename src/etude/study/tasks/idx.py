"""IDX, the format of MNIST and its successors.

A file is four bytes (0, 0, the type of the elements, the number of dimensions), then the length of each
dimension as a big-endian number of four bytes, then the elements row by row.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from etude.errors import TaskError

__all__ = ["read_idx"]

UNSIGNED_BYTES = bytes([0, 0, 8])
"""How a file of unsigned bytes starts, the one type that images and labels come in."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read the array in an IDX file of unsigned bytes.

    Args:
        path: the file; where it is missing, the compressed ``path.gz`` is read.

    Raises:
        TaskError: the file is missing, cannot be read, or is not one whole IDX file of unsigned bytes.
    """
    if not path.exists():
        packed = path.with_name(path.name + ".gz")
        if not packed.exists():
            raise TaskError(f"{path}: there is no such file, nor {packed.name}")
        path = packed
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TaskError(f"{path}: damaged or cut short ({error})") from error
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror})") from error

    if not content.startswith(UNSIGNED_BYTES):
        raise TaskError(
            f"{path}: starts with {content[:3].hex(' ') or 'nothing'}, not with "
            f"{UNSIGNED_BYTES.hex(' ')}, as an IDX file of unsigned bytes does"
        )
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if len(content) < start:
        raise TaskError(f"{path}: ends within its header, after {len(content)} of {start} bytes")
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise TaskError(
            f"{path}: holds {len(content):,} bytes unpacked; its header, for an array of {shape}, "
            f"calls for {expected:,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
