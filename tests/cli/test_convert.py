"""``etude convert``: that it prints what ``convert`` writes, and what it refuses."""

from __future__ import annotations

import pytest

from etude import Horizon, parse
from etude.convert import ON_A_RUN, TARGETS, convert

from .terminal import etude

PLAN = "Linear(0.0, BASE, over='1ep') >> cosine('9ep')"
OPTIONS = ["--horizon", "10ep", "--steps-per-epoch", "10"]


@pytest.mark.parametrize("to", TARGETS)
def test_what_is_written_is_printed(to: str) -> None:
    counts = to in ON_A_RUN

    said = etude("convert", PLAN, "--to", to, *(OPTIONS if counts else []))

    horizon = Horizon(steps_per_epoch=10, total="10ep") if counts else None
    assert said.status == 0
    assert said.text.rstrip("\n") == convert(parse(PLAN), to, horizon).rstrip("\n")


def test_a_schedule_with_an_end_needs_no_horizon() -> None:
    said = etude("convert", "cosine(100)", "--to", "torch")

    assert "CosineAnnealingLR(optimizer, T_max=100, eta_min=0.0)" in said.text


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (
            ["cosine()", "--to", "torch"],
            "the horizon has no total; write Horizon(total='90ep') or Horizon(total=10_0",
        ),
        (["cosine()", "--to", "torch"], "Here these are options: --horizon 90ep, --steps-per-epoch"),
        (["cosin()", "--to", "yaml"], "there is no schedule called 'cosin'; did you mean 'cosine'?"),
        (
            ["cosine()", "--to", "json", "--horizon", "9"],
            "to='json' keeps lengths as they are written and takes no h",
        ),
        (
            ["time_decay(1)", "--to", "optax", "--horizon", "9"],
            "optax has no equivalent of a part of InverseTime(1",
        ),
    ],
)
def test_bad_input_is_refused(arguments: list[str], refusal: str) -> None:
    said = etude("convert", *arguments)

    assert (said.status, said.text) == (1, "")
    assert refusal in said.refusal


def test_an_unknown_target_is_told_by_the_option() -> None:
    said = etude("convert", "cosine()", "--to", "tensorflow")

    assert said.status == 2
    assert (
        "'tensorflow' is not one of 'python', 'json', 'yaml', 'torch', 'optax', 'transformers'" in said.text
    )
