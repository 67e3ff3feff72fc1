"""Recipes: the named schedules of the field, as plain functions that return compositions.

Nothing but the algebra is ever evaluated: print a recipe's result to see what it is made of. Lengths are
Durations (a bare number is steps); rates are Levels, and ``BASE`` is the optimizer's own rate.
"""

from etude.schedules.recipes.cycles import (
    cosine_with_restarts,
    cyclic,
    cyclic_cosine_decay,
    cyclic_momentum,
    sgdr,
    warmup_restarts,
)
from etude.schedules.recipes.decays import (
    adafactor,
    chebyshev,
    cosine,
    exponential,
    fixed,
    inverse_sqrt,
    linear_to_zero,
    multistep,
    noam,
    piecewise_constant,
    polynomial,
    power_scheduler,
    step,
    time_decay,
)
from etude.schedules.recipes.phases import (
    flat_cosine,
    infinite,
    knee,
    one_cycle,
    one_cycle_momentum,
    slanted_triangular,
    swa,
    wsd,
    yolo,
)
from etude.schedules.recipes.warmups import untuned_exponential_warmup, untuned_linear_warmup, warmup

__all__ = [
    "adafactor",
    "chebyshev",
    "cosine",
    "cosine_with_restarts",
    "cyclic",
    "cyclic_cosine_decay",
    "cyclic_momentum",
    "exponential",
    "fixed",
    "flat_cosine",
    "infinite",
    "inverse_sqrt",
    "knee",
    "linear_to_zero",
    "multistep",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "piecewise_constant",
    "polynomial",
    "power_scheduler",
    "sgdr",
    "slanted_triangular",
    "step",
    "swa",
    "time_decay",
    "untuned_exponential_warmup",
    "untuned_linear_warmup",
    "warmup",
    "warmup_restarts",
    "wsd",
    "yolo",
]
