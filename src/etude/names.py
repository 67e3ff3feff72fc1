"""Names that must be known: what is near to one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from etude.errors import EtudeError, ScheduleError

__all__ = ["choice", "nearest"]


# Other programs' names.
ALIASES = {"beta1": "betas[0]", "beta2": "betas[1]", "learning_rate": "lr", "wd": "weight_decay"}


def nearest(name: object, known: Iterable[object]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to this one, if any is near.

    Near is what is spelled alike, or an abbreviation: the letters of one in the order of the other's.

    >>> nearest("Cosin", ["Cosine", "Linear"]), nearest("wd", ["lr", "weight_decay"]), nearest("x", ["lr"])
    ("; did you mean 'Cosine'?", "; did you mean 'weight_decay'?", '')
    """
    names = list(map(str, known))
    options = {option.lower(): option for option in names}
    word = ALIASES.get(str(name), str(name)).lower()
    if word in options:
        return f"; did you mean {options[word]!r}?"
    # As it is written first, for there may be names that differ by their capitals alone.
    near = get_close_matches(str(name), names, 1, 0.6)
    if not near:
        alike = get_close_matches(word, options, 1, 0.5)
        near = [options[option] for option in alike or options if alike or _abbreviates(word, option)]
    return f"; did you mean {near[0]!r}?" if near else ""


def _abbreviates(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    letters = iter(long)
    return len(short) > 1 and short[0] == long[0] and all(letter in letters for letter in short)


def choice(value: object, field: str, known: Iterable[str], error: type[EtudeError] = ScheduleError) -> str:
    """Return a value that is one of the known names.

    Raises:
        error: with the names, and the nearest.
    """
    known = list(known)
    if not isinstance(value, str) or value not in known:
        listed = ", ".join(map(repr, known))
        raise error(f"{field} must be one of {listed}; got {value!r}{nearest(value, known)}")
    return value
