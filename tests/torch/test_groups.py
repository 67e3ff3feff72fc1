from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from etude.errors import ScheduleError
from etude.torch import groups
from etude.torch.groups import Group, Place


def weight() -> Parameter:
    return Parameter(torch.zeros(1))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([{}, {}], ["0", "1"]),
        ([{"name": "body"}, {}], ["body", "1"]),
        ([{"name": 7}], ["7"]),
        ([{"name": "head"}, {"name": "head"}, {"name": "neck"}], ["head[0]", "head[1]", "neck"]),
        ([{"name": "1"}, {}], ["1[0]", "1[1]"]),
    ],
    ids=["unnamed", "named", "a name that is no text", "one name for two", "a name like an index"],
)
def test_every_group_has_a_name_of_its_own(given: list[Group], names: list[str]) -> None:
    assert groups.group_names(given) == names


@pytest.mark.parametrize(
    ("choices", "chosen"),
    [
        ({"head": "by name", 1: "by index", "*": "other"}, "by name"),
        ({1: "by index", "*": "other"}, "by index"),
        ({"1": "by the index as text", "*": "other"}, "by the index as text"),
        ({0: "another group's", "*": "other"}, "other"),
    ],
)
def test_pick_takes_the_most_particular_choice(choices: dict[str | int, str], chosen: str) -> None:
    assert groups.pick(choices, {"name": "head"}, 1) == chosen


def test_pick_says_how_to_give_the_missing_choice() -> None:
    with pytest.raises(ScheduleError, match=r"'head' has no schedule; add groups=\{\.\.\., 'head': plan\}"):
        groups.pick({"body": 1}, {"name": "head"}, 1)


