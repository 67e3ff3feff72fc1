"""Phases: schedules of a few parts that fill the run, from one-cycle to warmup-stable-decay.

A part may be given as a length, or as a share of ``over``, a number in (0, 1).
"""

from __future__ import annotations

from etude.answers import answering
from etude.durations import REST, STEP, DurationLike
from etude.errors import ScheduleError
from etude.levels import BASE, Level, LevelLike
from etude.schedules.algebra import Constant, Rate
from etude.schedules.recipes.arguments import Arguments
from etude.schedules.recipes.warmups import warmed
from etude.schedules.shapes import Cosine, Linear, Polynomial

__all__ = [
    "infinite",
    "one_cycle",
    "one_cycle_momentum",
    "slanted_triangular",
    "wsd",
    "yolo",
]


@answering()
def one_cycle(
    over: DurationLike = REST,
    *,
    up: DurationLike = 0.3,
    div: float = 25.0,
    final_div: float = 1e4,
    three_phase: bool = False,
    ease: str = "cosine",
    peak: LevelLike = BASE,
) -> Rate:
    """One-cycle: up to the peak, down far below the start, ended on the last update.

    Up from peak / div to the peak, which the last step of the way up uses; then down to
    peak / (div · final_div), which step over - 1 uses. With three phases, down to peak / div first, as fast
    as up, then on to the end.

    Args:
        over: the whole length; not given, the ``"rest"`` of the run.
        up: the length of the way up, at least a step; or a share of ``over``, in (0, 1), with three phases
            at most 0.5.
        div: peak / start, ≥ 1.
        final_div: start / end, ≥ 1.
        three_phase: whether to come back to the start before the end (Smith's form, with ``ease="linear"``).
        ease: ``"cosine"``, ``"linear"`` or another.
        peak: the highest rate, BASE where it is not given.

    Elsewhere: torch ``OneCycleLR`` (whose value one step past its end is below 0 or far above it), optax
    ``cosine_onecycle_schedule`` and ``linear_onecycle_schedule`` (one step longer), lrsched ``one_cycle``,
    mmengine ``OneCycleLR``, fastai ``fit_one_cycle``.

    Source: Smith, 2018 (arXiv 1803.09820); Smith and Topin, 2018; the step numbers of torch.

    >>> one_cycle(peak=1.0).on(Horizon(total=12))([0, 1, 2, 11]).round(5)
    array([0.04   , 0.34979, 0.87929, 0.     ])
    """
    check = Arguments("one_cycle")
    div, final_div = check.number("div", div, least=1), check.number("final_div", final_div, least=1)
    top = check.level("peak", peak)
    start = top / div
    return _one_cycle(check, (start, top, start, start / final_div), over, up, three_phase, ease)


@answering()
def one_cycle_momentum(
    over: DurationLike = REST,
    *,
    low: LevelLike = 0.85,
    high: LevelLike = 0.95,
    up: DurationLike = 0.3,
    three_phase: bool = False,
    ease: str = "cosine",
) -> Rate:
    """The momentum that goes with ``one_cycle``: down to ``low`` while the rate goes up, and back.

    It turns on the same steps: high at 0, low on the last step of the way up, high again at over - 1 (with
    three phases as soon as the rate is back at its start).

    Args:
        over: the whole length; not given, the ``"rest"`` of the run.
        low: the lowest momentum, at the rate's peak.
        high: the first and the last.
        up: as for the rate.
        three_phase: as for the rate.
        ease: ``"cosine"``, ``"linear"`` or another.

    >>> one_cycle_momentum().on(Horizon(total=12))([0, 11])
    array([0.95, 0.95])

    Elsewhere: torch ``OneCycleLR(cycle_momentum=True)``.

    Source: Smith, 2018 (arXiv 1803.09820).
    """
    check = Arguments("one_cycle_momentum")
    least, most = check.level("low", low), check.level("high", high)
    return _one_cycle(check, (most, least, most, most), over, up, three_phase, ease)


