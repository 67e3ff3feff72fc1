"""What recipes take: lengths and shares, floors and powers; and what stands in a wrong place."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Exponential,
    Horizon,
    InverseSqrt,
    Linear,
    Noise,
    Points,
    Rate,
    Steps,
    cosine,
    cyclic,
    cyclic_cosine_decay,
    exponential,
    from_json,
    infinite,
    inverse_sqrt,
    linear,
    multistep,
    one_cycle,
    one_cycle_momentum,
    parse,
    piecewise_constant,
    polynomial,
    power_scheduler,
    sgdr,
    slanted_triangular,
    step,
    time_decay,
    warmup,
    wsd,
    yolo,
)
from etude.durations import to_duration
from etude.errors import ScheduleError

RUN = Horizon(steps_per_epoch=10, total=100)
rates = st.floats(0.01, 10)
floors = st.floats(0, 0.01)
shares = st.sampled_from([0.1, 0.25, 0.3, 1 / 3, 0.5])


def values(plan: Rate, steps: int = 120) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each step uses."""
    found: np.ndarray[Any, np.dtype[np.float64]] = plan.on(RUN)(range(steps))
    return found


# A power, a floor.


@given(rates, floors, st.integers(0, 20), st.integers(0, 20), st.integers(1, 40), st.floats(0.3, 4))
def test_the_cooldown_of_wsd_to_a_power(
    peak: float, floor: float, warmup: int, hold: int, falling: int, power: float
) -> None:
    over = warmup + hold + falling
    plan = wsd(over, warmup=warmup, cooldown=falling, floor=floor, peak=peak, power=power)
    t = np.arange(120)
    q = np.clip((t - warmup - hold) / falling, 0, 1)
    formula = np.where(t < warmup, peak * (t + 1) / (warmup + 1), floor + (peak - floor) * (1 - q) ** power)
    assert values(plan) == pytest.approx(formula, rel=1e-11, abs=1e-13 * peak)


def test_a_power_of_1_is_the_straight_line() -> None:
    assert (
        wsd(cooldown="30%", power=1) == wsd(cooldown="30%", ease="linear", power=1.0) == wsd(cooldown="30%")
    )


