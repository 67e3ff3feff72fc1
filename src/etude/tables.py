"""Tables: a schedule resolved on a horizon, to be asked for any step, or for all of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, overload, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from etude import check
from etude.durations import LARGEST_STEP, DurationLike, Horizon
from etude.eases import Array
from etude.errors import HorizonError, ScheduleError
from etude.names import nearest
from etude.timeline import HOLD, Combined, Context, Node, ceil_float, just_before

if TYPE_CHECKING:  # pictures are imported when one is asked for: most programs only want the numbers
    from matplotlib.figure import Figure

    from etude import plots

__all__ = ["LARGEST_STEP", "Facts", "Jump", "PhaseRow", "Table"]

Number: TypeAlias = "float | np.integer[Any] | np.floating[Any]"

# Values are worked out in blocks that stay in the processor's cache; a block is also what bounds memory.
BLOCK = 1 << 16
# What a difference of two equal numbers may be below 0.
ROUNDING = 1e-12
# Above this many steps, sums over a run are estimated from as many evenly spaced steps.
EXACT_STEPS = 1 << 22
MAX_PHASES = 10_000
MAX_SHADES = 40
CURVE_POINTS = 4_000


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """A stretch of the run with one formula, ``[start, stop)`` in steps; ``cycle`` where it is in one."""

    name: str
    start: float
    stop: float
    cycle: int | None = None


@dataclass(frozen=True, slots=True)
class Jump:
    """A discontinuity: the value just before ``step``, and at it."""

    step: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be said about a schedule over a run of ``steps`` updates.

    The sums Σ run over the updates of the run; the last two lines are about the schedule continued for
    ever, None where that is unknown (feedback, user functions).

    Where ``exact`` is False, all but ``first`` and ``last`` are estimates from some of the updates. What is
    too large for a float is infinite. ``jumps`` is None, and ``shares`` are of some of the updates, in a run
    of more than 10,000 phases.
    """

    steps: int
    first: float
    last: float
    peak: float
    peak_step: int
    floor: float
    floor_step: int
    mean: float
    area: float
    area_of_squares: float
    jumps: tuple[Jump, ...] | None
    shares: Mapping[str, float]
    exact: bool
    sum_diverges: bool | None
    sum_of_squares_converges: bool | None

    @property
    def verdict(self) -> str:
        """Robbins and Monro's two conditions on the endless continuation, in a sentence."""
        if self.sum_diverges is None:
            return "Whether Σlr = ∞ and Σlr² < ∞ cannot be told: part of the schedule is decided at run time."
        both = self.sum_diverges and self.sum_of_squares_converges
        return (
            f"Continued for ever, Σlr {'=' if self.sum_diverges else '<'} ∞ and "
            f"Σlr² {'<' if self.sum_of_squares_converges else '='} ∞: the conditions of stochastic "
            f"approximation (Robbins and Monro, 1951) {'hold' if both else 'do not both hold'}."
        )


class Resolvable(Protocol):
    """What a table was made from: a schedule."""

    def on(self, horizon: Horizon, /) -> Table: ...
    def walk(self) -> Iterator[object]: ...
    @property
    def parts(self) -> Sequence[Resolvable]: ...
    @property
    def depends_on_base(self) -> bool: ...
    @property
    def multiplies(self) -> bool: ...
    @property
    def moves_with_the_run(self) -> bool: ...


class Remembered(Protocol):
    """What feedback has come to."""

    @property
    def factor(self) -> float: ...


@runtime_checkable
class Feedback(Protocol):
    """A part of a schedule that follows a metric."""

    @property
    def metric(self) -> str: ...
    def fresh(self) -> Remembered: ...
    def observe(self, state: Any, value: float, /) -> Remembered: ...
    def __hash__(self) -> int: ...


