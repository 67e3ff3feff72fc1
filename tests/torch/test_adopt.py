"""``adopt``: the schedule and clock of running schedulers, against those schedulers run on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer
from torch.optim import lr_scheduler as peers
from torch.optim.swa_utils import SWALR

import etude as et
from etude import BASE, Horizon, Schedule
from etude.errors import ScheduleError
from etude.schedules import PlateauState
from etude.torch import Scheduler, lr_scheduler
from etude.torch.adopt import Adopted, adopt

# Runs longer than T_max are asked for here; that the climb is told has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")

Make = Callable[[Optimizer], Any]


def sgd(*bases: float) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base, "momentum": 0.9} for base in bases])


def plans(adopted: Adopted, optimizer: Optimizer) -> list[dict[str, Schedule]]:
    """For each group, its schedules by hyperparameter."""
    schedule: Any = adopted.schedule
    each = list(schedule.values()) if adopted.by_group else [schedule] * len(optimizer.param_groups)
    return [{"lr": plan} if isinstance(plan, Schedule) else plan for plan in each]


def assert_goes_on(scheduler: Any, done: int, more: int = 40) -> Adopted:
    """Run a scheduler, adopt it, run it on: the adopted schedule gives what it writes."""
    optimizer = scheduler.optimizer
    for _ in range(done):
        optimizer.step()
        scheduler.step()
    before, state = copy.deepcopy(optimizer.param_groups), copy.deepcopy(scheduler.state_dict())
    adopted = adopt(scheduler)
    assert optimizer.param_groups == before
    assert scheduler.state_dict() == state
    assert adopted.notes == ()
    tables = [
        {name: plan.on(adopted.horizon) for name, plan in group.items()}
        for group in plans(adopted, optimizer)
    ]
    for later in range(more):
        for group, own in zip(optimizer.param_groups, tables, strict=True):
            for name, table in own.items():
                found = group["betas"][0] if name == "momentum" and "betas" in group else group[name]
                base = group["initial_lr"] if name == "lr" else 1.0
                # torch's running products keep the rounding of the peak.
                assert table(adopted.clock + later, base) == pytest.approx(float(found), rel=1e-12, abs=1e-13)
        optimizer.step()
        scheduler.step()
    return adopted


def halved(step: int) -> float:
    """A user's function, that its name leads to."""
    return 1 / (1 + step)


shares = st.floats(0.1, 1)
lengths = st.integers(1, 30)
floors = st.sampled_from([0.0, 0.001])

FACTORS: dict[str, st.SearchStrategy[Make]] = {
    "StepLR": st.builds(lambda n, g: lambda o: peers.StepLR(o, n, g), lengths, shares),
    "MultiStepLR": st.builds(
        lambda at, g: lambda o: peers.MultiStepLR(o, sorted(at), g), st.lists(lengths, max_size=3), shares
    ),
    "ConstantLR": st.builds(lambda f, n: lambda o: peers.ConstantLR(o, f, n), shares, lengths),
    "LinearLR": st.builds(lambda a, b, n: lambda o: peers.LinearLR(o, a, b, n), shares, shares, lengths),
    "ExponentialLR": st.builds(lambda g: lambda o: peers.ExponentialLR(o, g), shares),
    "PolynomialLR": st.builds(lambda n, p: lambda o: peers.PolynomialLR(o, n, p), lengths, st.floats(0.5, 2)),
}
WHOLE: dict[str, st.SearchStrategy[Make]] = {
    "LambdaLR": st.just(lambda o: peers.LambdaLR(o, halved)),
    "CosineAnnealingLR": st.builds(
        lambda n, low: lambda o: peers.CosineAnnealingLR(o, n, low), st.integers(2, 30), floors
    ),
    "CosineAnnealingWarmRestarts": st.builds(
        lambda n, mult, low: lambda o: peers.CosineAnnealingWarmRestarts(o, n, mult, low),
        lengths,
        st.integers(1, 3),
        floors,
    ),
}
ABSOLUTE: dict[str, st.SearchStrategy[Make]] = {
    "CyclicLR": st.builds(
        lambda low, rise, up, down, mode: (
            lambda o: peers.CyclicLR(
                o, low, low + rise, up, down, mode, gamma=0.99, cycle_momentum=mode == "triangular"
            )
        ),
        shares,
        shares,
        lengths,
        lengths,
        st.sampled_from(["triangular", "triangular2", "exp_range"]),
    ),
    "OneCycleLR": st.builds(
        lambda peaks, up, strategy, three: (
            lambda o: peers.OneCycleLR(
                o, peaks, total_steps=80, pct_start=up, anneal_strategy=strategy, three_phase=three
            )
        ),
        st.lists(shares, min_size=2, max_size=2),
        st.floats(0.1, 0.5),
        st.sampled_from(["cos", "linear"]),
        st.booleans(),
    ),
    "SWALR": st.builds(
        lambda low, n, strategy: lambda o: SWALR(o, low, n, strategy),
        shares,
        lengths,
        st.sampled_from(["cos", "linear"]),
    ),
}
EVERY = FACTORS | WHOLE | ABSOLUTE
bases = st.lists(st.floats(0.01, 1), min_size=2, max_size=2)


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data(), rates=bases, done=st.integers(0, 35))
def test_torchs_own_go_on_as_adopted(name: str, data: st.DataObject, rates: list[float], done: int) -> None:
    adopted = assert_goes_on(data.draw(EVERY[name])(sgd(*rates)), done)

    assert adopted.clock == done


