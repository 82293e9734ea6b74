"""What a header, or a chain of directory records, says of its patient, study, series and instance.

The same function serves files and DICOMDIRs: it takes elements, not files. It runs once a file,
for millions, so the entities of one series, whose bytes seldom differ, are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from catalog.attributes import INDEXED, Attribute, Further, at
from catalog.dicom import further
from catalog.dicom.elements import Element
from catalog.dicom.further import PROBLEMS
from catalog.dicom.sop_classes import NON_PATIENT
from catalog.dicom.values import (
    BROKEN_NUMBER,
    CHARACTER_SET_VRS,
    DEFAULT,
    SPECIFIC_CHARACTER_SET,
    character_set_findings,
    character_sets,
    decode,
    decode_value,
)
from catalog.entities import (
    Attributes,
    Claims,
    Instance,
    Level,
    Patient,
    Raw,
    Series,
    Study,
    Value,
)
from catalog.findings import Finding, Severity
from catalog.normal_forms import LONGEST, indexed, normal, without_nul
from catalog.shapes import frozen

SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
MEDIA_SOP_CLASS_UID = 0x00020002
MEDIA_SOP_INSTANCE_UID = 0x00020003

_LEVELS = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)

WANTED: frozenset[int] = frozenset(a.tag for level in _LEVELS for a in at(level))
"""Tags of every attribute that the catalogue always keeps."""


@frozen
class Wanted:
    """What `claims` reads from a data set: the attributes always kept, and those that were asked for.

    Made by `wanted`. It crosses process borders as the list of what was asked for.

    Attributes
    ----------
    further:
        What the configuration asks for, sorted by name.
    tags:
        Tags of the top-level elements that must be read.
    patient, study, series, instance:
        `further` by level.
    """

    further: tuple[Further, ...]
    tags: frozenset[int]
    patient: tuple[Further, ...]
    study: tuple[Further, ...]
    series: tuple[Further, ...]
    instance: tuple[Further, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it anew, once for all that it is sent."""
        return wanted, (self.further,)


@lru_cache(maxsize=16)
def _wanted(asked: tuple[Further, ...]) -> Wanted:
    tags = WANTED | {attribute.tag for attribute in asked} if asked else WANTED
    by_level = (tuple(a for a in asked if a.level is level) for level in _LEVELS)
    return Wanted(asked, tags, *by_level)


ALWAYS = _wanted(())
"""What is read when the configuration asks for nothing more."""


def wanted(asked: tuple[Further, ...]) -> Wanted:
    """Return what is to be read when `asked` is wanted beside what is always kept."""
    return _wanted(asked) if asked else ALWAYS


_REMEMBERED = 512
_LONGEST_REMEMBERED_BYTES = 4096

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)


class ClaimsResult(NamedTuple):
    """What one source says.

    `claims` is `None` if the source does not say which instance it is or where that belongs;
    `reason` then completes the sentence "The file …".
    """

    claims: Claims | None
    findings: tuple[Finding, ...]
    reason: str | None


class _Built(NamedTuple):
    """An entity's fields and the findings on them."""

    values: tuple[Value, ...]
    raw: Raw
    findings: tuple[Finding, ...]
    attributes: Attributes = ()


def claims(
    elements: Mapping[int, Element], meta: Mapping[int, bytes], what: Wanted = ALWAYS
) -> ClaimsResult:
    """Return what `elements` say of a patient, study, series and instance.

    Absent is `None`, empty is `''`. A value that its column cannot hold stands in `raw`, and has
    a finding `invalid-value` that names the attribute and never the value. A SOP Instance or SOP
    Class UID that the data set lacks is taken from File Meta Information; where both say
    something, the data set decides (finding `meta-differs`).

    Parameters
    ----------
    elements:
        Top-level elements by tag; those beyond `what.tags` are not looked at. For directory
        records, the records' keys from PATIENT down, with the referenced UIDs under the tags of
        a data set.
    meta:
        Group 0002 by tag, as `Header.meta`; empty for directory records.
    what:
        Which attributes are wanted.
    """
    findings = list(character_set_findings(elements)) if SPECIFIC_CHARACTER_SET in elements else []
    instance_fields = _build(_INSTANCE, elements)
    if what.instance:
        instance_fields = _with_further(instance_fields, what.instance, elements)
    instance = Instance._make(
        (*instance_fields.values, instance_fields.raw, instance_fields.attributes)
    )
    findings += instance_fields.findings
    if meta:
        instance = _with_meta(instance, meta, findings)
    if not instance.sop_instance_uid:
        return ClaimsResult(None, tuple(findings), "has no SOP Instance UID")
    study_fields = _build(_STUDY, elements)
    series_fields = _build(_SERIES, elements)
    if what.study:
        study_fields = _with_further(study_fields, what.study, elements)
    if what.series:
        series_fields = _with_further(series_fields, what.series, elements)
    study = Study._make((*study_fields.values, study_fields.raw, study_fields.attributes))
    series = Series._make((*series_fields.values, series_fields.raw, series_fields.attributes))
    _check_uids(instance, study, series, findings)
    if not (study.study_instance_uid and series.series_instance_uid):
        if instance.sop_class_uid in NON_PATIENT and not (
            study.study_instance_uid or series.series_instance_uid
        ):
            return ClaimsResult(Claims(None, None, None, instance), tuple(findings), None)
        missing = "Series" if study.study_instance_uid else "Study"
        return ClaimsResult(None, tuple(findings), f"has no {missing} Instance UID")
    patient_fields = _build(_PATIENT, elements)
    if what.patient:
        patient_fields = _with_further(patient_fields, what.patient, elements)
    patient = Patient._make((*patient_fields.values, patient_fields.raw, patient_fields.attributes))
    for fields in (patient_fields, study_fields, series_fields):
        findings += fields.findings
    return ClaimsResult(Claims(patient, study, series, instance), tuple(findings), None)


