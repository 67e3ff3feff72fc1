"""Recipes: the named schedules of the field, as plain functions that return compositions.

Nothing but the algebra is ever evaluated: print a recipe's result to see what it is made of. Lengths are
Durations (a bare number is steps); rates are Levels, and ``BASE`` is the optimizer's own rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from etude.durations import STEP, DurationLike, to_duration
from etude.errors import ScheduleError
from etude.levels import BASE, Level, LevelLike, to_level
from etude.schedules import bounds
from etude.schedules.algebra import Constant, Schedule
from etude.schedules.laws import Exponential, InverseTime, Steps
from etude.schedules.shapes import Cosine, Linear, OneMinusSqrt, Shape

__all__ = [
    "cosine",
    "cyclic",
    "cyclic_cosine_decay",
    "cyclic_momentum",
    "exponential",
    "fixed",
    "linear_to_zero",
    "multistep",
    "one_cycle",
    "one_cycle_momentum",
    "sgdr",
    "step",
    "time_decay",
    "wsd",
    "yolo",
]

SHAPES: dict[str, type[Shape]] = {"linear": Linear, "cosine": Cosine, "one_minus_sqrt": OneMinusSqrt}
MODES = ("triangular", "triangular2", "exp_range", "exp_range_both")


def _shape(name: str, field: str) -> type[Shape]:
    return SHAPES[bounds.choice(name, field, SHAPES)]


def fixed(rate: LevelLike = BASE) -> Schedule:
    """One rate throughout.

    lr(t) = rate

    >>> fixed()
    Constant(BASE)
    """
    return Constant(rate)


def time_decay(rate: float, *, per: DurationLike = STEP, peak: LevelLike = BASE) -> Schedule:
    """Time-based decay.

    lr(t) = peak / (1 + rate · t / per)

    >>> time_decay(0.1, per="1ep")
    InverseTime(0.1, per='1ep')
    """
    return InverseTime(rate, start=peak, per=per)


def exponential(gamma: float, *, per: DurationLike = STEP, peak: LevelLike = BASE) -> Schedule:
    """The same factor for every unit of time.

    lr(t) = peak · gamma^(t / per)

    >>> exponential(0.95, per="1ep")
    Exponential(0.95, per='1ep')
    """
    return Exponential(gamma, start=peak, per=per)


def step(every: DurationLike, gamma: float = 0.1, *, peak: LevelLike = BASE) -> Schedule:
    """A factor at every so many steps.

    lr(t) = peak · gamma^⌊t / every⌋

    >>> step("30ep", 0.5)
    Steps(0.5, every='30ep')
    """
    return Steps(gamma, start=peak, every=every)


def multistep(at: Sequence[DurationLike], gamma: float = 0.1, *, peak: LevelLike = BASE) -> Schedule:
    """A factor at each of the given times.

    lr(t) = peak · gamma^(how many of ``at`` are ≤ t)

    >>> multistep(["30ep", "60ep"])
    Steps(0.1, at=['30ep', '60ep'])
    """
    return Steps(gamma, start=peak, at=at)


def cosine(over: DurationLike = "100%", floor: LevelLike = 0.0, *, peak: LevelLike = BASE) -> Schedule:
    """One half cosine from the peak to the floor, held there.

    lr(t) = floor + (peak - floor) · (1 + cos(π t / over)) / 2

    >>> cosine()
    Cosine(BASE, 0.0, over='100%')
    """
    return Cosine(peak, floor, over=over)


def linear_to_zero(
    over: DurationLike = "100%", *, warmup: DurationLike = 0, peak: LevelLike = BASE
) -> Schedule:
    """A straight line to 0 over the run, after a linear warmup where one is asked for.

    With a warmup of W steps, lr(t) = peak · (t + 1) / (W + 1) before W, then peak · (over - t) / (over - W):
    no update has the rate 0.

    Args:
        over: the whole length, warmup included.
        warmup: its length.
        peak: the highest rate.

    >>> linear_to_zero().on(Horizon(total=4))(range(4))
    array([1.  , 0.75, 0.5 , 0.25])
    """
    warmup = bounds.length(warmup, "linear_to_zero(warmup=)")
    decay = Linear(peak, 0.0, over=to_duration(over, "linear_to_zero(over=)") - warmup)
    return decay if warmup.is_zero else _warmup(peak, warmup) >> decay


def _warmup(peak: LevelLike, warmup: DurationLike) -> Schedule:
    """A straight line that would be 0 one step before it starts."""
    # The start of such a line is peak / (W + 1), which is not known before the horizon: so it is the line
    # from 0 over W + 1 steps, entered at its second.
    return Linear(0.0, peak, over=to_duration(warmup) + STEP).shift(-1)


def sgdr(
    period: DurationLike,
    stretch: float | Fraction | str = 1,
    *,
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
    gain: float = 1.0,
    cycles: int | None = None,
) -> Schedule:
    """Cosine annealing with warm restarts.

    In cycle i, which is period · stretchⁱ long, with p the share of it that has passed,
    lr(t) = floor + (peak · gainⁱ - floor) · (1 + cos πp) / 2

    Args:
        period: the length of the first cycle.
        stretch: how many times as long each cycle is as the last (T_mult), > 0.
        floor: where each cycle ends.
        peak: where the first cycle starts.
        gain: how many times as high each peak is as the last, ≥ 0.
        cycles: how many; not given, for ever.

    Source: Loshchilov and Hutter, 2017; torch's ``CosineAnnealingWarmRestarts``.

    >>> sgdr(1, 2).on(Horizon(total=7))([0, 1, 2, 3]).round(4)
    array([1. , 1. , 0.5, 1. ])
    """
    if gain == 1 or to_level(floor, "sgdr(floor=)") == Level(0.0, 0.0):
        return Cosine(peak, floor, over=period).repeat(cycles, stretch=stretch, gain=gain)
    # The peaks shrink and the floor stays: only what falls from the peak is scaled.
    falling = Cosine(peak, 0.0, over=period).repeat(cycles, stretch=stretch, gain=gain)
    rising = Cosine(0.0, floor, over=period).repeat(cycles, stretch=stretch)
    return falling + rising


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
) -> Schedule:
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
        warmup_shape: ``"linear"`` or ``"cosine"``.

    Source: github.com/abhuse/cyclic-cosine-decay, whose warmup is a half cosine to the base rate, which
    fails for a multiplier of 1 or less and restarts at the wrong rate for multipliers such as 3.

    >>> plan = cyclic_cosine_decay(
    ...     15, 2.5e-6, 10, restart_lr=12.5e-5, warmup_epochs=10, warmup_start_lr=2.5e-6
    ... )
    >>> plan.on(Horizon(total=60))([0, 10, 25, 35, 45])
    array([2.50e-06, 1.25e-04, 1.25e-04, 1.25e-04, 1.25e-04])
    """
    name = "cyclic_cosine_decay"
    warm = _shape(warmup_shape, f"{name}(warmup_shape=)")
    first_peak = next((peak for peak in (init_lr, restart_lr) if peak is not None), BASE)
    restart_peak = first_peak if restart_lr is None else restart_lr
    plan: Schedule = Cosine(first_peak, min_decay_lr, over=init_decay_epochs)
    if (warmup_epochs is None) != (warmup_start_lr is None):
        raise ScheduleError(
            f"{name} takes warmup_epochs and warmup_start_lr together; got warmup_epochs={warmup_epochs!r} "
            f"and warmup_start_lr={warmup_start_lr!r}"
        )
    if warmup_epochs is not None and warmup_start_lr is not None:
        plan = warm(warmup_start_lr, first_peak, over=warmup_epochs) >> plan
    if restart_interval is not None:
        cycle = Cosine(restart_peak, min_decay_lr, over=restart_interval)
        multiplier = 1 if restart_interval_multiplier is None else restart_interval_multiplier
        return plan >> cycle.repeat(stretch=multiplier)
    if restart_interval_multiplier is not None:
        raise ScheduleError(
            f"{name} takes restart_interval_multiplier with a restart_interval only; got "
            f"restart_interval_multiplier={restart_interval_multiplier!r}"
        )
    return plan


