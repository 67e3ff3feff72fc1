"""The PostgreSQL store: the contract, and all that can be wrong with a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etude.record import Store, open_store

from .contract import StoreContract


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, database: str) -> Iterator[Store]:
        with open_store(database) as store:
            yield store
