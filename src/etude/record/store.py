"""What a store of runs promises, whatever it is built on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from etude.errors import StoreError
from etude.planned import RunPlan
from etude.readings import Reading
from etude.record.process import Process

__all__ = ["NotThereError", "RunKey", "RunRecord", "Status", "Store"]

Status = Literal["running", "finished", "failed", "interrupted"]


class NotThereError(StoreError):
    """A run, or the store itself, that is not there, or not there any more."""


@dataclass(frozen=True, slots=True)
class RunKey:
    """All that a run's result depends on.

    Args:
        task: the name of the training task.
        schedule: the text of the schedule, as ``repr`` writes it.
        peak: the rate that the schedule multiplies, finite; None keeps the optimizer's own.
        budget: how many updates to do; at least 1.
        seed: what everything random in the run derives from; a whole number of 64 bits, signed.

    Raises:
        StoreError: a value out of these bounds.

    >>> RunKey("digits", "Cosine(over='90%')", 0.1, 0, 7)
    Traceback (most recent call last):
    etude.errors.StoreError: budget must be an int from 1 to 2**63 - 1; got 0
    """

    task: str
    schedule: str
    peak: float | None
    budget: int
    seed: int

    def __post_init__(self) -> None:
        for name, text in (("task", self.task), ("schedule", self.schedule)):
            if not isinstance(text, str):
                raise StoreError(f"{name} must be a text; got {text!r}")
        # A NaN would not even equal itself, and a key is compared exactly.
        if self.peak is not None and not (_is_number(self.peak, float) and math.isfinite(self.peak)):
            raise StoreError(f"peak must be a finite float or None; got {self.peak!r}")
        if not (_is_number(self.budget) and 1 <= self.budget < 2**63):
            raise StoreError(f"budget must be an int from 1 to 2**63 - 1; got {self.budget!r}")
        if not (_is_number(self.seed) and -(2**63) <= self.seed < 2**63):
            raise StoreError(f"seed must be an int from -2**63 to 2**63 - 1; got {self.seed!r}")


def _is_number(value: object, *kinds: type) -> bool:
    return isinstance(value, (int, *kinds)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One attempt at a run, as recorded.

    Args:
        id: the attempt's number in its store; later attempts have higher ones.
        key: what the run's result depends on.
        label: the schedule's short name, as shown in tables.
        fingerprint: the schedule's digest.
        versions: the version of each package that took part, by the package's name.
        status: "running", "finished", "failed" or "interrupted".
        process: the process that started it.
        started: when, in ISO 8601, UTC.
        ended: when it finished, failed or was found interrupted, in ISO 8601, UTC; None while running.
        results: what a finished run came to, by name (``validation``, ``test``, ...).
        error: what a failed run died of; else None.
        plan: what it was to follow; None where that was not told.
    """

    id: int
    key: RunKey
    label: str
    fingerprint: str
    versions: Mapping[str, str]
    status: Status
    process: Process
    started: str
    ended: str | None
    results: Mapping[str, float]
    error: str | None
    plan: RunPlan | None = None


class Store(Protocol):
    """A store of runs, which many processes may write to at once.

    Every attempt at a run is a row of its own, and nothing recorded is ever deleted. A finished or failed
    run never changes again; an interrupted one may still turn out to finish, since a process can be taken
    for dead and yet live. A store pickles as its address: the process that unpickles it opens it anew.
    Every method raises StoreError when the store cannot be read or written, or is asked for a run that it
    does not hold.
    """

    def start(
        self,
        key: RunKey,
        *,
        label: str,
        fingerprint: str,
        versions: Mapping[str, str],
        plan: RunPlan | None = None,
    ) -> int:
        """Record a new attempt by the calling process; return its id."""

    def append(self, run_id: int, readings: Iterable[Reading]) -> None:
        """Record all of these readings, in this order, or none of them.

        When it returns they have left the process, which may then be killed at any moment.

        Raises:
            StoreError: the run has finished or failed; a reading that is not made of whole steps, texts
                and numbers.
        """

    def finish(self, run_id: int, results: Mapping[str, float]) -> None:
        """Record that a run finished, and what it came to.

        Raises:
            StoreError: the run has already finished or failed.
        """

    def fail(self, run_id: int, error: str) -> None:
        """Record that a run failed, and of what.

        Raises:
            StoreError: the run has already finished or failed.
        """

    def interrupt(self, run_id: int) -> None:
        """Record that a run was broken off.

        Raises:
            StoreError: the run has already finished or failed.
        """

    def mark_interrupted(self) -> list[RunRecord]:
        """Record that the running runs whose process is gone were broken off; return those runs.

        Only processes of this host are judged: one elsewhere cannot be seen from here.
        """

    def runs(self, task: str | None = None, status: Status | None = None) -> list[RunRecord]:
        """Return the runs of one task, or in one status, or all; in the order of their start."""

    def run(self, run_id: int) -> RunRecord:
        """Return one run."""

    def finished(self, key: RunKey) -> RunRecord | None:
        """Return the attempt at this key that finished first, or None; rates are compared exactly."""

    def readings(self, run_id: int, start: int = 0) -> list[Reading]:
        """Return a run's readings, in the order in which they were appended, without the first ``start``."""

    def open(self) -> None:
        """Open the store now; any other call does it too."""

    def close(self) -> None:
        """Let go of the store; a later call opens it again."""

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""

    def __exit__(self, *raised: object) -> None:
        """Close the store."""
