"""Whether a process is gone, asked of real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from etude.record.process import is_gone, this_process

has_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
THIS = this_process()


def ended() -> subprocess.Popen[bytes]:
    """A process that has ended and that nobody has collected yet."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process


def test_this_process_is_there() -> None:
    assert THIS.pid == os.getpid()
    assert not is_gone(THIS)
    assert this_process() == THIS


def test_another_process_that_runs_is_there() -> None:
    assert not is_gone(replace(THIS, pid=os.getppid(), born=None))


@posix
def test_a_process_that_has_ended_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert is_gone(replace(THIS, pid=process.pid, born=None))


@has_proc
def test_a_process_that_has_ended_but_is_not_yet_collected_is_gone() -> None:
    with ended() as process:
        assert is_gone(replace(THIS, pid=process.pid, born=None))


@has_proc
def test_a_later_process_with_the_same_number_is_not_taken_for_it() -> None:
    assert THIS.born is not None
    boot, ticks = THIS.born.split()

    assert is_gone(replace(THIS, born=f"{boot} {int(ticks) - 1}"))
    assert is_gone(replace(THIS, born=f"another-boot {ticks}"))


@posix
def test_a_process_of_another_user_is_there() -> None:
    assert not is_gone(replace(THIS, pid=1, born=None))


def test_a_process_of_another_host_is_never_gone() -> None:
    assert not is_gone(replace(THIS, host="elsewhere.invalid", born="another-boot 0"))
