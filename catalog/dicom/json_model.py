r"""Rows of the catalogue as DICOM data sets in JSON (PS3.18 Annex F), with what QIDO-RS returns (PS3.18 10.6.3.3).

A value that its VR cannot hold is left out, as a receiver could not read it; the attribute then
stands there without a value, as one that is empty does. Texts are UTF-8, which Specific Character
Set says. The catalogue does not serve instances: there is no Retrieve URL, and Instance
Availability and Timezone Offset From UTC are not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from catalog.attributes import REAL_VRS, Attribute, Further
from catalog.entities import Level
from catalog.normal_forms import decimal, integer

SPECIFIC_CHARACTER_SET = 0x00080005

_COMPUTED = {
    "ModalitiesInStudy": (0x00080061, "CS"),
    "SOPClassesInStudy": (0x00080062, "UI"),
    "NumberOfPatientRelatedStudies": (0x00201200, "IS"),
    "NumberOfPatientRelatedSeries": (0x00201202, "IS"),
    "NumberOfPatientRelatedInstances": (0x00201204, "IS"),
    "NumberOfStudyRelatedSeries": (0x00201206, "IS"),
    "NumberOfStudyRelatedInstances": (0x00201208, "IS"),
    "NumberOfSeriesRelatedInstances": (0x00201209, "IS"),
}
"""Attributes that exist in queries alone (PS3.4 C.3.4)."""

_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDs",
            "NumberOfPatientRelatedStudies", "NumberOfPatientRelatedSeries", "NumberOfPatientRelatedInstances")  # fmt: skip
_STUDY = ("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName", "PatientName",
          "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "NumberOfStudyRelatedSeries",
          "NumberOfStudyRelatedInstances")  # fmt: skip
_SERIES = ("Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances")  # fmt: skip
_INSTANCE = ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")  # fmt: skip

RETURNED: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: _PATIENT,
    Level.STUDY: _STUDY,
    Level.SERIES: (*_STUDY, *_SERIES),
    Level.INSTANCE: (*_STUDY, *_SERIES, *_INSTANCE),
}
"""What is returned of each level for a search of all there are (PS3.18 Tables 10.6.3-3, -4 and -5).

Of what the tables name, the catalogue keeps these. QIDO-RS does not search for patients; of them
all that the catalogue keeps is returned.
"""

IF_KNOWN = frozenset(
    ["SeriesDescription", "Rows", "Columns", "BitsAllocated", "NumberOfFrames", "IssuerOfPatientID", "OtherPatientIDs"]
)  # fmt: skip
"""Attributes that are left out where they are absent (Type C, 'shall be present if known')."""

_TEXTS_WITH_BACKSLASHES = frozenset(["ST", "LT", "UT", "UR"])
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_LIMITS = {"US": (0, 2**16 - 1), "UL": (0, 2**32 - 1), "SS": (-(2**15), 2**15 - 1), "SL": (-(2**31), 2**31 - 1)}  # fmt: skip
_NOT_IN_JSON = frozenset(["UN", "OB", "OW", "OD", "OF", "OL", "OV", "SQ", "AT"])


class Element(NamedTuple):
    """How one column becomes an element: `name` is the column's."""

    name: str
    tag: int
    vr: str
    is_multi_valued: bool

    @property
    def key(self) -> str:
        """The element's name in JSON, `GGGGEEEE`."""
        return f"{self.tag:08X}"


def element(name: str, attribute: Attribute | None) -> Element | None:
    """Return how the column `name` becomes an element; `None` if a data set cannot carry it.

    Elements of files (groups 0002 and 0004) are none of a data set; of sequences the catalogue
    does not know the items; a private element means nothing without its creator.
    """
    if name in _COMPUTED:
        tag, vr = _COMPUTED[name]
        return Element(name, tag, vr, vr in ("CS", "UI"))
    if attribute is None or attribute.level is Level.FILE or attribute.vr in _NOT_IN_JSON:
        return None
    if isinstance(attribute, Further) and (len(attribute.path) > 1 or attribute.path[0] >> 16 & 1):
        return None
    if attribute.tag >> 16 in (0x0002, 0x0004):
        return None
    return Element(name, attribute.tag, attribute.vr, attribute.vr not in _TEXTS_WITH_BACKSLASHES)


def data_sets(elements: Sequence[Element], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield each row as the JSON text of a data set, its elements in order of their tags.

    Parameters
    ----------
    elements:
        What each cell of a row becomes.
    """
    order = sorted(range(len(elements)), key=lambda n: elements[n].tag)
    character_set = f'"{SPECIFIC_CHARACTER_SET:08X}": {{"vr": "CS", "Value": ["ISO_IR 192"]}}'
    parts = [
        (n, elements[n].name in IF_KNOWN, f'"{elements[n].key}": ', _converter(elements[n]))
        for n in order
        if elements[n].tag != SPECIFIC_CHARACTER_SET
    ]
    before = [part for part in parts if elements[part[0]].tag < SPECIFIC_CHARACTER_SET]
    after = parts[len(before) :]
    for row in rows:
        found = [head + convert(row[n]) for n, if_known, head, convert in before if not (if_known and row[n] is None)]  # fmt: skip
        found.append(character_set)
        found += [head + convert(row[n]) for n, if_known, head, convert in after if not (if_known and row[n] is None)]  # fmt: skip
        yield "{" + ", ".join(found) + "}"


def _converter(wanted: Element) -> Callable[[Any], str]:
    vr = wanted.vr
    empty = json.dumps({"vr": vr})
    value = _VALUES.get(vr) or (_real if vr in REAL_VRS else _text)
    if vr in ("US", "UL", "SS", "SL", "IS", "SV", "UV"):
        value = _bounded(vr)

    def convert(stored: Any) -> str:
        if stored is None or stored == "":
            return empty
        is_list = wanted.is_multi_valued and isinstance(stored, str)
        values = [value(part) for part in (stored.split("\\") if is_list else (stored,))]
        if all(each is None for each in values):
            return empty
        return json.dumps({"vr": vr, "Value": values}, ensure_ascii=False)

    return convert


def _text(stored: Any) -> str | None:
    return str(stored) or None


def _date(stored: Any) -> str | None:
    return str(stored).replace("-", "") or None


def _time(stored: Any) -> str | None:
    return str(stored).replace(":", "") or None


def _date_time(stored: Any) -> str | None:
    form = str(stored)
    has_offset = form[-6:-5] in ("+", "-") and form[-3:-2] == ":"
    moment, offset = (form[:-6], form[-6:]) if has_offset else (form, "")
    return re.sub("[-:T]", "", moment) + offset.replace(":", "") or None


def _name(stored: Any) -> dict[str, str] | None:
    groups = [part.strip(" ").rstrip("^ ") for part in str(stored).split("=")[:3]]
    return {name: part for name, part in zip(_GROUPS, groups, strict=False) if part} or None


def _real(stored: Any) -> float | int | None:
    number = decimal(stored.strip(" ")) if isinstance(stored, str) else float(stored)
    if number is None:
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _bounded(vr: str) -> Callable[[Any], int | None]:
    low, high = _LIMITS.get(vr, (-(2**63), 2**64))

    def value(stored: Any) -> int | None:
        number = integer(stored.strip(" ")) if isinstance(stored, str) else int(stored)
        return number if number is not None and low <= number <= high else None

    return value


_VALUES: dict[str, Callable[[Any], Any]] = {
    "DA": _date,
    "TM": _time,
    "DT": _date_time,
    "PN": _name,
}
