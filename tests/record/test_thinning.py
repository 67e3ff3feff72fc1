"""Thinning: fewer readings, and everything that happened is still there."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import etude as et
from etude import BASE
from etude.readings import Reading
from etude.record import thinned
from etude.record.thinning import Thinning

NAN = float("nan")


def run(rates: list[float], losses: list[float] | None = None) -> list[Reading]:
    losses = [1.0] * len(rates) if losses is None else losses
    return [
        Reading(step, {"0": rate}, "hold", {"loss": loss})
        for step, (rate, loss) in enumerate(zip(rates, losses, strict=True))
    ]


def steps(readings: list[Reading]) -> list[int]:
    return [reading.step for reading in readings]


def of_plan(plan: et.Schedule, total: int) -> list[Reading]:
    """The readings of a run, without a metric."""
    table = plan.on(et.Horizon(total=total))
    rates = table(range(total), 0.1).tolist()
    return [Reading(step, {"0": rate}, table.phase(step).name) for step, rate in enumerate(rates)]


def test_a_constant_keeps_its_ends_and_the_start_of_each_stretch() -> None:
    assert steps(thinned(run([0.1] * 100), width=25)) == [0, 25, 50, 75, 99]


def test_width_1_keeps_all() -> None:
    readings = run([0.1] * 5)

    assert thinned(readings, width=1) == readings


def test_both_sides_of_a_jump_are_kept() -> None:
    rates = [0.1] * 50 + [0.01] * 50

    assert steps(thinned(run(rates), width=100)) == [0, 49, 50, 99]


def test_a_spike_of_one_update_is_kept_with_its_sides() -> None:
    rates = [0.1] * 100
    rates[40] = 5.0

    assert steps(thinned(run(rates), width=100)) == [0, 39, 40, 41, 99]


def test_a_jump_between_two_batches_is_kept() -> None:
    thinning = Thinning(dense=1)
    readings = run([0.1] * 50 + [0.01] * 50)

    assert steps(thinning.take(readings[:50]))[-1] == 49
    assert steps(thinning.take(readings[50:]))[0] == 50


def test_a_jump_of_another_hyperparameter_is_kept() -> None:
    readings = [
        replace(reading, others={"momentum": {"0": 0.9 if reading.step < 60 else 0.8}})
        for reading in run([0.1] * 100)
    ]

    assert steps(thinned(readings, width=100)) == [0, 59, 60, 99]


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "cosine"},
        {"override": "lr: Constant(0.1)"},
        {"factors": {"Plateau('loss')": 0.1}},
        {"rates": {"0": 0.1, "1": 0.1}},
        {"others": {"momentum": {"0": 0.9}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_both_sides_of_every_edge_are_kept(change: dict[str, object]) -> None:
    readings = run([0.1] * 100)
    readings[60:] = [replace(reading, **change) for reading in readings[60:]]  # type: ignore[arg-type]

    assert steps(thinned(readings, width=100)) == [0, 59, 60, 99]


def test_the_extremes_of_each_metric_and_what_is_no_number_are_kept() -> None:
    losses = [1.0] * 100
    losses[20], losses[30], losses[40], losses[41] = 9.0, 0.1, NAN, math.inf

    assert steps(thinned(run([0.1] * 100, losses), width=100)) == [0, 20, 30, 40, 99]


@pytest.mark.parametrize(
    "plan",
    [
        et.Linear(0 * BASE, BASE, over="5%") >> et.Cosine(over="95%"),
        et.cyclic("5%", low=0.1 * BASE),
        et.Geometric(BASE, 1e-6 * BASE, over="100%"),
        et.InverseSqrt(100),
        et.sgdr("10%"),
    ],
    ids=lambda plan: type(plan).__name__,
)
def test_smooth_schedules_are_thinned_and_their_restarts_are_kept(plan: et.Schedule) -> None:
    readings = of_plan(plan, 20_000)

    kept = thinned(readings, width=128)

    rates = np.array([reading.rates["0"] for reading in readings])
    drawn = np.interp(range(20_000), steps(kept), [reading.rates["0"] for reading in kept])
    assert len(kept) < 20_000 / 40
    assert np.abs(drawn - rates).max() <= 0.01 * 0.1
    phases = [reading.phase for reading in readings]
    edges = {step for step in range(1, 20_000) if phases[step] != phases[step - 1]}
    assert edges <= set(steps(kept))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.1, 0.2, 3.0]), st.one_of(st.floats(), st.just(1.0)), st.sampled_from("ab")
        ),
        max_size=60,
    ),
    st.integers(1, 40),
)
def test_what_is_kept_is_in_order_and_tells_the_extremes_and_the_edges(
    course: list[tuple[float, float, str]], width: int
) -> None:
    readings = [
        Reading(step, {"0": rate}, phase, {"loss": loss}) for step, (rate, loss, phase) in enumerate(course)
    ]

    kept = thinned(readings, width)

    assert steps(kept) == sorted(set(steps(kept)))
    assert [readings[step] for step in steps(kept)] == kept
    assert steps(kept[:1] + kept[-1:]) == steps(readings[:1] + readings[-1:])
    for low in range(0, len(readings), width):
        losses = [reading.metrics["loss"] for reading in readings[low : low + width]]
        still = [reading.metrics["loss"] for reading in kept if low <= reading.step < low + width]
        finite = [loss for loss in losses if math.isfinite(loss)]
        if finite:
            assert {min(finite), max(finite)} <= set(still)
        if len(finite) < len(losses):
            assert any(not math.isfinite(loss) for loss in still)
    for one, other in itertools.pairwise(readings):
        if one.phase != other.phase:
            assert {one.step, other.step} <= set(steps(kept))


@given(st.lists(st.integers(1, 700), max_size=12))
def test_the_widths_depend_on_how_many_were_seen_and_not_on_the_batches(sizes: list[int]) -> None:
    thinning = Thinning(dense=100)
    readings = run([0.1] * sum(sizes))
    kept: list[Reading] = []
    widths = []
    for size in sizes:
        batch, readings = readings[:size], readings[size:]
        kept += thinning.take(batch)
        widths.append(thinning.width)

    seen = np.cumsum(sizes)
    assert widths == [1 if n < 100 else 8 * 2 ** int(math.log2(n / 100)) for n in seen]
    assert steps(kept)[:100] == list(range(min(sum(sizes), 100)))
    # The first and last of each batch, and of each stretch the first.
    stretches = sum(100 * 2**k / (8 * 2**k) + 2 for k in range(10) if 100 * 2**k < sum(sizes))
    assert len(kept) <= 100 + stretches + 3 * len(sizes)


def test_a_run_of_ten_million_updates_would_keep_a_few_thousand_stretches() -> None:
    thinning = Thinning(dense=10_000)
    stretches = 0.0
    for exponent in range(10):
        thinning._seen = 10_000 * 2**exponent
        stretches += thinning._seen / thinning.width

    assert stretches == 10 * 10_000 / 8


def test_none_keeps_all() -> None:
    thinning = Thinning(dense=None)
    readings = run([0.1] * 1000)

    assert thinning.take(readings) + thinning.take(readings) == readings * 2
