"""Rates made tensors: where torch takes them, what they are, and that training goes as with floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adam, AdamW, Optimizer
from torch.utils._python_dispatch import TorchDispatchMode

from etude import BASE, Constant, Cosine, Horizon, Linear
from etude.errors import ScheduleError
from etude.torch import Scheduler
from etude.torch.tensorize import tensorize

OPTIONS: list[dict[str, Any]] = [
    {},
    {"foreach": True},
    {"foreach": False},
    {"fused": True},
    {"momentum": 0.9},
    {"amsgrad": True},
    {"centered": True},
]


def optimizer_classes() -> Iterator[type[Optimizer]]:
    """Every optimizer that torch has."""
    for kind in vars(torch.optim).values():
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer:
            yield kind


def variants() -> Iterator[Any]:
    """Every optimizer of torch's with each of the options that it takes."""
    for kind in optimizer_classes():
        for options in OPTIONS:
            try:
                kind([nn.Parameter(torch.zeros(2, 2))], lr=0.01, **options)
            except (TypeError, RuntimeError):
                continue
            words = " ".join(f"{key}={value}" for key, value in options.items())
            yield pytest.param(kind, options, id=f"{kind.__name__} {words}".strip())


def weights(count: int = 2) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, 3, generator=generator)) for _ in range(count)]


def grouped(kind: Callable[..., Optimizer], own: list[nn.Parameter], **options: Any) -> Optimizer:
    """An optimizer with a group for each weight, at the rates 0.01, 0.02, ..."""
    groups: Any = [{"params": [weight], "lr": 0.01 * (i + 1)} for i, weight in enumerate(own)]
    return kind(groups, lr=0.01, **options)


def rates(optimizer: Optimizer) -> list[Any]:
    return [group["lr"] for group in optimizer.param_groups]


def weight() -> nn.Parameter:
    return nn.Parameter(torch.zeros(2))


# Training goes on the same.


def trained(kind: Callable[..., Optimizer], options: dict[str, Any], *, tensors: bool) -> Tensor:
    own = weights()
    optimizer = grouped(kind, own, **options)
    if tensors:
        tensorize(optimizer)
    scheduler = Scheduler(optimizer, Cosine(BASE, 0.1 * BASE, over=8))
    for _ in range(10):
        for one in own:
            one.grad = (
                (one.detach() ** 2).to_sparse() if kind is torch.optim.SparseAdam else one.detach() ** 2
            )
        optimizer.step()
        scheduler.step()
        scheduler.get_last_lr()
    assert all(isinstance(rate, Tensor) == tensors for rate in rates(optimizer))
    return torch.stack([one.detach() for one in own])


def refused(kind: Any, options: dict[str, Any]) -> bool:
    return kind is LBFGS or (issubclass(kind, Adam | AdamW) and options == {"foreach": True})


@pytest.mark.parametrize(("kind", "options"), [v for v in variants() if not refused(*v.values)])
def test_the_weights_are_those_of_float_rates_but_for_rounding(kind: Any, options: dict[str, Any]) -> None:
    found, expected = (trained(kind, options, tensors=tensors) for tensors in (True, False))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


# What the rates are.


def test_each_group_gets_a_tensor_of_its_own_that_keeps_the_value() -> None:
    optimizer = grouped(SGD, weights(3))
    before = rates(optimizer)
    assert tensorize(optimizer) is optimizer
    assert [rate.item() for rate in rates(optimizer)] == torch.tensor(before).tolist()
    assert {(rate.shape, rate.dtype, rate.device.type) for rate in rates(optimizer)} == {
        ((), torch.float32, "cpu")
    }
    assert len({rate.data_ptr() for rate in rates(optimizer)}) == 3


def test_a_whole_number_becomes_a_tensor_too() -> None:
    optimizer = SGD([weight()], lr=1)
    assert rates(tensorize(optimizer)) == [torch.tensor(1.0)]
    assert rates(optimizer)[0].is_floating_point()


