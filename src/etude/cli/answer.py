"""The answer of a comparison in the terminal, and where its report is."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from etude.errors import TaskError
from etude.study import words
from etude.study.compare import Comparison
from etude.study.report import write_report

__all__ = ["show_answer"]


def show_answer(comparison: Comparison, folder: Path, console: Console) -> None:
    """Print the table and the verdict, and write the report.

    Raises:
        TaskError: where the fixed rate has not finished.
        StoreError: where the report cannot be written.
    """
    plan = comparison.plan
    ranking = comparison.ranking()
    if ranking is None:
        raise TaskError(
            "there is no answer yet: the fixed rate, which the others are compared with, has not finished; "
            "`etude compare` with the same options goes on"
        )
    console.print(_grid(words.columns(plan.task), words.lines(ranking, plan)))
    console.print()
    console.print(words.verdict(ranking, plan))
    if ranking.missing:
        console.print(words.caveats(ranking, plan)[-1], style="yellow")
    path = write_report(comparison, ranking, folder)
    console.print()
    console.print(f"Report: {path.resolve()}", soft_wrap=True)


def _grid(columns: tuple[str, ...], lines: list[words.Line]) -> Grid:
    # Without lines between the columns, so that it fits a terminal of 80.
    grid = Grid(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        # An expression of the user's own may be long; the numbers stay on one line.
        grid.add_column(name, justify="left" if place == 0 else "right", no_wrap=place > 0, overflow="fold")
    for line in lines:
        grid.add_row(*line.cells, style={1: "green", -1: "red"}.get(line.standing))
    return grid
