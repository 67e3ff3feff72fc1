"""A JAX training loop under a schedule: warmup, then a line to zero, on scikit-learn's digits."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import etude as et
from etude.jax import to_optax

EPOCHS, BATCH = 10, 32

pixels, labels = load_digits(return_X_y=True)
pixels, batches = (pixels / 16).astype(np.float32), len(labels) // BATCH
horizon = et.Horizon.of(batches, epochs=EPOCHS)
print(horizon)
rate = to_optax(et.linear(warmup="1ep"), horizon, base=0.01)
optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=rate)
weights = [jax.random.normal(jax.random.key(size), (size, 32)) / 8 for size in (64, 10)]
state = optimizer.init(weights)


def loss_of(weights: list[jax.Array], inputs: jax.Array, targets: jax.Array) -> jax.Array:
    scores = jax.nn.relu(inputs @ weights[0]) @ weights[1].T
    return optax.softmax_cross_entropy_with_integer_labels(scores, targets).mean()


@jax.jit
def update(weights, state, inputs, targets):
    loss, gradients = jax.value_and_grad(loss_of)(weights, inputs, targets)
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(weights, updates), state, loss


for epoch in range(EPOCHS):
    for rows in np.random.default_rng(epoch).permutation(batches * BATCH).reshape(-1, BATCH):
        weights, state, loss = update(weights, state, jnp.array(pixels[rows]), jnp.array(labels[rows]))
    print(f"epoch {epoch + 1:2}: loss {loss:.4f}, lr used {state.hyperparams['learning_rate']:.6f}")
