"""One number of several groups, raised and lowered by the same factor."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor
from torch.optim import Optimizer

from etude.torch.groups import Group, Place, base_of, current, place_of, read, scale_of, write

__all__ = ["Proportions"]


class Proportions:
    """A hyperparameter of all groups; ``value`` is that of the first whose own is above 0.

    Args:
        optimizers: of which the groups are.
        name: the hyperparameter.

    Raises:
        ScheduleError: where a group has no such number.
    """

    def __init__(self, optimizers: Iterable[Optimizer], name: str) -> None:
        self._groups: list[Group] = [group for one in optimizers for group in one.param_groups]
        self._places: list[Place] = [place_of(group, name) for group in self._groups]
        bases = [base_of(group, name) * scale_of(group, name) for group in self._groups]
        # Where nothing is above 0, as weight decay is by default, there are no ratios to keep.
        self.base = next((base for base in bases if base > 0), 1.0)
        self._ratios = [base / self.base for base in bases] if any(bases) else [1.0] * len(bases)
        self.alike = len(set(self._ratios)) == 1
        first = next(index for index, ratio in enumerate(self._ratios) if ratio)
        self._first = self._groups[first], self._places[first]

    @property
    def held(self) -> float | Tensor:
        """What the first group holds."""
        held: float | Tensor = current(*self._first)
        return held

    @property
    def value(self) -> float:
        """The first group's value."""
        return read(*self._first)

    @value.setter
    def value(self, value: float) -> None:
        for group, place, ratio in zip(self._groups, self._places, self._ratios, strict=True):
            write(group, place, value * ratio)

    def keep(self) -> Callable[[], None]:
        """Return what puts every group's own number back."""
        kept = [
            (group, place, group[place[0]], read(group, place))
            for group, place in zip(self._groups, self._places, strict=True)
        ]

        def restore() -> None:
            for group, place, held, value in kept:
                if isinstance(current(group, place), Tensor):
                    write(group, place, value)
                else:
                    group[place[0]] = held

        return restore
