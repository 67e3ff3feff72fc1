"""Hypothesis strategies: levels, durations and schedules of every kind, on one horizon that fits them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

import etude as et
from etude import BASE, Factor, Horizon, Level, Rate, Schedule
from etude.errors import HorizonError
from etude.schedules.algebra import durations_of
from etude.schedules.rebuilt import in_steps
from etude.tables import Table
from etude.timeline import Clock

HORIZON = Horizon(steps_per_epoch=7, total="30ep", samples_per_step=4, tokens_per_step=64)
STEPS = 210
"""The length of that horizon: no multiple of most lengths below, so that boundaries fall anywhere."""


def expression(value: object) -> str | None:
    """For ``ids=``: a schedule by its expression, the rest as pytest does it."""
    return repr(value) if isinstance(value, Schedule) else None


def wobble(step: float) -> float:
    """A user's function, for ``Custom``."""
    return 1.5 + math.sin(step)


numbers = st.one_of(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.floats(0, 10, allow_subnormal=False))
positive = st.floats(1e-6, 10)
relative = st.builds(lambda factor, offset: factor * BASE + offset, positive, st.sampled_from([0.0, 0.25]))
levels: st.SearchStrategy[Level | float] = st.one_of(numbers, relative)

whole_durations = st.one_of(
    st.integers(1, 40), st.sampled_from(["1ep", "3ep", "1ep + 1st", "2ep - 1st", "20%", "12smp", "640tok"])
)
durations = st.one_of(whole_durations, st.sampled_from(["10/3st", "2.5ep", "1/3ep", "12.5%", "7smp", 1.1]))
filling = st.sampled_from(["rest", "rest", "rest + 1ep"])
"""Until the run ends, or later: nothing can follow."""
parts_of_the_rest = st.sampled_from(["0.5rest", "2/3rest", "rest - 10st", "0.25rest + 1st", "0.5rest - 1ep"])
rests = st.one_of(filling, parts_of_the_rest)
shares = st.one_of(st.sampled_from([0.1, 0.25, 1 / 3]), st.floats(0.01, 0.9))
"""Of a recipe's own length."""

growths = st.sampled_from([1, 2, 3, 1.1, "3/2", "1/2", 0.9])

NOTHING: st.SearchStrategy[Any] = st.nothing()


