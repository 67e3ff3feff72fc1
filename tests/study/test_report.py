"""The report: one file that needs nothing else, and the pictures beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import etude as et
from etude.errors import StoreError
from etude.record import SqliteStore, open_store
from etude.study import Arm
from etude.study.compare import Comparison
from etude.study.rank import Ranking
from etude.study.report import write_report

from .synthetic import COSINE, FIXED, plan_of, records_of

PNG = b"\x89PNG\r\n\x1a\n"
VOID = {"meta", "img", "br"}
ODD = Arm("<b>\"&amp;'</b> {{ 7 * 7 }}", et.linear())
PICTURES = ["by_budget.png", "by_update.png", "rates.png"]


class Page(HTMLParser):
    """What is on a page: elements that are closed in order, texts by element, and whatever it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.classes: list[str] = []
        self.sources: list[str] = []
        self.styles = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.sources += [values[name] or "" for name in ("src", "href", "srcset", "action") if name in values]
        if tag == "tr":
            self.classes.append(values.get("class") or "")
        if tag not in VOID:
            self.open.append(tag)
        assert tag not in {"script", "link", "iframe", "object"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.styles += data
        elif data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]


def score(label: str, seed: int) -> float:
    return {"fixed": 0.7, "cosine": 0.8}.get(label, 0.6) + seed / 1000 * (1 + len(label))


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Comparison, Ranking]]:
    plan = plan_of(FIXED, COSINE, ODD, budgets=(100, 400), peaks=(0.1,), seeds=3)
    plan = replace(plan, task=replace(plan.task, about="What <line> & side."))
    with open_store(tmp_path_factory.mktemp("store") / "runs.sqlite") as store:
        for record in records_of(plan, lambda label, _, __, seed: (0.5, score(label, seed))).values():
            run_id = store.start(record.key, label=record.label, fingerprint="", versions={"etude": "0.1.0"})
            store.finish(run_id, record.results)
        comparison = Comparison(plan, store, "made up")
        ranking = comparison.ranking()
        assert ranking is not None
        yield comparison, ranking


@pytest.fixture(scope="module")
def folder(compared: tuple[Comparison, Ranking], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "new" / "report"
    assert write_report(*compared, folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_pictures_lie_beside_the_report_and_nothing_else(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [*PICTURES, "report.html"]
    for name in PICTURES:
        assert (folder / name).read_bytes().startswith(PNG)


def test_the_report_needs_nothing_else(folder: Path, page: Page) -> None:
    prefix = "data:image/png;base64,"
    assert all(source.startswith(prefix) for source in page.sources)
    inside = [base64.b64decode(source.removeprefix(prefix)) for source in page.sources]
    assert inside == [(folder / name).read_bytes() for name in PICTURES]
    assert "url(" not in page.styles
    assert "@import" not in page.styles
    assert "http" not in (folder / "report.html").read_text(encoding="utf-8")


def test_the_report_has_the_answer(page: Page) -> None:
    assert page.all("h1") == ["Learning-rate schedules on made up"]
    assert page.all("title") == page.all("h1")
    assert any("ends ahead of the tuned fixed rate on made up" in text for text in page.all("p"))
    assert page.all("th") == ["schedule", "peak", "test % ± se", "vs fixed [95 %]", "updates", "Σ lr"]
    assert len(page.all("td")) == 3 * 6
    assert page.all("td")[0] == "cosine"
    assert page.classes == ["", "ahead", "fixed", "behind"]
    assert "Constant(BASE)" in page.all("code")
    assert "18 of 18 runs; etude 0.1.0." in page.all("p")


def test_names_are_shown_as_they_are(page: Page) -> None:
    assert "What <line> & side." in page.all("p")
    assert ODD.label in page.all("dt")
    assert ODD.label in page.all("td")


def test_the_same_runs_give_the_same_report(
    compared: tuple[Comparison, Ranking], folder: Path, tmp_path: Path
) -> None:
    write_report(*compared, tmp_path)

    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_a_report_replaces_the_old_one_whole(
    compared: tuple[Comparison, Ranking], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")

    with (tmp_path / "report.html").open() as old:
        write_report(*compared, tmp_path)
        # A reader of the old file goes on reading that.
        assert old.read() == "old"

    assert (tmp_path / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *PICTURES[:2],
        "mine.txt",
        "rates.png",
        "report.html",
    ]


def test_a_folder_that_cannot_be_made_is_told(compared: tuple[Comparison, Ranking], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(
        StoreError, match=r"the report's folder .*file/report cannot be made: Not a directory"
    ):
        write_report(*compared, tmp_path / "file" / "report")


def test_a_report_that_cannot_be_written_is_told(
    compared: tuple[Comparison, Ranking], tmp_path: Path
) -> None:
    (tmp_path / "report.html").mkdir()

    with pytest.raises(StoreError, match=r"cannot save '.*report\.html': Is a directory"):
        write_report(*compared, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [*PICTURES, "report.html"]


def test_diverged_runs_and_missing_ones_have_a_report(store: SqliteStore, tmp_path: Path) -> None:
    plan = plan_of(FIXED, COSINE, ODD, budgets=(100,), peaks=(0.1,), seeds=2)
    for record in records_of(plan, lambda *_: (0.5, float("-inf"))).values():
        if record.label != ODD.label:
            run_id = store.start(record.key, label=record.label, fingerprint="", versions={"etude": "0.1.0"})
            store.finish(run_id, record.results)
    comparison = Comparison(plan, store, "made up")
    ranking = comparison.ranking()
    assert ranking is not None

    path = write_report(comparison, ranking, tmp_path / "report")

    page = Page(path.read_text(encoding="utf-8"))
    assert any(text.startswith("The fixed rate itself diverged on made up") for text in page.all("p"))
    assert "diverged" in page.all("td")
    assert any("1 of the 3 pairs" in text for text in page.all("li"))
    assert "4 of 6 runs; etude 0.1.0." in page.all("p")
