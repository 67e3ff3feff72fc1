"""What the tests of a comparison share: workers, whose start takes seconds, and a store of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from etude.record import SqliteStore, open_store
from etude.study.engine import LocalEngine

from . import training


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Train here as workers do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def engine() -> Iterator[LocalEngine]:
    """Two workers for whoever needs them."""
    engine = LocalEngine(2)
    yield engine
    engine.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "runs.sqlite") as store:
        yield store


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """The tasks, in a file beside which nothing lies yet."""
    return Path(shutil.copy(training.__file__, tmp_path / "tasks.py"))
