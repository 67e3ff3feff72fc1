from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.errors import ScheduleError
from etude.finder import Divergence

NAN = float("nan")


def end(losses: Iterable[float], limit: float = 4.0) -> int | None:
    """After how many losses it ends."""
    diverged = Divergence(limit)
    return next((count for count, loss in enumerate(losses, 1) if diverged(loss)), None)


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([2.0] * 50, None),
        ([0.0] * 50, None),
        ([-3.0] * 50, None),
        ([2.0] * 20 + [1e9], 21),
        ([2.0] * 20 + [100.0], 21),  # the mean is then above 8
        ([2.0] * 20 + [30.0] + [2.0] * 20, None),  # one spike is not enough
        ([2.0] * 20 + [4.0] * 50, None),
        ([2.0] * 20 + [9.0] * 50, 38),
        ([-2.0] * 20 + [-1.0] * 50, None),  # a loss that rises by half its size
        ([-2.0] * 20 + [50.0] * 50, 22),
        ([2.0] * 20 + [NAN, NAN] + [2.0] * 20, None),  # updates that a scaler skips
        ([2.0] * 20 + [NAN, math.inf, -math.inf], 23),
        ([NAN] * 3, 3),
        ([2.0, 100.0], None),  # nothing is known of it yet
        (np.linspace(2, -100, 60), None),
    ],
)
def test_it_ends(losses: list[float], ends: int | None) -> None:
    assert end(losses) == ends


def test_a_loss_that_has_nearly_vanished_may_be_noisy() -> None:
    fallen = np.geomspace(2.0, 1e-4, 100)
    noise = np.abs(np.random.default_rng(0).normal(0, 0.05, 100))
    assert end([*fallen, *noise]) is None
    assert end([*fallen, *noise, *[10.0] * 20]) == 209


def test_the_reason_is_told() -> None:
    diverged = Divergence(4.0)
    for _ in range(10):
        assert diverged(2.0) is None
    assert diverged(1000.0) == "the smoothed loss rose to 147, beyond 8; its lowest was 2"


def test_infinite_ends_at_losses_that_are_not_finite_only() -> None:
    assert end([2.0] * 10 + [1e300] * 5, math.inf) is None
    assert end([2.0] * 10 + [NAN] * 5, math.inf) == 13


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.sampled_from([2.0**k for k in range(-8, 9)])
)
def test_the_unit_of_the_loss_is_no_matter(losses: list[float], unit: float) -> None:
    assert end(losses) == end([loss * unit for loss in losses])


@pytest.mark.parametrize("limit", [1.0, 0.5, NAN, "4", True])
def test_a_limit_that_is_none_is_told(limit: object) -> None:
    with pytest.raises(ScheduleError, match=r"^diverge must be"):
        Divergence(limit)  # type: ignore[arg-type]
