"""A medium against its own manifest: every file read to its end, and its digest compared."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from catalog.events import Finished, Listener, Progress, Started
from catalog.files.medium import Medium
from catalog.files.paths import to_text
from catalog.fileset import manifest
from catalog.fileset.file_id import Listing
from catalog.findings import Finding, Severity

STAGE = "Digesting"
CHUNK_BYTES = 1 << 20
BATCH_BYTES = 16 << 20
CLAUSE = "PS3.10 §8.1"

MANIFEST_BACKUP = re.compile(r"manifest\.sha[^/]*\.[0-9]+\.bak", re.IGNORECASE)
BACKUP = re.compile(rf"dicomdir[^/]*\.[0-9]+\.bak|{MANIFEST_BACKUP.pattern}", re.IGNORECASE)
"""Names of earlier DICOMDIRs and manifests, which are kept when new ones are written; there is a finding for each DICOMDIR."""


class Proof(NamedTuple):
    """How the bytes of a medium compare with its manifest.

    Attributes
    ----------
    manifests:
        Paths of the manifests; empty if there is none, and nothing was compared.
    listed:
        Files that they list, with paths that can be followed.
    same:
        Of these, the ones that are there and have the digest that is listed.
    findings:
        Everything else. Codes: `manifest-missing` (a file that is listed and not there),
        `digest-differs`, `file-unreadable`, `manifest-unlisted`, `manifest-backup`, `manifest-name` (found under
        another name), those of `catalog.fileset.manifest.read`, and `no-manifest`.
    """

    manifests: tuple[str, ...]
    listed: int
    same: int
    findings: tuple[Finding, ...]


def prove(medium: Medium, leads_out: Callable[[str], bool], listener: Listener) -> Proof:
    """Return how the bytes of a medium's files compare with what its manifests list.

    Parameters
    ----------
    leads_out:
        Tells whether a file is a link to a place outside of the medium; such are never opened.
    """
    found, is_own = manifest.manifests_among(medium.files)
    if not found:
        return Proof((), 0, 0, (_absent(medium),))
    listed = manifest.Listed({}, [])
    for path in found:
        _read(medium, path, listed, leads_out)
    findings = listed.findings
    wanted, found_wanting = _looked_up(listed, Listing(medium.files))
    findings += found_wanting
    same = 0
    total = sum(medium.files[path].size_bytes for path in wanted)
    listener(Started(STAGE, total, "bytes"))
    done = told = 0
    for path in medium.files:  # in this order a compressed archive is read through once
        if path not in wanted:
            continue
        own = list(_compared(medium, path, listed, wanted[path], leads_out))
        findings += own
        same += len(wanted[path]) - len(own)
        done += medium.files[path].size_bytes
        if done - told > BATCH_BYTES:
            told = done
            listener(Progress(STAGE, done, total))
    listener(Finished(STAGE, total))
    passed_over = {*wanted, *found}
    others = [path for path in medium.files if path not in passed_over]
    findings += _unlisted([path for path in others if not BACKUP.fullmatch(path)], is_own)
    findings += map(_kept, filter(MANIFEST_BACKUP.fullmatch, others))
    return Proof(tuple(found), len(listed.digests), same, tuple(findings))


def _read(
    medium: Medium, path: str, into: manifest.Listed, leads_out: Callable[[str], bool]
) -> None:
    """Take in the manifest `path`."""
    size_bytes = medium.files[path].size_bytes
    reason = ""
    if leads_out(path):
        reason = "it is a link that leads out of the medium"
    elif size_bytes > manifest.MAX_MANIFEST_BYTES:
        reason = f"it has {size_bytes:,} bytes, more than dcat reads"
    else:
        try:
            with medium.opened(path) as (stream, _):
                data = stream.read(manifest.MAX_MANIFEST_BYTES + 1)
            manifest.read(data, path, into)
            return
        except OSError as exc:
            reason = exc.strerror or str(exc)
    message = f"The manifest cannot be read: {reason}."
    into.findings.append(Finding("manifest-unreadable", Severity.ERROR, message, path, CLAUSE))


def _looked_up(
    listed: manifest.Listed, known: Listing
) -> tuple[dict[str, list[str]], list[Finding]]:
    """Return the listed names by the file of the medium that they mean, and what is wrong with them.

    File systems of discs change the case of names and add versions, as to File IDs.
    """
    wanted: dict[str, list[str]] = {}
    findings: list[Finding] = []
    renamed: list[tuple[str, str]] = []
    for name in sorted(listed.digests):
        shown = to_text(name)
        paths, how = known.like(shown)
        if not paths:
            message = "The manifest lists it, and it is not on the medium."
            findings.append(Finding("manifest-missing", Severity.ERROR, message, shown, CLAUSE))
            continue
        wanted.setdefault(paths[0], []).append(name)
        if how != "exact":
            renamed.append((shown, paths[0]))
    if renamed:
        name, path = renamed[0]
        more = f", and {len(renamed) - 1:,} more" if len(renamed) > 1 else ""
        message = f"Names differ in case or ending from those that the manifest lists: {path} is listed as {name}{more}."
        findings.append(Finding("manifest-name", Severity.NOTE, message, "", CLAUSE))
    return wanted, findings


def _compared(
    medium: Medium,
    path: str,
    listed: manifest.Listed,
    names: list[str],
    leads_out: Callable[[str], bool],
) -> Iterator[Finding]:
    """Yield a finding for each of `names`, by which the file is listed, that it does not bear out."""
    problem = "is a link that leads out of the medium; it was not opened" if leads_out(path) else ""
    digest = ""
    if not problem:
        try:
            digest = _digest(medium, path)
        except OSError as exc:
            problem = f"cannot be read to its end: {exc.strerror or exc}"
    for name in names:
        if problem:
            message = f"The file {problem}."
            yield Finding("file-unreadable", Severity.ERROR, message, path, CLAUSE)
        elif digest != listed.digests[name]:
            said = listed.digests[name]
            message = f"Its bytes are not those that the manifest lists: SHA-256 {digest[:16]}…, not {said[:16]}…."
            yield Finding("digest-differs", Severity.ERROR, message, path, CLAUSE)


def _digest(medium: Medium, path: str) -> str:
    digest = hashlib.sha256()
    with medium.opened(path) as (stream, _):
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _unlisted(paths: list[str], is_own: bool) -> Iterator[Finding]:
    """Yield what no manifest lists: each file, where the manifest is one that lists all."""
    if is_own:
        for path in sorted(paths):
            message = "The manifest does not list it: it was put there later."
            yield Finding("manifest-unlisted", Severity.WARNING, message, path, CLAUSE)
    elif paths:
        folders = Counter(path.partition("/")[0] for path in paths)
        shown = ", ".join(sorted(folders)[:5]) + (" …" if len(folders) > 5 else "")
        message = f"{len(paths):,} files are listed by no manifest, in {shown}."
        yield Finding("manifest-unlisted", Severity.NOTE, message, "", CLAUSE)


def _kept(path: str) -> Finding:
    message = "It is an earlier manifest, kept when a new one was written; take it away before the medium is handed out."
    return Finding("manifest-backup", Severity.NOTE, message, path, CLAUSE)


def _absent(medium: Medium) -> Finding:
    others = manifest.other_digests_among(medium.files)
    message = "The medium has no manifest: what its files hold is proved by their headers alone."
    if others:
        message += f" {', '.join(others)} may list other digests than SHA-256, which dcat does not compare."
    return Finding("no-manifest", Severity.NOTE, message, "", CLAUSE)
