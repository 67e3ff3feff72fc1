"""Code for transformers: ``get_scheduler`` run beside the schedule, at every step."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etude import BASE, Constant, Cosine, Horizon, InverseSqrt, Linear, Polynomial, Ramp, Schedule, parse
from etude.convert import convert
from etude.errors import ScheduleError

BASES = (0.1, 0.03)


def assert_equal(plan: Schedule, steps: int) -> str:
    """The code is equal to the schedule at every step; returns the name that it asks for."""
    names: dict[str, Any] = {}
    horizon = Horizon(total=steps)
    code = convert(plan, to="transformers", horizon=horizon)
    exec(code, names)
    groups = [{"params": [torch.zeros(1)], "lr": base} for base in BASES]
    optimizer = torch.optim.SGD(groups, lr=BASES[0])
    scheduler = names["make_scheduler"](optimizer)
    used = []
    for _ in range(steps):
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    wanted = plan.on(horizon)(range(steps), BASES)
    np.testing.assert_allclose(np.array(used), wanted, rtol=1e-12, atol=1e-16)
    found = re.search(r"get_scheduler\(\n        '(\w+)'", code)
    assert found is not None
    return found[1]


lengths = st.integers(1, 60)
shares = st.floats(0.01, 0.9)
DECAYS: dict[str, st.SearchStrategy[Schedule]] = {
    "constant_with_warmup": st.just(Constant(BASE)),
    "linear": st.builds(lambda over: Linear(over=over), lengths),
    "cosine": st.just(Cosine(over=100)),
    "cosine_with_min_lr": st.builds(lambda share: Cosine(BASE, share * BASE, over=100), shares),
    "cosine_with_restarts": st.builds(lambda over: Cosine(over=over).repeat(4), st.sampled_from([8, 16, 32])),
    "polynomial": st.builds(
        lambda share, over, power: Polynomial(BASE, share * BASE, over=over, power=power),
        shares,
        lengths,
        st.floats(0.5, 3),
    ),
    "inverse_sqrt": st.builds(InverseSqrt, lengths),
}


@pytest.mark.parametrize("name", DECAYS)
@given(data=st.data(), warmup=lengths)
def test_each_name_is_found_and_equal(name: str, data: st.DataObject, warmup: int) -> None:
    plan = Linear(0.0, BASE, over=warmup) >> data.draw(DECAYS[name])

    assert assert_equal(plan, 100) == name


@given(
    warmup=lengths,
    stable=lengths,
    decay=lengths,
    share=shares,
    kind=st.sampled_from([Linear, Cosine, partial(Ramp, ease="one_minus_sqrt")]),
)
def test_warmup_stable_decay(warmup: int, stable: int, decay: int, share: float, kind: Any) -> None:
    low = share * BASE
    plan = Linear(low, BASE, over=warmup) >> Constant(BASE, over=stable) >> kind(BASE, low, over=decay)

    assert assert_equal(plan, 200) == "warmup_stable_decay"


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("Constant()", "constant"),
        ("cosine()", "cosine"),
        ("sgdr(25)", "cosine_with_restarts"),
        ("Linear(over='50%')", "linear"),
    ],
)
def test_without_a_warmup(expression: str, name: str) -> None:
    assert assert_equal(parse(expression), 100) == name


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "cosine('50%')",
            "its cosine climbs again after 50 steps, where Cosine(BASE, 0.0, over=50) holds its last rate",
        ),
        ("linear(warmup=10)", "it has a straight line from 0 to BASE for a warmup"),
        (
            "cosine(peak=0.1)",
            "Cosine(0.1, 0.0, over=100) has no name there; convert to='torch' and give Trainer",
        ),
        (
            "Linear(0.0, BASE, over=10) >> cosine(90, floor=0.001)",
            "Cosine's stop is 0.001, no multiple of BASE",
        ),
        ("Linear(0.0, BASE, over=2.5) >> cosine('50%')", "the warmup's length is 2.5 steps, no whole number"),
        ("sgdr(30)", "Cosine(BASE, 0.0, over=30).repeat() has no whole number of cycles"),
        ("Polynomial(BASE, BASE, over=10)", "does not fall"),
        (
            "Linear(0.0, BASE, over=9) >> Constant(BASE, over=9) >> Cosine(BASE, 0.1 * BASE, over=9)",
            "its warmup begins",
        ),
    ],
)
def test_what_transformers_lacks_is_named(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        convert(parse(expression), to="transformers", horizon=Horizon(total=100))
    assert message in str(refusal.value)
