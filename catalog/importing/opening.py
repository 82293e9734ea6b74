"""Opening a medium: with its DICOMDIR, or without one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from catalog.errors import ArchiveError, DicomdirError, PathError
from catalog.files.medium import Container, Medium, medium_at
from catalog.files.members import MemberKind
from catalog.files.opening import Opener, Source
from catalog.files.paths import absolute_text, is_archive_name, on_disk, split_member, to_text
from catalog.files.urls import is_url_by_path
from catalog.files.walk import Entry, Kind, walk
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.outline import Outline, outlined
from catalog.findings import Finding, Severity
from catalog.importing.packed import Findings
from catalog.shapes import field, mutable

_SHOWN = 5


@mutable
class Opened:
    """A medium; `directory` is what its DICOMDIR says, `None` if it has none. It can be imported once.

    `findings` are about the medium, `said` about its DICOMDIR.
    """

    medium: Medium
    directory: Outline | None
    dicomdir_digest: str
    findings: tuple[Finding, ...] = ()
    said: Findings = field(default_factory=Findings)
    was_taken: bool = False

    def take_directory(self) -> tuple[Outline | None, Findings]:
        """Return the directory and its findings and keep neither, so that they go when they are done with."""
        if self.was_taken:
            raise ValueError("what the DICOMDIR says was taken before; open the medium again")
        taken = self.directory, self.said
        self.directory, self.said, self.was_taken = None, Findings(), True
        return taken


def open_medium(path: Path, *, needs_directory: bool = True) -> Opened:
    """Return the medium at `path`: a DICOMDIR, the folder that has it, or a ZIP, tar or ISO file.

    Other DICOMDIRs in folders below are findings; each is a medium of its own.

    Parameters
    ----------
    needs_directory:
        Without it a folder or file that has no DICOMDIR is a medium all the same.

    Raises
    ------
    PathError
        If there is no DICOMDIR, or it cannot be read; or if the folder has none itself and several
        folders below it have one.
    DicomdirError
        If nothing can be made of it.
    """
    _check_is_no_url(path)
    try:
        medium = medium_at(path, dicomdir_names)
    except PathError:
        bare = _bare(path)
        if bare is None:
            raise
        if below := _dicomdirs(bare):
            raise PathError(_several(path, below, bare)) from None
        shut = _shut(bare)
        if needs_directory and shut is not None:
            shown = to_text(str(path))
            raise PathError(
                f"{shown}: {shut} To copy into an archive what can be read, add --copy-to FOLDER; to have it whole, extract it, or have it sent again."
            ) from None
        if needs_directory:
            shown = to_text(str(path))
            raise PathError(
                f"{shown} has no DICOMDIR. To copy its instances into an archive all the same, add --copy-to FOLDER; "
                f"to catalogue them where they are, use `dcat index {shown}`."
            ) from None
        if shut is None:
            return Opened(bare, None, "")
        says = f"{shut} The medium is taken as one without DICOMDIR."
        return Opened(bare, None, "", (Finding("directory-unreadable", Severity.ERROR, says, ""),))
    data = medium.directory_mapped()
    digest = hashlib.sha256(data).hexdigest()
    others, said = tuple(_further(medium)), Findings()
    try:
        return Opened(medium, outlined(data, said), digest, others, said)
    except DicomdirError as exc:
        names_it = path.is_file() and not medium.is_container
        if needs_directory or names_it:
            raise exc.of(medium.place) from exc
        message = (
            f"The DICOMDIR cannot be read, so the medium is taken as one without: {exc.message}."
        )
        unread = Finding(
            "directory-unreadable", Severity.ERROR, message, medium.dicomdir_path, exc.clause, exc.offset_bytes
        )  # fmt: skip
        return Opened(medium, None, "", (unread, *others))


def _check_is_no_url(path: Path) -> None:
    if is_url_by_path(path) and not path.exists():
        raise PathError(
            f"{to_text(str(path))} is a URL, and media are taken in from folders and files. Fetch it first; `dcat index` reads behind URLs."
        )


def _shut(medium: Medium) -> str | None:
    """Return what keeps the DICOMDIR of a medium from being read or found; `None` if it has none."""
    lost = [entry for entry in medium.others if entry.kind is not Kind.NOT_FOLLOWED]
    for entry in lost:
        if dicomdir_names([entry.path.rpartition("/")[2]]):
            return f"{entry.path} cannot be read: {entry.reason}."
    for entry in lost:
        if entry.kind is Kind.UNLISTED:
            below = f" below {entry.path}" if entry.path else ""
            return f"No DICOMDIR was found, and not all{below} can be listed: {entry.reason}."
    return None


def _dicomdirs(medium: Medium) -> list[str]:
    """Return the paths of all files called DICOMDIR, in whatever spelling, sorted."""
    return [path for path in sorted(medium.files) if dicomdir_names([path.rpartition("/")[2]])]


def _further(medium: Medium) -> Iterator[Finding]:
    for path in _dicomdirs(medium):
        if path != medium.dicomdir_path:
            yield further_dicomdir(path)


def further_dicomdir(path: str) -> Finding:
    """Return the finding on a DICOMDIR beside the one that is imported."""
    message = "It is another DICOMDIR, which was not imported; a File-set has one. If its folder is a medium of its own, import that, too."
    return Finding("further-dicomdir", Severity.WARNING, message, path, "PS3.10 §8.6")


def _several(path: Path, below: list[str], medium: Medium) -> str:
    shown = to_text(str(path)).rstrip("/")
    places = ", ".join(f"{shown}/{each}" for each in below[:_SHOWN])
    more = f" and {len(below) - _SHOWN:,} more" if len(below) > _SHOWN else ""
    verb = "is" if len(below) == 1 else "are"
    what = (
        "Extract it, and name one of the folders."
        if medium.is_container
        else "Name the one to import."
    )
    return f"{shown} has no DICOMDIR itself, but below it {verb} {places}{more}. {what}"


def _bare(path: Path) -> Medium | None:
    """Return what lies at `path` as a medium without DICOMDIR; `None` if that cannot be one."""
    if path.is_dir():
        files, others = {}, []
        for entry in walk(str(path)):
            if entry.kind is Kind.FILE:
                files[entry.path] = entry
            else:
                others.append(entry)
        return Medium(path, path / "DICOMDIR", files, tuple(others))
    if not path.is_file() or not is_archive_name(to_text(path.name)):
        return None
    folder, _, name = absolute_text(path).rpartition("/")
    mtime_ns = path.stat().st_mtime_ns
    try:
        with Opener() as opener:
            listing, error = opener.listed(Source(folder or "/", name))
    except (ArchiveError, OSError):
        return None  # `medium_at` has said why
    members = {
        m.name: Entry(m.name, Kind.FILE, m.size_bytes, mtime_ns)
        for m in listing.values()
        if m.kind is MemberKind.FILE and m.size_bytes is not None
    }
    others = [
        Entry(m.name, Kind.UNREADABLE, reason=m.reason)
        for m in listing.values()
        if m.kind in (MemberKind.UNREADABLE, MemberKind.NOT_FOLLOWED)
    ]
    if error:
        others.append(Entry("", Kind.UNLISTED, reason=error))
    container = Container(folder or "/", name, "")
    return Medium(path, path / "DICOMDIR", members, tuple(others), container)


class Gone:
    """Tells of paths whether it is known that the medium has no such file.

    It is not known below what could not be listed or was not followed, nor in archives on the medium.
    """

    def __init__(self, medium: Medium) -> None:
        self._files = medium.files
        self._others = {entry.path for entry in medium.others}
        self._hidden = tuple(
            entry.path if entry.kind is Kind.UNLISTED else f"{entry.path}/"
            for entry in medium.others
        )

    def __call__(self, path: str) -> bool:
        """Return whether it is known that there is no file at `path`, below the medium's root."""
        outer = path
        while (parts := split_member(outer)) is not None:
            outer = parts[0]
        is_there = outer in self._files or outer in self._others
        return not is_there and not outer.startswith(self._hidden)


def leads_out(medium: Medium, path: str) -> bool:
    """Return whether a file of the medium is a link to a place outside of it; such are never opened."""
    if medium.is_container:
        return False  # links in it are among its other entries
    full = on_disk(medium.base, path)
    if not os.path.islink(full):  # noqa: PTH114 - the name may not be UTF-8
        return False
    real = os.path.realpath(on_disk(medium.base, ""))
    return os.path.commonpath((real, os.path.realpath(full))) != real


def link_out(path: str, offset: int | None = None) -> Finding:
    """Return the finding on a file that `leads_out`."""
    message = "The file is a link that leads out of the medium; it was not opened."
    return Finding("link-out", Severity.WARNING, message, path, "PS3.10 §8.1", offset)
