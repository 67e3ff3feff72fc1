"""What training changes in a model and beside it, and that all of it is put back into the same objects."""

from __future__ import annotations

import random
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn import functional
from torch.optim import SGD, Adam, Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Sampler, TensorDataset

from etude.errors import ScheduleError
from etude.torch import range_test, range_test_grid

Pair = namedtuple("Pair", "left right")


@dataclass
class Counters:
    seen: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(2))


@dataclass(frozen=True)
class Fixed:
    sums: Tensor


class Slotted:
    __slots__ = ("number", "sums", "unset")

    def __init__(self) -> None:
        self.number, self.sums = 0, torch.zeros(2)


class Net(nn.Module):
    """Two weights, and whatever else a test hangs on it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0]))
        self.frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
        self.register_buffer("mean", torch.zeros(2))

    def forward(self) -> Tensor:
        return ((self.weight - 3).square() + 0 * self.frozen).sum()


def trained(
    net: Net, change: Callable[[Net], Any], test: Callable[..., Any] = range_test, *given: Any, **options: Any
) -> None:
    """A range test whose steps change the net also in another way."""
    optimizer = SGD([net.weight], lr=0.1)

    def train_step() -> Tensor:
        change(net)
        optimizer.zero_grad()
        loss: Tensor = net()
        loss.backward()
        optimizer.step()
        return loss

    test(train_step, optimizer, *given, **{"model": net, "steps": 20, "stop": 1e-3, "repeats": 2, **options})


def seen(value: Any, known: dict[int, Any] | None = None) -> Any:
    """All that can be told of a value, with the identity of each object in it."""
    known = {} if known is None else known
    if isinstance(value, bool | int | float | str | None):
        return value
    if id(value) in known:
        return id(value)
    known[id(value)] = value
    if isinstance(value, Tensor):
        place = (value.shape, value.dtype, value.data_ptr(), value.requires_grad, value.is_leaf)
        hooks = list((value._backward_hooks or {}).values())
        gradient = value.grad.tolist() if value.is_leaf and value.grad is not None else None
        return id(value), place, value.tolist(), gradient, hooks, seen(value.__dict__, known)
    if isinstance(value, np.ndarray):
        return id(value), value.tolist()
    if isinstance(value, bytearray):
        return id(value), list(value)
    if isinstance(value, np.random.Generator):
        return id(value), value.bit_generator.state
    inside: list[Any] = []
    if isinstance(value, dict):
        inside = [(seen(key, known), seen(item, known)) for key, item in value.items()]
    elif isinstance(value, list | tuple | deque | set):
        inside = [seen(part, known) for part in value]
    elif isinstance(value, Slotted):
        inside = [(name, seen(getattr(value, name, None), known)) for name in value.__slots__]
    elif isinstance(value, nn.Module | Optimizer) or not callable(value) or isinstance(value, Noisy):
        inside = [seen(getattr(value, "__dict__", None), known)]
    return id(value), type(value), inside


def hold(**attributes: Any) -> Callable[[Net], None]:
    def prepare(net: Net) -> None:
        for name, value in attributes.items():
            setattr(net, name, value)

    return prepare


def nothing(net: Net) -> None:
    pass


class Noisy:
    """A hook with a counter."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: Any) -> None:
        self.calls += 1


def reassign_data(net: Net) -> None:
    net.mean.data = net.mean.data + 1
    net.frozen.data = torch.ones(1, dtype=torch.float64)


def deeper(net: Any) -> None:
    net.deep["a"][0][1]["b"] += 1
    net.deep["a"][0][1]["b"] = torch.ones(3)
    net.deep["a"].append(net.deep)


