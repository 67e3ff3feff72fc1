"""A timeline as one formula: no branch that looks at a value, so that a compiler can trace it once.

Written in NumPy, for NumPy's arrays and for those that a ``Foreign`` wraps. Where a timeline chooses by the
step, the formula works out the choices and picks one. Parts that differ in their numbers alone, such as the
cycles of a warm restart or the levels of a staircase, are worked out once, with their numbers looked up in
an array: the formula grows with the kinds of parts, not with their count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from etude.durations import Horizon
from etude.errors import ScheduleError
from etude.levels import Level
from etude.schedules import Custom, Noise, Plateau, Rate, Schedule, bounds
from etude.schedules.algebra import to_rate
from etude.timeline import (
    Chain,
    Clock,
    Combined,
    Context,
    Cooled,
    Cut,
    Cycles,
    Delayed,
    Growing,
    Law,
    Node,
    Numbered,
    Ramp,
    Scaled,
    ceil_float,
)
from etude.tracing.foreign import taken
from etude.tracing.noise import drawn

__all__ = ["COUNTS", "Formula", "formula"]

COUNTS = 2**31
"""The steps that can be asked for are below this: what counts in 32 bits can count."""

MOST_LINKS = 10_000
"""Cycles inside cycles, each of another length, are soon more than a compiler can hold."""

Formula: TypeAlias = Callable[[Any], Any]
"""Steps, as float64 → values; both NumPy arrays or both ``Foreign``."""

Part: TypeAlias = Callable[[Any, Any], Any]
"""Places on the axis, and which of the part's sets of numbers is meant at each → values."""

Numbers: TypeAlias = Callable[[Any], Any]
"""Which of the sets → the number."""


def formula(plan: Rate, horizon: Horizon, base: float, caller: str) -> Formula:
    """Return the schedule's values as a formula of the step.

    Args:
        plan: the schedule.
        horizon: turns its lengths into steps.
        base: the base rate.
        caller: how the errors name the caller.

    Raises:
        ScheduleError: for a base rate that is none, and for what only Python can do: follow a metric, call
            a user's function, raise an error at a step.
        HorizonError: where a duration needs what the horizon does not say.
    """
    if not isinstance(plan, Schedule):
        hint = "; read text with etude.parse(...)" if isinstance(plan, str) else ""
        raise ScheduleError(f"{caller}(plan=) must be a schedule, such as etude.cosine(); got {plan!r}{hint}")
    to_rate(plan, f"{caller}(plan=)")
    rate = bounds.number(base, f"{caller}(base=)", least=0)
    for part in plan.walk():
        _refuse_what_cannot_be_compiled(part, caller)
    plan.on(horizon)(0, rate)  # which says what is wrong with the horizon or the levels
    builder = _Builder(Context(np.array([rate]), {}), caller)
    whole = builder.part([_Until(plan.resolve(Clock(horizon)), Fraction(COUNTS))])
    return lambda steps: whole(steps, None) + np.zeros_like(steps)


def _refuse_what_cannot_be_compiled(part: Schedule, caller: str) -> None:
    if isinstance(part, Plateau):
        raise ScheduleError(
            f"{caller} cannot follow a metric inside compiled code, and the plan has {part!r}; leave it out "
            f"and scale the updates by what it decides, as optax.contrib.reduce_on_plateau does"
        )
    if isinstance(part, Custom):
        raise ScheduleError(
            f"{caller} cannot call {part!r} inside compiled code; write it with the shapes and laws, or as "
            f"Points([(0, ...), (100, ...), ...])"
        )
    if getattr(part, "after", None) == "raise":
        raise ScheduleError(
            f"{caller} cannot raise an error inside compiled code, and {part!r} has after='raise'; leave "
            f"after= out, so that the last value holds"
        )


@dataclass(frozen=True, slots=True)
class _Until:
    """A node that is never asked for a place beyond ``until``."""

    node: Node
    until: Fraction


