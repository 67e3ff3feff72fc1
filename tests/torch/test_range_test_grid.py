"""Range tests at several values of another number of the groups: what is written, and put back."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, AdamW

from etude import Horizon, Linear
from etude.errors import ScheduleError
from etude.finder import RangeTestGrid
from etude.torch import Scheduler, range_test, range_test_grid, tensorize
from tests.torch.test_range_test import OPTIMIZERS, Loop, assert_no_trace, assert_same

VALUES = [0.0, 1e-4, 1e-2]


def own(loop: Loop) -> Any:
    """The plain loop over the loop's data."""
    return loop.loader, loop.model, functional.cross_entropy


def swept(loop: Loop, across: str = "weight_decay", values: Any = VALUES, **options: Any) -> RangeTestGrid:
    given = {"steps": 40, "stop": 1.0, "scaler": loop.scaler, "scheduler": loop.scheduler}
    return range_test_grid(own(loop), loop.optimizer, across, values, **(given | options))


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("across", ["weight_decay", "momentum"])
def test_training_goes_on_as_if_there_had_been_no_grid(build: Any, across: str) -> None:
    assert_no_trace(build, lambda loop: swept(loop, across, [0.1, 0.9], stop=1e4, repeats=2), warm=20)


@pytest.mark.parametrize("how", ["a step that raised", "Ctrl-C"])
def test_training_goes_on_after_a_grid_that_did_not_end(how: str) -> None:
    def stopped(loop: Loop) -> None:
        seen = []

        def loss_of(outputs: Tensor, labels: Tensor) -> Tensor:
            seen.append(loop.optimizer.param_groups[0]["weight_decay"])
            if len(seen) == 60:
                if how == "Ctrl-C":
                    os.kill(os.getpid(), signal.SIGINT)
                raise ZeroDivisionError
            return functional.cross_entropy(outputs, labels)

        with pytest.raises(KeyboardInterrupt if how == "Ctrl-C" else ZeroDivisionError):
            range_test_grid(
                (loop.loader, loop.model, loss_of),
                loop.optimizer,
                "weight_decay",
                VALUES,
                steps=40,
                stop=1e-3,
            )
        assert seen == [VALUES[0]] * 40 + [VALUES[1]] * 20

    assert_no_trace(OPTIMIZERS["AdamW"], stopped, warm=20)


def test_each_value_has_the_sweep_that_it_would_have_alone() -> None:
    found = swept(Loop())

    assert found.across == "weight_decay"
    assert list(found.tests) == VALUES
    for value, test in found.tests.items():
        loop = Loop()
        loop.optimizer.param_groups[0]["weight_decay"] = value
        alone = range_test(own(loop), loop.optimizer, steps=40, stop=1.0, scaler=loop.scaler)
        assert test.curve.losses.tolist() == alone.curve.losses.tolist()
    assert found.tests[0.0].curve.losses.tolist() != found.tests[1e-2].curve.losses.tolist()


def used(optimizer: SGD, weights: list[nn.Parameter], **options: Any) -> list[tuple[float, ...]]:
    """The weight decay of each group, in the order in which they were seen."""
    seen: dict[tuple[float, ...], None] = {}

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack([weight.square().sum() for weight in weights]).sum()
        loss.backward()
        seen[tuple(float(group["weight_decay"]) for group in optimizer.param_groups)] = None
        optimizer.step()
        return loss

    range_test_grid(train_step, optimizer, "weight_decay", steps=20, stop=1e-3, **options)
    return list(seen)


def test_groups_keep_their_ratios_and_those_without_decay_have_none() -> None:
    weights = [nn.Parameter(torch.ones(1)) for _ in range(3)]
    decays: list[Any] = [0, 0.01, 0.02]
    groups = [{"params": [one], "weight_decay": decay} for one, decay in zip(weights, decays, strict=True)]
    optimizer = SGD(groups, lr=0.1)

    assert used(optimizer, weights, values=[0.0, 0.1]) == [(0, 0, 0), (0, 0.1, 0.2)]

    after = [group["weight_decay"] for group in optimizer.param_groups]
    assert after == decays
    assert [type(one) for one in after] == [int, float, float]


def test_where_no_group_has_any_all_get_it() -> None:
    weights = [nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = SGD([{"params": [one]} for one in weights], lr=0.1)

    assert used(optimizer, weights, values=[0.3, 0.1]) == [(0.3, 0.3), (0.1, 0.1)]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0, 0]


def test_a_tensor_and_a_scheduled_decay_are_what_they_were() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = AdamW([weight], lr=0.1, weight_decay=0.5)
    tensorize(optimizer)
    optimizer.param_groups[0]["weight_decay"] = held = torch.tensor(0.5)
    Scheduler(optimizer, {"weight_decay": Linear(over=100)}, Horizon(total=100))

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        return loss

    range_test_grid(train_step, optimizer, "weight_decay", [0.0, 0.1], steps=20, stop=1e-3)
    assert optimizer.param_groups[0]["weight_decay"] is held
    assert float(held) == 0.5


@pytest.mark.parametrize(
    ("across", "values", "words"),
    [
        ("weight_decay", [0.1], "values must be two or more, no two alike; got [0.1]"),
        ("weight_decay", [0.1, 0.1], "values must be two or more, no two alike; got [0.1, 0.1]"),
        ("weight_decay", [0.1, -1.0], "values of weight_decay must be a finite number, at least 0; got -1.0"),
        ("momentum", [0.9, 1.0], "values of momentum must be less than 1; got [0.9, 1.0]"),
        ("lr", [0.1, 0.2], "across must be another hyperparameter than the one that is ramped, 'lr'"),
        ("decay", [0.1, 0.2], "the optimizer's groups have no number called 'decay'"),
        (3, [0.1, 0.2], "across must be a name; got 3"),
        ("weight_decay", 3, "values must be two or more numbers, no two alike; got 3"),
        ("weight_decay", "12", "values must be two or more numbers, no two alike; got '12'"),
        ("weight_decay", [0.1, None], "values of weight_decay must be a finite number, at least 0; got None"),
    ],
)
def test_d7_bad_input_is_told_before_anything_has_run(across: str, values: Any, words: str) -> None:
    loop = Loop()
    before = loop.everything()
    with pytest.raises(ScheduleError, match=f"^{re.escape(words)}"):
        swept(loop, across, values)
    assert_same(loop.everything(), before)


def test_d7_an_option_that_is_none_is_told() -> None:
    with pytest.raises(
        ScheduleError, match=r"options must be one of .*; got 'stepz'; did you mean 'steps'\?"
    ):
        swept(Loop(), stepz=40)
    with pytest.raises(ScheduleError, match="optimizer must be one Optimizer, or several; got 3"):
        range_test_grid(lambda: 1.0, 3, "weight_decay", [0.0, 0.1])  # type: ignore[arg-type]
