"""``etude watch``: a run that is under way, in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from etude import plots
from etude.cli.console import new_console
from etude.cli.imports import allow_imports_option
from etude.cli.stores import Address, find_run, open_existing, run_argument, store_option
from etude.readings import Reading
from etude.record import RunRecord, Store
from etude.record.process import is_gone
from etude.replay import Recorded, metrics, rates
from etude.replay.explain import sentence
from etude.replay.recorded import put_in_order
from etude.spec.document import Functions
from etude.texts import shown

__all__ = ["command"]

WIDEST = 100
# Titles, ticks and legends around the two plots, in lines.
FURNITURE = 20


@click.command("watch")
@run_argument
@click.option(
    "--every",
    type=click.FloatRange(0.1),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@allow_imports_option
@store_option
def command(run: str, every: float, custom: Functions, store_path: Address) -> None:
    """Follow a run that is under way, until it ends.

    RUN is its number, as `etude runs --all` lists it, or last. The exit status is 0 where it finishes, and 1
    where it fails or is broken off. Ctrl-C leaves; the run goes on.
    """
    console = new_console()
    with open_existing(store_path) as store:
        followed = _Followed(store, find_run(store, run), custom)
        try:
            with _shown(console) as show:
                while True:
                    news = followed.look()
                    show(followed, news)
                    if followed.ended:
                        break
                    time.sleep(every)
        except KeyboardInterrupt:
            console.print(f"Run {followed.record.id} goes on; it is at update {followed.run.done:,}.")
            sys.exit(130)
    console.print(_end(followed))
    sys.exit(0 if followed.record.status == "finished" else 1)


@dataclass
class _Followed:
    """A run and what has been seen of it; only what is new is read, and put in its place."""

    store: Store
    id: int
    custom: Functions
    seen: int = 0
    readings: list[Reading] = field(default_factory=list)

    def look(self) -> list[Reading]:
        """Return what is new."""
        # The record first: what a run records before it ends is then seen when its end is.
        self.record: RunRecord = self.store.run(self.id)
        self.broken_off = self.record.status == "running" and is_gone(self.record.process)
        news = self.store.readings(self.id, self.seen)
        self.seen += len(news)
        put_in_order(self.readings, news)
        self.run = Recorded(self.record, self.readings, self.custom)
        return news

    @property
    def ended(self) -> bool:
        return self.record.status != "running" or self.broken_off


@contextmanager
def _shown(console: Console) -> Iterator[Any]:
    """Show the run in place on a terminal, and as lines elsewhere."""
    if not console.is_terminal:
        told: set[str] = set()

        def tell(followed: _Followed, news: list[Reading]) -> None:
            for text in {_note(followed)} - told - {""}:
                told.add(text)
                console.print(text, soft_wrap=True)
            if news:
                console.print(_line(followed.record, news[-1]), soft_wrap=True)

        yield tell
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda followed, _: live.update(Text.from_ansi(_picture(followed, console)), refresh=True)


def _picture(followed: _Followed, console: Console) -> str:
    """The rates above the loss, and the last numbers below."""
    run = followed.run
    width = min(max(console.width, 40), WIDEST)
    if not run.readings:
        return f"{shown(run.name)}\nno readings yet"
    height = min(max((console.height - FURNITURE) // 2, 3), 12)
    pictures = [plots.to_text(rates(run), width, height, colour=True)]
    if run.metrics:
        pictures.append(plots.to_text(metrics(run, title=""), width, height, colour=True))
    said = [shown(_line(run.record, run.readings[-1])), shown(_note(followed))]
    return "\n".join([*pictures, *filter(None, said)])


def _note(followed: _Followed) -> str:
    return sentence(followed.run.unread)


def _line(record: RunRecord, reading: Reading) -> str:
    """The last numbers of a run, in one line."""
    done, budget = reading.step + 1, record.key.budget
    values = dict(list(reading.rates.items())[:4])
    told = [
        f"lr {value:.4g}" if len(values) == 1 else f"lr/{name} {value:.4g}" for name, value in values.items()
    ]
    told += [f"{name} {value:.4g}" for name, value in reading.metrics.items()]
    return "  ".join([f"{done:,} of {budget:,} updates ({done / budget:.0%})", reading.phase, *told])


def _end(followed: _Followed) -> str:
    record = followed.record
    name = f"Run {record.id} ({record.label})"
    if followed.broken_off or record.status == "interrupted":
        return f"{name} was broken off at update {followed.run.done:,}."
    if record.status == "failed":
        # The last line of a traceback is what went wrong.
        return f"{name} failed: {(record.error or '').strip().rpartition(chr(10))[2] or 'it left no reason'}"
    results = ", ".join(f"{score} {value:.5g}" for score, value in record.results.items())
    return f"{name} finished{': ' if results else ''}{results}."