@given(
    st.lists(st.one_of(*FACTORS.values(), *WHOLE.values()), min_size=1, max_size=4),
    st.lists(st.integers(1, 15), min_size=4, max_size=4),
    bases,
    st.integers(0, 50),
)
def test_sequences_go_on_as_adopted(
    makes: list[Make], gaps: list[int], rates: list[float], done: int
) -> None:
    optimizer = sgd(*rates)
    milestones = np.cumsum(gaps)[: len(makes) - 1].tolist()

    assert_goes_on(peers.SequentialLR(optimizer, [make(optimizer) for make in makes], milestones), done)


@given(st.lists(st.one_of(*FACTORS.values()), min_size=1, max_size=3), bases, st.integers(0, 50))
def test_chains_go_on_as_adopted(makes: list[Make], rates: list[float], done: int) -> None:
    optimizer = sgd(*rates)

    assert_goes_on(peers.ChainedScheduler([make(optimizer) for make in makes]), done)


@given(data=st.data(), rates=bases, done=st.integers(0, 35), name=st.sampled_from([*FACTORS, *WHOLE]))
def test_drop_ins_are_read_like_torchs(name: str, data: st.DataObject, rates: list[float], done: int) -> None:
    theirs = data.draw(EVERY[name])(sgd(*rates))
    ours = getattr(lr_scheduler, name)(sgd(*rates), **_arguments(theirs))

    assert adopt(ours).schedule == adopt(theirs).schedule
    assert_goes_on(ours, done)


@pytest.mark.parametrize(
    "make",
    [
        lambda of, o: of.CyclicLR(o, 0.1, 0.5, 7, 5),
        lambda of, o: of.CyclicLR(o, 0.1, 0.5, 7, mode="exp_range", gamma=0.9, cycle_momentum=False),
        lambda of, o: of.OneCycleLR(o, [0.5, 0.2], total_steps=70, three_phase=True),
        lambda of, o: of.SequentialLR(o, [of.LinearLR(o), of.CosineAnnealingLR(o, 20)], [5]),
        lambda of, o: of.ChainedScheduler([of.LinearLR(o), of.StepLR(o, 9)]),
        lambda of, o: of.ReduceLROnPlateau(o, patience=2, cooldown=3),
    ],
)
def test_composed_drop_ins_are_read_like_torchs(make: Callable[[Any, Optimizer], Any]) -> None:
    theirs, ours = adopt(make(peers, sgd(0.1, 0.03))), adopt(make(lr_scheduler, sgd(0.1, 0.03)))

    assert (ours.schedule, ours.clock, ours.feedback) == (theirs.schedule, theirs.clock, theirs.feedback)
    assert ours.notes == ()


def test_a_tensor_rate_is_read_and_left() -> None:
    rate = torch.tensor(0.1, dtype=torch.float64)
    optimizer = SGD([Parameter(torch.zeros(1))], lr=rate)

    assert_goes_on(peers.ExponentialLR(optimizer, 0.9), 3)

    assert optimizer.param_groups[0]["lr"] is rate


