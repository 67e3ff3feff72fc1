"""Etude in transformers' Trainer: updates use and log the rates of the closed form, resumed ones too."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Dataset, IterableDataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import etude as et
from etude import BASE, Horizon
from etude.errors import HorizonError, ResumeError, ScheduleError, ScheduleWarning
from etude.record import open_store
from etude.torch import Scheduler
from etude.trainers.huggingface import Observe, Record, ScheduledTrainer, horizon_of
from tests.trainers.processes import together

EXAMPLES = 16
PROGRAMS = Path(__file__).parents[2] / "examples"
DECAY = et.Linear(BASE, 0, over="100%")


class Sentences(Dataset[dict[str, Tensor]]):
    """Short sentences of random words, the same ones each time."""

    def __init__(self, examples: int = EXAMPLES) -> None:
        generator = torch.Generator().manual_seed(0)
        self.words = torch.randint(0, 20, (examples, 4), generator=generator)
        self.labels = torch.randint(0, 2, (examples,), generator=generator)

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.words[index], "labels": self.labels[index]}


class Stream(IterableDataset[dict[str, Tensor]]):
    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        sentences = Sentences()
        return (sentences[index] for index in range(len(sentences)))


def model() -> BertForSequenceClassification:
    torch.manual_seed(0)
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    return BertForSequenceClassification(BertConfig(vocab_size=20, max_position_embeddings=8, **small))


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    usual: dict[str, Any] = {
        "output_dir": str(folder),
        "use_cpu": True,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 16,
        "num_train_epochs": 2,
        "learning_rate": 1.0,
        "max_grad_norm": 0.1,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
    return TrainingArguments(**(usual | options))


class Used(TrainerCallback):
    """The rates that each update uses, as they are in torch's own groups just before it."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **now: Any) -> None:
        self.rates.append([float(group["lr"]) for group in now["optimizer"].optimizer.param_groups])

    @property
    def first(self) -> list[float]:
        return [rates[0] for rates in self.rates]


def follow(plan: Any, **options: Any) -> Callable[[Optimizer, Horizon], Scheduler]:
    return lambda optimizer, horizon: Scheduler(optimizer, plan, horizon, **options)


def train(args: TrainingArguments, plan: Any = DECAY, *callbacks: TrainerCallback, **options: Any) -> Any:
    """A run of ScheduledTrainer with plain SGD; the trainer, and the rates that it used."""
    used = Used()
    network = model()
    kind = options.pop("kind", ScheduledTrainer)
    resume = options.pop("resume", None)
    changes = {"on_change": options.pop("on_change", None)}
    usual = {"train_dataset": Sentences(), "eval_dataset": Sentences(), "callbacks": [used, *callbacks]}
    usual["optimizers"] = (SGD(network.parameters(), lr=args.learning_rate), None)
    trainer = kind(network, args, scheduler=follow(plan, **changes), **(usual | options))
    trainer.train(resume_from_checkpoint=resume)
    return trainer, used


def closed_form(plan: et.Schedule, horizon: Horizon, lr: float = 1.0) -> list[float]:
    return plan.on(horizon)(range(int(horizon.total_steps or 0)), lr).tolist()  # type: ignore[no-any-return]


def logged(trainer: Trainer, name: str = "learning_rate") -> list[float]:
    return [row[name] for row in trainer.state.log_history if name in row]


# Each update's rate.

RUNS = [
    ({}, Horizon(4, "2ep", samples_per_step=4)),
    ({"gradient_accumulation_steps": 3}, Horizon(2, "2ep", samples_per_step=12)),
    ({"num_train_epochs": 1.5, "gradient_accumulation_steps": 2}, Horizon(2, "1.5ep", samples_per_step=8)),
    ({"num_train_epochs": 1.3}, Horizon(4, 6, samples_per_step=4)),
    ({"max_steps": 5}, Horizon(4, 5, samples_per_step=4)),
    ({"per_device_train_batch_size": 5}, Horizon(4, "2ep", samples_per_step=5)),
    (
        {"per_device_train_batch_size": 5, "dataloader_drop_last": True},
        Horizon(3, "2ep", samples_per_step=5),
    ),
    ({"bf16": True}, Horizon(4, "2ep", samples_per_step=4)),
]
NAMES = ["plain", "accumulation", "half an epoch", "broken", "max_steps", "last batch", "drop_last", "bf16"]


