"""JSON → schedule: a tree of ``{"type": name, field: value, ...}`` under a version number."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from etude.errors import EtudeError, SpecError
from etude.levels import Level
from etude.schedules.algebra import JSON_VERSION, Schedule
from etude.spec.catalogue import CATALOGUE, COMBINATORS, nearest

__all__ = ["TYPES", "from_json", "read_document"]

TYPES: dict[str, type[Schedule]] = COMBINATORS | {
    name: kind for name, kind in CATALOGUE.items() if isinstance(kind, type)
}


def from_json(text: str) -> Schedule:
    """Read what ``schedule.to_json()`` wrote.

    Raises:
        SpecError: with the path to what is wrong, ``schedule.sequence[1].over``.

    >>> from_json('{"etude": 1, "schedule": {"type": "Constant", "level": 0.1, "over": null}}')
    Constant(0.1)
    """
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except SpecError:
        raise
    except (ValueError, TypeError) as error:
        raise SpecError(f"this is not JSON: {error}") from None
    except RecursionError:
        raise SpecError("the JSON is nested too deeply to read") from None
    return read_document(document, "JSON")


def read_document(document: Any, language: str) -> Schedule:
    """Return the schedule that a document describes; ``language`` is what it was written in."""
    if not isinstance(document, dict) or set(document) != {"etude", "schedule"}:
        raise SpecError(
            f'a schedule\'s {language} is {{"etude": version, "schedule": {{...}}}}; this is something else'
        )
    if document["etude"] != JSON_VERSION or isinstance(document["etude"], bool):
        raise SpecError(
            f"this {language} is of version {document['etude']!r} and this Etude reads version "
            f"{JSON_VERSION}; a newer Etude may read it"
        )
    try:
        value = _decode(document["schedule"], "schedule")
    except RecursionError:
        raise SpecError(f"the {language} is nested too deeply to read") from None
    if not isinstance(value, Schedule):
        raise SpecError("schedule must be an object with a type, such as {'type': 'Constant', ...}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: of two, JSON would silently keep the last."""
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SpecError(f"the JSON has an object with two fields {twice!r}")
    return document


def _decode(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, f"{path}[{i}]") for i, item in enumerate(value))
    if not isinstance(value, dict):
        return value
    if set(value) == {"factor", "offset"}:
        try:
            return Level(**value)
        except EtudeError as error:
            raise SpecError(f"{path}: {error}") from error
    name = value.get("type")
    if not isinstance(name, str) or name not in TYPES:
        raise SpecError(f"{path}: there is no schedule of the type {name!r}{nearest(str(name), [*TYPES])}")
    kind = TYPES[name]
    fields_of = dataclasses.fields(kind)
    known = {field.name for field in fields_of}
    # An earlier version did not write the fields that have been added since, with the default they stand for.
    needed = {field.name for field in fields_of if field.default is dataclasses.MISSING}
    given = set(value) - {"type"}
    if not needed <= given <= known:
        wrong = sorted(given - known)
        what = f"has no field {wrong[0]!r}" if wrong else f"lacks the field {min(needed - given)!r}"
        raise SpecError(f"{path}: {name} {what}; its fields are {', '.join(sorted(known))}")
    fields = {field: _decode(item, f"{path}.{field}") for field, item in value.items() if field != "type"}
    try:
        return kind(**fields)
    except EtudeError as error:
        raise SpecError(f"{path}: {error}") from error
