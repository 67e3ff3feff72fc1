"""Laws that every name of the catalogue obeys: each is tried for itself, with parameters of all sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etude import (
    BASE,
    CATALOGUE,
    Constant,
    Exponential,
    ExponentialWarmup,
    Factor,
    Horizon,
    InverseSqrt,
    InverseTime,
    Noise,
    PolynomialCycles,
    PowerLaw,
    RAdamWarmup,
    Rate,
    Schedule,
    Sigmoid,
    Steps,
    cosine,
    cyclic,
    exponential,
    from_json,
    infinite,
    inverse_sqrt,
    linear,
    multistep,
    one_cycle_momentum,
    parse,
    polynomial,
    sgdr,
    slanted_triangular,
    step,
    time_decay,
    untuned_warmup,
    warmup,
    wsd,
)
from etude.errors import ScheduleError
from etude.schedules.rebuilt import in_steps
from etude.spec import from_yaml, to_yaml
from etude.spec.catalogue import COMBINATORS
from etude.timeline import Clock
from tests.strategies import EVERY_KIND, HORIZON, STEPS, finite, fits, left_after, units_of

EVERY = np.arange(STEPS)
RUN = Horizon(steps_per_epoch=10, total=100)
TWICE = Horizon(7, "60ep", samples_per_step=4, tokens_per_step=64)
START = Clock(HORIZON)
KNOWN = CATALOGUE.keys() | COMBINATORS.keys()
each_name = pytest.mark.parametrize("name", sorted(EVERY_KIND))
STEEP = ("Polynomial", "PolynomialCycles", "polynomial", "wsd")
# There are as many tests of each law as there are names.
few = settings(max_examples=5)


def the_plan(data: st.DataObject, name: str) -> Schedule:
    plan: Schedule = data.draw(EVERY_KIND[name])
    return plan


def same(left: Schedule, right: Schedule, steps: Any = EVERY) -> bool:
    """Whether two schedules have the same values to the last bit."""
    return bool((left.on(HORIZON)(steps) == right.on(HORIZON)(steps)).all())


def test_these_are_all() -> None:
    assert EVERY_KIND.keys() == CATALOGUE.keys()


# Evaluation.


@each_name
@few
@given(st.data())
def test_seeking_is_walking(name: str, data: st.DataObject) -> None:
    plan = the_plan(data, name)
    walk = plan.on(HORIZON)(EVERY)
    order = np.array(data.draw(st.permutations(range(STEPS))))
    assert (walk >= 0).all()
    # Each by a table of its own, and many by one.
    assert [plan.on(HORIZON)(k) for k in order[:5].tolist()] == walk[order[:5]].tolist()
    table = plan.on(HORIZON)
    assert [table(k) for k in order[:50].tolist()] == walk[order[:50]].tolist()
    assert (table(order) == walk[order]).all()
    assert (table(EVERY[::-1]) == walk[::-1]).all()


@each_name
@few
@given(st.data(), st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 10)), min_size=2, max_size=3))
def test_it_follows_the_base_rate_or_does_not(name: str, data: st.DataObject, bases: list[float]) -> None:
    plan = the_plan(data, name)
    table = plan.on(HORIZON)
    if isinstance(plan, Factor):
        with pytest.raises(ScheduleError, match="is a factor and multiplies"):
            table(EVERY, base=bases)
        return
    together = table(EVERY, base=bases)
    for group, base in enumerate(bases):
        assert (together[:, group] == table(EVERY, base=base)).all()
    assert plan.depends_on_base or (together == together[:, :1]).all()


@each_name
@settings(max_examples=25)
@given(st.data())
def test_it_is_made_of_known_parts_and_all_its_texts_read_back(name: str, data: st.DataObject) -> None:
    plan = the_plan(data, name)
    assert all(type(part).__name__ in KNOWN for part in plan.walk())
    read = (
        from_json(plan.to_json(), Schedule, custom="import"),
        from_yaml(to_yaml(plan), Schedule, custom="import"),
    )
    for twin in (parse(repr(plan), Schedule), *read):
        assert twin == plan
        assert hash(twin) == hash(plan)
        assert twin.fingerprint == plan.fingerprint
        assert repr(twin) == repr(plan)
        assert twin.to_json() == plan.to_json()
    assert same(twin, plan, [0, 1, STEPS // 2, STEPS])


# Time.


@each_name
@few
@given(st.data(), st.integers(0, 60), st.integers(0, 60))
def test_shifts_add_up(name: str, data: st.DataObject, a: int, b: int) -> None:
    plan = the_plan(data, name)
    assert same(plan.shift(a).shift(b), plan.shift(a + b))
    assert same(plan.shift(a).shift(-a), plan)
    assert same(plan.shift(0), plan)
    # Its first value is held until it begins; of what counts the rest, on what is left of the run.
    held, first = plan.shift(a).on(HORIZON)(range(a + 1)), left_after(plan, a)(0)
    assert (held == held[0]).all()
    assert held[0] == (pytest.approx(first, rel=1e-12) if "rest" in units_of(plan) else first)


@each_name
@few
@given(st.data(), st.sampled_from([2, 3, "3/2", "1/2", 1.1]), st.sampled_from([2, 5, "2/3", 0.7]))
def test_stretches_multiply(name: str, data: st.DataObject, a: Any, b: Any) -> None:
    plan = the_plan(data, name)
    slower = plan.stretch(a)
    assume(fits(slower.stretch(b)))
    assert same(slower.stretch(b), plan.stretch(b).stretch(a))
    # What counts the rest still ends with the run: there are as many of its own steps in twice the run.
    horizon = HORIZON
    if "rest" in units_of(plan):
        assume("%" not in units_of(plan))
        horizon = TWICE
    twice = plan.stretch(2).on(horizon)(2 * EVERY)
    assert twice == pytest.approx(plan.on(HORIZON)(EVERY), rel=1e-9, abs=1e-12)
    length, stretched = plan.length(START), plan.stretch(2).length(Clock(horizon))
    assert stretched == (None if length is None else 2 * length)


@each_name
@few
@given(st.data(), st.integers(0, STEPS), st.integers(0, STEPS))
def test_until(name: str, data: st.DataObject, at: int, other: int) -> None:
    plan = the_plan(data, name)
    walk, cut = plan.on(HORIZON)(EVERY), plan.until(at).on(HORIZON)
    assert cut.length == at
    assert (cut(range(at)) == walk[:at]).all()
    held = cut([at, at + 1, at + 1000, 10**9])
    assert (held == held[0]).all()
    both = plan.until(at).until(other)
    assert same(both, plan.until(min(at, other)), range(min(at, other)))
    assert both.length(START) == other


@each_name
@few
@given(st.data())
def test_until_its_own_end_changes_nothing(name: str, data: st.DataObject) -> None:
    plan = finite(the_plan(data, name))
    length = plan.length(START)
    assert length is not None
    assume(length)
    table, whole = plan.on(HORIZON), plan.until(f"{length}st").on(HORIZON)
    # But a jump right at its end, such as to a last part without length.
    ahead = length > EVERY
    assert (whole(EVERY[ahead]) == table(EVERY[ahead])).all()
    before, there = table.before(float(length)), table(float(length))
    # And no float lies so near to an end as steep as that of a polynomial that it has come there.
    last = there if name in STEEP or abs(before - there) <= 1e-6 else before
    assert whole(EVERY[~ahead]) == pytest.approx(last, rel=1e-9, abs=1e-12)
    assert whole(10**6) == pytest.approx(last, rel=1e-9, abs=1e-12)


@each_name
@few
@given(st.data(), st.integers(0, 40), st.integers(0, STEPS))
def test_what_follows_has_its_own_zero(name: str, data: st.DataObject, before: int, k: int) -> None:
    plan = the_plan(data, name)
    first: Any = ExponentialWarmup(9) if isinstance(plan, Factor) else Constant(3.0)
    after = (first.until(before) >> plan).on(HORIZON)
    assert (after(range(before)) == first.on(HORIZON)(range(before))).all()
    assert after(before + k) == pytest.approx(left_after(plan, before)(k), rel=1e-9, abs=1e-12)


@each_name
@few
@given(st.data(), st.integers(1, 60), st.integers(0, 3), st.integers(0, 59))
def test_it_goes_round(name: str, data: st.DataObject, length: int, cycle: int, k: int) -> None:
    plan = the_plan(data, name).until(length)
    assume(k < length)
    if "rest" in units_of(plan):
        with pytest.raises(ScheduleError, match="counts the rest of the run, which is less in each cycle"):
            plan.repeat(3)
        plan = in_steps(plan, HORIZON)
    # Inside a cycle, time is counted in parts of a step: but for a rounding.
    expected = pytest.approx(plan.on(HORIZON)(k), rel=1e-9, abs=1e-12)
    table = plan.repeat(3).on(HORIZON)
    assert table(min(cycle, 2) * length + k) == expected
    assert table.length == 3 * length
    assert plan.repeat().on(HORIZON)(10**6 * length + k) == expected


# Bounds and ends: what each promises about its own levels.

# So far apart that a peak that has shrunk to a third is not below the floor.
levels = st.tuples(st.floats(1e-6, 0.3), st.floats(1e-3, 10)).map(lambda pair: (pair[0] * pair[1], pair[1]))
eases = ["linear", "cosine", "one_minus_sqrt", "one_minus_square", "mirror_cosine", "quarter_cosine", "rex"]
# What goes from the peak to the floor and ends there: on step 100 of this run.
DECAYS: dict[str, Callable[..., Rate]] = {
    "cosine": cosine,
    "linear": linear,
    "polynomial": functools.partial(polynomial, power=2.5, k=1.5),
    "wsd, long and flat, then a cosine": functools.partial(wsd, cooldown=0.7, ease="cosine"),
    "wsd, without a cooldown of its own": functools.partial(wsd, cooldown=70),
    "wsd, to a power": functools.partial(wsd, cooldown=0.4, power=2.5),
    "sgdr": functools.partial(sgdr, 10, cycles=10),
    "sgdr, longer and lower": functools.partial(sgdr, 20, stretch="3/2", gain=0.9, cycles=3),
    "cosine, in cycles": functools.partial(cosine, cycles=3),
    "cosine, in cycles of a length": functools.partial(cosine, "100%", cycles=3),
    "sgdr, with a way up": functools.partial(sgdr, 25, up=5, gain=0.7, cycles=4),
    **{
        ease: functools.partial(wsd, cooldown=30, ease=ease) for ease in [*eases, "quarter_sine", "geometric"]
    },
}
WARMED: dict[str, Callable[..., Rate]] = {
    "cosine": functools.partial(cosine, warmup=10),
    "cosine, in cycles": functools.partial(cosine, warmup=10, cycles=3),
    "linear": functools.partial(linear, warmup=0.1),
    "polynomial": functools.partial(polynomial, warmup=10),
    "wsd, two parts": functools.partial(wsd, warmup=10, cooldown="60%"),
    "wsd": functools.partial(wsd, warmup=10, cooldown=30),
    "infinite": lambda floor, peak: infinite(40, warmup=10, level=floor, peak=peak),
    "exponential": functools.partial(exponential, 0.5, warmup=10),
    "step": functools.partial(step, 20, 1e-3, warmup=10),
    "multistep": functools.partial(multistep, [15, 40, 70], 1e-3, warmup=10),
}


@pytest.mark.parametrize("name", DECAYS)
@given(levels)
def test_a_decay_goes_from_its_peak_to_its_floor(name: str, pair: tuple[float, float]) -> None:
    floor, peak = pair
    table = DECAYS[name](floor=floor, peak=peak).on(RUN)
    values = table(range(200))
    assert values[0] == (floor if name == "sgdr, with a way up" else peak)
    assert values.max() == pytest.approx(peak, rel=1e-14)
    assert values.min() >= floor * (1 - 1e-14)
    assert values[100:] == pytest.approx(floor, rel=1e-14)


@pytest.mark.parametrize("name", WARMED)
@given(levels)
def test_a_warmup_wastes_no_update_and_overshoots_nothing(name: str, pair: tuple[float, float]) -> None:
    floor, peak = pair
    values = WARMED[name](floor=floor, peak=peak).on(RUN)(range(200))
    assert values[:11] == pytest.approx(peak * np.arange(1, 12) / 11, rel=1e-14)
    assert values[10] == values.max() == peak
    assert values[100:] == pytest.approx(floor, rel=1e-14)


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@pytest.mark.parametrize("shape", ["linear", "cosine", "sine"])
@given(levels, st.integers(0, 20), st.integers(1, 20))
def test_a_wave_stays_between_its_bounds(
    shape: str, mode: str, pair: tuple[float, float], up: int, down: int
) -> None:
    low, high = pair
    gamma = 0.95 if mode == "exp_range" else 1.0
    values = cyclic(up, low=low, high=high, down=down, mode=mode, gamma=gamma, shape=shape).on(RUN)(
        range(200)
    )
    assert values.min() >= low * (1 - 1e-12)
    assert values.max() <= high * (1 + 1e-12)
    assert values[0] == pytest.approx(low if up else high, rel=1e-12)
    first_peak = low + (high - low) * gamma**up
    assert values[up] == pytest.approx(first_peak, rel=1e-12)


@given(levels, st.integers(1, 20), st.integers(1, 20))
def test_momenta_mirror_their_rates(pair: tuple[float, float], up: int, down: int) -> None:
    low, high = pair
    rate, momentum = (
        cyclic(up, low=low, high=high, down=down).on(RUN),
        cyclic(up, low=0.0, high=high - low, down=down).under(high).on(RUN),
    )
    assert rate(range(200)) + momentum(range(200)) == pytest.approx(low + high, rel=1e-12)
    around = one_cycle_momentum(low=low, high=high).on(RUN)(range(200))
    assert [around[0], around[29], around[99], around[199]] == [high, low, high, high]
    assert around.min() >= low * (1 - 1e-14)


@given(levels, st.integers(0, 90), st.sampled_from(eases))
def test_a_cooldown_ends_at_its_rate_from_above_and_from_below(
    pair: tuple[float, float], at: int, ease: str
) -> None:
    low, high = pair
    for first, last in ((high, low), (low, high)):
        values = Constant(first).cooldown(at, over=10, stop=last, ease=ease).on(RUN)(range(200))
        assert (values[:at] == first).all()
        assert (values[at + 10 :] == last).all()
        assert (np.sort([first, last])[0] * (1 - 1e-14) <= values).all()
        assert (values <= np.sort([first, last])[1] * (1 + 1e-14)).all()


LAWS: dict[str, Callable[[Any], Rate]] = {
    "Exponential": lambda start: Exponential(0.9, start=start),
    "InverseTime": lambda start: InverseTime(0.3, start=start),
    "InverseSqrt": lambda start: InverseSqrt(7, start=start),
    "PowerLaw": lambda start: PowerLaw(0.7, timescale=7, start=start),
    "Sigmoid": lambda start: Sigmoid(0.2, middle=50, start=start),
    "Steps, every": lambda start: Steps("5/3st", 0.3, start=start),
    "Steps, at": lambda start: Steps(gamma=0.3, at=[10, 5, "3ep"], start=start),
    "step": lambda start: step(10, 0.5, peak=start),
    "linear": lambda start: linear(peak=start),
    "multistep": lambda start: multistep([10, "3ep"], 0.5, peak=start),
    "exponential": lambda start: exponential(0.9, peak=start),
    "time_decay": lambda start: time_decay(0.3, peak=start),
    "inverse_sqrt": lambda start: inverse_sqrt(9, warmup=0, peak=start),
}


@pytest.mark.parametrize("name", LAWS)
@given(st.floats(1e-6, 10))
def test_a_decaying_law_starts_at_its_start_and_only_falls(name: str, start: float) -> None:
    table = LAWS[name](start).on(RUN)
    values = table(np.arange(0, 200, 0.25))
    assert values[0] == start
    assert (np.diff(values) <= 1e-15 * start).all()
    following = LAWS[name](BASE).on(RUN)
    assert following(range(200), base=start) == pytest.approx(table(range(200)), rel=1e-14)


def test_polynomial_cycles_jump_up_but_lower_each_time() -> None:
    values = PolynomialCycles(10, power=0.7).on(RUN)(range(100))
    peaks = values[[0, *range(11, 100, 10)]]
    assert values[0] == 1.0
    assert (values[10::10] == 0).all()
    assert (np.diff(peaks) < 0).all()


@pytest.mark.parametrize(
    "factor",
    [
        ExponentialWarmup(20),
        RAdamWarmup(0.95),
        untuned_warmup(0.95, ease="exponential"),
        untuned_warmup(0.95),
        *[warmup(30, ease=ease) for ease in [*eases, "quarter_sine"]],
        warmup(30, start=0.2),
    ],
    ids=repr,
)
def test_a_warmup_factor_rises_from_above_0_and_comes_to_1(factor: Schedule) -> None:
    values = factor.on(RUN)(range(1_000))
    assert 0 < values[0] < 0.5
    assert (np.diff(values) >= 0).all()
    assert values[-1] == pytest.approx(1, rel=1e-12)


def test_a_triangle_that_is_slanted_starts_and_ends_at_the_same_rate() -> None:
    values = slanted_triangular(100, up=0.25, ratio=8).on(RUN)(range(200))
    assert [values[0], values[25], values[100], values[199]] == [0.125, 1.0, 0.125, 0.125]


@given(st.integers(0, 2**40), st.floats(0.001, 1), st.sampled_from(["uniform", "normal"]))
def test_noise_changes_by_no_more_than_it_says(seed: int, amount: float, distribution: Any) -> None:
    rate = cosine() * Noise(seed, amount, distribution=distribution)
    quiet = cosine().on(RUN)(EVERY)
    assert (np.abs(rate.on(RUN)(EVERY) - quiet) <= amount * quiet * (1 + 1e-12)).all()
