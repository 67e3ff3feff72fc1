"""Sentences and cells: what a comparison says, word for word."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from etude.study import words
from etude.study.arms import Arm
from etude.study.plan import Plan
from etude.study.rank import Ranking, rank

from .synthetic import ABSOLUTE, COSINE, FIXED, LINEAR, REX, STEP, plan_of, rank_tests, records_of

INF = math.inf
SHAPE = (-0.001, 0.0, 0.001)


def around(mean: float, spread: float = 1.0) -> list[float]:
    return [mean + spread * part for part in SHAPE]


def compared(
    *arms: Arm, percent: bool = True, seeds: int = 3, **tests: Mapping[int, list[float]]
) -> tuple[Ranking, Plan]:
    budgets = tuple(tests["fixed"])
    plan = plan_of(FIXED, *arms, budgets=budgets, seeds=seeds, tuning_seeds=min(seeds, 2), percent=percent)
    return rank_tests(plan, tests), plan


# The verdict


def test_one_ahead() -> None:
    found = compared(
        COSINE, fixed={100: [0.6] * 3, 400: [0.7] * 3}, cosine={100: [0.65] * 3, 400: around(0.75)}
    )

    assert words.verdict(*found) == (
        "cosine (+5.00 points) ends ahead of the tuned fixed rate on made up, over 3 seeds of 400 updates. "
        "It needs 50 % of its updates to reach its best score, 70.00 % after 400."
    )


def test_some_ahead_some_behind_some_diverged_some_undecided() -> None:
    found = compared(
        COSINE,
        LINEAR,
        REX,
        STEP,
        ABSOLUTE,
        fixed={100: [0.6] * 3, 1600: [0.7] * 3},
        cosine={100: [0.6] * 3, 1600: around(0.8)},
        linear={100: [0.65] * 3, 1600: around(0.75)},
        rex={100: [0.6] * 3, 1600: around(0.6)},
        step={100: [0.6] * 3, 1600: around(0.7, 30)},
        absolute={100: [0.6] * 3, 1600: [0.9, -INF, 0.9]},
    )

    assert words.verdict(*found) == (
        "cosine (+10.00 points) and linear (+5.00 points) end ahead of the tuned fixed rate on made up, over "
        "3 seeds of 1,600 updates. They need 25 % of its updates to reach its best score, 70.00 % after "
        "1,600. "
        "rex ends behind it. absolute diverged. The data cannot tell of the other."
    )


def test_shares_are_a_span_and_a_bound_where_one_is() -> None:
    found = compared(
        COSINE,
        LINEAR,
        REX,
        STEP,
        fixed={100: [0.6] * 3, 400: [0.7] * 3},
        cosine={100: [0.75] * 3, 400: around(0.8)},
        linear={100: [0.65] * 3, 400: around(0.75)},
        rex={100: [0.6] * 3, 400: around(0.7, 30)},
        step={100: [0.6] * 3, 400: around(0.7, 40)},
    )

    verdict = words.verdict(*found)

    assert "They need at most 25 to 50 % of its updates to reach" in verdict
    assert verdict.endswith("Of the other 2, the data cannot tell.")


def test_ahead_without_ever_reaching_the_fixed_rates_best() -> None:
    found = compared(
        COSINE,
        fixed={100: [0.9] * 3, 400: [0.7] * 3},
        cosine={100: [0.6] * 3, 400: around(0.8)},
    )

    assert words.verdict(*found) == (
        "cosine (+10.00 points) ends ahead of the tuned fixed rate on made up, over 3 seeds of 400 updates."
    )


def test_ahead_only_together() -> None:
    found = compared(
        COSINE,
        LINEAR,
        REX,
        fixed={100: [0.7] * 3},
        cosine={100: [0.8, 0.71, 0.74]},
        linear={100: [0.7, 0.8, 0.75]},
        rex={100: [0.9, -INF, 0.9]},
    )

    assert words.verdict(*found) == (
        "Taken together the schedules end ahead of the tuned fixed rate on made up, over 3 seeds of 100 "
        "updates, by +5.00 points on average; which of them do, so few seeds cannot tell. The largest leads "
        "are of cosine (+5.00 points) and linear (+5.00 points). rex diverged."
    )


def test_none_ahead() -> None:
    found = compared(
        COSINE, LINEAR, fixed={100: [0.7] * 3}, cosine={100: around(0.701, 5)}, linear={100: around(0.7)}
    )

    assert words.verdict(*found) == (
        "No schedule helps measurably on made up, over 3 seeds of 100 updates: the best of them, cosine, "
        "differs from the tuned fixed rate by +0.10 points, which chance can explain."
    )


def test_none_ahead_and_some_behind() -> None:
    found = compared(
        COSINE, LINEAR, fixed={100: [0.7] * 3}, cosine={100: around(0.699, 5)}, linear={100: around(0.5)}
    )

    assert words.verdict(*found) == (
        "No schedule helps measurably on made up, over 3 seeds of 100 updates: the best of them, cosine, "
        "differs from the tuned fixed rate by -0.10 points, which chance can explain. linear ends behind it."
    )


def test_all_behind() -> None:
    found = compared(
        COSINE, LINEAR, fixed={100: [0.7] * 3}, cosine={100: around(0.6)}, linear={100: around(0.5)}
    )

    assert words.verdict(*found) == (
        "No schedule helps on made up, over 3 seeds of 100 updates: even the best of them, cosine, differs "
        "from the tuned fixed rate by -10.00 points. cosine and linear end behind it."
    )


def test_all_diverged() -> None:
    bad = {100: [0.5, -INF, 0.5]}
    found = compared(COSINE, LINEAR, fixed={100: [0.7] * 3}, cosine=bad, linear=bad)

    assert words.verdict(*found) == (
        "No schedule helps on made up, over 3 seeds of 100 updates. cosine and linear diverged."
    )


def test_the_fixed_rate_diverged() -> None:
    found = compared(COSINE, fixed={100: [0.7, -INF, 0.7]}, cosine={100: [0.5] * 3})

    assert words.verdict(*found) == (
        "The fixed rate itself diverged on made up, over 3 seeds of 100 updates, so there is nothing to "
        "compare with: let it choose among lower peaks."
    )


def test_only_the_fixed_rate() -> None:
    assert words.verdict(*compared(fixed={100: [0.7] * 3})) == (
        "Only the fixed rate has been run on made up, over 3 seeds of 100 updates."
    )


def test_one_seed_decides_nothing() -> None:
    found = compared(COSINE, seeds=1, fixed={1: [0.7]}, cosine={1: [0.9]})

    assert words.verdict(*found) == (
        "One seed cannot tell a schedule from chance: on made up, over 1 seed of 1 update, the best of them, "
        "cosine, differs from the tuned fixed rate by +20.00 points."
    )


def test_scores_that_are_no_shares_have_no_percent() -> None:
    found = compared(
        COSINE,
        percent=False,
        fixed={100: [-3.0] * 3, 400: [-2.0] * 3},
        cosine={100: [-2.5] * 3, 400: around(-1.5)},
    )

    assert words.verdict(*found) == (
        "cosine (+0.5) ends ahead of the tuned fixed rate on made up, over 3 seeds of 400 updates. "
        "It needs 50 % of its updates to reach its best score, -2 after 400."
    )


# The table


def rows(ranking: Ranking, plan: Plan) -> dict[str, tuple[str, ...]]:
    return {line.cells[0]: line.cells[1:] for line in words.lines(ranking, plan)}


def test_the_table_of_shares() -> None:
    ranking, plan = compared(
        COSINE,
        LINEAR,
        REX,
        ABSOLUTE,
        fixed={100: [0.6] * 3, 400: [0.69, 0.70, 0.71]},
        cosine={100: [0.65] * 3, 400: [0.79, 0.80, 0.82]},
        linear={100: [0.75] * 3, 400: [0.60, 0.61, 0.61]},
        rex={100: [0.6] * 3, 400: [0.5, -INF, 0.5]},
        absolute={100: [0.6] * 3, 400: [0.69, 0.70, 0.71]},
    )

    assert words.columns(plan.task) == (
        "schedule",
        "peak",
        "test % ± se",
        "vs fixed [95 %]",
        "updates",
        "Σ lr",
    )
    assert rows(ranking, plan) == {
        "fixed": ("≤0.1", "70.00 ± 0.58", "—", "100 %", "nan"),
        "cosine": ("≤0.1", "80.33 ± 0.88", "+10.33 [+8.90, +11.77]", "39 %", "nan"),
        "linear": ("≤0.1", "60.67 ± 0.33", "-9.33 [-10.77, -7.90]", "≤ 25 %", "nan"),
        "rex": ("≤0.1", "diverged", "diverged", "never", "nan"),
        "absolute": ("its own", "70.00 ± 0.58", "+0.00", "100 %", "nan"),
    }
    assert {line.cells[0]: line.standing for line in words.lines(ranking, plan)} == {
        "fixed": 0,
        "cosine": 1,
        "linear": -1,
        "rex": 0,
        "absolute": 0,
    }


def test_the_table_of_plain_scores_and_of_one_seed() -> None:
    ranking, plan = compared(
        COSINE,
        percent=False,
        seeds=1,
        fixed={100: [-4321.5], 400: [-1234.5]},
        cosine={100: [-1.0], 400: [-0.125]},
    )

    assert words.columns(plan.task)[2] == "test ± se"
    assert rows(ranking, plan) == {
        "fixed": ("≤0.1", "-1234.5", "—", "100 %", "nan"),
        "cosine": ("≤0.1", "-0.125", "+1234", "≤ 25 %", "nan"),
    }


def test_the_table_where_the_fixed_rate_diverged() -> None:
    found = compared(COSINE, fixed={100: [-INF] * 3}, cosine={100: [0.5] * 3})

    assert rows(*found) == {
        "cosine": ("≤0.1", "50.00 ± 0.00", "diverged", "never", "nan"),
        "fixed": ("≤0.1", "diverged", "—", "—", "nan"),
    }


@pytest.mark.parametrize(("best", "shown"), [(0.1, "≤0.1"), (0.2, "0.2"), (0.3, "≥0.3")])
def test_a_peak_at_the_edge_is_shown_as_a_bound(best: float, shown: str) -> None:
    plan = plan_of(FIXED)
    ranking = rank(plan, records_of(plan, lambda _, __, peak, ___: (float(peak == best), 0.5)), {})

    assert ranking is not None
    [line] = words.lines(ranking, plan)
    assert line.cells[1] == shown
    assert any("The peak of fixed is at the edge" in note for note in words.caveats(ranking, plan)) is (
        best != 0.2
    )


@pytest.mark.parametrize(
    ("score", "percent", "text"),
    [
        (0.98765, True, "98.77 %"),
        (0.98765, False, "0.98765"),
        (-1234.5, False, "-1234.5"),
        (-INF, True, "diverged"),
        (math.nan, False, "diverged"),
    ],
)
def test_a_score_as_it_is_shown(score: float, percent: bool, text: str) -> None:
    assert words.score_text(score, plan_of(FIXED, percent=percent).task) == text


# The caveats


def test_the_caveats_say_how_it_was_done() -> None:
    ranking, plan = compared(
        COSINE, fixed={100: [0.6] * 3, 1600: [0.7] * 3}, cosine={100: [0.6] * 3, 1600: [0.7] * 3}
    )

    notes = " ".join(words.caveats(ranking, plan))

    assert "chosen among 0.1, 0.2, 0.3 by the mean validation score of 2 seeds" in notes
    assert "runs of 100, 1,600 updates" in notes
    assert "The peak of fixed and cosine is at the edge of the grid" in notes
    assert "left out" not in notes


def test_the_last_caveat_says_what_is_missing() -> None:
    plan = plan_of(FIXED, COSINE)
    records = records_of(plan, lambda *_: (0.5, 0.5))
    ranking = rank(plan, {key: value for key, value in records.items() if "Cosine" not in key.schedule}, {})

    assert ranking is not None
    assert words.caveats(ranking, plan)[-1] == (
        "2 of the 4 pairs of a schedule and a length have not finished; their schedules are left out."
    )
