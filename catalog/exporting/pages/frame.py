"""What every page has: the institution, the way back, and who made it."""

from __future__ import annotations

from typing import NamedTuple

from catalog import __version__
from catalog.exporting.pages.contents import INDEX, STYLE, Facility
from catalog.exporting.pages.markup import DOCTYPE, Markup, joined, lines, link, tag

PREVIEWS = "Pictures on these pages are reduced previews. They are not fit for diagnosis; use the DICOM files and a DICOM viewer."


class Setting(NamedTuple):
    """What all pages of a medium share: who hands it out, and the date that it bears."""

    facility: Facility
    created: str


class Step(NamedTuple):
    """One page above this one: its title, and its folder from the root (`''` is the root)."""

    title: str
    folder: str


def href(folder: str, target: str) -> str:
    """Return the link from a page in `folder` to `target`, both from the root of the medium."""
    ours, theirs = folder.split("/") if folder else [], target.split("/")
    common = 0
    while common < min(len(ours), len(theirs) - 1) and ours[common] == theirs[common]:
        common += 1
    return "/".join([".."] * (len(ours) - common) + theirs[common:])


def page(setting: Setting, folder: str, title: str, above: list[Step], body: list[Markup]) -> bytes:
    """Return the page, UTF-8, that lies in `folder` and stands below the pages `above`."""
    facility = setting.facility
    heading = [tag("p", facility.institution, class_="institution")] if facility.institution else []
    if facility.contact and not above:
        heading.append(tag("p", lines(facility.contact), class_="contact"))
    if above:
        steps = [
            tag(
                "li", link(href(folder, _file(step.folder)), step.title), " ", tag("span", "\u203a")
            )
            for step in above
        ]
        heading.append(tag("ul", *steps, tag("li", title), class_="path"))
    head = tag(
        "head",
        tag("meta", http_equiv="Content-Type", content="text/html; charset=utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title + (f" \u2013 {facility.institution}" if facility.institution else "")),
        tag("link", rel="stylesheet", type="text/css", href=href(folder, STYLE)),
    )
    foot = tag(
        "div",
        tag("p", PREVIEWS),
        tag("p", f"Made by dcat {__version__} on {setting.created}."),
        class_="foot",
    )
    content = tag(
        "body",
        tag("div", *heading, class_="head") if heading else "",
        tag("h1", title),
        *body,
        foot,
    )
    document = joined(
        Markup(DOCTYPE + "\n"),
        Markup('<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'),
        head, Markup("\n"), content,
        Markup("\n</html>\n"),
    )  # fmt: skip
    return document.encode("utf-8")


def _file(folder: str) -> str:
    return f"{folder}/{INDEX}" if folder else INDEX


def card(title: str, *content: str, kind: str = "card") -> Markup:
    """Return a part of a page with its heading; without one if `title` is empty."""
    return tag("div", tag("h2", title) if title else "", *content, class_=kind)
