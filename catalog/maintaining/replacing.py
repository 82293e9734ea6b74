"""The manifest of a medium whose DICOMDIR is made anew for the files that lie there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from catalog.errors import FileSetError, PathError
from catalog.events import Listener
from catalog.files.medium import Medium, medium_at
from catalog.files.paths import to_text
from catalog.files.walk import Kind, walk
from catalog.files.whole import content
from catalog.fileset.file_id import Listing, resolve
from catalog.fileset.medium import dicomdir_names
from catalog.fileset.tree import FileSet
from catalog.fileset.tree import walk as records_of
from catalog.findings import Finding, Severity
from catalog.maintaining.manifesting import (
    Manifest,
    digest_on,
    foreign_notes,
    manifest_of,
    put_both,
)
from catalog.maintaining.renaming import journal
from catalog.maintaining.storing import DICOMDIR

_OTHER = "It lists other bytes of the DICOMDIR than those that were replaced, so one of the two was changed by somebody else. It was not changed, and does not fit; `dcat verify --media` says more."
_NONE = "It does not list the DICOMDIR that was replaced. It was not changed, and does not fit; `dcat verify --media` says more."

_GONE = "It lists a DICOMDIR that was not there. It was not changed, and does not fit; `dcat verify --media` says more."


class InStep:
    """A manifest that goes with a new DICOMDIR.

    Attributes
    ----------
    after:
        What it becomes.
    touched:
        Files whose lines change, by their paths before.
    """

    def __init__(
        self,
        manifest: Manifest,
        dicomdir: Path,
        before: bytes | None,
        after: bytes,
        touched: Collection[str],
    ) -> None:
        self._manifest, self._dicomdir, self._before = manifest, dicomdir, before
        self.after, self.touched = after, touched

    def put(
        self, put_directory: Callable[[], Path | None]
    ) -> tuple[Path | None, Path, list[Finding]]:
        """Put both; as `manifesting.put_both`."""
        return put_both(self._manifest, self.after, put_directory, self._is_replaced)

    def wrong(self, listener: Listener) -> list[Finding]:
        """Return what was wrong with the manifest before; as `Manifest.wrong`."""
        return self._manifest.wrong(self.touched, listener)

    def _is_replaced(self) -> bool:
        try:
            return content(self._dicomdir) != self._before
        except PathError:  # it had another name, which is gone: the new one stands
            return self._dicomdir.with_name(DICOMDIR).exists()


def in_step(
    folder: Path,
    before: bytes | None,
    old: FileSet,
    data: bytes,
    places: Collection[str],
    renamed: Mapping[str, str],
) -> tuple[InStep | None, list[Finding]]:
    """Return what brings the manifest in step, `None` if none is to be changed; and what is said of lists that stay.

    The DICOMDIR's line is changed if it was right, and made if there was neither DICOMDIR nor line
    (`undo_renames` leaves a medium so). Files that an old DICOMDIR does not name, and that are not
    listed, are; what is renamed keeps the digest that is listed.

    Parameters
    ----------
    before, data:
        The DICOMDIR as it is, `None` if there is none, and as it will be.
    old:
        What the former says, as far as it can be read.
    places:
        Files that it will name, by the paths that they have now.
    renamed:
        Of these the paths that they will have, by those that they have now.

    Raises
    ------
    FileSetError
        If the manifest, or a file that is to be listed, cannot be read. Nothing was written.
    """
    is_first = before is None
    medium = _without_directory(folder) if is_first else medium_at(folder, dicomdir_names)
    findings = foreign_notes(medium) if renamed or not is_first else []
    manifest = manifest_of(medium, before or b"")
    if manifest is None:
        return None, findings
    states = manifest.states_directory()
    if states is not (None if is_first else True):
        message = _GONE if is_first else _NONE if states is None else _OTHER
        name = to_text(manifest.path.name)
        findings.append(Finding("manifest-not-in-step", Severity.WARNING, message, name, "PS3.10 §8.1"))  # fmt: skip
        return None, findings
    before_that = _renamed_before(medium, manifest)
    named = {*_named(medium, old), *before_that.values()}
    renamed = {**before_that, **renamed}
    fresh = {}
    if is_first:  # nothing tells what was put there since the list was made
        places = ()
    for place in places:
        if place not in named and not manifest.is_listed(place):
            try:
                fresh[renamed.get(place, place)] = digest_on(medium, place)
            except OSError as exc:
                raise FileSetError(
                    f"{place} cannot be read to its end: {exc.strerror or exc}. Nothing was written."
                ) from exc
    moved = dict(renamed)
    if medium.dicomdir.name != DICOMDIR:
        moved[medium.dicomdir_path] = DICOMDIR
    after = manifest.after((), fresh, data, moved)
    touched = {
        *fresh,
        *renamed,
        *before_that.values(),
        *(place for place in places if renamed.get(place, place) in fresh),
    }
    return InStep(manifest, medium.dicomdir, before, after, touched), findings


def _without_directory(folder: Path) -> Medium:
    """Return the medium in a folder that has no DICOMDIR yet."""
    files = {entry.path: entry for entry in walk(str(folder)) if entry.kind is Kind.FILE}
    return Medium(folder, folder / DICOMDIR, files, ())


def _renamed_before(medium: Medium, manifest: Manifest) -> dict[str, str]:
    """Return what a run renamed that was interrupted before it came to the manifest: new paths by old ones."""
    try:
        known = journal(medium.folder)
    except PathError:  # it is of no use: what it may have told stays to be seen in the manifest
        return {}
    return {
        old: new
        for old, new in known
        if old not in medium.files
        and new in medium.files
        and manifest.is_listed(old)
        and not manifest.is_listed(new)
    }


def _named(medium: Medium, old: FileSet) -> set[str]:
    """Return which files of the medium a DICOMDIR names."""
    listing = Listing(medium.files)
    named = set()
    for _, record in records_of(old.records):
        if record.file_components and (path := resolve(record.file_components, listing).path):
            named.add(path)
    return named
