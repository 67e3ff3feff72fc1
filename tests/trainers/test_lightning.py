"""Etude in Lightning: each update uses and logs the closed form's rate, and a resumed fit goes on."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    GradientAccumulationScheduler,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor, nn
from torch.optim import SGD, lr_scheduler
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import etude as et
from etude import BASE, Horizon
from etude.errors import HorizonError, ResumeError, ScheduleError, ScheduleWarning
from etude.record import open_store
from etude.torch import Scheduler
from etude.trainers.lightning import Observe, RateMonitor, Record, config, horizon_of
from tests.trainers.processes import together

pytestmark = [
    # Lightning 2.6.6 under torch 2.13.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
    # Lightning's advice on speed, which these few batches do not need.
    pytest.mark.filterwarnings("ignore:The '(train|val)_dataloader' does not have many workers"),
    pytest.mark.filterwarnings(
        "ignore:The number of training batches .* is smaller than the logging interval"
    ),
    # The rest of a resumed fit writes no checkpoints.
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks used to create"),
    pytest.mark.timeout(120),
]

PROGRAMS = Path(__file__).parents[2] / "examples"
ROWS = 16
DECAY = et.Linear(BASE, 0, over="100%")


def inputs(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed))


class Recorded(SGD):
    """SGD that keeps the rates that each of its updates used, as they were in the groups at that moment."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.used: list[list[float]] = []
        self.register_step_pre_hook(lambda *_: self.used.append([group["lr"] for group in self.param_groups]))


class Rows(Logger):
    """A logger that keeps what it is given: the rates by step."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    name = version = "rows"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert step is not None
        rates = {key: value for key, value in metrics.items() if "lr" in key or "weight_decay" in key}
        if rates:
            self.rows.append((step, rates))

    def log_hyperparams(self, *_: Any) -> None:
        pass


class Resumable:
    """A loader that is resumed where it was, in the middle of an epoch; the same order in every run."""

    def __init__(self, batches: int = 4) -> None:
        self.batches, self.position = batches, 0

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[Tensor]]:
        first, self.position = self.position % self.batches, 0
        for number in range(first, self.batches):
            self.position = number + 1
            yield [inputs(4, seed=number)]

    def state_dict(self) -> dict[str, int]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.position = state["position"]


class Module(LightningModule):
    """Two linear layers; ``build`` makes what ``configure_optimizers`` returns."""

    def __init__(self, build: Callable[[Module], Any], loader: Any = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 1)
        self.build = build
        self.loader = DataLoader(TensorDataset(inputs(ROWS)), batch_size=4) if loader is None else loader
        self.scheduler: Any = None

    def configure_optimizers(self) -> Any:
        return self.build(self)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs)).pow(2).mean()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return self(batch[0])

    def train_dataloader(self) -> Any:
        return self.loader


def scheduled(
    plan: et.Schedule = DECAY, *, lr: float = 1.0, **options: Any
) -> Callable[[Module], dict[str, Any]]:
    """What ``configure_optimizers`` returns for a plan over the Trainer's horizon."""

    def build(module: Module) -> dict[str, Any]:
        module.optimizer = Recorded(module.parameters(), lr=lr)
        module.scheduler = Scheduler(module.optimizer, plan, horizon_of(module.trainer), **options)
        return {"optimizer": module.optimizer, "lr_scheduler": config(module.scheduler)}

    return build


def fit(module: Module, *callbacks: Callback, ckpt_path: Any = None, **options: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "max_epochs": 2}
    quiet["enable_checkpointing"] = any(isinstance(each, ModelCheckpoint) for each in callbacks)
    trainer = Trainer(accelerator="cpu", callbacks=list(callbacks), **(quiet | options))
    trainer.fit(module, ckpt_path=ckpt_path)
    return trainer


def used(module: Module) -> list[float]:
    """The first group's rate in each update."""
    return [rates[0] for rates in module.optimizer.used]


def closed_form(plan: et.Schedule, horizon: Horizon, lr: float = 1.0) -> list[float]:
    steps = int(horizon.total_steps or 0)
    return plan.on(horizon)(range(steps), lr).tolist()  # type: ignore[no-any-return]


# Each update's rate.


