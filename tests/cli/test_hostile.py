"""A store that somebody hostile has made: what is in it is shown, and nothing that it names is imported."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import etude as et
from etude.durations import Horizon
from etude.planned import Planned, RunPlan
from etude.record import RunKey, open_store
from etude.study import choose_arms, find_task
from etude.study.plan import Plan
from tests.replay import trained
from tests.study import training

from .terminal import Said, etude

PLAN = "Custom('hostile:rate', over=1000)"
OVERRIDE = "lr: Custom('hostile:rate') on Horizon(total=1000)"
TOLD = "This plan names a function, hostile:rate, which is not imported from data."


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there once the module has been imported, which everything here could import."""
    (tmp_path / "hostile.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('imported').touch()\ndef rate(step): return 0.1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "imported"
    sys.modules.pop("hostile", None)


@pytest.fixture(params=["its key names it", "its plan names it", "its readings name it"])
def store(tmp_path: Path, trace: Path, request: pytest.FixtureRequest) -> Path:
    """A run that names the function in one of the places where a store has schedules."""
    del trace
    where = str(request.param)
    kept = Planned("lr", PLAN, "0" * 16, {"body": 0.1, "head": 0.2})
    readings = trained.train(et.cosine(), [0, 3, 999])
    with open_store(tmp_path / "theirs.sqlite") as opened:
        run = opened.start(
            RunKey("theirs@0", PLAN if "key" in where else "Cosine(over='100%')", 0.1, 1000, 0),
            label=PLAN,
            fingerprint="",
            versions={},
            plan=RunPlan(0, Horizon(total=1000), (kept,)) if "plan" in where else None,
        )
        opened.append(
            run, [replace(one, override=OVERRIDE if "readings" in where else "") for one in readings]
        )
        opened.finish(run, {"loss": 0.5})
    return tmp_path / "theirs.sqlite"


def words(said: Said) -> str:
    assert said.refusal == ""
    return " ".join(said.text.split())


def test_c1_explain_says_what_is_not_imported(store: Path, trace: Path) -> None:
    text = words(etude("explain", "1", "3", "--store", store))

    assert text.startswith(
        "Update 3 (epoch 0.03) of run 1 used the learning rate 0.0999978 for the group 'body'"
    )
    assert TOLD in text
    assert "learning rate of head 0.199996 loss 1.94175" in text  # and all the rest
    assert not trace.exists()


def test_c1_report_says_what_is_not_imported(store: Path, trace: Path) -> None:
    said = etude("report", "1", "--store", store, "--out", store.parent)

    assert TOLD in words(said)
    page = (store.parent / "run-1.html").read_text(encoding="utf-8")
    assert TOLD in page
    assert page.count("<figure>") == 3  # the rates, the loss, and one against the other
    assert not trace.exists()


def test_c1_watch_says_what_is_not_imported(store: Path, trace: Path) -> None:
    said = etude("watch", "1", "--store", store)

    assert said.lines[0] == TOLD
    assert said.lines[1].startswith("1,000 of 1,000 updates (100%)")
    assert not trace.exists()


def test_c1_runs_lists_it_as_text(store: Path, trace: Path) -> None:
    for options in ([], ["--all"], ["--failed"]):
        said = etude("runs", *options, "--store", store)
        assert said.status == 0
        assert ("hostile:rate" in said.text) == (options != ["--failed"])
    assert not trace.exists()


@pytest.mark.parametrize("verb", ["explain", "report", "watch"])
def test_c1_whoever_trusts_a_store_says_so(verb: str, store: Path, trace: Path) -> None:
    more = {"explain": ["3"], "report": ["--out", store.parent], "watch": []}[verb]

    said = etude(verb, "1", *more, "--store", store, "--allow-imports")

    assert said.status == 0
    assert TOLD not in words(said)
    assert trace.exists() == (verb != "watch")  # which draws the plan on a terminal, and this is none


def test_c1_a_comparison_runs_none_of_what_others_have_recorded(tmp_path: Path, trace: Path) -> None:
    shutil.copy(training.__file__, tmp_path / "tasks.py")
    plan = Plan.of(find_task("tasks.py:quick"), choose_arms(["fixed"]), seeds=1)
    with open_store("runs.sqlite") as opened:
        for _, key in plan.tuning():
            for schedule, label in ((key.schedule, "fixed"), (PLAN, PLAN)):
                run = opened.start(replace(key, schedule=schedule), label=label, fingerprint="", versions={})
                opened.append(run, [replace(trained.train(et.cosine(), [0])[0], override=OVERRIDE)])
                opened.finish(run, {"validation": 0.5, "test": 0.5})

    options = ("tasks.py:quick", "--only", "fixed", "--seeds", "1", "--store", "runs.sqlite")
    for said in (etude("compare", *options, "--workers", "1"), etude("report", *options)):
        assert said.status == 0
        assert "fixed" in words(said)
    assert not trace.exists()


def test_c1_the_folder_that_one_is_in_is_not_searched_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(tmp_path))])

    assert etude("show", "cosine()", "--horizon", "10").status == 0
    assert str(tmp_path) not in sys.path
    assert etude("show", "Custom('math:exp', over=2)").status == 0
    assert sys.path[-1] == str(tmp_path)