@given(rates, st.floats(0.001, 0.02), st.integers(0, 30), st.integers(1, 20))
def test_floors_of_what_never_ends(peak: float, floor: float, warmup: int, per: int) -> None:
    t = np.arange(120)
    u = np.maximum(t - warmup, 0)
    formulas: dict[Any, Any] = {
        exponential(0.7, per=per, warmup=warmup, floor=floor, peak=peak): 0.7 ** (u / per),
        time_decay(0.5, per=per, warmup=warmup, floor=floor, peak=peak): 1 / (1 + 0.5 * (u / per)),
        step(per, 0.5, warmup=warmup, floor=floor, peak=peak): 0.5 ** (t // per),
        multistep([per, 2 * per, 70], 0.1, warmup=warmup, floor=floor, peak=peak): (
            0.1 ** ((t >= per) * 1 + (t >= 2 * per) + (t >= 70))
        ),
        inverse_sqrt(per, warmup=warmup, floor=floor, peak=peak): 1 / np.sqrt(1 + u / per),
    }
    for plan, formula in formulas.items():
        # The floor holds of the decay: the way up begins below it, if it is long.
        expected = np.where(t < warmup, peak * (t + 1) / (warmup + 1), np.maximum(peak * formula, floor))
        assert values(plan) == pytest.approx(expected, rel=1e-11), plan


@pytest.mark.parametrize(
    ("plan", "points"),
    [
        # Step → value.
        (exponential(0.5, per="1ep", floor=0.1), {0: 1.0, 10: 0.5, 30: 0.125, 40: 0.1, 99: 0.1}),
        (exponential(0.5, per="1ep", warmup=4, floor=0.1), {0: 0.2, 4: 1.0, 14: 0.5, 44: 0.1}),
        (exponential(0.5, per="1ep", floor=0.1 * BASE), {0: 1.0, 40: 0.1}),
        (time_decay(1.0, per="1ep", floor=0.2), {0: 1.0, 10: 0.5, 30: 0.25, 40: 0.2, 99: 0.2}),
        (time_decay(1.0, per="1ep", warmup=4, floor=0.2), {0: 0.2, 4: 1.0, 14: 0.5, 99: 0.2}),
        (inverse_sqrt(4, floor=0.25), {0: 0.2, 3: 0.8, 4: 1.0, 16: 0.5, 64: 0.25, 99: 0.25}),
        (inverse_sqrt(4, warmup=0, floor=0.25), {0: 1.0, 12: 0.5, 60: 0.25, 99: 0.25}),
        (inverse_sqrt(9, warmup=4), {0: 0.2, 4: 1.0, 31: 0.5}),
        # Counted from the beginning: the warmup takes a part of the first stair.
        (step(30, 0.5), {0: 1.0, 29: 1.0, 30: 0.5, 60: 0.25, 90: 0.125}),
        (step(30, 0.5, warmup=9), {0: 0.1, 8: 0.9, 9: 1.0, 29: 1.0, 30: 0.5, 60: 0.25, 90: 0.125}),
        (step("3ep", 0.5, warmup="1ep"), {0: 1 / 11, 10: 1.0, 29: 1.0, 30: 0.5, 60: 0.25}),
        (step(30, 0.5, warmup=29), {0: 1 / 30, 28: 29 / 30, 29: 1.0, 30: 0.5}),
        (step(30, 0.5, warmup=30), {0: 1 / 31, 29: 30 / 31, 30: 0.5, 60: 0.25}),
        (step(30, 0.5, warmup=40), {39: 40 / 41, 40: 0.5, 60: 0.25}),
        (step(30, 0.5, floor=0.3), {30: 0.5, 60: 0.3, 90: 0.3}),
        (step(30, 0.5, warmup=9, floor=0.3), {0: 0.1, 9: 1.0, 30: 0.5, 60: 0.3}),
        (multistep([30, 60], 0.5, warmup=9), {0: 0.1, 9: 1.0, 29: 1.0, 30: 0.5, 59: 0.5, 60: 0.25}),
        (multistep(["3ep", "6ep"], 0.5, warmup="1ep"), {10: 1.0, 29: 1.0, 30: 0.5, 60: 0.25}),
        (multistep([30, 60], 0.5, warmup=40), {39: 40 / 41, 40: 0.5, 60: 0.25}),
        (multistep([30, 60], 0.5, warmup=9, floor=0.3), {30: 0.5, 60: 0.3}),
        (multistep([30, 30], 0.5, warmup=9), {29: 1.0, 30: 0.25}),
        (polynomial(power=2.0, warmup=0.2, floor=0.1), {0: 1 / 21, 20: 1.0, 60: 0.1 + 0.9 * 0.25, 100: 0.1}),
        (linear(50, warmup=0.2, floor=0.5), {0: 1 / 11, 10: 1.0, 30: 0.75, 50: 0.5, 99: 0.5}),
        (cosine(warmup=0.2, cycles=2), {20: 1.0, 40: 0.5, 60: 1.0, 80: 0.5, 100: 0.0}),
        (cosine(40, cycles=2, floor=0.2), {0: 1.0, 10: 0.6, 20: 1.0, 30: 0.6, 40: 0.2, 99: 0.2}),
        (wsd(warmup=0.2, cooldown=0.4, power=2.0), {20: 1.0, 60: 1.0, 80: 0.25, 100: 0.0}),
        (infinite(40, warmup="1ep", level=0.2), {0: 1 / 11, 10: 1.0, 30: 0.6, 50: 0.2, 10**6: 0.2}),
        (sgdr(20, up=0.25), {0: 0.0, 5: 1.0, 20: 0.0, 25: 1.0}),
        (sgdr(20, up=5, stretch=2), {5: 1.0, 20: 0.0, 30: 1.0, 60: 0.0}),
    ],
    ids=repr,
)
def test_values(plan: Rate, points: dict[int, float]) -> None:
    assert plan.on(RUN)([*points]).tolist() == pytest.approx([*points.values()], rel=1e-12, abs=1e-15)


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.1, 1))
def test_stairs_are_counted_from_the_beginning_however_long_the_warmup(
    every: int, warmup: int, gamma: float
) -> None:
    for plain, warmed in (
        (step(every, gamma), step(every, gamma, warmup=warmup)),
        (multistep([every, 50], gamma), multistep([every, 50], gamma, warmup=warmup)),
    ):
        found = values(warmed)
        assert found[warmup:] == pytest.approx(values(plain)[warmup:], rel=1e-12)
        assert found[:warmup] == pytest.approx(np.arange(1, warmup + 1) / (warmup + 1), rel=1e-12)


# A share and a length.

SHARED: dict[str, Callable[[Any, Any], Rate]] = {
    "cosine": lambda over, part: cosine(over, warmup=part),
    "cosine, in cycles": lambda over, part: cosine(over, warmup=part, cycles=3),
    "linear": lambda over, part: linear(over, warmup=part),
    "polynomial": lambda over, part: polynomial(over, warmup=part),
    "wsd, its warmup": lambda over, part: wsd(over, warmup=part, cooldown=1),
    "wsd, its cooldown": lambda over, part: wsd(over, cooldown=part),
    "one_cycle": lambda over, part: one_cycle(over, up=part),
    "one_cycle, three phases": lambda over, part: one_cycle(over, up=part, three_phase=True),
    "one_cycle_momentum": lambda over, part: one_cycle_momentum(over, up=part),
    "slanted_triangular": lambda over, part: slanted_triangular(over, up=part),
    "sgdr": lambda over, part: sgdr(over, up=part),
}


