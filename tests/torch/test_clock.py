from __future__ import annotations

import copy
import pickle
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import etude as et
from etude import BASE, Horizon, Schedule
from etude.errors import HorizonError, ScheduleError
from etude.timeline import ceil_float
from etude.torch.clock import Meter
from tests.strategies import HORIZON, durations, expression, schedules

SAMPLES, TOKENS = 4, 64
"""Of a nominal step on the strategies' horizon, which has 7 steps in an epoch and 210 in all."""

PER_STEP = {"samples": SAMPLES, "tokens": TOKENS, "updates": 1}

ONE_PART = "and both are in one part of the schedule, which can follow only one of them"


def walk(plan: Schedule, horizon: Horizon, updates: list[dict[str, Any]]) -> list[float]:
    """What each update uses, and what the one after the last would."""
    table, meter = plan.on(horizon), Meter(plan, horizon)
    used = [table(ceil_float(meter.position))]
    for amounts in updates:
        meter.advance(**amounts)
        used.append(table(ceil_float(meter.position)))
    return used


def positions(plan: Schedule, updates: list[dict[str, Any]]) -> list[Fraction]:
    meter = Meter(plan, HORIZON)
    return [meter.advance(**amounts) for amounts in updates]


# What a step counts.


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (et.Cosine(over=10), [1, 2, 3]),
        (et.Cosine(over="640tok"), ["1/2", 2, "7/2"]),
        (et.Cosine(over="40smp"), ["1/4", "3/4", "7/4"]),
        (et.Cosine(over="2ep"), ["1/4", "3/4", "7/4"]),
        (et.Cosine(over="50%"), ["1/4", "3/4", "7/4"]),
        (et.Cosine(over="1ep + 8smp"), ["1/4", "3/4", "7/4"]),
        (et.Exponential(0.9), [1, 2, 3]),
        (et.Exponential(0.9, per="64tok"), ["1/2", 2, "7/2"]),
        (et.Custom("tests.strategies:wobble"), [1, 2, 3]),
        (et.Constant(0.1), [1, 2, 3]),
        (et.Cosine(over="640tok").repeat(stretch=2), ["1/2", 2, "7/2"]),
        (et.Cosine(over="640tok") * et.warmup("128tok"), ["1/2", 2, "7/2"]),
        (et.wsd("6400tok", warmup="128tok", cooldown="640tok"), ["1/2", 2, "7/2"]),
    ],
    ids=lambda value: repr(value) if isinstance(value, Schedule) else None,
)
def test_a_schedule_advances_in_its_own_unit(plan: Schedule, expected: list[int | str]) -> None:
    updates = [{"samples": 1, "tokens": 32}, {"samples": 2, "tokens": 96}, {"samples": 4, "tokens": 96}]
    assert positions(plan, updates) == [Fraction(value) for value in expected]


def test_epochs_are_counted_in_updates_where_no_samples_are_told() -> None:
    assert positions(et.Cosine(over="2ep"), [{"tokens": 32}, {}, {"samples": 2}]) == [1, 2, Fraction(5, 2)]


def test_a_share_of_the_run_is_counted_as_the_run_is() -> None:
    horizon = Horizon(total="6400tok", tokens_per_step=64)
    assert Meter(et.one_cycle(), horizon).advance(tokens=16) == Fraction(1, 4)
    assert Meter(et.one_cycle(), Horizon(total=100, tokens_per_step=64)).advance(tokens=16) == 1


@pytest.mark.parametrize("amount", [3, 3.0, np.int64(3), np.float64(3.0), Fraction(3)])
def test_amounts_are_any_numbers_and_taken_as_written(amount: Any) -> None:
    assert positions(et.Cosine(over="40smp"), [{"samples": amount}]) == [Fraction(3, 4)]
    assert positions(et.Cosine(over="40smp"), [{"samples": 0.1}]) == [Fraction(1, 40)]


# Batches of the horizon's size.


