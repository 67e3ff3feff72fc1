"""The benchmarks of the range test run, and their numbers are those of real runs and of the peers."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import ignite.engine
import numpy as np
import pytest
import torch
from ignite.handlers import FastaiLRFinder
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.tuner import Tuner
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from torch_lr_finder import LRFinder

from etude.torch import range_test
from tests.test_benchmarks import BENCHMARKS, run

pytestmark = [
    # Lightning 2.6.6 under torch 2.13.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
    # Its advice on speed and logging, and what it says of its own finder's checkpoint.
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than the logging"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create"),
    pytest.mark.timeout(240),
]

START, STOP, STEPS = 1e-5, 10.0, 100
MIB = 2**20


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import finder_quality

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield finder_quality
    torch.set_num_threads(threads)


# What a range test costs


def test_the_overhead_is_that_of_time_and_of_memory(tmp_path: Path) -> None:
    (rows,) = run("finder_overhead.py", tmp_path).values()

    assert [(row["case"], row["bound"]) for row in rows] == [
        ("a perceptron, SGD", 1.05),
        ("convolutions, AdamW", 1.05),
        ("24 million weights, AdamW", 1.02),
    ]
    for row in rows[:2]:
        assert row["what"] == "a range test of 20 steps"
        assert min(row["ours"], row["theirs"]) > 1  # ms; 20 updates take longer anywhere
    # Memory is counted, not timed: weights, gradients and two moments, of 4 bytes each.
    weights = 3000 * 4000 + 4000 + 4000 * 3000 + 3000
    assert rows[2]["theirs"] == pytest.approx(4 * 4 * weights / MIB, rel=1e-3)
    assert 0.95 < rows[2]["ratio"] <= 1.02


# What it suggests


def test_every_rule_and_every_peer_is_measured_on_each_kind_of_sweep(tmp_path: Path, quality: Any) -> None:
    (rows,) = run("finder_quality.py", tmp_path).values()

    for kind in quality.SWEEPS:
        for schedule in quality.SCHEDULES:
            for what in ("median", "worst"):
                title = f"{what} factor from the best {schedule}"
                beside = {row["beside"] for row in rows if (row["what"], row["case"]) == (title, kind)}
                assert beside >= set(quality.PEERS)
    cases = [*quality.SWEEPS, "all sweeps, held out", "all sweeps, unseen tasks"]
    intervals = [row for row in rows if row["unit"] == "%"]
    assert [row["case"] for row in intervals] == 2 * cases
    assert all(0 <= row["ours"] <= 100 for row in intervals)
    assert {row["case"] for row in intervals if row["bound"] == 10} == set(cases[-2:])
    for row in rows:
        # A factor is how many times too high or too low.
        assert row in intervals or min(row["ours"], row["theirs"]) >= 1


def test_held_out_is_without_the_task_that_is_judged(quality: Any) -> None:
    def seen(task: str, off: float, wider: float) -> Any:
        return quality.Seen("a kind", task, "fixed", {"fixed": off}, wider)

    one, *others = quality.held_out(
        [seen("odd", 3.0, 5.0), seen("a", 1.0, -1.0), seen("b", 1.0, -1.0)], "fixed"
    )
    # The others are a factor of ten off, and their intervals too wide by as much: a factor of 1 is enough.
    assert one.off["fixed"] == 2.0
    assert one.wider == pytest.approx(5.0 + math.log10(quality.OFF))
    assert [each.off["fixed"] for each in others] == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("name", "optimizer"), [("breast cancer, perceptron", "AdamW"), ("wine, tanh of four layers", "SGD")]
)
def test_the_best_rates_are_those_of_training_with_torchs_own_optimizers(
    quality: Any, name: str, optimizer: str
) -> None:
    truth = json.loads(quality.TRUTH.read_text(encoding="utf-8"))["pairs"][f"{name}, {optimizer}"]
    task, seed = quality.TASKS[name], 3
    best = int(np.argmin(np.mean(np.array(truth["fixed"]["loss"], dtype=float), axis=0)))
    for place in (best - 5, best - 2):
        rate = truth["rates"][place]
        model = task.model(seed)
        built = quality.OPTIMIZERS[optimizer](model.parameters())
        built.param_groups[0]["lr"] = rate
        for rows, noise in zip(*task.batches(seed, task.updates), strict=True):
            inputs, targets = task.batch_of(rows, int(noise))
            built.zero_grad()
            task.loss(model(inputs), targets).backward()
            built.step()
        inputs, targets = task.data().held
        with torch.no_grad():
            loss = float(task.loss(model(inputs), targets))
        assert loss == pytest.approx(truth["fixed"]["loss"][seed][place], rel=0.02)


def data() -> DataLoader[Any]:
    """One batch, again and again, so that all finders see the same."""
    chance = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 8, generator=chance)
    targets = (inputs @ torch.randn(8, 1, generator=chance)).tanh()
    return DataLoader(TensorDataset(inputs, targets), batch_size=64)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))


def by_torch_lr_finder(folder: Path) -> float:
    model = net()
    finder = LRFinder(model, torch.optim.SGD(model.parameters(), lr=START), nn.MSELoss())
    finder.range_test(data(), end_lr=STOP, num_iter=STEPS, smooth_f=0.05, diverge_th=5)
    _, rate = finder.plot(ax=Figure().subplots(), suggest_lr=True)
    return float(rate)


def by_ignite(folder: Path) -> float:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=START)

    def update(_: Any, batch: list[Tensor]) -> float:
        optimizer.zero_grad()
        loss = functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    trainer, finder = ignite.engine.Engine(update), FastaiLRFinder()
    kept = {"model": model, "optimizer": optimizer}
    how = {"num_iter": STEPS, "start_lr": START, "end_lr": STOP, "smooth_f": 0.05, "diverge_th": 5.0}
    with finder.attach(trainer, to_save=kept, **how) as finding:
        finding.run(data())
    return float(finder.lr_suggestion())


def by_lightning(folder: Path) -> float:
    class Net(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.lr = net(), START

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return functional.mse_loss(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=self.lr)

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1000,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    how = {"min_lr": START, "max_lr": STOP, "num_training": STEPS, "early_stop_threshold": 4.0}
    found: Any = Tuner(trainer).lr_find(Net(), train_dataloaders=data(), **how)
    return float(found.suggestion())


@pytest.mark.parametrize(
    ("name", "real"),
    [("torch-lr-finder", by_torch_lr_finder), ("Ignite", by_ignite), ("Lightning", by_lightning)],
)
def test_a_peers_answer_from_our_sweep_is_the_one_of_its_own_run(
    quality: Any, name: str, real: Any, tmp_path: Path
) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=START)
    task = data(), model, functional.mse_loss
    curve = range_test(task, optimizer, start=START, stop=STOP, steps=STEPS, diverge=math.inf).curve

    ours = quality.PEERS[name](curve.rates.tolist(), curve.losses[0].tolist())

    # They note the rate of the next update, and begin their ramps a step earlier or later.
    step = (STOP / START) ** (1 / (STEPS - 1))
    assert ours == pytest.approx(real(tmp_path), rel=step**2 - 1)
