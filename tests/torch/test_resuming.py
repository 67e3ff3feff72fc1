"""Resuming under another plan: what each policy goes on with, what is told, and what is refused."""

from __future__ import annotations

import copy
import json
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from fractions import Fraction
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer

import etude as et
from etude import BASE, Horizon, Plateau, Schedule
from etude.errors import ResumeError, ScheduleError, ScheduleWarning
from etude.torch import Scheduler, redecay
from etude.torch.changes import Course, Policy, Redecay, continued
from tests.torch.loops import rates, save, sgd

POLICIES: list[Policy] = ["stretch", "keep", "hold", redecay("50%")]
HOLDING: list[Policy] = ["keep", "hold", redecay("50%")]
"""Those that go on from the rate that was reached, and with the checkpoint's base rates."""
ORDERS = [
    order
    for order in permutations(["build", "load the optimizer", "load the scheduler"])
    if order.index("build") < order.index("load the scheduler")
]


def advance(scheduler: Scheduler, steps: int) -> list[list[float]]:
    """The rates that so many updates use, of which the reader tells the same."""
    used = []
    for _ in range(steps):
        used.append(rates(scheduler.optimizer))
        assert scheduler.get_last_lr() == used[-1]
        scheduler.optimizer.step()
        scheduler.step()
    return used


def first(used: list[list[float]]) -> list[float]:
    """Of the first group."""
    return [row[0] for row in used]


def resume(
    build: Callable[[Optimizer], Scheduler], optimizer: Optimizer, saved: Any, order: Any
) -> Scheduler:
    """What ``build`` makes of an optimizer, with what was saved taken up in an order."""
    scheduler = None
    for act in order:
        if act == "build":
            scheduler = build(optimizer)
        elif act == "load the optimizer":
            optimizer.load_state_dict(saved["optimizer"])
        else:
            assert scheduler is not None
            scheduler.load_state_dict(saved["scheduler"])
    assert scheduler is not None
    return scheduler


def stopped(plan: Any, horizon: Horizon, at: int, *bases: float, **options: Any) -> Scheduler:
    """A run that has come to a step."""
    scheduler = Scheduler(sgd(*(bases or (1.0,)), **options), plan, horizon)
    advance(scheduler, at)
    return scheduler


def refuses(scheduler: Scheduler, saved: Any, message: str, on_change: Any = None) -> str:
    """Check that a state is refused, that nothing has changed, and return the whole message."""
    optimizer = copy.deepcopy(scheduler.optimizer.state_dict())
    before, count = scheduler.state_dict(), scheduler._step_count
    with pytest.raises((ResumeError, ScheduleError), match=message) as caught:
        scheduler.load_state_dict(saved, on_change=on_change)
    assert scheduler.optimizer.state_dict() == optimizer
    assert (scheduler.state_dict(), scheduler._step_count, scheduler.seam) == (before, count, None)
    expected = rates(scheduler.optimizer)
    scheduler.seek(scheduler.last_epoch)
    assert rates(scheduler.optimizer) == expected
    return str(caught.value)


# A longer run.

COSINE = [0.5, 0.402455, 0.308658, 0.222215, 0.146447, 0.084265, 0.03806, 0.009607, 0.0, 0.0]
"""The second half of a cosine over 16 updates, and what is held after it."""


@pytest.mark.parametrize("given_to", ["the constructor", "the call", "the call, over the constructor"])
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("stretch", COSINE),
        ("keep", [0.0] * 10),
        ("hold", [0.0] * 10),
        (redecay("50%"), [0.0] * 10),
        ("redecay(over='50%')", [0.0] * 10),
    ],
    ids=str,
)
def test_t09_a_finished_cosine_in_a_longer_run_never_rises_unasked(
    policy: Any, expected: list[float], given_to: str
) -> None:
    saved = stopped(et.cosine(), Horizon(total=8), 8).state_dict()
    own = {"the constructor": policy, "the call": None}.get(given_to, "stretch")
    scheduler = Scheduler(sgd(1.0), et.cosine(), Horizon(total=16), on_change=own)
    nothing_left = pytest.warns(ScheduleWarning, match=r"\[nothing-left\]")
    with nullcontext() if policy == "stretch" else nothing_left:
        scheduler.load_state_dict(saved, on_change=None if given_to == "the constructor" else policy)
    assert scheduler.last_epoch == 8
    used = first(advance(scheduler, 8)) + rates(scheduler.optimizer) * 2
    assert used == pytest.approx(expected, abs=1e-6)


