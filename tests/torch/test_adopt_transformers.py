"""``adopt`` on what transformers' ``get_scheduler`` returns, run on beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as peers
from transformers import get_scheduler

from etude.torch.adopt import adopt

TRAINING = 60


def sgd(*bases: float) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases], lr=bases[0])


def assert_goes_on(scheduler: Any, done: int) -> str:
    """To the end of the training, the adopted schedule gives what the scheduler writes; returns its text."""
    optimizer = scheduler.optimizer
    for _ in range(done):
        optimizer.step()
        scheduler.step()
    adopted = adopt(scheduler)
    schedule: Any = adopted.schedule
    assert (adopted.clock, adopted.notes, adopted.by_group) == (done, (), False)
    bases = [group["initial_lr"] for group in optimizer.param_groups]
    found = []
    for _ in range(done, TRAINING):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    given = schedule.on(adopted.horizon)(range(done, TRAINING), bases)
    np.testing.assert_allclose(given, np.array(found), rtol=1e-12, atol=1e-15)
    return repr(schedule)


shares = st.floats(0.01, 0.9)
KEYWORDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "constant": st.just({}),
    "constant_with_warmup": st.just({}),
    "linear": st.just({}),
    "cosine": st.fixed_dictionaries({"num_cycles": st.sampled_from([0.5, 1.0, 1.5, 2.0])}),
    "cosine_with_restarts": st.fixed_dictionaries({"num_cycles": st.sampled_from([1, 2, 4])}),
    "polynomial": st.fixed_dictionaries({"lr_end": st.floats(1e-7, 1e-3), "power": st.floats(0.5, 3)}),
    "inverse_sqrt": st.fixed_dictionaries({"timescale": st.integers(1, 100)}),
    "cosine_with_min_lr": st.fixed_dictionaries({"min_lr_rate": shares}),
    "cosine_warmup_with_min_lr": st.fixed_dictionaries(
        {"min_lr_rate": shares, "warmup_lr_rate": st.one_of(st.none(), shares)}
    ),
    "warmup_stable_decay": st.fixed_dictionaries(
        {
            "num_decay_steps": st.integers(0, 30),
            "warmup_type": st.sampled_from(["linear", "cosine", "1-sqrt"]),
            "decay_type": st.sampled_from(["linear", "cosine", "1-sqrt"]),
            "min_lr_ratio": shares,
        }
    ),
}


@pytest.mark.parametrize("name", KEYWORDS)
@given(data=st.data(), warmup=st.integers(0, 20), done=st.integers(0, 59))
def test_every_name_goes_on_as_adopted(name: str, data: st.DataObject, warmup: int, done: int) -> None:
    keywords = data.draw(KEYWORDS[name])
    scheduler = get_scheduler(name, sgd(0.1, 0.03), warmup, TRAINING, scheduler_specific_kwargs=keywords)

    assert_goes_on(scheduler, done)


def test_every_name_is_here() -> None:
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

    decided_by_metrics = {"reduce_lr_on_plateau", "greedy"}
    assert {name.value for name in TYPE_TO_SCHEDULER_FUNCTION} - decided_by_metrics == set(KEYWORDS)


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        ("constant", "Constant(BASE)"),
        ("linear", "Linear(0.0, BASE, over=10) >> Linear(BASE, 0.0, over=50)"),
        ("cosine", "Linear(0.0, BASE, over=10) >> Cosine(BASE, 0.0, over=50)"),
        ("inverse_sqrt", "Linear(0.0, BASE, over=10) >> InverseSqrt(10)"),
    ],
)
def test_the_expression_is_the_recipe(name: str, schedule: str) -> None:
    assert assert_goes_on(get_scheduler(name, sgd(0.1), 10, TRAINING), 5) == schedule


def test_a_chain_of_one_of_them_and_a_factor() -> None:
    optimizer = sgd(0.1)
    cosine = get_scheduler("cosine", optimizer, 10, TRAINING)
    after = peers.StepLR(optimizer, 30, 0.5)

    schedule = adopt(peers.SequentialLR(optimizer, [cosine, after], [40])).schedule

    assert (
        repr(schedule)
        == "(Linear(0.0, BASE, over=10) >> Cosine(BASE, 0.0, over=50)).until(40) >> Steps(30, 0.5)"
    )


def test_its_plateau_is_torchs() -> None:
    scheduler = get_scheduler("reduce_lr_on_plateau", sgd(0.1), scheduler_specific_kwargs={"patience": 3})

    assert repr(adopt(scheduler).schedule) == "Constant(BASE) * Plateau('metric', patience=3)"
