"""The checker: what is wrong, or probably not meant, about a schedule on its horizon."""

from etude.check.course import Subject
from etude.check.finding import Finding, Severity
from etude.check.rules import CODES, findings

__all__ = ["CODES", "Finding", "Severity", "Subject", "findings"]
