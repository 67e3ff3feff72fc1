"""Shapes: from one level to another, over a duration, along an ease.

With p the share of ``over`` that has passed and e the ease of p,

    lr(t) = start · (1 - e(p)) + stop · e(p)      0 ≤ t < over
    lr(t) = stop                                  t ≥ over

Each shape covers [0, over): what follows it owns the step ``over``. All of them take

    start: the level at t = 0; BASE where it is not given.
    stop: the level at t = over; 0 where it is not given.
    over: how long, a Duration (``"5ep"``, ``"30%"``, 1000); not given, the ``"rest"`` of the run; 0 is
        ``stop`` at once.
    inclusive: whether ``stop`` is reached on the shape's own last step, over - 1, instead.
    after: past the end, ``"hold"`` the last value, ``"raise"`` a ScheduleError (beyond the step ``over``,
        which a loop that steps after its last update still asks for), or ``"repeat"`` from the start.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from etude import eases, timeline
from etude.durations import REST, Duration, DurationLike, to_duration
from etude.eases import Array
from etude.errors import HorizonError, ScheduleError
from etude.levels import BASE, Level, LevelLike, to_level
from etude.schedules import bounds
from etude.schedules.algebra import Extent, Rate
from etude.timeline import Chain, Clock, Cycles, Node

__all__ = [
    "Cosine",
    "Geometric",
    "Hyperbolic",
    "Linear",
    "Points",
    "Polynomial",
    "Ramp",
    "Rex",
    "Shape",
    "Tanh",
]

OWN_SHAPES = {"linear": "Linear", "cosine": "Cosine", "rex": "Rex"}
After: TypeAlias = Literal["hold", "raise", "repeat"]


@dataclass(frozen=True, repr=False)
class Shape(Rate):
    """What the shapes share; see the module's text."""

    _spelled: ClassVar[int] = 2

    start: LevelLike = BASE
    stop: LevelLike = Level(0.0, 0.0)  # noqa: RUF009 - a Level is frozen
    _: KW_ONLY
    over: DurationLike = REST
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
        self._check_cycle("over", self.over)
        for name, level in (("start", self.start), ("stop", self.stop)):
            if self.in_log_rate and level == Level(0.0, 0.0):
                raise ScheduleError(
                    f"{self._named(name)} must be more than 0, for no factor leads to 0 or from it; "
                    f"use Linear or Cosine, or a small level such as 0.001 * BASE"
                )

    def _check_cycle(self, field: str, length: DurationLike) -> None:
        if self.after == "repeat" and to_duration(length).rests:
            raise ScheduleError(
                f"{self._named(field)} must be a length of its own with after='repeat', for the rest of the "
                f"run is less in each cycle; got {str(length)!r}: write {field}='10ep'"
            )

    @property
    def name(self) -> str:
        """What its phase is called."""
        return type(self).__name__.lower()

    @property
    def in_log_rate(self) -> bool:
        """Whether the way is between the logarithms of the levels."""
        return False

    @abstractmethod
    def along(self, p: Array) -> Array:
        """The share of the way from ``start`` to ``stop`` gone after the share p of ``over``."""

    @property
    def extent(self) -> Extent:
        return "endless" if self.after == "repeat" else "finite"

    def length(self, clock: Clock) -> Fraction | None:
        return None if self.after == "repeat" else clock.steps(self.over, self._named("over"))

    def resolve(self, clock: Clock) -> Node:
        length = clock.steps(self.over, self._named("over"))
        if self.after != "repeat":
            return self._ramp(clock)
        if not length:
            raise HorizonError(f"{self!r} has no length on this horizon, so it cannot repeat")
        return Cycles(self._ramp, clock, length, None, 1.0)

    def _ramp(self, clock: Clock) -> timeline.Ramp:
        return timeline.Ramp(
            self.name,
            clock.origin,
            clock.at(clock.steps(self.over, self._named("over"))),
            to_level(self.start, self._named("start")),
            to_level(self.stop, self._named("stop")),
            self.along,
            geometric=self.in_log_rate,
            last_step=clock.scale if self.inclusive else Fraction(0),
            raises=self.after == "raise",
        )


@dataclass(frozen=True, repr=False)
class Linear(Shape):
    """A straight line.

    e(p) = p

    >>> Linear(0.1, 0.5, over=4).on(Horizon(total=6))(range(6))
    array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])

    Elsewhere: torch ``LinearLR`` (which keeps its start for ever with ``total_iters=0``), optax
    ``linear_schedule``, transformers ``linear``, fvcore ``LinearParamScheduler``, Composer
    ``LinearScheduler``, mmengine ``LinearParamScheduler`` (one step shorter), lrsched ``linear``.

    Source: Goyal et al., 2017, for the warmup.
    """

    def along(self, p: Array) -> Array:
        return eases.linear(p)


