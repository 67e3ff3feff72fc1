"""A scheduler in an Ignite engine: one step for each update."""

from __future__ import annotations

from ignite.engine import Engine, Events
from ignite.engine.events import RemovableEventHandle
from torch.optim.lr_scheduler import LRScheduler

__all__ = ["attach"]


def attach(engine: Engine, scheduler: LRScheduler, *, accumulate: int = 1) -> RemovableEventHandle:
    """Step a scheduler after each update that an engine makes.

    It steps first of all that happens on ``ITERATION_COMPLETED``, so that a checkpoint written there holds
    as many steps as iterations, whichever was attached first. The groups hold the rate of an update from
    its ``ITERATION_STARTED`` until then: log it there.

    Args:
        engine: the trainer, whose process function makes the updates.
        scheduler: a Scheduler, or a drop-in of ``etude.torch.lr_scheduler``.
        accumulate: iterations whose gradients make one update, ≥ 1; as Ignite's own training steps count
            ``gradient_accumulation_steps``, through the ends of epochs.

    Returns:
        Ignite's handle, whose ``remove()`` detaches the scheduler.

    Raises:
        TypeError: for what is no engine or no scheduler.
        ValueError: for an accumulation below 1.

    >>> import torch
    >>> from etude.torch import Scheduler
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = Scheduler(optimizer, Linear(BASE, 0, over=8))
    >>> engine = Engine(lambda engine, batch: optimizer.step())
    >>> handle = attach(engine, scheduler)
    >>> state = engine.run([0, 1, 2])
    >>> scheduler.get_last_lr()
    [0.625]
    """
    if not isinstance(engine, Engine):
        raise TypeError(f"attach takes an Ignite Engine; got {type(engine).__name__}")
    if not isinstance(scheduler, LRScheduler):
        raise TypeError(
            "attach takes a scheduler of an optimizer, and not Ignite's handler of one; got "
            f"{type(scheduler).__name__}"
        )
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"accumulate must be a whole number ≥ 1; got {accumulate!r}")

    def step() -> None:
        scheduler.step()

    completed = Events.ITERATION_COMPLETED
    handle = engine.add_event_handler(completed(every=accumulate), step)
    # Ignite has no public way to say the order of handlers; they are called as they stand in this list.
    handlers = engine._event_handlers[completed]
    handlers.insert(0, handlers.pop())
    return handle
