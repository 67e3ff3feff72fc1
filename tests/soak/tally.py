"""What a part has tried and found, how it comes along, and the processes that share its cases."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Check", "Fault", "Found", "OutOfTimeError", "Tally"]

PROCESSES = min(os.cpu_count() or 1, 2)
SHARED = 2_500
"""Cases from which on other processes are worth their start."""


class OutOfTimeError(Exception):
    """The soak has no time left; what was tried counts."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong: a word or two for the table, and a script that shows it."""

    kind: str
    script: str


@dataclass
class Found:
    """What came of some cases.

    Args:
        faults: in the order of the cases.
        counted: what else was tried, such as ``{"values": 24}``; added up.
        most: what has a largest value, such as ``{"MB": 180.0}``.
    """

    faults: list[Fault] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    most: dict[str, float] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take in what came of others."""
        self.faults += other.faults
        self.counted += other.counted
        for name, value in other.most.items():
            self.most[name] = max(value, self.most.get(name, value))


Check: TypeAlias = Callable[[int, int], Found]
"""Tries the case of a seed and a number, in any process: a function of a module."""


@dataclass
class Tally:
    """A part's row of the table.

    Args:
        part: its name.
        show: called with the number of cases done, for a bar; may raise OutOfTimeError.
    """

    part: str
    show: Callable[[int], None] = lambda done: None
    tried: int = 0
    found: Found = field(default_factory=Found)
    seconds: float = 0.0
    interrupted: bool = False

    def case(self, found: Found | None = None, cases: int = 1) -> None:
        """Count a case that was tried, with what came of it."""
        self.tried += cases
        self.found.add(found or Found())
        self.show(self.tried)

    def spread(self, check: Check, count: int, seed: int, *, processes: int = PROCESSES) -> None:
        """Try the cases 0 to ``count`` - 1, in this process or shared among several."""
        if processes == 1 or count < SHARED:
            for number in range(count):
                self.case(check(seed, number))
            return
        chunk = max(min(count // 100, 2_000), 1)  # few enough that Ctrl-C is answered soon
        parts = [range(start, min(start + chunk, count)) for start in range(0, count, chunk)]
        faults: dict[int, list[Fault]] = {}
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _leave_interrupts) as pool:
            waiting = {pool.submit(_try_all, check, seed, numbers): numbers for numbers in parts}
            try:
                for done in as_completed(waiting):
                    found, numbers = done.result(), waiting[done]
                    faults[numbers.start], found.faults = found.faults, []
                    self.case(found, len(numbers))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                # In the order of the cases, whoever was first.
                self.found.faults += [fault for start in sorted(faults) for fault in faults[start]]


def _leave_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that keeps the tally


def _try_all(check: Check, seed: int, numbers: Iterable[int]) -> Found:
    found = Found()
    for number in numbers:
        found.add(check(seed, number))
    return found
