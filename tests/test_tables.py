"""Tables: what they return for which question, the phases of a run, and its facts."""

from __future__ import annotations

import copy
import math
import pickle
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from etude import (
    BASE,
    Constant,
    Cosine,
    Custom,
    Exponential,
    Horizon,
    InverseSqrt,
    InverseTime,
    Linear,
    Plateau,
    Points,
    PowerLaw,
    Schedule,
    Steps,
    cyclic,
    cyclic_cosine_decay,
    linear,
    maximum,
    minimum,
    multistep,
    one_cycle,
    sgdr,
    step,
    time_decay,
    wsd,
)
from etude.errors import EtudeError, HorizonError, ScheduleError
from etude.spec import parse
from etude.tables import BLOCK, EXACT_STEPS, MAX_PHASES, Facts, Jump, PhaseRow
from tests.strategies import HORIZON, STEPS, expression, schedules

RUN = Horizon(steps_per_epoch=4, total=40)
line = Linear(over=4).on(RUN)


# What is asked and what is returned.


@pytest.mark.parametrize("k", [1, 1.0, np.int64(1), np.float32(1), np.array(1), Fraction(1)])
def test_a_step_gives_a_float(k: Any) -> None:
    assert line(k) == 0.75
    assert type(line(k)) is float


@pytest.mark.parametrize("steps", [[0, 1, 2], (0.0, 1.0, 2.0), range(3), np.arange(3, dtype=np.uint8)])
def test_steps_give_an_array(steps: Any) -> None:
    values = line(steps)
    assert values.dtype == np.float64
    assert values.tolist() == [1.0, 0.75, 0.5]


def test_shapes_are_steps_by_groups() -> None:
    grid = np.arange(6).reshape(2, 3)
    for steps, base, shape in [
        (0, 1.0, ()),
        (0, [1.0], (1,)),
        (0, [1.0, 2.0], (2,)),
        ([0], 1.0, (1,)),
        ([0, 1], [1.0], (2, 1)),
        ([0, 1], [1.0, 2.0, 3.0], (2, 3)),
        (grid, 1.0, (2, 3)),
        (grid, [1.0, 2.0], (2, 3, 2)),
        ([], 1.0, (0,)),
        ([], [1.0, 2.0], (0, 2)),
        (range(0), 1.0, (0,)),
        (np.empty((0, 3)), 1.0, (0, 3)),
    ]:
        assert np.shape(line(steps, base=base)) == shape
    assert line(grid).tolist() == [[1.0, 0.75, 0.5], [0.25, 0.0, 0.0]]
    assert line([0, 2], base=[1.0, 0.1]).tolist() == [[1.0, 0.1], [0.5, 0.05]]


def test_steps_may_be_fractions_and_in_any_order() -> None:
    assert line([3, 0.5, 0]).tolist() == [0.25, 0.875, 1.0]
    assert line(range(3, -1, -1)).tolist() == [0.25, 0.5, 0.75, 1.0]


def test_a_long_run_is_worked_out_in_blocks() -> None:
    table = Linear(over=3 * BLOCK).on(RUN)
    steps = np.arange(2 * BLOCK + 5)
    assert (table(steps) == 1 - steps / (3 * BLOCK)).all()
    assert (table(steps, base=[1.0, 0.5])[:, 1] == table(steps, base=0.5)).all()


