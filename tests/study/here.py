"""The smallest engine there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from etude.study.engine import Job, Outcome, execute


class Here:
    """An engine in this process, which runs the jobs in any order that it is given."""

    workers = 1

    def __init__(self, order: Callable[[list[Job]], Iterable[Job]] = iter) -> None:
        self.order = order
        self.jobs: list[Job] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in self.order(list(jobs)):
            self.jobs.append(job)
            yield execute(job)

    def close(self) -> None:
        pass
