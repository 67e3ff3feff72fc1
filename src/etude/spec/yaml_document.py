"""Schedule ↔ YAML: the JSON's tree for people, with levels as they are written and without defaults."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, NoReturn, overload

from etude.errors import EtudeError, MissingError, SpecError
from etude.json_text import DEEPEST, MOST_DIGITS, shortened
from etude.levels import Level
from etude.schedules.algebra import JSON_VERSION, Constant, Rate, Schedule, encode
from etude.spec.document import TYPES, Functions, Kind, read_document
from etude.spec.text import parse

__all__ = ["from_yaml", "to_yaml"]

# Far more than an expression's, for each line of a deep schedule begins with as many blanks as it is deep.
LONGEST = 400_000
# What YAML 1.2 takes for more than a text, and 1_000 beside it.
_WORDS = {"": None, "~": None} | {
    word: value
    for name, value in (("null", None), ("true", True), ("false", False))
    for word in (name, name.title(), name.upper())
}
_WHOLE = re.compile(r"[-+]?[0-9]+(_[0-9]+)*\Z")
_FLOAT = re.compile(r"[-+]?(\.inf|\.nan|(\.[0-9]+|[0-9]+(_[0-9]+)*(\.[0-9]*)?)([eE][-+]?[0-9]+)?)\Z")


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
        """Writes lists inside their parent's indentation."""

    # PyYAML writes YAML 1.1, which would not put a text like 1e-5 into quotes.
    for number in (_WHOLE, _FLOAT):
        Dumper.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    scalar = yaml.representer.SafeRepresenter().represent_data

    # Not PyYAML's own way to nodes, which takes three calls for each list and mapping.
    def node(value: Any) -> Any:
        if isinstance(value, list):
            return yaml.SequenceNode("tag:yaml.org,2002:seq", list(map(node, value)), flow_style=False)
        if not isinstance(value, dict):
            return scalar(value)
        if set(value) == {"factor", "offset"}:
            return scalar(repr(Level(**value)))
        pairs = [(scalar(name), node(item)) for name, item in value.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)

    document = node({"etude": JSON_VERSION, "schedule": encode(schedule, terse=True)})
    text: str = yaml.serialize(document, Dumper=Dumper, allow_unicode=True, width=100)
    return text.rstrip("\n")


@overload
def from_yaml(text: str, *, custom: Functions = "name") -> Rate: ...
@overload
def from_yaml(text: str, kind: type[Kind], *, custom: Functions = "name") -> Kind: ...
def from_yaml(text: str, kind: type[Schedule] = Rate, *, custom: Functions = "name") -> Schedule:
    """Read a schedule's YAML.

    It is plain mappings, lists, numbers and texts: tags, anchors and aliases are refused.

    Args:
        text: the YAML.
        kind: ``Rate``, ``Factor``, or ``Schedule`` for either; another is refused.
        custom: what becomes of the functions that ``Custom`` names, as for ``from_json``.

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
    if not isinstance(text, str):
        raise SpecError(f"a schedule's YAML must be a text; got {shortened(text)}")
    if len(text) > LONGEST:
        raise SpecError(f"a schedule's YAML may have {LONGEST:,} characters; this has {len(text):,}")
    # PyYAML's parser in C where it has one, which is as strict and ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = _Plain(yaml).document(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        raise SpecError(f"this is not YAML: {error}") from None
    except (ValueError, RecursionError) as error:  # of a text that no encoding takes
        if isinstance(error, EtudeError):
            raise
        raise SpecError(f"this is not YAML: {type(error).__name__}: {error}") from None
    if isinstance(document, dict) and "schedule" in document:
        try:
            document["schedule"] = _with_read_levels(document["schedule"])
        except RecursionError:
            raise SpecError("the YAML is nested too deeply to read") from None
    return read_document(document, "YAML", kind, custom)


def _yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingError("YAML needs PyYAML, which is not installed: pip install 'etude[yaml]'") from error
    return yaml


class _Plain:
    """Plain values of a text's events, one after another.

    Not PyYAML's own constructors: these obey tags, make dates of texts and 90 of 1:30, go down one call for
    each bracket, and look for two equal keys by none of these names.
    """

    def __init__(self, yaml: Any) -> None:
        self.yaml = yaml

    def document(self, events: Iterable[Any]) -> Any:
        """The value of the only document that there is."""
        yaml = self.yaml
        root: list[Any] = []
        # What is open: the list or mapping, and the key that waits for its value.
        inside: list[tuple[list[Any] | dict[str, Any], list[str]]] = [(root, [])]
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root:
                self.fail(event, "a schedule's YAML is one document, and a second begins")
            if getattr(event, "anchor", None):
                self.fail(
                    event, f"a schedule's YAML has no anchors or aliases; write what {event.anchor!r} is"
                )
            if getattr(event, "tag", None):
                self.fail(
                    event, f"a schedule's YAML has no tags such as {shortened(event.tag)}; leave it out"
                )
            container, key = inside[-1]
            if isinstance(event, yaml.CollectionEndEvent):
                inside.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            scalar = isinstance(event, yaml.ScalarEvent)
            if isinstance(container, dict) and not key:
                if not scalar:
                    self.fail(event, "a field's name must be a text")
                if event.value in container:
                    self.fail(event, f"there are two fields {shortened(event.value)}")
                container[event.value] = None
                key.append(event.value)
                continue
            value: Any = (
                _scalar(event) if scalar else [] if isinstance(event, yaml.SequenceStartEvent) else {}
            )
            if isinstance(container, dict):
                container[key.pop()] = value
            else:
                container.append(value)
            if not scalar:
                if len(inside) > DEEPEST:
                    self.fail(event, f"the YAML is nested too deeply to read: more than {DEEPEST} deep")
                inside.append((value, []))
        return root[0] if root else None

    def fail(self, event: Any, message: str) -> NoReturn:
        raise SpecError(f"line {event.start_mark.line + 1} of the YAML: {message}")


def _scalar(event: Any) -> str | float | bool | None:
    """The value of a scalar: a text where it is quoted, else what YAML 1.2 makes of it."""
    text: str = event.value
    if event.style:  # it is in quotes, or a block of text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        if len(text) > MOST_DIGITS:
            raise SpecError(f"line {event.start_mark.line + 1} of the YAML: a number of {len(text):,} digits")
        return int(text)
    if _FLOAT.match(text):
        return float(re.sub(r"_|\.(?=[in])", "", text))
    return text


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
    level = parse(value, custom="name")
    if not isinstance(level, Constant) or level.over is not None:
        raise SpecError(
            f"a level is a number or a multiple of BASE such as 0.1 * BASE; got {shortened(value)}"
        )
    return encode(level.level)
