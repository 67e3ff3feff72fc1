"""What a run is to follow, as it is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.durations import Horizon

__all__ = ["Planned", "RunPlan"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a hyperparameter follows in groups that share a schedule, or a target.

    Its value in a group is the schedule's at the group's base, times the group's scale.

    Args:
        of: the hyperparameter, or the target.
        schedule: the text of the schedule.
        fingerprint: its digest.
        bases: the base value of each group, by the group's name; a target's by its own.
        scales: what the schedule's values are multiplied by in a group, where that is not 1.
        coupled: the hyperparameter that it is kept in proportion to; the bases are then that one's.
    """

    of: str
    schedule: str
    fingerprint: str
    bases: Mapping[str, float]
    scales: Mapping[str, float] = field(default_factory=dict)
    coupled: str | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is to follow, from its start on.

    Args:
        begun: the step at which it starts; more than 0 where it goes on from a checkpoint.
        horizon: what turns durations into steps.
        schedules: what is followed.

    >>> lr = Planned("lr", "Cosine(over='90%')", "5f3a", {"head": 0.1})
    >>> RunPlan.from_dict(RunPlan(0, Horizon(total=1000), (lr,)).to_dict()).of("lr", "head").schedule
    "Cosine(over='90%')"
    """

    begun: float
    horizon: Horizon
    schedules: tuple[Planned, ...]

    def of(self, name: str, group: str) -> Planned | None:
        """What a hyperparameter of a group is to follow; None where it has no schedule."""
        return next((one for one in self.schedules if one.of == name and group in one.bases), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        schedules = []
        for one in self.schedules:
            entry = {
                "of": one.of, "schedule": one.schedule, "fingerprint": one.fingerprint,
                "bases": dict(one.bases), "scales": dict(one.scales), "coupled": one.coupled,
            }  # fmt: skip
            schedules.append({name: value for name, value in entry.items() if value not in (None, {})})
        return {"begun": self.begun, "horizon": self.horizon.to_dict(), "schedules": schedules}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunPlan:
        """Read what ``to_dict`` wrote.

        Raises:
            HorizonError: for what is no horizon.
            KeyError: for a field that is missing.
            TypeError: for one that is unknown.
        """
        schedules = tuple(Planned(**entry) for entry in values["schedules"])
        return cls(values["begun"], Horizon.from_dict(values["horizon"]), schedules)
