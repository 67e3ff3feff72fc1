"""The names under which things are logged."""

from __future__ import annotations

from etude.loggers.series import numbers, texts
from etude.readings import Reading
from tests.loggers.runs import COOLDOWN, NAMES, PLATEAU, rate, reading


def test_every_number_has_its_name() -> None:
    found = numbers(reading(2))

    assert list(found) == NAMES
    assert (found["lr/head"], found["lr/block.0"]) == (rate(2), rate(2) / 10)
    assert (found["epoch"], found["samples"]) == (0.5, 128.0)
    assert found[f"factor/{PLATEAU}"] == 0.5


def test_what_is_not_known_is_left_out() -> None:
    assert numbers(Reading(3, {"0": 0.1}, "")) == {"lr/0": 0.1}


def test_a_target_keeps_its_own_name_and_a_group_called_as_its_hyperparameter_too() -> None:
    found = numbers(
        Reading(0, {}, "", others={"clip": {"clip": 1.0}, "momentum": {"momentum": 0.9, "0": 0.8}})
    )

    assert found == {"clip": 1.0, "momentum": 0.9, "momentum/0": 0.8}


def test_a_metric_never_hides_a_value() -> None:
    metrics = {"lr/0": 7.0, "step": 8.0, "epoch": 9.0, "phase": 10.0, "loss": 11.0}

    assert numbers(Reading(0, {"0": 0.1}, "", metrics, epoch=0.0)) == {
        "epoch": 0.0,
        "lr/0": 0.1,
        "metrics/lr/0": 7.0,
        "metrics/step": 8.0,
        "metrics/epoch": 9.0,
        "metrics/phase": 10.0,
        "loss": 11.0,
    }


def test_the_texts_are_there_at_every_update() -> None:
    assert texts(reading(0)) == {"phase": "linear", "override": ""}
    assert texts(reading(3)) == {"phase": "cosine", "override": COOLDOWN}
