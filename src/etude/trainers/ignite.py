"""A scheduler in an Ignite engine: one step for each update."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events
from ignite.engine.events import RemovableEventHandle
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from etude.record import Recorder

__all__ = ["attach"]


def attach(
    engine: Engine, scheduler: LRScheduler, *, accumulate: int = 1, recorder: Recorder | None = None
) -> RemovableEventHandle:
    """Step a scheduler after each update that an engine makes, and record the update.

    It steps first of all that happens on ``ITERATION_COMPLETED``, so that a checkpoint written there holds
    as many steps as iterations, whichever was attached first. The groups hold the rate of an update from
    its ``ITERATION_STARTED`` until then: log it there.

    Args:
        engine: the trainer, whose process function makes the updates.
        scheduler: a Scheduler, or a drop-in of ``etude.torch.lr_scheduler``.
        accumulate: iterations whose gradients make one update, ≥ 1; as Ignite's own training steps count
            ``gradient_accumulation_steps``, through the ends of epochs.
        recorder: a Recorder of the scheduler, which logs each update with what the process function has
            returned: a number is the ``loss``, and of a dict those of its values that are numbers.

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
        if recorder is not None:
            recorder.log(**_numbers(engine.state.output))

    completed = Events.ITERATION_COMPLETED
    handle = engine.add_event_handler(completed(every=accumulate), step)
    # Ignite has no public way to say the order of handlers; they are called as they stand in this list.
    handlers = engine._event_handlers[completed]
    handlers.insert(0, handlers.pop())
    return handle


def _numbers(output: Any) -> dict[str, Any]:
    """The metrics in what a process function returns."""
    named = output if isinstance(output, dict) else {"loss": output}
    return {name: value for name, value in named.items() if _is_number(value)}


def _is_number(value: object) -> bool:
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, int | float)
