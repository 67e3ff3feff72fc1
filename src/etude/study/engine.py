"""Engines run jobs: here on worker processes of this machine, elsewhere on whatever keeps the contract."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import connection, get_context, parent_process
from multiprocessing.synchronize import Event
from platform import python_version
from typing import Protocol

from etude.errors import StoreError, TaskError
from etude.record import RunKey, Store
from etude.study.task import find_task

__all__ = ["Engine", "Job", "LocalEngine", "Outcome", "execute"]

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do. Doing it again does no harm: its result depends on its key alone."""

    task: str
    key: RunKey
    label: str
    fingerprint: str
    store: Store
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: with an id in the store, or with an error in words."""

    job: Job
    run_id: int | None
    error: str | None = None


class Engine(Protocol):
    """What runs jobs.

    Every job is run at least once and gives one outcome; a job whose worker dies is run again. Outcomes
    come in any order. Closing the iterator stops the workers, and loses nothing that was reported.
    """

    @property
    def workers(self) -> int:
        """How many jobs run at once."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run the jobs; give each one's outcome as it ends."""

    def close(self) -> None:
        """Stop the workers."""


def execute(job: Job) -> Outcome:
    """Do one run in this process, and record it.

    Raises:
        StoreError: where it cannot be recorded; nothing more can be done then.
    """
    # Imported by the worker that trains, not by the driver: torch takes seconds.
    from etude.study.run import Run

    task = find_task(job.task)
    store = job.store
    versions = {name: version(name) for name in ("etude", "torch", "numpy")} | {"python": python_version()}
    run_id = store.start(job.key, label=job.label, fingerprint=job.fingerprint, versions=versions)
    run = Run(job.key, store, run_id, updates_per_epoch=task.updates_per_epoch, device=job.device)
    try:
        results = run.ended(task.train(run))
    except StoreError:
        raise  # not the task's fault, and the store cannot take note of it
    except Exception as error:
        store.fail(run_id, traceback.format_exc())
        return Outcome(job, run_id, f"{type(error).__name__}: {error}")
    store.finish(run_id, results)
    return Outcome(job, run_id)


class LocalEngine:
    """Worker processes on this machine, kept alive from run to run, one thread each.

    Args:
        workers: how many; as many as this process may use cores, where it is not given.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = len(os.sched_getaffinity(0)) if workers is None else workers
        self._context = get_context("spawn")
        self._stop = self._context.Event()
        self._pool: ProcessPoolExecutor | None = None

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run the jobs; give each one's outcome as it ends."""
        waiting = list(jobs)[::-1]
        attempts: dict[RunKey, int] = {}
        running: dict[Future[Outcome], Job] = {}
        while waiting or running:
            broken: list[Job] = []
            try:
                # Two a worker: one at work and one at hand. A dead worker breaks all that are in flight.
                while waiting and len(running) < 2 * self.workers:
                    running[self._open().submit(execute, waiting[-1])] = waiting[-1]
                    waiting.pop()
            except BrokenProcessPool:
                if not running:  # else its running jobs will tell
                    self._discard()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    broken.append(job)
                except StoreError:
                    raise
                except Exception as error:
                    yield Outcome(job, None, f"{type(error).__name__}: {error}")
            if broken:
                # The rest of the pool's jobs broke with it.
                broken += running.values()
                running.clear()
                self._discard()
                for job in broken:
                    attempts[job.key] = attempts.get(job.key, 0) + 1
                    if attempts[job.key] < ATTEMPTS:
                        waiting.append(job)
                    else:
                        yield Outcome(job, None, f"its worker process died, {ATTEMPTS} times")

    def close(self) -> None:
        """Stop the workers, at once."""
        self._stop.set()
        self._discard()

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=self._context, initializer=_start_worker, initargs=(self._stop,)
            )
        return self._pool

    def _discard(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _start_worker(stop: Event) -> None:
    """Prepare a worker: one thread, deaf to Ctrl-C, and gone when it is told so or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_when_told, args=(stop,), daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _leave_when_told(stop: Event) -> None:
    parent = parent_process()
    if parent is None:
        raise TaskError("a worker was started without a parent process")
    while not stop.wait(0.1):
        # A parent that was killed leaves its workers waiting for jobs for ever.
        if connection.wait([parent.sentinel], timeout=0):
            break
    os._exit(1)
