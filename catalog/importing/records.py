"""Directory records on their way into the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from catalog.database import ledger
from catalog.dicom.claiming import ClaimsMaker
from catalog.dicom.claims import ALWAYS, WANTED, ClaimsResult
from catalog.dicom.header import Header
from catalog.entities import Claims
from catalog.files.medium import Medium
from catalog.files.walk import Entry, Kind
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.outline import Outline
from catalog.fileset.records import record_type_for
from catalog.fileset.tree import Record
from catalog.findings import Finding, Severity
from catalog.importing.keys import REFERENCES, ChainReader, texts
from catalog.importing.opening import leads_out, link_out
from catalog.importing.outcome import Imported

TRANSFER_SYNTAX = 0x00041512
_NO_META: Mapping[int, bytes] = MappingProxyType({})
"""Directory records have no File Meta Information."""


class Step(NamedTuple):
    """One record on its way into the catalogue."""

    position: int
    offset_bytes: int
    """Where the record stands in the DICOMDIR."""
    chain: tuple[Record, ...]
    """The record last, those above it first, each without the records below it."""
    has_lower: bool
    """Whether there are records below it."""
    claims: Claims | None
    path: str | None
    """The file that the record names, if it is there."""
    named: str | None
    """Where the record says that the file is, below the folder; `None` if it names none or may not."""
    components: tuple[str, ...] | None

    @property
    def record(self) -> Record:
        """The record itself."""
        return self.chain[-1]


class Steps:
    """Walks a directory and looks up the files; counts and findings go into `imported`.

    It keeps no record that it has yielded.
    """

    def __init__(self, medium: Medium, directory: Outline, imported: Imported) -> None:
        self._medium = medium
        self._directory = directory
        self._imported = imported
        self._listing = Listing(medium.files)
        self._others = {e.path: e for e in medium.others if e.kind is not Kind.UNLISTED}
        self.shut: set[str] = set()
        self._other_names = Listing(self._others)
        self._chains = ChainReader()
        self._maker = ClaimsMaker(ALWAYS)
        self._base: Header | None = None
        self._base_parent: Record | None = None

    def __iter__(self) -> Iterator[Step]:
        """Yield every record, depth first; this can be asked for once."""
        directory = self._directory
        for position, chain in enumerate(directory.chains()):
            record, offset = chain[-1], directory.offset(position)
            has_lower = directory.has_lower(position)
            self._imported.records[record.type] += 1
            components = record.file_components
            path, named = self._file(components, offset)
            claims_ = self._claims(chain, components, offset)
            yield Step(position, offset, chain, has_lower, claims_, path, named, components)

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._directory)

    def _file(
        self, components: tuple[str, ...] | None, offset: int
    ) -> tuple[str | None, str | None]:
        """Return the path of the file that the record names, if there, and where it says that it is."""
        if components is None:
            return None, None
        imported = self._imported
        resolution = resolve(components, self._listing, offset)
        path = resolution.path
        if path is not None and leads_out(self._medium, path):
            imported.findings.append(link_out(path, offset))
            imported.refused += 1
            return None, None
        findings = resolution.findings
        is_refused = bool(findings) and any(each.code == "file-id-unsafe" for each in findings)
        if path is None and not is_refused and (other := self._other(components)) is not None:
            message = f"A record names it, and it cannot be looked into: {other.reason}."
            imported.findings.append(
                Finding("file-unreadable", Severity.ERROR, message, other.path, "PS3.10 §7", offset)
            )
            imported.shut += 1
            self.shut.add(other.path)
            return None, None
        if not is_refused or offset not in self._directory.refused:
            imported.findings += findings
        if path is not None:
            imported.present += 1
            return path, path
        if is_refused:
            imported.refused += 1
            return None, None
        imported.absent += 1
        return None, "/".join(components)

    def _other(self, components: tuple[str, ...]) -> Entry | None:
        """Return the entry that a record names and that is there, but is no file that can be read."""
        if not self._others:
            return None
        found, _ = self._other_names.like("/".join(components))
        return self._others[found[0]] if found else None

    def _claims(
        self, chain: Sequence[Record], components: tuple[str, ...] | None, offset: int
    ) -> Claims | None:
        """Return what the record and those above it state; `None` for a record of no instance."""
        record = chain[-1]
        if components is None and not record.plain(0x00041511):
            return None
        stated = self._stated(chain)
        if stated.claims is None:
            self._imported.unplaced += 1
            message = f"The {record.type} record {stated.reason}, so no instance is made of it."
            place = "/".join(components or ())
            finding = Finding("record-unplaced", Severity.ERROR, message, place, "PS3.3 F.5", offset)  # fmt: skip
            self._imported.findings.append(finding)
            return None
        record_type = record_type_for(stated.claims.instance.sop_class_uid or "").record_type
        # Its character set is that of the records, re-coded; the instance's own is not known.
        instance = stated.claims.instance._replace(specific_character_set=None)
        return stated.claims._replace(
            instance=instance, directory_record_type=record_type or record.type
        )

    def _stated(self, chain: Sequence[Record]) -> ClaimsResult:
        """Return what a chain of records states; of records that are alike only what differs is worked out."""
        elements = self._chains.elements(chain)
        parent = chain[-2] if len(chain) > 1 else None
        base = self._base
        if base is None or parent is not self._base_parent or elements.keys() != base.elements.keys():  # fmt: skip
            self._base = Header(None, _NO_META, elements, False, False, ())
            self._base_parent = parent
            return self._maker.claims(self._base)
        changed = {}
        for key in chain[-1].keys:
            tag = REFERENCES.get(key.tag, key.tag)
            if tag in WANTED and elements[tag] != base.elements[tag]:
                changed[tag] = elements[tag]
        return self._maker.claims(Header(None, _NO_META, elements, False, False, (), base, changed))


def row_of(step: Step, instance_ref: int | None) -> ledger.RecordRow:
    """Return the row that keeps a record; `instance_ref` is that of its instance."""
    record = step.record
    return ledger.RecordRow(
        step.position,
        len(step.chain) - 1,
        record.type,
        step.offset_bytes,
        None if step.components is None else "/".join(step.components),
        step.path,
        record.plain(0x00041510),
        record.plain(0x00041511),
        record.plain(TRANSFER_SYNTAX),
        texts(record),
        instance_ref,
    )
