"""Schedule → code for torch's schedulers: the stock classes where they are equal, else an exact LambdaLR."""

from __future__ import annotations

from fractions import Fraction

from etude.convert.formula import formula
from etude.convert.pieces import (
    Piece,
    Unwritable,
    absolute,
    follows_base,
    multiple,
    pieces,
    steps_of,
    whole,
)
from etude.durations import Horizon
from etude.levels import BASE
from etude.schedules.algebra import Constant, Repeat, Schedule, Sequence
from etude.schedules.laws import Exponential, Steps
from etude.schedules.rebuilt import in_steps
from etude.schedules.shapes import Cosine, Linear, Polynomial

__all__ = ["to_torch"]

MOST_CHILDREN = 20
IMPORT = "from torch.optim import lr_scheduler"
DOCSTRING = "    '''Call step() after each optimizer.step().'''"


def to_torch(schedule: Schedule, horizon: Horizon) -> str:
    """Write ``make_scheduler(optimizer)``, which builds torch's schedulers of the same rates.

    The stock classes are equal up to the rounding of torch's running product, a LambdaLR to the last digits.
    """
    head = [f"# {schedule!r}", f"# on {horizon!r}"]
    try:
        call = _stock(schedule, horizon)
    except Unwritable as why:
        reason = f"# A LambdaLR, for none of torch's own is equal: {why}."
        return "\n".join([*head, reason, *_lambda(schedule, horizon)]) + "\n"
    return "\n".join(
        [*head, IMPORT, "", "", "def make_scheduler(optimizer):", DOCSTRING, f"    return {call}", ""]
    )


def _lambda(schedule: Schedule, horizon: Horizon) -> list[str]:
    written = formula(schedule, horizon)
    build = ["    return lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, 1.0))"]
    if not follows_base(schedule):
        build = [
            "    # LambdaLR multiplies by the base rate; rates that do not follow it are divided by it.",
            '    bases = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]',
            "    factors = [lambda step, base=base: rate(step, base) / base for base in bases]",
            "    return lr_scheduler.LambdaLR(optimizer, factors)",
        ]
    functions = "\n\n\n".join(written.functions)
    return [
        *written.imports,
        "",
        IMPORT,
        "",
        "",
        functions,
        "",
        "",
        "def make_scheduler(optimizer):",
        DOCSTRING,
        *build,
    ]


def _stock(schedule: Schedule, horizon: Horizon) -> str:
    """The call that builds stock schedulers.

    Raises:
        Unwritable: with the part that has no equal.
    """
    steps = schedule.on(horizon).steps
    plan = in_steps(schedule, horizon)
    whole_run = _one_cycle(plan, steps) or _cyclic(plan)
    if whole_run is not None:
        return whole_run
    found = pieces(schedule, horizon, steps, keep=_is_warm_restarts)
    if len(found) > MOST_CHILDREN:
        raise Unwritable(f"the run has {len(found)} parts")
    calls = [_call(piece, is_last=piece is found[-1]) for piece in found]
    if len(calls) == 1:
        return calls[0]
    milestones = ", ".join(str(piece.start) for piece in found[1:])
    children = "".join(f"            {call},\n" for call in calls)
    return (
        f"lr_scheduler.SequentialLR(\n        optimizer,\n        [\n{children}        ],\n"
        f"        milestones=[{milestones}],\n    )"
    )


