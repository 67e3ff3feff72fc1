"""Taking up a checkpoint: whether it belongs to the present set-up, and what is followed if not."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from etude.durations import Horizon, read_fraction
from etude.errors import EtudeError, ResumeError, ScheduleError
from etude.schedules import Custom, Plateau
from etude.timeline import ceil_float
from etude.torch.bindings import Binding, Followed
from etude.torch.changes import Course, Policy, Redecay, Seam, continued, differences_in_words
from etude.torch.clock import Meter
from etude.torch.groups import scale_of
from etude.torch.state import SavedCourse, Snapshot

__all__ = ["Resumed", "resume", "same_base", "saved"]

# A base rate that was a float32 tensor's and one that was a float's are the same to within a rounding.
BASE_TOLERANCE = 1e-6

POLICIES = (
    "Build the scheduler as it was, or say what a run under another plan follows: on_change='stretch' (the "
    "present plan, at the same step), 'keep' (the checkpoint's plan), 'hold' (the rate that was reached), or "
    "redecay(over='10%') (down from there)"
)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What is followed from a checkpoint on.

    Args:
        became: the courses that are not those of the present plans.
        bases: the base of each group of a binding.
        built: the bases that the optimizer was built with where others are followed, by hyperparameter and
            group: with these, too, the next checkpoint will fit.
        positions: where clocks stand that samples or tokens have moved.
        seam: what was changed, where a policy was needed.
    """

    became: dict[Followed, Course]
    bases: list[tuple[Binding, list[float]]]
    built: dict[tuple[str, int | None], float]
    positions: dict[Course, Fraction]
    seam: Seam | None

    def put_bases(self) -> None:
        """Set the bases that are followed."""
        for binding, bases in self.bases:
            binding.put_bases(bases)


def saved(
    binding: Binding,
    horizon: Horizon,
    groups: int,
    meter: Meter | None,
    built: Mapping[tuple[str, int | None], float],
) -> SavedCourse:
    """What the checkpoint holds of a binding."""
    course = binding.course
    bases = binding.bases.tolist()
    origin = [built.get((binding.name, index), base) for index, base in _by_index(binding)]
    everywhere = len(binding.indices) == groups
    return SavedCourse(
        of=binding.name,
        groups=None if everywhere else list(binding.indices),
        schedule=repr(binding.planned),
        fingerprint=binding.planned.fingerprint,
        bases=_short(bases),
        built=None if origin == bases else _short(origin),
        coupled=binding.coupled,
        now=None if course.schedule == binding.planned else repr(course.schedule),
        horizon=None if course.horizon == horizon else course.horizon.to_dict(),
        position=None if meter is None else meter.text,
    )


def _short(bases: list[float]) -> list[float]:
    return bases[:1] if len(set(bases)) == 1 else bases


def resume(
    loaded: Snapshot, bindings: Sequence[Binding], horizon: Horizon, names: list[str], policy: Policy | None
) -> Resumed:
    """Work out what is followed from a checkpoint on.

    Args:
        loaded: the checkpoint.
        bindings: the present plans, as they are without it.
        horizon: the present one.
        names: of the groups.
        policy: what to do with another plan; None refuses it.

    Raises:
        ResumeError: for another plan, with what differs; or where a policy cannot be followed.
    """
    then = Horizon.from_dict(loaded.horizon)
    known = {part for binding in bindings for part in binding.planned.walk() if isinstance(part, Custom)}
    _check_bases(loaded)
    lines = [*_without_a_plan(loaded, bindings, names)]
    became: dict[Followed, Course] = {}
    bases: list[tuple[Binding, list[float]]] = []
    built: dict[tuple[str, int | None], float] = {}
    positions: dict[Course, Fraction] = {}
    changed: list[tuple[Binding, Mapping[int | None, SavedCourse], Fraction]] = []
    for binding in bindings:
        past = _past(loaded, binding)
        if not past:
            continue
        for saved in past.values():
            if (saved.schedule, saved.fingerprint) != (repr(binding.planned), binding.planned.fingerprint):
                saved.check_text()
        present = binding.course
        one = next(iter(past.values()))
        at = Fraction(loaded.step) if one.position is None else read_fraction(one.position, "position")
        own = {
            index: saved.base(index)
            if same_base(saved.base(index), base) or same_base(saved.built_base(index), base)
            else base
            for index, base, saved in _with_bases(binding, past)
        }
        moved = [
            (index, saved.base(index), own[index])
            for index, _, saved in _with_bases(binding, past)
            if not same_base(saved.base(index), own[index])
        ]
        alike = all(
            saved.fingerprint == binding.planned.fingerprint and saved.coupled == binding.coupled
            for saved in past.values()
        )
        if alike and then == horizon and not moved:
            changed_before = one.now is not None or one.horizon is not None
            course = one.course(then, known) if changed_before else present
            _check_feedback(loaded, course)
        elif policy is None:
            for some in _by_course(past):
                lines += _changes(some, binding, then, known, at, names)
            for index, old, new in moved:
                whose = f"base {binding.name} of {_called(index, names)}"
                lines.append(f"{whose}: {old:.6g} in the checkpoint, {new:.6g} now")
            continue
        else:
            if policy == "stretch":
                course = present
            else:
                course = _continued(policy, past, then, binding, known, at, _whose(binding, past, names))
                own = {index: saved.base(index) for index, saved in past.items()}
            changed.append((binding, past, at))
        # What is in proportion to another hyperparameter follows whatever that one follows.
        if course != present and not binding.coupled:
            became[binding.followed] = course
        if one.position is not None:
            positions[course] = at
        bases.append((binding, [own.get(index, base) for index, base in _by_index(binding)]))
        for index, base, saved in _with_bases(binding, past):
            built[binding.name, index] = saved.built_base(index) if same_base(base, own[index]) else base
    if lines and policy is None:
        shown = "".join(f"\n  {line}" for line in dict.fromkeys(lines))
        raise ResumeError(f"this checkpoint belongs to another set-up:{shown}\n{POLICIES}")
    based = {
        (binding.name, index): base
        for binding, own_bases in bases
        for (index, _), base in zip(_by_index(binding), own_bases, strict=True)
    }
    rates = {
        (binding.name, binding.name if index is None else names[index]): pair
        for binding, past, at in changed
        for index, pair in _compare(
            loaded, binding, past, then, known, based, became.get(binding.followed, binding.course), at
        )
    }
    seam = Seam(str(policy), loaded.step, rates, tuple(lines)) if rates or lines else None
    return Resumed(became, bases, built, positions, seam)


