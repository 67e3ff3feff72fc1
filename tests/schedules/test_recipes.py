"""Recipes: what each is made of, its values at the steps that matter, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Horizon,
    Schedule,
    adafactor,
    chebyshev,
    cosine,
    cyclic,
    cyclic_cosine_decay,
    exponential,
    infinite,
    inverse_sqrt,
    linear,
    multistep,
    noam,
    one_cycle,
    one_cycle_momentum,
    piecewise_constant,
    polynomial,
    power_scheduler,
    sgdr,
    slanted_triangular,
    step,
    time_decay,
    untuned_warmup,
    warmup,
    wsd,
    yolo,
)
from etude.errors import EtudeError
from tests import strategies

RUN = Horizon(steps_per_epoch=10, total=100)


@pytest.mark.parametrize(
    ("recipe", "written"),
    [
        (Constant(), "Constant(BASE)"),
        (Constant(0.1), "Constant(0.1)"),
        (time_decay(0.1, per="1ep", peak=0.5), "InverseTime(0.1, start=0.5, per='1ep')"),
        (exponential(0.9), "Exponential(0.9)"),
        (step("30ep"), "Steps('30ep')"),
        (multistep(["30ep", 60], 0.2), "Steps(gamma=0.2, at=['30ep', 60])"),
        (cosine("5ep", floor=1e-5), "Cosine(BASE, 1e-05, over='5ep')"),
        (linear(), "Linear(BASE, 0.0)"),
        (
            linear(warmup=5),
            "Linear(0.0, BASE, over=6).shift(-1) >> Linear(BASE, 0.0)",
        ),
        (
            linear("100%", warmup=5, floor=0.1),
            "Linear(0.0, BASE, over=6).shift(-1) >> Linear(BASE, 0.1, over='100% - 5st')",
        ),
        (
            linear("30ep", warmup=0.1),
            "Linear(0.0, BASE, over='3ep + 1st').shift(-1) >> Linear(BASE, 0.0, over='27ep')",
        ),
        (cosine(), "Cosine(BASE, 0.0)"),
        (
            cosine("rest - 10ep", warmup="5ep", floor=1e-5),
            ("Linear(0.0, BASE, over='5ep + 1st').shift(-1) >> Cosine(BASE, 1e-05, over='rest - 10ep')"),
        ),
        (
            exponential(0.9, per="1ep", warmup=5, floor=0.01),
            "Linear(0.0, BASE, over=6).shift(-1) >> maximum(Constant(0.01), Exponential(0.9, per='1ep'))",
        ),
        (
            time_decay(0.1, warmup=5, floor=0.01),
            "Linear(0.0, BASE, over=6).shift(-1) >> maximum(Constant(0.01), InverseTime(0.1))",
        ),
        (step(30, 0.2, warmup=5), "Linear(0.0, BASE, over=6).shift(-1) >> Steps(30, 0.2).shift(-5)"),
        (
            multistep([30, 60], warmup=5, floor=0.01),
            "Linear(0.0, BASE, over=6).shift(-1) >> maximum(Constant(0.01), Steps(at=[30, 60]).shift(-5))",
        ),
        (
            inverse_sqrt("1ep", warmup=5, floor=0.01),
            "Linear(0.0, BASE, over=6).shift(-1) >> maximum(Constant(0.01), InverseSqrt('1ep'))",
        ),
        (sgdr("10ep", stretch=2, floor=0.01), "Cosine(BASE, 0.01, over='10ep').repeat(stretch=2)"),
        (sgdr(10, cycles=3, gain=0.5), "Cosine(BASE, 0.0, over=10).repeat(3, gain=0.5)"),
        (
            sgdr(10, gain=0.5, floor=0.1),
            "Cosine(0.0, 0.1, over=10).repeat() + Cosine(BASE, 0.0, over=10).repeat(gain=0.5)",
        ),
        (cyclic(4, low=0.1, high=0.5), "(Linear(0.1, 0.5, over=4) >> Linear(0.5, 0.1, over=4)).repeat()"),
        (
            cyclic(4, low=0, high=1, down=2, mode="triangular2"),
            "(Linear(0.0, 1.0, over=4) >> Linear(1.0, 0.0, over=2)).repeat(gain=0.5)",
        ),
        (
            cyclic(4, low=0.1 * BASE, mode="triangular2"),
            "(Linear(0.0, 0.9 * BASE, over=4) >> Linear(0.9 * BASE, 0.0, over=4)).repeat(gain=0.5) "
            "+ Constant(0.1 * BASE)",
        ),
        (
            cyclic(4, low=0.0, high=0.1).under(0.9),
            "(Linear(0.0, 0.1, over=4) >> Linear(0.1, 0.0, over=4)).repeat().under(0.9)",
        ),
        (
            one_cycle(over=100),
            "Cosine(0.04 * BASE, BASE, over=29) >> Cosine(BASE, 4e-06 * BASE, over=70)",
        ),
        (
            one_cycle(peak=1.0, three_phase=True, ease="linear"),
            "Linear(0.04, 1.0, over='0.3rest - 1st') >> Linear(1.0, 0.04, over='3/7rest - 10/7st') "
            ">> Linear(0.04, 4e-06, over='rest - 1st')",
        ),
        (
            one_cycle("100%", peak=1.0, three_phase=True, ease="linear"),
            "Linear(0.04, 1.0, over='30% - 1st') >> Linear(1.0, 0.04, over='30% - 1st') "
            ">> Linear(0.04, 4e-06, over='1st + 40%')",
        ),
        (
            one_cycle("100%", up="5ep"),
            "Cosine(0.04 * BASE, BASE, over='5ep - 1st') >> Cosine(BASE, 4e-06 * BASE, over='100% - 5ep')",
        ),
        (
            one_cycle_momentum(),
            "Cosine(0.95, 0.85, over='0.3rest - 1st') >> Cosine(0.85, 0.95, over='rest - 1st')",
        ),
        (
            one_cycle_momentum("100%"),
            "Cosine(0.95, 0.85, over='30% - 1st') >> Cosine(0.85, 0.95, over='70%')",
        ),
        (yolo(lr0=0.01, lrf=0.2), "Cosine(0.01, 0.002) * Linear(0.0, 1.0, over='3ep')"),
        (
            wsd(warmup="5ep", cooldown="20%"),
            "Linear(0.0, BASE, over='5ep + 1st').shift(-1) >> Constant(BASE, over='rest - 20%') "
            ">> Linear(BASE, 0.0, over='20%')",
        ),
        (
            wsd("100%", warmup="5ep", cooldown=0.2),
            "Linear(0.0, BASE, over='5ep + 1st').shift(-1) >> Constant(BASE, over='80% - 5ep') "
            ">> Linear(BASE, 0.0, over='20%')",
        ),
        (
            wsd(warmup="5ep", cooldown=0.2),
            "Linear(0.0, BASE, over='5ep + 1st').shift(-1) >> Constant(BASE, over='0.8rest - 1ep') "
            ">> Linear(BASE, 0.0)",
        ),
        (
            wsd(100, cooldown=20, power=2.0),
            "Constant(BASE, over=80) >> Polynomial(BASE, 0.0, over=20, power=2.0)",
        ),
        (
            cyclic_cosine_decay(15, 0.0, 10, 2),
            "Cosine(BASE, 0.0, over=15) >> Cosine(BASE, 0.0, over=10).repeat(stretch=2)",
        ),
        (
            piecewise_constant([2, "1ep"], rates=[0.1, 0.5 * BASE, 0.2]),
            "Constant(0.1, over=2) >> Constant(0.5 * BASE, over='1ep - 2st') >> Constant(0.2)",
        ),
        (
            polynomial("50%", power=2.0, floor=0.1, warmup=4),
            "Linear(0.0, BASE, over=5).shift(-1) >> Polynomial(BASE, 0.1, over='50% - 4st', power=2.0)",
        ),
        (polynomial(k=2.0), "Polynomial(BASE, 0.0, k=2.0)"),
        (inverse_sqrt("1ep"), "Linear(0.0, BASE, over='1ep + 1st').shift(-1) >> InverseSqrt('1ep')"),
        (inverse_sqrt(9, warmup=0), "InverseSqrt(9)"),
        (noam(d_model=16, warmup=4), "Linear(0.0, 0.125, over=4).shift(-1) >> InverseSqrt(4, start=0.125)"),
        (
            power_scheduler(peak=0.5, a=1.0, b=0.5, warmup=1, unit="st"),
            "Linear(0.0, 0.5, over=2).shift(-1) >> Constant(0.5, over=3) "
            ">> PowerLaw(0.5, start=0.5, timescale=4)",
        ),
        (adafactor(), "minimum(Constant(0.01), InverseSqrt(1, start=1.0))"),
        (
            adafactor(warmup_init=True),
            "Linear(0.0, 0.01, over=10000).shift(-1) >> InverseSqrt(10000, start=0.01)",
        ),
        (
            chebyshev(steps=2, small=0.5, per=3, peak=1.0),
            "(Constant(1.744520838205434, over=3) >> Constant(1.0790085735592718, over=3)).repeat()",
        ),
        (
            cosine(cycles=4, warmup=8),
            "Linear(0.0, BASE, over=9).shift(-1) >> Cosine(BASE, 0.0, over='0.25rest') "
            ">> Cosine(BASE, 0.0, over='1/3rest') >> Cosine(BASE, 0.0, over='0.5rest') >> Cosine(BASE, 0.0)",
        ),
        (
            cosine("100%", cycles=4, warmup=8),
            "Linear(0.0, BASE, over=9).shift(-1) >> Cosine(BASE, 0.0, over='25% - 2st').repeat(4)",
        ),
        (
            sgdr(10, stretch=2, gain=0.5, up=2),
            "(Linear(0.0, BASE, over=2) >> Cosine(BASE, 0.0, over=8)).repeat(stretch=2, gain=0.5)",
        ),
        (
            sgdr(10, floor=0.1, gain=0.5, cycles=2, up=2),
            "(Linear(0.0, BASE, over=2) >> Cosine(BASE, 0.0, over=8)).repeat(2, gain=0.5) "
            "+ (Linear(0.1, 0.0, over=2) >> Cosine(0.0, 0.1, over=8)).repeat(2)",
        ),
        (
            slanted_triangular(),
            "Linear(0.03125 * BASE, BASE, over='0.1rest') >> Linear(BASE, 0.03125 * BASE)",
        ),
        (
            slanted_triangular("100%", up="2ep"),
            "Linear(0.03125 * BASE, BASE, over='2ep') >> Linear(BASE, 0.03125 * BASE, over='100% - 2ep')",
        ),
        (wsd(8, cooldown=0.75, ease="cosine"), "Constant(BASE, over=2) >> Cosine(BASE, 0.0, over=6)"),
        (
            wsd("100%", warmup=10, cooldown="50% - 10st"),
            "Linear(0.0, BASE, over=11).shift(-1) >> Constant(BASE, over='50%') "
            ">> Linear(BASE, 0.0, over='50% - 10st')",
        ),
        (
            infinite(10, warmup=4),
            "Linear(0.0, BASE, over=5).shift(-1) >> Cosine(BASE, 0.1 * BASE, over=10) "
            ">> Constant(0.1 * BASE)",
        ),
        (
            Constant().cooldown("75%", over="2ep", stop=0.05, ease="cosine"),
            "Constant(BASE).cooldown('75%', over='2ep', stop=0.05, ease='cosine')",
        ),
        (warmup(4), "warmup(4)"),
        (warmup(4, start=0.1, ease="cosine"), "warmup(4, start=0.1, ease='cosine')"),
        (untuned_warmup(0.999), "warmup(1999)"),
        (untuned_warmup(0.999, ease="exponential"), "ExponentialWarmup(1000)"),
        (
            wsd("100%", cooldown="20%", floor=0.1 * BASE, ease="geometric"),
            "Constant(BASE, over='80%') >> Geometric(BASE, 0.1 * BASE, over='20%')",
        ),
        (
            cyclic(0, low=0.1, high=1, down=4),
            "(Linear(0.1, 1.0, over=0) >> Linear(1.0, 0.1, over=4)).repeat()",
        ),
        (
            cyclic(4, low=0.1, high=1, shape="sine"),
            "(Ramp(0.1, 1.0, over=4, ease='quarter_sine') >> "
            "Ramp(1.0, 0.1, over=4, ease='quarter_cosine')).repeat()",
        ),
    ],
)
def test_what_it_is_made_of(recipe: Schedule, written: str) -> None:
    assert repr(recipe) == written


@pytest.mark.parametrize(
    ("recipe", "values"),
    [
        # Step → value.
        (cosine(), {0: 1.0, 50: 0.5, 99: 0.000247, 100: 0.0}),
        (linear(warmup=199), {0: 0.005, 99: 0.5, 198: 0.995, 199: 0.0}),  # longer than the run
        (linear(warmup=4), {0: 0.2, 3: 0.8, 4: 1.0, 52: 0.5, 99: 1 / 96}),
        (sgdr(5, stretch=2), {0: 1.0, 5: 1.0, 14: 0.024472, 15: 1.0, 16: 0.993844, 35: 1.0}),
        (sgdr(8, stretch="1/2", gain=0.5), {0: 1.0, 7: 0.03806, 8: 0.5, 12: 0.25, 14: 0.125, 15: 0.0}),
        (sgdr(10, gain=0.5, floor=0.1), {0: 1.0, 10: 0.5, 20: 0.25, 5: 0.55, 15: 0.3}),
        (sgdr(10, cycles=2), {19: 0.024472, 20: 0.0, 99: 0.0}),
        (cyclic(4, low=0.1, high=0.5, down=2), {0: 0.1, 2: 0.3, 4: 0.5, 5: 0.3, 6: 0.1, 10: 0.5}),
        (cyclic(2, low=0.1, high=0.5, mode="triangular2"), {2: 0.5, 4: 0.1, 6: 0.3, 10: 0.2, 8: 0.1}),
        (cyclic(2, low=0.1, high=0.5, gain=0.25), {2: 0.5, 4: 0.1, 6: 0.2}),
        (cyclic(2, low=0.1, high=0.5, cycles=1), {2: 0.5, 4: 0.1, 6: 0.1}),
        (cyclic(2, low=0.1, high=0.5, mode="exp_range", gamma=0.5), {0: 0.1, 2: 0.2, 4: 0.1, 6: 0.10625}),
        (cyclic(2, low=0.1, high=0.5, mode="exp_range", gamma=0.5, per="1ep"), {2: 0.1 + 0.4 * 0.5**0.2}),
        (cyclic(2, low=0.1, high=0.5, mode="exp_range_both", gamma=0.5), {0: 0.1, 2: 0.125, 4: 0.00625}),
        (
            cyclic(2, low=0.1, high=0.5, mode="exp_range_both", gamma=0.5, gain=0.5),
            {0: 0.1, 2: 0.125, 6: 0.3 / 64},
        ),
        (cyclic(2, low=0, high=0.1).under(0.95), {0: 0.95, 2: 0.85, 4: 0.95}),
        (one_cycle(peak=1.0), {0: 0.04, 29: 1.0, 99: 4e-6, 100: 4e-6}),
        (one_cycle(peak=1.0, three_phase=True), {0: 0.04, 29: 1.0, 58: 0.04, 99: 4e-6}),
        (one_cycle(peak=1.0, up=0.5, div=10, final_div=1), {0: 0.1, 49: 1.0, 99: 0.1}),
        (one_cycle_momentum(), {0: 0.95, 29: 0.85, 99: 0.95}),
        (yolo(lr0=0.01, lrf=0.2, warmup=10), {0: 0.0, 5: 0.5 * 0.009951, 10: 0.009804, 100: 0.002}),
        (wsd(warmup=9, cooldown=20), {0: 0.1, 8: 0.9, 9: 1.0, 80: 1.0, 90: 0.5, 99: 0.05, 100: 0.0}),
        (wsd(cooldown=20, floor=0.1), {0: 1.0, 80: 1.0, 100: 0.1}),
        # Peaks of warmup and initial decay: init_lr, else restart_lr, else the base rate.
        (cyclic_cosine_decay(4, 0.1), {0: 1.0, 2: 0.55, 4: 0.1, 99: 0.1}),
        (cyclic_cosine_decay(4, 0.1, 4, restart_lr=0.5), {0: 0.5, 4: 0.5, 8: 0.5}),
        (cyclic_cosine_decay(4, 0.1, 4, restart_lr=0.5, init_lr=2.0), {0: 2.0, 4: 0.5, 8: 0.5}),
        (cyclic_cosine_decay(4, 0.1, 4, init_lr=2.0), {0: 2.0, 4: 2.0}),
        (cyclic_cosine_decay(4, 0.1, 4, 1), {4: 1.0, 8: 1.0, 12: 1.0}),
        (cyclic_cosine_decay(4, 0.1, 4, 2), {4: 1.0, 8: 1.0, 16: 1.0, 32: 1.0, 31: 0.108647}),
        (cyclic_cosine_decay(4, 0.0, 4, "1/2"), {4: 1.0, 8: 1.0, 10: 1.0, 11: 0.0, 99: 0.0}),
        (
            cyclic_cosine_decay(4, 0.1, warmup_epochs=4, warmup_start_lr=0.2),
            {0: 0.2, 1: 0.4, 4: 1.0, 8: 0.1},
        ),
        (
            cyclic_cosine_decay(4, 0.1, warmup_epochs=4, warmup_start_lr=0.2, warmup_shape="cosine"),
            {0: 0.2, 1: 0.317157, 4: 1.0},
        ),
        # The later part owns the boundary: the second rate is used at its own.
        (piecewise_constant([2, "1ep"], rates=[0.1, 0.5, 0.2]), {1: 0.1, 2: 0.5, 9: 0.5, 10: 0.2, 99: 0.2}),
        (
            polynomial("50%", power=2.0, floor=0.1, warmup=4),
            {0: 0.2, 3: 0.8, 4: 1.0, 27: 0.325, 50: 0.1, 99: 0.1},
        ),
        (polynomial(k=2.0), {0: 1.0, 50: 0.75, 100: 0.0}),
        (
            Constant().cooldown("75%", over="2ep", stop=0.05, ease="cosine"),
            {74: 1.0, 75: 1.0, 85: 0.525, 95: 0.05, 99: 0.05},
        ),
        (Constant().cooldown("75%", over=10, stop=2.0), {75: 1.0, 80: 1.5, 85: 2.0}),
        (warmup(4), {0: 0.2, 3: 0.8, 4: 1.0, 99: 1.0}),
        (warmup(4, ease="one_minus_square"), {0: 0.04, 1: 0.16, 4: 1.0}),
        (warmup(4, start=0.1, ease="cosine"), {0: 0.1, 2: 0.55, 4: 1.0}),
        (warmup(0), {0: 1.0}),
        (untuned_warmup(0.999), {0: 0.0005, 999: 0.5, 1998: 0.9995, 1999: 1.0, 5000: 1.0}),
        (untuned_warmup(0.99, ease="exponential"), {99: 1 - 1 / math.e}),
        (wsd(cooldown=20, floor=0.01, ease="geometric"), {80: 1.0, 90: 0.1, 100: 0.01}),
        (wsd(cooldown=0.3, ease="cosine"), {0: 1.0, 70: 1.0, 85: 0.5, 100: 0.0}),
        (
            wsd(warmup=4, cooldown="70% - 4st"),
            {0: 0.2, 4: 1.0, 33: 1.0, 34: 1.0, 67: 0.5, 100: 0.0},
        ),
        (infinite(10, warmup=4), {0: 0.2, 4: 1.0, 9: 0.55, 14: 0.1, 10**6: 0.1}),
        (slanted_triangular(), {0: 1 / 32, 10: 1.0, 55: 0.515625, 100: 1 / 32}),
        (
            cosine(cycles=4, warmup=20),
            {0: 1 / 21, 10: 11 / 21, 20: 1.0, 30: 0.5, 40: 1.0, 80: 1.0, 100: 0.0},
        ),
        (cosine("100%", cycles=4, warmup=20), {0: 1 / 21, 10: 11 / 21, 20: 1.0, 30: 0.5, 80: 1.0, 100: 0.0}),
        (
            sgdr(10, stretch=2, floor=0.2, gain=0.5, up=2),
            {
                0: 0.2,
                1: 0.6,
                2: 1.0,
                6: 0.6,
                10: 0.2,
                12: 0.35,
                14: 0.5,
                22: 0.35,
                30: 0.2,
                34: 0.25 * 0.5 + 0.1,
            },
        ),
        (cyclic(0, low=0.1, high=1.0, down=4), {0: 1.0, 2: 0.55, 4: 1.0}),
        (cyclic(4, low=0.1, high=1.0, shape="sine"), {0: 0.1, 2: 0.1 + 0.9 * math.sqrt(0.5), 4: 1.0, 8: 0.1}),
        (cyclic(4, low=0.1, high=1.0, shape="cosine"), {0: 0.1, 1: 0.231802, 2: 0.55, 4: 1.0, 8: 0.1}),
    ],
    ids=strategies.expression,
)
def test_values(recipe: Schedule, values: dict[int, float]) -> None:
    table = recipe.on(RUN)
    assert table([*values]) == pytest.approx(np.array([*values.values()]), abs=1e-6)


@pytest.mark.parametrize(
    ("recipe", "phases"),
    [
        (wsd(warmup=10, cooldown="70%"), {"linear": 0, "constant": 10, "linear ": 30}),
        (infinite(20, warmup=10), {"linear": 0, "cosine": 10, "constant": 30}),
        (
            infinite(20, warmup=10).cooldown(80, over=10),
            {"linear": 0, "cosine": 10, "constant": 30, "cooldown": 80, "hold": 90},
        ),
        (infinite(20, warmup=10).shift(5), {"hold": 0, "linear": 5, "cosine": 15, "constant": 35}),
        (inverse_sqrt(10), {"linear": 0, "inversesqrt": 10}),
        (wsd(cooldown=0.75, ease="cosine"), {"constant": 0, "cosine": 25}),
        (wsd(cooldown=20, ease="mirror_cosine"), {"constant": 0, "mirror_cosine": 80}),
        (Constant().cooldown("75%", over=10, stop=0.1), {"constant": 0, "cooldown": 75, "hold": 85}),
        (piecewise_constant([30], rates=[0.1, 0.2]), {"constant": 0, "constant ": 30}),
        (slanted_triangular(), {"linear": 0, "linear ": 10}),
        (untuned_warmup(0.9), {"warmup": 0, "hold": 19}),
    ],
    ids=strategies.expression,
)
def test_phases(recipe: Schedule, phases: dict[str, int]) -> None:
    assert [(phase.name, phase.start) for phase in recipe.on(RUN).phases] == [
        (name.strip(), start) for name, start in phases.items()
    ]


@pytest.mark.parametrize(
    "recipe",
    [
        Constant().cooldown("75%", over=10, stop=0.1 * BASE, ease="cosine"),
        infinite(10, warmup=4),
        wsd(warmup=4, cooldown="50%", floor=0.1 * BASE),
        inverse_sqrt(4),
        sgdr(10, floor=0.1 * BASE, gain=0.5, up=2),
        cosine(cycles=3, warmup=4),
        chebyshev(steps=4),
        wsd(warmup=4, cooldown=10, floor=0.1 * BASE, ease="geometric"),
        piecewise_constant([2], rates=[BASE, 0.5 * BASE]),
        cyclic(4, low=0.1 * BASE, mode="exp_range", gamma=0.9, shape="sine"),
        cosine() * warmup(4),
    ],
    ids=strategies.expression,
)
def test_each_group_follows_its_own_base_rate(recipe: Schedule) -> None:
    table = recipe.on(RUN)
    bases = np.array([1.0, 0.1, 3.0])
    assert table(range(100), base=bases) == pytest.approx(table(range(100))[:, None] * bases, rel=1e-12)


def test_one_cycle_over_a_run_of_three_epochs() -> None:
    table = one_cycle(peak=1.0).on(Horizon.of(4, epochs=3))
    expected = [
        0.04,
        0.34979,
        0.87929,
        0.99442,
        0.93301,
        0.81175,
        0.64738,
        0.46264,
        0.28306,
        0.13348,
        0.03457,
        0,
    ]
    assert table(range(12)) == pytest.approx(np.array(expected), abs=1e-5)


@pytest.mark.parametrize("total", [2, 3, 4, 5, 10])
@pytest.mark.parametrize("up", [0.5, 0.9])
def test_the_shortest_one_cycles_are_finite(total: int, up: float) -> None:
    values = one_cycle(peak=1.0, up=up).on(Horizon(total=total))(range(total + 1))
    assert np.isfinite(values).all()
    assert values[total - 1] == values[total] == pytest.approx(4e-6)
    assert values.max() <= 1.0


@given(st.integers(0, 40), st.integers(1, 60), st.integers(0, 60))
def test_warmups_never_waste_an_update(warmup: int, decay: int, stable: int) -> None:
    horizon = Horizon(total=warmup + stable + decay)
    for plan in (wsd(warmup=warmup, cooldown=decay), linear(warmup=warmup)):
        values = plan.on(horizon)(range(warmup + stable + decay))
        assert (values > 0).all()
        assert values[warmup] == 1.0 or stable + decay == 0
        assert values[:warmup] == pytest.approx(np.arange(1, warmup + 1) / (warmup + 1), rel=1e-14)


def test_the_stages_of_the_clr_paper_are_one_expression() -> None:
    # 16k, 6k and 3k steps, each stage at a tenth of the bounds of the last.
    wave = cyclic(1000, low=0.1, high=1.0, cycles=8) >> cyclic(1000, low=0.01, high=0.1, cycles=3)
    plan = wave >> Constant(0.001, over=3000)
    table = plan.on(Horizon())
    assert table.steps == 25_000
    assert table([1000, 15_000, 16_000, 17_000, 22_000]) == pytest.approx([1.0, 1.0, 0.01, 0.1, 0.001])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Constant(-1), r"Constant\(level=\) must be at least 0; got -1"),
        (lambda: time_decay(-1), r"time_decay\(decay_rate=\) must be .* at least 0; got -1"),
        (lambda: exponential(0), r"exponential\(gamma=\) must be .* more than 0; got 0"),
        (lambda: step(0), r"step\(every=\) must be more than 0; got 0"),
        (lambda: multistep([]), r"multistep\(at=\) must be a list of durations; got \[\]"),
        (lambda: cosine(floor=-1), r"cosine\(floor=\) must be at least 0; got -1"),
        (lambda: linear(warmup=-5), r"linear\(warmup=\) must be at least 0; got -5"),
        (lambda: linear("5 apples"), r"linear\(over=\) has the unknown unit 'apples'"),
        (lambda: sgdr(10, stretch=0), r"sgdr\(stretch=\) must be more than 0; got 0"),
        (lambda: sgdr(10, gain=-1), r"sgdr\(gain=\) must be .* at least 0; got -1"),
        (lambda: sgdr(10, cycles=0), r"sgdr\(cycles=\) must be a whole number, at least 1; got 0"),
        (
            lambda: cyclic(4, low=0.5, high=0.1),
            r"cyclic\(high=\) less cyclic\(low=\) must be at least 0; got -0.4",
        ),
        (lambda: cyclic(4, low=-0.5, high=0.1), r"cyclic\(low=\) must be at least 0; got -0.5"),
        (
            lambda: cyclic(4, low=0.1, high=0.5, mode="triangle"),
            r"cyclic\(mode=\) must be one of .* did you mean 'triangular'",
        ),
        (
            lambda: cyclic(4, low=0.1, high=0.5, gamma=0.9),
            r"cyclic\(gamma=\) belongs to the exp_range modes; got gamma=0.9",
        ),
        (
            lambda: cyclic(4, low=0.1, high=0.5, mode="exp_range", gamma=0),
            r"cyclic\(gamma=\) must be .* more than 0",
        ),
        (
            lambda: one_cycle(up=0),
            r"one_cycle\(over=\) must be long enough for each phase, and the way up a step .*; got .*up=0$",
        ),
        (
            lambda: one_cycle(up=1.0),
            r"one_cycle\(up=\) must be a share in \(0, 1\), or a length such as '5ep' .*; got 1.0",
        ),
        (
            lambda: one_cycle(up=0.6, three_phase=True),
            r"one_cycle\(up=\) must be at most 0.5 with three phases; got 0.6",
        ),
        (lambda: one_cycle(4, up=5), r"one_cycle\(over=\) must be long enough .*; got over=4, up=5"),
        (lambda: one_cycle(4, up=3, three_phase=True), r"one_cycle\(over=\) must be long enough .*"),
        (lambda: one_cycle(div=0.5), r"one_cycle\(div=\) must be .* at least 1; got 0.5"),
        (lambda: one_cycle(final_div=math.inf), r"one_cycle\(final_div=\) must be finite; got inf"),
        (
            lambda: one_cycle(ease="cos"),
            r"one_cycle\(ease=\) must be one of .*; got 'cos'; did you mean 'cosine'",
        ),
        (lambda: one_cycle(three_phase=1), r"one_cycle\(three_phase=\) must be True or False; got 1"),
        (lambda: one_cycle(over=-1), r"one_cycle\(over=\) must be at least 0; got -1"),
        (lambda: one_cycle_momentum(up=1.0), r"one_cycle_momentum\(up=\) must be a share in \(0, 1\)"),
        (lambda: yolo(lrf=-1), r"yolo\(lrf=\) must be .* at least 0; got -1"),
        (lambda: yolo(lr0=-1), r"yolo\(lr0=\) must be at least 0; got -1"),
        (lambda: wsd(warmup=-1, cooldown=5), r"wsd\(warmup=\) must be at least 0; got -1"),
        (lambda: wsd(warmup=1, cooldown=None), r"wsd\(cooldown=\) must be a duration"),  # type: ignore[arg-type]
        (
            lambda: wsd(warmup=1, cooldown=5, ease="tanh"),
            r"wsd\(ease=\) must be one of 'linear', 'cosine', 'one_minus_sqrt', .*; got 'tanh'",
        ),
        (
            lambda: wsd(warmup=1, cooldown=5, ease="geometric"),
            r"wsd\(floor=\) must be more than 0 with ease='geometric', .*; write floor=0.001 \* BASE",
        ),
        (lambda: warmup(4, ease="geometric"), r"warmup\(ease=\) must be one of .*; got 'geometric'"),
        (
            lambda: cyclic_cosine_decay(15, 0.1, warmup_epochs=5),
            r"takes warmup_epochs and warmup_start_lr together; got warmup_epochs=5 and warmup_start_lr=None",
        ),
        (
            lambda: cyclic_cosine_decay(15, 0.1, warmup_start_lr=0.1),
            r"takes warmup_epochs and warmup_start_lr together; got warmup_epochs=None",
        ),
        (
            lambda: cyclic_cosine_decay(15, 0.1, restart_interval_multiplier=2),
            r"takes restart_interval_multiplier with a restart_interval only; got .*_multiplier=2",
        ),
        (
            lambda: cyclic_cosine_decay(15, 0.1, 5, -2),
            r"cyclic_cosine_decay\(restart_interval_multiplier=\) must be more than 0; got -2",
        ),
        (
            lambda: cyclic_cosine_decay(15, 0.1, warmup_shape="tanh"),
            r"cyclic_cosine_decay\(warmup_shape=\) must be one of .*; got 'tanh'",
        ),
        # On a horizon.
        (
            lambda: one_cycle().on(Horizon()),
            r"is 0.3rest - 1st, what is left of the run, but the horizon has no total",
        ),
        (
            lambda: one_cycle("100%").on(Horizon()),
            r"is 30% - 1st, a share of the run, but the horizon has no total",
        ),
        (
            lambda: one_cycle().on(Horizon(total=2)),
            r"is 0.3rest - 1st = -0.4 steps on this horizon .* less than none",
        ),
        (
            lambda: wsd(warmup="50ep", cooldown="60ep").on(Horizon(10, "100ep")),
            r"is rest - 60ep = -100 steps on this horizon",
        ),
        (
            lambda: wsd("100%", warmup="50ep", cooldown="60ep").on(Horizon(10, "100ep")),
            r"is 100% - 110ep = -100 steps on this horizon",
        ),
        (lambda: linear("100%", warmup=200).on(RUN), r"is 100% - 200st = -100 steps on this horizon"),
        (
            lambda: warmup("5% - 1st").on(Horizon(total=10)),
            r"is 5% - 1st = -0.5 steps on this horizon .* less than none",
        ),
        (
            lambda: wsd(warmup="5% - 1st", cooldown="90%").on(Horizon(total=10)),
            r"is 5% - 1st = -0.5 steps on this horizon .* less than none",
        ),
        (lambda: sgdr("1ep - 10st").on(RUN), r"has no length on this horizon .*, so it cannot be repeated"),
        (lambda: yolo().on(Horizon(total=10)), r"is 3ep, in epochs, but the horizon has no steps_per_epoch"),
    ],
)
def test_what_is_refused(build: Any, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        build()


def test_a_warmup_of_which_a_run_leaves_no_step_is_none() -> None:
    plan, run = wsd(warmup="10% - 1st", cooldown="95%"), Horizon(total=10)
    assert plan.on(run)(range(9)).tolist() == wsd(cooldown="95%").on(run)(range(9)).tolist()


@pytest.mark.parametrize(
    "arguments",
    [{"peak": 1e-300}, {"peak": 5e-324}, {"peak": 1e300}, {"a": 1e300}, {"a": 1e-300}, {"b": 1e-300}],
    ids=str,
)
def test_d7_power_scheduler_refuses_a_crossing_that_is_no_duration(arguments: dict[str, float]) -> None:
    with pytest.raises(EtudeError, match=r"^power_scheduler comes below its peak at \(a / peak\)\^\(1 / b\)"):
        power_scheduler(**{"peak": 0.02, **arguments})
