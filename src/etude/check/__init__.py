"""The checker: what is wrong, or probably not meant, about a schedule on its horizon."""

from etude.check.course import Subject
from etude.check.finding import Finding, Severity
from etude.check.rules import CODES, OF, OTHER, findings

__all__ = ["CODES", "OF", "OTHER", "Finding", "Severity", "Subject", "findings"]
