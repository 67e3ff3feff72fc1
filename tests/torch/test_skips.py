from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.amp import GradScaler
from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
from torch.nn import Parameter
from torch.optim import SGD, Adagrad, AdamW, Optimizer

from etude.torch.skips import Skips

INF = float("inf")

KINDS: dict[str, Callable[[list[Parameter]], Optimizer]] = {
    "SGD": lambda weights: SGD(weights, lr=0.1),
    "AdamW": lambda weights: AdamW(weights, lr=0.1),
    "AdamW, foreach": lambda weights: AdamW(weights, lr=0.1, foreach=True),
    "fused SGD": lambda weights: SGD(weights, lr=0.1, fused=True),
    "fused AdamW": lambda weights: AdamW(weights, lr=0.1, fused=True),
    "fused Adagrad": lambda weights: Adagrad(weights, lr=0.1, fused=True),
}

every_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
one_of_each_sort = pytest.mark.parametrize(
    "build", [KINDS["SGD"], KINDS["fused AdamW"]], ids=["plain", "fused"]
)


class Loop:
    """A weight, its optimizer and a real scaler, and what moves them."""

    def __init__(
        self, build: Callable[[list[Parameter]], Optimizer], scaler: GradScaler | None = None
    ) -> None:
        self.weight = Parameter(torch.ones(2))
        self.optimizer = build([self.weight])
        self.scaler = scaler or GradScaler("cpu", init_scale=4.0)
        self.skips = Skips(self.optimizer, self.scaler)

    def backward(self, gradient: float) -> None:
        self.scaler.scale((self.weight * gradient).sum()).backward()

    def step(self, gradient: float) -> bool:
        """One attempt: whether it moved the weight."""
        self.optimizer.zero_grad()
        self.backward(gradient)
        return self.moved(lambda: self.scaler.step(self.optimizer))

    def moved(self, act: Callable[[], Any]) -> bool:
        before = self.weight.detach().clone()
        act()
        return not torch.equal(self.weight, before)


# What it sees.


@every_kind
@pytest.mark.parametrize("asked_after_update", [True, False])
def test_an_update_is_what_moves_the_weights(
    build: Callable[[list[Parameter]], Optimizer], asked_after_update: bool
) -> None:
    loop = Loop(build)
    seen, moved = [], []
    for gradient in (INF, 1.0, 1.0, INF, float("nan"), 1.0):
        moved.append(loop.step(gradient))
        if asked_after_update:
            loop.scaler.update()
        seen.append(loop.skips.updated())
        if not asked_after_update:
            loop.scaler.update()
    assert seen == moved == [False, True, True, False, False, True]


@every_kind
def test_gradients_may_be_unscaled_and_clipped_before(
    build: Callable[[list[Parameter]], Optimizer],
) -> None:
    loop, seen = Loop(build), []
    for gradient in (INF, 1.0, INF):
        loop.optimizer.zero_grad()
        loop.backward(gradient)
        loop.scaler.unscale_(loop.optimizer)
        torch.nn.utils.clip_grad_norm_([loop.weight], 1.0)
        moved = loop.moved(lambda: loop.scaler.step(loop.optimizer))
        loop.scaler.update()
        seen.append((loop.skips.updated(), moved))
    assert seen == [(False, False), (True, True), (False, False)]


@one_of_each_sort
def test_each_optimizer_of_a_scaler_is_seen_by_itself(
    build: Callable[[list[Parameter]], Optimizer],
) -> None:
    scaler = GradScaler("cpu", init_scale=4.0)
    overflowing, calm = Loop(build, scaler), Loop(KINDS["AdamW"], scaler)
    for gradient in (INF, 1.0):
        overflowing.step(gradient)
        calm.step(1.0)
        scaler.update()
        assert (overflowing.skips.updated(), calm.skips.updated()) == (gradient == 1.0, True)


@one_of_each_sort
def test_micro_batches_before_an_update_are_none(build: Callable[[list[Parameter]], Optimizer]) -> None:
    loop, seen = Loop(build), []
    for k, gradient in enumerate([1.0, 1.0, 1.0, INF, 1.0, 1.0]):
        loop.backward(gradient)
        if k % 2:
            loop.scaler.step(loop.optimizer)
            loop.scaler.update()
            loop.optimizer.zero_grad()
        seen.append(loop.skips.updated())
    # An overflow of the first of two is one of both.
    assert seen == [False, True, False, False, False, True]


@one_of_each_sort
@pytest.mark.parametrize("gradients", [(1.0, INF), (INF, 1.0), (1.0, INF, INF), (INF, INF, 1.0)])
def test_one_update_among_several_attempts_is_enough_and_then_forgotten(
    build: Callable[[list[Parameter]], Optimizer], gradients: tuple[float, ...]
) -> None:
    loop = Loop(build)
    assert loop.skips.updated() is False
    for gradient in gradients:
        loop.step(gradient)
        loop.scaler.update()
    assert [loop.skips.updated(), loop.skips.updated()] == [True, False]


@every_kind
def test_every_step_is_an_update_without_the_scaler_or_with_a_disabled_one(
    build: Callable[[list[Parameter]], Optimizer],
) -> None:
    loop = Loop(build, GradScaler("cpu", enabled=False))
    loop.step(INF)
    loop.scaler.update()
    assert loop.skips.updated()
    enabled = Loop(build)
    enabled.weight.grad = torch.ones(2)
    enabled.optimizer.step()
    assert enabled.skips.updated()


