"""How a call is timed: all competitors in turn, the least of several repeats, without garbage collection."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence

__all__ = ["Call", "least"]

Call = Callable[[], object]


def least(calls: Sequence[tuple[Call, int]], *, repeats: int) -> list[float]:
    """Return the seconds that one call of each takes of the processor.

    The processor's time of this process is counted, so that what else the machine does counts little; in each
    repeat every one has its turn, so that it meets all of them alike; and of the repeats the fastest counts.

    Args:
        calls: what is called, and how many times in a row.
        repeats: how many turns each has.
    """
    best = [float("inf")] * len(calls)
    gc.collect()
    gc.freeze()  # what is there now, whole frameworks, is not gone through again before the next one
    gc.disable()
    try:
        for _ in range(repeats):
            for index, (call, times) in enumerate(calls):
                start = time.process_time()
                for _ in range(times):
                    call()
                best[index] = min(best[index], (time.process_time() - start) / times)
    finally:
        gc.enable()
    return best