@pytest.mark.parametrize(
    ("options", "horizon"),
    [
        ({}, Horizon(4, "2ep", samples_per_step=4)),
        ({"accumulate_grad_batches": 3}, Horizon(2, "2ep", samples_per_step=12)),
        ({"limit_train_batches": 3}, Horizon(3, "2ep", samples_per_step=4)),
        ({"max_steps": 5}, Horizon(4, 5, samples_per_step=4)),
        ({"max_steps": 50}, Horizon(4, "2ep", samples_per_step=4)),
        ({"max_steps": 5, "max_epochs": -1}, Horizon(4, 5, samples_per_step=4)),
        ({"precision": "bf16-mixed"}, Horizon(4, "2ep", samples_per_step=4)),
    ],
    ids=["plain", "accumulation", "limit", "max_steps", "max_steps too many", "endless epochs", "bf16"],
)
def test_every_update_uses_its_own_rate_over_the_trainers_horizon(
    options: dict[str, Any], horizon: Horizon
) -> None:
    module = Module(scheduled())
    fit(module, **options)

    assert module.scheduler.horizon == horizon
    assert used(module) == closed_form(DECAY, horizon)
    assert module.scheduler.last_epoch == horizon.total_steps


def test_a_partial_window_of_accumulation_is_one_update() -> None:
    """T19: 4 batches, 3 to an update, 2 epochs."""
    module = Module(scheduled(et.cosine()))
    fit(module, accumulate_grad_batches=3)

    assert used(module) == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)
    assert str(module.scheduler.horizon) == (
        "4 batches an epoch, 3 to an update (a partial window counts) = 2 updates an epoch; "
        "× 2 epochs = 4 updates"
    )


class Stream(IterableDataset[list[Tensor]]):
    def __iter__(self) -> Iterator[list[Tensor]]:
        return iter([[torch.ones(2)]] * ROWS)


def test_data_without_a_length_has_the_total_of_max_steps_or_none() -> None:
    limited = Module(scheduled(), DataLoader(Stream(), batch_size=4))
    fit(limited, max_steps=6, max_epochs=-1)
    unlimited = Module(scheduled(et.Constant(BASE)), DataLoader(Stream(), batch_size=4))
    trainer = fit(unlimited)

    assert limited.scheduler.horizon == Horizon(total=6, samples_per_step=4)
    assert used(limited) == closed_form(DECAY, Horizon(total=6))
    assert unlimited.scheduler.horizon == Horizon(samples_per_step=4)
    # Lightning's own number, which schedules take for their length.
    assert trainer.estimated_stepping_batches == -1


def test_accumulation_that_changes_has_no_horizon_and_lightnings_estimate_is_wrong() -> None:
    def build(module: Module) -> Any:
        module.estimate = module.trainer.estimated_stepping_batches
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        return module.optimizer

    module = Module(build)
    fit(module, GradientAccumulationScheduler({0: 1, 1: 4}))
    assert (module.estimate, len(module.optimizer.used)) == (8, 5)

    with pytest.raises(
        HorizonError, match=r"changes during the fit, \{0: 1, 1: 4\}.*Horizon\(total=\.\.\.\)"
    ):
        fit(Module(scheduled()), GradientAccumulationScheduler({0: 1, 1: 4}))


def test_a_horizon_is_asked_for_when_the_trainer_knows_its_data() -> None:
    with pytest.raises(HorizonError, match="does not know its module and data yet"):
        horizon_of(Trainer(accelerator="cpu", logger=False, enable_checkpointing=False))


# Lightning's defaults.


def test_a_scheduler_returned_plainly_is_stepped_once_an_epoch_and_that_is_told() -> None:
    """T16, and torch's own beside it, of which nobody says a word."""

    def torchs(module: Module) -> Any:
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        total = int(module.trainer.estimated_stepping_batches)
        return [module.optimizer], [lr_scheduler.CosineAnnealingLR(module.optimizer, total)]

    def plain(module: Module) -> Any:
        made = scheduled()(module)
        return [made["optimizer"]], [module.scheduler]

    silent = Module(torchs)
    fit(silent, max_epochs=3)
    assert len(set(used(silent))) == 3

    with pytest.warns(
        ScheduleWarning, match=r"plans 4 steps in an epoch.*step\(\) was called once.*ticks-per"
    ):
        fit(Module(plain), max_epochs=3)
    with pytest.raises(
        ScheduleError, match=r"once in 1 epoch\(s\), and its steps are updates; return lr_sched"
    ):
        fit(Module(plain), RateMonitor())


