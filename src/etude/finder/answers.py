"""What a rule answers: a value with its interval, or that the curve cannot support one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Answer", "NoAnswer", "Suggestion"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that a rule suggests.

    Args:
        name: the rule.
        value: of the first group, in the unit of ``Curve.rates``.
        low: the least that the value would be if the test were done again: in 9 of 10 curves that are redrawn
            from the noise around the smooth one, or of three or more repeats. Of ``fixed`` and ``peak`` four
            times as far to either side: where the best rate lies in 9 of 10.
        high: the most, likewise.
        reason: what was seen in the curve.
        source: who names the rule.

    >>> from etude.finder import Suggestion
    >>> print(Suggestion("valley", 0.03, 0.02, 0.05, "the middle of the fall", "fastai"))
    valley: 0.03 (0.02 to 0.05), the middle of the fall [fastai]
    """

    name: str
    value: float
    low: float
    high: float
    reason: str
    source: str

    def __str__(self) -> str:
        interval = f"{self.low:.3g} to {self.high:.3g}"
        return f"{self.name}: {self.value:.3g} ({interval}), {self.reason} [{self.source}]"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """That a rule has none, and why.

    >>> from etude.finder import NoAnswer
    >>> print(NoAnswer("valley", "the loss is flat", "fastai"))
    valley: no answer, because the loss is flat [fastai]
    """

    name: str
    reason: str
    source: str

    def __str__(self) -> str:
        return f"{self.name}: no answer, because {self.reason} [{self.source}]"


Answer: TypeAlias = Suggestion | NoAnswer