@given(schedules, st.integers(1, 300))
def test_an_update_of_which_nothing_is_told_is_one_step_of_any_schedule(plan: Schedule, count: int) -> None:
    assert positions(plan, [{}] * count)[-1] == count


@settings(max_examples=150)
@given(schedules, st.integers(1, 300))
def test_with_nominal_batches_the_position_is_the_number_of_updates(plan: Schedule, count: int) -> None:
    meter = Meter(plan, HORIZON)
    try:
        meter.advance(SAMPLES, TOKENS)
    except ScheduleError as error:
        if ONE_PART not in str(error):  # the only thing that these schedules may be refused for
            raise
        count = 1
        meter.advance()
    for _ in range(count - 1):
        meter.advance(SAMPLES, TOKENS)
    assert (meter.position, meter.text) == (count, str(count))


# Batches of other sizes.


@pytest.mark.parametrize(("unit", "name"), [("tok", "tokens"), ("smp", "samples")])
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=60))
def test_a_decay_ends_at_the_update_at_which_its_length_has_been_seen(
    unit: str, name: str, sizes: list[int]
) -> None:
    horizon = Horizon(tokens_per_step=999, samples_per_step=999)
    used = walk(et.Linear(1.0, 0.0, over=f"30000{unit}"), horizon, [{name: size} for size in sizes])
    seen = [0, *accumulate(sizes)]
    assert [rate == 0 for rate in used] == [count >= 30_000 for count in seen]
    assert used == pytest.approx([max(0, 1 - count / 30_000) for count in seen])


