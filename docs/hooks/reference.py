"""The pages of the API reference: every public name, from its docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PAGES", "names", "pages", "path_of"]

PAGES = {
    "schedules": ("Schedules", ["etude", "etude.schedules", "etude.spec", "etude.errors"]),
    "tables": (
        "Tables, findings, pictures",
        ["etude.tables", "etude.check", "etude.differences", "etude.plots"],
    ),
    "torch": ("PyTorch", ["etude.torch"]),
    "lr_scheduler": ("torch's classes", ["etude.torch.lr_scheduler"]),
    "trainers": (
        "Trainers",
        [
            "etude.trainers.lightning",
            "etude.trainers.huggingface",
            "etude.trainers.accelerate",
            "etude.trainers.ignite",
        ],
    ),
    "frameworks": ("JAX and Keras", ["etude.jax", "etude.keras"]),
    "recording": ("Recording", ["etude.readings", "etude.record", "etude.replay"]),
    "loggers": (
        "Loggers",
        [
            "etude.loggers.csv",
            "etude.loggers.tensorboard",
            "etude.loggers.mlflow",
            "etude.loggers.wandb",
            "etude.loggers.prometheus",
        ],
    ),
    "studies": ("Range test, comparison, conversion", ["etude.finder", "etude.study", "etude.convert"]),
}
"""The page → its title, and the modules whose public names are on it."""

SOURCE = Path(__file__).parents[2] / "src"
# torch's own, and what has a page.
NOT_HERE = ["EPOCH_DEPRECATION_WARNING", "LRScheduler", "lr_scheduler"]


def names() -> Iterator[tuple[str, str, str]]:
    """The page, the module and the name of everything public, once on a page."""
    for page, (_, modules) in PAGES.items():
        seen: set[str] = set()
        for module in modules:
            yield from ((page, module, name) for name in _offered(module) if name not in seen)
            seen.update(_offered(module))


def path_of(module: str, name: str) -> str:
    """Where a name is defined for the reference: a function may have the name of its module."""
    return f"{module}.{name}.{name}" if _file(f"{module}.{name}") else f"{module}.{name}"


def _offered(module: str) -> list[str]:
    """What a module's ``__all__`` lists. It is read, not imported: some need packages that are not there."""
    source = _file(module)
    for node in ast.parse(source.read_text(encoding="utf-8")).body if source else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if name not in NOT_HERE]
    raise ValueError(f"{module} lists nothing")


def _file(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.exists()), None)


def pages() -> Iterator[tuple[str, str]]:
    """The path and the Markdown of each page."""
    listed = list(names())
    for page, (title, modules) in PAGES.items():
        parts = [f"# {title}"]
        for module in modules:
            own = [name for at, of, name in listed if (at, of) == (page, module)]
            parts.append(f"## `{module}`")
            parts.append(f"::: {module}\n    options:\n      members: false\n      show_root_heading: false")
            parts += [f"::: {path_of(module, name)}" for name in own]
        yield f"reference/{page}.md", "\n\n".join(parts) + "\n"
