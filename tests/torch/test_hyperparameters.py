"""Any hyperparameter on the same clock: momentum, betas, weight decay, and numbers outside the optimizer."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer

import etude as et
from etude import BASE, Horizon, Schedule
from etude.errors import EtudeError, ResumeError
from etude.torch import Scheduler
from tests.peers.timm_schedulers import timm as schedulers
from tests.torch.loops import save, sgd, weight
from tests.torch.test_param_groups import timm  # noqa: F401 - a fixture

Number: TypeAlias = float | Tensor

RUN = Horizon(total=40)


def anneal(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2


# Schedules of their own.


@pytest.mark.parametrize("optimizer_first", [True, False])
def test_t63_weight_decay_and_momentum_go_on_exactly_and_are_logged(optimizer_first: bool) -> None:
    plans = {
        "lr": et.cosine(),
        "weight_decay": et.Cosine(0.04, 0.4, over="100%"),
        "momentum": et.Linear(0.95, 0.85, over="100%"),
    }
    scheduler = Scheduler(sgd(0.1, 1.0, momentum=0.9, weight_decay=0.3), plans, RUN)
    for k in range(40):
        if k == 20:
            saved = save(scheduler)
            scheduler = Scheduler(sgd(0.1, 1.0, momentum=0.9, weight_decay=0.3), plans, RUN)
            if optimizer_first:
                scheduler.optimizer.load_state_dict(saved["optimizer"])
            scheduler.load_state_dict(saved["scheduler"])
            if not optimizer_first:
                scheduler.optimizer.load_state_dict(saved["optimizer"])
        decay, momentum = anneal(0.04, 0.4, k / 40), 0.95 - 0.1 * k / 40
        for group, base in zip(scheduler.optimizer.param_groups, (0.1, 1.0), strict=True):
            assert group["lr"] == pytest.approx(base * anneal(1, 0, k / 40), abs=1e-15)
            assert group["weight_decay"] == pytest.approx(decay)
            assert group["momentum"] == pytest.approx(momentum)
        others = scheduler.reading(k).others
        for name in ("weight_decay", "momentum"):
            assert others[name] == {
                str(index): group[name] for index, group in enumerate(scheduler.optimizer.param_groups)
            }
        scheduler.optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("kind", [float, torch.tensor], ids=["floats", "tensors"])
def test_both_betas_follow_schedules_of_their_own(kind: Any) -> None:
    betas = (kind(0.9), kind(0.999))
    capturable = {"capturable": False, "foreach": False} if kind is torch.tensor else {}
    optimizer = AdamW([weight()], betas=betas, **capturable)
    plans = {"betas[0]": et.Linear(0.5, BASE, over=10), "betas[1]": et.Linear(0.9, BASE, over=10)}
    scheduler = Scheduler(optimizer, plans)
    for k in range(15):
        share = min(k / 10, 1)
        found = [float(beta) for beta in optimizer.param_groups[0]["betas"]]
        assert found == pytest.approx([0.5 + 0.4 * share, 0.9 + 0.099 * share], rel=1e-6)
        others = scheduler.reading(k).others
        assert [others["betas[0]"]["0"], others["betas[1]"]["0"]] == pytest.approx(found, rel=1e-6)
        scheduler.step()
    if kind is torch.tensor:
        assert [id(beta) for beta in optimizer.param_groups[0]["betas"]] == [id(beta) for beta in betas]


def test_momentum_dips_where_the_rate_peaks_as_in_torchs_one_cycle() -> None:
    theirs = sgd(0.1, momentum=0.9)
    peer = torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=1.0, total_steps=40)
    ours = sgd(1.0, momentum=0.9)
    scheduler = Scheduler(ours, {"lr": et.one_cycle(), "momentum": et.one_cycle_momentum()}, RUN)
    for k in range(40):
        for name in ("lr", "momentum"):
            assert ours.param_groups[0][name] == pytest.approx(theirs.param_groups[0][name], rel=1e-9)
        for optimizer in (ours, theirs):
            optimizer.step()
        scheduler.step()
        if k < 39:
            peer.step()


# In proportion to the rate.

RELATIVE: list[Schedule] = [
    et.cosine(),
    et.Linear(0.1 * BASE, BASE, over="25%") >> et.Cosine(BASE, 0.01 * BASE, over="75%"),
    et.sgdr(8),
]
PLANS: list[Schedule] = [
    *RELATIVE,
    et.Cosine(3e-4, 1e-5, over="100%"),
    et.Linear(1e-4, BASE, over=10) >> et.Exponential(0.9),
]
positive = st.floats(1e-3, 2.0)


@given(
    st.sampled_from(PLANS),
    st.lists(st.tuples(positive, st.floats(1e-4, 1.0)), min_size=1, max_size=3),
    st.sampled_from([None, torch.float32, torch.float64]),
)
@pytest.mark.filterwarnings("ignore::etude.errors.ScheduleWarning")  # absolute levels, on purpose
def test_what_is_in_proportion_stays_so_at_every_step(
    plan: Schedule, bases: list[tuple[float, float]], dtype: torch.dtype | None
) -> None:
    groups = [
        {
            "params": [weight()],
            "lr": rate if dtype is None else torch.tensor(rate, dtype=dtype),
            "weight_decay": decay,
        }
        for rate, decay in bases
    ]
    optimizer = SGD(groups, lr=0.1)
    scheduler = Scheduler(optimizer, {"lr": plan, "weight_decay": "lr"}, RUN)
    exact = [float(group["initial_lr"]) for group in optimizer.param_groups]
    for _ in range(30):
        told = scheduler.get_last_lr()
        for rate, base, (_, decay), group in zip(told, exact, bases, optimizer.param_groups, strict=True):
            # One multiplication: its rounding is all that there is.
            assert group["weight_decay"] == rate * (decay / base)
        scheduler.optimizer.step()
        scheduler.step()


def test_weight_decay_in_proportion_shrinks_the_weights_with_the_rate() -> None:
    """Of a weight without gradient, AdamW leaves 1 - lr · decay at each update."""
    parameter = Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = AdamW([parameter], lr=0.1, weight_decay=0.5)
    scheduler = Scheduler(optimizer, {"lr": et.linear(), "weight_decay": "lr"}, Horizon(total=10))
    expected = 1.0
    for k in range(10):
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        scheduler.step()
        expected *= 1 - 0.1 * (1 - k / 10) * 0.5 * (1 - k / 10)
        assert parameter.item() == pytest.approx(expected, rel=1e-12)


def test_in_proportion_it_is_explained_and_read() -> None:
    scheduler = Scheduler(
        sgd(0.5, weight_decay=0.1), {"lr": et.linear(), "weight_decay": "lr"}, Horizon(total=4)
    )
    scheduler.seek(1)
    told = scheduler.explain(0, "weight_decay")
    assert told.startswith("weight_decay 0.075 of group '0' = 0.2 × lr 0.375 ")
    assert scheduler.reading(1).others == {"weight_decay": {"0": pytest.approx(0.075)}}


# Outside of the optimizer.


@dataclass
class Clipper:
    """A user's object."""

    max_norm: Any = 1.0


