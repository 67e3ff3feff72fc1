"""Kill -9: a training run that is recorded, and a comparison, at random moments of their lives.

Whatever is killed is started again until it ends, and must then be the run that nobody has killed. Seeds
decide when; how far a process has come by then, the machine.
"""

from __future__ import annotations

import functools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import psutil

from etude.errors import EtudeError
from etude.readings import Reading
from etude.record import RunKey, RunRecord, Store, open_store
from etude.record.migrations import scripts_of
from etude.record.sqlite_file import migrate, migrations
from tests.cli.terminal import started
from tests.postgres import Server, shared_server
from tests.soak.tally import Fault, Found, Tally
from tests.study import training as tasks
from tests.torch.killed import finish, is_the_whole_run, lines, prepared, start, train_recorded

UPDATES = 800
"""Of the training run: its life is longer than the second that may be lost."""
PATIENCE_SECONDS = 120
MOST_KILLS = 6
"""Of one run; its last life is let alone."""
AT_ONCE = 2
"""So many runs: on SQLite and on PostgreSQL."""
LOST_SECONDS = 1.0
COMPARE = ["compare", "tasks.py:quick", "--only", "cosine", "--workers", "2", "--out", "report"]
RUNS = 16
"""The fixed rate and the cosine, two budgets, two peaks: eight runs choose, eight more are final."""


class WrongError(Exception):
    """Something that was promised does not hold."""


def holds(what: bool, promise: str) -> None:
    if not what:
        raise WrongError(promise)


@dataclass
class Place:
    """Where one run is kept: a folder, and a store in SQLite or PostgreSQL."""

    folder: Path
    address: str
    server: Server | None = None
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        self.kind = "SQLite" if self.server is None else "PostgreSQL"

    def check_nobody_is_left(self) -> None:
        """See that no process has a session on the server, or a file of the folder open."""
        if self.server is not None:
            database = self.address.rpartition("/")[2]
            sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
            left = functools.partial(self.server.psql, self.server.url("postgres"), sessions)
            wait_until(lambda: left() == "0", "the server has let go of the sessions")
        wait_until(lambda: not users_of(self.folder), "no process is left in the folder")

    def check_files(self, expected: set[str]) -> None:
        """See that nothing lies in the folder but what is meant to: SQLite's own files, and Python's."""
        paths = [path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file()]
        names = {str(path) for path in paths if path.parts[0] != "__pycache__"}
        strange = {name for name in names - expected if not name.startswith("runs.sqlite")}
        holds(not strange, f"nothing half-written is left: {sorted(strange)}")