def test_a_schedule_in_epochs_may_be_stepped_each_epoch() -> None:
    def build(module: Module) -> Any:
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        return [module.optimizer], [Scheduler(module.optimizer, DECAY, Horizon(1, "2ep"))]

    module = Module(build)
    fit(module, RateMonitor())

    assert used(module) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def test_a_metric_given_to_step_is_refused() -> None:
    def build(module: Module) -> Any:
        made = scheduled()(module)
        made["lr_scheduler"] |= {"reduce_on_plateau": True, "monitor": "val_loss"}
        return made

    with pytest.raises(
        ScheduleError, match=r"with reduce_on_plateau=True .* Trainer\(callbacks=\[Observe\(\)\]\)"
    ):
        fit(Module(build), RateMonitor())


def test_config_takes_schedulers_only() -> None:
    with pytest.raises(TypeError, match="config takes a scheduler of an optimizer; got SGD"):
        config(SGD([nn.Parameter(torch.zeros(1))], lr=1.0))  # type: ignore[arg-type]


# The log.


def named_groups(module: Module) -> dict[str, Any]:
    groups = [
        {"params": module.body.parameters(), "name": "body", "lr": 0.1},
        {"params": module.head.parameters(), "name": "head", "lr": 1.0},
    ]
    module.optimizer = Recorded(groups, weight_decay=0.5)
    plan = {"lr": DECAY, "weight_decay": et.Cosine(BASE, 0, over="100%")}
    module.scheduler = Scheduler(module.optimizer, plan, horizon_of(module.trainer))
    return {"optimizer": module.optimizer, "lr_scheduler": config(module.scheduler)}


def test_the_rates_logged_are_the_rates_used() -> None:
    logger, monitor = Rows(), RateMonitor(1)
    module = Module(named_groups)
    fit(module, monitor, logger=logger, accumulate_grad_batches=3)

    assert [step for step, _ in logger.rows] == [0, 1, 2, 3]
    assert [[row["lr/body"], row["lr/head"]] for _, row in logger.rows] == module.optimizer.used
    decay = closed_form(et.cosine(), module.scheduler.horizon, 0.5)
    assert [row["weight_decay/head"] for _, row in logger.rows] == pytest.approx(decay, abs=1e-15)
    assert monitor.latest == logger.rows[-1][1]


@pytest.mark.parametrize(("every", "steps"), [(None, [2, 5]), (1, [0, 1, 2, 3, 4, 5, 6, 7]), (4, [3, 7])])
def test_the_rates_are_logged_as_often_as_asked(every: int | None, steps: list[int]) -> None:
    logger = Rows()
    module = Module(scheduled())
    fit(module, RateMonitor(every), logger=logger, log_every_n_steps=3)

    assert logger.rows == [(step, {"lr": used(module)[step]}) for step in steps]