def test_tensors_that_are_there_stay_as_they_are() -> None:
    mine = torch.tensor([0.25], dtype=torch.bfloat16)
    optimizer = SGD([{"params": [weight()], "lr": mine}, {"params": [weight()], "lr": 0.5}])
    tensorize(optimizer)
    first, second = rates(optimizer)
    tensorize(optimizer)
    assert first is mine
    assert rates(optimizer)[0] is mine
    assert rates(optimizer)[1] is second


def test_a_tensor_that_torch_gave_to_several_groups_is_given_to_one() -> None:
    shared = torch.tensor(0.5)
    optimizer = SGD([{"params": [weight()]}, {"params": [weight()]}], lr=shared)
    tensorize(optimizer)
    first, second = rates(optimizer)
    assert first is shared
    assert (second.item(), second.dtype) == (0.5, shared.dtype)
    assert second.data_ptr() != shared.data_ptr()


def test_a_group_that_is_added_gets_one_when_asked_again() -> None:
    optimizer = tensorize(SGD([weight()], lr=0.1))
    before = rates(optimizer)[0]
    optimizer.add_param_group({"params": [weight()], "lr": 0.2})
    tensorize(optimizer)
    assert rates(optimizer)[0] is before
    assert rates(optimizer)[1] == torch.tensor(0.2)


@pytest.mark.parametrize(
    ("kind", "option", "device"),
    [
        (AdamW, "capturable", "meta"),
        (torch.optim.RMSprop, "capturable", "meta"),
        (SGD, "fused", "meta"),
        (AdamW, "foreach", "cpu"),
        (SGD, None, "cpu"),
    ],
)
def test_the_rate_is_where_it_is_read(kind: Any, option: str | None, device: str) -> None:
    # A device that every machine has, though it computes nothing; fused constructors refuse it.
    optimizer = kind([nn.Parameter(torch.zeros(2, device="meta"))], lr=0.1)
    optimizer.param_groups[0] |= {option: option != "foreach"} if option else {}
    (rate,) = rates(tensorize(optimizer))
    assert (rate.device.type, rate.dtype) == (device, torch.float32)


def test_a_group_without_parameters_has_its_rate_on_the_cpu() -> None:
    optimizer = AdamW([{"params": []}], lr=0.1, capturable=True)
    assert rates(tensorize(optimizer))[0].device.type == "cpu"


# With a scheduler.


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("when", ["before", "after", "after some steps"])
def test_it_works_before_and_after_a_scheduler_is_built(when: str, count: int) -> None:
    optimizer = grouped(SGD, weights(count))
    if when == "before":
        tensorize(optimizer)
    scheduler = Scheduler(optimizer, Linear(BASE, 0.0, over=10), Horizon(total=10))
    steps = 3 if when == "after some steps" else 0
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
    tensorize(optimizer)
    kept = rates(optimizer)
    for step in range(steps + 1, 10):
        optimizer.step()
        scheduler.step()
        assert [rate.item() for rate in rates(optimizer)] == pytest.approx(scheduler.get_last_lr())
        assert scheduler.get_last_lr() == pytest.approx(
            [0.01 * (i + 1) * (1 - step / 10) for i in range(count)]
        )
    assert all(rate is before for rate, before in zip(rates(optimizer), kept, strict=True))


def test_the_base_stays_as_it_is() -> None:
    optimizer = SGD([weight()], lr=0.1)
    Scheduler(optimizer, Constant(0.5 * BASE))
    tensorize(optimizer)
    assert optimizer.param_groups[0]["initial_lr"] == 0.1
    assert isinstance(optimizer.param_groups[0]["initial_lr"], float)
    assert "initial_lr" not in tensorize(SGD([weight()], lr=0.1)).param_groups[0]


