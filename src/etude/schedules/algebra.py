"""The contract of a schedule, and the ways to put schedules together.

A schedule is a frozen value. ``a >> b`` plays b after a, ``a * b`` and ``a + b`` join values at the same
time, ``a.repeat()`` goes round; each returns a new schedule, and nothing is evaluated before a horizon is
known: ``schedule.on(horizon)``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from functools import cached_property
from itertools import chain
from operator import attrgetter, itemgetter
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NoReturn,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

from etude.answers import answering, wrong_call
from etude.durations import REST, Duration, DurationLike, Horizon, fraction_text, to_duration
from etude.eases import EASES, linear
from etude.errors import EtudeError, HorizonError, ScheduleError
from etude.levels import BASE, Level, LevelLike, is_number, to_level
from etude.names import nearest
from etude.schedules import bounds
from etude.schedules.names import not_imported
from etude.tables import Table
from etude.timeline import Chain, Clock, Combined, Cooled, Cut, Cycles, Delayed, Growing, Law, Node

__all__ = [
    "GEOMETRIC",
    "JSON_VERSION",
    "Constant",
    "Cooldown",
    "Factor",
    "Maximum",
    "Minimum",
    "Product",
    "Rate",
    "Repeat",
    "Schedule",
    "Sequence",
    "Shift",
    "Stretch",
    "Sum",
    "Under",
    "Until",
    "durations_of",
    "encode",
    "maximum",
    "minimum",
    "not_a_rate",
    "placed",
    "to_rate",
    "to_schedule",
]

JSON_VERSION = 1
# The one way down that is no ease: it is along the ratio of two values.
GEOMETRIC = "geometric"
# More cycles than that, each longer or shorter than the last, would have boundaries of very many digits.
MAX_GROWING = 1_000
# What reads or writes a schedule takes up to five calls for each level, and Python bears a thousand in all.
MAX_DEPTH = 170
# More would take minutes to read back; and a schedule made of itself over and over doubles each time.
MAX_PARTS = 100_000
# A longer expression is not written out where another one is told.
MOST_SHOWN = 60
BESIDE = "a rate cannot come before it or after it"

if TYPE_CHECKING:  # Python has the default from 3.13 on
    Kind = TypeVarWithDefault("Kind", bound="Rate | Factor", default="Rate | Factor", covariant=True)
else:
    Kind = TypeVar("Kind")
_Join = TypeVar("_Join", bound="Combinator")
Extent: TypeAlias = Literal["finite", "endless", "timeless"]
"""Whether a schedule ends, goes on for ever, or has no length of its own and takes its neighbours'."""


