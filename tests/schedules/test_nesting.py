"""Schedules of many parts and of many levels: what they cost grows with both, and there is an end to it."""

from __future__ import annotations

import copy
import itertools
import operator
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etude import (
    Constant,
    Horizon,
    Linear,
    Schedule,
    from_json,
    maximum,
    minimum,
    parse,
)
from etude.convert import convert
from etude.errors import ScheduleError
from etude.schedules.algebra import MAX_DEPTH
from etude.spec import from_yaml, to_yaml
from etude.tracing import formula

RUN = Horizon(total=100)
stairs = Constant(1.0, over=2) >> Constant(0.5, over=2)

# Ways to put a schedule into another; none of them grows flat.
WAYS: dict[str, Callable[[Schedule, int], Schedule]] = {
    "cooldown": lambda plan, i: plan.cooldown(i, over=100),
    "until": lambda plan, i: plan.until(400 - i),
    "shift": lambda plan, i: plan.shift((-1) ** i),
    "stretch": lambda plan, i: plan.stretch("101/100"),
    "repeat": lambda plan, i: plan.repeat(2, gain=0.5) if i % 2 else plan.repeat(2),
    "grow": lambda plan, i: plan.repeat(2, stretch="3/2"),
    "then": lambda plan, i: (plan >> Constant(0.1, over=1)).until(400 - i),
    "between": lambda plan, i: maximum(plan, 0.1 + i / 1e4) if i % 2 else minimum(plan, 0.9 - i / 1e4),
    "sum": lambda plan, i: plan * 0.9 if i % 2 else plan + 0.01,
}


def deepest(way: str) -> tuple[Schedule, str]:
    """The deepest schedule that can be built this way, and what is said of the next one."""
    plan: Schedule = Linear(1.0, 0.5, over=3 if way == "repeat" else 100)
    for i in itertools.count():
        try:
            plan = WAYS[way](plan, i)
        except ScheduleError as error:
            return plan, str(error)
    raise AssertionError


@pytest.mark.parametrize("way", WAYS)
def test_d5_what_is_too_deep_to_be_read_is_refused_and_all_else_can_be_used(way: str) -> None:
    plan, refused = deepest(way)
    assert re.match(rf"this \w+ is {MAX_DEPTH + 1} levels deep, .* may have {MAX_DEPTH}; put pieces", refused)
    assert parse(repr(plan)) == from_json(plan.to_json()) == from_yaml(to_yaml(plan)) == plan
    assert copy.deepcopy(plan) == pickle.loads(pickle.dumps(plan)) == plan
    assert len({plan, copy.copy(plan)}) == 1
    assert len(plan.fingerprint) == 16
    table = plan.on(RUN)
    values = table(range(100))
    assert np.isfinite(values).all()
    assert [table(k) for k in range(0, 100, 9)] == values[::9].tolist()
    assert table.facts().steps == 100
    assert isinstance(table.check(), tuple)
    assert table._repr_svg_().startswith("<svg")
    if way != "grow":  # whose cycles of different lengths are too many before 2³¹
        assert formula(plan, RUN, 1.0, "f")(np.arange(100.0)) == pytest.approx(values, rel=1e-9, abs=1e-12)
    assert "def rate" in convert(plan, "torch", RUN)


def test_d5_a_schedule_made_of_itself_over_and_over_is_refused_before_it_is_too_large() -> None:
    plan: Schedule = Linear(over=10)

    def doubled(times: int) -> Schedule:
        return plan if not times else (lambda half: maximum(half * 0.9, half.shift(1)))(doubled(times - 1))

    with pytest.raises(
        ScheduleError, match=r"this \w+ is made of 1\d\d,\d{3} schedules, and one may be made of"
    ):
        doubled(40)


def test_d4_a_cooldown_of_a_cooldown_asks_its_trunk_once() -> None:
    again, later = Linear(1.0, 0.5, over=100), Linear(1.0, 0.5, over=100)
    for i in range(50):  # twice the work at each would be 2⁵⁰ times that of one
        again, later = again.cooldown(5, over=5), later.cooldown(i, over=100)
    once = Linear(1.0, 0.5, over=100).cooldown(5, over=5).on(RUN)
    assert (again.on(RUN)(range(20)) == once(range(20))).all()
    # Each is left after one step, which takes it a hundredth of the way down.
    assert later.on(RUN)(range(50)) == pytest.approx(0.99 ** np.arange(50))


def test_d4_cycles_of_cycles_between_steps_are_laid_out_once_at_each_depth() -> None:
    nested: Schedule = Linear(1.0, 0.5, over="1/3st")
    for _ in range(25):
        nested = nested.repeat(2, gain=0.5)
    # Step 1 is in the fourth cycle, whose number in binary has two ones.
    assert nested.on(RUN)([0, 1, 2, 3]) == pytest.approx([1.0, 0.25, 0.25, 0.25])


def test_d4_cycles_of_cycles_are_cycles() -> None:
    nested: Schedule = stairs
    for _ in range(30):
        nested = nested.repeat(2)
    flat = stairs.repeat(2**30)
    far = [0, 1, 2, 3, 4, 2**32 - 1, 2**32, 2**40]
    assert (nested.on(Horizon())(far) == flat.on(Horizon())(far)).all()
    told = nested.on(Horizon()).phase(2**32 - 1)
    assert (told.name, told.start, told.stop, told.cycle) == (
        "constant",
        2**32 - 2,
        2**32,
        1,
    )  # the outermost
    facts = nested.on(Horizon()).facts()
    assert (facts.peak, facts.floor, facts.area) == (1.0, 0.5, pytest.approx(0.75 * 2**32, rel=1e-6))


def test_d5_more_pieces_than_a_compiler_can_hold_are_refused() -> None:
    plan: Schedule = Linear(over=10)
    for _ in range(14):
        plan = plan.repeat(2, stretch="3/2")
    with pytest.raises(
        ScheduleError, match=r"f cannot compile a schedule of more than 10,000 pieces of diff"
    ):
        formula(plan, RUN, 1.0, "f")
    assert formula(plan.until(100), RUN, 1.0, "f")(np.arange(100.0)) == pytest.approx(
        plan.on(RUN)(range(100)), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize(
    ("join", "most"),
    [
        (operator.rshift, 10_000),
        (lambda plan, piece: piece >> plan, 10_000),
        (operator.add, 1_000),
        (operator.mul, 1_000),
        (minimum, 1_000),
    ],
    ids=["then", "before", "sum", "product", "minimum"],
)
def test_d5_a_chain_is_one_node_however_it_was_built(join: Any, most: int) -> None:
    pieces = [Constant(0.1 + i / most, over=1) for i in range(most)]
    built: Any = pieces[0]
    for piece in pieces[1:]:
        built = join(built, piece)
    ordered = pieces[::-1] if built.parts[0] == pieces[-1] else pieces
    at_once = type(built).of(*ordered)
    assert built == at_once
    assert built.fingerprint == at_once.fingerprint
    assert built.parts == at_once.parts
    assert len(built.parts) == most
