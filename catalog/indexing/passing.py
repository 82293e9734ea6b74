"""Readings as bytes, for the way from the process that read the files to the one that stores them.

Files of one series share their patient, study and series; these travel once a chunk and are one
object each at the other end, so the writer sees at a glance that they are the same. `marshal`
takes a third of the time of `pickle` for this; both ends are the same program.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from catalog.entities import Claims, Instance, Patient, Reading, Series, Status, StoredFile, Study
from catalog.findings import Finding, Severity

_STATUS = StoredFile._fields.index("status")


class _Above(NamedTuple):
    patient: Patient | None
    study: Study | None
    series: Series | None


def packed(readings: Sequence[Reading]) -> bytes:
    """Return the readings as bytes; `unpacked` is the way back."""
    above: list[tuple[Any, ...]] = []
    places: dict[tuple[int, int, int], int] = {}
    rows: list[tuple[Any, ...]] = []
    for file, claims, findings in readings:
        stored = (*file[:_STATUS], file.status.value, *file[_STATUS + 1 :])
        if claims is None:
            stated = None
        else:
            patient, study, series, instance, record_type = claims
            identity = (id(patient), id(study), id(series))
            place = places.get(identity)
            if place is None:
                place = places[identity] = len(above)
                above.append(tuple(e and tuple(e) for e in (patient, study, series)))
            stated = (place, tuple(instance), record_type)
        rows.append((stored, stated, tuple(map(_plain, findings)) if findings else ()))
    return marshal.dumps((above, rows))


def _plain(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.code,
        finding.severity.value,
        finding.message,
        finding.place,
        finding.clause,
        finding.offset_bytes,
    )


_STATUSES: dict[str, Status] = {status.value: status for status in Status}
_SEVERITIES: dict[str, Severity] = {severity.value: severity for severity in Severity}


def unpacked(data: bytes) -> list[Reading]:
    """Return what was `packed`."""
    above, rows = marshal.loads(data)
    entities = [
        _Above(
            patient and Patient._make(patient),
            study and Study._make(study),
            series and Series._make(series),
        )
        for patient, study, series in above
    ]
    # The same few findings come again and again.
    known: dict[tuple[Any, ...], Finding] = {}
    readings = []
    for stored, stated, noticed in rows:
        status = _STATUSES[stored[_STATUS]]
        file = StoredFile._make((*stored[:_STATUS], status, *stored[_STATUS + 1 :]))
        claims = None
        if stated is not None:
            place, instance, record_type = stated
            claims = Claims._make((*entities[place], Instance._make(instance), record_type))
        findings: tuple[Finding, ...] = ()
        if noticed:
            for each in noticed:
                if each not in known:
                    code, severity, *rest = each
                    known[each] = Finding(code, _SEVERITIES[severity], *rest)
            findings = tuple(map(known.__getitem__, noticed))
        readings.append(Reading(file, claims, findings))
    return readings


def form() -> str:
    """Return a name of the form in which readings travel; another version of dcat may have another."""
    shapes = (Reading, StoredFile, Claims, Patient, Study, Series, Instance, Finding)
    fields = repr([list(shape.__annotations__) for shape in shapes])
    return f"{zlib.crc32(fields.encode()):08x}"
