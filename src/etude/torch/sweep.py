"""The range test in torch: trains along a ramp of rates, and puts everything back."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim import Optimizer

from etude.durations import Horizon
from etude.eases import Array
from etude.errors import ScheduleError
from etude.finder import Curve, Divergence, RangeTest, ramp
from etude.schedules import bounds
from etude.torch.groups import Group, Place, base_of, current, place_of, read, scale_of, write
from etude.torch.snapshot import Snapshot, asleep, check_keepable, undisturbed

__all__ = ["range_test"]

Loss: TypeAlias = "Tensor | float"
Step: TypeAlias = "Callable[[], Loss | tuple[Loss, Mapping[str, Loss]]]"
Loop: TypeAlias = "tuple[Iterable[Any], nn.Module, Callable[[Any, Any], Tensor]]"
One = TypeVar("One")

# A scaler that begins at 65,536 may skip so many updates until gradients fit, and not more.
IN_VAIN = 20


def range_test(
    train_step: Step | Loop,
    optimizer: Optimizer | Sequence[Optimizer],
    *,
    model: nn.Module | Sequence[nn.Module] | None = None,
    start: float = 1e-7,
    stop: float = 10.0,
    steps: int = 200,
    ease: str = "geometric",
    repeats: int = 1,
    of: str = "lr",
    diverge: float = 4.0,
    metric: str | None = None,
    scaler: GradScaler | None = None,
    scheduler: Any = None,
    loader: Any = None,
    keep: Sequence[Any] = (),
) -> RangeTest:
    """Train through a ramp of rates, one for each update, and tell which of them are worth training with.

    Everything is then as it was, also if a step raises or Ctrl-C comes: parameters, gradients, buffers, the
    train flags, the optimizer with its rates, the scaler, the random generators of torch, CUDA, NumPy and
    Python, and where ``loader`` is, as far as it can tell. Held in memory meanwhile: one copy of that.

    Every group's rate goes up by the same factor, so that their ratios stay.

    Args:
        train_step: a function that does one update and returns its loss, or (loss, metrics by name); several
            batches, closures and autocast are its own business. It fetches its batches itself, from an
            iterator made within the test. Or (loader, model, loss function): the plain loop over pairs.
        optimizer: the one whose rates are ramped, or several.
        model: the module that is trained, or several; may be left out where no module with buffers is used.
        start, stop: the first and the last value, of the first group whose own is above 0.
        steps: how many updates, ≥ 20.
        ease: ``"geometric"``, or ``"linear"`` as in the paper.
        repeats: how often to go through the ramp, each time from the same weights, on with the data and the
            random numbers; three or more give the suggestions' intervals.
        of: ``"lr"``, ``"weight_decay"``, ``"momentum"`` or another number of the groups.
        diverge: when to end early, see ``etude.finder.Divergence``; under torch.distributed, as soon as one
            of the processes has diverged, and the loss is the mean of theirs.
        metric: the metric of the paper's bounds, higher is better; not given, one called an accuracy.
        scaler: the GradScaler that train_step uses, which the plain loop uses too.
        scheduler: the scheduler that train_step steps, or several; they do not move.
        loader: what train_step draws its batches from.
        keep: what else train_step changes: other modules and optimizers, random generators, and whatever has
            ``state_dict`` and ``load_state_dict``.

    Raises:
        ScheduleError: for bad input, and for a train_step that returns no loss, drops a metric, does not step
            the optimizer, or sets the rate itself.

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> def train_step():
    ...     optimizer.zero_grad()
    ...     loss = (weight ** 2 @ torch.tensor([1.0, 0.1])).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> found = range_test(train_step, optimizer, start=1e-3, stop=10.0)
    >>> found.curve.ended
    ('the smoothed loss rose to 418, beyond 3.3; its lowest was 3.86e-05',)
    >>> weight.tolist(), optimizer.param_groups[0]["lr"]
    ([1.0, 1.0], 0.1)

    Source: Smith, 2017 (arXiv 1506.01186), section 3.3.
    """
    optimizers, models = _several(optimizer, Optimizer), _several(model, nn.Module)
    if isinstance(train_step, tuple):
        loader, inner = train_step[0], train_step[1]
        models = models if any(one is inner for one in models) else [*models, inner]
    _check(optimizers, models)
    swept = _Swept(optimizers, of, start, stop, steps, ease)
    count = bounds.whole(repeats, "repeats", least=1)
    Divergence(diverge)
    scalers = _several(scaler, GradScaler)
    kept_models = [one for one in keep if isinstance(one, nn.Module)]
    others = [one for one in keep if not isinstance(one, nn.Module | Optimizer)]
    for other in others:
        check_keepable(other)
    snapshot = Snapshot(
        [*models, *kept_models],
        [*optimizers, *(one for one in keep if isinstance(one, Optimizer))],
        scalers,
        others if loader is None else [*others, loader],
    )
    around, sweeps = ExitStack(), []
    try:
        around.enter_context(asleep(optimizers, _list(scheduler)))
        updates = around.enter_context(_counted(optimizers))
        if not models and not kept_models:
            around.enter_context(_told_of_buffers())
        step = _loop(train_step, optimizers, scaler) if isinstance(train_step, tuple) else train_step
        for repeat in range(count):
            if repeat:
                snapshot.put_back_training()
            sweeps.append(_sweep(step, swept, Divergence(diverge), updates))
    finally:
        with undisturbed():
            around.close()
            snapshot.put_back()
    return RangeTest(swept.curve(sweeps), metric)


def _several(given: Any, kind: type[One]) -> list[One]:
    """One or several of a kind, as a list."""
    found = _list(given)
    for one in found:
        if not isinstance(one, kind):
            raise TypeError(f"range_test takes one {kind.__name__}, or several; got {type(one).__name__}")
    return found


def _list(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, list | tuple) else [given]


def _check(optimizers: list[Optimizer], models: list[nn.Module]) -> None:
    if not optimizers:
        raise ScheduleError("range_test needs an optimizer whose rates it can raise; got none")
    for one in optimizers:
        if not hasattr(one, "_optimizer_step_post_hooks"):
            hint = "; pass its .optimizer" if isinstance(getattr(one, "optimizer", None), Optimizer) else ""
            raise TypeError(
                f"range_test takes the torch optimizer itself; got {type(one).__name__}, a wrapper{hint}"
            )
    for model in models:
        if next(model.parameters(), None) is None:
            raise ScheduleError(
                f"the model {type(model).__name__} has no parameters, so there is nothing to train"
            )
    if models:
        trained = {
            id(weight) for one in optimizers for group in one.param_groups for weight in group["params"]
        }
        if not trained & {id(weight) for model in models for weight in model.parameters()}:
            raise ScheduleError(
                "the optimizer has none of the model's parameters; build it from model.parameters()"
            )


class _Swept:
    """The values of the ramp, and the groups that they are written into."""

    def __init__(
        self, optimizers: list[Optimizer], of: str, start: float, stop: float, steps: int, ease: str
    ) -> None:
        self.of = of
        self.groups: list[Group] = [group for one in optimizers for group in one.param_groups]
        self.places: list[Place] = [place_of(group, of) for group in self.groups]
        bases = [base_of(group, of) * scale_of(group, of) for group in self.groups]
        plan = ramp(start, stop, steps, ease)
        if of == "momentum" and stop >= 1:
            raise ScheduleError(f"stop must be less than 1 for momentum; got {stop!r}")
        # Where nothing is above 0, as weight decay is by default, there are no ratios to keep.
        self.base = next((base for base in bases if base > 0), 1.0)
        self.ratios = [base / self.base for base in bases] if any(bases) else [1.0] * len(bases)
        self.alike = len(set(self.ratios)) == 1
        values = plan.on(Horizon(total=steps))(range(steps))
        first = next(index for index, ratio in enumerate(self.ratios) if ratio)
        self._first = self.groups[first], self.places[first]
        self.rates = _as_held(values, current(*self._first))

    def write(self, step: int) -> None:
        """Write a step's value into every group."""
        value = float(self.rates[step])
        for group, place, ratio in zip(self.groups, self.places, self.ratios, strict=True):
            write(group, place, value * ratio)

    def check(self, step: int) -> None:
        """Refuse that somebody else has written there since."""
        found, written = read(*self._first), float(self.rates[step])
        if found != written:
            raise ScheduleError(
                f"train_step() has set {self.of} to {found:g}, where the test had written {written:g}; leave "
                f"that out of it, or pass the scheduler that it steps as scheduler="
            )

    def curve(self, sweeps: list[_Sweep]) -> Curve:
        """What was measured, cut where the longest repeat ended."""
        longest = max(len(sweep.losses) for sweep in sweeps)
        names = list(sweeps[0].metrics)
        return Curve(
            self.rates[:longest],
            [_filled(sweep.losses, longest) for sweep in sweeps],
            {name: [_filled(sweep.metrics[name], longest) for sweep in sweeps] for name in names},
            base=self.base,
            ended=[sweep.ended for sweep in sweeps],
            of=self.of,
            alike=self.alike,
        )


