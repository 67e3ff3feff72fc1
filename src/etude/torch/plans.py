"""What a user says is to be scheduled, checked at the door: plans by group, and targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from etude.errors import ScheduleError
from etude.schedules import Plateau, PlateauState, Rate, Schedule
from etude.schedules.algebra import to_rate
from etude.torch.groups import EVERY, Chooser, Owner, Place, is_number

__all__ = ["Coupled", "Plan", "Plans", "Target", "normal", "plateaus", "targets_of"]

Plan: TypeAlias = Rate | Mapping[str, Rate | str]
"""A schedule of the learning rate, or one for each hyperparameter by name.

The name of another hyperparameter in a schedule's place couples the two: ``{"lr": plan,
"weight_decay": "lr"}`` is a weight decay in proportion to the rate.
"""


@dataclass(frozen=True, slots=True)
class Coupled:
    """In proportion to another hyperparameter of the same group, which follows ``schedule``."""

    to: str
    schedule: Rate


Plans: TypeAlias = dict[Chooser, dict[str, "Rate | Coupled"]]


@dataclass(frozen=True, slots=True)
class Target:
    """A number outside of the optimizer: an attribute of a user's object."""

    owner: Owner
    place: Place


def normal(plans: Mapping[Any, Plan] | None) -> Plans:
    """Every plan as a dict of schedules by hyperparameter.

    Raises:
        ScheduleError: for what is no plan, saying what to write.
    """
    if not isinstance(plans, Mapping) or not plans:
        raise ScheduleError(f"groups must be a dict of schedules by group name or index; got {plans!r}")
    found: Plans = {}
    for group, plan in plans.items():
        named = {"lr": plan} if isinstance(plan, Schedule) else plan
        if not isinstance(named, Mapping) or not named:
            whose = "Scheduler(schedules=)" if group == EVERY else f"the plan of {group!r}"
            fix = f": write etude.Constant({plan!r})" if is_number(plan) else ""
            raise ScheduleError(
                f"{whose} must be a schedule, or a dict of them by hyperparameter; got {plan!r}{fix}"
            )
        found[group] = {name: _schedule(name, named) for name in named}
    return found


def _schedule(name: str, plan: Mapping[str, Rate | str]) -> Rate | Coupled:
    given = plan[name]
    if isinstance(given, Schedule):
        return to_rate(given, f"the schedule of {name!r}")
    other = plan.get(given) if isinstance(given, str) else None
    if isinstance(other, Schedule) and given != name:
        return Coupled(str(given), to_rate(other, f"the schedule of {given!r}"))
    fix = ""
    if isinstance(given, str):
        fix = (
            "; read text with etude.parse(...), or name a hyperparameter that has a schedule, such as 'lr', "
            "to keep in proportion to it"
        )
    raise ScheduleError(f"the schedule of {name!r} must be a schedule; got {given!r}{fix}")


def targets_of(targets: Mapping[str, tuple[Any, str]] | None) -> dict[str, Target]:
    """Each target by the name that its schedule has.

    Raises:
        ScheduleError: for what is no pair of an object and the name of a number in it.
    """
    found = {}
    for name, pair in (targets or {}).items():
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[1], str)):
            raise ScheduleError(
                f"the target {name!r} must be an object and the name of its attribute, such as "
                f"(clipper, 'max_norm'); got {pair!r}"
            )
        target = Target(Owner(pair[0]), (pair[1], None))
        try:
            value = target.owner[pair[1]]
        except (AttributeError, KeyError):
            raise ScheduleError(
                f"the target {name!r} is {pair[1]!r} of {type(pair[0]).__name__}, which has none; set it to "
                f"its base value first"
            ) from None
        if not is_number(value):
            raise ScheduleError(
                f"the target {name!r} must be a number, or a floating tensor of one element; "
                f"{pair[1]!r} is {value!r}"
            )
        try:
            target.owner[pair[1]] = (
                value  # as it is: what cannot be set is refused before anything is written
            )
        except (AttributeError, TypeError):
            raise ScheduleError(
                f"the target {name!r} is {pair[1]!r} of {type(pair[0]).__name__}, which cannot be set"
            ) from None
        found[name] = target
    return found


def plateaus(schedules: Iterable[Schedule]) -> dict[Plateau, PlateauState]:
    """A fresh state for each Plateau in the schedules; equal ones share theirs."""
    return {
        part: part.fresh() for schedule in schedules for part in schedule.walk() if isinstance(part, Plateau)
    }
