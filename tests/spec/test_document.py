"""JSON: that everything written reads back, what it looks like, and what is refused, with its path."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import BASE, Constant, Cosine, Linear, Points, Schedule, from_json, sgdr
from etude.errors import SpecError
from tests.strategies import schedules

CONSTANT = {"type": "Constant", "level": 0.1, "over": None}


@given(schedules)
def test_every_composition_reads_back(plan: Schedule) -> None:
    twin = from_json(plan.to_json())
    assert twin == plan
    assert twin.fingerprint == plan.fingerprint


def test_what_it_looks_like() -> None:
    plan = Linear(0.01 * BASE, BASE, over="5ep") >> Constant(0.5)
    assert json.loads(plan.to_json()) == {
        "etude": 1,
        "schedule": {
            "type": "Sequence",
            "sequence": [
                {
                    "type": "Linear",
                    "start": {"factor": 0.01, "offset": 0.0},
                    "stop": {"factor": 1.0, "offset": 0.0},
                    "over": "5ep",
                    "inclusive": False,
                    "after": "hold",
                },
                {"type": "Constant", "level": 0.5, "over": None},
            ],
        },
    }


def test_it_is_small_and_plain() -> None:
    text = sgdr("10ep", stretch="3/2", gain=0.5, floor=1e-5).to_json()
    assert len(text) < 1000
    assert "NaN" not in text
    assert "Infinity" not in text


@pytest.mark.parametrize(
    "written",
    [
        # By another program, or by hand: what the constructors take is read.
        '{"etude": 1, "schedule": {"type": "Constant", "level": 1, "over": 5}}',
        '{"schedule": {"over": "5st", "level": {"offset": 1, "factor": 0}, "type": "Constant"}, "etude": 1}',
        ' {"etude" : 1.0, "schedule": {"type": "Constant", "level": 1.0, "over": "5"}}\n',
    ],
)
def test_other_ways_to_write_it(written: str) -> None:
    assert from_json(written) == Constant(1.0, over=5)


def test_points_are_lists_in_json() -> None:
    text = '{"etude": 1, "schedule": {"type": "Points", "points": [["0st", 0.1], ["5ep", 0.2]]}}'
    assert from_json(text) == Points([(0, 0.1), ("5ep", 0.2)])


def document(schedule: Any, version: Any = 1, **more: Any) -> str:
    return json.dumps({"etude": version, "schedule": schedule, **more})


def changed(plan: Schedule, **fields: Any) -> Any:
    return json.loads(plan.to_json())["schedule"] | fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"this is not JSON: Expecting value"),
        ("{", r"this is not JSON"),
        ("Linear(over=5)", r"this is not JSON"),
        (None, r"this is not JSON"),
        ('{"etude": 1, "schedule": ' + "1" * 5000 + "}", r"this is not JSON: a number has 5,000 digits"),
        ("[" * 100_000, r"nested too deeply to read"),
        (document([]).replace("[]", "[" * 600 + "]" * 600), r"nested too deeply|must be an object"),
        ("[]", r"a schedule's JSON is \{\"etude\": version, \"schedule\": \{...\}\}; this is something else"),
        ("{}", r"this is something else"),
        (document(CONSTANT, more=1), r"this is something else"),
        (json.dumps({"schedule": CONSTANT}), r"this is something else"),
        # The version.
        (
            document(CONSTANT, 2),
            r"this JSON is of version 2 and this Etude reads version 1; a newer Etude may",
        ),
        (document(CONSTANT, "1"), r"this JSON is of version '1'"),
        (document(CONSTANT, True), r"this JSON is of version True"),
        (document(CONSTANT, None), r"this JSON is of version None"),
        (document(CONSTANT, [1]), r"this JSON is of version \[1\]"),
        # What is not a schedule.
        (document(5), r"schedule must be an object with a type"),
        (document("Linear(over=5)"), r"schedule must be an object with a type"),
        (document([CONSTANT]), r"schedule must be an object with a type"),
        (document({"factor": 1, "offset": 0}), r"schedule must be an object with a type"),
        (document({}), r"^schedule: there is no schedule of the type None"),
        (
            document({"type": "Liner"}),
            r"^schedule: there is no schedule of the type 'Liner'; did you mean 'Linear'\?",
        ),
        (
            document({"type": "sgdr"}),
            r"^schedule: there is no schedule of the type 'sgdr'",
        ),  # a recipe is no type
        (document({"type": "Schedule"}), r"^schedule: there is no schedule of the type 'Schedule'"),
        (document({"type": ["Linear"]}), r"^schedule: there is no schedule of the type \['Linear'\]"),
        (document({"type": {"type": "Linear"}}), r"there is no schedule of the type"),
        # Fields.
        (
            document(CONSTANT | {"levle": 1}),
            r"^schedule: Constant has no field 'levle'; its fields are level, over",
        ),
        (document({"type": "Ramp", "stop": 0.1}), r"^schedule: Ramp lacks the field 'ease'"),
        (document(CONSTANT | {"level": -1}), r"^schedule: Constant\(level=\) must be at least 0; got -1"),
        (
            document(CONSTANT | {"level": None}),
            r"^schedule: Constant\(level=\) must be a number .*; got None",
        ),
        (
            document(CONSTANT | {"level": True}),
            r"^schedule: Constant\(level=\) must be a number .*; got True",
        ),
        (
            document(CONSTANT | {"level": float("nan")}),
            r"^schedule: Constant\(level=\) must be finite; got nan",
        ),
        (
            document(CONSTANT | {"level": CONSTANT}),
            r"^schedule: Constant\(level=\) must be a number .*; got Constant",
        ),
        (
            document(CONSTANT | {"level": {"factor": "1", "offset": 0}}),
            r"^schedule.level: Level\(factor=\) must be a",
        ),
        (
            document(CONSTANT | {"level": {"factor": 10**400, "offset": 0}}),
            r"^schedule.level: Level\(factor=\) must be",
        ),
        (
            document(CONSTANT | {"level": {"factor": 1}}),
            r"^schedule.level: there is no schedule of the type None",
        ),
        (
            document(CONSTANT | {"over": "5 apples"}),
            r"^schedule: Constant\(over=\) has the unknown unit 'apples'",
        ),
        (
            document(CONSTANT | {"over": [5]}),
            r"^schedule: Constant\(over=\) must be a duration .*; got \(5,\)",
        ),
        (
            document(changed(Linear(over=5) >> Cosine(over=5), sequence=[CONSTANT, {"type": "Cosin"}])),
            r"^schedule.sequence\[1\]: there is no schedule of the type 'Cosin'; did you mean 'Cosine'",
        ),
        (
            document(changed(Linear(over=5) >> Cosine(over=5), sequence=[CONSTANT])),
            r"^schedule: Sequence\(sequence=\) must be two schedules or more",
        ),
        (
            document(changed(Linear(over=5).repeat(), schedule=5)),
            r"^schedule: Repeat\(schedule=\) must be a schedule",
        ),
        (
            document(changed(Linear(over=5).repeat(), schedule=changed(Linear(over=5), over=-1))),
            r"^schedule.schedule: Linear\(over=\) must be at least 0; got -1",
        ),
        (
            document(changed(Linear(over=5).repeat(), times=2.5)),
            r"^schedule: Repeat\(times=\) must be a whole number",
        ),
        (
            document(changed(Linear(over=5).repeat(), growth="0")),
            r"^schedule: Repeat\(stretch=\) must be more than 0",
        ),
        # An object with two fields of one name.
        (
            '{"etude": 1, "schedule": {"type": "Constant", "level": 0.1, "level": 0.2, "over": null}}',
            r"^this has an object with two fields 'level'",
        ),
    ],
)
def test_what_is_refused_and_where(text: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_json(text)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "level", "over", "factor", "offset", "sequence"]), inner),
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_is_read_or_refused(value: Any) -> None:
    for written in (document(value), document(CONSTANT | {"level": value}), document({"type": value})):
        try:
            from_json(written)
        except SpecError:
            continue


def test_a_field_added_since_a_document_was_written_has_its_default() -> None:
    document = {"etude": 1, "schedule": {"type": "Linear", "over": 4}}
    assert from_json(json.dumps(document)) == Linear(over=4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, r"^this is nested too deeply to read: more than 350 deep, at character 351$"),
        ('{"a":' * 20_000, r"^this is nested too deeply to read: more than 350 deep, at character 1,751$"),
        ('["' + "[" * 1_000, r"^this is not JSON: Unterminated string"),
        ("1" * 5_000, r"^this is not JSON: a number has 5,000 digits, and at most 1000 are read$"),
        (b"{}", r"^this is not JSON: it must be a text; got b'{}'$"),
        (None, r"^this is not JSON: it must be a text; got None$"),
    ],
)
def test_b6_what_is_broken_off_is_refused_at_once(text: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_json(text)


def test_b6_a_text_is_refused_too_where_little_of_the_stack_is_left() -> None:
    def below(calls: int, text: str) -> None:
        if calls:
            below(calls - 1, text)
        else:
            with pytest.raises(SpecError, match="nested too deeply to read"):
                from_json(text)

    deep = Constant(1.0, over=1)
    for _ in range(60):
        deep = deep.shift(1)
    below(sys.getrecursionlimit() - stack_depth() - 100, deep.to_json())


def test_d3_an_object_of_thousands_of_fields_is_refused_with_the_first_few() -> None:
    fields = ", ".join(f'"k{i}": 1' for i in range(20_000))
    with pytest.raises(SpecError, match=r"Linear has no field 'k0', 'k1', 'k10' and 19,997 more; its fields"):
        from_json(f'{{"etude": 1, "schedule": {{"type": "Linear", {fields}}}}}')
    with pytest.raises(SpecError, match=r"^this has an object with two fields 'k19999'$"):
        from_json(f'{{"etude": 1, "schedule": {{"type": "Linear", {fields}, "k19999": 1}}}}')


def stack_depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]
        depth += 1
    return depth
