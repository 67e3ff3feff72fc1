"""Factors: what changes a rate by a share, to be multiplied onto it: ``cosine() * Noise(7, 0.1)``.

All of them take

    over: where given, it lasts that long and its last value is held after it; else it is endless.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from etude.durations import STEP, DurationLike
from etude.eases import Array
from etude.errors import ScheduleError
from etude.levels import Level
from etude.schedules import bounds
from etude.schedules.algebra import Factor
from etude.schedules.laws import Function, Lasting
from etude.timeline import Clock, Cut, Node, Numbered

__all__ = ["ExponentialWarmup", "Noise", "RAdamWarmup"]

ONE = Level(0.0, 1.0)
FARTHEST = 8.5


@dataclass(frozen=True, repr=False)
class Share(Lasting["Factor"], Factor):
    """What these share."""

    over: DurationLike | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.over is not None:
            self._set(over=bounds.length(self.over, self._named("over")))

    @property
    def level(self) -> Level:
        return ONE


@dataclass(frozen=True, repr=False)
class ExponentialWarmup(Function["Factor"], Share):
    """A warmup that comes ever nearer to 1 and never reaches it.

    f(t) = 1 - e^(-(t + 1) / timescale)

    Args:
        timescale: a Duration, > 0; after it, 63 % is reached.

    >>> ExponentialWarmup(2).on(Horizon(total=4))(range(4)).round(4)
    array([0.3935, 0.6321, 0.7769, 0.8647])

    Elsewhere: pytorch-warmup ``ExponentialWarmup``.

    Source: Ma and Yarats, 2021 (arXiv 1910.04209).
    """

    timescale: DurationLike

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(timescale=bounds.length(self.timescale, self._named("timescale"), positive=True))

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        timescale = self._unit(clock, self.timescale, "timescale")
        return lambda t: -np.expm1(-(t + 1) / timescale)

    @property
    def decay_power(self) -> float:
        return 0.0


@dataclass(frozen=True, repr=False)
class RAdamWarmup(Function["Factor"], Share):
    """The warmup that rectified Adam derives from its second moment's decay.

    With ρ∞ = 2 / (1 - beta2) - 1, ρ(k) = ρ∞ - 2k beta2^k / (1 - beta2^k) and k = t + δ,

    f(t) = √((ρ(k) - 4) (ρ(k) - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ(k)))

    where δ is the first k with ρ(k) > 4 (5 for the usual values).

    Args:
        beta2: Adam's second beta, more than 0.6 and less than 1.

    >>> RAdamWarmup(0.9).on(Horizon(total=40))([0, 10, 30]).round(4)
    array([0.1561, 0.665 , 0.9324])

    Elsewhere: pytorch-warmup ``RAdamWarmup``; torch ``RAdam``, inside the optimizer.

    Source: RAdam (Liu et al., 2020); Ma and Yarats, 2021.
    """

    beta2: float

    def __post_init__(self) -> None:
        super().__post_init__()
        beta2 = bounds.number(self.beta2, self._named("beta2"), above=0.6)
        if beta2 >= 1:
            raise ScheduleError(f"{self._named('beta2')} must be less than 1; got {self.beta2!r}")
        self._set(beta2=beta2)

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        limit = 2 / (1 - self.beta2) - 1
        offset = next(k for k in itertools.count(1) if self._rho(np.array(float(k))) > 4)
        scale = limit / ((limit - 4) * (limit - 2))

        def share(t: Array) -> Array:
            rho = self._rho(t + offset)
            return np.sqrt((rho - 4) * (rho - 2) / rho * scale)

        return share

    def _rho(self, k: Array) -> Array:
        # beta2^k / (1 - beta2^k), without the difference of two numbers that are nearly the same.
        return 2 / (1 - self.beta2) - 1 - 2 * k / np.expm1(-k * math.log(self.beta2))

    @property
    def decay_power(self) -> float:
        return 0.0


@dataclass(frozen=True, repr=False)
class Noise(Share):
    """Noise around 1: a pure function of the seed and the step, the same on every machine and in any order.

    f(t) = 1 + n, with n drawn anew in each ``every``: uniform in (-amount, amount), or normal with the
    deviation ``std`` and drawn again until it lies there

    Args:
        seed: which noise, a whole number ≥ 0.
        amount: the most that it changes, a share in (0, 1].
        distribution: ``"uniform"`` or ``"normal"``.
        std: of the normal one, > 0; half of ``amount`` where it is not given.
        every: how long each draw holds, a Duration > 0.

    >>> Noise(7, 0.1).on(Horizon(total=4))(range(4)).round(4)
    array([1.0759, 0.9049, 0.9298, 1.0732])

    Elsewhere: timm's schedulers (``noise_range_t``, ``noise_pct``), with torch's generator.

    Source: timm.
    """

    seed: int
    amount: float
    _: KW_ONLY
    distribution: Literal["uniform", "normal"] = "uniform"
    std: float | None = None
    every: DurationLike = STEP

    def __post_init__(self) -> None:
        super().__post_init__()
        amount = bounds.number(self.amount, self._named("amount"), above=0)
        if amount > 1:
            raise ScheduleError(f"{self._named('amount')} must be at most 1; got {self.amount!r}")
        choices = ("uniform", "normal")
        self._set(
            seed=bounds.whole(self.seed, self._named("seed"), least=0),
            amount=amount,
            distribution=bounds.choice(self.distribution, self._named("distribution"), choices),
            every=bounds.length(self.every, self._named("every"), positive=True),
        )
        if self.std is not None:
            if self.distribution != "normal":
                raise ScheduleError(
                    f"{self._named('std')} belongs to distribution='normal'; got std={self.std!r}, "
                    f"distribution={self.distribution!r}"
                )
            self._set(std=bounds.number(self.std, self._named("std"), above=0))

    def resolve(self, clock: Clock) -> Node:
        self._unit(clock, self.every, "every")
        every = clock.steps(self.every, self._named("every"))
        length = self.length(clock)
        # In turns, so that a draw begins exactly where it should, however it is stretched and shifted.
        draws = Numbered("noise", clock, every, self.level, self._value, 0.0)
        return draws if length is None else Cut(draws, clock.at(length))

    def _value(self, draw: Array, share: Array) -> Array:
        return 1 + (self._uniform(draw) if self.distribution == "uniform" else self._normal(draw))

    def _uniform(self, draw: Array) -> Array:
        return self.amount * (2 * _unit_interval(self.seed, draw, 0) - 1)

    def _normal(self, draw: Array) -> Array:
        std = self.amount / 2 if self.std is None else self.std
        # Nothing that 53 bits can draw lies farther out.
        reach = min(self.amount, FARTHEST * std)
        noise = np.empty(draw.shape)
        left = np.arange(draw.size)
        # Uniform ones, kept as often as the normal density says: a seventh of them or more. Only + and * make
        # the numbers, so that no machine's logarithm or cosine is in them.
        for attempt in itertools.count():
            index = draw.flat[left]
            drawn = reach * (2 * _unit_interval(self.seed, index, 2 * attempt) - 1)
            kept = _unit_interval(self.seed, index, 2 * attempt + 1) < np.exp(-((drawn / std) ** 2) / 2)
            noise.flat[left[kept]] = drawn[kept]
            left = left[~kept]
            if not left.size:
                break
        return noise


def _unit_interval(seed: int, index: Array, stream: int) -> Array:
    """Numbers in [0, 1) that depend on nothing else: the 53 upper bits of a hash of all three."""
    key = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64
    # By its bits, for it may be larger than a whole number of 64 bits.
    mixed = _mix(_mix(np.ascontiguousarray(index).view(np.uint64) + np.uint64(1)) ^ np.uint64(key))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64 (Steele, Lea and Flood, 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