def test_asking_does_not_change_the_steps() -> None:
    steps = np.arange(4.0)
    for plan in (Linear(over=4), Cosine(over=4).repeat(), wsd(warmup=1, cooldown=2)):
        plan.on(RUN)(steps)
    assert steps.tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (-1, r"a step must be at least 0 and at most 2\*\*53; got -1"),
        ([0, -0.5], r"at least 0 and at most 2\*\*53; got -0.5"),
        (math.nan, r"at least 0 and at most 2\*\*53; got nan"),
        ([1, math.nan], r"at least 0 and at most 2\*\*53; got nan"),
        (math.inf, r"at least 0 and at most 2\*\*53; got inf"),
        (2**53 + 2, r"at least 0 and at most 2\*\*53; got 9.0072e\+15"),
        (2**80, r"a step must be a number, at least 0 and at most 2\*\*53, or an array; got 1208925"),
        (range(2**80, 2**80 + 2), r"a step must be a number, .*; got range"),
        (range(-2, 2), r"at least 0 and at most 2\*\*53; got -2"),
        (True, r"a step must be a number, .*; got True"),
        ([True, False], r"a step must be a number, .*; got \[True, False\]"),
        ("3", r"a step must be a number, .*; got '3'"),
        (None, r"a step must be a number, .*; got None"),
        (1j, r"a step must be a number, .*; got 1j"),
        ([[1], [1, 2]], r"a step must be a number, .*; got \[\[1\], \[1, 2\]\]"),
        ({1: 2}, r"a step must be a number, .*; got \{1: 2\}"),
    ],
)
def test_steps_that_are_refused(steps: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        line(steps)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (-0.1, r"a base rate must be finite and at least 0; got -0.1"),
        ([0.1, math.nan], r"a base rate must be finite and at least 0; got \[0.1, nan\]"),
        (math.inf, r"a base rate must be finite and at least 0; got inf"),
        (True, r"base must be a rate, or one for each parameter group; got True"),
        ("0.1", r"base must be a rate, or one for each parameter group; got '0.1'"),
        ([], r"base must be a rate, or one for each parameter group; got \[\]"),
        ([[0.1]], r"base must be a rate, or one for each parameter group; got \[\[0.1\]\]"),
        ([[0.1], [0.1, 0.2]], r"base must be a rate, or one for each parameter group"),
        (None, r"base must be a rate, or one for each parameter group; got None"),
    ],
)
def test_bases_that_are_refused(base: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        line(0, base=base)


def test_a_rate_below_zero_is_refused_with_its_level() -> None:
    table = Linear(BASE - 0.5, BASE, over=4).on(RUN)
    assert table(0, base=0.5) == 0.0
    with pytest.raises(ScheduleError, match=r"the level BASE - 0.5 is -0.3 at the base rate 0.2"):
        table(0, base=[0.5, 0.2])


def test_a_value_too_large_for_a_float_names_its_step() -> None:
    table = Constant(1.0, over=1).repeat(gain=10).on(RUN)
    assert table(308) == 1e308
    with pytest.raises(ScheduleError, match=r"the value at step 309 is too large for a float"):
        table(range(400))


def test_tables_are_copied_and_pickled_by_their_schedule() -> None:
    table = Cosine(over="50%").repeat().on(RUN)
    for twin in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert twin.schedule == table.schedule
        assert twin.horizon == table.horizon
        assert (twin(range(40)) == table(range(40))).all()


def test_how_a_table_is_written() -> None:
    table = Linear(over=4).on(RUN)
    assert table.text == "Linear(BASE, 0.0, over=4)"
    assert repr(table) == "<Table of Linear(BASE, 0.0, over=4) on Horizon(steps_per_epoch=4, total=40)>"


# The run and its phases.


@pytest.mark.parametrize(
    ("plan", "horizon", "steps"),
    [
        (Linear(over=4), RUN, 40),
        (Linear(over=4), Horizon(), 4),
        (Linear(over=3.5), Horizon(), 4),  # a partial step counts
        (Exponential(0.5), Horizon(total=2.5), 3),
        (Linear(over="2ep"), Horizon(7), 14),
    ],
    ids=expression,
)
def test_steps_of_a_run(plan: Schedule, horizon: Horizon, steps: int) -> None:
    assert plan.on(horizon).steps == steps


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            Exponential(0.5),
            r"Exponential\(0.5\) never ends and the horizon has no total.*write Horizon\(total=",
        ),
        (
            Linear(over=0),
            r"must have at least 1 update and at most 2\*\*53; Linear\(.*\) has none on Horizon\(\)",
        ),
        (Linear(over=1e20), r"must have at least 1 update and at most 2\*\*53; .* has more on"),
    ],
    ids=expression,
)
def test_runs_that_cannot_be_described(plan: Schedule, message: str) -> None:
    table = plan.on(Horizon())
    for describe in (table.facts, table.chart, table.check, lambda: table.phases):
        with pytest.raises(HorizonError, match=message):
            describe()
    assert table(10) >= 0  # it can be asked for values all the same


