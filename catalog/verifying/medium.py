"""A medium against its own DICOMDIR. Only reads, and needs no catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalog.dicom import claims as dicom_claims
from catalog.dicom.claims import ClaimsResult, claims
from catalog.dicom.header import Header, read_header
from catalog.dicom.values import character_sets, text
from catalog.errors import HeaderError, NotDicom
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.medium import Medium, content, medium_at
from catalog.files.paths import absolute_text, on_disk
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.reader import read
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.tree import Record, paths
from catalog.findings import Finding, Severity

STAGE = "Verifying"
BATCH_RECORDS = 200


@dataclass(slots=True)
class MediumVerified:
    """What a medium's verification met.

    Attributes
    ----------
    records:
        Directory records by type.
    files:
        Files that records name, right or wrong.
    right:
        Of these, the ones that are there and are what their record says.
    findings:
        Everything that is not as the standard or the directory says.
    """

    records: Counter[str] = field(default_factory=Counter)
    files: int = 0
    right: int = 0
    findings: list[Finding] = field(default_factory=list)


_STUDY_DATE = 0x00080020
_COMPARED = {
    0x00100020: "PatientID",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00080060: "Modality",
    0x00100010: "PatientName",
    0x00080020: "StudyDate",
    0x00080050: "AccessionNumber",
    0x00200011: "SeriesNumber",
    0x00200013: "InstanceNumber",
}
"""Keys of records that are held against the file's own header."""

_TYPE_1 = frozenset(
    key.tag
    for kind in ("PATIENT", "STUDY", "SERIES", "IMAGE")
    for key in RECORD_TYPES[kind].keys
    if key.type == "1"
)
"""Keys for which a directory must supply a value where the file has none."""


def verify_medium(path: Path, listener: Listener = ignore) -> MediumVerified:
    """Hold the DICOMDIR at `path` (the file, or its folder) against the files of its medium.

    Every file that a record names must be there and be the instance that the record says; keys of
    the records are compared with the headers; every DICOM file of the medium must be named
    (PS3.3 F.2.1). Needs no catalogue.

    Raises
    ------
    PathError
        If there is no DICOMDIR, or it cannot be read.
    DicomdirError
        If nothing can be made of it.
    """
    medium = medium_at(path, dicomdir_names)
    directory = read(content(medium.dicomdir))
    result = MediumVerified(findings=list(directory.findings))
    listing = Listing(medium.files)
    named: set[str] = {medium.dicomdir.name}
    keys = _Keys()
    offsets: list[int] = []
    total = len(directory.entries)
    listener(Started(STAGE, total, "records"))
    for position, chain in enumerate(paths(directory.fileset.records)):
        record = chain[-1]
        del offsets[len(chain) - 1 :]
        offsets.append(directory.entries[position].offset_bytes)
        result.records[record.type] += 1
        components = record.file_components
        if components is not None:
            result.files += 1
            resolution = resolve(components, listing, offsets[-1])
            findings = list(resolution.findings)
            if resolution.path is not None:
                named.add(resolution.path)
                findings += _compare(medium, resolution.path, chain, offsets, keys)
            result.findings += findings
            result.right += not any(f.severity is Severity.ERROR for f in findings)
        if position % BATCH_RECORDS == 0:
            listener(Progress(STAGE, position, total))
    result.findings += keys.findings()
    result.findings += _unnamed(medium, named)
    listener(Finished(STAGE, total))
    return result


def _compare(
    medium: Medium, path: str, chain: Sequence[Record], offsets: Sequence[int], keys: _Keys
) -> Iterator[Finding]:
    """Yield what differs between a record and the file that it names; note in `keys` how keys compare."""

    def differs(code: str, message: str, clause: str) -> Finding:
        return Finding(code, Severity.ERROR, message, path, clause, offsets[-1])

    record = chain[-1]
    try:
        header = _header(medium, path)
    except (HeaderError, OSError) as exc:
        yield differs("file-unreadable", f"The file cannot be read: {exc}.", "PS3.10 §7")
        return
    stated: ClaimsResult = claims(header.elements, header.meta)
    own = {
        0x00041510: stated.claims.instance.sop_class_uid if stated.claims else None,
        0x00041511: stated.claims.instance.sop_instance_uid if stated.claims else None,
        0x00041512: header.transfer_syntax_uid,
    }
    names = {
        0x00041510: "SOP Class UID",
        0x00041511: "SOP Instance UID",
        0x00041512: "Transfer Syntax UID",
    }
    for tag, value in own.items():
        said = record.plain(tag)
        if said != value and not (said is None and value is None):
            yield differs(
                "reference-wrong",
                f"The record's {names[tag]} is {said}, the file's is {value}.",
                "PS3.3 F.3.2.2",
            )
    header_encodings = character_sets(header.elements)
    for each, offset in zip(chain, offsets, strict=True):
        encodings = character_sets({e.tag: e for e in each.keys if e.tag == 0x00080005})
        for element in each.keys:
            if element.tag not in _COMPARED:
                continue
            theirs = header.elements.get(element.tag)
            in_file = text(theirs, header_encodings) if theirs else ""
            if in_file == "" and element.tag in _TYPE_1:
                continue
            if element.tag == _STUDY_DATE:
                in_file = in_file.replace(
                    ".", ""
                )  # the form of ACR-NEMA, which a record may not have
            keys.note(offset, each.type, element.tag, path, text(element, encodings) == in_file)


@dataclass(slots=True)
class _Key:
    """How one key of one record compares with the files below it."""

    record_type: str
    agreeing: int = 0
    differing: int = 0
    first: str = ""


class _Keys:
    """Compares keys of records with all files below them: a PATIENT record has one name, its files may have two."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, int], _Key] = {}

    def note(self, offset: int, record_type: str, tag: int, path: str, agrees: bool) -> None:
        key = self._keys.setdefault((offset, tag), _Key(record_type))
        if agrees:
            key.agreeing += 1
        else:
            key.differing += 1
            key.first = key.first or path

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each key from which files differ: a warning if none agrees, else a note."""
        for (offset, tag), key in self._keys.items():
            if not key.differing:
                continue
            what = f"{_COMPARED[tag]} in the {key.record_type} record is not that of"
            if key.agreeing:
                severity = Severity.NOTE
                message = f"{what} {key.differing} of {key.agreeing + key.differing} files below it: the files disagree among themselves."
            else:
                severity = Severity.WARNING
                message = (
                    f"{what} the file."
                    if key.differing == 1
                    else f"{what} any of {key.differing} files below it."
                )
            yield Finding("key-differs", severity, message, key.first, "PS3.3 F.5", offset)


def _header(medium: Medium, path: str) -> Header:
    entry = medium.files[path]
    with open(on_disk(absolute_text(medium.folder), path), "rb") as stream:  # noqa: PTH123
        return read_header(stream, entry.size_bytes, dicom_claims.WANTED)


def _unnamed(medium: Medium, named: set[str]) -> Iterator[Finding]:
    """Yield a finding for each DICOM file that no record names."""
    for path in sorted(set(medium.files) - named):
        try:
            header = _header(medium, path)
        except NotDicom:
            continue  # other files are allowed (PS3.10 §8.1)
        except (HeaderError, OSError) as exc:
            message = f"No record names it, and it cannot be read: {exc}."
            yield Finding("file-unreadable", Severity.NOTE, message, path, "PS3.10 §7")
            continue
        what = "another DICOMDIR" if header.is_dicomdir else "a DICOM file"
        yield Finding(
            "file-unnamed",
            Severity.WARNING,
            f"It is {what} that no record names.",
            path,
            "PS3.3 F.2.1",
        )
