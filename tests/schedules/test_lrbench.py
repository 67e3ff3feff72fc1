"""The 34 policies of LRBench: each is one expression here, equal at every step to what it computes there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import (
    Constant,
    Horizon,
    PowerLaw,
    Schedule,
    Sigmoid,
    cyclic,
    exponential,
    multistep,
    polynomial,
    step,
)

STEPS = 100


@dataclass(frozen=True)
class Policy:
    """The parameters by LRBench's names, and its formulas.

    ``k0`` is the rate, or the lower one of two and ``k1`` the higher; ``l`` is half a cycle, or a whole one
    of the RSW family.
    """

    k0: float
    k1: float
    gamma: float
    p: float
    l: int  # noqa: E741 - its name there

    def between(self, share: float) -> float:
        return (self.k1 - self.k0) * share + self.k0

    def cycle(self, t: float) -> float:
        return math.floor(t / (2 * self.l))

    def triangle(self, t: float) -> float:
        # There 2 / π · |asin(sin(π t / 2l))|, which is the same line with half of the digits at its peak.
        return 1 - abs(t / self.l % 2 - 1)

    def sine(self, t: float) -> float:
        return abs(math.sin(math.pi * t / (2 * self.l)))

    def cosine(self, t: float) -> float:
        return (1 + math.cos(math.pi * t / self.l)) / 2

    def saw(self, t: float) -> float:
        # There -t/l - ⌊-t/l⌋, which is 0 where it should be 1: at the first step of every cycle.
        return 1 - t / self.l % 1


FORMULAS: dict[str, Callable[[Policy, int], float]] = {
    "FIX": lambda s, t: s.k0,
    "STEP": lambda s, t: s.k0 * s.gamma ** math.floor(t / s.l),
    "NSTEP": lambda s, t: s.k0 * s.gamma ** sum(when <= t for when in (s.l, 3 * s.l)),
    "EXP": lambda s, t: s.k0 * s.gamma**t,
    "INV": lambda s, t: s.k0 * (1 + s.gamma * t) ** -s.p,
    # From k1 to k0; past l, there a complex number.
    "POLY": lambda s, t: s.between((1 - min(t / s.l, 1)) ** s.p),
    # With their gamma below 0; above it, it is a warmup without an end.
    "SIG": lambda s, t: s.k0 / (1 + math.exp(s.gamma * (t - s.l))),
    "TRI": lambda s, t: s.between(s.triangle(t)),
    "TRI2": lambda s, t: s.between(s.triangle(t) / 2 ** s.cycle(t)),
    "TRIEXP": lambda s, t: s.between(s.triangle(t) * s.gamma**t),
    "DTRI": lambda s, t: s.between(s.triangle(t + s.l)),
    "DTRI2": lambda s, t: s.between(s.triangle(t + s.l) / 2 ** s.cycle(t + s.l)),
    "DTRIEXP": lambda s, t: s.between(s.triangle(t + s.l) * s.gamma**t),
    "SIN": lambda s, t: s.between(s.sine(t)),
    "SIN2": lambda s, t: s.between(s.sine(t) / 2 ** s.cycle(t)),
    "SINEXP": lambda s, t: s.between(s.sine(t) * s.gamma**t),
    "DSIN": lambda s, t: s.between(s.sine(t + s.l)),
    "DSIN2": lambda s, t: s.between(s.sine(t + s.l) / 2 ** s.cycle(t + s.l)),
    "DSINEXP": lambda s, t: s.between(s.sine(t + s.l) * s.gamma**t),
    # Its cycle is 2l long, where the paper's table prints a period of l.
    "COS": lambda s, t: s.between(s.cosine(t)),
    "COS2": lambda s, t: s.between(s.cosine(t) / 2 ** s.cycle(t + s.l)),
    "COSEXP": lambda s, t: s.between(s.cosine(t) * s.gamma**t),
    "UPCOS": lambda s, t: s.between(s.cosine(t + s.l)),
    "UPCOS2": lambda s, t: s.between(s.cosine(t + s.l) / 2 ** s.cycle(t)),
    "UPCOSEXP": lambda s, t: s.between(s.cosine(t + s.l) * s.gamma**t),
    "RSW": lambda s, t: s.between(s.saw(t)),
    "RSW2": lambda s, t: s.between(s.saw(t) / 2 ** math.floor(t / s.l)),
    "RSWEXP": lambda s, t: s.between(s.saw(t) * s.gamma**t),
    "SINRSW": lambda s, t: s.between(math.sin(math.pi / 2 * s.saw(t))),
    "SINRSW2": lambda s, t: s.between(math.sin(math.pi / 2 * s.saw(t)) / 2 ** math.floor(t / s.l)),
    "SINRSWEXP": lambda s, t: s.between(math.sin(math.pi / 2 * s.saw(t)) * s.gamma**t),
    "COSRSW": lambda s, t: s.between((1 - math.cos(math.pi * s.saw(t))) / 2),
    "COSRSW2": lambda s, t: s.between((1 - math.cos(math.pi * s.saw(t))) / 2 / 2 ** math.floor(t / s.l)),
    "COSRSWEXP": lambda s, t: s.between((1 - math.cos(math.pi * s.saw(t))) / 2 * s.gamma**t),
}


def waves(shape: str, name: str, falls: bool) -> dict[str, Callable[[Policy], Schedule]]:
    """The plain, the halving and the exponential member of a family; one that falls starts at its peak."""

    def plain(s: Policy) -> Schedule:
        return cyclic(s.l, low=s.k0, high=s.k1, shape=shape)

    def halving(s: Policy) -> Schedule:
        return cyclic(s.l, low=s.k0, high=s.k1, mode="triangular2", shape=shape)

    def fading(s: Policy) -> Schedule:
        return cyclic(s.l, low=s.k0, high=s.k1, mode="exp_range", gamma=s.gamma, shape=shape)

    def fading_from_the_peak(s: Policy) -> Schedule:
        # Shifted alone, for it is counted from the start of the run.
        wave = cyclic(s.l, low=0.0, high=s.k1 - s.k0, shape=shape).shift(-s.l)
        return wave * exponential(s.gamma, peak=1.0) + s.k0

    if not falls:
        return {name: plain, f"{name}2": halving, f"{name}EXP": fading}
    return {
        name: lambda s: plain(s).shift(-s.l),
        f"{name}2": lambda s: halving(s).shift(-s.l),
        f"{name}EXP": fading_from_the_peak,
    }


def saws(shape: str, name: str) -> dict[str, Callable[[Policy], Schedule]]:
    return {
        name: lambda s: cyclic(0, low=s.k0, high=s.k1, down=s.l, shape=shape),
        f"{name}2": lambda s: cyclic(0, low=s.k0, high=s.k1, down=s.l, mode="triangular2", shape=shape),
        f"{name}EXP": lambda s: cyclic(
            0, low=s.k0, high=s.k1, down=s.l, mode="exp_range", gamma=s.gamma, shape=shape
        ),
    }


EXPRESSIONS: dict[str, Callable[[Policy], Schedule]] = {
    "FIX": lambda s: Constant(s.k0),
    "STEP": lambda s: step(s.l, s.gamma, peak=s.k0),
    "NSTEP": lambda s: multistep([s.l, 3 * s.l], s.gamma, peak=s.k0),
    "EXP": lambda s: exponential(s.gamma, peak=s.k0),
    "INV": lambda s: PowerLaw(s.p, timescale=1 / Fraction(s.gamma), start=s.k0),
    "POLY": lambda s: polynomial(s.l, power=s.p, floor=s.k0, peak=s.k1),
    "SIG": lambda s: Sigmoid(s.gamma, middle=s.l, start=s.k0 / (1 + math.exp(-s.gamma * s.l))),
    **waves("linear", "TRI", falls=False),
    **waves("linear", "DTRI", falls=True),
    **waves("sine", "SIN", falls=False),
    **waves("sine", "DSIN", falls=True),
    **waves("cosine", "COS", falls=True),
    **waves("cosine", "UPCOS", falls=False),
    **saws("linear", "RSW"),
    **saws("sine", "SINRSW"),
    **saws("cosine", "COSRSW"),
}

policies = st.builds(
    lambda k0, rise, gamma, p, half: Policy(k0, k0 + rise, gamma, p, half),
    st.floats(0.001, 0.1),
    st.floats(0.01, 1),
    st.floats(0.5, 1, exclude_max=True),
    st.floats(0.3, 3),
    st.integers(1, 40),
)


def test_these_are_all_of_them() -> None:
    assert len(FORMULAS) == 34
    assert FORMULAS.keys() == EXPRESSIONS.keys()


@pytest.mark.parametrize("name", FORMULAS)
@given(policy=policies)
def test_policy(name: str, policy: Policy) -> None:
    ours = EXPRESSIONS[name](policy).on(Horizon())(range(STEPS))
    theirs = [FORMULAS[name](policy, t) for t in range(STEPS)]
    assert ours == pytest.approx(np.array(theirs), rel=1e-11, abs=1e-14)


def test_their_saw_tooth_begins_at_its_floor() -> None:
    theirs = [-t / 4 - math.floor(-t / 4) for t in range(9)]
    ours = cyclic(0, low=0.0, high=1.0, down=4).on(Horizon())(range(9))
    assert theirs == [0.0, 0.75, 0.5, 0.25, 0.0, 0.75, 0.5, 0.25, 0.0]
    assert ours.tolist() == [1.0, 0.75, 0.5, 0.25, 1.0, 0.75, 0.5, 0.25, 1.0]
