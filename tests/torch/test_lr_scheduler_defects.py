"""Where torch is wrong, or silent: one test for each line of docs/coming-from-torch.md."""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer, Rprop, swa_utils

import etude as et
from etude import BASE, Horizon
from etude.errors import ScheduleError, ScheduleWarning, SpecError
from etude.torch import formulas
from etude.torch import lr_scheduler as ours
from tests.torch.beside import ARGUMENTS, Stateful, build, decay, quietly, rates, step, theirs, walk


def sgd(*bases: float) -> Optimizer:
    groups = [{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases or (1.0,)]
    return SGD(groups, momentum=0.9)


# The whole migration is one import.


@pytest.mark.parametrize("name", [*ARGUMENTS, "ReduceLROnPlateau", "SequentialLR", "ChainedScheduler"])
def test_the_signature_and_the_class_are_torchs(name: str) -> None:
    peer = swa_utils.SWALR if name == "SWALR" else getattr(theirs, name)
    mine = getattr(ours, name)
    assert issubclass(mine, peer)
    asked = inspect.signature(peer).parameters
    assert [(p.name, p.default, p.kind) for p in inspect.signature(mine).parameters.values()] == [
        (p.name, p.default, p.kind) for p in asked.values()
    ]


def test_all_of_torchs_names_are_there() -> None:
    assert set(theirs.__all__) <= set(ours.__all__)
    assert ours.LRScheduler is theirs.LRScheduler
    assert ours.EPOCH_DEPRECATION_WARNING is theirs.EPOCH_DEPRECATION_WARNING


# Restarts.


@pytest.mark.parametrize(("multiplier", "cycles"), [(3, 121), (10, 111), (2, 8191), (4, 341), (5, 156)])
def test_a_restart_is_at_the_base_rate_whatever_the_multiplier(multiplier: int, cycles: int) -> None:
    scheduler = ours.CosineAnnealingWarmRestarts(sgd(), 7, multiplier)
    boundary = 7 * sum(multiplier**i for i in range(20) if sum(multiplier**j for j in range(i + 1)) <= cycles)
    scheduler.step(boundary)
    assert (rates(scheduler.optimizer), scheduler.T_cur) == ([1.0], 0)
    scheduler.step(boundary - 1)
    assert rates(scheduler.optimizer)[0] < 0.5


def test_torch_gives_the_floor_at_some_restarts() -> None:
    peer = theirs.CosineAnnealingWarmRestarts(sgd(), 1, 3)
    peer.step(121)
    assert rates(peer.optimizer)[0] < 1e-3


def test_seeking_into_the_second_cycle() -> None:
    """T43."""
    scheduler = ours.CosineAnnealingWarmRestarts(sgd(), 5, 2)
    used = []
    for k in (14, 15, 16):
        scheduler.step(k)
        used += rates(scheduler.optimizer)
    assert used == pytest.approx([0.024472, 1.0, 0.993844], abs=1e-6)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 400))
def test_restarts_resumed_by_last_epoch_are_those_of_the_run(first: int, multiplier: int, done: int) -> None:
    walked = ours.CosineAnnealingWarmRestarts(sgd(), first, multiplier)
    for _ in range(done + 1):
        step([walked])
    optimizer = sgd()
    optimizer.param_groups[0]["initial_lr"] = 1.0
    resumed = ours.CosineAnnealingWarmRestarts(optimizer, first, multiplier, last_epoch=done)
    assert (resumed.T_cur, resumed.T_i, rates(optimizer)) == (
        walked.T_cur,
        walked.T_i,
        rates(walked.optimizer),
    )


def test_a_moved_t_cur_is_where_it_goes_on() -> None:
    scheduler = ours.CosineAnnealingWarmRestarts(sgd(), 4)
    scheduler.T_cur = 2
    step([scheduler])
    assert rates(scheduler.optimizer) == [pytest.approx((1 + math.cos(math.pi * 3 / 4)) / 2)]


