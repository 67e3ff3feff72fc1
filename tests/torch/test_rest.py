"""The rest of the run in training: clocks of several units, groups that come later, cooldowns, resuming."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import Optimizer

import etude as et
from etude import BASE, Horizon, Rate
from etude.errors import HorizonError
from etude.torch import Scheduler, redecay
from etude.torch.changes import Policy
from tests.torch.loops import rates, save, sgd

pytestmark = pytest.mark.filterwarnings("ignore:The horizon planned")  # it does, and the last value is held

LINE: Callable[[float], float] = lambda p: 1 - p  # noqa: E731
HALF_COSINE: Callable[[float], float] = lambda p: (1 + math.cos(math.pi * p)) / 2  # noqa: E731
DECAYS = [(et.linear, LINE), (et.cosine, HALF_COSINE)]


def left(p: float | Fraction, ease: Callable[[float], float]) -> float:
    """What is left of a decay when that share of it is gone."""
    return ease(float(min(max(p, 0), 1)))


def advance(scheduler: Scheduler, steps: int) -> list[float]:
    """The first group's rates of so many updates, and of the one that would come next."""
    used = rates(scheduler.optimizer)[:1]
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step()
        used.append(rates(scheduler.optimizer)[0])
    return used


# The units of the parts.


@pytest.mark.parametrize(("recipe", "ease"), DECAYS, ids=["linear", "cosine"])
@given(st.lists(st.integers(1, 400), min_size=60, max_size=90))
def test_a_warmup_counts_updates_and_the_rest_of_a_run_of_tokens_counts_tokens(
    recipe: Callable[..., Rate], ease: Callable[[float], float], amounts: list[int]
) -> None:
    """The rest of ``"12800tok"`` at 128 an update is 50 nominal updates less than 100, in tokens."""
    horizon = Horizon(total="12800tok", tokens_per_step=128)
    scheduler = Scheduler(sgd(1.0), recipe(warmup="50st"), horizon)
    seen = 0
    for update, tokens in enumerate(amounts):
        expected = (update + 1) / 51 if update < 50 else left(Fraction(seen, 50 * 128), ease)
        assert rates(scheduler.optimizer) == [pytest.approx(expected, rel=1e-12, abs=1e-15)]
        scheduler.optimizer.step()
        scheduler.step(tokens=tokens)
        seen += tokens * (update >= 50)


