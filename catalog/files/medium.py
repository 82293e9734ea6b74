"""The files of a medium, listed once: of a folder, or of a ZIP, tar or ISO file that holds one."""

from __future__ import annotations

import stat
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from catalog.errors import ArchiveError, PathError
from catalog.files.archives import format_of, head_bytes
from catalog.files.iso_archive import HEAD_BYTES as ISO_HEAD_BYTES
from catalog.files.iso_archive import looks_like_iso
from catalog.files.mapped import mapped
from catalog.files.members import Member, MemberKind
from catalog.files.opening import Opener, Source
from catalog.files.paths import SEPARATOR, absolute_text, is_archive_name, to_text
from catalog.files.walk import Entry, Kind, walk
from catalog.files.whole import BLOCK_BYTES, blocks

MAX_DIRECTORY_BYTES = 1 << 30
"""Longest DICOMDIR that is taken."""

DicomdirNames = Callable[[list[str]], list[str]]


class Container(NamedTuple):
    """Where a medium lies that is held by a file: all in text form.

    Attributes
    ----------
    folder:
        The folder of that file, absolute.
    name:
        The file's name.
    inner:
        The folder in it that is the medium's root, with a `/` at its end; empty for the top.
    """

    folder: str
    name: str
    inner: str


class Medium:
    """A medium: a folder with its DICOMDIR, or a container (a ZIP, tar or ISO file) that has one.

    Attributes
    ----------
    folder:
        The medium's folder, or the container file.
    base, within:
        Where the catalogue has its files, absolute and in text form: below the folder `base`, in
        `within`; that is empty for a folder, and for a container such as `disc.iso!`.
    dicomdir:
        Path of the DICOMDIR; in a container no file of the file system.
    dicomdir_path:
        Path of the DICOMDIR among `files`.
    files:
        Its files by path below the medium's root, in text form. The modification time of a file
        in a container is that of the container.
    others:
        Entries that are no plain files or cannot be examined.
    is_container:
        Whether it is a file that holds the medium; such are only read.
    """

    def __init__(
        self,
        folder: Path,
        dicomdir: Path,
        files: dict[str, Entry],
        others: tuple[Entry, ...],
        container: Container | None = None,
    ) -> None:
        self.folder, self.dicomdir = folder, dicomdir
        self.dicomdir_path = to_text(dicomdir.name)
        self.files, self.others = files, others
        self.is_container = container is not None
        self._container = container
        if container is None:
            self.base, self.within = absolute_text(folder), ""
        else:
            self.base = container.folder
            self.within = f"{container.name}{SEPARATOR}{container.inner}".rstrip("/")
        self._opener = Opener()
        weakref.finalize(self, self._opener.close)

    @property
    def place(self) -> str:
        """Path of the DICOMDIR for messages, in text form."""
        if self.is_container:
            return f"{to_text(str(self.folder))}{self.within[self.within.index('!') :]}/{self.dicomdir_path}"
        return to_text(str(self.dicomdir))

    def source(self, path: str) -> Source:
        """Return the file `path` of `files` as `catalog.files.opening` names it."""
        if self._container is None:
            return Source(self.base, path)
        folder, name, inner = self._container
        return Source(folder, f"{name}{SEPARATOR}{inner}{path}")

    @contextmanager
    def opened(self, path: str) -> Iterator[tuple[BinaryIO, int]]:
        """Give the file `path` of `files`, open for reading, and its size in bytes.

        One file of a container can be open at a time; it can be sought back only a little.

        Raises
        ------
        OSError
            If it cannot be opened or, an `ArchiveError`, be read from its container.
        """
        with self._opener.open(self.source(path)) as file:
            yield file.stream, self.files[path].size_bytes

    def directory(self) -> bytes:
        """Return the bytes of the DICOMDIR.

        Raises
        ------
        PathError
            If it cannot be read.
        """
        return b"".join(self._directory_blocks(-1))

    def directory_mapped(self) -> bytes:
        """Return the bytes of the DICOMDIR in little memory, see `catalog.files.mapped`.

        Raises
        ------
        PathError
            If it cannot be read.
        """
        return mapped(self._directory_blocks)

    def _directory_blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        if not self.is_container:
            yield from blocks(
                self.dicomdir, MAX_DIRECTORY_BYTES, "which is no DICOMDIR", block_bytes
            )
            return
        try:
            with self.opened(self.dicomdir_path) as (stream, size_bytes):
                if size_bytes > MAX_DIRECTORY_BYTES:
                    raise PathError(
                        f"{self.place} has {size_bytes:,} bytes, more than dcat takes out of an archive. Copy the medium to a folder."
                    )
                while block := stream.read(block_bytes):
                    yield block
        except OSError as exc:
            raise PathError(f"{self.place} cannot be read: {exc.strerror or exc}.") from exc

    def close(self) -> None:
        """Close the container, if one is open."""
        self._opener.close()


