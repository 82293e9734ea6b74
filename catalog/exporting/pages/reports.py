"""The page of one structured report: its content tree as nested lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from catalog.dicom import sop_classes
from catalog.dicom.structured_report import ContentItem, Reference, Report
from catalog.exporting.pages.contents import SeriesPart
from catalog.exporting.pages.frame import Setting, Step, card, page
from catalog.exporting.pages.markup import Markup, escaped, facts, joined, lines, tag
from catalog.exporting.pages.wording import date, date_time, moment, person, time

_SPOKEN: dict[str, Callable[[str], str]] = {
    "PNAME": person, "DATE": date, "TIME": time, "DATETIME": date_time,
}  # fmt: skip
_RELATIONS = {
    "HAS OBS CONTEXT": "context", "HAS CONCEPT MOD": "", "HAS ACQ CONTEXT": "acquisition",
    "INFERRED FROM": "inferred from", "SELECTED FROM": "selected from",
    "HAS PROPERTIES": "", "CONTAINS": "",
}  # fmt: skip
_FLAGS = {
    "PARTIAL": "not complete", "COMPLETE": "complete",
    "UNVERIFIED": "not verified", "VERIFIED": "verified",
}  # fmt: skip

_MANY = 4

Find = Callable[[str], Markup | None]
"""Returns what refers to a SOP Instance on this medium, or `None` if it is not on it."""


def report_page(
    setting: Setting, part: SeriesPart, above: list[Step], report: Report, find: Find
) -> bytes:
    """Return the page of a structured report of the series `part`."""
    flags = [_FLAGS[flag] for flag in (report.completion, report.verification) if flag in _FLAGS]
    observers = (
        ", ".join(filter(None, (person(who.name), who.organization, date_time(who.date_time))))
        for who in report.observers
    )
    known = [
        ("Patient", above[1].title),
        ("Study", "" if above[2].title == "Study" else above[2].title),
        ("Date and time", moment(report.content_date, report.content_time)),
        ("State", ", ".join(flags)),
        ("Verified by", "; ".join(observers)),
    ]
    content = (
        tag("ul", *_listed(report.items, find), class_="report")
        if report.items
        else tag("p", "The report is empty.")
    )
    body = [card("", facts(known)), card("Report", content)]
    return page(setting, part.folder, report_title(report), above, body)


def report_title(report: Report) -> str:
    """Return the title of a report."""
    return report.title or "Report"


def _listed(items: tuple[ContentItem, ...], find: Find) -> Iterator[Markup]:
    """Yield the list items; many references in a row to what is not here become one."""
    for missing, group in groupby(items, lambda item: _missing(item, find)):
        run = list(group)
        if missing is not None and len(run) >= _MANY:
            yield tag("li", f"{len(run):,} references: {missing}, not on this medium")
        else:
            yield from (_item(item, find) for item in run)


def _missing(item: ContentItem, find: Find) -> str | None:
    """Return what kind of instance, which is not on this medium, is all that an item speaks of."""
    if item.concept or item.value or item.children or len(item.references) != 1:
        return None
    (reference,) = item.references
    return None if find(reference.sop_instance_uid) is not None else _kind(reference)


def _item(item: ContentItem, find: Find) -> Markup:
    inner = tag("ul", *_listed(item.children, find)) if item.children else ""
    return tag("li", _said(item, find), inner)


def _said(item: ContentItem, find: Find) -> Markup:
    relation = _RELATIONS.get(item.relationship, item.relationship.lower())
    before = tag("span", f"{relation}: ", class_="relation") if relation else Markup()
    if item.by_reference:
        return joined(before, f"see item {item.by_reference} of this report")
    if item.value_type == "CONTAINER":
        return joined(before, tag("span", item.concept or "Section", class_="section"))
    spoken = _SPOKEN.get(item.value_type, str)(item.value)
    value: Markup = lines(spoken)
    if item.references:
        shown = [_reference(reference, find) for reference in item.references]
        value = joined(value, " " if value else "", Markup(", ").between(shown))
    concept = item.concept or (
        "" if item.value_type in ("IMAGE", "COMPOSITE", "WAVEFORM") else item.value_type
    )
    label = tag("span", f"{concept}: ", class_="concept") if concept else ""
    return joined(before, label, value or "\u2013")


def _reference(reference: Reference, find: Find) -> Markup:
    frames = f", frame {reference.frames}" if reference.frames else ""
    found = find(reference.sop_instance_uid)
    if found is not None:
        return joined(found, frames)
    uid = reference.sop_instance_uid or "no UID"
    return escaped(f"{_kind(reference)}{frames}, not on this medium ({uid})")


def _kind(reference: Reference) -> str:
    return sop_classes.name(reference.sop_class_uid).removesuffix(" Storage") or "object"
