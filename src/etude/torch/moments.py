"""What decides the values of a step, as a value that never changes: each change makes another."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from etude.durations import DurationLike, to_duration
from etude.eases import Array
from etude.errors import HorizonError, ScheduleError
from etude.levels import LevelLike
from etude.names import nearest
from etude.schedules import Plateau, PlateauState
from etude.timeline import Clock, ceil_float
from etude.torch import scalars
from etude.torch.bindings import Followed
from etude.torch.changes import Course, cooled
from etude.torch.clock import Meter
from etude.torch.laid import Laid
from etude.torch.plans import plateaus

__all__ = ["Moment"]


@dataclass(frozen=True)
class Moment:
    """All that values depend on, but for the step.

    Args:
        laid: the schedules, as they lie over the groups.
        feedback: what the Plateaus among them have seen.
        meters: where the clocks stand that samples or tokens move; empty where steps are counted.
        before: where those stood one update before.
    """

    laid: Laid
    feedback: Mapping[Plateau, PlateauState] = field(default_factory=dict)
    meters: Mapping[Course, Meter] = field(default_factory=dict)
    before: Mapping[Course, Fraction] = field(default_factory=dict)

    # What it says.

    @property
    def factors(self) -> dict[Hashable, float]:
        """What the Plateaus' feedback comes to."""
        return {plateau: past.factor for plateau, past in self.feedback.items()}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the Plateaus follow."""
        return tuple(sorted({plateau.metric for plateau in self.feedback}))

    def progress(self, now: float) -> float:
        """How far the run is, in the horizon's steps: at the step, or where samples or tokens have led."""
        return ceil_float(Fraction(self.axis(now))) if self.meters else now

    def axis(self, now: float) -> Fraction | float:
        """The same, exact: what starts here has its origin there."""
        return max((meter.position for meter in self.meters.values()), default=now)

    def began(self, now: float) -> Fraction | float:
        """Where the update before the present step began."""
        return max(self.before.values(), default=now - 1)

    def place(self, course: Course, now: float) -> float:
        """Where a course's clock stands: at the step, or where samples and tokens have brought it."""
        meter = self.meters.get(course)
        return self.progress(now) if meter is None else ceil_float(meter.position)

    def values(self, steps: Sequence[float], now: float) -> list[Array]:
        """The values at steps, where ``now`` is the present one: for each binding, steps × groups.

        Raises:
            ScheduleError: where samples or tokens are counted, for another step than the present and the
                one before; or where a schedule has no value.
        """
        factors = self.factors
        return [
            binding.values(self._places(binding.course, steps, now), factors)
            for binding in self.laid.bindings
        ]

    def _places(self, course: Course, steps: Sequence[float], now: float) -> Sequence[float]:
        """Where a course's clock stands at steps."""
        if not self.meters:
            return steps
        known = {now: self.place(course, now)}
        if course in self.before:
            known[now - 1] = ceil_float(self.before[course])
        self.check_known(steps, known, now)
        return [known[step] for step in steps]

    def check_known(self, steps: Sequence[float], known: Mapping[float, object], now: float) -> None:
        """Refuse steps that are not known, where samples or tokens are counted."""
        if self.meters and not known.keys() >= set(steps):
            asked = ", ".join(f"{step:g}" for step in steps if step not in known)
            raise ScheduleError(
                f"where samples or tokens are counted, only the present step {now} and the one before are "
                f"known; got {asked}"
            )

    # What comes after it.

    def on(self, laid: Laid, remembered: Mapping[str, PlateauState] | None = None) -> Moment:
        """The same with other schedules, or other groups under them.

        Args:
            laid: these.
            remembered: what Plateaus have seen elsewhere, by their text; not given, what they have seen here.
        """
        # Also of Plateaus that no group follows yet, or no longer: the loop observes all the same.
        followed = [course.schedule for course in laid.courses]
        feedback = plateaus([*laid.planned_schedules, *followed])
        for plateau, fresh in feedback.items():
            known = self.feedback.get(plateau) if remembered is None else remembered.get(repr(plateau))
            feedback[plateau] = fresh if known is None else known
        return replace(self, laid=laid, feedback=feedback)

    def at(self, positions: Mapping[Course, Fraction]) -> Moment:
        """The same with the clocks of samples and tokens at these positions; without any, steps count."""
        meters = {course: Meter(course.schedule, course.horizon) for course in positions}
        for course, position in positions.items():
            meters[course].seek(position)
        return replace(self, meters=meters, before={})

    @property
    def positions(self) -> dict[Course, Fraction]:
        """Where the clocks of samples and tokens stand."""
        return {course: meter.position for course, meter in self.meters.items()}

    def measured(self, now: float, samples: float | None, tokens: float | None) -> Moment:
        """The same with every clock moved on by what one update has seen."""
        meters, before = {}, {}
        for course in self.laid.courses:
            known = self.meters.get(course)
            if known is None:
                meter = Meter(course.schedule, course.horizon)
                meter.seek(self.axis(now))
            else:
                meter = copy.copy(known)
            before[course] = meter.position
            meter.advance(samples, tokens)
            meters[course] = meter
        return replace(self, meters=meters, before=before)

    def observed(self, metrics: Mapping[str, float]) -> Moment:
        """The same after the Plateaus have seen what was measured.

        Raises:
            ScheduleError: for a metric that no Plateau follows, or that is not a number.
        """
        known = self.metrics
        values: dict[str, float] = {}
        for name, metric in metrics.items():
            if name not in known:
                followed = f"they follow {', '.join(known)}" if known else "none of them has a Plateau"
                raise ScheduleError(
                    f"no schedule follows the metric {name!r}; {followed}{nearest(name, known)}"
                )
            values[name] = scalars.metric(name, metric)
        feedback = {
            plateau: plateau.observe(past, values[plateau.metric]) if plateau.metric in values else past
            for plateau, past in self.feedback.items()
        }
        return replace(self, feedback=feedback)

    def cooled(self, now: float, over: DurationLike, stop: LevelLike, ease: str, name: str) -> Moment:
        """The same with a hyperparameter that leaves its schedule here, and decays.

        Raises:
            ScheduleError: for a hyperparameter that has no schedule, or one that is kept in proportion.
        """
        laid, positions = self.laid, self.positions
        own = laid.of(name)
        if not own or own[0].coupled:
            why = f"in proportion to {own[0].coupled!r}" if own else "not scheduled"
            raise ScheduleError(f"cooldown(name={name!r}): {name} is {why}; cool down what has a schedule")
        became = dict(laid.became)

        def leave(followed: Followed, course: Course) -> None:
            at = positions.get(course, self.axis(now))
            total = laid.horizon.total_steps
            if total is not None and total < at and to_duration(over, "cooldown(over=)").rests:
                raise HorizonError(
                    f"cooldown(over={over!r}) counts the rest of the run, and the run is over at "
                    f"{laid.horizon.total}; write a length of its own, such as over=100"
                )
            length = over
            if course.horizon != laid.horizon:  # in steps, for there the same length may be another
                length = Clock(laid.horizon, Fraction(at)).steps(over, "cooldown(over=)")
            after = Course(cooled(course, at, over=length, stop=stop, ease=ease), course.horizon)
            became[followed] = after
            if course in positions:
                positions[after] = positions[course]

        for binding in own:
            leave(binding.followed, binding.course)
        for followed in laid.unfollowed(name):  # who joins later joins what all do
            leave(followed, became.get(followed, Course(followed[1], laid.horizon)))
        return self.on(replace(laid, became=became)).at(positions)
