"""Warmups: from a low rate to the peak, as a part before a schedule or as a factor on it."""

from __future__ import annotations

from fractions import Fraction

from etude.durations import STEP, Duration, DurationLike, to_fraction
from etude.errors import ScheduleError
from etude.levels import Level, LevelLike
from etude.schedules.algebra import Schedule
from etude.schedules.factors import ExponentialWarmup
from etude.schedules.recipes.arguments import Arguments
from etude.schedules.shapes import Linear, Shape

__all__ = ["rise", "untuned_exponential_warmup", "untuned_linear_warmup", "warmup"]


def rise(peak: Level, over: Duration, shape: type[Shape] = Linear) -> Schedule:
    """A way up to the peak on which no update has the rate 0: (t + 1) / (over + 1) of the way."""
    # Where it starts is not known before the horizon: so it is the way from 0, entered at its second step.
    way = shape(0.0, peak, over=over + STEP).shift(-1)
    # The step that is added must not hide that a difference of lengths comes out below 0.
    return way.until(over) if any(amount < 0 for _, amount in over.terms) else way


def warmup(over: DurationLike, start: LevelLike | None = None, *, ease: str = "linear") -> Schedule:
    """A factor that rises to 1, to be multiplied onto a schedule: ``cosine() * warmup("5ep")``.

    f(t) = start + (1 - start) · e(t / over) before ``over``, then 1; without a start,
    f(t) = e((t + 1) / (over + 1)), so that no update has the rate 0

    Args:
        over: how long.
        start: the first factor, a plain number ≥ 0.
        ease: of the way up: ``"linear"``, ``"cosine"``, ``"one_minus_square"`` (quadratic) or another.

    >>> (fixed(0.5) * warmup(3)).on(Horizon(total=5))(range(5))
    array([0.125, 0.25 , 0.375, 0.5  , 0.5  ])

    Elsewhere: pytorch-warmup ``LinearWarmup`` (``warmup(over - 1)``), Ignite
    ``create_lr_scheduler_with_warmup``, Composer's ``...WithWarmup`` (``start=0``: a wasted update), torch
    ``LinearLR``.

    Source: Goyal et al., 2017.
    """
    check = Arguments("warmup")
    shape = check.shape("ease", ease)
    length = check.length("over", over)
    if start is None:
        return rise(Level(0.0, 1.0), length, shape)
    return shape(check.number("start", start, least=0), 1.0, over=length)


def untuned_linear_warmup(beta2: float) -> Schedule:
    """The linear warmup as long as Adam's second moment remembers, as a factor.

    f(t) = min(1, (t + 1) (1 - beta2) / 2)

    Args:
        beta2: Adam's second beta, in (0, 1).

    >>> untuned_linear_warmup(0.75).on(Horizon(total=9))([0, 3, 7, 8])
    array([0.125, 0.5  , 1.   , 1.   ])

    Elsewhere: pytorch-warmup ``UntunedLinearWarmup``, whose length 2 / (1 - beta2) comes out one short for
    0.999 (1999 steps) and 0.99.

    Source: Ma and Yarats, 2021 (arXiv 1910.04209).
    """
    length = 2 / _forgotten(beta2, "untuned_linear_warmup")
    return Linear(0.0, 1.0, over=Duration.of({"st": length})).shift(-1)


def untuned_exponential_warmup(beta2: float) -> Schedule:
    """The exponential warmup as long as Adam's second moment remembers, as a factor.

    f(t) = 1 - e^(-(t + 1) (1 - beta2))

    Args:
        beta2: Adam's second beta, in (0, 1).

    >>> untuned_exponential_warmup(0.75)
    ExponentialWarmup(4)

    Elsewhere: pytorch-warmup ``UntunedExponentialWarmup``, whose length 1 / (1 - beta2) comes out one short
    for 0.999 (999 steps) and 0.99.

    Source: Ma and Yarats, 2021 (arXiv 1910.04209).
    """
    length = 1 / _forgotten(beta2, "untuned_exponential_warmup")
    return ExponentialWarmup(Duration.of({"st": length}))


def _forgotten(beta2: float, recipe: str) -> Fraction:
    """1 - beta2, of the number as written: 1/1000 for 0.999, where a float is a little less."""
    check = Arguments(recipe)
    exact = to_fraction(check.number("beta2", beta2, above=0))
    if exact >= 1:
        raise ScheduleError(f"{check.named('beta2')} must be less than 1; got {beta2!r}")
    return 1 - exact
