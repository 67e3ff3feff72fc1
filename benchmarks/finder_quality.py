"""How far from the best rates the suggestions of a range test lie: ours, and those of three other finders.

python benchmarks/finder_quality.py [--quick] [--json FILE]
python benchmarks/finder_quality.py --truth     # train the grid anew, in about ten minutes

The best rates are known: each task is trained under each optimizer at rates a factor of 1.58 apart, fixed and
under one-cycle, from five seeds (``results/finder_truth.json``). All finders read the same sweeps.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.handlers import FastaiLRFinder
from lightning.pytorch.tuner.lr_finder import _LRFinder
from matplotlib.figure import Figure
from report import Row, main
from sklearn import datasets
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch_lr_finder import LRFinder

import etude as et
from etude.finder import Curve, Divergence, RangeTest, Suggestion
from etude.study.tasks import digits, fashion_mnist
from etude.torch import range_test

TRUTH = Path(__file__).parent / "results" / "finder_truth.json"
SEEDS = 5
PER_DECADE = 5
# Where the rates of the grid begin and end, as powers of ten.
DECADES = {"SGD": (-3.5, 1.5), "momentum": (-4.5, 0.5), "AdamW": (-4.5, -0.25), "RMSprop": (-5.0, -0.75)}
SCHEDULES = ("fixed", "one-cycle")

# Tasks: real data, a small net, and how long it is trained.


@dataclass(frozen=True)
class Data:
    """Rows to train on and to be judged by; targets are classes, or numbers."""

    inputs: Tensor
    targets: Tensor
    held: tuple[Tensor, Tensor]

    @property
    def classes(self) -> int:
        return 0 if self.targets.is_floating_point() else int(self.targets.max()) + 1


@dataclass(frozen=True)
class Task:
    """What is trained."""

    data: Callable[[], Data]
    net: Callable[[int, int], nn.Module]
    batch: int
    updates: int
    noise: float = 0.0

    def batches(self, seed: int, count: int) -> tuple[Tensor, Tensor]:
        """The batches of a run: their rows, shuffled in each epoch, and the seeds of the noise on them."""
        chance = torch.Generator().manual_seed(1000 + seed)
        rows = len(self.data().targets)
        each = rows // self.batch
        orders = [
            torch.randperm(rows, generator=chance)[: each * self.batch].view(each, self.batch)
            for _ in range(-(-count // each))
        ]
        return torch.cat(orders)[:count], torch.randint(2**62, (count,), generator=chance)

    def batch_of(self, rows: Tensor, noise_seed: int) -> tuple[Tensor, Tensor]:
        """The inputs and targets of some rows."""
        data = self.data()
        inputs = data.inputs[rows]
        if self.noise:
            chance = torch.Generator().manual_seed(noise_seed)
            inputs = inputs + self.noise * torch.randn(inputs.shape, generator=chance)
        return inputs, data.targets[rows]

    def model(self, seed: int) -> nn.Module:
        """A new net."""
        data = self.data()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.net(data.inputs.shape[1], data.classes or 1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy of classes, mean square of numbers."""
        if targets.is_floating_point():
            return (outputs[:, 0] - targets).square().mean()
        return functional.cross_entropy(outputs, targets)


@functools.cache
def _digits() -> Data:
    split = digits.load()
    held = torch.cat([split.validation.pixels, split.test.pixels])
    labels = torch.cat([split.validation.labels, split.test.labels])
    return Data(split.training.pixels, split.training.labels, (held, labels))


@functools.cache
def _fashion() -> Data:
    split = fashion_mnist.load()
    part = functools.partial(_half_size)
    return Data(
        part(split.training.pixels[:10_000]),
        split.training.labels[:10_000],
        (part(split.validation.pixels[:2_000]), split.validation.labels[:2_000]),
    )


def _half_size(pixels: Tensor) -> Tensor:
    return functional.avg_pool2d(pixels.view(-1, 1, 28, 28), 2).flatten(1)


def _table(load: Callable[..., Any]) -> Callable[[], Data]:
    @functools.cache
    def data() -> Data:
        features, targets = load(return_X_y=True)
        features = (features - features.mean(0)) / features.std(0)
        numbers = load is datasets.load_diabetes
        if numbers:
            targets = (targets - targets.mean()) / targets.std()
        order = np.random.RandomState(0).permutation(len(targets))
        inputs = torch.from_numpy(features[order]).float()
        wanted = torch.from_numpy(targets[order])
        wanted = wanted.float() if numbers else wanted.long()
        train = 6 * len(order) // 10
        return Data(inputs[:train], wanted[:train], (inputs[train:], wanted[train:]))

    return data


def _logistic(inputs: int, outputs: int) -> nn.Module:
    return nn.Linear(inputs, outputs)


