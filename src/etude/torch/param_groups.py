"""Parameter groups of a model, by layer and by rule: their rates are each a multiple of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import nn

from etude.errors import ScheduleError
from etude.schedules import bounds

__all__ = ["param_groups"]

Rule: TypeAlias = str | Callable[[str, nn.Parameter], bool]
Rules: TypeAlias = Rule | Iterable[Rule]

SMALL = "1d"


@dataclass(frozen=True)
class Named:
    """A parameter, once, with the names it has: several where modules share it."""

    names: tuple[str, ...]
    tensor: nn.Parameter

    def fits(self, rule: Rule) -> bool:
        """Whether a rule names it."""
        if not isinstance(rule, str):
            return bool(rule(self.names[0], self.tensor))
        if rule == SMALL:
            return self.tensor.ndim <= 1 or self.names[0].split(".")[-1] == "bias"
        return any(fnmatchcase(name, rule) for name in self.names)


def param_groups(
    model: nn.Module,
    lr: float,
    *,
    weight_decay: float | None = None,
    layer_decay: float | None = None,
    multipliers: Mapping[Rule, float] | None = None,
    no_decay: Rules | None = None,
    layer_of: Callable[[str], Hashable] | None = None,
    frozen: Rules | None = None,
) -> list[dict[str, Any]]:
    """Divide a model's parameters into groups for a torch optimizer, each with a rate of its own.

    The rate of a group is::

        lr · multiplier · layer_decay**(last - layer)      the layers counted 0, 1, ..., last
        0                                                  where frozen

    It is the group's base: schedules that are relative to ``BASE`` keep the ratios between groups, and what
    is frozen at 0. Schedules with absolute levels do not; give frozen groups ``Constant(0)`` there.

    A rule names parameters: by a glob over the names in ``model.named_parameters()``, such as ``"head.*"``;
    by a function of name and parameter; or by the word ``"1d"``, which is the biases and all parameters of
    at most one dimension.

    Args:
        model: its parameters with ``requires_grad``; the others are left out. Shared ones come once, at the
            first of their names.
        lr: the rate that is multiplied, > 0.
        weight_decay: that of all groups but those of ``no_decay``, ≥ 0; left to the optimizer where it is
            None.
        layer_decay: what each layer's rate is multiplied by to get that of the layer before it, in (0, 1];
            the last layer has 1. Layers are in the order of registration. One is what lies under a number,
            as ``blocks.3`` of ``blocks.3.mlp.weight``, and beside such what has a name there, as ``embed``
            or ``head``.
        multipliers: factors ≥ 0, by rule; the first that fits is taken.
        no_decay: a rule, or several: what gets no weight decay.
        layer_of: the layer of a parameter's name, instead of the layers above: any hashable value.
        frozen: a rule, or several: what has the rate 0, whatever else fits.

    Returns:
        groups with ``name``, ``params``, ``lr`` and, where it is known, ``weight_decay``, in the order of
        registration. A name is made of the layer, the rule of the multiplier and what else sets the group
        apart, as in ``blocks.3/no_decay``; ``rest`` is the one that nothing sets apart.

    Raises:
        ScheduleError: for a number out of its bounds, a glob that no parameter's name matches, a multiplier
            that is never used, or a model that has nothing to train.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    >>> for group in param_groups(model, 0.1, layer_decay=0.5, weight_decay=0.01, no_decay="1d"):
    ...     print(group["name"], group["lr"], group["weight_decay"])
    0 0.05 0.01
    0/no_decay 0.05 0.0
    2 0.1 0.01
    2/no_decay 0.1 0.0

    Source: `Bao et al. 2022, BEiT <https://arxiv.org/abs/2106.08254>`_ for the decay by layer, which
    `Howard and Ruder 2018 <https://arxiv.org/abs/1801.06146>`_ call discriminative fine-tuning.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"param_groups takes a torch model; got {type(model).__name__}")
    lr = bounds.number(lr, "param_groups(lr=)", above=0)
    if weight_decay is not None:
        weight_decay = bounds.number(weight_decay, "param_groups(weight_decay=)", least=0)
    factors = _factors(multipliers)
    undecayed, still = _rules(no_decay, "no_decay"), _rules(frozen, "frozen")
    everything = _parameters(model)
    for each in (*factors, *undecayed, *still):
        _check_names_something(each, everything)
    layers = _layers(everything, layer_decay, layer_of)

    groups: dict[tuple[Hashable, Rule | None, str | None, bool], dict[str, Any]] = {}
    for parameter in everything:
        if not parameter.tensor.requires_grad:
            continue
        layer, factor = layers.get(parameter.names[0], (None, 1.0))
        rule, label = next((rule for rule in factors if parameter.fits(rule)), None), None
        if any(map(parameter.fits, still)):
            rule, label, factor = None, "frozen", 0.0
        elif rule is not None:
            label, factor = _label(rule, factors), factor * factors[rule]
        decays = not any(map(parameter.fits, undecayed))
        parts = [layer, label, None if decays else "no_decay"]
        group = groups.setdefault(
            (layer, rule, label, decays),
            {
                "name": "/".join(str(part) for part in parts if part is not None) or "rest",
                "params": [],
                "lr": lr * factor,
            },
        )
        if weight_decay is not None or not decays:
            group["weight_decay"] = weight_decay if decays else 0.0
        group["params"].append(parameter.tensor)
    if not groups:
        raise ScheduleError(f"{type(model).__name__} has no parameter to train: none has requires_grad=True")
    _check_used(factors, {rule for _, rule, _, _ in groups}, everything)
    return list(groups.values())