def cyclic(
    low: LevelLike,
    high: LevelLike,
    up: DurationLike,
    down: DurationLike | None = None,
    mode: str = "triangular",
    *,
    gamma: float = 1.0,
    per: DurationLike = STEP,
    gain: float | None = None,
    cycles: int | None = None,
) -> Schedule:
    """Cyclical learning rates: up from ``low`` to ``high`` in a straight line, and down again.

    With w the wave that goes 0 → 1 → 0 in each cycle and n the cycle, counted from 0,

    - ``triangular``: low + (high - low) · w
    - ``triangular2``: low + (high - low) · w / 2ⁿ
    - ``exp_range``: low + (high - low) · w · gamma^(t / per), as in torch: the floor stays
    - ``exp_range_both``: (low + (high - low) · w) · gamma^(t / per), as in the paper: both bounds fall

    Args:
        low: the lower bound.
        high: the upper bound; the difference must not be negative.
        up: the length of the way up (the paper's stepsize: 2 to 10 epochs).
        down: the length of the way down; as long as the way up where it is not given.
        mode: one of the above.
        gamma: for the two exp_range modes, > 0: the factor of one unit of time.
        per: the unit of time.
        gain: the factor of the wave from one cycle to the next, instead of the mode's own (1, or 1/2 in
            ``triangular2``).
        cycles: how many; not given, for ever.

    Source: Smith, 2017 (arXiv 1506.01186); torch's ``CyclicLR``.

    >>> cyclic(0.1, 0.5, up=2, mode="triangular2").on(Horizon(total=8))(range(8))
    array([0.1, 0.3, 0.5, 0.3, 0.1, 0.2, 0.3, 0.2])
    """
    bounds.choice(mode, "cyclic(mode=)", MODES)
    gamma = bounds.number(gamma, "cyclic(gamma=)", above=0)
    decaying = mode.startswith("exp_range")
    if gamma != 1 and not decaying:
        raise ScheduleError(
            f"cyclic(gamma=) belongs to the exp_range modes; got gamma={gamma!r}, mode={mode!r}"
        )
    if gain is None:
        gain = 0.5 if mode == "triangular2" else 1.0
    gain = bounds.number(gain, "cyclic(gain=)", least=0)
    low, high = to_level(low, "cyclic(low=)"), to_level(high, "cyclic(high=)")
    height = to_level(high - low, "cyclic(high=) less cyclic(low=)")
    fade = Exponential(gamma, start=1.0, per=per)
    if gain == 1 and (not decaying or mode == "exp_range_both"):
        plain = _wave(low, high, up, down).repeat(cycles)
        return plain * fade if decaying else plain
    wave: Schedule = _wave(0.0, height, up, down).repeat(cycles, gain=gain)
    if mode == "exp_range":
        wave = wave * fade
    plan = wave if low == Level(0.0, 0.0) else wave + Constant(low)
    return plan * fade if mode == "exp_range_both" else plan


