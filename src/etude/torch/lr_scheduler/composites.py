"""The classes that are made of others: one after another, and all at once."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch.optim import Optimizer, swa_utils
from torch.optim import lr_scheduler as peers
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from etude.errors import ScheduleError
from etude.torch import formulas
from etude.torch.groups import Group, base_of
from etude.torch.lr_scheduler import cycles, factors, functions
from etude.torch.lr_scheduler.dropin import DropIn
from etude.torch.lr_scheduler.states import check_count
from etude.torch.lr_scheduler.swa import SWALR
from etude.torch.stack import Part, Stack, combine

__all__ = ["ChainedScheduler", "SequentialLR"]


class Composite(DropIn):
    """What the two share: their parts, which leave the optimizer's stack and are theirs from then on."""

    _schedulers: Any

    def _own(self, optimizer: Optimizer, schedulers: Iterable[LRScheduler]) -> None:
        schedulers = [twin(scheduler) for scheduler in schedulers]
        name = type(self).__name__
        if not schedulers:
            raise ScheduleError(f"{name} expects at least one scheduler, but got no scheduler.")
        for index, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {index} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ScheduleError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs "
                    f"to be specified when calling `step`, but got one at index {index} in the given "
                    f"schedulers sequence. Step it on its own: on one optimizer, the two multiply."
                )
            if optimizer is not scheduler.optimizer:
                raise ScheduleError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(scheduler).__name__} at index {index} has another one."
                )
            if not isinstance(scheduler, DropIn):
                raise TypeError(
                    f"{name} takes torch's schedulers and those of etude.torch.lr_scheduler; the one at "
                    f"index {index} is a {type(scheduler).__name__}, whose formula only its author knows: "
                    f"write it as LambdaLR"
                )
        self.optimizer = optimizer
        self._schedulers = schedulers
        self._take_children()

    def _take_children(self) -> None:
        for child in self._schedulers:
            Stack.of(self.optimizer).detach(child)
            child._owner = weakref.ref(self)

    @property
    @abstractmethod
    def _active_ones(self) -> Sequence[DropIn]:
        """The parts that together give its values."""

    def part(self, name: str, index: int) -> Part | None:
        base = base_of(self.optimizer.param_groups[index], name) if name == "lr" else 0.0
        return combine(self._active_ones, name, index, base)

    def names(self) -> Iterable[str]:
        return dict.fromkeys(name for child in self._active_ones for name in child.names())

    @property
    def _is_writer(self) -> bool:
        return any(child._is_writer for child in self._active_ones)

    def _check_parameters(self) -> None:
        for index, _ in enumerate(self.optimizer.param_groups):
            formulas.of(self, index)

    def parameters(self) -> dict[str, Any]:
        return {"_schedulers": [child.parameters() for child in self._schedulers]}

    def equip(self, groups: Sequence[Group], added: int) -> None:
        for child in self._schedulers:
            child.equip(groups, added)

    def follow(self, groups: Sequence[Group], added: int) -> None:
        for child in self._schedulers:
            child.follow(groups, added)
        self._evaluate()

    def report(self) -> None:
        super().report()
        for child in self._reporting():
            child.report()

    @abstractmethod
    def _reporting(self) -> Iterable[DropIn]:
        """The parts whose last rates these are."""

    def step(self) -> None:  # type: ignore[override] # as torch's, which take no epoch
        """Move on by one step and write its values."""
        if self._owner is not None or not self._glide():
            self._take_step()

    def _remember(self) -> Any:
        return super()._remember(), [child._remember() for child in self._schedulers]

    def _recall(self, before: Any) -> None:
        own, of_children = before
        super()._recall(own)
        for child, past in zip(self._schedulers, of_children, strict=True):
            child._recall(past)

    def _count(self) -> None:
        """As torch's: the parts count their calls."""

    def state_dict(self) -> dict[str, Any]:
        """Return torch's own state, with those of the parts."""
        return {**super().state_dict(), "_schedulers": [child.state_dict() for child in self._schedulers]}

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        check_count(type(self).__name__, "schedulers", state["_schedulers"], self._schedulers)
        for child, saved in zip(self._schedulers, state["_schedulers"], strict=True):
            child._check_state(saved)

    def _load(self, state: Mapping[str, Any]) -> list[tuple[str, str]]:
        changed = super()._load({key: value for key, value in state.items() if key != "_schedulers"})
        for child, saved in zip(self._schedulers, state["_schedulers"], strict=True):
            changed += child._load(saved)
            child._settle()
        return changed

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._take_children()
        super().__setstate__({})


def twin(scheduler: Any) -> Any:
    """Return the drop-in that does what a scheduler of torch's own does; anything else as it is."""
    name = type(scheduler).__name__
    own = TWINS.get(name)
    if own is None or type(scheduler) not in (getattr(peers, name, None), swa_utils.SWALR):
        return scheduler
    state = dict(vars(scheduler))
    if "_schedulers" in state:
        state["_schedulers"] = [twin(child) for child in state["_schedulers"]]
    if name == "SWALR":
        state["_starts"] = [float(group["lr"]) for group in scheduler.optimizer.param_groups]
    drop_in = own.__new__(own)
    drop_in.__setstate__(state)
    return drop_in


