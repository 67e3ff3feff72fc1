"""One golden file, read by NumPy, torch, JAX and Keras: from the same text, the same rates.

``python -m tests.golden.rates`` writes it anew, where a schedule is meant to have changed.
"""

from __future__ import annotations

import json
import os

os.environ["KERAS_BACKEND"] = "torch"  # read where keras is first imported

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from etude import parse
from etude.jax import to_optax
from etude.keras import EtudeSchedule
from etude.torch import Scheduler
from tests.golden import rates as golden
from tests.golden.rates import Case

CASES = golden.read()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.plan)


def assert_one_rounding(values: NDArray[np.float32], case: Case) -> None:
    """Check float32 values: the golden ones, rounded."""
    assert values.dtype == np.float32
    expected = np.array(case.values)
    # Where a formula cancels, the golden value itself is no nearer than a rounding of the largest.
    spacing = np.maximum(np.spacing(expected.astype(np.float32)), 1e-15 * expected.max())
    wrong = np.abs(values - expected) > spacing
    assert dict(zip(np.array(case.steps)[wrong], values[wrong], strict=True)) == {}


def test_the_file_is_what_the_schedules_give() -> None:
    kept, new = json.loads(golden.PATH.read_text(encoding="utf-8")), json.loads(golden.written())
    for before, now in zip(kept, new, strict=True):
        # Another machine's cosine may differ in its last bit.
        peak = max(before["values"])
        assert now.pop("values") == pytest.approx(before.pop("values"), rel=1e-13, abs=1e-15 * peak)
        assert now == before


@every_case
def test_numpy(case: Case) -> None:
    values = parse(case.plan).on(case.horizon)(case.steps, case.base)
    assert values == pytest.approx(np.array(case.values), rel=1e-13, abs=1e-15 * max(case.values))


@every_case
@pytest.mark.filterwarnings("ignore::etude.errors.ScheduleWarning")  # of steps past the end, which are meant
def test_torch(case: Case) -> None:
    table = parse(case.plan).on(case.horizon)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=case.base)
    scheduler = Scheduler(optimizer, parse(case.plan), case.horizon)
    for step, value in zip(case.steps, case.values, strict=True):
        scheduler.seek(step)
        [rate] = scheduler.get_last_lr()
        assert rate == optimizer.param_groups[0]["lr"] == table(step, case.base)
        assert rate == pytest.approx(value, rel=1e-13, abs=1e-15 * max(case.values))


@every_case
def test_jax(case: Case) -> None:
    schedule = to_optax(parse(case.plan), case.horizon, case.base)
    assert_one_rounding(np.array(schedule(jnp.array(case.steps, dtype=jnp.int32))), case)


@every_case
def test_jax_in_float64(case: Case) -> None:
    schedule = to_optax(parse(case.plan), case.horizon, case.base)
    with jax.enable_x64(True):
        values = np.array(schedule(jnp.array(case.steps)))
    assert values.dtype == np.float64
    assert values == pytest.approx(np.array(case.values), rel=1e-12, abs=1e-15 * max(case.values))


@every_case
def test_keras(case: Case) -> None:
    schedule = EtudeSchedule(case.plan, case.horizon, case.base)
    values = schedule(np.array(case.steps, dtype=np.int32))
    assert_one_rounding(values.numpy(), case)
