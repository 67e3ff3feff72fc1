"""The PostgreSQL server that all tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from .postgres import Server, running_server

_NUMBERS = count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def database(server: Server) -> str:
    """The URL of an empty database."""
    return server.create(f"test_{next(_NUMBERS)}")
