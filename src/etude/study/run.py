"""What a training function is given: one run under one schedule."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Mapping

from torch import Tensor
from torch.optim import Optimizer

from etude.durations import Horizon
from etude.errors import ScheduleWarning, TaskError
from etude.record import RunKey, Store
from etude.schedules import Plateau
from etude.spec import parse
from etude.torch import Scheduler

__all__ = ["RESULTS", "Run"]

RESULTS = ("validation", "test")


class Run:
    """One training run: a schedule laid over its own number of updates, from one seed.

    A training function reads ``updates``, ``seed``, ``peak`` and ``device``; calls ``bind`` once with its
    optimizer, ``step()`` of what that returns after every update, and ``report`` as often as it likes.
    """

    def __init__(
        self, key: RunKey, store: Store, run_id: int, *, updates_per_epoch: int | None, device: str = "cpu"
    ) -> None:
        self.updates = key.budget
        """The budget: how many optimizer updates to do."""
        self.seed = key.seed
        """What everything random in the run derives from."""
        self.peak = key.peak
        """The rate that the schedule multiplies; None keeps the rate the optimizer was built with."""
        self.device = device
        """Where to train, as torch names it."""
        self._schedule = parse(key.schedule)
        self._horizon = Horizon(updates_per_epoch, key.budget)
        self._followed = {part.metric for part in self._schedule.walk() if isinstance(part, Plateau)}
        self._observed: set[str] = set()
        self._store = store
        self._run_id = run_id
        self._scheduler: Scheduler | None = None

    def bind(self, optimizer: Optimizer) -> Scheduler:
        """Put the schedule in charge of the optimizer's learning rate.

        The first group's rate becomes the peak, and the other groups' rates keep their ratio to it.

        Raises:
            TaskError: where the run has bound an optimizer already.
        """
        if self._scheduler is not None:
            raise TaskError("a run binds its schedule to one optimizer; run.bind was called twice")
        if self.peak is not None:
            # All are read before one is written: groups may share a tensor.
            rates = [float(group["lr"]) for group in optimizer.param_groups]
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                scaled = self.peak * (rate / rates[0] if rates[0] else 1.0)
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(scaled)
                else:
                    group["lr"] = scaled
                # The base rate that another scheduler may have left.
                group.pop("initial_lr", None)
        with warnings.catch_warnings():
            # The plan has told what the checker finds, once for all runs.
            warnings.simplefilter("ignore", ScheduleWarning)
            self._scheduler = Scheduler(optimizer, self._schedule, self._horizon)
        return self._scheduler

    def report(self, step: int, **metrics: float) -> None:
        """Record what was measured after the update ``step``, counted from 0.

        It is kept when this returns, with the rates that the update used. A Plateau in the schedule
        observes the metric it follows.

        Raises:
            TaskError: before ``bind``, for an update that has not been made, or for a metric that is not a
                number.
        """
        scheduler = self._bound()
        try:
            made = 0 <= operator.index(step) <= min(scheduler.last_epoch, self.updates - 1)
        except TypeError:
            made = False
        if not made:
            raise TaskError(
                f"run.report: step is the update just made, counted from 0; got {step!r} when the scheduler "
                f"stands at {scheduler.last_epoch:.16g} of {self.updates}"
            )
        values = {name: _number(f"run.report: {name}", value) for name, value in metrics.items()}
        self._store.append(self._run_id, [scheduler.reading(operator.index(step), values)])
        followed = {name: value for name, value in values.items() if name in self._followed}
        if followed:
            self._observed.update(followed)
            scheduler.observe(**followed)

    def ended(self, results: Mapping[str, float]) -> dict[str, float]:
        """Return the results of a training function that has returned, checked.

        Raises:
            TaskError: for results other than the two scores, a number of updates other than the budget, or
                a metric that the schedule follows and that was never reported.
        """
        if not isinstance(results, Mapping) or set(results) != set(RESULTS):
            raise TaskError(
                f"a training function returns {{'validation': score, 'test': score}}; got {results!r}"
            )
        scores = {name: _number(f"the {name} score", value) for name, value in results.items()}
        done = self._bound().last_epoch
        if done != self.updates:
            raise TaskError(
                f"the run was given {self.updates} updates and its scheduler was stepped {done:.16g} times; "
                f"call scheduler.step() once after every optimizer.step(), run.updates times in all"
            )
        unseen = self._followed - self._observed
        if unseen:
            raise TaskError(
                f"the schedule follows {', '.join(sorted(unseen))}, which the run did not report; call "
                f"run.report(step, {', '.join(f'{name}=...' for name in sorted(unseen))}) now and then"
            )
        # A run that diverged has no score: it ranks below every number.
        return {name: score if math.isfinite(score) else -math.inf for name, score in scores.items()}

    def _bound(self) -> Scheduler:
        if self._scheduler is None:
            raise TaskError("the run has no optimizer yet; call run.bind(optimizer) before training")
        return self._scheduler


def _number(what: str, value: object) -> float:
    """The number that a number, or a tensor or array of one, is."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        # Whatever has a __float__ may come; what has none is refused below.
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise TaskError(f"{what} must be a number; got {value!r}") from None
