"""The names under which a reading's numbers and texts are logged, the same in every logger."""

from __future__ import annotations

from etude.readings import Reading

__all__ = ["AXIS", "TEXTS", "numbers", "texts"]

AXIS = "step"
"""The name of the axis, where it needs one: the update, counted from 0."""
TEXTS = ("phase", "override")


def numbers(reading: Reading) -> dict[str, float]:
    """Return everything numeric of a reading, by its name in the logger.

    ``epoch`` and ``samples`` where they are known; ``lr/<group>``, and ``<hyperparameter>/<group>`` for the
    others; a target under its own name; ``factor/<plateau>``; and the metrics as they are called, or
    ``metrics/<name>`` where that name is one of the above.

    >>> numbers(Reading(7, {"head": 0.1}, "cosine", {"loss": 2.3}, {"momentum": {"head": 0.9}}))
    {'lr/head': 0.1, 'momentum/head': 0.9, 'loss': 2.3}
    """
    known = {}
    if reading.epoch is not None:
        known["epoch"] = reading.epoch
    if reading.samples is not None:
        known["samples"] = reading.samples
    known |= {f"lr/{group}": rate for group, rate in reading.rates.items()}
    for name, values in reading.others.items():
        for group, value in values.items():
            known[name if group == name else f"{name}/{group}"] = value
    known |= {f"factor/{plateau}": factor for plateau, factor in reading.factors.items()}
    taken = {AXIS, *TEXTS, *known}
    return known | {f"metrics/{name}" if name in taken else name: x for name, x in reading.metrics.items()}


def texts(reading: Reading) -> dict[str, str]:
    """Return the phase, and what replaced the plan; each is one line.

    >>> texts(Reading(7, {"head": 0.1}, "cosine"))
    {'phase': 'cosine', 'override': ''}
    """
    return dict(zip(TEXTS, (reading.phase, reading.override), strict=True))
