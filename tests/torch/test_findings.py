"""What the checker says of a Scheduler: of which of its groups, and nothing of what is meant."""

from __future__ import annotations

import warnings

import pytest
import torch

import etude as et
from etude import BASE, Constant, Horizon, Linear, Schedule
from etude.errors import ScheduleWarning
from etude.torch import Scheduler

RUN = Horizon(100, "100ep")
FROZEN = Constant(0.0, over="20ep") >> et.cosine("80ep")
WASTEFUL = et.cosine("80ep")
SAYS = "20 % of the updates, 2,000 of 10,000, have the rate 0 and change nothing: all of them at the end."


def sgd(**rates: float) -> torch.optim.SGD:
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate, "name": name}
        for name, rate in rates.items()
    ]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def told(*arguments: object, **named: object) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ScheduleWarning)
        Scheduler(*arguments, **named)  # type: ignore[arg-type]
    return [str(warning.message) for warning in caught]


def test_e4_a_group_that_is_frozen_on_purpose_is_no_mistake() -> None:
    plans = {"body": FROZEN, "head": et.cosine()}
    assert told(sgd(body=0.1, head=0.1), groups=plans, horizon=RUN) == []


@pytest.mark.parametrize(
    ("plans", "rates", "head", "groups"),
    [
        ({"body": WASTEFUL, "head": et.cosine()}, (0.1, 0.1), "group 'body': ", ("body",)),
        ({"*": WASTEFUL}, (0.1, 0.1), "groups 'body' and 'head': ", ("body", "head")),
        ({"*": WASTEFUL}, (0.01, 0.1), "groups 'body' and 'head' (rates of 'head'): ", ("body", "head")),
        ({"*": WASTEFUL}, (0.0, 0.1), "groups 'body' and 'head' (rates of 'head'): ", ("body", "head")),
    ],
    ids=["one", "both", "of two rates", "one of which is 0"],
)
def test_e4_a_finding_names_its_groups(
    plans: dict[str, Schedule], rates: tuple[float, float], head: str, groups: tuple[str, ...]
) -> None:
    optimizer = sgd(body=rates[0], head=rates[1])
    (message,) = told(optimizer, groups=plans, horizon=RUN)
    assert message.startswith(head + SAYS)
    with pytest.warns(ScheduleWarning):
        scheduler = Scheduler(sgd(body=rates[0], head=rates[1]), groups=plans, horizon=RUN)
    (finding,) = [one for one in scheduler.check() if one.code == "zero-updates"]
    assert finding.groups == groups


def test_e4_of_many_groups_the_first_and_the_last_are_named() -> None:
    (message,) = told(sgd(**{f"block.{i}": 0.1 for i in range(24)}), WASTEFUL, RUN)
    assert message.startswith("24 groups from 'block.0' to 'block.23': 20 % of")


def test_e4_of_another_hyperparameter_it_is_said_which() -> None:
    plans = {"*": {"lr": et.cosine(), "momentum": Linear(0.8, 0.9, over="200ep")}}
    (message,) = told(sgd(body=0.1, head=0.1), groups=plans, horizon=RUN)
    assert message.startswith("momentum of groups 'body' and 'head': The schedule still warms up")


def test_e4_the_only_group_needs_no_name() -> None:
    (message,) = told(sgd(all=0.1), WASTEFUL, RUN)
    assert message.startswith(SAYS)


@pytest.mark.parametrize("rates", [(5e-324, 0.1), (1e-310, 1.7e308), (1e-300, 1e300)], ids=str)
def test_d1_ratios_at_the_edges_of_a_float(rates: tuple[float, float]) -> None:
    told(sgd(body=rates[0], head=rates[1]), et.cosine(), RUN)  # numpy warns of nothing
    (message,) = told(sgd(body=rates[0], head=rates[1]), Linear(0.05, 0.001, over="100%"), RUN)
    assert "[ratio-lost]" in message


def test_d1_a_run_of_one_step_at_rate_0() -> None:
    plan = et.Geometric(0.001 * BASE, 2.0, over="50%")
    (message,) = told(sgd(all=0.0), plan, Horizon(total=1))
    assert message.startswith("No update uses the peak 2, which the schedule has at step 0.5; ")