def _wave(low: LevelLike, high: LevelLike, up: DurationLike, down: DurationLike | None) -> Schedule:
    return Linear(low, high, over=up) >> Linear(high, low, over=up if down is None else down)


def cyclic_momentum(
    low: LevelLike,
    high: LevelLike,
    up: DurationLike,
    down: DurationLike | None = None,
    *,
    cycles: int | None = None,
) -> Schedule:
    """The momentum that goes with ``cyclic``: high where the rate is low, and low where it is high.

    With w the wave of ``cyclic``, momentum(t) = high - (high - low) · w

    Args:
        low: the lower bound, where the rate is highest.
        high: the upper bound, at the start of each cycle.
        up: the length of the rate's way up.
        down: of its way down; as long as the way up where it is not given.
        cycles: how many; not given, for ever.

    >>> cyclic_momentum(0.8, 0.9, up=2).on(Horizon(total=4))(range(4))
    array([0.9 , 0.85, 0.8 , 0.85])
    """
    return _wave(high, low, up, down).repeat(cycles)


def one_cycle(
    peak: LevelLike = BASE,
    *,
    over: DurationLike = "100%",
    up: float = 0.3,
    div: float = 25.0,
    final_div: float = 1e4,
    three_phase: bool = False,
    ease: str = "cosine",
) -> Schedule:
    """One-cycle: up to the peak, down far below the start, ended on the run's last update.

    Up from peak / div to the peak, which step up · over - 1 uses; then down to peak / (div · final_div),
    which step over - 1 uses. With three phases, down to peak / div first, as fast as up, then on to the
    end.

    Args:
        peak: the highest rate.
        over: the whole length.
        up: the share of it that goes up, in (0, 1); at most 0.5 with three phases.
        div: peak / start, ≥ 1.
        final_div: start / end, ≥ 1.
        three_phase: whether to come back to the start before the end (Smith's form, with ``ease="linear"``).
        ease: ``"cosine"`` or ``"linear"``.

    Source: Smith, 2018 (arXiv 1803.09820), Smith and Topin, 2018; the step numbers of torch's
        ``OneCycleLR``.

    >>> one_cycle(1.0).on(Horizon(total=12))([0, 1, 2, 11]).round(5)
    array([0.04   , 0.34979, 0.87929, 0.     ])
    """
    div = bounds.number(div, "one_cycle(div=)", least=1)
    final_div = bounds.number(final_div, "one_cycle(final_div=)", least=1)
    peak = to_level(peak, "one_cycle(peak=)")
    start = peak / div
    return _one_cycle("one_cycle", start, peak, start / final_div, start, over, up, three_phase, ease)


