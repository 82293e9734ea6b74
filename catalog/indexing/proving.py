"""Files that are read although their size and time are as before, held against their digests."""

from __future__ import annotations

from typing import NamedTuple

from catalog.database.stored_files import KnownFile
from catalog.entities import Reading, Status
from catalog.findings import Finding, Severity


class Proved(NamedTuple):
    """What became of a reading.

    `reading` is `None` if the catalogue has it already; `was` is as what the file had been
    counted, `unchanged` or `returned`, if it is changed after all.
    """

    reading: Reading | None
    is_changed: bool = False
    was: str = ""


class Proof:
    """What the catalogue says of the files that are under way to be read again."""

    def __init__(self) -> None:
        self._expected: dict[tuple[int, str], KnownFile] = {}

    def expect(self, root_ref: int, row: KnownFile) -> None:
        """Remember what the reading of a file will be held against."""
        self._expected[root_ref, row.path] = row

    def of(self, root_ref: int, reading: Reading) -> Proved:
        """Hold a reading against what was expected, once.

        A file that has another content at the same size and time is changed, and has a finding:
        some network storage loses or sets times, and so does some software.
        """
        row = self._expected.pop((root_ref, reading.file.path), None)
        file = reading.file
        if row is None or row.digest is None or file.digest is None:
            return Proved(reading)
        was = "returned" if row.status == Status.MISSING else "unchanged"
        is_same_stamp = (row.size_bytes, row.mtime_ns) == (file.size_bytes, file.mtime_ns)
        if row.digest == file.digest:
            is_known = is_same_stamp and row.status == file.status
            return Proved(None if is_known else reading)
        if not is_same_stamp:
            return Proved(reading, True, was)
        finding = Finding(
            "content-changed",
            Severity.WARNING,
            "The content is not what it was when its digest was made, although size and time are.",
        )
        return Proved(reading._replace(findings=(*reading.findings, finding)), True, was)
