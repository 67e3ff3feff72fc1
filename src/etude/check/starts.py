"""Rules about how a run begins: its first update, its warmup, and updates that change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from etude.check.course import Course, number
from etude.check.finding import Finding

__all__ = [
    "first_update_at_zero",
    "long_warmup",
    "never_leaves_warmup",
    "warmup_longer_than_run",
    "zero_updates",
]

LONG = 1 / 3
VERY_LONG = 1 / 2
# One update is a loss where it is this share of the run: where a step is an epoch, and in short runs.
DEAR = 1e-3


def warmup_longer_than_run(course: Course) -> Iterator[Finding]:
    """The first rise would end after the run does."""
    warmup = course.warmup
    if warmup is None or not course.steps < warmup < float("inf"):
        return
    yield Finding(
        "warmup-longer-than-run",
        "error",
        f"The schedule still warms up when the run ends: its first rise takes {number(warmup)} steps "
        f"and the run has {course.steps:,}{course.both_in_epochs(warmup, course.steps)}.",
        f"Shorten the warmup to well below {course.steps:,} steps, or lengthen the run.",
        {"warmup": warmup, "steps": course.steps},
    )


def never_leaves_warmup(course: Course) -> Iterator[Finding]:
    """The rate rises from the first update to the last."""
    if not course.is_rising_at_the_end or course.is_range_test or any(warmup_longer_than_run(course)):
        return
    yield Finding(
        "never-leaves-warmup",
        "warning",
        f"The rate rises through the whole run, from {course.first:g} to {course.last:g}: nothing follows "
        f"the warmup.",
        f"Let a decay follow, such as Linear(0.01 * BASE, BASE, over='5%') >> Cosine(over='95%'); for a "
        f"range test {course.lasts(course.steps)} of rise are as it should be.",
        {"first": course.first, "last": course.last, "steps": course.steps},
    )


def long_warmup(course: Course) -> Iterator[Finding]:
    """The warmup takes more than a third of the run."""
    warmup = course.warmup
    if warmup is None or warmup >= course.steps - 1:
        return
    if course.warmed is None and course.pieces[0].cycle is not None:  # a wave's way up
        return
    share = warmup / course.steps
    if share <= LONG:
        return
    yield Finding(
        "long-warmup",
        "warning" if share > VERY_LONG else "note",
        f"The warmup takes {course.lasts(warmup)}, {course.share(warmup, course.steps)} of the run; "
        f"usually it takes 1 to 10 %, and the rise of one-cycle 30 to 45 %.",
        "Shorten the warmup, unless it is the first half of one cycle.",
        {"warmup": warmup, "share": share},
    )


def first_update_at_zero(course: Course) -> Iterator[Finding]:
    """The first update has the rate 0."""
    if course.first != 0 or course.peak == 0 or course.idle:
        return
    yield Finding(
        "first-update-at-zero",
        "warning" if 1 / course.steps >= DEAR else "note",
        "The first update has the rate 0, so it changes nothing.",
        "Start the warmup above 0, for example at 0.01 * BASE.",
        {"peak": course.peak},
    )


def zero_updates(course: Course) -> Iterator[Finding]:
    """A good many updates have the rate 0."""
    if not course.idle:
        return
    wasted = course.zero_share * course.steps
    where = "at the start" if course.first == 0 else "at the end" if course.last == 0 else "in between"
    fix = {
        "at the start": "Start above 0: (k + 1) / (W + 1) of the peak is never 0, as in wsd(warmup=W, ...), "
        "where k / W wastes the first epoch if it is counted in epochs.",
        "at the end": "Let the decay take the whole run, over='100%', or end it above 0; a bare number "
        "counts steps, '30ep' epochs.",
        "in between": "Let each cycle end above 0: sgdr(..., floor=0.01 * BASE).",
    }[where]
    yield Finding(
        "zero-updates",
        "warning",
        f"{course.share(course.zero_share, 1)} of the updates, {round(wasted):,} of {course.steps:,}, have "
        f"the rate 0 and change nothing; some of them {where}.",
        fix,
        {"updates": wasted, "share": course.zero_share},
    )
