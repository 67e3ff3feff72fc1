"""``convert``: the one function over all writers, and the ones that keep lengths as they are written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

import etude as et
from etude import BASE, Horizon, Linear, Schedule, from_json
from etude.convert import TARGETS, convert
from etude.errors import HorizonError, ScheduleError
from etude.spec import from_yaml
from tests.strategies import schedules

RUN = Horizon(total=100)


@given(schedules)
def test_python_builds_the_same_schedule(plan: Schedule) -> None:
    names: dict[str, Any] = {}
    exec(convert(plan, to="python"), names)

    assert names["schedule"] == plan


@given(schedules)
def test_json_and_yaml_read_back(plan: Schedule) -> None:
    assert from_json(convert(plan, to="json")) == plan
    assert from_yaml(convert(plan, to="yaml")) == plan


def test_a_long_chain_is_broken_into_lines() -> None:
    plan = (
        Linear(0.01 * BASE, BASE, over="5ep") >> et.cosine("85ep") >> et.sgdr("10ep", stretch=2, floor=1e-5)
    )

    assert convert(plan, to="python").splitlines() == [
        "from etude import BASE, Cosine, Linear",
        "",
        "schedule = (",
        "    Linear(0.01 * BASE, BASE, over='5ep')",
        "    >> Cosine(BASE, 0.0, over='85ep')",
        "    >> Cosine(BASE, 1e-05, over='10ep').repeat(stretch=2)",
        ")",
    ]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            {"to": "pytorch"},
            ScheduleError,
            "convert(to=) must be one of 'python', 'json', 'yaml', 'torch', 'optax', 'transformers'; got "
            "'pytorch'; did you mean 'torch'?",
        ),
        (
            {"to": "torch"},
            HorizonError,
            "to='torch' counts in steps and needs the run: horizon=Horizon(total=",
        ),
        (
            {"to": "json", "horizon": RUN},
            HorizonError,
            "to='json' keeps lengths as they are written and takes no",
        ),
        ({"to": "optax", "horizon": Horizon()}, HorizonError, "never ends and the horizon has no total"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as refusal:
        convert(et.Constant(), **arguments)
    assert message in str(refusal.value)


@pytest.mark.parametrize("to", TARGETS)
def test_only_schedules_are_converted(to: str) -> None:
    with pytest.raises(ScheduleError, match=r"convert takes a schedule, such as etude.cosine\(\); got 0.1"):
        convert(0.1, to=to)  # type: ignore[arg-type]
