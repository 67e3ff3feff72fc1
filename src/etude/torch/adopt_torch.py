"""Reading schedulers, class by class: torch's and transformers', Etude's own, and Lightning's dict."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping
from fractions import Fraction
from typing import Any

from torch.optim.lr_scheduler import ChainedScheduler

from etude.convert.transformers_names import TRANSFORMERS
from etude.durations import Horizon
from etude.errors import ScheduleError, SpecError
from etude.levels import BASE, Level
from etude.schedules import Constant, Custom, Plateau, PlateauState, Rate, Schedule, bounds
from etude.schedules.algebra import Until
from etude.timeline import Clock
from etude.torch import formulas
from etude.torch.adopt_timm import TIMM
from etude.torch.adopt_timm import plateau_state as timm_plateau_state
from etude.torch.adopted import NO_HORIZON, Adopted
from etude.torch.functions import Called
from etude.torch.groups import Group, base_of, group_names, place_of, read
from etude.torch.plans import Plan
from etude.torch.scheduler import Scheduler

__all__ = ["read_scheduler"]

# These write base rate times factor, where the others multiply what they find.
NOT_CHAINABLE = ("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR")
# What a running product of torch's may be off.
CLOSE = 1e-6
# A share of the base rate below which nothing is told from 0.
LEAST_SHARE = 1e-6


def read_scheduler(scheduler: Any, clock: float | None) -> Adopted:
    """Return what ``adopt`` returns; see there."""
    if isinstance(scheduler, Mapping):
        return _of_lightning(scheduler, clock)
    if type(scheduler).__module__.startswith("timm.") and type(scheduler).__name__ in TIMM:
        return _of_timm(scheduler, clock)
    if clock is not None:
        raise ScheduleError(f"{type(scheduler).__name__} keeps its own clock; leave out clock={clock!r}")
    if isinstance(scheduler, Scheduler) and not _is_peer(scheduler):
        return _of_scheduler(scheduler)
    formulas.kind(scheduler)
    return _of_torch(scheduler)


def _is_peer(scheduler: object) -> bool:
    """Whether it stands for a class of torch's."""
    try:
        formulas.kind(scheduler)
    except ScheduleError:
        return False
    return True


def _of_torch(scheduler: Any) -> Adopted:
    scheduler = _in_charge(scheduler)
    groups = scheduler.optimizer.param_groups
    plans: list[dict[str, Rate]] = []
    feedback: dict[Plateau, PlateauState] = {}
    for index, group in enumerate(groups):
        plan = {name: _written(schedule) for name, schedule in formulas.of(scheduler, index).items()}
        if formulas.kind(scheduler) == "SWALR":
            plan["lr"] = _from_where_it_began(scheduler, plan["lr"], index)
        if formulas.kind(scheduler) == "ReduceLROnPlateau":
            plan["lr"] = _reduced(scheduler, group, index, feedback)
        plans.append(plan)
    return _adopted(plans, _clock(scheduler), scheduler.optimizer, feedback)


def _reduced(scheduler: Any, group: Group, index: int, feedback: dict[Plateau, PlateauState]) -> Rate:
    """The schedule of a group under ReduceLROnPlateau; what that remembers is put into ``feedback``."""
    attributes = vars(scheduler)
    plateau = formulas.plateau(attributes, group, index)
    state = formulas.plateau_state(attributes, group, index)
    least = _least_left(scheduler, base_of(group, "lr"), state.factor, plateau)
    if least > plateau.minimum:
        plateau = dataclasses.replace(plateau, minimum=min(least, 1.0))
    known = feedback.setdefault(plateau, state).factor
    if not known or not state.factor or math.isclose(known, state.factor, rel_tol=CLOSE):
        return Constant(BASE) * plateau
    # Another group has the same Plateau and was reduced less, or more: what is left of it is in the rate.
    ratio = state.factor / known
    if plateau.minimum:
        plateau = dataclasses.replace(plateau, minimum=min(plateau.minimum / ratio, 1.0))
        feedback[plateau] = dataclasses.replace(state, factor=known)
    return Constant(ratio * BASE) * plateau


