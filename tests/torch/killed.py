"""A real training run in a process of its own, which may be killed at any moment and resumed."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Sequence
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
from etude.files import write_whole
from etude.record import Recorder
from etude.torch import Scheduler
from tests.forked import FORKED

UPDATES, BATCH, EXAMPLES, EVERY = 300, 32, 640, 7
"""An epoch has 20 updates, and a checkpoint is written after every seventh."""
PATIENCE = 60
"""Seconds after which a child is taken for hung."""
PLAN = (et.Linear(0.1 * BASE, BASE, over="5%") >> et.Cosine(over="95%")) * Plateau(
    "loss", patience=0, factor=0.5
)


class Training:
    """The whole of it: model, optimizer, scheduler, random numbers, and where the sampler is."""

    def __init__(self, folder: Path, updates: int = UPDATES) -> None:
        self.folder = folder
        self.images, self.labels = torch.load(folder / "digits.pt", weights_only=True)
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))
        body, head = self.model[0].parameters(), self.model[3].parameters()
        groups = [{"params": body, "lr": 0.02}, {"params": head, "lr": torch.tensor(0.005)}]
        self.optimizer = AdamW(groups, weight_decay=0.1)
        plan = {"lr": PLAN, "weight_decay": "lr", "betas[1]": et.Linear(0.99, 0.999, over="100%")}
        self.scheduler = Scheduler(self.optimizer, plan, Horizon(EXAMPLES // BATCH, updates))
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
    training = resumed(folder, UPDATES)
    with (folder / "log").open("a", buffering=1) as log:
        while training.update < UPDATES:
            dies = place if training.update >= at else ""
            log.write(logged(training, dies))
            if training.update % EVERY == 0:
                training.save(dies)
            if dies == "after an update":
                die()
    if place == "by someone else":  # who has not come by yet
        time.sleep(PATIENCE)
    torch.save(training.state(), folder / "end.pt")


def resumed(folder: Path, updates: int) -> Training:
    """A run from its checkpoint, or from the beginning."""
    torch.set_num_threads(1)
    training = Training(folder, updates)
    if (folder / "checkpoint.pt").exists():
        training.resume()
    return training


def logged(training: Training, dies: str = "") -> str:
    """Do an update, and return the line that tells of it, exactly."""
    rates = [float(group["lr"]) for group in training.optimizer.param_groups]
    assert rates == pytest.approx(training.scheduler.get_last_lr(), rel=1e-6)
    decay = training.optimizer.param_groups[0]["weight_decay"]
    values = [*rates, decay, training.step(dies)]
    return " ".join([str(training.update), *map(float.hex, values)]) + "\n"


def train_recorded(folder: Path, updates: int, address: str, life: int) -> None:
    """What a child does that is killed by someone else at any moment, and records what it does.

    ``seen-LIFE`` tells each update that was recorded, and when.
    """
    training = resumed(folder, updates)
    with (
        Recorder(training.scheduler, to=address, name=f"life {life}", dense=None) as recorder,
        (folder / "log").open("a", buffering=1) as log,
        (folder / f"seen-{life}").open("a", buffering=1) as seen,
    ):
        while training.update < updates:
            line = logged(training)
            recorder.log(loss=float.fromhex(line.split()[-1]))
            seen.write(f"{training.update - 1} {time.monotonic()}\n")
            log.write(line)
            if training.update % EVERY == 0:
                training.save("")
    write_whole(folder / "end.pt", stored(training.state()))


def stored(state: dict[str, Any]) -> bytes:
    """A state as torch writes it."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def start(folder: Path, *arguments: Any, target: Callable[..., None] = train) -> BaseProcess:
    child = FORKED.Process(target=target, args=(folder, *arguments), daemon=True)
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
    assert [int(line.split()[0]) for line in expected] == [*range(1, len(expected) + 1)]
    logged = lines(folder)
    assert sorted(set(logged), key=lambda line: int(line.split()[0])) == expected
    ends = [torch.load(run / "end.pt", weights_only=True) for run in (folder, whole)]
    assert same(*ends)