@pytest.mark.parametrize(
    ("plan", "phases"),
    [
        # name, start, stop, cycle
        (Constant(0.1), [("constant", 0, 40, None)]),
        (Linear(over=10), [("linear", 0, 10, None), ("hold", 10, 40, None)]),
        (Linear(over=50), [("linear", 0, 40, None)]),
        (Linear(over=0), [("hold", 0, 40, None)]),
        (Linear(over=10).shift(5), [("hold", 0, 5, None), ("linear", 5, 15, None), ("hold", 15, 40, None)]),
        (Linear(over=10).shift(-5), [("linear", 0, 5, None), ("hold", 5, 40, None)]),
        (Exponential(0.9).shift(5), [("hold", 0, 5, None), ("exponential", 5, 40, None)]),
        (Constant(0.1, over=5) >> Exponential(0.9), [("constant", 0, 5, None), ("exponential", 5, 40, None)]),
        (
            Constant(0.1, over=5) >> Constant(0.1, over=0) >> Constant(0.2),
            [("constant", 0, 5, None), ("constant", 5, 40, None)],
        ),
        (Cosine(over=15).repeat(), [("cosine", 0, 15, 0), ("cosine", 15, 30, 1), ("cosine", 30, 40, 2)]),
        (
            Cosine(over=15).repeat(2),
            [("cosine", 0, 15, 0), ("cosine", 15, 30, 1), ("hold", 30, 40, None)],
        ),
        (
            Cosine(over=8).repeat(2, stretch=2),
            [("cosine", 0, 8, 0), ("cosine", 8, 24, 1), ("hold", 24, 40, None)],
        ),
        (
            Cosine(over=8).repeat(stretch="1/2"),
            [
                ("cosine", 0, 8, 0),
                ("cosine", 8, 12, 1),
                ("cosine", 12, 14, 2),
                ("cosine", 14, 15, 3),
                ("hold", 15, 40, None),
            ],
        ),
        (
            Cosine(over=15).repeat().shift(20),
            [("hold", 0, 20, None), ("cosine", 20, 35, 0), ("cosine", 35, 40, 1)],
        ),
        (
            Cosine(over=15).repeat().shift(-20),
            [("cosine", 0, 10, 1), ("cosine", 10, 25, 2), ("cosine", 25, 40, 3)],
        ),
        (
            Constant(0.1, over=20) >> Cosine(over=15).repeat(),
            [("constant", 0, 20, None), ("cosine", 20, 35, 0), ("cosine", 35, 40, 1)],
        ),
        (Steps(15), [("steps", 0, 15, 0), ("steps", 15, 30, 1), ("steps", 30, 40, 2)]),
        (Steps(at=[15, 15]), [("steps", 0, 15, None), ("hold", 15, 40, None)]),
        (
            Steps(at=[15], over=20),
            [("steps", 0, 15, None), ("hold", 15, 20, None), ("hold", 20, 40, None)],
        ),
        (Linear(over=10) * 0.5, [("linear", 0, 10, None), ("hold", 10, 40, None)]),
        (
            Linear(0.0, 1.0, over=10) * Cosine(over=20),
            [("cosine & linear", 0, 10, None), ("cosine", 10, 20, None), ("hold", 20, 40, None)],
        ),
        (
            Constant(1.0).cooldown(10, over=5),
            [("constant", 0, 10, None), ("cooldown", 10, 15, None), ("hold", 15, 40, None)],
        ),
        (
            Points([(5, 0.1), (10, 0.2)]),
            [("hold", 0, 5, None), ("points", 5, 10, None), ("hold", 10, 40, None)],
        ),
        (Linear(over=10) * Plateau("loss"), [("linear", 0, 10, None), ("hold", 10, 40, None)]),
        (
            Linear(over="10/3st"),
            [("linear", 0, 3.3333333333333335, None), ("hold", 3.3333333333333335, 40, None)],
        ),
    ],
    ids=expression,
)
def test_phases(plan: Schedule, phases: list[tuple[Any, ...]]) -> None:
    table = plan.on(RUN)
    assert table.phases == tuple(PhaseRow(*phase) for phase in phases)