def _one_cycle(
    check: Arguments,
    levels: tuple[Level, Level, Level, Level],
    over: DurationLike,
    up: DurationLike,
    three_phase: bool,
    ease: str,
) -> Rate:
    """From the first level to the second, with three phases to the third, and to the last."""
    first, middle, back, last = levels
    way = check.way("ease", ease)
    whole = check.length("over", over, positive=True)
    rising = check.part("up", up, whole) - STEP
    if check.flag("three_phase", three_phase) and isinstance(up, float) and 0.5 < up < 1:
        raise ScheduleError(f"{check.named('up')} must be at most 0.5 with three phases; got {up!r}")
    risen = rising * 2 if three_phase else rising
    falling = whole - STEP - risen
    for length in (rising, falling):
        if length.terms and all(amount < 0 for _, amount in length.terms):
            raise ScheduleError(
                f"{check.named('over')} must be long enough for each phase, and the way up a step or more; "
                f"got over={over!r}, up={up!r}"
            )
    fall = way(back if three_phase else middle, last, over=falling.after(risen))
    if three_phase:
        fall = way(middle, back, over=rising.after(rising)) >> fall
    return way(first, middle, over=rising) >> fall


@answering()
def slanted_triangular(
    over: DurationLike = REST,
    *,
    up: DurationLike = 0.1,
    ratio: float = 32.0,
    peak: LevelLike = BASE,
) -> Rate:
    """Slanted triangular: up quickly in a straight line, and down slowly.

    lr(t) = peak · (1 + p · (ratio - 1)) / ratio, with p = t / up on the way up, and on the way down
    p = 1 - (t - up) / (over - up)

    Args:
        over: the whole length; not given, the ``"rest"`` of the run.
        up: the length of the way up, or a share of ``over``, in (0, 1).
        ratio: peak / lowest rate, ≥ 1.
        peak: the highest rate, BASE where it is not given.

    >>> slanted_triangular(10, up=0.2, ratio=4).on(Horizon(total=11))([0, 1, 2, 6, 10])
    array([0.25 , 0.625, 1.   , 0.625, 0.25 ])

    Elsewhere: pytorch-scheduler ``SlantedTriangularScheduler`` (which never reaches its peak on short runs),
    AllenNLP ``slanted_triangular`` (whose ``cut_frac`` is ``up``).

    Source: ULMFiT (Howard and Ruder, 2018).
    """
    check = Arguments("slanted_triangular")
    whole = check.length("over", over)
    rising = check.part("up", up, whole)
    top = check.level("peak", peak)
    low = top / check.number("ratio", ratio, least=1)
    falling = check.left("over", whole, rising)
    return Linear(low, top, over=rising) >> Linear(top, low, over=falling.after(rising))


@answering()
def wsd(
    over: DurationLike = REST,
    *,
    warmup: DurationLike = 0,
    cooldown: DurationLike = "20%",
    floor: LevelLike = 0.0,
    ease: str = "linear",
    power: float = 1.0,
    peak: LevelLike = BASE,
) -> Rate:
    """Warmup, stable, decay (the trapezoid).

    With a warmup of W steps and a cooldown of D, lr(t) = peak · (t + 1) / (W + 1) before W, the peak until
    over - D, then down to the floor along the ease, or as (1 - q)^power of the share q that is gone.

    Args:
        over: the whole length; not given, the ``"rest"`` of the run.
        warmup: its length, or a share of ``over``, in (0, 1).
        cooldown: the length of the decay, or a share of ``over``.
        floor: the last rate.
        ease: of the decay: ``"linear"``, ``"cosine"``, ``"one_minus_sqrt"``, ``"one_minus_square"``,
            ``"mirror_cosine"``, ``"rex"``, or ``"geometric"`` (exponential, to a floor above 0).
        power: > 0; of a linear decay: above 1 it falls fast at first.
        peak: the stable rate, BASE where it is not given.

    Elsewhere: transformers ``warmup_stable_decay``, torchtitan, lrsched ``warmup_stable_decay``,
    pytorch_optimizer ``get_wsd_schedule`` (whose decays aim below their floor), nanoGPT's trapezoid. Without
    a warmup and with ``cooldown=0.3, ease="cosine"`` fastai's ``fit_flat_cos`` and pytorch-scheduler's
    ``FlatCosineScheduler`` (one step longer flat); with ``cooldown=0.5`` the ``KneeLRScheduler`` of Iyer et
    al., which explores at the peak and then exploits.

    Source: Hu et al. (MiniCPM), 2024; Hägele et al., 2024; earlier Wright (Ranger), 2019, and Iyer et al.
    (Wide-minima density hypothesis), 2023.

    >>> wsd(warmup=1, cooldown=2).on(Horizon(total=6))(range(6))
    array([0.5, 1. , 1. , 1. , 1. , 0.5])
    """
    check = Arguments("wsd")
    whole = check.length("over", over, positive=True)
    start, end = check.part("warmup", warmup, whole), check.part("cooldown", cooldown, whole)
    stable = check.left("over", whole, start, end)
    top, low = check.level("peak", peak), check.level("floor", floor)
    way, length = check.decay("ease", ease, low), end.after(start + stable)
    if check.number("power", power, above=0) == 1:
        decay = way(top, low, over=length)
    elif ease == "linear":
        decay = Polynomial(top, low, over=length, power=power)
    else:
        raise ScheduleError(f"{check.named('power')} belongs to ease='linear'; got {power!r}, ease={ease!r}")
    return warmed(top, start, Constant(top, over=stable.after(start)) >> decay)


