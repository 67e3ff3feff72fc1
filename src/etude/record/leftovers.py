"""Readings that a store has not taken by the end of a run: left in a file, and taken up later."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from etude.errors import EtudeError, SpecError, StoreError
from etude.files import given_path, write_whole
from etude.json_text import read_json
from etude.planned import RunPlan
from etude.readings import Reading
from etude.record.columns import (
    READING,
    numbers_column,
    numbers_of,
    reading_columns,
    reading_of,
    texts_column,
    texts_of,
)
from etude.record.opening import open_store
from etude.record.process import Process
from etude.record.sql_store import SqlStore
from etude.record.store import RunKey, RunRecord, Status, Store

__all__ = ["Leftovers", "take_up"]

VERSION = 1
_PLAIN = ("step", "phase", "epoch", "samples", "override")
"""The columns of a reading that are not JSON themselves."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a store lacks of a run.

    Args:
        store: where the run is, without a password.
        run_id: the run's number there.
        started: when it was started, by which it is told from others of that number.
        status: how it ended.
        results: what it came to.
        error: what it died of; else None.
        readings: those that were not taken, in order.
        run: the run itself, where its store may be gone: so it can be put into any.
    """

    store: str
    run_id: int
    started: str
    status: Status
    results: dict[str, float]
    error: str | None
    readings: Sequence[Reading]
    run: RunRecord | None = None

    def save(self, folder: Path) -> Path:
        """Write them into a new file of JSON lines: the run, then each reading; return its path.

        Where the folder's disk is full, too, it is written where temporary files are.

        Raises:
            StoreError: where it cannot be written there either.
        """
        head = {
            "etude": VERSION, "store": self.store, "run": self.run_id, "started": self.started,
            "status": self.status, "results": json.loads(numbers_column("results", self.results)),
            "error": self.error,
        }  # fmt: skip
        if self.run is not None:
            head["attempt"] = _attempt(self.run)
        content = "".join(f"{line}\n" for line in [json.dumps(head), *map(_line, self.readings)]).encode()
        name = f"etude-run-{self.run_id}-{secrets.token_hex(4)}.jsonl"
        try:
            return write_whole(folder / name, content).absolute()
        except StoreError:
            return write_whole(Path(tempfile.gettempdir()) / name, content)

    @classmethod
    def load(cls, path: Path) -> Leftovers:
        """Read such a file.

        Raises:
            StoreError: where it cannot be read, or is none.
        """
        try:
            if path.exists() and not path.is_file():  # to open a pipe would wait for ever
                raise ValueError
            texts = path.read_text(encoding="utf-8").splitlines()
            head, *lines = (read_json(text, SpecError) for text in texts)
            known = head["etude"] == VERSION
            readings = [_reading(line) for line in lines] if known else []
            results = numbers_of(json.dumps(head["results"]))
            left = cls(
                head["store"], head["run"], head["started"], head["status"], results, head["error"], readings,
                _record(head) if known and "attempt" in head else None,
            )  # fmt: skip
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, EtudeError):
            raise StoreError(
                f"{path} is no file that a run has left; these are called etude-run-*.jsonl"
            ) from None
        if not known:
            raise StoreError(f"{path} was written by another version of Etude; take it up with that one")
        return left


def take_up(path: str | Path, address: str | Path | None = None) -> tuple[int, int]:
    """Put what a run has left in a file into its store, and end it as it has ended; the file stays.

    Readings that the store has are not added again, so it may be done twice. Where the store was gone, the
    file has all that was left of the run, and any store takes it, a new one too.

    Args:
        path: the file.
        address: the store, where it is another than the file says or its URL needs a password.

    Returns:
        the run's number in the store, and how many readings were added.

    Raises:
        StoreError: for another file; where the store cannot be written, or does not hold this run.
    """
    path = given_path(path, "a file that a run has left")
    left = Leftovers.load(path)
    place = left.store if address is None else address
    may_be_made = left.run is not None and address is not None
    if "://" not in str(place) and not may_be_made and not os.path.exists(place):  # which takes any path
        new = "" if left.run is None else " now, or a new one"
        raise StoreError(f"there is no store at {place}; give the one that run {left.run_id} is in{new}")
    with open_store(place) as store:
        record = store.run(_found(store, left))
        if record.started != left.started:
            raise StoreError(
                f"run {left.run_id} in {store.place} was started {record.started}, and {path} is of one that "
                f"was started {left.started}; give the store of that run"
            )
        there = Counter(map(reading_columns, store.readings(record.id)))
        missing = []
        for reading in left.readings:
            columns = reading_columns(reading)
            there[columns] -= 1
            if there[columns] < 0:
                missing.append(reading)
        if missing:
            store.append(record.id, missing)
        if record.status not in ("finished", "failed"):
            end(store, left, record.id)
    return record.id, len(missing)


def _found(store: SqlStore, left: Leftovers) -> int:
    """The run's number in a store, which is made there where it is not and may be."""
    if left.run is None:
        return left.run_id
    own = left.run
    for one in store.runs(own.key.task):
        if (one.started, one.process) == (own.started, own.process):
            return one.id
    return store.restart(own)


def end(store: Store, left: Leftovers, run_id: int) -> None:
    """Record how a run has ended."""
    if left.status == "finished":
        store.finish(run_id, left.results)
    elif left.status == "failed":
        store.fail(run_id, left.error or "")
    else:
        store.interrupt(run_id)


def _attempt(run: RunRecord) -> dict[str, Any]:
    return {
        **asdict(run.key), "label": run.label, "fingerprint": run.fingerprint, "versions": dict(run.versions),
        **asdict(run.process), "plan": None if run.plan is None else run.plan.to_dict(),
    }  # fmt: skip


def _record(head: dict[str, Any]) -> RunRecord:
    told = head["attempt"]
    return RunRecord(
        id=head["run"],
        key=RunKey(*(told[one.name] for one in fields(RunKey))),
        label=told["label"],
        fingerprint=told["fingerprint"],
        versions=texts_of(texts_column("versions", told["versions"])),
        status="running",
        process=Process(told["host"], told["pid"], told["born"]),
        started=head["started"],
        ended=None,
        results={},
        error=None,
        plan=None if told["plan"] is None else RunPlan.from_dict(told["plan"]),
    )


def _line(reading: Reading) -> str:
    columns: dict[str, Any] = dict(zip(READING, reading_columns(reading), strict=True))
    return json.dumps({name: each if name in _PLAIN else json.loads(each) for name, each in columns.items()})


def _reading(line: dict[str, Any]) -> Reading:
    columns: dict[str, Any] = {
        name: line[name] if name in _PLAIN else json.dumps(line[name]) for name in READING
    }
    return reading_of(**columns)