@dataclass(frozen=True, repr=False)
class Schedule(Generic[Kind]):
    """A ``Rate`` or a ``Factor``: a frozen value, pure, that knows neither horizon nor optimizer."""

    # How tightly the expression binds: 0 is ``>>``, 1 is ``+``, 2 is ``*``, 3 a call.
    _binding: ClassVar[int] = 3
    # How many positional fields the expression spells out even where they have their default.
    _spelled: ClassVar[int] = 1

    multiplies: ClassVar[bool] = False
    """Whether it is a factor."""

    if not TYPE_CHECKING:  # what is checked while one types must not see that anything is taken

        def __new__(cls, *values: Any, **fields: Any) -> Any:
            known = cls.__dataclass_fields__
            if not fields.keys() <= known.keys() or len(values) > cls._most_positional():
                raise ScheduleError(str(wrong_call(cls.__name__, inspect.signature(cls), values, fields)))
            return object.__new__(cls)

        def __sub__(self, other: object) -> NoReturn:
            raise ScheduleError(
                f"nothing can be subtracted from a schedule; write floor= or .clip(low=...) for a lower end, "
                f"or plan.under(level) for level - plan; got {_shortly(self)} - {other!r}"
            )

        def __rsub__(self, other: object) -> NoReturn:
            raise ScheduleError(f"a level less a schedule is written {_shortly(self)}.under({other!r})")

        def __truediv__(self, other: object) -> NoReturn:
            factor = f"{1 / other:g}" if is_number(other) and other else "1 / ..."
            raise ScheduleError(f"a schedule is multiplied, not divided: write {_shortly(self)} * {factor}")

        def __neg__(self) -> NoReturn:
            raise ScheduleError(f"a rate cannot be negative; got -{_shortly(self)}")

        def __call__(self, *values: object, **named: object) -> NoReturn:
            asked = f"({', '.join(map(repr, values)) or 0})"
            raise ScheduleError(
                f"a schedule has values on a horizon: write {_shortly(self)}.on(Horizon(total=1000)){asked}"
            )

        def __getattr__(self, name: str) -> NoReturn:
            raise _NoAttributeError(self, name)

    # What a subclass says about itself. It is not marked as abstract, for type checkers would then refuse
    # parse(text, Factor), which asks for a concrete class.

    @property
    def extent(self) -> Extent:
        """Whether it is finite, endless or timeless, on any horizon."""
        raise NotImplementedError

    def length(self, clock: Clock) -> Fraction | None:
        """Its length in its own steps where the clock starts it; None where it is endless or timeless."""
        raise NotImplementedError

    def clocked_parts(self, clock: Clock) -> Iterator[tuple[Schedule, Clock]]:
        """Its parts, each with its own clock."""
        return ((part, clock) for part in self.parts)

    def clock_of(self, field: str, clock: Clock) -> Clock:
        """The clock that the durations of a field are counted on."""
        return clock

    @property
    def fills_the_run(self) -> bool:
        """Whether it lasts until the run ends, wherever it begins: then nothing can follow it."""
        over = getattr(self, "over", None)
        return isinstance(over, Duration) and over.fills_the_run

    def resolve(self, clock: Clock) -> Node:
        """Lay it over the clock's axis."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedules it is directly made of."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        return tuple(value for value in values if isinstance(value, Schedule))

    @cached_property
    def depends_on_base(self) -> bool:
        """Whether its values follow the group's base rate."""
        levels = (getattr(self, field.name) for field in dataclasses.fields(self))
        own = any(isinstance(level, Level) and level.is_relative for level in levels)
        return own or any(part.depends_on_base for part in self.parts)

    @property
    def moves_with_the_run(self) -> bool:
        """Whether a length of it is a share of the run: on another total it is another schedule."""
        lengths = (duration for part in self.walk() for _, duration in durations_of(part))
        return any(unit in ("%", "rest") for length in lengths for unit, _ in length.terms)

    @cached_property
    def _depth(self) -> int:
        return 1 + max((part._depth for part in self.parts), default=0)

    @cached_property
    def _size(self) -> int:
        return 1 + sum(part._size for part in self.parts)

    # What everyone can do with it.

    def on(self, horizon: Horizon) -> Table:
        """Resolve on a horizon.

        Raises:
            HorizonError: where a duration needs what the horizon does not say, or comes out negative.
        """
        if not isinstance(horizon, Horizon):
            raise HorizonError(
                f"on() takes a Horizon, such as Horizon(total=1000) or Horizon(steps_per_epoch=391, "
                f"total='90ep'); got {horizon!r}"
            )
        clock = Clock(horizon)
        return Table(self, horizon, self.resolve(clock), self.length(clock))

    def walk(self) -> Iterator[Schedule]:
        """This schedule and everything it is made of."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @answering()
    def repeat(
        self, times: int | None = None, *, stretch: float | Fraction | str = 1, gain: float = 1.0
    ) -> Kind:
        """Play it over and over: see ``Repeat``."""
        return cast(Kind, Repeat(self, times, growth=stretch, gain=gain))

    @answering()
    def shift(self, by: DurationLike) -> Kind:
        """Play it ``by`` later, its first value held until then; earlier where ``by`` is negative."""
        return cast(Kind, Shift(self, by))

    @answering()
    def stretch(self, factor: float | Fraction | str) -> Kind:
        """Play it ``factor`` times as slowly."""
        return cast(Kind, Stretch(self, factor))

    @answering()
    def until(self, at: DurationLike) -> Kind:
        """Play it until a step only, so that another can follow: see ``Until``."""
        return cast(Kind, Until(self, at))

    def __copy__(self) -> Self:
        return self  # as a tuple does: nothing about it can change

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    # How it is written.

    def __repr__(self) -> str:
        positional: list[str] = []
        named: list[str] = []
        by_name = False
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == field.default and (field.kw_only or len(positional) >= self._spelled):
                by_name = by_name or not field.kw_only  # as what follows it is then
            elif field.kw_only or by_name:
                named.append(f"{field.name}={write(value)}")
            else:
                positional.append(write(value))
        return f"{type(self).__name__}({', '.join(positional + named)})"

    def to_json(self) -> str:
        """Return the schedule as JSON with a version number; ``etude.from_json`` reads it."""
        return json.dumps({"etude": JSON_VERSION, "schedule": encode(self)})

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that are the same for equal schedules, on any machine."""
        # Without the fields that have their default: one that a later version adds changes no fingerprint.
        text = json.dumps(encode(self, terse=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _repr_svg_(self) -> str | None:
        """The curve, for notebooks: on its own length; an endless one over a few of its phases."""
        if refusal := not_imported(self):
            from etude.plots import (  # when one is asked for: most programs only want the numbers
                Chart,
                to_svg,
            )

            return to_svg(Chart(refusal, "step", "learning rate", ()))
        try:
            return self.on(self._own_horizon())._repr_svg_()
        except EtudeError:  # it does not fit on those, or its function is not here: the text has to do
            return None

    def _own_horizon(self) -> Horizon:
        nominal = Horizon(100, 1_000, samples_per_step=1, tokens_per_step=1)
        own = self.length(Clock(nominal))
        horizon = nominal
        if own is None:
            first = self.on(nominal).first_phase_end
            # Seven first phases hold three cycles of doubling length, and three and a half of up and down.
            steps = max(1_000.0, 7 * first) if math.isfinite(first) else 1_000.0
            return Horizon(100, steps, samples_per_step=1, tokens_per_step=1)
        if own is not None and own > 0:
            horizon = Horizon(100, own, samples_per_step=1, tokens_per_step=1)
        # A share of the run is not known before the run: then the nominal length stands.
        return horizon if self.length(Clock(horizon)) == own else nominal

    @classmethod
    def _most_positional(cls) -> int:
        return sum(field.init and not field.kw_only for field in cls.__dataclass_fields__.values())

    def _set(self, **values: object) -> None:
        """Put the checked values in the frozen fields."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _bounded(self) -> Self:
        """Return it, if what walks schedules can walk it."""
        if self._depth > MAX_DEPTH:
            raise ScheduleError(
                f"this {type(self).__name__} is {self._depth} levels deep, and a schedule may have "
                f"{MAX_DEPTH}; put pieces one after another (a >> b), not each inside the next"
            )
        if self._size > MAX_PARTS:
            raise ScheduleError(
                f"this {type(self).__name__} is made of {self._size:,} schedules, and one may be made of "
                f"{MAX_PARTS:,}; write what repeats with .repeat(times), or a list of values as Points([...])"
            )
        return self

    def _named(self, field: str) -> str:
        return f"{type(self).__name__}({field}=)"


class Rate(Schedule["Rate"]):
    """A schedule of values that are used as they are: learning rates, momenta, weight decays.

    It may multiply another rate, of which at most one depends on BASE.
    """

    @answering()
    def under(self, level: LevelLike) -> Rate:
        """Leave of a level what it does not take: ``level - schedule``; see ``Under``."""
        return Under(self, level)

    @answering()
    def clip(self, low: LevelLike = 0.0, high: LevelLike | None = None) -> Rate:
        """Keep the values between two levels."""
        low = to_level(low, "clip(low=)")
        if high is not None:
            to_level(to_level(high, "clip(high=)") - low, "clip(high=) less clip(low=)")
        raised = self if low == Level(0.0, 0.0) else maximum(self, low)
        return raised if high is None else minimum(raised, high)

    @answering()
    def cooldown(
        self, at: DurationLike, *, over: DurationLike = REST, stop: LevelLike = 0.0, ease: str = "linear"
    ) -> Rate:
        """Leave it at a step, and decay from the value it had there: see ``Cooldown``."""
        return Cooldown(self, at, over=over, stop=stop, ease=ease)

    def __rshift__(self, other: Rate | LevelLike) -> Rate:
        return Sequence.of(self, other) if _is_operand(other) else NotImplemented

    def __rrshift__(self, other: LevelLike) -> Rate:
        return Sequence.of(other, self) if _is_operand(other) else NotImplemented

    def __mul__(self, other: Schedule | LevelLike) -> Rate:
        return cast(Rate, Product.of(self, other)) if _is_operand(other) else NotImplemented

    def __add__(self, other: Rate | LevelLike) -> Rate:
        return Sum.of(self, other) if _is_operand(other) else NotImplemented

    __rmul__ = __mul__
    __radd__ = __add__


class Factor(Schedule["Factor"]):
    """What can only multiply, and is refused where a rate is asked for: warmups, Noise, Plateau.

    Factors joined with factors are one; a factor times a rate, a level or a number is a rate.
    """

    multiplies: ClassVar[bool] = True

    @property
    def in_a_rate(self) -> str:
        """What to write where a rate is meant."""
        text = repr(self) if self._binding >= Product._binding else f"({self!r})"
        return f"{text} * cosine(), or {text} * another rate"

    @overload
    def __mul__(self, other: Factor) -> Factor: ...
    @overload
    def __mul__(self, other: Rate | LevelLike) -> Rate: ...
    def __mul__(self, other: Schedule | LevelLike) -> Schedule:
        return Product.of(self, other) if _is_operand(other) else NotImplemented

    def __rmul__(self, other: LevelLike) -> Rate:
        return cast(Rate, Product.of(self, other)) if _is_operand(other) else NotImplemented

    def __rshift__(self, other: Factor) -> Factor:
        return Sequence.of(self, other) if _is_operand(other) else NotImplemented

    def __rrshift__(self, other: LevelLike) -> Factor:
        return cast(Factor, Sequence.of(other, self)) if _is_operand(other) else NotImplemented

    def __add__(self, other: Factor) -> Factor:
        return Sum.of(self, other) if _is_operand(other) else NotImplemented

    __radd__ = __add__


def to_rate(schedule: Schedule, what: str) -> Rate:
    """Return a schedule that is a rate.

    Args:
        schedule: any.
        what: what it is to be, for the message: ``"the learning rate"``.

    Raises:
        ScheduleError: for a factor, with the line to write.

    >>> to_rate(Plateau("loss"), "the learning rate")
    Traceback (most recent call last):
    etude.errors.ScheduleError: the learning rate cannot be Plateau('loss'), which is a factor and multiplies:
    write Plateau('loss') * cosine(), or Plateau('loss') * another rate
    """
    if isinstance(schedule, Factor):
        raise ScheduleError(not_a_rate(schedule, what))
    return cast(Rate, schedule)


def not_a_rate(factor: Factor, what: str) -> str:
    """Say that a factor cannot be what it is to be."""
    return f"{what} cannot be {factor!r}, which is a factor and multiplies: write {factor.in_a_rate}"


class Combinator(Schedule):
    """What joins or changes schedules: of factors alone it is a factor, else a rate.

    So each is two classes, ``Product._of_rates`` and ``Product._of_factors``; ``Product(...)`` makes the one
    that its parts are for, and both go by its name.
    """

    _both: ClassVar[Any]
    _of_rates: ClassVar[type[Rate]]
    _of_factors: ClassVar[type[Factor]]

    def __new__(cls, *values: Any, **fields: Any) -> Self:
        first = values[0] if values else fields.get(dataclasses.fields(cls)[0].name)
        kind = cls._for(first if isinstance(first, tuple | list) else (first,))
        return super().__new__(kind, *values, **fields)

    @classmethod
    def _for(cls, parts: Iterable[object]) -> type[Self]:
        """The class of what is made of these parts."""
        if "_of_rates" not in vars(cls):
            return cls
        kinds = {isinstance(part, Factor) for part in parts}
        return cast(type[Self], cls._of_factors if kinds == {True} else cls._of_rates)


def combinator(kind: type[_Join]) -> type[_Join]:
    """Make the two classes of a combinator."""
    kind._both = kind
    for name, role in (("_of_rates", Rate), ("_of_factors", Factor)):
        known = {"__module__": kind.__module__, "__qualname__": f"{kind.__name__}.{name}"}
        made = type(kind.__name__, (kind, role), known | {"__doc__": kind.__doc__})
        setattr(kind, name, dataclass(frozen=True, repr=False)(made))
    return kind


def _alike(parts: tuple[Schedule, ...], how: str) -> None:
    """Refuse factors among rates where they do not multiply."""
    factors = [part for part in parts if isinstance(part, Factor)]
    if 0 < len(factors) < len(parts):
        first = factors[0]
        raise ScheduleError(f"{first!r} is a factor, which multiplies; {how}: write {first.in_a_rate}")


def _called(schedule: Schedule) -> str:
    """A schedule as what a method is called of."""
    return repr(schedule) if schedule._binding == 3 else f"({schedule!r})"


def _shortly(schedule: Schedule) -> str:
    """The same where it is short, else any."""
    text = _called(schedule)
    return text if len(text) <= MOST_SHOWN else "plan"


class _NoAttributeError(AttributeError):
    """What is near is looked for when it is read: mostly it is only asked whether an attribute is there."""

    def __str__(self) -> str:
        schedule, name = self.args
        if schedule.multiplies and hasattr(Rate, name):
            return (
                f"a factor has no {name}(), for it is no rate: multiply it onto one first, "
                f"({_called(schedule)} * cosine()).{name}(...)"
            )
        hint = (
            "" if name.startswith("_") else nearest(name, [each for each in dir(schedule) if each[0] != "_"])
        )
        return f"{type(schedule).__name__} has no attribute {name!r}{hint}"


def _is_operand(value: object) -> bool:
    return isinstance(value, Schedule | Level | int | float) and not isinstance(value, bool)


def to_schedule(value: Schedule | LevelLike) -> Schedule:
    """Return a schedule as it is, and a level as a constant."""
    return value if isinstance(value, Schedule) else Constant(value)


def write(value: object) -> str:
    """Return the expression that reads back as a field's value."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_write_item, value))}]"
    if isinstance(value, Fraction):
        text = fraction_text(value)
        return repr(text) if "/" in text else text
    return repr(value)


def _write_item(value: object) -> str:
    return f"({', '.join(map(write, value))})" if isinstance(value, tuple) else write(value)


def encode(value: object, *, terse: bool = False) -> Any:
    """Return what JSON holds of a field's value; ``terse`` leaves out the fields that have their default."""
    if isinstance(value, Schedule):
        fields = {
            field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)
        }
        kept = {
            name: encode(item, terse=terse)
            for name, (item, default) in fields.items()
            if not (terse and item == default)
        }
        return {"type": type(value).__name__, **kept}
    if isinstance(value, Level):
        return {"factor": value.factor, "offset": value.offset} if value.is_relative else value.offset
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, Fraction):
        return fraction_text(value)
    if isinstance(value, tuple):
        return [encode(item, terse=terse) for item in value]
    # A plain text also of a name that stood in data, which is a kind of text of its own.
    return str(value) if isinstance(value, str) else value