def _as_held(values: Array, held: Any) -> Array:
    """The values as a group can hold them: rounded where it holds a tensor of less than 64 bits."""
    if not isinstance(held, Tensor):
        return values
    rounded: Array = torch.from_numpy(values).to(held.dtype).double().numpy()
    return rounded


def _filled(values: list[float], length: int) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values] + [math.nan] * (
        length - len(values)
    )


@dataclass
class _Sweep:
    """What one repeat has measured."""

    losses: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    ended: str | None = None


def _sweep(step: Step, swept: _Swept, diverged: Divergence, updates: list[int]) -> _Sweep:
    """Go through the ramp once."""
    sweep, before = _Sweep(), updates[0]
    names: list[str] | None = None
    for index in range(len(swept.rates)):
        swept.write(index)
        returned = step()
        swept.check(index)
        if index + 1 == IN_VAIN and updates[0] == before:
            raise ScheduleError(
                f"train_step() has not stepped the optimizer once in {IN_VAIN} calls; it has to do one "
                f"update in each, of the optimizer that range_test was given"
            )
        loss, metrics, wrong = _read(returned, names)
        why = None if wrong else diverged(loss)
        loss, metrics, wrong, why = _agreed(loss, metrics, wrong, why, first=names is None)
        if wrong:
            raise ScheduleError(wrong)
        names = list(metrics)
        sweep.losses.append(loss)
        for name, value in metrics.items():
            sweep.metrics.setdefault(name, []).append(value)
        if why:
            sweep.ended = why
            break
    return sweep


