"""What a scheduler notices while it runs, and tells once: as a ScheduleWarning that ends with a code.

A step costs it two comparisons; the rest is done where values are worked out ahead anyway, or where the first
comparison found something else than what was written.
"""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.hooks import RemovableHandle

from etude.check import Finding
from etude.durations import Horizon
from etude.torch.groups import Group, Place, current, group_name, read
from etude.torch.stack import members_on, was_scheduled
from etude.torch.telling import tell

__all__ = ["Watch", "has_been_scheduled", "tell_of_another_writer", "tell_tick_length"]

# Clock and updates may differ by skipped updates and partial windows, not by this factor.
APART = 1.5
# As many updates or steps are looked at where the horizon does not tell an epoch.
FEW = 4
# A scaler that begins at its usual 65,536 may skip a dozen updates until gradients fit, not as many as this.
IN_VAIN = 50

_SCHEDULERS: weakref.WeakKeyDictionary[Optimizer, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()


class Watched(Protocol):
    """A scheduler, as the watch sees it."""

    optimizer: Optimizer
    horizon: Horizon
    last_epoch: Any
    skipped: int
    _step_count: int

    @property
    def began(self) -> Fraction | float:
        """How far the run was, in steps of the horizon, when the last update began."""

    def written(self) -> Iterable[tuple[str, int, Place, float]]:
        """The hyperparameter, group index, place and value of everything that the present step writes."""

    def wake(self) -> None:
        """Have a look at the next step."""

    def explain(self, group: str | int, name: str) -> str:
        """What makes a value, in a sentence."""


class Watch:
    """What one scheduler remembers in order to notice what is amiss.

    ``step()`` looks at ``renewed``, which says that values were worked out anew.
    """

    def __init__(self) -> None:
        self.renewed = False
        self._told: set[str] = set()
        self._tensors: dict[tuple[int, Place], tuple[Tensor, int]] = {}
        self._in_vain = 0
        self._updates: _Updates | None = None
        # What the optimizer shows of a run before, until it is told or the clock is set.
        self._past: Finding | None = None
        self._clock_is_set = False

    def __getstate__(self) -> dict[str, Any]:
        # A copy counts no updates: the hook belongs to the original's optimizer.
        return {**vars(self), "_tensors": {}, "_updates": None}

    def _tell(self, finding: Finding, *, once: str) -> None:
        """Warn, unless it was told before."""
        if once not in self._told:
            self._told.add(once)
            tell(_words(finding))

    # What is written.

    def follow(self, tensors: Mapping[tuple[int, Place], Tensor]) -> None:
        """Look at what others write into these tensors from now on, without reading them."""
        self._tensors = {at: (tensor, tensor._version) for at, tensor in tensors.items()}

    def knows(self, tensors: Mapping[tuple[int, Place], Tensor]) -> bool:
        """Whether these are the tensors that it follows."""
        known = self._tensors
        return known.keys() == tensors.keys() and all(known[at][0] is held for at, held in tensors.items())

    def _untouched(self, at: tuple[int, Place], held: Any) -> bool:
        """Whether nobody has written into a tensor that a whole column is written through.

        torch counts what is written into a tensor itself. To read its value would wait for its device.
        """
        known = self._tensors.get(at)
        if known is None or known[0] is not held:
            return False
        self._tensors[at] = held, held._version
        return known[1] == int(held._version)

    # At the start.

    def tell(self, findings: Iterable[Finding]) -> None:
        """Tell what was found, but for notes."""
        for finding in findings:
            if finding.severity != "note":
                self._tell(finding, once=finding.message)

    def begin(self, scheduler: Watched) -> None:
        """Begin to count updates."""
        _SCHEDULERS.setdefault(scheduler.optimizer, weakref.WeakSet()).add(scheduler)
        per_epoch = scheduler.horizon.steps_per_epoch
        # With one step an epoch the clock counts epochs, and updates are no matter.
        # Where no epoch is told, only a step for each process is looked for, as Accelerate makes it.
        counted = (per_epoch is not None or _in_company()) and per_epoch != 1
        if hasattr(scheduler.optimizer, "_optimizer_step_post_hooks"):
            planned = None if per_epoch is None else math.ceil(per_epoch)
            self._updates = _Updates(scheduler, planned, self, only_first=not counted)

    def shows(self, past: Finding | None) -> None:
        """Take note of what an optimizer shows of a run before: it is told unless the clock is set."""
        if not self._clock_is_set:
            self._past = past

    def set_clock(self) -> None:
        """The clock is where somebody has put it."""
        self._clock_is_set, self._past = True, None

    def resumed(self, scheduler: Watched) -> None:
        """Count from here: the clock has been set."""
        self.set_clock()
        if self._updates is not None:
            self._updates.start(scheduler)

    # At a step.

    def look(self, scheduler: Watched) -> None:
        """Compare everything that was written with what is there, before a step."""
        if self._updates is not None and self._updates.done:
            self._updates.remove()
            self._updates = None
        groups = scheduler.optimizer.param_groups
        for name, index, place, value in scheduler.written():
            if self._untouched((index, place), current(groups[index], place)):
                continue
            found = read(groups[index], place)
            if found != value and not math.isclose(found, value, **_rounding(groups[index], place)):
                self._tell(_changed(scheduler, name, index, place, found), once="changed")
                return

    def attempted(self, updated: bool) -> None:
        """Count the attempts in a row that were no updates, and tell when they are many."""
        self._in_vain = 0 if updated else self._in_vain + 1
        if self._in_vain == IN_VAIN:
            self._tell(_none_real(), once="skipped")

    def renew(self, scheduler: Watched) -> None:
        """Where values were worked out anew: compare at the next step, and see whether the run is over."""
        self.renewed = False
        scheduler.wake()
        if self._past is not None and scheduler.last_epoch == 1:
            self._tell(self._past, once="past")
        self._past = None
        if self._updates is not None and not self._updates.seen:
            # Gradients that have overflowed are left behind by an update that a scaler has left out.
            self._updates.excused = _have_overflowed(scheduler.optimizer)
        total = scheduler.horizon.total_steps
        # Not by where that update has led to: the last batch may go past the end.
        if total is not None and scheduler.began >= total:
            self._tell(_goes_on(math.ceil(total)), once="goes-on")


def _rounding(group: Group, place: Place) -> dict[str, float]:
    """How far a value may be from the one that was written: a tensor keeps it in its own dtype."""
    kept = group[place[0]] if place[1] is None else group[place[0]][place[1]]
    limits = torch.finfo(kept.dtype if isinstance(kept, Tensor) else torch.float64)
    return {"rel_tol": limits.eps, "abs_tol": limits.tiny}


def _words(finding: Finding) -> str:
    return f"{finding.message} {finding.fix} [{finding.code}]"


def _changed(scheduler: Watched, name: str, index: int, place: Place, found: float) -> Finding:
    who = _other_writer(scheduler, name, index, place)
    numbers = {"step": float(scheduler.last_epoch), "group": index, "found": found}
    text = f"{scheduler.explain(index, name)}; but {found:.6g} is found there"
    if who is not None:
        return Finding(
            "two-writers",
            "warning",
            f"{text}: {who} has been built on this optimizer, and both write "
            f"{'the rate' if name == 'lr' else name}.",
            "Join them to one schedule, ramp >> decay or warmup * decay, in one Scheduler.",
            numbers,
        )
    return Finding(
        "rate-changed",
        "warning",
        f"{text}, and is overwritten now.",
        "Let the schedule alone write it: change the schedule, or give the group its own with groups={...}.",
        numbers,
    )


def _other_writer(scheduler: Watched, name: str, index: int, place: Place) -> str | None:
    """Who else has been built to write this; None where nobody is known."""
    optimizer = scheduler.optimizer
    for other in _SCHEDULERS.get(optimizer, ()):
        if other is not scheduler and any(written[1:3] == (index, place) for written in other.written()):
            return "another Scheduler"
    for member in members_on(optimizer):
        if name in member.names():
            return f"{type(member).__name__} of etude.torch.lr_scheduler"
    return _of_others(optimizer)


def _of_others(optimizer: Optimizer) -> str | None:
    """The scheduler of another library that holds this optimizer; None where there is none."""
    members = members_on(optimizer)
    own = {id(one) for one in (*members, *_SCHEDULERS.get(optimizer, ()))}
    for holder in gc.get_referrers(optimizer):
        kind = type(holder)
        library = kind.__module__.partition(".")[0]
        if library != "etude" and id(holder) not in own and hasattr(kind, "step"):
            named = f"{kind.__name__} of {library}" if library != "__main__" else kind.__name__
            if isinstance(holder, LRScheduler) or kind.__name__.endswith(("Scheduler", "LR")):
                return named
    # torch's own mark it so, and may be gone since; they write rates, and two of them momentum.
    return "a scheduler of torch's" if getattr(optimizer.step, "_wrapped_by_lr_sched", False) else None


def tell_of_another_writer(scheduler: LRScheduler, index: int, left: float, found: float) -> None:
    """Warn that the rate of a group is another than a drop-in has left there.

    Args:
        scheduler: one of the drop-ins on the optimizer, which is stepped now.
        index: the group's.
        left: the rate that was written.
        found: the rate that is there.
    """
    optimizer = scheduler.optimizer
    for other in _SCHEDULERS.get(optimizer, ()):
        if any(written[1:3] == (index, ("lr", None)) for written in other.written()):
            return  # which tells it itself
    name = f"{type(scheduler).__name__} of etude.torch.lr_scheduler"
    text = (
        f"{name} has left the rate of the parameter group {group_name(optimizer.param_groups[index], index)} "
        f"at {left:.6g}, and {found:.6g} is found there"
    )
    who = _of_others(optimizer)
    if who is not None:
        finding = Finding(
            "two-writers",
            "warning",
            f"{text}: {who} has been built on this optimizer too, and each writes over what the other has "
            f"written.",
            "Take both from etude.torch.lr_scheduler, where the two multiply, or join them in one Scheduler.",
            {"group": index, "found": found},
        )
    else:
        finding = Finding(
            "rate-changed",
            "warning",
            f"{text}, and is overwritten now.",
            "Let the schedulers alone write it: change scheduler.base_lrs, or multiply by a LambdaLR.",
            {"group": index, "found": found},
        )
    tell(_words(finding))


def _goes_on(total: int) -> Finding:
    return Finding(
        "run-goes-on",
        "warning",
        f"The horizon planned {total:,} updates and the run goes on: from here the last value is held.",
        "Give the Horizon the whole length of the run; Horizon.of(loader, epochs=...) counts it.",
        {"planned": total},
    )


def _none_real() -> Finding:
    return Finding(
        "no-updates",
        "warning",
        f"None of the last {IN_VAIN} calls of step() came after an update: the scaler has skipped them, or "
        f"it steps another optimizer, or step() is called more often than scaler.step(optimizer).",
        "See that gradients are finite, and call scheduler.step() once after each scaler.step(optimizer) and "
        "scaler.update().",
        {"calls": IN_VAIN},
    )


def has_been_scheduled(optimizer: Optimizer) -> bool:
    """Whether another scheduler was built on an optimizer in this process: it comes from no checkpoint."""
    wrapped = getattr(optimizer.step, "_wrapped_by_lr_sched", False)  # by torch's own
    return optimizer in _SCHEDULERS or was_scheduled(optimizer) or bool(wrapped)


def _have_overflowed(optimizer: Optimizer) -> bool:
    weights = (weight for group in optimizer.param_groups for weight in group["params"])
    gradients = (getattr(weight, "grad", None) for weight in weights)
    return any(type(one) is Tensor and not bool(one.isfinite().all()) for one in gradients)


def _too_early() -> Finding:
    return Finding(
        "step-before-update",
        "warning",
        "step() was called before the first update: the value of step 0 is never used, and each update uses "
        "that of the step after its own.",
        "Call optimizer.step() first, then scheduler.step(); where a GradScaler leaves updates out, give it "
        "as Scheduler(scaler=).",
    )


class _Updates:
    """A hook that counts the optimizer's updates through one epoch, beside the scheduler's steps.

    It holds the scheduler weakly. It claims nothing where no update is seen, as in a compiled step.

    Args:
        scheduler: the one whose steps are counted.
        planned: the updates of an epoch, where they are known.
        watch: what tells.
        only_first: whether only the order of the first updates and steps is looked at.
    """

    def __init__(self, scheduler: Watched, planned: int | None, watch: Watch, *, only_first: bool) -> None:
        self._watch = weakref.ref(watch)
        self._planned = planned
        self._only_first = only_first
        self.excused = self._early = False
        self.done = False
        self.start(scheduler)
        self._depth = 0
        optimizer = scheduler.optimizer
        self._handles = [
            optimizer.register_step_pre_hook(self._enter),
            optimizer.register_step_post_hook(self._leave),
        ]
        self._scheduler = weakref.ref(scheduler, partial(_remove, self._handles))

    def start(self, scheduler: Watched) -> None:
        """Count from here."""
        self._before = scheduler._step_count
        self._skipped = scheduler.skipped
        self.seen = 0

    def remove(self) -> None:
        """Take the hook off the optimizer: not from within, for torch is walking through the hooks then."""
        _remove(self._handles)

    def _enter(self, *_: Any) -> None:
        if not torch.compiler.is_compiling():  # a count that changes would compile the step anew
            self._depth += 1
            watch, scheduler = self._watch(), self._scheduler()
            if watch is None or scheduler is None or watch._past is None:
                return
            if scheduler.last_epoch == 0:
                watch._tell(watch._past, once="past")
            watch._past = None

    def _leave(self, *_: Any) -> None:
        if torch.compiler.is_compiling():
            return
        # Where a subclass calls super().step(), torch runs the hooks of both for one update.
        self._depth -= 1
        if self.done or self._depth > 0:
            return
        scheduler, watch = self._scheduler(), self._watch()
        if scheduler is None or watch is None:
            return
        if scheduler.skipped != self._skipped:  # what was skipped counts on one side only: begin again
            self.start(scheduler)
        ticks, seen = scheduler._step_count - self._before, self.seen
        self.seen += 1
        # More steps than one before the first update are a clock that was moved on by hand; more between the
        # first two, steps for each batch of an accumulated gradient.
        if not seen:
            self._early = ticks == 1
        elif seen == 1 and self._early and ticks <= 2 and not (watch._clock_is_set or self.excused):
            watch._tell(_too_early(), once="order")
        if self._only_first and seen:
            self.done = True
            scheduler.wake()  # so that the next step takes the hook away
            return
        # Without epochs a few updates have to do; step() may come less often then, once in an epoch.
        enough = FEW if self._planned is None else self._planned
        if max(ticks, seen) < enough or not ticks or not seen:
            # Where the clock is moved by seek() alone there is nothing to compare.
            self.done = seen > 2 * enough
        else:
            self.done = True
            scheduler.wake()  # so that the next step takes the hook away
            if max(ticks, seen) >= APART * min(ticks, seen) and (self._planned is not None or ticks > seen):
                watch._tell(_apart(self._planned, seen, ticks), once="ticks")


def _in_company() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _remove(handles: list[RemovableHandle], _: object = None) -> None:
    for handle in handles:
        handle.remove()


def _apart(planned: int | None, seen: int, ticks: int) -> Finding:
    plan = "Each step is one update"
    numbers = {"updates": seen, "steps": ticks}
    if planned is not None:
        plan = f"The horizon plans {planned:,} steps in an epoch, one for each update"
        numbers["planned"] = planned
    times = "once" if ticks == 1 else f"{ticks:,} times"
    return Finding(
        "ticks-per-epoch",
        "warning",
        f"{plan}; in the first {seen:,} updates step() was called {times}.",
        "Call scheduler.step() after each optimizer.step(), "
        + (
            "or count in epochs: Horizon(steps_per_epoch=1, ...)."
            if ticks < seen
            else "not after each batch of an accumulated gradient or for each process; "
            "Horizon.of(loader, epochs=..., accumulate=..., world_size=...) counts the updates."
        ),
        numbers,
    )


def tell_tick_length(scheduler: LRScheduler, lengths: Mapping[str, float]) -> None:
    """Watch a scheduler whose lengths are meant in updates, and tell if it is stepped less often than that.

    It looks at the first two steps and claims nothing where no update is seen.

    Args:
        scheduler: one without a horizon, such as the drop-in ``CyclicLR``.
        lengths: its lengths by the argument's name, such as ``{"step_size_up": 500}``.
    """
    optimizer = scheduler.optimizer
    if hasattr(optimizer, "_optimizer_step_post_hooks"):
        optimizer.register_step_post_hook(_Ticks(scheduler, dict(lengths)))


class _Ticks:
    """A hook that counts the updates between a scheduler's first steps."""

    def __init__(self, scheduler: LRScheduler, lengths: dict[str, float]) -> None:
        self._scheduler: weakref.ref[LRScheduler] | None = weakref.ref(scheduler)
        self._lengths = lengths
        self._before = scheduler._step_count
        self._seen = 0

    def __call__(self, *_: Any) -> None:
        if self._scheduler is None:
            return
        scheduler = self._scheduler()
        ticks = 0 if scheduler is None else scheduler._step_count - self._before
        if scheduler is not None and ticks < 2:
            self._seen += 1
            return
        self._scheduler = None
        if scheduler is not None and self._seen >= APART * ticks:
            finding = _too_rare(type(scheduler).__name__, self._lengths, self._seen / ticks)
            tell(_words(finding))


def _too_rare(name: str, lengths: Mapping[str, float], updates: float) -> Finding:
    inner = ", ".join(f"{field}={length:g}" for field, length in lengths.items())
    long = ", ".join(f"{field} {length * updates:,.0f}" for field, length in lengths.items())
    return Finding(
        "ticks-per-epoch",
        "warning",
        f"{name}({inner}) counts calls of step(), and step() comes once in {updates:,.4g} updates; in "
        f"updates that is {long}. If it is called once in each epoch, these are epochs.",
        "Call scheduler.step() after each optimizer.step(), or write the lengths in what is stepped.",
        {"updates": updates, **lengths},
    )
