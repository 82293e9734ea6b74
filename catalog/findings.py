"""What dcat noticed: a fact about somebody's data that does not stop the work.

An error stops (`catalog.errors`); a finding is kept, counted and shown, and work goes on.
"""

from __future__ import annotations

from enum import StrEnum

from catalog.shapes import frozen


class Severity(StrEnum):
    """How bad a finding is: an error breaks a rule or loses data, a note is only information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@frozen
class Finding:
    """One thing noticed about one place.

    Attributes
    ----------
    code:
        Stable short name, lower case with hyphens: `truncated`, `type1-supplied`.
    severity:
        See `Severity`.
    message:
        One sentence for a person. It names attributes and files, never a patient.
    place:
        Where: a path, a File ID or a record; empty when the message says it all.
    clause:
        The clause of the standard that is touched, such as `PS3.10 §7.1`; `None` if none is.
    offset_bytes:
        Zero-based position in the file, or `None`.
    """

    code: str
    severity: Severity
    message: str
    place: str = ""
    clause: str | None = None
    offset_bytes: int | None = None
