"""``etude catalogue``: every schedule by its name, and what each does."""

from __future__ import annotations

import inspect
import re
import textwrap

import click
from rich.console import Console
from rich.table import Table as Grid

from etude import plots
from etude.cli.console import new_console, paragraphs
from etude.errors import SpecError
from etude.names import nearest
from etude.schedules import Schedule
from etude.spec import CATALOGUE, parse
from etude.spec.catalogue import FAMILIES
from etude.spec.examples import EXAMPLES, HORIZON

__all__ = ["command"]


@click.command("catalogue")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List every schedule; with a NAME, tell its formula and parameters, and draw an example.

    \b
    etude catalogue one_cycle
    """
    console = new_console()
    if name is None:
        _list(console)
        return
    if name not in CATALOGUE:
        raise SpecError(f"there is no schedule called {name!r}{nearest(name, [*CATALOGUE])}")
    width = min(max(console.width, 40), 100)
    console.print(_signature(name))
    console.print(paragraphs(f"\n{_text(name, width)}\n"))
    table = parse(EXAMPLES[name], Schedule).on(HORIZON)
    # As it is written, where a recipe would be drawn under all that it is made of.
    chart = table.chart(title=EXAMPLES[name])
    console.print(paragraphs(plots.to_text(chart, width=width)))


def _list(console: Console) -> None:
    """Every name with its first line, in its group."""
    for heading, names in FAMILIES.items():
        grid = Grid(box=None, pad_edge=False, show_header=False)
        grid.add_column(min_width=max(map(len, CATALOGUE)), style="bold", no_wrap=True)
        grid.add_column()
        for name in names:
            grid.add_row(name, _plain(inspect.getdoc(CATALOGUE[name]) or "").partition("\n")[0])
        console.print()
        console.print(f"{heading}:", style="dim")
        console.print(grid)


def _signature(name: str) -> str:
    signature = inspect.signature(CATALOGUE[name])
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return name + str(signature.replace(parameters=bare, return_annotation=signature.empty))


def _text(name: str, width: int) -> str:
    """What the docstring says, without its doctests; and what all of its kind take."""
    made = CATALOGUE[name]
    paragraphs = (inspect.getdoc(made) or "").split("\n\n")
    if inspect.isclass(made):
        _, shared, rest = (inspect.getdoc(inspect.getmodule(made)) or "").partition("All of them take\n\n")
        if shared:
            own = next((i for i, text in enumerate(paragraphs) if text.startswith("Args:")), 1)
            paragraphs.insert(own + 1, "Like all of its kind it takes\n" + rest.split("\n\n")[0])
    return "\n\n".join(_told(_plain(text), width) for text in paragraphs if not text.startswith(">>>"))


def _told(paragraph: str, width: int) -> str:
    """A paragraph, wrapped; the items of a list each for itself."""
    first, *items = re.split(r"\n(?=- |    \S)", paragraph)
    indent = "" if first.startswith("- ") else "  "
    lines = [textwrap.fill(" ".join(first.split()), width, subsequent_indent="" if indent else "  ")]
    for item in items:
        text = " ".join(item.split())
        lines.append(textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent + "  "))
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace("``", "")