def catalogue(
    rates: st.SearchStrategy[Any],
    lengths: st.SearchStrategy[Any],
    rests: st.SearchStrategy[Any] = NOTHING,
    shares: st.SearchStrategy[Any] = NOTHING,
) -> dict[str, Any]:
    """For each name of the catalogue, what it may build from these rates and lengths.

    ``rests`` are lengths that count the rest of the run, ``shares`` are of a recipe's own length. Only
    ``after="raise"`` is left out: it is an error at most steps.
    """
    lasting = st.one_of(lengths, rests)
    units = lengths if rests.is_empty else st.one_of(lengths, st.sampled_from(["0.25rest", "0.1rest + 1st"]))
    some = NOTHING if rests.is_empty else st.sampled_from(["0.5rest", "2/3rest", "0.25rest + 1st"])
    wholes = st.one_of(
        st.just("100%"), NOTHING if rests.is_empty else st.sampled_from(["rest", "rest - 10st"])
    )

    def shaped(kind: Any, rates: Any = rates, **fields: Any) -> Any:
        common = {"start": rates, "stop": rates, "inclusive": st.booleans()} | fields
        after = st.sampled_from(["hold", "hold", "repeat"])
        return st.one_of(
            st.builds(kind, over=lengths, after=after, **common), st.builds(kind, over=rests, **common)
        )

    law = {"start": rates, "over": st.one_of(st.none(), lasting)}
    over = law["over"]
    peak = {"peak": rates}
    floored = {"warmup": st.one_of(st.just(0), lengths), "floor": rates} | peak
    eases = st.sampled_from(["linear", "cosine"])
    factors = st.floats(0.5, 1)
    above_zero = st.one_of(positive, st.just(BASE)) if rates is levels else positive
    powers = st.sampled_from([1.0, 0.5, 2.0, 3.0])
    upper = st.sampled_from(["60ep", 500])
    warmups = st.one_of(st.sampled_from([0, 5, "2ep", "2.5%"]), shares)

    def over_all(recipe: Any, **fields: Any) -> Any:
        return st.one_of(
            st.builds(recipe, wholes, warmup=warmups, **fields),
            st.builds(recipe, lasting, warmup=shares, **fields),
            st.builds(recipe, lasting, **fields),
        )

    return {
        "Constant": st.builds(et.Constant, rates, over=over),
        "Linear": shaped(et.Linear),
        "Cosine": shaped(et.Cosine, power=powers, k=powers),
        "Ramp": shaped(
            et.Ramp,
            ease=st.sampled_from(
                ["quarter_cosine", "quarter_sine", "mirror_cosine", "one_minus_sqrt", "one_minus_square"]
            ),
        ),
        "Tanh": shaped(et.Tanh, lower=st.floats(-8, -1), upper=st.floats(0, 4)),
        "Hyperbolic": st.one_of(
            shaped(et.Hyperbolic, upper=upper),
            shaped(et.Hyperbolic, above_zero, upper=upper, geometric=st.just(True)),
        ),
        "Rex": shaped(et.Rex, beta=st.floats(0, 0.95)),
        "Polynomial": shaped(et.Polynomial, power=st.floats(0.1, 5), k=powers),
        "Geometric": shaped(et.Geometric, above_zero),
        "Points": st.one_of(
            st.builds(
                lambda points, ease: et.Points(sorted(points, key=lambda point: point[0]), ease=ease),
                st.lists(st.tuples(st.integers(0, 60), rates), min_size=1, max_size=5),
                eases,
            ),
            st.builds(
                lambda first, second, when, ease: et.Points([(0, first), (when, second)], ease=ease),
                rates,
                rates,
                rests,
                eases,
            ),
        ),
        "Exponential": st.builds(et.Exponential, factors, per=units, **law),
        "InverseTime": st.builds(et.InverseTime, numbers, per=units, **law),
        "PowerLaw": st.builds(et.PowerLaw, st.floats(0.1, 2), timescale=units, **law),
        "InverseSqrt": st.builds(et.InverseSqrt, units, **law),
        "Steps": st.one_of(
            st.builds(et.Steps, units, factors, **law),
            st.builds(et.Steps, gamma=factors, at=st.lists(lasting, min_size=1, max_size=4), **law),
        ),
        "Sigmoid": st.builds(et.Sigmoid, st.floats(0.01, 2), middle=lasting, per=units, **law),
        "PolynomialCycles": st.builds(et.PolynomialCycles, units, power=st.floats(0.1, 3), **law),
        "ExponentialWarmup": st.builds(et.ExponentialWarmup, units, over=over),
        "RAdamWarmup": st.builds(et.RAdamWarmup, st.floats(0.7, 0.9999), over=over),
        "Noise": st.one_of(
            st.builds(et.Noise, st.integers(0, 2**40), st.floats(0.001, 1), every=units, over=over),
            st.builds(
                et.Noise,
                st.integers(0, 9),
                st.floats(0.001, 1),
                distribution=st.just("normal"),
                std=st.one_of(st.none(), st.floats(0.001, 2)),
            ),
        ),
        "Custom": st.builds(et.Custom, st.just("tests.strategies:wobble"), **law),
        "Plateau": st.builds(
            et.Plateau,
            st.sampled_from(["loss", "accuracy"]),
            factor=st.floats(0, 0.9),
            patience=st.integers(1, 5),
            mode=st.sampled_from(["min", "max"]),
            threshold=st.floats(0, 1),
            threshold_mode=st.sampled_from(["rel", "abs"]),
            cooldown=st.integers(0, 5),
            minimum=st.floats(0, 1),
            counting=st.sampled_from(["torch", "keras", "optax"]),
            nan=st.sampled_from(["bad", "ignore"]),
            start_after=st.integers(0, 3),
            average=st.integers(1, 3),
        ),
        "minimum": st.builds(et.minimum, rates, rates),
        "maximum": st.builds(et.maximum, rates, rates, rates),
        "time_decay": st.builds(et.time_decay, numbers, per=lengths, **floored),
        "exponential": st.builds(et.exponential, factors, per=lengths, **floored),
        "step": st.builds(et.step, lengths, factors, **floored),
        "multistep": st.builds(et.multistep, st.lists(lasting, min_size=1, max_size=4), factors, **floored),
        "cosine": over_all(et.cosine, floor=rates, cycles=st.integers(1, 4), **peak),
        "linear": over_all(et.linear, floor=rates, **peak),
        "polynomial": over_all(et.polynomial, power=st.floats(0.1, 5), floor=rates, k=powers, **peak),
        "inverse_sqrt": st.builds(
            et.inverse_sqrt, lengths, warmup=st.one_of(st.none(), st.just(0), lengths), floor=rates, **peak
        ),
        "noam": st.builds(et.noam, d_model=st.integers(1, 2048), warmup=st.integers(1, 40), scale=positive),
        "power_scheduler": st.builds(
            et.power_scheduler,
            peak=st.floats(0.01, 1),
            a=st.floats(1, 20),
            b=st.floats(0.3, 1),
            unit=st.sampled_from(["tok", "smp", "st", "ep"]),
        ),
        "adafactor": st.builds(et.adafactor, warmup_init=st.booleans()),
        "chebyshev": st.builds(
            et.chebyshev, steps=st.sampled_from([2, 4, 16]), small=st.floats(0.01, 0.9), per=lengths, **peak
        ),
        "piecewise_constant": st.one_of(
            st.lists(st.tuples(st.integers(0, 60), rates), min_size=1, max_size=5).map(
                lambda points: et.piecewise_constant(
                    sorted(when for when, _ in points), rates=[*(rate for _, rate in points), points[0][1]]
                )
            ),
            st.builds(
                lambda first, second, third: et.piecewise_constant(
                    [first, "0.75rest"], rates=[second, third, second]
                ),
                some.filter(lambda when: when != "0.25rest + 1st"),
                rates,
                rates,
            ),
        ),
        "infinite": st.builds(et.infinite, st.one_of(lengths, some), warmup=lengths, level=rates, **peak),
        "slanted_triangular": st.builds(
            et.slanted_triangular, lasting, up=st.one_of(st.just(0), shares), ratio=st.floats(1, 50), **peak
        ),
        "warmup": st.builds(et.warmup, lasting, start=st.one_of(st.none(), numbers), ease=eases),
        "untuned_warmup": st.builds(
            et.untuned_warmup, st.floats(0.5, 0.999), ease=st.sampled_from(["linear", "exponential"])
        ),
        "sgdr": st.one_of(
            st.builds(
                et.sgdr,
                lengths,
                stretch=growths,
                up=st.one_of(st.just(0), shares),
                floor=rates,
                gain=factors,
                cycles=st.one_of(st.none(), st.integers(1, 5)),
                **peak,
            ),
            st.builds(
                lambda rise, fall, **options: et.sgdr(rise + fall, up=rise, **options),
                st.integers(1, 9),
                st.integers(1, 20),
                stretch=growths,
                floor=rates,
                gain=factors,
                cycles=st.one_of(st.none(), st.integers(1, 5)),
                **peak,
            ),
        ),
        "cyclic_cosine_decay": st.builds(
            et.cyclic_cosine_decay,
            lengths,
            rates,
            lengths,
            growths,
            rates,
            lengths,
            rates,
            init_lr=st.one_of(st.none(), rates),
            warmup_shape=eases,
        ),
        "cyclic": st.builds(
            lambda up, low, rise, **rest: et.cyclic(up, low=low, high=low + rise, **rest),
            lengths,
            rates,
            numbers,
            down=st.one_of(st.none(), lengths),
            shape=st.sampled_from(["linear", "cosine", "sine"]),
            mode=st.sampled_from(["exp_range", "exp_range_both"]),
            gamma=st.floats(0.9, 1),
            per=lengths,
            gain=st.one_of(st.none(), factors),
            cycles=st.one_of(st.none(), st.integers(1, 5)),
        ),
        "one_cycle": st.builds(
            et.one_cycle,
            wholes,
            up=st.one_of(st.floats(0.1, 0.5), st.sampled_from([3, "1ep"])),
            div=st.floats(1, 30),
            final_div=st.floats(1, 1e4),
            three_phase=st.booleans(),
            ease=eases,
            **peak,
        ),
        "one_cycle_momentum": st.builds(
            et.one_cycle_momentum,
            wholes,
            low=rates,
            high=rates,
            up=st.floats(0.1, 0.5),
            three_phase=st.booleans(),
            ease=eases,
        ),
        "yolo": st.builds(et.yolo, lasting, lr0=rates, lrf=st.floats(0, 1), warmup=lengths),
        "wsd": st.one_of(
            st.builds(
                et.wsd,
                wholes,
                warmup=warmups,
                cooldown=st.sampled_from([10, "5ep", "12.5%", 0.1]),
                floor=rates,
                ease=st.sampled_from(["linear", "cosine", "one_minus_sqrt", "mirror_cosine", "rex"]),
                **peak,
            ),
            st.builds(
                et.wsd,
                st.one_of(lengths, some),
                warmup=st.just(0.1),
                cooldown=shares,
                floor=rates,
                power=powers,
                **peak,
            ),
        ),
    }


