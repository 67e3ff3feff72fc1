"""The PostgreSQL store: the contract, and all that can be wrong with a server."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from etude.errors import StoreError
from etude.record import RunKey, Store, migrations, open_store
from etude.record.postgresql import PostgresqlStore

from . import workers
from .contract import KEY, StoreContract, start
from .postgres import Server


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, database: str) -> Iterator[Store]:
        with open_store(database) as store:
            yield store
