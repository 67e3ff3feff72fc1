"""The checker's rules: for each, schedules at which it fires and schedules at which it must not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import etude as et
from etude import BASE, Constant, Cosine, Exponential, Horizon, Linear, Points, Schedule, Steps
from etude.check import CODES, Finding, findings
from etude.errors import HorizonError
from etude.study.arms import TUTORIALS
from tests.strategies import HORIZON, expression, schedules

RUN = Horizon(steps_per_epoch=10, total=1_000)


def climbing(length: int | str, floor: float = 0.0) -> Schedule:
    """What ``CosineAnnealingLR(T_max=length)`` computes."""
    return (Cosine(BASE, floor, over=length) >> Cosine(floor, BASE, over=length)).repeat()


FIRES: dict[str, list[tuple[Schedule, dict[str, float]]]] = {
    "warmup-longer-than-run": [
        (Linear(0.1, 1.0, over=1_001), {"warmup": 1_001, "steps": 1_000}),
        (Linear(0.1, 1.0, over="10/3ep").stretch(40), {"warmup": math.nextafter(4_000 / 3, math.inf)}),
        (Linear(0.1, 1.0, over=999).shift(5), {"warmup": 1_004}),  # counted from its start
        (Linear(0.1, 1.0, over=600) >> Cosine(1.0, 2.0, over=600), {"warmup": 1_200}),  # rises twice
        (et.warmup(2_000) * et.cosine(), {"warmup": 2_000}),  # a factor's
        (et.cosine() * et.warmup(500) * et.warmup(1_500, ease="cosine"), {"warmup": 1_500}),
        (Linear(0.1, 1.0, over=1e17), {}),
        (Linear(0.1, 1.0, over=1e17, after="raise"), {}),
    ],
    "never-leaves-warmup": [
        (Linear(0.1, 1.0, over="100%"), {"first": 0.1}),
        (Linear(0.1, 1.0, over=999), {"last": 1.0}),
        (Linear(0.1, 1.0, over=1_000) >> Cosine(over=9), {}),  # it is up when the run ends
        (Exponential(1.01), {}),
    ],
    "long-warmup": [
        (et.wsd(warmup=400, cooldown=100), {"warmup": 400, "share": 0.4}),
        (et.one_cycle(up=0.4), {"warmup": 399}),
        (Linear(0.1, 1.0, over=600) >> Cosine(1.0, over=400), {"share": 0.6}),
        (et.warmup(600) * et.linear(), {"warmup": 600}),
        (et.ExponentialWarmup(150) * et.step(1_000), {"share": 0.446}),  # 95 % of its rise, from 1/150 on
    ],
    "first-update-at-zero": [
        (Linear(0.0, BASE, over=100) >> Cosine(over=900), {"peak": 1.0}),
        (et.yolo(), {}),
        (Points([(0, 0.0), (10, 1.0), (1_000, 0.0)]), {}),
    ],
    "zero-updates": [
        (et.cosine("80%"), {"updates": 200, "share": 0.2, "at_end": 200}),
        (Linear(0.0, BASE, over=200) >> Linear(over=300), {"updates": 501, "at_start": 1, "at_end": 500}),
        (Cosine(over=90).until(100).repeat(), {"updates": 100, "in_between": 90, "at_end": 10}),
        (et.Custom(f"{__name__}:by_epoch"), {"updates": 10, "at_start": 10}),
        (Exponential(0.1), {"updates": 676, "at_end": 676}),  # too small for a float
    ],
    "peak-never-reached": [
        (Linear(0.1, 1.0, over=300) >> Cosine(1.0, over=1_000).shift(-300), {"aim": 1.0, "step": 300}),
        (Points([(0, 0.5), (10.4, 0.5), (10.5, 3.0), (10.6, 0.5)]), {"aim": 3.0, "peak": 0.5}),
        (Linear(0.1, 1.0, over=300) >> Cosine(0.1, over=700), {"aim": 1.0, "start": 0.1}),
        (et.warmup(250) * et.linear() * 4, {"aim": 4.0, "step": 250, "peak": 4 * 0.75}),
        (et.warmup(800, ease="cosine") * et.cosine(), {"aim": 1.0, "step": 800}),
        (et.sgdr(2.5), {"step": 2.5}),  # restarts between two updates
    ],
    "cosine-climbs-back": [
        (climbing(800), {"down": 800, "steps": 1_000}),
        (climbing("10ep", 1e-4), {"down": 100}),
        (climbing(990), {"down": 990}),  # a little
        (Linear(0.1 * BASE, BASE, over=100) >> climbing(600), {"down": 700}),
    ],
    "run-ends-inside-cycle": [
        (et.sgdr("30ep"), {"cycle": 3, "cycle_start": 900, "cycle_stop": 1_200}),
        (et.sgdr("20ep", stretch=2), {"cycle_start": 600, "cycle_stop": 1_400}),
        (et.cyclic("3ep", low=0.1, high=1.0), {"cycle_start": 960, "cycle_stop": 1_020}),
        (et.cyclic("3ep", low=0.1, high=1.0, mode="triangular2").until(990) >> et.sgdr(40), {}),
        (
            et.cyclic(100, low=0.1, high=1.0, shape="cosine").shift(-100),
            {"cycle": 5, "last": 1.0},
        ),  # from the top
        (et.sgdr("30ep", up="3ep"), {"cycle": 3, "cycle_start": 900}),
    ],
    "jump-at-end": [
        (et.sgdr(999), {"step": 999, "after": 1.0}),
        (Steps(at=[999]), {"before": 1.0, "after": 0.1}),
    ],
    "restart-above-peak": [
        (Cosine(0.1, 0.0, over=500) >> et.sgdr(250, peak=0.5), {"step": 500, "restart": 0.5, "peak": 0.1}),
        (et.sgdr(100, gain=1.5), {"step": 100, "restart": 1.5}),
    ],
    "stepsize": [
        (et.cyclic(10, low=0.1, high=1.0), {"stepsize": 10, "epochs": 1}),
        (et.cyclic("125/11ep", low=0.1, high=1.0), {}),
        (et.cyclic("5000ep", low=0.1, high=1.0), {"epochs": 5_000}),
    ],
    "few-cycles": [
        (et.cyclic(250, low=0.1, high=1.0), {"cycles": 2}),
        (et.sgdr(1_000), {"cycles": 1}),
    ],
    "floor-never-reached": [
        (et.cosine(2_000), {"last": 0.5, "floor": 0.0}),
        (Constant(1.0).cooldown(950, over=100), {"last": 0.5}),
        (Steps(at=[300, 1_200], over=1_500), {"floor": 0.01}),
        (et.wsd(1_500, warmup=100, cooldown=100), {"last": 1.0}),  # the decay does not begin
        (climbing(1_500, 0.1), {"last": 0.325, "floor": 0.1}),
    ],
    "floor-reached-early": [
        (et.cosine(600, floor=0.01), {"step": 600, "share": 0.4, "floor": 0.01}),
        (et.sgdr(100, stretch=2, floor=0.01, cycles=2), {"step": 300}),
        (et.multistep([10, 15]), {"step": 15, "floor": 0.01}),  # epochs were meant
        (et.exponential(0.95), {"step": 135, "share": 0.865}),
        (et.step(30), {"step": 120}),
    ],
    "length-differs": [
        (Linear(0.1 * BASE, BASE, over=50) >> Cosine(BASE, 0.1 * BASE, over=900), {"length": 950}),
        (Linear(0.1 * BASE, BASE, over=50) >> Cosine(BASE, 0.1 * BASE, over=970), {"length": 1_020}),
        (Linear(0.1 * BASE, BASE, over="5%") >> Constant(BASE, over="90%"), {"length": 950, "steps": 1_000}),
        (Cosine(BASE, 0.1 * BASE, over=998), {}),
    ],
    "ends-high": [
        (et.yolo(lr0=0.01), {"last": 0.002}),
        (et.time_decay(0.001), {"last": 0.5}),
        (Steps(400, 0.5), {"last": 0.25}),
    ],
    "base-unused": [
        (et.cosine(peak=0.1), {"base": 1.0, "peak": 0.1}),
        (Constant(0.1), {}),
    ],
}
"""Code → schedules at which it fires on ``RUN`` with the base rate 1, and some of the numbers it gives."""

SILENT: dict[str, list[Schedule]] = {
    "warmup-longer-than-run": [
        Linear(0.1, 1.0, over=1_000) >> Cosine(over=9),
        Linear(1.0, 0.1, over=2_000),  # a decay may be cut off
        Exponential(1.01),  # a law has no end to reach
        et.Constant(),
        et.step("30ep", 0.3) * et.ExponentialWarmup(50),  # for ever nearer, and nearly there
        et.warmup(100) * et.sgdr(100, stretch=2),
    ],
    "never-leaves-warmup": [
        Linear(0.1, 1.0, over=998),
        et.Constant(),
        Linear(0.1, 1.0, over=1_001),
        et.Geometric(1e-6, 10.0, over="100%"),  # a range test
        et.ExponentialWarmup(50),
    ],
    "long-warmup": [
        et.wsd(warmup=333, cooldown=100),
        et.one_cycle(),
        et.cyclic(500, low=0.1, high=1.0),
        et.Constant(),
        et.warmup(300) * et.cosine(),
        et.step("40ep") * et.ExponentialWarmup(50),
    ],
    "first-update-at-zero": [
        et.linear(warmup=10),
        et.Constant(0.0),  # zero throughout is meant
        et.Constant() * 0,
        Constant(0.0, over=100) >> et.cosine("90%"),  # a group that is frozen at first
        Constant(0.0, over=1) >> et.cosine("99.9%"),
    ],
    "zero-updates": [
        et.cosine(),
        et.yolo(),
        et.Constant(0.0),
        Cosine(over=200, inclusive=True).repeat(gain=0.9),
        # What is written to be 0 is meant.
        Constant(0.0, over=100) >> et.cosine("90%"),
        et.piecewise_constant([300, 500], rates=[0.0, BASE, 0.0]),
        Points([(0, 0.0), (300, 0.0), (400, BASE), (1_000, 0.1 * BASE)]),
        et.Constant() * (Linear(0.0, 0.0, over=300) >> Linear(1.0, 0.1, over=700)),
        et.cosine("80%") >> Constant(0.0),
        (Cosine(over=90) >> Constant(0.0, over=10)).repeat(),
        (Cosine(over=2) >> Constant(0.0, over=1)).repeat(),  # of more phases than are listed
        Linear(0.0, BASE, over=100).shift(200) >> et.cosine("70%"),  # asked for by the shift
        et.Constant().cooldown(500, over=100) >> Constant(0.0),
    ],
    "peak-never-reached": [
        et.cosine(),
        et.one_cycle(),
        et.yolo(),
        et.cyclic("50/3%", low=0.1, high=1.0),
        et.sgdr("100/7%", stretch=2),
        (Linear(0.0, 1.0, over=100) >> Constant(0.0, over=1)).repeat(),  # a saw-tooth jumps down
        et.Geometric(1e-6, 10.0, over="100%"),  # the run ends just before
        et.warmup(100) * et.cosine(),
        et.warmup(300) * et.step(300),
        et.cosine() * et.Noise(1, 0.3),
        et.piecewise_constant([300, 600], rates=[1, 1.5, 1.7])
        * Linear(over=600).shift(400),  # larger batches
        et.cyclic(100, low=0.1, high=1.0) * et.Exponential(0.99),  # waves that fade
    ],
    "cosine-climbs-back": [
        et.cosine(),
        et.sgdr("10ep"),
        climbing(1_000),
        (Cosine(0.0, BASE, over=50) >> Cosine(over=50)).repeat(),  # up first: a cyclical rate
        Cosine(0.1 * BASE, BASE, over=100) >> Cosine(over=900),  # a warmup
        et.one_cycle_momentum(),
        et.cyclic(100, low=0.1, high=1.0, shape="cosine").shift(-100),
    ],
    "run-ends-inside-cycle": [
        et.sgdr("25ep"),
        et.sgdr(999),
        et.cyclic("5ep", low=0.1, high=1.0),
        Steps(300, 0.5),
        Steps(300) * et.cosine(peak=1.0),
        et.sgdr(300, cycles=3),
        climbing(800),
        climbing(1_500),
        et.cyclic(30, low=0.1, high=1.0, mode="triangular2"),  # by now it hardly moves
    ],
    "jump-at-end": [et.sgdr(100), et.sgdr(998), et.one_cycle(), et.sgdr(1), Steps(gamma=0.99, at=[999])],
    "restart-above-peak": [
        et.sgdr(100),
        et.sgdr(100, gain=0.5),
        Constant(0.1, over=10) >> Constant(1.0),  # a constant warmup
        et.cyclic(100, low=0.1, high=1.0, gain=1.5),
    ],
    "stepsize": [
        et.cyclic("2ep", low=0.1, high=1.0),
        et.cyclic("10ep", low=0.1, high=1.0),
        et.sgdr(10),
        climbing(10),
        et.sgdr("50ep", up="1ep"),  # its rise is a warmup
        climbing(999),
    ],
    "few-cycles": [
        et.cyclic("50/3%", low=0.1, high=1.0),
        et.sgdr("100/7%", stretch=2),
        et.one_cycle(),
        Cosine(over=500) >> et.sgdr(500),
        et.cyclic(5_000, low=0.1, high=1.0),
        climbing(1_000),  # one descent
        climbing(999),
        et.sgdr("50ep", up="5ep"),
    ],
    "floor-never-reached": [
        et.cosine(),
        et.cosine(1_001),
        Linear(0.1, 1.0, over=2_000) >> et.cosine(500),
        et.sgdr(3_000),
        et.Exponential(0.999),
        Constant(BASE),
        climbing(1_000),
    ],
    "floor-reached-early": [
        et.multistep([300, 600]),
        et.exponential(0.99),
        Linear(20 * BASE, BASE, over=100) >> Constant(BASE),
        et.cosine(900, floor=0.01),
        et.cosine(600, floor=0.01) >> Constant(0.01),
        et.cosine(600),
        Linear(0.1 * BASE, BASE, over=100),
        Linear(BASE, 0.9 * BASE, over=100),
    ],
    "length-differs": [
        et.cosine(),
        et.one_cycle(),
        et.wsd(warmup="5ep", cooldown="20%"),
        et.Constant(),
        et.sgdr(300),
        Cosine(BASE, 0.1 * BASE, over=999),  # its last value is the last update's
        Cosine(BASE, 0.1 * BASE, over="1001/10ep"),
        Linear(0.1 * BASE, BASE, over=100),  # what is held after a warmup
        et.warmup(100) * Constant(BASE),
        Constant(BASE).cooldown(800, over=100, stop=0.1 * BASE),
        Cosine(BASE, 0.1 * BASE, over=900) >> Constant(0.1 * BASE),
        et.cosine(900),  # what is graver is told in its place
        et.cosine(500, floor=0.1),
        et.cosine(2_000),
        Linear(0.1, 1.0, over=2_000),
    ],
    "ends-high": [
        et.cosine(),
        et.cosine(floor=0.1 * BASE),
        et.Constant(),
        Linear(0.1 * BASE, BASE, over=100),
        et.cyclic("5ep", low=0.5, high=1.0),
        et.cosine(3_000),
        Constant(BASE) * et.Plateau("loss"),
        et.Constant().cooldown("75%", over="10ep", stop=0.5 * BASE, ease="cosine"),
        et.Constant().cooldown(500, over=100, stop=0.3 * BASE),
    ],
    "base-unused": [
        et.cosine(),
        et.cosine(peak=1.0),
        et.yolo(lr0=1.0),
        Constant(0.1 * BASE + 0.1),
        et.cyclic(100, low=1.0, high=6.0),  # CyclicLR's base_lr
        et.Geometric(1e-6, 10.0, over="100%"),
    ],
}
"""Code → schedules at which it does not fire there."""


def found(plan: Schedule, horizon: Horizon = RUN, base: float | None = 1.0) -> dict[str, Finding]:
    findings = plan.on(horizon).check(base)
    codes = [finding.code for finding in findings]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= set(CODES)
    return dict(zip(codes, findings, strict=True))


@pytest.mark.parametrize(
    ("code", "plan", "numbers"),
    [(code, plan, numbers) for code, cases in FIRES.items() for plan, numbers in cases],
    ids=expression,
)
def test_it_fires(code: str, plan: Schedule, numbers: dict[str, float]) -> None:
    finding = found(plan)[code]
    assert {name: finding.numbers[name] for name in numbers} == pytest.approx(numbers, rel=1e-3)


@pytest.mark.parametrize(
    ("code", "plan"), [(code, plan) for code, plans in SILENT.items() for plan in plans], ids=expression
)
def test_it_does_not_fire(code: str, plan: Schedule) -> None:
    assert code not in found(plan)


def test_every_rule_is_tested_both_ways() -> None:
    assert tuple(FIRES) == tuple(SILENT) == CODES


TOO_LONG = (
    "error: The schedule still warms up when the run ends: its first rise takes 200 steps and the run has "
    "100. Shorten the warmup to well below 100 steps, or lengthen the run. [warmup-longer-than-run]"
)
INSIDE = (
    "warning: The run ends inside cycle 3 (counted from 0), where the rate is 0.0691342, 69 % of the peak; "
    "cycles end at step 27,370 (70 epochs) and step 58,650 (150 epochs). End the run with a cycle, "
    "total='70ep' or '150ep', or give the cycles a length that fits. [run-ends-inside-cycle]"
)
CLIMBS = (
    "warning: The cosine is down after 200 epochs and the run has 300 epochs, so the rate climbs back: it "
    "ends at 0.05, 50 % of the peak, after 1.5 half-periods. For one descent write cosine(), "
    "or CosineAnnealingLR with a T_max of 300 epochs; for restarts write sgdr('200ep'). [cosine-climbs-back]"
)


@pytest.mark.parametrize(
    ("plan", "horizon", "text"),
    [
        (Linear(0.1, 1.0, over=200), Horizon(total=100), TOO_LONG),
        (et.sgdr("10ep", stretch=2), Horizon(391, "100ep"), INSIDE),
        (climbing("200ep"), Horizon(100, "300ep"), CLIMBS),
    ],
    ids=["warmup", "cycle", "cosine"],
)
def test_what_a_finding_says(plan: Schedule, horizon: Horizon, text: str) -> None:
    assert str(plan.on(horizon).check(0.1)[0]) == text


@pytest.mark.parametrize(
    ("plan", "code", "severity"),
    [
        (Linear(0.0, BASE, over=9) >> Cosine(over=991), "first-update-at-zero", "warning"),
        (Linear(0.0, BASE, over=9) >> Cosine(over=992), "first-update-at-zero", "note"),
        (et.wsd(warmup=500, cooldown=100), "long-warmup", "note"),
        (et.wsd(warmup=501, cooldown=100), "long-warmup", "warning"),
        (climbing(800), "cosine-climbs-back", "warning"),
        (climbing(990), "cosine-climbs-back", "note"),
        (et.warmup(400) * et.linear(), "peak-never-reached", "note"),
        (et.warmup(600) * et.linear(), "peak-never-reached", "warning"),
    ],
    ids=str,
)
def test_how_grave_it_is(plan: Schedule, code: str, severity: str) -> None:
    steps = 1_001 if severity == "note" and code == "first-update-at-zero" else 1_000
    assert found(plan, Horizon(total=steps))[code].severity == severity


@pytest.mark.parametrize(
    ("plan", "codes"),
    [
        (Linear(0.8, 0.9, over=2_000), ["warmup-longer-than-run"]),
        (Linear(1.0, 0.5, over=2_000), ["floor-never-reached"]),
        (Steps(at=[999]), ["jump-at-end"]),
        (et.warmup(800) * et.linear(), ["peak-never-reached"]),
        (Linear(0.0, 0.1, over="100%"), []),
        (et.cyclic(7, low=0.0, high=0.1).under(0.9), []),
        (et.one_cycle_momentum(), []),
        (et.Cosine(0.1, 0.4, over="100%"), []),
        (Constant(0.9), []),
    ],
    ids=expression,
)
def test_of_other_hyperparameters_what_holds_for_any_is_told(plan: Schedule, codes: list[str]) -> None:
    findings = plan.on(RUN).check(0.9, of="momentum")
    assert [finding.code for finding in findings] == codes
    assert not any(" rate" in finding.message for finding in findings)


ZEROS = (
    "67 % of the updates, 40,001 of 60,000, have the rate 0 and change nothing: 1 at the start, 40,000 at "
    "the end."
)
MANY_ZEROS = (
    "about 67 % of the updates, about 4,000,001 of 6,000,000, have the rate 0 and change nothing: about 1 at "
    "the start, about 4,000,000 at the end."
)


@pytest.mark.parametrize(
    ("up", "down", "steps", "message"),
    [
        (500, 19_500, 60_000, ZEROS),
        (50_000, 1_950_000, 6_000_000, MANY_ZEROS),  # so many that they are not all looked at
    ],
)
def test_e1_a_count_is_exact_or_called_an_estimate(up: int, down: int, steps: int, message: str) -> None:
    plan = Linear(0.0, BASE, over=up) >> Linear(BASE, 0.0, over=down)
    finding = found(plan, Horizon(total=steps))["zero-updates"]
    assert finding.message == message
    assert finding.fix.startswith(
        f"The schedule is over at step {up + down:,}: let it last as long as the run"
    )


def test_e1_zeros_in_one_place_are_told_once() -> None:
    finding = found(et.cosine("60%"), Horizon(total=100_000))["zero-updates"]
    assert finding.message.endswith(
        "40,000 of 100,000, have the rate 0 and change nothing: all of them at the end."
    )


EDGES = st.sampled_from([0.0, 0.0, 1e-9, 0.1, 1.0])
PARTS = st.lists(st.tuples(EDGES, EDGES, st.integers(1, 12_000), st.booleans()), min_size=1, max_size=5)


@settings(max_examples=40)
@given(PARTS, st.integers(16_000, 70_000), st.sampled_from([None, 1, 7, 100]))
def test_e1_what_is_told_is_what_the_whole_table_says(
    parts: list[tuple[float, float, int, bool]], steps: int, per_epoch: int | None
) -> None:
    pieces = [
        Linear(start * BASE, stop * BASE, over=length) if moves else Constant(start * BASE, over=length)
        for start, stop, length, moves in parts
    ]
    plan = pieces[0] if len(pieces) == 1 else et.schedules.algebra.Sequence(tuple(pieces))
    table = plan.on(Horizon(per_epoch, steps))
    values = table(np.arange(steps), 1.0)
    for finding in table.check(1.0):
        numbers = finding.numbers
        assert per_epoch or "about" not in finding.message, "all of so few are looked at"
        if finding.code == "zero-updates":
            written = sum(min(stop, steps) - start for start, stop in written_zeros(parts) if start < steps)
            zeros = int((values == 0).sum()) - written
            assert (
                numbers["updates"]
                == zeros
                == sum(numbers[name] for name in ("at_start", "in_between", "at_end"))
            )
            assert f"{zeros:,} of {steps:,}" in finding.message
        if finding.code == "restart-above-peak":
            assert values[: int(numbers["step"])].max() <= numbers["peak"] < numbers["restart"]
        elif "peak" in numbers:
            assert numbers["peak"] == values.max()
        if finding.code == "floor-reached-early" and "stay at" in finding.message:
            start = math.ceil(numbers["step"])
            assert f"{steps - start:,} of {steps:,}" in finding.message
            assert (values[start:] == numbers["floor"]).all()
        if finding.code == "floor-reached-early" and "thousandth" in finding.message:
            assert (values[int(numbers["step"]) :] <= 1e-3 * values.max()).all()
            assert values[int(numbers["step"]) - 1] > 1e-3 * values.max()


def written_zeros(parts: list[tuple[float, float, int, bool]]) -> Iterator[tuple[int, int]]:
    """Where a part says 0 from its start to its end."""
    at = 0
    for start, stop, length, moves in parts:
        if start == 0 and (stop == 0 or not moves):
            yield at, at + length
        at += length


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        (
            34,
            "The plan is 35 epochs, the run 34 epochs: the run ends at 0.0127117, 1 epoch before the plan "
            "does.",
        ),
        (35, None),
        (
            36,
            "The plan is 35 epochs, the run 36 epochs: from step {} (35 epochs) on its last value, 0.01, is "
            "held.",
        ),
        (
            43,
            "The plan is 35 epochs, the run 43 epochs: from step {} (35 epochs) on its last value, 0.01, is "
            "held.",
        ),
    ],
)
@pytest.mark.parametrize("per_epoch", [1, 2, 100, 390.5])
def test_e5_parts_of_another_length_than_the_run(epochs: int, message: str | None, per_epoch: float) -> None:
    plan = Linear(0.01 * BASE, BASE, over="5ep") >> Cosine(BASE, 0.01 * BASE, over="30ep")
    finding = found(plan, Horizon(per_epoch, f"{epochs}ep")).get("length-differs")
    assert (finding and finding.message) == (
        message and message.format(f"{35 * per_epoch:,}".removesuffix(".0"))
    )
    assert finding is None or finding.severity == "note"


@pytest.mark.parametrize(
    ("plan", "horizon"),
    [
        (Cosine(BASE, 0.1 * BASE, over="1e6tok"), Horizon(total="1e6tok", tokens_per_step=4_096)),
        (Cosine(BASE, 0.1 * BASE, over="100ep"), Horizon(390.625, 39_062, samples_per_step=128)),
        (Cosine(BASE, 0.1 * BASE, over="50000smp"), Horizon(390.625, "1ep", samples_per_step=128)),
        (et.cosine(floor=0.1 * BASE), Horizon(3, "10/7ep")),
        (Cosine(BASE, 0.1 * BASE, over=35), Horizon(steps_per_epoch=1)),
    ],
    ids=str,
)
def test_e5_a_part_of_an_update_is_no_difference(plan: Schedule, horizon: Horizon) -> None:
    assert "length-differs" not in found(plan, horizon)


def test_the_gravest_come_first() -> None:
    codes = list(found(et.cyclic("5000ep", low=0.0, high=1.0)))
    assert codes == ["warmup-longer-than-run", "first-update-at-zero", "stepsize", "base-unused"]


def test_a_finding_is_a_value() -> None:
    finding = Finding("a-code", "note", "It is so.", "Write it.", {"steps": 3})
    assert finding == Finding("a-code", "note", "It is so.", "Write it.", {"steps": 3})
    assert finding != Finding("a-code", "note", "It is so.", "Write it.", {"steps": 4})
    assert len({finding, finding}) == 1
    assert str(finding) == "note: It is so. Write it. [a-code]"


def test_without_a_base_nothing_is_said_of_it() -> None:
    assert "base-unused" not in found(Constant(0.1), base=None)


def test_without_epochs_nothing_is_said_of_them() -> None:
    findings = found(et.cyclic(10, low=0.1, high=1.0), Horizon(total=1_000))
    assert "stepsize" not in findings
    assert not any("epoch" in str(finding) for finding in findings.values())


QUIET = [arm.schedule for arm in TUTORIALS] + [
    et.linear(warmup="5ep"),
    et.wsd(warmup="5ep", cooldown="20ep", ease="cosine"),
    et.one_cycle(three_phase=True, ease="linear"),
    et.sgdr("10ep"),
    et.cyclic("5ep", low=0.1 * BASE, mode="exp_range", gamma=0.999),
    et.multistep(["30ep", "60ep"]),
    et.cyclic_cosine_decay(
        "15ep", 2.5e-6, "10ep", restart_lr=12.5e-5, warmup_epochs="5ep", warmup_start_lr=2.5e-6
    ),
]


@pytest.mark.parametrize("steps", [100, 700, 1_680])
@pytest.mark.parametrize("plan", QUIET, ids=expression)
def test_the_recipes_as_they_are_meant_are_not_warned_of(plan: Schedule, steps: int) -> None:
    findings = plan.on(Horizon(steps / 100, steps)).check()
    assert [
        finding for finding in findings if finding.severity != "note" and finding.code != "stepsize"
    ] == []


HORIZONS = [
    HORIZON,
    Horizon(total=210, samples_per_step=4, tokens_per_step=64),
    *(Horizon(7, total, samples_per_step=4, tokens_per_step=64) for total in (1, 2, 3, 20_000, 10**9)),
]


@given(
    schedules,
    st.sampled_from(HORIZONS),
    st.sampled_from([None, 0.0, 0.1, 7.0]),
    st.sampled_from(["lr", "momentum"]),
)
def test_every_schedule_can_be_checked(plan: Schedule, horizon: Horizon, base: float | None, of: str) -> None:
    try:
        table = plan.on(horizon)
    except HorizonError:
        reject()  # it does not fit on that horizon
    for finding in table.check(base, of=of):
        assert finding.code in CODES
        assert finding.message.endswith(".")
        assert ". " not in finding.message, "it is one sentence"
        assert finding.fix.endswith(".")
        assert all(math.isfinite(number) for number in finding.numbers.values())


class Counted:
    """A table that counts the values it is asked for."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.values = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def __call__(self, k: Any, base: float) -> Any:
        self.values += k.size
        return self.table(k, base)


