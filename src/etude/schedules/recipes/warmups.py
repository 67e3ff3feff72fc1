"""Warmups: from a low rate to the peak, as a part before a schedule or as a factor on it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import Literal

from etude.answers import answering
from etude.durations import STEP, Duration, DurationLike, to_duration, to_fraction
from etude.eases import EASES
from etude.errors import ScheduleError
from etude.levels import Level
from etude.schedules import bounds
from etude.schedules.algebra import Constant, Extent, Factor, Rate
from etude.schedules.factors import ExponentialWarmup
from etude.schedules.recipes.arguments import Arguments, along
from etude.schedules.shapes import Linear
from etude.timeline import Clock, Delayed, Node, Ramp

__all__ = ["untuned_warmup", "warmed", "warmup"]


def warmed(peak: Level, length: Duration, plan: Rate) -> Rate:
    """The plan after a way up to the peak on which no update has the rate 0: (t + 1) / (length + 1) of it."""
    if length.is_zero:
        return plan
    # Where it starts is not known before the horizon: so it is the way from 0, entered at its second step.
    way = Linear(0.0, peak, over=length + STEP).shift(-1)
    # The step that is added must hide neither that a difference of lengths comes out below 0, nor where the
    # rest of the run is counted from.
    exact = all(amount > 0 and unit != "rest" for unit, amount in length.terms)
    return (way if exact else Constant(peak) * warmup(length)) >> plan


@dataclass(frozen=True, repr=False)
class warmup(Factor):  # noqa: N801 - read as the recipes are, beside which it stands: warmup("5ep") * cosine()
    """A factor that rises to 1: ``warmup("5ep") * cosine()``.

    f(t) = start + (1 - start) · e(t / over) before ``over``, then 1; without a start,
    f(t) = e((t + 1) / (over + 1)), so that no update has the rate 0

    Args:
        over: how long.
        start: the first factor, a number ≥ 0.
        ease: of the way up: ``"linear"``, ``"cosine"``, ``"one_minus_square"`` (quadratic) or another.

    >>> (warmup(3) * 0.5).on(Horizon(total=5))(range(5))
    array([0.125, 0.25 , 0.375, 0.5  , 0.5  ])

    Elsewhere: pytorch-warmup ``LinearWarmup`` (``warmup(over - 1)``), Ignite
    ``create_lr_scheduler_with_warmup``, Composer's ``...WithWarmup`` (``start=0``: a wasted update), torch
    ``LinearLR``; pytorch-warmup ``UntunedLinearWarmup`` and ``UntunedExponentialWarmup`` are
    ``untuned_warmup``.

    Source: Goyal et al., 2017.
    """

    over: DurationLike
    _: KW_ONLY
    start: float | None = None
    ease: str = "linear"

    def __post_init__(self) -> None:
        self._set(
            over=bounds.length(self.over, self._named("over")),
            ease=bounds.choice(self.ease, self._named("ease"), EASES),
        )
        if self.start is not None:
            self._set(start=bounds.number(self.start, self._named("start"), least=0))

    @property
    def in_a_rate(self) -> str:
        if self != warmup(self.over):
            return super().in_a_rate
        return f"{self!r} * cosine(), or cosine(warmup={self.over!r})"

    @property
    def extent(self) -> Extent:
        return "finite"

    def length(self, clock: Clock) -> Fraction:
        return clock.steps(self.over, self._named("over"))

    def resolve(self, clock: Clock) -> Node:
        # Without a start it is the way from 0, entered at its second step.
        low, start = (0.0, Fraction(-1)) if self.start is None else (self.start, Fraction(0))
        begins, ends = clock.at(start), clock.at(self.length(clock))
        way = Ramp("warmup", begins, ends, Level(0.0, low), Level(0.0, 1.0), EASES[self.ease])
        return Delayed(way, clock.origin) if begins < clock.origin > 0 else way

    def as_rate(self) -> Rate:
        """The same values in pieces."""
        way, over = along(self.ease), to_duration(self.over)
        if self.start is not None:
            return way(self.start, 1.0, over=over)
        return way(0.0, 1.0, over=over + STEP).shift(-1)


@answering()
def untuned_warmup(beta2: float, *, ease: Literal["linear", "exponential"] = "linear") -> Factor:
    """A warmup as long as Adam's second moment remembers, as a factor.

    f(t) = min(1, (t + 1) (1 - beta2) / 2), or with ``ease="exponential"`` 1 - e^(-(t + 1) (1 - beta2))

    Args:
        beta2: Adam's second beta, in (0, 1).
        ease: ``"linear"`` or ``"exponential"``.

    >>> untuned_warmup(0.75), untuned_warmup(0.75, ease="exponential")
    (warmup(7), ExponentialWarmup(4))

    Elsewhere: pytorch-warmup ``UntunedLinearWarmup`` and ``UntunedExponentialWarmup``, whose lengths
    2 / (1 - beta2) and 1 / (1 - beta2) come out one short for 0.999 (1999 and 999 steps) and 0.99.

    Source: Ma and Yarats, 2021 (arXiv 1910.04209).
    """
    check = Arguments("untuned_warmup")
    # Of the number as written: 1 - beta2 is 1/1000 for 0.999, where a float is a little less.
    exact = to_fraction(check.number("beta2", beta2, above=0))
    if exact >= 1:
        raise ScheduleError(f"{check.named('beta2')} must be less than 1; got {beta2!r}")
    bounds.choice(ease, check.named("ease"), ("linear", "exponential"))
    remembered = Duration.of({"st": 1 / (1 - exact)})
    return ExponentialWarmup(remembered) if ease == "exponential" else warmup(remembered * 2 - STEP)
