"""Digits under Lightning: one cycle of the rate and of the momentum, over the Trainer's own length."""

import torch
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_digits
from torch.nn import Linear, ReLU, Sequential, functional
from torch.utils.data import DataLoader, TensorDataset

import etude as et
from etude.plots import to_text
from etude.torch import Scheduler
from etude.trainers.lightning import RateMonitor, config, horizon_of


class Digits(LightningModule):
    def __init__(self):
        super().__init__()
        self.model = Sequential(Linear(64, 64), ReLU(), Linear(64, 10))

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.2, momentum=0.9)
        horizon = horizon_of(self.trainer)
        cycle = {"lr": et.one_cycle(), "momentum": et.one_cycle_momentum()}
        print(horizon, to_text(et.one_cycle().on(horizon).chart(0.2), height=8), sep="\n")
        return {"optimizer": optimizer, "lr_scheduler": config(Scheduler(optimizer, cycle, horizon))}

    def training_step(self, batch, index):
        return functional.cross_entropy(self.model(batch[0]), batch[1])

    def on_train_epoch_end(self):
        print(f"epoch {self.current_epoch + 1}, its last update used {monitor.latest}")


torch.manual_seed(0)
pixels, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
loader = DataLoader(TensorDataset((pixels / 16).float(), labels), batch_size=64, shuffle=True)
monitor = RateMonitor()
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "max_epochs": 6}
Trainer(accelerator="cpu", callbacks=[monitor], **quiet).fit(Digits(), loader)
