"""The options that say which comparison is meant, shared by ``compare`` and ``report``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from etude.cli.imports import typed
from etude.cli.stores import STORE, store_option
from etude.errors import SpecError
from etude.schedules import Rate
from etude.study.arms import choose_arms
from etude.study.plan import Plan
from etude.study.task import find_task

__all__ = ["default_folder", "plan_of", "plan_options"]

_OPTIONS = (
    click.argument("task"),
    click.option(
        "-s",
        "--schedule",
        "schedules",
        multiple=True,
        metavar="EXPR",
        help="Compare this schedule too; BASE is the peak. May be given several times.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="LABEL",
        help="Of the built-in schedules, only this one and the fixed rate; may be given several times.",
    ),
    click.option(
        "--seeds", type=click.IntRange(1), help="Runs of each schedule; the task's own number if not given."
    ),
    click.option("--budgets", metavar="SHARES", help="Lengths, as shares of the whole: 0.25,0.5,1."),
    click.option("--peaks", metavar="RATES", help="Peak rates to choose from: 0.01,0.1."),
    click.option("--device", default="cpu", show_default=True, help="Where to train."),
    store_option,
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where the report goes; etude-study/TASK if not given.",
    ),
)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def plan_of(
    task: str,
    schedules: tuple[str, ...],
    only: tuple[str, ...],
    seeds: int | None,
    budgets: str | None,
    peaks: str | None,
    device: str,
) -> Plan:
    """The comparison that the options describe."""
    return Plan.of(
        find_task(task),
        choose_arms(only, [typed(text, Rate) for text in schedules]),
        budgets=_numbers("--budgets", budgets),
        peaks=_numbers("--peaks", peaks),
        seeds=seeds,
        device=device,
    )


def default_folder(plan: Plan) -> Path:
    """Where the report of a comparison goes."""
    return STORE.parent / plan.task.name


def _numbers(option: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise SpecError(
            f"{option} takes numbers with commas between them, such as 0.25,0.5,1; got {text!r}"
        ) from None
