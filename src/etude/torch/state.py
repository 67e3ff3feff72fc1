"""A scheduler's checkpoint: one JSON string with a version, that names what it belongs to.

It never executes code: schedules are read as text, and a user's function is imported only where a present
schedule, which the user's own program has built, names it too.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from fractions import Fraction
from itertools import islice
from typing import Any

from etude.durations import LARGEST_STEP, Horizon, read_fraction
from etude.errors import EtudeError, ResumeError, ScheduleError
from etude.json_text import read_json, shortened
from etude.schedules import Custom, PlateauState
from etude.spec import parse
from etude.torch.changes import Course

__all__ = ["KEY", "SavedCourse", "Snapshot", "damaged", "dump", "load"]

# One field, so that distributed checkpoints, which store a state field by field, survive later ones.
KEY = "etude"
VERSION = 2
LARGEST = sys.float_info.max
MOST_NAMED = 20
_INDEX = re.compile("[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class SavedCourse:
    """What one hyperparameter of some groups followed.

    Args:
        of: the hyperparameter.
        schedule: the schedule that was planned, as text.
        fingerprint: of the same.
        bases: the base of each group; one where all are alike.
        groups: the groups by index; None where it was all of them, nothing for a target.
        built: the bases that the optimizer was built with, where a policy went on from others.
        coupled: the hyperparameter that it was in proportion to.
        now: what was followed instead, as text: after ``cooldown``, or a policy of ``on_change``.
        horizon: the horizon of that, where it is another.
        position: where its clock stood, where that is not the step: samples or tokens were counted.
    """

    of: str
    schedule: str
    fingerprint: str
    bases: list[float]
    groups: list[int] | None = None
    built: list[float] | None = None
    coupled: str | None = None
    now: str | None = None
    horizon: dict[str, str | None] | None = None
    position: str | None = None

    def has(self, index: int | None) -> bool:
        """Whether a group is among its own; None is a target."""
        if index is None:
            return self.groups == []
        return self.groups is None or index in self.groups

    def base(self, index: int | None) -> float:
        """The base of a group that it has."""
        return self._of(self.bases, index)

    def built_base(self, index: int | None) -> float:
        """The base that the optimizer was built with."""
        return self._of(self.bases if self.built is None else self.built, index)

    def _of(self, bases: list[float], index: int | None) -> float:
        place = 0 if index is None else index if self.groups is None else self.groups.index(index)
        return bases[place if len(bases) > 1 else 0]

    def check_text(self) -> None:
        """Refuse a schedule whose text is not that of its fingerprint: it was edited."""
        try:
            genuine = parse(self.schedule, custom="name").fingerprint == self.fingerprint
        except EtudeError as error:
            raise damaged(f"the schedule of {self.of} cannot be read: {error}") from None
        if not genuine:
            raise damaged(
                f"the schedule of {self.of} has been edited, or an earlier Etude wrote it, whose rate= is "
                f"decay_rate= or steepness= now: {self.schedule}"
            )

    def course(self, horizon: Horizon, known: set[Custom]) -> Course:
        """What was followed.

        Args:
            horizon: the run's, for what has none of its own.
            known: the functions that may be imported.

        Raises:
            ResumeError: for text that is no schedule, or names a function that is not known.
        """
        try:
            text = self.schedule if self.now is None else self.now
            schedule = parse(text, custom="name")
            own = horizon if self.horizon is None else Horizon.from_dict(self.horizon)
        except EtudeError as error:
            raise damaged(f"the schedule of {self.of} cannot be read: {error}") from None
        named = {part.function for part in schedule.walk() if isinstance(part, Custom)}
        if strange := named - {function.function for function in known}:
            raise ResumeError(
                f"the checkpoint's schedule of {self.of} calls {', '.join(sorted(strange))}, which the "
                f"present schedules do not name, and a checkpoint never runs code by itself; build the "
                f"scheduler with that schedule, or resume with on_change='stretch'"
            )
        return Course(parse(text) if named else schedule, own)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a scheduler is at one moment: its clock and feedback, and what these belong to."""

    step: float
    count: int
    skipped: int
    groups: int
    horizon: dict[str, str | None]
    courses: list[SavedCourse]
    plateaus: dict[str, PlateauState]
    joined: dict[str, float | str]

    @property
    def axis(self) -> Fraction | float:
        """How far the run is, exact: at the step, or where samples or tokens have led."""
        places = [read_fraction(saved.position, "position") for saved in self.courses if saved.position]
        return max(places, default=self.step)

    def began(self, groups: int) -> dict[int, Fraction | float]:
        """Where groups with a clock of their own began, of so many: new ones begin here."""
        known = {
            int(index): read_fraction(place, "joined") if isinstance(place, str) else place
            for index, place in self.joined.items()
        }
        return {**dict.fromkeys(range(self.groups, groups), self.axis), **known}

    def of(self, name: str, index: int | None) -> SavedCourse | None:
        """What a hyperparameter of a group followed."""
        return next((saved for saved in self.courses if saved.of == name and saved.has(index)), None)


