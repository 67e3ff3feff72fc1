"""A hyperparameter of now beside what a checkpoint holds of it: the same, or what differs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from etude.durations import Horizon, read_fraction, to_fraction
from etude.errors import EtudeError, ResumeError, ScheduleError
from etude.schedules import Custom, Plateau, Rate
from etude.timeline import ceil_float
from etude.torch.bindings import Binding
from etude.torch.changes import Course, Policy, Redecay, continued, differences_in_words, told_apart
from etude.torch.groups import scale_of
from etude.torch.state import SavedCourse, Snapshot, damaged

__all__ = ["Checkpoint", "Index", "Match", "same_base"]

# A base rate that was a float32 tensor's and one that was a float's are the same to within a rounding.
BASE_TOLERANCE = 1e-6

Index = int | None
"""A group; None is a target."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint, and what it is read with.

    Args:
        loaded: what it holds.
        then: its horizon.
        now: the present one.
        known: the user's functions that the present schedules name, the only ones that may be imported.
        names: of the groups.
    """

    loaded: Snapshot
    then: Horizon
    now: Horizon
    known: frozenset[Custom]
    names: list[str]
    # What was read: each course once, for its text may be long.
    read: dict[int, Course] = field(default_factory=dict)

    @classmethod
    def beside(cls, loaded: Snapshot, planned: Sequence[Rate], now: Horizon, names: list[str]) -> Checkpoint:
        """Read a checkpoint beside the present plans, those of groups that are still to come among them."""
        parts = (part for schedule in planned for part in schedule.walk())
        known = frozenset(part for part in parts if isinstance(part, Custom))
        return cls(loaded, Horizon.from_dict(loaded.horizon), now, known, names)

    def matches(self, bindings: Sequence[Binding]) -> list[Match]:
        """The present bindings that the checkpoint knows, each with what it holds of them."""
        found = []
        for binding in bindings:
            past = {}
            for index, _ in by_index(binding):
                saved = self.loaded.of(binding.name, index)
                if saved is not None and (index is None or index < self.loaded.groups):
                    past[index] = saved
            if past:
                found.append(Match(self, binding, past))
        return found

    def one_sided(self, bindings: Sequence[Binding]) -> Iterator[str]:
        """What is scheduled on one side only, of the groups that both have."""
        now = {(binding.name, index): binding for binding in bindings for index, _ in by_index(binding)}
        for (name, index), binding in now.items():
            known = index is None or index < self.loaded.groups
            if known and self.loaded.of(name, index) is None:
                yield f"{name} of {self.called(index)}: none in the checkpoint, {binding.planned!r} now"
        for saved in self.loaded.courses:
            # Of the groups that there are: how many the checkpoint says that it had is a mere number.
            everywhere = range(min(self.loaded.groups, len(self.names)))
            indices = everywhere if saved.groups is None else saved.groups or (None,)
            for index in indices:
                if (saved.of, index) not in now and (index is None or index < len(self.names)):
                    yield f"{saved.of} of {self.called(index)}: {saved.schedule} in the checkpoint, none now"

    def called(self, index: Index) -> str:
        """A group in words."""
        return "its target" if index is None else f"group {self.names[index]!r}"

    def course(self, saved: SavedCourse) -> Course:
        """What was followed."""
        if id(saved) not in self.read:
            self.read[id(saved)] = saved.course(self.then, set(self.known))
        return self.read[id(saved)]

    def check(self) -> None:
        """Refuse bases that are not one for all groups, or one for each."""
        for saved in self.loaded.courses:
            groups = self.loaded.groups if saved.groups is None else max(len(saved.groups), 1)
            for bases in (saved.bases, saved.built or saved.bases):
                if len(bases) not in (1, groups):
                    raise damaged(f"it holds {len(bases)} bases of {saved.of} for {groups} groups")


class Match:
    """One binding of now, and what the checkpoint holds of its groups.

    Args:
        checkpoint: the checkpoint.
        binding: what is planned now.
        past: what its groups followed, by group; groups that were added later are missing.
    """

    def __init__(self, checkpoint: Checkpoint, binding: Binding, past: Mapping[Index, SavedCourse]) -> None:
        self.checkpoint = checkpoint
        self.binding = binding
        self.past = past
        self.first = next(iter(past.values()))
        position = self.first.position
        # What has just joined a run that counts samples or tokens has no clock yet, and stands where that is.
        place = checkpoint.loaded.axis if position is None else read_fraction(position, "position")
        self.at = to_fraction(place)
        # A base that is the one the checkpoint's run was built with is no other base, whatever it came to.
        self.bases = {
            index: past[index].base(index)
            if same_base(past[index].base(index), base) or same_base(past[index].built_base(index), base)
            else base
            for index, base in by_index(binding)
            if index in past
        }

    @property
    def is_same(self) -> bool:
        """Whether the plan is that of the checkpoint."""
        alike = all(
            saved.fingerprint == self.binding.planned.fingerprint and saved.coupled == self.binding.coupled
            for saved in self.past.values()
        )
        return alike and self.checkpoint.then == self.checkpoint.now and not self._moved()

    def _moved(self) -> list[tuple[Index, float, float]]:
        """The groups with other bases than they had, with both."""
        pairs = ((index, self.past[index].base(index), base) for index, base in self.bases.items())
        return [(index, old, now) for index, old, now in pairs if not same_base(old, now)]

    def check_texts(self) -> None:
        """Refuse schedules whose text was edited."""
        for saved in self.past.values():
            planned = self.binding.planned
            if (saved.schedule, saved.fingerprint) != (repr(planned), planned.fingerprint):
                saved.check_text()

    def goes_on(self) -> Course:
        """What is followed where the plan is the same: it, or what it had been changed to."""
        changed = self.first.now is not None or self.first.horizon is not None
        course = self.checkpoint.course(self.first) if changed else self.binding.course
        plateaus = {repr(part) for part in course.schedule.walk() if isinstance(part, Plateau)}
        if missing := sorted(plateaus - set(self.checkpoint.loaded.plateaus)):
            raise damaged(f"it does not hold what {', '.join(missing)} has seen")
        return course

    def follows(self, policy: Policy) -> Course:
        """What is followed under a policy, where the plan is another.

        Raises:
            ResumeError: where the policy cannot be followed.
        """
        if policy == "stretch":
            return self.binding.course
        coupled = {saved.coupled for saved in self.past.values()} - {self.binding.coupled}
        if coupled:
            raise ResumeError(
                f"{self._whose(self.past)}: {_kept(coupled.pop())} in the checkpoint, "
                f"{_kept(self.binding.coupled)} now, so that on_change={str(policy)!r} cannot go on with it; "
                f"plan it as it was, or write on_change='stretch'"
            )
        courses = {self.checkpoint.course(saved) for saved in self.past.values()}
        if len(courses) > 1:
            raise ResumeError(
                f"{self._whose(self.past)} followed {len(courses)} different schedules in the checkpoint and "
                f"one now, so that on_change={str(policy)!r} cannot go on with them; give the groups their "
                f"own schedules with groups={{...}}, or write on_change='stretch'"
            )
        if isinstance(policy, Redecay) and self.binding.name != "lr":
            policy = "keep"  # momentum or weight decay would be no rate that decays
        try:
            return continued(policy, courses.pop(), self.binding.course, self.at)
        except ScheduleError as error:
            raise ResumeError(str(error)) from None

    def differences(self) -> Iterator[str]:
        """What differs from the checkpoint, in words."""
        for past in self._by_course():
            whose, saved = self._whose(past), next(iter(past.values()))
            if saved.coupled != self.binding.coupled:
                yield f"{whose}: {_kept(saved.coupled)} in the checkpoint, {_kept(self.binding.coupled)} now"
            elif saved.coupled is None:  # else the lines of the other hyperparameter say it
                yield from (f"{whose}: {line}" for line in self._words(saved))
        for index, old, now in self._moved():
            whose = f"base {self.binding.name} of {self.checkpoint.called(index)}"
            before, after = told_apart(old, now)
            yield f"{whose}: {before} in the checkpoint, {after} now"

    def _words(self, saved: SavedCourse) -> Iterator[str]:
        present = self.binding.course
        try:
            yield from differences_in_words(self.checkpoint.course(saved), present, self.at)
        except EtudeError:  # a function that may not be called here
            yield f"the schedule: {saved.now or saved.schedule} in the checkpoint, {present.schedule!r} now"

    def _by_course(self) -> list[dict[Index, SavedCourse]]:
        """The groups, those together that followed the same in the checkpoint."""
        found: dict[int, dict[Index, SavedCourse]] = {}
        for index, saved in self.past.items():
            found.setdefault(id(saved), {})[index] = saved
        return list(found.values())

    def _whose(self, past: Mapping[Index, SavedCourse]) -> str:
        groups = [self.checkpoint.called(index) for index in past]
        shown = groups[0] if len(groups) == 1 else f"{groups[0]} and {len(groups) - 1} more"
        if len(self.checkpoint.names) == len(groups) > 1:
            shown = "all groups"
        return f"{self.binding.name} of {shown}"

    def seam(
        self, course: Course, bases: Mapping[tuple[str, Index], float]
    ) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
        """The value of every group by the checkpoint's plan, and its value now.

        Args:
            course: what is followed now.
            bases: of all hyperparameters, as they are now.
        """
        name, coupled = self.binding.name, self.binding.coupled or self.binding.name
        for (index, _), group in zip(by_index(self.binding), self.binding.groups, strict=True):
            if index not in self.past:
                continue
            saved = self.past[index]
            scale = scale_of(group, name)
            other = saved if saved.coupled is None else self.checkpoint.loaded.of(saved.coupled, index)
            if other is None:
                raise damaged(f"it does not hold the {saved.coupled} of a group")
            try:
                old = self._value(self.checkpoint.course(saved), saved.base(index), other.base(index))
            except EtudeError:  # a function that may not be called here
                old = math.nan
            now = self._value(course, bases[name, index], bases[coupled, index])
            called = name if index is None else self.checkpoint.names[index]
            yield (name, called), (scale * old, scale * now)

    def _value(self, course: Course, base: float, asked: float) -> float:
        """The value of a base, in proportion to that of the one that the course is asked for."""
        remembered = self.checkpoint.loaded.plateaus
        factors: dict[Hashable, float] = {
            part: remembered[repr(part)].factor
            for part in course.schedule.walk()
            if isinstance(part, Plateau) and repr(part) in remembered
        }
        value = course.table(ceil_float(self.at), asked, factors=factors)
        return value if base == asked else value * base / asked


def by_index(binding: Binding) -> Iterator[tuple[Index, float]]:
    """The bases of a binding after their groups."""
    yield from zip(binding.indices or (None,), binding.bases.tolist(), strict=True)


def same_base(saved: float, present: float) -> bool:
    """Whether two base rates are the same, to within the rounding of a tensor."""
    return math.isclose(saved, present, rel_tol=BASE_TOLERANCE)


def _kept(coupled: str | None) -> str:
    return "a schedule of its own" if coupled is None else f"in proportion to {coupled}"
