"""Loops that people write themselves: accumulation, overflows, crashes, several optimizers, closures."""

from __future__ import annotations

import itertools
import json
import os
import signal
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import LBFGS, SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

from etude import BASE, Cosine, Horizon, Linear
from etude.torch import Scheduler
from tests.forked import FORKED

UPDATES = 8


def rate(optimizer: Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


def one_weight(**settings: Any) -> tuple[nn.Parameter, SGD]:
    weight = nn.Parameter(torch.ones(1))
    return weight, SGD([weight], lr=1.0, **settings)


# Accumulation.


def accumulated(build: Callable[[SGD], Any]) -> list[list[float]]:
    """The rate at each of 4 batches, by threes, in each of 2 epochs; the last window is of 1."""
    weight, optimizer = one_weight()
    scheduler = build(optimizer)
    rates = []
    for _ in range(2):
        rates.append([])
        for batch in range(4):
            (weight * 1e-3).sum().backward()
            rates[-1].append(rate(optimizer))
            if batch % 3 == 2 or batch == 3:
                optimizer.step()
                optimizer.zero_grad()
                scheduler.step()
    return rates


def test_t19_a_partial_window_is_one_update_and_the_rate_holds_within_a_window() -> None:
    horizon = Horizon.of(4, epochs=2, accumulate=3)
    assert horizon.total_steps == 4

    first, second = accumulated(lambda optimizer: Scheduler(optimizer, Cosine(over="100%"), horizon))
    assert first == pytest.approx([1.0, 1.0, 1.0, 0.853553], abs=1e-6)
    assert second == pytest.approx([0.5, 0.5, 0.5, 0.146447], abs=1e-6)


def test_t19_counted_without_the_partial_windows_torchs_cosine_climbs_back_up() -> None:
    first, second = accumulated(lambda optimizer: CosineAnnealingLR(optimizer, 2 * (4 // 3)))

    assert [first[0], first[3], second[0], second[3]] == pytest.approx([1.0, 0.5, 0.0, 0.5])


def test_counted_without_the_partial_windows_ours_holds_its_end_and_says_so() -> None:
    horizon = Horizon.of(4, epochs=2, accumulate=3, drop_last=True)
    with pytest.warns(UserWarning, match=r"planned 2 updates and the run goes on.*\[run-goes-on\]"):
        first, second = accumulated(lambda optimizer: Scheduler(optimizer, Cosine(over="100%"), horizon))

    assert [first[0], first[3], second[0], second[3]] == pytest.approx([1.0, 0.5, 0.0, 0.0])


# Mixed precision.

CLIMB = Linear(0.1 * BASE, BASE, over=5)


def scaled(
    build: Callable[[SGD, GradScaler], Any],
    *,
    overflows: Sequence[int] = (0, 1),
    step_before_update: bool = False,
    **settings: Any,
) -> list[float]:
    """The rate at each of 6 attempts, of which some overflow."""
    weight, optimizer = one_weight(**settings)
    scaler = GradScaler("cpu", init_scale=4.0)
    scheduler = build(optimizer, scaler)
    rates = []
    for attempt in range(6):
        optimizer.zero_grad()
        scaler.scale((weight * (float("inf") if attempt in overflows else 1e-3)).sum()).backward()
        rates.append(rate(optimizer))
        scaler.step(optimizer)
        if step_before_update:
            scheduler.step()
        scaler.update()
        if not step_before_update:
            scheduler.step()
    return rates


@pytest.mark.parametrize("step_before_update", [False, True], ids=["after update()", "before update()"])
@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_t23_an_update_that_overflows_is_no_step(fused: bool, step_before_update: bool) -> None:
    schedulers = []

    def build(optimizer: SGD, scaler: GradScaler) -> Scheduler:
        schedulers.append(Scheduler(optimizer, CLIMB, scaler=scaler))
        return schedulers[0]

    rates = scaled(build, fused=fused, step_before_update=step_before_update)

    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.28, 0.46, 0.64])
    assert (schedulers[0].last_epoch, schedulers[0].skipped) == (4, 2)


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_t23_attempts_are_steps_where_that_is_asked_for(fused: bool) -> None:
    def build(optimizer: SGD, scaler: GradScaler) -> Scheduler:
        return Scheduler(optimizer, CLIMB, scaler=scaler, count="attempts")

    assert scaled(build, fused=fused) == pytest.approx([0.1, 0.28, 0.46, 0.64, 0.82, 1.0])


def test_t23_torchs_own_counts_attempts_and_warns_of_an_order_that_is_right() -> None:
    with pytest.warns(UserWarning, match=r"`lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"):
        rates = scaled(lambda optimizer, _: LinearLR(optimizer, 0.1, 1.0, 5))

    assert rates == pytest.approx([0.1, 0.28, 0.46, 0.64, 0.82, 1.0])


def test_accumulation_and_overflows_together_count_updates() -> None:
    weight, optimizer = one_weight()
    scaler = GradScaler("cpu", init_scale=4.0)
    scheduler = Scheduler(optimizer, CLIMB, scaler=scaler)
    rates = []
    for window in range(4):
        for batch in range(3):
            overflow = (window, batch) == (1, 2)
            scaler.scale((weight * (float("inf") if overflow else 1e-3)).sum()).backward()
        rates.append(rate(optimizer))
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        scheduler.step()

    assert rates == pytest.approx([0.1, 0.28, 0.28, 0.46])


# Crashes.


class Training:
    """A run with dropout and momentum, that writes a checkpoint after every update."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimizer = Adam(self.model.parameters(), lr=0.1)
        self.scheduler: Scheduler

    def build(self) -> None:
        plan = {
            "lr": Linear(0.1 * BASE, BASE, over=2) >> Cosine(over=6),
            "betas[1]": Linear(0.9, 0.99, over=8),
        }
        self.scheduler = Scheduler(self.optimizer, plan, Horizon(total=UPDATES))

    def go(self, *, until: int = UPDATES, kill: tuple[int, str] | None = None) -> None:
        """Train; be killed at a place in an update."""

        def reached(place: str) -> None:
            if (step, place) == kill:
                os.kill(os.getpid(), signal.SIGKILL)

        for step in range(int(self.scheduler.last_epoch), until):
            self.optimizer.zero_grad()
            self.model(torch.eye(4)).square().mean().backward()
            group = self.optimizer.param_groups[0]
            with (self.folder / "used.jsonl").open("a", encoding="utf-8") as log:
                print(json.dumps([step, group["lr"], group["betas"][1]]), file=log)
            reached("before the update")
            self.optimizer.step()
            reached("before the step")
            self.scheduler.step()
            reached("before the checkpoint")
            self.save()

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "random": torch.get_rng_state(),
        }
        torch.save(state, self.folder / "next.pt")
        os.replace(self.folder / "next.pt", self.folder / "last.pt")

    def resume(self, order: Sequence[str]) -> None:
        """Take up the last checkpoint, in some order with building the scheduler."""
        state = torch.load(self.folder / "last.pt", weights_only=True)
        self.model.load_state_dict(state["model"])
        for what in order:
            match what:
                case "build":
                    self.build()
                case "load the optimizer":
                    self.optimizer.load_state_dict(state["optimizer"])
                case "load the scheduler":
                    self.scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"])

    @property
    def used(self) -> list[list[float]]:
        """The step and what it used, for each; one that was done again has used the same again."""
        lines = (self.folder / "used.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in dict.fromkeys(lines)]

    @property
    def weights(self) -> list[list[float]]:
        return [weight.flatten().tolist() for weight in self.model.state_dict().values()]


ORDERS = [
    order
    for order in itertools.permutations(["build", "load the optimizer", "load the scheduler"])
    if order.index("build") < order.index("load the scheduler")
]


def train(folder: str, kill: tuple[int, str]) -> None:
    """A process that is killed."""
    torch.set_num_threads(1)
    training = Training(Path(folder))
    if (training.folder / "last.pt").exists():
        training.resume(ORDERS[0])
    else:
        training.build()
    training.go(kill=kill)


@pytest.fixture
def whole(tmp_path: Path) -> Training:
    """The run that nothing befell."""
    folder = tmp_path / "whole"
    folder.mkdir()
    training = Training(folder)
    training.build()
    training.go()
    return training


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_a_run_that_is_taken_up_in_the_middle_goes_on_exactly(
    order: Sequence[str], whole: Training, tmp_path: Path
) -> None:
    first = Training(tmp_path)
    first.build()
    first.go(until=3)
    rest = Training(tmp_path)
    rest.resume(order)
    rest.go()

    assert rest.used == whole.used
    assert rest.weights == whole.weights


def test_a_run_that_is_killed_again_and_again_goes_on_exactly(whole: Training, tmp_path: Path) -> None:
    for kill in ((2, "before the update"), (4, "before the step"), (6, "before the checkpoint")):
        process = FORKED.Process(target=train, args=(str(tmp_path), kill))
        process.start()
        process.join(timeout=60)
        assert process.exitcode == -signal.SIGKILL
    last = Training(tmp_path)
    last.resume(ORDERS[0])
    last.go()

    assert last.used == whole.used
    assert last.weights == whole.weights


# Several optimizers, and those that call back.


def test_each_of_several_optimizers_has_its_own_clock() -> None:
    (critic, critic_optimizer), (maker, maker_optimizer) = one_weight(), one_weight()
    critics = Scheduler(critic_optimizer, Linear(BASE, 0.0, over=8))
    makers = Scheduler(maker_optimizer, Linear(BASE, 0.0, over=4))
    used: dict[str, list[float]] = {"critic": [], "maker": []}
    for turn in range(8):
        critic.square().sum().backward()
        used["critic"].append(rate(critic_optimizer))
        critic_optimizer.step()
        critics.step()
        if turn % 2:
            maker.square().sum().backward()
            used["maker"].append(rate(maker_optimizer))
            maker_optimizer.step()
            makers.step()

    assert used["critic"] == [1 - step / 8 for step in range(8)]
    assert used["maker"] == [1.0, 0.75, 0.5, 0.25]


def test_several_optimizers_under_one_scaler_skip_each_for_itself() -> None:
    (one, one_optimizer), (other, other_optimizer) = one_weight(), one_weight()
    scaler = GradScaler("cpu", init_scale=4.0)
    ones = Scheduler(one_optimizer, CLIMB, scaler=scaler)
    others = Scheduler(other_optimizer, CLIMB, scaler=scaler)
    for attempt in range(4):
        scaler.scale((one * 1e-3 + other * (float("inf") if attempt == 0 else 1e-3)).sum()).backward()
        scaler.step(one_optimizer)
        scaler.step(other_optimizer)
        scaler.update()
        ones.step()
        others.step()
        one_optimizer.zero_grad()
        other_optimizer.zero_grad()

    assert (ones.last_epoch, ones.skipped) == (4, 0)
    assert (others.last_epoch, others.skipped) == (3, 1)


def test_an_update_that_evaluates_its_closure_many_times_is_one_step() -> None:
    weight = nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = LBFGS([weight], lr=1.0, max_iter=5)
    horizon = Horizon(steps_per_epoch=4, total=UPDATES)
    scheduler = Scheduler(optimizer, Linear(BASE, 0.0, over="100%"), horizon)
    evaluated = 0

    def closure() -> float:
        nonlocal evaluated
        evaluated += 1
        optimizer.zero_grad()
        loss = (weight - 1).pow(4).sum()
        loss.backward()
        return loss.item()

    rates = []
    for _ in range(UPDATES):
        rates.append(rate(optimizer))
        optimizer.step(closure)
        scheduler.step()

    assert rates == [1 - step / UPDATES for step in range(UPDATES)]
    assert evaluated > UPDATES


def test_a_right_loop_says_nothing() -> None:
    _, optimizer = one_weight()
    scheduler = Scheduler(
        optimizer, Linear(BASE, 0.0, over="100%"), Horizon(steps_per_epoch=4, total=UPDATES)
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(UPDATES):
            optimizer.step()
            scheduler.step()

    assert said == []
