"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from etude.errors import StoreError
from etude.files import check_writable, given_path, write_whole


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


@pytest.mark.parametrize(
    "write", [check_writable, lambda path: write_whole(path, b"new")], ids=["check", "write"]
)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ru\0n.html", r"cannot save '.*ru\\x00n\.html': embedded null byte"),
        ("a\0b/run.html", r"there is no folder '.*a\\x00b'; make it first"),
        ("x" * 300, "cannot save '.*x': File name too long"),
        ("x" * 300 + "/run.html", r"cannot save '.*run\.html': File name too long"),
    ],
    ids=["nul", "folder with nul", "name", "folder"],
)
def test_d7_a_path_that_no_system_takes_is_refused(tmp_path: Path, write: Any, name: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_d7_a_name_may_be_as_long_as_the_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".html")
    assert write_whole(path, b"new").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_d7_a_pipe_is_left_where_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for write in (check_writable, lambda path: write_whole(path, b"new")):
        with pytest.raises(StoreError, match=r"pipe': it is not an ordinary file; give another path"):
            write(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("given", [7, None, b"run.csv"], ids=repr)
def test_d7_what_is_no_path_is_refused(given: Any) -> None:
    with pytest.raises(StoreError, match=r"a log has a path, such as 'folder/name'; got "):
        given_path(given, "a log")
