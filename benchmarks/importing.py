"""How long the imports take, each in a process of its own.

    python benchmarks/importing.py [--quick] [--json FILE]

By the clock, the median of several after one that is not counted: the processor's time would have that of the
threads, too, that NumPy starts beside it. Modules are compiled by the one that is not counted, as installing
them does.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from report import Row, main

CLOCKED = """
import time
begin = time.perf_counter()
{before}
middle = time.perf_counter()
{statement}
print(middle - begin, time.perf_counter() - middle)
"""

# Else no run would find what the one before has compiled.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(statement: str, *, after: str = "", times: int) -> tuple[float, float]:
    """The time of a statement in a fresh Python, and of the one before it."""
    command = [sys.executable, "-c", CLOCKED.format(before=after, statement=statement)]
    found = []
    for _ in range(times):
        printed = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout
        found.append([float(number) for number in printed.split()])
    before, clocked = (statistics.median(column) for column in zip(*found[times > 1 :], strict=True))
    return clocked, before


def empty(*, times: int) -> float:
    """The time that Python itself takes to start and end."""
    found = []
    for _ in range(times):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True, env=ENVIRONMENT)
        found.append(time.perf_counter() - before)
    return statistics.median(found[times > 1 :])


def rows(*, quick: bool) -> list[Row]:
    """Time both imports, beside what they cannot do without."""
    times = 1 if quick else 8  # the first of which compiles, and is not counted
    alone, _ = seconds("import etude", times=times)
    found = [
        Row("import etude", "alone", "an empty python", alone, empty(times=times), "s", 0.2, absolute=True)
    ]
    for statement, peer, bound in (
        ("import etude", "import numpy", None),
        ("import etude.torch", "import torch", 0.1),
        ("from etude.torch import Scheduler", "import torch", 0.1),
    ):
        ours, theirs = seconds(statement, after=peer, times=times)
        found.append(Row(statement, f"after {peer}", peer, ours, theirs, "s", bound, absolute=True))
    return found


if __name__ == "__main__":
    main(__doc__, [("Imports", rows)])
