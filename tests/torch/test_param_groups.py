"""Parameter groups by layer and rule: their rates, names and members, and timm's beside them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import SGD, AdamW

from etude import BASE, Constant, Cosine, Horizon, linear
from etude.errors import ScheduleError
from etude.torch import Scheduler
from etude.torch.param_groups import param_groups


class Classifier(nn.Module):
    """Names as in a transformer: an embedding, numbered blocks, a norm, a head."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 1, 4))
        self.embed = nn.Linear(2, 4)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4)) for _ in range(depth))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x) + self.token[0]
        for block in self.blocks:
            x = x + block(x)
        result: torch.Tensor = self.head(self.norm(x))
        return result


def rates(groups: list[dict[str, Any]]) -> dict[str, float]:
    return {group["name"]: group["lr"] for group in groups}


def members(model: nn.Module, groups: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Group name → its parameters' names."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {group["name"]: [names[id(one)] for one in group["params"]] for group in groups}


def rate_by_name(model: nn.Module, groups: list[dict[str, Any]]) -> dict[str, float]:
    """Parameter name → its rate."""
    found = members(model, groups)
    return {name: group["lr"] for group in groups for name in found[group["name"]]}


# Layers.


def test_without_rules_there_is_one_group() -> None:
    model = Classifier()
    (group,) = param_groups(model, 0.1)
    assert {key: group[key] for key in group if key != "params"} == {"name": "rest", "lr": 0.1}
    assert [id(one) for one in group["params"]] == [id(one) for one in model.parameters()]


def test_each_layer_has_the_rate_of_the_next_times_the_decay() -> None:
    assert rates(param_groups(Classifier(), 0.8, layer_decay=0.5)) == {
        "token": 0.8 / 64,
        "embed": 0.8 / 32,
        "blocks.0": 0.8 / 16,
        "blocks.1": 0.8 / 8,
        "blocks.2": 0.8 / 4,
        "norm": 0.8 / 2,
        "head": 0.8,
    }


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        (["0.weight", "0.bias", "2.weight"], ["0", "0", "2"]),
        (["stem.conv.weight", "stages.0.1.weight", "stages.1.0.weight"], ["stem", "stages.0", "stages.1"]),
        (["scale", "fc.weight"], ["scale", "fc"]),
        (
            ["bert.embed.words.weight", "bert.encoder.layer.0.out.weight", "bert.pooler.weight", "head.bias"],
            ["bert.embed", "bert.encoder.layer.0", "bert.pooler", "head"],
        ),
        (["net.scale", "net.blocks.0.weight"], ["net.scale", "net.blocks.0"]),
        (["blocks.gate.weight", "blocks.0.weight"], ["blocks.gate", "blocks.0"]),
    ],
    ids=["Sequential", "stages", "no numbers", "wrapped", "beside the wrapped", "among the numbers"],
)
def test_a_layer_is_what_lies_under_a_number_or_beside_such(names: list[str], layers: list[str]) -> None:
    model = nn.Module()
    for name in names:
        *path, last = name.split(".")
        module = model
        for part in path:
            if part not in dict(module.named_children()):
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        module.register_parameter(last, nn.Parameter(torch.ones(2, 2)))
    found = members(model, param_groups(model, 1.0, layer_decay=0.5))
    assert {name: layer for layer, each in found.items() for name in each} == dict(
        zip(names, layers, strict=True)
    )


def test_layers_of_ones_own_are_counted_as_they_appear() -> None:
    def half(name: str) -> int:
        return 1 if name.startswith(("norm", "head")) else 0

    assert rates(param_groups(Classifier(), 1.0, layer_decay=0.1, layer_of=half)) == {"0": 0.1, "1": 1.0}


def test_layers_that_are_not_trained_count_as_layers() -> None:
    model = Classifier(depth=1)
    model.norm.requires_grad_(False)
    assert rates(param_groups(model, 1.0, layer_decay=0.5)) == {
        "token": 1 / 16,
        "embed": 1 / 8,
        "blocks.0": 1 / 4,
        "head": 1.0,
    }


def test_a_decay_of_1_divides_by_layer_at_one_rate() -> None:
    groups = param_groups(Classifier(depth=1), 0.1, layer_decay=1)
    assert rates(groups) == dict.fromkeys(["token", "embed", "blocks.0", "norm", "head"], 0.1)


# Rules.


def test_the_first_rule_that_fits_counts() -> None:
    model = Classifier(depth=1)
    groups = param_groups(model, 0.1, multipliers={"head.bias": 20, "head.*": 10})
    assert rates(groups) == {"rest": 0.1, "head": 1.0, "head.bias": 2.0}
    assert members(model, groups)["head"] == ["head.weight"]


