"""Builds at the edges: every schedule of the catalogue on runs of 1 to 10 steps, with extreme base rates.

Whatever can be asked of a schedule on a run is asked: facts, findings, explanations, charts, code for others,
the command, and an optimizer that it is built on and stepped. Each must give a value or an EtudeError, and
nothing else: no other error, and no warning but a ScheduleWarning.
"""

from __future__ import annotations

import math
import random
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from itertools import product, starmap

import torch
from click.testing import CliRunner

from etude import EtudeError, Horizon, Schedule, parse, plots
from etude.check import Finding
from etude.cli import cli
from etude.convert import ON_A_RUN, convert
from etude.errors import ScheduleWarning
from etude.spec.examples import EXAMPLES, FIELD
from etude.torch import Scheduler
from tests.soak.tally import Fault, Found, Tally

__all__ = ["Build", "run"]

BASES = (0.0, 5e-324, 1e-310, 1e-300, 0.1, 1e300, 1.7e308)
STEPS = tuple(range(1, 11))

EXPRESSIONS: tuple[str, ...] = (
    *EXAMPLES.values(),
    *FIELD.values(),
    # Levels at the edges, of absolute schedules and of relative ones.
    "Geometric(0.001 * BASE, 2.0, over='50%')",
    "Geometric(1e300, 1e-300, over='100%')",
    "Geometric(0.0 * BASE + 5e-324, 1.7e308, over='100%')",
    "Linear(0.0, BASE, over='50%') >> Linear(BASE, 0.0, over='50%')",
    "Linear(1e-300, 1e300, over='100%')",
    "Linear(5e-324, 0.0, over='30%')",
    "Constant(0.0)",
    "Constant(0.0, over='50%') >> Constant(BASE)",
    "Constant(BASE, over='50%') >> Constant(0.0)",
    "Constant(1e300) * Linear(1.0, 0.0, over='100%')",
    "Constant(1e300 * BASE)",
    "Constant(1e-300 * BASE)",
    "Constant(2 * BASE - 0.1)",
    "Constant(0.2 - BASE)",
    "Constant(1e300 * BASE) + 1e300",
    "Linear(BASE, 0.0, over=0)",
    "Cosine(0.0, 0.0, over='100%')",
    "Exponential(0.0)",
    "Exponential(1e-300)",
    "Exponential(1e300)",
    "Steps(1, 0.0)",
    "Steps(1, 1e300)",
    "Linear(BASE, 0.0, over=1).repeat(gain=1e300)",
    "Linear(BASE, 0.0, over=1).repeat(gain=0.0)",
    "Linear(BASE, 0.0, over=1).repeat(stretch=1e-3)",
    "Linear(0.0, BASE, over=1e30)",
    "Cosine(BASE, 0.0, over=1e-30)",
    "Cosine(over=1e-30).repeat(3)",
    "Constant().cooldown('50%', over=0)",
    "Constant().cooldown(0, over='100%', stop=1e-300, ease='geometric')",
    "sgdr(1)",
    "sgdr(1, stretch=2, gain=0)",
    "cyclic(1, low=0.0)",
    "maximum(0.0, Linear(BASE, 0.0, over='100%'))",
    # The rest of the run: of a part of a step, of none, and of less than none.
    "Constant(over='1/3rest') >> Linear(BASE, 0.0)",
    "Constant(over='100%') >> Cosine()",
    "Constant(over='101%') >> Cosine()",
    "Constant(over='rest - 1st') >> Linear(BASE, 0.0)",
    "linear('rest - 5st', warmup='0.1rest')",
    "cosine(warmup=1, cycles=3)",
    "wsd(warmup='0.5rest', cooldown='0.5rest')",
    "one_cycle(up='0.9rest')",
    "Linear().stretch('1/7').shift('-0.3rest')",
    "Constant().cooldown('0.999rest', ease='one_minus_sqrt')",
    "Exponential(0.5, per='1e-3rest')",
)


@dataclass(frozen=True, slots=True)
class Build:
    """A schedule, a run and a base rate."""

    expression: str
    horizon: Horizon
    base: float

    def __str__(self) -> str:
        """What makes its table and its base, with Etude alone."""
        return (
            f"import etude as et\nfrom etude import Horizon\n"
            f"table, base = et.parse({self.expression!r}).on({self.horizon!r}), {self.base!r}"
        )


def horizons() -> Iterator[Horizon]:
    """Runs of 1 to 10 steps: in ten epochs, in whole epochs of a step, and in a part of one epoch."""
    for steps in STEPS:
        for per_epoch in (Fraction(steps, 10), Fraction(1), Fraction(100)):
            yield Horizon(per_epoch, steps, samples_per_step=32, tokens_per_step=1000)


@cache
def _order(seed: int) -> list[Build]:
    """Every expression with every base on every run, in an order of the seed's."""
    builds = list(starmap(Build, product(EXPRESSIONS, horizons(), BASES)))
    random.Random(seed).shuffle(builds)
    return builds


