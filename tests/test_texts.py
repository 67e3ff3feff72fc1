"""Texts of others, where a person reads them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import errors
from etude.errors import EtudeError, ScheduleWarning
from etude.texts import shown


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, 学 é 👩\u200d🔬 100\u00a0%", "plain, 学 é 👩\u200d🔬 100\u00a0%"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m \x85 \x7f \x00", r"\x9b31m \x85 \x7f \x00"),
        ("one\rtwo\ttabs\x08", r"one\rtwo\ttabs\x08"),
        (
            "\u202eright\u202c \u2066left\u2069 \u200f \u061c",
            r"\u202eright\u202c \u2066left\u2069 \u200f \u061c",
        ),
        ("\u2028 \u2029 \x0b \x0c", r"\u2028 \u2029 \x0b \x0c"),
        ("\udc9b \ufeff \U000e0041", r"\udc9b \ufeff \U000e0041"),
    ],
    ids=["plain", "escape", "control", "return", "direction", "lines", "invisible"],
)
def test_c2_what_is_no_mark_on_the_page_is_escaped(text: str, seen: str) -> None:
    assert shown(text) == shown(text, lines=True) == seen


def test_c2_line_breaks_stay_where_they_are_meant() -> None:
    assert shown("one\ntwo\r\n") == r"one\ntwo\r\n"
    assert shown("one\ntwo\r\n", lines=True) == "one\ntwo\\r\n"


@given(st.text())
def test_c2_nothing_is_shown_that_a_terminal_obeys(text: str) -> None:
    seen = shown(text)
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in seen)
    assert len(seen.splitlines()) <= 1
    assert shown(seen) == seen
    seen.encode()


@pytest.mark.parametrize("error", [getattr(errors, name) for name in errors.__all__])
def test_c2_every_error_and_warning_escapes_what_it_names(error: Any) -> None:
    assert issubclass(error, EtudeError | ScheduleWarning)
    assert str(error("run \x1b[2J\u202e\nat line 2")) == "run \\x1b[2J\\u202e\nat line 2"


def test_c2_a_warning_is_shown_escaped() -> None:
    with pytest.warns(ScheduleWarning) as told:
        warnings.warn("group \x1b[2J", ScheduleWarning, stacklevel=1)
    assert str(told[0].message) == r"group \x1b[2J"
