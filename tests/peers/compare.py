"""How a peer's numbers are compared with ours, and how a torch scheduler is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

from etude import Horizon, Schedule

RELATIVE = 1e-12
# Of the highest rate: near 0 the terms of every formula cancel, and some peers' roundings add up.
OF_THE_PEAK = 1e-14

rates = st.floats(0.01, 2)
shares = st.floats(0.01, 1)
floors = st.floats(0, 0.009)
lengths = st.integers(1, 40)
warmups = st.integers(0, 15)
STEPS = 60


def assert_same(
    schedule: Schedule,
    peer: Sequence[float] | NDArray[np.float64],
    *,
    base: float = 1.0,
    horizon: Horizon | None = None,
    relative: float = RELATIVE,
    of_the_peak: float = OF_THE_PEAK,
) -> None:
    """Check that ours uses at each step what the peer used there, from the first on."""
    expected = np.array(peer, dtype=np.float64)
    ours = schedule.on(horizon or Horizon(total=len(expected)))(range(len(expected)), base=base)
    peak = max(np.abs(expected).max(), np.abs(ours).max())
    assert ours == pytest.approx(expected, rel=relative, abs=of_the_peak * peak)


def updates(
    build: Callable[[torch.optim.Optimizer], Any], steps: int = STEPS, *, base: float = 1.0, key: str = "lr"
) -> NDArray[np.float64]:
    """What a scheduler of torch's kind makes each update use."""
    optimizer = sgd(base)
    scheduler = build(optimizer)
    values = []
    for _ in range(steps):
        values.append(float(optimizer.param_groups[0][key]))
        optimizer.step()
        scheduler.step()
    return np.array(values)


def sgd(*rates: float) -> torch.optim.Optimizer:
    """An optimizer with one group for each rate, and momentum to cycle."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=rates[0], momentum=0.5)