def test_a_ramp_of_batch_sizes_ends_a_decay_over_a_million_tokens_where_it_should() -> None:
    ramp = [2_500 * (1 + k // 50) for k in range(200)]
    horizon = Horizon(tokens_per_step=4_000)
    used = walk(et.Cosine(1.0, 0.0, over="1e6tok"), horizon, [{"tokens": tokens} for tokens in ramp])
    end = list(accumulate(ramp)).index(1_000_000) + 1
    assert used[end - 1] > used[end] == 0
    assert end != horizon.steps("1e6tok")


def test_a_warmup_in_updates_goes_before_a_decay_in_tokens() -> None:
    plan = et.Linear(0.0, 1.0, over="10st") >> et.Linear(1.0, 0.0, over="1e5tok")
    used = walk(plan, Horizon(tokens_per_step=1e3), [{"tokens": 500}] * 10 + [{"tokens": 4_000}] * 30)
    assert used[:11] == pytest.approx([k / 10 for k in range(11)])
    assert used[11:] == pytest.approx([max(0, 1 - k * 0.04) for k in range(1, 31)])
    assert used.index(0.0, 1) == 10 + 25


def test_an_update_that_crosses_a_boundary_is_divided_there() -> None:
    by_tokens_then_steps = et.Linear(over="64tok") >> et.Linear(over="9st")
    # A third of the update is in the first part, and two thirds of an update are left.
    assert positions(by_tokens_then_steps, [{"tokens": 192}, {"tokens": 9}]) == [
        1 + Fraction(2, 3),
        2 + Fraction(2, 3),
    ]
    by_steps_then_samples = et.Linear(over="3/2st") >> et.Linear(over="90smp")
    assert positions(by_steps_then_samples, [{"samples": 8}] * 3) == [1, Fraction(5, 2), Fraction(9, 2)]
    through_a_whole_part = et.Linear(over="16tok") >> et.Linear(over="1/4st") >> et.Linear(over="9smp")
    # A quarter of its tokens, a quarter of the update, and what is left of its samples.
    assert positions(through_a_whole_part, [{"tokens": 64, "samples": 12}]) == [
        Fraction(1, 2) + Fraction(3, 2)
    ]


def ledger(parts: list[tuple[str, Fraction]], updates: list[dict[str, Any]]) -> list[int]:
    """The part in which each update begins, by paying off what each part counts, in its own unit."""
    index, paid, begun = 0, Fraction(0), [0]
    for amounts in updates:
        left = Fraction(1)
        while left:
            counted, due = parts[index]
            whole = Fraction(amounts[counted]) if counted != "updates" else Fraction(1)
            share = min(left, (due - paid) / whole) if index + 1 < len(parts) else left
            paid, left = paid + share * whole, left - share
            if index + 1 < len(parts) and paid == due:
                index, paid = index + 1, Fraction(0)
        begun.append(index)
    return begun


single = durations.filter(lambda text: "+" not in str(text) and " - " not in str(text))
amounts = st.fixed_dictionaries({"samples": st.integers(1, 40), "tokens": st.integers(1, 900)})


@given(st.lists(single, min_size=1, max_size=5), st.lists(amounts, min_size=1, max_size=40))
def test_parts_of_different_units_end_where_the_table_ends_them(
    lengths: list[Any], updates: list[dict[str, Any]]
) -> None:
    steps = [et.Constant(float(i), over=length) for i, length in enumerate(lengths)]
    plan = steps[0]
    for step in steps[1:]:
        plan = plan >> step
    units = {"tok": "tokens", "smp": "samples", "ep": "samples", "%": "samples", "st": "updates"}
    parts = []
    for length in lengths:
        counted = next((units[unit] for unit in units if str(length).endswith(unit)), "updates")
        parts.append((counted, HORIZON.steps(length) * PER_STEP[counted]))
    assert walk(plan, HORIZON, updates) == ledger(parts, updates)


@given(
    st.lists(single, min_size=1, max_size=4).map(
        lambda lengths: [et.Linear(over=length) for length in lengths]
    ),
    amounts,
    st.integers(2, 9),
)
def test_a_larger_update_goes_farther(steps: list[Schedule], update: dict[str, Any], times: int) -> None:
    plan = steps[0]
    for step in steps[1:]:
        plan = plan >> step
    small = positions(plan, [update] * 9)
    large = positions(plan, [{name: times * amount for name, amount in update.items()}] * 9)
    assert small == sorted(set(small))
    assert all(less <= more for less, more in zip(small, large, strict=True))


def test_a_reached_boundary_that_is_no_float_has_been_reached() -> None:
    plan, horizon = et.Constant(1.0, over="1tok") >> et.Constant(0.5), Horizon(tokens_per_step=3)
    meter = Meter(plan, horizon)
    assert meter.advance(tokens=1) == Fraction(1, 3)
    assert plan.on(horizon)(ceil_float(meter.position)) == 0.5


# One part, and what stands beside it.

MIXED = et.Linear(0.0, 1.0, over=2) >> et.Linear(1.0, 0.0, over="640tok")


@pytest.mark.parametrize(
    "plan",
    [MIXED * 0.1, MIXED * et.Plateau("loss"), MIXED.clip(0.1, 0.9), 0.5 * MIXED + 0.1],
    ids=expression,
)
def test_a_number_or_a_plateau_beside_a_schedule_changes_nothing(plan: Schedule) -> None:
    updates = [{"tokens": tokens} for tokens in (1, 200, 32, 640, 7)]
    assert positions(plan, updates) == positions(MIXED, updates)


@pytest.mark.parametrize(
    "plan",
    [
        et.one_cycle(over="640tok"),
        et.wsd("640tok", warmup="64tok", cooldown="64tok"),
        et.Cosine(over="640tok - 1st"),
        et.Linear(over="640tok - 2st"),  # what is taken away counts nothing
        et.Linear(over="640tok - 1ep"),
        et.Constant(1.0) * et.warmup("64tok"),
    ],
    ids=expression,
)
def test_an_offset_of_one_step_is_one_of_the_axis(plan: Schedule) -> None:
    assert positions(plan, [{"tokens": 16}, {"tokens": 128}]) == [Fraction(1, 4), Fraction(9, 4)]


MANY_UNITS = et.Linear(over="128tok") >> et.Linear(over="3st") >> et.Cosine(over="8smp")


@pytest.mark.parametrize(
    ("by", "steps"),
    [  # of an update with a quarter of the tokens and half of the samples: 1/4, 1 or 1/2 of a step
        (0, {0: "1/4", "7/4": 2, 2: 3, 4: 5, 5: "11/2", 9: "19/2"}),
        (1, {0: "1/4", "11/4": 3, 3: 4, 5: 6, 6: "13/2"}),
        ("3/2", {0: "1/4", "13/4": "7/2", "7/2": "9/2", "13/2": 7}),
        (-1, {0: "1/4", "3/4": 1, 1: 2, 4: "9/2"}),
        (-2, {0: 1, 2: 3, 3: "7/2"}),
        (-4, {0: 1, 1: "3/2"}),
        ("-13/2", {0: "1/2", 3: "7/2"}),
        (-9, {0: "1/2"}),
    ],
)
def test_parts_that_are_shifted_count_as_they_did(by: Any, steps: dict[int | str, int | str]) -> None:
    meter = Meter(MANY_UNITS.shift(by), HORIZON)
    for before, after in steps.items():
        meter.seek(Fraction(before))
        assert meter.advance(samples=2, tokens=16) == Fraction(after)


def test_a_cooldown_counts_its_own_length() -> None:
    trunk = et.Constant(1.0)
    plan = trunk.cooldown("5st", over="640tok")
    assert positions(plan, [{"tokens": 640}] * 6) == [1, 2, 3, 4, 5, 15]


def test_a_cooldown_on_demand_leaves_behind_how_its_trunk_was_counted() -> None:
    plan = et.Linear(0.0, 1.0, over="640smp").cooldown("5/2st", over="128tok")
    meter = Meter(plan, HORIZON)
    with pytest.raises(ScheduleError, match=r"Linear\(over='640smp'\) counts samples, but"):
        meter.advance(tokens=64)
    meter.seek("2.5")
    assert meter.advance(tokens=64) == Fraction(7, 2)


def test_parts_without_length_vanish() -> None:
    plan = et.Linear(over=0) >> et.Linear(over="0tok") >> et.Linear(over="40smp")
    assert positions(plan, [{"samples": 20}, {"samples": 24}]) == [5, 11]


def test_past_the_end_the_last_part_goes_on_counting() -> None:
    in_samples = et.Linear(over=1) >> et.Linear(over="4smp")
    assert positions(in_samples, [{"samples": 8}] * 4) == [1, 3, 5, 7]
    assert positions(in_samples >> et.Constant(0.1), [{"samples": 8}] * 4) == [
        1,
        Fraction(5, 2),
        Fraction(7, 2),
        Fraction(9, 2),
    ]


# What is refused.


@pytest.mark.parametrize(
    ("plan", "given_amounts", "message"),
    [
        (
            et.Cosine(over="640tok") * et.warmup(10, start=0.1),
            {"tokens": 64},
            r"Cosine\(over='640tok'\) counts tokens and warmup\(over=10\) counts updates, "
            + ONE_PART
            + "; write them in the same unit, or as parts of their own: a >> b",
        ),
        (
            et.Cosine(over="2ep") * et.warmup(10, start=0.1),
            {"samples": 4},
            r"Cosine\(over='2ep'\) counts samples and warmup\(over=10\) counts updates, ",
        ),
        (
            (et.Linear(over=2) >> et.Linear(over="8smp")).repeat(),
            {"samples": 4},
            r"Linear\(over=2\) counts updates and Linear\(over='8smp'\) counts samples, ",
        ),
        (
            et.Linear(over="640tok + 2st"),
            {"tokens": 64},
            r"Linear\(over='2st \+ 640tok'\) counts updates and "
            r"Linear\(over='2st \+ 640tok'\) counts tokens, ",
        ),
        (
            et.Cosine(over="640tok") * et.RAdamWarmup(0.9),
            {"tokens": 64},
            r"Cosine\(over='640tok'\) counts tokens and RAdamWarmup\(0.9\) counts updates, ",
        ),
        (
            et.Points([("1smp", 1.0), ("64tok", 0.0)]),
            {"samples": 4, "tokens": 64},
            r"Points\(points='1smp'\) counts samples and Points\(points='64tok'\) counts tokens, ",
        ),
        (
            et.Cosine(over="640tok"),
            {"samples": 4},
            r"Cosine\(over='640tok'\) counts tokens, but step\(\) was given only samples; "
            r"write step\(samples=..., tokens=...\)",
        ),
        (
            et.Linear(over=100) >> et.Cosine(over="640smp"),
            {"tokens": 4},
            r"Cosine\(over='640smp'\) counts samples, but step\(\) was given only tokens; ",
        ),
        *(
            (et.Cosine(over=10), {name: amount}, rf"step\({name}=\) must be {bound}; got {shown}")
            for name in ("samples", "tokens")
            for amount, bound, shown in [
                (-1, "more than 0", "-1"),
                (0, "more than 0", "0"),
                (True, "a number", "True"),
                ("64", "a number", "'64'"),
                (torch.tensor(64), "a number", r"tensor\(64\)"),
                (float("nan"), "finite", "nan"),
                (float("inf"), "finite", "inf"),
            ]
        ),
    ],
)
def test_what_cannot_be_counted_is_refused_at_once_and_nothing_moves(
    plan: Schedule, given_amounts: dict[str, Any], message: str
) -> None:
    meter = Meter(plan, HORIZON)
    meter.advance()
    with pytest.raises(ScheduleError, match=message):
        meter.advance(**given_amounts)
    assert meter.position == 1


def test_epochs_in_samples_need_the_size_of_a_step() -> None:
    meter = Meter(et.Cosine(over="2ep"), Horizon(steps_per_epoch=7))
    with pytest.raises(
        HorizonError,
        match=r"Cosine\(over='2ep'\) counts samples where step\(samples=\) is given, but the horizon has no "
        r"samples_per_step; write Horizon\(samples_per_step=..., ...\), or leave out samples=",
    ):
        meter.advance(samples=4)
    assert meter.advance() == 1


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (-1, "the position must be at least 0; got -1"),
        (float("nan"), "the position must be finite; got nan"),
        (True, "the position must be a number; got True"),
        ("-1", "the position must be a number, or text such as '3/2'; got '-1'"),
        ("1/0", "the position divides by 0; got '1/0'"),
    ],
)
def test_a_position_that_is_none_is_refused(position: Any, message: str) -> None:
    meter = Meter(MIXED, HORIZON)
    meter.advance()
    with pytest.raises(ScheduleError, match=message):
        meter.seek(position)
    assert meter.position == 1


