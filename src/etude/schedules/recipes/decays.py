"""Decays: from the peak down, in one way or another."""

from __future__ import annotations

import math
from collections.abc import Sequence

from etude.durations import STEP, Duration, DurationLike, to_fraction
from etude.errors import ScheduleError
from etude.levels import BASE, LevelLike
from etude.schedules import algebra, bounds
from etude.schedules.algebra import Constant, Rate, minimum
from etude.schedules.laws import Exponential, InverseSqrt, InverseTime, PowerLaw, Steps
from etude.schedules.recipes.arguments import Arguments
from etude.schedules.recipes.warmups import rise
from etude.schedules.shapes import Cosine, Linear, Polynomial

__all__ = [
    "adafactor",
    "chebyshev",
    "cosine",
    "exponential",
    "fixed",
    "inverse_sqrt",
    "linear_to_zero",
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


def fixed(rate: LevelLike = BASE) -> Rate:
    """One rate throughout.

    lr(t) = rate

    Args:
        rate: absolute, or relative to BASE.

    >>> fixed()
    Constant(BASE)

    Elsewhere: torch ``ConstantLR(factor=1)``, optax ``constant_schedule``, transformers ``constant``, fvcore
    ``ConstantParamScheduler`` (an error at the end of training), LRBench ``FIX``.
    """
    return Constant(Arguments("fixed").level("rate", rate))


def piecewise_constant(boundaries: Sequence[DurationLike], values: Sequence[LevelLike]) -> Rate:
    """One rate after another, each new one at its boundary.

    lr(t) = values[how many of ``boundaries`` are ≤ t]

    Args:
        boundaries: rising times, Durations in one unit (or units that rise on every horizon).
        values: the rates, one more than boundaries.

    >>> piecewise_constant([2, 4], [0.1, 0.01, 0.001]).on(Horizon(total=6))(range(6))
    array([0.1  , 0.1  , 0.01 , 0.01 , 0.001, 0.001])

    Elsewhere: Keras ``PiecewiseConstantDecay`` (one step late: the old rate is still used at the boundary),
    fvcore ``MultiStepParamScheduler``, optax ``piecewise_constant_schedule`` (of scales).
    """
    check = Arguments("piecewise_constant")
    for name, items in (("boundaries", boundaries), ("values", values)):
        if isinstance(items, str) or not isinstance(items, Sequence):
            raise ScheduleError(f"{check.named(name)} must be a list; got {items!r}")
    if not boundaries:
        raise ScheduleError(f"{check.named('boundaries')} must hold at least one; got {boundaries!r}")
    if len(values) != len(boundaries) + 1:
        raise ScheduleError(
            f"{check.named('values')} must be one more than the boundaries, {len(boundaries) + 1}; got "
            f"{len(values)}"
        )
    times = [check.length("boundaries", when) for when in boundaries]
    levels = [check.level("values", value) for value in values]
    starts = [Duration(()), *times]
    lengths = [
        bounds.length(stop - start, f"{check.named('boundaries')}, from one to the next,")
        for start, stop in zip(starts, times, strict=False)
    ]
    stairs = [Constant(level, over=length) for level, length in zip(levels[:-1], lengths, strict=True)]
    return algebra.Sequence.of(*stairs, levels[-1])


def time_decay(rate: float, *, per: DurationLike = STEP, peak: LevelLike = BASE) -> Rate:
    """Time-based decay.

    lr(t) = peak / (1 + rate · t / per)

    Args:
        rate: ≥ 0; after 1 / rate units the rate is half.
        per: the unit of time.
        peak: the first rate.

    >>> time_decay(0.1, per="1ep")
    InverseTime(0.1, per='1ep')

    Elsewhere: Keras ``InverseTimeDecay``, LRBench ``INV``; a ``LambdaLR`` in torch.
    """
    check = Arguments("time_decay")
    return InverseTime(
        check.number("rate", rate, least=0),
        start=check.level("peak", peak),
        per=check.length("per", per, positive=True),
    )


def exponential(gamma: float, *, per: DurationLike = STEP, peak: LevelLike = BASE) -> Rate:
    """The same factor for every unit of time.

    lr(t) = peak · gamma^(t / per)

    Args:
        gamma: > 0.
        per: the unit of time.
        peak: the first rate.

    >>> exponential(0.95, per="1ep")
    Exponential(0.95, per='1ep')

    Elsewhere: see ``Exponential``.
    """
    check = Arguments("exponential")
    return Exponential(
        check.number("gamma", gamma, above=0),
        start=check.level("peak", peak),
        per=check.length("per", per, positive=True),
    )


def step(every: DurationLike, gamma: float = 0.1, *, peak: LevelLike = BASE) -> Rate:
    """A factor at every so many steps.

    lr(t) = peak · gamma^⌊t / every⌋

    Args:
        every: the length of a stair, > 0.
        gamma: ≥ 0.
        peak: the first rate.

    >>> step("30ep", 0.5)
    Steps(0.5, every='30ep')

    Elsewhere: torch ``StepLR``; see ``Steps``.
    """
    check = Arguments("step")
    every = check.length("every", every, positive=True)
    return Steps(check.number("gamma", gamma, least=0), start=check.level("peak", peak), every=every)


def multistep(at: Sequence[DurationLike], gamma: float = 0.1, *, peak: LevelLike = BASE) -> Rate:
    """A factor at each of the given times.

    lr(t) = peak · gamma^(how many of ``at`` are ≤ t)

    Args:
        at: Durations, at least one.
        gamma: ≥ 0.
        peak: the first rate.

    >>> multistep(["30ep", "60ep"])
    Steps(0.1, at=['30ep', '60ep'])

    Elsewhere: torch ``MultiStepLR``; see ``Steps``.
    """
    check = Arguments("multistep")
    if isinstance(at, str) or not isinstance(at, Sequence) or not at:
        raise ScheduleError(f"{check.named('at')} must be a list of durations; got {at!r}")
    times = [check.length("at", when) for when in at]
    return Steps(check.number("gamma", gamma, least=0), start=check.level("peak", peak), at=times)


def cosine(over: DurationLike = "100%", floor: LevelLike = 0.0, *, peak: LevelLike = BASE) -> Rate:
    """One half cosine from the peak to the floor, held there.

    lr(t) = floor + (peak - floor) · (1 + cos(π t / over)) / 2

    Args:
        over: how long.
        floor: the last rate.
        peak: the first.

    >>> cosine()
    Cosine(BASE, 0.0, over='100%')

    Elsewhere: see ``Cosine``.
    """
    check = Arguments("cosine")
    return Cosine(check.level("peak", peak), check.level("floor", floor), over=check.length("over", over))


def linear_to_zero(over: DurationLike = "100%", *, warmup: DurationLike = 0, peak: LevelLike = BASE) -> Rate:
    """A straight line to 0 over the run, after a linear warmup where one is asked for.

    With a warmup of W steps, lr(t) = peak · (t + 1) / (W + 1) before W, then peak · (over - t) / (over - W):
    no update has the rate 0.

    Args:
        over: the whole length, warmup included.
        warmup: its length.
        peak: the highest rate.

    >>> linear_to_zero().on(Horizon(total=4))(range(4))
    array([1.  , 0.75, 0.5 , 0.25])

    Elsewhere: transformers ``linear``, whose first update has the rate 0.
    """
    check = Arguments("linear_to_zero")
    whole, length = check.length("over", over), check.length("warmup", warmup)
    level = check.level("peak", peak)
    decay = Linear(level, 0.0, over=check.rest("over", whole, length))
    return decay if length.is_zero else rise(level, length) >> decay


def polynomial(
    over: DurationLike = "100%",
    power: float = 1.0,
    floor: LevelLike = 0.0,
    *,
    warmup: DurationLike = 0,
    k: float = 1.0,
    peak: LevelLike = BASE,
) -> Rate:
    """A polynomial decay, after a linear warmup where one is asked for.

    With p the share of the decay that has passed, lr(t) = floor + (peak - floor) · (1 - p^k)^power; in the
    warmup of W steps peak · (t + 1) / (W + 1)

    Args:
        over: the whole length, warmup included.
        power: > 0.
        floor: the last rate.
        warmup: its length.
        k: > 0; of the time (k-decay).
        peak: the highest rate.

    >>> polynomial(4, 2.0).on(Horizon(total=5))(range(5))
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])

    Elsewhere: see ``Polynomial``; transformers ``polynomial`` (its floor is wrong for groups whose rate is
    not the optimizer's default).
    """
    check = Arguments("polynomial")
    whole, length = check.length("over", over), check.length("warmup", warmup)
    level = check.level("peak", peak)
    decay = Polynomial(
        level,
        check.level("floor", floor),
        over=check.rest("over", whole, length),
        power=check.number("power", power, above=0),
        k=check.number("k", k, above=0),
    )
    return decay if length.is_zero else rise(level, length) >> decay


def inverse_sqrt(
    warmup: DurationLike, timescale: DurationLike | None = None, *, peak: LevelLike = BASE
) -> Rate:
    """A linear warmup, then the inverse square root of time.

    lr(t) = peak · (t + 1) / (W + 1) before the warmup's end W, then peak / √(1 + (t - W) / timescale)

    Args:
        warmup: its length.
        timescale: > 0; the warmup's length where it is not given, and then peak · √(W / t).
        peak: the highest rate.

    >>> inverse_sqrt(3).on(Horizon(total=13))([0, 1, 2, 3, 12])
    array([0.25, 0.5 , 0.75, 1.  , 0.5 ])

    Elsewhere: transformers ``inverse_sqrt``, lrsched ``inverse_sqrt``, pytorch-scheduler
    ``InverseSqrtScheduler``: all with the rate 0 for the first update.

    Source: Vaswani et al., 2017; see ``noam`` for its own constant.
    """
    check = Arguments("inverse_sqrt")
    length = check.length("warmup", warmup)
    if timescale is None:
        timescale = check.length("warmup", warmup, positive=True)
    level = check.level("peak", peak)
    law = InverseSqrt(check.length("timescale", timescale, positive=True), start=level)
    return law if length.is_zero else rise(level, length) >> law


def noam(d_model: int, warmup: int, *, scale: float = 1.0) -> Rate:
    """The schedule of "Attention is all you need", with its own rate.

    lr(t) = scale · d_model^-0.5 · min((t + 1)^-0.5, (t + 1) · warmup^-1.5)

    Args:
        d_model: the width of the model, ≥ 1.
        warmup: steps, ≥ 1; the highest rate, scale / √(d_model · warmup), is used by the last of them.
        scale: > 0.

    >>> noam(512, 4000).on(Horizon(total=100_000))([0, 3_999, 15_999]).round(7)
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


def power_scheduler(
    peak: float, a: float = 4.0, b: float = 0.51, *, warmup: DurationLike = 0, unit: str = "tok"
) -> Rate:
    """A power of the tokens seen, cut off at a highest rate: it need not know how long training will be.

    lr(n) = min(peak, a · n^-b) after n tokens; in the warmup of W steps peak · (t + 1) / (W + 1)

    Args:
        peak: the highest rate, > 0.
        a: > 0; in the paper 4 times the batch size in sequences.
        b: > 0.
        warmup: its length.
        unit: what n counts: ``"tok"``, ``"smp"``, ``"st"`` or ``"ep"``.

    >>> plan = power_scheduler(0.02, 4 * 128, 0.51)
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
    flat = Constant(highest, over=check.rest("warmup", start, length))
    plan = flat >> law
    return plan if length.is_zero else rise(check.level("peak", peak), length) >> plan


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


def chebyshev(
    steps: int,
    small: float = 0.05,
    *,
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

    >>> chebyshev(4).on(Horizon(total=5))(range(5)).round(3)
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
