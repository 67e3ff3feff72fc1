"""The range test of a task: its own training function, as it is, taken through a ramp of rates."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from etude.errors import EtudeError, TaskError
from etude.finder import Curve, Divergence, RangeTest, ramp
from etude.levels import BASE
from etude.record import RunKey
from etude.schedules import Constant, bounds
from etude.study.engine import seed_everything
from etude.study.run import Run
from etude.study.task import Task
from etude.torch import Scheduler
from etude.torch.snapshot import random_states

__all__ = ["Update", "find"]


@dataclass(frozen=True, slots=True)
class Update:
    """One update of a range test: how many are done, of how many, and what this one used and saw."""

    done: int
    total: int
    rate: float
    loss: float


def find(
    task: Task,
    *,
    start: float = 1e-6,
    stop: float = 10.0,
    steps: int = 200,
    repeats: int = 3,
    device: str = "cpu",
    diverge: float = 4.0,
    on_update: Callable[[Update], None] = lambda update: None,
) -> RangeTest:
    """Run a task's training function through a ramp of rates, from a new seed in each repeat.

    The function needs no change: the loss of an update is what ``backward()`` was called on since the update
    before, and the accuracy that of the cross entropies meanwhile, if there were any. The global random
    generators, which are seeded for it as in a comparison, are then put back.

    Args:
        task: what is trained.
        start, stop: the first and the last rate, of the optimizer's first group; the others keep their ratio.
        steps: how many updates, ≥ 20.
        repeats: how often, from the seeds 0, 1, ...; three or more give the suggestions' intervals.
        device: where to train.
        diverge: when to end early, see ``etude.finder.Divergence``.
        on_update: called after every update.

    Raises:
        ScheduleError: for bounds that are none.
        TaskError: for what is no task or no device, and for a task that fails, or does not train as
            ``etude.study.Task`` says.
    """
    if not isinstance(task, Task):
        raise TaskError(f"task must be a Task, as find_task gives it; got {task!r}")
    if not callable(on_update):
        raise TaskError(f"on_update must be a function of an Update; got {on_update!r}")
    try:
        torch.device(device)
    except (RuntimeError, TypeError):
        raise TaskError(f"device must be one that torch names, such as 'cpu'; got {device!r}") from None
    Divergence(diverge)
    count = bounds.whole(repeats, "repeats", least=1)
    # The first group's base becomes 1, so that the ramp is the rate itself, and a multiple in the others.
    plan = ramp(start, stop, steps) * Constant(BASE)
    total = steps * count
    sweeps: list[_Sweep] = []
    for seed in range(count):
        # What an earlier repeat lacks, because it diverged, is not left to do.
        def told(sweep: _Sweep, before: int = seed * steps) -> None:
            done = before + (steps if sweep.ended else len(sweep.losses))
            on_update(Update(done, total, sweep.rates[-1], sweep.losses[-1]))

        sweep = _Sweep(steps, Divergence(diverge), told)
        run = _Ramped(RunKey(task.name, repr(plan), 1.0, steps, seed), sweep, task.updates_per_epoch, device)
        _train(task, run, sweep)
        sweeps.append(sweep)
    longest = max(sweeps, key=lambda sweep: len(sweep.losses))
    length = len(longest.losses)
    curve = Curve(
        longest.rates,
        [_filled(sweep.losses, length) for sweep in sweeps],
        {"accuracy": [_filled(sweep.accuracies, length) for sweep in sweeps]}
        if all(sweep.classifies for sweep in sweeps)
        else {},
        base=longest.base,
        ended=[sweep.ended for sweep in sweeps],
        alike=longest.alike,
    )
    return RangeTest(curve)


class _Ended(BaseException):
    """Leaves a training function whose sweep has ended; no Exception, so that none catches it."""


@dataclass
class _Sweep:
    """What one run through the ramp has measured."""

    steps: int
    diverged: Divergence
    told: Callable[[_Sweep], None]
    base: float = 1.0
    alike: bool = True
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    ended: str | None = None

    @property
    def classifies(self) -> bool:
        """Whether any update told an accuracy."""
        return any(map(math.isfinite, self.accuracies))

    def add(self, rate: float, loss: float, accuracy: float) -> None:
        """Take an update; leave the training function where it was the last."""
        self.rates.append(rate)
        self.losses.append(loss)
        self.accuracies.append(accuracy)
        self.ended = self.diverged(loss)
        self.told(self)
        if self.ended or len(self.losses) == self.steps:
            raise _Ended


class _Ramped(Run):
    """A run under the ramp, which keeps no record."""

    def __init__(self, key: RunKey, sweep: _Sweep, updates_per_epoch: int | None, device: str) -> None:
        # The store is for reports, which are not kept here.
        super().__init__(key, cast(Any, None), 0, updates_per_epoch=updates_per_epoch, device=device)
        self._sweep = sweep
        self.seen = _Seen()

    def bind(self, optimizer: Optimizer) -> Scheduler:
        """Put the ramp in charge of the optimizer's learning rate, and watch its updates."""
        own = [float(group["lr"]) for group in optimizer.param_groups]
        self._sweep.base, self._sweep.alike = own[0] or 1.0, len(set(own)) == 1
        scheduler = super().bind(optimizer)
        optimizer.register_step_post_hook(self._updated)
        return scheduler

    def report(self, step: int, **metrics: float) -> None:
        """Leave out what is measured now and then: a curve needs every update."""

    def _updated(self, optimizer: Optimizer, *_: Any) -> None:
        rate, step = float(optimizer.param_groups[0]["lr"]), len(self._sweep.losses)
        if self._bound().last_epoch != step:
            raise TaskError(
                f"update {step} came when the scheduler stood at {self._bound().last_epoch:.16g}; call "
                f"scheduler.step() once after every optimizer.step()"
            )
        if not self.seen.losses:
            raise TaskError(
                f"update {step} came without a loss: backward() was called on none since the update before"
            )
        self._sweep.add(rate, *self.seen.take())


