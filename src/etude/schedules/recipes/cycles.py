"""Cycles: restarts, and waves between two bounds."""

from __future__ import annotations

from fractions import Fraction

from etude.answers import answering
from etude.durations import STEP, DurationLike
from etude.errors import ScheduleError
from etude.levels import BASE, Level, LevelLike, to_level
from etude.schedules import bounds
from etude.schedules.algebra import Constant, Rate
from etude.schedules.laws import Exponential
from etude.schedules.recipes.arguments import ZERO, Arguments, along
from etude.schedules.shapes import Cosine, Linear

__all__ = [
    "cyclic",
    "cyclic_cosine_decay",
    "sgdr",
]

MODES = ("triangular", "triangular2", "exp_range", "exp_range_both")
# The way up and the way down of a wave.
WAVES = {
    "linear": ("linear", "linear"),
    "cosine": ("cosine", "cosine"),
    "sine": ("quarter_sine", "quarter_cosine"),
}


@answering()
def sgdr(
    period: DurationLike,
    *,
    stretch: float | Fraction | str = 1,
    up: DurationLike = 0,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
    gain: float = 1.0,
    cycles: int | None = None,
) -> Rate:
    """Cosine annealing with warm restarts.

    In cycle i, which is period · stretchⁱ long, with p the share of it that has passed,
    lr(t) = floor + (peak · gainⁱ - floor) · (1 + cos πp) / 2; with a way up in each cycle, from the floor up
    in a straight line first, and down the half cosine in what is left of it

    Args:
        period: the length of the first cycle.
        stretch: how many times as long each cycle is as the last (T_mult), > 0.
        up: the length of the way up in the first cycle, which is stretched with it; or a share of the cycle,
            a number in (0, 1).
        floor: where each cycle ends.
        peak: the highest rate of the first cycle.
        gain: how many times as high each peak is as the last, ≥ 0.
        cycles: how many; not given, for ever.

    Elsewhere: torch ``CosineAnnealingWarmRestarts``, Keras ``CosineDecayRestarts``, timm
    ``CosineLRScheduler`` (``cycle_mul``, ``cycle_decay``), Composer
    ``CosineAnnealingWarmRestartsScheduler``, mmengine ``CosineRestartLR``, lrsched ``cosine_restarts``; the
    first four round some restarts down to the floor (multiplier 3 at the fifth, Keras in float32 also 2).
    With a way up ``CosineAnnealingWarmupRestarts`` of pytorch_optimizer (whose ``step()`` and ``step(epoch)``
    differ after the first restart) and of pytorch-scheduler (which without a warmup never reaches its peak).

    Source: Loshchilov and Hutter, 2017.

    >>> sgdr(1, stretch=2).on(Horizon(total=7))([0, 1, 2, 3]).round(4)
    array([1. , 1. , 0.5, 1. ])
    >>> sgdr(4, up=2, gain=0.5).on(Horizon(total=8))(range(8)).round(4)
    array([0.  , 0.5 , 1.  , 0.5 , 0.  , 0.25, 0.5 , 0.25])
    """
    check = Arguments("sgdr")
    length, growth = check.length("period", period, positive=True), check.ratio("stretch", stretch)
    low, high = check.level("floor", floor), check.level("peak", peak)
    gain, times = check.number("gain", gain, least=0), check.count("cycles", cycles)
    rising = check.part("up", up, length)
    falling = check.left("period", length, rising)

    def cycle(start: Level, middle: Level, stop: Level) -> Rate:
        down = Cosine(middle, stop, over=falling)
        return down if rising.is_zero else Linear(start, middle, over=rising) >> down

    if gain == 1 or low == ZERO:
        return cycle(low, high, low).repeat(times, stretch=growth, gain=gain)
    # The peaks shrink and the floor stays: only the share of the peak is scaled.
    waves = cycle(ZERO, high, ZERO).repeat(times, stretch=growth, gain=gain)
    return waves + cycle(low, ZERO, low).repeat(times, stretch=growth)