class Table:
    """A schedule on a horizon.

    Made by ``schedule.on(horizon)``; ``table(k)`` is the value that update k uses, k counted from 0.
    """

    def __init__(self, schedule: Resolvable, horizon: Horizon, node: Node, length: Fraction | None) -> None:
        self.schedule = schedule
        self.horizon = horizon
        self._node = node
        self.length = None if length is None else _boundary(length)

    @property
    def text(self) -> str:
        """The schedule's expression."""
        return repr(self.schedule)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy or a pickle is resolved anew: the node holds functions, the schedule is a plain value.
        return self.schedule.on, (self.horizon,)

    def __repr__(self) -> str:
        return f"<Table of {self.text} on {self.horizon!r}>"

    @overload
    def __call__(
        self, k: Number, base: float = ..., *, factors: Mapping[Hashable, float] | None = ...
    ) -> float: ...
    @overload
    def __call__(
        self, k: ArrayLike, base: ArrayLike = ..., *, factors: Mapping[Hashable, float] | None = ...
    ) -> Array: ...
    def __call__(
        self,
        k: ArrayLike,
        base: ArrayLike = 1.0,
        *,
        factors: Mapping[Hashable, float] | None = None,
    ) -> float | Array:
        """Return the values at the steps ``k`` for the base rates.

        Args:
            k: one step or an array of them, each ≥ 0; fractions of a step are allowed.
            base: the base rate, or one for each parameter group.
            factors: what feedback has decided, from each Plateau to its factor; 1 where not given.

        Returns:
            a float for one step and one base; else float64 of shape ``steps × groups``, without the
            axis of what was given as a single number.

        Raises:
            ScheduleError: for a step or a base that is negative, not finite or not a number, and where
                a value would be negative or too large for a float.
        """
        steps = _steps_array(k)
        bases = _bases_array(base)
        if self.schedule.multiplies and (bases != 1).any():
            raise ScheduleError(
                f"{self.text} is a factor and multiplies: it has no base rate; leave out base=, or ask "
                f"{self.text} * BASE"
            )
        context = Context(bases.reshape(-1), factors or {})
        places = steps.reshape(-1, 1)
        values = np.empty((len(places), bases.size))
        rows = max(BLOCK // bases.size, 1)
        with np.errstate(all="ignore"):  # what overflows is refused by name
            for low in range(0, len(places), rows):
                block = slice(low, low + rows)
                values[block] = self._node(places[block].astype(np.float64), context)
                _check_finite(values[block], places[block])
        if steps.ndim == bases.ndim == 0:
            return float(values[0, 0])
        return values.reshape(steps.shape + bases.shape)

    @property
    def steps(self) -> int:
        """The number of updates in the run: the horizon's total, or else the schedule's own length.

        A partial last step counts. Raises HorizonError where both are unknown.
        """
        total = self.horizon.total_steps
        if total is None and self.length is None:
            raise HorizonError(
                f"{self.text} never ends and the horizon has no total, so there is no whole run to "
                f"describe; write Horizon(total=...)"
            )
        steps = math.ceil(self.length or 0) if total is None else math.ceil(total)
        if not 1 <= steps <= LARGEST_STEP:
            raise HorizonError(
                f"a run to describe must have at least 1 update and at most 2**53; {self.text} has "
                f"{'none' if steps < 1 else 'more'} on {self.horizon!r}"
            )
        return steps

    @property
    def first_phase_end(self) -> float:
        """Where the first phase would end, also where the run ends before it; a first hold is none."""
        phase = self._node.phase_at(Fraction(0))
        if phase.name == HOLD and phase.stop is not None:
            phase = self._node.phase_at(phase.stop)
        return _boundary(phase.stop)

    @property
    def phases(self) -> tuple[PhaseRow, ...]:
        """The phases of the run, in order; after the schedule's end the last value is held."""
        return tuple(self._phases())

    def phase(self, k: float) -> PhaseRow:
        """Return the phase that covers step ``k``, however far away."""
        phase = self._node.phase_at(Fraction(float(_steps_array(k))))
        return PhaseRow(phase.name, max(_boundary(phase.start), 0), _boundary(phase.stop), phase.cycle)

    def _phases(self) -> Iterator[PhaseRow]:
        end, x = Fraction(self.steps), Fraction(0)
        for _ in range(MAX_PHASES):
            phase = self._node.phase_at(x)
            stop = end if phase.stop is None else min(phase.stop, end)
            yield PhaseRow(phase.name, _boundary(x), _boundary(stop), phase.cycle)
            if stop == end:
                return
            x = stop
        raise ScheduleError(
            f"this run has more than {MAX_PHASES:,} phases, too many to list; ask for one with table.phase(k)"
        )

    def replay(
        self,
        metrics: Mapping[str, Sequence[float]] | Sequence[float],
        *,
        every: DurationLike | None = None,
        base: ArrayLike = 1.0,
    ) -> Array:
        """Return the values that updates use while feedback sees these metrics.

        Observation i is made when (i + 1) · every steps are done, and counts from that step on.

        Args:
            metrics: the observations in order, of each metric by name; or of the only one.
            every: the time from one to the next; an epoch, or a step on a horizon without epochs.
            base: the base rate, or one for each parameter group.

        Returns:
            one value (or row of groups) for each step up to the last observation.

        Raises:
            ScheduleError: for a metric that nothing follows, one that is missing, or lists that are not
                equally long.
        """
        if every is None:
            every = 1 if self.horizon.steps_per_epoch is None else "1ep"
        period = self.horizon.steps(every, "replay(every=)")
        if not period:
            raise ScheduleError(f"replay(every=) must be more than 0 steps; got {every!r}")
        followers = dict.fromkeys(part for part in self.schedule.walk() if isinstance(part, Feedback))
        traces = _traces(metrics, sorted({follower.metric for follower in followers}), self.text)
        states: dict[Feedback, Remembered] = {follower: follower.fresh() for follower in followers}
        values, start = [], 0
        for i in range(min(map(len, traces.values()))):
            stop = math.ceil((i + 1) * period)
            factors: dict[Hashable, float] = {follower: state.factor for follower, state in states.items()}
            values.append(self(range(start, stop), base, factors=factors))
            states = {
                follower: follower.observe(state, traces[follower.metric][i])
                for follower, state in states.items()
            }
            start = stop
        return np.concatenate(values) if values else self(np.arange(0), base)

    def facts(self, base: float = 1.0) -> Facts:
        """Describe the values over the whole run for one base rate.

        Runs of more than 2²² updates are described from as many evenly spaced ones, and
        ``facts().exact`` is then False.
        """
        steps = self.steps
        exact = steps <= EXACT_STEPS
        places = np.arange(steps) if exact else np.unique(np.linspace(0, steps - 1, EXACT_STEPS).round())
        values = self(places, base)
        # Each sampled step stands for as many as there are in all.
        weight = steps / len(places)
        jumps, shares = self._jumps_and_shares(base, float(values.max()))
        # Rounded, for a gain of 1/7 with a stretch of 7 is meant to be on the border, power 1.
        power = round(self._node.decay_power, 12)
        unknown = math.isnan(power)
        with np.errstate(over="ignore"):
            area, squares = values.sum(), np.square(values).sum()
            mean = values.mean() if area < math.inf else (values / len(values)).sum()
            area, squares = area * weight, squares * weight
        return Facts(
            steps=steps,
            first=float(values[0]),
            last=float(values[-1]),
            peak=float(values.max()),
            peak_step=int(places[values.argmax()]),
            floor=float(values.min()),
            floor_step=int(places[values.argmin()]),
            mean=float(mean),
            area=float(area),
            area_of_squares=float(squares),
            jumps=jumps,
            shares=shares,
            exact=exact,
            sum_diverges=None if unknown else power <= 1,
            sum_of_squares_converges=None if unknown else power > 0.5,
        )

    def _jumps_and_shares(self, base: float, peak: float) -> tuple[tuple[Jump, ...] | None, dict[str, float]]:
        steps = self.steps
        phases: Sequence[PhaseRow]
        try:
            phases = self.phases
        except ScheduleError:  # too many to list: the share of each name among evenly spaced steps
            places = np.linspace(0, steps - 1, 1_000)
            phases = [PhaseRow(self.phase(k).name, i, i + 1) for i, k in enumerate(places)]
            return None, _shares(phases)
        edges = np.array([phase.start for phase in phases[1:]], dtype=np.float64)
        before = self.before(edges, base)
        after = self(edges, base)
        # More than rounding, also where both are about 0.
        size = 1e-9 * np.maximum(before, after) + 1e-12 * peak
        jumps = [
            Jump(phase.start, float(low), float(high))
            for phase, low, high, least in zip(phases[1:], before, after, size, strict=True)
            if abs(high - low) > least
        ]
        return tuple(jumps), _shares(phases)

    @property
    def depends_on_base(self) -> bool:
        """Whether the values follow the base rate."""
        return self.schedule.depends_on_base

    @property
    def moves_with_the_run(self) -> bool:
        """Whether lengths are shares of the run: then on another total it is another schedule."""
        return self.schedule.moves_with_the_run

    def before(self, k: ArrayLike, base: float = 1.0) -> Array:
        """Return the values just before the steps ``k``, each > 0: what a phase that ends there comes to."""
        return self(just_before(np.asarray(k, dtype=np.float64)), base)

    def explain(
        self, k: float, base: float | None = None, *, factors: Mapping[Hashable, float] | None = None
    ) -> str:
        """Return in a sentence what makes the value at step ``k``: the base, the phase and the feedback.

        Args:
            k: the step.
            base: the base rate; not given, the value is told as a multiple of it.
            factors: what feedback has decided, from each Plateau to its factor; 1 where not given.

        >>> print(Cosine().on(Horizon(total=4)).explain(3, base=0.1))
        0.0146447 at step 3 = base 0.1 × 0.146447: phase 'cosine' [0, 4), 75 % through
        """
        value = self(k, 1.0 if base is None else base, factors=factors)
        phase = self.phase(k)
        text = f"{value:.6g} at step {k:.16g}"
        if self.depends_on_base:
            text += f" = base × {value:.6g}" if base is None else ""
            # Of a base that is next to 0 an absolute level may be more multiples than a float holds.
            if base and math.isfinite(value / base):
                text += f" = base {base:.6g} × {value / base:.6g}"
        text += f": phase {phase.name!r} [{phase.start:.16g}, "
        if math.isinf(phase.stop):
            text += "∞)"
        else:
            through = (k - phase.start) / (phase.stop - phase.start)
            text += f"{phase.stop:.16g}), {100 * through:.0f} % through"
        text += "" if phase.cycle is None else f", in cycle {phase.cycle}"
        for follower in dict.fromkeys(part for part in self.schedule.walk() if isinstance(part, Feedback)):
            text += f"; {follower.metric} plateau factor {(factors or {}).get(follower, 1.0):.6g}"
        return text

    @property
    def multiplied(self) -> tuple[Table, ...]:
        """The factors of a product, each on this horizon; nothing where it is none."""
        if not isinstance(self._node, Combined) or self._node.operation is not np.multiply:
            return ()
        return tuple(part.on(self.horizon) for part in self.schedule.parts)

    def check(self, base: float | None = None, *, of: str = "lr") -> tuple[check.Finding, ...]:
        """Return what is wrong, or probably not meant, about this schedule on this horizon.

        Args:
            base: the optimizer's own rate, where it is known; then the rates in the messages are real
                ones, not shares of it, and a base rate that is never used is told.
            of: the hyperparameter that it is for: ``"lr"``; another of torch's, such as ``"momentum"``; or
                ``"other"``. Of another than ``"lr"`` only what holds for any is told.

        Raises:
            ScheduleError: for a hyperparameter that is not known.
        """
        return check.findings(self, base, of)

    def chart(self, base: float = 1.0, *, title: str | None = None, label: str | None = None) -> plots.Chart:
        """Return the numbers of the schedule's picture: the curve, its phases and its restarts.

        The label is ``"learning rate"``, or ``"factor"`` of what multiplies, where none is given.

        A restart is where another cycle begins at a higher value than the one before has come to.
        """
        from etude import plots

        label = label or ("factor" if self.schedule.multiplies else "learning rate")
        steps = self.steps
        places = np.arange(steps + 1.0) if steps < CURVE_POINTS else np.linspace(0, steps, CURVE_POINTS)
        phases = [self.phase(0)] if self.phase(0).stop >= steps else []
        if not phases:
            few = []
            for phase in self._phases():
                few.append(phase)
                if len(few) > MAX_SHADES:
                    break
            phases = few if len(few) <= MAX_SHADES else []
        edges = np.array([phase.start for phase in phases[1:]], dtype=np.float64)
        # The curve up to each edge and from it, so that a jump is drawn upright.
        places = np.unique(np.concatenate([places[places < steps], edges, just_before(edges)]))
        begins = edges[[a.cycle != b.cycle is not None for a, b in pairwise(phases)]] if edges.size else edges
        # More than rounding, also where both are about 0.
        least = 1e-9 * self(places, base).max()
        restarts = begins[self(begins, base) > self.before(begins, base) + least] if begins.size else begins
        per_epoch = self.horizon.steps_per_epoch
        return plots.Chart(
            title=self.text if title is None else title,
            x_label=self._x_label(),
            y_label=label if base != 1.0 or self.schedule.multiplies else f"{label} (base rate 1)",
            series=(plots.Series(label, places, self(places, base)),),
            shades=tuple(plots.Shade(phase.start, min(phase.stop, steps), phase.name) for phase in phases),
            marks=tuple(plots.Mark(step, "restart") for step in restarts.tolist()),
            above=None if per_epoch is None else plots.Unit("epoch", float(per_epoch)),
        )

    def _x_label(self) -> str:
        per_epoch = self.horizon.steps_per_epoch
        return "step" if per_epoch is None else f"step ({_boundary(per_epoch):g} an epoch)"

    def plot(self, path: str | Path | None = None, *, base: float = 1.0) -> Figure:
        """Draw the schedule with matplotlib, and save it where a path (.png, .svg, .pdf) is given."""
        from etude import plots

        chart = self.chart(base)
        if path is not None:
            plots.save(chart, path)
        return plots.draw(chart)

    def _repr_svg_(self) -> str:
        from etude import plots

        return plots.to_svg(self.chart())


def _boundary(exact: Fraction | None) -> float:
    """A boundary as a person reads it: an int where it is whole, else the first float past it.

    Infinite where there is none.
    """
    if exact is None:
        return math.inf
    return exact.numerator if exact.denominator == 1 else ceil_float(exact)


def _traces(
    metrics: Mapping[str, Sequence[float]] | Sequence[float], followed: list[str], text: str
) -> dict[str, list[float]]:
    """The observations of each metric that is followed, checked."""
    if not followed:
        raise ScheduleError(f"{text} follows no metric, so there is nothing to replay; use table(range(...))")
    if not isinstance(metrics, Mapping):
        if len(followed) > 1:
            raise ScheduleError(f"replay needs a dict of metrics, for there are {', '.join(followed)}")
        metrics = {followed[0]: metrics}
    if sorted(map(str, metrics)) != followed:
        hints = "".join(nearest(name, followed) for name in metrics if name not in followed)
        raise ScheduleError(
            f"the metrics to replay must be {', '.join(followed)}; "
            f"got {', '.join(map(str, metrics)) or 'none'}{hints}"
        )
    traces: dict[str, list[float]] = {}
    for name, trace in metrics.items():
        values = _array(trace)
        if values.dtype.kind not in "iuf" or values.ndim != 1:
            raise ScheduleError(f"the metric {name!r} must be a list of numbers; got {trace!r}")
        traces[name] = values.astype(np.float64).tolist()
    if len(set(map(len, traces.values()))) > 1:
        lengths = ", ".join(f"{len(trace)} of {name}" for name, trace in traces.items())
        raise ScheduleError(f"the metrics to replay must be equally long; got {lengths}")
    return traces


def _shares(phases: Sequence[PhaseRow]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for phase in phases:
        shares[phase.name] = shares.get(phase.name, 0.0) + (phase.stop - phase.start)
    whole = sum(shares.values())
    return {name: length / whole for name, length in shares.items()}


def _steps_array(k: Any) -> NDArray[Any]:
    """The steps as an array of whatever numbers they are, checked."""
    # numpy reads a range number by number, which takes ten times as long.
    steps = np.arange(k.start, k.stop, k.step) if isinstance(k, range) else _array(k)
    if steps.dtype.kind not in "iuf":
        raise ScheduleError(f"a step must be a number, at least 0 and at most 2**53, or an array; got {k!r}")
    if steps.size and not (steps.min() >= 0 and steps.max() <= LARGEST_STEP):
        wrong = steps[~((steps >= 0) & (steps <= LARGEST_STEP))].flat[0]
        raise ScheduleError(f"a step must be at least 0 and at most 2**53; got {wrong:g}")
    return steps


def _array(values: Any) -> NDArray[Any]:
    try:
        # A fraction is what a Horizon counts steps in.
        return np.asarray(float(values) if isinstance(values, Fraction) else values)
    except ValueError:  # rows of unequal length
        return np.array(None)


def _check_finite(values: Array, steps: NDArray[Any]) -> None:
    if not values.max() < math.inf:
        row = int(np.flatnonzero(~(values < math.inf).all(axis=1))[0])
        raise ScheduleError(f"the value at step {steps[row, 0]:.16g} is too large for a float")
    if values.min() < -ROUNDING:
        row, column = np.argwhere(values < -ROUNDING)[0].tolist()
        raise ScheduleError(
            f"the value at step {steps[row, 0]:.16g} is negative, {values[row, column]:g}: .under(level) "
            f"must leave at least 0; give it a higher level, or multiply the schedule by less"
        )


def _bases_array(base: Any) -> NDArray[np.float64]:
    array = _array(base)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or array.size == 0:
        raise ScheduleError(f"base must be a rate, or one for each parameter group; got {base!r}")
    bases = array.astype(np.float64)
    if not (bases.min() >= 0 and bases.max() < math.inf):
        raise ScheduleError(f"a base rate must be finite and at least 0; got {base!r}")
    return bases
