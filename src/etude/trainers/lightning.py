"""A scheduler in Lightning: how it is returned, its horizon from the Trainer, metrics fed, rates logged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.trainer.states import TrainerFn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from etude.durations import Duration, Horizon, to_duration
from etude.errors import HorizonError, ScheduleError, ScheduleWarning
from etude.readings import Observer
from etude.torch import Scheduler
from etude.trainers.numbers import followed, in_use, tell
from etude.trainers.recording import Recording

__all__ = ["Observe", "RateMonitor", "Record", "config", "horizon_of"]


def config(scheduler: LRScheduler, name: str | None = None) -> dict[str, Any]:
    """Return the dict that has Lightning step a scheduler once for each update; its default is each epoch.

    Args:
        scheduler: a Scheduler, or a drop-in of ``etude.torch.lr_scheduler`` whose lengths are updates.
        name: what RateMonitor calls it, where there are several.

    Returns:
        for ``configure_optimizers``: ``return {"optimizer": optimizer, "lr_scheduler": config(scheduler)}``.

    Raises:
        TypeError: for what is no scheduler.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> config(Scheduler(optimizer, Cosine(over=100)), name="body")
    {'scheduler': <Scheduler at step 0 ...>, 'interval': 'step', 'frequency': 1, 'name': 'body'}
    """
    if not isinstance(scheduler, LRScheduler):
        raise TypeError(f"config takes a scheduler of an optimizer; got {type(scheduler).__name__}")
    return {"scheduler": scheduler, "interval": "step", "frequency": 1, "name": name}


def horizon_of(trainer: Trainer) -> Horizon:
    """Return the horizon of a Trainer's fit: its updates an epoch, its length, the samples of an update.

    To be called in ``configure_optimizers``, with ``self.trainer``. ``limit_train_batches``, accumulation,
    the processes that share the data, ``max_epochs`` and ``max_steps`` are counted in; a window of
    accumulation that the epoch's end cuts short is one update. Where the data has no length, only
    ``max_steps`` tells the total. ``print`` the result to see the sum.

    With manual optimization an update is taken to be one batch; count an optimizer that is stepped more
    rarely with ``Horizon.of(trainer.num_training_batches, epochs=..., accumulate=...)``.

    Raises:
        HorizonError: where the Trainer does not know its data yet; where accumulation changes between epochs;
            for manual optimization with ``max_steps``, which is of all optimizers together.
    """
    module = trainer.lightning_module
    if module is None:
        raise HorizonError(
            "this Trainer does not know its module and data yet; call horizon_of(self.trainer) in "
            "configure_optimizers"
        )
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by Lightning's connector
        if isinstance(callback, GradientAccumulationScheduler) and len(set(callback.scheduling.values())) > 1:
            raise HorizonError(
                f"accumulate_grad_batches changes during the fit, {callback.scheduling}, so that an epoch "
                f"has no fixed number of updates; write the schedule in updates and Horizon(total=...)"
            )
    by_steps = None if trainer.max_steps == -1 else trainer.max_steps
    if by_steps is not None and not module.automatic_optimization:
        raise HorizonError(
            f"with manual optimization Lightning's max_steps={by_steps} counts the updates of all optimizers "
            f"together; limit the fit by max_epochs, or write Horizon(total=...) for each"
        )
    first = trainer.train_dataloader is None
    trainer.fit_loop.setup_data()
    batches, window, ranks = trainer.num_training_batches, trainer.accumulate_grad_batches, trainer.world_size
    samples = getattr(trainer.train_dataloader, "batch_size", None)
    per_epoch = None if batches == math.inf else math.ceil(batches / window)
    if first and trainer.ckpt_path:
        # Lightning hands a loader its saved place when it sets the data up, but only after this: let it do so
        # again, or the epoch would begin anew. (Its own estimated_stepping_batches does not.)
        trainer.fit_loop._combined_loader = None
    return Horizon(
        per_epoch,
        _total(per_epoch, trainer.max_epochs, by_steps),
        samples_per_step=samples * window * ranks if isinstance(samples, int) else None,
    ).counted_from(
        f"{batches} batches an epoch"
        + (f" in each of {ranks} processes" if ranks > 1 else "")
        + (f", {window} to an update (a partial window counts)" if window > 1 else "")
    )


def _total(per_epoch: int | None, epochs: int | None, by_steps: int | None) -> Duration | None:
    """The shorter of both limits. A fit that is not to train at all is laid out as if for one of its unit."""
    if per_epoch is None or epochs in (None, -1):
        return None if by_steps is None else to_duration(max(by_steps, 1))
    by_epochs = max(epochs, 1)
    if by_steps is not None and by_steps < per_epoch * by_epochs:
        return to_duration(max(by_steps, 1))
    return to_duration(f"{by_epochs}ep")


class RateMonitor(Callback):
    """Logs the rates of the updates, read from the optimizer just before each of them.

    The names are those of the parameter groups: ``lr`` where there is but one without a name, else
    ``lr/body``, ``lr/head``; with several optimizers ``0/lr``, or ``critic/lr`` under
    ``config(scheduler, name="critic")``. Whatever else a Scheduler writes into the groups (``momentum``,
    ``weight_decay``) is logged alike. The loggers get the numbers as floats, at the step at which Lightning
    logs the other metrics of the batch; ``latest`` has those of the last update, logged or not.

    When the fit starts, it refuses a Scheduler that Lightning would not step once for each update. After the
    first epoch it warns of one that nobody has stepped, as may happen with manual optimization.

    Args:
        every: log each such update; as the Trainer's ``log_every_n_steps`` where it is left out.
        progress_bar: whether to show the rates in the progress bar too.

    Raises:
        ScheduleError: for an ``every`` that is no whole number ≥ 1; and when the fit starts, see above.
    """

    def __init__(self, every: int | None = None, *, progress_bar: bool = False) -> None:
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ScheduleError(f"RateMonitor(every=) must be a whole number ≥ 1; got {every!r}")
        self.every = every
        self.progress_bar = progress_bar
        self.latest: dict[str, float] = {}
        self._updates: dict[int, int] = {}
        self._clocks: dict[int, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a Scheduler whose clock Lightning would not move by one for each update."""
        for each in trainer.lr_scheduler_configs if pl_module.automatic_optimization else ():
            if isinstance(each.scheduler, Scheduler):
                _check(each, each.scheduler)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count: the clocks have been restored by now."""
        self._updates = dict.fromkeys(range(len(trainer.optimizers)), 0)
        self._clocks = {id(scheduler): scheduler.last_epoch for scheduler in _schedulers(trainer)}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Read the rates that the update is about to use."""
        index = trainer.optimizers.index(optimizer)
        self._updates[index] += 1
        rates = _rates(trainer, index)
        self.latest.update(rates)
        # The step that Lightning's loggers and its own monitor count by; there is no public name for it.
        step = trainer.fit_loop.epoch_loop._batches_that_stepped
        every = trainer.log_every_n_steps if self.every is None else self.every  # type: ignore[attr-defined]
        if every and (step + 1) % every == 0:
            for logger in trainer.loggers:
                logger.log_metrics(rates, step=step)
        if self.progress_bar:
            pl_module.log_dict(rates, prog_bar=True, logger=False, on_step=True, on_epoch=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn, after the first epoch, of a Scheduler that stands although its optimizer was stepped."""
        for scheduler in _schedulers(trainer):
            index = trainer.optimizers.index(scheduler.optimizer)
            stood = self._clocks.pop(id(scheduler), None) == scheduler.last_epoch
            if stood and self._updates[index]:
                warnings.warn(
                    f"In the first epoch optimizer {index} was stepped {self._updates[index]:,} times and "
                    f"its scheduler never. With manual optimization Lightning leaves that to you: call "
                    f"self.lr_schedulers().step() after each optimizer.step(). [never-stepped]",
                    ScheduleWarning,
                    stacklevel=2,
                )


class Observe(Callback):
    """Tells the Plateaus among the schedules what they follow, after each validation of a fit.

    A Plateau of the metric ``"val_loss"`` is told what the module logged under that name, averaged over the
    processes; where there is no validation, after each epoch. What Lightning's sanity check and
    ``Trainer.validate`` measure is not told. A checkpoint that is written after the same validation holds
    what was observed.

    Raises:
        ScheduleError: when the fit starts, where no schedule has a Plateau; after a validation, where the
            metric was not logged.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to run for nothing."""
        if not any(followed(scheduler) for scheduler in _schedulers(trainer)):
            raise ScheduleError(
                "Observe has nobody to tell: no schedule of this fit has a Plateau; leave it out, or write "
                "plan * Plateau('val_loss', ...)"
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what was validated."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            _tell(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell what was measured in training, where nothing is validated."""
        if not trainer.enable_validation:
            _tell(trainer)


class Record(Callback):
    """Records each update of a fit: ``Record(to="runs.sqlite", name="cosine")``.

    Takes what ``etude.record.Recorder`` takes, and records like it. ``loss`` is that of the update, averaged
    over its window of accumulation; the last update before the end of an epoch or a validation also has all
    that the module has logged by then.

    Args:
        observers: as those of a ``Recorder``.
        optimizer: whose Scheduler is recorded, where there are several; give each a Record of its own.
        options: those of a ``Recorder``: ``to``, ``name``, ``task``, ``seed``, ...

    Raises:
        ScheduleError: when the training starts, where that optimizer has no Scheduler.
    """

    def __init__(self, *observers: Observer, optimizer: int = 0, **options: Any) -> None:
        self.observers = observers
        self.optimizer = optimizer
        self.options = options
        self._recording: Recording | None = None
        self._loss: Any = 0.0
        self._epoch_is_over = False

    @property
    def run_id(self) -> int | None:
        """The number of the last run in the store; None where it is kept in none."""
        return None if self._recording is None else self._recording.recorder.run_id

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin: the clock has been restored by now."""
        optimizer = trainer.optimizers[self.optimizer]
        own = (scheduler for scheduler in _schedulers(trainer) if scheduler.optimizer is optimizer)
        if self._recording is not None:
            self._recording.broken_off()
        self._recording = Recording(next(own, None), self.observers, self.options)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Log the update before: all that was measured after it is known."""
        self._log(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take note of the loss; of each batch in a window Lightning gives its share of the mean."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if self._recording is not None and loss is not None:
            self._loss = self._loss + loss.detach()
            if self._recording.has_news:
                self._recording.measured({"loss": self._loss})
                self._loss = 0.0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Have the last update tell what was validated."""
        self._epoch_is_over = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Have the last update tell what the epoch came to."""
        self._epoch_is_over = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the run as finished."""
        self._log(trainer)
        self._end(None)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the run as failed; after Ctrl-C, as broken off."""
        self._end(exception)

    def _log(self, trainer: Trainer) -> None:
        if self._recording is not None:
            if self._epoch_is_over:
                logged = {name: value for name, value in trainer.callback_metrics.items() if name != "loss"}
                self._recording.measured(logged)
            self._recording.log()
        self._epoch_is_over = False

    def _end(self, error: BaseException | None) -> None:
        if self._recording is not None:
            self._recording.close(error)


def _tell(trainer: Trainer) -> None:
    for scheduler in _schedulers(trainer):
        tell(scheduler, trainer.callback_metrics, "log it with self.log(...), or follow what is logged")


def _check(each: Any, scheduler: Scheduler) -> None:
    """Refuse an entry of Lightning's list of schedulers that would move the clock otherwise."""
    if each.reduce_on_plateau:
        raise ScheduleError(
            "with reduce_on_plateau=True Lightning gives the metric to scheduler.step(), where it would be "
            "taken for the step to go to; return lr_scheduler=config(scheduler) from configure_optimizers, "
            "and tell the metric with Trainer(callbacks=[Observe()])"
        )
    in_epochs = scheduler.horizon.steps_per_epoch == 1
    if (each.interval, each.frequency) != ("step", 1) and not in_epochs:
        raise ScheduleError(
            f"Lightning would step the scheduler once in {each.frequency} {each.interval}(s), and its steps "
            f"are updates; return lr_scheduler=config(scheduler) from configure_optimizers"
        )


def _schedulers(trainer: Trainer) -> Iterator[Scheduler]:
    """Etude's own among the fit's schedulers."""
    for each in trainer.lr_scheduler_configs:
        if isinstance(each.scheduler, Scheduler):
            yield each.scheduler


def _rates(trainer: Trainer, index: int) -> dict[str, float]:
    """What one optimizer's groups hold now, by the names to log."""
    optimizer = trainer.optimizers[index]
    configs = [each for each in trainer.lr_scheduler_configs if each.scheduler.optimizer is optimizer]
    label = next((each.name for each in configs if each.name), None)
    if label is None and len(trainer.optimizers) > 1:
        label = str(index)
    numbers = in_use(optimizer, [each.scheduler for each in configs])
    return numbers if label is None else {f"{label}/{key}": value for key, value in numbers.items()}
