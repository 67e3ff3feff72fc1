"""``etude report``: rank what is in the store, or tell of one run, without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etude.cli.answer import show_answer
from etude.cli.console import new_console
from etude.cli.imports import allow_imports_option
from etude.cli.plan_options import default_folder, plan_of, plan_options
from etude.cli.stores import STORE, Address, find_run, is_run, open_existing
from etude.errors import StoreError
from etude.replay import Recorded, recall, write_page
from etude.replay.explain import sentence
from etude.spec.document import Functions
from etude.study.compare import Comparison

__all__ = ["command"]


@click.command("report")
@plan_options
@allow_imports_option
def command(task: str, store_path: Address, out: Path | None, custom: Functions, **options: Any) -> None:
    """Rank the runs of a comparison that are in the store, or write the page of one run.

    Takes the options of `etude compare`, and runs nothing. Instead of a task, a run's number or last writes
    run-NUMBER.html, which needs nothing else: its pictures, what made its rates, what was measured.

    \b
    etude report digits
    etude report 7
    """
    with open_existing(store_path, f"etude compare {'TASK' if is_run(task) else task}") as store:
        if is_run(task):
            _refuse_options(click.get_current_context())
            run = recall(store, find_run(store, task), custom=custom)
            path = _page(run, out or STORE.parent)
            console = new_console()
            if run.unread:
                console.print(sentence(run.unread), style="yellow")
            console.print(f"Report: {path.resolve()}", soft_wrap=True)
            return
        plan = plan_of(task, **options)
        comparison = Comparison(plan, store, task, options["device"])
        show_answer(comparison, out or default_folder(plan), new_console())


def _page(run: Recorded, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the report's folder {folder} cannot be made: {error.strerror}") from error
    return write_page(run, folder / f"run-{run.record.id}.html")


def _refuse_options(context: click.Context) -> None:
    """Refuse what says which comparison is meant, where a run is."""
    given = [
        name
        for name in context.params
        if name not in ("task", "store_path", "out", "custom")
        and context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    if given:
        raise click.UsageError(
            f"--{given[0]} is of a comparison; the page of a run takes --store, --out and "
            f"--allow-imports alone"
        )
