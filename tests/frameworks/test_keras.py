"""Schedules in Keras: used, saved, loaded and gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"  # read where keras is first imported

import keras
import numpy as np
import pytest

from etude import BASE, Cosine, Custom, Horizon, Linear, parse
from etude.errors import ScheduleError, SpecError
from etude.keras import EtudeSchedule

# Of Keras's torch backend, where it hands tensors to NumPy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RUN = Horizon(steps_per_epoch=10, total="4ep")
PLAN = Linear(0.1 * BASE, BASE, over="1ep") >> Cosine(BASE, 0.0, over="3ep")
RATES = PLAN.on(RUN)(range(60), 0.1).astype(np.float32).tolist()

INPUTS = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
TARGETS = INPUTS.sum(1, keepdims=True)


class Used(keras.callbacks.Callback):  # type: ignore[misc]
    """The rates that the updates of a fit use."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.rates.append(float(self.model.optimizer.learning_rate))


def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    network.compile(keras.optimizers.Adam(EtudeSchedule(PLAN, RUN, base=0.1)), "mse")
    return network


def fit(network: keras.Model, epochs: int) -> list[float]:
    used = Used()
    network.fit(INPUTS, TARGETS, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=[used])
    return used.rates


def test_each_update_uses_the_rate_of_its_step() -> None:
    assert fit(model(), 4) == RATES[:40]


def test_an_update_moves_a_weight_by_the_rate() -> None:
    optimizer = keras.optimizers.SGD(EtudeSchedule(PLAN, RUN, base=0.1))
    weight = keras.Variable(np.zeros(1))
    moved = []
    for _ in range(40):
        before = keras.ops.convert_to_numpy(weight)[0]
        optimizer.apply([keras.ops.ones(1)], [weight])
        moved.append(before - keras.ops.convert_to_numpy(weight)[0])
    assert moved == pytest.approx(RATES[:40], abs=1e-6)


def test_a_saved_model_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = model()
    fit(whole, 4)
    first = model()
    fit(first, 2)
    first.save(tmp_path / "half.keras")

    loaded = keras.models.load_model(tmp_path / "half.keras")

    assert fit(loaded, 2) == RATES[20:40]
    for weights, expected in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        assert weights == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("plan", "horizon"),
    [
        (PLAN, RUN),
        (parse("sgdr(7, stretch='3/2', gain=0.5) + 0.01 * BASE"), Horizon()),
        (Cosine(over="50% + 1/3ep"), Horizon(Fraction(10, 3), "7ep + 1st", tokens_per_step=640)),
        (Linear(over="1000smp"), Horizon(samples_per_step=Fraction(1, 3))),
    ],
    ids=repr,
)
def test_the_config_is_json_that_gives_the_schedule_back(plan: Any, horizon: Horizon) -> None:
    schedule = EtudeSchedule(plan, horizon, np.float32(0.5))
    config = json.loads(json.dumps(schedule.get_config()))

    again = EtudeSchedule.from_config(config)

    assert (again.plan, again.horizon, again.base) == (plan, horizon, 0.5)
    assert again(np.arange(99)).tolist() == schedule(np.arange(99)).tolist()
    assert (
        keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule)).get_config()
        == schedule.get_config()
    )


def test_text_is_read_as_the_schedule_it_describes() -> None:
    assert EtudeSchedule(repr(PLAN), RUN, 0.1).get_config() == EtudeSchedule(PLAN, RUN, 0.1).get_config()


@pytest.mark.parametrize(
    "step", [7, np.int64(7), keras.ops.convert_to_tensor(7), keras.Variable(7, trainable=False)], ids=type
)
def test_any_count_of_keras_will_do(step: Any) -> None:
    assert float(EtudeSchedule(PLAN, RUN, 0.1)(step)) == RATES[7]


