"""What a wrong word gets: a keyword, a name, an operator; of other libraries, and of before."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import etude as et
from etude import BASE, Horizon
from etude.answers import KEYWORDS, MEANINGS, NAMES
from etude.errors import HorizonError, ResumeError, ScheduleError, SpecError
from etude.record import Recorder
from etude.torch import Scheduler
from tests.cli.terminal import etude


def scheduler(plan: Any = None, **options: Any) -> Scheduler:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    return Scheduler(optimizer, et.cosine() if plan is None else plan, Horizon(total=20), **options)


KEYWORDS_AND_PLACES: list[tuple[Callable[[], Any], str]] = [
    (lambda: et.cosine(T_max=9), r"^cosine\(\) has no T_max; its length is over= \(it takes over, warmup, "),
    (lambda: et.Cosine(T_max=9), r"^Cosine\(\) has no T_max; its length is over= \(it takes start, stop, o"),
    (lambda: et.cosine(eta_min=0.1), r"has no eta_min; its last rate is floor="),
    (lambda: et.cosine(num_warmup_steps=5), r"the length of its warmup is warmup="),
    (lambda: et.step(step_size=30), r"^step\(\) has no step_size; the length of a stair is every="),
    (lambda: et.one_cycle(max_lr=0.1), r"^one_cycle\(\) has no max_lr; its highest rate is peak="),
    (lambda: et.sgdr(T_0=10), r"^sgdr\(\) has no T_0; the length of its first cycle is period="),
    (lambda: et.sgdr("9ep", T_mult=2), r"how many times as long each cycle is as the last is stretch="),
    (lambda: et.wsd(decay=9), r"^wsd\(\) has no decay; the length of the decay is cooldown="),
    (lambda: et.Sigmoid(rate=1.0, middle=5), r"^Sigmoid\(\) has no rate; write steepness="),
    (lambda: et.time_decay(rate=0.1), r"^time_decay\(\) has no rate; write decay_rate="),
    (lambda: et.cosine(power=2), r"^cosine\(\) has no power; polynomial\(\) and the shapes Cosine\(\) and "),
    (lambda: et.cosine(warmpu=5), r"^cosine\(\) has no warmpu; did you mean 'warmup'\?"),
    (
        lambda: et.cosine("9ep", 0.1),
        r"^cosine\(\) takes 1 without a name, over; got 2; the others are named: ",
    ),
    (
        lambda: et.noam(512, 4000),
        r"^noam\(\) takes none without a name; got 2; the others are named: d_model=",
    ),
    (lambda: et.Cosine(0.1, 0.0, 9), r"^Cosine\(\) takes 2 without a name, start, stop; got 3"),
    (et.step, r"^step\(\): missing a required argument: 'every' \(it takes every, gamma, "),
    (lambda: et.cosine().shift(steps=3), r"^shift\(\) has no steps \(it takes by\)"),
    (lambda: et.cosine().clip(floor=0.1), r"^clip\(\) has no floor"),
    (lambda: et.minimum(parts=3), r"^minimum\(\) has no parts, nor any other argument with a name"),
    (lambda: et.Plateau("loss", factr=0.1), r"^Plateau\(\) has no factr; did you mean 'factor'\?"),
    (
        lambda: scheduler(total_steps=9),
        r"^Scheduler\(\) has no total_steps; the length of the run is in the ho",
    ),
    (
        lambda: scheduler(last_epoch=3),
        r"has no last_epoch; a Scheduler goes on with load_state_dict\(state\)",
    ),
]


@pytest.mark.parametrize(("call", "message"), KEYWORDS_AND_PLACES)
def test_a_wrong_argument_is_told_with_the_right_one(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Horizon(epochs=9), r"^Horizon\(\) has no epochs; the length of the run is total=, such as "),
        (lambda: Horizon(batch_size=9), r"^Horizon\(\) has no batch_size; write samples_per_step="),
        (lambda: Horizon(9, 9, 9), r"^Horizon\(\) takes 2 without a name, steps_per_epoch, total; got 3"),
        (lambda: Horizon.of(9, epoch=3), r"^Horizon.of\(\) has no epoch; did you mean 'epochs'\?"),
        (lambda: Horizon("90ep"), r"must be a number; got '90ep'; the length of the run is total='90ep'"),
    ],
)
def test_so_is_a_horizons(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(HorizonError, match=message):
        call()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosine(T_max=9)", r"^cosine\(\) has no T_max; its length is over= "),
        ("cosine('9ep', 0.1)", r"^cosine\(\) takes 1 without a name, over; got 2"),
        ("cosine() - 0.1", r"^nothing can be subtracted from a schedule; write floor= or .clip\(low=...\)"),
        ("cosine() / 2", r"^a schedule is multiplied, not divided: write Cosine\(BASE, 0.0\) \* 0.5"),
        ("CosineAnnealingLR(9)", r"^there is no schedule called 'CosineAnnealingLR'; write 'cosine\(\)'"),
    ],
)
def test_a_text_gets_the_same(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        et.parse(text)
    said = etude("show", text, "--horizon", "100")
    assert said.status == 1
    assert re.search(message, said.refusal)


PLAN: Any = et.cosine()
LONG: Any = et.cosine(warmup="5ep", floor=1e-5) * et.Noise(7, 0.1)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: PLAN - 0.1,
            r"floor= or .clip\(low=...\) for a lower end, or plan.under\(level\) for level -",
        ),
        (lambda: 0.9 - PLAN, r"^a level less a schedule is written Cosine\(BASE, 0.0\).under\(0.9\)"),
        (lambda: 0.9 - LONG, r"^a level less a schedule is written plan.under\(0.9\)"),
        (lambda: PLAN / 4, r"^a schedule is multiplied, not divided: write Cosine\(BASE, 0.0\) \* 0.25"),
        (lambda: PLAN(3), r"^a schedule has values on a horizon: write .*.on\(Horizon\(total=1000\)\)\(3\)"),
        (lambda: -PLAN, r"^a rate cannot be negative; got -Cosine\(BASE, 0.0\)"),
    ],
)
def test_an_operator_that_there_is_not_says_what_to_write(use: Callable[[], Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        use()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Cosin", r"^module 'etude' has no attribute 'Cosin'; did you mean 'Cosine'\?"),
        ("fixed", r"; write 'Constant\(\)'$"),
        ("CosineAnnealingLR", r"; write 'cosine\(\)'$"),
        ("get_cosine_schedule_with_warmup", r"write \"cosine\(warmup='500st'\)\"$"),
        ("_nothing", r"has no attribute '_nothing'$"),
    ],
)
def test_a_name_that_etude_has_not(name: str, message: str) -> None:
    assert not hasattr(et, "Cosin")
    with pytest.raises(AttributeError, match=message):
        getattr(et, name)


def test_a_package_that_is_not_imported_yet() -> None:
    code = "import etude\ntry:\n    etude.study\nexcept AttributeError as error:\n    print(error)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "module 'etude' has no attribute 'study'; write import etude.study\n"


def test_a_schedules_attributes_too() -> None:
    with pytest.raises(AttributeError, match=r"^Cosine has no attribute 'repaet'; did you mean 'repeat'\?"):
        _ = PLAN.repaet
    factor: Any = et.warmup(5)
    with pytest.raises(
        AttributeError, match=r"^a factor has no clip\(\).*\(warmup\(5\) \* cosine\(\)\).clip"
    ):
        factor.clip(0.1)


def test_what_answers_is_a_schedule_as_before() -> None:
    for plan in (PLAN, LONG, et.one_cycle() >> et.Constant(0.1)):
        assert pickle.loads(pickle.dumps(plan)) == copy.deepcopy(plan) == plan
    assert not hasattr(PLAN, "shape")
    assert sum([PLAN, 0.1]) == PLAN + 0.0 + 0.1


def test_what_is_told_is_there() -> None:
    """Each word stands for an argument that something takes, and what to write can be read."""
    taken = {name for build in et.CATALOGUE.values() for name in inspect.signature(build).parameters}
    taken |= {
        "total",
        "horizon",
        "schedules",
        "times",
        "steps_per_epoch",
        "samples_per_step",
        "tokens_per_step",
    }
    assert {ours for known in KEYWORDS.values() for ours in known} - taken == set()
    assert MEANINGS.keys() - taken == set()
    for text in NAMES.values():
        if text.split(".")[0] not in ("plan", "etude") and not text.startswith("first"):
            et.parse(text, et.Schedule)


# What was written before the words were changed.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed(0.1)", r"there is no schedule called 'fixed'; write 'Constant\(\)'"),
        ("OneMinusSqrt(BASE, 0.0, over=20)", r"write \"Ramp\(ease='one_minus_sqrt'\)\""),
        ("ExpHyperbolic(BASE, 0.1, over=5, upper=20)", r"write \"Hyperbolic\(.*geometric=True\)\""),
        (
            "Steps(0.5, every=5)",
            r"Steps\(\) is given every twice, as 0.5 and as every=5; it takes every, gamma",
        ),
        ("Steps(0.5, at=[5])", r"Steps takes either every= .* or at= "),
        (
            "wsd('1ep', '3ep')",
            r"wsd\(\) takes 1 without a name, over; got 2; the others are named: warmup=, co",
        ),
        ("one_cycle(0.1)", r"one_cycle\(over=\) must be a length, .* such as peak=0.1"),
        (
            "cyclic(0.1, 0.5, 2)",
            r"cyclic\(\) takes 1 without a name, up; got 3; the others are named: low=, hi",
        ),
    ],
)
def test_an_old_text_is_refused_with_the_new_words(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        et.parse(text)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"type": "InverseTime", "rate": 0.1}, r"InverseTime has no field 'rate', which is 'decay_rate' now"),
        ({"type": "Sigmoid", "rate": 1.0, "middle": "5st"}, r"'rate', which is 'steepness' now"),
        (
            {"type": "OneMinusSqrt", "over": "5st"},
            r"of the type 'OneMinusSqrt'; write \"Ramp\(ease='one_minus",
        ),
    ],
)
def test_so_is_an_old_document(schedule: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        et.from_json(json.dumps({"etude": 1, "schedule": schedule}))


def test_an_old_document_of_the_same_words_is_read() -> None:
    start = {"factor": 1.0, "offset": 0.0}
    old = {"type": "Steps", "start": start, "over": None, "gamma": 0.5, "every": "5st", "at": None}
    assert et.from_json(json.dumps({"etude": 1, "schedule": old})) == et.Steps(5, 0.5)


@pytest.mark.parametrize(
    ("old", "message"),
    [
        (
            "OneMinusSqrt(BASE, 0.0, over=20)",
            r"cannot be read: there is no schedule called 'OneMinusSqrt'; write",
        ),
        ("InverseTime(0.1)", r"or an earlier Etude wrote it, whose rate= is decay_rate= or steepness= now"),
    ],
)
@pytest.mark.parametrize("policy", [None, "keep"])
def test_so_is_an_old_checkpoint(old: str, message: str, policy: Any) -> None:
    present = et.InverseTime(0.1)
    text = scheduler(present).state_dict()["etude"]
    digits = present.fingerprint[::-1]
    state = {"etude": text.replace(repr(present), old).replace(present.fingerprint, digits)}
    assert state["etude"] != text
    with pytest.raises(ResumeError, match=message):
        scheduler(et.cosine(), on_change=policy).load_state_dict(state)


def test_a_run_of_old_words_in_a_store_is_shown_and_not_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    run = scheduler(et.Constant(0.5 * BASE))
    with Recorder(run, to=path, name="old") as recorder:
        for _ in range(3):
            run.optimizer.step()
            run.step()
            recorder.log(loss=1.0)
    with sqlite3.connect(path) as store:
        tables = [name for (name,) in store.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in store.execute(f"pragma table_info({table})").fetchall():
                if "TEXT" in kind.upper():
                    renamed = f"replace({column}, 'Constant(0.5 * BASE)', 'fixed(0.5 * BASE)')"
                    store.execute(f"update {table} set {column} = {renamed}")
    store.close()
    words = " ".join(etude("explain", "1", "1", "--store", path).text.split())
    assert "It followed fixed(0.5 * BASE)" in words
    assert "words that are not known here: there is no schedule called 'fixed'; write 'Constant()'." in words
