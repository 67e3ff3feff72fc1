"""Checkpoints of the drop-ins: torch's keys, any order of loading, and what does not belong is refused."""

from __future__ import annotations

import copy
import itertools
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from etude import Cosine, Horizon
from etude.errors import EtudeError, ResumeError, ScheduleWarning
from etude.torch import Scheduler, adopt
from etude.torch import lr_scheduler as ours
from tests.torch.beside import Stateful, plain, quietly, rates, settings, step, theirs

# Runs longer than T_max are asked for here; that the climb is told has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")


def sgd(base: float = 0.1) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base}], momentum=0.9)


Make = Callable[[Any, Optimizer], Any]

RESUMED: dict[str, Make] = {
    "linear then cosine": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=20), m.CosineAnnealingLR(o, 80)], [20]
    ),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 10),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 10),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.5),
    "lambda": lambda m, o: m.LambdaLR(o, lambda k: 0.5**k),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda k: 0.9),
    "linear": lambda m, o: m.LinearLR(o, 0.1, total_iters=10),
    "constant": lambda m, o: m.ConstantLR(o, 0.3, total_iters=8),
    "steps": lambda m, o: m.StepLR(o, 3),
    "milestones": lambda m, o: m.MultiStepLR(o, [4, 6]),
    "polynomial": lambda m, o: m.PolynomialLR(o, 40, 2.0),
    "one-cycle": lambda m, o: m.OneCycleLR(o, 1.0, 60),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.1, 1.0, 3, mode="triangular2"),
    "linear then exponential": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=3), m.ExponentialLR(o, 0.9)], [3]
    ),
    "chain": lambda m, o: m.ChainedScheduler([m.LinearLR(o), m.ExponentialLR(o, 0.9)]),
    "swa": lambda m, o: ours.SWALR(o, 0.05, 30),
}


@pytest.mark.parametrize("order", list(itertools.permutations(["optimizer", "build", "scheduler"])), ids=str)
@pytest.mark.parametrize("make", RESUMED.values(), ids=RESUMED.keys())
def test_every_order_of_loading_goes_on_as_if_nothing_had_happened(
    make: Make, order: tuple[str, ...]
) -> None:
    """T01, T02."""
    if order.index("scheduler") < order.index("build"):
        order = (*(name for name in order if name != "scheduler"), "scheduler")
    optimizer = sgd()
    scheduler = make(ours, optimizer)
    for _ in range(30):
        step([scheduler])
    saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    other = sgd()
    again: Any = None
    for what in order:
        if what == "build":
            again = make(ours, other)
        elif what == "optimizer":
            other.load_state_dict(copy.deepcopy(saved[0]))
        else:
            again.load_state_dict(saved[1])
    for _ in range(10):
        assert plain(again.get_last_lr()) == rates(other)
        assert settings(other) == settings(optimizer)
        step([scheduler])
        step([again])


def test_linear_then_cosine_at_the_resumed_steps() -> None:
    """T01, in numbers; and without the optimizer's state, by seeking."""
    optimizer = sgd(1.0)
    scheduler = RESUMED["linear then cosine"](ours, optimizer)
    used = []
    for k in (30, 31, 32):
        scheduler.seek(k)
        used += rates(optimizer)
    assert used == pytest.approx([0.961940, 0.954072, 0.945503], abs=1e-6)


def test_seeking_a_fresh_optimizer_needs_no_initial_lr() -> None:
    """T08."""
    optimizer = sgd(1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.9)
    scheduler.seek(4)
    assert rates(optimizer) == [pytest.approx(0.6561, rel=1e-15)]
    with pytest.raises(KeyError, match=r"call scheduler.seek\(5\)"):
        ours.ExponentialLR(sgd(1.0), 0.9, last_epoch=4)


