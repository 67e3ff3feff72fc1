"""The options that say how long the run is, shared by every command that lays a schedule over one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from etude.durations import Horizon
from etude.errors import HorizonError
from etude.schedules.algebra import Schedule
from etude.tables import Table

__all__ = ["HINT", "base_option", "horizon_of", "horizon_options", "table_of"]

HINT = ". Here these are options: --horizon 90ep, --steps-per-epoch, --samples-per-step and --tokens-per-step"

_OPTIONS = (
    click.option(
        "--horizon", "total", metavar="LENGTH", help="Length of the run: 10000 (steps), 90ep, 2e9tok, ..."
    ),
    click.option("--steps-per-epoch", type=float, help="Optimizer updates in one epoch."),
    click.option("--samples-per-step", type=float, help="Samples in one update, over all processes."),
    click.option("--tokens-per-step", type=float, help="Tokens in one update, over all processes."),
)

base_option = click.option(
    "--base", type=float, default=1.0, show_default=True, help="The optimizer's own rate, BASE."
)
"""The base rate, for every command that shows values."""


def horizon_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def horizon_of(
    total: str | None,
    steps_per_epoch: float | None,
    samples_per_step: float | None,
    tokens_per_step: float | None,
) -> Horizon:
    """The run that the options describe."""
    try:
        return Horizon(
            steps_per_epoch, total, samples_per_step=samples_per_step, tokens_per_step=tokens_per_step
        )
    except HorizonError as error:
        raise HorizonError(f"{error}{HINT}") from None


def table_of(schedule: Schedule, horizon: Horizon) -> Table:
    """The schedule on the run; what the horizon lacks is told with the options that say it."""
    try:
        return schedule.on(horizon)
    except HorizonError as error:
        raise HorizonError(f"{error}{HINT}") from None
