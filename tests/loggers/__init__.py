"""Readings in the loggers, read back with the loggers themselves."""
