"""Code for torch: run, beside the schedule, at every step."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from etude import BASE, Constant, Cosine, Exponential, Horizon, Linear, Polynomial, Schedule, Steps, parse
from etude.convert import convert
from etude.eases import Array
from etude.errors import EtudeError, ScheduleError
from etude.schedules import factors, laws, shapes
from etude.timeline import Clock
from tests.strategies import HORIZON, STEPS, schedules

BASES = (0.1, 0.03)
RUN = Horizon(steps_per_epoch=10, total=100)


def rates(code: str, steps: int) -> np.ndarray[Any, Any]:
    """What the code's schedulers make of two groups, step by step."""
    names: dict[str, Any] = {}
    exec(code, names)
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": base} for base in BASES])
    scheduler = names["make_scheduler"](optimizer)
    used = []
    for step in range(steps):
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return np.array(used)


def assert_equal(plan: Schedule, horizon: Horizon, steps: int) -> str:
    """The code is equal to the schedule at every step; returns the code."""
    code = convert(plan, to="torch", horizon=horizon)
    wanted = plan.on(horizon)(range(steps), BASES)
    # torch's own classes multiply step by step, so that what has fallen far carries the peak's rounding.
    np.testing.assert_allclose(rates(code, steps), wanted, rtol=1e-12, atol=1e-13 * wanted.max())
    return code


@given(schedules)
def test_whatever_can_be_written_is_equal(plan: Schedule) -> None:
    try:
        convert(plan, to="torch", horizon=HORIZON)
    except EtudeError:
        assume(False)
    assert_equal(plan, HORIZON, STEPS)


multiples = st.floats(0.01, 1).map(lambda factor: factor * BASE)
lengths = st.integers(1, 60)
STOCK = st.one_of(
    st.builds(Constant, multiples, over=lengths),
    st.builds(Linear, multiples, multiples, over=lengths),
    st.builds(Cosine, st.just(BASE), st.floats(0, 0.02), over=lengths),
    st.builds(Polynomial, st.just(BASE), st.just(0.0), over=lengths, power=st.floats(0.5, 3)),
    st.builds(lambda gamma, at: Exponential(gamma).until(at), st.floats(0.8, 1), lengths),
    st.builds(lambda gamma, every, at: Steps(every, gamma).until(at), st.floats(0.1, 1), lengths, lengths),
    st.builds(
        lambda gamma, at, stop: Steps(gamma=gamma, at=at).until(stop),
        st.floats(0.1, 1),
        st.lists(lengths, min_size=1, max_size=3),
        lengths,
    ),
)


@given(st.lists(STOCK, min_size=1, max_size=5), st.integers(1, 3))
def test_pieces_that_torch_has_need_no_lambda(parts: list[Schedule], multiplier: int) -> None:
    plan = parts[0]
    for part in (*parts[1:], Cosine(BASE, 0.001, over=20).repeat(stretch=multiplier)):
        plan = plan >> part

    code = assert_equal(plan, HORIZON, STEPS)

    assert "LambdaLR" not in code
    assert "CosineAnnealingWarmRestarts" in code or plan.length(Clock(HORIZON)) is None


@pytest.mark.parametrize(
    ("expression", "classes"),
    [
        ("Constant()", ["ConstantLR"]),
        ("Constant(0.1 * BASE)", ["ConstantLR"]),
        ("cosine()", ["CosineAnnealingLR"]),
        ("linear()", ["LinearLR"]),
        ("linear(warmup='1ep')", ["SequentialLR", "LinearLR", "LinearLR"]),
        ("wsd(warmup='1ep', cooldown='2ep')", ["SequentialLR", "LinearLR", "ConstantLR", "LinearLR"]),
        (
            "Linear(0.01 * BASE, BASE, over='1ep') >> cosine('9ep')",
            ["SequentialLR", "LinearLR", "CosineAnnealingLR"],
        ),
        ("step('3ep', 0.5)", ["StepLR"]),
        ("multistep([30, 30, 60])", ["MultiStepLR"]),
        ("exponential(0.9).until(20) >> cosine(80)", ["SequentialLR", "ExponentialLR", "CosineAnnealingLR"]),
        ("Polynomial(over='100%', power=2)", ["PolynomialLR"]),
        ("sgdr(10, stretch=3, floor=0.001)", ["CosineAnnealingWarmRestarts"]),
        ("one_cycle(peak=0.1)", ["OneCycleLR"]),
        ("one_cycle(peak=0.1, up=0.25, ease='linear')", ["OneCycleLR"]),
        ("cyclic(7, low=0.01, high=0.1, down=12)", ["CyclicLR"]),
        (
            "Points([(0, 0.1 * BASE), (20, 0.5 * BASE), (100, 0.01 * BASE)])",
            ["SequentialLR", "LinearLR", "LinearLR"],
        ),
    ],
)
def test_the_stock_class_is_used_where_it_is_equal(expression: str, classes: list[str]) -> None:
    code = assert_equal(parse(expression), RUN, 100)

    assert re.findall(r"lr_scheduler\.(\w+)\(", code) == classes


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("Linear(0.0, BASE, over=10) >> cosine(90)", "LinearLR goes from above 0 to at most 1"),
        ("cosine('50%')", "CosineAnnealingLR climbs again after its T_max"),
        ("cosine(floor=0.1 * BASE)", "Cosine's stop is 0.1 * BASE, which differs with the base rate"),
        ("cosine(peak=0.1)", "Cosine(0.1, 0.0, over=100) has none"),
        ("Constant(2 * BASE)", "ConstantLR's factor is at most 1"),
        ("Constant(0.1)", "a constant is 0.1, no multiple of BASE"),
        ("sgdr(10, stretch='3/2')", "begins between two steps, at 47.5"),
        ("sgdr(1, stretch='1/2', cycles=3)", "has cycles that shrink"),
        ("Steps(2.5, 0.5)", "a stair is 2.5 steps, no whole number from 1 on"),
        ("Steps(2, 0.5).until(9)", "is held at its last value"),
        ("sgdr(2)", "CosineAnnealingWarmRestarts"),
        ("time_decay(0.1)", "InverseTime(0.1) has none"),
        ("yolo()", "has none"),
    ],
)
def test_a_lambda_says_why(expression: str, reason: str) -> None:
    code = assert_equal(parse(expression), RUN, 100)

    assert reason in code


