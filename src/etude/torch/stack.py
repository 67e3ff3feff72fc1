"""Several drop-ins on one optimizer: each has its own clock and values, and one function of them is written.

A scheduler that follows the groups' base rates counts as a factor, its value as a share of the base; one that
names rates of its own (``OneCycleLR``, ``CyclicLR``) is the writer; ``SWALR`` blends what all others give
into its own rate. So

    lr = (the writer's rate, or else the base) · Π shares,    then blended

in whatever order the schedulers were built or stepped. Of two writers, the one that was stepped last counts.
"""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import is_, itemgetter
from typing import Any, Protocol, TypeAlias

from torch import Tensor
from torch.optim import Optimizer

from etude.torch.groups import Group, Place, base_of, current, place_of, write

__all__ = ["Member", "Part", "Stack", "combine", "members_on", "was_scheduled"]

Part: TypeAlias = tuple[float, float | None]
"""A scheduler's value for one group, and its share of the base; None where the value is a rate of its own."""

RATE_OF = itemgetter("lr")
# A rate in a float32 tensor is off by a rounding.
CLOSE = 1e-6
BASE: Place = ("initial_lr", None)
# What schedulers keep in the groups, and an optimizer's checkpoint may lack.
KEPT = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr")


class Member(Protocol):
    """A scheduler as the stack sees it."""

    stepped: int

    def part(self, name: str, index: int) -> Part | None:
        """Its value of a hyperparameter for a group; None where it has none."""

    def names(self) -> Iterable[str]:
        """The hyperparameters that it writes."""

    def blend(self, index: int, rate: float | None) -> float | None:
        """The rate that it makes of what the others give, where it is a blend; else None."""

    def equip(self, groups: Sequence[Group], added: int) -> None:
        """Give the groups from ``added`` on what it keeps in all of them."""

    def follow(self, groups: Sequence[Group], added: int) -> None:
        """Lay itself anew over groups that are others; those from ``added`` on are new."""

    def disturb(self) -> None:
        """Look around at the next step: who is on the optimizer has changed."""


def combine(members: Sequence[Member], name: str, index: int, base: float) -> Part | None:
    """Return what the members together give a group; None where none of them says anything."""
    parts: list[Part] = []
    writer: float | None = None
    stepped = -1
    for member in members:
        own = member.part(name, index)
        if own is None:
            continue
        if own[1] is not None:
            parts.append(own)
        elif member.stepped > stepped:
            writer, stepped = own[0], member.stepped
    rate: float | None = None
    share = 1.0
    if len(parts) == 1 and writer is None:
        rate = parts[0][0]  # exactly its own value
        share = parts[0][1] or 0.0
    elif parts or writer is not None:
        # Sorted, so that roundings do not depend on who came first.
        share = math.prod(sorted(share for _, share in parts if share is not None))
        rate = (base if writer is None else writer) * share
    if name == "lr":
        for member in members:
            blended = member.blend(index, rate)
            if blended is not None:
                rate, share = blended, blended / base if base else 0.0
    return None if rate is None else (rate, None if writer is not None else share)


class _Seen:
    """A hook that notes that the optimizer was stepped."""

    __slots__ = ("__weakref__", "updates")

    def __init__(self) -> None:
        self.updates = False

    def __call__(self, *_: Any) -> None:
        self.updates = True


MISSING = object()


@dataclass(slots=True)
class _Found:
    """What a scheduler found in the groups, by group index and place, before it wrote more than rates there.

    ``bases`` are those that it has given the groups, by index; none where it was refused.
    """

    ref: weakref.ref[Any]
    values: dict[tuple[int, Place], Any]
    bases: dict[int, Any]


_STACKS: weakref.WeakKeyDictionary[Optimizer, Stack] = weakref.WeakKeyDictionary()