@given(schedules)
def test_phases_cover_the_run_and_each_step_has_its_own(plan: Schedule) -> None:
    table = plan.on(HORIZON)
    phases = table.phases
    assert phases[0].start == 0
    assert phases[-1].stop == STEPS
    assert all(one.stop == next.start for one, next in pairwise(phases))
    for row in phases:
        assert row.start < row.stop
        phase = table.phase(row.start)
        assert (phase.name, phase.cycle) == (row.name, row.cycle)
        assert phase.start <= row.start < phase.stop


def test_the_phase_of_a_step_far_away() -> None:
    table = Cosine(over=10).repeat().on(RUN)
    assert table.phase(10**12 + 3) == PhaseRow("cosine", 10**12, 10**12 + 10, 10**11)
    assert table.phase(3.5) == PhaseRow("cosine", 0, 10, 0)
    assert Constant(0.1).on(RUN).phase(5) == PhaseRow("constant", 0, math.inf, None)
    with pytest.raises(ScheduleError, match="a step must be at least 0"):
        table.phase(-1)


def test_too_many_phases_to_list() -> None:
    table = Cosine(over=1).repeat().on(Horizon(total=MAX_PHASES + 1))
    with pytest.raises(
        ScheduleError, match=r"more than 10,000 phases, too many to list; ask .* table.phase\(k\)"
    ):
        list(table.phases)
    assert table.phase(MAX_PHASES).cycle == MAX_PHASES
    facts = table.facts()
    assert facts.shares == {"cosine": 1.0}
    assert facts.jumps is None  # not (): there are 10,000 of them


@pytest.mark.parametrize("base", [1e-300, 1e300, 1.7e308])
def test_d1_facts_at_the_edges_of_a_float(base: float) -> None:
    facts = Linear(BASE, 0.5 * BASE, over=4, inclusive=True).on(Horizon(total=4)).facts(base)
    assert facts.mean == pytest.approx(0.75 * base, rel=1e-12)
    assert facts.area == pytest.approx(3 * base if base < 1e308 else math.inf)
    assert facts.area_of_squares == (0.0 if base < 1 else math.inf)


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (1_234_567, "step 1234567 = base 0.1 × 0.150616: phase 'cosine' [0, 1654321), 75 % through"),
        (9_007_199_254_740_992, "step 9007199254740992 = base 0.1 × 0: phase 'hold' [1654321, ∞)"),
        (2.5, "step 2.5 = base 0.1 × 1: phase 'cosine' [0, 1654321), 0 % through"),
    ],
)
def test_e1_a_step_is_told_exactly(step: float, text: str) -> None:
    assert Cosine(over=1_654_321).on(Horizon()).explain(step, 0.1).endswith(text)


def test_d1_of_a_base_next_to_0_no_infinite_multiple_is_told() -> None:
    said = Linear(0.001 * BASE, 2.0, over=4).on(Horizon()).explain(4, 5e-324)
    assert said == "2 at step 4: phase 'hold' [4, ∞)"


# Facts.


@given(schedules)
def test_sums_are_those_of_numpy(plan: Schedule) -> None:
    table = plan.on(HORIZON)
    values = np.array([table(k, base=0.5) for k in range(STEPS)])
    facts = table.facts(base=0.5)
    assert facts.steps == STEPS
    assert facts.exact
    assert (facts.first, facts.last) == (values[0], values[-1])
    assert (facts.peak, facts.floor) == (values.max(), values.min())
    assert (values[facts.peak_step], values[facts.floor_step]) == (facts.peak, facts.floor)
    assert facts.mean == pytest.approx(values.mean(), rel=1e-12)
    assert facts.area == pytest.approx(values.sum(), rel=1e-12)
    assert facts.area_of_squares == pytest.approx((values**2).sum(), rel=1e-12)
    assert sum(facts.shares.values()) == pytest.approx(1.0)


