"""Real processes that train together on this machine: a program of the tests under torchrun, over gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def torchrun(module: str, processes: int, folder: Path, *arguments: str) -> list[Any]:
    """Run a module in so many processes; return what each of them has to ``report``.

    Its first argument is the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--module", module]
    done = subprocess.run(
        [*command, str(folder), *arguments],
        cwd=ROOT,
        # One thread each, as torchrun sets too, but with a warning.
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        # A collective that one of them does not take part in would wait for half an hour.
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return [json.loads(file(folder, rank).read_text(encoding="utf-8")) for rank in range(processes)]


def file(folder: Path, rank: int) -> Path:
    return folder / f"rank{rank}.json"


def report(told: Any) -> None:
    """What a process has to tell, as JSON."""
    file(Path(sys.argv[1]), int(os.environ["RANK"])).write_text(json.dumps(told), encoding="utf-8")
