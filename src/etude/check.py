"""Findings: what is wrong, or probably not meant, about a schedule on its horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from etude.durations import LARGEST_STEP

__all__ = ["Finding", "Subject", "findings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about a schedule on its horizon.

    Args:
        code: a stable name, to look up or to silence.
        severity: ``"error"`` is surely wrong, ``"warning"`` probably, ``"note"`` perhaps.
        message: what is so, with its numbers.
        fix: what to write instead.
    """

    code: str
    severity: Literal["error", "warning", "note"]
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} {self.fix} [{self.code}]"


class Subject(Protocol):
    """What the checker reads of a table."""

    @property
    def steps(self) -> int: ...
    @property
    def first_phase_end(self) -> float: ...
    def __call__(self, k: float, /) -> float: ...


def findings(table: Subject) -> tuple[Finding, ...]:
    """Check a schedule on its horizon.

    Returns:
        the findings, the gravest first; empty where nothing is amiss.
    """
    return tuple(
        finding for rule in (_warmup_longer_than_run, _first_update_at_zero) for finding in rule(table)
    )


def _warmup_longer_than_run(table: Subject) -> list[Finding]:
    end = table.first_phase_end
    if end <= table.steps or end == float("inf") or table(min(end, LARGEST_STEP)) <= table(0):
        return []
    return [
        Finding(
            "warmup-longer-than-run",
            "error",
            f"The schedule still warms up when the run ends: its first rise takes {end:g} steps and the run "
            f"has {table.steps}.",
            f"Shorten the warmup to well below {table.steps} steps, or lengthen the run.",
        )
    ]


def _first_update_at_zero(table: Subject) -> list[Finding]:
    if table(0) != 0 or table(min(table.first_phase_end, table.steps)) == 0:
        return []
    return [
        Finding(
            "first-update-at-zero",
            "warning",
            "The first update has the rate 0, so it changes nothing.",
            "Start the warmup above 0, for example at 0.01 * BASE.",
        )
    ]
