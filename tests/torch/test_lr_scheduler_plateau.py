"""ReduceLROnPlateau beside torch's, and with other schedulers."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

from etude.errors import ScheduleError
from etude.torch import lr_scheduler as ours
from tests.torch.beside import COMPARED, Setup, assert_same, plain, rates, settings, setups, theirs

METRICS = st.lists(
    st.one_of(st.floats(0.0, 3.0), st.sampled_from([1.0, 0.5, float("nan"), float("inf")])),
    min_size=1,
    max_size=40,
)
ARGUMENTS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.sampled_from([0.1, 0.5, 0.9]),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([0.0, 1e-4, 0.1]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.sampled_from([0.0, 1e-5, 0.01]),
        "eps": st.sampled_from([0.0, 1e-8]),
    }
)


def sgd(*bases: float) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases or (1.0,)])


def observe(scheduler: Any, *metrics: float) -> None:
    for metric in metrics:
        scheduler.optimizer.step()
        scheduler.step(metric)


def state(scheduler: Any) -> dict[str, Any]:
    kept: dict[str, Any] = plain({k: v for k, v in scheduler.state_dict().items() if k != "_factors"})
    return kept


@given(setup=setups(), arguments=ARGUMENTS, metrics=METRICS)
def test_it_does_what_torch_does(setup: Setup, arguments: dict[str, Any], metrics: list[float]) -> None:
    if arguments["mode"] == "max":  # an infinity is the best there can be to torch, and no number to us
        metrics = [metric for metric in metrics if metric != float("inf")]
    mine = ours.ReduceLROnPlateau(setup.optimizer(), **arguments)
    peer = theirs.ReduceLROnPlateau(setup.optimizer(), **arguments)
    for metric in metrics:
        observe(mine, metric)
        observe(peer, metric)
        assert_same(rates(mine.optimizer), rates(peer.optimizer))
        assert_same(state(mine), state(peer))
    COMPARED["ReduceLROnPlateau"] += 1


@given(setup=setups(), arguments=ARGUMENTS, metrics=METRICS, loads_theirs=st.booleans())
def test_a_state_goes_on_in_the_other_library(
    setup: Setup, arguments: dict[str, Any], metrics: list[float], loads_theirs: bool
) -> None:
    source, target = (theirs, ours) if loads_theirs else (ours, theirs)
    metrics = [metric for metric in metrics if metric != float("inf")]
    first: Any = source.ReduceLROnPlateau(setup.optimizer(), **arguments)
    observe(first, *metrics[:20])
    second: Any = target.ReduceLROnPlateau(setup.optimizer(), **arguments)
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    for metric in metrics[20:] + [9.0] * 5:
        observe(first, metric)
        observe(second, metric)
        assert_same(rates(second.optimizer), rates(first.optimizer), rel=1e-9)
        assert_same(state(second), state(first), rel=1e-9)


@pytest.mark.parametrize(
    "metrics", [[-1.0, -2.0, -3.0, -4.0], [-1.0, -1.0, -1.0, -1.0]], ids=["better", "same"]
)
def test_negative_metrics_are_judged_by_their_size(metrics: list[float]) -> None:
    scheduler = ours.ReduceLROnPlateau(sgd(), patience=1, threshold=0.1)
    observe(scheduler, *metrics)
    assert rates(scheduler.optimizer) == ([1.0] if metrics[1] < -1 else [pytest.approx(0.1)])


@pytest.mark.parametrize("plateau_first", [True, False])
def test_it_multiplies_what_the_others_give(plateau_first: bool) -> None:
    optimizer = sgd(1.0, 0.5)
    if plateau_first:
        plateau = ours.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
        warmup = ours.LinearLR(optimizer, 0.25, total_iters=3)
    else:
        warmup = ours.LinearLR(optimizer, 0.25, total_iters=3)
        plateau = ours.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    used = []
    for metric in (1.0, 2.0, 0.5, 0.4, 0.6):
        used.append(rates(optimizer))
        optimizer.step()
        plateau.step(metric)
        warmup.step()
    used.append(rates(optimizer))
    assert [first for first, _ in used] == pytest.approx([0.25, 0.5, 0.375, 0.5, 0.5, 0.25])
    assert [second for _, second in used] == pytest.approx([first / 2 for first, _ in used])


def test_a_late_one_starts_from_the_rate_that_is_there() -> None:
    optimizer = sgd()
    step = ours.StepLR(optimizer, 1)
    optimizer.step()
    step.step()
    del step
    plateau = ours.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    assert rates(optimizer) == [pytest.approx(0.1)]
    observe(plateau, 1.0, 2.0)
    assert rates(optimizer) == [pytest.approx(0.05)]


def test_the_lowest_rate_bounds_its_own_part() -> None:
    optimizer = sgd(1.0, 0.2)
    plateau = ours.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.4, 0.05])
    observe(plateau, 1.0, 2.0, 3.0)
    assert rates(optimizer) == pytest.approx([0.4, 0.05])


def test_a_composed_run_resumes() -> None:
    def build() -> tuple[Optimizer, Any, Any]:
        optimizer = sgd(1.0)
        return (
            optimizer,
            ours.CosineAnnealingLR(optimizer, 20),
            ours.ReduceLROnPlateau(optimizer, patience=0, factor=0.5),
        )

    optimizer, cosine, plateau = build()
    for metric in (1.0, 2.0, 3.0, 0.5):
        optimizer.step()
        cosine.step()
        plateau.step(metric)
    other, cosine2, plateau2 = build()
    plateau2.load_state_dict(copy.deepcopy(plateau.state_dict()))
    other.load_state_dict(optimizer.state_dict())
    cosine2.load_state_dict(cosine.state_dict())
    assert settings(other) == settings(optimizer)
    for metric in (0.6, 0.1):
        for one, scheduler, feedback in ((optimizer, cosine, plateau), (other, cosine2, plateau2)):
            one.step()
            scheduler.step()
            feedback.step(metric)
        assert rates(other) == rates(optimizer)


def test_an_epoch_is_deprecated_as_in_torch() -> None:
    scheduler = ours.ReduceLROnPlateau(sgd())
    with pytest.warns(UserWarning, match=re.escape(ours.EPOCH_DEPRECATION_WARNING)):
        scheduler.step(1.0, epoch=7)
    assert scheduler.last_epoch == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1.0}, r"Plateau\(factor=\) must be less than 1"),
        ({"factor": -0.5}, r"ReduceLROnPlateau\(factor=\) must be a finite number, at least 0"),
        ({"patience": 1.5}, r"ReduceLROnPlateau\(patience=\) must be a whole number, at least 0; got 1.5"),
        ({"mode": "least"}, r"ReduceLROnPlateau\(mode=\) must be one of 'min', 'max'; got 'least'"),
        ({"threshold_mode": "x"}, r"ReduceLROnPlateau\(threshold_mode=\) must be one of 'rel', 'abs'"),
        ({"threshold": -1.0}, r"ReduceLROnPlateau\(threshold=\) must be a finite number, at least 0"),
        ({"cooldown": -1}, r"ReduceLROnPlateau\(cooldown=\) must be a whole number, at least 0"),
        ({"min_lr": [0.1, 0.1]}, r"expected 1 min_lrs, got 2"),
        ({"min_lr": -0.1}, r"ReduceLROnPlateau\(min_lr=\) must be a finite number, at least 0"),
        ({"eps": -1.0}, r"ReduceLROnPlateau\(eps=\) must be a finite number, at least 0"),
    ],
)
def test_wrong_values_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        ours.ReduceLROnPlateau(sgd(), **arguments)


def test_trainers_see_torchs_class() -> None:
    assert isinstance(ours.ReduceLROnPlateau(sgd()), theirs.ReduceLROnPlateau)