def _least_left(scheduler: Any, base: float, factor: float, plateau: Plateau) -> float:
    """The share of the base rate from which on torch leaves out all falls, which would be by ``eps`` or less.

    Where that is below anything that counts, it is 0: no bound is better to read than one of 1e-7.
    """
    rate, share, floor = base * factor, plateau.factor, base * plateau.minimum
    while base and rate > LEAST_SHARE * base:
        lower = max(rate * share, floor)
        if rate - lower <= scheduler.eps:
            return rate / base
        rate = lower
    return 0.0


def _clock(scheduler: Any) -> float:
    """Where it stands, counted from its first step where that is known, not from its last restart."""
    if formulas.kind(scheduler) == "CosineAnnealingWarmRestarts":
        first, multiplier, steps = scheduler.T_0, scheduler.T_mult, scheduler.last_epoch
        if formulas.restart(first, multiplier, steps) == (scheduler.T_cur, scheduler.T_i):
            return steps  # type: ignore[no-any-return]  # torch's counter
    return formulas.clock(scheduler)


def _in_charge(scheduler: Any) -> Any:
    """The scheduler that decides: in torch's chains, one that writes its own value undoes those before it.

    Raises:
        ScheduleError: where others come after it, of which each step then counts but once.
    """
    if type(scheduler) is not ChainedScheduler or len(scheduler._schedulers) == 1:
        return scheduler
    *before, last = scheduler._schedulers
    for child in before:
        if formulas.kind(child) in NOT_CHAINABLE:
            raise ScheduleError(
                f"torch's {type(child).__name__} is not chainable: in this ChainedScheduler it writes over "
                f"what those after it have done, of which only the last step is left; write what was meant, "
                f"such as adopt(first).schedule * factor"
            )
    return last if formulas.kind(last) in NOT_CHAINABLE else scheduler


def _of_scheduler(scheduler: Scheduler) -> Adopted:
    """Etude's own, which is asked for its schedules."""
    groups = scheduler.optimizer.param_groups
    plans: list[dict[str, Rate]] = [{} for _ in groups]
    moment = scheduler._moment
    for binding in moment.laid.bindings:
        for index in binding.indices:
            plans[index][binding.name] = binding.course.schedule
    adopted = _adopted(plans, scheduler.last_epoch, scheduler.optimizer, moment.feedback, scheduler.horizon)
    if not moment.meters:
        return adopted
    note = (
        f"this Scheduler has counted samples or tokens, and stands at "
        f"{moment.progress(scheduler.last_epoch):g} steps of its horizon, where a clock of "
        f"{scheduler.last_epoch} does not lead; give the next one its state_dict() instead"
    )
    return dataclasses.replace(adopted, notes=(*adopted.notes, note))


def _adopted(
    plans: list[dict[str, Rate]],
    clock: float,
    optimizer: Any,
    feedback: Mapping[Plateau, PlateauState],
    horizon: Horizon = NO_HORIZON,
) -> Adopted:
    """One schedule where all groups have the same, and one alone is scheduled."""
    groups = optimizer.param_groups
    factors: dict[Hashable, float] = {plateau: state.factor for plateau, state in feedback.items()}
    notes = []
    for name, group, plan in zip(group_names(groups), groups, plans, strict=True):
        for key, schedule in plan.items():
            base = base_of(group, key)
            given = schedule.on(horizon)(clock, base, factors=factors)
            found = read(group, place_of(group, key))
            if abs(given - found) > CLOSE * max(given, found):
                notes.append(
                    f"{key} of the group {name} is {found:g}, and this scheduler alone gives {given:g} at "
                    f"{clock:.16g}: something else wrote it too; adopt every scheduler, and multiply or join "
                    f"their schedules"
                )
    simple = [_simple(plan) for plan in plans]
    alike = all(plan == simple[0] for plan in simple)
    by_name = dict(zip(group_names(groups), simple, strict=True))
    return Adopted(
        simple[0] if alike else by_name,
        clock,
        by_group=not alike,
        horizon=horizon,
        feedback=feedback,
        notes=tuple(notes),
    )


def _simple(plan: dict[str, Rate]) -> Plan:
    return plan["lr"] if set(plan) == {"lr"} else plan


def _from_where_it_began(scheduler: Any, plan: Rate, index: int) -> Rate:
    """SWALR's schedule from the rate it found, which need not be the base rate."""
    groups = scheduler.optimizer.param_groups
    group = groups[index]
    # torch goes on from what is in the groups, not from what it wrote last.
    found = {"_last_lr": [float(group["lr"]) for group in groups]}
    start = formulas.swa_start(vars(scheduler) | found, group, index)
    base = base_of(group, "lr")
    if start is None or abs(start - base) <= CLOSE * base:
        return plan
    return dataclasses.replace(plan, start=start)  # type: ignore[call-arg]  # it is a shape