@dataclass(frozen=True, repr=False)
class Cosine(Shape):
    """A half cosine, flat at both ends.

    e(p) = 1 - ((1 + cos(π p^k)) / 2)^power

    Args:
        power: > 0; of what is left: 2 is lower in the middle.
        k: > 0; of the time: above 1 the rate stays high for longer (k-decay).

    >>> Cosine(1.0, 0.0, over=4).on(Horizon(total=4))([0, 1, 2, 3]).round(4)
    array([1.    , 0.8536, 0.5   , 0.1464])

    Elsewhere: torch ``CosineAnnealingLR`` (which climbs back after T_max), optax
    ``cosine_decay_schedule`` (``exponent`` is ``power``; ``alpha`` is a share of the start), Keras
    ``CosineDecay``, transformers ``cosine`` (climbs back), timm ``CosineLRScheduler`` (``k_decay`` is ``k``),
    fvcore ``CosineParamScheduler``, Composer ``CosineAnnealingScheduler``, lrsched ``cosine``.

    Source: SGDR (Loshchilov and Hutter, 2017); k-decay (Zhang and Li, 2020).
    """

    power: float = field(default=1.0, kw_only=True)
    k: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            power=bounds.number(self.power, self._named("power"), above=0),
            k=bounds.number(self.k, self._named("k"), above=0),
        )

    def along(self, p: Array) -> Array:
        done = eases.cosine(p if self.k == 1 else p**self.k)
        return done if self.power == 1 else 1 - (1 - done) ** self.power


@dataclass(frozen=True, repr=False)
class Ramp(Shape):
    """A way along one of the eases that have no shape of their own.

    - ``quarter_cosine``: e(p) = 1 - cos(πp / 2), flat at the start, steepest at the end;
    - ``quarter_sine``: e(p) = sin(πp / 2), steepest at the start, flat at the end;
    - ``mirror_cosine``: e(p) = 2p - (1 - cos πp) / 2, steep at both ends, flat in the middle;
    - ``one_minus_sqrt``: e(p) = √p, so that a decay to 0 is start · (1 - √p): steep, then ever flatter;
    - ``one_minus_square``: e(p) = p², so that a decay to 0 is start · (1 - p²): flat, then ever steeper.

    Args:
        ease: one of these.

    >>> Ramp(1.0, 0.0, over=4, ease="one_minus_sqrt").on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.5   , 0.2929, 0.134 , 0.    ])

    Elsewhere: LRBench ``SIN`` (its two quarters), torch-schedule-anything's ``cosine_annealing_with_warmup``
    (``quarter_cosine``, below 0 past its end); the cooldowns of transformers ``warmup_stable_decay``
    (``"1-sqrt"``), torchtitan (``"sqrt"``), lrsched, pytorch_optimizer's ``wsd`` (``"1-square"``, whose last
    value jumps back up to its floor) and the code of Hägele et al. (``mirror_cosine``).

    Source: Wu et al., 2019 (LRBench), for the quarters; Hägele et al., 2024, who compare the others.
    """

    ease: str = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if bounds.choice(self.ease, self._named("ease"), eases.EASES) in OWN_SHAPES:
            raise ScheduleError(
                f"{self._named('ease')} must be one without a shape of its own; got {self.ease!r}: write "
                f"{OWN_SHAPES[self.ease]}(...)"
            )

    @property
    def name(self) -> str:
        return self.ease

    def along(self, p: Array) -> Array:
        return eases.EASES[self.ease](p)


@dataclass(frozen=True, repr=False)
class Geometric(Shape):
    """The same factor at every step: a straight line in log rate; both levels must be above 0.

    lr(t) = start^(1 - p) · stop^p

    >>> Geometric(1.0, 0.01, over=4).on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.3162, 0.1   , 0.0316, 0.01  ])

    Elsewhere: fvcore ``ExponentialParamScheduler``, Ignite's exponential ramp, the cooldown of NVIDIA's and
    EPFL's ``wsd`` (``exponential``), fastai's ``SchedExp``.

    Source: the ramp of the range test (Smith, 2017).
    """

    @property
    def in_log_rate(self) -> bool:
        return True

    def along(self, p: Array) -> Array:
        return eases.linear(p)


