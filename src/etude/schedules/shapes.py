"""Shapes: from one level to another, over a duration, along an ease.

With p the share of ``over`` that has passed and e the ease of p,

    lr(t) = start · (1 - e(p)) + stop · e(p)      0 ≤ t < over
    lr(t) = stop                                  t ≥ over

Each shape covers [0, over): what follows it owns the step ``over``. All of them take

    start: the level at t = 0; BASE where it is not given.
    stop: the level at t = over; 0 where it is not given.
    over: how long, a Duration (``"5ep"``, ``"30%"``, 1000); 0 is ``stop`` at once.
    inclusive: whether ``stop`` is reached on the shape's own last step, over - 1, instead.
    after: past the end, ``"hold"`` the last value, ``"raise"`` a ScheduleError (beyond the step ``over``,
        which a loop that steps after its last update still asks for), or ``"repeat"`` from the start.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from typing import ClassVar, Literal, TypeAlias

from etude import eases
from etude.durations import Duration, DurationLike, Horizon
from etude.eases import Array
from etude.errors import HorizonError, ScheduleError
from etude.levels import BASE, Level, LevelLike, to_level
from etude.schedules import bounds
from etude.schedules.algebra import Extent, Schedule
from etude.timeline import Chain, Clock, Cycles, Node, Ramp

__all__ = ["Cosine", "Geometric", "Linear", "OneMinusSqrt", "Points", "Polynomial", "Rex", "Shape"]

After: TypeAlias = Literal["hold", "raise", "repeat"]


@dataclass(frozen=True, repr=False)
class Shape(Schedule):
    """What the shapes share; see the module's text."""

    _spelled: ClassVar[int] = 2
    _geometric: ClassVar[bool] = False

    start: LevelLike = BASE
    stop: LevelLike = Level(0.0, 0.0)  # noqa: RUF009 - a Level is frozen
    _: KW_ONLY
    over: DurationLike
    inclusive: bool = False
    after: After = "hold"

    def __post_init__(self) -> None:
        self._set(
            start=to_level(self.start, self._named("start")),
            stop=to_level(self.stop, self._named("stop")),
            over=bounds.length(self.over, self._named("over")),
            inclusive=bounds.flag(self.inclusive, self._named("inclusive")),
            after=bounds.choice(self.after, self._named("after"), ("hold", "raise", "repeat")),
        )

    @abstractmethod
    def ease(self, p: Array) -> Array:
        """The share of the way from ``start`` to ``stop`` gone after the share p of ``over``."""

    @property
    def extent(self) -> Extent:
        return "endless" if self.after == "repeat" else "finite"

    def length(self, horizon: Horizon) -> Fraction | None:
        return None if self.after == "repeat" else horizon.steps(self.over, self._named("over"))

    def resolve(self, clock: Clock) -> Node:
        length = clock.steps(self.over, self._named("over"))
        if self.after != "repeat":
            return self._ramp(clock)
        if not length:
            raise HorizonError(f"{self!r} has no length on this horizon, so it cannot repeat")
        return Cycles(self._ramp, clock, length, None, 1.0)

    def _ramp(self, clock: Clock) -> Ramp:
        return Ramp(
            type(self).__name__.lower(),
            clock.origin,
            clock.at(clock.steps(self.over, self._named("over"))),
            to_level(self.start, self._named("start")),
            to_level(self.stop, self._named("stop")),
            self.ease,
            geometric=self._geometric,
            last_step=clock.scale if self.inclusive else Fraction(0),
            raises=self.after == "raise",
        )


@dataclass(frozen=True, repr=False)
class Linear(Shape):
    """A straight line.

    e(p) = p

    >>> Linear(0.1, 0.5, over=4).on(Horizon(total=6))(range(6))
    array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])

    Source: Goyal et al., 2017, for the warmup; torch's ``LinearLR``.
    """

    def ease(self, p: Array) -> Array:
        return eases.linear(p)


@dataclass(frozen=True, repr=False)
class Cosine(Shape):
    """A half cosine, flat at both ends.

    e(p) = (1 - cos πp) / 2

    >>> Cosine(1.0, 0.0, over=4).on(Horizon(total=4))([0, 1, 2, 3]).round(4)
    array([1.    , 0.8536, 0.5   , 0.1464])

    Source: SGDR (Loshchilov and Hutter, 2017); torch's ``CosineAnnealingLR`` up to its T_max.
    """

    def ease(self, p: Array) -> Array:
        return eases.cosine(p)


