"""What a run used and saw, in the loggers that people have: one thin observer of readings for each.

``CsvObserver``, ``TensorBoardObserver``, ``MLflowObserver``, ``WandbObserver`` and ``PrometheusObserver`` use the
package that they are named after, which is imported when one is built. All write the same names over the
same axis, the update.
"""

from etude.loggers.csv import CsvObserver
from etude.loggers.mlflow import MLflowObserver
from etude.loggers.prometheus import PrometheusObserver
from etude.loggers.tensorboard import TensorBoardObserver
from etude.loggers.wandb import WandbObserver

__all__ = [
    "CsvObserver",
    "MLflowObserver",
    "PrometheusObserver",
    "TensorBoardObserver",
    "WandbObserver",
]
