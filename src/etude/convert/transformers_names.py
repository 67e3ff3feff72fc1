"""The schedules of transformers' ``get_scheduler``, by the names of the functions it hands to LambdaLR."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from etude.durations import DurationLike
from etude.levels import BASE
from etude.schedules.algebra import Constant, Rate
from etude.schedules.laws import InverseSqrt
from etude.schedules.shapes import Cosine, Linear, Polynomial, Ramp, Shape

__all__ = ["TRANSFORMERS"]


def _constant() -> Rate:
    return Constant(BASE)


def _constant_with_warmup(num_warmup_steps: int) -> Rate:
    return _warmed(num_warmup_steps, Constant(BASE))


def _linear(num_warmup_steps: int, num_training_steps: int) -> Rate:
    return _warmed(num_warmup_steps, Linear(BASE, 0.0, over=max(num_training_steps - num_warmup_steps, 0)))


def _cosine(
    num_warmup_steps: int, num_training_steps: int, num_cycles: float = 0.5, min_lr_rate: float = 0.0
) -> Rate:
    decay = _waves(max(1, num_training_steps - num_warmup_steps), num_cycles, min_lr_rate)
    return _warmed(num_warmup_steps, decay)


def _cosine_with_restarts(num_warmup_steps: int, num_training_steps: int, num_cycles: int = 1) -> Rate:
    length = max(num_training_steps - num_warmup_steps, 0)
    if not length:
        return _warmed(num_warmup_steps, Constant(0.0))
    return _warmed(num_warmup_steps, Cosine(BASE, 0.0, over=Fraction(length, num_cycles)).repeat(num_cycles))


def _polynomial(
    num_warmup_steps: int, num_training_steps: int, lr_end: float, power: float, lr_init: float
) -> Rate:
    stop = lr_end / lr_init * BASE
    return _warmed(
        num_warmup_steps, Polynomial(BASE, stop, over=num_training_steps - num_warmup_steps, power=power)
    )


def _inverse_sqrt(num_warmup_steps: int, timescale: int) -> Rate:
    return _warmed(num_warmup_steps, InverseSqrt(timescale))


def _cosine_warmup_with_min_lr(
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    min_lr_rate: float = 0.0,
    warmup_lr_rate: float | None = None,
) -> Rate:
    # The cosine is one step ahead: it has its first value on the last step of the warmup.
    decay = _waves(max(1, num_training_steps - num_warmup_steps), num_cycles, min_lr_rate)
    if not num_warmup_steps:
        return decay.shift(-1)
    if warmup_lr_rate is None:
        return Linear(0.0, BASE, over=num_warmup_steps).shift(-1) >> decay
    if num_warmup_steps == 1:
        return Constant(warmup_lr_rate * BASE, over=1) >> decay.shift(-1)
    return Linear(warmup_lr_rate * BASE, BASE, over=num_warmup_steps - 1) >> decay


def _warmup_stable_decay(
    num_warmup_steps: int,
    num_stable_steps: int,
    num_decay_steps: int,
    warmup_type: str,
    decay_type: str,
    min_lr_ratio: float,
    num_cycles: float,
) -> Rate:
    low = min_lr_ratio * BASE
    plan: Rate = Constant(BASE, over=num_stable_steps)
    if num_decay_steps:
        decays: dict[str, Callable[[], Rate]] = {
            "linear": lambda: Linear(BASE, low, over=num_decay_steps),
            "cosine": lambda: _waves(num_decay_steps, num_cycles, min_lr_ratio),
            "1-sqrt": lambda: Ramp(BASE, low, over=num_decay_steps, ease="one_minus_sqrt"),
        }
        plan = plan >> decays[decay_type]()
    if not num_decay_steps or (decay_type == "cosine" and num_cycles != 0.5):
        plan = plan >> Constant(low)
    if not num_warmup_steps:
        return plan
    warmups: dict[str, Shape] = {
        "linear": Linear(low, BASE, over=num_warmup_steps),
        "cosine": Cosine(low, BASE, over=num_warmup_steps),
        "1-sqrt": Polynomial(low, BASE, over=num_warmup_steps, power=0.5),
    }
    return warmups[warmup_type] >> plan


def _warmed(num_warmup_steps: DurationLike, plan: Rate) -> Rate:
    """The plan after a straight line from 0, where there is a warmup."""
    return plan if not num_warmup_steps else Linear(0.0, BASE, over=num_warmup_steps) >> plan


def _waves(length: int, num_cycles: float, floor: float) -> Rate:
    """A number of whole cosine waves, of which the plain decay is half a one."""
    low = floor * BASE
    if num_cycles == 0.5:
        return Cosine(BASE, low, over=length)
    half = Fraction(length) / (2 * Fraction(num_cycles))
    return (Cosine(BASE, low, over=half) >> Cosine(low, BASE, over=half)).repeat().until(length)


TRANSFORMERS: dict[str, Callable[..., Rate]] = {
    "_get_constant_lambda": _constant,
    "_get_constant_schedule_with_warmup_lr_lambda": _constant_with_warmup,
    "_get_linear_schedule_with_warmup_lr_lambda": _linear,
    "_get_cosine_schedule_with_warmup_lr_lambda": _cosine,
    "_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda": _cosine_with_restarts,
    "_get_polynomial_decay_schedule_with_warmup_lr_lambda": _polynomial,
    "_get_inverse_sqrt_schedule_lr_lambda": _inverse_sqrt,
    "_get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda": _cosine_warmup_with_min_lr,
    "_get_wsd_scheduler_lambda": _warmup_stable_decay,
}
"""The function's name in ``transformers.optimization`` → what it is, from its keyword arguments.

Past ``num_training_steps`` the last rate is held, where some of transformers' cosines climb again.
"""
