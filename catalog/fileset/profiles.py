"""Application Profiles (PS3.11): which instances fit one, and what its directory must hold.

The profiles themselves are data, in `profile_table`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from catalog.dicom import sop_classes
from catalog.dicom.elements import Element, Item, tag_text
from catalog.errors import FileSetError
from catalog.fileset.profile import Demand, ExtraKey, IconRule, Profile
from catalog.fileset.profile_table import PROFILES
from catalog.fileset.record_types import a_record
from catalog.fileset.records import SOP_CLASS_RECORDS, Key
from catalog.fileset.tree import FileSet, Record, is_full, walk
from catalog.findings import Finding, Severity

__all__ = [
    "PROFILES",
    "ExtraKey",
    "IconRule",
    "Profile",
    "check_profile",
    "looks_at",
    "misfit",
    "profile_named",
    "unmet",
]

_SOP_CLASS, _PHOTOMETRIC = 0x00080016, 0x00280004
_ICON, _IMAGE_TYPE, _REFERENCED_IMAGES = 0x00880200, 0x00080008, 0x00081140
_PATIENT_ID = 0x00100020
_LEVELS = {"PATIENT": "STUDY", "STUDY": "SERIES", "SERIES": ""}


def profile_named(name: str) -> Profile:
    """Return the profile `name`; capitals do not matter.

    Raises
    ------
    FileSetError
        If there is none, with the nearest names; or if it is one of the secure profiles, whose
        files are Secure DICOM Files (PS3.10 §7.4), which dcat does not write.
    """
    wanted = name.strip().upper()
    if wanted in PROFILES:
        return PROFILES[wanted]
    if "-SEC-" in wanted and wanted.startswith("STD-"):
        raise FileSetError(
            f"{wanted} needs Secure DICOM Files (PS3.10 §7.4), which dcat cannot write."
        )
    near = get_close_matches(wanted, PROFILES, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise FileSetError(f"{name!r} is no Application Profile of PS3.11 that dcat knows.{hint}")


def misfit(profile: Profile, sop_class_uid: str, transfer_syntax_uid: str) -> str | None:
    """Return why an instance does not fit `profile`, as a sentence without its end, or `None`.

    By its SOP Class first, then by the Transfer Syntax of its file (PS3.11 x.3.1). SOP Classes
    that are private or unknown fit no profile.
    """
    known = SOP_CLASS_RECORDS.get(sop_class_uid)
    label = (known.name if known else "") or sop_class_uid or "none"
    if known is None or known.record_type is None:
        return f"its SOP Class ({label}) is no Standard one of media storage (PS3.4 Annex I)"
    syntaxes = profile.syntaxes
    if profile.classes is not None:
        if sop_class_uid not in profile.classes:
            return f"its SOP Class ({label}) is none of {profile.name} ({profile.clause})"
        syntaxes = profile.classes[sop_class_uid]
    if syntaxes is not None and transfer_syntax_uid not in syntaxes:
        name = sop_classes.name(transfer_syntax_uid) or "none"
        if profile.classes is None:
            return f"its Transfer Syntax ({name}) is none of {profile.name} ({profile.clause})"
        return f"its Transfer Syntax ({name}) is none that {profile.name} allows for its SOP Class ({profile.clause})"
    return None


def looks_at(profile: Profile) -> frozenset[int]:
    """Return the tags that `unmet` looks at."""
    tags = {_SOP_CLASS, _PHOTOMETRIC} if profile.photometric else {_SOP_CLASS}
    for alternatives in profile.demands.values():
        for demand in (each for demands in alternatives for each in demands):
            tags |= {demand.tag, demand.one_below or demand.tag, demand.inside or demand.tag}
    return frozenset(tags)


def unmet(profile: Profile, header: Mapping[int, Element], transfer_syntax_uid: str) -> str | None:
    """Return what `profile` asks of the attributes of an instance and it does not have, or `None`.

    As a sentence without its end. These are the "required image attribute values" of the
    annexes; the least unmet of several allowed forms is named.
    """
    allowed = profile.photometric.get(transfer_syntax_uid)
    if allowed is not None and (shown := _text(header, _PHOTOMETRIC)) not in allowed:
        return f"its Photometric Interpretation ({shown or 'none'}) does not go with its Transfer Syntax in {profile.name} ({profile.clause})"
    alternatives = profile.demands.get(_text(header, _SOP_CLASS), ())
    failures = [
        [demand for demand in demands if not _met(demand, header)] for demands in alternatives
    ]
    if not failures or not all(failures):
        return None
    worst = min(failures, key=len)[0]
    return f"its {worst.keyword} {tag_text(worst.tag)} is not as {profile.name} asks ({profile.clause})"


def _text(header: Mapping[int, Element], tag: int) -> str:
    element = header.get(tag)
    return element.data.strip(b" \0").decode("ascii", "backslashreplace") if element else ""


def _number(header: Mapping[int, Element], tag: int) -> int | None:
    element = header.get(tag)
    if element is None or len(element.data) < 2:
        return None
    return int(struct.unpack_from("<H", element.data)[0])


def _met(demand: Demand, header: Mapping[int, Element]) -> bool:
    if demand.inside is not None:
        sequence = header.get(demand.inside)
        items = sequence.items if sequence else ()
        return bool(items) and all(any(e.tag == demand.tag for e in item) for item in items)
    if demand.present is not None:
        return (demand.tag in header) is demand.present
    if demand.values and isinstance(demand.values[0], str):
        return _text(header, demand.tag) in demand.values
    number = _number(header, demand.tag)
    if number is None:
        return False
    if demand.at_most is not None:
        return number <= demand.at_most
    if demand.one_below is not None:
        above = _number(header, demand.one_below)
        return above is not None and number == above - 1
    return number in demand.values


def check_profile(fileset: FileSet, profile: Profile) -> tuple[Finding, ...]:
    """Return what the directory of `fileset` breaks of `profile`, in the order of the records.

    Codes: `profile-empty` (no records, or a level without the next), `profile-levels` (no PATIENT
    record), `profile-misfit` (SOP Class or Transfer Syntax), `profile-key` (a key that is absent
    or empty), `profile-icon` (missing, or not of the form), `profile-patient-id` (used twice).
    Keys that are required only if the instance has them cannot be judged from the directory.
    """
    return tuple(_Check(profile).findings(fileset))


class _Check:
    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def findings(self, fileset: FileSet) -> Iterator[Finding]:
        if not fileset.records:
            yield self._error("profile-empty", "The directory has no records.", "")
            return
        if not any(record.type == "PATIENT" for record in fileset.records):
            yield self._error("profile-levels", "The directory has no PATIENT record.", "")
        patient_ids: set[bytes] = set()
        for _, record in walk(fileset.records):
            yield from self._levels(record)
            yield from self._reference(record)
            yield from self._keys(record)
            yield from self._icon(record)
            if record.type == "PATIENT":
                patient_id = (record.value(_PATIENT_ID) or b"").strip(b" \0")
                if patient_id in patient_ids:
                    message = "Another PATIENT record has the same Patient ID."
                    yield self._error("profile-patient-id", message, record.type)
                patient_ids.add(patient_id)

    def _error(self, code: str, message: str, place: str, clause: str = "") -> Finding:
        return Finding(code, Severity.ERROR, message, place, clause or self.profile.clause)

    def _levels(self, record: Record) -> Iterator[Finding]:
        below = _LEVELS.get(record.type)
        if below is None:
            return
        if not any(not below or child.type == below for child in record.children):
            message = f"{a_record(record.type, capital=True)} has no {below or 'instance'} record below it."
            yield self._error("profile-empty", message, record.type)

    def _reference(self, record: Record) -> Iterator[Finding]:
        if not record.file_components:
            return
        reason = misfit(
            self.profile, record.plain(0x00041510) or "", record.plain(0x00041512) or ""
        )
        if reason:
            message = f"The instance does not fit the profile: {reason}."
            yield self._error("profile-misfit", message, _place(record))

    def _keys(self, record: Record) -> Iterator[Finding]:
        for key in self.profile.keys.get(record.type, ()):
            if key.type not in ("1", "2"):
                continue
            element = record.element(key.tag)
            if element is None or (key.type == "1" and not is_full(element)):
                yield self._error("profile-key", _lacks(record, key), _place(record))
        if (
            self.profile.clause in ("PS3.11 Annex A", "PS3.11 Annex B")
            and record.type == "IMAGE"
            and (record.plain(_IMAGE_TYPE) or "").split("\\")[2:3] in (["BIPLANE A"], ["BIPLANE B"])
            and record.element(_REFERENCED_IMAGES) is None
        ):
            message = "An image of a biplane acquisition has no Referenced Image Sequence."
            yield self._error("profile-key", message, _place(record))

    def _icon(self, record: Record) -> Iterator[Finding]:
        rule = self.profile.icons
        if rule is None or record.type not in ("IMAGE", "SERIES"):
            return
        element = record.element(_ICON)
        if element is None or not element.items:
            if rule.type == "1" and record.type == "IMAGE":
                message = "An IMAGE record has no Icon Image Sequence (0088,0200), which is Type 1."
                yield self._error("profile-icon", message, _place(record), rule.clause)
            return
        problem = _icon_problem(element.items[0], rule)
        if problem:
            yield self._error("profile-icon", problem, _place(record), rule.clause)


def _icon_problem(item: Item, rule: IconRule) -> str | None:
    values = {element.tag: element for element in item}
    if any(_number(values, tag) != rule.size for tag in (0x00280010, 0x00280011)):
        return f"The icon is not {rule.size} by {rule.size} pixels."
    if any(_number(values, tag) != 8 for tag in (0x00280100, 0x00280101)):
        return "The icon's bits are not 8."
    if _text(values, _PHOTOMETRIC) not in rule.photometric:
        return "The icon's Photometric Interpretation is none that the profile allows."
    return None


def _lacks(record: Record, key: Key) -> str:
    return f"{a_record(record.type, capital=True)} lacks {key.keyword} {tag_text(key.tag)}, Type {key.type} in the profile."


def _place(record: Record) -> str:
    return "/".join(record.file_components) if record.file_components else record.type
