"""Digits under Accelerate, by itself or by `torchrun --nproc-per-node 2`: the rates are the same."""

import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import etude as et
from etude import BASE
from etude.torch import Scheduler
from etude.trainers.accelerate import prepare

EPOCHS, ACCUMULATE = 6, 2

torch.manual_seed(0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=ACCUMULATE)
images, labels = map(torch.from_numpy, load_digits(return_X_y=True))
digits = TensorDataset((images / 16).float(), labels)
loader = DataLoader(digits, batch_size=64 // accelerator.num_processes, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
model, prepared_optimizer, loader = accelerator.prepare(model, optimizer, loader)
horizon = et.Horizon.of(loader, epochs=EPOCHS, accumulate=ACCUMULATE)
plan = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine()
scheduler = Scheduler(optimizer, plan, horizon)
prepared = prepare(accelerator, scheduler)

for _ in range(EPOCHS):
    for inputs, targets in loader:
        with accelerator.accumulate(model):
            loss = functional.cross_entropy(model(inputs), targets)
            accelerator.backward(loss)
            prepared_optimizer.step()
            prepared.step()
            prepared_optimizer.zero_grad()
    rate = scheduler.reading(scheduler.last_epoch - 1).rates["0"]
    accelerator.print(f"update {scheduler.last_epoch:3}: loss {loss:.3f}, lr used {rate:.4f}")
