"""What torch's schedulers compute, read off their attributes, as Etude's schedules.

Each formula takes a scheduler's *attributes* under torch's names (what ``vars(scheduler)`` and its
``state_dict()`` hold), a parameter group and its index, and returns the schedule of each hyperparameter that
the scheduler writes in that group: ``"lr"``, and where it cycles momentum ``"momentum"`` (``"betas[0]"`` in
a group that has both). Relative values are multiples of ``BASE``, the group's ``initial_lr``; absolute ones
are numbers. A schedule's zero is the scheduler's first update, and ``clock`` says where the scheduler stands.

    of(scheduler, index)        the schedules of one group, for a scheduler of torch's or a drop-in
    clock(scheduler)            the step at which it stands
    kind(scheduler)             the name of its class, if this module knows what that computes
    FORMULAS[kind](attributes, group, index)

The drop-ins of ``etude.torch.lr_scheduler``, loading torch's states and ``etude.torch.adopt`` read these.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from torch import Tensor
from torch.optim import lr_scheduler as peers
from torch.optim import swa_utils

from etude.durations import Horizon, to_duration
from etude.errors import ScheduleError
from etude.levels import BASE, Level, to_level
from etude.schedules import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    Plateau,
    PlateauState,
    Polynomial,
    Rate,
    Steps,
    bounds,
    cyclic,
    cyclic_cosine_decay,
    sgdr,
)
from etude.schedules.algebra import Product
from etude.schedules.shapes import Shape
from etude.spec import parse
from etude.torch.functions import Called, Multiplied, called
from etude.torch.groups import Group, base_of

__all__ = [
    "FORMULAS",
    "PARAMETERS",
    "Formula",
    "NoFunctionError",
    "alike",
    "at",
    "clock",
    "kind",
    "momentum_name",
    "of",
    "plain",
    "plateau",
    "plateau_state",
    "restart",
    "standing",
    "swa_start",
]

Attributes: TypeAlias = Mapping[str, Any]
Formula: TypeAlias = Callable[[Attributes, Group, int], dict[str, Rate]]

NO_HORIZON = Horizon()
COMPUTING = ("get_lr", "step")
# A rate that is nearer to its end than this says nothing any more of where it came from.
LEAST_SHARE = 1e-9
MOST_MILESTONES = 10_000
EASES: dict[str, type[Shape]] = {"cos": Cosine, "linear": Linear}


class NoFunctionError(ScheduleError, TypeError):
    """As torch raises it."""


# Reading attributes.


def at(values: Any, index: int, owner: str, name: str) -> Any:
    """Return a group's item of an attribute with one for each; what all have goes for new groups."""
    if index < len(values):
        return values[index]
    if alike(values):
        return values[0]
    raise ScheduleError(
        f"{owner}'s {name} has {len(values)} values and the optimizer a parameter group {index}; append one "
        f"for it: scheduler.{name}.append(...)"
    )


def alike(values: Sequence[Any]) -> bool:
    """Whether there are values, and all the same, so that they go for every group."""
    return bool(values) and all(value is values[0] or value == values[0] for value in values)


def _number(attributes: Attributes, name: str, field: str, **bound: float) -> float:
    return bounds.number(plain(attributes[name]), f"{field}({name}=)", **bound)


def plain(value: Any) -> Any:
    """Return a tensor of one element as the number in it, and anything else as it is."""
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def _whole(attributes: Attributes, name: str, field: str, *, least: int) -> int:
    """A number of steps; 10.0 is one, as torch takes it."""
    value = plain(attributes[name])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return bounds.whole(value, f"{field}({name}=)", least=least)


def _rate(value: Any, field: str) -> float:
    return bounds.number(plain(value), field, least=0)


def _ease(strategy: Any, field: str) -> type[Shape]:
    return EASES[bounds.choice(strategy, field, EASES)]


def momentum_name(attributes: Attributes, group: Group) -> str:
    """What the momentum of a group is called, to be written by a scheduler that cycles it."""
    return "betas[0]" if attributes.get("use_beta1") and "momentum" in group else "momentum"


# One formula for each class.


