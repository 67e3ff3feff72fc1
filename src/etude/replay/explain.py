"""What made the rate of an update, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from etude.errors import StoreError
from etude.names import nearest
from etude.readings import Reading
from etude.replay.recorded import Recorded, factors_of, same
from etude.tables import PhaseRow, Table
from etude.texts import shown

__all__ = ["Explanation", "explain"]

_LONGEST_SCHEDULE = 240


@dataclass(frozen=True)
class Explanation:
    """What made the learning rate of one group at one update.

    Args:
        run: the run.
        step: the update, counted from 0.
        epoch: how many epochs were done then; None where that is not known.
        group: the parameter group.
        groups: how many there are.
        rate: the learning rate that the update used; None where it was neither recorded nor planned.
        recorded: whether the rate was recorded; else it is that of the plan.
        base: the group's base rate; None where the rates do not tell it, or do not depend on it.
        phase: the phase as recorded.
        place: the phase as the plan has it, with its ends; None where the plan is not known.
        parts: the factors of a product, each with its value, where the plan is one.
        feedback: what followed a metric, and the factor that it had come to.
        schedule: the text of what was followed.
        override: that text again where it is not the plan of the run's start; else empty.
        planned: the value of what was followed; None where it is not known.
        unread: which functions the run's plan names that were not imported; empty where there is none.
    """

    run: int
    step: int
    epoch: float | None
    group: str
    groups: int
    rate: float | None
    recorded: bool
    base: float | None
    phase: str
    place: PhaseRow | None
    parts: tuple[tuple[str, float], ...]
    feedback: Mapping[str, float]
    schedule: str
    override: str
    planned: float | None
    unread: str = ""

    @property
    def sentence(self) -> str:
        """All of it in words."""
        return shown(" ".join(text for text in self._sentences() if text))

    def _sentences(self) -> list[str]:
        whose = f" for the group {self.group!r}" if self.groups > 1 else ""
        epoch = "" if self.epoch is None else f" (epoch {self.epoch:.4g})"
        if self.rate is None:
            return [
                f"Update {self.step:,}{epoch} of run {self.run} was not recorded, and its rate is not known: "
                f"{_cut(self.schedule)} cannot be laid over what is known of the run.",
                sentence(self.unread),
            ]
        how = (
            "used the learning rate"
            if self.recorded
            else "was not recorded; by its schedule it used the rate"
        )
        return [
            f"Update {self.step:,}{epoch} of run {self.run} {how} {self.rate:.6g}{whose}{self._made()}.",
            self._parts(),
            self._feedback(),
            self._override(),
            self._differs(),
            sentence(self.unread),
        ]

    def _made(self) -> str:
        """= base × factor, in the phase."""
        text = ""
        if self.base and self.planned is not None:
            text += f" = base {self.base:.6g} × {self.planned / self.base:.6g}"
        if self.place is None:
            return text + (f", in the phase {self.phase!r}" if self.phase else "")
        start, stop = self.place.start, self.place.stop
        text += f", in the phase {self.place.name!r}"
        if self.place.cycle is not None:
            text += f" of cycle {self.place.cycle}"
        if math.isinf(stop):
            return text + f" (from update {start:,.16g} on)"
        # Rounded down: the last update is not yet through.
        through = int(100 * (self.step - start) / (stop - start))
        return text + f" (updates {start:,.16g} to {stop:,.16g}, {through} % through)"

    def _parts(self) -> str:
        if not self.parts:
            return ""
        return (
            "It is the product of "
            + " and ".join(f"{value:.6g} of {text}" for text, value in self.parts)
            + "."
        )

    def _feedback(self) -> str:
        return " ".join(
            f"{text} had not changed it."
            if factor == 1
            else f"A factor of {factor:.6g} in it is that of {text}."
            for text, factor in self.feedback.items()
        )

    def _override(self) -> str:
        if self.override:
            return f"It no longer followed the plan of the run's start, but {_cut(self.override)}."
        return f"It followed {_cut(self.schedule)}; nothing overrode it."

    def _differs(self) -> str:
        if self.rate is None or self.planned is None or same(self.rate, self.planned):
            return ""
        return (
            f"That schedule's own value there is {self.planned:.6g}: something else has written the rate, or "
            "the run's clock was moved."
        )


def explain(run: Recorded, step: int, group: str | None = None) -> Explanation:
    """Tell what made the rate of an update.

    Args:
        run: the run.
        step: the update, counted from 0.
        group: the parameter group; the first where it is not given.

    Raises:
        StoreError: for an update that the run has not made, or a group that it does not have.
    """
    record = run.record
    if not run.readings:
        raise StoreError(
            f"run {record.id} ({record.status}) has no readings yet, so nothing can be told of it"
        )
    if not run.begun <= step < run.done:
        raise StoreError(
            f"run {record.id} ({record.status}) has the updates {run.begun:,} to {run.done - 1:,}; got step "
            f"{step:,}"
        )
    if group is None:
        group = run.groups[0] if run.groups else ""
    elif group not in run.groups:
        known = ", ".join(map(repr, run.groups))
        raise StoreError(
            f"run {record.id} has no parameter group {group!r}; there are {known}{nearest(group, run.groups)}"
        )
    own = run.at(step)
    seen = own or run.before(step) or run.readings[0]
    table, override = run.followed(seen, group)
    base = run.bases.get(group)
    planned = None
    if table is not None and (base is not None or not table.depends_on_base):
        value = table(step, 1.0 if base is None else base, factors=factors_of(table, seen.factors))
        planned = run.scale(group) * value
    recorded = own is not None and group in own.rates
    return Explanation(
        run=record.id,
        step=step,
        epoch=_epoch(run, step, own),
        group=group,
        groups=len(run.groups),
        rate=own.rates[group] if own is not None and recorded else planned,
        recorded=recorded,
        base=base if table is not None and table.depends_on_base else None,
        phase=own.phase if own is not None else "",
        place=None if table is None else table.phase(step),
        parts=() if table is None else _parts(table, step, base, seen),
        feedback={
            text: factor for text, factor in seen.factors.items() if table is None or text in table.text
        },
        schedule=run.schedule(group) if table is None else table.text,
        override=override,
        planned=planned,
        unread=run.unread,
    )


def _parts(table: Table, step: int, base: float | None, seen: Reading) -> tuple[tuple[str, float], ...]:
    """The factors of a product; those of feedback are told apart."""
    found = []
    for part in table.multiplied:
        if part.text not in seen.factors and (base is not None or not part.depends_on_base):
            value = part(step, 1.0 if base is None else base, factors=factors_of(part, seen.factors))
            found.append((_cut(part.text), value))
    return tuple(found) if len(found) > 1 else ()


def _epoch(run: Recorded, step: int, own: Reading | None) -> float | None:
    if own is not None and own.epoch is not None:
        return own.epoch
    per_epoch = run.horizon.steps_per_epoch
    return None if per_epoch is None else float(step / per_epoch)


def sentence(text: str) -> str:
    """The words as a sentence of their own; nothing of nothing."""
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _cut(text: str) -> str:
    """A long schedule without its middle: the last part may be what matters, such as a cooldown."""
    if len(text) <= _LONGEST_SCHEDULE:
        return text
    half = _LONGEST_SCHEDULE // 2
    return f"{text[:half]} … {text[-half:]}"
