"""The manifest of a medium whose files get their old names back.

What it says of each file goes with the file; the line of the DICOMDIR, which is set aside, goes. It
follows from the journal and from what the manifest says now, so it can be repeated after an interruption.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from catalog.errors import ExportError, PathError
from catalog.files.paths import from_text, to_text
from catalog.files.whole import content
from catalog.files.writing import atomic
from catalog.fileset import manifest
from catalog.fileset.medium import dicomdir_names
from catalog.findings import Finding, Severity
from catalog.maintaining.storing import BACKUP, keep

_CLAUSE = "PS3.10 §8.1"


class Step(NamedTuple):
    """How the manifest `path` changes; it is what it is if `before` and `after` are equal."""

    path: Path
    before: bytes
    after: bytes


def manifest_step(
    folder: Path, renames: Iterable[tuple[str, str]], directory: bytes | None
) -> tuple[Step | None, list[Finding]]:
    """Return what brings the manifest in step with files that have their old names again, and what stays wrong.

    Parameters
    ----------
    renames:
        Old and new path of each file, as the journal has them.
    directory:
        The DICOMDIR that is set aside; `None` if it was already, and is kept as a backup.

    Raises
    ------
    PathError
        If the manifest cannot be read.
    """
    names = [to_text(entry.name) for entry in folder.iterdir() if entry.is_file()]
    found, _ = manifest.manifests_among(names)
    own = [name for name in found if manifest.manifests_among([name])[1]]
    foreign = [*(name for name in found if name not in own), *manifest.other_digests_among(names)]
    message = "This list of digests is not dcat's; it stays as it is and may no longer fit."
    findings = [_warning(message, name) for name in foreign]
    if not own:
        return None, findings
    path = folder / from_text(own[0])
    if path.stat().st_size > manifest.MAX_MANIFEST_BYTES:
        raise PathError(f"{to_text(str(path))} is longer than dcat reads. Nothing was renamed.")
    before = content(path)
    listed = manifest.Listed({}, [])
    manifest.read(before, own[0], listed)
    gone: set[str] = set()
    fresh: dict[str, str] = {}
    for old, new in renames:
        old_name, new_name = from_text(old), from_text(new)
        if new_name not in listed.digests:
            continue
        gone.add(new_name)
        if old_name not in listed.digests:  # what it says of the old name was said first
            fresh[old_name] = listed.digests[new_name]
    for name in listed.digests:
        if "/" in name or not dicomdir_names([name]):
            continue
        if listed.digests[name] in _kept(folder, names, directory):
            gone.add(name)
        else:
            findings.append(
                _warning(
                    "It lists other bytes of the DICOMDIR than those that were set aside, so one of the two was changed by somebody else. That line stays.",
                    own[0],
                )
            )
    after = manifest.edited(before, gone, fresh) if gone or fresh else before
    return Step(path, before, after), findings


def _kept(folder: Path, names: Sequence[str], directory: bytes | None) -> Iterator[str]:
    """Yield the digests of the DICOMDIR that is set aside, or of those that were."""
    if directory is not None:
        yield hashlib.sha256(directory).hexdigest()
        return
    for name in names:
        if BACKUP.fullmatch(name) and name.casefold().startswith("dicomdir"):
            yield hashlib.sha256(content(folder / from_text(name))).hexdigest()


@contextmanager
def in_step(step: Step | None) -> Iterator[Path | None]:
    """Give where the old manifest is kept; the new one gets its name when the block ends.

    It is written before the block begins: so no lack of room parts it from the files.

    Raises
    ------
    ExportError, MediaFull
        If it cannot be written.
    """
    if step is None or step.before == step.after:
        yield None
        return
    kept = keep(step.path, step.before)
    is_begun = False
    try:
        with atomic(step.path) as stream:
            stream.write(step.after)
            stream.flush()
            os.fsync(stream.fileno())
            is_begun = True
            yield kept
    except ExportError:
        if not is_begun:
            with suppress(OSError):  # the first error is the one to tell
                kept.unlink()
        raise


def _warning(message: str, place: str) -> Finding:
    return Finding("manifest-not-in-step", Severity.WARNING, message, place, _CLAUSE)
