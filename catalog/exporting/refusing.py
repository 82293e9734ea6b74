"""Which of an instance's files an export copies, or why none: each instance for itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from catalog.database.fetch import Candidate, SourceFile
from catalog.entities import Status
from catalog.fileset.build import is_private
from catalog.fileset.profiles import Profile, misfit
from catalog.fileset.records import record_type_for
from catalog.normal_forms import is_uid
from catalog.shapes import frozen

READABLE = frozenset([Status.OK, Status.TRUNCATED, Status.REFERENCED])
"""States of a file in which it can be copied."""

Why = tuple[str, str, str]
"""Code, reason and detail of something left out."""

_is_legal = lru_cache(maxsize=1024)(is_uid)
"""For UIDs that many instances share."""


@frozen
class Rules:
    """What is asked of an instance that is to be copied; see `catalog.exporting.planning.make_plan`."""

    digests: Mapping[int, str]
    take_first: bool = False
    profile: Profile | None = None
    private: bool = False
    transfer_syntax: str | None = None
    longest_bytes: int | None = None

    def source(self, candidate: Candidate) -> SourceFile | Why:
        """Return the file to copy, or why there is none."""
        refusal = _refusal(candidate, self.private)
        if refusal is not None:
            return refusal
        source = _source(candidate, self.digests, self.take_first)
        if not isinstance(source, SourceFile):
            return source
        if self.profile is not None:
            refusal = _misfit(candidate, source, self.profile, self.transfer_syntax)
        refusal = (
            refusal
            or _obstacle(source, self.transfer_syntax)
            or _too_long(source, self.longest_bytes)
        )
        return source if refusal is None else refusal


def present(candidate: Candidate) -> tuple[SourceFile, ...]:
    """Return the candidate's files that can be copied, sorted by path."""
    return tuple(f for f in candidate.files if f.status in READABLE)


def ambiguous(candidate: Candidate) -> tuple[SourceFile, ...]:
    """Return the files whose digests the plan needs: several of equal size; else none."""
    files = present(candidate)
    return files if len(files) > 1 and len({f.size_bytes for f in files}) == 1 else ()


def _refusal(candidate: Candidate, private: bool) -> Why | None:
    """Return why the instance can be in no File-set, or `None`."""
    taken = private and is_private(candidate.claims.instance.sop_class_uid or "")
    if candidate.claims.directory_record_type is None and not taken:
        known = record_type_for(candidate.claims.instance.sop_class_uid or "")
        return (
            "no-record-type",
            f"{known.name or known.uid or 'without a SOP Class'}: {known.reason}",
            "",
        )
    _, study, series, instance, _ = candidate.claims
    for name, uid, is_good in (
        ("SOP Class UID", instance.sop_class_uid, _is_legal),
        ("SOP Instance UID", instance.sop_instance_uid, is_uid),
        ("Study Instance UID", study and study.study_instance_uid, _is_legal),
        ("Series Instance UID", series and series.series_instance_uid, _is_legal),
    ):
        if uid and not is_good(uid):
            return (
                "illegal-uid",
                f"its {name} is no legal UID (PS3.5 §9.1), so no directory record can name it",
                uid,
            )
    return None


def _misfit(
    candidate: Candidate, source: SourceFile, profile: Profile, transfer_syntax: str | None
) -> Why | None:
    """Return why the instance, in the Transfer Syntax of its copy, does not fit the profile."""
    sop_class_uid = candidate.claims.instance.sop_class_uid or ""
    reason = misfit(profile, sop_class_uid, transfer_syntax or source.transfer_syntax_uid or "")
    return ("profile", reason, "") if reason else None


def _obstacle(source: SourceFile, transfer_syntax: str | None) -> Why | None:
    """Return why the file cannot be brought into the ordered Transfer Syntax, or `None`."""
    if transfer_syntax in (None, source.transfer_syntax_uid):
        return None
    from catalog.dicom.transcoding import obstacle

    reason = obstacle(source.transfer_syntax_uid or "")
    return ("not-transcodable", reason, _path(source)) if reason else None


def _too_long(source: SourceFile, longest_bytes: int | None) -> Why | None:
    """Return why the file cannot stand in an ISO image, or `None`."""
    if longest_bytes is None or (source.size_bytes or 0) <= longest_bytes:
        return None
    reason = f"a file on an ISO 9660 Level 1 disc has at most {longest_bytes:,} bytes; export it to a folder or ZIP file"
    return "too-large", reason, f"{source.size_bytes:,} bytes"


def _source(candidate: Candidate, digests: Mapping[int, str], take_first: bool) -> SourceFile | Why:
    """Return the file to copy, or why there is none."""
    files = present(candidate)
    if len(files) == 1 and files[0].transfer_syntax_uid is not None:
        return files[0]
    if not files:
        if candidate.files:
            return "missing", "its file is missing", _path(candidate.files[0])
        return "no-file", "no file of it is known, only a directory record", ""
    different = (
        len({f.size_bytes for f in files}) > 1
        or len({digests.get(f.file_ref, f.file_ref) for f in files}) > 1
    )
    if len(files) > 1 and different and not take_first:
        return (
            "different-bytes",
            "several files have its SOP Instance UID and differ; --take-first takes the first by path",
            ", ".join(map(_path, files)),
        )
    if files[0].transfer_syntax_uid is None:
        return (
            "no-transfer-syntax",
            "its file does not say its Transfer Syntax, so it is no DICOM file of a File-set (PS3.10 §7.1)",
            _path(files[0]),
        )
    return files[0]


def _path(file: SourceFile) -> str:
    return f"{file.root.rstrip('/')}/{file.path}"
