"""What a DICOMDIR says, record by record, with the files of its medium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from catalog.errors import DicomdirError
from catalog.files.medium import Medium, medium_at
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.reader import Directory, read
from catalog.fileset.tree import Record, walk
from catalog.shapes import frozen


@frozen
class Described:
    """One Directory Record as it stands.

    Attributes
    ----------
    depth:
        0 for the records of the root entity.
    offset_bytes, parent_offset_bytes:
        Of its item tag and of its parent's, from the first byte of the DICOMDIR; the parent's is
        `None` at the root.
    in_use, recovered:
        As `catalog.fileset.linking.Entry`.
    path:
        The file that it names, relative to the medium in text form; `None` if it names none or
        the file is not there.
    size_bytes:
        Of that file, `None` without one.
    instances, files_bytes, missing:
        Over the record itself and everything below it: records that name a file, the bytes of
        those files that are there, and how many are not there.
    """

    depth: int
    record: Record
    offset_bytes: int
    parent_offset_bytes: int | None
    in_use: bool
    recovered: bool
    path: str | None
    size_bytes: int | None
    instances: int
    files_bytes: int
    missing: int


@frozen
class Shown:
    """A medium's DICOMDIR: where it is, its bytes, what was read, and the medium's one listing."""

    medium: Medium
    data: bytes
    directory: Directory

    @property
    def place(self) -> str:
        """The DICOMDIR's path for messages, in text form (`catalog.files.paths`)."""
        return self.medium.place

    def records(self) -> Iterator[Described]:
        """Yield every record depth first, in the order of the chains (PS3.3 F.2.2.2).

        Files are looked up in the listing; no file is opened or examined.
        """
        listing = Listing(self.medium.files)
        flat = [record for _, record in walk(self.directory.fileset.records)]
        depths = [depth for depth, _ in walk(self.directory.fileset.records)]
        found: list[str | None] = []
        instances, sizes, missing = [], [], []
        for record in flat:
            components = record.file_components
            path = resolve(components, listing).path if components else None
            found.append(path)
            instances.append(int(components is not None))
            sizes.append(self.medium.files[path].size_bytes if path is not None else 0)
            missing.append(int(components is not None and path is None))
        own = list(sizes)
        parents = _parents(depths)
        for i in range(len(flat) - 1, -1, -1):  # children come after their parents
            if (above := parents[i]) is not None:
                instances[above] += instances[i]
                sizes[above] += sizes[i]
                missing[above] += missing[i]
        entries = self.directory.entries
        for i, record in enumerate(flat):
            parent, path = parents[i], found[i]
            yield Described(
                depth=depths[i],
                record=record,
                offset_bytes=entries[i].offset_bytes,
                parent_offset_bytes=None if parent is None else entries[parent].offset_bytes,
                in_use=entries[i].in_use,
                recovered=entries[i].recovered,
                path=path,
                size_bytes=own[i] if path is not None else None,
                instances=instances[i],
                files_bytes=sizes[i],
                missing=missing[i],
            )


def show(path: Path) -> Shown:
    """Return the DICOMDIR at `path`, the file itself or the folder that has one.

    Raises
    ------
    PathError
        If there is none, or it cannot be read.
    DicomdirError
        If nothing can be made of it.
    """
    medium = medium_at(path, dicomdir_names)
    data = medium.directory()
    try:
        return Shown(medium, data, read(data))
    except DicomdirError as exc:
        raise exc.of(medium.place) from exc


def _parents(depths: list[int]) -> list[int | None]:
    """Return the position of each record's parent, given the depths of a depth first walk."""
    chain: list[int] = []
    parents: list[int | None] = []
    for i, depth in enumerate(depths):
        del chain[depth:]
        parents.append(chain[-1] if chain else None)
        chain.append(i)
    return parents
