"""A scheduler in transformers' Trainer: its horizon from the arguments, metrics fed, rates logged."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import has_length

from etude.durations import Duration, Horizon, to_fraction
from etude.errors import HorizonError, ScheduleError
from etude.readings import Observer
from etude.torch import Scheduler
from etude.trainers.numbers import followed, in_use, tell
from etude.trainers.recording import Recording

__all__ = ["Observe", "Record", "ScheduledTrainer", "horizon_of"]


def horizon_of(args: TrainingArguments, dataset: Any) -> Horizon:
    """Return the horizon of a Trainer with these arguments, for ``optimizers=(optimizer, scheduler)``.

    The batches of all processes, accumulation, ``num_train_epochs`` and ``max_steps`` are counted as the
    Trainer counts them; a window of accumulation that the epoch's end cuts short is one update. ``print`` the
    result to see the sum.

    Args:
        args: the Trainer's.
        dataset: the one to train on, or the number of its examples.

    Raises:
        HorizonError: for a dataset without a length and no ``max_steps``; for ``auto_find_batch_size``, which
            decides on the number of updates only when it runs.

    >>> from transformers import TrainingArguments
    >>> args = TrainingArguments(per_device_train_batch_size=4, gradient_accumulation_steps=3, use_cpu=True)
    >>> print(horizon_of(args, dataset=16))
    4 batches an epoch, 3 to an update (a partial window counts) = 2 updates an epoch; × 3 epochs = 6 updates
    """
    if args.auto_find_batch_size:
        raise HorizonError(
            "with auto_find_batch_size=True the number of updates is known only when the Trainer runs; use "
            "ScheduledTrainer, which asks it then"
        )
    ranks = _ranks(args)
    samples = args.train_batch_size * args.gradient_accumulation_steps * ranks
    try:
        examples = dataset if isinstance(dataset, int) else len(dataset)
    except (TypeError, NotImplementedError):
        if args.max_steps > 0:
            return Horizon(total=args.max_steps, samples_per_step=samples)
        raise HorizonError(
            f"{type(dataset).__name__} has no length, so its updates cannot be counted; give "
            f"TrainingArguments(max_steps=...)"
        ) from None
    rounded = math.floor if args.dataloader_drop_last else math.ceil
    batches = rounded(Fraction(rounded(Fraction(examples, args.train_batch_size)), ranks))
    per_epoch = max(math.ceil(Fraction(batches, args.gradient_accumulation_steps)), 1)
    return _horizon(args, batches, per_epoch, samples, ranks)


def _ranks(args: TrainingArguments) -> int:
    """The processes that have batches of their own: with split_batches they share each."""
    return 1 if args.accelerator_config.split_batches else args.world_size  # type: ignore[union-attr]


def _horizon(args: TrainingArguments, batches: int, per_epoch: int, samples: int, ranks: int) -> Horizon:
    """Lay out a run; the Trainer rounds the updates of a broken number of epochs up."""
    epochs = to_fraction(args.num_train_epochs, "num_train_epochs")
    whole = (epochs * per_epoch).denominator == 1
    updates = args.max_steps if args.max_steps > 0 else math.ceil(epochs * per_epoch)
    window = args.gradient_accumulation_steps
    return Horizon(
        per_epoch,
        Duration.of({"ep": epochs}) if whole and args.max_steps <= 0 else updates,
        samples_per_step=samples,
    ).counted_from(
        f"{batches} batches an epoch"
        + (f" in each of {ranks} processes" if ranks > 1 else "")
        + (f", {window} to an update (a partial window counts)" if window > 1 else "")
    )


class ScheduledTrainer(Trainer):
    """transformers' Trainer, with a Scheduler on the optimizer and over the length that it comes to itself.

    It serves where ``optimizers=(optimizer, scheduler)`` cannot: with the optimizer of ``TrainingArguments``,
    with FSDP, ``model_init`` and ``auto_find_batch_size``. For another Trainer, derive from both:
    ``class Mine(ScheduledTrainer, Seq2SeqTrainer): pass``.

    Beside ``learning_rate``, which is the first group's, each row of the log has the rates of named groups
    (``lr/head``), and whatever else is scheduled (``weight_decay/head``), that its last update used.

    Args:
        scheduler: what builds the Scheduler: a function of the optimizer and the horizon.
        arguments: those of the Trainer, positional or by name.

    Raises:
        ScheduleError: for a scheduler in ``optimizers`` too, and for ``warmup_steps`` or
            ``lr_scheduler_kwargs``, which would do nothing.

    Example: ``ScheduledTrainer(model, args, train_dataset=data, scheduler=lambda optimizer, horizon:
    Scheduler(optimizer, one_cycle(), horizon))``.
    """

    def __init__(
        self, *arguments: Any, scheduler: Callable[[Optimizer, Horizon], LRScheduler], **keywords: Any
    ) -> None:
        if not callable(scheduler):
            raise ScheduleError(
                "ScheduledTrainer(scheduler=) is a function of the optimizer and the horizon, such as lambda "
                f"optimizer, horizon: Scheduler(optimizer, plan, horizon); got {scheduler!r}"
            )
        super().__init__(*arguments, **keywords)
        if self.lr_scheduler is not None:
            raise ScheduleError("ScheduledTrainer builds its scheduler; write optimizers=(optimizer, None)")
        for name in ("warmup_steps", "lr_scheduler_kwargs"):
            if value := getattr(self.args, name):
                raise ScheduleError(
                    f"TrainingArguments({name}={value!r}) would do nothing; write it into the schedule, such "
                    f"as linear(warmup=500)"
                )
        self._build = scheduler
        self._reads = _Reads()
        self.add_callback(self._reads)

    def set_initial_training_values(self, args: TrainingArguments, dataloader: Any) -> Any:
        """Count the run as the Trainer does, and remember it."""
        values = super().set_initial_training_values(args, dataloader)
        _, per_epoch, _, _, samples, _, updates = values
        ranks = _ranks(args)
        samples = samples // args.world_size * ranks
        if has_length(dataloader):
            self._horizon = _horizon(args, len(dataloader), per_epoch, samples, ranks)
        else:
            self._horizon = Horizon(total=updates, samples_per_step=samples)
        return values

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LRScheduler:
        """Build the scheduler, on torch's own optimizer."""
        if self.lr_scheduler is None:
            wrapped: Any = self.optimizer if optimizer is None else optimizer
            built = self._build(getattr(wrapped, "optimizer", wrapped), self._horizon)
            self.lr_scheduler: Any = built
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def log(self, logs: dict[str, float], *arguments: Any, **keywords: Any) -> None:
        """Log, with what the last update used."""
        if "learning_rate" in logs:
            logs |= self._reads.used
        super().log(logs, *arguments, **keywords)


