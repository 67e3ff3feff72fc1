"""A factor is not a rate: what is one, and whatever asks for a rate says what to write instead."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import SGD

import etude as et
from etude import BASE, EtudeError, Factor, Horizon, Rate, Schedule, from_json, parse
from etude.convert import convert
from etude.jax import to_optax
from etude.keras import EtudeSchedule
from etude.schedules import Noise, Plateau, warmup
from etude.schedules.algebra import Product, Sequence, to_rate
from etude.spec import from_yaml, to_yaml
from etude.study import choose_arms
from etude.torch import Scheduler

RUN = Horizon(steps_per_epoch=10, total=100)
LINE = r"multiplies.*: write .* \* cosine\(\), or (.* \* another rate|cosine\(warmup=.*\))"


@pytest.mark.parametrize(
    "text",
    [
        "warmup(5)",
        "untuned_warmup(0.9)",
        "untuned_warmup(0.9, ease='exponential')",
        "ExponentialWarmup(5)",
        "RAdamWarmup(0.9)",
        "Noise(1, 0.1)",
        "Plateau('loss')",
        "warmup(5) * Noise(1, 0.1)",
        "warmup(5) >> Noise(1, 0.1)",
        "warmup(5) + RAdamWarmup(0.9)",
        "minimum(warmup(5), RAdamWarmup(0.9))",
        "maximum(warmup(5), RAdamWarmup(0.9), Plateau('loss'))",
        "warmup(5).repeat(3)",
        "Noise(1, 0.1).until(5)",
        "(warmup(5) * Noise(1, 0.1)).shift(2).stretch(2)",
    ],
)
def test_a1_what_is_made_of_factors_alone_is_a_factor(text: str) -> None:
    plan = parse(text, Factor)
    assert isinstance(plan, Factor)
    assert not isinstance(plan, Rate)
    for twin in (
        parse(repr(plan), Factor),
        from_json(plan.to_json(), Factor),
        from_yaml(to_yaml(plan), Factor),
        pickle.loads(pickle.dumps(plan)),
        copy.deepcopy(plan),
        parse(text, Schedule),
    ):
        assert twin == plan
        assert type(twin) is type(plan)
    with pytest.raises(EtudeError, match=LINE + r"; parse\(text, Factor\) reads it"):
        parse(text)
    with pytest.raises(EtudeError, match=LINE + r"; from_json\(text, Factor\) reads it"):
        from_json(plan.to_json())
    with pytest.raises(EtudeError, match=LINE + r"; from_yaml\(text, Factor\) reads it"):
        from_yaml(to_yaml(plan))


@pytest.mark.parametrize(
    "text",
    [
        "cosine()",
        "0.5",
        "BASE",
        "Linear(0.1, 1.0, over=5)",  # of plain numbers: momentum, weight decay, a rate of its own
        "Custom('math:sqrt')",
        "warmup(5) * cosine()",
        "cosine() * warmup(5) * Plateau('loss')",
        "warmup(5) * BASE",
        "Noise(1, 0.1) * 0.01",
        "Constant(0.5) * cosine()",
        "(warmup(5) * cosine(50)).repeat()",
    ],
)
def test_a1_all_else_is_a_rate(text: str) -> None:
    plan = parse(text)
    assert isinstance(plan, Rate)
    assert parse(repr(plan)) == from_json(plan.to_json()) == pickle.loads(pickle.dumps(plan)) == plan
    with pytest.raises(EtudeError, match=r"is a rate, not a factor; parse\(text\) reads it"):
        parse(text, Factor)


def test_a1_a_kind_is_one_of_the_kinds() -> None:
    with pytest.raises(
        EtudeError, match=r"parse\(kind=\) must be Rate, Factor or Schedule; got <class 'int'>"
    ):
        parse("cosine()", int)  # type: ignore[type-var]


def scheduler(**arguments: Any) -> Scheduler:
    return Scheduler(
        SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9), horizon=RUN, **arguments
    )


@pytest.mark.parametrize("factor", [warmup(5), Plateau("loss"), Noise(1, 0.1) * warmup(5)], ids=repr)
@pytest.mark.parametrize(
    "asks",
    [
        lambda factor: scheduler(schedules=factor),
        lambda factor: scheduler(schedules={"lr": factor}),
        lambda factor: scheduler(schedules={"lr": et.cosine(), "momentum": factor}),
        lambda factor: scheduler(groups={"*": factor}),
        lambda factor: scheduler(groups={0: {"lr": factor}}),
        lambda factor: to_optax(factor, RUN),
        lambda factor: EtudeSchedule(factor, RUN),
        lambda factor: choose_arms(added=[factor]),
        lambda factor: convert(factor, to="torch", horizon=RUN),
        lambda factor: factor >> et.cosine(95),
        lambda factor: factor.until(5) >> et.cosine(95),
        lambda factor: et.cosine(95) >> factor,
        lambda factor: 0.5 >> factor,
        lambda factor: factor + et.cosine(),
        lambda factor: et.cosine() + factor,
        lambda factor: factor + 0.1,
        lambda factor: et.minimum(factor, 0.5),
        lambda factor: et.maximum(et.cosine(), factor),
        lambda factor: Sequence((et.cosine(95), factor)),
        lambda factor: Rate.cooldown(factor, 5, over=3),
        lambda factor: Rate.under(factor, 1.0),
        lambda factor: Rate.clip(factor, 0.1),
    ],
)
def test_a1_who_asks_for_a_rate_says_what_to_write(asks: Callable[[Any], Any], factor: Any) -> None:
    with pytest.raises(EtudeError, match=LINE):
        asks(factor)


@pytest.mark.parametrize(
    ("factor", "line"),
    [
        (warmup(5), "write warmup(5) * cosine(), or cosine(warmup=5)"),
        (warmup("5ep"), "write warmup('5ep') * cosine(), or cosine(warmup='5ep')"),
        (
            warmup(5, start=0.1),
            "write warmup(5, start=0.1) * cosine(), or warmup(5, start=0.1) * another rate",
        ),
        (
            warmup(5) + warmup(3),
            "write (warmup(3) + warmup(5)) * cosine(), or (warmup(3) + warmup(5)) * another",
        ),
    ],
    ids=repr,
)
def test_the_line_to_write_reads_back(factor: Factor, line: str) -> None:
    with pytest.raises(EtudeError) as refusal:
        to_rate(factor, "the learning rate")
    assert line in str(refusal.value)
    for written in str(refusal.value).partition("write ")[2].split(", or "):
        assert et.parse(written.replace("another rate", "linear()")).extent == "finite"


def test_a1_a_factor_has_no_base_rate() -> None:
    table = warmup(4).on(RUN)
    assert table(range(4)).tolist() == [0.2, 0.4, 0.6, 0.8]
    with pytest.raises(EtudeError, match=r"warmup\(4\) is a factor and multiplies: it has no base rate"):
        table(3, base=0.1)
    chart = table.chart()
    assert chart.y_label == "factor"


def test_a1_the_rates_are_those_of_the_product() -> None:
    plan = scheduler(schedules=warmup(4) * et.cosine())
    table = (warmup(4) * et.cosine()).on(RUN)
    used = []
    for _ in range(100):
        used.append(plan.get_last_lr()[0])
        plan.optimizer.step()
        plan.step()
    assert used == table(range(100), base=0.1).tolist()


def test_products_of_either_kind_are_products() -> None:
    factor, rate = warmup(5) * Plateau("loss"), warmup(5) * et.cosine()
    assert isinstance(factor, Product)
    assert isinstance(rate, Product)
    # However they are grouped, the parts are the same.
    assert (warmup(5) * Plateau("loss")) * et.cosine() == warmup(5) * (Plateau("loss") * et.cosine())
    assert rate.parts == (et.cosine(), warmup(5))
    assert Product((et.cosine(), Product((warmup(5), Plateau("loss"))))) == et.cosine() * factor
    assert factor * 0.5 == 0.5 * factor == Product((et.Constant(0.5), *factor.parts))
    with pytest.raises(EtudeError, match=r"both .* are multiples of BASE"):
        rate * BASE


@pytest.mark.parametrize("ease", ["linear", "cosine", "one_minus_square", "rex"])
@pytest.mark.parametrize("start", [None, 0.0, 0.3])
def test_a_warmup_is_the_same_in_pieces(ease: str, start: float | None) -> None:
    for over in (0, 1, 7, "5/2st", "2ep", "10%"):
        plan = warmup(over, start=start, ease=ease)
        steps = np.arange(0, 30, 0.5)
        assert plan.on(RUN)(steps).tolist() == plan.as_rate().on(RUN)(steps).tolist()
        later = (et.Constant().until(9) >> plan * et.Constant()).on(RUN)(steps + 9)
        assert later == pytest.approx(plan.on(RUN)(steps), rel=1e-12, abs=1e-15)
        assert (plan.shift(4).on(RUN)(range(5)) == plan.on(RUN)(0)).all()
