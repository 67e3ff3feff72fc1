"""What becomes of a schedule when a run is resumed under another plan: policies, and the change in words."""

from __future__ import annotations

import ast
import dataclasses
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from etude.durations import Duration, DurationLike, Horizon, fraction_text, to_duration, to_fraction
from etude.eases import EASES, Array
from etude.errors import EtudeError, ScheduleError
from etude.levels import Level, LevelLike, to_level
from etude.names import nearest
from etude.schedules import Constant, Plateau, Rate, Schedule, bounds
from etude.schedules.algebra import GEOMETRIC, Cooldown, Joined, Minimum, Product, Until, placed, write
from etude.schedules.algebra import Sequence as Successive
from etude.schedules.rebuilt import settled
from etude.spec import parse
from etude.tables import Table
from etude.timeline import Clock, ceil_float

__all__ = [
    "Course",
    "Policy",
    "Redecay",
    "Seam",
    "continued",
    "cooled",
    "differences_in_words",
    "redecay",
    "to_policy",
    "told_apart",
]

Word: TypeAlias = Literal["stretch", "keep", "hold"]
WORDS: tuple[Word, ...] = ("stretch", "keep", "hold")
ARGUMENTS = ["over", "ease", "stop"]
ZERO = Level(0.0, 0.0)
ONE = Constant(1.0)
# A value is factor · base + offset if it is that at these base rates; powers of two scale without rounding.
BASES = np.array([0.0, 1.0, 2.0, 2.0**-10, 2.0**-20, 2.0**10])
# What a Plateau may have come to: it multiplies a value if it does with each of these.
FACTORS = (0.5, 2.0**-20, 0.0)
CLOSE = 1e-9
# So many decays that were left are kept before the one that is followed; what is told of earlier steps is the
# plan that was there before them.
MOST_LEFT = 16
# A seam names no more groups in one line, and no more lines.
MOST_NAMES, MOST_LINES = 3, 8


@dataclass(frozen=True)
class Course:
    """What a hyperparameter follows: a schedule, and the horizon that its durations are counted on."""

    schedule: Rate
    horizon: Horizon

    @cached_property
    def table(self) -> Table:
        """The schedule on the horizon."""
        return self.schedule.on(self.horizon)


@dataclass(frozen=True, slots=True, repr=False)
class Redecay:
    """The policy that decays anew from where the run is: see ``redecay``, which builds it."""

    over: DurationLike
    ease: str = "linear"
    stop: LevelLike | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "over", bounds.length(self.over, "redecay(over=)"))
        bounds.choice(self.ease, "redecay(ease=)", [*EASES, GEOMETRIC])
        if self.stop is not None:
            object.__setattr__(self, "stop", to_level(self.stop, "redecay(stop=)"))
            self._check_way_to(self.stop)

    def _check_way_to(self, stop: LevelLike) -> None:
        if self.ease == GEOMETRIC and stop in (0, ZERO):
            raise ScheduleError(
                "redecay(stop=) must be more than 0 with ease='geometric', for no factor leads to 0; write "
                "stop=0.001 * BASE, or another ease"
            )

    def __repr__(self) -> str:
        ease = "" if self.ease == "linear" else f", ease={self.ease!r}"
        stop = "" if self.stop is None else f", stop={self.stop!r}"
        return f"redecay(over={self.over!r}{ease}{stop})"


Policy: TypeAlias = Word | Redecay
"""What is followed by a run that is resumed under another plan: see ``continued``."""


def redecay(over: DurationLike, *, ease: str = "linear", stop: LevelLike | None = None) -> Redecay:
    """Return the policy of decaying anew, from the value where the run is resumed.

    Args:
        over: how long the decay takes, a Duration counted on the horizon of now: ``"10%"`` is a tenth of the
            longer run; 0 drops at once.
        ease: ``"linear"``, ``"cosine"`` or another of the eases; or ``"geometric"``, to a stop above 0.
        stop: the last level; not given, the last value of the plan of now, or 0 where that never ends.

    Raises:
        ScheduleError: for a length or level below 0, or an unknown ease.

    >>> redecay("10%", stop=0.1 * BASE)
    redecay(over='10%', stop=0.1 * BASE)
    """
    return Redecay(over, ease, stop)