def _check_bases(loaded: Snapshot) -> None:
    """Refuse a checkpoint whose bases are not one for all groups, or one for each."""
    for saved in loaded.courses:
        groups = loaded.groups if saved.groups is None else max(len(saved.groups), 1)
        for bases in (saved.bases, saved.built or saved.bases):
            if len(bases) not in (1, groups):
                raise ResumeError(
                    f"the scheduler's state is damaged: it holds {len(bases)} bases of {saved.of} for "
                    f"{groups} groups"
                )


def _check_feedback(loaded: Snapshot, course: Course) -> None:
    """Refuse a checkpoint without the memory of a Plateau that it followed."""
    plateaus = {repr(part) for part in course.schedule.walk() if isinstance(part, Plateau)}
    if missing := sorted(plateaus - set(loaded.plateaus)):
        raise ResumeError(
            f"the scheduler's state is damaged: it does not hold what {', '.join(missing)} has seen"
        )


def _by_course(past: Mapping[int | None, SavedCourse]) -> list[dict[int | None, SavedCourse]]:
    """The groups of a binding, those together that followed the same in the checkpoint."""
    found: dict[int, dict[int | None, SavedCourse]] = {}
    for index, saved in past.items():
        found.setdefault(id(saved), {})[index] = saved
    return list(found.values())


def _changes(
    past: Mapping[int | None, SavedCourse],
    binding: Binding,
    then: Horizon,
    known: set[Custom],
    at: Fraction,
    names: list[str],
) -> Iterator[str]:
    """What differs now, of groups that followed the same in the checkpoint."""
    whose = _whose(binding, past, names)
    saved = next(iter(past.values()))
    if saved.coupled != binding.coupled:
        yield f"{whose}: {_kept(saved.coupled)} in the checkpoint, {_kept(binding.coupled)} now"
    elif saved.coupled is None:  # else the lines of the other hyperparameter say it
        for line in _words(saved, then, binding.course, known, at):
            yield f"{whose}: {line}"


def _by_index(binding: Binding) -> Iterator[tuple[int | None, float]]:
    """The bases of a binding after their groups; None is a target."""
    yield from zip(binding.indices or (None,), binding.bases.tolist(), strict=True)


def _past(loaded: Snapshot, binding: Binding) -> dict[int | None, SavedCourse]:
    """What the checkpoint holds of a binding's groups, without those that it did not know."""
    found = {}
    for index, _ in _by_index(binding):
        saved = loaded.of(binding.name, index)
        if saved is not None and (index is None or index < loaded.groups):
            found[index] = saved
    return found


def _with_bases(
    binding: Binding, past: Mapping[int | None, SavedCourse]
) -> Iterator[tuple[int | None, float, SavedCourse]]:
    for index, base in _by_index(binding):
        if index in past:
            yield index, base, past[index]


