"""A page of each entry of the catalogue, made of what its docstring says."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from etude import CATALOGUE, Plateau
from etude.schedules.algebra import Sequence
from etude.tables import Table

__all__ = ["Entry", "arguments", "page", "path", "read", "shared"]

_FORMULA = re.compile(r"^\w[\w']*(\([\w, ]+\)|_\w+)?\s*=\s")
_SECTIONS = ("Args", "Returns", "Raises", "Source", "Elsewhere")
_KINDS = {
    "LevelLike": "level",
    "LevelLike | None": "level",
    "DurationLike": "length",
    "DurationLike | None": "length",
    "float | Fraction | str": "ratio",
    "float | Fraction | str | None": "ratio",
    "Sequence[DurationLike]": "lengths",
    "Sequence[float]": "numbers",
    "float": "number",
    "float | None": "number",
    "int": "whole number",
    "int | None": "whole number",
    "bool": "yes or no",
    "str": "name",
}


# By the module that defines an entry: the heading that it stands under, in the gallery's order.
@dataclass
class Entry:
    """What a docstring says, by its parts; texts are Markdown."""

    summary: str
    body: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)


def read(text: str) -> Entry:
    """Take a docstring apart."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    entry = Entry(_markdown(" ".join(paragraphs[0].split())))
    for paragraph in paragraphs[1:]:
        head = paragraph.partition(":")[0]
        if paragraph.startswith(">>>"):
            entry.examples.append(paragraph)
        elif head == "Args":
            entry.arguments.update(_arguments(paragraph.partition("\n")[2]))
        elif head in _SECTIONS:
            body = paragraph.partition(":")[2]
            entry.sections[head] = _markdown(" ".join(body.split()))
        else:
            entry.body += _body(paragraph)
    return entry


def _body(paragraph: str) -> Iterator[str]:
    """Prose as prose and formulas as formulas; a formula may end a paragraph of prose."""
    if paragraph.startswith("- "):
        yield _markdown(paragraph)
        return
    lines = paragraph.splitlines()
    at = next(
        (i for i, line in enumerate(lines) if _FORMULA.match(line) or line.startswith("  ")), len(lines)
    )
    if at:
        yield _markdown(" ".join(" ".join(lines[:at]).split()))
    if lines[at:]:
        yield _fenced(textwrap.dedent("\n".join(lines[at:])).replace("``", ""))


def arguments(made: Any, entry: Entry) -> dict[str, str]:
    """What is said of each argument, by the entry itself or for all of its module."""
    return shared(made) | entry.arguments


def _arguments(text: str) -> dict[str, str]:
    """``name: text`` by name, where what follows on further lines is indented."""
    found: dict[str, str] = {}
    for item in re.split(r"\n(?=\S)", textwrap.dedent(text).strip()):
        names, _, body = item.partition(":")
        for name in names.split(","):
            found[name.strip()] = _markdown(" ".join(body.split()))
    return found


def _markdown(text: str) -> str:
    """Literals in single backticks, and arXiv numbers as links."""
    text = re.sub(r"``(.+?)``", r"`\1`", text)
    return re.sub(r"arXiv[: ](\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def path(name: str) -> str:
    """Where an entry's page is, without its ending.

    Cosine and cosine are two entries: a folder for each kind keeps them apart where case does not count.
    """
    return f"{'recipes' if '.recipes.' in CATALOGUE[name].__module__ else 'parts'}/{name}"


def page(name: str, expression: str, table: Table, picture: str) -> str:
    """The Markdown page of one entry."""
    made = CATALOGUE[name]
    entry = read(inspect.getdoc(made) or "")
    parts = [
        f"---\ntitle: {name}\n---",
        f"# `{name}`",
        entry.summary,
        *entry.body,
        picture,
        _fenced(expression, "python"),
        "" if inspect.isclass(made) else _composition(table),
        "## Parameters",
        _fenced(_signature(name)),
        _parameters(made, entry),
        *(f"**Raises** {entry.sections[key]}" for key in ("Raises",) if key in entry.sections),
        "## Ends",
        _ends(table),
    ]
    if entry.examples:
        parts += ["## Example", *(_fenced(example, "pycon") for example in entry.examples)]
    for section, heading in (("Elsewhere", "Elsewhere"), ("Source", "Source")):
        if section in entry.sections:
            parts += [f"## {heading}", entry.sections[section]]
    return "\n\n".join(part for part in parts if part) + "\n"


def _fenced(code: str, language: str = "text") -> str:
    return f"```{language}\n{code}\n```"


def _composition(table: Table) -> str:
    """What a recipe is made of."""
    text = repr(table.schedule)
    if len(text) > 84 and isinstance(table.schedule, Sequence):
        text = "\n>> ".join(map(repr, table.schedule.parts))
    return "is, written out,\n\n" + _fenced(text, "python")


def _signature(name: str) -> str:
    signature = inspect.signature(CATALOGUE[name])
    bare = signature.replace(
        return_annotation=inspect.Signature.empty,
        parameters=[
            each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()
        ],
    )
    text = f"{name}{bare}"
    if len(text) <= 80:
        return text
    inside = "".join(f"\n    {each}," for each in str(bare)[1:-1].split(", "))
    return f"{name}({inside}\n)"


def _parameters(made: Any, entry: Entry) -> str:
    told = arguments(made, entry)
    rows = ["| name | is a | default | |", "|---|---|---|---|"]
    for each in inspect.signature(made).parameters.values():
        kind = _KINDS.get(str(each.annotation), "name" if isinstance(each.default, str) else "")
        default = "" if each.default is each.empty else f"`{each.default!r}`"
        text = told.get(each.name, "")
        cells = (f"`{each.name}`", kind, default, text)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) if len(rows) > 2 else ""


def shared(made: Any) -> dict[str, str]:
    """What the docstring of a module says of all its classes, for a class and its parents."""
    told: dict[str, str] = {}
    for kind in reversed(inspect.getmro(made) if inspect.isclass(made) else ()):
        _, _, after = (inspect.getdoc(inspect.getmodule(kind)) or "").partition("All of them take\n\n")
        told |= _arguments(after.split("\n\n")[0]) if after else {}
    return told


def _ends(table: Table) -> str:
    """The first, highest, lowest and last values of the example, and its jumps."""
    if isinstance(table.schedule, Plateau):
        return "It starts at 1. The picture is of a metric that never gets better, observed once an epoch."
    facts = table.facts()
    rows = [
        ("first update", f"{facts.first:.6g}"),
        ("peak", f"{facts.peak:.6g} at step {facts.peak_step:,}"),
        ("floor", f"{facts.floor:.6g} at step {facts.floor_step:,}"),
        ("last update", f"{facts.last:.6g} at step {facts.steps - 1:,}"),
        ("past the end", f"{table(2 * facts.steps):.6g} at step {2 * facts.steps:,}"),
        ("jumps", str(len(facts.jumps or ()))),
    ]
    listed = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"| of the example, with `BASE` = 1 | |\n|---|---|\n{listed}\n\n{facts.verdict}"
