"""A DICOMDIR opened for a change: what a change would repair, and whether it may (PS3.10 §8.3)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import FileSetError, PathError
from catalog.files.whole import content
from catalog.fileset.check import check
from catalog.fileset.file_id import FileId, Listing, is_file_set_id, resolve
from catalog.fileset.tree import FileSet, Record
from catalog.findings import Finding, Severity
from catalog.maintaining.describing import Shown, show
from catalog.maintaining.examining import LeftOut
from catalog.maintaining.growing import Node, Tree
from catalog.maintaining.storing import encoded, put
from catalog.normal_forms import is_uid
from catalog.shapes import field, mutable, replace

if TYPE_CHECKING:
    from catalog.maintaining.manifesting import Manifest

_HARMLESS = frozenset(
    {"last-root-offset", "consistency-flag", "trailing-bytes", "character-set-missing"}
)
"""Findings on the bytes whose repair changes nothing that a record says."""

_PRIVATE_META = 0x00020100


@mutable
class Opened:
    """A directory that may be changed.

    Attributes
    ----------
    fileset:
        Its own attributes; its records are in `tree`.
    repairs:
        What the change repairs or cannot carry over, each as a finding of the old directory.
    files:
        The file on the medium for each node that names one; nodes whose file is not there are
        left out. By `id(node)`.
    """

    shown: Shown
    fileset: FileSet
    tree: Tree
    repairs: list[Finding]
    files: dict[int, str]

    @property
    def folder(self) -> Path:
        """The medium's root."""
        return self.shown.medium.folder

    def nodes_by_file(self) -> dict[str, list[Node]]:
        """Return the nodes that name each file."""
        found: dict[str, list[Node]] = {}
        for node in self.tree.nodes():
            if (path := self.files.get(id(node))) is not None:
                found.setdefault(path, []).append(node)
        return found


def open_for_change(path: Path, *, repair: bool, file_set_uid: str) -> Opened:
    """Return the DICOMDIR at `path`, ready for a change.

    Inactive records, which before 2008 meant deleted ones, are taken out: no DICOMDIR may hold
    them now, and writing them as active would bring them back (PS3.3 F.3.2.2).

    Parameters
    ----------
    repair:
        Go on although the directory is damaged; `Opened.repairs` says what is repaired.
    file_set_uid:
        Given to a directory that has no legal one, with `repair`.

    Raises
    ------
    PathError, DicomdirError
        If it cannot be read.
    FileSetError
        If it has no Directory Information Module, or needs repair and `repair` is not set.
    """
    shown = show(path)
    if shown.medium.is_container:
        raise FileSetError(
            f"{shown.place} lies in a file that dcat only reads. Extract that to a folder and change it there; nothing was written."
        )
    directory = shown.directory
    if any(finding.code == "no-directory" for finding in directory.findings):
        raise FileSetError(
            f"{shown.place} has no Directory Information Module, so it lists no files and must be left as it is (PS3.10 §8.3)."
        )
    own = len(directory.findings) - len(check(directory.fileset, directory.entries))
    repairs = [
        f for f in directory.findings[:own] if f.severity is not Severity.NOTE or f.code == "mrdr"
    ]
    fileset, more = _legalised(directory.fileset, file_set_uid)
    serious = [f for f in (*repairs, *more) if f.code not in _HARMLESS]
    if serious and not repair:
        raise FileSetError(_refusal(shown.place, serious))
    tree = Tree(fileset.records)
    inactive = [
        node
        for node, entry in zip(tree.nodes(), directory.entries, strict=True)
        if not entry.in_use
    ]
    files: dict[int, str] = {}
    listing = Listing(shown.medium.files)
    for node in tree.nodes():
        components = node.record.file_components if node.record else None
        found = resolve(components, listing).path if components else None
        if found is not None:
            files[id(node)] = found
    if inactive:
        tree.take(inactive)
    repairs = [f for f in (*repairs, *more) if f.code != "character-set-missing"]
    return Opened(shown, replace(fileset, records=()), tree, [*repairs, *_dropped(shown)], files)


