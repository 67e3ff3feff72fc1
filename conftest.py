"""What holds for all tests: what examples in docstrings may use without importing it, and Keras' backend."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import etude

# Before anything imports Keras, which would look for TensorFlow.
os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update({name: getattr(etude, name) for name in etude.__all__}, et=etude, np=np)