def _arguments(scheduler: Any) -> dict[str, Any]:
    """What a scheduler of torch's was built with."""
    kept = {
        name: value
        for name, value in vars(scheduler).items()
        if name in ("step_size", "gamma", "factor", "total_iters", "start_factor", "end_factor", "power")
        or name in ("T_max", "eta_min", "T_0", "T_mult")
    }
    if isinstance(scheduler, peers.MultiStepLR):
        kept["milestones"] = sorted(scheduler.milestones.elements())
    if isinstance(scheduler, peers.LambdaLR):
        kept["lr_lambda"] = scheduler.lr_lambdas[0]
    return kept


@pytest.mark.parametrize(
    ("make", "schedule"),
    [
        (lambda o: peers.StepLR(o, 30), "Steps(30)"),
        (lambda o: peers.LambdaLR(o, halved), "Custom('tests.torch.test_adopt:halved')"),
        (
            lambda o: peers.CosineAnnealingWarmRestarts(o, 10, 2),
            "Cosine(BASE, 0.0, over=10).repeat(stretch=2)",
        ),
        (
            lambda o: peers.SequentialLR(
                o, [peers.LinearLR(o, 0.1, 1, 5), peers.PolynomialLR(o, 20, 2)], [5]
            ),
            "Linear(0.1 * BASE, BASE, over=5) >> Polynomial(BASE, 0.0, over=20, power=2.0)",
        ),
        (
            lambda o: peers.ChainedScheduler([peers.LinearLR(o, 0.1, 1, 5), peers.ExponentialLR(o, 0.9)]),
            "Exponential(0.9, start=1.0) * Linear(0.1 * BASE, BASE, over=5)",
        ),
    ],
)
def test_what_is_adopted_is_an_expression(make: Make, schedule: str) -> None:
    found, clock = adopt(make(sgd(0.1, 0.2)))

    assert (repr(found), clock) == (schedule, 0)


def test_groups_that_differ_are_told_apart_and_can_be_gone_on_with() -> None:
    optimizer = sgd(0.1, 0.2)
    scheduler = peers.LambdaLR(optimizer, [halved, np.exp2])
    with pytest.raises(ScheduleError, match="cannot be written down"):
        adopt(scheduler)
    scheduler = peers.OneCycleLR(optimizer, [0.1, 0.2], 100)

    adopted = adopt(scheduler)
    heir = Scheduler(sgd(0.1, 0.2), **adopted.arguments)
    heir.seek(adopted.clock + 10)

    for _ in range(10):
        optimizer.step()
        scheduler.step()
    assert adopted.by_group
    assert list(adopted.schedule) == ["0", "1"]
    assert [group["lr"] for group in heir.optimizer.param_groups] == pytest.approx(scheduler.get_last_lr())
    momenta = [[group["momentum"] for group in of.param_groups] for of in (heir.optimizer, optimizer)]
    assert momenta[0] == pytest.approx(momenta[1])


def test_a_chain_that_is_undone_is_what_undoes_it() -> None:
    optimizer = sgd(0.1)
    children = [peers.ExponentialLR(optimizer, 0.5), peers.LambdaLR(optimizer, halved)]

    adopted = assert_goes_on(peers.ChainedScheduler(children), 3)

    assert repr(adopted.schedule) == "Custom('tests.torch.test_adopt:halved')"
    with pytest.raises(
        ScheduleError, match="torch's LambdaLR is not chainable: in this ChainedScheduler it writes over"
    ):
        adopt(peers.ChainedScheduler(children[::-1]))


def test_betas_are_cycled_by_hyperparameter() -> None:
    optimizer = Adam([Parameter(torch.zeros(1))], lr=0.1)

    adopted = assert_goes_on(peers.OneCycleLR(optimizer, 0.1, total_steps=60), 5)

    assert list(adopted.schedule) == ["lr", "momentum"]


