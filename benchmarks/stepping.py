"""What one step of the Scheduler costs, beside whoever else writes the same rates.

    python benchmarks/stepping.py [--quick] [--json FILE]

Every pair follows the same schedule; that both write the same rates is checked before it is timed. Ours take
more steps in a row than they work out ahead, so that working them out is counted.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import jax
import lrsched
import numpy as np
import optax
import torch
from report import Row, main
from timing import Call, least
from torch.nn import Parameter
from torch.optim import SGD, Optimizer, lr_scheduler
from transformers.optimization import get_cosine_schedule_with_warmup

import etude as et
from etude import BASE
from etude.torch import Scheduler

# timm's schedulers alone: the package's own start imports torchvision, which they do not need.
if (found := importlib.util.find_spec("timm")) is not None:
    sys.modules.setdefault("timm", importlib.util.module_from_spec(found))
from timm import scheduler as timm

LENGTH = 1_000_000
WARMUP = 10
# Of ours, so many values in a row, and at most so many steps.
MANY_VALUES, MANY_STEPS = 2**20, 2**16
# Steps in which a pair must write the same rates; they reach past the warmup.
COMPARED = 20

Plan = Mapping[str, et.Schedule]


def optimizer_of(bases: Iterable[float], *, tensor: bool) -> Optimizer:
    """An optimizer with a group of each base rate."""
    optimizer = SGD([Parameter(torch.zeros(1))], momentum=0.95)
    (group,) = optimizer.param_groups
    # torch compares each group that is added with all before it, for longer than the timing takes.
    optimizer.param_groups[:] = [
        {**group, "params": [Parameter(torch.zeros(1))], "lr": torch.tensor(base) if tensor else base}
        for base in bases
    ]
    return optimizer


def rates(optimizer: Optimizer) -> list[float]:
    """The rate of each group."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def storing(optimizer: Optimizer) -> Callable[[Iterable[float]], None]:
    """A loop that stores a rate in each group."""
    groups = optimizer.param_groups

    def store(values: Iterable[float]) -> None:
        for group, value in zip(groups, values, strict=True):
            group["lr"] = value

    def fill(values: Iterable[float]) -> None:
        for group, value in zip(groups, values, strict=True):
            group["lr"].fill_(value)

    return fill if isinstance(groups[0]["lr"], torch.Tensor) else store


# The peers: each builds what one step of it calls.


def torch_cosine(optimizer: Optimizer) -> Call:
    """torch's CosineAnnealingLR."""
    return lr_scheduler.CosineAnnealingLR(optimizer, LENGTH, 1e-5).step


def torch_one_cycle(optimizer: Optimizer) -> Call:
    """torch's OneCycleLR, which cycles the momentum too."""
    peaks = [10 * rate for rate in rates(optimizer)]
    return lr_scheduler.OneCycleLR(optimizer, peaks, LENGTH, div_factor=10).step


def torch_sequential(optimizer: Optimizer) -> Call:
    """torch's SequentialLR of a warmup and a cosine."""
    warmup = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=WARMUP)
    cosine = lr_scheduler.CosineAnnealingLR(optimizer, LENGTH)
    return lr_scheduler.SequentialLR(optimizer, [warmup, cosine], [WARMUP]).step


def transformers_cosine(optimizer: Optimizer) -> Call:
    """transformers' cosine, a LambdaLR."""
    return get_cosine_schedule_with_warmup(optimizer, WARMUP, LENGTH).step


def timm_cosine(optimizer: Optimizer) -> Call:
    """timm's cosine, by update."""
    scheduler = timm.CosineLRScheduler(optimizer, LENGTH, t_in_epochs=False)
    steps = itertools.count(1)
    return lambda: scheduler.step_update(next(steps))


