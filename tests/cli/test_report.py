"""``etude report``: the answer from the store alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

import etude as et
from etude.record import open_store
from etude.study import choose_arms, find_task
from etude.study.plan import Plan
from tests.replay import trained
from tests.study import training

from .terminal import etude, fits


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(training.__file__, tmp_path / "tasks.py"))


def record(store_path: str, *labels: str) -> None:
    """Record made-up runs of the comparison of these schedules: all that any choice may ask for."""
    task = find_task("tasks.py:quick")
    plan = Plan.of(task, choose_arms(labels), seeds=3)
    with open_store(store_path) as store:
        for cell in plan.cells():
            for peak in plan.peaks:
                for seed in range(plan.seeds):
                    run_id = store.start(
                        plan.key(cell, peak, seed), label=cell.arm.label, fingerprint="", versions={}
                    )
                    gain = 0.1 if cell.arm.label == "cosine" else 0.0
                    score = 0.5 + gain + cell.budget / 100 + (seed + gain) ** 2 / 1000
                    store.finish(run_id, {"validation": -peak, "test": score})


def test_the_answer_is_told_without_running_anything(tasks: Path) -> None:
    record("etude-study/runs.sqlite", "cosine")

    said = etude("report", "tasks.py:quick", "--only", "cosine")

    assert said.status == 0
    assert fits(said)
    assert [line.split() for line in said.lines[1:3]] == [
        ["cosine", "≤0.03", "80.19", "±", "0.13", "+10.02", "[+9.97,", "+10.07]", "≤", "50", "%", "0.315"],
        ["fixed", "≤0.03", "70.17", "±", "0.12", "—", "100", "%", "0.6"],
    ]
    text = " ".join(said.text.split())
    assert "cosine (+10.02 points) ends ahead of the tuned fixed rate on quick, over 3 seeds of 20" in text
    assert (tasks.parent / "etude-study" / "quick" / "report.html").exists()
    with open_store("etude-study/runs.sqlite") as store:
        assert len(store.runs()) == 2 * 2 * 2 * 3


def test_what_has_not_finished_is_told(tasks: Path) -> None:
    record("mine.sqlite", "fixed")

    said = etude("report", "tasks.py:quick", "--only", "cosine", "--store", "mine.sqlite", "--out", "mine")

    assert said.status == 0
    text = " ".join(said.text.split())
    assert "Only the fixed rate has been run on quick, over 3 seeds of 20 updates." in text
    assert (
        "2 of the 4 pairs of a schedule and a length have not finished; their schedules are left out." in text
    )
    assert (tasks.parent / "mine" / "report.html").exists()


def test_there_is_no_answer_before_the_fixed_rate_has_finished(tasks: Path) -> None:
    record("mine.sqlite", "cosine")

    said = etude("report", "tasks.py:quick", "--only", "cosine", "--store", "mine.sqlite", "--seeds", "4")

    assert (said.status, said.text) == (1, "")
    assert said.refusal.startswith(
        "there is no answer yet: the fixed rate, which the others are compared with"
    )
    assert said.refusal.endswith("`etude compare` with the same options goes on")
    assert not (tasks.parent / "etude-study").exists()


def test_there_must_be_a_store(tasks: Path) -> None:
    said = etude("report", "tasks.py:quick")

    assert (said.status, said.text) == (1, "")
    assert said.refusal == (
        "there is no store at etude-study/runs.sqlite; `etude compare tasks.py:quick` makes one"
    )
    assert not (tasks.parent / "etude-study").exists()


def test_the_page_of_a_run_needs_nothing_else(tmp_path: Path) -> None:
    plan = et.sgdr("5ep") * et.Plateau("loss")
    with open_store(tmp_path / "runs.sqlite") as store:
        trained.record(store, plan, range(0, 1000, 10), label="<b>&")

    said = etude("report", "1", "--store", tmp_path / "runs.sqlite", "--out", tmp_path / "pages")

    path = tmp_path / "pages" / "run-1.html"
    assert (said.status, said.text) == (0, f"Report: {path}\n")
    page = ElementTree.fromstring(_as_xml(path.read_text(encoding="utf-8")))
    text = " ".join("".join(page.itertext()).split())
    assert "run 1: <b>& on made up, seed 0" in text
    assert "Finished, 1,000 of 1,000 updates; started 20" in text
    titles = [title.text for title in page.iterfind(f"body/figure/{SVG}svg/{SVG}title")]
    assert titles == ["The learning rate", "loss", "Against the rate at which it was measured"]
    assert [item.text and item.text.split(" of run")[0] for item in page.iterfind("body/ul/li")] == [
        "Update 0 (epoch 0)",
        "Update 990 (epoch 9.9)",
    ]
    assert "Plateau('loss') had not changed it." in text
    assert "body: 0.1, head: 0.2" in text
    # Nothing is fetched, and nothing runs.
    assert not re.search(
        r"<(script|link|img|iframe)|src=|href=|@import|url\(", path.read_text(encoding="utf-8")
    )


def test_the_page_of_a_failed_run_says_why(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.sqlite") as store:
        run = store.start(trained.key_of(et.cosine()), label="mine", fingerprint="", versions={})
        store.fail(run, "Traceback\n  ValueError: loss < 0")

    etude("report", "last", "--store", tmp_path / "runs.sqlite", "--out", tmp_path)

    text = (tmp_path / "run-1.html").read_text(encoding="utf-8")
    assert "Traceback\n  ValueError: loss &lt; 0" in text
    assert "The run has no readings." in text


def test_a_run_takes_no_options_of_a_comparison(tmp_path: Path) -> None:
    said = etude("report", "1", "--seeds", "3", "--store", tmp_path / "runs.sqlite")

    assert said.refusal.startswith("there is no store at ")
    with open_store(tmp_path / "runs.sqlite") as store:
        trained.record(store, et.cosine(), [0])
    said = etude("report", "1", "--seeds", "3", "--store", tmp_path / "runs.sqlite")
    assert said.status == 2
    assert "--seeds is of a comparison; the page of a run takes --store, --out and" in said.text
    assert etude("report", "2", "--store", tmp_path / "runs.sqlite").refusal.startswith(
        "there is no run 2 in "
    )


def _as_xml(html: str) -> str:
    """The page's own tags that HTML leaves open, closed."""
    html = re.sub(r"<(meta|br)\b([^>]*)>", r"<\1\2/>", html)
    return html.removeprefix("<!doctype html>\n")


SVG = "{http://www.w3.org/2000/svg}"
