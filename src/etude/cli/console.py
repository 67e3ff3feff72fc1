"""The terminal."""

from __future__ import annotations

from rich.console import Console

__all__ = ["new_console"]


def new_console() -> Console:
    """A console that prints texts as they are: names and expressions may hold brackets and colons."""
    return Console(highlight=False, markup=False, emoji=False)