def _tree(seed: int, number: int) -> Build:
    """Two or three of the expressions, put together."""
    rng = random.Random(f"{seed} {number}")
    first, second, third = (f"({rng.choice(EXPRESSIONS)})" for _ in range(3))
    length = rng.choice(("1", "'50%'", "'1ep'", "0", "'0.5rest'", "'rest - 1st'", "'rest'"))
    joined = rng.choice((
        f"{first}.until({length}) >> {second}",
        f"{first} * {second}",
        f"{first} + {second}",
        f"minimum({first}, {second})",
        f"maximum({first}, {second}) * 0.5",
        f"{first}.until({length}).repeat(gain={rng.choice(('0', '0.5', '1e300'))})",
        f"{first}.until({length}).repeat(stretch={rng.choice(('2', '0.5', repr('3/2')))})",
        f"{first}.shift({rng.choice(('1', '-1', '1000'))})",
        f"{first}.stretch({rng.choice(('1e-3', '7', '1e6'))})",
        f"{first}.cooldown({length}, over={rng.choice(('0', '1', '1e9', repr('rest')))})",
        f"{first}.clip(1e-300, 1e300)",
        f"({first} * {second}).until({length}) >> {third}",
    ))  # fmt: skip
    return Build(joined, rng.choice(list(horizons())), rng.choice(BASES))


def check(seed: int, number: int) -> Found:
    """Try the build of a number: each of the catalogue's first, then what is put together of them."""
    order = _order(seed)
    build = order[number] if number < len(order) else _tree(seed, number)
    found = Found()
    asked = list(_questions(build))
    if number % 100 == 0:  # the slow ones
        asked += _commands(build)
    for name, ask in asked:
        found.counted["questions"] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", ScheduleWarning)
                ask()
        except EtudeError:
            found.counted["refused"] += 1
        except Exception as error:
            script = f"# {name}: {type(error).__name__}: {error}\n{build}"
            found.faults.append(Fault(f"{name}: {type(error).__name__}", script))
    return found


def run(tally: Tally, count: int, seed: int) -> None:
    """Try so many builds."""
    tally.spread(check, count, seed)


def _commands(build: Build) -> Iterator[tuple[str, Callable[[], object]]]:
    """Ask the commands show, check and convert, and for a picture in a file."""
    horizon = build.horizon
    options = [
        "--horizon",
        str(horizon.total_steps),
        "--steps-per-epoch",
        repr(float(horizon.steps_per_epoch or 1)),
    ]
    options += ["--samples-per-step", "32", "--tokens-per-step", "1000"]
    base = ["--base", repr(build.base)]
    for arguments in (
        ["show", build.expression, *options, *base],
        ["check", build.expression, *options, *base],
        ["check", build.expression, *options, *base, "--of", "momentum", "--json"],
        *(["convert", build.expression, *options, "--to", target] for target in ON_A_RUN),
    ):
        yield f"etude {arguments[0]}", partial(_command, arguments)
    yield "picture", lambda: plots.to_png(parse(build.expression).on(horizon).chart(build.base))


def _command(arguments: list[str]) -> None:
    error = CliRunner().invoke(cli, arguments).exception
    if error is not None and not isinstance(error, SystemExit):
        raise error


def _questions(build: Build) -> Iterator[tuple[str, Callable[[], object]]]:
    base = build.base
    try:
        plan = parse(build.expression)
        table = plan.on(build.horizon)
    except EtudeError:
        return
    every = range(table.steps + 2)
    yield "values", lambda: [table(k, base) for k in every]
    yield "facts", lambda: table.facts(base).verdict
    yield "phases", lambda: table.phases
    yield "check", lambda: _told(table.check(base))
    yield "check without a base", lambda: _told(table.check())
    yield "check of another", lambda: _told(table.check(base, of="momentum"))
    yield "explain", lambda: [_said(table.explain(k, base)) for k in every]
    yield "explain without a base", lambda: [_said(table.explain(k)) for k in every]
    yield "svg", lambda: plots.to_svg(table.chart(base))
    yield "text", lambda: plots.to_text(table.chart(base))
    yield "display", lambda: (plan._repr_svg_(), table._repr_svg_())
    for target in ON_A_RUN:
        yield f"convert to {target}", partial(convert, plan, target, build.horizon)
    yield "a training run", lambda: _train(plan, build)


def _said(text: str) -> None:
    assert not re.search(r"\b(inf|nan)\b", text), text


def _told(findings: Iterable[Finding]) -> None:
    for finding in findings:
        _said(str(finding))
        assert all(math.isfinite(number) for number in finding.numbers.values()), finding


def _train(plan: Schedule, build: Build) -> None:
    rates = (build.base, 0.0, 0.1)
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scheduler = Scheduler(optimizer, plan, build.horizon)
    _told(scheduler.check())
    for _ in range(plan.on(build.horizon).steps + 1):
        for group in range(len(groups)):
            scheduler.explain(group)
        optimizer.step()
        scheduler.step()
    scheduler.state_dict()