CHANGES: dict[str, tuple[Callable[[Net], Any], Callable[[Any], Any]]] = {
    "a tensor in a list": (hold(all=[torch.zeros(2)]), lambda net: net.all[0].add_(1)),
    "a list that grows": (hold(all=[1]), lambda net: net.all.append(torch.ones(1))),
    "a list that is replaced": (
        hold(all=[torch.zeros(2)]),
        lambda net: setattr(net, "all", [net.all[0].add_(1)]),
    ),
    "a tensor in a dict": (hold(all={"sum": torch.zeros(2)}), lambda net: net.all["sum"].add_(1)),
    "a dict with a new key": (
        hold(all=OrderedDict(a=1)),
        lambda net: net.all.update(b=1, a=net.all["a"] + 1),
    ),
    "a dict that loses a key": (hold(all={"a": 1, "b": 2}), lambda net: net.all.pop("a", None)),
    "a tuple": (hold(all=(torch.zeros(2), [1])), lambda net: (net.all[0].add_(1), net.all[1].append(2))),
    "a named tuple": (
        hold(all=Pair(torch.zeros(2), {})),
        lambda net: (net.all.left.add_(1), net.all[1].update(a=1)),
    ),
    "a set": (hold(all={1}), lambda net: net.all.add(len(net.all) + 1)),
    "a deque": (
        hold(all=deque([torch.zeros(1)], maxlen=3)),
        lambda net: net.all.append(net.all[0].add_(1).clone()),
    ),
    "bytes": (hold(all=bytearray(b"ab")), lambda net: (net.all.append(1), net.all.__setitem__(0, 2))),
    "an array": (hold(all=np.zeros(3)), lambda net: net.all.__iadd__(1)),
    "deep in each other": (hold(deep={"a": [(0, {"b": torch.zeros(2)})]}), deeper),
    "a dataclass": (
        hold(all=Counters()),
        lambda net: (net.all.sums.add_(1), setattr(net.all, "seen", net.all.seen + 1)),
    ),
    "a frozen dataclass": (hold(all=Fixed(torch.zeros(2))), lambda net: net.all.sums.add_(1)),
    "slots": (
        hold(all=Slotted()),
        lambda net: (net.all.sums.add_(1), setattr(net.all, "unset", 1), setattr(net.all, "number", 1)),
    ),
    "a namespace": (hold(all=SimpleNamespace(a=1, b=[torch.zeros(1)])), lambda net: setattr(net.all, "b", 2)),
    "a mapping of its own": (hold(all=UserDict(a=1)), lambda net: net.all.update(b=2)),
    "an average beside it": (
        lambda net: net.__dict__.update(average=AveragedModel(nn.Linear(1, 1))),
        lambda net: net.average.update_parameters(nn.Linear(1, 1)),
    ),
    "modules in a list": (
        hold(all=[nn.BatchNorm1d(1)]),
        lambda net: net.all[0](torch.randn(4, 1)),
    ),
    "its own optimizer": (
        lambda net: setattr(net, "inner", Adam([net.frozen.requires_grad_()], lr=0.1)),
        lambda net: (setattr(net.frozen, "grad", torch.ones(2)), net.inner.step()),
    ),
    "a counter": (hold(calls=0), lambda net: setattr(net, "calls", net.calls + 1)),
    "a new attribute": (nothing, lambda net: setattr(net, "calls", 1)),
    "a deleted attribute": (hold(calls=0), lambda net: net.__dict__.pop("calls", None)),
    "a new buffer": (nothing, lambda net: net.register_buffer("new", torch.ones(1))),
    "a new parameter": (nothing, lambda net: setattr(net, "new", nn.Parameter(torch.ones(1)))),
    "a new module": (nothing, lambda net: net.add_module("new", nn.Linear(1, 1))),
    "a deleted buffer": (nothing, lambda net: net._buffers.pop("mean", None)),
    "a parameter that is replaced": (
        nothing,
        lambda net: setattr(net, "frozen", nn.Parameter(torch.ones(1))),
    ),
    "a buffer that is replaced": (nothing, lambda net: setattr(net, "mean", net.mean + 1)),
    "other data": (nothing, reassign_data),
    "another size": (nothing, lambda net: net.mean.resize_(1).fill_(1)),
    "an expanded buffer": (
        lambda net: net.register_buffer("wide", torch.zeros(2, 1).expand(2, 3)),
        lambda net: net.wide[:, :1].add_(1),
    ),
    "requires_grad": (nothing, lambda net: net.frozen.requires_grad_()),
    "a gradient": (
        lambda net: setattr(net.frozen.requires_grad_(), "grad", torch.ones(2)),
        lambda net: net.frozen.grad.add_(1) if net.frozen.grad is not None else None,
    ),
    "a gradient that is dropped": (
        lambda net: setattr(net.weight, "grad", torch.ones(2)),
        lambda net: net.zero_grad(set_to_none=True),
    ),
    "a buffer in a graph": (nothing, lambda net: net.mean.detach_().add_(net.weight)),
    "training": (nothing, lambda net: net.eval()),
    "a hook": (nothing, lambda net: net.register_forward_hook(lambda *_: None)),
    "what a hook counts": (lambda net: net.register_forward_hook(Noisy()), nothing),
    "a tensor's hook": (nothing, lambda net: net.weight.register_hook(lambda gradient: gradient)),
    "a tensor's attribute": (nothing, lambda net: setattr(net.weight, "seen", 1)),
    "a generator": (hold(random=np.random.default_rng(0)), lambda net: net.random.random()),
    "its class": (nothing, lambda net: setattr(net, "__class__", type("Other", (Net,), {}))),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("test", ["range test", "grid"])
def test_d9_what_a_step_changes_in_the_model_is_put_back(case: str, test: str) -> None:
    prepare, change = CHANGES[case]
    net = Net()
    prepare(net)
    before = seen(net)
    if test == "grid":
        trained(net, change, range_test_grid, "weight_decay", [0.0, 0.1], repeats=1)
    else:
        trained(net, change)
    assert seen(net) == before


def test_d9_a_gradient_that_somebody_has_stays_the_same_one() -> None:
    net = Net()
    net.weight.grad = known = torch.ones(2)
    trained(net, lambda net: net.zero_grad(set_to_none=True))
    assert net.weight.grad is known
    assert known.tolist() == [1.0, 1.0]


class Kept(Sampler[int]):
    """A sampler with a counter and a generator of its own."""

    def __init__(self) -> None:
        self.epoch, self.random = 0, random.Random(0)

    def __len__(self) -> int:
        return 8

    def __iter__(self) -> Any:
        self.epoch += 1
        return iter(self.random.sample(range(8), 8))


class Margin(nn.Module):
    """A loss with a weight and a mean, in a net whose step it is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 1)
        self.calls, self.seen = 0, [torch.zeros(1)]
        self.register_buffer("mean", torch.zeros(1))
        self.optimizer = SGD(self.net.parameters(), lr=0.1)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.calls += 1
        self.seen[0] += 1
        self.mean = self.mean + outputs.detach().mean()
        return functional.mse_loss(outputs, targets)

    def step(self) -> Tensor:
        self.optimizer.zero_grad()
        loss = self(self.net(torch.ones(4, 2)), torch.zeros(4, 1))
        loss.backward()
        self.optimizer.step()
        return loss


def pairs(sampler: Sampler[int] | None = None) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.ones(8, 2), torch.zeros(8, 1)), batch_size=4, sampler=sampler)


def test_d9_the_loss_and_the_samplers_of_a_plain_loop_are_put_back() -> None:
    torch.manual_seed(0)
    model, loss, loader = nn.Linear(2, 1), Margin(), pairs(Kept())
    before = seen([model, loss, vars(loader.sampler)])
    order = loader.sampler.random.getstate()
    range_test((loader, model, loss), SGD(model.parameters(), lr=0.1), steps=20, stop=1e-3)
    assert seen([model, loss, vars(loader.sampler)])[2] == before[2]
    assert loader.sampler.random.getstate() == order


def test_d9_the_module_that_the_step_is_a_method_of_is_put_back() -> None:
    own = Margin()
    before = seen(own)
    range_test(own.step, own.optimizer, steps=20, stop=1e-3)
    assert seen(own) == before


class Trainer:
    """What owns a step, and is no module."""

    def __init__(self, scaler: GradScaler) -> None:
        self.net = Net()
        self.optimizer = Adam(self.net.parameters(), lr=0.1)
        self.optimizer.averages = {"sums": [torch.zeros(2)]}  # type: ignore[attr-defined]
        self.average, self.scaler = AveragedModel(self.net), scaler
        self.updates, self.losses = 0, [torch.zeros(1)]

    def step(self) -> Tensor:
        self.optimizer.zero_grad()
        loss: Tensor = self.net()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.net)
        self.optimizer.averages["sums"][0] += 1  # type: ignore[attr-defined]
        self.optimizer.param_groups[0]["seen"] = self.updates
        self.updates += 1
        self.losses.append(loss.detach())
        return loss


@pytest.mark.parametrize("keep", ["the average", "the owner"])
@pytest.mark.parametrize("enabled", [False, True])
def test_d9_averages_and_what_owns_the_step_are_put_back_where_they_are_kept(
    keep: str, enabled: bool
) -> None:
    own = Trainer(GradScaler("cpu", init_scale=64.0, growth_interval=3, enabled=enabled))
    parts: list[Any] = [own.net, own.average, own.optimizer, own.scaler]
    before, whole = seen(parts), seen(own)
    range_test(
        own.step,
        own.optimizer,
        model=own.net,
        scaler=own.scaler,
        keep=[own.average] if keep == "the average" else own,
        steps=20,
        stop=1e-3,
    )
    assert seen(parts)[2] == before[2]
    assert (seen(own) == whole) == (keep == "the owner")


def test_d9_several_loaders_are_put_back() -> None:
    loaders = {"one": pairs(Kept()), "two": pairs(Kept())}
    weight = nn.Parameter(torch.ones(1))
    optimizer = SGD([weight], lr=0.1)

    def train_step() -> Tensor:
        batches = [next(iter(loader))[0].mean() for loader in loaders.values()]
        optimizer.zero_grad()
        loss = (weight * sum(batches)).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    range_test(train_step, optimizer, loader=loaders, steps=20, stop=1e-3)
    assert [loader.sampler.epoch for loader in loaders.values()] == [0, 0]
    states = [loader.sampler.random.getstate() for loader in loaders.values()]
    assert states == [random.Random(0).getstate()] * 2


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.known, self.layer = nn.Linear(2, 2), nn.LazyLinear(1)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(self.known(inputs))
        return outputs


@pytest.mark.parametrize("where", ["model", "keep", "loop"])
def test_d9_lazy_modules_that_have_seen_no_batch_are_refused(where: str) -> None:
    model = Lazy()
    optimizer = SGD(model.known.parameters(), lr=0.1)
    words = "the model has parameters that are not initialised yet, .*; pass one batch through it first"
    step: Any = (pairs(), model, functional.mse_loss) if where == "loop" else lambda: 1.0
    options: Any = {} if where == "loop" else {where: model}
    with pytest.raises(ScheduleError, match=words):
        range_test(step, optimizer, **options)
    assert not optimizer._optimizer_step_post_hooks

    model(torch.ones(1, 2))
    before = seen(model)
    range_test((pairs(), model, functional.mse_loss), SGD(model.parameters(), lr=0.1), steps=20, stop=1e-3)
    assert seen(model) == before


def test_d9_loaders_data_sets_and_what_they_hold_are_not_copied() -> None:
    net = Net()
    net.loader, net.data = pairs(Kept()), TensorDataset(torch.ones(3))
    net.lines = iter(range(100))
    trained(net, lambda net: (net.data.tensors[0].add_(1), next(net.lines), next(iter(net.loader))))
    assert float(net.data.tensors[0][0]) == 41
    assert net.loader.sampler.epoch == 40


def test_d9_what_cannot_be_put_back_keeps_nothing_else_from_it() -> None:
    class Stuck:
        def state_dict(self) -> dict[str, int]:
            return {}

        def load_state_dict(self, state: dict[str, int]) -> None:
            raise RuntimeError("stuck")

    net, numbers = Net(), np.random.default_rng(0)
    before = seen([net, numbers])
    with pytest.raises(RuntimeError, match="stuck"):
        trained(net, lambda _: numbers.random(), keep=[Stuck(), numbers])
    assert seen([net, numbers])[2] == before[2]
    assert torch.is_grad_enabled()


def test_d9_each_repeat_begins_with_the_same_state_of_what_is_kept() -> None:
    class Average:
        def __init__(self) -> None:
            self.updates = 0

        def state_dict(self) -> dict[str, int]:
            return {"updates": self.updates}

        def load_state_dict(self, state: dict[str, int]) -> None:
            self.updates = state["updates"]

    average, numbers = Average(), {"updates": 0}
    began: list[tuple[int, int]] = []

    def change(_: Net) -> None:
        began.append((average.updates, numbers["updates"]))
        average.updates += 1
        numbers["updates"] += 1

    trained(Net(), change, keep=[average, numbers])
    assert began == 2 * [(step, step) for step in range(20)]
    assert average.updates == numbers["updates"] == 0