class Operations(TorchDispatchMode):
    """Notes every operation on tensors, and refuses what reads a tensor on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::")
        assert not name.startswith(("_local_scalar_dense", "item", "equal", "is_nonzero")), name
        self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_what_reads_a_tensor_on_the_host_would_be_noticed() -> None:
    for reads in (torch.Tensor.item, float, bool, lambda one: f"{one:.3f}"):
        with Operations(), pytest.raises(AssertionError, match="_local_scalar_dense"):
            reads(torch.tensor(0.5))


@pytest.mark.parametrize("count", [1, 100])
def test_a_step_reads_nothing_and_is_one_copy_for_any_number_of_groups(count: int) -> None:
    optimizer = tensorize(grouped(SGD, weights(count)))
    scheduler = Scheduler(optimizer, Cosine(BASE, 0.1 * BASE, over=1000), Horizon(total=1000))
    # Where they are once it is built, they stay: a captured CUDA graph goes on reading there.
    objects = rates(optimizer)
    addresses = [rate.data_ptr() for rate in objects]
    steps = []
    for _ in range(1000):
        with Operations() as operations:
            scheduler.step()
        steps.append(tuple(operations.seen))
    kinds = Counter(steps)
    assert kinds.most_common(1)[0] == (("copy_",), kinds["copy_",])
    # The others take up the values of the next steps.
    assert kinds["copy_",] >= 990
    assert all(rate is before for rate, before in zip(rates(optimizer), objects, strict=True))
    assert [rate.data_ptr() for rate in rates(optimizer)] == addresses
    assert [rate.item() for rate in rates(optimizer)] == pytest.approx(scheduler.get_last_lr())


# What is refused.


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_foreach_of_adam_is_refused_as_torch_refuses_it(kind: Any) -> None:
    optimizer = kind([{"params": [weight()], "name": "head"}], lr=0.1, foreach=True)
    with pytest.raises(
        ScheduleError, match=rf"{kind.__name__} takes no tensor .* 'head' .* leave foreach=True out"
    ):
        tensorize(optimizer)
    assert rates(optimizer) == [0.1]
    with pytest.raises(
        ValueError, match="lr as a Tensor is not supported for capturable=False and foreach=True"
    ):
        kind([weight()], lr=torch.tensor(0.1), foreach=True)


def test_if_one_group_is_refused_none_is_changed() -> None:
    optimizer = AdamW([{"params": [weight()]}, {"params": [weight()], "foreach": True}], lr=0.1)
    with pytest.raises(ScheduleError, match="the parameter group '1'"):
        tensorize(optimizer)
    assert rates(optimizer) == [0.1, 0.1]


def test_lbfgs_is_refused_since_a_tensor_would_change_its_last_step() -> None:
    with pytest.raises(ScheduleError, match="LBFGS keeps its rate as the length of its last step"):
        tensorize(LBFGS([weight()]))

    def length(rate: Any) -> float:
        """The length of the last step that was made at the rate of 0.5, after that was set to 0.25."""
        one = weights(1)[0]
        optimizer = LBFGS([one], lr=rate, max_iter=3)

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = (one**2).sum()
            value.backward()
            return value

        optimizer.step(loss)
        if isinstance(rate, Tensor):
            rate.fill_(0.25)
        else:
            optimizer.param_groups[0]["lr"] = 0.25
        return float(optimizer.state[one]["t"])

    assert length(0.5) == 0.5
    assert length(torch.tensor(0.5)) == 0.25


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (torch.tensor(1), "a floating tensor of one element; got tensor"),
        (torch.tensor([0.1, 0.2]), "a floating tensor of one element; got tensor"),
    ],
)
def test_what_is_no_rate_is_refused(rate: Tensor, message: str) -> None:
    optimizer = SGD([weight()], lr=0.1)
    optimizer.param_groups[0]["lr"] = rate
    with pytest.raises(ScheduleError, match=message):
        tensorize(optimizer)


def test_what_is_no_optimizer_is_refused() -> None:
    with pytest.raises(TypeError, match="tensorize takes a torch optimizer; got list"):
        tensorize([])  # type: ignore[type-var]
