"""Plateau: the state machine observation by observation, and the factor it is in a schedule."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from etude import BASE, Constant, Horizon, Linear, Plateau
from etude.errors import ScheduleError
from etude.schedules import PlateauState
from tests import strategies

RUN = Horizon(total=20)
FRESH = PlateauState().to_dict()


def factors(plateau: Plateau, metrics: Iterable[float]) -> list[float]:
    """The factor after each observation."""
    state, result = PlateauState(), []
    for metric in metrics:
        state = plateau.observe(state, metric)
        result.append(state.factor)
    return result


@pytest.mark.parametrize(
    ("plateau", "metrics", "expected"),
    [
        # More than ``patience`` bad observations in a row reduce.
        (Plateau("m", patience=0), [1, 1, 1], [1.0, 0.1, 0.01]),
        (Plateau("m", patience=2), [1, 1, 1, 1], [1.0, 1.0, 1.0, 0.1]),
        (Plateau("m", patience=1), [1, 1, 0.5, 1, 1], [1.0, 1.0, 1.0, 1.0, 0.1]),  # a better one in between
        (Plateau("m", patience=0, factor=0.5), [1, 2, 3], [1.0, 0.5, 0.25]),
        (Plateau("m", patience=0, factor=0), [1, 1], [1.0, 0.0]),
        (Plateau("m", patience=0, minimum=0.05), [1, 1, 1], [1.0, 0.1, 0.05]),
        (Plateau("m", patience=0, mode="max"), [1, 2, 2], [1.0, 1.0, 0.1]),
        # Better is by more than the margin.
        (Plateau("m", patience=0, threshold=0.1), [1, 0.95, 0.85], [1.0, 0.1, 0.1]),
        (Plateau("m", patience=0, threshold=0.1, threshold_mode="abs"), [9, 8.95, 8.8], [1.0, 0.1, 0.1]),
        (Plateau("m", patience=0, threshold=0.0), [1, 1 - 1e-12], [1.0, 1.0]),
        # The margin is on the metric's size, so that negative metrics can stand still too.
        (Plateau("m", patience=0, threshold=0.1), [-1, -0.95], [1.0, 0.1]),
        (Plateau("m", patience=2), [-1] * 8, [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]),
        (Plateau("m", patience=2, mode="max"), [-1] * 4, [1.0, 1.0, 1.0, 0.1]),
        # The cooldown's observations are not bad.
        (Plateau("m", patience=0, cooldown=2), [1, 1, 1, 1, 1], [1.0, 0.1, 0.1, 0.1, 0.01]),
        (Plateau("m", patience=1, cooldown=1), [1, 1, 1, 1, 1, 1], [1.0, 1.0, 0.1, 0.1, 0.1, 0.01]),
        # As Keras and optax count: after ``patience`` bad ones; Keras' cooldown is one observation shorter.
        (Plateau("m", patience=2, counting="keras"), [1, 1, 1, 1, 1], [1.0, 1.0, 0.1, 0.1, 0.01]),
        (Plateau("m", patience=2, counting="optax"), [1, 1, 1, 1, 1], [1.0, 1.0, 0.1, 0.1, 0.01]),
        (Plateau("m", patience=1, counting="keras", cooldown=2), [1] * 5, [1.0, 0.1, 0.1, 0.01, 0.01]),
        (Plateau("m", patience=1, counting="optax", cooldown=2), [1] * 5, [1.0, 0.1, 0.1, 0.1, 0.01]),
        # The first ones are ignored, also as the best.
        (Plateau("m", patience=0, start_after=2), [0.1, 0.1, 1, 1], [1.0, 1.0, 1.0, 0.1]),
        # Means of three are judged.
        (Plateau("m", patience=0, average=3), [1, 2, 3, 2, 2, 2, 9], [1.0] * 5 + [0.1, 0.1]),
        (Plateau("m", patience=0, average=2), [1, 1, math.nan, 0, 0, 0], [1.0, 1.0, 1.0, 0.1, 0.1, 0.1]),
        # What is no number is bad, or is left out.
        (Plateau("m", patience=0, nan="ignore"), [1, math.nan, math.inf, 1], [1.0, 1.0, 1.0, 0.1]),
        (Plateau("m", patience=1), [math.nan, math.inf, 1.0, -math.inf], [1.0, 0.1, 0.1, 0.1]),
    ],
    ids=strategies.expression,
)
def test_factors(plateau: Plateau, metrics: list[float], expected: list[float]) -> None:
    assert factors(plateau, metrics) == pytest.approx(expected, rel=1e-12)


def test_a_warmup_times_a_plateau() -> None:
    plateau = Plateau("loss", patience=2)
    table = (Linear(1 / 3 * BASE, BASE, over=2) * plateau).on(RUN)
    state, rates = PlateauState(), []
    for epoch in range(12):
        rates.append(table(epoch, factors={plateau: state.factor}))
        state = plateau.observe(state, 1.0)
    assert rates == pytest.approx(
        [1 / 3, 2 / 3, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001], rel=1e-12
    )


metric_traces = st.lists(st.one_of(st.floats(0.1, 10), st.just(math.nan)), max_size=40)
modes: st.SearchStrategy[Any] = st.sampled_from(["min", "max"])
threshold_modes: st.SearchStrategy[Any] = st.sampled_from(["rel", "abs"])


@given(
    metric_traces,
    st.integers(0, 4),
    st.integers(0, 3),
    modes,
    threshold_modes,
    st.sampled_from([0.0, 1e-4, 0.1]),
    st.sampled_from([0.0, 0.01]),
)
def test_it_follows_torch_on_positive_metrics(
    metrics: list[float],
    patience: int,
    cooldown: int,
    mode: Any,
    threshold_mode: Any,
    threshold: float,
    minimum: float,
) -> None:
    options: dict[str, Any] = {
        "factor": 0.5,
        "patience": patience,
        "mode": mode,
        "threshold": threshold,
        "threshold_mode": threshold_mode,
        "cooldown": cooldown,
    }
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = ReduceLROnPlateau(optimizer, min_lr=minimum, eps=0.0, **options)
    state, plateau = PlateauState(), Plateau("metric", minimum=minimum, **options)
    for metric in metrics:
        peer.step(metric)
        state = plateau.observe(state, metric)
        assert state.factor == optimizer.param_groups[0]["lr"]


def test_on_negative_metrics_torch_never_cuts() -> None:
    """Its relative margin lies on the wrong side of a negative best: standing still counts as better."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = ReduceLROnPlateau(optimizer, patience=2)
    for _ in range(50):
        peer.step(-1.0)
    assert optimizer.param_groups[0]["lr"] == 1.0
    assert factors(Plateau("m", patience=2), [-1.0] * 50)[-1] < 1e-15


