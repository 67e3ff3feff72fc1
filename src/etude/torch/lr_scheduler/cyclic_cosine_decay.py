"""The tutorials' class, which torch does not have."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any, TypeAlias

from torch.optim import Optimizer

from etude.errors import ScheduleError
from etude.levels import Level, LevelLike, to_level
from etude.torch.lr_scheduler.dropin import DropIn

__all__ = ["CyclicCosineDecayLR"]

PerGroup: TypeAlias = LevelLike | Iterable[LevelLike]


class CyclicCosineDecayLR(DropIn):
    """Warmup, an initial cosine decay, then cosine decays with restarts.

    See ``etude.cyclic_cosine_decay`` for the formula. Lengths count calls of ``step()``: epochs where it
    is called once in each.

    Args:
        optimizer: any torch optimizer.
        init_decay_epochs: the length of the initial decay.
        min_decay_lr: the lowest rate, or one for each group.
        restart_interval: the length of the first cycle; without it ``min_decay_lr`` is held.
        restart_interval_multiplier: any number > 0; 1 where it is not given.
        restart_lr: the rate after a restart, or one for each group; not given, the peak.
        warmup_epochs: the length of the warmup.
        warmup_start_lr: the rate at its start, or one for each group.
        last_epoch: the last step done, as torch counts: -1 starts at step 0, and 4 at step 5.
        init_lr: the peak of the warmup and the initial decay, or one for each group; not given, it is
            ``restart_lr``, and where that is not given either, the group's own rate.
        warmup_shape: ``"linear"``, or ``"cosine"`` as in the original.

    Raises:
        ScheduleError: for a value out of its bounds, or a list that is not as long as there are groups.

    Source: github.com/abhuse/cyclic-cosine-decay. It does not run on current torch, fails for a multiplier
    of 1 or less, and emits the floor instead of the peak at some restarts (multiplier 3, cycle 5).

    >>> import torch
    >>> optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    >>> scheduler = CyclicCosineDecayLR(
    ...     optimizer, init_decay_epochs=15, min_decay_lr=2.5e-6, restart_interval=10,
    ...     restart_lr=12.5e-5, warmup_epochs=10, warmup_start_lr=2.5e-6,
    ... )
    >>> for epoch in (0, 10, 25, 35):
    ...     scheduler.seek(epoch)
    ...     print(epoch, scheduler.get_last_lr())
    0 [2.5e-06]
    10 [0.000125]
    25 [0.000125]
    35 [0.000125]
    """

    _PER_GROUP = ("min_decay_lr", "restart_lr", "warmup_start_lr", "init_lr")

    def __init__(
        self,
        optimizer: Optimizer,
        init_decay_epochs: float,
        min_decay_lr: PerGroup,
        restart_interval: float | None = None,
        restart_interval_multiplier: float | str | None = None,
        restart_lr: PerGroup | None = None,
        warmup_epochs: float | None = None,
        warmup_start_lr: PerGroup | None = None,
        last_epoch: int = -1,
        *,
        init_lr: PerGroup | None = None,
        warmup_shape: str = "linear",
    ) -> None:
        size = len(optimizer.param_groups)
        self.init_decay_epochs = init_decay_epochs
        self.min_decay_lr = _per_group("min_decay_lr", min_decay_lr, size)
        self.restart_interval = restart_interval
        self.restart_interval_multiplier = restart_interval_multiplier
        self.restart_lr = _per_group_or_none("restart_lr", restart_lr, size)
        self.warmup_epochs = warmup_epochs
        self.warmup_start_lr = _per_group_or_none("warmup_start_lr", warmup_start_lr, size)
        self.init_lr = _per_group_or_none("init_lr", init_lr, size)
        self.warmup_shape = warmup_shape
        self._begin(optimizer, last_epoch)


def _per_group(name: str, value: Any, size: int) -> list[float | str]:
    """One rate for each group, of one for all or a list: as a number, or as text where it follows BASE.

    They go into the state, which holds plain values alone.
    """
    values: list[Any]
    if isinstance(value, Level | Real):
        values = [value] * size
    else:
        try:
            values = [] if isinstance(value, str) else list(value)
        except TypeError:
            values = []
    if len(values) != size:
        raise ScheduleError(
            f"CyclicCosineDecayLR: {name} must be a rate, or one for each of the optimizer's {size} "
            f"parameter groups; got {value!r}"
        )
    levels = [to_level(item, f"CyclicCosineDecayLR({name}=)") for item in values]
    return [repr(level) if level.is_relative else level.offset for level in levels]


def _per_group_or_none(name: str, value: Any, size: int) -> list[float | str] | None:
    return None if value is None else _per_group(name, value, size)
