"""What an import is asked for, and what it met and did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from catalog.attributes import Further
from catalog.database.patient_links import Link, PatientId
from catalog.findings import Finding, Severity
from catalog.importing.naming import DEFAULT
from catalog.importing.packed import Findings
from catalog.shapes import field, frozen, mutable

_LOST = frozenset(["truncated", "damaged"])
"""Findings of the reader that mean that records may be lost."""

FILES_LOST = frozenset(
    [
        "directory-unreadable",
        "file-unreadable",
        "file-truncated",
        "reference-wrong",
        "link-out",
        "digest-differs",
        "manifest-unreadable",
        "manifest-line",
        "manifest-path",
        "manifest-twice",
        "not-copied",
    ]
)
"""Findings on files that mean that something is lost or wrong."""


class Check(StrEnum):
    """How much of the files is looked at."""

    EXISTS = "exists"
    """Whether they are there."""
    HEADER = "header"
    """Each file's header is read, kept, and held against its record."""
    DIGEST = "digest"
    """Each file is read to its end, too, for its SHA-256."""


@frozen
class CopyOrder:
    """That the instances of a medium are to be copied, where to, and under which names."""

    folder: Path
    name: str = DEFAULT


@frozen
class Order:
    """What an import is asked for.

    Attributes
    ----------
    check:
        How much of the files is looked at; with `copy` each is read anyway.
    copy:
        Where copies go; `None` if none are wanted.
    named_only:
        Leave alone DICOM files that no record names.
    attributes:
        Attributes that are kept beside those of every catalogue, sorted by name.
    links:
        Patient IDs of the medium that mean one of this place; kept with the run.
    """

    check: Check = Check.EXISTS
    copy: CopyOrder | None = None
    named_only: bool = False
    attributes: tuple[Further, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def reads_files(self) -> bool:
        """Whether headers of files are read."""
        return self.check is not Check.EXISTS or self.copy is not None


class Difference(NamedTuple):
    """One key of a record that is not that of a file below it.

    Attributes
    ----------
    record_type, offset_bytes:
        The record, and where it stands in the DICOMDIR.
    keyword:
        The attribute; a tag in hexadecimal if PS3.6 does not name it.
    in_record, in_file:
        What each says, as text; `None` if it does not have it.
    path:
        The file, the first in order of the directory.
    files:
        How many files say the same.
    is_identity:
        It changes which instance, series, study or patient the file belongs to.
    agreeing:
        How many other files below the record agree with it.
    """

    record_type: str
    offset_bytes: int
    keyword: str
    in_record: str | None
    in_file: str | None
    path: str
    files: int
    is_identity: bool
    agreeing: int


class CopyOutcome(StrEnum):
    """What became of an instance that was to be copied."""

    PLANNED = "planned"
    COPIED = "copied"
    THERE = "there"
    """A file of that name with the same bytes was there."""
    FAILED = "failed"


class CopyItem(NamedTuple):
    """One file of the medium and its copy; `target` is below the archive folder, in text form.

    `renamed` says that the name of the template was taken by other bytes.
    """

    source: str
    target: str
    outcome: CopyOutcome
    renamed: bool = False


@mutable
class Imported:
    """What an import met and did.

    Attributes
    ----------
    folder:
        The medium's folder, or the file that holds it.
    records:
        Directory records by type; none if there was no DICOMDIR.
    present, absent, refused:
        Files that records name: there, not there, and not looked for because their File ID would
        lead out of the medium or is no File ID.
    shut:
        Files that records name and that are there, but cannot be looked into.
    unplaced:
        Records that name a file but not which instance it is or where that belongs.
    findings:
        Everything that deviates from the standard, and every file that is not there.
    differences:
        What records and headers say otherwise, in order of the directory.
    read:
        Files whose header was read.
    unnamed:
        DICOM files that no record names, sorted.
    beside:
        Files that are not DICOM: viewers, pages, programs.
    copies:
        What was copied, by source, sorted.
    linked_without_study:
        Patients that were linked and of whom the catalogue has no study: perhaps not who was meant.
    """

    folder: Path
    file_set_id: str = ""
    file_set_uid: str = ""
    has_directory: bool = True
    records: Counter[str] = field(default_factory=Counter)
    present: int = 0
    absent: int = 0
    refused: int = 0
    shut: int = 0
    unplaced: int = 0
    read: int = 0
    beside: int = 0
    linked: int = 0
    unnamed: list[str] = field(default_factory=list)
    copies: list[CopyItem] = field(default_factory=list)
    linked_without_study: list[PatientId] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the medium was lost or wrong, and either all of the named files are there or no instance is."""
        lost = any(f.code in _LOST or f.code in FILES_LOST for f in self.findings)
        wrong = any(each.is_identity for each in self.differences)
        some = self.absent and (self.present or self.shut or self.copies or self.unnamed)
        return not (lost or wrong or self.unplaced or self.refused or some)

    def copied(self, outcome: CopyOutcome) -> int:
        """Return how many of the copies came to `outcome`."""
        return sum(item.outcome is outcome for item in self.copies)

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name, for the run's row."""
        counts = {
            "records": self.records.total(), "present": self.present, "absent": self.absent,
            "refused": self.refused, "unplaced": self.unplaced, "findings": len(self.findings),
        }  # fmt: skip
        if self.shut:
            counts["shut"] = self.shut
        if self.read:
            counts |= {"read": self.read, "differences": len(self.differences), "unnamed": len(self.unnamed), "beside": self.beside}  # fmt: skip
        if self.copies:
            counts |= {f"copies {kind}": n for kind in CopyOutcome if (n := self.copied(kind))}
        if self.linked:
            counts["linked"] = self.linked
        return counts

    def errors(self) -> Iterator[Finding]:
        """Yield the findings that mean that something is lost or wrong."""
        return (f for f in self.findings if f.severity is Severity.ERROR)
