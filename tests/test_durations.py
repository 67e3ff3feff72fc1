"""Durations: their text and arithmetic. Horizons: durations in steps, and how runs are counted."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset

from etude import Duration, EtudeError, Horizon
from etude.durations import UNITS, fraction_text, read_fraction, to_duration, to_fraction
from etude.errors import HorizonError, ScheduleError

HORIZON = Horizon(steps_per_epoch=391, total="90ep", samples_per_step=128, tokens_per_step=2048)

amounts = st.fractions(-1000, 1000, max_denominator=1000)
anything = st.dictionaries(st.sampled_from(sorted(UNITS)), amounts, max_size=4).map(Duration.of)


# Durations.


@pytest.mark.parametrize(
    ("written", "text", "expression"),
    [
        ("5ep", "5ep", "'5ep'"),
        ("500st", "500st", "500"),
        ("500", "500st", "500"),  # a bare number is steps
        (500, "500st", "500"),
        (2.5, "2.5st", "2.5"),
        (0.1, "0.1st", "'0.1st'"),  # as written: a tenth, not the float nearest to it
        (Fraction(1, 3), "1/3st", "'1/3st'"),
        ("30%", "30%", "'30%'"),
        ("2e9tok", "2000000000tok", "'2000000000tok'"),
        ("1e6 smp", "1000000smp", "'1000000smp'"),
        (" 5 EP ", "5ep", "'5ep'"),
        (".5ep", "0.5ep", "'0.5ep'"),
        ("1/3ep", "1/3ep", "'1/3ep'"),
        ("30% - 1st", "30% - 1st", "'30% - 1st'"),
        ("-1st+30%", "30% - 1st", "'30% - 1st'"),  # what is added comes first
        ("1ep + 1ep", "2ep", "'2ep'"),
        ("1ep - 1ep", "0st", "0"),
        (0, "0st", "0"),
        ("-5ep", "-5ep", "'-5ep'"),
        (np.int64(3), "3st", "3"),
        (np.float32(0.5), "0.5st", "'0.5st'"),  # a bare 0.5 may be a share, where one is taken
        (2**60 + 1, f"{2**60 + 1}st", f"{2**60 + 1}"),  # exact beyond what a float holds
    ],
)
def test_text(written: Any, text: str, expression: str) -> None:
    duration = to_duration(written)
    assert str(duration) == text
    assert repr(duration) == expression
    assert to_duration(text) == duration


@given(anything)
def test_text_reads_back(duration: Duration) -> None:
    assert to_duration(str(duration)) == duration
    assert hash(to_duration(str(duration))) == hash(duration)


@given(anything, anything, st.fractions(-10, 10, max_denominator=10))
def test_arithmetic(a: Duration, b: Duration, factor: Fraction) -> None:
    assert a + b == b + a
    assert (a + b) - b == a
    assert (a + b) * factor == factor * a + factor * b
    assert (a - a).is_zero


def test_sums_with_text_and_numbers() -> None:
    assert to_duration("30%") - 1 == to_duration("30% - 1st")
    assert 1 + to_duration("30%") == to_duration("30% + 1st")
    assert to_duration("5ep") + "1ep" == to_duration("6ep")
    assert to_duration("5ep") * 0.1 == to_duration("0.5ep")


@given(anything)
def test_copies_are_equal(duration: Duration) -> None:
    assert pickle.loads(pickle.dumps(duration)) == copy.deepcopy(duration) == duration


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", r"the duration must be a duration such as '5ep', .*; got ''"),
        ("ep", r"must be a duration such as .*; got 'ep'"),
        ("5 3", r"must be a duration such as .*; got '5 3'"),
        ("5ep 3st", r"must be a duration such as .*; got '5ep 3st'"),
        ("5ep +", r"must be a duration such as .*; got '5ep \+'"),
        ("1_000", r"must be a duration such as .*; got '1_000'"),
        ("nan", r"must be a duration such as .*; got 'nan'"),
        (
            "5 epochs",
            r"the unknown unit 'epochs' in '5 epochs'; the units are ep \(epochs\), .*: write '5ep'",
        ),
        ("5s", r"unknown unit 's' .*: write '5st'"),
        ("5 tokns", r"unknown unit 'tokns' .*: write '5tok'"),
        ("30 percent", r"unknown unit 'percent' .*: write '30%'"),
        ("1/0ep", r"the duration divides by 0; got '1/0'"),
        ("1e31", r"must be 0, or in size between 1e-30 and 1e\+30; got '1e31'"),
        ("1e999999999ep", r"must be 0, or in size between .*; got '1e999999999'"),  # without computing it
        ("1e-999999999ep", r"must be 0, or in size between .*; got '1e-999999999'"),
        (1e300, r"must be 0, or in size between .*; got 1e\+300"),
        pytest.param(10**5000, r"size between .*; got a whole number of very many digits", id="huge"),
        (math.nan, r"the duration must be finite; got nan"),
        (math.inf, r"the duration must be finite; got inf"),
        (True, r"must be a duration such as '5ep', '30%' or 100 \(steps\); got True"),
        (None, r"must be a duration such as .*; got None"),
        ([5], r"must be a duration such as .*; got \[5\]"),
        (np.array([1, 2]), r"must be a duration such as .*; got array"),
        (5j, r"must be a duration such as .*; got 5j"),
    ],
)
def test_what_is_no_duration(value: Any, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        to_duration(value)


def test_a_duration_is_not_made_by_its_constructor() -> None:
    with pytest.raises(ScheduleError, match=r"where one is needed, write '5ep'"):
        Duration("5ep")  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [math.nan, math.inf, True, "2", None])
def test_a_duration_is_multiplied_by_finite_numbers(factor: Any) -> None:
    with pytest.raises(ScheduleError, match="the multiplier of a duration must be"):
        to_duration("5ep") * factor


@pytest.mark.parametrize(
    ("exact", "text"),
    [
        (Fraction(1000), "1000"),
        (Fraction(5, 2), "2.5"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(1, 3), "1/3"),
        (Fraction(1, 10**5), "1e-05"),
        (Fraction(10**20), "100000000000000000000"),
        (Fraction(10**20 + 1, 2), "100000000000000000001/2"),
    ],
)
def test_fraction_text_is_short_and_exact(exact: Fraction, text: str) -> None:
    assert fraction_text(exact) == text
    assert Fraction(text) == exact


def test_fractions_are_read_as_written() -> None:
    assert to_fraction(1.1) == Fraction(11, 10)
    assert read_fraction("1.1", "x") == Fraction(11, 10)
    assert read_fraction("22/7", "x") == Fraction(22, 7)
    with pytest.raises(ScheduleError, match=r"x must be a number, or text such as '3/2'; got 'a'"):
        read_fraction("a", "x")
    with pytest.raises(ScheduleError, match=r"x must be a number; got '1'"):
        to_fraction("1", "x")


# Horizons: durations to steps.


@pytest.mark.parametrize(
    ("duration", "steps"),
    [
        (100, 100),
        ("5ep", 1955),
        ("1.5ep", Fraction(1173, 2)),
        ("30%", 10_557),
        ("100%", 35_190),
        ("1%", Fraction(3519, 10)),
        ("1280smp", 10),
        ("1smp", Fraction(1, 128)),
        ("1e6tok", Fraction(15_625, 32)),
        ("30% - 1st", 10_556),
        ("1ep - 1ep", 0),
    ],
)
def test_steps(duration: Any, steps: Fraction) -> None:
    assert HORIZON.steps(duration) == steps


@pytest.mark.parametrize(
    ("total", "steps"),
    [(1000, 1000), ("90ep", 35_190), ("1ep - 1st", 390), ("128000smp", 1000), ("0.5ep", Fraction(391, 2))],
)
def test_total_in_any_unit(total: Any, steps: Fraction) -> None:
    horizon = Horizon(391, total, samples_per_step=128)
    assert horizon.total_steps == steps
    assert horizon.steps("50%") == steps / 2


@pytest.mark.parametrize(
    ("horizon", "duration", "message"),
    [
        (
            Horizon(),
            "5ep",
            r"over is 5ep, in epochs, but the horizon has no steps_per_epoch; write Horizon\(",
        ),
        (Horizon(10), "5tok", r"over is 5tok, in tokens, but the horizon has no tokens_per_step"),
        (Horizon(10), "5smp", r"over is 5smp, in samples, but the horizon has no samples_per_step"),
        (
            Horizon(10),
            "5%",
            r"over is 5%, a share of the run, but the horizon has no total; write Horizon\(total=",
        ),
        (
            Horizon(10, "3ep"),
            "100% - 4ep",
            r"over is 100% - 4ep = -10 steps on this horizon \(10 updates an epoch",
        ),
        (Horizon(10), "x", r"over must be a duration"),
    ],
)
def test_what_a_horizon_cannot_tell(horizon: Horizon, duration: str, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        horizon.steps(duration, "over")


def test_signed_steps_may_be_negative() -> None:
    assert HORIZON.signed_steps("-2ep") == -782


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps_per_epoch": 0}, r"steps_per_epoch must be more than 0; got 0"),
        ({"steps_per_epoch": -3}, r"steps_per_epoch must be more than 0; got -3"),
        ({"steps_per_epoch": math.nan}, r"steps_per_epoch must be finite; got nan"),
        ({"steps_per_epoch": "3"}, r"steps_per_epoch must be a number; got '3'"),
        ({"steps_per_epoch": True}, r"steps_per_epoch must be a number; got True"),
        ({"steps_per_epoch": np.array([1, 2])}, r"steps_per_epoch must be a number; got array"),
        ({"steps_per_epoch": 1e40}, r"steps_per_epoch must be 0, or in size between"),
        ({"tokens_per_step": 0}, r"tokens_per_step must be more than 0; got 0"),
        ({"samples_per_step": -1}, r"samples_per_step must be more than 0; got -1"),
        ({"total": 0}, r"Horizon\(total=\) must be more than 0 steps; got 0"),
        ({"total": -5}, r"Horizon\(total=\) is -5st = -5 steps"),
        ({"total": "50%"}, r"Horizon\(total=\) cannot be a share of itself; got '50%'"),
        ({"total": "5ep"}, r"Horizon\(total=\) is 5ep, in epochs, but the horizon has no steps_per_epoch"),
        ({"total": "5 apples"}, r"Horizon\(total=\) has the unknown unit 'apples'"),
    ],
)
def test_horizons_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        Horizon(**arguments)


@pytest.mark.parametrize(
    ("horizon", "text", "written"),
    [
        (Horizon(), "length unknown", "Horizon()"),
        (Horizon(total=10_000), "10,000 updates in all", "Horizon(total=10000)"),
        (
            Horizon(391, "90ep"),
            "391 updates an epoch; × 90 epochs = 35,190 updates",
            "Horizon(steps_per_epoch=391, total='90ep')",
        ),
        (
            Horizon(samples_per_step=64, tokens_per_step=2048, total="2e9tok"),
            "64 samples an update; 2,048 tokens an update; 976562.5 updates in all",
            "Horizon(total='2000000000tok', samples_per_step=64, tokens_per_step=2048)",
        ),
    ],
)
def test_how_a_horizon_is_written(horizon: Horizon, text: str, written: str) -> None:
    assert str(horizon) == text
    assert repr(horizon) == written
    assert eval(written) == horizon


def test_horizons_are_values() -> None:
    assert Horizon(391, "90ep") == Horizon(391.0, "90ep") != Horizon(391, 35_190)
    assert pickle.loads(pickle.dumps(HORIZON)) == copy.deepcopy(HORIZON) == HORIZON
    assert len({HORIZON, copy.copy(HORIZON)}) == 1
    # The sum that counted it is how it came about, not what it is.
    assert Horizon.of(4, epochs=2) == Horizon(4, "2ep")


# Horizons: counting a run.


@pytest.mark.parametrize(
    ("batches", "counting", "per_epoch", "total"),
    [
        (4, {"epochs": 2, "accumulate": 3}, 2, 4),  # the window of one batch counts
        (4, {"epochs": 2, "accumulate": 3, "drop_last": True}, 1, 2),
        (4, {"epochs": 2}, 4, 8),
        (3, {"epochs": 2, "accumulate": 5}, 1, 2),
        (8, {"epochs": 1, "world_size": 2}, 4, 4),
        (8, {"epochs": 1, "world_size": 4}, 2, 2),
        (9, {"epochs": 1, "world_size": 4}, 3, 3),  # the last round is not full
        (9, {"epochs": 1, "world_size": 4, "drop_last": True}, 2, 2),
        (10, {"epochs": 3, "world_size": 2, "accumulate": 2}, 3, 9),
        (10, {"epochs": 3, "world_size": 2, "accumulate": 2, "drop_last": True}, 2, 6),
        (10, {"epochs": 2.5}, 10, 25),
        (3, {"epochs": 0.5}, 3, Fraction(3, 2)),
        (np.int64(4), {"epochs": np.int64(2)}, 4, 8),
        ([1, 2, 3], {"epochs": 1}, 3, 3),  # anything with a length
    ],
)
def test_updates_of_a_run(batches: Any, counting: dict[str, Any], per_epoch: int, total: Fraction) -> None:
    horizon = Horizon.of(batches, **counting)
    assert horizon.steps_per_epoch == per_epoch
    assert horizon.total_steps == total


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_line_down_over_the_run_ends_together_at_any_world_size(world_size: int) -> None:
    horizon = Horizon.of(8, epochs=world_size, world_size=world_size)
    assert horizon.total_steps == 8


def test_it_prints_its_sum() -> None:
    assert str(Horizon.of(4, epochs=2, accumulate=3)) == (
        "4 batches an epoch, 3 to an update (a partial window counts) = 2 updates an epoch; "
        "× 2 epochs = 4 updates"
    )
    assert str(Horizon.of(9, epochs=1, world_size=4, drop_last=True)) == (
        "9 batches an epoch, shared by 4 processes = 2 each = 2 updates an epoch; × 1 epochs = 2 updates"
    )


class Squares(Dataset[int]):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        return index**2


class Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(10))


def test_a_torch_loader() -> None:
    horizon = Horizon.of(DataLoader(Squares(), batch_size=3), epochs=2)
    assert horizon == Horizon(4, "2ep", samples_per_step=3)
    dropping = Horizon.of(DataLoader(Squares(), batch_size=3, drop_last=True), epochs=2, accumulate=2)
    assert dropping == Horizon(2, "2ep", samples_per_step=6)


def test_a_torch_loader_with_a_distributed_sampler_counts_one_process() -> None:
    data = TensorDataset(torch.arange(100))
    sampler = DistributedSampler(data, num_replicas=4, rank=0)
    loader = DataLoader(data, batch_size=5, sampler=sampler)
    # 25 samples and 5 batches for each process, and 20 samples in an update over all.
    expected = Horizon(5, "2ep", samples_per_step=20)
    assert Horizon.of(loader, epochs=2) == Horizon.of(loader, epochs=2, world_size=4) == expected
    with pytest.raises(HorizonError, match=r"shares the data among 4 processes, but world_size is 2; leave"):
        Horizon.of(loader, epochs=2, world_size=2)


def test_a_loader_without_a_batch_size_tells_no_samples() -> None:
    loader = DataLoader(Squares(), batch_size=None)
    assert Horizon.of(loader, epochs=1) == Horizon(10, "1ep")


@pytest.mark.parametrize(
    ("loader", "counting", "message"),
    [
        (DataLoader(Stream()), {"epochs": 1}, r"DataLoader has no length, .*give the number of batches"),
        (iter([1]), {"epochs": 1}, r"list_iterator has no length"),
        (True, {"epochs": 1}, r"bool has no length"),
        (2.5, {"epochs": 1}, r"float has no length"),
        (0, {"epochs": 1}, r"an epoch must have at least 1 batch; got 0"),
        (-4, {"epochs": 1}, r"an epoch must have at least 1 batch; got -4"),
        ([], {"epochs": 1}, r"an epoch must have at least 1 batch; got 0"),
        (4, {"epochs": 0}, r"epochs must be more than 0; got 0"),
        (4, {"epochs": "2"}, r"epochs must be a number; got '2'"),
        (4, {"epochs": 1, "accumulate": 0}, r"accumulate must be a whole number ≥ 1; got 0"),
        (4, {"epochs": 1, "accumulate": 1.5}, r"accumulate must be a whole number ≥ 1; got 1.5"),
        (4, {"epochs": 1, "world_size": True}, r"world_size must be a whole number ≥ 1; got True"),
        (2, {"epochs": 1, "accumulate": 3, "drop_last": True}, r"an epoch has no complete update: 2 batches"),
        (
            2,
            {"epochs": 1, "world_size": 3, "drop_last": True},
            r"an epoch has no complete update: .* 3 processes",
        ),
    ],
)
def test_runs_that_cannot_be_counted(loader: Any, counting: dict[str, Any], message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        Horizon.of(loader, **counting)


# The horizon as JSON holds it.


@given(
    st.none() | st.fractions(Fraction(1, 1000), 10**6),
    st.none() | st.fractions(Fraction(1, 1000), 10**20),
    st.none() | st.fractions(Fraction(1, 1000), 10**6),
    st.none() | st.fractions(Fraction(1, 1000), 10**6),
)
def test_a_horizon_is_read_back_exactly(
    epoch: Fraction | None, total: Fraction | None, samples: Fraction | None, tokens: Fraction | None
) -> None:
    horizon = Horizon(epoch, total, samples_per_step=samples, tokens_per_step=tokens)
    read = Horizon.from_dict(json.loads(json.dumps(horizon.to_dict())))
    assert read == horizon
    assert read.to_dict() == horizon.to_dict()


def test_the_length_of_a_run_keeps_its_unit() -> None:
    assert Horizon(391, "90ep - 1st", tokens_per_step=2048).to_dict() == {
        "steps_per_epoch": "391",
        "total": "90ep - 1st",
        "samples_per_step": None,
        "tokens_per_step": "2048",
    }
    counted = Horizon.of(4, epochs=2, accumulate=3)
    assert Horizon.from_dict(counted.to_dict()) == counted


def test_a_dict_of_a_horizon_is_not_changed_by_reading_it() -> None:
    values = Horizon(391, "90ep").to_dict()
    before = dict(values)
    Horizon.from_dict(values)
    assert values == before


NOTHING = Horizon().to_dict()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"a horizon has the fields steps_per_epoch, total, samples_per_step, tokens_per_step; got \[\]"),
        ({}, r"the horizon's field 'steps_per_epoch' is missing; it is null where it is not given"),
        (
            {"steps_per_epoch": None, "total": None, "samples_per_step": None},
            r"the horizon's field 'tokens_per_step' is missing",
        ),
        (NOTHING | {"epochs": "90"}, r"a horizon has no field 'epochs'; it has steps_per_epoch, total, "),
        (NOTHING | {"total": 8}, r"the horizon's total must be text such as '391', or null; got 8"),
        (NOTHING | {"steps_per_epoch": 391}, r"the horizon's steps_per_epoch must be text .*; got 391"),
        (NOTHING | {"steps_per_epoch": "many"}, r"the horizon's steps_per_epoch must be a number.*'many'"),
        (NOTHING | {"samples_per_step": "0"}, r"samples_per_step must be more than 0"),
        (NOTHING | {"tokens_per_step": "1/0"}, r"the horizon's tokens_per_step divides by 0; got '1/0'"),
        (NOTHING | {"total": "long"}, r"Horizon\(total=\) must be a duration"),
        (NOTHING | {"total": "50%"}, r"Horizon\(total=\) cannot be a share of itself"),
        (NOTHING | {"total": "2ep"}, r"Horizon\(total=\) is 2ep, in epochs, but the horizon has no"),
    ],
)
def test_dicts_that_are_no_horizon(values: Any, message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        Horizon.from_dict(values)