@pytest.mark.parametrize("make", RESUMED.values(), ids=RESUMED.keys())
def test_a_state_is_plain_and_loading_it_changes_only_the_scheduler(make: Make, tmp_path: Path) -> None:
    """T56."""
    first = make(ours, sgd())
    for _ in range(5):
        step([first])
    torch.save(first.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert json.loads(json.dumps(plain({k: v for k, v in state.items() if k != "milestones"})))
    untouched = copy.deepcopy(state)
    second = make(ours, sgd())
    second.load_state_dict(state)
    second.load_state_dict(state)
    step([second])
    assert state == untouched
    third = make(ours, sgd())
    third.load_state_dict(state)
    third.load_state_dict(second.state_dict())
    assert third.state_dict() == second.state_dict()


def test_the_saved_parameters_take_over_and_are_told() -> None:
    first = ours.StepLR(sgd(), 3, gamma=0.1)
    for _ in range(3):
        step([first])
    second = ours.StepLR(sgd(), 3, gamma=0.5)
    with pytest.warns(
        UserWarning,
        match=re.escape("StepLR was built with gamma=0.5; the checkpoint's gamma=0.1 is in force"),
    ):
        second.load_state_dict(first.state_dict())
    assert rates(second.optimizer) == [pytest.approx(0.01, rel=1e-15)]


def test_a_saved_base_rate_takes_over_and_is_told() -> None:
    first = ours.StepLR(sgd(0.1), 3)
    second = ours.StepLR(sgd(0.2), 3)
    with pytest.warns(UserWarning, match=re.escape("base_lrs=[0.2]; the checkpoint's base_lrs=[0.1] is in")):
        second.load_state_dict(first.state_dict())
    assert (rates(second.optimizer), second.optimizer.param_groups[0]["initial_lr"]) == ([0.1], 0.1)


REFUSED: list[tuple[Make, Make, str]] = [
    (
        lambda m, o: m.CosineAnnealingLR(o, 10),
        lambda m, o: m.LinearLR(o),
        r"of CosineAnnealingLR, not of LinearLR:\n +in the checkpoint: T_max, eta_min\n +now: +end_f",
    ),
    (
        lambda m, o: m.StepLR(o, 10),
        lambda m, o: m.ExponentialLR(o, 0.9),
        "the state of StepLR, not of ExponentialLR",
    ),
    (
        lambda m, o: m.OneCycleLR(o, 1.0, 10, three_phase=True),
        lambda m, o: m.OneCycleLR(o, 1.0, 10),
        r"OneCycleLR of another structure:\n +in the checkpoint: 3 phases\n +now: +2 phases",
    ),
    (
        lambda m, o: m.ChainedScheduler([m.StepLR(o, 1), m.StepLR(o, 2)]),
        lambda m, o: m.ChainedScheduler([m.StepLR(o, 1)]),
        "2 schedulers",
    ),
    (
        lambda m, o: m.SequentialLR(o, [m.StepLR(o, 1), m.StepLR(o, 2)], [3]),
        lambda m, o: m.SequentialLR(o, [m.StepLR(o, 1), m.LinearLR(o)], [3]),
        "the state of StepLR, not of LinearLR",
    ),
    (
        lambda m, o: m.ReduceLROnPlateau(o),
        lambda m, o: m.ConstantLR(o),
        "the state of ReduceLROnPlateau, not of ConstantLR",
    ),
]


@pytest.mark.parametrize("source", [ours, theirs], ids=["ours", "torch's"])
@pytest.mark.parametrize(("saved", "built", "message"), REFUSED)
def test_the_state_of_something_else_is_refused(source: Any, saved: Make, built: Make, message: str) -> None:
    scheduler = built(ours, sgd())
    before = copy.deepcopy(scheduler.state_dict())
    with pytest.raises(ResumeError, match=message):
        scheduler.load_state_dict(saved(source, sgd()).state_dict())
    assert scheduler.state_dict() == before


def test_no_state_at_all_is_refused() -> None:
    scheduler = ours.StepLR(sgd(), 3)
    with pytest.raises(ResumeError, match="the state of an Etude Scheduler, not of StepLR"):
        scheduler.load_state_dict(Scheduler(sgd(), Cosine(over=9)).state_dict())
    with pytest.raises(ResumeError, match="the state of StepLR is a dict; got 3"):
        scheduler.load_state_dict(3)  # type: ignore[arg-type]
    with pytest.raises(ResumeError, match="no state of a scheduler of torch's, not of StepLR"):
        scheduler.load_state_dict({"epoch": 3})


def test_a_state_of_more_groups_is_refused_until_they_are_there() -> None:
    optimizer = sgd()
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))]})
    state = ours.StepLR(optimizer, 3).state_dict()
    with pytest.raises(ResumeError, match="of 2 parameter groups and the optimizer has 1"):
        ours.StepLR(sgd(), 3).load_state_dict(state)


