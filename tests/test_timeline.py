"""Exact boundaries: every whole step is in the right phase, however the boundaries were made.

The cycles here are stairs whose levels are all different, so that a value tells the phase it comes from;
what it should be is worked out by the slow, exact reference below, in fractions, without Etude.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etude import (
    Constant,
    Cosine,
    Custom,
    Horizon,
    Linear,
    Noise,
    PolynomialCycles,
    Schedule,
    Steps,
    maximum,
)
from etude.durations import Duration
from etude.timeline import ceil_float, just_before, power

HORIZON = Horizon(steps_per_epoch=7, total=1000)
FAR = [10**6, 10**9, 10**12, 10**12 + 1, 10**15 + 7, 2**53 - 1, 2**53]


# The reference: a tree of stairs, and what may be done with them.


def duration(length: Fraction) -> Duration:
    return Duration.of({"st": length})


@dataclass(frozen=True)
class Stair:
    level: float
    length: Fraction

    def at(self, t: Fraction) -> float:
        return self.level

    def schedule(self) -> Schedule:
        return Constant(self.level, over=duration(self.length))


@dataclass(frozen=True)
class Row:
    """One part after another."""

    parts: tuple[Tree, ...]

    @property
    def length(self) -> Fraction:
        return sum((part.length for part in self.parts), Fraction(0))

    def at(self, t: Fraction) -> float:
        for part in self.parts[:-1]:
            if t < part.length:
                return part.at(t)
            t -= part.length
        return self.parts[-1].at(t)

    def schedule(self) -> Schedule:
        plan = self.parts[0].schedule()
        for part in self.parts[1:]:
            plan = plan >> part.schedule()
        return plan


@dataclass(frozen=True)
class Highest:
    """All parts at the same time, and the highest of their levels."""

    parts: tuple[Tree, ...]

    @property
    def length(self) -> Fraction:
        return max(part.length for part in self.parts)

    def at(self, t: Fraction) -> float:
        return max(part.at(t) for part in self.parts)

    def schedule(self) -> Schedule:
        return maximum(*(part.schedule() for part in self.parts))


@dataclass(frozen=True)
class Again:
    """A part over and over, each time ``stretch`` times as long; for ever where ``times`` is None."""

    part: Tree
    times: int | None
    stretch: Fraction

    @property
    def length(self) -> Fraction:
        return sum((self.part.length * self.stretch**n for n in range(self.times or 0)), Fraction(0))

    def at(self, t: Fraction) -> float:
        length, scale, cycle = self.part.length, Fraction(1), 0
        if self.stretch == 1:
            cycle = int(t // length) if self.times is None else min(int(t // length), self.times - 1)
            return self.part.at(t - cycle * length)
        while t >= length * scale and (self.times is None or cycle < self.times - 1):
            if self.times is None and length * scale * self.stretch < 1:
                break  # endless cycles that shrink: none shorter than a step is begun
            t -= length * scale
            scale *= self.stretch
            cycle += 1
        return self.part.at(t / scale)

    def schedule(self) -> Schedule:
        return self.part.schedule().repeat(self.times, stretch=self.stretch)


@dataclass(frozen=True)
class Slower:
    part: Tree
    factor: Fraction

    @property
    def length(self) -> Fraction:
        return self.part.length * self.factor

    def at(self, t: Fraction) -> float:
        return self.part.at(t / self.factor)

    def schedule(self) -> Schedule:
        return self.part.schedule().stretch(self.factor)


@dataclass(frozen=True)
class Later:
    """A part after its first level, or without its beginning where ``by`` is negative."""

    part: Tree
    by: Fraction

    @property
    def length(self) -> Fraction:
        return max(self.part.length + self.by, Fraction(0))

    def at(self, t: Fraction) -> float:
        return self.part.at(max(t - self.by, Fraction(0)))

    def schedule(self) -> Schedule:
        return self.part.schedule().shift(duration(self.by))


@dataclass(frozen=True)
class Left:
    """A part, endless or not, that is left for another level."""

    part: Tree
    when: Fraction
    level: float

    @property
    def length(self) -> Fraction:
        return self.when

    def at(self, t: Fraction) -> float:
        return self.part.at(t) if t < self.when else self.level

    def schedule(self) -> Schedule:
        return self.part.schedule().cooldown(duration(self.when), over=0, stop=self.level)


Tree: TypeAlias = Stair | Row | Highest | Again | Slower | Later | Left


def numbered(tree: Tree, used: list[float]) -> Tree:
    """The same tree with the levels 1, 2, 3, ..."""
    match tree:
        case Stair():
            used.append(len(used) + 1.0)
            return replace(tree, level=used[-1])
        case Row() | Highest():
            return replace(tree, parts=tuple(numbered(part, used) for part in tree.parts))
        case Left():
            used.append(len(used) + 1.0)
            return replace(tree, level=used[-1], part=numbered(tree.part, used))
    return replace(tree, part=numbered(tree.part, used))


lengths = st.one_of(
    st.integers(1, 9).map(Fraction),
    st.fractions(Fraction(1, 3), 9, max_denominator=12),
)
factors = st.sampled_from([Fraction(text) for text in ("1", "2", "3", "3/2", "11/10", "1/2")])


def grown(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    rows = st.lists(parts, min_size=2, max_size=3).map(tuple)
    endless = st.one_of(parts, st.builds(Again, parts, st.none(), factors))
    return st.one_of(
        st.builds(Row, rows),
        st.builds(Highest, rows),
        st.builds(Again, parts, st.integers(1, 4), factors),
        st.builds(Slower, parts, factors),
        st.builds(Later, parts, lengths),
        st.builds(lambda part, share: Later(part, -part.length * share), parts, st.sampled_from(SHARES)),
        st.builds(Left, endless, lengths, st.just(0.0)),
    )


SHARES = [Fraction(1, 2), Fraction(1, 3)]
trees = st.recursive(st.builds(Stair, st.just(0.0), lengths), grown, max_leaves=6).map(
    lambda tree: numbered(tree, [])
)


@given(trees, st.one_of(st.none(), st.integers(1, 5)), factors, st.integers(0, 2**53))
@example(Row((Stair(1.0, Fraction(1, 3)), Stair(2.0, Fraction(3)))), None, Fraction(1), 10**15)
def test_every_whole_step_of_nested_cycles_is_in_the_right_phase(
    tree: Tree, times: int | None, stretch: Fraction, far: int
) -> None:
    again = Again(tree, times, stretch)
    table = again.schedule().on(HORIZON)
    steps = [*range(60), far]
    expected = [again.at(Fraction(step)) for step in steps]
    assert table(steps).tolist() == expected
    # The phases say the same: each covers its step, and has its value from its start on.
    for step in steps[::7]:
        phase = table.phase(step)
        assert phase.start <= step < phase.stop
        assert phase.name == "hold" or table(phase.start) == table(step)


@pytest.mark.parametrize("period", [1, 5, "10/3st"])
@pytest.mark.parametrize(
    ("stretch", "cycles", "lengths"),
    [
        # Cycle n starts after (sⁿ - 1) / (s - 1) lengths of the first.
        (2, 5, 31),
        (2, 20, 1_048_575),
        (3, 5, 121),  # where a rounded logarithm gives cycle 4
        (3, 10, 29_524),
        (10, 3, 111),
        (10, 7, 1_111_111),
        ("3/2", 2, Fraction(5, 2)),
        ("3/2", 8, Fraction(6_305, 128)),
        (1.1, 2, Fraction(21, 10)),
        (1.1, 3, Fraction(331, 100)),
        ("1/2", 2, Fraction(3, 2)),
        (1, 7, 7),
    ],
)
def test_cycle_n_starts_at_its_exact_place(
    period: int | str, stretch: float | str, cycles: int, lengths: Fraction
) -> None:
    # Up to 1 and back to 0.5, so that the first value of a cycle is its highest.
    table = (
        Linear(1.0, 0.5, over=period).repeat(12 if stretch == "1/2" else None, stretch=stretch).on(HORIZON)
    )
    start = HORIZON.steps(period) * lengths
    boundary = ceil_float(start)
    assert table.phase(boundary).cycle == cycles
    assert table.phase(math.nextafter(boundary, 0)).cycle == cycles - 1
    assert table.phase(boundary).start == boundary
    # A boundary that is no float falls within one rounding of the start.
    assert table(boundary) == pytest.approx(1.0, abs=1e-9 if start.denominator > 1 else 0)
    assert table(float(just_before(np.array(boundary)))) == pytest.approx(0.5, abs=1e-9)


# Each trunk jumps right where it is left; the cycles begin at fractions of a step that are no floats.
JUMPING = {
    "stairs": Steps(2, 0.5),
    "a polynomial in cycles": PolynomialCycles("1/25st"),
    "a repeated line": Linear(1.0, 0.5, over="2/3st").repeat(),
    "a growing line": Linear(1.0, 0.5, over="2/3st").repeat(stretch=2),
    "parts": Constant(1.0, over=2) >> Constant(0.25),
    "noise": Noise(3, 0.5, every="1/3st") * 1.0,
    "a stretched sum": (Steps(1, 0.5) + Constant(0.1)).stretch(2),
    "a delayed one": Steps(1, 0.5).shift(1),
    "one that was left": Constant(1.0, over=1) >> Steps(1, 0.5).cooldown(1, over=0, stop=0.25),
}


@pytest.mark.parametrize("name", JUMPING)
@pytest.mark.parametrize("stretch", ["9/10", "11/10", 1])
def test_a_trunk_that_is_left_at_a_jump_is_left_after_it(name: str, stretch: str | int) -> None:
    trunk = JUMPING[name]
    wanted = trunk.on(HORIZON)(2)
    cycle = trunk.cooldown(2, over=27, stop=0.125)
    table = cycle.repeat(12, stretch=stretch).on(HORIZON)
    start, length = Fraction(0), Fraction(1)
    for _ in range(12):
        step = math.ceil(start + 3 * length)
        gone = (step - start - 2 * length) / (27 * length)
        assert table(step) == pytest.approx(wanted * float(1 - gone) + 0.125 * float(gone), rel=1e-12)
        start, length = start + 29 * length, length * Fraction(stretch)


@pytest.mark.parametrize("stretch", [2, 3, "3/2", "7/5"])
def test_boundaries_inside_a_cycle_stretch_with_it(stretch: float | str) -> None:
    # Cycle n of (3 steps of 1, then 2 of 2): its inner boundary is at start + 3 · stretchⁿ.
    plan = Constant(1.0, over=3) >> Constant(2.0, over=2)
    table = plan.repeat(stretch=stretch).on(HORIZON)
    start, length = Fraction(0), Fraction(1)
    for cycle in range(12):
        inner = math.ceil(start + 3 * length)
        assert table([math.ceil(start), inner - 1, inner]).tolist() == [1.0, 1.0, 2.0], cycle
        start += 5 * length
        length *= Fraction(stretch)


@pytest.mark.parametrize(
    ("over", "unit"),
    [
        ("12.5%", 125),
        ("0.5ep", Fraction(7, 2)),
        ("1/3ep", Fraction(7, 3)),
        ("33.3%", 333),
        ("1.37%", Fraction(137, 10)),
    ],
)
def test_units_whose_lengths_are_no_whole_steps(over: str, unit: Fraction) -> None:
    table = (Constant(1.0, over=over) >> Constant(2.0, over=over)).repeat().on(HORIZON)
    steps = range(1000)
    assert table(steps).tolist() == [1.0 + (step // unit) % 2 for step in steps]


@pytest.mark.parametrize("period", ["7/3st", "10/7st", "1001/1000st", 12345])
def test_seeks_far_away(period: int | str) -> None:
    length = HORIZON.steps(period)
    table = Constant(1.0, over=period).repeat(2).repeat().on(HORIZON)
    rising = Steps(period, 0.5).on(HORIZON)
    for step in FAR:
        assert table.phase(step).cycle == step // (2 * length)
        phase = rising.phase(step)
        assert phase.cycle == step // length
        assert phase.start <= step < phase.stop


@pytest.mark.parametrize("step", FAR)
def test_far_seeks_of_fractional_cycles_read_the_right_cycle(step: int) -> None:
    # 7/3 steps of 1, then 5/7 of 2: the cycle has 64/21 steps, so a step is counted in 21sts.
    table = (Constant(1.0, over="7/3st") >> Constant(2.0, over="5/7st")).repeat().on(HORIZON)
    into = Fraction(step) % Fraction(64, 21)
    assert table(step) == (1.0 if into < Fraction(7, 3) else 2.0)


def test_shrinking_cycles_end_in_their_last_value() -> None:
    # 8, 4, 2, 1 steps; a half step is no longer begun.
    endless = Linear(1.0, 0.25, over=8).repeat(stretch="1/2", gain=0.5).on(HORIZON)
    assert [endless(k) for k in (0, 8, 12, 14, 15, 10**12)] == [1.0, 0.5, 0.25, 0.125, 0.03125, 0.03125]
    # Counted cycles are all played, however short.
    counted = Linear(1.0, 0.25, over=8).repeat(6, stretch="1/2", gain=0.5).on(HORIZON)
    assert counted(16) == 0.25 * 0.5**5
    assert counted.length == 15.75


def test_growing_cycles_begin_with_ones_shorter_than_a_step() -> None:
    stairs = Constant(1.0, over="1/4st") >> Constant(2.0, over="1/8st")
    # Starts at 0, 3/8, 15/16, 57/32 and 195/64; from two thirds of a cycle on it is the second stair.
    table = stairs.repeat(stretch="3/2", gain=10).on(Horizon())
    assert table([0, 1, 2, 3, 4]).tolist() == [1.0, 100.0, 1000.0, 2000.0, 10_000.0]


@pytest.mark.parametrize("at", [Fraction(96, 7), Fraction(7, 3), Fraction(1, 10)])
def test_a_steep_decay_begins_exactly_where_it_is_left(at: Fraction) -> None:
    plan = Constant(0.7).cooldown(duration(at), over=20, ease="one_minus_sqrt")
    assert plan.on(Horizon())(ceil_float(at)) == 0.7


def test_shrinking_cycles_are_the_same_inside_another_cycle() -> None:
    shrinking = Linear(1.0, 0.0, over=8).repeat(stretch="1/2")
    table = shrinking.on(HORIZON)
    stretched = shrinking.stretch(2).on(HORIZON)
    assert stretched(range(0, 80, 2)).tolist() == table(range(40)).tolist()
    # The third of a step makes the cycle count in thirds; the restarts must not.
    nested = (shrinking.cooldown(20, over=3) >> Constant(0.0, over="1/3st")).repeat().on(HORIZON)
    assert nested(range(20)).tolist() == table(range(20)).tolist()


def test_boundaries_of_cycles_with_a_huge_denominator_are_compared_as_floats() -> None:
    table = Constant(1.0, over="100003/100019st").repeat(7).repeat().on(HORIZON)
    assert table.phase(10**6).cycle == 10**6 // (7 * Fraction(100_003, 100_019))
    assert table(10**6) == 1.0


def test_growing_cycles_that_grow_slowly_are_reached_far_away() -> None:
    table = Cosine(over=100).repeat(stretch=1.001).on(HORIZON)
    # Cycle n starts at 100 · (1.001ⁿ - 1) / 0.001.
    n = table.phase(10**8).cycle
    assert n is not None
    assert 1e5 * (1.001**n - 1) <= 10**8 < 1e5 * (1.001 ** (n + 1) - 1)


def test_cycles_inside_cycles_to_any_depth() -> None:
    plan: Schedule = Constant(1.0, over="1/3st") >> Constant(2.0, over="1/3st")
    for _ in range(40):
        plan = plan.repeat(2)
    table = plan.on(HORIZON)
    steps = [0, 1, 2, 5, 10**9, 2**40 - 1]
    assert table(steps).tolist() == [1.0 + (Fraction(step) // Fraction(1, 3)) % 2 for step in steps]


def test_stairs_held_at_their_end_keep_the_last_stair_before_it() -> None:
    # The end falls on an edge, and neither is a float.
    table = Steps("10/3st", 0.5, over="20/3st").on(HORIZON)
    assert table([0, 3, 4, 6, 7, 100]).tolist() == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]


def test_a_cooldown_starts_from_the_value_at_its_start() -> None:
    # The trunk jumps to 2 exactly where it is left, at a step that is no float.
    trunk = Constant(1.0, over="10/3st") >> Constant(2.0)
    table = trunk.cooldown("10/3st", over=4).on(HORIZON)
    assert table([3, 7.5]).tolist() == [1.0, 0.0]
    assert table(4) == pytest.approx(2.0 * (1 - (4 - 10 / 3) / 4))


@pytest.mark.parametrize(
    ("exact", "expected"),
    [
        (Fraction(3), 3.0),
        (Fraction(1, 3), 0.33333333333333337),  # the nearest float is below
        (Fraction(2, 3), 0.6666666666666667),
        (Fraction(-1, 3), -0.3333333333333333),
        (Fraction(2**53 + 1), 2.0**53 + 2),
        (Fraction(10**400), math.inf),
    ],
)
def test_ceil_float_is_the_first_float_not_below(exact: Fraction, expected: float) -> None:
    assert ceil_float(exact) == expected
    assert expected == math.inf or Fraction(expected) >= exact > Fraction(math.nextafter(expected, -math.inf))


def test_just_before_is_before_and_near() -> None:
    boundaries = np.array([1e-3, 1.0, 10 / 3, 2.0**52])
    near = just_before(boundaries)
    assert (near < boundaries).all()
    assert near == pytest.approx(boundaries, rel=1e-14)


def test_power_overflows_to_infinity() -> None:
    assert power(0.5, 3) == 0.125
    assert power(10.0, 400) == math.inf


def test_a_table_may_be_read_by_several_threads() -> None:
    # Growing cycles are worked out as they are asked for: each thread must see whole ones.
    plan = Linear(1.0, 0.5, over=3).repeat(stretch=1.1)
    steps = [(k * 7919) % 10**5 for k in range(400)]
    expected = plan.on(HORIZON)(steps)
    tables = [plan.on(HORIZON) for _ in range(5)]
    walks = [steps[::2], steps[1::2], steps[::-1]]
    with ThreadPoolExecutor(len(walks)) as pool:
        for table in tables:
            seen = list(pool.map(lambda walk, table=table: [table(k) for k in walk], walks))
            assert seen == [table(walk).tolist() for walk in walks]
            assert table(steps).tolist() == expected.tolist()


def test_a3_what_starts_between_two_steps_has_just_begun_there() -> None:
    # The root would make 4e-8 of the 2e-15 by which the float of the start is off.
    root = Custom("math:sqrt", start=1.0) + Linear(0.0, 0.0, over=2).shift(-1)
    waits = root.shift(11).until(1.1).repeat(stretch=1.1).on(HORIZON)
    assert waits(range(40)).tolist() == [0.0] * 40
