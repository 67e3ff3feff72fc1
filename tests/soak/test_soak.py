"""A slice of each part of the soak."""

from __future__ import annotations

import pytest

from tests.soak.__main__ import PARTS
from tests.soak.tally import Tally

SLICES: dict[str, int] = {
    "compositions": 200,
    "programs": 100,
    "texts": 2_000,
    "edges": 100,
    "kills": 2,
    "comparisons": 1,
}
"""Name of the part → how many of its cases the suite runs."""


@pytest.mark.parametrize("part", PARTS)
def test_a_slice_of_the_soak_finds_nothing(part: str) -> None:
    run, _ = PARTS[part]
    tally = Tally(part)
    run(tally, SLICES[part], 0)
    assert not tally.found.faults, "\n\n".join(fault.script for fault in tally.found.faults)
    assert tally.tried >= SLICES[part]
