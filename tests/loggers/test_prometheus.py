"""Readings for Prometheus, read back with its own parser."""

from __future__ import annotations

import math
import re
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import generate_latest, start_http_server
from prometheus_client.parser import text_string_to_metric_families

from etude.errors import StoreError
from etude.loggers.prometheus import PrometheusObserver
from etude.readings import Reading
from tests.loggers.runs import COOLDOWN, PLATEAU, rate, reading, readings

Labels = frozenset[tuple[str, str]]


def parse(text: str) -> dict[tuple[str, Labels], float]:
    """Every number, by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def latest(observer: PrometheusObserver) -> dict[tuple[str, Labels], float]:
    return parse(generate_latest(observer.registry).decode())


def key(family: str, /, **labels: str) -> tuple[str, Labels]:
    return f"etude_{family}", frozenset(labels.items())


def test_the_last_update_is_what_is_there() -> None:
    observer = PrometheusObserver()
    observer.observe(readings(0, 3))
    observer.observe(readings(3, 5))

    assert latest(observer) == {
        key("step"): 4,
        key("epoch"): 1,
        key("samples"): 256,
        key("hyperparameter", name="lr", group="block.0"): rate(4) / 10,
        key("hyperparameter", name="lr", group="head"): rate(4),
        key("hyperparameter", name="betas[0]", group="block.0"): 0.9,
        key("hyperparameter", name="betas[0]", group="head"): 0.95,
        key("hyperparameter", name="clip", group="clip"): 1 / 3,
        key("factor", plateau=PLATEAU): 0.5,
        key("metric", name="loss"): 0.2,
        key("phase", phase="cosine"): 1,
        key("override", override=COOLDOWN): 1,
    }


def test_nothing_is_there_before_the_first_update() -> None:
    observer = PrometheusObserver()
    observer.observe([])

    assert latest(observer) == {}


def test_a_metric_stays_until_it_is_measured_again() -> None:
    observer = PrometheusObserver()
    observer.observe([reading(0, accuracy=0.5), reading(1), reading(2)])
    observer.observe([reading(3)])

    assert latest(observer)[key("metric", name="accuracy")] == 0.5
    assert latest(observer)[key("metric", name="loss")] == 0.25


def test_any_name_and_any_number_can_be_read() -> None:
    observer = PrometheusObserver(labels={"run": 'a "run"\n\\'})
    observer.observe([Reading(0, {'学 "a"\n': math.inf}, "a\\b", {"loss / 2": math.nan})])

    found = latest(observer)
    run = {"run": 'a "run"\n\\'}
    assert found[key("hyperparameter", name="lr", group='学 "a"\n', **run)] == math.inf
    assert math.isnan(found[key("metric", name="loss / 2", **run)])
    assert found[key("phase", phase="a\\b", **run)] == 1


def test_the_file_is_written_with_each_batch(tmp_path: Path) -> None:
    path = tmp_path / "etude.prom"
    observer = PrometheusObserver(path)
    assert parse(path.read_text()) == {}

    for stop in (2, 4):
        observer.observe(readings(stop - 2, stop))
        assert parse(path.read_text()) == latest(observer)
        assert latest(observer)[key("step")] == stop - 1
    assert list(tmp_path.iterdir()) == [path]


def test_prometheus_clients_own_server_serves_it() -> None:
    observer = PrometheusObserver()
    server, thread = start_http_server(0, "127.0.0.1", observer.registry)
    try:
        observer.observe(readings(0, 3))
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=30) as page:
            assert parse(page.read().decode()) == latest(observer)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_two_runs_in_one_process_are_apart() -> None:
    first, second = (PrometheusObserver(labels={"run": run}) for run in "ab")
    first.observe([reading(1)])
    second.observe([reading(2)])

    assert latest(first)[key("step", run="a")] == 1
    assert latest(second)[key("step", run="b")] == 2


def test_a_file_that_nobody_would_read_is_refused(tmp_path: Path) -> None:
    refused = re.escape(f"node_exporter's textfile collector reads *.prom alone; got '{tmp_path}/run.txt'")
    with pytest.raises(StoreError, match=refused):
        PrometheusObserver(tmp_path / "run.txt")
    with pytest.raises(StoreError, match=r"cannot save '.*': there is no folder '.*gone'; make it first"):
        PrometheusObserver(tmp_path / "gone" / "run.prom")


@pytest.mark.parametrize("label", ["group", "phase", "a-b", "1", "", "__name__", "学"])
def test_a_label_that_prometheus_does_not_take_is_refused(label: str) -> None:
    refused = (
        "a label must be letters, digits and _, and none of group, name, plateau, phase, override; got "
        f"{label!r}"
    )
    with pytest.raises(StoreError, match=refused):
        PrometheusObserver(labels={label: "a"})


def test_d7_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(
        StoreError, match=r"^a file of metrics has a path without NUL characters; got 'ru\\x00n"
    ):
        PrometheusObserver("ru\0n.prom")
