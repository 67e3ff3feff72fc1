"""The classes that name rates of their own, and cycle momentum against them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim import lr_scheduler as peers

from etude.errors import ScheduleError
from etude.schedules import bounds
from etude.torch import formulas
from etude.torch.groups import Group, Place, own_tensors, place_of, write
from etude.torch.lr_scheduler.dropin import DropIn, check_optimizer, clone, or_as_it_was, per_group
from etude.torch.lr_scheduler.functions import saved_callable
from etude.torch.lr_scheduler.states import check_count
from etude.torch.stack import Stack
from etude.torch.telling import tell
from etude.torch.watch import tell_tick_length

__all__ = ["CyclicLR", "OneCycleLR"]

# More steps up or down than this are not meant as epochs: 2 to 10 are advised (Smith, 2017).
MOST_EPOCHS = 10


class Cycling(DropIn):
    """What the two share: momentum."""

    cycle_momentum: bool
    # What it keeps in the groups beside their base rate and momentum.
    _KEPT: tuple[str, ...] = ("base_momentum", "max_momentum")

    def _check_momentum(self, optimizer: Optimizer) -> None:
        if self.cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ScheduleError(
                    f"optimizer must support momentum or beta1 with `cycle_momentum` option enabled; "
                    f"{type(optimizer).__name__} has neither: write cycle_momentum=False"
                )
            self.use_beta1 = "betas" in optimizer.defaults

    def _note(self, optimizer: Optimizer, first: int = 0) -> None:
        """Take note of what is in the groups, where nothing was written yet."""
        places: list[list[Place]] = []
        for group in optimizer.param_groups[first:]:
            own: list[Place] = [(key, None) for key in self._KEPT]
            if self.cycle_momentum:
                own.append(place_of(group, formulas.momentum_name(vars(self), group)))
            places.append(own)
        Stack.of(optimizer).note(self, places, first)

    def equip(self, groups: Sequence[Group], added: int) -> None:
        self._note(self.optimizer, added)
        super().equip(groups, added)
        self._stack.noted(self)

    def _begin(self, optimizer: Optimizer, last_epoch: int) -> None:
        super()._begin(optimizer, last_epoch)
        self._stack.noted(self)

    def _keep_momentums(self, groups: Iterable[dict[str, Any]], low: list[Any], high: list[Any]) -> None:
        for group, least, most in zip(groups, low, high, strict=True):
            group["max_momentum"] = most
            group["base_momentum"] = least


class CyclicLR(Cycling, peers.CyclicLR):
    """Up from a lower rate to an upper one in a straight line and down again, over and over.

    With w the wave that goes 0 → 1 → 0 in each cycle and n the cycle, counted from 1,

    - ``triangular``: lr = base_lr + (max_lr - base_lr) · w
    - ``triangular2``: lr = base_lr + (max_lr - base_lr) · w / 2^(n - 1)
    - ``exp_range``: lr = base_lr + (max_lr - base_lr) · w · gamma^t
    - ``scale_fn``: lr = base_lr + (max_lr - base_lr) · w · scale_fn(n, or t)

    and momentum = max_momentum - (max_momentum - base_momentum) · (the same).

    Args:
        optimizer: any torch optimizer.
        base_lr: the lower rate, or one for each group.
        max_lr: the upper rate, or one for each group.
        step_size_up: the steps of the way up, > 0.
        step_size_down: those of the way down; as many where it is not given.
        mode: one of the above; ignored where there is a ``scale_fn``.
        gamma: for ``exp_range``, > 0.
        scale_fn: a function that gives a number ≥ 0.
        scale_mode: of what: ``"cycle"``, the number of the cycle, or ``"iterations"``, the step.
        cycle_momentum: whether momentum (betas[0] in the optimizers of Adam's kind) goes against the rate.
        base_momentum: the lowest momentum, or one for each group.
        max_momentum: the highest momentum, or one for each group.
        last_epoch: the last step done; -1 starts at step 0.
    """

    _BASES_ARE_INITIAL = False
    _PER_GROUP = ("base_lrs", "max_lrs", "base_momentums", "max_momentums")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        base_lrs = per_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = per_group("CyclicLR", "max_lr", optimizer, max_lr)
        up = bounds.number(step_size_up, "CyclicLR(step_size_up=)", above=0)
        down = up
        if step_size_down is not None:
            down = bounds.number(step_size_down, "CyclicLR(step_size_down=)", least=0)
        # torch declares an int, and keeps a float.
        self.total_size = up + down  # type: ignore[assignment]
        self.step_ratio = up / self.total_size
        if scale_fn is not None and not callable(scale_fn):
            raise ScheduleError(f"CyclicLR(scale_fn=) must be a function of a number; got {scale_fn!r}")
        if scale_fn is None:
            bounds.choice(mode, "CyclicLR(mode=)", ("triangular", "triangular2", "exp_range"))
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        bounds.choice(scale_mode, "CyclicLR(scale_mode=)", ("cycle", "iterations"))
        self.scale_mode = scale_mode
        self._init_scale_fn()
        self.cycle_momentum = cycle_momentum
        self._check_momentum(optimizer)
        if cycle_momentum:
            self.base_momentums = per_group("CyclicLR", "base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("CyclicLR", "max_momentum", optimizer, max_momentum)
        self.base_lrs = base_lrs
        self.optimizer = optimizer
        self._check_parameters()
        groups = optimizer.param_groups
        with or_as_it_was(optimizer):
            own_tensors(groups, "lr")
            self._note(optimizer)
            if last_epoch == -1:
                for group, lowest in zip(groups, base_lrs, strict=True):
                    if "initial_lr" not in group:
                        write(group, ("lr", None), float(lowest))
                if cycle_momentum:
                    self._keep_momentums(groups, self.base_momentums, self.max_momentums)
            self._begin(optimizer, last_epoch)
        if max(up, down) > MOST_EPOCHS:
            tell_tick_length(self, {"step_size_up": up, "step_size_down": down})

    def equip(self, groups: Sequence[Group], added: int) -> None:
        super().equip(groups, added)
        if self.cycle_momentum:
            for index, group in enumerate(groups[added:], start=added):
                for key in self._KEPT:
                    name = f"{key}s"
                    group.setdefault(key, clone(formulas.at(self.__dict__[name], index, self._kind, name)))

    def _init_scale_fn(self) -> None:
        if self._scale_fn_custom is not None:
            return
        if self.mode == "exp_range":
            self._scale_fn_ref = partial(self._exp_range_scale_fn, self.gamma)
            self.scale_mode = "iterations"
        else:
            self._scale_fn_ref = (
                self._triangular2_scale_fn if self.mode == "triangular2" else self._triangular_scale_fn
            )
            self.scale_mode = "cycle"

    def state_dict(self) -> dict[str, Any]:
        """Return torch's own state; of ``scale_fn``, the attributes of an object, nothing of a function."""
        state = DropIn.state_dict(self)
        state.pop("_scale_fn_ref", None)
        state["_scale_fn_custom"] = saved_callable(self._scale_fn_custom)
        return state

    def _load(self, state: Mapping[str, Any]) -> list[tuple[str, str]]:
        saved = state.get("_scale_fn_custom")
        rest = {
            key: value for key, value in state.items() if key not in ("_scale_fn_custom", "_scale_fn_ref")
        }
        changed = super()._load(rest)
        if saved is not None and self._scale_fn_custom is not None:
            vars(self._scale_fn_custom).update(copy.deepcopy(saved))
        self._init_scale_fn()
        self._lines = None
        return changed


class OneCycleLR(Cycling, peers.OneCycleLR):
    """Up to the highest rate and down far below the start, ended on the last of ``total_steps`` steps.

    From max_lr / div_factor up to max_lr, which step pct_start · total_steps - 1 uses; then down to
    max_lr / (div_factor · final_div_factor), which step total_steps - 1 uses. With three phases, down to
    max_lr / div_factor first, as fast as up. Momentum goes the other way.

    Args:
        optimizer: any torch optimizer.
        max_lr: the highest rate, or one for each group.
        total_steps: the length; or
        epochs: as many times
        steps_per_epoch: as this.
        pct_start: the share of the steps that go up, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: whether momentum (betas[0] in the optimizers of Adam's kind) goes against the rate.
        base_momentum: the lowest momentum, or one for each group.
        max_momentum: the highest momentum, or one for each group.
        div_factor: the highest rate / the first, > 0.
        final_div_factor: the first rate / the last, > 0.
        three_phase: whether to come back to the first rate before the end; pct_start is then at most 0.5.
        last_epoch: the last step done; -1 starts at step 0.
    """

    _KEPT = ("max_lr", "min_lr", "base_momentum", "max_momentum")
    _GROUP_KEYS = ("initial_lr", *_KEPT)
    _NUMBERS = ("last_epoch", "_step_count", "total_steps")

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ScheduleError(
                    "OneCycleLR: You must define either total_steps OR (epochs AND steps_per_epoch)"
                )
            total_steps = bounds.whole(epochs, "OneCycleLR(epochs=)", least=1) * bounds.whole(
                steps_per_epoch, "OneCycleLR(steps_per_epoch=)", least=1
            )
        elif steps_per_epoch is not None:
            bounds.whole(steps_per_epoch, "OneCycleLR(steps_per_epoch=)", least=1)
        self.total_steps = bounds.whole(total_steps, "OneCycleLR(total_steps=)", least=1)
        up = bounds.number(pct_start, "OneCycleLR(pct_start=)", least=0)
        if up > 1:
            raise ScheduleError(f"OneCycleLR(pct_start=) must be a share between 0 and 1; got {pct_start!r}")
        if three_phase and up > 0.5:
            raise ScheduleError(
                f"OneCycleLR(pct_start=) must be at most 0.5 with three phases, for the way down is as long "
                f"as the way up; got {pct_start!r}"
            )
        self._schedule_phases = _phases(self.total_steps, up, three_phase)
        bounds.choice(anneal_strategy, "OneCycleLR(anneal_strategy=)", ("cos", "linear"))
        self._anneal_func_type = anneal_strategy
        div = bounds.number(div_factor, "OneCycleLR(div_factor=)", above=0)
        final_div = bounds.number(final_div_factor, "OneCycleLR(final_div_factor=)", above=0)
        highest = per_group("OneCycleLR", "max_lr", optimizer, max_lr)
        self.cycle_momentum = cycle_momentum
        self._check_momentum(optimizer)
        least = most = []
        if cycle_momentum:
            least = per_group("OneCycleLR", "base_momentum", optimizer, base_momentum)
            most = per_group("OneCycleLR", "max_momentum", optimizer, max_momentum)
        groups = optimizer.param_groups
        with or_as_it_was(optimizer):
            own_tensors(groups, "lr")
            self._note(optimizer)
            # One that goes on where the last was deleted, which has taken its own along, keeps them anew.
            if last_epoch == -1 or all("initial_lr" in group and "max_lr" not in group for group in groups):
                for group, rate in zip(groups, highest, strict=True):
                    group["initial_lr"] = rate / div
                    group["max_lr"] = rate
                    group["min_lr"] = group["initial_lr"] / final_div
                if cycle_momentum:
                    self._keep_momentums(groups, least, most)
            self._begin(optimizer, last_epoch)
        if steps_per_epoch is not None and steps_per_epoch > 1:
            tell_tick_length(self, {"total_steps": total_steps})

    def equip(self, groups: Sequence[Group], added: int) -> None:
        self._note(self.optimizer, added)
        for index, group in enumerate(groups[added:], start=added):
            if "max_lr" not in group:
                group["max_lr"] = clone(self._shared("max_lr", groups[:added], index))
            # As far below the highest as elsewhere, for the two divisors are not kept.
            other = next((one for one in groups[:added] if one["max_lr"] == group["max_lr"]), groups[0])
            for key in ("initial_lr", "min_lr"):
                if key not in group:
                    highest = other["max_lr"]
                    scale = 1.0 if highest == group["max_lr"] or not highest else group["max_lr"] / highest
                    group[key] = other[key] * scale
        super().equip(groups, added)

    @property
    def _last_glided(self) -> float:  # type: ignore[override] # past its end it first says so
        return math.inf if self._told else self.total_steps

    def _go(self, step: float | None, *, counted: bool = False) -> None:
        super()._go(step, counted=counted)
        # A loop that steps after its last update stands at the total without using it.
        if self.last_epoch > self.total_steps and not self._told:
            self._told = True
            tell(
                f"OneCycleLR was planned for {self.total_steps} steps and is asked for step "
                f"{self.last_epoch}; it holds its last rate. Build it with the total_steps of the run",
                UserWarning,
            )

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        check_count("OneCycleLR", "phases", state["_schedule_phases"], self._schedule_phases)


def _phases(total: int, up: float, three_phase: bool) -> list[Any]:
    """The phases as torch keeps them."""
    rise = float(up * total) - 1
    if not three_phase:
        return [
            _phase(rise, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
            _phase(total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
        ]
    return [
        _phase(rise, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
        _phase(float(2 * up * total) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        _phase(total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]


def _phase(end: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> dict[str, Any]:
    return {
        "end_step": end,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }
