"""What is followed when a run goes on under another plan: policies, the seam, and what differs in words."""

from __future__ import annotations

import warnings
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

import etude as et
from etude import BASE, Horizon, Level, Plateau, Schedule
from etude.eases import EASES
from etude.errors import EtudeError, HorizonError, ScheduleError
from etude.torch import Scheduler
from etude.torch.changes import (
    MOST_LEFT,
    Course,
    Policy,
    Redecay,
    Seam,
    continued,
    differences_in_words,
    redecay,
    to_policy,
)
from tests.strategies import HORIZON, STEPS, schedules

COSINE = et.Cosine(over="100%")
SHORT, LONG = Course(COSINE, Horizon(total=8)), Course(COSINE, Horizon(total=16))
LOSS, SCORE = Plateau("loss"), Plateau("score", mode="max")
BASES = [0.0, 1e-6, 0.1, 3.0]
# The values are sums of two products, each right to a rounding or two.
ROUNDING = 1e-12


def sgd(lr: float = 1.0) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def by_step(course: Course, steps: range, base: float = 1.0, **factors: Any) -> dict[int, float]:
    """Step → value, to six digits."""
    values = course.table(steps, base, **factors)
    return dict(zip(steps, values.round(6).tolist(), strict=True))


def goes_on(policy: Policy, saved: Course, present: Course, at: float | Fraction) -> Course:
    """What the policy makes of the two, checked to be text."""
    course = continued(policy, saved, present, at)
    assert et.parse(repr(course.schedule)) == course.schedule
    assert et.from_json(course.schedule.to_json()) == course.schedule
    return course


def never_rises(course: Course, at: float, **factors: Any) -> bool:
    steps = np.concatenate([[at], np.arange(int(at) + 1, STEPS)])
    values = course.table(steps, BASES, **factors)
    return bool((np.diff(values, axis=0) <= ROUNDING * values[:-1]).all())


def same_before(course: Course, saved: Course, at: float) -> bool:
    steps = np.arange(0, at)
    return bool((course.table(steps, BASES) == saved.table(steps, BASES)).all()) if len(steps) else True


# T09: a cosine over 8 steps has run its 8, and goes on in a run of 16.


def test_t09_stretch_reads_the_longer_curve_at_the_same_step() -> None:
    course = goes_on("stretch", SHORT, LONG, 8)
    assert by_step(course, range(8, 17, 2)) == {8: 0.5, 10: 0.308658, 12: 0.146447, 14: 0.03806, 16: 0.0}


@pytest.mark.parametrize("policy", ["keep", "hold", redecay("25%"), redecay(100, ease="cosine")])
def test_t09_what_has_come_to_0_stays_there_where_torchs_climbs_back(policy: Policy) -> None:
    optimizer = sgd()
    scheduler = CosineAnnealingLR(optimizer, T_max=8)
    torchs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is stepped with no gradient
        for _ in range(17):
            torchs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    course = goes_on(policy, SHORT, LONG, 8)
    assert course.table(range(8)) == pytest.approx(torchs[:8], abs=1e-12)
    assert course.table(range(8, 1000)).max() == 0
    assert torchs[16] == pytest.approx(1)


# T11: a run of 8 with a warmup of 2 goes on in a run of 16.


@pytest.mark.parametrize(
    ("shape", "peer"),
    [(et.Cosine, get_cosine_schedule_with_warmup), (et.Linear, get_linear_schedule_with_warmup)],
)
@pytest.mark.parametrize("at", [1, 2, 5, 8])
def test_t11_the_first_update_after_stretch_is_on_the_new_curve(shape: Any, peer: Any, at: int) -> None:
    plan = et.Linear(0.0, BASE, over=2) >> shape(over="100% - 2st")
    course = goes_on("stretch", Course(plan, Horizon(total=8)), Course(plan, Horizon(total=16)), at)
    (factor,) = peer(sgd(), 2, 16).lr_lambdas
    assert course.table(range(at, 17)) == pytest.approx([factor(k) for k in range(at, 17)], abs=1e-12)


# Each policy, step by step.


@pytest.mark.parametrize(
    ("policy", "at", "values"),
    [
        ("stretch", 4, {3: 0.916, 4: 0.854, 5: 0.778, 8: 0.5, 12: 0.146, 16: 0.0, 99: 0.0}),
        ("keep", 4, {3: 0.691, 4: 0.5, 5: 0.309, 8: 0.0, 12: 0.0, 16: 0.0, 99: 0.0}),
        ("hold", 4, {3: 0.691, 4: 0.5, 5: 0.5, 8: 0.5, 12: 0.5, 16: 0.5, 99: 0.5}),
        ("hold", 0, {0: 1.0, 1: 1.0, 99: 1.0}),
        ("hold", 3.5, {3: 0.691, 4: 0.598, 5: 0.598, 99: 0.598}),
        ("hold", Fraction(7, 2), {3: 0.691, 4: 0.598, 5: 0.598, 99: 0.598}),
        ("hold", 8, {7: 0.038, 8: 0.0, 9: 0.0}),
        ("hold", 12, {7: 0.038, 8: 0.0, 12: 0.0, 99: 0.0}),
        # A quarter of the run of now is 4 steps, not the 2 that it was.
        (redecay("25%"), 4, {3: 0.691, 4: 0.5, 5: 0.375, 6: 0.25, 7: 0.125, 8: 0.0, 99: 0.0}),
        (redecay("25%"), 0, {0: 1.0, 1: 0.75, 2: 0.5, 3: 0.25, 4: 0.0}),
        (redecay("25%"), 12, {7: 0.038, 8: 0.0, 12: 0.0, 99: 0.0}),
        (redecay(2), 3.5, {3: 0.691, 4: 0.448, 5: 0.149, 6: 0.0}),
        (redecay(0), 4, {3: 0.691, 4: 0.0, 5: 0.0}),
        (redecay(4, ease="one_minus_sqrt"), 4, {4: 0.5, 5: 0.25, 6: 0.146, 7: 0.067, 8: 0.0}),
        (redecay(4, stop=0.1 * BASE), 4, {4: 0.5, 5: 0.4, 6: 0.3, 7: 0.2, 8: 0.1, 99: 0.1}),
        (redecay(4, stop=0.02), 4, {4: 0.5, 5: 0.38, 6: 0.26, 7: 0.14, 8: 0.02, 99: 0.02}),
        (redecay(2, ease="geometric", stop=0.02), 4, {4: 0.5, 5: 0.1, 6: 0.02, 7: 0.02}),
        # What is at or below the stop is held.
        (redecay(4, stop=0.6 * BASE), 4, {3: 0.691, 4: 0.5, 5: 0.5, 99: 0.5}),
        (redecay(4, stop=0.6), 4, {3: 0.691, 4: 0.5, 5: 0.5, 99: 0.5}),
        (redecay(4, stop=0.5 * BASE), 4, {3: 0.691, 4: 0.5, 5: 0.5, 99: 0.5}),
        (redecay(4, ease="geometric", stop=0.1), 12, {7: 0.038, 8: 0.0, 12: 0.0, 16: 0.0, 99: 0.0}),
    ],
)
def test_a_policy_step_by_step(policy: Policy, at: float, values: dict[int, float]) -> None:
    course = goes_on(policy, SHORT, LONG, at)
    assert {k: round(course.table(k), 3) for k in values} == values


@pytest.mark.parametrize(
    ("plan", "at", "values"),
    [
        # In the warmup the value there is held, low as it is.
        (et.Linear(0.2, 1.0, over=4) >> et.Cosine(1.0, 0.0, over=4), 2, {1: 0.4, 2: 0.6, 3: 0.6, 9: 0.6}),
        # The later part owns the boundary.
        (et.Constant(1.0, over=3) >> et.Constant(0.5), 3, {2: 1.0, 3: 0.5, 9: 0.5}),
        (et.Steps(3), 3, {2: 1.0, 3: 0.1, 5: 0.1, 6: 0.1}),
        (et.Steps(3), 2, {1: 1.0, 2: 1.0, 3: 1.0, 6: 1.0}),
        (et.Linear(1.0, 0.5, over=4).repeat(), 4, {3: 0.625, 4: 1.0, 5: 1.0, 8: 1.0}),
        (et.Linear(1.0, 0.5, over=4).repeat(), 6, {5: 0.875, 6: 0.75, 7: 0.75, 8: 0.75}),
        (et.Linear(1.0, 0.5, over=4).repeat(stretch=2, gain=0.5), 6, {5: 0.46875, 6: 0.4375, 13: 0.4375}),
        (et.Constant(0.3), 5, {0: 0.3, 5: 0.3, 9: 0.3}),
        (et.Linear(over=4).until(2) >> et.Linear(0.4, 0.2, over=4), 3, {1: 0.75, 2: 0.4, 3: 0.35, 9: 0.35}),
    ],
)
def test_hold_has_the_value_that_the_step_itself_has(
    plan: Schedule, at: int, values: dict[int, float]
) -> None:
    course = goes_on("hold", Course(plan, Horizon()), Course(plan, Horizon(total=100)), at)
    assert {k: round(course.table(k), 6) for k in values} == values


@pytest.mark.parametrize("ease", [*EASES, "geometric"])
def test_redecay_goes_along_the_ease_from_the_value_to_the_stop(ease: str) -> None:
    course = goes_on(redecay("25%", ease=ease, stop=0.05 * BASE), SHORT, LONG, 4)
    expected = et.Constant(0.5 * BASE).cooldown(0, over=4, stop=0.05 * BASE, ease=ease).on(Horizon())
    assert course.table(range(4, 12)) == pytest.approx(expected(range(8)), rel=ROUNDING)
    assert course.table(8) == 0.05


def test_the_past_is_the_checkpoints_and_the_course_is_on_its_horizon() -> None:
    for policy in ("keep", "hold", redecay("25%")):
        course = goes_on(policy, SHORT, LONG, 4)
        assert course.horizon == SHORT.horizon
        assert same_before(course, SHORT, 4)
    assert goes_on("keep", SHORT, LONG, 4) == SHORT
    assert goes_on("stretch", SHORT, LONG, 4) == LONG


def test_lengths_in_epochs_are_counted_on_the_horizon_that_they_belong_to() -> None:
    # Twice the batch size: an epoch had 10 updates and has 5 now.
    plan = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine(over="9ep")
    saved, present = Course(plan, Horizon(10, "10ep")), Course(plan, Horizon(5, "10ep"))
    course = goes_on(redecay("2ep"), saved, present, 50)
    assert same_before(course, saved, 50)
    start = saved.table(50)
    assert course.table(range(50, 62)) == pytest.approx([start * max(1 - k / 10, 0) for k in range(12)])


def test_a_course_that_was_changed_once_is_changed_again() -> None:
    once = goes_on(redecay(8), SHORT, LONG, 4)
    twice = goes_on("hold", once, LONG, 6)
    again = goes_on(redecay(2), twice, LONG, 10)
    assert by_step(again, range(3, 13)) == {
        3: 0.691342,
        4: 0.5,
        5: 0.4375,
        **dict.fromkeys(range(6, 11), 0.375),
        11: 0.1875,
        12: 0.0,
    }


# Where redecay ends.


@pytest.mark.parametrize(
    ("present", "stop"),
    [
        (Course(et.Cosine(BASE, 0.1 * BASE, over="100%"), Horizon(total=16)), 0.1 * BASE),
        (Course(et.Cosine(BASE, 1e-3, over="100%"), Horizon(total=16)), 1e-3),
        (Course(et.Cosine(BASE, 0.1 * BASE + 1e-3, over=10), Horizon(total=16)), 0.1 * BASE + 1e-3),
        (Course(et.Linear(over=32), Horizon(total=24)), 0.25 * BASE),  # it is cut short
        (Course(et.Cosine(BASE, 0.1 * BASE, over=10), Horizon()), 0.1 * BASE),
        (Course(et.Cosine(BASE, 0.1 * BASE, over=10, after="raise"), Horizon(total=16)), 0.1 * BASE),
        (Course(et.Cosine(BASE, 0.1 * BASE, over=10) * LOSS, Horizon(total=16)), 0.1 * BASE),
        # What never ends has no last value.
        (Course(et.Constant(BASE), Horizon(total=16)), 0.0),
        (Course(et.InverseSqrt(4), Horizon(total=16)), 0.0),
        (Course(COSINE.repeat(), Horizon(total=16)), 0.0),
    ],
)
def test_redecay_ends_where_the_present_course_ends(present: Course, stop: Level | float) -> None:
    policy = redecay(4)
    assert goes_on(policy, SHORT, present, 4) == goes_on(redecay(4, stop=stop), SHORT, present, 4)


def test_a_last_value_that_is_no_level_must_be_written() -> None:
    present = Course(et.Geometric(BASE, 1e-5, over=32), Horizon(total=16))
    with pytest.raises(
        ScheduleError, match=r"redecay needs stop=, for the last value of Geometric.*write red"
    ):
        continued(redecay(4), SHORT, present, 4)
    assert by_step(continued(redecay(4, stop=0), SHORT, present, 4), range(4, 9, 2)) == {
        4: 0.5,
        6: 0.25,
        8: 0,
    }


# Base rates.


@pytest.mark.parametrize("base", [0.0, 1e-6, 2e-3, 0.1])
@pytest.mark.parametrize("policy", [redecay("25%"), redecay("25%", stop=1e-3, ease="geometric")])
def test_an_absolute_stop_is_never_risen_to(policy: Policy, base: float) -> None:
    saved = Course(COSINE, SHORT.horizon)
    present = Course(et.Cosine(BASE, 1e-3, over="100%"), LONG.horizon)
    course = goes_on(policy, saved, present, 4)
    assert course.table(4, base) == pytest.approx(0.5 * base, rel=ROUNDING)
    assert course.table(99, base) == pytest.approx(min(0.5 * base, 1e-3), rel=ROUNDING)


@pytest.mark.parametrize(
    ("plan", "level"),
    [
        (et.Cosine(BASE, 0.0, over=8), 0.5 * BASE),
        (et.Cosine(0.3, 0.1, over=8), 0.2),
        (et.Cosine(BASE, 0.1, over=8), 0.5 * BASE + 0.05),
        (et.Cosine(1.0, BASE, over=8), 0.5 * BASE + 0.5),
        (et.Geometric(BASE, 0.01 * BASE, over=8), 0.1 * BASE),
        (et.Constant(1e-6 * BASE + 1.0), 1e-6 * BASE + 1.0),
        (et.Constant(0.0), 0.0),
    ],
)
def test_a_held_value_is_a_level_of_the_base_rate(plan: Schedule, level: Level | float) -> None:
    course = goes_on("hold", Course(plan, Horizon()), LONG, 4)
    assert course.table(99, BASES) == pytest.approx(et.Constant(level).on(Horizon())([0], BASES)[0])
    assert course.table(99, BASES) == pytest.approx(Course(plan, Horizon()).table(4, BASES))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            et.Geometric(BASE, 1e-5, over=8),
            r"of Geometric\(.*\) is no multiple of the base rate plus a number",
        ),
        (et.Cosine(over=2) >> et.Geometric(BASE, 1e-5, over=8), r"of Geometric\(.*\) is no multiple of"),
        (
            (et.Geometric(BASE, 1e-5, over=8) * LOSS).until(6),
            r"of \(Geometric\(.*'loss'\)\)\.until\(6\) is no multiple of the base rate",
        ),
        (
            (COSINE + 0.1 * LOSS).until(6),
            r"of \(.*\)\.until\(6\) is moved by its feedback, and not in proportion; write on_change='keep'",
        ),
        ((COSINE * LOSS * LOSS).until(6), r"is moved by its feedback, and not in proportion"),
        ((COSINE * et.minimum(LOSS, SCORE)).until(6), r"is moved by its feedback, and not in proportion"),
        (et.Linear(BASE - 0.5, 0.0, over=8), r"step 4 must be known for any base rate: the level BASE - 0.5"),
        (et.Linear(over=3, after="raise"), r"step 4 must be known for any base rate: step 4 is past the end"),
    ],
)
def test_a_value_that_cannot_be_taken_up_as_a_level_is_refused(plan: Schedule, message: str) -> None:
    saved = Course(plan, SHORT.horizon)
    for policy in ("hold", redecay(4, stop=1e-3)):
        with pytest.raises(ScheduleError, match=message):
            continued(policy, saved, LONG, 4)


@pytest.mark.parametrize(
    "plan",
    [
        et.Geometric(BASE, 1e-5, over=8),
        (COSINE * LOSS * LOSS).until(6),
        (COSINE + 0.1 * LOSS).until(6),
        (COSINE * LOSS).clip(1e-3),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 0.1, 0.0])
def test_a_decay_to_0_starts_from_any_value(plan: Schedule, factor: float) -> None:
    saved = Course(plan, SHORT.horizon)
    course = goes_on(redecay(4), saved, LONG, 4)
    factors = {LOSS: factor}
    start = saved.table(4, 0.1, factors=factors)
    expected = [start, start * 0.75, start * 0.5, start * 0.25, 0.0]
    assert course.table(range(4, 9), 0.1, factors=factors) == pytest.approx(expected)


def test_a_clipped_value_is_held_for_every_base_rate() -> None:
    plan = (et.Linear(0.1 * BASE, BASE, over=2) >> et.Cosine(over=6)).clip(1e-3, 0.5) * 0.5
    saved = Course(plan, SHORT.horizon)
    course = goes_on("hold", saved, LONG, 7)
    assert course.table(99, BASES) == pytest.approx(saved.table(7, BASES), rel=ROUNDING)
    falling = goes_on(redecay(4, stop=1e-4), saved, LONG, 7)
    assert falling.table(7, BASES) == pytest.approx(saved.table(7, BASES), rel=ROUNDING)
    assert falling.table(99, BASES) == pytest.approx(1e-4)
    assert never_rises(falling, 7)


# Feedback.


@pytest.mark.parametrize(
    ("plan", "held"),
    [
        (COSINE * LOSS, 0.5 * 0.1),
        (0.5 * COSINE * LOSS * SCORE, 0.25 * 0.1 * 0.2),
        (et.Constant(BASE, over=2) >> et.Linear(over=4) * LOSS, 0.5 * 0.1),
        (et.Constant(BASE, over=2) * LOSS >> et.Linear(over=4), 0.5),  # it had its say before
        (COSINE.shift(2) * LOSS, 0.853553 * 0.1),
        ((COSINE * LOSS).shift(2), 0.853553 * 0.1),
        ((COSINE * LOSS).until(6), 0.5 * 0.1),
        ((COSINE * LOSS).cooldown(3, over=2), 0.345671 * 0.1),
        ((et.Linear(over=3) * LOSS).repeat(), 0.666667 * 0.1),
        (COSINE * LOSS * LOSS, 0.5 * 0.01),
        (COSINE * et.minimum(LOSS, SCORE), 0.5 * 0.1),
        (COSINE + 0.1 * LOSS, 0.51),
        ((COSINE * LOSS).clip(0.2), 0.2),
        (COSINE.clip(0.2) * LOSS, 0.5 * 0.1),
        (1.0 * LOSS, 0.1),
    ],
)
def test_what_a_plateau_has_come_to_goes_on_counting(plan: Schedule, held: float) -> None:
    factors = {LOSS: 0.1, SCORE: 0.2}
    saved = Course(plan, SHORT.horizon)
    course = goes_on("hold", saved, LONG, 4)
    assert by_step(course, range(4, 7), factors=factors) == dict.fromkeys(range(4, 7), round(held, 6))
    # And what it comes to after the run went on counts at once.
    lower = {LOSS: 0.03, SCORE: 0.02}
    assert course.table(9, factors=lower) == pytest.approx(saved.table(4, factors=lower), abs=1e-12)


@pytest.mark.parametrize(
    ("plan", "values"),
    [
        # The stop is multiplied like the rest: it is where the plan would have come to.
        (COSINE * LOSS, {4: 0.05, 5: 0.04, 6: 0.03, 7: 0.02, 8: 0.01, 9: 0.01}),
        (COSINE.clip(0.2) * LOSS, {4: 0.05, 5: 0.04, 6: 0.03, 7: 0.02, 8: 0.01, 9: 0.01}),
        # Under a clip the stop is what is written, or what is there if that is lower.
        ((COSINE * LOSS).clip(0.2), {4: 0.2, 5: 0.175, 6: 0.15, 7: 0.125, 8: 0.1, 9: 0.1}),
        ((COSINE * LOSS).clip(0.04), {4: 0.05, 5: 0.05, 6: 0.05, 8: 0.05, 9: 0.05}),
    ],
)
def test_redecay_under_a_plateau(plan: Schedule, values: dict[int, float]) -> None:
    course = goes_on(redecay(4, stop=0.1 * BASE), Course(plan, SHORT.horizon), LONG, 4)
    found = {k: round(course.table(k, factors={LOSS: 0.1}), 6) for k in values}
    assert found == values


# Laws.

falls: st.SearchStrategy[Schedule] = st.one_of(
    st.builds(
        lambda shape, high, low, over: shape(high, low, over=over),
        st.sampled_from(
            [
                et.Linear,
                et.Cosine,
                partial(et.Ramp, ease="one_minus_sqrt"),
                et.Rex,
                partial(et.Ramp, ease="quarter_sine"),
            ]
        ),
        st.sampled_from([BASE, BASE + 0.5, 10.0]),
        st.sampled_from([0.0, 0.1, 0.1 * BASE]),
        st.sampled_from([40, "100%", "10ep", "10/3st", "2.5ep"]),
    ),
    st.builds(et.Exponential, st.floats(0.9, 0.999)),
    st.builds(et.Steps, st.sampled_from([7, "3ep", "10/3st"]), st.floats(0.1, 0.9)),
    st.builds(lambda gamma, offset: et.Exponential(gamma) + offset, st.floats(0.5, 1), st.floats(0, 1)),
)
decaying = st.one_of(falls, st.builds(lambda plan, factor: plan * factor, falls, st.floats(0, 2)))
policies: st.SearchStrategy[Policy] = st.one_of(
    st.just("hold"),
    st.builds(
        redecay,
        st.sampled_from([0, 5, "10%", "2.5ep"]),
        ease=st.sampled_from([*EASES]),
        stop=st.one_of(st.none(), st.sampled_from([0.0, 1e-5, 0.01 * BASE, 0.1 * BASE + 0.1, 20.0])),
    ),
)
places = st.one_of(
    st.integers(0, STEPS), st.sampled_from([0.5, 7.25, 33.1]), st.fractions(0, 60, max_denominator=1000)
)
totals = st.sampled_from([HORIZON, Horizon(7, "60ep"), Horizon(14, "60ep"), Horizon(3, 100)])