def to_policy(value: object) -> Policy | None:
    """Return the policy that a person wrote; None, for none, as it is.

    Args:
        value: ``"stretch"``, ``"keep"``, ``"hold"``, what ``redecay`` returns, or its text.

    Raises:
        ScheduleError: for anything else, naming what may be written.

    >>> to_policy("keep"), to_policy("redecay(over='10%')")
    ('keep', redecay(over='10%'))
    """
    if value is None or isinstance(value, Redecay):
        return value
    hint = ""
    if isinstance(value, str):
        for word in WORDS:
            if value == word:
                return word
        if value.strip().startswith("redecay"):
            return _read(value)
        hint = nearest(value, [*WORDS, "redecay"])
    raise ScheduleError(
        f"on_change must be 'stretch', 'keep', 'hold' or redecay(over='10%'); got {value!r}{hint}"
    )


def _read(text: str) -> Redecay:
    """Read what ``repr`` writes of a Redecay, without evaluating it."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: it is nested too deeply
        call = None
    match call:
        case ast.Call(func=ast.Name(id="redecay"), args=([] | [_]) as first, keywords=keywords):
            pairs = [("over", node) for node in first]
            pairs += [(keyword.arg or "**", keyword.value) for keyword in keywords]
        case _:
            raise ScheduleError(f"on_change must be written as in redecay(over='10%'); got {text[:200]!r}")
    given = dict(pairs)
    for name in given:
        if name not in ARGUMENTS:
            raise ScheduleError(f"redecay has no argument {name!r}{nearest(name, ARGUMENTS)} in {text!r}")
    if "over" not in given or len(given) < len(pairs):
        raise ScheduleError(f"redecay takes over=, and each argument once; got {text!r}")
    return redecay(**{name: _argument(name, node) for name, node in given.items()})


def _argument(name: str, node: ast.expr) -> Any:
    """The value of one argument; a level is read as the constant schedule that it would be."""
    written = ast.unparse(node)
    try:
        if name != "stop" or written == "None":
            return ast.literal_eval(node)
        constant = parse(written)
    except (ValueError, EtudeError):
        constant = None
    if type(constant) is Constant and constant.over is None:
        return constant.level
    what = "a level such as 1e-5 or 0.1 * BASE" if name == "stop" else "a number or a text in quotes"
    raise ScheduleError(f"redecay({name}=) must be {what}; got {written}")


def continued(policy: Policy, saved: Course, present: Course, at: Fraction | float) -> Course:
    """Return what is followed from a step on: the course that a policy makes of two plans.

    With s the saved course, p the present one, each on its own horizon, and t a step of the clock,

    - ``"stretch"``: p(t). Where both are the same schedule written in shares of the run, it is the new curve
      over the new run, read at the same step.
    - ``"keep"``: s(t), which past its end holds its last value.
    - ``"hold"``: s(t) before ``at``; then s(at).
    - ``redecay(over, ease, stop)``: s(t) before ``at``; then, with e the ease of the share of ``over`` gone,
      s(at) · (1 - e) + stop · e; then ``stop``. Where s(at) is at or below ``stop``, s(at) is held.

    So ``"hold"`` and ``redecay`` never rise from ``at`` on, whatever the base rate; the other two rise where
    the curve that they follow does.

    A Plateau that multiplies s at ``at`` goes on multiplying what comes after, ``stop`` too; under a clip or
    in a sum it goes on acting there, and ``stop`` is what is written. One that has nothing to say at ``at``
    has nothing to say afterwards.

    Args:
        policy: see ``to_policy``.
        saved: the checkpoint's.
        present: the one of now.
        at: the step where the run goes on, ≥ 0.

    Returns:
        the course, the past included; its schedule prints as text that reads back.

    Raises:
        ScheduleError: where s(at) is no multiple of the base rate plus a number, such as in the middle of a
            Geometric from BASE to 1e-5; only ``redecay`` to 0 takes it up from there.
        HorizonError: where the present horizon lacks what ``over`` needs.

    >>> cosine = Cosine()
    >>> short, longer = Course(cosine, Horizon(total=8)), Course(cosine, Horizon(total=16))
    >>> continued("hold", short, longer, at=4).schedule
    Cosine(BASE, 0.0).until(4) >> Constant(0.5 * BASE)
    >>> continued(redecay("25%"), short, longer, at=4).schedule
    Cosine(BASE, 0.0).cooldown(4, over=4)
    """
    step = to_fraction(at, "at")
    if step < 0:
        raise ScheduleError(f"at must be at least 0; got {at!r}")
    if policy == "stretch":
        return present
    if policy == "keep":
        return saved
    if policy == "hold":
        held, plateaus = _held(saved.schedule, saved.horizon, step, "on_change='hold'")
        schedule = saved.schedule
        if _in_force(schedule, saved.horizon, step)[0] != _product(
            held, *plateaus
        ):  # else it is what is followed, for ever
            schedule = _then(saved, step, held, plateaus)
    else:
        schedule = _redecayed(policy, saved, present, step)
    return Course(schedule, saved.horizon)


def _redecayed(policy: Redecay, saved: Course, present: Course, at: Fraction) -> Rate:
    # Elsewhere in steps, for the course is on the saved horizon, where the same share is another length.
    length = Clock(present.horizon).started(at).steps(policy.over, "redecay(over=)")
    over = to_duration(policy.over) if present.horizon == saved.horizon else _steps(length)
    stop = _last(present) if policy.stop is None else to_level(policy.stop, "redecay(stop=)")
    policy._check_way_to(stop)
    if stop == ZERO:  # nothing is below it, and a share of what is left takes every factor along
        return cooled(saved, at, over=over, ease=policy.ease)
    held, plateaus = _held(saved.schedule, saved.horizon, at, f"on_change={policy!r}")
    level = to_level(held.level, "held") if isinstance(held, Constant) else None
    if level is not None and _at_most(level, stop):
        return _then(saved, at, held, plateaus)
    surely = level is not None and _at_most(stop, level)
    if surely and not plateaus:
        return cooled(saved, at, over=over, stop=stop, ease=policy.ease)
    tail: Schedule = Cooldown(held, 0, over=over, stop=stop, ease=policy.ease)
    # Which of the two is higher may depend on the base rate.
    return _then(saved, at, tail if surely else Minimum.of(held, tail), plateaus)


def cooled(
    course: Course, at: Fraction | float, *, over: DurationLike, stop: LevelLike = ZERO, ease: str = "linear"
) -> Rate:
    """Return the schedule that leaves a course at a step, and decays from the value that it has there.

    It holds the past and the decay, one after the other, and nothing of what is left: however often a run is
    cooled down or resumed, no decay is within another.

    >>> again = cooled(Course(Cosine(over=8).cooldown(4, over=4), Horizon()), 6, over=2)
    >>> again
    Cosine(BASE, 0.0, over=8).cooldown(4, over=4).until(6) >> Constant(0.25 * BASE).cooldown(0, over=2)
    """
    step, schedule = to_fraction(at, "at"), course.schedule
    while isinstance(schedule, Cooldown):
        begins, length = schedule.times(Clock(course.horizon))
        if not (step <= begins and step < begins + length):  # one without length is over as it begins
            break
        schedule = schedule.schedule  # that decay has not begun, and never will
    if _decays(*_in_force(schedule, course.horizon, step), course.horizon):
        try:
            held, plateaus = _held(schedule, course.horizon, step, "cooldown()")
        except ScheduleError:  # only the decay that is left knows what its value is made of
            plateaus, held = (), schedule
        if held != schedule and (stop == ZERO or not plateaus):
            tail = Cooldown(held, 0, over=over, stop=stop, ease=ease)
            return _then(course, step, tail, plateaus)
    return Cooldown(schedule, _steps(step), over=over, stop=stop, ease=ease)


def _decays(part: Schedule, since: Fraction, horizon: Horizon) -> bool:
    """Whether a part is a decay from a value that was reached, and has begun."""
    if isinstance(part, Product):
        return any(_decays(each, since, horizon) for each in part.parts)
    return isinstance(part, Cooldown) and since >= part.times(Clock(horizon))[0]


def _then(saved: Course, at: Fraction, tail: Schedule, plateaus: Sequence[Plateau]) -> Rate:
    """The saved course until ``at``, and then the tail times what goes on multiplying it."""
    past = _recent(_until(saved.schedule, saved.horizon, at), saved.horizon)
    return cast(Rate, Successive.of(*past, _product(tail, *plateaus)))


def _recent(past: list[Schedule], horizon: Horizon) -> list[Schedule]:
    """The past with the last of the decays that were left; what was before the others lasts until there.

    Nothing that is still to come depends on them, and each would make the text longer for good.
    """
    left = [index for index, part in enumerate(past) if index and _was_left(part)]
    lengths = [length or Fraction(0) for _, _, length in placed(past, Clock(horizon))]
    for index in reversed(left[:-MOST_LEFT]):
        before, length = past[index - 1], lengths[index - 1] + lengths.pop(index)
        del past[index]
        past[index - 1] = Until(before.schedule if isinstance(before, Until) else before, _steps(length))
        lengths[index - 1] = length
    return past


def _was_left(part: Schedule) -> bool:
    """Whether a part is a decay that ``cooled`` or a policy has begun, and left again."""
    return isinstance(part, Until) and any(
        isinstance(inner, Cooldown) and to_duration(inner.at).is_zero for inner in part.walk()
    )


def _until(schedule: Schedule, horizon: Horizon, at: Fraction) -> list[Schedule]:
    """A schedule as far as a step: the parts of it, one after another, of which none is left out."""
    kept: list[Schedule] = []
    clock = Clock(horizon)
    if isinstance(schedule, Successive):
        *before, (last, clock, _) = placed(schedule.parts, clock)
        for part, _, length in before:
            if at <= (length or 0):
                return [*kept, Until(part, _steps(at))] if at < (length or 0) else [*kept, part]
            kept.append(part)
            at -= length or 0
        if not at:
            return kept
        schedule = last
    if isinstance(schedule, Until) and not schedule.fills_the_run and schedule.length(clock) == at:
        return [*kept, schedule]
    return [*kept, Until(schedule, _steps(at))]


def _product(*parts: Schedule) -> Rate:
    """The product of parts of which one at least is a rate."""
    kept = [part for part in parts if part != ONE]
    if not any(isinstance(part, Rate) for part in kept):
        kept.append(ONE)
    return cast(Rate, Product.of(*kept) if len(kept) > 1 else kept[0])


def _steps(steps: Fraction) -> Duration:
    return Duration.of({"st": steps})


def _at_most(low: Level, high: Level) -> bool:
    """Whether one level is at or below the other for every base rate."""
    return low.factor <= high.factor and low.offset <= high.offset


def _last(present: Course) -> Level:
    """The level that the course ends at: 0 where it has no end."""
    table = present.table
    if table.length is None:
        return ZERO
    total = present.horizon.total_steps
    end = table.length if total is None else min(table.length, ceil_float(total))
    level = _level(_values(table, end, {}))
    if level is None:
        raise ScheduleError(
            f"redecay needs stop=, for the last value of {table.text} is no multiple of the base rate plus a "
            f"number; write redecay(over=..., stop=0.01 * BASE)"
        )
    return level


def _held(schedule: Schedule, horizon: Horizon, at: Fraction, policy: str) -> tuple[Rate, Sequence[Plateau]]:
    """A schedule that has the value at a step for ever, and the Plateaus that multiply it.

    It is a Constant where the value is a level; where it is none, as under a clip, it is put together of the
    parts' values.
    """
    table = schedule.on(horizon)
    values = _values(table, ceil_float(at), {})
    level, plateaus = _level(values), _multiplying(table, ceil_float(at), values)
    if level is not None and plateaus is not None:
        return Constant(level), plateaus
    if isinstance(schedule, Successive):
        part, since = _in_force(schedule, horizon, at)
        return _held(part, horizon, since, policy)
    if isinstance(schedule, Joined):
        parts = [_held(part, horizon, at, policy) for part in schedule.parts]
        if isinstance(schedule, Product):
            return _product(*(part for part, _ in parts)), [one for _, its in parts for one in its]
        together = type(schedule).of(*(_product(part, *its) for part, its in parts))
        return (_least(together) if isinstance(together, Minimum) else together), ()
    if isinstance(schedule, Cooldown) and at >= (since := schedule.times(Clock(horizon))[0]):
        reached, plateaus = _held(schedule.schedule, horizon, since, policy)
        mixed = (
            None if plateaus or schedule.ease == GEOMETRIC else _mixed(reached, schedule, at - since, horizon)
        )
        if mixed is not None:
            return mixed, ()
    why = "is moved by its feedback, and not in proportion"
    if level is None:
        why = "is no multiple of the base rate plus a number"
    raise ScheduleError(
        f"{policy} takes up the value at step {fraction_text(at)} as a level, and there the value of "
        f"{schedule!r} {why}; write on_change='keep', or redecay(over=..., stop=0)"
    )


def _mixed(held: Schedule, cooldown: Cooldown, gone: Fraction, horizon: Horizon) -> Rate | None:
    """What a cooldown comes to of a value; None where that is more than the least of some levels."""
    if isinstance(held, Minimum):
        parts = [_mixed(part, cooldown, gone, horizon) for part in held.parts]
        return None if None in parts else Minimum.of(*(part for part in parts if part is not None))
    if not isinstance(held, Constant):
        return None
    _, over = cooldown.times(Clock(horizon))
    share = float(EASES[cooldown.ease](np.array(min(float(gone / over), 1.0)))) if over else 1.0
    level, stop = (to_level(each, "held") for each in (held.level, cooldown.stop))
    return Constant(level * (1 - share) + stop * share)


def _least(schedule: Rate) -> Rate:
    """The same least of levels, without those that are below the others nowhere, whatever the base rate."""
    if not all(isinstance(part, Constant) for part in schedule.parts):
        return schedule
    levels = [to_level(part.level, "held") for part in schedule.parts if isinstance(part, Constant)]
    kept: list[Level] = []
    # From the steepest on: each is the least from 0 on, until it meets the next one.
    for level in sorted(dict.fromkeys(levels), key=lambda one: (-one.factor, one.offset)):
        if kept and _at_most(kept[-1], level):
            continue
        while kept and (_at_most(level, kept[-1]) or (len(kept) > 1 and _hidden(kept[-2], kept[-1], level))):
            kept.pop()
        kept.append(level)
    return Minimum.of(*map(Constant, kept)) if len(kept) > 1 else Constant(kept[0])


def _hidden(steep: Level, middle: Level, flat: Level) -> bool:
    """Whether the middle one of three lines is not below both others where these meet."""
    base = (flat.offset - steep.offset) / (steep.factor - flat.factor)
    meet = flat.factor * base + flat.offset
    return middle.factor * base + middle.offset >= meet * (1 - CLOSE)


def _in_force(schedule: Schedule, horizon: Horizon, at: Fraction) -> tuple[Schedule, Fraction]:
    """What decides at a step: of a sequence a part, as it would be alone, and the step in its own time."""
    if not isinstance(schedule, Successive):
        return schedule, at
    *before, last = placed(schedule.parts, Clock(horizon))
    part, own, _ = next((piece for piece in before if at < piece[1].origin + (piece[2] or 0)), last)
    return settled(part, own), at - own.origin


def _multiplying(table: Table, at: float, values: Array) -> Sequence[Plateau] | None:
    """The Plateaus to which the value at a step is in proportion; None where one moves it otherwise."""
    plateaus = list(dict.fromkeys(part for part in table.schedule.walk() if isinstance(part, Plateau)))
    acting = [one for one in plateaus if not _close(_values(table, at, {one: FACTORS[0]}), values)]
    for factor in FACTORS:
        # Each alone, and all at once, for of two in a minimum neither does anything alone.
        for some in [*([one] for one in plateaus), plateaus]:
            found = _values(table, at, dict.fromkeys(some, factor))
            if not _close(found, values * factor ** sum(one in acting for one in some)):
                return None
    return acting


def _values(table: Table, at: float, factors: Mapping[Hashable, float]) -> Array:
    """The values at a step for each of the BASES."""
    bases = np.ones_like(BASES) if table.schedule.multiplies else BASES
    try:
        return table(at, bases, factors=factors)
    except ScheduleError as why:
        raise ScheduleError(f"the value at step {at:.16g} must be known for any base rate: {why}") from None


def _level(values: Array) -> Level | None:
    """The level that has these values at the BASES, if one has."""
    level = Level(float(values[1] - values[0]), float(values[0]))
    return level if _close(level.factor * BASES + level.offset, values) else None


def _close(found: Array, expected: Array) -> bool:
    return np.allclose(found, expected, rtol=CLOSE, atol=0)


@dataclass(frozen=True, slots=True)
class Seam:
    """Where a run goes on under another plan: ``print`` it to see what each group's rates become there.

    Args:
        policy: the policy's text.
        step: where the run goes on.
        rates: by (hyperparameter, group name), the rate by the checkpoint's plan and the rate of now.
        notes: what else there is to say, a line each.

    >>> print(Seam("stretch", 8, {("lr", "0"): (0.0, 0.5)}))
    resumed at step 8 under another plan (stretch): lr of group '0' rises to 0.5 (the checkpoint's plan: 0)
    """

    policy: str
    step: float
    rates: Mapping[tuple[str, str], tuple[float, float]]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"resumed at step {fraction_text(to_fraction(self.step))} under another plan ({self.policy})"
        alike: dict[tuple[str, float, float], list[str]] = {}
        for (name, group), (before, now) in self.rates.items():
            alike.setdefault((name, before, now), []).append(group)
        lines = [
            f"{name} of {_named(groups)} {'rises to ' if now > before * (1 + CLOSE) else ''}{now:.6g} "
            f"(the checkpoint's plan: {before:.6g})"
            for (name, before, now), groups in alike.items()
        ]
        lines += self.notes
        if len(lines) > MOST_LINES:
            lines[MOST_LINES - 1 :] = [f"and {len(lines) - MOST_LINES + 1} more"]
        if len(lines) < 2:
            return ": ".join([head, *lines])
        return "\n  ".join([f"{head}:", *lines])


def _named(groups: list[str]) -> str:
    """The groups by name, as far as they are few."""
    if len(groups) == 1:
        return f"group {groups[0]!r}"
    more = [f"{len(groups) - MOST_NAMES} more"] if len(groups) > MOST_NAMES else []
    *first, last = [*map(repr, groups[:MOST_NAMES]), *more]
    return f"groups {', '.join(first)} and {last}"


def differences_in_words(saved: Course, present: Course, at: Fraction | float) -> list[str]:
    """Return what differs between two courses, field by field, and then their values at a step.

    Args:
        saved: the checkpoint's.
        present: the one of now.
        at: the step, ≥ 0.

    Returns:
        lines; none where the courses are equal, and none of the values where these are, or cannot be had.

    >>> cosine = Cosine()
    >>> short, longer = Course(cosine, Horizon(total=8)), Course(cosine, Horizon(total=16))
    >>> for line in differences_in_words(short, longer, at=8):
    ...     print(line)
    Horizon(total=): 8 in the checkpoint, 16 now
    the value at step 8, at base rate 1: 0 in the checkpoint, 0.5 now
    """
    lines = [
        *_differences(saved.schedule, present.schedule, ""),
        *_field_differences(saved.horizon, present.horizon, ""),
    ]
    if not lines:
        return []
    step = to_fraction(at, "at")
    try:
        before, now = (course.table(ceil_float(step)) for course in (saved, present))
    except EtudeError:  # a value that cannot be had
        return lines
    relative = any(course.schedule.depends_on_base for course in (saved, present))
    base = ", at base rate 1" if relative else ""
    what = f"the value at step {fraction_text(step)}{base}"
    if math.isclose(before, now, rel_tol=CLOSE):
        return lines
    return [*lines, _line(what, *told_apart(before, now))]


def told_apart(before: float, now: float) -> tuple[str, str]:
    """Two numbers that differ, in as many digits as show it."""
    short = f"{before:.6g}", f"{now:.6g}"
    return short if short[0] != short[1] else (repr(before), repr(now))


def _line(what: str, saved: str, present: str) -> str:
    return (
        f"{what}: {saved} in the checkpoint, {present} now"
        if what
        else f"{saved} in the checkpoint, {present} now"
    )


def _differences(saved: Schedule, present: Schedule, place: str) -> Iterator[str]:
    """Where two trees differ: the fields as far as they are of one kind, else both expressions."""
    pairs = [] if saved == present else _pairs(saved, present, place)
    if pairs is None:
        yield _line(place, repr(saved), repr(present))
        return
    yield from _field_differences(saved, present, place)
    for one, other, within in pairs:
        yield from _differences(one, other, within)


def _pairs(saved: Schedule, present: Schedule, place: str) -> list[tuple[Schedule, Schedule, str]] | None:
    """The parts of one schedule beside those of the other, with their places; None if they do not pair."""
    if type(saved) is not type(present):
        return None
    before, now = list(saved.parts), list(present.parts)
    if isinstance(
        saved, Joined
    ):  # whose order is that of their texts: a part that is in both was not changed
        common = Counter(before) & Counter(now)
        before, now = (list((Counter(parts) - common).elements()) for parts in (before, now))
    if len(before) != len(now):
        return None
    of = f" of {place}" if place else ""
    places = [
        f"part {number}{of}" if isinstance(saved, Successive) else place for number, _ in enumerate(now, 1)
    ]
    return list(zip(before, now, places, strict=True))


def _field_differences(saved: Schedule | Horizon, present: Schedule | Horizon, place: str) -> Iterator[str]:
    """The fields that differ, but for those that hold parts."""
    of = f" of {place}" if place else ""
    for field in dataclasses.fields(saved):
        before, now = getattr(saved, field.name), getattr(present, field.name)
        if before == now or not field.compare or _holds_parts(before):
            continue
        name = getattr(saved, "_arguments", {}).get(field.name, field.name)
        yield _line(f"{type(saved).__name__}({name}=){of}", _written(before), _written(now))


def _holds_parts(value: object) -> bool:
    return isinstance(value[0] if isinstance(value, tuple) and value else value, Schedule)


def _written(value: object) -> str:
    return "not given" if value is None else write(value)
