"""Every error that Etude raises on purpose.

EtudeError
├── SpecError        text or JSON that does not describe a schedule
├── ScheduleError    a schedule whose parts do not fit together, or a value out of its bounds
├── HorizonError     a duration that cannot be turned into steps on this horizon
├── ResumeError      a checkpoint that does not belong to this schedule, or is not one
├── StoreError       a store that cannot be opened, read or written
├── TaskError        a training task that cannot be found, or that failed
└── MissingError     an optional dependency that is not installed

Each message says what was wrong, what was given, and what to write instead. What may be meant is told by
warnings of the category ScheduleWarning, with the code of the checker's finding.
"""

from __future__ import annotations

from etude.texts import shown

__all__ = [
    "EtudeError",
    "HorizonError",
    "MissingError",
    "ResumeError",
    "ScheduleError",
    "ScheduleWarning",
    "SpecError",
    "StoreError",
    "TaskError",
]


class EtudeError(Exception):
    """The root: catch this to catch everything Etude raises on purpose."""

    def __str__(self) -> str:
        # A message may name what comes from a file, and ends in a terminal or a log.
        return shown(super().__str__(), lines=True)


class SpecError(EtudeError, ValueError):
    """Text or JSON that does not describe a schedule."""


class ScheduleError(EtudeError, ValueError):
    """A schedule whose parts do not fit together, or a value out of its bounds."""


class HorizonError(EtudeError, ValueError):
    """A duration that cannot be turned into steps on this horizon."""


class ResumeError(EtudeError, ValueError):
    """A checkpoint that does not belong to this schedule, or is not one."""


class StoreError(EtudeError, OSError):
    """A store that cannot be opened, read or written."""


class TaskError(EtudeError, RuntimeError):
    """A training task that cannot be found, or that failed."""


class MissingError(EtudeError, ImportError):
    """An optional dependency that is not installed."""


class ScheduleWarning(UserWarning):
    """A schedule, or how it is run, that is probably not meant; the message ends with the finding's code."""

    def __str__(self) -> str:
        return shown(super().__str__(), lines=True)
