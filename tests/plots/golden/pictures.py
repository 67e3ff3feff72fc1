"""The pictures kept as files; ``python -m tests.plots.golden.pictures`` draws them anew: look at each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import etude as et
from etude import BASE, plots
from etude.plots import COLUMN, SLIDE, Chart, Mark, Rule, Series

__all__ = ["DPI", "FOLDER", "PICTURES", "SIZES", "drawn"]

FOLDER = Path(__file__).parent
# Coarse, so that the files are small; a slide's type is larger anyway.
DPI = {"column": 80.0, "slide": 36.0}
SIZES = {"column": COLUMN, "slide": SLIDE}

RUN = et.Horizon(steps_per_epoch=391, total="70ep")
WARMUP = et.Linear(0.01 * BASE, BASE, over="5ep") >> et.Cosine(BASE, 1e-5, over="65ep")


def schedule() -> Chart:
    """Epochs above steps, and phases shaded."""
    return WARMUP.on(RUN).chart(0.1, title="Warmup, then cosine")


def restarts() -> Chart:
    """Restarts marked."""
    return et.sgdr("10ep", stretch=2).on(RUN).chart(0.1, title="SGDR")


def overlaid() -> Chart:
    """Several schedules in one, with a legend over curves."""
    plans = {
        "cosine": et.cosine(),
        "one cycle": et.one_cycle(),
        "linear to zero": et.linear(warmup="5ep"),
        "step": et.step("20ep"),
    }
    return plots.overlay({name: plan.on(RUN).chart(0.1) for name, plan in plans.items()}, "Four schedules")


def range_test() -> Chart:
    """Estimates with intervals on a logarithmic axis, some of them close to each other."""
    rates = np.geomspace(1e-6, 10, 200)
    smooth = np.minimum(2.3 - 1.8 / (1 + (0.003 / rates) ** 1.5) + rates**2, 4)
    loss = smooth + np.random.default_rng(0).normal(0, 0.05, 200)
    return Chart(
        "Range test",
        "learning rate",
        "loss",
        [Series("loss", rates, loss, style="points"), Series("smooth", rates, smooth)],
        marks=[
            Mark(0.003, "steepest", 0.002, 0.004),
            Mark(0.0024, "valley", 0.001, 0.006),
            Mark(0.03, "minimum/10", 0.02, 0.05),
            Mark(0.05, "base", 0.04, 0.07),
            Mark(0.3, "edge/4", 0.2, 0.5),
            Mark(0.6, "max", 0.5, 0.7),
        ],
        x_scale="log",
    )


def constant() -> Chart:
    """A constant loss, of which float32 leaves noise in the last place."""
    noise = np.random.default_rng(0).normal(0, 1e-7, 400)
    loss = (2.302585 * (1 + noise)).astype(np.float32)
    return Chart("A constant loss", "step", "loss", [Series("loss", np.arange(400), loss)])


def accuracy() -> Chart:
    """Bands over seeds, and a rule with its name beside the frame."""
    steps = np.arange(0, 2000, 20)
    series = []
    for name, top, time in [("cosine", 95, 300), ("fixed", 91, 200), ("one cycle", 95, 420)]:
        curve = top * (1 - np.exp(-steps / time))
        series.append(Series(name, steps, curve, curve - 2, curve + 2))
    rules = [Rule(95.4, "best so far")]
    return Chart("Accuracy, 5 seeds", "updates", "validation accuracy (%)", series, rules=rules)


PICTURES: dict[str, Callable[[], Chart]] = {
    picture.__name__: picture for picture in (schedule, restarts, overlaid, range_test, constant, accuracy)
}


def drawn(name: str, size: str, dark: bool) -> bytes:
    """A picture as it is drawn now."""
    return plots.to_png(PICTURES[name](), **SIZES[size], dark=dark, dpi=DPI[size])


if __name__ == "__main__":
    for name in PICTURES:
        for size, dark in (("column", False), ("slide", True)):
            (FOLDER / f"{name}-{size}{'-dark' * dark}.png").write_bytes(drawn(name, size, dark))
