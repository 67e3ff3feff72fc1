"""Laws: functions of the time since the start that never end of themselves.

With t in steps since the start, and u = t / per where the law has a unit of its own,

    lr(t) = start · f(t)

All of them take

    start: the level at t = 0; BASE where it is not given.
    over: where given, the law lasts that long and its last value is held after it; else it is endless.
"""

from __future__ import annotations

import importlib
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from etude.durations import STEP, Duration, DurationLike, to_duration
from etude.eases import EASES, Array
from etude.errors import HorizonError, ScheduleError
from etude.levels import BASE, Level, LevelLike, to_level
from etude.schedules import bounds
from etude.schedules.algebra import Extent, Kind, Rate, Schedule
from etude.schedules.names import not_imported
from etude.timeline import Chain, Clock, Cycles, Law, Node, Numbered, Ramp, Scaled, power

__all__ = [
    "Custom",
    "Endless",
    "Exponential",
    "Function",
    "InverseSqrt",
    "InverseTime",
    "Lasting",
    "PolynomialCycles",
    "PowerLaw",
    "Sigmoid",
    "Steps",
]


class Lasting(Schedule[Kind]):
    """What ends where it is told to, with ``over``, and else never."""

    over: DurationLike | None

    @property
    def extent(self) -> Extent:
        return "endless" if self.over is None else "finite"

    def length(self, clock: Clock) -> Fraction | None:
        return None if self.over is None else clock.steps(self.over, self._named("over"))

    def _unit(self, clock: Clock, unit: DurationLike, name: str) -> float:
        """A duration that time is divided by, in its own steps."""
        steps = clock.steps(unit, self._named(name))
        if not steps:
            raise HorizonError(
                f"{self._named(name)} must be more than 0 steps on this horizon ({clock.horizon})"
            )
        return float(steps)

    @property
    @abstractmethod
    def level(self) -> Level:
        """What its values are shares of."""


@dataclass(frozen=True, repr=False)
class Endless(Lasting["Rate"], Rate):
    """What the laws share; see the module's text."""

    start: LevelLike = field(default=BASE, kw_only=True)
    over: DurationLike | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._set(start=to_level(self.start, self._named("start")))
        if self.over is not None:
            self._set(over=bounds.length(self.over, self._named("over")))

    @property
    def level(self) -> Level:
        return to_level(self.start, self._named("start"))


class Function(Lasting[Kind]):
    """One formula."""

    # Whether f may jump: only a user's function can.
    _jumps: ClassVar[bool] = False

    @abstractmethod
    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        """f, where the clock starts it."""

    @property
    @abstractmethod
    def decay_power(self) -> float:
        """The p of f(t) ~ t^-p far out: inf for exponential decay, NaN where it is unknown."""

    def resolve(self, clock: Clock) -> Node:
        length = self.length(clock)
        return Law(
            type(self).__name__.lower(),
            clock.origin,
            None if length is None else clock.at(length),
            clock.scale,
            self.level,
            self.factor(clock),
            self.decay_power,
            self._jumps,
        )


@dataclass(frozen=True, repr=False)
class Exponential(Function["Rate"], Endless):
    """The same factor for every unit of time.

    f(t) = gamma^(t / per)

    Args:
        gamma: the factor, > 0; below 1 it decays.
        per: the unit of time.

    >>> Exponential(0.5).on(Horizon(total=4))(range(4))
    array([1.   , 0.5  , 0.25 , 0.125])

    Elsewhere: torch ``ExponentialLR`` (which accepts a gamma below 0), Keras ``ExponentialDecay``, optax
    ``exponential_decay``, fvcore ``ExponentialParamScheduler``, Composer ``ExponentialScheduler``, mmengine,
    lrsched ``exponential``, LRBench ``EXP``.

    Source: exponential decay; see ``Steps`` for its stairs.
    """

    gamma: float
    _: KW_ONLY
    per: DurationLike = STEP

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            gamma=bounds.number(self.gamma, self._named("gamma"), above=0),
            per=bounds.length(self.per, self._named("per"), positive=True),
        )

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        per = self._unit(clock, self.per, "per")
        return lambda t: self.gamma ** (t / per)

    @property
    def decay_power(self) -> float:
        return 0.0 if self.gamma == 1 else math.copysign(math.inf, 1 - self.gamma)


