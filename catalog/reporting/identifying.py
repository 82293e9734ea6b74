"""Which values of an audit's rows can go into a page that identifies nobody.

What is not known to be harmless is withheld, so an audit with a new column reveals nothing.
Identifiers of patients, studies and instances are withheld, also UIDs, as who has another catalogue
finds the person by them; paths and file names, as they often hold names; dates, which with a
modality single people out; and whatever people typed: descriptions, reasons, recipients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HARMLESS = frozenset(
    {
        # of files and instances, what they are technically
        "Status", "SizeBytes", "SOPClassUID", "SOPClassName", "SOPClass", "TransferSyntaxUID",
        "TransferSyntaxName", "TransferSyntax", "TransferSyntaxes", "DirectoryRecordType", "Modality",
        "Modalities", "Provenance", "BitsAllocated", "PhotometricInterpretation",
        "BurnedInAnnotation", "LossyImageCompression", "SpecificCharacterSet", "Rows", "Columns",
        "NumberOfFrames",
        # of equipment
        "Manufacturer", "ManufacturerModelName", "SoftwareVersions",
        "ImplementationVersionName", "ImplementationClassUID",
        # what was found, by kind
        "Attribute", "Keyword", "Level", "Severity", "Code", "Verdict", "Kind", "Outcome", "Command",
        "Clause",
        # how many
        "Files", "OtherFiles", "Instances", "Series", "Studies", "Patients", "Findings", "Sizes",
        "Copied",
    }
)  # fmt: skip
"""Names of columns whose values say nothing about a person."""


def harmless(
    columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    """Return the columns and rows without the columns that may identify people."""
    places = [place for place, name in enumerate(columns) if name in HARMLESS]
    return (
        tuple(columns[place] for place in places),
        tuple(tuple(row[place] for place in places) for row in rows),
    )
