"""``etude show``: what it prints, what it draws, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from .terminal import etude, fits


def test_a_schedule_is_drawn_with_its_horizon_phases_and_facts() -> None:
    said = etude(
        "show", "sgdr('10ep', stretch=2)", "--horizon", "70ep", "--steps-per-epoch", "391", "--base", "0.1"
    )

    assert said.status == 0
    assert said.lines[0].strip() == "Cosine(BASE, 0.0, over='10ep').repeat(stretch=2)"
    assert "step (391 an epoch)" in said.text
    drawing, rest = said.text.split("\n\n", 1)
    assert len(drawing.splitlines()) > 15
    assert [line.rstrip() for line in rest.splitlines()] == [
        "391 updates an epoch; × 70 epochs = 27,370 updates",
        "phase             from step      to  first lr      last lr",
        "cosine (cycle 0)          0   3,910       0.1  1.61394e-08",
        "cosine (cycle 1)      3,910  11,730       0.1  4.03484e-09",
        "cosine (cycle 2)     11,730  27,370       0.1  1.00871e-09",
        "first  0.1            last   1.00871e-09",
        "peak   0.1 at step 0  floor  1.00871e-09 at step 27,369",
        "mean   0.0500055      jumps  2",
        "Σ lr   1368.65        Σ lr²  102.653",
        "Continued for ever, Σlr = ∞ and Σlr² = ∞: the conditions of stochastic",
        "approximation (Robbins and Monro, 1951) do not both hold.",
    ]
    assert fits(said)


@pytest.mark.parametrize(
    "arguments",
    [
        ["Linear(0.01 * BASE, BASE, over='500st') >> Cosine(over='85%')", "--horizon", "1234567"],
        ["one_cycle()", "--horizon", "2e9tok", "--tokens-per-step", "524288"],
        ["wsd(warmup='10%', cooldown='20%')", "--horizon", "1e6smp", "--samples-per-step", "512"],
        [
            "multistep(['30ep', '60ep']) * cyclic('5ep', low=0.2, high=1) + 0.001",
            "--horizon",
            "90ep",
            "--steps-per-epoch",
            "7",
        ],
        ["Constant() * Plateau('val_loss')", "--horizon", "100"],
        ["sgdr(1)", "--horizon", "1000"],
        ["time_decay(0.1)", "--horizon", "100000000"],
        [
            "0.5 * cosine() + 0.25 * (Rex(over='50%') >> Rex(over='50%')) + 0.25 * linear()",
            "--horizon",
            "9",
        ],
    ],
    ids=["large", "tokens", "samples", "algebra", "feedback", "many phases", "estimated", "long expression"],
)
def test_whatever_is_shown_fits_the_terminal(arguments: list[str]) -> None:
    said = etude("show", *arguments)

    assert said.status == 0
    assert fits(said)


def test_steps_are_told_to_the_last_digit_and_rates_are_those_of_whole_steps() -> None:
    plan = "Linear(0.0, 1.0, over='1/3%') >> Linear(1.0, 0.0, over='2ep')"

    said = etude("show", plan, "--horizon", "1234567", "--steps-per-epoch", "100000")

    rows = [line.split() for line in said.lines if line.startswith(("linear", "hold"))]
    # A third of a percent is 4115.22 updates: the last of them is 4115, and the next piece begins with 4116.
    assert rows == [
        ["linear", "0", "4,115.22", "0", "0.999946"],
        ["linear", "4,115.22", "204,115.22", "0.999996", "1.11667e-06"],
        ["hold", "204,115.22", "1,234,567", "0", "0"],
    ]


def test_a_phase_that_covers_no_whole_step_has_no_rates() -> None:
    said = etude("show", "Constant(1, over=2.25) >> Constant(2, over='0.5st') >> Constant(3, over=1.25)")

    assert [line.split()[1:] for line in said.lines if line.startswith("constant ")] == [
        ["0", "2.25", "1", "1"],
        ["2.25", "2.75", "—", "—"],
        ["2.75", "4", "3", "3"],
    ]


def test_a_schedule_with_an_end_needs_no_horizon() -> None:
    said = etude("show", "Linear(0.1, 0.0, over=10)")

    assert said.status == 0
    assert "length unknown" in said.lines
    assert "linear          0  10       0.1     0.01" in said.lines


def test_more_phases_than_fit_are_cut_short() -> None:
    said = etude("show", "sgdr(10)", "--horizon", "1000")

    phases = [line for line in said.lines if line.startswith("cosine (cycle")]
    assert len(phases) == 12
    assert said.lines[said.lines.index(phases[-1]) + 1].strip() == "..."


def test_findings_are_told_with_their_fix() -> None:
    said = etude("show", "Linear(0.0, BASE, over=500) >> Cosine(over=100)", "--horizon", "200")

    assert said.status == 0
    text = " ".join(said.text.split())
    assert "error: The schedule still warms up when the run ends: its first rise takes 500 steps" in text
    assert "warning: The first update has the rate 0, so it changes nothing." in text


def test_pictures_are_drawn_to_files(tmp_path: Path) -> None:
    png, svg = tmp_path / "mine.png", tmp_path / "mine.svg"

    said = etude("show", "cosine()", "--horizon", "100", "-o", png, "--output", svg)

    assert said.lines[-2:] == [f"Drawn to {png}", f"Drawn to {svg}"]
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["Cosine(ovr=3)"], "Cosine() has no ovr; did you mean 'over'?"),
        (["Cosin(over=3)"], "there is no schedule called 'Cosin'; did you mean 'Cosine'?"),
        (["Linear(-0.1, 1, over=10)"], "Linear(start=) must be at least 0; got -0.1\n  Linear(-0.1"),
        (["Cosine(over='10%') >> Linear(ovr=1)"], "                      ^"),
        (["__import__('os')"], "there is no schedule called '__import__'"),
        ([""], "this is not an expression"),
        (["cosine()"], "what is left of the run, but the horizon has no total; write Horizon(total='90ep')"),
        (["cosine()"], "Here these are options: --horizon 90ep, --steps-per-epoch"),
        (["Cosine(over='3ep')"], "but the horizon has no steps_per_epoch"),
        (["Constant()"], "Constant(BASE) never ends; say how long the run is, such as --horizon 1000"),
        (["Constant()", "--horizon", "abc"], "Horizon(total=) must be a duration such as '5ep'"),
        (["Constant()", "--horizon", "0"], "Horizon(total=) must be more than 0 steps; got '0'"),
        (["Constant()", "--horizon", "50%"], "cannot be a share of itself"),
        (
            ["Constant()", "--horizon", "9ep"],
            "has no steps_per_epoch; write Horizon(steps_per_epoch=..., ...). Here",
        ),
        (
            ["Constant()", "--horizon", "9", "--steps-per-epoch", "-1"],
            "steps_per_epoch must be more than 0; got -1",
        ),
        (
            ["Constant()", "--horizon", "9", "--base", "-1"],
            "a base rate must be finite and at least 0; got -1.0",
        ),
        (
            ["Constant()", "--horizon", "9", "--base", "nan"],
            "a base rate must be finite and at least 0; got nan",
        ),
    ],
)
def test_bad_input_is_refused_with_what_to_write(arguments: list[str], refusal: str) -> None:
    said = etude("show", *arguments)

    assert (said.status, said.text) == (1, "")
    assert refusal in said.refusal


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("none/mine.png", "there is no folder"),
        ("mine.txt", "a picture's name must end in one of .png, .svg, .pdf; got"),
        ("mine", "a picture's name must end in one of"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_shown(
    tmp_path: Path, name: str, refusal: str
) -> None:
    said = etude("show", "cosine()", "--horizon", "100", "-o", tmp_path / name)

    assert (said.status, said.text) == (1, "")
    assert refusal in said.refusal
    assert list(tmp_path.iterdir()) == []


def test_e1_what_was_not_counted_says_so() -> None:
    said = etude("show", "sgdr(1)", "--horizon", "10000000")

    assert "too many to count" in said.text
    assert said.text.count("(estimated)") == 5
    assert fits(said)
