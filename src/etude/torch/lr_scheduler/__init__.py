"""torch's schedulers under torch's names, on Etude's algebra: ``from etude.torch import lr_scheduler``.

The constructors, attributes and state dicts are torch's; the rates are functions of the step, of each group's
own base rate and of what was observed alone. What differs from torch is in ``docs/coming-from-torch.md``.

>>> import torch
>>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
>>> decay = StepLR(optimizer, step_size=2, gamma=0.5)
>>> warmup = LinearLR(optimizer, start_factor=0.25, total_iters=3)
>>> for _ in range(5):
...     print(optimizer.param_groups[0]["lr"])
...     optimizer.step()
...     warmup.step()
...     decay.step()
0.25
0.5
0.375
0.5
0.25
"""

from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, LRScheduler

from etude.torch.lr_scheduler.composites import ChainedScheduler, SequentialLR
from etude.torch.lr_scheduler.cycles import CyclicLR, OneCycleLR
from etude.torch.lr_scheduler.cyclic_cosine_decay import CyclicCosineDecayLR
from etude.torch.lr_scheduler.factors import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from etude.torch.lr_scheduler.functions import LambdaLR, MultiplicativeLR
from etude.torch.lr_scheduler.plateau import ReduceLROnPlateau
from etude.torch.lr_scheduler.swa import SWALR

__all__ = [
    "EPOCH_DEPRECATION_WARNING",
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicCosineDecayLR",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
