"""A medium against its own DICOMDIR and manifest. Only reads, and needs no catalogue."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalog.dicom import claims as dicom_claims
from catalog.dicom.claims import claims
from catalog.dicom.elements import dictionary_vr
from catalog.dicom.header import Header, read_header
from catalog.dicom.values import character_sets, text
from catalog.errors import DicomdirError, HeaderError, NotDicom, PathError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.medium import medium_at
from catalog.files.paths import on_disk, to_text
from catalog.files.writing import UNFINISHED
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.profiles import check_profile, profile_named
from catalog.fileset.reader import read, refused
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.tree import Record, paths
from catalog.findings import Finding, Severity
from catalog.shapes import field, mutable
from catalog.verifying import annex_f, digests
from catalog.verifying.agreement import Keys

STAGE = "Verifying"
BATCH_RECORDS = 200


@mutable
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
        Everything that is not as the standard, the directory or the manifest says.
    digests:
        How the bytes of the files compare with the medium's manifest; `None` if that was not asked.
    """

    records: Counter[str] = field(default_factory=Counter)
    files: int = 0
    right: int = 0
    findings: list[Finding] = field(default_factory=list)
    digests: digests.Proof | None = None


_COMPARED = frozenset(
    (
        0x00100020,  # Patient ID
        0x0020000D,  # Study Instance UID
        0x0020000E,  # Series Instance UID
        0x00080060,  # Modality
        0x00100010,  # Patient's Name
        0x00080020,  # Study Date
        0x00080050,  # Accession Number
        0x00200011,  # Series Number
        0x00200013,  # Instance Number
    )
)
"""Keys of records that are held against the file's own header."""

_REFERENCES = {
    0x00041510: "SOP Class UID",
    0x00041511: "SOP Instance UID",
    0x00041512: "Transfer Syntax UID",
}
_LEVELS = ("PATIENT", "STUDY", "SERIES")
_LEVEL_KEYS = frozenset(
    tag for tag in dicom_claims.WANTED if tag >> 16 != 0x0004 and dictionary_vr(tag) != "SQ"
) - {0x00080005}
"""Keys of PATIENT, STUDY and SERIES records that a thorough check compares, those of profiles included."""

_LEGACY = {"DA": ".", "TM": ":"}

_TYPE_1 = frozenset(
    key.tag
    for kind in ("PATIENT", "STUDY", "SERIES", "IMAGE")
    for key in RECORD_TYPES[kind].keys
    if key.type == "1"
)
"""Keys for which a directory must supply a value where the file has none."""


def verify_medium(path: Path, listener: Listener = ignore) -> MediumVerified:
    """Hold the DICOMDIR at `path` (the file, its folder, or a container) against the files of its medium.

    Every file that a record names must be there and be the instance that the record says; keys of
    the records are compared with the headers; every DICOM file of the medium must be named
    (PS3.3 F.2.1). If the medium has a manifest, every file is read to its end and must have the
    digest that is listed, and every file must be listed. Needs no catalogue.

    Raises
    ------
    PathError
        If there is no DICOMDIR, or it cannot be read.
    DicomdirError
        If nothing can be made of it.
    """
    proving = _Proving(path, False)
    result = proving.run(listener)
    result.digests = digests.prove(proving.medium, proving.leads_out, listener)
    result.findings += result.digests.findings
    return result


def check_medium(
    path: Path, profile: str | None = None, listener: Listener = ignore
) -> MediumVerified:
    """As `verify_medium`, with every further rule that can be seen in the directory and its files.

    These are VRs, forms and lengths of values, character sets, icons, File Meta Information,
    record types against SOP Classes, conditional keys, files that two records name, links out of
    the medium, several DICOMDIRs. A DICOM file that no record names is an error here (PS3.3 F.2.1).

    Parameters
    ----------
    profile:
        Name of an Application Profile (PS3.11) that the directory is held against, too.

    Raises
    ------
    PathError, DicomdirError
        As `verify_medium`.
    FileSetError
        If there is no such profile.
    """
    chosen = None if profile is None else profile_named(profile)
    proving = _Proving(path, True)
    result = proving.run(listener)
    if chosen is not None:
        result.findings += check_profile(proving.directory.fileset, chosen)
    return result


