"""A recorded run as one page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from etude import plots
from etude.files import write_whole
from etude.replay.charts import loss_against_rate, metrics, rates
from etude.replay.explain import explain, sentence
from etude.replay.recorded import Recorded
from etude.texts import shown

__all__ = ["write_page"]

# So many metrics get a picture each.
MOST_PICTURES = 6


def write_page(run: Recorded, path: Path) -> Path:
    """Write a run's page: its pictures, what made its rates, and what it came to, in one HTML file.

    Args:
        run: the run.
        path: the file; its folder must be there.

    Returns:
        the path.

    Raises:
        StoreError: where it cannot be written.
    """
    template = resources.files("etude.replay").joinpath("page.html").read_text(encoding="utf-8")
    page = Template(template).substitute(
        title=_escaped(run.name),
        about=_escaped(_about(run)),
        pictures="\n".join(f"<figure>{plots.to_svg(chart, 860, 320)}</figure>" for chart in _charts(run)),
        sentences="".join(f"<li>{_escaped(sentence)}</li>" for sentence in _sentences(run)),
        findings=_findings(run),
        results=_table(_results(run)),
        facts=_table(_facts(run)),
    )
    return write_whole(path, page.encode())


def _about(run: Recorded) -> str:
    record = run.record
    done = f"{run.done:,} of {record.key.budget:,} updates"
    text = f"{record.status.capitalize()}, {done}; started {record.started[:19].replace('T', ' ')} UTC"
    if record.ended is not None:
        seconds = (
            datetime.fromisoformat(record.ended) - datetime.fromisoformat(record.started)
        ).total_seconds()
        text += f", took {_duration(seconds)}"
    return text + "."


def _charts(run: Recorded) -> Iterator[plots.Chart]:
    if not run.groups:
        return
    yield rates(run, title="The learning rate")
    for name in run.metrics[:MOST_PICTURES]:
        yield metrics(run, name, title=name)
    # A fixed rate would make it one upright line.
    if run.metrics and np.ptp(run.rates(run.groups[0])[1]) > 0:
        yield loss_against_rate(run, title="Against the rate at which it was measured")


def _sentences(run: Recorded) -> Iterator[str]:
    """What made the first, the highest and the last rate that were recorded."""
    if not run.readings:
        yield "The run has no readings."
        return
    steps, used = run.rates(run.groups[0]) if run.groups else (run.steps, run.steps)
    told = {int(steps[0]), int(steps[used.argmax()]), int(steps[-1])}
    for step in sorted(told):
        yield explain(run, step).sentence


def _findings(run: Recorded) -> str:
    table = run.table(run.first)
    if table is None and run.unread:
        return f"<p>{_escaped(sentence(run.unread))}</p>"
    if table is None:
        return "<p>The schedule could not be read back, so that it was not checked.</p>"
    found = table.check(run.bases.get(run.first) if run.groups else run.record.key.peak)
    if not found:
        return "<p>The checker has nothing to say about the schedule on this run.</p>"
    return "".join(f"<p>{_escaped(str(finding))}</p>" for finding in found)


def _results(run: Recorded) -> Iterator[tuple[str, str]]:
    for name, value in run.record.results.items():
        yield name, f"{value:.6g}"
    for name in run.metrics:
        steps, values = run.metric(name)
        finite = values[[math.isfinite(value) for value in values.tolist()]]
        text = f"last {values[-1]:.6g} at update {int(steps[-1]):,}"
        if finite.size:
            text += f"; lowest {finite.min():.6g}, highest {finite.max():.6g}"
        yield name, text
    if run.record.error:
        yield "error", run.record.error


def _facts(run: Recorded) -> Iterator[tuple[str, str]]:
    record, key = run.record, run.record.key
    if record.plan is None:
        yield "schedule", key.schedule
    else:
        for planned in record.plan.schedules:
            yield f"{planned.of} of {', '.join(planned.bases)}", planned.schedule
    yield "horizon", str(run.horizon)
    yield "base rates", ", ".join(f"{name}: {base:.6g}" for name, base in run.bases.items()) or "not known"
    if key.task:
        yield "task", key.task
    yield "seed", str(key.seed)
    yield "schedule's fingerprint", record.fingerprint
    yield "versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())
    yield "process", f"{record.process.pid} on {record.process.host}"


def _escaped(text: str) -> str:
    return escape(shown(text, lines=True))


def _table(rows: Iterator[tuple[str, str]]) -> str:
    cells = (f"<tr><th>{_escaped(name)}</th><td>{_escaped(text)}</td></tr>" for name, text in rows)
    return f"<table>{''.join(cells)}</table>"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
