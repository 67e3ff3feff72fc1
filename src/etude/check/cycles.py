"""Rules about what comes round: cyclical rates, warm restarts, and cosines that climb back."""

from __future__ import annotations

from collections.abc import Iterator

from etude.check.course import Course
from etude.check.finding import Finding
from etude.check.words import length_text, number, ratio

__all__ = [
    "cosine_climbs_back",
    "few_cycles",
    "restart_above_peak",
    "run_ends_inside_cycle",
    "stepsize",
]

# What is left of a cycle's height that does not matter.
LOW = 0.05
# And what of the run's peak: waves that fade come to this.
LEAST = 0.01
# Smith, 2017: the way up takes 2 to 10 epochs, and a run at least 3 cycles.
FEWEST_EPOCHS, MOST_EPOCHS = 2, 10
ENOUGH_CYCLES = 3


def _still_rises(course: Course) -> bool:
    return course.rise is not None and course.rise >= course.steps - 1


def cosine_climbs_back(course: Course) -> Iterator[Finding]:
    """A cosine that is shorter than the run goes up again on its other half."""
    if course.climb is None:
        return
    start, down = course.climb.down.start, course.climb.down.stop
    room, share = course.steps - start, ratio(course.finish, course.peak)
    ends_low = course.climb.up.stop > course.steps and share <= LOW
    yield Finding(
        "cosine-climbs-back",
        "note" if ends_low else "warning",
        f"The cosine is down after {course.lasts(down)} and the run has {course.lasts(course.steps)}, so "
        f"the rate climbs back: it ends at {course.finish:g}, {course.of_peak(course.finish)}, "
        f"after {number(room / (down - start))} half-periods.",
        f"For one descent write cosine({course.written(room) if start else ''}), or CosineAnnealingLR with a "
        f"T_max of {course.lasts(room)}; for restarts write sgdr({course.written(down - start)}).",
        {"down": down, "steps": course.steps, "last": course.finish, "share": share},
    )


def run_ends_inside_cycle(course: Course) -> Iterator[Finding]:
    """The run ends where the rate is not at the bottom of its cycle."""
    cycle = course.cycle
    if cycle is None or course.climb is not None or _still_rises(course):
        return
    if course.final.cycle != cycle.index or not cycle.start < course.steps < cycle.stop:
        return
    above = course.finish - cycle.low
    if course.late_jump is not None or above <= max(LOW * (cycle.high - cycle.low), LEAST * course.peak):
        return
    ends = [end for end in (cycle.start, cycle.stop) if end > 0]
    near = " and ".join(course.at(end) for end in ends)
    yield Finding(
        "run-ends-inside-cycle",
        "warning",
        f"The run ends inside cycle {cycle.index} (counted from 0), where the rate is {course.finish:g}, "
        f"{course.of_peak(course.finish)}; cycles end at {near}.",
        "Give the cycles a length that fits."
        if course.table.moves_with_the_run
        else f"End the run with a cycle, total={' or '.join(course.written(end) for end in ends)}, or give "
        f"the cycles a length that fits.",
        {
            "cycle": cycle.index,
            "last": course.finish,
            "share": ratio(course.finish, course.peak),
            "cycle_start": cycle.start,
            "cycle_stop": cycle.stop,
        },
    )


def restart_above_peak(course: Course) -> Iterator[Finding]:
    """A restart jumps above everything before it."""
    highest = 0.0
    seen = 0
    for before, after in course.jumps_up:
        while seen < len(course.pieces) and course.pieces[seen].start < after.start:
            highest = max(highest, course.pieces[seen].first, course.pieces[seen].last)
            seen += 1
        # Within a piece the rate may have been higher than at its ends.
        highest = max(highest, course.highest_before(after.start))
        if before.last < 0.95 * highest and after.first > 1.01 * highest:
            yield Finding(
                "restart-above-peak",
                "warning",
                f"At {course.at(after.start)} the rate jumps from {before.last:g} to {after.first:g}, above "
                f"the peak before it, {highest:g}.",
                f"Restart at {highest:g} or below, or raise the first peak (init_lr= in "
                f"cyclic_cosine_decay).",
                {"step": after.start, "restart": after.first, "peak": highest},
            )
            return


def stepsize(course: Course) -> Iterator[Finding]:
    """The way up of a cyclical rate takes less than 2 epochs, or more than 10."""
    if course.per_epoch is None or course.stepsize is None or course.climb is not None:
        return
    epochs = course.stepsize / course.per_epoch
    if FEWEST_EPOCHS * (1 - 1e-9) <= epochs <= MOST_EPOCHS * (1 + 1e-9):
        return
    yield Finding(
        "stepsize",
        "warning",
        f"The rate takes {number(course.stepsize)} updates, {course.lasts(course.stepsize)}, from the bottom "
        f"of its cycle to the top; {FEWEST_EPOCHS} to {MOST_EPOCHS} epochs are advised (Smith, 2017).",
        f"Write the stepsize in epochs, such as up='{FEWEST_EPOCHS}ep': "
        f"{number(FEWEST_EPOCHS * course.per_epoch)} to {number(MOST_EPOCHS * course.per_epoch)} updates.",
        {"stepsize": course.stepsize, "epochs": epochs},
    )


def few_cycles(course: Course) -> Iterator[Finding]:
    """A cyclical rate goes round less than three times, or a schedule with restarts never restarts."""
    cycle = course.cycle
    if cycle is None or course.climb is not None or _still_rises(course):
        return
    part = min((course.steps - cycle.start) / (cycle.stop - cycle.start), 1.0)
    rounds = cycle.index + part
    if cycle.kind == "restart":
        if course.jumps_up or cycle.index > 0:
            return
        message = f"The run ends before the first restart, which would be at {course.at(cycle.stop)}."
    else:
        # Within an update of the third cycle's end.
        if rounds >= ENOUGH_CYCLES - 1 / (cycle.stop - cycle.start):
            return
        message = (
            f"The rate goes round {length_text(rounds, 'time')}; cyclical rates want {ENOUGH_CYCLES} or more."
        )
    yield Finding(
        "few-cycles",
        "note",
        message,
        "Shorten the cycles or lengthen the run; for a single descent write cosine() or one_cycle().",
        {"cycles": rounds},
    )
