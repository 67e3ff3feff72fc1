"""Ignite: one step for each update, whoever saves and logs beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events, create_supervised_trainer
from ignite.handlers import Checkpoint, DiskSaver, LRScheduler
from torch.nn import functional
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from etude import BASE, Cosine, Horizon, Linear, Plateau
from etude.record import Recorder, open_store
from etude.torch import Scheduler, lr_scheduler
from etude.trainers.ignite import attach
from tests.test_examples import EXAMPLES
from tests.test_examples import run as run_example

UPDATES = 8
CURVE = [1 - step / UPDATES for step in range(UPDATES)]
# All alike, since an engine that goes on in the middle of an epoch reads it from its beginning again.
BATCHES = [torch.tensor([[1.0], [2.0]])] * 4


class Run:
    """A model, its optimizer, and a trainer that makes one update of each batch."""

    def __init__(self, build: Callable[[SGD], Any], *, accumulate: int = 1) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = SGD(self.model.parameters(), lr=1.0, momentum=0.5)
        self.scheduler = build(self.optimizer)
        self.trainer = create_supervised_trainer(
            self.model, self.optimizer, functional.mse_loss, gradient_accumulation_steps=accumulate
        )
        self.used: list[float] = []
        # A hook of the optimizer's own sees what an update really uses.
        self.optimizer.register_step_pre_hook(
            lambda optimizer, _, __: self.used.append(float(optimizer.param_groups[0]["lr"]))
        )

    def go(self, epochs: int = 2) -> list[float]:
        self.trainer.run([(batch * 1e-3, batch * 1e-3) for batch in BATCHES], max_epochs=epochs)
        return self.used

    @property
    def weights(self) -> list[list[float]]:
        return [parameter.flatten().tolist() for parameter in self.model.parameters()]


def falling(optimizer: SGD) -> Scheduler:
    return Scheduler(optimizer, Linear(BASE, 0.0, over=UPDATES))


def test_a_step_is_an_update() -> None:
    run = Run(falling)
    attach(run.trainer, run.scheduler)

    assert run.go() == CURVE
    assert run.scheduler.last_epoch == UPDATES


def test_a_plain_handler_of_ones_own_does_the_same() -> None:
    run = Run(falling)
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: run.scheduler.step())

    assert run.go() == CURVE


def test_ignites_own_handler_reads_the_same_rates_of_ours() -> None:
    # It never calls step(): it asks for get_lr(), writes that itself and adds 1 to last_epoch.
    run = Run(falling)
    run.trainer.add_event_handler(Events.ITERATION_STARTED, LRScheduler(run.scheduler))

    assert run.go() == CURVE
    assert run.scheduler.last_epoch == UPDATES


def test_ignites_own_handler_leaves_every_other_number_as_it_is() -> None:
    def both(optimizer: SGD) -> Scheduler:
        return Scheduler(optimizer, {"lr": Linear(BASE, 0.0, over=8), "momentum": Linear(0.8, 0.0, over=8)})

    theirs, ours = Run(both), Run(both)
    theirs.trainer.add_event_handler(Events.ITERATION_STARTED, LRScheduler(theirs.scheduler))
    attach(ours.trainer, ours.scheduler)
    momenta: dict[str, list[float]] = {"theirs": [], "ours": []}
    for name, run in {"theirs": theirs, "ours": ours}.items():
        run.optimizer.register_step_pre_hook(
            lambda optimizer, _, __, seen=momenta[name]: seen.append(optimizer.param_groups[0]["momentum"])
        )

    assert theirs.go() == ours.go() == CURVE
    assert momenta["theirs"] == [0.8] * UPDATES
    assert momenta["ours"] == pytest.approx([0.8 * rate for rate in CURVE])


def test_on_the_completed_iteration_ignites_own_handler_lags_by_a_step() -> None:
    theirs = Run(lambda optimizer: LambdaLR(optimizer, lambda step: 1 - step / UPDATES))
    theirs.trainer.add_event_handler(Events.ITERATION_COMPLETED, LRScheduler(theirs.scheduler))

    assert theirs.go() == [1.0, *CURVE[:-1]]


@pytest.mark.parametrize(
    "build",
    [
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, UPDATES),
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES),
        lambda optimizer: Scheduler(optimizer, Cosine(over="2ep"), Horizon(steps_per_epoch=4, total="2ep")),
    ],
    ids=["drop-in", "torch's", "Scheduler"],
)
def test_drop_ins_and_torchs_schedulers_can_be_attached_too(build: Callable[[SGD], Any]) -> None:
    run = Run(build)
    attach(run.trainer, run.scheduler)

    cosine = Cosine(over=UPDATES).on(Horizon())
    assert run.go() == pytest.approx(cosine(range(UPDATES)).tolist())


# Accumulation.


def test_accumulated_batches_make_one_step() -> None:
    run = Run(falling, accumulate=2)
    attach(run.trainer, run.scheduler, accumulate=2)

    assert run.go(epochs=4) == CURVE
    assert run.scheduler.last_epoch == UPDATES


def test_a_window_of_ignites_goes_on_through_the_end_of_an_epoch() -> None:
    # Of 2 × 4 batches by threes two updates are made, where Accelerate and Lightning make two an epoch.
    run = Run(falling, accumulate=3)
    attach(run.trainer, run.scheduler, accumulate=3)

    assert run.go() == CURVE[:2]
    assert run.scheduler.last_epoch == 2


def test_stepping_for_each_batch_of_an_accumulated_gradient_is_told() -> None:
    run = Run(
        lambda optimizer: Scheduler(
            optimizer, Linear(BASE, 0.0, over="100%"), Horizon(steps_per_epoch=2, total="4ep")
        ),
        accumulate=2,
    )
    attach(run.trainer, run.scheduler)

    with pytest.warns(UserWarning, match=r"step\(\) was called \d times.*\[ticks-per-epoch\]"):
        run.go()


# Checkpoints and logs.


def checkpoint(run: Run, folder: Path) -> tuple[Checkpoint, dict[str, Any]]:
    to_save = {
        "model": run.model,
        "optimizer": run.optimizer,
        "scheduler": run.scheduler,
        "trainer": run.trainer,
    }
    return Checkpoint(to_save, DiskSaver(str(folder), require_empty=False), n_saved=None), to_save


@pytest.mark.parametrize("saved_at", [1, 3, 4, 7])
@pytest.mark.parametrize("first", ["scheduler", "checkpoint"])
def test_a_checkpoint_goes_on_exactly_whichever_was_attached_first(
    first: str, saved_at: int, tmp_path: Path
) -> None:
    def plateaued(optimizer: SGD) -> Scheduler:
        return Scheduler(optimizer, Linear(BASE, 0.0, over=UPDATES) * Plateau("loss", patience=100))

    whole = Run(plateaued)
    save, _ = checkpoint(whole, tmp_path)
    if first == "scheduler":
        attach(whole.trainer, whole.scheduler)
    whole.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=saved_at), save)
    if first == "checkpoint":
        attach(whole.trainer, whole.scheduler)
    assert whole.go() == CURVE

    rest = Run(plateaued)
    attach(rest.trainer, rest.scheduler)
    [path] = tmp_path.glob("*.pt")
    Checkpoint.load_objects(checkpoint(rest, tmp_path)[1], torch.load(path, weights_only=True))
    assert rest.scheduler.last_epoch == rest.trainer.state.iteration == saved_at
    assert rest.go() == CURVE[saved_at:]
    assert rest.weights == whole.weights


def test_behind_a_checkpoint_a_plain_handler_would_resume_a_step_behind(tmp_path: Path) -> None:
    run = Run(falling)
    save, _ = checkpoint(run, tmp_path)
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=4), save)
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: run.scheduler.step())
    run.go()

    [path] = tmp_path.glob("*.pt")
    again = falling(run.optimizer)
    again.load_state_dict(torch.load(path, weights_only=True)["scheduler"])
    assert again.last_epoch == 3


def test_a_rate_logged_as_an_iteration_starts_is_the_one_that_its_update_uses() -> None:
    run = Run(falling)
    logged: list[float] = []
    attach(run.trainer, run.scheduler)
    run.trainer.add_event_handler(
        Events.ITERATION_STARTED, lambda _: logged.append(run.optimizer.param_groups[0]["lr"])
    )

    assert run.go() == logged == CURVE


def test_the_reading_of_a_completed_iteration_is_of_the_rate_that_it_used() -> None:
    run = Run(falling)
    logged: list[float] = []
    attach(run.trainer, run.scheduler)

    @run.trainer.on(Events.ITERATION_COMPLETED)
    def log() -> None:
        logged.append(run.scheduler.reading(run.trainer.state.iteration - 1).rates["0"])

    assert run.go() == logged == CURVE


def test_a_removed_handle_detaches_the_scheduler() -> None:
    run = Run(falling)
    attach(run.trainer, run.scheduler).remove()

    assert run.go() == [1.0] * UPDATES


def test_two_schedulers_of_two_optimizers_each_follow_their_own() -> None:
    run, other = Run(falling), Run(lambda optimizer: Scheduler(optimizer, Cosine(over=UPDATES)))
    attach(run.trainer, run.scheduler)
    attach(run.trainer, other.scheduler)

    run.go()

    assert (run.scheduler.last_epoch, other.scheduler.last_epoch) == (UPDATES, UPDATES)


@pytest.mark.parametrize(
    ("engine", "scheduler", "accumulate", "error", "message"),
    [
        (None, "ours", 1, TypeError, "attach takes an Ignite Engine; got NoneType"),
        ("trainer", "ignite's", 1, TypeError, "and not Ignite's handler of one; got LRScheduler"),
        ("trainer", "ours", 0, ValueError, "accumulate must be a whole number ≥ 1; got 0"),
        ("trainer", "ours", True, ValueError, "accumulate must be a whole number ≥ 1; got True"),
    ],
)
def test_what_does_not_fit_is_refused(
    engine: str | None, scheduler: str, accumulate: int, error: type[Exception], message: str
) -> None:
    run = Run(falling)
    given = run.scheduler if scheduler == "ours" else LRScheduler(run.scheduler)

    with pytest.raises(error, match=message):
        attach(run.trainer if engine else None, given, accumulate=accumulate)  # type: ignore[arg-type]


def test_the_example_trains_under_its_schedule(tmp_path: Path) -> None:
    lines = run_example(EXAMPLES / "ignite_training.py", folder=tmp_path).splitlines()

    updates = [int(line.split(":")[0].split()[1]) for line in lines]
    rates = [float(line.rpartition(" ")[2]) for line in lines]
    assert updates == [29, 58, 87, 116, 145, 174]
    plan = Linear(0.02, 0.2, over="1ep") >> Cosine(0.2, 0.0, over="5ep")
    assert rates == pytest.approx(plan.on(Horizon(29))([update - 1 for update in updates]), abs=1e-4)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_recorder_has_every_update_with_the_rate_that_it_used_and_its_loss(
    tmp_path: Path, accumulate: int
) -> None:
    def build(optimizer: SGD) -> Scheduler:
        return Scheduler(optimizer, Linear(BASE, 0.0, over="100%"), Horizon(total=UPDATES))

    run = Run(build, accumulate=accumulate)
    losses: list[float] = []
    with Recorder(run.scheduler, to=tmp_path / "runs.sqlite") as recorder:
        attach(run.trainer, run.scheduler, accumulate=accumulate, recorder=recorder)
        run.trainer.add_event_handler(
            Events.ITERATION_COMPLETED(every=accumulate), lambda engine: losses.append(engine.state.output)
        )
        used = run.go(epochs=2 * accumulate)

    with open_store(tmp_path / "runs.sqlite") as store:
        [record] = store.runs(status="finished")
        readings = store.readings(record.id)
    assert [reading.step for reading in readings] == list(range(UPDATES))
    assert [reading.rates["0"] for reading in readings] == used == CURVE
    assert [reading.metrics for reading in readings] == [{"loss": loss} for loss in losses]


@pytest.mark.parametrize(
    ("output", "metrics"),
    [
        (
            {"loss": torch.tensor(0.5), "accuracy": 1, "logits": torch.zeros(2), "name": "x"},
            {"loss": 0.5, "accuracy": 1.0},
        ),
        (torch.tensor([0.25]), {"loss": 0.25}),
        (None, {}),
        ((1.0, 2.0), {}),
    ],
    ids=["dict", "tensor", "nothing", "tuple"],
)
def test_what_is_a_number_in_the_output_is_a_metric(output: Any, metrics: dict[str, float]) -> None:
    class Kept:
        def observe(self, readings: Any) -> None:
            seen.extend(readings)

    seen: list[Any] = []
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = falling(optimizer)

    def update(*_: Any) -> Any:
        optimizer.step()
        return output

    engine = Engine(update)
    with Recorder(scheduler, Kept()) as recorder:
        attach(engine, scheduler, recorder=recorder)
        engine.run([0, 1])

    assert [reading.metrics for reading in seen] == [metrics, metrics]