def lrsched_cosine(optimizer: Optimizer) -> Call:
    """lrsched's function of the step for each group, and a loop that stores the rates."""
    multipliers = {str(index): rate for index, rate in enumerate(rates(optimizer))}
    cosine = lrsched.cosine(base_lr=1.0, min_lr=0.0, total_steps=LENGTH)
    of_step = lrsched.scale_by_group(cosine, multipliers=multipliers)
    store, steps = storing(optimizer), itertools.count(1)
    return lambda: store(of_step(next(steps)).values())


def optax_cosine(optimizer: Optimizer) -> Call:
    """optax's function of the step, jitted for all groups at once, and a loop that stores the rates."""
    cosine = optax.cosine_decay_schedule(1.0, LENGTH)
    bases = np.array(rates(optimizer), dtype=np.float32)
    of_step = jax.jit(lambda step: cosine(step) * bases)
    store, steps = storing(optimizer), itertools.count(1)
    return lambda: store(np.asarray(of_step(next(steps))).tolist())


COSINE: Plan = {"lr": et.Cosine(BASE, 0, over=LENGTH)}
PEERS: dict[str, tuple[Callable[[Optimizer], Call], Plan]] = {
    "torch CosineAnnealingLR": (torch_cosine, {"lr": et.Cosine(BASE, 1e-5, over=LENGTH)}),
    "torch OneCycleLR": (
        torch_one_cycle,
        {
            "lr": et.one_cycle(peak=10 * BASE, over=LENGTH, div=10),
            "momentum": et.one_cycle_momentum(over=LENGTH),
        },
    ),
    "torch SequentialLR": (
        torch_sequential,
        {"lr": et.Linear(0.1 * BASE, BASE, over=WARMUP) >> et.Cosine(BASE, 0, over=LENGTH)},
    ),
    "transformers cosine": (
        transformers_cosine,
        {"lr": et.Linear(0 * BASE, BASE, over=WARMUP) >> et.Cosine(BASE, 0, over=LENGTH - WARMUP)},
    ),
    "timm CosineLRScheduler": (timm_cosine, COSINE),
    "lrsched cosine": (lrsched_cosine, COSINE),
    "optax cosine, jitted": (optax_cosine, COSINE),
}
NOTES = {
    "torch OneCycleLR": "Beside OneCycleLR both write the rate and the momentum.",
    "lrsched cosine": "lrsched's schedule is a function of the step; what stores its values is a plain loop.",
    "optax cosine, jitted": "optax's schedule is a function of the step, in float32; "
    "what stores its values is a plain loop.",
}


