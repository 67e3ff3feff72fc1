"""What the checker says: one sentence about a schedule on its horizon, with its numbers and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from etude.texts import shown

__all__ = ["Finding", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about a schedule on its horizon.

    Args:
        code: a stable name, to look up or to silence.
        severity: ``"error"`` is surely wrong, ``"warning"`` probably, ``"note"`` perhaps.
        message: what is so, with its numbers.
        fix: what to write instead.
        numbers: the numbers of the message, by name; lengths and places in steps.
        groups: the parameter groups that it is about, where it is of a Scheduler.
    """

    code: str
    severity: Severity
    message: str
    fix: str
    numbers: Mapping[str, float] = field(default_factory=dict, hash=False)
    groups: tuple[str, ...] = ()

    def __str__(self) -> str:
        return shown(f"{self.severity}: {self.message} {self.fix} [{self.code}]")
