from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from etude.errors import TaskError
from etude.study.tasks.idx import read_idx

ARRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
HEADER = bytes.fromhex("00 00 08 03  00 00 00 02  00 00 00 03  00 00 00 04")


@pytest.mark.parametrize(
    "array", [ARRAY, ARRAY.reshape(-1), np.zeros((0, 28, 28), np.uint8)], ids=["cube", "row", "empty"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_was_written_is_read(
    tmp_path: Path, idx_bytes: Callable[[NDArray[np.uint8]], bytes], array: NDArray[np.uint8], packed: bool
) -> None:
    content = idx_bytes(array)
    (tmp_path / ("images.gz" if packed else "images")).write_bytes(
        gzip.compress(content) if packed else content
    )
    read = read_idx(tmp_path / "images")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array, strict=True)


def test_the_header_is_big_endian(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(HEADER + ARRAY.tobytes())
    np.testing.assert_array_equal(read_idx(tmp_path / "images"), ARRAY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "images: starts with nothing, not with 00 00 08"),
        (b"\x00\x00", "images: starts with 00 00, not with 00 00 08"),
        (b"<html>moved</html>", "images: starts with 3c 68 74, not with 00 00 08"),
        (b"\x00\x00\x0d" + HEADER[3:], "images: starts with 00 00 0d, not with 00 00 08"),
        (HEADER[:3], "images: ends within its header, after 3 of 4 bytes"),
        (HEADER[:9], "images: ends within its header, after 9 of 16 bytes"),
        (
            HEADER + bytes(23),
            "images: holds 39 bytes unpacked; its header, for an array of (2, 3, 4), calls for 40",
        ),
        (
            HEADER + bytes(25),
            "images: holds 41 bytes unpacked; its header, for an array of (2, 3, 4), calls for 40",
        ),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(TaskError, match=re.escape(str(tmp_path)) + ".*" + re.escape(message)):
        read_idx(tmp_path / "images")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(HEADER + ARRAY.tobytes())[:-12], "images.gz: damaged or cut short"),
        (b"not a gzip file", "images.gz: damaged or cut short"),
        (gzip.compress(HEADER)[:10] + b"\xff" * 30, "images.gz: damaged or cut short"),
        (gzip.compress(HEADER), "images.gz: holds 16 bytes unpacked"),
    ],
    ids=["truncated", "not gzip", "garbled", "short inside"],
)
def test_a_bad_compressed_file_is_named_with_what_is_wrong(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "images.gz").write_bytes(content)
    with pytest.raises(TaskError, match=re.escape(message)):
        read_idx(tmp_path / "images")


def test_a_missing_file_is_named_with_both_its_names(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"labels: there is no such file, nor labels\.gz"):
        read_idx(tmp_path / "labels")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(TaskError, match=r"images: cannot be read \(Is a directory\)"):
        read_idx(tmp_path / "images")