def test_the_rates_are_shown_in_the_progress_bar() -> None:
    seen = []

    class Look(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            seen.append(trainer.progress_bar_metrics["lr"])

    module = Module(scheduled())
    fit(module, RateMonitor(progress_bar=True), Look())

    assert seen == pytest.approx(used(module), rel=1e-7)  # Lightning keeps what it shows in float32


def test_where_lightnings_own_monitor_differs() -> None:
    """It reads before the batch: of two updates in one it shows one, and a window's rate for each batch."""

    class TwoUpdates(Module):
        automatic_optimization = False

        def training_step(self, batch: list[Tensor], index: int) -> None:
            for _ in range(2):
                optimizer = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(self(batch[0]))
                optimizer.step()
                self.scheduler.step()

    def build(module: Module) -> Any:
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        module.scheduler = Scheduler(module.optimizer, DECAY, Horizon(total=16))
        return {"optimizer": module.optimizer, "lr_scheduler": config(module.scheduler)}

    ours, theirs = Rows(), Rows()
    module = TwoUpdates(build)
    monitors = RateMonitor(1), LearningRateMonitor("step")
    fit(module, monitors[0], logger=ours)
    fit(TwoUpdates(build), monitors[1], logger=theirs, log_every_n_steps=1)
    assert [row["lr"] for _, row in ours.rows] == used(module)
    assert [row["lr-Recorded"] for _, row in theirs.rows] == used(module)[::2]

    ours, theirs = Rows(), Rows()
    fit(Module(scheduled()), RateMonitor(1), logger=ours, accumulate_grad_batches=4)
    fit(
        Module(scheduled()),
        LearningRateMonitor("step"),
        logger=theirs,
        accumulate_grad_batches=4,
        log_every_n_steps=1,
    )
    assert [row["lr"] for _, row in ours.rows] == [1, 0.5]
    assert [row["lr-Recorded"] for _, row in theirs.rows] == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("every", [0, -1, 2.5, True])
def test_a_wrong_every_is_refused(every: Any) -> None:
    with pytest.raises(ScheduleError, match=r"RateMonitor\(every=\) must be a whole number ≥ 1; got"):
        RateMonitor(every)


# Manual optimization.


class Adversaries(Module):
    """Two optimizers: the critic has an update in each batch, the generator in every second one."""

    automatic_optimization = False
    ticks = True

    def configure_optimizers(self) -> Any:
        self.critic = Recorded(self.head.parameters(), lr=1.0)
        self.generator = Recorded(self.body.parameters(), lr=0.1)
        whole = horizon_of(self.trainer)
        half = Horizon.of(self.trainer.num_training_batches, epochs=2, accumulate=2)
        self.clocks = [
            Scheduler(self.critic, DECAY, whole),
            Scheduler(self.generator, et.cosine(), half),
        ]
        configs = [config(self.clocks[0], "critic"), config(self.clocks[1], "generator")]
        return [self.critic, self.generator], configs

    def training_step(self, batch: list[Tensor], index: int) -> None:
        for number, every in ((0, 1), (1, 2)):
            if index % every == every - 1:
                optimizer = self.optimizers()[number]
                self.toggle_optimizer(optimizer)
                optimizer.zero_grad()
                self.manual_backward(self(batch[0]))
                optimizer.step()
                self.untoggle_optimizer(optimizer)
                if self.ticks:
                    self.lr_schedulers()[number].step()


def test_two_optimizers_have_two_clocks() -> None:
    logger = Rows()
    module = Adversaries(lambda _: None)
    trainer = fit(module, RateMonitor(1), logger=logger)

    critic, generator = closed_form(DECAY, Horizon(total=8)), closed_form(et.cosine(), Horizon(total=4), 0.1)
    assert [rates for (rates,) in module.critic.used] == critic
    assert [rates for (rates,) in module.generator.used] == generator
    assert [clock.last_epoch for clock in module.clocks] == [8, 4]
    assert [row["critic/lr"] for _, row in logger.rows if "critic/lr" in row] == critic
    assert [row["generator/lr"] for _, row in logger.rows if "generator/lr" in row] == generator
    # Lightning's own count is of both together, and so is its max_steps.
    assert trainer.global_step == 12


def test_max_steps_of_several_optimizers_has_no_horizon() -> None:
    with pytest.raises(HorizonError, match=r"max_steps=6 counts the updates of all optimizers together"):
        fit(Adversaries(lambda _: None), max_steps=6)


def test_a_scheduler_that_nobody_steps_is_told() -> None:
    module = Adversaries(lambda _: None)
    module.ticks = False
    with pytest.warns(
        ScheduleWarning, match=r"optimizer \d was stepped \d times and its scheduler never"
    ) as told:
        fit(module, RateMonitor())

    assert [str(each.message)[19:50] for each in told if each.category is ScheduleWarning] == [
        "optimizer 0 was stepped 4 times",
        "optimizer 1 was stepped 2 times",
    ]


# Plateau.


class Validated(Module):
    """Its validation loss is the same every time: a plateau from the first one on."""

    metric = "val_loss"
    loss = 1.0

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log(self.metric, torch.tensor(self.loss))

    def val_dataloader(self) -> Any:
        return DataLoader(TensorDataset(torch.ones(4, 2)), batch_size=2)


FLAT = et.Constant(BASE) * et.Plateau("val_loss", factor=0.1, patience=1)


def test_a_plateau_is_told_each_validation_and_not_the_sanity_check() -> None:
    module = Validated(scheduled(FLAT))
    trainer = fit(module, Observe(), max_epochs=6)
    assert used(module)[::4] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])

    trainer.validate(module, verbose=False)
    trainer.validate(module, verbose=False)
    assert module.optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_a_plateau_of_a_training_metric_is_told_each_epoch() -> None:
    class Logged(Module):
        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            self.log("train_loss", torch.tensor(1.0), on_epoch=True)
            return super().training_step(batch, index)

    module = Logged(scheduled(et.Constant(BASE) * et.Plateau("train_loss", factor=0.1, patience=1)))
    fit(module, Observe(), max_epochs=4)

    assert used(module)[::4] == pytest.approx([1, 1, 1, 0.1])


