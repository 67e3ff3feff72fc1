"""The report of a comparison: one HTML file that needs nothing else, and its pictures as files."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path

import jinja2

from etude import plots
from etude.errors import StoreError
from etude.files import write_whole
from etude.study import charts, words
from etude.study.arms import FIXED
from etude.study.compare import Comparison
from etude.study.rank import Ranking
from etude.texts import shown

__all__ = ["write_report"]


def write_report(comparison: Comparison, ranking: Ranking, folder: Path) -> Path:
    """Write ``report.html`` and its pictures, ``rates.png``, ``by_update.png``, ``by_budget.png``.

    Args:
        comparison: what was run.
        ranking: its answer.
        folder: where to; made if it is not there.

    Returns:
        the path of the report.

    Raises:
        StoreError: where the folder or a file cannot be written.
    """
    plan = comparison.plan
    pictures = {
        "by_budget": charts.by_budget(ranking, plan),
        "by_update": charts.by_update(ranking, plan, comparison.store),
        "rates": charts.rates(plan),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the report's folder {folder} cannot be made: {error.strerror}") from error
    images = {}
    for name, chart in pictures.items():
        picture = plots.save(chart, folder / f"{name}.png", width=8.0, height=4.2)
        images[chart.title] = base64.b64encode(picture.read_bytes()).decode()
    finished = comparison.finished()
    versions = {f"{name} {version}" for record in finished for name, version in record.versions.items()}
    template = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_finalized
    ).from_string(resources.files("etude.study").joinpath("report.html").read_text(encoding="utf-8"))
    page = template.render(
        title=f"Learning-rate schedules on {plan.task.name}",
        about=plan.task.about,
        verdict=words.verdict(ranking, plan),
        columns=words.columns(plan.task),
        fixed=FIXED,
        lines=words.lines(ranking, plan),
        caveats=words.caveats(ranking, plan),
        images=images,
        arms=[(arm.label, repr(arm.schedule)) for arm in plan.arms],
        runs=f"{len(finished):,} of {plan.size:,} runs",
        versions=", ".join(sorted(versions)),
    )
    return write_whole(folder / "report.html", page.encode())


def _finalized(value: object) -> object:
    return shown(value, lines=True) if isinstance(value, str) else value
