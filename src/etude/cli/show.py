"""``etude show``: a schedule in the terminal, as a picture, and in facts."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table as Grid

from etude import plots
from etude.durations import Horizon
from etude.errors import HorizonError
from etude.spec import parse
from etude.tables import Facts, PhaseRow, Table

__all__ = ["command"]

MOST_PHASES = 12


@click.command("show")
@click.argument("expression")
@click.option(
    "--horizon", "total", metavar="LENGTH", help="Length of the run: 10000 (steps), 90ep, 2e9tok, ..."
)
@click.option("--steps-per-epoch", type=float, help="Optimizer updates in one epoch.")
@click.option("--samples-per-step", type=float, help="Samples in one update, over all processes.")
@click.option("--tokens-per-step", type=float, help="Tokens in one update, over all processes.")
@click.option("--base", type=float, default=1.0, show_default=True, help="The optimizer's own rate, BASE.")
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
    etude show "sgdr('10ep', 2)" --horizon 70ep --steps-per-epoch 391 --base 0.1
    """
    horizon = Horizon(
        steps_per_epoch, total, samples_per_step=samples_per_step, tokens_per_step=tokens_per_step
    )
    table = parse(expression).on(horizon)
    if total is None and table.length is None:
        raise HorizonError(f"{table.text} never ends; say how long the run is, such as --horizon 1000")
    facts = table.facts(base)
    chart = table.chart(base)
    for output in outputs:
        plots.save(chart, output)
    console = Console(highlight=False)
    console.print(plots.to_text(chart, width=min(max(console.width, 40), 100)), markup=False)
    console.print(f"\n{horizon}", markup=False)
    console.print(_phases(table, base))
    console.print(_facts(facts))
    console.print(facts.verdict, markup=False)
    for finding in table.check():
        console.print(
            str(finding), markup=False, style={"error": "red", "warning": "yellow"}.get(finding.severity)
        )
    for output in outputs:
        console.print(f"Drawn to {output}", markup=False)


def _phases(table: Table, base: float) -> Grid:
    """The phases, with the rates they begin and end with."""
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for name in ("phase", "from step", "to", "first lr", "last lr"):
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
        # The last whole step before the stop.
        last = max(-int(-stop // 1) - 1, 0)
        name = phase.name if phase.cycle is None else f"{phase.name} (cycle {phase.cycle})"
        values = table([min(phase.start, last), last], base)
        grid.add_row(name, f"{phase.start:,g}", f"{stop:,g}", *(f"{value:.6g}" for value in values))
    if more:
        grid.add_row("...", "", "", "", "")
    return grid


def _facts(facts: Facts) -> Grid:
    """The facts, two to a line."""
    sums = "" if facts.exact else " (estimated)"
    entries = [
        ("first", f"{facts.first:.6g}"),
        ("last", f"{facts.last:.6g}"),
        ("peak", f"{facts.peak:.6g} at step {facts.peak_step:,}"),
        ("floor", f"{facts.floor:.6g} at step {facts.floor_step:,}"),
        ("mean", f"{facts.mean:.6g}{sums}"),
        ("jumps", f"{len(facts.jumps):,}"),
        ("Σ lr", f"{facts.area:.6g}{sums}"),
        ("Σ lr²", f"{facts.area_of_squares:.6g}{sums}"),
    ]
    grid = Grid(box=None, pad_edge=False, show_header=False)
    for style in ("dim", None, "dim", None):
        grid.add_column(style=style)
    for left, right in zip(entries[::2], entries[1::2], strict=True):
        grid.add_row(*left, *right)
    return grid