@dataclass(frozen=True, repr=False)
class InverseTime(Function["Rate"], Endless):
    """Time-based decay.

    f(t) = 1 / (1 + decay_rate · t / per)

    Args:
        decay_rate: ≥ 0; after 1 / decay_rate units the rate is half.
        per: the unit of time.

    >>> InverseTime(0.5).on(Horizon(total=4))(range(4)).round(4)
    array([1.    , 0.6667, 0.5   , 0.4   ])

    Elsewhere: Keras ``InverseTimeDecay``, LRBench ``INV``; a ``LambdaLR`` in torch.

    Source: Robbins and Monro, 1951. It alone of the common decays has Σ lr = ∞ and Σ lr² < ∞.
    """

    decay_rate: float
    _: KW_ONLY
    per: DurationLike = STEP

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            decay_rate=bounds.number(self.decay_rate, self._named("decay_rate"), least=0),
            per=bounds.length(self.per, self._named("per"), positive=True),
        )

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        per = self._unit(clock, self.per, "per")
        return lambda t: 1 / (1 + self.decay_rate * (t / per))

    @property
    def decay_power(self) -> float:
        return 1.0 if self.decay_rate else 0.0


@dataclass(frozen=True, repr=False)
class PowerLaw(Function["Rate"], Endless):
    """A power of time, from a finite start.

    f(t) = (1 + t / timescale)^-exponent

    Args:
        exponent: > 0; above 0.5 and at most 1, Σ lr = ∞ and Σ lr² < ∞.
        timescale: a Duration, > 0.

    >>> PowerLaw(2.0, timescale=1).on(Horizon(total=3))(range(3)).round(4)
    array([1.    , 0.25  , 0.1111])

    Elsewhere: LRBench ``INV``, pytorch-scheduler ``PowerDecayScheduler`` (after its warmup).

    Source: Caffe's ``inv`` policy (Jia et al., 2014).
    """

    exponent: float
    _: KW_ONLY
    timescale: DurationLike

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            exponent=bounds.number(self.exponent, self._named("exponent"), above=0),
            timescale=bounds.length(self.timescale, self._named("timescale"), positive=True),
        )

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        timescale = self._unit(clock, self.timescale, "timescale")
        return lambda t: (1 + t / timescale) ** -self.exponent

    @property
    def decay_power(self) -> float:
        return self.exponent


@dataclass(frozen=True, repr=False)
class InverseSqrt(Function["Rate"], Endless):
    """The inverse square root of time, as after the warmup of a transformer.

    f(t) = 1 / √(1 + t / timescale)

    After a warmup of W steps, ``timescale=W`` continues it without a kink in time: √(W / (W + t)).

    Args:
        timescale: a Duration, > 0.

    >>> InverseSqrt(4).on(Horizon(total=13))([0, 12])
    array([1. , 0.5])

    Elsewhere: transformers ``inverse_sqrt``, lrsched ``inverse_sqrt``, pytorch-scheduler
    ``InverseSqrtScheduler``: each with a warmup, as the recipe ``inverse_sqrt``.

    Source: Vaswani et al., 2017.
    """

    timescale: DurationLike

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(timescale=bounds.length(self.timescale, self._named("timescale"), positive=True))

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        timescale = self._unit(clock, self.timescale, "timescale")
        return lambda t: 1 / np.sqrt(1 + t / timescale)

    @property
    def decay_power(self) -> float:
        return 0.5


@dataclass(frozen=True, repr=False)
class Sigmoid(Function["Rate"], Endless):
    """Down along an S: flat, steepest in the middle, flat again.

    f(t) = (1 + e^(-steepness · m)) / (1 + e^(steepness · (t / per - m))), with m = middle / per: f(0) = 1

    Args:
        steepness: > 0.
        middle: where it is steepest, a Duration.
        per: the unit of time.

    >>> Sigmoid(1.0, middle=4).on(Horizon(total=9))([0, 4, 8]).round(4)
    array([1.    , 0.5092, 0.0183])

    Elsewhere: LRBench ``SIG`` and Caffe ``sigmoid``, k / (1 + e^(rate · (t - m))), which is this one with
    ``start=k / (1 + e^(-rate · m))``.

    Source: Caffe's ``sigmoid`` policy (Jia et al., 2014).
    """

    steepness: float
    _: KW_ONLY
    middle: DurationLike
    per: DurationLike = STEP

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            steepness=bounds.number(self.steepness, self._named("steepness"), above=0),
            middle=bounds.length(self.middle, self._named("middle")),
            per=bounds.length(self.per, self._named("per"), positive=True),
        )

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        per = self._unit(clock, self.per, "per")
        middle = float(clock.steps(self.middle, self._named("middle")))
        whole = 1 + math.exp(-self.steepness * middle / per)
        return lambda t: whole / (1 + np.exp(self.steepness * ((t - middle) / per)))

    @property
    def decay_power(self) -> float:
        return math.inf


