"""A run of a store as an observer: started, told its readings, and ended."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from etude.errors import EtudeError, StoreError
from etude.planned import RunPlan
from etude.readings import Reading
from etude.record.columns import reading_columns
from etude.record.leftovers import Leftovers, end
from etude.record.opening import open_store
from etude.record.process import versions
from etude.record.sql_store import SqlStore
from etude.record.store import NotThereError, RunKey
from etude.spec import parse
from etude.timeline import Clock

__all__ = ["StoredRun"]


class StoredRun:
    """Appends readings to a run of a store, each once, and ends the run when it is closed.

    Unless ``finish`` or ``fail`` was called before, the run counts as broken off then.

    Args:
        store: where the run is recorded; closed at the end.
        run_id: what ``store.start`` returned.

    Raises:
        StoreError: there is no such run, or the store cannot be read.
    """

    def __init__(self, store: SqlStore, run_id: int) -> None:
        self.run_id = run_id
        self._store = store
        self._written = len(store.readings(run_id))
        self._unsure = self._is_left = False
        self._record = store.run(run_id)
        self._is_there = True
        # Where the store is gone, what could still be read of the run when that was found.
        self._remains: list[Reading] | None = None
        # All that a file of leftovers tells, but for the readings.
        self._end = Leftovers(store.place, run_id, self._record.started, "interrupted", {}, None, readings=())

    @classmethod
    def start(cls, address: str | Path, plan: RunPlan, name: str | None, task: str, seed: int) -> Self:
        """Start a run in the store at an address; see ``Recorder`` for what is told of it.

        Raises:
            StoreError: for a run whose length is not known; where the store cannot be written.
        """
        rates = [one for one in plan.schedules if one.of == "lr"] or list(plan.schedules)
        schedule = " | ".join(dict.fromkeys(one.schedule for one in rates))
        fingerprint = " | ".join(dict.fromkeys(one.fingerprint for one in rates))
        key = RunKey(task, schedule, None, _length(plan), seed)
        label = schedule if name is None else name
        store = open_store(address)
        try:
            run_id = store.start(key, label=label, fingerprint=fingerprint, versions=versions(), plan=plan)
            return cls(store, run_id)
        except BaseException:
            store.close()
            raise

    def __repr__(self) -> str:
        return f"<run {self.run_id} in {self._store!r}>"

    def observe(self, readings: Sequence[Reading]) -> None:
        """Append readings; after an error, the same may be given again.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._there():
            # Whoever loses a server while it commits does not learn whether it has.
            if not (self._unsure and self._are_there(readings)):
                self._unsure = True
                self._store.append(self.run_id, readings)
            self._unsure = False
        self._written += len(readings)
        self._note_results(readings)

    def finish(self) -> None:
        """Have the run count as finished when it is closed, with the last value of each metric."""
        self._end = replace(self._end, status="finished")

    def fail(self, error: BaseException) -> None:
        """Have the run count as failed of an error; of what is none, such as Ctrl-C, as broken off."""
        if isinstance(error, Exception):
            words = "".join(traceback.format_exception(error))
            self._end = replace(self._end, status="failed", error=words)

    def leave(self, readings: Sequence[Reading]) -> str:
        """Write what the store has not taken into a file; return what to do with it.

        Raises:
            StoreError: where it cannot be written.
        """
        self._is_left = True
        self._note_results(readings)
        known = [*(self._remains or ()), *readings]
        run = None if self._is_there else self._record
        path = replace(self._end, readings=known, run=run).save(self._store.folder)
        if self._remains is None:
            return f"what it lacks is in {path}; `etude add {path}` adds it"
        return (
            f"all {len(known):,} that are left of the run are in {path}; `etude add {path} --store STORE` "
            "puts them into a store, be it a new one"
        )

    def close(self) -> None:
        """End the run, and close the store.

        Raises:
            StoreError: the store cannot be written; the end is left in a file then.
        """
        try:
            # What is left in a file ends the run when it is taken up.
            if not self._is_left:
                with self._there():
                    end(self._store, self._end, self.run_id)
        except StoreError as error:
            raise StoreError(f"{error}; {self.leave(())}") from error
        finally:
            self._store.close()

    @contextmanager
    def _there(self) -> Iterator[None]:
        """See that the run is still in its store; where it is not, keep at once what is left of it."""
        self._is_there = False
        try:
            # A store that was made anew may have given its number to another.
            if self._store.run(self.run_id).started != self._record.started:
                raise NotThereError(f"{self._store.place} was made anew, and has another run {self.run_id}")
            self._is_there = True
            yield
        except NotThereError:
            self._is_there = False
            if self._remains is None:
                self._remains = self._readable()
            raise
        self._remains = None

    def _readable(self) -> list[Reading]:
        try:
            return self._store.remains(self.run_id)
        except StoreError:  # nor is it readable
            return []

    def _note_results(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            self._end.results.update(reading.metrics)

    def _are_there(self, readings: Sequence[Reading]) -> bool:
        """Whether they were recorded, be it among others' readings of this run."""
        wanted = [reading_columns(reading) for reading in readings]
        found = [reading_columns(reading) for reading in self._store.readings(self.run_id, self._written)]
        starts = range(len(found) - len(wanted) + 1)
        return any(found[start : start + len(wanted)] == wanted for start in starts)


def _length(plan: RunPlan) -> int:
    """The run's length: the horizon's, or that of the longest schedule."""
    lengths = [plan.horizon.total_steps]
    if lengths == [None]:
        try:
            lengths = [parse(one.schedule).length(Clock(plan.horizon)) for one in plan.schedules]
        except EtudeError:  # a function that has no text
            lengths = [None]
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        raise StoreError(
            "a run that is stored has a length; write it into the Scheduler's horizon, such as "
            f"Horizon(total=10_000); got {plan.horizon!r}"
        )
    return max(math.ceil(max(known)), 1)
