"""``etude runs``: what is in the store."""

from __future__ import annotations

from collections import Counter

import click
from rich.table import Table as Grid

from etude.cli.console import new_console, paragraphs
from etude.cli.stores import Address, open_existing, store_option
from etude.errors import StoreError
from etude.names import nearest
from etude.record import RunRecord, Status

__all__ = ["command"]


@click.command("runs")
@click.option("--task", help="Only the runs of this task.")
@click.option("--failed", is_flag=True, help="The failed runs, each with its traceback.")
@click.option("--all", "every", is_flag=True, help="Every run, a line each.")
@store_option
def command(task: str | None, failed: bool, every: bool, store_path: Address) -> None:
    """List the runs in the store: how many of each task and schedule, and what is unfinished."""
    console = new_console()
    with open_existing(store_path) as store:
        store.mark_interrupted()
        # A task's name in the store ends with a digest of its source.
        records = store.runs()
    if task is not None:
        tasks = list(dict.fromkeys(_name(record) for record in records))
        records = [record for record in records if task in (record.key.task, _name(record))]
        if not records:
            there = f"there are runs of {', '.join(map(repr, tasks))}" if tasks else "there are none at all"
            raise StoreError(f"the store has no runs of {task!r}; {there}{nearest(task, tasks)}")
    if failed:
        records = [record for record in records if record.status == "failed"]
        for record in records:
            console.print(f"Run {record.id}: {_describe(record)}", style="bold")
            console.print(paragraphs(record.error or ""))
    else:
        for name in dict.fromkeys(record.key.task for record in records):
            own = [record for record in records if record.key.task == name]
            console.print(_each(name, own) if every else _counts(name, own))
    runs = "run" if len(records) == 1 else "runs"
    console.print(f"{len(records):,} {'failed ' if failed else ''}{runs} in {store_path}")


def _name(record: RunRecord) -> str:
    return record.key.task.partition("@")[0]


def _describe(record: RunRecord) -> str:
    key = record.key
    peak = "" if key.peak is None else f", peak {key.peak:g}"
    return f"{key.task}, {record.label}{peak}, {key.budget:,} updates, seed {key.seed}"


def _counts(task: str, records: list[RunRecord]) -> Grid:
    grid = Grid(title=task, title_justify="left")
    statuses: tuple[Status, ...] = ("finished", "running", "interrupted", "failed")
    for name in ("schedule", *statuses):
        grid.add_column(name, justify="right" if name in statuses else "left", overflow="fold")
    counts = Counter((record.label, record.status) for record in records)
    for label in dict.fromkeys(record.label for record in records):
        found = [counts[label, status] for status in statuses]
        grid.add_row(label, *(f"{count:,}" if count else "" for count in found))
    return grid


def _each(task: str, records: list[RunRecord]) -> Grid:
    grid = Grid(title=task, title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    scores = list(dict.fromkeys(name for record in records for name in record.results))
    for name in ("id", "schedule", "peak", "updates", "seed", "status", *scores):
        words = name in ("schedule", "status")
        grid.add_column(
            name, justify="left" if words else "right", no_wrap=name != "schedule", overflow="fold"
        )
    for record in records:
        key = record.key
        grid.add_row(
            str(record.id),
            record.label,
            "" if key.peak is None else f"{key.peak:g}",
            f"{key.budget:,}",
            str(key.seed),
            record.status,
            *(f"{record.results[name]:.5g}" if name in record.results else "" for name in scores),
        )
    return grid