class _Proving:
    """One pass over a directory's records and its medium's files; `thorough` adds Annex F's rules."""

    def __init__(self, path: Path, thorough: bool) -> None:
        _check_is_finished(path)
        self.medium = medium_at(path, dicomdir_names)
        try:
            self.directory = read(self.medium.directory())
        except DicomdirError as exc:
            raise exc.of(self.medium.place) from exc
        self.thorough = thorough
        self._real = os.path.realpath(self.medium.folder)
        self.keys = Keys()
        self.wanted = dicom_claims.WANTED | (annex_f.WANTED if thorough else frozenset())

    def run(self, listener: Listener) -> MediumVerified:
        """Return what is found; files are opened once each, and looked up in one listing."""
        medium, directory = self.medium, self.directory
        result = MediumVerified(findings=list(directory.findings))
        if self.thorough:
            result.findings += annex_f.of_medium(medium, directory)
        listing = Listing(medium.files)
        already_refused = refused(directory)
        named: dict[str, int] = {}
        offsets: list[int] = []
        total = len(directory.entries)
        listener(Started(STAGE, total, "records"))
        for position, chain in enumerate(paths(directory.fileset.records)):
            record = chain[-1]
            del offsets[len(chain) - 1 :]
            offsets.append(directory.entries[position].offset_bytes)
            result.records[record.type] += 1
            if self.thorough:
                result.findings += annex_f.of_record(record, offsets[-1])
            components = record.file_components
            if components is not None:
                result.files += 1
                resolution = resolve(components, listing, offsets[-1])
                findings = list(resolution.findings)
                if (found := resolution.path) is not None:
                    if self.thorough and found in named:
                        findings.append(_named_twice(found, named[found], offsets[-1]))
                    named.setdefault(found, offsets[-1])
                    findings += self._compare(found, chain, offsets)
                result.findings += (
                    f
                    for f in findings
                    if f.code != "file-id-unsafe" or offsets[-1] not in already_refused
                )
                result.right += not any(
                    f.severity is Severity.ERROR or f.code == "link-out" for f in findings
                )
            if position % BATCH_RECORDS == 0:
                listener(Progress(STAGE, position, total))
        result.findings += self.keys.findings()
        result.findings += self._unnamed({medium.dicomdir_path, *named})
        listener(Finished(STAGE, total))
        return result

    def _compare(
        self, path: str, chain: Sequence[Record], offsets: Sequence[int]
    ) -> Iterator[Finding]:
        """Yield what differs between a record and the file that it names; note how keys compare."""
        if self.leads_out(path):
            yield _link_out(path, offsets[-1])
            return
        try:
            header = self._header(path)
        except (HeaderError, OSError) as exc:
            message = f"The file cannot be read: {exc}."
            yield Finding(
                "file-unreadable", Severity.ERROR, message, path, "PS3.10 §7", offsets[-1]
            )
            return
        yield from _references(header, chain[-1], path, offsets[-1])
        if self.thorough:
            yield from annex_f.of_file(path, header, chain[-1], offsets[-1])
        header_encodings = character_sets(header.elements)
        for each, offset in zip(chain, offsets, strict=True):
            encodings = character_sets({e.tag: e for e in each.keys if e.tag == 0x00080005})
            more = _LEVEL_KEYS if self.thorough and each.type in _LEVELS else ()
            for element in each.keys:
                tag = element.tag
                if tag not in _COMPARED and tag not in more:
                    continue
                theirs = header.elements.get(tag)
                in_file = text(theirs, header_encodings) if theirs else ""
                if in_file == "" and tag in _TYPE_1:
                    continue
                if separator := _LEGACY.get(element.vr):
                    # the form of ACR-NEMA, which a record may not have
                    in_file = in_file.replace(separator, "")
                self.keys.note(offset, each.type, tag, path, text(element, encodings) == in_file)

    def _header(self, path: str) -> Header:
        with self.medium.opened(path) as (stream, size_bytes):
            return read_header(stream, size_bytes, self.wanted)

    def leads_out(self, path: str) -> bool:
        """Return whether the file is a link to a place outside of the medium; such are never opened."""
        if self.medium.is_container:
            return False  # links in it are among its other entries
        full = on_disk(self.medium.base, path)
        if not os.path.islink(full):  # noqa: PTH114 - the name may not be UTF-8
            return False
        return os.path.commonpath((self._real, os.path.realpath(full))) != self._real

    def _unnamed(self, named: set[str]) -> Iterator[Finding]:
        """Yield a finding for each DICOM file that no record names, and for what may hide some."""
        for entry in sorted(self.medium.others, key=lambda entry: entry.path):
            message = f"It was not examined: {entry.reason or 'no reason is known'}."
            yield Finding("not-examined", Severity.WARNING, message, entry.path, "PS3.10 §8.1")
        for path in sorted(set(self.medium.files) - named):
            if self.leads_out(path):
                yield _link_out(path, None)
                continue
            try:
                header = self._header(path)
            except NotDicom:
                continue  # other files are allowed (PS3.10 §8.1)
            except (HeaderError, OSError) as exc:
                message = f"No record names it, and it cannot be read: {exc}."
                yield Finding("file-unreadable", Severity.NOTE, message, path, "PS3.10 §7")
                continue
            if header.is_dicomdir and digests.BACKUP.fullmatch(path):
                message = "It is an earlier DICOMDIR, kept when a new one was written; take it away before the medium is handed out."
                yield Finding("directory-backup", Severity.NOTE, message, path, "PS3.10 §8.6")
                continue
            what = "another DICOMDIR" if header.is_dicomdir else "a DICOM file"
            severity = Severity.ERROR if self.thorough else Severity.WARNING
            message = f"It is {what} that no record names."
            yield Finding("file-unnamed", severity, message, path, "PS3.3 F.2.1")


