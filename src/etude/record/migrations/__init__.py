"""The scripts that make a store's tables, and those that bring older ones to the newest format."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["scripts_of"]


def scripts_of(database: str) -> list[str]:
    """Return a database's scripts in order: the first makes format 1 of nothing."""
    folder = files("etude.record") / "migrations" / database
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    return [entry.read_text(encoding="utf-8") for entry in found]