class Above(NamedTuple):
    """What a directory record without instances below it says; levels it lacks are all `None`s."""

    patient: Patient
    study: Study
    series: Series


def partial_claims(elements: Mapping[int, Element]) -> Above:
    """Return what the keys of PATIENT, STUDY and SERIES records state, whatever of them is there."""
    patient, study, series = (_build(plan, elements) for plan in (_PATIENT, _STUDY, _SERIES))
    return Above(
        Patient._make((*patient.values, patient.raw, ())),
        Study._make((*study.values, study.raw, ())),
        Series._make((*series.values, series.raw, ())),
    )


Decoder: TypeAlias = Callable[[bytes], tuple[Value, str | None]]
"""Makes the bytes of a value into the column's value and the text that it cannot hold."""


class _Plan(NamedTuple):
    """How one level is built: (tag, VR, attribute, decoder of ASCII bytes) in column order."""

    columns: tuple[tuple[int, str, Attribute, Decoder], ...]
    remembered: dict[tuple[Any, ...], _Built] | None


_PLAIN_TEXTS = frozenset({"AE", "AS", "CS", "LO", "SH", "UI"})
_LONGEST_PLAIN_INTEGER = 9
_USUAL_TIME = re.compile(rb"([01]\d|2[0-3])([0-5]\d)([0-5]\d)(\.\d{1,6})?[ \0]*")


def decoder_of(attribute: Attribute) -> Decoder:
    """Return the decoder of an attribute's plain ASCII values.

    The values that vary from file to file are UIDs, codes and numbers; these are decoded in one
    go where nothing is unusual. Others go the general way, which remembers the last few.
    """
    vr, multi_valued = attribute.vr, attribute.is_multi_valued

    @lru_cache(maxsize=_REMEMBERED)
    def general(data: bytes) -> tuple[Value, str | None]:
        return normal(vr, multi_valued, decode_value(vr, data).text)

    def plain_text(data: bytes) -> tuple[Value, str | None]:
        text = data.decode("ascii").strip("\0 ")
        # Of several values each has padding of its own.
        return general(data) if "\0" in text or ("\\" in text and " " in text) else (text, None)

    def integer(data: bytes) -> tuple[Value, str | None]:
        text = data.decode("ascii").strip("\0 ")
        if text.isdigit() and len(text) <= _LONGEST_PLAIN_INTEGER:
            return int(text), None
        return general(data)

    def short(data: bytes) -> tuple[Value, str | None]:
        return (data[0] | data[1] << 8, None) if len(data) == 2 else general(data)

    def time_of_day(data: bytes) -> tuple[Value, str | None]:
        found = _USUAL_TIME.fullmatch(data)
        if found is None:
            return general(data)
        hour, minute, second, fraction = found.groups(b"")
        return (b"%b:%b:%b%b" % (hour, minute, second, fraction)).decode("ascii"), None

    if vr in _PLAIN_TEXTS or (multi_valued and vr in ("DS", "IS")):
        return plain_text
    if multi_valued:
        return general
    return {"IS": integer, "US": short, "TM": time_of_day}.get(vr, general)


def _plan(level: Level, *, remember: bool) -> _Plan:
    return _Plan(
        tuple((a.tag, a.vr, a, decoder_of(a)) for a in at(level)), {} if remember else None
    )


_PATIENT = _plan(Level.PATIENT, remember=True)
_STUDY = _plan(Level.STUDY, remember=True)
_SERIES = _plan(Level.SERIES, remember=True)
_INSTANCE = _plan(Level.INSTANCE, remember=False)


def _build(plan: _Plan, elements: Mapping[int, Element]) -> _Built:
    """Return the fields of one level."""
    get = elements.get
    found = [get(column[0]) for column in plan.columns]
    memory = plan.remembered
    if memory is None:
        return _build_anew(plan, found, elements)
    charset = get(SPECIFIC_CHARACTER_SET)
    key = (
        charset.value if charset else None,
        *[e and (e.vr, e.value) for e in found],
    )
    built = memory.get(key)
    if built is None:
        built = _build_anew(plan, found, elements)
        if sum(len(e.value) for e in found if e) <= _LONGEST_REMEMBERED_BYTES:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            memory[key] = built
    return built