def dump(snapshot: Snapshot) -> str:
    """Write a snapshot as JSON."""
    values = asdict(snapshot)
    values["courses"] = [
        {key: value for key, value in course.items() if value is not None} for course in values["courses"]
    ]
    return json.dumps({"version": VERSION, **values})


def load(state_dict: Mapping[str, Any]) -> Snapshot:
    """Read a scheduler's state_dict, without changing it.

    Raises:
        ResumeError: for a state of another class, another version, or damaged JSON.
    """
    if not isinstance(state_dict, Mapping) or KEY not in state_dict:
        seen = _names(state_dict) if isinstance(state_dict, Mapping) else shortened(state_dict)
        raise ResumeError(
            f"this is not the state of an Etude scheduler, which has the field {KEY!r}; it has: {seen}"
        )
    values = read_json(state_dict[KEY], damaged, "it")
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, bool) or not isinstance(version, int):
        raise damaged(f"it has no version, {shortened(values)}")
    if version != VERSION:
        raise ResumeError(
            f"the scheduler's state is of version {version} and this Etude reads version {VERSION}; install "
            f"the Etude that wrote it"
        )
    given = {name: value for name, value in values.items() if name != "version"}
    _check("", given, Snapshot, _FIELDS)
    courses = []
    for entry in given["courses"]:
        _check("courses", entry, SavedCourse, _COURSE)
        courses.append(SavedCourse(**entry))
    try:
        plateaus = {key: PlateauState.from_dict(past) for key, past in given["plateaus"].items()}
    except ScheduleError as error:
        raise damaged(str(error)) from None
    return Snapshot(**{**given, "courses": courses, "plateaus": plateaus})


def _names(names: Iterable[object]) -> str:
    """The first of what may be thousands of names, none of them long."""
    return ", ".join(str(name)[:MOST_NAMED] for name in islice(names, MOST_NAMED))


Holds = tuple[Callable[[Any], bool], str]


def _number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -LARGEST <= value <= LARGEST  # a whole number may be too large to be a float


def _step(value: object) -> bool:
    return _number(value) and 0 <= value <= LARGEST_STEP  # type: ignore[operator]  # it is a number


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_STEP


def _all(value: object, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(holds, value))


def _each(value: object, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(holds, value.values()))


def _text(value: object) -> bool:
    return isinstance(value, str)


def _fraction(value: object) -> bool:
    try:
        return isinstance(value, str) and read_fraction(value, "position") >= 0
    except ScheduleError:
        return False


def _place(value: object) -> bool:
    return _step(value) or _fraction(value)


def _horizon(value: object) -> bool:
    try:
        return isinstance(value, dict) and Horizon.from_dict(value) is not None
    except EtudeError:
        return False


_TEXT: Holds = (_text, "a string")
_FIELDS: dict[str, Holds] = {
    "step": (_step, "a number ≥ 0"),
    "count": (_count, "a whole number ≥ 0"),
    "skipped": (_count, "a whole number ≥ 0"),
    "groups": (_count, "a whole number ≥ 0"),
    "horizon": (_horizon, "what Horizon.to_dict() returns"),
    "courses": (lambda value: _all(value, lambda one: isinstance(one, dict)), "a list of objects"),
    "plateaus": (lambda value: _each(value, lambda one: isinstance(one, dict)), "an object of objects"),
    "joined": (
        lambda value: _each(value, _place) and all(map(_INDEX.fullmatch, value)),
        "steps by group index",
    ),
}
_COURSE: dict[str, Holds] = {
    "of": _TEXT,
    "groups": (lambda value: _all(value, _count), "a list of indices"),
    "schedule": _TEXT,
    "fingerprint": _TEXT,
    "bases": (lambda value: _all(value, _number) and bool(value), "a list of finite numbers"),
    "built": (lambda value: _all(value, _number) and bool(value), "a list of finite numbers"),
    "coupled": _TEXT,
    "now": _TEXT,
    "horizon": (_horizon, "what Horizon.to_dict() returns"),
    "position": (_fraction, "a number ≥ 0 as text"),
}


def _check(where: str, given: dict[str, Any], kind: type[Any], rules: Mapping[str, Holds]) -> None:
    """Refuse fields that are missing, unknown or no such value."""
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    odd = (needed - set(given)) | (set(given) - set(rules))
    if odd:
        raise damaged(f"the fields {_names(sorted(odd))} do not fit")
    for name, value in given.items():
        holds, what = rules[name]
        if not holds(value):
            raise damaged(
                f"its {f'{where}.{name}' if where else name} must be {what}; got {shortened(value)}"
            )


def damaged(why: str) -> ResumeError:
    """The error of a state that no scheduler has written."""
    return ResumeError(f"the scheduler's state is damaged: {why}")
