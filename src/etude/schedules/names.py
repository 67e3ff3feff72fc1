"""The names of functions that stood in data, which are shown and compared, and never imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol, TypeVar

__all__ = ["FromData", "named_only", "not_imported"]


class FromData(str):
    """The name of a function as it stood in data: equal to the name in a program, and never imported.

    A kind of name, not a field of ``Custom``, so that it goes wherever the name goes: into copies, pickles
    and ``dataclasses.replace``.
    """

    __slots__ = ()


class Walked(Protocol):
    """A schedule."""

    def walk(self) -> Iterator[Any]: ...


Read = TypeVar("Read", bound=Walked)


def named_only(schedule: Read) -> Read:
    """Return a schedule that was just read from data so that a function that it names is not imported."""
    function = getattr(schedule, "function", None)
    if not isinstance(function, str):
        return schedule
    return replace(schedule, function=FromData(function))  # type: ignore[type-var]  # schedules are dataclasses


def not_imported(schedule: Walked) -> str:
    """Say which functions of a schedule are not imported, since they stood in data; empty where all are."""
    functions = [getattr(part, "function", None) for part in schedule.walk()]
    names = dict.fromkeys(str(name) for name in functions if isinstance(name, FromData))
    if not names:
        return ""
    which, are = ("a function", "is") if len(names) == 1 else ("functions", "are")
    return f"this plan names {which}, {', '.join(names)}, which {are} not imported from data"