class SequentialLR(Composite, peers.SequentialLR):
    """One scheduler after another, each from its own zero.

    The scheduler i gives the rates from the milestone i - 1 on, up to the milestone i.

    Args:
        optimizer: the optimizer of all of them.
        schedulers: one or more; composites among them too.
        milestones: the steps at which the next one begins, one fewer than there are schedulers, rising.
        last_epoch: the last step done; -1 starts at step 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(milestones) != len(schedulers) - 1 and schedulers:
            raise ScheduleError(
                f"Sequential Schedulers expects number of schedulers provided to be one more than the number "
                f"of milestone points, but got number of schedulers {len(schedulers)} and the number of "
                f"milestones to be equal to {len(milestones)}"
            )
        self._own(optimizer, schedulers)
        self._milestones = list(milestones)
        self._check_parameters()
        later = [child for child in self._schedulers[1:] if child._kind == "LambdaLR" and last_epoch < 0]
        for child in later:  # which torch begins from the base, whatever was built before
            parts = (child.part("lr", index) for index in range(len(optimizer.param_groups)))
            child.__dict__["_last_lr"] = [part[0] for part in parts if part is not None]
        self._place(last_epoch + 1)
        self._evaluate()
        self._join(resumed=last_epoch >= 0)

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "_milestones": self._milestones}

    @property
    def _active(self) -> int:
        return bisect_right(self._milestones, self.last_epoch)

    def _place(self, step: float) -> None:
        super()._place(step)
        starts, active = [0, *self._milestones], self._active
        for index, child in enumerate(self._schedulers):
            if index < active:
                child._place(max(starts[index + 1] - starts[index] - 1, 0))
            elif index == active:
                child._place(step - starts[index])
            else:
                if _more(child):
                    child._place(0)
                    child._evaluate()
                child.last_epoch = -1
            if index <= active:
                child._evaluate()

    def _advance(self) -> None:
        before = self._active
        self.last_epoch += 1
        child = self._schedulers[self._active]
        if self._active == before:
            child._advance()
        else:
            child._place(self.last_epoch - self._milestones[self._active - 1])

    def _evaluate(self) -> None:
        active = self._active
        for index, child in enumerate(self._schedulers):
            if index == active or _more(child):
                child._evaluate()

    def part(self, name: str, index: int) -> Part | None:
        """The rate is that of the part which is on.

        What else a part writes stays as it left it, and before its time as building it has left it: of
        several to come, as the last one has.
        """
        if name == "lr":
            return super().part(name, index)
        begun = self._active + 1
        for child in (*reversed(self._schedulers[:begun]), *reversed(self._schedulers[begun:])):
            own: Part | None = child.part(name, index)
            if own is not None:
                return own
        return None

    @property
    def _active_ones(self) -> Sequence[DropIn]:
        """The part that is on; one that blends has the last of the part before to blend."""
        active = first = self._active
        while first and isinstance(self._schedulers[first], SWALR):
            first -= 1
        parts: Sequence[DropIn] = self._schedulers[first : active + 1]
        return parts

    def names(self) -> Iterable[str]:
        more = (name for child in self._schedulers for name in _more(child))
        return dict.fromkeys((*self._schedulers[self._active].names(), *more))

    def _glide(self) -> bool:
        state = self.__dict__
        step = state["last_epoch"] + 1
        active = bisect_right(self._milestones, step)
        child = self._schedulers[active]
        if active != self._ready or not child._glide():
            return False
        state["last_epoch"] = step
        state["_last_lr"] = child._last_lr
        return True

    def _prepare(self) -> None:
        self._ready = self._active  # that part glides, and no other
        self._schedulers[self._active]._prepare()

    def _reporting(self) -> Iterable[DropIn]:
        return [self._schedulers[self._active]]

    def _too_early(self) -> bool:
        return bool(self._schedulers[self._active]._too_early())

    def _load(self, state: Mapping[str, Any]) -> list[tuple[str, str]]:
        changed = super()._load(state)
        # There is one clock: what torch keeps of the parts' is not always theirs.
        self._place(self.last_epoch)
        return changed


def _more(child: DropIn) -> list[str]:
    """What a part writes beside the rate."""
    return [name for name in child.names() if name != "lr"]


class ChainedScheduler(Composite, peers.ChainedScheduler):
    """Several schedulers at once: their shares of the base rate multiply.

    Args:
        schedulers: one or more, of one optimizer.
        optimizer: theirs; not needed.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ScheduleError("ChainedScheduler expects at least one scheduler to be chained; got none.")
        self._own(optimizer or schedulers[0].optimizer, schedulers)
        self._evaluate()
        self._join()

    def _place(self, step: float) -> None:
        for child in self._schedulers:
            child._place(step)

    def _advance(self) -> None:
        for child in self._schedulers:
            child._advance()
            child.stepped = child._stack.tick()

    def _evaluate(self) -> None:
        for child in self._schedulers:
            child._evaluate()

    @property
    def _active_ones(self) -> Sequence[DropIn]:
        return list(self._schedulers)

    def _reporting(self) -> Iterable[DropIn]:
        return list(self._schedulers)

    def _too_early(self) -> bool:
        return any(child._too_early() for child in self._schedulers)


TWINS: dict[str, type[DropIn]] = {
    kind.__name__: kind
    for kind in (
        functions.LambdaLR,
        functions.MultiplicativeLR,
        factors.StepLR,
        factors.MultiStepLR,
        factors.ConstantLR,
        factors.LinearLR,
        factors.ExponentialLR,
        factors.PolynomialLR,
        factors.CosineAnnealingLR,
        factors.CosineAnnealingWarmRestarts,
        cycles.CyclicLR,
        cycles.OneCycleLR,
        SWALR,
        SequentialLR,
        ChainedScheduler,
    )
}
"""The drop-in of each of torch's classes."""