@pytest.mark.parametrize(("options", "horizon"), RUNS, ids=NAMES)
def test_every_update_uses_and_logs_its_own_rate_over_the_trainers_horizon(
    tmp_path: Path, options: dict[str, Any], horizon: Horizon
) -> None:
    args = arguments(tmp_path, **options)
    trainer, used = train(args)

    assert trainer.lr_scheduler.horizon == horizon_of(args, Sentences()) == horizon
    assert str(trainer.lr_scheduler.horizon) == str(horizon_of(args, EXAMPLES))
    assert used.first == closed_form(DECAY, horizon)
    assert logged(trainer) == used.first
    assert trainer.lr_scheduler.last_epoch == trainer.state.global_step == len(used.first)


def test_a_scheduler_may_be_handed_over_ready_made(tmp_path: Path) -> None:
    args = arguments(tmp_path, gradient_accumulation_steps=3)
    network, used = model(), Used()
    optimizer = AdamW(network.parameters(), lr=1.0)
    scheduler = Scheduler(optimizer, et.cosine(), horizon_of(args, Sentences()))
    trainer = Trainer(
        network,
        args,
        train_dataset=Sentences(),
        optimizers=(optimizer, scheduler),  # type: ignore[arg-type]  # typed as LambdaLR
        callbacks=[used],
    )
    trainer.train()

    assert used.first == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)
    assert logged(trainer) == used.first


def test_a_ready_made_scheduler_goes_on_in_a_second_training_and_tells(tmp_path: Path) -> None:
    args = arguments(tmp_path)
    network = model()
    optimizer = SGD(network.parameters(), lr=1.0)
    scheduler: Any = Scheduler(optimizer, DECAY, horizon_of(args, Sentences()))
    trainer = Trainer(network, args, train_dataset=Sentences(), optimizers=(optimizer, scheduler))
    trainer.train()

    with pytest.warns(ScheduleWarning, match=r"planned 8 updates and the run goes on.*\[run-goes-on\]"):
        trainer.train()


