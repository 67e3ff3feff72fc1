"""What updates used, worked out from the moments that decided it: at any time, and off the hot path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

from etude.readings import Reading
from etude.tables import PhaseRow
from etude.torch.bindings import Binding
from etude.torch.moments import Moment
from etude.torch.plans import plateaus

__all__ = ["Update", "readings"]


class Update(NamedTuple):
    """One update: the how manieth in this process, its step, and what decided its values.

    The rates that have no schedule are what they were.
    """

    number: int
    step: float
    moment: Moment
    unscheduled: tuple[float, ...]


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
    factors = moment.factors
    followed = plateaus(course.schedule for course in laid.courses)
    multiplied = {repr(plateau): factors[plateau] for plateau in followed}
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
            (names[index], rate) for index, rate in zip(laid.unscheduled, update.unscheduled, strict=True)
        )
        progress = update.moment.progress(update.step)
        # A fraction of a step, which only seek() goes to, is told as it is, where all others are whole: hence
        # the type that is not the declared one.
        yield Reading(
            step=int(update.step) if float(update.step).is_integer() else update.step,  # type: ignore[arg-type]
            rates=rates,
            phase=" | ".join(dict.fromkeys(phases[row] for phases in phase_at)),
            metrics=dict(metrics),  # the caller's own may change later
            others=others,
            epoch=None if per_epoch is None else progress / per_epoch,
            samples=None if per_step is None else progress * per_step,
            factors=dict(multiplied),
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
