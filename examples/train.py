"""A plain training loop under a schedule: warmup, then a cosine to zero, on scikit-learn's wine data."""

import torch
from sklearn.datasets import load_wine
from torch.nn import functional

import etude as et
from etude import BASE
from etude.torch import Scheduler

EPOCHS, BATCH = 20, 16

torch.manual_seed(0)
features, labels = (torch.from_numpy(array) for array in load_wine(return_X_y=True))
features = ((features - features.mean(0)) / features.std(0)).float()
loader = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(features, labels), batch_size=BATCH, shuffle=True
)

plan = et.Linear(0.1 * BASE, BASE, over="2ep") >> et.Cosine()
horizon = et.Horizon.of(loader, epochs=EPOCHS)
print(horizon)

model = torch.nn.Linear(13, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = Scheduler(optimizer, plan, horizon)

for epoch in range(EPOCHS):
    for inputs, targets in loader:
        loss = functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    print(f"epoch {epoch + 1:2}: loss {loss.item():.4f}, next lr {scheduler.get_last_lr()[0]:.5f}")
