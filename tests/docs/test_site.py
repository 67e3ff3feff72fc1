"""The documentation builds without a warning, has a page for each entry, and fetches nothing."""

from __future__ import annotations

import inspect
import re
import sys
from html import unescape
from pathlib import Path

import pytest
from docs.hooks import catalogue, reference

from etude import CATALOGUE
from tests.forked import run

ROOT = Path(__file__).parents[2]
MKDOCS = Path(sys.executable).with_name("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["build", "--quiet", "--site-dir", folder]
    done = run(MKDOCS, *options, folder=ROOT, settings={"NO_MKDOCS_2_WARNING": "1"})
    assert (done.status, done.error) == (0, "")
    return folder


def test_every_entry_has_a_page_with_its_picture_and_is_in_the_gallery(site: Path) -> None:
    gallery = (site / "catalogue" / "index.html").read_text(encoding="utf-8")
    pages = {path.stem: path for path in (site / "catalogue").glob("*/*.html")}

    assert pages.keys() == CATALOGUE.keys()
    for name, path in pages.items():
        text = path.read_text(encoding="utf-8")
        assert f'<h1 id="{name.lower()}"><code>{name}</code>' in text
        assert '<figure class="curve"><svg' in text
        link = path.relative_to(site / "catalogue").as_posix()
        assert f'href="{link}"' in gallery
        assert f'src="{link.removesuffix("html")}svg"' in gallery


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (site / "reference").glob("*.html")}
    missing = [
        f"{module}.{name}"
        for page, module, name in reference.names()
        if f'id="{reference.path_of(module, name)}"' not in pages[page]
    ]

    assert missing == []


def test_every_package_that_offers_names_is_in_the_reference() -> None:
    listed = {module for _, modules in reference.PAGES.values() for module in modules}
    inner = {"etude.cli", "etude.record.migrations", "etude.schedules.recipes", "etude.tracing"}
    offering = {
        ".".join(path.parent.relative_to(ROOT / "src").parts)
        for path in (ROOT / "src" / "etude").rglob("__init__.py")
        if "__all__" in path.read_text(encoding="utf-8")
    }

    assert offering - inner - listed == set()


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^\s"'>]+""")
    found = {
        (path.name, unescape(match))
        for path in site.rglob("*.html")
        for match in fetched.findall(path.read_text(encoding="utf-8"))
    }

    assert found == set()


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_docstring_says_all_that_its_page_needs(name: str) -> None:
    made = CATALOGUE[name]
    entry = catalogue.read(inspect.getdoc(made) or "")
    told = catalogue.arguments(made, entry)

    assert entry.summary.endswith((".", ":", "`"))
    assert entry.body
    assert entry.examples
    parameters = inspect.signature(made).parameters.values()
    named = [each.name for each in parameters if each.kind != each.VAR_POSITIONAL]
    assert [name for name in named if not told.get(name)] == []


def test_a_docstring_is_taken_apart() -> None:
    entry = catalogue.read(
        """A line.

        With p the share, and ``x`` more,
        lr(t) = p · peak
              + floor

        - ``a``: one

        Args:
            first, second: both of them,
                on two lines.
            third: > 0.

        >>> 1 + 1
        2

        Source: arXiv 1234.56789.
        """
    )

    assert entry.summary == "A line."
    assert entry.body == [
        "With p the share, and `x` more,",
        "```text\nlr(t) = p · peak\n      + floor\n```",
        "- `a`: one",
    ]
    assert entry.arguments == {
        "first": "both of them, on two lines.",
        "second": "both of them, on two lines.",
        "third": "> 0.",
    }
    assert entry.examples == [">>> 1 + 1\n2"]
    assert entry.sections == {"Source": "[arXiv:1234.56789](https://arxiv.org/abs/1234.56789)."}
