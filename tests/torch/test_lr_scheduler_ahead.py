"""Rates are worked out ahead: a step still gives what seeking the same step gives, whatever has changed."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim import SGD, Adam, Optimizer

from etude.torch import lr_scheduler as ours
from tests.torch.beside import rates, settings, step

# Runs longer than T_max are asked for here; that the climb is told has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")


def sgd(*bases: float, tensor: bool = False) -> Optimizer:
    groups = [
        {
            "params": [Parameter(torch.zeros(1))],
            "lr": torch.tensor(base, dtype=torch.float64) if tensor else base,
        }
        for base in bases or (1.0, 0.5, 0.25)
    ]
    return SGD(groups, momentum=0.9)


MAKE: dict[str, Callable[[Optimizer], Any]] = {
    "steps": lambda o: ours.StepLR(o, 2, 0.9),
    "milestones": lambda o: ours.MultiStepLR(o, [3, 17, 100, 1000], 0.5),
    "cosine": lambda o: ours.CosineAnnealingLR(o, 300, 0.01),
    "restarts": lambda o: ours.CosineAnnealingWarmRestarts(o, 9, 2),
    "lambda": lambda o: ours.LambdaLR(o, lambda k: 0.99**k),
    "multiplicative": lambda o: ours.MultiplicativeLR(o, lambda k: 1 - 1 / (k + 9)),
    "one-cycle": lambda o: ours.OneCycleLR(o, [1.0, 0.7, 0.3], 1500),
    "cyclic": lambda o: ours.CyclicLR(o, [0.1, 0.2, 0.3], 0.9, 10, mode="triangular2"),
    "cyclic, scaled": lambda o: ours.CyclicLR(o, 0.1, 0.9, 10, scale_fn=lambda n: 1 / n),
    "sequence": lambda o: ours.SequentialLR(
        o,
        [ours.LinearLR(o, 0.1, total_iters=20), ours.OneCycleLR(o, 0.4, 900), ours.ExponentialLR(o, 0.99)],
        [20, 80],
    ),
    "sequence in a sequence": lambda o: ours.SequentialLR(
        o,
        [ours.SequentialLR(o, [ours.ConstantLR(o), ours.StepLR(o, 3)], [4]), ours.CosineAnnealingLR(o, 90)],
        [30],
    ),
    "chain": lambda o: ours.ChainedScheduler(
        [ours.LinearLR(o, 0.1, total_iters=20), ours.StepLR(o, 30, 0.9)]
    ),
    "swa": lambda o: ours.SWALR(o, 0.05, 40),
}


@pytest.mark.parametrize("tensor", [False, True], ids=["floats", "tensors"])
@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())
def test_a_long_walk_gives_what_seeking_gives(make: Callable[[Optimizer], Any], tensor: bool) -> None:
    walked, sought = make(sgd(tensor=tensor)), make(sgd(tensor=tensor))
    for k in range(1, 1501):
        step([walked])
        if k % 97 == 0 or k < 100:
            sought.seek(k)
            assert settings(walked.optimizer) == settings(sought.optimizer)
            assert walked.get_last_lr() == sought.get_last_lr() == walked.get_lr()


Change = Callable[[Any], object]


def replace_a_group(scheduler: Any) -> None:
    groups = scheduler.optimizer.param_groups
    groups[1] = {**groups[1], "initial_lr": 7.0}


def load_the_groups(scheduler: Any) -> None:
    state = copy.deepcopy(scheduler.optimizer.state_dict())
    state["param_groups"][1]["initial_lr"] = 7.0
    scheduler.optimizer.load_state_dict(state)


CHANGES: dict[str, tuple[str, Change]] = {
    "a number": ("steps", lambda s: setattr(s, "gamma", 0.1)),
    "a base rate, in place": ("steps", lambda s: s.base_lrs.__setitem__(1, 7.0)),
    "a milestone, in place": ("milestones", lambda s: s.milestones.update([5, 5])),
    "the clock": ("cosine", lambda s: setattr(s, "last_epoch", 40)),
    "where a cycle stands": ("restarts", lambda s: setattr(s, "T_cur", 1)),
    "a function": ("lambda", lambda s: s.lr_lambdas.__setitem__(1, lambda k: 0.5)),
    "the highest rate of a group": ("one-cycle", lambda s: s.optimizer.param_groups[2].update(max_lr=3.0)),
    "a highest rate, in place": ("cyclic", lambda s: s.max_lrs.__setitem__(2, 3.0)),
    "a milestone of a sequence, in place": ("sequence", lambda s: s._milestones.__setitem__(0, 6)),
    "a number of a part": ("sequence", lambda s: setattr(s._schedulers[0], "start_factor", 0.7)),
    "a group in the middle": ("cosine", replace_a_group),
    "all groups": ("cosine", load_the_groups),
    "a rate for a tensor": ("cosine", lambda s: s.optimizer.param_groups[1].update(lr=torch.tensor(0.0))),
    "a rate by hand": ("cosine", lambda s: s.optimizer.param_groups[1].update(lr=9)),
    "nothing": ("cosine", lambda s: None),
}


# That some of these are told has tests of its own.
@pytest.mark.filterwarnings(r"ignore:.*\[(rate-changed|rate-jumps)\]")
@pytest.mark.parametrize(("name", "change"), CHANGES.values(), ids=CHANGES.keys())
def test_what_changes_between_two_steps_is_in_the_next(name: str, change: Change) -> None:
    stepped, sought = MAKE[name](sgd()), MAKE[name](sgd())
    for _ in range(5):
        step([stepped])
        step([sought])
    change(stepped)
    change(sought)
    target = 41 if stepped.last_epoch == 40 else 6
    if name == "restarts":  # which seeks from its own zero
        sought.T_cur += 1
        sought.last_epoch += 1
        sought.load_state_dict(sought.state_dict())
    else:
        sought.seek(target)
    step([stepped])
    assert stepped.last_epoch == sought.last_epoch == target
    assert settings(stepped.optimizer) == settings(sought.optimizer)
    assert stepped.get_last_lr() == sought.get_last_lr()


def test_a_group_that_is_added_or_removed() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        step([scheduler])
    optimizer.add_param_group({"params": [Parameter(torch.zeros(1))], "lr": 8.0})
    step([scheduler])
    assert rates(optimizer) == scheduler.get_last_lr() == [1 / 16, 1 / 2]
    del optimizer.param_groups[0]
    step([scheduler])
    assert rates(optimizer) == scheduler.get_last_lr() == [1 / 4]


def test_another_scheduler_that_comes_and_goes() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.5)
    for _ in range(4):
        step([scheduler])
    other = ours.ConstantLR(optimizer, 0.25, total_iters=99)
    assert rates(optimizer) == [1 / 64]
    step([scheduler, other])
    step([scheduler])
    assert rates(optimizer) == scheduler.get_last_lr() == [1 / 256]
    del other
    assert rates(optimizer) == [1 / 64]
    for _ in range(3):
        step([scheduler])
    assert rates(optimizer) == [1 / 512]


def test_a_part_that_is_stepped_or_loaded_by_itself() -> None:
    optimizer = sgd(1.0)
    part = ours.ExponentialLR(optimizer, 0.5)
    scheduler = ours.SequentialLR(optimizer, [part, ours.StepLR(optimizer, 1)], [50])
    for _ in range(3):
        step([scheduler])
    state = part.state_dict()
    step([part])
    assert rates(optimizer) == scheduler.get_last_lr() == [1 / 16]
    step([scheduler])
    assert rates(optimizer) == [1 / 32]
    part.load_state_dict(state)
    step([scheduler])
    assert rates(optimizer) == [1 / 16]


def test_what_was_read_can_be_changed() -> None:
    scheduler = ours.ExponentialLR(sgd(1.0), 0.5)
    for _ in range(3):
        step([scheduler])
    scheduler.get_last_lr()[0] = 7.0
    scheduler.seek(2)
    step([scheduler])
    assert rates(scheduler.optimizer) == [1 / 8]


def test_a_step_that_cannot_be_written_is_not_taken() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        step([scheduler])
    rate = optimizer.param_groups[0].pop("lr")
    with pytest.raises(KeyError, match="lr"):
        scheduler.step()
    assert scheduler.last_epoch == 3
    optimizer.param_groups[0]["lr"] = rate
    step([scheduler])
    assert (scheduler.last_epoch, rates(optimizer)) == (4, [1 / 16])


def test_one_that_sought_first_still_tells_of_a_step_before_the_optimizers() -> None:
    scheduler = ours.StepLR(sgd(1.0), 3)
    scheduler.seek(2)
    with pytest.warns(UserWarning, match="how-to-adjust-learning-rate"):
        scheduler.step()


def test_a_walk_past_the_end_of_one_cycle_is_told_once() -> None:
    optimizer = sgd(1.0)
    scheduler = ours.OneCycleLR(optimizer, 1.0, 30, cycle_momentum=False)
    for _ in range(30):
        step([scheduler])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(9):
            step([scheduler])
    assert ["asked for step 31" in str(warning.message) for warning in told] == [True]
    assert rates(optimizer) == [pytest.approx(4e-6)]


def test_betas_are_written_beside_the_rate() -> None:
    optimizer = Adam([Parameter(torch.zeros(1))], lr=0.1, betas=(0.5, 0.77))
    walked, sought = ours.OneCycleLR(optimizer, 1.0, 100), ours.OneCycleLR(sgd(1.0), 1.0, 100)
    for k in range(1, 40):
        step([walked])
        sought.seek(k)
        momentum = sought.optimizer.param_groups[0]["momentum"]
        assert optimizer.param_groups[0]["betas"] == (momentum, 0.77)


def test_a_copy_goes_its_own_way() -> None:
    scheduler = ours.CosineAnnealingLR(sgd(1.0), 10)
    for _ in range(4):
        step([scheduler])
    twin = copy.deepcopy(scheduler)
    step([twin])
    step([twin])
    assert rates(scheduler.optimizer) != rates(twin.optimizer)
    step([scheduler])
    step([scheduler])
    assert settings(scheduler.optimizer) == settings(twin.optimizer)
