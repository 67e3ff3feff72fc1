"""SequentialLR and ChainedScheduler: as torch's, also where they are nested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

from etude import Horizon
from etude.errors import ScheduleError
from etude.torch import formulas
from etude.torch import lr_scheduler as ours
from tests.torch.beside import (
    ARGUMENTS,
    COMPARED,
    Setup,
    assert_same,
    build,
    plain,
    quietly,
    rates,
    settings,
    setups,
    step,
    theirs,
    walk,
)

STEPPED = [
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "MultiplicativeLR",
    "LambdaLR",
    "PolynomialLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
]
# Those whose recursion in torch starts from the base rate, whatever the rate was before.
FRESH = [name for name in STEPPED if name not in ("MultiplicativeLR", "CyclicLR")]


def sgd(*bases: float) -> Optimizer:
    return SGD([{"params": [Parameter(torch.zeros(1))], "lr": base} for base in bases or (1.0,)])


@given(
    data=st.data(),
    setup=setups(),
    names=st.lists(st.sampled_from(FRESH), min_size=1, max_size=3),
    lengths=st.lists(st.integers(1, 9), min_size=2, max_size=2),
)
def test_a_sequence_gives_what_torch_gives(
    data: st.DataObject, setup: Setup, names: list[str], lengths: list[int]
) -> None:
    arguments = [data.draw(ARGUMENTS[name]) for name in names]
    milestones = [sum(lengths[: i + 1]) for i in range(len(names) - 1)]
    pair: list[Any] = []
    for module in (ours, theirs):
        optimizer = setup.optimizer()
        parts = [build(module, name, optimizer, each) for name, each in zip(names, arguments, strict=True)]
        pair.append(module.SequentialLR(optimizer, parts, milestones))
    mine, peer = pair
    for _ in range(30):
        assert_same(settings(mine.optimizer), settings(peer.optimizer), rel=1e-9, scale=max(setup.bases))
        assert_same(plain(mine.state_dict()), plain(peer.state_dict()), rel=1e-9, scale=max(setup.bases))
        step([mine])
        step([peer])
    COMPARED["SequentialLR"] += 1


@given(
    data=st.data(),
    setup=setups(),
    names=st.lists(
        st.sampled_from(["StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR"]),
        min_size=1,
        max_size=3,
    ),
)
def test_a_chain_gives_what_torch_gives(data: st.DataObject, setup: Setup, names: list[str]) -> None:
    arguments = [data.draw(ARGUMENTS[name]) for name in names]
    pair: list[Any] = []
    for module in (ours, theirs):
        optimizer = setup.optimizer()
        parts = [build(module, name, optimizer, each) for name, each in zip(names, arguments, strict=True)]
        pair.append(module.ChainedScheduler(parts))
    mine, peer = pair
    assert mine.state_dict().keys() == peer.state_dict().keys()
    for _ in range(30):
        assert_same(settings(mine.optimizer), settings(peer.optimizer), scale=max(setup.bases))
        assert_same(plain(mine.get_last_lr()), plain(peer.get_last_lr()), scale=max(setup.bases))
        step([mine])
        step([peer])
    COMPARED["ChainedScheduler"] += 1


NESTED: dict[str, tuple[Callable[[Any, Optimizer], Any], list[float]]] = {
    "a sequence first": (
        lambda m, o: m.SequentialLR(
            o,
            [
                m.SequentialLR(
                    o, [m.LinearLR(o, 0.5, total_iters=2), m.ConstantLR(o, 0.1, total_iters=99)], [2]
                ),
                m.StepLR(o, 1, 0.5),
            ],
            [4],
        ),
        [0.5, 0.75, 0.1, 0.1, 1.0, 0.5, 0.25],
    ),
    "a sequence later": (
        lambda m, o: m.SequentialLR(
            o,
            [
                m.StepLR(o, 1, 0.5),
                m.SequentialLR(
                    o, [m.LinearLR(o, 0.5, total_iters=2), m.ConstantLR(o, 0.1, total_iters=99)], [2]
                ),
            ],
            [3],
        ),
        [1.0, 0.5, 0.25, 0.5, 0.75, 0.1, 0.1],
    ),
    "a chain of sequences": (
        lambda m, o: m.ChainedScheduler(
            [
                m.SequentialLR(o, [m.ConstantLR(o, 0.5, total_iters=99), m.StepLR(o, 1, 0.1)], [2]),
                m.ExponentialLR(o, 0.5),
            ]
        ),
        [0.5, 0.25, 0.25, 0.0125],
    ),
}


@pytest.mark.parametrize(("make", "expected"), NESTED.values(), ids=NESTED.keys())
def test_nested_ones_start_from_their_own_zero(
    make: Callable[[Any, Optimizer], Any], expected: list[float]
) -> None:
    optimizer = sgd()
    scheduler = make(ours, optimizer)
    tables = [schedule.on(Horizon()) for schedule in formulas.of(scheduler, 0).values()]
    assert tables[0](range(len(expected)), base=1.0) == pytest.approx(expected, rel=1e-12)
    assert [used for (used,) in walk(scheduler, len(expected))] == pytest.approx(expected, rel=1e-12)
    state = scheduler.state_dict()
    again = make(ours, sgd())
    again.load_state_dict(state)
    step([scheduler])
    step([again])
    assert rates(again.optimizer) == rates(optimizer)


def test_torchs_own_sequence_of_sequences_is_read_as_it_was_meant() -> None:
    optimizer = sgd()
    make, expected = NESTED["a sequence first"]
    outer = quietly(make, theirs, optimizer)  # it steps a part of the inner one
    table = formulas.of(outer, 0)["lr"].on(Horizon())
    assert table(range(7), base=1.0) == pytest.approx(expected, rel=1e-12)


def test_the_parts_may_be_torchs_own() -> None:
    optimizer = sgd()
    warmup = theirs.LambdaLR(optimizer, lambda k: (k + 1) / 4)
    chain = theirs.ChainedScheduler([theirs.ExponentialLR(optimizer, 0.5)])
    scheduler = ours.SequentialLR(optimizer, [warmup, chain], [3])
    assert [used for (used,) in walk(scheduler, 6)] == pytest.approx([0.25, 0.5, 0.75, 1, 0.5, 0.25])


def test_ours_in_torchs_sequence_is_refused() -> None:
    optimizer = sgd()
    with pytest.raises(TypeError, match=r"take SequentialLR from etude.torch.lr_scheduler too"):
        theirs.SequentialLR(optimizer, [ours.StepLR(optimizer, 1), ours.StepLR(optimizer, 2)], [3])


def test_a_part_that_is_stepped_by_itself_counts_in_the_whole() -> None:
    optimizer = sgd()
    one, other = ours.ExponentialLR(optimizer, 0.5), ours.StepLR(optimizer, 99)
    chain = ours.ChainedScheduler([one, other])
    step([chain])
    step([one])
    assert rates(optimizer) == [0.25]
    assert chain.get_last_lr() == [0.25]


def test_the_parts_attributes_are_followed() -> None:
    optimizer = sgd()
    first, second = ours.ConstantLR(optimizer, 0.5, total_iters=9), ours.ExponentialLR(optimizer, 0.5)
    scheduler = ours.SequentialLR(optimizer, [first, second], [2])
    first.factor = 0.25
    step([scheduler])
    assert rates(optimizer) == [0.25]
    second.gamma = 0.1
    for _ in range(2):
        step([scheduler])
    assert rates(optimizer) == [pytest.approx(0.1)]
    assert (first.last_epoch, second.last_epoch, scheduler.last_epoch) == (1, 1, 3)


def test_a_sequence_ends_in_stochastic_weight_averaging() -> None:
    optimizer = sgd()
    parts = [ours.ExponentialLR(optimizer, 0.5), ours.SWALR(optimizer, 0.05, 2, "linear")]
    scheduler = ours.SequentialLR(optimizer, parts, [3])
    table = formulas.of(scheduler, 0)["lr"].on(Horizon())
    expected = [1.0, 0.5, 0.25, 0.25, 0.15, 0.05, 0.05]
    assert [used for (used,) in walk(scheduler, 7)] == pytest.approx(expected, rel=1e-12)
    assert table(range(7), base=1.0) == pytest.approx(expected, rel=1e-12)


def test_a_chain_with_a_floor_is_the_product_of_the_shares() -> None:
    optimizer = sgd(0.5)
    parts = [ours.CosineAnnealingLR(optimizer, 8, 0.1), ours.ExponentialLR(optimizer, 0.9)]
    chain = ours.ChainedScheduler(parts)
    table = formulas.of(chain, 0)["lr"].on(Horizon())
    assert [used for (used,) in walk(chain, 9)] == pytest.approx(table(range(9), base=0.5), rel=1e-12)


@pytest.mark.parametrize(("make", "expected"), NESTED.values(), ids=NESTED.keys())
def test_composites_are_sought_as_they_are_walked(
    make: Callable[[Any, Optimizer], Any], expected: list[float]
) -> None:
    sought = make(ours, sgd())
    for target in (5, 2, 0, 6, 3):
        walked = make(ours, sgd())
        for _ in range(target):
            step([walked])
        sought.seek(target)
        assert rates(sought.optimizer) == rates(walked.optimizer)
    step([sought])
    step([walked])
    assert rates(sought.optimizer) == rates(walked.optimizer)


def test_a_sequence_is_continued_by_last_epoch() -> None:
    def build(optimizer: Optimizer, last_epoch: int = -1) -> Any:
        parts = [ours.LinearLR(optimizer, 0.1, total_iters=3), ours.ExponentialLR(optimizer, 0.5)]
        return ours.SequentialLR(optimizer, parts, [3], last_epoch)

    first = build(sgd())
    for _ in range(5):
        step([first])
    optimizer = sgd()
    optimizer.load_state_dict(first.optimizer.state_dict())
    assert rates(build(optimizer, 4).optimizer) == rates(first.optimizer)


def test_an_error_in_a_part_leaves_the_whole_as_it_was() -> None:
    optimizer = sgd()
    parts = [ours.LambdaLR(optimizer, lambda k: 1.0 if k < 2 else 1 / 0), ours.StepLR(optimizer, 1)]
    scheduler = ours.SequentialLR(optimizer, parts, [9])
    step([scheduler])
    optimizer.step()
    before = plain(scheduler.state_dict())
    with pytest.raises(ScheduleError, match="failed at the step 2"):
        scheduler.step()
    assert plain(scheduler.state_dict()) == before


REFUSED: list[tuple[Callable[[Optimizer], Any], type[Exception], str]] = [
    (lambda o: ours.SequentialLR(o, [], []), ScheduleError, "SequentialLR expects at least one scheduler"),
    (lambda o: ours.ChainedScheduler([]), ScheduleError, "expects at least one scheduler to be chained"),
    (
        lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [3]),
        ScheduleError,
        r"number of schedulers provided to be one more than the number of milestone points",
    ),
    (
        lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)] * 3, [5, 3]),
        ScheduleError,
        r"SequentialLR\(milestones=\) must rise; got \[5, 3\]",
    ),
    (
        lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)] * 2, [2.5]),
        ScheduleError,
        r"SequentialLR\(milestones=\) must be a whole number, at least 0; got 2.5",
    ),
    (
        lambda o: ours.ChainedScheduler([ours.StepLR(o, 1), ours.ReduceLROnPlateau(o)]),
        ScheduleError,
        "does not support `ReduceLROnPlateau` .* Step it on its own: on one optimizer, the two multiply",
    ),
    (
        lambda o: ours.ChainedScheduler([ours.StepLR(o, 1), ours.StepLR(sgd(), 1)]),
        ScheduleError,
        "expects all schedulers to belong to the same optimizer",
    ),
    (lambda o: ours.SequentialLR(o, [3], []), TypeError, "should have `optimizer` as its attribute"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_what_cannot_be_put_together_is_refused(
    make: Callable[[Optimizer], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(sgd())


def test_a_scheduler_of_ones_own_cannot_be_a_part() -> None:
    class Mine(theirs.LRScheduler):
        def get_lr(self) -> list[Any]:
            return list(self.base_lrs)

    optimizer = sgd()
    mine = Mine(optimizer)
    with pytest.raises(
        TypeError, match="is a Mine, whose formula only its author knows: write it as LambdaLR"
    ):
        ours.SequentialLR(optimizer, [mine], [])
    with pytest.raises(ScheduleError, match="Mine is not one of torch's schedulers"):
        formulas.of(mine, 0)


def test_a_subclass_may_not_compute_behind_our_back() -> None:
    with pytest.raises(TypeError, match="Mine computes its own get_lr"):

        class Mine(ours.StepLR):
            def get_lr(self) -> list[Any]:
                return []
