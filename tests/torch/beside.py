"""Torch's schedulers beside the drop-ins: the same parameters, the same optimizers, compared step by step."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer, swa_utils
from torch.optim import lr_scheduler as theirs

from etude.torch import lr_scheduler as ours

COMPARED: Counter[str] = Counter()
"""How many cases of each class were compared; the report of the tests ends with it."""

HYPERPARAMETERS = (
    "lr",
    "initial_lr",
    "max_lr",
    "min_lr",
    "base_momentum",
    "max_momentum",
    "swa_lr",
    "momentum",
)


class Still:
    """An optimizer's step where there are no gradients, at once: schedulers look only for its being made."""

    def step(self, closure: None = None) -> None:
        pass


class StillSGD(Still, SGD):
    pass


class StillAdam(Still, Adam):
    pass


@dataclass(frozen=True)
class Setup:
    """An optimizer's groups: the base rates, which of them are tensors, and whether it has betas."""

    bases: tuple[float, ...]
    tensors: tuple[bool, ...]
    adam: bool

    def optimizer(self) -> Optimizer:
        groups = [
            {
                "params": [Parameter(torch.zeros(1))],
                "lr": torch.tensor(base, dtype=torch.float64) if tensor else base,
            }
            for base, tensor in zip(self.bases, self.tensors, strict=True)
        ]
        return StillAdam(groups, lr=0.1) if self.adam else StillSGD(groups, lr=0.1, momentum=0.5)


@st.composite
def setups(draw: st.DrawFn, *, most: int = 4) -> Setup:
    bases = draw(st.lists(st.floats(1e-4, 2.0), min_size=1, max_size=most))
    tensors = draw(st.lists(st.booleans(), min_size=len(bases), max_size=len(bases)))
    return Setup(tuple(bases), tuple(tensors), draw(st.booleans()))


def decay(step: int) -> float:
    """A user's function of the step."""
    return 0.9**step


@dataclass
class Stateful:
    """A user's callable with attributes."""

    rate: float

    def __call__(self, step: int) -> float:
        return 1 / (1 + self.rate * step)


whole = st.integers(1, 12)
factors = st.floats(0.05, 1.0)
floors = st.sampled_from([0.0, 1e-5])
momenta = st.sampled_from([0.0, 0.5, 0.8])


def cyclic_arguments() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "base_lr": st.sampled_from([0.0, 0.01, 0.1]),
            "max_lr": st.floats(0.1, 1.0),
            "step_size_up": whole,
            "step_size_down": st.one_of(st.none(), whole),
            "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
            "gamma": st.floats(0.9, 1.0),
            "scale_fn": st.sampled_from([None, None, decay]),
            "scale_mode": st.sampled_from(["cycle", "iterations"]),
            "cycle_momentum": st.booleans(),
            "base_momentum": momenta,
            "max_momentum": st.sampled_from([0.8, 0.95]),
        }
    )


def one_cycle_arguments() -> st.SearchStrategy[dict[str, Any]]:
    # Torch divides by zero where a phase has no length; those are compared with nothing.
    return st.fixed_dictionaries(
        {
            "max_lr": st.floats(0.01, 1.0),
            "total_steps": st.integers(12, 50),
            "pct_start": st.sampled_from([0.2, 0.25, 0.3, 0.45]),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
            "cycle_momentum": st.booleans(),
            "base_momentum": momenta,
            "max_momentum": st.sampled_from([0.8, 0.95]),
            "div_factor": st.floats(1, 100),
            "final_div_factor": st.floats(1, 1e4),
            "three_phase": st.booleans(),
        }
    )


ARGUMENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "LambdaLR": st.fixed_dictionaries({"lr_lambda": st.sampled_from([decay, Stateful(0.3)])}),
    "MultiplicativeLR": st.fixed_dictionaries(
        {"lr_lambda": st.sampled_from([lambda _: 0.95, Stateful(0.01)])}
    ),
    "StepLR": st.fixed_dictionaries({"step_size": whole, "gamma": factors}),
    "MultiStepLR": st.fixed_dictionaries(
        {"milestones": st.lists(st.integers(0, 30), max_size=5), "gamma": factors}
    ),
    "ConstantLR": st.fixed_dictionaries({"factor": factors, "total_iters": whole}),
    "LinearLR": st.fixed_dictionaries(
        {"start_factor": factors, "end_factor": st.floats(0.0, 1.0), "total_iters": whole}
    ),
    "ExponentialLR": st.fixed_dictionaries({"gamma": factors}),
    "PolynomialLR": st.fixed_dictionaries({"total_iters": st.integers(1, 30), "power": st.floats(0.5, 3)}),
    "CosineAnnealingLR": st.fixed_dictionaries({"T_max": st.integers(2, 30), "eta_min": floors}),
    "CosineAnnealingWarmRestarts": st.fixed_dictionaries(
        {"T_0": whole, "T_mult": st.integers(1, 4), "eta_min": floors}
    ),
    "CyclicLR": cyclic_arguments(),
    "OneCycleLR": one_cycle_arguments(),
    "SWALR": st.fixed_dictionaries(
        {
            "swa_lr": st.floats(0.001, 0.5),
            "anneal_epochs": st.integers(0, 12),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
        }
    ),
}
"""For each of torch's classes that steps by itself, what it may be built with."""

CLOSED = [name for name in ARGUMENTS if hasattr(getattr(theirs, name, None), "_get_closed_form_lr")]
"""The classes of which torch has a closed form beside the recursion that drifts."""


def build(module: Any, name: str, optimizer: Optimizer, arguments: dict[str, Any], **more: Any) -> Any:
    kind = swa_utils.SWALR if module is theirs and name == "SWALR" else getattr(module, name)
    return kind(optimizer, **arguments, **more)


def pair(name: str, setup: Setup, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Ours and theirs, each on an optimizer of its own."""
    return (
        build(ours, name, setup.optimizer(), arguments),
        build(theirs, name, setup.optimizer(), arguments),
    )


def plain(value: Any) -> Any:
    """A value with tensors as floats."""
    if isinstance(value, torch.Tensor):
        return float(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def settings(optimizer: Optimizer) -> list[dict[str, Any]]:
    """All that schedulers write or keep in the groups."""
    return [
        {key: plain(group[key]) for key in HYPERPARAMETERS if key in group}
        | ({"betas": plain(group["betas"])} if "betas" in group else {})
        for group in optimizer.param_groups
    ]


def rates(optimizer: Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def assert_same(one: Any, other: Any, *, rel: float = 1e-12, scale: float = 1.0, path: str = "") -> None:
    """Compare plain values: numbers to ``rel`` of themselves, or a thousandth of that of ``scale``."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], rel=rel, scale=scale, path=f"{path}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), path
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, rel=rel, scale=scale, path=f"{path}[{i}]")
    elif isinstance(one, float | int) and not isinstance(one, bool):
        allowed = max(rel * max(abs(one), abs(other)), 1e-3 * rel * scale)
        assert one == other or abs(one - other) <= allowed, (path, one, other)
    else:
        assert one == other, path


def step(schedulers: Iterable[Any], *metrics: float) -> None:
    """One update of the optimizers and one step of each."""
    schedulers = list(schedulers)
    for optimizer in {id(s.optimizer): s.optimizer for s in schedulers}.values():
        optimizer.step()
    for scheduler in schedulers:
        scheduler.step(*metrics)


def quietly(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call what warns in torch's own way, of which this test is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **named)


def walk(scheduler: Any, steps: int) -> Sequence[list[float]]:
    """The rates that so many updates use."""
    used = []
    for _ in range(steps):
        used.append(rates(scheduler.optimizer))
        step([scheduler])
    return used
