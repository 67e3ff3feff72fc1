"""Numbers in the checker's sentences: exact as they are written, or "about"; whatever they are, a text."""

from __future__ import annotations

import math

__all__ = ["length_text", "number", "ratio", "share_text"]

# What a float is off by after a division or two is no difference.
ROUNDING = 1e-9


def ratio(value: float, whole: float) -> float:
    """Return ``value / whole``, each ≥ 0: a number also where that is none, as of a peak that is 0.

    >>> ratio(1.0, 4.0), ratio(0.0, 0.0)
    (0.25, 0.0)
    """
    if whole == 0:
        return 0.0
    share = value / whole
    return share if math.isfinite(share) else math.copysign(1.7976931348623157e308, share)


def number(value: float) -> str:
    """Return a number of steps, epochs or times as a person reads it.

    >>> number(27_370.0), number(2.5), number(1000 / 3), number(0.0004), number(1e-30), number(1e30)
    ('27,370', '2.5', 'about 333.33', '0.0004', 'about 1e-30', 'about 1e+30')
    """
    if not 1e-9 <= abs(value) < 1e16 and value != 0:
        return f"about {value:.3g}"
    if abs(value - round(value)) <= ROUNDING * abs(value):
        return f"{round(value):,}"
    digits = 2 if abs(value) >= 1 else 2 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{digits}f}".rstrip("0").rstrip(".")
    exact = abs(float(text.replace(",", "")) - value) <= ROUNDING * abs(value)
    return text if exact else f"about {text}"


def length_text(value: float, noun: str) -> str:
    """Return a length with its unit.

    >>> length_text(1.0, "epoch"), length_text(2.5, "epoch")
    ('1 epoch', '2.5 epochs')
    """
    text = number(value)
    return f"{text} {noun}{'' if text == '1' else 's'}"


def share_text(value: float, whole: float) -> str:
    """Return a part in percent, rounded.

    >>> share_text(1.0, 3.0), share_text(1e-9, 1.0), share_text(3.0, 2.0), share_text(0.0, 0.0)
    ('33 %', 'less than 0.1 %', '150 %', '0 %')
    """
    percent = 100 * min(ratio(value, whole), 1e12)
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    return f"{percent:.2g} %" if percent < 99.5 else f"{percent:,.0f} %"
