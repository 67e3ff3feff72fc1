"""A scheduler under Hugging Face Accelerate: one step is one update, on any number of processes."""

from __future__ import annotations

from accelerate import Accelerator
from accelerate.scheduler import AcceleratedScheduler
from torch.optim.lr_scheduler import LRScheduler

__all__ = ["prepare"]


def prepare(accelerator: Accelerator, scheduler: LRScheduler) -> AcceleratedScheduler:
    """Prepare a scheduler instead of ``accelerator.prepare``, which steps it once for each process.

    What it returns is Accelerate's own wrapper. Its ``step()``, called after every batch, is

    - one step of the scheduler, where the batch completed an update;
    - nothing, within a window of accumulation and where mixed precision skipped the update.

    ``split_batches`` and ``step_scheduler_with_optimizer`` make no difference to it. ``save_state`` and
    ``load_state`` include the scheduler. Everything but ``step()`` is the scheduler's own: ``observe``,
    ``reading``, ``explain``.

    Args:
        accelerator: the Accelerator that has prepared the scheduler's optimizer.
        scheduler: a Scheduler on that optimizer, or a drop-in of ``etude.torch.lr_scheduler``.

    Raises:
        TypeError: for what is no scheduler, or one that is wrapped already.

    >>> import torch
    >>> from accelerate import Accelerator
    >>> from etude.torch import Scheduler
    >>> accelerator = Accelerator(cpu=True)
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = Scheduler(optimizer, Linear(BASE, 0, over=8))
    >>> optimizer, prepared = accelerator.prepare(optimizer), prepare(accelerator, scheduler)
    >>> optimizer.step()
    >>> prepared.step()
    >>> scheduler.get_last_lr()
    [0.875]
    """
    if isinstance(scheduler, AcceleratedScheduler):
        raise TypeError(
            "prepare takes the scheduler itself, and this one is wrapped already; leave it out of "
            "accelerator.prepare(...)"
        )
    if not isinstance(scheduler, LRScheduler):
        raise TypeError(f"prepare takes a scheduler of an optimizer; got {type(scheduler).__name__}")
    prepared = accelerator.prepare_scheduler(scheduler)
    prepared.step_with_optimizer = True
    # Accelerate's word for "do not step it once for each process": a step is an update of the global model.
    prepared.split_batches = True
    return prepared
