"""What test_torchrun.py runs in each process: DDP, FSDP2 and distributed checkpoints, and what they used."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, DistributedSampler

from etude import BASE, Horizon, Linear, Plateau
from etude.errors import ScheduleWarning
from etude.torch import Scheduler, mean_over_ranks
from tests.trainers.processes import report

UPDATES = 8
PLAN = Linear(BASE, 0.0, over="100%")
KINDS = ("float", "tensor")
LOSSES = {0: [1.0, 0.6, 0.9, 0.9, 0.9, 0.9], 1: [1.0, 1.1, 0.8, 0.7, 0.9, 0.9]}
"""What each process measures: rank 0 is best at once, rank 1 later."""


def rate(kind: str) -> Any:
    return 1.0 if kind == "float" else torch.tensor(1.0, dtype=torch.float64)


def rate_now(optimizer: Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


def under_ddp() -> dict[str, Any]:
    """Two epochs of a loader that each process shares; the horizon is counted from it."""
    torch.manual_seed(0)
    rows = torch.arange(8.0 * dist.get_world_size()).reshape(-1, 1) * 1e-3
    loader = DataLoader(rows, batch_size=2, sampler=DistributedSampler(rows, shuffle=False))  # type: ignore[arg-type]
    model = DistributedDataParallel(nn.Linear(1, 1))
    optimizer = SGD(model.parameters(), lr=1.0)
    scheduler = Scheduler(optimizer, PLAN, Horizon.of(loader, epochs=2))
    rates = []
    for _ in range(2):
        for batch in loader:
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            rates.append(rate_now(optimizer))
            optimizer.step()
            scheduler.step()
    return {"rates": rates, "horizon": str(scheduler.horizon.total_steps)}


class Sharded:
    """A model that FSDP2 shares among the processes, its optimizer and its scheduler."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
        for layer in (self.model[0], self.model[2], self.model):
            fully_shard(layer)
        self.optimizer = AdamW(self.model.parameters(), lr=rate(kind), foreach=False)
        self.scheduler = Scheduler(self.optimizer, PLAN, Horizon(total=UPDATES))

    def go(self, updates: int) -> list[float]:
        rates = []
        for _ in range(updates):
            self.optimizer.zero_grad()
            # The same batch on all, so that the gradients do not depend on how many they are.
            self.model(torch.eye(4)).square().mean().backward()
            rates.append(rate_now(self.optimizer))
            self.optimizer.step()
            self.scheduler.step()
        return rates

    def state(self) -> dict[str, Any]:
        """What torch's recipe saves; the scheduler is given as it is."""
        model, optimizer = get_state_dict(self.model, self.optimizer)
        return {"model": model, "optimizer": optimizer, "scheduler": self.scheduler}

    def load(self, folder: Path) -> None:
        state = self.state()
        dcp.load(state, checkpoint_id=str(folder))
        set_state_dict(
            self.model,
            self.optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
        )

    def weights(self) -> list[float]:
        # The collective comes first: every process has to take part in it.
        options = StateDictOptions(full_state_dict=True)
        whole = get_state_dict(self.model, self.optimizer, options=options)[0]
        return [float(number) for weight in whole.values() for number in weight.flatten()]


def saved(folder: Path, kind: str) -> dict[str, Any]:
    """A run that saves after 3 updates and goes on."""
    run = Sharded(kind)
    rates = run.go(3)
    dcp.save(run.state(), checkpoint_id=str(folder / kind))
    return {"rates": rates + run.go(UPDATES - 3), "weights": run.weights()}


def resumed(folder: Path, kind: str) -> dict[str, Any]:
    """A new run that goes on from there."""
    run = Sharded(kind)
    run.go(1)
    run.load(folder / kind)
    return {"rates": run.go(UPDATES - 3), "weights": run.weights()}


def alone(kind: str) -> tuple[Optimizer, Scheduler]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=rate(kind))
    return optimizer, Scheduler(optimizer, PLAN, Horizon(total=UPDATES))


def across(folder: Path) -> dict[str, float]:
    """The rate that a scheduler's state gives, saved with rates of one kind and loaded with the other."""
    rates = {}
    for kind, other in (KINDS, KINDS[::-1]):
        _, scheduler = alone(kind)
        scheduler.seek(3)
        dcp.save({"scheduler": scheduler}, checkpoint_id=str(folder / f"scheduler-{kind}"))
        optimizer, scheduler = alone(other)
        dcp.load({"scheduler": scheduler}, checkpoint_id=str(folder / f"scheduler-{kind}"))
        rates[f"{kind} to {other}"] = rate_now(optimizer)
    return rates


def torchs_across(folder: Path) -> dict[str, str]:
    """What the same says with a scheduler of torch's, and where a later version has one field more."""
    said = {}
    for kind, other in (KINDS, KINDS[::-1]):
        theirs = CosineAnnealingLR(alone(kind)[0], UPDATES)
        dcp.save({"scheduler": theirs}, checkpoint_id=str(folder / f"torch-{kind}"))
        said[f"{kind} to {other}"] = said_by_load(
            CosineAnnealingLR(alone(other)[0], UPDATES), folder / f"torch-{kind}"
        )
    later = CosineAnnealingLR(alone("float")[0], UPDATES)
    later.one_more = 0  # type: ignore[attr-defined]
    said["one field more"] = said_by_load(later, folder / "torch-float")
    return said


def said_by_load(scheduler: CosineAnnealingLR, folder: Path) -> str:
    try:
        dcp.load({"scheduler": scheduler}, checkpoint_id=str(folder))
    except CheckpointException as error:  # no Exception, but a BaseException
        return str(error)
    return ""


def on_one_rank_only() -> float:
    """The rate after 500 steps that rank 0 takes while no other process does anything.

    Were anything of it to communicate, the processes would wait for each other for ever.
    """
    reached = -1.0
    if dist.get_rank() == 0:
        optimizer, scheduler = alone("tensor")
        for _ in range(5):
            optimizer.step()
            scheduler.step()
        again, other = alone("tensor")
        other.load_state_dict(scheduler.state_dict())
        other.get_last_lr(), other.explain(), other.reading(2)
        reached = rate_now(again)
    dist.barrier()
    return reached


def plateau(*, agree: bool) -> list[float]:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = Scheduler(optimizer, Plateau("loss", patience=1) * BASE)
    rates = []
    for loss in LOSSES[dist.get_rank() % 2]:
        optimizer.step()
        scheduler.step()
        own = torch.tensor(loss) if len(rates) % 2 else loss
        scheduler.observe(loss=mean_over_ranks(own) if agree else own)
        rates.append(rate_now(optimizer))
    return rates


def everything(folder: Path, before: Path) -> dict[str, Any]:
    return {
        "ddp": under_ddp(),
        "saved": {kind: saved(folder, kind) for kind in KINDS},
        "resumed": {kind: resumed(before, kind) for kind in KINDS},
        "across": across(folder),
        "torch's, across": torchs_across(folder),
        "on one rank only": on_one_rank_only(),
        "plateau": plateau(agree=True),
        "plateau of its own": plateau(agree=False),
    }


def main(folder: str, before: str | None = None) -> None:
    """Run everything, and go on from the checkpoints of this run or of one before; or only DDP."""
    warnings.simplefilter("error", ScheduleWarning)
    dist.init_process_group("gloo")
    if before == "only ddp":
        report({"ddp": under_ddp()})
    else:
        report(everything(Path(folder), Path(before or folder)))
    dist.destroy_process_group()
