"""``etude runs``: what is in the store, and what is unfinished."""

from __future__ import annotations

from pathlib import Path

import pytest

from etude.record import RunKey, open_store

from .terminal import etude, fits, leave_unfinished

LONG = (
    "0.5 * Cosine(BASE, 0.0, over='100%') + 0.5 * (Rex(BASE, 0.0, over='50%') >> Rex(BASE, 0.0, over='50%'))"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Runs of two tasks in every status."""
    path = tmp_path / "runs.sqlite"
    with open_store(path) as store:

        def start(task: str, label: str, seed: int) -> int:
            key = RunKey(task, "Constant(BASE)", None if label == LONG else 0.03, 1680, seed)
            return store.start(key, label=label, fingerprint="", versions={})

        store.finish(start("mine@01234567", "fixed", 0), {"validation": 0.5, "test": 0.25})
        store.finish(start("mine@01234567", "fixed", 1), {"validation": 0.5, "test": float("-inf")})
        store.fail(start("mine@01234567", LONG, 0), 'Traceback: no [bold]luck[/bold] at ":smile:"')
        start("mine@01234567", "[red]cosine[/red]", 0)
        store.finish(start("mine@89abcdef", "fixed", 0), {"validation": 0.5, "test": 0.5})
    leave_unfinished(path, "fixed")
    return path


def test_runs_are_counted_by_task_schedule_and_status(store: Path) -> None:
    said = etude("runs", "--store", store)

    assert said.status == 0
    assert fits(said)
    assert [line.split("@")[0] for line in said.lines if "@" in line] == ["mine", "mine", "theirs"]
    rows = [line.replace("│", " ").split() for line in said.lines if line.startswith("│")]
    assert [row for row in rows if row[0] == "fixed"] == [["fixed", "2"], ["fixed", "1"], ["fixed", "1"]]
    assert ["[red]cosine[/red]", "1"] in rows
    assert f"6runsin{store}" in "".join(said.text.split())  # wherever the path was broken
    # What was left by a process that is gone is told as interrupted.
    with open_store(store) as opened:
        assert [record.status for record in opened.runs("theirs@01234567")] == ["interrupted"]


@pytest.mark.parametrize(("task", "count"), [("mine", 5), ("mine@89abcdef", 1), ("theirs", 1)])
def test_runs_of_one_task(store: Path, task: str, count: int) -> None:
    said = etude("runs", "--store", store, "--task", task)

    assert f"{count} run{'s' if count != 1 else ''} in" in said.text


def test_e7_runs_of_an_unknown_task_are_refused_with_the_nearest(store: Path) -> None:
    said = etude("runs", "--store", store, "--task", "thiers")

    assert (said.status, said.text) == (1, "")
    assert said.refusal == (
        "the store has no runs of 'thiers'; there are runs of 'mine', 'theirs'; did you mean 'theirs'?"
    )


def test_every_run_is_a_line_of_its_own(store: Path) -> None:
    said = etude("runs", "--store", store, "--all")

    assert fits(said)
    heads = [line.split() for line in said.lines if line.lstrip().startswith("id")]
    assert heads[0] == ["id", "schedule", "peak", "updates", "seed", "status", "validation", "test"]
    rows = [line.split() for line in said.lines if line.split()[0].isdigit()][:-1]
    assert rows[:2] == [
        ["1", "fixed", "0.03", "1,680", "0", "finished", "0.5", "0.25"],
        ["2", "fixed", "0.03", "1,680", "1", "finished", "0.5", "-inf"],
    ]
    # A long expression is folded, and its numbers stay on one line.
    assert rows[2][0] == "3"
    assert rows[2][-3:] == ["1,680", "0", "failed"]
    assert rows[3] == ["4", "[red]cosine[/red]", "0.03", "1,680", "0", "running"]
    assert rows[-1] == ["6", "fixed", "0.1", "1,000", "0", "interrupted"]
    assert "6 runs in" in said.text


def test_failed_runs_are_told_with_their_traceback(store: Path) -> None:
    said = etude("runs", "--store", store, "--failed")

    text = " ".join(said.text.split())
    assert f"Run 3: mine@01234567, {LONG}, 1,680 updates, seed 0 Traceback: no [bold]luck[/bold]" in text
    assert '":smile:"' in text
    assert "1 failed run in" in text
    assert "Run 1:" not in text


def test_no_failed_runs_are_told_too(store: Path) -> None:
    assert "0 failed runs in" in etude("runs", "--store", store, "--failed", "--task", "theirs").text


def test_there_must_be_a_store(tmp_path: Path) -> None:
    said = etude("runs", "--store", tmp_path / "none" / "runs.sqlite")

    assert (said.status, said.text) == (1, "")
    assert "there is no store at" in said.refusal
    assert said.refusal.endswith("`etude compare TASK` makes one")
    assert list(tmp_path.iterdir()) == []
