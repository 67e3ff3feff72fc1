"""What a scheduler does to a compiled train step: graph breaks, and compilations anew as the rate changes.

    python benchmarks/compiling.py [--quick] [--json FILE]

Graphs are counted on their way to the backend ``aot_eager``, which makes no machine code of them: that is no
matter here. The rates that the compiled updates used are compared with the schedule's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch._dynamo as dynamo
from report import Row, main
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer, lr_scheduler

import etude as et
from etude.torch import Scheduler

EPOCHS = 10
PLAN = et.cosine()


class Descent(Optimizer):
    """Gradient descent, written as optimizers outside of torch are: without breaks of its own."""

    def __init__(self, parameters: Iterable[Parameter], lr: Any) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take the rate times the gradient off each parameter."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.sub_(group["lr"] * parameter.grad)


Kind = Callable[..., Optimizer]
Attach = Callable[[Optimizer, int], Any]


def etudes(optimizer: Optimizer, steps: int) -> Scheduler:
    """Etude's; with the length of an epoch given, it also watches whether updates and steps agree."""
    return Scheduler(optimizer, PLAN, et.Horizon(steps_per_epoch=steps // EPOCHS, total=steps))


def torchs(optimizer: Optimizer, steps: int) -> lr_scheduler.CosineAnnealingLR:
    """torch's."""
    return lr_scheduler.CosineAnnealingLR(optimizer, steps)


def nobody(optimizer: Optimizer, steps: int) -> lr_scheduler.LRScheduler | None:
    """No scheduler: what is there without one."""
    return None


@dataclass(frozen=True)
class Counts:
    """What compiling came to: graph breaks, and graphs that were compiled after the first step."""

    breaks: int
    later: int


def train(
    attach: Attach, kind: Kind, steps: int, *, tensor: bool, whole: bool = False, fullgraph: bool = False
) -> Counts | None:
    """Train by a compiled step; None where ``fullgraph=True`` is refused.

    Args:
        attach: builds the scheduler.
        kind: the optimizer's class.
        steps: how many rates there are.
        tensor: whether the rate is a tensor.
        whole: whether forward, backward and update are compiled as one; else the update alone.
        fullgraph: whether a break is an error.
    """
    dynamo.reset()
    dynamo.utils.counters.clear()
    graphs = [0]

    def counted(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        graphs[-1] += 1
        return dynamo.lookup_backend("aot_eager")(graph, inputs)

    model = torch.nn.Linear(3, 1, bias=False, dtype=torch.float64)
    before = model.weight.detach().clone()
    ones = torch.ones(3, dtype=torch.float64)
    optimizer = kind(model.parameters(), lr=torch.tensor(0.1, dtype=torch.float64) if tensor else 0.1)
    scheduler = attach(optimizer, steps)

    def gradients() -> None:
        model(ones).sum().backward()

    def step() -> None:
        gradients()
        optimizer.step()

    compiled = torch.compile(step if whole else optimizer.step, backend=counted, fullgraph=fullgraph)
    # That Dynamo traces backward() is asked for by a setting.
    with dynamo.config.patch(trace_autograd_ops=whole):
        try:
            for _ in range(steps):
                if not whole:
                    gradients()
                compiled()
                model.weight.grad = None
                graphs.append(0)
                if scheduler is not None:
                    scheduler.step()
        except dynamo.exc.Unsupported:
            return None
    if kind is Descent and scheduler is not None:
        # The gradient is 1: the weights have come down by the sum of the rates that were used.
        used = PLAN.on(et.Horizon(total=steps))(range(steps), base=0.1).sum()
        np.testing.assert_allclose((before - model.weight.detach()).numpy(), np.full((1, 3), used))
    return Counts(sum(dynamo.utils.counters["graph_break"].values()), sum(graphs[1:]))


def rows(*, quick: bool) -> list[Row]:
    """Count for optimizers of torch's and outside of torch, by tensor rates and by floats."""
    steps = 20 if quick else 1000
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)  # it would warn of what is counted here
    one = "one graph of forward, backward and update, tensor rate"
    # Where ours were refused, the breaks would be counted without fullgraph=True, as torch's are.
    ours = train(etudes, Descent, steps, tensor=True, whole=True, fullgraph=True)
    ours = ours or counts(etudes, Descent, steps, tensor=True, whole=True)
    theirs = counts(torchs, Descent, steps, tensor=True, whole=True)
    refused = train(torchs, Descent, steps, tensor=True, whole=True, fullgraph=True) is None
    found = [
        breaks(one, TORCHS, ours, theirs, 0, note=REFUSED if refused else ""),
        anew(one, TORCHS, ours, theirs, steps, 0),
    ]
    for kind in (SGD, AdamW):
        case = f"{kind.__name__}.step(), tensor rate"
        ours, theirs, bare = (counts(attach, kind, steps, tensor=True) for attach in (etudes, torchs, nobody))
        found += [
            breaks(case, "no scheduler", ours, bare, bare.breaks, note=OWN_BREAKS),
            breaks(case, TORCHS, ours, theirs),
            anew(case, TORCHS, ours, theirs, steps, 0),
        ]
    for kind in (SGD, AdamW):
        ours, theirs = (counts(attach, kind, steps, tensor=False) for attach in (etudes, torchs))
        found.append(anew(f"{kind.__name__}.step(), float rate", TORCHS, ours, theirs, steps))
    return found


TORCHS = "torch CosineAnnealingLR"
REFUSED = "With torch's scheduler fullgraph=True is refused, so its breaks were counted without it."
OWN_BREAKS = "step() of torch's optimizers breaks the graph of its own accord, around the update."


def counts(attach: Attach, kind: Kind, steps: int, *, tensor: bool, whole: bool = False) -> Counts:
    """Train where breaks are let pass."""
    found = train(attach, kind, steps, tensor=tensor, whole=whole)
    assert found is not None  # only fullgraph=True refuses
    return found


def breaks(
    case: str, beside: str, ours: Counts, theirs: Counts, bound: int | None = None, note: str = ""
) -> Row:
    """A row of graph breaks."""
    return Row(
        "graph breaks", case, beside, ours.breaks, theirs.breaks, "count", bound, absolute=True, note=note
    )


def anew(case: str, beside: str, ours: Counts, theirs: Counts, steps: int, bound: int | None = None) -> Row:
    """A row of graphs that were compiled after the first step."""
    what = f"compiled anew over {steps:,} rates"
    limit = dynamo.config.recompile_limit
    note = (
        f"{case}: after {limit} graphs torch gives up and runs it uncompiled" if ours.later >= limit else ""
    )
    return Row(what, case, beside, ours.later, theirs.later, "count", bound, absolute=True, note=note)


if __name__ == "__main__":
    main(__doc__, [("A compiled train step", rows)])
