"""Everything that training changes, kept once and put back in place."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import copy
import random
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from etude.errors import ScheduleError
from etude.torch.held import Held, Restore, is_holdable, put_all_back, state_of_generator

__all__ = ["Snapshot", "asleep", "check_keepable", "is_stateful", "random_states", "undisturbed"]

_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
# What train_step may call of a scheduler that is not to move.
_MOVES = ("step", "observe", "seek")


class Snapshot:
    """The state of a training run.

    Args:
        held: modules, optimizers, scalers and other objects, of which all that they hold is kept.
        others: generators of torch, NumPy and Python, loaders, and whatever has ``state_dict`` and
            ``load_state_dict``.

    Raises:
        ScheduleError: for a model that is not initialised yet.
    """

    def __init__(self, held: Iterable[Any], others: Iterable[Any]) -> None:
        self._held = Held()
        self._held.add(*held)
        self._training, self._course = [self._held.put_back], [random_states(), *self._held.generators]
        for other in others:
            # What can be iterated over is data.
            trained = is_stateful(other) and not isinstance(other, Iterable)
            (self._training if trained else self._course).append(_state_of(other))

    def put_back_training(self) -> None:
        """Put back what is trained; the data and the random numbers go on."""
        put_all_back(self._training)

    def put_back(self) -> None:
        """Put back everything."""
        put_all_back([*self._training, *self._course])


def random_states() -> Restore:
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
    if not (is_stateful(other) or is_holdable(other) or state_of_generator(other)):
        raise ScheduleError(
            "keep must hold modules, optimizers, random generators, objects with state_dict() and "
            "load_state_dict(), or with attributes, lists and dicts of your own; "
            f"got {type(other).__name__}"
        )


def is_stateful(value: Any) -> bool:
    """Whether an object can tell its state and take it back."""
    return callable(getattr(value, "state_dict", None)) and callable(getattr(value, "load_state_dict", None))


def _state_of(other: Any) -> Restore:
    """Keep the state of a generator, of an object that can tell it, or of what a loader draws with."""
    generator = state_of_generator(other)
    if generator is not None:
        return generator
    if is_stateful(other):
        saved = copy.deepcopy(other.state_dict())
        return lambda: other.load_state_dict(copy.deepcopy(saved))
    return partial(put_all_back, [restore for owner in _owners(other) for restore in _place_of(owner)])


def _owners(loader: Any) -> list[Any]:
    """A loader and its samplers."""
    inner = getattr(loader, "batch_sampler", None)
    found = [loader, getattr(loader, "sampler", None), inner, getattr(inner, "sampler", None)]
    return list({id(owner): owner for owner in found if owner is not None}.values())


def _place_of(owner: Any) -> Iterator[Restore]:
    """What puts a loader or a sampler back, as far as it can tell: its state, or generators and counters."""
    if is_stateful(owner):
        yield _state_of(owner)
        return
    attributes = getattr(owner, "__dict__", {})
    for value in attributes.values():
        generator = state_of_generator(value)
        if generator is not None:
            yield generator
    plain = {
        name: value for name, value in attributes.items() if isinstance(value, bool | int | float | None)
    }
    yield partial(attributes.update, plain)


@contextmanager
def asleep(optimizers: Iterable[Optimizer], schedulers: Iterable[Any]) -> Iterator[None]:
    """Let nothing count the updates within: neither ``scheduler.step()``, nor what Etude's schedulers see of
    the optimizers' steps by hooks.

    The hooks of others, which may clip or average, go on.
    """
    hooks = [getattr(optimizer, name) for optimizer in optimizers for name in _HOOKS]
    with ExitStack() as stack:
        for owner in hooks:
            items = dict(owner)
            stack.callback(owner.update, items)
            stack.callback(owner.clear)
            owner.clear()
            owner.update({key: hook for key, hook in items.items() if not _is_ours(hook)})
        for scheduler in schedulers:
            for name in _MOVES:
                if hasattr(scheduler, name):
                    own = vars(scheduler).get(name)
                    stack.callback(
                        partial(setattr, scheduler, name, own) if own else partial(delattr, scheduler, name)
                    )
                    setattr(scheduler, name, lambda *_, **__: None)
        yield


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
