"""The range test of a task: what it leaves behind, and what it refuses."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from etude.errors import EtudeError
from etude.study import Task
from etude.study.find import find
from etude.study.run import Run


def drawn(run: Run) -> dict[str, float]:
    """A training function that draws from what every program shares."""
    weight = torch.nn.Parameter(torch.randn(4))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = run.bind(optimizer)
    for _ in range(run.updates):
        loss = (weight * (1 + random.random() + np.random.rand())).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return {"validation": 0.0, "test": 0.0}


def states() -> list[Any]:
    return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]


TASK = Task("drawn", drawn, updates=20)
SHORT: dict[str, Any] = {"steps": 20, "repeats": 2, "stop": 1e-3}


def test_d9_the_global_generators_are_seeded_for_it_and_put_back() -> None:
    before = states()
    first = find(TASK, **SHORT)
    assert states() == before
    torch.rand(3), random.random(), np.random.rand()
    assert find(TASK, **SHORT).curve.losses.tolist() == first.curve.losses.tolist()


def test_d9_they_are_put_back_where_the_task_fails() -> None:
    def failing(run: Run) -> dict[str, float]:
        torch.rand(1)
        raise ArithmeticError

    before = states()
    with pytest.raises(EtudeError, match="fails after 0 updates"):
        find(Task("failing", failing, updates=20))
    assert states() == before


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("digits", {}, "task must be a Task, as find_task gives it; got 'digits'"),
        (TASK, {"start": "low"}, "start must be a finite number, at least 0; got 'low'"),
        (TASK, {"steps": None}, "steps must be a whole number, at least 20; got None"),
        (TASK, {"repeats": 1.5}, "repeats must be a whole number, at least 1; got 1.5"),
        (TASK, {"device": "abacus"}, "device must be one that torch names, such as 'cpu'; got 'abacus'"),
        (TASK, {"device": 1.5}, "device must be one that torch names, such as 'cpu'; got 1.5"),
        (TASK, {"diverge": 1}, "diverge must be a finite number, more than 1; got 1"),
        (TASK, {"on_update": 3}, "on_update must be a function of an Update; got 3"),
    ],
)
def test_d7_bad_input_is_told(task: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(EtudeError, match=f"^{words}"):
        find(task, **options)