@given(decaying, decaying, policies, places, totals)
def test_hold_and_redecay_never_rise_and_leave_the_past(
    saved: Schedule, present: Schedule, policy: Policy, at: Fraction | float, now: Horizon
) -> None:
    before = Course(saved, HORIZON)
    course = goes_on(policy, before, Course(present, now), at)
    place = float(at)
    assert same_before(course, before, place)
    assert never_rises(course, place)
    if isinstance(policy, str) or now.steps(policy.over):
        assert course.table(place, BASES) == pytest.approx(before.table(place, BASES), rel=1e-9, abs=1e-15)


@given(schedules, schedules, st.integers(0, STEPS), totals)
def test_stretch_is_the_present_course_and_keep_the_saved_one(
    saved: Schedule, present: Schedule, at: int, now: Horizon
) -> None:
    before, after = Course(saved, HORIZON), Course(present, now)
    assert continued("stretch", before, after, at) == after
    assert continued("keep", before, after, at) == before


def taken_up(policy: Policy, saved: Course, at: int) -> Course | None:
    """What the policy makes of a course; None where it says that the value there is no level."""
    try:
        return continued(policy, saved, saved, at)
    except ScheduleError as refusal:
        if "takes up the value at step" in str(refusal):
            return None
        raise


@given(schedules, st.integers(0, STEPS), st.sampled_from([0.0, 1e-3, 0.1 * BASE]))
def test_any_schedule_is_held_at_its_value_or_refused(saved: Schedule, at: int, stop: Level | float) -> None:
    before = Course(saved, HORIZON)
    feedback = {part: 0.5 for part in saved.walk() if isinstance(part, Plateau)}
    for policy in ("hold", redecay("10%", stop=stop)):
        course = taken_up(policy, before, at)
        if course is None:
            continue
        assert same_before(course, before, at)
        assert never_rises(course, at, factors=feedback)
        for factors in ({}, feedback):
            expected = before.table(at, BASES, factors=factors)
            assert course.table(at, BASES, factors=factors) == pytest.approx(expected, rel=1e-8, abs=1e-15)


# At the door.


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        (None, None),
        ("stretch", "stretch"),
        ("keep", "keep"),
        ("hold", "hold"),
        (redecay("10%"), redecay("10%")),
        ("redecay(over='10%')", redecay("10%")),
        ("redecay('10%')", redecay("10%")),
        ("  redecay(100, stop=None) ", redecay(100)),
        ("redecay(over=2.5, ease='rex', stop=1e-05)", redecay(2.5, ease="rex", stop=1e-5)),
        ("redecay(over='5ep - 1st', stop=0.1 * BASE + 0.5)", redecay("5ep - 1st", stop=0.1 * BASE + 0.5)),
        ("redecay(over=1, stop=BASE)", redecay(1, stop=BASE)),
    ],
)
def test_what_may_be_written(written: object, policy: Policy | None) -> None:
    assert to_policy(written) == policy
    assert policy is None or to_policy(str(policy)) == policy


@given(
    st.builds(
        redecay,
        st.fractions(0, 10**6) | st.sampled_from(["10%", "1/3ep", "2e9tok"]),
        ease=st.sampled_from([*EASES, "geometric"]),
        stop=st.builds(lambda factor: factor * BASE + 1e-5, st.floats(1e-9, 1)),
    )
)
def test_the_text_of_redecay_reads_back(policy: Redecay) -> None:
    assert to_policy(repr(policy)) == policy


