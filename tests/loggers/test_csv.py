"""Readings in a CSV file."""

from __future__ import annotations

import csv
import math
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.errors import StoreError
from etude.loggers.csv import CsvObserver
from etude.readings import Reading
from tests.loggers.runs import COOLDOWN, NAMES, reading, readings

RATE = {"0": 0.5}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def steps(path: Path) -> list[int]:
    return [int(row["step"]) for row in rows(path)]


def test_a_row_is_an_update_and_a_column_a_name(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    observer = CsvObserver(path)
    observer.observe(readings(0, 2))
    observer.observe(readings(2, 4))

    found = rows(path)
    assert list(found[0]) == ["step", "phase", "override", *NAMES]
    assert [(row["step"], row["phase"], row["override"]) for row in found] == [
        ("0", "linear", ""),
        ("1", "linear", ""),
        ("2", "cosine", ""),
        ("3", "cosine", COOLDOWN),
    ]
    assert [float(row["lr/head"]) for row in found] == [reading(step).rates["head"] for step in range(4)]


@given(st.lists(st.floats(), min_size=1))
def test_numbers_read_back_equal(values: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.csv"
        CsvObserver(path).observe([Reading(step, {"0": value}, "") for step, value in enumerate(values)])
        found = [float(row["lr/0"]) for row in rows(path)]
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found, values, strict=True))