def _build_anew(
    plan: _Plan, found: list[Element | None], elements: Mapping[int, Element]
) -> _Built:
    values: list[Value] = []
    raws: list[tuple[str, str]] = []
    findings: list[Finding] = []
    for element, (_, vr, attribute, decoder) in zip(found, plan.columns, strict=True):
        if element is None:
            values.append(None)
            continue
        data = element.value
        if (
            element.vr == vr
            and data.__class__ is bytes
            and len(data) < 256
            and data.isascii()
            and b"\x1b" not in data
        ):
            value, raw = decoder(data)
        else:
            value, raw = _decode_slowly(element, attribute, elements, findings)
        values.append(value)
        if raw is not None:
            raws.append((attribute.keyword, raw))
            if raw:
                findings.append(invalid(attribute))
    raws.sort()
    return _Built(tuple(values), tuple(raws), tuple(findings))


def _decode_slowly(
    element: Element, attribute: Attribute, elements: Mapping[int, Element], findings: list[Finding]
) -> tuple[Value, str | None]:
    """Return value and raw text of an element that is not plain ASCII of the expected VR."""
    encodings = (
        character_sets(elements)
        if element.vr in CHARACTER_SET_VRS or element.vr == "UN"
        else DEFAULT
    )
    decoded = decode(element, encodings)
    if decoded.problem:
        severity, remark = PROBLEMS[decoded.problem]
        message = f"{attribute.keyword} {remark}."
        findings.append(Finding(decoded.problem, severity, message, clause="PS3.5 §6.1"))
    if decoded.problem == BROKEN_NUMBER:
        return None, decoded.text  # hexadecimal digits, which may look like another number
    value, raw = normal(attribute.vr, attribute.is_multi_valued, decoded.text)
    if isinstance(value, str) and len(value) > LONGEST and attribute.keyword in INDEXED:
        return indexed(value), value
    return value, raw


def _with_further(
    built: _Built, asked: tuple[Further, ...], elements: Mapping[int, Element]
) -> _Built:
    """Return `built` with what `elements` state of the attributes asked for, which are sorted by name."""
    attributes: list[tuple[str, str | int | float]] = []
    raws: list[tuple[str, str]] = []
    findings: list[Finding] = []
    for attribute in asked:
        value, raw = further.stated(attribute, elements, findings)
        if value is not None:
            attributes.append((attribute.keyword, value))
        if raw is not None:
            raws.append((attribute.keyword, raw))
    return _Built(
        built.values,
        tuple(sorted((*built.raw, *raws))) if raws else built.raw,
        (*built.findings, *findings),
        tuple(attributes),
    )


def invalid(attribute: Attribute) -> Finding:
    """Return the finding on a value that its VR does not allow."""
    message = f"{attribute.keyword} is not a valid {attribute.vr} value."
    return Finding("invalid-value", Severity.WARNING, message, clause="PS3.5 §6.2")


def _with_meta(instance: Instance, meta: Mapping[int, bytes], findings: list[Finding]) -> Instance:
    """Return `instance` with the UIDs that only File Meta Information has."""
    own_instance, own_class = instance.sop_instance_uid, instance.sop_class_uid
    sop_instance_uid = _decided(
        "SOPInstanceUID", own_instance, meta.get(MEDIA_SOP_INSTANCE_UID), findings
    )
    sop_class_uid = _decided("SOPClassUID", own_class, meta.get(MEDIA_SOP_CLASS_UID), findings)
    if sop_instance_uid is own_instance and sop_class_uid is own_class:
        return instance
    return instance._replace(sop_instance_uid=sop_instance_uid, sop_class_uid=sop_class_uid)


def _decided(
    keyword: str, own: str | None, stated: bytes | None, findings: list[Finding]
) -> str | None:
    """Return the UID that counts: the data set's `own`, or if there is none what is `stated` in the File Meta."""
    other = indexed(without_nul(decode_value("UI", stated).text)) if stated else ""
    if not other or other == own:
        return own
    if own:
        message = (
            f"{keyword} differs between data set and File Meta Information; the data set decides."
        )
        findings.append(Finding("meta-differs", Severity.WARNING, message, clause="PS3.10 §7.1"))
        return own
    message = f"{keyword} is missing in the data set and taken from File Meta Information."
    findings.append(Finding("uid-from-meta", Severity.WARNING, message, clause="PS3.10 §7.1"))
    return other


def is_uid(text: str) -> bool:
    """Return whether `text` is a legal UID (PS3.5 §9.1), leading zeros forgiven."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def _check_uids(instance: Instance, study: Study, series: Series, findings: list[Finding]) -> None:
    for keyword, uid in (
        ("SOPInstanceUID", instance.sop_instance_uid),
        ("SOPClassUID", instance.sop_class_uid),
        ("StudyInstanceUID", study.study_instance_uid),
        ("SeriesInstanceUID", series.series_instance_uid),
    ):
        if uid and not is_uid(uid):
            findings.append(
                Finding(
                    "invalid-uid",
                    Severity.WARNING,
                    f"{keyword} is not a valid UID.",
                    clause="PS3.5 §9.1",
                )
            )
