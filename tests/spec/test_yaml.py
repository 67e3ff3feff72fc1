"""YAML: that everything written reads back, what it looks like, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given

from etude import BASE, Constant, Cosine, Linear, Points, Schedule, Steps
from etude.errors import SpecError
from etude.spec import from_yaml, to_yaml
from tests.strategies import schedules


@given(schedules)
def test_every_composition_reads_back(plan: Schedule) -> None:
    twin = from_yaml(to_yaml(plan))

    assert twin == plan
    assert twin.fingerprint == plan.fingerprint


def test_what_it_looks_like() -> None:
    plan = Linear(0.01 * BASE, BASE, over="5ep") >> Cosine(BASE, 1e-5, over="30%").repeat(2, stretch=1.5)

    assert to_yaml(plan).splitlines() == [
        "etude: 1",
        "schedule:",
        "  type: Sequence",
        "  sequence:",
        "  - type: Linear",
        "    start: 0.01 * BASE",
        "    stop: BASE",
        "    over: 5ep",
        "  - type: Repeat",
        "    schedule:",
        "      type: Cosine",
        "      stop: 1.0e-05",
        "      over: 30%",
        "    times: 2",
        "    growth: '1.5'",
    ]


@pytest.mark.parametrize(
    ("fields", "schedule"),
    [
        ("type: Constant, level: 0.1", Constant(0.1)),
        ("type: Constant, level: 1e-5", Constant(1e-5)),
        ("type: Constant, level: BASE", Constant(BASE)),
        ("type: Constant, level: 0.5 * BASE + 0.1", Constant(0.5 * BASE + 0.1)),
        ("type: Constant, level: {factor: 2, offset: 0}", Constant(2 * BASE)),
        ("type: Cosine, over: 100", Cosine(over=100)),
        ("type: Cosine, over: 1e3", Cosine(over=1000)),
        ("type: Cosine, over: 100%, start: BASE / 2", Cosine(0.5 * BASE, over="100%")),
        ("type: Points, points: [[0, BASE], [5ep, 1e-3]]", Points([(0, BASE), ("5ep", 1e-3)])),
        ("type: Steps, gamma: 5e-1, at: [30ep, 60ep]", Steps(0.5, at=["30ep", "60ep"])),
    ],
)
def test_what_people_write_reads(fields: str, schedule: Schedule) -> None:
    assert from_yaml(f"etude: 1\nschedule: {{{fields}}}") == schedule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'a schedule\'s YAML is {"etude": version, "schedule": {...}}; this is something else'),
        (
            "etude: 2\nschedule: {type: Constant, level: 1}",
            "this YAML is of version 2 and this Etude reads version 1",
        ),
        ("etude: 1\nschedule: [", "this is not YAML: "),
        (
            "etude: 1\nschedule: {type: Cosin, over: 3}",
            "no schedule of the type 'Cosin'; did you mean 'Cosine'?",
        ),
        ("etude: 1\nschedule: {type: Cosine, ovr: 3}", "schedule: Cosine has no field 'ovr'; its fields are"),
        ("etude: 1\nschedule: {type: [Cosine], over: 3}", "there is no schedule of the type ['Cosine']"),
        ("etude: 1\nschedule: {type: Cosine, over: 3, over: 4}", "line 2 of the YAML has two fields 'over'"),
        ("etude: 1\nschedule: {type: Constant, level: BASE.exit()}", "exit"),
        (
            "etude: 1\nschedule: {type: Constant, level: 'Linear(BASE, over=3)'}",
            "a level is a number or a multiple of BASE",
        ),
        (
            "etude: 1\nschedule: &a {type: Constant, level: 1}",
            "no anchors or aliases; line 2 has 'a': write what it",
        ),
        ("etude: 1\nschedule: *a", "no anchors or aliases; line 2 has 'a'"),
        (
            "etude: 1\nschedule: !!python/object/apply:os.getcwd []",
            "this is not YAML: could not determine a constructor",
        ),
        (
            "etude: 1\nschedule: {type: Constant, level: 2001-01-01}",
            "schedule: Constant(level=) must be a number",
        ),
        ("[" * 2000, "the YAML is nested too deeply to read"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        from_yaml(text)
    assert message in str(refusal.value)
