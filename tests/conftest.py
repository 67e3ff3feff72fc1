"""What all tests share: how Hypothesis looks for counterexamples, and PostgreSQL servers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .postgres import Server, StartedServer, running_server, shared_server

# As in a terminal, for the tests and what they start: after `nohup`, or in the background, it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, and never against the clock.
settings.register_profile(
    "etude",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("etude")


@pytest.fixture(scope="session")
def server() -> Server:
    """The server of this run of the tests."""
    return shared_server()


@pytest.fixture(scope="session")
def _own_database(server: Server) -> str:
    return server.create(f"runs_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}")


@pytest.fixture
def database(server: Server, _own_database: str) -> str:
    """The URL of a database without Etude's tables."""
    server.psql(_own_database, "DROP SCHEMA IF EXISTS etude CASCADE")
    return _own_database


@pytest.fixture
def own_server() -> Iterator[StartedServer]:
    """A server that the test may stop."""
    with running_server() as server:
        yield server
