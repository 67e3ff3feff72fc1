"""One, two and four processes over gloo: DDP, FSDP2, distributed checkpoints, feedback; and torchrun."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.distributed.run as torchrun

from etude import Cosine, Horizon
from etude.torch import mean_over_ranks
from tests.test_examples import EXAMPLES, run
from tests.trainers.processes import together
from tests.trainers.torchrun_ranks import KINDS, UPDATES, resumed

CURVE = [1 - step / UPDATES for step in range(UPDATES)]
"""T18: 1, 0.875, 0.75, ... at any world size."""

RANKS = "tests.trainers.torchrun_ranks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torchrun")


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[Any]:
    """What one process told; it goes on from its own checkpoints."""
    return together(RANKS, 1, folder / "1")


@pytest.fixture(scope="module")
def both(alone: list[Any], folder: Path) -> list[Any]:
    """What each of two processes told; they go on from the checkpoints of the one."""
    return together(RANKS, 2, folder / "2", str(folder / "1"))


def test_under_ddp_one_and_two_processes_have_the_same_curve(alone: list[Any], both: list[Any]) -> None:
    for rank in alone + both:
        assert rank["ddp"] == {"rates": CURVE, "horizon": str(UPDATES)}


def test_under_ddp_four_processes_have_the_same_curve(folder: Path) -> None:
    for rank in together(RANKS, 4, folder / "4", "only ddp"):
        assert rank["ddp"] == {"rates": CURVE, "horizon": str(UPDATES)}


@pytest.mark.parametrize("kind", KINDS)
def test_under_fsdp2_every_process_has_the_curve(alone: list[Any], both: list[Any], kind: str) -> None:
    for rank in alone + both:
        assert rank["saved"][kind]["rates"] == CURVE


def test_the_scheduler_never_communicates(both: list[Any]) -> None:
    # Were it to, this run would not have ended: the other rank waited at a barrier all the time.
    assert [rank["on one rank only"] for rank in both] == [CURVE[5], -1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_distributed_checkpoint_goes_on_exactly(alone: list[Any], kind: str) -> None:
    assert alone[0]["resumed"][kind] == {
        "rates": CURVE[3:],
        "weights": alone[0]["saved"][kind]["weights"],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_distributed_checkpoint_goes_on_exactly_with_more_processes(
    alone: list[Any], both: list[Any], kind: str
) -> None:
    for rank in both:
        assert rank["resumed"][kind]["rates"] == CURVE[3:]
        assert rank["resumed"][kind]["weights"] == pytest.approx(alone[0]["saved"][kind]["weights"])


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    """This process, as the only one of a run."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("kind", KINDS)
def test_a_distributed_checkpoint_goes_on_exactly_with_fewer_processes(
    both: list[Any], folder: Path, kind: str
) -> None:
    rest = resumed(folder / "2", kind)
    assert rest["rates"] == CURVE[3:]
    assert rest["weights"] == pytest.approx(both[0]["saved"][kind]["weights"])


def test_a_state_saved_with_float_rates_loads_into_tensor_rates_and_back(both: list[Any]) -> None:
    for rank in both:
        assert rank["across"] == {"float to tensor": CURVE[3], "tensor to float": CURVE[3]}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ("float to tensor", "scheduler._last_lr.0"),
        ("tensor to float", "scheduler._last_lr"),
        ("one field more", "scheduler.one_more"),
    ],
)
def test_torchs_states_are_stored_field_by_field_and_do_not(
    both: list[Any], change: str, missing: str
) -> None:
    for rank in both:
        said = rank["torch's, across"][change]
        assert f"RuntimeError: Missing key in checkpoint state_dict: {missing}.\n" in said


def test_a_plateau_fed_with_the_mean_cuts_at_the_same_time_everywhere(both: list[Any]) -> None:
    # The means are 1, 0.85, 0.85, 0.8, 0.9, 0.9: the best is the fourth, and two bad ones follow it.
    assert [rank["plateau"] for rank in both] == [pytest.approx([1.0, 1.0, 1.0, 1.0, 1.0, 0.1])] * 2


def test_a_plateau_fed_with_each_processs_own_metric_does_not(both: list[Any]) -> None:
    assert both[0]["plateau of its own"] != both[1]["plateau of its own"]


def test_alone_the_mean_over_ranks_is_the_value_itself() -> None:
    assert mean_over_ranks(torch.tensor([0.25])) == mean_over_ranks(0.25) == 0.25


def test_the_example_goes_on_with_fewer_processes(tmp_path: Path) -> None:
    launcher = Path(torchrun.__file__)
    options = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    lines = []
    for processes in (2, 1):
        options.append(f"--nproc-per-node={processes}")
        lines += run(launcher, *options, EXAMPLES / "torchrun_training.py", folder=tmp_path).splitlines()

    updates = [int(line.split(":")[0].split()[1]) for line in lines]
    rates = [float(line.rpartition(" ")[2]) for line in lines]
    assert updates == [8, 16, 24, 32, 40, 48]
    assert rates == pytest.approx(Cosine(0.5, 0.0, over=48).on(Horizon())(updates), abs=1e-4)
