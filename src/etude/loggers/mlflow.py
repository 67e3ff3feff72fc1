"""Readings in MLflow."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from etude.errors import StoreError
from etude.loggers.claim import Claim
from etude.loggers.series import numbers, texts
from etude.readings import Reading

__all__ = ["MLflowObserver"]

# What MLflow takes in one call, and as one name.
_MOST_METRICS = 1000
_LONGEST_NAME = 250


class MLflowObserver:
    """Logs the numbers of each update as metrics, and the present phase as a tag of the run.

    MLflow's names have letters, digits and ``_-.:/`` and spaces only: another character is written as
    ``_``, ``betas[1]/head`` as ``betas_1_/head``.

    Args:
        run: what ``mlflow.start_run`` or ``client.create_run`` has returned. Who has started it ends it.
        client: where the run is kept; by default where ``mlflow.set_tracking_uri`` says.

    Raises:
        TypeError: for what is no run.
        StoreError: where MLflow does not know it, or cannot be reached.
    """

    def __init__(self, run: Run, client: MlflowClient | None = None) -> None:
        if not isinstance(run, Run):
            raise TypeError(
                f"MLflowObserver takes the run that mlflow.start_run(...) returns; got {run!r}; an earlier "
                f"run goes on with mlflow.start_run(run_id=...)"
            )
        self.run_id: str = run.info.run_id
        self._claim = Claim(
            f"cannot log to the MLflow run {self.run_id}",
            "give each a run of its own, such as mlflow.start_run(nested=True) returns",
        )
        self._client = MlflowClient() if client is None else client
        self._texts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._first: Reading | None = None
        self._now = 0
        try:
            self._client.get_run(self.run_id)
        except Exception as error:
            raise self._error(error) from error

    def __repr__(self) -> str:
        return f"MLflowObserver of run {self.run_id}"

    def open(self) -> None:
        """Have the run for this observer alone, until ``close``; a Recorder does it when it is built.

        Raises:
            StoreError: where another of this process logs to it.
        """
        self._claim.open()

    def close(self) -> None:
        """Let others have the run; whoever has started it ends it."""
        self._claim.release()

    def observe(self, readings: Sequence[Reading]) -> None:
        """Send all these readings.

        Raises:
            StoreError: where MLflow does not take them; given again, those that it has taken are not doubled.
        """
        if not readings:
            return
        self._claim.take()
        # MLflow leaves out what it has, told by name, step, value and time: so the time stays that of the
        # first attempt.
        if readings[0] is not self._first:
            self._first, self._now = readings[0], time.time_ns() // 1_000_000
        metrics = list(self._metrics(readings))
        try:
            for start in range(0, len(metrics), _MOST_METRICS):
                self._client.log_batch(self.run_id, metrics=metrics[start : start + _MOST_METRICS])
            for name, text in texts(readings[-1]).items():
                if text != self._texts.get(name, ""):
                    self._client.set_tag(self.run_id, name, text)
                    self._texts[name] = text
        except Exception as error:  # MLflow's own, and those of its database or of the network
            raise self._error(error) from error

    def _metrics(self, readings: Sequence[Reading]) -> Iterator[Metric]:
        for reading in readings:
            for name, value in numbers(reading).items():
                yield Metric(self._name(name), value, self._now, reading.step)

    def _name(self, name: str) -> str:
        """The name as MLflow takes it; another for each."""
        if name not in self._names:
            plain = re.sub(r"[^\w\-. :/]", "_", name)
            parts = ["_" * max(len(part), 1) if not part.strip(".") else part for part in plain.split("/")]
            plain = "/".join(parts)[:_LONGEST_NAME]
            number, taken = 1, set(self._names.values())
            while (chosen := plain if number == 1 else f"{plain[: _LONGEST_NAME - 8]}_{number}") in taken:
                number += 1
            self._names[name] = chosen
        return self._names[name]

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"cannot log to the MLflow run {self.run_id}: {error}")
