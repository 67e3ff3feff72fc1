"""What a benchmark gives: rows of a number beside another, printed as a table, kept as JSON and Markdown."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

__all__ = ["Row", "main"]

PEERS = ("torch", "numpy", "optax", "jax", "transformers", "timm", "lrsched")
COLUMNS = ("what", "case", "beside", "ours", "theirs", "ratio", "bound", "met")
LEFT = ("what", "case", "beside", "met")


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        what: what of ours was measured.
        case: in which setting.
        beside: what stands beside it.
        ours, theirs: the two measurements; None where one cannot be made.
        unit: theirs and ours.
        bound: what must not be exceeded, by the ratio ours / theirs, or with ``absolute`` by ours.
        absolute: whether the bound is on ours itself.
        note: what else must be known to read the row.
    """

    what: str
    case: str
    beside: str
    ours: float
    theirs: float | None
    unit: str
    bound: float | None = None
    absolute: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours as a multiple of theirs."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def measured(self) -> float | None:
        """The number that the bound is for."""
        return self.ours if self.absolute else self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the bound holds; None where there is none."""
        if self.bound is None or self.measured is None:
            return None
        return self.measured <= self.bound

    def as_json(self) -> dict[str, Any]:
        """The fields, and what follows from them."""
        return asdict(self) | {"ratio": self.ratio, "measured": self.measured, "met": self.met}

    def cells(self) -> tuple[str, ...]:
        """What stands in the columns of a table."""
        return (
            self.what,
            self.case,
            self.beside,
            _with_unit(self.ours, self.unit),
            "–" if self.theirs is None else _with_unit(self.theirs, self.unit),
            "–" if self.ratio is None else f"{self.ratio:.3g}",
            "" if self.bound is None else f"{'' if self.absolute else '× '}{self.bound:g}",
            {True: "yes", False: "NO", None: ""}[self.met],
        )


def main(about: str | None, sections: Sequence[tuple[str, Callable[..., list[Row]]]]) -> None:
    """Run the sections, print their tables and keep them.

    Args:
        about: what the script says of itself.
        sections: the title of each, and the function that measures it.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few steps: to see that it runs, not how fast")
    parser.add_argument(
        "--json",
        type=Path,
        help="a file for the rows, or a folder, in which it is named by date and machine; "
        "a table in Markdown goes beside it",
    )
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    console = Console()
    console.width = max(console.width, 150)
    found: dict[str, list[Row]] = {}
    for title, rows in sections:
        found[title] = rows(quick=arguments.quick)
        console.print(_grid(title, found[title]))
    bounded = [row for rows in found.values() for row in rows if row.met is not None]
    missed = [row for row in bounded if not row.met]
    console.print(f"{len(bounded) - len(missed)} of {len(bounded)} bounds met")
    if arguments.json is not None:
        machine = _machine() | {"load_at_start": round(load, 2), "quick": arguments.quick}
        path = _path(arguments.json, machine)
        sections_json = {title: [row.as_json() for row in rows] for title, rows in found.items()}
        path.write_text(
            json.dumps({"machine": machine, "sections": sections_json}, indent=1, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
        path.with_suffix(".md").write_text(_markdown(machine, found), encoding="utf-8")
        console.print(f"written to {path} and {path.with_suffix('.md').name}")


def _with_unit(value: float, unit: str) -> str:
    if unit == "count":
        return f"{value:.0f}"
    number = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{number} {unit}"


def _grid(title: str, rows: list[Row]) -> Grid:
    grid = Grid(title=title, box=None, padding=(0, 2, 0, 0), title_justify="left")
    for column in COLUMNS:
        grid.add_column(column, justify="left" if column in LEFT else "right", no_wrap=True)
    for row in rows:
        grid.add_row(*row.cells(), style="red" if row.met is False else None)
    return grid


def _machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    found = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }
    return found | {name: version(name) for name in PEERS}


def _cpu() -> str:
    """The processor's name: the kernel's where it tells one."""
    info = Path("/proc/cpuinfo")
    named = info.exists() and re.search(
        r"^model name\s*: (.+)$", info.read_text(encoding="utf-8"), re.MULTILINE
    )
    return named[1].strip() if named else platform.processor() or platform.machine()


def _path(given: Path, machine: dict[str, Any]) -> Path:
    if not given.is_dir():
        return given
    name = re.sub(r"\W+", "-", f"{machine['cpu']} {machine['cores']} cores").strip("-").lower()
    return given / f"{machine['date']}-{name}.json"


def _markdown(machine: dict[str, Any], found: dict[str, list[Row]]) -> str:
    versions = ", ".join(f"{name} {machine[name]}" for name in PEERS)
    lines = [
        f"# Benchmarks, {machine['date']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        f"{versions}. Load at the start: {machine['load_at_start']}.",
        "",
        "`ratio` is ours as a multiple of theirs; a bound with × is on the ratio, one without it on ours.",
    ]
    for title, rows in found.items():
        lines += ["", f"## {title}", "", _line(COLUMNS)]
        lines.append(_line(":--" if column in LEFT else "--:" for column in COLUMNS))
        lines += [_line(row.cells()) for row in rows]
        notes = dict.fromkeys(row.note for row in rows if row.note)
        lines += ["", *(f"- {note}" for note in notes)] if notes else []
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit("this module only reports; run `make bench`, or one of the benchmarks beside it")
