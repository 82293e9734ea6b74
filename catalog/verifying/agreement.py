"""Keys of records against all files below them (PS3.3 F.5)."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.dicom.dictionary import keyword
from catalog.findings import Finding, Severity
from catalog.shapes import mutable


@mutable
class _Key:
    """How one key of one record compares with the files below it."""

    record_type: str
    agreeing: int = 0
    differing: int = 0
    first: str = ""


class Keys:
    """Compares keys of records with all files below them: a PATIENT record has one name, its files may have two."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, int], _Key] = {}

    def note(self, offset: int, record_type: str, tag: int, path: str, agrees: bool) -> None:
        """Note whether the file at `path` agrees with key `tag` of the record at `offset`."""
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
            what = f"{keyword(tag)} in the {key.record_type} record is not that of"
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
