"""Phases: schedules of a few parts that fill the run, from one-cycle to warmup-stable-decay."""

from __future__ import annotations

from etude.durations import STEP, Duration, DurationLike
from etude.errors import ScheduleError
from etude.levels import BASE, Level, LevelLike
from etude.schedules.algebra import Constant, Rate
from etude.schedules.recipes.arguments import Arguments
from etude.schedules.recipes.warmups import rise
from etude.schedules.shapes import Cosine, Linear

__all__ = [
    "flat_cosine",
    "infinite",
    "knee",
    "one_cycle",
    "one_cycle_momentum",
    "slanted_triangular",
    "swa",
    "wsd",
    "yolo",
]


def one_cycle(
    peak: LevelLike = BASE,
    *,
    over: DurationLike = "100%",
    up: float = 0.3,
    div: float = 25.0,
    final_div: float = 1e4,
    three_phase: bool = False,
    ease: str = "cosine",
) -> Rate:
    """One-cycle: up to the peak, down far below the start, ended on the run's last update.

    Up from peak / div to the peak, which step up · over - 1 uses; then down to peak / (div · final_div),
    which step over - 1 uses. With three phases, down to peak / div first, as fast as up, then on to the
    end.

    Args:
        peak: the highest rate.
        over: the whole length.
        up: the share of it that goes up, in (0, 1), at least one step long; at most 0.5 with three phases.
        div: peak / start, ≥ 1.
        final_div: start / end, ≥ 1.
        three_phase: whether to come back to the start before the end (Smith's form, with ``ease="linear"``).
        ease: ``"cosine"``, ``"linear"`` or another.

    Elsewhere: torch ``OneCycleLR`` (whose value one step past its end is below 0 or far above it), optax
    ``cosine_onecycle_schedule`` and ``linear_onecycle_schedule`` (one step longer), lrsched ``one_cycle``,
    mmengine ``OneCycleLR``, fastai ``fit_one_cycle``.

    Source: Smith, 2018 (arXiv 1803.09820); Smith and Topin, 2018; the step numbers of torch.

    >>> one_cycle(1.0).on(Horizon(total=12))([0, 1, 2, 11]).round(5)
    array([0.04   , 0.34979, 0.87929, 0.     ])
    """
    check = Arguments("one_cycle")
    div, final_div = check.number("div", div, least=1), check.number("final_div", final_div, least=1)
    top = check.level("peak", peak)
    start = top / div
    return _one_cycle(check, start, top, start / final_div, start, over, up, three_phase, ease)


def one_cycle_momentum(
    low: LevelLike = 0.85,
    high: LevelLike = 0.95,
    *,
    over: DurationLike = "100%",
    up: float = 0.3,
    three_phase: bool = False,
    ease: str = "cosine",
) -> Rate:
    """The momentum that goes with ``one_cycle``: down to ``low`` while the rate goes up, and back.

    It turns on the same steps: high at 0, low at up · over - 1, high again at over - 1 (with three phases
    as soon as the rate is back at its start).

    Args:
        low: the lowest momentum, at the rate's peak.
        high: the first and the last.
        over: the whole length.
        up: the share of it in which the rate goes up.
        three_phase: whether the rate comes back to its start before the end.
        ease: ``"cosine"``, ``"linear"`` or another.

    >>> one_cycle_momentum().on(Horizon(total=12))([0, 11])
    array([0.95, 0.95])

    Elsewhere: torch ``OneCycleLR(cycle_momentum=True)``.

    Source: Smith, 2018 (arXiv 1803.09820).
    """
    check = Arguments("one_cycle_momentum")
    least, most = check.level("low", low), check.level("high", high)
    return _one_cycle(check, most, least, most, most, over, up, three_phase, ease)


def _one_cycle(
    check: Arguments,
    start: Level,
    middle: Level,
    stop: Level,
    back: Level,
    over: DurationLike,
    up: float,
    three_phase: bool,
    ease: str,
) -> Rate:
    shape = check.shape("ease", ease)
    up = check.number("up", up, above=0)
    if up >= 1 or (check.flag("three_phase", three_phase) and up > 0.5):
        raise ScheduleError(
            f"{check.named('up')} must be less than 1, and at most 0.5 with three phases; got {up!r}"
        )
    whole = check.length("over", over, positive=True)
    rising = whole * up - STEP
    falling = whole - STEP - rising - (rising if three_phase else Duration(()))
    for part in (rising, falling):
        if part.terms and all(amount < 0 for _, amount in part.terms):
            raise ScheduleError(
                f"{check.named('over')} must be long enough for each phase: the way up takes {up:g} of it, "
                f"which must be a step or more; got {over!r}"
            )
    way_up = shape(start, middle, over=rising)
    if not three_phase:
        return way_up >> shape(middle, stop, over=falling)
    return way_up >> shape(middle, back, over=rising) >> shape(back, stop, over=falling)


