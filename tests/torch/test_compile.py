"""Compiled steps: what a change of the rate costs, as a float and as a tensor; torch's scheduler beside ours.

``optimizer.step`` itself is never one graph: torch breaks it on purpose, to leave its no_grad outside. The
whole step is compiled here as torch's own tests do it, with the function under the two wrappers of ``step``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import FailOnRecompileLimitHit, Unsupported
from torch._dynamo.utils import counters
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from etude import BASE, Constant, Cosine, Horizon, Schedule
from etude.torch import Scheduler
from etude.torch.tensorize import recompiles_with_floats, tensorize
from tests.torch.test_tensorize import refused, variants

# torch's compiler uses what torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated:DeprecationWarning")

RATES = 1000
# How often torch compiles a function before it gives up.
LIMIT = torch._dynamo.config.recompile_limit


def graphs() -> int:
    """How many graphs have been compiled: one more with each compilation of the same code."""
    return counters["stats"]["unique_graphs"]


def breaks() -> dict[str, int]:
    """How many breaks there are in what is compiled, by the first line of the reason."""
    return {reason.splitlines()[0]: count for reason, count in counters["graph_break"].items()}


def forget() -> None:
    """Drop all compiled code and counts."""
    torch._dynamo.reset()
    counters.clear()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No compiled code of other tests, and gradients in the graph."""
    forget()
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        yield
    forget()


