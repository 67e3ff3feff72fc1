"""Readings as a run hands them out: two groups, a momentum, a target, a plateau and a cooldown."""

from __future__ import annotations

from etude.readings import Reading

PLATEAU = "Plateau(metric='val_loss', factor=0.5, patience=2)"
COOLDOWN = "lr: Cooldown(Cosine(over='90%'), at=3, over='10%')"
NAMES = [
    "epoch",
    "samples",
    "lr/block.0",
    "lr/head",
    "betas[0]/block.0",
    "betas[0]/head",
    "clip",
    f"factor/{PLATEAU}",
    "loss",
]


def rate(step: int) -> float:
    return 0.1 / (step + 3)


def reading(step: int, **metrics: float) -> Reading:
    return Reading(
        step,
        {"block.0": rate(step) / 10, "head": rate(step)},
        "linear" if step < 2 else "cosine",
        {"loss": 1 / (step + 1), **metrics},
        {"betas[0]": {"block.0": 0.9, "head": 0.95}, "clip": {"clip": 1 / 3}},
        epoch=step / 4,
        samples=step * 64.0,
        factors={PLATEAU: 0.5},
        override=COOLDOWN if step >= 3 else "",
    )


def readings(start: int, stop: int) -> list[Reading]:
    return [reading(step) for step in range(start, stop)]
