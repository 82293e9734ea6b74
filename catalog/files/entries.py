"""What a walk meets: entries, and runs of plain files, which are most of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple, overload

RUN_ENTRIES = 1000
"""Most entries of one run."""


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    NOT_FOLLOWED = "not-followed"
    """A link to a folder, or a special file; `reason` says which."""
    UNREADABLE = "unreadable"
    """It cannot be examined; `reason` says why."""
    UNLISTED = "unlisted"
    """A folder that cannot be listed: nothing is known of what lies below `path`."""


class Entry(NamedTuple):
    """One entry of a walk.

    `path` is relative to the root of the walk, in text form (`catalog.files.paths`); an unlisted
    folder's ends in `/`. `size_bytes` and `mtime_ns` are 0 unless `kind` is FILE.
    """

    path: str
    kind: Kind
    size_bytes: int = 0
    mtime_ns: int = 0
    reason: str = ""


class Files(Sequence[Entry]):
    """A run of plain files that follow each other.

    Their entries are made when they are asked for: whether a million files are as they were is
    told without them.

    Attributes
    ----------
    described:
        Path, size and modification time of each.
    """

    __slots__ = ("described",)

    def __init__(self, described: Sequence[tuple[str, int, int]]) -> None:
        self.described = described

    def __len__(self) -> int:
        return len(self.described)

    def __iter__(self) -> Iterator[Entry]:
        for path, size_bytes, mtime_ns in self.described:
            yield Entry(path, Kind.FILE, size_bytes, mtime_ns)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Files: ...
    def __getitem__(self, at: int | slice) -> Entry | Files:
        if isinstance(at, slice):
            return Files(self.described[at])
        path, size_bytes, mtime_ns = self.described[at]
        return Entry(path, Kind.FILE, size_bytes, mtime_ns)
