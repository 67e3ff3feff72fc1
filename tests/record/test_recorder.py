"""The Recorder: every update once and in order, whatever becomes of the observers and of the process."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.errors import ScheduleError
from etude.readings import Reading
from etude.record import Recorder, open_store, outlet
from tests.forked import FORKED

from . import training, workers
from .training import Kept, Run

SECONDS = 30
READY = 0.6  # until the next batch has been handed on


@pytest.fixture
def run() -> Run:
    return Run()


def until(condition: Any) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


class TestLogging:
    def test_every_update_is_told_once_and_in_order(self, run: Run) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            run.train(recorder, 500)

        run.check(kept.readings)
        assert kept.closed == 1

    def test_readings_come_while_the_run_goes_on(self, run: Run) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            run.train(recorder, 5)
            until(lambda: len(kept.readings) == 5)
            run.train(recorder, 5)
            until(lambda: len(kept.readings) == 10)

        run.check(kept.readings)

    def test_what_changes_before_they_are_worked_out_makes_no_difference(self, run: Run) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            run.train(recorder, 10)
            run.scheduler.observe(loss=1.0)
            run.scheduler.observe(loss=2.0)
            run.train(recorder, 10)
            run.scheduler.cooldown(20)
            run.train(recorder, 10)

        run.check(kept.readings)
        assert [reading.factors for reading in kept.readings[9:11]] == [
            {"Plateau('loss', factor=0.5, patience=0)": 1.0},
            {"Plateau('loss', factor=0.5, patience=0)": 0.5},
        ]
        assert [bool(reading.override) for reading in kept.readings[19:21]] == [False, True]

    def test_several_observers_are_told_the_same(self, run: Run) -> None:
        both = Kept(), Kept()
        with Recorder(run.scheduler, *both) as recorder:
            run.train(recorder, 50)

        assert both[0].readings == both[1].readings
        run.check(both[0].readings)

    def test_an_observer_needs_no_close(self, run: Run) -> None:
        class Bare:
            def observe(self, readings: Sequence[Reading]) -> None:
                seen.extend(readings)

        seen: list[Reading] = []
        with Recorder(run.scheduler, Bare()) as recorder:
            run.train(recorder, 3)

        run.check(seen)

    @pytest.mark.parametrize(
        "value",
        [1, True, torch.tensor(1.0), torch.ones(1, requires_grad=True) * 1.0, pytest.param(1.0, id="float")],
        ids=repr,
    )
    def test_whatever_is_a_number_is_a_metric(self, run: Run, value: Any) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            run.update()
            recorder.log(one=value)

        assert kept.readings[0].metrics == {"one": 1.0}
        assert type(kept.readings[0].metrics["one"]) is float

    @pytest.mark.parametrize("value", ["1.0", None, [1.0], 1j, torch.zeros(2)], ids=repr)
    def test_whatever_is_no_number_is_refused_and_can_be_logged_right(self, run: Run, value: Any) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            run.update()
            with pytest.raises(ScheduleError, match="the metric 'loss' must be a number; got "):
                recorder.log(loss=value)
            recorder.log(loss=1.0)

        run.check(kept.readings)

    def test_logging_before_the_step_is_refused_at_once(self, run: Run) -> None:
        with Recorder(run.scheduler, Kept()) as recorder:
            run.optimizer.step()

            with pytest.raises(
                ScheduleError, match=r"there was none since this Recorder was built; call it once"
            ):
                recorder.log(loss=1.0)

    def test_logging_twice_is_refused(self, run: Run) -> None:
        with Recorder(run.scheduler, Kept()) as recorder:
            run.update()
            recorder.log(loss=1.0)

            with pytest.raises(
                ScheduleError, match=r"none since the last log\(\); call it once after each sched"
            ):
                recorder.log(loss=1.0)

    def test_an_update_may_be_left_out(self, run: Run) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            for step in range(6):
                run.update()
                if step % 2:
                    recorder.log()

        assert [reading.step for reading in kept.readings] == [1, 3, 5]

    def test_a_run_that_went_back_is_recorded_as_it_was(self, run: Run) -> None:
        kept = Kept()
        with Recorder(run.scheduler, kept) as recorder:
            run.train(recorder, 3)
            saved = run.scheduler.state_dict()
            run.train(recorder, 2)
            run.scheduler.load_state_dict(saved)
            run.train(recorder, 2)

        assert [reading.step for reading in kept.readings] == [0, 1, 2, 3, 4, 3, 4]
        assert [reading.rates for reading in kept.readings] == run.rates

    def test_fractions_of_a_step_are_refused(self, run: Run) -> None:
        run.scheduler.seek(2.5)
        with Recorder(run.scheduler, Kept()) as recorder:
            run.update()

            with pytest.raises(
                ScheduleError, match=r"readings are of whole steps; the last update was at 2\.5"
            ):
                recorder.log()

    def test_after_close_it_is_refused(self, run: Run) -> None:
        kept = Kept()
        recorder = Recorder(run.scheduler, kept)
        recorder.close()
        recorder.close()
        run.update()

        with pytest.raises(ScheduleError, match="this Recorder is closed; build another to go on"):
            recorder.log()
        assert kept.closed == 1

    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            ((None, Kept()), {}, r"records an etude\.torch\.Scheduler; got NoneType"),
            ((Run().scheduler,), {}, r"needs a store, to='runs\.sqlite', or observers; got neither"),
            (
                (Run().scheduler, print),
                {},
                r"an observer has a method .* got <built-in function print>; a store is given with to=",
            ),
            (
                (Run().scheduler, Kept()),
                {"dense": 0},
                r"dense=\) must be a whole number .*, at least 1, .* got 0",
            ),
            ((Run().scheduler, Kept()), {"dense": 1.5}, r"dense=\) must be a whole number .* got 1\.5"),
        ],
        ids=["no scheduler", "no observer", "no method", "dense 0", "dense 1.5"],
    )
    def test_bad_arguments_are_refused(self, arguments: Any, options: Any, message: str) -> None:
        with pytest.raises(ScheduleError, match=message):
            Recorder(*arguments, **options)

    def test_a_step_that_cannot_be_worked_out_later_takes_no_other_with_it(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            rank = 0
            last_update = run.scheduler.last_update

            @staticmethod
            def readings(seen: Any) -> list[Reading]:
                if any(update.step == 1 for update, _ in seen):
                    raise ValueError("no")
                return run.scheduler.readings(seen)

        kept = Kept()
        with Recorder(Broken(), kept) as recorder:
            run.train(recorder, 3)

        assert [reading.step for reading in kept.readings] == [0, 2]
        assert "what update 1 used cannot be worked out" in caplog.text


class TestLongRuns:
    def test_the_beginning_is_kept_whole_and_what_follows_is_thinned(self) -> None:
        run, kept = Run(total=4000), Kept()
        with Recorder(run.scheduler, kept, dense=1000) as recorder:
            run.train(recorder, 3990)

        steps = [reading.step for reading in kept.readings]
        assert steps[:1000] == list(range(1000))
        assert steps[-1] == 3989
        assert steps == sorted(set(steps))
        assert 1000 + 3000 / 16 < len(steps) < 3000
        assert [run.rates[step] for step in steps] == [reading.rates for reading in kept.readings]

    def test_none_keeps_all(self) -> None:
        run, kept = Run(total=20_000), Kept()
        with Recorder(run.scheduler, kept, dense=None) as recorder:
            run.train(recorder, 15_000)

        run.check(kept.readings)


class TestObserversThatFail:
    def test_what_it_did_not_take_comes_again_when_it_is_back(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken, healthy = Kept(), Kept()
        broken.error = OSError("the disk is gone")
        with Recorder(run.scheduler, broken, healthy, name="digits") as recorder:
            run.train(recorder, 10)
            until(lambda: len(healthy.readings) == 10)
            run.train(recorder, 10)
            until(lambda: len(healthy.readings) == 20)
            broken.error = None
            until(lambda: len(broken.readings) == 20)
            run.train(recorder, 10)

        run.check(broken.readings)
        assert [record.getMessage() for record in caplog.records] == [
            "Recorder of digits: <kept> takes no readings: OSError: the disk is gone; training goes on, they "
            "are kept in memory (at most 50,000, then thinned), and it is tried again every 1 s",
            "Recorder of digits: <kept> takes readings again, and has taken those that waited",
        ]

    def test_what_cannot_be_written_at_the_end_is_told(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        kept = Kept()
        kept.error = OSError("the disk is gone")
        with Recorder(run.scheduler, kept, patience_seconds=0.3) as recorder:
            run.train(recorder, 7)

        assert (
            "<kept>: the run has ended, and 7 readings could not be written (the disk is gone); they are lost"
            in caplog.text
        )
        assert kept.closed == 1

    def test_one_that_is_back_at_the_end_has_all(self, run: Run) -> None:
        kept = Kept()
        kept.error = OSError("the disk is gone")
        recorder = Recorder(run.scheduler, kept)
        run.train(recorder, 7)
        back = threading.Timer(0.5, setattr, (kept, "error", None))
        back.start()
        recorder.close()
        back.join()

        run.check(kept.readings)

    def test_memory_is_bounded_and_the_thinning_is_told_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(outlet, "MOST_WAITING", 400)
        run, kept, healthy = Run(total=6000), Kept(), Kept()
        kept.error = OSError("the disk is gone")
        with Recorder(run.scheduler, kept, healthy, dense=None) as recorder:
            for part in range(1, 6):
                run.train(recorder, 1000)
                until(lambda: len(healthy.readings) == 1000 * part)  # noqa: B023
            waiting = [len(batch) for batch in recorder._background._outlets[0]._waiting]
            kept.error = None

        # The first batch is given again as it was.
        assert sum(waiting[1:]) <= 400
        steps = [reading.step for reading in kept.readings]
        assert steps == sorted(set(steps))
        assert (steps[0], steps[-1]) == (0, 4999)
        assert caplog.text.count("more than 400 readings wait; they are thinned") == 1
        run.check(healthy.readings)

    def test_one_that_hangs_holds_up_no_other(self, run: Run) -> None:
        go = threading.Event()

        class Hanging:
            def observe(self, readings: Sequence[Reading]) -> None:
                go.wait(SECONDS)

        kept = Kept()
        recorder = Recorder(run.scheduler, Hanging(), kept)
        run.train(recorder, 5)
        until(lambda: len(kept.readings) == 5)
        go.set()
        recorder.close()

        run.check(kept.readings)

    def test_one_that_cannot_be_closed_is_told(self, run: Run, caplog: pytest.LogCaptureFixture) -> None:
        class Stuck(Kept):
            def close(self) -> None:
                raise OSError("stuck")

        kept = Stuck()
        with Recorder(run.scheduler, kept) as recorder:
            run.train(recorder, 5)

        run.check(kept.readings)
        assert "<kept> could not be closed: OSError: stuck" in caplog.text


class TestWhatObserversMayDo:
    def test_b3_what_an_observer_does_to_its_readings_no_other_sees(self, run: Run, tmp_path: Path) -> None:
        class Rude(Kept):
            def observe(self, readings: Sequence[Reading]) -> None:
                assert isinstance(readings, list)
                for reading in readings:
                    for numbers in (
                        reading.rates,
                        reading.metrics,
                        reading.factors,
                        *reading.others.values(),
                    ):
                        numbers.clear()  # type: ignore[attr-defined]
                    reading.others.clear()  # type: ignore[attr-defined]
                readings.clear()

        kept, address = Kept(), str(tmp_path / "runs.sqlite")
        with Recorder(run.scheduler, Rude(), kept, Rude(), to=address) as recorder:
            run.train(recorder, 300)

        run.check(kept.readings)
        with open_store(address) as store:
            assert store.readings(1) == kept.readings

    def test_b3_what_it_has_emptied_and_refused_comes_again_whole(self, run: Run) -> None:
        class Emptying(Kept):
            def observe(self, readings: Sequence[Reading]) -> None:
                if self.error is not None:
                    readings.clear()  # type: ignore[attr-defined]
                super().observe(readings)

        kept = Emptying()
        kept.error = OSError("the disk is gone")
        recorder = Recorder(run.scheduler, kept)
        run.train(recorder, 7)
        back = threading.Timer(0.5, setattr, (kept, "error", None))
        back.start()
        recorder.close()
        back.join()

        run.check(kept.readings)

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
    def test_b4_whatever_it_raises_is_told_and_the_same_come_again(
        self, run: Run, caplog: pytest.LogCaptureFixture, error: BaseException
    ) -> None:
        class Leaving(Kept):
            def observe(self, readings: Sequence[Reading]) -> None:
                if self.error is not None:
                    self.error = None
                    raise error
                super().observe(readings)

            def close(self) -> None:
                super().close()
                raise error

        kept, healthy = Leaving(), Kept()
        kept.error = OSError()
        with Recorder(run.scheduler, kept, healthy) as recorder:
            run.train(recorder, 10)
            until(lambda: len(kept.readings) == 10)
            run.train(recorder, 10)

        run.check(kept.readings)
        run.check(healthy.readings)
        name = type(error).__name__
        assert f"<kept> takes no readings: {name}: {error}; training goes on" in caplog.text
        assert f"<kept> could not be closed: {name}: {error}" in caplog.text

    def test_b4_one_that_raises_to_the_end_is_told_and_asked_what_to_leave(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Leaving(Kept):
            def leave(self, readings: Sequence[Reading]) -> str:
                raise SystemExit(5)

        kept = Leaving()
        kept.error = SystemExit(3)
        with Recorder(run.scheduler, kept, patience_seconds=0.3) as recorder:
            run.train(recorder, 7)

        assert "7 readings could not be written (3); they are lost (SystemExit: 5)" in caplog.text
        assert kept.closed == 1

    def test_b4_a_schedule_that_leaves_takes_no_other_update_with_it(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Leaving:
            rank = 0
            last_update = run.scheduler.last_update

            @staticmethod
            def readings(seen: Any) -> list[Reading]:
                if any(update.step == 1 for update, _ in seen):
                    raise SystemExit(3)
                return run.scheduler.readings(seen)

        kept = Kept()
        with Recorder(Leaving(), kept) as recorder:
            run.train(recorder, 3)

        assert [reading.step for reading in kept.readings] == [0, 2]
        assert "what update 1 used cannot be worked out" in caplog.text


class TestProcesses:
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "runs.sqlite")

    def test_a_process_that_is_killed_loses_no_more_than_a_second(self, address: str) -> None:
        receiver, sender = FORKED.Pipe(duplex=False)
        with receiver:
            writer = FORKED.Process(target=training.log_until_killed, args=(address, sender))
            writer.start()
            sender.close()
            run_id = workers.receive(receiver)
            logged = [workers.receive(receiver)]
            while logged[-1][1] < logged[0][1] + 2:
                logged.append(workers.receive(receiver))
            writer.kill()
            writer.join(workers.PATIENCE_SECONDS)
            logged += workers.receive_rest(receiver)

        with open_store(address) as store:
            readings = store.readings(run_id)
        assert [reading.step for reading in readings] == list(range(len(readings)))
        _, died = logged[-1]
        lost = [step for step, _ in logged[len(readings) :]]
        assert len(readings) > 100
        assert all(time >= died - 1 for step, time in logged if step in set(lost))

    @pytest.mark.parametrize("how", ["end", "exception", "dropped"])
    def test_a_process_that_ends_otherwise_loses_nothing(self, address: str, how: str) -> None:
        writer = FORKED.Process(target=training.end_without_closing, args=(address, how))
        writer.start()
        writer.join(workers.PATIENCE_SECONDS)

        assert writer.exitcode == (3 if how == "exception" else 0)
        with open_store(address) as store:
            [record] = store.runs(status="interrupted")
            assert [reading.step for reading in store.readings(record.id)] == list(range(100))

    def test_nothing_is_lost_when_nobody_has_the_recorder_any_more(self, run: Run) -> None:
        kept = Kept()
        recorder = Recorder(run.scheduler, kept)
        run.train(recorder, 5)
        threads = threading.active_count()
        del recorder
        gc.collect()

        run.check(kept.readings)
        assert (kept.closed, threading.active_count()) == (1, threads - 2)

    def test_nothing_is_lost_where_its_own_thread_finds_that_nobody_has_it(self, run: Run) -> None:
        class Collecting(Kept):
            def observe(self, readings: Sequence[Reading]) -> None:
                super().observe(readings)
                gc.collect()

        kept = Collecting()
        recorder = Recorder(run.scheduler, kept)
        run.train(recorder, 5)
        recorder.itself = recorder  # type: ignore[attr-defined]
        gc.disable()
        try:
            del recorder
            until(lambda: kept.closed)
        finally:
            gc.enable()

        run.check(kept.readings)

    def test_an_exception_in_the_run_loses_nothing(self, run: Run) -> None:
        kept = Kept()

        def fail() -> None:
            with Recorder(run.scheduler, kept) as recorder:
                run.train(recorder, 5)
                raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError, match="out of memory"):
            fail()

        run.check(kept.readings)

    def test_a_forked_process_is_refused_and_can_build_its_own(self, run: Run) -> None:
        kept = Kept()
        receiver, sender = multiprocessing.Pipe(duplex=False)
        recorder = Recorder(run.scheduler, kept)
        with receiver:
            run.train(recorder, 5)
            child = multiprocessing.get_context("fork").Process(
                target=training.log_in_a_fork, args=(recorder, run, sender)
            )
            child.start()
            sender.close()
            told, steps = workers.receive_rest(receiver)
            child.join(workers.PATIENCE_SECONDS)
            run.train(recorder, 5)
            recorder.close()

        assert child.exitcode == 0
        assert "belongs to the process that built it; build one in the forked process" in told
        assert steps == [6]
        run.check(kept.readings)

    @pytest.mark.timeout(120)
    def test_only_rank_0_records_unless_all_are_asked_for(self, tmp_path: Path) -> None:
        workers.run_all(training.record_on_rank, [(rank, tmp_path) for rank in range(2)])
