"""The arrows between the modules: all point down, none goes round, and heavy packages stay in their place."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

LAYERS = [
    {"etude.texts"},
    {"etude.errors"},
    {"etude.names"},
    {"etude.answers"},
    {"etude.levels", "etude.durations", "etude.eases", "etude.readings", "etude.files", "etude.json_text"},
    {"etude.timeline", "etude.check", "etude.plots", "etude.planned"},
    {"etude.tables"},
    {"etude.schedules"},
    {"etude.spec"},
    {"etude"},
    {"etude.convert", "etude.differences", "etude.finder", "etude.tracing"},
    {"etude.torch", "etude.record", "etude.loggers", "etude.jax"},
    {"etude.keras", "etude.trainers", "etude.replay"},
    {"etude.study"},
    {"etude.cli"},
]
"""From low to high. A package is a folder or a single module; it imports lower layers and itself."""

LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}

AT_HOME = {
    "matplotlib": ["etude/plots/figures.py"],
    "sklearn": ["etude/study/tasks/digits.py"],
    "scipy": 1,  # one file, whichever it is
    "jinja2": 1,
    "sqlite3": ["etude/record/"],
    "torch": ["etude/torch/", "etude/study/", "etude/trainers/"],
    "lightning": ["etude/trainers/lightning.py"],
    "transformers": ["etude/trainers/huggingface.py"],
    "accelerate": ["etude/trainers/accelerate.py"],
    "ignite": ["etude/trainers/ignite.py"],
    "jax": ["etude/jax.py"],
    "optax": [],
    "keras": ["etude/keras.py"],
    "psycopg": 1,
    "yaml": ["etude/spec/yaml_document.py"],
    "tensorboard": ["etude/loggers/tensorboard.py"],
    "mlflow": ["etude/loggers/mlflow.py"],
    "wandb": ["etude/loggers/wandb.py"],
    "prometheus_client": ["etude/loggers/prometheus.py"],
    "pandas": [],
}
"""Heavy package → the only files or folders that import it, or how many files may."""

BARE = {"etude", "numpy", *sys.stdlib_module_names}
"""What the core may import at the top of a module."""


@dataclass(frozen=True)
class Import:
    """One name imported somewhere in a file."""

    module: str
    line: int
    for_types_only: bool


def modules() -> dict[str, Path]:
    """Every module of the package, by its name."""
    found = {}
    for path in sorted(SOURCE.glob("etude/**/*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@functools.cache
def tree_of(module: str) -> ast.Module:
    """What a module is, parsed once for all tests."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@functools.cache
def imports(module: str) -> list[Import]:
    """Everything that a module imports, at its top, in functions and under TYPE_CHECKING."""
    return list(_imports(tree_of(module), module))


def _imports(tree: ast.Module, module: str) -> Iterator[Import]:
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno} imports relatively; write the whole name"
            # `from etude import tables` imports a module, `from etude import parse` a name in one.
            names = [
                whole if whole in MODULES else str(node.module)
                for whole in (f"{node.module}.{alias.name}" for alias in node.names)
            ]
        yield from (Import(name, node.lineno, id(node) in for_types) for name in names)  # type: ignore[attr-defined]


def package(module: str) -> str:
    """The folder or single module under etude that a module is, or belongs to."""
    return ".".join(module.split(".")[:2])


def own_imports(module: str) -> set[str]:
    return {found.module for found in imports(module) if found.module.split(".")[0] == "etude"}


def cycle_among(graph: dict[str, set[str]]) -> list[str]:
    """Names that import each other in a circle, if any do."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        done.add(name)
        rings = (search(other, [*path, name]) for other in sorted(graph.get(name, ())))
        return next(filter(None, rings), [])

    return next(filter(None, (search(name, []) for name in sorted(graph))), [])


def test_every_module_has_its_layer() -> None:
    assert {package(module) for module in MODULES} == set(LEVELS)


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module: str) -> None:
    own = package(module)
    wrong = [
        imported
        for imported in own_imports(module)
        if package(imported) != own and LEVELS[package(imported)] >= LEVELS[own]
    ]
    assert not wrong, f"{module} (layer {LEVELS[own]}) imports from its own layer or above: {wrong}"


def test_no_arrow_goes_round() -> None:
    graph = {module: own_imports(module) - {module} for module in MODULES}
    assert cycle_among(graph) == []


def test_a_circle_would_be_found() -> None:
    assert cycle_among({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_among({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("heavy", AT_HOME)
def test_heavy_packages_are_imported_in_their_own_place(heavy: str) -> None:
    files = sorted(
        {
            str(MODULES[module].relative_to(SOURCE))
            for module in MODULES
            for found in imports(module)
            if found.module.split(".")[0] == heavy and not (heavy == "matplotlib" and found.for_types_only)
        }
    )
    home = AT_HOME[heavy]
    if isinstance(home, int):
        assert len(files) <= home, files
    else:
        assert all(any(file.startswith(place) for place in home) for file in files), files


CORE = [module for module in MODULES if LEVELS.get(package(module), 9) <= LEVELS["etude"]]


@pytest.mark.parametrize("module", CORE)
def test_the_core_needs_numpy_and_the_standard_library_only(module: str) -> None:
    tree = tree_of(module)
    at_top = {node.lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
    top = {found.module.split(".")[0] for found in imports(module) if found.line in at_top}
    assert top <= BARE


def test_importing_etude_loads_nothing_heavy() -> None:
    heavy = [*AT_HOME, "rich", "click", "ray", "jax", "keras", "tensorflow"]
    program = f"import etude, sys; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_using_the_core_loads_nothing_heavy() -> None:
    program = (
        "import sys, etude as et; table = et.parse('sgdr(10, stretch=2)').on(et.Horizon(total=100)); "
        "table(range(100)); table.facts(); table.check(); table.chart(); table._repr_svg_(); "
        f"print(*[name for name in {[*AT_HOME]} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