@dataclass(frozen=True, repr=False)
class Constant(Rate):
    """One level.

    lr(t) = level

    Args:
        level: absolute, or relative to BASE; BASE where it is not given.
        over: how long; not given, it is timeless: it takes the length of what it is combined with.

    >>> Constant(0.1 * BASE).on(Horizon(total=3))([0, 2, 99], base=0.5)
    array([0.05, 0.05, 0.05])

    Elsewhere: torch ``ConstantLR(factor=1)``, optax ``constant_schedule``, transformers ``constant``, fvcore
    ``ConstantParamScheduler`` (an error at the end of training), LRBench ``FIX``.
    """

    level: LevelLike = BASE
    _: KW_ONLY
    over: DurationLike | None = None

    def __post_init__(self) -> None:
        self._set(level=to_level(self.level, self._named("level")))
        if self.over is not None:
            self._set(over=bounds.length(self.over, self._named("over")))

    @property
    def extent(self) -> Extent:
        return "timeless" if self.over is None else "finite"

    def length(self, clock: Clock) -> Fraction | None:
        return None if self.over is None else clock.steps(self.over, self._named("over"))

    def resolve(self, clock: Clock) -> Node:
        length = self.length(clock)
        stop = None if length is None else clock.at(length)
        level = to_level(self.level, self._named("level"))
        return Law("constant", clock.origin, stop, clock.scale, level, None, 0.0)