class Training:
    """A model of two layers or one, each a parameter group, and a compiled step of it."""

    def __init__(
        self,
        kind: Callable[..., Optimizer],
        *,
        backend: str = "aot_eager",
        tensors: bool,
        layers: int = 2,
        **options: Any,
    ) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False))[:layers]
        groups: Any = [{"params": [layer.weight], "lr": 0.1 * (i + 1)} for i, layer in enumerate(self.model)]
        self.optimizer = kind(groups, **options)
        if tensors:
            tensorize(self.optimizer)
        self.weights = list(self.model.parameters())
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight)
        self.batch = torch.ones(3, 4)
        self.backend = backend

    def step(self, update: Callable[[], None]) -> Callable[[], Tensor]:
        """Forward, backward and update."""

        def step() -> Tensor:
            loss: Tensor = self.model(self.batch).square().mean()
            gradients = torch.autograd.grad(loss, self.weights)
            with torch.no_grad():
                for weight, gradient in zip(self.weights, gradients, strict=True):
                    assert weight.grad is not None
                    weight.grad.copy_(gradient)
                update()
            return loss.detach()

        return step

    def whole(self, update: Callable[[], None]) -> Callable[[], Tensor]:
        """All of a step in one graph, or an error."""
        return torch.compile(self.step(update), backend=self.backend, fullgraph=True)

    def update(self) -> Callable[[], None]:
        """The optimizer's step as it is, in as many graphs as torch makes of it."""

        def update() -> None:
            self.optimizer.step()

        return torch.compile(update, backend=self.backend)

    def run(self, step: Callable[[], Tensor], scheduler: LRScheduler, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            losses.append(float(step()))
            scheduler.step()
        return losses


def bare(optimizer: Optimizer) -> Callable[[], None]:
    """The update without the wrapper that calls hooks and the one that breaks the graph."""
    inner: Any = optimizer.step
    inner = inner.__wrapped__.__wrapped__
    return lambda: inner(optimizer)


def ours(optimizer: Optimizer, steps: int = RATES) -> Scheduler:
    return Scheduler(optimizer, Cosine(BASE, 0.001 * BASE, over=steps), Horizon(total=steps))


# One graph, compiled once.


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("kind", [SGD, AdamW, torch.optim.RMSprop])
def test_the_whole_step_is_compiled_once_for_a_thousand_rates(kind: Any, backend: str) -> None:
    training = Training(kind, tensors=True, backend=backend)
    scheduler = ours(training.optimizer)
    step = training.whole(bare(training.optimizer))
    losses = training.run(step, scheduler, RATES)
    assert (graphs(), breaks()) == (1, {})
    assert losses[-1] < losses[0]


def test_inductor_compiles_it_once_too() -> None:
    training = Training(SGD, tensors=True, backend="inductor")
    scheduler = ours(training.optimizer)
    training.run(training.whole(bare(training.optimizer)), scheduler, RATES)
    assert (graphs(), breaks()) == (1, {})


def test_a_momentum_is_compiled_in_once_it_is_there() -> None:
    training = Training(SGD, tensors=True, momentum=0.9)
    training.run(training.whole(bare(training.optimizer)), ours(training.optimizer), 20)
    assert graphs() == 2  # the first update makes the buffers


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_compiled_steps_go_where_uncompiled_ones_go(kind: Any) -> None:
    def trained(*, compiled: bool, schedule: Schedule) -> Tensor:
        training = Training(kind, tensors=compiled)
        update = bare(training.optimizer)
        step = training.whole(update) if compiled else training.step(update)
        training.run(step, Scheduler(training.optimizer, schedule), 20)
        return torch.cat([weight.detach().flatten() for weight in training.weights])

    cosine, constant = Cosine(BASE, 0.001 * BASE, over=20), Constant(BASE)
    found = trained(compiled=True, schedule=cosine)
    assert torch.allclose(found, trained(compiled=False, schedule=cosine), rtol=0, atol=1e-4)
    assert not torch.allclose(found, trained(compiled=False, schedule=constant), rtol=0, atol=1e-3)


def test_torchs_scheduler_breaks_the_same_step() -> None:
    """It wraps ``optimizer.step`` once more, so that torch's own break is left in the graph."""
    training = Training(SGD, tensors=True)
    CosineAnnealingLR(training.optimizer, RATES)
    with pytest.raises(Unsupported, match=r"torch\._dynamo\.graph_break"):
        training.whole(bare(training.optimizer))()


def test_torchs_wrapper_is_a_break_of_its_own_where_breaks_are_allowed() -> None:
    def broken(scheduled: Callable[[Optimizer], LRScheduler]) -> set[str]:
        forget()
        training = Training(SGD, tensors=True)
        scheduler = scheduled(training.optimizer)
        update = training.update()
        for _ in range(3):
            update()
            scheduler.step()
        return set(breaks())

    own = "Call to `torch._dynamo.graph_break()`"
    assert broken(ours) == {own}
    assert broken(lambda optimizer: CosineAnnealingLR(optimizer, RATES)) == {
        own,
        "Attempted to call function marked as skipped",
    }


def test_a_scheduler_that_counts_updates_through_its_first_epoch_compiles_nothing_anew() -> None:
    def compiled(horizon: Horizon) -> tuple[int, dict[str, int]]:
        forget()
        training = Training(SGD, tensors=True)
        scheduler = Scheduler(training.optimizer, Cosine(over=50), horizon)
        update = training.update()
        for _ in range(50):
            update()
            scheduler.step()
        return graphs(), breaks()

    assert compiled(Horizon(steps_per_epoch=10, total=50)) == compiled(Horizon(total=50))


def test_a_scheduler_can_be_built_when_the_step_is_compiled() -> None:
    """It then moves the rates' numbers together, and the compiled code goes on reading them."""
    training = Training(SGD, tensors=True)
    step = training.whole(bare(training.optimizer))
    first = float(step())
    scheduler = ours(training.optimizer, 100)
    scheduler.seek(50)
    losses = training.run(step, scheduler, 20)
    assert graphs() == 1
    assert first > losses[0] > losses[-1]


# Floats.


def compiled_at(kind: Any, options: dict[str, Any], *, tensors: bool, steps: int) -> list[int]:
    """The steps at which an update was compiled, with breaks where torch has them."""
    forget()
    training = Training(kind, tensors=tensors, layers=1, **options)
    scheduler = ours(training.optimizer, steps)
    update = training.update()
    found = [0]
    for _ in range(steps):
        for weight in training.weights:
            assert weight.grad is not None
            weight.grad.copy_(weight.detach())
        update()
        scheduler.step()
        found.append(graphs())
    return [step for step in range(steps) if found[step + 1] > found[step]]


def those_that_are_compiled() -> list[Any]:
    """Every optimizer that torch compiles, with what decides how its arithmetic is done."""
    return [
        each
        for each in variants()
        if each.values[0] not in (torch.optim.LBFGS, torch.optim.SparseAdam)
        and each.values[1] in ({}, {"foreach": True}, {"fused": True})
    ]


@pytest.mark.parametrize(("kind", "options"), those_that_are_compiled())
def test_which_optimizers_are_compiled_at_each_change_is_known(kind: Any, options: dict[str, Any]) -> None:
    optimizer = Training(kind, tensors=False, **options).optimizer
    each_change = recompiles_with_floats(optimizer)
    # The second update may be compiled for the state that the first has made; the third is so for its rate.
    found = compiled_at(kind, options, tensors=False, steps=3)
    assert found[-1] == (2 if each_change else 1)
    if not refused(kind, options):
        assert not recompiles_with_floats(tensorize(optimizer))
        assert compiled_at(kind, options, tensors=True, steps=3) in ([], [0])  # [] where torch breaks it all


def test_at_the_limit_a_whole_graph_is_an_error() -> None:
    training = Training(SGD, tensors=False)
    step = training.whole(bare(training.optimizer))
    with pytest.raises(FailOnRecompileLimitHit, match="fullgraph=True"):
        training.run(step, ours(training.optimizer), LIMIT + 1)
    assert graphs() == LIMIT


def test_and_else_the_update_is_not_compiled_any_more() -> None:
    assert compiled_at(SGD, {}, tensors=False, steps=LIMIT + 4) == list(range(LIMIT))


@pytest.mark.parametrize(("kind", "name"), [(AdamW, "betas[0]"), (SGD, "weight_decay")])
def test_other_hyperparameters_stay_floats_which_are_compiled_in(kind: Any, name: str) -> None:
    training = Training(kind, tensors=True, **({} if kind is AdamW else {"weight_decay": 0.1}))
    scheduler = Scheduler(training.optimizer, {name: Cosine(BASE, 0.5 * BASE, over=9)})
    update = training.update()
    found = []
    for _ in range(5):
        update()
        scheduler.step()
        found.append(graphs())
    assert found[-1] > found[-2] > found[-3]


def test_an_optimizer_made_of_torchs_is_known_too() -> None:
    class Own(SGD):
        pass

    class Other(Optimizer):
        pass

    weight = nn.Parameter(torch.zeros(1))
    assert recompiles_with_floats(Own([weight], lr=0.1))
    assert not recompiles_with_floats(Other([weight], {"lr": 0.1}))