def test_facts_of_a_warmup_and_a_cosine() -> None:
    plan = Linear(0.1, 1.0, over=10) >> Cosine(1.0, 0.0, over=30)
    facts = plan.on(RUN).facts()
    assert (facts.first, facts.peak, facts.peak_step, facts.floor_step) == (0.1, 1.0, 10, 39)
    assert facts.shares == {"linear": 0.25, "cosine": 0.75}
    assert facts.jumps == ()
    assert facts.area == pytest.approx(sum(0.1 + 0.09 * k for k in range(10)) + 15.5)


@pytest.mark.parametrize(
    ("plan", "jumps"),
    [
        # step, value before, value at
        (Constant(1.0, over=5) >> Constant(0.5), [(5, 1.0, 0.5)]),
        (Constant(1.0, over=5) >> Cosine(over=5), []),
        (Steps(at=[10, 20]), [(10, 1.0, 0.1), (20, 0.1, 0.01)]),
        (Cosine(over=15).repeat(), [(15, 0.0, 1.0), (30, 0.0, 1.0)]),
        (Points([(0, 1.0), (10, 1.0), (10, 0.2)]), [(10, 1.0, 0.2)]),
        (Linear(over=10) >> Linear(0.0, 1.0, over=10), []),
        (Constant(1.0).cooldown(10, over=0), [(10, 1.0, 0.0)]),
        # At boundaries that are no floats, where the axis of a cycle is rescaled.
        (Constant(1.0, over="10/3st") >> Constant(0.5), [(10 / 3, 1.0, 0.5)]),
        (Steps("40/3st", 0.5), [(40 / 3, 1.0, 0.5), (80 / 3, 0.5, 0.25)]),
        (
            Linear(1.0, 0.5, over="100/7st").repeat(),
            [(100 / 7, 0.5, 1.0), (200 / 7, 0.5, 1.0)],
        ),
    ],
    ids=expression,
)
def test_jumps(plan: Schedule, jumps: list[tuple[float, float, float]]) -> None:
    facts = plan.on(RUN).facts()
    assert len(facts.jumps) == len(jumps)
    for jump, (at, before, after) in zip(facts.jumps, jumps, strict=True):
        assert jump == Jump(jump.step, pytest.approx(before, abs=1e-12), pytest.approx(after, abs=1e-12))
        assert jump.step == pytest.approx(at)


@pytest.mark.parametrize("period", [f"{n}/{d}st" for d in (3, 7, 11, 13) for n in (20, 29, 41)])
def test_no_jump_of_a_fractional_cycle_is_missed(period: str) -> None:
    facts = Linear(1.0, 0.5, over=period).repeat().on(Horizon(total=1000)).facts()
    length = Horizon().steps(period)
    assert len(facts.jumps) == math.ceil(1000 / length) - 1


