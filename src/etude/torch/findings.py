"""What the checker says of schedules on an optimizer: of each table, and of the groups and their rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from torch.optim import Optimizer

from etude.check import OF, OTHER, Finding
from etude.errors import EtudeError
from etude.torch.bindings import Binding
from etude.torch.groups import group_names
from etude.torch.tensorize import recompiles_with_floats

__all__ = ["findings"]

# The ratios between groups are looked at in so many places of the run.
PLACES = 101
CLOSE, FAR = 1e-9, math.log(1.5)
MOST_NAMES = 4


def findings(optimizer: Optimizer, bindings: Sequence[Binding]) -> Iterator[Finding]:
    """Everything that is wrong, or perhaps not meant, before the first step."""
    names = group_names(optimizer.param_groups)
    for binding in bindings:
        yield from _of_table(binding, names)
        if binding.name == "lr":
            yield from _of_ratios(binding, names)
    if recompiles_with_floats(optimizer):
        yield _floats(type(optimizer).__name__, names)


def _of_table(binding: Binding, names: list[str]) -> list[Finding]:
    if binding.course.horizon.total is None:
        return []
    # The numbers are those of the group with the highest base rate.
    shown = int(binding.asked.argmax())
    try:
        of = binding.name if binding.name in OF else OTHER
        found = binding.table.check(float(binding.asked[shown]), of=of)
    except EtudeError:  # a check that cannot be made must not stop a run that can
        return []
    groups = tuple(names[index] for index in binding.indices)
    # A run has one learning rate; of the others it is said which is meant.
    whose = [] if binding.name == "lr" else [binding.name]
    if len(names) > 1 and groups:
        whose.append(_groups(groups) + (f" (rates of {groups[shown]!r})" if len(binding.asked) > 1 else ""))
    head = f"{' of '.join(whose)}: " if whose else ""
    return [replace(one, message=head + one.message, groups=groups) for one in found]


def _groups(names: tuple[str, ...]) -> str:
    """The groups by name, of many the first and the last."""
    if len(names) == 1:
        return f"group {names[0]!r}"
    if len(names) <= MOST_NAMES:
        return f"groups {', '.join(map(repr, names[:-1]))} and {names[-1]!r}"
    return f"{len(names)} groups from {names[0]!r} to {names[-1]!r}"


def _of_ratios(binding: Binding, names: list[str]) -> Iterator[Finding]:
    """Groups of different base rates that absolute levels bring out of their ratio."""
    moving = np.flatnonzero(binding.asked)  # a base of 0 has no ratio to others
    if len(moving) < 2:
        return
    low, high = (int(moving[find(binding.asked[moving])]) for find in (np.argmin, np.argmax))
    bases = binding.asked[[low, high]]
    try:
        steps = np.unique(np.linspace(0, binding.table.steps - 1, PLACES).astype(int))
        values = binding.table(steps, bases)
    except EtudeError:
        return
    # How many times too far one of the two is from the other, as a logarithm, which overflows nothing.
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.log(values) - np.log(bases)
        off = np.nan_to_num(np.abs(shares[:, 1] - shares[:, 0]), nan=0.0)  # both are at 0
    if off.max() <= CLOSE:
        return
    # Where most of the rate is: a common floor at the end is no more than a note.
    matters = (values[:, 1] >= 0.5 * values[:, 1].max()) & (off >= FAR)
    place = int(off.argmax() if not matters.any() else matters.argmax())
    pair = names[binding.indices[low]], names[binding.indices[high]]
    yield Finding(
        "ratio-lost",
        "warning" if matters.any() else "note",
        f"The base rates of the groups {pair[0]!r} and {pair[1]!r} are {bases[0]:.6g} and "
        f"{bases[1]:.6g}; absolute levels in the schedule make their rates {values[place, 0]:.6g} and "
        f"{values[place, 1]:.6g} at step {steps[place]:,}.",
        "Write levels as multiples of BASE, such as 0.1 * BASE, to keep the ratio; or give each group its "
        "own schedule with groups={...}.",
        {"step": float(steps[place]), "low": float(values[place, 0]), "high": float(values[place, 1])},
        pair,
    )


def _floats(optimizer: str, names: list[str]) -> Finding:
    return Finding(
        "float-rates",
        "note",
        f"If this step is compiled: {optimizer} with a float as rate is compiled anew at each change of the "
        f"rate, and after torch's limit it runs uncompiled.",
        "Call etude.torch.tensorize(optimizer) first, which makes the rates tensors.",
        groups=tuple(names),
    )
