"""Engines run jobs: here on worker processes of this machine, elsewhere on whatever keeps the contract."""

from __future__ import annotations

import os
import random
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import connection, get_context
from typing import Protocol

import numpy as np

from etude.errors import StoreError, TaskError
from etude.record import RunKey, Store
from etude.record.process import versions
from etude.study.task import Task, find_task

__all__ = ["Engine", "Job", "LocalEngine", "Outcome", "execute", "seed_everything"]

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
        TaskError: where the task cannot be found, or is no longer the one that is meant.
    """
    # Imported by the worker that trains, not by the driver: torch takes seconds.
    from etude.study.run import Run

    task, identity = _load(job.task, job.device)
    if identity != job.key.task:
        raise TaskError(
            f"the file of the task {job.task!r} was changed while it was compared; run the command again"
        )
    with job.store as store:
        run_id = store.start(job.key, label=job.label, fingerprint=job.fingerprint, versions=versions())
        run = Run(job.key, store, run_id, updates_per_epoch=task.updates_per_epoch, device=job.device)
        seed_everything(job.key.seed)
        try:
            results = run.ended(task.train(run))
        except StoreError:
            raise  # not the task's fault, and the store cannot take note of it
        except KeyboardInterrupt:  # Ctrl-C, where this is the process that hears it
            store.interrupt(run_id)
            raise
        except BaseException as error:
            store.fail(run_id, traceback.format_exc())
            return Outcome(job, run_id, _line(error))
        store.finish(run_id, results)
        return Outcome(job, run_id)


@cache
def _load(reference: str, device: str) -> tuple[Task, str]:
    """The task, and its identity when it was loaded: the file may be changed while this process lives."""
    task = find_task(reference)
    return task, task.identity(device)


def seed_everything(seed: int) -> None:
    """Let a task that draws from global generators depend on its seed too, and not on what ran before."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class LocalEngine:
    """Worker processes on this machine, kept alive from run to run, one thread each.

    Args:
        workers: how many; as many as this process may use cores, where it is not given.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise TaskError(f"an engine needs at least 1 worker; got {workers!r}")
        self.workers = _cores() if workers is None else workers
        self._context = get_context("spawn")
        self._lifeline: connection.Connection | None = None
        self._pool: ProcessPoolExecutor | None = None

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run the jobs; give each one's outcome as it ends."""
        waiting = list(jobs)[::-1]
        # A dead worker breaks its pool with all that is in flight. Each of these jobs is then run alone, and
        # what dies alone has killed its worker itself.
        suspects: list[Job] = []
        deaths: Counter[RunKey] = Counter()
        running: dict[Future[Outcome], Job] = {}
        try:
            while waiting or suspects or running:
                self._submit(waiting, suspects, running)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    done, _ = wait(running)
                    self.close()
                lost = []
                for future in done:
                    job, error = running.pop(future), future.exception()
                    if isinstance(error, BrokenProcessPool):
                        lost.append(job)
                    elif isinstance(error, StoreError):
                        raise error
                    else:
                        yield future.result() if error is None else Outcome(job, None, _line(error))
                if len(lost) == 1:
                    deaths[lost[0].key] += 1
                    if deaths[lost[0].key] == ATTEMPTS:
                        yield Outcome(lost.pop(), None, f"its worker process died, {ATTEMPTS} times")
                suspects += lost
        finally:
            if running:
                self.close()

    def _submit(self, waiting: list[Job], suspects: list[Job], running: dict[Future[Outcome], Job]) -> None:
        """Hand the workers what they can take: a suspect alone, or two jobs each, one of them at hand."""
        queue, most = (suspects, 1) if suspects else (waiting, 2 * self.workers)
        try:
            while queue and len(running) < most:
                pool = self._open()
                with _deaf_to_ctrl_c():
                    running[pool.submit(execute, queue[-1])] = queue[-1]
                queue.pop()
        except BrokenProcessPool:
            # A worker died at rest, or just now: then the jobs that are running will tell.
            if not running:
                self.close()

    def close(self) -> None:
        """Stop the workers, at once."""
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A pipe, not an Event: whoever sets that waits for ever for a waiter that was killed.
            held, self._lifeline = self._context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=self._context, initializer=_start_worker, initargs=(held,)
            )
        return self._pool


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let workers be born deaf to Ctrl-C, which is for the driver: they take seconds to say so themselves.

    The first pool must be open already: the tracker of resources that comes with it unblocks the signal.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _start_worker(lifeline: connection.Connection) -> None:
    """Prepare a worker: one thread, deaf to Ctrl-C, and gone when its engine closes or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_when_cut_off, args=(lifeline,), daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _leave_when_cut_off(lifeline: connection.Connection) -> None:
    # Its other end is the parent's alone, and closes with it: a parent that was killed would else leave its
    # workers waiting for jobs for ever.
    connection.wait([lifeline])
    os._exit(1)
