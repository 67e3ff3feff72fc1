"""Curves whose answers are known: sigmoids with a divergence, and what must have no answer."""

from __future__ import annotations

import numpy as np
import pytest

from etude.eases import Array
from etude.errors import ScheduleError
from etude.finder import Curve, NoAnswer, Suggestion, suggest

NAN = float("nan")
RATES = np.geomspace(1e-6, 10.0, 211)
"""30 steps in each decade."""
STEP = RATES[1] / RATES[0]
BY_LOSS = ["steepest", "valley", "fixed", "peak", "minimum/10", "edge/4"]
RULES = [*BY_LOSS, "base", "max", "max/3", "max/4"]


def sigmoid(middle: float = 1e-3, diverges: float = 0.3, rates: Array = RATES) -> Array:
    """From 2.3 down to 0.3, steepest at ``middle``; above 2.3 again beyond ``diverges``."""
    fall = 2.0 / (1 + (middle / rates) ** 1.5)
    loss: Array = 2.3 - fall + 2.0 * (rates / diverges) ** 3
    return loss


def noise(size: float, seed: int = 0, count: int = len(RATES)) -> Array:
    return np.random.default_rng(seed).normal(0, size, count)


def value(curve: Curve, rule: str) -> float:
    answer = suggest(curve)[rule]
    assert isinstance(answer, Suggestion), str(answer)
    assert answer.low <= answer.value <= answer.high
    return answer.value


def reason(curve: Curve, rule: str) -> str:
    answer = suggest(curve)[rule]
    assert isinstance(answer, NoAnswer), str(answer)
    return answer.reason


# Known answers.


@pytest.mark.parametrize("middle", [1e-4, 1e-3, 3e-3])
def test_steepest_is_the_middle_of_a_sigmoid(middle: float) -> None:
    assert value(Curve(RATES, sigmoid(middle)), "steepest") == pytest.approx(middle, rel=STEP - 1)


def test_valley_is_the_middle_of_the_fall() -> None:
    # From the last 5 % to the first 95 % of a logistic: the same distance on both sides of the middle.
    loss = sigmoid(1e-3, diverges=3.0)
    assert value(Curve(RATES, loss), "valley") == pytest.approx(1e-3, rel=0.3)


def rule_for_fixed(rates: Array, loss: Array) -> float:
    """0.16 · √(Σ · η), as it is told, of a loss without noise."""
    fall = 2.3 - loss.min()
    half = np.flatnonzero(loss < 2.3 - 0.5 * fall)[0]
    low = np.flatnonzero(loss <= 2.3 - 0.9 * fall)[-1]
    return 0.16 * float(rates[: half + 1].sum() * rates[low]) ** 0.5


@pytest.mark.parametrize("count", [60, 200, 1000, 4000])
def test_fixed_is_between_how_far_training_has_to_go_and_what_it_bears(count: int) -> None:
    rates = np.geomspace(1e-6, 10.0, count)
    curve = Curve(rates, sigmoid(rates=rates))
    wanted = rule_for_fixed(rates, sigmoid(rates=rates))
    assert value(curve, "fixed") == pytest.approx(wanted, rel=0.15)
    assert value(curve, "peak") == 2.5 * value(curve, "fixed")


def test_a_peak_is_not_above_what_is_borne() -> None:
    # The loss falls at a cliff, so that training is there after few of many steps.
    rates = np.geomspace(1e-6, 10.0, 1000)
    loss = np.where(rates < 0.05, 2.3, np.where(rates < 0.1, 0.3, 9.0))
    assert 0.05 < value(Curve(rates, loss), "peak") < 0.1 < 2.5 * rule_for_fixed(rates, loss)


def test_fixed_and_peak_are_told_as_widely_as_the_best_rate_was_off() -> None:
    losses = [sigmoid(middle) for middle in (9e-4, 1e-3, 1.1e-3)]
    lone = [value(Curve(RATES, loss), "fixed") for loss in losses]
    answers = suggest(Curve(RATES, losses))
    for rule, times in (("fixed", 1.0), ("peak", 2.5)):
        answer = answers[rule]
        assert isinstance(answer, Suggestion)
        assert (answer.low, answer.high) == pytest.approx((times * lone[0] / 4, times * lone[2] * 4))


def test_a_test_of_anything_else_than_the_rate_has_neither() -> None:
    curve = Curve(RATES, sigmoid(), of="weight_decay")
    for rule in ("fixed", "peak"):
        assert reason(curve, rule) == "it is a rule for 'lr', and this test was of 'weight_decay'"
    assert value(curve, "steepest") == pytest.approx(1e-3, rel=STEP - 1)


