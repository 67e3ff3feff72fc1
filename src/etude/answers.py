"""What is answered to a wrong word: a name, a keyword or an argument that is not taken, and what is instead.

Other libraries' words are known, and those that Etude had before.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any, ParamSpec, TypeVar

from etude.errors import EtudeError, ScheduleError
from etude.names import nearest

__all__ = ["answering", "named_arguments", "our_word", "wrong_call", "wrong_keyword", "wrong_name"]

Takes = ParamSpec("Takes")
Returns = TypeVar("Returns")

# Ours, of which the first that is taken is meant | other words for it.
WORDS = """
over epochs decay total horizon | T_max total_iters total_steps max_iters max_steps max_epochs num_epochs
over epochs decay total horizon | num_training_steps decay_steps transition_steps num_steps t_initial epochs
over epochs decay total horizon | steps length duration n_steps decay_epochs lr_decay_iters
period | T_0 first_decay_steps first_cycle_steps cycle_length restart_interval
stretch | T_mult t_mul tmult cycle_mult cycle_mul
gain | m_mul cycle_decay gamma
floor low stop lrf | eta_min min_lr lr_min end_lr lr_end final_lr end_value end_learning_rate alpha minimum
floor low stop lrf | min_lr_ratio min_lr_rate eta_min_ratio min_decay_lr
gamma decay_rate | factor decay_factor lr_gamma
decay_rate gamma steepness | decay_rate gamma rate
peak high start lr0 level | max_lr base_lr initial_lr init_lr lr learning_rate init_value peak_value eta_max
peak start level | high rate initial_learning_rate
warmup up over | num_warmup_steps warmup_steps warmup_epochs warmup_iters warmup_t warmup_ratio n_warmup
start | warmup_lr warmup_lr_init warmup_start_lr start_factor
cycles times | num_cycles cycle_limit restarts n_cycles
every | step_size decay_t lr_step_size
at | milestones decay_milestones boundaries lr_steps
rates | values boundaries_and_values
up | step_size_up stepsize cut cut_frac pct_start
down | step_size_down
ease | anneal_strategy decay_type annealing
div | div_factor
final_div | final_div_factor
cooldown | num_decay_steps decay decay_ratio cooldown_steps
power | exponent
low high | base_momentum max_momentum
steps_per_epoch | updates_per_epoch iters_per_epoch batches
samples_per_step | batch_size global_batch_size train_batch_size
tokens_per_step | tokens_per_batch tokens_per_update
schedules | plan schedule scheduler lr_lambda lr_scheduler
"""
KEYWORDS: dict[str, list[str]] = {}
for _line in WORDS.strip().splitlines():
    _ours, _, _others = _line.partition(" | ")
    for _word in _others.split():
        KEYWORDS.setdefault(_word, []).extend(_ours.split())

# What an argument of ours is.
MEANINGS = {
    "over": "its length is over=",
    "epochs": "its length is epochs=",
    "decay": "the length of its decay is decay=",
    "total": "the length of the run is total=, such as total='90ep'",
    "horizon": "the length of the run is in the horizon: Horizon(total=...)",
    "period": "the length of its first cycle is period=",
    "stretch": "how many times as long each cycle is as the last is stretch=",
    "gain": "how many times as high each cycle is as the last is gain=",
    "floor": "its last rate is floor=, such as floor=0.01 * BASE",
    "low": "its lower bound is low=",
    "stop": "its last level is stop=",
    "peak": "its highest rate is peak=",
    "high": "its upper bound is high=",
    "start": "its first level is start=",
    "level": "its rate is level=",
    "warmup": "the length of its warmup is warmup=",
    "up": "the length of the way up is up=",
    "down": "the length of the way down is down=",
    "cycles": "the number of its cycles is cycles=",
    "every": "the length of a stair is every=",
    "at": "its times are at=",
    "rates": "its rates are rates=",
    "gamma": "its factor is gamma=",
    "ease": "the form of the way is ease=",
    "cooldown": "the length of the decay is cooldown=",
    "schedules": "the schedule, or one for each hyperparameter, is schedules=",
}

# What is an argument of nothing here.
ELSEWHERE = {
    "last_epoch": "a Scheduler goes on with load_state_dict(state), or from a step with seek(step)",
    "verbose": "scheduler.get_last_lr() has the rates, and a Recorder keeps them",
    "power": "polynomial() and the shapes Cosine() and Polynomial() have it",
    "k": "polynomial() and the shapes Cosine() and Polynomial() have it",
    "k_decay": "polynomial() and the shapes Cosine() and Polynomial() have it, as k=",
    "optimizer": "a schedule knows no optimizer: Scheduler(optimizer, plan, horizon) brings them together",
}

# Names that were, and those of other libraries | what to write.
NAMES = dict(
    line.split(" | ")
    for line in """
