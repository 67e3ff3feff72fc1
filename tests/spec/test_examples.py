"""The examples: one of each name, and of each schedule of the field that needs none; all fit their run."""

from __future__ import annotations

import numpy as np
import pytest

from etude import CATALOGUE, parse
from etude.spec.examples import EXAMPLES, FIELD, HORIZON


def test_every_name_has_an_example() -> None:
    assert EXAMPLES.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_begins_with_its_name(name: str) -> None:
    assert EXAMPLES[name].startswith(f"{name}(")


@pytest.mark.parametrize("expression", [*EXAMPLES.values(), *FIELD.values()], ids=[*EXAMPLES, *FIELD])
def test_it_resolves_and_shows_something(expression: str) -> None:
    table = parse(expression).on(HORIZON)
    values = table(range(table.steps))
    assert table.steps == 1_000
    assert np.isfinite(values).all()
    assert values.max() > 0
    # All but a constant, and a plateau that has seen nothing yet, move within the run.
    still = expression.startswith(("Constant(", "Plateau(")) or expression == "fixed()"
    assert (np.ptp(values) == 0) == still


def test_what_has_a_name_of_its_own_is_no_row_of_the_field() -> None:
    assert not set(FIELD) & set(CATALOGUE)
    assert len(set(FIELD.values()) | set(EXAMPLES.values())) == len(FIELD) + len(EXAMPLES)
