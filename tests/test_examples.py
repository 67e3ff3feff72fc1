"""The examples, run as a user runs them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import etude
from tests import forked

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))
ETUDE = Path(sys.executable).with_name("etude")


def run(script: Path, *arguments: str | Path, folder: Path) -> str:
    # One thread: many small steps on a busy machine take several times as long with more.
    done = forked.run(script, *arguments, folder=folder, settings={"OMP_NUM_THREADS": "1"})
    assert (done.status, done.error) == (0, "")
    return done.out


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


def test_train_py_trains_under_its_schedule(tmp_path: Path) -> None:
    lines = run(EXAMPLES / "train.py", folder=tmp_path).splitlines()

    assert lines[0] == "12 batches an epoch = 12 updates an epoch; × 20 epochs = 240 updates"
    losses = [float(re.search(r"loss (\S+),", line)[1]) for line in lines[1:]]  # type: ignore[index]
    rates = [float(line.rpartition(" ")[2]) for line in lines[1:]]
    assert len(rates) == 20
    assert losses[-1] < 0.1
    assert rates[0] == 0.055
    assert rates[1] == max(rates) == 0.1
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == 0


def test_breast_cancer_py_is_compared(tmp_path: Path) -> None:
    task = f"{EXAMPLES / 'breast_cancer.py'}:breast_cancer"
    grid = ["--seeds", "2", "--budgets", "1", "--peaks", "0.01", "--workers", "1"]

    text = run(ETUDE, "compare", task, "--only", "cosine", *grid, folder=tmp_path)

    table = {line.split()[0]: line for line in text.splitlines() if re.match(r"(fixed|cosine) ", line)}
    for line in table.values():
        score = re.search(r" (\d\d\.\d\d) ± ", line)
        assert score is not None
        assert float(score[1]) > 90
    assert set(table) == {"fixed", "cosine"}
    assert "on breast_cancer, over 2 seeds of 400 updates" in " ".join(text.split())
    assert (tmp_path / "etude-study" / "breast_cancer" / "report.html").exists()


def rates_and_losses(lines: list[str]) -> tuple[list[float], list[float]]:
    """What an example prints of each epoch."""
    found = [re.search(r"loss (\S+), .*lr.* (\S+)$", line) for line in lines]
    return [float(match[2]) for match in found if match], [float(match[1]) for match in found if match]


def test_jax_training_py_uses_the_rates_of_its_schedule(tmp_path: Path) -> None:
    lines = run(EXAMPLES / "jax_training.py", folder=tmp_path).splitlines()

    assert lines[0] == "56 batches an epoch = 56 updates an epoch; × 10 epochs = 560 updates"
    rates, losses = rates_and_losses(lines)
    plan = etude.linear(warmup="1ep").on(etude.Horizon(56, "10ep"))
    assert rates == pytest.approx(plan(range(55, 560, 56), 0.01), abs=1e-6)
    assert losses[-1] < 0.3


def test_keras_training_py_goes_on_after_it_was_saved(tmp_path: Path) -> None:
    lines = run(EXAMPLES / "keras_training.py", folder=tmp_path).splitlines()

    assert lines[0] == "57 batches an epoch = 57 updates an epoch; × 6 epochs = 342 updates"
    rates, losses = rates_and_losses(lines)
    plan = etude.one_cycle().on(etude.Horizon(57, "6ep"))
    assert rates == pytest.approx(plan(range(57, 343, 57), 0.02), abs=1e-6)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2
    assert list(tmp_path.iterdir()) == []
