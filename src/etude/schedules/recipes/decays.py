"""Decays: from the peak down, in one way or another.

Of a warmup of W steps the rates are lr(t) = peak · (t + 1) / (W + 1), so that no update has the rate 0; what
follows begins with the peak.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from etude.answers import answering
from etude.durations import REST, STEP, Duration, DurationLike, to_fraction
from etude.errors import ScheduleError
from etude.levels import BASE, Level, LevelLike
from etude.schedules import algebra, bounds
from etude.schedules.algebra import Constant, Rate, maximum, minimum
from etude.schedules.laws import Exponential, InverseSqrt, InverseTime, PowerLaw, Steps
from etude.schedules.recipes.arguments import ZERO, Arguments
from etude.schedules.recipes.warmups import warmed
from etude.schedules.shapes import Cosine, Linear, Polynomial

__all__ = [
    "adafactor",
    "chebyshev",
    "cosine",
    "exponential",
    "inverse_sqrt",
    "linear",
    "multistep",
    "noam",
    "piecewise_constant",
    "polynomial",
    "power_scheduler",
    "step",
    "time_decay",
]

# As many as a schedule's text holds.
MAX_CHEBYSHEV = 1024
# So many cycles that divide the rest of the run among them, which are each written out.
MAX_CYCLES = 1000


@answering()
def cosine(
    over: DurationLike = REST,
    *,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    cycles: int = 1,
    peak: LevelLike = BASE,
) -> Rate:
    """A half cosine from the peak to the floor, held there; or several, one after another.

    With p the share of what follows the warmup,
    lr(t) = floor + (peak - floor) · (1 + cos(π (cycles · p mod 1))) / 2, and the floor from p = 1 on

    Args:
        over: how long, the warmup included; not given, the ``"rest"`` of the run.
        warmup: its length, or a share of ``over``, in (0, 1).
        floor: the last rate.
        cycles: how many equal half cosines, ≥ 1, and at most 1,000 in the ``"rest"`` of the run.
        peak: the highest rate.

    >>> cosine()
    Cosine(BASE, 0.0)
    >>> cosine(4, cycles=2).on(Horizon(total=5))(range(5)).round(4)
    array([1. , 0.5, 1. , 0.5, 0. ])

    Elsewhere: see ``Cosine``; transformers ``cosine`` and ``cosine_with_restarts``, whose first update after
    a warmup has the rate 0.

    Source: Loshchilov and Hutter, 2017.
    """
    check = Arguments("cosine")
    whole = check.length("over", over)
    start, times = check.part("warmup", warmup, whole), check.whole("cycles", cycles, least=1)
    top, low = check.level("peak", peak), check.level("floor", floor)
    decay = whole.less(start)
    if times == 1:
        return warmed(top, start, Cosine(top, low, over=decay))
    period = decay * Fraction(1, times)
    if not period.rests:
        return warmed(top, start, Cosine(top, low, over=period).repeat(times))
    if times > MAX_CYCLES:
        raise ScheduleError(
            f"{check.named('cycles')} must be at most {MAX_CYCLES:,} in the rest of the run; got {times:,}: "
            f"write over='100%'"
        )
    waves = [Cosine(top, low, over=period.after(period * i)) for i in range(times)]
    return warmed(top, start, algebra.Sequence.of(*waves))


@answering()
def linear(
    over: DurationLike = REST,
    *,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """A straight line from the peak to the floor, held there.

    With p the share of what follows the warmup, lr(t) = floor + (peak - floor) · (1 - p)

    Args:
        over: how long, the warmup included; not given, the ``"rest"`` of the run.
        warmup: its length, or a share of ``over``, in (0, 1).
        floor: the last rate.
        peak: the highest rate.

    >>> linear(warmup=1).on(Horizon(total=5))(range(5))
    array([0.5 , 1.  , 0.75, 0.5 , 0.25])

    Elsewhere: see ``Linear``; transformers ``linear``, whose first update after a warmup has the rate 0.
    """
    check = Arguments("linear")
    whole = check.length("over", over)
    start = check.part("warmup", warmup, whole)
    top = check.level("peak", peak)
    return warmed(top, start, Linear(top, check.level("floor", floor), over=whole.less(start)))


@answering()
def polynomial(
    over: DurationLike = REST,
    *,
    power: float = 1.0,
    k: float = 1.0,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """A polynomial decay from the peak to the floor, held there.

    With p the share of what follows the warmup, lr(t) = floor + (peak - floor) · (1 - p^k)^power

    Args:
        over: how long, the warmup included; not given, the ``"rest"`` of the run.
        power: > 0.
        k: > 0; of the time (k-decay).
        warmup: its length, or a share of ``over``, in (0, 1).
        floor: the last rate.
        peak: the highest rate.

    >>> polynomial(4, power=2.0).on(Horizon(total=5))(range(5))
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])

    Elsewhere: see ``Polynomial``; transformers ``polynomial`` (its floor is wrong for groups whose rate is
    not the optimizer's default).
    """
    check = Arguments("polynomial")
    whole = check.length("over", over)
    start = check.part("warmup", warmup, whole)
    top = check.level("peak", peak)
    decay = Polynomial(
        top,
        check.level("floor", floor),
        over=whole.less(start),
        power=check.number("power", power, above=0),
        k=check.number("k", k, above=0),
    )
    return warmed(top, start, decay)


@answering()
def exponential(
    gamma: float,
    *,
    per: DurationLike = STEP,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """The same factor for every unit of time.

    lr(t) = max(peak · gamma^(t / per), floor), with t from the warmup's end on

    Args:
        gamma: > 0.
        per: the unit of time.
        warmup: its length.
        floor: the least rate.
        peak: the highest.

    >>> exponential(0.95, per="1ep", floor=0.01)
    maximum(Constant(0.01), Exponential(0.95, per='1ep'))

    Elsewhere: see ``Exponential``.
    """
    check = Arguments("exponential")
    top, start = check.level("peak", peak), check.length("warmup", warmup)
    law = Exponential(
        check.number("gamma", gamma, above=0),
        start=top,
        per=check.length("per", per, positive=True),
    )
    return warmed(top, start, _at_least(check.level("floor", floor), law))


@answering()
def time_decay(
    decay_rate: float,
    *,
    per: DurationLike = STEP,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """Time-based decay.

    lr(t) = max(peak / (1 + decay_rate · t / per), floor), with t from the warmup's end on

    Args:
        decay_rate: ≥ 0; after 1 / decay_rate units the rate is half.
        per: the unit of time.
        warmup: its length.
        floor: the least rate.
        peak: the highest.

    >>> time_decay(0.1, per="1ep")
    InverseTime(0.1, per='1ep')

    Elsewhere: see ``InverseTime``.
    """
    check = Arguments("time_decay")
    top, start = check.level("peak", peak), check.length("warmup", warmup)
    law = InverseTime(
        check.number("decay_rate", decay_rate, least=0),
        start=top,
        per=check.length("per", per, positive=True),
    )
    return warmed(top, start, _at_least(check.level("floor", floor), law))


@answering()
def step(
    every: DurationLike,
    gamma: float = 0.1,
    *,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """A factor at every so many steps.

    lr(t) = max(peak · gamma^⌊t / every⌋, floor), with t from the beginning: the warmup takes a part of the
    first stair

    Args:
        every: the length of a stair, > 0.
        gamma: ≥ 0.
        warmup: its length.
        floor: the least rate.
        peak: the highest.

    >>> step("30ep", 0.5)
    Steps('30ep', 0.5)
    >>> step(4, 0.5, warmup=1).on(Horizon(total=9))([0, 1, 3, 4, 8])
    array([0.5 , 1.  , 1.  , 0.5 , 0.25])

    Elsewhere: torch ``StepLR``; see ``Steps``.
    """
    check = Arguments("step")
    top, start = check.level("peak", peak), check.length("warmup", warmup)
    stairs = Steps(
        check.length("every", every, positive=True), check.number("gamma", gamma, least=0), start=top
    )
    going: Rate = stairs if start.is_zero else stairs.shift(start.after(start) * -1)
    return warmed(top, start, _at_least(check.level("floor", floor), going))


@answering()
def multistep(
    at: Sequence[DurationLike],
    gamma: float = 0.1,
    *,
    warmup: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """A factor at each of the given times.

    lr(t) = max(peak · gamma^(how many of ``at`` are ≤ t), floor), with t from the beginning, the warmup
    included

    Args:
        at: Durations, at least one.
        gamma: ≥ 0.
        warmup: its length.
        floor: the least rate.
        peak: the highest.

    >>> multistep(["30ep", "60ep"])
    Steps(at=['30ep', '60ep'])
    >>> multistep([3, 6], 0.5, warmup=1).on(Horizon(total=9))([0, 1, 2, 3, 6])
    array([0.5 , 1.  , 1.  , 0.5 , 0.25])

    Elsewhere: torch ``MultiStepLR``; see ``Steps``.
    """
    check = Arguments("multistep")
    if isinstance(at, str) or not isinstance(at, Sequence) or not at:
        raise ScheduleError(f"{check.named('at')} must be a list of durations; got {at!r}")
    top, start = check.level("peak", peak), check.length("warmup", warmup)
    times = [check.length("at", when) for when in at]
    stairs = Steps(at=times, gamma=check.number("gamma", gamma, least=0), start=top)
    going: Rate = stairs if start.is_zero else stairs.shift(start.after(start) * -1)
    return warmed(top, start, _at_least(check.level("floor", floor), going))


def _at_least(floor: Level, law: Rate) -> Rate:
    return law if floor == ZERO else maximum(law, floor)


@answering()
def piecewise_constant(at: Sequence[DurationLike], *, rates: Sequence[LevelLike]) -> Rate:
    """One rate after another, each new one at its time.

    lr(t) = rates[how many of ``at`` are ≤ t]

    Args:
        at: rising times, Durations in one unit (or units that rise on every horizon).
        rates: one more than times.

    >>> piecewise_constant([2, 4], rates=[0.1, 0.01, 0.001]).on(Horizon(total=6))(range(6))
    array([0.1  , 0.1  , 0.01 , 0.01 , 0.001, 0.001])

    Elsewhere: Keras ``PiecewiseConstantDecay`` (one step late: the old rate is still used at the boundary),
    fvcore ``MultiStepParamScheduler``, optax ``piecewise_constant_schedule`` (of scales).
    """
    check = Arguments("piecewise_constant")
    for name, items in (("at", at), ("rates", rates)):
        if isinstance(items, str) or not isinstance(items, Sequence):
            raise ScheduleError(f"{check.named(name)} must be a list; got {items!r}")
    if not at:
        raise ScheduleError(f"{check.named('at')} must hold at least one; got {at!r}")
    if len(rates) != len(at) + 1:
        raise ScheduleError(
            f"{check.named('rates')} must be one more than the times, {len(at) + 1}; got {len(rates)}"
        )
    times = [check.length("at", when) for when in at]
    levels = [check.level("rates", rate) for rate in rates]
    starts = [Duration(()), *times]
    lengths = [
        bounds.length(stop - start, f"{check.named('at')}, from one to the next,").after(start)
        for start, stop in zip(starts, times, strict=False)
    ]
    stairs = [Constant(level, over=length) for level, length in zip(levels[:-1], lengths, strict=True)]
    return algebra.Sequence.of(*stairs, levels[-1])


@answering()
def inverse_sqrt(
    timescale: DurationLike | None = None,
    *,
    warmup: DurationLike | None = None,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """A linear warmup, then the inverse square root of time.

    lr(t) = max(peak / √(1 + (t - W) / timescale), floor) from the warmup's end W on: of a warmup that is as
    long as the timescale, peak · √(W / t)

    Args:
        timescale: > 0; as long as the warmup where it is not given.
        warmup: its length; as long as the timescale where that alone is given.
        floor: the least rate.
        peak: the highest.

    >>> inverse_sqrt(3).on(Horizon(total=13))([0, 1, 2, 3, 12])
    array([0.25, 0.5 , 0.75, 1.  , 0.5 ])

    Elsewhere: transformers ``inverse_sqrt``, lrsched ``inverse_sqrt``, pytorch-scheduler
    ``InverseSqrtScheduler``: all with the rate 0 for the first update.

    Source: Vaswani et al., 2017; see ``noam`` for its own constant.
    """
    check = Arguments("inverse_sqrt")
    if timescale is None and warmup is None:
        raise ScheduleError("inverse_sqrt takes timescale= or warmup=, or both; got neither: write '5ep'")
    start = check.length("timescale" if warmup is None else "warmup", timescale if warmup is None else warmup)
    if timescale is None:
        scale = check.length("warmup", warmup, positive=True)
    else:
        scale = check.length("timescale", timescale, positive=True)
    top = check.level("peak", peak)
    law = InverseSqrt(scale.after(start), start=top)
    return warmed(top, start, _at_least(check.level("floor", floor), law))


@answering()
def noam(*, d_model: int, warmup: int, scale: float = 1.0) -> Rate:
    """The schedule of "Attention is all you need", with its own rate.

    lr(t) = scale · d_model^-0.5 · min((t + 1)^-0.5, (t + 1) · warmup^-1.5)

    Args:
        d_model: the width of the model, ≥ 1.
        warmup: steps, ≥ 1; the highest rate, scale / √(d_model · warmup), is used by the last of them.
        scale: > 0.

    >>> noam(d_model=512, warmup=4000).on(Horizon(total=100_000))([0, 3_999, 15_999]).round(7)
    array([2.000e-07, 6.988e-04, 3.494e-04])

    Elsewhere: the Annotated Transformer's ``rate`` (with its step 0 set to 1); without the constant
    ``inverse_sqrt``.

    Source: Vaswani et al., 2017, equation 3.
    """
    check = Arguments("noam")
    width = check.whole("d_model", d_model, least=1)
    steps = check.whole("warmup", warmup, least=1)
    peak = check.number("scale", scale, above=0) / math.sqrt(width * steps)
    up = Linear(0.0, peak, over=steps).shift(-1)
    return up >> InverseSqrt(steps, start=peak)


@answering()
def power_scheduler(
    *, peak: float, a: float = 4.0, b: float = 0.51, warmup: DurationLike = 0, unit: str = "tok"
) -> Rate:
    """A power of the tokens seen, cut off at a highest rate: it need not know how long training will be.

    lr(n) = min(peak, a · n^-b) after n tokens; in the warmup of W steps peak · (t + 1) / (W + 1)

    Args:
        peak: the highest rate, > 0.
        a: > 0; in the paper 4 times the batch size in sequences.
        b: > 0.
        warmup: its length.
        unit: what n counts: ``"tok"``, ``"smp"``, ``"st"`` or ``"ep"``.

    >>> plan = power_scheduler(peak=0.02, a=4 * 128, b=0.51)
    >>> plan.on(Horizon(total=500_000, tokens_per_step=1e6))([0, 100_000, 400_000]).round(5)
    array([0.02   , 0.00126, 0.00062])

    Source: Power Scheduler (Shen et al., 2024, arXiv 2408.13359); leave it with ``.cooldown(...)``.
    """
    check = Arguments("power_scheduler")
    highest = check.number("peak", peak, above=0)
    exponent = check.number("b", b, above=0)
    bounds.choice(unit, check.named("unit"), ("tok", "smp", "st", "ep"))
    # Where the power law comes below the peak.
    ratio = check.number("a", a, above=0) / highest
    try:
        start = Duration.of({unit: to_fraction(ratio ** (1 / exponent))})
    except (ArithmeticError, ScheduleError):
        start = Duration(())
    if start.is_zero:
        raise ScheduleError(
            f"power_scheduler comes below its peak at (a / peak)^(1 / b), which must be between 1e-30 and "
            f"1e+30; got a={a!r}, peak={peak!r} and b={b!r}"
        )
    length = check.length("warmup", warmup)
    law = PowerLaw(exponent, timescale=start, start=highest)
    flat = Constant(highest, over=check.left("warmup", start, length).after(length))
    return warmed(check.level("peak", peak), length, flat >> law)


@answering()
def adafactor(*, warmup_init: bool = False) -> Rate:
    """The relative step of Adafactor.

    lr(t) = min(0.01, 1 / √(t + 1)), or with ``warmup_init`` min(10^-6 · (t + 1), 1 / √(t + 1))

    Args:
        warmup_init: whether to rise from 10^-6 instead.

    >>> adafactor().on(Horizon(total=40_001))([0, 9_999, 39_999])
    array([0.01 , 0.01 , 0.005])

    Elsewhere: inside the Adafactor of transformers and of fairseq, times the size of each parameter.

    Source: Shazeer and Stern, 2018.
    """
    if Arguments("adafactor").flag("warmup_init", warmup_init):
        return Linear(0.0, 0.01, over=10_000).shift(-1) >> InverseSqrt(10_000, start=0.01)
    return minimum(0.01, InverseSqrt(1, start=1.0))


@answering()
def chebyshev(
    *,
    steps: int,
    small: float = 0.05,
    per: DurationLike = STEP,
    peak: LevelLike = BASE,
) -> Rate:
    """Chebyshev's step sizes in the fractal order, far above and below each other, over and over.

    With x_j = (1 + small) / 2 - (1 - small) / 2 · cos((j + 1/2) π / steps), the n-th rate is peak / x_j for
    the n-th j of the order σ, σ₁ = (0), σ₂ₙ = (σₙ[0], 2n - 1 - σₙ[0], σₙ[1], ...)

    Args:
        steps: how many, a power of 2 up to 1,024.
        small: the least curvature as a share of the largest, in (0, 1); the rates go up to peak / small.
        per: how long each lasts.
        peak: the rate that is right for the largest curvature.

    >>> chebyshev(steps=4).on(Horizon(total=5))(range(5)).round(3)
    array([11.607,  1.038,  2.914,  1.415, 11.607])

    Elsewhere: pytorch_optimizer ``get_chebyshev_schedule`` (its first three epochs have one rate);
    pytorch-scheduler's ``ChebyshevScheduler`` is a half cosine.

    Source: Agarwal, Goel and Zhang, 2021 (arXiv 2103.01338).
    """
    check = Arguments("chebyshev")
    count = check.whole("steps", steps, least=2)
    if count > MAX_CHEBYSHEV or count & (count - 1):
        raise ScheduleError(
            f"{check.named('steps')} must be a power of 2, at most {MAX_CHEBYSHEV}; got {steps}"
        )
    least = check.number("small", small, above=0)
    if least >= 1:
        raise ScheduleError(f"{check.named('small')} must be less than 1; got {small!r}")
    level, each = check.level("peak", peak), check.length("per", per, positive=True)
    order = [0]
    while len(order) < count:
        order = [j for i in order for j in (i, 2 * len(order) - 1 - i)]
    nodes = [(1 + least) / 2 - (1 - least) / 2 * math.cos((j + 0.5) * math.pi / count) for j in order]
    rates: Rate = Constant(level / nodes[0], over=each)
    for node in nodes[1:]:
        rates = rates >> Constant(level / node, over=each)
    return rates.repeat()
