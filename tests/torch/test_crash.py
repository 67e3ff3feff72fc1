"""A real training run, killed with SIGKILL and resumed until it ends, is the run that was never killed."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.torch.killed import PATIENCE, UPDATES, Training, finish, is_the_whole_run, lines, prepared, start


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody kills."""
    folder = prepared(tmp_path_factory.mktemp("crash") / "whole")
    assert finish(start(folder)) == 0
    return folder


def test_the_run_learns_and_its_plateau_has_acted(whole: Path) -> None:
    """So that there is something to lose."""
    assert len(lines(whole)) == UPDATES
    first, *_, last = (float.fromhex(line.split()[-1]) for line in lines(whole))
    assert last < first / 4
    end = torch.load(whole / "end.pt", weights_only=True)
    scheduler = Training(whole).scheduler
    scheduler.load_state_dict(end["scheduler"])
    (past,) = scheduler._moment.feedback.values()
    assert past.factor < 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(2))  # a hundred more are killed by `make soak`
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
    assert len(lines(folder)) > UPDATES  # what came after the last checkpoint was done again


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
    assert len(lines(folder)) > UPDATES  # what came after the last checkpoint was done again
