"""``etude compare``: from the command to the report, through refusals, Ctrl-C and kill -9."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etude.record import RunRecord, Status, open_store
from etude.record.process import is_gone
from etude.study import choose_arms, engine, find_task
from etude.study.compare import Comparison
from etude.study.plan import Plan
from etude.study.report import write_report
from tests.forked import FORKED
from tests.study import training
from tests.study.here import Here
from tests.study.training import PATIENCE_SECONDS

from .terminal import Said, etude, fits, leave_unfinished, started

STORE = "etude-study/runs.sqlite"
# The fixed rate and the cosine, two budgets, two peaks: eight runs choose, eight more are final.
TUNING, SIZE = 8, 16


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tasks in a folder of their own, which is where the command is given."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(training.__file__, tmp_path / "tasks.py"))


@pytest.fixture
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that need not import torch first, for tests of what the command says."""
    monkeypatch.setattr(engine, "get_context", lambda _: FORKED)


def runs(status: Status | None = None, path: str = STORE) -> list[RunRecord]:
    with open_store(path) as store:
        return store.runs(status=status)


def compare(*arguments: str | Path) -> Said:
    return etude("compare", *arguments, "--workers", "1")


def wait_until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"after {PATIENCE_SECONDS} s still not: {what}"
        time.sleep(0.02)


# A comparison


def test_warnings_of_a_schedule_are_told_once(tasks: Path) -> None:
    command = ["compare", "tasks.py:quick", "--only", "fixed", "-s", "sgdr('30%')", "--seeds", "1"]
    with started([*command, "--workers", "1"], tasks.parent) as process:
        out, error = process.communicate()

    assert process.returncode == 0
    assert " at 20 updates: The run ends inside cycle 3 " in " ".join(out.split())
    assert out.count("[run-ends-inside-cycle]") == 1
    assert "Warning" not in error  # by a worker


def test_a_comparison_ends_in_a_table_a_verdict_and_a_report(tasks: Path) -> None:
    said = compare("tasks.py:quick", "--only", "cosine")

    assert said.status == 0
    assert fits(said)
    [head] = [line for line in said.lines if line.startswith("schedule")]
    assert re.fullmatch(r"schedule +peak +test % ± se +vs fixed \[95 %\] +updates +Σ lr", head)
    assert {line.split()[0] for line in said.lines[said.lines.index(head) + 1 :][:2]} == {"fixed", "cosine"}
    assert "on quick, over 3 seeds of 20 updates" in " ".join(said.text.split())
    assert said.lines[-1] == f"Report: {tasks.parent}/etude-study/quick/report.html"
    folder = tasks.parent / "etude-study" / "quick"
    assert sorted(path.name for path in folder.iterdir()) == [
        "by_budget.png",
        "by_update.png",
        "rates.png",
        "report.html",
    ]
    assert len(runs("finished")) == len(runs()) == SIZE

    # The same again is the same answer without a run, and so is the report alone.
    page = (folder / "report.html").read_bytes()
    again = compare("tasks.py:quick", "--only", "cosine")
    alone = etude("report", "tasks.py:quick", "--only", "cosine")

    table = said.text[said.text.index("schedule") :]
    assert again.text[again.text.index("schedule") :] == alone.text == table
    assert len(runs()) == SIZE
    assert (folder / "report.html").read_bytes() == page


@pytest.mark.usefixtures("quick_workers")
def test_options_say_what_is_compared_and_where_it_goes(tasks: Path) -> None:
    own = "0.5 * cosine() + 0.25 * (Rex(over='50%') >> Rex(over='50%')) + 0.25 * linear()"
    where = ["--store", tasks.parent / "new" / "mine.sqlite", "--out", tasks.parent / "mine"]
    grid = ["--seeds", "1", "--budgets", "1", "--peaks", "0.1"]

    said = compare(
        "tasks.py:quick", "--only", "fixed", "-s", own, "-s", "Cosine(0.1, over='100%')", *grid, *where
    )

    assert said.status == 0
    assert fits(said)
    # The expression is folded, and the numbers stay on one line.
    assert "One seed cannot tell a schedule from chance" in " ".join(said.text.split())
    assert re.search(r"^Constant|^fixed +0\.1 +\d\d\.\d\d ", said.text, re.MULTILINE)
    records = runs(path="new/mine.sqlite")
    assert sorted((record.key.peak or 0, record.key.budget, record.key.seed) for record in records) == [
        (0, 20, 0),
        (0.1, 20, 0),
        (0.1, 20, 0),
    ]
    assert (tasks.parent / "mine" / "report.html").exists()
    assert not (tasks.parent / "etude-study").exists()


