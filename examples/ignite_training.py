"""Digits in an Ignite engine: warmup, then a cosine to zero, with the rates that the updates used."""

import torch
from ignite.engine import Events, create_supervised_trainer
from sklearn.datasets import load_digits
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import etude as et
from etude import BASE
from etude.torch import Scheduler
from etude.trainers.ignite import attach

EPOCHS = 6

torch.manual_seed(0)
images, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
loader = DataLoader(TensorDataset((images / 16).float(), labels), batch_size=64, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
trainer = create_supervised_trainer(model, optimizer, functional.cross_entropy)

plan = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine()
scheduler = Scheduler(optimizer, plan, et.Horizon.of(loader, epochs=EPOCHS))
attach(trainer, scheduler)


@trainer.on(Events.EPOCH_COMPLETED)
def report() -> None:
    rate = scheduler.reading(scheduler.last_epoch - 1).rates["0"]
    print(f"update {scheduler.last_epoch:3}: loss {trainer.state.output:.3f}, lr used {rate:.4f}")


trainer.run(loader, max_epochs=EPOCHS)
