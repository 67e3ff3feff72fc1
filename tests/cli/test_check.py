"""``etude check``: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest

from .terminal import etude, fits


def test_findings_are_told_with_their_code_and_fix() -> None:
    said = etude(
        "check", "sgdr('10ep', stretch=2)", "--horizon", "100ep", "--steps-per-epoch", "391", "--base", "0.1"
    )

    assert said.status == 1
    assert said.lines == [
        "391 updates an epoch; × 100 epochs = 39,100 updates",
        "",
        "warning: run-ends-inside-cycle",
        "The run ends inside cycle 3 (counted from 0), where the rate is 0.0691342, 69 % ",
        "of the peak; cycles end at step 27,370 (70 epochs) and step 58,650 (150 epochs).",
        "End the run with a cycle, total='70ep' or '150ep', or give the cycles a length ",
        "that fits.",
    ]
    assert fits(said)


@pytest.mark.parametrize(
    ("expression", "status", "codes"),
    [
        ("cosine()", 0, []),
        ("cosine(peak=0.1)", 0, ["base-unused"]),  # a note
        ("yolo()", 1, ["first-update-at-zero", "peak-never-reached", "ends-high"]),
        ("Linear(0.1 * BASE, BASE, over=2000)", 1, ["warmup-longer-than-run"]),
    ],
)
def test_it_ends_with_1_for_a_warning_or_an_error(expression: str, status: int, codes: list[str]) -> None:
    options = ["--horizon", "1000", "--steps-per-epoch", "100", "--base", "0.2"]

    said = etude("check", expression, *options)
    listed = etude("check", expression, *options, "--json")

    assert (said.status, listed.status) == (status, status)
    assert [
        line.split()[-1] for line in said.lines if line.startswith(("error: ", "warning: ", "note: "))
    ] == (codes)
    assert [finding["code"] for finding in json.loads(listed.text)] == codes


def test_it_can_be_the_schedule_of_another_hyperparameter() -> None:
    options = ["check", "cyclic(600, low=0, high=0.1).under(0.95)", "--horizon", "1000", "--base", "0.9"]

    assert etude(*options).lines[2] == "warning: run-ends-inside-cycle"
    assert etude(*options, "--of", "momentum").lines == ["1,000 updates in all", "Nothing is amiss."]
    assert etude(*options, "--of", "other").lines == ["1,000 updates in all", "Nothing is amiss."]


def test_json_has_the_numbers() -> None:
    said = etude("check", "Constant(0.1)", "--horizon", "100", "--base", "0.2", "--json")

    (finding,) = json.loads(said.text)
    assert (finding["code"], finding["severity"]) == ("base-unused", "note")
    assert finding["numbers"] == {"base": 0.2, "peak": 0.1}
    assert finding["message"].startswith("The optimizer's own rate 0.2 is never used")
    assert finding["fix"].startswith("Write levels as multiples of BASE")


def test_where_nothing_is_amiss_it_says_so() -> None:
    said = etude("check", "cosine()", "--horizon", "100")

    assert (said.status, said.lines) == (0, ["100 updates in all", "Nothing is amiss."])


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["Constant()"], "Constant(BASE) never ends; say how long the run is, such as --horizon 1000"),
        (["cosine()"], "Here these are options: --horizon 90ep, --steps-per-epoch"),
        (["Linear(over=0)"], "must have at least 1 update"),
        (["cosin()", "--horizon", "9"], "did you mean 'cosine'?"),
        (
            ["cosine()", "--horizon", "9", "--of", "wd"],
            "--of must be one of 'lr', 'momentum', 'weight_decay', ",
        ),
        (["cosine()", "--horizon", "9", "--of", "wd"], "; got 'wd'; did you mean 'weight_decay'?"),
        (
            ["Constant()", "--horizon", "9", "--base", "-1"],
            "a base rate must be finite and at least 0; got -1.0",
        ),
    ],
)
def test_bad_input_is_refused_with_what_to_write(arguments: list[str], refusal: str) -> None:
    said = etude("check", *arguments)

    assert (said.status, said.text) == (1, "")
    assert refusal in said.refusal