class Stack:
    """The drop-ins attached to one optimizer, held weakly: what is deleted leaves it."""

    __slots__ = (
        "__weakref__",
        "_bound",
        "_found",
        "_handle",
        "_left",
        "_optimizer",
        "_refs",
        "_seen",
        "_ticks",
        "claims",
        "held",
        "told",
        "versions",
    )

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._refs: list[weakref.ref[Any]] = []
        self._bound: list[Group] = list(optimizer.param_groups)
        self._found: list[_Found] = []
        # What was last written: the rates, what holds them in the groups (numbers or tensors), and how often
        # those tensors have been written; and whether another writer was told of.
        self._left: list[float] = []
        self.held: list[Any] = []
        self.versions: list[int | None] | None = None
        self.told = False
        # The rates of the states that were loaded and not yet compared, with whose they are.
        self.claims: list[tuple[str, list[float]]] = []
        self._ticks = itertools.count(1)
        self._seen = _Seen()
        # Wrappers of optimizers have no hooks; of them it is not asked.
        hooked = hasattr(optimizer, "_optimizer_step_post_hooks")
        self._handle = optimizer.register_step_post_hook(self._seen) if hooked else None

    @staticmethod
    def of(optimizer: Optimizer) -> Stack:
        """Return the one stack of an optimizer."""
        stack = _STACKS.get(optimizer)
        if stack is None:
            stack = _STACKS[optimizer] = Stack(optimizer)
        return stack

    @property
    def members(self) -> list[Any]:
        """Those that are attached, in the order in which they came."""
        return [member for ref in self._refs if (member := ref()) is not None]

    @property
    def was_updated(self) -> bool:
        """Whether the optimizer was stepped since the first scheduler came."""
        if self._handle is None or not self._seen.updates:
            return self._handle is None
        self._handle.remove()  # not in the hook itself: torch is walking through the hooks then
        self._handle = None
        return True

    def tick(self) -> int:
        """Count what happens here."""
        return next(self._ticks)

    def attach(self, member: Member) -> None:
        """Count a scheduler in."""
        if not any(ref() is member for ref in self._refs):
            self._refs.append(weakref.ref(member, partial(_left, weakref.ref(self))))
            self._disturb()

    def detach(self, member: Member) -> None:
        """Leave a scheduler out: another owns it, or takes its place."""
        self._disturb()
        self._refs = [ref for ref in self._refs if ref() is not member]

    def note(self, member: Member, places: Sequence[Sequence[Place]], first: int = 0) -> None:
        """Take note of what is in the groups from ``first`` on, where a scheduler is about to write.

        It is put back when that scheduler is deleted; where another has come since that writes there too,
        when that is. So whoever comes next starts from what the groups were built with.
        """
        found = next((found for found in self._found if found.ref() is member), None)
        if found is None:
            found = _Found(weakref.ref(member, partial(_put_back, weakref.ref(self))), {}, {})
            self._found.append(found)
        groups = self._groups()[first:]
        for index, (group, own) in enumerate(zip(groups, places, strict=True), start=first):
            found.values.setdefault((index, BASE), _kept(group.get("initial_lr", group["lr"])))
            for place in own:
                value = _kept(current(group, place)) if place[0] in group else MISSING
                found.values.setdefault((index, place), value)

    @property
    def has_a_giver_of_bases(self) -> bool:
        """Whether a scheduler is there that has given the groups base rates, which are then everyone's."""
        members = [found.ref() for found in self._found]
        return any(BASE[0] in member._GROUP_KEYS for member in members if member is not None)

    def noted(self, member: Member) -> None:
        """Take note that a scheduler has written what it meant to."""
        for found in self._found:
            if found.ref() is member:
                for index, group in enumerate(self._groups()):
                    found.bases.setdefault(index, _kept(group.get("initial_lr")))

    def put_back(self, ref: weakref.ref[Any]) -> bool:
        """Put back what a scheduler had found; return whether there was anything."""
        at = next((i for i, found in enumerate(self._found) if found.ref is ref), None)
        if at is None:
            return False
        gone, groups = self._found.pop(at), self._groups()
        for (index, place), value in gone.values.items():
            heir = next((later for later in self._found[at:] if (index, place) in later.values), None)
            if heir is not None:
                heir.values[index, place] = value
            elif index >= len(groups) or index not in gone.bases:
                continue
            elif value is MISSING:
                groups[index].pop(place[0], None)
            elif place != BASE:
                if place[0] in groups[index]:
                    write(groups[index], place, value)
            elif groups[index].get("initial_lr") == gone.bases[index]:  # else it is a base of the user's
                groups[index]["initial_lr"] = value
        return True

    def leave(self, rates: list[float], floats: bool) -> None:
        """Take note of the rates that were written, which all are floats or may be in tensors."""
        self._left = rates
        if floats:
            self.held, self.versions = rates, None
        else:
            self.held = [group["lr"] for group in self._groups()]
            self.versions = [_version(held) for held in self.held]

    def is_as_left(self, groups: Sequence[Group]) -> bool:
        """Whether the rates are the very objects that were left there; of tensors, nothing is read."""
        held, versions = self.held, self.versions
        if len(held) == 1:  # as nearly always
            now = groups[0]["lr"]
            return now is held[0] and (versions is None or versions[0] == _version(now))
        return all(map(is_, map(RATE_OF, groups), held)) and (
            versions is None or versions == list(map(_version, held))
        )

    def changed(self) -> tuple[int, float, float] | None:
        """The first group with another rate than was written: its index, that rate, and what is found."""
        for index, (group, bound, left) in enumerate(
            zip(self._groups(), self._bound, self._left, strict=False)
        ):
            # A group that was loaded brings its own rate.
            if group is bound and not math.isclose(found := float(group["lr"]), left, rel_tol=CLOSE):
                return index, left, found
        return None

    def _disturb(self) -> None:
        for member in self.members:
            member.disturb()

    def follow(self) -> None:
        """Lay the schedulers anew over the groups, where one was added or a state loaded."""
        groups = self._groups()
        if len(groups) < len(self._bound):
            self._lose(groups)
        if len(groups) == len(self._bound) and all(
            group is bound for group, bound in zip(groups, self._bound, strict=True)
        ):
            return
        for group, bound in zip(groups, self._bound, strict=False):
            for key in KEPT:
                if key in bound:
                    group.setdefault(key, bound[key])
        added = len(self._bound)
        for member in self.members:
            member.equip(groups, added)
        for member in self.members:
            member.follow(groups, added)
        self._bound = list(groups)  # not before: what was refused is asked for again

    def _lose(self, groups: Sequence[Group]) -> None:
        """Forget what was found in groups that were removed."""
        places = {id(group): index for index, group in enumerate(groups)}
        moved = {old: places[id(bound)] for old, bound in enumerate(self._bound) if id(bound) in places}
        for found in self._found:
            found.values = {(moved[i], place): v for (i, place), v in found.values.items() if i in moved}
            found.bases = {moved[i]: base for i, base in found.bases.items() if i in moved}

    def combined(self) -> list[dict[str, float]]:
        """What all together give each group, by hyperparameter."""
        members = self.members
        names = dict.fromkeys(name for member in members for name in member.names())
        values: list[dict[str, float]] = []
        for index, group in enumerate(self._groups()):
            row = {}
            for name in names:
                part = combine(members, name, index, base_of(group, name) if name == "lr" else 0.0)
                if part is not None:
                    row[name] = part[0]
            values.append(row)
        return values

    def write(self) -> None:
        """Write what all together give into the groups."""
        rows = self.combined()
        for group, row in zip(self._groups(), rows, strict=True):
            for name, value in row.items():
                write(group, ("lr", None) if name == "lr" else place_of(group, name), value)
        self.leave([row["lr"] for row in rows], floats=False)

    def _groups(self) -> list[Group]:
        optimizer = self._optimizer()
        return [] if optimizer is None else optimizer.param_groups


