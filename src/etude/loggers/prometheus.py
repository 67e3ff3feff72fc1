"""Readings for Prometheus."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily

from etude.errors import StoreError
from etude.files import check_writable, given_path, write_whole
from etude.loggers.claim import Claim
from etude.loggers.series import TEXTS, texts
from etude.readings import Reading

__all__ = ["PrometheusObserver"]

_OWN_LABELS = ("group", "name", "plateau", *TEXTS)


class PrometheusObserver:
    """Keeps what the last update used and saw, in a registry of its own that Prometheus reads.

    ``etude_step``, and ``etude_epoch`` and ``etude_samples`` where they are known;
    ``etude_hyperparameter{name="lr",group="head"}`` for each value, ``etude_factor{plateau="..."}``,
    ``etude_metric{name="loss"}`` with the last value of each, and ``etude_phase{phase="cosine"} 1`` and
    ``etude_override{override="..."} 1`` for the one that is in force.

    Args:
        path: a file of node_exporter's textfile collector, ``*.prom``, to be written anew with each batch of
            readings; its folder must be there.
        labels: what tells this run from others, on every number: ``{"run": "baseline"}``.

    Raises:
        StoreError: for a file that the collector would not read, or a label that Prometheus does not take.

    >>> observer = PrometheusObserver(labels={"run": "baseline"})
    >>> observer.observe([Reading(0, {"head": 0.1}, "cosine", {"loss": 2.5})])
    >>> lines = generate_latest(observer.registry).decode().splitlines()
    >>> print(*[line for line in lines if "#" not in line], sep="\\n")
    etude_step{run="baseline"} 0.0
    etude_hyperparameter{group="head",name="lr",run="baseline"} 0.1
    etude_metric{name="loss",run="baseline"} 2.5
    etude_phase{phase="cosine",run="baseline"} 1.0
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, labels: Mapping[str, str] | None = None
    ) -> None:
        self.path = None if path is None else given_path(path, "a file of metrics")
        self._labels = {} if labels is None else dict(labels)
        self._seen: tuple[Reading, dict[str, float]] | None = None
        for label in self._labels:
            if not re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", label) or label in _OWN_LABELS:
                raise StoreError(
                    f"a label must be letters, digits and _, and none of {', '.join(_OWN_LABELS)}; got "
                    f"{label!r}"
                )
        # For prometheus_client to serve or push: start_http_server(port, registry=observer.registry).
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._claim: Claim | None = None
        if self.path is not None:
            self._claim = Claim(
                f"cannot write {str(self.path)!r}",
                "give each a file of its own, such as PrometheusObserver('run-2.prom')",
                self.path,
            )
            check_writable(_checked(self.path))
            if not self.path.exists():
                self.write(self.path)

    def __repr__(self) -> str:
        return f"PrometheusObserver({'' if self.path is None else repr(str(self.path))})"

    def open(self) -> None:
        """Have the file for this observer alone, until ``close``; a Recorder does it when it is built.

        Raises:
            StoreError: where another writes to it.
        """
        if self._claim is not None:
            self._claim.open()

    def close(self) -> None:
        """Let others have the file."""
        if self._claim is not None:
            self._claim.release()

    def observe(self, readings: Sequence[Reading]) -> None:
        """Take up the last of these readings, and write the file if there is one.

        Raises:
            StoreError: where another writes to the file, or it cannot be written.
        """
        if self._claim is not None:
            self._claim.take()
        if readings:
            metrics = {} if self._seen is None else dict(self._seen[1])
            for reading in readings:
                metrics.update(reading.metrics)
            # At once, for a scrape may come in between.
            self._seen = readings[-1], metrics
        if self.path is not None and self._claim is not None:
            write_whole(self.path, generate_latest(self.registry), before=self._claim.move)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write what is known now in Prometheus's text format, as a whole or not at all; return the path.

        Raises:
            StoreError: where it cannot be written, or the textfile collector would not read it.
        """
        path = _checked(given_path(path, "a file of metrics"))
        return write_whole(path, generate_latest(self.registry))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the numbers, as prometheus_client asks its collectors for them."""
        if self._seen is None:
            return
        reading, metrics = self._seen
        values = {"lr": reading.rates, **reading.others}
        yield self._family("step", "The update, counted from 0.", [], [((), reading.step)])
        if reading.epoch is not None:
            yield self._family("epoch", "The epoch at that update.", [], [((), reading.epoch)])
        if reading.samples is not None:
            yield self._family("samples", "The samples seen before that update.", [], [((), reading.samples)])
        yield self._family(
            "hyperparameter",
            "What the update used, by name and parameter group.",
            ["name", "group"],
            [((name, group), value) for name, own in values.items() for group, value in own.items()],
        )
        factors = [((plateau,), factor) for plateau, factor in reading.factors.items()]
        yield self._family("factor", "What feedback multiplied.", ["plateau"], factors)
        measured = [((name,), value) for name, value in metrics.items()]
        yield self._family("metric", "What was measured last.", ["name"], measured)
        for name, text in texts(reading).items():
            if text:
                yield self._family(name, f"The {name} in force.", [name], [((text,), 1)])

    def _family(
        self, name: str, meaning: str, labels: list[str], samples: Sequence[tuple[tuple[str, ...], float]]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"etude_{name}", meaning, labels=[*labels, *self._labels])
        for own, value in samples:
            family.add_metric([*own, *self._labels.values()], value)
        return family


def _checked(path: Path) -> Path:
    if path.suffix != ".prom":
        raise StoreError(f"node_exporter's textfile collector reads *.prom alone; got {str(path)!r}")
    return path
