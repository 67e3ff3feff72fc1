"""The ramp of a range test, as a schedule."""

from __future__ import annotations

from etude.errors import ScheduleError
from etude.schedules import Geometric, Linear, Rate, bounds

__all__ = ["LEAST_STEPS", "ramp"]

# Fewer say nothing that could be told from noise.
LEAST_STEPS = 20
_WAYS: dict[str, type[Linear] | type[Geometric]] = {"geometric": Geometric, "linear": Linear}


def ramp(start: float, stop: float, steps: int, ease: str = "geometric") -> Rate:
    """Rising from ``start``, which step 0 uses, to ``stop``, which step ``steps`` - 1 uses.

    geometric: lr(t) = start · (stop / start)^(t / (steps - 1))
    linear:    lr(t) = start + (stop - start) · t / (steps - 1)

    Args:
        start: the first value, > 0; of a linear ramp it may be 0.
        stop: the last value, > ``start``.
        steps: how many updates, ≥ 20.
        ease: ``"geometric"``, for bounds that are decades apart, or ``"linear"``, as in the paper.

    Raises:
        ScheduleError: for what is out of these bounds.

    >>> from etude.finder import ramp
    >>> ramp(1e-4, 1.0, 21).on(Horizon(total=21))([0, 5, 10, 20])
    array([1.e-04, 1.e-03, 1.e-02, 1.e+00])

    Source: Smith, 2017 (arXiv 1506.01186), section 3.3, for the linear one.
    """
    way = _WAYS[bounds.choice(ease, "ease", _WAYS)]
    least = bounds.number(start, "start", least=0)
    most = bounds.number(stop, "stop", above=0)
    count = bounds.whole(steps, "steps", least=LEAST_STEPS)
    if least >= most:
        raise ScheduleError(f"start must be less than stop; got start={start!r}, stop={stop!r}")
    if way is Geometric and least == 0:
        raise ScheduleError(
            "start must be more than 0, for no factor leads up from it; write ease='linear', or a small start"
        )
    return way(least, most, over=count, inclusive=True)