@pytest.mark.parametrize(("floatx", "dtype"), [("float64", "float64"), ("bfloat16", "float32")])
def test_the_rates_have_keras_s_precision_but_never_half_of_it(floatx: str, dtype: str) -> None:
    keras.config.set_floatx(floatx)
    try:
        rate = EtudeSchedule(PLAN, RUN, 0.1)(3)
        assert keras.backend.standardize_dtype(rate.dtype) == dtype
        assert float(rate) == pytest.approx(PLAN.on(RUN)(3, 0.1), rel=1e-15 if dtype == "float64" else 1e-7)
    finally:
        keras.config.set_floatx("float32")


WRONG: list[tuple[Any, str]] = [
    ({}, "the config of an EtudeSchedule has plan, horizon and base; got {}"),
    (None, "the config of an EtudeSchedule has plan, horizon and base; got None"),
    ({"plan": "cosine()", "horizon": None, "base": 1.0}, "has plan, horizon and base; got"),
    ({"plan": "cosine()", "horizon": {"steps_per_epoch": "x"}, "base": 1.0}, "has plan, horizon and base"),
    ({"plan": "cosine()", "horizon": {"steps_per_epoch": "1/0"}, "base": 1.0}, "has plan, horizon and base"),
    ({"plan": "cosine()", "horizon": {"epochs": "9"}, "base": 1.0}, "has plan, horizon and base"),
    ({"plan": "cosine(", "horizon": {"total": "9st"}, "base": 1.0}, "cosine"),
]


@pytest.mark.parametrize(("config", "message"), WRONG)
def test_a_config_of_something_else_is_refused(config: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        EtudeSchedule.from_config(config)


def test_refusals_name_the_class() -> None:
    with pytest.raises(ScheduleError, match=r"^EtudeSchedule cannot call Custom\('math:exp'\)"):
        EtudeSchedule(Custom("math:exp"), RUN)
    with pytest.raises(ScheduleError, match=r"^EtudeSchedule\(base=\) must be a finite number, at least 0"):
        EtudeSchedule(PLAN, RUN, -1.0)


ON_JAX = """
import json, sys
import jax.numpy as jnp, keras, numpy as np
import etude.keras
from tests.golden import rates

for case in rates.read()[::6]:
    schedule = etude.keras.EtudeSchedule(case.plan, case.horizon, case.base)
    values = np.array(schedule(jnp.array(case.steps, dtype=jnp.int32)))
    expected = np.array(case.values)
    spacing = np.maximum(np.spacing(expected.astype(np.float32)), 1e-15 * expected.max())
    assert (np.abs(values - expected) <= spacing).all(), case.plan
config = json.loads(sys.argv[1])
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(etude.keras.EtudeSchedule.from_config(config)), "mse")
inputs = np.ones((80, 4), np.float32)
for path in ("first.keras", "second.keras"):
    model.fit(inputs, inputs[:, :1], batch_size=8, epochs=1, verbose=0)
    model.save(f"{sys.argv[2]}/{path}")
    model = keras.models.load_model(f"{sys.argv[2]}/{path}")
print(json.dumps([int(model.optimizer.iterations), float(model.optimizer.learning_rate)]))
"""


def python(program: str, *arguments: str | Path, backend: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_under_jax_it_is_the_same_from_the_same_config(tmp_path: Path) -> None:
    config = json.dumps(EtudeSchedule(PLAN, RUN, 0.1).get_config())

    done = python(ON_JAX, config, tmp_path, backend="jax")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [20, RATES[20]]


def test_a_backend_without_float64_is_refused() -> None:
    done = python(
        "import etude.keras as ek, etude as et; ek.EtudeSchedule('Constant()', et.Horizon())", backend="numpy"
    )

    assert done.stderr.splitlines()[-1] == (
        "etude.errors.ScheduleError: EtudeSchedule needs float64, and keras.ops rounds it to float32 on the "
        "backend 'numpy'; set KERAS_BACKEND to torch or jax"
    )
