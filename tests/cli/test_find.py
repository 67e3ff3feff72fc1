"""``etude find``: from the range test of a task to the comparison under what it has found."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from etude.durations import Horizon
from etude.finder import Divergence, Suggestion, ramp
from etude.study import find_task
from etude.study.find import Update, find
from tests.study.training import PATIENCE_SECONDS

from . import finding
from .terminal import Said, etude, fits, started

FEW = ["--repeats", "1", "--steps", "120"]


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tasks in a folder of their own, which is where the command is given."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(finding.__file__, tmp_path / "tasks.py"))


def commands(said: Said) -> list[str]:
    return [line.strip() for line in said.lines if line.startswith("  etude ")]


# From the test to the comparison


def test_what_is_found_is_drawn_told_and_can_be_compared_by_the_command_that_follows(tasks: Path) -> None:
    said = etude("find", "tasks.py:sides", "--plot", "found.png")

    assert said.status == 0
    assert fits(said)
    assert "Points on either side of a line." in said.lines
    assert "Range test of the learning rate" in said.text
    [head] = [line for line in said.lines if line.startswith("rule")]
    assert head.split() == ["rule", "rate", "interval", "because"]
    for rule in ("steepest", "fixed", "peak", "edge/4", "max"):
        assert re.search(rf"^{rule} ", said.text, re.MULTILINE)
    assert (tasks.parent / "found.png").read_bytes().startswith(b"\x89PNG")
    told = {rule: re.search(rf"^{rule} +(\S+)", said.text, re.MULTILINE) for rule in ("fixed", "peak")}
    rates = [float(match[1]) for match in told.values() if match]
    assert f"  one_cycle(peak={rates[1]!r})" in said.lines
    [command] = commands(said)
    wanted = "etude compare tasks.py:sides --only one-cycle --peaks "
    assert command.startswith(wanted)
    assert [float(peak) for peak in command.removeprefix(wanted).split(",")] == rates

    compared = etude(*shlex.split(command)[1:], "--seeds", "1", "--budgets", "1", "--workers", "1")

    assert compared.status == 0
    assert "One seed cannot tell a schedule from chance" in " ".join(compared.text.split())


def test_groups_of_several_rates_keep_their_ratio_in_the_test_and_in_the_command(tasks: Path) -> None:
    said = etude("find", "tasks.py:halves", *FEW, "--start", "1e-4", "--stop", "5")

    assert said.status == 0
    used = np.loadtxt(tasks.parent / "rates.txt")
    wanted = ramp(1e-4, 5.0, 120).on(Horizon(total=120))(range(len(used) + 1))
    # They are written down after the scheduler's step, so that the next update's stand there.
    np.testing.assert_allclose(used[:, 0], wanted[1:])
    np.testing.assert_allclose(used[:, 1], used[:, 0] / 4)
    [command] = commands(said)
    # A comparison's peak is the first group's rate, as the test's is.
    assert command.startswith("etude compare tasks.py:halves --only one-cycle --peaks ")
    assert "  one_cycle(" in said.text
    assert " * BASE)" in said.text


def test_without_an_answer_it_says_why_and_names_no_command(tasks: Path) -> None:
    said = etude("find", "tasks.py:flat", *FEW)

    assert said.status == 0
    text = " ".join(said.text.split())
    assert "no schedule can be written from this test: peak: no answer, because it is flat" in text
    assert commands(said) == []


# The curve


def test_the_curve_is_that_of_the_loop_written_by_hand(tasks: Path) -> None:
    seen: list[Update] = []

    found = find(find_task("tasks.py:sides"), steps=60, repeats=2, on_update=seen.append)

    rates = ramp(1e-6, 10.0, 60).on(Horizon(total=60))(range(60))
    for seed in range(2):
        model, inputs, labels = finding.line(seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        diverged, losses, accuracies = Divergence(4.0), [], []
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            logits = model(inputs)
            loss = functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            accuracies.append((logits.argmax(1) == labels).double().mean().item())
            if diverged(loss.item()):
                break
        measured = np.isfinite(found.curve.losses[seed])
        np.testing.assert_array_equal(found.curve.losses[seed][measured], losses)
        np.testing.assert_array_equal(found.curve.metrics["accuracy"][seed][measured], accuracies)
        np.testing.assert_array_equal(found.curve.rates[measured], rates[: len(losses)])
    assert (seen[-1].done, seen[-1].total) == (120, 120)
    assert [update.done for update in seen] == sorted(update.done for update in seen)


def test_an_update_of_several_batches_has_their_mean_loss_and_no_accuracy_without_cross_entropy(
    tasks: Path,
) -> None:
    curve = find(find_task("tasks.py:halves"), steps=20, repeats=1, start=1e-6, stop=1e-5).curve

    model, inputs, labels = finding.line(0)
    parts = [
        functional.mse_loss(model(inputs[rows])[:, 0], labels[rows].float())
        for rows in (slice(32), slice(32, 64))
    ]
    assert curve.losses[0, 0] == pytest.approx(torch.stack(parts).mean().item(), rel=1e-6)
    assert curve.metrics == {}
    assert (curve.base, curve.alike) == (0.2, False)


def test_repeats_are_seeds_and_give_the_intervals(tasks: Path) -> None:
    found = find(find_task("tasks.py:sides"), repeats=3)

    assert found.curve.repeats == 3
    assert len({tuple(row[:5]) for row in found.curve.losses}) == 3
    fixed = found.suggestions["fixed"]
    assert isinstance(fixed, Suggestion)
    assert fixed.low <= fixed.value <= fixed.high


# Refusals


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["digts"], "there is no task called 'digts': .*did you mean 'digits'"),
        (["tasks.py:sides", "--start", "1", "--stop", "0.1"], "start must be less than stop; got start=1.0"),
        (["tasks.py:sides", "--steps", "5"], "steps must be .*20; got 5"),
        (["tasks.py:sides", "--repeats", "0"], "repeats must be .*1; got 0"),
        (["tasks.py:silent"], "update 0 came without a loss: backward.. was called on none since"),
        (["tasks.py:short"], "has ended after 7 of 200 updates; it must do run.updates updates"),
        (["tasks.py:standing"], "update 1 came when the scheduler stood at 0; call scheduler.step.. once"),
        (["tasks.py:leaving"], "'leaving' fails after 0 updates of the range test: SystemExit: had enough"),
        # The task would wait for a minute.
        (["tasks.py:waiting", "--plot", "found.txt"], "a picture's name must end in one of .png"),
        (["tasks.py:waiting", "--plot", "none/found.png"], "there is no folder 'none'; make it first"),
        (["tasks.py:waiting", "--plot", "/proc/found.png"], "cannot save '/proc/found.png': "),
    ],
)
def test_bad_input_is_one_message(tasks: Path, arguments: list[str], refusal: str) -> None:
    said = etude("find", *arguments)

    assert said.status == 1
    assert re.search(refusal, said.refusal, re.DOTALL), said.refusal
    assert not (tasks.parent / "waiting").exists()


# Interruption


def test_ctrl_c_leaves_cleanly(tasks: Path) -> None:
    with started(["find", "tasks.py:waiting"], tasks.parent) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (tasks.parent / "waiting").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 130
    assert "Stopped. Nothing is kept of a range test that has not ended." in out
    assert "Traceback" not in out + error
