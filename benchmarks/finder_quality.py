"""How far from the best rates the suggestions of a range test lie: ours, and those of three other finders.

python benchmarks/finder_quality.py [--quick] [--json FILE]
python benchmarks/finder_quality.py --truth     # train the grid anew, in about twenty minutes

The best rates are known: each task is trained under each optimizer at rates a factor of 1.58 apart, fixed and
under one-cycle, from five seeds (``results/finder_truth.json``). All finders read the same sweeps.

Our constants were chosen on ``TASKS``. Rows that say "held out" choose them anew for each task, on the
others; ``UNSEEN`` are tasks that were added afterwards.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from etude.finder.suggestions import OFF
from etude.study.tasks import digits, fashion_mnist
from etude.torch import range_test

TRUTH = Path(__file__).parent / "results" / "finder_truth.json"
SEEDS = 5
PER_DECADE = 5
# Where the rates of the grid begin and end, as powers of ten.
DECADES = {"SGD": (-4.0, 1.5), "momentum": (-5.0, 1.0), "AdamW": (-5.0, 0.0), "RMSprop": (-5.5, -0.25)}
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


@functools.cache
def _letters() -> Data:
    """Six letters, and the one that follows, of the texts that describe scikit-learn's data."""
    loads = [datasets.load_breast_cancer, datasets.load_diabetes, datasets.load_digits]
    loads += [datasets.load_iris, datasets.load_linnerud, datasets.load_wine]
    text = " ".join(load().DESCR for load in loads).lower()
    words = "".join(one if one.isalpha() else " " for one in text).split()
    codes = torch.tensor([min(max(ord(one) - 96, 0), 26) for one in " ".join(words)])
    windows = codes.unfold(0, 7, 1)
    inputs = functional.one_hot(windows[:, :6], 27).flatten(1).float()
    train = 8 * len(windows) // 10
    return Data(inputs[:train], windows[:train, 6], (inputs[train:], windows[train:, 6]))


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


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.down(functional.gelu(self.up(self.norm(inputs))))


def _residual(inputs: int, outputs: int) -> nn.Module:
    blocks = [_Block(32), _Block(32)]
    return nn.Sequential(nn.Linear(inputs, 32), *blocks, nn.LayerNorm(32), nn.Linear(32, outputs))