@dataclass(frozen=True, slots=True)
class _Builder:
    """Builds formulas for one base rate.

    Every method takes parts of one ``kind``, which become one formula.
    """

    context: Context
    caller: str

    def part(self, parts: Sequence[_Until]) -> Part:
        nodes: list[Any] = [part.node for part in parts]
        levels = [_constant(node) for node in nodes]
        if levels[0] is not None:
            value = self._levels([level for level in levels if level is not None])
            return lambda x, which: value(which)
        match nodes[0]:
            case Chain() | Growing():
                return self._chain(parts)
            case Ramp():
                return self._ramps(nodes)
            case Law():
                return self._laws(nodes)
            case Scaled():
                scaled, factor = self._inner(parts), _numbers([node.factor for node in nodes])
                return lambda x, which: scaled(x, which) * factor(which)
            case Combined():
                return self._combined(parts)
            case Cooled():
                return self._cooled(parts)
            case Cut():
                return self._cut(parts)
            case Delayed():
                return self._delayed(parts)
            case Cycles():
                return self._cycles(nodes)
            case Numbered():
                return self._numbered(nodes)
        raise TypeError(f"no formula is known for {nodes[0]!r}")

    def _inner(self, parts: Sequence[_Until], untils: Sequence[Fraction] | None = None) -> Part:
        """The formula of what each node holds, asked as far as the node is or as far as is given."""
        ends = untils or [part.until for part in parts]
        held = zip(parts, ends, strict=True)
        return self.part([_Until(part.node.node, end) for part, end in held])  # type: ignore[attr-defined]

    def _levels(self, levels: Sequence[Level]) -> Numbers:
        return _numbers([float(level.at(self.context.base)[0]) for level in levels])

    # One formula.

    def _ramps(self, ramps: Sequence[Ramp]) -> Part:
        first = self._levels([ramp.first for ramp in ramps])
        last = self._levels([ramp.last for ramp in ramps])
        start = _numbers([float(ramp.start) for ramp in ramps])
        length = _numbers([float(ramp.stop - ramp.start - ramp.last_step) for ramp in ramps])
        ease, geometric = ramps[0].ease, ramps[0].geometric

        def ramp(x: Any, which: Any) -> Any:
            done = ease(_share((x - start(which)) / length(which)))
            return _between(first(which), last(which), done, geometric)

        return ramp

    def _laws(self, laws: Sequence[Law]) -> Part:
        level = self._levels([law.level for law in laws])
        start = _numbers([float(law.start) for law in laws])
        scale = _numbers([float(law.scale) for law in laws])
        end = _numbers(
            [math.inf if law.stop is None else float((law.stop - law.start) / law.scale) for law in laws]
        )
        function: Any = laws[0].function

        def law(x: Any, which: Any) -> Any:
            t = np.maximum((x - start(which)) / scale(which), 0.0)
            return level(which) * function(np.minimum(t, end(which)))

        return law

    def _combined(self, parts: Sequence[_Until]) -> Part:
        columns = zip(*([(node, part.until) for node in part.node.nodes] for part in parts), strict=True)  # type: ignore[attr-defined]
        joined = [self.part([_Until(node, until) for node, until in column]) for column in columns]
        operation: np.ufunc = parts[0].node.operation  # type: ignore[attr-defined]

        def combined(x: Any, which: Any) -> Any:
            values = joined[0](x, which)
            for part in joined[1:]:
                values = operation(values, part(x, which))
            return values

        return combined

    def _cooled(self, parts: Sequence[_Until]) -> Part:
        nodes: list[Cooled] = [part.node for part in parts]  # type: ignore[misc]
        ends = [min(part.until, Fraction(node.threshold)) for part, node in zip(parts, nodes, strict=True)]
        trunk = self._inner(parts, ends)
        threshold = _numbers([node.threshold for node in nodes])
        start = _numbers([float(node.start) for node in nodes])
        length = _numbers([float(node.stop - node.start) for node in nodes])
        # What it leaves from is one number, which the timeline itself gives.
        left = [node.node.at(node.start, self.context).item() for node in nodes]
        held, last = _numbers(left), self._levels([node.last for node in nodes])
        ease, geometric, at_once = nodes[0].ease, nodes[0].geometric, _at_once(nodes[0])

        def cooled(x: Any, which: Any) -> Any:
            down = last(which)
            if not at_once:
                done = ease(_share((x - start(which)) / length(which)))
                down = _between(held(which), down, done, geometric)
            before = trunk(np.minimum(x, threshold(which)), which)
            return np.where(x < threshold(which), before, down)

        return cooled

    def _cut(self, parts: Sequence[_Until]) -> Part:
        nodes: list[Cut] = [part.node for part in parts]  # type: ignore[misc]
        ends = [min(part.until, Fraction(node.threshold)) for part, node in zip(parts, nodes, strict=True)]
        inner, threshold = self._inner(parts, ends), _numbers([node.threshold for node in nodes])
        # What it holds is one number, which the timeline itself gives.
        held = _numbers([node.before(node.stop, self.context).item() for node in nodes])

        def cut(x: Any, which: Any) -> Any:
            end = threshold(which)
            return np.where(x < end, inner(np.minimum(x, end), which), held(which))

        return cut

    def _delayed(self, parts: Sequence[_Until]) -> Part:
        starts = [part.node.start for part in parts]  # type: ignore[attr-defined]
        ends = [max(part.until, start) for part, start in zip(parts, starts, strict=True)]
        inner, start = self._inner(parts, ends), _numbers(list(map(ceil_float, starts)))
        return lambda x, which: inner(np.maximum(x, start(which)), which)

    # One of several.

    def _chain(self, parts: Sequence[_Until]) -> Part:
        chains = [_links(part) for part in parts]
        links = [link for chain in chains for link in chain]
        if len(links) > MOST_LINKS:
            raise ScheduleError(
                f"{self.caller} cannot compile a schedule of more than {MOST_LINKS:,} pieces of different "
                f"lengths in 2**31 steps; end it with .until(...) where your run ends"
            )
        where = _Places([[ceil_float(start) for start, _ in chain[1:]] for chain in chains])
        kinds: dict[Hashable, list[int]] = {}
        for number, (_, link) in enumerate(links):
            kinds.setdefault(_kind(link.node), []).append(number)
        kind_of = np.zeros(len(links), dtype=np.int64)
        for kind, numbers in enumerate(kinds.values()):
            kind_of[numbers] = kind
        built = [
            (self.part([links[number][1] for number in numbers]), _positions(numbers, len(links)))
            for numbers in kinds.values()
        ]

        def chain(x: Any, which: Any) -> Any:
            if len(links) == 1:
                return built[0][0](x, None)
            at = where(x, which)
            part, position = built[0]
            values = part(x, position(at))
            for kind, (part, position) in enumerate(built[1:], 1):
                values = np.where(taken(kind_of, at) == kind, part(x, position(at)), values)
            return values

        return chain

    def _cycles(self, nodes: Sequence[Cycles]) -> Part:
        split = _Split([(node.turns, node.start) for node in nodes])
        inner = self.part(
            [_Until(node.node, Fraction(node.turns.length)) for node in nodes],
        )
        most = _numbers([math.inf if node.times is None else float(node.times - 1) for node in nodes])
        gain = _numbers([node.gain for node in nodes])
        is_plain = all(node.gain == 1 for node in nodes)

        def cycles(x: Any, which: Any) -> Any:
            cycle, places = split(x, which)
            beyond = np.maximum(cycle - most(which), 0.0)
            values = inner(places + beyond * split.length(which), which)
            return values if is_plain else values * gain(which) ** (cycle - beyond)

        return cycles

    def _numbered(self, nodes: Sequence[Numbered]) -> Part:
        split = _Split([(node.turns, node.start) for node in nodes])
        level = self._levels([node.level for node in nodes])
        function: Any = nodes[0].function
        noise = getattr(function, "__self__", None)
        if isinstance(noise, Noise):
            function = drawn(noise)
        stops, lasts, shares = [], [], []
        for node in nodes:
            stop = node.start if node.stop is None else node.stop
            last, gone = divmod(stop - node.start, node.period)
            stops.append(math.inf if node.stop is None else ceil_float(stop))
            lasts.append(float(last))
            shares.append(float(gone / node.period))
        stop_at, last_turn, last_share = _numbers(stops), _numbers(lasts), _numbers(shares)

        def numbered(x: Any, which: Any) -> Any:
            turn, places = split(x, which)
            held = x >= stop_at(which)
            turn = np.where(held, last_turn(which), turn)
            share = np.where(held, last_share(which), places / split.length(which))
            return level(which) * function(turn, share)

        return numbered