def _can_be_followed(part: Schedule) -> None:
    _end_to_end(part, "nothing can follow it")
    _followed(part, "another part")


def _leaves_time(part: Schedule, following: tuple[Schedule, ...]) -> None:
    """Refuse what fills the run where something else is to follow, but for a last value."""
    if part.fills_the_run and not all(map(_lasts_no_time, following)):
        raise ScheduleError(
            f"{part!r} lasts for the rest of the run, so nothing can follow it; say how long it lasts, such "
            f"as over='30ep', or leave time for what follows: over='rest - 10ep'"
        )


def _lasts_no_time(part: Schedule) -> bool:
    over = None if isinstance(part, Cooldown) else getattr(part, "over", None)
    return isinstance(over, Duration) and over.is_zero


def _end_to_end(schedule: Schedule, what: str) -> None:
    """Refuse what has no end where an end is needed."""
    if schedule.extent != "finite":
        why = "never ends" if schedule.extent == "endless" else "has no length of its own"
        raise ScheduleError(
            f"{schedule!r} {why}, so {what}; say how long it lasts, with over= or repeat(times)"
        )


def _followed(schedule: Schedule, by: str) -> None:
    """Refuse what says what happens after its end, where something else does."""
    if _says_after(schedule):
        raise ScheduleError(
            f"{schedule!r} says what happens after its end, but {by} follows it; leave out after="
        )


def _counts_the_rest(schedule: Schedule) -> bool:
    """Whether one of its own durations counts the rest of the run."""
    return any(duration.rests for _, duration in durations_of(schedule))


def durations_of(schedule: Schedule) -> Iterator[tuple[str, Duration]]:
    """The durations of a schedule itself, each with the name of its field."""
    for field in dataclasses.fields(schedule):
        for duration in _durations_in(getattr(schedule, field.name)):
            yield field.name, duration


def _durations_in(value: object) -> Iterator[Duration]:
    if isinstance(value, Duration):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _durations_in(item)


def _says_after(schedule: Schedule) -> bool:
    if isinstance(schedule, Cooldown | Until):  # it leaves its trunk: what follows that is no matter
        return False
    return getattr(schedule, "after", "hold") != "hold" or any(map(_says_after, schedule.parts))


def placed(parts: Iterable[Schedule], clock: Clock) -> Iterator[tuple[Schedule, Clock, Fraction | None]]:
    """Parts one after another from the clock on: each with its own clock, and its length in its own steps."""
    for part in parts:
        length = part.length(clock)
        yield part, clock, length
        clock = clock.started(length or Fraction(0))


