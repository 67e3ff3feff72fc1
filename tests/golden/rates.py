"""Rates that every framework must give: specs, horizons and bases with their values at some steps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude import Horizon, Schedule, parse
from etude.spec.examples import EXAMPLES, FIELD, HORIZON

__all__ = ["PATH", "Case", "read", "written"]

PATH = Path(__file__).with_name("rates.json")
BASE_RATE = 0.3

STEPS = [0, 1, 7, 99, 100, 101, 250, 499, 500, 750, 801, 999, 1_000, 1_001, 2_500]
"""Ends, boundaries and their neighbours on the examples' horizon of 1,000 steps, and past its end."""

MORE = [
    "cosine(floor=0.05 * BASE)",
    # Each way and ease, of which the examples show one.
    "Ramp(BASE, 0.0, ease='mirror_cosine')",
    "Ramp(BASE, 0.0, ease='one_minus_square')",
    "Ramp(BASE, 0.0, ease='quarter_cosine')",
    "Ramp(0.0, BASE, ease='quarter_sine')",
    "Hyperbolic(BASE, 0.001 * BASE, upper='20ep', geometric=True)",
    "wsd(warmup='1ep', cooldown='50% - 1ep')",
    "wsd(warmup=0.1, cooldown=0.4, floor=0.05 * BASE, power=2.5)",
    "step('3ep', 0.3, warmup='1ep', floor=0.05 * BASE)",
    # The rest of the run, wherever it is counted.
    "Linear(0.0, BASE, over='1ep') >> Cosine(over='rest - 2ep') >> 0.01 * BASE",
    "Linear(0.0, 1.0, over='0.5rest') * Cosine()",
    "Cosine().stretch('3/2')",
    "Cosine(over='0.5rest').shift('2ep')",
    "cosine(warmup=0.1).until('7ep')",
    "InverseSqrt('0.1rest').cooldown('75%', ease='one_minus_sqrt')",
]
"""What the examples leave out."""

FAR_STEPS = [0, 2**24 - 1, 2**24, 2**24 + 1, 2**24 + 2, 2_000_000_001, 2**31 - 2, 2**31 - 1]
"""Around the last step that float32 can count, and up to the last one of 32 bits."""

FAR = [
    "(Constant(1.0, over=1) >> Constant(0.5, over=1)).repeat()",
    "Steps(gamma=0.5, at=[16777215, 16777217, 2147483647])",
    "Points([(16777215, 0.1), (16777217, 0.5), (16777218, BASE)])",
    "Linear(0.0, BASE, over=16777217) >> Cosine(over='100% - 16777217st')",
    "Linear(0.0, BASE, over=16777217) >> Cosine()",
    "cyclic(3, low=0.1 * BASE, down=4)",
    "sgdr(1, stretch=2)",
    "sgdr(7, stretch='3/2', gain=0.9)",
    "sgdr('1/3st')",
    "InverseSqrt(1000)",
    "Exponential(0.5, per=100000000) * Noise(3, 0.5)",
    "Noise(3, 0.5, distribution='normal') * BASE",
    "Linear(over=2147483646)",
]
"""What a float32 count gets wrong."""


@dataclass(frozen=True)
class Case:
    """One schedule on a horizon, and its values."""

    plan: str
    horizon: Horizon
    base: float
    steps: list[int]
    values: list[float]


def written() -> str:
    """The golden file, worked out anew."""
    # What follows a metric, or calls a function of Python, is for Python alone.
    texts = [text for text in (EXAMPLES | FIELD).values() if "Plateau" not in text and "Custom" not in text]
    texts = [f"{text} * BASE" if parse(text, Schedule).multiplies else text for text in texts]
    cases = [_case(text, HORIZON, STEPS) for text in [*texts, *MORE]]
    cases += [_case(text, Horizon(total=2**31 - 1), FAR_STEPS) for text in FAR]
    return "[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n"


def _case(text: str, horizon: Horizon, steps: list[int]) -> dict[str, Any]:
    sizes = ("steps_per_epoch", "samples_per_step", "tokens_per_step")
    counts = {name: str(getattr(horizon, name)) for name in sizes if getattr(horizon, name) is not None}
    return {
        "plan": text,
        "horizon": counts | {"total": str(horizon.total)},
        "base": BASE_RATE,
        "steps": steps,
        "values": parse(text).on(horizon)(steps, BASE_RATE).tolist(),
    }


def read() -> list[Case]:
    """The golden file's cases."""
    return [_read(case) for case in json.loads(PATH.read_text(encoding="utf-8"))]


def _read(case: dict[str, Any]) -> Case:
    sizes: dict[str, Any] = {
        name: size if name == "total" else int(size) for name, size in case["horizon"].items()
    }
    return Case(case["plan"], Horizon(**sizes), case["base"], case["steps"], case["values"])


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
