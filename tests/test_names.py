"""Every name that a function takes is known, or refused with the nearest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import etude as et
from etude import Horizon, plots
from etude.convert import convert
from etude.names import nearest
from etude.record import open_store
from etude.study.arms import choose_arms
from etude.study.task import find_task
from etude.torch import Scheduler

RUN = Horizon(total=10)
PLAN = et.cosine()
TARGET = {"n": 1.0}
CHART = plots.Chart("", "", "", ())


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("weight_deca", ["lr", "weight_decay"], "weight_decay"),
        ("wd", ["lr", "weight_decay"], "weight_decay"),
        ("learning_rate", ["lr", "momentum"], "lr"),
        ("beta1", ["betas[0]", "betas[1]"], "betas[0]"),
        ("beta2", ["betas[0]", "betas[1]"], "betas[1]"),
        ("mom", ["momentum", "weight_decay"], "momentum"),
        ("HEAD", ["head", "body"], "head"),
        (3, ["head"], None),
        ("x", ["head"], None),
        ("", ["head"], None),
    ],
)
def test_e7_the_nearest_of_the_known(name: object, known: list[str], near: str | None) -> None:
    assert nearest(name, known) == ("" if near is None else f"; did you mean {near!r}?")


def sgd() -> torch.optim.SGD:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "name": name} for name in ("head", "body")]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def scheduler() -> Scheduler:
    return Scheduler(sgd(), et.cosine() * et.Plateau("val_loss"), RUN)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PLAN.on(RUN).check(of="wd"), "check(of=) must be one of 'lr', .*; got 'wd'; 'weight_decay'"),
        (lambda: PLAN.on(RUN).check(of=["lr"]), "check(of=) must be one of 'lr', .*; got ['lr']"),  # type: ignore[arg-type]
        (lambda: convert(PLAN, "pytorch", RUN), "convert(to=) must be one of .*; got 'pytorch'; 'torch'"),
        (lambda: Scheduler(sgd(), {"momentm": PLAN}, RUN), "'momentm'; they have .*; 'momentum'"),
        (lambda: Scheduler(sgd(), {"wd": PLAN}, RUN), "'wd'; they have .*; 'weight_decay'"),
        (
            lambda: Scheduler(sgd(), {"lr": PLAN, "norms": PLAN}, RUN, targets={"norm": (TARGET, "n")}),
            "no number called 'norms'; .*; 'norm'",
        ),
        (lambda: Scheduler(sgd(), groups={"haed": PLAN, "*": PLAN}, horizon=RUN), "'haed'; .*; 'head'"),
        (lambda: Scheduler(sgd(), PLAN, RUN, added="ow"), "Scheduler(added=) must be one of .*; 'own'"),
        (lambda: scheduler().observe(val_los=1.0), "'val_los'; they follow val_loss; 'val_loss'"),
        (lambda: scheduler().explain("haed"), "'haed'; there are head, body; 'head'"),
        (
            lambda: et.Plateau("val_loss").on(RUN).replay({"val_los": [1.0]}),
            "must be val_loss; got val_los; 'val_loss'",
        ),
        (lambda: plots.Series("a", [1], [1], style="lines"), "'lines'; 'line'"),  # type: ignore[arg-type]
        (lambda: plots.Chart("", "", "", (), x_scale="logg"), "'logg'; 'log'"),  # type: ignore[arg-type]
        (lambda: plots.save(CHART, "curve.pgn"), "must end in .*; got 'curve.pgn'; '.png'"),
        (lambda: choose_arms(["cosin"]), "no schedule labelled 'cosin' .* into -s; 'cosine'"),
        (lambda: find_task("digit"), "no task called 'digit'.*; 'digits'"),
        (lambda: et.Linear(over=3, after="hol"), "Linear(after=) must be one of .*; got 'hol'; 'hold'"),
    ],
)  # fmt: skip
def test_e7_an_unknown_name_is_refused_with_the_nearest(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(et.EtudeError) as refused:
        call()
    told = str(refused.value)
    pattern = re.escape(message).replace(re.escape(".*"), ".*").replace(re.escape("; '"), "; did you mean '")
    assert re.search(pattern, told), told


def test_e7_a_status_of_runs_is_known(tmp_path: Path) -> None:
    with (
        open_store(tmp_path / "runs.db") as store,
        pytest.raises(
            et.EtudeError, match=r"status must be one of .*; got 'finishd'; did you mean 'finished'"
        ),
    ):
        store.runs(status="finishd")  # type: ignore[arg-type]