def test_the_scaler_of_fully_sharded_training_is_one_too() -> None:
    loop = Loop(KINDS["SGD"], ShardedGradScaler("cpu", init_scale=4.0))
    loop.optimizer.step()
    assert loop.skips.updated()


# What torch imports when it first compiles warns of itself.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
@one_of_each_sort
def test_a_compiled_step_is_seen_and_not_compiled_again(
    build: Callable[[list[Parameter]], Optimizer],
) -> None:
    counts = []
    for listening in (False, True):
        torch._dynamo.reset()
        loop, counter, seen = Loop(build), CompileCounter(), []
        if not listening:
            loop.skips.close()
        loop.optimizer.step = torch.compile(loop.optimizer.step, backend=counter)  # type: ignore[method-assign]
        for k in range(12):
            loop.step(INF if k in (0, 5) else 1.0)
            loop.scaler.update()
            seen.append(loop.skips.updated())
        assert seen == [listening and k not in (0, 5) for k in range(12)]
        counts.append(counter.frame_count)
    assert counts[0] == counts[1]


# What it leaves alone.


@every_kind
def test_what_the_optimizer_and_the_scaler_do_is_the_same_without_it(
    build: Callable[[list[Parameter]], Optimizer],
) -> None:
    def run(listening: bool) -> tuple[Tensor, dict[str, Any], dict[str, Any]]:
        loop = Loop(build)
        step = type(loop.optimizer).step
        if not listening:
            loop.skips.close()
        for gradient in (INF, 1.0, 0.5, INF, 2.0):
            loop.step(gradient)
            loop.scaler.update()
        assert type(loop.optimizer).step is step
        assert "step" not in vars(loop.optimizer)
        return loop.weight.detach(), loop.optimizer.state_dict(), loop.scaler.state_dict()

    with_it, without = run(True), run(False)
    assert torch.equal(with_it[0], without[0])
    assert str(with_it[1:]) == str(without[1:])


def test_closed_it_sees_nothing_more_and_closing_twice_is_harmless() -> None:
    loop = Loop(KINDS["SGD"])
    loop.skips.close()
    loop.skips.close()
    assert loop.step(1.0)
    assert not loop.skips.updated()
    assert not loop.optimizer._optimizer_step_post_hooks


def test_it_goes_when_its_owner_goes_and_keeps_nothing_alive() -> None:
    loop = Loop(KINDS["SGD"])
    others = [Skips(loop.optimizer, loop.scaler) for _ in range(3)]
    assert len(loop.optimizer._optimizer_step_post_hooks) == 4
    del others
    gc.collect()
    assert len(loop.optimizer._optimizer_step_post_hooks) == 1
    optimizer, scaler = weakref.ref(loop.optimizer), weakref.ref(loop.scaler)
    del loop
    gc.collect()
    assert optimizer() is None
    assert scaler() is None


def test_that_nobody_asks_costs_no_memory() -> None:
    loop = Loop(KINDS["fused AdamW"])
    for k in range(50):
        loop.step(INF if k % 2 else 1.0)
        loop.scaler.update()
    (hook,) = loop.optimizer._optimizer_step_post_hooks.values()
    assert len(pickle.dumps(hook)) < 2_000
    assert loop.skips.updated()


# Copies.


class Owner:
    """As a scheduler, it has the optimizer and what listens to it."""

    def __init__(self, loop: Loop) -> None:
        self.skips = loop.skips
        self.optimizer = loop.optimizer


@one_of_each_sort
@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda owner: pickle.loads(pickle.dumps(owner))], ids=["copy", "pickle"]
)
def test_a_copy_listens_to_the_copied_optimizer_and_the_original_to_its_own(
    build: Callable[[list[Parameter]], Optimizer], again: Callable[[Owner], Owner]
) -> None:
    loop = Loop(build)
    loop.step(1.0)  # in the middle of an iteration, when a scaler itself refuses to be pickled
    other = again(Owner(loop))
    assert [other.skips.updated(), loop.skips.updated()] == [False, True]
    other.optimizer.step()
    assert [loop.skips.updated(), other.skips.updated()] == [False, True]
    loop.scaler.update()
    loop.step(1.0)
    assert [other.skips.updated(), loop.skips.updated()] == [False, True]


# What is refused.


def test_what_is_no_scaler_is_refused_with_what_to_pass() -> None:
    optimizer = SGD([Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(TypeError, match=r"^Scheduler\(scaler=\) must be a torch.amp.GradScaler; got float$"):
        Skips(optimizer, 2.0)  # type: ignore[arg-type]

    class Precision:
        scaler = GradScaler("cpu")

    with pytest.raises(TypeError, match=r"must be a torch.amp.GradScaler; got Precision; pass its .scaler$"):
        Skips(optimizer, Precision())  # type: ignore[arg-type]
    assert not optimizer._optimizer_step_post_hooks


def test_a_wrapped_optimizer_is_refused_with_what_to_pass() -> None:
    inner = SGD([Parameter(torch.ones(1))], lr=0.1)
    wrapped = Accelerator(cpu=True).prepare_optimizer(inner)
    with pytest.raises(
        TypeError,
        match=r"^with scaler=, Scheduler takes the torch optimizer that scaler.step\(\) is given; got "
        r"AcceleratedOptimizer, which has no step hooks; pass its .optimizer$",
    ):
        Skips(wrapped, GradScaler("cpu"))
    with pytest.raises(TypeError, match=r"got object, which has no step hooks$"):
        Skips(object(), GradScaler("cpu"))  # type: ignore[arg-type]
    assert not inner._optimizer_step_post_hooks
    Skips(wrapped.optimizer, GradScaler("cpu"))
