"""Hypothesis strategies: levels, durations and schedules of every kind, on one horizon that fits them."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

import etude as et
from etude import BASE, Factor, Horizon, Level, Rate, Schedule

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

growths = st.sampled_from([1, 2, 3, 1.1, "3/2", "1/2", 0.9])


def catalogue(rates: st.SearchStrategy[Any], lengths: st.SearchStrategy[Any]) -> dict[str, Any]:
    """For each name of the catalogue, what it may build from these rates and lengths.

    Only ``after="raise"`` is left out: it is an error at most steps.
    """
    shape = {
        "start": rates,
        "stop": rates,
        "over": lengths,
        "inclusive": st.booleans(),
        "after": st.sampled_from(["hold", "hold", "repeat"]),
    }
    law = {"start": rates, "over": st.one_of(st.none(), lengths)}
    peak = {"peak": rates}
    eases = st.sampled_from(["linear", "cosine"])
    factors = st.floats(0.5, 1)
    above_zero = st.one_of(positive, st.just(BASE)) if rates is levels else positive
    powers = st.sampled_from([1.0, 0.5, 2.0, 3.0])
    upper = st.sampled_from(["60ep", 500])
    shares = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(1e-9, 1))
    warmups = st.sampled_from([0, 5, "2ep", "2.5%"])
    return {
        "Constant": st.builds(et.Constant, rates, over=st.one_of(st.none(), lengths)),
        "Linear": st.builds(et.Linear, **shape),
        "Cosine": st.builds(et.Cosine, power=powers, k=powers, **shape),
        "QuarterCosine": st.builds(et.QuarterCosine, **shape),
        "QuarterSine": st.builds(et.QuarterSine, **shape),
        "MirrorCosine": st.builds(et.MirrorCosine, **shape),
        "OneMinusSquare": st.builds(et.OneMinusSquare, **shape),
        "Tanh": st.builds(et.Tanh, lower=st.floats(-8, -1), upper=st.floats(0, 4), **shape),
        "Hyperbolic": st.builds(et.Hyperbolic, upper=upper, **shape),
        "ExpHyperbolic": st.builds(
            et.ExpHyperbolic, upper=upper, **shape | {"start": above_zero, "stop": above_zero}
        ),
        "OneMinusSqrt": st.builds(et.OneMinusSqrt, **shape),
        "Rex": st.builds(et.Rex, beta=st.floats(0, 0.95), **shape),
        "Polynomial": st.builds(et.Polynomial, power=st.floats(0.1, 5), k=powers, **shape),
        "Geometric": st.builds(et.Geometric, **shape | {"start": above_zero, "stop": above_zero}),
        "Points": st.builds(
            lambda points, ease: et.Points(sorted(points, key=lambda point: point[0]), ease=ease),
            st.lists(st.tuples(st.integers(0, 60), rates), min_size=1, max_size=5),
            eases,
        ),
        "Exponential": st.builds(et.Exponential, factors, per=lengths, **law),
        "InverseTime": st.builds(et.InverseTime, numbers, per=lengths, **law),
        "PowerLaw": st.builds(et.PowerLaw, st.floats(0.1, 2), timescale=lengths, **law),
        "InverseSqrt": st.builds(et.InverseSqrt, lengths, **law),
        "Steps": st.one_of(
            st.builds(et.Steps, factors, every=lengths, **law),
            st.builds(et.Steps, factors, at=st.lists(lengths, min_size=1, max_size=4), **law),
        ),
        "Sigmoid": st.builds(et.Sigmoid, st.floats(0.01, 2), middle=lengths, per=lengths, **law),
        "PolynomialCycles": st.builds(et.PolynomialCycles, lengths, power=st.floats(0.1, 3), **law),
        "ExponentialWarmup": st.builds(et.ExponentialWarmup, lengths, over=law["over"]),
        "RAdamWarmup": st.builds(et.RAdamWarmup, st.floats(0.7, 0.9999), over=law["over"]),
        "Noise": st.one_of(
            st.builds(et.Noise, st.integers(0, 2**40), st.floats(0.001, 1), every=lengths),
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
        "fixed": st.builds(et.fixed, rates),
        "time_decay": st.builds(et.time_decay, numbers, per=lengths, **peak),
        "exponential": st.builds(et.exponential, factors, per=lengths, **peak),
        "step": st.builds(et.step, lengths, factors, **peak),
        "multistep": st.builds(et.multistep, st.lists(lengths, min_size=1, max_size=4), factors, **peak),
        "cosine": st.builds(et.cosine, lengths, rates, **peak),
        "linear_to_zero": st.builds(et.linear_to_zero, st.just("100%"), warmup=warmups, **peak),
        "polynomial": st.builds(
            et.polynomial, st.just("100%"), st.floats(0.1, 5), rates, warmup=warmups, k=powers, **peak
        ),
        "inverse_sqrt": st.builds(et.inverse_sqrt, lengths, st.one_of(st.none(), lengths), **peak),
        "noam": st.builds(et.noam, st.integers(1, 2048), st.integers(1, 40), scale=positive),
        "power_scheduler": st.builds(
            et.power_scheduler,
            st.floats(0.01, 1),
            st.floats(1, 20),
            st.floats(0.3, 1),
            unit=st.sampled_from(["tok", "smp", "st", "ep"]),
        ),
        "adafactor": st.builds(et.adafactor, warmup_init=st.booleans()),
        "chebyshev": st.builds(
            et.chebyshev, st.sampled_from([2, 4, 16]), st.floats(0.01, 0.9), per=lengths, **peak
        ),
        "piecewise_constant": st.lists(st.tuples(st.integers(0, 60), rates), min_size=1, max_size=5).map(
            lambda points: et.piecewise_constant(
                sorted(when for when, _ in points), rates=[*(rate for _, rate in points), points[0][1]]
            )
        ),
        "flat_cosine": st.builds(et.flat_cosine, shares, floor=rates, **peak),
        "knee": st.builds(et.knee, st.sampled_from(["30%", "5ep", 11]), warmup=warmups, floor=rates, **peak),
        "infinite": st.builds(et.infinite, lengths, lengths, rates, **peak),
        "slanted_triangular": st.builds(et.slanted_triangular, lengths, shares, st.floats(1, 50), **peak),
        "swa": st.builds(et.swa, rates, lengths, at=lengths, ease=eases, **peak),
        "warmup": st.builds(et.warmup, lengths, st.one_of(st.none(), numbers), ease=eases),
        "untuned_linear_warmup": st.builds(et.untuned_linear_warmup, st.floats(0.5, 0.999)),
        "untuned_exponential_warmup": st.builds(et.untuned_exponential_warmup, st.floats(0.5, 0.999)),
        "cosine_with_restarts": st.builds(
            et.cosine_with_restarts, st.integers(1, 5), warmup=warmups, floor=rates, **peak
        ),
        "warmup_restarts": st.builds(
            lambda rise, fall, *rest, **options: et.warmup_restarts(rise + fall, rise, *rest, **options),
            st.integers(1, 9),
            st.integers(1, 20),
            growths,
            floor=rates,
            gain=factors,
            cycles=st.one_of(st.none(), st.integers(1, 5)),
            **peak,
        ),
        "sgdr": st.builds(
            et.sgdr,
            lengths,
            growths,
            floor=rates,
            gain=factors,
            cycles=st.one_of(st.none(), st.integers(1, 5)),
            **peak,
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
            lambda low, rise, **rest: et.cyclic(low, low + rise, **rest),
            rates,
            numbers,
            up=lengths,
            down=st.one_of(st.none(), lengths),
            shape=st.sampled_from(["linear", "cosine", "sine"]),
            mode=st.sampled_from(["exp_range", "exp_range_both"]),
            gamma=st.floats(0.9, 1),
            per=lengths,
            gain=st.one_of(st.none(), factors),
            cycles=st.one_of(st.none(), st.integers(1, 5)),
        ),
        "cyclic_momentum": st.builds(et.cyclic_momentum, rates, rates, lengths, lengths),
        "one_cycle": st.builds(
            et.one_cycle,
            rates,
            up=st.floats(0.1, 0.5),
            div=st.floats(1, 30),
            final_div=st.floats(1, 1e4),
            three_phase=st.booleans(),
            ease=eases,
        ),
        "one_cycle_momentum": st.builds(
            et.one_cycle_momentum, rates, rates, up=st.floats(0.1, 0.5), three_phase=st.booleans(), ease=eases
        ),
        "yolo": st.builds(et.yolo, rates, st.floats(0, 1), warmup=lengths),
        "wsd": st.builds(
            et.wsd,
            st.sampled_from([0, 5, "2ep", "2.5%"]),
            st.sampled_from([10, "5ep", "12.5%"]),
            floor=rates,
            ease=st.sampled_from(["linear", "cosine", "one_minus_sqrt", "mirror_cosine", "rex"]),
            **peak,
        ),
    }


EVERY_KIND = catalogue(levels, durations)
"""Name of the catalogue → strategy of what it builds."""


FACTORS = (
    "ExponentialWarmup",
    "Noise",
    "Plateau",
    "RAdamWarmup",
    "untuned_exponential_warmup",
    "untuned_linear_warmup",
    "warmup",
)
"""The names of the catalogue that build factors; all others build rates."""


def finite(schedule: Any) -> Any:
    """The schedule, left after a while if it never ends."""
    if schedule.extent == "finite":
        return schedule
    if isinstance(schedule, Factor):
        return schedule.until(9)
    return schedule.cooldown(9, over=4, stop=0.5)


def _after(first: Any, second: Any) -> Any:
    return finite(first) >> second


def _times(first: Rate, second: Schedule) -> Rate:
    if isinstance(second, Rate) and first.depends_on_base and second.depends_on_base:
        return first + second
    return first * second


def _repeated(schedule: Any, times: int | None, stretch: Any, gain: float) -> Any:
    once = finite(schedule)
    if not once.length(HORIZON):
        once = once >> (et.warmup(3) if isinstance(once, Factor) else et.Constant(0.5, over=3))
    return once.repeat(times, stretch=stretch, gain=gain)


def _of_either(parts: st.SearchStrategy[Any]) -> list[st.SearchStrategy[Any]]:
    """What may be made of rates alone, and of factors alone."""
    shifts = st.one_of(st.integers(-9, 9), st.sampled_from(["1ep", "-1ep"]))
    return [
        *(st.builds(join, parts, parts) for join in (_after, lambda a, b: a + b, et.minimum, et.maximum)),
        st.builds(_repeated, parts, st.one_of(st.none(), st.integers(1, 6)), growths, st.floats(0.5, 1)),
        st.builds(lambda part, by: part.shift(by), parts, shifts),
        st.builds(lambda part, at: part.until(at), parts, durations),
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
            durations,
            durations,
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
)
"""Any rate: recipes, combinators, fractional boundaries, nested a few levels deep."""

OVER_THE_RUN = (
    "cosine_with_restarts",
    "flat_cosine",
    "knee",
    "linear_to_zero",
    "one_cycle",
    "one_cycle_momentum",
    "polynomial",
    "power_scheduler",
    "slanted_triangular",
    "untuned_exponential_warmup",
    "untuned_linear_warmup",
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
