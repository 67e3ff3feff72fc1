"""The checker: one table for each finding, and the schedules that nothing is said about."""

from __future__ import annotations

import pytest
from hypothesis import given

from etude import (
    BASE,
    Cosine,
    Exponential,
    Horizon,
    Linear,
    Schedule,
    fixed,
    linear_to_zero,
    one_cycle,
    sgdr,
    wsd,
    yolo,
)
from etude.check import Finding
from tests.strategies import HORIZON, expression, schedules

RUN = Horizon(steps_per_epoch=10, total=100)
LATE = "warmup-longer-than-run"
IDLE = "first-update-at-zero"


@pytest.mark.parametrize(
    ("plan", "codes"),
    [
        (fixed(), []),
        (linear_to_zero(warmup=10), []),
        (one_cycle(), []),
        (sgdr("1ep"), []),
        (wsd("1ep", "2ep"), []),
        (Linear(0.1, 1.0, over=100) >> Cosine(over=9), []),  # it is up when the run ends
        (Linear(0.1, 1.0, over=101), [LATE]),
        (Linear(0.1, 1.0, over="10/3ep").stretch(4), [LATE]),
        (Linear(0.1, 1.0, over=99).shift(5), [LATE]),  # counted from its start
        (Linear(0.1, 1.0, over=1e17), [LATE]),
        (Linear(0.1, 1.0, over=1e17, after="raise"), [LATE]),
        (Linear(1.0, 0.1, over=1000), []),  # a decay may be cut off
        (Exponential(2.0), []),  # a law has no end to reach
        (Linear(0.0, BASE, over=10) >> Cosine(over=90), [IDLE]),
        (yolo(), [IDLE]),
        (Linear(0.0, 1.0, over=200), [LATE, IDLE]),  # the gravest first
        (fixed(0.0), []),  # zero throughout is meant
        (fixed() * 0, []),
    ],
    ids=expression,
)
def test_findings(plan: Schedule, codes: list[str]) -> None:
    findings = plan.on(RUN).check()
    assert [finding.code for finding in findings] == codes


def test_what_a_finding_says() -> None:
    late, idle = Linear(0.0, 1.0, over=200).on(RUN).check()
    assert (late.severity, idle.severity) == ("error", "warning")
    assert str(late) == (
        "error: The schedule still warms up when the run ends: its first rise takes 200 steps and the run "
        "has 100. Shorten the warmup to well below 100 steps, or lengthen the run. [warmup-longer-than-run]"
    )
    assert "changes nothing" in str(idle)
    assert "0.01 * BASE" in idle.fix
    assert late == Finding(late.code, "error", late.message, late.fix)


@given(schedules)
def test_every_schedule_can_be_checked(plan: Schedule) -> None:
    for finding in plan.on(HORIZON).check():
        assert finding.message.endswith(".")
        assert finding.fix
