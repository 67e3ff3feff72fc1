"""Tasks: what is refused at their making, how they are found, and what makes one another one."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etude.errors import TaskError
from etude.study import Task, find_task, task
from etude.study.task import BUILT_IN

MINE = """
from etude.study import task

@task(updates=100)
def mine(run):
    return {"validation": 0.5, "test": 0.5}

number = 3
"""


def train(run: Any) -> dict[str, float]:
    return {"validation": 0.5, "test": 0.5}


@pytest.fixture(autouse=True)
def _same_path() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("etude_task_", "beside", "mine")):
            del sys.modules[name]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


# Its fields


def test_a_task_is_a_function_and_its_grid() -> None:
    @task(updates=400, peaks=[0.1], about="Nothing.")
    def mine(run: Any) -> dict[str, float]:
        return {"validation": 0.5, "test": 0.5}

    assert (mine.name, mine.updates, mine.peaks, mine.budgets) == ("mine", 400, [0.1], (0.25, 0.5, 1.0))
    assert mine.train(None) == {"validation": 0.5, "test": 0.5}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"updates": 0}, "the task 'train': updates must be a whole number ≥ 1; got 0"),
        ({"updates": 100.0}, "updates must be a whole number ≥ 1; got 100.0"),
        ({"updates": True}, "updates must be a whole number ≥ 1; got True"),
        ({"updates_per_epoch": 0}, "updates_per_epoch must be a whole number ≥ 1; got 0"),
        ({"seeds": 0}, "seeds must be a whole number ≥ 1; got 0"),
        ({"tuning_seeds": 0}, "tuning_seeds must be a whole number ≥ 1; got 0"),
        ({"seeds": 3, "tuning_seeds": 4}, "tuning_seeds must be at most seeds, 3; got 4"),
        ({"peaks": ()}, r"peaks must be rising numbers above 0; got \(\)"),
        ({"peaks": (0.1, 0.1)}, r"peaks must be rising numbers above 0; got \(0.1, 0.1\)"),
        ({"peaks": (0.3, 0.1)}, r"peaks must be rising numbers above 0; got \(0.3, 0.1\)"),
        ({"peaks": (0.0, 0.1)}, r"peaks must be rising numbers above 0; got \(0.0, 0.1\)"),
        ({"peaks": (0.1, float("inf"))}, r"peaks must be rising numbers above 0; got \(0.1, inf\)"),
        ({"peaks": (float("nan"),)}, r"peaks must be rising numbers above 0; got \(nan,\)"),
        ({"peaks": 0.1}, "peaks must be rising numbers above 0; got 0.1"),
        ({"peaks": "0.1"}, "peaks must be rising numbers above 0; got '0.1'"),
        ({"budgets": (0.5, 1.5)}, r"budgets must be rising numbers above 0 and at most 1; got \(0.5, 1.5\)"),
        ({"budgets": (0.25, 0.5)}, "the last of budgets must be 1.0; got 0.5"),
        ({"name": ""}, "a task's name must be a text without @, / and .*; got ''"),
        ({"name": "../mine"}, "a task's name must be a text without @, / and .*; got '../mine'"),
        ({"name": "mine@home"}, "a task's name must be a text without @, / and .*; got 'mine@home'"),
        ({"name": ".."}, "a task's name must be a text without @, / and .*; got '..'"),
        ({"name": "my\ntask"}, "a task's name must be a text without @, / and .*; got 'my.ntask'"),
        ({"name": 3}, "a task's name must be a text without @, / and .*; got 3"),
        ({"peeks": (0.1,)}, "@task: .*unexpected keyword argument 'peeks'"),
    ],
)
def test_a_bad_field_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        task(**{"updates": 100, **fields})(train)


def test_a_task_without_a_function_is_refused() -> None:
    with pytest.raises(TaskError, match="the task 'mine' needs a training function; got None"):
        Task("mine", None, updates=100)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("budget", "length"),
    [(1.0, 101), (0.5, 50), (0.25, 25), (0.001, 1)],
    ids=["all", "half", "quarter", "tiny"],
)
def test_a_length_is_a_share_of_the_updates_and_at_least_one(budget: float, length: int) -> None:
    assert Task("mine", train, updates=101).length(budget) == length


# Its identity


def test_the_identity_follows_the_file_and_the_device(mine: Path) -> None:
    found = find_task(f"{mine}:mine")
    before = found.identity()

    mine.write_text(MINE + "# edited\n")

    assert before.startswith("mine@")
    assert len(before) == len("mine@") + 8
    assert found.identity() != before
    assert found.identity("cuda") == f"{found.identity()} on cuda"
    mine.write_text(MINE)
    assert found.identity() == before


def test_the_identity_is_that_of_the_function_beneath_its_wrappers(mine: Path) -> None:
    found = find_task(f"{mine}:mine")

    @functools.wraps(found.train)
    def wrapped(run: Any) -> Any:
        return found.train(run)

    assert Task("mine", wrapped, updates=100).identity() == found.identity()


@pytest.mark.parametrize(
    "function",
    [functools.partial(train), eval("lambda run: {}"), type("Trainer", (), {"__call__": lambda *_: {}})()],
    ids=["partial", "typed in", "object"],
)
def test_a_function_without_a_file_has_no_identity(function: Any) -> None:
    with pytest.raises(TaskError, match=r"the task 'mine' has no source file; define .* in a \.py file"):
        Task("mine", function, updates=100).identity()


# Finding it


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_tasks_of_the_package_are_there(name: str) -> None:
    assert find_task(name).name == name


def test_a_task_is_found_in_a_file(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)

    found = find_task("mine.py:mine")

    assert found.updates == 100
    assert find_task(f"{mine}:mine") is found


def test_a_task_is_found_in_a_module_from_here(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)

    assert find_task("mine:mine").updates == 100


def test_a_file_may_import_what_lies_beside_it(mine: Path) -> None:
    (mine.parent / "beside_it.py").write_text("UPDATES = 7\n")
    mine.write_text("from beside_it import UPDATES\n" + MINE.replace("100", "UPDATES"))

    assert find_task(f"{mine}:mine").updates == 7


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("digit", "no task called 'digit': .*digits, digits-clean, fashion-mnist.*; did you mean 'digits'"),
        ("mine.py", "no task called 'mine.py': .* your own is 'path/to/file.py:name'"),
        ("xyz", "'package.module:name'$"),
        ("none.py:mine", r"the task 'none.py:mine' cannot be found: there is no file .*none\.py"),
        (
            "no_such_package:mine",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        (":mine", "cannot be imported: ValueError: Empty module name"),
        ("mine.py:yours", r"mine.py has nothing called 'yours'; put @etude\.study\.task\(updates=...\) on"),
        ("mine.py:number", "mine.py has int, not a Task called 'number'; put @etude"),
        ("mine.py:task", "mine.py has function, not a Task called 'task'; put @etude"),
    ],
)
def test_a_reference_to_no_task_says_what_to_write(
    reference: str, message: str, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)

    with pytest.raises(TaskError, match=message):
        find_task(reference)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def mine(run)", r"SyntaxError: expected ':'"),
        ("import sys; sys.exit('no GPU')", "SystemExit: no GPU"),
        ("import etude.study; etude.study.task(updates=0)(print)", "the task 'print': updates must be"),
    ],
    ids=["missing", "raises", "syntax", "exits", "bad task"],
)
def test_a_file_that_cannot_be_imported_says_why_each_time(mine: Path, text: str, message: str) -> None:
    mine.write_text(text)

    for _ in range(2):
        with pytest.raises(TaskError, match=message):
            find_task(f"{mine}:mine")

    mine.write_text(MINE)
    assert find_task(f"{mine}:mine").updates == 100
