"""timm's schedulers alone: the package's own start imports torchvision, which they do not need."""

from __future__ import annotations

import importlib.util
import sys

found = importlib.util.find_spec("timm")
assert found is not None
sys.modules.setdefault("timm", importlib.util.module_from_spec(found))

from timm import scheduler as timm  # noqa: E402 - it is importable only now

__all__ = ["timm"]
