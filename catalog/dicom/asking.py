"""What a user writes for an attribute that the catalogue shall keep, and what it means.

    PatientAge                                          a keyword of PS3.6
    RequestAttributesSequence.RequestedProcedureID      a path through sequences
    00191008, (0019,1008)                               a tag, for private and unknown elements
    PatientAge@series                                   with the level that it shall describe

The Further attribute of a text depends on the text alone, so a catalogue can tell which files
were read when it was asked for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from catalog.attributes import BY_KEYWORD, Further, further
from catalog.dicom.dictionary import keyword as keyword_of
from catalog.dicom.dictionary import nearest
from catalog.dicom.elements import MAX_DEPTH, dictionary_vr, tag_text
from catalog.dicom.levels import level_of
from catalog.dicom.walk import STOPS
from catalog.entities import Level
from catalog.errors import ConfigError

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?", re.ASCII)
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_COMPUTED = frozenset(
    (
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
    )
)
"""Attributes of queries that the views compute; no image states them rightly (PS3.4 C.3.4)."""

_FORCED = {level.value: level for level in (Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE)}  # fmt: skip


def asked(texts: Iterable[str]) -> tuple[Further, ...]:
    """Return the attributes that `texts` name, sorted by name, each once.

    Raises
    ------
    ConfigError
        If one of them cannot be kept, or is asked for at two levels.
    """
    found: dict[str, Further] = {}
    for text in texts:
        attribute = further_named(text)
        other = found.setdefault(attribute.keyword, attribute)
        if other != attribute:
            raise ConfigError(
                f"{attribute.keyword} is asked for at two levels, {other.level} and {attribute.level}; name one."
            )
    return tuple(found[name] for name in sorted(found))


def further_named(text: str) -> Further:
    """Return the attribute that `text` names.

    Raises
    ------
    ConfigError
        If PS3.6 has no such keyword, the text leads to no value that a header holds, or the
        catalogue keeps the attribute anyway.
    """
    name, at, forced = text.strip().partition("@")
    if at and forced not in _FORCED:
        raise ConfigError(
            f"{text!r} names no level after @; write patient, study, series or instance."
        )
    components = [_component(part.strip(), text) for part in name.split(".")]
    path = tuple(tag for _, tag in components)
    name = ".".join(component for component, _ in components)
    _check(text, name, path)
    vr = dictionary_vr(path[-1])
    single = len(path) == 1 and vr != "UN" and _vm(path[-1]) == "1"
    level = _FORCED[forced] if at else level_of(components[0][0])
    return further(name, path, vr, "1" if single else "1-n", level)


def not_kept(name: str) -> str | None:
    """Return what is to be said of an attribute of DICOM that a catalogue does not keep; `None` if `name` names none."""
    near = nearest(name)
    is_spelt_so = near is not None and near.lower() == name.strip().lower()
    try:
        meant = further_named(near if is_spelt_so and near else name).keyword
    except ConfigError:
        return None
    return f"{meant} is an attribute of DICOM, but this catalogue does not keep it. To have it kept, add it to `attributes` under [index] in the configuration file and index again (`dcat index --reread-attributes`)."


def _component(part: str, text: str) -> tuple[str, int]:
    """Return the name and tag of one step of a path; the keyword where a tag has one."""
    if found := _TAG.fullmatch(part):
        tag = int("".join(found.groups()), 16)
        known = keyword_of(tag)
        # The keywords of repeating groups and private creators stand for many tags.
        return (known if known and _tag_of(known) == tag else f"{tag:08X}"), tag
    tag_found = _tag_of(part) if part else None
    if tag_found is None:
        raise ConfigError(
            f"{part!r} in {text!r} is no keyword of PS3.6 and no tag such as 00191008.{_hint(part)}"
        )
    return part, tag_found


_NOT_IN_DATA_SETS = frozenset({*range(8), 0xFFFC, 0xFFFE, 0xFFFF})
"""Groups of commands, of File Meta Information, of directories, of padding and of items."""


def _check(text: str, name: str, path: tuple[int, ...]) -> None:
    if name in BY_KEYWORD:
        raise ConfigError(f"{name} is always kept; take it out of the list.")
    if name in _COMPUTED:
        raise ConfigError(f"{name} is computed from what is catalogued; take it out of the list.")
    if len(path) >= MAX_DEPTH:
        raise ConfigError(f"{text!r} leads through more sequences than dcat reads.")
    for tag in path:
        if tag >> 16 in _NOT_IN_DATA_SETS or tag & 0xFFFF == 0 or tag in STOPS:
            raise ConfigError(
                f"{text!r} names {tag_text(tag)}, which is no attribute to catalogue."
            )
    for tag in path[:-1]:
        if dictionary_vr(tag) not in ("SQ", "UN"):
            raise ConfigError(f"{text!r} leads through {tag_text(tag)}, which is no sequence.")
    last = dictionary_vr(path[-1])
    if last == "SQ":
        raise ConfigError(
            f"{text!r} is a sequence; name the attribute in it that is wanted, such as {name}.CodeValue."
        )
    if last in _BULK:
        raise ConfigError(f"{text!r} has values of {last}: bulk data, which no catalogue keeps.")


def _tag_of(keyword: str) -> int | None:
    from pydicom.datadict import tag_for_keyword

    found = tag_for_keyword(keyword)
    return None if found is None else int(found)


def _vm(tag: int) -> str:
    from pydicom.datadict import dictionary_VM

    try:
        return str(dictionary_VM(tag))
    except KeyError:
        return "1" if tag >> 16 & 1 else "1-n"


def _hint(part: str) -> str:
    from pydicom.datadict import keyword_dict

    near = difflib.get_close_matches(part, keyword_dict, n=1)
    return f" Did you mean {near[0]}?" if near else ""
