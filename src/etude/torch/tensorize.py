"""Tensors as rates, for compiled steps: a float in a compiled graph is a constant, a tensor is an input."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from etude.errors import ScheduleError
from etude.torch.groups import Group, group_name, place_of
from etude.torch.scalars import scalar, shown

__all__ = ["recompiles_with_floats", "tensorize"]

AnyOptimizer = TypeVar("AnyOptimizer", bound=Optimizer)

# What torch 2.13 does with a rate that is a float and changes at every step, found by running each of its
# optimizers: these compile the step anew at each change, up to torch's limit, and run it uncompiled from then
# on. All others compile twice, and take the rate as an input from then on.
AT_EACH_CHANGE = ("Adadelta", "Muon", "RMSprop", "SGD")
AT_EACH_CHANGE_WITH_FOREACH = ("ASGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam")
# Their foreach takes a tensor only where it is capturable too.
FOREACH_NEEDS_CAPTURABLE = ("Adam", "AdamW")
# It keeps the rate itself as the length of its last step, which would change with the rate.
NEVER = "LBFGS"


def tensorize(optimizer: AnyOptimizer) -> AnyOptimizer:
    """Make the rate of each parameter group a tensor of its own, for ``torch.compile`` and CUDA graphs.

    A compiled step takes a tensor's value anew each time, and is never compiled again because the rate has
    changed. Call it before or after a Scheduler is built, and again where groups are added. Rates keep their
    values, and the base rates (``initial_lr``) stay as they are; rates that are tensors already are kept, but
    for one that several groups share.

    Where the rate lives is decided for each group:

    - with ``capturable=True`` or ``fused=True`` on the device of the group's parameters, whose kernels read
      it there, so that nothing waits;
    - else on the CPU, where the update's arithmetic reads it: from a device it would be fetched at each step.

    It is of float32, within one rounding of the float: that is what torch's fused kernels read, and its
    compiler takes a lone float64 on the CPU for a number of Python's, which in some optimizers is an error.

    Args:
        optimizer: any torch optimizer that takes tensors as rates.

    Returns:
        the same optimizer.

    Raises:
        ScheduleError: for an optimizer that does not take them, saying why; nothing is changed then.

    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = tensorize(torch.optim.SGD([weight], lr=0.1))
    >>> optimizer.param_groups[0]["lr"]
    tensor(0.1000)
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"tensorize takes a torch optimizer; got {type(optimizer).__name__}")
    groups: list[Group] = optimizer.param_groups
    for index, group in enumerate(groups):
        place_of(group, "lr")  # which refuses what is no rate
        _check_takes_tensors(optimizer, group, group_name(group, index))
    owned: set[int] = set()
    rates: list[Tensor] = []
    for index, group in enumerate(groups):
        rate = group["lr"]
        if not isinstance(rate, Tensor):
            rate = _as_tensor(group, group_name(group, index))
        elif id(rate) in owned:
            rate = rate.detach().clone()
        owned.add(id(rate))
        rates.append(rate)
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    return optimizer


def _check_takes_tensors(optimizer: Optimizer, group: Group, name: str) -> None:
    if _is_torchs(optimizer, NEVER):
        raise ScheduleError(
            f"{NEVER} keeps its rate as the length of its last step, which would change with a tensor; leave "
            f"its rate a float: its step is not compiled anyway"
        )
    if (
        _is_torchs(optimizer, *FOREACH_NEEDS_CAPTURABLE)
        and group.get("foreach")
        and not group.get("capturable")
    ):
        raise ScheduleError(
            f"{type(optimizer).__name__} takes no tensor as rate with foreach=True and capturable=False, as "
            f"the parameter group {name!r} has them; leave foreach=True out, or on a GPU add capturable=True"
        )


def _as_tensor(group: Group, name: str) -> Tensor:
    value = scalar(group["lr"])
    if value is None or abs(value) > torch.finfo(torch.float32).max:
        raise ScheduleError(
            f"the rate of the parameter group {name!r} must be what a tensor of torch.float32 can hold, at "
            f"most {torch.finfo(torch.float32).max:.6g}; got {shown(group['lr'])}"
        )
    on_device = bool(group["params"]) and (group.get("capturable") or group.get("fused"))
    device = group["params"][0].device if on_device else torch.device("cpu")
    return torch.tensor(value, dtype=torch.float32, device=device)


def recompiles_with_floats(optimizer: Optimizer) -> bool:
    """Return whether a compiled step would be compiled anew at each change of the rates as they are now.

    It is False where they are tensors, and for optimizers that are not torch's, of which nothing is known.

    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> recompiles_with_floats(torch.optim.SGD([weight], lr=0.1))
    True
    >>> recompiles_with_floats(tensorize(torch.optim.SGD([weight], lr=0.1)))
    False
    >>> recompiles_with_floats(torch.optim.AdamW([weight], lr=0.1))
    False
    """
    return any(_recompiles(optimizer, group) for group in optimizer.param_groups)


def _recompiles(optimizer: Optimizer, group: Group) -> bool:
    # Fused kernels are not part of the graph, in which the rate would be a constant.
    if isinstance(group.get("lr"), Tensor) or group.get("fused"):
        return False
    if _is_torchs(optimizer, *AT_EACH_CHANGE):
        return True
    return _uses_foreach(group) and _is_torchs(optimizer, *AT_EACH_CHANGE_WITH_FOREACH)


def _uses_foreach(group: Group) -> bool:
    """Whether torch's loops over lists of tensors are used: by default on a device, and not on the CPU."""
    asked = group.get("foreach")
    if asked is not None:
        return bool(asked)
    return any(parameter.device.type != "cpu" for parameter in group["params"])


def _is_torchs(optimizer: Optimizer, *names: str) -> bool:
    """Whether it is one of torch's optimizers of these names, or derived from one."""
    # By name, since not every torch has all of them.
    kinds = tuple(getattr(torch.optim, name) for name in names if hasattr(torch.optim, name))
    return isinstance(optimizer, kinds)
