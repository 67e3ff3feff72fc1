"""Etude in PyTorch: the Scheduler, and drop-ins for torch's own classes in ``etude.torch.lr_scheduler``."""

from etude.torch import lr_scheduler
from etude.torch.adopt import Adopted, adopt
from etude.torch.changes import redecay
from etude.torch.param_groups import param_groups
from etude.torch.ranks import mean_over_ranks
from etude.torch.scheduler import Scheduler
from etude.torch.tensorize import tensorize

__all__ = [
    "Adopted",
    "Scheduler",
    "adopt",
    "lr_scheduler",
    "mean_over_ranks",
    "param_groups",
    "redecay",
    "tensorize",
]
