"""Code for optax: run in float64, beside the schedule, at every step."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Cosine,
    Exponential,
    Geometric,
    Horizon,
    Linear,
    Points,
    Polynomial,
    Schedule,
    Steps,
    parse,
)
from etude.convert import convert
from etude.errors import ScheduleError

RUN = Horizon(steps_per_epoch=10, total=100)
STEPS = 100


def assert_equal(plan: Schedule, base: float = 0.3) -> None:
    """The code's schedule is equal at every step."""
    names: dict[str, Any] = {}
    exec(convert(plan, to="optax", horizon=RUN), names)
    with jax.enable_x64(True):
        made = names["make_schedule"](base) if plan.depends_on_base else names["make_schedule"]()
        found = np.array(jax.vmap(made)(jax.numpy.arange(STEPS)), dtype=np.float64) * np.ones(STEPS)
    wanted = plan.on(RUN)(range(STEPS), base)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14 * wanted.max())


levels = st.one_of(st.floats(0.01, 1), st.floats(0.01, 1).map(lambda factor: factor * BASE))
lengths = st.integers(1, 50)
PARTS = st.one_of(
    st.builds(Constant, levels, over=lengths),
    st.builds(Linear, levels, levels, over=lengths),
    st.builds(Cosine, st.one_of(levels, st.just(0.0)), levels, over=lengths),
    st.builds(Polynomial, levels, levels, over=lengths, power=st.floats(0.5, 3)),
    st.builds(Geometric, levels, levels, over=lengths),
    st.builds(
        lambda gamma, per, at: Exponential(gamma, per=per).until(at), st.floats(0.5, 1), lengths, lengths
    ),
    st.builds(lambda gamma, every, at: Steps(every, gamma).until(at), st.floats(0, 1), lengths, lengths),
    st.builds(
        lambda gamma, at, stop: Steps(gamma=gamma, at=at).until(stop),
        st.floats(0.1, 1),
        st.lists(lengths, min_size=1, max_size=3),
        lengths,
    ),
    st.lists(st.tuples(lengths, levels), min_size=2, max_size=4, unique_by=lambda pair: pair[0]).map(
        lambda pairs: Points(sorted(pairs, key=lambda pair: pair[0]))
    ),
)


@settings(max_examples=30)  # each of them is compiled
@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from([1, 2]), st.sampled_from([1.0, 0.5]))
def test_random_chains_are_equal(parts: list[Schedule], stretch: int, gain: float) -> None:
    plan = parts[0]
    for part in (*parts[1:], Cosine(BASE, 0.2 * BASE, over=20).repeat(stretch=stretch, gain=gain)):
        plan = plan >> part
    assert_equal(plan)


@pytest.mark.parametrize(
    "expression",
    [
        "Constant()",
        "cosine()",
        "linear(warmup='1ep')",
        "wsd(warmup='1ep', cooldown='2ep')",
        "step('3ep', 0)",
        "yolo()",
        "Cosine(0.1, 0.01, over=60, power=2)",
        "yolo(lr0=0.01)",
        "one_cycle(peak=0.1, up=0.31)",
        "cyclic(7, low=0.01, high=0.1, down=12)",
        "cyclic(7, low=0.01, high=0.1, down=12, mode='triangular2')",
        "cyclic(7, low=0.01, high=0.1, down=12, mode='exp_range', gamma=0.99)",
        "cyclic_cosine_decay(15, 2.5e-6, 10, 2, 12.5e-5, 10, 2.5e-6)",
        "sgdr(10, stretch=2, gain=0.5, floor=0.01)",
        "cosine().stretch(2)",
    ],
)
def test_recipes_are_equal(expression: str) -> None:
    assert_equal(parse(expression))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "time_decay(0.1)",
            "optax has no equivalent of a part of InverseTime(0.1): InverseTime(0.1); call the",
        ),
        ("sgdr(10, stretch='3/2')", "begins between two steps, at 47.5"),
        ("Linear(over=2.5)", "its length is 2.5 steps, no whole number from 1 on"),
        ("cosine() * Plateau('loss')", "Plateau('loss')"),
        ("Cosine(0.0, BASE, over=10, power=2)", "a cosine to the power of 2 that rises from 0"),
    ],
)
def test_what_optax_lacks_is_named(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        convert(parse(expression), to="optax", horizon=RUN)
    assert message in str(refusal.value)