@dataclass(frozen=True, repr=False)
class Geometric(Shape):
    """The same factor at every step: a straight line in log rate; both levels must be above 0.

    lr(t) = start^(1 - p) · stop^p

    >>> Geometric(1.0, 0.01, over=4).on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.3162, 0.1   , 0.0316, 0.01  ])

    Source: the ramp of the range test; Ignite's and fvcore's exponential between two values.
    """

    _geometric: ClassVar[bool] = True

    def ease(self, p: Array) -> Array:
        return eases.linear(p)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, level in (("start", self.start), ("stop", self.stop)):
            if level == Level(0.0, 0.0):
                raise ScheduleError(
                    f"{self._named(name)} must be more than 0, for no factor leads to 0 or from it; "
                    f"use Linear or Cosine, or a small level such as 0.001 * BASE"
                )


@dataclass(frozen=True, repr=False)
class Polynomial(Shape):
    """A power of what is left.

    e(p) = 1 - (1 - p)^power, so that a decay to 0 is start · (1 - p)^power

    Args:
        power: > 0; 1 is the straight line, 2 falls fast at first.

    >>> Polynomial(1.0, 0.0, over=4, power=2).on(Horizon(total=5))(range(5))
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])

    Source: torch's ``PolynomialLR``; DeepLab's "poly" policy.
    """

    power: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(power=bounds.number(self.power, self._named("power"), above=0))

    def ease(self, p: Array) -> Array:
        return 1 - (1 - p) ** self.power


@dataclass(frozen=True, repr=False)
class OneMinusSqrt(Shape):
    """Steep at first, then ever flatter: a decay to 0 is start · (1 - √p).

    e(p) = √p

    >>> OneMinusSqrt(1.0, 0.0, over=4).on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.5   , 0.2929, 0.134 , 0.    ])

    Source: Hägele et al., 2024, as the cooldown of warmup-stable-decay.
    """

    def ease(self, p: Array) -> Array:
        return eases.one_minus_sqrt(p)


@dataclass(frozen=True, repr=False)
class Rex(Shape):
    """Slow at first, steep at the end: a decay to 0 is start · (1 - p) / (1 - p/2).

    e(p) = p / (2 - p)

    >>> Rex(1.0, 0.0, over=4).on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.8571, 0.6667, 0.4   , 0.    ])

    Source: REX (Chen et al., 2021).
    """

    def ease(self, p: Array) -> Array:
        return eases.rex(p)


@dataclass(frozen=True, repr=False)
class Points(Schedule):
    """Levels at given times, with straight lines in between; the first and last are held outside.

    lr(t) = a · (1 - p) + b · p between the points (t₀, a) and (t₁, b), with p = (t - t₀) / (t₁ - t₀)

    Args:
        points: (when, level) pairs, at least one, at rising times; two at the same time are a jump.

    >>> Points([(0, 0.1), (2, 0.5), (4, 0.0)]).on(Horizon(total=6))(range(6))
    array([0.1 , 0.3 , 0.5 , 0.25, 0.  , 0.  ])

    Source: Ignite's ``PiecewiseLinear``, optax's ``piecewise_interpolate_schedule``.
    """

    points: Sequence[tuple[DurationLike, LevelLike]]

    def __post_init__(self) -> None:
        name = self._named("points")
        if not isinstance(self.points, Sequence) or isinstance(self.points, str) or not self.points:
            raise ScheduleError(f"{name} must be a list of (when, level) pairs; got {self.points!r}")
        for point in self.points:
            if not isinstance(point, Sequence) or isinstance(point, str) or len(point) != 2:
                raise ScheduleError(f"{name} must hold (when, level) pairs; got {point!r}")
        self._set(
            points=tuple((bounds.length(when, name), to_level(level, name)) for when, level in self.points)
        )

    @property
    def depends_on_base(self) -> bool:
        return any(to_level(level, "level").is_relative for _, level in self.points)

    @property
    def extent(self) -> Extent:
        return "finite"

    def _times(self, horizon: Horizon) -> list[Fraction]:
        times = [horizon.steps(when, self._named("points")) for when, _ in self.points]
        if times != sorted(times):
            raise HorizonError(
                f"{self._named('points')} must come at rising times; on this horizon they are at "
                f"{', '.join(str(Duration.of({'st': time})) for time in times)}"
            )
        return times

    def length(self, horizon: Horizon) -> Fraction:
        return self._times(horizon)[-1]

    def resolve(self, clock: Clock) -> Node:
        times = [clock.at(time) for time in self._times(clock.horizon)]
        levels = [to_level(level, self._named("points")) for _, level in self.points]
        # A last ramp without length holds the last level.
        stops = [*times[1:], times[-1]]
        ramps = [
            Ramp("points", start, stop, first, last, eases.linear)
            for start, stop, first, last in zip(times, stops, levels, [*levels[1:], levels[-1]], strict=True)
        ]
        kept = [ramp for ramp in ramps[:-1] if ramp.start < ramp.stop] + ramps[-1:]
        return Chain([ramp.start for ramp in kept], kept)
