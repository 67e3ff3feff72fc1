"""Docstrings as the reference shows them."""

from __future__ import annotations

import re
from inspect import signature
from typing import Any

import catalogue
import griffe

from etude import CATALOGUE

__all__ = ["Docstrings"]


class Docstrings(griffe.Extension):
    """Docstrings as Markdown: examples as blocks of code, and the arguments that all of a module take."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Rewrite the docstring of what was read."""
        if not obj.is_alias and obj.docstring:
            text = obj.docstring.value
            if obj.is_class and obj.name in CATALOGUE:
                text = _with_shared(CATALOGUE[obj.name], text)
            obj.docstring.value = "\n\n".join(map(_block, re.split(r"\n\s*\n", text)))


def _with_shared(made: Any, text: str) -> str:
    """The docstring of a class with the arguments that the docstring of its module explains."""
    taken = signature(made).parameters.keys() - catalogue.read(text).arguments.keys()
    lines = [f"    {name}: {what}\n" for name, what in catalogue.shared(made).items() if name in taken]
    head, args, rest = text.partition("\n\nArgs:\n")
    if not args:  # before the examples
        head, begin, rest = text.partition("\n\n>>>")
        rest = begin + rest
    return f"{head}\n\nArgs:\n{''.join(lines)}{rest}" if lines else text


def _block(paragraph: str) -> str:
    # What is more than a number is no quotation.
    paragraph = re.sub(r"^(\s+\w+: )>", r"\1\\>", paragraph, flags=re.MULTILINE)
    if paragraph.lstrip().startswith(">>>"):
        return f"```pycon\n{paragraph}\n```"
    return paragraph