def _links(part: _Until) -> list[tuple[Fraction, _Until]]:
    """The parts of a chain that are ever reached, each after its start."""
    node: Any = part.node
    chain: Chain = node.reach(part.until).chain if isinstance(node, Growing) else node
    nodes = list(chain.nodes)
    if isinstance(node, Growing):  # whose first cycle alone has no factor, and would be a formula of its own
        nodes[0] = Scaled(nodes[0], 1.0)
    ends = [*chain.starts[1:], part.until]
    return [
        (start, _Until(link, min(end, part.until)))
        for number, (start, end, link) in enumerate(zip(chain.starts, ends, nodes, strict=True))
        if not number or start <= part.until
    ]


class _Places:
    """Which of all links a place is in: the links of several chains, one chain after another."""

    def __init__(self, thresholds: Sequence[Sequence[float]]) -> None:
        self._rows = np.full((len(thresholds), max(map(len, thresholds))), math.inf)
        for row, known in zip(self._rows, thresholds, strict=True):
            row[: len(known)] = known
        self._before = np.cumsum([0, *(len(known) + 1 for known in thresholds[:-1])])

    def __call__(self, x: Any, which: Any) -> Any:
        if which is None:
            return np.searchsorted(self._rows[0], x, side="right")
        rows = taken(self._rows, which)
        passed = np.sum(np.expand_dims(x, -1) >= rows, axis=-1)
        return taken(self._before, which) + passed.astype(np.int64)


