"""What lies where in a DICOMDIR, as values: its elements and Directory Records in physical order.

`items` fills them, `linking` makes a tree of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from catalog.dicom.elements import Element
from catalog.findings import Finding, Severity
from catalog.shapes import field, mutable

DIRECTORY_RECORDS = 0x00041220


@mutable
class Laid:
    """One Directory Record as it lies in the file.

    Attributes
    ----------
    keys:
        Sorted by tag, each tag once; the links and the type are not among them.
    next, lower, mrdr:
        The offsets as the file has them; `None` where the element is absent.
    has_text:
        False if no character set is among the keys and no key can be in need of one.
    """

    offset_bytes: int
    type: str = ""
    keys: Sequence[Element] = ()
    next: int | None = None
    lower: int | None = None
    mrdr: int | None = None
    in_use: bool = True
    has_text: bool = True


@mutable
class Layout:
    """Everything in a DICOMDIR, in physical order: File Meta, data set, records."""

    meta: dict[int, Element] = field(default_factory=dict)
    elements: dict[int, Element] = field(default_factory=dict)
    records: list[Laid] = field(default_factory=list)
    has_sequence: bool = False
    findings: list[Finding] = field(default_factory=list)

    def note(
        self,
        code: str,
        severity: Severity,
        message: str,
        offset: int | None,
        clause: str | None = None,
    ) -> None:
        """Keep a finding."""
        self.findings.append(Finding(code, severity, message, "", clause, offset))
