"""What the ledger has of an export or import, as events for audit messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from catalog.database.ledger_reading import DISCLOSED, Entry, StudyShare
from catalog.database.runs import Outcome, RunRow
from catalog.disclosing.audit_message import AuditEvent, MediaKind, Patient, Study
from catalog.errors import CatalogueError
from catalog.files.paths import from_text

_KINDS = {
    "USB": MediaKind.USB,
    "CD": MediaKind.CD,
    "DVD": MediaKind.DVD,
    "CF": MediaKind.CF,
    "MMC": MediaKind.MMC,
    "SD": MediaKind.SD,
    "MAIL": MediaKind.EMAIL,
}
"""By part of an Application Profile's name (PS3.11), and by what `--media` says."""


def media_kind(words: str | None) -> MediaKind:
    """Return the kind that a profile such as STD-GEN-DVD-JPEG, or a medium such as `dvd-dl`, is of."""
    for part in re.split(r"[-_]", (words or "").upper()):
        if part in _KINDS:
            return _KINDS[part]
    return MediaKind.URI


def export_events(
    entry: Entry, shares: Sequence[StudyShare], source_id: str, media: str | None = None
) -> list[AuditEvent]:
    """Return the events of one export or volume: what succeeded and what failed apart (PS3.15 A.5.2).

    One event of outcome 8 stands for a medium that was not finished, with all that was to go onto
    it. Instances that were left out were no part of the attempt. Empty if nothing was attempted.

    Parameters
    ----------
    media:
        The medium as `--media` named it, if the profile says nothing.

    Raises
    ------
    CatalogueError
        If the export is still at work.
    """
    if entry.outcome is Outcome.RUNNING:
        raise CatalogueError(
            f"Export {entry.number} is still at work; its audit message can be written when it has ended."
        )
    if not entry.is_finished:
        why = f"{entry.outcome}: the medium was not finished; what was copied to it may have been read."
        return _event(entry, shares, (DISCLOSED, "failed", "planned"), 8, why, source_id, media)
    failed = entry.outcomes.get("failed", 0)
    why = f"{failed} instance{'' if failed == 1 else 's'} could not be copied."
    return [
        *_event(entry, shares, (DISCLOSED,), 0, "", source_id, media),
        *_event(entry, shares, ("failed",), 4, why, source_id, media),
    ]


def _event(
    entry: Entry,
    shares: Sequence[StudyShare],
    outcomes: Sequence[str],
    outcome: Literal[0, 4, 8],
    description: str,
    source_id: str,
    media: str | None,
) -> list[AuditEvent]:
    chosen = [s for s in shares if any(s.outcomes.get(o) for o in outcomes)]
    if not chosen:
        return []
    counts = [(share, _classes(share, outcomes)) for share in chosen]
    profile = entry.options.get("profile")
    kind = media_kind(profile if isinstance(profile, str) else None)
    event = AuditEvent(
        kind="export",
        outcome=outcome,
        description=description,
        others=(entry.recipient,) if entry.recipient else (),
        media_uri=_uri(entry.run.host, entry.destination),
        media_id=entry.file_set_uid,
        media=kind if kind is not MediaKind.URI else media_kind(media),
        **_common(entry.run, entry.last_run, source_id, counts),
    )
    return [event]


def import_event(
    run: RunRow,
    shares: Sequence[StudyShare],
    place: str,
    file_set_uid: str,
    source_id: str,
    failed: str = "",
) -> AuditEvent:
    """Return the event of an import: what `shares` count as `copied` came from the medium at `place`.

    Parameters
    ----------
    place:
        Path of the medium, absolute and in text form.
    failed:
        Why it came to no end; empty if it did.
    """
    counts = [(share, _classes(share, (DISCLOSED,))) for share in shares]
    return AuditEvent(
        kind="import",
        outcome=8 if failed else 0,
        description=failed,
        others=(),
        media_uri=_uri(run.host, place),
        media_id=file_set_uid,
        media=MediaKind.URI,
        **_common(run, run, source_id, counts),
    )


def _common(
    run: RunRow,
    last: RunRow,
    source_id: str,
    counts: Sequence[tuple[StudyShare, Mapping[str, int]]],
) -> dict[str, Any]:
    """Return what every event says of who, when, and whose images."""
    return {
        "happened_at": last.finished_at or last.started_at,
        "login": run.login,
        "host": run.host,
        "pid": last.pid,
        "program": f"dcat {last.version}",
        "source_id": source_id or run.host,
        "patients": tuple(_patients(share for share, _ in counts)),
        "studies": tuple(_studies(counts)),
    }


def _classes(share: StudyShare, outcomes: Sequence[str]) -> dict[str, int]:
    """Return how many instances with these outcomes there are, by SOP Class; of failed ones it is not known."""
    found = dict(share.sop_classes) if DISCLOSED in outcomes else {}
    others = sum(share.outcomes.get(outcome, 0) for outcome in outcomes if outcome != DISCLOSED)
    if others:
        found[""] = found.get("", 0) + others
    return found


def _patients(shares: Iterable[StudyShare]) -> list[Patient]:
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for share in shares:
        if share.patient_id is None and share.study_instance_uid is None:
            continue  # hanging protocols and the like belong to no patient
        key = (share.patient_id or "", share.issuer_of_patient_id or "")
        name, uids = found.get(key, ("", []))
        if share.study_instance_uid:
            uids.append(share.study_instance_uid)
        found[key] = (name or share.patient_name or "", uids)
    return [Patient(*key, name, tuple(uids)) for key, (name, uids) in found.items()]


def _studies(counts: Sequence[tuple[StudyShare, Mapping[str, int]]]) -> list[Study]:
    return [
        Study(share.study_instance_uid, share.accession_number or "", classes)
        for share, classes in counts
        if share.study_instance_uid
    ]


def _uri(host: str, place: str) -> str:
    """Return where a medium lies as a URI (RFC 8089)."""
    path = from_text(place).encode("utf-8", "surrogateescape")
    return f"file://{quote(host, safe='')}/{quote(path.lstrip(b'/'), safe='/')}"
