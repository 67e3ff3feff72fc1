"""Recipes: the named schedules of the field, as plain functions that return compositions.

Nothing but the algebra is ever evaluated: print a recipe's result to see what it is made of. The first
positional argument is the length that fills the run, where there is one; rates (``peak=``, ``floor=``) and
counts are named. Lengths are Durations (a bare number is steps), rates are Levels, and ``BASE`` is the
optimizer's own rate.
"""

from etude.schedules.recipes.cycles import cyclic, cyclic_cosine_decay, sgdr
from etude.schedules.recipes.decays import (
    adafactor,
    chebyshev,
    cosine,
    exponential,
    inverse_sqrt,
    linear,
    multistep,
    noam,
    piecewise_constant,
    polynomial,
    power_scheduler,
    step,
    time_decay,
)
from etude.schedules.recipes.phases import (
    infinite,
    one_cycle,
    one_cycle_momentum,
    slanted_triangular,
    wsd,
    yolo,
)
from etude.schedules.recipes.warmups import untuned_warmup, warmup

__all__ = [
    "adafactor",
    "chebyshev",
    "cosine",
    "cyclic",
    "cyclic_cosine_decay",
    "exponential",
    "infinite",
    "inverse_sqrt",
    "linear",
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
    "time_decay",
    "untuned_warmup",
    "warmup",
    "wsd",
    "yolo",
]
