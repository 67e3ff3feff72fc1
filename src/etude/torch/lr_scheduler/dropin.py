"""What the drop-ins share: torch's attributes outside, Etude's schedules within."""

from __future__ import annotations

import copy
import inspect
import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import is_, itemgetter
from typing import Any, NoReturn

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, LRScheduler

from etude.errors import EtudeError, ResumeError, ScheduleError
from etude.schedules import bounds
from etude.torch import formulas
from etude.torch.groups import Group, Place, group_name, own_tensors, place_of, write_all
from etude.torch.lr_scheduler.lines import Lines
from etude.torch.lr_scheduler.states import check_class, check_values, differences
from etude.torch.scalars import scalar, shown, to_step
from etude.torch.stack import Part, Stack
from etude.torch.telling import tell
from etude.torch.watch import tell_of_another_writer

__all__ = ["DropIn", "check_optimizer", "clone", "or_as_it_was", "per_group"]

# What changes as a scheduler goes on; all other attributes say what it is.
CLOCK = {
    "optimizer",
    "last_epoch",
    "_step_count",
    "_last_lr",
    "T_cur",
    "best",
    "num_bad_epochs",
    "cooldown_counter",
    "_factors",
}

# How far two rates may be apart that are the same: torch's are running products.
SAME_RATE = 1e-5
# What a saved value of another type or size makes whoever calculates with it raise.
DAMAGE = (TypeError, ValueError, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError)

TOO_EARLY = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value of the schedule is "
    "skipped. Call `optimizer.step()` first, then `lr_scheduler.step()`. See more details at "
    "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)


def clone(value: Any) -> Any:
    """Return a value that does not change with the given one."""
    if not isinstance(value, Tensor):
        return value
    return (value.detach() if value.requires_grad else value).clone()