def test_a_metric_that_was_not_logged_is_told_at_the_first_miss() -> None:
    module = Validated(scheduled(FLAT))
    module.metric = "loss"
    with pytest.raises(
        ScheduleError, match=r"follows 'val_loss', which was not measured; there are 'loss': log it"
    ):
        fit(module, Observe())
    with pytest.raises(
        ScheduleError, match="Observe has nobody to tell: no schedule of this fit has a Plateau"
    ):
        fit(Validated(scheduled()), Observe())


def test_a_checkpoint_of_a_validation_holds_what_was_observed(tmp_path: Path) -> None:
    """Lightning feeds torch's plateau after the checkpoint is written: a resumed fit counts one less."""

    def torchs(module: Module) -> Any:
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        plateau = lr_scheduler.ReduceLROnPlateau(module.optimizer, factor=0.1, patience=1)
        return {
            "optimizer": module.optimizer,
            "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"},
        }

    rates = {}
    for name, build, callbacks in (("ours", scheduled(FLAT), [Observe()]), ("torch's", torchs, [])):
        whole = Validated(build, Resumable())
        fit(whole, *callbacks, max_epochs=6)
        first = Validated(build, Resumable())
        keep = ModelCheckpoint(tmp_path / name, monitor="val_loss", save_top_k=-1, filename="{epoch}")
        fit(first, *callbacks, keep, max_epochs=6)
        second = Validated(build, Resumable())
        fit(second, *callbacks, max_epochs=6, ckpt_path=tmp_path / name / "epoch=1.ckpt")
        rates[name] = (used(whole)[8::4], used(second)[::4])

    assert rates["ours"] == (pytest.approx([1, 0.1, 0.1, 0.01]), pytest.approx([1, 0.1, 0.1, 0.01]))
    assert rates["torch's"] == (pytest.approx([1, 0.1, 0.1, 0.01]), pytest.approx([1, 1, 0.1, 0.1]))


# Groups that are added in a fit.


class Unfreeze(BaseFinetuning):
    def __init__(self, lr: float | None = 0.1, *, at_once: bool = False) -> None:
        super().__init__()
        self.lr, self.at_once = lr, at_once

    def freeze_before_training(self, pl_module: Module) -> None:
        self.freeze(pl_module.body)

    def finetune_function(self, pl_module: Module, epoch: int, optimizer: Any) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.body, optimizer, lr=self.lr)
            if self.at_once:
                pl_module.scheduler.seek(pl_module.scheduler.last_epoch)


def finetuned(make: Callable[[Any], Any]) -> Callable[[Module], dict[str, Any]]:
    def build(module: Module) -> dict[str, Any]:
        module.optimizer = Recorded(module.head.parameters(), lr=1.0)
        module.scheduler = make(module)
        return {"optimizer": module.optimizer, "lr_scheduler": config(module.scheduler)}

    return build


def joined(module: Module) -> Scheduler:
    return Scheduler(module.optimizer, DECAY, horizon_of(module.trainer))


def test_a_group_that_is_unfrozen_follows_the_schedule_from_its_own_base() -> None:
    """T40: torch's LambdaLR fails at its next step."""
    torchs = finetuned(lambda module: lr_scheduler.LambdaLR(module.optimizer, lambda step: 1 - step / 12))
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer|is shorter"):
        fit(Module(torchs), Unfreeze(), max_epochs=3)

    expected = closed_form(DECAY, Horizon(total=12))
    for at_once, raw in ((False, [0.1]), (True, [])):
        module = Module(finetuned(joined))
        fit(module, Unfreeze(at_once=at_once), max_epochs=3)
        added = [rates[1] for rates in module.optimizer.used[4:]]
        assert used(module) == expected
        # From the next step on, or at once where it is asked for.
        assert added[: len(raw)] == raw
        assert added[len(raw) :] == pytest.approx(
            [0.1 * rate for rate in expected[4 + len(raw) :]], rel=1e-15
        )


def test_a_group_that_is_unfrozen_without_a_rate_has_a_tenth_of_the_moments_for_its_base() -> None:
    """So says Lightning, of rates that have no schedule."""
    module = Module(finetuned(joined))
    fit(module, Unfreeze(lr=None), max_epochs=3)

    assert module.scheduler.base_lrs == [1, pytest.approx(used(module)[4] / 10)]


