"""``etude watch``: a run that another process makes, followed while it does."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import etude as et
from etude.record import open_store
from tests.replay.trained import key_of, record

from .terminal import ETUDE, etude, fits, started

TRAIN = """
import sys, time
from etude.readings import Reading
from etude.record import RunKey, open_store

store, ending = sys.argv[1:]
key = RunKey("theirs@01234567", "Cosine(BASE, 0.0, over='100%')", 0.1, 40, 0)
with open_store(store) as store:
    run = store.start(key, label="theirs", fingerprint="", versions={})
    print("started", flush=True)
    for step in range(40):
        store.append(run, [Reading(step, {"0": 0.1 - step / 400}, "cosine", {"loss": 2.0 - step / 40})])
        time.sleep(0.05)
        if ending == "killed" and step == 9:
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL)
        if ending == "waits" and step == 9:
            time.sleep(60)
    if ending == "fails":
        store.fail(run, "Traceback ...\\nValueError: no more data")
    else:
        store.finish(run, {"validation": 0.75})
"""


def trainer(store: Path, ending: str) -> subprocess.Popen[str]:
    """A process that trains, once it has started a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, store, ending],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("ending", "status", "last"),
    [
        ("finishes", 0, "Run 1 (theirs) finished: validation 0.75."),
        ("fails", 1, "Run 1 (theirs) failed: ValueError: no more data"),
        ("killed", 1, "Run 1 (theirs) was broken off at update 10."),
    ],
)
def test_a_live_run_is_told_in_lines_until_it_ends(
    tmp_path: Path, ending: str, status: int, last: str
) -> None:
    with trainer(tmp_path / "runs.sqlite", ending) as process:
        said = etude("watch", "last", "--store", tmp_path / "runs.sqlite", "--every", "0.1")
        process.wait(30)

    assert said.status == status
    *lines, end = said.lines
    assert end == last
    told = [int(line.split()[0]) for line in lines]
    assert told == sorted(set(told))
    assert told[-1] == (10 if ending == "killed" else 40)
    assert len(told) > 2
    if ending == "finishes":
        assert lines[-1] == "40 of 40 updates (100%)  cosine  lr 0.0025  loss 1.025"


def test_a_run_that_has_ended_is_told_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.sqlite") as store:
        record(store, et.cosine(), [0, 999])

    said = etude("watch", "1", "--store", tmp_path / "runs.sqlite")

    assert said.status == 0
    assert said.lines == [
        "1,000 of 1,000 updates (100%)  cosine  lr/body 2.467e-07  lr/head 4.935e-07  loss 0.182",
        "Run 1 (mine) finished: validation 0.9, test 0.8.",
    ]


@pytest.mark.timeout(90)
def test_ctrl_c_leaves_cleanly_and_the_run_goes_on(tmp_path: Path) -> None:
    with trainer(tmp_path / "runs.sqlite", "waits") as process:
        with started(["watch", "1", "--store", "runs.sqlite", "--every", "0.1"], tmp_path) as watching:
            assert watching.stdout is not None
            while not watching.stdout.readline().startswith("10 of 40"):
                pass
            os.kill(watching.pid, signal.SIGINT)
            out, error = watching.communicate(timeout=30)
        assert process.poll() is None
        process.kill()

    assert (watching.returncode, error) == (130, "")
    assert out.splitlines()[-1] == "Run 1 goes on; it is at update 10."


@pytest.mark.timeout(90)
def test_a_terminal_shows_the_rates_above_the_loss_in_place(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.sqlite") as store:
        record(store, et.cosine(), range(0, 1000, 20))
    ours, theirs = pty.openpty()

    process = subprocess.Popen(
        [ETUDE, "watch", "1", "--store", "runs.sqlite"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"COLUMNS": "80", "LINES": "40", "TERM": "xterm"},
    )
    os.close(theirs)
    shown = read_all(ours)

    assert process.wait(30) == 0
    # Each drawing begins with erasing the lines of the one before.
    *earlier, last = shown.split("\x1b[2K")
    assert earlier
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", last).splitlines() if line.strip()]
    assert lines[0].strip() == "run 1: mine on made up, seed 0"
    assert [line.strip() for line in lines if line.strip() in ("learning rate", "loss")] == [
        "learning rate",
        "loss",
    ]
    assert [line.strip() for line in lines if "body" in line or "head" in line][:3] == [
        "a  planned for body",
        "b  used by body",
        "c  used by head",
    ]
    assert lines[-1] == "Run 1 (mine) finished: validation 0.9, test 0.8."
    assert all(len(line) <= 80 for line in lines)


def read_all(descriptor: int) -> str:
    """What a terminal shows until its process ends."""
    found, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([descriptor], [], [], 1.0)[0]:
            try:
                more = os.read(descriptor, 65_536)
            except OSError:  # the process has ended
                break
            found += more
            if not more:
                break
    os.close(descriptor)
    return found.decode()


def test_a_run_without_readings_is_told(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.sqlite") as store:
        run = store.start(key_of(et.cosine()), label="mine", fingerprint="", versions={})
        store.interrupt(run)

    said = etude("watch", "1", "--store", tmp_path / "runs.sqlite")

    assert (said.status, said.lines) == (1, ["Run 1 (mine) was broken off at update 0."])


def test_what_there_is_not_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.sqlite") as store:
        record(store, et.cosine(), [0])

    assert etude("watch", "9", "--store", tmp_path / "runs.sqlite").refusal.startswith(
        "there is no run 9 in "
    )
    said = etude("watch", "1", "--every", "0", "--store", tmp_path / "runs.sqlite")
    assert said.status == 2
    assert "0.0 is not in the range x>=0.1" in said.text
    assert fits(said)
