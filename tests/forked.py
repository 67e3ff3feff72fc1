"""Processes that are forked from one that has imported torch: it takes longer than what most of them do."""

from __future__ import annotations

import atexit
import os
import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(["tests.record.training", "tests.torch.killed", "torch._dynamo"])


@dataclass(frozen=True)
class Done:
    """How a process has ended, and what it has printed."""

    status: int | None
    out: str
    error: str


def call(
    target: Callable[..., Any],
    *arguments: Any,
    folder: Path,
    settings: Mapping[str, str] | None = None,
    seconds: float = 240,
) -> Done:
    """Call a function in a process of its own.

    Args:
        target: the function; what it returns is the exit status.
        arguments: what it is given.
        folder: where it is called.
        settings: of its environment, beside this process's own.
        seconds: when it is killed.
    """
    environment = {**os.environ, **(settings or {})}
    with tempfile.TemporaryDirectory() as name:
        out, error = Path(name) / "out", Path(name) / "error"
        child = FORKED.Process(target=_begin, args=(target, arguments, folder, environment, out, error))
        child.start()
        child.join(seconds)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise TimeoutError(f"after {seconds} s it has printed {out.read_text()!r}, {error.read_text()!r}")
        return Done(child.exitcode, out.read_text(encoding="utf-8"), error.read_text(encoding="utf-8"))


def run(script: Path, *arguments: str | Path, folder: Path, **options: Any) -> Done:
    """Run a script of Python, as Python itself does; the options are those of ``call``."""
    return call(_run, script, list(map(str, arguments)), folder=folder, **options)


def _run(script: Path, arguments: list[str]) -> None:
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


def _begin(
    target: Callable[..., Any],
    arguments: tuple[Any, ...],
    folder: Path,
    environment: dict[str, str],
    out: Path,
    error: Path,
) -> None:
    for path, descriptor in ((out, 1), (error, 2)):
        with path.open("w") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        sys.exit(target(*arguments))
    finally:
        atexit._run_exitfuncs()  # which such a process leaves out
