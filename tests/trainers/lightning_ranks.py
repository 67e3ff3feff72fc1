"""What each process of a distributed fit used; it is given the folder and the number of processes."""

from __future__ import annotations

import warnings
from pathlib import Path

from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

import etude as et
from tests.trainers.processes import report
from tests.trainers.test_lightning import ROWS, Module, fit, inputs, scheduled, used


def main(folder: str, processes: str) -> None:
    warnings.simplefilter("ignore")
    keep = ModelCheckpoint(Path(folder).parent, every_n_train_steps=5, save_top_k=-1, filename="{step}")
    loader = DataLoader(TensorDataset(inputs(ROWS)), batch_size=4 // int(processes))
    module = Module(scheduled(et.linear(warmup=3)), loader)
    fit(module, keep, devices=int(processes), strategy="ddp", max_epochs=3)
    report({"used": used(module), "horizon": repr(module.scheduler.horizon)})
