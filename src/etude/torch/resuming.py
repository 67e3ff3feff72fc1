"""Taking up a checkpoint: whether it belongs to the present set-up, and what is followed if not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from etude.durations import fraction_text, read_fraction
from etude.errors import ResumeError
from etude.spec import parse
from etude.torch.bindings import Binding, Followed
from etude.torch.changes import Course, Policy, Seam
from etude.torch.clock import Meter
from etude.torch.laid import Laid
from etude.torch.matching import Checkpoint, Index, by_index, same_base
from etude.torch.moments import Moment
from etude.torch.state import SavedCourse, Snapshot

__all__ = ["Resumed", "resume", "snapshot"]

POLICIES = (
    "Build the scheduler as it was, or say what a run under another plan follows: on_change='stretch' (the "
    "present plan, at the same step), 'keep' (the checkpoint's plan), 'hold' (the rate that was reached), or "
    "redecay(over='10%') (down from there)"
)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What is followed from a checkpoint on.

    Args:
        became: the courses that are not those of the present plans.
        bases: the base of each group of a binding.
        built: the bases that the optimizer was built with where others are followed, by hyperparameter and
            group: with these, too, the next checkpoint will fit.
        positions: where clocks stand that samples or tokens have moved.
        seam: what was changed, where a policy was needed.
    """

    became: dict[Followed, Course]
    bases: list[tuple[Binding, list[float]]]
    built: dict[tuple[str, Index], float]
    positions: dict[Course, Fraction]
    seam: Seam | None

    def put_bases(self) -> None:
        """Set the bases that are followed."""
        for binding, bases in self.bases:
            binding.put_bases(bases)


def snapshot(moment: Moment, step: float, count: int, skipped: int) -> Snapshot:
    """What the checkpoint holds: the clock and a moment."""
    laid = moment.laid
    return Snapshot(
        step=step,
        count=count,
        skipped=skipped,
        groups=len(laid.groups),
        horizon=laid.horizon.to_dict(),
        courses=[
            *(_saved(binding, laid, moment.meters.get(binding.course)) for binding in laid.bindings),
            *_to_come(laid),
        ],
        plateaus={repr(plateau): past for plateau, past in moment.feedback.items()},
        joined={str(index): _exact(began) for index, began in laid.joined.items()},
    )


def _saved(binding: Binding, laid: Laid, meter: Meter | None) -> SavedCourse:
    """What the checkpoint holds of a binding."""
    course = binding.course
    bases = binding.bases.tolist()
    origin = [laid.built.get((binding.name, index), base) for index, base in by_index(binding)]
    everywhere = len(binding.indices) == len(laid.groups)
    return SavedCourse(
        of=binding.name,
        groups=None if everywhere else list(binding.indices),
        schedule=repr(binding.planned),
        fingerprint=binding.planned.fingerprint,
        bases=_short(bases),
        built=None if origin == bases else _short(origin),
        coupled=binding.coupled,
        now=None if course.schedule == binding.planned else repr(course.schedule),
        horizon=None if course.horizon == laid.horizon else course.horizon.to_dict(),
        position=None if meter is None else meter.text,
    )


def _to_come(laid: Laid) -> Iterator[SavedCourse]:
    """What the checkpoint holds of what is followed by no group yet: as if the next one did."""
    followed = {binding.followed for binding in laid.bindings}
    for (name, planned), course in laid.became.items():
        if (name, planned) not in followed:
            yield SavedCourse(
                of=name,
                groups=[len(laid.groups)],
                schedule=repr(planned),
                fingerprint=planned.fingerprint,
                bases=[1.0],
                now=repr(course.schedule),
                horizon=None if course.horizon == laid.horizon else course.horizon.to_dict(),
            )


def _exact(began: Fraction | float) -> float | str:
    """A place on the axis: a number where that is exact, else text."""
    if isinstance(began, Fraction):
        return int(began) if began.denominator == 1 else fraction_text(began)
    return began


def _short(bases: list[float]) -> list[float]:
    return bases[:1] if len(set(bases)) == 1 else bases


def resume(loaded: Snapshot, present: Laid, policy: Policy | None) -> Resumed:
    """Work out what is followed from a checkpoint on.

    Args:
        loaded: the checkpoint.
        present: the present plans, as they are without it.
        policy: what to do with another plan; None refuses it.

    Raises:
        ResumeError: for another plan, with what differs; or where a policy cannot be followed.
    """
    bindings = present.bindings
    checkpoint = Checkpoint.beside(loaded, present.planned_schedules, present.horizon, present.names)
    checkpoint.check()
    matches = checkpoint.matches(bindings)
    for match in matches:
        match.check_texts()
    lines = [*checkpoint.one_sided(bindings)]
    if policy is None:
        lines += [line for match in matches if not match.is_same for line in match.differences()]
        if lines:
            shown = "".join(f"\n  {line}" for line in dict.fromkeys(lines))
            raise ResumeError(f"this checkpoint belongs to another set-up:{shown}\n{POLICIES}")
    became: dict[Followed, Course] = {}
    positions: dict[Course, Fraction] = {}
    bases: dict[tuple[str, Index], float] = {}
    built: dict[tuple[str, Index], float] = {}
    for match in matches:
        binding = match.binding
        # Without a policy all are the same here.
        course = match.goes_on() if policy is None or match.is_same else match.follows(policy)
        old_bases = match.is_same or policy != "stretch"
        for index, base in by_index(binding):
            past = match.past.get(index)
            own = match.bases.get(index, base)
            if past is not None and old_bases:
                own = past.base(index)
            bases[binding.name, index] = own
            if past is not None:
                built[binding.name, index] = past.built_base(index) if same_base(base, own) else base
        # What is in proportion to another hyperparameter follows whatever that one follows.
        if course != binding.course and not binding.coupled:
            became[binding.followed] = course
        if match.first.position is not None:
            positions[course] = match.at
    if policy is None:
        for saved in loaded.courses:
            # Of groups that the optimizer is still to get, or that nobody had yet.
            known = min(len(present.groups), loaded.groups)
            if saved.groups and not saved.coupled and min(saved.groups) >= known:
                saved.check_text()
                course = checkpoint.course(saved)
                if saved.now is not None:
                    became[saved.of, parse(saved.schedule, custom="name")] = course
                if saved.position is not None:
                    positions[course] = read_fraction(saved.position, "the position")
    rates = {
        place: pair
        for match in matches
        if not match.is_same
        for place, pair in match.seam(became.get(match.binding.followed, match.binding.course), bases)
    }
    put = [
        (match.binding, [bases[match.binding.name, index] for index, _ in by_index(match.binding)])
        for match in matches
    ]
    seam = Seam(str(policy), loaded.step, rates, tuple(lines)) if rates or lines else None
    return Resumed(became, put, built, positions, seam)
