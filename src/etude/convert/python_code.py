"""Schedule → a line of Python that builds it."""

from __future__ import annotations

import ast

from etude.schedules.algebra import Schedule, Sequence

__all__ = ["to_python"]

WIDTH = 100


def to_python(schedule: Schedule) -> str:
    """Write the import and the expression.

    >>> print(to_python(Linear(0.01 * BASE, over="5ep") >> Constant(BASE)))
    from etude import BASE, Constant, Linear
    <BLANKLINE>
    schedule = Linear(0.01 * BASE, 0.0, over='5ep') >> Constant(BASE)
    <BLANKLINE>
    """
    text = repr(schedule)
    names = sorted({node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)})
    if len(text) > WIDTH and isinstance(schedule, Sequence):
        lines = "\n    >> ".join(map(repr, schedule.sequence))
        text = f"(\n    {lines}\n)"
    return f"from etude import {', '.join(names)}\n\nschedule = {text}\n"
