"""A schedule on a horizon as a Python function of the step and the base rate, with exact boundaries."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from etude.convert.pieces import Unwritable, follows_base, steps_of
from etude.durations import Horizon
from etude.errors import ScheduleError
from etude.levels import Level, LevelLike
from etude.schedules.algebra import (
    Constant,
    Cooldown,
    Maximum,
    Minimum,
    Product,
    Repeat,
    Schedule,
    Sequence,
    Shift,
    Stretch,
    Sum,
    Under,
    Until,
)
from etude.schedules.factors import ExponentialWarmup, RAdamWarmup
from etude.schedules.feedback import Plateau
from etude.schedules.laws import (
    Custom,
    Exponential,
    Function,
    InverseSqrt,
    InverseTime,
    PolynomialCycles,
    PowerLaw,
    Sigmoid,
    Steps,
)
from etude.schedules.rebuilt import in_steps
from etude.schedules.recipes.warmups import warmup
from etude.schedules.shapes import (
    Cosine,
    Geometric,
    Hyperbolic,
    Linear,
    Points,
    Polynomial,
    Ramp,
    Rex,
    Shape,
    Tanh,
)
from etude.tables import Table
from etude.timeline import SHORTEST_CYCLE, Clock, Context, Cut, just_before

__all__ = ["Formula", "formula"]

MOST_ROWS = 10_000
MOST_CHECKED = 20_000
TOLERANCE = 1e-12

HALF_COSINE = "(1 - math.cos(math.pi * {p})) / 2"
EASES = {
    "linear": "{p}",
    "cosine": HALF_COSINE,
    "quarter_sine": "math.sin(math.pi / 2 * {p})",
    "quarter_cosine": "1 - math.cos(math.pi / 2 * {p})",
    "mirror_cosine": f"2 * {{p}} - {HALF_COSINE}",
    "one_minus_sqrt": "math.sqrt({p})",
    "one_minus_square": "{p} ** 2",
    "rex": "{p} / (2 - {p})",
}
"""Name of an ease → the ease of the share p."""


@dataclass(frozen=True)
class Formula:
    """Python code of ``rate(x, base)``, x the step: its imports and its functions."""

    imports: tuple[str, ...]
    functions: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.imports) + "\n\n\n" + "\n\n\n".join(self.functions)


def formula(schedule: Schedule, horizon: Horizon) -> Formula:
    """Write what a schedule's values on a horizon are, and make sure of it: the code is run beside them.

    Raises:
        ScheduleError: where no formula is known and the run is too long to be listed.
    """
    table = schedule.on(horizon)
    for part in schedule.walk():
        if isinstance(part, Plateau):
            raise ScheduleError(
                f"{part!r} is decided while training, so no function of the step is equal to it; convert the "
                f"rest, and put a scheduler that watches the metric beside it"
            )
    try:
        written = _Writer().write(in_steps(schedule, horizon), Clock(horizon))
        _check(written, schedule, table)
    except Unwritable as why:
        return _listed(schedule, table, str(why))
    return written


def _check(written: Formula, schedule: Schedule, table: Table) -> None:
    """Run the formula beside the table: a shape may have learnt what the writer does not know of."""
    names: dict[str, Any] = {}
    exec(written.text, names)  # it was written here, of numbers and of names that the table has imported
    steps = table.steps
    places = np.unique(np.linspace(0, steps - 1, min(steps, MOST_CHECKED)).round()).astype(np.int64)
    bases = (1.0, 0.03) if schedule.depends_on_base else (1.0,)
    for base in bases:
        wanted = table(places, base)
        try:
            found = np.array([names["rate"](step, base) for step in places.tolist()])
        except ArithmeticError as error:  # Python refuses what overflows, where NumPy goes on
            raise Unwritable(f"{table.text} overflows: {error}") from None
        wrong = np.abs(found - wanted) > TOLERANCE * np.abs(wanted) + 1e-15 * wanted.max()
        if wrong.any():
            raise Unwritable(f"{table.text} is known by its values only")


def _listed(schedule: Schedule, table: Table, why: str) -> Formula:
    """Every value of the run, where there are not too many of them."""
    steps = table.steps
    if steps > MOST_ROWS:
        raise ScheduleError(
            f"no formula is known for a part of {table.text} ({why}), and the run's {steps:,} updates are "
            f"too many to list ({MOST_ROWS:,} at most); use the schedule itself, with etude.torch.Scheduler"
        )
    rates = table(np.arange(steps + 1), 1.0)
    factor = "RATES[min(x, len(RATES) - 1)]"
    if schedule.depends_on_base:
        if not follows_base(schedule):
            raise ScheduleError(
                f"{table.text} cannot be listed, for it is neither a multiple of the base rate nor free of "
                f"it; use the schedule itself, with etude.torch.Scheduler"
            )
        factor += " * base"
    rows = np.array_split(rates, len(rates) // 5 + 1)
    listed = ",\n".join("    " + ", ".join(map(repr, row.tolist())) for row in rows)
    return Formula(
        (),
        (f"RATES = [\n{listed},\n]", f"def rate(x, base):\n    return {factor}"),
    )


@dataclass
class _Writer:
    """Writes one schedule; parts that need names of their own become functions before it.

    A place on a part's time axis is written ``x``: the step, an int; inside a cycle whose boundaries fall
    between steps, an exact fraction.
    """

    functions: list[str] = field(default_factory=list)
    # A user's modules, under names that meet none of those that are written here.
    modules: dict[str, str] = field(default_factory=dict)

    def write(self, schedule: Schedule, clock: Clock) -> Formula:
        value = self.value(schedule, clock)
        self.functions.append(f"def rate(x, base):\n    return {value}")
        text = "\n".join(self.functions)

        def calls(name: str) -> bool:
            return re.search(rf"(?<![\w.]){name}\(", text) is not None

        helpers = []
        if calls("plain"):
            helpers.append(
                "def plain(t):\n"
                '    """A step as an int where it is whole, else as a float."""\n'
                "    return int(t) if t == int(t) else float(t)"
            )
        if calls("share"):
            helpers.append(
                "def share(x, start, length):\n"
                '    """How much of the stretch that begins at start is behind x, from 0 to 1."""\n'
                "    return float(min(max((x - start) / length, 0), 1))"
            )
        if calls("rectified"):
            helpers.append(
                "def rectified(k, beta2):\n"
                '    """The factor of rectified Adam at its own step k."""\n'
                "    limit = 2 / (1 - beta2) - 1\n"
                "    rho = limit - 2 * k * beta2**k / (1 - beta2**k)\n"
                "    return math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))"
            )
        if calls("geometric"):
            helpers.append(
                "def geometric(first, last, done):\n"
                '    """The level after the share ``done`` of the way in log rate."""\n'
                "    return first ** (1 - done) * last**done"
            )
        if calls("between"):
            helpers.append(
                "def between(first, last, done):\n"
                '    """The level after the share ``done`` of the way."""\n'
                "    return first * (1 - done) + last * done"
            )
        imports = ["import math", *(f"import {module} as {name}" for module, name in self.modules.items())]
        if calls("Fraction"):
            imports.insert(0, "from fractions import Fraction")
        return Formula(tuple(sorted(imports, key=lambda line: line.split()[1])), (*helpers, *self.functions))

    def function(self, kind: str, body: list[str]) -> str:
        """Define a function of x and the base rate, and return its name."""
        name = f"{kind}_{len(self.functions) + 1}"
        self.functions.append(f"def {name}(x, base):\n" + "\n".join(f"    {line}" for line in body))
        return name

    def value(self, schedule: Schedule, clock: Clock) -> str:
        """The expression of a schedule's value at ``x``."""
        match schedule:
            case Constant(level=level):
                return _level(level)
            case Shape():
                return self.shape(schedule, clock)
            case Function() | PolynomialCycles():
                return self.law(schedule, clock)
            case warmup():
                return self.value(schedule.as_rate(), clock)
            case Steps():
                return self.stairs(schedule, clock)
            case Points():
                return self.points(schedule, clock)
            case Sequence():
                return self.sequence(schedule, clock)
            case Product(together=parts):
                return " * ".join(f"({self.value(part, clock)})" for part in parts)
            case Sum(together=parts):
                return " + ".join(f"({self.value(part, clock)})" for part in parts)
            case Under(schedule=part, level=level):
                return f"({_level(level)}) - ({self.value(part, clock)})"
            case Minimum(together=parts):
                return f"min({', '.join(self.value(part, clock) for part in parts)})"
            case Maximum(together=parts):
                return f"max({', '.join(self.value(part, clock) for part in parts)})"
            case Shift(schedule=part, by=by):
                return self.shifted(part, steps_of(by), clock)
            case Stretch(schedule=part, factor=factor):
                return self.value(part, clock.slowed(Fraction(factor)))
            case Until():
                return self.until(schedule, clock)
            case Cooldown():
                return self.cooldown(schedule, clock)
            case Repeat():
                return self.repeat(schedule, clock)
            case _:
                raise Unwritable(f"{schedule!r} has no closed form here")

    def shape(self, shape: Shape, clock: Clock) -> str:
        length = steps_of(shape.over)
        if shape.after == "repeat":
            once = dataclasses.replace(shape, after="hold")
            return self.repeat(Repeat(once), clock)
        if not length:
            return _level(shape.stop)
        first, last = _level(shape.start), _level(shape.stop)
        if shape.start == shape.stop:
            return first
        span = clock.scale * (length - 1 if shape.inclusive else length)
        if span <= 0:
            return last
        done = _ease(shape, f"share(x, {_number(clock.origin)}, {_number(span)})")
        if shape.in_log_rate:
            return f"geometric({first}, {last}, {done})"
        return f"between({first}, {last}, {done})"

    def law(self, law: Function | PolynomialCycles, clock: Clock) -> str:
        t = _since(clock.origin)
        if clock.scale != 1:
            t = f"({t}) / {_number(clock.scale)}"
        if law.over is not None:
            t = f"min({t}, {_number(steps_of(law.over))})"
        start = _level(law.level)
        match law:
            case Exponential(gamma=gamma, per=per):
                return f"({start}) * {gamma!r} ** float({t} / {_number(steps_of(per))})"
            case InverseTime(decay_rate=rate, per=per):
                return f"({start}) / (1 + {rate!r} * float({t} / {_number(steps_of(per))}))"
            case PowerLaw(exponent=exponent, timescale=timescale):
                return f"({start}) * (1 + float({t} / {_number(steps_of(timescale))})) ** -{exponent!r}"
            case InverseSqrt(timescale=timescale):
                return f"({start}) / math.sqrt(1 + float({t} / {_number(steps_of(timescale))}))"
            case Sigmoid(steepness=rate, middle=middle, per=per):
                unit, half = steps_of(per), steps_of(middle)
                whole = 1 + math.exp(-rate * float(half / unit))
                # What is beyond e^700 is too large for a float.
                risen = f"min({rate!r} * float(({t} - {_number(half)}) / {_number(unit)}), 700)"
                return f"({start}) * {whole!r} / (1 + math.exp({risen}))"
            case PolynomialCycles(period=period, power=power):
                cycles = f"float({t} / {_number(steps_of(period))})"
                return f"({start}) * (1 - {cycles} / max(math.ceil({cycles}), 1)) ** {power!r}"
            case ExponentialWarmup(timescale=timescale):
                return f"({start}) * -math.expm1(-float(({t} + 1) / {_number(steps_of(timescale))}))"
            case RAdamWarmup(beta2=beta2):
                first = next(k for k in itertools.count(1) if _rho(k, beta2) > 4)
                return f"({start}) * rectified(float({t} + {first}), {beta2!r})"
            case Custom(function=function):
                module, _, name = function.partition(":")
                alias = self.modules.setdefault(module, f"module_{len(self.modules) + 1}")
                return f"({start}) * {alias}.{name}(plain({t}))"
        raise Unwritable(f"{law!r} has no closed form here")

    def stairs(self, steps: Steps, clock: Clock) -> str:
        start = _level(steps.start)
        t = _since(clock.origin)
        most = ""
        if steps.every is not None:
            every = steps_of(steps.every)
            stairs = f"{t} // {_number(every * clock.scale)}"
            if steps.over is not None:
                most = str(max(math.ceil(steps_of(steps.over) / every) - 1, 0))
        else:
            times = sorted(map(steps_of, steps.at or ()))
            if steps.over is not None:
                times = [when for when in times if when < steps_of(steps.over)]
            listed = ", ".join(_number(clock.at(when)) for when in times)
            stairs = f"sum(x >= when for when in [{listed}])"
        if most:
            stairs = f"min({stairs}, {most})"
        return f"({start}) * {steps.gamma!r} ** ({stairs})"

    def points(self, points: Points, clock: Clock) -> str:
        placed = [(clock.at(steps_of(when)), _level(level)) for when, level in points.points]
        text = placed[-1][1]
        for (start, first), (stop, last) in reversed(list(pairwise(placed))):
            if start < stop:
                done = _named(points.ease, f"share(x, {_number(start)}, {_number(stop - start)})")
                way = f"between({first}, {last}, {done})"
                text = f"{way} if x < {_number(stop)} else {text}"
        (start, first), *later = placed
        if clock.origin < start and start in [when for when, _ in later]:  # held before a jump right away
            text = f"{first} if x < {_number(start)} else {text}"
        return f"({text})"

    def sequence(self, sequence: Sequence, clock: Clock) -> str:
        parts = [(own.origin, self.value(part, own)) for part, own, _ in sequence.pieces(clock)]
        lines = [
            f"if x < {_number(stop)}:\n        return {value}" for (_, value), (stop, _) in pairwise(parts)
        ]
        return f"{self.function('sequence', [*lines, f'return {parts[-1][1]}'])}(x, base)"

    def shifted(self, schedule: Schedule, by: Fraction, clock: Clock) -> str:
        value = self.value(schedule, clock.started(by))
        if by <= 0 or not any(isinstance(part, Shift) for part in schedule.walk()):
            return value
        # A part that is entered in its middle has other values before the start.
        part = self.function("part", [f"return {value}"])
        return f"{part}(max(x, {_number(clock.at(by))}), base)"

    def until(self, until: Until, clock: Clock) -> str:
        node, context = until.resolve(clock), Context(np.array([1.0, 0.03]), {})
        assert isinstance(node, Cut)
        at = node.threshold
        with np.errstate(all="ignore"):
            held, there = node.before(node.stop, context), node.node(np.array([[at]]), context)
        if not np.allclose(held, there, rtol=TOLERANCE, atol=0):  # a jump lies right there
            at = float(just_before(np.array(at)))
        part = self.function("part", [f"return {self.value(until.schedule, clock)}"])
        return f"{part}(min(x, {_number(Fraction(at))}), base)"

    def cooldown(self, cooldown: Cooldown, clock: Clock) -> str:
        trunk = self.function("trunk", [f"return {self.value(cooldown.schedule, clock)}"])
        at = clock.at(steps_of(cooldown.at))
        span = clock.scale * steps_of(cooldown.over)
        place = _number(at)
        if span:
            done = _named(cooldown.ease, f"share(x, {place}, {_number(span)})")
            left = f"between({trunk}({place}, base), {_level(cooldown.stop)}, {done})"
        else:
            left = _level(cooldown.stop)
        return f"({trunk}(x, base) if x < {place} else {left})"

    def repeat(self, repeat: Repeat, clock: Clock) -> str:
        period = repeat.period(clock) * clock.scale
        stretch = Fraction(repeat.growth)
        once = self.value(repeat.schedule, dataclasses.replace(clock, origin=Fraction(0)))
        inner = self.function("cycle", [f"return {once}"])
        gain = "" if repeat.gain == 1 else f" * {repeat.gain!r} ** n"
        place, length = _since(clock.origin), _number(period)
        if stretch == 1:
            body = [f"n, x = divmod({place}, {length})"]
            if repeat.times is not None:
                last = repeat.times - 1
                body += [f"if n > {last}:", f"    n, x = {last}, x + (n - {last}) * {length}"]
        else:
            begins = "" if repeat.times is None else f" and n < {repeat.times - 1}"
            if repeat.times is None and stretch < 1:
                begins = f" and length * {_number(stretch)} >= {_number(SHORTEST_CYCLE * clock.scale)}"
            body = [
                f"x, n, length = {place}, 0, Fraction({period.numerator}, {period.denominator})",
                f"while x >= length{begins}:",
                f"    x, n, length = x - length, n + 1, length * {_number(stretch)}",
                # In the first cycle's steps.
                f"x = x * {length} / length",
            ]
        name = self.function("repeated", [*body, f"return {inner}(x, base){gain}"])
        return f"{name}(x, base)"


