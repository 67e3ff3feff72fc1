"""Numbers and texts as columns of JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.errors import StoreError
from etude.record.columns import numbers_column, numbers_of, texts_column, texts_of


@given(st.dictionaries(st.text(), st.floats()))
def test_numbers_come_back_as_they_were_from_standard_json(numbers: dict[str, float]) -> None:
    def never(constant: str) -> None:
        raise AssertionError(f"{constant} is not in the JSON standard")

    column = numbers_column("metrics", numbers)

    assert repr(numbers_of(column)) == repr(numbers)
    json.loads(column, parse_constant=never)


@given(st.dictionaries(st.text(), st.text()))
def test_texts_come_back_as_they_were(texts: dict[str, str]) -> None:
    assert texts_of(texts_column("versions", texts)) == texts


@pytest.mark.parametrize("one", [1, True, np.float32(1), np.float64(1), np.int64(1), np.array(1)], ids=repr)
def test_whatever_is_a_number_becomes_a_float(one: float) -> None:
    assert numbers_column("metrics", {"one": one}) == '{"one": 1.0}'


@pytest.mark.parametrize("value", ["1.0", None, 1j, [1.0], 10**400, np.array([1.0, 2.0])], ids=repr)
def test_whatever_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(StoreError, match="results must be numbers by name; got 'loss': "):
        numbers_column("results", {"loss": value})


def test_a_number_without_a_name_is_refused() -> None:
    with pytest.raises(StoreError, match=r"results must be numbers by name; got 0\.5"):
        numbers_column("results", 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [{"torch": 2.6}, {2: "6"}], ids=repr)
def test_whatever_is_no_text_is_refused(texts: dict[str, str]) -> None:
    with pytest.raises(StoreError, match="versions must be texts by name; got "):
        texts_column("versions", texts)


@pytest.mark.parametrize(
    "column", ["[" * 100_000, "9" * 5_000, "[1]", "null", '{"a": []}', '{"a": 1' + "0" * 400 + "}"]
)
def test_b6_a_column_that_is_none_is_one_value_error(column: str) -> None:
    with pytest.raises(ValueError, match=r"^the numbers of a run cannot be read back"):
        numbers_of(column)
