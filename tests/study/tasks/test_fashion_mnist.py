from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from etude.errors import TaskError
from etude.study.tasks import fashion_mnist

from_debian = pytest.mark.skipif(
    not Path(fashion_mnist.FOLDER).exists(), reason="needs `apt-get install dataset-fashion-mnist`"
)


def parts_are_whole() -> None:
    data = fashion_mnist.load()
    assert [tuple(part.pixels.shape) for part in data] == [(50_000, 784), (10_000, 784), (10_000, 784)]
    assert [tuple(part.labels.shape) for part in data] == [(50_000,), (10_000,), (10_000,)]
    assert data.training.pixels.mean().item() == pytest.approx(0, abs=1e-4)
    assert data.training.pixels.std().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.usefixtures("generated_folder")
def test_the_variable_names_the_folder_of_the_files() -> None:
    parts_are_whole()
    for part in fashion_mnist.load():
        assert part.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
        assert part.pixels[:10].view(10, 28, 28).mean(2).argmax(1).tolist() == list(range(10))


@from_debian
def test_debians_files_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fashion_mnist.VARIABLE, raising=False)
    parts_are_whole()
    assert fashion_mnist.load().test.labels.bincount().tolist() == [1000] * 10


@pytest.mark.usefixtures("generated_folder")
def test_a_folder_is_read_once() -> None:
    assert fashion_mnist.load() is fashion_mnist.load()


def test_the_images_that_validate_are_the_last_of_the_training_file(
    generated_folder: Path, generated_files: dict[str, bytes]
) -> None:
    labels = bytearray(generated_files["train-labels-idx1-ubyte"])
    labels[-10_000:] = bytes([7]) * 10_000
    (generated_folder / "train-labels-idx1-ubyte").write_bytes(labels)
    data = fashion_mnist.load()
    assert data.validation.labels.unique().tolist() == [7]
    assert data.training.labels.bincount().tolist() == [5000] * 10


@pytest.mark.usefixtures("generated_folder")
def test_a_run_learns_and_repeats_to_the_bit(make_run: Callable[..., object]) -> None:
    first, second, other = (make_run(updates=30, seed=seed) for seed in (0, 0, 1))
    result = fashion_mnist.train(first)
    assert result == {"validation": 1.0, "test": 1.0}
    assert fashion_mnist.train(second) == result
    fashion_mnist.train(other)
    assert first.reports == second.reports != other.reports


@from_debian
def test_a_run_on_debians_files_learns(
    make_run: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(fashion_mnist.VARIABLE, raising=False)
    run = make_run(updates=400)
    result = fashion_mnist.train(run)
    assert result["test"] > 0.8
    assert [report["step"] for report in run.reports] == [389, 399]
    assert run.reports[1]["loss"] < run.reports[0]["loss"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-images-idx3-ubyte", None, "train-images-idx3-ubyte: there is no such file"),
        ("t10k-labels-idx1-ubyte", lambda _: b"<html>", "t10k-labels-idx1-ubyte: starts with 3c 68 74"),
        (
            "t10k-images-idx3-ubyte",
            lambda whole: whole[:-1],
            "t10k-images-idx3-ubyte: holds 7,840,015 bytes unpacked; its header",
        ),
        (
            "t10k-images-idx3-ubyte",
            lambda whole: whole[:4] + bytes.fromhex("000007d0 0000001c 0000008c") + whole[16:],
            "t10k-images-idx3-ubyte: holds an array of (2000, 28, 140), not of (10000, 28, 28)",
        ),
        (
            "train-labels-idx1-ubyte",
            lambda whole: whole[:4] + bytes.fromhex("00000003") + bytes(3),
            "train-labels-idx1-ubyte: holds an array of (3,), not of (60000,)",
        ),
        (
            "train-labels-idx1-ubyte",
            lambda whole: whole[:-1] + bytes([10]),
            "train-labels-idx1-ubyte: holds the label 10, and labels go from 0 to 9",
        ),
    ],
    ids=["missing", "not IDX", "cut short", "other images", "too few labels", "label out of range"],
)
def test_a_bad_file_is_named_with_the_remedy(
    generated_folder: Path,
    generated_files: dict[str, bytes],
    name: str,
    change: Callable[[bytes], bytes] | None,
    message: str,
) -> None:
    if change is None:
        (generated_folder / name).unlink()
    else:
        (generated_folder / name).write_bytes(change(generated_files[name]))
    with pytest.raises(TaskError, match=re.escape(message)) as raised:
        fashion_mnist.load()
    assert str(generated_folder) in str(raised.value)
    assert "apt-get install dataset-fashion-mnist" in str(raised.value)
    assert "set ETUDE_FASHION_MNIST to a folder" in str(raised.value)


def test_an_empty_variable_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fashion_mnist.VARIABLE, "")
    assert fashion_mnist.folder() == Path(fashion_mnist.FOLDER)