# Going on.


@given(st.lists(amounts, min_size=1, max_size=30), st.lists(amounts, max_size=5))
def test_the_text_of_a_position_goes_on_exactly(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    plan = et.Linear(over="1000tok") >> et.Linear(over="100smp") >> et.Linear(over=10) >> et.Exponential(0.9)
    meter = Meter(plan, HORIZON)
    for update in before:
        meter.advance(**update)
    resumed, copied = Meter(plan, HORIZON), pickle.loads(pickle.dumps(copy.deepcopy(meter)))
    resumed.seek(meter.text)
    for update in after:
        assert meter.advance(**update) == resumed.advance(**update) == copied.advance(**update)
    assert meter.position == resumed.position == copied.position


def test_the_position_after_many_updates_is_exact_and_its_text_short() -> None:
    meter = Meter(et.Cosine(over="1e9tok"), Horizon(tokens_per_step=4096))
    sizes = [3_001 + k % 1_000 for k in range(2_000)]
    for size in sizes:
        meter.advance(tokens=size)
    assert meter.position == Fraction(sum(sizes), 4096)
    assert meter.text == "1709.228515625"


def test_relative_levels_follow_the_same_place() -> None:
    plan = et.Linear(0.1 * BASE, BASE, over="128tok")
    meter = Meter(plan, HORIZON)
    meter.advance(tokens=96)
    assert plan.on(HORIZON)(ceil_float(meter.position), base=2.0) == pytest.approx(2.0 * (0.1 + 0.9 * 0.75))