@dataclass(frozen=True, repr=False)
class PolynomialCycles(Endless):
    """A polynomial decay that begins anew each time it is done, ever lower and ever longer.

    f(t) = (1 - t / (n · period))^power, with n = ⌈t / period⌉, and 1 at t = 0

    Args:
        period: a Duration, > 0; f is 0 at each of its multiples, and jumps up after it.
        power: > 0.

    >>> PolynomialCycles(4).on(Horizon(total=9))([0, 2, 4, 6, 8])
    array([1.  , 0.5 , 0.  , 0.25, 0.  ])

    Elsewhere: Keras ``PolynomialDecay`` with ``cycle=True``.

    Source: TensorFlow's ``polynomial_decay``.
    """

    period: DurationLike
    _: KW_ONLY
    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            period=bounds.length(self.period, self._named("period"), positive=True),
            power=bounds.number(self.power, self._named("power"), above=0),
        )

    def resolve(self, clock: Clock) -> Node:
        self._unit(clock, self.period, "period")
        length = self.length(clock)
        return Numbered(
            "polynomialcycles",
            clock,
            clock.steps(self.period, self._named("period")),
            self.level,
            self._value,
            self.power,
            None if length is None else clock.at(length),
        )

    def _value(self, cycle: Array, share: Array) -> Array:
        # A multiple of the period is the end of a cycle, and not the start of the next.
        horizon = np.maximum(cycle + (share > 0), 1)
        return ((horizon - cycle - share) / horizon) ** self.power


@dataclass(frozen=True, repr=False)
class Steps(Endless):
    """Stairs: a factor at every so many steps, or at given ones.

    f(t) = gamma^⌊t / every⌋, or gamma^(how many of ``at`` are ≤ t)

    Args:
        every: the length of a stair, a Duration > 0; or
        at: when to take one, Durations; one given twice counts twice.
        gamma: the factor of one stair, ≥ 0.

    >>> Steps(2, 0.5).on(Horizon(total=5))(range(5))
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    >>> Steps(at=[1, 3]).on(Horizon(total=4))(range(4))
    array([1.  , 0.1 , 0.1 , 0.01])

    Elsewhere: torch ``StepLR`` and ``MultiStepLR``, timm ``StepLRScheduler`` and ``MultiStepLRScheduler``
    (one step early), fvcore ``StepWithFixedGammaParamScheduler``, Composer ``StepScheduler`` and
    ``MultiStepScheduler``, optax ``piecewise_constant_schedule``, Keras ``ExponentialDecay`` with
    ``staircase``, lrsched ``step_decay`` and ``multi_step``, LRBench ``STEP`` and ``NSTEP``.

    Source: step decay, as for AlexNet (Krizhevsky et al., 2012).
    """

    _spelled: ClassVar[int] = 0

    every: DurationLike | None = None
    gamma: float = 0.1
    _: KW_ONLY
    at: Sequence[DurationLike] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(gamma=bounds.number(self.gamma, self._named("gamma"), least=0))
        if (self.every is None) == (self.at is None):
            raise ScheduleError(
                f"Steps takes either every= (such as every='30ep') or at= (such as at=['30ep', '60ep']); "
                f"got every={self.every!r} and at={self.at!r}"
            )
        if self.every is not None:
            self._set(every=bounds.length(self.every, self._named("every"), positive=True))
        if self.at is not None:
            if isinstance(self.at, str | Duration) or not isinstance(self.at, Sequence) or not self.at:
                raise ScheduleError(f"{self._named('at')} must be a list of durations; got {self.at!r}")
            self._set(at=tuple(bounds.length(when, self._named("at")) for when in self.at))

    def resolve(self, clock: Clock) -> Node:
        length = self.length(clock)
        stairs = self._every(clock) if self.at is None else self._at(clock)
        if length is None:
            return stairs
        stop = clock.at(length)
        factor = power(self.gamma, self._before(length, clock))
        held = Scaled(self._stair(clock.started(length), stop), factor)
        return Chain([clock.origin, stop], [stairs, held])

    def _before(self, length: Fraction, clock: Clock) -> int:
        """How many stairs are taken before the own step ``length``."""
        if self.every is None:
            return sum(when < length for when in self._times(clock))
        return max(math.ceil(length / clock.steps(self.every, self._named("every"))) - 1, 0)

    def _times(self, clock: Clock) -> list[Fraction]:
        return sorted(clock.steps(when, self._named("at")) for when in self.at or ())

    def _stair(self, clock: Clock, stop: Fraction) -> Ramp:
        return Ramp("steps", clock.origin, stop, self.level, self.level, EASES["linear"])

    def _every(self, clock: Clock) -> Node:
        every = to_duration(self.every or 0)
        self._unit(clock, every, "every")
        length = clock.steps(every, self._named("every"))
        return Cycles(lambda start: self._stair(start, start.at(length)), clock, length, None, self.gamma)

    def _at(self, clock: Clock) -> Node:
        times = self._times(clock)
        edges = [Fraction(0), *times]
        starts, nodes = [], []
        for drops, (start, stop) in enumerate(zip(edges, [*times, times[-1]], strict=True)):
            if start == stop and drops < len(times):
                continue
            stair = self._stair(clock.started(start), clock.at(stop))
            starts.append(clock.at(start))
            nodes.append(Scaled(stair, power(self.gamma, drops)))
        return Chain(starts, nodes)


