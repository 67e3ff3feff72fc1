"""The one object that writes hyperparameters into an optimizer's groups."""

from __future__ import annotations

import math
import operator
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from etude.durations import LARGEST_STEP, Horizon
from etude.eases import Array
from etude.errors import ScheduleError
from etude.readings import Reading
from etude.schedules import Plateau, PlateauState, Schedule
from etude.tables import Table
from etude.torch import state
from etude.torch.groups import (
    Group,
    Place,
    base_of,
    check_names,
    group_name,
    group_names,
    keep_base,
    own_tensors,
    pick,
    place_of,
    read,
    write_all,
)
from etude.torch.watch import Watch

__all__ = ["Plan", "Scheduler"]

Plan: TypeAlias = Schedule | Mapping[str, Schedule]
"""A schedule of the learning rate, or one for each hyperparameter by name."""

# Rates are worked out this many steps ahead, in one vectorised evaluation.
AHEAD = 256


@dataclass(frozen=True, slots=True)
class Binding:
    """One hyperparameter of the groups that share a table and keep it in the same place."""

    name: str
    place: Place
    table: Table
    indices: tuple[int, ...]
    groups: tuple[Group, ...]
    bases: Array


class Scheduler(LRScheduler):
    """Writes the values of schedules into an optimizer's parameter groups, step by step.

    A step is one optimizer update. Building it writes the values of step 0; ``step()`` after each
    ``optimizer.step()`` writes those of the next. The values are a function of the step, of what was
    observed and of each group's own base rate alone (the rate that the optimizer was built with, kept in
    the group as ``initial_lr``): nothing is multiplied into what is there, ``optimizer.step`` is not
    wrapped, and tensor rates are filled in place.

    Args:
        optimizer: any torch optimizer.
        schedules: the schedule of the learning rate, or a dict of schedules by hyperparameter: any number
            in the groups, such as ``"lr"``, ``"weight_decay"``, ``"betas[1]"``; ``"momentum"`` is
            ``betas[0]`` in the optimizers of Adam's kind.
        horizon: what turns durations into steps; not needed for a schedule written in steps.
        groups: instead of ``schedules``: a schedule, or a dict of them, for each parameter group, by the
            group's ``name`` or index; ``"*"`` is for all others, also for those added later. A group that
            joins later follows the common clock, from its own base rate, from the next ``step()`` on (or
            ``seek(last_epoch)`` at once).

    Raises:
        ScheduleError: for a group without a schedule, a name without a group, or a hyperparameter that
            the optimizer does not have.
        HorizonError: where the horizon lacks what a schedule needs.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> scheduler = Scheduler(optimizer, Cosine(over="100%"), Horizon(total=4))
    >>> for _ in range(4):
    ...     print(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     scheduler.step()
    0.1
    0.0854
    0.05
    0.0146
    """

    # torch's base class promises tensors for tensor rates; a rate is always a float here.
    base_lrs: list[float]  # type: ignore[assignment]
    _last_lr: list[float]  # type: ignore[assignment]

    def __init__(
        self,
        optimizer: Optimizer,
        schedules: Plan | None = None,
        horizon: Horizon | None = None,
        *,
        groups: Mapping[str | int, Plan] | None = None,
    ) -> None:
        # Not super().__init__(): it wraps optimizer.step, which breaks compiled graphs.
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Scheduler takes a torch optimizer; got {type(optimizer).__name__}")
        if (schedules is None) == (groups is None):
            raise ScheduleError(
                "Scheduler takes either a schedule for all groups or groups={...}; got "
                f"{'neither' if schedules is None else 'both'}"
            )
        if horizon is not None and not isinstance(horizon, Horizon):
            raise ScheduleError(
                f"Scheduler's horizon must be a Horizon, such as Horizon(total=1000); got {horizon!r}"
            )
        self.optimizer = optimizer
        self.horizon = Horizon() if horizon is None else horizon
        self.plans = _normal(groups if schedules is None else {"*": schedules})
        self.last_epoch = 0
        self._step_count = 1
        self._feedback = _plateaus(self.plans)
        self._ahead: dict[float, list[list[float]]] = {}
        self._watch = Watch()
        check_names(self.plans, optimizer.param_groups)
        self._bind()
        self._write()
        self._watch.begin(
            self, [(binding.name, binding.table, float(binding.bases[0])) for binding in self._bindings]
        )

    # The clock.

    def step(self, epoch: int | None = None) -> None:
        """Move on by one step, or to the given one, and write its values.

        Args:
            epoch: the step to go to, as ``seek``; torch's name for it.
        """
        watch = self._watch
        if watch.group[watch.key] is not watch.last:
            watch.look(self)
        if epoch is None:
            self._go(self.last_epoch + 1, self._feedback)
        else:
            self.seek(epoch)
        self._step_count += 1
        if watch.renewed:
            watch.renew(self)

    def seek(self, step: float) -> None:
        """Go to a step, counted from 0, and write its values.

        Raises:
            ScheduleError: for a step that is negative or not a number; the optimizer is left as it was.
        """
        if isinstance(step, bool | str) or not hasattr(step, "__float__") or not 0 <= step <= LARGEST_STEP:
            raise ScheduleError(f"a step must be a number ≥ 0, at most 2**53; got {step!r}")
        # A plain number, whatever it was: the clock goes into a checkpoint.
        plain = float(step)
        self._go(int(plain) if plain.is_integer() else plain, self._feedback)

    def _go(self, step: float, feedback: dict[Plateau, PlateauState]) -> None:
        """Take up a step and what was observed, and write the values; on an error, nothing has changed."""
        before = self.last_epoch, self._feedback
        # torch declares whole epochs; fractions of a step are allowed here.
        self.last_epoch = step  # type: ignore[assignment]
        if feedback is not self._feedback:
            self._feedback = feedback
            self._ahead = {}
        try:
            self._write()
        except BaseException:
            self.last_epoch, self._feedback = before
            self._ahead = {}
            raise

    def observe(self, **metrics: float) -> None:
        """Tell the Plateaus among the schedules what was measured; a lower factor holds from now on.

        Raises:
            ScheduleError: for a metric that no Plateau follows, or that is not a number.
        """
        known = {plateau.metric for plateau in self._feedback}
        values: dict[str, float] = {}
        for name, metric in metrics.items():
            if name not in known:
                followed = (
                    f"they follow {', '.join(sorted(known))}" if known else "none of them has a Plateau"
                )
                raise ScheduleError(f"no schedule follows the metric {name!r}; {followed}")
            if isinstance(metric, bool | str) or not hasattr(metric, "__float__"):
                raise ScheduleError(f"the metric {name!r} must be a number; got {metric!r}")
            values[name] = float(metric)
        feedback = {
            plateau: plateau.observe(past, values[plateau.metric]) if plateau.metric in values else past
            for plateau, past in self._feedback.items()
        }
        self._go(self.last_epoch, feedback)

    # What it reads.

    # Floats, where torch's base class promises tensors for tensor rates.
    def get_lr(self) -> list[float]:  # type: ignore[override]
        """Return the learning rate of each group at the step ``last_epoch``; nothing else matters."""
        return self._rates(self._values())

    def _rates(self, values: list[list[float]]) -> list[float]:
        """The rates of all groups: the scheduled ones, and the others as they are."""
        groups = self.optimizer.param_groups
        scheduled: dict[int, float] = {}
        for number, binding in enumerate(self._bindings):
            if binding.name == "lr":
                if len(binding.indices) == len(groups):
                    return values[number].copy()
                scheduled.update(zip(binding.indices, values[number], strict=True))
        return [
            scheduled[index] if index in scheduled else read(group, ("lr", None))
            for index, group in enumerate(groups)
        ]

    def reading(self, step: int, metrics: Mapping[str, float] | None = None) -> Reading:
        """Return what the update ``step`` used: the rate of each group, by name, and the phase.

        Feedback counts as it is now: read before ``observe``.
        """
        self._follow_groups()
        rates = self._rates([rows[0] for rows in self._evaluate([step])])
        names = group_names(self.optimizer.param_groups)
        phases = [binding.table.phase(step).name for binding in self._bindings if binding.name == "lr"]
        return Reading(
            step, dict(zip(names, rates, strict=True)), " | ".join(dict.fromkeys(phases)), metrics or {}
        )

    def explain(self, group: str | int = 0, name: str = "lr") -> str:
        """Return in a sentence what makes a group's present value: its base, the phase and the feedback.

        Args:
            group: the parameter group, by name or index.
            name: the hyperparameter.

        Raises:
            ScheduleError: for a group that there is not, or a hyperparameter that is not scheduled there.
        """
        names = group_names(self.optimizer.param_groups)
        index = group if isinstance(group, int) else names.index(group) if group in names else -1
        if not 0 <= index < len(names):
            raise ScheduleError(f"no parameter group is called {group!r}; there are {', '.join(names)}")
        self._follow_groups()
        for binding in self._bindings:
            if binding.name == name and index in binding.indices:
                base = float(binding.bases[binding.indices.index(index)])
                told = binding.table.explain(self.last_epoch, base, factors=self._factors())
                value, _, why = told.partition(" ")
                return f"{name} {value} of group {names[index]!r} {why}"
        raise ScheduleError(f"{name!r} of the parameter group {names[index]!r} is not scheduled")

    def written(self) -> Iterator[tuple[str, int, Place, float]]:
        """Every value of the present step, after its hyperparameter, group index and place in the group.

        Nothing where the groups are others than those that were written into.
        """
        if self._groups_are_others():
            return
        for binding, row in zip(self._bindings, self._values(), strict=True):
            for index, value in zip(binding.indices, row, strict=True):
                yield binding.name, index, binding.place, value

    def _factors(self) -> dict[Hashable, float]:
        return {plateau: past.factor for plateau, past in self._feedback.items()}

    def _values(self) -> list[list[float]]:
        """The values at the present step: for each binding, one for each of its groups."""
        self._follow_groups()
        values = self._ahead.get(self.last_epoch)
        if values is None:
            self._ahead = self._look_ahead()
            self._watch.renewed = True
            values = self._ahead[self.last_epoch]
        return values

    def _look_ahead(self) -> dict[float, list[list[float]]]:
        """The values of the present step and the next ones."""
        steps = [self.last_epoch]
        if float(self.last_epoch).is_integer():
            first = int(self.last_epoch)
            total = self.horizon.total_steps
            # Not past the run's end, so that whoever goes on there works out values anew, and is told.
            end = first + AHEAD if total is None or first > total else math.ceil(total) + 1
            steps = list(range(first, min(first + AHEAD, end)))
        try:
            columns = self._evaluate(steps)
        except ScheduleError:
            # Only what is asked for may fail: the end of a schedule, or of what a user's function knows, may
            # lie within the next steps.
            steps = steps[:1]
            columns = self._evaluate(steps)
        return {step: [rows[i] for rows in columns] for i, step in enumerate(steps)}

    def _evaluate(self, steps: list[Any]) -> list[list[list[float]]]:
        """The values: for each binding, steps × groups."""
        factors = self._factors()
        return [binding.table(steps, binding.bases, factors=factors).tolist() for binding in self._bindings]

    def _write(self) -> None:
        """Write the present step's values into the groups."""
        values = self._values()
        for number, binding in enumerate(self._bindings):
            write_all(binding.groups, binding.place, values[number])
        self._last_lr = self._rates(values)
        watch = self._watch
        watch.last = watch.group[watch.key]

    # Which schedule is whose.

    def _follow_groups(self) -> None:
        """Lay the schedules anew where the groups are others: after one was added, or a state was loaded."""
        if self._groups_are_others():
            self._bind()

    def _groups_are_others(self) -> bool:
        groups = self.optimizer.param_groups
        return len(groups) != len(self._bound) or not all(map(operator.is_, groups, self._bound))

    def _bind(self) -> None:
        """Lay the schedules over the groups that there are."""
        param_groups = self.optimizer.param_groups
        members: dict[tuple[str, Place, Schedule], list[int]] = {}
        places: dict[tuple[int, Place], str] = {}
        for index, group in enumerate(param_groups):
            for name, schedule in pick(self.plans, group, index).items():
                place = place_of(group, name)
                other = places.setdefault((index, place), name)
                if other != name:
                    raise ScheduleError(
                        f"{other!r} and {name!r} are the same number in the parameter group "
                        f"{group_name(group, index)!r}; leave out the schedule of one of them"
                    )
                members.setdefault((name, place, schedule), []).append(index)
        tables = {schedule: schedule.on(self.horizon) for _, _, schedule in members}
        for name in {name for name, _, _ in members}:
            own_tensors(param_groups, name)
        self._bindings = [
            Binding(
                name,
                place,
                tables[schedule],
                tuple(indices),
                tuple(param_groups[index] for index in indices),
                np.array([base_of(param_groups[index], name) for index in indices]),
            )
            for (name, place, schedule), indices in members.items()
        ]
        # The bases are kept in the groups once nothing can be refused any more.
        self._ahead = self._look_ahead()
        self.base_lrs = [base_of(group, "lr") for group in param_groups]
        for binding in self._bindings:
            for index, base in zip(binding.indices, binding.bases.tolist(), strict=True):
                keep_base(param_groups[index], binding.name, base)
        self._bound = list(param_groups)
        first = self._bindings[0]
        self._watch.group, self._watch.key = first.groups[0], first.place[0]

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Return the state: one JSON string, versioned, that later versions can add to.

        It holds the clock, what the Plateaus remember, and the schedules, horizon and base rates that it
        belongs to.
        """
        return {state.KEY: state.dump(self._snapshot())}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up a saved state, in any order with building the scheduler and loading the optimizer.

        Raises:
            ResumeError: for the state of something else, or of other schedules, horizon or base rates,
                saying what differs; nothing is changed then.
        """
        loaded = state.load(state_dict)
        self._follow_groups()
        loaded.check_belongs_to(self._snapshot())
        self._go(loaded.step, {plateau: loaded.plateaus[repr(plateau)] for plateau in self._feedback})
        self._step_count = loaded.count
        self._watch.resumed(self)

    def _snapshot(self) -> state.Snapshot:
        return state.Snapshot(
            step=self.last_epoch,
            count=self._step_count,
            plateaus={repr(plateau): past for plateau, past in self._feedback.items()},
            schedules={
                f"{name} of {group!r}": repr(schedule)
                for group, plan in self.plans.items()
                for name, schedule in plan.items()
            },
            horizon=repr(self.horizon),
            bases={
                f"{binding.name} of group {index}": base
                for binding in self._bindings
                for index, base in zip(binding.indices, binding.bases.tolist(), strict=True)
            },
        )

    def __repr__(self) -> str:
        return f"<Scheduler at step {self.last_epoch} of {self._snapshot().schedules}>"


