"""Directory records against the headers of the files that they name (PS3.3 F.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from catalog.attributes import BY_TAG
from catalog.dicom.claims import claims
from catalog.dicom.dictionary import keyword
from catalog.dicom.elements import tag_text
from catalog.dicom.header import Header
from catalog.dicom.values import SPECIFIC_CHARACTER_SET, character_sets, text
from catalog.entities import Level
from catalog.fileset.records import RECORD_TYPES
from catalog.fileset.texts import encodings_of
from catalog.fileset.tree import Record
from catalog.findings import Finding, Severity
from catalog.importing.outcome import Difference

_REFERENCES = {
    0x00041510: "ReferencedSOPClassUIDInFile",
    0x00041511: "ReferencedSOPInstanceUIDInFile",
    0x00041512: "ReferencedTransferSyntaxUIDInFile",
}
_IDENTITY = frozenset([0x0020000D, 0x0020000E, 0x00100020, 0x00041510, 0x00041511])
"""What says which instance it is, and whose."""

_CLAUSES = {"PATIENT": "PS3.3 F.5.1", "STUDY": "PS3.3 F.5.2", "SERIES": "PS3.3 F.5.3"}
_ELSEWHERE = frozenset([SPECIFIC_CHARACTER_SET, 0x0040A030])
"""Keys that a file has not at its top level: Verification DateTime stands in the Verifying Observer Sequence."""

_LEGACY = {"DA": ".", "TM": ":"}
"""What the form of ACR-NEMA has between the parts of a date or time, which a record may not have."""

_TYPE_1 = frozenset(
    key.tag
    for kind in RECORD_TYPES.values()
    for key in kind.keys
    if key.type == "1" and key.tag >> 16 != 0x0004
)
"""Keys for which a directory must supply a value where the file has none."""


def compared_tags(chain: Sequence[Record]) -> frozenset[int]:
    """Return the tags of a header with which the keys of `chain` are compared."""
    return frozenset(e.tag for record in chain for e in record.keys if _is_compared(e.tag, e.vr))


def _is_compared(tag: int, vr: str) -> bool:
    """Return whether a key is that of a header: not what places the record, nor what is made for it."""
    return tag >> 16 not in (0x0002, 0x0004, 0x0088) and vr != "SQ" and tag not in _ELSEWHERE


class Comparison:
    """Gathers what records and files say otherwise: each key of a record once for each other value."""

    def __init__(self) -> None:
        self._agreeing: dict[tuple[int, int], int] = {}
        self._differing: dict[tuple[int, int], dict[tuple[str | None, str | None], Difference]] = {}

    def of_file(
        self,
        path: str,
        header: Header,
        chain: Sequence[Record],
        offsets: Sequence[int],
        *,
        is_alone: bool = False,
    ) -> None:
        """Hold the records of `chain`, which stand at `offsets`, against the header of the file.

        Parameters
        ----------
        is_alone:
            The last of them has no other file below it; then nothing is kept of what agrees.
        """
        record, offset = chain[-1], offsets[-1]
        for tag, in_file in _own(header).items():
            said = record.plain(tag)
            self._note(record, offset, tag, said, in_file, path, is_alone=is_alone)
        in_header = character_sets(header.elements)
        for each, place in zip(chain, offsets, strict=True):
            encodings = encodings_of(each)
            for element in each.keys:
                tag = element.tag
                if not _is_compared(tag, element.vr):
                    continue
                theirs = header.elements.get(tag)
                in_file = None if theirs is None else text(theirs, in_header)
                if not in_file and tag in _TYPE_1:
                    continue
                if in_file and (separator := _LEGACY.get(element.vr)):
                    in_file = in_file.replace(separator, "")
                said = text(element, encodings)
                alone = is_alone and each is record
                self._note(each, place, tag, said, in_file, path, is_alone=alone)

    def _note(
        self,
        record: Record,
        offset: int,
        tag: int,
        in_record: str | None,
        in_file: str | None,
        path: str,
        *,
        is_alone: bool,
    ) -> None:
        key = (offset, tag)
        # Absent and empty are one to a directory: it must have keys that files may lack.
        if (in_record or "") == (in_file or ""):
            if is_alone:
                return
            self._agreeing[key] = self._agreeing.get(key, 0) + 1
            return
        found = self._differing.setdefault(key, {})
        said = (in_record, in_file)
        before = found.get(said)
        if before is not None:
            found[said] = before._replace(files=before.files + 1)
            return
        name = _REFERENCES.get(tag) or keyword(tag) or tag_text(tag)
        found[said] = Difference(
            record.type, offset, name, in_record, in_file, path, 1, tag in _IDENTITY, 0
        )

    def differences(self) -> Iterator[Difference]:
        """Yield what differs, in order of the records' offsets and of tags."""
        for key in sorted(self._differing):
            agreeing = self._agreeing.get(key, 0)
            for difference in self._differing[key].values():
                yield difference._replace(agreeing=agreeing)


def _own(header: Header) -> Mapping[int, str | None]:
    """Return what a record's references should be, from the file's own header."""
    stated = claims(header.elements, header.meta).claims
    return {
        0x00041510: stated.instance.sop_class_uid if stated else None,
        0x00041511: stated.instance.sop_instance_uid if stated else None,
        0x00041512: header.transfer_syntax_uid,
    }


_PERSONAL = frozenset(a.keyword for a in BY_TAG.values() if a.level is Level.PATIENT or a.vr == "PN")  # fmt: skip


def findings(differences: Iterable[Difference]) -> Iterator[Finding]:
    """Yield a finding for each difference; its message never names a patient (`catalog.findings`)."""
    for each in differences:
        is_reference = each.keyword in _REFERENCES.values()
        if each.keyword in _PERSONAL or not each.keyword[:1].isalpha():
            says = f"The {each.record_type} record and the file say something else of {each.keyword}"  # fmt: skip
        else:
            says = f"{each.keyword} is {_shown(each.in_record)} in the {each.record_type} record and {_shown(each.in_file)} in the file"
        others = f"; so it is in {each.files - 1:,} more" if each.files > 1 else ""
        agree = ""
        if each.agreeing:
            agree = f"; {each.agreeing:,} {'file' if each.agreeing == 1 else 'files'} below it {'agrees' if each.agreeing == 1 else 'agree'} with the record"
        severity = (
            Severity.ERROR
            if each.is_identity
            else Severity.NOTE
            if each.agreeing
            else Severity.WARNING
        )
        yield Finding(
            "reference-wrong" if is_reference and each.is_identity else "key-differs",
            severity,
            f"{says}{others}{agree}.",
            each.path,
            "PS3.3 F.3.2.2" if is_reference else _CLAUSES.get(each.record_type, "PS3.3 F.5"),
            each.offset_bytes,
        )


def _shown(value: str | None) -> str:
    return "absent" if value is None else repr(value[:100]) if value else "empty"
