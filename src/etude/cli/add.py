"""``etude add``: the readings that a run could not write, put into its store."""

from __future__ import annotations

import click

from etude.cli.console import new_console
from etude.record import take_up

__all__ = ["command"]


@click.command("add")
@click.argument("file")
@click.option(
    "--store",
    "address",
    metavar="PATH|URL",
    help="Where the run is recorded, if it is elsewhere now, or its URL needs a password.",
)
def command(file: str, address: str | None) -> None:
    """Add what a run has left in FILE to its store.

    A run whose store is away when it ends leaves its last readings in a file etude-run-*.jsonl, and tells
    where. What the store has already is not added again, and the file stays.
    """
    run, added = take_up(file, address)
    new_console().print(f"{added:,} readings added to run {run}.")