@combinator
@dataclass(frozen=True, repr=False)
class Sequence(Combinator):
    """One schedule after another: ``a >> b``.

    Each part has its own zero and covers [start, next start): the later part owns the boundary, so that
    parts without length vanish. Past the end, the last part's last value holds.

    >>> plan = Constant(0.5, over=3) >> Constant(0.3, over=3)
    >>> plan.on(Horizon(total=6))(range(6))
    array([0.5, 0.5, 0.5, 0.3, 0.3, 0.3])
    """

    _binding: ClassVar[int] = 0

    sequence: tuple[Schedule, ...]

    @overload
    @classmethod
    def of(cls, *parts: Factor) -> Factor: ...
    @overload
    @classmethod
    def of(cls, *parts: Rate | LevelLike) -> Rate: ...
    @overload
    @classmethod
    def of(cls, *parts: Schedule | LevelLike) -> Schedule: ...
    @classmethod
    def of(cls, *parts: Schedule | LevelLike) -> Schedule:
        """Put parts one after another; sequences among them are flattened."""
        given, both = tuple(map(to_schedule, parts)), cls._both
        flat = _flat(both, given)
        if len(flat) == len(given):
            return cast(Schedule, both(flat))
        # A sequence among them was checked when it was made, all but its end: ``plan = plan >> piece`` in a
        # loop is not to check all pieces each time.
        _alike(given, BESIDE)
        for i, part in enumerate(given[:-1]):
            _can_be_followed(part.parts[-1] if isinstance(part, both) else part)
            _leaves_time(part, given[i + 1 :])
        return cast(Schedule, _made(both, given, sequence=flat))

    def __post_init__(self) -> None:
        self._set(sequence=_operands(self._both, self.sequence, "sequence"))
        _alike(self.sequence, BESIDE)
        for i, part in enumerate(self.sequence[:-1]):
            _can_be_followed(part)
            if part.fills_the_run:
                _leaves_time(part, self.sequence[i + 1 :])
        self._bounded()

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self.sequence

    @property
    def extent(self) -> Extent:
        return "finite" if self.sequence[-1].extent == "finite" else "endless"

    @property
    def fills_the_run(self) -> bool:
        # What lasts no time at the end is the value that the run ends with.
        last = next((part for part in reversed(self.sequence) if not _lasts_no_time(part)), self.sequence[-1])
        return last.fills_the_run

    def clocked_parts(self, clock: Clock) -> Iterator[tuple[Schedule, Clock]]:
        return ((part, own) for part, own, _ in placed(self.sequence, clock))

    def pieces(self, clock: Clock) -> list[tuple[Schedule, Clock, Fraction | None]]:
        """Each part that has a length, and the last, with its clock and its length in its own steps."""
        *before, last = placed(self.sequence, clock)
        return [*(piece for piece in before if piece[2]), last]

    def length(self, clock: Clock) -> Fraction | None:
        lengths = [length for _, _, length in placed(self.sequence, clock)]
        return None if self.extent == "endless" else sum(filter(None, lengths), Fraction(0))

    def resolve(self, clock: Clock) -> Node:
        pieces = self.pieces(clock)
        return Chain([own.origin for _, own, _ in pieces], [part.resolve(own) for part, own, _ in pieces])

    def __repr__(self) -> str:
        return " >> ".join(map(repr, self.sequence))


@dataclass(frozen=True, repr=False)
class Joined(Combinator):
    """Several schedules at the same time, joined by a commutative, associative operation.

    The parts are kept in one order, whatever order they were written in, so that equal values are equal
    and are evaluated in the same order of roundings.
    """

    _sign: ClassVar[str] = ", "
    _operation: ClassVar[np.ufunc]
    _join_powers: ClassVar[Callable[[list[float]], float]]

    together: tuple[Schedule, ...]

    @overload
    @classmethod
    def of(cls, *parts: Factor) -> Factor: ...
    @overload
    @classmethod
    def of(cls, *parts: Rate | LevelLike) -> Rate: ...
    @overload
    @classmethod
    def of(cls, *parts: Schedule | LevelLike) -> Schedule: ...
    @classmethod
    def of(cls, *parts: Schedule | LevelLike) -> Schedule:
        """Join parts; parts already joined by the same operation are flattened."""
        given, both = tuple(map(to_schedule, parts)), cls._both
        joined = next((part for part in given if isinstance(part, both)), None)
        if joined is None:
            return cast(Schedule, both(given))
        cls._check_kinds(given)
        # The parts of one that was joined before are in their order: only the others look for their places.
        texts, together = list(joined._texts), list(joined.together)
        i = given.index(joined)
        for part in _flat(both, given[:i] + given[i + 1 :]):
            place = bisect_right(texts, text := repr(part))
            texts.insert(place, text)
            together.insert(place, part)
        return cast(Schedule, _made(both, given, together=tuple(together), _texts=tuple(texts)))

    def __post_init__(self) -> None:
        self._set(together=_operands(self._both, self.together, "together"))
        self._check_kinds(self.together)
        self._bounded()
        ordered = sorted(((repr(part), part) for part in self.together), key=itemgetter(0))
        self._set(together=tuple(part for _, part in ordered), _texts=tuple(text for text, _ in ordered))

    @classmethod
    def _check_kinds(cls, parts: tuple[Schedule, ...]) -> None:
        _alike(parts, f"{cls.__name__.lower()} joins rates with rates, and factors with factors")

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        """What the parts are written as, kept: each level that is joined would write all below it anew."""
        return tuple(map(repr, self.together))

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self.together

    @property
    def extent(self) -> Extent:
        extents = {part.extent for part in self.together} - {"timeless"}
        if not extents:
            return "timeless"
        return "endless" if "endless" in extents else "finite"

    @property
    def fills_the_run(self) -> bool:
        return any(part.fills_the_run for part in self.together)

    def length(self, clock: Clock) -> Fraction | None:
        lengths = [part.length(clock) for part in self.together]
        return max(filter(None, lengths), default=Fraction(0)) if self.extent == "finite" else None

    def resolve(self, clock: Clock) -> Node:
        nodes = tuple(part.resolve(clock) for part in self.together)
        return Combined(self._operation, nodes, type(self)._join_powers)

    def __repr__(self) -> str:
        written = zip(self._texts, self.together, strict=True)
        return self._sign.join(
            f"({text})" if part._binding < self._binding else text for text, part in written
        )


