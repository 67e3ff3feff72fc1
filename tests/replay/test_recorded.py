"""A run as it is read back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import etude as et
from etude import BASE
from etude.errors import StoreError
from etude.readings import Reading
from etude.record import open_store
from etude.replay import recall
from etude.replay.recorded import in_order, put_in_order

from .trained import HORIZON, record, recorded, train


def test_what_the_store_gives_back_is_the_run(tmp_path: Path) -> None:
    plan = et.cosine()
    with open_store(tmp_path / "runs.sqlite") as store:
        run = recall(store, record(store, plan, [0, 500, 999]))

    assert run.name == "run 1: mine on made up, seed 0"
    assert (run.groups, run.metrics, run.done) == (("body", "head"), ("loss",), 1000)
    assert run.steps.tolist() == [0, 500, 999]
    assert run.bases == {"body": 0.1, "head": 0.2}
    table = run.table("body")
    assert table is not None
    assert table.text == repr(plan)


def test_an_unknown_run_is_refused(tmp_path: Path) -> None:
    with (
        open_store(tmp_path / "runs.sqlite") as store,
        pytest.raises(StoreError, match=r"there is no run 3 in .*runs\.sqlite"),
    ):
        recall(store, 3)


@pytest.mark.parametrize("steps_per_epoch", [100, 391, Fraction(25, 3), 1])
def test_the_length_of_an_epoch_is_told_by_the_readings(steps_per_epoch: Fraction | int) -> None:
    horizon = et.Horizon(steps_per_epoch=steps_per_epoch, total=1000)
    run = recorded(train(et.cosine(), [0, 997], horizon=horizon), et.cosine())

    assert run.horizon == horizon


def test_without_epochs_there_is_only_the_length() -> None:
    run = recorded([Reading(5, {"0": 0.1}, "constant")], et.Constant())

    assert run.horizon == et.Horizon(total=1000)


def test_a_step_recorded_twice_counts_once_with_all_that_was_measured() -> None:
    first = Reading(3, {"0": 0.1}, "constant", {"loss": 2.0, "accuracy": 0.5})
    again = Reading(3, {"0": 0.2}, "constant", {"loss": 1.0})
    earlier = Reading(1, {"0": 0.1}, "constant")

    run = recorded([first, again, earlier], et.Constant())

    assert [reading.step for reading in run.readings] == [1, 3]
    assert run.readings[1].metrics == {"loss": 1.0, "accuracy": 0.5}
    assert run.readings[1].rates == {"0": 0.2}


@settings(max_examples=30)
@given(
    seen=st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab"), st.floats(0, 1))), cut=st.integers(0, 9)
)
def test_readings_that_come_later_are_put_where_they_belong(
    seen: list[tuple[int, str, float]], cut: int
) -> None:
    readings = [Reading(step, {"0": value}, "", {name: value}) for step, name, value in seen]
    ordered = in_order(readings[:cut])
    put_in_order(ordered, readings[cut:])

    assert ordered == in_order(readings)
    assert [reading.step for reading in ordered] == sorted({step for step, _, _ in seen})
    for reading in ordered:
        own = [one for one in seen if one[0] == reading.step]
        assert reading.rates == {"0": own[-1][2]}
        assert reading.metrics == {name: value for _, name, value in own}


def test_bases_are_those_that_the_rates_tell() -> None:
    # A level that is not relative: at its end the rate is the same for every base.
    plan = et.Linear(BASE, 0.01, over="5ep")
    readings = train(plan, [0, 200, 700])

    assert recorded(readings, plan).bases == {"body": 0.1, "head": 0.2}
    assert recorded(readings[2:], plan).bases == {}
    # A rate of 0 tells nothing either.
    assert recorded([Reading(0, {"body": 0.0}, "")], et.Linear(0.0, BASE, over="1ep")).bases == {}


def test_a_group_that_came_later_is_a_group() -> None:
    run = recorded([Reading(0, {"a": 0.1}, ""), Reading(1, {"a": 0.1, "b": 0.3}, "")], et.Constant())

    assert run.groups == ("a", "b")
    steps, values = run.rates("b")
    assert (steps.tolist(), values.tolist()) == ([1], [0.3])
    assert run.bases == {"a": 0.1, "b": 0.3}


def test_the_horizon_of_the_tests_is_that_of_the_runs() -> None:
    assert recorded(train(et.cosine(), [0, 10]), et.cosine()).horizon == HORIZON
