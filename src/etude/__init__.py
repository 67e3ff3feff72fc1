"""Etude: learning-rate schedules as values.

A schedule is a pure function of training progress; everything else only reads it.

>>> import etude as et
>>> from etude import BASE
>>> plan = et.Linear(0.01 * BASE, BASE, over="5ep") >> et.Cosine(BASE, 1e-5, over="85ep")
>>> table = plan.on(et.Horizon(steps_per_epoch=391, total="90ep"))
>>> table(0, base=0.1), table(1955, base=0.1)
(0.001, 0.1)

PyTorch is in ``etude.torch``, comparisons are in ``etude.study``; neither is imported from here.
"""

from etude.durations import Duration, Horizon
from etude.errors import EtudeError
from etude.levels import BASE, Level
from etude.schedules import (
    Constant,
    Cosine,
    Custom,
    Exponential,
    Geometric,
    InverseSqrt,
    InverseTime,
    Linear,
    OneMinusSqrt,
    Plateau,
    PlateauState,
    Points,
    Polynomial,
    PowerLaw,
    Rex,
    Schedule,
    Steps,
    cosine,
    cyclic,
    cyclic_cosine_decay,
    cyclic_momentum,
    exponential,
    fixed,
    linear_to_zero,
    maximum,
    minimum,
    multistep,
    one_cycle,
    one_cycle_momentum,
    sgdr,
    step,
    time_decay,
    wsd,
    yolo,
)
from etude.spec import CATALOGUE, from_json, parse

__version__ = "0.1.0"

__all__ = [
    "BASE",
    "CATALOGUE",
    "Constant",
    "Cosine",
    "Custom",
    "Duration",
    "EtudeError",
    "Exponential",
    "Geometric",
    "Horizon",
    "InverseSqrt",
    "InverseTime",
    "Level",
    "Linear",
    "OneMinusSqrt",
    "Plateau",
    "PlateauState",
    "Points",
    "Polynomial",
    "PowerLaw",
    "Rex",
    "Schedule",
    "Steps",
    "cosine",
    "cyclic",
    "cyclic_cosine_decay",
    "cyclic_momentum",
    "exponential",
    "fixed",
    "from_json",
    "linear_to_zero",
    "maximum",
    "minimum",
    "multistep",
    "one_cycle",
    "one_cycle_momentum",
    "parse",
    "sgdr",
    "step",
    "time_decay",
    "wsd",
    "yolo",
]