@pytest.mark.parametrize("name", SHARED)
@given(st.integers(3, 50), shares)
def test_a_share_is_that_part_of_the_length(name: str, tens: int, share: float) -> None:
    over = 10 * tens
    by_hand = SHARED[name](over, to_duration(over) * share)
    assert SHARED[name](over, share) == by_hand
    assert (values(SHARED[name](over, share)) == values(by_hand)).all()


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize(
    ("over", "share", "length"), [(100, 0.25, 25), ("8ep", 0.25, "2ep"), ("50%", 0.2, "10%")]
)
def test_a_share_is_written_as_the_length_it_is(name: str, over: Any, share: float, length: Any) -> None:
    assert repr(SHARED[name](over, share)) == repr(SHARED[name](over, length))


@pytest.mark.parametrize("name", sorted(set(SHARED) - {"sgdr"}))
@pytest.mark.parametrize(("share", "text"), [(0.25, "0.25rest"), (0.1, "0.1rest")])
def test_of_the_rest_of_the_run_it_is_a_share_of_it(name: str, share: float, text: str) -> None:
    assert SHARED[name]("rest", share) == SHARED[name]("rest", text)


def test_1_is_a_step_and_no_share() -> None:
    assert wsd(100, warmup=1) == wsd(100, warmup="1st")
    assert one_cycle(100, up=1) == one_cycle(100, up="1st")
    assert one_cycle(100, up=1).on(RUN)(0) == 1.0


@pytest.mark.parametrize("share", [1.0, np.float64(1.0)])
@pytest.mark.parametrize("name", SHARED)
def test_the_whole_is_no_share_of_it(name: str, share: float) -> None:
    with pytest.raises(
        ScheduleError,
        match=r"^\w+\((warmup|cooldown|up)=\) must be a share in \(0, 1\), or a length such as '5ep' or",
    ):
        SHARED[name]("rest" if name != "sgdr" else 100, share)


@pytest.mark.parametrize("part", ["-0.1st", "-1ep", -1, -1.5])
@pytest.mark.parametrize("name", SHARED)
def test_a_part_is_not_less_than_none(name: str, part: Any) -> None:
    with pytest.raises(ScheduleError, match=r"^\w+\((warmup|cooldown|up)=\) must be at least 0; got "):
        SHARED[name](100, part)


@given(st.integers(1, 99), st.integers(1, 99))
def test_parts_longer_than_the_whole_are_refused(warmup: int, cooldown: int) -> None:
    assume(warmup + cooldown > 100)
    with pytest.raises(
        ScheduleError, match=r"^wsd\(over=\) less the lengths of its parts must be at least 0"
    ):
        wsd(100, warmup=warmup, cooldown=cooldown)


@pytest.mark.parametrize("name", SHARED)
def test_a_part_less_than_none_is_no_share(name: str) -> None:
    with pytest.raises(
        ScheduleError, match=r"^\w+\((warmup|cooldown|up)=\) must be a length, such as .*; got -0.1"
    ):
        SHARED[name](100, -0.1)


# What stands in a wrong place.