# Continued for ever: (Σlr = ∞, Σlr² < ∞).
BOTH, FLAT, SHORT = (True, True), (True, False), (False, True)
UNKNOWN = (None, None)


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [
        (time_decay(0.1), BOTH),
        (time_decay(0.1, per="1ep", peak=0.5), BOTH),
        (InverseTime(0), FLAT),
        (InverseTime(0.1, over=9), FLAT),  # its last value is held
        (PowerLaw(0.6, timescale=5), BOTH),
        (PowerLaw(1, timescale=5), BOTH),
        (PowerLaw(0.5, timescale=5), FLAT),
        (PowerLaw(1.1, timescale=5), SHORT),
        (InverseSqrt(5), FLAT),
        (Exponential(0.999), SHORT),
        (Exponential(1.0), FLAT),
        (Exponential(1.001), FLAT),
        (Exponential(0.9, over=9), FLAT),
        (Constant(), FLAT),
        (Constant(0.0), SHORT),
        (step(5), SHORT),
        (step(5, 1.0), FLAT),
        (multistep([5, 9]), FLAT),
        (multistep([5, 9], 0.0), SHORT),
        (Steps(5, 0.5, over=9), FLAT),
        (Steps(5, 0.0, over=9), SHORT),
        (Steps(5, 0.0, over=5), FLAT),
        (Linear(over=9), SHORT),
        (Linear(1.0, 0.1, over=9), FLAT),
        (Linear(over=9, after="repeat"), FLAT),
        (Linear(over=9) >> time_decay(0.1, peak=1.0), BOTH),
        (linear(), SHORT),
        (one_cycle(), FLAT),  # its last rate is above 0
        (wsd(warmup=5, cooldown=9), SHORT),
        (Points([(0, 1.0), (9, 0.0)]), SHORT),
        (Points([(0, 0.0), (9, 1.0)]), FLAT),
        (sgdr(10), FLAT),
        (sgdr(10, cycles=3), SHORT),
        (sgdr(10, cycles=3, floor=0.1), FLAT),
        (sgdr(10, gain=0.5), SHORT),
        (sgdr(10, gain=0.5, floor=0.1), FLAT),
        (sgdr(10, gain=0.0), SHORT),
        (sgdr(10, stretch=2), FLAT),
        (sgdr(10, stretch=2, gain=0.5), BOTH),  # n-th cycle: 2ⁿ times as long, half as high
        (sgdr(10, stretch=7, gain=1 / 7), BOTH),
        (sgdr(10, stretch=10, gain=0.1), BOTH),
        (sgdr(10, stretch=2, gain=0.25), SHORT),
        (sgdr(10, stretch=4, gain=0.5), FLAT),
        (sgdr(10, stretch=2, gain=0.8), FLAT),
        (sgdr(10, stretch=2, gain=0.0), SHORT),
        (sgdr(10, stretch="1/2"), SHORT),  # it has a limit, and holds there
        (sgdr(10, stretch="1/2", floor=0.1), FLAT),
        (sgdr(10, stretch=2, gain=0.0, cycles=3), SHORT),
        (Constant(1.0, over=2).repeat(stretch=2, gain=1.5), FLAT),
        (cyclic(5, low=0.1, high=0.5), FLAT),
        (cyclic(5, low=0.1, high=0.5, mode="triangular2"), FLAT),
        (cyclic(5, low=0.0, high=0.5, mode="triangular2"), SHORT),
        (cyclic(5, low=0.1, high=0.5, mode="exp_range_both", gamma=0.99), SHORT),
        (cyclic_cosine_decay(5, 0.0, 5, 2), FLAT),
        (Constant(0.1).cooldown(5, over=5), SHORT),
        (Constant(0.1).cooldown(5, over=5, stop=0.1), FLAT),
        (time_decay(0.1).shift(5).stretch(2), BOTH),
        (PowerLaw(0.3, timescale=5) * PowerLaw(0.4, timescale=5, start=1.0), BOTH),
        (InverseTime(0.1) * InverseTime(0.1, start=1.0), SHORT),
        (time_decay(0.1) * 0.5, BOTH),
        (time_decay(0.1) * 0, SHORT),
        (time_decay(0.1) + Exponential(0.9), BOTH),
        (time_decay(0.1) + 0.1, FLAT),
        (minimum(0.5, time_decay(0.1)), BOTH),
        (maximum(0.5, time_decay(0.1)), FLAT),
        (Custom("math:exp"), UNKNOWN),
        (Custom("math:exp", over=3), UNKNOWN),
        (Custom("math:exp", over=3).repeat(), UNKNOWN),
        (Custom("math:exp", over=3).repeat(stretch=2, gain=0.1), UNKNOWN),
        (Constant() * Plateau("loss"), UNKNOWN),
        ((Cosine(over=5) * Plateau("loss")).repeat(), UNKNOWN),
    ],
    ids=expression,
)
def test_the_verdict_on_the_endless_continuation(plan: Schedule, verdict: tuple[bool, bool]) -> None:
    facts = plan.on(Horizon(steps_per_epoch=2, total=20)).facts()
    assert (facts.sum_diverges, facts.sum_of_squares_converges) == verdict


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (time_decay(0.1), r"Continued for ever, Σlr = ∞ and Σlr² < ∞: the conditions .* hold\."),
        (Constant(), r"Continued for ever, Σlr = ∞ and Σlr² = ∞: the conditions .* do not both hold\."),
        (linear(), r"Continued for ever, Σlr < ∞ and Σlr² < ∞: the conditions .* do not both hold\."),
        (Constant() * Plateau("loss"), r"cannot be told: part of the schedule is decided at run time"),
    ],
    ids=expression,
)
def test_the_verdict_in_words(plan: Schedule, sentence: str) -> None:
    facts: Facts = plan.on(RUN).facts()
    assert re.search(sentence, facts.verdict)


