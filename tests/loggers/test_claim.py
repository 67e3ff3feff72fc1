"""One writer to one place: a second is refused, in this process and in others."""

from __future__ import annotations

import csv
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from etude.errors import ScheduleError, StoreError
from etude.loggers.claim import Claim
from etude.loggers.csv import CsvObserver
from etude.loggers.prometheus import PrometheusObserver
from etude.loggers.tensorboard import TensorBoardObserver
from etude.record import Recorder, open_store
from tests.forked import FORKED
from tests.record.training import Run
from tests.record.workers import PATIENCE_SECONDS, receive

from .runs import reading, readings

FILES: dict[str, Callable[[Path], Any]] = {
    "csv": lambda folder: CsvObserver(folder / "run.csv"),
    "tensorboard": lambda folder: TensorBoardObserver(folder / "run"),
    "prometheus": lambda folder: PrometheusObserver(folder / "run.prom"),
}
INSTEAD = {
    "csv": r"cannot log to '.*run\.csv': another {} writes to it; give each a file of its own, such as "
    r"CsvObserver\('run-2\.csv'\), or close that one first$",
    "tensorboard": r"cannot log to TensorBoard's folder '.*run': another {} writes to it; give each a folder "
    r"of its own, such as TensorBoardObserver\('runs/2'\), or close that one first$",
    "prometheus": r"cannot write '.*run\.prom': another {} writes to it; give each a file of its own",
}


def write_until_killed(which: str, folder: Path, sender: Connection) -> None:
    observer = FILES[which](folder)
    observer.open()
    observer.observe(readings(0, 2))
    observer.observe([reading(2, accuracy=0.5)])  # another column: the file is written anew
    sender.send("has it")
    time.sleep(PATIENCE_SECONDS)


@contextmanager
def another_process(which: str, folder: Path) -> Iterator[BaseProcess]:
    """A process that writes to the place until it is killed."""
    receiver, sender = FORKED.Pipe(duplex=False)
    process = FORKED.Process(target=write_until_killed, args=(which, folder, sender))
    process.start()
    try:
        assert receive(receiver) == "has it"
        yield process
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("which", FILES)
def test_b5_a_second_recorder_is_refused_and_leaves_nothing_behind(tmp_path: Path, which: str) -> None:
    first, second = Run(), Run()
    with Recorder(first.scheduler, FILES[which](tmp_path)) as recorder:
        first.train(recorder, 5)

        with pytest.raises(StoreError, match=INSTEAD[which].format("recorder")):
            Recorder(second.scheduler, FILES[which](tmp_path), to=tmp_path / "runs.sqlite")
        first.train(recorder, 5)

    assert not (tmp_path / "runs.sqlite").exists()
    # Now that it is closed, another goes on.
    with Recorder(second.scheduler, FILES[which](tmp_path)) as recorder:
        second.train(recorder, 5)


@pytest.mark.parametrize("which", FILES)
def test_b5_another_process_is_refused_until_this_one_dies_however_it_does(
    tmp_path: Path, which: str
) -> None:
    run = Run()
    with another_process(which, tmp_path) as process:
        with pytest.raises(StoreError, match=INSTEAD[which].format("process")):
            Recorder(run.scheduler, FILES[which](tmp_path))

        process.kill()
        process.join()

        with Recorder(run.scheduler, FILES[which](tmp_path)) as recorder:
            run.train(recorder, 5)


def test_b5_two_names_of_one_file_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    observer = CsvObserver("run.csv")
    observer.observe(readings(0, 2))
    (tmp_path / "link.csv").symlink_to("run.csv")
    os.link("run.csv", "hard.csv")

    for name in (tmp_path / "run.csv", "./run.csv", "link.csv", "hard.csv"):
        with pytest.raises(StoreError, match=r"another .* writes to it"):
            CsvObserver(name).open()


def test_b5_a_file_that_is_written_anew_stays_its_writers(tmp_path: Path) -> None:
    first = CsvObserver(tmp_path / "run.csv")
    first.observe(readings(0, 2))
    first.observe([reading(2, accuracy=0.5)])

    second = CsvObserver(tmp_path / "run.csv")
    with pytest.raises(StoreError, match="another recorder writes to it"):
        second.observe(readings(3, 4))
    first.close()
    second.observe([reading(3, accuracy=0.5)])

    with first.path.open(newline="") as file:
        found = list(csv.reader(file))
    assert [row[0] for row in found] == ["step", "0", "1", "2", "3"]
    assert len({len(row) for row in found}) == 1