def test_a_column_that_comes_later_keeps_the_rows_before(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    observer = CsvObserver(path)
    observer.observe([Reading(0, RATE, "a", {"loss": 1.0})])
    observer.observe([Reading(1, RATE, "a", {"loss": 2.0, "accuracy": 0.5}), Reading(2, RATE, "b")])
    observer.observe([Reading(3, RATE, "b", {"accuracy": 0.75})])

    assert path.read_text().splitlines() == [
        "step,phase,override,lr/0,loss,accuracy",
        "0,a,,0.5,1.0,",
        "1,a,,0.5,2.0,0.5",
        "2,b,,0.5,,",
        "3,b,,0.5,,0.75",
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_a_resumed_run_goes_on_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    CsvObserver(path).observe(readings(0, 4))
    observer = CsvObserver(path)
    observer.observe(readings(2, 5))
    observer.observe([reading(5, accuracy=0.5)])

    assert steps(path) == [0, 1, 2, 3, 2, 3, 4, 5]
    assert [row["accuracy"] for row in rows(path)] == [""] * 7 + ["0.5"]


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    CsvObserver(path).observe(readings(0, 3))
    whole = path.read_bytes()
    for cut in (1, 20, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        CsvObserver(path).observe(readings(2, 4))
        assert steps(path) == [0, 1, 2, 3]


def test_a_header_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    for torn in (b"", b"step,ph", b"step,phase,override,epo"):
        path.write_bytes(torn)
        CsvObserver(path).observe(readings(0, 2))
        assert steps(path) == [0, 1]


def test_a_file_that_was_taken_away_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    observer = CsvObserver(path)
    observer.observe(readings(0, 2))
    path.unlink()
    observer.observe(readings(2, 4))
    assert steps(path) == [2, 3]

    path.unlink()
    observer.observe([reading(4, accuracy=0.5)])
    assert steps(path) == [4]


def test_every_name_and_text_stays_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    name, text = 'a, "b"\n学', "one\r\ntwo, three"
    observer = CsvObserver(path)
    observer.observe([Reading(0, {name: 0.5}, text)])
    observer.observe([Reading(1, {name: 0.25}, text, {"loss": 1.0})])

    assert [row["phase"] for row in rows(path)] == ["one two, three"] * 2
    assert [row['lr/a, "b" 学'] for row in rows(path)] == ["0.5", "0.25"]
    assert len(path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("taken", ["removed", "renamed", "replaced", "emptied", "cut short"])
def test_b2_a_file_that_is_taken_away_is_told_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, taken: str
) -> None:
    path = tmp_path / "runs" / "run.csv"
    path.parent.mkdir()
    observer = CsvObserver(path)
    observer.observe(readings(0, 4))
    whole = path.read_bytes()
    if taken == "removed":
        path.unlink()
    elif taken == "renamed":
        path.rename(tmp_path / "kept.csv")
    elif taken == "replaced":
        other = CsvObserver(tmp_path / "other.csv")
        other.observe([Reading(100, {"other": 0.5}, "", {"accuracy": 0.5})])
        other.close()
        (tmp_path / "other.csv").replace(path)
    elif taken == "emptied":
        path.write_bytes(b"")
    else:
        path.write_bytes(whole[: len(whole) // 2])

    observer.observe(readings(4, 6))
    observer.observe(readings(6, 8))

    found = rows(path)[-4:]
    assert [int(row["step"]) for row in found] == [4, 5, 6, 7]
    assert [float(row["lr/head"]) for row in found] == [reading(step).rates["head"] for step in (4, 5, 6, 7)]
    assert all(None not in row for row in rows(path))
    assert [record.getMessage() for record in caplog.records] == [
        f"CsvObserver('{path}') was removed, replaced or cut short while it was written to; what was in it "
        f"before is not in the one that is gone on with"
    ]


def test_b2_where_its_folder_is_gone_to_the_end_the_rest_is_left_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "runs").mkdir()
    observer = CsvObserver(tmp_path / "runs" / "run.csv")
    observer.observe(readings(0, 2))
    shutil.rmtree(tmp_path / "runs")

    with pytest.raises(StoreError, match=r"cannot log to '.*run\.csv': No such file or directory"):
        observer.observe(readings(2, 5))
    told = observer.leave(readings(2, 5))
    observer.close()

    [left] = tmp_path.glob("etude-*.csv")
    assert told == f"what it lacks is in {left}"
    assert steps(left) == [2, 3, 4]


def test_b2_where_something_else_has_taken_its_place_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    observer = CsvObserver(path)
    observer.observe(readings(0, 2))
    path.unlink()
    path.write_text("my notes\n" * 1000)

    for ask in (observer.open, observer.open, lambda: observer.observe(readings(2, 4))):
        with pytest.raises(StoreError, match="there is something else in it; give another path"):
            ask()

    assert path.read_text() == "my notes\n" * 1000


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", " =1", "\t=1", "\r\n=1", "＝1", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_c3_no_name_and_no_text_is_a_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.csv"
    for step in range(2):
        observer = CsvObserver(path)
        observer.observe(
            [Reading(step, {"0": -0.5}, text, {text: -1.0}, {text: {text: -2.0}}, override=text)]
        )
        observer.observe([Reading(step + 10, {"0": -0.5}, text, {text: -3.0, f"{text}{step}": 1.0})])
        observer.close()

    with path.open(newline="", encoding="utf-8") as file:
        header, *found = csv.reader(file)
    assert not any(re.match(r"\s*[=+\-@＝]", cell) for cell in header)
    assert not any(re.match(r"\s*[=+\-@＝]", cell) for row in found for cell in row[1:3])
    # Resumed, its names are known again: each has one column.
    assert len(header) == len(set(header)) == 8
    assert [[float(cell) for cell in row[3:6] if cell] for row in found[::2]] == [[-0.5, -2.0, -1.0]] * 2


def test_c3_numbers_stay_numbers_and_other_names_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    CsvObserver(path).observe([Reading(0, {"a=b": -0.5}, "it's", {"'quoted'": -math.inf, "loss-": -0.0})])

    assert path.read_text() == "step,phase,override,lr/a=b,'quoted',loss-\n0,it's,,-0.5,-inf,-0.0\n"


@pytest.mark.parametrize("content", ["epoch,loss\n1,2\n", "my notes", "step, loss\n", "\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.csv"
    path.write_text(content)
    with pytest.raises(StoreError, match=r"notes\.csv': there is something else in it; give another path$"):
        CsvObserver(path)
    assert path.read_text() == content


def test_what_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot log to '.*gone/run\.csv': No such file or directory"):
        CsvObserver(tmp_path / "gone" / "run.csv")
    with pytest.raises(StoreError, match=r"cannot log to '.*': Is a directory"):
        CsvObserver(tmp_path)


FULL_DISK = """
import resource, sys
from etude.errors import StoreError
from etude.loggers.csv import CsvObserver
from tests.loggers.runs import readings

observer = CsvObserver(sys.argv[1])
observer.observe(readings(0, 3))
size = observer.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        observer.observe(readings(3, 6))
    except StoreError as error:
        print(error)
    assert observer.path.stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
observer.observe(readings(3, 6))
"""


def test_on_a_full_disk_readings_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, timeout=60, check=True
    )

    assert re.fullmatch(r"(cannot log to '.*run\.csv': File too large\n){2}", done.stdout)
    assert steps(path) == [0, 1, 2, 3, 4, 5]


def test_d7_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(StoreError, match=r"^a CSV file has a path without NUL characters; got 'ru\\x00n"):
        CsvObserver("ru\0n.prom")
