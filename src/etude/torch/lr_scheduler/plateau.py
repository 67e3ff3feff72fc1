"""``ReduceLROnPlateau``: a factor that falls when a metric stops getting better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, SupportsFloat

from torch.optim import Optimizer
from torch.optim import lr_scheduler as peers
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING

from etude.errors import ScheduleError
from etude.schedules import bounds
from etude.torch import formulas
from etude.torch.groups import Group, own_tensors
from etude.torch.lr_scheduler.dropin import DropIn, check_optimizer, clone
from etude.torch.scalars import metric
from etude.torch.stack import Part, Stack, combine
from etude.torch.telling import tell

__all__ = ["ReduceLROnPlateau"]


class _GroupsError(ScheduleError, RuntimeError):
    """As torch raises it."""


class ReduceLROnPlateau(DropIn, peers.ReduceLROnPlateau):
    """A factor on what the other schedulers give, that falls when a metric stops getting better.

    It starts at 1. Each ``step(metric)`` is better than the best so far, or bad; after more than ``patience``
    bad ones in a row the factor is multiplied by ``factor``, and the next ``cooldown`` do not count as bad.
    Better is by more than ``threshold · abs(best)`` (``"rel"``) or ``threshold`` (``"abs"``).

    Args:
        optimizer: any torch optimizer.
        mode: whether a lower metric is better, ``"min"``, or a higher one, ``"max"``.
        factor: in [0, 1).
        patience: bad steps that are borne, ≥ 0.
        threshold: ≥ 0.
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: steps, ≥ 0.
        min_lr: where base · factor does not fall below, or one for each group.
        eps: a fall of base · factor by no more than this is left out, ≥ 0.
    """

    _PER_GROUP = ("min_lrs",)

    _NUMBERS = ("last_epoch", "_step_count", "best", "cooldown_counter", "num_bad_epochs")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer(optimizer)
        groups = optimizer.param_groups
        each = isinstance(min_lr, list | tuple)
        self.default_min_lr: Any = None if each else min_lr
        self.min_lrs: list[Any] = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * len(groups)
        if len(self.min_lrs) != len(groups):
            raise ScheduleError(
                f"ReduceLROnPlateau(min_lr=): expected {len(groups)} min_lrs, got {len(self.min_lrs)}"
            )
        self.optimizer = optimizer
        self.factor = factor
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.last_epoch = 0
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self._check_parameters()
        own_tensors(groups, "lr")
        rates = [float(group["lr"]) for group in groups]
        for group in groups:
            group.setdefault("initial_lr", clone(group["lr"]))
        self._reset()
        self._factors = [1.0] * len(groups)
        self._evaluate()
        self._take_over(rates)
        self._evaluate()
        self._join()

    def _take_over(self, rates: Sequence[float]) -> None:
        """Start from the rates that are there, where the other schedulers do not account for them."""
        for index, given in enumerate(self._others()):
            if given and not math.isclose(rates[index], given, rel_tol=1e-6):
                self._factors[index] = rates[index] / given

    def _others(self) -> list[float]:
        """The rates that the others on the optimizer give, without this one."""
        members = [member for member in Stack.of(self.optimizer).members if member is not self]
        rates = []
        for index, group in enumerate(self.optimizer.param_groups):
            base = float(group["initial_lr"])
            part = combine(members, "lr", index, base)
            rates.append(base if part is None else part[0])
        return rates

    def _evaluate(self) -> None:
        self._factors = self._factors + [1.0] * (len(self.optimizer.param_groups) - len(self._factors))

    def part(self, name: str, index: int) -> Part | None:
        if name != "lr":
            return None
        base, factor = self.optimizer.param_groups[index]["initial_lr"], self._factors[index]
        return float(base) * factor, factor

    def names(self) -> Iterable[str]:
        return ("lr",)

    def follow(self, groups: Sequence[Group], added: int) -> None:
        for group in groups:
            group.setdefault("initial_lr", clone(group["lr"]))
        self._evaluate()

    # torch's signature for this class, whose step takes the metric.
    def step(self, metrics: SupportsFloat, epoch: float | None = None) -> None:  # type: ignore[override]
        """Take note of the metric, and write the rates with the factor that now holds."""
        value = metric("metrics", metrics)
        self._look()
        if self._stack.claims:
            self._tell_of_a_jump()
        if epoch is not None:
            tell(EPOCH_DEPRECATION_WARNING, UserWarning)
        before = self._remember()
        try:
            self._place(self.last_epoch + 1 if epoch is None else epoch)
            self._stack.follow()
            self._observe(value)
            self._evaluate()
            self.stepped = self._stack.tick()
            self._write()
        except BaseException:
            self._recall(before)
            raise

    def _observe(self, value: float) -> None:
        group = self.optimizer.param_groups[0]
        rule = formulas.plateau({**self.__dict__, "min_lrs": [0.0]}, group, 0)
        now = rule.observe(formulas.plateau_state({**self.__dict__, "_factors": [1.0]}, group, 0), value)
        self.best = self.mode_worse if now.best is None else now.best
        self.num_bad_epochs = now.bad
        self.cooldown_counter = now.resting
        if now.factor < 1:
            self._reduce_lr(self.last_epoch)

    def _reduce_lr(self, epoch: float) -> None:
        groups = self.optimizer.param_groups
        if len(self.min_lrs) != len(groups):
            default = self.min_lrs[0] if formulas.alike(self.min_lrs) else self.default_min_lr
            if default is None:
                raise _GroupsError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}); append a bound for each new "
                    f"one to scheduler.min_lrs"
                )
            self.min_lrs = [default] * len(groups)
        factors = []
        for group, factor, least in zip(groups, self._factors, self.min_lrs, strict=True):
            base = float(group["initial_lr"])
            old = base * factor
            new = max(old * self.factor, float(least))
            reduced = max(factor * self.factor, float(least) / base) if base else factor * self.factor
            factors.append(reduced if old - new > self.eps else factor)
        self._factors = factors

    def _settle(self) -> None:
        """A state of torch's does not hold the factor: it is what the rate was, of what the others give."""
        self._init_is_better(self.mode, self.threshold, self.threshold_mode)
        self._check_parameters()
        formulas.plateau_state(self.__dict__, self.optimizer.param_groups[0], 0)
        if self._factors:
            return
        self._factors = [1.0] * len(self.optimizer.param_groups)
        self._take_over([float(rate) for rate in self._last_lr])

    def _load(self, state: Mapping[str, Any]) -> list[tuple[str, str]]:
        changed = super()._load(state)
        self._factors = list(state.get("_factors", []))
        return changed

    def _check_parameters(self) -> None:
        # There may be groups that came after their bounds were given.
        groups = self.optimizer.param_groups
        for index in range(min(len(groups), len(self.min_lrs))):
            formulas.plateau(self.__dict__, groups[index], index)
        if self.default_min_lr is not None:
            formulas.plateau({**self.__dict__, "min_lrs": [self.default_min_lr]}, groups[0], 0)
        bounds.number(self.eps, "ReduceLROnPlateau(eps=)", least=0)