@dataclass(frozen=True)
class Case:
    """So many groups, and how many steps of a peer are timed in a row."""

    name: str
    groups: int
    steps: int
    bound: float | None
    tensor: bool = False
    differ: bool = False

    @property
    def bases(self) -> list[float]:
        """The base rate of each group."""
        return [0.1 * (1 + index / self.groups) if self.differ else 0.1 for index in range(self.groups)]

    @property
    def many(self) -> int:
        """How many steps of ours are timed in a row."""
        return min(MANY_VALUES // self.groups, MANY_STEPS)

    @property
    def peers(self) -> list[str]:
        """Whom it is run beside; timm puts floats in the place of tensors."""
        return [name for name in PEERS if not (self.tensor and name.startswith("timm"))]


CASES = (
    Case("1 group, float", 1, 8192, 0.2),
    Case("100 groups, floats", 100, 1024, 0.08),
    Case("1,000 groups, floats, one base rate", 1000, 512, 0.07),
    Case("1,000 groups, floats, each its own base rate", 1000, 512, 0.07, differ=True),
    Case("1 group, tensor", 1, 4096, None, tensor=True),
    Case("100 groups, tensors", 100, 512, 0.01, tensor=True),
)
PLANS_CASE = "100 groups, floats, each its own schedule"


def past_the_first(build: Callable[[Optimizer], Call], optimizer: Optimizer) -> Call:
    """A scheduler's step; torch's look at the first of them whether the optimizer was stepped."""
    step = build(optimizer)
    optimizer.step()
    return step


def pair(case: Case, peer: str) -> tuple[Call, Call]:
    """The steps of a peer and of the Scheduler, after some in which both wrote the same rates."""
    build, plan = PEERS[peer]
    theirs, ours = (optimizer_of(case.bases, tensor=case.tensor) for _ in range(2))
    held = [group["lr"] for group in ours.param_groups]
    calls = (
        past_the_first(build, theirs),
        past_the_first(lambda optimizer: Scheduler(optimizer, plan).step, ours),
    )
    agree(calls, theirs, ours, f"{peer}, {case.name}")
    if case.tensor and not all(
        group["lr"] is tensor for group, tensor in zip(ours.param_groups, held, strict=True)
    ):
        raise AssertionError(f"{case.name}: a group holds another tensor than the one it was given")
    return calls


def agree(calls: tuple[Call, Call], theirs: Optimizer, ours: Optimizer, name: str) -> None:
    """Step both, and see that they write the same rates."""
    for step in range(1, COMPARED + 1):
        for call in calls:
            call()
        # What is compared may be float32, and torch's is a product of as many factors as there were steps.
        np.testing.assert_allclose(rates(ours), rates(theirs), 1e-4, err_msg=f"{name}, step {step}")


def bare(case: Case) -> Call:
    """The least that any scheduler must do: a loop that stores one number in every group."""
    groups = optimizer_of(case.bases, tensor=False).param_groups

    def loop() -> None:
        for group in groups:
            group["lr"] = 0.05

    return loop


def own_schedules(case: Case) -> tuple[Call, Call]:
    """torch with groups of their own base rates, and the Scheduler with a schedule for each group."""
    shares = [1 - index / (2 * case.groups) for index in range(case.groups)]
    theirs = optimizer_of([0.1 * share for share in shares], tensor=False)
    ours = optimizer_of([0.1] * case.groups, tensor=False)
    plans: dict[str | int, et.Schedule] = {
        index: et.Cosine(share * BASE, 1e-5, over=LENGTH) for index, share in enumerate(shares)
    }
    calls = (
        past_the_first(torch_cosine, theirs),
        past_the_first(lambda optimizer: Scheduler(optimizer, groups=plans).step, ours),
    )
    agree(calls, theirs, ours, PLANS_CASE)
    return calls


def rows(*, quick: bool) -> list[Row]:
    """Time every case beside every peer."""
    torch.set_num_threads(1)
    found = []
    for case in CASES:
        pairs = [pair(case, peer) for peer in case.peers]
        few, many = (8, 8) if quick else (case.steps, case.many)
        calls = [timed for theirs, ours in pairs for timed in ((theirs, few), (ours, many))]
        seconds = least([*calls, (bare(case), few)], repeats=1 if quick else 5)
        for peer, theirs, ours in zip(case.peers, seconds[:-1:2], seconds[1::2], strict=True):
            bound = case.bound if peer.startswith("torch") else None
            found.append(row("Scheduler.step()", case.name, peer, ours, theirs, bound))
        if not case.tensor:
            found.append(row("a bare loop of stores", case.name, case.peers[0], seconds[-1], seconds[0]))
    each = Case(PLANS_CASE, 100, 1024, None)
    few, many = (8, 8) if quick else (each.steps, each.many)
    torchs, etudes = own_schedules(each)
    theirs, ours = least([(torchs, few), (etudes, many)], repeats=1 if quick else 5)
    found.append(row("Scheduler.step()", PLANS_CASE, "torch CosineAnnealingLR", ours, theirs))
    return found


def row(what: str, case: str, peer: str, ours: float, theirs: float, bound: float | None = None) -> Row:
    """A row in microseconds."""
    return Row(what, case, peer, 1e6 * ours, 1e6 * theirs, "µs", bound, note=NOTES.get(peer, ""))


if __name__ == "__main__":
    main(__doc__, [("One step", rows)])
