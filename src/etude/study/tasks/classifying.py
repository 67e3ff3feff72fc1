"""What the image tasks share: labelled images, a small network, and the loop that trains it."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from etude.study.run import Run

__all__ = ["Images", "Split", "evaluate", "fit", "perceptron"]


class Images(NamedTuple):
    """Images, one flattened to a row, and the class of each."""

    pixels: Tensor
    labels: Tensor

    def rows(self, start: int, stop: int) -> Images:
        """The images from ``start`` up to, not including, ``stop``."""
        return Images(self.pixels[start:stop], self.labels[start:stop])

    def to(self, device: str) -> Images:
        """The same images on another device."""
        return Images(self.pixels.to(device), self.labels.to(device))


class Split(NamedTuple):
    """Images to train on, to choose rates on, and to report: the same ones for every seed.

    Rates are chosen on the mean over the seeds, so no image that validates one run may test another.
    """

    training: Images
    validation: Images
    test: Images

    def standardised(self) -> Split:
        """The same images, scaled so that the pixels of the training images have mean 0 and deviation 1."""
        mean, deviation = self.training.pixels.mean(), self.training.pixels.std()
        return Split(*(Images((part.pixels - mean) / deviation, part.labels) for part in self))

    def to(self, device: str) -> Split:
        """The same images on another device."""
        return Split(*(part.to(device) for part in self))


Augment = Callable[[Images, Generator], Images]


def perceptron(*widths: int, generator: Generator) -> nn.Sequential:
    """Fully connected layers with ReLU between them, from inputs to classes.

    The weights start by the law of ``nn.Linear``, uniform within ±1/√inputs, but are drawn from the run's own
    generator: the global one would make a run depend on what ran before it.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def fit(
    run: Run,
    model: nn.Module,
    optimizer: Optimizer,
    data: Split,
    *,
    batch: int,
    generator: Generator,
    augment: Augment | None = None,
) -> dict[str, float]:
    """Train for ``run.updates`` updates, reporting once an epoch and at the end.

    Returns:
        The final accuracies, ``{"validation": ..., "test": ...}``, from 0 to 1.
    """
    scheduler = run.bind(optimizer)
    updates_per_epoch = len(data.training.labels) // batch
    losses: list[Tensor] = []
    validation = 0.0
    for step, (pixels, labels) in zip(
        range(run.updates), _batches(data.training, batch, generator, augment), strict=False
    ):
        loss = functional.cross_entropy(model(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.detach())
        if (step + 1) % updates_per_epoch == 0 or step + 1 == run.updates:
            validation_loss, validation = evaluate(model, data.validation)
            training_loss = torch.stack(losses).mean().item()
            run.report(step, loss=training_loss, validation_loss=validation_loss, validation=validation)
            losses.clear()
    return {"validation": validation, "test": evaluate(model, data.test)[1]}


def _batches(
    images: Images, size: int, generator: Generator, augment: Augment | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Full batches without end, newly shuffled every epoch; what fills no batch sits that epoch out."""
    while True:
        pixels, labels = augment(images, generator) if augment else images
        order = torch.randperm(len(labels), generator=generator).to(labels.device)
        for chosen in order[: len(order) // size * size].view(-1, size):
            yield pixels[chosen], labels[chosen]


@torch.no_grad()
def evaluate(model: nn.Module, images: Images) -> tuple[float, float]:
    """The mean loss, and the share of the images that the model gets right."""
    logits = model(images.pixels)
    loss = functional.cross_entropy(logits, images.labels)
    right = logits.argmax(dim=1) == images.labels
    return loss.item(), right.double().mean().item()
