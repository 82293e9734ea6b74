"""One file to one reading. This runs in worker processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from catalog.dicom.claims import WANTED, claims
from catalog.dicom.header import read_header
from catalog.dicom.values import decode_value
from catalog.entities import Claims, Reading, Status, StoredFile
from catalog.errors import HeaderError, NotDicom
from catalog.files.paths import on_disk
from catalog.fileset.records import record_type_for
from catalog.findings import Finding, Severity

_TRANSFER_SYNTAX_UID = 0x00020010
_IMPLEMENTATION_CLASS_UID = 0x00020012
_IMPLEMENTATION_VERSION_NAME = 0x00020013


def read_all(root: str, paths: Sequence[str]) -> list[Reading]:
    """Return the readings of `paths` below `root`, both in text form, in the same order."""
    return [read(root, path) for path in paths]


def read(root: str, path: str) -> Reading:
    """Return what is known of one file after reading its header.

    Never raises: whatever is wrong with the file becomes its status and error. Size and time are
    those before reading; they are `None` if the system could not open or read the file, so that
    the next run tries again.
    """
    changing: tuple[Finding, ...] = ()
    for attempt in (1, 2):
        try:
            with open(on_disk(root, path), "rb", buffering=0) as stream:  # noqa: PTH123
                before = os.fstat(stream.fileno())
                reading = _read(stream, path, before.st_size, before.st_mtime_ns)
                after = os.fstat(stream.fileno())
        except OSError as exc:
            return Reading(
                StoredFile(path, status=Status.UNREADABLE, error=f"cannot be read: {exc.strerror}"),
                None,
            )
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            break
        if attempt == 2:
            message = "The file changed while it was read. It will be read again by the next run."
            changing = (Finding("changed-while-read", Severity.WARNING, message),)
    return reading._replace(findings=reading.findings + changing)


def _read(stream: BinaryIO, path: str, size_bytes: int, mtime_ns: int) -> Reading:
    def failed(status: Status, error: str, *findings: Finding) -> Reading:
        return Reading(StoredFile(path, size_bytes, mtime_ns, status, error), None, findings)

    try:
        header = read_header(stream, size_bytes, WANTED)
        stored = StoredFile(
            path,
            size_bytes,
            mtime_ns,
            Status.OK,
            None,
            header.transfer_syntax_uid,
            _meta_text(header.meta.get(_IMPLEMENTATION_CLASS_UID), "UI"),
            _meta_text(header.meta.get(_IMPLEMENTATION_VERSION_NAME), "SH"),
        )
        if header.is_dicomdir:
            return Reading(stored._replace(status=Status.DICOMDIR), None, header.findings)
        stated, noticed, reason = claims(header.elements, header.meta)
    except NotDicom as exc:
        return failed(Status.NOT_DICOM, str(exc))
    except HeaderError as exc:
        return failed(Status.UNREADABLE, str(exc))
    except OSError:
        raise
    except Exception as exc:  # noqa: BLE001 - one odd file must not end a run over a million
        message = f"dcat itself failed on this file ({type(exc).__name__}: {exc}); please report it"
        return failed(
            Status.UNREADABLE, message, Finding("reader-defect", Severity.ERROR, message + ".")
        )
    findings = header.findings + noticed
    if stated is None:
        return Reading(stored._replace(status=Status.INCOMPLETE, error=reason), None, findings)
    if header.is_truncated:
        stored = stored._replace(
            status=Status.TRUNCATED, error="the file ends inside its Pixel Data"
        )
    return Reading(stored, with_record_type(stated), findings)


def with_record_type(stated: Claims) -> Claims:
    """Return the claims with the type of the directory record that can hold the instance."""
    record_type = record_type_for(stated.instance.sop_class_uid or "").record_type
    return stated._replace(directory_record_type=record_type)


def _meta_text(value: bytes | None, vr: str) -> str | None:
    return None if value is None else decode_value(vr, value).text
