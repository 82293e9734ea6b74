"""Putting a new DICOMDIR in the place of the old: proved first, the old one kept, never a moment without."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from catalog import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from catalog.dicom.elements import encode
from catalog.errors import DicomdirError, FileSetError, SourceChanged
from catalog.files.whole import content
from catalog.files.writing import atomic, sync_folder
from catalog.fileset.reader import read
from catalog.fileset.tree import SPECIFIC_CHARACTER_SET, FileSet, Record
from catalog.fileset.writer import Writing, check_record, write

DICOMDIR = "DICOMDIR"
JOURNAL = "dcat-renames.ndjson"
"""What was renamed: one JSON object a line, `from` and `to`, paths below the medium's root in text form."""

BACKUP = re.compile(r"(dicomdir|manifest\.sha)[^/]*\.[0-9]+\.bak", re.IGNORECASE)
"""Names of kept directories and manifests. The dots make them illegal File IDs (PS3.10 §8.5), so they clash with none."""


def encoded(fileset: FileSet, *, strict: bool) -> bytes:
    """Return the bytes of the DICOMDIR of `fileset`, read again and found to say the same.

    Parameters
    ----------
    strict:
        Refuse records that break their type's rules. An updater keeps such records as they are.

    Raises
    ------
    FileSetError, EncodingError
        If it cannot be written, or does not say the same when it is read.
    """
    stream = io.BytesIO()
    writing = Writing(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME)
    write(stream, fileset, writing, check=check_record if strict else _anything)
    data = stream.getvalue()
    again = read(data, by_rules=False)
    same = (
        again.fileset.file_set_uid == fileset.file_set_uid
        # Texts may lack a character set that a record above explains.
        and all(finding.code.startswith("character-set") for finding in again.findings)
        and _same(fileset.records, again.fileset.records)
    )
    if not same:
        raise FileSetError(
            "The new DICOMDIR does not say what it should when it is read again, so it was not "
            "written. Please report this with the DICOMDIR."
        )
    return data


def _anything(record: Record) -> None:
    """Accept every record."""


def _same(ours: Sequence[Record], theirs: Sequence[Record]) -> bool:
    """Return whether both trees have the same types, keys and order."""
    waiting = [(ours, theirs)]
    while waiting:
        ours, theirs = waiting.pop()
        if len(ours) != len(theirs):
            return False
        for mine, yours in zip(ours, theirs, strict=True):
            keys = yours.keys
            # The reader lends the character set of a record above.
            if len(keys) > len(mine.keys) and mine.element(SPECIFIC_CHARACTER_SET) is None:
                keys = tuple([e for e in keys if e.tag != SPECIFIC_CHARACTER_SET])
            if mine.type != yours.type:
                return False
            # Equal elements have equal bytes; others may differ in no more than their padding.
            if mine.keys != keys and (
                b"".join(map(encode, mine.keys)) != b"".join(map(encode, keys))
            ):
                return False
            if mine.children or yours.children:
                waiting.append((mine.children, yours.children))
    return True


def keep(dicomdir: Path, data: bytes) -> Path:
    """Write `data`, the old directory or manifest, beside `dicomdir` under a new name; return it.

    `DICOMDIR.1.bak`, then `.2.` and so on; none is ever overwritten.

    Raises
    ------
    ExportError
        If it cannot be written.
    """
    number = 1
    while (backup := dicomdir.with_name(f"{dicomdir.name}.{number}.bak")).exists():
        number += 1
    with atomic(backup) as stream:
        stream.write(data)
    return backup


def put(dicomdir: Path, data: bytes, before: bytes | None) -> Path | None:
    """Make `data` the content of `dicomdir`; return where what was there is kept, or `None`.

    Parameters
    ----------
    before:
        What the work was based on; `None` if there was no DICOMDIR.

    Raises
    ------
    SourceChanged
        If the file is no longer what it was.
    ExportError, MediaFull
        If something cannot be written. The old DICOMDIR is then still in its place.
    """
    backup = None
    if before is None:
        if dicomdir.exists():
            raise SourceChanged(f"{dicomdir} appeared in the meantime. Nothing was written.")
    else:
        if content(dicomdir) != before:
            raise SourceChanged(f"{dicomdir} was changed in the meantime. Nothing was written.")
        backup = keep(dicomdir, before)
    with atomic(dicomdir) as stream:
        stream.write(data)
    sync_folder(dicomdir.parent)
    return backup


def previous(data: bytes) -> FileSet:
    """Return what the old DICOMDIR `data` says of its File-set, nothing where it cannot be read."""
    try:
        return read(data).fileset
    except DicomdirError:
        return FileSet("", "")
