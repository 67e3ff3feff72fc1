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

import typing as _typing
from importlib.util import find_spec as _find_spec

from etude.answers import wrong_name as _wrong_name
from etude.durations import Duration, Horizon
from etude.errors import EtudeError
from etude.levels import BASE, Level
from etude.schedules import (
    Constant,
    Cosine,
    Custom,
    Exponential,
    ExponentialWarmup,
    Factor,
    Geometric,
    Hyperbolic,
    InverseSqrt,
    InverseTime,
    Linear,
    Noise,
    Plateau,
    Points,
    Polynomial,
    PolynomialCycles,
    PowerLaw,
    RAdamWarmup,
    Ramp,
    Rate,
    Rex,
    Schedule,
    Sigmoid,
    Steps,
    Tanh,
    adafactor,
    chebyshev,
    cosine,
    cyclic,
    cyclic_cosine_decay,
    exponential,
    infinite,
    inverse_sqrt,
    linear,
    maximum,
    minimum,
    multistep,
    noam,
    one_cycle,
    one_cycle_momentum,
    piecewise_constant,
    polynomial,
    power_scheduler,
    sgdr,
    slanted_triangular,
    step,
    time_decay,
    untuned_warmup,
    warmup,
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
    "ExponentialWarmup",
    "Factor",
    "Geometric",
    "Horizon",
    "Hyperbolic",
    "InverseSqrt",
    "InverseTime",
    "Level",
    "Linear",
    "Noise",
    "Plateau",
    "Points",
    "Polynomial",
    "PolynomialCycles",
    "PowerLaw",
    "RAdamWarmup",
    "Ramp",
    "Rate",
    "Rex",
    "Schedule",
    "Sigmoid",
    "Steps",
    "Tanh",
    "adafactor",
    "chebyshev",
    "cosine",
    "cyclic",
    "cyclic_cosine_decay",
    "exponential",
    "from_json",
    "infinite",
    "inverse_sqrt",
    "linear",
    "maximum",
    "minimum",
    "multistep",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "parse",
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

if not _typing.TYPE_CHECKING:  # to what checks types, a module that answers would have every name

    def __getattr__(name: str) -> _typing.NoReturn:
        hint = "" if name.startswith("_") else _wrong_name(name, __all__)
        if not name.startswith("_") and _find_spec(f"etude.{name}"):
            hint = f"; write import etude.{name}"
        raise AttributeError(f"module 'etude' has no attribute {name!r}{hint}")
