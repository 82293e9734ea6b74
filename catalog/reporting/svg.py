"""Matplotlib's SVG made fit for a page: plain shapes and text, with classes for colours.

What it writes is a document of its own, with inline styles, fonts, groups and ids. Here only the
shapes and texts are kept, in their order. So a page may forbid inline styles, its own style decides
about colours and fonts, and no two ids can be the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from catalog.reporting.wording import visible

_ROLES = (
    *(f"c{n}" for n in range(8)),
    "rest", "error", "warning", "note", "ink", "quiet", "grid", "axis", "track", "hover",
)  # fmt: skip

COLOURS: Mapping[str, str] = {role: f"#0000{n + 1:02x}" for n, role in enumerate(_ROLES)}
"""By class, the colour that stands for it while a plot is drawn."""

_BY_COLOUR = {colour: role for role, colour in COLOURS.items()}
_NAMESPACE = "{http://www.w3.org/2000/svg}"
_FONT_SIZE = re.compile(r"([0-9.]+)px")
_ANCHORS = {"start", "middle", "end"}


def inline(
    document: bytes, name: str, title: str, description: str, titles: Mapping[str, str]
) -> str:
    """Return the drawing as an element to stand in HTML.

    Parameters
    ----------
    document:
        What Matplotlib wrote.
    name:
        What the ids begin with; it must be of no other drawing of the page.
    titles:
        What to tell of shapes that are hovered over, by their id in `document`.
    """
    root = ET.fromstring(document)
    result = ET.Element(
        "svg",
        {
            "viewBox": root.get("viewBox", ""),
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-desc",
        },
    )
    ET.SubElement(result, "title", {"id": f"{name}-title"}).text = visible(title)
    ET.SubElement(result, "desc", {"id": f"{name}-desc"}).text = visible(description)
    for element, group in _shapes(root, ""):
        shape = _shape(element)
        if group in titles:
            ET.SubElement(shape, "title").text = visible(titles[group])
        result.append(shape)
    return ET.tostring(result, encoding="unicode", short_empty_elements=False)


def _shapes(element: ET.Element, group: str) -> list[tuple[ET.Element, str]]:
    """Return shapes and texts in document order, each with the id of the group that it is in."""
    found: list[tuple[ET.Element, str]] = []
    for each in element:
        tag = each.tag.removeprefix(_NAMESPACE) if isinstance(each.tag, str) else ""
        if tag == "g":
            found += _shapes(each, each.get("id", group))
        elif tag in ("path", "text"):
            found.append((each, group))
        elif tag not in ("defs", "metadata", "style"):
            raise AssertionError(f"a drawing has {tag}, which no plot draws")
    return found


def _shape(element: ET.Element) -> ET.Element:
    declared = (part.partition(":") for part in element.get("style", "").split(";"))
    style = {name.strip(): value.strip() for name, _, value in declared}
    if element.tag.endswith("path"):
        attributes = {"d": " ".join(element.get("d", "").split())}
        if style.get("fill", "none") == "none":
            attributes["class"] = f"line {_BY_COLOUR[style['stroke']]}"
        else:
            attributes["class"] = _BY_COLOUR[style["fill"]]
        return ET.Element("path", attributes)
    anchor = style.get("text-anchor", "start")
    size = _FONT_SIZE.search(style.get("font", ""))
    attributes = {
        "class": _BY_COLOUR[style["fill"]],
        "x": element.get("x", "0"),
        "y": element.get("y", "0"),
        "font-size": size[1] if size else "12",
    }
    if anchor in _ANCHORS - {"start"}:
        attributes["text-anchor"] = anchor
    shape = ET.Element("text", attributes)
    shape.text = "".join(element.itertext())
    return shape