def test_t09_unasked_it_is_refused_with_what_differs() -> None:
    saved = stopped(et.cosine(), Horizon(total=8), 8).state_dict()
    message = refuses(Scheduler(sgd(1.0), et.cosine(), Horizon(total=16)), saved, "another set-up")
    assert message.splitlines()[1:3] == [
        "  lr of group '0': Horizon(total=): 8 in the checkpoint, 16 now",
        "  lr of group '0': the value at step 8, at base rate 1: 0 in the checkpoint, 0.5 now",
    ]
    for word in ("'stretch'", "'keep'", "'hold'", "redecay(over='10%')"):
        assert word in message


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("stretch", [0.75, 0.6875, 0.625, 0.5625, 0.5]),
        ("keep", [0.5, 0.375, 0.25, 0.125, 0.0, 0.0]),
        ("hold", [0.5] * 12),
        ("redecay(over='25%')", [0.5, 0.375, 0.25, 0.125, 0.0, 0.0]),
        ("redecay(over=2, stop=0.1)", [0.5, 0.3, 0.1, 0.1]),
        ("redecay(over=4, ease='geometric', stop=0.03125)", [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125]),
    ],
)
def test_half_a_line_in_a_run_of_twice_its_length(policy: Any, expected: list[float]) -> None:
    saved = stopped(et.linear(), Horizon(total=8), 4).state_dict()
    scheduler = Scheduler(sgd(1.0), et.linear(), Horizon(total=16), on_change=policy)
    scheduler.load_state_dict(saved)
    assert first(advance(scheduler, len(expected))) == pytest.approx(expected)


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_t11_the_first_resumed_update_is_on_the_new_curve(decay: str, order: Any) -> None:
    """Where transformers' own uses the rate of the end of the short run once more."""
    warmup = et.Linear(0.0, BASE, over=2)
    plan = warmup >> (et.Linear if decay == "linear" else et.Cosine)(over="100% - 2st")
    build_theirs = getattr(transformers, f"get_{decay}_schedule_with_warmup")
    horizons = Horizon(total=8), Horizon(total=16)

    def build(optimizer: Optimizer, horizon: Horizon = horizons[1]) -> Scheduler:
        with pytest.warns(ScheduleWarning, match="first-update-at-zero"):
            return Scheduler(optimizer, plan, horizon, on_change="stretch")

    run = build(sgd(1.0), horizons[0])
    advance(run, 8)
    scheduler = resume(build, sgd(1.0), save(run), order)
    short = build_theirs(sgd(1.0), 2, 8)
    for _ in range(8):
        short.optimizer.step()
        short.step()
    theirs = build_theirs(sgd(1.0), 2, 16)
    theirs.optimizer.load_state_dict(short.optimizer.state_dict())
    theirs.load_state_dict(short.state_dict())
    assert rates(theirs.optimizer) == [0.0]  # the stale rate
    used = first(advance(scheduler, 8)) + rates(scheduler.optimizer)
    for k, rate in enumerate(used, start=8):
        assert rate == pytest.approx(theirs.lr_lambdas[0](k), abs=1e-15)
    assert used[0] > 0.5
    assert used == sorted(used, reverse=True)
    assert used[-1] == 0.0


# Every order, every policy, every change.

PLANS: list[Schedule] = [
    et.cosine(),
    et.linear(),
    et.Linear(0.1 * BASE, BASE, over="10%") >> et.Cosine(BASE, 0.01 * BASE, over="90%"),
    et.Constant(BASE, over=10) >> et.Exponential(0.9),
    et.Cosine(0.3, 0.001, over="100%"),
    et.wsd(warmup="10%", cooldown="20%"),
    et.sgdr("25%"),
]
SHORT, LONG = Horizon(total=24), Horizon(total=40)
plans, policies = st.sampled_from(PLANS), st.sampled_from(POLICIES)
bases = st.floats(1e-4, 2.0)


@given(plans, plans, policies, st.integers(0, 12), bases, st.sampled_from([SHORT, LONG]))
def test_a_policy_goes_on_with_its_own_course_in_every_order(
    then: Schedule, now: Schedule, policy: Policy, at: int, base: float, horizon: Horizon
) -> None:
    saved = save(stopped(then, SHORT, at, base))
    course = continued(policy, Course(then, SHORT), Course(now, horizon), at)
    if (then, SHORT) == (now, horizon):
        course = Course(now, horizon)  # nothing has changed
    expected = [course.table(at + k, base) for k in range(12)]
    for order in ORDERS:
        build = lambda optimizer: Scheduler(optimizer, now, horizon, on_change=policy)  # noqa: E731
        scheduler = resume(build, sgd(base), saved, order)
        assert first(advance(scheduler, 5)) == expected[:5]
        # The same script goes on with what it has saved, whatever it would say to another plan.
        again = resume(build, sgd(base), save(scheduler), order)
        assert again.seam is None
        assert first(advance(again, 7)) == expected[5:]
        silent = Scheduler(sgd(base), now, horizon)
        silent.load_state_dict(scheduler.state_dict())
        assert first(advance(silent, 7)) == expected[5:]


@pytest.mark.filterwarnings("ignore:Nothing is left to decay from")
@given(
    plans,
    plans,
    st.sampled_from(["hold", redecay("30%"), redecay(5, stop=0.5 * BASE)]),
    st.integers(0, 24),
    bases,
)
def test_whoever_asks_for_a_decay_never_sees_a_rise(
    then: Schedule, now: Schedule, policy: Policy, at: int, base: float
) -> None:
    run = stopped(then, SHORT, at, base)
    scheduler = Scheduler(sgd(base * 0.5), now, Horizon(total=90), on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    used = rates(run.optimizer) + first(advance(scheduler, 60))
    assert used[1] == pytest.approx(used[0], rel=1e-12)
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(used))


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.parametrize("policy", HOLDING, ids=str)
def test_other_base_rates_go_on_with_those_of_the_checkpoint(policy: Policy, order: Any) -> None:
    """A script whose base rates were changed goes on from its own checkpoints, too."""
    run = stopped(et.cosine(), SHORT, 9, 1.0, 0.1)
    expected = [[base * table for base in (1.0, 0.1)] for table in et.cosine().on(SHORT)(range(9, 21))]
    build = lambda optimizer: Scheduler(optimizer, et.cosine(), SHORT, on_change=policy)  # noqa: E731
    scheduler = resume(build, sgd(0.5, 0.3), save(run), order)
    assert scheduler.base_lrs == [1.0, 0.1]
    used = advance(scheduler, 4)
    assert used[0] == pytest.approx(expected[0])
    if policy == "keep":
        assert used == [pytest.approx(row) for row in expected[:4]]
    again = resume(build, sgd(0.5, 0.3), save(scheduler), order)
    assert (again.seam, again.base_lrs) == (None, [1.0, 0.1])
    once_more = resume(build, sgd(1.0, 0.1), save(scheduler), order)
    assert (once_more.seam, once_more.base_lrs) == (None, [1.0, 0.1])
    assert advance(again, 6) == advance(once_more, 6) == advance(scheduler, 6)


