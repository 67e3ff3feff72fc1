"""What a run used and saw, in the loggers that people have: a thin observer of readings for each.

``etude.loggers.csv``, ``etude.loggers.tensorboard``, ``etude.loggers.mlflow``, ``etude.loggers.wandb`` and
``etude.loggers.prometheus`` import what they are named after; nothing else does. All write the same names
over the same axis, the update.
"""