@pytest.mark.usefixtures("quick_workers")
def test_failures_are_told_once_for_all_that_are_alike(tasks: Path) -> None:
    grid = ["--seeds", "2", "--budgets", "1"]

    said = compare("tasks.py:quick", "--only", "fixed", "-s", "Constant() * Plateau('perplexity')", *grid)

    assert said.status == 1
    text = " ".join(said.text.split())
    assert "2 runs of Constant(BASE) * Plateau('perplexity') failed: TaskError: the schedule follows " in text
    assert "which the run did not report; call run.report(step, perplexity=...) now and then" in text
    assert "Only the fixed rate has been run on quick" in text
    assert "1 of the 2 pairs of a schedule and a length have not finished" in text
    assert (tasks.parent / "etude-study" / "quick" / "report.html").exists()


@pytest.mark.usefixtures("quick_workers")
def test_a_task_that_always_fails_is_one_message(tasks: Path) -> None:
    said = compare("tasks.py:raising")

    assert said.status == 1
    assert said.refusal.startswith("no run of 'raising' succeeds: 3 failed, the last one, of ")
    assert (
        "with ValueError: no luck with the seed 0. The store has the tracebacks: etude runs --failed"
        in said.refusal
    )
    listed = etude("runs", "--failed")
    assert "ValueError: no luck with the seed 0" in listed.text
    assert "in raising" in listed.text


# Refusals


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["digts"], "there is no task called 'digts': .*did you mean 'digits'"),
        (["none.py:quick"], "cannot be found: there is no file .*none.py"),
        (["tasks.py:slow"], "tasks.py has nothing called 'slow'"),
        (["tasks.py:quick", "--only", "cosin"], "no schedule labelled 'cosin' .*did you mean 'cosine'"),
        (["tasks.py:quick", "-s", "Cosin(over=3)"], "no schedule called 'Cosin'; did you mean 'Cosine'"),
        (
            ["tasks.py:quick", "-s", "Cosine(ovr=3)"],
            r"Cosine\(\) has no ovr; did you mean 'over'.*column 8",
        ),
        (["tasks.py:quick", "-s", "Linear(-1, 0, over=3)"], r"Linear\(start=\) must be at least 0; got -1"),
        (
            ["tasks.py:quick", "-s", "Linear(0.0, BASE, over=15) >> Cosine(over='50%')"],
            "at 10 updates: The schedule still warms up when the run ends: .* 15 steps and the run has 10",
        ),
        (
            ["tasks.py:quick", "-s", "Cosine(over='1e9tok')"],
            "at 20 updates: .* the horizon has no tokens_per_step",
        ),
        (
            ["tasks.py:quick", "--budgets", "a,b"],
            "--budgets takes numbers with commas .* 0.25,0.5,1; got 'a,b'",
        ),
        (["tasks.py:quick", "--budgets", ""], "--budgets takes numbers with commas .*; got ''"),
        (["tasks.py:quick", "--budgets", "0.5"], "the last of budgets must be 1.0; got 0.5"),
        (["tasks.py:quick", "--budgets", "1,0.5"], "budgets must be rising numbers above 0 and at most 1"),
        (["tasks.py:quick", "--peaks", "0.1;0.2"], "--peaks takes numbers with commas .*; got '0.1;0.2'"),
        (["tasks.py:quick", "--peaks", "-0.1"], r"peaks must be rising numbers above 0; got \[-0.1\]"),
        (["tasks.py:quick", "--peaks", "nan"], "peaks must be rising numbers above 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(
    tasks: Path, arguments: list[str], refusal: str
) -> None:
    said = compare(*arguments)

    assert (said.status, said.text) == (1, "")
    assert re.search(refusal, said.refusal, re.DOTALL)
    assert not (tasks.parent / "etude-study").exists()


