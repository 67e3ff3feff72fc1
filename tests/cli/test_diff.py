"""``etude diff``: what it tells, its exit status, what it draws and refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from .terminal import etude, fits


def test_equal_schedules_are_said_to_be() -> None:
    said = etude(
        "diff", "sgdr('10ep')", "Cosine(over=100).repeat(7)", "--horizon", "70ep", "--steps-per-epoch", "10"
    )

    assert said.status == 0
    assert said.lines[-1] == "Equal at every step."
    assert fits(said)


def test_what_differs_is_told_in_numbers_and_drawn() -> None:
    said = etude("diff", "cosine()", "linear()", "--horizon", "1000", "--base", "0.1")

    assert said.status == 1
    assert fits(said)
    drawing, rest = said.text.split("\n\n", 1)
    assert "a  Cosine(BASE, 0.0)" in drawing
    assert "b  Linear(BASE, 0.0)" in drawing
    assert "⋮  largest difference at 220" in drawing
    assert [line.rstrip() for line in rest.splitlines()] == [
        "They differ at 998 of 1,000 steps (99.8%).",
        "         from step     to  most at      first  second  difference",
        "first                            1  0.0999998  0.0999   -9.98e-05",
        "largest                        220  0.0885257   0.078     -0.0105",
        "differ           1    500      220  0.0885257   0.078     -0.0105",
        "differ         501  1,000      780  0.0114743   0.022     +0.0105",
    ]


# What three descriptions of the cosine say, as functions of the step, of a run of 100.
def by_last_step(step: float) -> float:
    return (1 + math.cos(math.pi * max(step - 1, 0) / 99)) / 2


def without_pi(step: float) -> float:
    return (1 + math.cos(step / 100)) / 2


def multiplied_each_epoch(step: float) -> float:
    return math.prod((1 + math.cos(math.pi * k / 100)) / 2 for k in range(int(step) + 1))


@pytest.mark.parametrize("slip", [by_last_step, without_pi, multiplied_each_epoch])
def test_wrong_answers_about_the_cosine_are_found(slip: Callable[[float], float]) -> None:
    said = etude("diff", "cosine()", f"Custom('tests.cli.test_diff:{slip.__name__}')", "--horizon", "100")

    errors = [abs(slip(step) - (1 + math.cos(math.pi * step / 100)) / 2) for step in range(100)]
    wrong = [step for step, error in enumerate(errors) if error > 1e-9]
    rows = {line.split()[0]: line.split() for line in said.lines if line.startswith(("first ", "largest "))}
    assert said.status == 1
    assert int(rows["first"][1]) == wrong[0]
    assert int(rows["largest"][1]) == errors.index(max(errors))
    assert f"They differ at {len(wrong)} of 100 steps" in said.text


def test_many_stretches_are_cut_short() -> None:
    said = etude("diff", "step(2, 1)", "cyclic(1, low=0.0)", "--horizon", "100")

    assert sum(line.startswith("differ ") for line in said.lines) == 12
    assert said.lines[-1].rstrip() == "... 38 more"


def test_a_long_run_is_said_to_be_sampled() -> None:
    said = etude("diff", "cosine()", "cosine() * 0.5", "--horizon", "100000000")

    assert said.status == 1
    text = " ".join(said.text.split())
    assert (
        "The run is long: 1,048,576 of its 100,000,000 steps were compared, evenly spaced and on both" in text
    )
    assert fits(said)


def test_the_picture_goes_to_files(tmp_path: Path) -> None:
    png = tmp_path / "both.png"

    said = etude("diff", "cosine()", "Constant()", "--horizon", "10", "--plot", png)

    assert said.lines[-1] == f"Drawn to {png}"
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["cosin()", "Constant()"], "there is no schedule called 'cosin'; did you mean 'cosine'?"),
        (["Constant()", "cosin()"], "there is no schedule called 'cosin'; did you mean 'cosine'?"),
        (
            ["Constant()", "Constant()"],
            "neither schedule ends; say how long the run is, such as Horizon(total=1000). Here",
        ),
        (
            ["cosine()", "Constant()"],
            "what is left of the run, but the horizon has no total; write Horizon(total='90ep')",
        ),
        (["cosine(5)", "Constant()", "--close", "-1"], "differences(close=) must be at least 0; got -1.0"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], refusal: str) -> None:
    said = etude("diff", *arguments)

    assert (said.status, said.text) == (1, "")
    assert refusal in said.refusal
