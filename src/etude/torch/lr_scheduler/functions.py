"""The classes whose factor is a user's function of the step."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim import lr_scheduler as peers

from etude.errors import ScheduleError
from etude.torch import formulas
from etude.torch.functions import Called, Multiplied
from etude.torch.lr_scheduler.dropin import DropIn, check_optimizer
from etude.torch.lr_scheduler.lines import CalledLines, Lines
from etude.torch.lr_scheduler.states import check_count

__all__ = ["LambdaLR", "MultiplicativeLR", "saved_callable"]


def saved_callable(function: Any) -> dict[str, Any] | None:
    """Return what a state holds of a callable: the attributes of an object, and nothing of a function."""
    if isinstance(function, types.FunctionType | types.BuiltinFunctionType) or function is None:
        return None
    return dict(vars(function))


class Functions(DropIn):
    """What the two share: callables, one for each group, which are saved as torch saves them."""

    _SCHEDULE: type[Called]

    lr_lambdas: list[Callable[[int], Any]]

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        size = len(optimizer.param_groups)
        functions = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * size
        if len(functions) != size:
            raise ScheduleError(
                f"{type(self).__name__}(lr_lambda=): Expected {size} lr_lambdas, but got {len(functions)}"
            )
        for function in functions:
            if not callable(function):
                raise formulas.NoFunctionError(
                    f"{type(self).__name__}: lr_lambda should be a function, but got "
                    f"{type(function).__name__}"
                )
        self.lr_lambdas = functions
        self._begin(optimizer, last_epoch)

    def _lay(self, bases: Sequence[float]) -> Lines:
        # Of the function itself, also where it has a name that the formula would rather give.
        functions = [formulas.at(self.lr_lambdas, i, self._kind, "lr_lambdas") for i in range(len(bases))]
        return CalledLines([{"lr": self._SCHEDULE(each, self._kind)} for each in functions], bases)

    def state_dict(self) -> dict[str, Any]:
        """Return torch's own state; of the callables, the attributes of objects, and nothing of functions."""
        return {**super().state_dict(), "lr_lambdas": [saved_callable(each) for each in self.lr_lambdas]}

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        saved = state["lr_lambdas"]
        # One function serves all groups, also those that were added; of each side that says as much.
        if len(saved) != len(self.lr_lambdas) and not (
            formulas.alike(saved) and formulas.alike(self.lr_lambdas)
        ):
            check_count(self._kind, "functions", saved, self.lr_lambdas)

    def _load(self, state: Mapping[str, Any]) -> list[tuple[str, str]]:
        changed = super()._load({key: value for key, value in state.items() if key != "lr_lambdas"})
        # As many as both have: of other numbers of them all are alike.
        for function, saved in zip(self.lr_lambdas, state["lr_lambdas"], strict=False):
            if saved is not None:
                vars(function).update(copy.deepcopy(saved))
        self._lines = None  # what the functions gave before counts no more
        return changed


class LambdaLR(Functions, peers.LambdaLR):
    """The base rate times a function of the step.

    lr(t) = base · lr_lambda(t)

    Args:
        optimizer: any torch optimizer.
        lr_lambda: a function of the step, or one for each group; called once for each step, not before.
        last_epoch: the last step done; -1 starts at step 0.
    """

    _SCHEDULE = Called


class MultiplicativeLR(Functions, peers.MultiplicativeLR):
    """The base rate times the running product of a function of the step.

    lr(t) = base · lr_lambda(1) · lr_lambda(2) · … · lr_lambda(t)

    Args:
        optimizer: any torch optimizer.
        lr_lambda: a function of the step, or one for each group; called once for each step, not before.
        last_epoch: the last step done; -1 starts at step 0.
    """

    _SCHEDULE = Multiplied
