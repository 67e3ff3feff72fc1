"""A scheduler's checkpoint: one JSON string with a version, and what it must match to be taken up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from etude.errors import ResumeError

__all__ = ["KEY", "Snapshot", "dump", "load"]

# One field, so that distributed checkpoints, which store a state field by field, survive later ones.
KEY = "etude"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a scheduler is at one moment: its clock and feedback, and what these belong to."""

    step: float
    count: int
    plateaus: dict[str, dict[str, Any]]
    schedules: dict[str, str]
    horizon: str
    bases: dict[str, float]

    def check_belongs_to(self, present: Snapshot) -> None:
        """Refuse, with what differs, unless the schedules, the horizon and the base rates are the same."""
        lines = _differences("schedule", self.schedules, present.schedules)
        lines += _differences("horizon", {"": self.horizon}, {"": present.horizon})
        # A group that was added during the run may still be missing, or be there already.
        common = self.bases.keys() & present.bases.keys()
        lines += _differences(
            "base", {key: self.bases[key] for key in common}, {key: present.bases[key] for key in common}
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
        raise ResumeError(f"the scheduler's state is damaged, it is not JSON: {error}") from None
    if not isinstance(values, dict) or not isinstance(values.get("version"), int):
        raise ResumeError(f"the scheduler's state is damaged: it has no version, {values!r}")
    if values["version"] != VERSION:
        raise ResumeError(
            f"the scheduler's state is of version {values['version']} and this Etude reads version "
            f"{VERSION}; install the Etude that wrote it"
        )
    wanted = {field.name: field.type for field in fields(Snapshot)}
    given = {name: value for name, value in values.items() if name != "version"}
    if set(given) != set(wanted):
        wrong = sorted(set(given) ^ set(wanted))
        raise ResumeError(f"the scheduler's state is damaged: the fields {', '.join(wrong)} do not fit")
    step, count = given["step"], given["count"]
    if isinstance(step, bool) or not isinstance(step, int | float) or not 0 <= step < float("inf"):
        raise ResumeError(f"the scheduler's state is damaged: its step must be a number ≥ 0; got {step!r}")
    if isinstance(count, bool) or not isinstance(count, int):
        raise ResumeError(
            f"the scheduler's state is damaged: its count must be a whole number; got {count!r}"
        )
    for name in ("plateaus", "schedules", "bases"):
        if not isinstance(given[name], dict):
            raise ResumeError(
                f"the scheduler's state is damaged: {name} must be an object; got {given[name]!r}"
            )
    return Snapshot(**given)
