"""The tutorials' schedules: each begins, peaks and ends where it is meant to, on runs of any length."""

from __future__ import annotations

import pytest

import etude as et
from etude import BASE, Horizon
from etude.errors import SpecError
from etude.study import TUTORIALS, Arm, choose_arms

ARMS = {arm.label: arm for arm in TUTORIALS}
# First rate, highest, and the one just past the last update, as multiples of the peak; None where the length
# of a step decides.
ENDS = {
    "fixed": (1.0, 1.0, 1.0),
    "time": (1.0, 1.0, 0.1),
    "exponential": (1.0, 1.0, 0.01),
    "step": (1.0, 1.0, 0.3**3),
    "plateau": (1.0, 1.0, 1.0),
    "cosine": (1.0, 1.0, 0.0),
    "sgdr": (1.0, 1.0, None),
    "cyclic cosine decay": (0.02, 1.0, None),
    "triangular": (1 / 6, 1.0, 1 / 6),
    "triangular2": (1 / 6, 1.0, 1 / 6),
    "exp_range": (1 / 6, None, 1 / 6),
    "one-cycle": (1 / 25, 1.0, 1 / 25e4),
    "wsd": (None, 1.0, 0.0),
    "linear to zero": (None, 1.0, 0.0),
}
LENGTHS = (100, 420, 840, 1680, 4680)


@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("label", ARMS)
def test_a_tutorials_schedule_begins_peaks_and_ends_as_meant(label: str, steps: int) -> None:
    first, peak, end = ENDS[label]

    table = ARMS[label].schedule.on(Horizon(total=steps))
    values = table(range(steps))

    assert table.check() == ()
    assert values.min() >= 0
    assert 0 < values[0] <= 1
    assert values.max() <= 1 + 1e-12
    if first is not None:
        assert values[0] == pytest.approx(first)
    if peak is not None:
        # Within the steepest slope of one update: where the peak lies between two.
        assert values.max() == pytest.approx(peak, abs=12 / steps)
    if end is not None:
        assert table(steps) == pytest.approx(end, abs=1e-9)


@pytest.mark.parametrize("steps", [100, 700, 1680])
@pytest.mark.parametrize(
    ("label", "ends_of_cycles"),
    [("sgdr", (1 / 7, 3 / 7, 1)), ("cyclic cosine decay", (0.6, 0.8, 1)), ("triangular", (1 / 3, 2 / 3, 1))],
)
def test_the_last_cycle_ends_with_the_run(label: str, ends_of_cycles: tuple[float, ...], steps: int) -> None:
    phases = ARMS[label].schedule.on(Horizon(total=steps)).phases
    stops = [phase.stop for phase in phases]

    for end in ends_of_cycles:
        assert min(abs(stop - end * steps) for stop in stops) < 1e-9
    assert stops[-1] == steps


@pytest.mark.parametrize("label", ARMS)
def test_a_tutorials_schedule_is_a_multiple_of_the_peak(label: str) -> None:
    table = ARMS[label].schedule.on(Horizon(total=420))

    assert ARMS[label].schedule.depends_on_base
    assert table(range(420), 0.25) == pytest.approx(0.25 * table(range(420)))


@pytest.mark.parametrize("label", ARMS)
def test_the_store_can_read_a_tutorials_schedule_back(label: str) -> None:
    assert et.parse(repr(ARMS[label].schedule)) == ARMS[label].schedule


def test_no_two_of_them_are_the_same() -> None:
    assert len(ARMS) == len({arm.schedule for arm in TUTORIALS}) == len(TUTORIALS) == len(ENDS)


# Choosing


def test_all_of_them_are_compared_where_none_is_named() -> None:
    assert choose_arms() == TUTORIALS


def test_the_fixed_rate_is_always_among_them() -> None:
    assert [arm.label for arm in choose_arms(["one-cycle", "cosine"])] == ["fixed", "cosine", "one-cycle"]
    assert [arm.label for arm in choose_arms(["fixed"])] == ["fixed"]


def test_ones_own_schedule_is_labelled_by_its_expression() -> None:
    own = et.Rex(over="100%")

    assert choose_arms(["fixed"], [own, own]) == (ARMS["fixed"], Arm("Rex(BASE, 0.0, over='100%')", own))


def test_ones_own_schedule_is_not_compared_twice() -> None:
    assert choose_arms(["cosine"], [et.cosine(), et.Constant(BASE)]) == (ARMS["fixed"], ARMS["cosine"])
    assert [arm.label for arm in choose_arms(["fixed"], [et.cosine()])] == ["fixed", repr(et.cosine())]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("cosin", "no schedule labelled 'cosin' .*there are fixed, time, .*; did you mean 'cosine'"),
        ("Cosine(over=3)", "an expression of your own goes into -s"),
    ],
)
def test_a_label_that_there_is_not_is_refused(label: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        choose_arms([label])
