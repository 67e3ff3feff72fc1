"""What trainers read and tell: the numbers that an update uses, and the metrics that Plateaus follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from etude.errors import ScheduleError
from etude.torch import Scheduler, mean_over_ranks
from etude.torch.groups import Place, group_names, read

__all__ = ["followed", "in_use", "tell"]


def in_use(optimizer: Optimizer, schedulers: Iterable[LRScheduler]) -> dict[str, float]:
    """Read from the groups the rates, and whatever else the schedulers write, each under its name in a log.

    Returns:
        ``{"lr": ...}`` for a single group without a name, else ``{"lr/body": ..., "lr/head": ...}``.
    """
    groups = optimizer.param_groups
    places: dict[tuple[str, int], Place] = {("lr", number): ("lr", None) for number in range(len(groups))}
    for scheduler in schedulers:
        if isinstance(scheduler, Scheduler):
            places |= {(key, number): place for key, number, place, _ in scheduler.written()}
    names = group_names(groups)
    alone = len(groups) == 1 and "name" not in groups[0]
    return {
        key if alone else f"{key}/{names[number]}": read(groups[number], place)
        for (key, number), place in places.items()
    }


def followed(scheduler: LRScheduler) -> set[str]:
    """The metrics that a scheduler's Plateaus follow."""
    return set(scheduler.metrics) if isinstance(scheduler, Scheduler) else set()


def tell(scheduler: Scheduler, measured: Mapping[str, float | Tensor], how: str) -> None:
    """Tell a scheduler's Plateaus the metrics that they follow, averaged over the processes.

    Args:
        scheduler: the one to tell.
        measured: what was measured, by name.
        how: what to write in order to have a metric measured, for the error.

    Raises:
        ScheduleError: where one of them was not measured.
    """
    names = sorted(followed(scheduler))
    missing = [name for name in names if name not in measured]
    if missing:
        raise ScheduleError(
            f"a Plateau follows {missing[0]!r}, which was not measured; there are "
            f"{', '.join(map(repr, sorted(measured))) or 'none'}: {how}"
        )
    if names:
        scheduler.observe(**{name: mean_over_ranks(measured[name]) for name in names})