class _Reads(TrainerCallback):
    """Reads what an update is about to use, where that is more than the one rate that the Trainer logs."""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        groups = now["optimizer"].param_groups
        used = in_use(now["optimizer"], [now["lr_scheduler"]])
        named = any("name" in group for group in groups)
        self.used = {key: value for key, value in used.items() if named or key.split("/")[0] != "lr"}


class Observe(TrainerCallback):
    """Tells the Plateaus of the Trainer's Scheduler what they follow, after each evaluation of the training.

    A Plateau of the metric ``"eval_loss"`` is told what the Trainer measured under that name. What
    ``eval_on_start`` and ``Trainer.evaluate`` outside of the training measure is not told. A checkpoint that
    is written after the same evaluation holds what was observed. Several evaluation sets have metrics of
    their own, such as ``"eval_german_loss"``.

    Raises:
        ScheduleError: when the training begins, where no schedule has a Plateau; at the next step, where an
            evaluation has not measured the metric.
    """

    def __init__(self) -> None:
        self._training = self._told = False
        self._measured: dict[str, float] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Refuse to run for nothing."""
        if not followed(now["lr_scheduler"]):
            raise ScheduleError(
                "Observe has nobody to tell: the Trainer's scheduler has no Plateau; leave it out, or write "
                "plan * Plateau('eval_loss', ...)"
            )

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Listen from here on: ``eval_on_start`` comes before."""
        self._training = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Tell what was measured, once all that is followed is there: each evaluation set comes here."""
        if self._training and not self._told:
            self._measured |= now["metrics"]
            if followed(now["lr_scheduler"]) <= self._measured.keys():
                self._tell(now["lr_scheduler"])
                self._told = True

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """End an evaluation: what was not measured by now will not come."""
        if self._measured and not self._told:
            self._tell(now["lr_scheduler"])
        self._measured, self._told = {}, False

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Tell nothing any more."""
        self.on_step_begin(args, state, control, **now)
        self._training = False

    def _tell(self, scheduler: Scheduler) -> None:
        tell(scheduler, self._measured, "let compute_metrics return it, or follow what is measured")


class Record(TrainerCallback):
    """Records each update of a training: ``Record(to="runs.sqlite", name="cosine")``.

    Takes what ``etude.record.Recorder`` takes, and records like it. The metrics are those that the Trainer
    logs, with the update after which it logs them: ``loss`` and ``grad_norm`` every ``logging_steps``, and
    those of evaluations.

    Where an exception ends the training, the Trainer does not tell its callbacks: the run counts as broken
    off, when the Trainer or the program is gone.

    Args:
        observers: as those of a ``Recorder``.
        options: those of a ``Recorder``: ``to``, ``name``, ``task``, ``seed``, ...

    Raises:
        ScheduleError: when the training begins, where the Trainer's scheduler is none of Etude's.
    """

    def __init__(self, *observers: Observer, **options: Any) -> None:
        self.observers = observers
        self.options = options
        self._recording: Recording | None = None

    @property
    def run_id(self) -> int | None:
        """The number of the last run in the store; None where it is kept in none."""
        return None if self._recording is None else self._recording.recorder.run_id

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Begin: the clock has been restored by now."""
        if self._recording is not None:
            self._recording.broken_off()
        self._recording = Recording(now["lr_scheduler"], self.observers, self.options)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Log the update before: all that was measured after it is known."""
        if self._recording is not None:
            self._recording.log()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """Take note of what was measured, and not of what the reading has itself or what is of the whole."""
        if self._recording is not None:
            self._recording.measured(
                {
                    name: value
                    for name, value in now["logs"].items()
                    if name == "loss" or name == "grad_norm" or name.startswith("eval_")
                }
            )

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **now: Any
    ) -> None:
        """End the run as finished."""
        if self._recording is not None:
            self._recording.close()