def one_cycle_momentum(
    low: LevelLike = 0.85,
    high: LevelLike = 0.95,
    *,
    over: DurationLike = "100%",
    up: float = 0.3,
    three_phase: bool = False,
    ease: str = "cosine",
) -> Schedule:
    """The momentum that goes with ``one_cycle``: down to ``low`` while the rate goes up, and back.

    It turns on the same steps: high at 0, low at up · over - 1, high again at over - 1 (with three phases
    as soon as the rate is back at its start).

    Args:
        low: the lowest momentum, at the rate's peak.
        high: the first and the last.
        over: the whole length.
        up: the share of it in which the rate goes up.
        three_phase: whether the rate comes back to its start before the end.
        ease: ``"cosine"`` or ``"linear"``.

    >>> one_cycle_momentum().on(Horizon(total=12))([0, 11])
    array([0.95, 0.95])
    """
    return _one_cycle("one_cycle_momentum", high, low, high, high, over, up, three_phase, ease)


def _one_cycle(
    name: str,
    start: LevelLike,
    middle: LevelLike,
    stop: LevelLike,
    back: LevelLike,
    over: DurationLike,
    up: float,
    three_phase: bool,
    ease: str,
) -> Schedule:
    shape = _shape(ease, f"{name}(ease=)")
    up = bounds.number(up, f"{name}(up=)", above=0)
    if up >= 1 or (bounds.flag(three_phase, f"{name}(three_phase=)") and up > 0.5):
        raise ScheduleError(f"{name}(up=) must be less than 1, and at most 0.5 with three phases; got {up!r}")
    whole = bounds.length(over, f"{name}(over=)")
    rise = whole * up - STEP
    if not three_phase:
        return shape(start, middle, over=rise) >> shape(middle, stop, over=whole - STEP - rise)
    fall = whole - STEP - rise - rise
    return shape(start, middle, over=rise) >> shape(middle, back, over=rise) >> shape(back, stop, over=fall)


def yolo(
    lr0: LevelLike = BASE, lrf: float = 0.2, epochs: DurationLike = "100%", warmup: DurationLike = "3ep"
) -> Schedule:
    """YOLO's: a half cosine over the whole run times a linear warmup from 0.

    lr(t) = min(t / warmup, 1) · lr0 · (lrf + (1 - lrf) · (1 + cos(π t / epochs)) / 2)

    Args:
        lr0: the rate at the start of the cosine.
        lrf: its last rate, as a share of ``lr0``, ≥ 0.
        epochs: the length of the run, a Duration (a bare number is steps; ``"300ep"`` is epochs).
        warmup: the length of the warmup, likewise.

    Source: Ultralytics' YOLOv5 and later, ``cos_lr=True``, which takes the cosine once per epoch.

    >>> yolo(0.01, 0.2, 100, 4).on(Horizon(total=101))([0, 2, 100]).round(6)
    array([0.      , 0.004996, 0.002   ])
    """
    lr0 = to_level(lr0, "yolo(lr0=)")
    lrf = bounds.number(lrf, "yolo(lrf=)", least=0)
    return Linear(0.0, 1.0, over=warmup) * Cosine(lr0, lr0 * lrf, over=epochs)


def wsd(
    warmup: DurationLike,
    decay: DurationLike,
    *,
    over: DurationLike = "100%",
    floor: LevelLike = 0.0,
    peak: LevelLike = BASE,
    ease: str = "linear",
) -> Schedule:
    """Warmup, stable, decay (the trapezoid).

    With a warmup of W steps and a decay of D, lr(t) = peak · (t + 1) / (W + 1) before W, the peak until
    over - D, then down to the floor along the ease.

    Args:
        warmup: its length; 0 for none.
        decay: the length of the decay.
        over: the whole length.
        floor: the last rate.
        peak: the stable rate.
        ease: of the decay: ``"linear"``, ``"cosine"`` or ``"one_minus_sqrt"``.

    Source: Hu et al. (MiniCPM), 2024; Hägele et al., 2024.

    >>> wsd(1, 2).on(Horizon(total=6))(range(6))
    array([0.5, 1. , 1. , 1. , 1. , 0.5])
    """
    warmup = bounds.length(warmup, "wsd(warmup=)")
    decay = bounds.length(decay, "wsd(decay=)")
    stable = Constant(peak, over=to_duration(over, "wsd(over=)") - warmup - decay)
    plan = stable >> _shape(ease, "wsd(ease=)")(peak, floor, over=decay)
    return plan if warmup.is_zero else _warmup(peak, warmup) >> plan
