"""The tutorials' set-ups as they are written there: the slip of each is named by a finding."""

from __future__ import annotations

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Adagrad, Adam, Optimizer
from torch.optim import lr_scheduler as peers

import etude as et
from etude import BASE, Cosine, Horizon, Linear, Schedule
from etude.errors import ScheduleError, ScheduleWarning
from etude.torch import Scheduler
from etude.torch.lr_scheduler import CyclicLR, OneCycleLR

BATCHES = 100
"""An epoch's."""


def epochs(number: int) -> Horizon:
    return Horizon(BATCHES, f"{number}ep")


def annealing(length: str, floor: float = 0.0) -> Schedule:
    """``CosineAnnealingLR(T_max=length, eta_min=floor)``."""
    return (Cosine(BASE, floor, over=length) >> Cosine(floor, BASE, over=length)).repeat()


CYCLIC_COSINE = et.cyclic_cosine_decay(
    "15ep", 2.5e-6, "10ep", restart_lr=12.5e-5, warmup_epochs="10ep", warmup_start_lr=2.5e-6
)
# LambdaLR(lambda epoch: epoch / 10), stepped once an epoch: a stair, and 0 throughout the first.
WARMUP_BY_EPOCH = et.Custom(f"{__name__}:by_epoch").until("10ep")


def by_epoch(step: float) -> float:
    return step // 100 / 10


@pytest.mark.parametrize(
    ("plan", "horizon", "base", "code", "message"),
    [
        (
            CYCLIC_COSINE,
            epochs(95),
            1e-3,
            "base-unused",
            "The optimizer's own rate 0.001 is never used: all levels of the schedule are absolute, and the "
            "peak in force is 0.000125.",
        ),
        (
            CYCLIC_COSINE,
            epochs(100),
            1e-3,
            "run-ends-inside-cycle",
            "The run ends inside cycle 7 (counted from 0), where the rate is 6.375e-05, 51 % of the peak; "
            "cycles end at step 9,500 (95 epochs) and step 10,500 (105 epochs).",
        ),
        (
            Linear(0.0, BASE, over="10ep") >> Cosine(over="90ep"),
            epochs(100),
            0.1,
            "first-update-at-zero",
            "The first update has the rate 0, so it changes nothing.",
        ),
        (
            WARMUP_BY_EPOCH >> et.cosine("90%"),
            epochs(100),
            0.1,
            "zero-updates",
            "1 % of the updates, 100 of 10,000, have the rate 0 and change nothing: all of them at "
            "the start.",
        ),
        (
            et.cyclic("500ep", low=1e-4, high=5e-4),
            epochs(100),
            0.1,
            "warmup-longer-than-run",
            "The schedule still warms up when the run ends: its first rise takes 50,000 steps and the run "
            "has 10,000 (500 and 100 epochs).",
        ),
        (
            et.cyclic(30, low=1e-6, high=4e-4),
            epochs(30),
            1e-3,
            "stepsize",
            "The rate takes 30 updates, 0.3 epochs, from the bottom of its cycle to the top; 2 to 10 epochs "
            "are advised (Smith, 2017).",
        ),
        (
            annealing("20ep"),
            epochs(100),
            0.1,
            "cosine-climbs-back",
            "The cosine is down after 20 epochs and the run has 100 epochs, so the rate climbs back: it ends "
            "at 0, 0 % of the peak, after 5 half-periods.",
        ),
        (
            annealing("10ep", 1e-4),
            epochs(20),
            0.01,
            "cosine-climbs-back",
            "The cosine is down after 10 epochs and the run has 20 epochs, so the rate climbs back: it ends "
            "at 0.01, 100 % of the peak, after 2 half-periods.",
        ),
        (
            annealing("200ep"),
            epochs(300),
            0.1,
            "cosine-climbs-back",
            "The cosine is down after 200 epochs and the run has 300 epochs, so the rate climbs back: it "
            "ends at 0.05, 50 % of the peak, after 1.5 half-periods.",
        ),
        (
            et.yolo(lr0=0.01, lrf=0.2, warmup="3ep"),
            epochs(100),
            0.01,
            "first-update-at-zero",
            "The first update has the rate 0, so it changes nothing.",
        ),
    ],
    ids=["A", "A to 100", "B", "B by epoch", "C by epoch", "C", "D", "E", "E, YOLO", "E, warmup"],
)
def test_the_slip_is_found(plan: Schedule, horizon: Horizon, base: float, code: str, message: str) -> None:
    messages = {finding.code: finding.message for finding in plan.on(horizon).check(base)}
    assert messages[code] == message


