"""Schedules as one formula that compilers can trace: what JAX and Keras share."""

from etude.tracing.foreign import Foreign, Namespace
from etude.tracing.formula import Formula, formula

__all__ = ["Foreign", "Formula", "Namespace", "formula"]
