"""Rules about how a run begins: its first update, its warmup, and updates that change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from etude.check.course import HOLD, Course
from etude.check.finding import Finding
from etude.check.words import number, share_text

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
        f"The warmup takes {course.lasts(warmup)}, {share_text(warmup, course.steps)} of the run; "
        f"usually it takes 1 to 10 %, and the rise of one-cycle 30 to 45 %.",
        "Shorten the warmup, unless it is the first half of one cycle.",
        {"warmup": warmup, "share": share},
    )


def first_update_at_zero(course: Course) -> Iterator[Finding]:
    """The first update has the rate 0."""
    if not course.begins_at_zero or course.peak == 0 or course.zeros is not None:
        return
    yield Finding(
        "first-update-at-zero",
        "warning" if 1 / course.steps >= DEAR else "note",
        "The first update has the rate 0, so it changes nothing.",
        "Start the warmup above 0, for example at 0.01 * BASE.",
        {"peak": course.peak},
    )


def zero_updates(course: Course) -> Iterator[Finding]:
    """A good many updates have the rate 0, and not because a level of 0 was written for them."""
    zeros = course.zeros
    if zeros is None:
        return
    most = max(zeros.start, zeros.between, zeros.end)
    if most == zeros.end:
        over = course.final.start
        end = "" if course.table.moves_with_the_run else f", or end it there, total={course.written(over)}"
        fix = (
            f"The schedule is over at {course.at(over)}: let it last as long as the run{end}; to stay at 0 "
            f"on purpose add {course.hold(over, 0.0)}."
            if course.final.name == HOLD
            else "Decay more slowly (a bare number counts steps: per='1ep' makes it epochs), or end above 0."
        )
    elif most == zeros.start:
        fix = (
            "Start above 0: (k + 1) / (W + 1) of the peak is never 0, as in wsd(warmup=W, ...), where k / W "
            "wastes the first epoch if it is counted in epochs."
        )
    elif course.rests_at_zero:
        fix = "Let each part last until the next begins, or hold 0 on purpose with Constant(0.0, over=...)."
    else:
        fix = "Let each cycle end above 0: sgdr(..., floor=0.01 * BASE)."
    places = {"at the start": zeros.start, "in between": zeros.between, "at the end": zeros.end}
    told = [f"{course.about(f'{count:,}')} {where}" for where, count in places.items() if count]
    where = ", ".join(told) if len(told) > 1 else f"all of them {next(w for w in places if places[w])}"
    yield Finding(
        "zero-updates",
        "warning",
        f"{course.about(share_text(zeros.updates, course.steps))} of the updates, "
        f"{course.about(f'{zeros.updates:,}')} of {course.steps:,}, have the rate 0 and change nothing: "
        f"{where}.",
        fix,
        {
            "updates": zeros.updates,
            "share": zeros.updates / course.steps,
            "at_start": zeros.start,
            "in_between": zeros.between,
            "at_end": zeros.end,
        },
    )