@answering()
def infinite(
    decay: DurationLike,
    *,
    warmup: DurationLike = 0,
    level: LevelLike = 0.1 * BASE,
    peak: LevelLike = BASE,
) -> Rate:
    """Training without a last step: warmup, a half cosine to a constant, and that for ever.

    lr(t) = peak · (t + 1) / (W + 1) in a warmup of W steps, then half a cosine from the peak to the level,
    then the level; ``.cooldown(at, over=..., stop=..., ease="geometric")`` ends it when the end is known

    Args:
        decay: the length of the half cosine.
        warmup: the length of what comes before it.
        level: the constant rate.
        peak: the highest, BASE where it is not given.

    >>> infinite(4, level=0.5).cooldown(6, over=2).on(Horizon(total=9))(range(9)).round(4)
    array([1.    , 0.9268, 0.75  , 0.5732, 0.5   , 0.5   , 0.5   , 0.25  , 0.    ])

    Elsewhere: re-implementations named ``InfiniteLRScheduler`` and ``cos_inf_schedule``.

    Source: Singh et al., 2025 (arXiv 2503.02844); Ibrahim et al., 2024.
    """
    check = Arguments("infinite")
    length, start = check.length("decay", decay), check.length("warmup", warmup)
    top, low = check.level("peak", peak), check.level("level", level)
    return warmed(top, start, Cosine(top, low, over=length) >> Constant(low))


@answering()
def yolo(
    epochs: DurationLike = REST,
    *,
    lr0: LevelLike = BASE,
    lrf: float = 0.2,
    warmup: DurationLike = "3ep",
) -> Rate:
    """YOLO's, under its own names: a half cosine over the whole run times a linear warmup from 0.

    lr(t) = min(t / warmup, 1) · lr0 · (lrf + (1 - lrf) · (1 + cos(π t / epochs)) / 2)

    Args:
        epochs: the length of the run, a Duration (a bare number is steps; ``"300ep"`` is epochs); not given,
            the ``"rest"`` of it.
        lr0: the rate at the start of the cosine.
        lrf: its last rate, as a share of ``lr0``, ≥ 0.
        warmup: the length of the warmup.

    Elsewhere: Ultralytics ``cos_lr=True``.

    Source: Ultralytics' YOLOv5 and later, ``cos_lr=True``, which takes the cosine once per epoch.

    >>> yolo(100, lr0=0.01, warmup=4).on(Horizon(total=101))([0, 2, 100]).round(6)
    array([0.      , 0.004996, 0.002   ])
    """
    check = Arguments("yolo")
    whole, start = check.length("epochs", epochs), check.length("warmup", warmup)
    top = check.level("lr0", lr0)
    return Linear(0.0, 1.0, over=start) * Cosine(top, top * check.number("lrf", lrf, least=0), over=whole)
