"""A store as an observer of readings."""

from __future__ import annotations

from collections.abc import Sequence

from etude.readings import Reading
from etude.record.columns import reading_columns
from etude.record.store import Store

__all__ = ["StoreObserver"]


class StoreObserver:
    """Appends readings to a run of a store, each once.

    The store stays open, and the run unfinished: both are the caller's.

    Args:
        store: where the run is recorded.
        run_id: what ``store.start`` returned.

    Raises:
        StoreError: there is no such run, or the store cannot be read.
    """

    def __init__(self, store: Store, run_id: int) -> None:
        self._store = store
        self._run_id = run_id
        self._written = len(store.readings(run_id))
        self._unsure = False

    def __repr__(self) -> str:
        return f"<run {self._run_id} in {self._store!r}>"

    def observe(self, readings: Sequence[Reading]) -> None:
        """Append readings; after an error, the same may be given again.

        Raises:
            StoreError: the store cannot be written.
        """
        # Whoever loses a server while it commits does not learn whether it has.
        if not (self._unsure and self._are_there(readings)):
            self._unsure = True
            self._store.append(self._run_id, readings)
        self._unsure = False
        self._written += len(readings)

    def _are_there(self, readings: Sequence[Reading]) -> bool:
        """Whether they were recorded, be it among others' readings of this run."""
        wanted = [reading_columns(reading) for reading in readings]
        found = [reading_columns(reading) for reading in self._store.readings(self._run_id, self._written)]
        starts = range(len(found) - len(wanted) + 1)
        return any(found[start : start + len(wanted)] == wanted for start in starts)
