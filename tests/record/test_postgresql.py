"""The PostgreSQL store: the contract, and all that can be wrong with a server."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from collections.abc import Iterator

import pytest

from etude.errors import MissingError, StoreError
from etude.record import RunKey, Store, migrations, open_store
from etude.record.postgresql import PostgresqlStore
from tests.forked import FORKED
from tests.postgres import Server

from . import workers
from .contract import PLAN, StoreContract, start


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, database: str) -> Iterator[Store]:
        with open_store(database) as store:
            yield store


def refused(address: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        open_store(address, busy_seconds=2)


class TestOpening:
    def test_the_tables_are_made_in_a_schema_of_their_own(self, server: Server, database: str) -> None:
        server.psql(database, "CREATE TABLE run (mine TEXT)")

        with open_store(database) as store:
            start(store)

        assert server.psql(database, "SELECT count(*) FROM public.run") == "0"
        assert server.psql(database, "SELECT version FROM etude.format") == str(
            len(migrations.scripts_of("postgresql"))
        )
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'etude' ORDER BY 1"
        assert server.psql(database, tables).split() == ["format", "reading", "run"]
        server.psql(database, "DROP TABLE public.run")

    def test_processes_that_open_a_new_database_at_once_all_succeed(self, database: str) -> None:
        barrier = FORKED.Barrier(4)

        workers.run_all(workers.open_one, [(database, barrier, seed) for seed in range(4)])

        with open_store(database) as store:
            assert sorted(record.key.seed for record in store.runs()) == [0, 1, 2, 3]

    def test_nothing_is_asked_of_the_server_before_the_first_call(self) -> None:
        store = PostgresqlStore("postgresql://ada:secret@127.0.0.1:1/runs")

        assert repr(store) == "PostgresqlStore('postgresql://ada@127.0.0.1:1/runs')"
        assert pickle.loads(pickle.dumps(store)).url == store.url

    def test_a_server_that_is_not_there(self) -> None:
        refused(
            "postgresql://ada:secret@127.0.0.1:1/runs",
            r"^postgresql://ada@127\.0\.0\.1:1/runs cannot be reached; check that the server runs",
        )

    def test_a_password_is_never_told(self) -> None:
        with pytest.raises(StoreError) as caught:
            open_store("postgresql://ada:secret@127.0.0.1:1/runs?password=secret", busy_seconds=2)

        assert "secret" not in str(caught.value)

    def test_a_database_that_is_not_there(self, server: Server) -> None:
        refused(
            server.url("nowhere"), r'cannot be reached; .*createdb NAME.*database "nowhere" does not exist'
        )

    def test_a_newer_format_is_refused(self, server: Server, database: str) -> None:
        open_store(database).close()
        server.psql(database, "UPDATE etude.format SET version = 99")

        refused(
            database, "written by a newer Etude: its format is 99, and this one reads .* to 2; upgrade Etude"
        )

    def test_a_run_of_the_first_format_has_no_plan_and_new_ones_have(
        self, server: Server, database: str
    ) -> None:
        first, *_ = migrations.scripts_of("postgresql")
        server.psql(
            database,
            "CREATE SCHEMA etude; SET search_path = etude; CREATE TABLE format (version INTEGER NOT NULL);"
            f"INSERT INTO format (version) VALUES (1); {first}"
            "INSERT INTO run (task, schedule, budget, seed, label, fingerprint, versions, status, host, pid,"
            " started) VALUES ('digits', 'Constant()', 1, 0, 'one', '5f3a', '{}', 'running', 'h', 1, 't')",
        )

        with open_store(database) as store:
            new = start(store, plan=PLAN)

            assert (store.run(1).plan, store.run(1).label) == (None, "one")
            assert store.run(new).plan == PLAN

    def test_a_database_that_is_not_in_unicode_is_refused(self, server: Server) -> None:
        url = server.create("latin", "-T", "template0", "-E", "LATIN1")

        refused(url, "keeps its texts as LATIN1; give a database in UTF8: createdb")

    def test_a_user_who_may_not_make_the_tables(self, server: Server, database: str) -> None:
        server.psql(database, "CREATE ROLE guest LOGIN")

        refused(database.replace("etude@", "guest@"), "does not permit it; the user must own the schema")

    @pytest.mark.parametrize("address", ["mysql://host/runs", "sqlite:///runs.db"])
    def test_another_kind_of_address_is_refused(self, address: str) -> None:
        refused(address, r"write a path, such as 'runs\.sqlite', or 'postgresql://user@host/database'; got '")

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("postgresql://ada:secret@[host/runs", "what was given cannot be read as one"),
            ("postgresql://ada:secret@host/ru\0ns", "what was given cannot be read as one"),
            (
                "postgresql://ada:secret@127.0.0.1:1/runs?colour=red",
                "is no URL that PostgreSQL takes .*colour",
            ),
            ("postgresql://ada:secret@127.0.0.1:1/%zz", "is no URL that PostgreSQL takes .*%zz"),
        ],
        ids=["bracket", "nul", "option", "percent"],
    )
    def test_d7_a_url_that_is_misspelt_is_refused_and_no_password_told(
        self, address: str, message: str
    ) -> None:
        with pytest.raises(StoreError, match=message) as caught:
            open_store(address)
        assert "secret" not in str(caught.value)

    def test_without_psycopg_it_is_told_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)

        with pytest.raises(MissingError, match=r"pip install 'etude\[postgresql\]'"):
            open_store("postgresql://127.0.0.1:1/runs")

    def test_a_forked_process_does_not_inherit_the_connection(self, database: str) -> None:
        here, there = multiprocessing.Pipe()
        with open_store(database) as store, here:
            run_id = start(store)
            child = multiprocessing.get_context("fork").Process(
                target=workers.append_twice, args=(store, run_id, there)
            )
            child.start()
            there.close()
            assert workers.receive(here) == "appended"
            store.append(run_id, workers.batch(1))
            here.send("go on")
            child.join(workers.PATIENCE_SECONDS)

            assert child.exitcode == 0
            assert store.readings(run_id) == workers.batches(3)


class TestWriting:
    @pytest.fixture
    def store(self, database: str) -> Iterator[PostgresqlStore]:
        with PostgresqlStore(database, busy_seconds=0.2) as store:
            yield store

    def test_missing_tables(self, server: Server, database: str, store: PostgresqlStore) -> None:
        run_id = start(store)
        server.psql(database, "DROP TABLE etude.reading")

        with pytest.raises(StoreError, match=r"is not as Etude left it; .*reading"):
            store.append(run_id, workers.batch(0))

    def test_a_run_that_another_process_keeps_locked(self, database: str, store: PostgresqlStore) -> None:
        run_id = start(store)
        with PostgresqlStore(database) as other, other._writing() as connection:
            connection.execute("SELECT id FROM run FOR UPDATE")

            with pytest.raises(StoreError, match=r"is locked: another process .*; let that process finish"):
                store.append(run_id, workers.batch(0))

        store.append(run_id, workers.batch(0))
        assert store.readings(run_id) == workers.batch(0)

    def test_a_connection_that_the_server_ended_is_opened_again(
        self, server: Server, database: str, store: PostgresqlStore
    ) -> None:
        run_id = start(store)
        server.psql(
            server.url("postgres"),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database.rpartition('/')[2]}'",
        )

        with pytest.raises(StoreError, match="cannot be reached"):
            store.append(run_id, workers.batch(0))
        store.append(run_id, workers.batch(0))

        assert store.readings(run_id) == workers.batch(0)

    @pytest.mark.parametrize("text", ["\0", "\x1a", "\x1a0", "\0\x1a\0", "a\x1a\x1a0\0", "\\0 \\x1a"])
    def test_every_text_comes_back_as_it_was(self, store: PostgresqlStore, text: str) -> None:
        key = RunKey(text, text, None, 1, 0)
        run_id = start(store, key)
        store.finish(run_id, {text: 1.0})

        found = store.finished(key)

        assert found is not None
        assert (found.key, found.results) == (key, {text: 1.0})

    def test_sql_can_look_inside(self, server: Server, database: str, store: PostgresqlStore) -> None:
        store.append(start(store), workers.batch(0))

        found = server.psql(database, "SELECT rates->>'head' FROM etude.reading LIMIT 1")
        assert found == "0.2"
