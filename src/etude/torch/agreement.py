"""What the processes of a range test agree on after each step, and how all stop when one of them fails."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from operator import call
from typing import Any, TypeAlias

import torch
import torch.distributed as dist

from etude.errors import ScheduleError

__all__ = ["Measured", "agreement"]

Measured: TypeAlias = tuple[float, dict[str, float], str | None]
"""The loss, the metrics, and why the test ends here, or None."""
Measure: TypeAlias = Callable[[], Measured]

# A process that fails waits so long for the others to hear of it: in the same step, or not at all.
GRACE_SECONDS = 10.0
# And so long do the others wait for it in what train_step communicates; the default is half an hour.
PATIENCE = timedelta(seconds=120)


@contextmanager
def agreement() -> Iterator[Callable[[Measure], Measured]]:
    """Give what runs a measurement in each process and returns the same of it in all: the means, and to end
    as soon as one of them does.

    Where the measurement raises in one process, that goes on there, and the others raise a ScheduleError that
    names the rank and the reason. Those that wait for that process within the measurement raise once their
    communication has failed: when it has left, or under gloo after 120 seconds. On NCCL the process group's
    own timeout stays, since that ends the whole process.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        yield call
        return
    # A group of its own, so that nothing here is taken for what train_step communicates.
    group: Any = dist.new_group()
    try:
        with _patience():
            yield _Agreement(group)
    finally:
        dist.destroy_process_group(group)


class _Agreement:
    def __init__(self, group: Any) -> None:
        self._group = group
        self._key = f"etude/range_test/{group.group_name}"
        # NCCL only takes what lies on the GPU; gloo what lies on the CPU.
        self._device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
        self._metrics: int | None = None

    def __call__(self, measure: Measure) -> Measured:
        try:
            loss, metrics, why = measure()
        # Ctrl-C too is to stop them all.
        except BaseException as error:
            self._fail(error)
            raise
        if self._metrics is None:
            failed, most, least = self._reduced([0, len(metrics), -len(metrics)], dist.ReduceOp.MAX)
            self._check(failed)
            if most != -least:
                raise ScheduleError("the processes have returned different numbers of metrics")
            self._metrics = len(metrics)
        failed, ends, *sums = self._reduced([0, why is not None, loss, *metrics.values()], dist.ReduceOp.SUM)
        self._check(failed)
        mean, *means = (value / dist.get_world_size() for value in sums)
        if ends and not why:
            why = "it diverged in another process"
        return mean, dict(zip(metrics, means, strict=True)), why

    def _reduced(self, numbers: list[float], how: Any) -> list[float]:
        told = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        dist.all_reduce(told, how, group=self._group)
        reduced: list[float] = told.tolist()
        return reduced

    def _check(self, failed: float) -> None:
        if failed:
            raise ScheduleError(self._reason())

    def _reason(self) -> str:
        """Which process has failed first, and why."""
        return str(_store().get(self._key).decode())

    def _fail(self, error: BaseException) -> None:
        """Tell the others of an error; raise another's where this one only follows from it."""
        reason = f"rank {dist.get_rank()} has stopped the range test: {type(error).__name__}: {error}"
        # The store may have gone with the process that kept it.
        with suppress(RuntimeError):
            if _store().compare_set(self._key, "", reason).decode() != reason:
                raise ScheduleError(self._reason()) from error
            error.add_note(f"raised in rank {dist.get_rank()} of {dist.get_world_size()} in a range test")
            numbers = [1.0, 0.0, 0.0] if self._metrics is None else [1.0, 0.0, 0.0, *[0.0] * self._metrics]
            how = dist.ReduceOp.MAX if self._metrics is None else dist.ReduceOp.SUM
            told = torch.tensor(numbers, dtype=torch.float64, device=self._device)
            work = dist.all_reduce(told, how, group=self._group, async_op=True)
            # Asked now and then: wait() would fail the whole group where the others do not come.
            deadline = time.monotonic() + GRACE_SECONDS
            while not work.is_completed() and time.monotonic() < deadline:
                time.sleep(0.01)


def _store() -> Any:
    """Where the processes have found one another: the one way to be heard by those that wait elsewhere."""
    return dist.distributed_c10d._get_default_store()


@contextmanager
def _patience() -> Iterator[None]:
    """Wait no longer than that in the gloo communication of others within."""
    if dist.get_backend() != "gloo":
        yield
        return
    everyone: Any = dist.group.WORLD
    backend = everyone._get_backend(torch.device("cpu"))
    own = backend.options._timeout
    backend.set_timeout(min(own, PATIENCE))
    try:
        yield
    finally:
        backend.set_timeout(own)
