"""The page of the checker has a section for each code; its examples run with those of the other pages."""

from __future__ import annotations

import re
from pathlib import Path

from etude.check import CODES

PAGE = Path(__file__).parents[2] / "docs" / "checker.md"
AT_RUN_TIME = {
    "float-rates",
    "no-updates",
    "rate-changed",
    "ratio-lost",
    "run-goes-on",
    "ticks-per-epoch",
    "two-writers",
}


def test_every_code_has_its_section_and_an_example_in_it() -> None:
    parts = re.split(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert set(sections) == {*CODES, *AT_RUN_TIME}
    for code in CODES:
        assert re.search(rf"^codes\(.*'{code}'|^print\(.*check", sections[code], re.MULTILINE), code
        assert re.search(r"^codes\(.*# → \[\]$", sections[code], re.MULTILINE), code
