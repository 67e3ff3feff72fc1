"""Plans as they lie over an optimizer's groups: what each number follows there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from torch import Tensor

from etude.durations import Horizon
from etude.errors import ScheduleError
from etude.names import nearest
from etude.planned import Planned
from etude.schedules import Rate
from etude.torch.bindings import Binding, Followed, bind
from etude.torch.changes import Course
from etude.torch.groups import Bases, Group, Place, group_names, read
from etude.torch.plans import Coupled, Plans, Target

__all__ = ["Laid"]

LR = ("lr", None)


@dataclass(frozen=True)
class Laid:
    """The plans, the groups that they lie over, and what has come in between since.

    Args:
        plans: the schedules by group and hyperparameter.
        targets: what is scheduled outside of the groups.
        horizon: of what was planned.
        groups: the optimizer's, as they were then.
        joined: the step at which groups with a clock of their own began, by index.
        became: what is followed instead of a schedule that was planned.
        built: the bases that the optimizer was built with where others are followed, by hyperparameter and
            group.

    Raises:
        ScheduleError: for a group without a schedule, or two schedules for one number.
        HorizonError: where the horizon lacks what a schedule needs.
    """

    plans: Plans
    targets: Mapping[str, Target]
    horizon: Horizon
    groups: Sequence[Group]
    joined: Mapping[int, Fraction | float]
    became: Mapping[Followed, Course] = field(default_factory=dict)
    built: Mapping[tuple[str, int | None], float] = field(default_factory=dict)
    bindings: Sequence[Binding] = field(init=False)
    base_lrs: list[float] = field(init=False)

    def __post_init__(self) -> None:
        groups = list(self.groups)
        object.__setattr__(self, "groups", groups)
        bindings = bind(self.plans, groups, self.targets, self.joined, self.became, self.horizon)
        object.__setattr__(self, "bindings", bindings)
        owned = Bases(groups)
        object.__setattr__(self, "base_lrs", [owned(index, "lr") for index in range(len(groups))])

    @cached_property
    def names(self) -> list[str]:
        """The groups' names."""
        return group_names(list(self.groups))

    @cached_property
    def courses(self) -> Sequence[Course]:
        """What is followed, each once."""
        return list(dict.fromkeys(binding.course for binding in self.bindings))

    def unfollowed(self, name: str) -> list[Followed]:
        """What was planned of a hyperparameter, and is followed by no group that is there yet."""
        planned = [by_name[name] for by_name in self.plans.values() if name in by_name]
        known = {binding.followed for binding in self.bindings}
        found = dict.fromkeys((name, plan) for plan in planned if not isinstance(plan, Coupled))
        return [followed for followed in found if followed not in known]

    @cached_property
    def planned_schedules(self) -> Sequence[Rate]:
        """What was planned, for groups that are still to come, too."""
        plans = (plan for by_name in self.plans.values() for plan in by_name.values())
        return [plan.schedule if isinstance(plan, Coupled) else plan for plan in plans]

    @cached_property
    def width(self) -> int:
        """How many numbers are written at a step."""
        return sum(len(binding.bases) for binding in self.bindings)

    @cached_property
    def unscheduled(self) -> tuple[int, ...]:
        """The groups whose rate has no schedule."""
        scheduled = {index for binding in self.of("lr") for index in binding.indices}
        return tuple(index for index in range(len(self.groups)) if index not in scheduled)

    def unscheduled_rates(self) -> tuple[float, ...]:
        """What the rates without a schedule are now."""
        return tuple(read(self.groups[index], LR) for index in self.unscheduled)

    def of(self, name: str) -> list[Binding]:
        """The bindings of a hyperparameter."""
        return [binding for binding in self.bindings if binding.name == name]

    def tensors(self) -> dict[tuple[int, Place], Tensor]:
        """The tensors among the scheduled numbers, by group index and place."""
        return {at: held for binding in self.bindings for at, held in binding.tensors()}

    def found(self, group: str | int, name: str) -> tuple[Binding, int]:
        """Return what a hyperparameter of a group follows, and which of the binding's numbers it is.

        Raises:
            ScheduleError: for a group that there is not, or a hyperparameter that is not scheduled there.
        """
        names = self.names
        index = group if isinstance(group, int) else names.index(group) if group in names else -1
        if not 0 <= index < len(names):
            raise ScheduleError(
                f"no parameter group is called {group!r}; there are {', '.join(names)}{nearest(group, names)}"
            )
        for binding in self.of(name):
            if binding.is_target:
                return binding, 0
            if index in binding.indices:
                return binding, binding.indices.index(index)
        raise ScheduleError(f"{name!r} of the parameter group {names[index]!r} is not scheduled")

    def planned(self) -> Iterator[Planned]:
        """What was planned, whatever is followed instead."""
        for binding in self.bindings:
            names = [self.names[index] for index in binding.indices] or [binding.name]
            asked, scale = binding.asked.tolist(), binding.scale
            bases = dict(zip(names, asked if len(asked) > 1 else asked * len(names), strict=True))
            scales = {} if scale is None else dict(zip(names, scale.tolist(), strict=True))
            text, fingerprint = repr(binding.planned), binding.planned.fingerprint
            yield Planned(binding.name, text, fingerprint, bases, scales, binding.coupled)

    @cached_property
    def override(self) -> str:
        """What is followed instead of the plan, in words."""
        return " | ".join(dict.fromkeys(self._overrides()))

    def _overrides(self) -> Iterator[str]:
        for binding in self.bindings:
            course = binding.course
            if course != Course(binding.planned, self.horizon):
                elsewhere = "" if course.horizon == self.horizon else f" on {course.horizon!r}"
                yield f"{binding.name}: {course.schedule!r}{elsewhere}"
