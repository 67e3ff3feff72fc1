"""The pages of the API reference: every public name, from its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

__all__ = ["PAGES", "Docstrings", "names", "pages"]

PAGES = {
    "etude": ["etude", "etude.schedules", "etude.spec", "etude.errors"],
    "tables": ["etude.tables", "etude.check", "etude.differences"],
    "torch": ["etude.torch"],
    "lr_scheduler": ["etude.torch.lr_scheduler"],
    "trainers": [
        "etude.trainers.lightning",
        "etude.trainers.huggingface",
        "etude.trainers.accelerate",
        "etude.trainers.ignite",
    ],
    "jax-keras": ["etude.jax", "etude.keras"],
    "recording": ["etude.readings", "etude.record", "etude.replay"],
    "loggers": [
        "etude.loggers.csv",
        "etude.loggers.tensorboard",
        "etude.loggers.mlflow",
        "etude.loggers.wandb",
        "etude.loggers.prometheus",
    ],
    "studies": ["etude.finder", "etude.study", "etude.convert"],
}
"""The page → the modules whose public names are on it."""

SOURCE = Path(__file__).parents[2] / "src"
TORCHS_OWN = ["EPOCH_DEPRECATION_WARNING", "LRScheduler"]
_TABLE = re.compile(r"^={3,}[ =]*$")


def names() -> Iterator[tuple[str, str, str]]:
    """The page, the module and the name of everything public; what a module passes on only where it is first."""
    for page, modules in PAGES.items():
        seen: set[str] = set()
        for module in modules:
            yield from ((page, module, name) for name in _offered(module) if name not in seen)
            seen.update(_offered(module))


def _offered(module: str) -> list[str]:
    """What a module's ``__all__`` lists. It is read, not imported: some need packages that are not there."""
    path = SOURCE.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if name not in TORCHS_OWN]
    raise ValueError(f"{module} lists nothing")


def pages() -> Iterator[tuple[str, str]]:
    """The path and the Markdown of each page."""
    listed = list(names())
    for page, modules in PAGES.items():
        parts = [f"# {', '.join(f'`{module}`' for module in modules)}"]
        for module in modules:
            own = [name for at, of, name in listed if (at, of) == (page, module)]
            if len(modules) > 1:
                parts.append(f"## `{module}`")
            parts.append(f"::: {module}\n    options:\n      members: false\n      show_root_toc_entry: false")
            parts += [f"::: {module}.{name}" for name in own]
        yield f"reference/{page}.md", "\n\n".join(parts) + "\n"


class Docstrings(griffe.Extension):
    """Docstrings as Markdown: examples and tables are blocks of code."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Rewrite the docstring of what was read."""
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = "\n\n".join(map(_block, re.split(r"\n\s*\n", obj.docstring.value)))


def _block(paragraph: str) -> str:
    lines = paragraph.splitlines()
    if paragraph.lstrip().startswith(">>>"):
        return f"```pycon\n{paragraph}\n```"
    if _TABLE.match(lines[0].strip()):
        return f"```text\n{paragraph}\n```"
    return paragraph
