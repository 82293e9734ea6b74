"""A medium's manifest brought in step with its directory; what it says of other files stays as it is.

No digest is made for a file that the change does not touch: one that the manifest has wrong stays
wrong, and is told, so that nothing on a medium becomes right by being changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from catalog.errors import ExportError, FileSetError, SourceChanged
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.medium import Medium
from catalog.files.paths import from_text, to_text
from catalog.files.whole import content
from catalog.files.writing import atomic
from catalog.fileset import manifest
from catalog.fileset.file_id import Listing
from catalog.findings import Finding, Severity
from catalog.maintaining.storing import BACKUP, keep

STAGE = "Digesting"
MOST_READ_BYTES = 1_000_000_000
"""So much of what a change does not touch is read to hold it against the manifest: any CD."""

_CHUNK_BYTES = 1 << 20
_TOLD_EVERY_BYTES = 16 << 20
_CLAUSE = "PS3.10 §8.1"


class Manifest:
    """The manifest that dcat wrote onto a medium, before a change.

    Attributes
    ----------
    path:
        The file.
    data:
        Its bytes before the change.
    """

    def __init__(self, medium: Medium, name: str, directory: bytes) -> None:
        self.path = medium.folder / from_text(name)
        self._medium, self._name, self._directory = medium, name, directory
        size_bytes = medium.files[name].size_bytes
        if size_bytes > manifest.MAX_MANIFEST_BYTES:
            raise FileSetError(
                f"{to_text(str(self.path))} has {size_bytes:,} bytes, more than dcat reads. Nothing was written."
            )
        self.data = self.path.read_bytes()
        self._listed = manifest.Listed({}, [])
        manifest.read(self.data, name, self._listed)
        listing = Listing(medium.files)
        self._names: dict[str, list[str]] = {}  # by the file of the medium that they mean
        others = []
        for listed in self._listed.digests:
            if (own := to_text(listed)) in medium.files:
                self._names[own] = [listed]
            else:
                others.append(listed)
        exact = frozenset(self._names)
        self._lost: list[str] = []
        for listed in others:
            paths, _ = listing.like(to_text(listed))
            if paths and paths[0] not in exact:
                self._names.setdefault(paths[0], []).append(listed)
            else:
                self._lost.append(listed)
        self._lost_names = frozenset(self._lost)

    def after(
        self,
        gone: Collection[str],
        fresh: Mapping[str, str],
        directory: bytes,
        renamed: Mapping[str, str] = MappingProxyType({}),
    ) -> bytes:
        """Return the manifest after a change.

        Parameters
        ----------
        gone:
            Files that are no longer on the medium, by path.
        fresh:
            The digests of files that were put there, by path.
        directory:
            The new DICOMDIR.
        renamed:
            Files that have another path then, by their old one; their digests stay as they are listed.
        """
        own = self._medium.dicomdir_path
        digests = {**fresh, renamed.get(own, own): hashlib.sha256(directory).hexdigest()}
        names = {name for path in (*gone, *digests) for name in self._names.get(path, ())}
        names |= {name for path in renamed for name in self._listed_as(path)}
        named = {
            name: digest
            for path, digest in digests.items()
            for name in self._names.get(path, (from_text(path),))
        }
        for path in renamed.keys() - {own}:
            for name in self._listed_as(path):
                named[from_text(renamed[path])] = self._listed.digests[name]
        return manifest.edited(self.data, names, named)

    def restored(self, paths: Collection[str]) -> bytes:
        """Return the manifest as it stands now with the lines back that `paths` had before."""
        lines = {name: self._listed.digests[name] for path in paths for name in self._names.get(path, ())}  # fmt: skip
        return manifest.edited(self.path.read_bytes(), (), lines)

    def states_directory(self) -> bool | None:
        """Return whether the digest that is listed is that of the DICOMDIR; `None` if none is listed."""
        names = self._listed_as(self._medium.dicomdir_path)
        if not names:
            return None
        digest = hashlib.sha256(self._directory).hexdigest()
        return not any(self._differs(name, digest) for name in names)

    def is_listed(self, path: str) -> bool:
        """Return whether the file `path` is listed; it need not be on the medium any more."""
        return bool(self._listed_as(path))

    def _listed_as(self, path: str) -> Sequence[str]:
        """Return the names under which a file is listed that is, or was, on the medium."""
        if path in self._names:
            return self._names[path]
        name = from_text(path)
        return [name] if name in self._lost_names else ()

    def wrong(self, touched: Collection[str], listener: Listener = ignore) -> list[Finding]:
        """Return what was wrong with the manifest before the change, apart from the files `touched`.

        Their bytes are read if all of them together are not too many; that they were not is said, too.
        """
        found = list(self._listed.findings)
        changed = (
            "It was not what the manifest listed before this change: somebody else changed it."
        )
        own = self._medium.dicomdir_path
        if self.states_directory() is False:
            found.append(_error("digest-differs", changed, own))
        for name in self._lost:
            if to_text(name) in touched:
                continue
            found.append(_error("manifest-missing", "The manifest lists it, and it is not on the medium.", to_text(name)))  # fmt: skip
        passed_over = {*touched, *self._names, own, self._name}
        for path in sorted(set(self._medium.files) - passed_over):
            if not BACKUP.fullmatch(path) and path not in self._manifests():
                message = "The manifest does not list it: it was put there later."
                found.append(Finding("manifest-unlisted", Severity.WARNING, message, path, _CLAUSE))
        found += self._read([path for path in self._names if path not in touched and path != own], listener)  # fmt: skip
        return found

    def _manifests(self) -> list[str]:
        return manifest.manifests_among(self._medium.files)[0]

    def _differs(self, name: str, digest: str) -> bool:
        return self._listed.digests[name] != digest

    def _read(self, paths: list[str], listener: Listener) -> Iterator[Finding]:
        total = sum(self._medium.files[path].size_bytes for path in paths)
        if total > MOST_READ_BYTES:
            message = f"{len(paths):,} files that this change does not touch, {total:,} bytes, were not held against the manifest; `dcat verify --media` does that."
            yield Finding("manifest-not-proved", Severity.NOTE, message, self._name, _CLAUSE)
            return
        listener(Started(STAGE, total, "bytes"))
        done = told = 0
        for path in paths:
            try:
                digest = digest_on(self._medium, path)
            except OSError as exc:
                message = f"The file cannot be read to its end: {exc.strerror or exc}."
                yield _error("file-unreadable", message, path)
                continue
            for name in self._names[path]:
                if self._differs(name, digest):
                    said = self._listed.digests[name]
                    message = f"Its bytes are not those that the manifest lists: SHA-256 {digest[:16]}…, not {said[:16]}…. Its line stays as it is."
                    yield _error("digest-differs", message, path)
            done += self._medium.files[path].size_bytes
            if done - told > _TOLD_EVERY_BYTES:
                told = done
                listener(Progress(STAGE, done, total))
        listener(Finished(STAGE, total))


def manifest_of(medium: Medium, directory: bytes) -> Manifest | None:
    """Return the manifest that dcat wrote onto the medium, `None` if it has none.

    Parameters
    ----------
    directory:
        The DICOMDIR before the change.

    Raises
    ------
    FileSetError
        If it cannot be read. Nothing was written then.
    """
    for name in manifest.manifests_among(medium.files)[0]:
        if manifest.manifests_among([name])[1]:
            try:
                return Manifest(medium, name, directory)
            except OSError as exc:
                raise FileSetError(
                    f"{to_text(str(medium.folder / name))} cannot be read: {exc.strerror}. Nothing was written."
                ) from exc
    return None


def put_both(
    manifest: Manifest,
    after: bytes,
    put_directory: Callable[[], Path | None],
    is_replaced: Callable[[], bool],
) -> tuple[Path | None, Path, list[Finding]]:
    """Put a new DICOMDIR and the manifest that goes with it; return where the old ones are kept, and findings.

    The manifest is written before the DICOMDIR, and gets its name after it: so no lack of room
    parts the two.

    Parameters
    ----------
    after:
        The new manifest.
    put_directory:
        Puts the DICOMDIR, and returns where the old one is kept.
    is_replaced:
        Tells whether the DICOMDIR is another than before.

    Raises
    ------
    SourceChanged
        If the manifest is no longer what it was.
    ExportError, MediaFull
        If something cannot be written. Directory and manifest are the old ones then.
    """
    if content(manifest.path) != manifest.data:
        raise SourceChanged(f"{manifest.path} was changed in the meantime. Nothing was written.")
    kept = keep(manifest.path, manifest.data)
    backup = None
    findings = []
    try:
        with atomic(manifest.path) as stream:
            stream.write(after)
            stream.flush()
            os.fsync(stream.fileno())
            backup = put_directory()
    except BaseException as exc:
        if not is_replaced():
            with suppress(OSError):  # the first error is the one to tell
                kept.unlink()
            raise
        if not isinstance(exc, ExportError):
            raise
        message = f"The DICOMDIR is the new one, and the manifest still the old: {exc}"
        findings.append(Finding("manifest-not-in-step", Severity.ERROR, message))
    return backup, kept, findings


def foreign_notes(medium: Medium) -> list[Finding]:
    """Return a finding for each list of digests that is not dcat's, and so does not fit any more."""
    found, _ = manifest.manifests_among(medium.files)
    names = [name for name in found if not manifest.manifests_among([name])[1]]
    names += manifest.other_digests_among(medium.files)
    message = "This list of digests is not dcat's; it stays as it is and may no longer fit."
    return [Finding("manifest-not-in-step", Severity.WARNING, message, name, _CLAUSE) for name in names]  # fmt: skip


def digest_on(medium: Medium, path: str) -> str:
    """Return the SHA-256 of a file of the medium.

    Raises
    ------
    OSError
        If it cannot be read to its end.
    """
    digest = hashlib.sha256()
    with medium.opened(path) as (stream, _):
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _error(code: str, message: str, place: str) -> Finding:
    return Finding(code, Severity.ERROR, message, place, _CLAUSE)
