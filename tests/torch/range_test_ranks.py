"""What test_range_test.py runs in each of two processes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from etude.errors import ScheduleError
from etude.torch import range_test
from tests.trainers.processes import report


class Loop:
    """A net with BatchNorm and dropout under DDP; each process has its share of the data."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
        self.model = DistributedDataParallel(net)
        self.optimizer = AdamW(net.parameters(), lr=1e-3)
        inputs = torch.randn(64, 4)
        data = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True))
        self.sampler: DistributedSampler[Any] = DistributedSampler(data)
        self.loader = DataLoader(data, batch_size=4, sampler=self.sampler)
        torch.manual_seed(dist.get_rank())
        self.updates = 0

    def step(self, batch: list[Tensor]) -> Tensor:
        self.updates += 1
        self.optimizer.zero_grad()
        loss = (self.model(batch[0]) - batch[1]).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self, epochs: int) -> None:
        for epoch in range(epochs):
            self.sampler.set_epoch(epoch)
            for batch in self.loader:
                self.step(batch)

    def state(self) -> list[Any]:
        """The weights, the buffers, the moments and the random numbers, exactly."""
        moments = [moment for state in self.optimizer.state.values() for moment in state.values()]
        tensors = [*self.model.state_dict().values(), *moments]
        return [
            *(tensor.double().flatten().tolist() for tensor in tensors),
            torch.get_rng_state().sum().item(),
        ]


def diverging() -> dict[str, Any]:
    """Rank 0 gets losses that are no numbers from its update 30 on."""
    loop = Loop()

    def train_step() -> Tensor:
        loss = loop.step(next(batches))
        return loss * float("nan") if dist.get_rank() == 0 and loop.updates > 30 else loss

    batches = (batch for _ in range(1000) for batch in loop.loader)
    found = range_test(train_step, loop.optimizer, model=loop.model, loader=loop.loader, stop=1e-3, steps=100)
    losses = [str(loss) for loss in found.curve.losses[0].tolist()]
    return {"steps": loop.updates, "losses": losses, "ended": found.curve.ended}


def beside() -> dict[str, Any]:
    """Training with a test in its middle, and without."""
    plain, tested = Loop(), Loop()
    state = torch.get_rng_state()
    plain.train(2)
    after_plain = torch.get_rng_state()
    torch.set_rng_state(state)
    tested.train(2)
    batches = (batch for _ in range(1000) for batch in tested.loader)

    def train_step() -> Tensor:
        tested.sampler.set_epoch(7)
        return tested.step(next(batches))

    found = range_test(train_step, tested.optimizer, model=tested.model, loader=tested.loader, stop=1e3)
    assert found.curve.ended[0] is not None
    assert tested.sampler.epoch == 1
    told = {"tested": tested.state()}
    torch.set_rng_state(after_plain)
    told["plain"] = plain.state()
    plain.train(7)
    after = {"plain": plain.state()}
    torch.set_rng_state(after_plain)
    tested.train(7)
    return told | {"after": after | {"tested": tested.state()}}


def refused(returned: Any) -> str:
    """What is said of a step that returns this on rank 0, and a loss alone on rank 1."""
    loop = Loop()
    batches = (batch for _ in range(1000) for batch in loop.loader)

    def train_step() -> Any:
        loss = loop.step(next(batches))
        return returned if dist.get_rank() == 0 else loss

    try:
        range_test(train_step, loop.optimizer, model=loop.model, loader=loop.loader)
    except ScheduleError as error:
        return str(error)
    return "nothing"


def failing(where: str) -> dict[str, Any]:
    """Rank 0 raises in its update 25: before it communicates, after that, or without any communication."""
    loop = Loop()
    if where == "alone":
        loop.model = loop.model.module  # type: ignore[assignment]
    before = loop.state()

    def train_step() -> Tensor:
        batch = next(batches)
        fails = dist.get_rank() == 0 and loop.updates == 24
        if fails and where == "before":
            raise ArithmeticError("a batch of another world")
        loss = loop.step(batch)
        if fails:
            raise ArithmeticError("a batch of another world")
        return loss

    batches = (batch for _ in range(1000) for batch in loop.loader)
    told = {"said": "nothing", "notes": []}
    try:
        range_test(train_step, loop.optimizer, model=loop.model, loader=loop.loader, stop=1e-3)
    except (ArithmeticError, ScheduleError) as error:
        told = {"said": f"{type(error).__name__}: {error}", "notes": getattr(error, "__notes__", [])}
    return told | {
        "updates": loop.updates,
        "restored": loop.state() == before,
    }


def main(folder: str) -> None:
    """Tell all of it."""
    # As long as a process waits for one that has failed.
    dist.init_process_group("gloo", timeout=timedelta(seconds=5))
    report(
        {
            "diverging": diverging(),
            **beside(),
            "metrics": refused((1.0, {"accuracy": 0.5})),
            "no loss": refused(None),
            "fails alone": failing("alone"),
            "fails after": failing("after"),
            # The last one: what rank 1 waits for never comes, and gloo's connections end with that.
            "fails before": failing("before"),
        }
    )
    dist.destroy_process_group()
