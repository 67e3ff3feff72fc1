"""Your own task for a comparison: any function that trains a model and returns two scores.

etude compare examples/breast_cancer.py:breast_cancer --only cosine
"""

import torch
from sklearn.datasets import load_breast_cancer
from torch.nn import functional

from etude.study import task


@task(updates=400, peaks=(0.001, 0.003, 0.01), budgets=(0.25, 0.5, 1.0), seeds=4)
def breast_cancer(run):
    features, labels = (torch.from_numpy(array) for array in load_breast_cancer(return_X_y=True))
    features = ((features - features.mean(0)) / features.std(0)).float()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    training, validation, test = order[:300], order[300:430], order[430:]

    torch.manual_seed(run.seed)
    model = torch.nn.Sequential(torch.nn.Linear(30, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    scheduler = run.bind(optimizer)  # sets the rate to run.peak, under the schedule of this run

    def measure(rows):
        right = model(features[rows]).argmax(1) == labels[rows]
        return right.double().mean().item()

    for step in range(run.updates):
        rows = training[torch.randint(len(training), (16,))]
        loss = functional.cross_entropy(model(features[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 20 == 19:
            held_out = functional.cross_entropy(model(features[validation]), labels[validation])
            run.report(step, validation_loss=held_out.item(), validation=measure(validation))
    return {"validation": measure(validation), "test": measure(test)}