def test_a_fit_is_resumed_after_a_group_was_added(tmp_path: Path) -> None:
    ours = finetuned(joined)
    whole = Module(ours, Resumable())
    keep = ModelCheckpoint(tmp_path, every_n_train_steps=6, save_top_k=-1, filename="{step}")
    fit(whole, Unfreeze(), keep, max_epochs=3)

    rest = Module(ours, Resumable())
    fit(rest, Unfreeze(), max_epochs=3, ckpt_path=tmp_path / "step=6.ckpt")

    assert rest.optimizer.used == whole.optimizer.used[6:]


# Resuming.


@pytest.mark.parametrize("step", [3, 4, 6])
def test_a_fit_is_resumed_in_the_middle_of_an_epoch_bit_for_bit(tmp_path: Path, step: int) -> None:
    plan = et.Linear(0.1 * BASE, BASE, over=5) >> et.Cosine(BASE, 0, over="100% - 5st")
    whole = Module(scheduled(plan), Resumable())
    keep = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_top_k=-1, filename="{step}")
    fit(whole, keep, max_epochs=3)

    rest = Module(scheduled(plan), Resumable())
    fit(rest, max_epochs=3, ckpt_path=tmp_path / f"step={step}.ckpt")

    assert used(rest) == used(whole)[step:] == closed_form(plan, Horizon(total=12))[step:]
    for ours, theirs in zip(rest.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_asking_for_the_horizon_leaves_a_resumable_loader_its_place(tmp_path: Path) -> None:
    """Lightning's own estimate, asked for in the same place, loses it: the epoch begins anew."""
    seen: list[int] = []

    class Told(Resumable):
        def load_state_dict(self, state: dict[str, int]) -> None:
            seen.append(state["position"])
            super().load_state_dict(state)

    def estimated(module: Module) -> Any:
        assert module.trainer.estimated_stepping_batches == 8
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        return module.optimizer

    for build, told in ((estimated, []), (scheduled(), [3])):
        keep = ModelCheckpoint(tmp_path / str(told), every_n_train_steps=3, save_top_k=-1, filename="{step}")
        fit(Module(build, Told()), keep)
        fit(Module(build, Told()), ckpt_path=tmp_path / str(told) / "step=3.ckpt")
        assert seen == told


def longer(tmp_path: Path, build: Callable[[Module], Any]) -> list[float]:
    """The rates of a fit of two epochs, resumed with four."""
    keep = ModelCheckpoint(tmp_path, save_top_k=-1, filename="{epoch}")
    fit(Module(build, Resumable()), keep, max_epochs=2)
    module = Module(build, Resumable())
    fit(module, max_epochs=4, ckpt_path=tmp_path / "epoch=1.ckpt")
    return used(module)


def test_torchs_cosine_climbs_when_a_fit_is_made_longer(tmp_path: Path) -> None:
    """T09, as it is today."""

    def torchs(module: Module) -> Any:
        module.optimizer = Recorded(module.parameters(), lr=1.0)
        total = int(module.trainer.estimated_stepping_batches)
        cosine = lr_scheduler.CosineAnnealingLR(module.optimizer, total)
        return {"optimizer": module.optimizer, "lr_scheduler": config(cosine)}

    rates = longer(tmp_path, torchs)
    assert rates == pytest.approx([0, 0.038, 0.146, 0.309, 0.5, 0.691, 0.854, 0.962], abs=1e-3)


def test_a_longer_fit_is_refused_with_the_difference(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match=r"Horizon\(total=\): '2ep' in the checkpoint, '4ep' now"):
        longer(tmp_path, scheduled(et.cosine()))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("stretch", closed_form(et.cosine(), Horizon(total=16))[8:]),
        ("hold", [0.0] * 8),
        ("keep", [0.0] * 8),
    ],
)
def test_a_longer_fit_follows_the_policy_and_never_climbs(
    tmp_path: Path, policy: Any, expected: list[float]
) -> None:
    """T09."""
    nothing_left = pytest.warns(ScheduleWarning, match=r"\[nothing-left\]")
    with nullcontext() if policy == "stretch" else nothing_left:
        rates = longer(tmp_path, scheduled(et.cosine(), on_change=policy))

    assert rates == pytest.approx(expected, abs=1e-15)
    assert rates == sorted(rates, reverse=True)


# Mixed precision.


