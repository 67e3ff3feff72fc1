"""What the tests run in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from etude.errors import StoreError
from etude.readings import Reading
from etude.record import RunKey, Store, open_store
from tests.forked import FORKED

PATIENCE_SECONDS = 120
RUNS, BATCHES = 3, 20


def batch(number: int) -> list[Reading]:
    """The ``number``-th of the batches that the workers append."""
    return [
        Reading(number * 3 + i, {"body": 0.1 / (i + 1), "head": 0.2}, "cosine", {"loss": 1 / (number + 1)})
        for i in range(3)
    ]


def batches(count: int) -> list[Reading]:
    return [reading for number in range(count) for reading in batch(number)]


def run_all(target: Callable[..., None], each: Sequence[tuple[Any, ...]]) -> None:
    """Run one process for each tuple of arguments, and see that all of them end well."""
    processes = [FORKED.Process(target=target, args=arguments) for arguments in each]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * len(processes)
    for process in processes:
        process.close()


def receive(receiver: Connection) -> Any:
    assert receiver.poll(PATIENCE_SECONDS), "the other process says nothing"
    return receiver.recv()


def receive_rest(receiver: Connection) -> list[Any]:
    rest = []
    try:
        while True:
            rest.append(receive(receiver))
    except EOFError:
        return rest


def _start(store: Store, key: RunKey, label: str = "cosine") -> int:
    return store.start(key, label=label, fingerprint="5f3a", versions={})


def record_runs(store: Store, barrier: Barrier, seed: int) -> None:
    with store:
        barrier.wait(PATIENCE_SECONDS)
        for _ in range(RUNS):
            run_id = _start(store, RunKey("digits", "Constant()", None, 1000, seed))
            for number in range(BATCHES):
                store.append(run_id, batch(number))
            store.finish(run_id, {"validation": seed})


def record_until_killed(store: Store, key: RunKey, sender: Connection) -> None:
    run_id = _start(store, key)
    sender.send(run_id)
    number = 0
    while True:
        store.append(run_id, batch(number))
        sender.send(number)
        number += 1


def start_four_ways(store: Store, key: RunKey) -> None:
    with store:
        _start(store, key, "left running")
        store.finish(_start(store, key, "finished"), {})
        store.fail(_start(store, key, "failed"), "no luck")
        store.interrupt(_start(store, key, "interrupted"))


def open_new_files(folder: Path, count: int, barrier: Barrier, seed: int) -> None:
    """Open files that do not exist yet, each at the same moment as the other processes do."""
    for number in range(count):
        barrier.wait(PATIENCE_SECONDS)
        with open_store(folder / str(number) / "runs.db") as store:
            _start(store, RunKey("digits", "Constant()", None, 1000, seed))


def open_one(address: str, barrier: Barrier, seed: int) -> None:
    """Open a store that does not exist yet, at the same moment as the other processes do."""
    barrier.wait(PATIENCE_SECONDS)
    with open_store(address) as store:
        _start(store, RunKey("digits", "Constant()", None, 1000, seed))


def record_until_the_file_may_not_grow(store: Store, most_bytes: int, sender: Connection) -> None:
    """Report each appended batch, and at last the error."""
    import resource

    with store, sender:
        run_id = _start(store, RunKey("digits", "Constant()", None, 1000, 0))
        sender.send(run_id)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        number = 0
        try:
            while True:
                store.append(run_id, batch(number))
                sender.send(number)
                number += 1
        except StoreError as error:
            sender.send(str(error))


def append_twice(store: Store, run_id: int, pipe: Connection) -> None:
    with store, pipe:
        store.append(run_id, batch(0))
        pipe.send("appended")
        receive(pipe)
        store.append(run_id, batch(2))