class _Attention(nn.Module):
    """One layer of a transformer; the rows of an image are its tokens."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        side, width = math.isqrt(inputs), 24
        self.enter = nn.Sequential(nn.Unflatten(1, (side, side)), nn.Linear(side, width))
        self.place = nn.Parameter(0.1 * torch.randn(side, width))
        self.first, self.mix, self.out = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        tokens = self.enter(inputs) + self.place
        query, key, value = self.mix(self.first(tokens)).chunk(3, -1)
        weights = (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(-1)
        tokens = tokens + self.out(weights @ value)
        return self.head(self.last(tokens).mean(-2))


class _Recurrent(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cell, self.head = nn.Linear(outputs + 48, 48), nn.Linear(48, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        letters = inputs.unflatten(1, (-1, self.head.out_features))
        state = inputs.new_zeros(len(inputs), 48)
        for place in range(letters.shape[1]):
            state = torch.tanh(self.cell(torch.cat([letters[:, place], state], 1)))
        return self.head(state)


def _normed(inputs: int, outputs: int) -> nn.Module:
    """Convolutions with batch norm, which has no running mean, for the runs are trained together."""
    side = math.isqrt(inputs)
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16, track_running_stats=False),
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
    "fashion-mnist, residual": Task(_fashion, _residual, 128, 200),
    "digits, residual": Task(_digits, _residual, 32, 300),
    "digits, attention": Task(_digits, _Attention, 32, 400),
    "letters, perceptron": Task(_letters, _perceptron(64), 64, 400),
    "diabetes, linear": Task(_table(datasets.load_diabetes), _logistic, 32, 200),
}
UNSEEN = {
    "digits, batch norm": Task(_digits, _normed, 32, 300),
    "letters, recurrent": Task(_letters, _Recurrent, 32, 400),
    "breast cancer, logistic": Task(_table(datasets.load_breast_cancer), _logistic, 32, 200),
}
"""Tasks that were added when the rules were final: nothing was chosen on them."""
OPTIMIZERS: dict[str, Callable[[Any], Optimizer]] = {
    "SGD": SGD,
    "momentum": lambda weights: SGD(weights, momentum=0.9),
    "AdamW": AdamW,
    "RMSprop": RMSprop,
}

# The truth: every rate of a grid, all runs of a task and an optimizer at once.


def grid(optimizer: str) -> np.ndarray:
    """The rates that are tried."""
    low, high = DECADES[optimizer]
    return 10 ** np.arange(low, high + 1e-9, 1 / PER_DECADE)


def train(task: Task, optimizer: str, rates: np.ndarray, schedules: tuple[str, ...]) -> dict[str, Any]:
    """The held-out scores of every rate under every schedule, from every seed."""
    plans = {"fixed": et.Constant(), "one-cycle": et.one_cycle()}
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
    for task_name, task in {**TASKS, **UNSEEN}.items():
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
        "updates": {name: task.updates for name, task in {**TASKS, **UNSEEN}.items()},
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

SEEDS_OF_SWEEPS = range(100, 105)
SWEEPS: dict[str, tuple[float | None, float, int | None]] = {
    "200 steps from 1e-7 to 10, our defaults": (1e-7, 10.0, 200),
    "200 steps from 1e-6 to 10": (1e-6, 10.0, 200),
    "100 steps from 1e-6 to 10": (1e-6, 10.0, 100),
    "200 steps from 1e-8 to 1": (1e-8, 1.0, 200),
    "100 steps from 1e-8 to 1, Lightning's defaults": (1e-8, 1.0, 100),
    "100 steps from the optimizer's rate to 10, torch-lr-finder's defaults": (None, 10.0, 100),
    "a run's steps from the optimizer's rate to 10, Ignite's defaults": (None, 10.0, None),
}
"""The first rate (that which torch gives the optimizer), the last, and the steps (as many as the run has)."""
OUR_KIND, *_ = SWEEPS


def sweep(task: Task, optimizer: str, kind: str, seed: int) -> Curve:
    """The whole ramp: where to end is for each finder to say."""
    start, stop, steps = SWEEPS[kind]
    steps = task.updates if steps is None else steps
    model = task.model(seed)
    built = OPTIMIZERS[optimizer](model.parameters())
    start = built.defaults["lr"] if start is None else start
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


def ours(curve: Curve) -> dict[str, Suggestion]:
    """What our rules suggest, of the curve up to where our range test would have ended."""
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
    return {name: answer for name, answer in suggested.items() if isinstance(answer, Suggestion)}


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


@dataclass(frozen=True)
class Seen:
    """What all finders say of one sweep, in powers of ten from the best rate.

    Args:
        kind: of the sweep.
        task: which was trained.
        schedule: which the best rate is for.
        off: of every rule, None where it has no answer.
        wider: how much wider the interval of our rule had to be to hold the best rate; None without answer.
    """

    kind: str
    task: str
    schedule: str
    off: Mapping[str, float | None]
    wider: float | None


def look(quick: bool) -> Iterator[Seen]:
    """Sweep, and ask every finder."""
    pairs = json.loads(TRUTH.read_text(encoding="utf-8"))["pairs"]
    chosen = [("breast cancer, perceptron", "AdamW"), ("wine, tanh of four layers", "SGD")]
    chosen.append(("breast cancer, logistic", "momentum"))
    tasks = {**TASKS, **UNSEEN}
    for kind in SWEEPS:
        for task, optimizer in chosen if quick else product(tasks, OPTIMIZERS):
            pair = pairs[_pair(task, optimizer)]
            for seed in SEEDS_OF_SWEEPS[:1] if quick else SEEDS_OF_SWEEPS:
                curve = sweep(tasks[task], optimizer, kind, seed)
                losses = np.where(np.isfinite(curve.losses[0]), curve.losses[0], math.inf).tolist()
                answers = ours(curve)
                rates: dict[str, float | None] = dict.fromkeys(RULES)
                rates |= {name: answer.value for name, answer in answers.items()}
                rates |= {name: rule(curve.rates.tolist(), losses) for name, rule in PEERS.items()}
                known = {name: rate is not None and math.isfinite(rate) for name, rate in rates.items()}
                for schedule, rule in OURS.items():
                    true = best(np.array(pair["rates"]), np.array(pair[schedule]["loss"], dtype=float))
                    off = {
                        name: math.log10(rate / true) if known[name] else None for name, rate in rates.items()
                    }
                    answer = answers.get(rule)
                    wider = answer and math.log10(max(answer.low / true, true / answer.high))
                    yield Seen(kind, task, schedule, off, wider)


def without(seen: Sequence[Seen], task: str, of: Callable[[Seen], float | None], share: float) -> float:
    """A quantile over all sweeps of the other tasks."""
    return float(
        np.quantile([each for one in seen if one.task != task and (each := of(one)) is not None], share)
    )


def held_out(seen: Sequence[Seen], mine: str) -> list[Seen]:
    """The same with our constants chosen on the other tasks.

    The median is right there, and intervals are widened by the least whole factor that holds 9 of 10 there.
    """
    changed = []
    for task in dict.fromkeys(one.task for one in seen):
        bias = without(seen, task, lambda one: one.off[mine], 0.5)
        needed = OFF * 10 ** without(seen, task, lambda one: one.wider, 0.9)
        wider = math.log10(math.ceil(needed) / OFF)
        for one in seen:
            off = one.off[mine]
            if one.task == task and off is not None and one.wider is not None:
                changed.append(replace(one, off={**one.off, mine: off - bias}, wider=one.wider - wider))
    return changed


def compare(seen: Sequence[Seen], mine: str, beside: Sequence[str], case: str) -> Iterator[Row]:
    """Our rule beside each other one: the median and the worst distance where both have an answer."""
    schedule = seen[0].schedule
    counts = {name: sum(one.off[name] is None for one in seen) for name in (mine, *beside)}
    told = ", ".join(f"{name} to {count}" for name, count in counts.items() if count)
    note = f"Of {len(seen)} sweeps, {case}, no answer: {told}." if told else ""
    for what, of in (("median", np.median), ("worst", np.max)):
        for name in beside:
            both = [(one.off[mine], one.off[name]) for one in seen]
            both = [pair for pair in both if None not in pair]
            if not both:
                continue
            first, second = (float(10 ** of(np.abs(part))) for part in zip(*both, strict=True))
            peer = name in PEERS
            title = f"{what} factor from the best {schedule}"
            label = name if peer else f"our {name}"
            yield Row(title, case, label, first, second, "×", 1.0 if peer else None, note=note)


def missed(seen: Sequence[Seen], case: str, most: float | None = None) -> Row:
    """How often the best rate is outside of the interval, in per cent."""
    outside = [one.wider > 0 for one in seen if one.wider is not None]
    title = f"best {seen[0].schedule} rates outside of the interval"
    return Row(title, case, "–", 100 * float(np.mean(outside)), None, "%", most, absolute=True)


def rows(*, quick: bool) -> list[Row]:
    """Each kind of sweep; all of them held out; and all of them on the unseen tasks."""
    torch.set_num_threads(1)
    table: list[Row] = []
    everything = list(look(quick))
    for schedule, mine in OURS.items():
        seen = [one for one in everything if one.schedule == schedule and one.task in TASKS]
        unseen = [one for one in everything if one.schedule == schedule and one.task in UNSEEN]
        for kind in SWEEPS:
            others = [name for name in RULES if name != mine] if kind == OUR_KIND else []
            of_kind = [one for one in seen if one.kind == kind]
            table += compare(of_kind, mine, [*PEERS, *others], kind)
            table.append(missed(of_kind, kind))
        for case, part in (
            ("all sweeps, held out", held_out(seen, mine)),
            ("all sweeps, unseen tasks", unseen),
        ):
            if part:
                table += [*compare(part, mine, [*PEERS], case), missed(part, case, 10.0)]
    return table


if __name__ == "__main__":
    if sys.argv[1:] == ["--truth"]:
        torch.set_num_threads(1)
        make_truth()
    else:
        main(__doc__, [("What a range test suggests", rows)])
