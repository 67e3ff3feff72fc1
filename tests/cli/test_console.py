"""The terminal, and a store that was made by somebody hostile."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.table import Table as Grid

import etude as et
from etude.cli import cli
from etude.cli.console import new_console, paragraphs
from etude.planned import Planned, RunPlan
from etude.readings import Reading
from etude.record import RunKey, open_store

from .terminal import WIDTH, etude

EVIL = (
    "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\u202etxt.exe\u2066\nRun 9 (real) finished.\u2028"
    "<script>alert(1)</script>[red]red[/red][link=https://evil.example]here[/link]"
)
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it, or what reorders a text; but for the line break."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs in every status, with all of their texts evil."""
    monkeypatch.chdir(tmp_path)
    text = f"Custom({EVIL!r}, over=10)"
    for path, schedule, plan in (
        ("runs.sqlite", EVIL, None),
        ("planned.sqlite", text, RunPlan(0, et.Horizon(total=10), (Planned("lr", text, EVIL, {EVIL: 0.1}),))),
        ("cosine.sqlite", "Cosine(over='100%')", None),
    ):
        with open_store(path) as opened:
            for status in ("finished", "failed", "interrupted"):
                run = opened.start(
                    RunKey(EVIL, schedule, 0.1, 10, 0),
                    label=EVIL,
                    fingerprint=EVIL,
                    versions={EVIL: EVIL},
                    plan=plan,
                )
                opened.append(
                    run,
                    [
                        Reading(
                            step,
                            {EVIL: 0.1 - step / 100, "body": 0.2},
                            EVIL,
                            {EVIL: 1.0 + step},
                            {EVIL: {EVIL: 0.9}},
                            factors={EVIL: 0.5},
                            override=f"lr: {EVIL}" if step > 5 else "",
                        )
                        for step in range(10)
                    ],
                )
                if status == "finished":
                    opened.finish(run, {EVIL: 0.5})
                elif status == "failed":
                    opened.fail(run, f"Traceback (most recent call last):\n  here\nValueError: {EVIL}")
                else:
                    opened.interrupt(run)
    return "runs.sqlite"


@pytest.mark.parametrize("store_path", ["runs.sqlite", "planned.sqlite", "cosine.sqlite"])
@pytest.mark.parametrize(
    "command",
    [
        ["runs"],
        ["runs", "--all"],
        ["runs", "--failed"],
        ["explain", "1", "3"],
        ["explain", "1", "7", "--group", "body"],
        ["explain", "1", "7", "--group", "nobody"],
        ["watch", "1"],
        ["watch", "2"],
        ["watch", "3"],
        ["report", "1"],
        ["report", "2"],
    ],
    ids=" ".join,
)
def test_c2_nothing_of_a_hostile_store_is_obeyed(store: str, store_path: str, command: list[str]) -> None:
    said = etude(*command, "--store", store_path)

    told = said.text + said.refusal
    assert said.text or said.refusal
    assert not OBEYED.search(told)
    # A traceback has lines; in all else a line that somebody has put into a name stands in its own.
    if "--failed" not in command:
        assert not any(line.startswith("Run 9") for line in told.splitlines())


def test_c2_a_hostile_run_that_is_watched_on_a_terminal(store: str) -> None:
    runner = CliRunner(env={"COLUMNS": str(WIDTH), "LINES": "40", "FORCE_COLOR": "1", "TERM": "xterm"})

    said = runner.invoke(cli, ["watch", "1", "--store", store]).output

    assert "\x1b[" in said  # of our own
    coloured = re.sub(r"\x1b\[[0-9;?]*[mKAhl]", "", said).replace("\r", "")
    assert not OBEYED.search(coloured)
    assert not any(line.startswith("Run 9") for line in coloured.splitlines())


@pytest.mark.parametrize("store_path", ["runs.sqlite", "planned.sqlite", "cosine.sqlite"])
def test_c2_the_page_of_a_hostile_run_shows_it_all_and_runs_nothing(store: str, store_path: str) -> None:
    assert etude("report", "2", "--store", store_path, "--out", ".").status == 0

    page = Path("run-2.html").read_text()
    assert "<script" not in page
    assert not OBEYED.search(page)
    assert r"\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\u202etxt.exe" in unescape(page)


def test_c2_a_line_is_a_line_and_what_has_several_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    console = new_console()
    grid = Grid("one\ntwo", title="ti\x1btle")
    grid.add_row("three\rfour")
    console.print("five\nsix [red]seven[/red] :smile:")
    console.print(paragraphs("eight\nnine\x1b"))
    console.print(grid)

    said = capsys.readouterr().out
    assert said.splitlines()[:3] == [r"five\nsix [red]seven[/red] :smile:", "eight", r"nine\x1b"]
    for text in (r"one\ntwo", r"ti\x1btle", r"three\rfour"):
        assert text in said
    assert not OBEYED.search(said)
