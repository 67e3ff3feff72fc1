"""A run under a constant rate that keeps what it is told, and Fashion-MNIST's four files in miniature."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.optim import Optimizer

from etude.study.tasks import fashion_mnist


@dataclass
class ConstantRun:
    """The smallest thing that is a Run: the peak from the first update to the last."""

    updates: int
    seed: int = 0
    peak: float | None = 0.02
    device: str = "cpu"
    reports: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0

    def bind(self, optimizer: Optimizer) -> ConstantRun:
        for group in optimizer.param_groups:
            group["lr"] = self.peak if self.peak is not None else group["lr"]
        return self

    def step(self) -> None:
        self.steps += 1

    def report(self, step: int, **metrics: float) -> None:
        self.reports.append({"step": step, **metrics})


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in a comparison; on a busy machine a second thread costs these small networks most of their time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_run() -> Callable[..., ConstantRun]:
    return ConstantRun


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture(name="idx_bytes")
def _idx_bytes() -> Callable[[NDArray[np.uint8]], bytes]:
    """An array as the contents of an IDX file."""
    return idx_bytes


@pytest.fixture(scope="session")
def generated_files() -> dict[str, bytes]:
    """Fashion-MNIST's files, in name and shape: image i is of class i % 10 and brightest in that row."""
    files = {}
    for name, count in (("train", 60_000), ("t10k", 10_000)):
        noise = np.random.RandomState(0).randint(0, 100, (10, 28, 28)).astype(np.uint8)
        noise[range(10), range(10)] += 100
        files[f"{name}-images-idx3-ubyte"] = idx_bytes(np.tile(noise, (count // 10, 1, 1)))
        files[f"{name}-labels-idx1-ubyte"] = idx_bytes(np.tile(np.arange(10, dtype=np.uint8), count // 10))
    return files


@pytest.fixture
def generated_folder(
    tmp_path: Path, generated_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with those four files that ETUDE_FASHION_MNIST names."""
    for name, content in generated_files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv(fashion_mnist.VARIABLE, str(tmp_path))
    return tmp_path