def slanted_triangular(
    over: DurationLike = "100%", cut: float = 0.1, ratio: float = 32.0, *, peak: LevelLike = BASE
) -> Rate:
    """Slanted triangular: up quickly in a straight line, and down slowly.

    lr(t) = peak · (1 + p · (ratio - 1)) / ratio, with p = t / (cut · over) on the way up, and on the way down
    p = 1 - (t - cut · over) / ((1 - cut) · over)

    Args:
        over: the whole length.
        cut: the share of it that goes up, in [0, 1].
        ratio: peak / lowest rate, ≥ 1.
        peak: the highest rate.

    >>> slanted_triangular(10, 0.2, 4).on(Horizon(total=11))([0, 1, 2, 6, 10])
    array([0.25 , 0.625, 1.   , 0.625, 0.25 ])

    Elsewhere: pytorch-scheduler ``SlantedTriangularScheduler`` (which never reaches its peak on short runs),
    AllenNLP ``slanted_triangular``.

    Source: ULMFiT (Howard and Ruder, 2018).
    """
    check = Arguments("slanted_triangular")
    whole, share = check.length("over", over), check.share("cut", cut)
    top = check.level("peak", peak)
    low = top / check.number("ratio", ratio, least=1)
    up = whole * share
    return Linear(low, top, over=up) >> Linear(top, low, over=whole - up)


def flat_cosine(
    flat: float = 0.7, over: DurationLike = "100%", *, floor: LevelLike = 0.0, peak: LevelLike = BASE
) -> Rate:
    """The peak for a share of the run, then a half cosine down.

    lr(t) = peak before flat · over; then with p the share of the rest that has passed,
    floor + (peak - floor) · (1 + cos πp) / 2

    Args:
        flat: the share of the run at the peak, in [0, 1].
        over: the whole length.
        floor: the last rate.
        peak: the first.

    >>> flat_cosine(0.5, 8).on(Horizon(total=9))([0, 4, 6, 8])
    array([1. , 1. , 0.5, 0. ])

    Elsewhere: fastai ``fit_flat_cos``, pytorch-scheduler ``FlatCosineScheduler`` (one step longer flat).

    Source: fastai; Ranger (Wright, 2019).
    """
    check = Arguments("flat_cosine")
    whole, share = check.length("over", over), check.share("flat", flat)
    top, low = check.level("peak", peak), check.level("floor", floor)
    hold = whole * share
    return Constant(top, over=hold) >> Cosine(top, low, over=whole - hold)


def knee(
    explore: DurationLike = "50%",
    *,
    warmup: DurationLike = 0,
    over: DurationLike = "100%",
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
) -> Rate:
    """Explore at the peak, then exploit on a straight line down.

    lr(t) = peak · (t + 1) / (W + 1) in a warmup of W steps, the peak while it explores, then in a straight
    line to the floor

    Args:
        explore: how long the peak is held.
        warmup: the length of the warmup.
        over: the whole length.
        floor: the last rate.
        peak: the highest.

    >>> knee(2, over=6).on(Horizon(total=7))(range(7))
    array([1.  , 1.  , 1.  , 0.75, 0.5 , 0.25, 0.  ])

    Elsewhere: the paper's own ``KneeLRScheduler``.

    Source: Wide-minima density hypothesis (Iyer et al., 2023).
    """
    check = Arguments("knee")
    start, hold = check.length("warmup", warmup), check.length("explore", explore)
    top = check.level("peak", peak)
    left = check.rest("over", check.length("over", over), start, hold)
    plan = Constant(top, over=hold) >> Linear(top, check.level("floor", floor), over=left)
    return plan if start.is_zero else rise(top, start) >> plan


def infinite(
    warmup: DurationLike, decay: DurationLike, level: LevelLike = 0.1 * BASE, *, peak: LevelLike = BASE
) -> Rate:
    """Training without a last step: warmup, a half cosine to a constant, and that for ever.

    lr(t) = peak · (t + 1) / (W + 1) in a warmup of W steps, then half a cosine from the peak to the level,
    then the level; ``.cooldown(at, over=..., stop=..., ease="geometric")`` ends it when the end is known

    Args:
        warmup: its length; 0 for none.
        decay: the length of the half cosine.
        level: the constant rate.
        peak: the highest.

    >>> infinite(0, 4, 0.5).cooldown(6, over=2).on(Horizon(total=9))(range(9)).round(4)
    array([1.    , 0.9268, 0.75  , 0.5732, 0.5   , 0.5   , 0.5   , 0.25  , 0.    ])

    Elsewhere: re-implementations named ``InfiniteLRScheduler`` and ``cos_inf_schedule``.

    Source: Singh et al., 2025 (arXiv 2503.02844); Ibrahim et al., 2024.
    """
    check = Arguments("infinite")
    start, length = check.length("warmup", warmup), check.length("decay", decay)
    top, low = check.level("peak", peak), check.level("level", level)
    plan = Cosine(top, low, over=length) >> Constant(low)
    return plan if start.is_zero else rise(top, start) >> plan


