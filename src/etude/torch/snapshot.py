"""Everything that training changes, kept once and put back in place."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import copy
import random
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from etude.errors import ScheduleError

__all__ = ["Snapshot", "asleep", "check_keepable", "undisturbed"]

Restore = Callable[[], Any]
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


class Snapshot:
    """The state of a training run.

    Tensors are put back into the same tensors, dicts and lists into the same dicts and lists, so that nothing
    that holds one of them (a compiled step, a captured graph, a scheduler) notices; no ``load_state_dict`` of
    an optimizer runs, and none of its hooks. The memory is one copy of each tensor, also where it is shared.

    Args:
        modules: of which parameters, gradients, buffers, train flags, and the tensors among the attributes,
            such as the sums of a metric of torchmetrics, are kept.
        optimizers: of which states, groups and plain attributes are kept.
        scalers: GradScalers.
        others: generators of torch, NumPy and Python, loaders, and whatever has ``state_dict`` and
            ``load_state_dict``.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        optimizers: Iterable[Optimizer],
        scalers: Iterable[GradScaler],
        others: Iterable[Any],
    ) -> None:
        self._tensors: dict[int, tuple[Tensor, Tensor]] = {}
        self._training: list[Restore] = []
        self._parameters: dict[int, Tensor] = {}
        for module in {id(inner): inner for outer in modules for inner in outer.modules()}.values():
            # Other flags of modules go with what they have built lazily, as that of DDP does.
            self._training.append(partial(setattr, module, "training", module.training))
            self._training.append(self._hold(module._buffers))
            self._training.append(self._own_tensors(module))
            self._keep_parameters(module._parameters.values())
        for optimizer in optimizers:
            self._training.append(self._plain_attributes(optimizer))
            self._training.append(self._hold(optimizer.param_groups))
            self._training.append(self._hold(optimizer.state, copy.deepcopy))
            self._keep_parameters(weight for group in optimizer.param_groups for weight in group["params"])
        for scaler in scalers:
            self._training.append(self._attributes_of(scaler))
        self._gradients = [
            (weight, None if weight.grad is None else weight.grad.detach().clone())
            for weight in self._parameters.values()
        ]
        self._course = [_random_states(), *(_state_of(other) for other in others)]

    def put_back_training(self) -> None:
        """Put back what is trained; the data and the random numbers go on."""
        for restore in self._training:
            restore()
        with torch.no_grad():
            for tensor, kept in self._tensors.values():
                tensor.copy_(kept)
            for weight, gradient in self._gradients:
                weight.grad = None if gradient is None else gradient.clone()

    def put_back(self) -> None:
        """Put back everything."""
        self.put_back_training()
        for restore in self._course:
            restore()

    def _keep_parameters(self, weights: Iterable[Tensor | None]) -> None:
        for weight in weights:
            if weight is not None:
                self._parameters[id(weight)] = weight
                self._hold(weight)

    def _hold(self, value: Any, unknown: Callable[[Any], Any] = lambda value: value) -> Restore:
        """Keep a value with all that is in it; return what puts it back, and hands back the same object."""
        if isinstance(value, Tensor):
            if id(value) not in self._tensors:
                self._tensors[id(value)] = value, value.detach().clone()
            return lambda: value
        if isinstance(value, dict):
            items = {key: self._hold(item, unknown) for key, item in value.items()}
            return lambda: _refill(value, {key: restore() for key, restore in items.items()})
        if isinstance(value, list | tuple):
            parts = [self._hold(item, unknown) for item in value]
            if isinstance(value, list):
                return lambda: _refill(value, [restore() for restore in parts])

            def inside() -> Any:
                for restore in parts:
                    restore()
                return value  # a tuple stays what it is; what is in it may have changed

            return inside
        if isinstance(value, _PLAIN):
            return lambda: value
        kept = unknown(value)
        return lambda: unknown(kept)

    def _own_tensors(self, module: nn.Module) -> Restore:
        """Keep the tensors among a module's attributes."""
        held = {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        self._hold(held)
        return partial(vars(module).update, held)

    def _plain_attributes(self, owner: Any) -> Restore:
        """Keep numbers, texts and flags among the attributes; those that are added go again."""
        kept = {name: value for name, value in vars(owner).items() if isinstance(value, _PLAIN)}

        def restore() -> None:
            now = vars(owner)
            for name in [
                name for name, value in now.items() if isinstance(value, _PLAIN) and name not in kept
            ]:
                del now[name]
            now.update(kept)

        return restore

    def _attributes_of(self, owner: Any) -> Restore:
        """Keep the attributes that hold values, and leave those that hold other objects."""
        kept = {
            name: self._hold(value)
            for name, value in vars(owner).items()
            if isinstance(value, (Tensor, dict, list, tuple, *_PLAIN))
        }
        return lambda: vars(owner).update({name: restore() for name, restore in kept.items()})


def _refill(container: Any, items: Any) -> Any:
    container.clear()
    if isinstance(container, dict):
        container.update(items)
    else:
        container.extend(items)
    return container


def _random_states() -> Restore:
    """Keep the states of the global random generators of torch, its devices, NumPy and Python."""
    cpu, numpy, python = torch.get_rng_state(), np.random.get_state(), random.getstate()
    # Asking a GPU that nobody has used yet would start it.
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def restore() -> None:
        torch.set_rng_state(cpu)
        np.random.set_state(numpy)
        random.setstate(python)
        if gpus is not None:
            torch.cuda.set_rng_state_all(gpus)
        if mps is not None:
            torch.mps.set_rng_state(mps)

    return restore


def check_keepable(other: Any) -> None:
    """Refuse what has no state that can be kept.

    Raises:
        ScheduleError: naming what can be.
    """
    generators = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
    if not isinstance(other, generators) and not _is_stateful(other):
        raise ScheduleError(
            "keep must hold modules, optimizers, random generators, and objects with state_dict() and "
            f"load_state_dict(); got {type(other).__name__}"
        )


def _is_stateful(value: Any) -> bool:
    return hasattr(value, "state_dict") and hasattr(value, "load_state_dict")


def _state_of(other: Any) -> Restore:
    """Keep the state of a generator, of an object that can tell it, or of what a loader draws with."""
    if isinstance(other, torch.Generator):
        state = other.get_state()
        return lambda: other.set_state(state)
    if isinstance(other, np.random.Generator):
        numbers = copy.deepcopy(other.bit_generator.state)
        return lambda: setattr(other.bit_generator, "state", numbers)
    if isinstance(other, np.random.RandomState):
        numpy = other.get_state()
        return lambda: other.set_state(numpy)
    if isinstance(other, random.Random):
        python = other.getstate()
        return lambda: other.setstate(python)
    if _is_stateful(other):
        saved = copy.deepcopy(other.state_dict())
        return lambda: other.load_state_dict(copy.deepcopy(saved))
    parts = [restore for owner in _owners(other) for restore in _place_of(owner)]

    def restore_parts() -> None:
        for restore in parts:
            restore()

    return restore_parts


def _owners(loader: Any) -> list[Any]:
    """A loader and its samplers."""
    inner = getattr(loader, "batch_sampler", None)
    found = [loader, getattr(loader, "sampler", None), inner, getattr(inner, "sampler", None)]
    return list({id(owner): owner for owner in found if owner is not None}.values())


def _place_of(owner: Any) -> Iterator[Restore]:
    """What puts a loader or a sampler back where it is, as far as it can tell."""
    if _is_stateful(owner):
        yield _state_of(owner)
    elif isinstance(getattr(owner, "generator", None), torch.Generator):
        yield _state_of(owner.generator)
    if isinstance(getattr(owner, "epoch", None), int):  # of a DistributedSampler
        yield partial(setattr, owner, "epoch", owner.epoch)


@contextmanager
def asleep(optimizers: Iterable[Optimizer], schedulers: Iterable[Any]) -> Iterator[None]:
    """Let nothing count the updates within: neither ``scheduler.step()``, nor what Etude's schedulers see of
    the optimizers' steps by hooks.

    The hooks of others, which may clip or average, go on.
    """
    hooks = [getattr(optimizer, name) for optimizer in optimizers for name in _HOOKS]
    kept = [(owner, list(owner.items())) for owner in hooks]
    sleepers = [(scheduler, vars(scheduler).get("step")) for scheduler in schedulers]
    for owner, items in kept:
        _refill(owner, {key: hook for key, hook in items if not _is_ours(hook)})
    for scheduler, _ in sleepers:
        scheduler.step = lambda *_, **__: None
    try:
        yield
    finally:
        for scheduler, own in sleepers:
            del scheduler.step
            if own is not None:
                scheduler.step = own
        for owner, items in kept:
            _refill(owner, dict(items))


def _is_ours(hook: Any) -> bool:
    """Whether a hook, or what it is a partial of, is Etude's."""
    return str(getattr(getattr(hook, "func", hook), "__module__", "")).startswith("etude.")


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait until the end: half of a state is worse than none."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread
        return
    came: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *told: came.append(told))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])
