"""Feedback under several processes: real ones, over gloo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn
from torch.optim import SGD

from etude import BASE, Plateau
from etude.torch import Scheduler, mean_over_ranks

LOSSES = {0: [1.0, 0.6, 0.9, 0.9, 0.9, 0.9], 1: [1.0, 1.1, 0.8, 0.7, 0.9, 0.9]}
"""What each process measures: rank 0 is best at once, rank 1 later."""


def train(rank: int, folder: str, agree: bool) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = Scheduler(optimizer, Plateau("loss", patience=1) * BASE)
    rates = []
    for loss in LOSSES[rank]:
        scheduler.step()
        scheduler.observe(loss=mean_over_ranks(torch.tensor(loss)) if agree else loss)
        rates.append(scheduler.get_last_lr()[0])
    Path(folder, f"{rank}.json").write_text(json.dumps(rates))
    dist.destroy_process_group()


def rates_of_both(folder: Path, *, agree: bool) -> list[list[float]]:
    spawn(train, (str(folder), agree), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_the_mean_is_the_same_on_all_ranks_and_so_are_the_rates(tmp_path: Path) -> None:
    first, second = rates_of_both(tmp_path, agree=True)
    # The means are 1, 0.85, 0.85, 0.8, 0.9, 0.9: the best is the fourth, and two bad ones follow it.
    assert first == second == pytest.approx([1.0, 1.0, 1.0, 1.0, 1.0, 0.1])


def test_fed_with_its_own_metric_each_rank_would_cut_at_another_time(tmp_path: Path) -> None:
    first, second = rates_of_both(tmp_path, agree=False)
    assert first != second


def test_alone_it_is_the_value_itself() -> None:
    assert mean_over_ranks(torch.tensor([0.25])) == mean_over_ranks(0.25) == 0.25
