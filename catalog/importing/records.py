"""Directory records on their way into the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from catalog.database import ledger
from catalog.dicom.claiming import ClaimsMaker
from catalog.dicom.claims import ALWAYS, WANTED, ClaimsResult
from catalog.dicom.header import Header
from catalog.entities import Claims
from catalog.files.medium import Medium
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.reader import Directory, refused
from catalog.fileset.records import record_type_for
from catalog.fileset.tree import Record, paths
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
    chain: tuple[Record, ...]
    """The record last, those above it first."""
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
    """Walks a directory and looks up the files; counts and findings go into `imported`."""

    def __init__(self, medium: Medium, directory: Directory, imported: Imported) -> None:
        self._medium = medium
        self._directory = directory
        self._imported = imported
        self._listing = Listing(medium.files)
        self._refused = refused(directory)
        self._chains = ChainReader()
        self._maker = ClaimsMaker(ALWAYS)
        self._base: Header | None = None
        self._base_parent: Record | None = None

    def __iter__(self) -> Iterator[Step]:
        """Yield every record, depth first."""
        for position, chain in enumerate(paths(self._directory.fileset.records)):
            record = chain[-1]
            self._imported.records[record.type] += 1
            components = record.file_components
            path, named = self._file(components, position)
            claims_ = self._claims(chain, components, position)
            yield Step(position, chain, claims_, path, named, components)

    def offset(self, position: int) -> int:
        """Return where a record stands in the DICOMDIR."""
        return self._directory.entries[position].offset_bytes

    def _file(
        self, components: tuple[str, ...] | None, position: int
    ) -> tuple[str | None, str | None]:
        """Return the path of the file that the record names, if there, and where it says that it is."""
        if components is None:
            return None, None
        offset = self.offset(position)
        imported = self._imported
        resolution = resolve(components, self._listing, offset)
        path = resolution.path
        if path is not None and leads_out(self._medium, path):
            imported.findings.append(link_out(path, offset))
            imported.refused += 1
            return None, None
        is_refused = any(finding.code == "file-id-unsafe" for finding in resolution.findings)
        if not is_refused or offset not in self._refused:
            imported.findings += resolution.findings
        if path is not None:
            imported.present += 1
            return path, path
        if is_refused:
            imported.refused += 1
            return None, None
        imported.absent += 1
        return None, "/".join(components)

    def _claims(
        self, chain: Sequence[Record], components: tuple[str, ...] | None, position: int
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
            finding = Finding("record-unplaced", Severity.ERROR, message, place, "PS3.3 F.5", self.offset(position))  # fmt: skip
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

    def rows(self, kept: Iterable[tuple[str | None, int | None]]) -> Iterator[ledger.RecordRow]:
        """Yield the row that keeps each record, in order.

        Parameters
        ----------
        kept:
            Of each record the path of its file, if that is there, and the row of its instance.
        """
        chains = paths(self._directory.fileset.records)
        for position, (chain, (path, instance_ref)) in enumerate(zip(chains, kept, strict=True)):
            record = chain[-1]
            components = record.file_components
            yield ledger.RecordRow(
                position,
                len(chain) - 1,
                record.type,
                self.offset(position),
                None if components is None else "/".join(components),
                path,
                record.plain(0x00041510),
                record.plain(0x00041511),
                record.plain(TRANSFER_SYNTAX),
                texts(record),
                instance_ref,
            )
