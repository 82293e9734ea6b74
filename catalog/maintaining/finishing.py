"""What the records of files in place have beyond the usual: a profile's demands, UTF-8, icons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import BinaryIO

from catalog.dicom import icons
from catalog.dicom.elements import Element
from catalog.errors import EncodingError
from catalog.fileset import build
from catalog.fileset.making import Making
from catalog.fileset.profiles import check_profile, looks_at, misfit, unmet
from catalog.fileset.recall import MOST_REMEMBERED
from catalog.fileset.recoding import in_utf8
from catalog.fileset.supplied import full
from catalog.fileset.tree import FileSet, Record
from catalog.findings import Finding, Severity
from catalog.maintaining.examining import Candidate, LeftOut
from catalog.shapes import replace


class Finisher:
    """Holds files against a profile, and brings their records into the form that was asked for.

    Attributes
    ----------
    looks_at:
        The tags that `misfit` looks at.
    """

    def __init__(self, making: Making) -> None:
        self.profile = making.profile
        self.looks_at = looks_at(making.profile) if making.profile else frozenset[int]()
        self._making = making
        self._in_utf8: dict[int, tuple[Record, Record]] = {}  # by the id of the first

    def misfit(self, elements: Mapping[int, Element], syntax: str) -> str | None:
        """Return why an instance does not fit the profile, as `LeftOut.reason`; `None` if it does."""
        if self.profile is None:
            return None
        sop_class = full(elements, build.SOP_CLASS_UID).decode("ascii", "backslashreplace")
        return misfit(self.profile, sop_class, syntax) or unmet(self.profile, elements, syntax)

    def recoded(self, candidate: Candidate) -> Candidate | LeftOut:
        """Return `candidate` with the text of all of its records in UTF-8, if that was asked for.

        Records above that several files share stay one object.
        """
        if not self._making.utf8:
            return candidate
        try:
            record = in_utf8(candidate.record)
            above = tuple([replace(b, record=self._above(b)) for b in candidate.above])
        except EncodingError as exc:
            return LeftOut(candidate.place, "not-utf-8", str(exc))
        return replace(candidate, record=record, above=above)

    def _above(self, built: build.Built) -> Record:
        record = built.record
        assert record is not None, "a file without records above is no candidate"
        known = self._in_utf8.get(id(record))
        if known is None:
            if len(self._in_utf8) >= MOST_REMEMBERED:
                self._in_utf8.clear()
            known = self._in_utf8[id(record)] = record, in_utf8(record)
        return known[1]

    def with_icon(self, candidate: Candidate, stream: BinaryIO) -> Candidate | LeftOut:
        """Return `candidate` with the icon of the file in `stream`, if there are to be icons.

        Without one where its pixel data cannot be decoded, which a finding says; a profile that
        demands icons then has no place for the file.
        """
        size, record = self._making.icon_size, candidate.record
        if size is None or record.type != "IMAGE":
            return candidate
        made = icons.icon(stream, size, self._making.frame_position)
        if made.element is None:
            if self._making.needs_icons:
                reason = f"the profile demands an icon of it: {made.problem}"
                return LeftOut(candidate.place, "profile", reason)
            message = f"The record has no icon: {made.problem}."
            finding = Finding(
                "icon-missing", Severity.WARNING, message, candidate.place, "PS3.3 F.7"
            )
            return replace(candidate, findings=(*candidate.findings, finding))
        keys = sorted((*record.keys, made.element), key=lambda element: element.tag)
        return replace(candidate, record=replace(record, keys=tuple(keys)))

    def misfits(self, candidate: Candidate) -> list[LeftOut]:
        """Return what the profile lacks in the records of a file, apart from all other files."""
        if self.profile is None:
            return []
        nested = candidate.record
        for built in reversed(candidate.above):
            assert built.record is not None
            nested = replace(built.record, children=(nested,))
        return [
            LeftOut(candidate.place, "profile", finding.message.rstrip("."))
            for finding in check_profile(FileSet("", "", (nested,)), self.profile)
        ]


def fitting(
    candidates: Iterable[Candidate], making: Making
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the candidates whose records are as the profile wants them, and why the others are not."""
    finisher = Finisher(making)
    kept, left_out = [], []
    for candidate in candidates:
        reasons = finisher.misfits(candidate)
        left_out += reasons
        if not reasons:
            kept.append(candidate)
    return kept, left_out
