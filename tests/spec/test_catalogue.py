"""The catalogue: every name, what is nearest to a wrong one, and the bad input that each refuses."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import etude
from etude import BASE, CATALOGUE, EtudeError, Rate, Schedule
from etude.names import nearest
from etude.schedules import recipes
from etude.spec.catalogue import FAMILIES, METHODS
from tests.strategies import EVERY_KIND, HORIZON

# The least that builds each.
LEAST: dict[str, dict[str, Any]] = {
    "Constant": {},
    "Cosine": {},
    "Custom": {"function": "math:exp"},
    "Exponential": {"gamma": 0.9},
    "ExponentialWarmup": {"timescale": 10},
    "Geometric": {"stop": 0.1},
    "Hyperbolic": {"upper": 5000},
    "InverseSqrt": {"timescale": 10},
    "InverseTime": {"decay_rate": 0.1},
    "Linear": {},
    "Noise": {"seed": 1, "amount": 0.1},
    "Plateau": {"metric": "loss"},
    "Points": {"points": [(0, 0.1), (10, 0.2)]},
    "Polynomial": {},
    "PolynomialCycles": {"period": 10},
    "PowerLaw": {"exponent": 0.6, "timescale": 10},
    "RAdamWarmup": {"beta2": 0.9},
    "Ramp": {"ease": "quarter_sine"},
    "Rex": {},
    "Sigmoid": {"steepness": 0.1, "middle": 10},
    "Steps": {"every": 10},
    "Tanh": {},
    "adafactor": {},
    "chebyshev": {"steps": 4},
    "cosine": {},
    "cyclic": {"up": 10, "low": 0.1},
    "cyclic_cosine_decay": {"init_decay_epochs": 10, "min_decay_lr": 0.1},
    "exponential": {"gamma": 0.9},
    "infinite": {"decay": 10},
    "inverse_sqrt": {"timescale": 5},
    "linear": {},
    "multistep": {"at": [10]},
    "noam": {"d_model": 64, "warmup": 5},
    "one_cycle": {},
    "one_cycle_momentum": {},
    "piecewise_constant": {"at": [10], "rates": [0.1, 0.2]},
    "polynomial": {},
    "power_scheduler": {"peak": 0.1},
    "sgdr": {"period": 10},
    "slanted_triangular": {},
    "step": {"every": 10},
    "time_decay": {"decay_rate": 0.1},
    "untuned_warmup": {"beta2": 0.9},
    "warmup": {"over": 5},
    "wsd": {},
    "yolo": {},
}
VARIADIC = ("minimum", "maximum")

# What must be refused, by the argument's name; what is not named here or below takes a length.
RATES = {"level", "start", "stop", "floor", "peak", "low", "high"}
RATES |= {"lr0", "init_lr", "restart_lr", "min_decay_lr", "warmup_start_lr"}
NO_RATES = [-1.0, float("nan"), float("inf"), 10**400, "0.1", True, [0.1], {"a": 1}, 1j, -1 * BASE]
NO_LENGTHS = [-1, "-5ep", "5 apples", "", float("nan"), True, [5], {}, 10**400, "1e99999"]
NO_NUMBERS = [float("nan"), float("inf"), "0.5", True, None, [1], 1j, 10**400]
NO_WORDS = ["nonsense", 5, None, [], True]
OTHER: dict[str, list[Any]] = {
    "inclusive": [1, "yes", None],
    "after": NO_WORDS,
    "power": [0, -1, *NO_NUMBERS],
    "k": [0, -1, *NO_NUMBERS],
    "beta": [-0.1, 1, 2, *NO_NUMBERS],
    "beta2": [0, 1, 2, -0.5, *NO_NUMBERS],
    "lower": [3, 10, *NO_NUMBERS],
    "seed": [-1, 1.5, "1", True, None],
    "amount": [0, 1.1, -0.5, *NO_NUMBERS],
    "distribution": NO_WORDS,
    "std": [0, -1, "0.5", float("nan"), True, [1]],
    "a": [0, -1, *NO_NUMBERS],
    "b": [0, -1, *NO_NUMBERS],
    "unit": NO_WORDS,
    "scale": [0, -1, *NO_NUMBERS],
    "d_model": [0, 1.5, "64", True, None],
    "warmup_init": [1, "yes", None],
    "steps": [0, 1, 3, 2048, 4.0, "4", True, None],
    "small": [0, 1, -0.5, *NO_NUMBERS],
    "rates": [[], [0.1], [0.1, -1], [0.1, "x"], "ab", None],
    "ratio": [0, 0.5, -1, *NO_NUMBERS],
    "counting": NO_WORDS,
    "nan": NO_WORDS,
    "start_after": [-1, 1.5, "1", True, None],
    "average": [0, 1.5, "1", True, None],
    "shape": NO_WORDS,
    "points": [None, [], "ab", 5, [1], [(1,)], [(1, 2, 3)], [("x", 1)], [(1, "x")], [(-1, 1)], [(1, -1)]],
    "gamma": [-0.5, *NO_NUMBERS],
    "decay_rate": [-1, *NO_NUMBERS],
    "steepness": [0, -1, *NO_NUMBERS],
    "geometric": [1, "yes", None],
    "exponent": [0, -1, *NO_NUMBERS],
    "at": [[], "30ep", 30, [-1], ["x"], [True], {3}],
    "function": ["math.exp", "exp", "", ":", 5, None, print],
    "metric": ["val loss", "", 5, None],
    "factor": [1, -0.1, *NO_NUMBERS],
    "patience": [-1, 1.5, "1", True, None],
    "mode": NO_WORDS,
    "threshold": [-1, *NO_NUMBERS],
    "threshold_mode": NO_WORDS,
    "minimum": [-0.1, 1.1, *NO_NUMBERS],
    "ease": NO_WORDS,
    "warmup_shape": NO_WORDS,
    "three_phase": [1, "yes", None],
    "div": [0, 0.5, -1, *NO_NUMBERS],
    "final_div": [0, 0.5, -1, *NO_NUMBERS],
    "lrf": [-0.1, *NO_NUMBERS],
    "gain": [-1, float("nan"), "0.5", True, [1]],
    "cycles": [0, -1, 1.5, "2", True],
    "stretch": [0, -1, "x", "3/0", float("nan"), True, None, []],
    "restart_interval_multiplier": [0, -1, "x", True, []],
    "down": NO_LENGTHS,
}
# What an argument needs beside it.
TOGETHER: dict[str, dict[str, Any]] = {
    "restart_interval_multiplier": {"restart_interval": 5},
    "warmup_epochs": {"warmup_start_lr": 0.1},
    "warmup_start_lr": {"warmup_epochs": 5},
}


# Whose length may be a share of the recipe's.
SHARES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("cosine", "linear", "polynomial"), ("warmup",)),
    **dict.fromkeys(("one_cycle", "one_cycle_momentum", "sgdr", "slanted_triangular"), ("up",)),
    "wsd": ("warmup", "cooldown"),
}


def bad_values(name: str, argument: str) -> list[Any]:
    match name, argument:
        case "Tanh", "upper":
            return [-6, -10, *NO_NUMBERS]
        case "Plateau", "cooldown":
            return [-1, 1.5, "1", True, None]
        case "Ramp", "ease":
            return ["linear", "cosine", "rex", *NO_WORDS]
        case "noam", "warmup":
            return [0, 1.5, "5ep", True, None]
        case "warmup", "start":  # a factor
            return [-1, float("nan"), "0.5", True, [1], BASE]
        case "cosine", "cycles":
            return [0, -1, 1.5, "2", 1001, True, None]
    if argument in SHARES.get(name, ()):
        return [1.0, -0.5, None, *NO_LENGTHS]
    lengths = [*NO_LENGTHS, 0.5, 0.01 * BASE]
    return OTHER.get(argument, NO_RATES if argument in RATES else lengths)


def bad_input() -> list[Any]:
    cases = []
    for name, build in CATALOGUE.items():
        for argument in inspect.signature(build).parameters if name not in VARIADIC else ():
            for value in bad_values(name, argument):
                kind = type(value).__name__ if value == 10**400 else repr(value)
                cases.append(pytest.param(name, argument, value, id=f"{name}({argument}={kind})"))
    return cases


@pytest.mark.parametrize(("name", "argument", "value"), bad_input())
def test_bad_input_is_refused_with_the_field_and_the_value(name: str, argument: str, value: Any) -> None:
    arguments = LEAST[name] | TOGETHER.get(argument, {}) | {argument: value}
    if name == "Steps" and argument == "at":
        del arguments["every"]
    if argument == "geometric":
        arguments["stop"] = 0.1
    if name == "cyclic" and argument in ("gamma", "per"):
        arguments["mode"] = "exp_range"
    if argument == "std":
        arguments["distribution"] = "normal"
    with pytest.raises(EtudeError) as caught:
        CATALOGUE[name](**arguments).on(HORIZON)
    message = str(caught.value)
    assert message.startswith((f"{name}(", f"{name} ")), message
    assert f"{argument}=" in message, message
    assert "got " in message or f"in {value!r}" in message, message
    assert len(message) < 500


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - set(VARIADIC)))
def test_the_least_builds_and_nothing_else_is_taken(name: str) -> None:
    build = CATALOGUE[name]
    assert isinstance(build(**LEAST[name]), Schedule)
    with pytest.raises(EtudeError, match=rf"^{name}\(\) has no ovr(; did you mean '\w+'\?)? \(it takes "):
        build(**LEAST[name], ovr=5)
    for needed in LEAST[name]:
        if inspect.signature(build).parameters[needed].default is inspect.Parameter.empty:
            # Of a class, Python says it.
            with pytest.raises(
                (EtudeError, TypeError), match=rf"^{name}\b.* missing .* argument: '{needed}'"
            ):
                build(**{key: value for key, value in LEAST[name].items() if key != needed})


@pytest.mark.parametrize("name", VARIADIC)
@pytest.mark.parametrize("value", [-1.0, float("nan"), "0.1", None, True, [0.1], 10**400])
def test_bad_parts_of_minimum_and_maximum(name: str, value: Any) -> None:
    with pytest.raises(EtudeError, match=r"Constant\(level=\) must be .*got"):
        CATALOGUE[name](0.5, value)


def test_the_tests_know_every_name() -> None:
    assert set(LEAST) | set(VARIADIC) == set(EVERY_KIND) == set(CATALOGUE)


def test_every_name_is_in_one_family() -> None:
    names = [name for family in FAMILIES.values() for name in family]
    assert sorted(names) == sorted(CATALOGUE)


def test_the_catalogue_is_what_the_facade_offers() -> None:
    for name, build in CATALOGUE.items():
        assert getattr(etude, name) is build
    assert set(recipes.__all__) <= set(CATALOGUE)
    assert "Schedule" not in CATALOGUE
    assert "PlateauState" not in CATALOGUE


def test_methods_are_the_schedules_own() -> None:
    assert sorted(METHODS) == ["clip", "cooldown", "repeat", "shift", "stretch", "under", "until"]
    for name, method in METHODS.items():
        assert getattr(Rate, name) is method


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Cosin", "Cosine"),
        ("cosin", "cosine"),
        ("COSINE", "cosine"),
        ("linar", "linear"),
        ("Linaer", "Linear"),
        ("OneCycle", "one_cycle"),
        ("one_cycl", "one_cycle"),
        ("sgrd", "sgdr"),
        ("Triangular", "slanted_triangular"),
        ("xyz", None),
        ("", None),
    ],
)
def test_the_nearest_name(wrong: str, right: str | None) -> None:
    expected = "" if right is None else f"; did you mean {right!r}?"
    assert nearest(wrong, [*CATALOGUE]) == expected
