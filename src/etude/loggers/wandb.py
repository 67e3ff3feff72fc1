"""Readings in Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wandb import Run

from etude.errors import StoreError
from etude.loggers.claim import Claim
from etude.loggers.series import AXIS, numbers, texts
from etude.readings import Reading

__all__ = ["WandbObserver"]


class WandbObserver:
    """Logs the numbers and the phase of each update in one row of the run's history, over ``step``.

    The axis is a column of its own, because W&B's own step only goes forward: where a resumed run repeats
    updates, they would be left out.

    Args:
        run: what ``wandb.init`` has returned, in any mode. Who has started it finishes it.

    Raises:
        TypeError: for what is no run.
    """

    def __init__(self, run: Run) -> None:
        if not isinstance(run, Run):
            raise TypeError(f"WandbObserver takes the run that wandb.init(...) returns; got {run!r}")
        self._run = run
        self._claim = Claim(
            f"cannot log to the W&B run {run.id}",
            'give each a run of its own, such as wandb.init(reinit="create_new") returns',
        )
        self._defined: set[str] = set()

    def __repr__(self) -> str:
        return f"WandbObserver of run {self._run.id}"

    def open(self) -> None:
        """Have the run for this observer alone, until ``close``; a Recorder does it when it is built.

        Raises:
            StoreError: where another of this process logs to it.
        """
        self._claim.open()

    def close(self) -> None:
        """Let others have the run; whoever has started it finishes it."""
        self._claim.release()

    def observe(self, readings: Sequence[Reading]) -> None:
        """Hand all these readings to W&B, which keeps them on the disk and sends them on.

        Raises:
            StoreError: where it does not take them, as after the run was finished.
        """
        self._claim.take()
        try:
            rows = [{AXIS: reading.step, **texts(reading), **numbers(reading)} for reading in readings]
            self._define(name for row in rows for name in row if name != AXIS)
            for row in rows:
                self._run.log(row)
        except Exception as error:
            raise StoreError(f"cannot log to the W&B run {self._run.id}: {error}") from error

    def _define(self, names: Iterable[str]) -> None:
        """Draw these over the axis, and leave alone what others log to the run."""
        for name in names:
            if name not in self._defined:
                self._defined.add(name)
                if "*" not in name:  # which would be a pattern
                    # A plain dot would be the way into a nested dict.
                    self._run.define_metric(name.replace(".", r"\."), step_metric=AXIS)
