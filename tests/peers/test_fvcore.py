"""fvcore: every class of ``fvcore.common.param_scheduler``, asked at where = step / total for each step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from fvcore.common import param_scheduler as fvcore
from hypothesis import given
from hypothesis import strategies as st

from etude import Constant, Cosine, Exponential, Horizon, Linear, Polynomial, Steps, piecewise_constant
from tests.peers.compare import assert_same, floors, rates, shares

totals = st.integers(5, 120)


def run(theirs: Callable[[float], float], total: int) -> list[float]:
    return [theirs(step / total) for step in range(total)]


def percent(share: Fraction) -> str:
    return f"{share * 100}%"


@given(rates, totals)
def test_constant(rate: float, total: int) -> None:
    assert_same(Constant(rate), run(fvcore.ConstantParamScheduler(rate), total))


@given(rates, floors, totals)
def test_cosine(rate: float, floor: float, total: int) -> None:
    assert_same(Cosine(rate, floor, over="100%"), run(fvcore.CosineParamScheduler(rate, floor), total))


@given(rates, st.floats(1e-4, 1.5), totals)
def test_exponential(rate: float, decay: float, total: int) -> None:
    ours = Exponential(decay, start=rate, per="100%")
    assert_same(ours, run(fvcore.ExponentialParamScheduler(rate, decay), total))


@given(rates, rates, totals)
def test_linear(start: float, stop: float, total: int) -> None:
    assert_same(Linear(start, stop, over="100%"), run(fvcore.LinearParamScheduler(start, stop), total))


@given(rates, st.floats(0.2, 4), totals)
def test_polynomial(rate: float, power: float, total: int) -> None:
    ours = Polynomial(rate, over="100%", power=power)
    assert_same(ours, run(fvcore.PolynomialDecayParamScheduler(rate, power), total))


@given(st.lists(rates, min_size=2, max_size=5), totals)
def test_step(values: list[float], total: int) -> None:
    ours = piecewise_constant(
        [percent(Fraction(i, len(values))) for i in range(1, len(values))], rates=values
    )
    assert_same(ours, run(fvcore.StepParamScheduler(total, values), total))


@given(rates, st.integers(1, 5), shares, totals)
def test_step_with_fixed_gamma(rate: float, drops: int, gamma: float, total: int) -> None:
    theirs = fvcore.StepWithFixedGammaParamScheduler(rate, drops, gamma, total)
    ours = Steps(percent(Fraction(1, drops + 1)), gamma, start=rate)
    assert_same(ours, run(theirs, total))


@given(st.data(), totals)
def test_multi_step(data: st.DataObject, total: int) -> None:
    at = sorted(data.draw(st.sets(st.integers(1, total - 1), min_size=1, max_size=min(4, total - 2))))
    values = data.draw(st.lists(rates, min_size=len(at) + 1, max_size=len(at) + 1))
    ours = piecewise_constant(at, rates=values)
    assert_same(ours, run(fvcore.MultiStepParamScheduler(values, total, at), total))
    assert_same(ours, run(fvcore.MultiStepParamScheduler(values, None, [*at, total]), total))


@given(rates, rates, floors, st.integers(1, 9), st.integers(10, 120))
def test_composite_rescaled(low: float, high: float, floor: float, tenths: int, total: int) -> None:
    theirs = fvcore.CompositeParamScheduler(
        [fvcore.LinearParamScheduler(low, high), fvcore.CosineParamScheduler(high, floor)],
        [tenths / 10, 1 - tenths / 10],
        ["rescaled", "rescaled"],
    )
    ours = Linear(low, high, over=f"{10 * tenths}%") >> Cosine(high, floor, over=f"{100 - 10 * tenths}%")
    assert_same(ours, run(theirs, total))


@given(rates, rates, floors, st.integers(1, 9), st.integers(10, 120))
def test_composite_fixed(low: float, high: float, floor: float, tenths: int, total: int) -> None:
    # Fixed: each part goes on as if it had run from the start, so the second is entered in its middle.
    theirs = fvcore.CompositeParamScheduler(
        [fvcore.LinearParamScheduler(low, high), fvcore.CosineParamScheduler(high, floor)],
        [tenths / 10, 1 - tenths / 10],
        ["fixed", "fixed"],
    )
    cut = f"{10 * tenths}%"
    ours = Linear(low, high, over="100%").until(cut) >> Cosine(high, floor, over="100%").shift(f"-{cut}")
    assert_same(ours, run(theirs, total))


def test_past_the_end_theirs_raises_or_goes_astray_and_ours_holds() -> None:
    for raising, error in [
        (fvcore.ConstantParamScheduler(0.1), RuntimeError),
        (fvcore.StepParamScheduler(10, [0.1, 0.01]), IndexError),
    ]:
        with pytest.raises(error, match=r"must be in \[0, 1\]|index out of range"):
            raising(1.0)
    assert fvcore.CosineParamScheduler(1.0, 0.0)(2.0) == 1.0
    assert isinstance(fvcore.PolynomialDecayParamScheduler(1.0, 0.5)(1.5), complex)
    assert fvcore.LinearParamScheduler(1.0, 0.0)(1.5) == -0.5
    for plan in (Cosine(1.0, over="100%"), Polynomial(1.0, over="100%", power=0.5), Linear(1.0, over="100%")):
        assert plan.on(Horizon(total=10))([10, 15, 20]).tolist() == [0.0, 0.0, 0.0]


def test_theirs_drops_a_millionth_of_the_run_early() -> None:
    # In a run of two million updates the drop at one half comes one update early; ours is exact.
    theirs, total = fvcore.StepParamScheduler(1, [1.0, 0.5]), 2_000_000
    assert [theirs(step / total) for step in (999_997, 999_998, 1_000_000)] == [1.0, 0.5, 0.5]
    ours = Steps("50%", 0.5, start=1.0).on(Horizon(total=total))
    assert ours([999_998, 999_999, 1_000_000]).tolist() == [1.0, 1.0, 0.5]


def test_all_of_it_is_here() -> None:
    assert set(fvcore.__all__) == {
        "ParamScheduler",
        "CompositeParamScheduler",
        "ConstantParamScheduler",
        "CosineParamScheduler",
        "ExponentialParamScheduler",
        "LinearParamScheduler",
        "MultiStepParamScheduler",
        "PolynomialDecayParamScheduler",
        "StepParamScheduler",
        "StepWithFixedGammaParamScheduler",
    }
