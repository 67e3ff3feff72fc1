"""An optimizer's parameter groups: their names, and the hyperparameters in them that can be scheduled."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any, TypeAlias, TypeVar

from torch import Tensor

from etude.errors import ScheduleError
from etude.names import nearest

__all__ = [
    "Bases",
    "Chooser",
    "Group",
    "Owner",
    "Place",
    "base_of",
    "check_names",
    "current",
    "group_name",
    "group_names",
    "is_number",
    "keep_base",
    "own_tensors",
    "pick",
    "place_of",
    "read",
    "scale_of",
    "write",
    "write_all",
]

Group: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, int | None]
Chooser: TypeAlias = str | int | Callable[[Group], bool]
"""Which groups are meant: a name, a pattern of names (``"block.*"``), an index, or a function of a group."""
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


def pick(choices: Mapping[Any, Value], group: Group, index: int) -> Value:
    """Return the choice for a group: by its name, by its index, by the first function or pattern that takes
    it, or ``"*"``.

    Raises:
        ScheduleError: where none of them is there.
    """
    name = group_name(group, index)
    for key in (name, index, str(index)):
        if key in choices:
            return choices[key]
    for key, choice in choices.items():
        if key(group) if callable(key) else _is_pattern(key) and fnmatchcase(name, key):
            return choice
    if EVERY in choices:
        return choices[EVERY]
    raise ScheduleError(
        f"the parameter group {group_name(group, index)!r} has no schedule; add groups={{..., "
        f"{group_name(group, index)!r}: plan}} or the key '*' for all others"
    )


def _is_pattern(key: object) -> bool:
    return isinstance(key, str) and key != EVERY and any(sign in key for sign in "*?[")


def check_names(choices: Mapping[Any, object], groups: list[Group]) -> None:
    """Refuse names and patterns that belong to no group."""
    names = [group_name(group, i) for i, group in enumerate(groups)]
    known: set[Any] = {EVERY, *range(len(groups)), *map(str, range(len(groups))), *names}
    for key in choices:
        matched = _is_pattern(key) and any(fnmatchcase(name, key) for name in names)
        if not (callable(key) or key in known or matched):
            raise ScheduleError(
                f"no parameter group is called {key!r}; there are {', '.join(map(repr, names))}"
                f"{nearest(key, names)}"
            )


def place_of(group: Group, name: str, others: Iterable[str] = ()) -> Place:
    """The key of a hyperparameter in its group, and its place where that holds a tuple.

    ``momentum`` is ``betas[0]`` in the optimizers of Adam's kind.

    Args:
        group: the parameter group.
        name: the hyperparameter.
        others: what else may have been meant.

    Raises:
        ScheduleError: where the group has no such number.
    """
    if name == "momentum" and "momentum" not in group and "betas" in group:
        return "betas", 0
    item = _ITEM.fullmatch(name)
    key, index = (item[1], int(item[2])) if item else (name, None)
    value = group.get(key)
    if index is None and is_number(value):
        return key, None
    if index is not None and isinstance(value, tuple | list) and index < len(value):
        return key, index
    if isinstance(value, Tensor):
        raise ScheduleError(
            f"{name} must be a number or a floating tensor of one element; got {value!r}: a rate written "
            f"into it would be cut to its dtype, or not fit"
        )
    numeric = [key for key, value in group.items() if is_number(value)]
    numeric = [key for key in numeric if not key.startswith("initial_")]
    numeric += [f"{key}[{i}]" for key, pair in group.items() if key == "betas" for i in range(len(pair))]
    fix = nearest(name, [*numeric, *others]) or f"; where it is a group, write groups={{{name!r}: plan}}"
    if name == "momentum":
        fix = "; this optimizer has neither momentum nor betas: leave the momentum's schedule out"
    raise ScheduleError(
        f"the optimizer's groups have no number called {name!r}; they have {', '.join(sorted(numeric))}{fix}"
    )


def is_number(value: object) -> bool:
    """Whether a value can be scheduled: a number, or a floating tensor of one element."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and value.is_floating_point()
    return isinstance(value, Real) and not isinstance(value, bool)


def current(group: Group, place: Place) -> Any:
    """Return what is at a place, a number or a tensor."""
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
    return float(current(group, place))


def write(group: Group, place: Place, value: float) -> None:
    """Set the value at a place; a tensor keeps its identity, dtype and device."""
    held = current(group, place)
    if isinstance(held, Tensor):
        held.fill_(value)
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


class Bases:
    """The base of each hyperparameter of each group, read without touching them.

    Of a tensor that torch gave to several groups it is that of the first of them, where the group has none of
    its own: what a later group finds in that tensor is the rate of the moment.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._owners: dict[str, list[Group]] = {}

    def __call__(self, index: int, name: str) -> float:
        """The base of a group's number.

        Raises:
            ScheduleError: for what is no rate.
        """
        group = self._groups[index]
        owner = group if f"initial_{name}" in group else self._owners_of(name)[index]
        try:
            base = base_of(owner, name)
        except OverflowError:  # a whole number that is too large to be a float
            base = math.inf
        if not 0 <= base < math.inf:
            raise ScheduleError(
                f"the base {name} of the parameter group {group_name(group, index)!r} must be finite and "
                f"at least 0; got {base:g}"
            )
        return base

    def _owners_of(self, name: str) -> list[Group]:
        """For each group the first that holds the same tensor."""
        if name not in self._owners:
            first: dict[int, Group] = {}
            self._owners[name] = []
            for group in self._groups:
                try:
                    held = current(group, place_of(group, name))
                except ScheduleError:
                    held = None
                shared = isinstance(held, Tensor)
                self._owners[name].append(first.setdefault(id(held), group) if shared else group)
        return self._owners[name]


def keep_base(group: Group, name: str, base: float) -> None:
    """Keep the base value in the group as ``initial_<name>``.

    It is kept where torch keeps it, and so travels with the optimizer's own checkpoint: a scheduler built
    after that was loaded still knows the base, not the rate of the moment.
    """
    group.setdefault(f"initial_{name}", base)


def scale_of(group: Group, name: str) -> float:
    """Return what a value is multiplied by: the rate's ``lr_scale``, where timm keeps a layer's factor."""
    return float(group.get("lr_scale", 1.0)) if name == "lr" else 1.0


class Owner(dict[str, Any]):
    """A user's object seen as a group: its attributes, or the items of a mapping, with its base."""

    def __init__(self, owner: Any) -> None:
        super().__init__()
        self.owner = owner

    def __getitem__(self, key: str) -> Any:
        if isinstance(self.owner, Mapping):
            return self.owner[key]
        return getattr(self.owner, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key.startswith("initial_"):  # the base is ours, not the object's
            super().__setitem__(key, value)
        elif isinstance(self.owner, Mapping):
            self.owner[key] = value  # type: ignore[index]  # a mapping that cannot be written to raises
        else:
            setattr(self.owner, key, value)


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
        tensor = current(group, place)
        owner = owners.setdefault(id(tensor), group)
        if isinstance(tensor, Tensor) and owner is not group:
            _put(group, place, tensor.detach().clone())
            keep_base(group, name, base_of(owner, name))
