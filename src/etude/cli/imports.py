"""What may be imported: what a person has typed, and what a store names where a person says so."""

from __future__ import annotations

import os
import sys
from typing import cast

import click

from etude.schedules import Custom, Rate, Schedule
from etude.schedules.algebra import to_rate
from etude.spec import parse
from etude.spec.document import Functions, Kind

__all__ = ["allow_imports_option", "typed"]


def typed(expression: str, kind: type[Kind]) -> Kind:
    """Read a schedule as it was typed; the functions that it names may lie in the present folder."""
    schedule = parse(expression, Schedule)
    if kind is Rate:
        to_rate(schedule, "the schedule")
    if any(isinstance(part, Custom) for part in schedule.walk()):
        _look_here()
    return cast(Kind, schedule)


def _allowed(_: click.Context, __: click.Parameter, allowed: bool) -> Functions:
    if allowed:
        _look_here()
    return "import" if allowed else "name"


allow_imports_option = click.option(
    "--allow-imports",
    "custom",
    is_flag=True,
    callback=_allowed,
    help="Import the functions that the run's plan names: for a store that you trust as a program.",
)
"""Whether the plan of a run may call functions."""


def _look_here() -> None:
    # Not before a function is asked for: what lies in a folder may have any name. Last, so that it hides no
    # module of others.
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)