def test_transformers_own_schedule_logs_what_it_uses_and_begins_with_an_update_at_zero(
    tmp_path: Path,
) -> None:
    used = Used()
    args = arguments(tmp_path, warmup_steps=2)
    trainer = Trainer(model(), args, train_dataset=Sentences(), callbacks=[used])
    trainer.train()

    assert used.first == pytest.approx([0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert logged(trainer) == used.first


def test_the_optimizer_of_the_arguments_is_scheduled(tmp_path: Path) -> None:
    args = arguments(tmp_path, optim="adamw_torch", weight_decay=0.1)
    plan = {"lr": DECAY, "weight_decay": et.Linear(0, BASE, over="100%")}
    trainer, used = train(args, plan, optimizers=(None, None))

    assert used.rates == [[rate, rate] for rate in closed_form(DECAY, Horizon(total=8))]
    # The Trainer's second group is of biases and norms, which do not decay.
    assert logged(trainer, "weight_decay/0") == pytest.approx([0.1 * step / 8 for step in range(8)])
    assert logged(trainer, "weight_decay/1") == [0.0] * 8


def test_the_rates_of_named_groups_are_logged(tmp_path: Path) -> None:
    network = model()
    groups = [
        {"params": network.bert.parameters(), "name": "body", "lr": 0.1},
        {"params": network.classifier.parameters(), "name": "head", "lr": 1.0},
    ]
    used = Used()
    trainer = ScheduledTrainer(
        network,
        arguments(tmp_path, logging_steps=3),
        train_dataset=Sentences(),
        optimizers=(SGD(groups), None),
        callbacks=[used],
        scheduler=follow(DECAY),
    )
    trainer.train()

    rows = [row for row in trainer.state.log_history if "learning_rate" in row]
    assert [row["step"] for row in rows] == [3, 6]
    assert [[row["lr/body"], row["lr/head"]] for row in rows] == [used.rates[2], used.rates[5]]
    assert [row["learning_rate"] for row in rows] == [row["lr/body"] for row in rows]


def test_another_trainer_is_scheduled_likewise(tmp_path: Path) -> None:
    class Mine(ScheduledTrainer, Seq2SeqTrainer):
        pass

    plain = arguments(tmp_path)
    args = Seq2SeqTrainingArguments(
        **{name: getattr(plain, name) for name in ("output_dir", "use_cpu", "per_device_train_batch_size")},
        num_train_epochs=2,
        learning_rate=1.0,
        max_grad_norm=0.1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    _, used = train(args, kind=Mine)

    assert used.first == closed_form(DECAY, Horizon(total=8))


def test_a_model_init_and_a_second_training_begin_anew(tmp_path: Path) -> None:
    used = Used()
    trainer = ScheduledTrainer(
        args=arguments(tmp_path),
        model_init=model,
        train_dataset=Sentences(),
        callbacks=[used],
        scheduler=follow(DECAY),
    )
    trainer.train()
    trainer.train()

    assert used.first == closed_form(DECAY, Horizon(total=8)) * 2


def test_data_without_a_length_has_the_total_of_max_steps(tmp_path: Path) -> None:
    args = arguments(tmp_path, max_steps=6)
    trainer, used = train(args, train_dataset=Stream())

    assert trainer.lr_scheduler.horizon == horizon_of(args, Stream()) == Horizon(total=6, samples_per_step=4)
    assert used.first == closed_form(DECAY, Horizon(total=6))


def test_what_has_no_horizon_is_told(tmp_path: Path) -> None:
    with pytest.raises(HorizonError, match=r"Stream has no length.*TrainingArguments\(max_steps=\.\.\.\)"):
        horizon_of(arguments(tmp_path), Stream())
    with pytest.raises(HorizonError, match=r"with auto_find_batch_size=True .* use ScheduledTrainer"):
        horizon_of(arguments(tmp_path, auto_find_batch_size=True), Sentences())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_steps": 3}, r"TrainingArguments\(warmup_steps=3\) would do nothing; write it into the"),
        (
            {"lr_scheduler_kwargs": {"num_cycles": 1}},
            r"TrainingArguments\(lr_scheduler_kwargs=\{'num_cycles': 1",
        ),
    ],
)
def test_arguments_that_would_do_nothing_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScheduleError, match=message):
        train(arguments(tmp_path, **options))


def test_one_scheduler_is_given_and_it_is_a_function(tmp_path: Path) -> None:
    network = model()
    optimizer = SGD(network.parameters(), lr=1.0)
    scheduler: LRScheduler = Scheduler(optimizer, DECAY, Horizon(total=8))
    with pytest.raises(
        ScheduleError, match=r"is a function of the optimizer and the horizon.*; got <Scheduler"
    ):
        ScheduledTrainer(network, arguments(tmp_path), scheduler=scheduler)  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match=r"builds its scheduler; write optimizers=\(optimizer, None\)"):
        ScheduledTrainer(
            network, arguments(tmp_path), optimizers=(optimizer, scheduler), scheduler=follow(DECAY)
        )


# Plateau.

FLAT = et.Constant(BASE) * et.Plateau("eval_loss", factor=0.1, patience=1, threshold=0.9)
"""The losses of these runs never improve by nine tenths: a plateau from the first evaluation on."""


def test_a_plateau_is_told_each_evaluation_of_the_training_only(tmp_path: Path) -> None:
    args = arguments(tmp_path, num_train_epochs=6, eval_strategy="epoch", eval_on_start=True)
    trainer, used = train(args, FLAT, Observe())
    assert used.first[::4] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])

    trainer.evaluate()
    trainer.evaluate()
    assert trainer.lr_scheduler.get_last_lr() == pytest.approx([0.01])


def test_a_plateau_of_one_of_several_evaluation_sets_is_told(tmp_path: Path) -> None:
    plan = et.Constant(BASE) * et.Plateau("eval_b_loss", factor=0.1, patience=1, threshold=0.9)
    sets = {"a": Sentences(), "b": Sentences()}
    args = arguments(tmp_path, num_train_epochs=4, eval_strategy="epoch")
    _, used = train(args, plan, Observe(), eval_dataset=sets)

    assert used.first[::4] == pytest.approx([1, 1, 1, 0.1])


