"""Digits under FSDP2, by `torchrun --nproc-per-node 2`, 3 of 6 epochs; by 1 or any other number, the rest."""

from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from sklearn.datasets import load_digits
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import etude as et
from etude.torch import Scheduler

dist.init_process_group("gloo")
images, labels = map(torch.from_numpy, load_digits(return_X_y=True))
digits = TensorDataset((images / 16).float(), labels)
loader = DataLoader(digits, batch_size=256 // dist.get_world_size(), sampler=DistributedSampler(digits))
model = fully_shard(torch.nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
scheduler = Scheduler(optimizer, et.cosine(), et.Horizon.of(loader, epochs=6))
if resumed := Path("saved").exists():
    weights, momenta = get_state_dict(model, optimizer)
    dcp.load({"weights": weights, "momenta": momenta, "scheduler": scheduler}, checkpoint_id="saved")
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=momenta)
for _ in range(3):
    for inputs, targets in loader:
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    if not dist.get_rank():
        print(f"update {scheduler.last_epoch:3}: loss {loss:.3f}, next lr {scheduler.get_last_lr()[0]:.4f}")
if not resumed:
    weights, momenta = get_state_dict(model, optimizer)
    dcp.save({"weights": weights, "momenta": momenta, "scheduler": scheduler}, checkpoint_id="saved")
dist.destroy_process_group()
