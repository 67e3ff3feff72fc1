"""timm's schedulers as Etude's schedules, read from their attributes; timm itself is not imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from etude.errors import ScheduleError
from etude.levels import BASE, Level
from etude.schedules import Constant, Cosine, Linear, Plateau, PlateauState, Polynomial, Rate, Steps
from etude.schedules.shapes import Shape, Tanh
from etude.torch.groups import base_of, scale_of

__all__ = ["TIMM", "plateau_state"]


def _cosine(scheduler: Any) -> Rate:
    keywords = _k_decay(scheduler)
    return _warmed(
        scheduler, _cycles(scheduler, lambda start, stop, over: Cosine(start, stop, over=over, **keywords))
    )


def _poly(scheduler: Any) -> Rate:
    keywords = _k_decay(scheduler) | {"power": scheduler.power}
    return _warmed(
        scheduler,
        _cycles(scheduler, lambda start, stop, over: Polynomial(start, stop, over=over, **keywords)),
    )


def _k_decay(scheduler: Any) -> dict[str, Any]:
    return {} if scheduler.k_decay == 1 else {"k": scheduler.k_decay}


def _tanh(scheduler: Any) -> Rate:
    # timm's curve does not begin at the base rate nor end at the floor, but a little way in between.
    first, last = ((1 - math.tanh(bound)) / 2 for bound in (scheduler.lb, scheduler.ub))

    def shape(start: Level, stop: Level, over: Fraction) -> Tanh:
        begin, end = (start * share + stop * (1 - share) for share in (first, last))
        return Tanh(begin, end, over=over, lower=scheduler.lb, upper=scheduler.ub)

    cycles = _cycles(scheduler, shape) >> Constant(scheduler.lr_min)
    if scheduler.warmup_t and not scheduler.warmup_prefix:
        raise ScheduleError(
            "TanhLRScheduler(warmup_prefix=False) warms up to where the curve will be, which is no multiple "
            "of the base rate; write it as a schedule: Linear(start, stop, over=warmup_t) >> Tanh(...)"
        )
    return _warmed(scheduler, cycles)


def _step(scheduler: Any) -> Rate:
    return _warmed(scheduler, Steps(scheduler.decay_t, scheduler.decay_rate))


def _multistep(scheduler: Any) -> Rate:
    # timm drops one step before the milestone.
    drops = [max(milestone - 1, 0) for milestone in scheduler.decay_t]
    return _warmed(scheduler, Steps(gamma=scheduler.decay_rate, at=drops) if drops else Constant(BASE))


def _plateau(scheduler: Any) -> Rate:
    inner = scheduler.lr_scheduler
    factor = Plateau(
        "metric",
        factor=inner.factor,
        patience=inner.patience,
        mode=inner.mode,
        threshold=inner.threshold,
        threshold_mode=inner.threshold_mode,
        cooldown=inner.cooldown,
    )
    if any(inner.min_lrs):
        raise ScheduleError(
            "PlateauLRScheduler(lr_min=) is a rate, where Plateau(minimum=) is a share of the schedule: "
            "write plan * Plateau('metric', minimum=...)"
        )
    warmup = (
        Linear(scheduler.warmup_lr_init, BASE, over=scheduler.warmup_t)
        if scheduler.warmup_t
        else Constant(BASE)
    )
    return warmup * factor


def plateau_state(scheduler: Any, clock: float) -> PlateauState:
    """Return what PlateauLRScheduler remembers at an epoch."""
    inner, group = scheduler.lr_scheduler, scheduler.optimizer.param_groups[0]
    factor, base = 1.0, base_of(group, "lr") * scale_of(group, "lr")
    if clock > scheduler.warmup_t and base:  # before, its rate is the warmup's
        factor = min(float(group["lr"]) / base, 1.0)
    best = float(inner.best)
    return PlateauState(
        factor=factor,
        best=best if math.isfinite(best) else None,
        bad=inner.num_bad_epochs,
        resting=inner.cooldown_counter,
    )


def _cycles(scheduler: Any, shape: Callable[[Level, Level, Fraction], Shape]) -> Rate:
    """So many cycles, each with its length and its peak a factor of the last one's; then the floor."""
    length, floor = Fraction(scheduler.t_initial), Level(0.0, float(scheduler.lr_min))
    if scheduler.cycle_limit < 1:
        return Constant(floor)
    once = shape(BASE, floor, length)
    if scheduler.cycle_limit == 1:
        return once
    times, stretch, gain = scheduler.cycle_limit, scheduler.cycle_mul, scheduler.cycle_decay
    if gain == 1 or not scheduler.lr_min:
        return once.repeat(times, stretch=stretch, gain=gain)
    # The peaks shrink and the floor stays: only what falls from the peak is scaled.
    zero = Level(0.0, 0.0)
    falling = shape(BASE, zero, length).repeat(times, stretch=stretch, gain=gain)
    return falling + shape(zero, floor, length).repeat(times, stretch=stretch)


def _warmed(scheduler: Any, plan: Rate) -> Rate:
    """After the warmup; without a prefix, the plan has gone on during it."""
    if not scheduler.warmup_t:
        return plan
    warmup = Linear(scheduler.warmup_lr_init, BASE, over=scheduler.warmup_t)
    return warmup >> (plan if scheduler.warmup_prefix else plan.shift(-scheduler.warmup_t))


TIMM: dict[str, Callable[[Any], Rate]] = {
    "CosineLRScheduler": _cosine,
    "PolyLRScheduler": _poly,
    "TanhLRScheduler": _tanh,
    "StepLRScheduler": _step,
    "MultiStepLRScheduler": _multistep,
    "PlateauLRScheduler": _plateau,
}
"""By the name of timm's class."""
