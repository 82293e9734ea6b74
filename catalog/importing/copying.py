"""Copies of a medium's instances in an archive folder: first all names, then the bytes.

No file of the archive is ever written over. A copy is written under another name, read back, and
then given its own; whatever happens, what stands under a name is whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from catalog.entities import Claims, Reading
from catalog.errors import ExportError, MediaFull, PathError, SourceChanged
from catalog.files.copy import copy_opened
from catalog.files.digest import digest_of
from catalog.files.medium import Medium
from catalog.files.opening import Opener, Source
from catalog.files.paths import absolute_text, from_text, to_text
from catalog.files.writing import sync, sync_folder, write_error
from catalog.findings import Finding, Severity
from catalog.importing.holding import held
from catalog.importing.naming import Folders, Template, apart, folded
from catalog.importing.outcome import CopyItem, CopyOutcome
from catalog.importing.reading import HeaderReader

BLOCK_BYTES = 4096
"""What file systems give out at a time; a file takes whole blocks."""


class Instance(NamedTuple):
    """An instance of the medium: where it is, how long, and what it says."""

    path: str
    size_bytes: int
    claims: Claims


class Planned(NamedTuple):
    """A copy that is to be made, or is there already; `target` is below the folder, in text form."""

    instance: Instance
    target: str
    is_there: bool
    renamed: bool

    @property
    def item(self) -> CopyItem:
        """The same as the outcome shows it before anything was done."""
        outcome = CopyOutcome.THERE if self.is_there else CopyOutcome.PLANNED
        return CopyItem(self.instance.path, self.target, outcome, self.renamed)


class Copied(NamedTuple):
    """A copy, with what its own bytes say; `reading.file.path` is `item.target`, and it is `None` if it failed."""

    item: CopyItem
    reading: Reading | None


def check_folder(folder: Path, medium: Medium) -> None:
    """Refuse an archive folder that is none, or that lies on the medium itself.

    Raises
    ------
    PathError
        With the reason.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise PathError(f"{to_text(str(folder))} is not a folder. Name a folder for the copies.")
    if medium.is_container:
        return
    own, other = absolute_text(folder), absolute_text(medium.folder)
    if own == other or own.startswith(f"{other.rstrip('/')}/"):
        raise PathError(
            f"{to_text(str(folder))} lies on the medium itself. Name a folder elsewhere for the copies."
        )


