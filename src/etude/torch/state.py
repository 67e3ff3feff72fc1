"""A scheduler's checkpoint: one JSON string with a version, and what it must match to be taken up."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from etude.durations import LARGEST_STEP
from etude.errors import ResumeError, ScheduleError
from etude.schedules import PlateauState

__all__ = ["KEY", "Snapshot", "dump", "load"]

# One field, so that distributed checkpoints, which store a state field by field, survive later ones.
KEY = "etude"
VERSION = 1
# A base rate that was a float32 tensor's and one that was a float's are the same to within a rounding.
BASE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a scheduler is at one moment: its clock and feedback, and what these belong to."""

    step: float
    count: int
    plateaus: dict[str, PlateauState]
    schedules: dict[str, str]
    horizon: str
    bases: dict[str, float]

    def check_belongs_to(self, present: Snapshot) -> None:
        """Refuse, with what differs, unless the schedules, the horizon and the base rates are the same."""
        lines = _differences("schedule", self.schedules, present.schedules)
        lines += _differences("horizon", {"": self.horizon}, {"": present.horizon})
        # A group that was added during the run may still be missing, or be there already.
        moved = [
            key
            for key, base in self.bases.items()
            if not math.isclose(base, present.bases.get(key, base), rel_tol=BASE_TOLERANCE)
        ]
        lines += _differences(
            "base", {key: self.bases[key] for key in moved}, {key: present.bases[key] for key in moved}
        )
        if not lines and self.plateaus.keys() != present.plateaus.keys():
            lines.append("  the checkpoint's Plateaus are not those of its schedules")
        if lines:
            raise ResumeError(
                "this checkpoint belongs to another set-up:\n"
                + "\n".join(lines)
                + "\nBuild the scheduler as it was, or keep this one and seek(step) to where it should go on"
            )


def _differences(what: str, saved: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    lines = []
    for key in [*saved, *(key for key in present if key not in saved)]:
        if saved.get(key) != present.get(key):
            lines.append(f"  {f'{what} {key}'.strip()}")
            lines.append(f"    in the checkpoint: {saved.get(key, 'none')}")
            lines.append(f"    now:               {present.get(key, 'none')}")
    return lines


def dump(snapshot: Snapshot) -> str:
    """Write a snapshot as JSON."""
    return json.dumps({"version": VERSION, **asdict(snapshot)})


def load(state_dict: Mapping[str, Any]) -> Snapshot:
    """Read a scheduler's state_dict, without changing it.

    Raises:
        ResumeError: for a state of another class, another version, or damaged JSON.
    """
    if not isinstance(state_dict, Mapping) or KEY not in state_dict:
        seen = ", ".join(map(str, state_dict)) if isinstance(state_dict, Mapping) else repr(state_dict)
        raise ResumeError(
            f"this is not the state of an Etude scheduler, which has the field {KEY!r}; it has: {seen}"
        )
    try:
        values = json.loads(state_dict[KEY])
    except (ValueError, TypeError) as error:
        raise _damaged(f"it is not JSON, {error}") from None
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, bool) or not isinstance(version, int):
        raise _damaged(f"it has no version, {values!r}")
    if version != VERSION:
        raise ResumeError(
            f"the scheduler's state is of version {version} and this Etude reads version {VERSION}; install "
            f"the Etude that wrote it"
        )
    wanted = {field.name for field in fields(Snapshot)}
    given = {name: value for name, value in values.items() if name != "version"}
    if set(given) != wanted:
        raise _damaged(f"the fields {', '.join(sorted(set(given) ^ wanted))} do not fit")
    if not (_is_number(given["step"]) and 0 <= given["step"] <= LARGEST_STEP):
        raise _damaged(f"its step must be a number ≥ 0; got {given['step']!r}")
    if isinstance(given["count"], bool) or not isinstance(given["count"], int):
        raise _damaged(f"its count must be a whole number; got {given['count']!r}")
    for name, holds, what in (
        ("plateaus", lambda value: isinstance(value, dict), "an object of objects"),
        ("schedules", lambda value: isinstance(value, str), "an object of strings"),
        ("bases", _is_number, "an object of numbers"),
    ):
        if not isinstance(given[name], dict) or not all(map(holds, given[name].values())):
            raise _damaged(f"{name} must be {what}; got {given[name]!r}")
    try:
        given["plateaus"] = {key: PlateauState.from_dict(past) for key, past in given["plateaus"].items()}
    except ScheduleError as error:
        raise _damaged(str(error)) from None
    return Snapshot(**given)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _damaged(why: str) -> ResumeError:
    return ResumeError(f"the scheduler's state is damaged: {why}")
