"""``SWALR``: from whatever rate is in force to one of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from torch.optim import Optimizer, swa_utils

from etude.durations import Horizon
from etude.schedules import bounds
from etude.tables import Table
from etude.torch import formulas
from etude.torch.groups import Group
from etude.torch.lr_scheduler.dropin import DropIn, check_optimizer, or_as_it_was, per_group

__all__ = ["SWALR"]


class SWALR(DropIn, swa_utils.SWALR):
    """From the rate in force to ``swa_lr``, counted from its own first step, and held there.

    lr = x · (1 - e) + swa_lr · e

    with x what the other schedulers on the optimizer give, or gave when they were last there, or else the
    rate that was in the group, and e the ease of the share of ``anneal_epochs`` gone.

    Args:
        optimizer: any torch optimizer.
        swa_lr: the last rate, or one for each group.
        anneal_epochs: steps from the one rate to the other, ≥ 0; 0 is the last rate at once.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: the last step done of the run; its own steps are counted from here all the same.
    """

    __slots__ = ("_starts", "_tables")

    _GROUP_KEYS = ("swa_lr",)

    _starts: list[float]
    _tables: list[Table]

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        rates = per_group("SWALR", "swa_lr", optimizer, swa_lr)
        # Named as torch's own messages begin.
        bounds.choice(anneal_strategy, "SWALR: anneal_strategy", formulas.EASES)
        bounds.whole(anneal_epochs, "SWALR: anneal_epochs", least=0)
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        self._starts = [float(group["lr"]) for group in optimizer.param_groups]
        with or_as_it_was(optimizer):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["swa_lr"] = rate
            self._begin(optimizer, last_epoch)

    def _begin(self, optimizer: Optimizer, last_epoch: int) -> None:
        super()._begin(optimizer, last_epoch)
        if last_epoch >= 0:
            self._step_count = 1
            self._evaluate()
            self._write()

    def _place(self, step: float) -> None:
        super()._place(step)
        self._step_count = int(step) + 1

    def _count(self) -> None:
        """Its calls are its clock, moved on with it."""

    def _advance(self) -> None:
        self.last_epoch += 1
        self._step_count += 1

    def _evaluate(self) -> None:
        groups = self.optimizer.param_groups
        seen = self._present()
        if seen != self._seen:
            formula = formulas.FORMULAS["SWALR"]
            plans = [formula(self.__dict__, group, i)["lr"] for i, group in enumerate(groups)]
            self._tables = [plan.on(Horizon()) for plan in plans]
            self._seen = seen

    def names(self) -> Iterable[str]:
        return ("lr",)

    def blend(self, index: int, rate: float | None) -> float | None:
        if rate is None:
            rate = self._starts[index]
        else:
            self._starts[index] = rate  # remembered, for when the others are gone
        return self._tables[index](formulas.standing("SWALR", self.__dict__), base=rate)

    def follow(self, groups: Sequence[Group], added: int) -> None:
        for group in groups[len(self._starts) :]:
            self._starts.append(float(group["lr"]))
        super().follow(groups, added)

    def _settle(self) -> None:
        for index, group in enumerate(self.optimizer.param_groups):
            start = formulas.swa_start(self.__dict__, group, index)
            if start is not None:
                self._starts[index] = start

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_starts": self._starts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._starts = list(state["_starts"])
        super().__setstate__({key: value for key, value in state.items() if key != "_starts"})
