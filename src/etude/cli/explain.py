"""``etude explain``: what made the learning rate of an update."""

from __future__ import annotations

import math

import click
from rich.table import Table as Grid

from etude.cli.console import new_console
from etude.cli.imports import allow_imports_option
from etude.cli.stores import Address, find_run, open_existing, run_argument, store_option
from etude.replay import Explanation, Recorded, explain, recall
from etude.spec.document import Functions

__all__ = ["command"]

MOST_GROUPS = 12


@click.command("explain")
@run_argument
@click.argument("step")
@click.option("--group", help="The parameter group; the first if not given.")
@allow_imports_option
@store_option
def command(run: str, step: str, group: str | None, custom: Functions, store_path: Address) -> None:
    """Tell in a sentence what made the learning rate of an update.

    RUN is its number, as `etude runs --all` lists it, or last. STEP is the update, counted from 0, or a
    length of the run: 1200, 3.5ep, 50%.

    \b
    etude explain 7 1200
    etude explain last 3.5ep --group head
    """
    with open_existing(store_path) as store:
        found = recall(store, find_run(store, run), custom=custom)
    made = explain(found, math.floor(found.horizon.steps(step, "STEP")), group)
    console = new_console()
    console.print(made.sentence)
    console.print()
    console.print(_numbers(found, made))


def _numbers(run: Recorded, made: Explanation) -> Grid:
    """What was recorded at the update, and what made its rate, a line each."""
    grid = Grid(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    if made.rate is not None:
        grid.add_row("learning rate", f"{made.rate:.6g}")
    if made.base is not None:
        grid.add_row("base rate", f"{made.base:.6g}")
    if made.planned is not None:
        grid.add_row("value of the schedule", f"{made.planned:.6g}")
    reading = run.at(made.step)
    if reading is not None:
        others = [(name, rate) for name, rate in reading.rates.items() if name != made.group]
        for name, rate in others[:MOST_GROUPS]:
            grid.add_row(f"learning rate of {name}", f"{rate:.6g}")
        if len(others) > MOST_GROUPS:
            grid.add_row(f"and of {len(others) - MOST_GROUPS} more groups", "")
        for name, values in reading.others.items():
            for group, value in list(values.items())[:MOST_GROUPS]:
                grid.add_row(f"{name} of {group}" if group != name else name, f"{value:.6g}")
        for name, value in reading.metrics.items():
            grid.add_row(name, f"{value:.6g}")
    return grid