@dataclass(frozen=True, repr=False)
class Custom(Function["Rate"], Endless):
    """A function of your own, named so that the schedule stays text: ``Custom("package.module:function")``.

    f(t) = function(t), called with one step at a time: an int where t is whole, else a float

    Args:
        function: where to import it from, ``"package.module:function"``; imported when the schedule is
            put on a horizon. One that was read from JSON, YAML, a checkpoint or a store shows and compares
            as any other, and is not imported unless the reader was asked to (``custom="import"``).

    >>> Custom("math:exp", start=0.1).on(Horizon(total=1))(0)
    0.1

    Raises:
        ScheduleError: when put on a horizon, where the function cannot be imported, or stood in data;
            when asked for a value, where the function fails or returns no finite number ≥ 0.

    Elsewhere: torch ``LambdaLR``, Keras ``LearningRateScheduler``, optax (any function).

    Source: torch's ``LambdaLR``.
    """

    _jumps: ClassVar[bool] = True

    function: str

    def __post_init__(self) -> None:
        super().__post_init__()
        module, colon, name = str(self.function).partition(":")
        if not isinstance(self.function, str) or not (module and colon and name):
            raise ScheduleError(
                f"{self._named('function')} must be 'package.module:function'; got {self.function!r}"
            )

    def factor(self, clock: Clock) -> Callable[[Array], Array]:
        if refusal := not_imported(self):
            raise ScheduleError(f"{refusal}; where you trust it, read the plan with custom='import'")
        module_name, _, name = self.function.partition(":")
        try:
            target: Any = importlib.import_module(module_name)
            for attribute in name.split("."):
                target = getattr(target, attribute)
        except Exception as error:  # importing runs code, which may fail in any way
            raise ScheduleError(f"{self!r} cannot be imported: {type(error).__name__}: {error}") from error
        if not callable(target):
            raise ScheduleError(f"{self!r} names no function but {target!r}")
        return lambda t: self._values(target, t)

    def _values(self, function: Callable[[float], Any], t: Array) -> Array:
        values = [self._value(function, step) for step in t.ravel().tolist()]
        return np.array(values, dtype=np.float64).reshape(t.shape)

    def _value(self, function: Callable[[float], Any], step: float) -> float:
        try:
            value = function(int(step) if step.is_integer() else step)
        except Exception as error:  # it is the user's, and may fail in any way
            raise ScheduleError(
                f"{self.function} failed at the step {step:.16g}: {type(error).__name__}: {error}"
            ) from error
        return bounds.number(value, f"the value of {self.function} at {step:.16g}", least=0)

    @property
    def decay_power(self) -> float:
        return math.nan