def _without_a_plan(loaded: Snapshot, bindings: Sequence[Binding], names: list[str]) -> Iterator[str]:
    """What is scheduled on one side only, of the groups that both have."""
    now = {(binding.name, index): binding for binding in bindings for index, _ in _by_index(binding)}
    for (name, index), binding in now.items():
        known = index is None or index < loaded.groups
        if known and loaded.of(name, index) is None:
            yield f"{name} of {_called(index, names)}: none in the checkpoint, {binding.planned!r} now"
    for saved in loaded.courses:
        indices = range(loaded.groups) if saved.groups is None else saved.groups or (None,)
        for index in indices:
            if (saved.of, index) not in now and (index is None or index < len(names)):
                yield f"{saved.of} of {_called(index, names)}: {saved.schedule} in the checkpoint, none now"


def _kept(coupled: str | None) -> str:
    return "a schedule of its own" if coupled is None else f"in proportion to {coupled}"


def _called(index: int | None, names: list[str]) -> str:
    return "its target" if index is None else f"group {names[index]!r}"


def _whose(binding: Binding, past: Mapping[int | None, SavedCourse], names: list[str]) -> str:
    groups = [_called(index, names) for index in past]
    shown = groups[0] if len(groups) == 1 else f"{groups[0]} and {len(groups) - 1} more"
    return f"{binding.name} of {'all groups' if len(names) == len(groups) > 1 else shown}"


def _words(
    saved: SavedCourse, then: Horizon, present: Course, known: set[Custom], at: Fraction
) -> Iterator[str]:
    """What differs between the checkpoint's course and the present one."""
    try:
        yield from differences_in_words(saved.course(then, known), present, at)
    except EtudeError:  # a function that may not be called here, or a value that cannot be had
        yield f"the schedule: {saved.now or saved.schedule} in the checkpoint, {present.schedule!r} now"


def _continued(
    policy: Policy,
    past: Mapping[int | None, SavedCourse],
    then: Horizon,
    binding: Binding,
    known: set[Custom],
    at: Fraction,
    whose: str,
) -> Course:
    """What a policy makes of a binding's course."""
    other = next(
        (saved.coupled for saved in past.values() if saved.coupled != binding.coupled), binding.coupled
    )
    if other != binding.coupled:
        raise ResumeError(
            f"{whose}: {_kept(other)} in the checkpoint, {_kept(binding.coupled)} now, so that "
            f"on_change={str(policy)!r} cannot go on with it; plan it as it was, or write on_change='stretch'"
        )
    if isinstance(policy, Redecay) and binding.name != "lr":
        policy = "keep"  # momentum or weight decay would be no rate that decays
    courses = {saved.course(then, known) for saved in past.values()}
    if len(courses) > 1:
        raise ResumeError(
            f"{whose} followed {len(courses)} different schedules in the checkpoint and one now, so that "
            f"on_change={str(policy)!r} cannot go on with them; give the groups their own schedules with "
            f"groups={{...}}, or write on_change='stretch'"
        )
    try:
        return continued(policy, courses.pop(), binding.course, at)
    except ScheduleError as error:
        raise ResumeError(str(error)) from None


def _compare(
    loaded: Snapshot,
    binding: Binding,
    past: Mapping[int | None, SavedCourse],
    then: Horizon,
    known: set[Custom],
    bases: Mapping[tuple[str, int | None], float],
    course: Course,
    at: Fraction,
) -> Iterator[tuple[int | None, tuple[float, float]]]:
    """The value of every group by the checkpoint's plan, and its value now."""
    for (index, _), group in zip(_by_index(binding), binding.groups, strict=True):
        if index not in past:
            continue
        saved = past[index]
        scale = scale_of(group, binding.name)
        other = saved if saved.coupled is None else loaded.of(saved.coupled, index)
        if other is None:
            raise ResumeError(
                f"the scheduler's state is damaged: it does not hold the {saved.coupled} of a group"
            )
        try:
            old = _value(loaded, saved.course(then, known), at, saved.base(index), other.base(index))
        except EtudeError:  # a function that may not be called here
            old = math.nan
        own = bases[binding.name, index]
        now = _value(loaded, course, at, own, bases[binding.coupled or binding.name, index])
        yield index, (scale * old, scale * now)


def _value(loaded: Snapshot, course: Course, at: Fraction, base: float, asked: float) -> float:
    """The value of a base, in proportion to that of the one that the course is asked for."""
    plateaus = {part for part in course.schedule.walk() if isinstance(part, Plateau)}
    factors: dict[Hashable, float] = {
        one: loaded.plateaus[repr(one)].factor for one in plateaus if repr(one) in loaded.plateaus
    }
    value = course.table(ceil_float(at), asked, factors=factors)
    if base == asked:
        return value
    return value * base / asked if asked else math.nan


def same_base(saved: float, present: float) -> bool:
    """Whether two base rates are the same, to within the rounding of a tensor."""
    return math.isclose(saved, present, rel_tol=BASE_TOLERANCE)
