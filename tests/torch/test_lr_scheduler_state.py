"""Checkpoints of the drop-ins: torch's keys, any order of loading, and what does not belong is refused."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

from etude import Cosine
from etude.errors import ResumeError
from etude.torch import Scheduler
from etude.torch import lr_scheduler as ours
from tests.torch.beside import Stateful, plain, rates, settings, step, theirs

# Runs longer than T_max are asked for here; that the climb is told has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")


def sgd(base: float = 0.1) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base}], momentum=0.9)


Make = Callable[[Any, Optimizer], Any]

RESUMED: dict[str, Make] = {
    "linear then cosine": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=20), m.CosineAnnealingLR(o, 80)], [20]
    ),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 10),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 10),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.5),
    "lambda": lambda m, o: m.LambdaLR(o, lambda k: 0.5**k),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda k: 0.9),
    "linear": lambda m, o: m.LinearLR(o, 0.1, total_iters=10),
    "constant": lambda m, o: m.ConstantLR(o, 0.3, total_iters=8),
    "steps": lambda m, o: m.StepLR(o, 3),
    "milestones": lambda m, o: m.MultiStepLR(o, [4, 6]),
    "polynomial": lambda m, o: m.PolynomialLR(o, 40, 2.0),
    "one-cycle": lambda m, o: m.OneCycleLR(o, 1.0, 60),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.1, 1.0, 3, mode="triangular2"),
    "linear then exponential": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=3), m.ExponentialLR(o, 0.9)], [3]
    ),
    "chain": lambda m, o: m.ChainedScheduler([m.LinearLR(o), m.ExponentialLR(o, 0.9)]),
    "swa": lambda m, o: ours.SWALR(o, 0.05, 30),
}


@pytest.mark.parametrize("order", list(itertools.permutations(["optimizer", "build", "scheduler"])), ids=str)
@pytest.mark.parametrize("make", RESUMED.values(), ids=RESUMED.keys())
def test_every_order_of_loading_goes_on_as_if_nothing_had_happened(
    make: Make, order: tuple[str, ...]
) -> None:
    """T01, T02."""
    if order.index("scheduler") < order.index("build"):
        order = (*(name for name in order if name != "scheduler"), "scheduler")
    optimizer = sgd()
    scheduler = make(ours, optimizer)
    for _ in range(30):
        step([scheduler])
    saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    other = sgd()
    again: Any = None
    for what in order:
        if what == "build":
            again = make(ours, other)
        elif what == "optimizer":
            other.load_state_dict(copy.deepcopy(saved[0]))
        else:
            again.load_state_dict(saved[1])
    for _ in range(10):
        assert plain(again.get_last_lr()) == rates(other)
        assert settings(other) == settings(optimizer)
        step([scheduler])
        step([again])


def test_linear_then_cosine_at_the_resumed_steps() -> None:
    """T01, in numbers; and without the optimizer's state, by seeking."""
    optimizer = sgd(1.0)
    scheduler = RESUMED["linear then cosine"](ours, optimizer)
    used = []
    for k in (30, 31, 32):
        scheduler.seek(k)
        used += rates(optimizer)
    assert used == pytest.approx([0.961940, 0.954072, 0.945503], abs=1e-6)


def test_seeking_a_fresh_optimizer_needs_no_initial_lr() -> None:
    """T08."""
    optimizer = sgd(1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.9)
    scheduler.seek(4)
    assert rates(optimizer) == [pytest.approx(0.6561, rel=1e-15)]
    with pytest.raises(KeyError, match=r"call scheduler.seek\(5\)"):
        ours.ExponentialLR(sgd(1.0), 0.9, last_epoch=4)


