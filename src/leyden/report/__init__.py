"""A report: what a trained potential did, as a page and as numbers."""

from leyden.report.content import Check, FarRange, LearningCurve, Provenance, Report
from leyden.report.verdict import verdict
from leyden.report.write import write

__all__ = ["Check", "FarRange", "LearningCurve", "Provenance", "Report", "verdict", "write"]
