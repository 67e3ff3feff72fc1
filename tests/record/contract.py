"""What every store of runs must do: inherit StoreContract and give it a ``store`` fixture."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etude.durations import Horizon
from etude.errors import StoreError
from etude.planned import Planned, RunPlan
from etude.readings import Reading
from etude.record import RunKey, RunRecord, Status, Store, process
from tests.forked import FORKED

from . import workers

KEY = RunKey("digits", "Cosine(BASE, 0.0, over='90%')", 0.1, 1000, 7)
NAN, INF = float("nan"), float("inf")

numbers = st.dictionaries(st.text(), st.floats(), max_size=4)
progress = st.none() | st.floats(min_value=0.0, allow_infinity=False)
any_readings = st.builds(
    Reading,
    step=st.integers(0, 2**63 - 1),
    rates=numbers,
    phase=st.text(),
    metrics=numbers,
    others=st.dictionaries(st.text(), numbers, max_size=3),
    epoch=progress,
    samples=progress,
    factors=numbers,
    override=st.text(),
)


PLAN = RunPlan(
    2.5,
    Horizon(Fraction(25, 3), "90ep", samples_per_step=64),
    (
        Planned("lr", KEY.schedule, "5f3a", {"body": 0.1, "head \0": 5e-324}, {"head \0": 0.5}),
        Planned("weight_decay", KEY.schedule, "5f3a", {"body": 0.1}, coupled="lr"),
    ),
)


def start(store: Store, key: RunKey = KEY, plan: RunPlan | None = None) -> int:
    versions = {"etude": "0.1.0", "torch": "2.6"}
    return store.start(key, label="cosine", fingerprint="5f3a", versions=versions, plan=plan)


def exactly(readings: list[Reading]) -> str:
    """A text that is equal for NaN and NaN, and different for 0.0 and -0.0 and for another order of names."""
    return repr(readings)


def is_time(text: str | None) -> bool:
    return text is not None and datetime.fromisoformat(text).tzinfo == UTC


class StoreContract:
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        raise NotImplementedError("give an empty store, and close it at the end")

    # Attempts

    def test_a_started_run_is_recorded_with_all_that_is_known_of_it(self, store: Store) -> None:
        run_id = start(store)

        record = store.run(run_id)

        assert is_time(record.started)
        assert record == RunRecord(
            id=run_id,
            key=KEY,
            label="cosine",
            fingerprint="5f3a",
            versions={"etude": "0.1.0", "torch": "2.6"},
            status="running",
            process=process.this_process(),
            started=record.started,
            ended=None,
            results={},
            error=None,
        )

    def test_every_attempt_is_a_run_of_its_own(self, store: Store) -> None:
        first = start(store)
        store.append(first, workers.batch(0))
        store.fail(first, "no luck")

        second = start(store)

        assert second > first
        assert [record.status for record in store.runs()] == ["failed", "running"]
        assert store.readings(first) == workers.batch(0)
        assert store.readings(second) == []

    def test_what_a_run_was_to_follow_is_kept_as_it_was(self, store: Store) -> None:
        assert store.run(start(store, plan=PLAN)).plan == PLAN
        assert store.run(start(store)).plan is None

    @pytest.mark.parametrize(
        ("plan", "message"),
        [
            (PLAN.to_dict(), r"plan must be a RunPlan, as scheduler\.plan returns it; got \{'begun': 2\.5"),
            (RunPlan(NAN, PLAN.horizon, ()), "plan must have finite numbers; got RunPlan"),
        ],
        ids=["dict", "nan"],
    )
    def test_what_is_no_plan_is_refused(self, store: Store, plan: Any, message: str) -> None:
        with pytest.raises(StoreError, match=message):
            start(store, plan=plan)

        assert store.runs() == []

    def test_a_key_may_have_no_peak(self, store: Store) -> None:
        key = RunKey("digits", "Cosine(over='90%')", None, 1000, -7)

        assert store.run(start(store, key)).key == key

    @pytest.mark.parametrize("field", ["label", "fingerprint"])
    def test_what_is_no_text_is_refused(self, store: Store, field: str) -> None:
        texts: dict[str, Any] = {"label": "cosine", "fingerprint": "5f3a"} | {field: ["cosine"]}

        with pytest.raises(StoreError, match=rf"{field} must be a text; got \['cosine'\]"):
            store.start(KEY, **texts, versions={})

        assert store.runs() == []

    # Ends

    def test_a_finished_run_has_its_results_as_they_were(self, store: Store) -> None:
        run_id = start(store)

        store.finish(run_id, {"validation": 0.1 + 0.2, "test": NAN, "loss": INF})

        record = store.run(run_id)
        assert (record.status, record.error) == ("finished", None)
        assert is_time(record.ended)
        assert repr(record.results) == "{'validation': 0.30000000000000004, 'test': nan, 'loss': inf}"

    def test_a_failed_run_has_its_error_whatever_it_is_made_of(self, store: Store) -> None:
        run_id = start(store)

        store.fail(run_id, "no file 'caf\udce9'\nat line 3\0")

        record = store.run(run_id)
        assert (record.status, record.error) == ("failed", "no file 'caf\\udce9'\nat line 3\0")
        assert is_time(record.ended)

    def test_an_interrupted_run_may_still_turn_out_to_finish(self, store: Store) -> None:
        run_id = start(store)
        store.interrupt(run_id)
        interrupted = store.run(run_id)

        store.append(run_id, workers.batch(0))
        store.finish(run_id, {"validation": 0.5})

        assert interrupted.status == "interrupted"
        assert is_time(interrupted.ended)
        assert store.run(run_id).status == "finished"
        assert store.readings(run_id) == workers.batch(0)

    @pytest.mark.parametrize("ended", ["finished", "failed"])
    @pytest.mark.parametrize("then", ["append", "finish", "fail", "interrupt"])
    def test_what_has_finished_or_failed_does_not_change(self, store: Store, ended: str, then: str) -> None:
        run_id = start(store)
        store.finish(run_id, {"validation": 0.5}) if ended == "finished" else store.fail(run_id, "no luck")
        before = store.run(run_id)
        changes = {
            "append": lambda: store.append(run_id, workers.batch(0)),
            "finish": lambda: store.finish(run_id, {"validation": 1.0}),
            "fail": lambda: store.fail(run_id, "no luck either"),
            "interrupt": lambda: store.interrupt(run_id),
        }

        with pytest.raises(StoreError, match=rf"run {run_id} in .* has already {ended}.*start\(\) another"):
            changes[then]()

        assert store.run(run_id) == before
        assert store.readings(run_id) == []

    # Questions

    def test_runs_are_given_by_task_and_status_in_the_order_of_their_start(self, store: Store) -> None:
        digits = [start(store), start(store)]
        letters = start(store, RunKey("letters", "Constant()", None, 1, 0))
        store.finish(digits[1], {})

        def ids(task: str | None = None, status: Status | None = None) -> list[int]:
            return [record.id for record in store.runs(task, status)]

        assert ids() == [*digits, letters]
        assert ids(task="digits") == digits
        assert ids(status="running") == [digits[0], letters]
        assert ids(task="digits", status="finished") == [digits[1]]
        assert ids(task="faces") == []

    def test_an_unknown_status_is_refused(self, store: Store) -> None:
        with pytest.raises(
            StoreError, match="one of 'running', 'finished', 'failed', 'interrupted'; got 'done'"
        ):
            store.runs(status="done")  # type: ignore[arg-type]

    @pytest.mark.parametrize("ask", ["run", "readings", "interrupt"])
    def test_an_unknown_run_is_refused(self, store: Store, ask: str) -> None:
        with pytest.raises(
            StoreError, match=r"there is no run 404 in .*; store.runs\(\), or `etude runs --all`, lists"
        ):
            getattr(store, ask)(404)

    def test_the_finished_attempt_is_found_by_its_key(self, store: Store) -> None:
        store.fail(start(store), "no luck")
        start(store)
        assert store.finished(KEY) is None

        run_id = start(store)
        store.finish(run_id, {"validation": 0.5})

        assert store.finished(KEY) == store.run(run_id)

    def test_the_attempt_that_finished_first_stays_the_answer(self, store: Store) -> None:
        older, newer = start(store), start(store)
        store.finish(newer, {"validation": 0.5})
        store.finish(older, {"validation": 0.6})

        found = store.finished(KEY)

        assert found is not None
        assert found.id == newer

    @pytest.mark.parametrize(
        "other",
        [
            RunKey("letters", KEY.schedule, KEY.peak, KEY.budget, KEY.seed),
            RunKey(KEY.task, "Constant()", KEY.peak, KEY.budget, KEY.seed),
            RunKey(KEY.task, KEY.schedule, 0.1 + 2**-56, KEY.budget, KEY.seed),
            RunKey(KEY.task, KEY.schedule, None, KEY.budget, KEY.seed),
            RunKey(KEY.task, KEY.schedule, KEY.peak, KEY.budget + 1, KEY.seed),
            RunKey(KEY.task, KEY.schedule, KEY.peak, KEY.budget, KEY.seed + 1),
        ],
        ids=["task", "schedule", "the next float", "no peak", "budget", "seed"],
    )
    def test_a_key_that_differs_in_anything_is_another(self, store: Store, other: RunKey) -> None:
        store.finish(start(store), {})
        other_id = start(store, other)
        assert store.finished(other) is None

        store.finish(other_id, {})

        found = store.finished(other)
        assert found is not None
        assert (found.id, found.key) == (other_id, other)

    # Readings

    # A reading's run is its own, so one store does for every example; and every store inherits this.
    @settings(
        max_examples=50,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(batches=st.lists(st.lists(any_readings, max_size=4), max_size=3))
    def test_readings_come_back_as_they_were_in_the_order_of_appending(
        self, store: Store, batches: list[list[Reading]]
    ) -> None:
        run_id = start(store)
        for batch in batches:
            store.append(run_id, iter(batch))

        assert exactly(store.readings(run_id)) == exactly([reading for batch in batches for reading in batch])

    def test_the_first_ones_can_be_left_out(self, store: Store) -> None:
        run_id = start(store)
        store.append(run_id, workers.batches(3))

        assert store.readings(run_id, 7) == workers.batches(3)[7:]
        assert store.readings(run_id, 9) == store.readings(run_id, 100) == []

    def test_non_finite_numbers_and_the_sign_of_zero_are_kept(self, store: Store) -> None:
        reading = Reading(0, {"0": -0.0}, "linear", {"loss": NAN, "most": INF, "least": -INF, "tiny": 5e-324})
        run_id = start(store)

        store.append(run_id, [reading])

        assert exactly(store.readings(run_id)) == exactly([reading])

    @pytest.mark.parametrize(
        ("reading", "message"),
        [
            (Reading(-1, {}, "linear"), "step must be a whole number from 0 to .*; got -1"),
            (Reading(2**63, {}, "linear"), f"step must be a whole number from 0 to .*; got {2**63}"),
            (Reading(0.5, {}, "linear"), "step must be a whole number from 0 to .*; got 0.5"),  # type: ignore[arg-type]
            (Reading(0, {}, None), "phase must be a text; got None"),  # type: ignore[arg-type]
            (Reading(0, {"0": "0.1"}, "linear"), "rates must be numbers by name; got '0': '0.1'"),  # type: ignore[dict-item]
            (Reading(0, {}, "linear", {1: 0.1}), "metrics must be numbers by name; got 1: 0.1"),  # type: ignore[dict-item]
            (Reading(0, {}, "caf\udce9"), "Unicode texts"),
            (
                Reading(0, {}, "", others={"momentum": 0.9}),
                r"others\['momentum'\] must be numbers by .*; got 0\.9",
            ),  # type: ignore[dict-item]
            (Reading(0, {}, "", others=0.9), "others must be numbers by name and group; got 0.9"),  # type: ignore[arg-type]
            (Reading(0, {}, "", epoch=NAN), "epoch must be a finite number ≥ 0 or None; got nan"),
            (Reading(0, {}, "", epoch=-1.0), r"epoch must be a finite number ≥ 0 or None; got -1\.0"),
            (Reading(0, {}, "", samples="8"), "samples must be a finite number ≥ 0 or None; got '8'"),  # type: ignore[arg-type]
            (Reading(0, {}, "", factors={"": None}), "factors must be numbers by name; got '': None"),  # type: ignore[dict-item]
            (Reading(0, {}, "", override=None), "override must be a text; got None"),  # type: ignore[arg-type]
        ],
        ids=[
            "negative step",
            "huge step",
            "half a step",
            "no phase",
            "text as rate",
            "number as name",
            "bytes",
            "others without groups",
            "others without names",
            "no epoch",
            "negative epoch",
            "samples as text",
            "no factor",
            "no override",
        ],
    )
    def test_a_reading_that_cannot_be_kept_is_refused_with_its_batch(
        self, store: Store, reading: Reading, message: str
    ) -> None:
        run_id = start(store)

        with pytest.raises(StoreError, match=message):
            store.append(run_id, [*workers.batch(0), reading])

        assert store.readings(run_id) == []

    def test_readings_of_a_run_that_was_never_started_are_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="there is no run 404"):
            store.append(404, workers.batch(0))

    # Processes and threads

    def test_a_closed_store_opens_again(self, store: Store) -> None:
        run_id = start(store)
        store.close()
        store.close()

        with store as same:
            assert same.run(run_id).key == KEY

    def test_a_store_pickles_as_its_address(self, store: Store) -> None:
        run_id = start(store)

        with pickle.loads(pickle.dumps(store)) as other:
            other.append(run_id, workers.batch(0))

        assert store.readings(run_id) == workers.batch(0)

    def test_threads_share_a_store(self, store: Store) -> None:
        barrier = threading.Barrier(4)

        def record(run_id: int) -> None:
            barrier.wait(workers.PATIENCE_SECONDS)
            for number in range(20):
                store.append(run_id, workers.batch(number))

        run_ids = [start(store) for _ in range(4)]
        threads = [threading.Thread(target=record, args=(run_id,)) for run_id in run_ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        for run_id in run_ids:
            assert store.readings(run_id) == workers.batches(20)

    def test_ten_processes_write_at_once_and_every_reading_is_there(self, store: Store) -> None:
        barrier = FORKED.Barrier(10)

        workers.run_all(workers.record_runs, [(store, barrier, seed) for seed in range(10)])

        records = store.runs(status="finished")
        assert sorted(record.key.seed for record in records) == sorted([*range(10)] * workers.RUNS)
        for record in records:
            assert store.readings(record.id) == workers.batches(workers.BATCHES)
            assert record.results == {"validation": float(record.key.seed)}

    def test_a_writer_that_is_killed_leaves_every_reading_it_reported(self, store: Store) -> None:
        receiver, sender = FORKED.Pipe(duplex=False)
        with receiver:
            writer = FORKED.Process(target=workers.record_until_killed, args=(store, KEY, sender))
            writer.start()
            sender.close()
            run_id = workers.receive(receiver)
            reported = [workers.receive(receiver) for _ in range(100)]
            assert store.mark_interrupted() == []

            writer.kill()
            writer.join(workers.PATIENCE_SECONDS)
            reported += workers.receive_rest(receiver)

        [unfinished] = store.mark_interrupted()
        assert (unfinished.id, unfinished.key, unfinished.status) == (run_id, KEY, "interrupted")
        assert is_time(unfinished.ended)
        assert unfinished == store.run(run_id)
        assert store.mark_interrupted() == []
        # At most the batch under way when it died is there unreported, and then all of it.
        kept = store.readings(run_id)
        assert kept in (workers.batches(len(reported)), workers.batches(len(reported) + 1))

    def test_only_running_runs_of_processes_that_are_gone_are_marked(self, store: Store) -> None:
        alive = start(store)
        workers.run_all(workers.start_four_ways, [(store, KEY)])

        marked = store.mark_interrupted()

        assert [record.label for record in marked] == ["left running"]
        assert store.run(alive).status == "running"
        assert [record.status for record in store.runs()] == [
            "running",
            "interrupted",
            "finished",
            "failed",
            "interrupted",
        ]
