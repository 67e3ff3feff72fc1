"""What a range test costs beside the same updates without it: in time, and in memory at its peak.

python benchmarks/finder_overhead.py [--quick] [--json FILE]
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import torch
from report import Row, main
from timing import least
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer

from etude.torch import range_test

STEPS = 200
MIB = 2**20
# Rates at which nothing happens, so that both train the same and none ends early.
START, STOP = 1e-9, 1e-8

Loop = tuple[nn.Module, Optimizer, Callable[[], Tensor]]


def loop(model: nn.Module, optimizer: Optimizer, inputs: Tensor) -> Loop:
    """A model, its optimizer, and one update."""
    labels = torch.randint(10, (len(inputs),))

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    step()  # so that the optimizer has its state
    return model, optimizer, step


def perceptron() -> Loop:
    """784-128-10 under SGD with momentum, batches of 128."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return loop(model, SGD(model.parameters(), lr=START, momentum=0.9), torch.randn(128, 784))


def convolutions() -> Loop:
    """Two convolutions with BatchNorm under AdamW, batches of 64."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 6 * 6, 10),
    )
    return loop(model, AdamW(model.parameters(), lr=START), torch.randn(64, 1, 28, 28))


def wide() -> Loop:
    """24 million weights under AdamW: activations do not count, nor what the allocator has left over."""
    model = nn.Sequential(nn.Linear(3000, 4000), nn.ReLU(), nn.Linear(4000, 3000))
    return loop(model, AdamW(model.parameters(), lr=START), torch.randn(4, 3000))


NETS = {"a perceptron, SGD": perceptron, "convolutions, AdamW": convolutions}


def times(*, quick: bool) -> list[Row]:
    """A range test beside as many bare updates."""
    found = []
    steps = 20 if quick else STEPS
    for name, build in NETS.items():
        model, optimizer, step = build()

        def bare(step: Callable[[], Tensor] = step) -> None:
            for _ in range(steps):
                step()

        tested = partial(
            range_test, step, optimizer, model=model, start=START, stop=STOP, steps=steps, repeats=1
        )
        ours, theirs = least([(tested, 1), (bare, 1)], repeats=1 if quick else 15)
        note = "With keeping everything before and putting it back after; suggestions are not in it."
        found.append(
            Row(
                f"a range test of {steps} steps",
                name,
                "bare updates",
                1e3 * ours,
                1e3 * theirs,
                "ms",
                1.05,
                note=note,
            )
        )
    return found


def memory(*, quick: bool) -> list[Row]:
    """What a range test adds to the process at its peak, beside what it keeps; in a process of its own."""
    told = subprocess.run([sys.executable, __file__, "--memory"], capture_output=True, text=True, check=True)
    added, state = map(float, told.stdout.split())
    note = "The state: parameters, gradients and AdamW's two moments. The bound leaves 2 % to the allocator."
    what = "memory that a range test adds"
    return [Row(what, "24 million weights, AdamW", "the state", added, state, "MiB", 1.02, note=note)]


def tell_memory() -> None:
    """Print what a range test adds to the peak of bare updates, and the size of the state, in MiB."""
    model, optimizer, step = wide()
    for _ in range(3):
        step()
    range_test(*_tiny())  # which has imported and allocated whatever is needed once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    range_test(step, optimizer, model=model, start=START, stop=STOP, steps=20)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tensors = [*model.parameters()] + [weight.grad for weight in model.parameters()]
    tensors += [value for state in optimizer.state.values() for value in state.values()]
    state = sum(tensor.nbytes for tensor in tensors if tensor is not None)
    # Linux tells KiB.
    print((after - before) * 1024 / MIB, state / MIB)


def _tiny() -> tuple[Callable[[], Tensor], Optimizer]:
    _, optimizer, step = perceptron()
    return step, optimizer


def rows(*, quick: bool) -> list[Row]:
    """All of these."""
    torch.set_num_threads(1)
    return times(quick=quick) + memory(quick=quick)


if __name__ == "__main__":
    if sys.argv[1:] == ["--memory"]:
        torch.set_num_threads(1)
        tell_memory()
    else:
        main(__doc__, [("What a range test costs", rows)])
