"""Rules about the levels that a run comes to: its peak, its floor, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

from etude.check.course import NEARLY, Course
from etude.check.finding import Finding
from etude.check.starts import never_leaves_warmup, warmup_longer_than_run, zero_updates
from etude.check.words import number, share_text

__all__ = [
    "base_unused",
    "ends_high",
    "floor_never_reached",
    "floor_reached_early",
    "jump_at_end",
    "length_differs",
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
            f"follows begins at {course.lower_start:g}, {share_text(course.lower_start, aim)} of it.",
            f"Let what follows the warmup begin at {aim:g}: in ramp >> decay it counts its time from "
            "there, without a .shift.",
            {"aim": aim, "step": where, "peak": course.peak, "start": course.lower_start},
        )
    elif course.peak < NEARLY * product:
        yield Finding(
            "peak-never-reached",
            "note" if course.peak >= HALF * product else "warning",
            f"No update uses the peak {product:g}: while the warmup lasts, until {course.at(end)}, the decay "
            f"that it is multiplied with goes down; the highest {course.noun} used is {_peak(course)}, "
            f"{course.about(share_text(course.peak, product))} of it.",
            "Put a ramp first, Linear(0.0, BASE, over=...) >> decay, so that the decay begins where that "
            "ends; or shorten the warmup.",
            {"aim": product, "step": end, "peak": course.peak},
        )
    elif course.peak < NEARLY * aim:
        yield Finding(
            "peak-never-reached",
            "warning",
            f"No update uses the peak {aim:g}, which the schedule has at {course.at(where)}; the highest "
            f"{course.noun} used is {_peak(course)}, {course.about(share_text(course.peak, aim))} of it.",
            "Put the peak on a whole step within the run.",
            {"aim": aim, "step": where, "peak": course.peak},
        )
    elif course.missed_restart is not None:
        step, peak, used = course.missed_restart
        yield Finding(
            "peak-never-reached",
            "note",
            f"The restart to {peak:g} at {course.at(step)} falls between two updates; the next one uses "
            f"{used:g}, {share_text(used, peak)} of it.",
            "Give the cycles a whole number of updates.",
            {"aim": peak, "step": step, "peak": used},
        )


def _peak(course: Course) -> str:
    return course.about(f"{course.peak:g}")


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
    start, arrival = course.final.start, course.arrival
    longer = "" if course.table.moves_with_the_run else ", or lengthen the run"
    longer += f", total={course.written(arrival)}" if longer and arrival is not None else ""
    yield Finding(
        "floor-never-reached",
        "warning",
        f"The run ends before the decay does: at {course.finish:g}, {course.of_peak(course.finish)}, "
        f"not at {floor:g}.",
        f"Let the decay end with the run: over='rest' is what is left from {course.at(start)} on{longer}.",
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
            f"{course.last:g}, {course.of_peak(course.last)}."
        )
        end = "" if course.table.moves_with_the_run else f", or end it there, total={course.written(start)}"
        fix = (
            f"Let it last as long as the run (a bare number counts steps, '30ep' epochs){end}; to hold a "
            f"rate on purpose add {course.hold(start, course.last)}."
        )
    elif course.tiny_from is not None and course.steps - course.tiny_from > EARLY_TINY * course.steps:
        start = course.tiny_from
        message = (
            f"From {course.about(course.at(start))} on, for {course.about(course.from_on(start))} updates, "
            f"the rate is at most a thousandth of its peak."
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
        "Let the schedule last one step longer."
        if course.table.moves_with_the_run
        else f"Let the run end at step {number(jump.step)}, total={course.written(jump.step)}, or the "
        f"schedule last one step longer.",
        {"step": jump.step, "before": jump.before, "after": jump.after},
    )


def length_differs(course: Course) -> Iterator[Finding]:
    """The parts of the schedule sum to another length than the run's, and nothing else says so."""
    length, total = course.table.length, course.table.horizon.total_steps
    if length is None or total is None or not abs(length - float(total)) > course.rounding:
        return
    longer = length < total
    # What is held after a warmup, or where a cooldown stops, was asked for.
    if longer and course.held_on_purpose:
        return
    if any(any(rule(course)) for rule in ABOUT_LENGTH):
        return
    if longer:
        then = f"from {course.at(length)} on its last value, {course.last:g}, is held"
        fix = f"to hold that value on purpose add {course.hold(length, course.last)}"
    else:
        then = (
            f"the run ends at {course.finish:g}, {course.lasts(length - float(total))} before the plan does"
        )
        fix = "or shorten a part"
    whole = "L"
    if not course.table.moves_with_the_run:
        whole = f"Let the run be as long as the plan, total={course.written(length)}, or l"
    yield Finding(
        "length-differs",
        "note",
        f"The plan is {course.lasts(length)}, the run {course.lasts(float(total))}: {then}.",
        f"{whole}et the last part be what is left of the run; {fix}.",
        {"length": length, "steps": course.steps},
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
        f"The rate ends at {course.finish:g}, {course.of_peak(course.finish)}.",
        "A network is usually best where its rate has come down to a few percent: decay further, or add "
        "a .cooldown(at=..., over=...).",
        {"last": course.finish, "peak": course.peak},
    )


def base_unused(course: Course) -> Iterator[Finding]:
    """All levels are absolute, so the optimizer's own rate is not used."""
    base = course.base
    if base is None or course.table.depends_on_base or course.is_range_test or course.peak == 0:
        return
    # The rate that the run begins with or comes to is as good a one to build the optimizer with.
    if any(NEARLY * base <= level <= base / NEARLY for level in (course.first, course.peak)):
        return
    near_one = HALF <= course.peak <= 1 / HALF
    yield Finding(
        "base-unused",
        "note",
        f"The optimizer's own rate {base:g} is never used: all levels of the schedule are absolute, and the "
        f"peak in force is {_peak(course)}.",
        f"{'If it is a factor, multiply it by BASE; else write' if near_one else 'Write'} levels as "
        f"multiples of BASE, or build the optimizer with lr={course.peak:g}, so that there is one peak.",
        {"base": base, "peak": course.peak},
    )


ABOUT_LENGTH = (
    warmup_longer_than_run,
    never_leaves_warmup,
    zero_updates,
    floor_never_reached,
    floor_reached_early,
    jump_at_end,
)
"""The rules that are graver for a schedule of another length than the run."""