# Lengths of zero, and ends.


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda o: ours.LinearLR(o, 0.1, 1.0, total_iters=0), 1.0),
        (lambda o: ours.PolynomialLR(o, total_iters=0), 0.0),
        (lambda o: ours.CosineAnnealingLR(o, 0, 0.25), 0.25),
        (lambda o: ours.ConstantLR(o, 0.1, total_iters=0), 1.0),
        (lambda o: ours.SWALR(o, 0.25, anneal_epochs=0), 0.25),
    ],
)
def test_no_length_is_the_end_at_once(make: Callable[[Optimizer], Any], rate: float) -> None:
    """T57."""
    assert walk(make(sgd()), 3) == [[rate]] * 3


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("up", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("three", [False, True])
def test_a_short_one_cycle_is_finite_and_ends_where_it_should(total: int, up: float, three: bool) -> None:
    """T57."""
    if three and up > 0.5:
        with pytest.raises(ScheduleError, match=r"OneCycleLR\(pct_start=\) must be at most 0.5 with three"):
            ours.OneCycleLR(sgd(), 1.0, total, pct_start=up, three_phase=True)
        return
    scheduler = ours.OneCycleLR(sgd(), 1.0, total, pct_start=up, three_phase=three)
    used = [rate for (rate,) in walk(scheduler, total)]
    assert all(0 < rate <= 1 for rate in used)
    # With all of it going up, the last step is the highest.
    assert used[-1] == (1.0 if up == 1.0 and total > 1 else pytest.approx(4e-6))


def test_one_cycle_holds_its_last_rate_past_its_total_and_says_so_once() -> None:
    scheduler = ours.OneCycleLR(sgd(), 1.0, 10, cycle_momentum=False)
    walk(scheduler, 10)
    assert rates(scheduler.optimizer) == [pytest.approx(4e-6)]
    with pytest.warns(
        UserWarning, match="planned for 10 steps and is asked for step 11; it holds its last rate"
    ):
        step([scheduler])
    step([scheduler])
    assert rates(scheduler.optimizer) == [pytest.approx(4e-6)]


def test_a_factor_of_zero_comes_back() -> None:
    assert walk(ours.ConstantLR(sgd(), 0.0, total_iters=2), 4) == [[0.0], [0.0], [1.0], [1.0]]
    assert walk(ours.ExponentialLR(sgd(), 0.0), 3) == [[1.0], [0.0], [0.0]]


def test_a_milestone_that_is_given_twice_counts_twice() -> None:
    assert walk(ours.MultiStepLR(sgd(), [2, 2], 0.5), 3) == [[1.0], [1.0], [0.25]]


def test_a_cosine_climbs_back_after_its_length_as_torch_documents_and_says_so() -> None:
    scheduler = ours.CosineAnnealingLR(sgd(), 5, 0.1)
    used = [rate for (rate,) in walk(scheduler, 5)]
    with pytest.warns(
        ScheduleWarning, match=r"T_max=5\) is half a period: .* rate at step 10.*climbs-back\]$"
    ):
        used += [rate for (rate,) in walk(scheduler, 6)]  # once
    assert used[5] == 0.1
    assert used[10] == 1.0


# Where the base rate comes from.


@pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")  # runs may be longer here
@pytest.mark.parametrize(
    "name", [name for name in ARGUMENTS if name not in ("SWALR", "OneCycleLR", "CyclicLR")]
)
@given(data=st.data())
def test_building_after_the_optimizers_state_was_loaded(name: str, data: st.DataObject) -> None:
    arguments = data.draw(ARGUMENTS[name])
    first = build(ours, name, sgd(), arguments)
    walk(first, 5)
    other = sgd()
    other.load_state_dict(first.optimizer.state_dict())
    again = build(ours, name, other, arguments)
    assert again.base_lrs == [1.0]
    again.seek(5)
    assert rates(other) == rates(first.optimizer)


# What is asked for in vain.


@pytest.mark.parametrize(
    "make", [lambda o: ours.CyclicLR(o, 0.1, 0.5), lambda o: ours.OneCycleLR(o, 0.5, 10)]
)
def test_momentum_of_an_optimizer_without_it_is_refused_with_the_fix(
    make: Callable[[Optimizer], Any],
) -> None:
    optimizer = Rprop([Parameter(torch.zeros(1))], lr=0.3)
    message = (
        "optimizer must support momentum or beta1 with `cycle_momentum` option enabled; Rprop has neither: "
        "write cycle_momentum=False"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        make(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.3
    assert "max_momentum" not in optimizer.param_groups[0]


def test_verbose_is_gone_as_in_torch() -> None:
    with pytest.raises(TypeError, match=r"StepLR has no verbose any more, as in torch; leave it out"):
        ours.StepLR(sgd(), 3, verbose=True)  # type: ignore[call-arg]


def test_a_floor_above_the_base_rate_is_told() -> None:
    with pytest.warns(UserWarning, match=r"eta_min=0.5 is above the base rate 0.1 of the parameter group 1"):
        ours.CosineAnnealingLR(sgd(1.0, 0.1), 10, 0.5)


REFUSED: list[tuple[Callable[[Optimizer], Any], str]] = [
    (
        lambda o: ours.ExponentialLR(o, -0.5),
        r"ExponentialLR\(gamma=\) must be a finite number, at least 0; got -0.5",
    ),
    (lambda o: ours.ExponentialLR(o, math.nan), r"ExponentialLR\(gamma=\) must be finite"),
    (lambda o: ours.StepLR(o, 0), r"StepLR\(step_size=\) must be a whole number, at least 1; got 0"),
    (lambda o: ours.StepLR(o, 2.5), r"StepLR\(step_size=\) must be a whole number, at least 1; got 2.5"),
    (lambda o: ours.StepLR(o, "3"), r"StepLR\(step_size=\) must be a whole number"),
    (lambda o: ours.StepLR(o, 3, True), r"StepLR\(gamma=\) must be a finite number"),
    (
        lambda o: ours.MultiStepLR(o, [2.5]),
        r"MultiStepLR\(milestones=\) must be a whole number, at least 0; got 2.5",
    ),
    (
        lambda o: ours.MultiStepLR(o, [-1]),
        r"MultiStepLR\(milestones=\) must be a whole number, at least 0; got -1",
    ),
    (
        lambda o: ours.CosineAnnealingLR(o, -4),
        r"CosineAnnealingLR\(T_max=\) must be a whole number, at least 0; got -4",
    ),
    (lambda o: ours.CosineAnnealingLR(o, 2.5), r"CosineAnnealingLR\(T_max=\) must be a whole number"),
    (
        lambda o: ours.CosineAnnealingLR(o, 9, -0.1),
        r"CosineAnnealingLR\(eta_min=\) must be a finite number, at least 0",
    ),
    (lambda o: ours.PolynomialLR(o, 2.5), r"PolynomialLR\(total_iters=\) must be a whole number"),
    (lambda o: ours.PolynomialLR(o, 5, -1.0), r"PolynomialLR\(power=\) must be a finite number, at least 0"),
    (lambda o: ours.LinearLR(o, 0.0), r"LinearLR\(start_factor=\) must be more than 0; got 0"),
    (
        lambda o: ours.LinearLR(o, 1.1),
        r"LinearLR\(start_factor=\) must be at most 1, a share of the base rate",
    ),
    (lambda o: ours.LinearLR(o, 0.5, -0.1), r"LinearLR\(end_factor=\) must be a finite number, at least 0"),
    (lambda o: ours.ConstantLR(o, 1.5), r"ConstantLR\(factor=\) must be at most 1"),
    (
        lambda o: ours.CosineAnnealingWarmRestarts(o, 0),
        r"Restarts\(T_0=\) must be a whole number, at least 1; got 0",
    ),
    (lambda o: ours.CosineAnnealingWarmRestarts(o, 2, 1.5), r"Restarts\(T_mult=\) must be a whole number"),
    (
        lambda o: ours.CyclicLR(o, 0.1, 0.5, 0),
        r"CyclicLR\(step_size_up=\) must be a finite number, more than 0",
    ),
    (lambda o: ours.CyclicLR(o, 0.1, 0.5, mode="CATS"), r"CyclicLR\(mode=\) must be one of 'triangular', "),
    (
        lambda o: ours.CyclicLR(o, [0.1, 0.2], 0.5),
        r"base_lr must have the same length as optimizer.param_groups",
    ),
    (lambda o: ours.CyclicLR(o, -0.1, 0.5), r"CyclicLR\(base_lr=\) must be a finite number, at least 0"),
    (
        lambda o: ours.OneCycleLR(o, 1.0),
        r"You must define either total_steps OR \(epochs AND steps_per_epoch\)",
    ),
    (
        lambda o: ours.OneCycleLR(o, 1.0, 0),
        r"OneCycleLR\(total_steps=\) must be a whole number, at least 1; got 0",
    ),
    (
        lambda o: ours.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=0),
        r"OneCycleLR\(steps_per_epoch=\) must be a",
    ),
    (
        lambda o: ours.OneCycleLR(o, 1.0, 9, pct_start=1.1),
        r"OneCycleLR\(pct_start=\) must be a share between 0",
    ),
    (
        lambda o: ours.OneCycleLR(o, 1.0, 9, anneal_strategy="x"),
        r"anneal_strategy=\) must be one of 'cos', 'linear'",
    ),
    (
        lambda o: ours.OneCycleLR(o, 1.0, 9, div_factor=0),
        r"OneCycleLR\(div_factor=\) must be a finite number, more",
    ),
    (lambda o: ours.SWALR(o, -1.0), r"SWALR\(swa_lr=\) must be a finite number, at least 0"),
    (lambda o: ours.SWALR(o, 0.1, -1), r"anneal_epochs must be a whole number, at least 0; got -1"),
    (lambda o: ours.LambdaLR(o, [decay, decay]), r"Expected 1 lr_lambdas, but got 2"),
    (
        lambda o: ours.StepLR(o, 3, last_epoch=-2),
        r"StepLR\(last_epoch=\) must be a whole number, at least -1; got -2",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_wrong_values_are_refused_when_it_is_built(make: Callable[[Optimizer], Any], message: str) -> None:
    """T58."""
    optimizer = sgd(0.3)
    with pytest.raises(ScheduleError, match=message):
        make(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_no_optimizer_is_refused() -> None:
    for make in (
        lambda: ours.StepLR(3, 1),
        lambda: ours.LambdaLR(3, decay),
        lambda: ours.CyclicLR(3, 0.1, 0.2),
        lambda: ours.OneCycleLR(3, 0.1, 9),
        lambda: ours.SWALR(3, 0.1),
        lambda: ours.ReduceLROnPlateau(3),
    ):
        with pytest.raises(TypeError, match="int is not an Optimizer"):
            make()


def test_whole_numbers_may_be_floats_and_numpys() -> None:
    assert walk(ours.StepLR(sgd(), 2.0, 0.5), 3) == [[1.0], [1.0], [0.5]]  # type: ignore[arg-type]
    assert walk(ours.StepLR(sgd(), np.int64(2), 0.5), 3) == [[1.0], [1.0], [0.5]]


# Functions.


def test_a_function_is_called_once_for_each_step_and_not_before() -> None:
    calls: list[int] = []
    once: list[int] = []
    optimizer = sgd()
    schedulers = [
        ours.LambdaLR(optimizer, lambda k: calls.append(k) or 1.0),
        ours.MultiplicativeLR(optimizer, lambda k: once.append(k) or 1.0),
    ]
    for _ in range(3):
        step(schedulers)
    assert (calls, once) == ([0, 1, 2, 3], [1, 2, 3])
    schedulers[1].seek(1)
    assert once == [1, 2, 3]


def test_a_function_that_fails_is_told_with_its_step_and_changes_nothing() -> None:
    scheduler = ours.LambdaLR(sgd(), lambda k: 1.0 if k < 2 else 1 / 0)
    step([scheduler])
    scheduler.optimizer.step()
    with pytest.raises(
        ScheduleError, match=r"<LambdaLR's test_.*<lambda>> failed at the step 2: ZeroDivisionError"
    ):
        scheduler.step()
    assert (scheduler.last_epoch, rates(scheduler.optimizer)) == (1, [1.0])


@pytest.mark.parametrize(
    ("value", "message"), [(-1.0, "at least 0; got -1"), (math.nan, "finite"), ("x", "a number")]
)
def test_a_function_that_gives_no_rate_is_told(value: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        ours.LambdaLR(sgd(), lambda _: value)


def test_a_function_that_can_be_imported_is_text_and_others_say_why_they_are_not() -> None:
    named = formulas.of(ours.LambdaLR(sgd(), decay), 0)["lr"]
    assert named == et.Custom("tests.torch.beside:decay")
    assert et.parse(repr(named)) == named
    for function in (lambda k: 0.9**k, Stateful(0.5)):
        schedule = formulas.of(theirs.LambdaLR(sgd(), function), 0)["lr"]
        assert schedule.on(Horizon())(0, base=2.0) == 2.0
        with pytest.raises(
            SpecError, match=r"cannot be written down, for it has no name that could be imported"
        ):
            schedule.to_json()


def test_d8_what_is_left_of_a_momentum_is_text() -> None:
    schedule = formulas.of(ours.CyclicLR(sgd(), 0.1, 0.5, mode="triangular2"), 0)["momentum"]
    assert repr(schedule).endswith(".repeat(gain=0.5).under(0.9)")
    table = schedule.on(Horizon(total=8_000))
    assert table([0, 2_000, 6_000]) == pytest.approx([0.9, 0.8, 0.85])
    assert table.phase(0).name == "linear"


@pytest.mark.parametrize(("mode", "expected"), [("cycle", [1, 1, 2, 2]), ("iterations", [0, 1, 2, 3])])
def test_scale_fn_gets_the_cycle_or_the_step(mode: Any, expected: list[float]) -> None:
    seen: list[float] = []

    def scale(x: float) -> float:
        seen.append(x)
        return 1.0

    scheduler = ours.CyclicLR(sgd(), 0.1, 0.5, 1, 1, scale_fn=scale, scale_mode=mode, cycle_momentum=False)
    walk(scheduler, 3)
    assert seen == expected


def test_momentum_is_beta1_where_the_optimizer_has_betas() -> None:
    optimizer = Adam([Parameter(torch.zeros(1))], lr=0.1, betas=(0.5, 0.77))
    scheduler = ours.OneCycleLR(optimizer, 1.0, 10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.77)
    walk(scheduler, 2)
    assert optimizer.param_groups[0]["betas"] == (0.85, 0.77)


def test_the_formulas_of_a_chain_are_products() -> None:
    optimizer = sgd()
    chain = quietly(
        theirs.ChainedScheduler, [theirs.StepLR(optimizer, 2, 0.5), theirs.ConstantLR(optimizer, 0.5)]
    )
    assert formulas.of(chain, 0)["lr"] == et.Steps(2, 0.5) * (et.Constant(0.5, over=5) >> et.Constant(1.0))
    assert formulas.clock(chain) == 0


def test_two_rates_of_their_own_in_a_chain_have_no_formula() -> None:
    optimizer = sgd()
    chain = theirs.ChainedScheduler(
        [theirs.CyclicLR(optimizer, 0.1, 0.2), theirs.OneCycleLR(optimizer, 1.0, 9)]
    )
    with pytest.raises(ScheduleError, match="are rates of their own; in a chain one alone may be"):
        formulas.of(chain, 0)
    swa = theirs.ChainedScheduler([theirs.StepLR(optimizer, 2), swa_utils.SWALR(optimizer, 0.1)])
    with pytest.raises(ScheduleError, match="SWALR in a ChainedScheduler"):
        formulas.of(swa, 0)


def test_nothing_is_told_in_a_plain_run() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("StepLR", "CosineAnnealingLR", "OneCycleLR"):
            arguments = {"StepLR": {"step_size": 3}, "CosineAnnealingLR": {"T_max": 12}}.get(
                name, {"max_lr": 0.5, "total_steps": 12}
            )
            walk(build(ours, name, sgd(), arguments), 12)
    assert et.parse("Cosine(over=9)") == et.Cosine(BASE, 0.0, over=9)