def test_another_programs_file_is_left_alone(tasks: Path) -> None:
    other = tasks.parent / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE photo (name TEXT)")
    connection.close()
    (tasks.parent / "letter.txt").write_text("Dear diary, " * 100)
    before = other.read_bytes()

    for name in ("other.sqlite", "letter.txt"):
        for verb in (["compare", "tasks.py:quick"], ["report", "tasks.py:quick"], ["runs"]):
            said = etude(*verb, "--store", name)
            assert (said.status, said.text) == (1, "")
            assert name in said.refusal

    assert other.read_bytes() == before
    assert etude("compare", "tasks.py:quick", "--store", tasks.parent).status == 2


def test_a_full_disk_is_one_message_and_loses_nothing(tasks: Path) -> None:
    most = 1 << 17

    with started(
        ["compare", "tasks.py:quick", "--workers", "1"],
        tasks.parent,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    ) as process:
        out, error = process.communicate()

    assert process.returncode == 1
    assert re.match(r"etude: .*runs\.sqlite (could not be|cannot grow)", error)
    assert error.count("\n") == 1
    assert "Traceback" not in out + error
    finished = runs("finished")
    assert finished
    assert all(record.results for record in finished)


# Interruptions


def at_the_gate(tasks: Path) -> bool:
    """Whether one worker waits, and the other has done all that can be done meanwhile."""
    if not (tasks.parent / "waiting").exists():
        return False
    return len(runs("finished")) == TUNING - 1


def test_ctrl_c_keeps_what_is_done_and_says_so(tasks: Path) -> None:
    with started(
        ["compare", "tasks.py:gated", "--only", "cosine", "--workers", "2"], tasks.parent
    ) as process:
        wait_until(lambda: at_the_gate(tasks), "one run waits and the others are done")

        # As a terminal does: to the command and to all that it has started.
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate()

    assert process.returncode == 130
    assert "Stopped. 7 finished runs are kept; the same command goes on from there." in out
    assert "Traceback" not in out + error
    assert "KeyboardInterrupt" not in out + error
    assert [record.status for record in runs()].count("interrupted") == 1
    assert runs("running") == []
    assert all(is_gone(record.process) for record in runs())


def test_a_comparison_that_is_killed_goes_on_to_the_answer_of_one_that_is_not(tasks: Path) -> None:
    command = ["compare", "tasks.py:gated", "--only", "cosine", "--workers", "2"]
    with started(command, tasks.parent) as process:
        wait_until(lambda: at_the_gate(tasks), "one run waits and the others are done")

        process.kill()

        wait_until(lambda: all(is_gone(record.process) for record in runs()), "the workers are gone")
    kept, [broken] = runs("finished"), runs("running")
    (tasks.parent / "go").touch()

    said = etude(*command)

    assert said.status == 0
    assert said.lines[0] == f"Run {broken.id} ({broken.label}) was broken off; it is run again."
    assert runs()[: len(kept) + 1] == sorted([*kept, *runs("interrupted")], key=lambda record: record.id)
    assert len(runs("finished")) == SIZE
    assert len(runs()) == SIZE + 1

    with open_store("uninterrupted.sqlite") as store:
        reference = f"{tasks}:gated"
        comparison = Comparison(Plan.of(find_task(reference), choose_arms(["cosine"])), store, reference)
        comparison.run(Here())
        ranking = comparison.ranking()
        assert ranking is not None
        page = write_report(comparison, ranking, tasks.parent / "uninterrupted")
    assert Path("etude-study/gated/report.html").read_bytes() == page.read_bytes()


@pytest.mark.usefixtures("quick_workers")
def test_a_run_of_another_task_that_was_broken_off_is_not_run_again(tasks: Path) -> None:
    leave_unfinished(STORE, "theirs")

    said = compare("tasks.py:quick", "--only", "fixed", "--seeds", "1", "--budgets", "1", "--peaks", "0.1")

    assert said.status == 0
    assert said.lines[0] == "Run 1 (theirs) was broken off."
    assert [(record.label, record.status) for record in runs()] == [
        ("theirs", "interrupted"),
        ("fixed", "finished"),
    ]
