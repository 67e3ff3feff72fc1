"""``etude explain``: what made the rate of an update of a stored run."""

from __future__ import annotations

from pathlib import Path

import pytest

import etude as et
from etude import BASE
from etude.record import open_store
from tests.replay.trained import record

from .terminal import etude, fits

PLAN = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine(over="9ep")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "runs.sqlite"
    with open_store(path) as opened:
        record(opened, PLAN, [0, 50, 100, 500, 999])
        record(opened, et.cosine(), [0, 999], label="cosine")
    return path


def test_the_sentence_and_the_numbers_are_told(store: Path) -> None:
    said = etude("explain", "1", "50", "--store", store)

    assert (said.status, said.refusal) == (0, "")
    assert fits(said)
    assert " ".join(said.text.split()) == (
        "Update 50 (epoch 0.5) of run 1 used the learning rate 0.055 for the group 'body' = base 0.1 × 0.55, "
        "in the phase 'linear' (updates 0 to 100, 50 % through). It followed Linear(0.1 * BASE, BASE, "
        "over='1ep') >> Cosine(BASE, 0.0, over='9ep'); nothing overrode it. "
        "learning rate 0.055 base rate 0.1 value of the schedule 0.055 "
        "learning rate of head 0.11 loss 1.33333"
    )


def test_another_group_the_last_run_and_a_place_in_epochs(store: Path) -> None:
    said = etude("explain", "last", "5ep", "--group", "head", "--store", store)

    assert said.status == 0
    text = " ".join(said.text.split())
    assert text.startswith(
        "Update 500 (epoch 5) of run 2 was not recorded; by its schedule it used the rate 0.1 for the group "
        "'head' = base 0.2 × 0.5"
    )
    assert text.endswith("learning rate 0.1 base rate 0.2 value of the schedule 0.1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["3", "50"], "there is no run 3 in "),
        (["first", "50"], "a run is its number, as `etude runs --all` lists it, or last; got 'first'"),
        (["1", "1000"], "run 1 (finished) has the updates 0 to 999; got step 1,000"),
        (["1", "soon"], "STEP must be a duration such as '5ep'"),
        (["1", "50", "--group", "tail"], "run 1 has no parameter group 'tail'; there are 'body', 'head'"),
    ],
)
def test_what_the_store_has_not_is_one_message(store: Path, arguments: list[str], message: str) -> None:
    said = etude("explain", *arguments, "--store", store)

    assert (said.status, said.text) == (1, "")
    assert said.refusal.startswith(message)


def test_there_must_be_a_store_and_it_must_be_one(tmp_path: Path) -> None:
    assert etude("explain", "1", "5", "--store", tmp_path / "none.sqlite").refusal == (
        f"there is no store at {tmp_path / 'none.sqlite'}; `etude compare TASK` makes one"
    )
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "words").write_text("these are words\n" * 100)
    assert (
        "is not an SQLite file, and was left as it is"
        in etude("explain", "1", "5", "--store", tmp_path / "words").refusal
    )
    folder = etude("explain", "1", "5", "--store", tmp_path)
    assert folder.status == 2
    assert "is a folder; give the path of a file" in " ".join(folder.text.split())


def test_an_empty_store_has_no_last_run(tmp_path: Path) -> None:
    with open_store(tmp_path / "runs.sqlite"):
        pass

    said = etude("explain", "last", "5", "--store", tmp_path / "runs.sqlite")

    assert said.refusal == "the store has no runs yet"
