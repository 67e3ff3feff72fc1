"""The schedules that are compared: those of the tutorials, each laid over the whole run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etude.errors import SpecError
from etude.levels import BASE
from etude.names import nearest
from etude.schedules import (
    Constant,
    Plateau,
    Rate,
    cosine,
    cyclic,
    cyclic_cosine_decay,
    exponential,
    linear,
    one_cycle,
    sgdr,
    step,
    time_decay,
    wsd,
)
from etude.schedules.algebra import to_rate

__all__ = ["FIXED", "TUTORIALS", "Arm", "choose_arms"]

FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Arm:
    """One schedule under comparison, and its name in tables."""

    label: str
    schedule: Rate


TUTORIALS = (
    Arm(FIXED, Constant()),
    Arm("time", time_decay(9.0, per="100%")),
    Arm("exponential", exponential(0.01, per="100%")),
    Arm("step", step("30%", 0.3)),
    Arm("plateau", Constant(BASE) * Plateau("validation_loss", factor=0.3, patience=2)),
    Arm("cosine", cosine()),
    Arm("sgdr", sgdr("100/7%", stretch=2)),
    Arm(
        "cyclic cosine decay",
        cyclic_cosine_decay("50%", 0.001 * BASE, "20%", warmup_epochs="10%", warmup_start_lr=0.02 * BASE),
    ),
    Arm("triangular", cyclic("50/3%", low=BASE / 6)),
    Arm("triangular2", cyclic("50/3%", low=BASE / 6, mode="triangular2")),
    Arm("exp_range", cyclic("50/3%", low=BASE / 6, mode="exp_range", gamma=0.05, per="100%")),
    Arm("one-cycle", one_cycle()),
    Arm("wsd", wsd(warmup="5%", cooldown="20%", ease="one_minus_sqrt")),
    Arm("linear to zero", linear(warmup="5%")),
)
"""The tutorials' schedules as multiples of the peak, in shares of the run, so that each run is ended."""


def choose_arms(only: Iterable[str] = (), added: Iterable[Rate] = ()) -> tuple[Arm, ...]:
    """Return the schedules to compare; the fixed rate is always among them.

    Args:
        only: labels of the tutorials' schedules to keep; all, where none is named.
        added: schedules of the user's own, labelled by their expression; those that are kept already are not
            added.

    Raises:
        SpecError: for a label that there is not, naming the nearest.
        ScheduleError: for a factor.
    """
    only = list(only)
    labels = [arm.label for arm in TUTORIALS]
    for label in only:
        if label not in labels:
            raise SpecError(
                f"there is no schedule labelled {label!r} to compare; there are {', '.join(labels)}, and an "
                f"expression of your own goes into -s{nearest(label, labels)}"
            )
    kept = [arm for arm in TUTORIALS if not only or arm.label in (*only, FIXED)]
    there = {arm.schedule for arm in kept}
    rates = dict.fromkeys(to_rate(schedule, "a schedule to compare") for schedule in added)
    own = [Arm(repr(rate), rate) for rate in rates if rate not in there]
    return (*kept, *own)