def test_a_very_long_run_is_described_by_a_sample() -> None:
    total = 10 * EXACT_STEPS
    facts = Linear(over="100%").on(Horizon(total=total)).facts()
    assert not facts.exact
    assert facts.steps == total
    assert (facts.first, facts.last) == (1.0, pytest.approx(1 / total, rel=1e-6))
    assert facts.mean == pytest.approx(0.5, rel=1e-6)
    assert facts.area == pytest.approx(total / 2, rel=1e-6)
    assert facts.area_of_squares == pytest.approx(total / 3, rel=1e-6)


# Pictures.


def test_the_chart_draws_jumps_upright() -> None:
    chart = (Constant(1.0, over=10) >> Constant(0.5)).on(RUN).chart()
    (series,) = chart.series
    around = (series.x > 9.5) & (series.x < 10.5)
    assert series.y[around].tolist() == [1.0, 0.5]
    assert np.diff(series.x[around]).tolist() == [pytest.approx(0.0, abs=1e-12)]
    assert [(shade.label, shade.start, shade.stop) for shade in chart.shades] == [
        ("constant", 0, 10),
        ("constant", 10, 40),
    ]


def test_the_chart_of_a_long_run_has_few_points() -> None:
    chart = Cosine(over="1ep").repeat().on(Horizon(10, 10**6)).chart(base=0.1, title="mine", label="rate")
    (series,) = chart.series
    assert len(series.x) < 5000
    assert chart.shades == ()  # too many phases to shade
    assert (chart.title, chart.x_label, chart.y_label) == ("mine", "step (10 an epoch)", "rate")


@given(schedules)
def test_every_schedule_has_a_chart(plan: Schedule) -> None:
    (series,) = plan.on(HORIZON).chart().series
    assert (np.diff(series.x) > 0).all()
    assert series.x[0] == 0
    assert STEPS - 1 <= series.x[-1] < STEPS


