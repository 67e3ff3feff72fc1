"""Names of functions in data: shown, compared, carried along, and never imported unasked."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import etude as et
from etude import Custom, Horizon, Schedule
from etude.errors import ScheduleError, SpecError
from etude.schedules.names import not_imported
from etude.spec import from_json, from_yaml, parse, to_yaml

PLAN = Custom("hostile:rate", start=0.5, over=4) * et.cosine()
RUN = Horizon(total=8)
SAID = "this plan names a function, hostile:rate, which is not imported from data"


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that is there once the module has been imported, which everything here could import."""
    (tmp_path / "hostile.py").write_text(
        "from pathlib import Path\n"
        "Path(__file__).with_name('imported').touch()\n"
        "def rate(step): return 1 / (1 + step)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "imported"
    sys.modules.pop("hostile", None)


READ: dict[str, Callable[[], Schedule]] = {
    "JSON": lambda: from_json(PLAN.to_json()),
    "YAML": lambda: from_yaml(to_yaml(PLAN)),
    "text from elsewhere": lambda: parse(repr(PLAN), custom="name"),
    "a keyword in it": lambda: parse("Custom(function='hostile:rate')", custom="name"),
    "combined": lambda: et.warmup(2) * from_json(PLAN.to_json()).stretch(2),
    "replaced": lambda: replace(from_json(Custom("hostile:rate").to_json()), start=0.1),  # type: ignore[call-arg]
    "rebuilt": lambda: Custom(from_json(Custom("hostile:rate").to_json()).function),  # type: ignore[attr-defined]
    "copied": lambda: copy.deepcopy(from_json(PLAN.to_json())),
    "pickled": lambda: pickle.loads(pickle.dumps(from_json(PLAN.to_json()))),
    "through JSON and YAML again": lambda: from_yaml(to_yaml(from_json(from_json(PLAN.to_json()).to_json()))),
}


@pytest.mark.parametrize("how", READ)
def test_c1_what_is_read_is_not_imported(how: str, trace: Path) -> None:
    plan = READ[how]()

    with pytest.raises(
        ScheduleError, match=f"^{SAID}; where you trust it, read the plan with custom='import'"
    ):
        plan.on(RUN)
    picture = plan._repr_svg_()
    assert picture is not None
    assert SAID in picture
    assert not trace.exists()


@pytest.mark.parametrize("how", ["JSON", "YAML", "text from elsewhere"])
def test_c1_it_shows_and_compares_as_any_other(how: str, trace: Path) -> None:
    plan = READ[how]()

    assert plan == PLAN
    assert hash(plan) == hash(PLAN)
    assert (repr(plan), plan.to_json(), to_yaml(plan)) == (repr(PLAN), PLAN.to_json(), to_yaml(PLAN))
    assert plan.fingerprint == PLAN.fingerprint
    assert not trace.exists()


def test_c1_whoever_trusts_a_text_says_so(trace: Path) -> None:
    plans = [
        PLAN,
        parse(repr(PLAN)),
        from_json(PLAN.to_json(), custom="import"),
        from_yaml(to_yaml(PLAN), custom="import"),
    ]
    assert not trace.exists()  # reading itself imports nothing, whoever asks

    assert [plan.on(RUN)(1, base=2.0) for plan in plans] == [PLAN.on(RUN)(1, base=2.0)] * 4
    assert trace.exists()


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (
            lambda: parse("Constant()", custom="yes"),
            r"^parse\(custom=\) must be 'import' or 'name'; got 'yes'",
        ),  # type: ignore[arg-type]
        (lambda: from_json(PLAN.to_json(), custom=True), r"^from_json\(custom=\) must be .*; got True"),  # type: ignore[arg-type]
        (lambda: from_yaml(to_yaml(PLAN), custom=[]), r"^from_yaml\(custom=\) must be .*; got \[\]"),  # type: ignore[arg-type]
    ],
)
def test_c1_there_are_two_words_for_it(read: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read()


def test_c1_several_names_are_told_together() -> None:
    plan = parse("Custom('os:_exit', over=1) >> Custom('os:abort')", custom="name")

    assert not_imported(plan) == (
        "this plan names functions, os:_exit, os:abort, which are not imported from data"
    )
    assert not_imported(parse("Custom('os:_exit')")) == ""