def test_callable_objects_are_saved_by_their_attributes_and_functions_not() -> None:
    first = ours.LambdaLR(sgd(), Stateful(0.5))
    state = first.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}]
    second = ours.LambdaLR(sgd(), Stateful(9.0))
    second.load_state_dict(state)
    step([second])
    assert rates(second.optimizer) == [pytest.approx(0.1 / 1.5)]
    assert ours.LambdaLR(sgd(), lambda k: 1.0).state_dict()["lr_lambdas"] == [None]
    cycle = ours.CyclicLR(sgd(), 0.1, 0.5, scale_fn=Stateful(0.5), cycle_momentum=False)
    assert cycle.state_dict()["_scale_fn_custom"] == {"rate": 0.5}
    again = ours.CyclicLR(sgd(), 0.1, 0.5, scale_fn=Stateful(9.0), cycle_momentum=False)
    again.load_state_dict(cycle.state_dict())
    step([again, cycle])
    assert rates(again.optimizer) == rates(cycle.optimizer)


def test_a_composed_run_resumes() -> None:
    def build() -> tuple[Optimizer, list[Any]]:
        optimizer = sgd()
        return optimizer, [
            ours.CosineAnnealingLR(optimizer, 40),
            ours.LinearLR(optimizer, 0.1, total_iters=10),
            ours.SWALR(optimizer, 0.01, 30),
        ]

    optimizer, schedulers = build()
    for _ in range(12):
        step(schedulers)
    other, again = build()
    other.load_state_dict(optimizer.state_dict())
    for scheduler, saved in zip(again, schedulers, strict=True):
        scheduler.load_state_dict(saved.state_dict())
        assert scheduler.get_last_lr() == saved.get_last_lr()
    for _ in range(30):
        assert rates(other) == rates(optimizer)
        step(schedulers)
        step(again)


def cycled(m: Any, o: Optimizer) -> Any:
    return m.SequentialLR(o, [m.OneCycleLR(o, 1.0, 20), m.ConstantLR(o, 0.5, 99)], [10])


MOMENTA: dict[str, Make] = {
    "one-cycle, then constant": cycled,
    "constant, then one-cycle": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.5, 99), m.OneCycleLR(o, 1.0, 20)], [15]
    ),
    "in the middle": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.5, 2), m.CyclicLR(o, 0.1, 1.0, 5), m.StepLR(o, 2, 0.5)], [3, 8]
    ),
    "two that cycle": lambda m, o: m.SequentialLR(
        o, [m.CyclicLR(o, 0.1, 1.0, 4), m.StepLR(o, 2), m.CyclicLR(o, 0.1, 1.0, 5, max_momentum=0.7)], [6, 9]
    ),
    "in a chain": lambda m, o: m.ChainedScheduler([m.OneCycleLR(o, 1.0, 30), m.ConstantLR(o, 0.5, 99)]),
}


@pytest.mark.parametrize("adam", [False, True], ids=["momentum", "betas"])
@pytest.mark.parametrize("make", MOMENTA.values(), ids=MOMENTA.keys())
def test_a7_what_a_part_writes_beside_the_rate_is_a_function_of_the_step(make: Make, adam: bool) -> None:
    """As torch leaves it, in every order of loading, by seeking, and where the schedules are read."""

    def fresh() -> Optimizer:
        parameters = [Parameter(torch.zeros(1))]
        return Adam(parameters, lr=0.1) if adam else SGD(parameters, lr=0.1, momentum=0.9)

    def momentum(optimizer: Optimizer) -> float:
        group = optimizer.param_groups[0]
        return float(group["betas"][0] if adam else group["momentum"])

    theirs_too, walked = quietly(make, theirs, fresh()), make(ours, fresh())
    sought = make(ours, fresh())
    read = adopt(walked).schedule
    table = read["momentum"].on(Horizon())
    for k in range(13):
        assert momentum(walked.optimizer) == pytest.approx(momentum(theirs_too.optimizer), rel=1e-12)
        sought.seek(k)
        assert momentum(sought.optimizer) == momentum(walked.optimizer)
        assert table(k) == pytest.approx(momentum(walked.optimizer), rel=1e-12)
        if k < 12:
            step([walked])
            quietly(step, [theirs_too])
    sought.seek(0)
    assert momentum(sought.optimizer) == momentum(make(ours, fresh()).optimizer)
    saved = copy.deepcopy((walked.optimizer.state_dict(), walked.state_dict()))
    for order in itertools.permutations(["optimizer", "build", "scheduler"]):
        if order.index("scheduler") < order.index("build"):
            continue
        other, again = fresh(), None
        for what in order:
            if what == "build":
                again = make(ours, other)
            elif what == "optimizer":
                other.load_state_dict(copy.deepcopy(saved[0]))
            else:
                again.load_state_dict(saved[1])
        assert momentum(other) == momentum(walked.optimizer), order