def users_of(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and Path(process.cwd()) == folder:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def wait_until(true: Callable[[], bool], promise: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        holds(time.monotonic() < deadline, promise)
        time.sleep(0.05)


@contextmanager
def place(kind: str) -> Iterator[Place]:
    """An empty place."""
    with tempfile.TemporaryDirectory(prefix="etude-kills-") as name:
        folder = Path(name).resolve() / "run"
        if kind == "SQLite":
            yield Place(folder, str(folder / "runs.sqlite"))
        else:
            server = shared_server()
            yield Place(folder, server.create(f"kills_{uuid.uuid4().hex}"), server)


History: TypeAlias = Callable[[Place, random.Random, int], Found]
"""Kills a run at most so many times, and checks what comes of it."""


def spread(tally: Tally, count: int, seed: int, history: History) -> None:
    """Kill so many times: runs on both stores by turns, until there are enough."""
    number = 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while tally.tried < count:
            most = min(-(-(count - tally.tried) // AT_ONCE), MOST_KILLS)
            numbers = range(number, number + min(AT_ONCE, count - tally.tried))
            for found in threads.map(functools.partial(_told, history, seed, most), numbers):
                killed = sum(times for name, times in found.counted.items() if name.startswith("kills on"))
                tally.case(found, killed)
            number += len(numbers)


def _told(history: History, seed: int, most: int, number: int) -> Found:
    """What comes of one run, with what does not hold as a fault."""
    kind = ("SQLite", "PostgreSQL")[number % 2]
    with place(kind) as where:
        try:
            found = history(where, random.Random(f"{seed}/{number}"), most)
        except (WrongError, AssertionError, EtudeError, subprocess.TimeoutExpired) as error:
            script = f"# {kind}, seed {seed}, run {number}: {type(error).__name__}: {error}"
            found = Found([Fault(str(error).partition(":")[0].partition("\n")[0], script)])
            found.counted[f"kills on {kind}"] = 1  # the last one was one too many
    found.counted["runs"] = 1
    return found


def older(where: Place, choice: random.Random) -> None:
    """Leave a store of an older format where a run will look for one."""
    if where.server is None:
        scripts = migrations()
        with closing(sqlite3.connect(where.address, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            migrate(connection, Path(where.address), scripts[: choice.randrange(1, len(scripts))])
    else:
        scripts = scripts_of("postgresql")
        made = "CREATE SCHEMA etude; SET search_path = etude; CREATE TABLE format (version INTEGER NOT NULL)"
        where.server.psql(where.address, f"{made}; INSERT INTO format VALUES (1); {scripts[0]}")


# Training.


def run_training(tally: Tally, count: int, seed: int) -> None:
    """Kill a training run ``count`` times."""
    with tempfile.TemporaryDirectory(prefix="etude-kills-") as name:
        whole = prepared(Path(name) / "whole")
        address = str(whole / "runs.sqlite")
        began = time.monotonic()
        holds(finish(start(whole, UPDATES, address, 0, target=train_recorded)) == 0, "the whole run ends")
        lasts = time.monotonic() - began
        with open_store(address) as store:
            readings = store.readings(1)
        spread(tally, count, seed, functools.partial(_train_on, whole, lasts, readings))


def _moment(choice: random.Random, left: float) -> float:
    """When to kill: anywhere in what is left of a run, and often in the first moments of a process."""
    return choice.uniform(0, 0.15 * left) if choice.random() < 0.3 else choice.uniform(0, 1.05 * left)


def _train_on(
    whole: Path, lasts: float, readings: list[Reading], where: Place, choice: random.Random, most: int
) -> Found:
    found, life, ended = Found(), 0, False
    prepared(where.folder)
    if choice.random() < 0.5:
        older(where, choice)
    while not ended:
        child = start(where.folder, UPDATES, where.address, life, target=train_recorded)
        if found.counted[f"kills on {where.kind}"] < most:
            done = len(set(lines(where.folder))) / UPDATES
            child.join(_moment(choice, lasts * (1 - done)))
            child.kill()
        status = finish(child)
        holds(status in (0, -signal.SIGKILL), f"a run goes on after a kill: it ended with {status}")
        found.counted[f"kills on {where.kind}"] += status != 0
        ended = status == 0
        _check_life(where, life, readings)
        life += 1
    with open_store(where.address) as store:
        store.mark_interrupted()
        *earlier, last = store.runs()
        # Killed after it had closed the recorder, it has finished all the same.
        whole_ones = [one for one in earlier if store.readings(one.id)[-1:] == readings[-1:]]
    for one in earlier:
        expected = {"interrupted", "finished"} if one in whole_ones else {"interrupted"}
        holds(one.status in expected, f"what was killed is broken off: {one.label} is {one.status}")
    holds(last.status == "finished", f"the last run is finished: it is {last.status}")
    if life > 1:
        is_the_whole_run(where.folder, whole)
    where.check_nobody_is_left()
    own = {"digits.pt", "log", "checkpoint.pt", "half written", "end.pt", *(f"seen-{n}" for n in range(life))}
    where.check_files(own)
    return found


def _check_life(where: Place, life: int, whole: list[Reading]) -> None:
    """See that a life has lost nothing of what it logged but its last second, and changed nothing."""
    path = where.folder / f"seen-{life}"
    text = path.read_text() if path.exists() else ""
    seen = [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]
    with open_store(where.address) as store:
        runs = [record for record in store.runs() if record.label == f"life {life}"]
        readings = store.readings(runs[0].id) if runs else []
    holds(len(runs) <= 1, "a life is one run")
    holds(bool(runs) or not seen, "a run that has begun is in the store")
    if readings:
        first = int(readings[0].step)
        same = readings == whole[first : first + len(readings)]
        holds(same, f"the readings are those of the whole run: life {life}")
    if seen:
        died = float(seen[-1][1])
        due = [int(step) for step, when in seen if float(when) < died - LOST_SECONDS]
        kept = {int(reading.step) for reading in readings}
        lost = [step for step in due if step not in kept]
        holds(not lost, f"no more than a second is lost: {len(lost)} updates of life {life} are")


# Comparisons.


def run_comparison(tally: Tally, count: int, seed: int) -> None:
    """Kill a comparison ``count`` times: the command, or one of its workers."""
    with tempfile.TemporaryDirectory(prefix="etude-kills-") as name:
        whole = Path(name).resolve() / "run"
        _prepare(whole)
        began, address = time.monotonic(), str(whole / "runs.sqlite")
        # Nobody is killed: one worker does, for the answer is the same.
        with started([*COMPARE, "--workers", "1", "--store", address], whole) as command:
            out, error = command.communicate(timeout=3 * PATIENCE_SECONDS)
        holds(command.returncode == 0, f"the comparison that nobody kills ends: {out}{error}")
        lasts = time.monotonic() - began
        spread(tally, count, seed, functools.partial(_compare_on, whole, lasts, _finished(address)))


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copy(tasks.__file__, folder / "tasks.py")


Results = dict[RunKey, tuple[dict[str, float], list[Reading]]]


def _finished(address: str) -> Results:
    """The finished runs' results and readings, by key."""
    with open_store(address) as store:
        return {
            record.key: (dict(record.results), store.readings(record.id))
            for record in _once(store, store.runs(status="finished"))
        }


def _once(store: Store, records: list[RunRecord]) -> list[RunRecord]:
    holds(len({record.key for record in records}) == len(records), "no run is finished twice")
    return records


def _compare_on(
    whole: Path, lasts: float, results: Results, where: Place, choice: random.Random, most: int
) -> Found:
    found, status, kept = Found(), None, 0
    _prepare(where.folder)
    if choice.random() < 0.5:
        older(where, choice)
    while status != 0:
        with started([*COMPARE, "--store", where.address], where.folder) as command:
            if found.counted[f"kills on {where.kind}"] < most:
                _wait(command, _moment(choice, lasts * (1 - kept / RUNS / 2)))
                victim = _victim(command, choice)
                if victim is not None:
                    which = "command" if victim == command.pid else "worker"
                    found.counted[f"kills on {where.kind}"] += 1
                    found.counted[f"of the {which}"] += 1
                    os.kill(victim, signal.SIGKILL)
            out, error = command.communicate(timeout=3 * PATIENCE_SECONDS)
            where.check_nobody_is_left()
        status = command.returncode
        holds(status in (0, -signal.SIGKILL), f"a comparison goes on after a kill: {status} {out}{error}")
        if _exists(where):
            now = _finished(where.address)
            holds(len(now) >= kept, "what has finished stays finished")
            kept = len(now)
            holds(all(results[key] == one for key, one in now.items()), "every run is that of the whole")
    holds(kept == RUNS, f"all runs are finished: {kept}")
    for path in sorted((whole / "report").iterdir()):
        same = path.read_bytes() == (where.folder / "report" / path.name).read_bytes()
        holds(same, f"the report is that of the whole: {path.name}")
    with open_store(where.address) as store:
        holds(not store.runs(status="running"), "no run counts as running")
        holds(not store.runs(status="failed"), "no run counts as failed")
    report = {f"report/{path.name}" for path in (whole / "report").iterdir()}
    where.check_files({"tasks.py", *report})
    return found


def _exists(where: Place) -> bool:
    return where.server is not None or Path(where.address).exists()


def _wait(command: subprocess.Popen[str], seconds: float) -> None:
    """Wait, and no longer than the command lives."""
    deadline = time.monotonic() + seconds
    while command.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _victim(command: subprocess.Popen[str], choice: random.Random) -> int | None:
    """The command, or one of its workers; None where it has ended."""
    if command.poll() is not None:
        return None
    try:
        workers = [
            child.pid
            for child in psutil.Process(command.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
    except psutil.Error:
        return None
    return choice.choice(sorted(workers)) if workers and choice.random() < 0.5 else command.pid
