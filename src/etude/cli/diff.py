"""``etude diff``: where two schedules differ, in numbers and in a picture."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.table import Table as Grid

from etude import plots
from etude.cli.console import new_console, paragraphs
from etude.cli.horizon_options import HINT, base_option, horizon_of, horizon_options, table_of
from etude.cli.imports import typed
from etude.differences import Differences, Place, differences
from etude.errors import HorizonError
from etude.schedules import Schedule

__all__ = ["command"]

MOST_STRETCHES = 12


@click.command("diff")
@click.argument("first")
@click.argument("second")
@horizon_options
@base_option
@click.option(
    "--close",
    type=float,
    default=1e-12,
    show_default=True,
    help="What relative difference is none; 0 for digits.",
)
@click.option(
    "--plot",
    "outputs",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw both to a .png, .svg or .pdf; may be given several times.",
)
def command(
    first: str,
    second: str,
    total: str | None,
    steps_per_epoch: float | None,
    samples_per_step: float | None,
    tokens_per_step: float | None,
    base: float,
    close: float,
    outputs: tuple[Path, ...],
) -> None:
    """Tell where two schedules differ; exit status 0 where they are equal at every step, else 1.

    \b
    etude diff "cosine()" "linear()" --horizon 1000
    """
    horizon = horizon_of(total, steps_per_epoch, samples_per_step, tokens_per_step)
    tables = [table_of(typed(text, Schedule), horizon) for text in (first, second)]
    try:
        found = differences(tables[0], tables[1], base, close=close)
    except HorizonError as error:
        raise HorizonError(f"{error}{HINT}") from None
    for output in outputs:
        plots.save(found.chart, output)
    console = new_console()
    console.print(paragraphs(plots.to_text(found.chart, width=min(max(console.width, 40), 100))))
    console.print()
    console.print(_verdict(found))
    if not found.equal:
        console.print(_places(found))
    for output in outputs:
        console.print(f"Drawn to {output}", soft_wrap=True)
    sys.exit(0 if found.equal else 1)


def _verdict(found: Differences) -> str:
    verdict = "Equal at every step."
    if not found.equal:
        share = found.differing / found.compared
        verdict = f"They differ at {found.differing:,} of {found.compared:,} steps ({share:.1%})."
    if not found.exact:
        verdict += (
            f" The run is long: {found.compared:,} of its {found.steps:,} steps were compared, evenly spaced "
            f"and on both sides of every boundary."
        )
    return verdict


def _places(found: Differences) -> Grid:
    """The first and the largest difference, then the stretches of steps that differ."""
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for name in ("", "from step", "to", "most at", "first", "second", "difference"):
        grid.add_column(name, justify="left" if not name else "right")
    for name, place in (("first", found.first), ("largest", found.largest)):
        if place is not None:
            grid.add_row(name, "", "", f"{place.step:,}", *_values(place))
    for stretch in found.stretches[:MOST_STRETCHES]:
        largest = stretch.largest
        grid.add_row(
            "differ", f"{stretch.start:,}", f"{stretch.stop:,}", f"{largest.step:,}", *_values(largest)
        )
    if len(found.stretches) > MOST_STRETCHES:
        grid.add_row(f"... {len(found.stretches) - MOST_STRETCHES:,} more")
    return grid


def _values(place: Place) -> tuple[str, str, str]:
    first, second = f"{place.first:.6g}", f"{place.second:.6g}"
    if first == second:  # they differ farther behind
        first, second = repr(place.first), repr(place.second)
    return first, second, f"{place.second - place.first:+.3g}"
