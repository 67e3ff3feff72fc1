"""Durations with units, and the horizon that turns them into steps."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import Any, TypeAlias

from etude.answers import answering
from etude.errors import HorizonError, ScheduleError

__all__ = [
    "LARGEST_STEP",
    "REST",
    "STEP",
    "Duration",
    "DurationLike",
    "Horizon",
    "fraction_text",
    "read_fraction",
    "to_duration",
    "to_fraction",
]

UNITS = {
    "ep": "epochs",
    "st": "steps",
    "%": "percent of the run",
    "tok": "tokens",
    "smp": "samples",
    "rest": "what is left of the run",
}
_WORDS = {
    **dict.fromkeys(("e", "epoch", "epochs"), "ep"),
    **dict.fromkeys(("s", "step", "steps", "it", "iter", "iters", "iterations", "updates"), "st"),
    **dict.fromkeys(("percent", "pct"), "%"),
    **dict.fromkeys(("token", "tokens"), "tok"),
    **dict.fromkeys(("sample", "samples", "example", "examples"), "smp"),
}
_DIGITS = "[0-9]{1,1000}"
_NUMBER = re.compile(
    rf"{_DIGITS}/{_DIGITS}|(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?(?P<exponent>{_DIGITS}))?"
)
_TERM = re.compile(rf"\s*(?P<sign>[+-]?)\s*(?P<number>{_NUMBER.pattern})?\s*(?P<unit>[A-Za-z%]*)\s*")


LARGEST_STEP = 2**53  # beyond it not every whole number is a float
# Amounts beyond these are slips of the hand, and their sums and products would outgrow a float.
LEAST, MOST = 1e-30, 1e30
_LEAST, _MOST = Fraction(LEAST), Fraction(MOST)
# Six units with a fraction each, of the most digits that are read.
LONGEST_TEXT = 10_000


def to_fraction(number: Any, name: str = "the number") -> Fraction:
    """Return the number as written: 1.1 is 11/10, not the binary float nearest to it.

    Raises:
        ScheduleError: for what is no number, or is not 0 and out of [1e-30, 1e30] in size.

    >>> to_fraction(1.1), to_fraction(Fraction(1, 3))
    (Fraction(11, 10), Fraction(1, 3))
    """
    if isinstance(number, bool) or not isinstance(number, Real):
        raise ScheduleError(f"{name} must be a number; got {number!r}")
    if isinstance(number, Rational):
        # int(), for a fraction of numpy's integers would overflow as they do.
        return _in_range(Fraction(int(number.numerator), int(number.denominator)), name, number)
    if not math.isfinite(number):
        raise ScheduleError(f"{name} must be finite; got {number!r}")
    return _in_range(Fraction(repr(float(number))), name, number)


def read_fraction(text: str, name: str) -> Fraction:
    """Read a number as written: ``"2e9"``, ``"3/2"``.

    Raises:
        ScheduleError: for text that is no number, or one out of the range of ``to_fraction``.
    """
    match = _NUMBER.fullmatch(text)
    if not match:
        raise ScheduleError(f"{name} must be a number, or text such as '3/2'; got {text!r}")
    if int(match["exponent"] or 0) > 999:  # the fraction of 1e999999999 would fill the memory
        raise _out_of_range(name, text)
    try:
        return _in_range(Fraction(text), name, text)
    except ZeroDivisionError:
        raise ScheduleError(f"{name} divides by 0; got {text!r}") from None


def _in_range(exact: Fraction, name: str, given: object) -> Fraction:
    if exact and not _LEAST <= abs(exact) <= _MOST:
        raise _out_of_range(name, given)
    return exact


def _out_of_range(name: str, given: object) -> ScheduleError:
    if isinstance(given, int) and given.bit_length() > 1000:  # too long to be written at all
        shown = "a whole number of very many digits"
    else:
        shown = repr(given) if len(repr(given)) <= 60 else f"{repr(given)[:57]}..."
    return ScheduleError(f"{name} must be 0, or in size between {LEAST:g} and {MOST:g}; got {shown}")


def fraction_text(number: Fraction) -> str:
    """Return the shortest text that reads back as exactly this number: ``2.5``, ``1000``, ``1/3``."""
    if number.denominator == 1:
        return str(number.numerator)
    decimal = repr(float(number)) if abs(number) < 10**15 else ""
    if decimal and Fraction(decimal) == number:
        return decimal
    return f"{number.numerator}/{number.denominator}"


@dataclass(frozen=True, slots=True, repr=False)
class Duration:
    """A length of training, exact, in one unit or a sum of several: ``"5ep"``, ``"rest - 10ep"``.

    Args:
        terms: (unit, amount) pairs, each unit once, in a fixed order; no zero amounts.

    - ``ep``, epochs, need the horizon's ``steps_per_epoch``;
    - ``st``, steps (optimizer updates), need nothing;
    - ``%``, percent of the whole run, need its ``total``;
    - ``tok``, tokens, need ``tokens_per_step``;
    - ``smp``, samples, need ``samples_per_step``;
    - ``rest``, what is left of the run where the piece begins, needs ``total``.

    >>> to_duration("5ep"), to_duration(100), to_duration("2e9tok")
    ('5ep', 100, '2000000000tok')
    >>> to_duration("30%") - 1, to_duration("rest") * 0.5
    ('30% - 1st', '0.5rest')
    """

    terms: tuple[tuple[str, Fraction], ...]

    def __post_init__(self) -> None:
        if not isinstance(self.terms, tuple):
            raise ScheduleError(
                f"a Duration is made of (unit, amount) pairs; where one is needed, write {self.terms!r}"
            )

    @classmethod
    def of(cls, amounts: Mapping[str, Fraction]) -> Duration:
        """Build from unit → amount, dropping zeros; what is added stands before what is taken away."""
        terms = [(unit, amounts[unit]) for unit in UNITS if amounts.get(unit)]
        return cls(tuple(sorted(terms, key=lambda term: term[1] < 0)))

    def __add__(self, other: DurationLike) -> Duration:
        amounts = dict(self.terms)
        for unit, amount in to_duration(other, "the duration added").terms:
            amounts[unit] = amounts.get(unit, Fraction(0)) + amount
        return Duration.of(amounts)

    def __sub__(self, other: DurationLike) -> Duration:
        return self + to_duration(other, "the duration subtracted") * -1

    def __mul__(self, number: float | Fraction) -> Duration:
        factor = to_fraction(number, "the multiplier of a duration")
        return Duration.of({unit: amount * factor for unit, amount in self.terms})

    __radd__ = __add__
    __rmul__ = __mul__

    @property
    def is_zero(self) -> bool:
        """Whether this is no time at all, on any horizon."""
        return not self.terms

    @property
    def rests(self) -> Fraction:
        """How many times it counts the rest of the run."""
        return dict(self.terms).get("rest", Fraction(0))

    @property
    def fills_the_run(self) -> bool:
        """Whether it lasts until the run ends, on any horizon, wherever it begins."""
        return self.rests >= 1 and all(amount > 0 for _, amount in self.terms)

    def less(self, first: Duration) -> Duration:
        """What is left of it when ``first`` has passed.

        >>> to_duration("90ep").less(to_duration("5ep")), to_duration("rest").less(to_duration("5ep"))
        ('85ep', 'rest')
        >>> to_duration("rest").less(to_duration("0.25rest - 1st"))
        'rest'
        """
        return (self - first).after(first) if first.terms else self

    def after(self, first: Duration) -> Duration:
        """The same length, in the units that count from where ``first`` has passed.

        >>> to_duration("0.5rest").after(to_duration("5ep"))
        '2.5ep + 0.5rest'
        """
        if not self.rests:
            return self
        if first.rests == 1:
            raise ScheduleError(f"nothing is left of the run when {str(first)!r} has passed")
        # Of R left at the beginning, r are left now: R = r + first(R), so R = (r + first(0)) / (1 - rests).
        return self.with_rest((REST + first.with_rest(Duration(()))) * (1 / (1 - first.rests)))

    def with_rest(self, rest: Duration) -> Duration:
        """The same with another duration in the place of the rest of the run."""
        return self + (rest - REST) * self.rests

    def __str__(self) -> str:
        text = ""
        for unit, amount in self.terms or (("st", Fraction(0)),):
            sign = ("-" if amount < 0 else "") if not text else (" - " if amount < 0 else " + ")
            number = "" if unit == "rest" and abs(amount) == 1 else fraction_text(abs(amount))
            text += f"{sign}{number}{unit}"
        return text

    def __repr__(self) -> str:
        """What to write in an expression: a bare number where it is a step or more, else text."""
        if not self.terms:
            return "0"
        unit, amount = self.terms[0]
        bare = len(self.terms) == 1 and unit == "st" and abs(amount) >= 1
        return fraction_text(amount) if bare and "/" not in fraction_text(amount) else repr(str(self))


DurationLike: TypeAlias = Duration | str | float | Fraction

STEP = Duration((("st", Fraction(1)),))
"""One optimizer update."""
REST = Duration((("rest", Fraction(1)),))
"""What is left of the run where the piece begins."""


def to_duration(value: DurationLike, name: str = "the duration") -> Duration:
    """Return ``value`` as a Duration.

    Args:
        value: ``"5ep"``, ``"500st"``, ``"30%"``, ``"2e9tok"``, ``"1e6smp"``, ``"rest"``, sums of them
            (``"rest - 10ep"``), or a bare number of steps.
        name: how the caller names the value, for the error.

    Raises:
        ScheduleError: for text that is no duration, saying what to write instead.
    """
    if isinstance(value, Duration):
        return value
    if isinstance(value, str):
        return _parse(value, name)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ScheduleError(f"{name} must be a duration such as '5ep', '30%' or 100 (steps); got {value!r}")
    return Duration.of({"st": to_fraction(value, name)})


def _parse(text: str, name: str) -> Duration:
    if len(text) > LONGEST_TEXT:
        raise ScheduleError(
            f"{name} must be a duration of at most {LONGEST_TEXT:,} characters; got {len(text):,}"
        )
    amounts: dict[str, Fraction] = {}
    position = 0
    while match := _TERM.match(text, position):
        if position and not match["sign"]:
            break
        word = match["unit"].lower()
        unit = word or "st"
        if not match["number"] and unit != "rest":
            break
        if unit not in UNITS:
            near = _WORDS.get(word) or next(iter(get_close_matches(word, UNITS, 1, 0.3)), "ep")
            raise ScheduleError(
                f"{name} has the unknown unit {match['unit']!r} in {text!r}; the units are "
                f"{', '.join(f'{unit} ({meaning})' for unit, meaning in UNITS.items())}: "
                f"write '{match['number']}{near}'"
            )
        amount = read_fraction(match["number"] or "1", name) * (-1 if match["sign"] == "-" else 1)
        amounts[unit] = amounts.get(unit, Fraction(0)) + amount
        position = match.end()
        if position == len(text):
            return Duration.of(amounts)
    raise ScheduleError(
        f"{name} must be a duration such as '5ep', '500st', '30%', '2e9tok' or 'rest - 10ep'; got {text!r}"
    )


_SIZES = ("steps_per_epoch", "total", "samples_per_step", "tokens_per_step")


@dataclass(frozen=True, init=False, repr=False)
class Horizon:
    """What turns durations into steps: the size of an epoch, of a step and of the whole run.

    Args:
        steps_per_epoch: optimizer updates in one epoch, > 0.
        total: the length of the run, in any unit but ``%`` and ``rest``; a bare number is steps.
        samples_per_step: samples in one update over all processes, > 0.
        tokens_per_step: tokens in one update over all processes, > 0.

    Leave out what the schedule does not use; a duration that needs it says so.

    Raises:
        HorizonError: for a size that is not positive, or a total that cannot be turned into steps.

    >>> horizon = Horizon(steps_per_epoch=391, total="90ep")
    >>> horizon.total_steps, horizon.steps("30%"), horizon.steps("1.5ep")
    (Fraction(35190, 1), Fraction(10557, 1), Fraction(1173, 2))
    """

    steps_per_epoch: Fraction | None
    total: Duration | None
    samples_per_step: Fraction | None
    tokens_per_step: Fraction | None
    counted: str = field(default="", init=False, compare=False)

    @answering(HorizonError)
    def __init__(
        self,
        steps_per_epoch: float | Fraction | None = None,
        total: DurationLike | None = None,
        *,
        samples_per_step: float | Fraction | None = None,
        tokens_per_step: float | Fraction | None = None,
    ) -> None:
        sizes = {
            "steps_per_epoch": steps_per_epoch,
            "samples_per_step": samples_per_step,
            "tokens_per_step": tokens_per_step,
        }
        for name, size in sizes.items():
            object.__setattr__(self, name, None if size is None else _positive(name, size))
        object.__setattr__(self, "total", None)
        if total is None:
            return
        try:
            duration = to_duration(total, "Horizon(total=)")
        except ScheduleError as error:
            raise HorizonError(str(error)) from None
        if any(unit in ("%", "rest") for unit, _ in duration.terms):
            raise HorizonError(f"Horizon(total=) cannot be a share of itself; got {total!r}")
        if self.steps(duration, "Horizon(total=)") <= 0:
            raise HorizonError(f"Horizon(total=) must be more than 0 steps; got {total!r}")
        object.__setattr__(self, "total", duration)

    @classmethod
    @answering(HorizonError)
    def of(
        cls,
        loader: Any,
        *,
        epochs: float,
        accumulate: int = 1,
        world_size: int = 1,
        drop_last: bool = False,
    ) -> Horizon:
        """Count the updates of a run from its data loader; ``print`` the result to see the sum.

        A window of accumulation that the epoch's end cuts short is one update, as in every trainer
        that steps the optimizer on it; ``drop_last=True`` counts whole windows and whole rounds of
        processes only.

        Args:
            loader: a sized loader, or the number of batches of one epoch over all processes. A torch
                loader with a distributed sampler already counts the batches of one process, and is
                not divided again.
            epochs: passes over the data, > 0.
            accumulate: batches whose gradients make one update, ≥ 1.
            world_size: processes that share the batches, ≥ 1.
            drop_last: whether incomplete windows and rounds are left out.

        Returns:
            the Horizon, with ``samples_per_step`` where the loader tells its batch size.

        Raises:
            HorizonError: for an unsized loader, a count below its bound, or an epoch of no update.

        >>> print(Horizon.of(4, epochs=2, accumulate=3))
        4 batches an epoch, 3 to an update (a partial window counts) = 2 updates an epoch;
        × 2 epochs = 4 updates
        """
        for name, count in {"accumulate": accumulate, "world_size": world_size}.items():
            if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
                raise HorizonError(f"{name} must be a whole number ≥ 1; got {count!r}")
        sampler_ranks = getattr(getattr(loader, "sampler", None), "num_replicas", None)
        if sampler_ranks is not None and world_size not in (1, sampler_ranks):
            raise HorizonError(
                f"the loader's sampler shares the data among {sampler_ranks} processes, but world_size is "
                f"{world_size}; leave world_size out, the loader already counts one process's batches"
            )
        batches = _batches(loader)
        ranks = world_size if sampler_ranks is None else 1
        per_rank = batches // ranks if drop_last else -(-batches // ranks)
        updates = per_rank // accumulate if drop_last else -(-per_rank // accumulate)
        if updates == 0:
            raise HorizonError(
                f"an epoch has no complete update: {batches} batches, {world_size} processes, "
                f"accumulate={accumulate}, drop_last={drop_last}"
            )
        epochs_exact = _positive("epochs", epochs)
        batch_size = getattr(loader, "batch_size", None)
        processes = sampler_ranks or world_size
        samples = batch_size * accumulate * processes if isinstance(batch_size, int) else None
        partial = "a partial window is dropped" if drop_last else "a partial window counts"
        counted = f"{batches} batches an epoch"
        counted += f", shared by {ranks} processes = {per_rank} each" if ranks > 1 else ""
        counted += f", {accumulate} to an update ({partial})" if accumulate > 1 else ""
        return cls(updates, Duration.of({"ep": epochs_exact}), samples_per_step=samples).counted_from(counted)

    def counted_from(self, batches: str) -> Horizon:
        """Return the same, which tells in ``print`` what its updates were counted from."""
        horizon = copy.copy(self)
        object.__setattr__(horizon, "counted", batches)
        return horizon

    @property
    def total_steps(self) -> Fraction | None:
        """The length of the run in steps, or None where it is unknown."""
        return None if self.total is None else self.steps(self.total)

    def steps(
        self, duration: DurationLike, name: str = "the duration", left: Fraction | None = None
    ) -> Fraction:
        """Return the duration in steps, exact and ≥ 0.

        Args:
            duration: what to resolve.
            name: how the caller names it, for the error.
            left: the steps that are left of the run where it begins; not given, the whole run.

        Raises:
            HorizonError: where the horizon lacks what a unit needs, or the sum is negative.
        """
        steps = self.signed_steps(duration, name, left)
        if steps < 0:
            raise HorizonError(
                f"{name} is {to_duration(duration)} = {fraction_text(steps)} steps on this horizon "
                f"({self}), which is less than none: lengthen the run or shorten the parts that come before"
            )
        return steps

    def signed_steps(
        self, duration: DurationLike, name: str = "the duration", left: Fraction | None = None
    ) -> Fraction:
        """Return the duration in steps like ``steps``, but let it be negative."""
        duration = to_duration(duration, name)
        terms = [
            amount if unit == "st" else amount * self._steps_in(unit, name, duration, left)
            for unit, amount in duration.terms
        ]
        return terms[0] if len(terms) == 1 else sum(terms, Fraction(0))

    def _steps_in(self, unit: str, name: str, duration: Duration, left: Fraction | None) -> Fraction:
        """Steps in one of a unit that is no step."""
        if unit in ("%", "rest"):
            if self.total is None:
                what = "a share of the run" if unit == "%" else "what is left of the run"
                raise HorizonError(
                    f"{name} is {duration}, {what}, but the horizon has no total; write "
                    f"Horizon(total='90ep') or Horizon(total=10_000), or a length of its own, such as '90ep'"
                )
            total = self.steps(self.total)
            return total / 100 if unit == "%" else total if left is None else left
        key, per = {
            "ep": ("steps_per_epoch", self.steps_per_epoch),
            "smp": ("samples_per_step", self.samples_per_step),
            "tok": ("tokens_per_step", self.tokens_per_step),
        }[unit]
        if per is None:
            raise HorizonError(
                f"{name} is {duration}, in {UNITS[unit]}, but the horizon has no {key}; "
                f"write Horizon({key}=..., ...)"
            )
        return per if unit == "ep" else 1 / per

    def to_dict(self) -> dict[str, str | None]:
        """Return the horizon as JSON holds it: each size as exact text, None where it is not given.

        >>> Horizon(391, "90ep").to_dict()
        {'steps_per_epoch': '391', 'total': '90ep', 'samples_per_step': None, 'tokens_per_step': None}
        """
        sizes = {name: getattr(self, name) for name in _SIZES}
        return {
            name: fraction_text(size) if isinstance(size, Fraction) else None if size is None else str(size)
            for name, size in sizes.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Horizon:
        """Read what ``to_dict`` wrote.

        Raises:
            HorizonError: for a field that is missing, unknown, or no text that a Horizon takes.
        """
        if not isinstance(values, Mapping):
            raise HorizonError(f"a horizon has the fields {', '.join(_SIZES)}; got {values!r}")
        for name in _SIZES:
            if name not in values:
                raise HorizonError(
                    f"the horizon's field {name!r} is missing; it is null where it is not given"
                )
        for name, value in values.items():
            if name not in _SIZES:
                raise HorizonError(f"a horizon has no field {name!r}; it has {', '.join(_SIZES)}")
            if value is not None and not isinstance(value, str):
                raise HorizonError(f"the horizon's {name} must be text such as '391', or null; got {value!r}")
        sizes = dict(values)
        for name in _SIZES:
            if name != "total" and values[name] is not None:
                try:
                    sizes[name] = read_fraction(values[name], f"the horizon's {name}")
                except ScheduleError as error:
                    raise HorizonError(str(error)) from None
        return cls(**sizes)

    def __str__(self) -> str:
        parts = []
        if self.steps_per_epoch is not None:
            updates = f"{_thousands(self.steps_per_epoch)} updates an epoch"
            parts.append(f"{self.counted} = {updates}" if self.counted else updates)
        if self.samples_per_step is not None and not self.counted:
            parts.append(f"{_thousands(self.samples_per_step)} samples an update")
        if self.tokens_per_step is not None:
            parts.append(f"{_thousands(self.tokens_per_step)} tokens an update")
        total = self.total_steps
        if total is None:
            parts.append("length unknown")
        elif self.total is not None and self.total.terms[0][0] == "ep" and len(self.total.terms) == 1:
            parts.append(f"× {fraction_text(self.total.terms[0][1])} epochs = {_thousands(total)} updates")
        else:
            parts.append(f"{_thousands(total)} updates in all")
        return "; ".join(parts)

    def __repr__(self) -> str:
        sizes = {
            "steps_per_epoch": self.steps_per_epoch,
            "samples_per_step": self.samples_per_step,
            "tokens_per_step": self.tokens_per_step,
        }
        parts = [f"{name}={fraction_text(size)}" for name, size in sizes.items() if size is not None]
        if self.total is not None:
            parts.insert(1 if self.steps_per_epoch is not None else 0, f"total={self.total!r}")
        return f"Horizon({', '.join(parts)})"


def _thousands(number: Fraction) -> str:
    return f"{number.numerator:,}" if number.denominator == 1 else fraction_text(number)


def _positive(name: str, value: float | Fraction) -> Fraction:
    try:
        exact = to_fraction(value, name)
    except ScheduleError as error:
        hint = f"; the length of the run is total={value!r}" if isinstance(value, str) else ""
        raise HorizonError(f"{error}{hint}") from None
    if exact <= 0:
        raise HorizonError(f"{name} must be more than 0; got {value!r}")
    return exact


def _batches(loader: Any) -> int:
    if isinstance(loader, Integral) and not isinstance(loader, bool):
        batches = int(loader)
    else:
        try:
            batches = len(loader)
        except (TypeError, NotImplementedError):  # the latter is what some iterable datasets raise
            raise HorizonError(
                f"{type(loader).__name__} has no length, so its batches cannot be counted; give the number "
                f"of batches of an epoch, or write Horizon(total=...) in steps"
            ) from None
    if batches < 1:
        raise HorizonError(f"an epoch must have at least 1 batch; got {batches}")
    return batches