@dataclass(frozen=True, repr=False)
class Polynomial(Shape):
    """A power of what is left.

    e(p) = 1 - (1 - p^k)^power, so that a decay to 0 is start · (1 - p^k)^power

    Args:
        power: > 0; 1 is the straight line, 2 falls fast at first.
        k: > 0; of the time: above 1 the rate stays high for longer (k-decay).

    >>> Polynomial(1.0, 0.0, over=4, power=2).on(Horizon(total=5))(range(5))
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])

    Elsewhere: torch ``PolynomialLR``, optax ``polynomial_schedule``, Keras ``PolynomialDecay``, transformers
    ``polynomial``, timm ``PolyLRScheduler``, fvcore ``PolynomialDecayParamScheduler``, Composer
    ``PolynomialScheduler``, mmengine ``PolyParamScheduler``, lrsched ``polynomial``, LRBench ``POLY``.

    Source: DeepLab's "poly" policy (Chen et al., 2016); k-decay (Zhang and Li, 2020).
    """

    power: float = field(default=1.0, kw_only=True)
    k: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            power=bounds.number(self.power, self._named("power"), above=0),
            k=bounds.number(self.k, self._named("k"), above=0),
        )

    def along(self, p: Array) -> Array:
        return 1 - (1 - (p if self.k == 1 else p**self.k)) ** self.power


@dataclass(frozen=True, repr=False)
class Rex(Shape):
    """Slow at first, steep at the end: a decay to 0 is start · (1 - p) / (1 - beta · p).

    e(p) = (1 - beta) p / (1 - beta · p)

    Args:
        beta: in [0, 1); 0 is the straight line, 0.5 the paper's, and 0.9 what several ports use.

    >>> Rex(1.0, 0.0, over=4).on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.8571, 0.6667, 0.4   , 0.    ])

    Elsewhere: pytorch-scheduler ``RexScheduler``, pytorch_optimizer ``REXScheduler`` (whose first update has
    its ``min_lr``), Axolotl ``rex`` (``beta=0.9``).

    Source: REX (Chen et al., 2021).
    """

    beta: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        beta = bounds.number(self.beta, self._named("beta"), least=0)
        if beta >= 1:
            raise ScheduleError(f"{self._named('beta')} must be less than 1; got {self.beta!r}")
        self._set(beta=beta)

    def along(self, p: Array) -> Array:
        return eases.rex(p, self.beta)