def test_stretch_goes_on_with_the_base_rates_of_now_where_no_optimizer_was_loaded() -> None:
    run = stopped(et.linear(), Horizon(total=8), 2, 1.0, 0.1)
    scheduler = Scheduler(sgd(0.5, 0.1), et.linear(), Horizon(total=8), on_change="stretch")
    scheduler.load_state_dict(run.state_dict())
    assert str(scheduler.seam).splitlines()[1:] == [
        "  lr of group '0' 0.375 (the checkpoint's plan: 0.75)",
        "  lr of group '1' 0.075 (the checkpoint's plan: 0.075)",
    ]
    assert rates(scheduler.optimizer) == pytest.approx([0.375, 0.075])
    again = Scheduler(sgd(0.5, 0.1), et.linear(), Horizon(total=8))
    again.load_state_dict(scheduler.state_dict())
    assert advance(again, 6) == advance(scheduler, 6)


def test_stretch_keeps_the_base_rates_of_now_when_the_optimizer_is_loaded_after_it() -> None:
    """What the seam has told stays true."""
    run = stopped(et.linear(), Horizon(total=8), 2)
    saved = save(run)
    scheduler = Scheduler(sgd(0.5), et.linear(), Horizon(total=8), on_change="stretch")
    scheduler.load_state_dict(saved["scheduler"])
    scheduler.optimizer.load_state_dict(saved["optimizer"])
    assert scheduler.seam is not None
    assert scheduler.seam.rates == {("lr", "0"): (0.75, 0.375)}
    assert first(advance(scheduler, 3)) == [0.375, 0.3125, 0.25]
    assert scheduler.base_lrs == [0.5]


def test_base_rates_that_differ_are_refused_unasked() -> None:
    saved = stopped(et.cosine(), SHORT, 9, 1.0, 0.1).state_dict()
    message = refuses(Scheduler(sgd(1.0, 0.2), et.cosine(), SHORT), saved, "another set-up")
    assert message.splitlines()[1] == "  base lr of group '1': 0.1 in the checkpoint, 0.2 now"


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_every_hyperparameter_follows_the_policy(policy: Policy, order: Any) -> None:
    then = {
        "lr": et.cosine(),
        "weight_decay": et.Linear(0.04, 0.4, over="100%"),
        "betas[1]": et.Constant(0.99),
    }
    now = {**then, "lr": et.linear()}

    def adamw() -> Optimizer:
        return AdamW([Parameter(torch.zeros(1))], lr=1.0, weight_decay=0.1)

    run = Scheduler(adamw(), then, SHORT)
    run.seek(6)
    scheduler = resume(
        lambda optimizer: Scheduler(optimizer, now, LONG, on_change=policy), adamw(), save(run), order
    )
    for k in range(6, 12):
        (group,) = scheduler.optimizer.param_groups
        for name, value in (("lr", group["lr"]), ("weight_decay", group["weight_decay"])):
            # A new decay is one of the rate.
            own = "keep" if name != "lr" and isinstance(policy, Redecay) else policy
            course = continued(own, Course(then[name], SHORT), Course(now[name], LONG), 6)
            assert value == course.table(k, {"lr": 1.0, "weight_decay": 0.1}[name])
        assert group["betas"] == (0.9, 0.99)
        scheduler.step()


