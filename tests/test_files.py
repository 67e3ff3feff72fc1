"""Files that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.errors import StoreError
from etude.files import check_writable, write_whole


def test_the_content_replaces_what_was_there_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"old")
    assert write_whole(path, b"new") == path
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("report.html", b"new")]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no folder '.*nowhere'; make it first"):
        write_whole(tmp_path / "nowhere" / "report.html", b"new")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(StoreError, match=r"cannot save '.*taken'"):
        write_whole(tmp_path / "taken", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]


def test_a_path_is_refused_before_there_is_anything_to_write(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "report.html").write_bytes(b"old")
    for name, words in {
        "nowhere/report.html": "there is no folder '.*nowhere'; make it first",
        "taken": "cannot save '.*taken': Is a directory",
    }.items():
        for write in (check_writable, lambda path: write_whole(path, b"new")):
            with pytest.raises(StoreError, match=words):
                write(tmp_path / name)

    check_writable(tmp_path / "report.html")
    check_writable(tmp_path / "another.html")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "taken"]
    assert (tmp_path / "report.html").read_bytes() == b"old"
