"""Schedules in other people's trainers: one thin module for each, imported by its own name.

``etude.trainers.lightning``, ``etude.trainers.huggingface``, ``etude.trainers.accelerate`` and
``etude.trainers.ignite`` import what they are named after; nothing else does.
"""
