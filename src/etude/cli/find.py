"""``etude find``: the range test of a task, what it suggests, and the commands that follow."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from etude import plots
from etude.cli.console import new_console, paragraphs
from etude.errors import ScheduleError
from etude.finder import RangeTest, Suggestion
from etude.study.find import Update, find
from etude.study.task import find_task

__all__ = ["command"]


@click.command("find")
@click.argument("task")
@click.option("--start", type=float, default=1e-6, show_default=True, help="The first rate.")
@click.option("--stop", type=float, default=10.0, show_default=True, help="The last rate.")
@click.option("--steps", type=int, default=200, show_default=True, help="Updates from the first to the last.")
@click.option("--repeats", type=int, default=3, show_default=True, help="How often, each from a new seed.")
@click.option("--device", default="cpu", show_default=True, help="Where to train.")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw it to a .png, .svg or .pdf.",
)
def command(task: str, plot: Path | None, **options: Any) -> None:
    """Find the rates to train a task with, by a range test.

    TASK is digits, digits-clean, fashion-mnist, or your own: path/to/file.py:name. It is trained, and its
    rate raised from update to update until its loss diverges; nothing of that is kept.

    \b
    etude find digits
    etude find path/to/file.py:mine --repeats 1 --plot mine.png
    """
    trained = find_task(task)
    if plot is not None:
        plots.check_path(plot)  # now, not after a sweep of minutes
    console = new_console()
    try:
        with _shown(console) as on_update:
            found = find(trained, on_update=on_update, **options)
    except KeyboardInterrupt:
        console.print("Stopped. Nothing is kept of a range test that has not ended.")
        sys.exit(130)
    chart = found.chart()
    if trained.about:
        console.print(paragraphs(f"{trained.about}\n"))
    console.print(paragraphs(plots.to_text(chart, width=min(max(console.width, 40), 100))))
    for why in dict.fromkeys(filter(None, found.curve.ended)):
        console.print(f"Ended early: {why}.", style="dim")
    console.print()
    console.print(_answers(found))
    _next(console, found, task)
    if plot is not None:
        plots.save(chart, plot)
        console.print(f"Drawn to {plot}", soft_wrap=True)


@contextmanager
def _shown(console: Console) -> Iterator[Any]:
    """Show the progress while the block runs."""
    columns = (
        TextColumn("updates"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[seen]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        entry = bar.add_task("updates", total=None, seen="")

        def on_update(update: Update) -> None:
            seen = f"lr {update.rate:.2g}, loss {update.loss:.3g}"
            bar.update(entry, completed=update.done, total=update.total, seen=seen)

        yield on_update


def _answers(found: RangeTest) -> Grid:
    """What each rule suggests, or why it has no answer."""
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "rate", "interval"):
        grid.add_column(name, justify="left" if name == "rule" else "right", no_wrap=True)
    grid.add_column("because")
    for answer in found.suggestions.values():
        if isinstance(answer, Suggestion):
            interval = f"{answer.low:.2g} to {answer.high:.2g}"
            grid.add_row(answer.name, f"{answer.value:.3g}", interval, answer.reason)
        else:
            grid.add_row(answer.name, "none", "", answer.reason, style="dim")
    return grid


def _next(console: Console, found: RangeTest, task: str) -> None:
    """The schedules that follow, and the command that tries the rates."""
    try:
        plans = found.plans()
    except ScheduleError as error:
        console.print(paragraphs(f"\n{error}"), style="yellow")
        return
    console.print()
    console.print("The next schedules:", style="bold")
    for plan in plans.values():
        console.print(f"  {plan}", soft_wrap=True)
    rates = [found.suggestions[name] for name in ("fixed", "peak")]
    peaks = ",".join(f"{rate.value:.3g}" for rate in rates if isinstance(rate, Suggestion))
    if peaks:
        console.print("Run one beside a fixed rate, at the rates that were found:", style="bold")
        console.print(f"  etude compare {task} --only one-cycle --peaks {peaks}", soft_wrap=True)
