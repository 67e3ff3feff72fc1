"""The command as a user's terminal has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from etude.cli import cli
from etude.errors import EtudeError

ETUDE = Path(sys.executable).with_name("etude")
WIDTH = 80


@dataclass(frozen=True)
class Said:
    """What a command said: the exit status, what it printed, and its message where it refused."""

    status: int
    text: str
    refusal: str = ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def etude(*arguments: str | Path) -> Said:
    """Give the command in this process, on a terminal of 80 columns that is none."""
    result = CliRunner(env={"COLUMNS": str(WIDTH)}).invoke(cli, list(map(str, arguments)))
    if isinstance(result.exception, EtudeError):
        return Said(1, result.output, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.output)


@contextmanager
def started(arguments: Sequence[str | Path], folder: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, which leads a group as in a terminal; killed in the end."""
    with subprocess.Popen(
        [ETUDE, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def fits(said: Said) -> bool:
    """Whether nothing but a path is wider than the terminal."""
    return all(len(line) <= WIDTH for line in said.lines if not line.startswith(("Report: ", "Drawn to ")))


def leave_unfinished(store: str | Path, label: str) -> None:
    """Let a process start a run and be gone."""
    code = (
        "import sys\n"
        "from etude.record import RunKey, open_store\n"
        "key = RunKey('theirs@01234567', 'Constant(BASE)', 0.1, 1000, 0)\n"
        "open_store(sys.argv[1]).start(key, label=sys.argv[2], fingerprint='', versions={})\n"
    )
    subprocess.run([sys.executable, "-c", code, store, label], check=True)
