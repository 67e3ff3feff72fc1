"""Tasks: a training function, and what a comparison needs to know about it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from etude.errors import TaskError
from etude.names import nearest

__all__ = ["BUILT_IN", "Task", "find_task", "task"]

Train: TypeAlias = Callable[[Any], Mapping[str, float]]
"""A training function; what it is given is an ``etude.study.run.Run``, whose module imports torch."""

BUILT_IN = {
    "digits": "etude.study.tasks.catalogue:digits",
    "digits-clean": "etude.study.tasks.catalogue:digits_clean",
    "fashion-mnist": "etude.study.tasks.catalogue:fashion_mnist",
}
"""The tasks that come with the package: name → where they are."""


@dataclass(frozen=True)
class Task:
    """A training function under comparison.

    Args:
        name: as shown in reports, and in the name of the report's folder.
        train: ``train(run) -> {"validation": score, "test": score}``; higher is better. It must do
            ``run.updates`` updates with the scheduler that ``run.bind(optimizer)`` returns, and draw
            everything random from ``run.seed``.
        updates: the whole length of a run, in optimizer updates, ≥ 1.
        updates_per_epoch: for schedules with lengths in epochs.
        peaks: the peak rates to choose from, on validation scores; rising.
        budgets: the lengths to run each schedule at, as shares of ``updates`` in (0, 1], rising to 1.
        seeds: how many seeds each schedule's chosen peak is run with, ≥ 1; one tells nothing of chance.
        tuning_seeds: how many of them all peaks are run with, to choose one, ≥ 1.
        percent: whether the scores are shares of 1, to be shown in percent.
        about: one sentence about data and model.
    """

    name: str
    train: Train
    updates: int
    updates_per_epoch: int | None = None
    peaks: Sequence[float] = (0.01, 0.03, 0.1, 0.3)
    budgets: Sequence[float] = (0.25, 0.5, 1.0)
    seeds: int = 5
    tuning_seeds: int = 2
    percent: bool = True
    about: str = ""

    def __post_init__(self) -> None:
        if not callable(self.train):
            raise TaskError(f"the task {self.name!r} needs a training function; got {self.train!r}")
        name = self.name
        if (
            not isinstance(name, str)
            or not name.isprintable()
            or not name.strip(" .")
            or set(name) & set("@/\\")
        ):
            # It names a folder, and stands before the @ in the store.
            raise TaskError(f"a task's name must be a text without @, / and \\; got {name!r}")
        for field in ("updates", "seeds", "tuning_seeds"):
            _whole(self.name, field, getattr(self, field))
        if self.updates_per_epoch is not None:
            _whole(self.name, "updates_per_epoch", self.updates_per_epoch)
        if self.tuning_seeds > self.seeds:
            raise TaskError(
                f"the task {self.name!r}: tuning_seeds must be at most seeds, {self.seeds}; "
                f"got {self.tuning_seeds}"
            )
        _rising(self.name, "peaks", self.peaks, math.inf)
        _rising(self.name, "budgets", self.budgets, 1.0)
        if self.budgets[-1] != 1.0:
            raise TaskError(
                f"the task {self.name!r}: the last of budgets must be 1.0; got {self.budgets[-1]}"
            )

    def identity(self, device: str = "cpu") -> str:
        """The name with a digest of the source file: a changed task is another one to the store.

        So is one on another device, whose roundings differ.
        """
        try:
            source = Path(inspect.getfile(inspect.unwrap(self.train))).read_bytes()
        except (OSError, TypeError):
            raise TaskError(
                f"the task {self.name!r} has no source file; define its function in a .py file, from where "
                f"worker processes can import it"
            ) from None
        where = "" if device == "cpu" else f" on {device}"
        return f"{self.name}@{hashlib.sha256(source).hexdigest()[:8]}{where}"

    def length(self, budget: float) -> int:
        """The updates of a run at this share of the whole length."""
        return max(round(self.updates * budget), 1)


def task(updates: int, **settings: Any) -> Callable[[Train], Task]:
    """Make a training function a Task: a decorator.

    Args:
        updates: the whole length of a run, in optimizer updates.
        settings: the other fields of ``Task``; the name is the function's.

    >>> @task(updates=100, peaks=(0.1, 0.3))
    ... def mine(run):
    ...     return {"validation": 0.5, "test": 0.5}
    >>> mine.name, mine.length(0.25)
    ('mine', 25)
    """

    def decorate(train: Train) -> Task:
        fields = {"name": getattr(train, "__name__", "task"), **settings}
        try:
            return Task(train=train, updates=updates, **fields)
        except TypeError as error:
            raise TaskError(f"@task: {error}") from None

    return decorate


def find_task(reference: str) -> Task:
    """Return the task that a reference names.

    What lies beside the file, or the module from here, can be imported by it, as ``python file.py`` and
    ``python -m module`` would have it.

    Args:
        reference: ``"digits"``, ``"path/to/file.py:name"`` or ``"package.module:name"``.

    Raises:
        TaskError: where there is none, with what to write instead.
    """
    where, colon, name = BUILT_IN.get(reference, reference).rpartition(":")
    if not colon:
        raise TaskError(
            f"there is no task called {reference!r}: the built-in ones are {', '.join(BUILT_IN)}, and your "
            f"own is 'path/to/file.py:name' or 'package.module:name'{nearest(reference, BUILT_IN)}"
        )
    found = getattr(_module(reference, where), name, None)
    if not isinstance(found, Task):
        what = "nothing" if found is None else f"{type(found).__name__}, not a Task"
        raise TaskError(
            f"{where} has {what} called {name!r}; put @etude.study.task(updates=...) on its function"
        )
    return found


def _module(reference: str, where: str) -> Any:
    try:
        if not where.endswith(".py"):
            if reference not in BUILT_IN:
                _add_to_path(Path.cwd())
            return importlib.import_module(where)
        path = Path(where).resolve()
        if not path.is_file():
            raise TaskError(f"the task {reference!r} cannot be found: there is no file {path}")
        # Its own name in sys.modules, so that what the file defines can be pickled.
        module_name = f"etude_task_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        if module_name in sys.modules:
            return sys.modules[module_name]
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise TaskError(f"the task {reference!r} cannot be read as Python: {path}")
        _add_to_path(path.parent)
        module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
        return module
    except TaskError:
        raise
    except (Exception, SystemExit) as error:
        raise TaskError(
            f"the task {reference!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _add_to_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _whole(name: str, field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise TaskError(f"the task {name!r}: {field} must be a whole number ≥ 1; got {value!r}")


def _rising(name: str, field: str, values: object, most: float) -> None:
    fine = (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and len(values) > 0
        and all(isinstance(v, int | float) and not isinstance(v, bool) and 0 < v <= most for v in values)
        and all(math.isfinite(v) for v in values)
        and list(values) == sorted(set(values))
    )
    if not fine:
        bound = "above 0" if most == math.inf else f"above 0 and at most {most:g}"
        raise TaskError(f"the task {name!r}: {field} must be rising numbers {bound}; got {values!r}")