def _read(returned: Any, names: list[str] | None) -> tuple[float, dict[str, float], str | None]:
    """The loss and the metrics that a step has returned; and what is wrong with them, if anything is."""
    loss, metrics = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
    nothing = dict.fromkeys(names or (), math.nan)
    value = _number(loss)
    if value is None:
        what = "None" if loss is None else f"a {type(loss).__name__}"
        if isinstance(loss, Tensor):
            what = f"a tensor of the shape {tuple(loss.shape)}"
        return (
            math.nan,
            nothing,
            f"train_step() must return its loss, one number, or (loss, metrics); got {what}",
        )
    if not isinstance(metrics, Mapping):
        return math.nan, nothing, f"metrics must be a dict of numbers by name; got {metrics!r}"
    values = {name: _number(metric) for name, metric in metrics.items()}
    for name, metric in values.items():
        if metric is None:
            return math.nan, nothing, f"the metric {name!r} must be one number; got {metrics[name]!r}"
    if names is not None and list(values) != names:
        missing = [name for name in names if name not in values]
        if missing:
            return (
                math.nan,
                nothing,
                f"the metric {missing[0]!r} has vanished; return it from every train_step()",
            )
        if set(values) != set(names):
            new = next(name for name in values if name not in names)
            return math.nan, nothing, f"the metric {new!r} is new; return it from every train_step()"
    ordered = values if names is None else {name: values[name] for name in names}
    return value, {name: float(metric or 0.0) for name, metric in ordered.items()}, None


def _number(value: Any) -> float | None:
    """A number, also of a tensor or array of one element; None for what is none."""
    if isinstance(value, Tensor):
        return value.item() if value.numel() == 1 and not value.is_complex() else None
    if value is None or isinstance(value, str | bytes):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _agreed(
    loss: float, metrics: dict[str, float], wrong: str | None, why: str | None, *, first: bool
) -> tuple[float, dict[str, float], str | None, str | None]:
    """What all processes have measured: means, and whether one of them has to end."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return loss, metrics, wrong, why
    # NCCL only takes what lies on the GPU; gloo what lies on the CPU.
    device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
    if first:
        count = torch.tensor([len(metrics), -len(metrics)], device=device)
        dist.all_reduce(count, dist.ReduceOp.MAX)
        if int(count[0]) != -int(count[1]) and not wrong:
            wrong = "the processes have returned different numbers of metrics"
            metrics = {}
        if int(count[0]) != -int(count[1]):
            metrics = {}
    numbers = [loss, *metrics.values()]
    flags = [float(wrong is not None), float(why is not None)]
    told = torch.tensor([*numbers, *flags], dtype=torch.float64, device=device)
    dist.all_reduce(told)
    *sums, wrongs, ends = told.tolist()
    mean, *means = (value / dist.get_world_size() for value in sums)
    if wrongs and not wrong:
        wrong = "another process has found something wrong with what train_step() returned there"
    if ends and not why:
        why = "it diverged in another process"
    return mean, dict(zip(metrics, means, strict=True)), wrong, why


@contextmanager
def _counted(optimizers: list[Optimizer]) -> Iterator[list[int]]:
    """Count the updates within."""
    count = [0]

    def hook(*_: Any) -> None:
        count[0] += 1

    handles = [one.register_step_post_hook(hook) for one in optimizers]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _told_of_buffers() -> Iterator[None]:
    """Refuse modules that would keep what they have seen, where no model was given."""

    def hook(module: nn.Module, _: Any) -> None:
        if module.training and any(buffer is not None for buffer in module._buffers.values()):
            raise ScheduleError(
                f"train_step() trains a module with buffers, {type(module).__name__}, which can only be put "
                f"back if range_test knows it; pass model="
            )

    handle = register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _loop(loop: Loop, optimizers: list[Optimizer], scaler: GradScaler | None) -> Step:
    """The plain training loop over a loader's pairs."""
    loader, model, loss_of = loop
    first = next(model.parameters())
    batches = _endless(loader)

    def step() -> Tensor:
        batch = next(batches)
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ScheduleError(
                f"the loader must give pairs of inputs and targets; got {type(batch).__name__}: write a "
                f"train_step() for other batches"
            )
        inputs, targets = (part.to(first.device) if isinstance(part, Tensor) else part for part in batch)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = loss_of(model(inputs), targets)
        if scaler is None:
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
        else:
            scaler.scale(loss).backward()
            for optimizer in optimizers:
                scaler.step(optimizer)
            scaler.update()
        return loss

    return step


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ScheduleError("the loader has no batches")
