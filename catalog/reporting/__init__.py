"""A report on a catalogue: one page of HTML that holds all it shows."""

from catalog.reporting.page import page
from catalog.reporting.values import AuditAnswer, Report, ReportUnavailable

__all__ = ["AuditAnswer", "Report", "ReportUnavailable", "page"]