def per_group(owner: str, name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """Return one number ≥ 0 for each parameter group, of one for all or a list."""
    size = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        value = [value] * size
    if len(value) != size:
        raise ScheduleError(
            f"{owner}: {name} must have the same length as optimizer.param_groups. {name} has {len(value)} "
            f"values, param_groups has {size}."
        )
    for item in value:
        bounds.number(formulas.plain(item), f"{owner}({name}=)", least=0)
    return [clone(item) for item in value]


class NoBaseError(ScheduleError, KeyError):
    """As torch raises it."""

    __str__ = Exception.__str__


def check_optimizer(optimizer: object) -> None:
    """Refuse what is no optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


@contextmanager
def or_as_it_was(optimizer: Optimizer) -> Iterator[None]:
    """Leave the groups as they were where what is built over them is refused."""
    groups = optimizer.param_groups
    before = [{key: (value, clone(value)) for key, value in group.items()} for group in groups]
    try:
        yield
    except BaseException:
        for group, kept in zip(groups, before, strict=True):
            group.clear()
            group.update({key: value for key, (value, _) in kept.items()})
            for value, copied in kept.values():
                if isinstance(value, Tensor) and value is not copied:
                    value.detach().copy_(copied)
        raise


RATE: Place = ("lr", None)


@dataclass(frozen=True, slots=True)
class Ready:
    """What a step that is but the next row of values needs, and what must be as it was when this was made."""

    lines: Lines
    last: float
    groups: list[Group]
    others: list[tuple[int, Place]]
    lists: list[Any]
    copies: list[Any]
    read: Callable[[Group], Any] | None
    settings: list[Any]

    def holds(self, groups: list[Group]) -> bool:
        """Whether the groups, the lists among the attributes and what is read of the groups are the same."""
        return (
            len(groups) == len(self.groups)
            and all(map(is_, groups, self.groups))
            and self.lists == self.copies
            and (self.read is None or list(map(self.read, groups)) == self.settings)
        )


def raise_damage(kind: str, error: BaseException) -> None:
    """Raise the ResumeError that an error in reading a state comes to, where it has come of its values."""
    if isinstance(error, DAMAGE) and not isinstance(error, EtudeError):
        raise ResumeError(f"this state of {kind} is damaged: {type(error).__name__}: {error}") from error


class DropIn(LRScheduler):
    """A scheduler of torch's name and attributes that computes its rates from the step alone.

    ``vars(scheduler)`` holds torch's attributes and nothing else; an attribute that is set, or a list among
    them that is changed in place, is followed at the next step. Where nothing was changed and no other
    scheduler is on the optimizer, a step writes the next of the rows that were worked out ahead; what is
    changed in ``vars(scheduler)`` itself is seen when these run out.
    """

    __slots__ = ("_built", "_lines", "_owner", "_ready", "_seen", "_stack", "_told", "stepped")

    # The group's keys that the formula reads.
    _GROUP_KEYS: tuple[str, ...] = ()
    # The attributes with one value for each group.
    _PER_GROUP: tuple[str, ...] = ()
    # The attributes that a step counts with.
    _NUMBERS: tuple[str, ...] = ("last_epoch", "_step_count")
    # Where a step has more to do than to write.
    _last_glided = math.inf
    # Whether ``base_lrs`` are the groups' ``initial_lr``, as in torch but for CyclicLR.
    _BASES_ARE_INITIAL = True

    _built: int
    _lines: Lines | None
    _owner: weakref.ref[Any] | None
    # What the next step needs where it is but the next row: a Ready; of a sequence, which part it is on.
    _ready: Any
    _seen: tuple[Any, ...]
    _stack: Stack
    _told: bool
    stepped: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if "verbose" in kwargs:
            raise TypeError(
                f"{cls.__name__} has no verbose any more, as in torch; leave it out and print get_last_lr()"
            )
        self = super().__new__(cls)
        self._lines, self._owner, self._seen = None, None, ()
        self._built, self._told, self.stepped = 0, False, 0
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "_ready":
            self._ready = None

    def __init_subclass__(cls) -> None:
        if "get_lr" in vars(cls):
            raise TypeError(
                f"{cls.__name__} computes its own get_lr(), which nobody would call; derive it from "
                f"torch.optim.lr_scheduler.LRScheduler, or use LambdaLR"
            )
        # For help(), which would otherwise show that of __new__.
        cls.__signature__ = _signature(cls)  # type: ignore[attr-defined]

    def _begin(self, optimizer: Optimizer, last_epoch: int) -> None:
        """Attach to the optimizer and write the values of the step after ``last_epoch``."""
        # Not LRScheduler.__init__: it wraps optimizer.step.
        check_optimizer(optimizer)
        with or_as_it_was(optimizer):
            self._build(optimizer, last_epoch)

    def _build(self, optimizer: Optimizer, last_epoch: int) -> None:
        done = bounds.whole(last_epoch, f"{type(self).__name__}(last_epoch=)", least=-1)
        self.optimizer = optimizer
        groups = optimizer.param_groups
        if done >= 0:
            for index, group in enumerate(groups):
                if "initial_lr" not in group:
                    raise NoBaseError(
                        f"{type(self).__name__}(last_epoch=): param 'initial_lr' is not specified in "
                        f"param_groups[{index}] when resuming "
                        f"scheduler with last_epoch >= 0.\nIts base rate would be the rate of the moment. "
                        f"Load the optimizer's state first; or, to start in the middle of a new run, leave "
                        f"last_epoch out and call scheduler.seek({done + 1})"
                    )
        self._check_parameters()
        own_tensors(groups, "lr")
        for group in groups:
            group.setdefault("initial_lr", clone(group["lr"]))
        if self._BASES_ARE_INITIAL:
            self.base_lrs = [clone(group["initial_lr"]) for group in groups]
        self.last_epoch = -1
        self._step_count = 0
        self._is_initial = False
        self._get_lr_called_within_step = False
        self._place(done + 1)
        self._count()
        self._evaluate()
        self._join(resumed=done >= 0)

    def _join(self, *, resumed: bool = False) -> None:
        """Attach to the optimizer's stack and write."""
        self._stack = Stack.of(self.optimizer)
        if resumed:
            # The same scheduler continued, not a second one on top of it.
            for member in self._stack.members:
                if type(member) is type(self) and member.parameters() == self.parameters():
                    self._stack.detach(member)
        if "initial_lr" in self._GROUP_KEYS:
            # It has given the groups another base, which is then everyone's, whoever came first.
            for member in self._stack.members:
                member.follow(self.optimizer.param_groups, len(self.optimizer.param_groups))
        self._stack.attach(self)
        self._built = self._stack.tick()
        self._write()

    # What it computes.

    @property
    def _kind(self) -> str:
        return formulas.kind(self)

    def parameters(self) -> dict[str, Any]:
        """The attributes that make it what it is."""
        return {name: self.__dict__[name] for name in self._parameters if name in self.__dict__}

    @property
    def _parameters(self) -> tuple[str, ...]:
        return formulas.PARAMETERS[self._kind]

    def _check_parameters(self) -> None:
        """Refuse attributes that no schedule can be made of."""
        for index, group in enumerate(self.optimizer.param_groups):
            formulas.FORMULAS[self._kind](self.__dict__, group, index)

    def _evaluate(self) -> None:
        """Work out the own values at the own step."""
        seen = self._present()
        if self._lines is None or seen != self._seen:
            self._lines = self._lay(self._bases())
            # Copied, so that a list that is changed in place is seen to be another.
            self._seen = tuple(map(_copied, seen))
        step = max(self._standing(), 0)  # a part whose time has not come stands at -1
        self._lines.at(step)
        self._lines.step = step

    def _lay(self, bases: Sequence[float]) -> Lines:
        """The schedules of all groups, for their base rates."""
        formula = formulas.FORMULAS[self._kind]
        groups = self.optimizer.param_groups
        return Lines([formula(self.__dict__, group, i) for i, group in enumerate(groups)], bases)

    def _standing(self) -> float:
        """The step of the schedules at which it stands."""
        return formulas.standing(self._kind, self.__dict__)

    def _present(self) -> tuple[Any, ...]:
        """All that the formula reads."""
        keys = self._GROUP_KEYS
        groups = self.optimizer.param_groups
        attributes = [value for name, value in self.__dict__.items() if name not in CLOCK]
        return (*attributes, len(groups), *(group.get(key) for key in keys for group in groups))

    def _bases(self) -> list[float]:
        """The base rate of each group."""
        groups = self.optimizer.param_groups
        if not self._BASES_ARE_INITIAL:
            return [float(group["initial_lr"]) for group in groups]
        bases = [
            float(formulas.at(self.base_lrs, index, self._kind, "base_lrs")) for index in range(len(groups))
        ]
        for group, base in zip(groups, bases, strict=True):
            if float(group["initial_lr"]) != base:
                group["initial_lr"] = base
        return bases

    def _place(self, step: float) -> None:
        """Set the clock."""
        # torch declares whole epochs; fractions of a step are allowed here.
        self.last_epoch = step  # type: ignore[assignment]

    def _advance(self) -> None:
        """Move the clock on by one step."""
        # Not by setting attributes: this changes nothing of what was worked out ahead.
        state = self.__dict__
        state["last_epoch"] += 1
        state["_step_count"] += 1

    def _count(self) -> None:
        self._step_count += 1

    # The stack's side.

    def part(self, name: str, index: int) -> Part | None:
        return None if self._lines is None else self._lines.part(name, index)

    def names(self) -> Iterable[str]:
        return () if self._lines is None else self._lines.names

    def blend(self, index: int, rate: float | None) -> float | None:
        return None

    def equip(self, groups: Sequence[Group], added: int) -> None:
        for index, group in enumerate(groups[added:], start=added):
            for key in self._GROUP_KEYS:
                if key not in group:
                    group[key] = clone(self._shared(key, groups[:added], index))

    def _shared(self, key: str, others: Sequence[Group], index: int) -> Any:
        """What all groups hold under a key of this class, which goes for a new one."""
        values = [group[key] for group in others]
        if formulas.alike(values):
            return values[0]
        raise ScheduleError(
            f"{self._kind} was given a {key} for each of {len(values)} parameter groups, and the group "
            f"{index} that was added has none; give it one: optimizer.param_groups[{index}][{key!r}] = ..."
        )

    def follow(self, groups: Sequence[Group], added: int) -> None:
        for group in groups:
            group.setdefault("initial_lr", clone(group["lr"]))
        if self._BASES_ARE_INITIAL:
            self.base_lrs = [clone(group["initial_lr"]) for group in groups]
        self._evaluate()

    def disturb(self) -> None:
        self._ready = None

    def report(self) -> None:
        """Take note of the rates that are in the groups."""
        self.__dict__["_last_lr"] = [
            rate if type(rate := group["lr"]) is float else clone(rate)
            for group in self.optimizer.param_groups
        ]

    # The clock.

    def step(self, epoch: float | None = None) -> None:
        """Move on by one step and write its values.

        Args:
            epoch: the step to go to instead, exactly; torch deprecates it, and ``seek(epoch)`` is the same
                without its warning.
        """
        if epoch is not None or self._owner is not None or not self._glide():
            self._take_step(epoch)

    def _take_step(self, epoch: float | None = None) -> None:
        """Move on by one step where everything may have changed."""
        self._look()
        if self._stack.claims:
            self._tell_of_a_jump()
        if epoch is not None:
            tell(EPOCH_DEPRECATION_WARNING, UserWarning)
            self._go(epoch, counted=True)
            return
        if self._too_early():
            tell(TOO_EARLY, UserWarning)
        self._go(None)

    def seek(self, step: float) -> None:
        """Go to a step, counted from 0, and write its values.

        Raises:
            ScheduleError: for a step that is negative or not a number; nothing is changed then.
        """
        self._look()
        self._stack.claims = []  # the rates are to be others
        self._go(step)

    def _look(self) -> None:
        """Warn, once for an optimizer, where somebody else has changed a rate, which is overwritten now."""
        stack = self._stack
        if stack.told or stack.is_as_left(self.optimizer.param_groups):
            return
        changed = stack.changed()
        if changed is not None:
            stack.told = True
            tell_of_another_writer(self, *changed)

    def _glide(self) -> bool:
        """Take the next step, where that is but the next row of values; return whether it was."""
        ready = self._ready
        if ready is None:
            return False
        lines, groups, stack = ready.lines, self.optimizer.param_groups, self._stack
        step = lines.step + 1
        row = lines.rows.get(step)
        if step > ready.last or (row is None and not lines.called) or not ready.holds(groups):
            return False
        if stack.claims or not (stack.told or stack.is_as_left(groups)):
            return False
        if row is None:
            row = lines.at(step)
        for column, place in ready.others:
            write_all(groups, place, row[column])
        floats = write_all(groups, RATE, row[0])
        stack.leave(row[0], floats)
        lines.step = step
        self._advance()
        if floats:
            self.__dict__["_last_lr"] = row[0].copy()
        else:
            self.report()
        return True

    def _prepare(self) -> None:
        """Get ready to glide, where this can."""
        groups = self.optimizer.param_groups
        lines = self._lines
        if lines is None or not lines.is_complete or lines.step != self._standing():
            return
        places = [{place_of(group, name) for group in groups} for name in lines.names]
        keys = [key for key in self._GROUP_KEYS if any(key in group for group in groups)]
        if any(len(each) != 1 for each in places) or not all(
            key in group for key in keys for group in groups
        ):
            return
        lists = [item for item in self._present() if isinstance(item, list | dict)]
        read = itemgetter(*keys) if keys else None
        settings = [] if read is None else list(map(read, groups))
        self._ready = Ready(
            lines,
            self._last_glided,
            list(groups),
            [(column, place) for column, (place,) in enumerate(places) if column],
            lists,
            list(map(_copied, lists)),
            read,
            settings,
        )

    def _go(self, step: float | None, *, counted: bool = False) -> None:
        """Move the clock and write; on an error, nothing has changed."""
        target = None if step is None else to_step(step)
        before = self._remember()
        try:
            if target is None:
                self._advance()
            else:
                self._place(target)
                if counted:
                    self._count()
            self._stack.follow()
            self._evaluate()
            self.stepped = self._stack.tick()
            self._write()
        except BaseException:
            self._recall(before)
            raise
        if self._stack.members == [self] and not self._too_early():
            self._prepare()

    def _too_early(self) -> bool:
        return self._step_count == 1 and not self._stack.was_updated

    def _remember(self) -> Any:
        return self.__dict__.copy(), self._lines, self._lines and self._lines.step

    def _recall(self, before: Any) -> None:
        self.__dict__.clear()
        self.__dict__.update(before[0])
        self._lines = before[1]
        if self._lines is not None:
            self._lines.step = before[2]

    def _write(self, *, report: bool = True) -> None:
        """Write what this and all others on the optimizer give."""
        owner = None if self._owner is None else self._owner()
        if owner is not None:
            owner._evaluate()
            owner._write(report=report)
            return
        self._stack.attach(self)
        self._tell_of_two_writers()
        self._stack.write()
        if report:
            self.report()

    def _tell_of_two_writers(self) -> None:
        """Warn, once, where this and another name rates of their own and both are stepped."""
        if self._told or not self.stepped or not self._is_writer:
            return
        for other in self._stack.members:
            if other is not self and other._is_writer and other.stepped > self._built:
                self._told = True
                tell(
                    f"{type(other).__name__} and {type(self).__name__} both write rates of their own into "
                    f"this optimizer, and the one stepped last counts; step one of them, or use SequentialLR",
                    UserWarning,
                )
                return

    @property
    def _is_writer(self) -> bool:
        return self._lines is not None and self._lines.is_writer

    def _initial_step(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} of etude.torch.lr_scheduler cannot be a part of torch's own "
            f"SequentialLR; take SequentialLR from etude.torch.lr_scheduler too"
        )

    # What it reads.

    def get_lr(self) -> list[Any]:
        """Return the rate of each group at the step ``last_epoch``, with what all others there give."""
        self._stack.follow()
        self._evaluate()
        return [row["lr"] for row in self._stack.combined()]

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Return torch's own state: every attribute but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up a state of this class, saved by torch or by Etude; it is not changed.

        As in torch, the saved parameters take over; one warning says which differ from what this scheduler
        was built with.

        Raises:
            ResumeError: for the state of another class, or of another structure.
        """
        try:
            self._check_state(state_dict)
            last = self._last_rates(state_dict)
        except Exception as error:
            raise_damage(self._kind, error)
            raise
        self._stack.follow()
        before = self._remember()
        try:
            changed = self._load(state_dict)
            self._settle()
            self._evaluate()
            alone = self._owner is None and self._stack.members == [self]
            # Among others, the last rates are those that were saved: the others may not be there yet.
            self._write(report=alone)
        except BaseException as error:
            self._recall(before)
            raise_damage(self._kind, error)
            raise
        if changed:
            tell(
                f"{type(self).__name__} was built with {', '.join(built for built, _ in changed)}; the "
                f"checkpoint's {', '.join(saved for _, saved in changed)} "
                f"{'is' if len(changed) == 1 else 'are'} in force",
                UserWarning,
            )
        self._stack.claims.append((self._kind, last))
        if alone:
            self._tell_of_a_jump()

    def _last_rates(self, state: Mapping[str, Any]) -> list[float]:
        """The rates that were in the groups when a state was saved."""
        rates = state.get("_last_lr") or []
        if not isinstance(rates, list | tuple) or not all(hasattr(rate, "__float__") for rate in rates):
            raise ResumeError(f"the last rates in a state of {self._kind} are numbers; got {rates!r}")
        return list(map(float, rates))

    def _tell_of_a_jump(self) -> None:
        """Warn where the rates are none of those that were saved with the states which were loaded.

        One scheduler alone is asked at once, several at the next step: the rates that were in the groups are
        then those that one of them has saved, the one that was stepped last.
        """
        claims, self._stack.claims = self._stack.claims, []
        rates = [row["lr"] for row in self._stack.combined()]
        groups = self.optimizer.param_groups
        apart: list[tuple[str, int, float, float]] = []
        for kind, last in claims:
            for index, (rate, before) in enumerate(zip(rates, last, strict=False)):
                least = SAME_RATE * float(groups[index]["initial_lr"])
                if not math.isclose(rate, before, rel_tol=SAME_RATE, abs_tol=least):
                    apart.append((kind, index, before, rate))
                    break
            else:
                return
        if not apart:
            return
        kind, index, before, rate = apart[-1]
        name = group_name(groups[index], index)
        tell(
            f"{kind}'s checkpoint has left the rate of the parameter group {name} at {before:.6g}, and at "
            f"the same step it is {rate:.6g} here: the rate jumps. Build it with what the checkpoint was "
            f"built with, base rates and functions too; of torch's own, 'Coming from PyTorch' says "
            f"what differs: end the run with torch's class, or write what stays into the part. [rate-jumps]",
        )

    def _check_state(self, state: Mapping[str, Any]) -> None:
        check_class(self._kind, state)
        check_values(self, state, self._NUMBERS)
        bases = state.get("base_lrs", [])
        if not isinstance(bases, list | tuple):
            raise ResumeError(f"the base rates in a state of {self._kind} are a list; got {bases!r}")
        for base in bases:
            rate = scalar(base)
            if rate is None or not 0 <= rate < math.inf:
                raise ResumeError(
                    f"the base rates in a state of {self._kind} are finite and at least 0; got {shown(base)}"
                )
        if len(bases) > len(self.optimizer.param_groups):
            raise ResumeError(
                f"the checkpoint is of {len(bases)} parameter groups and the optimizer has "
                f"{len(self.optimizer.param_groups)}; add the missing ones first"
            )

    def _load(self, state: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Take over the saved attributes; return what differs, as it was and as it is."""
        saved = {key: copy.deepcopy(value) for key, value in state.items() if key not in self._unloaded}
        if "initial_lr" not in self._GROUP_KEYS and self._stack.has_a_giver_of_bases:
            # Whatever it was built after, the base is then that one's for all: in torch it is only kept here.
            saved.pop("base_lrs", None)
        for name in self._PER_GROUP:
            # One value serves all groups, also those that one of the two has not seen.
            values, present = saved.get(name), self.__dict__.get(name)
            if values and present and len(values) != len(present) and formulas.alike(values):
                saved[name] = [values[0] for _ in present]
        names = [*self._parameters, "base_lrs"]
        changed = differences({name: self.__dict__[name] for name in names if name in self.__dict__}, saved)
        self.__dict__.update(saved)
        if self._BASES_ARE_INITIAL and "base_lrs" in saved:
            groups = self.optimizer.param_groups
            self.base_lrs += [clone(group["initial_lr"]) for group in groups[len(self.base_lrs) :]]
        return changed

    _unloaded: tuple[str, ...] = ("optimizer",)

    def _settle(self) -> None:
        """Work out what the saved attributes only imply."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._stack = Stack.of(self.optimizer)
        self._stack.attach(self)
        self._evaluate()

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.parameters().items())
        return f"<{type(self).__name__}({given}) at step {self.__dict__.get('last_epoch')}>"


def _copied(value: Any) -> Any:
    # A plain dict also of a Counter, whose own comparison is slow.
    return list(value) if isinstance(value, list) else dict(value) if isinstance(value, dict) else value


def _signature(cls: type) -> Any:
    signature = inspect.signature(cls.__init__)  # type: ignore[misc] # of this very class
    return signature.replace(parameters=list(signature.parameters.values())[1:])