class _Split:
    """Turns of one length: which of them a place is in, and where in it, in whole parts of the unit."""

    def __init__(self, turns: Sequence[tuple[Any, Fraction]]) -> None:
        self._parts = _numbers([float(turn.denominator) for turn, _ in turns])
        self._origin = _numbers([float(start * turn.denominator) for turn, start in turns])
        self.length = _numbers([turn.length for turn, _ in turns])

    def __call__(self, x: Any, which: Any) -> tuple[Any, Any]:
        length = self.length(which)
        places = np.maximum(x * self._parts(which) - self._origin(which), 0.0)
        turn = np.floor(places / length)
        places = places - turn * length
        # A compiler may divide by multiplying: the quotient of a boundary may then be a rounding off.
        turn = np.where(places < 0, turn - 1, np.where(places >= length, turn + 1, turn))
        places = np.where(places < 0, places + length, np.where(places >= length, places - length, places))
        return turn, places


def _share(progress: Any) -> Any:
    return np.minimum(np.maximum(progress, 0.0), 1.0)


def _between(first: Any, last: Any, done: Any, geometric: bool) -> Any:
    """What lies that share of the way from one value to the other; both ends exact."""
    if not geometric:
        return first * (1 - done) + last * done
    return first ** (1 - done) * last**done


def _constant(node: Node) -> Level | None:
    """The level of a part that has only one."""
    if isinstance(node, Law) and node.function is None:
        return node.level
    if isinstance(node, Ramp) and (node.first == node.last or node.stop - node.start <= node.last_step):
        return node.last
    return None


def _at_once(cooled: Cooled) -> bool:
    return cooled.stop <= cooled.start


def _kind(node: Node) -> Hashable:
    """What two parts have in common that are one formula."""
    if _constant(node) is not None:
        return "constant"
    match node:
        case Ramp():
            return Ramp, _identity(node.ease), node.geometric
        case Law():
            return Law, _identity(node.function)
        case Chain() | Growing():
            return Chain
        case Combined():
            return Combined, node.operation, tuple(map(_kind, node.nodes))
        case Cooled():
            return Cooled, _identity(node.ease), node.geometric, _at_once(node), _kind(node.node)
        case Scaled() | Cut() | Delayed():
            return type(node), _kind(node.node)
        case Cycles():
            return Cycles, _kind(node.node)
        case Numbered():
            return Numbered, _identity(node.function)
    return id(node)


def _identity(value: Any) -> Hashable:
    """A function by what it computes: one made anew in each cycle has the same code and the same numbers."""
    cells = getattr(value, "__closure__", None)
    if cells is None:
        return value  # type: ignore[no-any-return]
    return value.__code__, tuple(_identity(cell.cell_contents) for cell in cells)


def _numbers(values: Sequence[float]) -> Numbers:
    """Look up the number of each set; no look-up where all are equal."""
    first = values[0]
    if all(value == first for value in values):
        return lambda which: first
    array = np.array(values)
    return lambda which: taken(array, which)


def _positions(numbers: Sequence[int], count: int) -> Callable[[Any], Any]:
    """Which set of its kind's numbers each link has; any, where it is of another kind."""
    if len(numbers) == 1:
        return lambda at: None
    positions = np.zeros(count, dtype=np.int64)
    positions[list(numbers)] = range(len(numbers))
    return lambda at: taken(positions, at)
