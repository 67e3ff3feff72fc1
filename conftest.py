"""What the examples in docstrings may use without importing it: the façade's names, et and np."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import etude


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update({name: getattr(etude, name) for name in etude.__all__}, et=etude, np=np)