@pytest.mark.parametrize("rate", [0.1, 0.001, 1e-5, BASE, 0.1 * BASE, np.float32(0.5)], ids=repr)
@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (cosine, "cosine(over=)"),
        (linear, "linear(over=)"),
        (polynomial, "polynomial(over=)"),
        (wsd, "wsd(over=)"),
        (one_cycle, "one_cycle(over=)"),
        (one_cycle_momentum, "one_cycle_momentum(over=)"),
        (slanted_triangular, "slanted_triangular(over=)"),
        (yolo, "yolo(epochs=)"),
        (sgdr, "sgdr(period=)"),
        (step, "step(every=)"),
        (infinite, "infinite(decay=)"),
        (inverse_sqrt, "inverse_sqrt(timescale=)"),
        (lambda rate: cyclic(rate, low=0.1), "cyclic(up=)"),
        (lambda rate: cyclic(5, low=0.1, down=rate), "cyclic(down=)"),
        (lambda rate: cyclic_cosine_decay(rate, 0.1), "cyclic_cosine_decay(init_decay_epochs=)"),
        (lambda rate: exponential(0.9, per=rate), "exponential(per=)"),
        (lambda rate: exponential(0.9, warmup=rate), "exponential(warmup=)"),
        (lambda rate: time_decay(0.9, per=rate), "time_decay(per=)"),
        (lambda rate: step(30, warmup=rate), "step(warmup=)"),
        (lambda rate: multistep([30], warmup=rate), "multistep(warmup=)"),
        (lambda rate: multistep([30, rate]), "multistep(at=)"),
        (lambda rate: piecewise_constant([rate], rates=[1.0, 0.5]), "piecewise_constant(at=)"),
        (lambda rate: infinite(30, warmup=rate), "infinite(warmup=)"),
        (lambda rate: yolo(warmup=rate), "yolo(warmup=)"),
        (lambda rate: power_scheduler(peak=0.1, warmup=rate), "power_scheduler(warmup=)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rate_is_no_length(build: Any, argument: str, rate: Any) -> None:
    with pytest.raises(ScheduleError) as refusal:
        build(rate)
    message = str(refusal.value)
    assert message.startswith(f"{argument} must be a length, such as "), message
    assert f"got {rate!r}" in message


@pytest.mark.parametrize("number", [0.1, 0.5, 1e-3, np.float64(0.25)], ids=repr)
@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (lambda number: Linear(over=number), "Linear(over=)"),
        (lambda number: Constant(over=number), "Constant(over=)"),
        (lambda number: Exponential(0.5, per=number), "Exponential(per=)"),
        (lambda number: Exponential(0.5, over=number), "Exponential(over=)"),
        (InverseSqrt, "InverseSqrt(timescale=)"),
        (Steps, "Steps(every=)"),
        (lambda number: Steps(at=[3, number]), "Steps(at=)"),
        (lambda number: Points([(0, 1.0), (number, 0.5)]), "Points(points=)"),
        (warmup, "warmup(over=)"),
        (lambda number: Noise(1, 0.1, every=number), "Noise(every=)"),
        (lambda number: Linear(over=5).until(number), "Until(at=)"),
        (lambda number: Linear(over=5).shift(number), "Shift(by=)"),
        (lambda number: Linear(over=5).cooldown(number), "Cooldown(at=)"),
        (lambda number: Linear(over=5).cooldown(5, over=number), "Cooldown(over=)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bare_number_below_1_is_no_length(build: Any, argument: str, number: float) -> None:
    with pytest.raises(ScheduleError) as refusal:
        build(number)
    message = str(refusal.value)
    assert message.startswith(f"{argument} must be a length, such as '5ep', '30%' or 100 (steps); got "), (
        message
    )
    # What to write reads back.
    share, part = message.partition("the share of the run is ")[2].split(", the part of a step ")
    for text, unit in ((share, "%"), (part, "st")):
        assert to_duration(text.strip("'")).terms[0][0] == unit
        build(text.strip("'"))


def test_nor_is_one_that_is_less_than_none() -> None:
    for build in (lambda: Linear(over=5).shift(-0.1), lambda: Linear(over=-0.1)):
        with pytest.raises(ScheduleError, match=r"must be a length, .*; got -0.1: .* a step '-0.1st'"):
            build()
    assert Linear(over=5).shift("-0.1st").on(RUN)(0) == pytest.approx(0.98)


def test_the_timescale_of_an_inverse_square_root_is_its_warmup_unless_it_is_another() -> None:
    assert inverse_sqrt(warmup="5ep") == inverse_sqrt("5ep") == inverse_sqrt("5ep", warmup="5ep")
    assert inverse_sqrt("5ep", warmup=0) != inverse_sqrt("5ep")
    with pytest.raises(
        ScheduleError, match=r"^inverse_sqrt takes timescale= or warmup=, or both; got neither"
    ):
        inverse_sqrt()


def test_a_part_of_a_step_is_a_length_with_its_unit() -> None:
    for text in ("0.5st", "1/3st"):
        plan = Linear(over=text).shift("0.5st")
        assert parse(repr(plan)) == from_json(plan.to_json()) == plan
    assert Linear(over=Fraction(1, 2)) == Linear(over="0.5st")


@pytest.mark.parametrize(
    "build",
    [
        lambda: cosine(100, 5),
        lambda: linear(100, 5),
        lambda: polynomial(100, 2.0),
        lambda: wsd(100, 5, 20),
        lambda: one_cycle(100, 0.3),
        lambda: one_cycle_momentum(0.85, 0.95),
        lambda: slanted_triangular(100, 0.1),
        lambda: sgdr(10, 2),
        lambda: cyclic(0.1, 0.5, 5),
        lambda: infinite(5, 10),
        lambda: inverse_sqrt(5, 10),
        lambda: yolo(100, 0.01),
        lambda: exponential(0.9, 10),
        lambda: time_decay(0.9, 10),
        lambda: step(30, 0.5, 0.1),
        lambda: multistep([30], 0.5, 0.1),
        lambda: piecewise_constant([30], [0.1, 0.2]),
        lambda: power_scheduler(0.1),
    ],
)
def test_rates_and_counts_are_given_by_their_names(build: Any) -> None:
    with pytest.raises(
        ScheduleError, match=r"^\w+\(\) takes (\d|none) without a name.*; the others are named: "
    ):
        build()