class _Seen(TorchFunctionMode):
    """The losses that ``backward()`` is called on, and the accuracies of the cross entropies."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[Tensor] = []
        self._accuracies: list[Tensor] = []

    def take(self) -> tuple[float, float]:
        """The means since the last time; NaN for an accuracy that there is not."""
        loss = torch.stack(self.losses).mean().item()
        accuracy = torch.stack(self._accuracies).mean().item() if self._accuracies else math.nan
        self.losses.clear()
        self._accuracies.clear()
        return loss, accuracy

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is Tensor.backward:
            self.losses.append(args[0].detach().double().reshape(()))
        # Not while a model is evaluated.
        elif func is functional.cross_entropy and torch.is_grad_enabled():
            logits, labels = (*args, *(given[name] for name in ("input", "target") if name in given))[:2]
            if not labels.is_floating_point():
                right = logits.detach().argmax(dim=1 if logits.dim() > 1 else 0) == labels
                self._accuracies.append(right.double().mean())
        return func(*args, **given)


def _train(task: Task, run: _Ramped, sweep: _Sweep) -> None:
    """Call the training function until the sweep has ended."""
    put_back = random_states()
    try:
        seed_everything(run.seed)
        with run.seen:
            task.train(run)
    except _Ended:
        return
    except EtudeError:
        raise
    # A task that leaves the process has failed, too.
    except (Exception, SystemExit) as error:
        raise TaskError(
            f"the task {task.name!r} fails after {len(sweep.losses)} updates of the range test: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        put_back()
    raise TaskError(
        f"the task {task.name!r} has ended after {len(sweep.losses)} of {sweep.steps} updates; it must do "
        f"run.updates updates with the optimizer that it gives to run.bind"
    )


def _filled(values: list[float], length: int) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values] + [math.nan] * (
        length - len(values)
    )
