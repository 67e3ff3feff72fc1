"""Schedule → a call of transformers' ``get_scheduler``, where it is equal at every step."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from etude.convert.pieces import Unwritable, multiple, steps_of, whole
from etude.durations import Horizon, to_duration
from etude.errors import ScheduleError
from etude.levels import BASE
from etude.schedules.algebra import Constant, Repeat, Schedule, Sequence
from etude.schedules.laws import InverseSqrt
from etude.schedules.rebuilt import in_steps
from etude.schedules.recipes.arguments import along
from etude.schedules.shapes import Cosine, Linear, Polynomial, Shape

__all__ = ["to_transformers"]


def to_transformers(schedule: Schedule, horizon: Horizon) -> str:
    """Write ``make_scheduler(optimizer)``, which calls ``get_scheduler``.

    Raises:
        ScheduleError: where none of its schedules is equal at every step.
    """
    steps = schedule.on(horizon).steps
    plan = in_steps(schedule, horizon)
    try:
        name, arguments, specific = _match(plan, steps)
    except Unwritable as why:
        raise ScheduleError(
            f"none of transformers' schedules is {schedule!r} at every step: {why}; convert to='torch' and "
            f"give Trainer the scheduler: Trainer(optimizers=(optimizer, scheduler))"
        ) from None
    keywords = "".join(f"        {key}={value!r},\n" for key, value in arguments.items())
    if specific:
        listed = ", ".join(f"{key!r}: {value}" for key, value in specific.items())
        keywords += f"        scheduler_specific_kwargs={{{listed}}},\n"
    return (
        f"# {schedule!r}\n# on {horizon!r}\nfrom transformers import get_scheduler\n\n\n"
        f"def make_scheduler(optimizer):\n    return get_scheduler(\n        {name!r},\n        optimizer,\n"
        f"{keywords}    )\n"
    )


def _match(plan: Schedule, steps: int) -> tuple[str, dict[str, int], dict[str, str]]:
    """Its name there, the two numbers of steps, and what else it takes."""
    parts = list(plan.sequence if isinstance(plan, Sequence) else (plan,))
    warmup, floor = 0, 0.0
    first = parts[0]
    if len(parts) > 1 and isinstance(first, Linear) and first.stop == BASE:
        warmup = whole(first.over, "the warmup's length")
        floor = multiple(first.start, "the warmup's start")
        if first != Linear(floor * BASE, BASE, over=first.over):
            raise Unwritable(f"{first!r} is no warmup")
        parts = parts[1:]
    if len(parts) > 1 and isinstance(parts[0], Cosine) and parts == [parts[0]] * len(parts):
        parts = [Repeat(parts[0], len(parts))]  # as the recipe writes cycles in the rest of the run
    found = _stable(parts, warmup, floor) if len(parts) == 2 else None
    if found is None and len(parts) == 1 and not floor:
        found = _decay(parts[0], warmup, steps)
    if found is None:
        if isinstance(first, Linear) or len(parts) > 1:
            raise Unwritable(
                "it has a straight line from 0 to BASE for a warmup, then a decay, or a stable phase and one"
            )
        raise Unwritable(f"{plan!r} has no name there")
    name, training, specific = found
    arguments = {"num_warmup_steps": warmup, "num_training_steps": training}
    return name, {} if name == "constant" else arguments, specific


def _decay(part: Schedule, warmup: int, steps: int) -> tuple[str, int, dict[str, str]] | None:
    """The name, the length of the training, and the keywords of what follows the warmup."""
    match part:
        case Constant() if part == Constant(BASE):
            return ("constant_with_warmup" if warmup else "constant"), steps, {}
        case Linear(over=over) if part == Linear(BASE, 0.0, over=over):
            return "linear", warmup + whole(over, "Linear's length"), {}
        case Cosine(stop=stop, over=over) if part == Cosine(BASE, stop, over=over):
            training = warmup + whole(over, "Cosine's length")
            rate = multiple(stop, "Cosine's stop")
            if training < steps:
                raise Unwritable(
                    f"its cosine climbs again after {training} steps, where {part!r} holds its last rate"
                )
            return (
                ("cosine_with_min_lr", training, {"min_lr_rate": repr(rate)})
                if rate
                else ("cosine", training, {})
            )
        case Repeat(schedule=Cosine(over=over), times=times) if part == Repeat(
            Cosine(BASE, 0.0, over=over), times
        ):
            cycle = steps_of(over)
            cycles = Fraction(steps - warmup) / cycle if times is None else Fraction(times)
            whole_run = warmup + cycles * cycle
            if cycles.denominator != 1 or whole_run.denominator != 1:
                raise Unwritable(f"{part!r} has no whole number of cycles")
            return "cosine_with_restarts", int(whole_run), {"num_cycles": str(cycles)}
        case Polynomial(stop=stop, over=over, power=power) if part == Polynomial(
            BASE, stop, over=over, power=power
        ):
            end = multiple(stop, "Polynomial's stop")
            if end >= 1:
                raise Unwritable(f"{part!r} does not fall")
            specific = {"lr_end": f'{end!r} * optimizer.defaults["lr"]', "power": repr(power)}
            return "polynomial", warmup + whole(over, "Polynomial's length"), specific
        case InverseSqrt(timescale=timescale) if part == InverseSqrt(timescale):
            return "inverse_sqrt", steps, {"timescale": str(whole(timescale, "the timescale"))}
    return None


def _stable(parts: list[Schedule], warmup: int, floor: float) -> tuple[str, int, dict[str, str]] | None:
    """A stable phase and a decay, which come back to the level that the warmup left."""
    stable, decay = parts
    if not isinstance(stable, Constant) or stable != Constant(BASE, over=stable.over):
        return None
    decays = {"linear": "linear", "cosine": "cosine", "one_minus_sqrt": "1-sqrt"}
    for ease, name in decays.items():
        if not isinstance(decay, Shape) or decay != along(ease)(
            BASE, decay.stop, over=to_duration(decay.over)
        ):
            continue
        low = multiple(decay.stop, "the decay's stop")
        if warmup and low != floor:
            raise Unwritable(f"its warmup begins where its decay ends, at {low:g} times BASE")
        stays, falls = whole(stable.over, "the stable phase"), whole(decay.over, "the decay")
        specific: dict[str, Any] = {
            "num_decay_steps": falls,
            "decay_type": name,
            "min_lr_ratio": low,
        }
        return (
            "warmup_stable_decay",
            warmup + stays + falls,
            {key: repr(value) for key, value in specific.items()},
        )
    return None