def test_a_plateau_keeps_what_it_remembers() -> None:
    optimizer = sgd(0.1)
    scheduler = peers.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    for loss in (1.0, 1.0, 1.0, 1.0):
        scheduler.step(loss)

    adopted = adopt(scheduler)

    assert repr(adopted.schedule).startswith("Constant(BASE) * Plateau('metric', factor=0.5, patience=1")
    [(plateau, state)] = adopted.feedback.items()
    assert (state.best, state.bad) == (1.0, 1)
    rate = adopted.schedule.on(Horizon())(adopted.clock, 0.05, factors={plateau: state.factor})  # type: ignore[union-attr]
    assert rate == optimizer.param_groups[0]["lr"] == 0.05


def test_swalr_begins_where_the_others_had_come_to() -> None:
    optimizer = sgd(0.1)
    first = peers.StepLR(optimizer, 1, 0.5)
    optimizer.step()
    first.step()

    adopted = assert_goes_on(SWALR(optimizer, 0.01, 10), 3)

    assert repr(adopted.schedule) == "Cosine(0.05, 0.01, over=10)"


def test_etudes_scheduler_is_asked_itself() -> None:
    plan = {"head": et.cosine("2ep"), "*": et.Constant(0.1 * BASE)}
    horizon = Horizon(steps_per_epoch=5)
    groups = [{"params": [Parameter(torch.zeros(1))], "name": name} for name in ("head", "body")]
    scheduler = Scheduler(SGD(groups, lr=0.1), groups=plan, horizon=horizon)
    scheduler.seek(3)

    adopted = adopt(scheduler)

    assert adopted.schedule == {"head": plan["head"], "body": plan["*"]}
    assert (adopted.clock, adopted.horizon) == (3, horizon)


def test_the_tutorials_drop_in_is_adopted() -> None:
    ours = lr_scheduler.CyclicCosineDecayLR(sgd(0.1), 15, 2.5e-6, 10, restart_lr=12.5e-5)

    assert repr(adopt(ours).schedule) == repr(et.cyclic_cosine_decay(15, 2.5e-6, 10, restart_lr=12.5e-5))


def test_lightnings_config_says_what_a_tick_is() -> None:
    inner = peers.StepLR(sgd(0.1), 30)

    by_epoch = adopt({"scheduler": inner})
    by_step = adopt({"scheduler": inner, "interval": "step", "frequency": 4, "monitor": "loss"})

    assert (by_epoch.unit, by_epoch.every) == ("epoch", 1)
    assert (by_step.unit, by_step.every) == ("step", 4)
    assert by_step.schedule == adopt(inner).schedule


def test_another_writer_is_told() -> None:
    optimizer = sgd(0.1)
    first, second = peers.ExponentialLR(optimizer, 0.9), peers.ExponentialLR(optimizer, 0.5)
    for scheduler in (first, second):
        optimizer.step()
        scheduler.step()

    [note] = adopt(first).notes

    assert note.startswith(
        "lr of the group 0 is 0.045, and this scheduler alone gives 0.09 at 1: something else"
    )


