"""Etude in PyTorch: the Scheduler, and drop-ins for torch's own classes in ``etude.torch.lr_scheduler``."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from etude.torch.adopt import Adopted, adopt
from etude.torch.changes import redecay
from etude.torch.param_groups import param_groups
from etude.torch.ranks import mean_over_ranks
from etude.torch.scheduler import Scheduler
from etude.torch.tensorize import tensorize

if TYPE_CHECKING:
    from etude.torch import lr_scheduler
    from etude.torch.sweep import range_test, range_test_grid

__all__ = [
    "Adopted",
    "Scheduler",
    "adopt",
    "lr_scheduler",
    "mean_over_ranks",
    "param_groups",
    "range_test",
    "range_test_grid",
    "redecay",
    "tensorize",
]


def __getattr__(name: str) -> Any:
    # These take as long to import as all the rest, and many programs want the Scheduler alone.
    if name == "lr_scheduler":
        return import_module("etude.torch.lr_scheduler")
    if name in ("range_test", "range_test_grid"):
        return getattr(import_module("etude.torch.sweep"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
