"""Every block of code in the documentation does what its page says."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from docs.hooks.blocks import PICTURE, SHOWN, Block, Page, PageError, find_blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
TRANSLATIONS = sorted(
    [(ROOT / "README.md", ROOT / "README.zh-CN.md")]
    + [(ROOT / "docs" / page.name, page) for page in (ROOT / "docs" / "zh").glob("*.md")]
)
# A translation shows the same of the same code, which is run once. Pages with pictures are run as the site is
# built, which stops at what a page shows wrongly.
RUN = [
    path
    for path in PAGES
    if path not in dict(TRANSLATIONS).values() and not PICTURE.search(path.read_text(encoding="utf-8"))
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks_of(path: Path) -> list[Block]:
    return list(find_blocks(path.read_text(encoding="utf-8")))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The pages train small networks, which more threads only slow down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("path", [path for path in RUN if blocks_of(path)], ids=name_of)
def test_a_page_does_what_it_shows(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Page(name_of(path))
    for block in blocks_of(path):
        page.run(block)


@pytest.mark.parametrize(("original", "translation"), TRANSLATIONS, ids=name_of)
def test_a_translation_shows_the_same_of_the_same_code(original: Path, translation: Path) -> None:
    def code(path: Path) -> list[tuple[str, str, list[str], str | None]]:
        return [
            (block.kind, _without_comments(block), SHOWN.findall(block.code), block.output)
            for block in blocks_of(path)
        ]

    assert code(translation) == code(original)


def _without_comments(block: Block) -> str:
    is_plain = block.kind == "python" and not block.code.startswith(">>>")
    return ast.unparse(ast.parse(block.code)) if is_plain else block.code


def run(text: str) -> Page:
    page = Page("a page")
    for block in find_blocks(text):
        page.run(block)
    return page


def test_blocks_share_their_names_and_show_values_and_prints() -> None:
    page = run(
        "```python\na = 1\na + 1  # → 2\nprint('x')  # → x\n```\n\ntext\n\n"
        "```python\nprint(a)\n```\n\n```text\n1\n```\n\n<!-- python\nb = a + 2\n-->\n"
    )

    assert page.names["b"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\n1 + 1  # → 3\n```\n", r"a page:2: the page shows\n3\nbut this came out:\n2"),
        (
            "```python\nprint(1)\n```\n\n```text\n2\n```\n",
            r"a page:2: the page shows\n2\n\nbut this came out:\n1",
        ),
        ("```python\n>>> 1 + 1\n3\n```\n", r"Expected:\n +3\nGot:\n +2"),
        (
            "```python\nimport warnings\n\nwarnings.warn('watch out')\n```\n",
            "a page:2: the page does not show 'UserWarning: watch out",
        ),
        (
            "```sh\netude show nonsense\n```\n",
            "a page:2: etude show nonsense says etude: 'nonsense' is no value",
        ),
        (
            "```sh\netude --version\n```\n\n```text\nno\n```\n",
            "a page:2: the page shows\nno\n\nbut this came out",
        ),
    ],
    ids=["value", "print", "doctest", "warning", "command", "command's output"],
)
def test_what_a_page_shows_wrongly_is_told(text: str, message: str) -> None:
    with pytest.raises(PageError, match=message):
        run(text)


def test_a_warning_that_a_page_shows_is_part_of_its_output() -> None:
    run("```python\nimport warnings\n\nwarnings.warn('oh')\n```\n\n```text\nUserWarning: oh\n```\n")


def test_long_commands_are_left_to_their_own_tests() -> None:
    kinds = [
        block.kind for block in find_blocks("```sh\netude compare digits\n```\n\n```sh\npip install x\n```\n")
    ]

    assert kinds == []


def test_a_picture_is_of_the_names_at_its_place() -> None:
    page = Page("a page")
    values = [
        page.run(block)
        for block in find_blocks(
            "```python\na = 1\n```\n<!-- picture: a -->\n\n```python\na = 2\n```\n\n<!-- picture: a * 2 -->\n"
        )
    ]

    assert values == [None, 1, None, 4]


def test_pages_leave_the_environment_alone() -> None:
    before = dict(os.environ)
    run("```sh\netude --version\n```\n")

    assert dict(os.environ) == before