@pytest.mark.parametrize("known", ["head", 0, 1, "0", "1", "*"])
def test_names_and_indices_of_groups_are_known(known: str | int) -> None:
    groups.check_names({known: 1}, [{}, {"name": "head"}])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("haed", "no parameter group is called 'haed'; there are '0', 'head'; did you mean 'head'"),
        ("stem", "no parameter group is called 'stem'; there are '0', 'head'$"),
        (2, "no parameter group is called 2; there are '0', 'head'$"),
        (-1, "no parameter group is called -1"),
    ],
)
def test_names_of_no_group_are_refused(wrong: str | int, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        groups.check_names({wrong: 1}, [{}, {"name": "head"}])


@pytest.mark.parametrize(
    ("optimizer", "name", "place"),
    [
        (SGD([weight()], lr=0.1), "lr", ("lr", None)),
        (SGD([weight()], lr=1), "lr", ("lr", None)),
        (SGD([weight()], lr=np.float32(0.1)), "lr", ("lr", None)),
        (SGD([weight()], lr=torch.tensor(0.1)), "lr", ("lr", None)),
        (SGD([weight()], lr=torch.tensor([0.1], dtype=torch.float64)), "lr", ("lr", None)),
        (SGD([weight()], momentum=0.9), "momentum", ("momentum", None)),
        (RMSprop([weight()]), "momentum", ("momentum", None)),
        (Adam([weight()]), "momentum", ("betas", 0)),
        (AdamW([weight()]), "betas[0]", ("betas", 0)),
        (AdamW([weight()]), "betas[1]", ("betas", 1)),
        (AdamW([weight()]), "weight_decay", ("weight_decay", None)),
        (AdamW([weight()]), "eps", ("eps", None)),
        (Adagrad([weight()]), "lr_decay", ("lr_decay", None)),
    ],
)
def test_a_hyperparameter_has_a_place(optimizer: Optimizer, name: str, place: Place) -> None:
    assert groups.place_of(optimizer.param_groups[0], name) == place


@pytest.mark.parametrize(
    ("optimizer", "name", "message"),
    [
        (SGD([weight()]), "learning_rate", "no number called 'learning_rate'; they have dampening, lr, mom"),
        (AdamW([weight()]), "betas", r"no number called 'betas'; they have betas\[0\], betas\[1\], eps, lr"),
        (AdamW([weight()]), "betas[2]", r"no number called 'betas\[2\]'"),
        (AdamW([weight()]), "betas[-1]", r"no number called 'betas\[-1\]'"),
        (AdamW([weight()]), "lr[0]", r"no number called 'lr\[0\]'"),
        (SGD([weight()]), "nesterov", "no number called 'nesterov'"),
        (SGD([weight()]), "foreach", "no number called 'foreach'"),
        (SGD([weight()]), "params", "no number called 'params'"),
        (
            Adagrad([weight()]),
            "momentum",
            "has neither momentum nor betas: leave the momentum's schedule out",
        ),
        (SGD([weight()], lr=torch.tensor(1)), "lr", "a floating tensor of one element; got tensor"),
    ],
)
def test_what_is_no_number_is_refused(optimizer: Optimizer, name: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        groups.place_of(optimizer.param_groups[0], name)


def test_a_tensor_of_several_rates_is_refused() -> None:
    with pytest.raises(ScheduleError, match="of one element"):
        groups.place_of({"lr": torch.tensor([0.1, 0.2])}, "lr")


def test_the_kept_bases_are_not_offered_as_hyperparameters() -> None:
    with pytest.raises(
        ScheduleError, match=r"they have lr; where it is a group, write groups=.*rate.*: plan"
    ):
        groups.place_of({"lr": 0.1, "initial_lr": 0.1}, "rate")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_is_filled_in_place(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    rate = torch.full(shape, 0.5, dtype=dtype)
    group: Group = {"lr": rate}
    groups.write(group, ("lr", None), 0.25)
    assert group["lr"] is rate
    assert (rate.dtype, rate.shape, groups.read(group, ("lr", None))) == (dtype, shape, 0.25)


def test_one_of_two_betas_is_set() -> None:
    group: Group = {"betas": (0.9, 0.999)}
    groups.write(group, ("betas", 1), 0.99)
    assert group == {"betas": (0.9, 0.99)}


def test_one_of_two_tensor_betas_is_filled_in_place() -> None:
    betas = (torch.tensor(0.9), torch.tensor(0.999))
    group: Group = {"betas": betas}
    groups.write(group, ("betas", 0), 0.5)
    assert group["betas"] is betas
    assert betas[0].item() == 0.5


@pytest.mark.parametrize(
    ("group", "base"),
    [
        ({"lr": 0.1}, 0.1),
        ({"lr": 0.01, "initial_lr": 0.1}, 0.1),
        ({"lr": 0.01, "initial_lr": 0.0}, 0.0),
        ({"lr": torch.tensor(0.5)}, 0.5),
        ({"lr": 0.01, "initial_lr": torch.tensor(0.5)}, 0.5),
    ],
    ids=["not kept", "kept", "kept zero", "a tensor", "a tensor that torch kept"],
)
def test_the_base_is_what_was_kept_or_else_what_is_there(group: Group, base: float) -> None:
    before = dict(group)
    found = groups.base_of(group, "lr")
    assert (found, type(found)) == (base, float)
    assert group == before


def test_a_kept_base_is_never_replaced() -> None:
    group: Group = {"lr": 0.1}
    groups.keep_base(group, "lr", 0.1)
    groups.keep_base(group, "lr", 0.05)
    assert group["initial_lr"] == 0.1


def rates(optimizer: Optimizer) -> list[Any]:
    return [group["lr"] for group in optimizer.param_groups]


def test_groups_that_share_a_tensor_get_one_each() -> None:
    """torch gives the tensor it was built with to every group that names none of its own."""
    shared = torch.tensor(0.5)
    optimizer = SGD([{"params": [weight()]}, {"params": [weight()]}], lr=shared)
    assert rates(optimizer)[0] is rates(optimizer)[1]
    groups.own_tensors(optimizer.param_groups, "lr")
    first, second = rates(optimizer)
    assert first is shared
    assert second is not shared
    assert isinstance(second, Tensor)
    assert (second.item(), second.dtype) == (0.5, shared.dtype)


def test_the_base_of_a_shared_tensor_goes_along() -> None:
    optimizer = SGD([weight()], lr=torch.tensor(0.5))
    groups.keep_base(optimizer.param_groups[0], "lr", 0.5)
    groups.write(optimizer.param_groups[0], ("lr", None), 0.125)
    optimizer.add_param_group({"params": [weight()]})
    groups.own_tensors(optimizer.param_groups, "lr")
    assert groups.base_of(optimizer.param_groups[1], "lr") == 0.5


def test_groups_without_the_hyperparameter_are_left_alone() -> None:
    given: list[Group] = [{"momentum": torch.tensor(0.5)}, {}]
    groups.own_tensors(given, "momentum")
    assert list(given[1]) == []