def test_a7_one_cycle_then_constant_in_numbers() -> None:
    scheduler = cycled(ours, sgd())
    scheduler.seek(12)
    assert scheduler.optimizer.param_groups[0]["momentum"] == pytest.approx(0.868826, abs=1e-6)


GROWN: dict[str, Callable[[Optimizer], Any]] = {
    "lambda": lambda o: ours.LambdaLR(o, lambda k: 0.9**k),
    "object": lambda o: ours.LambdaLR(o, Stateful(0.3)),
    "multiplicative": lambda o: ours.MultiplicativeLR(o, lambda k: 0.9),
    "cyclic": lambda o: ours.CyclicLR(o, 0.01, 0.2, 5),
    "cyclic, scaled": lambda o: ours.CyclicLR(o, 0.01, 0.2, 5, scale_fn=lambda x: 0.5**x),
    "cyclic, lists": lambda o: ours.CyclicLR(o, [0.01] * len(o.param_groups), [0.2] * len(o.param_groups), 5),
    "one-cycle": lambda o: ours.OneCycleLR(o, [0.2] * len(o.param_groups), 20),
    "swa": lambda o: ours.SWALR(o, 0.05, 5),
    "cyclic cosine decay": lambda o: ours.CyclicCosineDecayLR(o, 5, 1e-4, 3),
    "sequence": lambda o: ours.SequentialLR(
        o, [ours.LambdaLR(o, lambda k: 0.9**k), ours.OneCycleLR(o, 0.2, 20)], [3]
    ),
    "chain": lambda o: ours.ChainedScheduler(
        [ours.MultiplicativeLR(o, lambda k: 0.9), ours.CyclicLR(o, 0.01, 0.2, 5)]
    ),
    "plateau": lambda o: ours.ReduceLROnPlateau(o, patience=0, min_lr=[1e-3] * len(o.param_groups)),
}


@pytest.mark.parametrize("make", GROWN.values(), ids=GROWN.keys())
def test_b1_one_value_serves_the_groups_that_were_added(make: Callable[[Optimizer], Any]) -> None:
    """A group was added; what is then saved loads where the group is there when the scheduler is built."""
    group = {"params": [Parameter(torch.zeros(1))], "lr": 0.5}
    optimizer = sgd(1.0)
    scheduler = make(optimizer)
    metric = (1.0,) if isinstance(scheduler, ours.ReduceLROnPlateau) else ()
    for k in range(5):
        if k == 3:
            optimizer.add_param_group(dict(group))
        step([scheduler], *metric)
    saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    for first in ("optimizer", "scheduler"):
        other = sgd(1.0)
        other.add_param_group({**group, "params": [Parameter(torch.zeros(1))]})
        again = make(other)
        for what in (first, "optimizer" if first == "scheduler" else "scheduler"):
            if what == "optimizer":
                other.load_state_dict(copy.deepcopy(saved[0]))
            else:
                again.load_state_dict(saved[1])
        twin = copy.deepcopy(scheduler)
        for _ in range(6):
            assert settings(other) == settings(twin.optimizer)
            step([again], *metric)
            step([twin], *metric)


def test_b1_functions_that_differ_are_still_counted() -> None:
    def build(*functions: Any) -> Any:
        optimizer = SGD([{"params": [Parameter(torch.zeros(1))]} for _ in functions], lr=0.1)
        return ours.LambdaLR(optimizer, list(functions))

    saved = build(Stateful(0.1), Stateful(0.2)).state_dict()
    scheduler = build(Stateful(0.1), Stateful(0.2), Stateful(0.3))
    with pytest.raises(ResumeError, match=r"in the checkpoint: 2 functions\n.*now: +3 functions"):
        scheduler.load_state_dict(saved)