# The seam.


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What has been logged since the last call."""
    caplog.set_level(logging.WARNING, "etude")

    def messages() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "etude"]
        caplog.clear()
        return found

    return messages


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        ("stretch", "lr of groups '0' and '1' rises to {} (the checkpoint's plan: {})"),
        ("keep", "lr of groups '0' and '1' {1} (the checkpoint's plan: {1})"),
        ("hold", "lr of groups '0' and '1' {1} (the checkpoint's plan: {1})"),
        ("redecay(over=3)", "lr of groups '0' and '1' {1} (the checkpoint's plan: {1})"),
    ],
)
def test_the_seam_is_told_once_with_both_rates(policy: Any, line: str, told: Callable[[], list[str]]) -> None:
    run = stopped(et.linear(), Horizon(total=8), 6, 1.0, 1.0)
    scheduler = Scheduler(sgd(1.0, 1.0), et.linear(), Horizon(total=16), on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    (message,) = told()
    assert message == str(scheduler.seam)
    assert message == f"resumed at step 6 under another plan ({policy}): {line.format(0.625, 0.25)}"
    assert scheduler.seam is not None
    for (_, group), (before, now) in scheduler.seam.rates.items():
        assert (before, now) == (rates(run.optimizer)[int(group)], rates(scheduler.optimizer)[int(group)])
    scheduler.load_state_dict(scheduler.state_dict())
    assert (told(), scheduler.seam) == ([], None)


def test_where_nothing_has_changed_there_is_no_seam(told: Callable[[], list[str]]) -> None:
    saved = stopped(et.cosine(), SHORT, 6).state_dict()
    for policy in (None, *POLICIES):
        scheduler = Scheduler(sgd(1.0), et.cosine(), SHORT, on_change=policy)
        scheduler.load_state_dict(saved)
        assert (told(), scheduler.seam, scheduler.state_dict()) == ([], None, saved)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_seam_tells_what_is_written_with_a_plateau_a_scale_or_a_proportion(policy: Policy) -> None:
    plateau = Plateau("loss", patience=0, factor=0.5)

    def build(plan: Schedule, horizon: Horizon, on_change: Any = None) -> Scheduler:
        optimizer = SGD([{"params": [Parameter(torch.zeros(1))], "lr_scale": 0.25}], lr=1.0, weight_decay=0.1)
        return Scheduler(optimizer, {"lr": plan, "weight_decay": "lr"}, horizon, on_change=on_change)

    run = build(et.cosine() * plateau, SHORT)
    run.seek(5)
    for loss in (1.0, 1.0, 1.0):
        run.observe(loss=loss)
    scheduler = build(et.linear(), LONG, policy)
    scheduler.load_state_dict(run.state_dict())
    assert scheduler.seam is not None
    told = {name: pair for (name, _), pair in scheduler.seam.rates.items()}
    (before,), (now,) = run.optimizer.param_groups, scheduler.optimizer.param_groups
    assert before["lr"] == pytest.approx(0.0625 * et.cosine().on(SHORT)(5))
    for name in ("lr", "weight_decay"):
        assert told[name] == pytest.approx((before[name], now[name]))


# A decay on demand.

TRUNK = et.Linear(0.1 * BASE, BASE, over=5) >> et.Constant(BASE)


def trunk(weight_decay: float = 0.1) -> Scheduler:
    optimizer = sgd(1.0, 0.1, weight_decay=weight_decay)
    return Scheduler(optimizer, {"lr": TRUNK, "weight_decay": "lr"}, Horizon(total=100))


def decays(optimizer: Optimizer) -> list[float]:
    return [group["weight_decay"] for group in optimizer.param_groups]


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.parametrize("ease", ["linear", "cosine", "one_minus_sqrt"])
def test_a_decay_branches_off_and_the_trunk_goes_on(ease: str, order: Any) -> None:
    run = trunk()
    advance(run, 20)
    saved = save(run)
    run.cooldown(over="10%", ease=ease)
    table = TRUNK.cooldown(20, over=10, ease=ease).on(Horizon(total=100))
    for k in range(20, 33):
        if k == 26:  # in the middle of the decay
            run = resume(lambda _: restarted, (restarted := trunk()).optimizer, save(run), order)
            assert run.seam is None
        assert rates(run.optimizer) == [table(k), table(k, 0.1)]
        assert decays(run.optimizer) == pytest.approx([0.1 * table(k)] * 2, rel=1e-15)
        run.optimizer.step()
        run.step()
    assert rates(run.optimizer) == [0.0, 0.0]
    # The trunk does not know of it.
    onward = resume(lambda _: later, (later := trunk()).optimizer, saved, order)
    assert advance(onward, 40) == [[1.0, 0.1]] * 40


def test_a_decay_can_be_hurried_and_goes_on_under_another_horizon() -> None:
    run = trunk()
    run.seek(20)
    run.cooldown(over=10)
    run.seek(25)
    hurried = trunk()
    hurried.load_state_dict(run.state_dict())
    hurried.cooldown(over=2)
    assert first(advance(hurried, 4)) == [0.5, 0.25, 0.0, 0.0]
    longer = Scheduler(
        sgd(1.0, 0.1), {"lr": TRUNK, "weight_decay": "lr"}, Horizon(total=200), on_change="keep"
    )
    longer.load_state_dict(run.state_dict())
    assert first(advance(longer, 6)) == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1, 0.0])


def test_a_share_of_the_run_is_one_of_the_present_run() -> None:
    scheduler = Scheduler(sgd(1.0), TRUNK * 0.5, Horizon(total=200), on_change="keep")
    scheduler.load_state_dict(stopped(TRUNK, Horizon(total=100), 20).state_dict())
    scheduler.cooldown(over="2%")
    assert first(advance(scheduler, 6)) == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_one_hyperparameter_can_be_cooled_down_alone() -> None:
    optimizer = sgd(1.0, weight_decay=0.5)
    scheduler = Scheduler(optimizer, {"lr": TRUNK, "weight_decay": et.Constant(BASE)})
    scheduler.seek(20)
    scheduler.cooldown(over=4, stop=0.25 * BASE, name="weight_decay")
    scheduler.seek(22)
    assert (rates(optimizer), decays(optimizer)) == ([1.0], [0.3125])
    scheduler.seek(99)
    assert (rates(optimizer), decays(optimizer)) == ([1.0], [0.125])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"over": 5, "name": "weight_decay"}, "weight_decay is in proportion to 'lr'; cool down what has a"),
        ({"over": 5, "name": "momentum"}, "momentum is not scheduled; cool down what has a schedule"),
        ({"over": -1}, "-1"),
        ({"over": "ten"}, "ten"),
        ({"over": 5, "stop": -0.1}, "-0.1"),
        ({"over": 5, "ease": "cosin"}, "cosin"),
        ({"over": "3ep"}, "steps_per_epoch"),
    ],
    ids=str,
)
def test_a_decay_that_cannot_be_is_refused_and_nothing_changes(
    arguments: dict[str, Any], message: str
) -> None:
    scheduler = trunk()
    scheduler.seek(20)
    before = scheduler.state_dict(), copy.deepcopy(scheduler.optimizer.state_dict())
    with pytest.raises(et.EtudeError, match=message):
        scheduler.cooldown(**arguments)
    assert (scheduler.state_dict(), scheduler.optimizer.state_dict()) == before
    assert first(advance(scheduler, 3)) == [1.0] * 3


# Functions of the user.


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that leaves a trace where it is imported."""
    trace = tmp_path / "imported"
    (tmp_path / "leaves_a_trace.py").write_text(
        "from pathlib import Path\n"
        "Path(__file__).with_name('imported').touch()\n"
        "def falling(step): return 1 / (1 + step)\n"
        "def rising(step): return step\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield trace
    sys.modules.pop("leaves_a_trace", None)


@pytest.mark.parametrize("policy", [None, *POLICIES], ids=str)
def test_a_function_that_only_the_checkpoint_names_is_never_imported(policy: Any, module: Path) -> None:
    run = Scheduler(sgd(1.0), et.Custom("leaves_a_trace:falling"), SHORT)
    run.seek(3)
    saved = run.state_dict()
    assert module.exists()
    module.unlink()
    del sys.modules["leaves_a_trace"]
    scheduler = Scheduler(sgd(1.0), et.linear(), SHORT)
    if policy == "stretch":
        scheduler.load_state_dict(saved, on_change=policy)
        assert rates(scheduler.optimizer) == [0.875]
        assert scheduler.seam is not None
        ((before, now),) = scheduler.seam.rates.values()
        assert (math.isnan(before), now) == (True, 0.875)
    else:
        message = "leaves_a_trace:falling" if policy else "another set-up"
        assert "leaves_a_trace:falling" in refuses(scheduler, saved, message, policy)
    assert not module.exists()
    assert "leaves_a_trace" not in sys.modules


@pytest.mark.usefixtures("module")
def test_a_function_that_the_present_plan_names_goes_on() -> None:
    plan = et.Custom("leaves_a_trace:falling")
    run = stopped(plan, SHORT, 3)
    scheduler = Scheduler(sgd(1.0), plan * 0.5, SHORT, on_change="keep")
    scheduler.load_state_dict(run.state_dict())
    assert advance(scheduler, 9) == advance(run, 9)


# Plateaus.


def test_what_a_plateau_remembers_goes_on_under_another_plan() -> None:
    """Its factor and its count of bad readings belong to it, not to what it is multiplied with."""
    plateau = Plateau("loss", patience=2, factor=0.5)
    run = Scheduler(sgd(1.0), et.linear() * plateau, Horizon(total=8))
    run.seek(4)
    for loss in (1.0, 1.0, 1.0, 1.0, 1.0, 1.0):  # the best, three bad ones, and two more
        run.observe(loss=loss)
    for policy, expected in (("stretch", [0.375, 0.375, 0.1875]), ("keep", [0.25, 0.25, 0.125])):
        scheduler = Scheduler(sgd(1.0), et.linear() * plateau, Horizon(total=16))
        scheduler.load_state_dict(run.state_dict(), on_change=policy)  # type: ignore[arg-type]
        used = rates(scheduler.optimizer)
        scheduler.observe(loss=0.9)
        scheduler.observe(loss=0.95)
        used += rates(scheduler.optimizer)
        scheduler.observe(loss=0.95)
        scheduler.observe(loss=0.95)
        assert [*used, *rates(scheduler.optimizer)] == expected


@pytest.mark.parametrize("policy", HOLDING, ids=str)
@pytest.mark.parametrize(
    "now",
    [
        et.linear(),
        et.linear() * Plateau("loss", patience=5),
        et.linear() * Plateau("accuracy", mode="max"),
        et.minimum(et.cosine() * Plateau("loss", patience=0), 0.3),
    ],
    ids=["none now", "another patience", "another metric", "under a minimum"],
)
def test_a_plateau_of_the_checkpoint_goes_on_where_its_schedule_does(now: Schedule, policy: Policy) -> None:
    run = Scheduler(sgd(1.0), et.cosine() * Plateau("loss", patience=0), SHORT)
    run.seek(6)
    for loss in (1.0, 1.0):
        run.observe(loss=loss)
    scheduler = Scheduler(sgd(1.0), now, SHORT, on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    assert rates(scheduler.optimizer) == pytest.approx(rates(run.optimizer), rel=1e-12)
    reached = rates(scheduler.optimizer)
    scheduler.observe(loss=1.0)
    assert rates(scheduler.optimizer) == pytest.approx([0.1 * rate for rate in reached])
    scheduler.step()
    again = Scheduler(sgd(1.0), now, SHORT)
    again.load_state_dict(scheduler.state_dict())
    for one in (scheduler, again):
        one.observe(loss=1.0)
    assert advance(again, 9) == advance(scheduler, 9)


def test_a_new_plateau_begins_anew() -> None:
    run = Scheduler(sgd(1.0), et.cosine() * Plateau("loss", patience=0), SHORT)
    for loss in (1.0, 1.0):
        run.observe(loss=loss)
    scheduler = Scheduler(sgd(1.0), et.cosine() * Plateau("loss", patience=1), SHORT, on_change="stretch")
    scheduler.load_state_dict(run.state_dict())
    used = []
    for loss in (1.0, 1.0, 1.0):
        used += rates(scheduler.optimizer)
        scheduler.observe(loss=loss)
    assert [*used, *rates(scheduler.optimizer)] == pytest.approx([1.0, 1.0, 1.0, 0.1])


# Groups that were told apart.


def test_groups_that_were_separate_and_are_one_now_are_refused_with_the_one_that_differs() -> None:
    saved = Scheduler(
        sgd(1.0, 1.0, 1.0), groups={0: et.cosine(), "*": et.linear()}, horizon=SHORT
    ).state_dict()
    message = refuses(Scheduler(sgd(1.0, 1.0, 1.0), et.cosine(), SHORT), saved, "another set-up")
    assert message.splitlines()[1].startswith("  lr of group '1' and 1 more: Linear(BASE, 0.0) in")
    for policy in HOLDING:
        refuses(
            Scheduler(sgd(1.0, 1.0, 1.0), et.cosine(), SHORT),
            saved,
            r"lr of all groups followed 2 different schedules in the checkpoint and one now, so that .*"
            r"give the groups their own schedules with groups=\{\.\.\.\}, or write on_change='stretch'",
            policy,
        )


def test_groups_that_were_separate_and_are_one_now_stretch_together() -> None:
    run = Scheduler(sgd(1.0, 0.5), groups={0: et.cosine(), 1: et.linear()}, horizon=SHORT)
    run.seek(6)
    scheduler = Scheduler(sgd(1.0, 0.5), et.cosine(), SHORT, on_change="stretch")
    scheduler.load_state_dict(run.state_dict())
    table = et.cosine().on(SHORT)
    assert advance(scheduler, 9) == [[table(k), table(k, 0.5)] for k in range(6, 15)]
    assert scheduler.seam is not None
    assert scheduler.seam.rates == {("lr", "0"): (table(6), table(6)), ("lr", "1"): (0.375, table(6, 0.5))}


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_groups_that_were_one_and_are_separate_now_change_alone(policy: Policy) -> None:
    run = stopped(et.cosine(), SHORT, 6, 1.0, 0.5)
    plans = {0: et.cosine(), 1: et.linear()}
    refuses(Scheduler(sgd(1.0, 0.5), groups=plans, horizon=SHORT), run.state_dict(), "lr of group '1'")
    scheduler = Scheduler(sgd(1.0, 0.5), groups=plans, horizon=SHORT, on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    unchanged = et.cosine().on(SHORT)
    course = continued(policy, Course(et.cosine(), SHORT), Course(et.linear(), SHORT), 6)
    expected = [[unchanged(k), course.table(k, 0.5)] for k in range(6, 18)]
    assert advance(scheduler, 6) == expected[:6]
    again = Scheduler(sgd(1.0, 0.5), groups=plans, horizon=SHORT)
    again.load_state_dict(scheduler.state_dict())
    assert advance(again, 6) == expected[6:]


# Hyperparameters that were, or are, in proportion.

OWN = {"lr": et.cosine(), "weight_decay": et.Linear(0.2, 0.4, over=24)}
IN_PROPORTION = {"lr": et.cosine(), "weight_decay": "lr"}


@pytest.mark.parametrize(("then", "now"), [(OWN, IN_PROPORTION), (IN_PROPORTION, OWN)], ids=["now", "then"])
def test_a_proportion_to_the_rate_is_no_schedule_that_could_go_on(then: Any, now: Any) -> None:
    run = stopped(then, SHORT, 6, weight_decay=0.1)
    message = refuses(
        Scheduler(sgd(1.0, weight_decay=0.1), now, SHORT),
        run.state_dict(),
        "weight_decay of group '0': .* now",
    )
    assert "lr of" not in message
    for policy in HOLDING:
        refuses(
            Scheduler(sgd(1.0, weight_decay=0.1), now, SHORT),
            run.state_dict(),
            "weight_decay of group '0': .*so that .* cannot go on with it; plan it as it was, or write",
            policy,
        )
    scheduler = Scheduler(sgd(1.0, weight_decay=0.1), now, SHORT, on_change="stretch")
    scheduler.load_state_dict(run.state_dict())
    assert scheduler.seam is not None
    assert scheduler.seam.rates == {
        ("weight_decay", "0"): (pytest.approx(decays(run.optimizer)[0]), decays(scheduler.optimizer)[0])
    }
    assert rates(scheduler.optimizer) == rates(run.optimizer)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_another_base_of_what_is_in_proportion_leaves_the_rate_alone(policy: Policy) -> None:
    run = stopped(IN_PROPORTION, SHORT, 6, weight_decay=0.1)
    scheduler = Scheduler(sgd(1.0, weight_decay=0.2), IN_PROPORTION, SHORT, on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    base = 0.2 if policy == "stretch" else 0.1
    table = et.cosine().on(SHORT)
    for k in range(6, 20):
        assert rates(scheduler.optimizer) == [table(k)]
        assert decays(scheduler.optimizer) == pytest.approx([base * table(k)], rel=1e-15)
        scheduler.step()


# Once more, and from elsewhere.


@given(plans, plans, policies, st.integers(0, 24), st.integers(0, 9))
def test_loading_twice_is_loading_once(
    then: Schedule, now: Schedule, policy: Policy, at: int, between: int
) -> None:
    saved = stopped(then, SHORT, at).state_dict()
    kept = copy.deepcopy(saved)
    scheduler = Scheduler(sgd(1.0), now, LONG, on_change=policy)
    scheduler.load_state_dict(saved)
    seam, once = scheduler.seam, scheduler.state_dict()
    used = advance(scheduler, between)
    scheduler.load_state_dict(saved)
    assert (scheduler.seam, scheduler.state_dict(), saved) == (seam, once, kept)
    assert advance(scheduler, between) == used


def in_thread(act: Callable[[], object], name: str = "worker") -> None:
    """Run it in another thread to its end; what it raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def test_a_second_thread_is_refused_and_may_be_handed_the_clock() -> None:
    scheduler = Scheduler(sgd(1.0), et.linear(), Horizon(total=8))
    advance(scheduler, 2)
    before = scheduler.state_dict(), copy.deepcopy(scheduler.optimizer.state_dict())
    with pytest.raises(ScheduleError, match=r"stepped by the thread 'MainThread', and now by 'worker'.*seek"):
        in_thread(scheduler.step)
    assert (scheduler.state_dict(), scheduler.optimizer.state_dict()) == before
    advance(scheduler, 1)
    scheduler.seek(scheduler.last_epoch)
    in_thread(lambda: advance(scheduler, 2))
    assert (scheduler.last_epoch, rates(scheduler.optimizer)) == (5, [0.375])


def test_what_a_thread_that_has_ended_was_stepping_goes_on() -> None:
    scheduler = Scheduler(sgd(1.0), et.linear(), Horizon(total=8))
    in_thread(lambda: advance(scheduler, 3))
    assert first(advance(scheduler, 3)) == [0.625, 0.5, 0.375]


def test_a_state_that_was_loaded_hands_the_clock_over_too() -> None:
    scheduler = Scheduler(sgd(1.0), et.linear(), Horizon(total=8))
    advance(scheduler, 3)
    scheduler.load_state_dict(scheduler.state_dict())
    in_thread(lambda: advance(scheduler, 2))
    assert scheduler.last_epoch == 5


# What is refused.


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("strech", "on_change must be 'stretch', 'keep', 'hold' or redecay.*; got 'strech'.*stretch"),
        ("redecay", "on_change must be written as in redecay"),
        ("redecay(over=-1)", "-1"),
        (True, "got True"),
        (redecay, "on_change must be"),
    ],
)
def test_a_policy_that_is_none_is_refused_at_the_door(policy: Any, message: str) -> None:
    optimizer = sgd(1.0)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ScheduleError, match=message):
        Scheduler(optimizer, et.cosine(), SHORT, on_change=policy)
    assert optimizer.state_dict() == before
    saved = stopped(et.cosine(), SHORT, 6).state_dict()
    refuses(Scheduler(optimizer, et.cosine(), LONG), saved, message, policy)


@pytest.mark.parametrize("wrong", [[1.0, 2.0], [1.0, 2.0, 3.0, 4.0]], ids=["too few", "too many"])
@pytest.mark.parametrize("field", ["bases", "built"])
def test_a_state_with_bases_for_other_groups_is_refused(field: str, wrong: list[float]) -> None:
    values = json.loads(stopped(et.cosine(), SHORT, 6, 1.0, 2.0, 3.0).state_dict()["etude"])
    values["courses"][0][field] = wrong
    refuses(Scheduler(sgd(1.0, 2.0, 3.0), et.cosine(), SHORT), {"etude": json.dumps(values)}, "is damaged")


def test_a_state_without_what_another_is_in_proportion_to_is_refused() -> None:
    values = json.loads(stopped(IN_PROPORTION, SHORT, 6, weight_decay=0.1).state_dict()["etude"])
    values["courses"] = [course for course in values["courses"] if course["of"] != "lr"]
    scheduler = Scheduler(sgd(1.0, weight_decay=0.1), {**IN_PROPORTION, "lr": et.linear()}, SHORT)
    refuses(scheduler, {"etude": json.dumps(values)}, "is damaged: it does not hold the lr of", "stretch")


def test_a_rate_that_cannot_be_held_as_a_level_is_refused() -> None:
    plan = et.Geometric(BASE, 1e-5, over=24)
    scheduler = Scheduler(sgd(1.0), et.cosine(), SHORT)
    refuses(
        scheduler, stopped(plan, SHORT, 6).state_dict(), "takes up the value at step 6 as a level", "hold"
    )
    scheduler.load_state_dict(stopped(plan, SHORT, 6).state_dict(), on_change="redecay(over=2)")
    reached = plan.on(SHORT)(6)
    assert first(advance(scheduler, 3)) == pytest.approx([reached, reached / 2, 0.0])


def test_the_clock_of_samples_goes_on_where_it_stood() -> None:
    """A position between two steps: a larger batch has been seen than the horizon has."""
    plan = et.Linear(BASE, 0.0, over="800smp")
    horizon = Horizon(samples_per_step=100)
    run = Scheduler(sgd(1.0), plan, horizon)
    for samples in (100, 150, 250):
        run.step(samples=samples)
    assert rates(run.optimizer) == pytest.approx([1 - 500 / 800])
    for policy in (None, *HOLDING[:2]):
        now = plan if policy is None else et.Linear(BASE, 0.0, over="1600smp")
        scheduler = Scheduler(sgd(1.0), now, horizon, on_change=policy)
        scheduler.load_state_dict(run.state_dict())
        assert rates(scheduler.optimizer) == rates(run.optimizer)
    again = Scheduler(sgd(1.0), plan, horizon)
    again.load_state_dict(run.state_dict())
    for samples in (1, 99, 200):
        again.step(samples=samples)
        run.step(samples=samples)
        assert rates(again.optimizer) == rates(run.optimizer)
    assert rates(run.optimizer) == [0.0]


def test_a_fraction_of_a_step_goes_on_from_there() -> None:
    run = stopped(et.linear(), Horizon(total=8), 0)
    run.seek(2.5)
    scheduler = Scheduler(sgd(1.0), et.linear(), Horizon(total=16), on_change="hold")
    scheduler.load_state_dict(run.state_dict())
    course = continued(
        "hold", Course(et.linear(), Horizon(total=8)), Course(et.cosine(), LONG), Fraction(5, 2)
    )
    assert rates(scheduler.optimizer) == [course.table(2.5)] == [0.6875]


# A run that is over.


@pytest.mark.parametrize("policy", ["redecay(over='10%')", "redecay(over=5, stop=0.5)", "keep", "hold"])
def test_a10_a_finished_run_that_goes_on_is_told(policy: str) -> None:
    saved = Scheduler(sgd(1.0), et.cosine(), Horizon(total=100))
    saved.seek(100)
    longer = Scheduler(sgd(1.0), et.cosine(), Horizon(total=200))
    with pytest.warns(ScheduleWarning) as caught:
        longer.load_state_dict(saved.state_dict(), on_change=policy)
    (told,) = map(str, (warning.message for warning in caught))
    assert told.startswith(
        "Nothing is left to decay from: at step 100 lr of group '0' is 0, and stays so for "
    )
    assert "the 100 steps that are left" in told
    assert "Build a new Scheduler with a plan for what is left" in told
    assert longer.get_last_lr() == [0.0]
    following = Scheduler(sgd(1.0), et.cosine(), Horizon(total=200))
    following.load_state_dict(longer.state_dict())  # which was told, and is no change


@pytest.mark.parametrize(
    ("plan", "at", "policy"),
    [
        (et.cosine(), 100, "stretch"),  # which is half-way down
        (et.cosine(), 60, "redecay(over='10%')"),
        (et.cosine(), 60, "redecay(over=0)"),  # at once, as it says
        (et.cosine(), 60, "keep"),
        (et.cosine(), 60, "hold"),
        (et.cosine(floor=0.01), 100, "hold"),  # a rate that is one
        (et.Constant(0.0, over="100%"), 100, "redecay(over='10%')"),  # frozen, and meant
        (et.cosine(), 200, "keep"),  # nothing is to come
    ],
)
def test_a10_what_has_something_left_is_not_told(plan: et.Schedule, at: int, policy: str) -> None:
    saved = Scheduler(sgd(1.0), plan, Horizon(total=100))
    saved.seek(at)
    Scheduler(sgd(1.0), plan, Horizon(total=200)).load_state_dict(saved.state_dict(), on_change=policy)


def test_a10_a_floor_that_was_reached_is_nothing_to_decay_from_either() -> None:
    saved = Scheduler(sgd(1.0), et.cosine(floor=0.01), Horizon(total=100))
    saved.seek(100)
    longer = Scheduler(sgd(1.0), et.cosine(floor=0.01), Horizon(total=200))
    with pytest.warns(ScheduleWarning, match=r"Nothing is left .* lr of group '0' is 0\.01, and stays so"):
        longer.load_state_dict(saved.state_dict(), on_change=redecay("10%"))


def test_c1_a_function_of_groups_that_are_still_to_come_is_the_programs_own() -> None:
    def build() -> Scheduler:
        return Scheduler(
            sgd(0.1), groups={0: et.cosine(), "*": et.Custom("math:cos")}, horizon=Horizon(total=9)
        )

    run = build()
    run.optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 0.5})
    run.step()
    again = build()
    again.load_state_dict(run.state_dict())
    again.optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 0.5})
    again.seek(again.last_epoch)
    assert rates(again.optimizer) == rates(run.optimizer) == pytest.approx([0.0969846, 0.2701512])


@pytest.mark.parametrize("late", [False, True], ids=["from the start", "after loading"])
def test_a3_a_group_that_joins_after_a_cooldown_joins_that_also_under_a_plan_nobody_had(late: bool) -> None:
    plans = {0: et.Constant(BASE), "*": et.Linear(BASE, 0.0, over=20)}

    def build() -> Scheduler:
        return Scheduler(sgd(0.1), groups=plans, horizon=Horizon(total=20))

    def join(scheduler: Scheduler) -> None:
        scheduler.optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 1.0})

    run = build()
    run.seek(10)
    run.cooldown(over=5)
    again = build()
    if not late:
        join(again)
    again.load_state_dict(run.state_dict())
    for scheduler in (run, again) if late else (run,):
        join(scheduler)
    # Half of the way down the line from 1, and from there to 0 in five steps.
    for scheduler in (run, again):
        assert [row[1] for row in advance(scheduler, 5)][1:] == pytest.approx([0.4, 0.3, 0.2, 0.1])
