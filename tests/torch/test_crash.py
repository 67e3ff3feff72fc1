"""A real training run, killed with SIGKILL and resumed until it ends, is the run that was never killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim import AdamW

import etude as et
from etude import BASE, Horizon, Plateau
from etude.torch import Scheduler

UPDATES, BATCH, EXAMPLES, EVERY = 300, 32, 640, 7
"""An epoch has 20 updates, and a checkpoint is written after every seventh."""
PATIENCE = 60
"""Seconds after which a child is taken for hung."""
PLAN = (et.Linear(0.1 * BASE, BASE, over="5%") >> et.Cosine(over="95%")) * Plateau(
    "loss", patience=0, factor=0.5
)


CHILDREN = get_context("forkserver")
# They are forked from a process that has imported torch, once for all of them.
CHILDREN.set_forkserver_preload([__name__, "torch._dynamo"])


class Training:
    """The whole of it: model, optimizer, scheduler, random numbers, and where the sampler is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images, self.labels = torch.load(folder / "digits.pt", weights_only=True)
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))
        body, head = self.model[0].parameters(), self.model[3].parameters()
        groups = [{"params": body, "lr": 0.02}, {"params": head, "lr": torch.tensor(0.005)}]
        self.optimizer = AdamW(groups, weight_decay=0.1)
        plan = {"lr": PLAN, "weight_decay": "lr", "betas[1]": et.Linear(0.99, 0.999, over="100%")}
        self.scheduler = Scheduler(self.optimizer, plan, Horizon(EXAMPLES // BATCH, UPDATES))
        self.update, self.order = 0, torch.randperm(EXAMPLES)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": torch.get_rng_state(),
            "update": self.update,
            "order": self.order,
        }

    def resume(self) -> None:
        saved = torch.load(self.folder / "checkpoint.pt", weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        self.update, self.order = saved["update"], saved["order"]
        torch.set_rng_state(saved["random"])

    def save(self, dies: str) -> None:
        with (self.folder / "half written").open("wb") as file:
            torch.save(self.state(), file)
            if dies == "while a checkpoint is written":
                file.truncate(1000)
                die()
            file.flush()
            os.fsync(file.fileno())
        if dies == "before a checkpoint is in place":
            die()
        (self.folder / "half written").replace(self.folder / "checkpoint.pt")

    def step(self, dies: str) -> float:
        begin = self.update * BATCH % EXAMPLES
        rows = self.order[begin : begin + BATCH]
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.images[rows]), self.labels[rows])
        loss.backward()
        self.optimizer.step()
        if dies == "between the optimizer's step and the scheduler's":
            die()
        self.scheduler.step()
        self.update += 1
        if self.update * BATCH % EXAMPLES == 0:
            self.scheduler.observe(loss=loss.item())
            self.order = torch.randperm(EXAMPLES)
        return loss.item()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def train(folder: Path, place: str = "", at: int = -1) -> None:
    """What a child does: go on from the checkpoint, if there is one, to the end or to where it dies."""
    torch.set_num_threads(1)
    training = Training(folder)
    if (folder / "checkpoint.pt").exists():
        training.resume()
    with (folder / "log").open("a", buffering=1) as log:
        while training.update < UPDATES:
            dies = place if training.update >= at else ""
            rates = [float(group["lr"]) for group in training.optimizer.param_groups]
            assert rates == pytest.approx(training.scheduler.get_last_lr(), rel=1e-6)
            decay = training.optimizer.param_groups[0]["weight_decay"]
            values = [*rates, decay, training.step(dies)]
            log.write(" ".join([str(training.update), *map(float.hex, values)]) + "\n")
            if training.update % EVERY == 0:
                training.save(dies)
            if dies == "after an update":
                die()
    if place == "by someone else":  # who has not come by yet
        time.sleep(PATIENCE)
    torch.save(training.state(), folder / "end.pt")


def start(folder: Path, *arguments: Any) -> BaseProcess:
    child = CHILDREN.Process(target=train, args=(folder, *arguments), daemon=True)
    child.start()
    return child


def finish(child: BaseProcess) -> int | None:
    """The child's exit status; nobody is left behind."""
    child.join(PATIENCE)
    if child.is_alive():
        child.kill()
        child.join()
        pytest.fail(f"the child was hung after {PATIENCE} seconds")
    return child.exitcode


def lines(folder: Path) -> list[str]:
    """What has been logged: complete lines."""
    log = folder / "log"
    return (
        [line for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        if log.exists()
        else []
    )


def prepared(folder: Path) -> Path:
    images, labels = load_digits(return_X_y=True)
    folder.mkdir()
    pixels = torch.tensor(images[:EXAMPLES] / 16, dtype=torch.float32)
    torch.save((pixels, torch.tensor(labels[:EXAMPLES])), folder / "digits.pt")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody kills."""
    folder = prepared(tmp_path_factory.mktemp("crash") / "whole")
    assert finish(start(folder)) == 0
    return folder


def same(one: Any, other: Any) -> bool:
    """Whether two states are the same, bit by bit."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def is_the_whole_run(folder: Path, whole: Path) -> None:
    """Check every update, those that were made twice too, and what has come of them."""
    expected = lines(whole)
    assert [int(line.split()[0]) for line in expected] == [*range(1, UPDATES + 1)]
    logged = lines(folder)
    assert len(logged) > len(expected)  # what came after the last checkpoint was done again
    assert sorted(set(logged), key=lambda line: int(line.split()[0])) == expected
    ends = [torch.load(run / "end.pt", weights_only=True) for run in (folder, whole)]
    assert same(*ends)


def test_the_run_learns_and_its_plateau_has_acted(whole: Path) -> None:
    """So that there is something to lose."""
    first, *_, last = (float.fromhex(line.split()[-1]) for line in lines(whole))
    assert last < first / 4
    end = torch.load(whole / "end.pt", weights_only=True)
    scheduler = Training(whole).scheduler
    scheduler.load_state_dict(end["scheduler"])
    (past,) = scheduler._moment.feedback.values()
    assert past.factor < 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(4))
def test_killed_anywhere_and_resumed_it_is_the_same_run(whole: Path, tmp_path: Path, seed: int) -> None:
    folder = prepared(tmp_path / "killed")
    choice = random.Random(seed)
    for _ in range(4):
        known = len(lines(folder))
        child = start(folder, "by someone else")
        enough = known + choice.randint(1, UPDATES // 5)
        deadline = time.monotonic() + PATIENCE
        while len(lines(folder)) < enough and child.is_alive() and time.monotonic() < deadline:
            time.sleep(choice.uniform(0, 0.002))
        child.kill()
        assert finish(child) == -signal.SIGKILL
        assert len(lines(folder)) >= enough
    assert finish(start(folder)) == 0
    is_the_whole_run(folder, whole)


@pytest.mark.timeout(240)
def test_killed_in_the_worst_places_and_resumed_it_is_the_same_run(whole: Path, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "killed")
    for at, place in (
        (20, "between the optimizer's step and the scheduler's"),
        (100, "while a checkpoint is written"),
        (180, "before a checkpoint is in place"),
        (260, "after an update"),
    ):
        assert finish(start(folder, place, at)) == -signal.SIGKILL
        assert len(lines(folder)) >= at
    assert finish(start(folder)) == 0
    is_the_whole_run(folder, whole)
