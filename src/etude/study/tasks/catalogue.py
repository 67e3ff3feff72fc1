"""The built-in tasks: what is trained, and the grid that makes the comparison of schedules fair.

The peaks are a factor of three apart and bracket, at the whole length, the best one of every schedule: of the
fixed rate, which wants the lowest, as of the slow decays, which want the highest.
"""

from __future__ import annotations

from dataclasses import replace

from etude.study.task import Task
from etude.study.tasks import digits as digits_data
from etude.study.tasks import fashion_mnist as fashion_data

__all__ = ["digits", "digits_clean", "fashion_mnist"]

BUDGETS = (0.25, 0.5, 1.0)

digits = Task(
    "digits",
    digits_data.train,
    updates=digits_data.UPDATES,
    updates_per_epoch=56,
    peaks=(0.005, 0.015, 0.045, 0.135),
    budgets=BUDGETS,
    seeds=16,
    tuning_seeds=3,
    about="Handwritten digits of 8 × 8 pixels (UCI, from scikit-learn), shifted by up to a pixel and noisy: "
    "898 to train on, 449 to choose peaks, 450 to test; a network of 64-64-10, SGD with momentum 0.9.",
)

digits_clean = replace(
    digits,
    name="digits-clean",
    train=digits_data.train_clean,
    about="The digits as they are, without shifts and noise: the network soon knows its training images by "
    "heart, and its gradients lose their noise.",
)

fashion_mnist = Task(
    "fashion-mnist",
    fashion_data.train,
    updates=fashion_data.UPDATES,
    updates_per_epoch=390,
    peaks=(0.005, 0.015, 0.045, 0.135),
    budgets=BUDGETS,
    seeds=3,
    tuning_seeds=2,
    about="Fashion-MNIST (Zalando): 50,000 to train on, 10,000 to choose peaks, 10,000 to test; "
    "a network of 784-128-10, SGD with momentum 0.9, batches of 128.",
)
