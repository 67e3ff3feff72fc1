"""YAML: that everything written reads back, what it looks like, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given

from etude import BASE, Constant, Cosine, Custom, Linear, Plateau, Points, Schedule, Steps
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
        ("type: Steps, gamma: 5e-1, at: [30ep, 60ep]", Steps(gamma=0.5, at=["30ep", "60ep"])),
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
        (
            "etude: 1\nschedule: {type: Cosine, over: 3, over: 4}",
            "line 2 of the YAML: there are two fields 'over'",
        ),
        ("etude: 1\nschedule: {type: Constant, level: BASE.exit()}", "exit"),
        (
            "etude: 1\nschedule: {type: Constant, level: 'Linear(BASE, over=3)'}",
            "a level is a number or a multiple of BASE",
        ),
        (
            "etude: 1\nschedule: &a {type: Constant, level: 1}",
            "line 2 of the YAML: a schedule's YAML has no anchors or aliases; write what 'a' is",
        ),
        ("etude: 1\nschedule: *a", "line 2 of the YAML: a schedule's YAML has no anchors or aliases"),
        (
            "etude: 1\nschedule: !!python/object/apply:os.getcwd []",
            "line 2 of the YAML: a schedule's YAML has no tags such as",
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


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("{type: Linear, over: !!int ''}", "line 2 of the YAML: a schedule's YAML has no tags such as"),
        ("!!map [x]", "line 2 of the YAML: a schedule's YAML has no tags such as 'tag:yaml.org,2002:map'"),
        ("!!set {a, b}", "has no tags such as 'tag:yaml.org,2002:set'"),
        ("!!binary aGVsbG8=", "has no tags such as 'tag:yaml.org,2002:binary'"),
        ("!<!!x> [1]", "has no tags such as '!!x'"),
        ("{type: Linear, 3: 4, over: 3}", "schedule: Linear has no field '3'"),
        ("{type: Linear, null: 4, over: 3}", "schedule: Linear has no field 'null'"),
        ("{type: Linear, [1]: 4, over: 3}", "line 2 of the YAML: a field's name must be a text"),
        ("{? {type: Linear} : 3}", "line 2 of the YAML: a field's name must be a text"),
        ("{type: Linear, over: 5, after: 0x" + "f" * 5000 + "}", "Linear(after=) must be one of"),
        ("{type: Linear, over: " + "9" * 5000 + "}", "line 2 of the YAML: a number of 5,000 digits"),
        ("{type: Linear, over: 5, start: 1:30}", "Linear(start=) must be a number"),
        ("{type: Linear, over: 5, start: 2020-01-01}", "Linear(start=) must be a number"),
        ("{type: Linear, over: 5, stop: .inf}", "Linear(stop=) must be finite; got inf"),
        ("{type: Linear, over: 5, stop: -.nan}", "Linear(stop=) must be finite; got nan"),
        ("{<<: {type: Linear}, over: 3}", "schedule: there is no schedule of the type None"),
        ("{type: Linear, over: 3}\n---\netude: 1", "is one document, and a second begins"),
        ("\ud800", "this is not YAML: UnicodeEncodeError"),
        ("[" * 50_000, "line 2 of the YAML: the YAML is nested too deeply to read: more than 350 deep"),
        ("{a: " * 20_000, "line 2 of the YAML: the YAML is nested too deeply to read: more than 350 deep"),
        ("[" + "&a [" * 9, "has no anchors or aliases; write what 'a' is"),
        ("x" * 400_000, "a schedule's YAML may have 400,000 characters; this has 400,019"),
    ],
)
def test_d2_every_text_that_is_no_schedule_is_a_spec_error(schedule: str, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        from_yaml(f"etude: 1\nschedule: {schedule}")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("over: 1_000", Linear(over=1000)),
        ("over: 1e3", Linear(over=1000)),
        ("over: +5", Linear(over=5)),
        ("over: '5'", Linear(over=5)),
        ("{over: 5, start: .5}", Linear(0.5, over=5)),
        ("over: 0.5st", Linear(over="0.5st")),
        ("{over: 5, start: 1_0.5E+1, inclusive: True}", Linear(105.0, over=5, inclusive=True)),
    ],
)
def test_d2_scalars_are_those_of_yaml_1_2(written: str, read: Schedule) -> None:
    fields = written.strip("{}")
    assert from_yaml(f"etude: 1\nschedule: {{type: Linear, {fields}}}") == read


@pytest.mark.parametrize("plan", [Plateau("null"), Plateau("TRUE"), Plateau("yes"), Custom("1:30")], ids=repr)
def test_d2_a_text_that_looks_like_more_comes_back_as_a_text(plan: Schedule) -> None:
    assert from_yaml(to_yaml(plan), Schedule) == plan


def test_d3_of_thousands_of_unknown_fields_the_first_few_are_named() -> None:
    fields = ", ".join(f"k{i}: 1" for i in range(9_000))
    with pytest.raises(SpecError) as refusal:
        from_yaml(f"etude: 1\nschedule: {{type: Linear, {fields}}}")
    assert str(refusal.value) == (
        "schedule: Linear has no field 'k0', 'k1', 'k10' and 8,997 more; "
        "its fields are after, inclusive, over, start, stop"
    )
