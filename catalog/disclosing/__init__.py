"""What the ledger tells others: reports of exports, and audit messages for the hospital's log."""

from catalog.disclosing.audit_message import AuditEvent, MediaKind, Patient, Study, message
from catalog.disclosing.events import export_events, import_event
from catalog.disclosing.report import Account, Form, report

__all__ = [
    "Account",
    "AuditEvent",
    "Form",
    "MediaKind",
    "Patient",
    "Study",
    "export_events",
    "import_event",
    "message",
    "report",
]