@pytest.mark.parametrize(
    "plan",
    [
        Cosine(over=70, power=2, k=1.5),
        Polynomial(over=70, power=2, k=3),
        shapes.Ramp(over=50, ease="quarter_cosine"),
        shapes.Ramp(over=50, ease="quarter_sine"),
        shapes.Ramp(over=50, ease="mirror_cosine"),
        shapes.Ramp(over=50, ease="one_minus_sqrt"),
        shapes.Ramp(over=50, ease="one_minus_square"),
        shapes.Rex(over=90, beta=0.9),
        shapes.Tanh(over="60%"),
        shapes.Hyperbolic(over=50, upper="80%"),
        shapes.Hyperbolic(BASE, 0.1 * BASE, over=50, upper=50, geometric=True),
        shapes.Geometric(0.1, BASE, over=50),
        shapes.Points([(0, 0.1), (10, 0.5), (90, 0.0)], ease="cosine"),
        Constant(1.0).cooldown(40, over=30, ease="mirror_cosine"),
        laws.Sigmoid(0.1, middle=40, per=2),
        laws.Sigmoid(100.0, middle=40),
        laws.PolynomialCycles(30, power=2),
        BASE * factors.ExponentialWarmup(20),
        Cosine(over="100%") * factors.RAdamWarmup(0.99),
        laws.Custom("tests.convert.test_torch_code:wave").stretch("3/2"),
    ],
    ids=repr,
)
def test_every_shape_and_law_has_its_formula(plan: Schedule) -> None:
    assert "RATES" not in assert_equal(plan, RUN, 100)


def wave(step: float) -> float:
    """A user's function."""
    return 1.0 + step % 2


@dataclass(frozen=True, repr=False)
class Zigzag(shapes.Shape):
    """A shape that the writer does not know."""

    def along(self, p: Array) -> Array:
        return np.abs(3 * p % 2 - 1)


def test_what_has_no_formula_is_listed() -> None:
    assert "RATES" in assert_equal(Zigzag(over="50%") >> Zigzag(0.3 * BASE, BASE, over="50%"), RUN, 100)
    assert "RATES" in assert_equal(Zigzag(0.1, 0.2, over="100%"), RUN, 100)


@pytest.mark.parametrize(
    ("plan", "total", "message"),
    [
        (
            parse("cosine() * Plateau('loss')"),
            100,
            "is decided while training, so no function of the step is equal to it; convert the rest, and put",
        ),
        (
            Zigzag(over="100%"),
            10_001,
            "the run's 10,001 updates are too many to list (10,000 at most); use the",
        ),
        (
            Zigzag(BASE, 0.1, over="100%"),
            100,
            "it is neither a multiple of the base rate nor free of it; use the",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(plan: Schedule, total: int, message: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        convert(plan, to="torch", horizon=Horizon(total=total))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "module", ["base", "step", "share", "k", "x", "n", "rate", "plain", "optimizer", "lr_scheduler", "part_1"]
)
def test_d6_a_users_module_may_be_called_as_what_is_written(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{module}.py").write_text(
        "def workshare(t):\n    return 1 / (1 + t)\n\ndef share(t):\n    return 0.9**t\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    try:
        for name in ("workshare", "share"):
            plan = Linear(0.5, 1.0, over=3) * laws.Custom(f"{module}:{name}")
            code = convert(plan, to="torch", horizon=Horizon(total=8))
            assert rates(code, 8) == pytest.approx(plan.on(Horizon(total=8))(range(8), base=BASES), rel=1e-12)
        alone = convert(laws.Custom(f"{module}:workshare"), to="torch", horizon=Horizon(total=8))
        assert "def share(" not in alone
    finally:
        sys.modules.pop(module, None)
