"""The examples, run as a user runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))
ETUDE = Path(sys.executable).with_name("etude")


def run(command: list[str | Path], folder: Path) -> str:
    # One thread: many small steps on a busy machine take several times as long with more.
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40


def test_train_py_trains_under_its_schedule(tmp_path: Path) -> None:
    lines = run([sys.executable, EXAMPLES / "train.py"], tmp_path).splitlines()

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

    text = run([ETUDE, "compare", task, "--only", "cosine", *grid], tmp_path)

    table = {line.split()[0]: line for line in text.splitlines() if re.match(r"(fixed|cosine) ", line)}
    for line in table.values():
        score = re.search(r" (\d\d\.\d\d) ± ", line)
        assert score is not None
        assert float(score[1]) > 90
    assert set(table) == {"fixed", "cosine"}
    assert "on breast_cancer, over 2 seeds of 400 updates" in " ".join(text.split())
    assert (tmp_path / "etude-study" / "breast_cancer" / "report.html").exists()