def _lambda(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    return {"lr": called(_function(attributes, index, "LambdaLR"), "LambdaLR")}


def _multiplicative(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    return {"lr": Multiplied(_function(attributes, index, "MultiplicativeLR"), "MultiplicativeLR")}


def _function(attributes: Attributes, index: int, name: str) -> Callable[[int], Any]:
    function: Any = at(attributes["lr_lambdas"], index, name, "lr_lambdas")
    if not callable(function):
        raise NoFunctionError(f"{name}: lr_lambda should be a function, but got {type(function).__name__}")
    return function  # type: ignore[no-any-return] # it was asked whether it can be called, no more


def _step(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    gamma = _number(attributes, "gamma", "StepLR", least=0)
    return {"lr": Steps(_whole(attributes, "step_size", "StepLR", least=1), gamma)}


def _multistep(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    gamma = _number(attributes, "gamma", "MultiStepLR", least=0)
    given = attributes["milestones"].items()
    most = sum(_whole({"milestones": times}, "milestones", "MultiStepLR", least=0) for _, times in given)
    if most > MOST_MILESTONES:
        raise ScheduleError(f"MultiStepLR(milestones=) must be at most {MOST_MILESTONES:,}; got {most:,}")
    milestones = [
        _whole({"milestones": milestone}, "milestones", "MultiStepLR", least=0)
        for milestone, times in given
        for _ in range(times)
    ]
    return {"lr": Steps(gamma=gamma, at=sorted(milestones)) if milestones else Constant(BASE)}


def _constant(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    factor = _share(attributes, "factor", "ConstantLR")
    iterations = _whole(attributes, "total_iters", "ConstantLR", least=0)
    return {"lr": Constant(factor * BASE, over=iterations) >> Constant(BASE)}


def _share(attributes: Attributes, name: str, field: str) -> float:
    value = _number(attributes, name, field, least=0)
    if value > 1:
        raise ScheduleError(f"{field}({name}=) must be at most 1, a share of the base rate; got {value!r}")
    return value


def _linear(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    start = _share(attributes, "start_factor", "LinearLR")
    if not start:
        raise ScheduleError("LinearLR(start_factor=) must be more than 0; got 0")
    stop = _share(attributes, "end_factor", "LinearLR")
    iterations = _whole(attributes, "total_iters", "LinearLR", least=0)
    return {"lr": Linear(start * BASE, stop * BASE, over=iterations)}


def _exponential(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    gamma = _number(attributes, "gamma", "ExponentialLR", least=0)
    return {"lr": Exponential(gamma) if gamma else Steps(gamma=0.0, at=[1])}


def _polynomial(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    iterations = _whole(attributes, "total_iters", "PolynomialLR", least=0)
    power = _number(attributes, "power", "PolynomialLR", least=0)
    if not power:  # 0 to the power of 0 is 1
        return {"lr": Constant(BASE)}
    return {"lr": Polynomial(BASE, 0.0, over=iterations, power=power)}


def _cosine(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    floor = _rate(attributes["eta_min"], "CosineAnnealingLR(eta_min=)")
    length = _whole(attributes, "T_max", "CosineAnnealingLR", least=0)
    if not length:
        return {"lr": Constant(floor)}
    # torch's formula goes on past T_max, and so climbs back.
    return {"lr": (Cosine(BASE, floor, over=length) >> Cosine(floor, BASE, over=length)).repeat()}


def _restarts(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    floor = _rate(attributes["eta_min"], "CosineAnnealingWarmRestarts(eta_min=)")
    first = _first_cycle(attributes)
    return {"lr": sgdr(first, stretch=attributes["T_mult"], floor=floor)}


def restart(first: int, multiplier: int, step: float) -> tuple[float, int]:
    """Return torch's T_cur and T_i at a step: the steps since the last restart, and the cycle's length."""
    if multiplier == 1:
        return step % first, first
    length = first
    while step >= length:
        step -= length
        length *= multiplier
    return step, length


def _first_cycle(attributes: Attributes) -> Any:
    """The cycle that the others are multiples of: T_0, unless T_i was changed to what no cycle of it is."""
    name = "CosineAnnealingWarmRestarts"
    first = _whole(attributes, "T_0", name, least=1)
    multiplier = _whole(attributes, "T_mult", name, least=1)
    present = plain(attributes.get("T_i", first))
    bounds.number(present, f"{name}(T_i=)", above=0)
    length = first
    while multiplier > 1 and length < present:
        length *= multiplier
    return first if length == present else present


def _cyclic(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    low = _rate(at(attributes["base_lrs"], index, "CyclicLR", "base_lrs"), "CyclicLR(base_lr=)")
    high = _rate(at(attributes["max_lrs"], index, "CyclicLR", "max_lrs"), "CyclicLR(max_lr=)")
    if high < low:
        raise ScheduleError(f"CyclicLR(max_lr=) must be at least base_lr, {low:g}; got {high:g}")
    lengths = _sizes(attributes)
    up, down = map(to_duration, lengths)
    scale = attributes.get("_scale_fn_custom")
    mode = attributes["mode"]
    gamma = _number(attributes, "gamma", "CyclicLR", above=0)
    if scale is None:
        bounds.choice(mode, "CyclicLR(mode=)", ("triangular", "triangular2", "exp_range"))
    exponential = {"gamma": gamma} if mode == "exp_range" and scale is None else {}

    def between(low: float, high: float) -> Rate:
        if scale is None:
            # A number where the signature has other types for other names.
            return cyclic(up, low=low, high=high, down=down, mode=mode, **exponential)  # type: ignore[arg-type]
        by_cycle = attributes["scale_mode"] == "cycle"
        factor = Called(_Scale(scale, float(sum(lengths))) if by_cycle else scale, "CyclicLR", start=1.0)
        wave = cyclic(up, low=0.0, high=high - low, down=down) * factor
        return wave + Constant(low) if low else wave

    schedules = {"lr": between(low, high)}
    if attributes["cycle_momentum"]:
        name = momentum_name(attributes, group)
        low = _rate(
            at(attributes["base_momentums"], index, "CyclicLR", "base_momentums"), "CyclicLR(base_momentum=)"
        )
        high = _rate(
            at(attributes["max_momentums"], index, "CyclicLR", "max_momentums"), "CyclicLR(max_momentum=)"
        )
        if mode == "triangular" and scale is None:
            schedules[name] = (Linear(high, low, over=up) >> Linear(low, high, over=down)).repeat()
        elif low <= high:
            schedules[name] = between(0.0, high - low).under(high)
        else:  # as torch lets it: up with the rate
            schedules[name] = between(0.0, low - high) + Constant(high)
    return schedules


class _Scale:
    """A user's function of the cycle, counted from 1, as one of the step."""

    def __init__(self, function: Callable[[int], Any], period: float) -> None:
        self.function = function
        self.period = period
        self.__qualname__ = getattr(function, "__qualname__", type(function).__name__)

    def __call__(self, step: float) -> Any:
        return self.function(math.floor(1 + step / self.period))


def _sizes(attributes: Attributes) -> tuple[Fraction, Fraction]:
    """The lengths of the way up and down, which torch keeps as their sum and the share of the way up."""
    total = _number(attributes, "total_size", "CyclicLR", above=0)
    share = _number(attributes, "step_ratio", "CyclicLR", least=0)
    up = share * total
    # Their product is off by a rounding or two.
    whole = Fraction(total).limit_denominator(10**6)
    rise = Fraction(up).limit_denominator(10**6)
    return rise, whole - rise


def _one_cycle(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    legacy = getattr(attributes.get("anneal_func"), "__name__", "_annealing_cos").removeprefix("_annealing_")
    shape = _ease(attributes.get("_anneal_func_type", legacy), "OneCycleLR(anneal_strategy=)")
    phases = attributes["_schedule_phases"]
    ends = [plain(phase["end_step"]) for phase in phases]
    if ends[-1] < ends[-2]:
        raise ScheduleError(
            f"OneCycleLR(pct_start=) must be at most 0.5 with three phases: they would end at the steps "
            f"{', '.join(f'{end:g}' for end in ends)}"
        )
    begins = [0.0, *ends[:-1]]
    # A phase that would be over before the first step is left out, and the next then began before it; and so
    # is one without length, where it is not the only one.
    kept = [i for i, (begin, end) in enumerate(zip(begins, ends, strict=True)) if end >= 0 and end > begin]

    def over_phases(start: str, stop: str) -> Rate:
        plan: Rate | None = None
        for i in kept or [len(ends) - 1]:
            low, high = (
                _rate(group[phases[i][key]], f"the group's {phases[i][key]}") for key in (start, stop)
            )
            piece: Rate = shape(low, high, over=to_duration(ends[i] - begins[i]))
            if plan is None and begins[i] < 0:
                piece = piece.shift(to_duration(begins[i]))
            plan = piece if plan is None else plan >> piece
        assert plan is not None  # at least one is kept
        return plan

    schedules = {"lr": over_phases("start_lr", "end_lr")}
    if attributes["cycle_momentum"]:
        schedules[momentum_name(attributes, group)] = over_phases("start_momentum", "end_momentum")
    return schedules


def _cyclic_cosine_decay(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    def level(name: str) -> Level | None:
        values = attributes[name]
        return None if values is None else _level(at(values, index, "CyclicCosineDecayLR", name))

    low = level("min_decay_lr")
    assert low is not None  # the constructor demands it
    try:
        plan = cyclic_cosine_decay(
            attributes["init_decay_epochs"],
            low,
            attributes["restart_interval"],
            attributes["restart_interval_multiplier"],
            level("restart_lr"),
            attributes["warmup_epochs"],
            level("warmup_start_lr"),
            init_lr=level("init_lr"),
            warmup_shape=attributes["warmup_shape"],
        )
    except ScheduleError as error:
        # The arguments have the same names there.
        raise ScheduleError(str(error).replace("cyclic_cosine_decay", "CyclicCosineDecayLR")) from None
    return {"lr": plan}


def _level(value: float | str) -> Level:
    """A rate, or the text of one that follows BASE."""
    plan = parse(value, custom="name") if isinstance(value, str) else Constant(value)
    if not isinstance(plan, Constant):
        raise ScheduleError(f"CyclicCosineDecayLR's rates must be levels, such as 0.1 * BASE; got {plan!r}")
    return to_level(plan.level, "CyclicCosineDecayLR's rates")


def _swa(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    shape = _ease(attributes["_anneal_strategy"], "SWALR(anneal_strategy=)")
    over = _whole(attributes, "anneal_epochs", "SWALR", least=0)
    return {"lr": shape(BASE, _rate(group["swa_lr"], "SWALR(swa_lr=)"), over=over)}


def swa_start(attributes: Attributes, group: Group, index: int) -> float | None:
    """Return the rate that SWALR anneals from, by where it is now; None where nothing is left of it."""
    schedule = _swa(attributes, group, index)["lr"]
    step = standing("SWALR", attributes)
    table = schedule.on(NO_HORIZON)
    swa = _rate(group["swa_lr"], "swa_lr")
    # The shape is affine in where it starts: at(x) = left · x + what the other end gives.
    given = table(step, base=0.0)
    left = 1 - given / swa if swa else table(step, base=1.0)
    rates = attributes.get("_last_lr") or []
    if left < LEAST_SHARE or index >= len(rates):
        return None
    return max((float(rates[index]) - given) / left, 0.0)


def plateau(attributes: Attributes, group: Group, index: int) -> Plateau:
    """Return the Plateau of ReduceLROnPlateau's attributes, for one group; its metric is ``metric``."""
    name = "ReduceLROnPlateau"
    if _number(attributes, "factor", name, least=0) >= 1:
        raise ScheduleError(f"{name}(factor=) must be less than 1, to reduce; got {attributes['factor']!r}")
    base = base_of(group, "lr")
    floor = _rate(at(attributes["min_lrs"], index, name, "min_lrs"), f"{name}(min_lr=)")
    # The two choices are words that bounds has checked, which the types cannot see.
    return Plateau(
        "metric",
        factor=_number(attributes, "factor", name, least=0),
        patience=_whole(attributes, "patience", name, least=0),
        mode=bounds.choice(attributes["mode"], f"{name}(mode=)", ("min", "max")),  # type: ignore[arg-type]
        threshold=_number(attributes, "threshold", name, least=0),
        threshold_mode=bounds.choice(  # type: ignore[arg-type]
            attributes["threshold_mode"], f"{name}(threshold_mode=)", ("rel", "abs")
        ),
        cooldown=_whole(attributes, "cooldown", name, least=0),
        minimum=min(floor / base, 1.0) if base else 0.0,
    )


def plateau_state(attributes: Attributes, group: Group, index: int) -> PlateauState:
    """Return what ReduceLROnPlateau's attributes remember, for one group.

    The factor is a drop-in's own, or else the share of its base rate that the group's last rate was.
    """
    factors = attributes.get("_factors") or []
    base = base_of(group, "lr")
    last = attributes.get("_last_lr") or []
    factor = factors[index] if index < len(factors) else 1.0
    if not factors and index < len(last) and base:
        factor = float(last[index]) / base
    best = float(attributes["best"])
    return PlateauState(
        factor=factor,
        best=best if math.isfinite(best) else None,
        bad=_whole(attributes, "num_bad_epochs", "ReduceLROnPlateau", least=0),
        resting=_whole(attributes, "cooldown_counter", "ReduceLROnPlateau", least=0),
    )


def _plateau(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    return {"lr": Constant(BASE) * plateau(attributes, group, index)}


def _sequential(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    children: Sequence[Any] = attributes["_schedulers"]
    milestones = [
        _whole({"milestones": step}, "milestones", "SequentialLR", least=0)
        for step in attributes["_milestones"]
    ]
    if milestones != sorted(milestones):
        raise ScheduleError(f"SequentialLR(milestones=) must rise; got {attributes['_milestones']!r}")
    parts = [of(child, index) for child in children]
    starts = [0, *milestones]
    plans: dict[str, Rate] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        plan: Rate | None = None
        for i, (child, part) in enumerate(zip(children, parts, strict=True)):
            last = i == len(milestones)
            if name not in part:
                piece = _held(plan, starts[i], [part[name] for part in parts[i:] if name in part])
            elif plan is not None and kind(child) == "SWALR" and name == "lr":
                piece = _annealed(plan, starts[i], vars(child), group)
            else:
                piece = part[name]
            piece = piece if last else piece.until(milestones[i] - starts[i])
            plan = piece if plan is None else plan >> piece
        assert plan is not None  # there is at least one
        plans[name] = plan
    return plans


def _held(plan: Rate | None, start: int, later: Sequence[Rate]) -> Rate:
    """What a part leaves of a hyperparameter that it does not write, such as momentum: what is there.

    That is the last value of the parts before; at first what building those to come has left, the last of
    them the last.
    """
    if plan is None:
        return Constant(later[-1].on(NO_HORIZON)(0))
    return Constant(plan.on(NO_HORIZON)(max(start - 1, 0)))


def _annealed(plan: Rate, start: int, attributes: Attributes, group: Group) -> Rate:
    """What SWALR goes on with where a plan was left: from the rate of the plan's last step."""
    shape = EASES[attributes["_anneal_strategy"]]
    base = base_of(group, "lr")
    last = plan.on(NO_HORIZON)(max(start - 1, 0), base=base)
    level = last / base * BASE if plan.depends_on_base and base else last
    return shape(level, _rate(group["swa_lr"], "SWALR(swa_lr=)"), over=attributes["anneal_epochs"])


def _chained(attributes: Attributes, group: Group, index: int) -> dict[str, Rate]:
    children: Sequence[Any] = attributes["_schedulers"]
    first = clock(children[0])
    plans: dict[str, Rate] = {}
    for child in children:
        if kind(child) == "SWALR":
            raise ScheduleError(
                "SWALR in a ChainedScheduler anneals from whatever the others give, which no schedule says; "
                "use SequentialLR"
            )
        for name, schedule in of(child, index).items():
            apart = first - clock(child)
            own = schedule.shift(apart) if apart else schedule
            plans[name] = _product(plans[name], own, base_of(group, name)) if name in plans else own
    return plans


def _product(first: Rate, second: Rate, base: float) -> Rate:
    """Two rates as a rate and a factor, which is the share that the other would give of the base rate."""
    if first.depends_on_base and not second.depends_on_base:
        first, second = second, first
    if not second.depends_on_base:
        raise ScheduleError(
            f"both {first!r} and {second!r} are rates of their own; in a chain one alone may be"
        )
    return first * _share_of(second, base)


def _share_of(schedule: Rate, base: float) -> Rate:
    """The schedule with every level as a share of the base rate, a number."""

    def shared(value: Any) -> Any:
        if isinstance(value, Level):
            if value.offset and not base:
                raise ScheduleError(f"{schedule!r} has no share of a base rate of 0")
            return value.factor + (value.offset / base if value.offset else 0.0)
        if isinstance(value, Rate):
            # The other parts of a product are factors already.
            return _share_of(value, base) if value.depends_on_base or not product else value
        return tuple(map(shared, value)) if isinstance(value, tuple) else value

    product = isinstance(schedule, Product)
    fields = [field.name for field in dataclasses.fields(schedule) if field.init]
    return dataclasses.replace(schedule, **{name: shared(getattr(schedule, name)) for name in fields})


FORMULAS: dict[str, Formula] = {
    "LambdaLR": _lambda,
    "MultiplicativeLR": _multiplicative,
    "StepLR": _step,
    "MultiStepLR": _multistep,
    "ConstantLR": _constant,
    "LinearLR": _linear,
    "ExponentialLR": _exponential,
    "PolynomialLR": _polynomial,
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _restarts,
    "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle,
    "CyclicCosineDecayLR": _cyclic_cosine_decay,
    "SWALR": _swa,
    "ReduceLROnPlateau": _plateau,
    "SequentialLR": _sequential,
    "ChainedScheduler": _chained,
}
"""By the name of the class: torch's, and the one that it lacks."""

PARAMETERS: dict[str, tuple[str, ...]] = {
    "LambdaLR": ("lr_lambdas",),
    "MultiplicativeLR": ("lr_lambdas",),
    "StepLR": ("step_size", "gamma"),
    "MultiStepLR": ("milestones", "gamma"),
    "ConstantLR": ("factor", "total_iters"),
    "LinearLR": ("start_factor", "end_factor", "total_iters"),
    "ExponentialLR": ("gamma",),
    "PolynomialLR": ("total_iters", "power"),
    "CosineAnnealingLR": ("T_max", "eta_min"),
    "CosineAnnealingWarmRestarts": ("T_0", "T_mult", "eta_min"),
    "CyclicLR": (
        "max_lrs",
        "total_size",
        "step_ratio",
        "mode",
        "gamma",
        "scale_mode",
        "cycle_momentum",
    ),
    "CyclicCosineDecayLR": (
        "init_decay_epochs",
        "min_decay_lr",
        "restart_interval",
        "restart_interval_multiplier",
        "restart_lr",
        "warmup_epochs",
        "warmup_start_lr",
        "init_lr",
        "warmup_shape",
    ),
    "OneCycleLR": ("total_steps", "_schedule_phases", "cycle_momentum"),
    "SWALR": ("anneal_epochs", "_anneal_strategy"),
    "ReduceLROnPlateau": (
        "factor",
        "patience",
        "cooldown",
        "eps",
        "min_lrs",
        "mode",
        "threshold",
        "threshold_mode",
    ),
    "SequentialLR": ("_schedulers", "_milestones"),
    "ChainedScheduler": ("_schedulers",),
}
"""The attributes that make a scheduler of each class what it is, and that its state_dict holds."""


def kind(scheduler: object) -> str:
    """Return the name of torch's class that says what this scheduler computes.

    Raises:
        ScheduleError: for a class of one's own, whose formula only its author knows.
    """
    for ancestor in type(scheduler).__mro__:
        name = ancestor.__name__
        peer = getattr(swa_utils if name == "SWALR" else peers, name, None)
        if name not in FORMULAS:
            continue
        if hasattr(scheduler, "stepped"):  # a drop-in
            return name
        # torch's own, or a subclass that computes nothing itself.
        if ancestor is peer and all(
            getattr(type(scheduler), method) is getattr(peer, method) for method in COMPUTING
        ):
            return name
    raise ScheduleError(
        f"{type(scheduler).__name__} is not one of torch's schedulers, so its formula is not known; write it "
        f"as a schedule, or as LambdaLR with a function of the step"
    )


def of(scheduler: Any, index: int) -> dict[str, Rate]:
    """Return the schedules of one parameter group, by hyperparameter."""
    return FORMULAS[kind(scheduler)](vars(scheduler), scheduler.optimizer.param_groups[index], index)


def clock(scheduler: Any) -> float:
    """Return the step of its schedules at which a scheduler stands."""
    return standing(kind(scheduler), vars(scheduler))


def standing(name: str, attributes: Attributes) -> float:
    """Return the step at which a scheduler of a class stands, by its attributes."""
    if name == "ChainedScheduler":
        return clock(attributes["_schedulers"][0])
    if name == "SWALR":  # it counts its own steps
        return max(int(attributes["_step_count"]) - 1, 0)
    if name == "CosineAnnealingWarmRestarts":
        since, present = plain(attributes["T_cur"]), plain(attributes["T_i"])
        first, multiplier = _first_cycle(attributes), attributes["T_mult"]
        # The cycles before the present one; of equal ones only the epoch says how many.
        gone = Fraction(present - first) / (multiplier - 1) if multiplier > 1 else 0
        if multiplier == 1 and attributes["last_epoch"] % first == since:
            gone = attributes["last_epoch"] - since
        step = float(gone) + float(since)
    else:
        step = float(plain(attributes["last_epoch"]))
    return int(step) if step.is_integer() else step
