"""What decided the values of updates, kept by reference, to be worked out later and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple, TypeAlias

from etude.durations import Horizon
from etude.readings import Reading
from etude.schedules import Plateau, PlateauState
from etude.tables import PhaseRow
from etude.timeline import ceil_float
from etude.torch.bindings import Binding
from etude.torch.changes import Course
from etude.torch.clock import Meter
from etude.torch.groups import Group, group_names, read

__all__ = ["Laid", "Moment", "Update", "readings"]

LR = ("lr", None)


@dataclass(frozen=True)
class Laid:
    """The schedules as they lay over the optimizer's groups."""

    bindings: Sequence[Binding]
    groups: Sequence[Group]
    horizon: Horizon

    @cached_property
    def names(self) -> list[str]:
        """The groups' names."""
        return group_names(list(self.groups))

    @cached_property
    def without(self) -> tuple[int, ...]:
        """The groups whose rate has no schedule."""
        scheduled = {index for binding in self.rates for index in binding.indices}
        return tuple(index for index in range(len(self.groups)) if index not in scheduled)

    @cached_property
    def rates(self) -> list[Binding]:
        """The bindings of the learning rate."""
        return [binding for binding in self.bindings if binding.name == "lr"]

    @cached_property
    def override(self) -> str:
        """What is followed instead of the plan, in words."""
        told = []
        for binding in self.bindings:
            course = binding.course
            if course != Course(binding.planned, self.horizon):
                elsewhere = "" if course.horizon == self.horizon else f" on {course.horizon!r}"
                told.append(f"{binding.name}: {course.schedule!r}{elsewhere}")
        return " | ".join(dict.fromkeys(told))


@dataclass(frozen=True, slots=True)
class Moment:
    """All that values depend on, but for the step; none of it is changed once it is here.

    Args:
        laid: the schedules and groups.
        feedback: what the Plateaus among them had seen.
        meters: where clocks stood that samples or tokens move; empty where steps are counted.
        rates: of the groups whose rate has no schedule, what it was.
    """

    laid: Laid
    feedback: Mapping[Plateau, PlateauState]
    meters: Mapping[Course, Meter]
    rates: tuple[float, ...]

    @classmethod
    def now(
        cls, laid: Laid, feedback: Mapping[Plateau, PlateauState], meters: Mapping[Course, Meter]
    ) -> Moment:
        """The moment of now."""
        return cls(laid, feedback, meters, tuple(read(laid.groups[index], LR) for index in laid.without))

    def place(self, course: Course, step: float) -> float:
        """Where a course's clock stood."""
        meter = self.meters.get(course)
        return step if meter is None else ceil_float(meter.position)

    def progress(self, step: float) -> float:
        """How far the run was, in the horizon's steps."""
        return max((float(meter.position) for meter in self.meters.values()), default=step)


class Update(NamedTuple):
    """One update: the how manieth in this process, its step, and what decided its values."""

    number: int
    step: float
    moment: Moment


Seen: TypeAlias = tuple[Update, Mapping[str, float]]
"""An update, and what was measured there."""


def readings(seen: Iterable[Seen]) -> list[Reading]:
    """Work out what updates used, those together that nothing but the step tells apart."""
    found: list[Reading] = []
    for _, together in groupby(seen, key=_what_decided):
        found += _readings(list(together))
    return found


def _what_decided(one: Seen) -> tuple[int, int]:
    moment = one[0].moment
    return id(moment.laid), id(moment.feedback)


def _readings(seen: Sequence[Seen]) -> Iterator[Reading]:
    moment = seen[0][0].moment
    laid, names = moment.laid, moment.laid.names
    factors: dict[Hashable, float] = {plateau: past.factor for plateau, past in moment.feedback.items()}
    multiplied = {repr(plateau): past.factor for plateau, past in moment.feedback.items()}
    values, phase_at = [], []
    for binding in laid.bindings:
        places = [update.moment.place(binding.course, update.step) for update, _ in seen]
        values.append(binding.values(places, factors).tolist())
        if binding.name == "lr":
            phases = _phases(binding)
            phase_at.append([phases(place) for place in places])
    lengths = laid.horizon.steps_per_epoch, laid.horizon.samples_per_step
    per_epoch, per_step = (None if length is None else float(length) for length in lengths)
    for row, (update, metrics) in enumerate(seen):
        rates = dict.fromkeys(names, 0.0)
        others: dict[str, dict[str, float]] = {}
        for binding, rows in zip(laid.bindings, values, strict=True):
            own = [names[index] for index in binding.indices] or [binding.name]
            into = rates if binding.name == "lr" else others.setdefault(binding.name, {})
            into.update(zip(own, rows[row], strict=True))
        rates.update(
            (names[index], rate) for index, rate in zip(laid.without, update.moment.rates, strict=True)
        )
        progress = update.moment.progress(update.step)
        # A fraction of a step, which only seek() goes to, is told as it is, where all others are whole.
        yield Reading(
            step=int(update.step) if float(update.step).is_integer() else update.step,  # type: ignore[arg-type]
            rates=rates,
            phase=" | ".join(dict.fromkeys(phases[row] for phases in phase_at)),
            metrics=metrics,
            others=others,
            epoch=None if per_epoch is None else progress / per_epoch,
            samples=None if per_step is None else progress * per_step,
            factors=multiplied,
            override=laid.override,
        )


def _phases(binding: Binding) -> Callable[[float], str]:
    """What tells the phase of a place, and looks it up only where it is another than the last."""
    known: PhaseRow | None = None

    def phase(place: float) -> str:
        nonlocal known
        if known is None or not known.start <= place < known.stop:
            known = binding.table.phase(place)
        return known.name

    return phase
