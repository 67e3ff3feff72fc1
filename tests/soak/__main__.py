"""Try very many random cases against what is known of them: ``python -m tests.soak``, ``make soak``.

Prints a table, and a script for each fault; the exit status is 1 where there was one.
"""

from __future__ import annotations

import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from etude.files import write_whole
from tests.soak import compositions, edges, kills, programs, texts
from tests.soak.tally import OutOfTimeError, Tally

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "soak.md"
SHOWN = 20
"""Faults of a part that are printed; the table counts them all."""

Run: TypeAlias = Callable[[Tally, int, int], None]
PARTS: dict[str, tuple[Run, int]] = {
    "compositions": (compositions.run, 10_000),
    "programs": (programs.run, 10_000),
    "texts": (texts.run, 1_000_000),
    "edges": (edges.run, 30_000),
    "kills": (kills.run_training, 100),
    "comparisons": (kills.run_comparison, 40),
}
"""Name, which is also its option → the part, and how many cases it tries."""


def table(tallies: list[Tally], seed: int, note: str) -> str:
    """The results in Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("etude", "torch", "numpy"))
    rows = [
        f"| {tally.part} | {tally.tried:,} | {_more(tally)} | {len(tally.found.faults):,} | "
        f"{_kinds(tally)} | {tally.seconds:,.0f} |"
        for tally in tallies
    ]
    return "\n".join(
        [
            "# Soak",
            "",
            f"Seed {seed}; {versions}, Python {platform.python_version()}, {platform.system()}.{note}",
            "",
            "| part | cases | of which, and more | faults | kinds | seconds |",
            "| :-- | --: | :-- | --: | :-- | --: |",
            *rows,
            "",
        ]
    )


def _more(tally: Tally) -> str:
    counted = [f"{count:,} {name}" for name, count in sorted(tally.found.counted.items())]
    return ", ".join(counted + [f"at most {value:,.3g} {name}" for name, value in tally.found.most.items()])


def _kinds(tally: Tally) -> str:
    kinds = Counter(fault.kind for fault in tally.found.faults)
    return ", ".join(f"{kind}: {count:,}" for kind, count in kinds.most_common())


def run_part(name: str, run: Run, count: int, seed: int, ends: float, console: Console) -> Tally:
    """Run one part behind a bar; KeyboardInterrupt and OutOfTimeError leave what it has done on the tally."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tally = Tally(name)
    began = time.monotonic()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=count)

        def show(done: int) -> None:
            bar.update(task, completed=done)
            if time.monotonic() > ends:
                raise OutOfTimeError

        tally.show = show
        try:
            run(tally, count, seed)
        except OutOfTimeError:
            pass
        except KeyboardInterrupt:
            tally.interrupted = True
    tally.seconds = time.monotonic() - began
    return tally


def options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each part: how many cases it tries; 0 leaves it out."""
    for name, (_, count) in reversed(PARTS.items()):
        command = click.option(f"--{name}", default=count, show_default=True, help="Cases; 0 for none.")(
            command
        )
    return command


@click.command(help=__doc__)
@options
@click.option("--seed", default=0, show_default=True, help="Of everything that is random.")
@click.option("--minutes", default=180.0, show_default=True, help="Stop after these, wherever it is.")
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)), help="Leave out all other parts.")
def main(seed: int, minutes: float, only: tuple[str, ...], **counts: int) -> None:
    """Run the parts, print the table and write it down."""
    console = Console(stderr=True)
    ends = time.monotonic() + 60 * minutes
    tallies: list[Tally] = []
    for name, (run, _) in PARTS.items():
        if counts[name] and (name in only or not only):
            tallies.append(run_part(name, run, counts[name], seed, ends, console))
            if tallies[-1].interrupted:
                break
    asked = sum(counts[tally.part] for tally in tallies)
    whole = len(tallies) == len(PARTS) and sum(tally.tried for tally in tallies) >= asked
    text = table(tallies, seed, "" if whole else " Not all of it was run.")
    faults = [(tally.part, fault) for tally in tallies for fault in tally.found.faults]
    for tally in tallies:
        for fault in tally.found.faults[:SHOWN]:
            print(f"# {tally.part}: {fault.kind}\n{fault.script}\n")
    print(text)
    write_whole(RESULTS, text.encode())
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