@answering()
def cyclic_cosine_decay(
    init_decay_epochs: DurationLike,
    min_decay_lr: LevelLike,
    restart_interval: DurationLike | None = None,
    restart_interval_multiplier: float | Fraction | str | None = None,
    restart_lr: LevelLike | None = None,
    warmup_epochs: DurationLike | None = None,
    warmup_start_lr: LevelLike | None = None,
    *,
    init_lr: LevelLike | None = None,
    warmup_shape: str = "linear",
) -> Rate:
    """Warmup, an initial cosine decay, then cosine decays with restarts: ``CyclicCosineDecayLR``.

    ``warmup_epochs`` from ``warmup_start_lr`` to the peak; ``init_decay_epochs`` of half a cosine from the
    peak to ``min_decay_lr``; then every ``restart_interval``, each ``restart_interval_multiplier`` times as
    long as the last, back to the restart rate and down to ``min_decay_lr`` again. Without a restart
    interval, ``min_decay_lr`` is held.

    Args:
        init_decay_epochs: the length of the initial decay. This and the other lengths are Durations: a
            bare number counts calls of ``scheduler.step()``, which are epochs where it is called once in
            each.
        min_decay_lr: the lowest rate.
        restart_interval: the length of the first cycle.
        restart_interval_multiplier: any number > 0, as written; 1 where it is not given.
        restart_lr: the rate after a restart; not given, the peak.
        warmup_epochs: the length of the warmup; none where it is not given.
        warmup_start_lr: the rate at the start of the warmup; needed if there is one.
        init_lr: the peak of the warmup and the initial decay; not given, it is ``restart_lr``, and where
            that is not given either, BASE.
        warmup_shape: ``"linear"``, ``"cosine"`` or another ease.

    Elsewhere: ``CyclicCosineDecayLR``, whose warmup is a half cosine to the base rate, which fails for a
    multiplier of 1 or less and restarts at the wrong rate for multipliers such as 3.

    Source: github.com/abhuse/cyclic-cosine-decay.

    >>> plan = cyclic_cosine_decay(
    ...     15, 2.5e-6, 10, restart_lr=12.5e-5, warmup_epochs=10, warmup_start_lr=2.5e-6
    ... )
    >>> plan.on(Horizon(total=60))([0, 10, 25, 35, 45])
    array([2.50e-06, 1.25e-04, 1.25e-04, 1.25e-04, 1.25e-04])
    """
    check = Arguments("cyclic_cosine_decay")
    warm = check.way("warmup_shape", warmup_shape)
    low = check.level("min_decay_lr", min_decay_lr)
    first_peak = next((peak for peak in (init_lr, restart_lr) if peak is not None), BASE)
    peak = check.level("restart_lr" if init_lr is None else "init_lr", first_peak)
    plan: Rate = Cosine(peak, low, over=check.length("init_decay_epochs", init_decay_epochs))
    if (warmup_epochs is None) != (warmup_start_lr is None):
        raise ScheduleError(
            f"cyclic_cosine_decay takes warmup_epochs and warmup_start_lr together; got "
            f"warmup_epochs={warmup_epochs!r} and warmup_start_lr={warmup_start_lr!r}"
        )
    if warmup_epochs is not None and warmup_start_lr is not None:
        start = check.level("warmup_start_lr", warmup_start_lr)
        plan = warm(start, peak, over=check.length("warmup_epochs", warmup_epochs)) >> plan
    multiplier = restart_interval_multiplier
    if restart_interval is not None:
        high = peak if restart_lr is None else check.level("restart_lr", restart_lr)
        interval = check.length("restart_interval", restart_interval, positive=True)
        growth = Fraction(1)
        if multiplier is not None:
            growth = check.ratio("restart_interval_multiplier", multiplier)
        return plan >> Cosine(high, low, over=interval).repeat(stretch=growth)
    if multiplier is not None:
        raise ScheduleError(
            f"cyclic_cosine_decay takes restart_interval_multiplier with a restart_interval only; got "
            f"restart_interval_multiplier={multiplier!r}"
        )
    return plan


