"""What puts the values of the steps to come into the groups: by plain stores, or by one copy for all.

A writer is loaded with a block of values, steps × groups, and then writes a row of it at each step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from etude.eases import Array
from etude.torch.groups import Group, Place, current, write

__all__ = ["Writer", "tensor_writers", "writer_of_floats"]


class Writer(Protocol):
    """Writes one hyperparameter of some groups."""

    def load(self, block: Array) -> None:
        """Take up the values of the next steps: steps × its groups."""

    def write(self, row: int) -> None:
        """Write a step's values."""


class Same:
    """Floats that are the same number in every group."""

    def __init__(self, groups: Sequence[Group], key: str) -> None:
        self.groups = groups
        self.key = key
        self.values: list[float] = []

    def load(self, block: Array) -> None:
        self.values = block[:, 0].tolist()

    def write(self, row: int) -> None:
        key, value = self.key, self.values[row]
        for group in self.groups:
            group[key] = value


class Floats:
    """Floats, one for each group."""

    def __init__(self, groups: Sequence[Group], key: str) -> None:
        self.groups = groups
        self.key = key
        self.rows: list[memoryview] = []

    def load(self, block: Array) -> None:
        # Python's numbers are made one at a time as they are stored, each in the place of the one that it
        # replaces; those of all rows at once would fill fresh memory.
        self.rows = [memoryview(row) for row in np.ascontiguousarray(block)]

    def write(self, row: int) -> None:
        key = self.key
        # As many as groups, by construction; strict=True is dear at every step.
        for group, value in zip(self.groups, self.rows[row]):  # noqa: B905
            group[key] = value


class Places:
    """Whatever is neither a float of its own nor a tensor: a number in a tuple, an integer."""

    def __init__(self, groups: Sequence[Group], place: Place) -> None:
        self.groups = groups
        self.place = place
        self.rows: list[list[float]] = []

    def load(self, block: Array) -> None:
        self.rows = block.tolist()

    def write(self, row: int) -> None:
        for group, value in zip(self.groups, self.rows[row], strict=True):
            write(group, self.place, value)


class Vector:
    """Tensors that are the elements of one column, which one copy fills.

    The rates of the next steps lie on their device: a step reads nothing back and launches one small kernel,
    whatever the number of groups, and the tensors stay the same objects at the same addresses.
    """

    def __init__(self, column: Tensor) -> None:
        self.column = column
        self.rows: Sequence[Tensor] = ()

    def load(self, block: Array) -> None:
        values = torch.from_numpy(np.ascontiguousarray(block)).to(self.column.dtype)
        if self.column.device.type == "cuda":
            values = values.pin_memory()  # from other memory the copy to the device would be waited for
        self.rows = values.to(self.column.device, non_blocking=True).unbind()

    def write(self, row: int) -> None:
        self.column.copy_(self.rows[row])


class Fills:
    """Tensors that others hold views of, or that are views of theirs: filled one by one."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors
        self.rows: list[list[float]] = []

    def load(self, block: Array) -> None:
        self.rows = block.tolist()

    def write(self, row: int) -> None:
        with torch.no_grad():
            for tensor, value in zip(self.tensors, self.rows[row], strict=True):
                tensor.fill_(value)


def writer_of_floats(groups: Sequence[Group], place: Place, *, alike: bool) -> Writer:
    """The writer of groups that hold no tensors there.

    Args:
        groups: the groups; the optimizer's own list where it is all of them.
        place: where the value is.
        alike: whether all groups get the same value.
    """
    key, item = place
    if item is not None:
        return Places(groups, place)
    return Same(groups, key) if alike else Floats(groups, key)


def tensor_writers(groups: Sequence[Group], place: Place) -> list[tuple[Writer, list[int]]]:
    """The writers of groups that hold tensors there, and which of the groups each is for."""
    kinds: dict[Any, list[int]] = {}
    for index, group in enumerate(groups):
        kinds.setdefault(_kind(current(group, place)), []).append(index)
    writers: list[tuple[Writer, list[int]]] = []
    for (how, *_), members in kinds.items():
        tensors: list[Tensor] = [current(groups[index], place) for index in members]
        column = _moved_together(tensors) if how == "own" else _column_of(tensors) if how == "views" else None
        writers.append((Fills(tensors) if column is None else Vector(column), members))
    return writers


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    """Which tensors are written together, after how: they lie alone, or in one storage, or neither."""
    if type(tensor) is not Tensor or tensor.requires_grad:
        return "fill", tensor.dtype, tensor.device
    storage = tensor.untyped_storage()
    if storage.nbytes() == tensor.element_size():
        return "own", tensor.dtype, tensor.device
    return "views", tensor.dtype, tensor.device, storage.data_ptr()


def _moved_together(tensors: list[Tensor]) -> Tensor:
    """Move the numbers of tensors into one vector; the tensors stay the same objects.

    Each begins at a multiple of 16 bytes, as a tensor of its own does: compiled code counts on it. One alone
    is moved, too: those that are added later get a vector of their own, and it stays where it is.
    """
    apart = max(1, 16 // tensors[0].element_size())
    with torch.no_grad():
        numbers = torch.stack([tensor.reshape(()) for tensor in tensors])
        column = numbers.new_zeros(len(tensors), apart)[:, 0]
        column.copy_(numbers)
        for tensor, view in zip(tensors, column.unbind(), strict=True):
            tensor.data = view.view(tensor.shape)
    return column


def _column_of(tensors: list[Tensor]) -> Tensor | None:
    """The column of one storage that the tensors are; None where they do not lie evenly.

    So it is where they were moved together before, and after an optimizer's checkpoint was loaded, which
    copies tensors with what they are views of.
    """
    offsets = [tensor.storage_offset() for tensor in tensors]
    apart = offsets[1] - offsets[0] if len(offsets) > 1 else 1
    if apart < 1 or any(after - before != apart for before, after in itertools.pairwise(offsets)):
        return None
    return tensors[0].data.as_strided((len(tensors),), (apart,), offsets[0])