@combinator
@dataclass(frozen=True, repr=False)
class Product(Joined):
    """The product of values: ``a * b``; at most one of the parts may depend on BASE.

    >>> decay = Constant(0.1 * BASE, over=2) >> Constant(0.01 * BASE)
    >>> (decay * 0.5).on(Horizon(total=4))(range(4), base=2.0)
    array([0.1 , 0.1 , 0.01, 0.01])
    """

    _binding: ClassVar[int] = 2
    _sign: ClassVar[str] = " * "
    _operation: ClassVar[np.ufunc] = np.multiply
    _join_powers: ClassVar[Callable[[list[float]], float]] = sum

    @classmethod
    def _check_kinds(cls, parts: tuple[Schedule, ...]) -> None:
        """Whatever they are, they multiply."""

    def _bounded(self) -> Self:
        relative = list(filter(attrgetter("depends_on_base"), self.together))
        if len(relative) > 1:
            raise ScheduleError(
                f"both {relative[0]!r} and {relative[1]!r} are multiples of BASE, and their product would be "
                f"a rate squared; write one of them with plain numbers, such as Linear(0.1, 1.0, over=...)"
            )
        return super()._bounded()


@combinator
@dataclass(frozen=True, repr=False)
class Sum(Joined):
    """The sum of values: ``a + b``."""

    _binding: ClassVar[int] = 1
    _sign: ClassVar[str] = " + "
    _operation: ClassVar[np.ufunc] = np.add
    _join_powers: ClassVar[Callable[[list[float]], float]] = min


@combinator
@dataclass(frozen=True, repr=False)
class Minimum(Joined):
    """The least of the values at each step: ``minimum(a, b)``."""

    _operation: ClassVar[np.ufunc] = np.minimum
    _join_powers: ClassVar[Callable[[list[float]], float]] = max

    def __repr__(self) -> str:
        return f"minimum({', '.join(self._texts)})"


@combinator
@dataclass(frozen=True, repr=False)
class Maximum(Joined):
    """The greatest of the values at each step: ``maximum(a, b)``."""

    _operation: ClassVar[np.ufunc] = np.maximum
    _join_powers: ClassVar[Callable[[list[float]], float]] = min

    def __repr__(self) -> str:
        return f"maximum({', '.join(self._texts)})"


@overload
def minimum(*parts: Factor) -> Factor: ...
@overload
def minimum(*parts: Rate | LevelLike) -> Rate: ...
@answering()
def minimum(*parts: Schedule | LevelLike) -> Schedule:
    """Return the least of the values at each step; a number or level is a constant.

    lr(t) = min(a(t), b(t), ...)

    >>> minimum(0.5, Constant(0.7)).on(Horizon(total=1))(0)
    0.5
    """
    return Minimum.of(*parts)


@overload
def maximum(*parts: Factor) -> Factor: ...
@overload
def maximum(*parts: Rate | LevelLike) -> Rate: ...
@answering()
def maximum(*parts: Schedule | LevelLike) -> Schedule:
    """Return the greatest of the values at each step; a number or level is a constant.

    lr(t) = max(a(t), b(t), ...)

    >>> maximum(0.5, Constant(0.7)).on(Horizon(total=1))(0)
    0.7
    """
    return Maximum.of(*parts)


def _flat(kind: type[Schedule], parts: Iterable[Schedule]) -> tuple[Schedule, ...]:
    runs = [part.parts if isinstance(part, kind) else (part,) for part in parts]
    # Two are joined without a look at each part.
    return runs[0] + runs[1] if len(runs) == 2 else tuple(chain.from_iterable(runs))


def _made(kind: type[_Join], given: Iterable[Schedule], **fields: object) -> _Join:
    """A schedule of fields that are known to be right, joined of what is given."""
    made = object.__new__(kind._for(given))
    depth = max(part._depth + (not isinstance(part, kind)) for part in given)
    size = 1 + sum(part._size - isinstance(part, kind) for part in given)
    made._set(**fields, _depth=depth, _size=size)
    return made._bounded()


def _operands(kind: type[Schedule], parts: Any, field: str) -> tuple[Schedule, ...]:
    if not isinstance(parts, tuple | list) or len(parts) < 2:
        raise ScheduleError(f"{kind.__name__}({field}=) must be two schedules or more; got {parts!r}")
    for part in parts:
        if not isinstance(part, Schedule):
            raise ScheduleError(f"{kind.__name__}({field}=) must hold schedules; got {part!r}")
    return _flat(kind, parts)


@dataclass(frozen=True, repr=False)
class Applied(Combinator):
    """A schedule changed by a method, and written as its call: ``plan.shift('5ep')``."""

    # Arguments whose field has another name, since the argument's is the name of a method.
    _arguments: ClassVar[dict[str, str]] = {}

    schedule: Schedule

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise ScheduleError(f"{self._named('schedule')} must be a schedule; got {self.schedule!r}")
        self._bounded()

    @property
    def fills_the_run(self) -> bool:
        return self.schedule.fills_the_run

    def __repr__(self) -> str:
        positional, named = [], []
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if field.kw_only:
                name = self._arguments.get(field.name, field.name)
                named += [f"{name}={write(value)}"] if value != field.default else []
            elif value != field.default:
                positional.append(write(value))
        arguments = ", ".join(positional + named)
        return f"{_called(self.schedule)}.{type(self).__name__.lower()}({arguments})"


