"""What test_accelerate.py runs in each process: one update in many ways, and the rates that it used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import DataLoaderConfiguration, set_seed
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from etude import BASE, Horizon, Linear
from etude.errors import ScheduleWarning
from etude.torch import Scheduler, lr_scheduler
from etude.trainers.accelerate import prepare
from tests.trainers.processes import report

UPDATES = 8
PLAN = Linear(BASE, 0.0, over=UPDATES)


@dataclass(frozen=True)
class Setting:
    """One way to set up a run, as users do."""

    split_batches: bool = False
    with_optimizer: bool = True
    accumulate: int = 1


PLAIN = Setting()
SETTINGS = {
    "plain": PLAIN,
    "split batches": Setting(split_batches=True),
    "not with the optimizer": Setting(with_optimizer=False),
    "split batches, not with the optimizer": Setting(split_batches=True, with_optimizer=False),
    "accumulation": Setting(accumulate=3),
    "accumulation, split batches": Setting(split_batches=True, accumulate=3),
    "accumulation, not with the optimizer": Setting(with_optimizer=False, accumulate=3),
}


class Run:
    """A model, its optimizer and its batches, prepared; so many batches that 8 updates are made."""

    def __init__(self, setting: Setting = PLAIN, *, scaler: Any = None) -> None:
        AcceleratorState._reset_state(reset_partial_state=False)
        GradientState._reset_state()
        set_seed(0)
        self.accelerator = Accelerator(
            cpu=True,
            gradient_accumulation_steps=setting.accumulate,
            step_scheduler_with_optimizer=setting.with_optimizer,
            dataloader_config=DataLoaderConfiguration(split_batches=setting.split_batches),
        )
        self.accelerator.scaler = scaler
        ranks = self.accelerator.num_processes
        # Two epochs; under accumulation the last window of each is cut short: 3 + 3 + 3 + 1 batches.
        batches = UPDATES // 2 if setting.accumulate == 1 else 10
        # A process gets two rows of each batch, however Accelerate shares them out.
        rows = torch.arange(2.0 * ranks * batches).reshape(-1, 1)
        loader = torch.utils.data.DataLoader(rows, batch_size=2 * ranks if setting.split_batches else 2)
        model = torch.nn.Linear(1, 1)
        self.bare = SGD(model.parameters(), lr=1.0, momentum=0.5)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, self.bare, loader)

    def windows(self) -> Iterator[torch.Tensor]:
        """The batches of both epochs, each within its window."""
        for _ in range(2):
            for batch in self.loader:
                with self.accelerator.accumulate(self.model):
                    yield batch

    def used(self, scheduler: Any, *, guarded: bool = False) -> list[float]:
        """Train; return the rate of each update."""
        rates = []
        for batch in self.windows():
            self.accelerator.backward(self.model(batch).square().mean() * 1e-6)
            if self.accelerator.sync_gradients:
                rates.append(self.bare.param_groups[0]["lr"])
            self.optimizer.step()
            if not guarded or self.accelerator.sync_gradients:
                scheduler.step()
            self.optimizer.zero_grad()
        return rates


def counted(setting: Setting) -> str:
    """How many updates a horizon counts in the prepared loader."""
    return str(Horizon.of(Run(setting).loader, epochs=2, accumulate=setting.accumulate).total_steps)


def scheduled(run: Run, setting: Setting) -> Scheduler:
    return Scheduler(run.bare, PLAN, Horizon.of(run.loader, epochs=2, accumulate=setting.accumulate))


def prepared(setting: Setting) -> list[float]:
    run = Run(setting)
    return run.used(prepare(run.accelerator, scheduled(run, setting)))


def unprepared(setting: Setting) -> list[float]:
    run = Run(setting)
    return run.used(scheduled(run, setting), guarded=True)


def drop_in() -> list[float]:
    run = Run()
    return run.used(prepare(run.accelerator, lr_scheduler.OneCycleLR(run.bare, 1.0, UPDATES)))


def by_accelerate(scheduler: Callable[..., LRScheduler], **arguments: Any) -> tuple[list[float], list[str]]:
    """The rates under accelerator.prepare(scheduler), and what was said."""
    run = Run()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ScheduleWarning)
        rates = run.used(run.accelerator.prepare(scheduler(run.bare, **arguments)))
    return rates, [str(warning.message) for warning in said if warning.category is ScheduleWarning]


def falling(optimizer: Optimizer) -> LambdaLR:
    """torch's own, of the same curve."""
    return LambdaLR(optimizer, lambda step: 1 - step / UPDATES)


def saved(folder: Path) -> list[float]:
    """The rates of a run that saves its state after 3 updates."""
    run = Run()
    scheduler = Scheduler(run.bare, PLAN, Horizon(total=UPDATES))
    stepped = prepare(run.accelerator, scheduler)
    rates = []
    for _ in range(UPDATES):
        rates.append(run.bare.param_groups[0]["lr"])
        run.optimizer.step()
        stepped.step()
        if scheduler.last_epoch == 3:
            run.accelerator.save_state(str(folder / "state"))
    return rates


def resumed(folder: Path) -> list[float]:
    """The rates of a new run that goes on from there."""
    run = Run()
    stepped = prepare(run.accelerator, Scheduler(run.bare, PLAN, Horizon(total=UPDATES)))
    run.accelerator.load_state(str(folder / "state"))
    rates = []
    for _ in range(UPDATES - 3):
        rates.append(run.bare.param_groups[0]["lr"])
        run.optimizer.step()
        stepped.step()
    return rates


def with_overflow(way: Callable[[Accelerator, Scheduler], Any], *, told: bool) -> dict[str, Any]:
    """The rates of 8 attempts of which the first two overflow."""
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    run = Run(scaler=scaler)
    scheduler = Scheduler(run.bare, PLAN, scaler=scaler if told else None)
    stepped = way(run.accelerator, scheduler)
    rates = []
    for attempt, batch in enumerate(run.windows()):
        loss = run.model(batch).square().mean()
        run.accelerator.backward(loss * (float("inf") if attempt < 2 else 1e-6))
        rates.append(run.bare.param_groups[0]["lr"])
        run.optimizer.step()
        stepped.step()
        run.optimizer.zero_grad()
    return {"rates": rates, "clock": scheduler.last_epoch}


def everything(folder: Path) -> dict[str, Any]:
    return {
        "counted": {name: counted(setting) for name, setting in SETTINGS.items()},
        "prepared": {name: prepared(setting) for name, setting in SETTINGS.items()},
        "unprepared": {name: unprepared(setting) for name, setting in SETTINGS.items()},
        "drop-in": drop_in(),
        "torch's, by Accelerate": by_accelerate(falling),
        "torch's OneCycleLR, by Accelerate": by_accelerate(OneCycleLR, max_lr=1.0, total_steps=UPDATES),
        "ours, by Accelerate": by_accelerate(
            Scheduler, schedules=PLAN, horizon=Horizon(steps_per_epoch=4, total=UPDATES)
        ),
        "saved": saved(folder),
        "overflow": with_overflow(prepare, told=False),
        "overflow, told to the Scheduler too": with_overflow(prepare, told=True),
        "overflow, told to the Scheduler, by Accelerate": with_overflow(Accelerator.prepare, told=True),
        "overflow, told to the Scheduler, unprepared": with_overflow(lambda _, own: own, told=True),
    }


def main(folder: str, before: str | None = None) -> None:
    """Run everything, and go on from the state of this run or of one before."""
    warnings.simplefilter("error", ScheduleWarning)
    Accelerator(cpu=True)
    report(everything(Path(folder)) | {"resumed": resumed(Path(before or folder))})