def clipped(clipper: Any, at: str = "max_norm", *, clip: Any = None) -> Scheduler:
    plans = {"lr": et.cosine(), "clip": clip or et.Linear(BASE, 0.1 * BASE, over="50%")}
    return Scheduler(sgd(0.1), plans, RUN, targets={"clip": (clipper, at)})


@pytest.mark.parametrize(
    "clipper",
    [Clipper(2.0), {"max_norm": 2.0}, Clipper(torch.tensor(2.0, dtype=torch.float64)), Clipper(2)],
    ids=["attribute", "item", "tensor", "integer"],
)
def test_a_number_elsewhere_follows_saved_explained_and_read(clipper: Any) -> None:
    def value(owner: Any) -> float:
        return float(owner["max_norm"] if isinstance(owner, dict) else owner.max_norm)

    fresh = copy.deepcopy(clipper)
    scheduler = clipped(clipper)
    table = et.Linear(BASE, 0.1 * BASE, over="50%").on(RUN)
    for k in range(30):
        assert value(clipper) == table(k, 2.0)
        assert scheduler.reading(k).others == {"clip": {"clip": table(k, 2.0)}}
        assert scheduler.explain(0, "clip").startswith(f"clip {table(k, 2.0):.6g} of its target")
        if k == 11:
            saved = save(scheduler)
            scheduler, clipper = clipped(fresh), fresh
            scheduler.load_state_dict(saved["scheduler"])
            scheduler.optimizer.load_state_dict(saved["optimizer"])
            assert value(clipper) == table(k, 2.0)
        scheduler.step()


