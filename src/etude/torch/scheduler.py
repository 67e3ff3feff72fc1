"""The one object that writes hyperparameters into an optimizer's groups."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from numbers import Integral
from threading import get_ident
from typing import Any, Literal

import torch.distributed as dist
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from etude.answers import answering
from etude.check import Finding
from etude.durations import DurationLike, Horizon
from etude.eases import Array
from etude.errors import ScheduleError
from etude.levels import LevelLike
from etude.planned import RunPlan
from etude.readings import Reading
from etude.schedules import Plateau, PlateauState, bounds
from etude.torch import resuming, state
from etude.torch.ahead import STALE, Ahead
from etude.torch.beginnings import nothing_left, past_of
from etude.torch.changes import Policy, Seam, to_policy
from etude.torch.findings import findings
from etude.torch.groups import Place, base_of, check_names, own_tensors, read
from etude.torch.laid import Laid
from etude.torch.matching import same_base
from etude.torch.moments import Moment
from etude.torch.plans import Plan, normal, targets_of
from etude.torch.scalars import to_step
from etude.torch.skips import Skips
from etude.torch.updates import Update, readings
from etude.torch.watch import Watch, has_been_scheduled

__all__ = ["Scheduler"]

_LOG = logging.getLogger("etude")

# Values are worked out ahead in one vectorised evaluation: of a few steps at first, for whoever seeks about
# or observes at every step, then of four times as many each time the last were used up.
FIRST_AHEAD, MOST_AHEAD = 32, 8192
# Of so many groups at most, all steps together.
MOST_VALUES = 2**20


class Scheduler(LRScheduler):
    """Writes the values of schedules into an optimizer's parameter groups, step by step.

    A step is one optimizer update. Building it writes the values of step 0; ``step()`` after each
    ``optimizer.step()`` writes those of the next. The values are a function of the step, of what was
    observed and of each group's own base rate alone (the rate that the optimizer was built with, kept in
    the group as ``initial_lr``): nothing is multiplied into what is there, ``optimizer.step`` is not
    wrapped, and tensor rates are filled in place.

    Args:
        optimizer: any torch optimizer.
        schedules: the schedule of the learning rate, or a dict of schedules by hyperparameter: any number
            in the groups, such as ``"lr"``, ``"weight_decay"``, ``"betas[1]"``; ``"momentum"`` is
            ``betas[0]`` in the optimizers of Adam's kind. The name of another hyperparameter instead of a
            schedule keeps the two in proportion: ``{"lr": plan, "weight_decay": "lr"}``.
        horizon: what turns durations into steps; not needed for a schedule written in steps.
        groups: instead of ``schedules``: a schedule, or a dict of them, for each parameter group, by the
            group's ``name``, a pattern of names (``"block.*"``), its index, or a function of the group;
            ``"*"`` is for all others, also for those added later.
        targets: numbers outside of the optimizer that schedules are for, by name: the object and its
            attribute (or key), such as ``{"clip": (clipper, "max_norm")}`` beside ``{"lr": plan, "clip":
            ramp}``. BASE is the value that is there now.
        added: what groups that are added later do, from the next ``step()`` on (or ``seek(last_epoch)`` at
            once): ``"join"`` the common clock, or start their ``"own"`` at 0.
        count: whether ``step()`` counts ``"updates"`` only or all ``"attempts"``; they differ where a
            scaler skips an update whose gradients overflowed.
        scaler: the ``GradScaler`` that steps the optimizer, through which skipped updates are seen.
        on_change: what to do with the checkpoint of another plan: not given, it is refused with what differs;
            ``"stretch"`` follows the present plan at the same step, ``"keep"`` the checkpoint's, ``"hold"``
            the rate that was reached, and ``redecay(over="10%")`` decays from there.
        feedback: what Plateaus among the schedules have seen elsewhere, as ``adopt`` reads it.

    Raises:
        ScheduleError: for a group without a schedule, a name without a group, or a hyperparameter that
            the optimizer does not have.
        HorizonError: where the horizon lacks what a schedule needs.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> scheduler = Scheduler(optimizer, Cosine(), Horizon(total=4))
    >>> for _ in range(4):
    ...     print(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     scheduler.step()
    0.1
    0.0854
    0.05
    0.0146
    """

    # torch's base class promises tensors for tensor rates; a rate is always a float here.
    base_lrs: list[float]  # type: ignore[assignment]
    # Fractions of a step are allowed, where torch counts whole epochs.
    last_epoch: float  # type: ignore[assignment]

    @answering()
    def __init__(
        self,
        optimizer: Optimizer,
        schedules: Plan | None = None,
        horizon: Horizon | None = None,
        *,
        groups: Mapping[Any, Plan] | None = None,
        targets: Mapping[str, tuple[Any, str]] | None = None,
        added: Literal["join", "own"] = "join",
        count: Literal["updates", "attempts"] = "updates",
        scaler: GradScaler | None = None,
        on_change: Policy | str | None = None,
        feedback: Mapping[Plateau, PlateauState] | None = None,
    ) -> None:
        # Not super().__init__(): it wraps optimizer.step, which breaks compiled graphs.
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"Scheduler takes a torch optimizer; got {type(optimizer).__name__}")
        if (schedules is None) == (groups is None):
            raise ScheduleError(
                "Scheduler takes either a schedule for all groups or groups={...}; got "
                f"{'neither' if schedules is None else 'both'}"
            )
        if horizon is not None and not isinstance(horizon, Horizon):
            raise ScheduleError(
                f"Scheduler's horizon must be a Horizon, such as Horizon(total=1000); got {horizon!r}"
            )
        self.optimizer = optimizer
        self.horizon = Horizon() if horizon is None else horizon
        plans = normal(groups if schedules is None else {"*": schedules})
        self.added = bounds.choice(added, "Scheduler(added=)", ["join", "own"])
        self.count = bounds.choice(count, "Scheduler(count=)", ["updates", "attempts"])
        self.on_change = to_policy(on_change)
        self.seam: Seam | None = None
        self.skipped = 0
        self.last_epoch = 0
        self._step_count = 1
        self._skips: Skips | None = None
        # Of the updates in this process, those that torch's count of steps does not have.
        self._uncounted = 0
        self._last: Update | None = None
        self._watch = Watch()
        self._ahead = Ahead()
        check_names(plans, optimizer.param_groups)
        laid = Laid(plans, targets_of(targets), self.horizon, optimizer.param_groups, joined={})
        self._moment = Moment(laid, {} if feedback is None else dict(feedback)).on(laid)
        for plateau in feedback or {}:
            if plateau not in self._moment.feedback:
                raise ScheduleError(f"Scheduler(feedback=): none of the schedules has a {plateau!r}")
        # Whatever may be refused, and told as an error, is before all that writes.
        values = self._evaluated(self._moment)
        self._watch.tell(self.check())
        if not has_been_scheduled(optimizer):
            self._watch.shows(past_of(optimizer, laid, values, loaded=False))
        if scaler is not None:
            self._skips = Skips(optimizer, scaler)
        self._lay(self._moment)
        self._write()
        self._follow_loading()
        self._watch.begin(self)

    # The clock.

    def step(
        self,
        epoch: int | None = None,
        *,
        samples: float | None = None,
        tokens: float | None = None,
    ) -> None:
        """Move on by one step, or to the given one, and write its values.

        Args:
            epoch: the step to go to, as ``seek``, but a whole one; torch's name for it.
            samples: the samples of this update over all processes, where the schedule is written in samples
                or epochs and batches are not all of one size.
            tokens: likewise, where it is written in tokens.

        Raises:
            ScheduleError: where this cannot be a step, with the optimizer as it was: for amounts that are
                not positive or not what the schedule counts in, and from a second thread.
        """
        step = self.last_epoch + 1
        ahead = self._ahead
        row = step - ahead.first
        if (
            0 < row < ahead.quick  # 0 where nothing can be taken for granted
            and epoch is None
            and samples is None
            and tokens is None
            and self.optimizer.param_groups is ahead.groups
            and len(ahead.groups) == ahead.count
            and ahead.group[ahead.key] is ahead.last
            and get_ident() == ahead.thread
            and not (ahead.tensors and not ahead.follows(ahead.groups))
        ):
            if ahead.floats:
                for group, key, values in ahead.floats:
                    group[key] = ahead.last = values[row]  # type: ignore[call-overload]  # rows are whole
            else:
                ahead.write(row)  # type: ignore[arg-type]  # likewise
            self.last_epoch = step
        elif not self._step(epoch, samples, tokens):
            return
        self._step_count += 1

    def _step(self, epoch: int | None, samples: float | None, tokens: float | None) -> bool:
        """Move on with all that has to be looked after; return whether there was a step."""
        self._own_thread()
        watch, ahead = self._watch, self._ahead
        used = Update(self._number + 1, self.last_epoch, self._moment, self._moment.laid.unscheduled_rates())
        if ahead.group[ahead.key] is not ahead.last:
            watch.look(self)
            if not watch.knows(self._moment.laid.tensors()):  # rates were made tensors since, or numbers
                ahead.groups = None
        if epoch is not None and (isinstance(epoch, bool) or not isinstance(epoch, Integral)):
            raise ScheduleError(
                f"step(epoch) goes to a whole step; got {epoch!r}; a metric is for "
                f"scheduler.observe(val_loss=...), and a fraction of a step for scheduler.seek(...)"
            )
        moment = self._moment
        if epoch is None and (samples is not None or tokens is not None or moment.meters):
            moment = moment.measured(self.last_epoch, samples, tokens)
        if self._skips is not None:
            updated = self._skips.updated()
            watch.attempted(updated)
            self.skipped += not updated
            if not updated and self.count == "updates":
                self._uncounted += 1
                self._last = used
                return False
        if epoch is not None:
            self.seek(epoch)
        else:
            self._become(moment, self.last_epoch + 1)
        self._last = used
        if watch.renewed:
            watch.renew(self)
        return True

    def seek(self, step: float) -> None:
        """Go to a step, counted from 0, and write its values.

        Where samples or tokens are counted, all updates before another step count as of the horizon's size.

        Raises:
            ScheduleError: for a step that is negative or not a number; the optimizer is left as it was.
        """
        plain = to_step(step)
        elsewhere = self._moment.meters and plain != self.last_epoch
        self._become(self._moment.at({}) if elsewhere else self._moment, plain)
        self._watch.set_clock()
        self._ahead.thread = None

    def _become(self, moment: Moment, step: float) -> None:
        """Follow a moment from a step on, and write its values; on an error, nothing has changed."""
        before, at = self._moment, self.last_epoch
        self._last = self.last_update()
        self.last_epoch = step
        try:
            if moment.laid is not before.laid:
                self._lay(moment)
            elif moment.meters is not before.meters or moment.factors != before.factors:
                self._ahead.forget()
            self._moment = moment
            self._write()
        except BaseException:
            self.last_epoch = at
            if self._moment.laid is not before.laid:
                self._lay(before)
            self._moment = before
            self._ahead.forget()
            raise

    def _own_thread(self) -> None:
        """Refuse to be stepped by a second thread: one update would count twice."""
        thread = get_ident()
        if self._ahead.thread is not None and self._ahead.thread != thread:
            owner = next((one for one in threading.enumerate() if one.ident == self._ahead.thread), None)
            if owner is not None:
                raise ScheduleError(
                    f"this Scheduler is stepped by the thread {owner.name!r}, and now by "
                    f"{threading.current_thread().name!r}: two clocks would run in one; step it in one "
                    f"thread, or hand it over with scheduler.seek(scheduler.last_epoch)"
                )
        self._ahead.thread = thread

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that Plateaus among the schedules follow: those to ``observe``."""
        return self._moment.metrics

    def observe(self, **metrics: float) -> None:
        """Tell the Plateaus among the schedules what was measured; a lower factor holds from now on.

        Raises:
            ScheduleError: for a metric that no Plateau follows, or that is not a number.
        """
        self._become(self._moment.observed(metrics), self.last_epoch)

    def cooldown(
        self, over: DurationLike, *, stop: LevelLike = 0.0, ease: str = "linear", name: str = "lr"
    ) -> None:
        """Leave the schedule here, and decay from the value it has: on demand, whenever a run is to end.

        A checkpoint taken before is the trunk, which can go on as if this had never been.

        Args:
            over: how long the decay takes; a share is of the whole run.
            stop: the last level.
            ease: see ``Cooldown``.
            name: the hyperparameter.

        Raises:
            ScheduleError: for a hyperparameter that has no schedule, or one that is kept in proportion.
        """
        self._follow_groups()
        self._become(self._moment.cooled(self.last_epoch, over, stop, ease, name), self.last_epoch)

    # What it reads.

    # Floats, where torch's base class promises tensors for tensor rates.
    def get_lr(self) -> list[float]:  # type: ignore[override]
        """Return the learning rate of each group at the step ``last_epoch``; nothing else matters."""
        self._follow_groups()
        return self._by_group("lr", self._values())

    def get_last_lr(self) -> list[float]:  # type: ignore[override]
        """Return the learning rate of each group that was last written, as floats."""
        return self._by_group("lr", self._values())

    # torch's own wrappers of schedulers read it.
    @property
    def _last_lr(self) -> list[float]:  # type: ignore[override]
        return self.get_last_lr()

    def _by_group(self, name: str, values: list[Array]) -> list[float]:
        """A hyperparameter of all groups: the scheduled values, and the others as they are."""
        groups = self.optimizer.param_groups
        scheduled: dict[int, float] = {}
        for binding, row in zip(self._moment.laid.bindings, values, strict=True):
            if binding.name == name:
                scheduled.update(zip(binding.indices, row.tolist(), strict=True))
        return [
            scheduled[index] if index in scheduled else read(group, (name, None))
            for index, group in enumerate(groups)
        ]

    def reading(self, step: int, metrics: Mapping[str, float] | None = None) -> Reading:
        """Return what the update ``step`` used: the value of each group, by name, and the phase.

        Of the last update it is what that has used, whatever was observed or changed since; any other is
        told as the plan and the feedback are now.
        """
        self._follow_groups()
        update = self.last_update()
        if update.step != step:
            moment = self._moment
            moment.check_known([step], {self.last_epoch: None}, self.last_epoch)
            update = Update(0, step, moment, moment.laid.unscheduled_rates())
        return readings([(update, metrics or {})])[0]

    def last_update(self) -> Update:
        """Return the last update, and what decided its values: ``readings`` works them out, at any time.

        The first in this process has the number 1; while there was none, the number is 0. An update that a
        scaler has left out is one too, of the step that was tried.
        """
        number = self._number
        if self._last is not None and self._last.number == number:
            return self._last
        return Update(number, self.last_epoch - 1, self._moment, self._moment.laid.unscheduled_rates())

    readings = staticmethod(readings)

    @property
    def plan(self) -> RunPlan:
        """What the run is to follow from here on: its schedules, horizon and base values."""
        self._follow_groups()
        return RunPlan(self.last_epoch, self.horizon, tuple(self._moment.laid.planned()))

    @property
    def rank(self) -> int:
        """The number of this process among those that train together; 0 where it is alone."""
        return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0

    @property
    def _number(self) -> int:
        """How many updates there were in this process, those that were left out among them."""
        return self._step_count + self._uncounted - 1

    def explain(self, group: str | int = 0, name: str = "lr") -> str:
        """Return in a sentence what makes a group's present value: its base, the phase and the feedback.

        Args:
            group: the parameter group, by name or index; of a target it is no matter.
            name: the hyperparameter, or the target.

        Raises:
            ScheduleError: for a group that there is not, or a hyperparameter that is not scheduled there.
        """
        self._follow_groups()
        binding, member = self._moment.laid.found(group, name)
        place = self._moment.place(binding.course, self.last_epoch)
        return binding.explain(place, member, self._moment.factors)

    def check(self) -> tuple[Finding, ...]:
        """Return what is wrong, or perhaps not meant, about the schedules on this optimizer.

        Errors and warnings among it are told when the Scheduler is built; notes are told here alone.
        """
        return tuple(findings(self.optimizer, self._moment.laid.bindings))

    def written(self) -> Iterator[tuple[str, int, Place, float]]:
        """Every value of the present step in the groups, after its hyperparameter, group index and place.

        Nothing where the groups are others than those that were written into.
        """
        if self._groups_are_others():
            return
        for binding, row in zip(self._moment.laid.bindings, self._values(), strict=True):
            for index, value in zip(binding.indices, row.tolist(), strict=False):
                yield binding.name, index, binding.place, value

    # The values.

    @property
    def progress(self) -> float:
        """How far the run is, in the horizon's steps: at the step, or where samples or tokens have led."""
        return self._moment.progress(self.last_epoch)

    @property
    def began(self) -> Fraction | float:
        """How far it was when the last update began."""
        return self._moment.began(self.last_epoch)

    def _values(self) -> list[Array]:
        """The values at the present step: for each binding, one for each of its groups."""
        row = self._ahead.row(self.last_epoch)
        if row is not None:
            return [block[row] for block in self._blocks]
        return [rows[0] for rows in self._moment.values([self.last_epoch], self.last_epoch)]

    def _write(self) -> None:
        """Write the present step's values, working out those of the next ones where they are not known."""
        self._follow_groups()
        row = self._ahead.row(self.last_epoch)
        if row is None:
            self._look_ahead()
            row = 0
        self._ahead.write(row)

    def _look_ahead(self) -> None:
        """Work out the values of the present step and the next ones, and give them to the writers."""
        steps: Sequence[float] = [self.last_epoch]
        if float(self.last_epoch).is_integer() and not self._moment.meters:
            first = int(self.last_epoch)
            used_up = first == self._ahead.first + self._ahead.rows
            ahead = 4 * self._ahead.rows if used_up and self._ahead.rows else FIRST_AHEAD
            ahead = min(ahead, MOST_AHEAD, max(MOST_VALUES // self._moment.laid.width, FIRST_AHEAD))
            total = self.horizon.total_steps
            # Not past the run's end, so that whoever goes on there works out values anew, and is told.
            end = first + ahead if total is None or first > total else math.ceil(total) + 1
            steps = range(first, min(first + ahead, end))
        try:
            blocks = self._held(steps)
        except ScheduleError:
            # Only what is asked for may fail: the end of a schedule, or of what a user's function knows, may
            # lie within the next steps.
            steps = steps[:1]
            blocks = self._held(steps)
        self._blocks = blocks
        self._ahead.load(steps[0], blocks)
        # Of clocks that samples or tokens move, only the present is known.
        self._ahead.rows = 0 if self._moment.meters else len(steps)
        self._ahead.quick = 0 if self._skips is not None else self._ahead.rows
        self._watch.renewed = True

    def _held(self, steps: Sequence[float]) -> list[Array]:
        """The values at steps; refused where a group cannot hold them."""
        blocks = self._moment.values(steps, self.last_epoch)
        for binding, block in zip(self._moment.laid.bindings, blocks, strict=True):
            binding.check_held(block, steps)
        return blocks

    def wake(self) -> None:
        """Look around at the next step."""
        self._ahead.last = STALE

    # Which schedule is whose.

    def _follow_groups(self) -> None:
        """Lay the schedules anew where the groups are others: after one was added, or a state was loaded."""
        if self._groups_are_others():
            self._last = self.last_update()
            laid, groups = self._moment.laid, self.optimizer.param_groups
            joined = laid.joined
            if self.added == "own":
                new = range(len(laid.groups), len(groups))
                joined = {**dict.fromkeys(new, self._moment.axis(self.last_epoch)), **joined}
            self._lay(self._moment.on(replace(laid, groups=groups, joined=joined)))

    def _groups_are_others(self) -> bool:
        return not self._ahead.follows(self.optimizer.param_groups)

    def _lay(self, moment: Moment) -> None:
        """Write what a moment follows from now on into the groups that it was laid over."""
        # What cannot be evaluated here and now is refused before anything has changed.
        self._evaluated(moment)
        self._moment, laid = moment, moment.laid
        for name in {binding.name for binding in laid.bindings if not binding.is_target}:
            own_tensors(list(laid.groups), name)
        for binding in laid.bindings:
            binding.keep_bases()
        self.base_lrs = laid.base_lrs
        self._ahead.follow(self.optimizer.param_groups, laid.groups, laid.bindings)
        # Once the writers have moved them together.
        self._watch.follow(laid.tensors())

    def _evaluated(self, moment: Moment) -> list[Array]:
        """The values of the present step under a moment; refused where a group cannot hold them."""
        rows = moment.values([self.last_epoch], self.last_epoch)
        for binding, block in zip(moment.laid.bindings, rows, strict=True):
            binding.check_held(block, [self.last_epoch])
            if float(self.last_epoch) == 0:
                binding.check_ahead()
        return [block[0] for block in rows]

    def _follow_loading(self) -> None:
        """Write the present values again when the optimizer has loaded a state with those of another time.

        The base rates are those that this was built with, as the rest of the plan is.
        """
        # Wrappers of optimizers have no hooks; what they have loaded is written over at the next step.
        if not hasattr(self.optimizer, "_optimizer_load_state_dict_post_hooks"):
            return
        reference = weakref.ref(self)

        def loaded(_: Optimizer) -> None:
            scheduler = reference()
            if scheduler is not None:
                scheduler._look_back()
                scheduler._keep_bases()
                scheduler._become(scheduler._moment, scheduler.last_epoch)

        handle = self.optimizer.register_load_state_dict_post_hook(loaded)
        weakref.finalize(self, handle.remove)

    def _look_back(self) -> None:
        """See whether the optimizer has loaded the state of a run whose clock this does not have."""
        laid = self._moment.laid
        if self.last_epoch == 0 and len(laid.groups) == len(self.optimizer.param_groups):
            self._watch.shows(past_of(self.optimizer, laid, self._values(), loaded=True))

    def _keep_bases(self) -> None:
        """Keep the bases where the optimizer's groups are others with bases of their own."""
        groups = self.optimizer.param_groups
        brought = [base_of(group, "lr") for group in groups]
        for binding in self._moment.laid.bindings:
            for index, base in zip(binding.indices, binding.bases.tolist(), strict=False):
                groups[index][f"initial_{binding.name}"] = base
        kept = [base_of(group, "lr") for group in groups]
        if not all(map(same_base, brought, kept)):
            _LOG.warning(
                "the optimizer's checkpoint has the base rates %s; this run's count: %s",
                _listed(brought),
                _listed(kept),
            )

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Return the state: one JSON string, versioned, that later versions can add to.

        It holds the clock, what the Plateaus remember, and the schedules, horizon and base rates that it
        belongs to.
        """
        snapshot = resuming.snapshot(self._moment, self.last_epoch, self._step_count, self.skipped)
        return {state.KEY: state.dump(snapshot)}

    def load_state_dict(self, state_dict: Mapping[str, Any], on_change: Policy | str | None = None) -> None:
        """Take up a saved state, in any order with building the scheduler and loading the optimizer.

        Args:
            state_dict: what ``state_dict()`` returned; it is not changed.
            on_change: what to do with the state of another plan, instead of the Scheduler's own policy.

        Raises:
            ResumeError: for the state of something else, or of other schedules, horizon or base rates and no
                policy, saying what differs; nothing is changed then.
        """
        loaded = state.load(state_dict)
        policy = self.on_change if on_change is None else to_policy(on_change)
        groups = self.optimizer.param_groups
        joined = loaded.began(len(groups)) if self.added == "own" else {}
        present = replace(self._moment.laid, groups=groups, joined=joined, became={})
        resumed = resuming.resume(loaded, present, policy)
        self._take_up(loaded, present, resumed)
        self._uncounted += self._step_count - loaded.count
        self._step_count, self.skipped = loaded.count, loaded.skipped
        self.seam = resumed.seam
        self._ahead.thread = None
        self._watch.resumed(self)
        if self.seam is not None:
            _LOG.warning("%s", self.seam)
            found = policy and nothing_left(self._moment, self.last_epoch, policy, self.seam)
            self._watch.tell([found] if found else [])

    def _take_up(self, loaded: state.Snapshot, present: Laid, resumed: resuming.Resumed) -> None:
        before = [(binding, binding.bases.tolist()) for binding in self._moment.laid.bindings]
        try:
            resumed.put_bases()
            laid = replace(present, became=resumed.became, built=resumed.built)
            self._become(self._moment.on(laid, loaded.plateaus).at(resumed.positions), loaded.step)
        except BaseException:
            for binding, bases in before:
                binding.put_bases(bases)
            raise

    def __getstate__(self) -> dict[str, Any]:
        # A copy looks after its own optimizer: it lays its schedules anew at the first step.
        return {**vars(self), "_ahead": Ahead(), "_last": None}

    def __setstate__(self, values: dict[str, Any]) -> None:
        vars(self).update(values)
        self._follow_loading()

    def __repr__(self) -> str:
        bindings = self._moment.laid.bindings
        followed = dict.fromkeys((binding.name, repr(binding.course.schedule)) for binding in bindings)
        plans = "; ".join(f"{name}: {text}" for name, text in followed)
        return f"<Scheduler at step {self.last_epoch} of {plans}>"


def _listed(rates: list[float]) -> str:
    few = [f"{rate:.6g}" for rate in rates[:4]]
    return ", ".join(few) + (", ..." if len(rates) > len(few) else "")