def test_a_rule_can_be_a_function_of_name_and_parameter() -> None:
    def wide(name: str, parameter: nn.Parameter) -> bool:
        return parameter.ndim == 2 and not name.startswith("head")

    rules: dict[Any, float] = {wide: 0.5, lambda name, _: name == "token": 0.0}
    groups = param_groups(Classifier(depth=1), 0.1, multipliers=rules)
    assert rates(groups) == {"rule 1": 0.0, "wide": 0.05, "rest": 0.1}


def test_multipliers_and_layers_multiply() -> None:
    groups = param_groups(Classifier(depth=1), 1.0, layer_decay=0.5, multipliers={"*.weight": 10})
    assert rates(groups) == {
        "token": 0.0625,
        "embed/*.weight": 1.25,
        "embed": 0.125,
        "blocks.0/*.weight": 2.5,
        "blocks.0": 0.25,
        "norm/*.weight": 5.0,
        "norm": 0.5,
        "head/*.weight": 10.0,
        "head": 1.0,
    }


def test_weight_decay_is_everywhere_but_where_it_is_not_wanted() -> None:
    model = Classifier(depth=1)
    groups = param_groups(model, 0.1, weight_decay=0.05, no_decay=["1d", "token"])
    assert {group["name"]: group["weight_decay"] for group in groups} == {"rest": 0.05, "no_decay": 0.0}
    assert members(model, groups)["rest"] == ["embed.weight", "blocks.0.1.weight", "head.weight"]


def test_all_parameters_decay_unless_it_is_said() -> None:
    assert [group["weight_decay"] for group in param_groups(Classifier(), 0.1, weight_decay=0.05)] == [0.05]


def test_without_a_weight_decay_the_optimizers_own_holds() -> None:
    optimizer = AdamW(param_groups(Classifier(), 0.1, no_decay="1d"), weight_decay=0.03)
    found = {group["name"]: group["weight_decay"] for group in optimizer.param_groups}
    assert found == {"rest": 0.03, "no_decay": 0.0}


def test_what_is_not_trained_is_left_out() -> None:
    model = Classifier()
    model.blocks.requires_grad_(False)
    groups = param_groups(model, 0.1, multipliers={"blocks.*": 0.5, "head.*": 2})
    assert members(model, groups)["head"] == ["head.weight", "head.bias"]
    assert not any(name.startswith("blocks") for names in members(model, groups).values() for name in names)


def test_shared_parameters_come_once_under_any_of_their_names() -> None:
    model = Classifier()
    model.tied = model.head
    groups = param_groups(model, 0.1, multipliers={"tied.*": 10})
    found = members(model, groups)
    assert found["tied"] == ["head.weight", "head.bias"]
    assert sum(map(len, found.values())) == len(list(model.parameters()))
    SGD(groups)  # which refuses a parameter in two groups


names = st.sampled_from([name for name, _ in Classifier().named_parameters()])


@given(
    layer_decay=st.none() | st.floats(0.1, 1),
    fixed=st.sets(names, max_size=4),
    multipliers=st.dictionaries(names, st.floats(0, 100), max_size=4),
    undecayed=st.sets(names, max_size=4),
    frozen=st.sets(names, max_size=4),
)
def test_every_trained_parameter_is_in_one_group_at_its_product(
    layer_decay: float | None,
    fixed: set[str],
    multipliers: dict[str, float],
    undecayed: set[str],
    frozen: set[str],
) -> None:
    model = Classifier()
    for name in fixed:
        model.get_parameter(name).requires_grad_(False)
    multipliers = {name: factor for name, factor in multipliers.items() if name not in frozen}
    groups = param_groups(
        model,
        0.1,
        weight_decay=0.01,
        layer_decay=layer_decay,
        multipliers=multipliers,
        no_decay=undecayed,
        frozen=frozen,
    )
    order = ["token", "embed", "blocks.0", "blocks.1", "blocks.2", "norm", "head"]
    expected = {}
    for name, parameter in model.named_parameters():
        layer = next(i for i, layer in enumerate(order) if name.startswith(layer))
        factor = 1.0 if layer_decay is None else layer_decay ** (len(order) - 1 - layer)
        rate = 0.0 if name in frozen else 0.1 * (factor * multipliers.get(name, 1.0))
        if parameter.requires_grad:
            expected[name] = (rate, 0.0 if name in undecayed else 0.01)
    found = members(model, groups)
    assert {
        name: (group["lr"], group["weight_decay"]) for group in groups for name in found[group["name"]]
    } == expected
    assert len({group["name"] for group in groups}) == len(groups)