def medium_at(path: Path, dicomdir_names: DicomdirNames) -> Medium:
    """Return the medium at `path`: a DICOMDIR file, the folder that has one, or a container.

    A container is what has the name and the first bytes of a ZIP, tar or ISO file. Its DICOMDIR is
    that in the topmost folder which has one: many archives hold the medium's folder.

    Raises
    ------
    PathError
        If `path` does not exist, holds no DICOMDIR, is a container that cannot be read, or is a
        drive, a pipe or whatever else may never end.
    """
    name = to_text(str(path))
    try:
        _check_kind(path)
        if path.is_dir():
            names = dicomdir_names([entry.name for entry in path.iterdir() if entry.is_file()])
            if not names:
                raise PathError(
                    f"{name} has no DICOMDIR. To catalogue its files all the same, use `dcat index {name}`."
                )
            return _folder(path, path / names[0])
        if _is_container(path):
            return _contained(path, dicomdir_names)
        return _folder(path.parent, path)
    except OSError as exc:
        raise PathError(f"{name} cannot be read: {exc.strerror or exc}.") from exc


def _check_kind(path: Path) -> None:
    shown = to_text(str(path))
    mode = path.stat().st_mode
    if stat.S_ISBLK(mode):
        raise PathError(
            f"{shown} is a drive. Mount the disc, and name the folder where it then is."
        )
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise PathError(f"{shown} is neither a folder nor a file. Name the folder of the medium, its DICOMDIR, or a ZIP, tar or ISO file.")  # fmt: skip


def _folder(folder: Path, dicomdir: Path) -> Medium:
    files, others = {}, []
    for entry in walk(str(folder)):
        if entry.kind is Kind.FILE:
            files[entry.path] = entry
        else:
            others.append(entry)
    return Medium(folder, dicomdir, files, tuple(others))


def _is_container(path: Path) -> bool:
    name = to_text(path.name)
    with path.open("rb") as stream:
        if format_of(name, stream.read(head_bytes(name))) is not None:
            return True
        if is_archive_name(name):
            raise PathError(
                f"{to_text(str(path))} has the name of an archive and not the first bytes of one: it is damaged, cut short, or something else."
            )
        stream.seek(0)
        if looks_like_iso(stream.read(ISO_HEAD_BYTES)):
            raise PathError(
                f"{to_text(str(path))} is the image of a disc. dcat reads such files if their name ends in .iso; a drive has to be mounted."
            )
    return False


def _contained(path: Path, dicomdir_names: DicomdirNames) -> Medium:
    """Return the medium that the file `path` holds."""
    whole = absolute_text(path)
    folder, _, name = whole.rpartition("/")
    folder = folder or "/"
    mtime_ns = path.stat().st_mtime_ns
    shown = to_text(str(path))
    try:
        with Opener() as opener:
            listing, error = opener.listed(Source(folder, name))
    except ArchiveError as exc:
        raise PathError(f"{shown} cannot be read: {exc}.") from exc
    found = _topmost(listing, dicomdir_names)
    if not found:
        why = f" Not all of it can be read: {error}." if error else ""
        raise PathError(
            f"{shown} has no DICOMDIR.{why} To catalogue its files all the same, use `dcat index {shown}`."
        )
    if len(found) > 1:
        places = ", ".join(inner or "." for inner, _ in found[:5])
        raise PathError(
            f"{shown} holds several media, in {places}. Extract it and name one of the folders."
        )
    inner, dicomdir = found[0]
    files: dict[str, Entry] = {}
    others = []
    for member in listing.values():
        if not member.name.startswith(inner) or member.kind is MemberKind.FOLDER:
            continue
        below = member.name[len(inner) :]
        if member.kind is MemberKind.FILE and member.size_bytes is not None:
            files[below] = Entry(below, Kind.FILE, member.size_bytes, mtime_ns)
        else:
            others.append(Entry(below, _KINDS[member.kind], reason=member.reason))
    if error:
        others.append(Entry("", Kind.UNLISTED, reason=error))
    return Medium(path, path / dicomdir, files, tuple(others), Container(folder, name, inner))


_KINDS = {
    MemberKind.FILE: Kind.UNREADABLE,
    MemberKind.NOT_FOLLOWED: Kind.NOT_FOLLOWED,
    MemberKind.UNREADABLE: Kind.UNREADABLE,
}


def _topmost(listing: dict[str, Member], dicomdir_names: DicomdirNames) -> list[tuple[str, str]]:
    """Return folder (with `/` at its end) and name of each DICOMDIR that no other lies above."""
    by_folder: dict[str, list[str]] = {}
    for member in listing.values():
        folder, _, name = member.name.rpartition("/")
        if member.kind is MemberKind.FILE and dicomdir_names([name]):
            by_folder.setdefault(f"{folder}/" if folder else "", []).append(name)
    least = min((inner.count("/") for inner in by_folder), default=0)
    return sorted(
        (inner, dicomdir_names(names)[0])
        for inner, names in by_folder.items()
        if inner.count("/") == least
    )