MAY_BE = r"on_change must be 'stretch', 'keep', 'hold' or redecay\(over='10%'\); got "
AS_IN = r"on_change must be written as in redecay\(over='10%'\); got "


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("strech", MAY_BE + r"'strech'; did you mean 'stretch'\?"),
        ("Hold", MAY_BE + r"'Hold'; did you mean 'hold'\?"),
        ("decay", MAY_BE + r"'decay'; did you mean 'redecay'\?"),
        ("refuse", MAY_BE + r"'refuse'$"),
        (True, MAY_BE + "True$"),
        (["hold"], MAY_BE + r"\['hold'\]$"),
        (redecay, MAY_BE + "<function redecay"),
        ("redecay", AS_IN + "'redecay'"),
        ("redecay(", AS_IN),
        ("redecay(1, 2)", AS_IN),
        ("redecay(over=1) or 3", AS_IN),
        ("redecay(over='1\0')", AS_IN),
        ("redecay" + "(" * 100_000, AS_IN + r"'redecay\({193}'$"),
        ("redecay(stop=1)", r"redecay takes over=, and each argument once; got 'redecay\(stop=1\)'"),
        ("redecay(1, over=2)", r"redecay takes over=, and each argument once"),
        ("redecay(over=1, over=2)", r"redecay takes over=, and each argument once"),
        (
            "redecay(over=1, stopp=1)",
            r"redecay has no argument 'stopp'; did you mean 'stop'\? in \"redec|in 're",
        ),
        ("redecay(**{})", r"redecay has no argument '\*\*' in"),
        ("redecay(over=x)", r"redecay\(over=\) must be a number or a text in quotes; got x"),
        ("redecay(*[1])", r"redecay\(over=\) must be a number or a text in quotes; got \*\[1\]"),
        (
            "redecay(over=1, stop=Cosine(over=3))",
            r"redecay\(stop=\) must be a level such as 1e-5 or 0.1 \* BASE",
        ),
        ("redecay(over=1, stop='low')", r"redecay\(stop=\) must be a level such as 1e-5 or .*; got 'low'"),
        ("redecay(over='ten')", r"redecay\(over=\) must be a duration such as"),
    ],
)
def test_what_may_not_be_written(written: object, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        to_policy(written)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"over": -1}, r"redecay\(over=\) must be at least 0; got -1"),
        ({"over": None}, r"redecay\(over=\) must be a duration such as '5ep'.*got None"),
        (
            {"over": 1, "ease": "cosin"},
            r"redecay\(ease=\) must be one of .*; got 'cosin'; did you mean 'cosine'\?",
        ),
        ({"over": 1, "stop": -0.1}, r"redecay\(stop=\) must be at least 0; got -0.1"),
        ({"over": 1, "stop": "low"}, r"redecay\(stop=\) must be a number \(absolute\) or a multiple of BASE"),
        (
            {"over": 1, "stop": 0, "ease": "geometric"},
            r"redecay\(stop=\) must be more than 0 with ease='geometric', for no factor leads to 0; write",
        ),
    ],
)
def test_bad_arguments_of_redecay(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        redecay(**arguments)


@pytest.mark.parametrize(
    ("policy", "at", "error", "message"),
    [
        ("hold", -1, ScheduleError, r"at must be at least 0; got -1"),
        ("stretch", float("nan"), ScheduleError, r"at must be finite; got nan"),
        ("keep", "8", ScheduleError, r"at must be a number; got '8'"),
        (
            redecay("5ep"),
            4,
            HorizonError,
            r"redecay\(over=\) is 5ep, in epochs, but the horizon has no steps",
        ),
        (
            redecay(4, ease="geometric"),
            4,
            ScheduleError,
            r"redecay\(stop=\) must be more than 0 with ease='geom",
        ),
    ],
)
def test_changes_that_cannot_be_made(policy: Policy, at: Any, error: type[EtudeError], message: str) -> None:
    with pytest.raises(error, match=message):
        continued(policy, SHORT, LONG, at)


# The seam.


def test_a_seam_of_one_rate_is_one_line_that_says_a_rise() -> None:
    seam = Seam("stretch", 8, {("lr", "0"): (0.0, 0.5)})
    assert str(seam) == (
        "resumed at step 8 under another plan (stretch): lr of group '0' rises to 0.5 "
        "(the checkpoint's plan: 0)"
    )


def test_a_fall_and_an_equal_rate_are_no_rise() -> None:
    assert str(Seam("redecay(over=4)", 2.5, {("lr", "head"): (0.5, 0.25)})) == (
        "resumed at step 2.5 under another plan (redecay(over=4)): lr of group 'head' 0.25 "
        "(the checkpoint's plan: 0.5)"
    )
    assert "rises" not in str(Seam("hold", 8, {("lr", "0"): (0.1 + 0.2, 0.3), ("lr", "1"): (0.3, 0.1 + 0.2)}))


def test_groups_that_change_alike_share_a_line() -> None:
    rates = {("lr", f"block.{n}"): (0.25, 0.125) for n in range(9)}
    rates |= {("momentum", "head"): (0.9, 0.95), ("lr", "head"): (0.1, 0.1), ("lr", "norm"): (0.1, 0.1)}
    assert str(Seam("keep", 1000, rates)).splitlines() == [
        "resumed at step 1000 under another plan (keep):",
        "  lr of groups 'block.0', 'block.1', 'block.2' and 6 more 0.125 (the checkpoint's plan: 0.25)",
        "  momentum of group 'head' rises to 0.95 (the checkpoint's plan: 0.9)",
        "  lr of groups 'head' and 'norm' 0.1 (the checkpoint's plan: 0.1)",
    ]


def test_a_seam_of_very_many_rates_is_a_few_lines() -> None:
    lines = str(Seam("keep", 1, {("lr", str(n)): (n + 1.0, 1.0) for n in range(1000)})).splitlines()
    assert len(lines) == 9
    assert lines[-2:] == ["  lr of group '6' 1 (the checkpoint's plan: 7)", "  and 993 more"]


# What differs, in words.


def words(saved: Schedule, present: Schedule, *totals: int, at: float = 4) -> list[str]:
    before, now = totals or (8, 8)
    return differences_in_words(Course(saved, Horizon(total=before)), Course(present, Horizon(total=now)), at)


def test_equal_courses_have_no_differences() -> None:
    assert words(COSINE, et.Cosine(over="100%")) == []


def test_t09_in_words() -> None:
    assert words(COSINE, COSINE, 8, 16, at=8) == [
        "Horizon(total=): 8 in the checkpoint, 16 now",
        "the value at step 8, at base rate 1: 0 in the checkpoint, 0.5 now",
    ]
    assert words(et.Cosine(over=8), et.Cosine(over=16), 8, 16, at=8) == [
        "Cosine(over=): 8 in the checkpoint, 16 now",
        "Horizon(total=): 8 in the checkpoint, 16 now",
        "the value at step 8, at base rate 1: 0 in the checkpoint, 0.5 now",
    ]


@pytest.mark.parametrize(
    ("saved", "present", "lines"),
    [
        (
            et.Cosine(over=8),
            et.Linear(over=8),
            ["Cosine(BASE, 0.0, over=8) in the checkpoint, Linear(BASE, 0.0, over=8) now"],
        ),
        (
            et.Cosine(over=8, power=2),
            et.Cosine(0.5, 1e-5, over="2ep"),
            [
                "Cosine(start=): BASE in the checkpoint, 0.5 now",
                "Cosine(stop=): 0.0 in the checkpoint, 1e-05 now",
                "Cosine(over=): 8 in the checkpoint, '2ep' now",
                "Cosine(power=): 2.0 in the checkpoint, 1.0 now",
            ],
        ),
        (
            et.Linear(0.1 * BASE, BASE, over=2) >> et.Cosine(over=6),
            et.Linear(0.2 * BASE, BASE, over=2) >> et.Cosine(over=14),
            [
                "Linear(start=) of part 1: 0.1 * BASE in the checkpoint, 0.2 * BASE now",
                "Cosine(over=) of part 2: 6 in the checkpoint, 14 now",
            ],
        ),
        (
            et.Linear(over=2) >> et.Cosine(over=6),
            et.Linear(over=2) >> et.Rex(over=6),
            ["part 2: Cosine(BASE, 0.0, over=6) in the checkpoint, Rex(BASE, 0.0, over=6) now"],
        ),
        (
            et.Linear(over=2),
            et.Linear(over=2) >> et.Cosine(over=6),
            [
                "Linear(BASE, 0.0, over=2) in the checkpoint, "
                "Linear(BASE, 0.0, over=2) >> Cosine(BASE, 0.0, over=6) now"
            ],
        ),
        (
            et.Constant(0.1, over=2) >> (et.Linear(over=2) >> et.Cosine(over=6)).repeat(2),
            et.Constant(0.1, over=2) >> (et.Linear(over=2) >> et.Cosine(over=7)).repeat(3, stretch=2),
            [
                "Repeat(times=) of part 2: 2 in the checkpoint, 3 now",
                "Repeat(stretch=) of part 2: 1 in the checkpoint, 2 now",
                "Cosine(over=) of part 2 of part 2: 6 in the checkpoint, 7 now",
            ],
        ),
        # The parts of a product have no order: what is in both was not changed.
        (
            et.Cosine(over=8) * LOSS * 0.5,
            et.Cosine(over=8) * LOSS * 0.25,
            ["Constant(level=): 0.5 in the checkpoint, 0.25 now"],
        ),
        (
            et.Cosine(over=8) * LOSS,
            et.Linear(over=8) * LOSS,
            ["Cosine(BASE, 0.0, over=8) in the checkpoint, Linear(BASE, 0.0, over=8) now"],
        ),
        (
            et.Cosine(over=8) * 0.5,
            et.Cosine(over=8) * 0.5 * LOSS,
            [
                "Constant(0.5) * Cosine(BASE, 0.0, over=8) in the checkpoint, "
                "Constant(0.5) * Cosine(BASE, 0.0, over=8) * Plateau('loss') now"
            ],
        ),
        (
            et.Cosine(over=8) * Plateau("loss", patience=3),
            et.Cosine(over=8) * Plateau("val_loss"),
            [
                "Plateau(metric=): 'loss' in the checkpoint, 'val_loss' now",
                "Plateau(patience=): 3 in the checkpoint, 10 now",
            ],
        ),
        (
            et.Points([(0, BASE), (3, 0.5)]),
            et.Points([(0, BASE), (3, 0.6)]),
            ["Points(points=): [(0, BASE), (3, 0.5)] in the checkpoint, [(0, BASE), (3, 0.6)] now"],
        ),
        (
            et.Steps(3),
            et.Steps(at=[3, 4]),
            [
                "Steps(every=): 3 in the checkpoint, not given now",
                "Steps(at=): not given in the checkpoint, [3, 4] now",
            ],
        ),
    ],
)
def test_schedules_differ_field_by_field_or_in_kind(
    saved: Schedule, present: Schedule, lines: list[str]
) -> None:
    run = Horizon(4, 8)
    found = differences_in_words(Course(saved, run), Course(present, run), 2)
    assert [line for line in found if not line.startswith("the value at step 2, at base rate 1: ")] == lines


def test_horizons_differ_field_by_field() -> None:
    plan = et.Constant(0.5)
    saved, present = Horizon(391, "90ep", samples_per_step=128), Horizon(196, "45ep", tokens_per_step=2048)
    assert differences_in_words(Course(plan, saved), Course(plan, present), Fraction(9, 2)) == [
        "Horizon(steps_per_epoch=): 391 in the checkpoint, 196 now",
        "Horizon(total=): '90ep' in the checkpoint, '45ep' now",
        "Horizon(samples_per_step=): 128 in the checkpoint, not given now",
        "Horizon(tokens_per_step=): not given in the checkpoint, 2048 now",
    ]


@pytest.mark.parametrize(
    ("present", "at", "told"),
    [
        (et.Linear(over=8), 8, []),  # both have come to 0
        (et.Linear(over=8), 4, []),  # and cross in the middle, but for rounding
        (et.Linear(over=8), 2, ["the value at step 2, at base rate 1: 0.853553 in the checkpoint, 0.75 now"]),
        (
            et.Cosine(over=8) * 0.99999999,
            2,
            [
                "the value at step 2, at base rate 1: 0.8535533905932737 in the checkpoint, "
                "0.8535533820577398 now"
            ],
        ),
    ],
)
def test_e8_what_does_not_differ_is_not_listed(present: Schedule, at: int, told: list[str]) -> None:
    found = differences_in_words(Course(et.Cosine(over=8), Horizon(8, 8)), Course(present, Horizon(8, 8)), at)
    assert found[1:] == told
    assert not any(_says_the_same_twice(line) for line in found)


def _says_the_same_twice(line: str) -> bool:
    saved, now = line.rpartition(": ")[2].split(" in the checkpoint, ")
    return saved == now.removesuffix(" now")


def test_how_a_horizon_was_counted_is_no_difference() -> None:
    counted = Horizon.of(8, epochs=2, accumulate=2)
    assert differences_in_words(Course(COSINE, counted), Course(COSINE, Horizon(4, "2ep")), 1) == []


# One decay after another, and none within another.


def resumed(
    plan: Schedule, policy: Any, times: int, every: int = 1
) -> tuple[Course, list[tuple[int, float]]]:
    """What is followed after so many resumes, and the values that were used in between, at base rate 0.5."""
    course, used = Course(plan, Horizon(total=1000)), []
    for time in range(times):
        at = 100 + every * time
        course = continued(policy, course, Course(plan, Horizon(total=1000 + 10 * (time + 1))), at)
        used += [(step, course.table(step, 0.5)) for step in range(at, at + every)]
    return course, used


DECAYING: list[Any] = [
    redecay("10%"),
    redecay(40, ease="cosine", stop=0.01 * BASE),
    redecay("10%", stop=1e-5),
]


def depth(schedule: Schedule) -> int:
    return 1 + max(map(depth, schedule.parts), default=0)


@pytest.mark.parametrize("policy", [*DECAYING, "hold", "keep"], ids=str)
@pytest.mark.parametrize(
    "plan",
    [
        et.cosine(),
        et.cosine(floor=1e-5),
        et.Linear(0.05 * BASE, BASE, over=20) >> et.Constant(BASE),
        et.cosine() * LOSS,
    ],
    ids=str,
)
def test_d4_a_resume_does_not_nest_what_it_replaces(plan: Schedule, policy: Any) -> None:
    few, used = resumed(plan, policy, 15, every=2)
    for step, value in used:
        assert few.table(step, 0.5) == pytest.approx(value, rel=1e-9), step
    for step in range(0, 100, 7):  # and what was before them all
        assert few.table(step, 0.5) == pytest.approx(plan.on(Horizon(total=1000))(step, 0.5), rel=1e-9)
    assert et.parse(repr(few.schedule)) == few.schedule
    many, used = resumed(plan, policy, 40)
    more, _ = resumed(plan, policy, 25)
    assert depth(many.schedule) == depth(more.schedule) == depth(few.schedule) <= 7
    assert len(repr(many.schedule)) < 1.05 * len(repr(more.schedule)) < 8000
    for step, value in used[-MOST_LEFT:]:
        assert many.table(step, 0.5) == pytest.approx(value, rel=1e-9), step


@pytest.mark.parametrize("times", [1, 2, 5])
def test_d4_a_resume_at_the_same_step_again_takes_the_place_of_the_last(times: int) -> None:
    course = Course(et.cosine(), Horizon(total=1000))
    for _ in range(times):
        course = continued(redecay(50), course, Course(et.cosine(), Horizon(total=2000)), 400)
    assert repr(course.schedule) == "Cosine(BASE, 0.0).cooldown(400, over=50)"
    for _ in range(times):
        course = continued(redecay(80), course, Course(et.cosine(), Horizon(total=3000)), 425)
    assert course.schedule == (
        et.cosine().cooldown(400, over=50).until(425)
        >> et.Constant(course.table(425) * BASE).cooldown(0, over=80)
    )


def test_d4_a_decay_that_never_began_is_left_out() -> None:
    course = Course(et.Constant(BASE).cooldown(900, over=100), Horizon(total=1000))
    found = continued(redecay(50), course, Course(et.Constant(BASE), Horizon(total=2000)), 400)
    assert repr(found.schedule) == "Constant(BASE).cooldown(400, over=50)"


@pytest.mark.parametrize("base", [0.0, 1e-7, 1e-5, 3e-5, 0.1])
@pytest.mark.parametrize("stop", [1e-5, 0.5 * BASE, 0.1 * BASE + 1e-6])
def test_d4_whatever_the_base_is_a_decay_after_another_never_rises(base: float, stop: Any) -> None:
    course, at = Course(et.cosine(), Horizon(total=1000)), 100
    for time in range(6):
        before = course.table(at, base)
        present = Course(et.cosine(), Horizon(total=1000 + time))
        course = continued(redecay(40, stop=stop), course, present, at)
        values = course.table(np.arange(at, at + 100), base)
        assert values[0] == pytest.approx(before, rel=1e-9)
        assert (np.diff(values) <= 1e-12 * before).all()
        at += 13


def test_d4_cooldowns_on_demand_do_not_nest_either() -> None:
    scheduler = Scheduler(sgd(0.1), et.Constant(BASE), Horizon(total=1000))
    for _ in range(40):
        for _ in range(5):
            scheduler.step()
        scheduler.cooldown(over=500)
    schedule = scheduler._moment.laid.courses[0].schedule
    assert depth(schedule) <= 5
    assert len(repr(schedule)) < 4000
    assert scheduler.get_last_lr() == [pytest.approx(0.1 * 0.99**39)]


def test_d4_a_drop_at_once_is_what_the_next_decay_begins_from() -> None:
    scheduler = Scheduler(sgd(0.1), et.Constant(BASE), Horizon(total=100))
    scheduler.cooldown(over=0, stop=0.01)
    assert scheduler.get_last_lr() == [0.01]
    scheduler.cooldown(over=4)
    assert [rate for _ in range(5) for rate in (scheduler.get_last_lr()[0], scheduler.step())[:1]] == (
        pytest.approx([0.01, 0.0075, 0.005, 0.0025, 0.0])
    )