def test_a_metric_that_was_not_measured_is_told(tmp_path: Path) -> None:
    plan = et.Constant(BASE) * et.Plateau("accuracy", mode="max")
    for epochs in (1, 2):
        args = arguments(tmp_path, eval_strategy="epoch", num_train_epochs=epochs)
        with pytest.raises(
            ScheduleError, match=r"follows 'accuracy', which was not measured; there are .*'eval_loss'"
        ):
            train(args, plan, Observe())
    with pytest.raises(
        ScheduleError, match="Observe has nobody to tell: the Trainer's scheduler has no Plateau"
    ):
        train(arguments(tmp_path), DECAY, Observe())


# Resuming.


FLAT_FACTOR = et.Plateau("eval_loss", factor=0.5, patience=1, threshold=0.9)
RESUMED = et.Linear(0.1 * BASE, BASE, over=2) >> et.Cosine(BASE, 0, over="100% - 2st") * FLAT_FACTOR


def resumable(folder: Path) -> TrainingArguments:
    each = {"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 2}
    return arguments(folder, num_train_epochs=5, **each)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Used]:
    """A run from its beginning to its end, and the folder of its checkpoints."""
    folder: Path = tmp_path_factory.mktemp("whole")
    return folder, *train(resumable(folder), RESUMED, Observe())


@pytest.mark.parametrize("step", [3, 4, 6])
def test_a_run_is_resumed_in_the_middle_of_an_epoch_bit_for_bit(
    tmp_path: Path, whole: tuple[Path, Any, Used], step: int
) -> None:
    folder, trained, used = whole
    resume = str(folder / f"checkpoint-{step}")
    rest, again = train(resumable(tmp_path), RESUMED, Observe(), resume=resume)

    assert again.first == used.first[step:]
    assert min(used.first) < 1e-3 < used.first[step]
    for ours, theirs in zip(rest.model.parameters(), trained.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def longer(tmp_path: Path, plan: et.Schedule, on_change: Any) -> list[float]:
    """The rates of a run of 8 updates, resumed with 16."""
    train(arguments(tmp_path, max_steps=8, save_strategy="steps", save_steps=8), plan)
    resume = str(tmp_path / "checkpoint-8")
    _, used = train(arguments(tmp_path, max_steps=16), plan, resume=resume, on_change=on_change)
    return used.first  # type: ignore[no-any-return]


def test_transformers_own_schedule_uses_a_stale_rate_when_a_run_is_made_longer(tmp_path: Path) -> None:
    """T11, as it is today."""
    args = {"lr_scheduler_type": "cosine", "save_strategy": "steps", "save_steps": 8}
    used = Used()
    Trainer(model(), arguments(tmp_path, max_steps=8, **args), train_dataset=Sentences()).train()
    longer_one = Trainer(
        model(), arguments(tmp_path, max_steps=16, **args), train_dataset=Sentences(), callbacks=[used]
    )
    longer_one.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))

    assert used.first[:2] == pytest.approx([0, 0.402455], abs=1e-6)


def test_a_longer_run_is_refused_with_the_difference(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match=r"Horizon\(total=\): 8 in the checkpoint, 16 now"):
        longer(tmp_path, et.cosine(), None)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("stretch", closed_form(et.cosine(), Horizon(total=16))[8:]),
        ("hold", [0.0] * 8),
        ("keep", [0.0] * 8),
    ],
)
@pytest.mark.filterwarnings("default::etude.errors.ScheduleWarning")
def test_a_longer_run_is_on_the_new_curve_from_its_first_update(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, policy: Any, expected: list[float]
) -> None:
    """T11."""
    rates = longer(tmp_path, et.cosine(), policy)

    # The Trainer keeps warnings to itself while it loads; what is left is told in the log.
    assert ("lr of group '0' 0 " in caplog.text) is (policy != "stretch")
    assert rates == pytest.approx(expected, abs=1e-15)
    assert rates == sorted(rates, reverse=True)


# Several processes.


