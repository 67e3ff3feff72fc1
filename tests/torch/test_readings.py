"""Readings of updates: exact whatever happens between the update and the question, and in any thread."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.amp import GradScaler
from torch.nn import Parameter
from torch.optim import SGD, AdamW, Optimizer

import etude as et
from etude import BASE
from etude.readings import Reading
from etude.torch import Scheduler

HORIZON = et.Horizon(steps_per_epoch=4, total=16, samples_per_step=8)
PLAN = et.Linear(0.1 * BASE, BASE, over=4) >> et.Cosine(over=12)
PLATEAU = et.Plateau("loss", patience=0, factor=0.5)
FED = PLAN * PLATEAU


def two_groups() -> Optimizer:
    groups = [
        {"params": [Parameter(torch.zeros(1))], "lr": lr, "name": name}
        for lr, name in ((0.1, "body"), (0.4, "head"))
    ]
    return SGD(groups, momentum=0.9)


def used(optimizer: Optimizer) -> dict[str, float]:
    """The rates that an update uses if it comes now."""
    return {group.get("name", str(i)): float(group["lr"]) for i, group in enumerate(optimizer.param_groups)}


def last(scheduler: Scheduler, **metrics: float) -> Reading:
    """What the last update used, worked out as a Recorder does."""
    [reading] = scheduler.readings([(scheduler.last_update(), metrics)])
    assert reading == scheduler.reading(reading.step, metrics)
    return reading


def test_a_reading_tells_all_of_an_update() -> None:
    optimizer = two_groups()
    schedules = {"lr": FED, "momentum": et.Linear(0.9, 0.8, over=16)}
    scheduler = Scheduler(optimizer, schedules, HORIZON)
    scheduler.seek(5)
    optimizer.step()
    rates = used(optimizer)
    scheduler.step()

    assert last(scheduler, loss=0.5) == Reading(
        step=5,
        rates=rates,
        phase="cosine",
        metrics={"loss": 0.5},
        others={"momentum": {"body": pytest.approx(0.86875), "head": pytest.approx(0.86875)}},
        epoch=1.25,
        samples=40.0,
        factors={repr(PLATEAU): 1.0},
        override="",
    )


def test_b3_readings_share_nothing_with_each_other_or_with_what_was_measured() -> None:
    optimizer = two_groups()
    scheduler = Scheduler(optimizer, FED, HORIZON)
    measured, seen = {"loss": 0.5}, []
    for _ in range(2):
        optimizer.step()
        scheduler.step()
        seen.append((scheduler.last_update(), measured))
    first, second = scheduler.readings(seen)
    now = scheduler.reading(1, measured)

    measured["loss"] = 7.0
    first.factors.clear()  # type: ignore[attr-defined]

    assert (second.metrics, now.metrics, first.metrics) == ({"loss": 0.5},) * 3
    assert second.factors == now.factors == {repr(PLATEAU): 1.0}


def test_a_horizon_without_sizes_knows_neither_epochs_nor_samples() -> None:
    scheduler = Scheduler(two_groups(), PLAN)
    scheduler.step()

    assert (last(scheduler).epoch, last(scheduler).samples) == (None, None)


def test_many_updates_at_once_are_what_each_was() -> None:
    optimizer = two_groups()
    scheduler = Scheduler(optimizer, FED, HORIZON)
    rates, updates = [], []
    for _ in range(16):
        rates.append(used(optimizer))
        optimizer.step()
        scheduler.step()
        updates.append(scheduler.last_update())
    readings = scheduler.readings([(update, {}) for update in updates])

    assert [reading.rates for reading in readings] == rates
    assert [reading.step for reading in readings] == list(range(16))
    assert [reading.phase for reading in readings] == ["linear"] * 4 + ["cosine"] * 12
    assert [update.number for update in updates] == list(range(1, 17))


ACTIONS = st.sampled_from(
    [
        "update",
        "update",
        "update",
        "observe",
        "cooldown",
        "seek",
        "save",
        "load",
        "group",
        "look",
        "optimizer",
    ]
)


@given(st.lists(ACTIONS, max_size=30))
def test_every_reading_is_what_the_update_used_whatever_else_is_done(actions: list[str]) -> None:
    optimizer = two_groups()
    scheduler = Scheduler(optimizer, FED, HORIZON, on_change="keep")
    saved = scheduler.state_dict()
    states = optimizer.state_dict()
    wanted: list[tuple[int, dict[str, float]]] = []
    updates = []
    joined = False
    for number, action in enumerate(actions):
        match action:
            case "update":
                if joined:  # it takes up the schedule with the next step
                    scheduler.seek(scheduler.last_epoch)
                for _ in range(3):  # of which the later ones take the short way
                    wanted.append((int(scheduler.last_epoch), used(optimizer)))
                    optimizer.step()
                    scheduler.step()
            case "observe":
                scheduler.observe(loss=1.0)
            case "cooldown":
                scheduler.cooldown(2)
            case "seek":
                scheduler.seek(number)
            case "save":
                saved = scheduler.state_dict()
            case "load":
                scheduler.load_state_dict(saved)
            case "group":
                optimizer.add_param_group(
                    {"params": [Parameter(torch.zeros(1))], "lr": 0.2, "name": f"g{number}"}
                )
                joined = True
            case "look":
                scheduler.get_lr()
                scheduler.reading(3)
            case "optimizer" if len(optimizer.param_groups) == 2:
                optimizer.load_state_dict(states)
        if wanted:
            step, rates = wanted[-1]
            reading = last(scheduler)
            assert (reading.step, reading.rates) == (step, rates)
            updates.append((scheduler.last_update(), step, rates))

    # And later, all of them, where everything is otherwise by now.
    readings = scheduler.readings([(update, {}) for update, _, _ in updates])
    assert [(reading.step, reading.rates) for reading in readings] == [
        (step, rates) for _, step, rates in updates
    ]


@pytest.mark.parametrize("change", ["observe", "cooldown", "load", "seek", "group", "optimizer"])
def test_what_comes_after_an_update_does_not_change_it(change: str) -> None:
    optimizer = two_groups()
    scheduler = Scheduler(optimizer, FED, HORIZON)
    saved, states = scheduler.state_dict(), optimizer.state_dict()
    scheduler.observe(loss=1.0)
    scheduler.observe(loss=2.0)
    for _ in range(7):
        rates = used(optimizer)
        optimizer.step()
        scheduler.step()
    before = last(scheduler)
    changes = {
        "observe": lambda: scheduler.observe(loss=3.0),
        "cooldown": lambda: scheduler.cooldown(2),
        "load": lambda: scheduler.load_state_dict(saved),
        "seek": lambda: scheduler.seek(9),
        "group": lambda: optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 0.2}),
        "optimizer": lambda: optimizer.load_state_dict(states),
    }

    changes[change]()
    scheduler.get_lr()

    assert last(scheduler) == before
    assert (before.step, before.rates, before.factors) == (6, rates, {repr(PLATEAU): 0.5})


def test_what_was_observed_counts_from_the_next_update_on() -> None:
    scheduler = Scheduler(two_groups(), FED, HORIZON)
    for loss in (1.0, 1.0, 2.0):
        scheduler.step()
        scheduler.observe(loss=loss)
    assert last(scheduler).factors == {repr(PLATEAU): 0.5}
    scheduler.step()

    assert last(scheduler).factors == {repr(PLATEAU): 0.25}


def test_an_override_is_told_as_the_text_of_what_is_followed() -> None:
    scheduler = Scheduler(two_groups(), PLAN, HORIZON)
    scheduler.seek(6)
    scheduler.step()
    scheduler.cooldown("25%")
    planned = last(scheduler)
    scheduler.step()
    cooled = last(scheduler)

    assert planned.override == ""
    assert cooled.override == f"lr: {PLAN.cooldown(7, over='25%')!r}"
    assert cooled.phase == "cooldown"


SHARES = et.Cosine(over="100%")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("stretch", ""),
        ("keep", f"lr: {SHARES!r} on {HORIZON!r}"),
        ("hold", f"lr: {SHARES!r}.until(8) >> Constant(0.5 * BASE)"),
    ],
)
def test_a_change_of_plan_is_an_override(policy: Any, told: str) -> None:
    scheduler = Scheduler(two_groups(), SHARES, HORIZON)
    scheduler.seek(8)
    again = Scheduler(two_groups(), SHARES, et.Horizon(total=32), on_change=policy)
    again.load_state_dict(scheduler.state_dict())
    again.step()

    assert last(again).override.startswith(told)
    assert bool(last(again).override) is bool(told)


def test_where_samples_are_counted_the_reading_knows_how_many_there_were() -> None:
    plan = et.Cosine(over="128smp")
    scheduler = Scheduler(two_groups(), plan, HORIZON)
    updates = []
    for samples in (8, 4, 16, 8):
        scheduler.step(samples=samples)
        updates.append(scheduler.last_update())
    readings = scheduler.readings([(update, {}) for update in updates])

    assert [reading.samples for reading in readings] == [0.0, 8.0, 12.0, 28.0]
    assert [reading.epoch for reading in readings] == [0.0, 0.25, 0.375, 0.875]
    table = plan.on(HORIZON)
    for reading, place in zip(readings, (0, 1, 1.5, 3.5), strict=True):
        assert reading.rates == {"body": table(place, 0.1), "head": table(place, 0.4)}


def test_step_to_a_step_tells_of_the_update_before() -> None:
    scheduler = Scheduler(two_groups(), PLAN, HORIZON)
    scheduler.step(7)

    assert last(scheduler).step == 0


def test_an_update_that_the_scaler_left_out_is_told_at_the_step_that_was_tried() -> None:
    weight = Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.1)
    scaler = GradScaler("cpu", init_scale=2.0)
    scheduler = Scheduler(optimizer, PLAN, HORIZON, scaler=scaler)
    steps = []
    for gradient in (1.0, float("inf"), 1.0):
        weight.grad = torch.tensor([gradient])
        scaler.scale(torch.ones(1))  # begins it
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        update = scheduler.last_update()
        steps.append((update.number, update.step))

    assert steps == [(1, 0), (2, 1), (3, 1)]


def test_a_rate_without_a_schedule_is_told_as_it_was() -> None:
    optimizer = AdamW([Parameter(torch.zeros(1))], lr=0.1, weight_decay=0.01)
    scheduler = Scheduler(optimizer, {"weight_decay": PLAN}, HORIZON)
    updates = []
    for rate in (0.3, 0.2):
        optimizer.param_groups[0]["lr"] = rate
        scheduler.step()
        updates.append(scheduler.last_update())
    readings = scheduler.readings([(update, {}) for update in updates])

    assert [reading.rates for reading in readings] == [{"0": 0.3}, {"0": 0.2}]
    assert readings[1].others == {"weight_decay": {"0": pytest.approx(0.01 * 0.325)}}


def test_a_target_is_told_by_its_own_name() -> None:
    clipper = {"norm": 1.0}
    schedules = {"lr": PLAN, "clip": et.Linear(BASE, 0.5 * BASE, over=10)}
    scheduler = Scheduler(two_groups(), schedules, HORIZON, targets={"clip": (clipper, "norm")})
    scheduler.step()
    scheduler.step()

    assert last(scheduler).others == {"clip": {"clip": pytest.approx(0.95)}}


def test_groups_with_schedules_of_their_own_are_told_in_their_order() -> None:
    optimizer = two_groups()
    groups = {"head": et.Constant(BASE), "body": PLAN}
    scheduler = Scheduler(optimizer, groups=groups, horizon=HORIZON)
    rates = used(optimizer)
    scheduler.step()

    assert list(last(scheduler).rates.items()) == list(rates.items())
    assert last(scheduler).phase == "linear | constant"


def test_a_copy_of_a_scheduler_tells_of_its_own_updates() -> None:
    scheduler = Scheduler(two_groups(), PLAN, HORIZON)
    scheduler.step()
    other = copy.deepcopy(scheduler)
    other.step()

    assert last(other) == scheduler.reading(1)
    assert last(scheduler).step == 0


def test_readings_can_be_worked_out_while_another_thread_trains() -> None:
    optimizer = two_groups()
    scheduler = Scheduler(optimizer, SHARES * PLATEAU, et.Horizon(total=2000))
    noted: list[Any] = []
    found: list[Reading] = []
    over = threading.Event()

    def work_out() -> None:
        while not over.is_set() or len(found) < len(noted):
            found.extend(scheduler.readings(noted[len(found) : len(found) + 50]))

    thread = threading.Thread(target=work_out)
    thread.start()
    wanted = []
    for step in range(2000):
        wanted.append(used(optimizer))
        optimizer.step()
        scheduler.step()
        noted.append((scheduler.last_update(), {}))
        if step % 100 == 99:
            scheduler.observe(loss=1.0)
    over.set()
    thread.join(60)

    assert [reading.rates for reading in found] == wanted