def _refusal(place: str, serious: Sequence[Finding]) -> str:
    kinds = ", ".join(
        code if count == 1 else f"{code} ({count:,} times)"
        for code, count in Counter(f.code for f in serious).items()
    )
    return f"{place} is damaged: {kinds}. `dcat dicomdir check` says more; --repair changes it all the same and repairs what it can. Nothing was written."


def _legalised(fileset: FileSet, file_set_uid: str) -> tuple[FileSet, list[Finding]]:
    """Return `fileset` with identifiers that may be written, and what had to change."""
    findings = []
    if not is_file_set_id(fileset.file_set_id):
        legal = re.sub("[^A-Z0-9_]", "_", fileset.file_set_id.upper())[:16]
        message = f"The File-set ID is not legal; it becomes {legal!r}."
        findings.append(Finding("file-set-id", Severity.WARNING, message, "", "PS3.10 §8.5"))
        fileset = replace(fileset, file_set_id=legal)
    if not is_uid(fileset.file_set_uid):
        message = f"The File-set UID is missing or not legal; it becomes {file_set_uid}."
        findings.append(Finding("file-set-uid", Severity.ERROR, message, "", "PS3.10 §8.1"))
        fileset = replace(fileset, file_set_uid=file_set_uid)
    if fileset.descriptor_character_set is not None and not fileset.descriptor_file_id:
        message = "(0004,1142) stands without a descriptor file; it is left out."
        findings.append(Finding("descriptor", Severity.WARNING, message, "", "PS3.3 F.3.2.1"))
        fileset = replace(fileset, descriptor_character_set=None)
    return fileset, findings


def _dropped(shown: Shown) -> list[Finding]:
    """Say what of the preamble and File Meta Information the writer does not carry over."""
    findings = []
    if shown.data[128:132] == b"DICM" and shown.data[:128].strip(b"\0"):
        message = "The preamble is not understood and becomes zeros (PS3.10 §8.3, note)."
        findings.append(Finding("preamble", Severity.NOTE, message, "", "PS3.10 §8.3", 0))
    if any(element.tag >= _PRIVATE_META for element in shown.directory.meta):
        message = "Private File Meta Information of the former writer is not carried over."
        findings.append(Finding("private-meta", Severity.NOTE, message, "", "PS3.10 §7.1"))
    return findings


@mutable
class Updated:
    """What a change did.

    Attributes
    ----------
    backup:
        Where the old DICOMDIR is kept; `None` if nothing was written.
    added:
        Place, File ID, and whether the file was on the medium under that name already.
    removed, files:
        Records that went, in order; files that were deleted or moved.
    failed:
        Files that could not be copied, deleted or moved, and why.
    """

    backup: Path | None = None
    added: list[tuple[str, FileId, bool]] = field(default_factory=list)
    removed: list[Record] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    failed: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    manifest_backup: Path | None = None


def replace_directory(
    opened: Opened,
    result: Updated,
    manifest: Manifest | None = None,
    gone: Collection[str] = (),
    fresh: Mapping[str, str] | None = None,
) -> None:
    """Put the DICOMDIR of `opened` in the place of the old one; `result` gets where that is kept.

    The manifest, where there is one, goes with it (`put_both`). `gone` and `fresh` are as
    `Manifest.after` has them.

    Raises
    ------
    FileSetError, ExportError, SourceChanged
        As `storing.encoded` and `storing.put`. Directory and manifest are the old ones then.
    """
    fileset = replace(opened.fileset, records=opened.tree.records())
    data = encoded(fileset, strict=False)
    dicomdir = opened.shown.medium.dicomdir
    if manifest is None:
        result.backup = put(dicomdir, data, opened.shown.data)
        return
    from catalog.maintaining.manifesting import put_both

    backup, kept, findings = put_both(
        manifest,
        manifest.after(gone, fresh or {}, data),
        lambda: put(dicomdir, data, opened.shown.data),
        lambda: is_replaced(opened),
    )
    result.backup = backup
    result.findings += findings
    result.manifest_backup = kept


def is_replaced(opened: Opened) -> bool:
    """Return whether the DICOMDIR on the medium is another than the one that was opened."""
    try:
        return content(opened.shown.medium.dicomdir) != opened.shown.data
    except PathError:  # it is not there: nothing that was copied is named
        return False
