"""What trains in a range test: a function that does one update, or the plain loop; and what it returns."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from etude.errors import ScheduleError
from etude.torch.scalars import scalar, shown

__all__ = ["Loop", "Returned", "Step", "check_step", "plain_loop"]

Loss: TypeAlias = "Tensor | float"
Step: TypeAlias = "Callable[[], Loss | tuple[Loss, Mapping[str, Loss]]]"
Loop: TypeAlias = "tuple[Iterable[Any], nn.Module, Callable[[Any, Any], Tensor]]"


def check_step(train_step: Any) -> Loop | None:
    """Return the parts of a plain loop; None for a function that does an update.

    Raises:
        ScheduleError: for what is neither.
    """
    what = "train_step must be a function without arguments that does one update, or (loader, model, loss)"
    if isinstance(train_step, tuple):
        if len(train_step) != 3:
            raise ScheduleError(f"{what}; got a tuple of {len(train_step)}")
        loader, model, loss_of = train_step
        if isinstance(loader, str) or not (isinstance(loader, Iterable) or hasattr(loader, "__getitem__")):
            raise ScheduleError(f"{what}; got {loader!r} for the loader")
        if not isinstance(model, nn.Module):
            raise ScheduleError(f"{what}; got {model!r} for the model")
        if not callable(loss_of):
            raise ScheduleError(f"{what}; got {loss_of!r} for the loss")
        return loader, model, loss_of
    if not callable(train_step):
        raise ScheduleError(f"{what}; got {train_step!r}")
    try:
        signature(train_step.forward if isinstance(train_step, nn.Module) else train_step).bind()
    except TypeError:
        raise ScheduleError(f"{what}; {_called(train_step)} takes some") from None
    except ValueError:
        pass  # it does not tell what it takes
    return None


def _called(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


class Returned:
    """Reads the loss and the metrics of each step; the metrics must always be those of the first.

    Args:
        metric: one that must be among them.
    """

    def __init__(self, metric: str | None = None) -> None:
        self._names: list[str] | None = None
        self._metric = metric

    def __call__(self, returned: Any) -> tuple[float, dict[str, float]]:
        """Return them as floats.

        Raises:
            ScheduleError: for what is no loss, or other metrics.
        """
        alone = not (isinstance(returned, tuple) and len(returned) == 2)
        loss, metrics = (returned, {}) if alone else returned
        value = scalar(loss)
        if value is None:
            what = "None" if loss is None else f"a {type(loss).__name__}"
            if isinstance(loss, Tensor):
                what = f"a tensor of the shape {tuple(loss.shape)}"
            raise ScheduleError(
                f"train_step() must return its loss, one number, or (loss, metrics); got {what}"
            )
        if alone and not self._names and self._metric is None:  # what follows is done at every step
            self._names = []
            return value, {}
        if not isinstance(metrics, Mapping):
            raise ScheduleError(f"metrics must be a dict of numbers by name; got {metrics!r}")
        values = {name: _metric(name, metric) for name, metric in metrics.items()}
        if not all(isinstance(name, str) for name in values):
            raise ScheduleError(f"the names of metrics must be texts; got {list(values)!r}")
        if self._names is None:
            self._names = list(values)
            if self._metric is not None and self._metric not in values:
                known = ", ".join(map(repr, values)) or "none"
                raise ScheduleError(
                    f"metric must be one that train_step() returns; got {self._metric!r}, there are {known}"
                )
        for name in self._names:
            if name not in values:
                raise ScheduleError(f"the metric {name!r} has vanished; return it from every train_step()")
        for name in values:
            if name not in self._names:
                raise ScheduleError(f"the metric {name!r} is new; return it from every train_step()")
        return value, {name: values[name] for name in self._names}


def _metric(name: str, metric: Any) -> float:
    value = scalar(metric)
    if value is None:
        raise ScheduleError(f"the metric {name!r} must be one number; got {shown(metric)}")
    return value


def plain_loop(loop: Loop, optimizers: list[Optimizer], scalers: list[GradScaler]) -> Step:
    """The plain training loop over a loader's pairs.

    Raises:
        ScheduleError: for several scalers.
    """
    if len(scalers) > 1:
        raise ScheduleError(f"scaler must be one for the plain loop; got {len(scalers)}")
    scaler = scalers[0] if scalers else None
    loader, model, loss_of = loop
    first = next(model.parameters())
    batches = _endless(loader)

    def step() -> Tensor:
        batch = next(batches)
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ScheduleError(
                f"the loader must give pairs of inputs and targets; got {type(batch).__name__}: write a "
                f"train_step() for other batches"
            )
        inputs, targets = (part.to(first.device) if isinstance(part, Tensor) else part for part in batch)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = loss_of(model(inputs), targets)
        if scaler is None:
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
        else:
            scaler.scale(loss).backward()
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
        return loss

    return step


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ScheduleError("the loader has no batches")
