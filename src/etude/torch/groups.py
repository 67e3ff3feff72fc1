"""An optimizer's parameter groups: their names, and the hyperparameters in them that can be scheduled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any, TypeAlias, TypeVar

from torch import Tensor

from etude.errors import ScheduleError

__all__ = [
    "Group",
    "Place",
    "base_of",
    "check_names",
    "group_name",
    "group_names",
    "keep_base",
    "own_tensors",
    "pick",
    "place_of",
    "read",
    "write",
    "write_all",
]

Group: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, int | None]
Value = TypeVar("Value")

EVERY = "*"
_ITEM = re.compile(r"(\w+)\[(\d+)\]")


def group_name(group: Group, index: int) -> str:
    """Return the group's own ``name`` where it has one, else its index."""
    return str(group.get("name", index))


def group_names(groups: list[Group]) -> list[str]:
    """Return a name for each group; those that share one are told apart by their index."""
    names = [group_name(group, index) for index, group in enumerate(groups)]
    return [name if names.count(name) == 1 else f"{name}[{index}]" for index, name in enumerate(names)]


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
    if index is None and _is_number(value):
        return key, None
    if index is not None and isinstance(value, tuple | list) and index < len(value):
        return key, index
    if isinstance(value, Tensor):
        raise ScheduleError(
            f"{name} must be a number or a floating tensor of one element; got {value!r}: a rate written "
            f"into it would be cut to its dtype, or not fit"
        )
    numeric = [key for key, value in group.items() if _is_number(value)]
    numeric = [key for key in numeric if not key.startswith("initial_")]
    numeric += [f"{key}[{i}]" for key, pair in group.items() if key == "betas" for i in range(len(pair))]
    fix = ""
    if name == "momentum":
        fix = "; this optimizer has neither momentum nor betas: leave the momentum's schedule out"
    raise ScheduleError(
        f"the optimizer's groups have no number called {name!r}; they have {', '.join(sorted(numeric))}{fix}"
    )


def _is_number(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and value.is_floating_point()
    return isinstance(value, Real) and not isinstance(value, bool)


def _current(group: Group, place: Place) -> Any:
    key, index = place
    return group[key] if index is None else group[key][index]


def _put(group: Group, place: Place, value: float | Tensor) -> None:
    key, index = place
    if index is None:
        group[key] = value
    else:
        items = list(group[key])
        items[index] = value
        group[key] = tuple(items)


def read(group: Group, place: Place) -> float:
    """Return the value at a place as a float."""
    return float(_current(group, place))


def write(group: Group, place: Place, value: float) -> None:
    """Set the value at a place; a tensor keeps its identity, dtype and device."""
    current = _current(group, place)
    if isinstance(current, Tensor):
        current.fill_(value)
    else:
        _put(group, place, value)


def write_all(groups: Sequence[Group], place: Place, values: Sequence[float]) -> bool:
    """Set the value at a place in each group, as ``write`` does; return whether all of them were floats."""
    key, item = place
    floats = True
    for index, group in enumerate(groups):
        if item is None and type(group[key]) is float:  # without a detour, for this is done at every step
            group[key] = values[index]
        else:
            write(group, place, values[index])
            floats = False
    return floats


def base_of(group: Group, name: str) -> float:
    """Return the base value of a hyperparameter: the group's ``initial_<name>``, or else what it is now."""
    initial = group.get(f"initial_{name}")
    return read(group, place_of(group, name)) if initial is None else float(initial)


def keep_base(group: Group, name: str, base: float) -> None:
    """Keep the base value in the group as ``initial_<name>``.

    It is kept where torch keeps it, and so travels with the optimizer's own checkpoint: a scheduler built
    after that was loaded still knows the base, not the rate of the moment.
    """
    group.setdefault(f"initial_{name}", base)


def own_tensors(groups: list[Group], name: str) -> None:
    """Give each group a tensor of its own where torch gave one to several: to all that were built with it
    by default, and to those that are added later.

    The base goes along, since what a later group finds in that tensor is the rate of the moment.
    """
    owners: dict[int, Group] = {}
    for group in groups:
        try:
            place = place_of(group, name)
        except ScheduleError:
            continue
        tensor = _current(group, place)
        owner = owners.setdefault(id(tensor), group)
        if isinstance(tensor, Tensor) and owner is not group:
            _put(group, place, tensor.detach().clone())
            keep_base(group, name, base_of(owner, name))