def _perceptron(width: int) -> Callable[[int, int], nn.Module]:
    return lambda inputs, outputs: nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def _deep(inputs: int, outputs: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Linear(inputs, 32), nn.Tanh()]
    for _ in range(3):
        layers += [nn.Linear(32, 32), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(32, outputs))


def _convolutions(inputs: int, outputs: int) -> nn.Module:
    side = math.isqrt(inputs)
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * (-(-side // 4)) ** 2, outputs),
    )


TASKS = {
    "digits, noisy, perceptron": Task(_digits, _perceptron(64), 16, 800, noise=0.7),
    "digits, logistic": Task(_digits, _logistic, 16, 600),
    "digits, convolutions": Task(_digits, _convolutions, 32, 400),
    "breast cancer, perceptron": Task(_table(datasets.load_breast_cancer), _perceptron(16), 16, 400),
    "wine, tanh of four layers": Task(_table(datasets.load_wine), _deep, 8, 300, noise=0.3),
    "diabetes, perceptron": Task(_table(datasets.load_diabetes), _perceptron(32), 16, 400),
    "fashion-mnist, perceptron": Task(_fashion, _perceptron(32), 32, 400),
    "fashion-mnist, convolutions": Task(_fashion, _convolutions, 32, 300),
}
OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "SGD": lambda weights: SGD(weights, lr=0.1),
    "momentum": lambda weights: SGD(weights, lr=0.1, momentum=0.9),
    "AdamW": lambda weights: AdamW(weights, lr=0.1, weight_decay=0.01),
    "RMSprop": lambda weights: RMSprop(weights, lr=0.1),
}

# The truth: every rate of a grid, all runs of a task and an optimizer at once.


def grid(optimizer: str) -> np.ndarray:
    """The rates that are tried."""
    low, high = DECADES[optimizer]
    return 10 ** np.arange(low, high + 1e-9, 1 / PER_DECADE)


