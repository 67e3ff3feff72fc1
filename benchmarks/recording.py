"""What recording every update costs: on the training thread, and in all.

    python benchmarks/recording.py [--quick] [--json FILE]

Beside a Recorder's log() stands what a training loop would do without one: append the rate and the loss to a
list. All that recording costs, in whatever thread, is counted in the processor's time of the whole process:
with the readings worked out and written into an SQLite file, or handed to nobody.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from report import Row, main
from timing import least
from torch.nn import Parameter
from torch.optim import SGD

import etude as et
from etude import BASE
from etude.readings import Observer, Reading
from etude.record import Recorder, RunKey, open_store
from etude.record.stored_run import StoredRun
from etude.torch import Scheduler

LENGTH = 1_000_000
LOG_BOUND = 3.0  # µs on the training thread


@dataclass(frozen=True)
class Case:
    """A run of so many groups; ``samples`` where each update tells how many it had."""

    name: str
    groups: int
    updates: int
    samples: bool = False
    bound: float | None = LOG_BOUND


CASES = (
    Case("1 group", 1, 20_000),
    Case("100 groups", 100, 2_000),
    Case("1 group, samples counted", 1, 2_000, samples=True),
)


class Nobody:
    """An observer that does nothing."""

    def observe(self, readings: Sequence[Reading]) -> None:
        """Let them go."""


def scheduler_of(case: Case) -> Scheduler:
    """A scheduler of a warmup and a cosine."""
    groups = [{"params": [Parameter(torch.zeros(1))], "lr": 0.1 + index} for index in range(case.groups)]
    plan = et.Linear(0.1 * BASE, BASE, over=1000) >> et.Cosine(over=LENGTH)
    return Scheduler(SGD(groups), plan, et.Horizon(steps_per_epoch=1000, total=LENGTH, samples_per_step=32))


def step(scheduler: Scheduler, case: Case) -> None:
    """One update."""
    if case.samples:
        scheduler.step(samples=32)
    else:
        scheduler.step()


def per_log(case: Case, updates: int) -> float:
    """The least seconds of this thread that a log() takes: of 20 stretches the fastest."""
    scheduler = scheduler_of(case)
    best = float("inf")
    with Recorder(scheduler, Nobody(), dense=None) as recorder:
        for _ in range(20):
            stepping = logging = 0.0
            for _ in range(max(updates // 20, 1)):
                start = time.thread_time()
                step(scheduler, case)
                between = time.thread_time()
                recorder.log(loss=0.5, accuracy=0.9)
                logging += time.thread_time() - between
                stepping += between - start
            best = min(best, logging / max(updates // 20, 1))
    return best - clock()


def clock() -> float:
    """What asking the clock takes, which is part of what it tells."""
    [seconds] = least([(time.thread_time, 10_000)], repeats=3)
    return seconds


def in_all(case: Case, updates: int, observer: Observer | None) -> float:
    """The seconds of the processor that an update takes, in all threads, with all that is recorded of it."""
    scheduler = scheduler_of(case)
    recorder = None if observer is None else Recorder(scheduler, observer, dense=None)
    start = time.process_time()
    for _ in range(updates):
        step(scheduler, case)
        if recorder is not None:
            recorder.log(loss=0.5, accuracy=0.9)
    if recorder is not None:
        recorder.close()
    return (time.process_time() - start) / updates


def bare(case: Case) -> float:
    """What a list of the first rate and the metrics takes, for each update."""
    scheduler = scheduler_of(case)
    group = scheduler.optimizer.param_groups[0]
    kept: list[tuple[int, float, float, float]] = []
    [seconds] = least([(lambda: kept.append((0, group["lr"], 0.5, 0.9)), 10_000)], repeats=3)
    return seconds


def rows(*, quick: bool) -> list[Row]:
    """Measure every case."""
    torch.set_num_threads(1)
    found = []
    for case in CASES:
        updates = 40 if quick else case.updates
        repeats = 1 if quick else 3
        by_hand = bare(case)
        logged = min(per_log(case, updates) for _ in range(repeats))
        found.append(
            Row(
                "Recorder.log()", case.name, "append to a list", 1e6 * max(logged, 0), 1e6 * by_hand, "µs",
                case.bound, absolute=True,
            )
        )  # fmt: skip
        steps = min(in_all(case, updates, None) for _ in range(repeats))
        nobody = min(in_all(case, updates, Nobody()) for _ in range(repeats))
        stored = min(stored_in_all(case, updates) for _ in range(repeats))
        for what, seconds in (("readings, to nobody", nobody), ("readings, into SQLite", stored)):
            found.append(
                Row(
                    f"{what}, in all threads", case.name, "Scheduler.step() alone", 1e6 * seconds,
                    1e6 * steps, "µs",
                    note="In all threads: the step, the log, and all that is done in the background.",
                )
            )  # fmt: skip
    return found


def stored_in_all(case: Case, updates: int) -> float:
    """``in_all``, into a new SQLite file."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "runs.sqlite") as store:
        key = RunKey("nothing", "Cosine()", None, updates, 0)
        run_id = store.start(key, label="cosine", fingerprint="", versions={})
        return in_all(case, updates, StoredRun(store, run_id))


if __name__ == "__main__":
    main(__doc__, [("Recording", rows)])