@pytest.mark.parametrize(
    ("plan", "horizon", "base"),
    [
        (
            et.cyclic_cosine_decay(
                "15ep", 0.02 * BASE, "10ep", warmup_epochs="10ep", warmup_start_lr=0.02 * BASE
            ),
            epochs(95),
            12.5e-5,
        ),
        (et.Linear(0.01 * BASE, BASE, over="10ep") >> Cosine(over="90ep"), epochs(100), 0.1),
        (et.cyclic("5ep", low=0.2 * BASE), epochs(100), 5e-4),
        (et.cyclic("5ep", low=0.0025 * BASE), epochs(30), 4e-4),
        (et.cosine(), epochs(100), 0.1),
        (et.sgdr("20ep"), epochs(100), 0.1),
        (et.cosine(floor=1e-4), epochs(20), 0.01),
        (et.cosine(), epochs(300), 0.1),
        (Linear(0.01, 1.0, over="3ep") * Cosine(BASE, 0.05 * BASE, over="100%"), epochs(100), 0.01),
    ],
    ids=["A", "B", "C", "C Adam", "D", "D restarts", "E", "E, YOLO", "E, warmup"],
)
def test_nothing_is_said_of_the_mended_form(plan: Schedule, horizon: Horizon, base: float) -> None:
    assert plan.on(horizon).check(base) == ()


def train(scheduler: peers.LRScheduler, number: int) -> None:
    """The tutorials' loop: the scheduler is stepped once an epoch."""
    for _ in range(number):
        for _ in range(BATCHES):
            scheduler.optimizer.step()
        scheduler.step()


def weight() -> list[Parameter]:
    return [Parameter(torch.zeros(1))]


def test_b_a_warmup_beside_a_schedule_without_a_join() -> None:
    optimizer = SGD(weight(), lr=0.1)
    warmup = peers.LambdaLR(optimizer, lambda epoch: min(epoch / 10, 1))
    main = Scheduler(optimizer, et.cosine(), Horizon(total=100))
    optimizer.step()
    main.step()
    warmup.step()
    with pytest.warns(ScheduleWarning, match=r"both write the rate\..*ramp >> decay.*\[two-writers\]"):
        main.step()


@pytest.mark.parametrize(
    "build",
    [
        lambda optimizer: CyclicLR(optimizer, 1e-4, 5e-4, 500, 500, base_momentum=0.8, max_momentum=0.9),
        lambda optimizer: OneCycleLR(optimizer, 0.1, epochs=10, steps_per_epoch=BATCHES),
        lambda optimizer: Scheduler(optimizer, et.one_cycle(), epochs(10)),
    ],
    ids=["cyclic", "one-cycle", "a horizon in updates"],
)
def test_c_lengths_in_updates_and_a_step_each_epoch(build: object) -> None:
    scheduler = build(SGD(weight(), lr=0.1, momentum=0.9))  # type: ignore[operator]
    with pytest.warns(ScheduleWarning, match=r"after each optimizer\.step\(\).*\[ticks-per-epoch\]"):
        train(scheduler, 3)


@pytest.mark.parametrize("optimizer", [Adam(weight(), lr=1e-3), SGD(weight(), lr=1e-3, momentum=0.9)])
def test_c_momentum_cycles_in_adam_too(optimizer: Optimizer) -> None:
    plans = {"lr": et.cyclic(30, low=1e-6, high=4e-4), "momentum": et.cyclic(30, low=0, high=0.1).under(0.9)}
    Scheduler(optimizer, plans).seek(30)
    (group,) = optimizer.param_groups
    assert (group["betas"][0] if "betas" in group else group["momentum"]) == pytest.approx(0.8)


def test_c_momentum_is_refused_with_the_fix_where_there_is_none() -> None:
    plans = {"lr": et.cyclic(30, low=1e-6, high=4e-4), "momentum": et.cyclic(30, low=0, high=0.1).under(0.9)}
    with pytest.raises(ScheduleError, match="leave the momentum's schedule out"):
        Scheduler(Adagrad(weight(), lr=1e-3), plans)
