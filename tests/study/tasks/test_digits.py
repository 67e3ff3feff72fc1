from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from etude.errors import MissingError
from etude.study.tasks import digits

UPDATES_PER_EPOCH = 56


def test_no_image_is_in_two_parts() -> None:
    parts = [{tuple(row) for row in part.pixels.tolist()} for part in digits.load()]
    assert [len(part) for part in parts] == [898, 449, 450]
    assert len(set().union(*parts)) == 1797


def test_the_parts_are_the_same_for_ever() -> None:
    """Results recorded with one release are compared with those of the next."""
    assert ["".join(map(str, part.labels[:20].tolist())) for part in digits.load()] == [
        "28266719852866661058",
        "51490411591426397648",
        "07747201248160340684",
    ]


def test_the_training_images_have_mean_0_and_deviation_1() -> None:
    pixels = digits.load().training.pixels
    assert pixels.mean().item() == pytest.approx(0, abs=1e-6)
    assert pixels.std().item() == pytest.approx(1, abs=1e-6)


def dot(row: int, column: int) -> Tensor:
    """A black image with one white pixel, as a row of 64."""
    image = torch.zeros(8, 8)
    image[row, column] = 1
    return image.view(1, 64)


@pytest.mark.parametrize(
    ("start", "down", "right", "end"),
    [
        ((3, 4), 0, 0, (3, 4)),
        ((3, 4), 1, 0, (4, 4)),
        ((3, 4), -1, 0, (2, 4)),
        ((3, 4), 0, 1, (3, 5)),
        ((3, 4), 0, -1, (3, 3)),
        ((3, 4), 1, -1, (4, 3)),
        ((0, 7), 1, -1, (1, 6)),
        ((7, 0), -1, 1, (6, 1)),
    ],
)
def test_a_shift_moves_every_pixel(
    start: tuple[int, int], down: int, right: int, end: tuple[int, int]
) -> None:
    shifted = digits.shift(dot(*start), torch.tensor([[down]]), torch.tensor([[right]]))
    torch.testing.assert_close(shifted, dot(*end))


@pytest.mark.parametrize(
    ("start", "down", "right"), [((0, 3), -1, 0), ((7, 3), 1, 0), ((3, 0), 0, -1), ((3, 7), 0, 1)]
)
def test_a_pixel_shifted_over_an_edge_does_not_come_back_at_the_other(
    start: tuple[int, int], down: int, right: int
) -> None:
    shifted = digits.shift(dot(*start), torch.tensor([[down]]), torch.tensor([[right]]))
    assert shifted.count_nonzero() == 0


def test_a_shift_uncovers_background_and_not_grey() -> None:
    images = torch.full((1, 64), 2.0)
    images[0, 0] = -0.8
    shifted = digits.shift(images, torch.tensor([[1]]), torch.tensor([[0]])).view(8, 8)
    assert shifted[0].tolist() == pytest.approx([-0.8] * 8)
    assert shifted[1].tolist() == pytest.approx([-0.8] + [2.0] * 7)


def test_each_image_has_a_shift_of_its_own() -> None:
    down, right = torch.tensor([[0], [1]]), torch.tensor([[-1], [0]])
    shifted = digits.shift(torch.cat([dot(3, 3), dot(3, 3)]), down, right)
    torch.testing.assert_close(shifted, torch.cat([dot(3, 2), dot(4, 3)]))


def test_distortion_shifts_evenly_in_nine_ways_and_adds_its_noise() -> None:
    images = digits.Images(10 * dot(3, 3).expand(9000, 64), torch.zeros(9000, dtype=torch.int64))
    distorted = digits.distort(images, Generator().manual_seed(0))
    at, counts = distorted.pixels.argmax(1).unique(return_counts=True)
    assert [divmod(int(pixel), 8) for pixel in at] == [
        (row, column) for row in (2, 3, 4) for column in (2, 3, 4)
    ]
    assert counts.min() > 900
    assert distorted.pixels[:, 40:].std().item() == pytest.approx(digits.NOISE, rel=0.01)
    assert distorted.labels is images.labels


@pytest.mark.parametrize("train", [digits.train, digits.train_clean])
def test_a_run_depends_on_its_seed_and_on_nothing_before_it(
    train: Callable[[Any], dict[str, float]], make_run: Callable[..., Any]
) -> None:
    first, other, again = (make_run(updates=150, seed=seed) for seed in (3, 4, 3))
    result = train(first)
    train(other)
    torch.manual_seed(99)
    assert train(again) == result
    assert again.reports == first.reports
    assert other.reports != first.reports


def test_a_run_leaves_the_global_generator_alone(make_run: Callable[..., Any]) -> None:
    state = torch.get_rng_state()
    digits.train(make_run(updates=3))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_longer_run_under_one_rate_starts_as_the_shorter(make_run: Callable[..., Any]) -> None:
    short, long = make_run(updates=2 * UPDATES_PER_EPOCH), make_run(updates=3 * UPDATES_PER_EPOCH)
    digits.train(short)
    digits.train(long)
    assert long.reports[:2] == short.reports


@pytest.mark.parametrize(
    ("train", "accuracy", "loss"), [(digits.train, 0.85, 1.0), (digits.train_clean, 0.93, 0.1)]
)
def test_training_learns(
    train: Callable[[Any], dict[str, float]], accuracy: float, loss: float, make_run: Callable[..., Any]
) -> None:
    run = make_run(updates=10 * UPDATES_PER_EPOCH)
    result = train(run)
    assert min(result.values()) > accuracy
    assert run.reports[-1]["loss"] < loss < run.reports[0]["loss"]
    assert run.reports[-1]["validation"] == result["validation"]


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingError, match=r"pip install 'etude\[study\]'"):
        digits.load.__wrapped__()