def swa(
    rate: LevelLike,
    anneal: DurationLike = "10ep",
    *,
    at: DurationLike = "75%",
    ease: str = "cosine",
    peak: LevelLike = BASE,
) -> Rate:
    """Stochastic weight averaging: from some step on to a constant rate, at which weights are averaged.

    lr(t) = the peak before ``at``, then down (or up) along the ease to the rate, and that for ever

    Args:
        rate: of the averaging.
        anneal: how long it takes to get there.
        at: when it begins.
        ease: ``"cosine"``, ``"linear"`` or another.
        peak: the rate before it; for another schedule write ``plan.cooldown(at, over=anneal, stop=rate,
            ease="cosine")``.

    >>> swa(0.25, 2, at=2, ease="linear").on(Horizon(total=6))(range(6))
    array([1.   , 1.   , 1.   , 0.625, 0.25 , 0.25 ])

    Elsewhere: torch ``SWALR``, Lightning ``StochasticWeightAveraging``.

    Source: Izmailov et al., 2018.
    """
    check = Arguments("swa")
    shape = check.shape("ease", ease)
    top, goal = check.level("peak", peak), check.level("rate", rate)
    start = Constant(top, over=check.length("at", at))
    return start >> shape(top, goal, over=check.length("anneal", anneal)) >> Constant(goal)


def yolo(
    lr0: LevelLike = BASE, lrf: float = 0.2, epochs: DurationLike = "100%", warmup: DurationLike = "3ep"
) -> Rate:
    """YOLO's: a half cosine over the whole run times a linear warmup from 0.

    lr(t) = min(t / warmup, 1) · lr0 · (lrf + (1 - lrf) · (1 + cos(π t / epochs)) / 2)

    Args:
        lr0: the rate at the start of the cosine.
        lrf: its last rate, as a share of ``lr0``, ≥ 0.
        epochs: the length of the run, a Duration (a bare number is steps; ``"300ep"`` is epochs).
        warmup: the length of the warmup, likewise.

    Elsewhere: Ultralytics ``cos_lr=True``.

    Source: Ultralytics' YOLOv5 and later, ``cos_lr=True``, which takes the cosine once per epoch.

    >>> yolo(0.01, 0.2, 100, 4).on(Horizon(total=101))([0, 2, 100]).round(6)
    array([0.      , 0.004996, 0.002   ])
    """
    check = Arguments("yolo")
    top = check.level("lr0", lr0)
    whole, start = check.length("epochs", epochs), check.length("warmup", warmup)
    return Linear(0.0, 1.0, over=start) * Cosine(top, top * check.number("lrf", lrf, least=0), over=whole)


def wsd(
    warmup: DurationLike,
    decay: DurationLike,
    *,
    over: DurationLike = "100%",
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
    ease: str = "linear",
) -> Rate:
    """Warmup, stable, decay (the trapezoid).

    With a warmup of W steps and a decay of D, lr(t) = peak · (t + 1) / (W + 1) before W, the peak until
    over - D, then down to the floor along the ease.

    Args:
        warmup: its length; 0 for none.
        decay: the length of the decay.
        over: the whole length.
        floor: the last rate.
        peak: the stable rate.
        ease: of the decay: ``"linear"``, ``"cosine"``, ``"one_minus_sqrt"``, ``"one_minus_square"``,
            ``"mirror_cosine"``, ``"rex"``, or ``"geometric"`` (exponential, to a floor above 0).

    Elsewhere: transformers ``warmup_stable_decay``, torchtitan, lrsched ``warmup_stable_decay``,
    pytorch_optimizer ``get_wsd_schedule`` (whose decays aim below their floor), nanoGPT's trapezoid.

    Source: Hu et al. (MiniCPM), 2024; Hägele et al., 2024.

    >>> wsd(1, 2).on(Horizon(total=6))(range(6))
    array([0.5, 1. , 1. , 1. , 1. , 0.5])
    """
    check = Arguments("wsd")
    start, end = check.length("warmup", warmup), check.length("decay", decay)
    stable = check.rest("over", check.length("over", over), start, end)
    top, low = check.level("peak", peak), check.level("floor", floor)
    plan = Constant(top, over=stable) >> check.decay("ease", ease, low)(top, low, over=end)
    return plan if start.is_zero else rise(top, start) >> plan