@pytest.mark.parametrize("place", [20, 60])
def test_an_early_dip_moves_fixed_by_no_more_than_its_width(place: int) -> None:
    width, reach = 15, 13
    dipped = sigmoid()
    dipped[place : place + width] -= 1.9
    moved = value(Curve(RATES, sigmoid()), "fixed") / value(Curve(RATES, dipped), "fixed")
    assert 1.0 <= moved < STEP ** (width + 2 * reach)


def test_minimum_10_is_a_tenth_of_the_lowest() -> None:
    loss = sigmoid()
    assert value(Curve(RATES, loss), "minimum/10") == pytest.approx(
        RATES[loss.argmin()] / 10, rel=2 * (STEP - 1)
    )


def test_the_edge_is_where_the_loss_is_back() -> None:
    loss = sigmoid()
    back = RATES[np.flatnonzero(loss < 2.3)[-1] + 1]
    assert value(Curve(RATES, loss), "edge/4") == pytest.approx(back / 4, rel=3 * (STEP - 1))
    answer = suggest(Curve(RATES, loss), edge_over=10)["edge/10"]
    assert isinstance(answer, Suggestion)
    assert answer.value == pytest.approx(back / 10, rel=3 * (STEP - 1))


def test_a_scaled_curve_has_the_same_answers_and_scaled_rates_scaled_ones() -> None:
    loss = sigmoid() + noise(0.05)
    for rule in BY_LOSS:
        own = value(Curve(RATES, loss), rule)
        assert value(Curve(RATES, 1000 * loss - 5000), rule) == own
        assert value(Curve(8 * RATES, loss), rule) == pytest.approx(8 * own, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_noise_moves_the_answers_within_their_intervals(seed: int) -> None:
    curve = Curve(RATES, sigmoid() + noise(0.1, seed))
    clean = Curve(RATES, sigmoid())
    for rule in BY_LOSS:
        answer = suggest(curve)[rule]
        assert isinstance(answer, Suggestion), str(answer)
        assert answer.low / 2 <= value(clean, rule) <= answer.high * 2
        assert answer.high / answer.low < 30


def test_a_straight_ramp_has_the_same_answers() -> None:
    rates = np.linspace(0.0, 1.0, 400)
    loss = sigmoid(0.2, 0.8, np.maximum(rates, 1e-9))
    curve = Curve(rates, loss)
    assert value(curve, "steepest") == pytest.approx(0.2, rel=0.3)
    back = rates[np.flatnonzero(loss < 2.3)[-1] + 1]
    assert value(curve, "edge/4") == pytest.approx(back / 4, rel=0.05)


def test_repeats_give_the_interval() -> None:
    losses = [sigmoid(middle) for middle in (5e-4, 1e-3, 2e-3)]
    answer = suggest(Curve(RATES, losses))["steepest"]
    assert isinstance(answer, Suggestion)
    assert answer.low == pytest.approx(5e-4, rel=0.1)
    assert answer.high == pytest.approx(2e-3, rel=0.1)


# The paper's bounds.


def accuracy(starts: float = 1e-4, slows: float = 1e-2, falls: float = 0.3) -> Array:
    """0.1, then straight up in the logarithm from ``starts`` to 0.9 at ``slows``; down from ``falls`` on."""
    rise = np.clip(np.log(RATES / starts) / np.log(slows / starts), 0, 1)
    fall = np.clip(np.log(RATES / falls) / np.log(3.0), 0, 1)
    values: Array = 0.1 + 0.8 * rise - 0.8 * fall
    return values


def bounds_of(values: Array) -> Curve:
    return Curve(RATES, sigmoid(), {"accuracy": values})


def test_base_and_max_are_where_accuracy_starts_to_rise_and_slows() -> None:
    curve = bounds_of(accuracy() + noise(0.01))
    # A tenth of the rise is a tenth of two decades.
    assert value(curve, "base") == pytest.approx(1e-4 * 10**0.2, rel=0.3)
    top = value(curve, "max")
    assert top == pytest.approx(1e-2, rel=0.7)
    assert value(curve, "max/3") == top / 3
    assert value(curve, "max/4") == top / 4
    answer = suggest(curve)["max"]
    assert answer.reason == "the metric slows"


def test_max_is_where_accuracy_falls_or_turns_ragged() -> None:
    falling = suggest(bounds_of(accuracy(slows=0.1, falls=0.1) + noise(0.003)))["max"]
    assert isinstance(falling, Suggestion)
    assert 0.03 < falling.value < 0.12

    wild = accuracy(slows=1.0, falls=5.0) + noise(0.005) + np.where(RATES > 0.01, noise(0.08, 1), 0)
    ragged = suggest(bounds_of(wild))["max"]
    assert isinstance(ragged, Suggestion)
    assert ragged.reason == "the metric turns ragged"
    assert ragged.value == pytest.approx(0.01, rel=0.6)


def test_another_metric_can_be_named() -> None:
    curve = Curve(RATES, sigmoid(), {"f1": accuracy()})
    assert isinstance(suggest(curve)["max"], NoAnswer)
    assert isinstance(suggest(curve, metric="f1")["max"], Suggestion)
    with pytest.raises(ScheduleError, match="no metric called 'f2' was measured; there are 'f1'"):
        suggest(curve, metric="f2")


# No answer.


def test_every_rule_is_named_with_its_source() -> None:
    answers = suggest(Curve(RATES, sigmoid()))
    assert list(answers) == RULES
    assert all(answer.name == name and answer.source for name, answer in answers.items())


@pytest.mark.parametrize("loss", [np.full(len(RATES), 2.3), 2.3 + noise(0.1), np.zeros(len(RATES))])
def test_a_flat_curve_has_no_answer(loss: Array) -> None:
    """T62."""
    curve = Curve(RATES, loss, {"accuracy": 0.1 + 0 * loss})
    for rule in BY_LOSS[:-1]:
        assert "it is flat" in reason(curve, rule)
    assert reason(curve, "edge/4") == "the loss does not come back to where it began; raise stop"
    assert "the metric does not rise; it is flat" in reason(curve, "max")


def test_five_points_have_no_answer() -> None:
    """T62."""
    curve = Curve(RATES[:5], [2.3, 2.0, 1.0, 0.5, 3.0])
    assert {reason(curve, rule) for rule in BY_LOSS} == {"5 finite values are too few; 10 are needed"}


@pytest.mark.parametrize("place", [0, 4, 10, 20])
def test_an_early_spike_is_not_chosen(place: int) -> None:
    """T62."""
    loss = sigmoid() + noise(0.02)
    plain = Curve(RATES, loss)
    loss = loss.copy()
    loss[place : place + 3] = [9.0, 8.0, 5.0]
    spiked = Curve(RATES, loss)
    for rule in BY_LOSS:
        assert value(spiked, rule) == pytest.approx(value(plain, rule), rel=0.35)


@pytest.mark.parametrize("tail", [NAN, float("inf")])
def test_a_tail_of_nan_is_ignored(tail: float) -> None:
    """T62."""
    loss = sigmoid(1e-3, diverges=100.0)
    loss[180:] = tail
    curve = Curve(RATES, loss, ended=["3 losses in a row were not finite"])
    assert value(curve, "steepest") == pytest.approx(1e-3, rel=STEP - 1)
    # The edge is where the numbers end.
    assert value(curve, "edge/4") == pytest.approx(RATES[179] / 4, rel=STEP - 1)


def test_a_gap_is_ignored() -> None:
    loss = sigmoid()
    loss[40:42] = NAN
    assert value(Curve(RATES, loss), "steepest") == pytest.approx(1e-3, rel=2 * (STEP - 1))


def test_a_loss_that_still_falls_has_no_lowest_and_no_edge() -> None:
    curve = Curve(RATES[:110], sigmoid()[:110])
    assert reason(curve, "valley") == "the loss still falls at the last rate; raise stop"
    assert reason(curve, "minimum/10") == "the loss still falls at the last rate; raise stop"
    assert reason(curve, "edge/4") == "the loss does not come back to where it began; raise stop"


def test_a_loss_that_falls_from_the_first_rate_on_began_too_high() -> None:
    curve = Curve(RATES[95:], sigmoid(1e-4)[95:])
    for rule in ("steepest", "fixed", "peak"):
        assert "begin with a lower start" in reason(curve, rule)


def test_a_loss_that_only_rises_has_an_edge_and_nothing_else() -> None:
    curve = Curve(RATES, 2.3 + (RATES / 0.1) ** 2)
    assert "it is flat: a fall of" in reason(curve, "steepest")
    assert value(curve, "edge/4") < 0.1 / 4


def test_a_negative_loss_is_as_good_as_another() -> None:
    assert value(Curve(RATES, sigmoid() - 100), "steepest") == value(Curve(RATES, sigmoid()), "steepest")


def test_the_same_curve_has_the_same_answers() -> None:
    curve = Curve(RATES, sigmoid() + noise(0.1))
    assert suggest(curve) == suggest(curve)


def test_a_long_curve_is_averaged() -> None:
    rates = np.geomspace(1e-6, 10.0, 5000)
    loss = sigmoid(rates=rates) + noise(0.3, count=5000)
    assert value(Curve(rates, loss), "steepest") == pytest.approx(1e-3, rel=0.5)


def test_the_edge_is_divided_by_1_at_least() -> None:
    with pytest.raises(ScheduleError, match=r"edge_over must be a finite number, at least 1; got 0.5"):
        suggest(Curve(RATES, sigmoid()), edge_over=0.5)