@combinator
@dataclass(frozen=True, repr=False)
class Repeat(Applied):
    """A schedule over and over: ``plan.repeat()``.

    With n counted from 0, cycle n starts at n · L (stretch 1), or at L · (stretchⁿ - 1) / (stretch - 1);
    it lasts L · stretchⁿ, and its values are those of the schedule times gainⁿ. The boundaries are exact
    for every whole and fractional stretch.

    Args:
        schedule: what to repeat; finite, of length L.
        times: how many cycles, ≥ 1, and at most 1,000 with a stretch other than 1; not given, for ever.
            Cycles that shrink for ever have a limit: one shorter than a step is not begun, and they hold.
        growth: ``stretch`` in the call: how many times as long each cycle is as the last, > 0; a number as
            written (1.1 is 11/10) or text such as ``"3/2"``.
        gain: how many times as high, ≥ 0.

    Source: SGDR (Loshchilov and Hutter, 2017) for the stretch (its T_mult).

    >>> stairs = (Constant(1.0, over=1) >> Constant(0.5, over=1)).repeat(stretch=2, gain=0.1)
    >>> stairs.on(Horizon(total=7))(range(7))
    array([1.  , 0.5 , 0.1 , 0.1 , 0.05, 0.05, 0.01])
    """

    _arguments: ClassVar[dict[str, str]] = {"growth": "stretch"}

    times: int | None = None
    _: KW_ONLY
    growth: float | Fraction | str = Fraction(1)
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _end_to_end(self.schedule, "it cannot be repeated")
        if counted := next(filter(_counts_the_rest, self.schedule.walk()), None):
            raise ScheduleError(
                f"{counted!r} counts the rest of the run, which is less in each cycle, so it cannot be "
                f"repeated; say how long it lasts, such as over='10ep'"
            )
        _followed(self.schedule, "the next cycle")
        if self.times is not None:
            self._set(times=bounds.whole(self.times, self._named("times"), least=1))
        self._set(
            growth=bounds.ratio(self.growth, self._named("stretch")),
            gain=bounds.number(self.gain, self._named("gain"), least=0),
        )
        if self._stretch != 1 and self.times is not None and self.times > MAX_GROWING:
            raise ScheduleError(
                f"{self._named('times')} must be at most {MAX_GROWING:,} with a stretch other than 1; got "
                f"{self.times}; leave it out to go on for ever"
            )

    @property
    def _stretch(self) -> Fraction:
        return Fraction(self.growth)

    @property
    def extent(self) -> Extent:
        return "endless" if self.times is None else "finite"

    def length(self, clock: Clock) -> Fraction | None:
        if self.times is None:
            return None
        if self._stretch == 1:
            return self.period(clock) * self.times
        return self.period(clock) * (self._stretch**self.times - 1) / (self._stretch - 1)

    def period(self, clock: Clock) -> Fraction:
        """The length of the first cycle, in its own steps."""
        period = self.schedule.length(clock)
        if not period:
            raise HorizonError(
                f"a cycle of {self!r} has no length on this horizon ({clock.horizon}), so it cannot be "
                f"repeated"
            )
        return period

    def resolve(self, clock: Clock) -> Node:
        period = self.period(clock)
        if self._stretch == 1:
            once, inner = self.schedule, 1
            # Cycles of equal cycles are so many cycles.
            while (
                self.gain == 1 and isinstance(once, Repeat) and once.growth == once.gain == 1 and once.times
            ):
                inner *= once.times
                once = once.schedule
            times = None if self.times is None else self.times * inner
            return Cycles(once.resolve, clock, period / inner, times, self.gain, inner)
        return Growing(self.schedule.resolve, clock, period, self.times, self._stretch, self.gain)


@combinator
@dataclass(frozen=True, repr=False)
class Shift(Applied):
    """A schedule later, its first value held until then: ``plan.shift("5ep")``.

    lr(t) = schedule(max(t - by, 0)); a negative ``by`` starts in its middle.

    >>> (Constant(1.0, over=2) >> Constant(0.5, over=2)).shift(-1).on(Horizon(total=3))(range(3))
    array([1. , 0.5, 0.5])
    """

    by: DurationLike

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds.refuse_share(self.by, self._named("by"))
        self._set(by=to_duration(self.by, self._named("by")))

    @property
    def extent(self) -> Extent:
        return self.schedule.extent

    def clocked_parts(self, clock: Clock) -> Iterator[tuple[Schedule, Clock]]:
        yield self.schedule, clock.started(self.steps_by(clock))

    def length(self, clock: Clock) -> Fraction | None:
        by = self.steps_by(clock)
        own = self.schedule.length(clock.started(by))
        return None if own is None else max(own + by, Fraction(0))

    def steps_by(self, clock: Clock) -> Fraction:
        """How many of its own steps later it begins; negative for earlier."""
        return clock.signed_steps(self.by, self._named("by"))

    def resolve(self, clock: Clock) -> Node:
        by = self.steps_by(clock)
        node = self.schedule.resolve(clock.started(by))
        # A part entered in its middle has values before the schedule's start, which are not to be seen.
        shifts = (to_duration(part.by).terms for part in self.schedule.walk() if isinstance(part, Shift))
        early = any(amount < 0 for terms in shifts for _, amount in terms)
        return Delayed(node, clock.at(by)) if by > 0 and early else node


@combinator
@dataclass(frozen=True, repr=False)
class Stretch(Applied):
    """A schedule played slower: ``plan.stretch(2)``.

    lr(t) = schedule(t / factor), for a factor > 0.

    >>> (Constant(1.0, over=1) >> Constant(0.5, over=1)).stretch(2).on(Horizon(total=4))(range(4))
    array([1. , 1. , 0.5, 0.5])
    """

    factor: float | Fraction | str

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(factor=bounds.ratio(self.factor, self._named("factor")))

    @property
    def extent(self) -> Extent:
        return self.schedule.extent

    def clocked_parts(self, clock: Clock) -> Iterator[tuple[Schedule, Clock]]:
        yield self.schedule, clock.slowed(Fraction(self.factor))

    def length(self, clock: Clock) -> Fraction | None:
        own = self.schedule.length(clock.slowed(Fraction(self.factor)))
        return None if own is None else own * Fraction(self.factor)

    def resolve(self, clock: Clock) -> Node:
        return self.schedule.resolve(clock.slowed(Fraction(self.factor)))


