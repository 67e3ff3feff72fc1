"""What a type checker says: mypy reads this, and in its strict mode an error that is ignored must be one."""

from __future__ import annotations

from typing import assert_type

from torch.optim import Optimizer

import etude as et
from etude import BASE, Factor, Rate
from etude.torch import Scheduler


def what_they_are() -> None:
    """Of which kind an expression is."""
    assert_type(et.cosine(), Rate)
    assert_type(et.Linear(over=5) >> et.Cosine(over=10), Rate)
    assert_type(et.cosine() * 0.5, Rate)
    assert_type(et.cosine().shift(5), Rate)
    assert_type(et.Exponential(0.9).until(5), Rate)
    assert_type(et.untuned_warmup(0.999), Factor)
    assert_type(et.ExponentialWarmup(5).shift(3), Factor)
    assert_type(et.warmup(5) * et.Plateau("loss"), Factor)
    assert_type(et.warmup(5) >> et.Noise(1, 0.1), Factor)
    assert_type(et.warmup(5).until(3), Factor)
    assert_type(et.minimum(et.warmup(5), et.Noise(1, 0.1)), Factor)
    assert_type(et.warmup(5) * et.cosine(), Rate)
    assert_type(et.cosine() * et.warmup(5), Rate)
    assert_type(et.warmup(5) * BASE, Rate)
    assert_type(0.1 * et.warmup(5), Rate)
    assert_type(et.parse("cosine()"), Rate)
    assert_type(et.parse("warmup(5)", Factor), Factor)
    assert_type(et.from_json("{}"), Rate)
    assert_type(et.from_json("{}", Factor), Factor)


def what_is_an_error(optimizer: Optimizer) -> None:
    """A factor where a rate is asked for."""
    Scheduler(optimizer, et.cosine())
    Scheduler(optimizer, {"lr": et.warmup(5) * et.cosine(), "weight_decay": "lr"})
    Scheduler(optimizer, et.warmup(5))  # type: ignore[arg-type]
    Scheduler(optimizer, {"lr": et.Plateau("loss")})  # type: ignore[dict-item]
    Scheduler(optimizer, groups={"*": et.Noise(1, 0.1)})  # type: ignore[dict-item]
    et.warmup(5) >> et.cosine()  # type: ignore[operator]
    et.cosine() >> et.warmup(5)  # type: ignore[operator]
    et.cosine() + et.warmup(5)  # type: ignore[operator]
    et.minimum(et.cosine(), et.warmup(5))  # type: ignore[call-overload]
    et.warmup(5).clip(0.1)  # type: ignore[attr-defined]