def test_gradients_are_clipped_to_the_norm_of_the_step() -> None:
    parameter = Parameter(torch.zeros(4))
    clipper = Clipper(1.0)
    plans = {"lr": et.Constant(BASE), "clip": et.Linear(BASE, 0.2, over=8)}
    scheduler = Scheduler(SGD([parameter], lr=1.0), plans, targets={"clip": (clipper, "max_norm")})
    for k in range(12):
        parameter.grad = torch.full((4,), 10.0)
        before = parameter.detach().clone()
        torch.nn.utils.clip_grad_norm_([parameter], clipper.max_norm)
        scheduler.optimizer.step()
        scheduler.step()
        moved = (parameter.detach() - before).norm().item()
        assert moved == pytest.approx(1 - 0.1 * min(k, 8), rel=1e-5)


def test_a_model_that_was_loaded_does_not_change_what_a_target_began_with() -> None:
    """The base is that of the checkpoint, though the object holds the value of the moment."""
    clipper = Clipper(2.0)
    scheduler = clipped(clipper)
    scheduler.seek(10)
    later = clipped(Clipper(2.0))
    later.load_state_dict(scheduler.state_dict())
    assert clipper.max_norm == pytest.approx(1.1)
    again = clipped(Clipper(clipper.max_norm))
    with pytest.raises(ResumeError, match=r"base clip of its target: 2 in the checkpoint, 1\.1 now"):
        again.load_state_dict(scheduler.state_dict())
    again.load_state_dict(scheduler.state_dict(), on_change="keep")
    later.seek(15)
    again.seek(15)
    assert again.get_last_lr() == later.get_last_lr()
    assert again.reading(15).others == later.reading(15).others == {"clip": {"clip": pytest.approx(0.65)}}


def test_a_tensor_elsewhere_stays_the_same_tensor() -> None:
    tensor = torch.tensor(2.0)
    clipper = Clipper(tensor)
    scheduler = clipped(clipper)
    scheduler.seek(10)
    assert clipper.max_norm is tensor
    assert tensor.item() == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("targets", "plans", "message"),
    [
        (
            {"clip": Clipper()},
            {},
            r"the target 'clip' must be an object and the name of its attribute, such as \(",
        ),
        ({"clip": (Clipper(), 3)}, {}, "the target 'clip' must be an object and the name"),
        ({"clip": (Clipper(), "norm")}, {}, "the target 'clip' is 'norm' of Clipper, which has none; set it"),
        (
            {"clip": ({}, "norm")},
            {},
            "the target 'clip' is 'norm' of dict, which has none; set it to its base",
        ),
        ({"clip": (Clipper("1"), "max_norm")}, {}, "the target 'clip' must be a number.*'max_norm' is '1'"),
        ({"clip": (Clipper(True), "max_norm")}, {}, "the target 'clip' must be a number.*'max_norm' is True"),
        (
            {"clip": (Clipper(torch.zeros(2)), "max_norm")},
            {},
            "must be a number, or a floating tensor of one",
        ),
        (
            {"clip": (Clipper(), "max_norm")},
            {"clip": None},
            "the target 'clip' needs one schedule.*it has none",
        ),
        (
            {"clip": (Clipper(), "max_norm")},
            {"clip": "lr"},
            "the target 'clip' has no group, so it cannot be in",
        ),
    ],
    ids=str,
)
def test_a_target_that_is_none_is_refused(targets: Any, plans: dict[str, Any], message: str) -> None:
    optimizer = sgd(0.1)
    before = copy.deepcopy(optimizer.state_dict())
    given = {"lr": et.cosine(), "clip": et.Constant(BASE), **plans}
    given = {name: plan for name, plan in given.items() if plan is not None}
    with pytest.raises(EtudeError, match=message):
        Scheduler(optimizer, given, RUN, targets=targets)
    assert optimizer.state_dict() == before


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        (
            {"weight_decay": "lr"},
            "the schedule of 'weight_decay' must be a schedule; got 'lr'; .*in proportion",
        ),
        ({"lr": "lr"}, "the schedule of 'lr' must be a schedule; got 'lr'"),
        (
            {"lr": "weight_decay", "weight_decay": "lr"},
            "the schedule of 'lr' must be a schedule; got 'weight_decay'",
        ),
        ({"lr": et.cosine(), "weight_decay": "momentum"}, "must be a schedule; got 'momentum'"),
        ({"lr": et.cosine(), "nesterov": et.Constant(0.5)}, "no number called 'nesterov'; they have"),
        ({"lr": et.cosine(), "betas[2]": et.Constant(0.5)}, r"no number called 'betas\[2\]'"),
        ({"lr": et.cosine(), "clip": et.Constant(0.5)}, "no number called 'clip'"),
    ],
    ids=str,
)
def test_a_hyperparameter_that_is_none_is_refused(plans: dict[str, Any], message: str) -> None:
    optimizer = Adam([weight()], lr=0.1)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(EtudeError, match=message):
        Scheduler(optimizer, plans, RUN)
    assert optimizer.state_dict() == before