TAKEN_OVER: dict[str, Make] = {
    **{name: make for name, make in RESUMED.items() if name not in ("swa",)},
    "constant then multiplicative": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.5), m.MultiplicativeLR(o, lambda _: 0.9)], [3]
    ),
    "constant then one-cycle": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.5, 2), m.OneCycleLR(o, 0.5, 20)], [3]
    ),
    "lambda then one-cycle": lambda m, o: m.SequentialLR(
        o, [m.LambdaLR(o, lambda k: 0.9**k), m.OneCycleLR(o, 0.5, 20)], [30]
    ),
    "a chain of closed forms": lambda m, o: m.ChainedScheduler(
        [m.LambdaLR(o, lambda k: 0.9**k), m.StepLR(o, 5)]
    ),
    "a chain with a floor": lambda m, o: m.ChainedScheduler(
        [m.ExponentialLR(o, 0.9), m.CosineAnnealingLR(o, 9, 0.01)]
    ),
    "a sequence in a chain": lambda m, o: m.ChainedScheduler(
        [
            m.SequentialLR(o, [m.ConstantLR(o, 0.5, 99), m.StepLR(o, 4)], [3]),
            m.ExponentialLR(o, 0.95),
        ]
    ),
}


@pytest.mark.parametrize("make", TAKEN_OVER.values(), ids=TAKEN_OVER.keys())
def test_a6_no_rate_jumps_silently_when_torchs_state_is_loaded(make: Make) -> None:
    for done in (1, 4, 7, 12):
        optimizer = sgd()
        scheduler = quietly(make, theirs, optimizer)
        for _ in range(done):
            quietly(step, [scheduler])
        saved = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
        before = rates(optimizer)
        for order in ("obs", "bos", "bso"):
            other = sgd()
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                for what in order:
                    if what == "b":
                        again = make(ours, other)
                    elif what == "o":
                        other.load_state_dict(copy.deepcopy(saved[0]))
                    else:
                        again.load_state_dict(saved[1])
            jumps = again.get_lr() != pytest.approx(before, rel=1e-5, abs=1e-6)
            assert ["[rate-jumps]" in str(warning.message) for warning in told] == [True] * jumps, order


def test_a6_the_jump_is_told_in_numbers() -> None:
    make = TAKEN_OVER["constant then multiplicative"]
    optimizer = sgd(1.0)
    scheduler = make(theirs, optimizer)
    for _ in range(5):
        step([scheduler])
    other = make(ours, sgd(1.0))
    told = r"SequentialLR's checkpoint .* group 0 at 0\.3645, and at the same step it is 0\.81 here"
    with pytest.warns(ScheduleWarning, match=told):
        other.load_state_dict(scheduler.state_dict())


def test_a6_several_on_one_optimizer_are_asked_together() -> None:
    """At the next step, when all have been loaded: and nothing is told where one of them fits."""

    def build(m: Any) -> list[Any]:
        optimizer = sgd(1.0)
        return [m.LinearLR(optimizer, 0.5, total_iters=4), m.ExponentialLR(optimizer, 0.9)]

    schedulers, again = build(theirs), build(ours)
    for _ in range(6):
        step(schedulers)
    for one, saved in zip(again, schedulers, strict=True):
        one.load_state_dict(saved.state_dict())
    step(again)
    late = build(ours)
    late[0].load_state_dict(schedulers[0].state_dict())  # and the other is forgotten
    late[0].optimizer.step()
    with pytest.warns(ScheduleWarning, match=r"the rate jumps.*\[rate-jumps\]"):
        late[0].step()


def test_a_state_whose_last_rates_are_none_is_refused() -> None:
    scheduler = ours.StepLR(sgd(), 3)
    with pytest.raises(ResumeError, match=r"the last rates in a state of StepLR are numbers; got \['x'\]"):
        scheduler.load_state_dict({**scheduler.state_dict(), "_last_lr": ["x"]})


