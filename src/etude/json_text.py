"""JSON that somebody else may have written: the one way in which it is read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from etude.errors import EtudeError

__all__ = ["DEEPEST", "MOST_DIGITS", "read_json", "shortened"]

DEEPEST = 350
"""How deep lists and objects may lie in each other: two for each level that a schedule may have."""
LONGEST = 1 << 26
MOST_DIGITS = 1000
"""As many as a duration's; the largest float has 309 before its point."""

# A string, be it broken off, or a bracket: whatever stands in a text is looked at once.
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{}]', re.DOTALL)


def read_json(text: str, refuse: Callable[[str], EtudeError], what: str = "this") -> Any:
    """Read a JSON text, or say at once why it cannot be read, however broken, deep or long it is.

    Args:
        text: the text.
        refuse: makes the reader's own error of the message.
        what: the subject of the message: ``"this"`` is not JSON.

    Raises:
        EtudeError: what ``refuse`` returns.
    """
    if not isinstance(text, str):
        raise refuse(f"{what} is not JSON: it must be a text; got {shortened(text)}")
    if len(text) > LONGEST:
        raise refuse(f"{what} has {len(text):,} characters, and JSON of at most {LONGEST:,} is read")
    depth = 0
    # Before it is read: the reader of Python's library goes down one call for each bracket.
    for match in _BRACKET.finditer(text):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if depth > DEEPEST:
            raise refuse(
                f"{what} is nested too deeply to read: more than {DEEPEST} deep, at character "
                f"{match.start() + 1:,}"
            )
    try:
        return json.loads(text, object_pairs_hook=_once, parse_int=_whole)
    except _TwiceError as twice:
        raise refuse(f"{what} has an object with two fields {shortened(twice.args[0])}") from None
    except ValueError as error:
        raise refuse(f"{what} is not JSON: {error}") from None
    except RecursionError:  # the caller has left too little of what Python bears
        raise refuse(f"{what} is nested too deeply to read from here") from None


def shortened(value: object, longest: int = 100) -> str:
    """What an error shows of a value that may be of any size."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


class _TwiceError(Exception):
    """An object has two fields of this name: JSON would silently keep the last."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise _TwiceError(next(name for name in times if times[name] > 1))
    return document


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits, and at most {MOST_DIGITS} are read")
    return int(digits)