def test_nothing_is_in_proportion_to_0() -> None:
    optimizer = sgd(0.1, 0.0, weight_decay=0.1)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(
        EtudeError, match="weight_decay cannot be in proportion to lr, whose base is 0 in one of"
    ):
        Scheduler(optimizer, {"lr": et.cosine(), "weight_decay": "lr"}, RUN)
    assert optimizer.state_dict() == before


# Layers.


def test_timms_factors_of_layers_are_those_of_timms_own_scheduler(timm: Any) -> None:  # noqa: F811
    def layered() -> Optimizer:
        return AdamW(timm.groups(timm.model, 0.1, layer_decay=0.5), lr=0.1)

    ours, theirs = layered(), layered()
    assert len({group["lr_scale"] for group in ours.param_groups}) == 7
    peer = schedulers.CosineLRScheduler(theirs, t_initial=30, warmup_t=10, warmup_lr_init=0.01)
    plan = et.Linear(0.01, BASE, over=10) >> et.Cosine(over=30).shift(-10)
    scheduler = Scheduler(ours, {"lr": plan, "weight_decay": et.Linear(BASE, 0.0, over=30)})
    for k in range(30):
        peer.step(k)
        rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in (ours, theirs)]
        assert rates[0] == pytest.approx(rates[1], rel=1e-12)
        decays = [group["weight_decay"] for group in ours.param_groups]
        assert decays == pytest.approx(
            [group["initial_weight_decay"] * (1 - k / 30) for group in ours.param_groups]
        )
        scheduler.step()
    later = Scheduler(layered(), {"lr": plan, "weight_decay": et.Linear(BASE, 0.0, over=30)})
    later.load_state_dict(scheduler.state_dict())
    assert later.get_last_lr() == scheduler.get_last_lr()


@given(
    st.lists(positive, min_size=2, max_size=5),
    st.sampled_from(RELATIVE),
)
def test_relative_levels_keep_the_ratios_between_groups(bases: list[float], plan: Schedule) -> None:
    scheduler = Scheduler(sgd(*bases), plan, RUN)
    for _ in range(40):
        first, *others = scheduler.get_last_lr()
        assert others == pytest.approx([first * base / bases[0] for base in bases[1:]], rel=1e-12)
        scheduler.step()


def test_absolute_levels_make_groups_alike_and_it_is_said() -> None:
    with pytest.warns(et.errors.ScheduleWarning, match="absolute levels.*multiples of BASE"):
        scheduler = Scheduler(sgd(1.0, 0.1), et.Cosine(3e-4, 1e-5, over="100%"), RUN)
    for _ in range(40):
        first, second = scheduler.get_last_lr()
        assert first == second
        scheduler.step()
