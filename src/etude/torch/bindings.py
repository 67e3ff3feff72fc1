"""Schedules laid over an optimizer's groups: which groups follow what, from which base, and who writes it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from etude.durations import Horizon
from etude.eases import Array
from etude.errors import EtudeError, ScheduleError
from etude.schedules import Rate
from etude.tables import Table
from etude.torch.changes import Course
from etude.torch.groups import (
    Bases,
    Group,
    Place,
    current,
    group_name,
    keep_base,
    pick,
    place_of,
    read,
    scale_of,
)
from etude.torch.plans import Coupled, Plans, Target
from etude.torch.writers import Writer, tensor_writers, writer_of_floats

__all__ = ["Binding", "Followed", "bind"]

# What a tensor of any floating type can hold.
SMALL = 240.0
# So many places of a run are looked at before it begins.
PLACES = 101

Followed: TypeAlias = tuple[str, Rate]
"""A hyperparameter, and the schedule that was planned for it: what a change is a change of."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One hyperparameter of the groups that follow the same course and keep it in the same place."""

    name: str
    place: Place
    planned: Rate
    coupled: str | None
    course: Course
    table: Table
    indices: tuple[int, ...]
    groups: tuple[Group, ...]
    bases: Array
    # What the table is asked for, and what its values are multiplied by.
    asked: Array
    scale: Array | None

    @property
    def followed(self) -> Followed:
        """What the course belongs to: where it is coupled, to the other hyperparameter."""
        return self.coupled or self.name, self.planned

    @property
    def is_target(self) -> bool:
        """Whether it is outside of the optimizer's groups."""
        return not self.indices

    def values(self, steps: Sequence[Any], factors: Mapping[Hashable, float]) -> Array:
        """The values: steps × groups."""
        values = self.table(steps, self.asked, factors=factors)
        if len(self.asked) < len(self.bases):
            values = np.broadcast_to(values, (len(steps), len(self.bases)))
        return values if self.scale is None else values * self.scale

    def explain(self, at: float, member: int, factors: Mapping[Hashable, float]) -> str:
        """Return in a sentence what makes the value of one of its numbers at a place of its clock."""
        whose = "of its target"
        if not self.is_target:
            whose = f"of group {group_name(self.groups[member], self.indices[member])!r}"
        told = self.table.explain(at, float(self.asked[member % len(self.asked)]), factors=factors)
        value, _, why = told.partition(" ")
        if self.scale is None:
            return f"{self.name} {value} {whose} {why}"
        scale = float(self.scale[member])
        source = f"{self.coupled} {value}" if self.coupled else value
        return f"{self.name} {float(value) * scale:.6g} {whose} = {scale:.6g} × {source} {why}"

    def writers(self, all_groups: list[Group]) -> Iterator[tuple[Writer, Any]]:
        """What writes its values, each with the columns of a block that are its own.

        Args:
            all_groups: the optimizer's own list, which is walked where it is all of it: whoever replaces a
                group in it has the values in the new one.
        """
        groups = all_groups if len(self.indices) == len(all_groups) else self.groups
        alike = len(self.asked) == 1 and self.scale is None
        floats: list[int] = []
        tensors: list[int] = []
        for index, group in enumerate(groups):
            (tensors if isinstance(current(group, self.place), Tensor) else floats).append(index)
        if not tensors:
            yield writer_of_floats(groups, self.place, alike=alike), slice(None)
            return
        if floats:
            yield writer_of_floats([groups[index] for index in floats], self.place, alike=alike), floats
        for writer, members in tensor_writers([groups[index] for index in tensors], self.place):
            yield writer, [tensors[member] for member in members]

    def tensors(self) -> Iterator[tuple[tuple[int, Place], Tensor]]:
        """The tensors among its numbers, after their group's index and their place."""
        for index, group in zip(self.indices, self.groups, strict=False):
            held = current(group, self.place)
            if isinstance(held, Tensor):
                yield (index, self.place), held

    def check_held(self, block: Array, steps: Sequence[Any]) -> None:
        """Refuse values, steps × groups, that a tensor among its numbers cannot hold.

        Raises:
            ScheduleError: for what would be infinite there.
        """
        if not block.size or block.max() <= SMALL:
            return
        for member, group in enumerate(self.groups):
            held, values = current(group, self.place), block[:, member]
            if not isinstance(held, Tensor) or values.max() <= (most := torch.finfo(held.dtype).max):
                continue
            row = int((values > most).argmax())
            whose = "its target"
            if not self.is_target:
                whose = f"group {group_name(group, self.indices[member])!r}"
            raise ScheduleError(
                f"{self.name} of {whose} is {values[row]:.6g} at step {steps[row]:g}, and its tensor of "
                f"{held.dtype} holds at most {most:.6g}; lower the schedule's levels, or keep it in a wider "
                f"tensor"
            )

    def check_ahead(self) -> None:
        """The same for the whole run, as far as that is known, in some places of it."""
        if next(self.tensors(), None) is None:
            return
        try:
            places = np.unique(np.linspace(0, self.table.steps - 1, PLACES).astype(int))
            block = self.values(places.tolist(), {})
        except EtudeError:  # a run without a length, or a value that cannot be had yet
            return
        self.check_held(block, places.tolist())

    def keep_bases(self) -> None:
        """Keep the bases where they are found again: in the groups, and with the target."""
        for group, base in zip(self.groups, self.bases.tolist(), strict=True):
            keep_base(group, self.name, base)

    def put_bases(self, bases: Sequence[float]) -> None:
        """Set other bases."""
        for group, base in zip(self.groups, bases, strict=True):
            group[f"initial_{self.name}"] = float(base)