def test_it_draws_itself(tmp_path: Path) -> None:
    table = wsd(warmup=4, cooldown=10).on(RUN)
    assert table._repr_svg_().startswith("<svg")
    table.plot(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_all_of_it_is_refused_with_etudes_own_errors() -> None:
    with pytest.raises(EtudeError):
        line(-1)


# Feedback from a trace.


WARM = Linear(1 / 3 * BASE, BASE, over=2)
CUT = [1 / 3, 2 / 3, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]


@pytest.mark.parametrize(
    ("schedule", "metrics", "every", "values"),
    [
        (WARM * Plateau("loss", patience=2), [1.0] * 12, 1, CUT),
        # Without the two of the warmup, the cuts come two later.
        (
            WARM * Plateau("loss", patience=2, start_after=2),
            [1.0] * 12,
            1,
            [*CUT[:3], 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01],
        ),
        # Every epoch of 4 steps; every one and a half steps, counted from the step on that is whole.
        (Plateau("loss", patience=0) * 1.0, [5, 5, 5], None, [1.0] * 8 + [0.1] * 4),
        (Plateau("loss", patience=0) * 1.0, [5, 5, 5], 1.5, [1.0, 1.0, 1.0, 0.1, 0.1]),
        # Two metrics, each its own.
        (
            Plateau("loss", patience=0) * Plateau("error", patience=0, factor=0.5),
            {"loss": [1, 1, 0, 0], "error": [3, 2, 1, 1]},
            1,
            [1.0, 1.0, 0.1, 0.1],
        ),
        (Plateau("loss") * 1.0, [], 1, []),
    ],
    ids=expression,
)
def test_replay(schedule: Schedule, metrics: Any, every: Any, values: list[float]) -> None:
    assert schedule.on(RUN).replay(metrics, every=every).tolist() == pytest.approx(values, rel=1e-12)


def test_replay_gives_a_column_for_each_base() -> None:
    table = (Constant(BASE) * Plateau("loss", patience=0)).on(Horizon(total=2))
    assert table.replay([1, 1], base=[1.0, 0.5]).tolist() == [[1.0, 0.5], [1.0, 0.5]]
    assert table.replay([], base=[1.0, 0.5]).shape == (0, 2)


@pytest.mark.parametrize(
    ("schedule", "metrics", "every", "message"),
    [
        (Linear(over=4), [1.0], 1, r"^Linear\(BASE, 0.0, over=4\) follows no metric, so there is nothing to"),
        (
            Plateau("loss"),
            {"los": [1.0]},
            1,
            r"the metrics to replay must be loss; got los; did you mean 'loss'\?$",
        ),
        (Plateau("loss"), {}, 1, r"the metrics to replay must be loss; got none"),
        (Plateau("loss"), ["low"], 1, r"the metric 'loss' must be a list of numbers; got \['low'\]"),
        (Plateau("loss"), [[1.0]], 1, r"the metric 'loss' must be a list of numbers"),
        (Plateau("loss"), [1.0], 0, r"replay\(every=\) must be more than 0 steps; got 0"),
        (Plateau("a") * Plateau("b"), [1.0], 1, r"replay needs a dict of metrics, for there are a, b"),
        (Plateau("a") * Plateau("b"), {"a": [1], "b": []}, 1, r"must be equally long; got 1 of a, 0 of b"),
        (Plateau("loss", nan="raise"), [math.nan], 1, r"the metric 'loss' is nan"),
    ],
    ids=expression,
)
def test_what_cannot_be_replayed(schedule: Schedule, metrics: Any, every: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        schedule.on(RUN).replay(metrics, every=every)


# What makes a value.


@pytest.mark.parametrize(
    ("plan", "k", "base", "text"),
    [
        (
            Cosine(over="100%"),
            3,
            0.1,
            "0.0146447 at step 3 = base 0.1 × 0.146447: phase 'cosine' [0, 4), 75 % through",
        ),
        (Cosine(over="100%"), 2, None, "0.5 at step 2 = base × 0.5: phase 'cosine' [0, 4), 50 % through"),
        (Constant(0.5), 2.5, 0.1, "0.5 at step 2.5: phase 'constant' [0, ∞)"),
        (Constant(), 2, 0.0, "0 at step 2: phase 'constant' [0, ∞)"),
        (sgdr(2), 5, 0.1, "0.05 at step 5 = base 0.1 × 0.5: phase 'cosine' [4, 6), 50 % through, in cycle 2"),
        (
            Constant() * Plateau("loss"),
            1,
            0.1,
            "0.1 at step 1 = base 0.1 × 1: phase 'constant' [0, ∞); loss plateau factor 1",
        ),
    ],
    ids=expression,
)
def test_a_value_is_explained(plan: Schedule, k: float, base: float | None, text: str) -> None:
    assert plan.on(Horizon(total=4)).explain(k, base) == text


def test_the_values_just_before_a_step_are_those_of_the_phase_that_ends_there() -> None:
    table = (Linear(0.0, 1.0, over=3) >> Linear(0.5, 0.0, over=3)).repeat().on(Horizon(total=12))
    assert table.before([3, 6, 9, 2.5]) == pytest.approx([1, 0, 1, 2.5 / 3])
    assert table([3, 6, 9, 2.5]) == pytest.approx([0.5, 0, 0.5, 2.5 / 3])


def test_the_chart_has_epochs_above_and_marks_restarts_alone() -> None:
    run = Horizon(steps_per_epoch=10, total="7ep")
    chart = parse("sgdr('1ep', stretch=2)").on(run).chart(0.1)
    assert [(mark.x, mark.label) for mark in chart.marks] == [(10, "restart"), (30, "restart")]
    assert (chart.above and (chart.above.label, chart.above.size)) == ("epoch", 10.0)
    # A triangle comes back to its base, from where the next one goes on: no restart.
    assert parse("cyclic('1ep', low=0.1 * BASE)").on(run).chart().marks == ()
    # Neither is a step down, nor a phase that follows a warmup.
    assert parse("step('2ep')").on(run).chart().marks == ()
    assert parse("Linear(0.0, BASE, over='1ep') >> cosine()").on(run).chart().marks == ()
    assert parse("cosine()").on(Horizon(total=70)).chart().above is None