def _normal(plans: Mapping[str | int, Plan] | None) -> dict[str | int, dict[str, Schedule]]:
    """Every plan as a dict of schedules by hyperparameter."""
    normal: dict[str | int, dict[str, Schedule]] = {}
    if not isinstance(plans, Mapping) or not plans:
        raise ScheduleError(f"groups must be a dict of schedules by group name or index; got {plans!r}")
    for group, plan in plans.items():
        named = {"lr": plan} if isinstance(plan, Schedule) else plan
        if not isinstance(named, Mapping) or not named:
            raise ScheduleError(
                f"the plan of {group!r} must be a schedule, or a dict of them by hyperparameter; got {plan!r}"
            )
        for name, schedule in named.items():
            if not isinstance(schedule, Schedule):
                raise ScheduleError(
                    f"the schedule of {name!r} must be a schedule; got {schedule!r}"
                    + ("; read text with etude.parse(...)" if isinstance(schedule, str) else "")
                )
        normal[group] = dict(named)
    return normal


def _plateaus(plans: Mapping[str | int, Mapping[str, Schedule]]) -> dict[Plateau, PlateauState]:
    """A fresh state for each Plateau in the schedules; equal ones share theirs."""
    return {
        part: part.fresh()
        for plan in plans.values()
        for schedule in plan.values()
        for part in schedule.walk()
        if isinstance(part, Plateau)
    }
