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
from functools import partial
from typing import Any, Protocol, TypeAlias

from torch.optim import Optimizer

from etude.torch.groups import Group, base_of, place_of, write

__all__ = ["Member", "Part", "Stack", "combine", "members_on"]

Part: TypeAlias = tuple[float, float | None]
"""A scheduler's value for one group, and its share of the base; None where the value is a rate of its own."""

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


_STACKS: weakref.WeakKeyDictionary[Optimizer, Stack] = weakref.WeakKeyDictionary()


class Stack:
    """The drop-ins attached to one optimizer, held weakly: what is deleted leaves it."""

    __slots__ = ("__weakref__", "_bound", "_handle", "_optimizer", "_refs", "_seen", "_ticks")

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = weakref.ref(optimizer)
        self._refs: list[weakref.ref[Any]] = []
        self._bound: list[Group] = list(optimizer.param_groups)
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

    def _disturb(self) -> None:
        for member in self.members:
            member.disturb()

    def follow(self) -> None:
        """Lay the schedulers anew over the groups, where one was added or a state loaded."""
        groups = self._groups()
        if len(groups) == len(self._bound) and all(
            group is bound for group, bound in zip(groups, self._bound, strict=True)
        ):
            return
        for group, bound in zip(groups, self._bound, strict=False):
            for key in KEPT:
                if key in bound:
                    group.setdefault(key, bound[key])
        added, self._bound = len(self._bound), list(groups)
        for member in self.members:
            member.follow(groups, added)

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
        for group, row in zip(self._groups(), self.combined(), strict=True):
            for name, value in row.items():
                write(group, ("lr", None) if name == "lr" else place_of(group, name), value)

    def _groups(self) -> list[Group]:
        optimizer = self._optimizer()
        return [] if optimizer is None else optimizer.param_groups


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
    members = stack.members
    if members:
        stack.follow()
        stack.write()
    for member in members:
        member.report()
