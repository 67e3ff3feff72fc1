"""All that hangs on some objects, however deep: kept once, and put back into the same objects."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import copy
import random
import sys
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from types import FunctionType, MemberDescriptorType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.utils.weak import TensorWeakRef

from etude.errors import ScheduleError

__all__ = ["Held", "Restore", "is_holdable", "put_all_back", "state_of_generator"]

Restore = Callable[[], Any]

_VALUES = (bool, int, float, complex, str, bytes, type(None), type, FunctionType)
"""What never changes in place; and functions, whose own attributes are nobody's state."""
_OF_TORCH = ("torch.nn.", "torch.optim.", "torch.amp.", "torch.distributions.")
_NOT_OF_TORCH = "torch.nn.parallel."
"""DDP's flags go with what it has built outside of Python; what is in it is held as elsewhere."""
# What trains, loads, draws or logs is no part of a model that knows it, and holds files, processes and data.
_FOREIGN = frozenset(sys.stdlib_module_names - {"argparse", "collections", "types"}) | {
    *("PIL", "accelerate", "datasets", "deepspeed", "etude", "ignite", "lightning", "lightning_fabric"),
    *("mlflow", "numpy", "pandas", "pytorch_lightning", "ray", "tensorboard", "tensorboardX", "wandb"),
}
_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


class Held:
    """What some objects hold, kept when they are added.

    Held are tensors with their gradients, flags and hooks; lists, dicts, sets, deques and NumPy arrays; and
    the attributes of modules, optimizers, scalers and of other objects that are no one else's: those of
    loaders, data sets, trainers and loggers are left alone. Objects stay the ones that they are, so that
    whatever holds one of them (a compiled step, a captured graph, a scheduler) does not notice.

    Random generators are held apart, in ``generators``: where a test is repeated they go on.
    """

    def __init__(self) -> None:
        self.generators: list[Restore] = []
        self._seen: dict[int, Any] = {}
        self._contents: list[Restore] = []
        self._values: list[Restore] = []
        self._links: list[Restore] = []

    def add(self, *roots: Any) -> None:
        """Keep some objects and all that they hold.

        Raises:
            ScheduleError: for parameters that are not initialised yet.
        """
        waiting = list(roots)
        while waiting:
            value = waiting.pop()
            if not isinstance(value, _VALUES) and id(value) not in self._seen:
                self._seen[id(value)] = value  # which also keeps its id from being given to another
                waiting += self._keep(value)

    def put_back(self) -> None:
        """Put all of it back but the generators."""
        # Sizes before gradients, which have to fit.
        put_all_back([*self._contents, *self._values, *self._links])

    def _keep(self, value: Any) -> Iterable[Any]:
        """Keep one object; return what it holds."""
        if isinstance(value, Tensor):
            return self._keep_tensor(value)
        generator = state_of_generator(value)
        if generator is not None:
            self.generators.append(generator)
            return ()
        return [*self._keep_contents(value), *self._keep_attributes(value)]

    def _keep_contents(self, value: Any) -> Iterable[Any]:
        if isinstance(value, dict):
            items = list(value.items())
            self._contents.append(partial(_refill_dict, value, items))
            return [part for item in items for part in item]
        if isinstance(value, list | deque | set):
            parts = list(value)
            self._contents.append(partial(_refill, value, parts))
            return parts
        if isinstance(value, bytearray | array):
            self._contents.append(partial(_refill_numbers, value, value[:]))
        if isinstance(value, np.ndarray):
            if value.flags.writeable:
                self._values.append(partial(np.copyto, value, value.copy()))
            return value.flat if value.dtype == object else ()
        # Of what cannot change itself, what is in it may.
        return value if isinstance(value, tuple | frozenset) else ()

    def _keep_attributes(self, value: Any) -> Iterable[Any]:
        kind = type(value)
        if isinstance(value, nn.Module) and _is_machinery(kind):
            # DDP, FSDP, compiled and scripted modules: what is within them, and not how they run it.
            self._contents.append(partial(setattr, value, "training", value.training))
            own = [vars(value).get(name) for name in ("_parameters", "_buffers", "_modules")]
            inner = [*value.parameters(recurse=False), *value.buffers(recurse=False), *value.children()]
            return [*inner, *(one for one in own if isinstance(one, dict))]
        if not isinstance(value, nn.Module | Optimizer | GradScaler) and not _is_open(kind):
            return ()
        if isinstance(value, nn.Module):
            self._links.append(partial(_restore_class, value, kind))
        slots = [(slot, _filling(slot, value)) for slot in _slots(kind)]
        if slots:
            self._contents.append(partial(_refill_slots, value, slots))
        return [getattr(value, "__dict__", None), *(filling for _, filling in slots)]

    def _keep_tensor(self, tensor: Tensor) -> Iterable[Any]:
        if is_lazy(tensor):
            raise ScheduleError(
                "the model has parameters that are not initialised yet, as those of lazy modules are; pass "
                "one batch through it first, model(inputs), and then build the optimizer"
            )
        kept = _Tensor(tensor)
        self._values.append(kept.put_back)
        self._links.append(kept.put_back_links)
        return kept.inner