class Copying:
    """Copies instances of `medium` into `folder` under names of `template`."""

    def __init__(
        self, medium: Medium, folder: Path, template: Template, reader: HeaderReader
    ) -> None:
        self._medium = medium
        self._folder = folder
        self._template = template
        self._reader = reader
        self._opener = Opener()
        self._digests: dict[str, str] = {}
        self._in_the_way: dict[str, str | None] = {"": None}

    # -- the plan --------------------------------------------------------------------------

    def plan(self, instances: Iterable[Instance]) -> tuple[list[Planned], list[Finding]]:
        """Return the copies to make, in order of their sources, and what was noticed.

        Nothing is written. Of files with the same bytes and name one copy is made.
        """
        folders = Folders(self._names_in)
        taken: dict[str, Instance] = {}
        planned: list[Planned] = []
        findings: list[Finding] = []
        for instance in sorted(instances):
            own = self._template.path(instance.claims)
            try:
                found = self._planned(own, instance, folders, taken)
            except SourceChanged as exc:
                message = f"It was not copied: {exc}."
                findings.append(Finding("not-copied", Severity.ERROR, message, instance.path))
                continue
            if found is None:
                message = f"No name is left for it in the archive folder: {own} and those made from it hold other bytes."
                findings.append(Finding("not-copied", Severity.ERROR, message, instance.path))
                continue
            if found.renamed:
                message = f"Other bytes are called {own}, so the copy is {found.target}. Both are in the catalogue."
                findings.append(Finding("copy-renamed", Severity.WARNING, message, instance.path))
            taken.setdefault(folded(found.target), instance)
            planned.append(found)
        return planned, findings

    def _planned(
        self, own: str, instance: Instance, folders: Folders, taken: dict[str, Instance]
    ) -> Planned | None:
        """Return the copy under the first name that no other bytes have."""
        for attempt in range(3):
            target = folders.settled(self._named(own, instance, attempt))
            if (blocking := self._blocking(target.rpartition("/")[0])) is not None:
                raise SourceChanged(f"{blocking} in the archive folder is no folder, and one of that name is needed")  # fmt: skip
            fits = self._fits(target, instance, taken)
            if fits is not None:
                return Planned(instance, target, fits, attempt > 0)
        return None

    def _named(self, own: str, instance: Instance, attempt: int) -> str:
        if not attempt:
            return own
        folder, slash, name = own.rpartition("/")
        return folder + slash + apart(name, self._digest(instance.path)[: 8 * attempt])

    def _blocking(self, folder: str) -> str | None:
        """Return what stands at `folder`, or above it, and is none; `None` if nothing does."""
        if folder not in self._in_the_way:
            found = self._blocking(folder.rpartition("/")[0])
            full = self._full(folder)
            if found is None and os.path.lexists(full) and not full.is_dir():
                found = folder
            self._in_the_way[folder] = found
        return self._in_the_way[folder]

    def _fits(self, target: str, instance: Instance, taken: dict[str, Instance]) -> bool | None:
        """Return whether the same bytes are at `target`; `None` if other bytes are."""
        if (other := taken.get(folded(target))) is not None:
            same = other.size_bytes == instance.size_bytes and self._digest(
                other.path
            ) == self._digest(instance.path)
            return True if same else None
        full = self._full(target)
        if not os.path.lexists(full):
            return False
        try:
            if not full.is_file() or full.stat().st_size != instance.size_bytes:
                return None
            there = digest_of(Source(to_text(str(self._folder)), target), self._opener)
        except OSError:
            return None  # what cannot be read is not written over, either
        return True if there == self._digest(instance.path) else None

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            try:
                self._digests[path] = digest_of(self._medium.source(path), self._opener)
            except OSError as exc:
                raise SourceChanged(f"the source cannot be read: {exc.strerror or exc}") from exc
        return self._digests[path]

    def _names_in(self, folder: str) -> Sequence[str]:
        try:
            return [to_text(name) for name in os.listdir(self._full(folder))]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as exc:
            raise PathError(
                f"{to_text(str(self._full(folder)))} cannot be listed: {exc.strerror}."
            ) from exc

    def _full(self, below: str) -> Path:
        return self._folder / from_text(below) if below else self._folder

    # -- the copies ------------------------------------------------------------------------

    def check_space(self, planned: Iterable[Planned]) -> None:
        """Refuse to begin if the copies do not fit.

        Raises
        ------
        MediaFull
            If the file system says that less is free than they take.
        """
        needed = sum(
            -(-each.instance.size_bytes // BLOCK_BYTES) * BLOCK_BYTES
            for each in planned
            if not each.is_there
        )
        above = self._folder
        while not above.exists() and above != above.parent:
            above = above.parent
        try:
            free = shutil.disk_usage(above).free
        except OSError:
            return  # a file system that does not say is found full when it is
        if needed > free:
            raise MediaFull(
                f"The copies take {needed:,} bytes, but only {free:,} are free at {to_text(str(self._folder))}. "
                "Free some space, or name another folder; nothing was copied."
            )

    def copied(
        self, planned: Sequence[Planned], noticed: Callable[[Finding], None]
    ) -> Iterator[Copied]:
        """Make the copies one after the other and yield each; those that are there already are read.

        What cannot be copied is a finding, `not-copied`.

        Raises
        ------
        MediaFull, ExportError
            If the folder takes no more. What was copied before stands.
        PathError
            If the medium is gone, or another import is copying into the folder.
        """
        if not planned:
            return
        self._make_folder(self._folder)
        with held(self._folder):
            yield from self._made(planned, noticed)

    def _made(
        self, planned: Sequence[Planned], noticed: Callable[[Finding], None]
    ) -> Iterator[Copied]:
        for each in planned:
            target = self._full(each.target)
            try:
                self._make_folder(target.parent)
                item = each.item
                if not os.path.lexists(target):
                    reading = self._copy(each, target)
                    item = item._replace(outcome=CopyOutcome.COPIED)
                else:
                    reading = self._there(each, target)
            except SourceChanged as exc:
                self._check_medium()
                message = f"It was not copied: {exc}."
                noticed(Finding("not-copied", Severity.ERROR, message, each.instance.path))
                yield Copied(each.item._replace(outcome=CopyOutcome.FAILED), None)
                continue
            yield Copied(item, reading)

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise write_error(exc, folder) from exc

    def _copy(self, each: Planned, target: Path) -> Reading:
        found: list[Reading] = []

        def check(stream: BinaryIO, size_bytes: int) -> None:
            reading = self._reader.read_stream(stream, each.target, size_bytes, 0)
            if reading.claims != each.instance.claims:
                raise SourceChanged("its header is not what it was when it was read first")
            if os.path.lexists(target):
                raise SourceChanged("a file of its name has come into being meanwhile; run the import again")  # fmt: skip
            found.append(reading)

        source = self._opener.open(self._medium.source(each.instance.path))
        copied = copy_opened(source, target, check)
        status = target.stat()
        file = found[0].file
        return found[0]._replace(
            file=file._replace(
                size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, digest=copied.digest
            )
        )

    def _there(self, each: Planned, target: Path) -> Reading:
        """Return what a file says that is there already, having made sure that its bytes are the same."""
        try:
            status = target.stat()
            digest = digest_of(Source(to_text(str(self._folder)), each.target), self._opener)
            with target.open("rb") as stream:
                reading = self._reader.read_stream(
                    stream, each.target, status.st_size, status.st_mtime_ns
                )
        except OSError as exc:
            raise SourceChanged(f"{each.target} in the archive folder cannot be read: {exc.strerror}") from exc  # fmt: skip
        if digest != self._digest(each.instance.path):
            raise SourceChanged(f"{each.target} in the archive folder has changed meanwhile; run the import again")  # fmt: skip
        return reading._replace(file=reading.file._replace(digest=digest))

    def _check_medium(self) -> None:
        """Raise `PathError` if the medium itself is gone: then no file of it can be copied any more."""
        if not self._medium.folder.exists():
            raise PathError(
                f"The medium {to_text(str(self._medium.folder))} is gone. What was copied is in the archive and in the catalogue; "
                "run the same command again when the medium is back."
            )

    def settle(self, copies: Iterable[Copied]) -> None:
        """Flush copies, and the folders that hold them, to the disk.

        Raises
        ------
        MediaFull, ExportError
            If the operating system cannot.
        """
        folders: set[Path] = set()
        for each in copies:
            if each.item.outcome is CopyOutcome.COPIED:
                path = self._full(each.item.target)
                sync(path)
                folders.update(p for p in path.parents if p.is_relative_to(self._folder))
        for folder in sorted(folders):
            try:
                sync_folder(folder)
            except OSError as exc:
                raise ExportError(f"{folder} cannot be written: {exc.strerror}.") from exc

    def close(self) -> None:
        """Close what is open."""
        self._opener.close()
