"""What a finding writes instead is true: applied, the finding is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import etude as et
from etude import BASE, Cosine, Horizon, Linear, Schedule
from etude.check import Finding
from tests.check.test_rules import FIRES, RUN, found
from tests.strategies import expression

Mended = tuple[Schedule, Horizon, float]


def mended(plan: Schedule, horizon: Horizon, finding: Finding) -> Iterator[tuple[str, Mended]]:
    """Each thing that the fix of a finding writes, applied."""
    fix = finding.fix
    per_epoch = horizon.steps_per_epoch
    for total in re.findall(r"total=('\w[\w.]*'|[\d_]+)", fix):
        for each in (total, *re.findall(rf"{re.escape(total)} or ('\w[\w.]*'|[\d_]+)", fix)):
            yield f"total={each}", (plan, Horizon(per_epoch, each.strip("'").replace("_", "")), 1.0)
    for until, level in re.findall(r"add (?:\.until\((.*?)\) )?>> Constant\((.*?)\)", fix):
        trunk = plan.until(until.strip("'").replace("_", "")) if until else plan
        yield f">> Constant({level})", (trunk >> et.parse(f"Constant({level})"), horizon, 1.0)
    for rate in re.findall(r"lr=([\d.e+-]+\d)", fix):
        yield f"lr={rate}", (plan, horizon, float(rate))
    for text in re.findall(r"such as (Linear.*?\));", fix):
        yield text, (et.parse(text), horizon, 1.0)
    if finding.code == "cosine-climbs-back":
        for text in re.findall(r"write (cosine\(.*?\)|sgdr\(.*?\))[,.]", fix):
            parts = plan.parts if isinstance(plan, et.schedules.algebra.Sequence) else ()
            yield text, (parts[0] >> et.parse(text) if parts else et.parse(text), horizon, 1.0)
    if finding.code == "floor-never-reached":
        (rest,) = re.findall(r"over=('rest') is what is left from", fix)
        if isinstance(plan, Cosine):
            yield rest, (Cosine(BASE, 0.0, over=rest.strip("'")), horizon, 1.0)


# Those of whose fixes one writes what can be applied as it stands.
WRITTEN = {
    "base-unused",
    "cosine-climbs-back",
    "floor-never-reached",
    "floor-reached-early",
    "jump-at-end",
    "length-differs",
    "never-leaves-warmup",
    "run-ends-inside-cycle",
    "zero-updates",
}


@pytest.mark.parametrize("per_epoch", [None, 10, 7])
@pytest.mark.parametrize(
    ("code", "plan"),
    [(code, plan) for code in sorted(WRITTEN) for plan, _ in FIRES[code]],
    ids=expression,
)
def test_e2_a_fix_that_is_applied_ends_its_finding(code: str, plan: Schedule, per_epoch: int | None) -> None:
    horizon = Horizon(per_epoch, total=1_000)
    try:
        finding = found(plan, horizon).get(code)
    except et.EtudeError:
        finding = None  # it counts in epochs
    for written, (better, run, base) in mended(plan, horizon, finding) if finding else ():
        assert code not in found(better, run, base), f"{written} of: {finding}"


@pytest.mark.parametrize("code", sorted(WRITTEN))
def test_e2_there_is_something_to_apply(code: str) -> None:
    assert any(any(mended(plan, RUN, found(plan)[code])) for plan, _ in FIRES[code])


def test_e2_what_is_left_after_the_warmup_is_told() -> None:
    plan = Linear(0.01 * BASE, BASE, over="30ep") >> Cosine(over="100ep")
    fix = found(plan, Horizon(10, "100ep"))["floor-never-reached"].fix
    assert fix == (
        "Let the decay end with the run: over='rest' is what is left from step 300 (30 epochs) on, or "
        "lengthen the run, total='130ep'."
    )
    better = Linear(0.01 * BASE, BASE, over="30ep") >> Cosine(over="rest")
    assert "floor-never-reached" not in found(better, Horizon(10, "100ep"))
