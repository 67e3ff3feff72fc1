"""Loggers behind a Recorder, as a training run has them."""

from __future__ import annotations

import csv
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from torch.optim import SGD, Optimizer

import etude as et
from etude import BASE
from etude.loggers.csv import CsvObserver
from etude.loggers.mlflow import MLflowObserver
from etude.loggers.prometheus import PrometheusObserver
from etude.loggers.tensorboard import TensorBoardObserver
from etude.record import Recorder
from etude.torch import Scheduler
from tests.loggers.test_prometheus import key, latest
from tests.loggers.test_tensorboard import scalars, texts
from tests.test_examples import EXAMPLES
from tests.test_examples import run as run_example

HORIZON = et.Horizon(steps_per_epoch=10, total="4ep")
RATES = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine(over="3ep")
PLAN = {"lr": RATES, "momentum": et.one_cycle_momentum()}


class Run:
    """An optimizer under a schedule, and what each of its updates really used."""

    def __init__(self) -> None:
        layers = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
        self.optimizer = SGD(
            [{"params": layers[0], "lr": 0.1, "name": "body"}, {"params": layers[1], "name": "head"}],
            lr=1.0,
            momentum=0.9,
        )
        self.scheduler = Scheduler(self.optimizer, PLAN, HORIZON)
        self.used: list[tuple[float, float]] = []
        self.optimizer.register_step_pre_hook(self._see)

    def _see(self, optimizer: Optimizer, *_: Any) -> None:
        body, head = optimizer.param_groups
        self.used.append((body["lr"], head["momentum"]))

    def update(self, recorder: Recorder) -> None:
        self.optimizer.step()
        self.scheduler.step()
        recorder.log(loss=1 / len(self.used))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_all_loggers_have_what_the_updates_used(tmp_path: Path) -> None:
    run = Run()
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    kept = client.create_run("0")
    prometheus = PrometheusObserver(tmp_path / "run.prom")
    loggers = [
        CsvObserver(tmp_path / "run.csv"),
        TensorBoardObserver(tmp_path / "tensorboard"),
        MLflowObserver(kept, client),
        prometheus,
    ]
    with Recorder(run.scheduler, *loggers) as recorder:
        for _ in range(40):
            run.update(recorder)

    rates, momenta = ([used[place] for used in run.used] for place in (0, 1))
    in_csv = rows(tmp_path / "run.csv")
    assert [float(row["lr/body"]) for row in in_csv] == rates
    assert [float(row["momentum/head"]) for row in in_csv] == momenta
    assert [float(row["epoch"]) for row in in_csv] == [step / 10 for step in range(40)]
    in_mlflow = {
        metric.step: metric.value for metric in client.get_metric_history(kept.info.run_id, "lr/body")
    }
    assert [in_mlflow[step] for step in range(40)] == rates
    in_tensorboard = scalars(tmp_path / "tensorboard", "lr/body")
    assert [in_tensorboard[step] for step in range(40)] == np.float32(rates).tolist()
    assert texts(tmp_path / "tensorboard", "phase").keys() == {0, 10}
    assert latest(prometheus)[key("hyperparameter", name="lr", group="body")] == rates[-1]
    assert latest(prometheus)[key("step")] == 39


@pytest.mark.timeout(120)
def test_a_logger_that_fails_stops_neither_the_training_nor_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    folder, away = tmp_path / "gone", tmp_path / "away"
    folder.mkdir()
    file = CsvObserver(folder / "run.csv")

    def wait_for(message: str) -> None:
        while message not in caplog.text:
            time.sleep(0.01)

    caplog.set_level(logging.WARNING, "etude")
    with Recorder(run.scheduler, file, TensorBoardObserver(tmp_path / "tensorboard")) as recorder:
        for _ in range(10):
            run.update(recorder)
        folder.rename(away)
        for _ in range(10):
            run.update(recorder)
        wait_for("takes no readings")
        for _ in range(10):
            run.update(recorder)
        away.rename(folder)
        wait_for("takes readings again")
        for _ in range(10):
            run.update(recorder)

    assert [int(row["step"]) for row in rows(folder / "run.csv")] == list(range(40))
    assert list(scalars(tmp_path / "tensorboard", "lr/body")) == list(range(40))
    assert re.search(
        r"CsvObserver\('.*gone/run\.csv'\) takes no readings: StoreError: cannot log to", caplog.text
    )


def test_a_resumed_run_goes_on_in_its_loggers(tmp_path: Path) -> None:
    first, second = Run(), Run()

    def loggers() -> list[Any]:
        return [CsvObserver(tmp_path / "run.csv"), TensorBoardObserver(tmp_path / "tensorboard")]

    with Recorder(first.scheduler, *loggers()) as recorder:
        for step in range(25):
            if step == 20:
                saved = json.dumps(first.scheduler.state_dict())
            first.update(recorder)
    second.scheduler.load_state_dict(json.loads(saved))
    with Recorder(second.scheduler, *loggers()) as recorder:
        for _ in range(20):
            second.update(recorder)

    found = rows(tmp_path / "run.csv")
    assert [int(row["step"]) for row in found] == [*range(25), *range(20, 40)]
    last = {int(row["step"]): float(row["lr/head"]) for row in found}
    assert list(last.values()) == RATES.on(HORIZON)(range(40), 1.0).tolist()
    assert list(scalars(tmp_path / "tensorboard", "lr/head")) == list(range(40))


def test_the_example_runs(tmp_path: Path) -> None:
    lines = run_example(EXAMPLES / "logging_run.py", folder=tmp_path).splitlines()

    assert lines[0] == "step,phase,override,epoch,samples,lr/0,momentum/0,loss"
    assert lines[1].startswith("0,cosine,,0.0,0.0,0.008,0.95,2.")
    found = rows(tmp_path / "run.csv")
    assert [int(row["step"]) for row in found] == list(range(174))
    assert float(found[-1]["loss"]) < 0.2
    assert len(scalars(tmp_path / "tensorboard", "loss")) == 174
