"""What each process of a distributed Trainer used; it is given the folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import etude as et
from etude.trainers.huggingface import horizon_of
from tests.trainers.processes import report
from tests.trainers.test_huggingface import Sentences, arguments, train


def main(folder: str) -> None:
    warnings.simplefilter("ignore")
    run = Path(folder).parent / "run"
    # Half the batch in each of two processes.
    options: dict[str, Any] = {"per_device_train_batch_size": 2, "num_train_epochs": 3}
    args = arguments(run, save_strategy="steps", save_steps=5, **options)
    trainer, used = train(args, et.linear(warmup=3), optimizers=(None, None))
    horizons = {repr(horizon_of(args, Sentences())), repr(trainer.lr_scheduler.horizon)}
    report({"used": used.first, "horizons": sorted(horizons)})