def test_in_a_schedule_it_is_1_until_feedback_says_otherwise() -> None:
    plateau = Plateau("loss")
    table = (Constant(0.5) * plateau).on(RUN)
    assert table([0, 5]).tolist() == [0.5, 0.5]
    assert table([0, 5], factors={plateau: 0.1}).tolist() == [0.05, 0.05]
    # The key is the value: an equal Plateau is the same one, another has its own factor.
    assert table(0, factors={Plateau("loss"): 0.1, Plateau("loss", patience=3): 0.2}) == 0.05


@given(strategies.EVERY_KIND["Plateau"], st.lists(st.floats(-10, 10), max_size=20))
def test_the_state_survives_json(plateau: Plateau, metrics: list[float]) -> None:
    state = PlateauState()
    for metric in metrics:
        restored = PlateauState.from_dict(json.loads(json.dumps(state.to_dict())))
        assert restored == state
        state = plateau.observe(restored, metric)
    assert pickle.loads(pickle.dumps(state)) == copy.deepcopy(state) == state


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"the state of a Plateau has the fields \['bad', 'best', .*, 'total'\]; got \{\}"),
        (None, r"the state of a Plateau has the fields .*; got None"),
        (FRESH | {"more": 1}, r"has the fields"),
        (FRESH | {"factor": -1}, r"the Plateau's factor must be .* at least 0"),
        (FRESH | {"best": "x"}, r"the Plateau's best must be a finite number"),
        (FRESH | {"bad": 0.5}, r"the Plateau's bad must be a whole number"),
        (FRESH | {"resting": -1}, r"the Plateau's resting must be a whole number"),
        (FRESH | {"seen": True}, r"the Plateau's seen must be a whole number"),
        (FRESH | {"total": math.inf}, r"the Plateau's total must be finite"),
    ],
)
def test_states_that_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        PlateauState.from_dict(values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "val loss"}, r"Plateau\(metric=\) must be a name such as 'val_loss'; got 'val loss'"),
        ({"metric": 3}, r"Plateau\(metric=\) must be a name .*; got 3"),
        ({"factor": 1}, r"Plateau\(factor=\) must be less than 1, to reduce; got 1"),
        ({"factor": -0.1}, r"Plateau\(factor=\) must be a finite number, at least 0; got -0.1"),
        ({"patience": -1}, r"Plateau\(patience=\) must be a whole number, at least 0; got -1"),
        ({"patience": 1.5}, r"Plateau\(patience=\) must be a whole number, at least 0; got 1.5"),
        ({"mode": "mim"}, r"Plateau\(mode=\) must be one of 'min', 'max'; got 'mim'; did you mean 'min'"),
        ({"threshold": -1}, r"Plateau\(threshold=\) must be a finite number, at least 0; got -1"),
        ({"threshold_mode": "both"}, r"Plateau\(threshold_mode=\) must be one of 'rel', 'abs'; got 'both'"),
        ({"cooldown": -1}, r"Plateau\(cooldown=\) must be a whole number, at least 0; got -1"),
        ({"counting": "pytorch"}, r"Plateau\(counting=\) must be one of 'torch', .*; did you mean 'torch'"),
        (
            {"counting": "keras", "patience": 0},
            r"Plateau\(patience=\) must be a whole number, at least 1; got 0",
        ),
        ({"nan": "skip"}, r"Plateau\(nan=\) must be one of 'bad', 'ignore', 'raise'; got 'skip'"),
        ({"start_after": -1}, r"Plateau\(start_after=\) must be a whole number, at least 0; got -1"),
        ({"average": 0}, r"Plateau\(average=\) must be a whole number, at least 1; got 0"),
        ({"minimum": 2}, r"Plateau\(minimum=\) must be at most 1, the start; got 2"),
        ({"minimum": math.nan}, r"Plateau\(minimum=\) must be finite; got nan"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Plateau(**{"metric": "loss"} | arguments)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_can_be_an_error(value: float) -> None:
    plateau = Plateau("loss", nan="raise")
    with pytest.raises(ScheduleError, match=r"the metric 'loss' is .*; Plateau\(nan='bad'\) would count it"):
        plateau.observe(plateau.fresh(), value)
