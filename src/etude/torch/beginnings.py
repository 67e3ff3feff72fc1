"""What is amiss where a run begins or goes on: a clock that was left behind, a plan with nothing left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from etude.check import Finding
from etude.durations import fraction_text, to_fraction
from etude.eases import Array
from etude.errors import EtudeError
from etude.torch.bindings import Binding
from etude.torch.changes import Policy, Redecay, Seam
from etude.torch.groups import current, group_name, read, scale_of
from etude.torch.laid import Laid
from etude.torch.moments import Moment
from etude.torch.scalars import scalar

__all__ = ["nothing_left", "past_of"]

CLOSE = 1e-6
# A rate is looked for in the plan of a run of so many steps at most.
MOST_STEPS = 2**20
# What is left of a run is looked at in so many places.
PLACES = 101


def past_of(optimizer: Optimizer, laid: Laid, values: Sequence[Array], *, loaded: bool) -> Finding | None:
    """Return what an optimizer shows of a run before, under a clock at step 0; None where it is a new one.

    It shows one where it holds another number than its own base and the plan's first value, or where its
    state says that it has made updates.

    Args:
        optimizer: as it was found, before anything was written into it.
        laid: the plans.
        values: of step 0, for each binding.
        loaded: whether it has loaded a state just now; else it was found so when the Scheduler was built.
    """
    rate = _strange(optimizer, laid, values, loaded=loaded)
    updates = _updates_made(optimizer)
    if rate is None and updates is None:
        return None
    seen = []
    if updates is not None:
        seen.append(f"has made {updates:,} updates" if updates else "has made updates")
    step: int | str = updates or "step"
    if rate is not None:
        binding, member, found, planned = rate
        whose = f"{binding.name} of group {group_name(binding.groups[member], binding.indices[member])!r}"
        seen.append(f"came with {found:.6g} as {whose}, where the plan begins with {planned:.6g}")
        step = updates or _only_step_with(binding, member, found) or "step"
    elif not loaded and any("initial_lr" not in group for group in optimizer.param_groups):
        bases = ", ".join(dict.fromkeys(f"{base:.6g}" for base in laid.base_lrs[:4]))
        seen.append(f"has no initial_lr in its groups, so that BASE is the rate that was found, {bases}")
    return Finding(
        "clock-left-behind",
        "warning",
        f"The optimizer {', and '.join(seen)}; this Scheduler stands at step 0 and begins anew.",
        f"Load the Scheduler's own state, or call scheduler.seek({step}), where the run goes on; if it is "
        f"to begin anew with this optimizer, scheduler.seek(0) says so. A base that is not the rate of the "
        f"moment is kept as group['initial_lr'].",
        {} if updates is None else {"updates": updates},
    )


def _strange(
    optimizer: Optimizer, laid: Laid, values: Sequence[Array], *, loaded: bool
) -> tuple[Binding, int, float, float] | None:
    """The first number that is neither its base nor what the plan begins with."""
    groups = optimizer.param_groups
    for binding, row in zip(laid.bindings, values, strict=True):
        for member, index in enumerate(binding.indices):
            group = groups[index]
            base = group.get(f"initial_{binding.name}", binding.bases[member] if loaded else None)
            if base is None:
                continue
            held, found = current(group, binding.place), read(group, binding.place)
            near = torch.finfo(held.dtype).eps if isinstance(held, Tensor) else 0.0
            known = float(base), float(base) * scale_of(group, binding.name), float(row[member])
            if not any(math.isclose(found, one, rel_tol=max(near, CLOSE)) for one in known):
                return binding, member, found, known[-1]
    return None


def _updates_made(optimizer: Optimizer) -> int | None:
    """How many updates an optimizer's state says that it has made, 0 where it tells no number; else None."""
    states = getattr(optimizer, "state", None)
    for state in states.values() if isinstance(states, Mapping) else ():
        if not isinstance(state, Mapping):
            continue
        steps = scalar(state["step"]) if "step" in state else None
        if steps is not None:
            if steps > 0:
                return int(steps)
        elif any(map(_moved, state.values())):
            return 0
    return None


def _moved(value: Any) -> bool:
    """Whether what an optimizer remembers is no longer what it began with, zeros."""
    if type(value) is not Tensor:  # of a distributed one, to ask would be to communicate
        return isinstance(value, Tensor) or bool(scalar(value))
    return not value.is_meta and bool(value.any())


def _only_step_with(binding: Binding, member: int, found: float) -> int | None:
    """The one step at which the plan has a value; None where there is none or several."""
    try:
        steps = binding.table.steps
        if steps > MOST_STEPS:
            return None
        values = binding.values(range(steps), {})[:, member]
    except EtudeError:  # a run without a length, or a value that cannot be had
        return None
    at = np.flatnonzero(np.isclose(values, found, rtol=CLOSE, atol=0))
    return int(at[0]) if len(at) == 1 else None


def nothing_left(moment: Moment, now: float, policy: Policy, seam: Seam) -> Finding | None:
    """Return that a run goes on under a policy that has nothing to go on from; None where it has.

    Args:
        moment: what is followed.
        now: the step.
        policy: the policy.
        seam: the rates before and after.
    """
    laid, here = moment.laid, to_fraction(moment.axis(now))
    total = laid.horizon.total_steps
    left = 1000 if total is None else total - here
    if left <= 0:
        return None
    rates: dict[str, list[str]] = {}
    for binding in laid.of("lr"):
        course = binding.course
        places = moment.place(course, now) + np.linspace(0, float(left), PLACES)[:-1]
        try:
            values = binding.values(places.tolist(), moment.factors)
            planned = binding.planned.on(laid.horizon)(places, binding.bases)
        except EtudeError:  # what cannot be evaluated ahead is not judged
            continue
        over = course.table.length is not None and places[0] >= course.table.length
        for member, index in enumerate(binding.indices):
            rate = float(values[0, member])
            before, _ = seam.rates.get(("lr", laid.names[index]), (math.nan, rate))
            # Where the plan of now has the same, it is meant.
            flat = not np.ptp(values[:, member]) and bool(np.ptp(planned[:, member]))
            nothing = not rate or isinstance(policy, Redecay) or (policy == "keep" and over)
            if flat and nothing and math.isclose(before, rate, rel_tol=CLOSE, abs_tol=1e-300):
                rates.setdefault(f"{rate:.6g}", []).append(repr(laid.names[index]))
    if not rates:
        return None
    told = "; ".join(f"lr of group {', '.join(names[:3])} is {rate}" for rate, names in rates.items())
    until = "" if total is None else f" for the {fraction_text(Fraction(left))} steps that are left"
    return Finding(
        "nothing-left",
        "warning",
        f"Nothing is left to decay from: at step {fraction_text(to_fraction(now))} {told}, and stays "
        f"so{until} under {str(policy)!r}.",
        "Build a new Scheduler with a plan for what is left, such as warmup(5) * cosine(), without loading "
        "this state; or resume with on_change='stretch', which follows the present plan from this step.",
    )
