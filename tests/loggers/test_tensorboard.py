"""Readings in TensorBoard, read back with TensorBoard."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from etude.errors import StoreError
from etude.loggers.tensorboard import TensorBoardObserver
from etude.readings import Reading
from tests.loggers.runs import COOLDOWN, NAMES, reading, readings


def load(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def scalars(folder: Path, name: str) -> dict[int, float]:
    found = load(folder).Scalars(name)
    assert len({event.step for event in found}) == len(found)
    return {event.step: event.value for event in found}


def texts(folder: Path, name: str) -> dict[int, str]:
    return {event.step: event.tensor_proto.string_val[0].decode() for event in load(folder).Tensors(name)}


def test_every_number_is_a_scalar_over_the_update(tmp_path: Path) -> None:
    observer = TensorBoardObserver(tmp_path)
    observer.observe(readings(0, 3))
    observer.observe(readings(3, 5))

    assert sorted(load(tmp_path).Tags()["scalars"]) == sorted(NAMES)
    assert scalars(tmp_path, "lr/head") == {
        step: float(np.float32(reading(step).rates["head"])) for step in range(5)
    }
    assert scalars(tmp_path, "epoch") == {step: step / 4 for step in range(5)}


def test_texts_are_written_where_they_change(tmp_path: Path) -> None:
    observer = TensorBoardObserver(tmp_path)
    observer.observe(readings(0, 5))
    observer.observe([Reading(5, {"0": 0.1}, "cosine")])

    assert texts(tmp_path, "phase") == {0: "linear", 2: "cosine"}
    assert texts(tmp_path, "override") == {3: COOLDOWN, 5: ""}


def test_what_was_observed_is_on_the_disk_before_the_end(tmp_path: Path) -> None:
    observer = TensorBoardObserver(tmp_path)
    for stop in (1, 2, 3):
        observer.observe([reading(stop - 1)])
        assert len(scalars(tmp_path, "loss")) == stop


def test_no_number_is_too_odd(tmp_path: Path) -> None:
    TensorBoardObserver(tmp_path).observe(
        [Reading(step, {}, "", {"loss": value}) for step, value in enumerate([math.inf, math.nan, 1e-300])]
    )

    found = scalars(tmp_path, "loss")
    assert (found[0], found[2]) == (math.inf, 0)
    assert math.isnan(found[1])


def test_a_resumed_run_hides_what_it_does_again(tmp_path: Path) -> None:
    TensorBoardObserver(tmp_path).observe(readings(0, 6))
    second = TensorBoardObserver(tmp_path)
    second.observe([Reading(step, {"head": 0.5}, "cosine") for step in (4, 5, 6)])

    found = scalars(tmp_path, "lr/head")
    assert list(found) == [0, 1, 2, 3, 4, 5, 6]
    assert [found[step] for step in (4, 5, 6)] == [0.5] * 3
    assert texts(tmp_path, "phase")[4] == "cosine"


def test_after_a_failure_the_same_readings_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    observer = TensorBoardObserver(folder)
    observer.observe(readings(0, 3))
    kept = folder.rename(tmp_path / "kept")
    folder.write_text("in the way")
    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot log to TensorBoard's folder '.*run': Not a directory"):
            observer.observe(readings(3, 5))
    folder.unlink()
    shutil.move(kept, folder)

    observer.observe(readings(3, 6))

    assert list(scalars(folder, "lr/head")) == [0, 1, 2, 3, 4, 5]


def test_b2_a_file_that_is_taken_away_is_told_and_another_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    observer = TensorBoardObserver(folder)
    observer.observe(readings(0, 3))
    next(folder.iterdir()).unlink()

    observer.observe(readings(3, 5))
    observer.observe(readings(5, 6))

    assert list(scalars(folder, "lr/head")) == [3, 4, 5]
    assert texts(folder, "phase") == {3: "cosine"}
    assert [record.getMessage() for record in caplog.records] == [
        f"TensorBoardObserver('{folder}'): its file was removed while it was written to, and another is begun"
    ]


def test_b2_where_its_folder_is_gone_to_the_end_the_rest_is_left_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    observer = TensorBoardObserver(tmp_path / "run")
    observer.observe(readings(0, 2))
    shutil.rmtree(tmp_path / "run")

    with pytest.raises(StoreError, match=r"TensorBoard's folder '.*run': No such file or directory"):
        observer.observe(readings(2, 5))
    told = observer.leave(readings(2, 5))

    [left] = tmp_path.glob("etude-*")
    assert told == f"what it lacks is in {left}"
    assert list(scalars(left, "lr/head")) == [2, 3, 4]


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot log to TensorBoard's folder '.*file': File exists"):
        TensorBoardObserver(tmp_path / "file")


def test_it_needs_neither_torch_nor_tensorflow() -> None:
    program = (
        "import sys, etude.loggers.tensorboard; "
        "print(*[name for name in ('torch', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_d7_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(
        StoreError, match=r"^TensorBoard's folder has a path without NUL characters; got 'ru\\x00n"
    ):
        TensorBoardObserver("ru\0n.prom")