@pytest.mark.parametrize(
    "plan",
    [et.cosine(), et.sgdr(1), et.sgdr(10, stretch=2), et.cyclic(7, low=0.1, high=1), et.step(3, 0.9)],
    ids=expression,
)
def test_a_run_of_a_billion_updates_is_checked_from_few_values(plan: Schedule) -> None:
    table = Counted(plan.on(Horizon(total=10**9)))
    findings(table, 0.1)
    assert table.values < 20_000


def test_a_users_function_that_knows_whole_steps_of_the_run_only() -> None:
    plan = et.Custom(f"{__name__}:look_up", start=1.0)
    assert list(found(plan, Horizon(total=4), base=0.25)) == ["base-unused"]


def by_epoch(step: float) -> float:
    """``LambdaLR(lambda epoch: min(epoch / 10, 1))``, stepped once an epoch."""
    return min(step // 10 / 10, 1.0)


def look_up(step: float) -> float:
    return [0.5, 1.0, 0.5, 0.01][step]  # type: ignore[call-overload, no-any-return]


def test_what_cannot_be_worked_out_is_refused_as_the_table_does() -> None:
    with pytest.raises(et.EtudeError, match="never ends and the horizon has no total"):
        et.Constant().on(Horizon()).check()
    with pytest.raises(et.EtudeError, match="value at step 1024 is too large for a float"):
        Exponential(2.0).on(Horizon(total=2_000)).check()
