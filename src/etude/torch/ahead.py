"""What is known ahead, so that a step is no more than writing the next row of values."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from etude.eases import Array
from etude.torch.bindings import Binding
from etude.torch.groups import Group
from etude.torch.writers import Fills, Same, Vector, Writer

__all__ = ["STALE", "Ahead"]

# What no value in a group is.
STALE = object()


class Ahead:
    """The rows that the writers hold, and what must still be so for the next one to be simply written.

    Args:
        groups: the optimizer's list, of so many groups (``count``); ``bound`` are the groups that it held.
        group, key: where one value was written, which was ``last``: whoever else writes there is noticed.
        tensors: whether some of the numbers are tensors, which are written wherever their groups are.
        thread: the one that steps.
        writers: all of them; ``loads``: those of each binding, with the columns that are theirs.
        floats: where there is one group with plain floats alone, as in most runs: each group, key and values,
            to be written without a call; else nothing.
        first: the step of row 0; ``rows`` are known, and ``quick`` of them may be written without a look.
    """

    __slots__ = (
        "bound",
        "count",
        "first",
        "floats",
        "group",
        "groups",
        "key",
        "last",
        "loads",
        "quick",
        "rows",
        "tensors",
        "thread",
        "writers",
    )

    def __init__(self) -> None:
        self.groups: list[Group] | None = None
        self.bound: Sequence[Group] = []
        self.count = 0
        self.group: Group = {"": STALE}
        self.key = ""
        self.last: Any = STALE
        self.thread: int | None = None
        self.tensors = False
        self.writers: list[Writer] = []
        self.loads: list[list[tuple[Writer, Any]]] = []
        self.floats: list[tuple[Group, str, list[float]]] = []
        self.forget()

    def follow(self, groups: list[Group], bound: Sequence[Group], bindings: Sequence[Binding]) -> None:
        """Write into the optimizer's list from now on, which held these groups when they were bound."""
        self.groups, self.count, self.bound = groups, len(bound), bound
        self.group, self.key, self.last = bindings[0].groups[0], bindings[0].place[0], STALE
        self.loads = [list(binding.writers(groups)) for binding in bindings]
        self.writers = [writer for of_binding in self.loads for writer, _ in of_binding]
        self.tensors = any(isinstance(writer, Vector | Fills) for writer in self.writers)
        self.forget()

    def follows(self, groups: list[Group]) -> bool:
        """Whether these are the groups that it writes into."""
        return (
            groups is self.groups and len(groups) == self.count and all(map(operator.is_, groups, self.bound))
        )

    def forget(self) -> None:
        """Take nothing for granted at the next step."""
        self.first: float = 0
        self.rows = self.quick = 0

    def row(self, step: float) -> int | None:
        """Which row a step is; None where it is not known."""
        row = step - self.first
        return int(row) if 0 <= row < self.rows and float(row).is_integer() else None

    def load(self, first: float, blocks: list[Array]) -> None:
        """Give the writers of each binding the values of the steps from ``first`` on."""
        for of_binding, block in zip(self.loads, blocks, strict=True):
            for writer, columns in of_binding:
                writer.load(block[:, columns])
        plain = [one for one in self.writers if isinstance(one, Same) and len(one.groups) == 1]
        # The first last, which is the one that is looked at.
        self.floats = [(one.groups[0], one.key, one.values) for one in reversed(plain)]
        if len(plain) < len(self.writers):
            self.floats = []
        self.first = first

    def write(self, row: int) -> None:
        """Write a row, and take note of it."""
        for writer in self.writers:
            writer.write(row)
        self.last = self.group[self.key]
