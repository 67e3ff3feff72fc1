"""Texts of others where a person reads them: nothing in them moves a cursor, hides or turns words round."""

from __future__ import annotations

import unicodedata

__all__ = ["shown"]

# They join letters of many scripts, and the parts of an emoji.
_JOINERS = "\u200c\u200d"


def shown(text: str, *, lines: bool = False) -> str:
    """Return a text with an escape, as Python writes it, for each character that is no mark on the page.

    Those are control characters, the terminal's ESC among them, line breaks, what reorders text, and halves
    of characters. A text of other people (a run's name, an error's words) goes through here before a
    terminal, a log or a page shows it.

    Args:
        text: any text.
        lines: leave its line breaks.

    >>> shown("\\x1b[31mred\\r\\n")
    '\\\\x1b[31mred\\\\r\\\\n'
    >>> shown("学 é\\n", lines=True)
    '学 é\\n'
    """
    if text.isprintable():
        return text
    return "".join(one if _is_mark(one) or (lines and one == "\n") else repr(one)[1:-1] for one in text)


def _is_mark(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
