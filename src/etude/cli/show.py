"""``etude show``: a schedule in the terminal, as a picture, and in facts."""

from __future__ import annotations

import math
from pathlib import Path

import click
from rich.table import Table as Grid

from etude import plots
from etude.cli.console import new_console, paragraphs
from etude.cli.horizon_options import base_option, horizon_of, horizon_options, table_of
from etude.cli.imports import typed
from etude.errors import HorizonError
from etude.schedules import Schedule
from etude.tables import Facts, PhaseRow, Table

__all__ = ["command"]

MOST_PHASES = 12


@click.command("show")
@click.argument("expression")
@horizon_options
@base_option
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw it to a .png, .svg or .pdf; may be given several times.",
)
def command(
    expression: str,
    total: str | None,
    steps_per_epoch: float | None,
    samples_per_step: float | None,
    tokens_per_step: float | None,
    base: float,
    outputs: tuple[Path, ...],
) -> None:
    """Draw a schedule, and say what it does.

    \b
    etude show "sgdr('10ep', stretch=2)" --horizon 70ep --steps-per-epoch 391
    """
    horizon = horizon_of(total, steps_per_epoch, samples_per_step, tokens_per_step)
    table = table_of(typed(expression, Schedule), horizon)
    if total is None and table.length is None:
        raise HorizonError(f"{table.text} never ends; say how long the run is, such as --horizon 1000")
    facts = table.facts(base)
    chart = table.chart(base)
    for output in outputs:
        plots.save(chart, output)
    console = new_console()
    console.print(paragraphs(plots.to_text(chart, width=min(max(console.width, 40), 100))))
    console.print()
    console.print(str(horizon))
    console.print(_phases(table, base))
    if table.schedule.multiplies:
        console.print(
            f"It is a factor, to be multiplied onto a rate: {table.text} * cosine()", soft_wrap=True
        )
    else:
        console.print(_facts(facts))
        console.print(facts.verdict)
    for finding in () if table.schedule.multiplies else table.check():
        console.print(str(finding), style={"error": "red", "warning": "yellow"}.get(finding.severity))
    for output in outputs:
        console.print(f"Drawn to {output}", soft_wrap=True)


def _phases(table: Table, base: float) -> Grid:
    """The phases, with the rates they begin and end with."""
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    what = "factor" if table.schedule.multiplies else "lr"
    for name in ("phase", "from step", "to", f"first {what}", f"last {what}"):
        grid.add_column(name, justify="left" if name == "phase" else "right")
    first: list[PhaseRow] = []
    more = False
    phase: PhaseRow | None = table.phase(0)
    while phase is not None and phase.start < table.steps:
        if len(first) == MOST_PHASES:
            more = True
            break
        first.append(phase)
        phase = table.phase(phase.stop) if phase.stop < table.steps else None
    for phase in first:
        stop = min(phase.stop, table.steps)
        name = phase.name if phase.cycle is None else f"{phase.name} (cycle {phase.cycle})"
        # The whole steps in it, which a phase of less than a step may lack.
        used = [math.ceil(phase.start), math.ceil(stop) - 1]
        values = [f"{value:.6g}" for value in table(used, base)] if used[0] <= used[1] else ["—", "—"]
        grid.add_row(name, _place(phase.start), _place(stop), *values)
    if more:
        grid.add_row("...", "", "", "", "")
    return grid


def _place(step: float) -> str:
    return f"{step:,.0f}" if step == int(step) else f"{step:,.2f}"


def _facts(facts: Facts) -> Grid:
    """The facts, two to a line."""
    estimated = "" if facts.exact else " (estimated)"
    entries = [
        ("first", f"{facts.first:.6g}"),
        ("last", f"{facts.last:.6g}"),
        ("peak", f"{facts.peak:.6g} at step {facts.peak_step:,}{estimated}"),
        ("floor", f"{facts.floor:.6g} at step {facts.floor_step:,}{estimated}"),
        ("mean", f"{facts.mean:.6g}{estimated}"),
        ("jumps", "too many to count" if facts.jumps is None else f"{len(facts.jumps):,}"),
        ("Σ lr", f"{facts.area:.6g}{estimated}"),
        ("Σ lr²", f"{facts.area_of_squares:.6g}{estimated}"),
    ]
    grid = Grid(box=None, pad_edge=False, show_header=False)
    for style in ("dim", None, "dim", None):
        grid.add_column(style=style)
    for left, right in zip(entries[::2], entries[1::2], strict=True):
        grid.add_row(*left, *right)
    return grid