def _parameters(model: nn.Module) -> list[Named]:
    names: dict[nn.Parameter, list[str]] = {}
    for name, tensor in model.named_parameters(remove_duplicate=False):
        names.setdefault(tensor, []).append(name)
    return [Named(tuple(known), tensor) for tensor, known in names.items()]


# Layers.


def _layers(
    parameters: list[Named], layer_decay: float | None, layer_of: Callable[[str], Hashable] | None
) -> dict[str, tuple[Hashable, float]]:
    """Each parameter's layer and that layer's factor, by the first of its names; nothing without a decay."""
    if layer_decay is None:
        if layer_of is not None:
            raise ScheduleError("layer_of needs layer_decay; write layer_decay=1 for layers of the same rate")
        return {}
    decay = bounds.number(layer_decay, "param_groups(layer_decay=)", above=0)
    if decay > 1:
        raise ScheduleError(
            f"param_groups(layer_decay=) must be at most 1, so that no layer learns faster than those "
            f"after it; got {layer_decay!r}"
        )
    names = [parameter.names[0] for parameter in parameters]
    layer = dict(zip(names, map(layer_of, names), strict=True)) if layer_of else _by_number(names)
    order: dict[Hashable, int] = {}
    for name in names:
        try:
            order.setdefault(layer[name], len(order))
        except TypeError:
            raise ScheduleError(
                f"layer_of must give something hashable, such as a number or a string; gave {layer[name]!r} "
                f"for {name!r}"
            ) from None
    return {name: (layer[name], decay ** (len(order) - 1 - order[layer[name]])) for name in names}


def _by_number(names: list[str]) -> dict[str, Hashable]:
    """The layer of each name: its path up to the first number, or to where it leaves the paths of such."""
    paths = {name: name.split(".") for name in names}
    layers: dict[str, Hashable] = {}
    above: set[tuple[str, ...]] = {()}
    for name, path in paths.items():
        number = next((i for i, part in enumerate(path) if part.isdecimal()), None)
        if number is not None:
            layers[name] = ".".join(path[: number + 1])
            above.update(tuple(path[:i]) for i in range(number + 1))
    for name, path in paths.items():
        if name not in layers:
            # So that what wraps the numbered layers, as `bert` of `bert.encoder.layer.0`, is not one itself.
            own = next(i for i in range(len(path) + 1) if tuple(path[:i]) not in above)
            layers[name] = ".".join(path[:own])
    return layers


# Rules.


def _factors(multipliers: Mapping[Rule, float] | None) -> dict[Rule, float]:
    if multipliers is None:
        return {}
    if not isinstance(multipliers, Mapping):
        raise ScheduleError(
            f"multipliers must be a dict of factors by rule, such as {{'head.*': 10}}; got {multipliers!r}"
        )
    return {
        _rule(rule, "multipliers"): bounds.number(factor, f"the multiplier of {_shown(rule)}", least=0)
        for rule, factor in multipliers.items()
    }


def _rules(rules: Rules | None, field: str) -> tuple[Rule, ...]:
    if rules is None:
        return ()
    if isinstance(rules, str) or callable(rules):
        rules = (rules,)
    if not isinstance(rules, Iterable):
        raise _no_rule(rules, field)
    return tuple(_rule(rule, field) for rule in rules)


def _rule(rule: Rule, field: str) -> Rule:
    if not isinstance(rule, str) and not callable(rule):
        raise _no_rule(rule, field)
    return rule


def _no_rule(rule: object, field: str) -> ScheduleError:
    return ScheduleError(
        f"{field} takes rules: globs such as 'head.*', functions of name and parameter, or {SMALL!r}; "
        f"got {rule!r}"
    )


def _label(rule: Rule, factors: Mapping[Rule, float]) -> str:
    """What a rule is called in the name of a group."""
    if isinstance(rule, str):
        return rule.removesuffix(".*")
    name = getattr(rule, "__name__", "")
    return name if name.isidentifier() else f"rule {list(factors).index(rule)}"


def _shown(rule: Rule) -> str:
    return repr(rule) if isinstance(rule, str) else getattr(rule, "__name__", repr(rule))


def _check_names_something(rule: Rule, parameters: list[Named]) -> None:
    """Refuse a glob that no parameter's name matches. Functions and words may find nothing."""
    if not isinstance(rule, str) or rule == SMALL or any(parameter.fits(rule) for parameter in parameters):
        return
    names = [name for parameter in parameters for name in parameter.names]
    paths = [name.split(".") for name in names]
    modules = dict.fromkeys(".".join(path[:i]) + ".*" for path in paths for i in range(1, len(path)))
    near = [f"{rule}.*"] if f"{rule}.*" in modules else get_close_matches(rule, [*modules, *names], 1, 0.3)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ScheduleError(f"no parameter has a name that matches {rule!r}{hint}")


def _check_used(factors: Mapping[Rule, float], used: set[Rule | None], parameters: list[Named]) -> None:
    """Refuse a multiplier that others have left nothing."""
    for rule in factors:
        if rule not in used and any(one.tensor.requires_grad and one.fits(rule) for one in parameters):
            raise ScheduleError(
                f"the multiplier of {_shown(rule)} is never used: all that it names is frozen or is taken by "
                f"rules before it; the first rule that fits counts, so write the narrower one first"
            )