# Under a schedule.


def train(model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Scheduler, steps: int) -> list[Any]:
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).square().mean().backward()
        optimizer.step()
        scheduler.step()
        seen.append(scheduler.get_last_lr())
    return seen


def test_a_relative_schedule_keeps_the_ratios() -> None:
    model = Classifier()
    groups = param_groups(model, 0.1, layer_decay=0.5, multipliers={"head.*": 10})
    bases = list(rates(groups).values())
    optimizer = SGD(groups)
    scheduler = Scheduler(optimizer, linear(), Horizon(total=20))
    for step, found in enumerate(train(model, optimizer, scheduler, 19), start=1):
        assert found == pytest.approx([base * (1 - step / 20) for base in bases])


@pytest.mark.parametrize("optimizer_class", [SGD, AdamW])
@pytest.mark.parametrize("say", ["frozen", "factor"])
def test_what_is_frozen_stays_at_exactly_0_and_does_not_move(
    optimizer_class: Callable[..., torch.optim.Optimizer], say: str
) -> None:
    model = Classifier()
    words: dict[str, Any] = {"frozen": "embed.*"} if say == "frozen" else {"multipliers": {"embed.*": 0}}
    optimizer = optimizer_class(param_groups(model, 0.1, weight_decay=0.1, **words))
    before = model.embed.weight.detach().clone()
    scheduler = Scheduler(optimizer, Cosine(BASE, 0.1 * BASE, over=10))
    name = "frozen" if say == "frozen" else "embed"
    index = [group["name"] for group in optimizer.param_groups].index(name)
    assert {found[index] for found in train(model, optimizer, scheduler, 12)} == {0.0}
    assert torch.equal(model.embed.weight, before)
    assert not torch.equal(model.head.weight, Classifier().head.weight)


def test_under_absolute_levels_a_constant_keeps_it_frozen() -> None:
    model = Classifier()
    optimizer = SGD(param_groups(model, 0.1, frozen="embed.*"))
    plans = {"frozen": Constant(0.0), "*": Cosine(BASE, 0.01, over=10)}
    scheduler = Scheduler(optimizer, groups=plans)
    last = train(model, optimizer, scheduler, 10)[-1]
    assert last == [0.01, 0.0]


def test_the_groups_names_are_those_that_a_scheduler_asks_for() -> None:
    optimizer = SGD(param_groups(Classifier(), 0.1, multipliers={"head.*": 1}))
    scheduler = Scheduler(optimizer, groups={"head": Constant(BASE), "*": Constant(0.5 * BASE)})
    assert scheduler.get_last_lr() == [0.05, 0.1]


# timm.


@pytest.fixture(scope="module")
def timm() -> types.SimpleNamespace:
    """timm's vision transformer and its groups, without its own starts, which need torchvision."""

    def bare(name: str) -> Any:
        if name not in sys.modules:
            found = importlib.util.find_spec(name)
            assert found is not None
            sys.modules[name] = importlib.util.module_from_spec(found)
        return sys.modules[name]

    bare("timm").__version__ = ""
    data, models = bare("timm.data"), bare("timm.models")
    vars(data).update(vars(importlib.import_module("timm.data.constants")))
    # What timm looks for in torchvision: a norm, which no vision transformer has.
    parts = {
        name: types.ModuleType(name) for name in ("torchvision", "torchvision.ops", "torchvision.ops.misc")
    }
    parts["torchvision.ops.misc"].FrozenBatchNorm2d = type("FrozenBatchNorm2d", (), {})  # type: ignore[attr-defined]
    missing = parts.keys() - sys.modules.keys()
    sys.modules.update({name: parts[name] for name in missing})
    try:
        models.group_parameters = importlib.import_module("timm.models._manipulate").group_parameters
        transformer = importlib.import_module("timm.models.vision_transformer").VisionTransformer
        groups = importlib.import_module("timm.optim._param_groups").param_groups_layer_decay
    finally:
        for name in missing:
            del sys.modules[name]
    return types.SimpleNamespace(
        model=transformer(img_size=16, patch_size=8, embed_dim=16, depth=5, num_heads=2, num_classes=3),
        groups=groups,
        layers=lambda model: models.group_parameters(model, model.group_matcher(coarse=False), reverse=True),
    )


