"""Which process records a run, with which versions, and whether it still exists."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version

__all__ = ["Process", "is_gone", "this_process", "versions"]

# Fields of /proc/<pid>/stat, counted from the state, which follows the name in parentheses.
_STATE, _START_TICKS = 0, 19
_ENDED_STATES = ("Z", "X")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, named so that a later one with the same number is not taken for it.

    Args:
        host: the name of the machine it runs on.
        pid: its number there.
        born: the machine's boot and the clock ticks from there to the process's start; None where the
            system does not tell (it does where there is a /proc).
    """

    host: str
    pid: int
    born: str | None


def this_process() -> Process:
    """Name the calling process."""
    seen = _look_up(os.getpid())
    return Process(socket.gethostname(), os.getpid(), seen[1] if seen else None)


def versions() -> dict[str, str]:
    """Return the version of each package that takes part in a run, and Python's."""
    return {name: version(name) for name in ("etude", "torch", "numpy")} | {"python": python_version()}


def is_gone(process: Process) -> bool:
    """Say whether a process has certainly ended: never so of one on another host.

    One that was killed and that its parent has not yet collected is gone. Where the system has no way to
    tell (Windows), no process is gone.

    >>> is_gone(this_process())
    False
    """
    if process.host != socket.gethostname() or sys.platform == "win32":
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's: it exists
    seen = _look_up(process.pid)
    if seen is None:
        return False
    state, born = seen
    return state in _ENDED_STATES or (process.born is not None and process.born != born)


def _look_up(pid: int) -> tuple[str, str] | None:
    """Return a process's state and birth, or None where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name may itself hold spaces and parentheses: the fields start after the last one.
    fields = stat[stat.rindex(")") + 1 :].split()
    return fields[_STATE], f"{boot} {fields[_START_TICKS]}"