@pytest.mark.parametrize("make", RESUMED.values(), ids=RESUMED.keys())
def test_a_state_is_plain_and_loading_it_changes_only_the_scheduler(make: Make, tmp_path: Path) -> None:
    """T56."""
    first = make(ours, sgd())
    for _ in range(5):
        step([first])
    torch.save(first.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert json.loads(json.dumps(plain({k: v for k, v in state.items() if k != "milestones"})))
    untouched = copy.deepcopy(state)
    second = make(ours, sgd())
    second.load_state_dict(state)
    second.load_state_dict(state)
    step([second])
    assert state == untouched
    third = make(ours, sgd())
    third.load_state_dict(state)
    third.load_state_dict(second.state_dict())
    assert third.state_dict() == second.state_dict()


def test_the_saved_parameters_take_over_and_are_told() -> None:
    first = ours.StepLR(sgd(), 3, gamma=0.1)
    for _ in range(3):
        step([first])
    second = ours.StepLR(sgd(), 3, gamma=0.5)
    with pytest.warns(
        UserWarning,
        match=re.escape("StepLR was built with gamma=0.5; the checkpoint's gamma=0.1 is in force"),
    ):
        second.load_state_dict(first.state_dict())
    assert rates(second.optimizer) == [pytest.approx(0.01, rel=1e-15)]


def test_a_saved_base_rate_takes_over_and_is_told() -> None:
    first = ours.StepLR(sgd(0.1), 3)
    second = ours.StepLR(sgd(0.2), 3)
    with pytest.warns(UserWarning, match=re.escape("base_lrs=[0.2]; the checkpoint's base_lrs=[0.1] is in")):
        second.load_state_dict(first.state_dict())
    assert (rates(second.optimizer), second.optimizer.param_groups[0]["initial_lr"]) == ([0.1], 0.1)


REFUSED: list[tuple[Make, Make, str]] = [
    (
        lambda m, o: m.CosineAnnealingLR(o, 10),
        lambda m, o: m.LinearLR(o),
        r"of CosineAnnealingLR, not of LinearLR:\n +in the checkpoint: T_max, eta_min\n +now: +end_f",
    ),
    (
        lambda m, o: m.StepLR(o, 10),
        lambda m, o: m.ExponentialLR(o, 0.9),
        "the state of StepLR, not of ExponentialLR",
    ),
    (
        lambda m, o: m.OneCycleLR(o, 1.0, 10, three_phase=True),
        lambda m, o: m.OneCycleLR(o, 1.0, 10),
        r"OneCycleLR of another structure:\n +in the checkpoint: 3 phases\n +now: +2 phases",
    ),
    (
        lambda m, o: m.ChainedScheduler([m.StepLR(o, 1), m.StepLR(o, 2)]),
        lambda m, o: m.ChainedScheduler([m.StepLR(o, 1)]),
        "2 schedulers",
    ),
    (
        lambda m, o: m.SequentialLR(o, [m.StepLR(o, 1), m.StepLR(o, 2)], [3]),
        lambda m, o: m.SequentialLR(o, [m.StepLR(o, 1), m.LinearLR(o)], [3]),
        "the state of StepLR, not of LinearLR",
    ),
    (
        lambda m, o: m.ReduceLROnPlateau(o),
        lambda m, o: m.ConstantLR(o),
        "the state of ReduceLROnPlateau, not of ConstantLR",
    ),
]


@pytest.mark.parametrize("source", [ours, theirs], ids=["ours", "torch's"])
@pytest.mark.parametrize(("saved", "built", "message"), REFUSED)
def test_the_state_of_something_else_is_refused(source: Any, saved: Make, built: Make, message: str) -> None:
    scheduler = built(ours, sgd())
    before = copy.deepcopy(scheduler.state_dict())
    with pytest.raises(ResumeError, match=message):
        scheduler.load_state_dict(saved(source, sgd()).state_dict())
    assert scheduler.state_dict() == before


def test_no_state_at_all_is_refused() -> None:
    scheduler = ours.StepLR(sgd(), 3)
    with pytest.raises(ResumeError, match="the state of an Etude Scheduler, not of StepLR"):
        scheduler.load_state_dict(Scheduler(sgd(), Cosine(over=9)).state_dict())
    with pytest.raises(ResumeError, match="the state of StepLR is a dict; got 3"):
        scheduler.load_state_dict(3)  # type: ignore[arg-type]
    with pytest.raises(ResumeError, match="no state of a scheduler of torch's, not of StepLR"):
        scheduler.load_state_dict({"epoch": 3})


def test_a_state_of_more_groups_is_refused_until_they_are_there() -> None:
    optimizer = sgd()
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))]})
    state = ours.StepLR(optimizer, 3).state_dict()
    with pytest.raises(ResumeError, match="of 2 parameter groups and the optimizer has 1"):
        ours.StepLR(sgd(), 3).load_state_dict(state)


def test_callable_objects_are_saved_by_their_attributes_and_functions_not() -> None:
    first = ours.LambdaLR(sgd(), Stateful(0.5))
    state = first.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}]
    second = ours.LambdaLR(sgd(), Stateful(9.0))
    second.load_state_dict(state)
    step([second])
    assert rates(second.optimizer) == [pytest.approx(0.1 / 1.5)]
    assert ours.LambdaLR(sgd(), lambda k: 1.0).state_dict()["lr_lambdas"] == [None]
    cycle = ours.CyclicLR(sgd(), 0.1, 0.5, scale_fn=Stateful(0.5), cycle_momentum=False)
    assert cycle.state_dict()["_scale_fn_custom"] == {"rate": 0.5}
    again = ours.CyclicLR(sgd(), 0.1, 0.5, scale_fn=Stateful(9.0), cycle_momentum=False)
    again.load_state_dict(cycle.state_dict())
    step([again, cycle])
    assert rates(again.optimizer) == rates(cycle.optimizer)


def test_a_composed_run_resumes() -> None:
    def build() -> tuple[Optimizer, list[Any]]:
        optimizer = sgd()
        return optimizer, [
            ours.CosineAnnealingLR(optimizer, 40),
            ours.LinearLR(optimizer, 0.1, total_iters=10),
            ours.SWALR(optimizer, 0.01, 30),
        ]

    optimizer, schedulers = build()
    for _ in range(12):
        step(schedulers)
    other, again = build()
    other.load_state_dict(optimizer.state_dict())
    for scheduler, saved in zip(again, schedulers, strict=True):
        scheduler.load_state_dict(saved.state_dict())
        assert scheduler.get_last_lr() == saved.get_last_lr()
    for _ in range(30):
        assert rates(other) == rates(optimizer)
        step(schedulers)
        step(again)
