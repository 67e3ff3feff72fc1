"""Recorded runs, read back: as numbers, as pictures, in sentences and as a page."""

from __future__ import annotations

from etude.replay.charts import loss_against_rate, metric_over_seeds, metrics, over_seeds, rates
from etude.replay.explain import Explanation, explain
from etude.replay.page import write_page
from etude.replay.recorded import Recorded, recall

__all__ = [
    "Explanation",
    "Recorded",
    "explain",
    "loss_against_rate",
    "metric_over_seeds",
    "metrics",
    "over_seeds",
    "rates",
    "recall",
    "write_page",
]