def bind(
    plans: Plans,
    groups: list[Group],
    targets: Mapping[str, Target],
    joined: Mapping[int, Fraction | float],
    became: Mapping[Followed, Course],
    horizon: Horizon,
) -> list[Binding]:
    """Lay the plans over the groups that there are.

    Args:
        plans: the schedules by group and hyperparameter.
        groups: the optimizer's own list.
        targets: what is scheduled outside of the groups.
        joined: the step at which groups with a clock of their own began, by index.
        became: what is followed instead of a schedule that was planned.
        horizon: of what was planned.

    Raises:
        ScheduleError: for a group without a schedule, or two schedules for one number.
        HorizonError: where the horizon lacks what a schedule needs.
    """
    members: dict[tuple[str, Place, Rate, str | None], list[int]] = {}
    places: dict[tuple[int, Place], str] = {}
    for index, group in enumerate(groups):
        for name, plan in pick(plans, group, index).items():
            if name in targets:
                continue
            place = place_of(group, name, targets)
            other = places.setdefault((index, place), name)
            if other != name:
                raise ScheduleError(
                    f"{other!r} and {name!r} are the same number in the parameter group "
                    f"{group_name(group, index)!r}; leave out the schedule of one of them"
                )
            coupled = plan.to if isinstance(plan, Coupled) else None
            schedule = plan.schedule if isinstance(plan, Coupled) else plan
            if index in joined:
                schedule = schedule.shift(joined[index])
            members.setdefault((name, place, schedule, coupled), []).append(index)
    courses: dict[Followed, Course] = {}
    for name, _, schedule, coupled in members:
        followed = coupled or name, schedule
        courses[followed] = became.get(followed, Course(schedule, horizon))
    of_targets = dict(_of_targets(plans, targets))
    for name, (schedule, _) in of_targets.items():
        courses[name, schedule] = became.get((name, schedule), Course(schedule, horizon))
    tables = {course: course.table for course in courses.values()}
    base = Bases(groups)
    bindings = []
    for (name, place, schedule, coupled), indices in members.items():
        course = courses[coupled or name, schedule]
        own = [groups[index] for index in indices]
        bases = np.array([base(index, name) for index in indices])
        asked, scale = _asked(
            name, coupled, own, bases, np.array([base(index, coupled or name) for index in indices])
        )
        bindings.append(
            Binding(
                name, place, schedule, coupled, course, tables[course], tuple(indices), tuple(own), bases,
                asked, scale,
            )
        )  # fmt: skip
    for name, (schedule, target) in of_targets.items():
        course = courses[name, schedule]
        initial = target.owner.get(f"initial_{name}")
        bases = np.array([read(target.owner, target.place) if initial is None else initial])
        bindings.append(
            Binding(
                name, target.place, schedule, None, course, tables[course], (), (target.owner,), bases, bases,
                None,
            )
        )  # fmt: skip
    return bindings


def _of_targets(plans: Plans, targets: Mapping[str, Target]) -> Iterator[tuple[str, tuple[Rate, Target]]]:
    """The schedule of each target."""
    for name, target in targets.items():
        found = {key: plan[name] for key, plan in plans.items() if name in plan}
        if list(found) != ["*"]:
            keys = ", ".join(map(repr, found)) or "none"
            raise ScheduleError(
                f"the target {name!r} needs one schedule, in the dict of schedules or under '*' of groups=; "
                f"it has {keys}"
            )
        plan = found["*"]
        if isinstance(plan, Coupled):
            raise ScheduleError(
                f"the target {name!r} has no group, so it cannot be in proportion to {plan.to!r}; give it a "
                f"schedule"
            )
        yield name, (plan, target)


def _asked(
    name: str, coupled: str | None, groups: list[Group], bases: Array, asked: Array
) -> tuple[Array, Array | None]:
    """The bases that the table is asked for, one where all are alike, and the scale of its values."""
    scales = np.array([scale_of(group, name) for group in groups])
    if coupled is not None:
        if not (asked > 0).all():
            raise ScheduleError(
                f"{name} cannot be in proportion to {coupled}, whose base is 0 in one of the groups; give it "
                f"a schedule"
            )
        scales = scales * bases / asked
    if (asked == asked[0]).all():
        asked = asked[:1]
    return asked, None if (scales == 1).all() else scales
