"""Named questions: each is one SQL file with a header that says what its rows mean and what to do."""

from catalog.auditing.asking import Answer, asked, is_at_least, known_run, problems
from catalog.auditing.describing import grouped, markdown
from catalog.auditing.finding import audit_named, audits
from catalog.auditing.headers import SEVERITIES, Audit

__all__ = [
    "SEVERITIES",
    "Answer",
    "Audit",
    "asked",
    "audit_named",
    "audits",
    "grouped",
    "is_at_least",
    "known_run",
    "markdown",
    "problems",
]
