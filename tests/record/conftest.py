"""The PostgreSQL server that all tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .postgres import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as server:
        server.create("runs")
        yield server


@pytest.fixture
def database(server: Server) -> str:
    """The URL of an empty database."""
    server.psql("runs", "DROP SCHEMA IF EXISTS etude CASCADE")
    return server.url("runs")
