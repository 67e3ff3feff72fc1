"""Handwritten digits: scikit-learn's 1,797 images of 8 × 8 pixels and a small network, half a second a run.

``train`` shifts the training images and adds noise to them, so gradients stay noisy to the end and a
falling rate pays. ``train_clean`` leaves the images alone: the network soon knows them by heart, the noise
vanishes, and with it most of what a schedule could gain.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from etude.errors import MissingError
from etude.study.run import Run
from etude.study.tasks.classifying import Augment, Images, Split, fit, perceptron

__all__ = ["UPDATES", "distort", "load", "shift", "train", "train_clean"]

SIDE = 8
BATCH = 16
UPDATES = 1680
"""The full length: 30 epochs of 56 updates."""
NOISE = 0.5
"""The standard deviation of the noise; that of the images is 1."""


def train(run: Run) -> dict[str, float]:
    """Train on images that are shifted by up to a pixel each way and noisy, anew in every epoch."""
    return _train(run, augment=distort)


def train_clean(run: Run) -> dict[str, float]:
    """Train on the images as they are."""
    return _train(run, augment=None)


def _train(run: Run, augment: Augment | None) -> dict[str, float]:
    generator = Generator().manual_seed(run.seed)
    model = perceptron(SIDE * SIDE, 64, 10, generator=generator).to(run.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4, fused=True)
    return fit(
        run, model, optimizer, load().to(run.device), batch=BATCH, generator=generator, augment=augment
    )


@functools.cache
def load() -> Split:
    """898 images to train on, 449 to validate and 450 to test, of mean 0 and standard deviation 1.

    Raises:
        MissingError: scikit-learn, which carries the images, is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingError(
            "the digits tasks train on the images in scikit-learn, which is not installed: "
            "pip install 'etude[study]'"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    # Shuffled, because the rows come writer by writer; by RandomState, whose numbers NumPy never changes.
    order = np.random.RandomState(0).permutation(len(labels))
    images = Images(
        torch.from_numpy(pixels[order].astype(np.float32)), torch.from_numpy(labels[order].astype(np.int64))
    )
    return Split(images.rows(0, 898), images.rows(898, 1347), images.rows(1347, 1797)).standardised()


def distort(images: Images, generator: Generator) -> Images:
    """Shift each image by -1, 0 or 1 pixels in either direction, then add noise to every pixel."""
    down, right = torch.randint(-1, 2, (2, len(images.labels), 1), generator=generator)
    noise = NOISE * torch.randn(images.pixels.shape, generator=generator)
    return Images(shift(images.pixels, down, right) + noise.to(images.pixels.device), images.labels)


def shift(pixels: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move each image by its own number of pixels, from -1 to 1, and fill with background.

    Args:
        pixels: images × 64, rows from the top, each from the left.
        down: images × 1, how far to move each one down; below 0 is up.
        right: images × 1, how far to move each one to the right; below 0 is left.
    """
    wide = SIDE + 2
    framed = functional.pad(pixels.view(-1, SIDE, SIDE), (1, 1, 1, 1), value=pixels.min().item()).flatten(1)
    inside = torch.arange(wide * wide).view(wide, wide)[1:-1, 1:-1].flatten()
    return framed.gather(1, (inside - wide * down - right).to(pixels.device))