@pytest.mark.parametrize(
    ("name", "arguments", "damage"),
    [
        ("StepLR", (3,), {"step_size": [3]}),
        ("PolynomialLR", (9,), {"last_epoch": "B63"}),
        ("CosineAnnealingLR", (20,), {"base_lrs": ["x"]}),
        ("CosineAnnealingLR", (20,), {"base_lrs": 1}),
        ("CosineAnnealingLR", (20,), {"base_lrs": [-0.1]}),
        ("CosineAnnealingLR", (20,), {"base_lrs": [float("nan")]}),
        ("CosineAnnealingWarmRestarts", (4, 2), {"T_cur": None, "T_0": "4"}),
        ("CosineAnnealingWarmRestarts", (4, 2), {"T_i": float("inf")}),
        ("OneCycleLR", (1.0, 20), {"_schedule_phases": 8}),
        ("OneCycleLR", (1.0, 20), {"_schedule_phases": [{"end_step": 19, "start_lr": "momentum"}]}),
        ("ReduceLROnPlateau", (), {"threshold_mode": {}}),
        ("ReduceLROnPlateau", (), {"min_lrs": ["x"]}),
        ("ReduceLROnPlateau", (), {"default_min_lr": "x"}),
        ("ReduceLROnPlateau", (), {"factor": "x"}),
        ("ReduceLROnPlateau", (), {"eps": "x"}),
        ("ReduceLROnPlateau", (), {"num_bad_epochs": -1}),
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(
    name: str, arguments: tuple[Any, ...], damage: dict[str, Any]
) -> None:
    optimizer = sgd()
    scheduler = getattr(ours, name)(optimizer, *arguments)
    before, state = rates(optimizer), {**plain(scheduler.state_dict()), **damage}
    with pytest.raises(EtudeError):
        scheduler.load_state_dict(state)
    assert rates(optimizer) == before
    optimizer.step()
    scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("name", "arguments", "damage"),
    [
        # What is counted with, and what would be counted up to.
        ("MultiStepLR", ([3, 5],), {"milestones": {3: 10**12}}),
        ("MultiStepLR", ([3, 5],), {"milestones": {3: 1, 5: 10**400}}),
        ("StepLR", (3,), {"_step_count": None}),
        ("StepLR", (3,), {"last_epoch": 10**400}),
        ("OneCycleLR", (1.0, 20), {"total_steps": None}),
        ("ReduceLROnPlateau", (), {"num_bad_epochs": "3"}),
        ("ReduceLROnPlateau", (), {"cooldown_counter": [1]}),
        ("ReduceLROnPlateau", (), {"best": 10**400}),
        # What is nested without end.
        ("StepLR", (3,), {"step_size": nested(100_000)}),
        ("StepLR", (3,), {"anything": nested(100_000)}),
        # What would hide a method.
        ("StepLR", (3,), {"step": 5}),
        ("StepLR", (3,), {"get_lr": None}),
        ("StepLR", (3,), {3: 5}),
        # What is no number at all.
        ("StepLR", (3,), {"gamma": torch.zeros(2)}),
    ],
)
def test_b6_a_state_that_no_scheduler_has_written_is_refused_at_once(
    name: str, arguments: tuple[Any, ...], damage: dict[Any, Any]
) -> None:
    optimizer = sgd()
    scheduler = getattr(ours, name)(optimizer, *arguments)
    before, state = rates(optimizer), {**scheduler.state_dict(), **damage}
    with pytest.raises(EtudeError):
        scheduler.load_state_dict(state)
    assert rates(optimizer) == before
    optimizer.step()
    scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))


def test_b6_the_parts_of_a_composite_are_looked_at_too() -> None:
    def build() -> Any:
        optimizer = sgd()
        parts = [ours.ConstantLR(optimizer, 0.5), ours.ExponentialLR(optimizer, 0.9)]
        return ours.SequentialLR(optimizer, parts, [3])

    for damage in ({"step": 1}, {"_step_count": None}, {"gamma": nested(100_000)}):
        state = build().state_dict()
        state["_schedulers"][1] |= damage
        with pytest.raises(EtudeError):
            build().load_state_dict(state)


def test_c1_a_level_in_a_state_that_names_a_function_is_no_level() -> None:
    def build() -> Any:
        return ours.CyclicCosineDecayLR(sgd(), init_decay_epochs=10, min_decay_lr=0.01)

    state = {**build().state_dict(), "min_decay_lr": ["Custom('no_such_module:function')"]}
    with pytest.raises(EtudeError, match="rates must be levels, such as"):
        build().load_state_dict(state)