class Overflowing(Module):
    """Its first two attempts overflow: the scaler skips their updates."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = super().training_step(batch, index)
        return loss * torch.inf if self.trainer.global_step < 2 else loss


def in_half() -> dict[str, Any]:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**4)
    return {"plugins": MixedPrecision("16-mixed", "cpu", scaler), "max_epochs": 2}


WARMUP = et.Linear(0.1 * BASE, BASE, over=5)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # torch's, of Lightning's order
@pytest.mark.parametrize(
    ("fused", "theirs", "rates"),
    [
        # A scaler leaves out the step of a plain optimizer; a fused one finds the overflow in its step.
        (False, [0.46, 0.64, 0.82, 1, 1, 1], [0.1, 0.28, 0.46, 0.64, 0.82, 1]),
        (True, [0.1, 0.28, 0.46, 0.64, 0.82, 1, 1, 1], [0.1, 0.1, 0.1, 0.28, 0.46, 0.64, 0.82, 1]),
    ],
)
def test_a_skipped_update_does_not_tick(fused: bool, theirs: list[float], rates: list[float]) -> None:
    """T23: Lightning steps schedulers after attempts."""

    def torchs(module: Module) -> Any:
        module.optimizer = Recorded(module.parameters(), lr=1.0, fused=fused)
        warmup = lr_scheduler.LinearLR(module.optimizer, 0.1, 1.0, total_iters=5)
        return {"optimizer": module.optimizer, "lr_scheduler": config(warmup)}

    def ours(module: Module) -> Any:
        scaler = module.trainer.precision_plugin.scaler  # type: ignore[union-attr]
        module.optimizer = Recorded(module.parameters(), lr=1.0, fused=fused)
        module.scheduler = Scheduler(module.optimizer, WARMUP, scaler=scaler)
        return {"optimizer": module.optimizer, "lr_scheduler": config(module.scheduler)}

    today, module = Overflowing(torchs), Overflowing(ours)
    fit(today, **in_half())
    fit(module, **in_half())

    assert used(today) == pytest.approx(theirs)
    assert used(module) == pytest.approx(rates)
    assert (module.scheduler.last_epoch, module.scheduler.skipped) == (6, 2)


# Several processes.


def test_two_processes_have_the_rates_of_one_and_a_fit_goes_on_with_another_number(tmp_path: Path) -> None:
    both = together("tests.trainers.lightning_ranks", 2, tmp_path / "two", "2")
    alone = Module(scheduled(et.linear(warmup=3)))
    with pytest.warns(UserWarning, match="your dataloader is not resumable"):
        fit(alone, max_epochs=3, ckpt_path=tmp_path / "step=5.ckpt")

    expected = closed_form(et.linear(warmup=3), Horizon(total=12))
    horizon = "Horizon(steps_per_epoch=4, total='3ep', samples_per_step=4)"
    assert both == [{"used": expected, "horizon": horizon}] * 2
    assert used(alone) == expected[5:]
    assert repr(alone.scheduler.horizon) == horizon


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(PROGRAMS / "lightning_training.py"))

    printed = capsys.readouterr().out
    assert printed.startswith("29 batches an epoch = 29 updates an epoch; × 6 epochs = 174 updates\n")
    rates = [float(rate) for rate in re.findall(r"last update used {'lr': (\S+),", printed)]
    table = et.one_cycle().on(Horizon(total=174))
    assert rates == table(range(28, 174, 29), 0.2).tolist()


# Recording.


def fit_recorded(module: Module, record: Record, folder: Path, **options: Any) -> Any:
    """Fit and record; the run and its readings."""
    quiet = ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")
    Trainer(accelerator="cpu", callbacks=[record], **dict.fromkeys(quiet, False), **options).fit(module)
    return stored(folder)


def stored(folder: Path) -> Any:
    with open_store(folder / "runs.sqlite") as store:
        [*_, last] = store.runs()
        return last, store.readings(last.id)


@pytest.mark.parametrize(("accumulate", "updates"), [(1, 8), (3, 4)])
def test_a_record_has_every_update_with_the_rate_and_loss_that_it_had(
    tmp_path: Path, accumulate: int, updates: int
) -> None:
    losses: list[float] = []

    class Told(Module):
        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            loss = super().training_step(batch, index)
            losses.append(loss.item() / accumulate)
            self.log("shown", loss * 2)
            return loss

    module = Told(scheduled())
    record = Record(to=tmp_path / "runs.sqlite", name="falling", seed=3)
    run, readings = fit_recorded(module, record, tmp_path, max_epochs=2, accumulate_grad_batches=accumulate)

    assert (run.id, run.label, run.key.seed, run.status) == (record.run_id, "falling", 3, "finished")
    assert run.plan.horizon == module.scheduler.horizon
    assert [reading.step for reading in readings] == list(range(updates))
    assert [[reading.rates["0"]] for reading in readings] == module.optimizer.used
    windows = [losses[:4], losses[4:]]
    sums = [sum(half[i : i + accumulate]) for half in windows for i in range(0, 4, accumulate)]
    assert [reading.metrics["loss"] for reading in readings] == pytest.approx(sums)
    # What was logged is told where an epoch ends.
    assert ["shown" in reading.metrics for reading in readings] == ([False] * (updates // 2 - 1) + [True]) * 2
    assert run.results.keys() == {"loss", "shown"}


def test_what_is_validated_belongs_to_the_update_before(tmp_path: Path) -> None:
    class Validated(Module):
        def validation_step(self, batch: list[Tensor], index: int) -> None:
            self.log("val_loss", self(batch[0]))

        def val_dataloader(self) -> Any:
            return self.loader

    record = Record(to=tmp_path / "runs.sqlite")
    _, readings = fit_recorded(
        Validated(scheduled(lr=0.01)), record, tmp_path, max_epochs=1, val_check_interval=2
    )

    assert [sorted(reading.metrics) for reading in readings] == [["loss"], ["loss", "val_loss"]] * 2
    assert readings[1].metrics["val_loss"] > readings[3].metrics["val_loss"]


def test_a_fit_that_fails_is_a_run_that_failed(tmp_path: Path) -> None:
    class Failing(Module):
        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            if index == 2:
                raise ArithmeticError("no more")
            return super().training_step(batch, index)

    with pytest.raises(ArithmeticError):
        fit_recorded(Failing(scheduled()), Record(to=tmp_path / "runs.sqlite"), tmp_path, max_epochs=1)

    run, readings = stored(tmp_path)
    assert run.status == "failed"
    assert run.error.endswith("ArithmeticError: no more\n")
    assert [reading.step for reading in readings] == [0, 1]


def test_a_resumed_fit_is_a_run_that_begins_where_it_goes_on(tmp_path: Path) -> None:
    quiet: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "enable_checkpointing": False}
    first = Trainer(max_epochs=1, **quiet)
    first.fit(Module(scheduled()))
    first.save_checkpoint(tmp_path / "one.ckpt")
    record = Record(to=tmp_path / "runs.sqlite")
    trainer = Trainer(max_epochs=2, callbacks=[record], **quiet)
    trainer.fit(Module(scheduled(on_change="stretch")), ckpt_path=tmp_path / "one.ckpt")

    run, readings = stored(tmp_path)
    assert (run.plan.begun, [reading.step for reading in readings]) == (4, [4, 5, 6, 7])


def test_each_of_two_optimizers_has_a_record_of_its_own(tmp_path: Path) -> None:
    def build(module: Module) -> Any:
        own = [(module.body, 1.0), (module.head, 2.0)]
        module.own = [Recorded(layer.parameters(), lr=lr) for layer, lr in own]
        horizon = horizon_of(module.trainer)
        return module.own, [config(Scheduler(optimizer, DECAY, horizon)) for optimizer in module.own]

    class Manual(Module):
        automatic_optimization = False

        def training_step(self, batch: list[Tensor], index: int) -> None:  # type: ignore[override]
            for optimizer, scheduler in zip(self.optimizers(), self.lr_schedulers(), strict=True):  # type: ignore[arg-type]
                optimizer.zero_grad()
                self.manual_backward(self(batch[0]))
                optimizer.step()
                scheduler.step()

    module = Manual(build)
    both = [Record(to=tmp_path / "runs.sqlite", name=str(index), optimizer=index) for index in range(2)]
    options: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    Trainer(
        max_epochs=1, callbacks=both, enable_checkpointing=False, enable_model_summary=False, **options
    ).fit(module)

    with open_store(tmp_path / "runs.sqlite") as store:
        for record, optimizer in zip(both, module.own, strict=True):
            assert record.run_id is not None
            assert [[one.rates["0"]] for one in store.readings(record.run_id)] == optimizer.used


def test_a_record_of_no_scheduler_of_ours_is_refused(tmp_path: Path) -> None:
    def build(module: Module) -> Any:
        return SGD(module.parameters(), lr=1.0)

    with pytest.raises(ScheduleError, match=r"records an etude\.torch\.Scheduler, .* optimizer has none"):
        fit_recorded(Module(build), Record(to=tmp_path / "runs.sqlite"), tmp_path, max_epochs=1)
