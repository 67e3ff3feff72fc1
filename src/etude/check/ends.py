"""Rules about the levels that a run comes to: its peak, its floor, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

from etude.check.course import NEARLY, Course
from etude.check.finding import Finding

__all__ = [
    "base_unused",
    "ends_high",
    "floor_never_reached",
    "floor_reached_early",
    "jump_at_end",
    "peak_never_reached",
]

# Shares of the peak: what is left of a decay that is cut, a high end.
CUT = 0.05
HIGH = 0.2
HALF = 0.5
# The share of the run after its decay; after the last of several stairs; at a tiny part of its peak.
EARLY = {"slope": 0.2, "stair": 0.8}
EARLY_TINY = 0.5


def peak_never_reached(course: Course) -> Iterator[Finding]:
    """No update uses the highest level that the schedule goes to, or that it restarts at."""
    if course.is_rising_at_the_end or (course.warmup or 0.0) > course.steps:
        return
    aim, where = course.aim
    end, product = course.warmed or (0.0, 0.0)
    if course.lower_start is not None:
        yield Finding(
            "peak-never-reached",
            "warning",
            f"No update uses the peak {aim:g}: the warmup ends with it at {course.at(where)}, and what "
            f"follows begins at {course.lower_start:g}, {course.share(course.lower_start, aim)} of it.",
            "Let the decay begin where the warmup ends: in warmup >> decay it counts its time from there, "
            "and needs no .shift.",
            {"aim": aim, "step": where, "peak": course.peak, "start": course.lower_start},
        )
    elif course.peak < NEARLY * product:
        yield Finding(
            "peak-never-reached",
            "note" if course.peak >= HALF * product else "warning",
            f"No update uses the peak {product:g}: while the warmup lasts, until {course.at(end)}, the decay "
            f"that it is multiplied with goes down; the highest {course.noun} used is {course.peak:g}, "
            f"{course.share(course.peak, product)} of it.",
            "Write warmup >> decay, so that the decay begins where the warmup ends, or shorten the warmup.",
            {"aim": product, "step": end, "peak": course.peak},
        )
    elif course.peak < NEARLY * aim:
        yield Finding(
            "peak-never-reached",
            "warning",
            f"No update uses the peak {aim:g}, which the schedule has at {course.at(where)}; the highest "
            f"{course.noun} used is {course.peak:g}, {course.share(course.peak, aim)} of it.",
            "Put the peak on a whole step within the run.",
            {"aim": aim, "step": where, "peak": course.peak},
        )
    elif course.missed_restart is not None:
        step, peak, used = course.missed_restart
        yield Finding(
            "peak-never-reached",
            "note",
            f"The restart to {peak:g} at {course.at(step)} falls between two updates; the next one uses "
            f"{used:g}, {course.share(used, peak)} of it.",
            "Give the cycles a whole number of updates.",
            {"aim": peak, "step": step, "peak": used},
        )


def _cut(course: Course) -> float | None:
    """The level that the decay is cut short of."""
    floor = course.destination
    if floor is None or course.final.direction == "up":
        return None
    return floor if course.finish - floor > CUT * course.peak else None


def floor_never_reached(course: Course) -> Iterator[Finding]:
    """The run ends before the decay does."""
    floor = _cut(course)
    if floor is None:
        return
    yield Finding(
        "floor-never-reached",
        "warning",
        f"The run ends before the decay does: at {course.finish:g}, "
        f"{course.share(course.finish, course.peak)} of the peak, not at {floor:g}.",
        "Fit the schedule to the run, for example with over='100%', or lengthen the run.",
        {"last": course.finish, "floor": floor, "peak": course.peak},
    )


def floor_reached_early(course: Course) -> Iterator[Finding]:
    """The schedule is over long before the run is."""
    if course.last == 0 or course.last > HALF * course.peak:
        return
    start = course.final.start
    if course.held is not None and course.steps - start > EARLY[course.held] * course.steps:
        message = (
            f"The schedule is over at {course.at(start)}: {course.from_on(start)} updates stay at "
            f"{course.last:g}, {course.share(course.last, course.peak)} of the peak."
        )
        fix = (
            "Let it last as long as the run, for example with over='100%' (a bare number counts steps, "
            "'30ep' epochs); to hold a rate on purpose add >> Constant(...)."
        )
    elif course.tiny_from is not None and course.steps - course.tiny_from > EARLY_TINY * course.steps:
        start = course.tiny_from
        message = (
            f"From {course.at(start)} on, for {course.from_on(start)} updates, the rate is below a "
            f"thousandth of its peak."
        )
        fix = "Decay more slowly; a bare number counts steps: per='1ep' makes it epochs."
    else:
        return
    yield Finding(
        "floor-reached-early",
        "warning",
        message,
        fix,
        {"step": start, "share": (course.steps - start) / course.steps, "floor": course.last},
    )


def jump_at_end(course: Course) -> Iterator[Finding]:
    """The last update has a rate of its own."""
    jump = course.late_jump
    if jump is None:
        return
    yield Finding(
        "jump-at-end",
        "warning",
        f"The {course.noun} jumps from {jump.before:g} to {jump.after:g} for the last update alone.",
        f"Let the run end at step {jump.step:g}, or the schedule last one step longer.",
        {"step": jump.step, "before": jump.before, "after": jump.after},
    )


def ends_high(course: Course) -> Iterator[Finding]:
    """The rate decays, and not far."""
    falls = course.falls and course.final.direction in ("down", "flat") and not course.ends_as_written
    if not falls or course.cycle is not None or course.climb is not None or _cut(course) is not None:
        return
    if not HIGH * course.peak < course.finish < 0.98 * course.peak:
        return
    yield Finding(
        "ends-high",
        "note",
        f"The rate ends at {course.finish:g}, {course.share(course.finish, course.peak)} of the peak.",
        "A network is usually best where its rate has come down to a few percent: decay further, or add "
        "a .cooldown(at=..., over=...).",
        {"last": course.finish, "peak": course.peak},
    )


def base_unused(course: Course) -> Iterator[Finding]:
    """All levels are absolute, so the optimizer's own rate is not used."""
    base = course.base
    if base is None or course.table.depends_on_base or course.is_range_test:
        return
    # The rate that the run begins with or comes to is as good a one to build the optimizer with.
    if any(NEARLY * base <= level <= base / NEARLY for level in (course.first, course.peak)):
        return
    near_one = HALF <= course.peak <= 1 / HALF
    yield Finding(
        "base-unused",
        "note",
        f"The optimizer's own rate {base:g} is never used: all levels of the schedule are absolute, and the "
        f"peak in force is {course.peak:g}.",
        f"{'If it is a factor, multiply it by BASE; else write' if near_one else 'Write'} levels as "
        f"multiples of BASE, or build the optimizer with lr={course.peak:g}, so that there is one peak.",
        {"base": base, "peak": course.peak},
    )