class Mine(peers.StepLR):
    """A class of one's own, whose formula only its author knows."""

    def get_lr(self) -> list[Any]:
        return [1.0 for _ in self.base_lrs]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda o: peers.LambdaLR(o, lambda step: 1.0),
            "has no name that could be imported; define it at the top of",
        ),
        (lambda o: peers.MultiplicativeLR(o, lambda step: 1.0), "cannot be written down"),
        (lambda o: Mine(o, 3), "Mine is not one of torch's schedulers, so its formula is not known"),
        (lambda o: object(), "object is not one of torch's schedulers"),
        (
            lambda o: {"interval": "epoch"},
            "Lightning's config is {'scheduler': ..., 'interval': 'epoch'}; got the keys",
        ),
        (
            lambda o: {"scheduler": peers.StepLR(o, 3), "interval": "day"},
            "the config's interval must be one of",
        ),
        (
            lambda o: {"scheduler": peers.StepLR(o, 3), "frequency": 0},
            "the config's frequency must be a whole number",
        ),
    ],
)
def test_what_no_expression_says_is_refused(make: Make, message: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        adopt(make(sgd(0.1)))
    assert message in str(refusal.value)


def test_only_timm_is_told_the_clock() -> None:
    with pytest.raises(ScheduleError, match="StepLR keeps its own clock; leave out clock=3"):
        adopt(peers.StepLR(sgd(0.1), 3), clock=3)


@pytest.mark.parametrize("of", [peers, lr_scheduler], ids=["torch", "ours"])
@pytest.mark.parametrize(
    "keywords",
    [
        {"factor": 0.1, "patience": 1},
        {"factor": 0.5, "patience": 0, "cooldown": 2},
        {"factor": 0.3, "patience": 2, "min_lr": [0.01, 0.2]},
        {"factor": 0.5, "patience": 0, "eps": 0.02},
        {"mode": "max", "factor": 0.1, "patience": 1, "threshold_mode": "abs", "threshold": 0.2},
    ],
)
def test_a4_what_is_adopted_of_a_plateau_goes_on_in_a_scheduler(of: Any, keywords: dict[str, Any]) -> None:
    """The rate, the best, the patience and the cooldown, for groups of which one stops falling before."""
    losses = [1.0] * 6 + [0.5] + [0.6] * 30
    for done in (0, 5, 7, 12, 30):
        optimizer = sgd(1.0, 1e-6)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        scheduler = of.ReduceLROnPlateau(optimizer, **keywords)
        for loss in losses[:done]:
            optimizer.step()
            scheduler.step(loss)
        adopted, other = adopt(scheduler), copy.deepcopy(optimizer)
        assert adopted.notes == ()
        heir = Scheduler(other, **adopted.arguments)
        heir.seek(adopted.clock)
        for loss in losses[done:]:
            # A fall to less than a millionth of the base rate is told from 0 by nobody.
            shares = [rate / base for rate, base in zip(heir.get_last_lr(), (1.0, 1e-6), strict=True)]
            wanted = [rate / base for rate, base in zip(scheduler.get_last_lr(), (1.0, 1e-6), strict=True)]
            assert shares == pytest.approx(wanted, rel=1e-6, abs=1e-6)
            for one in (optimizer, other):
                one.step()
            scheduler.step(loss)
            heir.step()
            heir.observe(metric=loss)


def test_a4_twice_reduced_is_a_hundredth() -> None:
    optimizer = sgd(1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    for _ in range(3):
        optimizer.step()
        scheduler.step(1.0)
    adopted = adopt(scheduler)
    heir = Scheduler(optimizer, **adopted.arguments)
    heir.seek(adopted.clock)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01, rel=1e-15)


def test_a4_a_schedulers_own_feedback_is_handed_on() -> None:
    optimizer = sgd(1.0)
    scheduler = Scheduler(optimizer, et.Constant(BASE) * et.Plateau("loss", patience=0))
    for _ in range(3):
        optimizer.step()
        scheduler.step()
        scheduler.observe(loss=1.0)
    adopted = adopt(scheduler)
    heir = Scheduler(copy.deepcopy(optimizer), **adopted.arguments)
    heir.seek(adopted.clock)
    assert heir.get_last_lr() == scheduler.get_last_lr() == [pytest.approx(0.01)]
    heir.observe(loss=1.0)
    assert heir.get_last_lr() == [pytest.approx(0.001)]


def test_a4_a_clock_of_samples_is_told() -> None:
    scheduler = Scheduler(sgd(1.0), et.Cosine(over="100smp"), Horizon(samples_per_step=10))
    scheduler.optimizer.step()
    scheduler.step(samples=15)
    assert "has counted samples or tokens" in adopt(scheduler).notes[-1]


def test_a4_feedback_of_another_plateau_is_refused() -> None:
    with pytest.raises(ScheduleError, match=r"feedback=\): none of the schedules has a Plateau\('loss'\)"):
        Scheduler(sgd(1.0), et.cosine(), Horizon(total=9), feedback={et.Plateau("loss"): PlateauState()})


@pytest.mark.parametrize("of", [peers, lr_scheduler], ids=["torch", "ours"])
@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_d8_cycled_momentum_is_adopted_in_every_mode(of: Any, mode: str, kind: Any) -> None:
    optimizer = kind([Parameter(torch.zeros(1))], lr=1.0, **({"momentum": 0.9} if kind is SGD else {}))
    scheduler = of.CyclicLR(optimizer, 0.01, 0.2, 3, 4, mode=mode, gamma=0.97, max_momentum=0.95)
    adopted = assert_goes_on(scheduler, 5)
    plan = adopted.schedule["momentum"]  # type: ignore[call-overload,index]
    assert et.parse(repr(plan)) == et.from_json(plan.to_json()) == plan
