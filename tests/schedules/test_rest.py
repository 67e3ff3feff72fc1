"""The rest of the run as a length: what it is where a piece begins, and what can be made of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etude import (
    BASE,
    CATALOGUE,
    Constant,
    Cosine,
    Exponential,
    Factor,
    Horizon,
    Hyperbolic,
    Linear,
    Noise,
    Points,
    Rate,
    Schedule,
    Steps,
    cosine,
    exponential,
    from_json,
    infinite,
    inverse_sqrt,
    linear,
    maximum,
    minimum,
    multistep,
    one_cycle,
    one_cycle_momentum,
    parse,
    piecewise_constant,
    polynomial,
    power_scheduler,
    slanted_triangular,
    step,
    time_decay,
    warmup,
    wsd,
    yolo,
)
from etude.durations import REST, Duration, to_duration
from etude.errors import HorizonError, ScheduleError, SpecError
from etude.jax import to_optax
from etude.schedules.algebra import Product, Sum
from etude.schedules.rebuilt import in_steps, settled
from etude.spec import from_yaml, to_yaml
from etude.timeline import Clock
from tests.strategies import HORIZON, STEPS, expression, fits, schedules, units_of

RUN = Horizon(steps_per_epoch=10, total="10ep", samples_per_step=4, tokens_per_step=64)
EVERY = np.arange(STEPS + 20)
START = Clock(HORIZON)
resting = schedules.filter(lambda plan: "rest" in units_of(plan))


def same(left: Schedule, right: Schedule, horizon: Horizon = HORIZON) -> bool:
    """Whether two schedules have the same values to the last bit."""
    steps = np.arange(int(horizon.total_steps or 0) + 20)
    return bool((left.on(horizon)(steps) == right.on(horizon)(steps)).all())


def same_but_for_the_order(left: Schedule, right: Schedule) -> bool:
    """Whether two schedules have the same values, where their parts may be joined in another order.

    They are kept in the order of their texts, and of three a product or a sum is rounded by its order.
    """
    many = any(isinstance(part, Product | Sum) and len(part.parts) > 2 for part in left.walk())
    if not many:
        return same(left, right)
    return bool(left.on(HORIZON)(EVERY) == pytest.approx(right.on(HORIZON)(EVERY), rel=1e-12))


# The unit.


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("rest", "rest"),
        ("REST", "rest"),
        ("1rest", "rest"),
        ("0.5rest", "0.5rest"),
        ("0.5 rest", "0.5rest"),
        ("1/3rest", "1/3rest"),
        ("2rest", "2rest"),
        ("rest - 10ep", "rest - 10ep"),
        ("-10ep + rest", "rest - 10ep"),
        ("rest + rest", "2rest"),
        ("rest - rest", "0st"),
        ("10ep + rest", "10ep + rest"),
        ("rest - 10ep - 5st - 1%", "rest - 10ep - 5st - 1%"),
        ("2e9tok - 0.1rest", "2000000000tok - 0.1rest"),
        ("-rest", "-rest"),
    ],
)
def test_how_it_is_read_and_written(text: str, written: str) -> None:
    duration = to_duration(text)
    assert str(duration) == written
    assert to_duration(str(duration)) == duration
    assert hash(to_duration(written)) == hash(duration)


@pytest.mark.parametrize("text", ["res", "rests", "rest 5", "5rest5", "rest -", "rest * 2", "5ep rest"])
def test_what_is_nearly_it_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"must be a duration|has the unknown unit"):
        to_duration(text)


amounts = st.dictionaries(
    st.sampled_from(["ep", "st", "%", "tok", "smp", "rest"]),
    st.fractions(-3, 3, max_denominator=60).filter(bool),
    max_size=4,
)
any_duration = st.builds(Duration.of, amounts)
clocks = st.builds(
    lambda origin, scale: Clock(HORIZON, origin, scale),
    st.fractions(0, 230, max_denominator=7),
    st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 3)]),
)


@given(any_duration)
def test_any_sum_reads_back(duration: Duration) -> None:
    assert to_duration(str(duration)) == duration


@given(any_duration, clocks)
def test_the_rest_is_what_is_left(duration: Duration, clock: Clock) -> None:
    left = max(210 - clock.origin, Fraction(0)) / clock.scale
    assert clock.left == left
    others = duration - REST * duration.rests
    expected = clock.signed_steps(others, "others") + duration.rests * left
    assert clock.signed_steps(duration, "it") == expected
    assert clock.signed_steps(duration.with_rest(to_duration("5ep")), "it") == (
        clock.signed_steps(others, "others") + duration.rests * 35
    )


@given(any_duration, any_duration, clocks)
def test_what_is_left_of_a_length_and_in_its_units(whole: Duration, first: Duration, clock: Clock) -> None:
    """``less`` is the difference and ``after`` the same length, both counted where ``first`` has passed."""
    passed = clock.signed_steps(first, "first")
    there = clock.started(passed)
    if first.rests == 1 and (whole.rests or (whole - first).rests):
        return
    # Of a run that is over nothing is left.
    assume(clock.at(passed) <= STEPS >= clock.origin)
    assert there.signed_steps(whole.after(first), "after") == clock.signed_steps(whole, "whole")
    assert there.signed_steps(whole.less(first), "less") == clock.signed_steps(whole, "whole") - passed


@pytest.mark.parametrize(
    ("whole", "first", "less", "after"),
    [
        ("90ep", "5ep", "85ep", "90ep"),
        ("rest", "5ep", "rest", "5ep + rest"),
        ("rest - 10ep", "5ep", "rest - 10ep", "rest - 5ep"),
        ("rest", "0.25rest", "rest", "4/3rest"),
        ("0.5rest", "0.25rest", "1/3rest", "2/3rest"),
        ("0.5rest", "5ep", "0.5rest - 2.5ep", "2.5ep + 0.5rest"),
        ("rest", "0.25rest - 1st", "rest", "4/3rest - 4/3st"),
        ("100%", "0.1rest", "100% - 1/9rest", "100%"),
        ("2rest", "0.5rest", "3rest", "4rest"),
    ],
)
def test_less_and_after(whole: str, first: str, less: str, after: str) -> None:
    assert str(to_duration(whole).less(to_duration(first))) == less
    assert str(to_duration(whole).after(to_duration(first))) == after


def test_nothing_is_left_after_the_rest() -> None:
    with pytest.raises(ScheduleError, match=r"nothing is left of the run when 'rest - 5ep' has passed"):
        to_duration("0.5rest").after(to_duration("rest - 5ep"))


@pytest.mark.parametrize(
    ("text", "fills"),
    [
        ("rest", True),
        ("2rest", True),
        ("rest + 10ep", True),
        ("rest - 10ep", False),
        ("0.5rest", False),
        ("0.999rest", False),
        ("0.5rest + 10ep", False),
        ("2rest - 1st", False),
        ("100%", False),
        ("10ep", False),
    ],
)
def test_what_fills_the_run(text: str, fills: bool) -> None:
    assert to_duration(text).fills_the_run is fills
    assert Cosine(over=text).fills_the_run is fills


# Where a piece begins.

up = Linear(0.0, 1.0)  # its value is the share of what was left that is gone


@pytest.mark.parametrize(
    ("plan", "values"),
    [
        # Step → value.
        (up, {0: 0.0, 25: 0.25, 50: 0.5, 99: 0.99, 100: 1.0, 1000: 1.0}),
        (Constant(0.5, over="2ep") >> up, {19: 0.5, 20: 0.0, 60: 0.5, 99: 79 / 80, 100: 1.0}),
        (Constant(0.5, over=20) >> up, {20: 0.0, 60: 0.5, 100: 1.0}),
        (Constant(0.5, over="1280tok") >> up, {20: 0.0, 60: 0.5, 100: 1.0}),
        (Constant(0.5, over="80smp") >> up, {20: 0.0, 60: 0.5, 100: 1.0}),
        (Constant(0.5, over="20%") >> up, {20: 0.0, 60: 0.5, 100: 1.0}),
        (Constant(0.5, over="25/2st") >> up, {12: 0.5, 13: 0.5 / 87.5, 100: 1.0}),
        (Constant(0.5, over="0.2rest") >> up, {19: 0.5, 20: 0.0, 60: 0.5, 100: 1.0}),
        (Constant(0.5, over="0.2rest") >> Constant(0.7, over="0.5rest") >> up, {59: 0.7, 60: 0.0, 80: 0.5}),
        (warmup(20) * up, {0: 0.0, 50: 0.5, 100: 1.0}),
        # At the same time: where the whole begins.
        (Constant(0.5, over=20) >> up * Linear(1.0, 0.0, over=40), {20: 0.0, 40: 0.125, 60: 0.0}),
        (Constant(0.5, over=20) >> up * Linear(1.0, 0.0), {20: 0.0, 60: 0.25, 100: 0.0}),
        (Constant(0.5, over=20) >> up + Constant(1.0), {20: 1.0, 60: 1.5, 100: 2.0}),
        (Constant(0.5, over=20) >> minimum(up, 0.25), {20: 0.0, 30: 0.125, 60: 0.25}),
        (Constant(0.5, over=20) >> maximum(up, 0.25), {20: 0.25, 60: 0.5, 100: 1.0}),
        ((Constant(0.5, over=20) >> up) * (Constant(1.0, over=40) >> up), {20: 0.0, 60: 0.5 / 3, 100: 1.0}),
        # Later, and earlier: from where it then begins.
        (up.shift(20), {0: 0.0, 20: 0.0, 60: 0.5, 100: 1.0}),
        (up.shift("0.2rest"), {20: 0.0, 60: 0.5, 100: 1.0}),
        (up.shift(-20), {0: 20 / 120, 40: 0.5, 100: 1.0}),
        (up.shift(-20).shift(20), {0: 0.2, 20: 0.2, 50: 0.5, 100: 1.0}),
        (up.shift(20).shift(-20), {0: 0.0, 50: 0.5, 100: 1.0}),
        (up.shift(10).shift(10), {20: 0.0, 60: 0.5, 100: 1.0}),
        (Constant(0.5, over=20) >> up.shift(40), {20: 0.0, 60: 0.0, 80: 0.5, 100: 1.0}),
        ((Constant(0.5, over=20) >> up).shift(40), {0: 0.5, 59: 0.5, 60: 0.0, 80: 0.5, 100: 1.0}),
        # Slower and faster: it still ends with the run.
        (up.stretch(2), {0: 0.0, 50: 0.5, 100: 1.0}),
        (up.stretch("1/2"), {50: 0.5, 100: 1.0}),
        ((Constant(0.5, over=20) >> up).stretch(2), {39: 0.5, 40: 0.0, 70: 0.5, 100: 1.0}),
        (Constant(0.5, over=20) >> (Constant(0.7, over=20) >> up).stretch(2), {59: 0.7, 60: 0.0, 80: 0.5}),
        (Linear(0.0, 1.0, over="rest - 10st").stretch(2), {40: 0.5, 80: 1.0, 100: 1.0}),
        (up.stretch(2).shift(20), {20: 0.0, 60: 0.5, 100: 1.0}),
        (up.shift(20).stretch(2), {39: 0.0, 40: 0.0, 70: 0.5, 100: 1.0}),
        # Left early: as it was until then.
        (up.until(40), {20: 0.2, 40: 0.4, 99: 0.4}),
        (up.until(40) >> up, {39: 0.39, 40: 0.0, 70: 0.5, 100: 1.0}),
        (up.until("0.4rest") >> 0.1, {39: 0.39, 40: 0.1}),
        (Constant(0.5, over=20) >> up.until("0.5rest"), {59: 39 / 80, 60: 0.5, 99: 0.5}),
        (up.cooldown(50), {49: 0.49, 50: 0.5, 75: 0.25, 100: 0.0}),
        (up.cooldown("0.5rest"), {50: 0.5, 75: 0.25, 100: 0.0}),
        (up.cooldown(50, over="0.5rest"), {50: 0.5, 75: 0.0, 100: 0.0}),
        (Constant(0.5, over=20) >> up.cooldown(40), {20: 0.0, 59: 39 / 80, 60: 0.5, 80: 0.25, 100: 0.0}),
        (Constant(1.0).cooldown("75%").shift(20), {94: 1.0, 95: 1.0, 100: 0.0}),
        (Constant(1.0).cooldown(20).stretch(2), {40: 1.0, 70: 0.5, 100: 0.0}),
        # Sums and multiples.
        (Linear(0.0, 1.0, over="rest - 2ep"), {40: 0.5, 80: 1.0, 100: 1.0}),
        (Linear(0.0, 1.0, over="rest + 60st"), {80: 0.5, 160: 1.0}),
        (Linear(0.0, 1.0, over="2rest"), {100: 0.5, 200: 1.0}),
        (Linear(0.0, 1.0, over="2rest - 100st"), {50: 0.5, 100: 1.0}),
        (Linear(0.0, 1.0, over="rest - 60%"), {20: 0.5, 40: 1.0}),
        (Linear(0.0, 1.0, over="rest - 1280tok"), {40: 0.5, 80: 1.0}),
        (Linear(0.0, 1.0, over="rest - 80smp"), {40: 0.5, 80: 1.0}),
        (Linear(0.0, 1.0, over="rest - 2ep") >> 0.3, {40: 0.5, 79: 79 / 80, 80: 0.3}),
        (Linear(0.0, 1.0, over="1/3rest") >> 0.3, {33: 0.99, 34: 0.3}),
        # Without a length.
        (Constant(0.5, over="10ep") >> Linear(0.7, 0.2), {99: 0.5, 100: 0.2, 500: 0.2}),
        (Constant(0.5, over=20) >> Linear(0.7, 0.2, over="rest - 80st") >> 0.1, {19: 0.5, 20: 0.1}),
        (Constant(0.5).until("rest - 10ep") >> up, {0: 0.0, 50: 0.5}),
        # Of a run that is over nothing is left.
        (Constant(0.5, over=120) >> Linear(0.7, 0.2), {0: 0.5, 119: 0.5, 120: 0.2, 500: 0.2}),
        (
            Constant(0.5, over=120) >> Linear(0.7, 0.2, over="rest + 10st"),
            {119: 0.5, 120: 0.7, 125: 0.45, 130: 0.2},
        ),
        (Linear(0.7, 0.2).shift(120), {0: 0.2, 120: 0.2, 500: 0.2}),
        (Constant(0.5).cooldown("12ep", stop=0.1), {119: 0.5, 120: 0.1}),
        (Constant(0.5).cooldown("12ep", over="0.5rest + 10st", stop=0.1), {119: 0.5, 125: 0.3, 130: 0.1}),
        # What is last and without a length is the value that the run ends with.
        (Linear(0.7, 0.2) >> Constant(0.1, over=0), {0: 0.7, 50: 0.45, 99: 0.205, 100: 0.1}),
        (Linear(0.7, 0.2).until("rest") >> Constant(0.1, over=0), {50: 0.45, 100: 0.1}),
        # In lists of times, and as a unit of time.
        (Points([(0, 0.0), ("0.5rest", 1.0), ("rest", 0.0)]), {25: 0.5, 50: 1.0, 75: 0.5, 100: 0.0}),
        (
            Constant(0.5, over=20) >> Points([(0, 0.0), ("0.5rest", 1.0), ("rest", 0.0)]),
            {20: 0.0, 40: 0.5, 60: 1.0, 80: 0.5, 100: 0.0},
        ),
        (Steps(at=["0.5rest", "rest - 10st"], gamma=0.5), {49: 1.0, 50: 0.5, 89: 0.5, 90: 0.25}),
        (Constant(0.5, over=20) >> Steps("0.25rest", 0.5), {20: 1.0, 39: 1.0, 40: 0.5, 60: 0.25, 80: 0.125}),
        (Constant(0.5, over=20) >> Exponential(0.5, per="0.5rest"), {20: 1.0, 60: 0.5, 100: 0.25}),
        (
            piecewise_constant(["0.5rest", "rest - 10st"], rates=[1.0, 0.5, 0.25]),
            {49: 1.0, 50: 0.5, 90: 0.25},
        ),
        (Constant(0.5, over=20) >> Constant(1.0, over="0.5rest") >> 0.1, {20: 1.0, 59: 1.0, 60: 0.1}),
    ],
    ids=expression,
)
def test_values(plan: Schedule, values: dict[int, float]) -> None:
    table = plan.on(RUN)
    assert table([*values]).tolist() == pytest.approx([*values.values()], rel=1e-12, abs=1e-15)


@given(st.integers(1, 500), st.data())
def test_a_piece_that_follows_is_that_of_a_run_of_what_is_left(total: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, total - 1))
    plan = data.draw(st.sampled_from([cosine(), cosine(warmup=0.1), wsd(warmup=0.2, cooldown=0.3), linear()]))
    whole = (Constant(0.5, over=before) >> plan).on(Horizon(total=total))(range(before, total + 5))
    alone = plan.on(Horizon(total=total - before))(range(total - before + 5))
    assert whole == pytest.approx(alone, rel=1e-12, abs=1e-15)


# Laws.


@given(resting)
def test_seeking_is_walking(plan: Rate) -> None:
    table = plan.on(HORIZON)
    walk = table(EVERY)
    assert [plan.on(HORIZON)(k) for k in EVERY[::23].tolist()] == walk[::23].tolist()
    assert (table(EVERY[::-1]) == walk[::-1]).all()


@given(resting)
def test_all_its_texts_read_back(plan: Rate) -> None:
    for twin in (
        parse(repr(plan)),
        from_json(plan.to_json(), custom="import"),
        from_yaml(to_yaml(plan), custom="import"),
    ):
        assert twin == plan
        assert twin.fingerprint == plan.fingerprint
        assert repr(twin) == repr(plan)
    assert same(twin, plan)


@given(resting, st.sampled_from([2, 3, "1/2", "1/3"]), st.integers(0, 70))
def test_a_stretched_one_is_that_of_a_shorter_run(plan: Rate, factor: Any, k: int) -> None:
    assume("%" not in units_of(plan))
    exact = Fraction(factor)
    shorter = Horizon(7, STEPS / exact, samples_per_step=4, tokens_per_step=64)
    slower = plan.stretch(factor)
    assume(fits(slower))
    slow, quick = (int(k * exact), k) if exact > 1 else (k, int(k / exact))
    expected = plan.on(shorter)(quick)
    assert slower.on(HORIZON)(slow) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    own, length = plan.length(Clock(shorter)), slower.length(START)
    assert length == (None if own is None else own * exact)


@given(resting, st.integers(0, STEPS))
def test_until_changes_nothing_before(plan: Rate, at: int) -> None:
    assert (plan.until(at).on(HORIZON)(range(at)) == plan.on(HORIZON)(range(at))).all()


@given(resting, st.integers(0, STEPS))
def test_a_cooldown_leaves_its_trunk_and_counts_from_there(plan: Rate, at: int) -> None:
    cooled = plan.cooldown(at, stop=0.5)
    before = range(at + (at < STEPS))
    assert (cooled.on(HORIZON)(before) == plan.on(HORIZON)(before)).all()
    assert same(cooled, plan.cooldown(at, over=STEPS - at, stop=0.5))
    assert same(plan.cooldown(at, over="0.5rest"), plan.cooldown(at, over=Fraction(STEPS - at, 2)))


@given(resting)
def test_in_steps_it_is_the_same(plan: Rate) -> None:
    counted = in_steps(plan, HORIZON)
    assert units_of(counted) <= {"st"}
    assert same_but_for_the_order(counted, plan)
    assert counted.length(START) == plan.length(START)


@given(resting)
def test_settled_it_is_the_same(plan: Rate) -> None:
    known = settled(plan, START)
    assert "rest" not in units_of(known)
    assert units_of(known) <= units_of(plan) | {"ep"}
    assert same_but_for_the_order(known, plan)


@given(schedules)
def test_what_counts_no_rest_is_settled(plan: Rate) -> None:
    assume("rest" not in units_of(plan))
    assert settled(plan, START) == plan


def test_of_a_run_of_unknown_length_it_stays_the_rest() -> None:
    plan = Cosine(over="rest - 5ep") * Linear(0.0, 1.0, over="5ep")
    assert settled(plan, Clock(Horizon(10))) == plan


def test_settled_it_is_in_the_unit_of_the_run() -> None:
    plan = Constant(0.5, over="10%") >> Cosine(over="rest - 5st")
    assert (
        repr(settled(plan, Clock(RUN))) == "Constant(0.5, over='10%') >> Cosine(BASE, 0.0, over='9ep - 5st')"
    )
    steps = settled(plan, Clock(Horizon(total=100)))
    assert repr(steps) == "Constant(0.5, over='10%') >> Cosine(BASE, 0.0, over=85)"
    assert repr(in_steps(plan, RUN)) == "Constant(0.5, over=10) >> Cosine(BASE, 0.0, over=85)"
    inside = (Constant(0.5, over=5) >> Cosine()).stretch(2).shift(10)
    assert repr(in_steps(inside, RUN)).startswith("(Constant(0.5, over=5) >> Cosine(BASE, 0.0, over=40))")


# Shares of it are exact.

SHARED: dict[str, Callable[..., Schedule]] = {
    "cosine": lambda over, w, c: cosine(over, warmup=w, floor=0.1),
    "linear": lambda over, w, c: linear(over, warmup=w),
    "polynomial": lambda over, w, c: polynomial(over, warmup=w, power=2.5),
    "wsd": lambda over, w, c: wsd(over, warmup=w, cooldown=c),
    "wsd, with a power": lambda over, w, c: wsd(over, warmup=w, cooldown=c, power=2.0),
    "slanted_triangular": lambda over, w, c: slanted_triangular(over, up=w),
    "one_cycle": lambda over, w, c: one_cycle(over, up=c),
    "one_cycle, three phases": lambda over, w, c: one_cycle(over, up=c, three_phase=True),
    "one_cycle_momentum": lambda over, w, c: one_cycle_momentum(over, up=c),
    "yolo": lambda over, w, c: yolo(over, warmup=5),
}


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("total", [10, 37, 100, 210, 1_000, 12_345])
@pytest.mark.parametrize("before", [0, 3])
def test_a_share_of_the_rest_is_that_length(name: str, total: int, before: int) -> None:
    whole = total - before
    recipe = SHARED[name]
    horizon = Horizon(total=total)
    first = Constant(0.5, over=before)
    resting = recipe("rest", 0.1, 0.3)
    lengths = recipe(whole, f"{Fraction(whole, 10)}st", f"{Fraction(3 * whole, 10)}st")
    assert "rest" in units_of(resting)
    assert same(first >> resting, first >> recipe(whole, 0.1, 0.3), horizon)  # type: ignore[operator]
    assert same(first >> resting, first >> lengths, horizon)  # type: ignore[operator]


@given(st.integers(10, 2_000), st.sampled_from([0.1, 0.05, 1 / 3, 0.3, 0.007]))
def test_a_cosine_whose_warmup_is_a_share_of_the_run(total: int, share: float) -> None:
    horizon = Horizon(total=total)
    explicit = to_duration(total) * share
    way = Linear(0.0, BASE, over=explicit + 1).shift(-1)
    by_hand = way >> Cosine(over=to_duration(total) - explicit)
    assert same(cosine(warmup=share), by_hand, horizon)
    assert same(cosine("100%", warmup=share), by_hand, horizon)


@given(st.integers(1, 300), st.integers(0, 40), st.integers(1, 7))
def test_equal_cycles_of_the_rest_are_those_of_its_length(falling: int, start: int, cycles: int) -> None:
    horizon = Horizon(total=falling + start)
    parts = cosine(cycles=cycles, warmup=start, floor=0.1).on(horizon)(range(falling + start + 5))
    repeated = cosine("100%", cycles=cycles, warmup=start, floor=0.1).on(horizon)(range(falling + start + 5))
    assert parts == pytest.approx(repeated, rel=1e-9)


WARMED: dict[str, Callable[[Any], Schedule]] = {
    "cosine": lambda w: cosine(warmup=w),
    "cosine, shorter": lambda w: cosine("0.5rest", warmup=w),
    "cosine, in cycles": lambda w: cosine(warmup=w, cycles=3),
    "linear": lambda w: linear(warmup=w),
    "polynomial": lambda w: polynomial("90%", warmup=w),
    "wsd": lambda w: wsd(warmup=w),
    "step": lambda w: step(40, 0.5, warmup=w),
    "step, with a floor": lambda w: step(40, 0.5, warmup=w, floor=0.1),
    "multistep": lambda w: multistep([40, 60], 0.5, warmup=w),
    "infinite": lambda w: infinite(40, warmup=w),
    "exponential": lambda w: exponential(0.9, warmup=w),
    "time_decay": lambda w: time_decay(0.1, warmup=w),
    "inverse_sqrt": lambda w: inverse_sqrt(40, warmup=w),
    "inverse_sqrt, as long as its timescale": inverse_sqrt,
    "power_scheduler": lambda w: power_scheduler(peak=0.5, a=10.0, b=0.5, warmup=w, unit="st"),
    "slanted_triangular": lambda w: slanted_triangular(up=w),
    "one_cycle": lambda w: one_cycle(up=w),
    "one_cycle, three phases": lambda w: one_cycle(up=w, three_phase=True),
    "warmup": warmup,
}


@pytest.mark.parametrize("name", WARMED)
@pytest.mark.parametrize("total", [100, 1_000])
@pytest.mark.parametrize("length", ["0.1rest", "0.25rest + 5st"])
def test_a_warmup_that_counts_the_rest_is_that_length(name: str, length: str, total: int) -> None:
    horizon = Horizon(total=total)
    counting, in_so_many_steps = WARMED[name](length), WARMED[name](horizon.steps(length))
    steps = range(total + 20)
    assert counting.on(horizon)(steps) == pytest.approx(in_so_many_steps.on(horizon)(steps), rel=1e-12)


FROM_THE_BEGINNING: dict[str, Callable[[Any, Any], Schedule]] = {
    "step": lambda length, w: step(length, 0.5, warmup=w),
    "multistep": lambda length, w: multistep([length, 90], 0.5, warmup=w),
    "inverse_sqrt": lambda length, w: inverse_sqrt(length, warmup=w),
    "wsd": lambda length, w: wsd(warmup=w, cooldown=length),
    "cosine": lambda length, w: cosine(length, warmup=w),
    "yolo": lambda length, w: yolo(length, warmup=w),
}


AFTER_THE_WARMUP: dict[str, Callable[[Any, Any], Schedule]] = {
    "exponential": lambda length, w: exponential(0.5, per=length, warmup=w),
    "time_decay": lambda length, w: time_decay(0.5, per=length, warmup=w),
    "infinite": lambda length, w: infinite(length, warmup=w),
}


@pytest.mark.parametrize("name", AFTER_THE_WARMUP)
@pytest.mark.parametrize("start", [0, 10, "0.125rest", "10%"])
@pytest.mark.parametrize("before", [0, 20])
def test_what_begins_after_a_warmup_counts_from_there(name: str, start: Any, before: int) -> None:
    recipe = AFTER_THE_WARMUP[name]
    first = Constant(0.5, over=before)
    steps = range(120)
    left = 100 - before - Clock(RUN, Fraction(before)).steps(start, "the warmup")
    counting = first >> recipe("0.25rest", start)  # type: ignore[operator]
    in_steps_of_it = first >> recipe(left / 4, start)  # type: ignore[operator]
    assert counting.on(RUN)(steps) == pytest.approx(in_steps_of_it.on(RUN)(steps), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", FROM_THE_BEGINNING)
@pytest.mark.parametrize("start", [0, 10, "0.1rest", "10%"])
@pytest.mark.parametrize("before", [0, 20])
def test_what_a_recipe_takes_is_counted_from_its_beginning(name: str, start: Any, before: int) -> None:
    recipe = FROM_THE_BEGINNING[name]
    first = Constant(0.5, over=before)
    steps = range(120)
    counting = first >> recipe("0.25rest", start)  # type: ignore[operator]
    in_steps_of_it = first >> recipe((100 - before) // 4, start)  # type: ignore[operator]
    assert counting.on(RUN)(steps) == pytest.approx(in_steps_of_it.on(RUN)(steps), rel=1e-12, abs=1e-15)


def test_without_a_cooldown_wsd_fills_the_run_and_drops() -> None:
    plan = wsd(warmup=4, cooldown=0)
    assert plan.on(RUN)([0, 3, 4, 99, 100, 101]) == pytest.approx([0.2, 0.8, 1.0, 1.0, 0.0, 0.0])
    with pytest.raises(ScheduleError, match="lasts for the rest of the run"):
        plan >> 0.1  # type: ignore[operator]


# What each name of the catalogue makes of it.

RESTING: dict[str, str] = {
    "Constant": "Constant(0.5, over='0.5rest') >> 0.1",
    "Cosine": "Cosine(BASE, 0.1, power=2)",
    "Custom": "Custom('tests.strategies:wobble', over='rest')",
    "Exponential": "Exponential(0.5, per='0.25rest', over='0.75rest')",
    "ExponentialWarmup": "ExponentialWarmup('0.25rest', over='rest')",
    "Geometric": "Geometric(BASE, 0.01, over='rest - 10st')",
    "Hyperbolic": "Hyperbolic(BASE, 0.1, upper='60ep')",
    "InverseSqrt": "InverseSqrt('0.1rest', over='0.75rest')",
    "InverseTime": "InverseTime(0.5, per='0.1rest', over='rest')",
    "Linear": "Linear(BASE, 0.1, over='rest + 1ep')",
    "Noise": "Noise(7, 0.1, every='0.1rest', over='0.5rest')",
    "Points": "Points([(0, 0.1), ('0.5rest', BASE), ('rest - 5st', 0.2)])",
    "Polynomial": "Polynomial(BASE, 0.1, power=2)",
    "PolynomialCycles": "PolynomialCycles('0.25rest', over='rest')",
    "PowerLaw": "PowerLaw(0.6, timescale='0.25rest')",
    "RAdamWarmup": "RAdamWarmup(0.9, over='0.5rest')",
    "Ramp": "Ramp(ease='quarter_sine', over='rest - 10st')",
    "Rex": "Rex(over='2/3rest')",
    "Sigmoid": "Sigmoid(1.0, middle='0.5rest', per='0.1rest')",
    "Steps": "Steps(gamma=0.5, at=['0.5rest', 'rest - 10st'])",
    "Tanh": "Tanh()",
    "cosine": "cosine(warmup=0.1, cycles=3, floor=0.01)",
    "cyclic_cosine_decay": "cyclic_cosine_decay('0.5rest', 0.1, 20, warmup_epochs=5, warmup_start_lr=0.1)",
    "exponential": "exponential(0.5, per='0.25rest', floor=0.1)",
    "infinite": "infinite('0.5rest', warmup='0.1rest')",
    "inverse_sqrt": "inverse_sqrt(20, warmup='0.1rest', floor=0.1)",
    "linear": "linear('rest - 10st', warmup=0.1)",
    "maximum": "maximum(Linear(), 0.1)",
    "minimum": "minimum(Linear(1.0, 0.1), 0.5)",
    "multistep": "multistep(['0.5rest', 'rest - 10st'], 0.5)",
    "one_cycle": "one_cycle(up=0.25)",
    "one_cycle_momentum": "one_cycle_momentum('rest - 10st')",
    "piecewise_constant": "piecewise_constant(['0.25rest', '0.5rest'], rates=[0.1, 0.5, 0.2])",
    "polynomial": "polynomial(power=2, warmup=0.1)",
    "slanted_triangular": "slanted_triangular()",
    "step": "step('0.25rest', 0.5)",
    "time_decay": "time_decay(0.5, per='0.1rest')",
    "warmup": "warmup('0.5rest', ease='cosine')",
    "wsd": "wsd(warmup=0.1, cooldown=0.25, ease='cosine')",
    "yolo": "yolo(warmup='0.1rest')",
}
# Those without a length, in one unit of their own, or of lengths that come again.
WITHOUT = ("Plateau", "adafactor", "noam", "untuned_warmup")
AGAIN = {
    "chebyshev": "chebyshev(steps=4, per='0.1rest')",
    "cyclic": "cyclic('0.1rest', low=0.1)",
    "sgdr": "sgdr('0.1rest')",
    "cyclic_cosine_decay": "cyclic_cosine_decay(10, 0.1, '0.1rest')",
}
COUNTED = {"power_scheduler": "power_scheduler(peak=0.5, a=100.0, b=0.5, warmup='0.1rest', unit='st')"}
PLANS = [
    text
    for plan in (RESTING | COUNTED).values()
    for text in (
        plan,
        f"{'warmup(9)' if parse(plan, Schedule).multiplies else 'Constant(0.5, over=9)'} >> {plan}",
    )
]
each_plan = pytest.mark.parametrize("text", PLANS)


def test_these_are_all() -> None:
    assert RESTING.keys() | COUNTED.keys() | AGAIN.keys() | {*WITHOUT} == CATALOGUE.keys()


@each_plan
def test_every_name_counts_it(text: str) -> None:
    plan = parse(text, Schedule)
    table = plan.on(HORIZON)
    walk = table(EVERY)
    assert np.isfinite(walk).all()
    assert [plan.on(HORIZON)(k) for k in EVERY[::17].tolist()] == walk[::17].tolist()
    for twin in (
        parse(repr(plan), Schedule),
        from_json(plan.to_json(), Schedule, custom="import"),
        from_yaml(to_yaml(plan), Schedule, custom="import"),
    ):
        assert twin == plan
        assert same(twin, plan)
    assert same(in_steps(plan, HORIZON), plan)
    assert same(settled(plan, START), plan)
    for at in (0, 9, 10, 105, 210):
        assert (plan.until(at).on(HORIZON)(range(at)) == walk[:at]).all()
    twice = Horizon(7, 2 * STEPS, samples_per_step=4, tokens_per_step=64)
    slower = plan.stretch(2).on(twice)(2 * EVERY)
    assert slower == pytest.approx(walk, rel=1e-9, abs=1e-12)


@each_plan
def test_jax_gives_the_same_rates(text: str) -> None:
    plan = parse(text, Schedule)
    rate = plan * BASE if isinstance(plan, Factor) else plan
    if "Custom" in text:
        return
    expected = rate.on(HORIZON)(EVERY, 0.3)
    values = np.array(to_optax(rate, HORIZON, 0.3)(jnp.array(EVERY, dtype=jnp.int32)))  # type: ignore[arg-type]
    spacing = np.maximum(np.spacing(expected.astype(np.float32)), 1e-15 * expected.max())
    assert values.dtype == np.float32
    assert (np.abs(values - expected) <= spacing).all()
    with jax.enable_x64(True):
        exact = np.array(to_optax(rate, HORIZON, 0.3)(jnp.array(EVERY)))  # type: ignore[arg-type]
    assert exact == pytest.approx(expected, rel=1e-12, abs=1e-15 * expected.max())


# What is refused.


@pytest.mark.parametrize("text", AGAIN.values(), ids=AGAIN)
def test_lengths_that_come_again_cannot_count_it(text: str) -> None:
    with pytest.raises(SpecError, match=r"counts the rest of the run, which is less in each cycle"):
        parse(text)


@pytest.mark.parametrize(
    "plan",
    [
        Linear(),
        Linear(over="0.5rest"),
        Linear(over="rest - 10st"),
        Constant(0.5, over=5) >> Linear(over="0.5rest"),
        Linear(over=5) + Linear(over="0.1rest"),
        (Linear(over="0.5rest") * 0.5).stretch(2),
        Linear(over=5).shift("0.1rest"),
        Linear().until(5),
        Constant(0.5).cooldown(5),
        Constant(0.5).cooldown("0.5rest", over=5),
        Points([(0, 0.1), ("0.5rest", 0.2)]),
        Steps(at=["0.5rest"], over=5),
        Exponential(0.5, per="0.1rest", over=5),
        Constant(0.5, over=5) * Noise(1, 0.1, every="0.1rest", over=5),
        warmup("0.1rest"),
        one_cycle(),
    ],
    ids=expression,
)
def test_it_cannot_be_repeated(plan: Any) -> None:
    for repeated in (
        plan.repeat,
        lambda: plan.repeat(3),
        lambda: plan.repeat(2, stretch=2),
        lambda: (plan.until(5)).repeat(),
    ):
        with pytest.raises(
            ScheduleError,
            match=r"counts the rest of the run, which is less in each cycle, so it cannot be repeated; say",
        ):
            repeated()


@pytest.mark.parametrize("over", ["rest", "0.5rest", "rest - 10st"])
def test_it_cannot_come_again_after_its_end(over: str) -> None:
    for kind in (Linear, Cosine):
        with pytest.raises(
            ScheduleError,
            match=rf"^{kind.__name__}\(over=\) must be a length of its own with after='repeat', for the rest "
            rf"of the run is less in each cycle; got '{over}': write over='10ep'",
        ):
            kind(over=over, after="repeat")
    with pytest.raises(ScheduleError, match=r"^Linear\(over=\) must be a length of its own"):
        Linear(after="repeat")
    with pytest.raises(ScheduleError, match=r"^Hyperbolic\(upper=\) must be a length of its own"):
        Hyperbolic(over=5, upper=over, after="repeat")


@pytest.mark.parametrize(
    "plan",
    [
        Linear(),
        Linear(over="rest + 1ep"),
        Linear(over="2rest"),
        cosine(),
        cosine(warmup="5ep"),
        cosine(cycles=3),
        wsd(cooldown=0.2),
        yolo(),
        slanted_triangular(),
        Linear() * 0.5,
        Linear() + Linear(over=5),
        minimum(Linear(), 0.5),
        Linear() * warmup("5ep"),
        Linear().shift("5ep"),
        Linear().shift("-5ep"),
        Linear().stretch(2),
        Linear().under(1.0),
        Linear(over=5).until("rest"),
        Constant(1.0).cooldown("5ep"),
        Constant(1.0).cooldown("5ep", over="rest"),
        Constant(1.0).cooldown("rest", over="5ep"),
        Constant(1.0, over="rest"),
        Exponential(0.5, over="rest"),
        Points([(0, 0.1), ("rest", 0.2)]),
        Constant(0.5, over=5) >> Linear(),
    ],
    ids=expression,
)
def test_nothing_can_follow_what_fills_the_run(plan: Any) -> None:
    message = (
        r"lasts for the rest of the run, so nothing can follow it; say how long it lasts, such as "
        r"over='30ep', or leave time for what follows: over='rest - 10ep'"
    )
    for follow in (
        lambda: plan >> 0.1,
        lambda: plan >> Linear(over=5),
        lambda: plan >> Linear(over=5) >> 0.1,
    ):
        with pytest.raises(ScheduleError, match=message):
            follow()
    with pytest.raises(SpecError, match="lasts for the rest of the run"):
        parse(f"({plan!r}) >> 0.1")


@pytest.mark.parametrize(
    "plan",
    [
        Linear(over="0.5rest"),
        Linear(over="rest - 10st"),
        Linear().until(10),
        Linear().until("rest - 10st"),
        Linear().cooldown(10, over=5),
        wsd("rest - 10st"),
        cosine(50, warmup=0.1),
        Constant(1.0).cooldown(10, over="0.5rest"),
    ],
    ids=expression,
)
def test_what_leaves_time_is_followed(plan: Any) -> None:
    both, end = (plan >> 0.25).on(RUN), int(plan.length(Clock(RUN)))
    assert both(end) == 0.25
    assert both(end - 1) == plan.on(RUN)(end - 1)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            Constant(0.5, over=95) >> Linear(over="rest - 10st"),
            r"^Linear\(over=\) is rest - 10st = -5 steps on this horizon \(.*\), which is less than none",
        ),
        (Linear(over="rest - 11ep"), r"^Linear\(over=\) is rest - 11ep = -10 steps on this horizon"),
        # Of a run that is over nothing is left, but no less than that.
        (
            Constant(0.5, over=120) >> Linear(over="rest - 10st"),
            r"^Linear\(over=\) is rest - 10st = -10 steps on this horizon",
        ),
        (
            Constant(0.5).cooldown("rest - 11ep"),
            r"^Cooldown\(at=\) is rest - 11ep = -10 steps on this horizon",
        ),
        (Linear().until("rest - 11ep"), r"^Until\(at=\) is rest - 11ep = -10 steps on this horizon"),
        (wsd(warmup="9ep"), r"^Constant\(over=\) is rest - 20% = -10 steps on this horizon"),
        (
            Points([("rest", 0.1), (5, 0.2)]),
            r"^Points\(points=\) must come at rising times; on this horizon they are at 100st, 5st",
        ),
        (
            Exponential(0.5, per="rest - 10ep"),
            r"^Exponential\(per=\) must be more than 0 steps on this horizon",
        ),
    ],
    ids=expression,
)
def test_where_nothing_is_left(plan: Schedule, message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        plan.on(RUN)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            Linear(),
            r"^Linear\(over=\) is rest, what is left of the run, but the horizon has no total; write ",
        ),
        (Linear(over="0.5rest - 1st"), r"^Linear\(over=\) is 0.5rest - 1st, what is left of the run, but"),
        (cosine(warmup=0.1), r"is 0.1rest, what is left of the run, but the horizon has no total"),
        (Constant(0.5).cooldown(5), r"^Cooldown\(over=\) is rest, what is left of the run, but"),
        (Linear(over=5).shift("0.1rest"), r"^Shift\(by=\) is 0.1rest, what is left of the run, but"),
        (warmup("0.1rest"), r"^warmup\(over=\) is 0.1rest, what is left of the run, but"),
    ],
    ids=expression,
)
def test_a_run_of_unknown_length_has_no_rest(plan: Schedule, message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        plan.on(Horizon(10))


def test_what_a_run_is_long_cannot_be_its_rest() -> None:
    with pytest.raises(HorizonError, match=r"^Horizon\(total=\) cannot be a share of itself; got 'rest'"):
        Horizon(total="rest")
    with pytest.raises(
        HorizonError, match=r"^Horizon\(total=\) cannot be a share of itself; got '10ep \+ 0.5"
    ):
        Horizon(10, total="10ep + 0.5rest")


@pytest.mark.parametrize("over", ["-rest", "-0.5rest", "-rest - 5ep"])
def test_what_is_less_than_none_of_it_is_refused_at_once(over: str) -> None:
    with pytest.raises(ScheduleError, match=rf"^Cosine\(over=\) must be at least 0; got '{over}'"):
        Cosine(over=over)


def test_data_that_repeats_it_is_refused() -> None:
    text = Linear(over=5).repeat().to_json().replace('"5st"', '"rest"')
    with pytest.raises(SpecError, match=r"^schedule: .* counts the rest of the run"):
        from_json(text)
    text = (Linear(over=5) >> Linear(over=5)).to_json().replace('"5st"', '"rest"')
    with pytest.raises(
        SpecError, match=r"^schedule: .* lasts for the rest of the run, so nothing can follow"
    ):
        from_json(text)


def test_what_is_left_out_of_the_text_is_the_rest() -> None:
    for plan, text in [
        (Cosine(over="rest"), "Cosine(BASE, 0.0)"),
        (Linear(0.5, 0.1, over="1rest"), "Linear(0.5, 0.1)"),
        (Constant(0.5).cooldown(5, over="rest"), "Constant(0.5).cooldown(5)"),
    ]:
        assert repr(plan) == text
        assert parse(text) == plan
        assert '"rest"' in plan.to_json()
