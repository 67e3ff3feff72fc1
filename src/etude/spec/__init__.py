"""Text, JSON and YAML to schedules, over the one catalogue of names."""

from etude.spec.catalogue import CATALOGUE
from etude.spec.document import from_json
from etude.spec.text import parse
from etude.spec.yaml_document import from_yaml, to_yaml

__all__ = ["CATALOGUE", "from_json", "from_yaml", "parse", "to_yaml"]
