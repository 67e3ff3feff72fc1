"""The range test in torch: trains along a ramp of rates, and puts everything back."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim import Optimizer

from etude.durations import Horizon
from etude.eases import Array
from etude.errors import ScheduleError
from etude.finder import Curve, Divergence, RangeTest, RangeTestGrid, ramp
from etude.schedules import bounds
from etude.torch.agreement import Measured, agreement
from etude.torch.proportions import Proportions
from etude.torch.snapshot import Snapshot, asleep, check_keepable, is_stateful, undisturbed
from etude.torch.train_steps import Loop, Returned, Step, check_step, plain_loop

__all__ = ["range_test", "range_test_grid"]

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

    Everything is then as it was, also if a step raises or Ctrl-C comes, and in the same objects:

    - ``model``: parameters, gradients, buffers, hooks, the flags ``training`` and ``requires_grad``, and all
      its other attributes: numbers, tensors, arrays and whatever lists, dicts and objects hold of them;
    - ``optimizer``: its groups, states, hooks and attributes; ``scaler``; what is in ``keep``;
    - the random generators of torch, its devices, NumPy and Python, and those that a model holds;
    - of ``loader`` and its samplers what they can tell: a ``state_dict``, generators, and counters.

    Not put back is what none of these holds, such as variables and objects of train_step's own, unless they
    are in ``keep``; nor iterators, files and loggers, data sets, and a Trainer that a model knows. In memory
    there is one copy of all that is put back.

    Every group's rate goes up by the same factor, so that their ratios stay.

    Args:
        train_step: a function that does one update and returns its loss, or (loss, metrics by name); several
            batches, closures and autocast are its own business. It fetches its batches itself, from an
            iterator made within the test. Or (loader, model, loss function): the plain loop over pairs.
        optimizer: the one whose rates are ramped, or several.
        model: the module that is trained, or several; may be left out where modules hold nothing but
            parameters.
        start: the first value, of the first group whose own is above 0.
        stop: the last.
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
        loader: what train_step draws its batches from, or several.
        keep: what else train_step changes: other modules and optimizers, such as an average of the weights,
            random generators, whatever has ``state_dict`` and ``load_state_dict``, lists, dicts, and objects
            of your own, such as the one that train_step is a method of.

    Raises:
        ScheduleError: for bad input, for a model with lazy modules that have seen no batch yet, and for a
            train_step that returns no loss, drops a metric, does not step the optimizer, or sets the rate
            itself. Where a step raises in one of several processes, in all others, with its rank and what it
            has raised.

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
    optimizers, models = _several(optimizer, "optimizer", Optimizer), _several(model, "model", nn.Module)
    loop = check_step(train_step)
    if loop is not None and not any(one is loop[1] for one in models):
        models.append(loop[1])
    _check(optimizers, models)
    swept = _Swept(optimizers, _name(of, "of"), start, stop, steps, ease)
    count = bounds.whole(repeats, "repeats", least=1)
    Divergence(diverge)
    if metric is not None:
        _name(metric, "metric")
    scalers, schedulers = _several(scaler, "scaler", GradScaler), _schedulers(scheduler)
    loaders = [*_loaders(loader), *([] if loop is None else _loaders(loop[0]))]
    kept = _list(keep)
    for one in kept:
        check_keepable(one)
    told = [
        one for one in kept if is_stateful(one) and not isinstance(one, nn.Module | Optimizer | GradScaler)
    ]
    # A loss may have weights and buffers too.
    owners = [loop[2] if loop is not None else train_step]
    owners = [getattr(one, "__self__", one) for one in owners]
    held = [one for one in kept if not any(one is other for other in told)]
    held += [one for one in owners if isinstance(one, nn.Module)]
    around, sweeps = ExitStack(), []
    try:
        around.enter_context(asleep(optimizers, schedulers))
        updates = around.enter_context(_counted(optimizers))
        if not any(isinstance(one, nn.Module) for one in [*models, *held]):
            around.enter_context(_told_of_buffers())
        agreed, read = around.enter_context(agreement()), Returned(metric)
        step: Any = train_step if loop is None else plain_loop(loop, optimizers, scalers)
        # With the hooks as they are in here, for it is also put back before each repeat.
        snapshot = Snapshot([*models, *optimizers, *scalers, *held], [*told, *loaders])
        try:
            for repeat in range(count):
                if repeat:
                    snapshot.put_back_training()
                sweeps.append(_sweep(step, swept, Divergence(diverge), updates, read, agreed))
        finally:
            with undisturbed():
                snapshot.put_back()
    finally:
        with undisturbed():
            around.close()
    return RangeTest(swept.curve(sweeps), metric)


def range_test_grid(
    train_step: Step | Loop,
    optimizer: Optimizer | Sequence[Optimizer],
    across: str,
    values: Sequence[float],
    **options: Any,
) -> RangeTestGrid:
    """Run a range test at each of several values of another hyperparameter, such as the weight decay.

    Each begins with the same weights, optimizer state and random numbers; the plain loop also sees the same
    batches, a ``train_step`` goes on with its own iterator. Everything is then as it was, as after
    ``range_test``. As there, the value is that of the first group whose own is above 0, and the others follow
    by the same factor: what is 0 in one group, as the weight decay of biases, stays so.

    Args:
        train_step: see ``range_test``.
        optimizer: likewise.
        options: what else ``range_test`` takes.
        across: ``"weight_decay"``, ``"momentum"`` or another number of the groups.
        values: two or more of them, at least 0, no two alike.

    Raises:
        ScheduleError: for values that are none, and as of ``range_test``.

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> def train_step():
    ...     optimizer.zero_grad()
    ...     loss = (weight ** 2 @ torch.tensor([1.0, 0.1])).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> grid = range_test_grid(train_step, optimizer, "weight_decay", [0.0, 1.0, 10.0], start=1e-3)
    >>> print(grid.suggestions["stable"].reason)
    the loss is back where it began only from lr 6.91 on
    >>> optimizer.param_groups[0]["weight_decay"]
    0

    Source: Smith, 2018 (arXiv 1803.09820), section 4.4.
    """
    for name in options:
        bounds.choice(name, "options", [*signature(range_test).parameters][2:])
    optimizers = _several(optimizer, "optimizer", Optimizer)
    _check(optimizers, [])
    of = options.get("of", "lr")
    if _name(across, "across") == of:
        raise ScheduleError(f"across must be another hyperparameter than the one that is ramped, {of!r}")
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ScheduleError(f"values must be two or more numbers, no two alike; got {values!r}")
    chosen = [bounds.number(value, f"values of {across}", least=0) for value in values]
    if len(set(chosen)) < max(len(chosen), 2):
        raise ScheduleError(f"values must be two or more, no two alike; got {values!r}")
    if across == "momentum" and max(chosen) >= 1:
        raise ScheduleError(f"values of momentum must be less than 1; got {values!r}")
    groups, tests = Proportions(optimizers, across), {}
    restore = groups.keep()
    try:
        for value in chosen:
            groups.value = value
            tests[value] = range_test(train_step, optimizer, **options)
    finally:
        with undisturbed():
            restore()
    return RangeTestGrid(across, tests)


def _several(given: Any, argument: str, kind: type[One]) -> list[One]:
    """One or several of a kind, as a list."""
    found = _list(given)
    for one in found:
        if not isinstance(one, kind):
            raise ScheduleError(f"{argument} must be one {kind.__name__}, or several; got {_kind(one)}")
    return found


def _list(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, list | tuple) else [given]


def _kind(value: Any) -> str:
    """What was given, in short: a number or a text as it is."""
    return repr(value) if isinstance(value, bool | int | float | str | None) else type(value).__name__


def _name(value: Any, argument: str) -> str:
    if not isinstance(value, str):
        raise ScheduleError(f"{argument} must be a name; got {value!r}")
    return value


def _schedulers(given: Any) -> list[Any]:
    found = _list(given)
    for one in found:
        if isinstance(one, type) or not callable(getattr(one, "step", None)) or isinstance(one, Optimizer):
            raise ScheduleError(f"scheduler must be one with a step(), or several; got {_kind(one)}")
    return found


def _loaders(given: Any) -> list[Any]:
    """The loaders in one, in a list or in a dict of several."""
    if given is None or isinstance(given, list | tuple):
        return _list(given)
    if not (isinstance(given, Iterable) or hasattr(given, "__getitem__") or is_stateful(given)):
        raise ScheduleError(f"loader must be what batches are drawn from, or several; got {_kind(given)}")
    return list(given.values()) if isinstance(given, Mapping) else [given]


def _check(optimizers: list[Optimizer], models: list[nn.Module]) -> None:
    if not optimizers:
        raise ScheduleError("range_test needs an optimizer whose rates it can raise; got none")
    for one in optimizers:
        if not hasattr(one, "_optimizer_step_post_hooks"):
            hint = "; pass its .optimizer" if isinstance(getattr(one, "optimizer", None), Optimizer) else ""
            raise ScheduleError(
                f"optimizer must be the torch optimizer itself; got {type(one).__name__}, a wrapper{hint}"
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
        self._groups = Proportions(optimizers, of)
        plan = ramp(start, stop, steps, ease)
        if of == "momentum" and stop >= 1:
            raise ScheduleError(f"stop must be less than 1 for momentum; got {stop!r}")
        self.rates = _as_held(plan.on(Horizon(total=steps))(range(steps)), self._groups.held)
        self._values: list[float] = self.rates.tolist()

    def write(self, step: int) -> None:
        """Write a step's value into every group."""
        self._groups.value = self._values[step]

    def check(self, step: int) -> None:
        """Refuse that somebody else has written there since."""
        found, written = self._groups.value, self._values[step]
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
            base=self._groups.base,
            ended=[sweep.ended for sweep in sweeps],
            of=self.of,
            alike=self._groups.alike,
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


def _sweep(
    step: Step,
    swept: _Swept,
    diverged: Divergence,
    updates: list[int],
    read: Returned,
    agreed: Callable[[Callable[[], Measured]], Measured],
) -> _Sweep:
    """Go through the ramp once."""
    sweep, before = _Sweep(), updates[0]

    def measure() -> Measured:
        index = len(sweep.losses)
        swept.write(index)
        returned = step()
        swept.check(index)
        if index + 1 == IN_VAIN and updates[0] == before:
            raise ScheduleError(
                f"train_step() has not stepped the optimizer once in {IN_VAIN} calls; it has to do one "
                f"update in each, of the optimizer that range_test was given"
            )
        loss, metrics = read(returned)
        return loss, metrics, diverged(loss)

    while len(sweep.losses) < len(swept.rates) and sweep.ended is None:
        loss, metrics, sweep.ended = agreed(measure)
        sweep.losses.append(loss)
        for name, value in metrics.items():
            sweep.metrics.setdefault(name, []).append(value)
    return sweep


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
