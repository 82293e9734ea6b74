"""Claims of files that are alike: made from those of the file that they are like.

What a series' files state differs in the instance's few varying attributes. Patient, study and
series are then the very objects of the remembered file, so that whoever stores them knows without
comparing that they are the same. Whatever is out of the ordinary is left to `claims`.
"""

from __future__ import annotations

from typing import NamedTuple

from catalog.attributes import at
from catalog.dicom.claims import (
    MEDIA_SOP_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    ClaimsResult,
    Wanted,
    claims,
    decoder_of,
    invalid,
    is_uid,
)
from catalog.dicom.header import Header
from catalog.entities import Claims, Instance, Level
from catalog.findings import Finding

_COLUMNS = {
    attribute.tag: (index, attribute.keyword, attribute.vr, decoder_of(attribute))
    for index, attribute in enumerate(at(Level.INSTANCE))
    if attribute.tag != SOP_CLASS_UID
}
"""The attributes that may vary from file to file of a series."""

_INVALID = {attribute.keyword: invalid(attribute) for attribute in at(Level.INSTANCE)}
"""The finding on each attribute, in the order in which `claims` gives them."""

_RAW = Instance._fields.index("raw")
_LONGEST_BYTES = 256
_REMEMBERED = 16


class _Base(NamedTuple):
    """A remembered header, what it states, and its instance's raw texts.

    `stated` is `None` if something is odd about it beyond values that are invalid: then each file
    like it is looked at in full.
    """

    header: Header
    stated: Claims | None
    raw: dict[str, str]


class ClaimsMaker:
    """Makes the claims of one file after the other.

    Parameters
    ----------
    what:
        Which attributes are wanted.
    """

    def __init__(self, what: Wanted) -> None:
        self._what = what
        self._bases: dict[int, _Base] = {}

    def claims(self, header: Header) -> ClaimsResult:
        """Return what `catalog.dicom.claims.claims` returns for the header."""
        if header.base is None:
            result = claims(header.elements, header.meta, self._what)
            self._remember(header, result)
            return result
        base = self._bases.get(id(header.base))
        if base is None or base.header is not header.base:
            stated = claims(header.base.elements, header.base.meta, self._what)
            base = self._remember(header.base, stated)
        if base.stated is not None:
            varied = _varied(base.stated, base.raw, header)
            if varied is not None:
                return varied
        return claims(header.elements, header.meta, self._what)

    def _remember(self, header: Header, result: ClaimsResult) -> _Base:
        stated = result.claims
        base = _Base(header, None, {})
        if stated is not None and stated.series is not None:
            raw = dict(stated.instance.raw)
            if result.findings == _findings(raw):
                base = _Base(header, stated, raw)
        if len(self._bases) >= _REMEMBERED:
            del self._bases[next(iter(self._bases))]
        self._bases[id(header)] = base
        return base


def _findings(raw: dict[str, str]) -> tuple[Finding, ...]:
    if not raw:
        return ()
    if len(raw) == 1:
        ((keyword, text),) = raw.items()
        return (_INVALID[keyword],) if text else ()
    return tuple(finding for keyword, finding in _INVALID.items() if raw.get(keyword))


def _varied(stated: Claims, raw: dict[str, str], header: Header) -> ClaimsResult | None:
    """Return `stated` with what `header` changes, `None` if that takes a closer look."""
    instance = stated.instance
    values: list[object] = list(instance)
    texts: dict[str, str] | None = None
    for tag, element in header.changed.items():
        column = _COLUMNS.get(tag)
        data = element.value
        if column is None:
            return None
        index, keyword, vr, decoder = column
        if (
            element.vr != vr
            or data.__class__ is not bytes
            or len(data) >= _LONGEST_BYTES
            or not data.isascii()
            or b"\x1b" in data
        ):
            return None
        values[index], odd = decoder(data)
        if odd is not None or keyword in raw:
            texts = dict(raw) if texts is None else texts
            if odd is None:
                del texts[keyword]
            else:
                texts[keyword] = odd
    if texts is not None:
        values[_RAW] = tuple(sorted(texts.items()))
    result = Instance._make(values)
    if not is_uid(result.sop_instance_uid or ""):
        return None
    # What File Meta Information says otherwise, or alone, is a matter for a closer look.
    own = header.elements[SOP_INSTANCE_UID].data.rstrip(b"\0 ")
    if header.meta.get(MEDIA_SOP_INSTANCE_UID, own).rstrip(b"\0 ") != own:
        return None
    return ClaimsResult(
        Claims(stated.patient, stated.study, stated.series, result),
        _findings(raw if texts is None else texts),
        None,
    )
