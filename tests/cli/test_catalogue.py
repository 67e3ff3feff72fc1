"""``etude catalogue``: the list, and what is told of one schedule."""

from __future__ import annotations

import pytest

from etude import CATALOGUE
from etude.spec.catalogue import FAMILIES
from etude.spec.examples import EXAMPLES

from .terminal import etude, fits


def test_every_schedule_is_listed_in_its_group_with_what_it_is() -> None:
    said = etude("catalogue")

    assert said.status == 0
    groups: dict[str, list[str]] = {}
    for line in said.lines:
        if line.endswith(":") and line[0].isupper():
            groups[line[:-1]] = []
        elif line and not line.startswith(" "):
            groups[[*groups][-1]].append(line.split()[0])
    assert groups == {heading: [*names] for heading, names in FAMILIES.items()}
    assert groups["Factors"] == ["ExponentialWarmup", "Noise", "RAdamWarmup"]
    assert groups["Building blocks"] == ["Constant", "maximum", "minimum"]
    assert "Linear               A straight line." in [line.rstrip() for line in said.lines]
    assert fits(said)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_each_is_told_and_drawn(name: str) -> None:
    said = etude("catalogue", name)

    assert said.status == 0
    assert said.text.startswith(f"{name}(")
    told, drawing = said.text.rsplit("\n\n", 1)
    assert ">>>" not in told
    assert "``" not in told
    assert drawing.split()[0].split("(")[0] == EXAMPLES[name].split("(")[0]
    assert len(drawing.splitlines()) > 15
    assert fits(said)


def test_formula_parameters_and_those_of_its_kind() -> None:
    said = etude("catalogue", "Polynomial")

    assert said.lines[:9] == [
        "Polynomial(start=BASE, stop=0.0, *, over='rest', inclusive=False, after='hold', ",
        "power=1.0, k=1.0)",
        "",
        "A power of what is left.",
        "",
        "e(p) = 1 - (1 - p^k)^power, so that a decay to 0 is start · (1 - p^k)^power",
        "",
        "Args:",
        "  power: > 0; 1 is the straight line, 2 falls fast at first.",
    ]
    at = said.lines.index("Like all of its kind it takes")
    assert said.lines[at + 1] == "  start: the level at t = 0; BASE where it is not given."
    modes = etude("catalogue", "cyclic").lines
    at = modes.index("- exp_range: low + (high - low) · w · gamma^(t / per), as in torch: the floor")
    assert modes[at - 1] == "- triangular2: low + (high - low) · w / 2ⁿ"
    assert modes[at + 1] == "  stays"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    said = etude("catalogue", "cosin")

    assert said.status == 1
    assert said.refusal == "there is no schedule called 'cosin'; did you mean 'cosine'?"