def _call(piece: Piece, *, is_last: bool) -> str:
    """The stock scheduler of one piece, equal on each of its steps."""
    part = piece.schedule
    name, arguments = _arguments(piece, part, is_last)
    return (
        f"lr_scheduler.{name}(optimizer, {', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    )


def _arguments(piece: Piece, part: Schedule, is_last: bool) -> tuple[str, dict[str, object]]:
    match part:
        case Constant(level=level):
            factor = multiple(level, "a constant")
            if factor > 1:
                raise Unwritable(f"ConstantLR's factor is at most 1, and {part!r} has {factor:g}")
            # After total_iters, ConstantLR goes back to the base rate.
            iters = piece.length + is_last if factor != 1 else 0
            return "ConstantLR", {"factor": factor, "total_iters": iters}
        case Linear(start=start, stop=stop, over=over) if part == Linear(start, stop, over=over):
            first, last = multiple(start, "Linear's start"), multiple(stop, "Linear's stop")
            if not 0 < first <= 1 or last > 1:
                raise Unwritable(
                    f"LinearLR goes from above 0 to at most 1, and {part!r} from {first:g} to {last:g}"
                )
            return "LinearLR", {
                "start_factor": first,
                "end_factor": last,
                "total_iters": whole(over, "Linear's length"),
            }
        case Cosine(stop=stop, over=over) if part == Cosine(BASE, stop, over=over):
            t_max = whole(over, "Cosine's length")
            if piece.length > t_max:
                raise Unwritable(
                    f"CosineAnnealingLR climbs again after its T_max, where {part!r} holds its last rate"
                )
            return "CosineAnnealingLR", {"T_max": t_max, "eta_min": absolute(stop, "Cosine's stop")}
        case Polynomial(over=over, power=power) if part == Polynomial(BASE, 0.0, over=over, power=power):
            return "PolynomialLR", {"total_iters": whole(over, "Polynomial's length"), "power": power}
        case Exponential(gamma=gamma) if part == Exponential(gamma):
            return "ExponentialLR", {"gamma": gamma}
        case Steps(gamma=gamma, every=every) if every is not None and part == Steps(every, gamma):
            return "StepLR", {"step_size": whole(every, "a stair"), "gamma": gamma}
        case Steps(gamma=gamma, at=at) if at is not None and part == Steps(gamma=gamma, at=at):
            milestones = [whole(when, "a milestone") for when in at]
            return "MultiStepLR", {"milestones": sorted(milestones), "gamma": gamma}
        case Repeat(schedule=Cosine(stop=stop, over=over), growth=growth) if _is_warm_restarts(part):
            return "CosineAnnealingWarmRestarts", {
                "T_0": whole(over, "the first cycle"),
                "T_mult": int(Fraction(growth)),
                "eta_min": absolute(stop, "Cosine's stop"),
            }
    raise Unwritable(f"{part!r} has none")


def _is_warm_restarts(part: Schedule) -> bool:
    """Whether it is what CosineAnnealingWarmRestarts does."""
    if not (isinstance(part, Repeat) and isinstance(part.schedule, Cosine) and part.times is None):
        return False
    cosine, growth = part.schedule, Fraction(part.growth)
    plain = cosine == Cosine(BASE, cosine.stop, over=cosine.over) and part.gain == 1
    return plain and growth >= 1 and growth.denominator == 1


def _one_cycle(plan: Schedule, steps: int) -> str | None:
    """OneCycleLR, which holds its absolute rates over the whole run."""
    match plan:
        case Sequence(sequence=(Cosine() | Linear() as up, Cosine() | Linear() as down)):
            kind = type(up)
        case _:
            return None
    peak, low, end = up.stop, up.start, down.stop
    both: Schedule = kind(low, peak, over=up.over) >> kind(peak, end, over=down.over)
    rise, fall = steps_of(up.over), steps_of(down.over)
    total = rise + fall + 1
    rates = [getattr(level, "offset", 0) for level in (low, peak, end)]
    if plan != both or plan.depends_on_base or min(rates) <= 0 or total != steps or rates[0] > rates[1]:
        return None
    arguments = {
        "max_lr": rates[1],
        "total_steps": steps,
        "pct_start": float((rise + 1) / total),
        "anneal_strategy": "cos" if kind is Cosine else "linear",
        "cycle_momentum": False,
        "div_factor": rates[1] / rates[0],
        "final_div_factor": rates[0] / rates[2],
    }
    listed = "".join(f"        {key}={value!r},\n" for key, value in arguments.items())
    return f"lr_scheduler.OneCycleLR(\n        optimizer,\n{listed}    )"


def _cyclic(plan: Schedule) -> str | None:
    """CyclicLR, whose rates are absolute."""
    match plan:
        case Repeat(schedule=Sequence(sequence=(Linear() as up, Linear() as down)), times=None):
            low, high = up.start, up.stop
        case _:
            return None
    wave: Schedule = (Linear(low, high, over=up.over) >> Linear(high, low, over=down.over)).repeat()
    sizes = steps_of(up.over), steps_of(down.over)
    if plan != wave or plan.depends_on_base or any(size.denominator != 1 for size in sizes):
        return None
    arguments = {
        "base_lr": low,
        "max_lr": high,
        "step_size_up": int(sizes[0]),
        "step_size_down": int(sizes[1]),
        "cycle_momentum": False,
    }
    listed = "".join(f"        {key}={value!r},\n" for key, value in arguments.items())
    return f"lr_scheduler.CyclicLR(\n        optimizer,\n{listed}    )"
