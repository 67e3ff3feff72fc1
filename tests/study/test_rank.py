"""Rankings of made-up runs, against numbers worked out by hand and by scipy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from etude.record import RunKey, RunRecord
from etude.study.plan import Cell, Plan
from etude.study.rank import Ranking, Row, choose_peaks, rank, share_needed

from .synthetic import ABSOLUTE, COSINE, FIXED, LINEAR, REX, STEP, plan_of, rank_tests, records_of

INF = math.inf


def row(ranking: Ranking, label: str) -> Row:
    return next(row for row in ranking.rows if row.label == label)


def without(records: dict[RunKey, RunRecord], *keys: RunKey) -> dict[RunKey, RunRecord]:
    return {key: record for key, record in records.items() if key not in keys}


# Choosing peaks


def chosen(
    validation: dict[float, list[float]], test: dict[float, list[float]] | None = None
) -> float | None:
    """The peak that is chosen for the fixed rate by the scores of the seeds, given by peak."""
    plan = plan_of(FIXED, budgets=(100,), peaks=tuple(validation), seeds=3, tuning_seeds=2)
    records = records_of(
        plan, lambda _, __, peak, seed: (validation[peak or 0][seed], (test or validation)[peak or 0][seed])
    )
    return choose_peaks(plan, records)[Cell(FIXED, 100)]


def test_the_best_mean_validation_score_wins() -> None:
    assert chosen({0.1: [0.5, 0.7, 0], 0.2: [0.8, 0.6, 0], 0.3: [0.9, 0.2, 0]}) == 0.2


def test_test_scores_choose_nothing() -> None:
    validation = {0.1: [0.9, 0.9, 0.9], 0.2: [0.8, 0.8, 0.8]}
    test = {0.1: [0.1, 0.1, 0.1], 0.2: [0.99, 0.99, 0.99]}

    assert chosen(validation, test) == 0.1


def test_only_the_tuning_seeds_choose() -> None:
    assert chosen({0.1: [0.5, 0.5, 0.0], 0.2: [0.4, 0.4, 1.0]}) == 0.1


def test_of_equal_ones_the_lowest_peak_wins() -> None:
    assert chosen({0.1: [0.5, 0.5, 0], 0.2: [0.9, 0.8, 0], 0.3: [0.8, 0.9, 0]}) == 0.2


def test_a_tie_is_not_broken_by_the_order_of_the_scores() -> None:
    # The plain sums differ in their last digit.
    scores = [0.1, 0.2, 0.3]
    assert sum(scores) != sum(scores[::-1])
    plan = plan_of(FIXED, budgets=(100,), peaks=(0.1, 0.2), seeds=3, tuning_seeds=3)

    records = records_of(plan, lambda _, __, peak, seed: ((scores[::-1] if peak == 0.1 else scores)[seed], 0))

    assert choose_peaks(plan, records) == {Cell(FIXED, 100): 0.1}


@pytest.mark.parametrize(
    ("validation", "peak"),
    [
        ({0.1: [0.1, 0.1, 0], 0.2: [0.9, -INF, 0]}, 0.1),
        ({0.1: [-INF, -INF, 0], 0.2: [-INF, 0.9, 0], 0.3: [0.0, 0.1, 0]}, 0.3),
        ({0.1: [-INF, 0.9, 0], 0.2: [-INF, -INF, 0]}, 0.1),
    ],
    ids=["in one seed", "in most", "at every peak"],
)
def test_a_peak_that_diverges_is_chosen_only_where_all_do(
    validation: dict[float, list[float]], peak: float
) -> None:
    assert chosen(validation) == peak


def test_each_budget_has_its_own_peak() -> None:
    plan = plan_of(FIXED, COSINE)
    best = {("fixed", 100): 0.3, ("fixed", 400): 0.1, ("cosine", 100): 0.2, ("cosine", 400): 0.3}

    records = records_of(plan, lambda label, budget, peak, _: (float(peak == best[label, budget]), 0.5))

    peaks = choose_peaks(plan, records)
    assert {(cell.arm.label, cell.budget): peak for cell, peak in peaks.items()} == best


def test_no_peak_is_chosen_before_all_tuning_runs_have_finished() -> None:
    plan = plan_of(FIXED, COSINE)
    records = records_of(plan, lambda *_: (0.5, 0.5))

    missing = plan.key(Cell(COSINE, 400), 0.3, 1)

    assert set(choose_peaks(plan, without(records, missing))) == set(plan.cells()) - {Cell(COSINE, 400)}
    assert choose_peaks(plan, {}) == {}


# Rows


def test_the_best_comes_first_and_ties_keep_the_order_of_the_plan() -> None:
    plan = plan_of(FIXED, COSINE, LINEAR, REX, budgets=(100,), seeds=2)
    tests = {"fixed": [0.5, 0.5], "cosine": [0.6, 0.8], "linear": [0.4, 0.6], "rex": [0.1, -INF]}

    ranking = rank_tests(plan, {label: {100: scores} for label, scores in tests.items()})

    assert [row.label for row in ranking.rows] == ["cosine", "fixed", "linear", "rex"]
    assert [row.final.mean for row in ranking.rows] == pytest.approx([0.7, 0.5, 0.5, -INF])


def test_a_summary_has_the_test_scores_of_the_chosen_peak_and_where_they_are_from() -> None:
    plan = plan_of(FIXED, budgets=(100, 400), peaks=(0.1, 0.2), seeds=3)
    records = records_of(plan, lambda _, __, peak, seed: (peak or 0, 0.5 + seed / 10 + (peak or 0)))

    ranking = rank(plan, records, {Cell(FIXED, 400): 80.0, Cell(FIXED, 100): 20.0})

    assert ranking is not None
    [fixed] = ranking.rows
    assert [summary.budget for summary in fixed.budgets] == [100, 400]
    assert fixed.final.peak == 0.2
    assert fixed.final.scores == pytest.approx({0: 0.7, 1: 0.8, 2: 0.9})
    assert fixed.final.runs == {seed: records[plan.key(Cell(FIXED, 400), 0.2, seed)].id for seed in range(3)}
    assert fixed.final.mean == pytest.approx(0.8)
    assert fixed.final.standard_error == pytest.approx(0.1 / math.sqrt(3))
    assert fixed.area == 80.0


@pytest.mark.parametrize(
    ("peaks", "best", "at_edge"),
    [
        ((0.1, 0.2, 0.3), 0.1, True),
        ((0.1, 0.2, 0.3), 0.2, False),
        ((0.1, 0.2, 0.3), 0.3, True),
        ((0.1, 0.2), 0.2, True),
        ((0.1,), 0.1, False),
    ],
)
def test_a_peak_at_the_edge_of_the_grid_is_flagged(
    peaks: tuple[float, ...], best: float, at_edge: bool
) -> None:
    plan = plan_of(FIXED, peaks=peaks)

    ranking = rank(plan, records_of(plan, lambda _, __, peak, ___: (float(peak == best), 0.5)), {})

    assert ranking is not None
    assert ranking.fixed.final.at_edge is at_edge


def test_a_schedule_in_absolute_rates_has_no_peak_and_no_edge() -> None:
    plan = plan_of(FIXED, ABSOLUTE)

    ranking = rank(plan, records_of(plan, lambda *_: (0.5, 0.5)), {})

    assert ranking is not None
    assert (row(ranking, "absolute").final.peak, row(ranking, "absolute").final.at_edge) == (None, False)


# Differences


@pytest.mark.parametrize("seeds", [2, 4, 12])
def test_the_difference_is_paired_by_seed_with_students_interval(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    fixed = rng.uniform(0.5, 0.9, seeds)
    cosine = fixed + rng.normal(0.01, 0.02, seeds)
    plan = plan_of(FIXED, COSINE, budgets=(100,), seeds=seeds)

    ranking = rank_tests(plan, {"fixed": {100: list(fixed)}, "cosine": {100: list(cosine)}})

    known = stats.ttest_rel(cosine, fixed)
    ours = row(ranking, "cosine")
    assert ours.difference == pytest.approx(float(np.mean(cosine - fixed)))
    assert ours.interval == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert ours.p_value == pytest.approx(known.pvalue)
    assert (ranking.fixed.difference, ranking.fixed.interval, ranking.fixed.p_value) == (None, None, None)


def test_the_interval_of_a_difference_by_hand() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100,), seeds=3)

    ranking = rank_tests(plan, {"fixed": {100: [0.50, 0.60, 0.70]}, "cosine": {100: [0.51, 0.62, 0.73]}})

    # Of 0.01, 0.02, 0.03: mean 0.02, deviation 0.01, standard error 0.01 / √3; t(2) at 95 % is 4.3027.
    reach = 4.302652729911275 * 0.01 / math.sqrt(3)
    assert row(ranking, "cosine").interval == pytest.approx((0.02 - reach, 0.02 + reach))


def test_p_values_are_adjusted_by_holm() -> None:
    spreads = {"cosine": 0.001, "linear": 0.002, "rex": 0.05, "step": 0.06}
    shape = np.array([-1.5, -0.5, 0.5, 1.5])
    tests = {label: {100: list(0.71 + spread * shape)} for label, spread in spreads.items()}
    plan = plan_of(FIXED, COSINE, LINEAR, REX, STEP, budgets=(100,), seeds=4)

    ranking = rank_tests(plan, {"fixed": {100: [0.7] * 4}, **tests})

    raw = [
        stats.ttest_1samp(np.array(tests[label][100]) - 0.7, 0).pvalue
        for label in ("cosine", "linear", "rex", "step")
    ]
    assert raw == sorted(raw)
    by_hand = [4 * raw[0], 3 * raw[1], min(2 * raw[2], 1), min(max(2 * raw[2], raw[3]), 1)]
    assert [row(ranking, label).p_value for label in tests] == pytest.approx(by_hand)
    assert [row.label for row in ranking.ahead()] == ["cosine", "linear"]


def test_what_alone_would_be_sure_is_not_so_among_many() -> None:
    shape = np.array([-1.0, 0.0, 1.0])
    better = list(0.72 + 0.007 * shape)
    others = [COSINE, LINEAR, REX, STEP]
    alone = plan_of(FIXED, COSINE, budgets=(100,), seeds=3)
    among = plan_of(FIXED, *others, budgets=(100,), seeds=3)
    tests = {"fixed": {100: [0.7] * 3}, **{arm.label: {100: list(0.7 + 0.1 * shape)} for arm in others}}
    tests["cosine"] = {100: better}

    assert [row.label for row in rank_tests(alone, tests).ahead()] == ["cosine"]
    assert rank_tests(among, tests).ahead() == []


def test_ahead_and_behind_are_those_that_are_sure() -> None:
    shape = 0.001 * np.array([-1.0, 0.0, 1.0])
    tests = {"cosine": 0.8 + shape, "linear": 0.6 + shape, "rex": 0.7 + 30 * shape}
    plan = plan_of(FIXED, COSINE, LINEAR, REX, budgets=(100,), seeds=3)

    ranking = rank_tests(
        plan, {"fixed": {100: [0.7] * 3}, **{label: {100: list(values)} for label, values in tests.items()}}
    )

    assert [row.label for row in ranking.ahead()] == ["cosine"]
    assert [row.label for row in ranking.behind()] == ["linear"]
    assert ranking.diverged() == []


def test_the_schedules_together_are_their_mean_against_the_fixed_rate() -> None:
    rng = np.random.default_rng(0)
    fixed = rng.uniform(0.6, 0.7, 4)
    cosine, linear = fixed + rng.normal(0.02, 0.03, (2, 4))
    plan = plan_of(FIXED, COSINE, LINEAR, REX, budgets=(100,), seeds=4)

    ranking = rank_tests(
        plan,
        {
            "fixed": {100: list(fixed)},
            "cosine": {100: list(cosine)},
            "linear": {100: list(linear)},
            # What diverged has no part in it.
            "rex": {100: [0.9, -INF, 0.9, 0.9]},
        },
    )

    known = stats.ttest_rel((cosine + linear) / 2, fixed)
    together = ranking.together
    assert together is not None
    assert together.mean == pytest.approx(float(np.mean((cosine + linear) / 2 - fixed)))
    assert together.interval == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert together.p_value == pytest.approx(known.pvalue)


@pytest.mark.parametrize(
    ("gap", "ahead"), [(0.05, True), (-0.05, False), (0.0, False)], ids=["ahead", "behind", "neither"]
)
def test_few_seeds_may_tell_of_all_what_they_cannot_tell_of_each(gap: float, ahead: bool) -> None:
    # Each strays far from the fixed rate, and their mean does not.
    noise = np.array([[0.05, -0.04, -0.01], [-0.05, 0.05, 0.0], [0.001, -0.01, 0.012]])
    tests = {
        label: {100: list(0.7 + gap + row)}
        for label, row in zip(("cosine", "linear", "rex"), noise, strict=True)
    }
    plan = plan_of(FIXED, COSINE, LINEAR, REX, budgets=(100,), seeds=3)
    fixed = {100: [0.7, 0.7, 0.7]}

    assert rank_tests(plan, {"fixed": fixed, **tests}).ahead_together() is ahead


def test_the_fixed_rate_alone_has_no_others_together() -> None:
    ranking = rank_tests(plan_of(FIXED, budgets=(100,), seeds=2), {"fixed": {100: [0.5, 0.6]}})

    assert ranking.together is None
    assert not ranking.ahead_together()


@pytest.mark.parametrize(
    ("seeds", "gap", "p_value"),
    [(2, 0.1, 0.5), (5, 0.1, 1 / 16), (6, 0.1, 1 / 32), (6, -0.1, 1 / 32), (6, 0.0, 1.0)],
)
def test_equal_differences_count_by_their_sign_alone(seeds: int, gap: float, p_value: float) -> None:
    # Not the same scores: their differences differ in the last digits.
    fixed = [0.7 + seed / 10 for seed in range(seeds)]
    plan = plan_of(FIXED, COSINE, budgets=(100,), seeds=seeds)

    ranking = rank_tests(plan, {"fixed": {100: fixed}, "cosine": {100: [score + gap for score in fixed]}})

    ours = row(ranking, "cosine")
    assert ours.difference == pytest.approx(gap)
    assert ours.interval is None
    assert ours.p_value == p_value


def test_one_seed_has_differences_and_nothing_else() -> None:
    plan = plan_of(FIXED, COSINE, seeds=1, tuning_seeds=1)

    ranking = rank_tests(plan, {"fixed": {100: [0.5], 400: [0.7]}, "cosine": {100: [0.6], 400: [0.8]}})

    ours = row(ranking, "cosine")
    assert ours.difference == pytest.approx(0.1)
    assert (ours.interval, ours.p_value) == (None, None)
    assert math.isnan(ours.final.standard_error)
    assert ours.share == pytest.approx(0.5)
    assert ranking.ahead() == ranking.behind() == []


# Divergence


def test_a_schedule_that_diverged_in_one_seed_has_no_statistics() -> None:
    plan = plan_of(FIXED, COSINE, LINEAR, budgets=(100,), seeds=3)

    ranking = rank_tests(
        plan,
        {
            "fixed": {100: [0.70, 0.71, 0.72]},
            "cosine": {100: [0.90, -INF, 0.90]},
            "linear": {100: [0.80, 0.81, 0.83]},
        },
    )

    ours = row(ranking, "cosine")
    assert (ours.final.mean, ours.difference, ours.interval, ours.p_value) == (-INF, -INF, None, None)
    assert math.isnan(ours.final.standard_error)
    assert (ours.share, ours.share_is_bound) == (None, False)
    assert ranking.diverged() == [ours]
    # One test remains, so that nothing is adjusted.
    assert row(ranking, "linear").p_value == pytest.approx(
        stats.ttest_rel([0.80, 0.81, 0.83], [0.70, 0.71, 0.72]).pvalue
    )


def test_a_fixed_rate_that_diverged_is_nothing_to_compare_with() -> None:
    plan = plan_of(FIXED, COSINE, LINEAR, budgets=(100, 400), seeds=2)
    bad = {100: [-INF, -INF], 400: [-INF, 0.5]}

    ranking = rank_tests(plan, {"fixed": bad, "linear": bad, "cosine": {100: [0.5, 0.5], 400: [0.6, 0.7]}})

    assert ranking.target == -INF
    assert [row.label for row in ranking.rows] == ["cosine", "fixed", "linear"]
    assert (row(ranking, "cosine").difference, row(ranking, "cosine").p_value) == (INF, None)
    assert math.isnan(row(ranking, "linear").difference or 0)
    assert [(row.share, row.share_is_bound) for row in ranking.rows] == [(None, False)] * 3
    assert ranking.ahead() == ranking.behind() == []


def test_a_fixed_rate_that_diverged_in_its_shortest_runs_still_has_a_best() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100, 400), seeds=2)

    ranking = rank_tests(
        plan, {"fixed": {100: [-INF, 0.9], 400: [0.5, 0.5]}, "cosine": {100: [-INF, 0.9], 400: [0.6, 0.6]}}
    )

    assert (ranking.target, ranking.target_budget) == (0.5, 400)
    assert row(ranking, "cosine").share == 1.0


# Updates needed


@pytest.mark.parametrize(
    ("means", "target", "target_budget", "share", "bound"),
    [
        ([0.8, 0.85, 0.9], 0.9, 400, 1.0, False),
        ([0.8, 0.85, 0.9], 0.85, 400, 0.5, False),
        ([0.8, 0.9, 0.95], 0.85, 400, math.sqrt(2) / 4, False),
        ([0.7, 0.8, 0.9], 0.825, 400, 2 ** (1 + 1 / 4) / 4, False),
        ([0.8, 0.85, 0.9], 0.7, 400, 0.25, True),
        ([0.8, 0.85, 0.9], 0.8, 400, 0.25, True),
        ([0.8, 0.85, 0.9], 0.8, 100, 1.0, True),
        ([0.7, 0.75, 0.8], 0.8, 100, 4.0, False),
        ([0.7, 0.75, 0.8], 0.81, 400, None, False),
        ([0.7, 0.9, 0.8], 0.8, 400, math.sqrt(2) / 4, False),
        ([-INF, -INF, 0.9], 0.5, 400, 1.0, False),
        ([-INF, 0.8, 0.9], 0.8, 400, 0.5, False),
        ([-INF, -INF, -INF], 0.5, 400, None, False),
        ([0.7, 0.8, 0.9], -INF, 400, None, False),
        ([-INF, -INF, -INF], -INF, 100, None, False),
    ],
    ids=[
        "at the end",
        "at a budget",
        "halfway in log budget",
        "a quarter of the way",
        "below the smallest",
        "at the smallest",
        "the target had at the smallest too",
        "later than the target was had",
        "never",
        "first crossing counts",
        "diverged below",
        "diverged at the smallest",
        "diverged throughout",
        "no target",
        "nothing at all",
    ],
)
def test_updates_needed(
    means: list[float], target: float, target_budget: int, share: float | None, bound: bool
) -> None:
    found, is_bound = share_needed([100, 200, 400], means, target, target_budget)

    assert found == (None if share is None else pytest.approx(share))
    assert is_bound is bound


def test_one_budget_gives_a_bound_or_nothing() -> None:
    assert share_needed([400], [0.9], 0.8, 400) == (1.0, True)
    assert share_needed([400], [0.7], 0.8, 400) == (None, False)


def test_the_fixed_rates_best_may_be_at_a_smaller_budget() -> None:
    plan = plan_of(FIXED, COSINE, budgets=(100, 200, 400), seeds=2)

    ranking = rank_tests(
        plan,
        {
            "fixed": {100: [0.5, 0.5], 200: [0.8, 0.8], 400: [0.7, 0.7]},
            "cosine": {100: [0.7, 0.7], 200: [0.75, 0.75], 400: [0.9, 0.9]},
        },
    )

    assert (ranking.target, ranking.target_budget) == (0.8, 200)
    assert ranking.fixed.share == 1.0
    assert row(ranking, "cosine").share == pytest.approx(2 ** (1 / 3))


def test_the_first_of_equal_bests_is_when_the_fixed_rate_had_it() -> None:
    plan = plan_of(FIXED, budgets=(100, 200, 400), seeds=2)

    ranking = rank_tests(plan, {"fixed": {100: [0.5, 0.5], 200: [0.8, 0.8], 400: [0.8, 0.8]}})

    assert (ranking.target, ranking.target_budget) == (0.8, 200)


# What has not finished


def finished(plan: Plan) -> dict[RunKey, RunRecord]:
    return records_of(plan, lambda _, budget, peak, seed: (peak or 0, budget / 1000 + seed / 100))


def test_there_is_no_answer_before_the_fixed_rate_has_finished() -> None:
    plan = plan_of(FIXED, COSINE)
    records = finished(plan)

    assert rank(plan, {}, {}) is None
    assert rank(plan, without(records, plan.key(Cell(FIXED, 100), 0.3, 3)), {}) is None
    assert rank(plan, without(records, plan.key(Cell(FIXED, 100), 0.1, 0)), {}) is None


@pytest.mark.parametrize(
    ("peak", "seed", "what"), [(0.3, 3, "a final run"), (0.1, 1, "a tuning run"), (0.3, 0, "both")]
)
def test_a_schedule_that_lacks_a_run_is_left_out_and_counted(peak: float, seed: int, what: str) -> None:
    plan = plan_of(FIXED, COSINE, LINEAR)
    missing = plan.key(Cell(COSINE, 100), peak, seed)

    ranking = rank(plan, without(finished(plan), missing), {})

    assert ranking is not None, what
    assert sorted(row.label for row in ranking.rows) == ["fixed", "linear"]
    assert ranking.missing == 1


def test_runs_that_the_plan_does_not_ask_for_change_nothing() -> None:
    plan = plan_of(FIXED, COSINE)
    records = finished(plan)
    # A peak that was not chosen, with a seed that does not choose.
    extra = plan.key(Cell(COSINE, 400), 0.1, 3)

    ranking = rank(plan, records, {})

    assert ranking == rank(plan, without(records, extra), {})
    assert ranking is not None
    assert (ranking.missing, len(ranking.rows)) == (0, 2)
    # Of a wider grid of seeds, this plan's alone.
    narrow = replace(plan, seeds=2)
    narrower = rank(narrow, records, {})
    assert narrower is not None
    assert set(narrower.fixed.final.scores) == {0, 1}
