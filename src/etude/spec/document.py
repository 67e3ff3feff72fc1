"""JSON → schedule: a tree of ``{"type": name, field: value, ...}`` under a version number."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias, TypeVar, get_args, overload

from etude.answers import our_word, wrong_name
from etude.errors import EtudeError, SpecError
from etude.json_text import read_json, shortened
from etude.levels import Level
from etude.schedules.algebra import JSON_VERSION, Factor, Rate, Schedule, not_a_rate
from etude.schedules.names import named_only
from etude.spec.catalogue import CATALOGUE, COMBINATORS

__all__ = ["TYPES", "Functions", "Kind", "check_functions", "from_json", "of_kind", "read_document"]

Functions: TypeAlias = Literal["import", "name"]
"""What becomes of the functions that a text names: they may be imported, or are names and nothing more."""
MOST_NAMED = 3
Kind = TypeVar("Kind", bound=Schedule)

TYPES: dict[str, type[Schedule]] = COMBINATORS | {
    name: kind for name, kind in CATALOGUE.items() if isinstance(kind, type)
}


@overload
def from_json(text: str, *, custom: Functions = "name") -> Rate: ...
@overload
def from_json(text: str, kind: type[Kind], *, custom: Functions = "name") -> Kind: ...
def from_json(text: str, kind: type[Schedule] = Rate, *, custom: Functions = "name") -> Schedule:
    """Read what ``schedule.to_json()`` wrote.

    Args:
        text: the JSON.
        kind: ``Rate``, ``Factor``, or ``Schedule`` for either; another is refused.
        custom: what becomes of the functions that ``Custom`` names: ``"name"`` keeps their names, so that the
            schedule shows and compares, and imports nothing; ``"import"`` is for a text that you trust as you
            would a program.

    Raises:
        SpecError: with the path to what is wrong, ``schedule.sequence[1].over``.

    >>> from_json('{"etude": 1, "schedule": {"type": "Constant", "level": 0.1, "over": null}}')
    Constant(0.1)
    """
    return read_document(read_json(text, SpecError), "JSON", kind, custom)


def check_functions(custom: object, caller: str) -> None:
    """Refuse what is no word about functions."""
    if custom not in get_args(Functions):
        raise SpecError(f"{caller}(custom=) must be 'import' or 'name'; got {shortened(custom)}")


def of_kind(schedule: Schedule, kind: type[Schedule], reader: str) -> Schedule:
    """Return a schedule that was read, if it is of the kind that was asked for.

    Raises:
        SpecError: with what to write instead.
    """
    if kind not in (Rate, Factor, Schedule):
        raise SpecError(f"{reader}(kind=) must be Rate, Factor or Schedule; got {shortened(kind)}")
    if isinstance(schedule, kind):
        return schedule
    if isinstance(schedule, Factor):
        raise SpecError(f"{not_a_rate(schedule, 'a rate')}; {reader}(text, Factor) reads it")
    raise SpecError(f"{schedule!r} is a rate, not a factor; {reader}(text) reads it")


def read_document(document: Any, language: str, kind: type[Schedule], custom: Functions) -> Schedule:
    """Return the schedule that a document describes; ``language`` is what it was written in."""
    reader = f"from_{language.lower()}"
    check_functions(custom, reader)
    if not isinstance(document, dict) or set(document) != {"etude", "schedule"}:
        raise SpecError(
            f'a schedule\'s {language} is {{"etude": version, "schedule": {{...}}}}; this is something else'
        )
    if document["etude"] != JSON_VERSION or isinstance(document["etude"], bool):
        raise SpecError(
            f"this {language} is of version {shortened(document['etude'])} and this Etude reads version "
            f"{JSON_VERSION}; a newer Etude may read it"
        )
    try:
        value = _decode(document["schedule"], "schedule", custom)
    except RecursionError:
        raise SpecError(f"the {language} is nested too deeply to read") from None
    if not isinstance(value, Schedule):
        raise SpecError("schedule must be an object with a type, such as {'type': 'Constant', ...}")
    return of_kind(value, kind, reader)


def _decode(value: Any, path: str, custom: Functions) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, f"{path}[{i}]", custom) for i, item in enumerate(value))
    if not isinstance(value, dict):
        return value
    if set(value) == {"factor", "offset"}:
        try:
            return Level(**value)
        except EtudeError as error:
            raise SpecError(f"{path}: {error}") from error
    name = value.get("type")
    if not isinstance(name, str) or name not in TYPES:
        hint = wrong_name(name, [*TYPES]) if isinstance(name, str) else ""
        raise SpecError(f"{path}: there is no schedule of the type {shortened(name)}{hint}")
    kind = TYPES[name]
    fields_of = dataclasses.fields(kind)
    known = {field.name for field in fields_of}
    # An earlier version did not write the fields that have been added since, with the default they stand for.
    needed = {field.name for field in fields_of if field.default is dataclasses.MISSING}
    given = set(value) - {"type"}
    if not needed <= given <= known:
        wrong = sorted(given - known)
        now = our_word(wrong[0], known) if wrong else None
        renamed = f", which is {now!r} now" if now else ""
        what = (
            f"has no field {_first(wrong)}{renamed}" if wrong else f"lacks the field {min(needed - given)!r}"
        )
        raise SpecError(f"{path}: {name} {what}; its fields are {', '.join(sorted(known))}")
    fields = {
        field: _decode(item, f"{path}.{field}", custom) for field, item in value.items() if field != "type"
    }
    try:
        built = kind(**fields)
    except EtudeError as error:
        raise SpecError(f"{path}: {error}") from error
    return built if custom == "import" else named_only(built)


def _first(names: list[str]) -> str:
    """The first few of what may be thousands."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(shortened, names[:MOST_NAMED])) + more
