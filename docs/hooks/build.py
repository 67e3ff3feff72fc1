"""What the build adds to the pages in docs/: the catalogue, its gallery, and the pictures in other pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import blocks
import catalogue
import pictures
import reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import etude
from etude.spec.catalogue import FAMILIES
from etude.spec.examples import EXAMPLES, FIELD, HORIZON

# The pages train small networks, which more threads only slow down; read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_drawn: dict[tuple[tuple[str, str], ...], list[str]] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every entry of the catalogue into the navigation, under its family."""
    section = next(part["Catalogue"] for part in config.nav or [] if "Catalogue" in part)
    section += [
        {heading: [{name: f"catalogue/{catalogue.path(name)}.md"} for name in names]}
        for heading, names in FAMILIES.items()
    ]
    return config


def on_files(files: Files, *, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages and pictures of the catalogue, and the reference."""
    for path, content in chain(_catalogue(), reference.pages()):
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Run the blocks of a page that has pictures, and put them in."""
    if not blocks.PICTURE.search(markdown):
        return markdown
    found = list(blocks.find_blocks(markdown))
    # A translation has the code of its original, and so its pictures.
    code = tuple((block.kind, block.code) for block in found)
    if code not in _drawn:
        running = blocks.Page(page.file.src_uri)
        values = [(block, running.run(block)) for block in found]
        _drawn[code] = [pictures.figure(value) for block, value in values if block.kind == "picture"]
    figures = iter(_drawn[code])
    return blocks.PICTURE.sub(lambda _: next(figures), markdown)


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Say which language a Chinese page is in."""
    if page.file.src_uri.startswith("zh/"):
        return output.replace('<html lang="en"', '<html lang="zh"', 1)
    return output


def _catalogue() -> Iterator[tuple[str, str]]:
    """The path and the text of each page and picture."""
    gallery = [GALLERY]
    for heading, names in FAMILIES.items():
        gallery.append(f'## {heading}\n\n<div class="gallery" markdown>\n')
        for name in names:
            expression = EXAMPLES[name]
            table = etude.parse(expression, etude.Schedule).on(HORIZON)
            path = catalogue.path(name)
            yield f"catalogue/{path}.svg", pictures.small(table)
            picture = pictures.figure(pictures.chart(table))
            yield f"catalogue/{path}.md", catalogue.page(name, expression, table, picture)
            gallery.append(f"[![{name}]({path}.svg)`{name}`]({path}.md)\n")
        gallery.append("</div>\n")
    yield "catalogue/index.md", "\n".join(gallery)
    yield "catalogue/field.md", "\n".join(_field())


GALLERY = """\
# The catalogue

Every schedule of the field, drawn from one expression each on the same run; a picture leads to its page: the
formula, the parameters with their units, the ends, an example, who has it elsewhere and where it comes from.
What is written as a composition of these has its own list: [the rows of the field](field.md).
"""


def _field() -> Iterator[str]:
    yield "# The rows of the field\n"
    yield (
        "Schedules that are known by a name elsewhere and are one expression here. Each is drawn on the run "
        f"`{HORIZON!r}`.\n"
    )
    for name, expression in FIELD.items():
        table = etude.parse(expression, etude.Schedule).on(HORIZON)
        yield f"## {name}\n\n```python\n{expression}\n```\n\n"
        yield pictures.figure(replace(pictures.chart(table), title=name)) + "\n"