def _references(header: Header, record: Record, path: str, offset: int) -> Iterator[Finding]:
    """Yield which of the record's UIDs are not the file's."""
    stated = claims(header.elements, header.meta).claims
    own = {
        0x00041510: stated.instance.sop_class_uid if stated else None,
        0x00041511: stated.instance.sop_instance_uid if stated else None,
        0x00041512: header.transfer_syntax_uid,
    }
    for tag, value in own.items():
        said = record.plain(tag)
        if said != value and not (said is None and value is None):
            message = f"The record's {_REFERENCES[tag]} is {said}, the file's is {value}."
            yield Finding("reference-wrong", Severity.ERROR, message, path, "PS3.3 F.3.2.2", offset)


def _check_is_finished(path: Path) -> None:
    """Refuse a folder without DICOMDIR of which more is known than that.

    Raises
    ------
    PathError
        If it is an export that was interrupted, or holds volumes.
    """
    try:
        names = sorted(entry.name for entry in path.iterdir())
        if dicomdir_names(names):
            return
        volumes = [name for name in names if (path / name / "DICOMDIR").is_file()]
    except OSError:  # no folder, or one that may not be listed: opening the medium tells
        return
    shown = to_text(str(path))
    if UNFINISHED in names:
        raise PathError(
            f"{shown} is an export that is not finished: it has no DICOMDIR yet. `dcat export --resume {shown}` goes on with it."
        )
    if volumes:
        more = f" and {len(volumes) - 1:,} more" if len(volumes) > 1 else ""
        raise PathError(
            f"{shown} has no DICOMDIR itself; it holds {shown.rstrip('/')}/{to_text(volumes[0])}{more}. Name one of these."
        )


def _link_out(path: str, offset: int | None) -> Finding:
    message = "The file is a link that leads out of the medium; it was not opened."
    return Finding("link-out", Severity.WARNING, message, path, "PS3.10 §8.1", offset)


def _named_twice(path: str, first: int, offset: int) -> Finding:
    message = f"The record at byte {first} names this file, too."
    return Finding("file-shared", Severity.ERROR, message, path, "PS3.3 F.2.1", offset)