@answering()
def cyclic(
    up: DurationLike,
    *,
    low: LevelLike,
    high: LevelLike = BASE,
    down: DurationLike | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    per: DurationLike = STEP,
    gain: float | None = None,
    cycles: int | None = None,
    shape: str = "linear",
) -> Rate:
    """Cyclical learning rates: up from ``low`` to ``high``, and down again.

    With w the wave that goes 0 → 1 → 0 in each cycle and n the cycle, counted from 0,

    - ``triangular``: low + (high - low) · w
    - ``triangular2``: low + (high - low) · w / 2ⁿ
    - ``exp_range``: low + (high - low) · w · gamma^(t / per), as in torch: the floor stays
    - ``exp_range_both``: (low + (high - low) · w) · gamma^(t / per), as in the paper: both bounds fall

    Args:
        up: the length of the way up (the paper's stepsize: 2 to 10 epochs); 0 is a saw-tooth that falls.
        low: the lower bound.
        high: the upper bound, BASE where it is not given; the difference must not be negative.
        down: the length of the way down; as long as the way up where it is not given; 0 is a saw-tooth that
            rises.
        mode: one of the above.
        gamma: for the two exp_range modes, > 0: the factor of one unit of time.
        per: the unit of time.
        gain: the factor of the wave from one cycle to the next, instead of the mode's own (1, or 1/2 in
            ``triangular2``).
        cycles: how many; not given, for ever.
        shape: of both ways: ``"linear"``, ``"cosine"`` (half cosines) or ``"sine"`` (half a sine, pointed at
            the floor).

    ``cyclic(...).shift(-up)`` starts at the upper bound. The momentum that goes with it, high where the rate
    is low, is ``cyclic(up, low=0.0, high=0.1).under(0.95)``.

    Elsewhere: torch ``CyclicLR`` (and its ``cycle_momentum``), bckenstler's ``CyclicLR`` for Keras, lrsched
    ``triangular``, Ignite ``LinearCyclicalScheduler``, LRBench ``TRI``, ``SIN``, ``COS``, ``RSW`` (whose
    first update of each cycle has the floor instead of the peak) and their variants.

    Source: Smith, 2017 (arXiv 1506.01186); Wu et al., 2019 (LRBench).

    >>> cyclic(2, low=0.1, high=0.5, mode="triangular2").on(Horizon(total=8))(range(8))
    array([0.1, 0.3, 0.5, 0.3, 0.1, 0.2, 0.3, 0.2])
    """
    check = Arguments("cyclic")
    bounds.choice(mode, check.named("mode"), MODES)
    ways = list(map(along, WAVES[bounds.choice(shape, check.named("shape"), WAVES)]))
    gamma = check.number("gamma", gamma, above=0)
    decaying = mode.startswith("exp_range")
    if gamma != 1 and not decaying:
        raise ScheduleError(
            f"cyclic(gamma=) belongs to the exp_range modes; got gamma={gamma!r}, mode={mode!r}"
        )
    if gain is None:
        gain = 0.5 if mode == "triangular2" else 1.0
    gain, times = check.number("gain", gain, least=0), check.count("cycles", cycles)
    low, high = check.level("low", low), check.level("high", high)
    height = to_level(high - low, "cyclic(high=) less cyclic(low=)")
    rising = check.length("up", up)
    falling = rising if down is None else check.length("down", down)
    if rising.is_zero and falling.is_zero:
        raise ScheduleError(f"cyclic(up=) or cyclic(down=) must be more than 0; got up={up!r}, down={down!r}")

    def wave(start: Level, middle: Level) -> Rate:
        return ways[0](start, middle, over=rising) >> ways[1](middle, start, over=falling)

    fade = Exponential(gamma, start=1.0, per=check.length("per", per, positive=True))
    if gain == 1 and (not decaying or mode == "exp_range_both"):
        plain = wave(low, high).repeat(times)
        return plain * fade if decaying else plain
    waves: Rate = wave(ZERO, height).repeat(times, gain=gain)
    if mode == "exp_range":
        waves = waves * fade
    plan = waves if low == ZERO else waves + Constant(low)
    return plan * fade if mode == "exp_range_both" else plan
