"""What made a rate, of runs that the Scheduler itself has made."""

from __future__ import annotations

from dataclasses import replace

import pytest

import etude as et
from etude import BASE
from etude.errors import StoreError
from etude.replay import explain
from etude.torch import Scheduler

from .trained import HORIZON, recorded, train

PLAN = et.Linear(0.1 * BASE, BASE, over="1ep") >> et.Cosine(over="9ep")


def test_a_sentence_names_the_base_the_factor_the_phase_and_the_plan() -> None:
    run = recorded(train(PLAN, [0, 50, 100, 500, 999]), PLAN)

    assert explain(run, 50).sentence == (
        "Update 50 (epoch 0.5) of run 7 used the learning rate 0.055 for the group 'body' = base 0.1 × 0.55, "
        "in the phase 'linear' (updates 0 to 100, 50 % through). It followed Linear(0.1 * BASE, BASE, "
        "over='1ep') >> Cosine(BASE, 0.0, over='9ep'); nothing overrode it."
    )


def test_every_number_is_the_schedulers_own() -> None:
    steps = [0, 1, 99, 100, 101, 550, 999]
    readings = train(PLAN, steps)
    run = recorded(readings, PLAN)

    for reading in readings:
        for group, base in {"body": 0.1, "head": 0.2}.items():
            made = explain(run, reading.step, group)
            assert (made.rate, made.base, made.recorded) == (reading.rates[group], base, True)
            assert made.planned == PLAN.on(HORIZON)(reading.step, base)
            assert made.epoch == reading.step / 100


def test_an_update_that_was_not_recorded_is_told_from_the_plan() -> None:
    run = recorded(train(PLAN, [0, 100, 500]), PLAN)

    made = explain(run, 51, "head")

    assert (made.rate, made.recorded) == (PLAN.on(HORIZON)(51, 0.2), False)
    assert "was not recorded; by its schedule it used the rate 0.1118 for the group 'head'" in made.sentence


def test_what_feedback_had_come_to_is_told() -> None:
    plan = PLAN * et.Plateau("val_loss", factor=0.5, patience=0)

    def observe(scheduler: Scheduler, step: int) -> None:
        if step in (200, 300, 400):
            scheduler.observe(val_loss=1.0)

    run = recorded(train(plan, [0, 250, 350, 450], meanwhile=observe), plan)
    text = "Plateau('val_loss', factor=0.5, patience=0)"

    assert [explain(run, step).feedback for step in (250, 350, 450)] == [
        {text: 1.0},
        {text: 0.5},
        {text: 0.25},
    ]
    assert f"{text} had not changed it." in explain(run, 250).sentence
    assert f"A factor of 0.25 in it is that of {text}." in explain(run, 450).sentence
    # Between two readings what had been seen at the earlier one counts.
    assert explain(run, 351).rate == pytest.approx(0.5 * PLAN.on(HORIZON)(351, 0.1), rel=1e-12)


def test_a_cooldown_is_an_override_from_its_step_on() -> None:
    def cool(scheduler: Scheduler, step: int) -> None:
        if step == 400:
            scheduler.cooldown("2ep")

    run = recorded(train(PLAN, [0, 399, 450, 500], meanwhile=cool), PLAN, "interrupted")

    assert explain(run, 399).override == ""
    made = explain(run, 450)
    assert made.override == f"({PLAN!r}).cooldown(400, over='2ep')"
    assert f"It no longer followed the plan of the run's start, but {made.override}." in made.sentence
    assert "in the phase 'cooldown' (updates 400 to 600, 25 % through)" in made.sentence
    assert explain(run, 470).rate == pytest.approx(PLAN.on(HORIZON)(400, 0.1) * 0.65, rel=1e-12)


def test_a_plan_on_another_horizon_is_laid_over_that() -> None:
    longer = "lr: Cosine(BASE, 0.0, over='100%') on Horizon(100, '20ep')"
    plan = et.cosine()
    [first, last] = train(plan, [0, 500])
    run = recorded([first, replace(last, override=longer, rates={"body": 0.08535533905932738})], plan)

    made = explain(run, 500)

    assert made.planned == made.rate == 0.08535533905932738
    assert made.place is not None
    assert made.place.stop == 2000


def test_the_factors_of_a_product_are_told() -> None:
    plan = et.Linear(0.1, 1.0, over="1ep") * et.cosine()
    run = recorded(train(plan, [0, 50, 500]), plan)

    made = explain(run, 50)

    assert dict(made.parts)["Linear(0.1, 1.0, over='1ep')"] == 0.55
    assert "It is the product of 0.0993844 of Cosine(BASE, 0.0) and 0.55 of Linear" in made.sentence


def test_a_rate_that_something_else_has_written_is_told() -> None:
    first, last = train(PLAN, [0, 550])
    run = recorded([first, replace(last, rates={"body": 0.5, "head": 0.1})], PLAN)

    assert explain(run, 550).sentence.endswith(
        "That schedule's own value there is 0.05: something else has written the rate, or the run's clock "
        "was moved."
    )
    assert "something else" not in explain(run, 550, "head").sentence


def test_a_schedule_that_cannot_be_read_back_leaves_what_was_recorded() -> None:
    run = recorded(train(PLAN, [0, 550]), PLAN)
    key = replace(run.record.key, schedule="Custom('nowhere_at_all:curve')")
    lost = replace(run, record=replace(run.record, key=key))

    assert explain(lost, 550).sentence == (
        "Update 550 (epoch 5.5) of run 7 used the learning rate 0.05 for the group 'body', in the phase "
        "'cosine'. It followed Custom('nowhere_at_all:curve'); nothing overrode it. This plan names a "
        "function, nowhere_at_all:curve, which is not imported from data."
    )
    assert explain(lost, 551).sentence == (
        "Update 551 (epoch 5.51) of run 7 was not recorded, and its rate is not known: "
        "Custom('nowhere_at_all:curve') cannot be laid over what is known of the run. This plan names a "
        "function, nowhere_at_all:curve, which is not imported from data."
    )


def test_a_long_schedule_loses_its_middle() -> None:
    plan = et.parse(" >> ".join(f"Linear(BASE, BASE, over={n})" for n in range(1, 40)))
    run = recorded(train(plan, [0, 10]), plan)

    sentence = explain(run, 10).sentence

    assert " … " in sentence
    assert "over=39)" in sentence
    assert len(sentence) < 600


@pytest.mark.parametrize(
    ("step", "group", "message"),
    [
        (1000, None, r"run 7 \(finished\) has the updates 0 to 999; got step 1,000"),
        (-1, None, r"run 7 \(finished\) has the updates 0 to 999; got step -1"),
        (5, "tail", "run 7 has no parameter group 'tail'; there are 'body', 'head'"),
    ],
)
def test_what_the_run_has_not_is_refused(step: int, group: str | None, message: str) -> None:
    run = recorded(train(PLAN, [0, 10]), PLAN)

    with pytest.raises(StoreError, match=message):
        explain(run, step, group)


def test_updates_after_the_last_reading_of_a_broken_run_are_refused() -> None:
    run = recorded(train(PLAN, [0, 10]), PLAN, "interrupted")

    with pytest.raises(StoreError, match=r"run 7 \(interrupted\) has the updates 0 to 10; got step 11"):
        explain(run, 11)
    with pytest.raises(
        StoreError, match=r"run 7 \(running\) has no readings yet, so nothing can be told of it"
    ):
        explain(recorded([], PLAN, "running"), 0)
