"""Digits, with what every update used and saw in a CSV file and in TensorBoard."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import etude as et
from etude.loggers.csv import CsvObserver
from etude.loggers.tensorboard import TensorBoardObserver
from etude.record import Recorder
from etude.torch import Scheduler

EPOCHS = 6

torch.manual_seed(0)
images, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
loader = DataLoader(TensorDataset((images / 16).float(), labels), batch_size=64, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)

cycle = {"lr": et.one_cycle(), "momentum": et.one_cycle_momentum()}
scheduler = Scheduler(optimizer, cycle, et.Horizon.of(loader, epochs=EPOCHS))

with Recorder(scheduler, CsvObserver("run.csv"), TensorBoardObserver("tensorboard")) as recorder:
    for _ in range(EPOCHS):
        for images, labels in loader:
            loss = functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            recorder.log(loss=loss)

print(*Path("run.csv").read_text().splitlines()[:3], sep="\n")
print("to see it: tensorboard --logdir tensorboard")
