"""What the checker says of schedules on an optimizer: of each table, and of the groups and their rates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from torch.optim import Optimizer

from etude.check import Finding
from etude.errors import EtudeError
from etude.torch.bindings import Binding
from etude.torch.tensorize import recompiles_with_floats

__all__ = ["findings"]

# The ratios between groups are looked at in so many places of the run.
PLACES = 101
CLOSE, FAR = 1e-9, 1.5
TINY = 1e-300


def findings(optimizer: Optimizer, bindings: Sequence[Binding]) -> Iterator[Finding]:
    """Everything that is wrong, or perhaps not meant, before the first step."""
    for binding in bindings:
        yield from _of_table(binding)
        if binding.name == "lr":
            yield from _of_ratios(binding)
    if recompiles_with_floats(optimizer):
        yield _floats(type(optimizer).__name__)


def _of_table(binding: Binding) -> list[Finding]:
    if binding.course.horizon.total is None:
        return []
    name = binding.name
    try:
        found = binding.table.check(float(binding.asked[0]), of=name)
    except EtudeError:  # a check that cannot be made must not stop a run that can
        return []
    # A run has one learning rate; of the others it is said which is meant.
    return [one if name == "lr" else replace(one, message=f"{name}: {one.message}") for one in found]


def _of_ratios(binding: Binding) -> Iterator[Finding]:
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
    shares = values / bases
    # How many times too far one of the two is from the other.
    off = (shares.max(axis=1) + TINY) / (shares.min(axis=1) + TINY)
    if off.max() <= 1 + CLOSE:
        return
    # Where most of the rate is: a common floor at the end is no more than a note.
    matters = (values[:, 1] >= 0.5 * values[:, 1].max()) & (off >= FAR)
    place = int(off.argmax() if not matters.any() else matters.argmax())
    yield Finding(
        "ratio-lost",
        "warning" if matters.any() else "note",
        f"The base rates of groups {binding.indices[low]} and {binding.indices[high]} are {bases[0]:.6g} and "
        f"{bases[1]:.6g}; absolute levels in the schedule make their rates {values[place, 0]:.6g} and "
        f"{values[place, 1]:.6g} at step {steps[place]:,}.",
        "Write levels as multiples of BASE, such as 0.1 * BASE, to keep the ratio; or give each group its "
        "own schedule with groups={...}.",
        {"step": float(steps[place]), "low": float(values[place, 0]), "high": float(values[place, 1])},
    )


def _floats(optimizer: str) -> Finding:
    return Finding(
        "float-rates",
        "note",
        f"If this step is compiled: {optimizer} with a float as rate is compiled anew at each change of the "
        f"rate, and after torch's limit it runs uncompiled.",
        "Call etude.torch.tensorize(optimizer) first, which makes the rates tensors.",
    )
