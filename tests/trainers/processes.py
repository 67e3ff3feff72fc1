"""Real processes that train together on this machine, over gloo, with what torchrun tells each of them."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.forked import call
from tests.postgres import free_port

ROOT = Path(__file__).parents[2]


def together(module: str, processes: int, folder: Path, *arguments: str) -> list[Any]:
    """Call the ``main`` of a module in so many processes; return what each of them has to ``report``.

    Its first argument is the folder. They are forked where the module has been imported, which takes longer
    than what they do; torchrun itself runs the example.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A collective that one of them does not take part in would wait for half an hour.
    settings, seconds = {"GLOO_SOCKET_IFNAME": "lo"}, 240
    given = (module, str(processes), str(folder), *arguments)
    done = call(main, *given, folder=ROOT, settings=settings, seconds=seconds)
    assert done.status == 0, done.error[-5000:]
    return [json.loads(file(folder, rank).read_text(encoding="utf-8")) for rank in range(processes)]


def file(folder: Path, rank: int) -> Path:
    return folder / f"rank{rank}.json"


def report(told: Any) -> None:
    """What a process has to tell, as JSON."""
    file(Path(sys.argv[1]), int(os.environ["RANK"])).write_text(json.dumps(told), encoding="utf-8")


def main(module: str, count: str, *arguments: str) -> int:
    """Be the parent of the processes; when one fails, end the others."""
    sys.argv[1:] = arguments
    run = importlib.import_module(module).main
    os.environ.update(
        OMP_NUM_THREADS="1",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(free_port()),
        WORLD_SIZE=count,
        LOCAL_WORLD_SIZE=count,
        GROUP_RANK="0",
        TORCHELASTIC_RUN_ID="tests",
    )
    children = set()
    for rank in range(int(count)):
        child = os.fork()
        if child == 0:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
            try:
                run(*arguments)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.add(child)
    failed = 0
    while children:
        child, status = os.wait()
        children.remove(child)
        if status and not failed:
            failed = 1
            for other in children:
                os.kill(other, signal.SIGKILL)
    return failed
