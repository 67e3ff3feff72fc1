"""Schedule → code for optax: its own schedules, joined."""

from __future__ import annotations

from etude.convert.pieces import Piece, Unwritable, pieces, whole
from etude.durations import Horizon
from etude.errors import ScheduleError
from etude.levels import Level, LevelLike, to_level
from etude.schedules.algebra import Constant, Product, Schedule, Sum
from etude.schedules.laws import Exponential, Steps
from etude.schedules.shapes import Cosine, Geometric, Linear, Polynomial

__all__ = ["to_optax"]

ZERO = Level(0.0, 0.0)


def to_optax(schedule: Schedule, horizon: Horizon) -> str:
    """Write ``make_schedule(base_rate)``, which returns an optax schedule of the same rates.

    Raises:
        ScheduleError: naming the part that optax has no equivalent of.
    """
    steps = schedule.on(horizon).steps
    try:
        value = _expression(schedule, horizon, steps)
    except Unwritable as why:
        raise ScheduleError(
            f"optax has no equivalent of a part of {schedule!r}: {why}; call the table itself outside jit, "
            f"or hand optax.inject_hyperparams its values"
        ) from None
    argument = "base_rate" if schedule.depends_on_base else ""
    return "\n".join(
        [
            f"# {schedule!r}",
            f"# on {horizon!r}; JAX rounds to float32 unless jax_enable_x64 is set",
            "import optax",
            "",
            "",
            f"def make_schedule({argument}):",
            f"    return {value}",
            "",
        ]
    )


def _expression(schedule: Schedule, horizon: Horizon, steps: int) -> str:
    match schedule:
        case Product(together=parts):
            return _joined(" * ", parts, horizon, steps)
        case Sum(together=parts):
            return _joined(" + ", parts, horizon, steps)
    found = pieces(schedule, horizon, steps)
    calls = [_call(piece, horizon) for piece in found]
    if len(calls) == 1:
        return calls[0]
    listed = "".join(f"            {call},\n" for call in calls)
    boundaries = ", ".join(str(piece.start) for piece in found[1:])
    return f"optax.join_schedules(\n        [\n{listed}        ],\n        boundaries=[{boundaries}],\n    )"


def _joined(sign: str, parts: tuple[Schedule, ...], horizon: Horizon, steps: int) -> str:
    # A schedule is a function of the count: the parts are built once, and called together.
    called = [f"parts[{i}](count)" for i in range(len(parts))]
    built = ", ".join(_expression(part, horizon, steps) for part in parts)
    return f"(lambda parts: lambda count: {sign.join(called)})([{built}])"


def _call(piece: Piece, horizon: Horizon) -> str:
    part = piece.schedule
    match part:
        case Constant(level=level):
            return f"optax.constant_schedule({_level(level)})"
        case Linear(start=start, stop=stop, over=over) if part == Linear(start, stop, over=over):
            return f"optax.linear_schedule({_level(start)}, {_level(stop)}, {whole(over, 'its length')})"
        case Polynomial(start=start, stop=stop, over=over, power=power) if part == Polynomial(
            start, stop, over=over, power=power
        ):
            length = whole(over, "its length")
            return f"optax.polynomial_schedule({_level(start)}, {_level(stop)}, {power!r}, {length})"
        case Cosine(start=start, stop=stop, over=over, power=power) if part == Cosine(
            start, stop, over=over, power=power
        ):
            return _cosine(to_level(start, "start"), to_level(stop, "stop"), whole(over, "its length"), power)
        case Geometric(start=start, stop=stop, over=over) if part == Geometric(start, stop, over=over):
            rate = _ratio(to_level(stop, "stop"), to_level(start, "start"))
            length = whole(over, "its length")
            return f"optax.exponential_decay({_level(start)}, {length}, {rate}, end_value={_level(stop)})"
        case Exponential(gamma=gamma, start=start, per=per) if part == Exponential(
            gamma, start=start, per=per
        ):
            return f"optax.exponential_decay({_level(start)}, {whole(per, 'its unit')}, {gamma!r})"
        case Steps(gamma=gamma, start=start, every=every) if part == Steps(
            every, gamma, start=start, at=part.at
        ):
            return _stairs(part, piece)
        case Product() | Sum():
            return _expression(part, horizon, piece.length)
    raise Unwritable(f"{part!r}")


def _cosine(start: Level, stop: Level, length: int, power: float) -> str:
    if start == ZERO and power == 1:
        # optax's cosine leaves from a rate above 0: one that rises from 0 is what another still lacks.
        falling = f"optax.cosine_decay_schedule({_level(stop)}, {length})"
        return f"(lambda falling: lambda count: {_level(stop)} - falling(count))({falling})"
    if start == ZERO:
        raise Unwritable(f"a cosine to the power of {power:g} that rises from 0")
    alpha = "0.0" if stop == ZERO else _ratio(stop, start)
    exponent = "" if power == 1 else f", exponent={power!r}"
    return f"optax.cosine_decay_schedule({_level(start)}, {length}, alpha={alpha}{exponent})"


def _stairs(steps: Steps, piece: Piece) -> str:
    start = _level(steps.start)
    if steps.every is not None:
        every = whole(steps.every, "a stair")
        if steps.gamma == 0:  # exponential_decay takes a factor of 0 for none
            return f"optax.piecewise_constant_schedule({start}, {{{every}: 0.0}})"
        return f"optax.exponential_decay({start}, {every}, {steps.gamma!r}, staircase=True)"
    scales: dict[int, float] = {}
    for when in steps.at or ():
        step = whole(when, "a milestone")
        scales[step] = scales.get(step, 1.0) * steps.gamma
    return f"optax.piecewise_constant_schedule({start}, {dict(sorted(scales.items()))!r})"


def _ratio(level: Level, to: Level) -> str:
    if not level.offset and not to.offset:
        return repr(level.factor / to.factor)
    if not level.factor and not to.factor:
        return repr(level.offset / to.offset)
    return f"({_level(level)}) / ({_level(to)})"


def _level(level: LevelLike) -> str:
    return repr(level).replace("BASE", "base_rate")