def by_member(groups: list[dict[str, Any]], rate: str) -> dict[int, tuple[float, float]]:
    return {id(one): (group[rate], group["weight_decay"]) for group in groups for one in group["params"]}


@pytest.mark.parametrize("layer_decay", [0.5, 0.65, 0.75, 1.0])
@pytest.mark.parametrize("fixed", [False, True], ids=["all trained", "stem not trained"])
def test_the_rates_and_decays_are_timms(timm: Any, layer_decay: float, fixed: bool) -> None:
    model = timm.model
    model.patch_embed.requires_grad_(not fixed)
    apart = sorted(model.no_weight_decay() & {name for name, _ in model.named_parameters()})
    theirs = timm.groups(model, 0.05, layer_decay=layer_decay, no_weight_decay_list=apart)
    layer = timm.layers(model)

    def written(name: str) -> str:
        if name.startswith("blocks."):
            return name.split(".")[1]
        return {"head": "head", "norm": "4"}.get(name.split(".")[0], "stem")

    for layer_of in (layer.__getitem__, written):
        ours = param_groups(
            model,
            1.0,
            weight_decay=0.05,
            layer_decay=layer_decay,
            no_decay=["1d", *apart],
            layer_of=layer_of,
        )
        assert by_member(ours, "lr") == by_member(theirs, "lr_scale")
        assert len(ours) == len(theirs)


def test_by_default_the_stems_parts_and_the_last_norm_are_layers_too(timm: Any) -> None:
    timm.model.patch_embed.requires_grad_(True)
    assert list(rates(param_groups(timm.model, 1.0, layer_decay=0.75))) == [
        "cls_token",
        "pos_embed",
        "patch_embed",
        *(f"blocks.{i}" for i in range(5)),
        "norm",
        "head",
    ]


# What is refused.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"lr": 0}, r"param_groups\(lr=\) must be a finite number, more than 0; got 0"),
        ({"lr": "0.1"}, "must be a finite number, more than 0; got '0.1'"),
        (
            {"weight_decay": -0.1},
            r"param_groups\(weight_decay=\) must be a finite number, at least 0; got -0.1",
        ),
        ({"layer_decay": 0}, r"param_groups\(layer_decay=\) must be a finite number, more than 0; got 0"),
        (
            {"layer_decay": 1.1},
            r"must be at most 1, so that no layer learns faster than those after it; got 1.1",
        ),
        ({"layer_of": len}, "layer_of needs layer_decay; write layer_decay=1 for layers of the same rate"),
        ({"layer_decay": 1, "layer_of": lambda name: [name]}, r"something hashable, .* gave \['token'\] for"),
        ({"multipliers": {"head.*": -1}}, r"the multiplier of 'head\.\*' must be .*, at least 0; got -1"),
        ({"multipliers": {"head.*": float("nan")}}, r"the multiplier of 'head\.\*' must be finite; got nan"),
        ({"multipliers": ["head.*"]}, r"must be a dict of factors by rule, such as .*; got \['head\.\*'\]"),
        ({"multipliers": {3: 1}}, "multipliers takes rules: globs such as 'head.*', .*; got 3"),
        ({"no_decay": 3}, "no_decay takes rules: .*; got 3"),
        ({"frozen": [3]}, "frozen takes rules: .*; got 3"),
        (
            {"multipliers": {"heads.*": 1}},
            r"no parameter has a name that matches 'heads\.\*'; did you mean 'head\.\*'",
        ),
        ({"multipliers": {"head": 1}}, r"matches 'head'; did you mean 'head\.\*'\?"),
        ({"no_decay": "tokens"}, "matches 'tokens'; did you mean 'token'"),
        ({"frozen": "blocks.7.*"}, r"matches 'blocks\.7\.\*'; did you mean 'blocks\.\d\.\*'"),
        ({"frozen": "zzz"}, "matches 'zzz'$"),
        (
            {"multipliers": {"*": 0.1, "head.*": 1}},
            r"multiplier of 'head\.\*' is never used: .* narrower one first",
        ),
        (
            {"multipliers": {"head.*": 1}, "frozen": "head.*"},
            r"multiplier of 'head\.\*' is never used: .* frozen",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        param_groups(Classifier(), **{"lr": 0.1, **words})


def test_a_model_without_anything_to_train_is_refused() -> None:
    with pytest.raises(ScheduleError, match="Classifier has no parameter to train: none has requires_grad"):
        param_groups(Classifier().requires_grad_(False), 0.1)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match="param_groups takes a torch model; got list"):
        param_groups([], 0.1)  # type: ignore[arg-type]