def test_two_processes_have_the_rates_of_one_and_a_run_goes_on_with_another_number(tmp_path: Path) -> None:
    plan = et.linear(warmup=3)
    both = together("tests.trainers.huggingface_ranks", 2, tmp_path / "two")
    args = arguments(tmp_path, num_train_epochs=3)
    resume = str(tmp_path / "run" / "checkpoint-5")
    alone, again = train(args, plan, optimizers=(None, None), resume=resume)

    expected = closed_form(plan, Horizon(total=12))
    horizons = ["Horizon(steps_per_epoch=4, total='3ep', samples_per_step=4)"]
    assert both == [{"used": expected, "horizons": horizons}] * 2
    assert again.first == expected[5:]
    assert repr(alone.lr_scheduler.horizon) == horizons[0]


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(PROGRAMS / "huggingface_training.py"))

    printed = capsys.readouterr().out
    assert printed.startswith("57 batches an epoch = 57 updates an epoch; × 4 epochs = 228 updates\n")
    rates = [float(rate) for rate in re.findall(r"'learning_rate': '(\S+)'", printed)]
    table = et.linear(warmup="10%").on(Horizon(total=228))
    assert rates == pytest.approx(table(range(37, 228, 38), 1e-2).tolist(), rel=1e-3)


# Recording.


def test_a_record_has_every_update_with_the_rate_that_it_used_and_what_was_logged(tmp_path: Path) -> None:
    record = Record(to=tmp_path / "runs.sqlite", name="falling", task="sentences")
    args = arguments(tmp_path, gradient_accumulation_steps=2, eval_strategy="epoch", eval_on_start=True)
    trainer, used = train(args, DECAY, record)

    with open_store(tmp_path / "runs.sqlite") as store:
        [run] = store.runs()
        readings = store.readings(run.id)
    assert (run.id, run.status) == (record.run_id, "finished")
    assert (run.label, run.key.task) == ("falling", "sentences")
    assert run.plan is not None
    assert run.plan.horizon == trainer.lr_scheduler.horizon
    assert [reading.step for reading in readings] == [0, 1, 2, 3]
    assert [reading.rates["0"] for reading in readings] == used.first
    assert [reading.metrics["loss"] for reading in readings] == logged(trainer, "loss")
    assert ["eval_loss" in reading.metrics for reading in readings] == [False, True, False, True]
    # The first is that of eval_on_start, which is of no update.
    assert [readings[step].metrics["eval_loss"] for step in (1, 3)] == logged(trainer, "eval_loss")[1:]
    assert not any(name.startswith(("train_", "epoch", "learning")) for name in run.results)


def test_a_second_training_is_another_run(tmp_path: Path) -> None:
    network, args = model(), arguments(tmp_path)
    optimizer = SGD(network.parameters(), lr=0.1)
    scheduler = Scheduler(optimizer, et.Constant(BASE), horizon_of(args, EXAMPLES * 2))
    record = Record(to=tmp_path / "runs.sqlite")
    trainer = Trainer(
        network, args, train_dataset=Sentences(), optimizers=(optimizer, scheduler), callbacks=[record]
    )

    trainer.train()
    trainer.train()

    with open_store(tmp_path / "runs.sqlite") as store:
        runs = store.runs(status="finished")
        steps = [[reading.step for reading in store.readings(run.id)] for run in runs]
    assert [run.plan.begun for run in runs if run.plan is not None] == [0, 8]
    assert steps == [list(range(8)), list(range(8, 16))]


def test_a_training_that_fails_is_a_run_that_was_broken_off(tmp_path: Path) -> None:
    class Failing(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> None:
            if state.global_step == 3:
                raise ArithmeticError("no more")

    record = Record(to=tmp_path / "runs.sqlite")
    with pytest.raises(ArithmeticError):
        train(arguments(tmp_path), DECAY, record, Failing())
    del record._recording

    with open_store(tmp_path / "runs.sqlite") as store:
        [run] = store.runs()
        assert run.status == "interrupted"
        assert [reading.step for reading in store.readings(run.id)] == [0, 1]


def test_a_record_of_no_scheduler_of_ours_is_refused(tmp_path: Path) -> None:
    record = Record(to=tmp_path / "runs.sqlite")
    trainer = Trainer(model(), arguments(tmp_path), train_dataset=Sentences(), callbacks=[record])

    with pytest.raises(ScheduleError, match=r"records an etude\.torch\.Scheduler, .* optimizer has LambdaLR"):
        trainer.train()
