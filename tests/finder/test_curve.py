from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from etude.errors import ScheduleError
from etude.finder import Curve

NAN = float("nan")


def test_it_has_the_mean_where_all_repeats_have_a_loss() -> None:
    curve = Curve(
        [1, 2, 3], [[1.0, 2.0, 3.0], [3.0, 4.0, NAN]], {"accuracy": [[0, 0, 1], [1, 1, NAN]]}, base=2.0
    )
    assert curve.loss[:2].tolist() == [2.0, 3.0]
    assert np.isnan(curve.loss[2])
    assert curve.metric("accuracy")[:2].tolist() == [0.5, 0.5]
    assert curve.multiplier.tolist() == [0.5, 1.0, 1.5]
    assert curve.steps.tolist() == [0, 1, 2]
    assert curve.repeats == 2
    assert curve.ended == (None, None)


def test_a_repeat_is_a_curve_of_its_own() -> None:
    curve = Curve(
        [1, 2], [[1.0, 2.0], [3.0, 4.0]], {"f1": [[0, 1], [2, 3]]}, ended=[None, "it rose"], of="momentum"
    )
    other = curve.repeat(1)
    assert other.losses.tolist() == [[3.0, 4.0]]
    assert other.metrics["f1"].tolist() == [[2.0, 3.0]]
    assert (other.ended, other.of) == (("it rose",), "momentum")


def test_its_numbers_cannot_be_changed() -> None:
    losses = np.ones((1, 2))
    curve = Curve([1, 2], losses)
    losses[:] = 7
    assert curve.losses.tolist() == [[1.0, 1.0]]
    with pytest.raises(ValueError, match="read-only"):
        curve.losses[0, 0] = 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1], [1]), "rates must be two or more finite numbers, at least 0; got"),
        (([-1, 1], [1, 1]), "rates must be two or more finite numbers, at least 0; got"),
        (([1, 1], [1, 1]), "rates must rise from each step to the next"),
        (([1, 2], ["a", 1]), "losses must be numbers; got"),
        (([1, 2], [1, 1, 1]), r"losses must be one row for each repeat.*: \(1, 2\); got the shape \(1, 3\)"),
        (([1, 2], [1, 1], {"f1": [1]}), r"f1 must be one row for each repeat.*; got the shape \(1, 1\)"),
    ],
)
def test_arrays_that_do_not_fit_are_told(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        Curve(*arguments)


def test_a_metric_that_is_not_there_is_told() -> None:
    with pytest.raises(ScheduleError, match="no metric called 'f1' was measured; there are 'accuracy'"):
        Curve([1, 2], [1, 1], {"accuracy": [1, 1]}).metric("f1")
    with pytest.raises(ScheduleError, match="ended must have one reason or None for each of 1 repeats"):
        Curve([1, 2], [1, 1], ended=[None, None])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rates": [1, 10**400]}, "rates must be numbers; got"),
        ({"metrics": 3}, "metrics must be rows of numbers by name; got 3"),
        ({"metrics": {3: [1.0, 2.0]}}, "metrics must be rows of numbers by name"),
        ({"base": "one"}, "base must be a finite number, more than 0; got 'one'"),
        ({"ended": 3}, "ended must have one reason or None for each of 1 repeats; got 3"),
        ({"ended": [3]}, "ended must have one reason or None"),
        ({"of": 3}, "of must be the name of a hyperparameter; got 3"),
        ({"alike": "yes"}, "alike must be True or False; got 'yes'"),
    ],
)
def test_d7_what_is_no_curve_is_told(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ScheduleError, match=f"^{re.escape(words)}"):
        Curve(**{"rates": [0.1, 0.2], "losses": [2.0, 1.0], **options})


@pytest.mark.parametrize("index", [-1, 1, "0", 0.5])
def test_d7_a_repeat_that_there_is_not_is_told(index: Any) -> None:
    with pytest.raises(ScheduleError, match=r"^repeat must be "):
        Curve([0.1, 0.2], [2.0, 1.0]).repeat(index)


@pytest.mark.parametrize("name", [3, ["acc"], None])
def test_d7_a_metric_that_is_no_name_is_told(name: Any) -> None:
    with pytest.raises(ScheduleError, match=r"no metric called .* was measured"):
        Curve([0.1, 0.2], [2.0, 1.0]).metric(name)