class _Tensor:
    """A tensor's numbers, where they lie, its gradient, and whether it has one."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._in_inference = tensor.is_inference()
        # Others look like one tensor and are made of several; they are copied whole.
        self._plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided
        with torch.no_grad():
            self._alias = tensor.detach()
            self._copy = _once(self._alias).clone()
        self._needs_gradient, self._is_leaf = tensor.requires_grad, tensor.is_leaf
        self._version = None if self._is_leaf or self._in_inference else tensor._version
        gradient = tensor.grad if self._is_leaf else None
        # Let go of: where training drops it, as zero_grad() does, there would be two of them.
        self._gradient = None if gradient is None else (TensorWeakRef(gradient), gradient.detach().clone())
        self.inner: list[Any] = []
        self._hooks: list[list[tuple[Any, Any]]] = []
        if self._plain and self._is_leaf:
            hooks = [getattr(tensor, name) for name in _HOOKS]
            self._hooks = [list((known or {}).items()) for known in hooks]
            self.inner += [tensor.__dict__, *hooks]

    def put_back(self) -> None:
        """Put back the numbers."""
        tensor = self._tensor
        with torch.inference_mode(self._in_inference), torch.no_grad():
            if self._plain and not self._in_inference and _place(tensor) != _place(self._alias):
                tensor.data = self._alias  # it was resized, or given other data
            if self._is_leaf and not tensor.is_leaf:
                with suppress(RuntimeError):  # views cannot leave the graph of what they are views of
                    tensor.detach_()
            # Writing to what is in a graph would keep that from being gone back through.
            if self._version is None or tensor._version != self._version:
                _once(tensor).copy_(self._copy)

    def put_back_links(self) -> None:
        """Put back the gradient, the hooks, and whether there is to be a gradient."""
        tensor = self._tensor
        if not self._is_leaf or not tensor.is_leaf:
            return
        if tensor.requires_grad != self._needs_gradient:
            tensor.requires_grad_(self._needs_gradient)
        tensor.grad = None if self._gradient is None else _gradient_again(*self._gradient)
        for name, items in zip(_HOOKS, self._hooks, strict=self._plain):
            now = getattr(tensor, name)
            if now is not None:  # torch calls what is in the dict that it was given first
                _refill_dict(now, items)


def _gradient_again(known: TensorWeakRef, kept: Tensor) -> Tensor:
    """A gradient as it was: the same one, where anybody still has it."""
    gradient: Tensor | None = known()
    if gradient is None:
        return kept.clone()
    with torch.no_grad():
        gradient.copy_(kept)
    return gradient


def _place(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device


def _once(tensor: Tensor) -> Tensor:
    """The tensor with every number once: of those that were expanded, one stands for many."""
    if tensor.layout != torch.strided or tensor.is_nested or 0 not in tensor.stride():
        return tensor
    return tensor[tuple(slice(None if stride else 1) for stride in tensor.stride())]


def state_of_generator(value: Any) -> Restore | None:
    """What puts a random generator back; None for anything else."""
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return lambda: value.set_state(state)
    if isinstance(value, np.random.Generator):
        numbers = copy.deepcopy(value.bit_generator.state)
        return lambda: setattr(value.bit_generator, "state", numbers)
    if isinstance(value, np.random.RandomState):
        numpy = value.get_state()
        return lambda: value.set_state(numpy)
    if isinstance(value, random.Random):
        python = value.getstate()
        return lambda: value.setstate(python)
    return None


def put_all_back(restores: Iterable[Restore]) -> None:
    """Put back each, also where one of them fails."""
    with ExitStack() as stack:
        for restore in [*restores][::-1]:
            stack.callback(restore)


def is_holdable(value: Any) -> bool:
    """Whether an object holds anything that can be kept."""
    return isinstance(value, dict | list | deque | set | np.ndarray | Tensor) or (
        not isinstance(value, _VALUES)
        and _is_open(type(value))
        and (hasattr(value, "__dict__") or bool(_slots(type(value))))
    )


def _is_machinery(kind: type) -> bool:
    """Whether it is of torch's own machinery: DDP, compiled modules, loaders, data sets, ..."""
    names = [f"{base.__module__}." for base in kind.__mro__]
    return any(
        name.startswith("torch.") and (not name.startswith(_OF_TORCH) or name.startswith(_NOT_OF_TORCH))
        for name in names
    )


def _is_open(kind: type) -> bool:
    """Whether an object's attributes are its state, and may be put back."""
    return kind.__module__.partition(".")[0] not in _FOREIGN and not _is_machinery(kind)


def _slots(kind: type) -> list[MemberDescriptorType]:
    """The attributes of a class that are not in a ``__dict__``."""
    return [
        member
        for base in kind.__mro__
        if "__slots__" in vars(base) and _is_open(base)
        for member in vars(base).values()
        if isinstance(member, MemberDescriptorType)
    ]


_EMPTY = object()


def _filling(slot: MemberDescriptorType, owner: Any) -> Any:
    try:
        return slot.__get__(owner)
    except AttributeError:
        return _EMPTY


def _refill_slots(owner: Any, slots: list[tuple[MemberDescriptorType, Any]]) -> None:
    for slot, filling in slots:
        if _filling(slot, owner) is not filling:
            if filling is _EMPTY:
                slot.__delete__(owner)
            else:
                slot.__set__(owner, filling)


def _refill_dict(owner: dict[Any, Any], items: list[tuple[Any, Any]]) -> None:
    now = list(owner.items())
    if len(now) != len(items) or any(
        key is not known or value is not kept for (key, value), (known, kept) in zip(now, items, strict=True)
    ):
        # Past what a subclass makes of them.
        base: Any = OrderedDict if isinstance(owner, OrderedDict) else dict
        base.clear(owner)
        for key, value in items:
            base.__setitem__(owner, key, value)


def _refill(owner: Any, parts: list[Any]) -> None:
    if isinstance(owner, set):
        set.clear(owner)
        set.update(owner, parts)
    elif len(owner) != len(parts) or any(one is not part for one, part in zip(owner, parts, strict=True)):
        base: Any = list if isinstance(owner, list) else deque
        base.clear(owner)
        base.extend(owner, parts)


def _refill_numbers(owner: Any, numbers: Any) -> None:
    owner[:] = numbers


def _restore_class(module: nn.Module, kind: type) -> None:
    if type(module) is not kind:
        module.__class__ = kind
