"""The catalogue: every name that may stand in an expression, and what it builds."""

from __future__ import annotations

from collections.abc import Callable

from etude import schedules
from etude.schedules.algebra import (
    Cooldown,
    Maximum,
    Minimum,
    Product,
    Rate,
    Repeat,
    Schedule,
    Sequence,
    Shift,
    Stretch,
    Sum,
    Under,
    Until,
)

__all__ = ["CATALOGUE", "COMBINATORS", "FAMILIES", "METHODS"]

CATALOGUE: dict[str, Callable[..., Schedule]] = {
    name: getattr(schedules, name)
    for name in schedules.__all__
    if name not in ("Factor", "PlateauState", "Rate", "Schedule")
}
"""Name → shape, law, feedback, function or recipe. Text, documentation, tests and commands walk this."""

_MODULES = {
    "Recipes: decays": "recipes.decays",
    "Recipes: cycles": "recipes.cycles",
    "Recipes: phases": "recipes.phases",
    "Recipes: warmups": "recipes.warmups",
    "Shapes": "shapes",
    "Laws": "laws",
    "Factors": "factors",
    "Feedback": "feedback",
    "Building blocks": "algebra",
}

FAMILIES: dict[str, tuple[str, ...]] = {
    family: tuple(
        name
        for name, build in sorted(CATALOGUE.items(), key=lambda item: item[0].lower())
        if build.__module__ == f"{schedules.__name__}.{module}"
    )
    for family, module in _MODULES.items()
}
"""Heading → the names under it, in the order in which lists and galleries show them."""

METHODS: dict[str, Callable[..., Schedule]] = {
    name: getattr(Rate, name) for name in ("clip", "cooldown", "repeat", "shift", "stretch", "under", "until")
}
"""The methods of a schedule that may stand in an expression."""

COMBINATORS: dict[str, type[Schedule]] = {
    kind.__name__: kind
    for kind in (Cooldown, Maximum, Minimum, Product, Repeat, Sequence, Shift, Stretch, Sum, Under, Until)
}
"""What operators and methods build: JSON names these, text writes them with their operators."""
