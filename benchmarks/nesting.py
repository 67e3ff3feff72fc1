"""What many parts and many levels cost, of schedules that have grown for months.

python benchmarks/nesting.py [--quick] [--json FILE]
"""

from __future__ import annotations

import logging
import time
from functools import partial

import torch
from report import Row, main
from timing import least
from torch.nn import Parameter
from torch.optim import SGD

import etude as et
from etude.torch import Scheduler, redecay

PIECES = 10_000
COOLDOWNS = 18
RESUMES = 100


def chain(length: int) -> et.Schedule:
    """Pieces put one after another, one at a time."""
    plan: et.Schedule = et.Constant(1.0, over=1)
    for i in range(1, length):
        plan = plan >> et.Constant(1 / (i + 1), over=1)
    return plan


def cooled(depth: int, *, apart: int) -> et.Schedule:
    """A line that is left for a cooldown so many times, each ``apart`` steps after the last."""
    plan: et.Schedule = et.Linear(1.0, 0.5, over=100)
    for i in range(depth):
        plan = plan.cooldown(5 + apart * i, over=100)
    return plan


def cycles(depth: int) -> et.Schedule:
    """Two cycles of two cycles of two …"""
    plan: et.Schedule = et.Cosine(1.0, 0.1, over="1/3st")
    for i in range(depth):
        plan = plan.repeat(2, gain=1 - i % 2 / 10)
    return plan


def used(plan: et.Schedule) -> None:
    """Lay a schedule over a run, and ask for its values."""
    table = plan.on(et.Horizon(total=1_000))
    table(range(1_000))
    table(500)
    table.phase(500)


def resumed(times: int) -> list[float]:
    """The seconds that each of so many resumes takes, which decay anew from where the last has come."""
    logging.getLogger("etude").setLevel(logging.ERROR)  # each tells its seam
    seconds, saved = [], None
    for i in range(times + 1):
        optimizer = SGD([Parameter(torch.zeros(1))], lr=0.1)
        # Another length each time: it is another plan, which needs a policy.
        scheduler = Scheduler(optimizer, et.cosine(), et.Horizon(total=100_000 + i))
        start = time.process_time()
        if saved is not None:
            scheduler.load_state_dict(saved, on_change=redecay(over="10%"))
        seconds.append(time.process_time() - start)
        scheduler.seek(10_000 + 100 * i)
        saved = scheduler.state_dict()
    return seconds[1:]


def rows(*, quick: bool) -> list[Row]:
    """All of these."""
    torch.set_num_threads(1)
    repeats = 1 if quick else 5
    pieces = PIECES // 100 if quick else PIECES
    found = []
    (long,) = least([(partial(chain, pieces), 1)], repeats=repeats)
    what = f"{pieces:,} pieces by >>"
    found.append(Row(what, "built one by one", "alone", long, None, "s", 1, absolute=True))
    for case, apart in (("all at one step", 0), ("one step apart", 1)):
        calls = [partial(used, cooled(depth, apart=apart)) for depth in (COOLDOWNS, 1)]
        many, one = least([(call, 1 if quick else 20) for call in calls], repeats=repeats)
        bound = 3 if apart == 0 else COOLDOWNS
        found.append(Row(f"{COOLDOWNS} nested cooldowns", case, "one", 1e3 * many, 1e3 * one, "ms", bound))
    calls = [partial(used, cycles(depth)) for depth in (30, 1)]
    many, one = least([(call, 1 if quick else 5) for call in calls], repeats=repeats)
    found.append(Row("30 nested cycles", "of parts of a step", "one", 1e3 * many, 1e3 * one, "ms", 30**2))
    seconds = resumed(RESUMES // 20 if quick else RESUMES)
    last = sorted(seconds[-5:])[len(seconds[-5:]) // 2]
    first = sorted(seconds[:5])[len(seconds[:5]) // 2]
    what = f"{len(seconds)} resumes with redecay"
    found.append(Row(what, "the last", "the first", 1e3 * last, 1e3 * first, "ms", 50, absolute=True))
    return found


if __name__ == "__main__":
    main(__doc__, [("Nesting", rows)])
