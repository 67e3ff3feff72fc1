"""Accelerate, with one process and with two: the same curve, however the user has set it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.optim import SGD

from etude import BASE, Cosine, Horizon, Linear
from etude.record import Recorder, open_store
from etude.torch import Scheduler
from etude.trainers.accelerate import prepare
from tests.test_examples import EXAMPLES, run
from tests.trainers.accelerate_ranks import SETTINGS, UPDATES, resumed
from tests.trainers.processes import together

CURVE = [1 - step / UPDATES for step in range(UPDATES)]
"""T18: 1, 0.875, 0.75, ... at any world size."""

RANKS = "tests.trainers.accelerate_ranks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accelerate")


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[Any]:
    """What one process told."""
    return together(RANKS, 1, folder / "1")


@pytest.fixture(scope="module")
def both(alone: list[Any], folder: Path) -> list[Any]:
    """What each of two processes told; they also go on from the state that the one has saved."""
    return together(RANKS, 2, folder / "2", str(folder / "1"))


@pytest.fixture(params=[1, 2], ids=["1 process", "2 processes"])
def told(request: pytest.FixtureRequest, alone: list[Any], both: list[Any]) -> list[Any]:
    return alone if request.param == 1 else both


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_curve_is_the_same_on_any_number_of_processes(told: list[Any], setting: str) -> None:
    for rank in told:
        assert rank["prepared"][setting] == CURVE
        assert rank["unprepared"][setting] == CURVE


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_horizon_counts_the_updates_of_a_prepared_loader(told: list[Any], setting: str) -> None:
    assert [rank["counted"][setting] for rank in told] == [str(UPDATES)] * len(told)


def test_prepared_by_accelerate_torchs_own_is_stepped_once_for_each_process(
    alone: list[Any], both: list[Any]
) -> None:
    assert alone[0]["torch's, by Accelerate"] == [CURVE, []]
    for rank in both:
        # Twice as fast, below 0, and nothing is said.
        assert rank["torch's, by Accelerate"] == [[1 - 2 * step / UPDATES for step in range(UPDATES)], []]


def test_prepared_by_accelerate_ours_says_what_is_wrong(alone: list[Any], both: list[Any]) -> None:
    assert alone[0]["ours, by Accelerate"] == [CURVE, []]
    for rank in both:
        said = rank["ours, by Accelerate"][1]
        assert "in the first 2 updates step() was called 4 times" in said[0]
        assert "for each process" in said[0]
        assert said[0].endswith("[ticks-per-epoch]")


def test_a_total_steps_makes_accelerate_stop_torchs_one_cycle_and_not_the_drop_in(
    alone: list[Any], both: list[Any]
) -> None:
    cycle = alone[0]["torch's OneCycleLR, by Accelerate"][0]
    for rank in both:
        theirs = rank["torch's OneCycleLR, by Accelerate"][0]
        assert theirs[:4] == pytest.approx(cycle[::2])
        assert theirs[4:] == [theirs[4]] * 4
    for rank in alone + both:
        assert rank["drop-in"] == pytest.approx(cycle, rel=1e-12)


def test_no_attribute_of_a_scheduler_switches_on_accelerates_rule_for_one_cycle() -> None:
    scheduler = Scheduler(SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), Linear(BASE, 0.0, over=8))

    assert not hasattr(scheduler, "total_steps")
    assert scheduler._step_count == 1


def test_a_saved_state_goes_on_exactly(alone: list[Any], folder: Path) -> None:
    assert (folder / "1" / "state" / "scheduler.bin").exists()
    assert alone[0]["saved"] == CURVE
    assert alone[0]["resumed"] == CURVE[3:]


def test_a_saved_state_goes_on_exactly_with_more_processes(both: list[Any]) -> None:
    assert [rank["resumed"] for rank in both] == [CURVE[3:]] * 2


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(cpu=True)
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("accelerator")
def test_a_saved_state_goes_on_exactly_with_fewer_processes(both: list[Any], folder: Path) -> None:
    assert [rank["saved"] for rank in both] == [CURVE] * 2
    assert resumed(folder / "2") == CURVE[3:]


@pytest.mark.parametrize(
    "way",
    [
        "overflow",
        "overflow, told to the Scheduler too",
        # A Scheduler that sees the scaler knows of itself which calls of step() follow an update.
        "overflow, told to the Scheduler, by Accelerate",
        "overflow, told to the Scheduler, unprepared",
    ],
)
def test_an_update_that_overflows_is_no_step(told: list[Any], way: str) -> None:
    for rank in told:
        assert rank[way] == {"rates": [1.0, 1.0, *CURVE[:6]], "clock": 6}


def test_what_is_wrapped_already_is_refused(accelerator: Accelerator) -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    wrapped = accelerator.prepare(Scheduler(optimizer, Linear(BASE, 0.0, over=8)))

    with pytest.raises(TypeError, match=r"this one is wrapped already; leave it out of accelerator\.prepare"):
        prepare(accelerator, wrapped)


def test_what_is_no_scheduler_is_refused(accelerator: Accelerator) -> None:
    with pytest.raises(TypeError, match="prepare takes a scheduler of an optimizer; got Linear"):
        prepare(accelerator, Linear(BASE, 0.0, over=8))  # type: ignore[arg-type]


def test_preparing_again_with_the_rest_changes_nothing(accelerator: Accelerator) -> None:
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    prepared = prepare(accelerator, Scheduler(optimizer, Linear(BASE, 0.0, over=8)))

    assert accelerator.prepare(optimizer, prepared)[1] is prepared
    assert accelerator._schedulers == [prepared]


def test_the_example_trains_under_its_schedule(tmp_path: Path) -> None:
    lines = run(EXAMPLES / "accelerate_training.py", folder=tmp_path).splitlines()

    # 29 batches by twos, of which the last is alone.
    updates = [int(line.split(":")[0].split()[1]) for line in lines]
    rates = [float(line.rpartition(" ")[2]) for line in lines]
    assert updates == [15, 30, 45, 60, 75, 90]
    plan = Linear(0.05, 0.5, over="1ep") >> Cosine(0.5, 0.0, over="5ep")
    assert rates == pytest.approx(plan.on(Horizon(15))([update - 1 for update in updates]), abs=1e-4)


def test_the_optimizer_that_accelerate_has_wrapped_is_taken_too(accelerator: Accelerator) -> None:
    optimizer = accelerator.prepare(SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0))
    scheduler = Scheduler(optimizer, Linear(over=4))
    used = []
    for _ in range(4):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert used == [1.0, 0.75, 0.5, 0.25]


def test_a_recorder_has_every_update_with_the_rate_that_it_used_and_its_loss(tmp_path: Path) -> None:
    AcceleratorState._reset_state(True)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = torch.nn.Linear(1, 1)
    optimizer = SGD(model.parameters(), lr=1.0)
    used: list[float] = []
    optimizer.register_step_pre_hook(lambda *_: used.append(optimizer.param_groups[0]["lr"]))
    scheduler = Scheduler(optimizer, Linear(BASE, 0, over=UPDATES), Horizon(total=UPDATES))
    model, wrapped = accelerator.prepare(model, optimizer)
    prepared = prepare(accelerator, scheduler)
    losses = []

    with Recorder(scheduler, to=tmp_path / "runs.sqlite") as recorder:
        for _ in range(2 * UPDATES):
            with accelerator.accumulate(model):
                loss = model(torch.ones(1, 1)).square().mean() * 1e-3
                accelerator.backward(loss)
                wrapped.step()
                prepared.step()
                wrapped.zero_grad()
                if accelerator.sync_gradients:
                    losses.append(loss.item())
                    recorder.log(loss=loss)

    with open_store(tmp_path / "runs.sqlite") as store:
        [run] = store.runs(status="finished")
        readings = store.readings(run.id)
    assert [reading.rates["0"] for reading in readings] == used == CURVE
    assert [reading.metrics["loss"] for reading in readings] == losses
