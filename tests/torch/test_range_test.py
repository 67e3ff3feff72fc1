"""The range test beside training without it: every number that follows is the same bit for bit."""

from __future__ import annotations

import copy
import gc
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

from etude import Horizon, Linear, Plateau
from etude.errors import ScheduleError
from etude.finder import Curve, NoAnswer, RangeTest, suggest
from etude.torch import Scheduler, range_test, tensorize
from tests.trainers.processes import together

FOLLOWING = 50
OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "SGD, momentum": lambda weights: SGD(weights, lr=0.05, momentum=0.9),
    "AdamW": lambda weights: AdamW(weights, lr=1e-3),
    "AdamW, amsgrad, foreach": lambda weights: AdamW(weights, lr=1e-3, amsgrad=True, foreach=True),
    "AdamW, fused": lambda weights: AdamW(weights, lr=1e-3, fused=True),
    "RMSprop, centred": lambda weights: torch.optim.RMSprop(weights, lr=1e-3, centered=True, momentum=0.5),
}

every_optimizer = pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)


class StepError(Exception):
    """What a step of the tests raises."""


class Loop:
    """A net with BatchNorm and dropout, an optimizer, a real scaler, a scheduler and shuffled data; and noise
    from each generator in every step.
    """

    def __init__(
        self, build: Callable[[Any], Optimizer] = OPTIMIZERS["AdamW"], *, scaled: bool = False
    ) -> None:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        self.model = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
        )
        self.optimizer = build(self.model.parameters())
        self.scaler = GradScaler("cpu", init_scale=64.0, growth_interval=7, enabled=scaled)
        self.scheduler = Scheduler(
            self.optimizer, Linear(over=1000), Horizon(steps_per_epoch=12), scaler=None
        )
        inputs = torch.randn(96, 6)
        labels = (inputs @ torch.randn(6, 3)).argmax(dim=1)
        self.generator = torch.Generator().manual_seed(1)
        self.loader = DataLoader(
            TensorDataset(inputs, labels), batch_size=8, shuffle=True, generator=self.generator
        )
        self.calls = 0
        self.rates: list[float] = []

    def batches(self) -> Iterator[list[Tensor]]:
        while True:
            yield from self.loader

    def step(self, batch: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """One update; its batch is disturbed by numbers of Python and NumPy."""
        self.calls += 1
        self.rates.append(float(self.optimizer.param_groups[0]["lr"]))
        inputs, labels = batch
        outputs = self.model(inputs * (1 + 0.01 * random.random()) + 0.01 * float(np.random.normal()))
        loss = functional.cross_entropy(outputs, labels)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss, {"accuracy": (outputs.argmax(dim=1) == labels).float().mean()}

    def train(self, updates: int = FOLLOWING) -> None:
        self.model.train()
        for _, batch in zip(range(updates), self.batches(), strict=False):
            self.step(batch)
            self.scheduler.step()

    def test(self, **options: Any) -> RangeTest:
        batches = self.batches()

        def train_step() -> tuple[Tensor, dict[str, Tensor]]:
            self.model.train()
            return self.step(next(batches))

        given: dict[str, Any] = {
            "steps": 60,
            "scaler": self.scaler,
            "scheduler": self.scheduler,
            "loader": self.loader,
        }
        return range_test(train_step, self.optimizer, **{"model": self.model, **given, **options})

    def everything(self) -> dict[str, Any]:
        """All that a difference could be seen in, as it is now."""
        state = {
            "model": self.model.state_dict(),
            "flags": [module.training for module in self.model.modules()],
            "gradients": [weight.grad for weight in self.model.parameters()],
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "clock": self.scheduler.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state()[1:],
            "python": random.getstate(),
            "data": self.generator.get_state(),
        }
        return copy.deepcopy(state)


def assert_same(left: Any, right: Any, path: str = "") -> None:
    """Equal bit for bit, whatever is in them."""
    assert type(left) is type(right), path
    if isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for key in left:
            assert_same(left[key], right[key], f"{path}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), path
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            assert_same(one, other, f"{path}/{index}")
    elif isinstance(left, Tensor):
        assert torch.equal(left, right), path
    elif isinstance(left, np.ndarray):
        assert np.array_equal(left, right), path
    else:
        assert left == right, path


def assert_no_trace(
    build: Callable[[Any], Optimizer], test: Callable[[Loop], Any], *, warm: int = 0, scaled: bool = False
) -> None:
    """A loop is the same after a test as before it, and 50 updates later as one that was never tested."""
    plain = Loop(build, scaled=scaled)
    plain.train(warm)
    plain.model.eval()
    before = plain.everything()
    plain.train(FOLLOWING)
    after = plain.everything()

    tested = Loop(build, scaled=scaled)
    tested.train(warm)
    tested.model.eval()
    assert_same(tested.everything(), before)
    test(tested)
    assert_same(tested.everything(), before)
    tested.train(FOLLOWING)
    assert_same(tested.everything(), after)
    assert_same(plain.rates, tested.rates[:warm] + tested.rates[-FOLLOWING:])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only slow such small nets down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# It leaves no trace.


@every_optimizer
@pytest.mark.parametrize("warm", [0, 20], ids=["never stepped", "warm"])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_training_goes_on_as_if_there_had_been_no_test(
    build: Callable[[Any], Optimizer], warm: int, scaled: bool
) -> None:
    """T59."""

    def to_divergence(loop: Loop) -> None:
        found = loop.test(repeats=2, stop=1e4)
        assert found.curve.ended[0]

    assert_no_trace(build, to_divergence, warm=warm, scaled=scaled)


@every_optimizer
def test_training_goes_on_after_a_step_that_raised(build: Callable[[Any], Optimizer]) -> None:
    """T59."""

    def raising(loop: Loop) -> None:
        step = loop.step

        def failing(batch: list[Tensor]) -> Any:
            if loop.calls == 40:
                # Between scaling and updating, where a scaler remembers the most.
                loop.scaler.scale(loop.model(batch[0]).sum()).backward()
                loop.scaler.unscale_(loop.optimizer)
                raise StepError
            return step(batch)

        loop.step = failing  # type: ignore[method-assign]
        with pytest.raises(StepError):
            loop.test()
        loop.step = step  # type: ignore[method-assign]

    assert_no_trace(build, raising, warm=20, scaled=True)


class Awkward:
    """A state that is put back by more than one instruction, with Ctrl-C in between."""

    def __init__(self, *, presses: bool) -> None:
        self.number = 0
        self.presses = presses

    def state_dict(self) -> dict[str, int]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        if self.presses:
            os.kill(os.getpid(), signal.SIGINT)
        self.number = state["number"]


@pytest.mark.parametrize("when", ["in a step", "while everything is put back"])
def test_training_goes_on_after_ctrl_c(when: str) -> None:
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(loop: Loop) -> None:
        awkward, step = Awkward(presses=when != "in a step"), loop.step

        def press(batch: list[Tensor]) -> Any:
            awkward.number += 1
            if when == "in a step" and awkward.number == 30:
                os.kill(os.getpid(), signal.SIGINT)
            return step(batch)

        loop.step = press  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            loop.test(keep=[awkward])
        loop.step = step  # type: ignore[method-assign]
        assert awkward.number == 0
        assert signal.getsignal(signal.SIGINT) is handler

    assert_no_trace(OPTIMIZERS["AdamW"], interrupted, warm=20)


def test_what_holds_a_tensor_holds_it_still() -> None:
    loop = Loop(lambda weights: AdamW(weights, lr=1e-3, capturable=False))
    tensorize(loop.optimizer)
    loop.train(5)
    rate = loop.optimizer.param_groups[0]["lr"]
    moments = [id(moment) for state in loop.optimizer.state.values() for moment in state.values()]
    weights, buffers = [[id(one) for one in ones] for ones in (loop.model.parameters(), loop.model.buffers())]
    states = [id(state) for state in loop.optimizer.state.values()]
    value = float(rate)

    loop.test()

    assert loop.optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == value
    assert [id(moment) for state in loop.optimizer.state.values() for moment in state.values()] == moments
    assert [id(state) for state in loop.optimizer.state.values()] == states
    assert [id(weight) for weight in loop.model.parameters()] == weights
    assert [id(buffer) for buffer in loop.model.buffers()] == buffers
    loop.train(20)  # nor does the scheduler complain of somebody else who has written there


def test_the_rate_of_a_float32_tensor_is_logged_as_it_was_used() -> None:
    loop = Loop(lambda weights: SGD(weights, lr=0.1))
    tensorize(loop.optimizer)
    assert loop.optimizer.param_groups[0]["lr"].dtype == torch.float32
    found = loop.test(stop=1.0)
    assert found.curve.rates.tolist() == loop.rates


def test_the_rate_of_a_float_is_logged_as_it_was_used() -> None:
    loop = Loop()
    found = loop.test(start=1e-6, stop=1.0)
    assert found.curve.rates.tolist() == loop.rates
    assert loop.rates[0] == 1e-6
    assert loop.rates[-1] == 1.0
    assert (found.curve.multiplier * 1e-3).tolist() == pytest.approx(loop.rates)


def test_memory_is_one_more_copy_at_most() -> None:
    model = nn.Sequential(nn.Linear(300, 300), nn.Linear(300, 300))
    optimizer = AdamW(model.parameters(), lr=1e-3)
    batch = torch.randn(4, 300)

    def update() -> Tensor:
        loss = model(batch).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    def held() -> int:
        optimizer.zero_grad()
        gc.collect()
        # Not those that torch.compile has made up in other tests, which hold nothing.
        tensors = [one for one in gc.get_objects() if type(one) in (Tensor, nn.Parameter)]
        storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
        return sum(storages.values())

    update()
    before, during = held(), []

    def train_step() -> Tensor:
        if len(during) < 3:
            during.append(held())
        return update()

    range_test(train_step, optimizer, model=model, steps=20, repeats=2, stop=1e-3)

    own = 3 * sum(weight.nbytes for weight in model.parameters())
    assert own <= max(during) - before <= 1.05 * own


def test_a_buffer_that_was_replaced_is_the_old_one_again() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self.register_buffer("seen", torch.zeros(1), persistent=False)

        def forward(self) -> Tensor:
            self.seen = self.seen + 1
            self.register_buffer("new", torch.ones(1))
            return (self.weight - 3).square().sum()

    model = Mean()
    seen, optimizer = model.seen, SGD(model.parameters(), lr=0.1)

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = model()
        loss.backward()
        optimizer.step()
        return loss

    range_test(train_step, optimizer, model=model, stop=0.1)
    assert model.seen is seen
    assert float(seen) == 0
    assert "new" not in dict(model.named_buffers())


def test_a_tensor_that_is_no_buffer_is_the_old_one_again() -> None:
    """As the hidden state of a net that goes on from batch to batch, or the sums of a metric."""

    class Hidden(nn.Linear):
        hidden: Tensor
        sums: Tensor

        def forward(self, inputs: Tensor) -> Tensor:
            self.hidden += 1
            self.sums = self.sums + 1
            return super().forward(inputs) + 0 * self.hidden

    model = Hidden(1, 1)
    model.hidden, model.sums = torch.zeros(1), torch.zeros(1)
    hidden, sums, optimizer = model.hidden, model.sums, SGD(model.parameters(), lr=0.1)

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = model(torch.ones(1, 1)).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    range_test(train_step, optimizer, model=model, stop=0.1)
    assert model.hidden is hidden
    assert model.sums is sums
    assert float(hidden) == float(sums) == 0


def test_generators_and_other_optimizers_are_kept_too() -> None:
    """Two optimizers, as a GAN has: one is swept, the other goes on beside it."""
    torch.manual_seed(0)
    one, two = nn.Linear(3, 1), nn.Linear(3, 1)
    swept, beside = SGD(one.parameters(), lr=0.1), AdamW(two.parameters(), lr=0.1)
    numbers, bits, own = torch.Generator().manual_seed(3), np.random.default_rng(4), random.Random(5)
    before = [weight.clone() for weight in [*one.parameters(), *two.parameters()]]
    states = numbers.get_state(), bits.bit_generator.state, own.getstate()

    def train_step() -> Tensor:
        noise = torch.rand(4, 3, generator=numbers) + bits.random() + own.random()
        for optimizer in (swept, beside):
            optimizer.zero_grad()
        loss = (one(noise) - two(noise.flip(0))).square().mean()
        loss.backward()
        for optimizer in (swept, beside):
            optimizer.step()
        return loss

    range_test(train_step, swept, model=[one, two], keep=[beside, numbers, bits, own])
    assert_same([weight.detach() for weight in [*one.parameters(), *two.parameters()]], before)
    assert beside.state_dict()["state"] == {}
    assert_same((numbers.get_state(), bits.bit_generator.state, own.getstate()), states)

    both_swept = range_test(train_step, [swept, beside], model=[one, two], steps=20, stop=1e-3)
    assert len(both_swept.curve.rates) == 20


# Schedulers.


def test_a_scheduled_optimizer_keeps_its_ratios_and_its_clock() -> None:
    """T60."""
    body, head = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer = SGD(
        [{"params": body.parameters(), "lr": 0.01}, {"params": head.parameters(), "lr": 0.1}], lr=0.1
    )
    scheduler = Scheduler(optimizer, Linear(over=100), Horizon(total=100))
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    rates, used = scheduler.get_last_lr(), []

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = head(body(torch.ones(1, 2))).square().sum()
        loss.backward()
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
        return loss

    found = range_test(
        train_step, optimizer, model=[body, head], start=1e-4, stop=0.1, steps=40, scheduler=scheduler
    )

    assert np.allclose([head / body for body, head in used], 10, rtol=1e-12)
    assert found.curve.rates.tolist() == [body for body, _ in used]
    # The group's own rate is 0.01, whatever the schedule has made of it.
    assert found.curve.multiplier[[0, -1]] == pytest.approx([0.01, 10])
    assert not found.curve.alike
    assert [group["lr"] for group in optimizer.param_groups] == rates == scheduler.get_last_lr()
    assert scheduler.last_epoch == 3
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.01 * 0.96, 0.1 * 0.96]


def test_torchs_own_scheduler_is_not_disturbed() -> None:
    """T60."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.1)
    scheduler = CosineAnnealingLR(optimizer, T_max=10)
    state = scheduler.state_dict()

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    range_test(train_step, optimizer, scheduler=scheduler, stop=1.0)
    assert scheduler.state_dict() == state
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert scheduler.step.__func__ is CosineAnnealingLR.step  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="before `optimizer.step"):  # torch too has seen no step of it
        scheduler.step()


def test_a_scheduler_that_counts_skipped_updates_sees_none_of_the_tests() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer, scaler = SGD([weight], lr=0.1), GradScaler("cpu", init_scale=4.0)
    scheduler = Scheduler(optimizer, Linear(over=100), Horizon(steps_per_epoch=10), scaler=scaler)

    def attempt(gradient: float = 1.0) -> Tensor:
        optimizer.zero_grad()
        loss = (weight * gradient).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach() if gradient == 1.0 else torch.zeros(())

    range_test(attempt, optimizer, scaler=scaler, scheduler=scheduler, stop=1e-3)
    attempt(float("inf"))
    scheduler.step()
    assert (scheduler.last_epoch, scheduler.skipped) == (0, 1)


# What is swept.


@pytest.mark.parametrize(
    ("of", "own"),
    [("weight_decay", {"weight_decay": 0.01}), ("weight_decay", {}), ("momentum", {"momentum": 0.9})],
)
def test_other_numbers_are_swept_alike(of: str, own: dict[str, float]) -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.01, **own)  # type: ignore[arg-type]
    before, used = optimizer.param_groups[0][of], []

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        used.append(optimizer.param_groups[0][of])
        optimizer.step()
        return loss

    found = range_test(train_step, optimizer, of=of, start=0.1, stop=0.9, ease="linear", steps=21)
    assert used == pytest.approx(np.linspace(0.1, 0.9, 21))
    assert found.curve.of == of
    assert optimizer.param_groups[0][of] == before
    with pytest.raises(ScheduleError, match=f"this test was of '{of}'"):
        found.plans()


def test_the_momentum_of_adam_is_its_first_beta() -> None:
    loop, used = Loop(), []
    step = loop.step
    loop.step = lambda batch: (used.append(loop.optimizer.param_groups[0]["betas"]), step(batch))[1]  # type: ignore[method-assign,func-returns-value]
    loop.test(of="momentum", start=0.5, stop=0.95, ease="linear", steps=20)
    assert (used[0], used[-1]) == ((0.5, 0.999), (0.95, 0.999))
    assert loop.optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_frozen_groups_stay_at_0() -> None:
    frozen, free = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = SGD([{"params": [frozen], "lr": 0.0}, {"params": [free], "lr": 0.1}])
    used = []

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = (frozen * free).square().sum()
        loss.backward()
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        return loss

    range_test(train_step, optimizer, start=1e-3, stop=0.1, steps=20)
    assert {rates[0] for rates in used} == {0.0}
    assert [used[0][1], used[-1][1]] == [1e-3, 0.1]


def test_repeats_begin_with_the_same_weights_and_see_other_data() -> None:
    loop = Loop()
    found = loop.test(repeats=3, start=1e-9, stop=1e-2)
    assert found.curve.losses.shape == (3, 60)
    assert found.curve.metrics["accuracy"].shape == (3, 60)
    firsts = found.curve.losses[:, 0]
    assert len(set(firsts)) == 3
    # At rates that move nothing, all of them have the same loss but for the batch.
    early = found.curve.losses[:, :12].mean(axis=1)
    assert np.ptp(early) < 0.1


def test_the_plain_loop_is_that_of_a_train_step() -> None:
    def losses(looped: bool) -> list[float]:
        loop = Loop()
        loop.model = nn.Sequential(nn.Linear(6, 3))
        loop.optimizer = SGD(loop.model.parameters(), lr=0.1)
        batches = loop.batches()

        def train_step() -> Tensor:
            inputs, labels = next(batches)
            loss = functional.cross_entropy(loop.model(inputs), labels)
            loop.optimizer.zero_grad()
            loss.backward()
            loop.optimizer.step()
            return loss

        own = (loop.loader, loop.model, functional.cross_entropy)
        if looped:
            found = range_test(own, loop.optimizer, steps=30)
        else:
            found = range_test(train_step, loop.optimizer, model=loop.model, loader=loop.loader, steps=30)
        assert torch.equal(loop.generator.get_state(), torch.Generator().manual_seed(1).get_state())
        return found.curve.losses[0].tolist()

    assert losses(True) == losses(False)


def test_the_plain_loop_steps_through_a_scaler() -> None:
    def test(loop: Loop) -> None:
        own = (loop.loader, loop.model, functional.cross_entropy)
        range_test(own, loop.optimizer, scaler=loop.scaler, scheduler=loop.scheduler, stop=0.1)

    assert_no_trace(OPTIMIZERS["AdamW"], test, scaled=True)


def test_a_compiled_step_stays_compiled() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    tensorize(optimizer)
    batch = torch.randn(16, 4)

    def update() -> Tensor:
        loss = (model(batch) - batch.sum(dim=1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    compiled = torch.compile(model, backend="eager")
    found = range_test(update, optimizer, model=model, start=1e-4, stop=10.0)
    assert found.curve.ended[0]
    before = [weight.detach().clone() for weight in model.parameters()]
    range_test(update, optimizer, model=compiled, start=1e-4, stop=10.0)
    assert_same([weight.detach() for weight in model.parameters()], before)


# The end.


def test_it_ends_after_losses_that_are_no_numbers() -> None:
    """T62."""
    loop = Loop()
    step = loop.step
    loop.step = lambda batch: (step(batch)[0] * (1.0 if loop.calls < 165 else float("nan")), {})  # type: ignore[method-assign]
    found = loop.test(start=1e-5, stop=1.0, steps=200)
    assert found.curve.ended == ("3 losses in a row were not finite",)
    assert len(found.curve.rates) == 167
    assert np.isnan(found.curve.losses[0, 164:]).all()
    assert np.isfinite(found.curve.losses[0, :164]).all()
    without = Curve(found.curve.rates[:164], found.curve.losses[:, :164], ended=found.curve.ended)
    assert found.suggestions == suggest(without)


def test_a_negative_loss_is_no_divergence() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.1)

    def train_step() -> Tensor:
        optimizer.zero_grad()
        loss = weight.square().sum() - 5
        loss.backward()
        optimizer.step()
        return loss

    assert range_test(train_step, optimizer, start=1e-4, stop=0.5).curve.ended == (None,)
    assert range_test(train_step, optimizer, start=1e-2, stop=50.0).curve.ended[0]


def test_a_test_that_learns_nothing_has_no_answer() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.1)

    def train_step() -> float:
        optimizer.zero_grad()
        (0 * weight.sum()).backward()
        optimizer.step()
        return 2.3

    found = range_test(train_step, optimizer)
    assert all(isinstance(answer, NoAnswer) for answer in found.suggestions.values())
    assert set(found.chart().series[1].y.round(12)) == {2.3}
    with pytest.raises(ScheduleError, match="no schedule can be written from this test: peak: no answer"):
        found.plans()


# Processes.


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    return together("tests.torch.range_test_ranks", 2, folder)


def test_both_processes_end_where_the_first_diverges(ranks: list[Any]) -> None:
    """T59."""
    first, second = (rank["diverging"] for rank in ranks)
    assert first["steps"] == second["steps"] == 33
    assert first["losses"] == second["losses"]
    assert first["ended"] == ["3 losses in a row were not finite"]
    assert second["ended"] == ["it diverged in another process"]


def test_under_ddp_training_goes_on_as_if_there_had_been_no_test(ranks: list[Any]) -> None:
    """T59."""
    for rank in ranks:
        assert rank["tested"] == rank["plain"]
        assert rank["after"]["tested"] == rank["after"]["plain"]


def test_processes_that_differ_in_their_metrics_are_told(ranks: list[Any]) -> None:
    assert [rank["metrics"] for rank in ranks] == [
        "the processes have returned different numbers of metrics"
    ] * 2
    assert ranks[0]["no loss"] == (
        "train_step() must return its loss, one number, or (loss, metrics); got None"
    )
    assert ranks[1]["no loss"] == f"rank 0 has stopped the range test: ScheduleError: {ranks[0]['no loss']}"


@pytest.mark.parametrize(
    ("where", "updates"),
    [("alone", [25, 25]), ("after", [25, 25]), ("before", [24, 25])],
)
def test_all_processes_stop_and_put_back_when_one_fails(
    ranks: list[Any], where: str, updates: list[int]
) -> None:
    first, second = (rank[f"fails {where}"] for rank in ranks)
    assert first["said"] == "ArithmeticError: a batch of another world"
    assert first["notes"] == ["raised in rank 0 of 2 in a range test"]
    assert second["said"] == (
        "ScheduleError: rank 0 has stopped the range test: ArithmeticError: a batch of another world"
    )
    assert [first["updates"], second["updates"]] == updates
    assert first["restored"]
    assert second["restored"]


# Bad input.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": 1.0, "stop": 0.1}, "start must be less than stop; got start=1.0, stop=0.1"),
        ({"start": 0.0}, "start must be more than 0, for no factor leads up from it"),
        ({"start": -1.0}, "start must be a finite number, at least 0; got -1.0"),
        ({"stop": float("inf")}, "stop must be finite; got inf"),
        ({"steps": 5}, "steps must be a whole number, at least 20; got 5"),
        ({"ease": "cosine"}, "ease must be one of 'geometric', 'linear'; got 'cosine'"),
        ({"repeats": 0}, "repeats must be a whole number, at least 1; got 0"),
        ({"diverge": 1.0}, "diverge must be a finite number, more than 1; got 1.0"),
        ({"of": "nesterovity"}, "the optimizer's groups have no number called 'nesterovity'"),
        ({"of": "momentum", "stop": 1.0}, "stop must be less than 1 for momentum; got 1.0"),
        ({"keep": [3]}, "keep must hold modules, optimizers, random generators, objects with"),
        ({"model": nn.ReLU()}, "the model ReLU has no parameters"),
        ({"model": nn.Linear(1, 1)}, "the optimizer has none of the model's parameters"),
        ({"keep": 3}, "keep must hold modules, optimizers, random generators, objects with state_dict()"),
        ({"keep": "state"}, "keep must hold modules,"),
        ({"keep": [len]}, "keep must hold modules,"),
        ({"keep": [iter(())]}, "keep must hold modules,"),
        ({"model": 3}, "model must be one Module, or several; got 3"),
        ({"model": [nn.Linear]}, "model must be one Module, or several; got type"),
        ({"start": "1e-3"}, "start must be a finite number, at least 0; got '1e-3'"),
        ({"start": 10**400}, "start must be finite"),
        ({"stop": None}, "stop must be a finite number, more than 0; got None"),
        ({"stop": torch.ones(2)}, "stop must be a finite number, more than 0; got tensor"),
        ({"steps": 30.5}, "steps must be a whole number, at least 20; got 30.5"),
        ({"ease": None}, "ease must be one of 'geometric', 'linear'; got None"),
        ({"repeats": "3"}, "repeats must be a whole number, at least 1; got '3'"),
        ({"of": 3}, "of must be a name; got 3"),
        ({"diverge": "4"}, "diverge must be a finite number, more than 1; got '4'"),
        ({"diverge": np.ones(2)}, "diverge must be a finite number, more than 1; got array"),
        ({"metric": 3}, "metric must be a name; got 3"),
        ({"scaler": 3}, "scaler must be one GradScaler, or several; got 3"),
        ({"scheduler": 3}, "scheduler must be one with a step(), or several; got 3"),
        ({"scheduler": ["cosine"]}, "scheduler must be one with a step(), or several; got 'cosine'"),
        ({"loader": 3}, "loader must be what batches are drawn from, or several; got 3"),
    ],
)
def test_d7_bad_input_is_told_before_anything_has_run(options: dict[str, Any], words: str) -> None:
    loop = Loop()
    before = loop.everything()
    with pytest.raises(ScheduleError, match=f"^{re.escape(words)}"):
        loop.test(**options)
    assert loop.calls == 0
    assert_same(loop.everything(), before)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (3, "; got 3"),
        (None, "; got None"),
        ((), "; got a tuple of 0"),
        ([[], nn.Linear(1, 1), functional.mse_loss], "; got ["),
        ((3, nn.Linear(1, 1), functional.mse_loss), "; got 3 for the loader"),
        (([], "net", functional.mse_loss), "; got 'net' for the model"),
        (([], nn.Linear(1, 1), "mse"), "; got 'mse' for the loss"),
        (lambda batch: batch, "; <lambda> takes some"),
        (nn.Linear(1, 1), "; Linear takes some"),
    ],
)
def test_d7_a_step_that_is_none_is_told(step: Any, words: str) -> None:
    what = "train_step must be a function without arguments that does one update, or (loader, model, loss)"
    with pytest.raises(ScheduleError, match=f"^{re.escape(what + words)}"):
        range_test(step, SGD([nn.Parameter(torch.ones(1))], lr=0.1))


@pytest.mark.parametrize("metrics", [{}, {"f1": 1.0}])
def test_d7_a_metric_that_is_not_returned_is_told_in_the_first_step(metrics: dict[str, float]) -> None:
    loop = Loop()
    step = loop.step
    loop.step = lambda batch: (step(batch)[0], metrics) if metrics else step(batch)[0]  # type: ignore[method-assign]
    with pytest.raises(
        ScheduleError, match=r"metric must be one that train_step\(\) returns; got 'recall', th"
    ):
        loop.test(metric="recall")
    assert loop.calls == 1


def test_a_scheduler_that_observes_does_not_move() -> None:
    loop = Loop()
    plan = Linear(over=1000) * Plateau("loss", patience=0)
    loop.scheduler = Scheduler(loop.optimizer, plan, Horizon(total=1000), scaler=None)
    state, step = copy.deepcopy(loop.scheduler.state_dict()), loop.step
    loop.step = lambda batch: (loop.scheduler.observe(loss=1.0), step(batch))[1]  # type: ignore[method-assign,func-returns-value]
    loop.test(stop=1e-3)
    assert_same(loop.scheduler.state_dict(), state)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, r"train_step\(\) must return its loss, one number, or \(loss, metrics\); got None"),
        ("2.3", r"got a str"),
        (torch.ones(3), r"got a tensor of the shape \(3,\)"),
        ((1.0, 2.0), "metrics must be a dict of numbers by name; got 2.0"),
        ((1.0, {"accuracy": None}), "the metric 'accuracy' must be one number; got None"),
    ],
)
def test_a_step_that_returns_no_loss_is_told(returned: Any, words: str) -> None:
    loop = Loop()
    before = loop.everything()
    step = loop.step
    loop.step = lambda batch: (step(batch), returned)[1]  # type: ignore[method-assign]
    with pytest.raises(ScheduleError, match=words):
        loop.test()
    assert loop.calls == 1
    assert_same(loop.everything(), before)


@pytest.mark.parametrize(
    ("later", "words"),
    [
        ({}, r"the metric 'accuracy' has vanished; return it from every train_step\(\)"),
        ({"accuracy": 1.0, "f1": 1.0}, "the metric 'f1' is new; return it from every"),
    ],
)
def test_a_metric_that_vanishes_is_told(later: dict[str, float], words: str) -> None:
    loop = Loop()
    step = loop.step
    loop.step = lambda batch: step(batch) if loop.calls < 9 else (step(batch)[0], later)  # type: ignore[method-assign]
    with pytest.raises(ScheduleError, match=words):
        loop.test()


def test_a_step_that_sets_the_rate_itself_is_told() -> None:
    loop = Loop()
    with pytest.raises(
        ScheduleError, match=r"train_step\(\) has set lr to .*pass the scheduler that it steps"
    ):
        range_test(
            lambda: (loop.step(next(loop.batches())), loop.scheduler.seek(7))[0],  # type: ignore[func-returns-value]
            loop.optimizer,
            model=loop.model,
        )


def test_a_step_that_never_steps_the_optimizer_is_told() -> None:
    weight = nn.Parameter(torch.ones(1))
    other = SGD([weight], lr=0.1)
    with pytest.raises(ScheduleError, match=r"train_step\(\) has not stepped the optimizer once in 20 calls"):
        range_test(lambda: (other.step(), 1.0)[1], SGD([weight], lr=0.1))


def test_a_module_with_buffers_that_was_not_given_is_told_before_it_runs() -> None:
    loop = Loop()
    before = loop.everything()
    with pytest.raises(ScheduleError, match=r"trains a module with buffers, BatchNorm1d, .*; pass model="):
        loop.test(model=None)
    assert_same(loop.everything(), before)


def test_wrappers_and_strangers_are_no_optimizers() -> None:
    loop = Loop()

    class Wrapper(Optimizer):
        def __init__(self, optimizer: Optimizer) -> None:
            self.optimizer = optimizer

    with pytest.raises(
        ScheduleError, match="optimizer must be the torch optimizer itself; got Wrapper, a wrapper; pass its"
    ):
        range_test(lambda: 1.0, Wrapper(loop.optimizer))
    with pytest.raises(ScheduleError, match="optimizer must be one Optimizer, or several; got Sequential"):
        range_test(lambda: 1.0, loop.model)  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match="needs an optimizer whose rates it can raise; got none"):
        range_test(lambda: 1.0, [])


def test_loaders_that_give_no_pairs_are_told() -> None:
    model = nn.Linear(1, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    for batches, words in [
        ([{"x": torch.ones(1)}], "must give pairs of inputs and targets; got dict"),
        ([], "the loader has no batches"),
    ]:
        with pytest.raises(ScheduleError, match=words):
            range_test((batches, model, functional.mse_loss), optimizer)
