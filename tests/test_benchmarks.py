"""The benchmarks run, and tell every row that they promise. How fast it is is for ``make bench`` to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import forked

# It is all the measuring in one process, on whatever else the machine does.
pytestmark = pytest.mark.timeout(600)

Sections = dict[str, list[dict[str, Any]]]

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

TORCH = ("torch CosineAnnealingLR", "torch OneCycleLR", "torch SequentialLR")
OTHERS = ("transformers cosine", "lrsched cosine", "optax cosine, jitted")
BOUNDS = {
    "1 group, float": 0.2,
    "100 groups, floats": 0.08,
    "1,000 groups, floats, one base rate": 0.07,
    "1,000 groups, floats, each its own base rate": 0.07,
    "1 group, tensor": None,
    "100 groups, tensors": 0.01,
}


def run(script: str, folder: Path) -> Sections:
    """The sections of a benchmark, by title."""
    path = folder / "rows.json"
    settings = {"OMP_NUM_THREADS": "1"}
    done = forked.run(
        BENCHMARKS / script, "--quick", "--json", path, folder=folder, settings=settings, seconds=540
    )
    assert (done.status, done.error) == (0, "")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["machine"]["quick"] is True
    assert set(found["machine"]) >= {"date", "cpu", "cores", "python", "torch", "optax", "timm", "lrsched"}
    assert "| what | case | beside |" in path.with_suffix(".md").read_text(encoding="utf-8")
    sections: Sections = found["sections"]
    for row in (row for rows in sections.values() for row in rows):
        assert row["ours"] >= 0
        if row["theirs"]:
            assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"])
        if row["bound"] is not None:
            assert row["met"] is (row["measured"] <= row["bound"])
    return sections


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> Sections:
    """What `make bench` measures, in one process as there: most of its time goes into importing the peers."""
    return run("__main__.py", tmp_path_factory.mktemp("benchmarks"))


def test_every_speed_is_measured_by_one_command(sections: Sections) -> None:
    assert list(sections) == [
        "One step",
        "A compiled train step",
        "Tables",
        "Nesting",
        "Imports",
        "One step of a drop-in",
        "Recording",
    ]


def test_a_step_is_timed_beside_every_peer(sections: Sections) -> None:
    rows = sections["One step"]

    steps = {(row["case"], row["beside"]): row["bound"] for row in rows if row["what"] == "Scheduler.step()"}
    for case, bound in BOUNDS.items():
        for peer in TORCH:
            assert steps.pop((case, peer)) == bound
        for peer in OTHERS:
            assert steps.pop((case, peer)) is None
        if "tensor" not in case:
            assert steps.pop((case, "timm CosineLRScheduler")) is None
    assert list(steps) == [("100 groups, floats, each its own schedule", "torch CosineAnnealingLR")]
    bare = [row["case"] for row in rows if row["what"] == "a bare loop of stores"]
    assert bare == [case for case in BOUNDS if "tensor" not in case]


def test_the_drop_ins_are_timed_beside_torchs_classes(sections: Sections) -> None:
    rows = sections["One step of a drop-in"]

    assert len({row["beside"] for row in rows}) == 12
    assert len(rows) == 12 * 4 * 2


def test_a_compiled_step_has_no_break_of_ours_and_torchs_scheduler_adds_one(
    sections: Sections,
) -> None:
    rows = sections["A compiled train step"]

    breaks = {(row["case"], row["beside"]): row for row in rows if row["what"] == "graph breaks"}
    whole = breaks["one graph of forward, backward and update, tensor rate", TORCH[0]]
    assert (whole["ours"], whole["theirs"]) == (0, 1)
    assert "fullgraph=True is refused" in whole["note"]
    for kind in ("SGD", "AdamW"):
        assert breaks[f"{kind}.step(), tensor rate", "no scheduler"]["ratio"] == 1
        assert breaks[f"{kind}.step(), tensor rate", TORCH[0]]["theirs"] == 2
    anew = {row["case"]: row for row in rows if row["what"].startswith("compiled anew")}
    assert len(anew) == 5
    for case, row in anew.items():
        if case.endswith("tensor rate"):
            assert (row["ours"], row["bound"]) == (0, 0)


def test_tables_are_timed_beside_numpy_and_stepping_and_short_runs(
    sections: Sections,
) -> None:
    rows = sections["Tables"]

    assert [row["bound"] for row in rows if row["beside"] == "stepping torch"] == [0.01]
    assert len([row for row in rows if row["beside"] == "NumPy's expression"]) == 10
    long = [row for row in rows if row["what"] == "1,000 values of 1e+12 steps"]
    assert [row["unit"] for row in long] == ["ms", "KiB"] * 4
    # Memory is counted, not timed, so it holds on any machine.
    assert all(row["met"] for row in long if row["unit"] == "KiB")


def test_imports_are_timed(sections: Sections) -> None:
    rows = sections["Imports"]

    assert [(row["what"], row["bound"]) for row in rows] == [
        ("import etude", 0.2),
        ("import etude", None),
        ("import etude.torch", 0.1),
        ("from etude.torch import Scheduler", 0.1),
    ]


def test_nesting_is_measured(sections: Sections) -> None:
    rows = sections["Nesting"]

    assert [(row["what"], row["case"], row["bound"]) for row in rows] == [
        ("100 pieces by >>", "built one by one", 1),
        ("18 nested cooldowns", "all at one step", 3),
        ("18 nested cooldowns", "one step apart", 18),
        ("30 nested cycles", "of parts of a step", 900),
        ("5 resumes with redecay", "the last", 50),
    ]
