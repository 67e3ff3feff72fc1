"""Fashion-MNIST: 70,000 images of 28 × 28 pixels from IDX files, and a network of one hidden layer.

The files are Debian's (``apt-get install dataset-fashion-mnist``), or those in the folder that the
environment variable ``ETUDE_FASHION_MNIST`` names.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from etude.errors import TaskError
from etude.study.run import Run
from etude.study.tasks.classifying import Images, Split, fit, perceptron
from etude.study.tasks.idx import read_idx

__all__ = ["UPDATES", "VARIABLE", "folder", "load", "train"]

VARIABLE = "ETUDE_FASHION_MNIST"
FOLDER = "/usr/share/datasets/fashion-mnist"
REMEDY = (
    f"install the images with `apt-get install dataset-fashion-mnist`, or set {VARIABLE} to a folder with "
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
    "(each with or without .gz)"
)
SIDE = 28
CLASSES = 10
BATCH = 128
UPDATES = 4680
"""The full length: 12 epochs of 390 updates."""


def train(run: Run) -> dict[str, float]:
    """Train on the images as they are."""
    generator = Generator().manual_seed(run.seed)
    model = perceptron(SIDE * SIDE, 128, CLASSES, generator=generator).to(run.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    return fit(run, model, optimizer, load().to(run.device), batch=BATCH, generator=generator)


def folder() -> Path:
    """Where the files are looked for."""
    return Path(os.environ.get(VARIABLE) or FOLDER)


def load() -> Split:
    """50,000 images to train on, the other 10,000 of that file to validate, and the 10,000 of the test file.

    Raises:
        TaskError: a file is missing or damaged, or holds something else.
    """
    return _load(folder())


@functools.lru_cache(maxsize=1)
def _load(folder: Path) -> Split:
    try:
        images, test = _images(folder, "train", 60_000), _images(folder, "t10k", 10_000)
    except TaskError as error:
        raise TaskError(f"{error}; {REMEDY}") from error
    return Split(images.rows(0, 50_000), images.rows(50_000, 60_000), test).standardised()


def _images(folder: Path, name: str, count: int) -> Images:
    pixels = _array(folder / f"{name}-images-idx3-ubyte", (count, SIDE, SIDE))
    labels_path = folder / f"{name}-labels-idx1-ubyte"
    labels = _array(labels_path, (count,))
    if labels.max() >= CLASSES:
        raise TaskError(
            f"{labels_path}: holds the label {labels.max()}, and labels go from 0 to {CLASSES - 1}"
        )
    return Images(
        torch.from_numpy(pixels.reshape(count, -1).astype(np.float32)),
        torch.from_numpy(labels.astype(np.int64)),
    )


def _array(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    array = read_idx(path)
    if array.shape != shape:
        # Other images under these names (EMNIST, QMNIST, a sample) would train, and compare with nothing.
        raise TaskError(f"{path}: holds an array of {array.shape}, not of {shape}")
    return array