def _named(ease: str, p: str) -> str:
    """An ease that takes no parameter, of the share p."""
    if ease not in EASES:
        raise Unwritable(f"the ease {ease!r} has no closed form here")
    return EASES[ease].format(p=p)


def _ease(shape: Shape, p: str) -> str:
    """The ease of a shape, of the share p."""
    match shape:
        case Linear() | Geometric():
            return p
        case Cosine(power=power, k=k):
            half = HALF_COSINE.format(p=_power(p, k))
            return half if power == 1 else f"1 - (1 - {half}) ** {power!r}"
        case Polynomial(power=power, k=k):
            return f"1 - (1 - {_power(p, k)}) ** {power!r}"
        case Rex(beta=beta):
            return f"{1 - beta!r} * {p} / (1 - {beta!r} * {p})"
        case Tanh(lower=lower, upper=upper):
            first, last = math.tanh(lower), math.tanh(upper)
            return f"(math.tanh({lower!r} * (1 - {p}) + {upper!r} * {p}) - {first!r}) / {last - first!r}"
        case Hyperbolic(over=over, upper=upper):
            share = float(steps_of(over) / steps_of(upper))
            whole = math.sqrt(share * (2 - share))
            return f"{whole!r} - math.sqrt({share!r} * (1 - {p}) * (2 - {share!r} * (1 + {p})))"
        case Ramp(ease=ease):
            return _named(ease, p)
    raise Unwritable(f"{shape!r} has no closed form here")


def _rho(k: int, beta2: float) -> float:
    """How much of Adam's second moment is there to go by after k steps."""
    return 2 / (1 - beta2) - 1 - 2 * k * beta2**k / (1 - beta2**k)


def _power(p: str, k: float) -> str:
    return p if k == 1 else f"{p} ** {k!r}"


def _since(origin: Fraction) -> str:
    return f"max(x - {_number(origin)}, 0)" if origin else "x"


def _number(exact: Fraction) -> str:
    return (
        str(exact.numerator)
        if exact.denominator == 1
        else f"Fraction({exact.numerator}, {exact.denominator})"
    )


def _level(level: LevelLike) -> str:
    return repr(level).replace("BASE", "base") if isinstance(level, Level) else repr(level)
