"""Every class beside torch's, over random parameters, groups and optimizers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude import Horizon
from etude.torch import formulas
from etude.torch import lr_scheduler as ours
from tests.torch.beside import (
    ARGUMENTS,
    CLOSED,
    COMPARED,
    Setup,
    assert_same,
    build,
    pair,
    plain,
    quietly,
    rates,
    settings,
    setups,
    step,
    theirs,
)

# Runs longer than T_max are asked for here; that the climb is told has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:CosineAnnealingLR.* is half a period")

STEPS = 45

# How far torch's recursions drift from their own closed forms in so many steps, of the base rate.
DRIFT = {"CosineAnnealingLR": 1e-9, "PolynomialLR": 1e-11, "SWALR": 1e-9}


@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data(), setup=setups())
def test_each_step_gives_what_torch_gives(name: str, data: st.DataObject, setup: Setup) -> None:
    mine, peer = pair(name, setup, data.draw(ARGUMENTS[name]))
    rel = DRIFT.get(name, 1e-12)
    for _ in range(getattr(peer, "total_steps", STEPS)):
        assert_same(settings(mine.optimizer), settings(peer.optimizer), rel=rel, scale=max(setup.bases))
        assert [type(g["lr"]) for g in mine.optimizer.param_groups] == [
            type(g["lr"]) for g in peer.optimizer.param_groups
        ]
        step([mine])
        step([peer])
    COMPARED[name] += 1


@pytest.mark.parametrize("name", CLOSED)
@given(data=st.data(), setup=setups(), epochs=st.lists(st.integers(0, 400), max_size=8))
def test_a_step_to_an_epoch_gives_torchs_closed_form(
    name: str, data: st.DataObject, setup: Setup, epochs: list[int]
) -> None:
    mine, peer = pair(name, setup, data.draw(ARGUMENTS[name]))
    for epoch in epochs:
        quietly(mine.step, epoch)
        quietly(peer.step, epoch)
        assert_same(rates(mine.optimizer), rates(peer.optimizer), scale=max(setup.bases))
        assert_same(plain(mine.get_last_lr()), plain(peer.get_last_lr()), scale=max(setup.bases))
    COMPARED[f"{name} closed form"] += 1


@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data(), setup=setups())
def test_the_state_is_torchs_at_every_step(name: str, data: st.DataObject, setup: Setup) -> None:
    mine, peer = pair(name, setup, data.draw(ARGUMENTS[name]))
    for _ in range(min(getattr(peer, "total_steps", 20), 20)):
        one, other = plain(mine.state_dict()), plain(peer.state_dict())
        assert_same(one, other, rel=DRIFT.get(name, 1e-12), scale=max(setup.bases))
        step([mine])
        step([peer])


@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data(), setup=setups(), before=st.integers(0, 20), loads_theirs=st.booleans())
def test_a_state_goes_on_in_the_other_library(
    name: str, data: st.DataObject, setup: Setup, before: int, loads_theirs: bool
) -> None:
    arguments = data.draw(ARGUMENTS[name])
    source, target = (theirs, ours) if loads_theirs else (ours, theirs)
    first = build(source, name, setup.optimizer(), arguments)
    before = min(before, getattr(first, "total_steps", before) - 1)
    for _ in range(before):
        step([first])
    second = build(target, name, setup.optimizer(), arguments)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    for _ in range(min(10, getattr(first, "total_steps", 99) - before)):
        assert_same(
            settings(second.optimizer),
            settings(first.optimizer),
            rel=max(DRIFT.get(name, 1e-12), 1e-9 if not loads_theirs else 1e-12),
            scale=max(setup.bases),
        )
        step([first])
        step([second])
    COMPARED[f"{name} resumed"] += 1


@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data(), setup=setups(), done=st.integers(0, 11))
def test_last_epoch_continues_a_loaded_optimizer(
    name: str, data: st.DataObject, setup: Setup, done: int
) -> None:
    arguments = data.draw(ARGUMENTS[name])
    first = build(ours, name, setup.optimizer(), arguments)
    for _ in range(done + 1):
        step([first])
    optimizer = setup.optimizer()
    optimizer.load_state_dict(first.optimizer.state_dict())
    second = build(ours, name, optimizer, arguments, last_epoch=done)
    assert second.last_epoch == done + 1
    assert_same(rates(optimizer), rates(first.optimizer))
    assert plain(second.get_last_lr()) == rates(optimizer)


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name != "SWALR"])
@given(data=st.data(), setup=setups(), steps=st.lists(st.integers(0, 300), max_size=6))
def test_seeking_is_walking(name: str, data: st.DataObject, setup: Setup, steps: list[int]) -> None:
    arguments = data.draw(ARGUMENTS[name])
    scheduler = build(ours, name, setup.optimizer(), arguments)
    walked = build(ours, name, setup.optimizer(), arguments)
    end = getattr(scheduler, "total_steps", 300)
    for target in sorted(min(target, end) for target in steps):
        scheduler.seek(target)
        while walked.last_epoch < target:
            step([walked])
        assert settings(scheduler.optimizer) == settings(walked.optimizer)


@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data(), setup=setups())
def test_the_formula_of_torchs_object_says_what_torch_does(
    name: str, data: st.DataObject, setup: Setup
) -> None:
    peer = build(theirs, name, setup.optimizer(), data.draw(ARGUMENTS[name]))
    groups = peer.optimizer.param_groups
    tables: list[dict[str, Any]] = [
        {key: schedule.on(Horizon()) for key, schedule in formulas.of(peer, i).items()}
        for i in range(len(groups))
    ]
    for k in range(min(getattr(peer, "total_steps", 20), 20)):
        assert formulas.clock(peer) == k
        for table, group in zip(tables, groups, strict=True):
            assert_same(
                table["lr"](k, base=float(group["initial_lr"])),
                float(group["lr"]),
                rel=DRIFT.get(name, 1e-12),
                scale=max(setup.bases),
            )
            if "momentum" in table:
                written = group["betas"][0] if "betas" in group else group["momentum"]
                assert_same(table["momentum"](k), written)
        step([peer])
