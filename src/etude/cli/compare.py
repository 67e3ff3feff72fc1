"""``etude compare``: run a task under several schedules, and rank them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from etude.cli.answer import show_answer
from etude.cli.console import new_console
from etude.cli.plan_options import default_folder, plan_of, plan_options
from etude.record import open_store
from etude.study import compare as driver
from etude.study.engine import LocalEngine
from etude.texts import shown

__all__ = ["command"]


@click.command("compare")
@plan_options
@click.option("--workers", type=click.IntRange(1), help="Worker processes; one for each core if not given.")
def command(store_path: Path, out: Path | None, workers: int | None, **options: Any) -> None:
    """Run a task under several schedules, and rank them.

    TASK is digits, digits-clean, fashion-mnist, or your own: path/to/file.py:name.

    Every run is recorded as it goes. Ctrl-C stops, and the same command goes on from there.

    \b
    etude compare digits
    etude compare digits -s "Rex()" --only cosine --seeds 3
    """
    plan = plan_of(**options)
    console = new_console()
    for line in plan.warnings():
        console.print(line, style="yellow", markup=False)
    with open_store(store_path) as store:
        for record in store.mark_interrupted():
            again = "; it is run again" if record.key.task == plan.identity else ""
            console.print(f"Run {record.id} ({record.label}) was broken off{again}.", style="yellow")
        comparison = driver.Comparison(plan, store, options["task"], options["device"])
        engine = LocalEngine(workers)
        stopped = False
        try:
            with _shown(console) as on_progress:
                comparison.run(engine, on_progress)
        except KeyboardInterrupt:
            stopped = True
        finally:
            engine.close()
        # The runs that were under way, and those of workers that died.
        store.mark_interrupted()
        if stopped:
            kept = len(comparison.finished())
            console.print(f"Stopped. {kept} finished runs are kept; the same command goes on from there.")
            sys.exit(130)
        failures = Counter((outcome.job.label, outcome.error) for outcome in comparison.failures)
        for (label, error), count in failures.items():
            runs = "A run" if count == 1 else f"{count} runs"
            console.print(f"{runs} of {label} failed: {error}", style="red")
        show_answer(comparison, out or default_folder(plan), console)
        if comparison.failures:
            sys.exit(1)


@contextmanager
def _shown(console: Console) -> Iterator[Any]:
    """Show the progress while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[leader]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        entry = bar.add_task("runs", total=None, leader="")

        def on_progress(progress: driver.Progress) -> None:
            leader = "starting workers" if progress.leader is None else f"leads: {shown(progress.leader)}"
            bar.update(entry, completed=progress.done, total=progress.total, leader=leader)

        yield on_progress