def train(task: Task, optimizer: str, rates: np.ndarray, schedules: tuple[str, ...]) -> dict[str, Any]:
    """The held-out scores of every rate under every schedule, from every seed."""
    plans = {"fixed": et.fixed(), "one-cycle": et.one_cycle()}
    factors = np.stack(
        [plans[name].on(et.Horizon(total=task.updates))(range(task.updates)) for name in schedules]
    )
    # updates × runs; a run is a schedule and a rate.
    values = torch.from_numpy((factors[:, :, None] * rates).transpose(1, 0, 2).reshape(task.updates, -1))
    values = values.float()
    runs = values.shape[1]
    models = [task.model(seed) for seed in range(SEEDS)]
    single, _ = stack_module_state(models)
    weights = {
        name: value.detach()[:, None].repeat(1, runs, *[1] * (value.dim() - 1))
        for name, value in single.items()
    }
    shape = functools.partial(functional_call, models[0])

    def loss(parameters: Mapping[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return task.loss(shape(dict(parameters), (inputs,)), targets)

    slopes = vmap(vmap(grad(loss), in_dims=(0, None, None)), in_dims=(0, 0, 0))
    memory = {name: (torch.zeros_like(value), torch.zeros_like(value)) for name, value in weights.items()}
    drawn = [task.batches(seed, task.updates) for seed in range(SEEDS)]
    for step in range(task.updates):
        pairs = [task.batch_of(rows[step], int(noise[step])) for rows, noise in drawn]
        inputs, targets = (torch.stack(part) for part in zip(*pairs, strict=True))
        for name, slope in slopes(weights, inputs, targets).items():
            rate = values[step].view(1, -1, *[1] * (slope.dim() - 2))
            _update(optimizer, step + 1, weights[name], slope, rate, *memory[name])
    inputs, targets = task.data().held
    with torch.no_grad():
        judge = vmap(vmap(lambda parameters: shape(parameters, (inputs,))))
        outputs = judge(weights)
    losses = vmap(vmap(lambda output: task.loss(output, targets)))(outputs)
    scores = {"loss": losses}
    if task.data().classes:
        scores["accuracy"] = (outputs.argmax(-1) == targets).float().mean(-1)
    found: dict[str, Any] = {}
    for index, name in enumerate(schedules):
        part = slice(index * len(rates), (index + 1) * len(rates))
        found[name] = {
            what: [
                [round(float(one), 5) if math.isfinite(one) else None for one in row]
                for row in score[:, part]
            ]
            for what, score in scores.items()
        }
    return found


def _update(
    optimizer: str, count: int, weight: Tensor, slope: Tensor, rate: Tensor, first: Tensor, second: Tensor
) -> None:
    """One update of every run, as torch's optimizers make it."""
    if optimizer == "SGD":
        weight -= rate * slope
    elif optimizer == "momentum":
        first.mul_(0.9).add_(slope)
        weight -= rate * first
    elif optimizer == "AdamW":
        weight.mul_(1 - 0.01 * rate)
        first.mul_(0.9).add_(slope, alpha=0.1)
        second.mul_(0.999).addcmul_(slope, slope, value=0.001)
        weight -= rate / (1 - 0.9**count) * first / ((second / (1 - 0.999**count)).sqrt() + 1e-8)
    else:
        second.mul_(0.99).addcmul_(slope, slope, value=0.01)
        weight -= rate * slope / (second.sqrt() + 1e-8)


def make_truth() -> None:
    """Train the whole grid and keep it."""
    found = {}
    for task_name, task in TASKS.items():
        for optimizer in OPTIMIZERS:
            rates = grid(optimizer)
            found[_pair(task_name, optimizer)] = {
                "rates": [float(f"{rate:.4g}") for rate in rates],
                **train(task, optimizer, rates, SCHEDULES),
            }
            print(_pair(task_name, optimizer), flush=True)
    about = {
        "torch": torch.__version__,
        "seeds": SEEDS,
        "updates": {name: task.updates for name, task in TASKS.items()},
    }
    TRUTH.write_text(json.dumps({"made": about, "pairs": found}), encoding="utf-8")


def _pair(task: str, optimizer: str) -> str:
    return f"{task}, {optimizer}"


def best(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate of the lowest held-out loss: the vertex of the parabola around the lowest of the grid.

    It is the geometric mean over the seeds, averaged with its neighbours by 1, 2, 1, since the seeds' noise
    would otherwise choose among rates that are equally good. What diverged has the loss of no training.
    """
    untrained = np.median(losses[:, 0])
    logs = np.log(np.where(np.isfinite(losses), np.minimum(losses, untrained), untrained)).mean(axis=0)
    logs = np.convolve(np.pad(logs, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    place = int(logs.argmin())
    assert 0 < place < len(rates) - 1, "the best rate is at the edge of the grid"
    before, lowest, after = logs[place - 1 : place + 2]
    off = (before - after) / (before - 2 * lowest + after) / 2
    return float(rates[place] * (rates[1] / rates[0]) ** off)


# The sweeps, and what is read from them.

SWEEPS = {
    "200 steps from 1e-6 to 10": (1e-6, 10.0, 200, 5),
    "100 steps from 1e-6 to 10": (1e-6, 10.0, 100, 5),
    "200 steps from 1e-8 to 1": (1e-8, 1.0, 200, 5),
}
"""The first and the last rate, the steps, and from how many seeds."""


def sweep(task: Task, optimizer: str, start: float, stop: float, steps: int, seed: int) -> Curve:
    """The whole ramp: where to end is for each finder to say."""
    model = task.model(seed)
    built = OPTIMIZERS[optimizer](model.parameters())
    batches = zip(*task.batches(seed, steps), strict=True)

    def step() -> tuple[Tensor, dict[str, Tensor]]:
        rows, noise = next(batches)
        inputs, targets = task.batch_of(rows, int(noise))
        built.zero_grad()
        outputs = model(inputs)
        loss = task.loss(outputs, targets)
        loss.backward()
        built.step()
        if targets.is_floating_point():
            return loss, {}
        return loss, {"accuracy": (outputs.argmax(1) == targets).float().mean()}

    # Not in a row either, for a loss that is not finite may be the last that a finder reads.
    return range_test(step, built, model=model, start=start, stop=stop, steps=steps, diverge=math.inf).curve


def ours(curve: Curve) -> dict[str, float]:
    """What each of our rules suggests, of the curve up to where our range test would have ended."""
    diverged = Divergence(4.0)
    whys = (diverged(loss) for loss in curve.losses[0])
    length, why = next(((index + 1, why) for index, why in enumerate(whys) if why), (len(curve.rates), None))
    cut = Curve(
        curve.rates[:length],
        curve.losses[:, :length],
        {name: rows[:, :length] for name, rows in curve.metrics.items()},
        ended=[why],
    )
    answers = RangeTest(cut).suggestions
    suggested = {name: answers[name] for name in RULES}
    return {name: answer.value for name, answer in suggested.items() if isinstance(answer, Suggestion)}


# Their loops would draw other batches. So each finder's smoothing and end are written here as theirs are, and
# what it suggests of that curve is its own code.


def torch_lr_finder(rates: list[float], losses: list[float]) -> float | None:
    """LRFinder.plot(suggest_lr=True) of torch-lr-finder, smooth_f=0.05, diverge_th=5."""
    finder = LRFinder.__new__(LRFinder)
    finder.history = dict(zip(("lr", "loss"), _smoothed(rates, losses), strict=True))
    with contextlib.redirect_stdout(io.StringIO()):
        drawn = finder.plot(ax=Figure().subplots(), suggest_lr=True)
    return drawn[1] if isinstance(drawn, tuple) else None


def ignite(rates: list[float], losses: list[float]) -> float | None:
    """FastaiLRFinder.lr_suggestion() of Ignite, smooth_f=0.05, diverge_th=5."""
    finder = FastaiLRFinder()
    finder._history = dict(zip(("lr", "loss"), _smoothed(rates, losses), strict=True))
    try:
        return float(finder.lr_suggestion())
    except RuntimeError:
        return None


def _smoothed(rates: list[float], losses: list[float]) -> tuple[list[float], list[float]]:
    seen: list[float] = []
    for loss in losses:
        seen.append(0.05 * loss + 0.95 * seen[-1] if seen else loss)
        if seen[-1] > 5 * min(seen):
            break
    return rates[: len(seen)], seen


def lightning(rates: list[float], losses: list[float]) -> float | None:
    """Tuner.lr_find of Lightning, early_stop_threshold=4."""
    mean = lowest = 0.0
    seen: list[float] = []
    for count, loss in enumerate(losses, 1):
        mean = 0.98 * mean + 0.02 * loss
        seen.append(mean / (1 - 0.98 ** (count + 1)))
        ended = count > 1 and seen[-1] > 4 * lowest
        if seen[-1] < lowest or count == 1:
            lowest = seen[-1]
        if ended:
            break
    finder = _LRFinder("exponential", rates[0], rates[-1], len(rates))
    finder.results = {"lr": rates[: len(seen)], "loss": seen}
    return finder.suggestion()


PEERS = {"torch-lr-finder": torch_lr_finder, "Lightning": lightning, "Ignite": ignite}
RULES = ("fixed", "peak", "steepest", "valley", "minimum/10", "edge/4", "max")
OURS = {"fixed": "fixed", "one-cycle": "peak"}
"""Our rule for each schedule."""


def distances(quick: bool) -> dict[tuple[str, str], dict[str, list[float | None]]]:
    """For each kind of sweep and each schedule, how many powers of ten every rule is off, sweep by sweep."""
    pairs = json.loads(TRUTH.read_text(encoding="utf-8"))["pairs"]
    chosen = [("breast cancer, perceptron", "AdamW"), ("wine, tanh of four layers", "SGD")]
    found: dict[tuple[str, str], dict[str, list[float | None]]] = {}
    for kind, (start, stop, steps, seeds) in SWEEPS.items():
        for task, optimizer in chosen if quick else product(TASKS, OPTIMIZERS):
            pair = pairs[_pair(task, optimizer)]
            for seed in range(100, 100 + (1 if quick else seeds)):
                curve = sweep(TASKS[task], optimizer, start, stop, steps, seed)
                seen = np.where(np.isfinite(curve.losses[0]), curve.losses[0], math.inf).tolist()
                suggested: dict[str, float | None] = dict.fromkeys(RULES) | ours(curve)
                suggested |= {name: rule(curve.rates.tolist(), seen) for name, rule in PEERS.items()}
                for schedule in SCHEDULES:
                    true = best(np.array(pair["rates"]), np.array(pair[schedule]["loss"], dtype=float))
                    off = found.setdefault((kind, schedule), {})
                    for name, rate in suggested.items():
                        known = rate is not None and math.isfinite(rate)
                        off.setdefault(name, []).append(abs(math.log10(rate / true)) if known else None)
    return found


def rows(*, quick: bool) -> list[Row]:
    """Our rule beside each other one: the median and the worst distance where both have an answer."""
    torch.set_num_threads(1)
    table = []
    for (kind, schedule), off in distances(quick).items():
        mine = OURS[schedule]
        counts = [f"{name} to {each.count(None)}" for name, each in off.items() if None in each]
        note = f"Of {len(off[mine])} sweeps, {kind}, no answer: {', '.join(counts)}." if counts else ""
        for what, of in (("median", np.median), ("worst", np.max)):
            for name, each in off.items():
                both = [pair for pair in zip(off[mine], each, strict=True) if None not in pair]
                if name == mine or not both:
                    continue
                first, second = (float(10 ** of(part)) for part in zip(*both, strict=True))
                peer = name in PEERS
                title = f"{what} factor from the best {schedule}"
                beside = name if peer else f"our {name}"
                table.append(Row(title, kind, beside, first, second, "×", 1.0 if peer else None, note=note))
    return table


if __name__ == "__main__":
    if sys.argv[1:] == ["--truth"]:
        torch.set_num_threads(1)
        make_truth()
    else:
        main(__doc__, [("What a range test suggests", rows)])
