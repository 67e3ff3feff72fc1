"""What is refused is refused in the words of what was called: recipes and drop-ins, each argument wrong."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

import etude as et
from etude.errors import EtudeError
from etude.schedules import recipes
from etude.torch import lr_scheduler

WRONG: list[Any] = [
    -1,
    0,
    math.nan,
    math.inf,
    "wrong",
    None,
    [],
    [0.1, 0.2, 0.3],
    10**400,
    -0.5,
    1.5,
    object(),
]

RECIPES: dict[str, dict[str, Any]] = {
    "chebyshev": {"steps": 8},
    "cyclic": {"up": 3, "low": 0.1, "high": 0.2},
    "cyclic_cosine_decay": {"init_decay_epochs": 5, "min_decay_lr": 0.1},
    "exponential": {"gamma": 0.9},
    "infinite": {"decay": 5, "warmup": 3},
    "inverse_sqrt": {"timescale": 3},
    "multistep": {"at": [3]},
    "noam": {"d_model": 512, "warmup": 40},
    "piecewise_constant": {"at": [3], "rates": [1.0, 0.1]},
    "power_scheduler": {"peak": 0.1},
    "sgdr": {"period": 9, "up": 2},
    "step": {"every": 3},
    "time_decay": {"decay_rate": 0.1},
    "untuned_warmup": {"beta2": 0.99},
    "warmup": {"over": 3},
    "wsd": {"warmup": 3, "cooldown": 5},
}
"""What a recipe is called with; nothing where it needs nothing."""

DROP_INS: dict[str, dict[str, Any]] = {
    "LambdaLR": {"lr_lambda": lambda k: 1.0},
    "MultiplicativeLR": {"lr_lambda": lambda k: 1.0},
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [2]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {},
    "CosineAnnealingLR": {"T_max": 5},
    "CosineAnnealingWarmRestarts": {"T_0": 5},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 3},
    "OneCycleLR": {"max_lr": 0.2, "total_steps": 9},
    "CyclicCosineDecayLR": {
        "init_decay_epochs": 5,
        "min_decay_lr": 0.01,
        "restart_interval": 3,
        "warmup_epochs": 2,
        "warmup_start_lr": 0.01,
    },
    "SWALR": {"swa_lr": 0.1},
    "ReduceLROnPlateau": {},
}


def sgd() -> Optimizer:
    groups = [{"params": [Parameter(torch.zeros(1))]} for _ in range(2)]
    return SGD(groups, lr=0.1, momentum=0.9)


def in_other_words(name: str, build: Callable[..., object], good: dict[str, Any]) -> list[tuple[str, str]]:
    """The arguments whose refusal does not name what was called and the argument, with what it says."""
    others = []
    for argument in inspect.signature(build).parameters:
        for wrong in WRONG if argument != "optimizer" else ():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    build(**{**good, argument: wrong})
            except EtudeError as error:
                if name not in str(error) or argument not in str(error):
                    others.append((argument, str(error)))
    return others


@pytest.mark.parametrize("name", sorted(recipes.__all__))
def test_d10_a_recipe_is_refused_in_its_own_words(name: str) -> None:
    recipe = getattr(et, name)
    good = RECIPES.get(name, {})
    recipe(**good)
    assert in_other_words(name, recipe, good) == []


@pytest.mark.parametrize("name", DROP_INS)
def test_d10_a_drop_in_is_refused_in_its_own_words(name: str) -> None:
    drop_in = getattr(lr_scheduler, name)

    def build(**arguments: Any) -> object:
        return drop_in(sgd(), **arguments)

    build.__signature__ = inspect.signature(drop_in)  # type: ignore[attr-defined]
    assert in_other_words(name, build, DROP_INS[name]) == []


def test_d10_in_numbers() -> None:
    with pytest.raises(EtudeError, match=r"^CyclicLR\(max_lr=\) must be at least base_lr, 0\.2; got 0\.01$"):
        lr_scheduler.CyclicLR(sgd(), base_lr=0.2, max_lr=0.01)