fixed | Constant()
linear_to_zero | linear()
cosine_with_restarts | cosine(cycles=4)
warmup_restarts | sgdr('10ep', up='1ep')
flat_cosine | wsd(cooldown=0.3, ease='cosine')
knee | wsd(cooldown='50%')
swa | plan.cooldown('75%', over='10ep', stop=0.1 * BASE, ease='cosine')
cyclic_momentum | cyclic('2ep', low=0.0, high=0.1).under(0.95)
untuned_linear_warmup | untuned_warmup(0.999)
untuned_exponential_warmup | untuned_warmup(0.999, ease='exponential')
OneMinusSqrt | Ramp(ease='one_minus_sqrt')
OneMinusSquare | Ramp(ease='one_minus_square')
MirrorCosine | Ramp(ease='mirror_cosine')
QuarterCosine | Ramp(ease='quarter_cosine')
QuarterSine | Ramp(ease='quarter_sine')
ExpHyperbolic | Hyperbolic(BASE, 0.01 * BASE, upper='300ep', geometric=True)
PlateauState | etude.schedules.PlateauState
LambdaLR | Custom('package.module:function')
LinearLR | Linear(0.1 * BASE, BASE, over='5ep')
ConstantLR | Constant(0.1 * BASE, over='5ep')
StepLR | step('30ep', 0.1)
MultiStepLR | multistep(['30ep', '60ep'], 0.1)
ExponentialLR | exponential(0.95, per='1ep')
PolynomialLR | polynomial(power=2)
CosineAnnealingLR | cosine()
CosineLRScheduler | cosine()
CosineAnnealingWarmRestarts | sgdr('10ep', stretch=2)
CosineDecayRestarts | sgdr('10ep', stretch=2)
CyclicLR | cyclic('2ep', low=0.1 * BASE)
OneCycleLR | one_cycle(peak=0.1)
ReduceLROnPlateau | Plateau('val_loss') * BASE
SequentialLR | first >> second
ChainedScheduler | first * second
get_linear_schedule_with_warmup | linear(warmup='500st')
get_cosine_schedule_with_warmup | cosine(warmup='500st')
get_cosine_with_hard_restarts_schedule_with_warmup | cosine(cycles=4, warmup='500st')
get_constant_schedule_with_warmup | warmup('500st') * BASE
get_polynomial_decay_schedule_with_warmup | polynomial(power=2, warmup='500st')
get_inverse_sqrt_schedule | inverse_sqrt('500st')
get_wsd_schedule | wsd(warmup='500st')
constant | Constant()
onecycle | one_cycle()
trapezoid | wsd()
warmup_stable_decay | wsd()
""".strip().splitlines()
)


def wrong_name(name: str, known: Collection[str]) -> str:
    """Return what to write for a name that is none: ``"; it is 'Constant()' here"``, or the nearest.

    >>> wrong_name("fixed", ["Constant"]), wrong_name("Cosin", ["Cosine"])
    ("; write 'Constant()'", "; did you mean 'Cosine'?")
    """
    return f"; write {NAMES[name]!r}" if name in NAMES else nearest(name, known)


def our_word(word: str, taken: Collection[str]) -> str | None:
    """Return which of the arguments that are taken another word stands for, where it is known."""
    return next((name for name in KEYWORDS.get(word, ()) if name in taken), None)


def wrong_keyword(callee: str, word: str, taken: Collection[str]) -> str:
    """Say that something has no such argument, and which it may be.

    >>> wrong_keyword("cosine", "T_max", ["over", "floor"])
    'cosine() has no T_max; its length is over= (it takes over, floor)'
    """
    takes = f" (it takes {', '.join(taken)})" if taken else ", nor any other argument with a name"
    if word in ELSEWHERE and word not in taken:
        return f"{callee}() has no {word}; {ELSEWHERE[word]}"
    ours = our_word(word, taken)
    instead = f"; {MEANINGS.get(ours, f'write {ours}=')}" if ours else nearest(word, taken)
    return f"{callee}() has no {word}{instead}{takes}"


def named_arguments(signature: inspect.Signature) -> list[str]:
    """The arguments that may be given by name."""
    many = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [name for name, parameter in signature.parameters.items() if parameter.kind not in many]


def wrong_call(
    callee: str, signature: inspect.Signature, given: tuple[Any, ...], named: Mapping[str, Any]
) -> str | None:
    """Say what is wrong with the arguments of a call, if anything is."""
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    by_name = named_arguments(signature)
    by_place = [name for name in by_name if kinds[name] is not Parameter.KEYWORD_ONLY]
    for word in named:
        if word not in by_name and Parameter.VAR_KEYWORD not in kinds.values():
            return wrong_keyword(callee, word, by_name)
    others = [f"{name}=" for name in by_name if name not in by_place]
    if len(given) > len(by_place) and Parameter.VAR_POSITIONAL not in kinds.values():
        takes = (
            f"{len(by_place)} without a name, {', '.join(by_place)}" if by_place else "none without a name"
        )
        rest = f"; the others are named: {', '.join(others)}" if others else ""
        return f"{callee}() takes {takes}; got {len(given)}{rest}"
    for name, value in zip(by_place, given, strict=False):
        if name in named:
            return (
                f"{callee}() is given {name} twice, as {value!r} and as {name}={named[name]!r}; it takes "
                f"{', '.join([*by_place, *others])}"
            )
    try:
        signature.bind(*given, **named)
    except TypeError as error:
        return f"{callee}(): {error} (it takes {', '.join(by_name)})"
    return None


def answering(
    error: type[EtudeError] = ScheduleError,
) -> Callable[[Callable[Takes, Returns]], Callable[Takes, Returns]]:
    """Let a function, a method or an ``__init__`` say what is wrong with its arguments."""

    def decorate(function: Callable[Takes, Returns]) -> Callable[Takes, Returns]:
        @functools.wraps(function)
        def answered(*given: Takes.args, **named: Takes.kwargs) -> Returns:
            try:
                return function(*given, **named)
            except TypeError:
                wrong = _wrong(function, given, named)
                if wrong is None:  # it is about something else
                    raise
            raise error(wrong)

        return answered

    return decorate


def _wrong(function: Callable[..., Any], given: tuple[Any, ...], named: Mapping[str, Any]) -> str | None:
    owner, _, callee = function.__qualname__.rpartition(".")
    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    if first.name in ("self", "cls"):
        signature, given = signature.replace(parameters=others), given[1:]
        callee = owner if callee == "__init__" else f"{owner}.{callee}" if first.name == "cls" else callee
    return wrong_call(callee, signature, given, named)
