"""What the tables of the documentation show is what comes out.

Under ``<!-- rows -->`` each row of a table has an expression in its first cell, and in its second what comes
of it: ``repr(value)``, under ``<!-- rows: name -->`` what ``name(value)`` of the page gives, and after
"refused:" the message of the error. What the last cell says to write is accepted.
"""

from __future__ import annotations

import doctest
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docs.hooks.blocks import Page, find_blocks

ROOT = Path(__file__).parents[2]
_TABLE = re.compile(r"^<!-- rows(?:: (?P<how>\w+))? -->\n\n?(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_REFUSED = ("refused:", "拒绝：")
_LENIENT = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PAGES = [
    path for path in sorted((ROOT / "docs").rglob("*.md")) if _TABLE.search(path.read_text(encoding="utf-8"))
]


@dataclass(frozen=True)
class Row:
    """A row: what is written, what it gives, whether that is an error, and what to write instead."""

    line: int
    how: str
    written: str
    shown: str
    refused: bool
    instead: tuple[str, ...]


def rows_of(text: str) -> Iterator[Row]:
    for table in _TABLE.finditer(text):
        first = text.count("\n", 0, table.start("rows")) + 1
        for line, row in enumerate(table["rows"].splitlines()[2:], first + 2):
            written, shown, *more = row.strip("| ").split(" | ")
            codes = [cell for cell in _CODE.findall(" ".join(more)) if re.match(r"et\.\w|Scheduler\(", cell)]
            (code,), (result,) = _CODE.findall(written), _CODE.findall(shown)
            yield Row(line, table["how"] or "repr", code, result, shown.startswith(_REFUSED), tuple(codes))


def wrong_in(name: str, text: str) -> list[str]:
    """The rows that show something else than what comes out, once the page's blocks have run."""
    page = Page(name)
    for block in find_blocks(text):
        if block.kind == "python":
            page.run(block)
    told = []
    for row in rows_of(text):
        how: Callable[[Any], object] = eval(row.how, page.names)
        refused, given = _given(row.written, how, page)
        same = doctest.OutputChecker().check_output(row.shown + "\n", given + "\n", _LENIENT)
        if refused != row.refused or not same:
            told.append(f"{name}:{row.line}: {row.written}\n  shown: {row.shown}\n  given: {given}")
        for code in row.instead:
            refused, given = _given(code, repr, page)
            if refused:
                told.append(f"{name}:{row.line}: {code} is what to write, and is refused: {given}")
    return told


def _given(code: str, how: Callable[[Any], object], page: Page) -> tuple[bool, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the checker says of a run is no part of a row
        try:
            value = eval(code, page.names)
            return False, str(how(value))
        except Exception as error:
            return True, str(error)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_row_gives_what_it_shows(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "\n".join(wrong_in(path.relative_to(ROOT).as_posix(), text)) == ""


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.parent.name == "zh"], ids=lambda path: path.name
)
def test_a_translation_has_the_rows_of_its_original(path: Path) -> None:
    def rows(page: Path) -> list[tuple[object, ...]]:
        found = rows_of(page.read_text(encoding="utf-8"))
        return [(row.how, row.written, row.shown, row.refused, row.instead) for row in found]

    assert rows(path) == rows(ROOT / "docs" / path.name)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("| `1 + 1` | `3` | |", "a page:5: 1 + 1\n  shown: 3\n  given: 2"),
        ("| `1 + 1` | refused: `2` | |", "a page:5: 1 + 1\n  shown: 2\n  given: 2"),
        ("| `1 / 0` | `division by zero` | |", "given: division by zero"),
        ("| `1 / 0` | refused: `a zero` | |", "shown: a zero\n  given: division by zero"),
        (
            "| `1 / 0` | refused: `division by zero` | write `et.x` |",
            "et.x is what to write, and is refused: name",
        ),
    ],
    ids=["value", "no error", "an error", "another error", "what to write"],
)
def test_a_row_that_shows_something_else_is_told(row: str, message: str) -> None:
    (told,) = wrong_in("a page", f"<!-- rows -->\n\n| a | b | c |\n|---|---|---|\n{row}\n")

    assert message in told


def test_right_rows_are_not_told() -> None:
    block = "<!-- python\ntwo = 2\n\n\ndef twice(x):\n    return 2 * x\n-->\n\n"
    rows = "| `two` | `4` | |\n| `two / 0` | refused: `division ... zero` | write `two` |\n"

    assert wrong_in("a page", f"{block}<!-- rows: twice -->\n\n| a | b | c |\n|---|---|---|\n{rows}") == []
