"""The range test in Lightning: what is trained after it is the same bit for bit as without it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, Optimizer
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric

import etude as et
from etude.finder import RangeTest
from etude.torch import Scheduler, range_test
from etude.trainers.lightning import config, horizon_of

pytestmark = [
    # Lightning 2.6.6 under torch 2.13.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
    # Lightning's advice on speed, which these few batches do not need.
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings(
        "ignore:The number of training batches .* is smaller than the logging interval"
    ),
    # What it says of a training_step that logs, outside of a Trainer.
    pytest.mark.filterwarnings("ignore:You are trying to `self.log..` but the `self.trainer` reference"),
    pytest.mark.timeout(120),
]

FOLLOWING = 50
BATCH = 8
BATCHES = 10
WHERE = ["before the fit", "on_fit_start", "on_train_start", "on_train_epoch_start"]


class Net(LightningModule):
    """BatchNorm, dropout, Adam under a Scheduler, a metric that sums, and noise from NumPy and Python."""

    def __init__(self, automatic: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
        )
        self.seen = MeanMetric()
        self.automatic_optimization = automatic
        self.trained: list[tuple[float, float]] = []

    def configure_optimizers(self) -> Any:
        optimizer = Adam(self.parameters(), lr=1e-3)
        scheduler = Scheduler(optimizer, et.one_cycle(), horizon_of(self.trainer))
        return {"optimizer": optimizer, "lr_scheduler": config(scheduler)}

    def loss(self, batch: list[Tensor]) -> Tensor:
        inputs, labels = batch
        noise = 0.01 * random.random() + 0.01 * float(np.random.normal())
        loss = functional.cross_entropy(self.net(inputs + noise), labels)
        self.seen.update(loss)
        return loss

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.loss(batch)
        self.log("loss", loss, on_step=True)
        if not self.automatic_optimization:
            optimizer: Any = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            scheduler: Any = self.lr_schedulers()
            scheduler.step()
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Keep what the update used and saw, and the metric so far."""
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.trained.append((rate, float(self.seen.compute())))


def swept(loss_of: Callable[[Any], Tensor], net: Net, optimizer: Optimizer, loader: Any) -> RangeTest:
    """A range test to divergence."""
    batches = (batch for _ in range(1000) for batch in loader)

    def train_step() -> Tensor:
        loss = loss_of(next(batches))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    found = range_test(train_step, optimizer, model=net, loader=loader, start=1e-5)
    assert found.curve.ended[0]
    return found


class Within(Callback):
    """A range test in one of the fit's hooks; that of an epoch is the second one."""

    def __init__(self, where: str, loader: Any) -> None:
        self.where = where
        self.loader = loader
        self.found: list[RangeTest] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._test("on_fit_start", trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._test("on_train_start", trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 1:
            self._test("on_train_epoch_start", trainer)

    def _test(self, where: str, trainer: Trainer) -> None:
        if where == self.where:
            net: Any = trainer.lightning_module
            self.found.append(swept(net.loss, net, trainer.optimizers[0], self.loader))


def trained(automatic: bool, where: str | None) -> dict[str, Any]:
    """All that a difference could be seen in after a fit with a range test somewhere, or without one."""
    for seed in (torch.manual_seed, random.seed, np.random.seed):
        seed(0)
    net = Net(automatic)
    inputs = torch.randn(BATCH * BATCHES, 6)
    labels = (inputs @ torch.randn(6, 3)).argmax(dim=1)
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=BATCH, shuffle=True)
    within = Within(where or "", loader)
    if where == "before the fit":
        # Without a Trainer, nothing is logged; and only automatic optimization can do without.
        loss_of = (lambda batch: net.training_step(batch, 0)) if automatic else net.loss
        within.found.append(swept(loss_of, net, Adam(net.parameters(), lr=1e-3), loader))
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quiet["enable_checkpointing"] = False
    trainer = Trainer(accelerator="cpu", max_epochs=FOLLOWING // BATCHES, callbacks=[within], **quiet)  # type: ignore[arg-type]
    trainer.fit(net, loader)
    assert len(within.found) == (where is not None)
    return {
        "updates": trainer.global_step,
        "each": net.trained,
        "logged": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "weights and buffers": [(name, value.tolist()) for name, value in net.state_dict().items()],
        "optimizer": str(trainer.optimizers[0].state_dict()),
        "scheduler": str(trainer.lr_scheduler_configs[0].scheduler.state_dict()),
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
    }


@pytest.mark.parametrize("automatic", [True, False], ids=["automatic", "manual"])
@pytest.mark.parametrize("where", WHERE)
def test_a_fit_goes_on_as_if_there_had_been_no_test(automatic: bool, where: str) -> None:
    """T59."""
    plain = trained(automatic, None)

    assert plain["updates"] == len(plain["each"]) == FOLLOWING
    assert trained(automatic, where) == plain