@dataclass(frozen=True, repr=False)
class Under(Applied, Rate):
    """What a schedule leaves of a level: a momentum that dips, ``cyclic(500, low=0, high=0.1).under(0.95)``.

    lr(t) = level - schedule(t), which must not be less than 0

    >>> (Constant(0.1, over=1) >> Constant(0.2)).under(0.95).on(Horizon(total=2))(range(2))
    array([0.85, 0.75])
    """

    schedule: Rate
    level: LevelLike

    def __post_init__(self) -> None:
        super().__post_init__()
        to_rate(self.schedule, self._named("schedule"))
        self._set(level=to_level(self.level, self._named("level")))

    @property
    def extent(self) -> Extent:
        return self.schedule.extent

    def length(self, clock: Clock) -> Fraction | None:
        return self.schedule.length(clock)

    def resolve(self, clock: Clock) -> Node:
        nodes = Constant(self.level).resolve(clock), self.schedule.resolve(clock)
        # What is left tends to no power of anything that the schedule tends to.
        return Combined(np.subtract, nodes, lambda _: 0.0)


@combinator
@dataclass(frozen=True, repr=False)
class Until(Applied):
    """A schedule as far as a step: ``Exponential(0.9).until("10ep") >> Cosine(over="20ep")``.

    lr(t) = schedule(t) before ``at``; then its last value before ``at``.

    Args:
        schedule: what is played; it may be endless.
        at: where it stops; past the schedule's own end, its last value is held up to there.

    >>> plan = (Constant(1.0, over=2) >> Constant(0.5)).until(3) >> Constant(0.1)
    >>> plan.on(Horizon(total=5))(range(5))
    array([1. , 1. , 0.5, 0.1, 0.1])

    Source: the milestones of torch's ``SequentialLR``.
    """

    at: DurationLike

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(at=bounds.length(self.at, self._named("at")))

    @property
    def extent(self) -> Extent:
        return "finite"

    @property
    def fills_the_run(self) -> bool:
        return to_duration(self.at).fills_the_run

    def length(self, clock: Clock) -> Fraction:
        return clock.steps(self.at, self._named("at"))

    def resolve(self, clock: Clock) -> Node:
        return Cut(self.schedule.resolve(clock), clock.at(self.length(clock)))


@dataclass(frozen=True, repr=False)
class Cooldown(Applied, Rate):
    """A schedule left at a step, to decay from the value it had there: ``plan.cooldown(1000, over=200)``.

    lr(t) = schedule(t) before ``at``; then, with e the ease of the share of ``over`` gone,
    schedule(at) · (1 - e) + stop · e; then ``stop``.

    Args:
        schedule: the trunk; it may be endless.
        at: when to leave it.
        over: how long the decay takes; not given, the rest of the run; 0 drops at once.
        stop: the last level.
        ease: ``linear``, ``cosine``, ``one_minus_sqrt``, ``one_minus_square``, ``mirror_cosine``,
            ``quarter_cosine``, ``quarter_sine`` or ``rex``; or ``geometric``, the same factor at every step,
            to a ``stop`` above 0.

    Source: warmup-stable-decay (Hu et al., MiniCPM, 2024); 1-sqrt from Hägele et al., 2024.

    >>> Constant(1.0).cooldown(2, over=2).on(Horizon(total=5))(range(5))
    array([1. , 1. , 1. , 0.5, 0. ])
    """

    schedule: Rate
    at: DurationLike
    _: KW_ONLY
    over: DurationLike = REST
    stop: LevelLike = Level(0.0, 0.0)  # noqa: RUF009 - a Level is frozen
    ease: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        to_rate(self.schedule, self._named("schedule"))
        self._set(
            at=bounds.length(self.at, self._named("at")),
            over=bounds.length(self.over, self._named("over")),
            stop=to_level(self.stop, self._named("stop")),
            ease=bounds.choice(self.ease, self._named("ease"), [*EASES, GEOMETRIC]),
        )
        if self.ease == GEOMETRIC and self.stop == Level(0.0, 0.0):
            raise ScheduleError(
                f"{self._named('stop')} must be more than 0 with ease='geometric', for no factor leads to 0; "
                f"write stop=0.001 * BASE, or another ease"
            )

    @property
    def extent(self) -> Extent:
        return "finite"

    @property
    def fills_the_run(self) -> bool:
        at, over = to_duration(self.at), to_duration(self.over)
        return over.fills_the_run or (not over.rests and (at + over).fills_the_run)

    def length(self, clock: Clock) -> Fraction:
        return sum(self.times(clock), Fraction(0))

    def times(self, clock: Clock) -> tuple[Fraction, Fraction]:
        """When it is left, and how long it then decays, in its own steps."""
        at = clock.steps(self.at, self._named("at"))
        return at, clock.started(at).steps(self.over, self._named("over"))

    def clock_of(self, field: str, clock: Clock) -> Clock:
        return clock.started(self.times(clock)[0]) if field == "over" else clock

    def resolve(self, clock: Clock) -> Node:
        at, over = self.times(clock)
        stop = to_level(self.stop, self._named("stop"))
        trunk = self.schedule
        # One that is left as it begins to decay, or before, has no part in it.
        while isinstance(trunk, Cooldown) and at <= (begin := trunk.times(clock))[0] and at < sum(begin):
            trunk = trunk.schedule
        return Cooled(
            trunk.resolve(clock),
            clock.at(at),
            clock.at(at + over),
            stop,
            EASES.get(self.ease, linear),
            geometric=self.ease == GEOMETRIC,
        )
