"""Random expressions on random horizons, at random and at awkward steps, against the oracle."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

import etude as et
from etude.errors import EtudeError
from tests.soak.drawing import Draw
from tests.soak.oracle import PastEndError, RefusedError, World, multiplies
from tests.soak.tally import Fault, Found, Tally
from tests.soak.terms import Rate, Sizes, Term, smaller

__all__ = ["close", "evaluate", "run", "shrunk"]

NEAR = 1e-9
"""As far as values may differ, as a share of the greatest at hand: roundings, also below a square root."""
MOST_TRIES = 300


def evaluate(expression: object) -> Any:
    """What Python makes of an expression with Etude."""
    return eval(repr(expression), {"et": et, "BASE": et.BASE})


def close(got: float, wanted: float, size: float) -> bool:
    """Whether two values are the same but for roundings, among values of that size."""
    return math.isfinite(got) and abs(got - wanted) <= NEAR * size


@dataclass(frozen=True)
class Case:
    """An expression, where it is laid, and where it is asked."""

    expression: Term
    sizes: Sizes
    base: float
    steps: Sequence[float]

    def wanted(self) -> list[float | None] | None:
        """What the oracle says: None for no such schedule, or for no value at a step."""
        try:
            curve = World(self.sizes, self.base).curve(self.expression)
        except RefusedError:
            return None
        values: list[float | None] = []
        for step in self.steps:
            try:
                values.append(curve.at(Fraction(step)))
            except PastEndError:
                values.append(None)
        return values

    def fault(self, wanted: list[float | None] | None) -> str | None:
        """What Etude does other than the oracle, in a word; None for nothing."""
        try:
            plan = evaluate(self.expression)
            table = plan.on(evaluate(self.sizes))
        except EtudeError as error:
            return None if wanted is None else f"refused: {error}"
        if wanted is None:
            return "not refused"
        levels = [level for part in self.expression.walk() for level in _levels(part, self.base)]
        size = max((abs(value) for value in [*wanted, *levels] if value is not None), default=0.0)
        base = 1.0 if multiplies(self.expression) else self.base
        for step, value in zip(self.steps, wanted, strict=True):
            try:
                got = table(step, base)
            except EtudeError as error:
                if value is not None:
                    return f"no value at {step:g}: {error}"
                continue
            if value is None or not close(got, value, size):
                return f"a wrong value at {step:g}: {got!r}, not {value!r}"
        if None not in wanted and not multiplies(self.expression):
            both = table(np.array(self.steps), np.array([base, 2 * base]))[:, 0]
            if not np.array_equal(both, [table(step, base) for step in self.steps]):
                return "other values for many steps and groups at once"
        return _round_trip(plan)

    def script(self) -> str:
        """What shows the fault, with Etude alone."""
        wanted = self.wanted()
        try:
            fault = self.fault(wanted) or ""
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        return "\n".join(
            [
                f"# {fault.splitlines()[0][:160]}",
                "import etude as et",
                "from etude import BASE",
                f"plan = {self.expression!r}",
                f"table = plan.on({self.sizes!r})",
                f"for step, wanted in {list(zip(self.steps, wanted or [], strict=False))!r}:",
                f"    print(step, table(step, {self.base!r}), wanted)",
            ]
        )


def _levels(part: Term, base: float) -> list[float]:
    """The rates that an expression names."""
    named = [*part.args, *(value for _, value in part.options)]
    return [World(Sizes(), base).level(value) for value in named if isinstance(value, Rate | float)]


def _round_trip(plan: et.Schedule) -> str | None:
    """Whether a plan is the same after each way to keep it."""
    ways: dict[str, Callable[[], Any]] = {
        "text": lambda: et.parse(repr(plan), et.Schedule),
        "JSON": lambda: et.from_json(json.dumps(json.loads(plan.to_json())), et.Schedule),
        "pickle": lambda: pickle.loads(pickle.dumps(plan)),
        "copy": lambda: copy.deepcopy(plan),
    }
    for name, way in ways.items():
        back = way()
        if back != plan or back.fingerprint != plan.fingerprint or repr(back) != repr(plan):
            return f"another plan after {name}"
    return None


def draw(seed: int, number: int) -> Case:
    """The case of a number."""
    random = Random(f"compositions {seed} {number}")
    sizes = Draw(random)
    expression = sizes.expression(random.randint(1, 6))
    return Case(expression, sizes.sizes, random.choice([1.0, 0.1, 0.003, 2.0]), _steps(expression, sizes))


def _steps(expression: Term, draw: Draw) -> list[float]:
    """Steps all over, and next to where something begins or ends."""
    random, world = draw.random, World(draw.sizes)
    steps = {
        0.0,
        1.0,
        float(draw.run),
        float(draw.run - 1),
        *(random.randint(0, 2 * draw.run) for _ in range(8)),
    }
    for part in expression.walk():
        try:
            length = world.curve(part).length or Fraction(0)
        except RefusedError:
            continue
        start = random.choice([Fraction(0), length, 2 * length])
        steps |= {math.floor(start + length), math.ceil(start + length), math.ceil(start + length) + 1}
    steps |= {random.randint(0, 8 * draw.run) / 8, float(random.randint(10**4, 10**6))}
    return sorted(float(step) for step in steps if step >= 0)


def shrunk(case: Any, parts: Callable[[Any], Any], fails: Callable[[Any], bool]) -> Any:
    """A case that still fails and of which no smaller one does, as far as a few hundred tries find."""
    tries = 0
    while True:
        for less in parts(case):
            tries += 1
            if tries > MOST_TRIES:
                return case
            try:
                still = fails(less)
            except Exception:  # what is no case at all
                still = False
            if still:
                case = less
                break
        else:
            return case


def _smaller(case: Case) -> Any:
    if len(case.steps) > 1:
        half = len(case.steps) // 2
        yield replace(case, steps=case.steps[:half])
        yield replace(case, steps=case.steps[half:])
    for less in smaller(case.expression):
        yield replace(case, expression=less)


def _kind(case: Case) -> str | None:
    """The fault of a case in a word or two, for the table and for shrinking."""
    wanted = case.wanted()
    try:
        fault = case.fault(wanted)
    except Exception as error:  # anything but an EtudeError is a fault
        return type(error).__name__
    return fault and fault.split(" at ")[0].split(":")[0]


def check(seed: int, number: int) -> Found:
    """Try the case of a number."""
    case = draw(seed, number)
    kind = _kind(case)
    if kind is None:
        refused = case.wanted() is None
        return Found(counted=Counter({"rightly refused": 1} if refused else {"values": len(case.steps)}))
    least = shrunk(case, _smaller, lambda less: _kind(less) == kind)
    return Found([Fault(kind, f"# case {number} of seed {seed}\n{least.script()}")])


def run(tally: Tally, count: int, seed: int) -> None:
    """Try so many compositions."""
    tally.spread(check, count, seed)
