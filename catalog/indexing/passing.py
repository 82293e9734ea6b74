"""Readings as bytes, for the way from the process that read the files to the one that stores them.

Files of one series share their patient, study and series; these travel once a chunk and are one
object each at the other end, so the writer sees at a glance that they are the same. `marshal`
takes a third of the time of `pickle` for this; both ends are the same program.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import repeat
from operator import is_
from typing import Any

from catalog.entities import Claims, Instance, Patient, Reading, Series, Status, StoredFile, Study
from catalog.findings import Finding, Severity

_STATUS = StoredFile._fields.index("status")
_NO_CLAIMS = -1

_FORM = "columns"
"""What `packed` makes of readings; another name for another form keeps the two apart."""

_Columns = list[tuple[Any, ...]]
"""The values of many tuples by field; of a field whose values are all one object that one alone."""


def packed(readings: Sequence[Reading]) -> bytes:
    """Return the readings as bytes; `unpacked` is the way back."""
    above: list[tuple[Any, ...]] = []
    places: dict[tuple[int, int, int], int] = {}
    at: list[int] = []
    instances: list[Instance] = []
    kinds: list[str | None] = []
    noticed: dict[int, tuple[Any, ...]] = {}
    for number, (_, claims, findings) in enumerate(readings):
        if claims is None:
            at.append(_NO_CLAIMS)
        else:
            patient, study, series, instance, record_type = claims
            identity = (id(patient), id(study), id(series))
            place = places.get(identity)
            if place is None:
                place = places[identity] = len(above)
                above.append(tuple(e and tuple(e) for e in (patient, study, series)))
            at.append(place)
            instances.append(instance)
            kinds.append(record_type)
        if findings:
            noticed[number] = tuple(map(_plain, findings))
    files = list(zip(*(reading.file for reading in readings), strict=True))
    if files:
        files[_STATUS] = tuple(map(_VALUES.__getitem__, files[_STATUS]))
    return marshal.dumps(
        (_brief(files), above, at, _brief(list(zip(*instances, strict=True))), kinds, noticed)
    )


def _brief(columns: _Columns) -> _Columns:
    """Return columns of the same values, those that are one object all the way down in brief."""
    return [
        values[:1] if all(map(is_, values, repeat(values[0]))) else values for values in columns
    ]


def _tuples(cls: Any, columns: _Columns, count: int) -> Iterator[Any]:
    """Return `count` named tuples of the class from columns, in less than half the time of `_make`."""
    full = (values if len(values) == count else repeat(values[0], count) for values in columns)
    return map(partial(tuple.__new__, cls), zip(*full, strict=True))


def _plain(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.code,
        finding.severity.value,
        finding.message,
        finding.place,
        finding.clause,
        finding.offset_bytes,
    )


_VALUES: dict[Status, str] = {status: status.value for status in Status}
_STATUSES: dict[str, Status] = {status.value: status for status in Status}
_SEVERITIES: dict[str, Severity] = {severity.value: severity for severity in Severity}


def unpacked(data: bytes) -> list[Reading]:
    """Return what was `packed`."""
    files, above, at, instances, kinds, noticed = marshal.loads(data)
    entities = [
        (
            patient and Patient._make(patient),
            study and Study._make(study),
            series and Series._make(series),
        )
        for patient, study, series in above
    ]
    if files:
        files[_STATUS] = tuple(map(_STATUSES.__getitem__, files[_STATUS]))
    stated = zip(_tuples(Instance, instances, len(kinds)), kinds, strict=True)
    new = tuple.__new__
    # The same few findings come again and again.
    known: dict[tuple[Any, ...], Finding] = {}
    readings: list[Reading] = []
    for number, (file, place) in enumerate(
        zip(_tuples(StoredFile, files, len(at)), at, strict=True)
    ):
        claims = None
        if place != _NO_CLAIMS:
            claims = new(Claims, (*entities[place], *next(stated)))
        findings: tuple[Finding, ...] = ()
        if number in noticed:
            for each in noticed[number]:
                if each not in known:
                    code, severity, *rest = each
                    known[each] = Finding(code, _SEVERITIES[severity], *rest)
            findings = tuple(map(known.__getitem__, noticed[number]))
        readings.append(new(Reading, (file, claims, findings)))
    return readings


def form() -> str:
    """Return a name of the form in which readings travel; another version of dcat may have another."""
    shapes = (Reading, StoredFile, Claims, Patient, Study, Series, Instance, Finding)
    fields = repr([_FORM, *(list(shape.__annotations__) for shape in shapes)])
    return f"{zlib.crc32(fields.encode()):08x}"
