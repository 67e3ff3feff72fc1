"""Keras under a schedule, saved half-way and gone on with: scikit-learn's digits."""

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from sklearn.datasets import load_digits

import etude as et
from etude.keras import EtudeSchedule

EPOCHS, BATCH = 6, 32

pixels, labels = load_digits(return_X_y=True)
horizon = et.Horizon.of(-(-len(labels) // BATCH), epochs=EPOCHS)
print(horizon)

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Dense(32, activation="relu"), keras.layers.Dense(10)])
model.compile(
    keras.optimizers.Adam(EtudeSchedule(et.one_cycle(), horizon, base=0.02)),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)


def report(epoch: int, logs: dict[str, float]) -> None:
    rate = float(model.optimizer.learning_rate)
    print(f"epoch {epoch + 1}: loss {logs['loss']:.4f}, next lr {rate:.6f}")


told = keras.callbacks.LambdaCallback(on_epoch_end=report)
model.fit(pixels / 16, labels, batch_size=BATCH, epochs=3, verbose=0, callbacks=[told])
model.save("half.keras")
model = keras.models.load_model("half.keras")
model.fit(pixels / 16, labels, batch_size=BATCH, initial_epoch=3, epochs=EPOCHS, verbose=0, callbacks=[told])
Path("half.keras").unlink()
