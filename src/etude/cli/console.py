"""The terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from etude.texts import shown

__all__ = ["new_console", "paragraphs"]


def new_console() -> Console:
    """A console that prints texts as they are: names and expressions may hold brackets and colons.

    Each is one line, in which whatever is no mark on the page is escaped, for it may come from a store or a
    file; what has several goes through ``paragraphs``.
    """
    return _Console(highlight=False, markup=False, emoji=False)


def paragraphs(text: str, style: str = "") -> Text:
    """A text of several lines, to be printed as such."""
    return Text(shown(text, lines=True), style)


class _Console(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        # All that is printed and is not rich's own comes through here, cells and titles of tables too.
        return super().render_str(shown(text), **options)
