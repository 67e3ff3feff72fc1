"""Training runs that are recorded: here, and in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn import Parameter
from torch.optim import SGD

import etude as et
from etude.readings import Observer, Reading
from etude.record import Recorder, open_store
from etude.torch import Scheduler

PLAN = et.Cosine(over="100%") * et.Plateau("loss", patience=0, factor=0.5)


class Run:
    """An optimizer with its scheduler; ``rates`` are what the updates used, in order."""

    def __init__(self, total: int = 1000, groups: int = 1) -> None:
        shares = [{"params": [Parameter(torch.zeros(1))], "lr": 0.1 / (1 + i)} for i in range(groups)]
        self.optimizer = SGD(shares)
        self.scheduler = Scheduler(self.optimizer, PLAN, et.Horizon(steps_per_epoch=10, total=total))
        self.rates: list[dict[str, float]] = []

    def update(self) -> None:
        self.rates.append({str(i): group["lr"] for i, group in enumerate(self.optimizer.param_groups)})
        self.optimizer.step()
        self.scheduler.step()

    def train(self, recorder: Recorder, updates: int) -> None:
        for _ in range(updates):
            self.update()
            recorder.log(loss=1 / len(self.rates))

    def check(self, readings: Sequence[Reading]) -> None:
        """See that these are the readings of all updates, each once and in order."""
        assert [reading.step for reading in readings] == list(range(len(self.rates)))
        assert [reading.rates for reading in readings] == self.rates
        assert [reading.metrics for reading in readings] == [
            {"loss": 1 / (1 + step)} for step in range(len(self.rates))
        ]


class Kept:
    """An observer that keeps what it is told; ``error`` is raised instead where there is one."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.batches: list[int] = []
        self.error: BaseException | None = None
        self.closed = 0

    def observe(self, readings: Sequence[Reading]) -> None:
        if self.error is not None:
            raise self.error
        self.readings += readings
        self.batches.append(len(readings))

    def close(self) -> None:
        self.closed += 1

    def __repr__(self) -> str:
        return "<kept>"


def log_until_killed(address: str, sender: Connection) -> None:
    """Train, report the time of each update by step, and never end."""
    torch.set_num_threads(1)
    run = Run(total=100_000)
    recorder = Recorder(run.scheduler, to=address)
    sender.send(recorder.run_id)
    while True:
        run.update()
        recorder.log(loss=1.0)
        sender.send((run.scheduler.last_epoch - 1, time.monotonic()))
        time.sleep(0.002)


def end_without_closing(address: str, how: str) -> None:
    """Log, and end in another way than by closing."""
    torch.set_num_threads(1)
    run = Run()
    recorder = Recorder(run.scheduler, to=address)
    run.train(recorder, 100)
    if how == "exception":
        raise SystemExit(3)
    if how == "dropped":
        del recorder


def record_many(address: str, seed: int, updates: int) -> None:
    """One of several that record into one store at once."""
    torch.set_num_threads(1)
    run = Run(total=updates)
    with Recorder(run.scheduler, to=address, seed=seed) as recorder:
        run.train(recorder, updates)
    with open_store(address) as store:
        assert recorder.run_id is not None
        run.check(store.readings(recorder.run_id))


def record_until_the_disk_is_full(address: str, most_bytes: int, sender: Connection) -> None:
    """Train on while the file may not grow; let it grow again; close."""
    import resource

    torch.set_num_threads(1)
    run = Run(total=5000)
    with open_store(address) as store, sender:
        with Recorder(run.scheduler, to=address) as recorder:
            assert recorder.run_id is not None
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
            for _ in range(10):
                run.train(recorder, 500)
                time.sleep(0.2)
            sender.send(len(store.readings(recorder.run_id)))
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        run.check(store.readings(recorder.run_id))
        sender.send(len(run.rates))


def record_on_rank(rank: int, folder: Path) -> None:
    """One of two that train together, each with a store that it could record into."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    try:
        for every in (False, True):
            run = Run()
            kept = Kept()
            with Recorder(run.scheduler, kept, every_rank=every) as recorder:
                run.train(recorder, 20)
            assert len(kept.readings) == (20 if every or rank == 0 else 0)
    finally:
        dist.destroy_process_group()


def log_in_a_fork(recorder: Recorder, run: Run, sender: Connection) -> None:
    """See that a forked process is refused, and builds its own."""
    with sender:
        run.update()
        try:
            recorder.log(loss=0.0)
        except et.EtudeError as error:
            sender.send(str(error))
        recorder.close()
        kept: Observer = Kept()
        with Recorder(run.scheduler, kept) as own:
            run.update()
            own.log(loss=0.0)
        sender.send([reading.step for reading in kept.readings])  # type: ignore[attr-defined]


def record_onto_a_full_disk(address: str, most_bytes: int, sender: Connection) -> None:
    """Train until the file may not grow, and on; end so."""
    import resource

    torch.set_num_threads(1)
    run = Run(total=100_000)
    with sender, Recorder(run.scheduler, to=address, patience_seconds=0.3) as recorder:
        # Most of what may be written, in a hurry; then slowly, so that what waits at the end is little.
        while Path(f"{address}-wal").stat().st_size < most_bytes / 2:
            run.train(recorder, 200)
            time.sleep(0.1)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
        assert recorder._background is not None
        while not recorder._background._outlets[0]._failing:
            run.train(recorder, 50)
            time.sleep(0.1)
        sender.send(len(run.rates))
