"""An optimizer's parameter groups: their names, and the hyperparameters in them that can be scheduled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from torch import Tensor

from etude.errors import ScheduleError

__all__ = [
    "Group",
    "Place",
    "base_of",
    "check_names",
    "group_name",
    "pick",
    "place_of",
    "read",
    "write",
]

Group: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, int | None]
Value = TypeVar("Value")

EVERY = "*"
_ITEM = re.compile(r"(\w+)\[(\d+)\]")


def group_name(group: Group, index: int) -> str:
    """Return the group's own ``name`` where it has one, else its index."""
    return str(group.get("name", index))


def pick(choices: Mapping[str | int, Value], group: Group, index: int) -> Value:
    """Return the choice for a group: by its name, by its index, or ``"*"``.

    Raises:
        ScheduleError: where none of them is there.
    """
    for key in (group_name(group, index), index, str(index), EVERY):
        if key in choices:
            return choices[key]
    raise ScheduleError(
        f"the parameter group {group_name(group, index)!r} has no schedule; add groups={{..., "
        f"{group_name(group, index)!r}: plan}} or the key '*' for all others"
    )


def check_names(choices: Mapping[str | int, object], groups: list[Group]) -> None:
    """Refuse names that belong to no group."""
    known: set[str | int] = {EVERY, *range(len(groups)), *map(str, range(len(groups)))}
    known |= {group_name(group, i) for i, group in enumerate(groups)}
    for key in choices:
        if key not in known:
            names = [group_name(group, i) for i, group in enumerate(groups)]
            near = get_close_matches(str(key), names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ScheduleError(
                f"no parameter group is called {key!r}; there are {', '.join(map(repr, names))}{hint}"
            )


def place_of(group: Group, name: str) -> Place:
    """The key of a hyperparameter in its group, and its place where that holds a tuple.

    ``momentum`` is ``betas[0]`` in the optimizers of Adam's kind.

    Raises:
        ScheduleError: where the group has no such number.
    """
    if name == "momentum" and "momentum" not in group and "betas" in group:
        return "betas", 0
    item = _ITEM.fullmatch(name)
    key, index = (item[1], int(item[2])) if item else (name, None)
    value = group.get(key)
    if index is None and (isinstance(value, Tensor) or _is_number(value)):
        return key, None
    if index is not None and isinstance(value, tuple | list) and index < len(value):
        return key, index
    numeric = [key for key, value in group.items() if _is_number(value) or isinstance(value, Tensor)]
    numeric = [key for key in numeric if not key.startswith("initial_")]
    numeric += [f"{key}[{i}]" for key, pair in group.items() if key == "betas" for i in range(len(pair))]
    fix = ""
    if name == "momentum":
        fix = "; this optimizer has neither momentum nor betas: leave the momentum's schedule out"
    raise ScheduleError(
        f"the optimizer's groups have no number called {name!r}; they have {', '.join(sorted(numeric))}{fix}"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read(group: Group, place: Place) -> float:
    """Return the value at a place as a float."""
    key, index = place
    return float(group[key] if index is None else group[key][index])


def write(group: Group, place: Place, value: float) -> None:
    """Set the value at a place; a tensor keeps its identity, dtype and device."""
    key, index = place
    current = group[key] if index is None else group[key][index]
    if isinstance(current, Tensor):
        current.fill_(value)
    elif index is None:
        group[key] = value
    else:
        items = list(group[key])
        items[index] = value
        group[key] = tuple(items)


def base_of(group: Group, name: str) -> float:
    """Return the base value of a hyperparameter, kept in the group as ``initial_<name>``.

    It is kept where torch keeps it, and so travels with the optimizer's own checkpoint: a scheduler built
    after that was loaded still knows the base, not the rate of the moment.
    """
    return float(group.setdefault(f"initial_{name}", read(group, place_of(group, name))))
