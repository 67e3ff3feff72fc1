"""Which store and which run are meant, for every command that has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import click

from etude.errors import StoreError
from etude.record import Store, open_store

__all__ = ["STORE", "Address", "find_run", "is_run", "open_existing", "run_argument", "store_option"]

STORE = Path("etude-study/runs.sqlite")

Address: TypeAlias = Path | str
"""A file, or the URL of a server's database."""

LAST = "last"


def _address(_: click.Context, __: click.Parameter, value: str) -> Address:
    """A URL as it is, and anything else as a path that is no folder."""
    if "://" in value:
        return value
    path = Path(value)
    if os.path.isdir(path):  # which takes any path
        raise click.BadParameter(
            f"{value!r} is a folder; give the path of a file, such as {path / STORE.name}"
        )
    return path


store_option = click.option(
    "--store",
    "store_path",
    metavar="PATH|URL",
    default=str(STORE),
    callback=_address,
    show_default=True,
    help="Where runs are recorded: a file, or postgresql://user@host/database.",
)
"""Which store is meant."""

run_argument = click.argument("run")
"""Which run is meant: its number, or ``last``."""


def is_run(text: str) -> bool:
    """Whether a word names a run, as ``find_run`` reads it."""
    return text == LAST or text.isdecimal()


def open_existing(address: Address, make: str = "etude compare TASK") -> Store:
    """Open a store that must be there already.

    Args:
        address: where.
        make: the command that makes one.

    Raises:
        StoreError: there is none, or it cannot be opened.
    """
    if isinstance(address, Path) and not os.path.exists(address):
        raise StoreError(f"there is no store at {address}; `{make}` makes one")
    return open_store(address)


def find_run(store: Store, text: str) -> int:
    """The id of the run that a word names: its number, or ``last`` for the one that was started last.

    Raises:
        StoreError: for another word, an unknown number, or a store without runs.
    """
    if text == LAST:
        runs = store.runs()
        if not runs:
            raise StoreError("the store has no runs yet")
        return runs[-1].id
    if not is_run(text):
        raise StoreError(f"a run is its number, as `etude runs --all` lists it, or last; got {text!r}")
    return store.run(int(text)).id
