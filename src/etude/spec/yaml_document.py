"""Schedule ↔ YAML: the JSON's tree for people, with levels as they are written and without defaults."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from etude.errors import EtudeError, MissingError, SpecError
from etude.levels import Level
from etude.schedules.algebra import JSON_VERSION, Constant, Schedule, encode
from etude.spec.document import TYPES, read_document
from etude.spec.text import parse

__all__ = ["from_yaml", "to_yaml"]

# YAML 1.1 takes 1e-5 for a string, since it has no point; people and YAML 1.2 take it for a number.
_EXPONENT = re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$")


def to_yaml(schedule: Schedule) -> str:
    """Write a schedule as YAML; ``from_yaml`` reads it.

    Fields that have their default are left out, and a level is written as in an expression.

    Raises:
        MissingError: without PyYAML.

    >>> print(to_yaml(Linear(0.01 * BASE, over="5ep")))
    etude: 1
    schedule:
      type: Linear
      start: 0.01 * BASE
      over: 5ep
    """
    yaml = _yaml()

    class Dumper(yaml.SafeDumper):  # type: ignore[misc, name-defined]  # imported when needed
        """Writes lists inside their parent's indentation, and every list in full."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    _read_exponents(Dumper)
    document = {"etude": JSON_VERSION, "schedule": _with_written_levels(encode(schedule, terse=True))}
    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip("\n")


def from_yaml(text: str) -> Schedule:
    """Read a schedule's YAML.

    No tag is obeyed and no alias followed: it is plain mappings, lists, numbers and strings.

    Raises:
        SpecError: with the line of what is not YAML, or the path to what is no schedule.
        MissingError: without PyYAML.

    >>> from_yaml('''
    ... etude: 1
    ... schedule: {type: Cosine, start: BASE, stop: 1e-5, over: 85ep}
    ... ''')
    Cosine(BASE, 1e-05, over='85ep')
    """
    yaml = _yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]  # imported when needed
        """Refuses what could hide a part of the schedule, or make it endlessly large."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if getattr(event, "anchor", None):
                raise SpecError(
                    f"a schedule's YAML has no anchors or aliases; line {event.start_mark.line + 1} has "
                    f"{event.anchor!r}: write what it stands for"
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value]
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise SpecError(f"line {node.start_mark.line + 1} of the YAML has two fields {twice!r}")
            return super().construct_mapping(node, deep)

    _read_exponents(Loader)
    try:
        document = yaml.load(text, Loader=Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, EtudeError):
            raise
        raise SpecError(f"this is not YAML: {error}") from None
    except RecursionError:
        raise SpecError("the YAML is nested too deeply to read") from None
    if isinstance(document, dict) and "schedule" in document:
        document["schedule"] = _with_read_levels(document["schedule"])
    return read_document(document, "YAML")


def _yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingError("YAML needs PyYAML, which is not installed: pip install 'etude[yaml]'") from error
    return yaml


def _read_exponents(kind: Any) -> None:
    kind.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def _with_written_levels(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_written_levels(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"factor", "offset"}:
        return repr(Level(**value))
    return {name: _with_written_levels(item) for name, item in value.items()}


def _with_read_levels(value: Any) -> Any:
    """The tree with the levels' texts in the fields that hold levels as the JSON has them."""
    if isinstance(value, list):
        return [_with_read_levels(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = TYPES.get(value["type"]) if isinstance(value.get("type"), str) else None
    fields = {} if kind is None else {field.name: str(field.type) for field in dataclasses.fields(kind)}
    return {
        name: _levels(item) if "LevelLike" in fields.get(name, "") else _with_read_levels(item)
        for name, item in value.items()
    }


def _levels(value: Any) -> Any:
    if isinstance(value, list):
        return [_levels(item) for item in value]
    # A list of points also holds durations, which have no BASE.
    if not isinstance(value, str) or "BASE" not in value:
        return value
    level = parse(value)
    if not isinstance(level, Constant) or level.over is not None:
        raise SpecError(f"a level is a number or a multiple of BASE such as 0.1 * BASE; got {value!r}")
    return encode(level.level)