@dataclass(frozen=True, repr=False)
class Tanh(Shape):
    """A stretch of the hyperbolic tangent, from ``lower`` to ``upper``, brought to both levels exactly.

    e(p) = (f(p) - f(0)) / (f(1) - f(0)), with f(p) = tanh(lower · (1 - p) + upper · p)

    Args:
        lower: where on the tangent it starts; below ``upper``.
        upper: where it ends.

    >>> Tanh(1.0, 0.0, over=4).on(Horizon(total=5))(range(5)).round(4)
    array([1.    , 0.9995, 0.9525, 0.1804, 0.    ])

    Elsewhere: timm ``TanhLRScheduler`` (-7 and 3) and the paper leave f as it is: then the first rate is not
    quite the start, and the last step jumps to the floor. With d = start - stop theirs is
    ``Tanh(stop + d * (1 - f(0)) / 2, stop + d * (1 - f(1)) / 2, ...)``.

    Source: HTD (Hsueh, Li and Wu, 2019).
    """

    lower: float = field(default=-6.0, kw_only=True)
    upper: float = field(default=3.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        lower = bounds.number(self.lower, self._named("lower"))
        upper = bounds.number(self.upper, self._named("upper"))
        if not np.tanh(lower) < np.tanh(upper):
            raise ScheduleError(
                f"{self._named('upper')} must be more than lower={lower:g}, and not both so far out that the "
                f"tangent is flat there; got {self.upper!r}"
            )
        self._set(lower=lower, upper=upper)

    def along(self, p: Array) -> Array:
        first, last = np.tanh(self.lower), np.tanh(self.upper)
        share = (np.tanh(self.lower * (1 - p) + self.upper * p) - first) / (last - first)
        return np.where(p == 1, 1.0, share)


@dataclass(frozen=True, repr=False)
class Hyperbolic(Shape):
    """A hyperbola that starts alike however long the run is, and comes the farther down the longer it is.

    With r = over / upper and f(p) = √(r (1 - p) (2 - r (1 + p))),

    e(p) = f(0) - f(p)

    Args:
        upper: the longest run thought of, ≥ ``over``. A run ends where f(0) = √(r (2 - r)) of the way is
            gone: at ``stop`` only if it is the longest, and then it is a straight line.
        geometric: whether it is a hyperbola in log rate, start^(1 - e) · stop^e (ExpHyperbolicLR); both
            levels must then be above 0.

    >>> Hyperbolic(1.0, 0.0, over=4, upper=8).on(Horizon(total=5))(range(5)).round(4)
    array([1.   , 0.852, 0.693, 0.509, 0.134])

    Elsewhere: pytorch-scheduler ``HyperbolicScheduler`` and ``ExpHyperbolicScheduler``.

    Source: HyperbolicLR (Kim, 2024).
    """

    upper: DurationLike = field(kw_only=True)
    geometric: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        self._set(geometric=bounds.flag(self.geometric, self._named("geometric")))
        super().__post_init__()
        self._set(upper=bounds.length(self.upper, self._named("upper"), positive=True))
        self._check_cycle("upper", self.upper)

    @property
    def in_log_rate(self) -> bool:
        return self.geometric

    def along(self, p: Array) -> Array:
        return eases.linear(p)  # of the longest run

    def _ramp(self, clock: Clock) -> timeline.Ramp:
        ramp = super()._ramp(clock)
        over, upper = (
            clock.steps(length, self._named(name))
            for name, length in (("over", self.over), ("upper", self.upper))
        )
        if upper < over:
            raise HorizonError(
                f"{self._named('upper')} must be at least over, {float(over):g} steps on this horizon; it is "
                f"{float(upper):g}"
            )
        if upper == over or not over:
            return ramp
        share = float(over / upper)
        gone = math.sqrt(share * (2 - share))

        def curve(p: Array) -> Array:
            return gone - np.sqrt(share * (1 - p) * (2 - share * (1 + p)))

        if self.in_log_rate:
            return replace(ramp, ease=curve)
        # To where it comes, and not to where it would: that is what is held after it.
        reached = ramp.first * (1 - gone) + ramp.last * gone
        return replace(ramp, last=reached, ease=lambda p: curve(p) / gone)


@dataclass(frozen=True, repr=False)
class Points(Rate):
    """Levels at given times, and the way between them; the first and last are held outside.

    lr(t) = a · (1 - e) + b · e between the points (t₀, a) and (t₁, b), with e the ease of
    (t - t₀) / (t₁ - t₀)

    Args:
        points: (when, level) pairs, at least one, at rising times; two at the same time are a jump.
        ease: ``"linear"``, ``"cosine"`` or another of the eases.

    >>> Points([(0, 0.1), (2, 0.5), (4, 0.0)]).on(Horizon(total=6))(range(6))
    array([0.1 , 0.3 , 0.5 , 0.25, 0.  , 0.  ])

    Elsewhere: Ignite ``PiecewiseLinear``, optax ``piecewise_interpolate_schedule`` (whose values are
    products of scales), NumPy ``interp``.

    Source: piecewise interpolation, as in DAWNBench's fast CIFAR-10 runs (Page, 2018).
    """

    points: Sequence[tuple[DurationLike, LevelLike]]
    _: KW_ONLY
    ease: str = "linear"

    def __post_init__(self) -> None:
        name = self._named("points")
        if not isinstance(self.points, Sequence) or isinstance(self.points, str) or not self.points:
            raise ScheduleError(f"{name} must be a list of (when, level) pairs; got {self.points!r}")
        for point in self.points:
            if not isinstance(point, Sequence) or isinstance(point, str) or len(point) != 2:
                raise ScheduleError(f"{name} must hold (when, level) pairs; got {point!r}")
        self._set(
            points=tuple((bounds.length(when, name), to_level(level, name)) for when, level in self.points),
            ease=bounds.choice(self.ease, self._named("ease"), eases.EASES),
        )

    @cached_property
    def depends_on_base(self) -> bool:
        return any(to_level(level, "level").is_relative for _, level in self.points)

    @property
    def extent(self) -> Extent:
        return "finite"

    def times(self, clock: Clock) -> list[Fraction]:
        """When each point is, in its own steps."""
        times = [clock.steps(when, self._named("points")) for when, _ in self.points]
        if times != sorted(times):
            raise HorizonError(
                f"{self._named('points')} must come at rising times; on this horizon they are at "
                f"{', '.join(str(Duration.of({'st': time})) for time in times)}"
            )
        return times

    @property
    def fills_the_run(self) -> bool:
        return to_duration(self.points[-1][0]).fills_the_run

    def length(self, clock: Clock) -> Fraction:
        return self.times(clock)[-1]

    def resolve(self, clock: Clock) -> Node:
        times = [clock.at(time) for time in self.times(clock)]
        levels = [to_level(level, self._named("points")) for _, level in self.points]
        # A last ramp without length holds the last level.
        stops = [*times[1:], times[-1]]
        ramps = [
            timeline.Ramp("points", start, stop, first, last, eases.EASES[self.ease])
            for start, stop, first, last in zip(times, stops, levels, [*levels[1:], levels[-1]], strict=True)
        ]
        kept = [ramp for ramp in ramps[:-1] if ramp.start < ramp.stop] + ramps[-1:]
        if clock.origin < times[0]:
            # What is held before the first time, also where the first two points are a jump.
            kept.insert(0, timeline.Ramp("points", times[0], times[0], levels[0], levels[0], eases.linear))
        return Chain([ramp.start for ramp in kept], kept)
