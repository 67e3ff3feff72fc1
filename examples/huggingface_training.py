"""Digits under transformers' Trainer: a small BERT reads each image as a sequence of 64 shades."""

import torch
from sklearn.datasets import load_digits
from transformers import BertConfig, BertForSequenceClassification, TrainingArguments

import etude as et
from etude.plots import to_text
from etude.torch import Scheduler
from etude.trainers.huggingface import ScheduledTrainer

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
data = [{"input_ids": torch.tensor(row).long(), "labels": y} for row, y in zip(images, labels, strict=True)]
small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
args = TrainingArguments(
    output_dir="digits-bert",
    use_cpu=True,
    learning_rate=1e-2,
    num_train_epochs=4,
    per_device_train_batch_size=32,
    logging_steps=38,
    save_strategy="no",
    report_to="none",
    disable_tqdm=True,
    dataloader_pin_memory=False,
)


def build(optimizer, horizon):
    plan = et.linear(warmup="10%")
    print(horizon, to_text(plan.on(horizon).chart(args.learning_rate), height=8), sep="\n")
    return Scheduler(optimizer, plan, horizon)


model = BertForSequenceClassification(BertConfig(vocab_size=17, num_labels=10, **small))
# It prints the rate that the last update of every 38 has used.
ScheduledTrainer(model, args, train_dataset=data, scheduler=build).train()
