"""The examples, of each name and of the schedules that are one line: all are read, run, checked and drawn."""

from __future__ import annotations

import ast
import inspect
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from etude import BASE, CATALOGUE, Horizon, Schedule, from_json, parse, plots
from etude.check import Finding
from etude.errors import EtudeError
from etude.spec import from_yaml, to_yaml
from etude.spec.examples import EXAMPLES, FIELD, HORIZON

ALL = {**EXAMPLES, **FIELD}
STEPS = np.arange(1_000)
each = pytest.mark.parametrize("name", ALL)


def test_every_name_has_an_example_and_is_what_the_example_shows() -> None:
    assert EXAMPLES.keys() == CATALOGUE.keys()
    for name, text in EXAMPLES.items():
        assert text.startswith(f"{name}(")
    assert not FIELD.keys() & EXAMPLES.keys()
    assert len(set(ALL.values())) == len(ALL)


@each
def test_it_reads_back_from_every_text(name: str) -> None:
    plan = parse(ALL[name], Schedule)
    assert parse(repr(plan), Schedule) == plan
    assert from_json(plan.to_json(), Schedule) == from_yaml(to_yaml(plan), Schedule) == plan


@pytest.mark.parametrize("name", [name for name, made in CATALOGUE.items() if inspect.isclass(made)])
def test_what_has_a_class_is_written_as_it_is_kept(name: str) -> None:
    plan = parse(EXAMPLES[name], Schedule)
    inner = [part for part in plan.walk() if type(part) is CATALOGUE[name]]
    assert len(inner) == 1
    # A phase is called by the class, or its ease; what feedback decides has no shape of its own.
    phases = {phase.name for phase in inner[0].on(HORIZON).phases if phase.name != "hold"}
    called = {"Plateau": "constant", "Ramp": "one_minus_sqrt"}
    assert phases == {called.get(name, name.lower())}


@each
def test_it_has_values_for_every_group_of_the_whole_run(name: str) -> None:
    table = parse(ALL[name], Schedule).on(HORIZON)
    assert table.steps == 1_000
    values = table(STEPS)
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() > 0
    if table.schedule.multiplies:
        return
    # Written in shares of BASE or in plain numbers, never in both.
    together = table(STEPS, base=[1.0, 0.1, 3.0])
    shares = [1.0, 0.1, 3.0] if table.depends_on_base else [1.0, 1.0, 1.0]
    assert together == pytest.approx(values[:, None] * shares, rel=1e-12)


@each
def test_it_moves_unless_it_says_that_it_does_not(name: str) -> None:
    flat = np.ptp(parse(ALL[name], Schedule).on(HORIZON)(STEPS)) == 0
    assert flat == (name in ("Constant", "Plateau"))


@each
def test_it_is_drawn(name: str) -> None:
    table = parse(ALL[name], Schedule).on(HORIZON)
    chart = table.chart(title=name)
    (curve,) = chart.series
    assert (np.array(curve.y) == table(curve.x)).all()
    drawn = plots.to_text(chart, width=80).splitlines()
    assert drawn[0].strip() == name
    assert len(drawn) > 10
    assert plots.to_svg(chart).startswith("<svg")


@each
def test_it_is_checked(name: str) -> None:
    table = parse(ALL[name], Schedule).on(HORIZON)
    findings = [*table.check(), *([] if table.schedule.multiplies else table.check(base=0.1))]
    assert all(isinstance(finding, Finding) and finding.message for finding in findings)
    # Only Adafactor's own warmup is made for longer runs.
    errors = [finding.code for finding in table.check() if finding.severity == "error"]
    assert errors == (["warmup-longer-than-run"] if name == "adafactor" else [])


@each
def test_its_facts_are_told(name: str) -> None:
    plan = parse(ALL[name], Schedule)
    facts = plan.on(HORIZON).facts()
    assert facts.exact
    assert facts.first == plan.on(HORIZON)(0)
    assert sum(facts.shares.values()) == pytest.approx(1)
    assert (facts.sum_diverges is None) == ("Custom" in repr(plan) or "Plateau" in repr(plan))


EXTREME = [1e-300, 5e-324, 1e300, 10**400, 2**53, Fraction(1, 3), np.float32(0.5), Decimal("0.5"), True, -1]


@pytest.mark.parametrize("name", EXAMPLES)
def test_d7_extreme_arguments_give_values_or_an_error_of_ours(name: str) -> None:
    """One after another, each argument of the example is replaced by a number that few expect."""
    calls = [node for node in ast.walk(ast.parse(EXAMPLES[name])) if isinstance(node, ast.Call)]
    call = next(node for node in calls if isinstance(node.func, ast.Name) and node.func.id == name)
    run = Horizon(steps_per_epoch=2, total=10, samples_per_step=32, tokens_per_step=1000)
    signature = inspect.signature(CATALOGUE[name])
    if any(each.kind is each.VAR_POSITIONAL for each in signature.parameters.values()):
        return
    values = {**CATALOGUE, "BASE": BASE}
    given = [eval(ast.unparse(argument), values) for argument in call.args]
    named = {str(each.arg): eval(ast.unparse(each.value), values) for each in call.keywords}
    for argument in signature.parameters:
        for extreme in EXTREME:
            bound = signature.bind(*given, **named)
            bound.arguments[argument] = extreme
            with suppress(EtudeError):
                table = CATALOGUE[name](*bound.args, **bound.kwargs).on(run)
                assert np.isfinite(table([0, 5, 9])).all()
                table.facts()
                table.check()
