"""``etude report``: rank what is in the store, without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from etude.cli.answer import show_answer
from etude.cli.console import new_console
from etude.cli.plan_options import default_folder, plan_of, plan_options
from etude.errors import StoreError
from etude.record import open_store
from etude.study.compare import Comparison

__all__ = ["command"]


@click.command("report")
@plan_options
def command(store_path: Path, out: Path | None, **options: Any) -> None:
    """Rank the runs of a comparison that are in the store.

    Takes the options of `etude compare`, and runs nothing.
    """
    if not store_path.exists():
        raise StoreError(f"there is no store at {store_path}; `etude compare {options['task']}` makes one")
    plan = plan_of(**options)
    with open_store(store_path) as store:
        comparison = Comparison(plan, store, options["task"], options["device"])
        show_answer(comparison, out or default_folder(plan), new_console())
