"""Whether a saved state belongs to a class, and what differs from what a scheduler was built with."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from torch import Tensor

from etude.errors import ResumeError
from etude.json_text import shortened
from etude.torch import state as own_states
from etude.torch.formulas import PARAMETERS

__all__ = ["check_class", "check_count", "check_values", "differences"]

EVERY = frozenset(name for names in PARAMETERS.values() for name in names)
# A rate that was a float32 tensor's and one that was a float's are the same to within a rounding.
TOLERANCE = 1e-6
# How often a milestone is shown that a state says to come any number of times.
MOST_TIMES = 9


def check_class(kind: str, state: Mapping[str, Any]) -> None:
    """Refuse what is not the state of this class.

    Raises:
        ResumeError: saying whose it is.
    """
    if not isinstance(state, Mapping):
        raise ResumeError(f"the state of {kind} is a dict; got {state!r}")
    if own_states.KEY in state:
        raise ResumeError(
            f"this is the state of an Etude Scheduler, not of {kind}; load it into a Scheduler with the same "
            f"schedules"
        )
    given, expected = set(state) & EVERY, set(PARAMETERS[kind])
    if given == expected:
        return
    others = [name for name, names in PARAMETERS.items() if set(names) == given]
    whose = f"the state of {' or '.join(others)}" if others else "no state of a scheduler of torch's"
    raise ResumeError(
        f"this is {whose}, not of {kind}:\n"
        f"    in the checkpoint: {', '.join(sorted(given)) or 'none of the parameters'}\n"
        f"    now:               {', '.join(sorted(expected))}\n"
        f"Build the scheduler as it was, or keep this one and seek(step) to where it should go on"
    )


def check_values(scheduler: object, state: Mapping[str, Any], numbers: Iterable[str]) -> None:
    """Refuse what would hide a method of a scheduler, and what a step counts with and is no number.

    Raises:
        ResumeError: naming it.
    """
    kind = type(scheduler).__name__
    for name, value in state.items():
        hides = isinstance(name, str) and callable(getattr(type(scheduler), name, None))
        if not isinstance(name, str) or (hides and not callable(value)):
            raise ResumeError(f"this state of {kind} is damaged: no state holds {shortened(name)}")
    for name in numbers:
        value = state.get(name, 0)
        if not isinstance(value, int | float) or sys.float_info.max < abs(value) < math.inf:
            raise ResumeError(
                f"this state of {kind} is damaged: its {name} must be a number; got {shortened(value)}"
            )


def check_count(kind: str, what: str, saved: Any, present: Any) -> None:
    """Refuse another number of parts."""
    if len(saved) != len(present):
        raise ResumeError(
            f"this checkpoint belongs to a {kind} of another structure:\n"
            f"    in the checkpoint: {len(saved)} {what}\n"
            f"    now:               {len(present)} {what}\n"
            f"Build the scheduler as it was, or keep this one and seek(step) to where it should go on"
        )


def differences(built: Mapping[str, Any], saved: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what differs, as ``name=value`` of what it was built with and of what was saved."""
    found = []
    for name, value in built.items():
        if name in saved and not _same(value, saved[name]):
            texts = _text(value), _text(saved[name])
            if texts[0] == texts[1]:  # what differs is not in the short text
                texts = repr(value), repr(saved[name])
            found.append((f"{name}={texts[0]}", f"{name}={texts[1]}"))
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, Real | Tensor) and isinstance(other, Real | Tensor):
        a, b = float(one), float(other)
        return math.isclose(a, b, rel_tol=TOLERANCE) or (math.isnan(a) and math.isnan(b))
    return bool(one == other)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        ends = [item["end_step"] for item in value if isinstance(item, Mapping) and "end_step" in item]
        return f"[{', '.join(map(_text, ends or value))}]"
    if isinstance(value, Mapping):  # milestones, with how often each comes
        few = {key: times if times in range(MOST_TIMES) else MOST_TIMES for key, times in value.items()}
        return f"[{', '.join(_text(key) for key, times in few.items() for _ in range(times))}]"
    return repr(float(value)) if isinstance(value, Tensor) else repr(value)