EVERY_KIND = catalogue(levels, durations, rests, shares)
"""Name of the catalogue → strategy of what it builds."""


FACTORS = ("ExponentialWarmup", "Noise", "Plateau", "RAdamWarmup", "untuned_warmup", "warmup")
"""The names of the catalogue that build factors; all others build rates."""


def units_of(schedule: Schedule) -> set[str]:
    """The units of all its durations."""
    lengths = (length for part in schedule.walk() for _, length in durations_of(part))
    return {unit for length in lengths for unit, _ in length.terms}


def fits(schedule: Schedule, horizon: Horizon = HORIZON) -> bool:
    """Whether the run is long enough for it: only what counts the run may come out negative."""
    try:
        schedule.on(horizon)
    except HorizonError:
        if units_of(schedule) & {"%", "rest"}:
            return False
        raise
    return True


def left_after(schedule: Schedule, steps: Fraction | int) -> Table:
    """The schedule on what is left of the run after some steps, where it counts that."""
    if "rest" not in units_of(schedule):
        return schedule.on(HORIZON)
    assume("%" not in units_of(schedule) and steps < STEPS)
    return schedule.on(Horizon(7, STEPS - Fraction(steps), samples_per_step=4, tokens_per_step=64))


def finite(schedule: Any) -> Any:
    """The schedule, left after a while if it never ends."""
    if schedule.extent == "finite":
        return schedule
    if isinstance(schedule, Factor):
        return schedule.until(9)
    return schedule.cooldown(9, over=4, stop=0.5)


