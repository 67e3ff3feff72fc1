"""Readings in MLflow, read back with MLflow: on a database of its own in SQLite."""

from __future__ import annotations

import math
import re

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from etude.errors import StoreError
from etude.loggers.mlflow import MLflowObserver
from etude.readings import Reading
from tests.loggers.runs import COOLDOWN, NAMES, PLATEAU, reading, readings

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """MLflow's client; the first to ask waits until the tables are made."""
    return MlflowClient(f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")


@pytest.fixture
def run(client: MlflowClient) -> Run:
    return client.create_run("0")


def history(client: MlflowClient, run: Run, name: str) -> list[tuple[int, float]]:
    found = client.get_metric_history(run.info.run_id, name)
    return sorted((metric.step, metric.value) for metric in found)


def test_every_number_is_a_metric_over_the_update(client: MlflowClient, run: Run) -> None:
    observer = MLflowObserver(run, client)
    observer.observe(readings(0, 2))
    observer.observe(readings(2, 4))

    assert history(client, run, "lr/head") == [(step, reading(step).rates["head"]) for step in range(4)]
    assert history(client, run, "epoch") == [(step, step / 4) for step in range(4)]


def test_names_are_kept_as_far_as_mlflow_takes_them(client: MlflowClient, run: Run) -> None:
    MLflowObserver(run, client).observe(readings(0, 1))

    written = {re.sub(r"[^\w\-. :/]", "_", name): name for name in NAMES}
    assert client.get_run(run.info.run_id).data.metrics.keys() == written.keys()
    assert written["betas_0_/head"] == "betas[0]/head"
    assert written["factor/Plateau_metric__val_loss__ factor_0.5_ patience_2_"] == f"factor/{PLATEAU}"


def test_no_two_names_become_one(client: MlflowClient, run: Run) -> None:
    names = ["a[1]", "a(1)", "a_1_", "学/习", "a//b", "/a", "..", ".", "", "x" * 300, "x" * 301]
    observer = MLflowObserver(run, client)
    for step in range(2):
        observer.observe([Reading(step, {}, "", {name: float(i) for i, name in enumerate(names)})])

    found = client.get_run(run.info.run_id).data.metrics
    assert sorted(found.values()) == [float(i) for i in range(len(names))]
    assert found["a_1_"] == 0
    assert found["a_1__2"] == 1
    assert found["学/习"] == 3
    assert [step for step, _ in history(client, run, "a_1__3")] == [0, 1]


def test_the_present_phase_is_a_tag(client: MlflowClient, run: Run) -> None:
    observer = MLflowObserver(run, client)

    def tags() -> dict[str, str]:
        found = client.get_run(run.info.run_id).data.tags
        return {name: text for name, text in found.items() if not name.startswith("mlflow.")}

    observer.observe(readings(0, 2))
    assert tags() == {"phase": "linear"}
    observer.observe(readings(2, 4))
    assert tags() == {"phase": "cosine", "override": COOLDOWN}
    observer.observe([Reading(4, {"0": 0.1}, "cosine")])
    assert tags() == {"phase": "cosine", "override": ""}


def test_a_batch_may_be_larger_than_mlflow_takes_at_once(client: MlflowClient, run: Run) -> None:
    MLflowObserver(run, client).observe(readings(0, 300))

    assert [step for step, _ in history(client, run, "loss")] == list(range(300))
    assert [step for step, _ in history(client, run, "epoch")] == list(range(300))


def test_no_number_is_too_odd(client: MlflowClient, run: Run) -> None:
    values = [math.nan, math.inf, -math.inf, 1e-300]
    MLflowObserver(run, client).observe(
        [Reading(step, {}, "", {"loss": value}) for step, value in enumerate(values)]
    )

    found = dict(history(client, run, "loss"))
    assert math.isnan(found[0])
    # MLflow's own way to keep infinity.
    assert [found[1], found[2]] == [1.7976931348623157e308, -1.7976931348623157e308]
    assert found[3] == 1e-300


def test_readings_that_come_again_are_not_doubled(client: MlflowClient, run: Run) -> None:
    observer = MLflowObserver(run, client)
    first = [*readings(0, 2), Reading(2, {}, "", {"loss": math.nan})]
    observer.observe(first)
    client.delete_run(run.info.run_id)
    for _ in range(2):
        with pytest.raises(StoreError, match=rf"cannot log to the MLflow run {run.info.run_id}: .*deleted"):
            observer.observe(first)
    client.restore_run(run.info.run_id)
    observer.observe([*first, reading(3)])

    assert [step for step, _ in history(client, run, "loss")] == [0, 1, 2, 3]


def test_another_client_reads_what_a_resumed_run_goes_on_with(client: MlflowClient, run: Run) -> None:
    MLflowObserver(run, client).observe(readings(0, 2))
    client.set_terminated(run.info.run_id, "FAILED")
    MLflowObserver(client.get_run(run.info.run_id), client).observe(readings(2, 4))

    assert [step for step, _ in history(client, run, "loss")] == [0, 1, 2, 3]


def test_what_is_no_run_is_refused(client: MlflowClient, run: Run) -> None:
    with pytest.raises(
        TypeError, match=r"takes the run that mlflow\.start_run\(\.\.\.\) returns; got 'baseline'"
    ):
        MLflowObserver("baseline", client)  # type: ignore[arg-type]
    run.info._run_id = "0" * 32
    with pytest.raises(StoreError, match=f"cannot log to the MLflow run {'0' * 32}: .*not found"):
        MLflowObserver(run, client)


def test_b5_a_second_recorder_of_one_run_is_refused(client: MlflowClient, run: Run) -> None:
    first, second = MLflowObserver(run, client), MLflowObserver(run, client)
    first.observe(readings(0, 2))

    with pytest.raises(StoreError, match=r"another recorder writes to it; .* mlflow\.start_run\(nested=True"):
        second.open()
    first.close()
    second.open()
