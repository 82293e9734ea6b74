"""The digests that a medium states of its files, against those that they have."""

from __future__ import annotations

from catalog.files.medium import Medium
from catalog.files.paths import to_text
from catalog.fileset.file_id import Listing
from catalog.fileset.manifest import MAX_MANIFEST_BYTES, Listed, manifests_among, read
from catalog.findings import Finding, Severity


class Stated:
    """What the manifests of a medium state: the SHA-256 of files, in hexadecimal, by their paths.

    `findings` tells what is wrong with the manifests, and which files they name that are not there.
    """

    def __init__(self, medium: Medium) -> None:
        listed = Listed({}, [])
        for path in manifests_among(medium.files)[0]:
            try:
                with medium.opened(path) as (stream, size_bytes):
                    if size_bytes > MAX_MANIFEST_BYTES:
                        listed.findings.append(_unread(path, f"it has {size_bytes:,} bytes"))
                        continue
                    read(stream.read(), path, listed)
            except OSError as exc:
                listed.findings.append(_unread(path, f"it cannot be read: {exc.strerror or exc}"))
        self.findings = listed.findings
        self._digests: dict[str, str] = {}
        listing = Listing(medium.files)
        for name, digest in listed.digests.items():
            paths, _ = listing.like(to_text(name))
            if paths:
                self._digests[paths[0]] = digest
            else:
                message = "The manifest names it, but it is not on the medium."
                finding = Finding("digest-differs", Severity.ERROR, message, to_text(name))
                self.findings.append(finding)

    def compared(self, path: str, digest: str | None) -> Finding | None:
        """Return the finding on the file `path` if its digest is not the one that is stated."""
        expected = self._digests.get(path)
        if digest is None or expected is None or expected == digest:
            return None
        message = f"The manifest states the SHA-256 {expected}, but the file's is {digest}: it is damaged or was changed."
        return Finding("digest-differs", Severity.ERROR, message, path)


def _unread(path: str, why: str) -> Finding:
    return Finding("manifest-unreadable", Severity.ERROR, f"The manifest cannot be used: {why}.", path)  # fmt: skip
