"""``etude watch``, ``explain``, ``report``, ``runs`` and ``add`` on a server, with a run that goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etude.record import open_store
from tests.postgres import Server, StartedServer

from .terminal import Said, etude

pytestmark = pytest.mark.timeout(120)

TRAIN = """
import sys, time
import torch
import etude as et
from etude.record import Recorder
from etude.torch import Scheduler

torch.set_num_threads(1)
optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
scheduler = Scheduler(optimizer, et.cosine(), et.Horizon(steps_per_epoch=10, total="6ep"))
with Recorder(scheduler, to=sys.argv[1], name="mine", patience_seconds=0.2) as recorder:
    print("started", flush=True)
    for step in range(60):
        optimizer.step()
        scheduler.step()
        recorder.log(loss=2 - step / 60)
        time.sleep(0.04)
        if step == 30 and sys.argv[2] == "asks":
            print("half", flush=True)
            sys.stdin.readline()
"""


def trainer(address: str, how: str, folder: Path) -> subprocess.Popen[str]:
    """A process that trains, once it has started a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, address, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def words(said: Said) -> str:
    return " ".join(said.text.split())


def test_a_live_run_is_watched_explained_and_reported(server: Server, tmp_path: Path) -> None:
    address = server.create("watched")
    with trainer(address, "goes on", tmp_path) as process:
        watched = etude("watch", "last", "--store", address, "--every", "0.1")
        assert process.wait(30) == 0

    assert watched.status == 0
    *lines, end = watched.lines
    assert end == "Run 1 (mine) finished: loss 1.0167."
    told = [int(line.split()[0]) for line in lines]
    assert told == sorted(set(told))
    assert len(told) > 2
    assert lines[-1] == "60 of 60 updates (100%)  cosine  lr 6.852e-05  loss 1.017"

    explained = etude("explain", "1", "3ep", "--store", address)
    assert words(explained).startswith(
        "Update 30 (epoch 3) of run 1 used the learning rate 0.05 = base 0.1 × 0.5, in the phase 'cosine' "
        "(updates 0 to 60, 50 % through). It followed Cosine(BASE, 0.0); nothing overrode it."
    )
    reported = etude("report", "last", "--store", address, "--out", tmp_path)
    assert (reported.status, reported.lines) == (0, [f"Report: {tmp_path / 'run-1.html'}"])
    assert "<h1>run 1: mine, seed 0</h1>" in (tmp_path / "run-1.html").read_text(encoding="utf-8")
    listed = etude("runs", "--all", "--store", address)
    assert "1 mine 60 0 finished 1.0167" in words(listed)


def test_a_run_whose_server_is_gone_at_its_end_is_added_to_it_later(
    own_server: StartedServer, tmp_path: Path
) -> None:
    address = own_server.create("runs")
    with trainer(address, "asks", tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        half = etude("explain", "1", "20", "--store", address)
        own_server.stop()
        gone = etude("watch", "1", "--store", address)
        process.stdin.write("\n")
        _, error = process.communicate(timeout=30)
    assert half.status == 0
    assert (gone.status, gone.text) == (1, "")
    assert gone.refusal.startswith(f"{address} cannot be reached; check that the server runs")
    assert process.returncode == 0
    [path] = tmp_path.glob("etude-run-1-*.jsonl")
    assert f"what it lacks is in {path}; `etude add {path}` adds it" in error

    own_server.start()
    added, again = etude("add", path), etude("add", path)

    assert added.status == 0
    assert added.text.endswith(" readings added to run 1.\n")
    assert again.text == "0 readings added to run 1.\n"
    with open_store(address) as store:
        assert [reading.step for reading in store.readings(1)] == list(range(60))
        assert store.run(1).status == "finished"
