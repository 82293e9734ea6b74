"""What a plan says of one selected instance: to be copied, or left out and why."""

from __future__ import annotations

from typing import NamedTuple

from catalog.database.fetch import Candidate, SourceFile
from catalog.fileset.file_id import FileId


class Item(NamedTuple):
    """One instance to copy: which of its files, and under which File ID."""

    candidate: Candidate
    source: SourceFile
    file_id: FileId


class LeftOut(NamedTuple):
    """One selected instance that cannot go into the File-set.

    `code` is short and stable, `reason` the same sentence for all of one kind, `detail` what is
    particular to this one, or `''`.
    """

    candidate: Candidate
    code: str
    reason: str
    detail: str = ""