def test_b5_building_one_takes_nothing_so_that_every_rank_may(tmp_path: Path) -> None:
    first = CsvObserver(tmp_path / "run.csv")
    first.observe(readings(0, 2))
    size = first.path.stat().st_size
    with first.path.open("ab") as file:
        file.write(b"2,cosi")  # as the first is about to go on

    others = (
        CsvObserver(first.path),
        TensorBoardObserver(tmp_path / "run"),
        TensorBoardObserver(tmp_path / "run"),
    )

    assert first.path.stat().st_size == size + 6
    others[1].open()


def test_b5_one_that_nobody_has_any_more_lets_go(tmp_path: Path) -> None:
    CsvObserver(tmp_path / "run.csv").observe(readings(0, 2))
    gc.collect()

    CsvObserver(tmp_path / "run.csv").observe(readings(2, 4))


def test_b5_a_recorder_that_is_refused_keeps_nothing(tmp_path: Path) -> None:
    run, observer = Run(), CsvObserver(tmp_path / "run.csv")
    with pytest.raises(StoreError, match="is a folder"):
        Recorder(run.scheduler, observer, to=tmp_path)
    with pytest.raises(ScheduleError, match="got 0"):
        Recorder(run.scheduler, observer, dense=0)

    CsvObserver(tmp_path / "run.csv").observe(readings(0, 2))


def test_b5_a_run_that_is_killed_by_a_fork_that_lives_on_is_gone_on_with(tmp_path: Path) -> None:
    """A worker of a DataLoader may outlive the process that was killed."""
    program = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from tests.loggers.test_claim import FILES\n"
        "observer = FILES['csv'](Path(sys.argv[1]))\n"
        "observer.open()\n"
        "if os.fork() == 0:\n"
        "    print(os.getpid(), flush=True)\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        worker = int(process.stdout.readline())
        with pytest.raises(StoreError, match="another process writes to it"):
            FILES["csv"](tmp_path).open()
        process.kill()
        process.wait()
        os.kill(worker, 0)  # it lives

        FILES["csv"](tmp_path).open()


def test_b5_a_forked_process_is_refused_what_its_parent_has(tmp_path: Path) -> None:
    observer = CsvObserver(tmp_path / "run.csv")
    observer.observe(readings(0, 2))
    child = multiprocessing.get_context("fork").Process(target=_observe_in_fork, args=(observer,))
    child.start()
    child.join(60)

    assert child.exitcode == 0
    observer.observe(readings(2, 4))


def _observe_in_fork(observer: CsvObserver) -> None:
    with pytest.raises(StoreError, match="another process writes to it"):
        observer.observe(readings(2, 4))


def test_b5_an_observer_pickles_without_what_it_has(tmp_path: Path) -> None:
    observer = CsvObserver(tmp_path / "run.csv")
    observer.observe(readings(0, 2))
    copy = pickle.loads(pickle.dumps(observer))

    with pytest.raises(StoreError, match="another recorder writes to it"):
        copy.observe(readings(2, 4))
    observer.close()
    copy.observe(readings(2, 4))


@pytest.mark.parametrize("which", FILES)
def test_b5_two_recorders_do_not_share_an_observer(tmp_path: Path, which: str) -> None:
    observer, first, second = FILES[which](tmp_path), Run(), Run()
    with Recorder(first.scheduler, observer) as recorder:
        first.train(recorder, 5)
        with pytest.raises(StoreError, match="another recorder writes to it"):
            Recorder(second.scheduler, observer)
        first.train(recorder, 5)

    with Recorder(second.scheduler, observer) as recorder:
        second.train(recorder, 5)


def test_b5_what_is_no_file_has_one_writer_in_a_process(tmp_path: Path) -> None:
    first, second = (Claim("cannot log to the run 7", "give each its own") for _ in range(2))
    first.take()
    first.take()
    with pytest.raises(StoreError, match=r"^cannot log to the run 7: another recorder writes to it; give"):
        second.take()
    first.release()
    second.take()


def test_b5_two_recorders_into_one_store_are_two_runs(tmp_path: Path) -> None:
    """A name is no key in a store: each Recorder has a run of its own there."""
    one, other = Run(), Run()
    address = tmp_path / "runs.sqlite"
    with (
        Recorder(one.scheduler, to=address, name="gan") as first,
        Recorder(other.scheduler, to=address, name="gan") as second,
    ):
        one.train(first, 5)
        other.train(second, 7)

    with open_store(address) as store:
        one.check(store.readings(1))
        other.check(store.readings(2))
