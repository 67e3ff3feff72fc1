from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from etude.study.tasks.classifying import Images, Split, evaluate, fit, perceptron


def images(count: int) -> Images:
    """Two classes, told apart by the first of two pixels; the second numbers the images."""
    labels = torch.arange(count) % 2
    return Images(torch.stack([labels * 2.0 - 1, torch.arange(count) / count], dim=1), labels)


def train(run: Any, count: int = 20, batch: int = 6, **options: Any) -> tuple[nn.Module, dict[str, float]]:
    generator = Generator().manual_seed(run.seed)
    model = perceptron(2, 4, 2, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    data = Split(images(count), images(8), images(10))
    return model, fit(run, model, optimizer, data, batch=batch, generator=generator, **options)


@pytest.mark.parametrize(
    ("updates", "reported"),
    [(1, [0]), (2, [1]), (3, [2]), (4, [2, 3]), (6, [2, 5]), (7, [2, 5, 6])],
)
def test_a_report_after_every_epoch_and_at_the_end(
    updates: int, reported: list[int], make_run: Callable[..., Any]
) -> None:
    """20 images in batches of 6 are 3 updates an epoch."""
    run = make_run(updates=updates)
    train(run)
    assert [report["step"] for report in run.reports] == reported
    assert run.steps == updates


def test_a_report_has_the_mean_training_loss_since_the_last(make_run: Callable[..., Any]) -> None:
    fine, coarse = make_run(updates=6, peak=0.0), make_run(updates=6, peak=0.0)
    train(fine, count=6)
    train(coarse, count=6, batch=3)
    assert fine.reports[0]["loss"] == pytest.approx(coarse.reports[0]["loss"])
    assert [report["step"] for report in fine.reports] == [0, 1, 2, 3, 4, 5]
    assert [report["step"] for report in coarse.reports] == [1, 3, 5]


def test_the_result_is_that_of_the_last_update(make_run: Callable[..., Any]) -> None:
    model, result = train(make_run(updates=50, peak=0.5))
    assert result == {"validation": evaluate(model, images(8))[1], "test": evaluate(model, images(10))[1]}
    assert result["test"] == 1.0


def test_batches_are_full_shuffled_and_distorted_anew_in_every_epoch(make_run: Callable[..., Any]) -> None:
    seen: list[Tensor] = []

    def number(images: Images, generator: Generator) -> Images:
        pixels = images.pixels + torch.rand(1, generator=generator)
        seen.append(pixels[:, 1])
        return Images(pixels, images.labels)

    batches: list[Tensor] = []
    forward = nn.Sequential.forward

    def record(self: nn.Sequential, pixels: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            batches.append(pixels[:, 1])
        return forward(self, pixels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Sequential, "forward", record)
        train(make_run(updates=6), augment=number)
    first, second = torch.cat(batches[:3]), torch.cat(batches[3:])
    assert [len(batch) for batch in batches] == [6] * 6
    assert len(first.unique()) == len(second.unique()) == 18
    assert set(first.tolist()) < set(seen[0].tolist())
    assert set(second.tolist()) < set(seen[1].tolist())
    assert seen[0].tolist() != seen[1].tolist()
    assert first.argsort().tolist() != second.argsort().tolist()


@pytest.mark.parametrize(
    ("logits", "loss", "accuracy"),
    [
        ([[0.0, 0.0], [0.0, 1.0]], (math.log(2) + math.log(1 + math.exp(-1))) / 2, 1.0),
        ([[0.0, 1.0], [0.0, 1.0]], (math.log(1 + math.e) + math.log(1 + math.exp(-1))) / 2, 0.5),
    ],
)
def test_evaluation(logits: list[list[float]], loss: float, accuracy: float) -> None:
    two = Images(torch.tensor(logits), torch.tensor([0, 1]))
    assert evaluate(nn.Identity(), two) == (pytest.approx(loss), accuracy)


def test_weights_start_uniform_within_one_over_the_root_of_the_inputs() -> None:
    model = perceptron(100, 400, 10, generator=Generator().manual_seed(0))
    assert [type(layer) for layer in model] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [tuple(parameter.shape) for parameter in model.parameters()] == [
        (400, 100),
        (400,),
        (10, 400),
        (10,),
    ]
    for layer, bound in ((model[0], 0.1), (model[2], 0.05)):
        assert bound * 0.9 < layer.weight.max() <= bound
        assert -bound <= layer.weight.min() < -bound * 0.9
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
        assert 0 < layer.bias.abs().max() <= bound


def test_standardising_measures_the_training_images_only() -> None:
    labels = torch.zeros(2, dtype=torch.int64)
    split = Split(
        *(Images(torch.tensor(pixels), labels) for pixels in ([[1.0], [3.0]], [[5.0], [7.0]], [[2.0], [2.0]]))
    )
    root = math.sqrt(2)
    standard = split.standardised()
    assert [part.pixels.flatten().tolist() for part in standard] == [
        pytest.approx([-1 / root, 1 / root]),
        pytest.approx([3 / root, 5 / root]),
        pytest.approx([0, 0]),
    ]
