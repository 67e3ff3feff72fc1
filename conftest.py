"""What holds for all tests: threads, Keras' backend, and what docstrings may use without importing it."""

from __future__ import annotations

import gc
import os
from typing import Any

# Before anything reads them. One thread each: the tests run in as many processes as there are cores.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
# Keras would look for TensorFlow.
os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import pytest

import etude


def pytest_collection_finish() -> None:
    """Spare the garbage collector the millions of objects of which the frameworks are made."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _names_for_doctests(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update({name: getattr(etude, name) for name in etude.__all__}, et=etude, np=np)