@pytest.mark.parametrize(("recipe", "ease"), DECAYS, ids=["linear", "cosine"])
def test_a_plan_as_long_as_so_many_tokens_has_a_warmup_in_steps(
    recipe: Callable[..., Rate], ease: Callable[[float], float]
) -> None:
    """Of an explicit length the warmup is taken away in its own unit: two nominal units, a sum of them."""
    per_step = 2**20
    whole = Fraction(2 * 10**9, per_step)  # in nominal updates, no whole number of them
    plan, horizon = recipe("2e9tok", warmup="50st"), Horizon(total="2e9tok", tokens_per_step=per_step)
    table = plan.on(horizon)
    for step in (0, 49, 50, 51, 1000, int(whole), int(whole) + 1):
        expected = (step + 1) / 51 if step < 50 else left((step - 50) / (whole - 50), ease)
        assert table(step) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    # In training the warmup counts updates, however few tokens they have, and the decay tokens.
    scheduler = Scheduler(sgd(1.0), plan, horizon)
    for update in range(80):
        gone = max(update - 50, 0) * Fraction(per_step // 2, per_step) / (whole - 50)
        expected = (update + 1) / 51 if update < 50 else left(gone, ease)
        assert rates(scheduler.optimizer) == [pytest.approx(expected, rel=1e-12, abs=1e-15)]
        scheduler.optimizer.step()
        scheduler.step(tokens=per_step // 2)


def test_epochs_of_samples_beside_a_run_of_samples() -> None:
    horizon = Horizon(10, "400smp", samples_per_step=4)
    plan = et.Linear(0.1 * BASE, BASE, over="2ep") >> et.Linear()
    scheduler = Scheduler(sgd(1.0), plan, horizon)
    for update in range(60):
        place = update / 2  # half of a nominal update each
        assert rates(scheduler.optimizer) == [pytest.approx(min(0.1 + 0.9 * place / 20, (100 - place) / 80))]
        scheduler.optimizer.step()
        scheduler.step(samples=2)


# A group's own clock.


def joined(plan: Rate, horizon: Horizon, at: int, base: float = 0.5) -> Scheduler:
    """A run to which a group with a clock of its own was added at a step."""
    scheduler = Scheduler(sgd(1.0), plan, horizon, added="own")
    advance(scheduler, at)
    scheduler.optimizer.add_param_group({"params": [Parameter(torch.ones(1))], "lr": base})
    scheduler.observe()
    return scheduler


@given(st.integers(1, 60), st.integers(0, 60))
def test_a_group_with_a_clock_of_its_own_ends_with_the_run(total: int, at: int) -> None:
    at = min(at, total)
    scheduler = joined(et.cosine(), Horizon(total=total), at)
    for step in range(at, total + 3):
        first, second = rates(scheduler.optimizer)
        assert first == pytest.approx(left(Fraction(step, total), HALF_COSINE), abs=1e-15)
        share = Fraction(step - at, total - at) if total > at else Fraction(1)
        assert second == pytest.approx(0.5 * left(share, HALF_COSINE), abs=1e-15)
        advance(scheduler, 1)


def test_its_parts_divide_what_is_left_of_the_run_for_it() -> None:
    plan = et.cosine(warmup="0.25rest", cycles=2)
    scheduler = joined(plan, Horizon(total=100), 60)
    table = et.Constant(0.0, over=60) >> et.cosine(40, warmup=10, cycles=2)
    for step in range(60, 104):
        expected = 0.5 * table.on(Horizon())(step)
        assert rates(scheduler.optimizer)[1] == pytest.approx(expected, rel=1e-12, abs=1e-15)
        advance(scheduler, 1)


def test_it_goes_on_from_a_checkpoint() -> None:
    plan, horizon = et.cosine(), Horizon(total=20)
    run = joined(plan, horizon, 8)
    advance(run, 3)
    saved = save(run)
    again = Scheduler(sgd(1.0, 0.5), plan, horizon, added="own")
    again.load_state_dict(saved["scheduler"])
    again.optimizer.load_state_dict(saved["optimizer"])
    for step in range(11, 22):
        first, second = rates(again.optimizer)
        assert [first, second] == rates(run.optimizer)
        assert second == pytest.approx(0.5 * left(Fraction(step - 8, 12), HALF_COSINE), abs=1e-15)
        advance(run, 1)
        advance(again, 1)


def test_of_tokens_too() -> None:
    horizon = Horizon(total="640tok", tokens_per_step=64)
    scheduler = Scheduler(sgd(1.0), et.linear(), horizon, added="own")
    for _ in range(4):
        scheduler.optimizer.step()
        scheduler.step(tokens=80)
    scheduler.optimizer.add_param_group({"params": [Parameter(torch.ones(1))], "lr": 1.0})
    scheduler.observe()
    for seen in range(320, 700, 40):
        expected = [max(1 - seen / 640, 0), max(1 - (seen - 320) / 320, 0)]
        assert rates(scheduler.optimizer) == pytest.approx(expected)
        scheduler.optimizer.step()
        scheduler.step(tokens=40)


# A cooldown.


@given(st.integers(1, 50), st.integers(0, 50), st.sampled_from([0.0, 0.25]))
def test_a_cooldown_ends_with_the_run(total: int, at: int, stop: float) -> None:
    at = min(at, total)
    scheduler = Scheduler(sgd(2.0), et.Constant(), Horizon(total=total))
    advance(scheduler, at)
    scheduler.cooldown(over="rest", stop=stop * BASE)
    for step in range(at, total + 3):
        share = Fraction(step - at, total - at) if total > at else Fraction(1)
        expected = 2.0 * (stop + (1 - stop) * left(share, LINE))
        assert rates(scheduler.optimizer) == [pytest.approx(expected)]
        advance(scheduler, 1)


def test_a_share_of_the_rest_is_counted_from_there() -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(), Horizon(total=100))
    scheduler.seek(60)
    scheduler.cooldown(over="0.5rest")
    scheduler.seek(70)
    assert rates(scheduler.optimizer) == [pytest.approx(0.5)]
    scheduler.seek(80)
    assert rates(scheduler.optimizer) == [0.0]


def test_when_the_run_is_over_there_is_no_time_for_one_and_nothing_changes() -> None:
    scheduler = Scheduler(sgd(1.0), et.Constant(), Horizon(total=10))
    scheduler.seek(12)
    before = scheduler.state_dict()
    with pytest.raises(HorizonError, match="counts the rest of the run, and the run is over at 10"):
        scheduler.cooldown(over="rest")
    assert (scheduler.state_dict(), rates(scheduler.optimizer)) == (before, [1.0])


@pytest.mark.parametrize("policy", ["stretch", "keep", "hold"])
def test_in_a_longer_run_a_cooldown_ends_with_the_longer_run(policy: Policy) -> None:
    """Also where the horizon of what is followed is still the saved one's."""
    run = Scheduler(sgd(1.0), et.Constant(), Horizon(total=10))
    advance(run, 6)
    scheduler = Scheduler(sgd(1.0), et.Constant(), Horizon(total=26), on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    scheduler.cooldown(over="rest")
    assert advance(scheduler, 22) == pytest.approx([*(1 - k / 20 for k in range(21)), 0.0, 0.0])
    assert rates(scheduler.optimizer) == [0.0]


@pytest.mark.parametrize("policy", ["keep", "hold"])
def test_a_cooldown_of_what_went_on_from_a_shorter_run(policy: Policy) -> None:
    run = Scheduler(sgd(1.0), et.linear(), Horizon(total=10))
    advance(run, 5)
    scheduler = Scheduler(sgd(1.0), et.linear(), Horizon(total=25), on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    scheduler.cooldown(over="rest")
    used = advance(scheduler, 22)
    assert used == pytest.approx([*(0.5 * (1 - k / 20) for k in range(21)), 0.0, 0.0])


@pytest.mark.parametrize("total", [40, 100, 400])
def test_redecay_over_the_rest_ends_with_the_run_of_now(total: int) -> None:
    run = Scheduler(sgd(1.0), et.linear(), Horizon(total=40))
    advance(run, 10)
    scheduler = Scheduler(sgd(1.0), et.linear(floor=0.1), Horizon(total=total))
    scheduler.load_state_dict(run.state_dict(), on_change=redecay(over="rest", stop=0.0))
    for step in range(10, total + 3, 3):
        scheduler.seek(step)
        expected = 0.75 * left(Fraction(step - 10, total - 10), LINE)
        assert rates(scheduler.optimizer) == [pytest.approx(expected, abs=1e-15)]


def test_redecay_over_the_rest_of_tokens() -> None:
    run = Scheduler(sgd(1.0), et.linear(), Horizon(total="640tok", tokens_per_step=64))
    for _ in range(5):
        run.optimizer.step()
        run.step(tokens=32)
    horizon = Horizon(total="1280tok", tokens_per_step=64)
    scheduler = Scheduler(sgd(1.0), et.linear(), horizon)
    scheduler.load_state_dict(run.state_dict(), on_change=redecay(over="rest"))
    assert rates(scheduler.optimizer) == [pytest.approx(0.75)]
    scheduler.seek(20)  # the nominal updates of 1280 tokens
    assert rates(scheduler.optimizer) == [pytest.approx(0.0, abs=1e-15)]


# Resuming.

SHORT, LONG = 24, 40
WARMUP = "0.25rest"


def closed(step: float, total: int, ease: Callable[[float], float]) -> float:
    """A warmup of a quarter of the run, and a decay that ends with it."""
    warm = Fraction(total, 4)
    if step < warm:
        return float((Fraction(step) + 1) / (warm + 1))
    return left((Fraction(step) - warm) / (total - warm), ease)


def wanted(policy: Policy, step: int, at: int, ease: Callable[[float], float]) -> float:
    """What is followed after a resumption at a step of the short run in the longer one."""
    if step < at:
        return closed(step, SHORT, ease)
    if policy == "stretch":
        return closed(step, LONG, ease)
    if policy == "keep":
        return closed(step, SHORT, ease)
    held = closed(at, SHORT, ease)
    if policy == "hold":
        return held
    return held * left(Fraction(step - at, LONG - at), LINE)


@pytest.mark.filterwarnings("ignore:Nothing is left to decay from")
@pytest.mark.parametrize("policy", ["stretch", "keep", "hold", redecay("rest")], ids=str)
@pytest.mark.parametrize(("recipe", "ease"), DECAYS, ids=["linear", "cosine"])
@pytest.mark.parametrize("at", [0, 3, 6, 7, 15, SHORT, SHORT + 4])
@pytest.mark.parametrize("between", [0, 1, 9])
def test_every_policy_over_a_plan_with_the_rest(
    policy: Policy, recipe: Callable[..., Rate], ease: Callable[[float], float], at: int, between: int
) -> None:
    """In the warmup, in the decay, at the end and after it; resumed once, and again from what it saved."""
    plan = recipe(warmup=WARMUP)
    run = Scheduler(sgd(1.0), plan, Horizon(total=SHORT))
    assert advance(run, at) == pytest.approx([closed(k, SHORT, ease) for k in range(at + 1)], abs=1e-15)

    def build(**options: Any) -> Scheduler:
        return Scheduler(sgd(1.0), plan, Horizon(total=LONG), **options)

    scheduler = build(on_change=policy)
    scheduler.load_state_dict(run.state_dict())
    used = advance(scheduler, between)
    # The longer run's own checkpoint needs no policy, and one makes no difference to it.
    for options in ({}, {"on_change": policy}):
        again = build(**options)
        again.load_state_dict(scheduler.state_dict())
        assert again.seam is None
        both = used[:-1] + advance(again, LONG + 3 - at - between)
        expected = [wanted(policy, k, at, ease) for k in range(at, LONG + 4)]
        assert both == pytest.approx(expected, abs=1e-15)


@pytest.mark.filterwarnings("ignore:Nothing is left to decay from")
@pytest.mark.parametrize("at", [0, 4, 15])
@pytest.mark.parametrize("then", [2, 11, 20])
def test_a_decay_over_the_rest_is_begun_anew_in_a_run_that_is_longer_still(at: int, then: int) -> None:
    plan, over = et.linear(), redecay("rest")
    scheduler = Scheduler(sgd(1.0), plan, Horizon(total=SHORT))
    advance(scheduler, at)
    held, total = 1 - at / SHORT, SHORT
    for total, steps in ((LONG, then), (LONG + 37, 0)):
        longer = Scheduler(sgd(1.0), plan, Horizon(total=total))
        longer.load_state_dict(scheduler.state_dict(), on_change=over)
        scheduler = longer
        advance(scheduler, steps)
        if steps:
            held *= 1 - steps / (total - at)
            at += steps
    for step in range(at, total + 3):
        share = Fraction(step - at, total - at)
        assert rates(scheduler.optimizer) == [pytest.approx(held * left(share, LINE), abs=1e-15)]
        advance(scheduler, 1)


def test_the_state_holds_the_plan_as_it_is_written() -> None:
    """The same on any horizon: with the rest of the run in it, and not what that was."""
    saved: list[Any] = []
    for total in (SHORT, LONG):
        scheduler = Scheduler(sgd(1.0), et.linear(warmup=WARMUP), Horizon(total=total))
        saved.append(scheduler.state_dict()["etude"])
    assert all("Constant(BASE) * warmup('0.25rest') >> Linear(BASE, 0.0)" in text for text in saved)


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_an_optimizer_that_is_loaded_later_changes_nothing(kind: str) -> None:
    def optimizer() -> Optimizer:
        made: Optimizer = getattr(torch.optim, kind)([Parameter(torch.zeros(1))], lr=1.0)
        return made

    run = Scheduler(optimizer(), et.linear(), Horizon(total=SHORT))
    advance(run, 9)
    saved = save(run)
    scheduler = Scheduler(optimizer(), et.linear(), Horizon(total=LONG), on_change=redecay("rest"))
    scheduler.load_state_dict(saved["scheduler"])
    scheduler.optimizer.load_state_dict(saved["optimizer"])
    used = advance(scheduler, LONG - 9)
    assert used == pytest.approx([(1 - 9 / SHORT) * (1 - k / (LONG - 9)) for k in range(LONG - 8)], abs=1e-15)