def followed(schedule: Any) -> Any:
    """The schedule, left after a while if nothing could follow it."""
    ended = finite(schedule)
    return ended.until(9) if ended.fills_the_run else ended


def _after(first: Any, second: Any) -> Any:
    return followed(first) >> second


def _times(first: Rate, second: Schedule) -> Rate:
    if isinstance(second, Rate) and first.depends_on_base and second.depends_on_base:
        return first + second
    return first * second


def _repeated(schedule: Any, times: int | None, stretch: Any, gain: float) -> Any:
    once, three = finite(schedule), et.warmup(3) if schedule.multiplies else et.Constant(0.5, over=3)
    if not fits(once):
        once = three
    elif "rest" in units_of(once):
        once = in_steps(once, HORIZON)
    if not once.length(Clock(HORIZON)):
        once = once >> three
    return once.repeat(times, stretch=stretch, gain=gain)


def _of_either(parts: st.SearchStrategy[Any]) -> list[st.SearchStrategy[Any]]:
    """What may be made of rates alone, and of factors alone."""
    shifts = st.one_of(st.integers(-9, 9), st.sampled_from(["1ep", "-1ep", "0.25rest", "-0.1rest"]))
    return [
        *(st.builds(join, parts, parts) for join in (_after, lambda a, b: a + b, et.minimum, et.maximum)),
        st.builds(_repeated, parts, st.one_of(st.none(), st.integers(1, 6)), growths, st.floats(0.5, 1)),
        st.builds(lambda part, by: part.shift(by), parts, shifts),
        st.builds(lambda part, at: part.until(at), parts, st.one_of(durations, rests)),
        st.builds(lambda part, factor: part.stretch(factor), parts, st.sampled_from([2, "1/2", "3/2", 1.1])),
    ]


factors: st.SearchStrategy[Factor] = st.recursive(
    st.one_of(*(EVERY_KIND[name] for name in FACTORS)),
    lambda parts: st.one_of(*_of_either(parts), st.builds(lambda a, b: a * b, parts, parts)),
    max_leaves=3,
)
"""Any factor."""


def _compositions(parts: st.SearchStrategy[Rate]) -> st.SearchStrategy[Rate]:
    return st.one_of(
        *_of_either(parts),
        st.builds(_times, parts, st.one_of(parts, factors)),
        st.builds(lambda part, low, rise: part.clip(low, low + rise), parts, numbers, numbers),
        st.builds(
            lambda part, at, over, stop: finite(part).cooldown(at, over=over, stop=stop, ease="cosine"),
            parts,
            st.one_of(durations, parts_of_the_rest),
            st.one_of(durations, rests),
            numbers,
        ),
    )


schedules: st.SearchStrategy[Rate] = st.recursive(
    st.one_of(
        *(kind for name, kind in EVERY_KIND.items() if name not in FACTORS),
        st.builds(lambda factor, level: factor * level, factors, levels),
    ),
    _compositions,
    max_leaves=5,
).filter(fits)
"""Any rate: recipes, combinators, fractional boundaries, nested a few levels deep."""

OVER_THE_RUN = (
    "cosine",
    "linear",
    "one_cycle",
    "one_cycle_momentum",
    "polynomial",
    "power_scheduler",
    "slanted_triangular",
    "untuned_warmup",
    "wsd",
    "yolo",
)
whole_schedules: st.SearchStrategy[Rate] = st.one_of(
    *(
        kind.map(lambda factor: factor * BASE) if name in FACTORS else kind
        for name, kind in catalogue(levels, whole_durations).items()
        if name not in OVER_THE_RUN
    )
)
"""A schedule all of whose lengths are whole steps; its growing cycles' need not be."""
