"""Seeing which updates were real: a GradScaler leaves out those whose gradients have overflowed."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer

__all__ = ["Skips"]


class Skips:
    """Whether ``scaler.step(optimizer)`` was an update, seen by a hook on the optimizer alone.

    For a plain optimizer the scaler does not call ``optimizer.step`` when gradients have overflowed. A
    fused one is called always, finds ``found_inf`` beside it, and leaves its parameters as they are. Where
    the scaler is disabled, or not used, every call of ``optimizer.step`` is an update.

    On a GPU, asking after the step of a fused optimizer waits for it; a plain one has waited in
    ``scaler.step`` already.

    Args:
        optimizer: the one that ``scaler.step`` is given, not a wrapper around it.
        scaler: a ``torch.amp.GradScaler``, or a subclass of it.

    Raises:
        TypeError: for a scaler or an optimizer that is something else.
    """

    def __init__(self, optimizer: Optimizer, scaler: GradScaler) -> None:
        if not isinstance(scaler, GradScaler):
            raise TypeError(
                f"Scheduler(scaler=) must be a torch.amp.GradScaler; got {type(scaler).__name__}"
                + _inside(scaler, "scaler", GradScaler)
            )
        self._listen(optimizer)

    def _listen(self, optimizer: Optimizer) -> None:
        # Wrappers that are optimizers by name only have no hooks: their step is not what the scaler calls.
        if not hasattr(optimizer, "_optimizer_step_post_hooks"):
            raise TypeError(
                f"with scaler=, Scheduler takes the torch optimizer that scaler.step() is given; got "
                f"{type(optimizer).__name__}, which has no step hooks"
                + _inside(optimizer, "optimizer", Optimizer)
            )
        self._optimizer = optimizer
        # The optimizer holds only this, so that neither keeps the other alive.
        self._seen = _Seen()
        self._handle = optimizer.register_step_post_hook(self._seen)
        weakref.finalize(self, self._handle.remove).atexit = False

    def updated(self) -> bool:
        """Return whether there was at least one real update since the last call, and forget it.

        It makes no difference whether ``scaler.update()`` has been called in between.
        """
        return self._seen.take()

    def close(self) -> None:
        """Take the hook off the optimizer."""
        self._handle.remove()

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy listens to the copy of the optimizer, to which torch takes no hooks along.
        return _listening_to, (self._optimizer,)


def _listening_to(optimizer: Optimizer) -> Skips:
    skips = Skips.__new__(Skips)
    skips._listen(optimizer)
    return skips


class _Seen:
    """The hook: what it has seen since it was last asked."""

    def __init__(self) -> None:
        self._plain = False
        self._found: Tensor | None = None

    def __call__(self, optimizer: Optimizer, *_: Any) -> None:
        found: Tensor | None = getattr(optimizer, "found_inf", None)
        if found is None:
            self._plain = True
        else:
            # Not read yet, for that waits for the device; the least is 0 if any of several was an update.
            self._found = found if self._found is None else torch.minimum(self._found, found)

    def take(self) -> bool:
        updated = self._plain or (self._found is not None and not self._found.item())
        self._plain, self._found = False, None
        return updated


def _inside(wrapper: object, name: str, kind: type) -> str:
    """What to pass instead, where the wrapper has it."""
    return f"; pass its .{name}" if isinstance(getattr(wrapper, name, None), kind) else ""