def _version(held: Any) -> int | None:
    """How often a tensor has been written, as torch counts it."""
    return held._version if isinstance(held, Tensor) else None


def _kept(value: Any) -> Any:
    # Tensors are filled in place.
    return value.detach().clone() if isinstance(value, Tensor) else value


def was_scheduled(optimizer: Optimizer) -> bool:
    """Whether a drop-in was ever built on an optimizer."""
    return optimizer in _STACKS


def members_on(optimizer: Optimizer) -> list[Any]:
    """The drop-ins that are attached to an optimizer."""
    stack = _STACKS.get(optimizer)
    return [] if stack is None else stack.members


def _left(stack_ref: weakref.ref[Stack], ref: weakref.ref[Any]) -> None:
    """What remains when a scheduler is deleted gives the rates from now on."""
    stack = stack_ref()
    if stack is None:
        return
    stack._refs = [other for other in stack._refs if other is not ref]
    _remain(stack)


def _put_back(stack_ref: weakref.ref[Stack], ref: weakref.ref[Any]) -> None:
    """What remains follows what the deleted one had found."""
    stack = stack_ref()
    if stack is None or not stack.put_back(ref):
        return
    groups = stack._groups()
    for member in stack.members:
        member.follow(groups, len(groups))
    _remain(stack)


def _remain(stack: Stack) -> None:
    members = stack.members
    if members:
        stack.follow()
        stack.write()
    for member in members:
        member.report()