def _of_timm(scheduler: Any, clock: float | None) -> Adopted:
    if clock is None:
        raise ScheduleError(
            f"{type(scheduler).__name__} of timm keeps no clock: say the epoch (or the update, with "
            f"t_in_epochs=False) that it was last given, adopt(scheduler, clock=12)"
        )
    clock = bounds.number(clock, "adopt(clock=)", least=0)
    if scheduler.noise_range_t is not None:
        raise ScheduleError(
            f"{type(scheduler).__name__}(noise_range_t=) adds torch's random numbers, which no expression "
            f"says; adopt it without, and multiply by Noise(...)"
        )
    plan = TIMM[type(scheduler).__name__](scheduler)
    groups = scheduler.optimizer.param_groups
    plans = [{"lr": plan * group["lr_scale"] if "lr_scale" in group else plan} for group in groups]
    feedback = {}
    for part in plan.walk():
        if isinstance(part, Plateau):
            feedback[part] = timm_plateau_state(scheduler, clock)
    adopted = _adopted(plans, int(clock) if clock.is_integer() else clock, scheduler.optimizer, feedback)
    return dataclasses.replace(adopted, unit="epoch" if scheduler.t_in_epochs else "step")


def _of_lightning(config: Mapping[str, Any], clock: float | None) -> Adopted:
    if "scheduler" not in config:
        raise ScheduleError(
            f"Lightning's config is {{'scheduler': ..., 'interval': 'epoch'}}; got the keys "
            f"{', '.join(map(repr, config))}"
        )
    interval: Any = bounds.choice(config.get("interval", "epoch"), "the config's interval", ("epoch", "step"))
    every = bounds.whole(config.get("frequency", 1), "the config's frequency", least=1)
    adopted = read_scheduler(config["scheduler"], clock)
    return dataclasses.replace(adopted, unit=interval, every=every)


def _written(schedule: Rate) -> Rate:
    """The schedule in the catalogue's terms.

    Raises:
        ScheduleError: for what has no name there.
    """
    if isinstance(schedule, Called | Custom):
        known = _of_transformers(schedule.function)
        if known is not None:
            return known if schedule.start == BASE else _as_factor(known)
    if isinstance(schedule, Called):
        try:
            schedule.to_json()
        except SpecError as why:
            raise ScheduleError(str(why)) from None

    if isinstance(schedule, Until):
        whole = schedule.schedule
        if isinstance(whole, Rate) and _ends(whole) == _ends(schedule):
            return _written(whole)  # it is left where it ends anyway
    return _mapped(schedule, lambda value: _written(value) if isinstance(value, Rate) else value)


def _ends(schedule: Schedule) -> Fraction | None:
    return schedule.length(Clock(NO_HORIZON))


def _as_factor(schedule: Rate) -> Rate:
    """Multiples of the base rate as the plain numbers that they are multiplied by."""

    def plain(value: Any) -> Any:
        if isinstance(value, Level):
            return value.factor + value.offset
        return _as_factor(value) if isinstance(value, Rate) else value

    return _mapped(schedule, plain)


def _mapped(schedule: Rate, change: Callable[[Any], Any]) -> Rate:
    """The schedule with its fields' values, and those in tuples, changed."""

    def changed(value: Any) -> Any:
        return tuple(map(changed, value)) if isinstance(value, tuple) else change(value)

    old = {each.name: getattr(schedule, each.name) for each in dataclasses.fields(schedule)}
    new = {name: changed(value) for name, value in old.items()}
    return schedule if new == old else dataclasses.replace(schedule, **new)


def _of_transformers(function: Any) -> Rate | None:
    """The schedule of a function that ``get_scheduler`` hands to LambdaLR."""
    keywords = {}
    if isinstance(function, functools.partial) and not function.args:
        function, keywords = function.func, function.keywords
    if not isinstance(function, str):
        function = f"{getattr(function, '__module__', '')}:{getattr(function, '__name__', '')}"
    module, _, name = function.partition(":")
    build = TRANSFORMERS.get(name) if module == "transformers.optimization" else None
    return None if build is None else build(**keywords)
