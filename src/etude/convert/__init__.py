"""A schedule written for others: as Python, JSON or YAML, or as code for torch, optax or transformers."""

from __future__ import annotations

from collections.abc import Callable

from etude.convert.optax_code import to_optax
from etude.convert.python_code import to_python
from etude.convert.torch_code import to_torch
from etude.convert.transformers_code import to_transformers
from etude.durations import Horizon
from etude.errors import HorizonError, ScheduleError
from etude.names import choice
from etude.schedules.algebra import Schedule, to_rate
from etude.spec import to_yaml

__all__ = ["ON_A_RUN", "TARGETS", "convert"]

AS_WRITTEN: dict[str, Callable[[Schedule], str]] = {
    "python": to_python,
    "json": Schedule.to_json,
    "yaml": to_yaml,
}
"""What keeps lengths as they are written."""

ON_A_RUN: dict[str, Callable[[Schedule, Horizon], str]] = {
    "torch": to_torch,
    "optax": to_optax,
    "transformers": to_transformers,
}
"""What counts in steps, so that it needs a horizon."""

TARGETS = (*AS_WRITTEN, *ON_A_RUN)


def convert(schedule: Schedule, to: str, horizon: Horizon | None = None) -> str:
    """Write a schedule for another program; what is written is equal to it at every step of the run.

    Args:
        schedule: what to write.
        to: ``"python"``, ``"json"``, ``"yaml"``, ``"torch"``, ``"optax"`` or ``"transformers"``.
        horizon: the run; for the last three only, which count in steps.

    Raises:
        ScheduleError: for another target, and where the target has no equal, naming the part.
        HorizonError: where a horizon is needed and missing, or given and not used.

    >>> print(convert(Cosine(over="90ep"), to="torch", horizon=Horizon(steps_per_epoch=10, total="90ep")))
    # Cosine(BASE, 0.0, over='90ep')
    # on Horizon(steps_per_epoch=10, total='90ep')
    from torch.optim import lr_scheduler
    <BLANKLINE>
    <BLANKLINE>
    def make_scheduler(optimizer):
        '''Call step() after each optimizer.step().'''
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=900, eta_min=0.0)
    <BLANKLINE>
    """
    if not isinstance(schedule, Schedule):
        raise ScheduleError(f"convert takes a schedule, such as etude.cosine(); got {schedule!r}")
    if to in AS_WRITTEN:
        if horizon is not None:
            raise HorizonError(
                f"to={to!r} keeps lengths as they are written and takes no horizon; leave it out"
            )
        return AS_WRITTEN[to](schedule)
    if to not in ON_A_RUN:
        choice(to, "convert(to=)", TARGETS)
    if horizon is None:
        raise HorizonError(f"to={to!r} counts in steps and needs the run: horizon=Horizon(total=...)")
    return ON_A_RUN[to](to_rate(schedule, f"the schedule for to={to!r}"), horizon)
