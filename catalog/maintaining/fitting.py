"""Files in place before an Application Profile (PS3.11): which of them its DICOMDIR could not name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from catalog.dicom.elements import Element, tag_text
from catalog.dicom.header import read_header
from catalog.errors import HeaderError
from catalog.events import Finished, Listener, Progress, Started, ignore
from catalog.files.paths import from_text
from catalog.fileset.profile import Profile
from catalog.fileset.profiles import check_profile, looks_at, misfit, profile_named, unmet
from catalog.fileset.tree import FileSet, Record, is_full
from catalog.maintaining.creating import Creation
from catalog.maintaining.examining import Candidate, LeftOut

STAGE = "Fitting"
BATCH_FILES = 200


def leave_out_misfits(plan: Creation, profile: str, listener: Listener = ignore) -> list[LeftOut]:
    """Take what does not fit `profile` out of `plan`; return it, in the order of the directory.

    An instance does not fit by its SOP Class, its Transfer Syntax, a value that the profile asks
    of it, or a key or icon that the profile wants in a record and that the records of a DICOMDIR
    for files in place do not have (an export writes them). It is then among `plan.left_out`, once
    for each reason, and among neither `plan.items` nor `plan.renames`. Nothing is written.

    Raises
    ------
    FileSetError
        If there is no such profile.
    """
    chosen = profile_named(profile)
    found: list[LeftOut] = []
    listener(Started(STAGE, len(plan.items), "files"))
    for number, (candidate, _) in enumerate(plan.items):
        found += [
            LeftOut(candidate.place, "profile", reason) for reason in _reasons(candidate, chosen)
        ]
        if number % BATCH_FILES == 0:
            listener(Progress(STAGE, number, len(plan.items)))
    listener(Finished(STAGE, len(plan.items)))
    out = {each.place for each in found}
    plan.items = [(c, name) for c, name in plan.items if c.place not in out]
    plan.renames = [each for each in plan.renames if each.old not in out]
    plan.illegal = [each for each in plan.illegal if each.place not in out]
    plan.left_out = sorted([*plan.left_out, *found])
    return found


def _reasons(candidate: Candidate, profile: Profile) -> list[str]:
    """Return why the file does not fit, `[]` if it does."""
    record = candidate.record
    syntax = record.plain(0x00041512) or ""
    if reason := misfit(profile, record.plain(0x00041510) or "", syntax):
        return [reason]
    try:
        header = _header(candidate, profile)
    except (HeaderError, OSError) as exc:
        return [f"it cannot be read any more: {exc}"]
    if reason := unmet(profile, header, syntax):
        return [reason]
    chain = [built.record for built in candidate.above if built.record is not None] + [record]
    nested = record
    for above in reversed(chain[:-1]):
        nested = replace(above, children=(nested,))
    findings = check_profile(FileSet("", "", (nested,)), profile)
    return [f.message.rstrip(".") for f in findings] + [
        reason for each in chain for reason in _absent(each, header, profile)
    ]


def _header(candidate: Candidate, profile: Profile) -> Mapping[int, Element]:
    wanted = looks_at(profile) | {key.tag for keys in profile.keys.values() for key in keys}
    with open(from_text(candidate.source), "rb") as stream:  # noqa: PTH123 - the name may not be UTF-8
        return read_header(stream, candidate.size_bytes, wanted).elements


def _absent(record: Record, header: Mapping[int, Element], profile: Profile) -> list[str]:
    """Return which conditional keys of the profile the file has and its record has not."""
    found = []
    for key in profile.keys.get(record.type, ()):
        element = header.get(key.tag)
        if (
            key.type in ("1C", "2C")
            and element is not None
            and is_full(element)
            and record.element(key.tag) is None
        ):
            found.append(
                f"a {record.type} record would lack {key.keyword} {tag_text(key.tag)}, which {profile.name} wants of it ({profile.clause})"
            )
    return found
