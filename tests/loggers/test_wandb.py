"""Readings in W&B, offline, read back from the records that it syncs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from wandb.proto.wandb_internal_pb2 import Record

import etude as et
from etude.errors import StoreError
from etude.loggers.wandb import WandbObserver
from etude.readings import Reading
from etude.record import Recorder
from etude.torch import Scheduler
from tests.loggers.runs import COOLDOWN, NAMES, PLATEAU, reading, readings

# A record that starts, goes on or ends in a block of the file, and one that is whole in it.
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
BLOCK, FILE_HEADER, HEADER = 32768, 7, 7


@pytest.fixture
def run(tmp_path: Path) -> Iterator[wandb.Run]:
    settings = wandb.Settings(console="off", silent=True, disable_git=True, x_disable_stats=True)
    with wandb.init(mode="offline", project="etude", dir=tmp_path, settings=settings) as run:
        yield run


def records(run: wandb.Run) -> Iterator[Record]:
    """The records of a run's file, once it is finished: a log in LevelDB's format."""
    run.finish()
    wandb.teardown()  # waits for the process that writes the file
    (path,) = Path(run.dir).parent.glob("*.wandb")
    data, place, whole = path.read_bytes(), FILE_HEADER, b""
    assert data.startswith(b":W&B")
    while place < len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (FULL, LAST):
            yield Record.FromString(whole)
            whole = b""


def rows(run: wandb.Run) -> list[dict[str, Any]]:
    """The run's history, without what W&B adds."""
    histories = [record.history for record in records(run) if record.WhichOneof("record_type") == "history"]
    found = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in history.item}
        for history in histories
    ]
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in found]


def test_a_row_of_the_history_is_an_update(run: wandb.Run) -> None:
    observer = WandbObserver(run)
    observer.observe(readings(0, 2))
    observer.observe(readings(2, 4))

    found = rows(run)
    assert [row["step"] for row in found] == [0, 1, 2, 3]
    assert set(found[0]) == {"step", "phase", "override", *NAMES}
    assert [row["lr/head"] for row in found] == [reading(step).rates["head"] for step in range(4)]
    assert [row["phase"] for row in found] == ["linear", "linear", "cosine", "cosine"]
    assert [row["override"] for row in found] == ["", "", "", COOLDOWN]


def test_every_name_is_drawn_over_the_update_and_no_other(run: wandb.Run) -> None:
    observer = WandbObserver(run)
    observer.observe(readings(0, 2))
    observer.observe([reading(2, **{"top*": 0.5})])
    run.log({"other": 1.0})

    defined = [record.metric for record in records(run) if record.WhichOneof("record_type") == "metric"]
    # W&B defines the axis too.
    axes = {
        metric.name.replace("\\.", "."): metric.step_metric for metric in defined if metric.name != "step"
    }
    assert axes == dict.fromkeys([*NAMES, "phase", "override"], "step")
    assert not any(metric.glob_name for metric in defined)
    assert f"factor/{PLATEAU}" in axes


def test_a_recorder_may_log_in_the_background(run: wandb.Run) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = Scheduler(optimizer, et.linear(), et.Horizon(total=20))
    used = []
    with Recorder(scheduler, WandbObserver(run)) as recorder:
        for step in range(20):
            used.append((step, optimizer.param_groups[0]["lr"], float(step)))
            optimizer.step()
            scheduler.step()
            recorder.log(loss=step)

    assert [(row["step"], row["lr/0"], row["loss"]) for row in rows(run)] == used


def test_updates_that_are_done_again_are_kept(run: wandb.Run) -> None:
    observer = WandbObserver(run)
    observer.observe(readings(0, 4))
    observer.observe(readings(2, 5))

    assert [row["step"] for row in rows(run)] == [0, 1, 2, 3, 2, 3, 4]


def test_no_number_is_too_odd(run: wandb.Run) -> None:
    values = [math.nan, math.inf, -math.inf, 1e-300]
    WandbObserver(run).observe([Reading(step, {}, "", {"loss": value}) for step, value in enumerate(values)])

    assert [str(row["loss"]) for row in rows(run)] == ["nan", "inf", "-inf", "1e-300"]


def test_a_run_that_is_finished_takes_nothing(run: wandb.Run) -> None:
    observer = WandbObserver(run)
    run.finish()
    with pytest.raises(StoreError, match=f"cannot log to the W&B run {run.id}: .*finished"):
        observer.observe(readings(0, 1))


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(TypeError, match=r"takes the run that wandb\.init\(\.\.\.\) returns; got 'etude'"):
        WandbObserver("etude")  # type: ignore[arg-type]


def test_b5_a_second_recorder_of_one_run_is_refused(run: wandb.Run) -> None:
    first, second = WandbObserver(run), WandbObserver(run)
    first.observe(readings(0, 2))

    with pytest.raises(
        StoreError, match=r"the W&B run .*: another recorder writes to it; .* wandb\.init\(reinit="
    ):
        second.open()
    first.close()
    second.open()
