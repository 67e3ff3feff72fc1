"""Text and JSON to schedules, over the one catalogue of names."""

from etude.spec.catalogue import CATALOGUE
from etude.spec.document import from_json
from etude.spec.text import parse

__all__ = ["CATALOGUE", "from_json", "parse"]
