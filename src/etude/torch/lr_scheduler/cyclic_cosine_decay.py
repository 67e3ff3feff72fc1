"""``CyclicCosineDecayLR``: warmup, a first cosine decay, then cosine decays with restarts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from numbers import Real
from typing import TypeAlias

from torch.optim import Optimizer

from etude.durations import DurationLike
from etude.errors import ScheduleError
from etude.levels import Level, LevelLike
from etude.schedules import bounds, cyclic_cosine_decay
from etude.torch.scheduler import Scheduler

__all__ = ["CyclicCosineDecayLR"]

PerGroup: TypeAlias = LevelLike | Iterable[LevelLike]


class CyclicCosineDecayLR(Scheduler):
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

    def __init__(
        self,
        optimizer: Optimizer,
        init_decay_epochs: DurationLike,
        min_decay_lr: PerGroup,
        restart_interval: DurationLike | None = None,
        restart_interval_multiplier: float | Fraction | str | None = None,
        restart_lr: PerGroup | None = None,
        warmup_epochs: DurationLike | None = None,
        warmup_start_lr: PerGroup | None = None,
        last_epoch: int = -1,
        *,
        init_lr: PerGroup | None = None,
        warmup_shape: str = "linear",
    ) -> None:
        done = bounds.whole(last_epoch, "CyclicCosineDecayLR(last_epoch=)", least=-1)
        size = len(optimizer.param_groups)
        plans = [
            cyclic_cosine_decay(
                init_decay_epochs,
                floor,
                restart_interval,
                restart_interval_multiplier,
                restart,
                warmup_epochs,
                warm,
                init_lr=init,
                warmup_shape=warmup_shape,
            )
            for floor, restart, warm, init in zip(
                _per_group("min_decay_lr", min_decay_lr, size),
                _per_group_or_none("restart_lr", restart_lr, size),
                _per_group_or_none("warmup_start_lr", warmup_start_lr, size),
                _per_group_or_none("init_lr", init_lr, size),
                strict=True,
            )
        ]
        same = all(plan == plans[0] for plan in plans)
        # Where all groups agree, so will groups that are added later.
        super().__init__(optimizer, groups={"*": plans[0]} if same else dict(enumerate(plans)))
        self.seek(done + 1)


def _per_group(name: str, value: PerGroup, size: int) -> Sequence[LevelLike]:
    """One value for each group, of one for all or a list."""
    if isinstance(value, Level | int | float | Real):
        return [value] * size
    try:
        values = [] if isinstance(value, str) else list(value)
    except TypeError:
        values = []
    if len(values) != size:
        raise ScheduleError(
            f"{name} must be a rate, or one for each of the optimizer's {size} parameter groups; "
            f"got {value!r}"
        )
    return values


def _per_group_or_none(name: str, value: PerGroup | None, size: int) -> Sequence[LevelLike | None]:
    return [None] * size if value is None else _per_group(name, value, size)
