"""What each module offers: the façade's names, every ``__all__``, and documentation with an example."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import inspect
from types import ModuleType

import pytest

import etude
from etude import CATALOGUE
from etude.spec.catalogue import METHODS
from tests.test_layers import LEVELS, MODULES, package, tree_of

FACADE = [
    "BASE",
    "CATALOGUE",
    "Constant",
    "Cosine",
    "Custom",
    "Duration",
    "EtudeError",
    "Exponential",
    "ExponentialWarmup",
    "Factor",
    "Geometric",
    "Horizon",
    "Hyperbolic",
    "InverseSqrt",
    "InverseTime",
    "Level",
    "Linear",
    "Noise",
    "Plateau",
    "Points",
    "Polynomial",
    "PolynomialCycles",
    "PowerLaw",
    "RAdamWarmup",
    "Ramp",
    "Rate",
    "Rex",
    "Schedule",
    "Sigmoid",
    "Steps",
    "Tanh",
    "adafactor",
    "chebyshev",
    "cosine",
    "cyclic",
    "cyclic_cosine_decay",
    "exponential",
    "from_json",
    "infinite",
    "inverse_sqrt",
    "linear",
    "maximum",
    "minimum",
    "multistep",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "parse",
    "piecewise_constant",
    "polynomial",
    "power_scheduler",
    "sgdr",
    "slanted_triangular",
    "step",
    "time_decay",
    "untuned_warmup",
    "warmup",
    "wsd",
    "yolo",
]
CORE = [module for module in MODULES if LEVELS[package(module)] <= LEVELS["etude"]]


def test_the_facade_offers_exactly_this() -> None:
    assert etude.__all__ == FACADE


def test_nothing_else_is_visible_there() -> None:
    visible = [
        name
        for name, value in vars(etude).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    ]
    assert sorted(visible) == sorted(FACADE)


@functools.cache
def taken() -> list[tuple[str, str, set[str]]]:
    """Who of the core imports what from which module."""
    return [
        (user, str(node.module), {alias.name for alias in node.names})
        for user in CORE
        for node in ast.walk(tree_of(user))
        if isinstance(node, ast.ImportFrom)
    ]


@pytest.mark.parametrize("module", CORE)
def test_all_lists_what_a_module_defines_for_others(module: str) -> None:
    tree = tree_of(module)
    loaded = importlib.import_module(module)
    offered = list(loaded.__all__)
    assert len(set(offered)) == len(offered)
    assert all(hasattr(loaded, name) for name in offered)
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    }
    # What is defined and not offered is used by nobody else.
    for user, source, names in taken():
        if source == module != user:
            assert names & defined <= set(offered), f"{user} uses {names & defined - set(offered)}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_is_documented(name: str) -> None:
    text = inspect.getdoc(CATALOGUE[name])
    assert text is not None
    first, *rest = text.split("\n\n")
    assert "\n" not in first, "the first line says what it is"
    assert first.endswith((".", "``.")), first
    assert doctest.DocTestParser().get_examples(text), "it has an executed example"
    body = [part for part in rest if not part.lstrip().startswith((">>>", "Args", "Source"))]
    assert body, "it has a formula or a body"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_documented(name: str) -> None:
    assert inspect.getdoc(METHODS[name])


@pytest.mark.parametrize("module", CORE)
def test_every_module_says_what_it_is(module: str) -> None:
    text = importlib.import_module(module).__doc__
    assert text
    assert text.split("\n")[0].endswith((".", ":"))


def test_the_version_is_the_packages() -> None:
    assert etude.__version__.count(".") == 2
