"""The classes that multiply each group's base rate by a function of the step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from torch.optim import Optimizer
from torch.optim import lr_scheduler as peers

from etude.errors import ScheduleError
from etude.schedules import bounds
from etude.torch import formulas
from etude.torch.lr_scheduler.dropin import DropIn
from etude.torch.telling import tell

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "StepLR",
]


class StepLR(DropIn, peers.StepLR):
    """A factor at every so many steps.

    lr(t) = base · gamma^⌊t / step_size⌋

    Args:
        optimizer: any torch optimizer.
        step_size: steps between two drops, ≥ 1.
        gamma: the factor, ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        self._begin(optimizer, last_epoch)


class MultiStepLR(DropIn, peers.MultiStepLR):
    """A factor at each of the given steps.

    lr(t) = base · gamma^(how many milestones are ≤ t)

    Args:
        optimizer: any torch optimizer.
        milestones: whole steps ≥ 0, in any order; one given twice counts twice.
        gamma: the factor, ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        try:
            self.milestones = Counter(milestones)
        except TypeError:
            raise ScheduleError(
                f"MultiStepLR(milestones=) must be whole steps, such as [30, 60]; got {milestones!r}"
            ) from None
        self.gamma = gamma
        self._begin(optimizer, last_epoch)


class ConstantLR(DropIn, peers.ConstantLR):
    """A share of the base rate for some steps, then the base rate.

    lr(t) = base · factor for t < total_iters, then base

    Args:
        optimizer: any torch optimizer.
        factor: the share, in [0, 1].
        total_iters: how many steps, ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self.factor = factor
        self.total_iters = total_iters
        self._begin(optimizer, last_epoch)


class LinearLR(DropIn, peers.LinearLR):
    """A straight line between two shares of the base rate.

    lr(t) = base · (start_factor + (end_factor - start_factor) · min(t / total_iters, 1))

    Args:
        optimizer: any torch optimizer.
        start_factor: the first share, in (0, 1].
        end_factor: the last share, in [0, 1].
        total_iters: the step that first uses the last share, ≥ 0; 0 is the last share at once.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        self._begin(optimizer, last_epoch)


class ExponentialLR(DropIn, peers.ExponentialLR):
    """The same factor at every step.

    lr(t) = base · gamma^t

    Args:
        optimizer: any torch optimizer.
        gamma: the factor, ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        self._begin(optimizer, last_epoch)


class PolynomialLR(DropIn, peers.PolynomialLR):
    """A power of what is left of the run.

    lr(t) = base · (1 - min(t / total_iters, 1))^power

    Args:
        optimizer: any torch optimizer.
        total_iters: the step that first uses 0, ≥ 0.
        power: ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        self._begin(optimizer, last_epoch)


def _warn_of_floor(optimizer: Optimizer, eta_min: float) -> None:
    for index, group in enumerate(optimizer.param_groups):
        base = float(group.get("initial_lr", group["lr"]))
        if 0 < base < eta_min:
            tell(
                f"eta_min={eta_min!r} is above the base rate {base:g} of the parameter group {index}, so its "
                f"rate rises; give a lower eta_min or a higher lr",
                UserWarning,
            )
            return


class CosineAnnealingLR(DropIn, peers.CosineAnnealingLR):
    """A half cosine from the base rate to a floor, and back up in the same time, and so on.

    lr(t) = eta_min + (base - eta_min) · (1 + cos(π t / T_max)) / 2

    Args:
        optimizer: any torch optimizer.
        T_max: the steps from the base rate to the floor: those of the whole run, unless it is to climb back.
        eta_min: the floor, ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 - torch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        self._begin(optimizer, last_epoch)
        _warn_of_floor(optimizer, eta_min)

    @property
    def _last_glided(self) -> float:  # type: ignore[override] # past it, it first says that it climbs
        return math.inf if self._told else self.T_max

    def _go(self, step: float | None, *, counted: bool = False) -> None:
        super()._go(step, counted=counted)
        # Said to a loop that goes on step by step, and not where someone asks for that place.
        if step is None and self.last_epoch > self.T_max > 0 and not self._told:
            self._told = True
            tell(
                f"CosineAnnealingLR(T_max={self.T_max}) is half a period: from step {self.T_max} on the rate "
                f"climbs back, to the base rate at step {2 * self.T_max}. Give T_max the steps of the whole "
                f"run; to start anew at the top there is CosineAnnealingWarmRestarts [cosine-climbs-back]",
            )


class CosineAnnealingWarmRestarts(DropIn, peers.CosineAnnealingWarmRestarts):
    """Half cosines from the base rate to a floor, each ``T_mult`` times as long as the last.

    lr = eta_min + (base - eta_min) · (1 + cos(π T_cur / T_i)) / 2

    with T_cur steps since the last restart in a cycle of T_i; both are exact for every ``T_mult``.

    Args:
        optimizer: any torch optimizer.
        T_0: the length of the first cycle, ≥ 1.
        T_mult: a whole number ≥ 1.
        eta_min: the floor, ≥ 0.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803 - torch's name
        T_mult: int = 1,  # noqa: N803 - torch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        bounds.whole(T_0, "CosineAnnealingWarmRestarts(T_0=)", least=1)
        bounds.whole(T_mult, "CosineAnnealingWarmRestarts(T_mult=)", least=1)
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur = last_epoch
        self._begin(optimizer, last_epoch)
        _warn_of_floor(optimizer, eta_min)

    def step(self, epoch: float | None = None) -> None:
        """Move on by one step, or to the given one, which may be a fraction of an epoch."""
        self._look()
        if self._stack.claims:
            self._tell_of_a_jump()
        if epoch is not None or self._owner is not None or not self._glide():
            self._go(epoch)

    def _count(self) -> None:
        """As torch's: this class counts no calls."""

    def _place(self, step: float) -> None:
        self.last_epoch = math.floor(step)
        # torch declares whole steps; fractions of a step are allowed here.
        self.T_cur, self.T_i = formulas.restart(self.T_0, self.T_mult, step)  # type: ignore[assignment]

    def _advance(self) -> None:
        state = self.__dict__
        state["last_epoch"] += 1
        since = state["T_cur"] + 1
        if since >= state["T_i"]:
            since %= state["T_i"]
            state["T_i"] *= state["T_mult"]
        state["T_cur"] = since

    def _settle(self) -> None:
        if not self.T_cur >= 0:
            raise ScheduleError(f"T_cur must be at least 0; got {self.T_cur!r}")
